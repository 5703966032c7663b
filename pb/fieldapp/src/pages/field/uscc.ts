// GB 32100-2015: I, O, S, V and Z are left out.
const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY'

/** What is wrong with a unified social credit code, for people: `bad` will be refused, `warn` only wants a second look; '' when sound. */
export function usccFault(code: string): { bad: string; warn: string } {
  const s = code.trim().toUpperCase()
  if (s === '') return { bad: '', warn: '' }
  if (s.length !== 18) return { bad: `统一社会信用代码应为 18 位，现为 ${s.length} 位`, warn: '' }
  for (let i = 0; i < 18; i++) if (!alphabet.includes(s[i])) return { bad: `统一社会信用代码第 ${i + 1} 位“${s[i]}”不是允许的字符`, warn: '' }
  let sum = 0
  for (let i = 0, weight = 1; i < 17; i++, weight = (weight * 3) % 31) sum += alphabet.indexOf(s[i]) * weight
  return { bad: '', warn: alphabet[(31 - (sum % 31)) % 31] === s[17] ? '' : '统一社会信用代码校验位不符（早期试点代码可能如此，请核对）' }
}

/** The kind of body that a code says, '' when it says none of ours. */
export const usccKind = (code: string): string => ({ 91: 'company', 92: 'individual_business', 93: 'cooperative' } as Record<string, string>)[code.trim().slice(0, 2)] ?? ''
