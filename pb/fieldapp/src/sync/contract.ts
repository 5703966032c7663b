// What the pages may rely on. The classes beside this file keep these promises; nothing here knows of Vue.

/** Field values in PocketBase's JSON forms: dates "2026-11-23 01:30:00.000Z", geoPoint {lon, lat}, lists as arrays. */
export type Fields = Record<string, any>

/** A record as its user sees it: the pulled copy with this device's own unsent or just-sent work on top; what was captured here has captured_at by this phone's clock. */
export interface RecordView {
  id: string
  fields: Fields
  /** Present revision of the pulled copy, 0 when it was never pulled. */
  rev: number
  state: RecordState
}

/**
 * What the worker is told about a record: 待上报, 已上报, 等待关联记录, 被退回, 冲突.
 * `synced`: nothing of this device is under way. A draft is no record yet (see Draft).
 */
export type RecordState = 'pending' | 'synced' | 'waiting' | 'rejected' | 'conflict'

export interface FieldError { code: string; message: string }

/** A picture to be sent apart from records: bytes are a JPEG, PNG or WebP, compressed already. */
export interface NewPicture {
  /** Names a file field of the record itself ("signature"); without it a `photos` record is captured for the picture. */
  field?: string
  /** The inspection item that it shows. */
  item?: string
  bytes: ArrayBuffer
  type: string
  taken_at: Date
  location?: { lon: number; lat: number }
}

export type Capture =
  | { op: 'create'; collection: string; record?: string; data: Fields; pictures?: NewPicture[] }
  /** `from`: what the person saw when the form opened; without it, what the device shows now. A form that stays open over a pull must not overwrite what came. */
  | { op: 'update'; collection: string; record: string; to: Fields; from?: Fields; pictures?: NewPicture[] }
  /** Takes back an own record that nothing refers to; pictures of it that were not sent are given up. */
  | { op: 'delete'; collection: string; record: string }

/** A mutation of the outbox that needs a person: the server refused it and said why. */
export interface Attention {
  mutation: string
  op: 'create' | 'update' | 'delete'
  collection: string
  record: string
  captured_at: string
  data: Fields
  errors: Record<string, FieldError>
}

/** A picture that the server refused. */
export interface RefusedPicture { id: string; collection: string; record: string; errors: Record<string, FieldError>; bytes: ArrayBuffer; type: string }

/**
 * A field in which the server kept another value than this device's. `theirs` is missing where the user may not see it.
 * `field` "_": the record was not deleted, because somebody else had changed it.
 */
export interface ConflictNote { id: string; at: string; collection: string; record: string; field: string; yours: any; theirs?: any }

/** What the office decided about a refused mutation or a conflict of this device; the queue is rid of it. */
export interface Decision {
  id: string
  /** When this device learned of it. */
  at: string
  collection: string
  record: string
  /** The field of a conflict; '' for a refused mutation. */
  field: string
  /** replay, drop, take_theirs, take_ours; '' where the office did not say. */
  resolution: string
  /** What the office wrote about it. */
  note: string
  /** What the mutation had said. */
  data: Fields
}

/** One line of the outbox page, newest last. A mutation's captured_at is RFC 3339 with the phone's zone; read any time with new Date(t.replace(' ', 'T')). */
export interface OutboxLine { mutation: string; op: string; collection: string; record: string; captured_at: string; state: 'pending' | 'waiting' | 'rejected' }

/** An unfinished form, saved as it is typed; survives reload, kill and update. */
export interface Draft {
  id: string
  form: 'visit' | 'enterprise' | 'demand' | string
  /** What the draft is about, e.g. an enterprise id; used to find it again. */
  subject: string
  title: string
  saved_at: string
  data: Fields
  pictures: NewPicture[]
}

/** The state of exchange with the server, for the banner and the sync page. */
export interface Status {
  online: boolean
  /** signed_out: no user; expired: the token no longer holds, work is kept; password: must be changed before reading; stopped: suspended, wiped … */
  session: 'ok' | 'expired' | 'password' | 'stopped' | 'signed_out'
  /** resend: the server came back from a backup and is sent again what it lost. */
  syncing: '' | 'resend' | 'push' | 'pictures' | 'pull'
  /** Another tab of this browser does the exchange. */
  elsewhere: boolean
  pending: number
  waiting: number
  rejected: number
  pictures: { total: number; sent: number; refused: number }
  oldest_pending_at: string
  last_success_at: string
  last_error: { code: string; message: string; at: string } | null
  next_try_at: string
  device: string
  device_state: string
  epoch: string
  /** While a first or full download runs: records brought so far. */
  downloading: number
  /** Server clock minus this phone's, in seconds, as of the last answer. */
  skew: number
}

export interface User {
  id: string
  name: string
  role: 'grid_worker' | 'harbour_staff' | 'harbour_head' | 'liaison' | 'bank' | 'department' | 'official' | 'street_official'
  harbour: string
  bank: string
  street: string
  scope_grids: string[]
  must_change_password: boolean
  [field: string]: any
}

/** Everything a page needs; one per signed-in user. All methods work without a network unless said otherwise. */
export interface Client {
  readonly user: User
  /** Makes an id: UUIDv7 as 32 lower-case hex digits. */
  newId(): string
  /** The phone's clock. */
  now(): Date

  /** One record, or undefined when the user does not hold it. */
  get(collection: string, id: string): Promise<RecordView | undefined>
  /** All records of a collection whose relation or plain fields equal `where`; unsorted. `refs` are indexed: enterprise, demand, visit, match, record, bank, harbour, grid. */
  list(collection: string, where?: Fields): Promise<RecordView[]>
  /** Runs `query` now and whenever something it read changes; returns the unsubscribe function. */
  live<T>(query: () => Promise<T>, on: (value: T) => void): () => void

  /**
   * Captures work: all of it or nothing, durably, in the order given, optionally removing the draft it came from in the same
   * transaction. Returns the record ids in order. Exchange with the server is tried afterwards.
   */
  capture(work: Capture[], draft?: string): Promise<string[]>

  drafts(form?: string, subject?: string): Promise<Draft[]>
  saveDraft(draft: Omit<Draft, 'saved_at'>): Promise<void>
  dropDraft(id: string): Promise<void>

  status(): Status
  onStatus(on: (status: Status) => void): () => void
  outbox(): Promise<OutboxLine[]>
  attention(): Promise<Attention[]>
  refusedPictures(): Promise<RefusedPicture[]>
  conflicts(): Promise<ConflictNote[]>
  /** The worker has seen it. */
  dismissConflict(id: string): Promise<void>
  /** What the office decided, newest first. */
  decisions(): Promise<Decision[]>
  /** The worker has seen it. */
  dismissDecision(id: string): Promise<void>
  /** Sends a refused mutation again, repaired, under a new id with `replaces`; the record keeps its id. */
  mend(mutation: string, repaired: Fields): Promise<void>
  /** Gives up a refused mutation and what waits behind it on this device; the server keeps it whole. */
  drop(mutation: string): Promise<void>
  dropPicture(id: string): Promise<void>

  /** 立即上报: pushes, sends pictures, pulls; resets back-off. Resolves with the status after it; never throws. */
  syncNow(): Promise<Status>
  /** 核对: compares digests with the server; a difference starts a full download. Needs the network. */
  verify(): Promise<{ equal: boolean; message: string }>
  /** Unsent work as a file that the office can take in (JSON, pictures included as base64). */
  exportUnsent(): Promise<Blob>
  /** A picture's bytes: of this device's queue, or from the server (needs the network). Undefined: not to be had now. */
  picture(collection: string, record: string, file: string): Promise<Blob | undefined>
  /** The pictures of a record, own unsent ones first: those of `photos` and, with `field`, the record's own file. */
  picturesOf(collection: string, record: string): Promise<{ id: string; state: 'pending' | 'sent' | 'refused'; url: () => Promise<string | undefined> }[]>
  /**
   * Hands a file to the server beside the exchange (lists, workbooks) and returns its report. Needs the network; throws an error
   * with a Chinese sentence.
   */
  handIn(path: string, file: Blob, name: string): Promise<any>
  /** A file that the server makes for this user. Needs the network; throws an error with a Chinese sentence. */
  fetchFile(path: string): Promise<Blob>
  close(): void
}

/** Signing in and out. */
export interface Session {
  /** The user who was signed in last and has not signed out, from local storage: works offline. */
  resume(): Promise<Client | undefined>
  /** Needs the network. Throws SignInError with a Chinese message. Signing in again after expiry keeps the outbox and resumes. */
  signIn(identity: string, password: string): Promise<Client>
  /** Needs the network; afterwards the user is signed in with the new password. */
  changePassword(old: string, fresh: string): Promise<void>
  /** Refuses (returns the number of unsent items) while work is unsent. */
  signOut(): Promise<{ done: boolean; unsent: number }>
  /** Other users of this browser who have unsent work on it; it is sent when they sign in again. */
  others(): Promise<{ id: string; name: string; unsent: number }[]>
}

export class SignInError extends Error {
  constructor(readonly code: string, message: string) { super(message) }
}
