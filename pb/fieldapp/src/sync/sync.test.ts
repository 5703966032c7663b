import { beforeEach, expect, test } from 'vitest'
import type { FieldClient } from './client'
import { openSession, SignInError } from './index'
import { Browser, until } from './testing/browser'
import { Server, type Fault } from './testing/server'

let server: Server
let browser: Browser
beforeEach(() => {
  server = new Server()
  server.addUser('w1', 'u1')
  server.addUser('w2', 'u2')
  browser = new Browser(server)
  server.now = () => new Date(browser.time)
})

const enterprise = (name: string) => ({ op: 'create' as const, collection: 'enterprises', data: { name } })
const visit = (enterprise: string, data = {}) => ({ op: 'create' as const, collection: 'visits', data: { enterprise, outcome: 'met', ...data } })
const jpeg = (n: number) => ({ bytes: new Uint8Array([0xff, 0xd8, n]).buffer, type: 'image/jpeg', taken_at: new Date(1) })
const pushes = () => server.calls.filter(c => c.path === '/api/sync/push')
const once = (path: string, fault: Fault) => {
  server.fault = p => p === path ? (server.fault = () => undefined, fault) : undefined
}
/** The tab dies; what it stored stays. */
const kill = (c: FieldClient) => { c.close(); browser.dropLocks(); return browser.resume() }

test('走访在没有网络时采集，手机上立即可见，联网后上报一次并显示服务器的版本', async () => {
  const c = await browser.signIn()
  browser.say('offline')
  const [e] = await c.capture([enterprise('张记面馆')])
  const [v] = await c.capture([visit(e, { notes: '门口' })])
  expect(await c.get('visits', v)).toMatchObject({ state: 'pending', rev: 0, fields: { enterprise: e, captured_at: '2026-11-23 01:30:00.000Z' } })
  expect((await c.syncNow()).last_error?.code).toBe('network')
  expect(c.status()).toMatchObject({ pending: 2, online: false })
  browser.say('online')
  const s = await c.syncNow()
  expect(s).toMatchObject({ pending: 0, last_error: null, session: 'ok', epoch: 'e1' })
  expect(await c.get('visits', v)).toMatchObject({ state: 'synced', rev: 2, fields: { notes: '门口' } })
  expect(await c.db.outbox.count()).toBe(0)
  expect([...server.applied.values()]).toEqual([1, 1])
})

test('上报的回答丢失，原样重发：同样的编号、同样的顺序、同样的内容，只生效一次', async () => {
  const c = await browser.signIn()
  const [e] = await c.capture([enterprise('甲'), enterprise('乙')])
  once('/api/sync/push', 'lost')
  await c.syncNow()
  await c.capture([visit(e)])
  await c.syncNow()
  const [first, second, third] = pushes()
  const bodies = (p: { raw: string }) => p.raw.slice(p.raw.indexOf('"mutations":'))
  expect(bodies(second)).toBe(bodies(first))
  expect(third.body.mutations).toHaveLength(1)
  expect([...server.applied.values()]).toEqual([1, 1, 1])
})

test('上报途中手机关机，重启后先把未得到回答的那一批原样重发', async () => {
  let c = await browser.signIn()
  await c.capture([enterprise('甲')])
  once('/api/sync/push', 'lost')
  await c.syncNow()
  c = await kill(c)
  await c.capture([enterprise('乙')])
  await c.syncNow()
  expect(pushes().map(p => p.body.mutations.map((m: any) => m.data.name))).toEqual([['甲'], ['甲'], ['乙']])
  expect([...server.applied.values()]).toEqual([1, 1])
})

test('已生效的上报在下一次开始的下载结束之前，手机上一直看得到', async () => {
  const c = await browser.signIn()
  const [e] = await c.capture([enterprise('甲')])
  once('/api/sync/pull', 'lost')
  await c.syncNow()
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'synced', rev: 0, fields: { name: '甲' } })
  await c.syncNow()
  expect(await c.get('enterprises', e)).toMatchObject({ state: 'synced', rev: 1 })
  expect(await c.db.outbox.count()).toBe(0)
})

test('在一次下载中途得到的回答，要到再下一次下载结束才撤下本机的版本', async () => {
  const c = await browser.signIn()
  const pullOf = (n: number) => server.calls.filter(x => x.path === '/api/sync/pull').length === n
  server.limits.pull_records = 1
  server.put('banks', 'b1', { name: '行' })
  server.put('banks', 'b2', { name: '行' })
  server.fault = p => p === '/api/sync/pull' && pullOf(1) ? 'lost' : undefined
  await c.syncNow() // one page of two is stored
  server.fault = () => undefined
  const [e] = await c.capture([enterprise('甲')])
  await c.syncNow()
  expect(await c.db.outbox.where({ collection: 'enterprises', record: e }).count().catch(() => c.db.outbox.count())).toBe(1)
  await c.syncNow()
  expect(await c.db.outbox.count()).toBe(0)
})

test('被退回的走访留在手机上并说明原因，改正后以新编号重报，记录编号不变', async () => {
  const c = await browser.signIn()
  const [e, v] = await c.capture([enterprise('甲'), { op: 'create', collection: 'visits', data: { enterprise: '', notes: '记' }, pictures: [jpeg(1)] }])
  await c.syncNow()
  const [bad] = await c.attention()
  expect(bad).toMatchObject({ record: v, errors: { outcome: { code: 'required' } } })
  expect(c.status()).toMatchObject({ rejected: 1, waiting: 1 })
  expect((await c.get('visits', v))?.state).toBe('rejected')
  await c.mend(bad.mutation, { outcome: 'met', enterprise: e })
  await c.syncNow()
  const mended = pushes().flatMap(p => p.body.mutations).find((m: any) => m.replaces)
  expect(mended).toMatchObject({ replaces: bad.mutation, record: v, captured_at: bad.captured_at })
  expect(mended.id).not.toBe(bad.mutation)
  expect(await c.get('visits', v)).toMatchObject({ state: 'synced', fields: { notes: '记', outcome: 'met' } })
  expect(c.status()).toMatchObject({ rejected: 0, waiting: 0, pending: 0 })
  expect(server.records.has(`visits/${v}`)).toBe(true)
})

test('放弃一条被退回的走访，等它的照片一并放弃，别的记录不受影响', async () => {
  const c = await browser.signIn()
  await c.capture([enterprise('甲')])
  await c.capture([{ op: 'create', collection: 'visits', data: {}, pictures: [jpeg(1)] }])
  await c.syncNow()
  const [bad] = await c.attention()
  await c.drop(bad.mutation)
  expect(c.status()).toMatchObject({ rejected: 0, waiting: 0, pictures: { total: 0 } })
  expect(await c.outbox()).toEqual([])
  expect(await c.list('enterprises')).toHaveLength(1)
})

test('引用的记录还没到服务器时等待，到了以后自动生效', async () => {
  const c = await browser.signIn()
  const [v] = await c.capture([visit('b'.repeat(32))])
  await c.syncNow()
  expect((await c.get('visits', v))?.state).toBe('waiting')
  expect(c.status()).toMatchObject({ pending: 0, waiting: 1 })
  await c.capture([{ ...enterprise('后到'), record: 'b'.repeat(32) }])
  await c.syncNow()
  expect((await c.get('visits', v))?.state).toBe('synced')
  expect([...server.applied.values()]).toEqual([1, 1])
})

test('服务器保留了别人改的值：两个值都留给本人看，直到本人确认', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '旧', phone: '1' })
  await c.syncNow()
  server.put('enterprises', 'e1', { name: '他人改' })
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { name: '我改', phone: '2' } }])
  once('/api/sync/pull', 'unsent')
  await c.syncNow()
  expect((await c.get('enterprises', 'e1'))?.fields).toMatchObject({ name: '旧', phone: '2' }) // not what was overruled
  await c.syncNow()
  const [note] = await c.conflicts()
  expect(note).toMatchObject({ record: 'e1', field: 'name', yours: '我改', theirs: '他人改' })
  expect(await c.get('enterprises', 'e1')).toMatchObject({ state: 'conflict', fields: { name: '他人改', phone: '2' } })
  await c.dismissConflict(note.id)
  expect((await c.get('enterprises', 'e1'))?.state).toBe('synced')
})

test('没有改动的字段不上报，什么都没改就不产生上报', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲', tags: ['a', 'b'] })
  await c.syncNow()
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { name: '甲', tags: ['a', 'b'] } }])
  expect(c.status().pending).toBe(0)
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { name: '甲', tags: ['b'] } }])
  await c.syncNow()
  expect(pushes()[0].body.mutations[0].changes).toEqual({ tags: { from: ['a', 'b'], to: ['b'] } })
  await expect(c.capture([{ op: 'update', collection: 'enterprises', record: 'nope', to: { name: '乙' } }])).rejects.toMatchObject({ code: 'record_unknown' })
})

test('表单开着时别人改了同一项：按填写人看到的旧值上报，成为冲突而不是悄悄盖掉', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲', phone: '1' })
  await c.syncNow()
  const seen = (await c.get('enterprises', 'e1'))!.fields
  server.put('enterprises', 'e1', { name: '甲', phone: '2' })
  await c.syncNow()
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { phone: '3' }, from: seen }])
  await c.syncNow()
  expect(await c.conflicts()).toMatchObject([{ field: 'phone', yours: '3', theirs: '2' }])
  expect((await c.get('enterprises', 'e1'))?.fields.phone).toBe('2')
})

test('列表按关系字段查找，本机未上报的新增和改动都算在内', async () => {
  const c = await browser.signIn()
  for (const id of ['e1', 'e2']) server.put('enterprises', id, { grid: 'g1', name: id })
  server.put('visits', 'v1', { enterprise: 'e1', outcome: 'met' })
  await c.syncNow()
  browser.say('offline')
  const [own] = await c.capture([visit('e1')])
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { grid: 'g2' } }])
  const ids = async (collection: string, where: any) => (await c.list(collection, where)).map(r => r.id).sort()
  expect(await ids('visits', { enterprise: 'e1' })).toEqual([own, 'v1'].sort())
  expect(await ids('enterprises', { grid: 'g1' })).toEqual(['e2'])
  expect(await ids('enterprises', { grid: 'g2' })).toEqual(['e1'])
  expect(await ids('enterprises', { name: 'e2' })).toEqual(['e2'])
})

test('记录离开了负责范围，未上报的改动仍留在手机里并上报', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲' })
  await c.syncNow()
  server.fault = p => p === '/api/sync/push' ? { status: 503 } : undefined
  await c.capture([{ op: 'update', collection: 'enterprises', record: 'e1', to: { name: '乙' } }])
  await c.syncNow()
  server.fault = () => undefined
  server.hide('enterprises', 'e1')
  await c.verify()
  expect(await c.get('enterprises', 'e1')).toBeUndefined()
  expect(c.status().pending).toBe(1)
  await c.syncNow()
  expect(c.status().pending).toBe(0)
  expect(server.applied.size).toBe(1)
})

test('服务器不再认得书签时全部重新下载：没有再来的记录被忘掉，较小的修订号也作数，未上报的留着', async () => {
  const c = await browser.signIn()
  for (let i = 0; i < 5; i++) server.put('enterprises', `e${i}`, { name: '甲' })
  await c.syncNow()
  server.epoch = 'e2'
  server.records.clear()
  server.feed = []
  server.limits.pull_records = 1
  server.put('enterprises', 'e1', { name: '新' })
  server.put('enterprises', 'e9', { name: '新' })
  const [own] = await c.capture([enterprise('乙')])
  await c.syncNow()
  expect(new Map((await c.list('enterprises')).map(r => [r.id, r.fields.name]))).toEqual(new Map([['e1', '新'], ['e9', '新'], [own, '乙']]))
  expect(c.status().epoch).toBe('e2')
  expect(server.applied.size).toBe(1)
})

test('下载分页的中途关机，重启后从上一页接着下载', async () => {
  let c = await browser.signIn()
  server.limits.pull_records = 2
  for (let i = 0; i < 5; i++) server.put('enterprises', `e${i}`, { name: '甲' })
  let n = 0
  server.fault = p => p === '/api/sync/pull' && ++n > 1 ? 'lost' : undefined
  await c.syncNow()
  expect(await c.list('enterprises')).toHaveLength(2)
  server.fault = () => undefined
  c = await kill(c)
  await c.syncNow()
  expect(await c.list('enterprises')).toHaveLength(5)
  expect(server.calls.filter(x => x.path === '/api/sync/pull').map(x => x.body.cursor)).toEqual([null, 'e1:2', 'e1:2', 'e1:4'])
})

test('登录过期：未上报的工作留在手机里，其他照常，重新登录后接着上报', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p') as FieldClient
  await c.syncNow()
  const [e] = await c.capture([enterprise('甲')])
  server.tokens.clear()
  expect((await c.syncNow()).session).toBe('expired')
  await c.capture([visit(e)])
  const calls = server.calls.length
  await c.syncNow()
  expect(server.calls.length).toBe(calls) // a dead token is not tried again
  expect(c.status()).toMatchObject({ session: 'expired', pending: 2 })
  expect(await session.signIn('w1', 'p')).toBe(c)
  await c.syncNow()
  expect(c.status()).toMatchObject({ session: 'ok', pending: 0, last_error: null })
})

test('密码不对、没有网络时登录，用中文说明原因', async () => {
  const session = openSession(browser.env())
  await expect(session.signIn('w1', 'x')).rejects.toMatchObject({ code: 'bad_credentials', message: '账号或密码不正确' })
  browser.say('offline')
  await expect(session.signIn('w1', 'p')).rejects.toBeInstanceOf(SignInError)
  expect(await session.resume()).toBeUndefined()
})

test('登录过的人没有网络也能打开应用和采集', async () => {
  const c = await browser.signIn()
  const device = c.status().device
  c.close()
  browser.say('offline')
  const again = await browser.resume()
  await again.capture([enterprise('甲')])
  expect(again.status()).toMatchObject({ pending: 1, device })
  expect(again.user.name).toBe('w1')
})

test('换人登录各用各的数据库，前一人的未上报工作被报告并在其再次登录后上报', async () => {
  const session = openSession(browser.env())
  const c1 = await session.signIn('w1', 'p')
  browser.say('offline')
  await c1.capture([enterprise('甲')])
  browser.online = true
  const c2 = await session.signIn('w2', 'p')
  expect(await c2.list('enterprises')).toEqual([])
  expect(await session.others()).toEqual([{ id: 'u1', name: 'w1', unsent: 1 }])
  expect(c2.status().device).not.toBe(c1.status().device)
  await (await session.signIn('w1', 'p')).syncNow()
  expect(server.applied.size).toBe(1)
})

test('有未上报的工作时不能退出；上报后退出，本机不留记录', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p') as FieldClient
  const device = c.status().device
  await c.saveDraft({ id: 'd', form: 'visit', subject: '', title: '', data: {}, pictures: [] })
  await c.capture([{ ...enterprise('甲'), pictures: [jpeg(7)] }])
  expect(await session.signOut()).toEqual({ done: false, unsent: 3 })
  const file = JSON.parse(await (await c.exportUnsent()).text())
  expect(file).toMatchObject({ user: 'u1', device, mutations: [{ op: 'create', data: { name: '甲' } }, { collection: 'photos' }], pictures: [{ base64: '/9gH' }] })
  await c.syncNow()
  expect(await session.signOut()).toEqual({ done: true, unsent: 0 })
  expect(await session.resume()).toBeUndefined()
  const again = await session.signIn('w1', 'p')
  expect(await again.list('enterprises')).toEqual([])
  expect(again.status()).toMatchObject({ pending: 0, device })
  expect(await again.drafts('visit')).toHaveLength(1)
})

test('只剩一张被退回的照片也不能退出：它只在这台手机上', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p') as FieldClient
  server.refusePicture = () => ({ file: { code: 'not_a_picture', message: '文件不是图片' } })
  await c.capture([{ ...enterprise('甲'), pictures: [jpeg(7)] }])
  await c.syncNow()
  expect(c.status()).toMatchObject({ pending: 0, rejected: 0, pictures: { refused: 1 } })
  expect(await session.signOut()).toEqual({ done: false, unsent: 1 })
})

test('在一个窗口退出，另一个窗口没有网络也马上知道', async () => {
  const session = openSession(browser.env())
  await session.signIn('w1', 'p')
  const other = await browser.resume()
  browser.say('offline')
  expect(await session.signOut()).toEqual({ done: true, unsent: 0 })
  expect(other.status().session).toBe('signed_out')
})

test('初始密码未改时可以上报、不能下载；改了密码就好', async () => {
  server.mustChange = true
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p')
  await c.capture([enterprise('甲')])
  expect(await c.syncNow()).toMatchObject({ session: 'password', pending: 0 })
  await expect(session.changePassword('x', 'q')).rejects.toMatchObject({ code: 'wrong_password' })
  await session.changePassword('p', 'q')
  expect(await c.syncNow()).toMatchObject({ session: 'ok', last_error: null })
})

test('两个窗口同时上报，每条只生效一次，另一个窗口知道别处正在上报', async () => {
  for (const locks of [true, false]) {
    browser = new Browser(server, locks ? 1 : 2)
    browser.locks = locks
    server.applied.clear()
    const a = await browser.signIn(), b = await browser.resume()
    await a.capture([enterprise('甲')])
    await b.capture([enterprise('乙')])
    let open = () => {}
    const gate = new Promise<void>(r => { open = r })
    server.gate = () => gate
    const first = a.syncNow()
    await until(b, s => s.elsewhere)
    const second = b.syncNow()
    open()
    await Promise.all([first, second])
    await b.syncNow()
    expect([...server.applied.values()]).toEqual([1, 1])
    expect(b.status()).toMatchObject({ pending: 0, elsewhere: false })
    expect((await a.list('enterprises')).length).toBe((await b.list('enterprises')).length)
  }
})

test('手机存储满时说清楚，什么都没有存一半，草稿还在', async () => {
  const c = await browser.signIn()
  await c.saveDraft({ id: 'd', form: 'visit', subject: 'e', title: '', data: {}, pictures: [] })
  c.db.bytes.hook('creating', () => { throw new DOMException('full', 'QuotaExceededError') })
  await expect(c.capture([{ ...enterprise('甲'), pictures: [jpeg(1)] }], 'd')).rejects.toMatchObject({ code: 'storage_full', message: expect.stringContaining('存储空间不足') })
  expect([await c.db.outbox.count(), await c.db.pictures.count(), await c.db.drafts.count()]).toEqual([0, 0, 1])
})

test('采集与删除草稿是一回事：保存成功后草稿就没有了，重启也不再出现', async () => {
  let c = await browser.signIn()
  await c.saveDraft({ id: 'd', form: 'visit', subject: 'e1', title: '甲', data: { notes: '半' }, pictures: [jpeg(1)] })
  c = await kill(c)
  expect(await c.drafts('visit', 'e1')).toMatchObject([{ data: { notes: '半' }, pictures: [{ type: 'image/jpeg' }] }])
  await c.capture([enterprise('甲')], 'd')
  c = await kill(c)
  expect(await c.drafts()).toEqual([])
  expect(await c.outbox()).toHaveLength(1)
})

test('浏览器清除了记录：重新下载并说明', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲' })
  await c.syncNow()
  await c.db.records.clear()
  expect((await c.syncNow()).last_error?.code).toBe('storage_evicted')
  expect(await c.list('enterprises')).toHaveLength(1)
  expect((await c.syncNow()).last_error).toBeNull()
})

test('浏览器清除了整个数据库：说明一直留到本人看过，数据重新下载', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲' })
  await c.syncNow()
  await c.db.delete()
  const again = await browser.resume()
  expect(again.status().last_error?.code).toBe('storage_evicted')
  browser.pass(0)
  await until(again, s => s.last_success_at !== '' && s.next_try_at !== '')
  expect(await again.list('enterprises')).toHaveLength(1)
  expect(again.status().last_error?.code).toBe('storage_evicted')
  expect((await again.syncNow()).last_error).toBeNull()
})

test('照片接口不通也照常下载', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲' })
  await c.capture([{ ...visit(''), pictures: [jpeg(1)] }])
  server.fault = p => p === '/api/sync/attachments' ? { status: 404 } : undefined
  expect((await c.syncNow()).last_error?.code).toBe('refused')
  expect(await c.list('enterprises')).toHaveLength(1)
})

test('同时两处打开同一登录，得到同一个客户端；关闭后再开是新的', async () => {
  const session = openSession(browser.env())
  await session.signIn('w1', 'p')
  const [a, b] = await Promise.all([session.resume(), session.resume()])
  expect(a).toBe(b)
  a!.close()
  const fresh = await session.resume()
  await fresh!.capture([enterprise('甲')])
  expect(fresh!.status().pending).toBe(1)
})

test('核对发现不一致就重新下载', async () => {
  const c = await browser.signIn()
  server.put('enterprises', 'e1', { name: '甲' })
  await c.syncNow()
  expect(await c.verify()).toMatchObject({ equal: true })
  await c.db.records.update(['enterprises', 'e1'], { rev: 99, fields: { name: '坏' } })
  expect(await c.verify()).toMatchObject({ equal: false, message: '本机数据与服务器不一致，已重新下载' })
  expect((await c.get('enterprises', 'e1'))?.fields.name).toBe('甲')
  expect(await c.verify()).toMatchObject({ equal: true })
})

test('服务器恢复到备份后，未上报的接着上报，并全部重新下载', async () => {
  const c = await browser.signIn()
  await c.capture([enterprise('甲')])
  once('/api/sync/push', 'lost')
  await c.syncNow()
  server.epoch = 'e2'
  server.records.clear()
  server.ledger.clear()
  server.applied.clear()
  server.feed = []
  await c.syncNow()
  expect(c.status()).toMatchObject({ epoch: 'e2', pending: 0 })
  expect(await c.list('enterprises')).toHaveLength(1)
  expect(server.applied.size).toBe(1)
})

test('一批太大就减半，单条太大的退给本人，不挡别的', async () => {
  const c = await browser.signIn()
  await c.syncNow()
  server.tooLarge = 900
  await c.capture([...'甲乙丙丁戊'].map(enterprise))
  await c.capture([enterprise('长'.repeat(1000))])
  await c.capture([enterprise('己')])
  await c.syncNow()
  expect(server.applied.size).toBe(6)
  expect(await c.attention()).toMatchObject([{ errors: { _: { code: 'too_large' } } }])
  expect([...server.ledger.values()].map(l => JSON.parse(l.body).data.name).join('')).toBe('甲乙丙丁戊己')
})

test('设备被清除：本机数据删除，告诉服务器一次，回到未登录', async () => {
  const session = openSession(browser.env())
  const c = await session.signIn('w1', 'p') as FieldClient
  server.put('enterprises', 'e1', { name: '甲' })
  await c.syncNow()
  const device = c.status().device
  server.deviceState = 'wiped'
  expect(await c.syncNow()).toMatchObject({ session: 'stopped', device_state: 'wiped', last_error: { code: 'device_wiped' } })
  expect(server.wipedSaid).toEqual([device])
  expect(await c.list('enterprises')).toEqual([])
  expect(await openSession(browser.env()).resume()).toBeUndefined()
})

test('清除途中断网：下次打开应用时补告诉服务器', async () => {
  const c = await browser.signIn()
  await c.syncNow()
  server.deviceState = 'wiped'
  server.fault = p => p === '/api/sync/hello' ? 'unsent' : undefined
  await c.syncNow()
  expect(server.wipedSaid).toEqual([])
  server.fault = () => undefined
  c.close()
  const told = new Promise<void>(resolve => { server.gate = async () => resolve() })
  expect(await browser.resume()).toBeUndefined()
  await told
  server.gate = async () => {}
  await new Promise(r => setImmediate(r))
  expect(server.wipedSaid).toHaveLength(1)
})

test('停用的设备停下来并说明；替换的设备只上报不下载', async () => {
  const c = await browser.signIn()
  await c.syncNow()
  await c.capture([enterprise('甲')])
  server.deviceState = 'suspended'
  expect(await c.syncNow()).toMatchObject({ session: 'stopped', device_state: 'suspended', pending: 1 })
  server.deviceState = 'drain_only'
  expect(await c.syncNow()).toMatchObject({ device_state: 'drain_only', pending: 0, last_error: { code: 'device_drain_only' } })
  server.deviceState = 'active'
  expect(await c.syncNow()).toMatchObject({ session: 'ok', last_error: null })
})

test('照片在记录之后一张一张上传；一张被拒绝、一张断网都不影响记录', async () => {
  const c = await browser.signIn()
  const [v] = await c.capture([{ ...visit(''), pictures: [jpeg(1), { ...jpeg(2), field: 'signature' }, jpeg(3)] }])
  expect(c.status().pictures).toEqual({ total: 3, sent: 0, refused: 0 })
  let n = 0
  server.fault = p => p === '/api/sync/attachments' && ++n === 2 ? 'unsent' : undefined
  const s = await c.syncNow()
  expect(s).toMatchObject({ pending: 0, last_error: { code: 'network' }, last_success_at: expect.stringContaining('2026') })
  expect(s.pictures).toEqual({ total: 2, sent: 0, refused: 0 }) // the first was seen at the server already
  server.refusePicture = m => m.bytes && m.collection === 'visits' && !m.field ? { file: { code: 'not_a_picture', message: '文件不是图片' } } : undefined
  await c.syncNow()
  expect(await c.refusedPictures()).toMatchObject([{ record: v, errors: { file: { code: 'not_a_picture' } }, type: 'image/jpeg' }])
  expect(server.records.get(`visits/${v}`)?.fields.signature).toMatch(/jpg$/)
  expect((await c.picturesOf('visits', v)).map(p => p.state).sort()).toEqual(['refused', 'sent', 'sent'])
  await c.dropPicture((await c.refusedPictures())[0].id)
  expect(c.status().pictures.total).toBe(0)
  expect(await c.db.bytes.count()).toBe(2) // the two that were sent are kept
})

test('已上传而服务器的版本还没看到的照片，仍计入“已上传”', async () => {
  const c = await browser.signIn()
  const [v] = await c.capture([{ ...visit(''), pictures: [jpeg(1), jpeg(2)] }])
  const [pending] = await c.picturesOf('visits', v)
  expect([pending.state, await pending.url()]).toEqual(['pending', expect.stringContaining('blob:')])
  server.fault = p => p === '/api/sync/pull' ? 'unsent' : undefined
  await c.syncNow()
  expect(c.status().pictures).toEqual({ total: 2, sent: 2, refused: 0 })
  server.fault = () => undefined
  await c.syncNow()
  expect(c.status().pictures.total).toBe(0)
  const [sent] = await c.picturesOf('visits', v)
  expect([sent.state, await sent.url()]).toEqual(['sent', expect.stringMatching(/^\/api\/files\/photos\/.*token=file-token$/)])
})

test('没有安全环境的浏览器也能算出照片摘要', async () => {
  browser.subtle = false
  const c = await browser.signIn()
  await c.capture([{ ...visit(''), pictures: [jpeg(1)] }])
  await c.syncNow()
  expect(server.pictures.size).toBe(1)
})

test('采集后稍候自动上报；失败后越等越久，恢复网络或手动上报立即再试', async () => {
  const c = await browser.signIn()
  browser.pass(0)
  await until(c, s => s.last_success_at !== '' && s.syncing === '' && s.next_try_at !== '')
  await c.capture([enterprise('甲')])
  browser.pass(1_500)
  await until(c, s => s.pending === 0 && s.syncing === '' && s.next_try_at !== '')
  server.fault = () => ({ status: 500 })
  const waits: number[] = []
  for (let i = 0; i < 9; i++) {
    const before = c.status().next_try_at
    browser.pass(Date.parse(before.replace(' ', 'T')) - browser.time)
    await until(c, s => s.syncing === '' && s.next_try_at !== '' && s.next_try_at !== before)
    waits.push(Date.parse(c.status().next_try_at.replace(' ', 'T')) - browser.time)
  }
  waits.forEach((w, i) => {
    const longest = Math.min(300_000, 5_000 * 2 ** i)
    expect(w).toBeGreaterThanOrEqual(longest / 2)
    expect(w).toBeLessThanOrEqual(longest)
  })
  expect(c.status().last_error?.code).toBe('internal')
  server.fault = () => undefined
  browser.say('offline')
  browser.say('online')
  expect(Date.parse(c.status().next_try_at.replace(' ', 'T'))).toBe(browser.time)
  browser.pass(0)
  await until(c, s => s.last_error === null)
})

test('服务器要求慢一点时按它说的时间等', async () => {
  const c = await browser.signIn()
  server.fault = () => ({ status: 429, code: 'slow_down', retryAfter: 120 })
  const s = await c.syncNow()
  expect(s.last_error).toMatchObject({ code: 'slow_down', message: '拒绝：slow_down' })
  expect(Date.parse(s.next_try_at.replace(' ', 'T')) - browser.time).toBe(120_000)
})

test('服务器不回答或网络要求网页认证时，停下来说明，不当作已上报', async () => {
  const c = await browser.signIn()
  await c.syncNow()
  await c.capture([enterprise('甲')])
  server.fault = () => 'portal'
  expect((await c.syncNow()).last_error?.code).toBe('bad_answer')
  server.fault = () => 'hang'
  const trying = c.syncNow()
  await until(c, s => s.syncing === 'push')
  await new Promise(r => setTimeout(r)) // the call is on its way
  for (let i = 0; i < 5; i++) {
    browser.pass(100_000)
    await new Promise(r => setTimeout(r))
  }
  expect((await trying).last_error?.code).toBe('timeout')
  expect(c.status().pending).toBe(1)
})

test('登录凭证每天续一次', async () => {
  const c = await browser.signIn()
  await c.syncNow()
  browser.time += 86_400_000
  await c.syncNow()
  await c.syncNow()
  expect(server.calls.filter(x => x.path.endsWith('/auth-refresh'))).toHaveLength(1)
  expect(server.calls.at(-1)!.path).toBe('/api/sync/pull')
})

test('页面看到的随数据变化', async () => {
  const c = await browser.signIn()
  const seen: number[] = []
  let more = () => {}
  const off = c.live(() => c.list('enterprises'), all => { seen.push(all.length); more() })
  const next = () => new Promise<void>(r => { more = r })
  await next()
  const two = next()
  await c.capture([enterprise('甲')])
  await two
  expect(seen).toEqual([0, 1])
  off()
})
