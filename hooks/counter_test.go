package hooks

import (
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// counter is a harbour with its people, on top of the demand at a bank that lending has. It is Friday, 20 November 2026, 10:00.
type counter struct {
	*lending
	staff, colleague, head, worker, stranger, official, department, otherClerk *core.Record
	grid, elsewhere, neighbour, away                                           *core.Record
}

func openCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{lending: openLending(t)}
	c.now = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	user := func(name, role string, more map[string]any) *core.Record {
		all := map[string]any{"email": name + "@test.test", "password": "harbour-2026", "name": name, "role": role}
		for k, v := range more {
			all[k] = v
		}
		return c.save("users", all)
	}
	at := map[string]any{"harbour": c.harbour.Id}
	c.staff, c.colleague, c.head = user("staff", "harbour_staff", at), user("colleague", "harbour_staff", at), user("head", "harbour_head", at)
	c.harbour.Set("head", c.head.Id)
	if err := c.app.Save(c.harbour); err != nil {
		t.Fatal(err)
	}
	c.elsewhere = c.save("harbours", map[string]any{"number": "002", "name": "百安坝港湾", "kind": "street", "host_bank": c.other.Id, "area": c.harbour.GetString("area")})
	c.away = c.save("grids", map[string]any{"code": "G2", "name": "二网格", "area": c.harbour.GetString("area"), "harbour": c.elsewhere.Id, "kind": "community"})
	grids, err := c.app.FindRecordById("enterprises", c.enterprise.Id)
	if err != nil {
		t.Fatal(err)
	}
	c.grid, err = c.app.FindRecordById("grids", grids.GetString("grid"))
	if err != nil {
		t.Fatal(err)
	}
	c.neighbour = c.save("enterprises", map[string]any{"name": "李四五金", "grid": c.grid.Id, "kind": "individual_business", "phone": "13800000004"})
	c.stranger = user("stranger", "harbour_staff", map[string]any{"harbour": c.elsewhere.Id})
	c.worker = user("worker", "grid_worker", map[string]any{"scope_harbours": []string{c.harbour.Id}, "scope_grids": []string{c.grid.Id}})
	c.official = user("official", "official", nil)
	c.otherClerk = user("clerk2", "bank", map[string]any{"bank": c.other.Id})
	return c
}

func (c *counter) at(hours int) string { return Stored(c.now.Add(time.Duration(hours) * time.Hour)) }

func (c *counter) fresh(r *core.Record) *core.Record {
	c.Helper()
	out, err := c.app.FindRecordById(r.Collection(), r.Id)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func (c *counter) wants(r *core.Record, field, want string) {
	c.Helper()
	if got := c.fresh(r).GetString(field); got != want {
		c.Errorf("%s is %q, wanted %q", field, got, want)
	}
}

func TestACounterServiceIsDueByItsKindAndDoneWithAResult(t *testing.T) {
	c := openCounter(t)
	plain := row{"kind": "consultation", "harbour": c.harbour.Id, "person": "王五", "accepted_at": c.at(0)}
	s := c.create("services", plain, c.staff, "", "")
	c.wants(s, "first_responder", c.staff.Id)
	c.wants(s, "staff", c.staff.Id)
	c.wants(s, "status", "open")
	c.wants(s, "due", "2026-11-27 15:59:59.999Z") // the fifth working day after a Friday, to its end in Shanghai
	c.wants(c.create("services", with(plain, row{"kind": "account_opening"}), c.staff, "", ""), "due", "2026-11-25 15:59:59.999Z")
	c.save("parameters", row{"code": "sla.service_days.account_opening", "value": "1", "from": "2026-11-01 00:00:00.000Z"})
	c.wants(c.create("services", with(plain, row{"kind": "account_opening"}), c.staff, "", ""), "due", "2026-11-23 15:59:59.999Z")
	c.wants(c.change(s, row{"kind": "account_opening"}, c.staff, "", ""), "due", "2026-11-23 15:59:59.999Z")
	s = c.change(s, row{"kind": "consultation"}, c.staff, "", "")
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"somebody must be served", row{"person": ""}, "person", "person_or_enterprise"},
		{"a special group is named", row{"kind": "special_group"}, "special_group", "special_group_needed"},
		{"nothing is accepted in the future", row{"accepted_at": c.at(1)}, "accepted_at", "time_in_future"},
		{"nothing is completed before it is accepted", row{"completed_at": c.at(-1), "result": "已解答"}, "completed_at", "completed_before_start"},
		{"nothing is completed in the future", row{"completed_at": c.at(1), "result": "已解答"}, "completed_at", "time_in_future"},
		{"what is completed has a result", row{"completed_at": c.at(0)}, "result", "result_needed"},
		{"a consultation registers no demand", row{"demand": c.demand.Id}, "demand", "demand_not_here"},
		{"a matching leads to a demand", row{"kind": "demand_matching", "completed_at": c.at(0), "result": "已登记"}, "demand", "demand_needed"},
		{"of the same enterprise", row{"kind": "demand_matching", "enterprise": c.neighbour.Id, "demand": c.demand.Id}, "demand", "demand_of_other_enterprise"},
		{"which exists", row{"kind": "demand_matching", "demand": "nothing00000000"}, "demand", "unknown_reference"},
	} {
		t.Log(x.says)
		c.create("services", with(plain, x.values), c.staff, x.field, x.code)
		c.create("services", with(plain, x.values), nil, x.field, x.code)
	}
	c.create("services", with(plain, row{"kind": "demand_matching", "enterprise": c.enterprise.Id, "demand": c.demand.Id, "completed_at": c.at(0), "result": "已登记"}), c.staff, "", "")
	c.create("services", with(plain, row{"kind": "special_group", "special_group": "veteran"}), c.staff, "", "")
	c.now = c.now.Add(2 * time.Hour)
	c.wants(c.change(s, row{"completed_at": c.at(-1), "result": "已解答"}, c.colleague, "", ""), "status", "done")
	c.wants(s, "first_responder", c.staff.Id)
	c.wants(c.change(s, row{"completed_at": ""}, c.staff, "", ""), "status", "open")
	// A phone whose clock is known to be an hour ahead: its own times are not judged by ours.
	c.create("services", with(plain, row{"accepted_at": c.at(1), "skew": 3600}), c.staff, "", "")
}

func TestADemandIsHandedOnOnlyToTheHarbourThatServesItAndWhenTheReceiverConfirms(t *testing.T) {
	c := openCounter(t)
	taken := c.create("demands", row{"enterprise": c.neighbour.Id, "kind": "renewal", "need": "equipment", "amount": 50_000}, nil, "", "")
	event := func(values row) row {
		return with(row{"demand": taken.Id, "at": c.at(0)}, values)
	}
	over := func(to *core.Record, more row) row {
		return event(with(row{"kind": "handover", "to_user": to.Id}, more))
	}
	c.create("demand_events", over(c.staff, nil), c.head, "demand", "handover_before_acceptance")
	c.create("demand_events", event(row{"kind": "stage", "to_stage": "accepted"}), c.worker, "to_stage", "role_not_allowed")
	c.create("demand_events", event(row{"kind": "stage", "to_stage": "accepted"}), c.staff, "", "")
	c.wants(taken, "first_responder", c.staff.Id)
	c.create("demand_events", event(row{"kind": "stage", "to_stage": "accepted"}), c.colleague, "to_stage", "stage_not_allowed") // one first responder
	for _, x := range []struct {
		says        string
		to, by      *core.Record
		more        row
		field, code string
	}{
		{"somebody must be named", c.staff, c.staff, row{"to_user": ""}, "to_user", "to_user_needed"},
		{"not to oneself", c.staff, c.staff, nil, "to_user", "handover_to_self"},
		{"not to another harbour", c.stranger, c.staff, nil, "to_user", "handover_elsewhere"},
		{"not to a grid worker", c.worker, c.staff, nil, "to_user", "handover_elsewhere"},
		{"not by a grid worker", c.colleague, c.worker, nil, "_", "handover_not_yours"},
		{"not confirmed by the giver", c.colleague, c.staff, row{"handover_confirmed_at": c.at(0)}, "handover_confirmed_at", "role_not_allowed"},
	} {
		t.Log(x.says)
		c.create("demand_events", over(x.to, x.more), x.by, x.field, x.code)
	}
	toColleague := c.create("demand_events", over(c.colleague, nil), c.staff, "", "")
	c.wants(toColleague, "from_user", c.staff.Id)
	c.wants(taken, "first_responder", c.staff.Id) // until it is confirmed
	c.change(toColleague, row{"handover_confirmed_at": c.at(0)}, c.staff, "handover_confirmed_at", "role_not_allowed")
	c.change(toColleague, row{"handover_confirmed_at": c.at(-1)}, c.colleague, "handover_confirmed_at", "time_before_previous")
	c.change(toColleague, row{"handover_confirmed_at": c.at(1)}, c.colleague, "handover_confirmed_at", "time_in_future")
	// The head takes it over first: what the colleague had not confirmed is overtaken.
	c.create("demand_events", over(c.head, row{"handover_confirmed_at": c.at(0)}), c.head, "", "")
	c.wants(taken, "first_responder", c.head.Id)
	c.change(toColleague, row{"handover_confirmed_at": c.at(0)}, c.colleague, "handover_confirmed_at", "handover_superseded")
	again := c.create("demand_events", over(c.colleague, nil), c.head, "", "")
	c.change(again, row{"handover_confirmed_at": c.at(0)}, c.colleague, "", "")
	c.wants(taken, "first_responder", c.colleague.Id)
	c.change(again, row{"handover_confirmed_at": ""}, c.colleague, "handover_confirmed_at", "handover_confirmed")
	// Colleagues of the shift go on with it: the events say by whom.
	note := c.create("demand_events", event(row{"kind": "note", "note": "已电话回访"}), c.staff, "", "")
	c.wants(note, "by", c.staff.Id)
	c.create("demand_events", event(row{"kind": "stage", "to_stage": "cultivating", "reason": "no_collateral"}), c.staff, "", "")
	c.wants(taken, "first_responder", c.colleague.Id)
}

func TestADemandIsVoidOnlyAsADuplicateAndRenewsOnlyItsOwnEnterprisesLoan(t *testing.T) {
	c := openCounter(t)
	loan := c.save("loans", row{"enterprise": c.enterprise.Id, "bank": c.bank.Id, "amount": 1000, "disbursed_on": "2026-01-01 16:00:00.000Z", "contract_no": "HT-9"})
	renewal := row{"enterprise": c.neighbour.Id, "kind": "renewal", "need": "equipment", "amount": 50_000, "renewed_loan": loan.Id}
	c.create("demands", renewal, c.staff, "renewed_loan", "loan_of_other_enterprise")
	c.create("demands", renewal, nil, "renewed_loan", "loan_of_other_enterprise")
	d := c.create("demands", with(renewal, row{"enterprise": c.enterprise.Id}), c.staff, "", "")
	void := row{"demand": d.Id, "kind": "stage", "to_stage": "void", "at": c.at(0), "reason": "no_longer_needed"}
	c.create("demand_events", void, c.staff, "reason", "void_only_duplicate")
	c.create("demand_events", void, nil, "reason", "void_only_duplicate")
	c.create("demand_events", with(void, row{"reason": "duplicate"}), c.staff, "", "")
}

func TestACultivationEndsInADemandOrWithAReasonThatClosesTheOneThatWaited(t *testing.T) {
	c := openCounter(t)
	begun := row{"enterprise": c.enterprise.Id, "missing": []string{"poor_books", "no_collateral"}, "started_on": c.at(0), "status": "active"}
	c.create("cultivations", with(begun, row{"demand_from": c.demand.Id}), c.staff, "demand_from", "demand_never_cultivated")
	c.create("cultivations", with(begun, row{"enterprise": c.neighbour.Id, "demand_from": c.demand.Id}), c.staff, "demand_from", "demand_of_other_enterprise")
	c.create("cultivations", with(begun, row{"started_on": c.at(24)}), c.staff, "started_on", "date_in_future")
	c.event(row{"to_stage": "cultivating", "reason": "no_collateral"})
	first := c.create("cultivations", with(begun, row{"demand_from": c.demand.Id}), c.worker, "", "")
	c.wants(first, "harbour", c.harbour.Id)
	c.wants(first, "tutor", c.worker.Id)
	c.create("cultivations", begun, c.staff, "enterprise", "cultivation_active")
	c.create("cultivations", begun, nil, "enterprise", "cultivation_active")
	c.change(first, row{"status": "dropped"}, c.worker, "drop_reason", "reason_needed")
	c.change(first, row{"status": "dropped", "drop_reason": "停业", "ended_on": c.at(-24)}, c.worker, "ended_on", "ends_before_start")
	dropped := c.change(first, row{"status": "dropped", "drop_reason": "停业"}, c.worker, "", "")
	c.wants(dropped, "ended_on", c.at(0))
	c.wants(c.demand, "stage", "closed")
	closing, err := c.app.FindFirstRecordByFilter("demand_events", "demand = {:d} && to_stage = 'closed'", row{"d": c.demand.Id})
	if err != nil {
		t.Fatal(err)
	}
	c.wants(closing, "reason", "other") // 账务不全 is no reason of a demand
	c.wants(closing, "by", c.worker.Id)
	c.change(first, row{"status": "active"}, c.staff, "status", "cultivation_ended")

	second := c.create("cultivations", begun, c.staff, "", "")
	c.change(second, row{"status": "graduated"}, c.staff, "demand_to", "demand_needed")
	stranger := c.save("demands", row{"enterprise": c.neighbour.Id, "kind": "first_loan", "need": "working_capital", "amount": 1})
	c.change(second, row{"status": "graduated", "demand_to": stranger.Id}, c.staff, "demand_to", "demand_of_other_enterprise")
	next := c.save("demands", row{"enterprise": c.enterprise.Id, "kind": "first_loan", "need": "working_capital", "amount": 1})
	c.save("demand_events", row{"demand": next.Id, "kind": "stage", "to_stage": "void", "reason": "duplicate", "at": c.at(0)})
	c.change(second, row{"status": "graduated", "demand_to": next.Id}, c.staff, "demand_to", "demand_is_void")
	next = c.save("demands", row{"enterprise": c.enterprise.Id, "kind": "first_loan", "need": "working_capital", "amount": 1})
	c.change(second, row{"status": "graduated", "demand_to": next.Id}, c.staff, "", "")

	c.save("demand_events", row{"demand": next.Id, "kind": "stage", "to_stage": "accepted", "at": c.at(0)})
	c.save("demand_events", row{"demand": next.Id, "kind": "stage", "to_stage": "cultivating", "reason": "bad_credit", "at": c.at(0)})
	third := c.create("cultivations", with(begun, row{"demand_from": next.Id}), c.staff, "", "")
	c.wants(c.change(third, row{"status": "graduated"}, c.staff, "", ""), "demand_to", next.Id)
	c.wants(next, "stage", "cultivating") // it goes on to a bank, or is closed by the counter
}

func TestAPolicyIsPushedWhileItIsInForceAndAReceiptHasItsTime(t *testing.T) {
	c := openCounter(t)
	policy := c.save("policies", row{"title": "支小再贷款", "kind": "credit", "valid_from": "2026-10-31 16:00:00.000Z", "valid_until": "2026-11-19 16:00:00.000Z"})
	ended := c.save("policies", row{"title": "旧政策", "kind": "credit", "valid_until": "2026-11-18 16:00:00.000Z"})
	visit := c.save("visits", row{"enterprise": c.neighbour.Id, "worker": c.worker.Id, "started_at": c.at(-1), "outcome": "met"})
	push := row{"policy": policy.Id, "enterprise": c.enterprise.Id, "channel": "visit", "at": c.at(0)}
	p := c.create("policy_pushes", push, c.worker, "", "")
	c.wants(p, "harbour", c.harbour.Id)
	c.wants(p, "by", c.worker.Id)
	c.wants(p, "receipt", "none")
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"not after its last day", row{"policy": ended.Id}, "policy", "policy_not_in_force"},
		{"not before its first day", row{"at": "2026-10-31 15:00:00.000Z"}, "policy", "policy_not_in_force"},
		{"not in the future", row{"at": c.at(2)}, "at", "time_in_future"},
		{"on a visit to the same enterprise", row{"visit": visit.Id}, "visit", "visit_of_other_enterprise"},
		{"a receipt has its time", row{"receipt": "signed"}, "receipt_at", "receipt_time_needed"},
		{"a time is of a receipt", row{"receipt_at": c.at(0)}, "receipt", "receipt_needed"},
		{"no receipt before the push", row{"receipt": "signed", "receipt_at": c.at(-2)}, "receipt_at", "time_before_previous"},
		{"no receipt in the future", row{"receipt": "signed", "receipt_at": c.at(2)}, "receipt_at", "time_in_future"},
	} {
		t.Log(x.says)
		c.create("policy_pushes", with(push, x.values), c.worker, x.field, x.code)
		c.create("policy_pushes", with(push, x.values), nil, x.field, x.code)
	}
	c.change(p, row{"receipt": "phone", "receipt_at": c.at(0)}, c.worker, "", "")
}

func TestABankListsOnlyItsOwnCreditLinesAndNeverMoreUsedThanGranted(t *testing.T) {
	c := openCounter(t)
	product := c.save("products", row{"name": "惠民贷", "bank": c.other.Id})
	line := row{"enterprise": c.enterprise.Id, "amount": 100_000, "authorised_on": "2026-11-19 16:00:00.000Z", "valid_until": "2027-11-19 16:00:00.000Z"}
	own := c.create("credit_lines", line, c.clerk, "", "")
	c.wants(own, "bank", c.bank.Id)
	c.wants(own, "harbour", c.harbour.Id)
	c.wants(own, "scope_harbour", c.harbour.Id) // the harbour's own host bank
	other := c.create("credit_lines", with(line, row{"bank": c.other.Id}), c.otherClerk, "", "")
	c.wants(other, "scope_harbour", "")
	c.create("credit_lines", with(line, row{"bank": c.other.Id}), c.clerk, "bank", "line_not_own")
	c.create("credit_lines", with(line, row{"bank": c.bank.Id}), c.staff, "bank", "line_not_own")
	c.change(other, row{"used": 1}, c.clerk, "bank", "line_not_own")
	for _, x := range []struct {
		values      row
		field, code string
	}{
		{row{"used": 100_001}, "used", "used_above_line"},
		{row{"authorised_on": "2026-11-20 16:00:00.000Z"}, "authorised_on", "date_in_future"},
		{row{"valid_until": "2026-11-18 16:00:00.000Z"}, "valid_until", "ends_before_start"},
		{row{"product": product.Id}, "product", "product_of_other_bank"},
	} {
		c.change(own, x.values, c.clerk, x.field, x.code)
		c.create("credit_lines", with(line, with(row{"bank": c.bank.Id}, x.values)), nil, x.field, x.code)
	}
	c.change(own, row{"used": 100_000}, c.clerk, "", "")
}

func TestAKeyEnterpriseIsServedByANamedPersonOfItsHarbourOrHostBank(t *testing.T) {
	c := openCounter(t)
	listed := row{"key_listed_on": "2026-10-31 16:00:00.000Z", "key_list_source": "区经济信息委", "service_staff": c.staff.Id}
	c.change(c.enterprise, listed, nil, "", "")
	for _, x := range []struct {
		values      row
		field, code string
	}{
		{row{"key_list_source": ""}, "key_listed_on", "key_list_incomplete"},
		{row{"key_listed_on": ""}, "key_listed_on", "key_list_incomplete"},
		{row{"service_staff": c.stranger.Id}, "service_staff", "staff_not_of_harbour"},
		{row{"service_staff": c.worker.Id}, "service_staff", "staff_not_of_harbour"},
		{row{"service_staff": c.otherClerk.Id}, "service_staff", "staff_not_of_harbour"},
		{row{"service_staff": c.staff.Id, "grid": ""}, "service_staff", "staff_not_of_harbour"},
	} {
		c.change(c.neighbour, with(listed, x.values), nil, x.field, x.code)
	}
	c.change(c.neighbour, with(listed, row{"service_staff": c.clerk.Id}), nil, "", "")
	// People move on later: that is seen in the figures and stops nobody else's correction.
	c.staff.Set("harbour", c.elsewhere.Id)
	if err := c.app.Save(c.staff); err != nil {
		t.Fatal(err)
	}
	c.change(c.enterprise, row{"address": "高笋塘1号"}, c.worker, "", "")
}
