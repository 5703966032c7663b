package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindRectification runs the rules of rectifications (整改): the harbour says when it is done, those who steer recheck. What
// fails the recheck is open again, its term as before unless an official sets another.
func BindRectification(app core.App, now Clock) {
	onSave(app, "rectifications", now, prepareRectification)
}

func prepareRectification(app core.App, r, actor *core.Record, now time.Time) error {
	if actor != nil {
		if err := mayRectify(r, actor); err != nil {
			return err
		}
	}
	defaultTo(r, "recheck_result", "pending")
	if r.IsNew() {
		if err := rectifies(app, r); err != nil {
			return err
		}
	}
	if err := notInFuture(r, now, "done_on", "rechecked_on"); err != nil {
		return err
	}
	result := r.GetString("recheck_result")
	before := r.Original().GetString("recheck_result")
	if before == "" || r.IsNew() {
		before = "pending"
	}
	if changed(r, "done_on") && !r.GetDateTime("done_on").IsZero() {
		if since, err := foundOn(app, r); err != nil {
			return err
		} else if since != "" && Day(r.GetDateTime("done_on").Time()) < since {
			return Violation("done_on", "done_before_found")
		}
		if before == "failed" && result == "failed" {
			result = "pending" // done anew, to be rechecked anew
			r.Set("recheck_result", result)
			r.Set("rechecked_on", "")
			r.Set("rechecked_by", "")
		}
	}
	if result == before {
		return nil
	}
	if result == "pending" {
		r.Set("rechecked_on", "")
		r.Set("rechecked_by", "")
		return nil
	}
	if result == "passed" && r.GetDateTime("done_on").IsZero() {
		return Violation("recheck_result", "not_done_yet")
	}
	if !changed(r, "rechecked_on") || r.GetDateTime("rechecked_on").IsZero() {
		r.Set("rechecked_on", Stored(now))
	}
	if err := inOrder(r, "time_before_previous", "done_on", "rechecked_on"); err != nil {
		return err
	}
	if actor != nil {
		r.Set("rechecked_by", actor.Id)
	}
	if result == "failed" {
		r.Set("done_on", "")
	}
	return nil
}

// mayRectify: a harbour tells of its own work and changes nothing once it passed; it never judges it.
func mayRectify(r, actor *core.Record) error {
	judges := slices.ContainsFunc([]string{"recheck_result", "rechecked_on", "demand", "due"}, func(f string) bool { return changed(r, f) })
	if r.IsNew() || judges {
		if !hasRole(actor, officials...) {
			return Violation("recheck_result", "role_not_allowed")
		}
	}
	if changed(r, "done_on") {
		switch {
		case !hasRole(actor, atTheCounter...):
			return Violation("done_on", "role_not_allowed")
		case !r.IsNew() && r.Original().GetString("recheck_result") == "passed":
			return Violation("done_on", "recheck_passed")
		}
	}
	return nil
}

// rectifies holds a new demand to the inspection it follows from.
func rectifies(app core.App, r *core.Record) error {
	id := r.GetString("inspection")
	if id == "" {
		return nil
	}
	inspection, err := app.FindRecordById("inspections", id)
	if err != nil {
		return Violation("inspection", "unknown_reference")
	}
	defaultTo(r, "harbour", inspection.GetString("harbour"))
	if inspection.GetString("harbour") != r.GetString("harbour") {
		return Violation("harbour", "harbour_of_other_inspection")
	}
	return nil
}

// foundOn is the day on which the inspection found what is to be mended; "" where no inspection did.
func foundOn(app core.App, r *core.Record) (string, error) {
	id := r.GetString("inspection")
	if id == "" {
		return "", nil
	}
	inspection, err := app.FindRecordById("inspections", id)
	if err != nil {
		return "", err
	}
	return Day(inspection.GetDateTime("at").Time()), nil
}
