package reports

import (
	"context"
	"os"
	"testing"
)

// With GANGWAN_LOOK=DIR the pages of a whole district are left there to be looked at.
func TestEveryStreetOfAWholeDistrictGetsItsTwoReports(t *testing.T) {
	dir := os.Getenv("GANGWAN_LOOK")
	if dir == "" {
		dir = t.TempDir()
	}
	files, err := Render(context.Background(), wholeDistrict(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 53*4+2 {
		t.Fatalf("%d files", len(files))
	}
}

// The aim is 2 s for the 106 pages.
func BenchmarkRenderAWholeDistrict(b *testing.B) {
	marts := wholeDistrict(b)
	for b.Loop() {
		if _, err := Render(context.Background(), marts, b.TempDir()); err != nil {
			b.Fatal(err)
		}
	}
}
