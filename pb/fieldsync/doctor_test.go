package fieldsync

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

func (d *district) sql(queries ...string) {
	d.t.Helper()
	for _, q := range queries {
		if _, err := d.app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
			d.t.Fatalf("%s: %v", q, err)
		}
	}
}

// blindly runs plain SQL that no trigger sees, as when a tool has dropped them, and puts them back.
func (d *district) blindly(queries ...string) {
	d.t.Helper()
	have, err := presentTriggers(d.app.DB())
	if err != nil {
		d.t.Fatal(err)
	}
	for name := range have {
		d.sql("DROP TRIGGER " + name)
	}
	d.sql(queries...)
	for _, name := range sortedKeys(have) {
		d.sql(have[name]) // as they were, and nothing else: ensuring them would mend the harm as well
	}
}

func codes(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Code)
	}
	return out
}

// Each thing is broken by plain SQL, named, mended, and then every phone holds what its user may see: its pull compares digests,
// and the present rows are compared with what it holds.
func TestTheDoctorNamesAndMendsWhateverPlainSQLBreaks(t *testing.T) {
	for _, c := range []struct {
		name  string
		harm  func(d *district)
		codes []string
	}{
		{"nothing", func(*district) {}, nil},
		{"the access log's lock taken off", func(d *district) { d.sql(`DROP TRIGGER log_kept_delete`, `DROP TRIGGER audit_kept_update`) }, []string{"log_unkept"}},
		{"a trigger dropped, and a change nobody saw", func(d *district) {
			d.sql(`DROP TRIGGER sync_enterprises_update`, `UPDATE enterprises SET contact = '没人看见' WHERE id = 'ent100000000000'`)
		}, []string{"trigger_missing"}},
		{"a trigger dropped, and a removal nobody saw", func(d *district) {
			d.sql(`DROP TRIGGER sync_enterprises_delete`, `DELETE FROM enterprises WHERE id = 'ent100000000000'`)
		}, []string{"trigger_missing"}},
		{"a trigger replaced by another", func(d *district) {
			d.sql(`DROP TRIGGER sync_grids_update`, `CREATE TRIGGER sync_grids_update AFTER UPDATE ON grids BEGIN SELECT 1; END`, `UPDATE grids SET name = '改了' WHERE id = 'grid10000000000'`)
		}, []string{"trigger_differs"}},
		{"a trigger that lets removals pass", func(d *district) {
			d.sql(`DROP TRIGGER sync_enterprises_delete`, `CREATE TRIGGER sync_enterprises_delete AFTER DELETE ON enterprises BEGIN SELECT 1; END`, `DELETE FROM enterprises WHERE id = 'ent100000000000'`)
		}, []string{"trigger_differs"}},
		{"a trigger of ours that is none of ours", func(d *district) {
			d.sql(`CREATE TRIGGER sync_mine AFTER UPDATE ON banks BEGIN SELECT 1; END`)
		}, []string{"trigger_foreign"}},
		{"the clock", func(d *district) { d.sql(`DELETE FROM sync_clock`) }, []string{"clock_missing"}},
		{"the epoch", func(d *district) { d.sql(`DELETE FROM sync_state WHERE key = 'epoch'`) }, []string{"epoch_missing"}},
		{"the epoch, emptied", func(d *district) { d.sql(`UPDATE sync_state SET value = '' WHERE key = 'epoch'`) }, []string{"epoch_missing"}},
		{"the key that signs cursors", func(d *district) { d.sql(`DELETE FROM sync_state WHERE key = 'cursor_key'`) }, []string{"cursor_key_missing"}},
		{"a worker's grids", func(d *district) {
			d.blindly(`UPDATE users SET scope_grids = '["grid20000000000"]' WHERE name = 'worker1'`)
		}, []string{"membership_differs"}},
		{"an enterprise moved behind the back of everybody", func(d *district) {
			d.blindly(`UPDATE enterprises SET grid = 'grid20000000000' WHERE id = 'ent100000000000'`)
		}, []string{"scope_differs"}},
		{"a visit's scope", func(d *district) { d.blindly(`UPDATE visits SET scope_grid = 'grid20000000000'`) }, []string{"scope_differs"}},
		{"the banks of a demand", func(d *district) { d.blindly(`UPDATE demands SET scope_banks = '["bankb0000000000"]'`) }, []string{"scope_differs"}},
		{"a name copied onto a demand", func(d *district) { d.blindly(`UPDATE demands SET enterprise_name = '别家'`) }, []string{"follower_differs"}},
		{"a record that never came into the feed", func(d *district) {
			d.blindly(`INSERT INTO enterprises (id, name, grid, scope_grid, scope_harbour) VALUES ('ent300000000000', '没进来', 'grid10000000000', 'grid10000000000', 'harbour1000000a')`)
		}, []string{"feed_missing"}},
		{"feed rows cut away in one scope", func(d *district) {
			d.sql(`DELETE FROM sync_feed WHERE scope = 'h:harbour1000000a'`)
		}, []string{"feed_missing"}},
		{"the whole feed", func(d *district) { d.sql(`DELETE FROM sync_feed`) }, []string{"feed_missing"}},
		{"an upload that waits in vain", func(d *district) {
			p := d.phone("worker1")
			p.push(p.visit("ent999999999999999999999999999999", "grid10000000000"))
			d.time = d.time.Add(31 * 24 * time.Hour)
		}, []string{"waiting_too_long"}},
		{"clock, triggers and grids at once", func(d *district) {
			d.sql(`DELETE FROM sync_clock`, `DROP TRIGGER sync_users_update`, `UPDATE users SET scope_grids = '[]' WHERE name = 'worker1'`)
		}, []string{"clock_missing", "trigger_missing", "membership_differs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDistrict(t)
			phones := []*phone{d.phone("worker1"), d.phone("worker2"), d.phone("counter"), d.phone("deskA"), d.phone("deskB")}
			d.save("visits", map[string]any{"enterprise": "ent100000000000", "grid": "grid10000000000", "worker": d.users["worker1"].Id,
				"started_at": hooks.Stored(d.time), "outcome": "met", "place": "shop"})
			d.save("demands", map[string]any{"id": "demand000000001", "enterprise": "ent100000000000", "kind": "first_loan", "need": "working_capital", "channel": "visit", "amount": 100000})
			d.save("demand_events", map[string]any{"demand": "demand000000001", "kind": "stage", "to_stage": "accepted", "at": hooks.Stored(d.time)})
			d.save("demand_matches", map[string]any{"demand": "demand000000001", "bank": "banka0000000000", "matched_at": hooks.Stored(d.time)})
			for _, p := range phones {
				p.pull(0)
			}
			c.harm(d)
			found, err := Doctor(d.app, d.time)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Compact(codes(found))
			if len(c.codes) == 0 && len(got) > 0 || len(c.codes) > 0 && !slices.Contains(got, c.codes[0]) {
				t.Fatalf("found %+v", found)
			}
			mended, left, err := Mend(d.app, d.time)
			if err != nil || len(left) > 0 {
				t.Fatalf("left %+v (%v)", left, err)
			}
			for _, want := range c.codes {
				if !slices.Contains(codes(mended), want) {
					t.Errorf("%s is not said to be mended: %v", want, codes(mended))
				}
			}
			for _, f := range found {
				if f.Message == "" || strings.Contains(f.Message, "%!") || !f.Mendable() {
					t.Errorf("%+v", f)
				}
			}
			for _, p := range phones {
				p.pull(0)
				d.equal(p)
			}
			if e := d.present("enterprises", "ent200000000000"); e != nil { // and pushes are taken
				p := phones[1]
				if r := p.push(p.visit("ent200000000000", "grid20000000000")); r[0].Status != Applied {
					t.Errorf("a push after the mending: %+v", r)
				}
			}
		})
	}
}

func (d *district) present(collection, id string) *core.Record {
	r, _ := d.app.FindRecordById(collection, id)
	return r
}

// equal compares what a phone holds with the rows its user may see, values included.
func (d *district) equal(p *phone) {
	d.t.Helper()
	user, err := d.app.FindRecordById("users", d.users[p.user].Id)
	if err != nil {
		d.t.Fatal(err)
	}
	want := 0
	for _, h := range hooks.Holdings {
		rows, err := d.app.FindAllRecords(h.Collection)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, r := range rows {
			if !overlaps(hooks.UserScopes(user), hooks.RecordScopes(r)) {
				continue
			}
			want++
			held := p.has[h.Collection+"/"+r.Id]
			if held == nil {
				d.t.Errorf("%s does not hold %s/%s", p.user, h.Collection, r.Id)
				continue
			}
			for _, field := range []string{"name", "contact", "scope_grid", "enterprise_name"} {
				if v, ok := held[field]; ok && v != r.GetString(field) {
					d.t.Errorf("%s holds %s/%s with %s %v, not %v", p.user, h.Collection, r.Id, field, v, r.GetString(field))
				}
			}
		}
	}
	if len(p.has) != want {
		d.t.Errorf("%s holds %d records and may see %d", p.user, len(p.has), want)
	}
}

func TestAPushThatFindsATriggerMissingNamesTheCommandThatMendsIt(t *testing.T) {
	d := newDistrict(t)
	d.sql(`DROP TRIGGER sync_visits_insert`)
	status, body := d.post("worker1", "/api/sync/push", []byte(`{"protocol": 1, "device": "`+d.id()+`", "sent_at": "", "pending": 0, "mutations": []}`))
	if status != 500 || !strings.Contains(string(body), "feed_broken") || !strings.Contains(string(body), "gangwan doctor --fix") {
		t.Errorf("%d %s", status, body)
	}
}

func TestADoctorThatOnlyLooksWritesNothing(t *testing.T) {
	d := newDistrict(t)
	d.sql(`DROP TRIGGER sync_visits_insert`, `DELETE FROM sync_feed`)
	version := func() (n int64) {
		_ = d.app.NonconcurrentDB().NewQuery(`SELECT total_changes()`).Row(&n)
		return n
	}
	before := version()
	if found, err := Doctor(d.app, d.time); err != nil || len(found) < 2 {
		t.Fatalf("%v %v", found, err)
	}
	if version() != before {
		t.Error("the database was written")
	}
}
