package fieldsync

import (
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// graceAfterScope is how long after a scope ended what was captured in it may still arrive.
const graceAfterScope = 30 * 24 * time.Hour

// shares tells whether user and record are in one scope now, or were at the time of capture.
func (a *applier) shares(r *core.Record, captured time.Time) (bool, error) {
	if a.anyScope || overlaps(hooks.UserScopes(a.user), hooks.RecordScopes(r)) {
		return true, nil
	}
	return a.sharedAt(r, captured)
}

// sharesNew is shares for a record not saved yet: its scopes are worked out first.
func (a *applier) sharesNew(r *core.Record, captured time.Time) (bool, error) {
	if err := hooks.SetScopes(a.tx, r); err != nil {
		return false, err
	}
	if ok, err := a.shares(r, captured); ok || err != nil {
		return ok, err
	}
	// Somebody without a grid who comes to the counter belongs to the harbour that takes the demand.
	return r.Collection().Name == "demands" && r.GetString("enterprise") == "" && r.GetString("grid") == "" &&
		strings.HasPrefix(strings.Join(hooks.PostOf(a.user).Scopes(), ""), hooks.HarbourScope), nil
}

func overlaps(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// sharedAt compares the user's scopes with the record's at a past time, if that scope ended at most 30 days ago.
func (a *applier) sharedAt(r *core.Record, at time.Time) (bool, error) {
	t, end := hooks.Stored(at), hooks.Stored(a.received.Add(-graceAfterScope))
	var mine []string
	if err := a.tx.DB().NewQuery(`SELECT 'g:' || grid FROM assignments WHERE user = {:user} AND "from" <= {:t} AND (until = '' OR (until > {:t} AND until >= {:end}))
		UNION SELECT 'g:' || value FROM scope_history WHERE collection = 'users' AND record = {:user} AND field = 'grid' AND since <= {:t} AND until > {:t} AND until >= {:end}`).
		Bind(dbx.Params{"user": a.user.Id, "t": t, "end": end}).Column(&mine); err != nil {
		return false, err
	}
	past := func(collection, record, field, present string) (string, error) {
		// What ended too long ago counts for nothing: the present value was not there either at that time.
		var values []string
		err := a.tx.DB().NewQuery(`SELECT iif(until >= {:end}, value, '') FROM scope_history WHERE collection = {:c} AND record = {:r} AND field = {:f} AND since <= {:t} AND until > {:t} ORDER BY until LIMIT 1`).
			Bind(dbx.Params{"c": collection, "r": record, "f": field, "t": t, "end": end}).Column(&values)
		if err != nil || len(values) == 0 {
			return present, err
		}
		return values[0], nil
	}
	post := map[string]string{}
	for _, f := range hooks.PostFields {
		v, err := past("users", a.user.Id, f, a.user.GetString(f))
		if err != nil {
			return false, err
		}
		post[f] = v
	}
	mine = append(mine, hooks.NewPost(post).Scopes()...)

	// Where the record's enterprise was then, not where it is now; a row without enterprise stays where it is.
	theirs := hooks.RecordScopes(r)
	enterprise, err := a.enterpriseOf(r)
	if err != nil {
		return false, err
	}
	if enterprise != nil {
		theirs = slices.DeleteFunc(theirs, func(s string) bool {
			return strings.HasPrefix(s, hooks.GridScope) || strings.HasPrefix(s, hooks.HarbourScope)
		})
		then, err := a.mergedSince(enterprise, t, end)
		if err != nil {
			return false, err
		}
		for _, enterprise := range then {
			grid, err := past("enterprises", enterprise.Id, "grid", enterprise.GetString("grid"))
			if err != nil {
				return false, err
			}
			if grid == "" {
				continue
			}
			theirs = append(theirs, hooks.GridScope+grid)
			var harbour string
			if err := a.tx.DB().NewQuery(`SELECT harbour FROM grids WHERE id = {:id}`).Bind(dbx.Params{"id": grid}).Row(&harbour); err == nil && harbour != "" {
				if harbour, err = past("grids", grid, "harbour", harbour); err != nil {
					return false, err
				}
				theirs = append(theirs, hooks.HarbourScope+harbour)
			}
		}
	}
	return overlaps(mine, theirs), nil
}

// mergedSince lists an enterprise and those that were merged into it after a time, but not before end: what is the kept one's now
// may have been theirs then.
func (a *applier) mergedSince(kept *core.Record, t, end string) ([]*core.Record, error) {
	all := []*core.Record{kept}
	for i := 0; i < len(all); i++ {
		var ids []string
		if err := a.tx.DB().NewQuery(`SELECT merged FROM enterprise_merges WHERE kept = {:kept} AND status = 'merged' AND at > {:t} AND at >= {:end}`).
			Bind(dbx.Params{"kept": all[i].Id, "t": t, "end": end}).Column(&ids); err != nil {
			return nil, err
		}
		merged, err := a.tx.FindRecordsByIds("enterprises", ids)
		if err != nil {
			return nil, err
		}
		all = append(all, merged...)
	}
	return all, nil
}

// enterpriseOf follows a record to the enterprise it is about; nil when there is none.
func (a *applier) enterpriseOf(r *core.Record) (*core.Record, error) {
	parent := func(collection, id string) (*core.Record, error) {
		if id == "" {
			return nil, nil
		}
		p, err := a.tx.FindRecordById(collection, id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return a.enterpriseOf(p)
	}
	switch r.Collection().Name {
	case "enterprises":
		return r, nil
	case "visits", "demands", "cultivations", "policy_pushes":
		return parent("enterprises", r.GetString("enterprise"))
	case "demand_matches", "demand_events":
		return parent("demands", r.GetString("demand"))
	case "photos":
		return parent(r.GetString("collection"), r.GetString("record"))
	}
	return nil, nil
}
