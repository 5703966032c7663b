import { industries } from './industries'

const names = new Map<string, string>()
const sections = new Map<string, string>()
let section = '', division = 0
for (const line of industries.trim().split('\n')) {
  if (/^[A-T]/.test(line)) names.set(section = line[0]!, line.slice(1))
  else {
    const code = String(++division).padStart(2, '0')
    names.set(code, line)
    sections.set(code, section)
  }
}

/** What an industry code says: the division's name, with the section's where that is another, of a letter the section's; '' for no code (GB/T 4754-2017). */
export function industryName(code: string): string {
  const [, letter, digits] = /^([A-T]?)(\d{2,4})?$/.exec(code.normalize('NFKC').replace(/\s/g, '').toUpperCase()) ?? []
  if (!digits) return names.get(letter ?? '') ?? ''
  const name = names.get(digits.slice(0, 2)) ?? '', of = names.get(sections.get(digits.slice(0, 2)) ?? '') ?? ''
  return name && of !== name ? `${name}（${of}）` : name
}
