// How long a grid worker waits for the app: a warm start on a slow phone and a slow network (make bench-app).
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { Office, binary } from './office'
import { at, drain, signIn, workerReady } from './people'

let office: Office
let email = ''

beforeAll(async () => {
  office = new Office()
  execFileSync(binary, ['demo', '--exit', '--dir', office.dir, '--enterprises', '3000', '--phones', '6', '--days', '30'], { stdio: 'ignore' })
  email = JSON.parse(readFileSync(join(office.dir, 'demo-accounts.json'), 'utf8')).find((a: { role: string }) => a.role === 'grid_worker').email
  await office.serve()
})
afterAll(() => office.close())

const median = (all: number[]) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)]!

test('warm start', async () => {
  const p = await office.person()
  await signIn(p, email, 'gangwan-demo-2026')
  await drain(p)
  await workerReady(p)
  const slow = await p.context.newCDPSession(p.page)
  await slow.send('Network.enable')
  const start = async () => {
    const began = performance.now()
    await p.page.goto(office.url + '/today')
    await at(p, 'due-row').first().waitFor()
    return performance.now() - began
  }
  const figures: Record<string, number> = {}
  const measure = async (name: string) => {
    await start()
    const all: number[] = []
    for (let i = 0; i < 7; i++) all.push(await start())
    figures[name] = Math.round(median(all))
  }
  await measure('this machine, no throttle')
  await slow.send('Emulation.setCPUThrottlingRate', { rate: 4 })
  await slow.send('Network.emulateNetworkConditions', { offline: false, latency: 150, downloadThroughput: (1.6 * 1024 * 1024) / 8, uploadThroughput: (750 * 1024) / 8 })
  await measure('4× CPU throttle, slow 4G')
  const held = await p.page.evaluate(async () => {
    const name = (await indexedDB.databases()).find((d) => d.name?.startsWith('gangwan-') && d.name.length > 20)!.name!
    return new Promise<number>((done) => {
      const open = indexedDB.open(name)
      open.onsuccess = () => {
        const count = open.result.transaction('records').objectStore('records').count(IDBKeyRange.bound(['enterprises', ''], ['enterprises', '\uffff']))
        count.onsuccess = () => { open.result.close(); done(count.result) }
      }
    })
  })
  console.log(`warm start to today's list, ms, median of 7, ${held} enterprises held: ${JSON.stringify(figures)}`)
})
