package pb_migrations

import (
	"encoding/json"
	"flag"
	"os"
	"sort"
	"testing"

	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"
)

var update = flag.Bool("update", false, "write testdata/schema.golden.json anew")

func newApp(t *testing.T) core.App {
	t.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: t.TempDir()})
	if err := app.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.ResetBootstrapState() })
	return app
}

// schemaOf lists every collection and plain table as a reviewer reads it: name, rules, fields with limits, indexes.
func schemaOf(t *testing.T, app core.App) map[string]any {
	t.Helper()
	collections, err := app.FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	nameOf := map[string]string{}
	for _, c := range collections {
		nameOf[c.Id] = c.Name
	}
	out := map[string]any{}
	for _, c := range collections {
		if c.System {
			continue
		}
		var fields []map[string]any
		for _, f := range c.Fields {
			b, _ := json.Marshal(f)
			m := map[string]any{}
			_ = json.Unmarshal(b, &m)
			delete(m, "id")
			m["type"] = f.Type()
			if id, ok := m["collectionId"].(string); ok {
				m["collectionId"] = nameOf[id]
			}
			for k, v := range m {
				if v == false || v == "" || v == nil || v == float64(0) {
					delete(m, k)
				}
			}
			fields = append(fields, m)
		}
		sort.Strings(c.Indexes)
		out[c.Name] = map[string]any{"fields": fields, "indexes": c.Indexes, "list": c.ListRule, "view": c.ViewRule,
			"create": c.CreateRule, "update": c.UpdateRule, "delete": c.DeleteRule}
	}
	tables := []string{}
	if err := app.DB().NewQuery(`SELECT sql FROM sqlite_master WHERE name LIKE 'sync\_%' ESCAPE '\' AND sql IS NOT NULL
		AND tbl_name NOT IN (SELECT name FROM _collections) ORDER BY name`).Column(&tables); err != nil {
		t.Fatal(err)
	}
	out["plain_tables"] = tables
	return out
}

func TestTheWholeSchemaIsWhatTheGoldenFileSays(t *testing.T) {
	app := newApp(t)
	if err := app.RunAllMigrations(); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(schemaOf(t, app), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const path = "testdata/schema.golden.json"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("the schema differs from %s; if the change is meant, run go test ./pb_migrations -update and review the diff", path)
	}
}

func TestEveryMigrationCanBeTakenBackAndMadeAgain(t *testing.T) {
	app := newApp(t)
	if err := app.RunAllMigrations(); err != nil {
		t.Fatal(err)
	}
	before, _ := json.Marshal(schemaOf(t, app))
	items := core.AppMigrations.Items()
	for i := len(items) - 1; i >= 0; i-- {
		if err := app.RunInTransaction(items[i].Down); err != nil {
			t.Fatalf("%s down: %v", items[i].File, err)
		}
	}
	for _, m := range items {
		if err := app.RunInTransaction(m.Up); err != nil {
			t.Fatalf("%s up again: %v", m.File, err)
		}
	}
	after, _ := json.Marshal(schemaOf(t, app))
	if string(before) != string(after) {
		t.Fatal("down and up again ended in another schema")
	}
}
