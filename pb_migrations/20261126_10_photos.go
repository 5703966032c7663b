package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// Pictures of the new records, seen by whoever holds the record; of an inspection, each shows one item.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		photos := find(app, "photos")
		photos.Fields.Add(text("item", 40, "检查项目代码（检查照片）"))
		photos.Fields.Add(scopes("scope_user", "scope_owner", "scope_street", "scope_official")...)
		photos.AddIndex("photos_scope_user", false, "scope_user", "scope_user != ''")
		photos.AddIndex("photos_scope_owner", false, "scope_owner", "scope_owner != ''")
		photos.AddIndex("photos_scope_street", false, "scope_street", "scope_street != ''")
		photos.AddIndex("photos_scope_official", false, "scope_official", "scope_official != ''")
		rule := heldBy(holdsGrid, holdsHarbour, holdsUser, holdsOwner, holdsStreet, holdsOfficial)
		photos.ListRule, photos.ViewRule = types.Pointer(rule), types.Pointer(rule)
		return app.Save(photos)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		photos := find(app, "photos")
		rule := heldBy(holdsGrid, holdsHarbour)
		photos.ListRule, photos.ViewRule = types.Pointer(rule), types.Pointer(rule)
		if err := app.Save(photos); err != nil {
			return err
		}
		return dropFields(app, "photos", []string{"photos_scope_user", "photos_scope_owner", "photos_scope_street", "photos_scope_official"}, "item", "scope_user", "scope_owner", "scope_street", "scope_official")
	})
}
