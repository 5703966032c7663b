import { liveQuery } from 'dexie'
import type { Attention, Capture, Client, ConflictNote, Decision, Draft, Fields, OutboxLine, RecordView, RefusedPicture, Status, User } from './contract'
import { fresh, type Database, type Meta } from './database'
import type { Env } from './env'
import { CallError, LocalError, sentence, storageError } from './errors'
import { exclusively, renew } from './exclusive'
import { hex, newId, stored } from './ids'
import { purge, roomy } from './keep'
import { Loop, type Outcome } from './loop'
import { capture, drop, mend } from './outbox'
import { Pictures } from './pictures'
import { Pull } from './pull'
import { Push } from './push'
import { getView, listViews } from './view'
import { authAnswer, helloAnswer, protocol, Wire } from './wire'
import * as v from 'valibot'

/** What is known of the signed-in user; outlives the page. */
export interface Signed { user: string; token: string; token_at: string; record: User }

/** Where the session is kept; the session writes it, the client reads it anew for every exchange, since another tab may have signed in or out. */
export interface Credentials {
  /** Undefined when nobody, or somebody else, is signed in. */
  read(): Promise<Signed | undefined>
  save(token: string, record: User): Promise<void>
  /** The office wiped this device: the session ends and the server is told once the data is gone. */
  wiped(device: string, token: string, erase: () => Promise<void>): Promise<void>
}

/** A token is renewed when it is this old, in milliseconds; the server's holds for days. */
const tokenAge = 86_400_000
/** What the server holds back is asked about this often, in milliseconds, when nothing was sent. */
const askEvery = 300_000
/** New lives of the server's database that one exchange goes along with. */
const livesAtOnce = 4

type Counts = Pick<Status, 'pending' | 'waiting' | 'rejected' | 'pictures' | 'oldest_pending_at' | 'device'> & { server: Meta['server']; last: Meta['last'] }

/** The Client of one user on one database. */
export class FieldClient implements Client {
  private readonly wire: Wire
  private readonly push: Push
  private readonly pull: Pull
  private readonly pictures: Pictures
  private readonly loop: Loop
  private readonly holder: string
  private readonly channel
  private readonly quiet: () => void
  private readonly listeners = new Set<(s: Status) => void>()
  private counts: Counts = { pending: 0, waiting: 0, rejected: 0, pictures: { total: 0, sent: 0, refused: 0 }, oldest_pending_at: '', device: '', server: fresh.server, last: fresh.last }
  private now_ = { session: 'ok' as Status['session'], syncing: '' as Status['syncing'], elsewhere: false, downloading: 0, unreachable: false }
  private signed: Signed
  /** A token that the server took no longer. */
  private dead = ''
  private greeted = false
  private wiped = false
  /** The server's clock as of its last answer, as PocketBase stores it. */
  private serverTime = ''
  closed = false
  private turn: Promise<unknown> = Promise.resolve()

  private constructor(private readonly env: Env, readonly db: Database, private readonly credentials: Credentials, signed: Signed) {
    this.signed = signed
    this.now_.session = signed.record.must_change_password ? 'password' : 'ok'
    this.holder = hex(env.random(8))
    this.wire = new Wire(env)
    const answered = (serverTime: string, epoch: string) => this.answered(serverTime, epoch)
    this.push = new Push(db, env, this.wire, answered)
    this.pull = new Pull(db, this.wire, answered, downloading => this.set({ downloading }))
    this.pictures = new Pictures(db, env, this.wire, async () => this.now_.session === 'expired' ? '' : this.signed.token, () => this.serverTime, async () => {
      if (!this.env.locks) await renew(this.env, this.db, this.holder)
      await this.refresh()
    })
    this.channel = env.channel?.(`gangwan-${signed.user}`, m => {
      const { syncing, left } = m as { syncing?: unknown; left?: unknown }
      if (left) this.set({ session: 'signed_out' }, false)
      if (typeof syncing === 'string') this.set({ elsewhere: syncing !== '' }, false)
    })
    // Other tabs, and the exchange itself, change what is counted.
    const counting = liveQuery(() => this.count()).subscribe({ next: c => this.counted(c), error: () => {} })
    this.quiet = () => counting.unsubscribe()
    this.loop = new Loop(env, byHand => this.exchange(byHand), () => this.tell())
  }

  /**
   * Opens a user's database and begins to exchange.
   * @param returning the user had a database here before; that it is empty then means the browser threw it away
   */
  static async open(env: Env, db: Database, credentials: Credentials, signed: Signed, returning: boolean): Promise<FieldClient> {
    try {
      await db.transaction('rw', db.meta, async () => {
        if (await db.read('device')) return
        await db.write('device', newId(env.now(), env.random(10)))
        if (returning) await db.write('last', { success_at: '', error: { code: 'storage_evicted', message: sentence('storage_evicted'), at: stored(env.now()) } })
      })
    } catch (e) {
      throw storageError(e)
    }
    const client = new FieldClient(env, db, credentials, signed)
    await client.refresh()
    client.loop.start()
    return client
  }

  get user(): User { return this.signed.record }
  newId(): string { return newId(this.env.now(), this.env.random(10)) }
  now(): Date { return this.env.now() }

  // ---- what the device holds ----

  get(collection: string, id: string): Promise<RecordView | undefined> {
    return this.db.transaction('r', [this.db.records, this.db.outbox, this.db.conflicts], () => getView(this.db, collection, id))
  }

  list(collection: string, where?: Fields): Promise<RecordView[]> { return listViews(this.db, collection, where) }

  live<T>(query: () => Promise<T>, on: (value: T) => void): () => void {
    const s = liveQuery(query).subscribe({ next: on, error: e => { if (!this.closed) queueMicrotask(() => { throw e }) } })
    return () => s.unsubscribe()
  }

  async capture(work: Capture[], draft?: string): Promise<string[]> {
    const ids = await capture(this.db, this.env, work, draft)
    await this.soon()
    return ids
  }

  async drafts(form?: string, subject?: string): Promise<Draft[]> {
    const all = await this.db.drafts.filter(d => (form === undefined || d.form === form) && (subject === undefined || d.subject === subject)).toArray()
    return all.sort((a, b) => a.saved_at < b.saved_at ? 1 : -1)
  }

  async saveDraft(d: Omit<Draft, 'saved_at'>): Promise<void> {
    try {
      // Copied by hand: a page's reactive objects cannot be stored.
      const copy = {
        id: d.id, form: d.form, subject: d.subject, title: d.title, saved_at: stored(this.env.now()), data: JSON.parse(JSON.stringify(d.data)),
        pictures: d.pictures.map(p => ({ ...p, location: p.location && { lon: p.location.lon, lat: p.location.lat } })),
      }
      await roomy(this.db, () => this.db.drafts.put(copy))
    } catch (e) {
      throw storageError(e)
    }
  }

  dropDraft(id: string): Promise<void> { return this.db.drafts.delete(id) }

  async outbox(): Promise<OutboxLine[]> {
    const told = { queued: 'pending', waiting: 'waiting', refused: 'rejected' } as const
    return (await this.db.outbox.orderBy('order').toArray()).flatMap(e => e.state === 'answered' ? []
      : [{ mutation: e.mutation, op: e.op, collection: e.collection, record: e.record, captured_at: e.captured_at, state: told[e.state] }])
  }

  async attention(): Promise<Attention[]> {
    return (await this.db.inState('refused').toArray()).map(e => ({ mutation: e.mutation, op: e.op, collection: e.collection, record: e.record,
      captured_at: e.captured_at, data: e.shown, errors: e.errors }))
  }

  async refusedPictures(): Promise<RefusedPicture[]> {
    const refused = await this.db.pictures.where('state').equals('refused').sortBy('order')
    const bytes = await this.db.bytes.bulkGet(refused.map(p => p.id))
    return refused.map((p, i) => ({ id: p.id, collection: p.collection, record: p.record, errors: p.errors, bytes: bytes[i]?.bytes ?? new ArrayBuffer(0), type: p.type }))
  }

  async conflicts(): Promise<ConflictNote[]> {
    return (await this.db.conflicts.toArray()).sort((a, b) => a.at < b.at ? -1 : 1)
  }

  dismissConflict(id: string): Promise<void> { return this.db.conflicts.delete(id) }

  async decisions(): Promise<Decision[]> {
    return (await this.db.decisions.toArray()).sort((a, b) => a.at > b.at ? -1 : 1)
  }

  dismissDecision(id: string): Promise<void> { return this.db.decisions.delete(id) }

  async mend(mutation: string, repaired: Fields): Promise<void> {
    await mend(this.db, this.env, mutation, repaired)
    await this.soon()
  }

  async drop(mutation: string): Promise<void> {
    await drop(this.db, mutation)
    await this.refresh()
  }

  async dropPicture(id: string): Promise<void> {
    await this.pictures.drop(id)
    await this.refresh()
  }

  picture(collection: string, record: string, file: string): Promise<Blob | undefined> { return this.pictures.bytes(collection, record, file) }
  picturesOf(collection: string, record: string): ReturnType<Client['picturesOf']> { return this.pictures.of(collection, record) }

  async exportUnsent(): Promise<Blob> {
    const { db } = this
    const mutations = (await db.outbox.orderBy('order').toArray()).filter(e => e.state !== 'answered')
    const pictures = await db.pictures.where('state').anyOf('pending', 'refused').sortBy('order')
    const parts: BlobPart[] = [JSON.stringify({ format: 'gangwan-unsent', version: 1, user: this.user.id, device: this.counts.device, exported_at: stored(this.env.now()) }).slice(0, -1),
      `,"mutations":[${mutations.map(e => e.body).join(',')}],"pictures":[`]
    // One after the other: a day's pictures at once are more than an old phone's memory.
    for (const [i, p] of pictures.entries()) {
      const bytes = await db.bytes.get(p.id)
      parts.push((i ? ',' : '') + JSON.stringify({ id: p.id, collection: p.collection, record: p.record, field: p.field || undefined, type: p.type, sha256: p.sha256,
        bytes: p.size, taken_at: p.taken_at, location: p.location, base64: bytes ? base64(bytes.bytes) : '' }))
    }
    return new Blob([...parts, ']}'], { type: 'application/json' })
  }

  // ---- the state of exchange ----

  status(): Status {
    const { server, last, ...counts } = this.counts, { unreachable, ...now } = this.now_
    return {
      ...counts, ...now, online: this.env.events.online() && !unreachable, last_success_at: last.success_at, last_error: last.error,
      next_try_at: this.loop.next ? stored(this.loop.next) : '', device_state: server.device_state, epoch: server.epoch, skew: server.skew,
    }
  }

  onStatus(on: (status: Status) => void): () => void {
    this.listeners.add(on)
    on(this.status())
    return () => { this.listeners.delete(on) }
  }

  private tell(): void {
    if (this.closed) return
    const s = this.status()
    for (const on of this.listeners) on(s)
  }

  private set(change: Partial<typeof this.now_>, aloud = true): void {
    Object.assign(this.now_, change)
    if (aloud && change.syncing !== undefined) this.channel?.post({ syncing: change.syncing })
    this.tell()
  }

  private count(): Promise<Counts> {
    const { db } = this
    return db.transaction('r', [db.outbox, db.pictures, db.meta], async () => {
      const pictures = (state: string) => db.pictures.where('state').equals(state).count()
      const [pending, waiting, rejected, oldest, unsent, sent, refused, device, server, last] = await Promise.all([
        db.inState('queued').count(), db.inState('waiting').count(), db.inState('refused').count(), db.inState('queued').first(),
        pictures('pending'), pictures('sent'), pictures('refused'), db.read('device'), db.read('server'), db.read('last')])
      return { pending, waiting, rejected, oldest_pending_at: oldest?.captured_at ?? '', pictures: { total: unsent + sent + refused, sent, refused }, device, server, last }
    })
  }

  private counted(counts: Counts): void {
    // What is left after a wipe knows nothing of it.
    if (!this.wiped) this.counts = counts
    this.tell()
  }

  private async refresh(): Promise<void> {
    this.counted(await this.count())
  }

  private async soon(): Promise<void> {
    await this.refresh()
    this.loop.poke()
  }

  // ---- exchange ----

  async syncNow(): Promise<Status> {
    await this.loop.byHand()
    return this.status()
  }

  async verify(): Promise<{ equal: boolean; message: string }> {
    let equal = false
    await this.guarded(true, async token => {
      // Against a server that came back from a backup it is compared when all was sent again.
      const trouble = await this.db.read('resend') ? await this.through(token, true) : undefined
      this.set({ syncing: 'pull' })
      await this.greet(token)
      equal = await this.pull.verify(token)
      return equal ? trouble : new LocalError('digest_differs')
    })
    if (equal) return { equal, message: '本机数据与服务器一致' }
    return { equal, message: this.counts.last.error?.message ?? sentence(this.now_.session === 'expired' ? 'unauthorized' : 'network') }
  }

  /** Exchanges once: what the loop runs. */
  private async exchange(byHand: boolean): Promise<Outcome> {
    return await this.guarded(byHand, token => this.through(token, byHand)) ?? { ok: true }
  }

  /** Sends and brings all there is; returns what went wrong on the way without stopping it. */
  private async through(token: string, byHand: boolean): Promise<LocalError | undefined> {
    for (let lives = 1; ; lives++) {
      try {
        return await this.once(token, byHand)
      } catch (e) {
        if (!(e instanceof CallError) || e.code !== 'epoch_changed' || lives === livesAtOnce) throw e
        // The server came back from a backup. A push is refused without saying into which life: hello says it.
        this.greeted = false
      }
    }
  }

  private async once(token: string, byHand: boolean): Promise<LocalError | undefined> {
    const { db } = this
    this.set({ syncing: 'push' })
    await this.greet(token)
    let trouble = await this.pull.evicted() ? new LocalError('storage_evicted') : undefined
    // Before anything is pulled: what the restored server lacks must not be forgotten here.
    if (await db.read('resend')) {
      this.set({ syncing: 'resend' })
      await this.push.again(token)
      this.set({ syncing: 'push' })
    }
    await this.pushAll(token, byHand)
    if (await db.read('resend') || await db.pictures.where('state').equals('pending').count()) {
      this.set({ syncing: 'pictures' })
      try {
        await this.pictures.again(token)
        await this.pictures.send(token)
      } catch (e) {
        // A picture that cannot get through must not keep records from coming.
        if (!(e instanceof CallError) || e.status === 401 || e.status === 429 || e.code === 'epoch_changed' || e.code.startsWith('device_')) throw e
        trouble = e
      }
    }
    this.set({ syncing: 'pull' })
    await this.pull.run(token)
    if (!await db.read('resend')) await purge(db, new Date(this.serverTime.replace(' ', 'T')))
    return trouble
  }

  private async pushAll(token: string, byHand: boolean): Promise<void> {
    const sent = await this.push.drain(token)
    const since = this.env.now().getTime() - Date.parse(await this.db.read('asked_at') || new Date(0).toISOString())
    if (!sent && !byHand && since >= 0 && since < askEvery || !await this.db.inState('waiting').count()) return
    await this.push.askWaiting(token)
    await this.db.write('asked_at', this.env.now().toISOString())
  }

  /** Does one thing after another in this tab, and alone among the tabs; undefined: another tab is at it. */
  private alone<T>(wait: boolean, f: () => Promise<T>): Promise<T | undefined> {
    const next = this.turn.then(() => exclusively(this.env, this.db, this.holder, wait, f))
    this.turn = next.catch(() => {})
    return next
  }

  /** Runs one exchange alone and notes how it ended; undefined: another tab is at it. f returns what went wrong on the way. */
  private async guarded(wait: boolean, f: (token: string) => Promise<LocalError | undefined>): Promise<Outcome | undefined> {
    try {
      const outcome = await this.alone(wait, async (): Promise<Outcome> => {
        if (this.closed || this.wiped) return { ok: true }
        this.set({ elsewhere: false })
        let token = ''
        try {
          token = await this.token()
          if (!token) return { ok: true }
          const trouble = await f(token)
          this.set({ session: 'ok', unreachable: trouble instanceof CallError && trouble.status === 0 })
          await this.note(trouble, true, wait)
          return { ok: !(trouble instanceof CallError) }
        } catch (e) {
          return this.closed ? { ok: true } : await this.failed(e, token)
        } finally {
          this.set({ syncing: '' })
        }
      })
      if (!outcome) this.set({ elsewhere: true })
      return outcome
    } catch {
      return { ok: false } // the database is closed or broken: there is nowhere to note it
    }
  }

  /** The token to call with, renewed once a day; '' when there is none that holds. */
  private async token(): Promise<string> {
    const signed = await this.credentials.read()
    if (!signed) {
      this.set({ session: 'signed_out' })
      return ''
    }
    this.signed = signed
    if (signed.token === this.dead) {
      this.set({ session: 'expired' })
      return ''
    }
    const age = this.env.now().getTime() - Date.parse(signed.token_at)
    if (Math.abs(age) < tokenAge) return signed.token
    const { token, record } = await this.wire.post('/api/collections/users/auth-refresh', signed.token, {}, authAnswer)
    await this.remember(token, record as User)
    return token
  }

  private async remember(token: string, record: User): Promise<void> {
    await this.credentials.save(token, record)
    this.signed = await this.credentials.read() ?? this.signed
  }

  /** Says hello once per page and after every doubt: the server tells its epoch, its limits, and what this device may do. */
  private async greet(token: string): Promise<void> {
    if (this.greeted) return
    const { db, env } = this
    const answer = await this.wire.post('/api/sync/hello', token, { protocol, device: { id: await db.read('device'), ...env.device }, sent_at: stored(env.now()),
      pending: await db.inState('queued').count() }, helloAnswer)
    await db.write('server', { ...await db.read('server'), device_state: answer.device_state, limits: answer.limits })
    await this.answered(answer.server_time, answer.epoch)
    if (answer.user) {
      const { grids, ...told } = answer.user
      await this.remember(token, { ...this.user, ...told, ...Array.isArray(grids) && { scope_grids: grids } })
    }
    if (answer.device_state === 'wiped' || answer.device_state === 'suspended') throw new CallError(`device_${answer.device_state}`, 403)
    this.greeted = true
  }

  /** Notes what every answer tells. Throws CallError epoch_changed when it comes from another life of the database than the one before. */
  private async answered(serverTime: string, epoch: string): Promise<void> {
    const { db, env } = this
    if (!env.locks) await renew(env, db, this.holder)
    const at = Date.parse(serverTime.replace(' ', 'T')), skew = Math.round((at - env.now().getTime()) / 1000) || 0
    if (at) this.serverTime = stored(new Date(at))
    const restored = await db.transaction('rw', db.meta, async () => {
      const server = await db.read('server'), other = server.epoch !== '' && server.epoch !== epoch
      if (server.epoch !== epoch || server.skew !== skew) await db.write('server', { ...server, epoch, skew })
      if (!other) return false
      // With the new name, in one transaction: whatever happens next, all is sent again before the next pull, which is a full download.
      await db.write('resend', { above: 0, pictures: false })
      await db.write('flight', [])
      await db.write('pull', { ...await db.read('pull'), cursor: null, under_way: false })
      return true
    })
    if (this.now_.unreachable) this.set({ unreachable: false })
    await this.refresh()
    if (restored) throw new CallError('epoch_changed', 409)
  }

  /** Notes a failed exchange and what follows from it. */
  private async failed(e: unknown, token: string): Promise<Outcome> {
    const error = e instanceof LocalError ? e : storageError(e)
    const code = error.code, call = error instanceof CallError ? error : undefined
    this.set({ unreachable: call?.status === 0 })
    if (code === 'device_wiped') {
      await this.wipe(token)
      return { ok: true }
    }
    const state = /^device_(suspended|drain_only)$/.exec(code)?.[1]
    if (state) await this.db.write('server', { ...await this.db.read('server'), device_state: state })
    if (call?.status === 401) {
      this.dead = token || this.signed.token
      this.greeted = false
      this.set({ session: 'expired' })
    } else if (code === 'password_change_required') this.set({ session: 'password' })
    else if (code === 'device_suspended' || code === 'device_foreign') {
      this.greeted = false
      this.set({ session: 'stopped' })
    }
    // A replaced phone that may only send has done all it may, and so has an app too old to be sent anything; so has one whose user must act first.
    const sent = code === 'device_drain_only' || code === 'upgrade_required'
    const done = sent || code === 'password_change_required' || call?.status === 401
    await this.note(error, sent, true)
    return { ok: done, wait: call?.retryAfter }
  }

  private async note(error: LocalError | undefined, success: boolean, byHand: boolean): Promise<void> {
    const { db } = this, at = stored(this.env.now()), last = await db.read('last')
    // That data was lost stays to be read until a person looks.
    const kept = last.error?.code === 'storage_evicted' && !byHand ? last.error : null
    await db.write('last', { success_at: success ? at : last.success_at, error: error ? { code: error.code, message: error.message, at } : kept })
    await this.refresh()
  }

  private async wipe(token: string): Promise<void> {
    this.loop.close()
    this.wiped = true
    const device = this.counts.device
    this.counts = { pending: 0, waiting: 0, rejected: 0, pictures: { total: 0, sent: 0, refused: 0 }, oldest_pending_at: '', device,
      server: { ...this.counts.server, device_state: 'wiped' }, last: { success_at: '', error: { code: 'device_wiped', message: sentence('device_wiped'), at: stored(this.env.now()) } } }
    this.set({ session: 'stopped' })
    await this.credentials.wiped(device, token, async () => {
      await this.clear([]) // so that pages that look on see it go
      await this.db.delete({ disableAutoOpen: false })
    })
  }

  private clear(but: string[]): Promise<void> {
    return this.db.transaction('rw', this.db.tables, async () => {
      for (const table of this.db.tables) if (!but.includes(table.name)) await table.clear()
    })
  }

  // ---- for the session ----

  /** What would be lost if the data went now. */
  unsent(): Promise<number> { return this.db.unsent() }

  /**
   * Forgets all that the user was shown. Unfinished drafts stay for the next sign-in, and so does what a restored server would have to be
   * sent again, what it still holds back, and which life of it that was.
   */
  async signOut(): Promise<void> {
    this.quiet()
    this.loop.close()
    this.wire.close()
    this.channel?.post({ left: true })
    // A page of an exchange that is ending must not be stored after this.
    await this.alone(true, async () => {})
    await this.clear(['drafts', 'outbox', 'kept', 'pictures', 'bytes', 'meta'])
    await this.pull.restart()
    this.close()
  }

  /** The session was renewed: goes on with the new token at once. */
  renewed(signed: Signed): void {
    this.signed = signed
    if (signed.token !== this.dead) this.set({ session: signed.record.must_change_password ? 'password' : 'ok' })
    this.loop.start()
  }

  handIn(path: string, file: Blob, name: string): Promise<any> {
    const body = new FormData()
    body.append('file', file, name)
    return this.wire.upload(path, this.signed.token, body, v.any())
  }

  fetchFile(path: string): Promise<Blob> { return this.wire.file(path, this.signed.token) }

  /** Stops all that runs; the data stays. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.quiet()
    this.loop.close()
    this.wire.close()
    this.channel?.close()
    this.pictures.close()
    this.db.close()
  }
}

function base64(bytes: ArrayBuffer): string {
  const all = new Uint8Array(bytes)
  let out = ''
  // In pieces: a picture's bytes are more arguments than a call takes.
  for (let i = 0; i < all.length; i += 0x8000) out += String.fromCharCode(...all.subarray(i, i + 0x8000))
  return btoa(out)
}
