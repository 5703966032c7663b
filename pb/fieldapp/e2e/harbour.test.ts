import { afterAll, beforeAll, expect, test } from 'vitest'
import { Office, password, photo, stored, type Person } from './office'
import { at, choose, drain, left, saveSheet, signIn, workerReady } from './people'

let office: Office
let counter: Person, official: Person

beforeAll(async () => {
  office = await Office.open()
  counter = await office.person()
  official = await office.person(1280, 800)
})
afterAll(() => office.close())

const open = (p: Person, path: string) => p.page.goto(office.url + path)
const day = (later: number) => new Date(Date.now() + 8 * 3600e3 + later * 864e5).toISOString().slice(0, 10)

test('a working day at a harbour: a service, a cultivation, the standard inspected without a network, and what it demands put right', async () => {
  const { page } = counter
  await signIn(counter, 'counter@example.com')
  await at(counter, 'tab-registers').click()
  await at(counter, 'tile-services').click()

  // Somebody without an enterprise asks for a credit report; the service is completed at the counter.
  await at(counter, 'register-new').click()
  await choose(counter, 'kind', 'credit_report_query')
  await at(counter, 'field-person').fill('王大姐')
  await at(counter, 'save-record').dblclick()
  await at(counter, 'step-complete').click()
  await at(counter, 'field-result').fill('已打印信用报告')
  await saveSheet(counter)
  await expect.poll(() => at(counter, 'record-state').innerText()).toBe('已办结')

  // A shop not yet bankable is taken on.
  await open(counter, `/enterprises/${office.ids['重庆小面馆']}`)
  await at(counter, 'begin-cultivations').click()
  await choose(counter, 'missing', 'no_credit_record')
  await at(counter, 'field-plan').fill('先开结算户，三个月后申请')
  await at(counter, 'save-record').click()
  await page.waitForURL((u) => u.pathname === `/enterprises/${office.ids['重庆小面馆']}`)
  await at(counter, 'register-row').first().waitFor()

  // 十二个一, in the vault where there is no signal; the form is left half way and taken up again.
  await workerReady(counter)
  await drain(counter)
  await counter.context.setOffline(true)
  await open(counter, '/registers/inspections/new')
  const items = (await office.records('inspection_items')).map((i) => i.code as string)
  for (const code of items) {
    await at(counter, `choice-item-${code}-${code === 'issue_box' ? 'fail' : 'pass'}`).click()
  }
  await at(counter, 'save-record').click()
  await page.getByText('不合格须写明情况').waitFor()
  await at(counter, 'remark-issue_box').fill('问题收集箱没有上锁')
  await page.locator('[data-test="item-issue_box"] [data-test="take-photo"]').setInputFiles(await photo(page))
  await page.locator('[data-test="item-issue_box"] [data-test="photo"]').waitFor()
  await page.reload()
  expect(await at(counter, 'remark-issue_box').inputValue(), 'the draft survives').toBe('问题收集箱没有上锁')
  expect(await page.locator('[data-test="item-issue_box"] [data-test="photo"]').count()).toBe(1)
  await at(counter, 'save-record').click()
  await at(counter, 'result-issue_box').waitFor()
  expect(await left(counter), 'the inspection and its photo wait').toBe(2)
  await counter.context.setOffline(false)
  await drain(counter)

  const harbour = office.ids.harbour
  expect((await office.records('services')).map((s) => [s.harbour, s.kind, s.person, s.staff, s.result])).toEqual([[harbour, 'credit_report_query', '王大姐', office.ids['当值老范'], '已打印信用报告']])
  expect((await office.records('cultivations')).map((c) => [c.enterprise, c.status, c.missing, c.tutor])).toEqual([[office.ids['重庆小面馆'], 'active', ['no_credit_record'], office.ids['当值老范']]])
  const inspection = (await office.one('inspections', ''))
  expect([inspection.kind, inspection.status, inspection.photo_count, inspection.items.length]).toEqual(['self', 'done', 1, items.length])
  expect(inspection.items.filter((a: { result: string }) => a.result === 'fail')).toEqual([{ item: 'issue_box', result: 'fail', remark: '问题收集箱没有上锁' }])
  expect((await office.records('photos')).map((p) => [p.collection, p.record, p.item, !!p.file])).toEqual([['inspections', inspection.id, 'issue_box', true]])

  // The official's day begins with what waits; what the inspection found must be put right.
  await signIn(official, 'official@example.com')
  await at(official, 'tile-inspections').click()
  await at(official, 'tab-done').click()
  await at(official, 'register-row').click()
  await at(official, 'result-issue_box').waitFor()
  await open(official, '/registers/rectifications/new')
  await choose(official, 'harbour', harbour!)
  await choose(official, 'inspection', inspection.id)
  await choose(official, 'item', 'issue_box')
  await at(official, 'field-demand').fill('问题收集箱上锁，专人开箱')
  await at(official, 'field-due').fill(day(15))
  await at(official, 'save-record').click()
  await at(official, 'record-title').waitFor()
  await drain(official)

  await drain(counter)
  await open(counter, '/registers')
  expect(await at(counter, 'waits-rectifications').innerText()).toBe('1')
  await at(counter, 'tile-rectifications').click()
  await at(counter, 'register-row').click()
  await at(counter, 'step-done').click()
  await at(counter, 'field-done_note').fill('已换带锁的箱子')
  await at(counter, 'take-photo').setInputFiles(await photo(page))
  await at(counter, 'photo').waitFor()
  await saveSheet(counter)
  await drain(counter)

  await drain(official)
  await open(official, '/registers')
  expect(await at(official, 'waits-rectifications').innerText()).toBe('1')
  await at(official, 'tile-rectifications').click()
  await at(official, 'tab-done').click()
  await at(official, 'register-row').click()
  await at(official, 'step-recheck').click()
  await choose(official, 'recheck_result', 'passed')
  await saveSheet(official)
  await drain(official)
  const rectified = await office.one('rectifications', '')
  expect([rectified.done_note, rectified.photo_count, rectified.recheck_result]).toEqual(['已换带锁的箱子', 1, 'passed'])
  expect(rectified.done_on <= stored(new Date())).toBe(true)
})

test('a department hands in its list, the central bank checks and dispatches it, and the bank answers', async () => {
  const agency = await office.create('agencies', { name: '万州区经济和信息化委员会', short_name: '经信委', kind: 'department' })
  await office.create('users', { name: '经信委老周', password, passwordConfirm: password, verified: true, email: 'list@example.com', role: 'department', agency: agency.id })
  const department = await office.person(1280, 800), bank = await office.person(1280, 800)

  await signIn(department, 'list@example.com')
  await at(department, 'tile-referral_batches').click()
  await at(department, 'import').click()
  const list = '名称,统一社会信用代码,推送理由,需求金额\n三峡五金店,,信用记录好,300000\n没有这家店,,发展前景好,100000\n'
  await at(department, 'import-file').setInputFiles({ name: '三季度名单.csv', mimeType: 'text/csv', buffer: Buffer.from(list) })
  await at(department, 'import-report').waitFor()
  expect(await at(department, 'import-report').innerText()).toContain('1 行有问题')
  expect(await office.records('referrals'), 'looked at, not yet handed in').toEqual([])
  await at(department, 'sheet-save').click()
  await expect.poll(async () => (await office.records('referrals')).map((r) => r.enterprise)).toEqual([office.ids['三峡五金店']])
  await at(department, 'sheet-save').click()
  await at(department, 'tab-uploaded').click()
  await at(department, 'register-row').waitFor()

  await drain(official)
  await open(official, '/registers')
  expect(await at(official, 'waits-referral_batches').innerText()).toBe('1')
  await at(official, 'tile-referral_batches').click()
  await at(official, 'register-row').click()
  await at(official, 'step-check').click()
  await saveSheet(official)
  await at(official, 'assign-bank').selectOption(office.ids.bank!)
  await at(official, 'step-dispatch').click()
  await saveSheet(official)
  await drain(official)

  await signIn(bank, 'desk@example.com')
  await drain(bank)
  await open(bank, '/registers')
  expect(await at(bank, 'waits-referrals').innerText()).toBe('1')
  await at(bank, 'tile-referrals').click()
  await at(bank, 'register-row').click()
  await at(bank, 'step-answer').click()
  await choose(bank, 'answer', 'intends')
  await saveSheet(bank)
  await drain(bank)
  const [row] = await office.records('referrals')
  expect([row!.answer, row!.bank, !!row!.answered_at]).toEqual(['intends', office.ids.bank, true])
})
