// Command generate writes what derives from the collections and hooks/forms, never by hand: the warehouse schema
// (pipeline/schema_gen.go), the phone's forms and types (pb/fieldapp/src/forms/generated.ts), its names of industries and the page that says who sees
// what (docs/access.md). `make generate` runs it from the project's root.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"

	_ "gangwan/pb_migrations"
	"gangwan/pipeline"
)

func main() {
	if err := generate("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate migrates an empty database and writes, under root, what derives from it.
func generate(root string) error {
	dir, err := os.MkdirTemp("", "gangwan-generate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	defer app.ResetBootstrapState() //nolint:errcheck // a temporary database
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	collections, err := app.FindAllCollections()
	if err != nil {
		return err
	}
	schema, err := pipeline.GenerateSchema(collections, pipeline.DropPersonal)
	if err != nil {
		return err
	}
	forms, err := phoneForms(collections)
	if err != nil {
		return err
	}
	access, err := accessPage(collections)
	if err != nil {
		return err
	}
	for path, source := range map[string][]byte{"pipeline/schema_gen.go": schema, "pb/fieldapp/src/forms/generated.ts": forms, "pb/fieldapp/src/pages/field/industries.ts": industries(), "docs/access.md": access} {
		if err := os.WriteFile(filepath.Join(root, path), source, 0o644); err != nil {
			return err
		}
	}
	return nil
}
