// Package console arranges PocketBase's own console for the district's administrators: collections in the order of a working
// day with their Chinese names. Only superusers enter it.
package console

import (
	"embed"
	"io/fs"
	"regexp"

	"github.com/pocketbase/pocketbase/core"
)

//go:embed main.js closed/main.js
var files embed.FS

// Bind adds the arrangement to the console that app serves.
func Bind(app core.App) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		se.UIExtensions = append(se.UIExtensions, core.UIExtension{Name: "gangwan", FS: files})
		if se.App.IsDev() {
			return se.Next()
		}
		closed, err := fs.Sub(files, "closed")
		if err != nil {
			return err
		}
		se.UIExtensions = append(se.UIExtensions, core.UIExtension{Name: "gangwan-closed", FS: closed})
		return se.Next()
	})
}

// Group is one heading of the console's list of collections.
type Group struct {
	Title       string
	Collections []Named
}

// Named is a collection with its Chinese name.
type Named struct{ Collection, Name string }

var (
	groupLine = regexp.MustCompile(`(?m)^  \["([^"]+)", \{ (.*) \}\],$`)
	nameOf    = regexp.MustCompile(`(\w+): "([^"]+)"`)
)

// Groups lists the collections as the console does, in the order of an administrator's day.
func Groups() (out []Group) {
	script, err := files.ReadFile("main.js")
	if err != nil {
		panic(err)
	}
	for _, line := range groupLine.FindAllSubmatch(script, -1) {
		g := Group{Title: string(line[1])}
		for _, c := range nameOf.FindAllSubmatch(line[2], -1) {
			g.Collections = append(g.Collections, Named{string(c[1]), string(c[2])})
		}
		out = append(out, g)
	}
	return out
}
