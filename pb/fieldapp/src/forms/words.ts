import { forms, type Form } from './generated'

// Words of what no form asks: fields of the server's own and of the handbooks.
const others: Record<string, Record<string, Record<string, string>>> = {
  enterprises: {
    status: { active: '存续', closed: '已关停', moved: '已搬离', duplicate: '重复' },
    tags: { green: '绿色', technology: '科技', manufacturing: '制造业', agriculture: '涉农', foreign_trade: '外贸', specialised: '专精特新', key: '重点企业' },
    ownership: { private: '民营', state: '国有', collective: '集体', foreign: '外资', unknown: '未知' },
    origin: { registry: '登记导入', field: '现场新增' },
  },
  policies: {
    kind: {
      credit: '信贷', credit_report: '征信', fx_rmb: '外汇和跨境人民币', aml: '反洗钱', fiscal: '财政', industrial: '产业', tax: '税收',
      consumer: '消费者保护', anti_fraud: '反诈', startup_loan: '创业担保贷款', platform_guide: '平台指引',
    },
  },
  products: { kind: { credit: '信用', mortgage: '抵押', guaranteed: '保证', pledge: '质押', supply_chain: '供应链', startup: '创业', other: '其他' } },
  grids: { kind: { community: '社区', village: '村', park: '园区', business_circle: '商圈', building: '楼宇', market: '专业市场' } },
  inspection_items: { category: { twelve_ones: '十二个一', space: '空间区域', green_channel: '绿色通道', first_responder: '首问负责制' } },
  services: { status: { open: '办理中', done: '已办结' } },
  activities: { evidence: { photo: '照片', roster: '签到', minutes: '纪要' } },
  feedback: { status: { open: '办理中', answered: '已答复', closed: '已办结' } },
  harbours: { kind: { centre: '首贷续贷中心', street: '镇街港湾', park: '园区港湾', business_circle: '商圈港湾' } },
  users: {
    role: {
      grid_worker: '网格员', harbour_staff: '当值工作人员', harbour_head: '港湾负责人', liaison: '双向联络员', bank: '银行', department: '部门',
      official: '主管部门', street_official: '镇街干部',
    },
  },
}

const table = new Map<string, string>()
for (const form of Object.values(forms) as Form[]) {
  for (const f of form.fields) for (const [value, label] of f.options ?? []) table.set(`${form.collection}.${f.name}.${value}`, label)
}
for (const [value, label] of (forms.demand_events as Form).fields.find(f => f.name === 'to_stage')!.options!) table.set(`demands.stage.${value}`, label)
for (const [collection, fields] of Object.entries(others)) {
  for (const [field, words] of Object.entries(fields)) for (const [value, label] of Object.entries(words)) table.set(`${collection}.${field}.${value}`, label)
}

/** The Chinese label of an option of a select field; lists are joined with 、; yes/no for switches; the value itself when it has no word. */
export function wordOf(collection: string, field: string, value: unknown): string {
  if (Array.isArray(value)) return value.map(v => wordOf(collection, field, v)).join('、')
  if (typeof value === 'boolean') return value ? '是' : '否'
  if (value === undefined || value === null) return ''
  return table.get(`${collection}.${field}.${value}`) ?? String(value)
}

/** What a collection is called, e.g. 走访. */
export function collectionWord(collection: string): string {
  return (forms as Record<string, Form>)[collection]?.label ?? collection
}

/** What a field is called on forms. */
export function labelOf(collection: string, field: string): string {
  return (forms as Record<string, Form>)[collection]?.fields.find(f => f.name === field)?.label ?? field
}

/** Whole yuan for people: 8000元, 12.50万元, 1.20亿元. */
export function yuan(n: number): string {
  if (!Number.isFinite(n)) return ''
  const size = Math.abs(n)
  if (size >= 1e8) return `${(n / 1e8).toFixed(2)}亿元`
  return size >= 1e4 ? `${(n / 1e4).toFixed(2)}万元` : `${n}元`
}

const shift = 8 * 3600_000 // Asia/Shanghai has had no summer time since 1991

/** A stored time as milliseconds, NaN for none. */
export function at(stored: string): number {
  return stored ? Date.parse(stored.replace(' ', 'T')) : NaN
}

/** A moment in PocketBase's form, UTC: 2026-11-23 01:30:00.000Z. */
export function stored(moment: Date): string {
  return moment.toISOString().replace('T', ' ')
}

/** The calendar day in Shanghai of a moment, YYYY-MM-DD. */
export function shanghaiDay(moment: Date): string {
  return new Date(moment.getTime() + shift).toISOString().slice(0, 10)
}

/** True for a date field that names a day, not a moment. */
export const isDay = (field: string): boolean => /_on$|^(day|due|from|until|valid_until|renewal_asked)$/.test(field)

/** The stored form of a Shanghai day: its midnight. */
export function storedDay(day: string): string {
  return stored(new Date(Date.parse(`${day}T00:00:00+08:00`)))
}

/** 11月23日, with the year when it is not this year's; '' for none. */
export function day(value: string, now = new Date()): string {
  const ms = at(value)
  if (Number.isNaN(ms)) return ''
  const [y, m, d] = shanghaiDay(new Date(ms)).split('-')
  return `${y === shanghaiDay(now).slice(0, 4) ? '' : `${y}年`}${Number(m)}月${Number(d)}日`
}

/** A stored time for people: 刚刚, 5分钟前, 今天 09:30, 昨天 09:30, 11月21日 09:30; '' for none. */
export function when(value: string, now = new Date()): string {
  const ms = at(value)
  if (Number.isNaN(ms)) return ''
  const clock = new Date(ms + shift).toISOString().slice(11, 16)
  const minutes = Math.floor((now.getTime() - ms) / 60_000)
  if (minutes >= 0 && minutes < 1) return '刚刚'
  if (minutes >= 0 && minutes < 60) return `${minutes}分钟前`
  const days = Math.round((Date.parse(shanghaiDay(now)) - Date.parse(shanghaiDay(new Date(ms)))) / 86_400_000)
  if (days === 0) return `今天 ${clock}`
  if (days === 1) return `昨天 ${clock}`
  return `${day(value, now)} ${clock}`
}

/** The word of a demand's stage. */
export const stageWord = (stage: string): string => wordOf('demands', 'stage', stage)

/** The colour of a demand's stage; dark enough for white text. */
export const stageColour: Record<string, string> = {
  captured: '#a85a00', accepted: '#0b6aa2', matched: '#0b6aa2', applied: '#0b6aa2', approved: '#0a7a6c', disbursed: '#1a7f37',
  rejected: '#b42318', cultivating: '#6b46a8', closed: '#5c6670', withdrawn: '#5c6670', void: '#5c6670',
}
