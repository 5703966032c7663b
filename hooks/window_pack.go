package hooks

import (
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// BindWindowPack runs the rules of the 资料包 at administrative windows (附件八).
func BindWindowPack(app core.App, now Clock) {
	onSave(app, "window_packs", now, func(_ core.App, r, _ *core.Record, now time.Time) error {
		if r.GetString("grid") == "" && r.GetString("harbour") == "" {
			return Violation("harbour", "window_place_needed")
		}
		return notYet(r, now, "stocked_at")
	})
}
