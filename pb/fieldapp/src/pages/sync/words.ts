// The state of exchange in the words of a person who must decide what to do.
import { forms, type Form } from '../../forms/generated'
import { at, day, isDay, labelOf, when, wordOf, yuan } from '../../forms/words'
import { skewWord } from '../account/skew'
import type { Decision, FieldError, Status } from '@/sync/contract'

const minute = 60_000
// Below this a clock is right enough for every rule of the server.
const oddSeconds = 300

/** Says that the phone's clock is wrong, '' when it is right enough. `skew`: server minus phone, in seconds. */
export function skewWords(skew: number): string {
  return Math.abs(skew) <= oddSeconds ? '' : `${skewWord(skew)}。记录照常上报，请在手机设置里打开“自动确定日期和时间”。`
}

/** What waits, in one line. */
export function waitingWords(s: Status, now: Date): string {
  const n = s.pending + s.waiting
  if (n === 0) return '没有待上报的记录'
  const oldest = s.oldest_pending_at ? `，最早一条是${when(s.oldest_pending_at, now)}` : ''
  return `${n} 条待上报${s.waiting ? `（其中 ${s.waiting} 条等待关联记录）` : ''}${oldest}`
}

/** "3/4 张照片已上传", '' when there is none. */
export function pictureWords(p: Status['pictures']): string {
  return p.total ? `${p.sent}/${p.total} 张照片已上传${p.refused ? `，${p.refused} 张被退回` : ''}` : ''
}

/** What goes on now, or when it goes on; '' when nothing is to be done. */
export function progressWords(s: Status, now: Date): string {
  if (s.elsewhere && s.syncing === '') return '另一个页面正在上报'
  if (s.syncing === 'resend') return '服务器从备份恢复，正在补报近期的记录'
  if (s.syncing === 'push') return s.pending ? `正在上报，还有 ${s.pending} 条` : '正在上报'
  if (s.syncing === 'pictures') return `正在上传照片，${s.pictures.sent}/${s.pictures.total} 张`
  if (s.syncing === 'pull') return s.downloading ? `正在下载，已收到 ${s.downloading} 条` : '正在下载'
  if (!s.online) return s.pending ? '没有网络，联网后自动上报' : ''
  const next = at(s.next_try_at) - now.getTime()
  if (Number.isNaN(next) || !s.last_error) return ''
  if (next < minute / 6) return '马上再试'
  return next < minute ? `${Math.round(next / 1000)} 秒后自动再试` : `${Math.round(next / minute)} 分钟后自动再试`
}

/** The state that a person gave to this device. */
export function deviceWord(state: string): string {
  return { drain_only: '已更换，只能上报剩余记录', suspended: '已停用，请联系管理员', wiped: '已清除，请联系管理员' }[state] ?? '正常'
}

/**
 * A field's value for people. `name` gives what a related record is called, '' when this phone does not hold it.
 */
export function valueWords(collection: string, field: string, value: unknown, name: (collection: string, id: string) => string): string {
  const f = (forms as Record<string, Form>)[collection]?.fields.find(x => x.name === field)
  if (f?.kind === 'bool') return value ? '是' : '否'
  if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) return '（空）'
  if (f?.kind === 'number') return f.label.includes('（元）') ? yuan(Number(value)) : String(value)
  if (f?.kind === 'date') return isDay(field) ? day(String(value)) : when(String(value))
  if (f?.kind === 'relation' || f?.kind === 'relations') return [value].flat().map(id => name(f.to ?? '', String(id)) || '（不在本机）').join('、')
  if (f?.kind === 'geo') {
    const { lon, lat } = value as { lon: number; lat: number }
    return lon || lat ? `东经 ${lon.toFixed(5)}，北纬 ${lat.toFixed(5)}` : '未定位'
  }
  return typeof value === 'object' && !Array.isArray(value) ? JSON.stringify(value) : wordOf(collection, field, value)
}

/** What the office decided about a report, with its reason where it gave one. */
export function decisionWords(d: Pick<Decision, 'resolution' | 'note'>): string {
  const word = { replay: '已由管理员补录', drop: '已作废', take_theirs: '采用对方值', take_ours: '采用上报值' }[d.resolution] ?? '管理员已处理'
  return d.note ? `${word}：${d.note}` : word
}

/** The field of a conflict; a record that somebody changed before it could be deleted is one too. */
export function conflictWord(collection: string, field: string): string {
  return field === '_' ? '没有删除：别人改过这条记录' : labelOf(collection, field)
}

/** The reasons of a refusal in words, each with the field it concerns. */
export function errorWords(collection: string, errors: Record<string, FieldError>): string[] {
  return Object.entries(errors).map(([field, e]) => (field === '_' ? e.message : `${labelOf(collection, field)}：${e.message}`))
}

/** What to do about a refusal that no corrected field can cure; '' when mending helps. */
export function adviceOn(errors: Record<string, FieldError>): string {
  const codes = Object.values(errors).map(e => e.code)
  const has = (...some: string[]) => codes.some(c => some.includes(c))
  if (has('stage_not_allowed', 'match_open', 'approval_needed')) return '这条需求已经进入别的阶段。请先看需求现状；如果这一步不再需要，请放弃这条上报。'
  if (has('out_of_scope', 'bank_not_own', 'role_not_allowed')) return '它不在你现在负责的范围内。请联系管理员或现在的负责人；不再需要时可以放弃。'
  if (has('record_exists', 'already_settled')) return '服务器上已有这条记录，通常可以放弃这条上报。'
  if (has('record_referenced')) return '别的记录引用了它，不能删除；请放弃这次删除。'
  if (has('record_gone', 'parent_missing', 'record_unknown')) return '它所属的记录已不在服务器上，请联系管理员；不再需要时可以放弃。'
  return ''
}
