import * as v from 'valibot'
import type { Env } from './env'
import { CallError } from './errors'

/** The version of the protocol that is spoken here. */
export const protocol = 1

const fieldErrors = v.record(v.string(), v.object({ code: v.string(), message: v.string() }))
const count = v.pipe(v.number(), v.integer())

// The answers, as the protocol page has them. Unknown fields are let through: a newer server must not stop an older phone.
export const helloAnswer = v.object({
  server_time: v.string(), epoch: v.string(), user: v.nullish(v.record(v.string(), v.any())), device_state: v.string(), min_app_version: v.string(),
  limits: v.object({ push_mutations: count, push_bytes: count, pull_records: count, attachment_bytes: count }),
})
export const pushAnswer = v.object({
  server_time: v.string(), epoch: v.string(),
  results: v.array(v.object({
    id: v.string(), status: v.picklist(['applied', 'conflict', 'rejected', 'deferred']), seq: v.optional(count),
    conflicts: v.nullish(v.record(v.string(), v.object({ yours: v.optional(v.any()), theirs: v.optional(v.any()) }))),
    errors: v.nullish(fieldErrors),
  })),
})
export const pullAnswer = v.object({
  server_time: v.string(), epoch: v.string(), cursor: v.string(), more: v.boolean(), reset: v.optional(v.boolean(), false),
  digest: v.nullish(v.record(v.string(), v.object({ count, xor: count }))),
  changes: v.array(v.variant('op', [
    v.object({ op: v.literal('upsert'), collection: v.string(), rev: count, record: v.looseObject({ id: v.pipe(v.string(), v.minLength(1)) }) }),
    v.object({ op: v.literal('remove'), collection: v.string(), id: v.string() }),
  ])),
})
export const pictureAnswer = v.object({ id: v.string(), status: v.picklist(['applied', 'deferred', 'rejected']), errors: v.nullish(fieldErrors) })
export const missingAnswer = v.object({ missing: v.array(v.string()) })
export const authAnswer = v.object({ token: v.pipe(v.string(), v.minLength(1)), record: v.looseObject({ id: v.pipe(v.string(), v.minLength(1)) }) })
export const fileTokenAnswer = v.object({ token: v.string() })

export type Limits = v.InferOutput<typeof helloAnswer>['limits']
export type Result = v.InferOutput<typeof pushAnswer>['results'][number]
export type Page = v.InferOutput<typeof pullAnswer>

/** How long an answer may take, in milliseconds: a village's network carries a full push or a picture in this time or not at all. */
export const patience = 90_000

/** Calls to the server. Every failure is a CallError. */
export class Wire {
  private readonly closed = new AbortController()
  constructor(private readonly env: Env) {}

  /** Posts JSON (an object, or text that is JSON already) and returns the checked answer. */
  post<S extends v.GenericSchema>(path: string, token: string, body: unknown, answer: S): Promise<v.InferOutput<S>> {
    return this.send(path, token, { body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'Content-Type': 'application/json' } },
      async r => v.parse(answer, await r.json()))
  }

  /** Posts a form with a file. */
  upload<S extends v.GenericSchema>(path: string, token: string, body: FormData, answer: S): Promise<v.InferOutput<S>> {
    return this.send(path, token, { body, headers: {} }, async r => v.parse(answer, await r.json()))
  }

  /** Gets a file. */
  file(path: string, token = ''): Promise<Blob> {
    return this.send(path, token, { method: 'GET', headers: {} }, r => r.blob())
  }

  /** Gives up what is under way and refuses what comes: the app is closing. */
  close(): void { this.closed.abort() }

  private async send<T>(path: string, token: string, init: RequestInit & { headers: Record<string, string> }, read: (r: Response) => Promise<T>): Promise<T> {
    const off = new AbortController()
    let why = 'network'
    // A fetch may never settle when a phone changes networks; the race does.
    let giveUp = () => {}
    const given = new Promise<never>((_, reject) => { giveUp = () => { off.abort(); reject(new CallError(why, 0)) } })
    given.catch(() => {})
    const clear = this.env.timers.after(patience, () => { why = 'timeout'; giveUp() })
    this.closed.signal.addEventListener('abort', giveUp)
    if (this.closed.signal.aborted) giveUp()
    try {
      if (token) init.headers.Authorization = token
      const got = (async () => {
        const answer = await this.env.fetch(this.env.base + path, { method: 'POST', ...init, signal: off.signal })
        return answer.ok ? await read(answer) : await refusal(answer)
      })()
      got.catch(() => {})
      return await Promise.race([got, given])
    } catch (e) {
      if (e instanceof CallError) throw e
      // A captive portal answers 200 with its own page.
      throw e instanceof v.ValiError || e instanceof SyntaxError ? new CallError('bad_answer', 0) : new CallError('network', 0)
    } finally {
      clear()
      this.closed.signal.removeEventListener('abort', giveUp)
    }
  }
}

async function refusal(answer: Response): Promise<never> {
  const told = await answer.json().catch(() => null) as { code?: unknown; message?: unknown } | null
  const wait = Number(answer.headers.get('Retry-After'))
  const own = typeof told?.code === 'string' ? told.code : answer.status >= 500 ? 'internal' : answer.status === 401 ? 'unauthorized' : 'refused'
  throw new CallError(own, answer.status, typeof told?.code === 'string' && typeof told.message === 'string' ? told.message : '', wait > 0 ? wait * 1000 : 0)
}
