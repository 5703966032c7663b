package fieldsync

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Every file of testdata/stories is a history in which something once went wrong; its head says what. Under "steps" stand the
// steps of the simulation, under "expect" what must be so after them, in the same language; then all becomes quiet and is
// compared, as in any simulated history.
func TestEveryStoryThatOnceWentWrongEndsWell(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "stories", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			steps := storyOf(t, file)
			if _, err := play(t.TempDir(), steps); err != nil {
				t.Error(err)
			}
		})
	}
}

func storyOf(t *testing.T, file string) (steps []string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse(raw)
	if len(archive.Comment) == 0 || len(archive.Files) != 2 || archive.Files[0].Name != "steps" || archive.Files[1].Name != "expect" {
		t.Fatalf("%s: a story says what once went wrong, its steps and what to expect", file)
	}
	for _, part := range archive.Files {
		for _, line := range strings.Split(string(part.Data), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				steps = append(steps, line)
			}
		}
	}
	return steps
}

// What stories expect, in the words of the steps.
func init() {
	for name, run := range map[string]func(w *simWorld, a *simArgs){
		// result PHONE N STATUS [CODE]: what was answered to the Nth mutation that the phone made.
		"result": func(w *simWorld, a *simArgs) {
			p := a.phone()
			id := p.made[a.int()]
			want, code, got := Status(a.word()), a.rest(), p.results[id]
			if got.Status != want || code != "" && strings.Join(codesOf(got.Errors), " ") != code {
				w.fail(3, "%s was answered %s %s, expected is %s %s", id, got.Status, codesOf(got.Errors), want, code)
			}
		},
		// ignored PHONE N FIELD: the field was listed as ignored.
		"ignored": func(w *simWorld, a *simArgs) {
			p := a.phone()
			if got, want := strings.Join(p.results[p.made[a.int()]].Ignored, " "), a.rest(); got != want {
				w.fail(9, "ignored was %q, expected is %q", got, want)
			}
		},
		// holds PHONE COLLECTION/ID and lacks: what the phone has pulled.
		"holds": func(w *simWorld, a *simArgs) {
			if p, key := a.phone(), a.word(); p.has[key].record == nil {
				w.fail(2, "%s does not hold %s", p.name, key)
			}
		},
		"lacks": func(w *simWorld, a *simArgs) {
			if p, key := a.phone(), a.word(); p.has[key].record != nil {
				w.fail(4, "%s holds %s", p.name, key)
			}
		},
		// attention PHONE N: how many mutations need its worker's attention.
		"attention": func(w *simWorld, a *simArgs) {
			p, n := a.phone(), 0
			for _, e := range p.outbox {
				if e.state == "attention" {
					n++
				}
			}
			if want := a.int(); n != want {
				w.fail(6, "%d mutations of %s need attention, expected are %d", n, p.name, want)
			}
		},
	} {
		simVerbs[name] = &simVerb{weight: 0, run: run}
	}
}

func (a *simArgs) rest() string { return strings.Join(a.words, " ") }
