// What relations are called, and what may be chosen for them: from what this device holds.
import { computed, type ComputedRef, type Ref } from 'vue'
import type { Choice } from '@/forms/choices'
import { at, day, isDay, shanghaiDay, when, wordOf, yuan } from '@/forms/words'
import { useNow } from '@/pages/demands/desk'
import { describePolicy, describeProduct, offers } from '@/pages/field/handbook'
import { searchText } from '@/pages/field/search'
import type { Fields, RecordView, User } from '@/sync'
import { nameOf, useClient, useLive } from '@/store/app'
import { itemsToScore } from './scheme'
import { formOf, itemsAt, registerOf, type Register, type Sight } from './registers'

/** The records that relations may name, by collection. */
export type World = Record<string, ReadonlyMap<string, RecordView>>

// A desk without enterprises knows those that its demands and lists name.
const named = ['demands', 'referrals']

function needed(collections: readonly string[]): Set<string> {
  const wanted = new Set(collections.flatMap(c => formOf(c).fields.map(f => f.to ?? '')).filter(Boolean))
  if (wanted.delete('users')) wanted.add('contacts')
  if (wanted.has('enterprises')) named.forEach(c => wanted.add(c))
  if (collections.includes('rectifications')) wanted.add('inspection_items')
  if (collections.includes('reviews')) wanted.add('reviews')
  return wanted
}

/** Loads what the relation fields of the collections may name; undefined until it is there. */
export function useWorld(collections: () => readonly string[]): Ref<World | undefined> {
  return useLive<World | undefined>(async c => Object.fromEntries(await Promise.all([...needed(collections())].map(async name =>
    [name, new Map((await c.list(name)).map(r => [r.id, r]))] as const))), undefined, [() => collections().join()])
}

/** Colleagues with an account, by its id: devices hold no accounts, the 对口联系名册 names them. */
export function colleagues(contacts: Iterable<RecordView>, me: User): Map<string, Fields> {
  const out = new Map<string, Fields>([[me.id, { name: me.name, kind: me.role, harbour: me.harbour, self: true }]])
  for (const r of contacts) if (r.fields.user && r.fields.user !== me.id && !out.has(r.fields.user)) out.set(r.fields.user, r.fields)
  return out
}

/** Those of one's own harbour who may be on duty or take over a demand: not the people of the streets whom the same book names. */
export function harbourColleagues(contacts: Iterable<RecordView>, me: User): { id: string; name: string; post: string }[] {
  return [...colleagues(contacts, me)].filter(([, f]) => f.self || (f.harbour === me.harbour && ['lobby_manager', 'volunteer'].includes(f.kind)))
    .map(([id, f]) => ({ id, name: f.name, post: f.post ?? '' }))
}

/** What a related record is called; '' when this device does not hold it. */
export function nameIn(world: World | undefined, me: User, to: string, id: string): string {
  if (to === 'users') {
    if (id === me.id) return '本人'
    return colleagues(world?.contacts?.values() ?? [], me).get(id)?.name ?? ''
  }
  const f = world?.[to]?.get(id)?.fields
  switch (to) {
    case 'enterprises': return f?.name ?? nameless(world, id)
    case 'contacts': return f?.name ?? ''
    case 'demands': return f ? [f.number, yuan(f.amount)].filter(Boolean).join(' · ') : ''
    case 'inspections': return f ? [f.number, wordOf('inspections', 'kind', f.kind)].filter(Boolean).join(' · ') : ''
    case 'feedback': return f ? f.number || f.text : ''
    case 'referral_batches': return f?.title ?? ''
    case 'visits': return f ? '走访记录' : ''
  }
  return nameOf(to, id)
}

function nameless(world: World | undefined, enterprise: string): string {
  for (const c of named) for (const r of world?.[c]?.values() ?? []) if (r.fields.enterprise === enterprise && r.fields.enterprise_name) return r.fields.enterprise_name
  return ''
}

/** What may be chosen for the fields of a form: relations as far as this device holds them, options by role. */
export function choicesFor(collection: string, world: World | undefined, values: Fields, s: Sight): Record<string, Choice[]> {
  const r = registerOf(collection)
  return Object.fromEntries(formOf(collection).fields.flatMap(f => {
    const some = r?.options?.(f.name, s.user.role)
    if (some) return [[f.name, some.map(value => ({ value, label: wordOf(collection, f.name, value) }))]]
    if (collection === 'rectifications' && f.name === 'item') return [[f.name, itemsAt([...world?.inspection_items?.values() ?? []], s.now).map(i => ({ value: i.code, label: i.name, hint: i.requirement }))]]
    if (collection === 'reviews' && f.name === 'item' && values.kind === 'score') {
      const items = itemsToScore(values.period ?? '')
      return items.length ? [[f.name, items]] : []
    }
    return f.to ? [[f.name, choicesTo(collection, f.to, f.name, world, values, s, s.user)]] : []
  }))
}

// A lead goes to the 金融办 first, which passes it on.
const handing: Record<string, string[]> = { handed_to: ['financial_office'], passed_to: ['police', 'court', 'market_regulation'] }

const present = (f: Fields, now: number) => !(at(f.from) > now) && !(at(f.until) <= now)
const byLabel = (a: Choice, b: Choice) => a.label.localeCompare(b.label, 'zh')

function choicesTo(collection: string, to: string, name: string, world: World | undefined, values: Fields, s: Sight, me: User): Choice[] {
  const all = [...world?.[to]?.values() ?? []]
  const now = s.now.getTime()
  const of = (label: (f: Fields) => string, hint: (f: Fields) => string = () => '', which: (f: Fields) => boolean = () => true) =>
    all.filter(r => which(r.fields)).map(r => ({ value: r.id, label: label(r.fields), hint: hint(r.fields) || undefined }))
  switch (to) {
    case 'users':
      return [...colleagues(world?.contacts?.values() ?? [], me)].filter(([id, f]) => (name === 'owner' ? id !== values.against && (f.self || ['lobby_manager', 'volunteer'].includes(f.kind)) : true))
        .map(([value, f]) => ({ value, label: f.self ? `${f.name}（本人）` : f.name, hint: f.self ? undefined : [wordOf('contacts', 'kind', f.kind), f.unit].filter(Boolean).join(' · ') }))
    case 'enterprises': {
      const held = all.filter(r => r.fields.status !== 'duplicate').map(r => ({ value: r.id, label: r.fields.name, hint: r.fields.address, seek: searchText(r) }))
      const ids = new Set(all.map(r => r.id))
      for (const c of named) {
        for (const r of world?.[c]?.values() ?? []) {
          const { enterprise: id, enterprise_name: label, enterprise_contact: hint } = r.fields
          if (id && label && !ids.has(id)) { ids.add(id); held.push({ value: id, label, hint, seek: label }) }
        }
      }
      return held.sort(byLabel)
    }
    case 'areas': {
      const held = world?.areas
      const wide = collection === 'pairings' ? ['district', 'community', 'village'] : ['district']
      return of(f => f.name, f => held?.get(f.parent)?.fields.name ?? '', f => !wide.includes(f.kind) && present(f, now))
    }
    case 'grids': return of(f => f.name, () => '', f => !me.harbour || f.harbour === me.harbour).filter(c => !me.scope_grids.length || me.scope_grids.includes(c.value))
    case 'banks': return of(f => f.short_name || f.name, () => '', f => (f.kind || 'bank') === 'bank').sort(byLabel)
    case 'harbours': return of(f => f.name, f => (f.number ? `编号 ${f.number}` : ''))
    case 'agencies': return of(f => f.name, () => '', f => present(f, now) && (handing[name]?.includes(f.kind) ?? true))
    case 'contacts': return of(f => f.name, f => [wordOf('contacts', 'kind', f.kind), f.unit].filter(Boolean).join(' · '), f => present(f, now)).sort(byLabel)
    case 'policies': return offers(all, world?.enterprises?.get(values.enterprise)?.fields ?? {}, s.now, describePolicy)
    case 'products': return offers(me.bank ? all.filter(r => r.fields.bank === me.bank) : all, world?.enterprises?.get(values.enterprise)?.fields ?? {}, s.now, describeProduct(id => nameOf('banks', id)))
    case 'demands': return of(f => [f.number, yuan(f.amount)].filter(Boolean).join(' · '), f => wordOf('demands', 'need', f.need), f => !values.enterprise || f.enterprise === values.enterprise)
    default: return all.map(r => ({ value: r.id, label: nameIn(world, me, to, r.id) || r.id }))
  }
}

/** A field's value for people, '' where there is nothing to say. */
export function shown(world: World | undefined, me: User, collection: string, name: string, f: Fields, now: Date): string {
  const value = f[name]
  if (value === undefined || value === null || value === '' || value === 0 || value === false || (Array.isArray(value) && !value.length)) return ''
  const field = formOf(collection).fields.find(x => x.name === name)
  if (collection === 'rectifications' && name === 'item') return [...world?.inspection_items?.values() ?? []].find(i => i.fields.code === value)?.fields.name ?? value
  // An appeal not yet sent is named by the score that it is about.
  if (collection === 'reviews' && name === 'item') return f.item_name || [...world?.reviews?.values() ?? []].find(r => r.fields.item === value && r.fields.item_name)?.fields.item_name || value
  if (field?.to) return [value].flat().map(id => nameIn(world, me, field.to!, id) || (field.to === 'users' ? '其他工作人员' : '（不在本机）')).join('、')
  if (field?.kind === 'number' && field.label.includes('（元）')) return yuan(value)
  if (field?.kind === 'date' || /_(at|on)$|^due$/.test(name)) return isDay(name) ? day(value, now) : when(value, now)
  if (field?.kind === 'geo') return value.lon || value.lat ? `东经 ${value.lon.toFixed(5)}，北纬 ${value.lat.toFixed(5)}` : ''
  if (field?.label.includes('（%）')) return `${value}%`
  return wordOf(collection, name, value)
}

/** What a record is called: the first of the register's names that says something. */
export function titleOf(world: World | undefined, me: User, r: Register, f: Fields, now: Date): string {
  for (const name of r.names) {
    const said = shown(world, me, r.collection, name, f, now)
    if (said) return said
  }
  return r.title
}

/** What is told under the name. Of their own harbour nobody needs to be told. */
export function notesOf(world: World | undefined, me: User, r: Register, f: Fields, now: Date): string {
  const title = titleOf(world, me, r, f, now)
  return r.notes.filter(n => (n !== r.due?.field || !r.due.open(f)) && (n !== 'harbour' || f.harbour !== me.harbour)).map(n => {
    const said = shown(world, me, r.collection, n, f, now)
    const label = formOf(r.collection).fields.find(x => x.name === n)?.label
    return said && said !== title ? (isDay(n) && label ? `${label} ${said}` : said) : ''
  }).filter(Boolean).join(' · ')
}

/** How long until something is due, in words, and whether it is over; undefined where nothing is. */
export function dueOf(r: Register, f: Fields, s: Sight): { words: string; over: boolean } | undefined {
  if (!r.due || !f[r.due.field] || !r.due.open(f)) return undefined
  const days = Math.round((Date.parse(shanghaiDay(new Date(at(f[r.due.field])))) - Date.parse(s.today)) / 86_400_000)
  const label = formOf(r.collection).fields.find(x => x.name === r.due!.field)?.label ?? r.more?.find(([n]) => n === r.due!.field)?.[1] ?? ''
  return days < 0 ? { words: `${label}已过 ${-days} 天`, over: true } : { words: days === 0 ? `${label}是今天` : `${label} ${day(f[r.due.field], s.now)}`, over: false }
}

/** What a list is searched by: all it shows, and of an enterprise its initials, code and phone. */
export function seekText(world: World | undefined, me: User, r: Register, f: Fields, now: Date): string {
  const shop = f.enterprise && world?.enterprises?.get(f.enterprise)
  return `${titleOf(world, me, r, f, now)}\n${notesOf(world, me, r, f, now)}\n${f.number ?? ''}\n${shop ? searchText(shop) : ''}`.toLowerCase()
}

/** Who looks, and when. */
export function useSight(): ComputedRef<Sight> {
  const client = useClient()
  const now = useNow()
  return computed(() => ({ user: client.user, now: now.value, today: shanghaiDay(now.value) }))
}
