package pipeline

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	_ "gangwan/pb_migrations"

	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"
)

var update = flag.Bool("update", false, "write schema_gen.go and the golden files anew")

// newApp is a real PocketBase with every migration run, in a folder of its own.
func newApp(t testing.TB) core.App {
	t.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: t.TempDir()})
	if err := app.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.ResetBootstrapState() })
	if err := app.RunAllMigrations(); err != nil {
		t.Fatal(err)
	}
	return app
}

func TestTheWarehouseSchemaIsWhatTheCollectionsSay(t *testing.T) {
	collections, err := newApp(t).FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	got, err := GenerateSchema(collections, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema_gen.go", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema_gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatal("schema_gen.go is not what the collections say: run make generate")
	}
}

func TestNoPhoneNameOrFreeNoteOfAPersonEntersTheWarehouse(t *testing.T) {
	forbidden := []string{"phone", "mobile", "email", "owner", "contact", "applicant", "note", "password", "token", "staff_no", "address"}
	// They say how, when or what of a thing, not who.
	harmless := []string{"demand_matches.first_contact_at", "demand_events.contact_way", "parameters.note", "enterprises.ownership"}
	for _, c := range rawSchema {
		for _, col := range c.Columns {
			for _, f := range forbidden {
				if strings.Contains(col.Name, f) && !slices.Contains(harmless, c.Name+"."+col.Name) {
					t.Errorf("%s.%s would enter the warehouse", c.Name, col.Name)
				}
			}
		}
		if c.Name == "users" && len(c.Columns) != 5 {
			t.Errorf("users: %v, want only id, role, street, harbour, bank", c.Columns)
		}
	}
}
