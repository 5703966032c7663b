package fieldsync

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

// What clients written in other languages do differently, and what a queue must never stop at.

func TestAWholeNumberCountsAsOneHoweverItIsWritten(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	seen := p.push(v)[0].Record.Rev
	taken := map[string]any{"id": d.id(), "op": "delete", "collection": "visits", "record": v["record"], "captured_at": "2026-09-01T01:00:00Z", "rev": seen}
	for _, c := range []struct {
		path string
		body map[string]any
		want string
	}{
		{"hello", map[string]any{"protocol": 1, "device": map[string]any{"id": p.device}, "pending": 3}, `"device_state":"active"`},
		{"pull", map[string]any{"protocol": 1, "device": p.device, "cursor": nil, "limit": 5}, `"more":true`},
		{"push", map[string]any{"protocol": 1, "device": p.device, "pending": 1, "mutations": []any{taken}}, `"status":"applied"`},
	} {
		var floats []string
		for _, line := range strings.Split(string(mustIndent(c.body)), "\n") {
			if n := strings.TrimSuffix(line, ","); strings.ContainsAny(n[len(n)-1:], "0123456789") {
				line = n + ".0" + strings.TrimPrefix(line, n)
			}
			floats = append(floats, line)
		}
		if status, raw := d.post("worker1", "/api/sync/"+c.path, []byte(strings.Join(floats, "\n"))); status != 200 || !strings.Contains(string(raw), c.want) {
			t.Errorf("%s: %d %.300s", strings.Join(floats, ""), status, raw)
		}
	}
	for _, half := range []string{"1.5", "1e30", `"1"`, "-1"} {
		if status, _ := d.post("worker1", "/api/sync/hello", []byte(`{"protocol":`+half+`,"device":{"id":"`+p.device+`"}}`)); status == 200 {
			t.Errorf("protocol %s is taken for 1", half)
		}
	}
}

func mustIndent(v any) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, mustJSON(v), "", " "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func TestAnErrorHasCodeSentenceAndDataWhateverItIsAndHoweverLargeTheBody(t *testing.T) {
	d := newDistrict(t)
	for name, c := range map[string]struct {
		user, path string
		body       []byte
		status     int
	}{
		"nobody signed in":                  {"", "pull", nil, 401},
		"more than PocketBase itself takes": {"worker1", "hello", bytes.Repeat([]byte(" "), 33<<20), 413},
		"a push as large":                   {"worker1", "push", bytes.Repeat([]byte(" "), 33<<20), 413},
		"no protocol":                       {"worker1", "pull", []byte(`{}`), 409},
	} {
		status, raw := d.post(c.user, "/api/sync/"+c.path, c.body)
		var e struct {
			Code, Message string
			Data          map[string]any
		}
		if err := json.Unmarshal(raw, &e); err != nil || status != c.status || e.Code == "" || e.Message == "" || e.Data == nil {
			t.Errorf("%s: %d %s (%v)", name, status, raw, err)
		}
		if status == 413 && e.Data["max"] == nil {
			t.Errorf("%s: %s does not say how much may come", name, raw)
		}
	}
}

func TestAReportThatMakesNoSenseIsRememberedUnderItsNumberAsAnyOther(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	for name, spoil := range map[string]any{"data": []any{}, "captured_at": 5, "replaces": 7, "op": map[string]any{}, "changes": "all"} {
		m := p.visit("ent100000000000", "grid10000000000")
		good := m[name]
		m[name] = spoil
		first := p.push(m)[0]
		expect(t, first, Rejected, "bad_mutation")
		if again := p.push(m)[0]; !again.Duplicate || again.Status != Rejected || first.Duplicate {
			t.Errorf("%s: sent again it is answered %+v", name, again)
		}
		if m[name] = good; good == nil {
			delete(m, name)
		}
		expect(t, p.push(m)[0], Rejected, "mutation_reused")
	}
	if d.count("visits") != 0 || d.count("sync_rejections") != 10 {
		t.Errorf("%d visits, %d in the inbox", d.count("visits"), d.count("sync_rejections"))
	}
}

// A push that is answered 500 is sent again for ever: nothing that one mutation holds may bring that about.
func TestANumberWrittenWithDashesStopsNoQueue(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	const dashed, mended = "019920a1-0000-7000-8000-000000000001", "019920a1-0000-7000-8000-000000000002"
	for first, second := range map[string]string{dashed: mended, d.id(): "019920a1-0000-7000-8000-000000000003"} {
		v := p.visit("ent100000000000", "grid10000000000")
		v["id"] = first
		v["data"].(map[string]any)["outcome"] = "danced"
		expect(t, p.push(v)[0], Rejected, "not_in_list")
		v["id"], v["replaces"] = second, first
		v["data"].(map[string]any)["outcome"] = "met"
		expect(t, p.push(v)[0], Applied, "")
	}
	if n := d.count("sync_rejections WHERE status = 'open'"); n != 0 {
		t.Errorf("%d reports still wait for the office", n)
	}
	long := p.visit("ent100000000000", "grid10000000000")
	long["id"] = strings.Repeat("字", 40)
	if r := p.push(long)[0]; r.ID != long["id"] || r.Status != Rejected {
		t.Errorf("%+v", r)
	}
}

func TestAValueTooLongForAnyFieldIsRefusedThoughItsFieldChangedMeanwhile(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	p.push(v)
	record := v["record"].(string)
	d.edit("visits", record, map[string]any{"notes": "区里"})
	r := p.push(p.update("visits", record, "notes", "", strings.Repeat("x", 2<<20)), p.update("visits", record, "handbook_left", false, true))
	expect(t, r[0], Rejected, "too_long")
	expect(t, r[1], Applied, "")
}

func TestAReportThatWasMendedIsNotMendedASecondTime(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	p.push(v)
	record := v["record"].(string)
	replacing := func(m map[string]any, old map[string]any) map[string]any { m["replaces"] = old["id"]; return m }
	a := p.update("visits", record, "outcome", "met", "danced")
	expect(t, p.push(a)[0], Rejected, "not_in_list")
	b := replacing(p.update("visits", record, "outcome", "met", "sung"), a)
	expect(t, p.push(b)[0], Rejected, "not_in_list")
	c := replacing(p.update("visits", record, "outcome", "met", "absent"), b)
	expect(t, p.push(c)[0], Applied, "")
	for _, old := range []map[string]any{a, b, c} {
		expect(t, p.push(replacing(p.update("visits", record, "outcome", "absent", "refused"), old))[0], Rejected, "already_settled")
	}
}

func TestAPictureWhoseDescriptionIsWrittenInAnotherMannerIsTaken(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	_, _, meta := p.captured()
	data := picturePNG(7)
	meta.Device, meta.SHA256, meta.Bytes = p.device, strings.ToUpper(sumOf(data)), int64(len(data))
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, content := range map[string][]byte{"meta": mustJSON(meta), "file": data} { // as a browser sends a typed part
		part, _ := form.CreateFormFile(name, "blob")
		_, _ = part.Write(content)
	}
	_ = form.Close()
	req, _ := http.NewRequest(http.MethodPost, d.url+"/api/sync/attachments", &body)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", d.token("worker1"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var r AttachmentResult
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != 200 || r.Status != Applied {
		t.Errorf("%d %+v (%v)", resp.StatusCode, r, err)
	}
}

func TestAReportThatClaimsToReplaceItselfIsRefusedAndKept(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	m := p.update("visits", d.id(), "notes", "", "补记") // of a visit that has not come
	m["replaces"] = m["id"]
	for range 2 {
		expect(t, p.push(m)[0], Rejected, "bad_mutation")
	}
	if kept := d.texts("SELECT status || ' ' || mutation_id FROM sync_rejections"); len(kept) != 1 || kept[0] != "open "+m["id"].(string) {
		t.Errorf("kept for the office: %v", kept)
	}
}
