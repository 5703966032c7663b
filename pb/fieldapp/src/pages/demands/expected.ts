// Where a demand stands for the person who looks: what the server said last, moved on by this device's own work that the
// server has not yet answered for. The server derives stage, dates and results by the same steps (hooks/demand.go).
import type { Fields, RecordView } from '@/sync/contract'

export interface Case {
  demand: RecordView
  matches: RecordView[]
  events: RecordView[]
  loans: RecordView[]
}

/** One bank's handling as expected; `stage` is matched, applied, approved, disbursed or rejected. */
export interface Match {
  id: string
  fields: Fields
  stage: string
  /** Moved by own work that the server has not brought back yet. */
  unsent: boolean
  /** The bank has entered a contract for the demand. */
  loaned: boolean
}

export interface Expected {
  stage: string
  fields: Fields
  matches: Match[]
  unsent: boolean
}

export const finalStages = ['disbursed', 'withdrawn', 'closed', 'void']

/** matchStage is where one bank's handling stands by its fields. */
export function matchStage(match: Fields): string {
  if (match.result === 'approved') return 'approved'
  if (['declined', 'rejected', 'lapsed'].includes(match.result)) return 'rejected'
  return match.applied_at ? 'applied' : 'matched'
}

// A record made here stays at revision 0 until the server's copy, and with it the moved demand, has been pulled.
const own = (r: RecordView) => r.rev === 0 && r.state !== 'rejected'

/**
 * expected moves a demand and its matches by the device's own unanswered events, matches and loans, in the order captured.
 * Refused work moves nothing. The given records are left as they are.
 */
export function expected({ demand, matches, events, loans }: Case): Expected {
  const fields = { ...demand.fields }
  fields.stage ||= 'captured'
  const moved: Match[] = matches.filter(m => m.state !== 'rejected').map(m => ({
    id: m.id, fields: { ...m.fields, result: m.fields.result || 'pending' }, stage: '', unsent: own(m),
    loaned: loans.some(l => l.fields.bank === m.fields.bank && l.state !== 'rejected'),
  }))
  for (const m of moved) m.stage = matchStage(m.fields)
  let unsent = demand.state === 'pending' || demand.state === 'waiting'

  const work = [
    ...events.filter(own).map(e => ({ at: e.fields.at ?? '', move: () => moveByEvent(fields, moved, e.fields) })),
    ...matches.filter(own).map(m => ({ at: m.fields.matched_at ?? '', move: () => reach(fields, moved, 'matched', m.fields.matched_at) })),
    ...loans.filter(own).map(l => ({ at: l.fields.disbursed_on ?? '', move: () => moveByLoan(fields, moved, l.fields) })),
  ]
  // A loan knows only its day: it comes after the approval that it draws on.
  const loansFrom = work.length - loans.filter(own).length
  for (const step of [...work.slice(0, loansFrom).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)), ...work.slice(loansFrom)]) {
    step.move()
    unsent = true
  }
  // That the money came is said by the demand and by the step or the contract, not by the match itself.
  const paid = (m: Match) => m.loaned || events.some(e => e.fields.to_stage === 'disbursed' && e.fields.match === m.id && e.state !== 'rejected')
  for (const m of moved) if (fields.stage === 'disbursed' && m.stage === 'approved' && paid(m)) m.stage = 'disbursed'
  return { stage: fields.stage, fields, matches: moved, unsent }
}

/**
 * atBank is the demand as one bank's desk sees it: its own handling while the demand is open, so that another bank's progress
 * is not taken for its own.
 */
export function atBank(c: Expected, bank: string): Expected {
  const order = ['rejected', 'matched', 'applied', 'approved', 'disbursed']
  const mine = c.matches.filter(m => m.fields.bank === bank).sort((a, b) => order.indexOf(b.stage) - order.indexOf(a.stage))[0]
  if (!mine || finalStages.includes(c.stage)) return c
  const { matched_at, applied_at, decided_at } = mine.fields
  const [approved_at, rejected_at] = mine.stage === 'rejected' ? ['', decided_at] : [decided_at, '']
  return { ...c, stage: mine.stage, fields: { ...c.fields, matched_at, applied_at, approved_at, rejected_at, stage: mine.stage } }
}

function moveByEvent(demand: Fields, matches: Match[], event: Fields) {
  const match = matches.find(m => m.id === event.match)
  if (event.kind === 'contact' && match) {
    if (event.reached && (!match.fields.first_contact_at || event.at < match.fields.first_contact_at)) match.fields.first_contact_at = event.at
    match.unsent = true
    return
  }
  if (event.kind === 'handover' && event.handover_confirmed_at) demand.first_responder = event.to_user
  if (event.kind !== 'stage' || finalStages.includes(demand.stage)) return
  const to = event.to_stage
  if (!match) {
    if (to === 'accepted') {
      demand.accepted_amount = event.amount || demand.amount
      demand.first_responder = event.by || demand.first_responder
    }
    demand.stage = to
    demand[to + '_at'] = event.at
    return
  }
  match.unsent = true
  if (to === 'applied') match.fields.applied_at = event.at
  if (to === 'approved') Object.assign(match.fields, { result: 'approved', decided_at: event.at, approved_amount: event.amount })
  if (to === 'rejected') {
    const result = { matched: 'declined', applied: 'rejected', approved: 'lapsed' }[match.stage] ?? 'rejected'
    Object.assign(match.fields, { result, decided_at: event.at, reason: event.reason })
  }
  if (to === 'disbursed') {
    match.stage = demand.stage = 'disbursed'
    demand.disbursed_at = event.at
    return
  }
  match.stage = matchStage(match.fields)
  reach(demand, matches, match.stage, event.at)
}

function moveByLoan(demand: Fields, matches: Match[], loan: Fields) {
  const match = matches.find(m => m.fields.bank === loan.bank && m.stage === 'approved')
  if (!match || finalStages.includes(demand.stage)) return
  match.unsent = true
  match.stage = demand.stage = 'disbursed'
  demand.disbursed_at = loan.disbursed_on
}

// A demand shows its furthest open match and is rejected only when none is open; a refusal does not end a cultivation.
function reach(demand: Fields, matches: Match[], reached: string, at: string) {
  if (finalStages.includes(demand.stage)) return
  const order = ['rejected', 'matched', 'applied', 'approved']
  let furthest = matches.reduce((far, m) => (order.indexOf(m.stage) > order.indexOf(far) ? m.stage : far), 'rejected')
  if (furthest === 'rejected' && demand.stage === 'cultivating') furthest = 'cultivating'
  demand.stage = furthest
  if (!demand[reached + '_at'] || furthest === reached) demand[reached + '_at'] = at
}
