package oracle

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"gangwan/pb_migrations/fresh"
)

type fields = map[string]any

// world is a tiny district: one street s1 with community c1 (grids g1, g2), one town s2 with village c2 (grid g3).
type world struct {
	t    *testing.T
	path string
	db   *sql.DB
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := fresh.Dir(t)
	w := &world{t: t, path: filepath.Join(dir, "港湾 data.db")}
	err := os.Rename(filepath.Join(dir, "data.db"), w.path)
	if err != nil {
		t.Fatal(err)
	}
	if w.db, err = sql.Open("sqlite", w.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	w.insert("areas", fields{"id": "d1", "code": "500101", "kind": "district"})
	w.insert("areas", fields{"id": "s1", "code": "500101001", "kind": "street", "parent": "d1"})
	w.insert("areas", fields{"id": "s2", "code": "500101101", "kind": "town", "parent": "d1"})
	w.insert("areas", fields{"id": "c1", "code": "500101001001", "kind": "community", "parent": "s1"})
	w.insert("areas", fields{"id": "c2", "code": "500101101201", "kind": "village", "parent": "s2"})
	w.insert("grids", fields{"id": "g1", "area": "c1"})
	w.insert("grids", fields{"id": "g2", "area": "c1"})
	w.insert("grids", fields{"id": "g3", "area": "c2"})
	w.insert("devices", fields{"id": "phone1", "user": "worker1"})
	return w
}

func (w *world) insert(table string, row fields) {
	w.t.Helper()
	insert(w.t, w.db, table, row)
}

func insert(t *testing.T, db interface {
	Exec(string, ...any) (sql.Result, error)
}, table string, row fields) {
	t.Helper()
	var names []string
	for name := range row {
		names = append(names, "`"+name+"`")
	}
	sort.Strings(names)
	var values []any
	for _, name := range names {
		values = append(values, row[strings.Trim(name, "`")])
	}
	marks := strings.TrimSuffix(strings.Repeat("?,", len(values)), ",")
	if _, err := db.Exec("INSERT INTO "+table+" ("+strings.Join(names, ",")+") VALUES ("+marks+")", values...); err != nil {
		t.Fatalf("insert %s %v: %v", table, row, err)
	}
}

// at turns Shanghai wall-clock time into the text PocketBase stores. Fixed at +8 here, on purpose not the code under test.
func at(shanghai string) string {
	layout := "2006-01-02 15:04:05"
	if len(shanghai) == len("2006-01-02 15:04") {
		layout = "2006-01-02 15:04"
	}
	t, err := time.ParseInLocation(layout, shanghai, time.FixedZone("+8", 8*3600))
	if err != nil {
		panic(err)
	}
	return t.UTC().Format("2006-01-02 15:04:05.000Z")
}

func geo(lon, lat float64) string { return fmt.Sprintf(`{"lon":%v,"lat":%v}`, lon, lat) }

func with(base fields, over []fields) fields {
	for _, o := range over {
		for k, v := range o {
			base[k] = v
		}
	}
	return base
}

// enterprise is one that counts: on the register, trading, private, small, at a known place.
func (w *world) enterprise(id, grid string, over ...fields) {
	w.t.Helper()
	w.insert("enterprises", with(fields{"id": id, "uscc": "USCC" + id, "name": id, "kind": "company", "size": "small", "grid": grid, "status": "active",
		"ownership": "private", "registry_status": "存续", "origin": "registry", "location": geo(108.4, 30.8)}, over))
}

// visit is a valid one, ten minutes long, signed, at the enterprise's point, received a minute later.
func (w *world) visit(id, enterprise, when string, over ...fields) {
	w.t.Helper()
	start, _ := time.Parse("2006-01-02 15:04:05.000Z", at(when))
	stamp := func(d time.Duration) string { return start.Add(d).Format("2006-01-02 15:04:05.000Z") }
	w.insert("visits", with(fields{"id": id, "enterprise": enterprise, "grid": "g1", "worker": "worker1", "started_at": stamp(-10 * time.Minute),
		"ended_at": stamp(0), "location": geo(108.4, 30.8), "place": "shop", "outcome": "met", "review": "none", "signature": "s.png",
		"captured_at": stamp(0), "synced_at": stamp(time.Minute), "device": "phone1"}, over))
}

func (w *world) demand(id, enterprise, when string, over ...fields) {
	w.t.Helper()
	w.insert("demands", with(fields{"id": id, "enterprise": enterprise, "grid": "g1", "kind": "first_loan", "need": "working_capital", "amount": 100000,
		"stage": "captured", "captured_at": at(when), "synced_at": at(when), "device": "phone1"}, over))
}

func (w *world) match(id, demand, bank, when string, over ...fields) {
	w.t.Helper()
	w.insert("demand_matches", with(fields{"id": id, "demand": demand, "bank": bank, "matched_at": at(when), "captured_at": at(when), "synced_at": at(when)}, over))
}

func (w *world) contact(id, demand, match, when string, over ...fields) {
	w.t.Helper()
	w.insert("demand_events", with(fields{"id": id, "demand": demand, "match": match, "kind": "contact", "reached": true, "at": at(when),
		"captured_at": at(when), "synced_at": at(when)}, over))
}

// loan is one for business, paid out on a day, entered and confirmed by the bank at nine that morning.
func (w *world) loan(id, bank, day string, over ...fields) {
	w.t.Helper()
	w.insert("loans", with(fields{"id": id, "bank": bank, "disbursed_on": at(day + " 00:00"), "amount": 50000, "purpose": "business", "evidence": "bank_confirmed",
		"confirmed_at": at(day + " 09:00"), "captured_at": at(day + " 09:00"), "synced_at": at(day + " 09:00")}, over))
}

// holiday says what a day is in the notice on holidays: holiday or workday.
func (w *world) holiday(day, kind string) {
	w.t.Helper()
	w.insert("holidays", fields{"id": day, "day": day, "kind": kind})
}

func (w *world) past(enterprise, field, value, since, until string) {
	w.t.Helper()
	from := ""
	if since != "" {
		from = at(since)
	}
	w.insert("scope_history", fields{"id": fmt.Sprint(enterprise, field, until), "collection": "enterprises", "record": enterprise, "field": field,
		"value": value, "since": from, "until": at(until)})
}

func computed(t *testing.T, path, date string) []Row {
	t.Helper()
	rows, err := Compute(path, date, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// run computes a day and answers questions like "M 2026-05-01 grid g1 COV-01" with "1/2 暂定".
type run struct {
	t    *testing.T
	rows map[string]string
}

func (w *world) run(date string) run {
	w.t.Helper()
	r := run{w.t, map[string]string{}}
	for _, row := range computed(w.t, w.path, date) {
		r.rows[strings.Join([]string{row.Period, row.PeriodStart, row.OrgKind, row.OrgID, row.Indicator}, " ")] = row.figure()
	}
	return r
}

func (r run) expect(expected map[string]string) {
	r.t.Helper()
	for name, want := range expected {
		got, there := r.rows[name]
		if !there {
			got = "no row"
		}
		if got != want {
			r.t.Errorf("%s: want %s, got %s", name, want, got)
		}
	}
}
