import { afterAll, beforeAll, expect, test } from 'vitest'
import { Office, shanghaiDay } from './office'
import { at, choose, drain, saveSheet, signIn } from './people'

let office: Office
beforeAll(async () => { office = await Office.open() })
afterAll(() => office.close())

test('the counter accepts a demand and offers it to a bank, whose desk takes it to a confirmed loan; the conversion report follows', async () => {
  const counter = await office.person(1280, 800)
  await signIn(counter, 'counter@example.com')
  await counter.page.goto(`${office.url}/demand-form?enterprise=${office.ids['重庆小面馆']}`)
  await choose(counter, 'kind', 'first_loan')
  await choose(counter, 'need', 'equipment')
  await at(counter, 'field-amount').fill('300000')
  await at(counter, 'save-demand').click()
  await counter.page.waitForURL((u) => u.pathname !== '/demand-form')
  await drain(counter)
  const { id: demand, number } = await office.one('demands', '')

  await counter.page.goto(`${office.url}/demands/${demand}`)
  await counter.page.getByText(number).first().waitFor()
  await at(counter, 'action-accept').click()
  await saveSheet(counter)
  await at(counter, 'action-offer').click()
  await at(counter, `offer-bank-${office.ids.bank}`).click()
  await saveSheet(counter)
  await at(counter, 'match').waitFor()
  await drain(counter)
  expect((await office.one('demands', '')).first_responder, '首问负责人').toBe(office.ids['当值老范'])

  const desk = await office.person()
  await signIn(desk, 'desk@example.com')
  await desk.page.getByText('重庆小面馆').first().click()
  await at(desk, 'action-contact').first().click()
  await saveSheet(desk)
  await at(desk, 'action-apply').first().click()
  await saveSheet(desk)
  await at(desk, 'action-approve').first().click()
  await at(desk, 'field-amount').fill('250000')
  await saveSheet(desk)
  await at(desk, 'action-loan').first().click()
  // More than was approved is caught at the desk, in words, before anything is sent.
  await at(desk, 'field-amount').fill('260000')
  await at(desk, 'field-contract_no').fill('HM-2026-0001')
  await choose(desk, 'borrower', 'individual_business')
  await at(desk, 'field-first_loan_checked_on').fill(shanghaiDay(new Date()))
  await at(desk, 'sheet-save').click()
  await desk.page.locator('[role="alert"]').getByText('批准金额').waitFor()
  await at(desk, 'field-amount').fill('250000')
  await at(desk, 'loan-confirm').locator('[role="switch"]').click()
  await saveSheet(desk)
  await at(desk, 'demand-loan').waitFor()
  await drain(desk)

  const loan = await office.one('loans', '')
  expect([loan.demand, loan.enterprise, loan.bank, loan.harbour, loan.amount, loan.evidence]).toEqual(
    [demand, office.ids['重庆小面馆'], office.ids.bank, office.ids.harbour, 250_000, 'bank_confirmed'])
  expect((await office.one('demands', '')).stage).toBe('disbursed')
  await desk.page.goto(`${office.url}/demands/${demand}`)
  await desk.page.getByText('已放款').or(at(desk, 'demand-stage').getByText('放款')).first().waitFor()

  const day = shanghaiDay(new Date())
  await office.pipeline(day)
  const month = `${day.slice(0, 7)}-01`
  const { district, bank } = office.ids as { district: string; bank: string }
  const { figures, workbook } = await office.report('official@example.com', `/reports/${day}/conversion-500101.html`)
  expect(figures.get(`CNV-01|${month}|${district}`), '需求对接率').toBe('1/1')
  expect(figures.get(`CNV-01|${month}|${bank}`), '需求对接率 of the bank').toBe('1/1')
  expect(figures.get(`CNV-06|${month}|${district}`), '首贷户数').toBe('1/')
  expect(figures.get(`CNV-06|${month}|${bank}`), '首贷户数 of the bank').toBe('1/')
  expect(Object.fromEntries(workbook)).toEqual(Object.fromEntries(figures))

  // The harbour sees its host bank's loan; another bank's desk sees nothing of the demand.
  await drain(counter)
  await counter.page.goto(`${office.url}/demands/${demand}`)
  await at(counter, 'demand-loan').getByText('HM-2026-0001').waitFor()
  await office.create('users', { name: '别行信贷员', email: 'other@example.com', password: 'harbour-2026', passwordConfirm: 'harbour-2026', verified: true, role: 'bank', bank: office.ids.other })
  const other = await office.person(1280, 800)
  await signIn(other, 'other@example.com')
  await drain(other)
  await other.page.goto(`${office.url}/demands/${demand}`)
  await other.page.waitForLoadState('networkidle')
  expect(await other.page.getByText('重庆小面馆').count()).toBe(0)
})
