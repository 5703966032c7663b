package pipeline

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"slices"
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

func TestEveryIndicatorOfTheHandMadeDistrictsIsAsWorkedOutOnPaper(t *testing.T) {
	seen := map[string]bool{}
	for _, world := range []struct {
		made  func(testing.TB) core.App
		codes []string
	}{
		{handmade, []string{"COV-01", "COV-02", "COV-04", "COV-05", "CRD-01", "CRD-01.amount", "CNV-01", "DQ-01"}},
		{unvisited, []string{"COV-07", "COV-07.d180", "COV-07.d365", "COV-07.never"}},
		{lending, []string{"CNV-02", "CNV-02.median", "CNV-02.p90", "CNV-04", "CNV-05", "CNV-06", "CNV-12", "CNV-12.d3", "CNV-12.d7", "CNV-12.d15", "CNV-12.over", "DQ-05"}},
	} {
		r := mustRun(t, world.made(t), Options{})
		for _, code := range world.codes {
			seen[code] = true
			t.Run(code, func(t *testing.T) {
				want, err := os.ReadFile("testdata/golden/" + strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(code)) + ".csv")
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
		for _, line := range strings.Split(strings.TrimSpace(query(t, r.MartsPath, `SELECT code FROM catalogue`)), "\n")[1:] {
			if _, known := seen[line]; !known {
				seen[line] = false
			}
		}
	}
	for code, checked := range seen {
		if !checked {
			t.Error(code, "is computed and nobody worked it out on paper")
		}
	}
}

func TestTheFunnelOfACohortIsAsWorkedOutOnPaper(t *testing.T) {
	want, err := os.ReadFile("testdata/golden/demand_funnel.csv")
	if err != nil {
		t.Fatal(err)
	}
	got := query(t, mustRun(t, lending(t), Options{}).MartsPath, `SELECT org_kind, org_id, period_start::VARCHAR AS period_start, step, demands, amount, matured
		FROM demand_funnel WHERE period_start < '2026-09-01' ORDER BY org_kind, org_id, period_start, place`)
	if diff := difference(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestAFigureThatContradictsItselfStopsTheNight(t *testing.T) {
	app := lending(t)
	for _, c := range []struct{ check, file, right, wrong string }{
		{"funnel_never_widens", "models/marts/demand_funnel.sql", "s.place)", "8 - s.place)"},
		{"classes_add_up", "models/marts/int_overdue.sql", "days_over <= 15 then 'd15'", "days_over <= 15 then 'd16'"},
		{"classes_add_up", "models/marts/int_unvisited.sql", "coalesce(b.d180, 0)", "coalesce(b.d180, 0) + 1"},
		{"classes_add_up", "models/marts/loan_evidence.sql", "where o.aged", "where o.confirmed"},
	} {
		text, err := embedded.ReadFile(c.file)
		if err != nil || !strings.Contains(string(text), c.right) {
			t.Fatalf("%s: %v", c.file, err)
		}
		r, err := Run(context.Background(), app, Options{Date: runDate, Now: runNow, Models: withChange(t, c.file, strings.ReplaceAll(string(text), c.right, c.wrong))})
		if codeOf(err) != "checks_blocked" || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == c.check }) {
			t.Errorf("%s in %s: %v %+v", c.wrong, c.file, err, r.Findings)
		}
	}
}

func TestALoanOfABankOrDemandThatIsGoneIsNamedInAWarning(t *testing.T) {
	app := lending(t)
	loan(t, app, 60, 0, "gone00000000001", 1_000, "2026-11-02", nil)
	loan(t, app, 61, 1, b1, 1_000, "2026-11-02", row{"demand": id15("m", 999)})
	for _, f := range mustRun(t, app, Options{}).Findings {
		if f.Check == "loans_have_banks_and_demands" && f.Rows == 2 && f.Severity == "warn" {
			return
		}
	}
	t.Error("no warning of two loans")
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
