// The assessment schemes (§四(二)): officials read them from the server, for no phone holds them.
import { shallowRef } from 'vue'
import type { Choice } from '@/forms/choices'
import { at } from '@/forms/words'
import type { Client, Fields } from '@/sync'

interface SchemeItem { code: string; name: string; axis: string; weight: number; by: 'S' | 'I' | 'R'; evidence?: string }

const schemes = shallowRef<Fields[]>([])

/** Fetches the schemes once; without a network there is nothing to choose, and an item's code is typed. */
export async function loadSchemes(client: Client): Promise<void> {
  if (schemes.value.length) return
  try {
    const answer = JSON.parse(await (await client.fetchFile('/api/collections/assessment_schemes/records?perPage=100')).text())
    schemes.value = answer.items
  } catch { /* typed then */ }
}

const startOf = (period: string) => {
  const [, year, quarter] = /^(\d{4})(?:Q([1-4]))?$/.exec(period) ?? []
  return year ? Date.parse(`${year}-${String(quarter ? Number(quarter) * 3 - 2 : 1).padStart(2, '0')}-01T00:00:00+08:00`) : NaN
}

/** What may be scored by hand in a period: of the scheme in force when it begins, what the system does not measure itself. */
export function schemeChoices(all: readonly Fields[], period: string): Choice[] {
  const begins = startOf(period)
  const scheme = all.filter(s => s.applies_to === 'harbour' && at(s.from) <= begins && !(at(s.until) <= begins)).sort((a, b) => at(b.from) - at(a.from))[0]
  return ((scheme?.items ?? []) as SchemeItem[]).filter(i => i.by !== 'S').map(i => ({ value: i.code, label: i.name, hint: [i.axis, `满分 ${i.weight}`, i.evidence].filter(Boolean).join(' · ') }))
}

/** The choices for a period, from what was fetched. */
export const itemsToScore = (period: string): Choice[] => schemeChoices(schemes.value, period)

/** Full marks of an item; 0 when it is not known. */
export function fullOf(code: string): number {
  for (const s of schemes.value) for (const i of (s.items ?? []) as SchemeItem[]) if (i.code === code) return i.weight
  return 0
}
