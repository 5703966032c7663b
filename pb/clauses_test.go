package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"
)

// The headings of the notice, 万州府办〔2021〕67号, and of its annex.
var clauses = []string{"§一", "§二", "§三(一)", "§三(二)一", "§三(二)二", "§三(二)三", "§三(二)四", "§三(二)五",
	"§三(三)一", "§三(三)二", "§三(三)三", "§三(三)四", "§三(三)五", "§三(三)六", "§三(三)七", "§四(一)", "§四(二)", "§四(三)",
	"附件一", "附件二", "附件三", "附件四", "附件五", "附件六", "附件七", "附件八", "附件九", "附件十"}

func TestEveryClauseOfTheNoticeHasItsRecordRuleScreenAndIndicator(t *testing.T) {
	raw, err := os.ReadFile("../docs/clauses.md")
	if err != nil {
		t.Fatal(err)
	}
	app := fresh.App(t)
	routes := routesOfTheApp(t)
	registers := read(t, "fieldapp/src/pages/registers/registers.ts")
	counted := indicatorsOnFile(t)
	quoted := regexp.MustCompile("`([^`]+)`")
	met, used := map[string]bool{}, map[string]bool{}
	for _, line := range strings.Split(string(raw), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "条款" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		if len(cells) != 6 || slices.Contains(cells, "") {
			t.Errorf("an empty place: %s", line)
			continue
		}
		met[cells[0]] = true
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			used[m[1]] = true
			if _, err := app.FindCollectionByNameOrId(m[1]); err != nil {
				t.Errorf("%s: there is no collection %s", cells[0], m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			if _, err := os.Stat("../hooks/" + m[1]); err != nil {
				t.Errorf("%s: there is no hooks/%s", cells[0], m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[4], -1) {
			register, is := strings.CutPrefix(m[1], "/registers/")
			switch {
			case m[1] == "/reports" || slices.Contains(routes, m[1]):
			case is && strings.Contains(registers, "collection: '"+register+"'"):
			default:
				t.Errorf("%s: the app has no page %s", cells[0], m[1])
			}
		}
		for _, code := range strings.Fields(cells[5]) {
			name, planned := strings.CutSuffix(code, "*")
			if !regexp.MustCompile(`^[A-Z]{2,4}-\d\d$`).MatchString(name) {
				t.Errorf("%s: %q is no indicator", cells[0], code)
			}
			if planned == counted[name] {
				t.Errorf("%s: %s (counted already: %v)", cells[0], code, counted[name])
			}
		}
	}
	for _, c := range clauses {
		if !met[c] {
			t.Errorf("%s stands nowhere", c)
		}
	}
	if len(met) != len(clauses) {
		t.Errorf("%d clauses in the table, %d in the notice", len(met), len(clauses))
	}
	// What people write down must come from somewhere in the notice.
	for collection := range hooks.Forms {
		if !used[collection] {
			t.Errorf("%s serves no clause", collection)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// routesOfTheApp are the addresses that the phone app knows.
func routesOfTheApp(t *testing.T) (paths []string) {
	files, err := filepath.Glob("fieldapp/src/pages/*/routes.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "fieldapp/src/router.ts") {
		for _, m := range regexp.MustCompile(`path: '([^']+)', name`).FindAllStringSubmatch(read(t, f), -1) {
			paths = append(paths, m[1])
		}
	}
	return paths
}

// indicatorsOnFile are the codes that have a model.
func indicatorsOnFile(t *testing.T) map[string]bool {
	files, err := filepath.Glob("../pipeline/models/indicators/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no indicators: %v", err)
	}
	out := map[string]bool{}
	for _, f := range files {
		for _, m := range regexp.MustCompile(`(?m)^-- code: ([A-Z]+-\d\d)`).FindAllStringSubmatch(read(t, f), -1) {
			out[m[1]] = true
		}
	}
	return out
}
