// What is kept, and what happens to it: restores, deletes, the office's decisions, full storage. Numbers are those of the protocol page's invariants.
import { beforeEach, expect, test } from 'vitest'
import type { FieldClient } from './client'
import { openSession } from './index'
import { Browser } from './testing/browser'
import { Server } from './testing/server'

let server: Server
let browser: Browser
beforeEach(() => {
  server = new Server()
  server.addUser('w1', 'u1')
  server.addUser('w2', 'u2')
  browser = new Browser(server)
  server.now = () => new Date(browser.time)
})

const day = 86_400_000
const enterprise = (name: string) => ({ op: 'create' as const, collection: 'enterprises', data: { name } })
const visit = (enterprise: string, data = {}) => ({ op: 'create' as const, collection: 'visits', data: { enterprise, outcome: 'met', ...data } })
const rename = (record: string, name: string) => ({ op: 'update' as const, collection: 'enterprises', record, to: { name } })
const jpeg = (n: number) => ({ bytes: new Uint8Array([0xff, 0xd8, n]).buffer, type: 'image/jpeg', taken_at: new Date(1) })
const pushes = () => server.calls.filter(c => c.path === '/api/sync/push')
const kill = (c: FieldClient) => { c.close(); browser.dropLocks(); return browser.resume() }
const synced = async () => {
  const c = await browser.signIn()
  await c.syncNow()
  return c
}

test('服务器恢复到备份：手机按原顺序补报已生效的上报，带上原来的序号和当时的两个时钟，照片也补传（1、3）', async () => {
  const c = await synced(), empty = server.backup()
  const [e] = await c.capture([enterprise('甲')])
  const [v] = await c.capture([{ ...visit(e), pictures: [jpeg(1), { ...jpeg(2), field: 'signature' }] }])
  await c.syncNow()
  await c.capture([rename(e, '乙')])
  browser.time += 1000
  await c.syncNow()
  expect(c.status()).toMatchObject({ pending: 0, pictures: { total: 0 } })
  server.restore(empty)
  const before = server.calls.length
  browser.time += 5000
  const s = await c.syncNow()
  expect(s).toMatchObject({ pending: 0, last_error: null, epoch: server.epoch, pictures: { sent: 0, refused: 0 } })
  const again = server.calls.slice(before).filter(x => x.path === '/api/sync/push').flatMap(p => p.body.epoch === server.epoch ? p.body.mutations : [])
  expect(again.map((m: any) => `${m.op} ${m.collection}`)).toEqual(['create enterprises', 'create visits', 'create photos', 'update enterprises'])
  expect(again.map((m: any) => m.applied_seq)).toEqual([...again.map((m: any) => m.applied_seq)].sort((a, b) => a - b))
  expect(again[0]).toMatchObject({ applied_seq: 1, sent_at: '2026-11-23 01:30:00.000Z', server_time: '2026-11-23 01:30:00.000Z' })
  expect(again[3]).toMatchObject({ sent_at: '2026-11-23 01:30:01.000Z' })
  expect(server.calls.slice(before).map(x => x.path).filter(p => /push|missing|pull/.test(p)).slice(-3)).toEqual(['/api/sync/push', '/api/sync/attachments/missing', '/api/sync/pull'])
  expect(server.pictures.size).toBe(2)
  expect(server.records.get(`visits/${v}`)?.fields.signature).toMatch(/jpg$/)
  expect(server.records.get(`enterprises/${e}`)?.fields.name).toBe('乙')
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'synced', fields: { name: '乙' } })
  await c.syncNow()
  expect(pushes().at(-1)!.body.epoch).toBe(server.epoch)
  expect([...server.applied.values()]).toEqual([1, 1, 1, 1])
})

test('恢复由下载先知道：补报得到回答以前手机什么都不忘，也不下载（1、2）', async () => {
  const c = await synced(), empty = server.backup()
  const [e] = await c.capture([enterprise('甲')])
  await c.syncNow()
  let answered = 0
  server.gate = async path => {
    if (path === '/api/sync/pull' && !answered++) server.restore(empty)
  }
  server.fault = path => answered && path === '/api/sync/push' ? 'unsent' : undefined
  await c.syncNow()
  expect(c.status().last_error?.code).toBe('network')
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'synced', fields: { name: '甲' } })
  const pulls = server.calls.filter(x => x.path === '/api/sync/pull').length
  await c.syncNow()
  expect(server.calls.filter(x => x.path === '/api/sync/pull')).toHaveLength(pulls)
  server.fault = () => undefined
  await c.syncNow()
  expect(server.records.has(`enterprises/${e}`)).toBe(true)
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'synced', rev: 1 })
})

test('无人声明的恢复：书签走在服务器前面就是证据，照样补报（1、8）', async () => {
  const c = await synced(), empty = server.backup()
  const [e] = await c.capture([enterprise('甲')])
  await c.syncNow()
  server.restore(empty, true)
  await c.syncNow()
  expect(server.records.has(`enterprises/${e}`)).toBe(true)
  expect(c.status()).toMatchObject({ last_error: null, epoch: server.epoch })
})

test('补报中途关机：从停下的地方接着报，不重头再来（5）', async () => {
  let c = await synced()
  const empty = server.backup()
  server.limits.push_mutations = 2
  c = await kill(c)
  await c.capture([...'甲乙丙丁戊'].map(enterprise))
  await c.syncNow()
  server.restore(empty)
  let n = 0
  server.fault = path => path === '/api/sync/push' && ++n === 2 ? 'lost' : undefined
  await c.syncNow()
  c = await kill(c)
  const before = server.calls.length
  await c.syncNow()
  expect(server.calls.slice(before).flatMap(x => x.path === '/api/sync/push' ? x.body.mutations.map((m: any) => m.data.name) : [])).toEqual([...'丙丁戊'])
  expect([...server.applied.values()]).toEqual([1, 1, 1, 1, 1])
})

test('补报时，被退回的和等待的按原来的位置一起报；当时有冲突的不带序号，重新比对，看过的冲突不再提（3）', async () => {
  server.put('enterprises', 'e1', { name: '旧', phone: '1' })
  const c = await synced(), backup = server.backup()
  server.put('enterprises', 'e1', { name: '他人改' })
  const [, bad] = await c.capture([rename('e1', '我改'), visit('e1', { outcome: '' }), visit('b'.repeat(32)), enterprise('甲')])
  await c.syncNow()
  expect(c.status()).toMatchObject({ rejected: 1, waiting: 1 })
  await c.dismissConflict((await c.conflicts())[0].id)
  server.restore(backup)
  server.put('enterprises', 'e1', { name: '恢复后又改' })
  const before = server.calls.length
  await c.syncNow()
  const again = server.calls.slice(before).filter(x => x.path === '/api/sync/push' && x.body.epoch === server.epoch)[0].body.mutations
  expect(again.map((m: any) => [m.op, m.applied_seq !== undefined, m.sent_at])).toEqual([['update', false, '2026-11-23 01:30:00.000Z'],
    ['create', false, '2026-11-23 01:30:00.000Z'], ['create', false, '2026-11-23 01:30:00.000Z'], ['create', true, '2026-11-23 01:30:00.000Z']])
  expect(c.status()).toMatchObject({ rejected: 1, waiting: 1, pending: 0 })
  expect((await c.attention())[0].record).toBe(bad)
  expect(await c.conflicts()).toEqual([])
  expect(server.records.get('enterprises/e1')?.fields.name).toBe('恢复后又改')
})

test('恢复后规则不再容许的，退给本人，不悄悄丢掉（3）', async () => {
  const c = await synced(), empty = server.backup()
  const [e] = await c.capture([enterprise('甲')])
  await c.syncNow()
  server.restore(empty)
  server.rule = () => ({ _: { code: 'out_of_scope', message: '不在负责范围' } })
  await c.syncNow()
  expect(await c.attention()).toMatchObject([{ record: e, errors: { _: { code: 'out_of_scope' } } }])
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'rejected', fields: { name: '甲' } })
})

test('已生效的上报和照片按服务器的钟留 14 天，手机的钟错多少天都一样（5）', async () => {
  const c = await synced()
  const [e] = await c.capture([enterprise('甲')])
  await c.capture([{ ...visit(e), pictures: [jpeg(1)] }])
  await c.syncNow()
  await c.syncNow()
  const kept = async () => [await c.db.kept.count(), await c.db.bytes.count()]
  expect(await kept()).toEqual([3, 1])
  browser.wrong = 40 * day
  await c.syncNow()
  expect(await kept()).toEqual([3, 1])
  browser.wrong = -40 * day
  browser.time += 14 * day
  await c.syncNow()
  expect(await kept()).toEqual([3, 1])
  browser.time += 1000
  await c.syncNow()
  expect(await kept()).toEqual([0, 0])
  expect(await c.list('visits')).toHaveLength(1)
})

test('第 15 天才补报的，从补报那天起再留 14 天：那以后的恢复还要靠它（1）', async () => {
  const c = await synced(), empty = server.backup()
  const [e] = await c.capture([enterprise('甲')])
  await c.syncNow()
  server.restore(empty)
  browser.time += 15 * day
  const late = server.backup()
  await c.syncNow()
  server.restore(late)
  await c.syncNow()
  expect(server.records.has(`enterprises/${e}`)).toBe(true)
})

test('手机存储满时先放弃最早的已上报备份，未上报的一样不动（1）', async () => {
  const c = await synced()
  for (const n of [1, 2]) {
    await c.capture([{ ...visit(''), pictures: [jpeg(n)] }])
    await c.syncNow()
    browser.time += day
  }
  const first = (await c.db.pictures.orderBy('order').first())!.id
  browser.say('offline')
  const [own] = await c.capture([{ ...visit(''), pictures: [jpeg(3)] }])
  let room = 3
  c.db.bytes.hook('creating', () => { if (room-- === 3) throw new DOMException('full', 'QuotaExceededError') })
  await c.capture([{ ...visit(''), pictures: [jpeg(4)] }])
  expect(await c.db.bytes.get(first)).toBeUndefined()
  expect((await c.db.pictures.where('state').equals('kept').toArray())).toHaveLength(1)
  expect((await c.picturesOf('visits', own)).map(p => p.state)).toEqual(['pending'])
  c.db.bytes.hook('creating', () => { throw new DOMException('full', 'QuotaExceededError') })
  await expect(c.capture([{ ...visit(''), pictures: [jpeg(5)] }])).rejects.toMatchObject({ code: 'storage_full' })
  expect([await c.db.kept.count(), await c.db.pictures.where('state').equals('kept').count()]).toEqual([0, 0])
  expect(c.status()).toMatchObject({ pending: 4, pictures: { total: 2 } })
  browser.say('online')
  expect(await c.syncNow()).toMatchObject({ pending: 0 })
})

test('退出登录的人近期报过的还留在手机里：服务器恢复后，他再登录时补报（1）', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p')
  await c.syncNow()
  const empty = server.backup()
  const [e] = await c.capture([{ ...enterprise('甲'), pictures: [jpeg(1)] }])
  await c.syncNow()
  await c.syncNow()
  expect(await session.signOut()).toEqual({ done: true, unsent: 0 })
  server.restore(empty)
  const again = await session.signIn('w1', 'p')
  expect(await again.list('enterprises')).toEqual([])
  await again.syncNow()
  expect(server.records.has(`enterprises/${e}`)).toBe(true)
  expect(server.pictures.size).toBe(1)
})

test('退出前再问一次等待的记录；被退回了就先不退出', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p')
  await c.capture([visit('b'.repeat(32))])
  await c.syncNow()
  expect(c.status().waiting).toBe(1)
  const [m] = server.ledger.keys()
  server.ledger.get(m)!.answer = { id: m, status: 'rejected', errors: { _: { code: 'parent_missing', message: '所属记录不存在' } } }
  expect(await session.signOut()).toEqual({ done: false, unsent: 1 })
})

test('撤回刚报的走访：照片和走访从手机和服务器上消失，还没传的照片不再传', async () => {
  const c = await synced()
  const [v] = await c.capture([{ ...visit(''), pictures: [jpeg(1)] }])
  const [photo] = await c.list('photos', { record: v })
  const takeBack = () => c.capture([{ op: 'delete', collection: 'photos', record: photo.id }, { op: 'delete', collection: 'visits', record: v }])
  await takeBack()
  expect([await c.get('visits', v), c.status().pictures.total]).toEqual([undefined, 0])
  await c.syncNow()
  expect(pushes().at(-1)!.body.mutations.at(-1)).toMatchObject({ op: 'delete', record: v, rev: 0 })
  expect(server.view().has(`visits/${v}`)).toBe(false)
  expect(c.status()).toMatchObject({ pending: 0, rejected: 0 })
  await expect(takeBack()).rejects.toMatchObject({ code: 'record_unknown' })
})

test('别人改过的记录不删：两边的情况告诉本人，记录马上又看得到', async () => {
  const c = await synced()
  const [v] = await c.capture([visit('')])
  await c.syncNow()
  server.put('visits', v, { notes: '办公室批注' })
  await c.capture([{ op: 'delete', collection: 'visits', record: v }])
  server.fault = path => path === '/api/sync/pull' ? 'unsent' : undefined
  await c.syncNow()
  expect(pushes().at(-1)!.body.mutations[0].rev).toBe(1)
  expect(await c.conflicts()).toMatchObject([{ record: v, field: '_' }])
  expect((await c.get('visits', v))?.state).toBe('conflict')
})

test('被引用的记录不能删：退给本人，放弃后照旧；解除引用后可重新上报这次删除', async () => {
  const c = await synced()
  const [v] = await c.capture([{ ...visit(''), pictures: [jpeg(1)] }])
  await c.syncNow()
  await c.capture([{ op: 'delete', collection: 'visits', record: v }])
  await c.syncNow()
  const [bad] = await c.attention()
  expect(bad).toMatchObject({ op: 'delete', errors: { _: { code: 'record_referenced' } } })
  expect((await c.get('visits', v))?.state).toBe('rejected')
  await c.capture([{ op: 'delete', collection: 'photos', record: (await c.list('photos', { record: v }))[0].id }])
  await c.mend(bad.mutation, {})
  await c.syncNow()
  expect(c.status().rejected).toBe(1) // the mended one took its old place, before the photo's
  await c.mend((await c.attention())[0].mutation, {})
  await c.syncNow()
  expect(server.view().has(`visits/${v}`)).toBe(false)
  expect(c.status()).toMatchObject({ rejected: 0, pending: 0 })
})

test('删除之后服务器恢复到删除之前：删除也补报，照片不再传', async () => {
  const c = await synced()
  const [v] = await c.capture([{ ...visit(''), pictures: [jpeg(1)] }])
  await c.syncNow()
  const backup = server.backup()
  const [photo] = await c.list('photos', { record: v })
  await c.capture([{ op: 'delete', collection: 'photos', record: photo.id }, { op: 'delete', collection: 'visits', record: v }])
  await c.syncNow()
  server.restore(backup)
  server.pictures.clear()
  await c.syncNow()
  expect([server.view().has(`visits/${v}`), server.pictures.size]).toEqual([false, 0])
  expect(c.status()).toMatchObject({ pending: 0, rejected: 0, pictures: { total: 0 } })
})

test('管理员补录或作废被退回的上报：它自己离开待处理，本人看到处理结果，看过为止', async () => {
  const c = await synced()
  const [v, w] = await c.capture([visit('', { outcome: '', notes: '一' }), { ...visit('', { outcome: '', notes: '二' }), pictures: [jpeg(1)] }])
  await c.syncNow()
  const [first, second] = await c.attention()
  expect(c.status()).toMatchObject({ rejected: 2, waiting: 1 })
  server.decide(first.mutation, 'replay', { outcome: 'met' })
  server.decide(second.mutation, 'drop')
  await c.syncNow()
  expect(c.status()).toMatchObject({ rejected: 0, waiting: 0, pending: 0, pictures: { total: 0 } })
  expect((await c.decisions()).map(d => [d.record, d.resolution, d.note, d.data.notes]).sort()).toEqual([[v, 'replay', '办公室', '一'], [w, 'drop', '办公室', '二']].sort())
  expect(await c.get('visits', v)).toMatchObject({ state: 'synced', fields: { outcome: 'met' } })
  expect(await c.get('visits', w)).toBeUndefined()
  for (const d of await c.decisions()) await c.dismissDecision(d.id)
  server.put('sync_rejections', `r${first.mutation}`, { note: '再看' })
  await c.syncNow()
  expect(await c.decisions()).toEqual([])
})

test('补录之后服务器恢复到补录之前：原来的上报重新报，再被退回给本人，不会不见（3）', async () => {
  const c = await synced(), empty = server.backup()
  const [v] = await c.capture([visit('', { outcome: '', notes: '一' })])
  await c.syncNow()
  server.decide((await c.attention())[0].mutation, 'replay', { outcome: 'met' })
  await c.syncNow()
  server.restore(empty)
  await c.syncNow()
  expect(await c.attention()).toMatchObject([{ record: v, data: { notes: '一' } }])
})

test('管理员处理了冲突：冲突提示换成处理结果，手机跟着服务器', async () => {
  server.put('enterprises', 'e1', { name: '旧' })
  const c = await synced()
  server.put('enterprises', 'e1', { name: '他人改' })
  await c.capture([rename('e1', '我改')])
  await c.syncNow()
  const [note] = await c.conflicts()
  server.put('enterprises', 'e1', { name: '我改' })
  server.put('sync_conflicts', `c${note.id.replace('.', '')}`, { status: 'settled', resolution: 'take_ours', note: '' })
  await c.syncNow()
  expect(await c.conflicts()).toEqual([])
  expect(await c.decisions()).toMatchObject([{ record: 'e1', field: 'name', resolution: 'take_ours', data: { name: '我改' } }])
  expect(await c.get('enterprises', 'e1')).toMatchObject({ state: 'synced', fields: { name: '我改' } })
})

test('应用过旧：上报照常，下载停下并说明，不因此越等越久（9）', async () => {
  const c = await synced()
  server.fault = path => path === '/api/sync/pull' ? { status: 426, code: 'upgrade_required' } : undefined
  await c.capture([enterprise('甲')])
  const s = await c.syncNow()
  expect(s).toMatchObject({ pending: 0, session: 'ok', last_error: { code: 'upgrade_required' } })
  expect(Date.parse(s.next_try_at.replace(' ', 'T')) - browser.time).toBe(30_000)
})
