package hooks

import (
	"regexp"
	"strings"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// GB 32100-2015: 18 characters without I, O, S, V, Z. The check digit is not asked here: early pilot codes fail it lawfully.
var usccShape = regexp.MustCompile(`^[0-9A-HJ-NPQRTUWXY]{18}$`)

// BindEnterprise runs the rules of market entities on every save.
func BindEnterprise(app core.App, now Clock) {
	app.OnRecordCreate("enterprises").BindFunc(func(e *core.RecordEvent) error {
		r := e.Record
		normaliseEnterprise(r)
		defaultTo(r, "status", "active")
		defaultTo(r, "captured_at", Stored(now()))
		if actorOf(e.Context) != nil {
			r.Set("origin", "field")
			twin, err := twinOf(e.App, r)
			if err != nil {
				return err
			}
			r.Set("suspected_duplicate_of", twin)
		} else {
			defaultTo(r, "origin", "registry")
		}
		if err := ensureScopes(e.App, actorOf(e.Context), r); err != nil {
			return err
		}
		return e.Next()
	})
	app.OnRecordUpdate("enterprises").BindFunc(func(e *core.RecordEvent) error {
		normaliseEnterprise(e.Record)
		return e.Next()
	})
	app.OnRecordValidate("enterprises").BindFunc(func(e *core.RecordEvent) error {
		if code := e.Record.GetString("uscc"); code != "" && !usccShape.MatchString(code) {
			return Violation("uscc", "bad_uscc")
		}
		return e.Next()
	})
}

func normaliseEnterprise(r *core.Record) {
	r.Set("name", strings.TrimSpace(r.GetString("name")))
	if r.IsNew() || r.GetString("name") != r.Original().GetString("name") || r.GetString("initials") == "" {
		r.Set("initials", Initials(r.GetString("name")))
	}
}

// twinOf finds the record that a field-found enterprise seems to repeat: by USCC, by phone, by name in the same grid.
// A duplicate is accepted and flagged; people merge.
func twinOf(app core.App, r *core.Record) (string, error) {
	for _, same := range []dbx.HashExp{
		{"uscc": r.GetString("uscc")},
		{"phone": r.GetString("phone")},
		{"name": r.GetString("name"), "grid": r.GetString("grid")},
	} {
		// "not empty" is said in SQL too: the indexes leave empty values out, and are used only where the query says so.
		where := []dbx.Expression{same, dbx.NewExp("id != {:self}", dbx.Params{"self": r.Id})}
		empty := false
		for column, v := range same {
			empty = empty || v == ""
			where = append(where, dbx.NewExp("[["+column+"]] != ''"))
		}
		if empty {
			continue
		}
		var ids []string
		if err := app.DB().Select("id").From("enterprises").Where(dbx.And(where...)).OrderBy("id").Limit(1).Column(&ids); err != nil {
			return "", err
		}
		if len(ids) > 0 {
			return ids[0], nil
		}
	}
	return "", nil
}
