package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"gangwan/hooks"
)

// extraction is what one read of the database brought, all of it from one snapshot.
type extraction struct {
	manifest *manifest
	pin      int64            // max(seq) of sync_feed in the snapshot
	dataSeq  int64            // last seq of a collection the warehouse holds
	changed  map[string]int64 // rows written to raw, per collection
	totals   []sourceTotal
	full     bool
}

// sourceTotal is what SQLite itself says of a collection on one Shanghai day of capture ("" where there is none).
type sourceTotal struct {
	collection, day, metric string // metric: rows, or the name of a whole-number column, summed
	total                   int64
}

type extractor struct {
	ctx       context.Context
	conn      *sqlite.Conn
	warehouse string
	date      string
	opts      *Options
}

// extract writes everything that changed since the last extraction to new raw files, in one read snapshot of the live
// database, and lists them in the manifest. The live database is open through the same SQLite library in this process:
// a second library on it would break its locks.
func extract(ctx context.Context, dataFile, warehouse, date string, opts *Options) (*extraction, error) {
	m, err := readManifest(warehouse)
	if err != nil {
		return nil, err
	}
	if err := m.removeOrphans(warehouse); err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(dataFile, sqlite.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetInterrupt(ctx.Done())
	conn.SetBusyTimeout(10 * time.Second)
	e := &extractor{ctx: ctx, conn: conn, warehouse: warehouse, date: date, opts: opts}
	if err := sqlitex.ExecuteTransient(conn, "BEGIN", nil); err != nil {
		return nil, err
	}
	defer func() {
		conn.SetInterrupt(nil)
		_ = sqlitex.ExecuteTransient(conn, "ROLLBACK", nil)
	}()
	x, err := e.read(m)
	if err != nil {
		return nil, err
	}
	if err := opts.at("extract.files"); err != nil {
		return nil, err
	}
	if err := m.write(warehouse); err != nil {
		return nil, err
	}
	return x, opts.at("extract.manifest")
}

func (e *extractor) read(m *manifest) (*extraction, error) {
	x := &extraction{manifest: m, changed: map[string]int64{}}
	var err error
	// The first read takes the snapshot; everything below sees the database as it is at this seq.
	if x.pin, err = e.number("SELECT coalesce(max(seq), 0) FROM sync_feed"); err != nil {
		return nil, err
	}
	if x.dataSeq, err = e.number(`SELECT coalesce((SELECT seq FROM sync_feed WHERE collection IN (` + quotedNames() + `) ORDER BY seq DESC LIMIT 1), 0)`); err != nil {
		return nil, err
	}
	epoch, err := e.text("SELECT coalesce((SELECT value FROM sync_state WHERE key = 'epoch'), '')")
	if err != nil {
		return nil, err
	}
	captured, err := e.capturedCollections()
	if err != nil {
		return nil, err
	}
	schema := schemaDigest()
	// A restored database or another schema cannot be continued: the rows we hold may no longer be the rows there are.
	x.full = e.opts.Full || m.Generation == 0 || m.Schema != schema || m.Epoch != epoch || x.pin < m.Seq
	m.Batch++
	if x.full {
		m.Generation++
		for _, c := range rawSchema {
			m.retire(c.Name)
		}
		m.retire(ticks.Name)
		m.Seq, m.TickSeq = 0, 0
	}
	last := m.Seq
	if !x.full {
		if err := e.exec(`CREATE TEMP TABLE changed (collection TEXT, record TEXT, seq INTEGER, PRIMARY KEY (collection, record)) WITHOUT ROWID`); err != nil {
			return nil, err
		}
		if err := e.exec(fmt.Sprintf(`INSERT INTO temp.changed SELECT collection, record, max(seq) FROM main.sync_feed
			WHERE seq > %d AND seq <= %d GROUP BY 1, 2 ORDER BY 1, 2`, last, x.pin)); err != nil {
			return nil, err
		}
	}
	for i, c := range rawSchema {
		e.opts.log("extract", fmt.Sprintf("读取 %s", c.Name), int64(i), int64(len(rawSchema)))
		n, err := e.collection(m, c, last, x.pin, x.full, captured[c.Name])
		if err != nil {
			return nil, fmt.Errorf("读取 %s：%w", c.Name, err)
		}
		x.changed[c.Name] = n
		if err := e.opts.at("extract." + c.Name); err != nil {
			return nil, err
		}
		t, err := e.totalsOf(c)
		if err != nil {
			return nil, fmt.Errorf("核对 %s：%w", c.Name, err)
		}
		x.totals = append(x.totals, t...)
	}
	if err := e.ticks(m, x.pin); err != nil {
		return nil, fmt.Errorf("读取 sync_ticks：%w", err)
	}
	m.Schema, m.Epoch, m.Seq, m.DataSeq = schema, epoch, x.pin, x.dataSeq
	return x, nil
}

// collection writes one raw file, or none where nothing changed.
func (e *extractor) collection(m *manifest, c rawCollection, last, pin int64, full, captured bool) (int64, error) {
	var columns []string
	for _, col := range c.Columns {
		part := trimmed[c.Name+"."+col.Name]
		if part == "" {
			part = `t."` + col.Name + `"`
		}
		columns = append(columns, part)
	}
	fields := strings.Join(columns, ", ")
	var query string
	// Read whole too in the first night after capture began: what changed between the last whole read and the trigger is in no feed.
	whole := full || !captured || m.list(c.Name).Whole != ""
	if whole {
		// A whole read is "as known at the pin": any later change has a higher seq.
		query = fmt.Sprintf(`SELECT %d, t.id, 1, %s FROM main."%s" t`, pin, fields, c.Name)
		last = 0
	} else {
		query = fmt.Sprintf(`SELECT c.seq, c.record, t.id IS NOT NULL, %s FROM temp.changed c
			LEFT JOIN main."%s" t ON t.id = c.record WHERE c.collection = '%s' ORDER BY c.record`, fields, c.Name, c.Name)
	}
	f, err := newRawFile(filepath.Join(e.warehouse, filepath.FromSlash(e.fileName(m, c.Name, last, pin))), c)
	if err != nil {
		return 0, err
	}
	defer f.discard()
	stmt, err := e.conn.Prepare(query)
	if err != nil {
		return 0, fmt.Errorf("数据表与程序的字段不一致：%w", err)
	}
	defer stmt.Reset()
	for {
		ok, err := stmt.Step()
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		if err := f.append(stmt); err != nil {
			return 0, err
		}
		if f.rows%200_000 == 0 {
			e.opts.log("extract", fmt.Sprintf("读取 %s", c.Name), f.rows, 0)
		}
	}
	// Without change capture nothing tells what changed: the rows are read whole, and kept only when they differ.
	digest := ""
	if !captured {
		digest = f.digest()
	}
	if f.rows == 0 && !(whole && len(m.list(c.Name).Files) > 0) {
		m.list(c.Name).Whole = digest
		return 0, nil
	}
	if !full && !captured && digest == m.list(c.Name).Whole {
		return 0, nil
	}
	if err := f.publish(); err != nil {
		return 0, err
	}
	if whole {
		m.retire(c.Name)
	}
	l := m.list(c.Name)
	l.Files = append(l.Files, e.fileName(m, c.Name, last, pin))
	l.Whole = digest
	return f.rows, nil
}

// ticks is which seq had been reached at which time; it lets any past night be computed as it was known then.
var ticks = rawCollection{Name: "sync_ticks", Columns: []rawColumn{{"seq", kindInt}, {"at", kindText}}}

func (e *extractor) ticks(m *manifest, pin int64) error {
	name := e.fileName(m, ticks.Name, m.TickSeq, pin)
	f, err := newRawFile(filepath.Join(e.warehouse, filepath.FromSlash(name)), ticks)
	if err != nil {
		return err
	}
	defer f.discard()
	stmt, err := e.conn.Prepare(`SELECT seq, seq, 1, seq, at FROM main.sync_ticks WHERE seq > ? AND seq <= ? ORDER BY seq`)
	if err != nil {
		return err
	}
	defer stmt.Reset()
	stmt.BindInt64(1, m.TickSeq)
	stmt.BindInt64(2, pin)
	for {
		ok, err := stmt.Step()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := f.append(stmt); err != nil {
			return err
		}
		m.TickSeq = stmt.ColumnInt64(0)
	}
	if f.rows == 0 {
		return nil
	}
	if err := f.publish(); err != nil {
		return err
	}
	l := m.list(ticks.Name)
	l.Files = append(l.Files, name)
	return nil
}

func (e *extractor) fileName(m *manifest, collection string, from, to int64) string {
	return fmt.Sprintf("raw/%s/%s-%06d-%012d-%012d.parquet", collection, e.date, m.Batch, from, to)
}

// capturedCollections are those whose triggers write the change feed.
func (e *extractor) capturedCollections() (map[string]bool, error) {
	out := map[string]bool{}
	err := sqlitex.ExecuteTransient(e.conn, `SELECT DISTINCT tbl_name FROM main.sqlite_master WHERE type = 'trigger'
		AND sql LIKE '%INSERT INTO sync\_feed%' ESCAPE '\' AND instr(sql, '''' || tbl_name || '''') > 0`,
		&sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			out[s.ColumnText(0)] = true
			return nil
		}})
	return out, err
}

// totalsOf asks SQLite, in the same snapshot, what the warehouse must hold when all is done. Hours, not days, are grouped
// by: the first 13 characters of a stored time are its UTC hour, and Shanghai days begin on a whole hour.
func (e *extractor) totalsOf(c rawCollection) ([]sourceTotal, error) {
	hour, metrics := "''", []string{"rows"}
	sums := []string{"count(*)"}
	for _, col := range c.Columns {
		switch {
		case col.Name == "captured_at":
			hour = `substr("captured_at", 1, 13)`
		case col.Kind == kindInt:
			metrics = append(metrics, col.Name)
			sums = append(sums, fmt.Sprintf(`coalesce(sum(cast("%s" AS INTEGER)), 0)`, col.Name))
		}
	}
	type key struct{ day, metric string }
	totals := map[key]int64{}
	var order []key
	query := fmt.Sprintf(`SELECT %s AS hour, %s FROM main."%s" GROUP BY 1 ORDER BY 1`, hour, strings.Join(sums, ", "), c.Name)
	err := sqlitex.ExecuteTransient(e.conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		day, err := dayOfHour(s.ColumnText(0))
		if err != nil {
			return err
		}
		for i, m := range metrics {
			k := key{day, m}
			if _, ok := totals[k]; !ok {
				order = append(order, k)
			}
			totals[k] += s.ColumnInt64(i + 1)
		}
		return nil
	}})
	var out []sourceTotal
	for _, k := range order {
		out = append(out, sourceTotal{c.Name, k.day, k.metric, totals[k]})
	}
	return out, err
}

func dayOfHour(hour string) (string, error) {
	if hour == "" {
		return "", nil
	}
	t, err := time.Parse("2006-01-02 15", hour)
	if err != nil {
		return "", fmt.Errorf("采集时间 %q 不是有效时间", hour)
	}
	return hooks.Day(t), nil
}

func (e *extractor) exec(query string) error { return sqlitex.ExecuteTransient(e.conn, query, nil) }

func (e *extractor) number(query string) (n int64, err error) {
	err = sqlitex.ExecuteTransient(e.conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}})
	return n, err
}

func (e *extractor) text(query string) (v string, err error) {
	err = sqlitex.ExecuteTransient(e.conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		v = s.ColumnText(0)
		return nil
	}})
	return v, err
}

func quotedNames() string {
	var names []string
	for _, c := range rawSchema {
		names = append(names, "'"+c.Name+"'")
	}
	if len(names) == 0 {
		return "''"
	}
	return strings.Join(names, ", ")
}
