package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
	"gangwan/pb/registry"
	"gangwan/pipeline"
)

// district imports the areas, if they are not there yet: before that no night is due.
func (o *office) district() {
	o.Helper()
	_, err := registry.ImportAreas(o.app, registry.WanzhouAreas(), registry.Options{Now: time.Now})
	o.ok(err)
}

// serveNights serves a data directory as main does, by the given clock; published tells the date of each run that ended so.
func (o *office) serveNights(dir string, clock clockwork.Clock) (published chan string, stop func()) {
	o.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: fieldsync.Connect})
	o.ok(app.Bootstrap())
	o.ok(app.RunAllMigrations())
	o.app = app
	bind(app, clock.Now)
	o.district()
	pipeline.BindSchedule(app, clock, runPipeline)
	published = make(chan string, 100)
	app.OnRecordAfterUpdateSuccess("report_runs").BindFunc(func(e *core.RecordEvent) error {
		if e.Record.GetString("status") == "published" {
			published <- e.Record.GetString("date")
		}
		return e.Next()
	})
	router, err := apis.NewRouter(app)
	o.ok(err)
	var mux http.Handler
	o.ok(app.OnServe().Trigger(&core.ServeEvent{App: app, Router: router}, func(e *core.ServeEvent) error {
		mux, err = e.Router.BuildMux()
		return err
	}))
	web := httptest.NewServer(mux)
	o.url = web.URL
	return published, func() {
		web.Close()
		o.ok(app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return app.ResetBootstrapState() }))
	}
}

func TestWhenTheClockPasses0130UnderServeTheDayIsPublishedAndMissedNightsAreMadeGood(t *testing.T) {
	o := &office{T: t}
	dir := t.TempDir()
	clock := clockwork.NewFakeClockAt(time.Date(2026, 11, 20, 9, 0, 0, 0, hooks.Shanghai))
	published, stop := o.serveNights(dir, clock)
	next := func(want ...string) {
		t.Helper()
		var got []string
		for range want {
			got = append(got, <-published)
		}
		p, err := pipeline.ReadPointer(dir)
		o.ok(err)
		if !slices.Equal(got, want) || p.Date != want[0] {
			t.Errorf("published %v and shown %s, not %v", got, p.Date, want)
		}
	}
	next("2026-11-19") // a server that starts has yesterday's figures at once, were they only zeros
	o.user("official@example.com", map[string]any{"role": "official"})

	o.ok(clock.BlockUntilContext(t.Context(), 1))
	clock.Advance(time.Date(2026, 11, 21, 1, 30, 0, 0, hooks.Shanghai).Sub(clock.Now()))
	next("2026-11-20")
	read := o.reader("official@example.com")
	if status, page := read("/reports"); status != http.StatusOK || !strings.Contains(page, "2026年11月20日统计报告") || strings.Contains(page, `role="status"`) {
		t.Errorf("in the morning the official reads: %d %s", status, page)
	}
	run := o.find("report_runs", "date", "2026-11-20")
	if began := run.GetDateTime("started_at").Time(); !began.Equal(clock.Now()) || run.GetString("run_id") == "" {
		t.Errorf("the ledger: began %s, %s", began, run.GetString("message"))
	}

	stop() // for three nights
	clock = clockwork.NewFakeClockAt(time.Date(2026, 11, 24, 8, 0, 0, 0, hooks.Shanghai))
	published, stop = o.serveNights(dir, clock)
	next("2026-11-23", "2026-11-22", "2026-11-21")
	read = o.reader("official@example.com")
	if _, page := read("/reports"); !strings.Contains(page, "2026年11月23日统计报告") || !strings.Contains(page, "/reports/2026-11-21/") {
		t.Errorf("after three nights off the official reads: %s", page)
	}
	stop()
}

func TestAServerToldToStopEndsTheRunInHandFirst(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gangwan")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	dir := t.TempDir()
	o := &office{T: t, time: time.Now()}
	closed := o.openDatabase(dir)
	o.district()
	closed()
	server := o.start(binary, dir, freeAddress(t)) // and with it yesterday's run
	o.ok(server.Process.Signal(syscall.SIGTERM))
	if err := server.Wait(); err != nil {
		t.Errorf("told to stop, it ended with %v", err)
	}
	defer o.openDatabase(dir)()
	runs, err := o.app.FindAllRecords("report_runs")
	o.ok(err)
	for _, r := range runs {
		if s := r.GetString("status"); s != "stopped" && s != "published" {
			t.Errorf("a run is left %s: %s", s, r.GetString("message"))
		}
	}
}
