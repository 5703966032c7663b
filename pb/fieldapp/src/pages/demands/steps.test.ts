import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Fields, User } from '@/sync/contract'
import { forms } from '../../forms/generated'
import type { Expected, Match } from './expected'
import { actionsOf, busyBanks, demandSteps, loanProblems, matchable, matchSteps, offeredTo, problemsOf, reasonsOf, sheets, tabOf, workOf, type Kind } from './steps'

const user = (role: User['role'], more: Partial<User> = {}) => ({ id: 'me', name: '', role, harbour: 'h', bank: '', street: '', scope_grids: [], must_change_password: false, ...more }) as User
const clerk = user('bank', { bank: 'a' })
const match = (bank: string, stage: string, fields: Fields = {}): Match => ({ id: 'm' + bank, stage, unsent: false, loaned: false, fields: { bank, result: stage === 'approved' ? 'approved' : stage === 'rejected' ? 'rejected' : 'pending', ...fields } })
const demand = (stage: string, matches: Match[] = [], fields: Fields = {}): Expected => ({ stage, matches, unsent: false, fields: { stage, amount: 300000, first_responder: 'me', ...fields } })
const kinds = (u: User, c: Expected) => actionsOf(u, c).map(a => a.kind)
const ids = () => { let n = 0; return () => 'id' + ++n }

test('the steps offered are those that the server takes', () => {
  const source = readFileSync(new URL('../../../../../hooks/demand.go', import.meta.url), 'utf8')
  const table = (name: string) => Object.fromEntries([...source.match(new RegExp(`${name} = map.*?\\n}`, 's'))![0].matchAll(/"(\w+)":\s+\{(.*?)\}/g)]
    .map(([, from, to]) => [from, [...to.matchAll(/"(\w+)"/g)].map(m => m[1])]))
  expect(demandSteps).toEqual(table('demandSteps'))
  expect(matchSteps).toEqual(table('matchSteps'))
  expect(matchable).toEqual([...source.match(/matchable = \[\]string\{(.*?)\}/)![1].matchAll(/"(\w+)"/g)].map(m => m[1]))
})

test('the counter first accepts, and may void or note a withdrawal', () => {
  expect(kinds(user('harbour_staff'), demand('captured'))).toEqual(['accept', 'void', 'withdraw', 'note'])
  expect(actionsOf(user('harbour_staff'), demand('captured')).find(a => a.primary)?.kind).toBe('accept')
})

test('a grid worker notes and withdraws, nothing more', () => {
  for (const stage of ['captured', 'accepted', 'matched', 'applied', 'approved', 'rejected', 'cultivating']) {
    expect(kinds(user('grid_worker'), demand(stage, [match('a', 'matched')]))).toEqual(['withdraw', 'note'])
  }
  expect(kinds(user('liaison'), demand('disbursed'))).toEqual(['note'])
})

test('a bank moves its own match and none other', () => {
  const actions = actionsOf(clerk, demand('applied', [match('a', 'matched'), match('b', 'applied')]))
  expect(new Set(actions.map(a => a.match?.id))).toEqual(new Set(['ma']))
  expect(actions.map(a => a.kind)).toEqual(['contact', 'apply', 'reject', 'note'])
})

test('what a bank should do next follows its handling: contact, application, decision, loan', () => {
  const next = (m: Match, stage = m.stage) => actionsOf(clerk, demand(stage, [m])).filter(a => a.primary).map(a => a.kind)
  expect(next(match('a', 'matched'))).toEqual(['contact'])
  expect(next(match('a', 'matched', { first_contact_at: 'x' }))).toEqual(['apply'])
  expect(next(match('a', 'applied'))).toEqual(['approve'])
  expect(next(match('a', 'approved'))).toEqual(['loan'])
})

test('a bank notes the money only by its contract, a harbour only what it was told', () => {
  expect(kinds(clerk, demand('approved', [match('a', 'approved')]))).toContain('loan')
  expect(kinds(clerk, demand('approved', [match('a', 'approved')]))).not.toContain('disburse')
  expect(kinds(user('harbour_head'), demand('approved', [match('a', 'approved')]))).toContain('disburse')
})

test('officials and departments only look', () => {
  expect(kinds(user('official'), demand('captured'))).toEqual([])
  expect(kinds(user('department'), demand('captured'))).toEqual([])
})

test('a finished demand takes notes and nothing else', () => {
  for (const stage of ['withdrawn', 'closed', 'void']) expect(kinds(user('harbour_staff'), demand(stage, [match('a', 'matched')]))).toEqual(['note'])
})

test('every field a sheet asks for is one of the form, and every reason one of its words', () => {
  const form = forms.demand_events.fields as readonly { name: string; options?: readonly (readonly [string, string])[] }[]
  for (const kind of Object.keys(sheets) as Kind[]) {
    for (const name of [...sheets[kind].only, ...sheets[kind].required]) expect(form.map(f => f.name)).toContain(name)
    for (const stage of ['matched', 'approved']) for (const reason of reasonsOf({ kind, label: '', match: match('a', stage) })) {
      expect(form.find(f => f.name === 'reason')!.options!.map(o => o[0])).toContain(reason)
    }
  }
})

test('a step before the one it follows, or in the future, is pointed out before saving', () => {
  const applied = { kind: 'approve' as const, label: '', match: match('a', 'applied', { applied_at: '2026-11-20 01:00:00.000Z' }) }
  const now = '2026-11-23 01:00:00.000Z'
  expect(problemsOf(applied, { kind: 'stage', amount: 1, at: '2026-11-19 01:00:00.000Z' }, now)).toHaveProperty('at.code', 'time_before_previous')
  expect(problemsOf(applied, { kind: 'stage', amount: 1, at: '2026-11-24 01:00:00.000Z' }, now)).toHaveProperty('at.code', 'date_in_future')
  expect(problemsOf(applied, { kind: 'stage', amount: 0, at: '2026-11-21 01:00:00.000Z' }, now)).toHaveProperty('amount.code', 'amount_needed')
  expect(problemsOf(applied, { kind: 'stage', amount: 1, at: '2026-11-21 01:00:00.000Z' }, now)).toEqual({})
})

test('a step carries its match, its stage and what the sheet asked, and no more', () => {
  const action = { kind: 'reject' as const, label: '', match: match('a', 'applied') }
  expect(workOf(action, 'd', { kind: 'stage', to_stage: 'rejected', at: 't', reason: 'other', note: '', amount: 5 }, clerk, 'now', ids())).toEqual([
    { op: 'create', collection: 'demand_events', record: 'id1', data: { demand: 'd', match: 'ma', kind: 'stage', to_stage: 'rejected', at: 't', reason: 'other' } },
  ])
})

test('whoever takes over confirms it in the same breath', () => {
  const work = workOf({ kind: 'take_over', label: '' }, 'd', { kind: 'handover', at: 't' }, user('harbour_staff'), 'now', ids())
  expect(work.map(w => [w.op, w.record])).toEqual([['create', 'id1'], ['update', 'id1']])
  expect(work[0]).toHaveProperty('data.to_user', 'me')
  expect(kinds(user('harbour_staff'), demand('accepted', [], { first_responder: 'other' }))).toContain('take_over')
})

test('a bank with an open match is not offered again, one that declined is', () => {
  expect([...busyBanks(demand('matched', [match('a', 'matched'), match('b', 'rejected')]))]).toEqual(['a'])
})

test('a loan neither exceeds nor precedes its approval', () => {
  const approval = match('a', 'approved', { approved_amount: 200000, decided_at: '2026-11-20 08:00:00.000Z' })
  const loan = { amount: 200000, disbursed_on: '2026-11-19 16:00:00.000Z', kind: 'first_loan' }
  expect(loanProblems(loan, approval, '2026-11-23')).toEqual({})
  expect(loanProblems({ ...loan, amount: 200001 }, approval, '2026-11-23')).toHaveProperty('amount')
  expect(loanProblems({ ...loan, disbursed_on: '2026-11-18 16:00:00.000Z' }, approval, '2026-11-23')).toHaveProperty('disbursed_on.code', 'time_before_previous')
  expect(loanProblems({ ...loan, disbursed_on: '2026-11-23 16:00:00.000Z' }, approval, '2026-11-23')).toHaveProperty('disbursed_on.code', 'date_in_future')
  expect(loanProblems({ ...loan, matures_on: '2026-11-19 16:00:00.000Z' }, approval, '2026-11-23')).toHaveProperty('matures_on')
  expect(loanProblems({ ...loan, first_loan_checked_on: '2026-11-20 16:00:00.000Z' }, approval, '2026-11-23')).toHaveProperty('first_loan_checked_on')
})

test('each desk finds a demand under what it must do next', () => {
  const desk = user('harbour_staff')
  expect(['captured', 'accepted', 'rejected', 'matched', 'applied', 'approved', 'cultivating', 'disbursed', 'void'].map(s => tabOf(desk, demand(s))))
    .toEqual(['accept', 'offer', 'offer', 'busy', 'busy', 'busy', 'cultivate', 'done', 'done'])
  const bank = (m: Match, stage = m.stage) => tabOf(clerk, demand(stage, [m, match('b', 'approved')]))
  expect(bank(match('a', 'matched'))).toBe('contact')
  expect(bank(match('a', 'matched', { first_contact_at: 'x' }))).toBe('apply')
  expect(bank(match('a', 'applied'))).toBe('decide')
  expect(bank(match('a', 'approved'))).toBe('disburse')
  expect(bank(match('a', 'rejected'), 'applied')).toBe('done')
  expect(bank(match('a', 'applied'), 'disbursed')).toBe('done')
})

test('money that others noted leaves the bank its contract to enter, and nothing once it is entered', () => {
  const told = demand('disbursed', [match('a', 'disbursed')])
  expect([tabOf(clerk, told), actionsOf(clerk, told).find(a => a.primary)?.kind]).toEqual(['disburse', 'loan'])
  const entered = demand('disbursed', [{ ...match('a', 'disbursed'), loaned: true }])
  expect([tabOf(clerk, entered), actionsOf(clerk, entered).find(a => a.primary)]).toEqual(['done', undefined])
})

test('交接给同事，要同事本人确认才算', () => {
  const held = { ...demand('accepted'), fields: { first_responder: 'me' } } as unknown as Expected
  const me = { ...user('harbour_staff'), id: 'me' }, colleague = { ...user('harbour_staff'), id: 'colleague' }
  expect(kinds(me, held)).toContain('hand_over')
  expect(kinds(colleague, held)).not.toContain('hand_over')
  const [event] = workOf({ kind: 'hand_over', label: '' }, 'd', { kind: 'handover', to_user: 'colleague', note: '休假' }, me, 'now', () => 'e1')
  expect(event).toEqual({ op: 'create', collection: 'demand_events', record: 'e1', data: { demand: 'd', kind: 'handover', at: 'now', to_user: 'colleague', note: '休假' } })
  const events = [{ id: 'e1', rev: 1, state: 'synced' as const, fields: { kind: 'handover', at: '1', to_user: 'colleague' } }]
  expect([offeredTo(colleague, events), offeredTo(me, events)]).toEqual(['e1', undefined])
  const [confirm] = actionsOf(colleague, held, 'e1')
  expect([confirm!.kind, confirm!.primary]).toEqual(['confirm', true])
  expect(workOf(confirm!, 'd', {}, colleague, 'now', () => 'x')).toEqual([{ op: 'update', collection: 'demand_events', record: 'e1', to: { handover_confirmed_at: 'now' } }])
  // A later handover to somebody else takes the earlier one back.
  expect(offeredTo(colleague, [...events, { id: 'e2', rev: 1, state: 'synced', fields: { kind: 'handover', at: '2', to_user: 'third' } }])).toBeUndefined()
})
