// What of a refused record a person can put right, and what its repair says to the server.
import type { Attention, Fields } from '@/sync/contract'
import { emptyOf } from '../../forms/check'
import type { Form, FormField } from '../../forms/generated'

// What the app filled in: not to be typed over, unless the server objects to that very field and there is something to choose from.
const filledIn = ['enterprise', 'demand', 'visit', 'match', 'worker', 'grid', 'bank', 'collection', 'record', 'item', 'sha256', 'bytes', 'photo_count', 'taken_at', 'kind', 'to_stage',
  'started_at', 'accuracy', 'to_user', 'handover_confirmed_at', 'matched_at', 'result', 'evidence']
// Whose forms ask what they name; of the others the app fills in what `fill` says, and no more.
const core = ['enterprises', 'visits', 'photos', 'demands', 'demand_matches', 'demand_events', 'loans']
const kept: Record<string, string[]> = { demands: ['kind'], enterprises: ['kind'], loans: ['kind'], demand_matches: ['bank'] }

/**
 * mendable lists the fields to show, in the form's order. `choosable` are the relation fields that this phone has choices for.
 * An update shows only what it changes.
 */
export function mendable(form: Form, a: Pick<Attention, 'op' | 'collection' | 'data' | 'errors'>, choosable: readonly string[]): string[] {
  const isRelation = (f: FormField) => f.kind === 'relation' || f.kind === 'relations'
  return form.fields.filter(f => {
    // A refused step is never turned into another one, nor a bank's contract into another bank's.
    if (a.collection === 'demand_events' && ['kind', 'to_stage', 'match'].includes(f.name)) return false
    if (a.collection === 'loans' && f.name === 'bank') return false
    if (f.attachment || ['geo', 'file', 'json'].includes(f.kind) || isRelation(f) && !choosable.includes(f.name)) return false
    if (a.op === 'update') return f.name in a.data || f.name in a.errors
    if (!core.includes(a.collection)) return (!f.fill && f.name !== 'photo_count') || f.name in a.errors
    if (a.collection === 'demand_matches' && f.name !== 'bank' && !(f.name in a.errors)) return false
    return !filledIn.includes(f.name) || kept[a.collection]?.includes(f.name) || f.name in a.errors
  }).map(f => f.name)
}

/** repairOf is what was changed against the refused data; a field no longer asked is sent empty, for a repair is laid over what was said. */
export function repairOf(form: Form, before: Fields, after: Fields): Fields {
  const out: Fields = {}
  for (const f of form.fields) {
    const empty = emptyOf(form, f.name)
    if (before[f.name] === undefined && after[f.name] === undefined) continue
    if (JSON.stringify(before[f.name] ?? empty) !== JSON.stringify(after[f.name] ?? empty)) out[f.name] = after[f.name] ?? empty
  }
  return out
}
