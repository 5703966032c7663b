import Dexie, { type EntityTable, type Table } from 'dexie'
import type { ConflictNote, Decision, Draft, FieldError, Fields } from './contract'
import type { Env } from './env'
import type { Limits } from './wire'

/** A pulled record, whole. */
export interface RecordRow {
  collection: string
  id: string
  rev: number
  fields: Fields
  /** "visits.enterprise:ID" for every relation that lists are asked by. */
  refs: string[]
  /** The full download that brought it last: what an ended one did not bring is forgotten. */
  round: number
}

/** A mutation and its place. */
export interface Work {
  /** Mutations are sent, and shown one on another, in this order; it is unique over the outbox and what is kept. */
  order: number
  mutation: string
  op: 'create' | 'update' | 'delete'
  collection: string
  record: string
  captured_at: string
  /** The mutation as JSON text, frozen at capture: sent again it is the same to the byte. */
  body: string
  /** Bytes of the body in UTF-8. */
  size: number
  /** What it sets, as the user sees it. */
  shown: Fields
}

/** Both clocks of an exchange: when the push left by the phone's, when it was answered by the server's. */
export interface Clocks { sent_at: string; server_time: string }

/** A mutation whose effect the pulled copy may still lack. */
export interface Entry extends Work {
  /** answered: applied or conflict; shown until a pull begun later has brought the server's copy. */
  state: 'queued' | 'waiting' | 'refused' | 'answered'
  /** Pulls begun when the answer came. */
  after: number
  errors: Record<string, FieldError>
  /** Of its first answered exchange; missing: never answered. */
  clocks?: Clocks
}

/** A mutation that took effect, kept until no restore from a backup can undo it any more. */
export interface Kept extends Work, Clocks {
  status: 'applied' | 'conflict'
  /** Where it stands in the server's feed, in the life that answered last. */
  seq: number
  /** When it was answered last, by the server's clock: a restored server has it since then only. */
  kept_at: string
  /** Fields of conflicts that the worker was told of. */
  told: string[]
}

/** A picture of the queue, or kept after it; its bytes lie apart, so that counting pictures reads none. */
export interface PictureRow {
  order: number
  id: string
  collection: string
  record: string
  /** '' for a picture of `photos`. */
  field: string
  type: string
  size: number
  sha256: string
  taken_at: string
  location?: { lon: number; lat: number }
  /** sent: the server's copy was not seen yet; kept: seen, and kept like a mutation that took effect. */
  state: 'pending' | 'sent' | 'refused' | 'kept'
  errors: Record<string, FieldError>
  /** When it was sent, by the server's clock. */
  sent_at?: string
  /** Sends that failed: the least tried goes first, so that one bad picture holds up no other. */
  tries: number
}

/** Single values, by key. */
export interface Meta {
  device: string
  /** Mutations sent and not answered: sent again, the same, before anything else. */
  flight: string[]
  server: { epoch: string; device_state: string; limits: Limits; skew: number }
  pull: {
    cursor: string | null
    /** Pulls begun. */
    pulls: number
    /** A pull was begun and has not reached its last page. */
    under_way: boolean
    round: number
    /** The pull under way is a full download. */
    full: boolean
    /** Records were held when the last page was stored: an empty table beside a cursor then means eviction. */
    some: boolean
  }
  last: { success_at: string; error: { code: string; message: string; at: string } | null }
  /** The server came back from a backup and is not up to date yet: mutations up to this place were sent again; pictures: all of them, the pictures are left. */
  resend: { above: number; pictures: boolean } | null
  /** When deferred mutations were asked about last. */
  asked_at: string
  /** Which tab exchanges, where the browser has no locks. */
  lease: { holder: string; until: number }
}

/** What a database that never met the server says. */
export const fresh: Meta = {
  device: '', flight: [],
  server: { epoch: '', device_state: '', skew: 0, limits: { push_mutations: 500, push_bytes: 4 << 20, pull_records: 2000, attachment_bytes: 5 << 20 } },
  pull: { cursor: null, pulls: 0, under_way: false, round: 0, full: false, some: false },
  last: { success_at: '', error: null }, resend: null, asked_at: '', lease: { holder: '', until: 0 },
}

/** The relations by which lists are asked; each is indexed. */
export const relations = ['enterprise', 'demand', 'visit', 'match', 'record', 'bank', 'harbour', 'grid']

/** The index entries of a record. */
export function refsOf(collection: string, fields: Fields): string[] {
  return relations.flatMap(f => [fields[f]].flat().filter(id => typeof id === 'string' && id !== '').map(id => ref(collection, f, id)))
}

/** One index entry. */
export function ref(collection: string, field: string, id: string): string { return `${collection}.${field}:${id}` }

/** Everything of one user on this device. */
export class Database extends Dexie {
  declare records: Table<RecordRow, [string, string]>
  declare outbox: EntityTable<Entry, 'order'>
  declare pictures: EntityTable<PictureRow, 'order'>
  declare bytes: Table<{ id: string; bytes: ArrayBuffer }, string>
  declare drafts: Table<Draft, string>
  declare conflicts: Table<ConflictNote, string>
  declare kept: Table<Kept, number>
  declare decisions: Table<Decision, string>
  declare meta: Table<{ key: string; value: unknown }, string>

  constructor(env: Env, readonly user: string) {
    // Without Dexie's cache of query results: it is kept by name for the whole page, and shows writes before they are durable.
    // Strict: Chromium otherwise says "done" before the disk has it, and a phone whose battery dies loses what was saved.
    super(`gangwan-${user}`, { indexedDB: env.indexedDB, IDBKeyRange: env.IDBKeyRange, cache: 'disabled', chromeTransactionDurability: 'strict' })
    this.version(1).stores({
      records: '[collection+id], *refs, round',
      outbox: '++order, &mutation, [collection+record], [state+order]',
      pictures: '++order, &id, [collection+record], state',
      bytes: 'id',
      drafts: 'id',
      conflicts: 'id, [collection+record]',
      meta: 'key',
    })
    this.version(2).stores({ kept: 'order, kept_at', decisions: 'id' })
  }

  /** A single value, or what a fresh database says. */
  async read<K extends keyof Meta>(key: K): Promise<Meta[K]> {
    const row = await this.meta.get(key)
    return row ? row.value as Meta[K] : fresh[key]
  }

  async write<K extends keyof Meta>(key: K, value: Meta[K]): Promise<void> {
    await this.meta.put({ key, value })
  }

  /** Mutations and pictures that the server does not have, or wants mended. */
  async unsent(): Promise<number> {
    const [queued, refused, pictures] = await Promise.all([
      this.inState('queued').count(), this.inState('refused').count(), this.pictures.where('state').anyOf('pending', 'refused').count()])
    return queued + refused + pictures
  }

  /** The mutations in a state, in order. */
  inState(state: Entry['state']) {
    return this.outbox.where('[state+order]').between([state, Dexie.minKey], [state, Dexie.maxKey])
  }
}
