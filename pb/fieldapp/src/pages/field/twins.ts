import { phone as readPhone } from '@/forms/facts'
import type { RecordView } from '@/sync'
import { isPoint, metres, type Point } from './geo'

export interface Twin { enterprise: RecordView; why: string }

/** A name as it is compared, as on the server (hooks.NameKey): without width, spaces, punctuation, the district in front and the legal form behind. */
export function nameKey(name: string): string {
  const key = name.normalize('NFKC').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
  const short = key.replace(/^重庆市/, '').replace(/^万州区/, '').replace(/个体工商户$/, '').replace(/股份有限公司$/, '').replace(/有限责任公司$/, '').replace(/有限公司$/, '')
  return short || key
}

/**
 * Records on this phone that a newly found enterprise seems to repeat: same code, same phone, or same name in the same grid or within 200 m.
 * One that was merged stands for the one it was merged into, where the phone holds that.
 */
export function twinsOf(fresh: { name?: string; uscc?: string; phone?: string; grid?: string; location?: Point }, held: readonly RecordView[]): Twin[] {
  const name = nameKey(fresh.name ?? ''), uscc = fresh.uscc?.trim().toUpperCase(), phone = readPhone(fresh.phone ?? '').value
  const twins: Twin[] = []
  const add = (found: RecordView, why: string) => {
    const enterprise = held.find(e => e.id === found.fields.merged_into) ?? found
    if (!twins.some(t => t.enterprise.id === enterprise.id)) twins.push({ enterprise, why })
  }
  for (const enterprise of held) {
    const f = enterprise.fields
    if (uscc && f.uscc === uscc) add(enterprise, '统一社会信用代码相同')
    else if (phone && f.phone === phone) add(enterprise, '联系电话相同')
    else if (name && nameKey(f.name ?? '') === name) {
      if (isPoint(fresh.location) && isPoint(f.location) ? metres(fresh.location, f.location) <= 200 : !fresh.grid || f.grid === fresh.grid) add(enterprise, '名称相近，位置相近')
    }
  }
  return twins
}
