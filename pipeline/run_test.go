package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

func clockAt(s string) func() time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return t }
}

func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// withChange gives the embedded models with one file replaced or added.
func withChange(t testing.TB, name, content string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(embedded, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(embedded, path)
		out[path] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	out[name] = &fstest.MapFile{Data: []byte(content)}
	return out
}

// capture installs a feed like that of the sync server, reduced to what the pipeline reads.
func capture(t testing.TB, app core.App, collections ...string) {
	t.Helper()
	if len(collections) == 0 {
		collections = extracted
	}
	for _, c := range collections {
		for op, from := range map[string]string{"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"} {
			execute(t, app, fmt.Sprintf(`CREATE TRIGGER test_%s_%s AFTER %s ON %s BEGIN
				INSERT INTO sync_feed (scope, collection, record, rev) VALUES ('-', '%s', %s.id, (SELECT COALESCE(max(seq), 0) + 1 FROM sync_feed)); END`,
				c, op, op, c, c, from))
		}
	}
}

// sameFigures fails unless two runs ended in the same lake, byte for byte.
func sameFigures(t testing.TB, what string, a, b Result) {
	t.Helper()
	if a.RunID != b.RunID {
		t.Errorf("%s: run %s, then %s", what, a.RunID, b.RunID)
	}
	left, err := readTree(a.LakeDir)
	if err != nil {
		t.Fatal(err)
	}
	right, err := readTree(b.LakeDir)
	if err != nil {
		t.Fatal(err)
	}
	for name := range left {
		if left[name] != right[name] {
			t.Errorf("%s: %s differs", what, name)
		}
	}
	if len(left) < 15 || len(left) != len(right) {
		t.Errorf("%s: %d files and %d files", what, len(left), len(right))
	}
	const q = `SELECT * FROM indicators ORDER BY ALL`
	if d := difference(query(t, a.MartsPath, q), query(t, b.MartsPath, q)); d != "" {
		t.Errorf("%s: indicators differ:%s", what, d)
	}
}

func TestAnEmptyDistrictRunsAndGivesNoRows(t *testing.T) {
	app := newApp(t)
	r, err := Run(context.Background(), app, Options{Now: clockAt("2026-11-23T02:00:00+08:00")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != "published" || r.Date != "2026-11-22" || r.Provisional {
		t.Fatalf("%+v", r)
	}
	if got := query(t, r.MartsPath, "SELECT count(*) AS n FROM indicators"); got != "n\n0\n" {
		t.Errorf("figures out of nothing: %s", got)
	}
}

func TestARowOfEveryCollectionArrivesInTheWarehouseWithItsSumsAndItsChanges(t *testing.T) {
	app := handmade(t)
	var names []string
	for _, c := range rawSchema {
		if n, err := app.CountRecords(c.Name); err != nil || n > 0 {
			continue // the hand-made district has its own
		}
		names = append(names, c.Name)
		r := row{"id": "row000000000001"}
		for _, col := range c.Columns {
			if col.Kind == kindInt {
				r[col.Name] = 7
			} else if col.Name == "captured_at" || col.Name == "synced_at" {
				r[col.Name] = sh("2026-11-20 10:00")
			}
		}
		insert(t, app, c.Name, r)
	}
	if len(names) < 20 {
		t.Fatalf("only %v are new", names)
	}
	capture(t, app, names...)
	mustRun(t, app, Options{}) // source and warehouse that differ block it
	for _, c := range rawSchema {
		for _, col := range c.Columns {
			if col.Kind == kindInt && slices.Contains(names, c.Name) {
				execute(t, app, fmt.Sprintf(`UPDATE "%s" SET "%s" = 8`, c.Name, col.Name))
			}
		}
	}
	mustRun(t, app, Options{})
}

// Minutes are personal and stay behind; that there are some must be told, or no figure can say which activities took place.
func TestTheWarehouseKnowsWhatShowsAnActivityAndNotWhatItsMinutesSay(t *testing.T) {
	app := handmade(t)
	insert(t, app, "activities", row{"id": "activity0000001", "title": "对接会", "kind": "matchmaking", "status": "held", "minutes": "张三说他缺钱", "evidence": `["photo","minutes"]`})
	insert(t, app, "activities", row{"id": "activity0000002", "title": "沙龙", "kind": "salon", "status": "held", "evidence": `["roster"]`})
	capture(t, app, "activities")
	shown := withChange(t, "models/marts/test_shown_activities.sql", "-- order: activity_id\nselect activity_id, evidence from stg_activities")
	r := mustRun(t, app, Options{Models: shown})
	const want = "activity_id,evidence\nactivity0000001,[\"photo\",\"minutes\"]\nactivity0000002,[\"roster\"]\n"
	if got := query(t, r.MartsPath, "SELECT * FROM test_shown_activities ORDER BY 1"); got != want {
		t.Errorf("%q", got)
	}
	if i := slices.IndexFunc(rawSchema, func(c rawCollection) bool { return c.Name == "activities" }); slices.ContainsFunc(rawSchema[i].Columns, func(c rawColumn) bool { return c.Name == "minutes" }) {
		t.Error("what was said at an activity enters the warehouse")
	}
}

func TestTheWarehouseKnowsWhichItemsPassedAndNotWhatWasRemarkedOfThem(t *testing.T) {
	app := handmade(t)
	capture(t, app, "inspections")
	insert(t, app, "inspections", row{"id": "inspection00001", "kind": "patrol", "status": "done", "items": `[{"item":"sign","result":"pass","remark":""},{"item":"officer","result":"fail","remark":"王五不在岗"}]`})
	insert(t, app, "inspections", row{"id": "inspection00002", "kind": "self", "status": "planned", "items": "null"})
	insert(t, app, "inspections", row{"id": "inspection00003", "kind": "self", "status": "planned", "items": ""})
	items := func() string {
		t.Helper()
		r := mustRun(t, app, Options{Models: withChange(t, "models/marts/test_items.sql", "-- order: inspection_id\nselect inspection_id, items from stg_inspections")})
		return query(t, r.MartsPath, "SELECT * FROM test_items ORDER BY 1")
	}
	const want = `inspection_id,items
inspection00001,[{"item":"sign","result":"pass"},{"item":"officer","result":"fail"}]
inspection00002,[]
inspection00003,[]
`
	if got := items(); got != want {
		t.Error("in the first night:", got)
	}
	execute(t, app, `UPDATE inspections SET items = replace(items, '王五', '赵六') WHERE id = 'inspection00001'`)
	if got := items(); got != want {
		t.Error("by the feed:", got)
	}
}

func TestTwoNightsEndInTheSameFiguresAsReadingEverythingAtOnce(t *testing.T) {
	app := newApp(t)
	capture(t, app)
	places(t, app)
	firstHalf(t, app)
	first := mustRun(t, app, Options{Date: "2026-10-01", Now: clockAt("2026-10-02T01:30:00+08:00")})
	secondHalf(t, app)
	// What came the first night also changes and goes.
	execute(t, app, `UPDATE visits SET review = 'none' WHERE id = 'v00000000000001'`)
	execute(t, app, `UPDATE enterprises SET name = '改名' WHERE uscc = 'U2'`)
	visit(t, app, 90, w1, 2, g1, "2026-10-30 10:00", nil)
	execute(t, app, `DELETE FROM visits WHERE id = 'v00000000000090'`)
	execute(t, app, `DELETE FROM visits WHERE id = 'v00000000000003'`)
	night := mustRun(t, app, Options{})
	if n := night.Counts["read.visits"]; n != 19 {
		t.Errorf("the second night read %d visits, want the 16 new, the changed one and the 2 deleted", n)
	}
	if first.RunID == night.RunID {
		t.Error("two days share a run id")
	}
	kept := night
	kept.LakeDir = copyTree(t, night.LakeDir)
	kept.MartsPath = copyFile(t, night.MartsPath)
	if err := os.RemoveAll(night.LakeDir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(night.MartsPath); err != nil {
		t.Fatal(err)
	}
	full := mustRun(t, app, Options{Full: true})
	sameFigures(t, "two nights and --full", kept, full)
	if full.Counts["read.visits"] != 25 {
		t.Errorf("--full read %d visits of 25", full.Counts["read.visits"])
	}
	again := mustRun(t, app, Options{})
	if again.Counts["read.visits"] != 0 || again.RunID != full.RunID {
		t.Errorf("a night after --full read %d visits", again.Counts["read.visits"])
	}
}

func copyTree(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

func copyFile(t testing.TB, from string) string {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.duckdb")
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestACollectionWithoutChangeCaptureIsReadWholeAndLosesNothing(t *testing.T) {
	app := newApp(t)
	places(t, app)
	firstHalf(t, app)
	mustRun(t, app, Options{})
	secondHalf(t, app)
	execute(t, app, `DELETE FROM visits WHERE id = 'v00000000000003'`)
	night := mustRun(t, app, Options{})
	if night.Counts["read.visits"] != 25 || night.Counts["read.areas"] != 0 {
		t.Errorf("read %v: want all visits again, and no areas, which are as they were", night.Counts)
	}
	// Capture begins: rows written between the last night and the trigger are in no feed.
	visit(t, app, 91, w1, 2, g1, "2026-10-30 10:00", nil)
	capture(t, app)
	night = mustRun(t, app, Options{})
	if night.Counts["read.visits"] != 26 {
		t.Errorf("read %d visits of 26", night.Counts["read.visits"])
	}
	if night = mustRun(t, app, Options{}); night.Counts["read.visits"] != 0 {
		t.Errorf("read %d visits, none changed", night.Counts["read.visits"])
	}
}

func TestTheSameDateTwiceIsTheSameRunWithTheSameBytes(t *testing.T) {
	render := func(_ context.Context, in RenderInput) ([]string, error) {
		return []string{"figures.txt"}, os.WriteFile(filepath.Join(in.OutDir, "figures.txt"), []byte(in.RunID), 0o644)
	}
	one, two := handmade(t), handmade(t)
	a := mustRun(t, one, Options{Render: render})
	b := mustRun(t, two, Options{Render: render, Now: clockAt("2026-12-24T15:00:00+08:00")})
	sameFigures(t, "two warehouses at two times", a, b)
	c := mustRun(t, one, Options{Render: render})
	sameFigures(t, "one warehouse twice", a, c)
	if a.ReportsDir != c.ReportsDir || !strings.HasSuffix(a.ReportsDir, filepath.Join("reports", runDate, a.RunID)) {
		t.Errorf("reports in %s, then in %s", a.ReportsDir, c.ReportsDir)
	}
	// A new report writer makes other bytes of the same figures: they stand beside the old ones, which a reader may have open.
	d := mustRun(t, one, Options{Render: func(_ context.Context, in RenderInput) ([]string, error) {
		return []string{"figures.txt"}, os.WriteFile(filepath.Join(in.OutDir, "figures.txt"), []byte("new"), 0o644)
	}})
	p, err := ReadPointer(one.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	if d.ReportsDir == a.ReportsDir || filepath.Join(one.DataDir(), "warehouse", p.Reports) != d.ReportsDir {
		t.Errorf("reports %s, pointer %+v", d.ReportsDir, p)
	}
	old, err := os.ReadFile(filepath.Join(a.ReportsDir, "figures.txt"))
	if err != nil || string(old) != a.RunID {
		t.Errorf("the old report is %q, %v", old, err)
	}
}

func TestABlockedCheckLeavesYesterdaysFiguresAndSaysWhy(t *testing.T) {
	app := handmade(t)
	first := mustRun(t, app, Options{Date: "2026-11-21"})
	models := withChange(t, "checks/never_content.sql", "-- severity: block\n-- message: 演示用检查不放行\nselect 1 as one")
	r, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow, Models: models})
	if codeOf(err) != "checks_blocked" || r.Status != "blocked" || !strings.Contains(err.Error(), "演示用检查不放行") {
		t.Fatalf("%v %+v", err, r)
	}
	p, err := ReadPointer(app.DataDir())
	if err != nil || p.RunID != first.RunID {
		t.Errorf("pointer %+v, %v", p, err)
	}
	recs, err := app.FindAllRecords("report_runs")
	if err != nil || len(recs) != 2 {
		t.Fatal(err, len(recs))
	}
	states := map[string]string{}
	for _, rec := range recs {
		states[rec.GetString("date")] = rec.GetString("status") + " " + rec.GetString("message")
	}
	if !strings.HasPrefix(states["2026-11-21"], "published 已发布") || !strings.HasPrefix(states[runDate], "blocked 检查未过") && !strings.HasPrefix(states[runDate], "blocked 检查未通过") {
		t.Errorf("%v", states)
	}
}

func TestSourceAndWarehouseThatDifferBlockThePublish(t *testing.T) {
	app := newApp(t)
	capture(t, app)
	places(t, app)
	firstHalf(t, app)
	mustRun(t, app, Options{})
	// A write that the feed does not see: the amount of one demand, not even the number of rows.
	execute(t, app, `DROP TRIGGER test_demands_UPDATE`)
	execute(t, app, `UPDATE demands SET amount = amount + 1 WHERE id = 'm00000000000001'`)
	r, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow})
	if codeOf(err) != "checks_blocked" || len(r.Findings) == 0 || r.Findings[0].Check != "source_equals_warehouse" || r.Findings[0].Rows != 1 {
		t.Fatalf("%v %+v", err, r.Findings)
	}
	mustRun(t, app, Options{Full: true})
}

func TestABrokenModelIsNamedInTheError(t *testing.T) {
	app := handmade(t)
	for file, content := range map[string]string{
		"models/marts/bad_sql.sql":          "select nothing of this",
		"models/marts/bad_reference.sql":    "select * from stg_nowhere",
		"models/marts/bad_circle.sql":       "select * from bad_circle",
		"models/indicators/bad_header.sql":  "-- code: X-01\nselect 1",
		"models/staging/stg_bad_layer.sql":  "select * from dim_grid",
		"models/indicators/bad_version.sql": "-- code: X-01  version: two\nselect 1",
	} {
		_, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow, Models: withChange(t, file, content)})
		if codeOf(err) != "model_failed" || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestADayNotOverIsProvisionalAndADayNotBegunIsRefused(t *testing.T) {
	app := handmade(t)
	now := clockAt("2026-11-22T12:00:00+08:00")
	r := mustRun(t, app, Options{Date: "2026-11-22", Now: now})
	if !r.Provisional || !strings.Contains(r.Message, "暂定") {
		t.Errorf("%+v", r)
	}
	for _, date := range []string{"2026-11-23", "tomorrow", "2026-02-30"} {
		if _, err := Run(context.Background(), app, Options{Date: date, Now: now}); codeOf(err) != "bad_date" {
			t.Errorf("%s: %v", date, err)
		}
	}
}

func TestTwoRunsNeverOverlap(t *testing.T) {
	app := handmade(t)
	nested := errors.New("not run")
	_, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow, failpoint: func(step string) error {
		if step == "start" {
			_, nested = Run(context.Background(), app, Options{Date: runDate, Now: runNow})
		}
		return nil
	}})
	if err != nil || codeOf(nested) != "pipeline_busy" {
		t.Fatalf("%v, nested %v", err, nested)
	}
}

func TestARunThatIsCalledOffChangesNothingAReaderSees(t *testing.T) {
	app := handmade(t)
	first := mustRun(t, app, Options{Date: "2026-11-21"})
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Run(ctx, app, Options{Date: runDate, Now: runNow, failpoint: func(step string) error {
		if step == "model.fct_visit" {
			cancel()
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if p, err := ReadPointer(app.DataDir()); err != nil || p.RunID != first.RunID {
		t.Errorf("pointer %+v, %v", p, err)
	}
	if left := leftovers(t, app.DataDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func leftovers(t testing.TB, dataDir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(warehouseDir(dataDir), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), tmpPrefix) {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMain lets the test binary also be the process that the next test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("GANGWAN_KILL_DIR"); dir != "" {
		fmt.Fprintln(os.Stderr, runUntilKilled(dir, os.Getenv("GANGWAN_KILL_AT")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runUntilKilled exits at the step it is told, with nothing tidied up; coming back at all is the failure.
func runUntilKilled(dir, step string) error {
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	_, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow, failpoint: func(s string) error {
		if s == step {
			os.Exit(137)
		}
		return nil
	}})
	return fmt.Errorf("never came to step %s: %w", step, err)
}

func TestARunKilledAtAnyStepIsMadeGoodByTheNextOne(t *testing.T) {
	want := mustRun(t, handmadeWithFirstNight(t), Options{})
	for _, step := range []string{"start", "extract.visits", "extract.files", "extract.manifest", "model.stg_visits", "model.fct_visit", "checked", "lake.fct_visit", "marts", "lake", "render", "pointer"} {
		t.Run(step, func(t *testing.T) {
			app := handmadeWithFirstNight(t)
			before, err := ReadPointer(app.DataDir())
			if err != nil {
				t.Fatal(err)
			}
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "GANGWAN_KILL_DIR="+app.DataDir(), "GANGWAN_KILL_AT="+step)
			out, err := child.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 137 {
				t.Fatalf("%v %s", err, out)
			}
			if p, err := ReadPointer(app.DataDir()); err != nil || (p.RunID != before.RunID) != (step == "pointer") {
				t.Errorf("killed at %s, the pointer is %+v, %v", step, p.PublishedRun, err)
			}
			got := mustRun(t, app, Options{})
			sameFigures(t, "killed at "+step, want, got)
			if left := leftovers(t, app.DataDir()); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if orphans := unlisted(t, app.DataDir()); len(orphans) > 0 {
				t.Errorf("raw files that no extraction lists: %v", orphans)
			}
			states := map[string]int{}
			recs, err := app.FindAllRecords("report_runs")
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range recs {
				states[rec.GetString("status")]++
			}
			if !maps.Equal(states, map[string]int{"published": 2, "failed": 1}) {
				t.Errorf("the ledger says %v", states)
			}
		})
	}
}

func handmadeWithFirstNight(t testing.TB) core.App {
	t.Helper()
	app := newApp(t)
	capture(t, app)
	places(t, app)
	firstHalf(t, app)
	mustRun(t, app, Options{Date: "2026-10-01"})
	secondHalf(t, app)
	return app
}

func unlisted(t testing.TB, dataDir string) (out []string) {
	t.Helper()
	m, err := readManifest(warehouseDir(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Clone(m.Retired)
	for _, l := range m.Collections {
		known = append(known, l.Files...)
	}
	files, err := filepath.Glob(filepath.Join(warehouseDir(dataDir), "raw", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		rel, _ := filepath.Rel(warehouseDir(dataDir), f)
		if !slices.Contains(known, filepath.ToSlash(rel)) {
			out = append(out, rel)
		}
	}
	return out
}

func TestOnlyTheLastSevenRunsKeepTheirFiles(t *testing.T) {
	app := handmade(t)
	var last Result
	for day := 12; day <= 20; day++ {
		last = mustRun(t, app, Options{Date: fmt.Sprintf("2026-11-%d", day)})
	}
	for _, dir := range []string{"marts", "lake"} {
		entries, err := os.ReadDir(filepath.Join(warehouseDir(app.DataDir()), dir))
		if err != nil || len(entries) != keepRuns {
			t.Errorf("%s: %d entries, %v", dir, len(entries), err)
		}
	}
	p, err := ReadPointer(app.DataDir())
	if err != nil || p.RunID != last.RunID || len(p.Runs) != keepRuns || p.Runs[keepRuns-1].Date != "2026-11-14" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestLateArrivalsDoNotMoveAFrozenMonth(t *testing.T) {
	app := handmade(t)
	frozen := `SELECT indicator, period, period_start::VARCHAR AS period_start, org_kind, org_id, numerator, denominator FROM indicators WHERE status = '封账' ORDER BY ALL`
	before := query(t, mustRun(t, app, Options{}).MartsPath, frozen)
	late := row{"synced_at": sh("2026-11-22 09:00")}
	visit(t, app, 50, w1, 11, g4, "2026-09-12 10:00", late)
	visit(t, app, 51, w1, 11, g4, "2026-10-12 10:00", late)
	demand(t, app, 50, 2, g1, "upgrade", 7_000, "2026-09-12 10:00", late)
	demand(t, app, 51, 1, g1, "working_capital", 7_000, "2026-08-20 10:00", late) // would make demand 1 a duplicate
	after := mustRun(t, app, Options{})
	// August is new: a month before the first capture there was.
	got := query(t, after.MartsPath, strings.Replace(frozen, "WHERE", "WHERE period_start <> '2026-08-01' AND", 1))
	if d := difference(before, got); d != "" {
		t.Error(d)
	}
	year := query(t, after.MartsPath, `SELECT numerator FROM indicators WHERE indicator = 'CRD-01' AND period = 'YTD' AND org_kind = 'district'`)
	if year != "numerator\n11\n" {
		t.Errorf("the year must have the late ones: %s", year)
	}
}

func TestBreakdownsAddUpToTheirFigures(t *testing.T) {
	r := mustRun(t, handmade(t), Options{})
	for what, q := range map[string]string{
		"coverage by kind, size and section": `SELECT b.* FROM (SELECT org_kind, org_id, dimension, sum(numerator) AS n, sum(denominator) AS d FROM coverage_breakdown GROUP BY ALL) b
			JOIN indicators i ON i.indicator = 'COV-01' AND i.period = 'YTD' AND i.org_kind = b.org_kind AND i.org_id = b.org_id WHERE b.n <> i.numerator OR b.d <> i.denominator`,
		"visits by outcome": `SELECT i.* FROM (SELECT org_kind, org_id, period_start, sum(visits) AS n FROM visit_outcomes GROUP BY ALL) b
			JOIN indicators i ON i.indicator = 'COV-04' AND i.org_kind = b.org_kind AND i.org_id = b.org_id AND i.period_start = b.period_start WHERE b.n <> i.denominator`,
		"invalid visits by reason": `SELECT i.* FROM indicators i LEFT JOIN (SELECT org_kind, org_id, period_start, sum(visits) AS n FROM invalid_reasons GROUP BY ALL) b
			ON i.org_kind = b.org_kind AND i.org_id = b.org_id AND i.period_start = b.period_start WHERE i.indicator = 'COV-04' AND i.org_kind IN ('district', 'street') AND coalesce(b.n, 0) <> i.denominator - i.numerator`,
		"demands by stage": `SELECT i.* FROM indicators i LEFT JOIN (SELECT org_kind, org_id, period_start, sum(demands) AS n FROM demand_stages GROUP BY ALL) b
			ON i.org_kind = b.org_kind AND i.org_id = b.org_id AND i.period_start = b.period_start WHERE i.indicator = 'CNV-01' AND i.org_kind IN ('district', 'street') AND coalesce(b.n, 0) <> i.denominator`,
		"demands by need": `SELECT i.* FROM indicators i LEFT JOIN (SELECT org_kind, org_id, period_start, sum(demands) AS n, sum(amount) AS a FROM demand_needs GROUP BY ALL) b
			ON i.org_kind = b.org_kind AND i.org_id = b.org_id AND i.period_start = b.period_start WHERE i.period = 'M' AND i.org_kind IN ('district', 'street')
			AND ((i.indicator = 'CRD-01' AND coalesce(b.n, 0) <> i.numerator) OR (i.indicator = 'CRD-01.amount' AND coalesce(b.a, 0) <> i.numerator))`,
	} {
		if got := query(t, r.MartsPath, q); strings.Count(got, "\n") != 1 {
			t.Errorf("%s: %s", what, got)
		}
	}
	want := "org_kind,dimension,key,numerator,denominator\ndistrict,section,C,1,1\ndistrict,section,F,6,7\n"
	if got := query(t, r.MartsPath, `SELECT org_kind, dimension, key, numerator, denominator FROM coverage_breakdown WHERE org_kind = 'district' AND dimension = 'section' ORDER BY ALL`); got != want {
		t.Error(got)
	}
}

func TestAPastDayComputedAgainDoesNotTakeThePlaceOfTheLatest(t *testing.T) {
	app := handmadeWithFirstNight(t)
	latest := mustRun(t, app, Options{})
	past := mustRun(t, app, Options{Date: "2026-10-02"})
	p, err := ReadPointer(app.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	if p.RunID != latest.RunID || len(p.Runs) == 0 || p.Runs[0].RunID != past.RunID {
		t.Errorf("the pointer names %s, the runs are %v", p.RunID, p.Runs)
	}
}

func TestHoweverManyPastDaysAreComputedTheLatestStaysOnTop(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(warehouseDir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	days := []string{"2026-10-20"}
	for d := 19; d >= 1; d-- {
		days = append(days, fmt.Sprintf("2026-10-%02d", d))
	}
	for _, day := range days {
		if _, err := movePointer(dir, PublishedRun{RunID: "run of " + day, Date: day}, "2026-10-21"); err != nil {
			t.Fatal(err)
		}
	}
	p, err := ReadPointer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if p.Date != "2026-10-20" || len(p.Runs) != keepRuns || p.Runs[0].Date != "2026-10-01" || p.Runs[keepRuns-1].Date != "2026-10-20" {
		t.Errorf("%s on top of %v", p.Date, p.Runs)
	}
	// A run made while the clock was years ahead must not stay on top for years.
	for _, day := range []string{"2030-01-01", "2026-10-21"} {
		if p, err = movePointer(dir, PublishedRun{RunID: "run of " + day, Date: day}, day); err != nil {
			t.Fatal(err)
		}
	}
	if p.Date != "2026-10-21" {
		t.Error("on top stays", p.Date)
	}
}
