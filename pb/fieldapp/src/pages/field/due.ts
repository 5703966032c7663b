import type { RecordView } from '@/sync'
import { at, day, shanghaiDay } from '@/forms/words'
import { isPoint, metres, type Point } from './geo'

const dayLength = 86_400_000

/** A dated number among the `parameters` records, as of `now`. */
export function parameter(all: readonly RecordView[], code: string, now: Date, otherwise: number): number {
  const t = now.getTime()
  const valid = all.filter(p => p.fields.code === code && !(at(p.fields.from) > t) && !(at(p.fields.until) <= t))
    .sort((a, b) => String(b.fields.from).localeCompare(String(a.fields.from)))
  const n = Number(valid[0]?.fields.value)
  return Number.isFinite(n) ? n : otherwise
}

/** Key enterprises come first everywhere. */
export const isKey = (e: RecordView): boolean => !!e.fields.key_listed_on || (e.fields.tags ?? []).includes('key')

/** The newest visit by enterprise. */
export function lastVisits(visits: readonly RecordView[]): Map<string, RecordView> {
  const last = new Map<string, RecordView>()
  for (const v of visits) {
    const held = last.get(v.fields.enterprise)
    if (!held || v.fields.started_at > held.fields.started_at) last.set(v.fields.enterprise, v)
  }
  return last
}

export interface Due {
  enterprise: RecordView
  /** Why it is on the list, for people. */
  why: string
  /** 0 promised, 1 key, 2 never visited, 3 long unvisited. */
  rank: number
  /** Milliseconds since it became due, or since the last visit. */
  age: number
}

/**
 * The enterprises to visit, most urgent first: promised days that have come, key enterprises past their interval, those never visited,
 * those past the ordinary interval. Closed, moved or not found ones wait for the office and are left out.
 * @param intervals days between visits
 */
export function dueList(enterprises: readonly RecordView[], visits: readonly RecordView[], now: Date, intervals: { key: number; other: number }): Due[] {
  const last = lastVisits(visits)
  const today = shanghaiDay(now)
  const list: Due[] = []
  for (const e of enterprises) {
    if (e.fields.status && e.fields.status !== 'active') continue
    const v = last.get(e.id)
    if (v && ['closed', 'moved', 'not_found'].includes(v.fields.outcome)) continue
    const key = isKey(e)
    const promised = v?.fields.next_visit_on as string | undefined
    if (promised) {
      const on = shanghaiDay(new Date(at(promised)))
      if (on <= today) list.push({ enterprise: e, why: on === today ? '约定今天回访' : `约定${day(promised, now)}回访`, rank: 0, age: now.getTime() - at(promised) })
      continue
    }
    if (!v) {
      list.push({ enterprise: e, why: key ? '重点企业，从未走访' : '从未走访', rank: key ? 1 : 2, age: Infinity })
      continue
    }
    const age = now.getTime() - at(v.fields.started_at)
    const days = Math.floor(age / dayLength)
    if (days >= (key ? intervals.key : intervals.other)) list.push({ enterprise: e, why: `${key ? '重点企业，' : ''}${days} 天未走访`, rank: key ? 1 : 3, age })
  }
  return list.sort((a, b) => a.rank - b.rank || (a.age === b.age ? 0 : b.age - a.age) || a.enterprise.id.localeCompare(b.enterprise.id))
}

/** The same list with the nearest first; those without a place keep their order at the end. */
export function nearestFirst(list: readonly Due[], here: Point): Due[] {
  const far = (d: Due) => (isPoint(d.enterprise.fields.location) ? metres(here, d.enterprise.fields.location) : Infinity)
  return list.map(d => ({ d, m: far(d) })).sort((a, b) => (a.m === b.m ? 0 : a.m - b.m)).map(x => x.d)
}
