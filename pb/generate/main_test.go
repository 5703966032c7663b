package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsCommittedIsWhatMigrationsAndFormsGenerate(t *testing.T) {
	fresh := t.TempDir()
	files := []string{"pipeline/schema_gen.go", "pb/fieldapp/src/forms/generated.ts", "pb/fieldapp/src/pages/field/industries.ts", "docs/access.md"}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Join(fresh, filepath.Dir(f)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := generate(fresh); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		want, err := os.ReadFile(filepath.Join(fresh, f))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../..", f))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is out of date: run make generate", f)
		}
	}
}
