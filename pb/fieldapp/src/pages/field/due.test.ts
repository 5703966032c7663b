import { expect, test } from 'vitest'
import type { Fields, RecordView } from '@/sync'
import { dueList, nearestFirst, parameter } from './due'

const now = new Date('2026-11-23T01:00:00Z') // 09:00 in Shanghai
const record = (id: string, fields: Fields): RecordView => ({ id, fields, rev: 1, state: 'synced' })
const shop = (id: string, fields: Fields = {}) => record(id, { status: 'active', tags: [], ...fields })
const visit = (enterprise: string, started_at: string, fields: Fields = {}) => record(`v-${enterprise}-${started_at}`, { enterprise, started_at, outcome: 'met', next_visit_on: '', ...fields })
const intervals = { key: 30, other: 180 }

test('今日名单先是约定回访的，再是重点企业，再是从未走访的，最后是久未走访的', () => {
  const list = dueList(
    [shop('old'), shop('never'), shop('key', { key_listed_on: '2026-01-01 00:00:00.000Z' }), shop('promised')],
    [visit('old', '2026-04-01 02:00:00.000Z'), visit('key', '2026-10-01 02:00:00.000Z'), visit('promised', '2026-11-01 02:00:00.000Z', { next_visit_on: '2026-11-22 16:00:00.000Z' })],
    now, intervals,
  )
  expect(list.map(d => [d.enterprise.id, d.why])).toEqual([
    ['promised', '约定今天回访'], ['key', '重点企业，52 天未走访'], ['never', '从未走访'], ['old', '235 天未走访'],
  ])
})

test('约定的日子没到、刚走访过、已关停、已搬离或已合并的主体不在名单里', () => {
  expect(dueList(
    [shop('later'), shop('fresh'), shop('gone'), shop('shut', { status: 'closed' }), shop('merged', { status: 'duplicate' })],
    [
      visit('later', '2026-01-01 02:00:00.000Z', { next_visit_on: '2026-11-23 16:00:00.000Z' }),
      visit('fresh', '2026-11-01 02:00:00.000Z'), visit('gone', '2025-01-01 02:00:00.000Z', { outcome: 'moved' }),
    ], now, intervals,
  )).toEqual([])
})

test('只看最近一次走访：旧的约定不再算数', () => {
  expect(dueList([shop('a')], [
    visit('a', '2026-11-20 02:00:00.000Z'), visit('a', '2026-10-01 02:00:00.000Z', { next_visit_on: '2026-11-01 16:00:00.000Z' }),
  ], now, intervals)).toEqual([])
})

test('按远近排时没有位置的主体排在最后', () => {
  const list = dueList([shop('a'), shop('b', { location: { lon: 108.5, lat: 30.8 } }), shop('c', { location: { lon: 108.4, lat: 30.8 } })], [], now, intervals)
  expect(nearestFirst(list, { lon: 108.4, lat: 30.8 }).map(d => d.enterprise.id)).toEqual(['c', 'b', 'a'])
})

test('参数取此刻有效的那一条，没有时用通常的值', () => {
  const all = [
    record('1', { code: 'visit.min_minutes', value: '3', from: '2021-10-28 16:00:00.000Z', until: '2026-01-01 00:00:00.000Z' }),
    record('2', { code: 'visit.min_minutes', value: '5', from: '2026-01-01 00:00:00.000Z', until: '' }),
    record('3', { code: 'visit.min_minutes', value: '9', from: '2027-01-01 00:00:00.000Z', until: '' }),
  ]
  expect(parameter(all, 'visit.min_minutes', now, 3)).toBe(5)
  expect(parameter(all, 'visit.max_distance_m', now, 200)).toBe(200)
})
