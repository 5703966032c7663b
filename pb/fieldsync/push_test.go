package fieldsync

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func expect(t *testing.T, r Result, status Status, code string) {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %s, want %s: %+v", r.Status, status, r.Errors)
	}
	if code == "" {
		return
	}
	for _, e := range r.Errors {
		if e.Code == code && e.Message != "" {
			return
		}
	}
	t.Fatalf("errors %+v, want %s", r.Errors, code)
}

func (d *district) count(table string) (n int) {
	d.t.Helper()
	if err := d.app.DB().NewQuery("SELECT count(*) FROM " + table).Row(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestAVisitCapturedOfflineArrivesOnceHoweverOftenItIsSent(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	first := p.push(v)[0]
	expect(t, first, Applied, "")
	again := p.push(v)[0]
	if !again.Duplicate || again.Seq != first.Seq || again.Status != Applied {
		t.Fatalf("sent again: %+v", again)
	}
	if n := d.count("visits"); n != 1 {
		t.Fatalf("%d visits", n)
	}
	other := p.visit("ent100000000000", "grid10000000000")
	other["id"] = v["id"]
	expect(t, p.push(other)[0], Rejected, "mutation_reused")
	p.pull(0)
	if !p.holds("visits/" + v["record"].(string)) {
		t.Fatal("the phone does not get its own visit back")
	}
}

func TestOneBadMutationBlocksNothingElse(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	bad := p.visit("ent100000000000", "grid10000000000")
	bad["data"].(map[string]any)["outcome"] = "danced"
	wrongType := p.visit("ent100000000000", "grid10000000000")
	wrongType["data"].(map[string]any)["photo_count"] = "three"
	stranger := map[string]any{"id": d.id(), "op": "create", "collection": "users", "record": d.id(), "captured_at": "2026-09-01T01:00:00Z", "data": map[string]any{}}
	foreign := p.visit("ent200000000000", "grid20000000000")
	pretended := p.visit("ent100000000000", "grid10000000000")
	pretended["data"].(map[string]any)["worker"] = d.users["worker2"].Id
	good := p.visit("ent100000000000", "grid10000000000")
	good["data"].(map[string]any)["review"] = "exception_approved"
	good["data"].(map[string]any)["nonsense"] = 1
	results := p.push(bad, wrongType, stranger, foreign, pretended, good)
	expect(t, results[0], Rejected, "not_in_list")
	expect(t, results[1], Rejected, "wrong_type")
	expect(t, results[2], Rejected, "bad_mutation")
	expect(t, results[3], Rejected, "out_of_scope")
	expect(t, results[4], Rejected, "worker_not_self")
	expect(t, results[5], Applied, "")
	if fmt.Sprint(results[5].Ignored) != "[nonsense review]" {
		t.Fatalf("ignored %v", results[5].Ignored)
	}
	var kept string
	if err := d.app.DB().NewQuery(`SELECT body FROM sync_mutations WHERE id = '` + good["id"].(string) + `'`).Row(&kept); err != nil || !strings.Contains(kept, "nonsense") {
		t.Fatalf("an ignored field is lost: %q %v", kept, err)
	}
	if n := d.count("sync_rejections"); n != 5 {
		t.Fatalf("%d rejections kept, want 5", n)
	}
	mended := p.visit("ent100000000000", "grid10000000000")
	mended["record"], mended["replaces"] = bad["record"], bad["id"]
	expect(t, p.push(mended)[0], Applied, "")
	late := p.visit("ent100000000000", "grid10000000000")
	late["replaces"] = mended["id"]
	expect(t, p.push(late)[0], Rejected, "already_settled")
}

func TestADemandThatComesBeforeItsVisitWaitsForIt(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	v := p.visit("ent100000000000", "grid10000000000")
	demand := map[string]any{"id": d.id(), "op": "create", "collection": "demands", "record": d.id(), "captured_at": "2026-09-01T01:00:00Z", "data": map[string]any{
		"enterprise": "ent100000000000", "visit": v["record"], "grid": "grid10000000000", "kind": "first_loan", "need": "working_capital", "amount": 100000}}
	change := map[string]any{"id": d.id(), "op": "update", "collection": "demands", "record": demand["record"], "captured_at": "2026-09-01T01:00:00Z",
		"changes": map[string]any{"amount": map[string]any{"from": 100000, "to": 150000}}}
	results := p.push(demand, change)
	expect(t, results[0], Deferred, "")
	expect(t, results[1], Deferred, "")
	expect(t, p.push(v)[0], Applied, "")
	results = p.push(demand, change)
	if results[0].Status != Applied || !results[0].Duplicate || results[1].Status != Applied {
		t.Fatalf("after the visit came: %+v", results)
	}
	r, err := d.app.FindRecordById("demands", demand["record"].(string))
	if err != nil || r.GetInt("amount") != 150000 || r.GetString("enterprise_name") != "重庆小面馆" || r.GetString("number") == "" {
		t.Fatalf("%v %v", r, err)
	}
	if n := d.count("sync_deferred"); n != 0 {
		t.Fatalf("%d still wait", n)
	}
}

// The rules store a telephone number in one form; the phone still holds it as it was typed, and goes on from there.
func TestANumberTypedWithSpacesAndMendedOfflineIsNoConflict(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	expect(t, p.push(p.update("enterprises", "ent100000000000", "phone", "13900000001", "139 1111 1111"))[0], Applied, "")
	expect(t, p.push(p.update("enterprises", "ent100000000000", "phone", "139 1111 1111", "（023）5812 3456"))[0], Applied, "")
	r, err := d.app.FindRecordById("enterprises", "ent100000000000")
	if err != nil || r.GetString("phone") != "023-58123456" {
		t.Errorf("%s, %v", r.GetString("phone"), err)
	}
	expect(t, p.push(p.update("enterprises", "ent100000000000", "phone", "（023）5812 3456", "问老张"))[0], Rejected, "phone_letters")
}

func TestTwoPhonesEditingOneFieldKeepTheServersValueAndBothAreKept(t *testing.T) {
	d := newDistrict(t)
	p, q := d.phone("worker1"), d.phone("counter")
	edit := func(p *phone, field string, from, to any) Result {
		return p.push(map[string]any{"id": d.id(), "op": "update", "collection": "enterprises", "record": "ent100000000000", "captured_at": "2026-09-01T01:00:00Z",
			"changes": map[string]any{field: map[string]any{"from": from, "to": to}}})[0]
	}
	expect(t, edit(p, "phone", "13900000001", "13911111111"), Applied, "")
	r := edit(q, "phone", "13900000001", "13922222222")
	expect(t, r, Conflict, "")
	if *r.Conflicts["phone"].Theirs != "13911111111" || r.Conflicts["phone"].Yours != "13922222222" {
		t.Fatalf("%+v", r.Conflicts)
	}
	expect(t, edit(q, "contact", "", "老张"), Applied, "")
	expect(t, edit(q, "contact", "", "老张"), Applied, "") // the same meaning from another hand is no conflict
	if n := d.count("sync_conflicts"); n != 1 {
		t.Fatalf("%d conflicts kept", n)
	}
	expect(t, edit(p, "uscc", "", "abc"), Rejected, "bad_uscc")
}

func TestWorkDoneWhileTheGridWasHeldIsTakenAfterItWasLost(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	d.time = d.time.Add(24 * time.Hour)
	held := p.visit("ent100000000000", "grid10000000000")
	d.time = d.time.Add(time.Hour)
	assignment, _ := d.app.FindFirstRecordByData("assignments", "user", d.users["worker1"].Id)
	d.edit("assignments", assignment.Id, map[string]any{"until": d.time})
	d.time = d.time.Add(time.Hour)
	after := p.visit("ent100000000000", "grid10000000000")
	results := p.push(held, after)
	expect(t, results[0], Applied, "")
	expect(t, results[1], Rejected, "out_of_scope")
	p.pull(0)
	if p.holds("enterprises/ent100000000000") || p.holds("visits/"+held["record"].(string)) {
		t.Fatal("the phone still holds what the worker may no longer see")
	}
	d.time = d.time.Add(31 * 24 * time.Hour)
	old := p.visit("ent100000000000", "grid10000000000")
	old["captured_at"] = held["captured_at"]
	expect(t, p.push(old)[0], Rejected, "out_of_scope")
}

func TestAPhoneWithTheWrongClockIsSetRight(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	real := d.time
	d.time = real.Add(72 * time.Hour) // the phone thinks it is three days later
	v := p.visit("ent100000000000", "grid10000000000")
	body := map[string]any{"protocol": 1, "device": p.device, "sent_at": d.time.Add(time.Hour).Format(time.RFC3339), "mutations": []any{v}}
	d.time = real.Add(time.Hour)
	raw := mustJSON(body)
	if status, answer := d.post("worker1", "/api/sync/push", raw); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	r, err := d.app.FindRecordById("visits", v["record"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.GetDateTime("captured_at").Time(); !got.Equal(real) {
		t.Fatalf("captured_at %s, want %s", got, real)
	}
	if r.GetInt("skew") != 72*3600 {
		t.Fatalf("skew %d", r.GetInt("skew"))
	}
}

func TestAPastGridDoesNotReachAnEnterpriseThatCameThereLater(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	d.time = d.time.Add(time.Hour)
	never := p.visit("ent200000000000", "grid20000000000") // it is in the second grid, which worker1 never had
	d.time = d.time.Add(time.Hour)
	assignment, _ := d.app.FindFirstRecordByData("assignments", "user", d.users["worker1"].Id)
	d.edit("assignments", assignment.Id, map[string]any{"until": d.time})
	d.time = d.time.Add(time.Hour)
	d.edit("enterprises", "ent200000000000", map[string]any{"grid": "grid10000000000"})
	expect(t, p.push(never)[0], Rejected, "out_of_scope")
}
