// What this device itself has to say to people; the server's own sentences come with its answers.
const catalogue: Record<string, string> = {
  network: '网络不通，记录已保存在手机里，稍后自动再试',
  timeout: '服务器没有及时回答，稍后自动再试',
  bad_answer: '收到的不是服务器的回答，请检查网络是否需要登录认证',
  internal: '服务器出错，请稍后再试；未上报的记录仍在手机里',
  unauthorized: '登录已过期，请重新登录；未上报的记录仍在手机里',
  refused: '服务器拒绝了这次请求，请稍后再试或联系管理员',
  bad_credentials: '账号或密码不正确',
  sign_in_offline: '登录需要网络，请连接网络后再试',
  signed_out: '请先登录',
  storage_full: '手机存储空间不足，这次没有保存；请清理空间后再试',
  storage_failed: '手机存储出错，这次没有保存；请重试或重新打开应用',
  storage_evicted: '浏览器清除过本机数据，正在重新下载；请将应用添加到主屏幕，以免再次丢失',
  digest_differs: '本机数据与服务器不一致，已重新下载',
  record_unknown: '本机没有这条记录',
  too_large: '内容过大，无法上报，请删减后再试',
  device_wiped: '这台设备已被清除，请联系管理员',
  device_suspended: '这台设备已被停用，请联系管理员',
  epoch_changed: '服务器从备份恢复，正在补报近期的记录，请稍后再试',
  upgrade_required: '应用版本过旧，暂不能下载，请更新应用；上报不受影响',
  device_drain_only: '这台设备已更换，只能上报剩余记录，不能再下载',
}

/** The Chinese sentence of a code of this device. */
export function sentence(code: string): string {
  return catalogue[code] ?? catalogue.refused
}

/** What went wrong on this device: a code for machines, a Chinese sentence for people. */
export class LocalError extends Error {
  constructor(readonly code: string, message = sentence(code), options?: ErrorOptions) { super(message, options) }
}

/** A call that brought no result: status 0 when no answer came, else the server's refusal of the whole call. */
export class CallError extends LocalError {
  constructor(
    code: string, readonly status: number, message?: string,
    /** Milliseconds that the server asked to wait, 0 when it did not say. */
    readonly retryAfter = 0,
  ) { super(code, message || undefined) }
}

/** Makes a storage failure speak: the browser's own words are no help to a grid worker. */
export function storageError(e: unknown): LocalError {
  if (e instanceof LocalError) return e
  const names = [e, (e as { inner?: unknown } | null)?.inner].map(x => (x as { name?: string } | null | undefined)?.name ?? '')
  return new LocalError(names.includes('QuotaExceededError') ? 'storage_full' : 'storage_failed', undefined, { cause: e })
}
