/** A clock difference for people. @param seconds server clock minus this phone's */
export function skewWord(seconds: number): string {
  const size = Math.abs(seconds)
  const span = size >= 86_400 ? `${Math.round(size / 86_400)} 天` : size >= 3600 ? `${Math.round(size / 3600)} 小时` : `${Math.max(1, Math.round(size / 60))} 分钟`
  return `手机时间${seconds < 0 ? '快' : '慢'}了 ${span}`
}
