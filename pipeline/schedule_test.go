package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// server is an app that serves with the schedule on, by a clock that the story moves.
type server struct {
	*testing.T
	app   core.App
	clock *clockwork.FakeClock
	saved chan *core.Record // what the ledger says, each time it says something new of a run
}

// inUse gives the server the district it reports on: before that no night is due.
func inUse(t *testing.T, app core.App) {
	t.Helper()
	execute(t, app, `INSERT INTO areas (id, code, name, kind) SELECT 'thedistrict0001', '500101', '万州区', 'district' WHERE NOT EXISTS (SELECT 1 FROM areas WHERE kind = 'district')`)
}

func serving(t *testing.T, app core.App, now string, run func(context.Context, core.App, Options) (Result, error)) *server {
	t.Helper()
	inUse(t, app)
	s := &server{t, app, clockwork.NewFakeClockAt(clockAt(now)()), make(chan *core.Record, 1000)}
	app.OnRecordAfterUpdateSuccess("report_runs").BindFunc(func(e *core.RecordEvent) error {
		s.saved <- e.Record.Clone()
		return e.Next()
	})
	BindSchedule(app, s.clock, run)
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.Helper()
	if err := s.app.OnServe().Trigger(&core.ServeEvent{App: s.app}, func(*core.ServeEvent) error { return nil }); err != nil {
		s.Fatal(err)
	}
}

func (s *server) stop() {
	if err := s.app.OnTerminate().Trigger(&core.TerminateEvent{App: s.app}); err != nil {
		s.Error(err)
	}
}

// await returns when the ledger says so of a run.
func (s *server) await(date, status, words string) {
	s.Helper()
	for rec := range s.saved {
		got, message := rec.GetString("status"), rec.GetString("message")
		if rec.GetString("date") != date {
			continue
		}
		if got == status && strings.Contains(message, words) {
			return
		}
		if got == "published" {
			s.Fatalf("%s is published, not %s", date, status)
		}
	}
}

// advance moves the clock once the schedule waits for it.
func (s *server) advance(d time.Duration) {
	s.Helper()
	if err := s.clock.BlockUntilContext(s.Context(), 1); err != nil {
		s.Fatal(err)
	}
	s.clock.Advance(d)
}

// ledger lists all runs in the order in which they began: date, Shanghai time of start, status.
func (s *server) ledger() (out []string) {
	s.Helper()
	recs, err := s.app.FindRecordsByFilter("report_runs", "", "@rowid", 0, 0)
	if err != nil {
		s.Fatal(err)
	}
	for _, r := range recs {
		out = append(out, r.GetString("date")+" "+r.GetDateTime("started_at").Time().In(hooks.Shanghai).Format("15:04")+" "+r.GetString("status"))
	}
	return out
}

func (s *server) dueAt(now, want string) {
	s.Helper()
	got, err := due(s.app, clockAt(now)())
	if err != nil || got != want {
		s.Errorf("at %s the day to make is %q, not %q (%v)", now, got, want, err)
	}
}

func TestAFailedNightIsTriedAgainAfterGrowingWaits(t *testing.T) {
	failures := 0
	s := serving(t, newApp(t), "2026-11-23T01:29:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.failpoint = func(step string) error {
			if o.Date == "2026-11-22" && step == "checked" && failures < 2 {
				failures++
				return errors.New("磁盘已满")
			}
			return nil
		}
		return Run(ctx, app, o)
	})
	s.await("2026-11-21", "published", "")
	s.advance(time.Minute)
	s.await("2026-11-22", "failed", "统计失败：磁盘已满。将于 01:35 自动重试（第1次失败）")
	s.dueAt("2026-11-23T01:34:59+08:00", "")
	s.advance(5 * time.Minute)
	s.await("2026-11-22", "failed", "将于 01:50 自动重试（第2次失败）")
	s.dueAt("2026-11-23T01:49:59+08:00", "")
	s.advance(15 * time.Minute)
	s.await("2026-11-22", "published", "")
	want := []string{"2026-11-21 01:29 published", "2026-11-22 01:30 failed", "2026-11-22 01:35 failed", "2026-11-22 01:50 published"}
	if got := s.ledger(); !slices.Equal(got, want) {
		t.Errorf("the ledger says %q", got)
	}
}

func TestANightThatKeepsFailingIsLeftToAPersonAfterSevenAttempts(t *testing.T) {
	s := serving(t, newApp(t), "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.failpoint = func(string) error { return errors.New("磁盘已满") }
		return Run(ctx, app, o)
	})
	for _, wait := range retryWaits {
		s.await("2026-11-22", "failed", "自动重试（第")
		s.advance(wait)
	}
	s.await("2026-11-22", "failed", "已失败7次，不再自动重试，请管理员排除故障后运行 gangwan pipeline run --date 2026-11-22")
	s.dueAt("2026-11-24T01:29:59+08:00", "")
	s.dueAt("2026-11-24T01:30:00+08:00", "2026-11-23")
}

func TestABlockedNightWaitsForAPersonAndIsNotTriedAgain(t *testing.T) {
	models := withChange(t, "checks/never_content.sql", "-- severity: block\n-- message: 演示用检查不放行\nselect 1 as one")
	s := serving(t, newApp(t), "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.Models = models
		return Run(ctx, app, o)
	})
	s.await("2026-11-22", "blocked", "演示用检查不放行（1 处）。不会自动重试，请管理员处理后运行 gangwan pipeline run --date 2026-11-22")
	s.dueAt("2026-11-24T01:29:59+08:00", "")
	s.dueAt("2026-11-24T01:30:00+08:00", "2026-11-23")
}

func TestAShutdownWaitsForTheStepInHandAndTheNextStartEndsTheSame(t *testing.T) {
	want := mustRun(t, handmadeWithFirstNight(t), Options{})
	const held = "model.fct_visit"
	reached, release, published := make(chan bool), make(chan bool), make(chan Result, 1)
	var last string
	s := serving(t, handmadeWithFirstNight(t), "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.failpoint = func(step string) error {
			if last = step; step == held && reached != nil {
				reached <- true
				<-release
				reached = nil
				if ctx.Err() != nil {
					t.Error("the step in hand was called off")
				}
			}
			return nil
		}
		r, err := Run(ctx, app, o)
		if err == nil && len(published) == 0 {
			published <- r
		}
		return r, err
	})
	before, err := ReadPointer(s.app.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	stopped := make(chan bool)
	go func() {
		s.stop()
		close(stopped)
	}()
	// The second timer beside the minute's is the bound on the wait.
	if err := s.clock.BlockUntilContext(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stopped:
		t.Error("the shutdown did not wait for the step in hand")
	default:
	}
	release <- true
	<-stopped
	if last != held {
		t.Errorf("after the shutdown began, %s was made", last)
	}
	s.await(runDate, "stopped", "服务关闭，统计在做完手头的步骤后停下，结果未发布；服务再次启动后自动补做")
	if p, err := ReadPointer(s.app.DataDir()); err != nil || p.RunID != before.RunID {
		t.Errorf("the pointer moved to %s, %v", p.RunID, err)
	}
	if left := leftovers(t, s.app.DataDir()); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.start()
	s.await(runDate, "published", "")
	sameFigures(t, "stopped and started", want, <-published)
	if got := s.ledger()[1:3]; !slices.Equal(got, []string{runDate + " 01:30 stopped", runDate + " 01:30 published"}) {
		t.Errorf("the ledger says %q", got)
	}
}

func TestAShutdownCallsOffAStepThatTakesLongerThanAMinute(t *testing.T) {
	rendering := make(chan bool, 1)
	s := serving(t, newApp(t), "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.Render = func(ctx context.Context, _ RenderInput) ([]string, error) {
			rendering <- true
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return Run(ctx, app, o)
	})
	<-rendering
	stopped := make(chan bool)
	go func() {
		s.stop()
		close(stopped)
	}()
	if err := s.clock.BlockUntilContext(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(stepBound)
	<-stopped
	s.await("2026-11-22", "stopped", "服务关闭")
}

func TestWhileSomebodyRunsItByHandTheNightWaitsAndThenRuns(t *testing.T) {
	app := newApp(t)
	ended := make(chan error, 10)
	first := mustRun(t, app, Options{Date: "2026-11-20", Now: clockAt("2026-11-21T02:00:00+08:00")}) // makes the warehouse
	release, err := lockWarehouse(warehouseDir(app.DataDir()))
	if err != nil {
		t.Fatal(err)
	}
	s := serving(t, app, "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		r, err := Run(ctx, app, o)
		ended <- err
		return r, err
	})
	if err := <-ended; codeOf(err) != "pipeline_busy" {
		t.Fatalf("beside a run by hand: %v", err)
	}
	release()
	s.advance(time.Minute)
	s.await("2026-11-21", "published", "")
	if got, want := s.ledger(), []string{first.Date + " 02:00 published", "2026-11-22 01:31 published", "2026-11-21 01:31 published"}; !slices.Equal(got, want) {
		t.Errorf("the ledger says %q", got)
	}
}

func TestAProgramErrorInARunDoesNotEndTheServer(t *testing.T) {
	panicked := make(chan bool)
	broken := true
	s := serving(t, newApp(t), "2026-11-23T01:30:00+08:00", func(ctx context.Context, app core.App, o Options) (Result, error) {
		o.failpoint = func(step string) error {
			if step == "checked" && broken {
				broken = false
				defer close(panicked)
				panic("nil map")
			}
			return nil
		}
		return Run(ctx, app, o)
	})
	<-panicked
	s.advance(5 * time.Minute)
	s.await("2026-11-22", "published", "")
	if got, want := s.ledger(), []string{"2026-11-22 01:30 failed", "2026-11-22 01:35 published"}; !slices.Equal(got, want) {
		t.Errorf("the ledger says %q", got)
	}
}

func TestWhichDayIsMadeNext(t *testing.T) {
	type runs []string // date, Shanghai time of start, status
	const night = "2026-11-23T01:30:00+08:00"
	done := func(dates ...string) (out runs) {
		for _, d := range dates {
			day, _ := time.ParseInLocation(time.DateOnly, d, hooks.Shanghai)
			out = append(out, d+" "+day.AddDate(0, 0, 1).Format(time.DateOnly)+"T01:30 published")
		}
		return out
	}
	app := newApp(t)
	if date, err := due(app, clockAt(night)()); err != nil || date != "" {
		t.Errorf("before the areas are imported %q is due, %v", date, err)
	}
	inUse(t, app)
	collection, err := app.FindCollectionByNameOrId("report_runs")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, now string
		ledger    runs
		want      string
	}{
		{"a new server starts with yesterday", "2026-11-23T09:00:00+08:00", nil, "2026-11-22"},
		{"before 01:30 yesterday is not due", "2026-11-23T01:29:59+08:00", done("2026-11-21"), ""},
		{"at 01:30 it is", night, done("2026-11-21"), "2026-11-22"},
		{"once made it is not made again", "2026-11-23T23:00:00+08:00", done("2026-11-21", "2026-11-22"), ""},
		{"last night before missed nights", "2026-11-23T08:00:00+08:00", done("2026-11-19"), "2026-11-22"},
		{"then the missed nights, newest first", "2026-11-23T08:00:00+08:00", done("2026-11-19", "2026-11-22"), "2026-11-21"},
		{"down to the last one published", "2026-11-23T08:00:00+08:00", done("2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"), ""},
		{"the seventh night back is made", "2026-11-23T08:00:00+08:00", done("2026-10-01", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"), "2026-11-16"},
		{"the eighth is not", "2026-11-23T08:00:00+08:00", done("2026-10-01", "2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"), ""},
		{"a run by hand before 01:30 lacks the evening's arrivals", night, append(done("2026-11-21"), "2026-11-22 2026-11-23T00:20 published"), "2026-11-22"},
		{"a 暂定 run of the day itself does not count", night, append(done("2026-11-21"), "2026-11-22 2026-11-22T18:00 published"), "2026-11-22"},
		{"a run by hand after 01:30 counts", "2026-11-23T10:00:00+08:00", append(done("2026-11-21"), "2026-11-22 2026-11-23T09:00 published"), ""},
		{"a person made good what was blocked", "2026-11-23T10:00:00+08:00", append(done("2026-11-21"), "2026-11-22 2026-11-23T01:30 blocked", "2026-11-22 2026-11-23T09:00 published"), ""},
		{"older nights wait while last night's is blocked", "2026-11-23T10:00:00+08:00", append(done("2026-11-20"), "2026-11-22 2026-11-23T01:30 blocked"), ""},
		{"a blocked older night does not hold up those before it", "2026-11-23T10:00:00+08:00", append(done("2026-11-19", "2026-11-22"), "2026-11-21 2026-11-22T01:30 blocked"), "2026-11-20"},
		{"a run stopped by a shutdown goes on at once", "2026-11-23T01:32:00+08:00", append(done("2026-11-21"), "2026-11-22 2026-11-23T01:30 stopped"), "2026-11-22"},
		{"a run that died with the server waits like a failed one", "2026-11-23T01:34:59+08:00", append(done("2026-11-21"), "2026-11-22 2026-11-23T01:30 running"), ""},
		{"and is made good then", "2026-11-23T01:35:00+08:00", append(done("2026-11-21"), "2026-11-22 2026-11-23T01:30 running"), "2026-11-22"},
	} {
		t.Run(c.what, func(t *testing.T) {
			execute(t, app, "DELETE FROM report_runs")
			for _, line := range c.ledger {
				f := strings.Fields(line)
				rec := core.NewRecord(collection)
				rec.Load(map[string]any{"date": f[0], "started_at": sh(strings.Replace(f[1], "T", " ", 1)), "status": f[2]})
				if err := app.Save(rec); err != nil {
					t.Fatal(err)
				}
			}
			(&server{T: t, app: app}).dueAt(c.now, c.want)
		})
	}
}
