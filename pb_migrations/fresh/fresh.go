// Package fresh gives tests a data directory with every migration run. Running them takes seconds, a copy of the result
// milliseconds: they run once a test binary.
package fresh

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations" // PocketBase's own tables

	_ "gangwan/pb_migrations"
)

// migrated are the files of a closed data directory: a copy taken while it is open would miss what is in the journal.
var migrated = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "gangwan-fresh-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	if err := app.Bootstrap(); err != nil {
		return nil, err
	}
	if err := errors.Join(app.RunAllMigrations(), app.ResetBootstrapState()); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, name := range []string{"data.db", "auxiliary.db"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

// Fill writes a migrated, empty database into dir, which it makes.
func Fill(dir string) error {
	files, err := migrated()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Dir is a data directory of the test's own, for an app that the test opens in its own way.
func Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := Fill(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// App is an open PocketBase with every migration run and none of our hooks, closed when the test ends.
func App(t testing.TB) core.App {
	t.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: Dir(t)})
	if err := app.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.ResetBootstrapState() })
	return app
}
