// The pictures of the README, taken from a small demo district: run by `make screenshots`, looked at before they are committed.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { Office, binary, photo, shanghaiDay } from './office'
import { at, choose, drain, signIn, workerReady } from './people'

const out = resolve(import.meta.dirname, '../../../docs/screenshots')
const word = 'gangwan-demo-2026'
let office: Office
let accounts: { role: string; email: string; grids?: string[] }[]

beforeAll(async () => {
  mkdirSync(out, { recursive: true })
  office = new Office()
  execFileSync(binary, ['demo', '--exit', '--dir', office.dir, '--enterprises', '3000', '--phones', '12', '--days', '120'], { stdio: 'inherit' })
  accounts = JSON.parse(readFileSync(join(office.dir, 'demo-accounts.json'), 'utf8'))
  await office.serve()
})
afterAll(() => office.close())

const account = (role: string) => accounts.find((a) => a.role === role)!.email

test('phone', async () => {
  const p = await office.person()
  const shot = async (name: string) => {
    await p.page.waitForTimeout(700)
    await p.page.screenshot({ path: join(out, `phone-${name}.png`) })
  }
  await signIn(p, account('grid_worker'), word)
  await drain(p)
  await workerReady(p)
  await p.page.goto(office.url + '/today')
  await at(p, 'due-row').first().waitFor()
  await shot('today')
  await at(p, 'due-row').first().click()
  await at(p, 'start-visit').waitFor()
  await shot('enterprise')
  await at(p, 'start-visit').click()
  await p.page.getByText('已定位').waitFor()
  await at(p, 'choice-place-shop').click()
  await at(p, 'choice-outcome-met').click()
  await at(p, 'choice-demand_asked-yes').click()
  await at(p, 'choice-kind-first_loan').click()
  await at(p, 'field-amount').fill('150000')
  await at(p, 'visit-demand').scrollIntoViewIfNeeded()
  await shot('visit')
  // In the market there is no signal: the visit and its demand wait.
  await choose(p, 'need', 'working_capital')
  await at(p, 'take-photo').setInputFiles(await photo(p.page))
  await at(p, 'photo').waitFor()
  await p.context.setOffline(true)
  await at(p, 'save-visit').click()
  await at(p, 'visit-row').first().waitFor()
  await p.page.goto(office.url + '/sync')
  await at(p, 'outbox-line').first().waitFor()
  await shot('sync')
})

test('desk', async () => {
  const p = await office.person(1280, 800)
  await signIn(p, account('bank'), word)
  await drain(p)
  await p.page.goto(office.url + '/demands')
  await at(p, 'demand-row').first().click()
  await at(p, 'demand-detail').waitFor()
  await p.page.waitForTimeout(700)
  await p.page.screenshot({ path: join(out, 'desk-bank.png') })
})

test('console', async () => {
  const p = await office.person(1280, 800)
  await p.page.goto(office.url + '/_/')
  await p.page.fill('input[type=email]', account('superuser'))
  await p.page.fill('input[type=password]', word)
  await p.page.keyboard.press('Enter')
  await p.page.locator('.collections-list').waitFor()
  await p.page.goto(office.url + '/_/#/collections?collection=overdue_demands')
  await p.page.getByText('over_days').first().waitFor()
  await p.page.waitForTimeout(1500)
  await p.page.screenshot({ path: join(out, 'console.png') })
})

test('reports', async () => {
  const p = await office.person(1280, 900)
  await p.page.goto(office.url + '/reports/login')
  await p.page.fill('input[name=identity]', account('official'))
  await p.page.fill('input[name=password]', word)
  await p.page.keyboard.press('Enter')
  await p.page.waitForURL(/reports\/\d/)
  const day = /reports\/(\d{4}-\d\d-\d\d)/.exec(p.page.url())?.[1] ?? shanghaiDay(new Date())
  for (const report of ['coverage', 'conversion']) {
    await p.page.goto(`${office.url}/reports/${day}/${report}-500101.html`)
    await p.page.waitForTimeout(500)
    await p.page.screenshot({ path: join(out, `report-${report}.png`) })
  }
})
