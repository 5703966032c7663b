package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindService runs the rules of counter services (§三(二)四 综合金融服务, 附件五, 六). Whoever accepts a service is its first
// responder; it is due by the dated parameter sla.service_days.<kind>, an account after 3 working days, all else after 5.
func BindService(app core.App, now Clock) {
	onSave(app, "services", now, prepareService)
}

// usualServiceDays are the working days that a service may take where no parameter says otherwise.
func usualServiceDays(kind string) int {
	if kind == "account_opening" {
		return 3
	}
	return 5
}

func prepareService(app core.App, r, actor *core.Record, now time.Time) error {
	if r.IsNew() {
		defaultTo(r, "accepted_at", r.GetString("captured_at"))
		if actor != nil {
			defaultTo(r, "staff", actor.Id)
		}
		if actor != nil || r.GetString("first_responder") == "" {
			r.Set("first_responder", r.GetString("staff"))
		}
		if err := notYet(r, now, "accepted_at"); err != nil {
			return err
		}
	}
	if r.GetString("enterprise") == "" && r.GetString("person") == "" {
		return Violation("person", "person_or_enterprise")
	}
	if r.GetString("kind") == "special_group" && r.GetString("special_group") == "" {
		return Violation("special_group", "special_group_needed")
	}
	if changed(r, "kind") || changed(r, "accepted_at") {
		kind := r.GetString("kind")
		due, err := dueBy(app, "sla.service_days."+kind, r.GetDateTime("accepted_at").Time(), usualServiceDays(kind))
		if err != nil {
			return err
		}
		r.Set("due", due)
	}
	if err := checkServiceDemand(app, r); err != nil {
		return err
	}
	return completeService(r, now)
}

func checkServiceDemand(app core.App, r *core.Record) error {
	id := r.GetString("demand")
	switch {
	case id == "":
		return nil
	case r.GetString("kind") != "demand_matching":
		return Violation("demand", "demand_not_here")
	}
	_, err := demandOf(app, r, "demand")
	return err
}

// completeService derives the status: done is what has a time and a result; a matching of demands ends with the demand it led to.
func completeService(r *core.Record, now time.Time) error {
	completed := r.GetDateTime("completed_at")
	if completed.IsZero() {
		r.Set("status", "open")
		return nil
	}
	r.Set("status", "done")
	switch {
	case precedes(r, completed, r.GetDateTime("accepted_at")):
		return Violation("completed_at", "completed_before_start")
	case r.GetString("result") == "":
		return Violation("result", "result_needed")
	case r.GetString("kind") == "demand_matching" && r.GetString("demand") == "":
		return Violation("demand", "demand_needed")
	}
	return notYet(r, now, "completed_at")
}

// demandOf finds the demand that a record names in a field, which must be of the record's own enterprise and count for something;
// nil where it names none.
func demandOf(app core.App, r *core.Record, field string) (*core.Record, error) {
	id := r.GetString(field)
	if id == "" {
		return nil, nil
	}
	demand, err := app.FindRecordById("demands", id)
	if err != nil {
		return nil, Violation(field, "unknown_reference")
	}
	if demand.GetString("enterprise") != r.GetString("enterprise") {
		return nil, Violation(field, "demand_of_other_enterprise")
	}
	if changed(r, field) && demand.GetString("stage") == "void" {
		return nil, Violation(field, "demand_is_void")
	}
	return demand, nil
}

// anyChanged tells whether this save gives one of the fields another value.
func anyChanged(r *core.Record, fields ...string) bool {
	return slices.ContainsFunc(fields, func(f string) bool {
		_, list := r.Get(f).([]string)
		return list && !slices.Equal(r.GetStringSlice(f), r.Original().GetStringSlice(f)) || !list && changed(r, f)
	})
}
