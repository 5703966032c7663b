package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindRiskLead runs the rules of hints of illegal finance (§三(三)六): reported at once, handed to the financial office first,
// then to police, court or market regulation; whoever reported it adds nothing once it is handed over.
func BindRiskLead(app core.App, now Clock) {
	onSave(app, "risk_leads", now, prepareRiskLead)
}

var authorities = []string{"police", "court", "market_regulation"}

func prepareRiskLead(app core.App, r, actor *core.Record, now time.Time) error {
	if r.IsNew() {
		if err := openRiskLead(app, r, actor, now); err != nil {
			return err
		}
	}
	at := r.GetDateTime
	switch {
	case precedes(r, at("reported_at"), at("discovered_at")):
		return Violation("discovered_at", "found_after_report")
	case actor != nil && !hasRole(actor, "official") && anyChanged(r, "handed_at", "handed_to", "passed_at", "passed_to", "result", "result_note"):
		return Violation("_", "role_not_allowed")
	case actor != nil && !hasRole(actor, "official") && !r.IsNew() && !r.Original().GetDateTime("handed_at").IsZero() && anyChanged(r, "kind", "place", "area", "grid", "text"):
		return Violation("text", "lead_handed")
	case at("handed_at").IsZero() != (r.GetString("handed_to") == ""):
		return Violation("handed_to", "agency_and_time")
	case at("passed_at").IsZero() != (r.GetString("passed_to") == ""):
		return Violation("passed_to", "agency_and_time")
	case at("handed_at").IsZero() && (r.GetString("passed_to") != "" || r.GetString("result") == "valid"):
		return Violation("handed_to", "hand_first")
	case precedes(r, at("handed_at"), at("discovered_at")), precedes(r, at("handed_at"), at("reported_at")):
		return Violation("handed_at", "time_before_previous")
	case precedes(r, at("passed_at"), at("handed_at")):
		return Violation("passed_at", "time_before_previous")
	}
	for _, f := range []string{"handed_at", "passed_at"} {
		if changed(r, f) {
			if err := notYet(r, now, f); err != nil {
				return err
			}
		}
	}
	if err := agencyKind(app, r, "handed_to", "hand_to_office_first", "financial_office"); err != nil {
		return err
	}
	return agencyKind(app, r, "passed_to", "pass_to_authority", authorities...)
}

// openRiskLead notes what the server knows: when it was reported, which harbour and street it concerns.
func openRiskLead(app core.App, r, actor *core.Record, now time.Time) error {
	if actor != nil {
		defaultTo(r, "reporter", actor.Id)
		r.Set("reported_at", r.GetString("captured_at"))
	}
	defaultTo(r, "reported_at", r.GetString("captured_at"))
	defaultTo(r, "discovered_at", r.GetString("reported_at"))
	if err := notYet(r, now, "discovered_at"); err != nil {
		return err
	}
	if grid, err := app.FindRecordById("grids", r.GetString("grid")); err == nil {
		defaultTo(r, "harbour", grid.GetString("harbour"))
		if area, err := app.FindRecordById("areas", grid.GetString("area")); err == nil {
			street := area.Id
			if !slices.Contains([]string{"street", "town"}, area.GetString("kind")) {
				street = area.GetString("parent")
			}
			defaultTo(r, "area", street)
		}
	}
	if reporter, err := app.FindRecordById("users", r.GetString("reporter")); err == nil {
		defaultTo(r, "harbour", harbourNear(reporter))
	}
	return nil
}

func agencyKind(app core.App, r *core.Record, field, code string, kinds ...string) error {
	if !changed(r, field) || r.GetString(field) == "" {
		return nil
	}
	agency, err := app.FindRecordById("agencies", r.GetString(field))
	if err != nil {
		return Violation(field, "unknown_reference")
	}
	if !slices.Contains(kinds, agency.GetString("kind")) {
		return Violation(field, code)
	}
	return nil
}
