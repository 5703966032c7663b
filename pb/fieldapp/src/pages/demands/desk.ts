// What the pages of this folder read from the local database.
import { onScopeDispose, ref, type Ref, type WatchSource } from 'vue'
import type { Client, Fields, RecordView } from '@/sync'
import { useClient, useLive } from '@/store/app'
import { calendarOf, type Calendar } from './calendar'
import type { Limit } from './due'
import { expected, type Case, type Expected } from './expected'

export interface Held extends Case { id: string; name: string; now: Expected }

const by = (records: RecordView[], field: string) => {
  const out = new Map<string, RecordView[]>()
  for (const r of records) {
    const key = r.fields[field]
    if (!out.has(key)) out.set(key, [])
    out.get(key)!.push(r)
  }
  return out
}

// The name on a demand is the server's copy; until it has come, the enterprise on this phone tells it.
async function nameOn(c: Client, demand: Fields): Promise<string> {
  if (demand.enterprise_name) return demand.enterprise_name
  const enterprise = demand.enterprise ? await c.get('enterprises', demand.enterprise) : undefined
  return enterprise?.fields.name ?? (demand.applicant || '未命名主体')
}

/** Every demand that the user holds, with what belongs to it. */
export function useCases(): Ref<Held[] | undefined> {
  return useLive<Held[] | undefined>(async c => {
    const [demands, matches, events, loans] = await Promise.all(['demands', 'demand_matches', 'demand_events', 'loans'].map(name => c.list(name)))
    const [matchesOf, eventsOf, loansOf] = [by(matches, 'demand'), by(events, 'demand'), by(loans, 'demand')]
    return Promise.all(demands.map(async demand => {
      const one = { demand, matches: matchesOf.get(demand.id) ?? [], events: eventsOf.get(demand.id) ?? [], loans: loansOf.get(demand.id) ?? [] }
      return { id: demand.id, ...one, name: await nameOn(c, demand.fields), now: expected(one) }
    }))
  }, undefined)
}

/** One demand with what belongs to it; null when the user does not hold it, undefined until that is known. */
export function useCase(id: () => string, deps: WatchSource[]): Ref<Held | null | undefined> {
  return useLive<Held | null | undefined>(async c => {
    const demand = await c.get('demands', id())
    if (!demand) return null
    const [matches, events, loans] = await Promise.all(['demand_matches', 'demand_events', 'loans'].map(name => c.list(name, { demand: id() })))
    const one = { demand, matches, events, loans }
    return { id: id(), ...one, name: await nameOn(c, demand.fields), now: expected(one) }
  }, undefined, deps)
}

/** The service limits and working days of the district. */
export function useRules(): Ref<{ limits: Limit[]; calendar: Calendar }> {
  return useLive(async c => {
    const [limits, days] = await Promise.all([c.list('parameters'), c.list('holidays')])
    return { limits: limits.map(r => r.fields), calendar: calendarOf(days.map(r => r.fields)) }
  }, { limits: [], calendar: calendarOf([]) })
}

/** The phone's clock, read once a minute: a desk stays open over midnight. */
export function useNow(): Ref<Date> {
  const client = useClient()
  const now = ref(client.now()) as Ref<Date>
  const timer = setInterval(() => { now.value = client.now() }, 60_000)
  onScopeDispose(() => clearInterval(timer))
  return now
}

/** True on a desk's screen, where list and detail stand side by side. */
export function useWide(): Ref<boolean> {
  const query = window.matchMedia('(min-width: 1024px)')
  const wide = ref(query.matches)
  const follow = () => { wide.value = query.matches }
  query.addEventListener('change', follow)
  onScopeDispose(() => query.removeEventListener('change', follow))
  return wide
}
