package hooks

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// Bind attaches every domain rule to the app: they run for the console, the API, sync and import alike.
func Bind(app core.App, now Clock) {
	BindAccess(app)
	BindGuesses(app, now)
	BindEnterprise(app, now)
	BindVisit(app, now)
	BindPhoto(app)
	BindDemand(app, now)
	BindLoan(app, now)
}

type actorKey struct{}

// WithActor says on whose behalf records are saved. Without an actor (console, import) role checks do not apply.
func WithActor(ctx context.Context, user *core.Record) context.Context {
	return context.WithValue(ctx, actorKey{}, user)
}

func actorOf(ctx context.Context) *core.Record {
	user, _ := ctx.Value(actorKey{}).(*core.Record)
	return user
}

// inTransaction runs a save with what must come before it and what follows from it as one: all or nothing.
func inTransaction(e *core.RecordEvent, before, after func(app core.App) error) error {
	outer := e.App
	defer func() { e.App = outer }()
	return e.App.RunInTransaction(func(tx core.App) error {
		e.App = tx
		if err := before(tx); err != nil {
			return err
		}
		if err := e.Next(); err != nil {
			return err
		}
		return after(tx)
	})
}

var newColumn = regexp.MustCompile(`NEW\.(\w+)`)

// derivation is the query for a collection's derived scope columns, made once: NEW.x becomes a parameter.
type derivation struct {
	query            string
	sources, columns []string
}

var derivations = func() map[string]derivation {
	out := map[string]derivation{}
	for _, h := range Holdings {
		var d derivation
		var parts []string
		for _, c := range h.Columns {
			if c.Derived == "" || c.List {
				continue
			}
			for _, m := range newColumn.FindAllStringSubmatch(c.Derived, -1) {
				d.sources = append(d.sources, m[1])
			}
			parts = append(parts, newColumn.ReplaceAllString(c.Derived, "{:$1}")+" AS "+c.Column)
			d.columns = append(d.columns, c.Column)
		}
		d.query = "SELECT " + strings.Join(parts, ", ")
		out[h.Collection] = d
	}
	return out
}()

// SetScopes fills the scope columns of a new record with the same SQL as the triggers use, so that a save takes one seq.
func SetScopes(app core.App, r *core.Record) error {
	d := derivations[r.Collection().Name]
	if len(d.columns) == 0 {
		return nil
	}
	params := dbx.Params{}
	for _, s := range d.sources {
		params[s] = r.GetString(s)
	}
	row := dbx.NullStringMap{}
	if err := app.DB().NewQuery(d.query).Bind(params).One(row); err != nil {
		return err
	}
	for _, c := range d.columns {
		r.Set(c, row[c].String)
	}
	return nil
}

// ensureScopes is SetScopes for a save that has not come through sync: sync has worked them out to judge it.
func ensureScopes(app core.App, actor, r *core.Record) error {
	if actor != nil && r.IsNew() {
		return nil
	}
	return SetScopes(app, r)
}

// defaultTo sets a field that is still empty.
func defaultTo(r *core.Record, field string, value any) {
	if r.GetString(field) == "" {
		r.Set(field, value)
	}
}

func hasRole(user *core.Record, roles ...string) bool {
	return slices.Contains(roles, user.GetString("role"))
}
