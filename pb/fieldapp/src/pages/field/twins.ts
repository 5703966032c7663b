import type { RecordView } from '@/sync'
import { isPoint, metres, type Point } from './geo'

export interface Twin { enterprise: RecordView; why: string }

/** Records on this phone that a newly found enterprise seems to repeat: same code, same phone, or same name in the same grid or within 200 m. */
export function twinsOf(fresh: { name?: string; uscc?: string; phone?: string; grid?: string; location?: Point }, held: readonly RecordView[]): Twin[] {
  const name = fresh.name?.trim(), uscc = fresh.uscc?.trim().toUpperCase(), phone = fresh.phone?.trim()
  const twins: Twin[] = []
  for (const enterprise of held) {
    const f = enterprise.fields
    if (uscc && f.uscc === uscc) twins.push({ enterprise, why: '统一社会信用代码相同' })
    else if (phone && f.phone === phone) twins.push({ enterprise, why: '联系电话相同' })
    else if (name && f.name === name) {
      if (isPoint(fresh.location) && isPoint(f.location) ? metres(fresh.location, f.location) <= 200 : !fresh.grid || f.grid === fresh.grid) twins.push({ enterprise, why: '名称相同，位置相近' })
    }
  }
  return twins
}
