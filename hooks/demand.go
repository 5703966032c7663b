package hooks

import (
	"context"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// The steps of a demand itself; those of a match are in matchSteps. 采集 → 首问受理 → 对接银行 → 提交申请 → 审批通过 → 放款.
var demandSteps = map[string][]string{
	"captured":    {"accepted", "void", "withdrawn"},
	"accepted":    {"cultivating", "withdrawn"},
	"matched":     {"cultivating", "withdrawn"},
	"applied":     {"withdrawn"},
	"approved":    {"withdrawn"},
	"rejected":    {"cultivating", "closed", "withdrawn"},
	"cultivating": {"closed", "withdrawn"},
}

var matchSteps = map[string][]string{
	"matched":  {"applied", "rejected"},
	"applied":  {"approved", "rejected"},
	"approved": {"disbursed", "rejected"},
}

// matchable are the stages in which a demand may be offered to (another) bank.
var matchable = []string{"accepted", "matched", "applied", "approved", "rejected", "cultivating"}

var (
	finalStages = []string{"disbursed", "withdrawn", "closed", "void"}
	needReason  = []string{"rejected", "cultivating", "closed", "withdrawn", "void"}
	// Clocks differ a little between devices; beyond this an odd clock must not turn work away.
	trustedSkewSeconds = 300.0
)

// BindDemand runs the rules of demands, their matches at banks and their events.
func BindDemand(app core.App, now Clock) {
	app.OnRecordCreate("demands").BindFunc(func(e *core.RecordEvent) error {
		if err := prepareDemand(e.Context, e.App, e.Record, actorOf(e.Context), now()); err != nil {
			return err
		}
		return e.Next()
	})
	app.OnRecordValidate("demands").BindFunc(func(e *core.RecordEvent) error {
		if e.Record.GetString("enterprise") == "" && e.Record.GetString("applicant") == "" {
			return Violation("enterprise", "applicant_needed")
		}
		return e.Next()
	})
	app.OnRecordCreate("demand_matches").BindFunc(func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			return prepareMatch(tx, e.Record, actorOf(e.Context), now())
		}, func(tx core.App) error {
			return restage(tx, e.Record.GetString("demand"), "matched", e.Record.GetDateTime("matched_at"))
		})
	})
	app.OnRecordUpdate("demand_matches").BindFunc(func(e *core.RecordEvent) error {
		before := matchStage(e.Record.Original())
		return inTransaction(e, func(core.App) error {
			return checkMatch(e.Record, actorOf(e.Context))
		}, func(tx core.App) error {
			stage := matchStage(e.Record)
			if stage == before {
				return nil
			}
			return restage(tx, e.Record.GetString("demand"), stage, matchDate(e.Record, stage))
		})
	})
	app.OnRecordCreate("demand_events").BindFunc(func(e *core.RecordEvent) error {
		var demand, match *core.Record
		return inTransaction(e, func(tx core.App) (err error) {
			demand, match, err = prepareEvent(tx, e.Record, actorOf(e.Context), now())
			return err
		}, func(tx core.App) error {
			return applyEvent(tx, e.Record, demand, match)
		})
	})
	app.OnRecordUpdate("demand_events").BindFunc(func(e *core.RecordEvent) error {
		confirmed := e.Record.GetString("kind") == "handover" &&
			!e.Record.GetDateTime("handover_confirmed_at").IsZero() && e.Record.Original().GetDateTime("handover_confirmed_at").IsZero()
		if !confirmed {
			return e.Next()
		}
		return inTransaction(e, func(core.App) error {
			if actor := actorOf(e.Context); actor != nil && actor.Id != e.Record.GetString("to_user") {
				return Violation("handover_confirmed_at", "role_not_allowed")
			}
			return nil
		}, func(tx core.App) error {
			demand, err := tx.FindRecordById("demands", e.Record.GetString("demand"))
			if err != nil {
				return err
			}
			demand.Set("first_responder", e.Record.GetString("to_user"))
			return tx.Save(demand)
		})
	})
}

func prepareDemand(ctx context.Context, app core.App, r, actor *core.Record, now time.Time) error {
	defaultTo(r, "captured_at", Stored(now))
	defaultTo(r, "channel", "visit")
	r.Set("stage", "captured")
	if err := ensureScopes(app, actor, r); err != nil {
		return err
	}
	defaultTo(r, "grid", r.GetString("scope_grid"))
	if err := setServingHarbour(ctx, app, r); err != nil {
		return err
	}
	if r.GetString("harbour") == "" && actor != nil && slices.Contains(harbourRoles, actor.GetString("role")) {
		r.Set("harbour", actor.GetString("harbour")) // taken at a harbour's counter, from somebody without a grid
		r.Set("scope_harbour", r.GetString("harbour"))
	}
	if id := r.GetString("enterprise"); id != "" {
		enterprise, err := app.FindRecordById("enterprises", id)
		if err != nil {
			return Violation("enterprise", "unknown_reference")
		}
		for _, f := range []string{"name", "contact", "phone"} {
			r.Set("enterprise_"+f, enterprise.GetString(f))
		}
	}
	number, err := nextNumber(app, "demands", "XQ", r.GetDateTime("captured_at").Time())
	r.Set("number", number)
	return err
}

func prepareMatch(app core.App, r, actor *core.Record, now time.Time) error {
	demand, err := app.FindRecordById("demands", r.GetString("demand"))
	if err != nil {
		return Violation("demand", "unknown_reference")
	}
	if actor != nil && !hasRole(actor, "harbour_staff", "harbour_head") {
		return Violation("_", "role_not_allowed")
	}
	if !slices.Contains(matchable, demand.GetString("stage")) {
		return Violation("demand", "stage_not_allowed")
	}
	open, err := app.CountRecords("demand_matches", dbx.HashExp{"demand": demand.Id, "bank": r.GetString("bank"), "result": "pending"})
	if err != nil {
		return err
	}
	if open > 0 {
		return Violation("bank", "match_open")
	}
	defaultTo(r, "captured_at", Stored(now))
	defaultTo(r, "matched_at", r.GetString("captured_at"))
	r.Set("result", "pending")
	return ensureScopes(app, actor, r)
}

// checkMatch lets a bank desk record its own contact, application and decision, in their order and with their reasons.
func checkMatch(r, actor *core.Record) error {
	if actor != nil && hasRole(actor, "bank") && actor.GetString("bank") != r.GetString("bank") {
		return Violation("bank", "bank_not_own")
	}
	before := r.Original().GetString("result")
	after := r.GetString("result")
	if before != after {
		lawful := before == "pending" && after != "lapsed" || before == "approved" && after == "lapsed"
		if !lawful {
			return Violation("result", "stage_not_allowed")
		}
		if after == "approved" && r.GetInt("approved_amount") <= 0 {
			return Violation("approved_amount", "amount_needed")
		}
		if (after == "approved" || after == "rejected") && r.GetDateTime("applied_at").IsZero() {
			return Violation("applied_at", "required")
		}
		if after != "approved" && r.GetString("reason") == "" {
			return Violation("reason", "reason_needed")
		}
	}
	if actor == nil || abs(r.GetFloat("skew")) > trustedSkewSeconds {
		return nil // the order of an event's own times is judged where the event is
	}
	matched, applied, decided := r.GetDateTime("matched_at"), r.GetDateTime("applied_at"), r.GetDateTime("decided_at")
	switch {
	case !applied.IsZero() && earlier(applied, matched):
		return Violation("applied_at", "time_before_previous")
	case !decided.IsZero() && earlier(decided, matched), !decided.IsZero() && !applied.IsZero() && earlier(decided, applied):
		return Violation("decided_at", "time_before_previous")
	}
	return nil
}

func earlier(a, b types.DateTime) bool { return a.Time().Before(b.Time()) }

// matchStage is where one bank's handling stands.
func matchStage(match *core.Record) string {
	switch match.GetString("result") {
	case "approved":
		return "approved"
	case "declined", "rejected", "lapsed":
		return "rejected"
	}
	if !match.GetDateTime("applied_at").IsZero() {
		return "applied"
	}
	return "matched"
}

func matchDate(match *core.Record, stage string) types.DateTime {
	switch stage {
	case "matched":
		return match.GetDateTime("matched_at")
	case "applied":
		return match.GetDateTime("applied_at")
	}
	return match.GetDateTime("decided_at")
}

// prepareEvent checks the step against the present stage and notes who made it; it returns the demand and the match, if any.
func prepareEvent(app core.App, r, actor *core.Record, now time.Time) (demand, match *core.Record, err error) {
	defaultTo(r, "captured_at", Stored(now))
	if demand, err = app.FindRecordById("demands", r.GetString("demand")); err != nil {
		return nil, nil, Violation("demand", "unknown_reference")
	}
	if id := r.GetString("match"); id != "" {
		if match, err = app.FindRecordById("demand_matches", id); err != nil {
			return nil, nil, Violation("match", "unknown_reference")
		}
		if match.GetString("demand") != demand.Id {
			return nil, nil, Violation("match", "match_of_other_demand")
		}
	}
	if actor != nil {
		r.Set("by", actor.Id)
		if hasRole(actor, "bank") && (match == nil || match.GetString("bank") != actor.GetString("bank")) {
			return nil, nil, Violation("match", "bank_not_own")
		}
	}
	switch r.GetString("kind") {
	case "stage":
		err = checkStep(r, actor, demand, match)
	case "contact":
		if match == nil {
			err = Violation("match", "match_needed")
		}
	case "handover":
		if r.GetString("to_user") == "" {
			err = Violation("to_user", "to_user_needed")
		}
		r.Set("from_user", demand.GetString("first_responder"))
	}
	if err != nil {
		return nil, nil, err
	}
	return demand, match, ensureScopes(app, actor, r)
}

func checkStep(r, actor, demand, match *core.Record) error {
	to := r.GetString("to_stage")
	from, steps := demand.GetString("stage"), demandSteps
	if match != nil {
		from, steps = matchStage(match), matchSteps
		if slices.Contains(finalStages, demand.GetString("stage")) {
			return Violation("to_stage", "stage_not_allowed")
		}
	}
	r.Set("from_stage", from)
	if !slices.Contains(steps[from], to) {
		if match == nil && slices.Contains([]string{"applied", "approved", "disbursed", "rejected"}, to) {
			return Violation("match", "match_needed")
		}
		return Violation("to_stage", "stage_not_allowed")
	}
	if actor != nil && !maySetStage(actor, to) {
		return Violation("to_stage", "role_not_allowed")
	}
	if slices.Contains(needReason, to) && r.GetString("reason") == "" {
		return Violation("reason", "reason_needed")
	}
	if (to == "approved" || to == "disbursed") && r.GetInt("amount") <= 0 {
		return Violation("amount", "amount_needed")
	}
	if match != nil && abs(r.GetFloat("skew")) <= trustedSkewSeconds && abs(match.GetFloat("skew")) <= trustedSkewSeconds {
		if previous := matchDate(match, from); !previous.IsZero() && earlier(r.GetDateTime("at"), previous) {
			return Violation("at", "time_before_previous")
		}
	}
	return nil
}

// maySetStage: the counter accepts, cultivates and closes; a bank moves its own match; whoever is in touch may note a withdrawal.
func maySetStage(user *core.Record, to string) bool {
	switch to {
	case "withdrawn":
		return !hasRole(user, "bank")
	case "applied", "approved", "disbursed", "rejected":
		return hasRole(user, "harbour_staff", "harbour_head", "bank")
	}
	return hasRole(user, "harbour_staff", "harbour_head")
}

// applyEvent moves the match and the demand as the event says, in the event's own transaction.
func applyEvent(app core.App, r, demand, match *core.Record) error {
	at := r.GetDateTime("at")
	switch {
	case r.GetString("kind") == "contact" && r.GetBool("reached"):
		first := match.GetDateTime("first_contact_at")
		if first.IsZero() || earlier(at, first) {
			match.Set("first_contact_at", at)
			return app.Save(match)
		}
		return nil
	case r.GetString("kind") != "stage":
		return nil
	}
	to := r.GetString("to_stage")
	if match == nil {
		if to == "accepted" {
			demand.Set("first_responder", r.GetString("by"))
			amount := r.GetInt("amount")
			if amount == 0 {
				amount = demand.GetInt("amount")
			}
			demand.Set("accepted_amount", amount)
		}
		demand.Set("stage", to)
		demand.Set(to+"_at", at)
		return app.Save(demand)
	}
	switch to {
	case "applied":
		match.Set("applied_at", at)
	case "approved":
		match.Set("result", "approved")
		match.Set("decided_at", at)
		match.Set("approved_amount", r.GetInt("amount"))
	case "rejected":
		match.Set("result", map[string]string{"matched": "declined", "applied": "rejected", "approved": "lapsed"}[matchStage(match)])
		match.Set("decided_at", at)
		match.Set("reason", r.GetString("reason"))
	case "disbursed":
		demand.Set("stage", "disbursed")
		demand.Set("disbursed_at", at)
		return app.Save(demand)
	}
	return app.Save(match)
}

// restage derives the demand's stage from its matches: the furthest open one; rejected only when none is open.
func restage(app core.App, demandID, reached string, at types.DateTime) error {
	demand, err := app.FindRecordById("demands", demandID)
	if err != nil {
		return err
	}
	if slices.Contains(finalStages, demand.GetString("stage")) {
		return nil
	}
	matches, err := app.FindAllRecords("demand_matches", dbx.HashExp{"demand": demandID})
	if err != nil {
		return err
	}
	order := []string{"rejected", "matched", "applied", "approved"}
	furthest := "rejected"
	for _, m := range matches {
		if stage := matchStage(m); slices.Index(order, stage) > slices.Index(order, furthest) {
			furthest = stage
		}
	}
	if furthest == "rejected" && demand.GetString("stage") == "cultivating" {
		furthest = "cultivating" // a bank's refusal does not end the cultivation
	}
	demand.Set("stage", furthest)
	if field := reached + "_at"; demand.GetDateTime(field).IsZero() || furthest == reached {
		demand.Set(field, at)
	}
	return app.Save(demand)
}

func abs(f float64) float64 {
	if f < 0 {
		return -f
	}
	return f
}
