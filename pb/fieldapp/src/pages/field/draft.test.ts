import { expect, test } from 'vitest'
import { effectScope, nextTick, watch } from 'vue'
import { Browser } from '@/sync/testing/browser'
import { Server } from '@/sync/testing/server'
import type { Client, Draft, NewPicture } from '@/sync'
import { useDraft, type Drafting } from './draft'

async function phone() {
  const server = new Server()
  server.addUser('w1', 'u1')
  const browser = new Browser(server)
  server.now = () => new Date(browser.time)
  const client = await browser.signIn()
  browser.say('offline')
  return { browser, client }
}

/** Opens the visit form of shop e1, as its page does. */
async function openForm(client: Client): Promise<Drafting & { leave: () => void }> {
  const scope = effectScope()
  const form = scope.run(() => useDraft(client, 'visit', 'e1', () => '走访：面馆', () => ({ visit: {} })))!
  if (!form.ready.value) await new Promise<void>(done => scope.run(() => watch(form.ready, () => done(), { flush: 'sync' })))
  return { ...form, leave: () => scope.stop() }
}

/** Waits until a live query of the drafts gives what is expected. */
const drafts = (client: Client, so: (d?: Draft) => boolean) => new Promise<void>(done => {
  const end = client.live(() => client.drafts(), ([d]) => { if (so(d)) { queueMicrotask(() => end()); done() } })
})
const photo: NewPicture = { bytes: new Uint8Array([0xff, 0xd8, 1]).buffer, type: 'image/jpeg', taken_at: new Date(1) }
const visitOf = (form: Drafting) => form.capture((data, pictures) => [{ op: 'create', collection: 'visits', record: form.id.value, data: { enterprise: 'e1', ...data.visit }, pictures }])

test('走访表每改一次就存一次草稿，关掉再打开接着写，照片还在', async () => {
  const { client } = await phone()
  const first = await openForm(client)
  first.data.visit.notes = '老板在'
  await drafts(client, d => d?.data.visit.notes === '老板在')
  first.pictures.value = [photo]
  await drafts(client, d => d?.pictures.length === 1)
  first.data.visit.notes = '老板在，要贷款'
  await drafts(client, d => d?.data.visit.notes === '老板在，要贷款')
  first.leave()

  const again = await openForm(client)
  expect(again.id.value).toBe(first.id.value)
  expect(again.data.visit.notes).toBe('老板在，要贷款')
  expect(again.pictures.value).toHaveLength(1)
  expect(again.resumed.value).not.toBe('')
})

test('打开看看、什么都没写就离开，不留草稿', async () => {
  const { client } = await phone()
  const form = await openForm(client)
  await nextTick()
  form.leave()
  expect(await client.drafts()).toEqual([])
})

test('连点两次保存只有一条走访，草稿同时消失，之后的改动也不会让它回来', async () => {
  const { client } = await phone()
  const form = await openForm(client)
  form.data.visit.notes = '写好了'
  const [one, two] = await Promise.all([visitOf(form), visitOf(form)])
  expect([one?.length, two]).toEqual([1, undefined])
  form.data.visit.notes = '手又碰了一下'
  await nextTick()
  expect(await client.drafts()).toEqual([])
  expect((await client.list('visits')).map(v => v.fields.notes)).toEqual(['写好了'])
})

test('保存不成时草稿还在，改好可以再存', async () => {
  const { client } = await phone()
  const form = await openForm(client)
  form.data.visit.notes = '写好了'
  await expect(form.capture(() => { throw new Error('空间不足') })).rejects.toThrow('空间不足')
  await drafts(client, d => d?.data.visit.notes === '写好了')
  expect(await visitOf(form)).toHaveLength(1)
})
