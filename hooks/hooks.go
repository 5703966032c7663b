package hooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// Bind attaches every domain rule to the app: they run for the console, the API, sync and import alike.
func Bind(app core.App, now Clock) {
	BindAccess(app)
	BindClosed(app)
	BindForms(app)
	BindGuesses(app, now)
	BindFacts(app)
	BindLog(app, now)
	BindEnterprise(app, now)
	BindMerge(app, now)
	BindVisit(app, now)
	BindPhoto(app)
	BindDemand(app, now)
	BindLoan(app, now)
	BindInspection(app, now)
	BindRectification(app, now)
	BindDuty(app, now)
	BindActivity(app, now)
	BindPairing(app, now)
	BindContact(app, now)
	BindWindowPack(app, now)
	BindHarbour(app, now)
	BindHandbook(app, now)
	BindReview(app, now)
	BindSteering(app, now)
	BindService(app, now)
	BindFeedback(app, now)
	BindRiskLead(app, now)
	BindReferral(app, now)
	BindCreditLine(app, now)
	BindCultivation(app, now)
	BindPolicyPush(app, now)
}

type actorKey struct{}

// WithActor says on whose behalf records are saved. Without an actor (console, import) role checks do not apply.
func WithActor(ctx context.Context, user *core.Record) context.Context {
	return context.WithValue(ctx, actorKey{}, user)
}

// Memo remembers, for the length of one transaction, answers that many records of it ask for.
type Memo struct{ harbours map[string]string }

type memoKey struct{}

// WithMemo lets the rules of saves with this context share what they looked up.
func WithMemo(ctx context.Context, m *Memo) context.Context {
	return context.WithValue(ctx, memoKey{}, m)
}

// harbourOf is the harbour that serves a grid now; known is false where there is no such grid.
func harbourOf(ctx context.Context, app core.App, grid string) (harbour string, known bool, err error) {
	m, _ := ctx.Value(memoKey{}).(*Memo)
	if m != nil {
		if harbour, known = m.harbours[grid]; known {
			return harbour, true, nil
		}
	}
	err = app.DB().NewQuery(`SELECT harbour FROM grids WHERE id = {:id}`).Bind(dbx.Params{"id": grid}).Row(&harbour)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if m != nil && err == nil {
		if m.harbours == nil {
			m.harbours = map[string]string{}
		}
		m.harbours[grid] = harbour
	}
	return harbour, err == nil, err
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

// derivation is the query for a collection's derived scope columns, made once: NEW.x becomes a value of the row asked for.
type derivation struct {
	many             string
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
			parts = append(parts, newColumn.ReplaceAllStringFunc(c.Derived, func(named string) string {
				name := newColumn.FindStringSubmatch(named)[1]
				at := slices.Index(d.sources, name)
				if at < 0 {
					at = len(d.sources)
					d.sources = append(d.sources, name)
				}
				return fmt.Sprintf("(asked.value ->> %d)", at)
			}))
			d.columns = append(d.columns, c.Column)
		}
		d.many = "SELECT " + strings.Join(parts, ", ") + " FROM json_each({:rows}) asked ORDER BY asked.key"
		out[h.Collection] = d
	}
	return out
}()

// ScopeSources names the fields of a collection from which its scope columns follow, in the order ScopesOf takes their values.
func ScopeSources(collection string) []string { return derivations[collection].sources }

// DerivedColumns names the scope columns of a collection in the order ScopesOf gives their values.
func DerivedColumns(collection string) []string { return derivations[collection].columns }

// ScopesOf works out the scope columns of many rows at once: each row holds the values of ScopeSources, each answer those of
// DerivedColumns.
func ScopesOf(app core.App, collection string, rows [][]string) ([][]string, error) {
	d := derivations[collection]
	out := make([][]string, len(rows))
	if len(d.columns) == 0 || len(rows) == 0 {
		return out, nil
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return nil, err
	}
	answers, err := app.DB().NewQuery(d.many).Bind(dbx.Params{"rows": string(list)}).Rows()
	if err != nil {
		return nil, err
	}
	defer answers.Close()
	for i := 0; answers.Next(); i++ {
		out[i] = make([]string, len(d.columns))
		into := make([]any, len(d.columns))
		for c := range out[i] {
			into[c] = &out[i][c]
		}
		if err := answers.Scan(into...); err != nil {
			return nil, err
		}
	}
	return out, answers.Err()
}

// SetScopes fills the scope columns of a new record with the same SQL as the triggers use, so that a save takes one seq.
func SetScopes(app core.App, r *core.Record) error {
	d := derivations[r.Collection().Name]
	row := make([]string, len(d.sources))
	for i, s := range d.sources {
		row[i] = r.GetString(s)
	}
	values, err := ScopesOf(app, r.Collection().Name, [][]string{row})
	if err != nil {
		return err
	}
	for i, c := range d.columns {
		r.Set(c, values[0][i])
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
