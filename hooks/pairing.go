package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// What a service plate must show of both liaisons (附件八): name, phone, unit and the unit's address.
var onThePlate = []string{"harbour_liaison", "harbour_liaison_phone", "harbour_liaison_unit", "harbour_liaison_address",
	"area_liaison", "area_liaison_phone", "area_liaison_unit", "area_liaison_address"}

// BindPairing runs the rules of pairings between a harbour and a street, park, business circle, market or building (附件八).
func BindPairing(app core.App, now Clock) {
	onSave(app, "pairings", now, checkPairing)
}

func checkPairing(app core.App, r, _ *core.Record, now time.Time) error {
	if r.GetInt("plates") > 0 {
		for _, f := range onThePlate {
			if r.GetString(f) == "" {
				return Violation(f, "plate_needs_liaison")
			}
		}
		if r.GetInt("plates") != r.Original().GetInt("plates") || r.IsNew() {
			defaultTo(r, "plates_on", Stored(now))
		}
	}
	if err := notInFuture(r, now, "verified_on", "plates_on", "party_pact_on"); err != nil {
		return err
	}
	if err := inOrder(r, "ends_before_start", "from", "until"); err != nil {
		return err
	}
	if err := inOrder(r, "verified_before_pairing", "from", "verified_on"); err != nil {
		return err
	}
	if changed(r, "area") {
		area, err := app.FindRecordById("areas", r.GetString("area"))
		if err != nil {
			return Violation("area", "unknown_reference")
		}
		if slices.Contains([]string{"district", "community", "village"}, area.GetString("kind")) {
			return Violation("area", "area_not_paired")
		}
	}
	others, err := overlapping(app, r, "harbour", "area")
	if err == nil && others > 0 {
		return Violation("area", "pairing_in_force")
	}
	return err
}
