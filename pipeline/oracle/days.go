package oracle

import (
	"strconv"
	"time"
)

// A day is a calendar day, counted from 1 January 1970: days are compared and subtracted, which instants do wrongly.
type day int

func dayOf(t time.Time, zone *time.Location) day {
	year, month, date := t.In(zone).Date()
	return day(time.Date(year, month, date, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60))
}

func (d day) calendar() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

func (d day) String() string { return d.calendar().Format("2006-01-02") }

// end is the day's 24:00.
func (d day) end(zone *time.Location) time.Time {
	year, month, date := d.calendar().Date()
	return time.Date(year, month, date+1, 0, 0, 0, 0, zone)
}

// dayOf is the Shanghai day of an instant.
func (c *computation) dayOf(t time.Time) day { return dayOf(t, c.zone) }

// isWorkingDay follows the notice on holidays where it names the day, the week where it does not.
func (c *computation) isWorkingDay(d day) bool {
	switch c.special[d.String()] {
	case "workday":
		return true
	case "holiday":
		return false
	}
	weekday := d.calendar().Weekday()
	return weekday != time.Saturday && weekday != time.Sunday
}

// workingDaysAfter is the n-th working day after a day, which itself is never counted.
func (c *computation) workingDaysAfter(d day, n int) day {
	for n > 0 {
		d++
		if c.isWorkingDay(d) {
			n--
		}
	}
	return d
}

// workingDaysBetween counts the working days after the first day, up to and with the last.
func (c *computation) workingDaysBetween(after, upTo day) int {
	n := 0
	for d := after + 1; d <= upTo; d++ {
		if c.isWorkingDay(d) {
			n++
		}
	}
	return n
}

// contactLimit is how many working days a bank had to reach an applicant, from a day on.
type contactLimit struct {
	days        int
	from, until time.Time
}

// A value that is no whole number from 1 to 366 counts as 3.
func contactLimits(parameters []parameter) []contactLimit {
	var out []contactLimit
	for _, p := range parameters {
		if p.code != "sla.contact_days" {
			continue
		}
		days, err := strconv.Atoi(p.value)
		if err != nil || days < 1 || days > 366 {
			days = 3
		}
		out = append(out, contactLimit{days, p.from, p.until})
	}
	return out
}

func (c *computation) contactDays(x time.Time) int {
	days, since, found := 3, time.Time{}, false
	for _, l := range c.limits { // by id, so that of two with one beginning the smallest id stays
		inForce := !l.from.After(x) && (l.until.IsZero() || l.until.After(x))
		if inForce && (!found || l.from.After(since)) {
			days, since, found = l.days, l.from, true
		}
	}
	return days
}

// contactDue is the last day on which a bank may reach the applicant in time.
func (c *computation) contactDue(m match) day {
	return c.workingDaysAfter(c.dayOf(m.matchedAt), c.contactDays(m.matchedAt))
}

// lastDay is the last day of a month, also of one that is not over.
func (c *computation) lastDay(p period) day { return c.dayOf(p.start.AddDate(0, 1, -1)) }

// maturing is the month under the cut of a cohort that is complete on a later day: it freezes with the month of that day.
func (c *computation) maturing(p period, matures day) period {
	next := firstOfMonth(matures.end(c.zone).Add(-1), c.zone).AddDate(0, 1, 0)
	p.cut = cut{}
	if c.today >= c.dayOf(next)+4 { // day 5
		p.cut = cut{frozen: true, at: next.AddDate(0, 0, 5)}
	}
	return p
}
