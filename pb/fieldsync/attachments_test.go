package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

func picturePNG(shade byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	img.SetGray(1, 1, color.Gray{Y: shade})
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// upload sends a picture as the app does; what meta leaves out is filled in.
func (p *phone) upload(meta AttachmentMeta, data []byte) (status int, answer []byte) {
	p.d.t.Helper()
	if meta.Device == "" {
		meta.Device = p.device
	}
	meta.SentAt = hooks.Stored(p.d.time)
	if meta.SHA256 == "" {
		meta.SHA256 = sumOf(data)
	}
	meta.Bytes = int64(len(data))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("meta", string(mustJSON(meta)))
	part, _ := form.CreateFormFile("file", "picture")
	_, _ = part.Write(data)
	_ = form.Close()
	req, _ := http.NewRequest(http.MethodPost, p.d.url+"/api/sync/attachments", &body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", p.d.token(p.user))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.d.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func (p *phone) attach(meta AttachmentMeta, data []byte) (r AttachmentResult) {
	p.d.t.Helper()
	status, answer := p.upload(meta, data)
	if err := json.Unmarshal(answer, &r); err != nil || status != 200 {
		p.d.t.Fatalf("%d %s", status, answer)
	}
	return r
}

// expectPicture checks a status, the code of a refusal ("" for none), and whether the server knew the picture.
func expectPicture(t *testing.T, r AttachmentResult, status Status, code string, duplicate bool) {
	t.Helper()
	got := ""
	for _, e := range r.Errors {
		got = e.Code
	}
	if r.Status != status || got != code || r.Duplicate != duplicate {
		t.Errorf("want %s %q, known %v; got %+v", status, code, duplicate, r)
	}
}

// captured is a visit and a photo of it that the server has, and the meta of the photo's picture.
func (p *phone) captured() (visit, photo string, meta AttachmentMeta) {
	p.d.t.Helper()
	v := p.visit("ent100000000000", "grid10000000000")
	visit = v["record"].(string)
	m := p.photoOf(visit)
	photo = m["record"].(string)
	for _, r := range p.push(v, m) {
		if r.Status != Applied {
			p.d.t.Fatalf("%+v", r)
		}
	}
	return visit, photo, AttachmentMeta{ID: photo, Collection: "visits", Record: visit}
}

// path is where a record's file is stored.
func (d *district) path(collection, record, name string) string {
	d.t.Helper()
	c, err := d.app.FindCachedCollectionByNameOrId(collection)
	if err != nil {
		d.t.Fatal(err)
	}
	return filepath.Join(storage(d.app), c.Id, record, name)
}

func (d *district) file(collection, record, field string) string {
	d.t.Helper()
	r, err := d.app.FindRecordById(collection, record)
	if err != nil {
		d.t.Fatal(err)
	}
	return r.GetString(field)
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (d *district) rev(record string) (rev int64) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(`SELECT COALESCE(max(rev), 0) FROM sync_feed WHERE record = {:id}`).Bind(dbx.Params{"id": record}).Row(&rev); err != nil {
		d.t.Fatal(err)
	}
	return rev
}

func (p *phone) missing(ids ...string) []string {
	p.d.t.Helper()
	status, raw := p.d.post(p.user, "/api/sync/attachments/missing", mustJSON(MissingRequest{Device: p.device, IDs: ids}))
	var r MissingResponse
	if err := json.Unmarshal(raw, &r); err != nil || status != 200 {
		p.d.t.Fatalf("%d %s", status, raw)
	}
	return r.Missing
}

func (p *phone) photoOf(visit string) map[string]any {
	return map[string]any{"id": p.d.id(), "op": "create", "collection": "photos", "record": p.d.id(), "captured_at": hooks.Stored(p.d.time),
		"data": map[string]any{"collection": "visits", "record": visit}}
}

func TestAPhotoFindsItsPlaceWhicheverComesFirst(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	visit := v["record"].(string)
	early, late := p.photoOf(visit), p.photoOf(visit)
	meta := func(m map[string]any) AttachmentMeta {
		return AttachmentMeta{ID: m["record"].(string), Collection: "visits", Record: visit}
	}
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	if r := p.attach(meta(early), picturePNG(1)); r.Status != Deferred {
		t.Fatalf("before its record: %+v", r)
	}
	if r := p.attach(signature, picturePNG(9)); r.Status != Deferred {
		t.Fatalf("before its visit: %+v", r)
	}
	for _, r := range p.push(v, early, late) {
		expect(t, r, Applied, "")
	}
	if r := p.attach(meta(early), picturePNG(1)); r.Status != Applied || !r.Duplicate {
		t.Fatalf("the photo that came early: %+v", r)
	}
	if r := p.attach(meta(late), picturePNG(2)); r.Status != Applied {
		t.Fatalf("%+v", r)
	}
	if r := p.attach(meta(late), picturePNG(3)); r.Status != Rejected || r.Errors["_"].Code != "attachment_reused" {
		t.Fatalf("other bytes under one id: %+v", r)
	}
	if r := p.attach(signature, picturePNG(9)); r.Status != Applied {
		t.Fatalf("%+v", r)
	}
	p.pull(0)
	for _, m := range []map[string]any{early, late} {
		if p.has["photos/"+m["record"].(string)]["file"] == "" {
			t.Fatal("a photo without its file")
		}
	}
	if p.has["visits/"+visit]["signature"] == "" {
		t.Fatal("the signature is missing")
	}
	// The file is really there, and only for those who may see the visit.
	name := p.has["photos/"+early["record"].(string)]["file"].(string)
	r, _ := d.app.FindRecordById("photos", early["record"].(string))
	files, _ := d.app.NewFilesystem()
	defer files.Close()
	if ok, _ := files.Exists(r.BaseFilesPath() + "/" + name); !ok {
		t.Fatal("no file in storage")
	}
}

func TestABrokenOrForeignPictureIsRefusedByName(t *testing.T) {
	d := newDistrict(t)
	p, stranger := d.phone("worker1"), d.phone("worker2")
	v := p.visit("ent100000000000", "grid10000000000")
	photo := p.photoOf(v["record"].(string))
	p.push(v, photo)
	meta := AttachmentMeta{ID: photo["record"].(string), Collection: "visits", Record: v["record"].(string)}
	for _, c := range []struct {
		who  *phone
		data []byte
		sum  string
		code string
	}{
		{p, picturePNG(1), "00", "checksum_mismatch"},
		{p, []byte("<html>not a picture</html>"), "", "not_a_picture"},
		{stranger, picturePNG(1), "", "out_of_scope"},
	} {
		m := meta
		m.SHA256 = c.sum
		r := c.who.attach(m, c.data)
		got := ""
		for _, e := range r.Errors {
			got = e.Code
		}
		if r.Status != Rejected || got != c.code {
			t.Errorf("want %s, got %+v", c.code, r)
		}
	}
	escape := meta
	escape.Record = "../../../etc"
	if r := p.attach(escape, picturePNG(1)); r.Status != Rejected {
		t.Errorf("a path for an id: %+v", r)
	}
}

// Invariants 1 and 5: a picture is sent until it is answered, and counts once.
func TestAPictureSentAgainGetsItsPresentStatusAndChangesNothing(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	photo := p.photoOf(v["record"].(string))
	id := photo["record"].(string)
	meta := AttachmentMeta{ID: id, Collection: "visits", Record: v["record"].(string)}
	expectPicture(t, p.attach(meta, picturePNG(1)), Deferred, "", false)
	expectPicture(t, p.attach(meta, picturePNG(1)), Deferred, "", true)
	p.push(v, photo)
	rev := d.rev(id)
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", true)
	reinstalled := d.phone("worker1")
	expectPicture(t, reinstalled.attach(meta, picturePNG(1)), Applied, "", true)
	if d.rev(id) != rev {
		t.Error("a repeated upload changed the record")
	}
	if d.count("sync_attachments") != 1 {
		t.Error("a repeated upload counts twice")
	}
	// A person takes the picture out: sending it again does not bring it back.
	d.edit("photos", id, map[string]any{"file": nil})
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", true)
	if name := d.file("photos", id, "file"); name != "" {
		t.Errorf("what a person took out is back: %s", name)
	}
}

// Invariant 7.
func TestUploadsOfOnePictureAtTheSameInstantCountAsOne(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	before := d.rev(photo)
	answers := make(chan []byte, 16)
	for range cap(answers) {
		go func() {
			_, answer := p.upload(meta, picturePNG(1))
			answers <- answer
		}()
	}
	firsts := 0
	for range cap(answers) {
		answer := <-answers
		var r AttachmentResult
		if err := json.Unmarshal(answer, &r); err != nil || r.Status != Applied {
			t.Errorf("%s", answer)
		}
		if !r.Duplicate {
			firsts++
		}
	}
	var changes int
	if err := d.app.DB().NewQuery(`SELECT count(DISTINCT rev) FROM sync_feed WHERE record = {:id} AND rev > {:before}`).
		Bind(dbx.Params{"id": photo, "before": before}).Row(&changes); err != nil {
		t.Fatal(err)
	}
	if firsts != 1 || changes != 1 || d.count("sync_attachments") != 1 {
		t.Errorf("%d first answers, %d changes of the record, %d pictures", firsts, changes, d.count("sync_attachments"))
	}
}

// Invariant 4: an id that is taken tells nobody else anything, and nobody else can take it.
func TestAPictureIdBelongsToWhoeverCapturedIt(t *testing.T) {
	d := newDistrict(t)
	p, stranger, colleague := d.phone("worker1"), d.phone("worker2"), d.phone("counter")
	visit, photo, meta := p.captured()
	expectPicture(t, stranger.attach(meta, picturePNG(1)), Rejected, "out_of_scope", false)
	// The counter of the same harbour may see the photo's record, but it is not the counter's picture to give.
	expectPicture(t, colleague.attach(meta, picturePNG(2)), Rejected, "out_of_scope", false)
	if d.file("photos", photo, "file") != "" {
		t.Fatal("somebody else's picture took the place")
	}
	expectPicture(t, p.attach(meta, picturePNG(3)), Applied, "", false)
	expectPicture(t, stranger.attach(meta, picturePNG(3)), Rejected, "attachment_reused", false)
	expectPicture(t, p.attach(meta, picturePNG(4)), Rejected, "attachment_reused", false)
	other := meta
	other.Record = d.id()
	expectPicture(t, p.attach(other, picturePNG(3)), Rejected, "attachment_reused", false)
	signature := meta
	signature.Field = "signature"
	expectPicture(t, p.attach(signature, picturePNG(3)), Rejected, "attachment_reused", false)
	expectPicture(t, p.attach(meta, picturePNG(3)), Applied, "", true)
	entries, err := os.ReadDir(d.path("photos", photo, ""))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 || d.file("visits", visit, "signature") != "" {
		t.Error("files or records changed by what was refused")
	}
	if got := stranger.missing(photo); !slices.Equal(got, []string{photo}) {
		t.Errorf("somebody else is told that the picture is there: %v", got)
	}
}

func TestAPictureRefusedForItsScopeIsRememberedWithTheReason(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	d.time = d.time.Add(time.Hour)
	assignments, err := d.app.FindAllRecords("assignments", dbx.HashExp{"user": d.users["worker1"].Id})
	if err != nil {
		t.Fatal(err)
	}
	d.edit("assignments", assignments[0].Id, map[string]any{"until": hooks.Stored(d.time)})
	d.time = d.time.Add(31 * 24 * time.Hour)
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "out_of_scope", false)
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "out_of_scope", true)
	known, err := findPicture(d.app, photo)
	if err != nil || known == nil || known.Status != Rejected {
		t.Fatalf("not remembered: %+v %v", known, err)
	}
	if !isThere(d.path("photos", photo, known.File)) {
		t.Error("nobody can look at what was refused")
	}
	// The grid is given back: the same upload is judged by what is so now.
	d.assign("worker1", "grid10000000000", "", "")
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", true)
}

// Invariants 3 and 6: waiting ends after 30 days, and what was mended after all finds its picture.
func TestAPictureWhoseRecordNeverComesIsRefusedAfterThirtyDays(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	visit := v["record"].(string)
	photo := p.photoOf(visit)
	id := photo["record"].(string)
	meta := AttachmentMeta{ID: id, Collection: "visits", Record: visit}
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	expectPicture(t, p.attach(meta, picturePNG(1)), Deferred, "", false)
	d.time = d.time.Add(29 * 24 * time.Hour)
	expectPicture(t, p.attach(signature, picturePNG(2)), Deferred, "", false)
	d.expire()
	expectPicture(t, p.attach(meta, picturePNG(1)), Deferred, "", true)
	d.time = d.time.Add(24 * time.Hour)
	d.expire()
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "parent_missing", true)
	expectPicture(t, p.attach(signature, picturePNG(2)), Deferred, "", true)
	if got := p.missing(id, signature.ID); !slices.Equal(got, []string{id}) {
		t.Errorf("missing: %v", got)
	}
	v["captured_at"], photo["captured_at"] = hooks.Stored(d.time), hooks.Stored(d.time)
	for _, r := range p.push(v, photo) {
		expect(t, r, Applied, "")
	}
	name := d.file("photos", id, "file")
	if name == "" || !isThere(d.path("photos", id, name)) || d.file("visits", visit, "signature") == "" {
		t.Error("the records came, their pictures did not find them")
	}
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", true)
}

func (d *district) expire() {
	d.t.Helper()
	if err := serverOf(d.app).expireWaits(); err != nil {
		d.t.Fatal(err)
	}
}

func TestPicturesOfADroppedVisitAreDroppedWithIt(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	visit := v["record"].(string)
	photo := p.photoOf(visit)
	expect(t, p.push(photo)[0], Deferred, "")
	meta := AttachmentMeta{ID: photo["record"].(string), Collection: "visits", Record: visit}
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	expectPicture(t, p.attach(meta, picturePNG(1)), Deferred, "", false)
	expectPicture(t, p.attach(signature, picturePNG(2)), Deferred, "", false)
	if err := serverOf(d.app).write(1, func(tx core.App) error { return (&applier{tx: tx}).dropWaiting(visit) }); err != nil {
		t.Fatal(err)
	}
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "parent_missing", true)
	expectPicture(t, p.attach(signature, picturePNG(2)), Rejected, "parent_missing", true)
}

func TestAPictureOfADeletedRecordIsAnsweredAsGone(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", false)
	r, err := d.app.FindRecordById("photos", photo)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.app.Delete(r); err != nil {
		t.Fatal(err)
	}
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "record_gone", true)
	expectPicture(t, p.attach(meta, picturePNG(1)), Rejected, "record_gone", true)
	_, _, other := p.captured()
	other.Record = d.id() // a photo of another visit than its record says
	expectPicture(t, p.attach(other, picturePNG(1)), Rejected, "attachment_unknown", false)
}

func TestAPhotoOfAMergedEnterpriseFindsItsRecord(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	d.save("enterprises", map[string]any{"id": "ent300000000000", "name": "重庆小面", "grid": "grid10000000000"})
	m := p.photoOf("ent300000000000")
	m["data"].(map[string]any)["collection"] = "enterprises"
	expect(t, p.push(m)[0], Applied, "")
	photo := m["record"].(string)
	if _, err := d.app.DB().NewQuery(`INSERT INTO sync_merged (collection, record, survivor) VALUES ('enterprises', 'ent300000000000', 'ent100000000000')`).Execute(); err != nil {
		t.Fatal(err)
	}
	d.edit("photos", photo, map[string]any{"record": "ent100000000000"})
	expectPicture(t, p.attach(AttachmentMeta{ID: photo, Collection: "enterprises", Record: "ent300000000000"}, picturePNG(1)), Applied, "", false)
}

// Invariants 1 and 5: whatever is cut off between the file and the ledger, the next send makes it whole.
func TestACrashBetweenFileAndLedgerLeavesNoHalfPicture(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	if _, err := d.app.DB().NewQuery(`DROP TRIGGER sync_photos_update`).Execute(); err != nil {
		t.Fatal(err)
	}
	if status, answer := p.upload(meta, picturePNG(1)); status != 500 || !bytes.Contains(answer, []byte("feed_broken")) {
		t.Fatalf("set in its place without a seq: %d %s", status, answer)
	}
	known, err := findPicture(d.app, photo)
	if err != nil || known != nil || d.file("photos", photo, "file") != "" {
		t.Fatalf("half of a picture is known: %+v %v", known, err)
	}
	orphans, err := filepath.Glob(d.path("photos", photo, "p*.png"))
	if err != nil || len(orphans) != 1 {
		t.Fatalf("files: %v %v", orphans, err)
	}
	// The machine lost its power, and the disk had only the beginning.
	if err := os.Truncate(orphans[0], 5); err != nil {
		t.Fatal(err)
	}
	if err := ensureTriggers(d.app); err != nil {
		t.Fatal(err)
	}
	if got := p.missing(photo); len(got) != 1 {
		t.Errorf("missing: %v", got)
	}
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", false)
	whole, err := os.ReadFile(orphans[0])
	if err != nil || !bytes.Equal(whole, picturePNG(1)) || filepath.Base(orphans[0]) != d.file("photos", photo, "file") {
		t.Errorf("stored %d bytes of %d as %s", len(whole), len(picturePNG(1)), d.file("photos", photo, "file"))
	}
}

func TestAPictureLostFromStorageIsAskedForAndHealed(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	v := p.visit("ent100000000000", "grid10000000000")
	waiting := p.photoOf(v["record"].(string))
	waits := AttachmentMeta{ID: waiting["record"].(string), Collection: "visits", Record: v["record"].(string)}
	p.attach(meta, picturePNG(1))
	p.attach(waits, picturePNG(2))
	never := d.id()
	if got := p.missing(never, photo, waits.ID); !slices.Equal(got, []string{never}) {
		t.Fatalf("missing: %v", got)
	}
	// One is gone, of the other the disk had half of what PocketBase keeps beside it.
	half, err := filepath.Glob(d.path("photos", waits.ID, "*.attrs"))
	if err != nil || len(half) != 1 {
		t.Fatalf("%v %v", half, err)
	}
	if err := errors.Join(os.RemoveAll(d.path("photos", photo, "")), os.Truncate(half[0], 5)); err != nil {
		t.Fatal(err)
	}
	if got := p.missing(photo, waits.ID, never); !slices.Equal(got, []string{photo, waits.ID, never}) {
		t.Fatalf("missing: %v", got)
	}
	expectPicture(t, p.attach(meta, picturePNG(1)), Applied, "", true)
	expectPicture(t, p.attach(waits, picturePNG(2)), Deferred, "", true)
	if got := p.missing(photo, waits.ID); len(got) != 0 {
		t.Errorf("missing: %v", got)
	}
	if got := p.missing(); got == nil || len(got) != 0 {
		t.Errorf("no list is no answer: %v", got)
	}
	many := make([]string, MaxMissing+1)
	status, raw := d.post("worker1", "/api/sync/attachments/missing", mustJSON(MissingRequest{Device: p.device, IDs: many}))
	if status != 413 || !bytes.Contains(raw, []byte(`"max":500`)) {
		t.Errorf("%d %s", status, raw)
	}
}

func TestPicturesObeyTheStateOfTheDevice(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, photo, meta := p.captured()
	for _, c := range []struct {
		state  string
		status int
		code   string
	}{{"suspended", 403, "device_suspended"}, {"wiped", 403, "device_wiped"}, {"drain_only", 200, "applied"}} {
		d.edit("devices", p.device, map[string]any{"state": c.state})
		if status, answer := p.upload(meta, picturePNG(1)); status != c.status || !bytes.Contains(answer, []byte(c.code)) {
			t.Errorf("%s: %d %s", c.state, status, answer)
		}
		if c.status == 403 && isThere(d.path("photos", photo, "")) {
			t.Errorf("%s: a file was written", c.state)
		}
		if status, _ := d.post("worker1", "/api/sync/attachments/missing", mustJSON(MissingRequest{Device: p.device})); status != c.status {
			t.Errorf("%s asks for missing pictures: %d", c.state, status)
		}
	}
	foreign := meta
	foreign.Device = p.device
	if status, answer := d.phone("worker2").upload(foreign, picturePNG(1)); status != 403 || !bytes.Contains(answer, []byte("device_foreign")) {
		t.Errorf("%d %s", status, answer)
	}
	fresh := d.phone("worker1")
	expectPicture(t, fresh.attach(meta, picturePNG(1)), Applied, "", true)
	if r, err := d.app.FindRecordById("devices", fresh.device); err != nil || r.GetString("user") != d.users["worker1"].Id {
		t.Errorf("an upload before any hello does not register the device: %v", err)
	}
	if status, _ := d.post("", "/api/sync/attachments/missing", []byte(`{}`)); status != 401 {
		t.Errorf("nobody: %d", status)
	}
}

// download asks for a protected file as the app does: with a file token, which names the person.
func (d *district) download(user, collection, record, name string) (int, []byte) {
	d.t.Helper()
	token := ""
	if user != "" {
		status, raw := d.post(user, "/api/files/token", nil)
		var answer struct{ Token string }
		if err := json.Unmarshal(raw, &answer); err != nil || status != 200 {
			d.t.Fatalf("%d %s", status, raw)
		}
		token = "?token=" + answer.Token
	}
	resp, err := http.Get(d.url + "/api/files/" + collection + "/" + record + "/" + name + token)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, raw
}

// Invariant 4: who may see a picture is who may see its record.
func TestAnotherGridsWorkerGetsNoPicture(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	visit, photo, meta := p.captured()
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	p.attach(meta, cameraJPEG(6))
	p.attach(signature, picturePNG(2))
	for _, f := range []struct{ collection, record, field string }{{"photos", photo, "file"}, {"visits", visit, "signature"}} {
		name := d.file(f.collection, f.record, f.field)
		for user, want := range map[string]int{"worker1": 200, "counter": 200, "worker2": 404, "deskA": 404, "": 404} {
			if status, _ := d.download(user, f.collection, f.record, name); status != want {
				t.Errorf("%s %s: %q got %d, want %d", f.collection, f.field, user, status, want)
			}
		}
	}
	_, got := d.download("worker1", "photos", photo, d.file("photos", photo, "file"))
	if bytes.Contains(got, []byte("SEC")) || !bytes.HasPrefix(got, []byte("\xff\xd8")) {
		t.Error("what is served is not the stripped picture")
	}
	d.edit("enterprises", "ent100000000000", map[string]any{"grid": "grid20000000000"})
	for user, want := range map[string]int{"worker1": 404, "worker2": 200} {
		if status, _ := d.download(user, "photos", photo, d.file("photos", photo, "file")); status != want {
			t.Errorf("after the enterprise moved: %s got %d, want %d", user, status, want)
		}
	}
}

func TestTimeAndPlaceOfAPhotoAreThePhonesThenTheCameras(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	visit, empty, meta := p.captured()
	late, full := p.photoOf(visit), p.photoOf(visit)
	full["data"].(map[string]any)["taken_at"] = "2026-08-30 00:00:00.000Z"
	full["data"].(map[string]any)["location"] = map[string]any{"lon": 108.1, "lat": 30.1}
	ofLate := AttachmentMeta{ID: late["record"].(string), Collection: "visits", Record: visit, TakenAt: "2026-08-29T08:00:00+08:00", Location: &LonLat{Lon: 108.2, Lat: 30.2}}
	ofFull := AttachmentMeta{ID: full["record"].(string), Collection: "visits", Record: visit, TakenAt: ofLate.TakenAt, Location: ofLate.Location}
	expectPicture(t, p.attach(meta, cameraJPEG(6)), Applied, "", false)
	expectPicture(t, p.attach(ofLate, cameraPNG(1)), Deferred, "", false)
	p.push(late, full)
	expectPicture(t, p.attach(ofFull, cameraWebP(1)), Applied, "", false)
	for id, want := range map[string][2]string{
		empty:     {"2026-08-31 08:20:30.000Z", "108.405 30.81"},
		ofLate.ID: {"2026-08-29 00:00:00.000Z", "108.2 30.2"},
		ofFull.ID: {"2026-08-30 00:00:00.000Z", "108.1 30.1"},
	} {
		r, err := d.app.FindRecordById("photos", id)
		if err != nil {
			t.Fatal(err)
		}
		at := r.GetGeoPoint("location")
		if got := [2]string{r.GetString("taken_at"), fmt.Sprint(at.Lon, " ", at.Lat)}; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	// The phone hears of what was filled in, and its own unsent work does not clash with it.
	p.pull(0)
	if got := p.has["photos/"+empty]["taken_at"]; got != "2026-08-31 08:20:30.000Z" {
		t.Errorf("pulled %v", got)
	}
}

func TestAPictureTooLargeForItsFieldIsRefused(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	visit, _, meta := p.captured()
	signature := AttachmentMeta{ID: d.id(), Collection: "visits", Record: visit, Field: "signature"}
	large := append(picturePNG(1), make([]byte, 600<<10)...)
	expectPicture(t, p.attach(signature, large), Rejected, "too_big", false)
	expectPicture(t, p.attach(meta, large), Applied, "", false)
	if status, answer := p.upload(meta, make([]byte, MaxAttachmentBytes+1)); status != 413 || !bytes.Contains(answer, []byte("too_large")) {
		t.Errorf("%d %s", status, answer)
	}
	for _, field := range []string{"notes", "nothing"} {
		other := meta
		other.Field = field
		expectPicture(t, p.attach(other, picturePNG(1)), Rejected, "bad_mutation", false)
	}
}

func TestTwoSendsOfOneMutationAtTheSameInstantCountAsOne(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	v := p.visit("ent100000000000", "grid10000000000")
	body := mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(d.time), "mutations": []any{v}})
	answers := make(chan PushResponse, 16)
	for range cap(answers) {
		go func() {
			_, raw := d.post("worker1", "/api/sync/push", body)
			var r PushResponse
			_ = json.Unmarshal(raw, &r)
			answers <- r
		}()
	}
	firsts := 0
	for range cap(answers) {
		r := <-answers
		if len(r.Results) != 1 || r.Results[0].Status != Applied {
			t.Fatalf("%+v", r)
		}
		if !r.Results[0].Duplicate {
			firsts++
		}
	}
	if firsts != 1 || d.count("visits") != 1 {
		t.Fatalf("%d first answers, %d visits", firsts, d.count("visits"))
	}
}

func TestAMissingTriggerStopsPushesLoudly(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	if _, err := d.app.DB().NewQuery(`DROP TRIGGER sync_visits_insert`).Execute(); err != nil {
		t.Fatal(err)
	}
	body := mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(d.time), "mutations": []any{p.visit("ent100000000000", "grid10000000000")}})
	status, raw := d.post("worker1", "/api/sync/push", body)
	if status != 500 || !bytes.Contains(raw, []byte("feed_broken")) || !bytes.Contains(raw, []byte("sync_visits_insert")) {
		t.Fatalf("%d %s", status, raw)
	}
	if d.count("visits") != 0 {
		t.Fatal("written without a seq")
	}
}
