// Working days of the district: Monday to Friday, unless the imported holiday table says otherwise.

/** What the `holidays` collection says, by day "2026-10-01". */
export type Calendar = ReadonlyMap<string, 'holiday' | 'workday'>

/** calendarOf takes `holidays` records' fields and returns them by day. */
export function calendarOf(rows: { day?: string; kind?: string }[]): Calendar {
  return new Map(rows.filter(r => r.day && (r.kind === 'holiday' || r.kind === 'workday')).map(r => [r.day!.slice(0, 10), r.kind as 'holiday' | 'workday']))
}

const parse = (day: string) => new Date(day + 'T00:00:00Z')

function plus(day: string, days: number): string {
  return new Date(parse(day).getTime() + days * 86_400_000).toISOString().slice(0, 10)
}

export function isWorkingDay(day: string, calendar: Calendar): boolean {
  const said = calendar.get(day)
  return said ? said === 'workday' : ![0, 6].includes(parse(day).getUTCDay())
}

/** addWorkingDays returns the n-th working day after `day`; `day` itself does not count. */
export function addWorkingDays(day: string, n: number, calendar: Calendar): string {
  while (n > 0) {
    day = plus(day, 1)
    if (isWorkingDay(day, calendar)) n--
  }
  return day
}

/** workingDaysAfter counts the working days after `from` up to and with `to`; 0 when `to` is not later. */
export function workingDaysAfter(from: string, to: string, calendar: Calendar): number {
  let n = 0
  for (let day = from; day < to;) {
    day = plus(day, 1)
    if (isWorkingDay(day, calendar)) n++
  }
  return n
}
