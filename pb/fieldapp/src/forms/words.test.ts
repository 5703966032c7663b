import { expect, test } from 'vitest'
import { check, sendable, shownFields } from './check'
import { forms } from './generated'
import { day, shanghaiDay, stageColour, stageWord, stored, storedDay, when, wordOf, yuan } from './words'

const now = new Date('2026-11-23T02:00:00Z') // 10:00 in Shanghai

test('金额按元、万元、亿元说', () => {
  expect(['8000元', '12.50万元', '1.20亿元']).toEqual([yuan(8000), yuan(125000), yuan(120000000)])
})

test('时间按北京时间说，跨零点的也算对日子', () => {
  expect(day('2026-11-22 16:00:00.000Z', now)).toBe('11月23日')
  expect(day('2025-01-01 00:00:00.000Z', now)).toBe('2025年1月1日')
  expect(day('', now)).toBe('')
  expect(when('2026-11-23 01:59:30.000Z', now)).toBe('刚刚')
  expect(when('2026-11-23 01:30:00.000Z', now)).toBe('30分钟前')
  expect(when('2026-11-22 16:30:00.000Z', now)).toBe('今天 00:30')
  expect(when('2026-11-22 15:30:00.000Z', now)).toBe('昨天 23:30')
  expect(when('2026-11-20 01:30:00.000Z', now)).toBe('11月20日 09:30')
  expect(when('', now)).toBe('')
})

test('日期存为北京时间的零点', () => {
  expect(storedDay('2026-11-23')).toBe('2026-11-22 16:00:00.000Z')
  expect(stored(now)).toBe('2026-11-23 02:00:00.000Z')
  expect(shanghaiDay(new Date('2026-11-22T16:00:00Z'))).toBe('2026-11-23')
})

test('选项和阶段都有中文，不认得的值照原样显示', () => {
  expect(wordOf('visits', 'outcome', 'met')).toBe('见到经营者')
  expect(wordOf('enterprises', 'tags', ['green', 'key'])).toBe('绿色、重点企业')
  expect(wordOf('activities', 'evidence', ['photo', 'minutes'])).toBe('照片、纪要')
  expect(wordOf('visits', 'outcome', 'new_word')).toBe('new_word')
  for (const [stage] of forms.demand_events.fields.find(f => f.name === 'to_stage')!.options!) {
    expect(stageWord(stage)).not.toBe(stage)
    expect(stageColour[stage]).toMatch(/^#/)
  }
})

const demand = ['enterprise', 'kind', 'need', 'amount', 'startup_group', 'term']

test('不该问的不显示，也不发送', () => {
  const names = (values: object, role: string) => shownFields(forms.demands, values, demand, role).map(f => f.name)
  expect(names({ need: 'equipment' }, 'grid_worker')).toEqual(['enterprise', 'kind', 'need', 'amount', 'term'])
  expect(names({ need: 'startup' }, 'grid_worker')).toContain('startup_group')
  expect(names({ need: 'startup' }, 'liaison')).not.toContain('startup_group')
  expect(sendable(forms.demands, { need: 'equipment', startup_group: 'veteran', amount: 1 })).toEqual({ need: 'equipment', amount: 1 })
})

test('保存前就说出哪里要填、哪里不对', () => {
  const errors = check(forms.demands, { kind: 'first_loan', amount: 1.5, term: 601 }, demand, 'grid_worker', ['enterprise'])
  expect(errors).toEqual({
    enterprise: { code: 'required', message: '请选择市场主体' },
    need: { code: 'required', message: '请选择用途' },
    amount: { code: 'not_whole', message: '请填写整数' },
    term: { code: 'too_big', message: '不能大于 600' },
  })
  expect(check(forms.enterprises, { name: '店'.repeat(121), kind: 'company' }, ['name', 'kind'], 'grid_worker')).toMatchObject({ name: { code: 'too_long', message: '最多 120 个字' } })
  expect(check(forms.enterprises, { name: '店', kind: 'company', employees: Number('3人') }, ['name', 'kind', 'employees'], 'grid_worker')).toMatchObject({ employees: { message: '请填写数字' } })
})
