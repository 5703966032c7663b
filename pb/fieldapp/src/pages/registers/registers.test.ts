import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { User } from '@/sync/contract'
import { forms, type Form } from '../../forms/generated'
import { fieldsFor, formOf, fresh, itemProblems, itemsAt, mayAdd, momentFor, registerOf, registers, registersFor, scoreOf, stepsOf, wrongs, type Role } from './registers'
import { schemeChoices } from './scheme'

const now = new Date('2026-11-23T02:00:00Z') // 10:00 in Shanghai
const person = (role: Role) => ({ id: 'u1', name: '甲', role, harbour: 'h1', bank: 'b1', agency: 'd1', street: 's1', scope_grids: [], must_change_password: false }) as User
const sight = (role: Role) => ({ user: person(role), now, today: '2026-11-23' })
const roles: Role[] = ['grid_worker', 'harbour_staff', 'harbour_head', 'liaison', 'bank', 'department', 'official', 'street_official']

// They have pages of their own.
const core = ['enterprises', 'visits', 'photos', 'demands', 'demand_matches', 'demand_events', 'loans']

test('每一种台账都有页面，能写的人都看得到', () => {
  for (const form of Object.values(forms) as Form[]) {
    if (core.includes(form.collection)) continue
    const r = registerOf(form.collection)
    expect(r, form.collection).toBeDefined()
    for (const role of form.writers) expect(r!.roles, form.collection).toContain(role)
  }
  expect(new Set(registers.map(r => r.collection)).size).toBe(registers.length)
})

test('页面说到的字段，表单上都有', () => {
  for (const r of registers) {
    const known = [...formOf(r.collection).fields.map(f => f.name), ...(r.more ?? []).map(([name]) => name), 'captured_at']
    const said = [...r.names, ...r.notes, r.sort.replace('+', ''), ...(r.due ? [r.due.field] : []), ...r.later ?? [], ...r.required ?? [], ...r.asked ?? [],
      ...(r.steps ?? []).flatMap(s => [...s.only, ...s.required ?? [], ...s.now ?? [], ...Object.keys(s.set ?? {})])]
    for (const name of said) expect(known, `${r.collection}.${name}`).toContain(name)
    for (const role of roles) for (const name of Object.keys(r.preset?.(sight(role)) ?? {})) expect(known, `${r.collection}.${name}`).toContain(name)
  }
})

test('一步里要填的，做这一步的人都可以写', () => {
  for (const r of registers) {
    for (const s of r.steps ?? []) {
      for (const name of [...s.only, ...s.now ?? [], ...Object.keys(s.set ?? {})]) {
        const f = formOf(r.collection).fields.find(x => x.name === name)!
        expect(f.fixed, `${r.collection}.${s.key}: ${name} 登记后不能改`).toBeFalsy()
        for (const role of s.roles) expect(f.writers, `${r.collection}.${s.key}: ${name}`).toContain(role)
      }
      for (const name of s.required ?? []) expect(s.only, `${r.collection}.${s.key}`).toContain(name)
      for (const role of s.roles) expect(r.roles, `${r.collection}.${s.key}`).toContain(role)
    }
  }
})

test('新增时必填的，不是自动填好，就是表单上问到', () => {
  for (const r of registers) {
    for (const role of roles.filter(x => mayAdd(r, x))) {
      const form = formOf(r.collection)
      const begun = fresh(r, sight(role))
      const asked = fieldsFor(r, sight(role), true)
      for (const f of form.fields.filter(x => x.required)) expect(asked.includes(f.name) || !!begun[f.name], `${r.collection}.${f.name} (${role})`).toBe(true)
      for (const name of asked.filter(n => form.fields.find(x => x.name === n)!.required)) expect(form.fields.find(x => x.name === name)!.writers, `${r.collection}.${name}`).toContain(role)
      for (const name of Object.keys(begun)) expect(form.fields.find(x => x.name === name)!.writers, `${r.collection}.${name}`).toContain(role)
    }
  }
})

test('本人、本港湾和时间由应用填好，不再问；线索的发现时间要问', () => {
  expect(fresh(registerOf('services')!, sight('harbour_staff'))).toMatchObject({ harbour: 'h1', staff: 'u1', first_responder: 'u1', accepted_at: '2026-11-23 02:00:00.000Z' })
  const asked = fieldsFor(registerOf('services')!, sight('harbour_staff'), true)
  for (const name of ['harbour', 'staff', 'accepted_at', 'result', 'photo_count']) expect(asked).not.toContain(name)
  expect(fieldsFor(registerOf('risk_leads')!, sight('grid_worker'), true)).toContain('discovered_at')
  // An official has no harbour of his own: he says which one he inspects.
  const official = { ...sight('official'), user: { ...person('official'), harbour: '' } }
  expect(fieldsFor(registerOf('inspections')!, official, true)).toContain('harbour')
  expect(fresh(registerOf('inspections')!, official)).toMatchObject({ kind: 'patrol', status: 'done', inspector: 'u1' })
  expect(fresh(registerOf('inspections')!, sight('harbour_staff')).kind).toBe('self')
})

test('日期按北京时间存为当天零点，时刻照原样', () => {
  const late = new Date('2026-11-22T16:30:00Z') // half past midnight in Shanghai
  expect(momentFor('ended_on', late)).toBe('2026-11-22 16:00:00.000Z')
  expect(momentFor('until', late)).toBe('2026-11-22 16:00:00.000Z')
  expect(momentFor('answered_at', late)).toBe('2026-11-22 16:30:00.000Z')
})

test('各个角色看得到自己该办的业务，看不到别人的', () => {
  const seen = (role: Role) => registersFor(role).map(r => r.collection)
  for (const role of ['grid_worker', 'harbour_staff', 'harbour_head', 'liaison', 'department', 'street_official'] as const) expect(seen(role)).not.toContain('equity_cases')
  for (const role of roles) expect(seen(role).length, role).toBeGreaterThan(2)
  expect(seen('bank')).not.toContain('feedback')
  expect(seen('department')).toContain('referral_batches')
})

test('反馈先答复、再送达、后办结；匿名的不用送达；核查只由主管部门', () => {
  const r = registerOf('feedback')!
  const keys = (f: object, role: Role) => stepsOf(r, f, sight(role)).map(s => s.key)
  expect(keys({ kind: 'difficulty' }, 'harbour_staff')).toEqual(['answer'])
  expect(keys({ kind: 'difficulty' }, 'harbour_head')).toEqual(['answer', 'route'])
  expect(keys({ kind: 'difficulty', answered_at: 'x' }, 'grid_worker')).toEqual(['deliver', 'ask'])
  expect(keys({ kind: 'difficulty', answered_at: 'x', delivered_at: 'x', satisfaction: 'satisfied' }, 'harbour_staff')).toEqual(['close'])
  expect(keys({ kind: 'suggestion', anonymous: true, answered_at: 'x' }, 'harbour_staff')).toEqual(['close'])
  expect(keys({ kind: 'complaint' }, 'official')).toContain('finding')
  expect(keys({ kind: 'complaint' }, 'harbour_head')).not.toContain('finding')
})

test('名单的每一步都是服务器收的一步', () => {
  const source = readFileSync(new URL('../../../../../hooks/referral.go', import.meta.url), 'utf8')
  const taken = Object.fromEntries([...source.match(/batchSteps = map.*?\n}/s)![0].matchAll(/"(\w+)":\s+\{(.*?)\}/g)].map(([, from, to]) => [from, [...to!.matchAll(/"(\w+)"/g)].map(m => m[1])]))
  const offered = Object.fromEntries(Object.keys(taken).map(status => [status, stepsOf(registerOf('referral_batches')!, { status }, sight('official')).map(s => s.set?.status)]))
  expect(offered).toEqual(taken)
})

test('名单由部门送交、人民银行核对和分发，分发后由银行答复', () => {
  const batch = (status: string, role: Role) => stepsOf(registerOf('referral_batches')!, { status }, sight(role)).map(s => s.key)
  expect([batch('expected', 'department'), batch('uploaded', 'department'), batch('uploaded', 'official'), batch('checked', 'official'), batch('dispatched', 'official')])
    .toEqual([['deliver'], [], ['check', 'return'], ['dispatch'], []])
  const row = (batch_status: string, role: Role) => stepsOf(registerOf('referrals')!, { batch_status }, sight(role)).map(s => s.key)
  expect([row('checked', 'bank'), row('dispatched', 'bank'), row('dispatched', 'department')]).toEqual([[], ['contact', 'answer'], []])
})

const item = (code: string, points: number, more: object = {}) => ({ fields: { code, name: code, category: 'twelve_ones', requirement: '', points, where_possible: false, position: points, from: '2021-10-28 16:00:00.000Z', until: '', ...more } })

test('得分只算适用的项目；十二个一另算合格几项', () => {
  const items = itemsAt([item('sign', 5), item('green', 4, { category: 'green_channel' }), item('kiosk', 2, { where_possible: true, category: 'space' })], now)
  expect(scoreOf(items, [])).toEqual({ score: undefined, twelve: 0, open: 3 })
  expect(scoreOf(items, [{ item: 'sign', result: 'pass' }, { item: 'green', result: 'fail' }, { item: 'kiosk', result: 'not_applicable' }])).toEqual({ score: 55.6, twelve: 1, open: 0 })
  expect(itemProblems(items, [{ item: 'sign', result: 'pass' }, { item: 'green', result: 'fail', remark: ' ' }])).toEqual({ green: '不合格须写明情况', kiosk: '还没有检查' })
})

test('检查按当时在用的项目，改版前后各用各的', () => {
  const all = [item('old', 1, { until: '2026-10-31 16:00:00.000Z' }), item('new', 2, { from: '2026-10-31 16:00:00.000Z' })]
  expect(itemsAt(all, new Date('2026-10-31T15:59:59Z')).map(i => i.code)).toEqual(['old'])
  expect(itemsAt(all, new Date('2026-10-31T16:00:00Z')).map(i => i.code)).toEqual(['new'])
})

test('服务器会退回的，保存前就说：没有办事人、匿名又留名、到场少于签到', () => {
  const said = (collection: string, f: object) => Object.keys(wrongs(registerOf(collection)!, f))
  expect([said('services', { kind: 'consultation' }), said('services', { kind: 'consultation', person: '王大姐' }), said('services', { kind: 'special_group', enterprise: 'e' })]).toEqual([['person'], [], ['special_group']])
  expect([said('feedback', { anonymous: true, contact: '138' }), said('feedback', { anonymous: false }), said('feedback', { anonymous: true })]).toEqual([['anonymous'], ['contact'], []])
  expect(said('activities', { status: 'held', kind: 'salon', headcount: 1, attendees: ['a', 'b'] })).toEqual(['headcount', 'topics'])
  expect(said('cultivations', { status: 'graduated' })).toEqual(['demand_to'])
  expect(said('pairings', { plates: 2, harbour_liaison: '甲' })).toEqual(['plates'])
  expect(said('reviews', { kind: 'score', period: '2026Q5', item: 'x', full: 5, score: 6 })).toEqual(['period', 'score'])
})

test('能打分的是期间开始时那个方案里、不由系统计算的项目', () => {
  const scheme = (from: string, until: string, items: object[]) => ({ applies_to: 'harbour', from, until, items })
  const all = [scheme('2021-10-28 16:00:00.000Z', '2026-06-30 16:00:00.000Z', [{ code: 'old', name: '旧', weight: 5, by: 'R' }]),
    scheme('2026-06-30 16:00:00.000Z', '', [{ code: 'cases', name: '典型案例', axis: '服务企业', weight: 7, by: 'R' }, { code: 'visit_coverage', name: '走访覆盖率', weight: 8, by: 'S' }])]
  expect(schemeChoices(all, '2026Q3')).toEqual([{ value: 'cases', label: '典型案例', hint: '服务企业 · 满分 7' }])
  expect(schemeChoices(all, '2026Q2').map(c => c.value)).toEqual(['old'])
  expect(schemeChoices(all, '去年')).toEqual([])
})

test('算作待办的，本人都有一步可做', () => {
  const day = '2026-11-20 16:00:00.000Z'
  const open: Record<string, object[]> = {
    services: [{}], cultivations: [{ status: 'active', next_step_on: day }], policy_pushes: [{}], referral_batches: ['expected', 'uploaded', 'checked', 'returned', 'dispatched'].map(status => ({ status })),
    referrals: [{ batch_status: 'dispatched' }, { batch_status: 'checked' }], feedback: [{ kind: 'difficulty' }, { kind: 'complaint', answered_at: day }, { kind: 'difficulty', answered_at: day, delivered_at: day, satisfaction: 'neutral' }, { anonymous: true, answered_at: day }],
    risk_leads: [{}, { handed_at: day }], activities: [{ status: 'planned' }, { status: 'cancelled' }, { status: 'held' }], window_packs: [{}], rectifications: [{}, { done_on: day }, { done_on: day, recheck_result: 'passed' }],
    reviews: [{ kind: 'score', status: 'draft' }, { kind: 'score', status: 'submitted' }, { kind: 'appeal', status: 'submitted' }, { kind: 'score', status: 'published' }], tasks: [{ status: 'running', due: day }],
  }
  let waiting = 0
  for (const r of registers.filter(x => x.waits && open[x.collection])) {
    for (const role of r.roles) {
      for (const f of open[r.collection]!) {
        if (!r.waits!(f, sight(role))) continue
        waiting++
        expect(stepsOf(r, f, sight(role)).length, `${r.collection} ${JSON.stringify(f)} (${role})`).toBeGreaterThan(0)
      }
    }
  }
  expect(waiting).toBeGreaterThan(20)
  const inspects = (kind: string, role: Role) => registerOf('inspections')!.waits!({ status: 'planned', kind }, sight(role))
  expect([inspects('self', 'harbour_staff'), inspects('patrol', 'official'), inspects('self', 'official'), inspects('patrol', 'liaison'), inspects('self', 'liaison')]).toEqual([true, true, false, false, false])
})
