package pipeline

import (
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// ledger is the run's record in report_runs: what an operator reads in the console.
type ledger struct{ record *core.Record }

// openLedger notes that a run began. Only one runs at a time, so any other that is still "running" was killed.
func openLedger(app core.App, opts *Options, r Result) (*ledger, error) {
	killed, err := app.FindRecordsByFilter("report_runs", "status = 'running'", "", 0, 0)
	if err != nil {
		return nil, err
	}
	for _, k := range killed {
		k.Set("status", "failed")
		k.Set("message", "统计中途被终止（进程退出），结果未发布")
		k.Set("finished_at", opts.Now().UTC())
		if err := app.Save(k); err != nil {
			return nil, err
		}
	}
	collection, err := app.FindCollectionByNameOrId("report_runs")
	if err != nil {
		return nil, err
	}
	rec := core.NewRecord(collection)
	rec.Set("date", r.Date)
	rec.Set("status", "running")
	rec.Set("provisional", r.Provisional)
	rec.Set("started_at", opts.Now().UTC())
	rec.Set("message", "正在统计")
	return &ledger{rec}, app.Save(rec)
}

func (l *ledger) close(app core.App, opts *Options, r Result) error {
	rec := l.record
	rec.Set("run_id", r.RunID)
	rec.Set("status", r.Status)
	rec.Set("seq", r.Seq)
	rec.Set("input_hash", r.InputHash)
	rec.Set("finished_at", opts.Now().UTC())
	rec.Set("counts", r.Counts)
	rec.Set("findings", r.Findings)
	rec.Set("files", r.Files)
	rec.Set("message", truncate(r.Message, 1000))
	return app.Save(rec)
}

// amend rewrites what the ledger says of the last run of a date that ended so.
func amend(app core.App, date, ended, status, message string) error {
	recs, err := app.FindRecordsByFilter("report_runs", "date = {:date} && status = {:ended}", "-@rowid", 1, 0, dbx.Params{"date": date, "ended": ended})
	if err != nil || len(recs) == 0 {
		return err
	}
	recs[0].Set("status", status)
	recs[0].Set("message", truncate(message, 1000))
	return app.Save(recs[0])
}

// attempts is what became of one day since its night began.
type attempts struct {
	published, blocked bool
	failures           int
	last               time.Time // when the last failure was known
}

func (a attempts) exhausted() bool { return a.failures > len(retryWaits) }

// retryAt is meant for days that failed and are not exhausted.
func (a attempts) retryAt() time.Time { return a.last.Add(retryWaits[a.failures-1]) }

// tally reads the ledger of the days since from. A run made before the day's night does not count: phones sync in the
// evening, and what they brought after it is in no figure yet. A run stopped by a shutdown has not failed. One still
// "running" has: while it truly runs nobody else can, so its record is only acted on once it was killed; should its
// figures be what killed the server, the server is not brought down again at every start.
func tally(app core.App, from string) (map[string]attempts, error) {
	recs, err := app.FindRecordsByFilter("report_runs", "date >= {:from}", "@rowid", 0, 0, dbx.Params{"from": from})
	if err != nil {
		return nil, err
	}
	out := map[string]attempts{}
	for _, rec := range recs {
		date, began := rec.GetString("date"), rec.GetDateTime("started_at").Time()
		day, err := time.ParseInLocation(time.DateOnly, date, hooks.Shanghai)
		if err != nil || began.Before(nightOf(day)) {
			continue
		}
		a := out[date]
		switch rec.GetString("status") {
		case "published":
			a.published = true
		case "blocked":
			a.blocked = true
		case "failed", "running":
			a.failures++
			if a.last = rec.GetDateTime("finished_at").Time(); a.last.Before(began) {
				a.last = began
			}
		}
		out[date] = a
	}
	return out, nil
}

// firstPublished is the earliest date with figures, "" before there are any.
func firstPublished(app core.App) (string, error) {
	var date string
	err := app.DB().NewQuery("SELECT coalesce(min(date), '') FROM report_runs WHERE status = 'published'").Row(&date)
	return date, err
}

func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
