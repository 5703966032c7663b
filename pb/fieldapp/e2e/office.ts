// A small district on a real server, and people with real browsers: what the stories in this folder are played with.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { parseFile } from './sheet'

export const binary = resolve(import.meta.dirname, '../../../bin/gangwan')
const run = promisify(execFile)

export const password = 'harbour-2026'
const admin = 'admin@example.com'

/** A place in 王家坡社区; shops stand a few metres from it. */
export const corner = { longitude: 108.3802, latitude: 30.8098 }

export type Json = Record<string, any>

export class Office {
  readonly dir = mkdtempSync(join(tmpdir(), 'gangwan-e2e-'))
  url = ''
  ids: Record<string, string> = {}
  private server?: ChildProcess
  private token = ''
  private open: Person[] = []

  /** A street with one harbour, one grid of its own for the worker, four shops on the register, and one account for each role. */
  static async open(): Promise<Office> {
    if (!existsSync(binary)) throw new Error('bin/gangwan is not built: run make build')
    const o = new Office()
    await o.gangwan('superuser', 'upsert', admin, password)
    await o.gangwan('import', 'areas', '--wanzhou')
    await o.start()
    const street = await o.one('areas', "code='500101001'")
    const community = await o.one('areas', "name='王家坡社区居民委员会'")
    o.ids.district = (await o.one('areas', "code='500101'")).id
    o.ids.street = street.id
    const bank = await o.create('banks', { name: '三峡惠民银行', short_name: '惠民银行', kind: 'bank' })
    const other = await o.create('banks', { name: '渝东江城银行', short_name: '江城银行', kind: 'bank' })
    const harbour = await o.create('harbours', { number: '001', name: '高笋塘港湾', kind: 'street', host_bank: bank.id, partner_banks: [other.id], area: street.id, status: 'operating', loan_code: 'https://example.com/loan/001' })
    const grid = await o.create('grids', { name: '王家坡第一网格', area: community.id, harbour: harbour.id })
    await o.create('policies', { title: '小微企业首贷贴息', kind: 'credit', text: '首次贷款贴息', tags: ['micro_small'] })
    await o.create('products', { name: '惠民快贷', bank: bank.id, kind: 'credit', amount_max: 500000, rate_min: 3.65, rate_max: 4.2, tags: ['individual_business'] })
    Object.assign(o.ids, { bank: bank.id, other: other.id, harbour: harbour.id, grid: grid.id })
    const user = (name: string, values: Json) =>
      o.create('users', { name, password, passwordConfirm: password, verified: true, ...values }).then((u) => (o.ids[name] = u.id))
    await user('网格员小卢', { email: 'worker@example.com', role: 'grid_worker', street: street.id })
    await user('当值老范', { email: 'counter@example.com', role: 'harbour_staff', harbour: harbour.id })
    await user('信贷员姜山', { email: 'desk@example.com', role: 'bank', bank: bank.id })
    await user('金融办李科', { email: 'official@example.com', role: 'official', may_export: true })
    await o.create('assignments', { user: o.ids['网格员小卢'], grid: grid.id, from: stored(new Date(Date.now() - 864e5)) })
    const shops = ['重庆小面馆', '三峡五金店', '平湖理发店', '天城水果店']
    for (const [i, name] of shops.entries()) {
      const e = await o.create('enterprises', {
        name, kind: 'individual_business', ownership: 'private', registry_status: '存续', origin: 'registry', size: 'micro', grid: grid.id, status: 'active',
        address: `王家坡 ${i + 1} 号`, contact: '张老板', phone: `1380000000${i}`, location: { lon: corner.longitude + i * 1e-4, lat: corner.latitude },
      })
      o.ids[name] = e.id
    }
    return o
  }

  async gangwan(...args: string[]): Promise<string> {
    const { stdout, stderr } = await run(binary, [...args, '--dir', this.dir])
    return stdout + stderr
  }

  async start(): Promise<void> {
    await this.serve()
    const signedIn = await this.call('POST', '/api/collections/_superusers/auth-with-password', { identity: admin, password })
    this.token = signedIn.token
  }

  /** Starts the server, at the same address each time, and waits until it answers. */
  async serve(): Promise<void> {
    this.url ||= `http://127.0.0.1:${await freePort()}`
    this.server = spawn(binary, ['serve', '--dir', this.dir, '--http', this.url.slice('http://'.length)], { stdio: 'ignore' })
    for (;;) {
      if (this.server.exitCode !== null) throw new Error('the server ended at once')
      const healthy = await fetch(this.url + '/api/health').then((r) => r.ok, () => false)
      if (healthy) break
      await new Promise((r) => setTimeout(r, 50))
    }
  }

  /** kill -9: nothing is said to anybody, nothing is written any more. */
  async kill(): Promise<void> {
    const s = this.server!
    const gone = new Promise((r) => s.once('exit', r))
    s.kill('SIGKILL')
    await gone
  }

  async close(): Promise<void> {
    for (const p of this.open) await p.close()
    const s = this.server
    if (s && s.exitCode === null && s.signalCode === null) {
      const gone = new Promise((r) => s.once('exit', r))
      s.kill('SIGTERM')
      await gone
    }
    rmSync(this.dir, { recursive: true, force: true })
  }

  async call(method: string, path: string, body?: Json): Promise<any> {
    const r = await fetch(this.url + path, {
      method,
      headers: { 'Content-Type': 'application/json', ...(this.token ? { Authorization: this.token } : {}) },
      body: body && JSON.stringify(body),
    })
    const text = await r.text()
    if (!r.ok) throw new Error(`${method} ${path}: ${r.status} ${text}`)
    return text ? JSON.parse(text) : undefined
  }

  create(collection: string, values: Json): Promise<Json> {
    return this.call('POST', `/api/collections/${collection}/records`, values)
  }

  update(collection: string, id: string, values: Json): Promise<Json> {
    return this.call('PATCH', `/api/collections/${collection}/records/${id}`, values)
  }

  async records(collection: string, filter = ''): Promise<Json[]> {
    return (await this.call('GET', `/api/collections/${collection}/records?perPage=500&filter=${encodeURIComponent(filter)}`)).items
  }

  async one(collection: string, filter: string): Promise<Json> {
    const found = await this.records(collection, filter)
    if (found.length !== 1) throw new Error(`${collection} ${filter}: ${found.length} records`)
    return found[0]!
  }

  /** The night's run for one Shanghai day, started by hand. */
  pipeline(day: string): Promise<string> {
    return this.gangwan('pipeline', 'run', '--date', day)
  }

  /** Somebody with a browser of their own: what it keeps survives closing it. */
  async person(width = 360, height = 800): Promise<Person> {
    const p = new Person(this, width, height)
    this.open.push(p)
    await p.start()
    return p
  }

  /** An official's reading of a report page: every figure as indicator|first day of the period|organisation → numerator/denominator. */
  async report(email: string, path: string): Promise<{ html: string; figures: Map<string, string>; workbook: Map<string, string> }> {
    const login = await fetch(this.url + '/reports/login')
    const cookies = (r: Response) => r.headers.getSetCookie().map((c) => c.split(';')[0])
    const jar = cookies(login)
    const form = /name="form" value="([^"]+)"/.exec(await login.text())![1]!
    const signedIn = await fetch(this.url + '/reports/login', {
      method: 'POST', redirect: 'manual', headers: { Cookie: jar.join('; '), 'Content-Type': 'application/x-www-form-urlencoded', Origin: this.url },
      body: new URLSearchParams({ form, identity: email, password }),
    })
    jar.push(...cookies(signedIn))
    const get = async (p: string) => {
      const r = await fetch(this.url + p, { headers: { Cookie: jar.join('; ') } })
      if (!r.ok) throw new Error(`${p}: ${r.status}`)
      return r
    }
    const html = await (await get(path)).text()
    const figures = new Map<string, string>()
    for (const [tag] of html.matchAll(/<[^>]+data-indicator="[^"]+"[^>]*>/g)) {
      const of = (name: string) => new RegExp(`data-${name}="([^"]*)"`).exec(tag)?.[1] ?? ''
      if (of('slice') === '') figures.set(`${of("indicator")}|${of("period-start")}|${of("org")}`, `${of('num')}/${of('den')}`)
    }
    const book = Buffer.from(await (await get(path.replace(/\.html$/, '.xlsx'))).arrayBuffer())
    const file = join(this.dir, 'report.xlsx')
    writeFileSync(file, book)
    return { html, figures, workbook: await parseFile(file) }
  }
}

/** One person, one browser. */
export class Person {
  page!: Page
  context!: BrowserContext
  private readonly profile = mkdtempSync(join(tmpdir(), 'gangwan-browser-'))

  constructor(readonly office: Office, private readonly width: number, private readonly height: number) {}

  async start(): Promise<void> {
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      viewport: { width: this.width, height: this.height },
      deviceScaleFactor: this.width < 1024 ? 2 : 1,
      hasTouch: this.width < 1024,
      locale: 'zh-CN',
      timezoneId: 'Asia/Shanghai',
      geolocation: { ...corner, accuracy: 12 },
      permissions: ['geolocation'],
    })
    this.context.setDefaultTimeout(20_000)
    this.page = this.context.pages()[0] ?? (await this.context.newPage())
  }

  /** Closes the browser as a person does; start() opens it again with all it had kept. */
  async stop(): Promise<void> {
    await this.context.close()
  }

  async close(): Promise<void> {
    await this.context.close().catch(() => {})
    rmSync(this.profile, { recursive: true, force: true })
  }
}

/** A small true JPEG, different each time: a photo as a camera would give it, before compression. */
export async function photo(page: Page): Promise<{ name: string; mimeType: string; buffer: Buffer }> {
  const seed = randomBytes(4).readUInt32BE()
  const data = await page.evaluate((s) => {
    const c = document.createElement('canvas')
    c.width = 1200
    c.height = 1600
    const g = c.getContext('2d')!
    for (let i = 0; i < 400; i++) {
      s = (Math.imul(s, 1664525) + 1013904223) >>> 0
      g.fillStyle = `hsl(${s % 360} 60% ${20 + (s >>> 9) % 60}%)`
      g.fillRect((s >>> 3) % 1200, (s >>> 7) % 1600, 160, 120)
    }
    return c.toDataURL('image/jpeg', 0.92).split(',')[1]!
  }, seed)
  return { name: 'photo.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(data, 'base64') }
}

/** PocketBase's stored form of an instant. */
export const stored = (d: Date) => d.toISOString().replace('T', ' ')

/** The Shanghai day of an instant. */
export const shanghaiDay = (d: Date) => new Date(d.getTime() + 8 * 3600e3).toISOString().slice(0, 10)

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const s = createServer()
    s.once('error', failed)
    s.listen(0, '127.0.0.1', () => {
      const { port } = s.address() as { port: number }
      s.close(() => done(port))
    })
  })
}
