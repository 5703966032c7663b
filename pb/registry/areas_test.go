package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

const areaHeader = "code,name,parent_code,kind\n"

func loadAreas(t *testing.T, app core.App, content string, at time.Time) (Report, error) {
	t.Helper()
	return ImportAreas(app, strings.NewReader(content), Options{Now: func() time.Time { return at }})
}

func areasOf(t *testing.T, app core.App, code string) string {
	t.Helper()
	found, err := app.FindRecordsByFilter("areas", "code = {:c}", "from", 0, 0, dbx.Params{"c": code})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range found {
		parent, _ := app.FindRecordById("areas", a.GetString("parent"))
		code := ""
		if parent != nil {
			code = parent.GetString("code")
		}
		day := func(f string) string {
			if a.GetDateTime(f).IsZero() {
				return ""
			}
			return hooks.Day(a.GetDateTime(f).Time())
		}
		out = append(out, fmt.Sprintf("%s<%s %s..%s", a.GetString("name"), code, day("from"), day("until")))
	}
	return strings.Join(out, " | ")
}

func TestTheBuiltInTreeIsTheWholeDistrictAndLoadsOnce(t *testing.T) {
	app := newApp(t)
	first, err := ImportAreas(app, WanzhouAreas(), Options{Now: clock})
	if err != nil || first.New != 663 || first.Bad != 0 {
		t.Fatalf("%v %+v", err, first)
	}
	again, err := ImportAreas(app, WanzhouAreas(), Options{Now: clock})
	if err != nil || again.New != 0 || again.Changed != 0 || again.Unchanged != 663 || count(t, app, "areas") != 663 {
		t.Fatalf("%v %+v", err, again)
	}
	var orphans int
	if err := app.DB().NewQuery("SELECT count(*) FROM areas a LEFT JOIN areas p ON p.id = a.parent WHERE a.kind <> 'district' AND p.id IS NULL").Row(&orphans); err != nil || orphans != 0 {
		t.Errorf("%d areas without parent, %v", orphans, err)
	}
}

func TestARenamedStreetKeepsItsRecordAndItsPastBecomesARow(t *testing.T) {
	app := newDistrict(t)
	before := area(t, app, "万州区", "高笋塘街道")
	later := today.AddDate(0, 1, 0)
	report, err := loadAreas(t, app, areaHeader+"500101001,笋塘街道,500101,street\n", later)
	if err != nil || report.Changed != 1 || report.ChangedFields["name"] != 1 {
		t.Fatalf("%v %+v", err, report)
	}
	if got := areasOf(t, app, "500101001"); got != "高笋塘街道<500101 ..2026-12-23 | 笋塘街道<500101 2026-12-23.." {
		t.Error(got)
	}
	if area(t, app, "万州区", "笋塘街道").Id != before.Id {
		t.Error("communities, grids and harbours now point at a name of the past")
	}
	if again, err := loadAreas(t, app, areaHeader+"500101001,笋塘街道,500101,street\n", later.AddDate(0, 1, 0)); err != nil || again.Unchanged != 1 {
		t.Errorf("%v %+v", err, again)
	}
	// A second change keeps the first, and the whole original tree comes back with one change.
	back, err := ImportAreas(app, WanzhouAreas(), Options{Now: func() time.Time { return later.AddDate(0, 2, 0) }})
	if err != nil || back.Changed != 1 || back.Unchanged != 662 {
		t.Errorf("%v %+v", err, back)
	}
	if got := areasOf(t, app, "500101001"); strings.Count(got, "|") != 2 {
		t.Error(got)
	}
}

func TestACommunityMovedToAnotherStreetIsAChangeAndANewOneBeginsNow(t *testing.T) {
	app := newDistrict(t)
	a := area(t, app, street1, community1)
	report, err := loadAreas(t, app, areaHeader+a.GetString("code")+","+community1+",500101017,community\n500101017099,新社区居民委员会,500101017,社区\n", today)
	if err != nil || report.Changed != 1 || report.ChangedFields["parent"] != 1 || report.New != 1 {
		t.Fatalf("%v %+v", err, report)
	}
	if area(t, app, street2, community1).Id != a.Id {
		t.Error("the community's record changed")
	}
	if got := areasOf(t, app, "500101017099"); got != "新社区居民委员会<500101017 2026-11-23.." {
		t.Error(got)
	}
}

func TestParentsMayStandBelowTheirChildren(t *testing.T) {
	app := newApp(t)
	report, err := loadAreas(t, app, areaHeader+"500101001001,甲社区,500101001,community\n500101001,甲街道,500101,street\n500101,万州区,,district\n", today)
	if err != nil || report.New != 3 || areasOf(t, app, "500101001001") != "甲社区<500101001 .." {
		t.Fatalf("%v %+v %s", err, report, areasOf(t, app, "500101001001"))
	}
}

func TestABadAreaIsNamedAndSoIsWhatHangsFromIt(t *testing.T) {
	app := newApp(t)
	report, err := loadAreas(t, app, areaHeader+
		"500101,万州区,,district\n500101001,,500101,street\n500101001001,甲社区,500101001,community\n500101002,乙街道,500101,planet\n"+
		"50010100,丙街道,500101,street\n500101003,丁街道,,street\n500101,万州,,district\n500101004,戊街道,500101004,street\n500101005,"+strings.Repeat("长", 61)+",500101,street\nP1,经开区,500101,park\n", today)
	want := "3:missing_name 4:unknown_parent 5:unknown_kind 6:bad_code 7:missing_parent 8:duplicate_code 9:unknown_parent 10:too_long"
	if err != nil || report.New != 2 || codesOf(report) != want {
		t.Fatalf("%v, new %d\n got %s\nwant %s", err, report.New, codesOf(report), want)
	}
}

func TestAStreetCannotHangFromItsOwnCommunity(t *testing.T) {
	app := newDistrict(t)
	c := area(t, app, street1, community1).GetString("code")
	report, err := loadAreas(t, app, areaHeader+"500101001,高笋塘街道,"+c+",street\n500101,万州区,,district\n", today)
	if err != nil || codesOf(report) != "2:unknown_parent" {
		t.Fatalf("%v %s", err, codesOf(report))
	}
}

func TestADryRunOfAnAreaFileWritesNothing(t *testing.T) {
	app := newApp(t)
	report, err := ImportAreas(app, WanzhouAreas(), Options{Now: clock, DryRun: true})
	if err != nil || report.New != 663 || report.Bad != 0 || count(t, app, "areas") != 0 {
		t.Fatalf("%v %+v, %d written", err, report, count(t, app, "areas"))
	}
}

func TestAnEnterpriseFileIsNoAreaFile(t *testing.T) {
	app := newApp(t)
	_, err := loadAreas(t, app, csvOf(noodles), today)
	refusedAs(t, err, CodeMissingColumn)
}
