import type { Fields } from '@/sync'
import { at } from '@/forms/words'
import { distanceWord, isPoint, metres, type Point } from './geo'

/** The limits of a valid visit, from the dated parameters. */
export interface Limits { metres: number; minutes: number }

/**
 * Why a visit may not count as valid, for people; empty when nothing speaks against it. Saving is never refused for it: the night judges.
 * @param shop where the enterprise is, if known
 * @param pictures photos and signature
 */
export function validityHints(visit: Fields, shop: Point | undefined, pictures: number, limits: Limits): string[] {
  if (visit.outcome && visit.outcome !== 'met') return ['没有见到经营者，只计走访次数，不计有效走访']
  const hints: string[] = []
  const minutes = (at(visit.ended_at) - at(visit.started_at)) / 60_000
  if (minutes < limits.minutes) hints.push(`走访不足 ${limits.minutes} 分钟`)
  if (pictures === 0) hints.push('没有照片，也没有签名')
  if (visit.place && visit.place !== 'shop') hints.push('地点不是门店')
  if (!isPoint(visit.location)) hints.push('没有定位')
  else if (isPoint(shop)) {
    const far = metres(visit.location, shop)
    if (far > limits.metres) hints.push(`距离门店 ${distanceWord(far)}`)
  }
  return hints
}
