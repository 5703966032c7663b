package reports

import (
	"context"
	"os"
	"testing"
	"time"
)

// With GANGWAN_LOOK=DIR the pages of a whole district are left there to be looked at.
func TestAWholeDistrictIsRenderedWithinTwoSeconds(t *testing.T) {
	marts := wholeDistrict(t)
	dir := os.Getenv("GANGWAN_LOOK")
	if dir == "" {
		dir = t.TempDir()
	}
	start := time.Now()
	files, err := Render(context.Background(), marts, dir)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if len(files) != 53*2+2 {
		t.Fatalf("%d files", len(files))
	}
	t.Logf("%d files in %v", len(files), took)
	if took > 10*time.Second { // a busy machine is no failure; five times the aim is
		t.Errorf("rendering took %v", took)
	}
}
