import { expect, test } from 'vitest'
import { addWorkingDays, calendarOf, isWorkingDay, workingDaysAfter } from './calendar'

const calendar = calendarOf([
  { day: '2026-10-01', kind: 'holiday' }, { day: '2026-10-02', kind: 'holiday' }, { day: '2026-10-05', kind: 'holiday' },
  { day: '2026-10-06', kind: 'holiday' }, { day: '2026-10-07', kind: 'holiday' }, { day: '2026-10-10', kind: 'workday' },
])

test('a Saturday made a workday in the holiday table counts, a holiday Monday does not', () => {
  expect(isWorkingDay('2026-10-10', calendar)).toBe(true)
  expect(isWorkingDay('2026-10-11', calendar)).toBe(false)
  expect(isWorkingDay('2026-10-05', calendar)).toBe(false)
  expect(isWorkingDay('2026-10-08', calendar)).toBe(true)
})

test('one working day after a Friday is the Monday', () => {
  expect(addWorkingDays('2026-11-20', 1, calendar)).toBe('2026-11-23')
  expect(addWorkingDays('2026-11-21', 1, calendar)).toBe('2026-11-23')
})

test('three working days over the National Day holidays end after them', () => {
  expect(addWorkingDays('2026-09-30', 3, calendar)).toBe('2026-10-10')
})

test('working days past a limit leave out weekends and holidays', () => {
  expect(workingDaysAfter('2026-11-20', '2026-11-22', calendar)).toBe(0)
  expect(workingDaysAfter('2026-11-20', '2026-11-24', calendar)).toBe(2)
  expect(workingDaysAfter('2026-09-30', '2026-10-11', calendar)).toBe(3)
  expect(workingDaysAfter('2026-11-24', '2026-11-20', calendar)).toBe(0)
})
