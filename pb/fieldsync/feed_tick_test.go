package fieldsync

import (
	"strings"
	"testing"

	"github.com/pocketbase/dbx"
)

// Every group of writes begins with it: what it costs must not grow with the years.
func TestTheClockIsNotedWithoutReadingTheFeed(t *testing.T) {
	d := newDistrict(t)
	var plan []struct {
		Detail string `db:"detail"`
	}
	if err := d.app.DB().NewQuery("EXPLAIN QUERY PLAN " + noteTick).Bind(dbx.Params{"at": "", "minute": ""}).All(&plan); err != nil {
		t.Fatal(err)
	}
	searched := false
	for _, step := range plan {
		if strings.HasPrefix(step.Detail, "SCAN sync_feed") {
			t.Errorf("the feed is read whole: %+v", plan)
		}
		searched = searched || strings.HasPrefix(step.Detail, "SEARCH sync_feed")
	}
	if !searched {
		t.Errorf("%+v", plan)
	}
}
