package hooks

import (
	"context"
	"regexp"
	"strings"

	"github.com/pocketbase/pocketbase/core"
)

// GB 32100-2015: 18 characters without I, O, S, V, Z. The check digit is not asked here: early pilot codes fail it lawfully.
var usccShape = regexp.MustCompile(`^[0-9A-HJ-NPQRTUWXY]{18}$`)

// BindEnterprise runs the rules of market entities on every save.
func BindEnterprise(app core.App, now Clock) {
	OnCreate(app, "enterprises", func(e *core.RecordEvent) error {
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
	OnValidate(app, "enterprises", func(e *core.RecordEvent) error {
		if code := e.Record.GetString("uscc"); code != "" && !usccShape.MatchString(code) {
			return Violation("uscc", "bad_uscc")
		}
		if err := checkKeyListed(e.Context, e.App, e.Record); err != nil {
			return err
		}
		return e.Next()
	})
}

// checkKeyListed holds the list of key enterprises (§三(二)二 清单化管理) to its form: since when and by which list, and a named person of
// the harbour that serves it or of its host bank. It binds when it is written: people and grids move on later.
func checkKeyListed(ctx context.Context, app core.App, r *core.Record) error {
	if anyChanged(r, "key_listed_on", "key_list_source") && r.GetDateTime("key_listed_on").IsZero() != (r.GetString("key_list_source") == "") {
		return Violation("key_listed_on", "key_list_incomplete")
	}
	if !changed(r, "service_staff") || r.GetString("service_staff") == "" {
		return nil
	}
	staff, err := app.FindRecordById("users", r.GetString("service_staff"))
	if err != nil {
		return Violation("service_staff", "unknown_reference")
	}
	id, _, err := harbourOf(ctx, app, r.GetString("grid"))
	if err != nil {
		return err
	}
	harbour, err := app.FindRecordById("harbours", id)
	if err != nil {
		return Violation("service_staff", "staff_not_of_harbour")
	}
	atHarbour := hasRole(staff, "harbour_staff", "harbour_head") && staff.GetString("harbour") == harbour.Id
	ofHost := hasRole(staff, "bank", "harbour_staff", "harbour_head") && staff.GetString("bank") != "" && staff.GetString("bank") == harbour.GetString("host_bank")
	if !atHarbour && !ofHost {
		return Violation("service_staff", "staff_not_of_harbour")
	}
	return nil
}

func normaliseEnterprise(r *core.Record) {
	r.Set("name", strings.TrimSpace(r.GetString("name")))
	if r.IsNew() || r.GetString("name") != r.Original().GetString("name") || r.GetString("initials") == "" {
		r.Set("initials", Initials(r.GetString("name")))
		r.Set("name_key", NameKey(r.GetString("name")))
	}
}
