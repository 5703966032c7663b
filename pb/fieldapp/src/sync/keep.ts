// What was sent is kept for a while: a server that comes back from a backup is sent again what it lost.
import type { Database } from './database'
import { storageError } from './errors'
import { stored } from './ids'

/** How long what took effect is kept, in milliseconds. */
export const keptFor = 14 * 86_400_000

/**
 * Forgets what was kept long enough.
 * @param now by the server's clock: the phone's may be set wrong by days
 */
export async function purge(db: Database, now: Date): Promise<void> {
  const end = stored(new Date(now.getTime() - keptFor))
  await db.transaction('rw', [db.kept, db.pictures, db.bytes], async () => {
    await db.kept.where('kept_at').below(end).delete()
    const old = await db.pictures.where('state').equals('kept').and(p => (p.sent_at ?? '') < end).toArray()
    await db.pictures.bulkDelete(old.map(p => p.order))
    await db.bytes.bulkDelete(old.map(p => p.id))
  })
}

/**
 * Writes, and where the storage is full gives up what was sent, the oldest first, until there is room. What was not sent is never touched.
 * Throws LocalError storage_full when there is nothing left to give up.
 */
export async function roomy<T>(db: Database, write: () => PromiseLike<T>): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (e) {
      const error = storageError(e)
      if (error.code !== 'storage_full' || !await giveUp(db)) throw error.code === 'storage_full' ? error : e
    }
  }
}

/** Gives up the oldest quarter of the kept pictures, or of the kept mutations when there is none; false: nothing is left. */
function giveUp(db: Database): Promise<boolean> {
  return db.transaction('rw', [db.kept, db.pictures, db.bytes], async () => {
    const pictures = await db.pictures.where('state').equals('kept').sortBy('sent_at')
    const quarter = pictures.slice(0, Math.ceil(pictures.length / 4))
    await db.pictures.bulkDelete(quarter.map(p => p.order))
    await db.bytes.bulkDelete(quarter.map(p => p.id))
    if (quarter.length) return true
    const kept = await db.kept.orderBy('kept_at').limit(Math.ceil(await db.kept.count() / 4)).primaryKeys()
    await db.kept.bulkDelete(kept)
    return kept.length > 0
  })
}
