package registry

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// batch is how many rows one transaction takes: one sync to disk for all of them, and phones that push meanwhile wait for
// a fraction of a second.
const batch = 500

// enterpriseRow is a row of the registry, cleaned. An empty value means that the registry does not say.
type enterpriseRow struct {
	row tableRow

	uscc, name, kind, industry, address, owner, phone string
	foundedOn, registryStatus, status                 string
	ownership, size                                   string
	employees, revenue, assets                        int64
	place                                             *types.GeoPoint
	// community is the area's code; why says what is lacking for a grid.
	community, grid, why string
}

// ImportEnterprises brings the enterprises up to the market regulator's export. An enterprise is matched by its unified
// social credit code; without one, by name and address in the same community. What the registry owns is updated; what
// people found out on site, phone and grid above all, is only filled in where it was lacking. Enterprises that the file
// does not name are left alone.
func ImportEnterprises(app core.App, r io.Reader, o Options) (Report, error) {
	began := time.Now()
	t, l, report, err := open(r, enterpriseList, o)
	if err != nil {
		return report, err
	}
	p, err := loadPlaces(app)
	if err != nil {
		return report, err
	}
	im := &importer{app: app, places: p, o: o, taken: map[string]int{}}
	if im.collection, err = app.FindCollectionByNameOrId("enterprises"); err != nil {
		return report, err
	}
	withCode, without := im.check(t, l, &report)
	// Rows with a code first: one without must not take the record that another row names exactly.
	done := report.Bad
	o.progress(done, report.Read)
	for _, rows := range [][]*enterpriseRow{withCode, without} {
		for chunk := range slices.Chunk(rows, batch) {
			var part Report
			var took map[string]int
			err := o.transaction(app, func(tx core.App) error {
				part, took = newReport(), map[string]int{}
				return im.take(tx, chunk, &part, took)
			})
			if err != nil {
				report.Took = time.Since(began)
				report.sortBad()
				return report, failed(err)
			}
			report.add(&part)
			for id, line := range took {
				im.taken[id] = line
			}
			done += len(chunk)
			o.progress(done, report.Read)
		}
	}
	o.progress(report.Read, report.Read)
	report.Took = time.Since(began)
	return report, finish(&report)
}

type importer struct {
	app        core.App
	collection *core.Collection
	places     *places
	o          Options
	// taken are the records that a row of this file has matched, with that row's line.
	taken map[string]int
}

// check cleans every row before anything is written.
func (im *importer) check(t *table, l layout, report *Report) (withCode, without []*enterpriseRow) {
	now := im.o.now()
	byCode, byPlace := map[string]int{}, map[[3]string]int{}
	// A row without a code that repeats another's name and place is the same enterprise, whichever comes first.
	for _, row := range t.Rows {
		if row.Problem != nil {
			report.bad(row, row.Problem)
			continue
		}
		warnings := make([]string, 0, 2)
		e, bad := im.clean(row, t, l, now, &warnings)
		if bad != nil {
			report.bad(row, bad)
			continue
		}
		if e.uscc != "" {
			if line, ok := byCode[e.uscc]; ok {
				report.bad(row, rowErrorf("duplicate_uscc", "统一社会信用代码 %s 在第 %d 行已出现", e.uscc, line))
				continue
			}
			byCode[e.uscc] = row.Line
			withCode = append(withCode, e)
		} else {
			key := [3]string{sameText(e.name), sameText(e.address), e.community}
			if line, ok := byPlace[key]; ok {
				report.bad(row, rowErrorf("duplicate_row", "没有统一社会信用代码，且名称、住所和社区与第 %d 行相同", line))
				continue
			}
			byPlace[key] = row.Line
			without = append(without, e)
			warnings = append(warnings, "no_uscc")
		}
		for _, w := range warnings {
			report.Warnings[w]++
		}
		if e.why == whyUnknownCommunity {
			report.UnknownCommunities[shorten(l.value(row.Cells, "street")+" "+l.value(row.Cells, "community"), 40)]++
		}
	}
	return withCode, without
}

func (im *importer) clean(row tableRow, t *table, l layout, now time.Time, warnings *[]string) (*enterpriseRow, *rowError) {
	get := func(field string) string { return l.value(row.Cells, field) }
	e := &enterpriseRow{row: row, name: get("name"), address: get("address"), owner: get("owner"), registryStatus: get("registry_status")}
	if e.name == "" {
		return nil, rowErrorf("missing_name", "没有名称")
	}
	var warning string
	var bad *rowError
	if e.uscc, warning, bad = parseUSCC(get("uscc")); bad != nil {
		return nil, bad
	}
	if warning != "" {
		*warnings = append(*warnings, warning)
	}

	types := l.all(row.Cells, "kind")
	if e.kind = kindOf(types); types == "" {
		// The code itself says what kind of body it was given to.
		e.kind = hooks.USCCKind(e.uscc)
	}
	if e.kind == "" {
		return nil, rowErrorf("unknown_kind", "主体类型“%s”无法识别（企业、个体工商户、农民专业合作社、其他）", shorten(types, 30))
	}
	e.ownership = ownershipOf(types)
	if e.ownership == "unknown" && e.kind == "individual_business" {
		e.ownership = "private"
	}

	var ok bool
	if e.industry, ok = parseIndustry(get("industry")); !ok {
		*warnings = append(*warnings, "industry")
	}
	if e.status, ok = statusOf(e.registryStatus); !ok {
		*warnings = append(*warnings, "registry_status")
	}
	if given := get("phone"); given != "" {
		if e.phone = parsePhone(given); e.phone == "" {
			*warnings = append(*warnings, "phone")
		}
	}
	if e.place, bad = parsePlace(get("lon"), get("lat"), get("system")); bad != nil {
		*warnings = append(*warnings, "location")
	}
	if e.foundedOn, bad = parseDay(get("founded_on"), now); bad != nil {
		return nil, bad
	}
	for _, n := range []struct {
		field, label string
		max          float64
		to           *int64
	}{
		{"employees", "从业人员", 1e6, &e.employees}, {"revenue", "营业收入", 1e12, &e.revenue}, {"total_assets", "资产总额", 1e12, &e.assets},
	} {
		unit := 1.0
		if l.in10k(t.Header, n.field) {
			unit = 10000
		}
		if *n.to, bad = parseWhole(get(n.field), n.label, unit, n.max); bad != nil {
			return nil, bad
		}
	}
	if e.size = sizeOf(get("size")); e.size == "unknown" {
		e.size = hooks.SizeClass(e.industry, int(e.employees), e.revenue, e.assets)
	}
	for field, value := range map[string]string{"name": e.name, "address": e.address, "owner": e.owner, "phone": e.phone, "registry_status": e.registryStatus} {
		if bad := tooLong(im.collection, field, value); bad != nil {
			return nil, bad
		}
	}
	if e.community, e.why = im.places.resolve(get("street"), get("community")); e.community != "" {
		e.grid, e.why = im.places.grid(e.community)
	}
	return e, nil
}

// take writes some rows inside one transaction. Everything is read again here, under the write lock: what a phone pushed
// since the last transaction is seen, and never overwritten.
func (im *importer) take(tx core.App, rows []*enterpriseRow, report *Report, took map[string]int) error {
	byCode, byName, err := im.existing(tx, rows)
	if err != nil {
		return err
	}
	for _, e := range rows {
		record, bad := im.match(e, byCode, byName)
		if bad == nil && record != nil {
			if line := max(im.taken[record.Id], took[record.Id]); line > 0 {
				bad = rowErrorf("duplicate_row", "与第 %d 行是同一市场主体", line)
			}
		}
		if bad != nil {
			report.bad(e.row, bad)
			continue
		}
		one := newReport()
		if record == nil {
			record = im.create(e, &one)
		} else {
			record = im.update(e, record, &one)
		}
		if one.New+one.Changed > 0 {
			refused, err := im.o.save(tx, record)
			if err != nil {
				return err
			}
			if refused != nil {
				report.bad(e.row, refused)
				continue
			}
		}
		if record.Id != "" {
			took[record.Id] = e.row.Line
		}
		im.countPlace(e, record, &one)
		report.add(&one)
	}
	return nil
}

// existing finds the records that the rows may mean, in two queries.
func (im *importer) existing(tx core.App, rows []*enterpriseRow) (byCode, byName map[string][]*core.Record, err error) {
	byCode, byName = map[string][]*core.Record{}, map[string][]*core.Record{}
	var codes, names []any
	for _, e := range rows {
		if e.uscc != "" {
			codes = append(codes, e.uscc)
		}
	}
	find := func(column string, values []any, into map[string][]*core.Record) error {
		if len(values) == 0 {
			return nil
		}
		var found []*core.Record
		// The index on codes leaves empty ones out, and is used only where the query says so too.
		err := tx.RecordQuery(im.collection).AndWhere(dbx.In(column, values...)).AndWhere(dbx.NewExp(column + " != ''")).OrderBy("id").All(&found)
		for _, r := range found {
			into[r.GetString(column)] = append(into[r.GetString(column)], r)
		}
		return err
	}
	if err := find("uscc", codes, byCode); err != nil {
		return nil, nil, err
	}
	for _, e := range rows {
		if e.uscc == "" || len(byCode[e.uscc]) == 0 {
			names = append(names, e.name)
		}
	}
	return byCode, byName, find("name", names, byName)
}

// match finds the record that a row means: by code; else, among those of the same name and address in the same community,
// the only one. A record whose community is not known yet (待分配) may be of any.
func (im *importer) match(e *enterpriseRow, byCode, byName map[string][]*core.Record) (*core.Record, *rowError) {
	if same := byCode[e.uscc]; e.uscc != "" && len(same) > 0 {
		// Two records with one code: a duplicate found in the field and not yet merged. The registry's own comes first.
		return slices.MinFunc(same, func(a, b *core.Record) int { return rank(a) - rank(b) }), nil
	}
	var here, anywhere []*core.Record
	for _, r := range byName[e.name] {
		if r.GetString("status") == "duplicate" || e.uscc != "" && r.GetString("uscc") != "" || sameText(r.GetString("address")) != sameText(e.address) {
			continue
		}
		area := im.places.areaOfGrid[r.GetString("grid")]
		switch {
		case area != "" && area == e.community:
			here = append(here, r)
		case e.address != "" && (area == "" || e.community == ""):
			anywhere = append(anywhere, r)
		}
	}
	if len(here) == 0 {
		here = anywhere
	}
	switch len(here) {
	case 0:
		return nil, nil
	case 1:
		return here[0], nil
	}
	return nil, rowErrorf("ambiguous", "没有可匹配的统一社会信用代码，而系统里有 %d 户名称、住所相同的主体，请先核实合并", len(here))
}

func rank(r *core.Record) int {
	n := 0
	if r.GetString("status") == "duplicate" {
		n += 2
	}
	if r.GetString("origin") != "registry" {
		n++
	}
	return n
}

func (im *importer) create(e *enterpriseRow, report *Report) *core.Record {
	r := im.o.newRecord(im.collection)
	r.Load(map[string]any{
		"name": e.name, "uscc": e.uscc, "kind": e.kind, "industry": e.industry, "size": e.size, "grid": e.grid, "address": e.address,
		"owner": e.owner, "phone": e.phone, "employees": e.employees, "revenue": e.revenue, "total_assets": e.assets,
		"founded_on": e.foundedOn, "borrowing": "unknown", "account_opened": "unknown", "status": e.status, "ownership": e.ownership,
		"registry_status": e.registryStatus, "origin": "registry", "initials": hooks.Initials(e.name),
		"scope_grid": e.grid, "scope_harbour": im.places.harbourOf[e.grid],
	})
	if e.place != nil {
		r.Set("location", *e.place)
	}
	report.New++
	if e.status == "closed" {
		report.NewClosed++
	}
	return r
}

// update brings a record up to the registry's row.
func (im *importer) update(e *enterpriseRow, existing *core.Record, report *Report) *core.Record {
	r := existing.Clone()
	set := func(field string, value any) {
		r.Set(field, value)
		report.ChangedFields[field]++
		report.Changed = 1
	}
	// The registry's own: its word counts, but its silence takes nothing away.
	for _, f := range []struct{ field, value string }{
		{"name", e.name}, {"kind", e.kind}, {"industry", e.industry}, {"address", e.address}, {"owner", e.owner},
		{"founded_on", e.foundedOn}, {"registry_status", e.registryStatus},
	} {
		if f.value != "" && r.GetString(f.field) != f.value {
			set(f.field, f.value)
		}
	}
	// What is lacking here is filled in; what somebody captured stays.
	for _, f := range []struct{ field, value string }{
		{"uscc", e.uscc}, {"phone", e.phone}, {"ownership", e.ownership}, {"size", e.size},
	} {
		have := r.GetString(f.field)
		if (have == "" || have == "unknown") && f.value != "" && f.value != have {
			set(f.field, f.value)
		}
	}
	for _, f := range []struct {
		field string
		value int64
	}{{"employees", e.employees}, {"revenue", e.revenue}, {"total_assets", e.assets}} {
		if r.GetFloat(f.field) == 0 && f.value != 0 {
			set(f.field, f.value)
		}
	}
	if at, _ := r.Get("location").(types.GeoPoint); e.place != nil && at.Lon == 0 && at.Lat == 0 {
		set("location", *e.place)
	}
	if r.GetString("grid") == "" && e.grid != "" {
		set("grid", e.grid)
		r.Set("scope_grid", e.grid)
		r.Set("scope_harbour", im.places.harbourOf[e.grid])
		report.Placed++
	}
	if was, status := r.GetString("status"), im.status(e, existing); status != was {
		set("status", status)
		switch {
		case status == "closed":
			report.Closed++
		case status == "moved":
			report.Moved++
		case was != "":
			report.Reopened++
		}
	}
	if r.GetString("origin") != "registry" {
		// Found in the field, now confirmed: what the phone captured, and when, stays on the record.
		if r.GetString("origin") == "field" {
			report.Confirmed++
			if r.GetString("confirmed_at") == "" {
				r.Set("confirmed_at", hooks.Stored(im.o.now()))
			}
		}
		set("origin", "registry")
	}
	if initials := hooks.Initials(r.GetString("name")); r.GetString("initials") != initials {
		r.Set("initials", initials)
		if report.Changed == 0 {
			set("initials", initials)
		}
	}
	if report.Changed == 0 {
		report.Unchanged++
	}
	return r
}

// status is what the registry makes of a record's status. It closes; it reopens only what it closed itself, never a
// closure that somebody saw on site; a duplicate stays one.
func (im *importer) status(e *enterpriseRow, r *core.Record) string {
	have := r.GetString("status")
	if have == "" {
		have = "active"
	}
	if have == "duplicate" || e.registryStatus == "" {
		return have
	}
	if e.status != "active" {
		return e.status
	}
	if before, _ := statusOf(r.GetString("registry_status")); before == have {
		return "active"
	}
	return have
}

func (im *importer) countPlace(e *enterpriseRow, r *core.Record, report *Report) {
	grid := r.GetString("grid")
	switch {
	case grid != "":
		if im.places.elsewhere(grid, e.community) {
			report.Mismatched++
			report.note("登记的社区与现有网格不同（网格未改动）", fmt.Sprintf("第 %d 行 %s：现在 %s，登记在 %s", e.row.Line, e.name, im.places.gridName[grid], im.places.areaName[e.community]))
		}
	case r.GetString("status") == "active":
		report.Unassigned++
		report.Unplaced[e.why]++
	}
}
