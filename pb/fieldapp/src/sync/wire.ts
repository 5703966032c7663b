import type { Env } from './env'
import { CallError } from './errors'
import { anything, count, either, filled, flag, list, maybe, object, table, text, word, type Of, type Shape } from './shape'

/** The version of the protocol that is spoken here. */
export const protocol = 1

const fieldErrors = table(object({ code: text, message: text }))

// The answers, as the protocol page has them.
export const helloAnswer = object({
  server_time: text, epoch: text, user: maybe(table(anything)), device_state: text, min_app_version: text,
  limits: object({ push_mutations: count, push_bytes: count, pull_records: count, attachment_bytes: count }),
})
export const pushAnswer = object({
  server_time: text, epoch: text,
  results: list(object({
    id: text, status: word('applied', 'conflict', 'rejected', 'deferred'), seq: maybe(count),
    conflicts: maybe(table(object({ yours: anything, theirs: anything }))), errors: maybe(fieldErrors),
  })),
})
const named = object({ id: filled }) as Shape<{ id: string; [field: string]: any }>
export const pullAnswer = object({
  server_time: text, epoch: text, cursor: text, more: flag, reset: maybe(flag),
  digest: maybe(table(object({ count, xor: count }))),
  changes: list(either(
    object({ op: word('upsert'), collection: text, rev: count, record: named }),
    object({ op: word('remove'), collection: text, id: text }),
  )),
})
export const pictureAnswer = object({ id: text, status: word('applied', 'deferred', 'rejected'), errors: maybe(fieldErrors) })
export const missingAnswer = object({ missing: list(text) })
export const authAnswer = object({ token: filled, record: named })
export const fileTokenAnswer = object({ token: text })

export type Limits = Of<typeof helloAnswer>['limits']
export type Result = Of<typeof pushAnswer>['results'][number]
export type Page = Of<typeof pullAnswer>

/** How long an answer may take, in milliseconds: a village's network carries a full push or a picture in this time or not at all. */
export const patience = 90_000

/** Calls to the server. Every failure is a CallError. */
export class Wire {
  private readonly closed = new AbortController()
  constructor(private readonly env: Env) {}

  /** Posts JSON (an object, or text that is JSON already) and returns the checked answer. */
  post<T>(path: string, token: string, body: unknown, answer: Shape<T>): Promise<T> {
    return this.send(path, token, { body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'Content-Type': 'application/json' } },
      async r => shaped(await r.json(), answer))
  }

  /** Posts a form with a file. */
  upload<T>(path: string, token: string, body: FormData, answer: Shape<T>): Promise<T> {
    return this.send(path, token, { body, headers: {} }, async r => shaped(await r.json(), answer))
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
      throw e instanceof SyntaxError ? new CallError('bad_answer', 0) : new CallError('network', 0)
    } finally {
      clear()
      this.closed.signal.removeEventListener('abort', giveUp)
    }
  }
}

function shaped<T>(answer: unknown, shape: Shape<T>): T {
  if (!shape(answer)) throw new CallError('bad_answer', 0)
  return answer
}

async function refusal(answer: Response): Promise<never> {
  const told = await answer.json().catch(() => null) as { code?: unknown; message?: unknown } | null
  const wait = Number(answer.headers.get('Retry-After'))
  const own = typeof told?.code === 'string' ? told.code : answer.status >= 500 ? 'internal' : answer.status === 401 ? 'unauthorized' : 'refused'
  throw new CallError(own, answer.status, typeof told?.code === 'string' && typeof told.message === 'string' ? told.message : '', wait > 0 ? wait * 1000 : 0)
}
