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
	BindEnterprise(app, now)
	BindVisit(app, now)
	BindPhoto(app)
	BindDemand(app, now)
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

// SetScopes fills the scope columns of a new record with the same SQL as the triggers use, so that a save takes one seq.
func SetScopes(app core.App, r *core.Record) error {
	holding := HoldingOf(r.Collection().Name)
	var exprs, columns []string
	params := dbx.Params{}
	for _, c := range holding.Columns {
		if c.Derived == "" || c.List {
			continue
		}
		exprs = append(exprs, newColumn.ReplaceAllStringFunc(c.Derived, func(m string) string {
			name := strings.TrimPrefix(m, "NEW.")
			params[name] = r.GetString(name)
			return "{:" + name + "}"
		}))
		columns = append(columns, c.Column)
	}
	row := dbx.NullStringMap{}
	aliased := make([]string, len(exprs))
	for i := range exprs {
		aliased[i] = exprs[i] + " AS " + columns[i]
	}
	if err := app.DB().NewQuery("SELECT " + strings.Join(aliased, ", ")).Bind(params).One(row); err != nil {
		return err
	}
	for _, c := range columns {
		r.Set(c, row[c].String)
	}
	return nil
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
