import type { Client, Fields } from '@/sync'
import { collectionWord, stageWord, wordOf } from '@/forms/words'
import { registerOf } from '@/pages/registers/registers'

/**
 * titleOf says which record a line of the outbox means, e.g. "需求进展 · 鸿记水果店 · 提交申请". `data` is what the mutation
 * carries, for a record that is not on this device (any more).
 */
export async function titleOf(c: Client, collection: string, id: string, data: Fields = {}): Promise<string> {
  const fields = { ...data, ...(await c.get(collection, id))?.fields }
  const what = collection === 'demand_events' ? eventWord(fields) : collection === 'demand_matches' ? await bankName(c, fields.bank) : collection === 'loans' ? fields.contract_no : ''
  return [collectionWord(collection), await subjectOf(c, collection, fields), what].filter(Boolean).join(' · ')
}

async function bankName(c: Client, id: string): Promise<string> {
  const bank = id ? (await c.get('banks', id))?.fields : undefined
  return bank?.short_name || bank?.name || ''
}

const eventWord = (f: Fields) => (f.kind === 'stage' ? stageWord(f.to_stage) : wordOf('demand_events', 'kind', f.kind ?? ''))

async function subjectOf(c: Client, collection: string, f: Fields): Promise<string> {
  if (collection === 'enterprises') return f.name ?? ''
  if (collection === 'photos') {
    const owner = f.collection && f.record ? await c.get(f.collection, f.record) : undefined
    return owner ? subjectOf(c, f.collection, owner.fields) : ''
  }
  // A lead is sealed: what it says stands on its own page only.
  const told = collection === 'risk_leads' ? wordOf(collection, 'kind', f.kind ?? '') : registerOf(collection)?.names.map(n => (formless.includes(n) ? '' : f[n])).find(Boolean)
  if (f.enterprise_name || f.applicant) return f.enterprise_name || f.applicant
  const enterprise = f.enterprise ? await c.get('enterprises', f.enterprise) : undefined
  if (enterprise) return enterprise.fields.name
  const demand = f.demand ? await c.get('demands', f.demand) : undefined
  return demand ? subjectOf(c, 'demands', demand.fields) : told ?? ''
}

// Names that are relations or options: their ids tell nobody anything.
const formless = ['enterprise', 'user', 'harbour', 'area', 'kind']

/** Where a record of the outbox can be looked at; '' when it has no page of its own. */
export function pageOf(collection: string, id: string, fields: Fields): string {
  if (collection === 'demands') return `/demands/${id}`
  if (registerOf(collection)) return `/registers/${collection}/${id}`
  if (collection === 'photos' && fields.collection && registerOf(fields.collection)) return `/registers/${fields.collection}/${fields.record}`
  if (fields.demand) return `/demands/${fields.demand}`
  if (collection === 'enterprises') return `/enterprises/${id}`
  if (collection === 'visits') return `/visits/${id}`
  return ''
}
