package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Who may import whom among our packages, with the reason that a refused arrow is answered with.
var house = map[string]struct {
	may []string
	why string
}{
	"gangwan/hooks":                   {nil, "the domain imports none of ours; anyone may import it"},
	"gangwan/pb_migrations":           {nil, "a migration is frozen: it must not change when the domain does"},
	"gangwan/pb_migrations/fresh":     {[]string{"gangwan/pb_migrations"}, "it gives tests a migrated database; nothing but tests may import it"},
	"gangwan/pb/fieldsync":            {[]string{"gangwan/hooks"}, "sync knows the domain and nothing else of ours"},
	"gangwan/pb/fieldsync/testserver": {[]string{"gangwan/hooks", "gangwan/pb/fieldsync", "gangwan/pb_migrations"}, "outside clients are tested against the real server, wired as in pb but with a clock and hands of its own"},
	"gangwan/pb/ops":                  {[]string{"gangwan/hooks", "gangwan/pb/fieldsync"}, "an operator's commands know the domain and sync"},
	"gangwan/pb/console":              {nil, "it only arranges what PocketBase shows"},
	"gangwan/pb/fieldapp":             {[]string{"gangwan/hooks"}, "the app talks to the server as any client does"},
	"gangwan/pb/registry":             {[]string{"gangwan/hooks"}, "imports know the domain and nothing else of ours"},
	"gangwan/pipeline":                {[]string{"gangwan/hooks"}, "the pipeline reads the feed table by SQL: its columns are the contract"},
	"gangwan/pipeline/oracle":         {nil, "the oracle shares no code with what it judges"},
	"gangwan/pipeline/oracle/compare": {[]string{"gangwan/pipeline/oracle"}, "it runs the oracle and nothing else"},
	"gangwan/reports":                 {[]string{"gangwan/hooks"}, "the marts' columns are the contract between pipeline and reports"},
	"gangwan/pb/demo":                 {[]string{"gangwan/hooks", "gangwan/pb/fieldsync", "gangwan/pb/registry", "gangwan/pipeline"}, "the demo plays phones and imports; reports it reads as a user"},
	"gangwan/pb/generate":             {[]string{"gangwan/pipeline", "gangwan/pb_migrations", "gangwan/hooks", "gangwan/pb/console"}, "the generator wires migrations to what derives from them"},
}

func TestNothingImportsAgainstTheDirectionOfTheHouse(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,IgnoredGoFiles", "gangwan/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath              string
			Imports, IgnoredGoFiles []string
		}
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		seen++
		if len(p.IgnoredGoFiles) > 0 {
			t.Errorf("%s: files silently left out of the build: %v", p.ImportPath, p.IgnoredGoFiles)
		}
		if p.ImportPath == "gangwan/pb" {
			continue // wires all
		}
		rule, known := house[p.ImportPath]
		if !known {
			t.Errorf("%s has no place in the house: say in this test what it may import", p.ImportPath)
		}
		for _, i := range p.Imports {
			if strings.HasPrefix(i, "gangwan/") && !slices.Contains(rule.may, i) {
				t.Errorf("%s must not import %s: %s", p.ImportPath, i, rule.why)
			}
		}
	}
	if seen < len(house) {
		t.Fatalf("only %d packages listed", seen)
	}
}

// A page that says which test shows what must not name one that is gone.
func TestEveryTestThatADesignPageNamesIsThere(t *testing.T) {
	there := map[string]bool{}
	named := map[string]string{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if err == nil && (e.Name() == "node_modules" || e.Name() == "bin" || strings.HasSuffix(e.Name(), "_data")) {
				return filepath.SkipDir
			}
			return err
		}
		switch {
		case strings.HasSuffix(path, "_test.go"):
			raw, err := os.ReadFile(path)
			for _, m := range testFunc.FindAllSubmatch(raw, -1) {
				there[string(m[1])] = true
			}
			return err
		case filepath.Base(path) == "DESIGN.md":
			raw, err := os.ReadFile(path)
			for _, m := range testName.FindAllSubmatch(raw, -1) {
				named[string(m[1])] = path
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, page := range named {
		if !there[name] {
			t.Errorf("%s names %s, which is not there", page, name)
		}
	}
	if len(named) < 30 {
		t.Errorf("only %d tests are named", len(named))
	}
}

var (
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`")
)

// Sync makes most records without PocketBase's own save (fieldsync, hooks.Creating). A rule bound past hooks.OnCreate and
// hooks.OnValidate would hold at the console and not for the phones.
func TestRulesAreBoundWhereTheQuickWayFindsThem(t *testing.T) {
	bound := regexp.MustCompile(`\.On(?:Record|Model)(?:Create|Validate|CreateExecute)\(([^)]*)\)`)
	known := map[string]string{
		"../hooks/creating.go collection": "binds both",
		"../hooks/log.go ":                "notes what requests of the console and the API make; a push is in the ledger",
	}
	seen := 0
	for _, folder := range []string{"../hooks", ".", "fieldsync", "registry", "ops", "console"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range bound.FindAllSubmatch(raw, -1) {
				seen++
				of := string(m[1])
				if strings.HasSuffix(file, "_test.go") || known[file+" "+of] != "" {
					continue
				}
				if !strings.HasPrefix(of, `"`) || strings.Contains(of, "enterprises") || strings.Contains(of, "visits") || strings.Contains(of, "photos") || strings.Contains(of, "demands") {
					t.Errorf("%s: %s is not run when a phone's record is made: bind it by hooks.OnCreate or hooks.OnValidate", file, m[0])
				}
			}
		}
	}
	if seen < len(known) {
		t.Errorf("only %d bindings found: the search is blind", seen)
	}
}
