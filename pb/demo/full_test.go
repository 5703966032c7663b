package demo

import (
	"context"
	"os"
	"testing"
	"time"
)

// The whole thing takes minutes of a small machine, so it runs when asked: GANGWAN_DEMO_FULL=1 go test -run TheDefaults ./pb/demo
func TestTheDefaultsGiveTwentyThousandVisitsInUnderTwoMinutes(t *testing.T) {
	if os.Getenv("GANGWAN_DEMO_FULL") == "" {
		t.Skip("set GANGWAN_DEMO_FULL=1")
	}
	dir := t.TempDir()
	if d := os.Getenv("GANGWAN_DEMO_DIR"); d != "" {
		dir = d
	}
	clock := NewClock()
	app := newServerApp(t, dir, clock)
	began := time.Now()
	o := Options{HTTP: freeAddress(t), Enterprises: 20000, Phones: 60, Days: 90, Seed: 1, Exit: true, Out: os.Stderr}
	if err := Run(context.Background(), app, clock, o, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("took %s", took)
	}
	for collection, least := range map[string]int64{"visits": 20_000, "demands": 2_000, "demand_matches": 1_000, "demand_events": 4_000} {
		if n, err := app.CountRecords(collection); err != nil || n < least {
			t.Errorf("%s: %d, expected at least %d (%v)", collection, n, least, err)
		}
	}
}
