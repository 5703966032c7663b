package fieldsync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	validation "github.com/pocketbase/ozzo-validation/v4"

	"gangwan/hooks"
)

// daysAgo writes a line of the access log as of some days before now, named after its age.
func (d *district) daysAgo(days ...int) {
	d.t.Helper()
	for _, n := range days {
		if err := hooks.Log(d.app, hooks.Entry{At: d.time.AddDate(0, 0, -n), Action: "read", Target: d.time.AddDate(0, 0, -n).Format("old 2006-01-02")}); err != nil {
			d.t.Fatal(err)
		}
	}
}

// texts are the values of a query's one column.
func (d *district) texts(query string) (out []string) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(query).Column(&out); err != nil {
		d.t.Fatal(err)
	}
	return out
}

// ages runs the night's chores and tells how many days old the lines are that are left.
func (d *district) ages() (out []int) {
	d.t.Helper()
	if err := Maintain(context.Background(), d.app); err != nil {
		d.t.Fatal(err)
	}
	for _, at := range d.texts(`SELECT at FROM read_log WHERE action = 'read' ORDER BY at DESC`) {
		then, err := hooks.ParseTime(at)
		if err != nil {
			d.t.Fatal(err)
		}
		out = append(out, int(d.time.Sub(then).Hours()/24))
	}
	return out
}

func TestALineOfTheAccessLogGoesAfterFourHundredDaysUnlessAParameterSaysOtherwise(t *testing.T) {
	for _, c := range []struct {
		name, days, from string
		want             []int
	}{
		{"nothing said", "", "", []int{0, 179, 200, 399, 400}},
		{"a year", "365", "2021-10-29 00:00:00.000Z", []int{0, 179, 200}},
		{"three years", "1095", "2021-10-29 00:00:00.000Z", []int{0, 179, 200, 399, 400, 401, 800}},
		{"three years, but not yet", "1095", "2027-01-01 00:00:00.000Z", []int{0, 179, 200, 399, 400}},
		{"a week, by plain SQL: half a year all the same", "7", "2021-10-29 00:00:00.000Z", []int{0, 179}},
		{"some words, by plain SQL", "两年", "2021-10-29 00:00:00.000Z", []int{0, 179, 200, 399, 400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDistrict(t)
			if c.days != "" {
				d.sql(`INSERT INTO parameters (id, code, value, "from") VALUES ('param0000000001', 'log.keep_days', '` + c.days + `', '` + c.from + `')`)
			}
			d.daysAgo(0, 179, 200, 399, 400, 401, 800)
			if got := d.ages(); !slices.Equal(got, c.want) {
				t.Errorf("left are lines %v days old, expected %v", got, c.want)
			}
			said := d.texts(`SELECT target || ' ' || rows FROM read_log WHERE action = 'delete' AND collection = 'read_log'`)
			if gone := 7 - len(c.want); gone > 0 && (len(said) != 1 || !strings.HasPrefix(said[0], "保存期满 ")) {
				t.Errorf("%d lines went, and the log says %q", gone, said)
			}
		})
	}
}

func TestTheAccessLogIsClearedOnceADayHoweverManyLinesAreOver(t *testing.T) {
	d := newDistrict(t)
	d.ages()
	d.sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
		INSERT INTO read_log (id, at, action) SELECT printf('line%011d', i), '2024-01-01 00:00:00.000Z', 'read' FROM n`)
	if got := d.ages(); len(got) != 2500 {
		t.Errorf("%d lines left on the same day", len(got))
	}
	d.time = d.time.Add(24 * time.Hour)
	if got := d.ages(); len(got) != 0 {
		t.Errorf("%d lines left the day after", len(got))
	}
}

func TestNobodyDeletesALineOfTheAccessLogBeforeItsTimeNorSetsFewerDaysThanTheLawWants(t *testing.T) {
	d := newDistrict(t)
	d.ages() // the clock runs
	d.daysAgo(1, 399)
	for _, q := range []string{`DELETE FROM read_log`, `DELETE FROM read_log WHERE target < 'old 2026'`, `INSERT OR REPLACE INTO read_log (id, at) SELECT id, '' FROM read_log`} {
		if _, err := d.app.DB().NewQuery(q).Execute(); err == nil {
			t.Errorf("%s went through", q)
		}
	}
	d.sql(`UPDATE sync_clock SET now = ''`)
	if _, err := d.app.DB().NewQuery(`DELETE FROM read_log`).Execute(); err == nil {
		t.Error("without a clock no line's time is over")
	}
	for _, value := range []string{"179", "-400", "0", "一年", "10000", "365.5"} {
		r, err := newRecord(d.app, "parameters", map[string]any{"code": "log.keep_days", "value": value, "from": d.time})
		if err == nil {
			err = d.app.Save(r)
		}
		var wrong validation.Errors
		if !errors.As(err, &wrong) || wrong["value"] == nil || !strings.Contains(wrong["value"].Error(), hooks.Message("log_days")) {
			t.Errorf("%s days: %v", value, err)
		}
	}
	d.save("parameters", map[string]any{"code": "log.keep_days", "value": "180", "from": d.time})
}
