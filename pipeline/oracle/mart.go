package oracle

import (
	"database/sql"
	"fmt"
	"math"

	_ "github.com/duckdb/duckdb-go/v2"
)

// ReadMart reads the published table `indicators`. A row whose value is not numerator over denominator is an error:
// readers of the mart show the value, and the comparison that follows looks at the two numbers only.
func ReadMart(martsPath string) ([]Row, error) {
	db, err := sql.Open("duckdb", martsPath+"?access_mode=READ_ONLY")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	// The casts make the reading independent of the types a model happened to produce (a sum is a HUGEINT in DuckDB);
	// what a cast could round away is checked below.
	rows, err := db.Query(`select period, cast(cast(period_start as date) as varchar), org_kind, org_id, indicator,
		cast(numerator as double), cast(denominator as double), cast(value as double), status from indicators`)
	if err != nil {
		return nil, fmt.Errorf("read indicators of %s: %w", martsPath, err)
	}
	defer func() { _ = rows.Close() }()
	var out []Row
	for rows.Next() {
		var r Row
		var numerator, denominator, value sql.NullFloat64
		if err := rows.Scan(&r.Period, &r.PeriodStart, &r.OrgKind, &r.OrgID, &r.Indicator, &numerator, &denominator, &value, &r.Status); err != nil {
			return nil, fmt.Errorf("read indicators of %s: %w", martsPath, err)
		}
		if !numerator.Valid || !isWhole(numerator.Float64) || (denominator.Valid && !isWhole(denominator.Float64)) {
			return nil, fmt.Errorf("%s: numerator %s and denominator %s are not whole numbers", r.name(), show(numerator), show(denominator))
		}
		r.Numerator = int64(numerator.Float64)
		if denominator.Valid {
			d := int64(denominator.Float64)
			r.Denominator = &d
		}
		if want := r.value(); value.Valid != want.Valid || (want.Valid && !(math.Abs(value.Float64-want.Float64) <= 1e-12)) {
			return nil, fmt.Errorf("%s: value is %s, but %s makes %s", r.name(), show(value), r.figure(), show(want))
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// value is what the row's value must be: a ratio has none over zero, a figure is its numerator.
func (r Row) value() sql.NullFloat64 {
	switch {
	case r.Denominator == nil:
		return sql.NullFloat64{Float64: float64(r.Numerator), Valid: true}
	case *r.Denominator == 0:
		return sql.NullFloat64{}
	}
	return sql.NullFloat64{Float64: float64(r.Numerator) / float64(*r.Denominator), Valid: true}
}

// isWhole is also false beyond 2^53, where a double no longer tells whole numbers apart.
func isWhole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= 1<<53 }

func show(f sql.NullFloat64) string {
	if !f.Valid {
		return "NULL"
	}
	return fmt.Sprint(f.Float64)
}
