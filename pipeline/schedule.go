package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/jonboulle/clockwork"
	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/hook"

	"gangwan/hooks"
)

const (
	nightHour, nightMinute = 1, 30 // Shanghai: when a day's figures are made, in the night that follows it
	catchUpDays            = 7     // the last nights that are made good when they were missed
	stepBound              = time.Minute
)

// retryWaits follow a first, second … failed attempt at a day. The last attempt is at about 09:20: then people are at
// work, and the next night tries by itself.
var retryWaits = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}

// schedule makes what the ledger lacks. It remembers nothing itself, so a server started anew goes on where the last one was.
type schedule struct {
	app    core.App
	clock  clockwork.Clock
	run    func(context.Context, core.App, Options) (Result, error)
	ctx    context.Context
	cancel context.CancelFunc
	stop   chan struct{} // closed when no new step may start
	hand   chan struct{} // holds one token while a look at the ledger, and what follows of it, is in hand
}

// BindSchedule has run make each day's figures in the night that follows it, at 01:30 in Shanghai by clock, while the
// app serves; also those that were missed or failed. run gets the date, the clock, a Log that writes to the app's
// logger, and a context that ends when the server is stopped; it is Run, with a Render.
func BindSchedule(app core.App, clock clockwork.Clock, run func(context.Context, core.App, Options) (Result, error)) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		if err := se.Next(); err != nil { // no port, no schedule: the port may be taken by the server that has one
			return err
		}
		s := &schedule{app: se.App, clock: clock, run: run, stop: make(chan struct{}), hand: make(chan struct{}, 1)}
		s.ctx, s.cancel = context.WithCancel(context.Background())
		return s.start()
	})
}

func (s *schedule) start() error {
	cron, err := gocron.NewScheduler(gocron.WithClock(s.clock), gocron.WithLocation(hooks.Shanghai))
	if err != nil {
		return err
	}
	// Singleton in wait mode: a minute that comes while a run is in hand is looked at after it, never lost.
	if _, err := cron.NewJob(gocron.CronJob("* * * * *", false), gocron.NewTask(s.look),
		gocron.WithSingletonMode(gocron.LimitModeWait), gocron.WithStartAt(gocron.WithStartImmediately())); err != nil {
		return err
	}
	// A restart comes here twice, once by the restart and once by the end of serve: both wait for the one shutdown.
	shutdown := sync.OnceFunc(func() {
		s.shutdown()
		if err := cron.Shutdown(); err != nil {
			s.app.Logger().Error("定时统计：无法停止", "error", err)
		}
	})
	// Before the server's own shutdown: a restart waits three seconds after that and no longer, and until then phones
	// may go on. It is also before the logger's last write.
	s.app.OnTerminate().Bind(&hook.Handler[*core.TerminateEvent]{Id: "pipelineSchedule", Priority: -10000, Func: func(e *core.TerminateEvent) error {
		shutdown()
		return e.Next()
	}})
	cron.Start()
	return nil
}

// shutdown returns when no run is in hand and none can start any more. The step in hand gets a minute to end by itself.
func (s *schedule) shutdown() {
	close(s.stop)
	bound := s.clock.NewTimer(stepBound)
	defer bound.Stop()
	select {
	case s.hand <- struct{}{}: // and it is never given back
	case <-bound.Chan():
		s.cancel()
		s.hand <- struct{}{}
	}
	s.cancel()
}

func (s *schedule) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// look makes what is due, one day after the other.
func (s *schedule) look() {
	select {
	case s.hand <- struct{}{}:
	case <-s.stop:
		return
	}
	defer func() {
		if p := recover(); p != nil { // phones go on syncing; the ledger still says "running", which counts as a failure
			s.app.Logger().Error("定时统计：程序错误", "error", fmt.Sprint(p))
		}
		<-s.hand
	}()
	for !s.stopping() {
		date, err := due(s.app, s.clock.Now())
		if err != nil {
			s.app.Logger().Error("定时统计：无法读取运行记录", "error", err)
			return
		}
		if date == "" || !s.make(date) {
			return
		}
	}
}

// make makes one attempt at a day, and has the ledger say what comes next where it was not published.
func (s *schedule) make(date string) (published bool) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	log := s.app.Logger().With("date", date)
	r, err := s.run(ctx, s.app, Options{Date: date, Now: s.clock.Now, Log: func(e Event) {
		// Each event begins a step, so the one before it has ended: here a run can be called off with nothing torn.
		if s.stopping() && e.Step != "done" {
			cancel()
		}
		log.Info("定时统计："+e.Message, "step", e.Step)
	}})
	if err == nil {
		return true
	}
	var coded *Error
	if errors.As(err, &coded) && coded.Code == "pipeline_busy" { // somebody runs it by hand; the next minute looks again
		log.Info("定时统计：" + coded.Message)
		return false
	}
	log.Error("定时统计："+err.Error(), "run", r.RunID)
	switch {
	case r.Status == "": // it did not come as far as the ledger
		return false
	case r.Status == "blocked":
		err = amend(s.app, date, r.Status, r.Status, r.Message+"。不会自动重试，请管理员处理后运行 "+byHand(date))
	case ctx.Err() != nil:
		err = amend(s.app, date, r.Status, "stopped", "服务关闭，统计在做完手头的步骤后停下，结果未发布；服务再次启动后自动补做")
	default:
		err = amend(s.app, date, r.Status, r.Status, r.Message+"。"+s.next(date))
	}
	if err != nil {
		log.Error("定时统计：无法补写运行记录", "error", err)
	}
	return false
}

// next says when a failed day is tried again.
func (s *schedule) next(date string) string {
	tallies, err := tally(s.app, date)
	if err != nil {
		return "无法确定何时重试：" + err.Error()
	}
	t := tallies[date]
	if t.exhausted() {
		return fmt.Sprintf("已失败%d次，不再自动重试，请管理员排除故障后运行 %s", t.failures, byHand(date))
	}
	return fmt.Sprintf("将于 %s 自动重试（第%d次失败）", t.retryAt().In(hooks.Shanghai).Format("15:04"), t.failures)
}

func byHand(date string) string { return "gangwan pipeline run --date " + date }

// due is the day to make now, "" for none. Last night's comes first: it is what officials open in the morning. Missed
// days before it follow, newest first, once it is published; a day that needs a person does not hold up the older ones.
func due(app core.App, now time.Time) (string, error) {
	// Before the areas are imported there is nothing to report on, and no first day of use.
	if n, err := app.CountRecords("areas", dbx.HashExp{"kind": "district"}); err != nil || n == 0 {
		return "", err
	}
	local := now.In(hooks.Shanghai)
	newest := time.Date(local.Year(), local.Month(), local.Day()-1, 0, 0, 0, 0, hooks.Shanghai)
	if now.Before(nightOf(newest)) {
		newest = newest.AddDate(0, 0, -1)
	}
	tallies, err := tally(app, hooks.Day(newest.AddDate(0, 0, 1-catchUpDays)))
	if err != nil {
		return "", err
	}
	first, err := firstPublished(app)
	if err != nil {
		return "", err
	}
	for i := range catchUpDays {
		date := hooks.Day(newest.AddDate(0, 0, -i))
		if i > 0 && (first == "" || date < first) { // before the product was in use nothing was missed
			return "", nil
		}
		switch t := tallies[date]; {
		case t.published:
		case t.blocked || t.exhausted():
			if i == 0 {
				return "", nil
			}
		case t.failures > 0 && now.Before(t.retryAt()):
			return "", nil
		default:
			return date, nil
		}
	}
	return "", nil
}

// nightOf is when the figures of a day are made.
func nightOf(day time.Time) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day()+1, nightHour, nightMinute, 0, 0, hooks.Shanghai)
}
