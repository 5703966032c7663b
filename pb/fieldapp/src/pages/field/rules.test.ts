import { expect, test } from 'vitest'
import type { Fields, RecordView } from '@/sync'
import { offered, search, searchText } from './search'
import { nameKey, twinsOf } from './twins'
import { usccFault, usccKind } from './uscc'
import { validityHints } from './validity'

const record = (id: string, fields: Fields): RecordView => ({ id, fields, rev: 1, state: 'synced' })
const shops = [
  record('1', { name: '万州区高笋塘便利店', initials: 'wzqgstbld', uscc: '92500101MA0000349R', phone: '19900146160', grid: 'g1', location: { lon: 108.4, lat: 30.8 } }),
  record('2', { name: '便利面馆', initials: 'blmg', uscc: '', phone: '19900146161', grid: 'g1' }),
  record('3', { name: '兴旺五金', initials: 'xwwj', uscc: '92500101MA0000351X', phone: '13800000000', grid: 'g2' }),
]
const index = new Map(shops.map(s => [s.id, searchText(s)]))
const found = (typed: string) => search(shops, index, typed).map(s => s.id)

test('名称、拼音首字母、信用代码、电话都能查到主体，开头相符的排在前面', () => {
  expect(found('便利')).toEqual(['2', '1'])
  expect(found('XWW')).toEqual(['3'])
  expect(found('ma0000349')).toEqual(['1'])
  expect(found('1380')).toEqual(['3'])
  expect(found('便利 6161')).toEqual(['2'])
  expect(found('查无此店')).toEqual([])
  expect(found(' ')).toHaveLength(3)
})

test('代码、电话相同，或同名且位置相近，提示可能重复', () => {
  expect(twinsOf({ uscc: ' 92500101ma0000349r' }, shops)).toMatchObject([{ enterprise: { id: '1' }, why: '统一社会信用代码相同' }])
  expect(twinsOf({ phone: '199 0014 6161' }, shops)).toMatchObject([{ enterprise: { id: '2' } }])
  expect(twinsOf({ name: '万州区高笋塘便利店', grid: 'g9', location: { lon: 108.4005, lat: 30.8 } }, shops)).toHaveLength(1)
  expect(twinsOf({ name: '万州区高笋塘便利店', grid: 'g1', location: { lon: 108.5, lat: 30.8 } }, shops)).toEqual([])
  expect(twinsOf({ name: '兴旺五金', grid: 'g1' }, shops)).toEqual([])
  expect(twinsOf({ name: '', uscc: '', phone: '' }, shops)).toEqual([])
})

test('名称按去掉空格、标点、区划和公司形式后比对', () => {
  expect(nameKey('重庆市万州区张三 面馆（个体工商户）')).toBe('张三面馆')
  expect(nameKey('三峡ＡＢＣ商贸有限责任公司')).toBe(nameKey('三峡abc商贸有限公司'))
  expect(nameKey('有限公司')).toBe('有限公司')
  expect(twinsOf({ name: '高笋塘 便利店', grid: 'g1' }, shops)).toMatchObject([{ enterprise: { id: '1' }, why: '名称相近，位置相近' }])
})

test('已合并的主体不再列出，提示重复时指向保留的那一户', () => {
  const merged = record('4', { name: '便利面', phone: '13900000009', status: 'duplicate', merged_into: '2', grid: 'g1' })
  const gone = record('5', { name: '别处的', phone: '13900000008', status: 'duplicate', merged_into: 'elsewhere', grid: 'g1' })
  expect(offered([...shops, merged, gone]).map(s => s.id)).toEqual(['1', '2', '3'])
  expect(twinsOf({ phone: '13900000009' }, [...shops, merged])).toMatchObject([{ enterprise: { id: '2' } }])
  expect(twinsOf({ phone: '19900146161', name: '便利面', grid: 'g1' }, [...shops, merged])).toHaveLength(1)
  expect(twinsOf({ phone: '13900000008' }, [...shops, gone])).toMatchObject([{ enterprise: { id: '5' } }])
})

test('信用代码位数和字符不对要改，校验位不符只提醒', () => {
  expect(usccFault('92500101MA0000349R')).toEqual({ bad: '', warn: '' })
  expect(usccFault('92500101MA00003491').warn).toContain('校验位不符')
  expect(usccFault('9250').bad).toBe('统一社会信用代码应为 18 位，现为 4 位')
  expect(usccFault('92500101MA000034OR').bad).toContain('第 17 位“O”')
  expect(usccFault('')).toEqual({ bad: '', warn: '' })
  expect(usccKind('92500101MA0000349R')).toBe('individual_business')
})

const sound = {
  outcome: 'met', place: 'shop', started_at: '2026-11-23 01:00:00.000Z', ended_at: '2026-11-23 01:03:00.000Z', location: { lon: 108.4, lat: 30.8 },
}
const limits = { metres: 200, minutes: 3 }
const hints = (change: Fields, pictures = 1) => validityHints({ ...sound, ...change }, { lon: 108.4, lat: 30.8 }, pictures, limits)

test('在门店见到经营者、满三分钟、有照片、在二百米内，没有什么要提醒', () => {
  expect(hints({})).toEqual([])
  expect(validityHints(sound, undefined, 1, limits)).toEqual([])
})

test('可能不计为有效走访的每一条都说清楚', () => {
  expect(hints({ ended_at: '2026-11-23 01:02:59.000Z' })).toEqual(['走访不足 3 分钟'])
  expect(hints({}, 0)).toEqual(['没有照片，也没有签名'])
  expect(hints({ location: undefined })).toEqual(['没有定位'])
  expect(hints({ location: { lon: 108.4, lat: 30.80315 } })).toEqual(['距离门店 350 米'])
  expect(hints({ place: 'market' })).toEqual(['地点不是门店'])
  expect(hints({ outcome: 'absent' })).toEqual(['没有见到经营者，只计走访次数，不计有效走访'])
})
