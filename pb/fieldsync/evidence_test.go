package fieldsync

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"

	"gangwan/hooks"
)

// fair is a harbour's activity with the phone of whoever runs it.
type fair struct {
	*district
	*phone
	t        *testing.T
	activity string
}

// openFair is a planned activity that the counter's phone has pushed.
func openFair(t *testing.T) *fair {
	t.Helper()
	d := newDistrict(t)
	f := &fair{district: d, phone: d.phone("counter"), t: t, activity: d.id()}
	f.sends(map[string]any{"op": "create", "collection": "activities", "record": f.activity, "data": map[string]any{
		"title": "进社区宣传", "kind": "community", "status": "planned", "due": "2026-12-31 04:00:00.000Z", "harbour": "harbour1000000a", "topics": []string{"credit"}}})
	return f
}

// sends pushes one mutation that must be applied, as the counter.
func (f *fair) sends(m map[string]any) Result {
	f.t.Helper()
	m["id"], m["captured_at"] = f.district.id(), hooks.Stored(f.district.time)
	r := f.push(m)[0]
	if r.Status != Applied {
		f.t.Fatalf("%v: %+v", m, r)
	}
	return r
}

// writes changes fields of the activity on the phone.
func (f *fair) writes(changes map[string]Change) Result {
	f.t.Helper()
	return f.sends(map[string]any{"op": "update", "collection": "activities", "record": f.activity, "changes": changes})
}

func (f *fair) isHeld(more map[string]Change) {
	f.t.Helper()
	changes := map[string]Change{"status": {From: "planned", To: "held"}, "start": {From: "", To: "2026-09-01 00:00:00.000Z"}, "headcount": {From: 0, To: 20}}
	for name, c := range more {
		changes[name] = c
	}
	f.writes(changes)
}

// photographs sends the record of a picture, whose file is still on the phone.
func (f *fair) photographs() (photo string) {
	f.t.Helper()
	photo = f.district.id()
	f.sends(map[string]any{"op": "create", "collection": "photos", "record": photo, "data": map[string]any{"collection": "activities", "record": f.activity}})
	return photo
}

func (f *fair) uploads(photo string) {
	f.t.Helper()
	if r := f.attach(AttachmentMeta{ID: photo, Collection: "activities", Record: f.activity}, picturePNG(7)); r.Status != Applied {
		f.t.Fatalf("%+v", r)
	}
}

// shows checks what the server says of the activity, and that the phone hears of it with the next pull and the warehouse by the feed.
func (f *fair) shows(want string) {
	f.t.Helper()
	r, err := f.app.FindRecordById("activities", f.activity)
	if err != nil {
		f.t.Fatal(err)
	}
	if got := strings.Join(r.GetStringSlice("evidence"), " "); got != want {
		f.t.Errorf("the server says %q, expected %q", got, want)
	}
	f.pull(0)
	var heard []string
	for _, v := range f.has["activities/"+f.activity]["evidence"].([]any) {
		heard = append(heard, v.(string))
	}
	if got := strings.Join(heard, " "); got != want {
		f.t.Errorf("the phone heard %q, expected %q", got, want)
	}
	unshown, err := f.app.CountRecords("unshown_activities")
	if err != nil {
		f.t.Fatal(err)
	}
	if open := r.GetString("status") == "held" && (!strings.HasPrefix(want, "photo") || want == "photo"); open != (unshown == 1) {
		f.t.Errorf("%d activities without evidence in the console, with %q", unshown, want)
	}
}

func TestAPictureFirstAndThenMinutesShowAnActivity(t *testing.T) {
	f := openFair(t)
	f.isHeld(nil)
	f.shows("")
	photo := f.photographs()
	f.shows("") // promised, not here
	f.uploads(photo)
	f.shows("photo")
	f.writes(map[string]Change{"minutes": {From: "", To: " \n　"}})
	f.shows("photo") // nothing written
	f.writes(map[string]Change{"minutes": {From: " \n　", To: "来了二十人，讲了贷款码"}})
	f.shows("photo minutes")
}

func TestMinutesFirstAndThenAPictureShowAnActivity(t *testing.T) {
	f := openFair(t)
	f.isHeld(map[string]Change{"minutes": {From: "", To: "来了二十人"}})
	f.shows("minutes")
	f.uploads(f.photographs())
	f.shows("photo minutes")
}

func TestWhoSignedInShowsAnActivityAsMinutesDo(t *testing.T) {
	f := openFair(t)
	f.isHeld(map[string]Change{"enterprises": {From: []string{}, To: []string{"ent100000000000"}}})
	f.shows("roster")
	f.uploads(f.photographs())
	f.shows("photo roster")
	f.writes(map[string]Change{"enterprises": {From: []string{"ent100000000000"}, To: []string{}}})
	f.shows("photo")
	guest := f.district.save("contacts", map[string]any{"name": "社区张姐", "kind": "community_staff", "harbour": "harbour1000000a"}).Id
	f.writes(map[string]Change{"attendees": {From: []string{}, To: []string{guest}}})
	f.shows("photo roster")
}

func TestAnActivityEnteredAfterwardsIsShownByWhatItComesWith(t *testing.T) {
	f := openFair(t)
	f.run(`DELETE FROM activities`)
	f.activity = f.district.id()
	f.sends(map[string]any{"op": "create", "collection": "activities", "record": f.activity, "data": map[string]any{"title": "对接会", "kind": "matchmaking", "status": "held",
		"start": "2026-09-01 00:00:00.000Z", "headcount": 3, "harbour": "harbour1000000a", "minutes": "三家银行到场"}})
	f.shows("minutes")
	// The console saves a picture and its record at once.
	file, err := filesystem.NewFileFromBytes(picturePNG(7), "对接会.png")
	if err != nil {
		t.Fatal(err)
	}
	f.district.save("photos", map[string]any{"collection": "activities", "record": f.activity, "file": file})
	f.shows("photo minutes")
}

func TestWhatIsOnlyPlannedIsShownByNothing(t *testing.T) {
	f := openFair(t)
	f.uploads(f.photographs())
	f.writes(map[string]Change{"minutes": {From: "", To: "预备会"}})
	f.shows("")
	f.isHeld(nil)
	f.shows("photo minutes") // what was gathered before counts from then on
}

func TestAnActivityWhosePictureIsDeletedTakenOutOrMovedIsNoLongerShown(t *testing.T) {
	for what, undo := range map[string]func(f *fair, photo string){
		"deleted by the phone": func(f *fair, photo string) {
			f.sends(map[string]any{"op": "delete", "collection": "photos", "record": photo, "rev": f.rev(photo)})
		},
		"deleted in the console": func(f *fair, photo string) {
			r, err := f.app.FindRecordById("photos", photo)
			if err == nil {
				err = f.app.Delete(r)
			}
			if err != nil {
				f.t.Fatal(err)
			}
		},
		"its file taken out":                  func(f *fair, photo string) { f.edit("photos", photo, map[string]any{"file": ""}) },
		"moved to another kind of record":     func(f *fair, photo string) { f.edit("photos", photo, map[string]any{"collection": "services"}) },
		"left without a record, by plain SQL": func(f *fair, photo string) { f.run(`UPDATE photos SET record = '' WHERE id = '` + photo + `'`) },
		"deleted by plain SQL, all together":  func(f *fair, _ string) { f.run(`DELETE FROM photos`) },
	} {
		t.Run(what, func(t *testing.T) {
			f := openFair(t)
			f.isHeld(map[string]Change{"minutes": {From: "", To: "来了二十人"}})
			photo := f.photographs()
			f.uploads(photo)
			f.shows("photo minutes")
			undo(f, photo)
			f.shows("minutes")
		})
	}
}

func (f *fair) run(sql string) {
	f.t.Helper()
	if _, err := f.app.DB().NewQuery(sql).Execute(); err != nil {
		f.t.Fatal(err)
	}
}

func TestWhatHappenedToPicturesWhileTriggersWereMissingIsSetRightAtTheNextStart(t *testing.T) {
	f := openFair(t)
	f.isHeld(map[string]Change{"minutes": {From: "", To: "来了二十人"}})
	f.uploads(f.photographs())
	f.shows("photo minutes")
	for name := range triggers() {
		if strings.HasPrefix(name, "sync_photos_") {
			f.run("DROP TRIGGER " + name)
		}
	}
	f.run(`DELETE FROM photos`)
	if err := prepare(f.app, f.district.now); err != nil {
		t.Fatal(err)
	}
	f.shows("minutes")
}

func TestOneOfTwoPicturesIsEnough(t *testing.T) {
	f := openFair(t)
	f.isHeld(map[string]Change{"minutes": {From: "", To: "来了二十人"}})
	first, second := f.photographs(), f.photographs()
	f.uploads(first)
	if r := f.attach(AttachmentMeta{ID: second, Collection: "activities", Record: f.activity}, picturePNG(8)); r.Status != Applied {
		t.Fatalf("%+v", r)
	}
	before := f.rev(f.activity)
	f.edit("photos", first, map[string]any{"file": ""})
	f.shows("photo minutes")
	if f.rev(f.activity) != before {
		t.Error("nothing changed about the activity, and every phone hears of it")
	}
}

func TestNobodyIsBelievedWhoWritesTheEvidenceHimself(t *testing.T) {
	f := openFair(t)
	r := f.writes(map[string]Change{"evidence": {From: []string{}, To: []string{"photo", "minutes"}}})
	if strings.Join(r.Ignored, "") != "evidence" {
		t.Errorf("%+v", r)
	}
	f.isHeld(map[string]Change{"evidence": {From: []string{}, To: []string{"photo", "minutes"}}})
	f.shows("")
	made := f.district.id()
	f.sends(map[string]any{"op": "create", "collection": "activities", "record": made, "data": map[string]any{"title": "对接会", "kind": "matchmaking", "status": "held",
		"start": "2026-09-01 00:00:00.000Z", "headcount": 3, "harbour": "harbour1000000a", "evidence": []string{"photo", "roster"}}})
	f.run(`DELETE FROM activities WHERE id = '` + f.activity + `' AND evidence = '[]'`)
	f.activity = made
	f.shows("")
	// Nor is an administrator, whose console may show what was true a minute ago.
	f.edit("activities", made, map[string]any{"evidence": []string{"photo", "minutes"}})
	f.shows("")
}

func TestAnUpgradeSaysOfTheActivitiesThereAreWhatShowsThem(t *testing.T) {
	f := openFair(t)
	f.pull(0)
	dir := f.app.DataDir()
	f.close()
	old, err := boot(dir) // none of our hooks: as the release before, which knows nothing of evidence
	if err != nil {
		t.Fatal(err)
	}
	items := core.AppMigrations.Items()
	at := slices.IndexFunc(items, func(m *core.Migration) bool { return m.File == "20261127_01_activity_evidence.go" })
	if err := old.RunInTransaction(items[at].Down); err != nil {
		t.Fatal(err)
	}
	f.app = old
	for name, sql := range triggers() {
		if !strings.Contains(name, "_evidence_") {
			f.run(sql)
		}
	}
	f.run(`UPDATE activities SET status = 'held', minutes = '来了二十人' WHERE id = '` + f.activity + `'`)
	f.run(`INSERT INTO photos (id, collection, record, file) VALUES ('photo0000000001', 'activities', '` + f.activity + `', 'a.jpg'), ('photo0000000002', 'services', '` + f.activity + `', 'b.jpg')`)
	if err := errors.Join(old.RunInTransaction(items[at].Up), old.ResetBootstrapState()); err != nil {
		t.Fatal(err)
	}
	f.serve(dir)
	f.shows("photo minutes")
}
