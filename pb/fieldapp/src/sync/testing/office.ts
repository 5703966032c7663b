import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Fields } from '../contract'
import type { Env } from '../env'
import { stored } from '../ids'
import { Server } from './server'

export interface Worker { id: string; identity: string; password: string; grid: string; token: string }

/** A server and the office's hands on it. */
export interface Office extends Pick<Env, 'fetch'> {
  /** Two workers, each with a grid of his own, and one that both walk. */
  people(): Promise<{ workers: [Worker, Worker]; shared: string }>
  setClock(now: Date): Promise<void>
  /** Changes or makes a record. */
  save(collection: string, id: string, values: Fields): Promise<void>
  backup(): Promise<number>
  /** Puts a backup in the database's place; silent: without telling the server that it was one. */
  restore(n: number, silent?: boolean): Promise<void>
  /** Throws away what newer entries of the change feed stand for. */
  compact(): Promise<void>
  /** What a worker may see, by another way than the sync protocol: "collection/id" → fields. */
  view(of: Worker): Promise<Map<string, Fields>>
  /** What became of each mutation that the server knows, by its id. */
  statuses(): Promise<Map<string, string>>
  /** Decides about a refused mutation. */
  decide(mutation: string, resolution: 'replay' | 'drop', correction: Fields): Promise<void>
}

/** The protocol page's server in memory. */
export class MemoryOffice implements Office {
  readonly server = new Server()
  fetch = this.server.fetch

  constructor() {
    this.server.limits.pull_records = 3
    this.server.limits.push_mutations = 2
  }

  async people(): Promise<{ workers: [Worker, Worker]; shared: string }> {
    const worker = (n: number): Worker => {
      this.server.addUser(`w${n}`, `u${n}`)
      this.server.users[`w${n}`].record.scope_grids = ['shared', `g${n}`]
      return { id: `u${n}`, identity: `w${n}`, password: 'p', grid: `g${n}`, token: '' }
    }
    return { workers: [worker(1), worker(2)], shared: 'shared' }
  }

  async setClock(now: Date): Promise<void> { this.server.now = () => now }
  async save(collection: string, id: string, values: Fields): Promise<void> { this.server.put(collection, id, values) }
  async backup(): Promise<number> { return this.server.backup() }
  async restore(n: number, silent?: boolean): Promise<void> { this.server.restore(n, silent) }
  async compact(): Promise<void> {}
  async view(of: Worker): Promise<Map<string, Fields>> { return this.server.view(of.id) }

  async statuses(): Promise<Map<string, string>> {
    // Nothing took effect twice in one life of the database.
    for (const [id, times] of this.server.applied) if (times !== 1) throw new Error(`${id} took effect ${times} times`)
    return new Map([...this.server.ledger].map(([id, l]) => [id, l.answer.status]))
  }

  async decide(mutation: string, resolution: 'replay' | 'drop', correction: Fields): Promise<void> { this.server.decide(mutation, resolution, correction) }
}

/** What the list API is asked for: every collection that the server's table of scopes names. */
const synced = [...readFileSync(resolve(import.meta.dirname, '../../../../../hooks/access.go'), 'utf8').matchAll(/\{Collection: "(\w+)"/g)].map(m => m[1])

/** The real server, in a process of its own. */
export class RealOffice implements Office {
  private made = 0
  private street = ''
  private constructor(private readonly process: ChildProcess, private readonly url: string) {}

  /** Builds pb/fieldsync/testserver and starts it. */
  static async start(): Promise<RealOffice> {
    const dir = mkdtempSync(join(tmpdir(), 'gangwan-testserver-')), binary = join(dir, 'testserver')
    execFileSync('go', ['build', '-o', binary, '../fieldsync/testserver'], { cwd: resolve(import.meta.dirname, '../../..') })
    const process = spawn(binary, { stdio: ['pipe', 'pipe', 'inherit'] })
    const line = await new Promise<string>((told, reject) => {
      createInterface(process.stdout!).once('line', told)
      process.once('exit', code => reject(new Error(`the test server ended with ${code}`)))
    })
    process.once('exit', () => rmSync(dir, { recursive: true }))
    const office = new RealOffice(process, JSON.parse(line).url)
    office.street = (await office.hand('save', { collection: 'areas', values: { code: '500101001', name: '高笋塘街道', kind: 'street' } })).id
    return office
  }

  stop(): Promise<void> {
    return new Promise(done => {
      this.process.once('exit', () => done())
      this.process.stdin!.end()
    })
  }

  fetch: Env['fetch'] = (url, init) => fetch(this.url + url, init)

  private async hand(name: string, asked: Fields): Promise<Fields> {
    const answer = await fetch(`${this.url}/test/${name}`, { method: 'POST', body: JSON.stringify(asked) })
    const told = await answer.json() as Fields
    if (!answer.ok) throw new Error(`${name} ${JSON.stringify(asked)}: ${told.error}`)
    return told
  }

  async people(): Promise<{ workers: [Worker, Worker]; shared: string }> {
    const run = ++this.made
    const grid = async (name: string): Promise<string> => (await this.hand('save', { collection: 'grids', values: { name: `${name} ${run}`, area: this.street } })).id
    const shared = await grid('共同网格')
    const worker = async (n: number): Promise<Worker> => {
      const own = await grid(`网格 ${n}`)
      const { id, identity, password, token } = await this.hand('user', { values: { name: `worker-${run}-${n}`, role: 'grid_worker' } })
      for (const g of [shared, own]) await this.hand('save', { collection: 'assignments', values: { user: id, grid: g } })
      return { id, identity, password, token, grid: own }
    }
    return { workers: [await worker(1), await worker(2)], shared }
  }

  async setClock(now: Date): Promise<void> { await this.hand('clock', { now: stored(now) }) }
  async save(collection: string, id: string, values: Fields): Promise<void> { await this.hand('save', { collection, id, values }) }
  async backup(): Promise<number> { return (await this.hand('backup', {})).n }
  async restore(n: number, silent?: boolean): Promise<void> { await this.hand('restore', { n, silent }) }
  async compact(): Promise<void> { await this.hand('compact', {}) }

  async view(of: Worker): Promise<Map<string, Fields>> {
    const out = new Map<string, Fields>()
    for (const collection of synced) {
      const answer = await fetch(`${this.url}/api/collections/${collection}/records?perPage=1000`, { headers: { Authorization: of.token } })
      if (!answer.ok) throw new Error(`${collection}: ${answer.status} ${await answer.text()}`)
      for (const { collectionId: _, collectionName: __, ...fields } of (await answer.json()).items) out.set(`${collection}/${fields.id}`, fields)
    }
    return out
  }

  async statuses(): Promise<Map<string, string>> {
    const { rows } = await this.hand('sql', { sql: 'SELECT id, status FROM sync_mutations' })
    return new Map(rows.map((r: Fields) => [r.id, r.status]))
  }

  async decide(mutation: string, resolution: 'replay' | 'drop', correction: Fields): Promise<void> {
    const { rows } = await this.hand('sql', { sql: `SELECT id, mutation FROM sync_rejections WHERE status = 'open' AND mutation_id = '${mutation}'` })
    if (!rows.length) return
    const said = JSON.parse(rows[0].mutation)
    await this.hand('save', { collection: 'sync_rejections', id: rows[0].id,
      values: { resolution, note: '办公室', ...resolution === 'replay' && { correction: { ...said, data: { ...said.data, ...correction } } } } })
  }
}
