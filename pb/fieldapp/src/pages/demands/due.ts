// What a demand must do next, until when, and in which words the desk is told.
import { at, shanghaiDay } from '../../forms/words'
import { addWorkingDays, workingDaysAfter, type Calendar } from './calendar'
import type { Expected } from './expected'

export interface Due {
  /** What must happen: 首问受理, 对接, 联系, 审批. */
  step: string
  /** The last day on which it is in time, "2026-11-24". */
  day: string
  over: boolean
  /** Working days past the last day when over, else working days left, today not counted. */
  days: number
  /** The bank that must act, if it is one bank's handling. */
  bank?: string
}

/** The service limits in working days, as `parameters` rows; a row holds for what began in [from, until). */
export interface Limit { code?: string; value?: string; from?: string; until?: string }

function limitAt(limits: Limit[], code: string, began: string): number | undefined {
  const row = limits.find(l => l.code === code && (!l.from || l.from <= began) && (!l.until || began < l.until))
  const n = Number(row?.value)
  return row && Number.isInteger(n) && n >= 0 ? n : undefined
}

/**
 * duesOf lists what is due for a demand, the most urgent first. `bank` narrows it to one bank's handling; without it the
 * harbour's own steps count too. A step without a limit in `parameters` is never due.
 */
export function duesOf(c: Expected, limits: Limit[], calendar: Calendar, now: Date, bank?: string): Due[] {
  const today = shanghaiDay(now)
  const dues: Due[] = []
  const add = (step: string, code: string, began: string, by?: string) => {
    const limit = limitAt(limits, code, began)
    if (!began || limit === undefined) return
    const day = addWorkingDays(shanghaiDay(new Date(at(began))), limit, calendar)
    const over = today > day
    dues.push({ step, day, over, days: over ? workingDaysAfter(day, today, calendar) : workingDaysAfter(today, day, calendar), bank: by })
  }
  if (!bank && c.stage === 'captured') add('首问受理', 'sla.accept_days', c.fields.captured_at)
  if (!bank && c.stage === 'accepted') add('对接', 'sla.match_days', c.fields.accepted_at)
  if (['matched', 'applied', 'approved', 'rejected', 'cultivating'].includes(c.stage)) {
    for (const m of c.matches) {
      if (bank && m.fields.bank !== bank) continue
      if (m.stage === 'matched' && !m.fields.first_contact_at) add('联系', 'sla.contact_days', m.fields.matched_at, m.fields.bank)
      if (m.stage === 'applied') add('审批', 'sla.decision_days', m.fields.applied_at, m.fields.bank)
    }
  }
  return dues.sort((a, b) => (a.day < b.day ? -1 : a.day > b.day ? 1 : 0))
}

/** dueWords says a limit in words: "对接已超期 2 个工作日", "须今日内首问受理", "审批还剩 3 个工作日". */
export function dueWords(due: Due | undefined): string {
  if (!due) return ''
  if (due.over) return due.days ? `${due.step}已超期 ${due.days} 个工作日` : `${due.step}已超期`
  return due.days ? `${due.step}还剩 ${due.days} 个工作日` : `须今日内${due.step}`
}
