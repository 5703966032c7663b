import type { Client } from './contract'
import { forms } from '../forms/generated'
import type { Database, PictureRow } from './database'
import type { Env } from './env'
import { CallError, sentence } from './errors'
import { stored } from './ids'
import { fileTokenAnswer, missingAnswer, pictureAnswer, type Wire } from './wire'

/** A transfer that damaged the picture is tried again, so often. */
const damagedTries = 3
/** So many pictures are asked about in one call. */
const askedAtOnce = 1000
/** How long a token for files is used, in milliseconds; the server's holds for three minutes. */
const tokenLife = 120_000

/** Sends the pictures one after the other, and finds them again. */
export class Pictures {
  private readonly urls = new Map<string, string>()
  private fileToken = { of: '', token: '', until: 0 }

  constructor(private readonly db: Database, private readonly env: Env, private readonly wire: Wire, private readonly token: () => Promise<string>,
    private readonly serverTime: () => string, private readonly changed: () => Promise<void>) {}

  /** Sends what may go. Throws the CallError that stopped the queue; nothing is lost by it, and the next run begins with another picture. */
  async send(token: string): Promise<void> {
    const tried = new Set<string>()
    for (let next; (next = await this.next(tried));) {
      tried.add(next.id)
      await this.one(token, next)
      await this.changed()
    }
  }

  /** After the server came back from a backup: asks which pictures it lost, and queues those again. Throws CallError. */
  async again(token: string): Promise<void> {
    const { db } = this
    const at = await db.read('resend')
    if (!at?.pictures) return
    const takenBack = new Set((await db.kept.filter(k => k.op === 'delete' && k.status === 'applied').toArray()).map(k => `${k.collection}/${k.record}`))
    const kept = await db.pictures.where('state').anyOf('kept', 'sent').and(p => !takenBack.has(p.field ? `${p.collection}/${p.record}` : `photos/${p.id}`)).toArray()
    const device = await db.read('device')
    for (let i = 0; i < kept.length; i += askedAtOnce) {
      const asked = kept.slice(i, i + askedAtOnce)
      const { missing } = await this.wire.post('/api/sync/attachments/missing', token, { device, ids: asked.map(p => p.id) }, missingAnswer)
      const lost = new Set(missing)
      await db.transaction('rw', [db.pictures, db.bytes], async () => {
        for (const p of asked) {
          if (lost.has(p.id) && await db.bytes.where('id').equals(p.id).count()) await db.pictures.update(p.order, { state: 'pending', tries: 0 })
        }
      })
    }
    await db.write('resend', null)
  }

  private async next(tried: Set<string>): Promise<PictureRow | undefined> {
    const pending = (await this.db.pictures.where('state').equals('pending').toArray()).filter(p => !tried.has(p.id))
    for (const p of pending.sort((a, b) => a.tries - b.tries || a.order - b.order)) if (await this.ready(p)) return p
  }

  /** A picture goes after its record: not while that is unsent, nor while it was refused and may still be given up. */
  private async ready(p: PictureRow): Promise<boolean> {
    const own = await this.db.outbox.where('[collection+record]').equals(p.field ? [p.collection, p.record] : ['photos', p.id]).toArray()
    return !own.some(e => e.op === 'create' && (e.state === 'queued' || e.state === 'refused'))
  }

  private async one(token: string, p: PictureRow): Promise<void> {
    const bytes = await this.db.bytes.get(p.id)
    const refuse = (errors: PictureRow['errors']) => this.db.pictures.update(p.order, { state: 'refused', errors })
    if (!bytes) return void await refuse({ file: { code: 'storage_evicted', message: sentence('storage_evicted') } })
    const form = new FormData()
    form.append('meta', JSON.stringify({ device: await this.db.read('device'), id: p.id, collection: p.collection, record: p.record, field: p.field || undefined,
      sha256: p.sha256, bytes: p.size, sent_at: stored(this.env.now()), taken_at: p.taken_at, location: p.location }))
    form.append('file', new Blob([bytes.bytes], { type: p.type }), `${p.id}.${p.type.replace('image/', '').replace('jpeg', 'jpg')}`)
    try {
      const answer = await this.wire.upload('/api/sync/attachments', token, form, pictureAnswer)
      if (answer.status !== 'rejected') return await this.sent(p)
      const errors = answer.errors ?? {}
      if (Object.values(errors).some(e => e.code === 'checksum_mismatch') && p.tries < damagedTries) await this.db.pictures.update(p.order, { tries: p.tries + 1 })
      else await refuse(errors)
    } catch (e) {
      if (!(e instanceof CallError)) throw e
      // The server will never take it: it must not hold up the others.
      if (e.status === 400 || e.status === 413) return void await refuse({ file: { code: e.code, message: e.message } })
      await this.db.pictures.update(p.order, { tries: p.tries + 1 })
      throw e
    }
  }

  private async sent(p: PictureRow): Promise<void> {
    await this.db.pictures.update(p.order, { state: 'sent', sent_at: this.serverTime() })
  }

  /** Gives up a picture that the server refused. */
  async drop(id: string): Promise<void> {
    await this.db.transaction('rw', [this.db.pictures, this.db.bytes], async () => {
      if (await this.db.pictures.where('id').equals(id).and(p => p.state === 'refused').delete()) await this.db.bytes.delete(id)
    })
    this.forget(id)
  }

  /** The picture's bytes, of the queue (by picture id) or from the server (by file name); undefined when not to be had now. */
  async bytes(collection: string, record: string, file: string): Promise<Blob | undefined> {
    const own = await this.db.bytes.get(file)
    if (own) return new Blob([own.bytes], { type: (await this.db.pictures.where('id').equals(file).first())?.type })
    const path = await this.path(collection, record, file)
    return path === undefined ? undefined : await this.wire.file(path).catch(() => undefined)
  }

  /** The pictures of a record: the queue's, then those of the server that the queue does not know. */
  async of(collection: string, record: string): ReturnType<Client['picturesOf']> {
    const { db } = this
    const own = (await db.pictures.where('[collection+record]').equals([collection, record]).sortBy('order')).filter(p => p.state !== 'kept')
    const held = await db.records.get([collection, record])
    const photos = (await db.records.where('refs').equals(`photos.record:${record}`).toArray()).filter(r => r.fields.collection === collection && r.fields.file)
    const fileFields = Object.entries(forms).find(([name]) => name === collection)?.[1].fields.filter(f => 'attachment' in f && f.attachment).map(f => f.name) ?? []
    const remote = (of: string, id: string, file: string) => async () => {
      const path = await this.path(of, id, file)
      return path === undefined ? undefined : this.env.base + path
    }
    return [
      ...own.flatMap(p => p.state === 'pending' || p.state === 'refused' ? [{ id: p.id, state: p.state, url: () => this.local(p) }] : []),
      ...own.filter(p => p.state === 'sent').map(p => {
        const photo = photos.find(r => r.id === p.id)
        return { id: p.id, state: 'sent' as const, url: photo ? remote('photos', p.id, photo.fields.file) : async () => undefined }
      }),
      ...photos.filter(r => !own.some(p => p.id === r.id)).map(r => ({ id: r.id, state: 'sent' as const, url: remote('photos', r.id, r.fields.file) })),
      ...fileFields.filter(f => held?.fields[f] && !own.some(p => p.field === f))
        .map(f => ({ id: `${record}.${f}`, state: 'sent' as const, url: remote(collection, record, held!.fields[f]) })),
    ]
  }

  private async local(p: PictureRow): Promise<string | undefined> {
    const known = this.urls.get(p.id)
    if (known) return known
    const row = await this.db.bytes.get(p.id)
    if (!row) return undefined
    const url = this.env.objectURL(new Blob([row.bytes], { type: p.type }))
    this.urls.set(p.id, url)
    return url
  }

  private forget(id: string): void {
    const url = this.urls.get(id)
    if (url) this.env.freeURL(url)
    this.urls.delete(id)
  }

  /** Frees what the pages were lent. */
  close(): void {
    for (const id of [...this.urls.keys()]) this.forget(id)
  }

  /** Where the server gives a protected file; undefined without a network. */
  private async path(collection: string, record: string, file: string): Promise<string | undefined> {
    const of = await this.token(), now = this.env.now().getTime()
    if (!of) return undefined
    if (this.fileToken.of !== of || now >= this.fileToken.until || now < this.fileToken.until - tokenLife) {
      try {
        this.fileToken = { of, token: (await this.wire.post('/api/files/token', of, {}, fileTokenAnswer)).token, until: now + tokenLife }
      } catch {
        return undefined
      }
    }
    return `/api/files/${collection}/${record}/${file}?token=${encodeURIComponent(this.fileToken.token)}`
  }
}
