// Who may do what with a demand now: the server's rules (hooks/demand.go), so that people are led past a refusal.
import type { Capture, Fields, RecordView, User } from '@/sync/contract'
import { at, shanghaiDay } from '../../forms/words'
import { finalStages, type Expected, type Match } from './expected'

export const demandSteps: Record<string, readonly string[]> = {
  captured: ['accepted', 'void', 'withdrawn'],
  accepted: ['cultivating', 'withdrawn'],
  matched: ['cultivating', 'withdrawn'],
  applied: ['withdrawn'],
  approved: ['withdrawn'],
  rejected: ['cultivating', 'closed', 'withdrawn'],
  cultivating: ['closed', 'withdrawn'],
}

export const matchSteps: Record<string, readonly string[]> = {
  matched: ['applied', 'rejected'],
  applied: ['approved', 'rejected'],
  approved: ['disbursed', 'rejected'],
}

export const matchable = ['accepted', 'matched', 'applied', 'approved', 'rejected', 'cultivating']

export type Kind =
  | 'accept' | 'offer' | 'cultivate' | 'close' | 'withdraw' | 'void' | 'note' | 'take_over' | 'hand_over' | 'confirm'
  | 'contact' | 'apply' | 'approve' | 'reject' | 'disburse' | 'loan'

export interface Action {
  kind: Kind
  label: string
  /** The bank's handling that it moves; none: the demand itself. */
  match?: Match
  /** The handover that it confirms. */
  event?: string
  /** The one thing that should happen next. */
  primary?: boolean
}

const isHarbour = (user: User) => user.role === 'harbour_staff' || user.role === 'harbour_head'

/** offeredTo is the handover that waits for the user's word; undefined where none does. A later one makes an earlier one void. */
export function offeredTo(user: User, events: readonly RecordView[]): string | undefined {
  const last = events.filter(e => e.fields.kind === 'handover' && e.state !== 'rejected').sort((a, b) => String(a.fields.at).localeCompare(String(b.fields.at))).at(-1)
  return last && last.fields.to_user === user.id && !last.fields.handover_confirmed_at ? last.id : undefined
}

/**
 * actionsOf lists what the user may do with the demand as it is expected to stand, in the order of use.
 * @param offered the handover that waits for the user's word (offeredTo)
 */
export function actionsOf(user: User, c: Expected, offered?: string): Action[] {
  const harbour = isHarbour(user)
  const bank = user.role === 'bank'
  if (!harbour && !bank && user.role !== 'grid_worker' && user.role !== 'liaison') return []
  const open = !finalStages.includes(c.stage)
  const may = (to: string) => (demandSteps[c.stage] ?? []).includes(to)
  const out: Action[] = []
  if (harbour) {
    if (open && offered) out.push({ kind: 'confirm', label: '确认接手', event: offered, primary: true })
    if (may('accepted')) out.push({ kind: 'accept', label: '首问受理', primary: true })
    if (matchable.includes(c.stage)) out.push({ kind: 'offer', label: '对接银行', primary: c.stage === 'accepted' || c.stage === 'rejected' })
    if (may('cultivating')) out.push({ kind: 'cultivate', label: '转融资培育' })
    if (open && c.stage !== 'captured' && c.fields.first_responder !== user.id) out.push({ kind: 'take_over', label: '由我接手' })
    // A head passes on what somebody who fell ill or left answers for.
    if (open && c.stage !== 'captured' && c.fields.first_responder && (c.fields.first_responder === user.id || user.role === 'harbour_head')) out.push({ kind: 'hand_over', label: '交接给同事' })
    if (may('closed')) out.push({ kind: 'close', label: '未成办结' })
    if (may('void')) out.push({ kind: 'void', label: '作废' })
  }
  if (!bank && may('withdrawn')) out.push({ kind: 'withdraw', label: '撤回' })
  for (const match of c.matches) {
    if (bank ? match.fields.bank !== user.bank : !harbour) continue
    const step = (to: string) => open && (matchSteps[match.stage] ?? []).includes(to)
    const contacted = Boolean(match.fields.first_contact_at)
    if (match.stage !== 'rejected' && open) out.push({ kind: 'contact', label: '登记联系', match, primary: bank && match.stage === 'matched' && !contacted })
    if (step('applied')) out.push({ kind: 'apply', label: '提交申请', match, primary: bank && contacted })
    if (step('approved')) out.push({ kind: 'approve', label: '审批通过', match, primary: bank })
    // The money may have been noted by others, or come from another bank: the contract is still to be entered.
    if (bank && ['approved', 'disbursed'].includes(match.stage) && (open || c.stage === 'disbursed')) {
      out.push({ kind: 'loan', label: match.loaned ? '登记另一份合同' : '登记放款', match, primary: !match.loaned })
    }
    if (harbour && step('disbursed')) out.push({ kind: 'disburse', label: '放款（走访得知）', match })
    if (step('rejected')) out.push({ kind: 'reject', label: { matched: '婉拒', applied: '未通过', approved: '批准失效' }[match.stage]!, match })
    if (bank) out.push({ kind: 'note', label: '备注', match })
  }
  if (!bank) out.push({ kind: 'note', label: '备注' })
  return out
}

/** The form fields of each action, in the order shown, with those that must be filled in. */
export const sheets: Record<Kind, { only: string[]; required: string[]; hint?: string; save: string }> = {
  accept: { only: ['amount', 'note'], required: [], hint: '我来受理，负责到底。受理后由我担任首问负责人。', save: '我来受理，负责到底' },
  offer: { only: [], required: [], hint: '可同时对接多家银行；正在办理的银行不再列出。', save: '确认对接' },
  cultivate: { only: ['reason', 'note'], required: ['reason'], save: '转入融资培育' },
  close: { only: ['reason', 'note'], required: ['reason'], hint: '办结后不能再变更。', save: '确认未成办结' },
  withdraw: { only: ['reason', 'note'], required: ['reason'], hint: '撤回后不能再变更。', save: '确认撤回' },
  void: { only: ['reason', 'note'], required: ['reason'], hint: '作废后不能再变更。', save: '确认作废' },
  note: { only: ['note'], required: ['note'], save: '保存备注' },
  take_over: { only: ['note'], required: [], hint: '接手后由我担任首问负责人，答复到底。', save: '确认由我接手' },
  hand_over: { only: ['to_user', 'note'], required: ['to_user'], hint: '同事确认接手以前，仍由我负责。', save: '交接' },
  confirm: { only: [], required: [], hint: '接手后由我担任首问负责人，答复到底。', save: '确认接手' },
  contact: { only: ['contact_way', 'reached', 'at', 'note'], required: ['contact_way', 'at'], save: '保存联系记录' },
  apply: { only: ['at', 'note'], required: ['at'], hint: '客户已在长江渝融通或首贷续贷平台提交申请。', save: '登记已提交申请' },
  approve: { only: ['amount', 'at', 'note'], required: ['amount', 'at'], save: '登记审批通过' },
  reject: { only: ['reason', 'at', 'note'], required: ['reason', 'at'], save: '确认' },
  disburse: { only: ['amount', 'at', 'note'], required: ['amount', 'at'], hint: '银行尚未登记合同、由客户告知时才在这里登记。', save: '登记放款' },
  loan: { only: [], required: [], save: '登记放款' },
}

const stageOf: Partial<Record<Kind, string>> = {
  accept: 'accepted', cultivate: 'cultivating', close: 'closed', withdraw: 'withdrawn', void: 'void',
  apply: 'applied', approve: 'approved', reject: 'rejected', disburse: 'disbursed',
}

/** The reasons that fit an action; the server takes any, people find theirs sooner. */
export function reasonsOf(action: Action): readonly string[] {
  switch (action.kind) {
    case 'void': return ['duplicate']
    case 'withdraw': return ['no_longer_needed', 'self_financed', 'rate_too_high', 'unreachable', 'other']
    case 'cultivate': return ['no_tax_record', 'no_credit_record', 'bad_credit', 'no_collateral', 'short_history', 'materials_missing', 'other']
    case 'reject':
      return action.match?.stage === 'approved' ? ['lapsed', 'no_longer_needed', 'self_financed', 'rate_too_high', 'other']
        : ['no_tax_record', 'no_credit_record', 'bad_credit', 'no_collateral', 'short_history', 'industry_restricted', 'amount_too_high', 'materials_missing', 'unreachable', 'no_longer_needed', 'other']
  }
  return ['bad_credit', 'no_collateral', 'industry_restricted', 'rate_too_high', 'unreachable', 'no_longer_needed', 'self_financed', 'lapsed', 'other']
}

/** seedOf is what the sheet starts from: `now` in stored form, the amounts known so far. The kind and stage steer showIf. */
export function seedOf(action: Action, c: Expected, now: string): Fields {
  const fields: Fields = { kind: action.kind === 'contact' ? 'contact' : action.kind === 'note' ? 'note' : action.kind === 'take_over' || action.kind === 'hand_over' ? 'handover' : 'stage', at: now }
  if (stageOf[action.kind]) fields.to_stage = stageOf[action.kind]
  if (action.kind === 'accept') fields.amount = c.fields.amount
  if (action.kind === 'approve') fields.amount = c.fields.accepted_amount || c.fields.amount
  if (action.kind === 'disburse') fields.amount = action.match?.fields.approved_amount
  if (action.kind === 'contact') Object.assign(fields, { contact_way: 'phone', reached: true })
  if (action.kind === 'void') fields.reason = 'duplicate'
  return fields
}

/** problemsOf checks what RecordForm cannot know: the order of times and the amounts; an empty answer is no problem. */
export function problemsOf(action: Action, fields: Fields, now: string): Record<string, { code: string; message: string }> {
  const out: Record<string, { code: string; message: string }> = {}
  if ((action.kind === 'approve' || action.kind === 'disburse') && !(fields.amount > 0)) out.amount = { code: 'amount_needed', message: '请填写金额' }
  if (!sheets[action.kind].only.includes('at')) return out
  if (fields.at > now) out.at = { code: 'date_in_future', message: '时间不能晚于现在' }
  const m = action.match
  const previous = m && ({ matched: m.fields.matched_at, applied: m.fields.applied_at, approved: m.fields.decided_at }[m.stage])
  if (fields.kind === 'stage' && previous && fields.at < previous) out.at = { code: 'time_before_previous', message: '时间早于上一步骤' }
  return out
}

/** workOf turns a filled sheet into the work to capture, in order. `id` makes record ids. */
export function workOf(action: Action, demand: string, fields: Fields, user: User, now: string, id: () => string): Capture[] {
  if (action.kind === 'confirm') return [{ op: 'update', collection: 'demand_events', record: action.event!, to: { handover_confirmed_at: now } }]
  const event: Fields = { demand, kind: fields.kind, at: fields.at || now }
  if (action.match) event.match = action.match.id
  for (const name of ['to_stage', ...sheets[action.kind].only]) if (fields[name] !== undefined && fields[name] !== '') event[name] = fields[name]
  const record = id()
  if (action.kind !== 'take_over') return [{ op: 'create', collection: 'demand_events', record, data: event }]
  // The one who takes over confirms at once: nobody else can, and the demand must not stand without a responder.
  return [
    { op: 'create', collection: 'demand_events', record, data: { ...event, to_user: user.id } },
    { op: 'update', collection: 'demand_events', record, to: { handover_confirmed_at: now } },
  ]
}

/** offersOf is one match a bank, for banks that have none open. */
export function offersOf(demand: string, banks: string[], now: string, id: () => string): Capture[] {
  return banks.map(bank => ({ op: 'create', collection: 'demand_matches', record: id(), data: { demand, bank, matched_at: now } }))
}

/** busyBanks are the banks that the server would not take another match for. */
export function busyBanks(c: Expected): Set<string> {
  return new Set(c.matches.filter(m => m.fields.result === 'pending').map(m => m.fields.bank))
}

/** loanProblems checks a loan against the approval it draws on; `today` is the Shanghai day. */
export function loanProblems(loan: Fields, match: Match | undefined, today: string): Record<string, { code: string; message: string }> {
  const out: Record<string, { code: string; message: string }> = {}
  const day = (stored: string) => (stored ? shanghaiDay(new Date(at(stored))) : '')
  const disbursed = day(loan.disbursed_on)
  if (match?.fields.approved_amount && loan.amount > match.fields.approved_amount) out.amount = { code: 'amount_above_approval', message: '合同金额超过批准金额' }
  if (disbursed > today) out.disbursed_on = { code: 'date_in_future', message: '日期不能晚于今天' }
  else if (disbursed && match && disbursed < day(match.fields.decided_at)) out.disbursed_on = { code: 'time_before_previous', message: '放款日期早于审批日期' }
  if (loan.matures_on && disbursed && day(loan.matures_on) <= disbursed) out.matures_on = { code: 'ends_before_start', message: '到期日期须晚于放款日期' }
  if (loan.kind === 'first_loan' && loan.first_loan_checked_on && disbursed && day(loan.first_loan_checked_on) > disbursed) {
    out.first_loan_checked_on = { code: 'checked_after_loan', message: '首贷查询日期不能晚于放款日期' }
  }
  return out
}

export interface Tab { key: string; label: string }

const harbourTabs: Tab[] = [
  { key: 'accept', label: '待受理' }, { key: 'offer', label: '待对接' }, { key: 'busy', label: '办理中' },
  { key: 'cultivate', label: '培育' }, { key: 'done', label: '已办结' },
]
const bankTabs: Tab[] = [
  { key: 'contact', label: '待联系' }, { key: 'apply', label: '待申请' }, { key: 'decide', label: '待审批' },
  { key: 'disburse', label: '待放款' }, { key: 'done', label: '已办结' },
]

/** tabsOf lists the tabs of the demand desk for a role. */
export const tabsOf = (role: User['role']): Tab[] => (role === 'bank' ? bankTabs : harbourTabs)

/** tabOf says under which tab the demand stands for the user: what must happen next. */
export function tabOf(user: User, c: Expected): string {
  if (user.role === 'bank') {
    const mine = c.matches.filter(m => m.fields.bank === user.bank)
    if (c.stage === 'disbursed' && mine.some(m => ['approved', 'disbursed'].includes(m.stage) && !m.loaned)) return 'disburse'
    if (finalStages.includes(c.stage)) return 'done'
    const order = ['approved', 'applied', 'matched']
    const furthest = order.map(stage => mine.find(m => m.stage === stage)).find(Boolean)
    if (!furthest) return 'done'
    if (furthest.stage === 'approved') return 'disburse'
    if (furthest.stage === 'applied') return 'decide'
    return furthest.fields.first_contact_at ? 'apply' : 'contact'
  }
  if (finalStages.includes(c.stage)) return 'done'
  return { captured: 'accept', accepted: 'offer', rejected: 'offer', cultivating: 'cultivate' }[c.stage] ?? 'busy'
}
