package hooks

import (
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindPolicyPush runs the rules of policies brought to enterprises (§三(二)二 政策宣传直达): what is no longer in force is not
// pushed, and a receipt has its time.
func BindPolicyPush(app core.App, now Clock) {
	onSave(app, "policy_pushes", now, preparePolicyPush)
}

func preparePolicyPush(app core.App, r, actor *core.Record, now time.Time) error {
	if r.IsNew() {
		if err := openPolicyPush(app, r, actor, now); err != nil {
			return err
		}
	}
	defaultTo(r, "receipt", "none")
	acknowledged, at := r.GetString("receipt") != "none", r.GetDateTime("receipt_at")
	switch {
	case acknowledged && at.IsZero():
		return Violation("receipt_at", "receipt_time_needed")
	case !acknowledged && !at.IsZero():
		return Violation("receipt", "receipt_needed")
	case precedes(r, at, r.GetDateTime("at")):
		return Violation("receipt_at", "time_before_previous")
	}
	if changed(r, "receipt_at") {
		return notYet(r, now, "receipt_at")
	}
	return nil
}

func openPolicyPush(app core.App, r, actor *core.Record, now time.Time) error {
	defaultTo(r, "at", r.GetString("captured_at"))
	if actor != nil {
		defaultTo(r, "by", actor.Id)
	}
	if err := notYet(r, now, "at"); err != nil {
		return err
	}
	if policy, err := app.FindRecordById("policies", r.GetString("policy")); err == nil {
		day := Day(r.GetDateTime("at").Time())
		from, until := policy.GetDateTime("valid_from"), policy.GetDateTime("valid_until")
		if !from.IsZero() && day < Day(from.Time()) || !until.IsZero() && day > Day(until.Time()) {
			return Violation("policy", "policy_not_in_force")
		}
	}
	if visit, err := app.FindRecordById("visits", r.GetString("visit")); err == nil && visit.GetString("enterprise") != r.GetString("enterprise") {
		return Violation("visit", "visit_of_other_enterprise")
	}
	if enterprise, err := app.FindRecordById("enterprises", r.GetString("enterprise")); err == nil {
		defaultTo(r, "harbour", enterprise.GetString("scope_harbour"))
	}
	return nil
}
