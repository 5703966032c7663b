import { expect, test } from 'vitest'
import { forms, type Form } from '../../forms/generated'
import { mendable, repairOf } from './mending'

const error = { code: 'x', message: '' }
const create = (collection: string, data = {}, errors = {}) => ({ op: 'create' as const, collection, data, errors })

test('a refused visit shows what a person said, not what the phone filled in', () => {
  const names = mendable(forms.visits, create('visits', { enterprise: 'e', outcome: 'met' }, { ended_at: error }), ['policies', 'products', 'grid'])
  expect(names).toContain('outcome')
  expect(names).toContain('ended_at')
  expect(names).toContain('policies')
  for (const name of ['enterprise', 'worker', 'grid', 'location', 'signature', 'photo_count']) expect(names).not.toContain(name)
})

test('a field that the server objects to is shown when there is something to choose from', () => {
  expect(mendable(forms.visits, create('visits', {}, { grid: error }), ['grid'])).toContain('grid')
  expect(mendable(forms.visits, create('visits', {}, { worker: error }), ['grid'])).not.toContain('worker')
})

test('of a refused match another bank can be chosen, of a refused step its time, amount, reason and words', () => {
  expect(mendable(forms.demand_matches, create('demand_matches', {}, { bank: error }), ['bank'])).toEqual(['bank'])
  expect(mendable(forms.demand_events, create('demand_events', { kind: 'stage' }, { at: error, to_stage: error }), [])).toEqual(['at', 'contact_way', 'reached', 'amount', 'reason', 'note'])
})

test("a contract number entered twice is mended by its number, never by another bank", () => {
  const names = mendable(forms.loans, create('loans', { bank: 'b' }, { bank: error, contract_no: error }), ['bank', 'guarantor'])
  expect(names).toContain('contract_no')
  expect(names).not.toContain('bank')
})

test('a refused change shows only what it changes', () => {
  expect(mendable(forms.enterprises, { op: 'update', collection: 'enterprises', data: { phone: '1' }, errors: { phone: error } }, [])).toEqual(['phone'])
})

test('nothing of a refused picture record is typed', () => {
  expect(mendable(forms.photos, create('photos', {}, { _: error }), [])).toEqual([])
})

test('a repair says what changed, and empties what is no longer asked', () => {
  expect(repairOf(forms.visits as Form, { outcome: 'met', demand_asked: 'yes', policies: ['p'], notes: 'a' }, { outcome: 'absent', notes: 'a' }))
    .toEqual({ outcome: 'absent', demand_asked: '', policies: [] })
  expect(repairOf(forms.visits as Form, { outcome: 'met' }, { outcome: 'met' })).toEqual({})
})
