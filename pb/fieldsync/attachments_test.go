package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"testing"

	"gangwan/hooks"
)

func picturePNG(shade byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	img.SetGray(1, 1, color.Gray{Y: shade})
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func (p *phone) attach(meta AttachmentMeta, data []byte) AttachmentResult {
	p.d.t.Helper()
	status, raw := p.upload(meta, data)
	var r AttachmentResult
	if err := json.Unmarshal(raw, &r); err != nil || status != 200 {
		p.d.t.Fatalf("%d %s", status, raw)
	}
	return r
}

func (p *phone) upload(meta AttachmentMeta, data []byte) (int, []byte) {
	p.d.t.Helper()
	meta.Device, meta.SentAt = p.device, hooks.Stored(p.d.time)
	if meta.SHA256 == "" {
		sum := sha256.Sum256(data)
		meta.SHA256 = hex.EncodeToString(sum[:])
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
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, raw
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
