package hooks

import (
	"strconv"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// AddWorkdays is the last stored instant (23:59:59.999 in Shanghai) of the n-th working day after the day of from: whoever acts
// on the due day is in time. Working days are Monday to Friday, less the holidays and plus the weekends worked instead (调休) of
// `holidays`, as overdue_demands and int_working_day count them. n below 1 is the day of from itself.
func AddWorkdays(app core.App, from time.Time, n int) (time.Time, error) {
	y, m, d := from.In(Shanghai).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, Shanghai)
	var rows []struct{ Day, Kind string }
	if err := app.DB().NewQuery(`SELECT day, kind FROM holidays WHERE day > {:day}`).Bind(dbx.Params{"day": Day(day)}).All(&rows); err != nil {
		return time.Time{}, err
	}
	kinds := map[string]string{}
	for _, r := range rows {
		kinds[r.Day] = r.Kind
	}
	for n > 0 {
		day = day.AddDate(0, 0, 1)
		weekend := day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
		if kind := kinds[Day(day)]; kind == "workday" || kind == "" && !weekend {
			n--
		}
	}
	return day.AddDate(0, 0, 1).Add(-time.Millisecond), nil
}

// LimitDays is how many working days the dated parameter code allows at an instant. What is no whole number from 1 to 366
// counts as the usual one, as in the reports: a slip of the pen must not stop the counter.
func LimitDays(app core.App, code string, at time.Time, usual int) (int, error) {
	value, err := parameter(app, code, at)
	if err != nil {
		return 0, err
	}
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseUint(value, 10, 16); err == nil && len(value) <= 3 && n >= 1 && n <= 366 {
		return int(n), nil
	}
	return usual, nil
}

// dueBy is the end of the last working day that the parameter code leaves for what began at an instant.
func dueBy(app core.App, code string, since time.Time, usual int) (time.Time, error) {
	n, err := LimitDays(app, code, since, usual)
	if err != nil {
		return time.Time{}, err
	}
	return AddWorkdays(app, since, n)
}
