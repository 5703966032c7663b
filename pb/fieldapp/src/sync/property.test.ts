import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FieldClient } from './client'
import type { Capture } from './index'
import { Browser } from './testing/browser'
import { Server, type Fault } from './testing/server'
import { createHash } from 'node:crypto'
import { fnv1a, newId, sha256 } from './ids'

const faults = fc.array(fc.constantFrom<Fault | undefined>(undefined, undefined, 'unsent', 'lost', 'hang', { status: 500 }), { maxLength: 6 })
const tab = fc.constantFrom(0, 1)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('capture' as const), tab, n: fc.nat(1000), pictures: fc.nat(2), bad: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('update' as const), tab, n: fc.nat(1000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('office' as const), n: fc.nat(1000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('sync' as const), tab, faults, killAfter: fc.option(fc.nat(60)), both: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), tab }) },
)
const tick = () => new Promise<void>(r => setTimeout(r))

test('采集、上报、下载、丢失回答和关机怎样交错，最后手机与服务器一致，每条恰好生效一次', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), fc.nat(), async (steps, locks, seed) => {
    const server = new Server(), browser = new Browser(server, seed)
    server.addUser('w1', 'u1')
    server.limits.pull_records = 3
    server.limits.push_mutations = 2
    server.now = () => new Date(browser.time)
    browser.locks = locks
    const first = await browser.signIn()
    const tabs: FieldClient[] = [first, await browser.resume()]
    const kill = async (i: number) => {
      tabs[i].close()
      browser.dropLocks()
      tabs[i] = await browser.resume()
    }
    const records = new Set<string>(), pictures = new Set<string>()
    const enterprises: string[] = []
    let mutations = 0
    for (const s of steps) {
      if (s.do === 'capture') {
        const about = enterprises[s.n % (enterprises.length + 1)]
        const work: Capture = about ? { op: 'create', collection: 'visits', data: { enterprise: about, outcome: s.bad ? '' : 'met', notes: `${s.n}` },
          pictures: Array.from({ length: s.pictures }, (_, i) => ({ bytes: Uint8Array.of(255, 216, i, s.n & 255).buffer, type: 'image/jpeg', taken_at: new Date(0) })) }
          : { op: 'create', collection: 'enterprises', data: { name: `${s.n}`, phone: '' } }
        const [id] = await tabs[s.tab].capture([work])
        records.add(`${work.collection}/${id}`)
        mutations += 1 + (work.pictures?.length ?? 0)
        for (const p of await tabs[s.tab].db.pictures.where('[collection+record]').equals(['visits', id]).toArray()) pictures.add(p.id)
        if (!about) enterprises.push(id)
      } else if (s.do === 'update' && enterprises.length) {
        const record = enterprises[s.n % enterprises.length]
        const before = await tabs[s.tab].db.outbox.toCollection().last()
        await tabs[s.tab].capture([{ op: 'update', collection: 'enterprises', record, to: { phone: `${s.n}` } }])
        const after = await tabs[s.tab].db.outbox.toCollection().last()
        if (after?.order !== before?.order && after?.op === 'update') mutations++
      } else if (s.do === 'office') {
        const known = enterprises.filter(id => server.records.has(`enterprises/${id}`))
        if (known.length && s.n % 2) server.put('enterprises', known[s.n % known.length], { phone: `office ${s.n}` })
        else if (s.n % 3) server.put('banks', `b${s.n % 5}`, { name: `${s.n}` })
        else if (server.records.has('banks/b1')) server.hide('banks', 'b1')
      } else if (s.do === 'kill') await kill(s.tab)
      else if (s.do === 'sync') {
        const left = [...s.faults]
        server.fault = () => left.shift()
        let done = false
        const syncs = Promise.all([tabs[s.tab], ...s.both ? [tabs[1 - s.tab]] : []].map(t => t.syncNow())).then(() => { done = true })
        for (let i = 0; !done; i++) {
          if (i === s.killAfter) await kill(s.tab)
          await tick()
          if (i % 20 === 19) browser.pass(30_000) // calls that hang are given up
        }
        await syncs
        server.fault = () => undefined
      }
    }
    const c = tabs[0]
    for (let i = 0; i < 6; i++) {
      for (const bad of await c.attention()) {
        await c.mend(bad.mutation, { outcome: 'met' })
        mutations++ // the refused one stays in the server's ledger, the mended one comes beside it
      }
      let done = false
      const last = c.syncNow().then(() => { done = true })
      while (!done) {
        await tick()
        browser.pass(1_000)
      }
      await last
    }
    expect(c.status()).toMatchObject({ pending: 0, waiting: 0, rejected: 0, pictures: { total: 0 }, last_error: null })
    expect([...server.applied.values()].filter(n => n !== 1)).toEqual([])
    expect(server.ledger.size).toBe(mutations)
    for (const key of records) expect(server.records.has(key)).toBe(true)
    expect(new Set(server.pictures.keys())).toEqual(pictures)
    const held = new Map((await c.db.records.toArray()).map(r => [`${r.collection}/${r.id}`, r.fields]))
    expect(held).toEqual(server.view())
    expect(new Map((await c.list('visits')).map(r => [`visits/${r.id}`, r.fields]))).toEqual(new Map([...server.view()].filter(([k]) => k.startsWith('visits/'))))
    expect(await c.db.outbox.count()).toBe(0)
    tabs.forEach(t => t.close())
  }), { numRuns: 25 })
}, 60_000)

test('没有平台摘要时自算的 SHA-256 与标准一致', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
    expect(await sha256(bytes.slice().buffer)).toBe(createHash('sha256').update(bytes).digest('hex'))
  }))
})

test('编号是 UUIDv7 的 32 位小写十六进制，摘要用标准的 FNV-1a', () => {
  expect(newId(new Date(0x019012345678), new Uint8Array(10).fill(255))).toBe('0190123456787fffbfffffffffffffff')
  expect([fnv1a(''), fnv1a('a'), fnv1a('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968])
})
