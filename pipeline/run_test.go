package pipeline

import (
	"context"
	"testing"
	"time"
)

func clockAt(s string) func() time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return t }
}

func TestAnEmptyDistrictRunsAndGivesNoRows(t *testing.T) {
	app := newApp(t)
	r, err := Run(context.Background(), app, Options{Now: clockAt("2026-11-23T02:00:00+08:00")})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != "published" || r.Date != "2026-11-22" || r.Provisional {
		t.Fatalf("%+v", r)
	}
}
