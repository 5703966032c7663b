package hooks

import (
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// The State Council's calendar around National Day 2026: eight days off, two weekend days worked instead.
var nationalDay = map[string]string{
	"2026-09-20": "workday", "2026-10-10": "workday", "2026-10-01": "holiday", "2026-10-02": "holiday", "2026-10-03": "holiday", "2026-10-04": "holiday",
	"2026-10-05": "holiday", "2026-10-06": "holiday", "2026-10-07": "holiday", "2026-10-08": "holiday",
}

func addHolidays(t *testing.T, app core.App) {
	t.Helper()
	c, err := app.FindCollectionByNameOrId("holidays")
	if err != nil {
		t.Fatal(err)
	}
	for day, kind := range nationalDay {
		r := core.NewRecord(c)
		r.Load(map[string]any{"day": day, "kind": kind, "name": "国庆节"})
		if err := app.Save(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADeadlineIsTheEndOfAWorkingDayHolidaysLeftOutAndShiftedDaysCounted(t *testing.T) {
	app := migratedApp(t)
	addHolidays(t, app)
	for _, c := range []struct {
		from string
		n    int
		due  string
	}{
		{"2026-11-20T10:00:00+08:00", 1, "2026-11-23"}, // a Friday
		{"2026-11-20T00:00:00+08:00", 5, "2026-11-27"},
		{"2026-11-20T23:59:59+08:00", 5, "2026-11-27"},
		{"2026-11-20T16:00:00Z", 1, "2026-11-23"}, // already Saturday in Shanghai
		{"2026-11-21T10:00:00+08:00", 1, "2026-11-23"},
		{"2026-09-18T10:00:00+08:00", 1, "2026-09-20"}, // a Sunday worked for the holiday
		{"2026-09-30T10:00:00+08:00", 1, "2026-10-09"},
		{"2026-09-30T10:00:00+08:00", 2, "2026-10-10"}, // a Saturday worked for the holiday
		{"2026-09-30T10:00:00+08:00", 3, "2026-10-12"},
		{"2026-10-03T10:00:00+08:00", 0, "2026-10-03"},
	} {
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		due, err := AddWorkdays(app, from, c.n)
		if err != nil {
			t.Fatal(err)
		}
		if got := due.In(Shanghai).Format("2006-01-02 15:04:05.000"); got != c.due+" 23:59:59.999" {
			t.Errorf("%s and %d working days: %s, wanted the end of %s", c.from, c.n, got, c.due)
		}
	}
}

func TestALimitIsTheParameterOfItsDayAndTheUsualOneWhereThatIsNoNumber(t *testing.T) {
	app := migratedApp(t)
	c, err := app.FindCollectionByNameOrId("parameters")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][3]string{
		{"7", "2026-01-01 00:00:00.000Z", ""}, {"2", "2026-06-01 00:00:00.000Z", "2026-07-01 00:00:00.000Z"}, {"五", "2026-08-01 00:00:00.000Z", "2026-08-02 00:00:00.000Z"},
		{"0", "2026-08-03 00:00:00.000Z", "2026-08-04 00:00:00.000Z"}, {"367", "2026-08-05 00:00:00.000Z", "2026-08-06 00:00:00.000Z"}, {" 4 ", "2026-08-07 00:00:00.000Z", "2026-08-08 00:00:00.000Z"},
	} {
		r := core.NewRecord(c)
		r.Load(map[string]any{"code": "sla.service_days.other", "value": p[0], "from": p[1], "until": p[2]})
		if err := app.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[string]int{"2025-12-31": 5, "2026-01-01": 7, "2026-06-15": 2, "2026-07-01": 7, "2026-08-01": 5, "2026-08-03": 5, "2026-08-05": 5, "2026-08-07": 4, "2026-09-01": 7} {
		day, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := LimitDays(app, "sla.service_days.other", day, 5); err != nil || got != want {
			t.Errorf("on %s: %d, wanted %d (%v)", at, got, want, err)
		}
	}
}
