// Package console arranges PocketBase's own console for the district's administrators: collections in the order of a working
// day with their Chinese names. Only superusers enter it.
package console

import (
	"embed"

	"github.com/pocketbase/pocketbase/core"
)

//go:embed main.js
var files embed.FS

// Bind adds the arrangement to the console that app serves.
func Bind(app core.App) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		se.UIExtensions = append(se.UIExtensions, core.UIExtension{Name: "gangwan", FS: files})
		return se.Next()
	})
}
