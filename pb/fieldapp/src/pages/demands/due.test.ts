import { expect, test } from 'vitest'
import { calendarOf } from './calendar'
import { duesOf, dueWords } from './due'
import type { Expected } from './expected'

const limits = [
  { code: 'sla.accept_days', value: '1', from: '2021-10-28 16:00:00.000Z', until: '' },
  { code: 'sla.match_days', value: '1', from: '2021-10-28 16:00:00.000Z', until: '' },
  { code: 'sla.contact_days', value: '2', from: '2026-11-01 00:00:00.000Z', until: '' },
  { code: 'sla.contact_days', value: '3', from: '2021-10-28 16:00:00.000Z', until: '2026-11-01 00:00:00.000Z' },
  { code: 'sla.decision_days', value: '15', from: '2021-10-28 16:00:00.000Z', until: '' },
]
const calendar = calendarOf([])
const at = (s: string) => new Date(s)
const demand = (stage: string, fields: object, matches: Expected['matches'] = []): Expected => ({ stage, fields: { stage, ...fields }, matches, unsent: false })
const match = (bank: string, stage: string, fields: object) => ({ id: 'm' + bank, stage, unsent: false, loaned: false, fields: { bank, result: 'pending', ...fields } })
const words = (c: Expected, now: string, bank?: string) => dueWords(duesOf(c, limits, calendar, at(now), bank)[0])

test('a demand captured on Friday is to be accepted by the end of Monday', () => {
  const c = demand('captured', { captured_at: '2026-11-20 08:00:00.000Z' })
  expect(words(c, '2026-11-20T09:00:00Z')).toBe('首问受理还剩 1 个工作日')
  expect(words(c, '2026-11-23T15:59:00Z')).toBe('须今日内首问受理')
  expect(words(c, '2026-11-23T16:00:00Z')).toBe('首问受理已超期 1 个工作日')
})

test('the day of capture is the day in Shanghai, not in London', () => {
  const c = demand('captured', { captured_at: '2026-11-19 16:30:00.000Z' }) // Friday 00:30
  expect(duesOf(c, limits, calendar, at('2026-11-20T01:00:00Z'))[0].day).toBe('2026-11-23')
})

test('a limit that passed on Friday is over on Saturday, without a working day yet', () => {
  expect(words(demand('accepted', { accepted_at: '2026-11-19 02:00:00.000Z' }), '2026-11-21T02:00:00Z')).toBe('对接已超期')
})

test('contact is measured by the limit that held when the bank was matched', () => {
  const old = demand('matched', {}, [match('b', 'matched', { matched_at: '2026-10-30 02:00:00.000Z' })])
  const fresh = demand('matched', {}, [match('b', 'matched', { matched_at: '2026-11-02 02:00:00.000Z' })])
  expect(duesOf(old, limits, calendar, at('2026-11-02T02:00:00Z'))[0].day).toBe('2026-11-04')
  expect(duesOf(fresh, limits, calendar, at('2026-11-02T02:00:00Z'))[0].day).toBe('2026-11-04')
})

test('a bank is told of its own limits only, a harbour of the most urgent one', () => {
  const c = demand('applied', {}, [
    match('a', 'applied', { matched_at: '2026-11-02 02:00:00.000Z', applied_at: '2026-11-19 02:00:00.000Z' }),
    match('b', 'matched', { matched_at: '2026-11-16 02:00:00.000Z' }),
  ])
  expect(words(c, '2026-11-20T02:00:00Z', 'a')).toBe('审批还剩 14 个工作日')
  expect(words(c, '2026-11-20T02:00:00Z')).toBe('联系已超期 2 个工作日')
})

test('nothing is due for a bank that reached the customer, nor for a demand that is closed', () => {
  expect(words(demand('matched', {}, [match('a', 'matched', { matched_at: '2026-11-02 02:00:00.000Z', first_contact_at: '2026-11-03 02:00:00.000Z' })]), '2026-11-20T02:00:00Z')).toBe('')
  expect(words(demand('withdrawn', { captured_at: '2026-11-02 02:00:00.000Z' }, [match('a', 'matched', { matched_at: '2026-11-02 02:00:00.000Z' })]), '2026-11-20T02:00:00Z')).toBe('')
})
