package oracle

// loanDay is when the loan was paid out; a loan without one, or paid out after D, is no loan yet.
func (c *computation) loanDay(l loan) (d day, paid bool) {
	if l.disbursedOn.IsZero() {
		return 0, false
	}
	d = c.dayOf(l.disbursedOn)
	return d, d <= c.today
}

// confirmed says whether the bank had vouched for the loan as known under a cut.
func (l loan) confirmed(k cut) bool {
	if l.evidence != "bank_confirmed" && l.evidence != "system" {
		return false
	}
	return !l.confirmedAt.IsZero() && k.admits(l.confirmedAt) && k.admits(l.syncedAt)
}

// linkLoans finds the demand, and the match, that each loan came of.
func (c *computation) linkLoans() {
	c.loansOfDemand, c.loansOfMatch = map[string][]loan{}, map[string][]loan{}
	named := map[string]bool{}
	for _, l := range c.loans {
		if l.demand != "" {
			named[l.demand] = true
		}
	}
	type pair struct{ demand, bank string }
	latestMatch := map[pair]match{}
	for _, m := range c.matches {
		other, there := latestMatch[pair{m.demand, m.bank}]
		if !there || earlier(other.matchedAt, other.id, m.matchedAt, m.id) {
			latestMatch[pair{m.demand, m.bank}] = m
		}
	}
	demandsOf := map[string][]demand{} // by enterprise record, in order of capture
	for _, d := range c.tables.demands {
		if d.enterprise != "" {
			demandsOf[d.enterprise] = append(demandsOf[d.enterprise], d)
		}
	}
	for _, l := range c.loans {
		belongsTo := l.demand
		if belongsTo == "" && l.enterprise != "" && !l.disbursedOn.IsZero() {
			for _, d := range demandsOf[l.enterprise] {
				_, matched := latestMatch[pair{d.id, l.bank}]
				before := c.dayOf(d.capturedAt) <= c.dayOf(l.disbursedOn) // one never captured sorts first and is in no cohort
				if matched && before && d.stage != "void" && !named[d.id] {
					belongsTo = d.id // a later one takes its place
				}
			}
		}
		if belongsTo == "" {
			continue
		}
		c.loansOfDemand[belongsTo] = append(c.loansOfDemand[belongsTo], l)
		if m, there := latestMatch[pair{belongsTo, l.bank}]; there {
			c.loansOfMatch[m.id] = append(c.loansOfMatch[m.id], l)
		}
	}
}

const conversionDays = 90

// ripe says whether a demand is old enough for CNV-04 to judge it.
func (c *computation) ripe(d demand) bool {
	return !d.capturedAt.IsZero() && c.today-c.dayOf(d.capturedAt) >= conversionDays
}

// lent says how many confirmed loans, and of how many yuan together, a demand led to in time.
func (c *computation) lent(d demand, loans []loan, k cut) (number, amount int64) {
	for _, l := range loans {
		paidOn, paid := c.loanDay(l)
		if paid && l.confirmed(k) && paidOn-c.dayOf(d.capturedAt) <= conversionDays {
			number, amount = number+1, amount+l.amount
		}
	}
	return number, amount
}

// conversion is CNV-04 and CNV-05 by place: ripe demands of the cohort that a confirmed loan answered, and how much of
// the amount accepted it was.
func (c *computation) conversion(p period) {
	p = c.maturing(p, c.lastDay(p)+conversionDays)
	answered, filled := newTally(c.places), newTally(c.places)
	for _, d := range c.tables.demands {
		if !d.inCohort() || !p.holds(d.capturedAt) || !p.cut.admits(d.syncedAt) || !c.ripe(d) {
			continue
		}
		number, amount := c.lent(d, c.loansOfDemand[d.id], p.cut)
		answered.add(d.grid, min(number, 1), 1)
		filled.add(d.grid, min(amount, d.acceptedAmount), d.acceptedAmount)
	}
	c.rows = append(c.rows, answered.ratios(p, "CNV-04")...)
	c.rows = append(c.rows, filled.ratios(p, "CNV-05")...)
}

// conversionByBank is CNV-04 and CNV-05 by bank: its matches, by the month in which they were made.
func (c *computation) conversionByBank(p period) {
	p = c.maturing(p, c.lastDay(p)+conversionDays)
	answered, filled := newTally(places{}), newTally(places{})
	for _, m := range c.matches {
		d, exists := c.demandByID[m.demand]
		if !exists || !d.inCohort() || !p.holds(m.matchedAt) || !p.cut.admits(m.syncedAt) || !c.ripe(d) {
			continue
		}
		number, amount := c.lent(d, c.loansOfMatch[m.id], p.cut)
		answered.addTo(org{"bank", m.bank}, min(number, 1), 1)
		filled.addTo(org{"bank", m.bank}, min(amount, d.acceptedAmount), d.acceptedAmount)
	}
	c.rows = append(c.rows, answered.ratios(p, "CNV-04")...)
	c.rows = append(c.rows, filled.ratios(p, "CNV-05")...)
}

// firstLoans is CNV-06. An entity has one first loan in its life: if the bank attests nothing of that one, no later loan
// takes its place.
func (c *computation) firstLoans(p period) {
	first := map[string]loan{}  // by entity
	for _, l := range c.loans { // by loan day, then id
		if _, paid := c.loanDay(l); !paid || l.enterprise == "" || l.purpose != "business" || !l.confirmed(p.cut) {
			continue
		}
		if _, known := first[c.entityOf(l.enterprise)]; !known {
			first[c.entityOf(l.enterprise)] = l
		}
	}
	count := newTally(c.places)
	for _, l := range first {
		paidOn, _ := c.loanDay(l)
		attested := !l.checkedOn.IsZero() && c.dayOf(l.checkedOn) <= paidOn
		if !attested || !p.holds(l.disbursedOn) {
			continue
		}
		e := c.enterpriseByID[l.enterprise]
		count.add(c.valueAt(e, "grid", e.grid, l.disbursedOn), 1, 0)
		if l.bank != "" {
			count.addTo(org{"bank", l.bank}, 1, 0)
		}
		if l.harbour != "" {
			count.addTo(org{"harbour", l.harbour}, 1, 0)
		}
	}
	c.rows = append(c.rows, count.figures(p, "CNV-06")...)
}

// bankConfirmed is DQ-05: of the loans reported as paid out two weeks ago or more, those that the bank has confirmed.
func (c *computation) bankConfirmed(p period) {
	const grace = 15
	p = c.maturing(p, c.lastDay(p)+grace)
	count := newTally(places{district: c.places.district, hasDistrict: true})
	for _, l := range c.loans {
		paidOn, paid := c.loanDay(l)
		if !paid || !p.holds(l.disbursedOn) || c.today-paidOn < grace || !p.cut.admits(l.syncedAt) {
			continue
		}
		good := int64(0)
		if l.confirmed(p.cut) {
			good = 1
		}
		count.add("", good, 1)
		if l.bank != "" {
			count.addTo(org{"bank", l.bank}, good, 1)
		}
	}
	c.rows = append(c.rows, count.ratios(p, "DQ-05")...)
}
