import { readFileSync } from 'node:fs'
import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate'
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

/** The bank's workbook with some cells of one row written into, as a spreadsheet program saves it; the row is the one of that name. */
export async function fillIn(path: string, name: string, cells: Record<string, string>): Promise<Buffer> {
  const rows = await readSheet(path, '银行答复')
  const heads = rows[0]!.map(String)
  const line = rows.findIndex((r) => r[heads.indexOf('名称')] === name) + 1
  const parts = unzipSync(readFileSync(path))
  let sheet = strFromU8(parts['xl/worksheets/sheet1.xml']!)
  for (const [head, text] of Object.entries(cells)) {
    const cell = String.fromCharCode(65 + heads.indexOf(head)) + line
    const before = sheet
    sheet = sheet.replace(new RegExp(`<c r="${cell}"([^>]*?)( t="\\w+")?(/>|>.*?</c>)`), `<c r="${cell}"$1 t="inlineStr"><is><t>${text}</t></is></c>`)
    if (sheet === before) throw new Error(`the workbook has no cell ${cell} for ${head}`)
  }
  parts['xl/worksheets/sheet1.xml'] = strToU8(sheet)
  return Buffer.from(zipSync(parts))
}
