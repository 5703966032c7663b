import type { FieldError } from '@/sync'

// Facts as the server holds them (hooks/facts.go): what would come back refused is said while it is typed.

const messages = {
  phone_letters: '电话里不能有文字或字母',
  phone_several: '一栏只写一个电话号码',
  bad_phone: '电话号码不对：手机 11 位，固定电话写区号，如 023-58123456',
}

/** A telephone number in the one form in which the server stores it, or why it is none. */
export function phone(typed: string): { value: string; code?: keyof typeof messages } {
  const bad = (code: keyof typeof messages) => ({ value: typed.trim(), code })
  let s = typed.normalize('NFKC').replace(/[\p{Pd}~−]/gu, '-').replace(/[\s\p{Cf}.·]/gu, '')
  if (s === '') return { value: '' }
  for (const mark of ['转分机', '分机', '转', '#', 'ext', 'EXT', 'Ext']) s = s.replace(mark, '-')
  s = s.replace(/\(/g, '').replace(/\)/g, '-').replace(/--/g, '-').replace(/^-+|-+$/g, '').replace(/^(\+86|0086)-?/, '')
  const bare = s.replace(/-/g, '')
  if (/\p{L}/u.test(s)) return bad('phone_letters')
  if (/[/,;、|]/.test(s)) return bad('phone_several')
  const mobile = /^(?:86)?(1[3-9]\d{9})$/.exec(bare)
  if (mobile) return { value: mobile[1] }
  if (/^\+\d{7,15}$/.test(bare) || /^(?:1[0-2]\d{1,4}|9[56]\d{3,6})$/.test(bare)) return { value: bare }
  const free = /^([48]00)(\d{3})(\d{4})$/.exec(bare)
  if (free) return { value: free.slice(1).join('-') }
  for (const written of [s, bare]) {
    const line = /^(0(?:10|2\d|[3-9]\d{2}))-?([2-8]\d{6,7})(?:-(\d{1,6}))?$/.exec(written)
    if (line) return { value: line.slice(1).filter(Boolean).join('-') }
  }
  for (const written of [s, bare]) {
    const local = /^([2-8]\d{7})(?:-(\d{1,6}))?$/.exec(written)
    if (local) return { value: ['023', ...local.slice(1).filter(Boolean)].join('-') } // the district's area code
  }
  return bad('bad_phone')
}

/** What the server would refuse in a field that holds a fact; undefined for any other field and for what it takes. */
export function factFault(collection: string, field: string, value: unknown): FieldError | undefined {
  if (typeof value !== 'string') return undefined
  if ((field === 'phone' || field.endsWith('_phone')) && field !== 'enterprise_phone') {
    const { code } = phone(value)
    return code && { code, message: messages[code] }
  }
  if (collection === 'enterprises' && field === 'industry') {
    const code = value.normalize('NFKC').replace(/\s/g, '').toUpperCase()
    const known = /^[A-T]$/.test(code) || /^[A-T]?(?:0[1-9]|[1-8]\d|9[0-7])\d{0,2}$/.test(code)
    return known ? undefined : { code: 'bad_industry', message: '行业代码不对：应为 GB/T 4754-2017 的门类字母（A–T）或 2–4 位数字，如 52、6210' }
  }
  return undefined
}
