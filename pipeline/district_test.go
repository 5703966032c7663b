package pipeline

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// The hand-made district: small enough to work every figure out on paper (testdata/golden). The run is of 22 November
// 2026, so September and October are frozen (at the end of 5 October and 5 November) and November is 暂定.

const (
	runDate = "2026-11-22"

	district, street, town, community, village, park = "district0000001", "street000000001", "town00000000001", "community000001", "village00000001", "park00000000001"
	g1, g2, g3, g4                                   = "grid00000000001", "grid00000000002", "grid00000000003", "grid00000000004"
	w1, w2, p1, p2                                   = "worker000000001", "worker000000002", "phone0000000001", "phone0000000002"
	b1, b2, b3                                       = "bank00000000001", "bank00000000002", "bank00000000003"
	h1, h2                                           = "harbour00000001", "harbour00000002"
)

var runNow = clockAt("2026-11-23T01:30:00+08:00")

// sh reads a Shanghai time, with a day, minute or second, as PocketBase stores it.
func sh(s string) string {
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, hooks.Shanghai); err == nil {
			return hooks.Stored(t)
		}
	}
	panic("not a time: " + s)
}

func plus(stored string, d time.Duration) string {
	t, err := hooks.ParseTime(stored)
	if err != nil {
		panic(err)
	}
	return hooks.Stored(t.Add(d))
}

type row map[string]any

// insert writes a row by plain SQL: the rules of hooks are not what is tested here.
func insert(t testing.TB, app core.App, table string, r row) {
	t.Helper()
	var names, marks []string
	params := dbx.Params{}
	for k := range r {
		names = append(names, k)
	}
	sort.Strings(names)
	for i, k := range names {
		marks = append(marks, fmt.Sprintf("{:p%d}", i))
		params[fmt.Sprintf("p%d", i)] = r[k]
		names[i] = `"` + k + `"`
	}
	q := fmt.Sprintf(`INSERT INTO "%s" (%s) VALUES (%s)`, table, strings.Join(names, ", "), strings.Join(marks, ", "))
	if _, err := app.NonconcurrentDB().NewQuery(q).Bind(params).Execute(); err != nil {
		t.Fatalf("%s %v: %v", table, r, err)
	}
}

func execute(t testing.TB, app core.App, q string) {
	t.Helper()
	if _, err := app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
		t.Fatalf("%v in %s", err, q)
	}
}

// with lays changes over a row.
func (r row) with(changes row) row {
	out := row{}
	for k, v := range r {
		out[k] = v
	}
	for k, v := range changes {
		out[k] = v
	}
	return out
}

func id15(prefix string, n int) string { return fmt.Sprintf("%s%0*d", prefix, 15-len(prefix), n) }

// places writes areas, grids, people, banks and enterprises.
func places(t testing.TB, app core.App) {
	t.Helper()
	area := func(id, code, name, kind, parent string) {
		insert(t, app, "areas", row{"id": id, "code": code, "name": name, "kind": kind, "parent": parent})
	}
	area(district, "500101", "万州区", "district", "")
	area(street, "500101001", "高笋塘街道", "street", district)
	area(town, "500101101", "分水镇", "town", district)
	area(community, "500101001001", "一社区", "community", street)
	area(village, "500101101201", "二村", "village", town)
	area(park, "500101900", "经开区园区", "park", district) // a park of no street
	for _, g := range []struct{ id, area string }{{g1, community}, {g2, community}, {g3, village}, {g4, park}} {
		insert(t, app, "grids", row{"id": g.id, "name": "网格" + g.id[14:], "code": g.id[14:], "area": g.area, "kind": "community"})
	}
	for _, w := range []struct{ id, phone string }{{w1, p1}, {w2, p2}} {
		insert(t, app, "users", row{"id": w.id, "name": "某人", "role": "grid_worker", "street": street, "email": w.id + "@example.test", "password": "", "tokenKey": w.id})
		insert(t, app, "devices", row{"id": w.phone, "user": w.id, "name": "手机", "state": "active"})
	}
	insert(t, app, "banks", row{"id": b1, "name": "第一银行", "short_name": "一行", "kind": "bank"})
	insert(t, app, "banks", row{"id": b2, "name": "第二银行", "short_name": "二行", "kind": "bank"})
	insert(t, app, "parameters", row{"id": "parameter000001", "code": "start_on", "value": "2026-10-01", "from": sh("2021-10-29")})

	shop := row{"kind": "company", "ownership": "private", "size": "micro", "origin": "registry", "registry_status": "存续", "status": "active",
		"founded_on": sh("2019-05-01"), "location": `{"lon":108.4,"lat":30.8}`, "industry": "5212", "grid": g1}
	nowhere := `{"lon":0,"lat":0}`
	for n, e := range map[int]row{
		1:  {"uscc": "U1"},
		2:  {"uscc": "U2", "location": nowhere},                                                                                    // no point: the distance rule does not apply
		3:  {"uscc": "U3", "grid": g2},                                                                                             // was in g1 until 15 October
		4:  {"uscc": "U4", "grid": g2, "status": "closed"},                                                                         // was active until 20 October
		5:  {"uscc": "U5", "grid": g3, "origin": "field", "registry_status": "", "confirmed_at": sh("2026-09-10 10:00")},           // one USCC with 15: the registry row speaks
		15: {"uscc": " U5 ", "grid": g2, "industry": "C"},                                                                          //
		6:  {"uscc": "U6", "size": "medium"},                                                                                       // out
		7:  {"uscc": "U7", "origin": "field", "registry_status": ""},                                                               // not confirmed: out
		8:  {"uscc": "", "grid": g3, "origin": "field", "registry_status": "", "confirmed_at": sh("2026-11-10 10:00"), "size": ""}, // no USCC, in since November
		9:  {"uscc": "U9", "grid": ""},                                                                                             // 待分配: only in the district
		10: {"uscc": "U10", "ownership": "state"},                                                                                  // out
		11: {"uscc": "U11", "ownership": "state", "kind": "individual_business", "size": "unknown", "grid": g4},                    // 个体: in
		12: {"uscc": "U12", "registry_status": "注销"},                                                                               // out
		13: {"uscc": "U13", "grid": g3, "founded_on": sh("2026-10-10")},                                                            // in since October
	} {
		insert(t, app, "enterprises", shop.with(e).with(row{"id": id15("e", n), "name": fmt.Sprintf("主体%d", n)}))
	}
	past := func(n int, enterprise, field, value, until string) {
		insert(t, app, "scope_history", row{"id": id15("h", n), "collection": "enterprises", "record": enterprise, "field": field, "value": value, "since": "", "until": until})
	}
	past(1, id15("e", 3), "grid", g1, sh("2026-10-15"))
	past(2, id15("e", 4), "status", "active", sh("2026-10-20"))
}

// firstHalf writes what was captured in September.
func firstHalf(t testing.TB, app core.App) {
	t.Helper()
	visit(t, app, 1, w1, 1, g1, "2026-09-10 10:00", nil)
	visit(t, app, 2, w1, 1, g1, "2026-09-11 09:59", nil) // 23:59 h after: a repeat
	visit(t, app, 3, w1, 2, g1, "2026-09-10 10:00", nil)
	visit(t, app, 4, w1, 2, g1, "2026-09-11 10:00", nil)                                       // 24:00 h after: none
	visit(t, app, 5, w2, 1, g1, "2026-09-10 11:00", row{"synced_at": sh("2026-09-11 12:00")})  // another worker; 25 h to the server
	visit(t, app, 6, w1, 3, g1, "2026-09-20 10:00", row{"signature": ""})                      // its picture came after the freeze
	visit(t, app, 7, w1, 4, g2, "2026-09-30 23:30", nil)                                       // still September in Shanghai
	visit(t, app, 9, w2, 9, "", "2026-09-15 10:00", row{"synced_at": sh("2026-10-06 00:00")})  // the first instant that is too late
	visit(t, app, 25, w2, 3, g1, "2026-09-25 10:00", row{"synced_at": sh("2026-10-08 10:00")}) // late …
	visit(t, app, 26, w2, 3, g1, "2026-09-25 15:00", nil)                                      // … so in frozen September this is no repeat, else it is
	insert(t, app, "photos", row{"id": id15("f", 1), "collection": "visits", "record": id15("v", 6), "file": "a.jpg", "bytes": 1000,
		"captured_at": sh("2026-09-20 10:00"), "synced_at": sh("2026-10-10 10:00"), "device": p1})

	demand(t, app, 1, 1, g1, "working_capital", 100_000, "2026-09-01 10:00", nil)
	demand(t, app, 4, 1, g1, "equipment", 50_000, "2026-09-02 10:00", nil)
	demand(t, app, 13, 9, "", "working_capital", 80_000, "2026-09-20 10:00", row{"synced_at": sh("2026-11-07 10:00")}) // after both freezes
	match(t, app, 1, 1, b1, "2026-09-03 10:00", nil)
	match(t, app, 2, 4, b2, "2026-09-05 10:00", nil)
	contact(t, app, 1, 1, 1, "2026-09-04 10:00", nil)
	contact(t, app, 2, 4, 2, "2026-09-06 10:00", row{"reached": false})
}

// secondHalf writes what was captured in October and November.
func secondHalf(t testing.TB, app core.App) {
	t.Helper()
	visit(t, app, 8, w1, 5, g3, "2026-10-01 00:10", nil) // still September in UTC; counts for the USCC, in the registry row's grid
	// One degree of latitude is 111,194.9 m here.
	visit(t, app, 10, w2, 1, g1, "2026-10-12 10:00", row{"location": `{"lon":108.4,"lat":30.801798}`}) // 199.9 m
	visit(t, app, 11, w2, 1, g1, "2026-10-20 10:00", row{"location": `{"lon":108.4,"lat":30.801799}`}) // 200.04 m
	visit(t, app, 12, w1, 2, g1, "2026-10-13 10:00", row{"location": `{"lon":0,"lat":0}`})
	visit(t, app, 13, w1, 2, g1, "2026-10-14 10:00", row{"location": `{"lon":0,"lat":0}`, "review": "exception_approved"})
	visit(t, app, 14, w1, 13, g3, "2026-10-15 10:00", row{"outcome": "absent"})
	visit(t, app, 15, w1, 13, g3, "2026-10-16 10:00", row{"ended_at": sh("2026-10-16 10:02:59")})
	visit(t, app, 16, w1, 13, g3, "2026-10-17 10:00", row{"ended_at": sh("2026-10-17 10:03:00")})
	visit(t, app, 17, w1, 11, g4, "2026-10-18 10:00", row{"review": "voided"})
	visit(t, app, 18, w1, 999, g1, "2026-10-19 09:00", nil) // no such enterprise
	visit(t, app, 19, w1, 12, g1, "2026-10-19 10:00", nil)  // valid, of an enterprise outside the universe
	visit(t, app, 20, w2, 8, g3, "2026-11-12 10:00", nil)
	visit(t, app, 21, w2, 11, g4, "2026-11-13 10:00", row{"place": "market"})
	visit(t, app, 22, w2, 9, "", "2026-11-14 10:00", row{"signature": ""})
	visit(t, app, 23, w2, 1, g1, "2026-11-23 00:30", nil) // after T
	visit(t, app, 24, w1, 3, g2, "2026-11-20 10:00", row{"review": "suspicion_confirmed"})

	demand(t, app, 2, 1, g1, "working_capital", 200_000, "2026-10-01 10:00", nil) // exactly 30 days after 1: a duplicate
	demand(t, app, 3, 1, g1, "working_capital", 300_000, "2026-10-02 10:00", nil) // 31 days after 1, the last one kept
	demand(t, app, 5, 5, g3, "working_capital", 10_000, "2026-10-05 10:00", nil)
	demand(t, app, 6, 15, g2, "working_capital", 20_000, "2026-10-06 10:00", nil) // the same USCC as 5
	demand(t, app, 7, 0, g3, "working_capital", 5_000, "2026-10-07 10:00", row{"device": "gone00000000001"})
	demand(t, app, 8, 0, g3, "working_capital", 6_000, "2026-10-08 10:00", nil) // persons are never duplicates
	demand(t, app, 9, 2, g1, "equity", 1_000_000, "2026-10-09 10:00", nil)
	demand(t, app, 10, 2, g1, "working_capital", 70_000, "2026-10-10 10:00", row{"stage": "void"})
	demand(t, app, 11, 3, g2, "working_capital", 40_000, "2026-11-03 10:00", row{"stage": "withdrawn", "withdrawn_at": sh("2026-11-04 10:00:00")})
	demand(t, app, 12, 3, g2, "green", 60_000, "2026-11-05 10:00", row{"stage": "withdrawn", "withdrawn_at": sh("2026-11-06 10:00:01")})
	demand(t, app, 14, 9, "", "working_capital", 90_000, "2026-10-03 10:00", nil) // a duplicate of 13, which frozen October does not know
	match(t, app, 3, 3, b1, "2026-10-03 10:00", nil)
	match(t, app, 4, 5, b1, "2026-10-06 10:00", nil)
	match(t, app, 5, 7, b2, "2026-10-31 23:00", nil)
	match(t, app, 6, 12, b2, "2026-11-06 10:00", nil)
	match(t, app, 7, 9, b1, "2026-10-10 10:00", nil) // equity
	match(t, app, 8, 2, b1, "2026-11-01 00:30", nil)
	contact(t, app, 3, 4, 2, "2026-10-07 10:00", nil)                                                                                               // after September was frozen
	contact(t, app, 4, 3, 3, "2026-10-04 10:00", row{"synced_at": sh("2026-11-06 00:00")})                                                          // received after October was frozen
	contact(t, app, 5, 5, 4, "2026-10-07 10:00", nil)                                                                                               //
	contact(t, app, 6, 7, 0, "2026-11-01 10:00", nil)                                                                                               // of no bank
	contact(t, app, 7, 2, 8, "2026-11-23 00:00", nil)                                                                                               // at T: too late
	contact(t, app, 8, 12, 6, "2026-11-22 11:59:59", row{"device": p2, "captured_at": sh("2026-11-22 12:00"), "synced_at": sh("2026-11-23 12:00")}) // exactly 24 h
}

func handmade(t testing.TB) core.App {
	t.Helper()
	app := newApp(t)
	places(t, app)
	firstHalf(t, app)
	secondHalf(t, app)
	return app
}

// lending is a district of its own on the same ground: what banks did with the demands of July to November 2026. The July
// cohort is 90 days old and frozen (6 November), the August one half old, 24 August being 90 days before the run. Its amounts
// asked are 1,000 yuan times the demand's number, so that a sum tells which are in it.
func lending(t testing.TB) core.App {
	t.Helper()
	app := newApp(t)
	places(t, app)
	insert(t, app, "banks", row{"id": b3, "name": "第三银行", "short_name": "三行", "kind": "bank"})
	for i, h := range []string{h1, h2} {
		insert(t, app, "harbours", row{"id": h, "number": fmt.Sprint(i), "name": "港湾", "kind": "street"})
	}
	for d := 1; d <= 7; d++ {
		insert(t, app, "holidays", row{"id": id15("k", d), "day": fmt.Sprintf("2026-10-%02d", d), "kind": "holiday", "name": "国庆节"})
	}
	insert(t, app, "holidays", row{"id": id15("k", 8), "day": "2026-10-10", "kind": "workday", "name": "调休"}) // a Saturday
	insert(t, app, "parameters", row{"id": "parameter000002", "code": "sla.contact_days", "value": "5", "from": sh("2026-09-01"), "until": sh("2026-11-01")})
	insert(t, app, "parameters", row{"id": "parameter000003", "code": "sla.contact_days", "value": "9.5"}) // always, but unreadable, and the later one speaks
	cohorts(t, app)
	overdue(t, app)
	loans(t, app)
	return app
}

// ask writes a demand of the lending district, with its accepted amount.
func ask(t testing.TB, app core.App, n, enterprise int, grid, at string, accepted int, changes row) {
	t.Helper()
	demand(t, app, n, enterprise, grid, "working_capital", 1000*n, at, row{"accepted_amount": accepted}.with(changes))
}

func cohorts(t testing.TB, app core.App) {
	t.Helper()
	ask(t, app, 1, 1, g1, "2026-07-01 10:00", 100_000, row{"disbursed_at": sh("2026-08-01")}) // two loans, together above what was accepted
	ask(t, app, 2, 2, g1, "2026-07-02 10:00", 50_000, row{"approved_at": sh("2026-09-01")})   // lent on the 91st day
	ask(t, app, 3, 3, g2, "2026-07-03 10:00", 80_000, row{"applied_at": sh("2026-07-10")})    // its loan is not confirmed
	ask(t, app, 4, 3, g2, "2026-07-31 23:30", 30_000, row{"matched_at": sh("2026-08-01")})    // still July; its loan is confirmed at the cut
	ask(t, app, 5, 11, g4, "2026-07-05 10:00", 0, nil)                                        // lent to, never accepted
	ask(t, app, 6, 5, g3, "2026-07-06 10:00", 60_000, row{"need": "equity"})
	ask(t, app, 7, 5, g3, "2026-07-07 10:00", 70_000, row{"stage": "void"})
	ask(t, app, 8, 8, g3, "2026-07-08 10:00", 20_000, row{"stage": "withdrawn", "accepted_at": sh("2026-07-09"), "withdrawn_at": sh("2026-07-10 10:00")}) // stays in
	ask(t, app, 9, 13, g3, "2026-07-09 10:00", 90_000, row{"synced_at": sh("2026-11-06 00:00")})                                                          // the first instant too late
	// Loan 7 of enterprise 2 at bank 2 names no demand. It belongs to 11: 10 is older, 12 was at another bank, 13 has a loan of
	// its own, 14 came after it, 15 is void.
	ask(t, app, 10, 2, g1, "2026-07-10 10:00", 11_000, nil)
	ask(t, app, 11, 2, g1, "2026-07-20 10:00", 40_000, nil)
	ask(t, app, 12, 2, g1, "2026-07-25 10:00", 12_000, nil)
	ask(t, app, 13, 2, g1, "2026-07-28 10:00", 13_000, nil)
	ask(t, app, 14, 2, g1, "2026-08-21 10:00", 14_000, nil)
	ask(t, app, 15, 2, g1, "2026-07-22 10:00", 15_000, row{"stage": "void"})
	ask(t, app, 16, 1, g1, "2026-08-24 23:59", 60_000, nil) // 90 days old on the day of the run, and lent to on it
	ask(t, app, 17, 1, g1, "2026-08-25 00:00", 5_000, nil)  // 89 days old
	ask(t, app, 20, 0, g1, "2026-09-20 10:00", 0, nil)
	ask(t, app, 21, 0, g1, "2026-09-21 10:00", 0, nil)
	ask(t, app, 22, 0, g1, "2026-10-31 20:00", 0, nil)
	ask(t, app, 23, 0, g1, "2026-08-31 12:00", 0, nil)

	match(t, app, 1, 1, b1, "2026-07-02 10:00", nil)
	contact(t, app, 1, 1, 1, "2026-07-07 23:59:59", nil) // the last second
	match(t, app, 2, 2, b1, "2026-07-03 10:00", nil)
	contact(t, app, 2, 2, 2, "2026-07-09 00:00", nil) // due at this instant
	match(t, app, 3, 3, b1, "2026-07-04 10:00", nil)
	contact(t, app, 3, 3, 3, "2026-07-05 10:00", row{"reached": false})
	match(t, app, 4, 4, b2, "2026-08-01 00:10", nil) // of August, its demand of July
	match(t, app, 5, 5, b2, "2026-07-06 10:00", nil)
	contact(t, app, 5, 5, 5, "2026-07-06 10:00:59", nil) // no whole minute
	match(t, app, 6, 6, b1, "2026-07-07 10:00", nil)
	match(t, app, 10, 10, b2, "2026-07-11 10:00", nil)
	match(t, app, 11, 11, b2, "2026-07-21 10:00", nil)
	contact(t, app, 11, 11, 11, "2026-07-22 10:00", row{"synced_at": sh("2026-09-06 00:00")}) // July's answers were frozen then
	match(t, app, 12, 12, b1, "2026-07-26 10:00", nil)
	contact(t, app, 12, 12, 12, "2026-07-25 12:00", nil) // before the match: 0 minutes
	match(t, app, 13, 13, b2, "2026-07-29 10:00", nil)
	contact(t, app, 13, 13, 13, "2026-07-30 10:00", nil)
	match(t, app, 14, 14, b2, "2026-08-22 10:00", nil)
	match(t, app, 15, 15, b2, "2026-07-23 10:00", nil)
	match(t, app, 16, 16, b1, "2026-08-25 10:00", nil)
	contact(t, app, 16, 16, 16, "2026-08-27 10:00", nil)
	contact(t, app, 17, 16, 16, "2026-08-28 10:00", nil) // not the first
	match(t, app, 17, 17, b1, "2026-08-26 10:00", nil)
	match(t, app, 18, 1, b1, "2026-08-03 10:00", nil) // again at bank 1, in August: demand 1's loans belong to this one
	contact(t, app, 18, 1, 18, "2026-08-03 11:00", nil)
	// Five working days from 30 September: the holidays are none, the Saturday is one, 13 October is the fifth.
	match(t, app, 20, 20, b1, "2026-09-30 10:00", nil)
	contact(t, app, 20, 20, 20, "2026-10-13 20:00", nil)
	match(t, app, 21, 21, b2, "2026-09-30 10:00", nil)
	contact(t, app, 21, 21, 21, "2026-10-14 00:00", nil)
	match(t, app, 22, 22, b2, "2026-11-01 00:00", nil) // three days from this instant on
	contact(t, app, 22, 22, 22, "2026-11-05 10:00", nil)
	match(t, app, 23, 23, b2, "2026-09-01 00:00", nil) // five from this one
	contact(t, app, 23, 23, 23, "2026-09-08 10:00", nil)
	for i := 1; i <= 10; i++ { // nine tenths of ten are nine
		ask(t, app, 49+i, 0, g1, "2026-11-02 08:00", 0, nil)
		match(t, app, 49+i, 49+i, b1, "2026-11-02 10:00", nil)
		contact(t, app, 49+i, 49+i, 49+i, fmt.Sprintf("2026-11-02 10:%02d", i), nil)
	}
}

// overdue writes matches still open. The run's day is a Sunday: Friday 20 November is the last working day up to it.
func overdue(t testing.TB, app core.App) {
	t.Helper()
	for _, m := range []struct {
		n                int
		bank, grid, day  string
		changes, changed row // of the match, of the demand
	}{
		{24, b2, g1, "2026-11-18", nil, nil}, // not yet due
		{25, b1, g1, "2026-11-17", nil, nil}, // due on Friday: no day over
		{31, b1, g1, "2026-11-16", nil, nil}, // 1
		{32, b1, g2, "2026-11-12", nil, nil}, // 3
		{33, b2, g3, "2026-11-11", nil, nil}, // 4
		{34, b2, g4, "2026-11-06", nil, nil}, // 7
		{35, b1, "", "2026-11-05", nil, nil}, // 8, of no grid
		{36, b2, g1, "2026-10-23", nil, nil}, // 15, of five days' limit
		{37, b2, g3, "2026-10-22", nil, nil}, // 16
		{38, b1, g1, "2026-10-22", nil, row{"stage": "withdrawn", "withdrawn_at": sh("2026-11-01")}},
		{39, b1, g1, "2026-10-22", nil, nil},                   // answered in the last second
		{40, b1, g2, "2026-10-22", nil, nil},                   // answered at T: 16
		{41, b2, g1, "2026-11-12", nil, row{"need": "equity"}}, // 3
		{42, b1, g1, "2026-10-22", row{"result": "lapsed"}, nil},
	} {
		ask(t, app, m.n, 0, m.grid, m.day+" 09:00", 0, m.changed)
		match(t, app, m.n, m.n, m.bank, m.day+" 10:00", row{"result": "pending"}.with(m.changes))
	}
	contact(t, app, 39, 39, 39, "2026-11-22 23:59:59", nil)
	contact(t, app, 40, 40, 40, "2026-11-23 00:00", nil)
	contact(t, app, 41, 40, 40, "2026-11-10 10:00", row{"reached": false})
}

func loans(t testing.TB, app core.App) {
	t.Helper()
	of := func(demand int, more row) row { return row{"demand": id15("m", demand)}.with(more) }
	checked := func(day string, more row) row { return row{"first_loan_checked_on": sh(day)}.with(more) }
	loan(t, app, 1, 1, b1, 60_000, "2026-08-01", of(1, nil)) // enterprise 1's first, of which no bank has said so: it never counts as one
	loan(t, app, 2, 1, b1, 60_000, "2026-09-29", of(1, nil)) // the 90th day
	loan(t, app, 3, 2, b1, 50_000, "2026-10-01", of(2, nil)) // the 91st
	loan(t, app, 4, 3, b1, 80_000, "2026-08-05", of(3, row{"evidence": "bank_entered"}))
	loan(t, app, 5, 3, b2, 45_000, "2026-08-10", of(4, checked("2026-08-10", row{"confirmed_at": sh("2026-11-06 00:00")}))) // grid 1 then; a first loan of the year, not of frozen August
	loan(t, app, 6, 11, b2, 10_000, "2026-07-06", of(5, checked("2026-07-07", row{"evidence": "system"})))                  // checked a day too late
	loan(t, app, 7, 2, b2, 25_000, "2026-08-20", checked("2026-08-20", row{"harbour": h1}))                                 // whose?
	loan(t, app, 8, 2, b2, 13_000, "2026-08-01", of(13, row{"evidence": "self_reported"}))
	loan(t, app, 9, 0, b1, 9_000, "2026-11-06", checked("2026-11-06", nil)) // a person's
	loan(t, app, 10, 1, b1, 60_000, "2026-11-22", of(16, checked("2026-11-22", nil)))
	loan(t, app, 11, 1, b1, 5_000, "2026-09-01", of(17, nil))
	loan(t, app, 12, 5, b1, 1_000, "2026-09-10", checked("2026-09-09", row{"harbour": h2, "synced_at": sh("2026-11-08 10:00")})) // unknown in frozen October, so there …
	loan(t, app, 13, 15, b2, 1_000, "2026-10-02", checked("2026-10-01", nil))                                                    // … this is the same entity's first
	loan(t, app, 14, 13, b1, 1_000, "2026-11-03", checked("2026-11-03", row{"purpose": "other"}))
	loan(t, app, 15, 13, b1, 1_000, "2026-11-04", checked("2026-11-04", row{"harbour": h1}))
	loan(t, app, 17, 8, b1, 1_000, "2026-11-05", nil) // two on one day: this id comes first
	loan(t, app, 18, 8, b2, 1_000, "2026-11-05", checked("2026-11-05", nil))
	loan(t, app, 19, 9, b2, 1_000, "2026-11-07", checked("2026-11-07", nil))  // of no grid; 15 days old
	loan(t, app, 20, 99, b1, 1_000, "2026-11-08", checked("2026-11-08", nil)) // no such enterprise; 14 days old
	loan(t, app, 21, 10, b1, 1_000, "2025-12-31", checked("2025-12-31", nil)) // once for life …
	loan(t, app, 22, 10, b1, 1_000, "2026-11-09", checked("2026-11-09", nil)) // … so not again
	loan(t, app, 23, 7, b1, 1_000, "2026-11-23", checked("2026-11-23", nil))  // after the run's day
	loan(t, app, 24, 0, b2, 1_000, "2026-11-02", row{"evidence": "self_reported"})
	loan(t, app, 25, 0, b3, 1_000, "2026-11-20", nil) // 15 days are not gone for any of its bank: no row
}

// unvisited is once more the same ground, visited around 90, 180 and 365 times 24 hours before the end of 22 November 2026.
func unvisited(t testing.TB) core.App {
	t.Helper()
	app := newApp(t)
	places(t, app)
	visit(t, app, 1, w1, 1, g1, "2026-08-25 00:00", nil)    // exactly 90 days: not long
	visit(t, app, 2, w1, 2, g1, "2026-08-24 23:59:59", nil) // a second more
	visit(t, app, 3, w1, 3, g2, "2026-05-26 23:59:59", nil) // 180 days and a second
	visit(t, app, 4, w1, 3, g2, "2026-11-20 10:00", row{"outcome": "absent"})
	visit(t, app, 5, w1, 5, g3, "2026-05-27 00:00", nil)                                      // 180 days, at the other record of the same entity
	visit(t, app, 6, w1, 8, g3, "2025-11-22 23:59:59", nil)                                   // 365 days and a second
	visit(t, app, 7, w1, 13, g3, "2025-11-23 00:00", nil)                                     // 365 days
	visit(t, app, 8, w1, 11, g4, "2026-11-23 00:00", nil)                                     // at T: never visited
	visit(t, app, 9, w1, 9, "", "2026-10-01 10:00", row{"synced_at": sh("2026-11-10 10:00")}) // after October was frozen: it counts here
	return app
}

func loan(t testing.TB, app core.App, n, enterprise int, bank string, amount int, day string, changes row) {
	t.Helper()
	e := ""
	if enterprise > 0 {
		e = id15("e", enterprise)
	}
	insert(t, app, "loans", row{"id": id15("l", n), "enterprise": e, "bank": bank, "amount": amount, "disbursed_on": sh(day), "purpose": "business", "evidence": "bank_confirmed",
		"confirmed_at": plus(sh(day), 12*time.Hour), "captured_at": plus(sh(day), 10*time.Hour), "synced_at": plus(sh(day), 11*time.Hour)}.with(changes))
}

func visit(t testing.TB, app core.App, n int, worker string, enterprise int, grid, at string, changes row) {
	t.Helper()
	phone := map[string]string{w1: p1, w2: p2}[worker]
	started := sh(at)
	insert(t, app, "visits", row{"id": id15("v", n), "enterprise": id15("e", enterprise), "grid": grid, "worker": worker,
		"started_at": started, "ended_at": plus(started, 10*time.Minute), "captured_at": started, "synced_at": plus(started, time.Hour),
		"location": `{"lon":108.4001,"lat":30.8001}`, "place": "shop", "outcome": "met", "signature": "s.png", "review": "none", "device": phone}.with(changes))
}

func demand(t testing.TB, app core.App, n, enterprise int, grid, need string, amount int, at string, changes row) {
	t.Helper()
	e := ""
	if enterprise > 0 {
		e = id15("e", enterprise)
	}
	insert(t, app, "demands", row{"id": id15("m", n), "number": fmt.Sprintf("N%d", n), "enterprise": e, "grid": grid, "channel": "visit", "kind": "first_loan", "need": need,
		"amount": amount, "stage": "captured", "captured_at": sh(at), "synced_at": plus(sh(at), time.Hour)}.with(changes))
}

func match(t testing.TB, app core.App, n, demand int, bank, at string, changes row) {
	t.Helper()
	insert(t, app, "demand_matches", row{"id": id15("x", n), "demand": id15("m", demand), "bank": bank, "matched_at": sh(at), "result": "rejected",
		"captured_at": sh(at), "synced_at": plus(sh(at), time.Hour)}.with(changes))
}

func contact(t testing.TB, app core.App, n, demand, match int, at string, changes row) {
	t.Helper()
	m := ""
	if match > 0 {
		m = id15("x", match)
	}
	insert(t, app, "demand_events", row{"id": id15("y", n), "demand": id15("m", demand), "match": m, "kind": "contact", "at": sh(at), "reached": true,
		"captured_at": sh(at), "synced_at": plus(sh(at), time.Hour)}.with(changes))
}
