// The history of a demand in words.
import { stageWord, wordOf, yuan } from '../../forms/words'
import type { Fields, RecordState, RecordView, User } from '@/sync/contract'
import type { Held } from './desk'

// What happened at one instant is told in the order of the steps: a loan knows no hour.
const order = ['captured', 'accepted', 'matched', 'applied', 'approved', 'disbursed']

export interface Moment { id: string; at: string; title: string; text: string; who: string; state: RecordState; step: number }

/** eventWords says an event: what happened, at which bank, with which amount and reason. */
export function eventWords(event: Fields, bank: string, me: string, person: (id: string) => string = () => ''): string {
  const place = bank && `${bank}：`
  switch (event.kind) {
    case 'stage': {
      const word = event.to_stage === 'rejected' ? { matched: '婉拒', applied: '未通过', approved: '批准失效' }[event.from_stage as string] ?? '未通过' : stageWord(event.to_stage)
      return place + word + (event.amount ? ` ${yuan(event.amount)}` : '') + (event.reason ? `，${wordOf('demand_events', 'reason', event.reason)}` : '')
    }
    case 'contact': return `${place}${wordOf('demand_events', 'contact_way', event.contact_way)}${event.reached ? '，已联系上' : '，未联系上'}`
    case 'handover': return (event.to_user === me ? '由本人接手' : `交接给${person(event.to_user) || '其他工作人员'}`) + (event.handover_confirmed_at ? '，已确认' : '，待确认')
  }
  return `${place}备注`
}

/** timelineOf lists what happened to a demand, the newest first. `bankName` names a bank, `person` a colleague, '' where nobody knows. */
export function timelineOf(held: Held, user: User, bankName: (id: string) => string, person: (id: string) => string = () => ''): Moment[] {
  const banks = new Map(held.matches.map(m => [m.id, bankName(m.fields.bank)]))
  const who = (r: RecordView, bank: string) => {
    if (r.rev === 0 || r.fields.by === user.id) return '本人'
    if (r.fields.by && r.fields.by === held.now.fields.first_responder) return '首问负责人'
    if (person(r.fields.by)) return person(r.fields.by)
    return bank && user.role === 'bank' ? '本行或港湾' : '其他工作人员'
  }
  const out: Moment[] = held.events.map(e => {
    const bank = banks.get(e.fields.match) ?? ''
    return { id: e.id, at: e.fields.at, title: eventWords(e.fields, bank, user.id, person), text: e.fields.note ?? '', who: who(e, bank), state: e.state, step: order.indexOf(e.fields.to_stage) }
  })
  for (const m of held.matches) {
    out.push({ id: m.id, at: m.fields.matched_at || m.fields.captured_at || '', title: `对接银行：${bankName(m.fields.bank)}`, text: '', who: m.rev ? '' : '本人', state: m.state, step: 2 })
  }
  out.push({ id: held.id, at: held.demand.fields.captured_at ?? '', title: `采集（${wordOf('demands', 'channel', held.demand.fields.channel || 'visit')}）`, text: '', who: held.demand.rev ? '' : '本人', state: held.demand.state, step: 0 })
  // Own work has its captured_at from the server only: without a time it has just happened.
  const at = (m: Moment) => m.at || '~'
  return out.sort((a, b) => (at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : b.step - a.step))
}
