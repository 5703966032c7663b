import Dexie from 'dexie'
import type { Fields, RecordState, RecordView } from './contract'
import { stored } from './ids'
import { ref, relations, type Database, type Entry, type RecordRow } from './database'

const weight: Record<RecordState, number> = { synced: 0, pending: 1, waiting: 2, conflict: 3, rejected: 4 }
const told: Record<Entry['state'], RecordState> = { queued: 'pending', waiting: 'waiting', refused: 'rejected', answered: 'synced' }

/** A record as its user sees it: the pulled copy with the device's own work on top, in order. */
export function overlay(id: string, held: RecordRow | undefined, own: Entry[], conflicted: boolean): RecordView | undefined {
  let there = held !== undefined
  let state: RecordState = conflicted ? 'conflict' : 'synced'
  const fields: Fields = { ...held?.fields }
  for (const e of own) {
    if (e.op === 'delete') there &&= e.state === 'refused'
    else {
      there ||= e.op === 'create'
      Object.assign(fields, e.shown)
      // The server's own field; until it comes, lists that sort by it need the phone's time.
      if (e.op === 'create') fields.captured_at ||= stored(new Date(e.captured_at))
    }
    if (weight[told[e.state]] > weight[state]) state = told[e.state]
  }
  return there ? { id, fields, rev: held?.rev ?? 0, state } : undefined
}

/** One record; call it in a transaction where the caller writes too. */
export async function getView(db: Database, collection: string, id: string): Promise<RecordView | undefined> {
  const [held, own, conflicts] = await Promise.all([
    db.records.get([collection, id]),
    db.outbox.where('[collection+record]').equals([collection, id]).sortBy('order'),
    db.conflicts.where('[collection+record]').equals([collection, id]).count(),
  ])
  return overlay(id, held, own, conflicts > 0)
}

/** All records of a collection whose fields equal `where`. */
export function listViews(db: Database, collection: string, where: Fields = {}): Promise<RecordView[]> {
  const indexed = relations.find(f => typeof where[f] === 'string' && where[f] !== '')
  // One transaction: a record must not be missed on its way from the outbox to the pulled copies.
  return db.transaction('r', [db.records, db.outbox, db.conflicts], async () => {
    const all: [string, string] = [collection, Dexie.minKey as unknown as string], end: [string, string] = [collection, Dexie.maxKey as unknown as string]
    const [held, own, conflicts] = await Promise.all([
      indexed ? db.records.where('refs').equals(ref(collection, indexed, where[indexed])).toArray()
        : db.records.where('[collection+id]').between(all, end).toArray(),
      db.outbox.where('[collection+record]').between(all, end).toArray(),
      db.conflicts.where('[collection+record]').between(all, end).toArray(),
    ])
    const entries = new Map<string, Entry[]>()
    for (const e of own.sort((a, b) => a.order - b.order)) entries.set(e.record, [...entries.get(e.record) ?? [], e])
    const conflicted = new Set(conflicts.map(c => c.record))
    const known = new Set(held.map(r => r.id))
    // An own change may move a record into the list: its pulled copy is not among those found by the index.
    const moved = [...entries.keys()].filter(id => !known.has(id))
    const rows = new Map([...held, ...(await db.records.bulkGet(moved.map(id => [collection, id]))).filter(r => r !== undefined)].map(r => [r.id, r]))
    return [...known, ...moved]
      .map(id => overlay(id, rows.get(id), entries.get(id) ?? [], conflicted.has(id)))
      .filter(r => r !== undefined && Object.keys(where).every(f => sameValue(r.fields[f], where[f]))) as RecordView[]
  })
}

/** Compares field values as the server would: lists whole, an unset field like an empty one. */
export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b)
}

function canonical(v: unknown): string {
  return JSON.stringify(v ?? '', (_, x) => x !== null && typeof x === 'object' && !Array.isArray(x)
    ? Object.fromEntries(Object.entries(x).sort(([a], [b]) => a < b ? -1 : 1)) : x)
}
