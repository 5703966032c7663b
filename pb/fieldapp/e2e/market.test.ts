import { afterAll, beforeAll, expect, test } from 'vitest'
import { Office, shanghaiDay, type Person } from './office'
import { drain, left, signIn, visit, workerReady } from './people'

let office: Office
let worker: Person

beforeAll(async () => {
  office = await Office.open()
  worker = await office.person()
})
afterAll(() => office.close())

test('three visits and a demand, captured while the server was dead, are the figures that officials read', async () => {
  const { page } = worker
  await signIn(worker, 'worker@example.com')
  await page.getByText('重庆小面馆').first().waitFor()
  await workerReady(worker)

  await office.kill()
  await page.reload()
  await page.getByText('重庆小面馆').first().waitFor()
  const morning = Date.now() - 40 * 60_000
  await visit(worker, new Date(morning), { shop: '重庆小面馆', demand: 200_000, photos: 2, signed: true })
  await visit(worker, new Date(morning + 10 * 60_000), { shop: '三峡五金店' })
  await visit(worker, new Date(morning + 20 * 60_000), { shop: '平湖理发店' })
  // Three visits, a demand, and the four records of the photos.
  expect(await left(worker)).toBe(8)

  await worker.stop()
  await worker.start()
  expect(await left(worker), 'after the browser was closed and opened, with the server still dead').toBe(8)

  await office.start()
  await drain(worker)
  const visits = await office.records('visits')
  expect(visits.map((v) => [v.enterprise, v.outcome, v.place, v.photo_count]).sort()).toEqual(
    [['重庆小面馆', 2], ['三峡五金店', 1], ['平湖理发店', 1]].map(([shop, n]) => [office.ids[shop as string], 'met', 'shop', n]).sort())
  expect(visits.filter((v) => v.signature).map((v) => v.enterprise)).toEqual([office.ids['重庆小面馆']])
  const photos = await office.records('photos')
  expect(photos.length).toBe(4)
  expect(photos.filter((p) => !p.file), 'every photo has its picture').toEqual([])
  expect(Math.max(...photos.map((p) => p.bytes)), 'compressed on the phone').toBeLessThan(400_000)
  const demands = await office.records('demands')
  expect(demands.map((d) => [d.enterprise, d.amount, d.visit])).toEqual(
    [[office.ids['重庆小面馆'], 200_000, visits.find((v) => v.enterprise === office.ids['重庆小面馆'])!.id]])

  // Once more: nothing is sent twice, nothing is doubled.
  await drain(worker)
  expect((await office.records('visits')).length).toBe(3)

  const day = shanghaiDay(new Date())
  await office.pipeline(day)
  const year = `${day.slice(0, 4)}-01-01`
  const { district, street } = office.ids as { district: string; street: string }
  const coverage = await office.report('official@example.com', `/reports/${day}/coverage-500101.html`)
  const conversion = await office.report('official@example.com', `/reports/${day}/conversion-500101.html`)
  for (const [face, figures] of [['page', coverage.figures], ['workbook', coverage.workbook]] as const) {
    expect(figures.get(`COV-01|${year}|${district}`), `visit coverage in the ${face}`).toBe('3/4')
    expect(figures.get(`COV-01|${year}|${street}`), `visit coverage of the street in the ${face}`).toBe('3/4')
  }
  for (const [face, figures] of [['page', conversion.figures], ['workbook', conversion.workbook]] as const) {
    expect(figures.get(`CRD-01|${year}|${district}`), `demands in the ${face}`).toBe('1/')
    expect(figures.get(`CRD-01.amount|${year}|${district}`), `amount asked in the ${face}`).toBe('200000/')
  }
  // Every figure of the page is the workbook's, and the other way round.
  expect(Object.fromEntries(coverage.workbook)).toEqual(Object.fromEntries(coverage.figures))
  expect(Object.fromEntries(conversion.workbook)).toEqual(Object.fromEntries(conversion.figures))
})
