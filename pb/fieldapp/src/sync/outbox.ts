// Hop 1 of the five from phone to report: what a person did becomes a mutation, durable before anyone is told "saved".
import type { Capture, Fields, NewPicture } from './contract'
import type { Database, Entry, PictureRow } from './database'
import type { Env } from './env'
import { LocalError, storageError } from './errors'
import { capturedAt, newId, sha256, stored } from './ids'
import { roomy } from './keep'
import { getView, sameValue } from './view'

type Change = { from: unknown; to: unknown }

/** A mutation as it goes over the wire. */
export interface Mutation {
  id: string
  op: 'create' | 'update' | 'delete'
  collection: string
  record: string
  captured_at: string
  data?: Fields
  changes?: Record<string, Change>
  rev?: number
  replaces?: string
}

interface Taken { collection: string; record: string; picture: NewPicture; sha256: string; id: string }

/**
 * Captures work, all or nothing: mutations, pictures and the removal of the draft are one transaction.
 * @returns the record ids, in order
 * @throws LocalError storage_full, storage_failed, or record_unknown for an update or delete of a record the user does not hold
 */
export async function capture(db: Database, env: Env, work: Capture[], draft?: string): Promise<string[]> {
  const now = env.now(), at = capturedAt(now)
  const make = () => newId(env.now(), env.random(10))
  const ids = work.map(c => c.record || make()), picturesOf = (c: Capture) => c.op === 'delete' ? [] : c.pictures ?? []
  // Outside the transaction: IndexedDB would commit it while the digests are made.
  const pictures = await Promise.all(work.map((c, i) => Promise.all(picturesOf(c).map(async (picture): Promise<Taken> =>
    ({ collection: c.collection, record: ids[i], picture, sha256: await sha256(picture.bytes, env.digest), id: make() })))))
  try {
    await roomy(db, () => db.transaction('rw', [db.records, db.outbox, db.pictures, db.bytes, db.drafts, db.conflicts], async () => {
      for (const [i, c] of work.entries()) {
        const head = { id: make(), op: c.op, collection: c.collection, record: ids[i], captured_at: at }
        if (c.op === 'create') await add(db, { ...head, data: c.data })
        else if (c.op === 'delete') {
          if (!await getView(db, c.collection, c.record)) throw new LocalError('record_unknown')
          await add(db, { ...head, rev: await revOf(db, c.collection, c.record) })
          await forgetPictures(db, p => p.state !== 'kept' && (p.field ? p.collection === c.collection && p.record === c.record : c.collection === 'photos' && p.id === c.record))
        } else {
          const changes = await changesOf(db, c)
          if (Object.keys(changes).length) await add(db, { ...head, changes })
        }
        for (const p of pictures[i]) await addPicture(db, make, at, p)
      }
      if (draft) await db.drafts.delete(draft)
    }))
  } catch (e) {
    throw storageError(e)
  }
  return ids
}

/** The fields that would change, each with what the user saw. */
async function changesOf(db: Database, { collection, record, to, from }: Extract<Capture, { op: 'update' }>): Promise<Record<string, Change>> {
  const now = await getView(db, collection, record)
  if (!now) throw new LocalError('record_unknown')
  return Object.fromEntries(Object.entries(to).filter(([f, v]) => v !== undefined && !sameValue(now.fields[f], v))
    .map(([f, v]) => [f, { from: (from ?? now.fields)[f] ?? null, to: v }]))
}

/** What the device has seen of a record; 0: nothing of it was ever pulled. */
async function revOf(db: Database, collection: string, record: string): Promise<number> {
  return (await db.records.get([collection, record]))?.rev ?? 0
}

async function forgetPictures(db: Database, which: (p: PictureRow) => boolean): Promise<void> {
  for (const p of await db.pictures.toArray()) {
    if (!which(p)) continue
    await db.pictures.delete(p.order)
    await db.bytes.delete(p.id)
  }
}

async function addPicture(db: Database, make: () => string, at: string, { collection, record, picture: p, sha256, id }: Taken): Promise<void> {
  const taken_at = stored(p.taken_at), location = p.location && { lon: p.location.lon, lat: p.location.lat }
  if (!p.field) {
    await add(db, { id: make(), op: 'create', collection: 'photos', record: id, captured_at: at,
      data: { collection, record, sha256, bytes: p.bytes.byteLength, taken_at, location, item: p.item } })
  }
  await db.pictures.add({ id, collection, record, field: p.field ?? '', type: p.type, size: p.bytes.byteLength, sha256, taken_at, location,
    state: 'pending', errors: {}, tries: 0 } as Omit<PictureRow, 'order'> as PictureRow)
  await db.bytes.add({ id, bytes: p.bytes })
}

/** Puts a mutation into the outbox, at its end or in the given place. */
async function add(db: Database, mutation: Mutation, order?: number): Promise<void> {
  const body = JSON.stringify(mutation)
  // From the text, not from the caller's objects: the page's may be proxies, and change later.
  const m = JSON.parse(body) as Mutation
  const shown = m.data ?? Object.fromEntries(Object.entries(m.changes ?? {}).map(([f, c]) => [f, c.to]))
  const entry: Omit<Entry, 'order'> = { mutation: m.id, op: m.op, collection: m.collection, record: m.record, captured_at: m.captured_at,
    body, size: new TextEncoder().encode(body).length, shown, state: 'queued', after: 0, errors: {} }
  await db.outbox.add(order === undefined ? entry as Entry : { ...entry, order })
}

/**
 * Captures a refused mutation again with `repaired` over what it said, under a new id that names the old one. It takes the old one's
 * place in the order, so that nothing that builds on it passes it. The record keeps its id, the mutation its capture time.
 */
export async function mend(db: Database, env: Env, mutation: string, repaired: Fields): Promise<void> {
  const id = newId(env.now(), env.random(10))
  try {
    await roomy(db, () => db.transaction('rw', [db.records, db.outbox, db.conflicts], async () => {
      const old = await refused(db, mutation)
      if (!old) return
      await db.outbox.delete(old.order)
      const m: Mutation = { ...JSON.parse(old.body) as Mutation, id, replaces: mutation }
      if (m.op === 'create') m.data = { ...m.data, ...repaired }
      else if (m.op === 'delete') m.rev = await revOf(db, old.collection, old.record)
      else {
        const now = await getView(db, old.collection, old.record)
        for (const [f, to] of Object.entries(repaired)) m.changes = { ...m.changes, [f]: { from: m.changes?.[f] ? m.changes[f].from : now?.fields[f] ?? null, to } }
        m.changes = Object.fromEntries(Object.entries(m.changes ?? {}).filter(([, c]) => !sameValue(c.from, c.to)))
        if (!Object.keys(m.changes).length) return
      }
      await add(db, m, old.order)
    }))
  } catch (e) {
    throw storageError(e)
  }
}

/** Gives up a refused mutation and, of a refused create, what waits behind it with the pictures; the server keeps it whole in its own list. */
export async function drop(db: Database, mutation: string): Promise<void> {
  await db.transaction('rw', [db.outbox, db.pictures, db.bytes], async () => {
    const old = await refused(db, mutation)
    if (old) await giveUp(db, old)
  })
}

/** Takes a refused mutation out of the queue and, of a create, what waits behind it with the pictures; in the caller's transaction. */
export async function giveUp(db: Database, old: Entry): Promise<void> {
  await db.outbox.delete(old.order)
  if (old.op !== 'create') return
  const given = new Set([old.record])
  for (const e of await db.inState('waiting').toArray()) {
    if (!given.has(e.record) && !['record', 'visit', 'demand', 'match', 'enterprise'].some(f => given.has(e.shown[f]))) continue
    if (e.op === 'create') given.add(e.record)
    await db.outbox.delete(e.order)
  }
  await forgetPictures(db, p => given.has(p.id) || given.has(p.record))
}

async function refused(db: Database, mutation: string): Promise<Entry | undefined> {
  const found = await db.outbox.where('mutation').equals(mutation).first()
  return found?.state === 'refused' ? found : undefined
}
