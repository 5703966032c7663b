package hooks

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// A rule looks at a record before every save of it, new or changed, and may fill in what follows. The actor is nil for the
// console and imports: what only concerns roles does not bind them.
type rule func(app core.App, r, actor *core.Record, now time.Time) error

// onSave binds a rule to a collection; a new record is stamped and put into its scopes.
func onSave(app core.App, collection string, now Clock, check rule) {
	OnCreate(app, collection, func(e *core.RecordEvent) error {
		if err := prepareNew(e, now(), check); err != nil {
			return err
		}
		return e.Next()
	})
	app.OnRecordUpdate(collection).BindFunc(func(e *core.RecordEvent) error {
		if err := check(e.App, e.Record, actorOf(e.Context), now()); err != nil {
			return err
		}
		return e.Next()
	})
}

func prepareNew(e *core.RecordEvent, now time.Time, check rule) error {
	r, actor := e.Record, actorOf(e.Context)
	if r.Collection().Fields.GetByName("captured_at") != nil {
		defaultTo(r, "captured_at", Stored(now))
	}
	if err := check(e.App, r, actor, now); err != nil {
		return err
	}
	if HoldingOf(r.Collection().Name) == nil {
		return nil
	}
	return ensureScopes(e.App, actor, r)
}

// changed tells whether this save gives the field another value; a value given to a new record is a change.
func changed(r *core.Record, field string) bool {
	if r.IsNew() {
		return r.GetString(field) != ""
	}
	return r.GetString(field) != r.Original().GetString(field)
}

// notInFuture refuses days later than today in Shanghai.
func notInFuture(r *core.Record, now time.Time, fields ...string) error {
	for _, f := range fields {
		if at := r.GetDateTime(f); !at.IsZero() && Day(at.Time()) > Day(now) {
			return Violation(f, "date_in_future")
		}
	}
	return nil
}

// notYet refuses a moment later than now. A clock that runs ahead a little, or as far as noted with the record, is forgiven.
func notYet(r *core.Record, now time.Time, field string) error {
	ahead := max(r.GetFloat("skew"), 0) + trustedSkewSeconds
	if r.GetDateTime(field).Time().After(now.Add(time.Duration(ahead) * time.Second)) {
		return Violation(field, "time_in_future")
	}
	return nil
}

// precedes tells whether a moment lies before the one that it follows, by more than the clocks of two devices may differ. Where
// the device's own clock was far out, or one is empty, nothing is known.
func precedes(r *core.Record, after, before types.DateTime) bool {
	return !after.IsZero() && !before.IsZero() && abs(r.GetFloat("skew")) <= trustedSkewSeconds &&
		after.Time().Add(time.Duration(trustedSkewSeconds)*time.Second).Before(before.Time())
}

// inOrder refuses days of which a later one precedes an earlier one; what is empty binds nothing.
func inOrder(r *core.Record, code string, fields ...string) error {
	last := ""
	for _, f := range fields {
		at := r.GetDateTime(f)
		if at.IsZero() {
			continue
		}
		if Day(at.Time()) < last {
			return Violation(f, code)
		}
		last = Day(at.Time())
	}
	return nil
}

// overlapping counts the other rows with the same values whose days from (included) to until (not included) meet those of r.
func overlapping(app core.App, r *core.Record, same ...string) (int64, error) {
	where := dbx.HashExp{}
	for _, f := range same {
		where[f] = r.GetString(f)
	}
	// An empty "from" is the beginning, an empty "until" the end of time.
	return app.CountRecords(r.Collection(), where, dbx.NewExp(`id != {:id} AND ({:until} = '' OR "from" < {:until}) AND (until = '' OR until > {:from})`,
		dbx.Params{"id": r.Id, "from": r.GetString("from"), "until": r.GetString("until")}))
}

// parameter is the value in force at a time of a dated parameter; "" where there is none.
func parameter(app core.App, code string, at time.Time) (value string, err error) {
	err = app.DB().NewQuery(`SELECT value FROM parameters WHERE code = {:code} AND "from" <= {:at} AND (until = '' OR until > {:at}) ORDER BY "from" DESC, id LIMIT 1`).
		Bind(dbx.Params{"code": code, "at": Stored(at)}).Row(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// nextNumber counts a collection's numbers within the Shanghai month of at: XQ202611-00001. Writes are serial, so the highest is known.
func nextNumber(app core.App, collection, kind string, at time.Time) (string, error) {
	prefix := kind + at.In(Shanghai).Format("200601") + "-"
	var last []string
	err := app.DB().Select("number").From(collection).
		Where(dbx.NewExp("number != '' AND number > {:from} AND number < {:to}", dbx.Params{"from": prefix, "to": prefix + "~"})).
		OrderBy("number DESC").Limit(1).Column(&last)
	n := 0
	if len(last) > 0 {
		if _, err := fmt.Sscanf(last[0][len(prefix):], "%d", &n); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s%05d", prefix, n+1), err
}
