/** The world as the sync client meets it; tests put in their own, so that every story can be replayed. */
export interface Env {
  /** Origin of the server, '' for the page's own. */
  base: string
  fetch: (url: string, init: RequestInit) => Promise<Response>
  now(): Date
  /** n random bytes. */
  random(n: number): Uint8Array<ArrayBuffer>
  /** SHA-256 by the platform; missing where the page is no secure context. */
  digest?(bytes: ArrayBuffer): Promise<ArrayBuffer>
  indexedDB: IDBFactory
  IDBKeyRange: typeof IDBKeyRange
  /** Missing in old browsers: a lease in the database stands in. */
  locks?: Pick<LockManager, 'request'>
  /** Talks to the other tabs of this browser; missing where the platform has none. */
  channel?(name: string, heard: (message: unknown) => void): { post(message: unknown): void; close(): void }
  events: {
    online(): boolean
    visible(): boolean
    /** Calls back when the network comes back or the page is seen again; returns the end of listening. */
    listen(on: (what: 'online' | 'offline' | 'visible' | 'hidden') => void): () => void
  }
  timers: {
    /** Calls back after ms milliseconds, once; returns how to call it off. */
    after(ms: number, then: () => void): () => void
  }
  /** Asks the browser not to throw the data away when space runs short. */
  persist?(): Promise<boolean>
  /** An address under which the page can show the blob, until it is freed. */
  objectURL(blob: Blob): string
  freeURL(url: string): void
  /** How this installation names itself to the server; its id belongs to the user's database. */
  device: { name: string; platform: string; app_version: string }
}

/**
 * The browser as an Env.
 * @param device how the installation names itself; `app_version` is compared with the server's min_app_version
 */
export function browserEnv(device: Partial<Env['device']> = {}): Env {
  const agent = navigator.userAgent
  return {
    base: '',
    fetch: (url, init) => fetch(url, init),
    now: () => new Date(),
    random: n => crypto.getRandomValues(new Uint8Array(n)),
    digest: crypto.subtle ? bytes => crypto.subtle.digest('SHA-256', bytes) : undefined,
    indexedDB,
    IDBKeyRange,
    locks: navigator.locks,
    channel: typeof BroadcastChannel === 'undefined' ? undefined : (name, heard) => {
      const channel = new BroadcastChannel(name)
      channel.onmessage = e => heard(e.data)
      return { post: m => channel.postMessage(m), close: () => channel.close() }
    },
    events: {
      online: () => navigator.onLine,
      visible: () => document.visibilityState === 'visible',
      listen(on) {
        const online = () => on('online'), offline = () => on('offline')
        const seen = () => on(document.visibilityState === 'visible' ? 'visible' : 'hidden')
        addEventListener('online', online)
        addEventListener('offline', offline)
        document.addEventListener('visibilitychange', seen)
        return () => {
          removeEventListener('online', online)
          removeEventListener('offline', offline)
          document.removeEventListener('visibilitychange', seen)
        }
      },
    },
    timers: {
      after(ms, then) {
        const timer = setTimeout(then, ms)
        return () => clearTimeout(timer)
      },
    },
    persist: navigator.storage?.persist ? () => navigator.storage.persist() : undefined,
    objectURL: blob => URL.createObjectURL(blob),
    freeURL: url => URL.revokeObjectURL(url),
    device: {
      name: device.name ?? (/\(([^;)]+)/.exec(agent)?.[1] ?? '浏览器').slice(0, 80),
      platform: device.platform ?? agent.slice(0, 80),
      app_version: device.app_version ?? '0.1.0',
    },
  }
}
