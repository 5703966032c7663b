package fieldsync

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Photos stand for any collection here: no other one refers to them, so the console lets them be deleted.
func (d *district) photo(id, of string) {
	d.t.Helper()
	d.save("photos", map[string]any{"id": id, "collection": "enterprises", "record": of, "bytes": 1})
}

// Invariant 2. A table dropped with its collection tells nobody what was in it.
func TestACollectionDeletedAndMadeAgainOrImportedKeepsTheFeedWhole(t *testing.T) {
	for name, id := range map[string]string{"made again": "", "imported under a new id": "pbc_4711471147"} {
		t.Run(name, func(t *testing.T) {
			d := newDistrict(t)
			p := d.phone("worker1")
			d.photo("photo1000000000", "ent100000000000")
			d.photo("photo2000000000", "ent100000000000")
			p.pull(0)
			photos, err := d.app.FindCollectionByNameOrId("photos")
			if err != nil {
				t.Fatal(err)
			}
			definition := mapOf(t, photos)
			if err := d.app.Delete(photos); err != nil {
				t.Fatal(err)
			}
			v := p.visit("ent100000000000", "grid10000000000")
			if status, answer := d.post("worker1", "/api/sync/push", mustJSON(map[string]any{"protocol": 1, "device": p.device, "mutations": []any{v}})); status != 500 || !strings.Contains(string(answer), "feed_broken") {
				t.Errorf("without the collection a push is answered %d %s", status, answer)
			}
			if id != "" {
				definition["id"] = id
			}
			if err := d.app.ImportCollections([]map[string]any{definition}, false); err != nil {
				t.Fatal(err)
			}
			d.photo("photo2000000000", "ent200000000000")
			d.photo("photo3000000000", "ent100000000000")
			expect(t, p.push(v)[0], Applied, "")
			p.pull(0)
			if got, want := p.ids("photos"), p.listed("photos"); got != want || !strings.Contains(got, "photo3") || strings.Contains(got, "photo1") {
				t.Errorf("holds %s, the list API answers %s", got, want)
			}
		})
	}
}

// What was done while a trigger was missing cannot be known; the next start counts everything there as changed.
func TestWhatWasDoneWhileTriggersWereMissingReachesThePhonesAtTheNextStart(t *testing.T) {
	d := newDistrict(t)
	p1, p2, counter := d.phone("worker1"), d.phone("worker2"), d.phone("counter")
	visit := func(id, enterprise string) {
		d.save("visits", map[string]any{"id": id, "enterprise": enterprise, "worker": d.users["worker1"].Id, "started_at": d.time, "outcome": "met"})
	}
	visit("visit1000000000", "ent100000000000")
	visit("visit2000000000", "ent200000000000")
	d.save("demands", map[string]any{"id": "demand100000000", "enterprise": "ent100000000000", "kind": "first_loan", "need": "startup", "amount": 1})
	d.sql(`INSERT INTO demand_matches (id, demand, bank) VALUES ('match1000000000', 'demand100000000', 'banka0000000000')`)
	phones := []*phone{p1, p2, counter, d.phone("deskA")}
	for _, p := range phones {
		p.pull(0)
	}
	for name := range triggers() {
		d.sql("DROP TRIGGER " + name)
	}
	d.sql(`DELETE FROM visits WHERE id = 'visit2000000000'`)
	d.sql(`UPDATE enterprises SET grid = 'grid20000000000' WHERE id = 'ent100000000000'`)
	d.sql(`INSERT INTO visits (id, enterprise, worker, started_at, outcome) VALUES ('visit3000000000', 'ent100000000000', '` + d.users["worker2"].Id + `', '2026-09-01 01:00:00.000Z', 'met')`)
	d.sql(`DELETE FROM demand_matches`)
	d.sql(`DELETE FROM assignments WHERE user = '` + d.users["worker1"].Id + `'`)
	if err := prepare(d.app, d.now); err != nil {
		t.Fatal(err)
	}
	for _, p := range phones {
		p.pull(0)
		for _, h := range hooks.Holdings {
			if got, want := p.ids(h.Collection), p.listed(h.Collection); got != want {
				t.Errorf("%s %s: holds %s, the list API answers %s", p.user, h.Collection, got, want)
			}
		}
	}
	if !p2.holds("visits/visit1000000000") || !p2.holds("visits/visit3000000000") || p2.holds("visits/visit2000000000") || p1.holds("enterprises/ent100000000000") || phones[3].holds("demands/demand100000000") {
		t.Error("what follows from what was missed was not set right")
	}
}

func TestARecordThatPlainSQLGivesAnotherIDIsTakenBackUnderTheOldOne(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	d.sql(`UPDATE enterprises SET id = 'ent300000000000' WHERE id = 'ent100000000000'`)
	p.pull(0)
	if p.holds("enterprises/ent100000000000") || !p.holds("enterprises/ent300000000000") {
		t.Fatalf("holds %s", p.ids("enterprises"))
	}
}

// mapOf is a collection as an export has it.
func mapOf(t *testing.T, c *core.Collection) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(mustJSON(c), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Invariant 9: what a record shows its user is part of the download; when that changes, the download begins anew.
func TestAFieldAddedHiddenOrRemovedStartsTheDownloadAnew(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	shown := func() (value any, there bool) {
		value, there = p.has["enterprises/ent100000000000"]["motto"]
		return value, there
	}
	change := func(f func(c *core.Collection)) {
		t.Helper()
		c, err := d.app.FindCollectionByNameOrId("enterprises")
		if err != nil {
			t.Fatal(err)
		}
		f(c)
		if err := d.app.Save(c); err != nil {
			t.Fatal(err)
		}
		if page := p.page(1); !page.Reset {
			t.Error("the download goes on as if nothing had happened")
		}
		p.pull(0)
	}
	change(func(c *core.Collection) { c.Fields.Add(&core.TextField{Name: "motto", Help: "店训"}) })
	d.sql(`UPDATE enterprises SET motto = '和气生财'`)
	p.pull(0)
	if value, _ := shown(); value != "和气生财" {
		t.Errorf("after it was added: %v", value)
	}
	change(func(c *core.Collection) { c.Fields.GetByName("motto").SetHidden(true) })
	if value, there := shown(); there {
		t.Errorf("hidden, and shown: %v", value)
	}
	change(func(c *core.Collection) { c.Fields.GetByName("motto").SetHidden(false) })
	change(func(c *core.Collection) { c.Fields.RemoveByName("motto") })
	if value, there := shown(); there {
		t.Errorf("removed, and shown: %v", value)
	}
	d.edit("enterprises", "ent100000000000", map[string]any{"contact": "老张"})
	p.pull(0)
	if p.has["enterprises/ent100000000000"]["contact"] != "老张" {
		t.Error("the feed broke on the way")
	}
}

// restoreFrom puts the database back to an earlier copy, under the server's feet as far as the phones can tell.
func (d *district) restoreFrom(backup string) {
	d.t.Helper()
	d.close()
	d.serve(backup)
}

func (d *district) backup() (dir string) {
	d.t.Helper()
	dir = d.t.TempDir()
	d.sql(`VACUUM INTO '` + dir + `/data.db'`)
	return dir
}

func (d *district) state(key string) (value string) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(`SELECT COALESCE((SELECT value FROM sync_state WHERE key = {:key}), '')`).Bind(dbx.Params{"key": key}).Row(&value); err != nil {
		d.t.Fatal(err)
	}
	return value
}

// Invariant 1: a cursor that is ahead of the feed proves that a backup was put back; from then on phones send again what they kept.
func TestARestoreThatNobodyAnnouncedOpensANewLifeOnce(t *testing.T) {
	d := newDistrict(t)
	p, q, stranger := d.phone("worker1"), d.phone("worker2"), d.phone("counter")
	stranger.pull(0)
	dir := d.backup()
	old := d.state("epoch")
	for range 3 {
		expect(t, p.push(p.visit("ent100000000000", "grid10000000000"))[0], Applied, "")
		expect(t, q.push(q.visit("ent200000000000", "grid20000000000"))[0], Applied, "")
	}
	p.pull(0)
	q.pull(0)
	d.time = d.time.Add(time.Hour)
	d.restoreFrom(dir)
	stranger.pull(0) // a cursor that is not ahead proves nothing
	if d.state("epoch") != old {
		t.Fatal("a new life without a proof")
	}
	if page := p.page(0); !page.Reset || page.Epoch == old || page.Epoch != d.state("epoch") || page.More {
		t.Fatalf("the phone is answered %+v", page)
	}
	second := d.state("epoch")
	if got, want := d.state("epoch_at"), hooks.Stored(d.time); got != want || d.state("epoch_seq") == "" {
		t.Errorf("the new life began at %q after seq %q, want %q", got, d.state("epoch_seq"), want)
	}
	// One that read its page before the first was done, and one that comes later.
	if err := serverOf(d.app).write(1, (&aheadOfFeed{epoch: old}).newEpoch(d.time)); err != nil || d.state("epoch") != second {
		t.Errorf("a proof at the same time opened another life: %v", err)
	}
	if page := q.page(0); !page.Reset || page.Epoch != second {
		t.Errorf("the second proof of the same restore opened another life: %+v", page)
	}
	if status, raw := d.post("worker1", "/api/sync/push", mustJSON(map[string]any{"protocol": 1, "device": p.device, "epoch": old, "mutations": []any{}})); status != 409 || !strings.Contains(string(raw), "epoch_changed") {
		t.Errorf("a push of the old life: %d %s", status, raw)
	}
	p.pull(0)
	q.pull(0)
}

// Invariant 1: with a backup from before the last restore the life before that comes back. The phones of the lost one prove it, though
// nothing may have been written in it; what an announced restore has ended proves nothing.
func TestABackupFromBeforeTheLastRestorePutBackOpensANewLifeOnce(t *testing.T) {
	d := newDistrict(t)
	p, q := d.phone("worker1"), d.phone("worker2")
	p.pull(0)
	q.pull(0)
	announced, again, unannounced := d.backup(), d.backup(), d.backup()
	seen := map[string]bool{d.state("epoch"): true}
	for _, backup := range []string{announced, again} {
		d.restoreFrom(backup)
		epoch, err := NewEpoch(d.app, d.time, 0)
		if page := p.page(0); err != nil || seen[epoch] || !page.Reset || page.Epoch != epoch || d.state("epoch") != epoch {
			t.Fatalf("%s is answered %+v: %v", epoch, page, err)
		}
		seen[epoch] = true
		if backup == announced {
			expect(t, p.push(p.visit("ent100000000000", "grid10000000000"))[0], Applied, "")
			p.pull(0)
		}
	}
	q.pull(0)
	d.restoreFrom(unannounced)
	page := p.page(0)
	if !page.Reset || seen[page.Epoch] || d.state("epoch") != page.Epoch {
		t.Fatalf("the phone is answered %+v, the lives so far are %v", page, seen)
	}
	if other := q.page(0); !other.Reset || other.Epoch != page.Epoch {
		t.Errorf("the second proof of the same restore opened another life: %+v", other)
	}
}

func TestAnAnnouncedRestoreForgetsWhatTheLifeBeforeHadSentAgain(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	d.sql(`INSERT INTO sync_rewritten (collection, record, field, seq) VALUES ('visits', 'x', 'notes', 1)`)
	old := d.state("epoch")
	epoch, err := NewEpoch(d.app, d.time, 0)
	if err != nil || len(epoch) != 16 || epoch == old || epoch != d.state("epoch") || d.count("sync_rewritten") != 0 {
		t.Fatalf("%q after %q: %v", epoch, old, err)
	}
	if page := p.page(1); !page.Reset || page.Epoch != epoch {
		t.Errorf("%+v", page)
	}
}
