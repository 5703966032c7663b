package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// The promise of the two truths: a migration owns the shape, a form the meaning, and all else follows.
func TestANewFieldIsOneMigrationAndOneLineOfAForm(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/new_field.txtar")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, replaced := t.TempDir(), map[string]string{}
	for i, f := range archive.Files {
		content := f.Data
		if before, err := os.ReadFile(filepath.Join(root, f.Name)); err == nil {
			content = append(before, content...) // a line more
		}
		replaced[filepath.Join(root, f.Name)] = filepath.Join(dir, string(rune('a'+i))+filepath.Ext(f.Name))
		if err := os.WriteFile(replaced[filepath.Join(root, f.Name)], content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(in string, args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run(root, "go", "build", "-overlay", overlay, "-o", filepath.Join(dir, "generate"), "./pb/generate")
	made := filepath.Join(dir, "made")
	for _, d := range []string{"pipeline", "pb/fieldapp/src/forms", "pb/fieldapp/src/pages/field", "docs"} {
		if err := os.MkdirAll(filepath.Join(made, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(made, filepath.Join(dir, "generate"))
	for file, wants := range map[string][]string{
		"pipeline/schema_gen.go":             {`{"door_colour", kindText}`},
		"pb/fieldapp/src/forms/generated.ts": {`door_colour|门面颜色|one||||||||red 红;green 绿`, `door_colour: 'red' | 'green' | ''`},
	} {
		got, err := os.ReadFile(filepath.Join(made, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(got), want) {
				t.Errorf("%s lacks %s", file, want)
			}
		}
	}
	run(root, "go", "test", "-overlay", overlay, "-run", "^TestTheNewFieldGoesFromPhoneToPhone$", "-count", "1", "-timeout", "300s", "./pb/fieldsync")
}
