package hooks

import (
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// AddWorkdays is the end (24:00 in Shanghai) of the n-th working day after the day of from, by the calendar in `holidays`:
// Monday to Friday, less holidays, plus the weekends worked instead.
func AddWorkdays(app core.App, from time.Time, n int) (time.Time, error) {
	day := from.In(Shanghai)
	day = time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, Shanghai)
	var rows []struct {
		Day  string `db:"day"`
		Kind string `db:"kind"`
	}
	if err := app.DB().NewQuery(`SELECT day, kind FROM holidays WHERE day > {:day}`).Bind(dbx.Params{"day": Day(day)}).All(&rows); err != nil {
		return time.Time{}, err
	}
	kind := map[string]string{}
	for _, r := range rows {
		kind[r.Day] = r.Kind
	}
	for n > 0 {
		day = day.AddDate(0, 0, 1)
		weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
		if k := kind[Day(day)]; k == "workday" || k == "" && !weekend {
			n--
		}
	}
	return day.AddDate(0, 0, 1), nil
}

// LimitDays is the number of working days that the parameter code allows at a time; what is no whole number from 1 to 366
// counts as the usual one, as in the reports.
func LimitDays(app core.App, code string, at time.Time, usual int) (int, error) {
	var value string
	err := app.DB().NewQuery(`SELECT value FROM parameters WHERE code = {:code} AND "from" <= {:at} AND (until = '' OR until > {:at}) ORDER BY "from" DESC, id LIMIT 1`).
		Bind(dbx.Params{"code": code, "at": Stored(at)}).Row(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 1 && n <= 366 {
		return n, nil
	}
	return usual, nil
}
