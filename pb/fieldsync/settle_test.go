package fieldsync

import (
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

func (p *phone) delete(collection, record string, rev int64) map[string]any {
	return map[string]any{"id": p.d.id(), "op": "delete", "collection": collection, "record": record, "captured_at": hooks.Stored(p.d.time), "rev": rev}
}

func (d *district) code(r Result) string {
	d.t.Helper()
	if r.Status != Rejected || len(r.Errors) != 1 {
		d.t.Fatalf("%+v", r)
	}
	for _, e := range r.Errors {
		return e.Code
	}
	return ""
}

func TestAWorkerTakesBackAVisitNobodyElseHasTouched(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	record := v["record"].(string)
	p.push(v, p.update("visits", record, "notes", "", "改过"))
	take := p.delete("visits", record, 0) // never pulled: its own changes are no reason to keep it
	r := p.push(take)[0]
	if r.Status != Applied || r.Seq == 0 {
		t.Fatalf("%+v", r)
	}
	if n := d.count("visits"); n != 0 {
		t.Errorf("%d visits", n)
	}
	if again := p.push(take)[0]; !again.Duplicate || again.Status != Applied || again.Seq != r.Seq {
		t.Errorf("again: %+v", again)
	}
	if other := p.push(p.delete("visits", record, 0))[0]; other.Status != Applied {
		t.Errorf("deleting what is gone: %+v", other)
	}
	if code := d.code(p.push(p.update("visits", record, "notes", "改过", "又改"))[0]); code != "record_gone" {
		t.Errorf("an update of what is gone: %s", code)
	}
	v["id"] = d.id()
	if code := d.code(p.push(v)[0]); code != "record_gone" {
		t.Errorf("a create of what is gone: %s", code)
	}
}

func TestAVisitTheOfficeHasTouchedIsNotTakenBackSilently(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	record := v["record"].(string)
	rev := p.push(v)[0].Record.Rev
	d.edit("visits", record, map[string]any{"review": "exception_approved"})
	// The worker's own later change must not hide the office's.
	p.push(p.update("visits", record, "notes", "", "改过"))
	r := p.push(p.delete("visits", record, rev))[0]
	if r.Status != Conflict || len(r.Conflicts) != 1 {
		t.Fatalf("%+v", r)
	}
	if d.count("visits") != 1 || d.count("sync_conflicts") != 1 {
		t.Error("the visit and the conflict are to be there")
	}
	p.pull(0)
	if r := p.push(p.delete("visits", record, p.revs["visits/"+record]))[0]; r.Status != Applied {
		t.Errorf("seen and deleted all the same: %+v", r)
	}
}

func TestOnlyOwnUnreferencedRecordsMayBeDeleted(t *testing.T) {
	d := newDistrict(t)
	p, counter := d.phone("worker1"), d.phone("counter")
	v := p.visit("ent100000000000", "grid10000000000")
	record := v["record"].(string)
	photo := map[string]any{"id": d.id(), "op": "create", "collection": "photos", "record": d.id(), "captured_at": hooks.Stored(d.time),
		"data": map[string]any{"collection": "visits", "record": record}}
	p.push(v, photo)
	if code := d.code(p.push(p.delete("visits", record, 0))[0]); code != "record_referenced" {
		t.Errorf("with a photo: %s", code)
	}
	if code := d.code(counter.push(counter.delete("visits", record, 0))[0]); code != "not_own_record" {
		t.Errorf("by the counter: %s", code)
	}
	if code := d.code(p.push(p.delete("enterprises", "ent200000000000", 0))[0]); code != "out_of_scope" {
		t.Errorf("of another grid: %s", code)
	}
	if code := d.code(p.push(p.delete("enterprises", "ent100000000000", 0))[0]); code != "not_own_record" {
		t.Errorf("from the registry: %s", code)
	}
	for i, r := range p.push(p.delete("photos", photo["record"].(string), 0), p.delete("visits", record, 0)) {
		if r.Status != Applied {
			t.Errorf("%d: the photo first, then the visit: %+v", i, r)
		}
	}
	if unknown := p.push(p.delete("visits", d.id(), 0))[0]; unknown.Status != Deferred {
		t.Errorf("of a record not come yet: %+v", unknown)
	}
}

func TestWhatWaitsInVainThirtyDaysIsGivenToTheOffice(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	missing := d.id()
	photo := map[string]any{"id": d.id(), "op": "create", "collection": "photos", "record": d.id(), "captured_at": hooks.Stored(d.time),
		"data": map[string]any{"collection": "visits", "record": missing}}
	if r := p.push(photo)[0]; r.Status != Deferred {
		t.Fatalf("%+v", r)
	}
	d.time = d.time.Add(30*24*time.Hour - time.Minute)
	if err := serverOf(d.app).expireWaits(); err != nil {
		t.Fatal(err)
	}
	if r := p.push(photo)[0]; r.Status != Deferred || !r.Duplicate {
		t.Fatalf("a minute too early: %+v", r)
	}
	d.time = d.time.Add(2 * time.Minute)
	if err := serverOf(d.app).expireWaits(); err != nil {
		t.Fatal(err)
	}
	if r := p.push(photo)[0]; d.code(r) != "parent_missing" || !r.Duplicate {
		t.Errorf("%+v", r)
	}
	if kept, err := d.app.FindFirstRecordByData("sync_rejections", "mutation_id", photo["id"]); err != nil || kept.GetString("reason") != "parent_missing" {
		t.Errorf("%v %v", kept, err)
	}
}

func (d *district) maintain() {
	d.t.Helper()
	if err := serverOf(d.app).maintain(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// The record that a report waits for need not come by a push: the office may type it in, an import or plain SQL may bring it.
func TestWhatWaitsGoesOnWhenItsRecordComesFromTheConsoleOrByPlainSQL(t *testing.T) {
	for name, arrive := range map[string]func(d *district, id string){
		"console": func(d *district, id string) {
			d.save("enterprises", map[string]any{"id": id, "name": "后来录入的店", "grid": "grid10000000000"})
		},
		"plain SQL": func(d *district, id string) {
			d.sql(`INSERT INTO enterprises (id, name, grid) VALUES ('` + id + `', '导入的店', 'grid10000000000')`)
		},
	} {
		for how, notice := range map[string]func(d *district){
			"by itself":           func(d *district) { d.maintain() },
			"when it sends again": func(*district) {},
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				d := newDistrict(t)
				p := d.phone("worker1")
				v := p.visit("enterpris0later", "grid10000000000")
				edit := p.update("visits", v["record"].(string), "notes", "", "第二次")
				for _, r := range p.push(v, edit) {
					expect(t, r, Deferred, "")
				}
				d.maintain()
				expect(t, p.push(edit)[0], Deferred, "")
				arrive(d, "enterpris0later")
				d.time = d.time.Add(time.Minute)
				notice(d)
				if n := d.count("visits WHERE notes = '第二次'"); how == "by itself" && n != 1 {
					t.Errorf("%d visits before the phone asks", n)
				}
				for _, r := range p.push(edit, v) {
					if r.Status != Applied || !r.Duplicate {
						t.Errorf("%+v", r)
					}
				}
			})
		}
	}
}

// Two defers of one capture: the mended one alone goes on when its visit comes.
func TestAMendedReportThatMustWaitAsWellStandsForTheFirst(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	photo := map[string]any{"id": d.id(), "op": "create", "collection": "photos", "record": d.id(), "captured_at": hooks.Stored(d.time),
		"data": map[string]any{"collection": "visits", "record": v["record"], "bytes": 1}}
	mended := map[string]any{"id": d.id(), "op": "create", "collection": "photos", "record": photo["record"], "captured_at": hooks.Stored(d.time),
		"data": map[string]any{"collection": "visits", "record": v["record"], "bytes": 2}, "replaces": photo["id"]}
	p.push(photo)
	if r := p.push(mended)[0]; r.Status != Deferred {
		t.Fatalf("%+v", r)
	}
	p.push(v)
	if r := p.push(mended)[0]; r.Status != Applied {
		t.Errorf("%+v", r)
	}
	if r := p.push(photo)[0]; d.code(r) != "replaced" {
		t.Errorf("%+v", r)
	}
	made, err := d.app.FindRecordById("photos", photo["record"].(string))
	if err != nil || made.GetInt("bytes") != 2 {
		t.Errorf("%v %v", made, err)
	}
}

func TestWhatNamesAMergedEnterpriseIsWrittenOnTheSurvivor(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	d.save("enterprises", map[string]any{"id": "ent300000000000", "name": "重庆小面", "grid": "grid10000000000"})
	for _, q := range []string{`INSERT INTO sync_merged (collection, record, survivor) VALUES ('enterprises', 'ent400000000000', 'ent300000000000')`,
		`INSERT INTO sync_merged (collection, record, survivor) VALUES ('enterprises', 'ent300000000000', 'ent100000000000')`,
		`DELETE FROM enterprises WHERE id = 'ent300000000000'`} {
		if _, err := d.app.DB().NewQuery(q).Execute(); err != nil {
			t.Fatal(err)
		}
	}
	v := p.visit("ent400000000000", "grid10000000000")
	photo := map[string]any{"id": d.id(), "op": "create", "collection": "photos", "record": d.id(), "captured_at": hooks.Stored(d.time),
		"data": map[string]any{"collection": "enterprises", "record": "ent300000000000"}}
	for _, r := range p.push(v, photo) {
		if r.Status != Applied {
			t.Fatalf("%+v", r)
		}
	}
	for collection, field := range map[string]string{"visits": "enterprise", "photos": "record"} {
		var r *core.Record
		if all, err := d.app.FindAllRecords(collection); err != nil || len(all) != 1 {
			t.Fatal(all, err)
		} else if r = all[0]; r.GetString(field) != "ent100000000000" {
			t.Errorf("%s is of %s", collection, r.GetString(field))
		}
	}
}

// A write may be taken for a grid that was given up since; what stands there now is no longer the writer's to see.
func TestAConflictTellsNothingOfARecordThatHasLeftTheSendersSight(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	all, err := d.app.FindAllRecords("assignments")
	if err != nil {
		t.Fatal(err)
	}
	d.time = d.time.Add(time.Hour)
	late := p.update("enterprises", "ent100000000000", "phone", "13900000001", "13911111111")
	d.time = d.time.Add(time.Hour)
	for _, a := range all {
		if a.GetString("user") == d.users["worker1"].Id {
			d.edit("assignments", a.Id, map[string]any{"until": d.time})
		}
	}
	d.edit("enterprises", "ent100000000000", map[string]any{"phone": "13999999999"})
	d.time = d.time.Add(time.Hour)
	r := p.push(late)[0]
	if r.Status != Conflict || r.Conflicts["phone"].Theirs != nil {
		t.Errorf("%+v", r)
	}
	p.pull(0)
	for key, record := range p.has {
		if collection, _ := splitKey(key); collection == "sync_conflicts" && (record["theirs"] != nil && record["theirs"] != "" || record["theirs_hidden"] != nil) {
			t.Errorf("told by pull: %v", record)
		}
	}
	kept, err := d.app.FindAllRecords("sync_conflicts")
	if err != nil || len(kept) != 1 || kept[0].GetString("theirs_hidden") != `"13999999999"` {
		t.Errorf("the office must see it: %v %v", kept, err)
	}
}

// Found by the simulation: what is known of a push's mutations is asked once, at its beginning; what waited then may have gone on.
func TestAWaitingChangeThatGoesOnInTheSamePushIsAnsweredSo(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	change := p.update("visits", v["record"].(string), "notes", "", "改过")
	if r := p.push(change)[0]; r.Status != Deferred {
		t.Fatalf("%+v", r)
	}
	if r := p.push(v, change); r[0].Status != Applied || r[1].Status != Applied || !r[1].Duplicate {
		t.Errorf("%+v", r)
	}
}
