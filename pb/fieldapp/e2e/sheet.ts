import { readSheet } from 'read-excel-file/node'

/** The figures of a report workbook's 明细: indicator|first day of the period|organisation → numerator/denominator. */
export async function parseFile(path: string): Promise<Map<string, string>> {
  const rows = await readSheet(path, '明细')
  const at = rows.findIndex((r) => r.includes('指标代码'))
  const heads = rows[at]!.map((h) => String(h).split('\n')[0])
  const column = (name: string) => heads.indexOf(name)
  const [indicator, start, org, num, den, slice] = ['指标代码', '期间起', '机构编号', '分子', '分母', '分项代码'].map(column) as [number, number, number, number, number, number]
  const out = new Map<string, string>()
  for (const r of rows.slice(at + 1)) {
    if (!r[indicator] || r[slice]) continue
    const day = r[start] instanceof Date ? (r[start] as Date).toISOString().slice(0, 10) : String(r[start])
    out.set(`${r[indicator]}|${day}|${r[org]}`, `${r[num] ?? ''}/${typeof r[den] === 'number' ? r[den] : ''}`)
  }
  return out
}
