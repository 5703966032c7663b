package pipeline

import (
	"fmt"
	"strings"
)

const sampleRows = 5

// runChecks runs every check; a check that returns a row is a finding.
func (b *build) runChecks(checks []check) ([]Finding, error) {
	var out []Finding
	for i, c := range checks {
		b.opts.log("check", "检查 "+c.name, int64(i), int64(len(checks)))
		f, err := b.runCheck(c)
		if err != nil {
			if b.ctx.Err() != nil {
				return nil, b.ctx.Err()
			}
			return nil, &Error{Code: "check_failed", Message: "检查 " + c.file + " 无法运行", Err: err}
		}
		if f.Rows > 0 {
			out = append(out, f)
		}
	}
	return out, nil
}

func (b *build) runCheck(c check) (Finding, error) {
	f := Finding{Check: c.name, Severity: c.severity, Message: c.message}
	rows, err := b.conn.QueryContext(b.ctx, "SELECT * FROM (\n"+c.sql+"\n) ORDER BY ALL")
	if err != nil {
		return f, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return f, err
	}
	for rows.Next() {
		if f.Rows++; f.Rows > sampleRows {
			continue
		}
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return f, err
		}
		var parts []string
		for i, name := range columns {
			parts = append(parts, fmt.Sprintf("%s=%v", name, values[i]))
		}
		f.Sample = append(f.Sample, strings.Join(parts, " "))
	}
	return f, rows.Err()
}

// blocking are the findings that stop the publish.
func blocking(findings []Finding) (out []Finding) {
	for _, f := range findings {
		if f.Severity == "block" {
			out = append(out, f)
		}
	}
	return out
}
