package hooks

import (
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// lending is a demand of one enterprise that a bank has approved, and the bank's clerk.
type lending struct {
	*testing.T
	app                 core.App
	now                 time.Time
	bank, clerk, demand *core.Record
	harbour, other      *core.Record
	match, enterprise   *core.Record
}

func openLending(t *testing.T) *lending {
	t.Helper()
	l := &lending{T: t, app: migratedApp(t), now: time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)}
	Bind(l.app, func() time.Time { return l.now })
	l.bank = l.save("banks", map[string]any{"name": "江城银行", "kind": "bank"})
	l.other = l.save("banks", map[string]any{"name": "惠民银行", "kind": "bank"})
	street := l.save("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"})
	l.harbour = l.save("harbours", map[string]any{"number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": l.bank.Id, "area": street.Id})
	grid := l.save("grids", map[string]any{"code": "G1", "name": "一网格", "area": street.Id, "harbour": l.harbour.Id, "kind": "community"})
	l.enterprise = l.save("enterprises", map[string]any{"name": "张三面馆", "grid": grid.Id, "kind": "individual_business"})
	l.clerk = l.save("users", map[string]any{"email": "clerk@test.test", "password": "harbour-2026", "name": "柜员", "role": "bank", "bank": l.bank.Id})
	l.demand = l.save("demands", map[string]any{"enterprise": l.enterprise.Id, "kind": "first_loan", "need": "working_capital", "amount": 200_000})
	l.event(map[string]any{"to_stage": "accepted"})
	l.match = l.save("demand_matches", map[string]any{"demand": l.demand.Id, "bank": l.bank.Id})
	return l
}

func (l *lending) try(collection string, values map[string]any, actor *core.Record) (*core.Record, error) {
	l.Helper()
	c, err := l.app.FindCollectionByNameOrId(collection)
	if err != nil {
		l.Fatal(err)
	}
	r := core.NewRecord(c)
	for k, v := range values {
		r.Set(k, v)
	}
	return r, l.app.SaveWithContext(WithActor(l.Context(), actor), r)
}

func (l *lending) save(collection string, values map[string]any) *core.Record {
	l.Helper()
	r, err := l.try(collection, values, nil)
	if err != nil {
		l.Fatalf("%s: %v", collection, err)
	}
	return r
}

func (l *lending) event(values map[string]any) {
	l.Helper()
	l.now = l.now.Add(time.Minute)
	all := map[string]any{"demand": l.demand.Id, "kind": "stage", "at": l.now}
	for k, v := range values {
		all[k] = v
	}
	l.save("demand_events", all)
}

func (l *lending) approve(amount int) {
	l.Helper()
	l.event(map[string]any{"match": l.match.Id, "to_stage": "applied"})
	l.event(map[string]any{"match": l.match.Id, "to_stage": "approved", "amount": amount})
}

func (l *lending) contract(more map[string]any) map[string]any {
	all := map[string]any{"demand": l.demand.Id, "bank": l.bank.Id, "contract_no": "HT-1", "amount": 150_000, "disbursed_on": "2026-11-19 16:00:00.000Z",
		"kind": "first_loan", "borrower": "individual_business", "purpose": "business", "synced_at": Stored(l.now)}
	for k, v := range more {
		all[k] = v
	}
	return all
}

func (l *lending) refused(values map[string]any, actor *core.Record, field, code string) {
	l.Helper()
	_, err := l.try("loans", values, actor)
	got, _ := FieldErrorsOf(err)
	if got[field].Code != code {
		l.Errorf("wanted %s to be refused with %s, got %v (%v)", field, code, got, err)
	}
}

func TestALoanIsTheDemandsDisbursement(t *testing.T) {
	l := openLending(t)
	l.refused(l.contract(nil), l.clerk, "demand", "approval_needed")
	l.approve(150_000)
	l.refused(l.contract(map[string]any{"amount": 150_001}), l.clerk, "amount", "amount_above_approval")
	l.refused(l.contract(map[string]any{"disbursed_on": "2026-11-18 16:00:00.000Z"}), l.clerk, "disbursed_on", "time_before_previous")
	l.refused(l.contract(map[string]any{"disbursed_on": "2026-11-20 16:00:00.000Z"}), l.clerk, "disbursed_on", "date_in_future")
	l.refused(l.contract(map[string]any{"matures_on": "2026-11-19 16:00:00.000Z"}), l.clerk, "matures_on", "ends_before_start")
	l.refused(l.contract(map[string]any{"first_loan_checked_on": "2026-11-20 16:00:00.000Z"}), l.clerk, "first_loan_checked_on", "checked_after_loan")
	loan, err := l.try("loans", l.contract(nil), l.clerk)
	if err != nil {
		t.Fatal(err)
	}
	demand, _ := l.app.FindRecordById("demands", l.demand.Id)
	step, err := l.app.FindRecordById("demand_events", loan.Id)
	if err != nil {
		t.Fatal("the step bears the loan's id:", err)
	}
	// The demand was approved at 10 o'clock of the day on which the money went out: the step is not before the approval.
	if demand.GetString("stage") != "disbursed" || step.GetInt("amount") != 150_000 || step.GetString("by") != l.clerk.Id ||
		step.GetDateTime("at").Time().Before(l.now) {
		t.Errorf("demand %s, step %v", demand.GetString("stage"), step.PublicExport())
	}
	if loan.GetString("enterprise") != l.enterprise.Id || loan.GetString("harbour") != l.harbour.Id || loan.GetString("scope_harbour") != l.harbour.Id {
		t.Errorf("the loan takes enterprise and harbour from its demand: %v", loan.FieldsData())
	}
	l.change(loan, map[string]any{"settled_on": "2026-11-19 16:00:00.000Z"}, l.clerk, "", "")
	if _, err := l.try("loans", l.contract(map[string]any{"contract_no": "HT-2", "amount": 1000}), l.clerk); err != nil {
		t.Error("a second contract of the same demand is no second disbursement, and no error:", err)
	}
	l.refused(l.contract(map[string]any{"contract_no": " ht－2", "amount": 1000}), l.clerk, "contract_no", "not_unique") // the same, typed otherwise
	l.refused(l.contract(map[string]any{"contract_no": " 　"}), l.clerk, "contract_no", "required")
}

// change saves new values of a record; field and code say how it must be refused, if at all.
func (l *lending) change(r *core.Record, values map[string]any, actor *core.Record, field, code string) *core.Record {
	l.Helper()
	fresh, err := l.app.FindRecordById(r.Collection(), r.Id)
	if err != nil {
		l.Fatal(err)
	}
	for k, v := range values {
		fresh.Set(k, v)
	}
	l.told(l.app.SaveWithContext(WithActor(l.Context(), actor), fresh), field, code)
	return fresh
}

// create makes a record; field and code say how it must be refused, if at all.
func (l *lending) create(collection string, values map[string]any, actor *core.Record, field, code string) *core.Record {
	l.Helper()
	r, err := l.try(collection, values, actor)
	l.told(err, field, code)
	return r
}

func (l *lending) told(err error, field, code string) {
	l.Helper()
	got, _ := FieldErrorsOf(err)
	switch {
	case code == "" && err != nil:
		l.Fatalf("wanted it taken, got %v", err)
	case code != "" && got[field].Code != code:
		l.Fatalf("wanted %s to be refused with %s, got %v (%v)", field, code, got, err)
	case code != "" && got[field].Message == Message("invalid"):
		l.Fatalf("%s has no sentence for people", code)
	}
}

func TestContractsOfADemandThatAreOutTogetherNeverExceedItsApproval(t *testing.T) {
	l := openLending(t)
	l.approve(150_000)
	first := l.create("loans", l.contract(map[string]any{"amount": 100_000, "revolving": true}), l.clerk, "", "")
	l.create("loans", l.contract(map[string]any{"contract_no": "HT-2", "amount": 50_001}), l.clerk, "amount", "amount_above_approval")
	second := l.create("loans", l.contract(map[string]any{"contract_no": "HT-2", "amount": 50_000, "matures_on": "2026-11-29 16:00:00.000Z"}), l.clerk, "", "")
	l.change(second, map[string]any{"amount": 50_001}, nil, "amount", "amount_above_approval")
	// Eleven days on, the second has matured: its amount is free again, the first one's not.
	l.now = l.now.Add(11 * 24 * time.Hour)
	december := map[string]any{"contract_no": "HT-3", "amount": 50_001, "disbursed_on": "2026-11-30 16:00:00.000Z"}
	l.create("loans", l.contract(december), l.clerk, "amount", "amount_above_approval")
	december["amount"] = 50_000
	l.create("loans", l.contract(december), l.clerk, "", "")
	l.change(first, map[string]any{"settled_on": "2026-11-18 16:00:00.000Z"}, l.clerk, "settled_on", "settled_before_loan")
	l.change(first, map[string]any{"settled_on": "2026-12-01 16:00:00.000Z"}, l.clerk, "settled_on", "date_in_future")
	l.change(first, map[string]any{"settled_on": "2026-11-29 16:00:00.000Z"}, l.clerk, "", "")
	l.create("loans", l.contract(map[string]any{"contract_no": "HT-4", "amount": 100_000, "disbursed_on": "2026-11-30 16:00:00.000Z"}), l.clerk, "", "")
	l.change(first, map[string]any{"settled_on": ""}, l.clerk, "amount", "amount_above_approval")
	// Another bank's approval of the same demand has its own limit, and a loan without demand none.
	l.create("loans", l.contract(map[string]any{"contract_no": "HT-5", "demand": "", "amount": 900_000}), l.clerk, "", "")
}

func TestNothingIsLentOnADemandThatHasEnded(t *testing.T) {
	l := openLending(t)
	l.approve(150_000)
	l.event(map[string]any{"to_stage": "withdrawn", "reason": "self_financed"})
	l.refused(l.contract(nil), l.clerk, "demand", "demand_ended")
}

func TestALoanTypedAtTheConsoleIsReceivedAtOnceAndDrawsOnTheLatestApproval(t *testing.T) {
	l := openLending(t)
	l.approve(150_000)
	values := l.contract(map[string]any{"synced_at": ""})
	if loan := l.save("loans", values); !loan.GetDateTime("synced_at").Time().Equal(l.now) {
		t.Error(loan.GetDateTime("synced_at"))
	}
}

func TestABankSpeaksForItselfAloneAndEvidenceOnlyRises(t *testing.T) {
	l := openLending(t)
	l.approve(150_000)
	l.refused(l.contract(map[string]any{"bank": l.other.Id}), l.clerk, "bank", "bank_not_own")
	l.refused(l.contract(map[string]any{"evidence": "system"}), l.clerk, "evidence", "role_not_allowed")
	loan, err := l.try("loans", l.contract(nil), l.clerk)
	if err != nil {
		t.Fatal(err)
	}
	if loan.GetString("evidence") != "bank_entered" || !loan.GetDateTime("confirmed_at").IsZero() {
		t.Errorf("what a clerk enters is 银行填报 and not yet confirmed: %v", loan.FieldsData())
	}
	set := func(level string) error {
		r, err := l.app.FindRecordById("loans", loan.Id)
		if err != nil {
			t.Fatal(err)
		}
		r.Set("evidence", level)
		return l.app.SaveWithContext(WithActor(t.Context(), l.clerk), r)
	}
	lowered := func(level string) {
		t.Helper()
		if told, _ := FieldErrorsOf(set(level)); told["evidence"].Code != "evidence_lowered" {
			t.Errorf("%s: %v", level, told)
		}
	}
	lowered("self_reported")
	l.now = l.now.Add(time.Hour)
	if err := set("bank_confirmed"); err != nil {
		t.Fatal(err)
	}
	r, _ := l.app.FindRecordById("loans", loan.Id)
	if got := r.GetDateTime("confirmed_at").Time(); !got.Equal(l.now) {
		t.Error("the moment of confirmation is the server's:", got)
	}
	lowered("bank_entered")
}

func TestAnotherBanksLoanIsNotShownToTheHarbour(t *testing.T) {
	l := openLending(t)
	own := l.save("loans", map[string]any{"bank": l.bank.Id, "harbour": l.harbour.Id, "amount": 1, "disbursed_on": "2026-11-01 00:00:00.000Z"})
	other := l.save("loans", map[string]any{"bank": l.other.Id, "harbour": l.harbour.Id, "amount": 1, "disbursed_on": "2026-11-01 00:00:00.000Z"})
	if own.GetString("scope_harbour") != l.harbour.Id || other.GetString("scope_harbour") != "" || other.GetString("scope_bank") != l.other.Id {
		t.Errorf("own %q, other %q", own.GetString("scope_harbour"), other.GetString("scope_harbour"))
	}
	if own.GetString("evidence") != "self_reported" {
		t.Error("nobody vouched for it:", own.GetString("evidence"))
	}
}
