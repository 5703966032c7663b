// Package pipeline makes each night's figures: change feed → Arrow → raw Parquet → DuckDB models → checks → publish by pointer.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Options of one run. The zero value runs yesterday, incrementally, with the embedded models and no reports.
type Options struct {
	Date   string           // Shanghai day, 2006-01-02; "" is yesterday by Now
	Full   bool             // read everything again into a new raw generation
	Now    func() time.Time // nil is time.Now
	Models fs.FS            // nil is the embedded models/ and checks/
	Render func(ctx context.Context, in RenderInput) ([]string, error)
	Log    func(Event)

	failpoint func(step string) error // tests stop a run here
}

// RenderInput is what the report writer gets: a finished marts file, and an empty folder of its own.
type RenderInput struct{ MartsPath, OutDir, RunID, Date string }

// Event is one line of progress, in words for an operator.
type Event struct {
	Step, Message string
	Done, Total   int64
}

// Finding is what one check saw.
type Finding struct {
	Check    string   `json:"check"`
	Severity string   `json:"severity"` // block | warn
	Message  string   `json:"message"`
	Rows     int64    `json:"rows"`
	Sample   []string `json:"sample,omitempty"`
}

// Result of a run, also of one that was blocked.
type Result struct {
	RunID, Date, Status, InputHash string
	Provisional                    bool
	Seq                            int64
	MartsPath, LakeDir, ReportsDir string // absolute
	Files                          []string
	Counts                         map[string]int64 // rows read per collection, milliseconds per step
	Findings                       []Finding
	Message                        string
}

// Error carries a code for machines and a sentence for people.
type Error struct {
	Code, Message string
	Err           error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + "：" + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

func (o *Options) log(step, message string, done, total int64) {
	if o.Log != nil {
		o.Log(Event{step, message, done, total})
	}
}

func (o *Options) at(step string) error {
	if o.failpoint != nil {
		return o.failpoint(step)
	}
	return nil
}

// Run makes the figures of one day and publishes them. Nothing a reader can see changes before the last step, the
// pointer: a run that fails, is blocked or is killed leaves yesterday's figures in place, and the next one starts clean.
func Run(ctx context.Context, app core.App, opts Options) (Result, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Models == nil {
		opts.Models = embedded
	}
	r := Result{Counts: map[string]int64{}}
	endsAt, err := r.setDate(opts.Date, opts.Now())
	if err != nil {
		return r, err
	}
	warehouse := warehouseDir(app.DataDir())
	if err := os.MkdirAll(warehouse, 0o755); err != nil {
		return r, err
	}
	release, err := lockWarehouse(warehouse)
	if err != nil {
		return r, err
	}
	defer release()
	ledger, err := openLedger(app, &opts, r)
	if err != nil {
		return r, &Error{Code: "ledger_failed", Message: "无法写入运行记录（report_runs），请先完成数据库升级", Err: err}
	}
	err = r.run(ctx, app.DataDir(), endsAt, &opts)
	if err != nil && r.Status != "blocked" {
		r.Status = "failed"
		r.Message = "统计失败：" + err.Error()
		if ctx.Err() != nil {
			r.Message = "统计被中止"
		}
	}
	// The ledger must say how a run ended, also when it ended because it was called off.
	if saveErr := ledger.close(app, &opts, r); saveErr != nil && err == nil {
		err = &Error{Code: "ledger_failed", Message: "已发布，但无法写入运行记录（report_runs）", Err: saveErr}
	}
	opts.log("done", r.Message, 0, 0)
	return r, err
}

// setDate settles the day D and gives its end, the T of the run.
func (r *Result) setDate(date string, now time.Time) (time.Time, error) {
	today := hooks.Day(now)
	if date == "" {
		date = hooks.Day(now.In(hooks.Shanghai).AddDate(0, 0, -1))
	}
	day, err := time.ParseInLocation(time.DateOnly, date, hooks.Shanghai)
	if err != nil {
		return time.Time{}, &Error{Code: "bad_date", Message: "日期 " + date + " 无效，应形如 2026-11-22"}
	}
	if date > today {
		return time.Time{}, &Error{Code: "bad_date", Message: "日期 " + date + " 还没有到（今天是 " + today + "）"}
	}
	r.Date, r.Provisional = date, date == today
	return day.AddDate(0, 0, 1), nil
}

func (r *Result) run(ctx context.Context, dataDir string, endsAt time.Time, opts *Options) error {
	warehouse := warehouseDir(dataDir)
	began := opts.Now()
	lap := func(step string) {
		now := opts.Now()
		r.Counts["ms."+step] += now.Sub(began).Milliseconds()
		began = now
	}
	if err := removeLeftovers(warehouse); err != nil {
		return err
	}
	models, err := loadModels(opts.Models)
	if err != nil {
		return err
	}
	checks, err := loadChecks(opts.Models)
	if err != nil {
		return err
	}
	if err := opts.at("start"); err != nil {
		return err
	}

	opts.log("extract", "读取变更", 0, 0)
	x, err := extract(ctx, filepath.Join(dataDir, "data.db"), warehouse, r.Date, opts)
	if err != nil {
		return wrap(ctx, "extract_failed", "读取业务数据失败", err)
	}
	for c, n := range x.changed {
		r.Counts["read."+c] = n
	}
	r.Seq = x.dataSeq
	lap("extract")

	b, err := openBuild(ctx, warehouse, opts)
	if err != nil {
		return wrap(ctx, "build_failed", "无法打开统计引擎", err)
	}
	defer b.close()
	if err := r.model(b, warehouse, models, checks, endsAt, x); err != nil {
		return err
	}
	lap("model")

	if r.Findings, err = b.runChecks(checks); err != nil {
		return err
	}
	lap("check")
	if bad := blocking(r.Findings); len(bad) > 0 {
		r.Status = "blocked"
		var why []string
		for _, f := range bad {
			why = append(why, fmt.Sprintf("%s（%d 处）", f.Message, f.Rows))
		}
		r.Message = "检查未通过，没有发布，仍显示上一次的报表：" + strings.Join(why, "；")
		return &Error{Code: "checks_blocked", Message: r.Message}
	}
	if err := opts.at("checked"); err != nil {
		return err
	}
	if err := r.publish(ctx, b, dataDir, models, opts); err != nil {
		return wrap(ctx, "publish_failed", "发布失败", err)
	}
	lap("publish")
	r.Status = "published"
	r.Message = fmt.Sprintf("已发布 %s 的统计，批次 %s", r.Date, r.RunID)
	if r.Provisional {
		r.Message += "（暂定：当日尚未结束）"
	}
	return nil
}

func (r *Result) model(b *build, warehouse string, models []*model, checks []check, endsAt time.Time, x *extraction) error {
	if err := b.openRaw(warehouse, x.manifest); err != nil {
		return wrap(b.ctx, "build_failed", "无法读取原始文件", err)
	}
	staging := 0
	for staging < len(models) && models[staging].layer == "staging" {
		staging++
	}
	step := func(i int) error {
		b.opts.log("model", "计算 "+models[i].file, int64(i), int64(len(models)))
		if err := b.make(models[i]); err != nil {
			return err
		}
		return b.opts.at("model." + models[i].name)
	}
	for i := range staging {
		if err := step(i); err != nil {
			return err
		}
	}
	if err := b.closeRaw(); err != nil {
		return wrap(b.ctx, "build_failed", "无法关闭原始文件", err)
	}
	content, err := b.contentHash(models)
	if err != nil {
		return err
	}
	engine, err := b.engineVersion()
	if err != nil {
		return err
	}
	r.InputHash = inputHash([]string{buildVersion, engine, r.Date, fmt.Sprint(r.Provisional), fmt.Sprint(x.dataSeq)}, content, sqlDigestInput(models, checks))
	r.RunID = r.Date + "-" + r.InputHash[:12]
	if err := b.makeRun(r, endsAt, x); err != nil {
		return wrap(b.ctx, "build_failed", "无法建立批次表", err)
	}
	for i := staging; i < len(models); i++ {
		if err := step(i); err != nil {
			return err
		}
	}
	return wrap(b.ctx, "model_failed", "汇总指标表失败", b.makeIndicators(models))
}

func (r *Result) publish(ctx context.Context, b *build, dataDir string, models []*model, opts *Options) error {
	warehouse := warehouseDir(dataDir)
	lake, marts := published(models)
	opts.log("publish", "写出结果", 0, 3)
	if err := b.writeLake(lake); err != nil {
		return err
	}
	if err := b.writeMarts(marts); err != nil {
		return err
	}
	p := PublishedRun{RunID: r.RunID, Date: r.Date, Provisional: r.Provisional, Seq: r.Seq,
		Marts: "marts/marts-" + r.RunID + ".duckdb", Lake: "lake/" + r.RunID}
	r.MartsPath = filepath.Join(warehouse, filepath.FromSlash(p.Marts))
	r.LakeDir = filepath.Join(warehouse, filepath.FromSlash(p.Lake))
	if err := place(b.martsFile(), r.MartsPath); err != nil {
		return err
	}
	if err := opts.at("marts"); err != nil {
		return err
	}
	if err := place(b.lakeDir(), r.LakeDir); err != nil {
		return err
	}
	if err := opts.at("lake"); err != nil {
		return err
	}

	opts.log("render", "生成报表", 1, 3)
	day := filepath.Join(warehouse, "reports", r.Date)
	if err := os.MkdirAll(day, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(day, tmpPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if opts.Render != nil {
		if r.Files, err = opts.Render(ctx, RenderInput{MartsPath: r.MartsPath, OutDir: tmp, RunID: r.RunID, Date: r.Date}); err != nil {
			return &Error{Code: "render_failed", Message: "生成报表失败", Err: err}
		}
	}
	if p.Reports, err = placeReports(tmp, warehouse, r.Date, r.RunID); err != nil {
		return err
	}
	r.ReportsDir = filepath.Join(warehouse, filepath.FromSlash(p.Reports))
	for i, f := range r.Files { // names inside the folder, wherever it was while it was written
		if rel, err := filepath.Rel(tmp, f); err == nil && filepath.IsAbs(f) {
			r.Files[i] = filepath.ToSlash(rel)
		}
	}
	if err := opts.at("render"); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}

	opts.log("publish", "切换到新结果", 2, 3)
	pointer, err := movePointer(dataDir, p, hooks.Day(opts.Now()))
	if err != nil {
		return err
	}
	if err := opts.at("pointer"); err != nil {
		return err
	}
	return removeOldRuns(warehouse, pointer)
}

// wrap keeps an error that already has a code, and says plainly when the run was called off.
func wrap(ctx context.Context, code, message string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &Error{Code: "cancelled", Message: "统计被中止", Err: ctx.Err()}
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Code: code, Message: message, Err: err}
}
