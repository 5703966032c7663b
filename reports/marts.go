package reports

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // registers the driver "duckdb"

	"gangwan/hooks"
)

// marts is everything the reports print, read once: the files are many, the database is not asked again for each.
type marts struct {
	run       Run
	defs      []Definition
	district  Area
	streets   []Area // by code
	areas     map[string]Area
	grids     map[string][]grid // by street
	banks     []bank
	months    []string // first days, oldest first
	quarters  []string
	figures   map[key]*Figure
	cohorts   map[unit]*Figure  // CNV-01 of this year's months summed
	ripe      map[key]*Figure   // CNV-04 and CNV-05 of the newest cohorts past 90 days summed; key without period
	since     string            // where the cumulative window begins
	breakdown map[string][]part // by org: kind, size, section
	outcomes  map[string][]part
	invalid   map[string][]part
	stages    map[string][]part
	needs     map[string][]part
	funnel    map[string][]part // dimension "matured" where the cohort is past 90 days
	evidence  map[string][]part // of the district's loans
}

// unit is an organisation: ids of different kinds may be the same (a grid may hang on a street itself, which is then its own community).
type unit struct{ kind, id string }

type key struct {
	indicator, period, start string
	unit
}

type grid struct{ id, name, area, community string }

type bank struct{ id, name string }

// part is one slice of a figure: a dimension's value, in a period where it has one, with a count and an amount or base.
type part struct {
	dimension, start, key string
	n, m                  int64
}

// readMarts loads a run's marts. Grids and communities come with the few periods their tables show: with every month they would be most of the file.
func readMarts(ctx context.Context, path string) (*marts, error) {
	db, err := sql.Open("duckdb", path+"?access_mode=READ_ONLY&threads=2")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	m := &marts{areas: map[string]Area{}, grids: map[string][]grid{}, figures: map[key]*Figure{}, cohorts: map[unit]*Figure{}, ripe: map[key]*Figure{}}

	var until sql.NullTime
	err = db.QueryRowContext(ctx, `select run_id, cast(date as varchar), cast(as_of as varchar), seq, input_hash, provisional, data_until from run`).
		Scan(&m.run.ID, &m.run.Date, &m.run.AsOf, &m.run.Seq, &m.run.InputHash, &m.run.Provisional, &until)
	if err != nil {
		return nil, fmt.Errorf("marts: run: %w", err)
	}
	m.run.Date = m.run.Date[:min(10, len(m.run.Date))]
	m.run.AsOf = m.run.AsOf[:min(10, len(m.run.AsOf))]
	if until.Valid { // stored in UTC, like every time
		m.run.DataUntil = until.Time.UTC().In(hooks.Shanghai).Format("2006-01-02 15:04")
	}

	if err := each(ctx, db, `select code, name, label, unit, grain, report, version, definition from catalogue order by code`, func(rows *sql.Rows) error {
		var d Definition
		err := rows.Scan(&d.Code, &d.Name, &d.Label, &d.Unit, &d.Grain, &d.Report, &d.Version, &d.Text)
		m.defs = append(m.defs, d)
		return err
	}); err != nil {
		return nil, err
	}
	var counted string // the district that the figures are of
	if err := each(ctx, db, `select min(org_id) from indicators where org_kind = 'district' having count(*) > 0`, func(rows *sql.Rows) error { return rows.Scan(&counted) }); err != nil {
		return nil, err
	}
	used := map[string]bool{}
	if err := each(ctx, db, `select area_id, code, name, kind, coalesce(parent_id, '') from dim_area order by code, area_id`, func(rows *sql.Rows) error {
		var a Area
		if err := rows.Scan(&a.ID, &a.Code, &a.Name, &a.Kind, &a.Parent); err != nil {
			return err
		}
		if a.File = a.Code; used[a.Code] { // codes are dated: an old and a new area may share one
			a.File = a.Code + "-" + a.ID
		}
		if m.areas[a.ID] = a; a.Kind == "district" || a.Kind == "street" || a.Kind == "town" {
			used[a.Code] = true
		}
		switch a.Kind {
		case "district":
			if m.district.ID == "" || a.ID == counted {
				m.district = a
			}
		case "street", "town":
			m.streets = append(m.streets, a)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := each(ctx, db, `select grid_id, name, coalesce(area_id, ''), coalesce(community_name, ''), coalesce(street_id, '') from dim_grid
		order by code, name, grid_id`, func(rows *sql.Rows) error {
		var g grid
		var street string
		err := rows.Scan(&g.id, &g.name, &g.area, &g.community, &street)
		m.grids[street] = append(m.grids[street], g)
		return err
	}); err != nil {
		return nil, err
	}
	if err := each(ctx, db, `select bank_id, name, coalesce(short_name, '') from dim_bank order by name, bank_id`, func(rows *sql.Rows) error {
		var b bank
		var short string
		err := rows.Scan(&b.id, &b.name, &short)
		if short != "" {
			b.name = short
		}
		m.banks = append(m.banks, b)
		return err
	}); err != nil {
		return nil, err
	}
	if err := m.readFigures(ctx, db); err != nil {
		return nil, err
	}

	for _, s := range []struct {
		into  *map[string][]part
		query string
	}{
		{&m.breakdown, `select org_id, dimension, '', coalesce(key, ''), cast(numerator as bigint), cast(denominator as bigint) from coverage_breakdown`},
		{&m.outcomes, `select org_id, '', strftime(period_start, '%Y-%m-%d'), outcome, cast(visits as bigint), cast(0 as bigint) from visit_outcomes`},
		{&m.invalid, `select org_id, '', strftime(period_start, '%Y-%m-%d'), reason, cast(visits as bigint), cast(0 as bigint) from invalid_reasons`},
		{&m.stages, `select org_id, '', strftime(period_start, '%Y-%m-%d'), stage, cast(demands as bigint), cast(amount as bigint) from demand_stages`},
		{&m.needs, `select org_id, '', strftime(period_start, '%Y-%m-%d'), need, cast(demands as bigint), cast(amount as bigint) from demand_needs`},
		{&m.funnel, `select org_id, if(matured, 'matured', ''), strftime(period_start, '%Y-%m-%d'), step, cast(demands as bigint), cast(amount as bigint) from demand_funnel`},
		{&m.evidence, `select org_id, '', strftime(period_start, '%Y-%m-%d'), evidence, cast(loans as bigint), cast(amount as bigint) from loan_evidence`},
	} {
		*s.into = map[string][]part{}
		if err := each(ctx, db, s.query+` where org_kind in ('district', 'street') order by all`, func(rows *sql.Rows) error {
			var org string
			var p part
			var n, a sql.NullInt64
			err := rows.Scan(&org, &p.dimension, &p.start, &p.key, &n, &a)
			p.n, p.m = n.Int64, a.Int64
			(*s.into)[org] = append((*s.into)[org], p)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *marts) readFigures(ctx context.Context, db *sql.DB) error {
	const columns = `select indicator, period, strftime(period_start, '%Y-%m-%d'), org_kind, org_id, cast(numerator as bigint), cast(denominator as bigint), status from indicators where `
	wide := columns + `org_kind in ('district', 'street', 'bank') order by all`
	// The month a figure is of, and the one before, are enough below the street.
	near := columns + `org_kind in ('community', 'grid')
		and (period in ('YTD', 'R365', 'CUM') or (period = 'M' and period_start >= date_trunc('month', cast(? as date)) - interval 1 month)) order by all`
	months, quarters := map[string]bool{}, map[string]bool{}
	take := func(rows *sql.Rows) error {
		f := &Figure{}
		var num, den sql.NullInt64
		if err := rows.Scan(&f.Indicator, &f.Period, &f.Start, &f.OrgKind, &f.Org, &num, &den, &f.Status); err != nil {
			return err
		}
		f.Num, f.Den, f.HasDen = num.Int64, den.Int64, den.Valid
		if f.OrgKind == "district" && f.Period == "M" {
			months[f.Start] = true
		}
		if f.OrgKind == "district" && f.Period == "Q" {
			quarters[f.Start] = true
		}
		if f.OrgKind == "district" && f.Period == "CUM" {
			m.since = f.Start
		}
		m.figures[key{f.Indicator, f.Period, f.Start, unit{f.OrgKind, f.Org}}] = f
		return nil
	}
	if err := each(ctx, db, wide, take); err != nil {
		return err
	}
	if err := each(ctx, db, near, take, m.run.Date); err != nil {
		return err
	}
	for s := range months {
		m.months = append(m.months, s)
	}
	for s := range quarters {
		m.quarters = append(m.quarters, s)
	}
	slices.Sort(m.months)
	slices.Sort(m.quarters)
	if len(m.months) == 0 { // a district where nothing has happened yet still has a current month
		m.months = []string{m.month()}
	}
	if matured := m.matured(90); len(matured) > 0 {
		matured = matured[max(0, len(matured)-ripeCohorts):]
		newest := matured[len(matured)-1]
		if err := each(ctx, db, `select indicator, org_kind, org_id, cast(sum(numerator) as bigint), cast(sum(denominator) as bigint), if(min(status) = max(status), min(status), ?) from indicators
			where indicator in ('CNV-04', 'CNV-05') and period = 'M' and period_start between cast(? as date) and cast(? as date) group by all order by all`, func(rows *sql.Rows) error {
			f := &Figure{Period: "M", Start: newest, HasDen: true, Slice: fmt.Sprintf("cohorts=%d", len(matured))}
			if err := rows.Scan(&f.Indicator, &f.OrgKind, &f.Org, &f.Num, &f.Den, &f.Status); err != nil {
				return err
			}
			m.ripe[key{indicator: f.Indicator, unit: unit{f.OrgKind, f.Org}}] = f
			return nil
		}, open, matured[0], newest); err != nil {
			return err
		}
	}
	// Demands of a year: the months' cohorts summed, which is how a ratio may be re-aggregated.
	return each(ctx, db, `select org_kind, org_id, cast(sum(numerator) as bigint), cast(sum(denominator) as bigint) from indicators
		where indicator = 'CNV-01' and period = 'M' and period_start >= cast(? as date) and org_kind <> 'worker'
		group by all order by all`, func(rows *sql.Rows) error {
		f := &Figure{Indicator: "CNV-01", Period: "YTD", Start: m.year(), HasDen: true, Slice: "cohorts=year"}
		if err := rows.Scan(&f.OrgKind, &f.Org, &f.Num, &f.Den); err != nil {
			return err
		}
		f.Status = open
		m.cohorts[unit{f.OrgKind, f.Org}] = f
		return nil
	}, m.year())
}

func each(ctx context.Context, db *sql.DB, query string, row func(*sql.Rows) error, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("marts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return fmt.Errorf("marts: %w", err)
		}
	}
	return rows.Err()
}

func (m *marts) month() string { return m.run.Date[:8] + "01" }
func (m *marts) year() string  { return m.run.Date[:5] + "01-01" }

// wholeMonth tells whether the run's month is over: an unfinished one is not compared with a full one.
func (m *marts) wholeMonth() bool { return lastOfMonth(m.run.Date) && !m.run.Provisional }

// start is the first day of a window that ends at the run's date.
func (m *marts) start(period string) string {
	switch period {
	case "M":
		return m.month()
	case "YTD":
		return m.year()
	case "R365":
		t, _ := time.Parse(time.DateOnly, m.run.Date)
		return t.AddDate(0, 0, -364).Format(time.DateOnly)
	}
	return m.since
}

// of finds a figure; nil where the marts have none, which every face prints as a dash.
func (m *marts) of(indicator, period, start string, u unit) *Figure {
	return m.figures[key{indicator, period, start, u}]
}

// now finds the figure of the window that ends at the run's date.
func (m *marts) now(indicator, period string, u unit) *Figure {
	return m.of(indicator, period, m.start(period), u)
}

// ripeCohorts is how many matured cohorts are summed for places and banks, where one alone is too small to compare.
const ripeCohorts = 12

// matured are the months, oldest first, whose last day is at least so many days before the run's date.
func (m *marts) matured(days int) []string {
	today, _ := time.Parse(time.DateOnly, m.run.Date)
	n := 0
	for n < len(m.months) {
		first, _ := time.Parse(time.DateOnly, m.months[n])
		if first.AddDate(0, 1, days-1).After(today) {
			break
		}
		n++
	}
	return m.months[:n]
}

// ripeOf is the sum of the matured cohorts of a place or bank; nil while none has matured.
func (m *marts) ripeOf(indicator string, u unit) *Figure {
	return m.ripe[key{indicator: indicator, unit: u}]
}

// recent months, oldest first.
func (m *marts) recent(n int) []string { return m.months[max(0, len(m.months)-n):] }

func (m *marts) definitions(codes ...string) []Definition {
	var out []Definition
	for _, d := range m.defs {
		if slices.Contains(codes, d.Code) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Definition) int {
		return cmp.Compare(slices.Index(codes, a.Code), slices.Index(codes, b.Code))
	})
	return out
}

// places are the communities of a street in the order of their code, each with its grids.
func (m *marts) places(street string) []place {
	index := map[string]int{}
	var out []place
	for _, g := range m.grids[street] {
		i, ok := index[g.area]
		if !ok {
			a := m.areas[g.area]
			name := g.community
			if name == "" {
				name = a.Name
			}
			i = len(out)
			index[g.area] = i
			out = append(out, place{id: g.area, name: name, code: a.Code, kind: a.Kind})
		}
		out[i].grids = append(out[i].grids, g)
	}
	slices.SortStableFunc(out, func(a, b place) int { return cmp.Or(cmp.Compare(a.code, b.code), cmp.Compare(a.id, b.id)) })
	return out
}

type place struct {
	id, name, code, kind string
	grids                []grid
}

// tally sums parts by key within the months from..to, in the order of the word table, unknown keys after it.
func tally(parts []part, dimension, from, to string, order []pair) []part {
	sums := map[string]*part{}
	for _, p := range parts {
		if p.dimension != dimension || (from != "" && (p.start < from || p.start > to)) {
			continue
		}
		k := word(order, p.key)
		if sums[k] == nil {
			sums[k] = &part{dimension: dimension, start: from, key: p.key}
		}
		sums[k].n += p.n
		sums[k].m += p.m
	}
	out := make([]part, 0, len(sums))
	for _, p := range sums {
		out = append(out, *p)
	}
	rank := func(p part) int {
		i := slices.IndexFunc(order, func(o pair) bool { return o.key == p.key })
		if i < 0 {
			return len(order)
		}
		return i
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.key, b.key)) })
	return out
}
