// A server of the protocol page, in memory and small enough to be read beside it: what the client's fault stories are told against.
import { fnv1a, hex } from '../ids'
import type { Mutation } from '../outbox'

type Fields = Record<string, any>
type Answer = { id: string; status: string; seq?: number; duplicate?: boolean; conflicts?: Fields; errors?: Fields }
interface Held { rev: number; fields: Fields; gone?: boolean }
interface Meta { id: string; device: string; collection: string; record: string; field?: string; sha256: string; bytes: number }

/** What happens to a call: it never arrives, its answer is lost, it is refused, it hangs, or the answer is another page's. */
export type Fault = 'unsent' | 'lost' | 'hang' | 'portal' | { status: number; code?: string; retryAfter?: number }

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? '') === JSON.stringify(b ?? '')
const sorted = (x: any): any => Array.isArray(x) ? x.map(sorted) : x && typeof x === 'object'
  ? Object.fromEntries(Object.keys(x).sort().map(k => [k, sorted(x[k])])) : x

export class Server {
  epoch = 'e1'
  now = () => new Date('2026-11-23T01:30:00.000Z')
  users: Record<string, { password: string; record: Fields }> = {}
  tokens = new Map<string, string>()
  deviceState = 'active'
  mustChange = false
  limits = { push_mutations: 500, push_bytes: 4 << 20, pull_records: 2000, attachment_bytes: 5 << 20 }
  /** Bytes above which a push is answered 413, whatever the limits said. */
  tooLarge = Infinity
  records = new Map<string, Held>()
  ledger = new Map<string, { body: string; answer: Answer }>()
  /** How often each mutation took effect: never more than once. */
  applied = new Map<string, number>()
  deferred: { m: Mutation; waits: string }[] = []
  pictures = new Map<string, { meta: Meta; bytes: Uint8Array }>()
  feed: string[] = []
  /** Every call that arrived: path and body. */
  calls: { path: string; body: any; raw: string }[] = []
  wipedSaid: string[] = []
  /** Asked for each call; undefined: all goes well. */
  fault: (path: string, count: number) => Fault | undefined = () => undefined
  /** Awaited before a call is dealt with. */
  gate: (path: string) => Promise<void> = async () => {}
  /** Pictures of which the server says that they are none. */
  refusePicture = (_: Meta): Fields | undefined => undefined
  /** The rule that a record breaks, by field. */
  rule = (collection: string, fields: Fields): Fields | undefined =>
    collection === 'visits' && !fields.outcome ? { outcome: { code: 'required', message: '请填写' } } : undefined
  private made = 0

  fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const path = url.split('?')[0], fault = this.fault(path, this.calls.length)
    if (fault === 'unsent') throw new TypeError('Failed to fetch')
    if (fault === 'hang') return new Promise(() => {})
    if (fault === 'portal') return new Response('<html>请登录</html>')
    if (typeof fault === 'object') return this.refuse(fault.status, fault.code, fault.retryAfter)
    await this.gate(path)
    const answer = await this.handle(path, init)
    if (fault === 'lost') throw new TypeError('Failed to fetch')
    return answer
  }

  addUser(identity: string, id: string): void {
    this.users[identity] = { password: 'p', record: { id, name: identity, role: 'grid_worker', scope_grids: [] } }
  }

  /** Changes or makes a record behind the phone's back. */
  put(collection: string, id: string, fields: Fields): void {
    const key = `${collection}/${id}`, held = this.records.get(key)
    this.feed.push(key)
    this.records.set(key, { rev: this.feed.length, fields: { ...held?.fields, ...fields, id } })
  }

  /** Takes a record out of the user's sight. */
  hide(collection: string, id: string): void {
    const key = `${collection}/${id}`
    this.feed.push(key)
    this.records.set(key, { ...this.records.get(key)!, gone: true, rev: this.feed.length })
  }

  /** What the user may see: "collection/id" → fields. */
  view(): Map<string, Fields> {
    return new Map([...this.records].filter(([, r]) => !r.gone).map(([k, r]) => [k, r.fields]))
  }

  private refuse(status: number, code?: string, retryAfter?: number): Response {
    return new Response(JSON.stringify(code ? { code, message: `拒绝：${code}` } : {}), { status, headers: retryAfter ? { 'Retry-After': String(retryAfter) } : {} })
  }

  private json(x: unknown): Response { return new Response(JSON.stringify(x)) }

  private async handle(path: string, init: RequestInit): Promise<Response> {
    const raw = typeof init.body === 'string' ? init.body : ''
    const body = raw ? JSON.parse(raw) : init.body
    this.calls.push({ path, body, raw })
    const token = (init.headers as Record<string, string>).Authorization ?? ''
    const user = this.tokens.get(token)
    const grant = (identity: string) => {
      const fresh = `token-${++this.made}`
      this.tokens.set(fresh, identity)
      return this.json({ token: fresh, record: { ...this.users[identity].record, must_change_password: this.mustChange } })
    }
    if (path.endsWith('/auth-with-password')) return this.users[body.identity]?.password === body.password ? grant(body.identity)
      : new Response(JSON.stringify({ status: 400, message: 'Failed to authenticate.', data: {} }), { status: 400 })
    if (!user) return this.refuse(401, 'unauthorized')
    if (path.endsWith('/auth-refresh')) return grant(user)
    if (path.endsWith('/account/password')) {
      if (this.users[user].password !== body.old) return this.refuse(400, 'wrong_password')
      this.users[user].password = body.new
      this.mustChange = false
      return grant(user)
    }
    if (path.endsWith('/files/token')) return this.json({ token: 'file-token' })
    if (path.startsWith('/api/files/')) return new Response('picture')
    const clock = { server_time: this.now().toISOString().replace('T', ' '), epoch: this.epoch }
    if (path.endsWith('/hello')) {
      if (body.wiped) this.wipedSaid.push(body.device.id)
      return this.json({ protocol: 1, ...clock, user: { id: this.users[user].record.id, must_change_password: this.mustChange, grids: ['g1'] },
        device_state: this.deviceState, min_app_version: '', limits: this.limits })
    }
    if (this.deviceState === 'wiped' || this.deviceState === 'suspended') return this.refuse(403, `device_${this.deviceState}`)
    if (path.endsWith('/push')) {
      if (raw.length > this.tooLarge) return this.refuse(413, 'too_large')
      if (body.epoch && body.epoch !== this.epoch) return this.refuse(409, 'epoch_changed')
      return this.json({ ...clock, results: body.mutations.map((m: Mutation) => this.apply(m)) })
    }
    if (path.endsWith('/pull')) {
      if (this.mustChange) return this.refuse(403, 'password_change_required')
      if (this.deviceState === 'drain_only') return this.refuse(403, 'device_drain_only')
      return this.json({ ...clock, ...this.pull(body) })
    }
    if (path.endsWith('/attachments')) return this.json(await this.attach(init.body as FormData))
    return this.refuse(404)
  }

  private apply(m: Mutation): Answer {
    const body = JSON.stringify(sorted(m)), known = this.ledger.get(m.id)
    if (known) return known.body === body ? { ...known.answer, duplicate: true }
      : { id: m.id, status: 'rejected', errors: { _: { code: 'mutation_reused', message: '同一上报编号已用于其他内容' } } }
    const answer = this.settle(m)
    this.ledger.set(m.id, { body, answer })
    return answer
  }

  private settle(m: Mutation): Answer {
    const key = `${m.collection}/${m.record}`, held = this.records.get(key)
    const missing = m.op === 'update' ? (held ? '' : m.record)
      : ['enterprise', 'visit', 'record'].map(f => m.data?.[f]).find(id => id && ![...this.records.keys()].some(k => k.endsWith(`/${id}`)))
    if (missing) {
      this.deferred.push({ m, waits: missing })
      return { id: m.id, status: 'deferred' }
    }
    const conflicts: Fields = {}
    const next: Fields = { ...held?.fields, ...m.data, id: m.record }
    for (const [f, c] of Object.entries(m.changes ?? {})) {
      if (same(held!.fields[f], c.from) || same(held!.fields[f], c.to)) next[f] = c.to
      else conflicts[f] = { yours: c.to, theirs: held!.fields[f] }
    }
    const errors = m.op === 'create' && held ? { _: { code: 'record_exists', message: '同一编号的记录已存在，内容不同' } } : this.rule(m.collection, next)
    if (errors) return { id: m.id, status: 'rejected', errors }
    this.applied.set(m.id, (this.applied.get(m.id) ?? 0) + 1)
    if (m.collection === 'photos' && this.pictures.has(m.record)) next.file = `${m.record}.jpg`
    this.put(m.collection, m.record, next)
    if (m.op === 'create') this.release(m.record)
    return Object.keys(conflicts).length ? { id: m.id, status: 'conflict', seq: this.feed.length, conflicts } : { id: m.id, status: 'applied', seq: this.feed.length }
  }

  private release(record: string): void {
    const ready = this.deferred.filter(d => d.waits === record)
    this.deferred = this.deferred.filter(d => d.waits !== record)
    for (const { m } of ready) this.ledger.get(m.id)!.answer = this.settle(m)
  }

  private pull(body: { cursor: string | null; digest?: boolean }): Fields {
    const [epoch, at] = (body.cursor ?? '').split(':')
    const known = body.cursor !== null && epoch === this.epoch && Number(at) <= this.feed.length
    const from = known ? Number(at) : 0
    const upto = Math.min(this.feed.length, from + this.limits.pull_records)
    const changes = [...new Set(this.feed.slice(from, upto))].map(key => {
      const [collection, id] = key.split('/'), r = this.records.get(key)!
      return r.gone ? { op: 'remove', collection, id } : { op: 'upsert', collection, rev: r.rev, record: r.fields }
    })
    const more = upto < this.feed.length
    const digest: Fields = {}
    for (const [key, r] of this.records) {
      const [collection, id] = key.split('/')
      const d = digest[collection] ??= { count: 0, xor: 0 }
      if (!r.gone) Object.assign(d, { count: d.count + 1, xor: (d.xor ^ fnv1a(`${id}:${r.rev}`)) >>> 0 })
    }
    return { cursor: `${this.epoch}:${upto}`, more, reset: body.cursor !== null && !known || undefined, changes, digest: body.digest && !more ? digest : undefined }
  }

  private async attach(form: FormData): Promise<Answer> {
    const meta = JSON.parse(form.get('meta') as string) as Meta
    const bytes = new Uint8Array(await (form.get('file') as File).arrayBuffer())
    const answer = { id: meta.id, status: 'applied' }
    if (hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) !== meta.sha256) return { ...answer, status: 'rejected', errors: { sha256: { code: 'checksum_mismatch', message: '照片传输不完整' } } }
    const errors = this.refusePicture(meta)
    if (errors) return { ...answer, status: 'rejected', errors }
    this.pictures.set(meta.id, { meta, bytes })
    const [collection, id, field] = meta.field ? [meta.collection, meta.record, meta.field] : ['photos', meta.id, 'file']
    if (!this.records.has(`${collection}/${id}`)) return { ...answer, status: 'deferred' }
    this.put(collection, id, { [field]: `${meta.id}.jpg` })
    return answer
  }
}
