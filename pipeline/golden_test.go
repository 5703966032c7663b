package pipeline

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/pocketbase/pocketbase/core"
)

// mustRun runs the hand-made date and fails the test where the run does.
func mustRun(t testing.TB, app core.App, opts Options) Result {
	t.Helper()
	if opts.Date == "" {
		opts.Date = runDate
	}
	if opts.Now == nil {
		opts.Now = runNow
	}
	r, err := Run(context.Background(), app, opts)
	if err != nil {
		t.Fatalf("%v %+v", err, r.Findings)
	}
	return r
}

// query gives a marts query as CSV lines, NULL as nothing.
func query(t testing.TB, martsPath, q string) string {
	t.Helper()
	db, err := sql.Open("duckdb", martsPath+"?access_mode=read_only")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var b bytes.Buffer
	b.WriteString(strings.Join(columns, ",") + "\n")
	for rows.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(v.String)
		}
		b.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryIndicatorOfTheHandMadeDistrictIsAsWorkedOutOnPaper(t *testing.T) {
	r := mustRun(t, handmade(t), Options{})
	for code, file := range map[string]string{"COV-01": "cov_01", "COV-02": "cov_02", "COV-04": "cov_04", "CRD-01": "crd_01", "CRD-01.amount": "crd_01_amount", "CNV-01": "cnv_01", "DQ-01": "dq_01"} {
		t.Run(code, func(t *testing.T) {
			want, err := os.ReadFile("testdata/golden/" + file + ".csv")
			if err != nil {
				t.Fatal(err)
			}
			got := query(t, r.MartsPath, fmt.Sprintf(`SELECT period, period_start::VARCHAR AS period_start, org_kind, org_id, numerator, denominator, status
				FROM indicators WHERE indicator = '%s' ORDER BY ALL`, code))
			if diff := difference(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if got := query(t, r.MartsPath, `SELECT count(*) AS n FROM indicators WHERE value IS DISTINCT FROM CASE WHEN denominator IS NULL THEN numerator WHEN denominator > 0 THEN numerator / denominator END`); got != "n\n0\n" {
		t.Error("a value is not numerator over denominator:", got)
	}
}

// difference lists lines that only one side has.
func difference(want, got string) string {
	in := func(s string) map[string]bool {
		out := map[string]bool{}
		for _, line := range strings.Split(strings.TrimSpace(s), "\n") {
			out[line] = true
		}
		return out
	}
	w, g := in(want), in(got)
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		if !g[line] {
			b.WriteString("\nwant " + line)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(got), "\n") {
		if !w[line] {
			b.WriteString("\ngot  " + line)
		}
	}
	return b.String()
}
