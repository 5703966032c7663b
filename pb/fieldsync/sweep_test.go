package fieldsync

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// settleTimes gives every file that was just written the time of the district's clock.
func (d *district) settleTimes() {
	d.t.Helper()
	err := filepath.WalkDir(storage(d.app), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil || !info.ModTime().After(d.time) {
			return err
		}
		return os.Chtimes(path, d.time, d.time)
	})
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
}

func (d *district) sweep() {
	d.t.Helper()
	if err := serverOf(d.app).sweepOrphans(); err != nil {
		d.t.Fatal(err)
	}
}

// leave writes a file as a lost upload leaves it.
func (d *district) leave(path string) string {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		d.t.Fatal(err)
	}
	for _, name := range []string{path, path + ".attrs"} {
		if err := os.WriteFile(name, []byte("{}"), 0o600); err != nil {
			d.t.Fatal(err)
		}
	}
	d.settleTimes()
	return path
}

func TestTheSweepTakesWhatNobodyNamesAndNothingElse(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	visit, photo, meta := p.captured()
	p.attach(meta, picturePNG(1))
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	p.attach(signature, picturePNG(2))
	waiting := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit}
	expectPicture(t, p.attach(waiting, picturePNG(3)), Deferred, "", false)
	kept := []string{d.path("photos", photo, d.file("photos", photo, "file")), d.path("visits", visit, d.file("visits", visit, "signature"))}
	if pending, err := filepath.Glob(d.path("photos", waiting.ID, "p*.png")); err != nil || len(pending) != 1 {
		t.Fatalf("%v %v", pending, err)
	} else {
		kept = append(kept, pending...)
	}
	kept = append(kept, d.leave(filepath.Join(filepath.Dir(kept[0]), "thumbs_"+filepath.Base(kept[0]), "100x100_"+filepath.Base(kept[0]))))
	lost := []string{
		d.leave(d.path("photos", d.id(), "p1.jpg")), // of an upload whose transaction was lost
		d.leave(d.path("photos", photo, "p2.jpg")),  // beside a picture that stays
		d.leave(d.path("visits", visit, "p3.jpg.18f.tmp")),
		d.leave(d.path("photos", photo, "thumbs_p2.jpg/100x100_p2.jpg")),
	}
	other := d.leave(d.path("policies", d.id(), "handbook.pdf"))
	d.time = d.time.Add(23 * time.Hour)
	young := d.leave(d.path("photos", d.id(), "p4.jpg"))
	d.sweep()
	for _, path := range append(lost, kept...) {
		if !isThere(path) {
			t.Fatalf("gone before its time: %s", path)
		}
	}
	d.time = d.time.Add(2 * time.Hour)
	d.sweep()
	for _, path := range lost {
		if isThere(path) || isThere(path+".attrs") {
			t.Errorf("an orphan is left: %s", path)
		}
	}
	if isThere(filepath.Dir(lost[0])) || isThere(filepath.Dir(lost[3])) {
		t.Error("an empty folder is left")
	}
	for _, path := range append(kept, other, young) {
		if !isThere(path) {
			t.Errorf("taken though it is named, young or not ours: %s", path)
		}
	}
	if status, _ := d.download("worker1", "photos", photo, filepath.Base(kept[0])); status != 200 {
		t.Errorf("the picture is not served: %d", status)
	}
}

func TestARefusedPictureCanBeLookedAtForThirtyDays(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	visit, photo, meta := p.captured()
	meta.Record = d.id()
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "attachment_unknown", false)
	late := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit}
	expectPicture(t, p.attach(late, picturePNG(2)), Deferred, "", false)
	known, err := findPicture(d.app, photo)
	if err != nil {
		t.Fatal(err)
	}
	path := d.path("photos", photo, known.File)
	d.settleTimes()
	d.time = d.time.Add(30 * 24 * time.Hour)
	d.expire()
	d.sweep()
	if !isThere(path) {
		t.Fatal("gone before an administrator could look")
	}
	d.time = d.time.Add(time.Minute)
	d.sweep()
	if isThere(path) {
		t.Error("kept for ever")
	}
	pending, err := findPicture(d.app, late.ID)
	if err != nil || !isThere(d.path("photos", late.ID, pending.File)) {
		t.Errorf("refused a minute ago, and gone: %v", err)
	}
	// Its bytes are gone, the answer stays; the mended upload brings new ones.
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "attachment_unknown", true)
	meta.Record = visit
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", false)
	if !isThere(d.path("photos", photo, d.file("photos", photo, "file"))) {
		t.Error("applied without its file")
	}
}

// An upload finds its file already there, left by an attempt that was lost long ago; the sweep has seen it too, and comes
// for it before the upload is through.
func TestTheSweepDoesNotTakeAFileFromUnderAnUpload(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	s := serverOf(d.app)
	_, photo, meta := p.captured()
	orphan := d.leave(d.path("photos", photo, "p"+sumOf(picturePNG(1))[:24]+".png"))
	d.time = d.time.Add(25 * time.Hour)
	s.files.RLock() // an upload is under way
	swept := make(chan error, 1)
	go func() { swept <- s.sweepOrphans() }()
	for s.files.TryRLock() { // fails from when the sweep waits
		s.files.RUnlock()
		select {
		case err := <-swept:
			t.Fatalf("swept while an upload was under way: %v", err)
		default:
			runtime.Gosched()
		}
	}
	meta.Device, meta.SHA256, meta.Bytes = p.device, sumOf(picturePNG(1)), int64(len(picturePNG(1)))
	named, _, err := s.examine(d.users["worker1"], meta, picturePNG(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.write(1, func(tx core.App) error {
		_, err := (&applier{tx: tx, user: d.users["worker1"], device: p.device, received: d.time}).receive(named)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s.files.RUnlock()
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if d.file("photos", photo, "file") != filepath.Base(orphan) || !isThere(orphan) {
		t.Error("applied, and its file is gone")
	}
}

// Invariants 1 and 3: whatever is uploaded, cut off, deleted, expired and swept in whatever order, every file that a record or
// a waiting picture names is there; and once all is old, no other file is. A failure names its seed; the same seed replays it.
func TestWhateverHappensEveryPictureThatIsNamedIsThere(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { uploadsAndSweeps(t, rand.New(rand.NewPCG(seed, 4)), 100) })
	}
}

func uploadsAndSweeps(t *testing.T, r *rand.Rand, steps int) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	expect(t, p.push(v)[0], Applied, "")
	visit := v["record"].(string)
	records := []map[string]any{p.photoOf(visit)}
	for range steps {
		m := pick(r, records)
		id := m["record"].(string)
		meta, picture := AttachmentMeta{ID: id, Collection: "visits", Record: visit}, picturePNG(byte(r.IntN(3)))
		switch r.IntN(16) {
		case 0, 1:
			records = append(records, p.photoOf(visit))
		case 2, 3:
			p.push(m)
		case 4, 5, 6, 7:
			p.attach(meta, picture)
		case 8, 9: // the file is written, the transaction lost
			if _, err := d.app.DB().NewQuery(`DROP TRIGGER sync_photos_update`).Execute(); err != nil {
				t.Fatal(err)
			}
			if status, answer := p.upload(meta, picture); status != 500 {
				t.Fatalf("%d %s", status, answer)
			}
			if err := ensureTriggers(d.app); err != nil {
				t.Fatal(err)
			}
		case 10:
			if _, err := d.app.DB().Delete("photos", dbx.HashExp{"id": id}).Execute(); err != nil {
				t.Fatal(err)
			}
		case 11:
			if r, err := d.app.FindRecordById("photos", id); err == nil {
				if err := d.app.Delete(r); err != nil {
					t.Fatal(err)
				}
			}
		case 12, 13:
			d.settleTimes()
			d.time = d.time.Add(time.Duration(r.IntN(200)) * time.Hour)
		case 14:
			d.expire()
		case 15:
			d.sweep()
		}
		d.everyNamedFileIsThere(t)
	}
	d.settleTimes()
	d.time = d.time.Add(2 * patience)
	d.expire()
	d.time = d.time.Add(patience + time.Minute)
	d.sweep()
	d.everyNamedFileIsThere(t)
	err := filepath.WalkDir(d.path("photos", "", ""), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		record := filepath.Base(filepath.Dir(path))
		if r, err := d.app.FindRecordById("photos", record); err != nil || r.GetString("file") != strings.TrimSuffix(e.Name(), ".attrs") {
			t.Errorf("nobody names %s", path)
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func (d *district) everyNamedFileIsThere(t *testing.T) {
	var rows []struct {
		ID   string `db:"id"`
		File string `db:"file"`
	}
	t.Helper()
	if err := d.app.DB().NewQuery(`SELECT id, file FROM photos WHERE file != '' UNION SELECT id, file FROM sync_attachments WHERE status = 'deferred'`).All(&rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !isThere(d.path("photos", r.ID, r.File)) {
			t.Fatalf("%s names %s, which is gone", r.ID, r.File)
		}
	}
}

// A push whose later part fails takes its delete back; the picture must stay then.
func TestADeleteThatIsTakenBackKeepsThePicture(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	p.attach(meta, picturePNG(1))
	path := d.path("photos", photo, d.file("photos", photo, "file"))
	undone := serverOf(d.app).write(1, func(tx core.App) error {
		r, err := tx.FindRecordById("photos", photo)
		if err != nil {
			return err
		}
		if err := tx.DeleteWithContext(t.Context(), r); err != nil {
			return err
		}
		return errStopped // something later in the same push failed
	})
	if undone != errStopped {
		t.Fatal(undone)
	}
	if _, err := d.app.FindRecordById("photos", photo); err != nil {
		t.Fatal(err)
	}
	// PocketBase removes files behind the back of the transaction: one more is deleted to know that it had its turn.
	_, other, of := p.captured()
	p.attach(of, picturePNG(2))
	second := d.path("photos", other, d.file("photos", other, "file"))
	r, err := d.app.FindRecordById("photos", other)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.app.Delete(r); err != nil {
		t.Fatal(err)
	}
	for isThere(second) { // the test's own time limit ends this
		runtime.Gosched()
	}
	if !isThere(path) {
		t.Error("the record stands, its picture is gone")
	}
}
