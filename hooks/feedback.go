package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindFeedback runs the rules of what the 问题收集箱 collects (§三(二)五, 附件四): routed, answered, delivered, closed; a complaint
// is judged by officials, and one that is upheld must be put right.
func BindFeedback(app core.App, now Clock) {
	OnCreate(app, "feedback", func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			return prepareNew(e, now(), prepareFeedback)
		}, func(tx core.App) error {
			return rectifyUpheld(tx, e.Record, "", now())
		})
	})
	app.OnRecordUpdate("feedback").BindFunc(func(e *core.RecordEvent) error {
		before := e.Record.Original().GetString("finding")
		return inTransaction(e, func(tx core.App) error {
			return prepareFeedback(tx, e.Record, actorOf(e.Context), now())
		}, func(tx core.App) error {
			return rectifyUpheld(tx, e.Record, before, now())
		})
	})
}

var complaints = []string{"complaint", "consumer_rights"}

func prepareFeedback(app core.App, r, actor *core.Record, now time.Time) error {
	if r.IsNew() {
		if err := openFeedback(app, r, actor, now); err != nil {
			return err
		}
	}
	named := r.GetString("enterprise") != "" || r.GetString("contact") != ""
	switch {
	case r.GetBool("anonymous") && named:
		return Violation("anonymous", "anonymous_named")
	case !r.GetBool("anonymous") && !named:
		return Violation("contact", "reporter_unknown")
	}
	if changed(r, "reported_at") {
		due, err := dueBy(app, "sla.feedback_days", r.GetDateTime("reported_at").Time(), 5)
		if err != nil {
			return err
		}
		r.Set("due", due)
	}
	if err := routeFeedback(app, r, now); err != nil {
		return err
	}
	if err := judgeFeedback(r, actor, now); err != nil {
		return err
	}
	return answerFeedback(r, now)
}

// openFeedback numbers what is new and gives it to the head of the harbour, unless it is about the head: then officials route it.
func openFeedback(app core.App, r, actor *core.Record, now time.Time) error {
	defaultTo(r, "reported_at", r.GetString("captured_at"))
	if err := notYet(r, now, "reported_at"); err != nil {
		return err
	}
	if actor != nil {
		defaultTo(r, "reporter", actor.Id)
	}
	number, err := nextNumber(app, "feedback", "FK", r.GetDateTime("captured_at").Time())
	if err != nil {
		return err
	}
	r.Set("number", number)
	if r.GetString("harbour") == "" {
		if enterprise, err := app.FindRecordById("enterprises", r.GetString("enterprise")); err == nil {
			r.Set("harbour", enterprise.GetString("scope_harbour"))
		} else if actor != nil {
			r.Set("harbour", harbourNear(actor))
		}
	}
	if anyChanged(r, "owner", "agency", "bank") {
		defaultTo(r, "routed_at", Stored(now))
	}
	if r.GetString("owner") == "" {
		if harbour, err := app.FindRecordById("harbours", r.GetString("harbour")); err == nil && harbour.GetString("head") != r.GetString("against") {
			r.Set("owner", harbour.GetString("head"))
		}
	}
	return SetScopes(app, r) // harbour and owner are known only now
}

// harbourNear is the harbour of somebody's post, or the first that serves a worker's grids.
func harbourNear(user *core.Record) string {
	if slices.Contains(harbourRoles, user.GetString("role")) {
		return user.GetString("harbour")
	}
	if near := user.GetStringSlice("scope_harbours"); len(near) > 0 {
		return near[0]
	}
	return ""
}

func routeFeedback(app core.App, r *core.Record, now time.Time) error {
	owner := r.GetString("owner")
	if owner != "" && owner == r.GetString("against") {
		return Violation("owner", "owner_complained_of")
	}
	if owner != "" && changed(r, "owner") {
		user, err := app.FindRecordById("users", owner)
		if err != nil {
			return Violation("owner", "unknown_reference")
		}
		if !hasRole(user, "harbour_staff", "harbour_head", "official") {
			return Violation("owner", "owner_cannot_act")
		}
	}
	if !r.IsNew() && anyChanged(r, "owner", "agency", "bank") {
		r.Set("routed_at", Stored(now))
	}
	return nil
}

// judgeFeedback: what is a complaint stays one, and only officials say whether it is upheld, once, with the day and the name.
func judgeFeedback(r, actor *core.Record, now time.Time) error {
	complaint := slices.Contains(complaints, r.GetString("kind"))
	before, finding := r.Original().GetString("finding"), r.GetString("finding")
	if r.IsNew() {
		before = ""
	}
	if !r.IsNew() && !complaint && slices.Contains(complaints, r.Original().GetString("kind")) && actor != nil && !hasRole(actor, "official") {
		return Violation("kind", "role_not_allowed")
	}
	if finding == "" && complaint {
		r.Set("finding", "pending")
		return nil
	}
	if finding == before || r.IsNew() && finding == "pending" {
		return nil
	}
	switch {
	case !complaint && finding != "":
		return Violation("finding", "not_a_complaint")
	case actor != nil && !hasRole(actor, "official"):
		return Violation("finding", "role_not_allowed")
	case actor != nil && (before == "upheld" || before == "not_upheld"):
		return Violation("finding", "finding_stands")
	case finding == "pending" || finding == "":
		r.Set("finding_at", "")
		r.Set("finding_by", "")
		return nil
	}
	if actor != nil || !changed(r, "finding_at") {
		r.Set("finding_at", Stored(now))
	}
	if actor != nil {
		r.Set("finding_by", actor.Id)
	}
	return nil
}

// answerFeedback holds answer, delivery and closing to their order and derives the status. Nobody can be told who is unknown.
func answerFeedback(r *core.Record, now time.Time) error {
	at := r.GetDateTime
	answered, delivered, closed, asked := at("answered_at"), at("delivered_at"), at("closed_at"), at("satisfaction_asked_at")
	switch {
	case answered.IsZero() != (r.GetString("answer") == ""), answered.IsZero() && !(delivered.IsZero() && closed.IsZero()):
		return Violation("answered_at", "answer_needed")
	case precedes(r, answered, at("reported_at")):
		return Violation("answered_at", "time_before_previous")
	case precedes(r, delivered, answered):
		return Violation("delivered_at", "time_before_previous")
	case !closed.IsZero() && delivered.IsZero() && !r.GetBool("anonymous"):
		return Violation("closed_at", "delivery_needed")
	case precedes(r, closed, answered), precedes(r, closed, delivered):
		return Violation("closed_at", "time_before_previous")
	case r.GetString("satisfaction") != "" && asked.IsZero():
		return Violation("satisfaction", "ask_satisfaction_first")
	case precedes(r, asked, at("reported_at")):
		return Violation("satisfaction_asked_at", "time_before_previous")
	}
	for _, f := range []string{"answered_at", "delivered_at", "closed_at", "satisfaction_asked_at"} {
		if changed(r, f) {
			if err := notYet(r, now, f); err != nil {
				return err
			}
		}
	}
	status := "open"
	if !answered.IsZero() {
		status = "answered"
	}
	if !closed.IsZero() {
		status = "closed"
	}
	r.Set("status", status)
	return nil
}

// rectifyUpheld demands of the harbour what follows from an upheld complaint. Everybody at the harbour reads it, also the person
// complained about: it names the complaint's number and nothing of what was said.
func rectifyUpheld(app core.App, r *core.Record, before string, now time.Time) error {
	if r.GetString("finding") != "upheld" || before == "upheld" {
		return nil
	}
	harbour := r.GetString("harbour")
	if harbour == "" {
		if user, err := app.FindRecordById("users", r.GetString("against")); err == nil {
			harbour = user.GetString("harbour")
		}
	}
	if harbour == "" {
		return Violation("harbour", "harbour_needed")
	}
	due, err := dueBy(app, "sla.rectification_days", now, 15)
	if err != nil {
		return err
	}
	collection, err := app.FindCachedCollectionByNameOrId("rectifications")
	if err != nil {
		return err
	}
	demand := core.NewRecord(collection)
	demand.Load(map[string]any{"id": derivedID(r.Id, "upheld"), "harbour": harbour, "feedback": r.Id, "due": due, "recheck_result": "pending", "captured_at": Stored(now), "synced_at": Stored(now),
		"demand": "投诉 " + r.GetString("number") + " 经核查属实，请整改并报送整改情况"})
	return app.Save(demand)
}
