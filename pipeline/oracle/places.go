package oracle

import "sort"

type org struct{ kind, id string }

// places is the tree figures roll up through: grid → community → street or town → district.
type places struct {
	grids, communities, streets []string
	communityOf, streetOf       map[string]string // by grid
	district                    string
	hasDistrict                 bool
}

func placesOf(t *tables) places {
	areaByID := map[string]area{}
	p := places{communityOf: map[string]string{}, streetOf: map[string]string{}, hasDistrict: true}
	var districts []area
	for _, a := range t.areas {
		areaByID[a.id] = a
		switch a.kind {
		case "street", "town":
			p.streets = append(p.streets, a.id)
		case "district":
			districts = append(districts, a)
		}
	}
	// One installation is one district. Were it renamed there would be two rows: the one in force is it.
	sort.Slice(districts, func(i, j int) bool {
		a, b := districts[i], districts[j]
		if a.until.IsZero() != b.until.IsZero() {
			return a.until.IsZero()
		}
		return a.id < b.id
	})
	if len(districts) > 0 {
		p.district = districts[0].id
	}
	seen := map[string]bool{}
	for _, g := range t.grids {
		p.grids = append(p.grids, g.id)
		if g.area == "" {
			continue
		}
		p.communityOf[g.id] = g.area
		if !seen[g.area] {
			seen[g.area] = true
			p.communities = append(p.communities, g.area)
		}
		// The nearest street or town, the grid's own area included; the count ends a loop in a broken tree.
		at, steps := g.area, 0
		for at != "" && steps < 20 {
			if k := areaByID[at].kind; k == "street" || k == "town" {
				p.streetOf[g.id] = at
				break
			}
			at, steps = areaByID[at].parent, steps+1
		}
	}
	return p
}

func (p places) all() []org {
	var out []org
	for _, id := range p.grids {
		out = append(out, org{"grid", id})
	}
	for _, id := range p.communities {
		out = append(out, org{"community", id})
	}
	for _, id := range p.streets {
		out = append(out, org{"street", id})
	}
	if p.hasDistrict {
		out = append(out, org{"district", p.district})
	}
	return out
}

// tally adds up numerators and denominators. Every place has an entry from the start, so zeros are reported too.
type tally struct {
	places places
	known  map[string]bool // grids that exist
	num    map[org]int64
	den    map[org]int64
}

func newTally(p places) *tally {
	t := &tally{places: p, known: map[string]bool{}, num: map[org]int64{}, den: map[org]int64{}}
	for _, o := range p.all() {
		t.num[o], t.den[o] = 0, 0
	}
	for _, id := range p.grids {
		t.known[id] = true
	}
	return t
}

// add counts something at its grid and everywhere above. Without a grid (待分配) it is the district's alone.
func (t *tally) add(grid string, num, den int64) {
	t.addTo(org{"district", t.places.district}, num, den)
	if !t.known[grid] {
		return
	}
	t.addTo(org{"grid", grid}, num, den)
	if id := t.places.communityOf[grid]; id != "" {
		t.addTo(org{"community", id}, num, den)
	}
	if id := t.places.streetOf[grid]; id != "" {
		t.addTo(org{"street", id}, num, den)
	}
}

func (t *tally) addTo(o org, num, den int64) {
	t.num[o] += num
	t.den[o] += den
}

func (t *tally) ratios(p period, indicator string) []Row { return t.list(p, indicator, true) }

func (t *tally) figures(p period, indicator string) []Row { return t.list(p, indicator, false) }

func (t *tally) list(p period, indicator string, ratio bool) []Row {
	var out []Row
	for o, n := range t.num {
		row := Row{Period: p.code, PeriodStart: p.start.Format("2006-01-02"), OrgKind: o.kind, OrgID: o.id,
			Indicator: indicator, Numerator: n, Status: p.status()}
		if ratio {
			d := t.den[o]
			row.Denominator = &d
		}
		out = append(out, row)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.OrgKind != b.OrgKind {
			return a.OrgKind < b.OrgKind
		}
		return a.OrgID < b.OrgID
	})
	return out
}
