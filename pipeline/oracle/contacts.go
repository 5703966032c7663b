package oracle

import (
	"slices"
	"time"
)

// firstContacts are, by match, when the bank first reached the applicant, as known for the period.
func (c *computation) firstContacts(p period) map[string]time.Time {
	first := map[string]time.Time{}
	for _, e := range c.events {
		if !c.isBankContact(e, p) {
			continue
		}
		if before, known := first[e.match]; !known || e.at.Before(before) {
			first[e.match] = e.at
		}
	}
	return first
}

// contactInTime is CNV-02: of the matches whose limit has passed, those reached before it; and how long it took.
func (c *computation) contactInTime(p period) {
	lastMoment := c.lastDay(p).end(c.zone).Add(-1)
	p = c.maturing(p, c.workingDaysAfter(c.lastDay(p), c.contactDays(lastMoment)))
	seenUpTo := c.runEnd
	if p.cut.frozen {
		seenUpTo = p.cut.at
	}
	district := org{"district", c.places.district}
	first := c.firstContacts(p)
	count := newTally(places{district: c.places.district, hasDistrict: true})
	minutes := map[org][]int64{}
	for _, m := range c.matches {
		d, exists := c.demandByID[m.demand]
		if !exists || !d.inCohort() || !p.holds(m.matchedAt) || !p.cut.admits(m.syncedAt) {
			continue
		}
		bank := org{"bank", m.bank}
		contact, reached := first[m.id]
		if due := c.contactDue(m).end(c.zone); !due.After(seenUpTo) {
			inTime := int64(0)
			if reached && contact.Before(due) {
				inTime = 1
			}
			count.addTo(bank, inTime, 1)
			count.addTo(district, inTime, 1)
		}
		if reached {
			took := max(0, int64(contact.Sub(m.matchedAt)/time.Minute)) // a contact may be noted as before the match
			minutes[bank] = append(minutes[bank], took)
			minutes[district] = append(minutes[district], took)
		}
	}
	c.rows = append(c.rows, count.ratios(p, "CNV-02")...)
	median, p90 := newTally(places{}), newTally(places{})
	for who, took := range minutes {
		slices.Sort(took)
		median.addTo(who, nearestRank(took, 50), 0)
		p90.addTo(who, nearestRank(took, 90), 0)
	}
	c.rows = append(c.rows, median.figures(p, "CNV-02.median")...)
	c.rows = append(c.rows, p90.figures(p, "CNV-02.p90")...)
}

// nearestRank is the ⌈percent·n⌉-th smallest, in whole numbers: 0.9 × 10 in floating point need not be 9.
func nearestRank(sorted []int64, percent int) int64 {
	rank := (percent*len(sorted) + 99) / 100
	return sorted[rank-1]
}

// overdue is CNV-12: what a bank has still not answered, by how many working days it is late.
func (c *computation) overdue(p period) {
	reached := c.firstContacts(p)
	classes := []struct {
		indicator string
		from, to  int
	}{
		{"CNV-12", 1, 1 << 30}, {"CNV-12.d3", 1, 3}, {"CNV-12.d7", 4, 7}, {"CNV-12.d15", 8, 15}, {"CNV-12.over", 16, 1 << 30},
	}
	counts := map[string]*tally{}
	for _, class := range classes {
		counts[class.indicator] = newTally(c.places)
	}
	for _, m := range c.matches {
		d, exists := c.demandByID[m.demand]
		if !exists || m.result != "pending" || m.matchedAt.IsZero() || !m.matchedAt.Before(p.end) {
			continue
		}
		if d.stage == "disbursed" || d.stage == "withdrawn" || d.stage == "closed" || d.stage == "void" {
			continue
		}
		if _, contacted := reached[m.id]; contacted {
			continue
		}
		late := c.workingDaysBetween(c.contactDue(m), c.today)
		for _, class := range classes {
			if late < class.from || late > class.to {
				continue
			}
			counts[class.indicator].add(d.grid, 1, 0)
			if m.bank != "" {
				counts[class.indicator].addTo(org{"bank", m.bank}, 1, 0)
			}
		}
	}
	for _, class := range classes {
		c.rows = append(c.rows, counts[class.indicator].figures(p, class.indicator)...)
	}
}
