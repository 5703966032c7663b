import type { Database } from './database'
import type { Env } from './env'
import { patience } from './wire'

/** A lease outlives the slowest call, in milliseconds; each answer renews it. */
const term = 2 * patience

/**
 * Runs f while no other tab of this browser exchanges for the same user. Locks are the browser's own and end with their tab; without them a lease
 * in the database stands in. Two tabs at once would do no harm, only work twice.
 * @param wait until the other tab is done; a lease is taken over instead, for its tab may be dead
 * @returns undefined when another tab is at it and wait is false
 */
export async function exclusively<T>(env: Env, db: Database, holder: string, wait: boolean, f: () => Promise<T>): Promise<T | undefined> {
  if (env.locks) return env.locks.request(`gangwan-exchange-${db.user}`, { ifAvailable: !wait }, lock => lock ? f() : undefined)
  if (!await renew(env, db, holder, wait)) return undefined
  try {
    return await f()
  } finally {
    await db.transaction('rw', db.meta, async () => {
      if ((await db.read('lease')).holder === holder) await db.meta.delete('lease')
    })
  }
}

/** Takes or prolongs the lease, over another tab if need be; false: another tab holds it. */
export function renew(env: Env, db: Database, holder: string, over = false): Promise<boolean> {
  return db.transaction('rw', db.meta, async () => {
    const now = env.now().getTime(), lease = await db.read('lease')
    // One that ends later than any is given was made under another clock.
    if (!over && lease.holder !== holder && lease.until > now && lease.until <= now + term) return false
    await db.write('lease', { holder, until: now + term })
    return true
  })
}
