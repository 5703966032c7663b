package fieldsync

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"

	"gangwan/hooks"
)

func (d *district) compact() {
	d.t.Helper()
	if err := serverOf(d.app).compact(); err != nil {
		d.t.Fatal(err)
	}
}

// read answers a query as text, row by row.
func (d *district) read(query string, params dbx.Params) (out []string) {
	d.t.Helper()
	rows, err := d.app.ConcurrentDB().NewQuery(query).Bind(params).Rows()
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		row := dbx.NullStringMap{}
		if err := rows.ScanMap(row); err != nil {
			d.t.Fatal(err)
		}
		line := ""
		for _, c := range sortedKeys(row) {
			line += c + "=" + row[c].String + " "
		}
		out = append(out, line)
	}
	return out
}

// Invariant 8. What compaction keeps is all that anybody asks: the last row of a record in each scope that it was in.
func TestCompactionKeepsTheLastRowOfEachRecordAndScopeAndNothingElseChanges(t *testing.T) {
	d := newDistrict(t)
	d.sql(`INSERT INTO loans (id, bank, harbour) VALUES ('loan10000000000', 'banka0000000000', 'harbour1000000a')`)
	p := d.phone("worker1")
	gone := p.visit("ent100000000000", "grid10000000000")
	expect(t, p.push(gone)[0], Applied, "")
	type moment struct {
		phone *phone
		seq   int64
	}
	var moments []moment
	note := func() {
		for _, user := range []string{"worker1", "counter"} {
			begun, asleep := d.phone(user), d.phone(user)
			begun.page(2) // a cursor in the middle of a download
			asleep.pull(0)
			moments = append(moments, moment{begun, d.top()}, moment{asleep, d.top()})
		}
	}
	note()
	for i := range 5 {
		d.edit("enterprises", "ent100000000000", map[string]any{"employees": i + 1})
		d.edit("enterprises", "ent200000000000", map[string]any{"employees": i + 1})
		note()
		d.edit("enterprises", "ent100000000000", map[string]any{"grid": []string{"grid20000000000", "grid10000000000"}[i%2]})
	}
	d.sql(`DELETE FROM visits`)
	note()
	// Another collection's record of the same id, in a scope of both.
	d.sql(`UPDATE enterprises SET contact = '老张' WHERE id = 'ent200000000000'`,
		`INSERT INTO loans (id, bank, harbour) VALUES ('ent200000000000', 'banka0000000000', 'harbour2000000a'), ('ent100000000000', 'banka0000000000', 'harbour1000000a')`)
	const revs = `SELECT collection, record, max(rev) AS rev, max(seq) AS seq FROM sync_feed GROUP BY 1, 2 ORDER BY 1, 2`
	const since = `SELECT collection, record, max(seq) AS seq FROM sync_feed WHERE seq > {:last} GROUP BY 1, 2 ORDER BY 1, 2` // the pipeline's question
	before, rows := d.read(revs, nil), d.count("sync_feed")
	nights := map[int64][]string{}
	for _, m := range moments {
		nights[m.seq] = d.read(since, dbx.Params{"last": m.seq})
	}
	d.compact()
	if after := d.count("sync_feed"); after >= rows {
		t.Fatalf("%d rows, before %d", after, rows)
	}
	if twice := d.read(`SELECT scope, collection, record, count(*) AS n FROM sync_feed GROUP BY 1, 2, 3 HAVING n > 1`, nil); len(twice) > 0 {
		t.Errorf("more than one row of a record in a scope: %v", twice)
	}
	if after := d.read(revs, nil); !reflect.DeepEqual(after, before) {
		t.Errorf("revisions\n%v\nbefore\n%v", after, before)
	}
	for last, want := range nights {
		if got := d.read(since, dbx.Params{"last": last}); !reflect.DeepEqual(got, want) {
			t.Errorf("since %d the pipeline reads\n%v\nbefore compaction\n%v", last, got, want)
		}
	}
	for i, m := range moments {
		fresh := d.phone(m.phone.user)
		fresh.pull(0)
		m.phone.pull(2)
		for _, p := range []*phone{m.phone, fresh} {
			for key := range p.has {
				if strings.HasPrefix(key, "devices/") { // each phone that pulled is one more
					delete(p.has, key)
				}
			}
		}
		if !reflect.DeepEqual(m.phone.has, fresh.has) {
			t.Errorf("the phone of moment %d holds\n%v\na new one\n%v", i, m.phone.has, fresh.has)
		}
	}
	update := map[string]any{"id": d.id(), "op": "update", "collection": "visits", "record": gone["record"], "captured_at": hooks.Stored(d.time),
		"changes": map[string]any{"notes": map[string]any{"from": "", "to": "补记"}}}
	expect(t, p.push(update)[0], Rejected, "record_gone")
}

func (d *district) top() (seq int64) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(`SELECT max(seq) FROM sync_feed`).Row(&seq); err != nil {
		d.t.Fatal(err)
	}
	return seq
}

func TestCompactionReadsOnlyWhatIsNewAndItsRecords(t *testing.T) {
	d := newDistrict(t)
	plan := strings.Join(d.read("EXPLAIN QUERY PLAN "+supersede, dbx.Params{"from": 0, "to": 500}), "\n")
	for _, part := range []string{"SEARCH n USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "SEARCH o USING INDEX sync_feed_record (record=? AND collection=? AND rev<?)"} {
		if !strings.Contains(plan, part) {
			t.Errorf("no %q in\n%s", part, plan)
		}
	}
	if strings.Contains(plan, "SCAN") {
		t.Errorf("a table is read whole:\n%s", plan)
	}
}

func TestChoresRunWhenTheyAreDueAndOneThatFailsKeepsNoneBack(t *testing.T) {
	d := newDistrict(t)
	s, table := serverOf(d.app), chores
	defer func() { chores = table }()
	broken, tries := errors.New("broken"), 0
	chores = append([]chore{{"broken", time.Hour, func(*Server) error { tries++; return broken }}}, table...)
	superseded := func() int {
		return len(d.read(`SELECT o.seq FROM sync_feed o JOIN sync_feed n USING (scope, collection, record) WHERE n.seq > o.seq`, nil))
	}
	edit := func() {
		d.edit("enterprises", "ent100000000000", map[string]any{"contact": fmt.Sprint(d.time)})
	}
	for _, step := range []struct {
		name    string
		after   time.Duration
		compact bool
	}{{"at the start", 0, true}, {"a minute later", time.Minute, false}, {"after ten minutes", 9 * time.Minute, true}} {
		d.time = d.time.Add(step.after)
		edit()
		if err := s.maintain(context.Background()); !errors.Is(err, broken) {
			t.Errorf("%s: the chore that fails is not told: %v", step.name, err)
		}
		if left := superseded(); (left == 0) != step.compact {
			t.Errorf("%s: %d superseded rows", step.name, left)
		}
	}
	if tries != 3 {
		t.Errorf("what failed was tried %d times in 3", tries)
	}
}
