import Dexie from 'dexie'
import { settleDecided } from './decisions'
import { refsOf, type Database, type Meta, type RecordRow } from './database'
import { fnv1a, stored } from './ids'
import { roomy } from './keep'
import { protocol, pullAnswer, type Page, type Wire } from './wire'

type Digests = Record<string, { count: number; xor: number }>

/** Brings the server's records: a page and its cursor are one transaction. */
export class Pull {
  constructor(private readonly db: Database, private readonly wire: Wire,
    private readonly answered: (serverTime: string, epoch: string) => Promise<void>, private readonly progress: (records: number) => void) {}

  /** Pulls until nothing is left; throws CallError, and goes on at the last page stored next time. Returns the server's digests if asked for. */
  async run(token: string, digest = false): Promise<Digests | undefined> {
    const { db } = this
    await db.transaction('rw', db.meta, async () => {
      const at = await db.read('pull')
      // What is answered from here on may be missing from this pull: it is shown until the next one ends.
      if (!at.under_way) await db.write('pull', { ...at, under_way: true, pulls: at.pulls + 1 })
    })
    try {
      for (let brought = 0; ;) {
        const { cursor } = await db.read('pull')
        const page = await this.wire.post('/api/sync/pull', token, { protocol, device: await db.read('device'), cursor, digest: digest || undefined }, pullAnswer)
        await this.answered(page.server_time, page.epoch)
        const ended = await this.take(cursor, page)
        if (ended) return page.digest ?? undefined
        brought += page.changes.length
        if ((await db.read('pull')).full) this.progress(brought)
      }
    } finally {
      this.progress(0)
    }
  }

  /** Stores a page and its cursor together; returns whether it was the last. */
  private take(asked: string | null, page: Page): Promise<boolean> {
    const { db } = this
    return roomy(db, () => db.transaction('rw', [db.records, db.outbox, db.kept, db.pictures, db.bytes, db.conflicts, db.decisions, db.meta], async () => {
      const at = await db.read('pull')
      if (asked !== at.cursor) return false // an answer to a cursor no longer ours
      if (await this.thrownAway(at)) {
        await db.write('pull', { ...at, cursor: null })
        return false
      }
      if (page.reset || asked === null) Object.assign(at, { full: true, round: at.round + 1 })
      const ids = page.changes.map(c => c.op === 'upsert' ? c.record.id : c.id)
      const rows = new Map<string, RecordRow | null>()
      const name = (collection: string, id: string) => `${collection}/${id}`
      for (const row of await db.records.bulkGet(page.changes.map((c, i) => [c.collection, ids[i]] as [string, string]))) if (row) rows.set(name(row.collection, row.id), row)
      const touched = new Map<string, [string, string]>()
      for (const [i, c] of page.changes.entries()) {
        const key = name(c.collection, ids[i]), held = rows.get(key)
        touched.set(key, [c.collection, ids[i]])
        if (c.op === 'remove') rows.set(key, null)
        else if (!held || at.full && held.round !== at.round || c.rev >= held.rev) {
          rows.set(key, { collection: c.collection, id: ids[i], rev: c.rev, fields: c.record, refs: refsOf(c.collection, c.record), round: at.round })
        }
      }
      await db.records.bulkDelete([...touched].filter(([key]) => !rows.get(key)).map(([, id]) => id))
      await db.records.bulkPut([...touched.keys()].map(key => rows.get(key)).filter(r => !!r))
      at.cursor = page.cursor
      if (!page.more) {
        if (at.full) await db.records.where('round').below(at.round).delete() // what the full download did not bring
        Object.assign(at, { full: false, under_way: false })
        await db.outbox.where('[state+order]').between(['answered', Dexie.minKey], ['answered', Dexie.maxKey]).and(e => e.after < at.pulls).delete()
        await this.sweepPictures()
        await settleDecided(db, stored(new Date(page.server_time.replace(' ', 'T'))))
      }
      at.some = await db.records.limit(1).count() > 0
      await db.write('pull', at)
      return !page.more
    }))
  }

  /** Done with are sent pictures whose copy at the server was seen, or whose record the user does not hold and has nothing under way for. */
  private async sweepPictures(): Promise<void> {
    const { db } = this
    for (const p of await db.pictures.where('state').equals('sent').toArray()) {
      const home: [string, string] = p.field ? [p.collection, p.record] : ['photos', p.id]
      const [held, own] = await Promise.all([db.records.get(home), db.outbox.where('[collection+record]').equals(home).count()])
      if (held ? held.fields[p.field || 'file'] : !own) await db.pictures.update(p.order, { state: 'kept' })
    }
  }

  /** Forgets the cursor: the next pull is a full download. Records stay until it has ended. */
  async restart(): Promise<void> {
    await this.db.transaction('rw', this.db.meta, async () => this.db.write('pull', { ...await this.db.read('pull'), cursor: null }))
  }

  /** Notices that the browser threw the records away and starts again; returns whether it was so. */
  async evicted(): Promise<boolean> {
    if (!await this.thrownAway(await this.db.read('pull'))) return false
    await this.restart()
    return true
  }

  private async thrownAway({ cursor, some }: Meta['pull']): Promise<boolean> {
    return cursor !== null && some && !await this.db.records.limit(1).count()
  }

  /** Pulls and compares digests; a difference starts a full download. Returns whether the device was equal. */
  async verify(token: string): Promise<boolean> {
    const theirs = await this.run(token, true) ?? {}, ours = await this.digest()
    const none = { count: 0, xor: 0 } // an empty collection may be absent on either side
    const equal = [...Object.keys(theirs), ...Object.keys(ours)].every(c => {
      const a = theirs[c] ?? none, b = ours[c] ?? none
      return a.count === b.count && a.xor === b.xor
    })
    if (!equal) {
      await this.restart()
      await this.run(token)
    }
    return equal
  }

  /** Per collection the count of pulled records and the XOR of FNV-1a-32 over "id:rev". */
  async digest(): Promise<Digests> {
    const out: Digests = {}
    for (const r of await this.db.records.toArray()) {
      const d = out[r.collection] ??= { count: 0, xor: 0 }
      d.count++
      d.xor = (d.xor ^ fnv1a(`${r.id}:${r.rev}`)) >>> 0
    }
    return out
  }
}
