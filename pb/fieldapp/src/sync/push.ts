import type { Clocks, Database, Kept, Meta, Work } from './database'
import type { Env } from './env'
import { CallError, sentence } from './errors'
import { stored } from './ids'
import { roomy } from './keep'
import { protocol, pushAnswer, type Result, type Wire } from './wire'

/** Room for what stands around the mutations in a push, in bytes. */
const frame = 4096

/** What goes over the wire beside a mutation that is sent again after a restore, in bytes. */
const beside = 128

/** What goes in one push, and the life of the server's database that it was made for: read together, so that in another life it is refused. */
interface Batch { work: Work[]; epoch: string; above: number }

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

  /**
   * After the server came back from a backup: sends again, in their first order, what took effect in its life before, what it refused or
   * holds back, and what it never answered. How far it got is written down with every answer. Throws CallError.
   */
  async again(token: string): Promise<void> {
    const { db } = this
    for (let at; (at = await db.read('resend')) && !at.pictures;) {
      const batch = await this.unsure(at.above)
      if (!batch.work.length) await this.noteAgain(batch, { above: at.above, pictures: true })
      else await this.send(token, batch, true)
    }
  }

  /** Notes how far a restored server is up to date, unless another tab got further or it was restored once more. */
  private async noteAgain(batch: Batch, now: Meta['resend']): Promise<void> {
    const { db } = this
    await db.transaction('rw', db.meta, async () => {
      if ((await db.read('server')).epoch === batch.epoch && (await db.read('resend'))?.above === batch.above) await db.write('resend', now)
    })
  }

  /** What the restored server may lack, upwards from a place. */
  private async unsure(above: number): Promise<Batch> {
    const { db } = this
    return db.transaction('r', [db.kept, db.outbox, db.meta], async () => {
      const { limits, epoch } = await db.read('server')
      const [kept, own] = await Promise.all([db.kept.where('order').above(above).limit(limits.push_mutations).toArray(),
        db.outbox.where('order').above(above).and(e => e.state !== 'answered').limit(limits.push_mutations).toArray()])
      return { work: this.fitting([...kept, ...own].sort((a, b) => a.order - b.order), limits, beside), epoch, above }
    })
  }

  private fitting<T extends Work>(all: T[], limits: { push_mutations: number; push_bytes: number }, extra: number): T[] {
    let size = frame
    const over = all.findIndex((e, i) => {
      size += e.size + 1 + extra
      return i > 0 && (i >= Math.min(limits.push_mutations, this.largest) || size > limits.push_bytes)
    })
    return over < 0 ? all : all.slice(0, over)
  }

  /** Sends one batch and settles its answer; returns the order number of its last mutation, 0 when there was nothing to send. */
  private async once(token: string, state: 'queued' | 'waiting', above = 0): Promise<number> {
    const batch = await this.takeOff(state, above)
    if (!batch.work.length) return 0
    return await this.send(token, batch, false) ? batch.work[batch.work.length - 1].order : above || -1
  }

  /** Sends a batch and settles its answer; false: it was too large, the next is smaller. */
  private async send(token: string, batch: Batch, again: boolean): Promise<boolean> {
    const { work: flight, epoch } = batch
    const sent_at = stored(this.env.now())
    const head = JSON.stringify({ protocol, device: await this.db.read('device'), epoch: epoch || undefined, sent_at, pending: await this.db.inState('queued').count() })
    let answer
    try {
      answer = await this.wire.post('/api/sync/push', token, `${head.slice(0, -1)},"mutations":[${flight.map(w => again ? asBefore(w) : w.body).join(',')}]}`, pushAnswer)
    } catch (e) {
      if (!(e instanceof CallError) || e.status !== 413) throw e
      // The server took nothing of it: smaller batches of the same mutations are no other order. One that is too large alone
      // would stop all others for ever.
      this.largest = Math.max(1, Math.floor(flight.length / 2))
      if (flight.length > 1) await this.db.write('flight', [])
      else await this.settle(batch, [{ id: flight[0].mutation, status: 'rejected', errors: { _: { code: 'too_large', message: sentence('too_large') } } }], again)
      return flight.length === 1
    }
    if (answer.results.length !== flight.length || answer.results.some((r, i) => r.id !== flight[i].mutation)) throw new CallError('bad_answer', 0)
    await this.settle(batch, answer.results, again, { sent_at, server_time: stored(new Date(answer.server_time.replace(' ', 'T'))) })
    await this.answered(answer.server_time, answer.epoch)
    return true
  }

  /** The batch to send, noted before it goes: after a kill the same goes again. */
  private takeOff(state: 'queued' | 'waiting', above: number): Promise<Batch> {
    const { db } = this
    return db.transaction('rw', [db.outbox, db.meta], async () => {
      // Another tab met a restored server: first things first.
      if ((await db.read('resend'))?.pictures === false) throw new CallError('epoch_changed', 409)
      const noted = await db.read('flight'), { limits, epoch } = await db.read('server')
      const unanswered = (await db.outbox.where('mutation').anyOf(noted).sortBy('order')).filter(e => e.state === 'queued' || e.state === 'waiting')
      if (unanswered.length) return { work: unanswered, epoch, above }
      const batch = this.fitting(await db.outbox.where('[state+order]').between([state, above], [state, Infinity], false).limit(limits.push_mutations).toArray(), limits, 0)
      if (batch.length) await db.write('flight', batch.map(e => e.mutation))
      return { work: batch, epoch, above }
    })
  }

  /**
   * Notes what became of each mutation, and that the batch is answered, all in one transaction. An entry that is gone or settled already
   * (by another tab, or mended meanwhile) is let alone.
   */
  private settle(batch: Batch, results: Result[], again: boolean, clocks?: Clocks): Promise<void> {
    const { db } = this, flight = batch.work
    return roomy(db, () => db.transaction('rw', [db.outbox, db.kept, db.conflicts, db.meta], async () => {
      const { pulls } = await db.read('pull')
      for (const [i, r] of results.entries()) {
        const { order, mutation, op, collection, record, captured_at, body, size, shown } = flight[i]
        const work: Work = { order, mutation, op, collection, record, captured_at, body, size, shown }
        const [there, before] = await Promise.all([db.outbox.get(order), db.kept.get(order)])
        const entry = there?.mutation === mutation ? there : undefined
        const kept = again && before?.mutation === mutation ? before : undefined
        if (!kept && !(entry && (entry.state === 'queued' || entry.state === 'waiting' || again && entry.state === 'refused'))) continue
        // What is judged by a clock is judged by the clocks of the first exchange, however often it is sent.
        const first = kept ? { sent_at: kept.sent_at, server_time: kept.server_time } : entry?.clocks ?? clocks
        if (r.status === 'deferred' || r.status === 'rejected') {
          await db.outbox.put({ ...work, state: r.status === 'deferred' ? 'waiting' : 'refused', after: 0, errors: r.errors ?? {}, clocks: first })
          if (kept) await db.kept.delete(order)
          continue
        }
        const told = kept?.told ?? []
        for (const [field, c] of Object.entries(r.conflicts ?? {})) {
          if (told.includes(field)) continue
          await db.conflicts.put({ id: `${mutation}.${field}`, at: stored(this.env.now()), collection, record, field, yours: c.yours, ...'theirs' in c && { theirs: c.theirs } })
        }
        const fields = Object.keys(r.conflicts ?? {})
        await db.kept.put({ ...work, ...first ?? { sent_at: '', server_time: '' }, status: r.status, seq: kept?.seq || (r.seq ?? 0), kept_at: clocks?.server_time ?? '', told: [...new Set([...told, ...fields])] })
        if (!entry) continue
        if (op === 'delete' && r.status === 'conflict') await db.outbox.delete(order) // it stays, and is shown at once
        else {
          // The server's value stands where there is a conflict.
          await db.outbox.update(order, { state: 'answered', after: pulls, shown: Object.fromEntries(Object.entries(entry.shown).filter(([f]) => !fields.includes(f))) })
        }
      }
      await db.write('flight', [])
      if (again) await this.noteAgain(batch, { above: flight[flight.length - 1].order, pictures: false })
    }))
  }
}

/**
 * A mutation with what the page asks for beside it when it is sent again after a restore. One that was a conflict goes without its seq:
 * it is judged anew against what stands now.
 */
function asBefore(w: Work & Partial<Kept> & { clocks?: Clocks }): string {
  const { sent_at, server_time } = w.clocks ?? w
  const more = { ...w.status === 'applied' && w.seq && { applied_seq: w.seq }, ...sent_at && { sent_at, server_time } }
  return Object.keys(more).length ? `${w.body.slice(0, -1)},${JSON.stringify(more).slice(1)}` : w.body
}
