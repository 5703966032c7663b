import type { Fields, RecordView } from '@/sync'
import { at, wordOf, yuan } from '@/forms/words'

/** The tags of handbook entries that speak to an enterprise. */
export function tagsFor(enterprise: Fields): Set<string> {
  const tags = new Set<string>(enterprise.tags ?? [])
  if (enterprise.kind === 'individual_business') tags.add('individual_business')
  if (enterprise.kind !== 'individual_business' && ['micro', 'small', 'unknown', '', undefined].includes(enterprise.size)) tags.add('micro_small')
  if (enterprise.borrowing === 'never' || enterprise.borrowing === 'unknown') tags.add('first_loan')
  for (const g of enterprise.special_groups ?? []) tags.add(g)
  const division = Number(String(enterprise.industry ?? '').slice(0, 2))
  if (division >= 1 && division <= 5) tags.add('agriculture')
  if (division >= 13 && division <= 43) tags.add('manufacturing')
  if (division === 51 || division === 52) tags.add('commerce')
  return tags
}

export interface Offer { value: string; label: string; hint?: string }

/** Entries of a handbook that are valid now, those made for the enterprise first, then those for all, then the rest. */
export function offers(entries: readonly RecordView[], enterprise: Fields, now: Date, describe: (f: Fields) => { label: string; hint?: string }): Offer[] {
  const tags = tagsFor(enterprise)
  const t = now.getTime()
  return entries
    .filter(e => !(at(e.fields.valid_from) > t) && !(at(e.fields.valid_until) <= t))
    .map(e => ({ e, fit: !(e.fields.tags ?? []).length ? 1 : e.fields.tags.some((x: string) => tags.has(x)) ? 2 : 0 }))
    .sort((a, b) => b.fit - a.fit || describe(a.e.fields).label.localeCompare(describe(b.e.fields).label, 'zh'))
    .map(({ e, fit }) => {
      const { label, hint } = describe(e.fields)
      return { value: e.id, label, hint: [fit === 2 ? '适合该户' : '', hint].filter(Boolean).join(' · ') }
    })
}

export const describePolicy = (f: Fields) => ({ label: f.title as string, hint: wordOf('policies', 'kind', f.kind) })
/** @param bankName what people call a bank, by id */
export const describeProduct = (bankName: (id: string) => string) => (f: Fields) => ({
  label: f.name as string,
  hint: [bankName(f.bank), f.amount_max ? `最高 ${yuan(f.amount_max)}` : '', f.rate_min ? `年利率 ${f.rate_min}%起` : '', f.revolving ? '随借随还' : ''].filter(Boolean).join(' · '),
})
