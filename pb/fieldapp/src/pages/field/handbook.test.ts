import { expect, test } from 'vitest'
import type { Fields, RecordView } from '@/sync'
import { offers, tagsFor } from './handbook'

const record = (id: string, fields: Fields): RecordView => ({ id, fields, rev: 1, state: 'synced' })
const now = new Date('2026-11-23T02:00:00Z')

test('适合这户主体的政策和产品排在前面，过期的和未生效的不给选', () => {
  const list = offers([
    record('green', { title: '绿色', tags: ['green'] }), record('small', { title: '个体', tags: ['individual_business'] }), record('all', { title: '通用', tags: [] }),
    record('old', { title: '旧', tags: [], valid_until: '2026-11-22 16:00:00.000Z' }), record('later', { title: '新', tags: [], valid_from: '2026-12-01 16:00:00.000Z' }),
  ], { kind: 'individual_business', size: 'micro' }, now, f => ({ label: f.title }))
  expect(list.map(o => [o.value, o.hint])).toEqual([['small', '适合该户'], ['all', ''], ['green', '']])
})

test('行业、规模、贷款情况和特殊群体决定适合什么', () => {
  expect([...tagsFor({ kind: 'company', size: 'small', industry: '1392', borrowing: 'never', special_groups: ['veteran'], tags: ['green'] })].sort())
    .toEqual(['first_loan', 'green', 'manufacturing', 'micro_small', 'veteran'])
  expect([...tagsFor({ kind: 'individual_business', industry: '5213', borrowing: 'current' })].sort()).toEqual(['commerce', 'individual_business'])
})
