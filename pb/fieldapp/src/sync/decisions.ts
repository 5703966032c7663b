import type { Database, RecordRow } from './database'
import { giveUp } from './outbox'

/**
 * Takes out of the queue what the office has decided about, and notes the decision for the worker. The server tells it by the records that
 * it keeps of refusals and conflicts; call it at the end of a pull, in its transaction.
 * @param now as PocketBase stores it, by the server's clock
 */
export async function settleDecided(db: Database, now: string): Promise<void> {
  const [refused, conflicts] = await Promise.all([db.inState('refused').toArray(), db.conflicts.toArray()])
  const told = async (collection: string) => new Map((await db.records.where('[collection+id]').between([collection, ''], [collection, '\uffff']).toArray())
    .filter(r => r.fields.status && r.fields.status !== 'open').map(r => [`${r.fields.mutation_id}.${r.fields.field ?? ''}`, r]))
  const note = (r: RecordRow) => ({ at: now, resolution: r.fields.resolution ?? '', note: r.fields.note ?? '' })
  if (refused.length) {
    const decided = await told('sync_rejections')
    for (const e of refused) {
      const r = decided.get(`${e.mutation}.`)
      if (!r) continue
      await db.decisions.put({ ...note(r), id: e.mutation, collection: e.collection, record: e.record, field: '', data: e.shown })
      if (r.fields.resolution === 'drop') {
        await giveUp(db, e) // nothing may wait for it here either
        continue
      }
      // Taken in by the office it comes with the pulls. A restore undoes what the office did: then it is sent again as it was.
      const { order, mutation, op, collection, record, captured_at, body, size, shown } = e
      await db.kept.put({ order, mutation, op, collection, record, captured_at, body, size, shown, ...e.clocks ?? { sent_at: '', server_time: '' }, kept_at: now, status: 'conflict', seq: 0, told: [] })
      await db.outbox.delete(order)
    }
  }
  if (conflicts.length) {
    const decided = await told('sync_conflicts')
    for (const c of conflicts) {
      const r = decided.get(c.id)
      if (!r) continue
      await db.decisions.put({ ...note(r), id: c.id, collection: c.collection, record: c.record, field: c.field, data: { [c.field]: c.yours } })
      await db.conflicts.delete(c.id)
    }
  }
}
