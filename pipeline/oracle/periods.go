package oracle

import (
	"fmt"
	"time"
)

// A cut says what was known: everything, or only what the server had received before the instant of freezing.
type cut struct {
	frozen bool
	at     time.Time
}

// admits reports whether a record received then counts. A record with no time of receipt cannot be shown to have
// been there before the freeze.
func (k cut) admits(syncedAt time.Time) bool {
	return !k.frozen || (!syncedAt.IsZero() && syncedAt.Before(k.at))
}

type period struct {
	code  string
	start time.Time // 00:00 Shanghai
	end   time.Time // T, exclusive
	cut   cut
}

// holds reports whether an instant lies in the window; "none" lies in no window.
func (p period) holds(t time.Time) bool {
	return !t.IsZero() && !t.Before(p.start) && t.Before(p.end)
}

func (p period) status() string {
	if p.cut.frozen {
		return frozen
	}
	return provisional
}

func firstOfMonth(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, zone)
}

// periodsOf lists what a run of one day reports: at most 25 months, their quarters, the year, the last 365 days and all time.
func periodsOf(day, startOn, earliest time.Time, zone *time.Location) []period {
	runEnd := day.AddDate(0, 0, 1)
	var out []period
	calendar := func(code string, start time.Time, months int) period {
		next := start.AddDate(0, months, 0)
		p := period{code: code, start: start, end: next}
		if runEnd.Before(next) {
			p.end = runEnd
		}
		if !day.Before(next.AddDate(0, 0, 4)) { // D is day 5 of the next month, or later
			p.cut = cut{frozen: true, at: next.AddDate(0, 0, 5)}
		}
		return p
	}

	thisMonth := firstOfMonth(day, zone)
	quarters := map[time.Time]bool{}
	for back := 0; back <= 24; back++ {
		month := thisMonth.AddDate(0, -back, 0)
		// The month of the run is reported even where nothing has ever been captured.
		if back > 0 && (earliest.IsZero() || month.Before(firstOfMonth(earliest, zone))) {
			break
		}
		out = append(out, calendar("M", month, 1))
		quarter := month.AddDate(0, -((int(month.Month()) - 1) % 3), 0)
		if !quarters[quarter] {
			quarters[quarter] = true
			out = append(out, calendar("Q", quarter, 3))
		}
	}
	newYear := time.Date(day.Year(), 1, 1, 0, 0, 0, 0, zone)
	return append(out,
		period{code: "YTD", start: newYear, end: runEnd},
		period{code: "R365", start: day.AddDate(0, 0, -364), end: runEnd},
		period{code: "CUM", start: startOn, end: runEnd},
	)
}

// earliestCapture is the first visit or demand ever captured; zero if there is none.
func earliestCapture(t *tables) time.Time {
	var first time.Time
	take := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, v := range t.visits {
		take(v.capturedAt)
	}
	for _, d := range t.demands {
		take(d.capturedAt)
	}
	return first
}

// startOn is the day from which "ever visited" counts: the parameter in force on the day, else the date of the notice.
func startOn(parameters []parameter, day time.Time, zone *time.Location) (time.Time, error) {
	value, since, found := "2021-10-29", time.Time{}, false
	for _, p := range parameters {
		inForce := !p.from.After(day) && (p.until.IsZero() || day.Before(p.until))
		if p.code == "start_on" && inForce && (!found || p.from.After(since)) {
			value, since, found = p.value, p.from, true
		}
	}
	at, err := time.ParseInLocation("2006-01-02", value, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("parameter start_on is %q, not a date: %w", value, err)
	}
	return at, nil
}
