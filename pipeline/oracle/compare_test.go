package oracle

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

func ratio(id string, numerator, denominator int64) Row {
	return Row{"M", "2026-05-01", "grid", id, "COV-01", numerator, &denominator, provisional}
}

func TestTwoTablesAreTheSameWhateverTheOrderOfTheirRows(t *testing.T) {
	if d := Diff([]Row{ratio("g1", 1, 2), ratio("g2", 0, 0)}, []Row{ratio("g2", 0, 0), ratio("g1", 1, 2)}); len(d) != 0 {
		t.Error(d)
	}
}

func TestEveryKindOfDifferenceIsSaidInWords(t *testing.T) {
	noRatio := ratio("g4", 1, 2)
	noRatio.Denominator = nil
	thawed := ratio("g5", 1, 2)
	thawed.Status = frozen
	got := Diff(
		[]Row{ratio("g1", 1, 2), ratio("g2", 1, 2), ratio("g4", 1, 2), ratio("g5", 1, 2), ratio("g6", 1, 2)},
		[]Row{ratio("g2", 1, 3), ratio("g3", 0, 0), noRatio, thawed, ratio("g6", 1, 2), ratio("g6", 1, 2)})
	want := []string{
		`COV-01 M 2026-05-01 grid "g1": missing, want 1/2 暂定`,
		`COV-01 M 2026-05-01 grid "g2": differs, want 1/2 暂定, got 1/3 暂定`,
		`COV-01 M 2026-05-01 grid "g3": surplus, got 0/0 暂定`,
		`COV-01 M 2026-05-01 grid "g4": differs, want 1/2 暂定, got 1 暂定`,
		`COV-01 M 2026-05-01 grid "g5": differs, want 1/2 暂定, got 1/2 封账`,
		`COV-01 M 2026-05-01 grid "g6": the row stands twice, as 1/2 暂定 and 1/2 暂定`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("want\n%s\ngot\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

func mart(t *testing.T, columns string, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "marts.duckdb")
	db, err := sql.Open("duckdb", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range append([]string{"create table indicators (" + columns + ")"}, statements...) {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const usual = "period text, period_start date, org_kind text, org_id text, indicator text, numerator bigint, denominator bigint, value double, status text, run_id text"

func TestThePublishedTableReadsBackAsItWasWritten(t *testing.T) {
	count := Row{"M", "2026-05-01", "grid", "g3", "CRD-01.amount", 9876543210, nil, frozen}
	want := []Row{ratio("g1", 1, 3), ratio("g2", 0, 0), count}
	values := `insert into indicators (period, period_start, org_kind, org_id, indicator, numerator, denominator, value, status) values
		('M', '2026-05-01', 'grid', 'g1', 'COV-01', 1, 3, 1/3, '暂定'),
		('M', '2026-05-01', 'grid', 'g2', 'COV-01', 0, 0, null, '暂定'),
		('M', '2026-05-01', 'grid', 'g3', 'CRD-01.amount', 9876543210, null, 9876543210, '封账')`
	for name, columns := range map[string]string{
		"dates and whole numbers":   usual,
		"text dates and huge sums":  strings.NewReplacer("date", "text", "bigint", "hugeint").Replace(usual),
		"timestamps and decimals":   strings.NewReplacer("date", "timestamp", "bigint", "decimal(18,2)").Replace(usual),
		"numbers that are doubles":  strings.ReplaceAll(usual, "bigint", "double"),
		"a column more than needed": usual + ", unit text",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadMart(mart(t, columns, values))
			if err != nil {
				t.Fatal(err)
			}
			if d := Diff(want, got); len(d) != 0 {
				t.Error(strings.Join(d, "\n"))
			}
		})
	}
}

func TestAPublishedValueThatIsNotItsRatioIsRefusedByName(t *testing.T) {
	for name, values := range map[string]string{
		"rounded":                    "1, 3, 0.3333",
		"as a percentage":            "1, 2, 50",
		"missing":                    "1, 2, null",
		"nought where there is none": "0, 0, 0",
		"not a number":               "0, 0, 'nan'",
		"infinite":                   "1, 2, 'infinity'",
		"a count that differs":       "5, null, 4",
		"no numerator":               "null, 2, null",
		"half a visit":               "0.5, 2, 0.25",
	} {
		t.Run(name, func(t *testing.T) {
			columns := strings.ReplaceAll(usual, "bigint", "double")
			_, err := ReadMart(mart(t, columns, "insert into indicators values ('M', '2026-05-01', 'grid', 'g7', 'COV-01', "+values+", '暂定', 'r')"))
			if err == nil || !strings.Contains(err.Error(), `COV-01 M 2026-05-01 grid "g7"`) {
				t.Errorf("want an error naming the row, got %v", err)
			}
		})
	}
}

func TestReadingTheMartDoesNotMakeOneWhereThereIsNone(t *testing.T) {
	if _, err := ReadMart(filepath.Join(t.TempDir(), "none.duckdb")); err == nil {
		t.Error("want an error")
	}
}
