// Command generate writes what derives from the collections and hooks/forms, never by hand: today the warehouse schema
// (pipeline/schema_gen.go). `make generate` runs it from the project's root.
package main

import (
	"fmt"
	"os"

	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"

	_ "gangwan/pb_migrations"
	"gangwan/pipeline"
)

func main() {
	if err := generate("pipeline/schema_gen.go"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate migrates an empty database and renders the schema that the pipeline reads with.
func generate(path string) error {
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
	source, err := pipeline.GenerateSchema(collections, pipeline.DropPersonal)
	if err != nil {
		return err
	}
	return os.WriteFile(path, source, 0o644)
}
