import type { Database, Entry } from './database'
import type { Env } from './env'
import { CallError, sentence } from './errors'
import { stored } from './ids'
import { protocol, pushAnswer, type Result, type Wire } from './wire'

/** Room for what stands around the mutations in a push, in bytes. */
const frame = 4096

/** Sends the outbox: one push in flight, in order, the unanswered one first and unchanged. */
export class Push {
  private largest = Infinity

  constructor(private readonly db: Database, private readonly env: Env, private readonly wire: Wire,
    private readonly answered: (serverTime: string, epoch: string) => Promise<void>) {}

  /** Sends until the outbox is empty. Returns whether anything was sent. Throws CallError; what was not answered goes first next time. */
  async drain(token: string): Promise<boolean> {
    let sent = false
    while (await this.once(token, 'queued')) sent = true
    return sent
  }

  /** Sends once more what the server holds back: the answer is its present status. */
  async askWaiting(token: string): Promise<void> {
    const last = await this.db.inState('waiting').last()
    // An answer may again be "deferred": each is asked once, in batches that go upwards.
    for (let above = 0; last && above < last.order;) {
      const asked = await this.once(token, 'waiting', above)
      if (!asked) return
      above = asked
    }
  }

  /** Sends one batch and settles its answer; returns the order number of its last mutation, 0 when there was nothing to send. */
  private async once(token: string, state: 'queued' | 'waiting', above = 0): Promise<number> {
    const flight = await this.takeOff(state, above)
    if (!flight.length) return 0
    const { epoch } = await this.db.read('server')
    const head = JSON.stringify({ protocol, device: await this.db.read('device'), epoch: epoch || undefined, sent_at: stored(this.env.now()),
      pending: await this.db.inState('queued').count() })
    let answer
    try {
      answer = await this.wire.post('/api/sync/push', token, `${head.slice(0, -1)},"mutations":[${flight.map(e => e.body).join(',')}]}`, pushAnswer)
    } catch (e) {
      if (!(e instanceof CallError) || e.status !== 413) throw e
      // The server took nothing of it: smaller batches of the same mutations are no other order. One that is too large alone
      // would stop all others for ever.
      this.largest = Math.max(1, Math.floor(flight.length / 2))
      if (flight.length === 1) await this.settle(flight, [{ id: flight[0].mutation, status: 'rejected', errors: { _: { code: 'too_large', message: sentence('too_large') } } }])
      else await this.db.write('flight', [])
      return flight.length === 1 ? flight[0].order : above || -1
    }
    if (answer.results.length !== flight.length || answer.results.some((r, i) => r.id !== flight[i].mutation)) throw new CallError('bad_answer', 0)
    await this.settle(flight, answer.results)
    await this.answered(answer.server_time, answer.epoch)
    return flight[flight.length - 1].order
  }

  /** The batch to send, noted before it goes: after a kill the same goes again. */
  private takeOff(state: 'queued' | 'waiting', above: number): Promise<Entry[]> {
    const { db } = this
    return db.transaction('rw', [db.outbox, db.meta], async () => {
      const noted = await db.read('flight')
      const unanswered = (await db.outbox.where('mutation').anyOf(noted).sortBy('order')).filter(e => e.state === 'queued' || e.state === 'waiting')
      if (unanswered.length) return unanswered
      const { limits } = await db.read('server')
      const batch: Entry[] = []
      let size = frame
      await db.outbox.where('[state+order]').between([state, above], [state, Infinity], false).until(e => {
        size += e.size + 1
        return batch.length > 0 && (batch.length >= Math.min(limits.push_mutations, this.largest) || size > limits.push_bytes)
      }).each(e => { batch.push(e) })
      if (batch.length) await db.write('flight', batch.map(e => e.mutation))
      return batch
    })
  }

  /** Notes what became of each mutation, all in one transaction. An entry that is gone or settled already (by another tab) is let alone. */
  private settle(flight: Entry[], results: Result[]): Promise<void> {
    const { db } = this
    return db.transaction('rw', [db.outbox, db.conflicts, db.meta], async () => {
      const { pulls } = await db.read('pull')
      for (const [i, r] of results.entries()) {
        const e = await db.outbox.get(flight[i].order)
        if (!e || e.mutation !== r.id || e.state !== 'queued' && e.state !== 'waiting') continue
        if (r.status === 'deferred') await db.outbox.update(e.order, { state: 'waiting' })
        else if (r.status === 'rejected') await db.outbox.update(e.order, { state: 'refused', errors: r.errors ?? {} })
        else {
          const shown = { ...e.shown }
          for (const [field, c] of Object.entries(r.conflicts ?? {})) {
            delete shown[field] // the server's value stands
            await db.conflicts.put({ id: `${e.mutation}.${field}`, at: stored(this.env.now()), collection: e.collection, record: e.record, field,
              yours: c.yours, ...'theirs' in c && { theirs: c.theirs } })
          }
          await db.outbox.update(e.order, { state: 'answered', after: pulls, shown })
        }
      }
      await db.write('flight', [])
    })
  }
}
