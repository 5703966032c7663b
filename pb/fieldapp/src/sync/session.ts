import Dexie, { type Table } from 'dexie'
import { FieldClient, type Credentials, type Signed } from './client'
import { SignInError, type Client, type Session, type User } from './contract'
import { Database } from './database'
import type { Env } from './env'
import { CallError, sentence } from './errors'
import { stored } from './ids'
import { authAnswer, protocol, Wire } from './wire'
import * as v from 'valibot'

/** What this browser remembers beside the users' own databases. */
class Book extends Dexie {
  /** One row: who is signed in. */
  declare signed: Table<Signed & { key: 'last' }, string>
  /** Who has a database here. */
  declare users: Table<{ id: string; name: string }, string>
  /** Wipes that are not finished: the data may still be there, the server was not told. */
  declare wipes: Table<{ user: string; device: string; token: string }, string>

  constructor(env: Env) {
    super('gangwan', { indexedDB: env.indexedDB, IDBKeyRange: env.IDBKeyRange })
    this.version(1).stores({ signed: 'key', users: 'id', wipes: 'user' })
  }
}

/** Opens what this browser remembers of its users. */
export function openSession(env: Env): Session {
  return new BrowserSession(env)
}

class BrowserSession implements Session {
  private readonly book: Book
  private readonly wire: Wire
  private client?: FieldClient
  private opening: Promise<unknown> = Promise.resolve()
  private persisted = false

  constructor(private readonly env: Env) {
    this.book = new Book(env)
    this.wire = new Wire(env)
  }

  async resume(): Promise<Client | undefined> {
    for (const w of await this.book.wipes.toArray()) void this.wipe(w.user, () => new Database(this.env, w.user).delete()).catch(() => {}) // tried again at the next start
    const signed = await this.book.signed.get('last')
    return signed && this.open(signed)
  }

  async signIn(identity: string, password: string): Promise<Client> {
    const { token, record } = await this.ask('/api/collections/users/auth-with-password', '', { identity, password })
    // A wipe that was not finished must not take what comes now.
    if (await this.book.wipes.get(record.id)) await this.wipe(record.id, () => new Database(this.env, record.id).delete())
    return this.open(await this.keep(token, userOf(record)))
  }

  async changePassword(old: string, fresh: string): Promise<void> {
    const signed = await this.book.signed.get('last')
    if (!signed) throw new SignInError('signed_out', sentence('signed_out'))
    const { token, record } = await this.ask('/api/account/password', signed.token, { old, new: fresh })
    this.client?.renewed(await this.keep(token, userOf(record)))
  }

  async signOut(): Promise<{ done: boolean; unsent: number }> {
    const signed = await this.book.signed.get('last')
    if (!signed) return { done: true, unsent: 0 }
    const client = await this.open(signed)
    // What the server holds back may have come to need a person.
    if (client.status().waiting) await client.syncNow()
    const unsent = await client.unsent()
    if (unsent) return { done: false, unsent }
    await this.book.signed.delete('last')
    await client.signOut()
    this.client = undefined
    return { done: true, unsent }
  }

  async others(): Promise<{ id: string; name: string; unsent: number }[]> {
    const present = (await this.book.signed.get('last'))?.user
    const out = []
    for (const u of await this.book.users.toArray()) {
      if (u.id === present) continue
      const db = new Database(this.env, u.id)
      const unsent = await db.unsent().finally(() => db.close())
      if (unsent) out.push({ ...u, unsent })
    }
    return out
  }

  private async ask(path: string, token: string, body: unknown): Promise<v.InferOutput<typeof authAnswer>> {
    try {
      return await this.wire.post(path, token, body, authAnswer)
    } catch (e) {
      if (!(e instanceof CallError)) throw e
      if (e.code === 'network' || e.code === 'timeout') throw new SignInError('offline', sentence('sign_in_offline'))
      // PocketBase's own refusal of a wrong password is a 400 without a word of ours.
      if (e.status === 400 && e.code === 'refused') throw new SignInError('bad_credentials', sentence('bad_credentials'))
      throw new SignInError(e.code, e.message)
    }
  }

  private async keep(token: string, record: User): Promise<Signed> {
    const row = { key: 'last' as const, user: record.id, token, token_at: stored(this.env.now()).replace(' ', 'T'), record }
    await this.book.signed.put(row)
    return row
  }

  /** The client of the signed-in user: the open one if it is his, else a new one on his database. */
  private open(signed: Signed): Promise<FieldClient> {
    // Pages may ask at the same time; two clients of one user in one tab would be one too many.
    const opened = this.opening.then(() => this.openNext(signed))
    this.opening = opened.catch(() => {})
    return opened
  }

  private async openNext(signed: Signed): Promise<FieldClient> {
    if (this.client?.user.id === signed.user && !this.client.closed) {
      this.client.renewed(signed)
      return this.client
    }
    this.client?.close()
    const { book } = this
    const returning = await book.users.get(signed.user) !== undefined
    await book.users.put({ id: signed.user, name: signed.record.name })
    const credentials: Credentials = {
      read: async () => {
        const now = await book.signed.get('last')
        return now?.user === signed.user ? now : undefined
      },
      save: async (token, record) => {
        await book.transaction('rw', book.signed, async () => {
          const now = await book.signed.get('last')
          if (now?.user !== signed.user) return // another tab signed somebody else in meanwhile
          await book.signed.put({ ...now, record: userOf(record), ...token !== now.token && { token, token_at: stored(this.env.now()).replace(' ', 'T') } })
        })
      },
      wiped: async (device, token, erase) => {
        await book.transaction('rw', [book.signed, book.users, book.wipes], async () => {
          await book.wipes.put({ user: signed.user, device, token })
          await book.users.delete(signed.user)
          if ((await book.signed.get('last'))?.user === signed.user) await book.signed.delete('last')
        })
        this.client = undefined
        await this.wipe(signed.user, erase)
      },
    }
    const client = await FieldClient.open(this.env, new Database(this.env, signed.user), credentials, signed, returning)
    this.client = client
    if (!this.persisted) {
      this.persisted = true
      // Refused or not, nothing else can be done about it here; 设备自检 shows it.
      void this.env.persist?.().catch(() => false)
    }
    return client
  }

  /** Erases a wiped user's data, then says so to the server; what cannot be said now is said at the next start. */
  private async wipe(user: string, erase: () => Promise<void>): Promise<void> {
    const { book, env } = this
    const w = await book.wipes.get(user)
    if (!w) return
    await erase()
    try {
      await this.wire.post('/api/sync/hello', w.token, { protocol, device: { id: w.device, ...env.device }, sent_at: stored(env.now()), pending: 0, wiped: true }, v.any())
    } catch (e) {
      if (e instanceof CallError && (e.status === 0 || e.status >= 500)) return
    }
    await book.wipes.delete(user)
  }
}

/** The record as pages know a user: lists are lists even where the server left them out. */
function userOf(record: Record<string, any>): User {
  return { name: '', harbour: '', bank: '', street: '', must_change_password: false, ...record, scope_grids: record.scope_grids ?? [] } as unknown as User
}
