import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { check } from './check'
import { factFault, phone } from './facts'
import { forms } from './generated'

// The same numbers that the server's own test reads.
const phones = JSON.parse(readFileSync(new URL('../../../../hooks/testdata/phones.json', import.meta.url), 'utf8')) as { read: Record<string, string>; refused: Record<string, string> }

it('a telephone number is read as the server reads it', () => {
  for (const [typed, value] of Object.entries(phones.read)) expect([typed, phone(typed)]).toEqual([typed, { value }])
  for (const [typed, code] of Object.entries(phones.refused)) expect([typed, phone(typed).code]).toEqual([typed, code])
})

it('an industry code that the server would refuse is named on the phone', () => {
  for (const code of ['C', '52', 'h62 10', '６２１０', '0152']) expect([code, factFault('enterprises', 'industry', code)]).toEqual([code, undefined])
  for (const code of ['餐饮', 'U', '5', '00', '98', '62100']) expect([code, factFault('enterprises', 'industry', code)?.code]).toEqual([code, 'bad_industry'])
})

it('a form says what is wrong with a telephone number while it is filled in, and nothing of an empty one', () => {
  const wrong = (value: string) => check(forms.enterprises, { phone: value }, ['phone'], 'grid_worker').phone?.code
  expect(wrong('老板 13800000001')).toBe('phone_letters')
  expect(wrong('138 0000 0001')).toBeUndefined()
  expect(wrong('')).toBeUndefined()
})
