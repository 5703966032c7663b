import { expect, test } from 'vitest'
import type { Fields, RecordView, User } from '@/sync/contract'
import { expected } from './expected'
import { eventWords, timelineOf } from './timeline'

const me = { id: 'me', role: 'harbour_staff' } as User
const record = (id: string, fields: Fields, rev = 1): RecordView => ({ id, fields, rev, state: rev ? 'synced' : 'pending' })

test('each event is said in the words of the notice, with its bank, amount and reason', () => {
  expect(eventWords({ kind: 'stage', to_stage: 'approved', amount: 200000 }, '峡江储蓄银行', 'me')).toBe('峡江储蓄银行：审批通过 20.00万元')
  expect(eventWords({ kind: 'stage', to_stage: 'rejected', from_stage: 'matched', reason: 'bad_credit' }, '峡江储蓄银行', 'me')).toBe('峡江储蓄银行：婉拒，征信不良')
  expect(eventWords({ kind: 'contact', contact_way: 'phone', reached: false }, '峡江储蓄银行', 'me')).toBe('峡江储蓄银行：电话，未联系上')
  expect(eventWords({ kind: 'handover', to_user: 'me', handover_confirmed_at: 'x' }, '', 'me')).toBe('由本人接手，已确认')
})

test('the newest stands first, what happened at one instant in the order of the steps, and whose work it was is told', () => {
  const at = '2026-11-23 01:00:00.000Z'
  const held = { demand: record('d', { stage: 'disbursed', first_responder: 'other', captured_at: '2026-11-20 01:00:00.000Z' }), loans: [],
    matches: [record('m', { bank: 'a', result: 'approved', matched_at: '2026-11-21 01:00:00.000Z' })],
    events: [record('e1', { kind: 'stage', to_stage: 'approved', match: 'm', at, by: 'clerk' }), record('e2', { kind: 'stage', to_stage: 'disbursed', match: 'm', at, by: 'clerk' }),
      record('e3', { kind: 'note', note: '已回访', at: '2026-11-23 02:00:00.000Z' }, 0), record('e4', { kind: 'stage', to_stage: 'accepted', at: '2026-11-20 02:00:00.000Z', by: 'other' })] }
  const moments = timelineOf({ id: 'd', name: '', ...held, now: expected(held) }, me, () => '甲银行')
  expect(moments.map(m => `${m.title}/${m.who}`)).toEqual(['备注/本人', '甲银行：放款/其他工作人员', '甲银行：审批通过/其他工作人员', '对接银行：甲银行/', '首问受理/首问负责人', '采集（上门走访）/'])
})
