package pipeline

import "github.com/pocketbase/pocketbase/core"

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

func truncate(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
