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
	OnCreate(app, "demands", func(e *core.RecordEvent) error {
		if err := prepareDemand(e.Context, e.App, e.Record, actorOf(e.Context), now()); err != nil {
			return err
		}
		if e.Record.GetString("referral") == "" {
			return e.Next()
		}
		return inTransaction(e, func(tx core.App) error { return checkReferred(tx, e.Record) }, func(tx core.App) error {
			// By SQL: a save would tell the world of it even where the run that this demand came with is undone (fieldsync).
			_, err := tx.DB().NewQuery(`UPDATE referrals SET demand = {:demand} WHERE id = {:id} AND demand = ''`).
				Bind(dbx.Params{"demand": e.Record.Id, "id": e.Record.GetString("referral")}).Execute()
			return err
		})
	})
	OnValidate(app, "demands", func(e *core.RecordEvent) error {
		if e.Record.GetString("enterprise") == "" && e.Record.GetString("applicant") == "" {
			return Violation("enterprise", "applicant_needed")
		}
		if changed(e.Record, "renewed_loan") {
			loan, err := e.App.FindRecordById("loans", e.Record.GetString("renewed_loan"))
			if err == nil && loan.GetString("enterprise") != "" && loan.GetString("enterprise") != e.Record.GetString("enterprise") {
				return Violation("renewed_loan", "loan_of_other_enterprise")
			}
		}
		return e.Next()
	})
	OnCreate(app, "demand_matches", func(e *core.RecordEvent) error {
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
	OnCreate(app, "demand_events", func(e *core.RecordEvent) error {
		var demand, match *core.Record
		return inTransaction(e, func(tx core.App) (err error) {
			demand, match, err = prepareEvent(tx, e.Record, actorOf(e.Context), now())
			return err
		}, func(tx core.App) error {
			return applyEvent(tx, e.Record, demand, match)
		})
	})
	app.OnRecordUpdate("demand_events").BindFunc(func(e *core.RecordEvent) error {
		confirms := e.Record.GetString("kind") == "handover" && changed(e.Record, "handover_confirmed_at")
		if !confirms {
			return e.Next()
		}
		return inTransaction(e, func(tx core.App) error {
			if actorOf(e.Context) != nil && !e.Record.Original().GetDateTime("handover_confirmed_at").IsZero() {
				return Violation("handover_confirmed_at", "handover_confirmed")
			}
			demand, err := tx.FindRecordById("demands", e.Record.GetString("demand"))
			if err != nil {
				return err
			}
			return checkConfirmation(e.Record, actorOf(e.Context), demand, now())
		}, func(tx core.App) error { return handOver(tx, e.Record) })
	})
}

// checkReferred holds a demand that comes from a department's list to its row there (§三(三)一).
func checkReferred(app core.App, r *core.Record) error {
	referral, err := app.FindRecordById("referrals", r.GetString("referral"))
	if err != nil {
		return Violation("referral", "unknown_reference")
	}
	batch, err := app.FindRecordById("referral_batches", referral.GetString("batch"))
	if err != nil {
		return err
	}
	switch {
	case batch.GetString("status") != "dispatched":
		return Violation("referral", "referral_not_dispatched")
	case referral.GetString("enterprise") != r.GetString("enterprise"):
		return Violation("referral", "referral_of_other")
	}
	r.Set("channel", "referral")
	return nil
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
		err = checkHandover(app, r, actor, demand, now)
	}
	if err != nil {
		return nil, nil, err
	}
	return demand, match, ensureScopes(app, actor, r)
}

// checkHandover holds the passing on of a demand to 首问负责制 (附件六): its first responder answers for the whole way, so only they,
// the head of a harbour (for somebody who fell ill or left) or the receiver may pass it on, to somebody on duty at the harbour
// that serves it now. It counts when the receiver confirms. Colleagues of the shift may note every other step and contact: the
// counter is manned in turns (轮班当值), and each event says by whom it was.
func checkHandover(app core.App, r, actor, demand *core.Record, now time.Time) error {
	giver, to := demand.GetString("first_responder"), r.GetString("to_user")
	r.Set("from_user", giver)
	switch {
	case to == "":
		return Violation("to_user", "to_user_needed")
	case demand.GetString("stage") == "captured":
		return Violation("demand", "handover_before_acceptance")
	case to == giver:
		return Violation("to_user", "handover_to_self")
	}
	receiver, err := app.FindRecordById("users", to)
	if err != nil {
		return Violation("to_user", "unknown_reference")
	}
	serving := demand.GetString("scope_harbour")
	if serving == "" {
		serving = demand.GetString("harbour")
	}
	if !hasRole(receiver, "harbour_staff", "harbour_head") || receiver.GetString("harbour") != serving {
		return Violation("to_user", "handover_elsewhere")
	}
	if actor != nil && actor.Id != giver && actor.Id != to && !hasRole(actor, "harbour_head") {
		return Violation("_", "handover_not_yours")
	}
	if r.GetDateTime("handover_confirmed_at").IsZero() {
		return nil
	}
	return checkConfirmation(r, actor, demand, now)
}

// checkConfirmation: only the receiver confirms, and only what has not been overtaken by another handover.
func checkConfirmation(r, actor, demand *core.Record, now time.Time) error {
	switch {
	case actor != nil && actor.Id != r.GetString("to_user"):
		return Violation("handover_confirmed_at", "role_not_allowed")
	case r.GetDateTime("handover_confirmed_at").IsZero():
		return nil
	case demand.GetString("first_responder") != r.GetString("from_user") && demand.GetString("first_responder") != r.GetString("to_user"):
		return Violation("handover_confirmed_at", "handover_superseded")
	case precedes(r, r.GetDateTime("handover_confirmed_at"), r.GetDateTime("at")):
		return Violation("handover_confirmed_at", "time_before_previous")
	}
	return notYet(r, now, "handover_confirmed_at")
}

// handOver makes the receiver of a confirmed handover the first responder.
func handOver(app core.App, r *core.Record) error {
	if r.GetDateTime("handover_confirmed_at").IsZero() {
		return nil
	}
	demand, err := app.FindRecordById("demands", r.GetString("demand"))
	if err != nil {
		return err
	}
	demand.Set("first_responder", r.GetString("to_user"))
	return app.Save(demand)
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
	if to == "void" && r.GetString("reason") != "duplicate" {
		return Violation("reason", "void_only_duplicate")
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
	case r.GetString("kind") == "handover":
		return handOver(app, r)
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
