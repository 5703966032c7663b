package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// BindCultivation runs the rules of the 融资培育台账 (§三(二)三, 附件三): one work at a time with an enterprise not yet bankable. It
// graduates into a demand, or is dropped with a reason, which closes the demand that waited for it.
func BindCultivation(app core.App, now Clock) {
	OnCreate(app, "cultivations", func(e *core.RecordEvent) error {
		return inTransaction(e, func(core.App) error {
			return prepareNew(e, now(), prepareCultivation)
		}, func(tx core.App) error {
			return closeDropped(tx, e.Record, actorOf(e.Context), now())
		})
	})
	app.OnRecordUpdate("cultivations").BindFunc(func(e *core.RecordEvent) error {
		ends := changed(e.Record, "status")
		return inTransaction(e, func(tx core.App) error {
			return prepareCultivation(tx, e.Record, actorOf(e.Context), now())
		}, func(tx core.App) error {
			if !ends {
				return nil
			}
			return closeDropped(tx, e.Record, actorOf(e.Context), now())
		})
	})
}

func prepareCultivation(app core.App, r, actor *core.Record, now time.Time) error {
	status := r.GetString("status")
	if r.IsNew() {
		defaultTo(r, "started_on", r.GetString("captured_at"))
		if enterprise, err := app.FindRecordById("enterprises", r.GetString("enterprise")); err == nil {
			defaultTo(r, "harbour", enterprise.GetString("scope_harbour"))
		}
		if actor != nil {
			defaultTo(r, "tutor", actor.Id)
		}
	} else if before := r.Original().GetString("status"); before != "active" && status != before {
		return Violation("status", "cultivation_ended")
	}
	if status == "active" {
		active, err := app.CountRecords("cultivations", dbx.HashExp{"enterprise": r.GetString("enterprise"), "status": "active"}, dbx.Not(dbx.HashExp{"id": r.Id}))
		if err != nil {
			return err
		}
		if active > 0 {
			return Violation("enterprise", "cultivation_active")
		}
		r.Set("ended_on", "")
	} else {
		defaultTo(r, "ended_on", Stored(now))
	}
	if err := notInFuture(r, now, "started_on", "ended_on"); err != nil {
		return err
	}
	if err := inOrder(r, "ends_before_start", "started_on", "ended_on"); err != nil {
		return err
	}
	if status == "dropped" && r.GetString("drop_reason") == "" {
		return Violation("drop_reason", "reason_needed")
	}
	from, err := demandOf(app, r, "demand_from")
	if err != nil {
		return err
	}
	// It may have gone on to a bank before the phone that noted the cultivation had a signal: once is enough.
	if from != nil && changed(r, "demand_from") && from.GetDateTime("cultivating_at").IsZero() {
		return Violation("demand_from", "demand_never_cultivated")
	}
	if status == "graduated" {
		if r.GetString("demand_to") == "" && from != nil && !slices.Contains([]string{"closed", "withdrawn", "void"}, from.GetString("stage")) {
			r.Set("demand_to", from.Id)
		}
		if r.GetString("demand_to") == "" {
			return Violation("demand_to", "demand_needed")
		}
	}
	_, err = demandOf(app, r, "demand_to")
	return err
}

// closeDropped ends the demand that waits for a cultivation which is given up. The step is a consequence, so whoever may drop the
// one need not be allowed to close the other.
func closeDropped(app core.App, r, actor *core.Record, now time.Time) error {
	if r.GetString("status") != "dropped" || r.GetString("demand_from") == "" {
		return nil
	}
	demand, err := app.FindRecordById("demands", r.GetString("demand_from"))
	if err != nil || demand.GetString("stage") != "cultivating" {
		return err
	}
	collection, err := app.FindCachedCollectionByNameOrId("demand_events")
	if err != nil {
		return err
	}
	reason := "other"
	reasons := collection.Fields.GetByName("reason").(*core.SelectField).Values
	if missing := r.GetStringSlice("missing"); len(missing) > 0 && slices.Contains(reasons, missing[0]) {
		reason = missing[0]
	}
	step := core.NewRecord(collection)
	step.Load(map[string]any{"id": derivedID(r.Id, "closed"), "demand": demand.Id, "kind": "stage", "to_stage": "closed", "at": Stored(now), "reason": reason,
		"note": "融资培育终止：" + r.GetString("drop_reason"), "captured_at": Stored(now), "synced_at": Stored(now)})
	if actor != nil {
		step.Set("by", actor.Id)
	}
	return app.Save(step)
}
