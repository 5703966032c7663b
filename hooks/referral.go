package hooks

import (
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// The way of a department's list (§三(三)一 向银行推送企业): the department delivers it, 人行 checks it, sends it back or dispatches
// it to banks, and each bank answers its rows.
var batchSteps = map[string][]string{
	"expected": {"uploaded"},
	"uploaded": {"checked", "returned"},
	"returned": {"uploaded"},
	"checked":  {"dispatched"},
}

// withDepartment are the states in which the department may still write its list.
var withDepartment = []string{"expected", "uploaded", "returned"}

// BindReferral runs the rules of departments' lists and their rows.
func BindReferral(app core.App, now Clock) {
	OnCreate(app, "referral_batches", func(e *core.RecordEvent) error {
		if err := prepareNew(e, now(), prepareBatch); err != nil {
			return err
		}
		return e.Next()
	})
	app.OnRecordUpdate("referral_batches").BindFunc(func(e *core.RecordEvent) error {
		// The rows that a check or a dispatch has seen are the rows it is about.
		return inTransaction(e, func(tx core.App) error {
			return prepareBatch(tx, e.Record, actorOf(e.Context), now())
		}, func(core.App) error { return nil })
	})
	onSave(app, "referrals", now, prepareReferral)
	app.OnRecordDelete("referrals").BindFunc(func(e *core.RecordEvent) error {
		if actor := actorOf(e.Context); actor != nil {
			batch, err := e.App.FindRecordById("referral_batches", e.Record.GetString("batch"))
			if err != nil {
				return err
			}
			if err := mayList(batch, actor); err != nil {
				return err
			}
		}
		return e.Next()
	})
}

func prepareBatch(app core.App, r, actor *core.Record, now time.Time) error {
	before, status := r.Original().GetString("status"), r.GetString("status")
	department := actor != nil && hasRole(actor, "department")
	switch {
	case r.IsNew():
		before = ""
		if actor != nil && status != "expected" && status != "uploaded" {
			return Violation("status", "stage_not_allowed")
		}
	case department && !slices.Contains(withDepartment, before):
		return Violation("_", "batch_closed")
	}
	if department && actor.GetString("agency") != r.GetString("agency") {
		return Violation("agency", "role_not_allowed")
	}
	if status == before {
		return nil
	}
	if !r.IsNew() && !slices.Contains(batchSteps[before], status) {
		return Violation("status", "stage_not_allowed")
	}
	if actor != nil && status != "uploaded" && status != "expected" && !hasRole(actor, "official") {
		return Violation("status", "role_not_allowed")
	}
	stamp := func(moment, person string) {
		if actor != nil || !changed(r, moment) {
			r.Set(moment, Stored(now))
		}
		if actor != nil && person != "" {
			r.Set(person, actor.Id)
		}
	}
	switch status {
	case "uploaded": // what came back and is delivered anew counts from then: a list to be returned was not the list due
		stamp("delivered_at", "")
	case "returned":
		if r.GetString("return_reason") == "" {
			return Violation("return_reason", "reason_needed")
		}
	case "checked":
		stamp("checked_at", "checked_by")
		return everyRow(app, r, "enterprise", "rows_unmatched")
	case "dispatched":
		stamp("dispatched_at", "dispatched_by")
		if err := everyRow(app, r, "enterprise", "rows_unmatched"); err != nil {
			return err
		}
		return everyRow(app, r, "bank", "rows_without_bank")
	}
	return nil
}

// everyRow refuses a list that is empty or has rows without a value in the field, and names the rows.
func everyRow(app core.App, batch *core.Record, field, code string) error {
	if batch.IsNew() {
		return nil // written at the console as it once was; its rows follow
	}
	rows, err := app.FindAllRecords("referrals", dbx.HashExp{"batch": batch.Id})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return Violation("status", "batch_empty")
	}
	var names []string
	for _, row := range rows {
		if row.GetString(field) == "" {
			names = append(names, row.GetString("enterprise_name"))
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		return ViolationOf("status", code, strings.Join(names, "、"))
	}
	return nil
}

var (
	listFields   = []string{"enterprise", "enterprise_name", "enterprise_phone", "why", "wanted"}
	answerFields = []string{"contacted_at", "answer", "answered_at", "answer_note", "demand"}
)

func prepareReferral(app core.App, r, actor *core.Record, now time.Time) error {
	batch, err := app.FindRecordById("referral_batches", r.GetString("batch"))
	if err != nil {
		return Violation("batch", "unknown_reference")
	}
	if actor != nil {
		if err := mayWriteReferral(app, r, batch, actor); err != nil {
			return err
		}
	}
	if r.IsNew() {
		r.Set("batch_status", batch.GetString("status"))
	}
	if changed(r, "enterprise") {
		if enterprise, err := app.FindRecordById("enterprises", r.GetString("enterprise")); err == nil {
			defaultTo(r, "enterprise_name", enterprise.GetString("name"))
			defaultTo(r, "enterprise_phone", enterprise.GetString("phone"))
		}
	}
	if err := checkAnswer(r, batch, now); err != nil {
		return err
	}
	defaultTo(r, "answer", "none")
	if _, err := demandOf(app, r, "demand"); err != nil {
		return err
	}
	if r.IsNew() {
		return SetScopes(app, r) // who holds it depends on the list's state
	}
	return nil
}

// mayList: a department writes its list until 人行 has it checked, those who check mend and assign until it is dispatched.
func mayList(batch, actor *core.Record) error {
	status := batch.GetString("status")
	switch {
	case hasRole(actor, "official") && status != "dispatched":
		return nil
	case hasRole(actor, "official"):
		return Violation("_", "batch_dispatched")
	case !hasRole(actor, "department") || actor.GetString("agency") != batch.GetString("agency"):
		return Violation("_", "role_not_allowed")
	case !slices.Contains(withDepartment, status):
		return Violation("_", "batch_closed")
	}
	return nil
}

func mayWriteReferral(app core.App, r, batch, actor *core.Record) error {
	if r.IsNew() || anyChanged(r, listFields...) || changed(r, "bank") {
		if err := mayList(batch, actor); err != nil {
			return err
		}
		if changed(r, "bank") && !hasRole(actor, "official") {
			return Violation("bank", "role_not_allowed")
		}
	}
	if !anyChanged(r, answerFields...) || r.IsNew() && r.GetString("answer") == "none" {
		return nil
	}
	switch {
	case hasRole(actor, "bank"):
		if actor.GetString("bank") != r.GetString("bank") {
			return Violation("bank", "referral_not_own")
		}
	case hasRole(actor, "harbour_staff", "harbour_head"):
		// The counter speaks for the bank that hosts it, for no other.
		harbour, err := app.FindRecordById("harbours", actor.GetString("harbour"))
		if err != nil || harbour.GetString("host_bank") != r.GetString("bank") {
			return Violation("bank", "referral_not_own")
		}
	default:
		return Violation("answer", "role_not_allowed")
	}
	return nil
}

func checkAnswer(r, batch *core.Record, now time.Time) error {
	contacted, answered := r.GetDateTime("contacted_at"), r.GetDateTime("answered_at")
	given := r.GetString("answer") != "" && r.GetString("answer") != "none"
	switch {
	case (given || !contacted.IsZero() || !answered.IsZero()) && batch.GetString("status") != "dispatched":
		return Violation("answer", "batch_not_dispatched")
	case given && answered.IsZero():
		return Violation("answered_at", "answer_time_needed")
	case precedes(r, contacted, batch.GetDateTime("dispatched_at")):
		return Violation("contacted_at", "time_before_previous")
	case precedes(r, answered, contacted), precedes(r, answered, batch.GetDateTime("dispatched_at")):
		return Violation("answered_at", "time_before_previous")
	}
	for _, f := range []string{"contacted_at", "answered_at"} {
		if changed(r, f) {
			if err := notYet(r, now, f); err != nil {
				return err
			}
		}
	}
	return nil
}
