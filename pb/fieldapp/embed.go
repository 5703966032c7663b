// Package fieldapp serves the phone app: the built PWA at "/" and the one account call it needs beside sign-in and sync.
// The app's source is in src/, what is served is dist/ (built by `make app`, committed, compared with a fresh build in a test).
package fieldapp

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

//go:embed all:dist
var built embed.FS

// policy lets the app load only what came with it: no script, picture or connection of another origin.
const policy = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; " +
	"connect-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type asset struct {
	content []byte
	tag     string
	kind    string
}

// Bind serves the app and its account call from app's server.
func Bind(app core.App, now hooks.Clock) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		files, err := load()
		if err != nil {
			return err
		}
		bindAccount(se, now)
		se.Router.GET("/{path...}", func(e *core.RequestEvent) error { return serve(e, files) }).
			Bind(apis.Gzip(), apis.SkipSuccessActivityLog())
		return se.Next()
	})
}

func load() (map[string]asset, error) {
	files := map[string]asset{}
	err := fs.WalkDir(built, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := built.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		kind := mime.TypeByExtension(path.Ext(name))
		if path.Ext(name) == ".webmanifest" {
			kind = "application/manifest+json" // unknown to mime on many systems
		}
		files[strings.TrimPrefix(name, "dist/")] = asset{content, `"` + hex.EncodeToString(sum[:8]) + `"`, kind}
		return nil
	})
	return files, err
}

// serve answers a file, or the app's page for an address inside the app. An asset that is gone (an old page after an
// update asks for one) is 404 and never the page: that would be a white screen.
func serve(e *core.RequestEvent, files map[string]asset) error {
	name := strings.TrimPrefix(path.Clean("/"+e.Request.PathValue("path")), "/")
	file, ok := files[name]
	if !ok {
		if strings.HasPrefix(name, "api/") || strings.HasPrefix(name, "_/") || path.Ext(name) != "" {
			return e.NotFoundError("", nil)
		}
		name = "index.html"
		file = files[name]
	}
	h := e.Response.Header()
	h.Set("Content-Type", file.kind)
	h.Set("ETag", file.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // its name holds a hash of its content
	}
	http.ServeContent(e.Response, e.Request, name, time.Time{}, bytes.NewReader(file.content))
	return nil
}
