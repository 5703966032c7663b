import { afterAll, beforeAll, expect, test } from 'vitest'
import { Office } from './office'
import { at, drain, left, signIn, visit, workerReady } from './people'

let office: Office
beforeAll(async () => { office = await Office.open() })
afterAll(() => office.close())

const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)

test('a second tab shows what the first captured, and one of them alone sends it', async () => {
  const worker = await office.person()
  await signIn(worker, 'worker@example.com')
  await worker.page.getByText('重庆小面馆').first().waitFor()
  await workerReady(worker)
  const second = await worker.context.newPage()
  await second.goto(office.url + '/sync')
  await second.locator('[data-test="outbox-count"]').waitFor()
  const sent: string[] = []
  worker.context.on('request', (r) => {
    if (r.url().endsWith('/api/sync/push')) sent.push(...r.postDataJSON().mutations.map((m: { id: string }) => m.id))
  })

  await visit(worker, ago(30), { shop: '重庆小面馆' })
  await second.bringToFront()
  await second.goto(`${office.url}/enterprises/${office.ids['重庆小面馆']}`)
  await second.locator('[data-test="visit-row"]').waitFor()
  await worker.page.bringToFront()
  await drain(worker)
  expect((await office.records('visits', `enterprise='${office.ids['重庆小面馆']}'`)).length).toBe(1)
  expect((await office.records('photos')).length).toBe(1)
  expect(sent.length, 'the visit and the photo’s record, each sent once by the two tabs together').toBe(2)
  expect(new Set(sent).size).toBe(2)
  await worker.close()
})

test('when the sign-in has expired, work goes on, is kept, and goes out after signing in again', async () => {
  const worker = await office.person()
  await signIn(worker, 'worker@example.com')
  await worker.page.getByText('三峡五金店').first().waitFor()
  // A new password given out in the office ends every sign-in made with the old one.
  await office.update('users', office.ids['网格员小卢']!, { password: 'changed-2026', passwordConfirm: 'changed-2026' })
  await visit(worker, ago(30), { shop: '三峡五金店', demand: 80_000 })
  await at(worker, 'banner').getByText('登录已过期').waitFor()
  await visit(worker, ago(20), { shop: '平湖理发店' })
  expect(await left(worker)).toBe(5)
  await worker.page.reload()
  expect(await left(worker), 'after a reload').toBe(5)
  await at(worker, 'banner-act').click()
  await at(worker, 'password').fill('changed-2026')
  await at(worker, 'sign-in').click()
  await worker.page.waitForURL((u) => !u.pathname.startsWith('/sign-in'))
  await drain(worker)
  expect((await office.records('visits', `enterprise='${office.ids['三峡五金店']}' || enterprise='${office.ids['平湖理发店']}'`)).length).toBe(2)
  expect((await office.records('demands')).map((d) => d.amount)).toEqual([80_000])
  expect((await office.records('photos', "file=''")).length).toBe(0)
  await office.update('users', office.ids['网格员小卢']!, { password: 'harbour-2026', passwordConfirm: 'harbour-2026' })
  await worker.close()
})

test('a visit that the server refused says why, is mended, and is there once', async () => {
  const worker = await office.person()
  await signIn(worker, 'worker@example.com')
  await worker.page.getByText('天城水果店').first().waitFor()
  // The phone's clock was an hour ahead when the visit began and was put right before it was saved.
  const { page } = worker
  await page.clock.setFixedTime(new Date(Date.now() + 60 * 60_000))
  await page.goto(`${office.url}/enterprises/${office.ids['天城水果店']}/visit`)
  await page.getByText('已定位').waitFor()
  await at(worker, 'choice-place-shop').click()
  await at(worker, 'choice-outcome-absent').click()
  await page.clock.setFixedTime(new Date())
  await at(worker, 'save-visit').click()
  await page.waitForURL((u) => u.pathname === `/enterprises/${office.ids['天城水果店']}`)
  await page.goto(office.url + '/sync')
  await at(worker, 'attention-row').click()
  await at(worker, 'attention-reason').or(page.getByText('结束时间早于开始时间')).first().waitFor()
  await at(worker, 'field-ended_at').waitFor()
  const later = new Date(Date.now() + 70 * 60_000 + 8 * 3600_000).toISOString().slice(0, 16)
  await at(worker, 'field-ended_at').fill(later)
  await at(worker, 'mend').click()
  await page.waitForURL((u) => u.pathname === '/sync')
  await drain(worker)
  const visits = await office.records('visits', `enterprise='${office.ids['天城水果店']}'`)
  expect(visits.length).toBe(1)
  expect(visits[0]!.ended_at > visits[0]!.started_at).toBe(true)
  expect(await at(worker, 'attention-row').count()).toBe(0)
  const [rejection] = await office.records('sync_rejections')
  expect(rejection!.status, 'the refused one is kept, marked as replaced').not.toBe('open')
  await worker.close()
})
