package hooks

import (
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

func (c *counter) agency(name, kind string) *core.Record {
	return c.save("agencies", row{"name": name, "kind": kind})
}

func TestARiskLeadIsReportedAtOnceAndHandedToTheFinancialOfficeFirst(t *testing.T) {
	c := openCounter(t)
	office, police, street := c.agency("区金融办", "financial_office"), c.agency("区公安局", "police"), c.agency("高笋塘街道办", "street")
	hint := row{"kind": "usury", "text": "高利放贷", "grid": c.away.Id, "discovered_at": c.at(-30)}
	c.create("risk_leads", with(hint, row{"discovered_at": c.at(1)}), c.worker, "discovered_at", "time_in_future")
	lead := c.create("risk_leads", with(hint, row{"captured_at": c.at(-1), "reported_at": c.at(-29)}), c.worker, "", "")
	c.wants(lead, "reported_at", c.at(-1)) // the server's, whatever the phone says
	c.wants(lead, "reporter", c.worker.Id)
	c.wants(lead, "harbour", c.elsewhere.Id)
	c.wants(lead, "area", c.harbour.GetString("area"))
	c.wants(c.create("risk_leads", with(hint, row{"grid": ""}), c.staff, "", ""), "harbour", c.harbour.Id)
	c.create("risk_leads", with(hint, row{"captured_at": c.at(-31)}), nil, "discovered_at", "found_after_report")
	handed := row{"handed_at": c.at(0), "handed_to": office.Id}
	passed := with(handed, row{"passed_at": c.at(0), "passed_to": police.Id})
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"a place has its time", row{"handed_to": office.Id}, "handed_to", "agency_and_time"},
		{"a time has its place", row{"handed_at": c.at(0)}, "handed_to", "agency_and_time"},
		{"the office comes first", row{"handed_at": c.at(0), "handed_to": police.Id}, "handed_to", "hand_to_office_first"},
		{"also before it is passed on", row{"passed_at": c.at(0), "passed_to": police.Id}, "handed_to", "hand_first"},
		{"and before it is found true", row{"result": "valid"}, "handed_to", "hand_first"},
		{"not handed before it was reported", with(handed, row{"handed_at": c.at(-2)}), "handed_at", "time_before_previous"},
		{"not handed in the future", with(handed, row{"handed_at": c.at(1)}), "handed_at", "time_in_future"},
		{"not passed on before it was handed", with(passed, row{"passed_at": c.at(-1)}), "passed_at", "time_before_previous"},
		{"not passed on in the future", with(passed, row{"passed_at": c.at(1)}), "passed_at", "time_in_future"},
		{"passed on with a time", with(handed, row{"passed_to": police.Id}), "passed_to", "agency_and_time"},
		{"passed on to those who can act", with(passed, row{"passed_to": street.Id}), "passed_to", "pass_to_authority"},
	} {
		t.Log(x.says)
		c.change(lead, x.values, c.official, x.field, x.code)
		c.change(lead, x.values, nil, x.field, x.code)
	}
	c.change(lead, handed, c.worker, "_", "role_not_allowed")
	c.change(lead, row{"result": "void"}, c.worker, "_", "role_not_allowed")
	c.change(lead, row{"text": "高利放贷，已有三户"}, c.worker, "", "")
	c.change(lead, passed, c.official, "", "")
	c.change(lead, row{"text": "没有这回事"}, c.worker, "text", "lead_handed")
	c.change(lead, row{"result": "valid"}, c.official, "", "")
}

func TestARiskLeadIsSealedToItsReporterAndOfficials(t *testing.T) {
	c := openCounter(t)
	lead := c.create("risk_leads", row{"kind": "usury", "text": "高利放贷", "grid": c.grid.Id, "reporter": c.worker.Id, "discovered_at": c.at(0)}, nil, "", "")
	scopes := strings.Join(RecordScopes(c.fresh(lead)), " ")
	if scopes != UserScope+c.worker.Id+" "+OfficialScope+"all" {
		t.Error("neither harbour nor grid may hold it:", scopes)
	}
}

func openBatch(c *counter) (batch *core.Record) {
	agency := c.agency("区经济信息委", "department")
	c.department = c.save("users", row{"email": "dep@test.test", "password": "harbour-2026", "name": "经信委", "role": "department", "agency": agency.Id})
	return c.create("referral_batches", row{"title": "四季度名单", "agency": agency.Id, "status": "expected", "due": c.at(48)}, c.official, "", "")
}

func TestADepartmentsListIsDeliveredCheckedAndDispatchedByThoseWhoMay(t *testing.T) {
	c := openCounter(t)
	batch := openBatch(c)
	foreign := c.agency("区商务委", "department")
	c.create("referral_batches", row{"title": "冒名", "agency": foreign.Id, "status": "uploaded"}, c.department, "agency", "role_not_allowed")
	c.create("referral_batches", row{"title": "自行分发", "agency": batch.GetString("agency"), "status": "dispatched"}, c.department, "status", "stage_not_allowed")
	rowOf := func(more row) row { return with(row{"batch": batch.Id, "why": []string{"prospect"}}, more) }
	matched := c.create("referrals", rowOf(row{"enterprise": c.enterprise.Id, "enterprise_phone": "13800000001"}), c.department, "", "")
	c.wants(matched, "enterprise_name", "张三面馆")
	c.wants(matched, "enterprise_phone", "13800000001") // as the list has it
	c.wants(matched, "batch_status", "expected")
	unmatched := c.create("referrals", rowOf(row{"enterprise_name": "李四五金店"}), c.department, "", "")
	c.create("referrals", rowOf(row{"enterprise": c.neighbour.Id, "bank": c.bank.Id}), c.department, "bank", "role_not_allowed")
	c.create("referrals", rowOf(row{"enterprise": c.neighbour.Id}), c.staff, "_", "role_not_allowed")
	c.change(matched, row{"answer": "intends", "answered_at": c.at(0)}, c.clerk, "bank", "referral_not_own")

	c.change(batch, row{"status": "checked"}, c.official, "status", "stage_not_allowed")
	c.wants(c.change(batch, row{"status": "uploaded"}, c.department, "", ""), "delivered_at", c.at(0))
	c.change(batch, row{"status": "checked"}, c.department, "status", "role_not_allowed")
	c.change(batch, row{"status": "returned", "return_reason": "x"}, c.department, "status", "role_not_allowed")
	c.change(batch, row{"status": "dispatched"}, c.official, "status", "stage_not_allowed")
	c.change(batch, row{"status": "returned"}, c.official, "return_reason", "reason_needed")
	refused := c.change(batch, row{"status": "checked"}, c.official, "status", "rows_unmatched")
	told, _ := FieldErrorsOf(c.app.SaveWithContext(WithActor(t.Context(), c.official), refused))
	if told["status"].Message != "这些行还没有对应到市场主体：李四五金店" {
		t.Error("the refusal names the rows:", told)
	}
	c.change(batch, row{"status": "returned", "return_reason": "李四五金店查无登记"}, c.official, "", "")
	c.change(unmatched, row{"enterprise": c.neighbour.Id, "why": []string{"green"}}, c.department, "", "")
	c.wants(unmatched, "enterprise_name", "李四五金店")        // as the list has it
	c.wants(unmatched, "enterprise_phone", "13800000004") // copied
	c.now = c.now.Add(72 * time.Hour)
	c.wants(c.change(batch, row{"status": "uploaded"}, c.department, "", ""), "delivered_at", c.at(0)) // late by now
	c.wants(c.change(batch, row{"status": "checked", "checked_at": "2020-01-01 00:00:00.000Z"}, c.official, "", ""), "checked_at", c.at(0))
	c.wants(batch, "checked_by", c.official.Id)

	c.change(batch, row{"title": "改名"}, c.department, "_", "batch_closed")
	c.change(matched, row{"wanted": 5}, c.department, "_", "batch_closed")
	c.change(matched, row{"why": []string{"green"}}, c.department, "_", "batch_closed")
	c.create("referrals", rowOf(row{"enterprise": c.enterprise.Id}), c.department, "_", "batch_closed")
	c.told(c.app.DeleteWithContext(WithActor(t.Context(), c.department), c.fresh(matched)), "_", "batch_closed")
	c.change(matched, row{"bank": c.bank.Id}, c.official, "", "")
	c.change(batch, row{"status": "dispatched"}, c.official, "status", "rows_without_bank")
	c.change(unmatched, row{"bank": c.other.Id}, c.official, "", "")
	second := c.create("referrals", rowOf(row{"enterprise": c.enterprise.Id, "bank": c.other.Id}), c.official, "", "") // one enterprise, two banks
	c.change(matched, row{"answer": "intends", "answered_at": c.at(0)}, c.clerk, "answer", "batch_not_dispatched")
	c.change(matched, row{"answer": "intends", "answered_at": c.at(0)}, nil, "answer", "batch_not_dispatched")
	referred := row{"enterprise": c.enterprise.Id, "kind": "first_loan", "need": "equipment", "amount": 1000, "referral": matched.Id, "channel": "window"}
	c.create("demands", referred, c.staff, "referral", "referral_not_dispatched")
	c.change(batch, row{"status": "dispatched"}, c.official, "", "")
	c.wants(batch, "dispatched_at", c.at(0))
	c.wants(batch, "dispatched_by", c.official.Id)

	c.change(matched, row{"bank": c.other.Id}, c.official, "_", "batch_dispatched")
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"an answer has its time", row{"answer": "intends"}, "answered_at", "answer_time_needed"},
		{"no contact before the dispatch", row{"contacted_at": c.at(-1)}, "contacted_at", "time_before_previous"},
		{"no answer before the dispatch", row{"answer": "intends", "answered_at": c.at(-1)}, "answered_at", "time_before_previous"},
		{"no contact in the future", row{"contacted_at": c.at(1)}, "contacted_at", "time_in_future"},
		{"no answer in the future", row{"answer": "intends", "answered_at": c.at(1)}, "answered_at", "time_in_future"},
	} {
		t.Log(x.says)
		c.change(matched, x.values, c.clerk, x.field, x.code)
		c.change(matched, x.values, nil, x.field, x.code)
	}
	answer := row{"contacted_at": c.at(0), "answer": "intends", "answered_at": c.at(0)}
	c.change(matched, answer, c.otherClerk, "bank", "referral_not_own")
	c.change(second, answer, c.staff, "bank", "referral_not_own") // the counter answers for its host bank alone
	c.change(matched, answer, c.official, "answer", "role_not_allowed")
	c.change(matched, row{"wanted": 5}, c.clerk, "_", "role_not_allowed")
	c.change(matched, answer, c.clerk, "", "")
	c.change(second, answer, c.otherClerk, "", "")
	c.change(matched, row{"answer_note": "已上门", "contacted_at": c.at(0)}, c.staff, "", "")
	neighbours := c.save("demands", row{"enterprise": c.neighbour.Id, "kind": "first_loan", "need": "equipment", "amount": 1000})
	c.change(matched, row{"demand": neighbours.Id}, c.clerk, "demand", "demand_of_other_enterprise")

	c.create("demands", with(referred, row{"enterprise": c.neighbour.Id}), c.staff, "referral", "referral_of_other")
	c.create("demands", with(referred, row{"referral": "nothing00000000"}), c.staff, "referral", "unknown_reference")
	demand := c.create("demands", referred, c.staff, "", "")
	c.wants(demand, "channel", "referral")
	c.wants(matched, "demand", demand.Id)
	c.create("demands", with(referred, row{"need": "green"}), nil, "", "")
	c.wants(matched, "demand", demand.Id) // the first one came of it
}

func TestAnEmptyListIsNotChecked(t *testing.T) {
	c := openCounter(t)
	batch := openBatch(c)
	c.change(batch, row{"status": "uploaded"}, c.department, "", "")
	c.change(batch, row{"status": "checked"}, c.official, "status", "batch_empty")
}
