package fieldsync

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Every file of testdata/mutants breaks the product in one way that its head names. A broken product that no test notices would
// mean that the tests prove nothing. Anchors are looked up in the present source: when it moves on, they must follow.
//
// `make mutants` breaks it in all these ways; a plain run looks up all anchors and tries one.
func TestEveryWayToBreakSyncIsNoticed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "mutants", "*.txtar"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d mutants: %v", len(files), err)
	}
	wanted := os.Getenv("MUTANTS")
	if wanted == "" {
		wanted = "no-ledger"
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		overlay := mutate(t, file)
		if wanted == "all" || strings.Contains(" "+wanted+" ", " "+name+" ") {
			t.Run(name, func(t *testing.T) { noticed(t, overlay) })
		}
	}
}

// mutate writes the broken source files and the overlay that puts them in the place of the good ones.
func mutate(t *testing.T, file string) (overlay string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(raw)
	broken, replace := map[string]string{}, map[string]string{}
	dir := t.TempDir()
	for i := 0; i+1 < len(archive.Files); i += 2 {
		name, old, fresh := archive.Files[i].Name, string(archive.Files[i].Data), string(archive.Files[i+1].Data)
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		if broken[path] == "" {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken[path] = string(source)
		}
		old, fresh = strings.TrimSuffix(old, "\n"), strings.TrimSuffix(fresh, "\n")
		if n := strings.Count(broken[path], old); n != 1 || old == "" {
			t.Fatalf("%s: its text stands %d times in %s:\n%s", file, n, name, old)
		}
		broken[path] = strings.Replace(broken[path], old, fresh, 1)
	}
	for path, source := range broken {
		replace[path] = filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(replace[path], []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay = filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// noticed runs the simulation and the stories on the broken product: they must fail, and not because it does not compile.
func noticed(t *testing.T, overlay string) {
	run := exec.Command("go", "test", "-overlay", overlay, "-run", "^("+simulation+"|TestEveryStoryThatOnceWentWrongEndsWell|"+ahead+")$", "-timeout", "10m", ".")
	run.Env = append(os.Environ(), "SIMULATE=", "SEED=", "SHRINK=no")
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	err := run.Run()
	if err == nil {
		t.Error("nobody noticed")
	} else if !strings.Contains(out.String(), "--- FAIL") {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.Contains(line, "invariant") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
