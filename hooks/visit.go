package hooks

import (
	"context"

	"github.com/pocketbase/pocketbase/core"
)

// BindVisit runs the visit rules on every save: console, API, sync and import.
func BindVisit(app core.App, now Clock) {
	OnCreate(app, "visits", func(e *core.RecordEvent) error {
		r, actor := e.Record, actorOf(e.Context)
		defaultTo(r, "captured_at", Stored(now()))
		defaultTo(r, "review", "none")
		if actor != nil {
			defaultTo(r, "worker", actor.Id)
		}
		if err := ensureScopes(e.App, actor, r); err != nil {
			return err
		}
		// The grid at capture is fixed by the phone; a visit typed at the desk takes the enterprise's present grid.
		defaultTo(r, "grid", r.GetString("scope_grid"))
		if err := setServingHarbour(e.Context, e.App, r); err != nil {
			return err
		}
		return e.Next()
	})
	OnValidate(app, "visits", func(e *core.RecordEvent) error {
		if err := checkVisit(e.Record, actorOf(e.Context)); err != nil {
			return err
		}
		return e.Next()
	})
}

// BindPhoto keeps photos where their owner is.
func BindPhoto(app core.App) {
	OnCreate(app, "photos", func(e *core.RecordEvent) error {
		if err := ensureScopes(e.App, actorOf(e.Context), e.Record); err != nil {
			return err
		}
		return e.Next()
	})
}

func checkVisit(r, actor *core.Record) error {
	if actor != nil && r.IsNew() && r.GetString("worker") != actor.Id {
		return Violation("worker", "worker_not_self")
	}
	start, end := r.GetDateTime("started_at"), r.GetDateTime("ended_at")
	if !end.IsZero() && end.Time().Before(start.Time()) {
		return Violation("ended_at", "ends_before_start")
	}
	return nil
}

// setServingHarbour notes which harbour served the grid when the record was captured; it does not follow later moves.
func setServingHarbour(ctx context.Context, app core.App, r *core.Record) error {
	if r.GetString("grid") == "" || r.GetString("harbour") != "" {
		return nil
	}
	harbour, known, err := harbourOf(ctx, app, r.GetString("grid"))
	if err != nil {
		return err
	}
	if !known {
		return Violation("grid", "unknown_reference")
	}
	r.Set("harbour", harbour)
	return nil
}
