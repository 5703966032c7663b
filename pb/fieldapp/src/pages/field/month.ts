import type { Client } from '@/sync'
import { at, shanghaiDay } from '@/forms/words'
import { parameter } from './due'
import { validityHints } from './validity'

/** This user's own numbers of the present month in Shanghai, as this phone knows them; the office's figures decide. */
export interface Month { enterprises: number; visits: number; likely: number; demands: number }

/** Counts the present month from the local database. */
export async function monthOf(c: Client): Promise<Month> {
  const now = c.now()
  const month = shanghaiDay(now).slice(0, 7)
  const inMonth = (stored: string) => !!stored && shanghaiDay(new Date(at(stored))).slice(0, 7) === month
  const [visits, parameters] = await Promise.all([c.list('visits', { worker: c.user.id }), c.list('parameters')])
  const mine = visits.filter(v => inMonth(v.fields.started_at))
  const ids = new Set(visits.map(v => v.id))
  const limits = { metres: parameter(parameters, 'visit.max_distance_m', now, 200), minutes: parameter(parameters, 'visit.min_minutes', now, 3) }
  let likely = 0
  for (const v of mine) {
    const shop = (await c.get('enterprises', v.fields.enterprise))?.fields.location
    const pictures = (v.fields.photo_count ?? 0) + (v.fields.signature ? 1 : 0)
    if (v.fields.review !== 'voided' && validityHints(v.fields, shop, pictures, limits).length === 0) likely++
  }
  const demands = (await c.list('demands')).filter(d => ids.has(d.fields.visit) && inMonth(d.fields.captured_at ?? ''))
  return { enterprises: new Set(mine.map(v => v.fields.enterprise)).size, visits: mine.length, likely, demands: demands.length }
}
