import { expect, test } from 'vitest'
import { Browser } from '@/sync/testing/browser'
import { Server } from '@/sync/testing/server'
import { monthOf } from './month'

test('本月数据只算本人本月（北京时间）的走访，同一户算一户，可能有效的另算', async () => {
  const server = new Server()
  server.addUser('w1', 'u1')
  const browser = new Browser(server)
  server.now = () => new Date(browser.time) // 2026-11-23 in Shanghai
  const visit = (id: string, started: string, fields = {}) => server.put('visits', id, {
    enterprise: 'e1', worker: 'u1', started_at: started, ended_at: started.replace(':00:00.', ':04:00.'), outcome: 'met', place: 'shop',
    location: { lon: 108.4, lat: 30.8 }, photo_count: 1, signature: '', review: 'none', ...fields,
  })
  server.put('enterprises', 'e1', { name: '面馆', location: { lon: 108.4, lat: 30.8 } })
  visit('first', '2026-10-31 16:00:00.000Z') // midnight of 1 November in Shanghai
  visit('again', '2026-11-20 02:00:00.000Z', { photo_count: 0 })
  visit('other', '2026-11-20 03:00:00.000Z', { enterprise: 'e2', outcome: 'absent' })
  visit('before', '2026-10-31 15:00:00.000Z')
  visit('of another', '2026-11-20 02:00:00.000Z', { worker: 'u2' })
  visit('voided', '2026-11-21 02:00:00.000Z', { review: 'voided' })
  server.put('demands', 'd1', { visit: 'first', captured_at: '2026-11-01 00:00:00.000Z' })
  server.put('demands', 'd2', { visit: 'of another', captured_at: '2026-11-01 00:00:00.000Z' })
  const client = await browser.signIn()
  await client.syncNow()
  expect(await monthOf(client)).toEqual({ enterprises: 2, visits: 4, likely: 1, demands: 1 })
})
