package hooks

import (
	"regexp"
	"strings"

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
		if err := checkMergeField(e.Context, e.Record); err != nil {
			return err
		}
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
		r.Set("name_key", NameKey(r.GetString("name")))
	}
}
