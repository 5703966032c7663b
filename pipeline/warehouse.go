package pipeline

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// buildVersion joins the input hash: raise it when Go code here changes what the same rows and models come to.
const buildVersion = "1"

// build is the working database of one run. It lives in memory and spills to a folder that no reader knows: it is thrown
// away at the end, so nothing of it needs to reach the disk in order.
type build struct {
	ctx  context.Context
	db   *sql.DB
	conn *sql.Conn
	dir  string // temporary, in the warehouse
	opts *Options
}

// martsCatalog is the name under which the marts file in the making is attached.
const martsCatalog = "published"

func openBuild(ctx context.Context, warehouse string, opts *Options) (*build, error) {
	dir, err := os.MkdirTemp(warehouse, tmpPrefix+"build-")
	if err != nil {
		return nil, err
	}
	b := &build{ctx: ctx, dir: dir, opts: opts}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		b.close()
		return nil, err
	}
	b.db = sql.OpenDB(connector)
	if b.conn, err = b.db.Conn(ctx); err != nil {
		b.close()
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "lake"), 0o755); err != nil {
		b.close()
		return nil, err
	}
	for _, q := range []string{
		"SET threads = 2",
		"SET memory_limit = '512MB'",
		"SET temp_directory = " + quote(filepath.Join(dir, "spill")),
		"SET max_temp_directory_size = '20GB'",
		"SET TimeZone = 'UTC'",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allowed_directories = [" + quote(filepath.Join(dir, "lake")) + "]",
	} {
		if err := b.exec(q); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, b.exec("ATTACH " + quote(b.martsFile()) + " AS " + martsCatalog)
}

func (b *build) martsFile() string { return filepath.Join(b.dir, "marts.duckdb") }
func (b *build) lakeDir() string   { return filepath.Join(b.dir, "lake") }

func (b *build) close() {
	if b.conn != nil {
		_ = b.conn.Close()
	}
	if b.db != nil {
		_ = b.db.Close()
	}
	_ = os.RemoveAll(b.dir)
}

func (b *build) exec(query string) error {
	_, err := b.conn.ExecContext(b.ctx, query)
	return err
}

func (b *build) row(query string, into ...any) error {
	return b.conn.QueryRowContext(b.ctx, query).Scan(into...)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func duckType(k rawKind) string {
	switch k {
	case kindInt:
		return "BIGINT"
	case kindFloat:
		return "DOUBLE"
	case kindBool:
		return "BOOLEAN"
	case kindTime:
		return "TIMESTAMP"
	default:
		return "VARCHAR"
	}
}

// openRaw gives the staging models a view raw_<collection> over the files that the manifest lists, with exactly the
// columns of the schema, also when there is no file.
func (b *build) openRaw(warehouse string, m *manifest) error {
	for _, c := range append(append([]rawCollection{}, rawSchema...), ticks) {
		var none, names []string
		for _, col := range append(append([]rawColumn{}, c.Columns...), rawColumn{"_seq", kindInt}, rawColumn{"_op", kindText}) {
			none = append(none, "NULL::"+duckType(col.Kind)+` AS "`+col.Name+`"`)
			if col.Kind == kindTime {
				// UTC without a zone from here on. A cast would ask the time-zone library, five times slower.
				names = append(names, `make_timestamp_ms(epoch_ms("`+col.Name+`")) AS "`+col.Name+`"`)
			} else {
				names = append(names, `"`+col.Name+`"`)
			}
		}
		source := "SELECT " + strings.Join(none, ", ") + " WHERE false"
		if l := m.Collections[c.Name]; l != nil && len(l.Files) > 0 {
			var files []string
			for _, f := range l.Files {
				files = append(files, quote(filepath.Join(warehouse, filepath.FromSlash(f))))
			}
			source = "SELECT " + strings.Join(names, ", ") + " FROM read_parquet([" + strings.Join(files, ", ") + "], hive_partitioning = false)"
		}
		if err := b.exec("CREATE VIEW raw_" + c.Name + " AS " + source); err != nil {
			return fmt.Errorf("打开原始文件 %s：%w", c.Name, err)
		}
	}
	return nil
}

// closeRaw ends the reading of files: from here on SQL can reach nothing but this database and the lake folder.
func (b *build) closeRaw() error {
	for _, c := range append(append([]rawCollection{}, rawSchema...), ticks) {
		if err := b.exec("DROP VIEW raw_" + c.Name); err != nil {
			return err
		}
	}
	if err := b.exec("SET enable_external_access = false"); err != nil {
		return err
	}
	return b.exec("SET lock_configuration = true")
}

func (b *build) make(m *model) error {
	q := "CREATE TABLE " + m.name + " AS SELECT * FROM (\n" + m.sql + "\n)"
	if m.published() { // in an order of its own, so that the same rows are the same bytes; steps between need none
		q += " ORDER BY " + m.order
	}
	if err := b.exec(q); err != nil {
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		return modelError(m.file, err)
	}
	return nil
}

// contentHash is over what the staging tables say, row by row, whatever the nights in which the rows came: equal content
// gives an equal hash. Row hashes are summed, so that no sort is needed.
func (b *build) contentHash(models []*model) ([]string, error) {
	var out []string
	for _, m := range models {
		if m.layer != "staging" {
			continue
		}
		var n int64
		var sum, mixed string
		q := fmt.Sprintf("SELECT count(*), coalesce(sum(h), 0)::VARCHAR, coalesce(bit_xor(hash(h, 1)), 0)::VARCHAR FROM (SELECT hash(t)::HUGEINT AS h FROM %s t)", m.name)
		if err := b.row(q, &n, &sum, &mixed); err != nil {
			return nil, modelError(m.file, err)
		}
		out = append(out, m.name, fmt.Sprint(n), sum, mixed)
	}
	return out, nil
}

// inputHash covers all that determines the output: the rows, the models and checks, the date, the engine and this code.
func inputHash(parts ...[]string) string {
	h := sha256.New()
	for _, p := range parts {
		for _, s := range p {
			fmt.Fprintf(h, "%d:%s\n", len(s), s)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (b *build) engineVersion() (v string, err error) {
	err = b.row("SELECT version()", &v)
	return v, err
}

// makeRun is the one-row table that models read the date from, and the source's own totals.
func (b *build) makeRun(r *Result, endsAt time.Time, x *extraction) error {
	var until []string
	for _, c := range []string{"enterprises", "visits", "photos", "demands", "demand_matches", "demand_events"} {
		until = append(until, "SELECT max(synced_at) AS seen FROM stg_"+c)
	}
	q := fmt.Sprintf(`CREATE TABLE run AS SELECT %s AS run_id, DATE %s AS date, DATE %s AS as_of, %d::BIGINT AS seq, %s AS input_hash,
		%t AS provisional, (SELECT max(seen) FROM (%s)) AS data_until, TIMESTAMP %s AS ends_at`,
		quote(r.RunID), quote(r.Date), quote(r.Date), x.manifest.DataSeq, quote(r.InputHash), r.Provisional,
		strings.Join(until, " UNION ALL "), quote(endsAt.UTC().Format("2006-01-02 15:04:05")))
	if err := b.exec(q); err != nil {
		return err
	}
	if err := b.exec(fmt.Sprintf("CREATE TABLE extract_pin AS SELECT %d::BIGINT AS seq, %d::BIGINT AS data_seq", x.pin, x.dataSeq)); err != nil {
		return err
	}
	if err := b.exec("CREATE TABLE source_totals (collection VARCHAR, day VARCHAR, metric VARCHAR, total BIGINT)"); err != nil {
		return err
	}
	return b.conn.Raw(func(c any) error {
		a, err := duckdb.NewAppenderFromConn(c.(driver.Conn), "", "source_totals")
		if err != nil {
			return err
		}
		for _, t := range x.totals {
			if err := a.AppendRow(t.collection, t.day, t.metric, t.total); err != nil {
				_ = a.Close()
				return err
			}
		}
		return a.Close()
	})
}

// makeIndicators stacks all indicator models into the long table, and their headers into the catalogue.
func (b *build) makeIndicators(models []*model) error {
	var parts, pages []string
	for _, m := range models {
		in := m.indicator
		if in == nil {
			continue
		}
		parts = append(parts, fmt.Sprintf(`SELECT period, period_start, org_kind, org_id, %s AS indicator, %d::INTEGER AS version,
			numerator::BIGINT AS numerator, denominator::BIGINT AS denominator, status FROM %s`, quote(in.Code), in.Version, m.name))
		pages = append(pages, fmt.Sprintf("(%s, %s, %s, %s, %s, %s, %d::INTEGER, %s)",
			quote(in.Code), quote(in.Name), quote(in.Label), quote(in.Unit), quote(in.Grain), quote(in.Report), in.Version, quote(in.Definition)))
	}
	if len(parts) == 0 {
		return &Error{Code: "model_failed", Message: "models/indicators 里没有指标"}
	}
	if err := b.exec(`CREATE TABLE catalogue AS SELECT * FROM (VALUES ` + strings.Join(pages, ", ") +
		`) t(code, name, label, unit, grain, report, version, definition) ORDER BY code`); err != nil {
		return err
	}
	// No denominator: the numerator is the figure. Denominator 0: no figure, shown "—".
	return b.exec(`CREATE TABLE indicators AS SELECT i.period, i.period_start, i.org_kind, i.org_id, i.indicator, i.version, i.numerator, i.denominator,
			CASE WHEN i.denominator IS NULL THEN i.numerator::DOUBLE WHEN i.denominator = 0 THEN NULL ELSE i.numerator::DOUBLE / i.denominator END AS value,
			i.status, r.run_id, r.input_hash, r.as_of
		FROM (` + strings.Join(parts, " UNION ALL ") + `) i CROSS JOIN run r
		ORDER BY indicator, period, period_start, org_kind, org_id`)
}

// published are the tables that readers get, and what the run adds. Facts (fct_…, a row per visit) go to the lake only:
// reports are made of figures, and who follows one to its rows can read them there.
func published(models []*model) (lake, marts []string) {
	lake = []string{"run", "catalogue", "indicators"}
	marts = append(marts, lake...)
	for _, m := range models {
		if !m.published() {
			continue
		}
		lake = append(lake, m.name)
		if !strings.HasPrefix(m.name, "fct_") {
			marts = append(marts, m.name)
		}
	}
	return lake, marts
}

// published tells whether readers get the model: a mart that is no step between (int_…).
func (m *model) published() bool { return m.layer == "marts" && !strings.HasPrefix(m.name, "int_") }

// writeMarts copies the published tables into the attached file and closes it. Tables were made in a certain order, and
// DuckDB keeps it.
func (b *build) writeMarts(tables []string) error {
	// One transaction: the file is synced once, not once a table.
	if err := b.exec("BEGIN"); err != nil {
		return err
	}
	for _, t := range tables {
		if err := b.exec(fmt.Sprintf("CREATE TABLE %s.%s AS SELECT * FROM %s", martsCatalog, t, t)); err != nil {
			return err
		}
	}
	if err := b.exec("COMMIT"); err != nil {
		return err
	}
	if err := b.exec("CHECKPOINT " + martsCatalog); err != nil {
		return err
	}
	return b.exec("DETACH " + martsCatalog)
}

// writeLake writes each published table as Parquet, Hive-partitioned by district: lake/<run>/<table>/district=<code>/.
func (b *build) writeLake(tables []string) error {
	district := "none"
	// No district yet, or a code that is none: the folder must not be named by whatever was typed.
	if err := b.row("SELECT district_code FROM int_district WHERE regexp_full_match(district_code, '[0-9A-Za-z]+')", &district); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	for _, t := range tables {
		dir := filepath.Join(b.lakeDir(), t, "district="+district)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := b.exec(fmt.Sprintf("COPY (SELECT * FROM %s) TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)", t, quote(filepath.Join(dir, "data.parquet")))); err != nil {
			return err
		}
		if err := b.opts.at("lake." + t); err != nil {
			return err
		}
	}
	return nil
}
