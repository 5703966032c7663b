package hooks

import (
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindHandbook runs the rules of the two handbooks, 金融政策宣传手册 and 产品和服务手册 (附件三).
func BindHandbook(app core.App, now Clock) {
	onSave(app, "policies", now, func(_ core.App, r, _ *core.Record, _ time.Time) error {
		return inOrder(r, "ends_before_start", "valid_from", "valid_until")
	})
	onSave(app, "products", now, func(_ core.App, r, _ *core.Record, _ time.Time) error {
		for _, of := range []string{"amount", "term", "rate"} {
			// A bound of nothing is no bound.
			if high := r.GetFloat(of + "_max"); high > 0 && r.GetFloat(of+"_min") > high {
				return Violation(of+"_max", "range_reversed")
			}
		}
		return nil
	})
}
