package fieldsync

import (
	"testing"

	"gangwan/hooks"
)

// §三(三)一 from desk to desk over sync: a department's list reaches a bank when 人行 has dispatched it, and only its own rows; the
// demand that comes of a row stands in the row.
func TestADepartmentsListReachesTheBanksWhenItIsDispatchedAndComesBackAsADemand(t *testing.T) {
	d := newDistrict(t)
	agency := d.save("agencies", map[string]any{"name": "区经济信息委", "kind": "department"}).Id
	d.user("department", map[string]any{"role": "department", "agency": agency})
	d.user("official", map[string]any{"role": "official"})
	department, official, a, b, counter := d.phone("department"), d.phone("official"), d.phone("deskA"), d.phone("deskB"), d.phone("counter")
	create := func(collection, record string, data map[string]any) map[string]any {
		return map[string]any{"id": d.id(), "op": "create", "collection": collection, "record": record, "captured_at": hooks.Stored(d.time), "data": data}
	}
	update := func(collection, record string, changes map[string][2]any) map[string]any {
		wire := map[string]any{}
		for field, c := range changes {
			wire[field] = map[string]any{"from": c[0], "to": c[1]}
		}
		return map[string]any{"id": d.id(), "op": "update", "collection": collection, "record": record, "captured_at": hooks.Stored(d.time), "changes": wire}
	}
	status := func(p *phone, batch, from, to, code string) {
		t.Helper()
		want := Applied
		if code != "" {
			want = Rejected
		}
		expect(t, p.push(update("referral_batches", batch, map[string][2]any{"status": {from, to}}))[0], want, code)
	}
	batch, one, two := d.id(), d.id(), d.id()
	for _, r := range department.push(
		create("referral_batches", batch, map[string]any{"title": "三季度名单", "status": "uploaded"}),
		create("referrals", one, map[string]any{"batch": batch, "enterprise": "ent100000000000", "why": []any{"prospect"}}),
		create("referrals", two, map[string]any{"batch": batch, "enterprise_name": "三峡五金"}),
	) {
		expect(t, r, Applied, "")
	}
	status(department, batch, "uploaded", "checked", "role_not_allowed")
	status(official, batch, "uploaded", "checked", "rows_unmatched")
	expect(t, department.push(update("referrals", two, map[string][2]any{"enterprise": {"", "ent200000000000"}}))[0], Applied, "")
	status(official, batch, "uploaded", "checked", "")
	expect(t, department.push(update("referrals", two, map[string][2]any{"wanted": {0.0, 5.0}}))[0], Rejected, "batch_closed")
	for row, bank := range map[string]string{one: "banka0000000000", two: "bankb0000000000"} {
		expect(t, official.push(update("referrals", row, map[string][2]any{"bank": {"", bank}}))[0], Applied, "")
	}
	a.pull(0)
	if a.holds("referral_batches/"+batch) || a.holds("referrals/"+one) {
		t.Fatal("a bank hears of a list before it is dispatched")
	}
	expect(t, a.push(update("referrals", one, map[string][2]any{"answer": {"none", "intends"}, "answered_at": {"", hooks.Stored(d.time)}}))[0], Rejected, "out_of_scope")
	status(official, batch, "checked", "dispatched", "")
	for _, p := range []*phone{a, b, counter} {
		p.pull(0)
	}
	if !a.holds("referral_batches/"+batch) || !a.holds("referrals/"+one) || a.holds("referrals/"+two) || !b.holds("referrals/"+two) || !counter.holds("referrals/"+one) || counter.holds("referrals/"+two) {
		t.Fatal("each bank holds its own rows, a harbour its host bank's")
	}
	expect(t, a.push(update("referrals", one, map[string][2]any{"answer": {"none", "intends"}, "answered_at": {"", hooks.Stored(d.time)}}))[0], Applied, "")
	demand := d.id()
	expect(t, counter.push(create("demands", demand, map[string]any{"enterprise": "ent100000000000", "grid": "grid10000000000", "kind": "first_loan",
		"need": "equipment", "amount": 100000, "channel": "window", "referral": one}))[0], Applied, "")
	expect(t, counter.push(create("demands", d.id(), map[string]any{"enterprise": "ent200000000000", "grid": "grid20000000000", "kind": "first_loan",
		"need": "equipment", "amount": 100000, "referral": one}))[0], Rejected, "out_of_scope")
	a.pull(0)
	if got := a.has["referrals/"+one]["demand"]; got != demand {
		t.Errorf("the row leads to the demand that came of it, not to %v", got)
	}
	if r, err := d.app.FindRecordById("demands", demand); err != nil || r.GetString("channel") != "referral" {
		t.Error("its channel is the list:", r.GetString("channel"), err)
	}
}

// 附件四: what is told about the person at the counter does not come to the counter's phone, not even as the rectification's words.
func TestAComplaintDoesNotReachThePhoneOfThePersonItIsAbout(t *testing.T) {
	d := newDistrict(t)
	d.user("head", map[string]any{"role": "harbour_head", "harbour": "harbour1000000a"})
	d.user("official", map[string]any{"role": "official"})
	d.edit("harbours", "harbour1000000a", map[string]any{"head": d.users["head"].Id})
	w, counter, head, official := d.phone("worker1"), d.phone("counter"), d.phone("head"), d.phone("official")
	complaint := d.id()
	at := hooks.Stored(d.time)
	expect(t, w.push(map[string]any{"id": d.id(), "op": "create", "collection": "feedback", "record": complaint, "captured_at": at, "data": map[string]any{
		"kind": "complaint", "channel": "visit", "category": "deflection", "text": "让我去别家", "enterprise": "ent100000000000", "against": d.users["counter"].Id}})[0], Applied, "")
	finding := func(p *phone) Result {
		return p.push(map[string]any{"id": d.id(), "op": "update", "collection": "feedback", "record": complaint, "captured_at": at,
			"changes": map[string]any{"finding": map[string]any{"from": "pending", "to": "upheld"}}})[0]
	}
	expect(t, finding(counter), Rejected, "out_of_scope")
	if r := finding(head); r.Status != Applied || len(r.Ignored) != 1 {
		t.Errorf("a head judges no complaint: %+v", r)
	}
	expect(t, finding(official), Applied, "")
	for _, p := range []*phone{w, counter, head, official} {
		p.pull(0)
	}
	if !w.holds("feedback/"+complaint) || !head.holds("feedback/"+complaint) || !official.holds("feedback/"+complaint) || counter.holds("feedback/"+complaint) {
		t.Error("reporter, owner and officials hold it, the person it is about does not")
	}
	demand, err := d.app.FindFirstRecordByData("rectifications", "feedback", complaint)
	if err != nil {
		t.Fatal(err)
	}
	if got := counter.has["rectifications/"+demand.Id]["demand"]; got != "投诉 FK202609-00001 经核查属实，请整改并报送整改情况" {
		t.Errorf("the harbour must put it right: %v", got)
	}
}
