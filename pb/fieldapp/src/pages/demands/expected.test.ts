import { expect, test } from 'vitest'
import type { Fields, RecordState, RecordView } from '@/sync/contract'
import { atBank, expected } from './expected'

const record = (id: string, fields: Fields, rev = 1, state: RecordState = rev ? 'synced' : 'pending'): RecordView => ({ id, fields, rev, state })
const event = (id: string, fields: Fields, rev = 0, state?: RecordState) => record(id, { demand: 'd', ...fields }, rev, state)
const step = (id: string, to_stage: string, at: string, more: Fields = {}) => event(id, { kind: 'stage', to_stage, at, ...more })
const stand = (stage: string, matches: RecordView[] = [], events: RecordView[] = [], loans: RecordView[] = []) =>
  expected({ demand: record('d', { stage, amount: 300000 }), matches, events, loans })
const offered = (bank: string, fields: Fields = {}) => record('m' + bank, { demand: 'd', bank, result: 'pending', matched_at: '2026-11-20 01:00:00.000Z', ...fields })

test('an acceptance not yet sent shows the demand as accepted, with its first responder and amount', () => {
  const c = stand('captured', [], [step('e', 'accepted', '2026-11-23 01:00:00.000Z', { by: 'u' })])
  expect([c.stage, c.fields.accepted_amount, c.fields.first_responder, c.unsent]).toEqual(['accepted', 300000, 'u', true])
})

test('an event that the server has brought back moves nothing a second time', () => {
  const c = stand('matched', [offered('a')], [event('e', { kind: 'stage', to_stage: 'accepted', at: '2026-11-19 01:00:00.000Z' }, 7)])
  expect([c.stage, c.unsent]).toEqual(['matched', false])
})

test('an event sent but not yet pulled still counts', () => {
  const c = stand('captured', [], [event('e', { kind: 'stage', to_stage: 'accepted', at: '2026-11-23 01:00:00.000Z' }, 0, 'synced')])
  expect([c.stage, c.unsent]).toEqual(['accepted', true])
})

test('a refused step moves nothing', () => {
  const c = stand('captured', [], [event('e', { kind: 'stage', to_stage: 'accepted', at: '2026-11-23 01:00:00.000Z' }, 0, 'rejected')])
  expect([c.stage, c.unsent]).toEqual(['captured', false])
})

test('accepted and offered to two banks without a network, the demand stands at 对接银行', () => {
  const fresh = (bank: string) => ({ ...offered(bank, { result: undefined, matched_at: '2026-11-23 01:05:00.000Z' }), rev: 0, state: 'pending' as const })
  const c = stand('captured', [fresh('a'), fresh('b')], [step('e', 'accepted', '2026-11-23 01:00:00.000Z')])
  expect([c.stage, c.matches.map(m => m.stage)]).toEqual(['matched', ['matched', 'matched']])
})

test('a demand shows its furthest open match and is 未通过 only when no bank is left', () => {
  const refuse = (bank: string, at: string) => step('r' + bank, 'rejected', at, { match: 'm' + bank, reason: 'other' })
  const applied = step('e', 'applied', '2026-11-23 01:00:00.000Z', { match: 'ma' })
  expect(stand('matched', [offered('a'), offered('b')], [applied]).stage).toBe('applied')
  expect(stand('matched', [offered('a'), offered('b')], [applied, refuse('a', '2026-11-23 02:00:00.000Z')]).stage).toBe('matched')
  const none = stand('matched', [offered('a'), offered('b')], [applied, refuse('a', '2026-11-23 02:00:00.000Z'), refuse('b', '2026-11-23 03:00:00.000Z')])
  expect([none.stage, none.matches.map(m => m.fields.result)]).toEqual(['rejected', ['rejected', 'declined']])
})

test('a bank that refuses does not end the cultivation', () => {
  expect(stand('cultivating', [offered('a')], [step('e', 'rejected', '2026-11-23 01:00:00.000Z', { match: 'ma', reason: 'other' })]).stage).toBe('cultivating')
})

test('the first contact is the earliest that reached the customer', () => {
  const call = (id: string, at: string, reached: boolean) => event(id, { kind: 'contact', match: 'ma', at, reached })
  const c = stand('matched', [offered('a')], [call('x', '2026-11-23 01:00:00.000Z', false), call('y', '2026-11-23 03:00:00.000Z', true), call('z', '2026-11-23 02:00:00.000Z', true)])
  expect(c.matches[0].fields.first_contact_at).toBe('2026-11-23 02:00:00.000Z')
})

test('a loan entered without a network disburses the demand, though its day began before the approval of the same day', () => {
  const approved = step('e', 'approved', '2026-11-23 01:00:00.000Z', { match: 'ma', amount: 200000 })
  const loan = record('l', { demand: 'd', bank: 'a', amount: 200000, disbursed_on: '2026-11-22 16:00:00.000Z' }, 0)
  const c = stand('applied', [offered('a', { applied_at: '2026-11-21 01:00:00.000Z' })], [approved], [loan])
  expect([c.stage, c.matches[0].stage, c.matches[0].fields.approved_amount]).toEqual(['disbursed', 'disbursed', 200000])
})

test('what was given is left as it was', () => {
  const demand = record('d', { stage: 'captured' })
  expected({ demand, matches: [], events: [step('e', 'accepted', '2026-11-23 01:00:00.000Z')], loans: [] })
  expect(demand.fields.stage).toBe('captured')
})

test('a match whose money came is shown as 放款, also after the server has brought everything back', () => {
  const approved = (bank: string) => offered(bank, { result: 'approved', approved_amount: 1 })
  const step = event('l', { kind: 'stage', to_stage: 'disbursed', match: 'ma', at: '2026-11-23 01:00:00.000Z' }, 5)
  const c = stand('disbursed', [approved('a'), approved('b')], [step])
  expect(c.matches.map(m => [m.stage, m.loaned])).toEqual([['disbursed', false], ['approved', false]])
})

test("a bank's desk shows its own progress, not another bank's", () => {
  const c = stand('applied', [offered('a'), offered('b', { applied_at: '2026-11-21 01:00:00.000Z' })])
  expect([atBank(c, 'a').stage, atBank(c, 'a').fields.applied_at]).toEqual(['matched', undefined])
  expect([atBank(c, 'b').stage, atBank(c, 'b').fields.applied_at]).toEqual(['applied', '2026-11-21 01:00:00.000Z'])
  expect(atBank(stand('withdrawn', [offered('a')]), 'a').stage).toBe('withdrawn')
})

test('whoever took over without a network is shown as first responder, and is not asked to take over again', () => {
  const over = (more: Fields) => event('h', { kind: 'handover', to_user: 'me', at: '2026-11-23 01:00:00.000Z', ...more })
  expect(stand('matched', [], [over({ handover_confirmed_at: '2026-11-23 01:00:00.000Z' })]).fields.first_responder).toBe('me')
  expect(stand('matched', [], [over({})]).fields.first_responder).toBeUndefined()
})
