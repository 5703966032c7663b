// Every register of the notice as one row of a table: what the list, page, form and steps of its collection show to whom. The server's
// rules (hooks/*.go) decide; what stands here leads people past a refusal.
import type { Fields, User } from '@/sync/contract'
import { forms, type Form, type FormField } from '../../forms/generated'
import { at, isDay, shanghaiDay, wordOf } from '../../forms/words'

export type Role = User['role']

/** Who looks, and when; `today` is the Shanghai day. */
export interface Sight { user: User; now: Date; today: string }

export type Tone = 'open' | 'late' | 'good' | 'calm'

export interface Tab { key: string; label: string; holds: (f: Fields, s: Sight) => boolean }

/** One thing that may be done with a record now: a sheet with some of its fields. */
export interface Step {
  key: string
  label: string
  roles: readonly Role[]
  when: (f: Fields, s: Sight) => boolean
  /** Fields in the order shown; without any it is asked once more and done. */
  only: readonly string[]
  required?: readonly string[]
  /** What the step sets beyond what is typed. */
  set?: Fields
  /** Fields that start with the present moment or day. */
  now?: readonly string[]
  hint?: string
  primary?: boolean
  danger?: boolean
  photos?: boolean
}

export interface Register {
  collection: string
  title: string
  group: string
  /** One character for the tile. */
  icon: string
  roles: readonly Role[]
  /** Who makes new ones here; the form's writers where nothing is said. */
  add?: readonly Role[]
  /** Who corrects them with the whole form; those who add where nothing is said. */
  edit?: readonly Role[]
  /** True when nothing is corrected any more. */
  closed?: (f: Fields) => boolean
  /** The first of these that says something names the record. */
  names: readonly string[]
  /** Told under the name, where they say something. */
  notes: readonly string[]
  /** Where it stands, in a word. */
  state?: (f: Fields, s: Sight) => { word: string; tone: Tone } | undefined
  tabs?: readonly Tab[]
  /** True for what this person should do something about; counted on the tile. */
  waits?: (f: Fields, s: Sight) => boolean
  /** The day by which it must be done while it is open. */
  due?: { field: string; open: (f: Fields) => boolean }
  /** Newest first by this field; a leading + sorts upwards. */
  sort: string
  /** What a new record is, beside what the form's `fill` says. */
  preset?: (s: Sight) => Fields
  /** Fields of the form that only steps set. */
  later?: readonly string[]
  /** Filled fields that are asked all the same. */
  asked?: readonly string[]
  required?: readonly string[]
  /** What the server would refuse beyond what the form itself knows: a sentence by field. Also asked before a step is saved. */
  wrong?: (f: Fields) => Record<string, string | false | undefined>
  /** The choices of a select field for a role. */
  options?: (field: string, role: Role) => readonly string[] | undefined
  /** Fields of the server's own that the page shows, with their words. */
  more?: readonly (readonly [field: string, label: string])[]
  photos?: boolean
  /** Said above the list, the form and the page. */
  notice?: string
  steps?: readonly Step[]
}

export const formOf = (collection: string): Form => (forms as Record<string, Form>)[collection]

const field: Role[] = ['grid_worker', 'harbour_staff', 'harbour_head', 'liaison']
const counter: Role[] = ['harbour_staff', 'harbour_head']
const harbour: Role[] = ['harbour_staff', 'harbour_head', 'liaison']
const inspectors: Role[] = ['official', 'street_official']
const desks: Role[] = ['bank', 'department', 'official', 'street_official']

const tones: Record<string, Tone> = {
  done: 'good', graduated: 'good', held: 'good', passed: 'good', published: 'good', dispatched: 'good', closed: 'good', granted: 'good', disbursed: 'good', listed: 'good', valid: 'good', applied: 'good',
  returned: 'late', failed: 'late', fail: 'late', postponed: 'late', dropped: 'calm', cancelled: 'calm', ended: 'calm', void: 'calm', duplicate: 'calm', no_need: 'calm', ineligible: 'calm', unreachable: 'calm', draft: 'calm', none: 'calm',
}
const stands = (collection: string, name: string, of: (f: Fields) => string = f => f[name]) => (f: Fields) => {
  const value = of(f)
  return value ? { word: wordOf(collection, name, value), tone: tones[value] ?? 'open' as Tone } : undefined
}
const dayOf = (stored: string) => (stored ? shanghaiDay(new Date(at(stored))) : '')
/** Not yet over on the day of the sight. */
const inForce = (f: Fields, s: Sight) => !f.until || dayOf(f.until) > s.today
const force = (f: Fields, s: Sight) => (inForce(f, s) ? { word: '在用', tone: 'good' as Tone } : { word: '已停用', tone: 'calm' as Tone })
const forceTabs: Tab[] = [{ key: 'now', label: '在用', holds: inForce }, { key: 'past', label: '已停用', holds: (f, s) => !inForce(f, s) }]
const is = (name: string, ...values: string[]) => (f: Fields) => values.includes(f[name])
const not = (test: (f: Fields) => boolean) => (f: Fields) => !test(f)

/** Where a service stands: the server says it too, later. */
export const serviceState = (f: Fields) => (f.completed_at ? 'done' : 'open')
/** Where feedback stands by its dates. */
export const feedbackState = (f: Fields) => (f.closed_at ? 'closed' : f.answered_at ? 'answered' : 'open')
/** Where a rectification stands: open, done (waits for the recheck), passed. */
export const rectificationState = (f: Fields) => (f.recheck_result === 'passed' ? 'passed' : f.done_on ? 'done' : 'open')
const complaint = is('kind', 'complaint', 'consumer_rights')
const answered = (f: Fields) => !!f.answer && f.answer !== 'none'
const dispatched = (f: Fields) => f.batch_status === 'dispatched'
const rectifying = { open: '待整改', done: '待复查', passed: '已通过' }

const onThePlate = ['harbour_liaison', 'harbour_liaison_phone', 'harbour_liaison_unit', 'harbour_liaison_address', 'area_liaison', 'area_liaison_phone', 'area_liaison_unit', 'area_liaison_address']

export const registers: readonly Register[] = [
  {
    collection: 'services', title: '综合服务', group: '金融服务', icon: '服', roles: harbour, names: ['enterprise', 'person', 'kind'], notes: ['kind', 'accepted_at'], sort: 'accepted_at',
    state: stands('services', 'status', serviceState), due: { field: 'due', open: f => !f.completed_at }, waits: (f, s) => counter.includes(s.user.role) && !f.completed_at, closed: f => !!f.completed_at,
    tabs: [{ key: 'open', label: '办理中', holds: f => !f.completed_at }, { key: 'done', label: '已办结', holds: f => !!f.completed_at }],
    later: ['completed_at', 'result'], more: [['due', '应办结日期'], ['status', '状态']], photos: true,
    wrong: f => ({
      person: !f.enterprise && !f.person?.trim() && '选择市场主体，或填写办事人',
      special_group: f.kind === 'special_group' && !f.special_group && '请选择属于哪类特殊群体',
      demand: f.kind === 'demand_matching' && !!f.completed_at && !f.demand && '融资需求对接办结时，要写明登记的需求',
    }),
    steps: [{ key: 'complete', label: '办结', roles: counter, when: f => !f.completed_at, only: ['completed_at', 'result', 'demand'], required: ['completed_at', 'result'], now: ['completed_at'], primary: true }],
  },
  {
    collection: 'cultivations', title: '融资培育台账', group: '金融服务', icon: '育', roles: field, names: ['enterprise'], notes: ['missing', 'next_step_on'], sort: 'started_on',
    state: stands('cultivations', 'status'), due: { field: 'next_step_on', open: is('status', 'active') }, closed: not(is('status', 'active')),
    waits: (f, s) => f.status === 'active' && !!f.next_step_on && dayOf(f.next_step_on) <= s.today,
    tabs: [{ key: 'active', label: '培育中', holds: is('status', 'active') }, { key: 'graduated', label: '已转化', holds: is('status', 'graduated') }, { key: 'dropped', label: '已终止', holds: is('status', 'dropped') }],
    wrong: f => ({ demand_to: f.status === 'graduated' && !f.demand_to && !f.demand_from && '先登记融资需求，再选转化为哪条需求' }),
    preset: () => ({ status: 'active' }), later: ['status', 'ended_on', 'drop_reason', 'demand_to'],
    steps: [
      { key: 'tutor', label: '记辅导', roles: field, when: is('status', 'active'), only: ['steps', 'next_step_on'], required: ['steps'], hint: '在原有记录后面接着写，写明日期。' },
      { key: 'graduate', label: '转化', roles: field, when: is('status', 'active'), only: ['ended_on', 'demand_to'], required: ['ended_on'], set: { status: 'graduated' }, now: ['ended_on'], primary: true, hint: '已具备融资条件，转化为融资需求；没有登记的先到主体卡片登记。' },
      { key: 'drop', label: '终止', roles: field, when: is('status', 'active'), only: ['ended_on', 'drop_reason'], required: ['ended_on', 'drop_reason'], set: { status: 'dropped' }, now: ['ended_on'], danger: true },
    ],
  },
  {
    collection: 'policy_pushes', title: '政策推送', group: '金融服务', icon: '策', roles: field, names: ['enterprise'], notes: ['policy', 'channel', 'at'], sort: 'at',
    state: stands('policy_pushes', 'receipt', f => f.receipt || 'none'), waits: f => !f.receipt || f.receipt === 'none',
    tabs: [{ key: 'none', label: '待回执', holds: f => !f.receipt || f.receipt === 'none' }, { key: 'done', label: '有回执', holds: f => !!f.receipt && f.receipt !== 'none' }],
    later: ['receipt', 'receipt_at'], edit: [], options: name => (name === 'receipt' ? ['signed', 'phone', 'face_to_face', 'asked', 'applied'] : undefined),
    steps: [{ key: 'receipt', label: '登记回执', roles: field, when: f => f.receipt !== 'applied', only: ['receipt', 'receipt_at', 'note'], required: ['receipt', 'receipt_at'], now: ['receipt_at'], primary: true }],
  },
  {
    collection: 'credit_lines', title: '授权、授信清单', wrong: f => ({ used: f.used > f.amount && '已用金额超过授信金额' }), group: '金融服务', icon: '授', roles: ['harbour_staff', 'harbour_head', 'bank', 'official'], names: ['enterprise'], notes: ['bank', 'amount', 'valid_until'], sort: 'authorised_on',
    state: (f, s) => (!f.valid_until || dayOf(f.valid_until) >= s.today ? { word: '有效', tone: 'good' } : { word: '已到期', tone: 'calm' }),
    tabs: [{ key: 'now', label: '有效', holds: (f, s) => !f.valid_until || dayOf(f.valid_until) >= s.today }, { key: 'past', label: '已到期', holds: (f, s) => !!f.valid_until && dayOf(f.valid_until) < s.today }],
    steps: [{ key: 'used', label: '更新用信', roles: ['bank'], when: () => true, only: ['used', 'valid_until', 'note'], primary: true }],
  },
  {
    collection: 'referral_batches', title: '推送名单', group: '信息双向共享', icon: '单', roles: ['bank', 'department', 'official'], names: ['title'], notes: ['agency', 'due', 'delivered_at'], sort: 'captured_at',
    state: stands('referral_batches', 'status'), due: { field: 'due', open: is('status', 'expected', 'returned') }, add: ['department', 'official'], closed: is('status', 'dispatched'),
    waits: (f, s) => (s.user.role === 'official' ? ['uploaded', 'checked'] : s.user.role === 'department' ? ['expected', 'returned'] : []).includes(f.status),
    tabs: [
      { key: 'expected', label: '待送', holds: is('status', 'expected', 'returned') }, { key: 'uploaded', label: '待核对', holds: is('status', 'uploaded') },
      { key: 'checked', label: '待分发', holds: is('status', 'checked') }, { key: 'dispatched', label: '已分发', holds: is('status', 'dispatched') },
    ],
    preset: () => ({ status: 'expected' }), later: ['status', 'return_reason'], more: [['delivered_at', '送达时间'], ['checked_at', '核对时间'], ['dispatched_at', '分发时间']],
    steps: [
      { key: 'deliver', label: '送交核对', roles: ['department', 'official'], when: is('status', 'expected', 'returned'), only: ['note'], set: { status: 'uploaded' }, primary: true, hint: '名单企业登记齐全后送人民银行核对。' },
      { key: 'check', label: '核对通过', roles: ['official'], when: is('status', 'uploaded'), only: ['note'], set: { status: 'checked' }, primary: true, hint: '核对后逐户选定分发银行。' },
      { key: 'return', label: '退回', roles: ['official'], when: is('status', 'uploaded'), only: ['return_reason'], required: ['return_reason'], set: { status: 'returned' }, danger: true },
      { key: 'dispatch', label: '分发', roles: ['official'], when: is('status', 'checked'), only: [], set: { status: 'dispatched' }, primary: true, hint: '分发后各银行收到各自的企业，不能再退回。' },
    ],
  },
  {
    collection: 'referrals', title: '推送企业', group: '信息双向共享', icon: '荐', roles: ['harbour_staff', 'harbour_head', 'bank', 'department', 'official'], names: ['enterprise_name', 'enterprise'], notes: ['batch', 'bank', 'why', 'wanted'], sort: 'captured_at',
    state: stands('referrals', 'answer', f => f.answer || 'none'), add: ['department', 'official'], closed: dispatched,
    waits: (f, s) => ['bank', ...counter].includes(s.user.role) && dispatched(f) && !answered(f),
    tabs: [{ key: 'none', label: '未答复', holds: f => !answered(f) }, { key: 'done', label: '已答复', holds: answered }],
    options: name => (name === 'answer' ? ['intends', 'granted', 'disbursed', 'ineligible', 'no_need', 'unreachable'] : undefined),
    required: ['enterprise_name'], later: ['contacted_at', 'answer', 'answered_at', 'answer_note', 'demand'],
    steps: [
      { key: 'contact', label: '登记联系', roles: ['bank', ...counter], when: f => dispatched(f) && !f.contacted_at, only: ['contacted_at'], required: ['contacted_at'], now: ['contacted_at'] },
      { key: 'answer', label: '答复', roles: ['bank', ...counter], when: dispatched, only: ['contacted_at', 'answer', 'answered_at', 'answer_note', 'demand'], required: ['answer', 'answered_at'], now: ['answered_at'], primary: true },
    ],
  },
  {
    collection: 'feedback', title: '问题反馈', group: '问题反馈', icon: '问', roles: [...field, 'official'], names: ['text'], notes: ['number', 'kind', 'enterprise', 'reported_at'], sort: 'reported_at',
    state: stands('feedback', 'status', feedbackState), due: { field: 'due', open: f => !f.answered_at && !f.closed_at }, closed: f => !!f.closed_at,
    // Whoever wrote it down brings the answer; the rest is done by those who answer for it.
    waits: (f, s) => ([...counter, 'official'].includes(s.user.role) ? feedbackState(f) !== 'closed' : feedbackState(f) === 'answered' && !f.delivered_at && !f.anonymous), edit: [],
    tabs: [{ key: 'open', label: '办理中', holds: f => feedbackState(f) === 'open' }, { key: 'answered', label: '已答复', holds: f => feedbackState(f) === 'answered' }, { key: 'closed', label: '已办结', holds: f => feedbackState(f) === 'closed' }],
    wrong: f => ({
      anonymous: !!f.anonymous && (!!f.enterprise || !!f.contact?.trim()) && '匿名的不写市场主体和联系人',
      contact: !f.anonymous && !f.enterprise && !f.contact?.trim() && '选择市场主体或填写联系人；不愿留名的选匿名',
      owner: !!f.owner && f.owner === f.against && '不能由被投诉人承办',
    }),
    later: ['owner', 'agency', 'bank', 'answer', 'answered_at', 'delivered_at', 'closed_at', 'finding', 'finding_note', 'satisfaction_asked_at', 'satisfaction'], required: ['category'],
    more: [['number', '编号'], ['due', '答复期限'], ['routed_at', '转办时间'], ['finding_at', '核查时间']], photos: true, notice: '投诉只有记录人、承办人和主管部门能看到，被投诉人看不到。',
    steps: [
      { key: 'answer', label: '答复', roles: [...counter, 'official'], when: f => !f.answered_at && !f.closed_at, only: ['answer', 'answered_at'], required: ['answer', 'answered_at'], now: ['answered_at'], primary: true },
      { key: 'route', label: '转办', roles: ['harbour_head', 'official'], when: f => !f.answered_at && !f.closed_at, only: ['owner', 'agency', 'bank'], hint: '选一位承办人、一个部门或一家银行。' },
      { key: 'deliver', label: '答复送达', roles: [...field, 'official'], when: f => !!f.answered_at && !f.delivered_at && !f.anonymous && !f.closed_at, only: ['delivered_at'], required: ['delivered_at'], now: ['delivered_at'], primary: true },
      { key: 'close', label: '办结', roles: [...counter, 'official'], when: f => !!f.answered_at && (!!f.delivered_at || !!f.anonymous) && !f.closed_at, only: ['closed_at'], required: ['closed_at'], now: ['closed_at'], primary: true },
      { key: 'ask', label: '回访', roles: [...field, 'official'], when: f => !!f.answered_at && !f.anonymous && !f.satisfaction, only: ['satisfaction_asked_at', 'satisfaction'], required: ['satisfaction_asked_at'], now: ['satisfaction_asked_at'] },
      { key: 'finding', label: '投诉核查', roles: ['official'], when: complaint, only: ['finding', 'finding_note'], required: ['finding'] },
    ],
  },
  {
    collection: 'risk_leads', title: '非法金融活动线索', group: '问题反馈', icon: '线', roles: [...field, 'bank', 'official'], names: ['kind'], notes: ['place', 'area', 'discovered_at'], sort: 'discovered_at',
    state: f => (f.result ? { word: wordOf('risk_leads', 'result', f.result), tone: tones[f.result] ?? 'open' } : f.handed_at ? { word: '已移送', tone: 'good' } : { word: '待移送', tone: 'open' }),
    tabs: [{ key: 'open', label: '待移送', holds: f => !f.handed_at && !f.result }, { key: 'handed', label: '已移送', holds: f => !!f.handed_at && !f.result }, { key: 'done', label: '已核查', holds: f => !!f.result }],
    waits: (f, s) => s.user.role === 'official' && !f.handed_at && !f.result, closed: f => !!f.handed_at || !!f.result,
    later: ['handed_at', 'handed_to', 'passed_to', 'passed_at', 'result', 'result_note'], asked: ['discovered_at'], photos: true, more: [['reported_at', '报告时间']],
    notice: '线索密封保存：只有报告人本人和主管部门能看到，别人的手机、港湾和查找里都没有。',
    steps: [
      { key: 'hand', label: '移送', roles: ['official'], when: f => !f.handed_at, only: ['handed_to', 'handed_at'], required: ['handed_to', 'handed_at'], now: ['handed_at'], primary: true, hint: '先移送金融办，再由金融办移送公安、法院或市场监管部门。' },
      { key: 'pass', label: '再移送', roles: ['official'], when: f => !!f.handed_at && !f.passed_at, only: ['passed_to', 'passed_at'], required: ['passed_to', 'passed_at'], now: ['passed_at'] },
      { key: 'result', label: '核查结果', roles: ['official'], when: f => !!f.handed_at && !f.result, only: ['result', 'result_note'], required: ['result'], primary: true },
    ],
  },
  {
    collection: 'activities', title: '活动', group: '活动与宣传', icon: '活', roles: [...field, ...inspectors], names: ['title'], notes: ['kind', 'harbour', 'start', 'due'], sort: 'start',
    state: stands('activities', 'status'), due: { field: 'due', open: is('status', 'planned') }, closed: is('status', 'cancelled'),
    waits: (f, s) => (s.user.role === 'official' ? f.status === 'cancelled' && !f.cancel_approved : harbour.includes(s.user.role) && f.status === 'planned'),
    tabs: [{ key: 'planned', label: '计划', holds: is('status', 'planned') }, { key: 'held', label: '已举办', holds: is('status', 'held') }, { key: 'cancelled', label: '已取消', holds: is('status', 'cancelled') }],
    wrong: f => ({
      due: f.status === 'planned' && !f.due && !f.start && '写明最迟举办日期或举办时间',
      headcount: f.status === 'held' && f.headcount < (f.attendees?.length ?? 0) + (f.enterprises?.length ?? 0) && '到场人数少于签到人数',
      topics: f.status === 'held' && ['park', 'community', 'business_circle', 'building', 'salon', 'training'].includes(f.kind) && !f.topics?.length && '请选择主题',
    }),
    preset: () => ({ status: 'planned' }), later: ['status', 'cancel_reason', 'cancel_approved', 'headcount', 'attendees', 'enterprises', 'volunteers', 'minutes'], photos: true, more: [['evidence', '佐证']],
    steps: [
      { key: 'hold', label: '登记举办', roles: harbour, when: is('status', 'planned'), only: ['start', 'headcount', 'topics', 'attendees', 'enterprises', 'partners', 'volunteers', 'minutes'], required: ['start', 'headcount'], set: { status: 'held' }, now: ['start'], photos: true, primary: true, hint: '拍照，并登记签到或写纪要，活动才算有据可查。' },
      { key: 'roster', label: '补签到和纪要', roles: harbour, when: is('status', 'held'), only: ['headcount', 'attendees', 'enterprises', 'volunteers', 'minutes'], required: ['headcount'], photos: true },
      { key: 'cancel', label: '取消活动', roles: harbour, when: is('status', 'planned'), only: ['cancel_reason'], required: ['cancel_reason'], set: { status: 'cancelled' }, danger: true, hint: '取消须主管部门同意。' },
      { key: 'approve', label: '同意取消', roles: ['official'], when: f => f.status === 'cancelled' && !f.cancel_approved, only: [], set: { cancel_approved: true }, primary: true, hint: '同意后这次活动不再计入应办活动。' },
    ],
  },
  {
    collection: 'publicity', title: '宣传与典型案例', group: '活动与宣传', icon: '宣', roles: [...field, 'official'], names: ['title'], notes: ['kind', 'medium', 'harbour', 'published_on'], sort: 'published_on',
    tabs: [{ key: 'media', label: '媒体发布', holds: is('kind', 'media') }, { key: 'case', label: '典型案例', holds: is('kind', 'case') }, { key: 'summary', label: '经验总结', holds: is('kind', 'summary') }],
  },
  {
    collection: 'pairings', title: '结对互助', group: '结对与值守', icon: '结', roles: [...field, ...inspectors], names: ['area'], notes: ['harbour', 'area_liaison', 'plates_on'], sort: 'from', state: force, tabs: forceTabs, photos: true,
    later: ['plates', 'plate_places', 'plates_on', 'verified_on', 'party_pact_on', 'until'],
    wrong: f => ({ plates: f.plates > 0 && onThePlate.some(n => !f[n]) && '牌上公示双方联络员的姓名、电话、单位和地址，先点“更正”补齐' }),
    steps: [
      { key: 'plate', label: '摆放服务牌', roles: harbour, when: inForce, only: ['plates', 'plate_places', 'plates_on'], required: ['plates', 'plate_places', 'plates_on'], now: ['plates_on'], photos: true, primary: true, hint: '服务牌上公示双方联络员的姓名、电话、单位和地址；每处拍照。' },
      { key: 'verify', label: '核对联系簿', roles: harbour, when: inForce, only: ['verified_on', 'note'], required: ['verified_on'], now: ['verified_on'] },
      { key: 'pact', label: '党建共建', roles: harbour, when: inForce, only: ['party_pact_on', 'note'], required: ['party_pact_on'] },
      { key: 'end', label: '结束结对', roles: harbour, when: inForce, only: ['until', 'note'], required: ['until'], now: ['until'], danger: true },
    ],
  },
  {
    collection: 'contacts', title: '对口联系名册', group: '结对与值守', icon: '册', roles: field, names: ['name'], notes: ['kind', 'unit', 'area', 'phone'], sort: '+name', state: force, tabs: forceTabs, later: ['until'],
    steps: [{ key: 'end', label: '不再负责', roles: harbour, when: inForce, only: ['until'], required: ['until'], now: ['until'], danger: true }],
  },
  {
    collection: 'window_packs', title: '窗口资料包', group: '结对与值守', icon: '包', roles: [...field, 'official'], names: ['unit'], notes: ['kind', 'place', 'quantity', 'stocked_at'], sort: 'stocked_at', photos: true,
    wrong: f => ({ grid: !f.grid && !f.harbour && '请选择所在网格' }),
    tabs: [{ key: 'stocked', label: '已摆放', holds: f => !!f.stocked_at }, { key: 'empty', label: '未摆放', holds: f => !f.stocked_at }], waits: (f, s) => field.includes(s.user.role) && !f.stocked_at,
    steps: [{ key: 'stock', label: '登记摆放', roles: field, when: () => true, only: ['stocked_at', 'quantity', 'note'], required: ['stocked_at', 'quantity'], now: ['stocked_at'], photos: true, primary: true, hint: '摆放后拍照。' }],
  },
  {
    collection: 'duty_rosters', title: '当值安排', group: '结对与值守', icon: '值', roles: [...counter, 'official'], names: ['staff_name', 'user'], notes: ['day', 'half', 'checked_in_at'], sort: '+day',
    state: (f, s) => (f.spot_check === 'fail' ? { word: '抽查不在岗', tone: 'late' } : f.checked_in_at ? { word: '已签到', tone: 'good' } : dayOf(f.day) < s.today ? { word: '未签到', tone: 'late' } : { word: '待签到', tone: 'open' }),
    tabs: [{ key: 'today', label: '今天', holds: (f, s) => dayOf(f.day) === s.today }, { key: 'coming', label: '以后', holds: (f, s) => dayOf(f.day) > s.today }, { key: 'past', label: '以前', holds: (f, s) => dayOf(f.day) < s.today }],
    waits: (f, s) => f.user === s.user.id && dayOf(f.day) === s.today && !f.checked_in_at, edit: [], later: ['checked_in_at', 'location', 'spot_check', 'spot_checked_at'],
    steps: [{ key: 'spot', label: '抽查', roles: ['harbour_head', 'official'], when: (f, s) => dayOf(f.day) === s.today && f.user !== s.user.id, only: ['spot_check', 'note'], required: ['spot_check'], now: ['spot_checked_at'] }],
    options: name => (name === 'spot_check' ? ['pass', 'fail'] : undefined),
  },
  {
    collection: 'inspections', title: '标准化建设检查', group: '督查考核', icon: '检', roles: [...harbour, ...inspectors], names: ['harbour'], notes: ['number', 'kind', 'at', 'due'], sort: 'at',
    state: f => (f.status === 'done' ? { word: f.score === undefined ? '已完成' : `${f.score} 分`, tone: f.score < 80 ? 'late' : 'good' } : { word: '计划', tone: 'open' }),
    due: { field: 'due', open: is('status', 'planned') }, closed: is('status', 'done'),
    tabs: [{ key: 'planned', label: '计划', holds: is('status', 'planned') }, { key: 'done', label: '已完成', holds: is('status', 'done') }],
    waits: (f, s) => f.status === 'planned' && (f.kind === 'self' ? counter : inspectors).includes(s.user.role),
    preset: s => ({ status: 'done', at: s.now.toISOString().replace('T', ' '), kind: counter.includes(s.user.role) ? 'self' : 'patrol' }),
    wrong: f => ({ due: f.status === 'planned' && !f.due && '写明应完成日期' }),
    more: [['number', '编号'], ['twelve_ones', '十二个一合格项数'], ['score', '得分']], photos: true,
    options: (name, role) => (name === 'kind' ? (counter.includes(role) ? ['self'] : ['patrol', 'joint']) : undefined),
  },
  {
    collection: 'rectifications', title: '整改', group: '督查考核', icon: '改', roles: [...harbour, ...inspectors], names: ['demand'], notes: ['harbour', 'item', 'inspection'], sort: '+due', photos: true,
    state: f => ({ word: rectifying[rectificationState(f)], tone: rectificationState(f) === 'passed' ? 'good' : 'open' }),
    due: { field: 'due', open: f => rectificationState(f) === 'open' }, closed: f => rectificationState(f) === 'passed',
    waits: (f, s) => (inspectors.includes(s.user.role) ? rectificationState(f) === 'done' : counter.includes(s.user.role) && rectificationState(f) === 'open'),
    tabs: [{ key: 'open', label: '待整改', holds: f => rectificationState(f) === 'open' }, { key: 'done', label: '待复查', holds: f => rectificationState(f) === 'done' }, { key: 'passed', label: '已通过', holds: f => rectificationState(f) === 'passed' }],
    later: ['done_on', 'done_note', 'recheck_result', 'rechecked_on', 'recheck_note'],
    options: name => (name === 'recheck_result' ? ['passed', 'failed'] : undefined),
    steps: [
      { key: 'done', label: '整改完成', roles: counter, when: f => rectificationState(f) === 'open', only: ['done_on', 'done_note'], required: ['done_on', 'done_note'], now: ['done_on'], photos: true, primary: true, hint: '整改后拍照，由检查部门复查。' },
      { key: 'recheck', label: '复查', roles: inspectors, when: f => rectificationState(f) === 'done', only: ['recheck_result', 'rechecked_on', 'recheck_note'], required: ['recheck_result', 'rechecked_on'], now: ['rechecked_on'], photos: true, primary: true },
    ],
  },
  {
    collection: 'reviews', title: '听取报告与评分', group: '督查考核', icon: '评', roles: ['harbour_staff', 'harbour_head', ...inspectors], names: ['item', 'kind'], notes: ['harbour', 'period', 'kind', 'agency', 'score'], sort: 'reviewed_on',
    state: f => (f.kind === 'appeal' && f.appeal_result ? { word: wordOf('reviews', 'appeal_result', f.appeal_result), tone: f.appeal_result === 'pending' ? 'open' : 'good' } : stands('reviews', 'status')(f)),
    tabs: [{ key: 'score', label: '评分', holds: is('kind', 'score') }, { key: 'incentive', label: '政策倾斜', holds: is('kind', 'incentive') }, { key: 'appeal', label: '申诉', holds: is('kind', 'appeal') }],
    waits: (f, s) => s.user.role === 'official' && (f.kind === 'appeal' ? !f.appeal_result || f.appeal_result === 'pending' : f.status !== 'published') || s.user.role === 'street_official' && f.kind === 'score' && f.status === 'submitted' && !f.cosigned_at,
    add: ['official'], edit: ['official'], closed: f => f.status === 'published' || f.kind === 'appeal',
    wrong: f => ({
      period: !/^\d{4}(Q[1-4])?$/.test(f.period ?? '') && '写年份或季度，如 2026、2026Q4', item: f.kind !== 'incentive' && !f.item && '请选择考核项目',
      full: f.kind === 'score' && !(f.full > 0) && '请填写满分', score: f.kind === 'score' && f.score > f.full && '得分超过满分',
    }),
    preset: s => ({ kind: s.user.role === 'official' ? 'score' : 'appeal', status: s.user.role === 'official' ? 'draft' : 'submitted', period: `${s.today.slice(0, 4)}Q${Math.ceil(Number(s.today.slice(5, 7)) / 3)}` }),
    later: ['status', 'cosigned_at', 'appeal_result', 'appeal_answer'],
    options: (name, role) => (name === 'kind' ? (role === 'official' ? ['score', 'incentive'] : ['appeal']) : name === 'appeal_result' ? ['upheld', 'changed'] : undefined),
    steps: [
      { key: 'submit', label: '提交', roles: ['official'], when: f => f.status === 'draft' && f.kind !== 'appeal', only: [], set: { status: 'submitted' }, primary: true, hint: '提交后不能再改，由镇街会签后公布。' },
      { key: 'cosign', label: '会签', roles: ['street_official'], when: f => f.kind === 'score' && f.status === 'submitted' && !f.cosigned_at, only: [], now: ['cosigned_at'], primary: true, hint: '由镇街会签这项评分。' },
      { key: 'publish', label: '公布', roles: ['official'], when: f => f.status === 'submitted' && f.kind !== 'appeal', only: [], set: { status: 'published' }, primary: true, hint: '公布后港湾可以看到，并可申诉。' },
      { key: 'decide', label: '答复申诉', roles: ['official'], when: f => f.kind === 'appeal' && (!f.appeal_result || f.appeal_result === 'pending'), only: ['appeal_result', 'appeal_answer'], required: ['appeal_result', 'appeal_answer'], primary: true },
    ],
  },
  {
    collection: 'tasks', title: '任务分解', group: '统筹推进', icon: '任', roles: ['harbour_head', ...desks], names: ['title'], notes: ['clause', 'leads', 'progress'], sort: '+due',
    state: stands('tasks', 'status'), due: { field: 'due', open: not(is('status', 'done')) }, waits: (f, s) => s.user.role === 'official' && f.status !== 'done' && !!f.due && dayOf(f.due) <= s.today,
    tabs: [{ key: 'open', label: '进行中', holds: not(is('status', 'done')) }, { key: 'done', label: '已完成', holds: is('status', 'done') }], preset: () => ({ status: 'open' }), later: ['done_on'],
    wrong: f => ({ done_on: f.status === 'done' && !f.done_on && '请选择完成日期', status: f.status !== 'done' && f.progress >= 100 && '进度 100% 的，状态选已完成' }),
    steps: [{ key: 'progress', label: '更新进展', roles: ['official'], when: not(is('status', 'done')), only: ['status', 'progress', 'done_on', 'note'], required: ['status'], primary: true }],
  },
  {
    collection: 'relending_bases', title: '再贷款示范基地', group: '统筹推进', icon: '基', roles: ['harbour_staff', 'harbour_head', ...desks], names: ['name'], notes: ['bank', 'place', 'opened_on'], sort: 'opened_on',
    state: f => (f.closed_on ? { word: '已撤销', tone: 'calm' } : { word: '已设立', tone: 'good' }), later: ['closed_on'],
    steps: [{ key: 'close', label: '撤销', roles: ['official'], when: f => !f.closed_on, only: ['closed_on', 'note'], required: ['closed_on'], now: ['closed_on'], danger: true }],
  },
  {
    collection: 'equity_cases', title: '直接融资', group: '统筹推进', icon: '股', roles: ['official'], names: ['enterprise_name'], notes: ['kind', 'fund', 'amount', 'stage_on'], sort: 'stage_on', state: stands('equity_cases', 'stage'),
    tabs: [{ key: 'fund', label: '股权投资', holds: is('kind', 'fund') }, { key: 'listing', label: '上市', holds: is('kind', 'listing') }], preset: () => ({ stage: 'nurture' }),
    steps: [{ key: 'stage', label: '更新阶段', roles: ['official'], when: not(is('stage', 'listed', 'ended')), only: ['stage', 'stage_on', 'amount', 'support_amount', 'note'], required: ['stage', 'stage_on'], now: ['stage_on'], primary: true }],
  },
]

/** The register of a collection; undefined where it has none. */
export const registerOf = (collection: string): Register | undefined => registers.find(r => r.collection === collection)

/** What a role has, in the order of the notice. */
export const registersFor = (role: Role): Register[] => registers.filter(r => r.roles.includes(role))

export const mayAdd = (r: Register, role: Role): boolean => (r.add ?? formOf(r.collection).writers).includes(role)
export const mayEdit = (r: Register, role: Role, f: Fields): boolean => (r.edit ?? r.add ?? formOf(r.collection).writers).includes(role) && !r.closed?.(f)

/** The steps that the person may take now; with a record of another harbour or bank the server has the last word. */
export const stepsOf = (r: Register, f: Fields, s: Sight): Step[] => (r.steps ?? []).filter(x => x.roles.includes(s.user.role) && x.when(f, s))

/** The moment, or the Shanghai midnight of its day, as a field stores it. */
export function momentFor(name: string, now: Date): string {
  return (isDay(name) ? new Date(Date.parse(`${shanghaiDay(now)}T00:00:00+08:00`)) : now).toISOString().replace('T', ' ')
}

/** What the app knows about a new record: of the person, of the moment, and what the register begins with. */
export function fresh(r: Register, s: Sight): Fields {
  const out: Fields = { ...r.preset?.(s) }
  for (const f of formOf(r.collection).fields) {
    const value = filled(f, s)
    if (value && f.writers.includes(s.user.role)) out[f.name] = value
  }
  return out
}

function filled(f: FormField, s: Sight): string {
  switch (f.fill) {
    case undefined: return ''
    case 'now': return momentFor(f.name, s.now)
    case 'self': return s.user.id
    default: return s.user[f.fill] ?? ''
  }
}

/** The fields that the form of a register asks, in the form's order: not what the app fills in, nor what later steps say. */
export function fieldsFor(r: Register, s: Sight, create: boolean): string[] {
  return formOf(r.collection).fields.filter(f =>
    !f.attachment && f.kind !== 'geo' && f.name !== 'photo_count' && !r.later?.includes(f.name) && (create || !f.fixed)
    // The inspector is whoever holds the phone; a tutor may be somebody else.
    // A visit is named by the page that leads here, never looked for.
    && f.to !== 'visits' && (!filled(f, s) || r.asked?.includes(f.name) || (!f.fixed && f.kind === 'relation' && f.name !== 'inspector')),
  ).map(f => f.name)
}

export interface Item { code: string; name: string; category: string; requirement: string; points: number; where_possible: boolean; position: number }
export interface Answer { item: string; result: 'pass' | 'fail' | 'not_applicable' | ''; remark?: string }

/** The inspection items in force at a moment, in their order (附件三–六). */
export function itemsAt(all: readonly { fields: Fields }[], moment: Date): Item[] {
  const t = moment.getTime()
  return all.map(r => r.fields as Item & Fields).filter(i => !(at(i.from) > t) && !(at(i.until) <= t)).sort((a, b) => a.position - b.position)
}

/** The score as the server will work it out: points passed of points applicable × 100, one decimal; undefined while nothing is answered. */
export function scoreOf(items: readonly Item[], answers: readonly Answer[]): { score?: number; twelve: number; open: number } {
  let passed = 0, applicable = 0, twelve = 0, open = 0
  for (const item of items) {
    const result = answers.find(a => a.item === item.code)?.result
    if (!result) { open++; continue }
    if (result === 'not_applicable') continue
    applicable += item.points
    if (result === 'pass') {
      passed += item.points
      if (item.category === 'twelve_ones') twelve++
    }
  }
  return { score: applicable ? Math.round((passed / applicable) * 1000) / 10 : undefined, twelve, open }
}

/** What the register says is wrong with a record, as forms show it. */
export function wrongs(r: Register, f: Fields): Record<string, { code: string; message: string }> {
  return Object.fromEntries(Object.entries(r.wrong?.(f) ?? {}).flatMap(([name, message]) => (message ? [[name, { code: 'register', message }]] : [])))
}

/** What is missing before an inspection is done, by item code. */
export function itemProblems(items: readonly Item[], answers: readonly Answer[]): Record<string, string> {
  const out: Record<string, string> = {}
  for (const item of items) {
    const a = answers.find(x => x.item === item.code)
    if (!a?.result) out[item.code] = '还没有检查'
    else if (a.result === 'fail' && !a.remark?.trim()) out[item.code] = '不合格须写明情况'
  }
  return out
}
