// A server of the protocol page, in memory and small enough to be read beside it: what the client's fault stories are told against.
import { fnv1a, hex } from '../ids'
import type { Mutation } from '../outbox'

type Fields = Record<string, any>
type Answer = { id: string; status: string; seq?: number; duplicate?: boolean; conflicts?: Fields; errors?: Fields }
/** gone: out of sight; dead: deleted. `by`: who changed it, revision by revision. */
interface Held { rev: number; fields: Fields; gone?: boolean; dead?: boolean; by: { rev: number; device: string }[] }
/** What comes beside a mutation that is sent again after a restore. */
interface Again { applied_seq?: number; sent_at?: string; server_time?: string }
interface Sender { user: string; device: string }
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
  /** Since a restore: "collection/id/field" → where its last write stood in the life before; Infinity: written in this one. */
  rewritten?: Map<string, number>
  /** How often each mutation took effect: never more than once. */
  applied = new Map<string, number>()
  deferred: { m: Mutation; waits: string; from: Sender }[] = []
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
  put(collection: string, id: string, fields: Fields, device = ''): void {
    const key = `${collection}/${id}`, held = this.records.get(key)
    if (!device) for (const f of Object.keys(fields)) if (!same(held?.fields[f], fields[f])) this.rewritten?.set(`${key}/${f}`, Infinity)
    this.touch(key, { fields: { ...held?.fields, ...fields, id }, gone: false }, device)
    // What hangs on an enterprise follows it to another grid.
    if (held && fields.grid !== undefined && held.fields.grid !== fields.grid) {
      for (const [k, r] of this.records) if (k !== key && !r.dead && this.enterpriseOf(r.fields) === id) this.touch(k, {}, device)
    }
  }

  private touch(key: string, change: Partial<Held>, device = ''): void {
    const held = this.records.get(key)
    this.feed.push(key)
    this.records.set(key, { fields: {}, ...held, ...change, rev: this.feed.length, by: [...held?.by ?? [], { rev: this.feed.length, device }] })
  }

  /** Takes a record out of the user's sight. */
  hide(collection: string, id: string): void { this.touch(`${collection}/${id}`, { gone: true }) }

  /** Deletes a record behind the phone's back. */
  erase(collection: string, id: string): void { this.touch(`${collection}/${id}`, { gone: true, dead: true }) }

  private enterpriseOf(fields: Fields): string | undefined {
    const owner = fields.record && this.records.get(`${fields.collection}/${fields.record}`)?.fields
    return fields.collection === 'enterprises' ? fields.record : owner ? this.enterpriseOf(owner) : fields.enterprise
  }

  /** A record in a grid is seen by those who walk it, what was refused by its sender, everything else by all. */
  private sees(user: string, key: string): boolean {
    const { fields, gone } = this.records.get(key)!
    if (gone || fields.scope_user && fields.scope_user !== user) return false
    const enterprise = key.startsWith('enterprises/') ? fields : this.records.get(`enterprises/${this.enterpriseOf(fields)}`)?.fields
    const grids: string[] = Object.values(this.users).find(u => u.record.id === user)?.record.scope_grids ?? []
    return !enterprise?.grid || !grids.length || grids.includes(enterprise.grid)
  }

  /** What a user may see: "collection/id" → fields. */
  view(user = Object.values(this.users)[0].record.id): Map<string, Fields> {
    return new Map([...this.records].filter(([k]) => this.sees(user, k)).map(([k, r]) => [k, r.fields]))
  }

  private backups: string[] = []

  /** Copies the database; restore brings it back by the number. */
  backup(): number {
    const { records, ledger, deferred, pictures, feed } = this
    return this.backups.push(JSON.stringify({ records: [...records], ledger: [...ledger], deferred, feed,
      pictures: [...pictures].map(([id, p]) => [id, { ...p, bytes: [...p.bytes] }]) })) - 1
  }

  /** Silent: nobody tells anyone; the epoch stays until a cursor ahead of the feed proves it. */
  restore(n: number, silent = false): void {
    const { records, ledger, deferred, pictures, feed } = JSON.parse(this.backups[n])
    Object.assign(this, { records: new Map(records), ledger: new Map(ledger), deferred, feed,
      pictures: new Map(pictures.map(([id, p]: [string, any]) => [id, { ...p, bytes: Uint8Array.from(p.bytes) }])) })
    this.applied.clear()
    if (!silent) this.beginLife()
  }

  private beginLife(): void {
    this.epoch = `e${++this.made}+`
    this.rewritten = new Map()
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
    const from = { user: this.users[user].record.id as string, device: body.device as string }
    if (this.deviceState === 'wiped' || this.deviceState === 'suspended') return this.refuse(403, `device_${this.deviceState}`)
    if (path.endsWith('/push')) {
      if (raw.length > this.tooLarge) return this.refuse(413, 'too_large')
      if (body.epoch && body.epoch !== this.epoch) return this.refuse(409, 'epoch_changed')
      return this.json({ ...clock, results: body.mutations.map((m: Mutation & Again) => this.apply(m, from)) })
    }
    if (path.endsWith('/pull')) {
      if (this.mustChange) return this.refuse(403, 'password_change_required')
      if (this.deviceState === 'drain_only') return this.refuse(403, 'device_drain_only')
      const page = this.pull(body, from.user)
      return this.json({ ...clock, epoch: this.epoch, ...page })
    }
    if (path.endsWith('/missing')) return this.json({ missing: body.ids.filter((id: string) => !this.pictures.has(id)) })
    if (path.endsWith('/attachments')) return this.json(await this.attach(init.body as FormData))
    return this.refuse(404)
  }

  private apply({ applied_seq, sent_at: _s, server_time: _t, ...m }: Mutation & Again, from: Sender): Answer {
    const body = JSON.stringify(sorted(m)), known = this.ledger.get(m.id)
    if (known) return known.body === body ? { ...known.answer, duplicate: true }
      : { id: m.id, status: 'rejected', errors: { _: { code: 'mutation_reused', message: '同一上报编号已用于其他内容' } } }
    const answer = this.settle(m, from, this.rewritten && applied_seq)
    this.ledger.set(m.id, { body, answer })
    return answer
  }

  private settle(m: Mutation, from: Sender, seq?: number): Answer {
    const key = `${m.collection}/${m.record}`, held = this.records.get(key)
    const refuse = (errors: Fields): Answer => {
      if (!this.records.has(`sync_rejections/r${m.id}`)) this.put('sync_rejections', `r${m.id}`, { scope_user: from.user, mutation_id: m.id, status: 'open', mutation: m, errors }, 'server')
      return { id: m.id, status: 'rejected', errors }
    }
    const no = (code: string) => refuse({ _: { code, message: code } })
    const done = (conflicts: Fields = {}): Answer => {
      this.applied.set(m.id, (this.applied.get(m.id) ?? 0) + 1)
      for (const field of Object.keys(conflicts)) {
        this.put('sync_conflicts', `c${m.id}${field}`, { scope_user: from.user, mutation_id: m.id, field, status: 'open', ...conflicts[field] }, 'server')
      }
      if (m.replaces && this.records.has(`sync_rejections/r${m.replaces}`)) this.put('sync_rejections', `r${m.replaces}`, { status: 'replaced' }, 'server')
      return { id: m.id, seq: this.feed.length, ...Object.keys(conflicts).length ? { status: 'conflict', conflicts } : { status: 'applied' } }
    }
    const before = (field: string) => this.rewritten?.get(`${key}/${field}`) ?? 0
    if (held?.dead) return m.op === 'delete' || seq && before('') > seq && before('') < Infinity ? done() : no('record_gone')
    const missing = m.op !== 'create' ? (held ? '' : m.record)
      : ['enterprise', 'visit', 'record'].map(f => m.data?.[f]).find(id => id && ![...this.records].some(([k, r]) => k.endsWith(`/${id}`) && !r.dead))
    if (missing) {
      if ([...this.records].some(([k, r]) => k.endsWith(`/${missing}`) && r.dead)) return no('parent_missing')
      this.deferred.push({ m, waits: missing, from })
      return { id: m.id, status: 'deferred' }
    }
    if (m.op === 'delete') {
      if ([...this.records.values()].some(r => !r.dead && ['enterprise', 'visit', 'record'].some(f => r.fields[f] === m.record))) return no('record_referenced')
      const lost = seq && [...this.rewritten ?? []].some(([k, at]) => k.startsWith(`${key}/`) && at > seq && at < Infinity)
      const touched = seq ? [...this.rewritten ?? []].some(([k, at]) => k.startsWith(`${key}/`) && at === Infinity) : held!.by.some(b => b.rev > (m.rev ?? 0) && b.device !== from.device)
      if (touched) return done({ _: { yours: null, theirs: held!.fields } })
      if (!lost) {
        this.touch(key, { gone: true, dead: true }, from.device)
        this.rewritten?.set(`${key}/`, seq ?? Infinity)
      }
      return done()
    }
    const conflicts: Fields = {}, set: Fields = { ...m.data }
    for (const [f, c] of Object.entries(m.changes ?? {})) {
      const at = before(f)
      if (seq && at > seq && at < Infinity) continue // something later stands
      if (same(held!.fields[f], c.from) || same(held!.fields[f], c.to) || seq && at < Infinity) set[f] = c.to
      else conflicts[f] = { yours: c.to, theirs: held!.fields[f] }
    }
    const next: Fields = { ...held?.fields, ...set, id: m.record }
    const errors = m.op === 'create' && held ? Object.keys(m.data ?? {}).some(f => !same(held.fields[f], m.data![f])) ? { _: { code: 'record_exists', message: '同一编号的记录已存在，内容不同' } } : undefined
      : this.rule(m.collection, next)
    if (errors) return refuse(errors)
    if (m.op === 'create' && held) return done()
    if (m.collection === 'photos' && this.pictures.has(m.record)) set.file = `${m.record}.jpg`
    if (m.op === 'create' || Object.keys(set).some(f => !same(held!.fields[f], set[f]))) this.put(m.collection, m.record, set, from.device)
    if (m.op === 'update') for (const f of Object.keys(set)) this.rewritten?.set(`${key}/${f}`, Math.max(before(f), seq ?? Infinity))
    if (m.op === 'create') this.release(m.record)
    return done(conflicts)
  }

  private release(record: string): void {
    const ready = this.deferred.filter(d => d.waits === record)
    this.deferred = this.deferred.filter(d => d.waits !== record)
    for (const { m, from } of ready) this.ledger.get(m.id)!.answer = this.settle(m, from)
  }

  /** The office decides about a refused mutation: takes it in as corrected, or gives it up. */
  decide(mutation: string, resolution: 'replay' | 'drop', correction: Fields = {}): void {
    const refused = this.records.get(`sync_rejections/r${mutation}`)?.fields
    if (refused?.status !== 'open') return // a restore took it away
    const { mutation: m, scope_user } = refused
    if (resolution === 'replay') {
      const from = { user: scope_user, device: '' }
      this.ledger.get(mutation)!.answer = this.settle({ ...m, data: { ...m.data, ...correction } }, from)
    }
    this.put('sync_rejections', `r${mutation}`, { status: 'settled', resolution, note: '办公室' }, 'server')
  }

  private pull(body: { cursor: string | null; digest?: boolean }, user: string): Fields {
    const [epoch, at] = (body.cursor ?? '').split(':')
    if (body.cursor !== null && epoch === this.epoch && Number(at) > this.feed.length) this.beginLife()
    const known = body.cursor !== null && epoch === this.epoch
    const from = known ? Number(at) : 0
    const upto = Math.min(this.feed.length, from + this.limits.pull_records)
    const changes = [...new Set(this.feed.slice(from, upto))].map(key => {
      const [collection, id] = key.split('/'), r = this.records.get(key)!
      return this.sees(user, key) ? { op: 'upsert', collection, rev: r.rev, record: r.fields } : { op: 'remove', collection, id }
    })
    const more = upto < this.feed.length
    const digest: Fields = {}
    for (const [key, r] of this.records) {
      const [collection, id] = key.split('/')
      const d = digest[collection] ??= { count: 0, xor: 0 }
      if (this.sees(user, key)) Object.assign(d, { count: d.count + 1, xor: (d.xor ^ fnv1a(`${id}:${r.rev}`)) >>> 0 })
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
    this.put(collection, id, { [field]: `${meta.id}.jpg` }, meta.device)
    return answer
  }
}
