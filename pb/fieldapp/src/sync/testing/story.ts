// Any history of two phones and an office, and what must be true when it has come to rest. The numbers are those of the protocol page's
// invariants. One body for both servers: the page's in memory and the real one are held against the same client.
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect } from 'vitest'
import type { FieldClient } from '../client'
import type { Capture } from '../contract'
import { keptFor } from '../keep'
import { Browser } from './browser'
import { Network, troubles, type Trouble } from './network'
import type { Office, Worker } from './office'

const phone = fc.constantFrom(0, 1), tab = fc.constantFrom(0, 1), n = fc.nat(1000)
const trouble = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 3, arbitrary: fc.constantFrom<Trouble>(...troubles) }), { maxLength: 8 })
const days = fc.integer({ min: -20, max: 20 })
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('capture' as const), phone, tab, n, pictures: fc.nat(2), bad: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('update' as const), phone, tab, n }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('contest' as const), phone, tab, n }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), phone, tab, n }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('office' as const), n }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('decide' as const), phone, n }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('sync' as const), phone, tab, trouble, killAfter: fc.option(fc.nat(60)), both: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), phone, tab }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('backup' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), n }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clock' as const), phone, days }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fortnight' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('evict' as const), phone }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
)
export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** Histories of at most so many steps, whether the browsers have locks, and the seed of their chances. */
export const histories = (steps: number) => [fc.array(step, { minLength: Math.ceil(steps / 2), maxLength: steps, size: 'max' }), fc.boolean(), fc.nat()] as const

const tick = () => new Promise<void>(r => setTimeout(r))

/** A picture of one pixel: only its colour tells it from others. */
function png(n: number): ArrayBuffer {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]), head = Buffer.alloc(4), tail = Buffer.alloc(4)
    head.writeUInt32BE(data.length)
    tail.writeUInt32BE(checksum(body))
    return Buffer.concat([head, body, tail])
  }
  const all = Buffer.concat([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10), chunk('IHDR', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0)),
    chunk('IDAT', deflateSync(Uint8Array.of(0, n >> 16 & 255, n >> 8 & 255, n & 255))), chunk('IEND', new Uint8Array())])
  return new Uint8Array(all).buffer
}

/** CRC-32 as PNG has it. */
function checksum(bytes: Uint8Array): number {
  let c = ~0
  for (const b of bytes) {
    c ^= b
    for (let i = 0; i < 8; i++) c = c >>> 1 ^ (c & 1 ? 0xedb88320 : 0)
  }
  return ~c >>> 0
}

/** One worker's phone: two tabs of one browser. */
class Phone {
  readonly network: Network
  readonly browser: Browser
  tabs: FieldClient[] = []

  constructor(office: Office, readonly worker: Worker, seed: number, locks: boolean) {
    this.network = new Network(office)
    this.browser = new Browser(this.network, seed)
    this.browser.locks = locks
  }

  async open(): Promise<void> { this.tabs = [await this.browser.signIn(this.worker.identity, this.worker.password), await this.browser.resume()] }

  async kill(tab: number): Promise<void> {
    this.tabs[tab].close()
    this.browser.dropLocks()
    this.tabs[tab] = await this.browser.resume()
  }

  /** Exchanges; time passes only while nothing is really under way, for then a call hangs. */
  async sync(tabs: number[], kill?: { tab: number; after: number }): Promise<void> {
    let done = false
    const all = Promise.all(tabs.map(t => this.tabs[t].syncNow())).then(() => { done = true })
    for (let i = 0, idle = 0; !done; i++) {
      if (i === kill?.after) await this.kill(kill.tab)
      await tick()
      idle = this.network.busy ? 0 : idle + 1
      if (idle > 40) {
        this.browser.pass(30_000)
        idle = 0
      }
    }
    await all
  }

  close(): void { this.tabs.forEach(t => t.close()) }
}

let played = 0

/** Plays a history, lets it come to rest, and checks the invariants. */
export async function play(office: Office, steps: Step[], locks: boolean, seed: number): Promise<void> {
  const { workers, shared } = await office.people()
  // A server that is played on again must not meet the ids of the history before.
  const phones = workers.map((w, i) => new Phone(office, w, (seed ^ Math.imul(++played, 0x9e3779b9)) + i, locks))
  let now = phones[0].browser.time
  const passed = async (ms: number) => {
    now += ms
    await office.setClock(new Date(now))
    for (const p of phones) p.browser.pass(ms)
  }
  await office.setClock(new Date(now))
  for (const p of phones) await p.open()

  const mutations = new Set<string>(), visits = new Set<string>(), enterprises = new Set<string>(), pictures = new Map<string, string>()
  /** The last thing that a phone said of its own enterprises, which nobody else says anything of. */
  const contact = new Map<string, string>(), owner = new Map<string, number>()
  /** Deleted visits, by the mutation that did it. */
  const deleted = new Map<string, string>()
  let backups: number[] = []

  /** Work that a person or the office gave up is owed to nobody. */
  const owed = async (p: Phone, f: () => Promise<unknown>) => {
    const before = await p.tabs[0].db.outbox.toArray()
    await f()
    const left = new Set((await p.tabs[0].db.outbox.toArray()).map(e => e.mutation))
    for (const e of before) {
      if (left.has(e.mutation) || e.state === 'answered') continue
      mutations.delete(e.mutation)
      forgive(e.collection, e.record, e.op)
    }
  }
  const forgive = (collection: string, record: string, op: string) => {
    if (op === 'create') {
      visits.delete(record)
      enterprises.delete(record)
      for (const [id, of] of pictures) if (of === record || id === record) pictures.delete(id)
    }
    if (collection === 'enterprises') contact.delete(record)
  }
  const captured = async (p: Phone, tab: number, work: Capture[]) => {
    const c = p.tabs[tab], last = (await c.db.outbox.orderBy('order').last())?.order ?? 0
    const ids = await c.capture(work)
    const made = await c.db.outbox.where('order').above(last).toArray()
    for (const e of made) mutations.add(e.mutation)
    return { ids, made }
  }
  const decide = async (p: Phone, mutation: string, replay: boolean) => {
    const e = (await p.tabs[0].db.outbox.where('mutation').equals(mutation).first())!
    await office.decide(mutation, replay ? 'replay' : 'drop', { outcome: 'met' })
    if (replay) return
    // What the office gives up takes along what waits for it, which the phone may have to ask about first.
    for (const x of await p.tabs[0].db.outbox.toArray()) {
      if (x.record !== e.record && x.shown.record !== e.record) continue
      mutations.delete(x.mutation)
      forgive(x.collection, x.record, x.op)
    }
  }

  for (const s of steps) {
    const p = 'phone' in s ? phones[s.phone] : phones[0]
    if (s.do === 'capture') {
      const c = p.tabs[s.tab], known = (await c.list('enterprises')).map(r => r.id).sort(), about = known[s.n % (known.length + 1)]
      const at = '2026-11-23 01:30:00.000Z', photos = Array.from({ length: s.pictures }, (_, i) => ({ bytes: png(s.n * 8 + i), type: 'image/png', taken_at: new Date(now) }))
      const grid = s.n % 2 ? shared : p.worker.grid
      const work: Capture = about
        ? { op: 'create', collection: 'visits', pictures: photos,
          data: { enterprise: about, grid: (await c.get('enterprises', about))!.fields.grid, worker: p.worker.id, started_at: at, ended_at: at, place: 'shop', outcome: s.bad ? '' : 'met', notes: `${s.n}` } }
        : { op: 'create', collection: 'enterprises', data: { name: `店${s.n}`, kind: 'individual_business', grid, contact: 'first' } }
      const { ids: [id], made } = await captured(p, s.tab, [work])
      if (about) visits.add(id)
      else {
        enterprises.add(id)
        contact.set(id, 'first')
        owner.set(id, s.phone)
      }
      for (const e of made) if (e.collection === 'photos') pictures.set(e.record, id)
    } else if (s.do === 'update') {
      const mine = (await p.tabs[s.tab].list('enterprises')).filter(r => contact.has(r.id) && owner.get(r.id) === s.phone).map(r => r.id).sort()
      if (!mine.length) continue
      const record = mine[s.n % mine.length]
      const { made } = await captured(p, s.tab, [{ op: 'update', collection: 'enterprises', record, to: { contact: `${s.n}` } }])
      if (made.length) contact.set(record, `${s.n}`)
    } else if (s.do === 'contest') {
      const known = (await p.tabs[s.tab].list('enterprises')).map(r => r.id).sort()
      if (known.length) await captured(p, s.tab, [{ op: 'update', collection: 'enterprises', record: known[s.n % known.length], to: { phone: `1390000${1000 + s.n}` } }])
    } else if (s.do === 'delete') {
      const own = (await p.tabs[s.tab].list('visits')).filter(r => r.fields.worker === p.worker.id && visits.has(r.id)).map(r => r.id).sort()
      if (!own.length) continue
      const record = own[s.n % own.length], photos = await p.tabs[s.tab].list('photos', { record })
      const { made } = await captured(p, s.tab, [...photos.map(f => ({ op: 'delete' as const, collection: 'photos', record: f.id })), { op: 'delete', collection: 'visits', record }])
      for (const e of made) {
        if (e.collection === 'photos') pictures.delete(e.record)
        else deleted.set(record, e.mutation)
      }
      visits.delete(record)
    } else if (s.do === 'office') {
      const known = [...await office.view(workers[0]), ...await office.view(workers[1])].filter(([k]) => k.startsWith('enterprises/')).map(([, f]) => f.id as string).sort()
      if (!known.length) continue
      const id = known[s.n % known.length]
      await office.save('enterprises', id, s.n % 3 ? { phone: `1380000${1000 + s.n}` } : { grid: [shared, workers[0].grid, workers[1].grid][s.n % 7 % 3] })
    } else if (s.do === 'decide') {
      const bad = (await p.tabs[0].attention()).filter(a => a.errors.outcome)
      if (bad.length) await decide(p, bad[s.n % bad.length].mutation, s.n % 2 === 0)
    } else if (s.do === 'kill') await p.kill(s.tab)
    else if (s.do === 'backup') backups.push(await office.backup())
    else if (s.do === 'restore' && backups.length) {
      for (const q of phones) await q.network.arrive()
      await office.restore(backups[s.n % backups.length])
    } else if (s.do === 'clock') p.browser.wrong = s.days * 86_400_000
    else if (s.do === 'fortnight') {
      await passed(keptFor + 86_400_000)
      backups = [] // older than what phones keep: another restore than the page speaks of
    } else if (s.do === 'evict') await p.tabs[0].db.records.clear()
    else if (s.do === 'compact') await office.compact()
    else if (s.do === 'sync') {
      const left = [...s.trouble]
      p.network.trouble = () => left.shift()
      await p.sync(s.both ? [s.tab, 1 - s.tab] : [s.tab], s.killAfter === null ? undefined : { tab: s.tab, after: s.killAfter })
      p.network.trouble = () => undefined
    }
    await passed(1000)
  }

  // 6: once faults end, every queue drains, needs-attention aside: that is a person's.
  for (const p of phones) await p.network.arrive()
  for (let round = 0; round < 8; round++) {
    for (const p of phones) {
      for (const bad of await p.tabs[0].attention()) {
        mutations.delete(bad.mutation)
        if (bad.errors.outcome) {
          await p.tabs[0].mend(bad.mutation, { outcome: 'met' })
          continue
        }
        await owed(p, () => p.tabs[0].drop(bad.mutation))
      }
      await p.sync([0])
      await passed(1000)
    }
  }
  const statuses = await office.statuses()
  const views = [await office.view(workers[0]), await office.view(workers[1])]
  const all = new Map([...views[0], ...views[1]])
  for (const [i, p] of phones.entries()) {
    expect(await p.tabs[0].db.outbox.toArray()).toEqual([])
    expect(await p.tabs[0].db.pictures.where('state').notEqual('kept').toArray()).toEqual([])
    expect(p.tabs[0].status()).toMatchObject({ pending: 0, waiting: 0, rejected: 0, pictures: { total: 0 }, last_error: null })
    // 2, 4: after quiet a phone holds what its user may see, no fewer, no more.
    expect(new Map((await p.tabs[0].db.records.toArray()).map(r => [`${r.collection}/${r.id}`, r.fields]))).toEqual(views[i])
    expect(await p.tabs[0].verify()).toMatchObject({ equal: true })
  }
  // 1: what was captured is there, with what was said last.
  for (const id of enterprises) expect(all.has(`enterprises/${id}`), `enterprise ${id}`).toBe(true)
  for (const id of visits) expect(all.has(`visits/${id}`), `visit ${id}`).toBe(true)
  for (const [id, said] of contact) expect(all.get(`enterprises/${id}`)?.contact, `enterprise ${id}`).toBe(said)
  for (const [id, of] of pictures) if (visits.has(of)) expect(all.get(`photos/${id}`)?.file, `photo ${id}`).toBeTruthy()
  for (const [id, by] of deleted) if (statuses.get(by) === 'applied') expect(all.has(`visits/${id}`), `deleted visit ${id}`).toBe(false)
  // 3: nothing that was sent disappears.
  for (const id of mutations) expect(statuses.has(id), `mutation ${id}`).toBe(true)
  phones.forEach(p => p.close())
}
