// A browser for tests: its storage outlives its tabs, its clock and its timers move only when told.
import Dexie from 'dexie'
import { IDBFactory, IDBKeyRange } from 'fake-indexeddb'
import type { FieldClient } from '../client'
import type { Env } from '../env'
import { openSession } from '../index'

// Live queries stay silent where the platform has no IndexedDB at all.
Dexie.dependencies.indexedDB = new IDBFactory()
Dexie.dependencies.IDBKeyRange = IDBKeyRange

type What = 'online' | 'offline' | 'visible' | 'hidden'

export class Browser {
  readonly indexedDB = new IDBFactory()
  time = Date.parse('2026-11-23T01:30:00.000Z')
  /** How wrong its clock is, in milliseconds; timers know nothing of it. */
  wrong = 0
  online = true
  visible = true
  locks = true
  subtle = true
  persisted = 0
  private timers: { at: number; then: () => void }[] = []
  private ears = new Set<(w: What) => void>()
  private channels = new Set<{ name: string; heard: (m: unknown) => void }>()
  private tails = new Map<string, Promise<unknown>>()
  private seed: number

  constructor(readonly server: Pick<Env, 'fetch'>, seed = 1) { this.seed = seed }

  env(): Env {
    return {
      base: '',
      fetch: (url, init) => this.online ? this.server.fetch(url, init) : Promise.reject(new TypeError('Failed to fetch')),
      now: () => new Date(this.time + this.wrong),
      // mulberry32: a run can be told again
      random: n => Uint8Array.from({ length: n }, () => {
        let t = this.seed = this.seed + 0x6d2b79f5 | 0
        t = Math.imul(t ^ t >>> 15, t | 1)
        t ^= t + Math.imul(t ^ t >>> 7, t | 61)
        return (t ^ t >>> 14) & 255
      }),
      digest: this.subtle ? b => crypto.subtle.digest('SHA-256', b) : undefined,
      indexedDB: this.indexedDB,
      IDBKeyRange,
      locks: this.locks ? { request: this.lock as unknown as LockManager['request'] } : undefined,
      channel: (name, heard) => {
        const me = { name, heard }
        this.channels.add(me)
        return { post: m => { for (const c of this.channels) if (c !== me && c.name === name) c.heard(m) }, close: () => { this.channels.delete(me) } }
      },
      events: { online: () => this.online, visible: () => this.visible, listen: on => { this.ears.add(on); return () => { this.ears.delete(on) } } },
      timers: {
        after: (ms, then) => {
          const t = { at: this.time + ms, then }
          this.timers.push(t)
          return () => { this.timers = this.timers.filter(x => x !== t) }
        },
      },
      persist: async () => { this.persisted++; return true },
      objectURL: () => `blob:${++this.seed}`,
      freeURL: () => {},
      device: { name: 'test', platform: 'test', app_version: '0.1.0' },
    }
  }

  private lock = async (name: string, options: { ifAvailable?: boolean }, f: (lock: unknown) => Promise<unknown>) => {
    const tail = this.tails.get(name)
    if (tail && options.ifAvailable) return f(null)
    const mine = (async () => { await tail?.catch(() => {}); return f({ name }) })()
    this.tails.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.tails.get(name) === mine) this.tails.delete(name)
    }
  }

  /** A killed tab holds no lock. */
  dropLocks(): void { this.tails.clear() }

  /** Lets time pass and calls back what has come due, in order. */
  pass(ms: number): void {
    const until = this.time + ms
    for (;;) {
      const due = this.timers.filter(t => t.at <= until).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.timers = this.timers.filter(t => t !== due)
      this.time = Math.max(this.time, due.at)
      due.then()
    }
    this.time = until
  }

  say(what: What): void {
    if (what === 'online' || what === 'offline') this.online = what === 'online'
    else this.visible = what === 'visible'
    for (const e of [...this.ears]) e(what)
  }

  /** Opens a tab and signs in. */
  async signIn(identity = 'w1', password = 'p'): Promise<FieldClient> { return await openSession(this.env()).signIn(identity, password) as FieldClient }

  /** Opens a tab that remembers who was signed in. */
  async resume(): Promise<FieldClient> { return await openSession(this.env()).resume() as FieldClient }
}

/** Waits until what the client tells of itself is so. */
export function until(client: Pick<FieldClient, 'onStatus'>, so: (s: ReturnType<FieldClient['status']>) => boolean): Promise<void> {
  return new Promise(resolve => {
    let off = () => {}
    let done = false
    off = client.onStatus(s => {
      if (done || !so(s)) return
      done = true
      resolve()
      queueMicrotask(() => off())
    })
  })
}
