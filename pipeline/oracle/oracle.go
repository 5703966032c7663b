// Package oracle computes the published figures a second time, from the definitions alone and in the plainest way:
// whole tables in memory, loops and maps. Tests hold the pipeline's marts against it. It shares no code with the
// models or the domain, down to the distance formula and the time zone, so that one mistake cannot hide in both.
package oracle

import (
	"fmt"
	"sort"
	"time"

	_ "time/tzdata" // the zone must be the same on a machine without a zone database
)

// Row is one row of the long table `indicators`. Denominator is nil where the figure is a count or a sum, not a ratio.
type Row struct {
	Period      string // M, Q, YTD, R365, CUM
	PeriodStart string // 2006-01-02, Shanghai
	OrgKind     string // grid, community, street, district, worker, bank, harbour
	OrgID       string
	Indicator   string
	Numerator   int64
	Denominator *int64
	Status      string // 封账 or 暂定
}

const (
	frozen      = "封账"
	provisional = "暂定"
)

// Compute gives every row of the run of one business day (Shanghai, "2006-01-02"), from the database as it is now.
// The clock serves one purpose: a day that has not begun in Shanghai has no run.
func Compute(dbPath string, date string, now time.Time) ([]Row, error) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return nil, err
	}
	day, err := time.ParseInLocation("2006-01-02", date, zone)
	if err != nil {
		return nil, fmt.Errorf("business day %q: %w", date, err)
	}
	if day.After(now) {
		return nil, fmt.Errorf("business day %s has not begun in Shanghai (it is %s)", date, now.In(zone).Format("2006-01-02 15:04"))
	}
	data, err := load(dbPath)
	if err != nil {
		return nil, err
	}
	start, err := startOn(data.parameters, day, zone)
	if err != nil {
		return nil, err
	}
	limits := contactLimits(data.parameters)
	c := &computation{
		tables:   data,
		places:   placesOf(data),
		zone:     zone,
		today:    dayOf(day, zone),
		runEnd:   day.AddDate(0, 0, 1),
		limits:   limits,
		universe: map[time.Time]map[string]enterprise{},
		valid:    map[cut][]visit{},
	}
	c.prepare()
	for _, p := range periodsOf(day, start, earliestCapture(data), zone) {
		switch p.code {
		case "M":
			c.coverage(p, "COV-01")
			c.validVisitRate(p)
			c.demands(p)
			c.contacted(p)
			c.contactedByBank(p)
			c.timeliness(p)
			c.activeGrids(p)
			c.contactInTime(p)
			c.conversion(p)
			c.conversionByBank(p)
			c.firstLoans(p)
			c.bankConfirmed(p)
		case "Q", "R365":
			c.coverage(p, "COV-01")
		case "YTD":
			c.coverage(p, "COV-01")
			c.demands(p)
			c.firstLoans(p)
		case "CUM":
			c.coverage(p, "COV-02")
			c.unvisited(p)
			c.overdue(p)
		}
	}
	return c.rows, nil
}

// computation holds the tables and what several figures share.
type computation struct {
	*tables
	places   places
	zone     *time.Location // Shanghai
	today    day            // D
	runEnd   time.Time      // D 24:00
	limits   []contactLimit
	rows     []Row
	universe map[time.Time]map[string]enterprise // by T; entity → the row that speaks for it
	valid    map[cut][]visit

	enterpriseByID map[string]enterprise
	demandByID     map[string]demand
	pictures       map[string][]photo // by visit
	past           map[string][]pastValue
	special        map[string]string // date → holiday or workday
	loansOfDemand  map[string][]loan
	loansOfMatch   map[string][]loan
}

func (c *computation) prepare() {
	sort.Slice(c.visits, func(i, j int) bool {
		return earlier(c.visits[i].capturedAt, c.visits[i].id, c.visits[j].capturedAt, c.visits[j].id)
	})
	sort.Slice(c.tables.demands, func(i, j int) bool {
		a, b := c.tables.demands[i], c.tables.demands[j]
		return earlier(a.capturedAt, a.id, b.capturedAt, b.id)
	})
	c.enterpriseByID = map[string]enterprise{}
	for _, e := range c.enterprises {
		c.enterpriseByID[e.id] = e
	}
	c.demandByID = map[string]demand{}
	for _, d := range c.tables.demands {
		c.demandByID[d.id] = d
	}
	c.pictures = map[string][]photo{}
	for _, p := range c.photos {
		if p.collection == "visits" && p.file != "" {
			c.pictures[p.record] = append(c.pictures[p.record], p)
		}
	}
	c.past = map[string][]pastValue{}
	for _, h := range c.history {
		if h.collection == "enterprises" {
			c.past[h.record] = append(c.past[h.record], h)
		}
	}
	c.special = map[string]string{}
	for _, h := range c.holidays {
		c.special[h.date] = h.kind
	}
	sort.Slice(c.loans, func(i, j int) bool { // by day, not by instant: two of one day go by id
		a, b := c.loans[i], c.loans[j]
		if c.dayOf(a.disbursedOn) != c.dayOf(b.disbursedOn) {
			return a.disbursedOn.Before(b.disbursedOn)
		}
		return a.id < b.id
	})
	c.linkLoans()
}

// coverage is COV-01 and COV-02: entities of the universe at T with a valid visit in the window, over the universe.
// A visit to any record of the entity counts, also to one that is itself outside the universe.
func (c *computation) coverage(p period, indicator string) {
	visited := map[string]bool{}
	for _, v := range c.validVisits(p.cut) {
		if p.holds(v.capturedAt) {
			visited[c.entityOf(v.enterprise)] = true
		}
	}
	count := newTally(c.places)
	for entity, row := range c.universeAt(p.end) {
		met := int64(0)
		if visited[entity] {
			met = 1
		}
		count.add(c.valueAt(row, "grid", row.grid, p.end), met, 1)
	}
	c.rows = append(c.rows, count.ratios(p, indicator)...)
}

// unvisited is COV-07: entities of the universe whose last valid visit is long ago, or never was. Visits before the
// start of the programme count here: such an entity is known to someone.
func (c *computation) unvisited(p period) {
	last := map[string]time.Time{}
	for _, v := range c.validVisits(p.cut) { // in order of capture
		if v.capturedAt.Before(p.end) {
			last[c.entityOf(v.enterprise)] = v.capturedAt
		}
	}
	list := func(indicator string, days int) {
		since := p.end.Add(-time.Duration(days) * 24 * time.Hour)
		count := newTally(c.places)
		for entity, row := range c.universeAt(p.end) {
			at, visited := last[entity]
			if !visited || (days > 0 && at.Before(since)) {
				count.add(c.valueAt(row, "grid", row.grid, p.end), 1, 0)
			}
		}
		c.rows = append(c.rows, count.figures(p, indicator)...)
	}
	list("COV-07", 90)
	list("COV-07.d180", 180)
	list("COV-07.d365", 365)
	list("COV-07.never", 0)
}

// activeGrids is COV-05: of the grids with anyone to visit, those in which a valid visit was made.
func (c *computation) activeGrids(p period) {
	inhabited, visited := map[string]bool{}, map[string]bool{}
	for _, row := range c.universeAt(p.end) {
		inhabited[c.valueAt(row, "grid", row.grid, p.end)] = true
	}
	for _, v := range c.validVisits(p.cut) {
		if p.holds(v.capturedAt) {
			visited[v.grid] = true
		}
	}
	count := newTally(places{streets: c.places.streets, district: c.places.district, hasDistrict: true})
	for _, grid := range c.places.grids {
		if !inhabited[grid] {
			continue
		}
		active := int64(0)
		if visited[grid] {
			active = 1
		}
		count.addTo(org{"district", c.places.district}, active, 1)
		if street := c.places.streetOf[grid]; street != "" {
			count.addTo(org{"street", street}, active, 1)
		}
	}
	c.rows = append(c.rows, count.ratios(p, "COV-05")...)
}

// validVisitRate is COV-04. The grid is the one at capture, which never changes.
func (c *computation) validVisitRate(p period) {
	valid := map[string]bool{}
	for _, v := range c.validVisits(p.cut) {
		valid[v.id] = true
	}
	count := newTally(c.places)
	for _, v := range c.visits {
		if !p.holds(v.capturedAt) || !p.cut.admits(v.syncedAt) {
			continue
		}
		good := int64(0)
		if valid[v.id] {
			good = 1
		}
		count.add(v.grid, good, 1)
		count.addTo(org{"worker", v.worker}, good, 1)
	}
	c.rows = append(c.rows, count.ratios(p, "COV-04")...)
}

// demands is CRD-01: how many demands were kept, and for how much.
func (c *computation) demands(p period) {
	number, amount := newTally(c.places), newTally(c.places)
	for _, d := range c.keptDemands(p.cut) {
		if p.holds(d.capturedAt) {
			number.add(d.grid, 1, 0)
			amount.add(d.grid, d.amount, 0)
		}
	}
	c.rows = append(c.rows, number.figures(p, "CRD-01")...)
	c.rows = append(c.rows, amount.figures(p, "CRD-01.amount")...)
}

// contacted is CNV-01 by place: demands of the cohort that a bank has reached, over the cohort.
func (c *computation) contacted(p period) {
	reached := map[string]bool{}
	for _, e := range c.events {
		if c.isBankContact(e, p) {
			reached[e.demand] = true
		}
	}
	count := newTally(c.places)
	for _, d := range c.tables.demands {
		if !d.inCohort() || !p.holds(d.capturedAt) || !p.cut.admits(d.syncedAt) {
			continue
		}
		met := int64(0)
		if reached[d.id] {
			met = 1
		}
		count.add(d.grid, met, 1)
	}
	c.rows = append(c.rows, count.ratios(p, "CNV-01")...)
}

// contactedByBank is CNV-01 by bank. Its clock starts when the demand was matched with that bank.
func (c *computation) contactedByBank(p period) {
	reached := map[string]bool{}
	for _, e := range c.events {
		if c.isBankContact(e, p) {
			reached[e.match] = true
		}
	}
	count := newTally(places{})
	for _, m := range c.matches {
		d, exists := c.demandByID[m.demand]
		if !exists || !d.inCohort() || !p.holds(m.matchedAt) || !p.cut.admits(m.syncedAt) {
			continue
		}
		met := int64(0)
		if reached[m.id] {
			met = 1
		}
		count.addTo(org{"bank", m.bank}, met, 1)
	}
	c.rows = append(c.rows, count.ratios(p, "CNV-01")...)
}

// timeliness is DQ-01. A device nobody is known to own still counts in the district.
func (c *computation) timeliness(p period) {
	userOf := map[string]string{}
	for _, d := range c.devices {
		userOf[d.id] = d.user
	}
	count := newTally(places{district: c.places.district, hasDistrict: true})
	for _, r := range c.capturedRecords() {
		if r.device == "" || !p.holds(r.capturedAt) || !p.cut.admits(r.syncedAt) {
			continue
		}
		onTime := int64(0)
		if !r.syncedAt.IsZero() && r.syncedAt.Sub(r.capturedAt) <= 24*time.Hour {
			onTime = 1
		}
		count.add("", onTime, 1)
		if user := userOf[r.device]; user != "" {
			count.addTo(org{"worker", user}, onTime, 1)
		}
	}
	c.rows = append(c.rows, count.ratios(p, "DQ-01")...)
}
