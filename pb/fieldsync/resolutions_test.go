package fieldsync

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"gangwan/hooks"
)

// admin is a district administrator at the console: everything over HTTP, signed in by password.
type admin struct {
	d     *district
	email string
	token string
}

func (d *district) admin(name string) *admin {
	d.t.Helper()
	a := &admin{d: d, email: name + "@example.com"}
	d.save("_superusers", map[string]any{"email": a.email, "password": "password123"})
	status, raw := a.call(http.MethodPost, "_superusers/auth-with-password", map[string]any{"identity": a.email, "password": "password123"})
	var answer struct{ Token string }
	if err := json.Unmarshal(raw, &answer); err != nil || status != 200 {
		d.t.Fatalf("%d %s", status, raw)
	}
	a.token = answer.Token
	return a
}

func (a *admin) call(method, path string, body map[string]any) (int, []byte) {
	a.d.t.Helper()
	req, _ := http.NewRequest(method, a.d.url+"/api/collections/"+path, bytes.NewReader(mustJSON(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", a.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, raw
}

func (a *admin) patch(collection, id string, body map[string]any) (int, string) {
	a.d.t.Helper()
	status, raw := a.call(http.MethodPatch, collection+"/records/"+id, body)
	return status, string(raw)
}

// settles saves a decision that must be taken.
func (a *admin) settles(collection, id string, body map[string]any) {
	a.d.t.Helper()
	if status, raw := a.patch(collection, id, body); status != 200 {
		a.d.t.Fatalf("%d %s", status, raw)
	}
}

// isRefused saves a decision that must not be taken, and reads why.
func (a *admin) isRefused(collection, id string, body map[string]any, code string) string {
	a.d.t.Helper()
	status, raw := a.patch(collection, id, body)
	if status != 400 || !strings.Contains(raw, hooks.Message(code)) {
		a.d.t.Fatalf("%d %s, want 400 with %q", status, raw, hooks.Message(code))
	}
	return raw
}

// list reads what an administrator sees.
func (a *admin) list(collection, filter string) []map[string]any {
	a.d.t.Helper()
	status, raw := a.call(http.MethodGet, collection+"/records?perPage=500&filter="+url.QueryEscape(filter), nil)
	var answer struct{ Items []map[string]any }
	if err := json.Unmarshal(raw, &answer); err != nil || status != 200 {
		a.d.t.Fatalf("%d %s", status, raw)
	}
	return answer.Items
}

// the reads the only one.
func (a *admin) the(collection, filter string) map[string]any {
	a.d.t.Helper()
	items := a.list(collection, filter)
	if len(items) != 1 {
		a.d.t.Fatalf("%d %s where %s", len(items), collection, filter)
	}
	return items[0]
}

func (a *admin) rejectionOf(m map[string]any) string {
	a.d.t.Helper()
	return a.the("sync_rejections", fmt.Sprintf("mutation_id = '%s' && status = 'open'", m["id"]))["id"].(string)
}

func changed(m map[string]any, field string, value any) map[string]any {
	var c map[string]any
	_ = json.Unmarshal(mustJSON(m), &c)
	c["data"].(map[string]any)[field] = value
	return c
}

func (p *phone) demandAfter(visit map[string]any) map[string]any {
	return map[string]any{"id": p.d.id(), "op": "create", "collection": "demands", "record": p.d.id(), "captured_at": hooks.Stored(p.d.time), "data": map[string]any{
		"enterprise": visit["data"].(map[string]any)["enterprise"], "visit": visit["record"], "grid": visit["data"].(map[string]any)["grid"],
		"kind": "first_loan", "need": "working_capital", "amount": 100000}}
}

func (p *phone) update(collection, record, field string, from, to any) map[string]any {
	return map[string]any{"id": p.d.id(), "op": "update", "collection": collection, "record": record, "captured_at": hooks.Stored(p.d.time),
		"changes": map[string]any{field: map[string]any{"from": from, "to": to}}}
}

func TestAVisitOutsideTheWorkersGridsIsTakenWhenTheAdministratorWaivesThatAndWhatWaitedForItFollows(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent200000000000", "grid20000000000")
	demand := p.demandAfter(v)
	photo := p.photoOf(v["record"].(string))
	meta := AttachmentMeta{ID: photo["record"].(string), Collection: "visits", Record: v["record"].(string)}
	results := p.push(v, demand, photo)
	expect(t, results[0], Rejected, "out_of_scope")
	expect(t, results[1], Deferred, "")
	expect(t, results[2], Deferred, "")
	if r := p.attach(meta, picturePNG(1)); r.Status != Deferred {
		t.Fatalf("%+v", r)
	}
	id := a.rejectionOf(v)
	d.time = d.time.Add(time.Hour)
	a.isRefused("sync_rejections", id, map[string]any{"resolution": "replay"}, "out_of_scope")
	open := a.the("sync_rejections", "id = '"+id+"'")
	if open["status"] != "open" || open["resolution"] != "" || !strings.Contains(fmt.Sprint(open["replay_errors"]), "out_of_scope") {
		t.Fatalf("after a replay that failed: %v", open)
	}
	if d.count("visits") != 0 || d.count("sync_rejections") != 1 || d.count("sync_audit") != 0 {
		t.Fatal("a replay that failed left something behind")
	}
	a.settles("sync_rejections", id, map[string]any{"resolution": "replay", "override_scope": true, "note": "代班"})

	visit, err := d.app.FindRecordById("visits", v["record"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if visit.GetString("worker") != d.users["worker1"].Id || visit.GetString("device") != p.device || visit.GetDateTime("captured_at").Time() != dayOne || visit.GetDateTime("synced_at").Time() != dayOne {
		t.Fatalf("not the worker's own write of that time: %v", visit)
	}
	before := d.count("sync_feed")
	for i, r := range p.push(v, demand, photo) {
		if r.Status != Applied || !r.Duplicate || r.Seq == 0 {
			t.Fatalf("sent again, %d answers %+v", i, r)
		}
	}
	if d.count("sync_feed") != before || d.count("visits") != 1 || d.count("sync_deferred") != 0 {
		t.Fatal("sent again, it was done again")
	}
	if r := p.attach(meta, picturePNG(1)); r.Status != Applied || !r.Duplicate {
		t.Fatalf("the picture that waited: %+v", r)
	}
	trail := a.the("sync_audit", "")
	if trail["action"] != "replay" || trail["by"] != a.email || trail["record"] != id || trail["note"] != "代班" || !strings.Contains(fmt.Sprint(trail["before"]), v["record"].(string)) {
		t.Fatalf("%v", trail)
	}
	settled := a.the("sync_rejections", "id = '"+id+"'")
	if settled["status"] != "settled" || settled["settled_by"] != a.email || settled["settled_at"] != hooks.Stored(d.time) || settled["replay_errors"] != nil {
		t.Fatalf("%v", settled)
	}
	p.pull(0)
	mine := p.has["sync_rejections/"+id]
	if mine["status"] != "settled" || mine["resolution"] != "replay" || mine["note"] != "代班" {
		t.Fatalf("the worker does not learn of it: %v", mine)
	}
	for _, secret := range []string{"settled_by", "correction"} {
		if _, there := mine[secret]; there {
			t.Errorf("%s is on the phone", secret)
		}
	}
	a.isRefused("sync_rejections", id, map[string]any{"resolution": "drop", "note": "重复"}, "resolved_before")
	a.isRefused("sync_rejections", id, map[string]any{"note": "改口"}, "resolved_before")
	a.isRefused("sync_rejections", id, map[string]any{"resolution": "replay", "override_scope": true, "note": "代班"}, "resolved_before")
}

func TestAnAdministratorMendsAReportButNotAroundTheRules(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent100000000000", "grid10000000000")
	v["data"].(map[string]any)["outcome"] = "danced"
	expect(t, p.push(v)[0], Rejected, "not_in_list")
	id := a.rejectionOf(v)
	try := func(correction any) map[string]any {
		return map[string]any{"resolution": "replay", "override_scope": true, "correction": correction}
	}
	pretended := changed(changed(v, "outcome", "met"), "worker", d.users["worker2"].Id)
	a.isRefused("sync_rejections", id, try(pretended), "worker_not_self")
	other := changed(v, "outcome", "met")
	other["record"] = d.id()
	a.isRefused("sync_rejections", id, try(other), "correction_other_record")
	a.isRefused("sync_rejections", id, try("再试一次"), "bad_mutation")
	waits := changed(v, "outcome", "met")
	waits["data"].(map[string]any)["policies"] = []string{d.id()}
	a.isRefused("sync_rejections", id, try(waits), "replay_waits")
	if d.count("visits") != 0 || d.count("sync_deferred") != 0 || d.count("sync_rejections") != 1 {
		t.Fatal("a refused correction left something behind")
	}
	// As the console does it: every field back as it was shown, JSON as the text in its box.
	whole := a.the("sync_rejections", "")
	for _, box := range []string{"mutation", "errors", "replay_errors"} {
		whole[box] = string(mustJSON(whole[box]))
	}
	whole["resolution"], whole["correction"] = "replay", string(mustJSON(changed(v, "outcome", "absent")))
	a.settles("sync_rejections", id, whole)
	visit, err := d.app.FindRecordById("visits", v["record"].(string))
	if err != nil || visit.GetString("outcome") != "absent" {
		t.Fatalf("%v %v", visit, err)
	}
	if r := p.push(v)[0]; r.Status != Applied || !r.Duplicate {
		t.Fatalf("the phone sends its own words again: %+v", r)
	}
	mended := p.visit("ent100000000000", "grid10000000000")
	mended["record"], mended["replaces"] = v["record"], v["id"]
	expect(t, p.push(mended)[0], Rejected, "already_settled")
}

func TestAReplayIsJudgedByTheTimeOfCaptureHoweverLateItIs(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	p.pull(0)
	assignment, _ := d.app.FindFirstRecordByData("assignments", "user", d.users["worker1"].Id)
	d.time = d.time.Add(24 * time.Hour)
	held := d.time
	// The phone's clock is three days ahead: uncorrected, the visit would lie after the grid was lost.
	v := p.visit("ent100000000000", "grid10000000000")
	v["captured_at"] = hooks.Stored(held.Add(72 * time.Hour))
	v["data"].(map[string]any)["outcome"] = "danced"
	d.time = held.Add(time.Hour)
	d.edit("assignments", assignment.Id, map[string]any{"until": d.time})
	d.time = d.time.Add(time.Hour)
	body := mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(d.time.Add(72 * time.Hour)), "mutations": []any{v}})
	if status, raw := d.post("worker1", "/api/sync/push", body); status != 200 || !bytes.Contains(raw, []byte("not_in_list")) {
		t.Fatalf("%d %s", status, raw)
	}
	d.time = d.time.Add(40 * 24 * time.Hour)
	a.settles("sync_rejections", a.rejectionOf(v), map[string]any{"resolution": "replay", "correction": changed(v, "outcome", "met")})
	visit, err := d.app.FindRecordById("visits", v["record"].(string))
	if err != nil || !visit.GetDateTime("captured_at").Time().Equal(held) || visit.GetInt("skew") != 72*3600 {
		t.Fatalf("%v %v", visit, err)
	}
}

func TestWhatIsDroppedTakesAlongWhatWaitedForItAndNothingElse(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent200000000000", "grid20000000000")
	demand := p.demandAfter(v)
	enlarged := p.update("demands", demand["record"].(string), "amount", 100000, 150000)
	// On a record that is there: one names the missing record, the next only follows it.
	other := p.demandAfter(v)
	other["data"].(map[string]any)["enterprise"], other["data"].(map[string]any)["grid"] = "ent100000000000", "grid10000000000"
	delete(other["data"].(map[string]any), "visit")
	tied := p.update("demands", other["record"].(string), "product", "", v["record"])
	behind := p.update("demands", other["record"].(string), "amount", 100000, 90000)
	demand["data"].(map[string]any)["enterprise"], demand["data"].(map[string]any)["grid"] = "ent100000000000", "grid10000000000"
	want := []Status{Rejected, Deferred, Deferred, Applied, Deferred, Deferred}
	for i, r := range p.push(v, demand, enlarged, other, tied, behind) {
		if r.Status != want[i] {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	id := a.rejectionOf(v)
	a.isRefused("sync_rejections", id, map[string]any{"resolution": "drop", "note": " "}, "reason_needed")
	a.settles("sync_rejections", id, map[string]any{"resolution": "drop", "note": "走错了门"})
	again := p.push(v, demand, enlarged, other, tied, behind)
	expect(t, again[0], Rejected, "out_of_scope")
	expect(t, again[1], Rejected, "parent_missing")
	expect(t, again[2], Rejected, "parent_missing")
	expect(t, again[4], Rejected, "parent_missing")
	expect(t, again[5], Applied, "")
	if d.count("sync_deferred") != 0 || len(a.list("sync_rejections", "status = 'open' && reason = 'parent_missing'")) != 3 {
		t.Fatal("what waited is neither waiting nor refused")
	}
	p.pull(0)
	if mine := p.has["sync_rejections/"+id]; mine["resolution"] != "drop" || mine["note"] != "走错了门" {
		t.Fatalf("%v", mine)
	}
	mended := p.visit("ent100000000000", "grid10000000000")
	mended["record"], mended["replaces"] = v["record"], v["id"]
	expect(t, p.push(mended)[0], Rejected, "already_settled")
	// The office thinks better of it.
	a.settles("sync_rejections", a.rejectionOf(mended), map[string]any{"resolution": "replay"})
	a.settles("sync_rejections", a.rejectionOf(demand), map[string]any{"resolution": "replay"})
	if r := p.push(demand)[0]; r.Status != Applied {
		t.Fatalf("%+v", r)
	}
}

func TestADroppedReportIsNotMissedWhileAnotherMayStillMakeTheRecord(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent100000000000", "grid10000000000")
	v["data"].(map[string]any)["outcome"] = "danced"
	twin := changed(v, "outcome", "sung")
	twin["id"] = d.id()
	demand := p.demandAfter(v)
	for i, r := range p.push(v, twin, demand) {
		if want := []Status{Rejected, Rejected, Deferred}[i]; r.Status != want {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	a.settles("sync_rejections", a.rejectionOf(v), map[string]any{"resolution": "drop", "note": "重复"})
	if r := p.push(demand)[0]; r.Status != Deferred {
		t.Fatalf("its visit may still come: %+v", r)
	}
	a.settles("sync_rejections", a.rejectionOf(twin), map[string]any{"resolution": "replay", "correction": changed(twin, "outcome", "met")})
	expect(t, p.push(demand)[0], Applied, "")
}

func TestAReportUnderAUsedNumberIsDoneWithoutTouchingTheFirst(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	first, second := p.visit("ent100000000000", "grid10000000000"), p.visit("ent100000000000", "grid10000000000")
	second["id"] = first["id"]
	r := p.push(first)[0]
	expect(t, r, Applied, "")
	expect(t, p.push(second)[0], Rejected, "mutation_reused")
	a.settles("sync_rejections", a.rejectionOf(second), map[string]any{"resolution": "replay"})
	if d.count("visits") != 2 {
		t.Fatalf("%d visits", d.count("visits"))
	}
	if again := p.push(first)[0]; again.Seq != r.Seq || again.Record.ID != first["record"] {
		t.Fatalf("the first is answered %+v", again)
	}
	expect(t, p.push(second)[0], Rejected, "mutation_reused")
	if d.count("visits") != 2 || d.count("sync_rejections") != 1 {
		t.Fatal("sent again, it was done again")
	}
}

func TestTwoAdministratorsAtOnceSettleAReportOnceWhilePhonesPush(t *testing.T) {
	d := newDistrict(t)
	p, a, b := d.phone("worker1"), d.admin("boss"), d.admin("deputy")
	v := p.visit("ent100000000000", "grid10000000000")
	v["data"].(map[string]any)["outcome"] = "danced"
	p.push(v)
	id := a.rejectionOf(v)
	type answer struct {
		status int
		raw    string
	}
	answers, pushed := make(chan answer, 8), make(chan int, 8)
	correction := changed(v, "outcome", "met")
	for i := range cap(answers) {
		who := []*admin{a, b}[i%2]
		more := mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(d.time), "mutations": []any{p.visit("ent100000000000", "grid10000000000")}})
		go func() {
			status, raw := who.patch("sync_rejections", id, map[string]any{"resolution": "replay", "correction": correction})
			answers <- answer{status, raw}
		}()
		go func() {
			status, _ := d.post("worker1", "/api/sync/push", more)
			pushed <- status
		}()
	}
	settled := 0
	for range cap(answers) {
		switch r := <-answers; {
		case r.status == 200:
			settled++
		case !strings.Contains(r.raw, hooks.Message("resolved_before")):
			t.Errorf("%d %s", r.status, r.raw)
		}
		if status := <-pushed; status != 200 {
			t.Errorf("a push beside it: %d", status)
		}
	}
	if settled != 1 || len(a.list("sync_audit", "")) != 1 || d.count("visits") != 1+cap(pushed) {
		t.Fatalf("settled %d times, %d in the trail, %d visits", settled, d.count("sync_audit"), d.count("visits"))
	}
}

// contradict lets the counter's phone number stand against the worker's.
func contradict(t *testing.T, d *district) (p *phone, m map[string]any) {
	t.Helper()
	p, q := d.phone("worker1"), d.phone("counter")
	p.pull(0)
	expect(t, q.push(q.update("enterprises", "ent100000000000", "phone", "13900000001", "13911111111"))[0], Applied, "")
	m = p.update("enterprises", "ent100000000000", "phone", "13900000001", "13922222222")
	expect(t, p.push(m)[0], Conflict, "")
	return p, m
}

func (d *district) phoneNumber() string {
	r, err := d.app.FindRecordById("enterprises", "ent100000000000")
	if err != nil {
		d.t.Fatal(err)
	}
	return r.GetString("phone")
}

func TestTheAdministratorChoosesBetweenTwoValues(t *testing.T) {
	d := newDistrict(t)
	a := d.admin("boss")
	p, _ := contradict(t, d)
	id := a.the("sync_conflicts", "status = 'open'")["id"].(string)
	a.settles("sync_conflicts", id, map[string]any{"resolution": "take_ours", "note": "门店已核实"})
	if d.phoneNumber() != "13922222222" {
		t.Fatal("the worker's value is not set:", d.phoneNumber())
	}
	p.pull(0)
	if p.has["enterprises/ent100000000000"]["phone"] != "13922222222" || p.has["sync_conflicts/"+id]["resolution"] != "take_ours" || p.has["sync_conflicts/"+id]["note"] != "门店已核实" {
		t.Fatalf("%v", p.has["sync_conflicts/"+id])
	}
	if trail := a.the("sync_audit", ""); trail["action"] != "take_ours" || trail["before"] != "13911111111" || trail["after"] != "13922222222" {
		t.Fatalf("%v", trail)
	}
	a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_theirs"}, "resolved_before")

	expect(t, p.push(p.update("enterprises", "ent100000000000", "phone", "x", "13933333333"))[0], Conflict, "")
	id = a.the("sync_conflicts", "status = 'open'")["id"].(string)
	a.settles("sync_conflicts", id, map[string]any{"resolution": "take_theirs"})
	if d.phoneNumber() != "13922222222" || a.the("sync_conflicts", "id = '"+id+"'")["status"] != "settled" {
		t.Fatal("the server's value does not stand")
	}
}

func TestAValueThatChangedSinceIsShownBeforeItIsOverwritten(t *testing.T) {
	d := newDistrict(t)
	a := d.admin("boss")
	p, _ := contradict(t, d)
	id := a.the("sync_conflicts", "")["id"].(string)
	d.edit("enterprises", "ent100000000000", map[string]any{"phone": "13944444444"})
	if raw := a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_ours"}, "value_changed"); !strings.Contains(raw, "13944444444") {
		t.Fatal(raw)
	}
	if open := a.the("sync_conflicts", ""); open["status"] != "open" || open["present"] != "13944444444" || d.phoneNumber() != "13944444444" {
		t.Fatalf("%v", open)
	}
	p.pull(0)
	if _, there := p.has["sync_conflicts/"+id]["present"]; there {
		t.Fatal("what the administrator is shown is on the phone")
	}
	d.edit("enterprises", "ent100000000000", map[string]any{"phone": "13955555555"})
	a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_ours"}, "value_changed")
	a.settles("sync_conflicts", id, map[string]any{"resolution": "take_ours"})
	if d.phoneNumber() != "13922222222" {
		t.Fatal(d.phoneNumber())
	}
}

func TestTheWorkersValueIsTakenByTheRulesOnly(t *testing.T) {
	d := newDistrict(t)
	a := d.admin("boss")
	contradict(t, d)
	id := a.the("sync_conflicts", "")["id"].(string)
	d.edit("users", d.users["worker1"].Id, map[string]any{"role": "bank"})
	a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_ours"}, "role_not_allowed")
	d.edit("users", d.users["worker1"].Id, map[string]any{"role": "grid_worker"})
	gone, _ := d.app.FindRecordById("enterprises", "ent100000000000")
	if err := d.app.Delete(gone); err != nil {
		t.Fatal(err)
	}
	a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_ours"}, "record_gone")
	if a.the("sync_conflicts", "")["status"] != "open" || d.count("sync_audit") != 0 || d.count("sync_rejections") != 0 {
		t.Fatal("a refused choice left something behind")
	}
	a.settles("sync_conflicts", id, map[string]any{"resolution": "take_theirs"})
}

func TestADeleteThatSomebodysChangeStoppedIsDoneWhenTheAdministratorSaysSo(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent100000000000", "grid10000000000")
	expect(t, p.push(v)[0], Applied, "")
	p.pull(0)
	visit := v["record"].(string)
	seen := p.revs["visits/"+visit]
	d.edit("visits", visit, map[string]any{"notes": "已回访"})
	expect(t, p.push(map[string]any{"id": d.id(), "op": "delete", "collection": "visits", "record": visit, "captured_at": hooks.Stored(d.time), "rev": seen})[0], Conflict, "")
	id := a.the("sync_conflicts", "")["id"].(string)
	d.edit("visits", visit, map[string]any{"notes": "已回访两次"})
	a.isRefused("sync_conflicts", id, map[string]any{"resolution": "take_ours"}, "value_changed")
	a.settles("sync_conflicts", id, map[string]any{"resolution": "take_ours"})
	if d.count("visits") != 0 {
		t.Fatal("still there")
	}
	p.pull(0)
	if p.holds("visits/" + visit) {
		t.Fatal("still on the phone")
	}
}

func TestEvidenceAndTrailStayAsTheyAre(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent100000000000", "grid10000000000")
	v["data"].(map[string]any)["outcome"] = "danced"
	p.push(v)
	id := a.rejectionOf(v)
	for field, value := range map[string]any{"mutation": map[string]any{"op": "create"}, "status": "settled", "received_at": "2026-01-01 00:00:00.000Z", "skew_ms": 5,
		"user": d.users["worker2"].Id, "settled_by": "nobody@example.com", "reason": "invalid", "replaced_by": "x", "replay_errors": map[string]any{}} {
		a.isRefused("sync_rejections", id, map[string]any{field: value}, "evidence_kept")
		a.isRefused("sync_rejections", id, map[string]any{field: value, "resolution": "drop", "note": "顺便"}, "evidence_kept")
	}
	a.settles("sync_rejections", id, map[string]any{"note": "先问一下网格员"}) // a word, no decision
	if open := a.the("sync_rejections", ""); open["status"] != "open" || d.count("sync_audit") != 0 {
		t.Fatalf("%v", open)
	}
	refused := func(method, path string, body map[string]any, message string) {
		t.Helper()
		status, raw := a.call(method, path, body)
		if status < 400 || !bytes.Contains(raw, []byte(hooks.Message(message))) {
			t.Errorf("%s %s: %d %s", method, path, status, raw)
		}
	}
	emptied := func(collection string) {
		t.Helper()
		refused(http.MethodDelete, collection+"/truncate", nil, "closed_in_production")
		// A developer's --dev opens that door, and finds the next one closed.
		if c, err := d.app.FindCollectionByNameOrId(collection); err != nil || d.app.TruncateCollection(c) == nil || d.count(collection) != 1 {
			t.Errorf("%s is emptied, %v", collection, err)
		}
	}
	refused(http.MethodDelete, "sync_rejections/records/"+id, nil, "settle_instead")
	emptied("sync_rejections")
	refused(http.MethodPost, "sync_rejections/records", map[string]any{"user": d.users["worker1"].Id, "status": "open"}, "system_only")
	a.settles("sync_rejections", id, map[string]any{"resolution": "drop", "note": "重复"})
	line := a.the("sync_audit", "")["id"].(string)
	refused(http.MethodPatch, "sync_audit/records/"+line, map[string]any{"by": "somebody@example.com"}, "audit_kept")
	refused(http.MethodDelete, "sync_audit/records/"+line, nil, "audit_kept")
	emptied("sync_audit")
	refused(http.MethodPost, "sync_audit/records", map[string]any{"by": "somebody@example.com"}, "system_only")
	for _, q := range []string{`UPDATE sync_audit SET "by" = 'x'`, `DELETE FROM sync_audit`} {
		if _, err := d.app.DB().NewQuery(q).Execute(); err == nil {
			t.Errorf("%s is done", q)
		}
	}
	if trail := a.the("sync_audit", ""); trail["by"] != a.email {
		t.Fatalf("%v", trail)
	}
	if status, _ := d.post("worker1", "/api/collections/sync_audit/records", nil); status != 403 && status != 400 {
		t.Errorf("a worker writes the trail: %d", status)
	}
}
