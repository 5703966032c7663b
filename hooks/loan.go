package hooks

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/width"
)

// evidenceLevels in rising order (证据等级): a loan is never believed less than before.
var evidenceLevels = []string{"self_reported", "bank_entered", "bank_confirmed", "system"}

// BindLoan runs the rules of loans, one row per contract. A loan that answers a demand is that demand's disbursement:
// the step is noted with it, in the same transaction.
func BindLoan(app core.App, now Clock) {
	OnCreate(app, "loans", func(e *core.RecordEvent) error {
		var match *core.Record
		return inTransaction(e, func(tx core.App) (err error) {
			match, err = prepareLoan(tx, e.Record, actorOf(e.Context), now())
			return err
		}, func(tx core.App) error {
			if match == nil {
				return nil
			}
			return disburse(e.Context, tx, e.Record, match)
		})
	})
	app.OnRecordUpdate("loans").BindFunc(func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			return checkLoanChange(tx, e.Record, actorOf(e.Context), now())
		}, func(core.App) error { return nil })
	})
	OnValidate(app, "loans", func(e *core.RecordEvent) error {
		if err := checkLoan(e.Record, now()); err != nil {
			return err
		}
		return e.Next()
	})
}

// prepareLoan fills in what follows from the demand and returns the match that the loan fulfils, if it answers a demand.
func prepareLoan(app core.App, r, actor *core.Record, now time.Time) (match *core.Record, err error) {
	if err := tidyContract(r, actor); err != nil {
		return nil, err
	}
	defaultTo(r, "captured_at", Stored(now))
	defaultTo(r, "synced_at", Stored(now)) // typed at a desk is received at once
	level := "self_reported"
	if actor != nil {
		defaultTo(r, "bank", actor.GetString("bank"))
		level = "bank_entered"
	}
	defaultTo(r, "evidence", level)
	if err := checkEvidence(r, actor, "", now); err != nil {
		return nil, err
	}
	if id := r.GetString("demand"); id != "" {
		if match, err = matchOfLoan(app, r, id); err != nil {
			return nil, err
		}
	}
	if id := r.GetString("enterprise"); id != "" && r.GetString("harbour") == "" {
		enterprise, err := app.FindRecordById("enterprises", id)
		if err != nil {
			return nil, Violation("enterprise", "unknown_reference")
		}
		r.Set("harbour", enterprise.GetString("scope_harbour"))
	}
	// The harbour that decides who sees the loan is known only now.
	return match, SetScopes(app, r)
}

// matchOfLoan finds the approval that the loan draws on: a loan never precedes it, and what is out never exceeds it.
func matchOfLoan(app core.App, r *core.Record, id string) (*core.Record, error) {
	demand, err := app.FindRecordById("demands", id)
	if err != nil {
		return nil, Violation("demand", "unknown_reference")
	}
	defaultTo(r, "enterprise", demand.GetString("enterprise"))
	if r.GetString("enterprise") != demand.GetString("enterprise") {
		return nil, Violation("enterprise", "enterprise_of_other_demand")
	}
	defaultTo(r, "harbour", demand.GetString("harbour"))
	if stage := demand.GetString("stage"); stage != "disbursed" && slices.Contains(finalStages, stage) {
		return nil, Violation("demand", "demand_ended")
	}
	match, err := approvalOf(app, r)
	if err != nil {
		return nil, err
	}
	if err := checkOutstanding(app, r, match); err != nil {
		return nil, err
	}
	if Day(r.GetDateTime("disbursed_on").Time()) < Day(match.GetDateTime("decided_at").Time()) {
		return nil, Violation("disbursed_on", "time_before_previous")
	}
	return match, nil
}

// approvalOf is the bank's latest approval of the loan's demand.
func approvalOf(app core.App, r *core.Record) (*core.Record, error) {
	match := &core.Record{}
	err := app.RecordQuery("demand_matches").AndWhere(dbx.HashExp{"demand": r.GetString("demand"), "bank": r.GetString("bank"), "result": "approved"}).
		OrderBy("decided_at DESC", "id").Limit(1).One(match)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, Violation("demand", "approval_needed")
	}
	return match, err
}

// checkOutstanding: on no day may the contracts of one demand at one bank that are out together exceed what was approved. What
// is settled or has matured frees its amount (循环授信); draws under a 随借随还 contract are within its own amount and no rows.
func checkOutstanding(app core.App, r, match *core.Record) error {
	others, err := app.FindAllRecords("loans", dbx.HashExp{"demand": r.GetString("demand"), "bank": r.GetString("bank")}, dbx.Not(dbx.HashExp{"id": r.Id}))
	if err != nil {
		return err
	}
	out := append(others, r)
	for _, on := range out { // the sum is highest on a day on which some contract begins
		day, sum := loanDay(on, "disbursed_on"), 0
		if !isOut(r, day) {
			continue
		}
		for _, l := range out {
			if isOut(l, day) {
				sum += l.GetInt("amount")
			}
		}
		if sum > match.GetInt("approved_amount") {
			return Violation("amount", "amount_above_approval")
		}
	}
	return nil
}

// isOut tells whether a contract is out on a day: from the day of disbursement to the day before it is settled or matures.
func isOut(loan *core.Record, day string) bool {
	if day < loanDay(loan, "disbursed_on") {
		return false
	}
	for _, end := range []string{"settled_on", "matures_on"} {
		if !loan.GetDateTime(end).IsZero() && day >= loanDay(loan, end) {
			return false
		}
	}
	return true
}

func loanDay(loan *core.Record, field string) string { return Day(loan.GetDateTime(field).Time()) }

// disburse notes the last step of the demand, with the loan's own id: one loan, one step, however often it is sent.
func disburse(ctx context.Context, app core.App, loan, match *core.Record) error {
	demand, err := app.FindRecordById("demands", loan.GetString("demand"))
	if err != nil || slices.Contains(finalStages, demand.GetString("stage")) {
		return err // a further contract for the same demand
	}
	collection, err := app.FindCachedCollectionByNameOrId("demand_events")
	if err != nil {
		return err
	}
	at := loan.GetDateTime("disbursed_on")
	if decided := match.GetDateTime("decided_at"); earlier(at, decided) {
		at = decided // the same day: the loan knows no hour
	}
	step := core.NewRecord(collection)
	step.Set("id", loan.Id)
	for field, value := range map[string]any{"demand": demand.Id, "match": match.Id, "kind": "stage", "to_stage": "disbursed", "at": at, "amount": loan.GetInt("amount")} {
		step.Set(field, value)
	}
	for _, field := range []string{"captured_at", "captured_offset", "synced_at", "device", "skew"} {
		step.Set(field, loan.Get(field))
	}
	if err := SetScopes(app, step); err != nil {
		return err
	}
	return app.SaveWithContext(ctx, step)
}

func checkLoan(r *core.Record, now time.Time) error {
	disbursed := r.GetDateTime("disbursed_on")
	switch {
	case !disbursed.IsZero() && Day(disbursed.Time()) > Day(now):
		return Violation("disbursed_on", "date_in_future")
	case !r.GetDateTime("matures_on").IsZero() && !earlier(disbursed, r.GetDateTime("matures_on")):
		return Violation("matures_on", "ends_before_start")
	case !r.GetDateTime("settled_on").IsZero() && earlier(r.GetDateTime("settled_on"), disbursed):
		return Violation("settled_on", "settled_before_loan")
	case Day(r.GetDateTime("settled_on").Time()) > Day(now):
		return Violation("settled_on", "date_in_future")
	case !r.GetDateTime("first_loan_checked_on").IsZero() && earlier(disbursed, r.GetDateTime("first_loan_checked_on")):
		return Violation("first_loan_checked_on", "checked_after_loan")
	}
	return nil
}

// tidyContract makes one contract one number however it was typed: the index compares letter by letter.
func tidyContract(r, actor *core.Record) error {
	number := strings.ToUpper(strings.Join(strings.Fields(width.Fold.String(r.GetString("contract_no"))), ""))
	r.Set("contract_no", number)
	if actor != nil && number == "" {
		return Violation("contract_no", "required")
	}
	return nil
}

func checkLoanChange(app core.App, r, actor *core.Record, now time.Time) error {
	if err := tidyContract(r, actor); err != nil {
		return err
	}
	if actor != nil && actor.GetString("bank") != r.GetString("bank") {
		return Violation("bank", "bank_not_own")
	}
	// A date of settlement only ever frees an amount; all else may take one.
	longer := changed(r, "settled_on") && r.GetDateTime("settled_on").IsZero()
	if r.GetString("demand") != "" && (longer || anyChanged(r, "demand", "bank", "amount", "disbursed_on", "matures_on")) {
		match, err := approvalOf(app, r)
		if err != nil {
			return err
		}
		if err := checkOutstanding(app, r, match); err != nil {
			return err
		}
	}
	return checkEvidence(r, actor, r.Original().GetString("evidence"), now)
}

// checkEvidence lets the level only rise; a bank speaks for itself, never for a system. The moment of confirmation is the server's.
func checkEvidence(r, actor *core.Record, before string, now time.Time) error {
	if actor != nil && actor.GetString("bank") != r.GetString("bank") {
		return Violation("bank", "bank_not_own")
	}
	level := r.GetString("evidence")
	if slices.Index(evidenceLevels, level) < slices.Index(evidenceLevels, before) {
		return Violation("evidence", "evidence_lowered")
	}
	if actor != nil && level != before && level != "bank_entered" && level != "bank_confirmed" {
		return Violation("evidence", "role_not_allowed")
	}
	if level == "bank_confirmed" || level == "system" {
		defaultTo(r, "confirmed_at", Stored(now))
	}
	return nil
}
