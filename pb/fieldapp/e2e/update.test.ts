import { readFileSync, readdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Office, type Person } from './office'
import { at, workerReady } from './people'

const dist = join(import.meta.dirname, '../dist')
const kinds: Record<string, string> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.webmanifest': 'application/manifest+json' }
const files = new Map(readdirSync(dist, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => {
  const path = join(f.parentPath, f.name)
  return [path.slice(dist.length), readFileSync(path)]
}))
const asked: string[] = []
const office = new Office()
let server: Server, p: Person

beforeAll(async () => {
  server = createServer((req, res) => {
    const path = new URL(req.url!, 'http://app').pathname, name = extname(path) ? path : '/index.html'
    asked.push(name)
    const body = path.startsWith('/api/') ? undefined : files.get(name)
    res.writeHead(body ? 200 : 404, { 'Content-Type': kinds[extname(name)] ?? 'text/plain', 'Cache-Control': 'no-cache' }).end(body)
  })
  await new Promise<void>((done) => { server.listen(0, '127.0.0.1', () => done()) })
  office.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  p = await office.person()
})
afterAll(async () => {
  await office.close()
  server.close()
})

test('the app opens without a network; a new version is fetched, waits, and comes when it is asked for', async () => {
  const { page } = p
  await page.goto(office.url)
  await workerReady(p)
  await p.context.setOffline(true)
  await page.goto(`${office.url}/me`)
  await at(p, 'sign-in').waitFor()
  expect(await page.title()).toBe('港湾走访')
  expect(asked.filter((f) => f.includes('office-')), 'what desks open stays with the server').toEqual([])
  const desks = [...files.keys()].find((f) => f.includes('office-'))!
  const opens = () => page.evaluate((file) => fetch(file).then((r) => r.ok, () => false), desks)
  expect(await opens(), 'and no phone has it').toBe(false)
  await p.context.setOffline(false)
  expect(await opens()).toBe(true)
  await p.context.setOffline(true)
  await expect.poll(opens, { message: 'a desk that opened it once keeps it' }).toBe(true)
  await p.context.setOffline(false)

  const page2 = files.get('/index.html')!.toString().replace('港湾走访', '港湾走访 2')
  files.set('/index.html', Buffer.from(page2))
  files.set('/sw.js', Buffer.from(files.get('/sw.js')!.toString().replace(/(url:"index\.html",revision:")[0-9a-f]+/, '$1second')))
  asked.length = 0
  await page.reload()
  await at(p, 'update').waitFor()
  expect(await page.title(), 'until it is asked for, the old version stands').toBe('港湾走访')
  expect(asked.filter((f) => f.startsWith('/assets/')), 'what did not change is not fetched again').toEqual([])
  await at(p, 'update').click()
  await expect.poll(() => page.title()).toBe('港湾走访 2')
  await at(p, 'sign-in').waitFor()
  expect(await at(p, 'update').count()).toBe(0)
})
