package hooks

import (
	"net/http"
	"slices"

	"github.com/pocketbase/pocketbase/core"
)

// closedRoutes are PocketBase's ways to run plain SQL, to change the collections that migrations own, to bring in a backup that
// knows nothing of phones, and to act in another person's name. Patterns, not paths: a path can be written in many ways.
var closedRoutes = []string{
	"POST /api/sql",
	"POST /api/collections",
	"PUT /api/collections/import",
	"PATCH /api/collections/{collection}",
	"DELETE /api/collections/{collection}",
	"DELETE /api/collections/{collection}/truncate",
	"POST /api/collections/meta/dry-run-view",
	"POST /api/collections/{collection}/impersonate/{id}",
	"POST /api/backups/upload",
}

// BindClosed refuses, to superusers too, what would change the database behind the rules. PocketBase's own --dev opens it for
// developers; migrations and commands are not concerned.
func BindClosed(app core.App) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		se.Router.BindFunc(func(e *core.RequestEvent) error {
			if !e.App.IsDev() && slices.Contains(closedRoutes, e.Request.Pattern) {
				return e.JSON(http.StatusForbidden, Err("closed_in_production"))
			}
			return e.Next()
		})
		return se.Next()
	})
	// A batch would pass the limits that are set per request.
	app.OnSettingsUpdateRequest().BindFunc(func(e *core.SettingsUpdateRequestEvent) error {
		if !e.App.IsDev() && e.NewSettings.Batch.Enabled {
			return e.JSON(http.StatusForbidden, Err("closed_in_production"))
		}
		return e.Next()
	})
}
