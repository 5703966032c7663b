package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// phones are held against the phone app's reading too (pb/fieldapp/src/forms/facts.test.ts): a number that it lets pass must not
// come back from the server refused.
func phones(t *testing.T) (vectors struct{ Read, Refused map[string]string }) {
	t.Helper()
	raw, err := os.ReadFile("testdata/phones.json")
	if err == nil {
		err = json.Unmarshal(raw, &vectors)
	}
	if err != nil || len(vectors.Read) < 20 || len(vectors.Refused) < 10 {
		t.Fatal(err, vectors)
	}
	return vectors
}

func TestATelephoneNumberIsStoredInOneFormHoweverItWasTyped(t *testing.T) {
	for typed, want := range phones(t).Read {
		got, err := Phone(typed)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", typed, got, err, want)
		}
		if again, err := Phone(got); err != nil || again != got {
			t.Errorf("%q is read back as %q, %v", got, again, err)
		}
	}
}

func TestWhatIsNoTelephoneNumberIsRefusedWithTheReasonAndLeftAsTyped(t *testing.T) {
	for typed, code := range phones(t).Refused {
		got, err := Phone(typed)
		var e *Error
		if !errors.As(err, &e) || e.Code != code || got != typed {
			t.Errorf("%q: %q, %v; want %s", typed, got, err, code)
		}
	}
}

func TestTheClassificationHasTwentySectionsAndNinetySevenDivisions(t *testing.T) {
	if len(industrySections) != 20 || len(sectionOf) != 97 || len(industryNames) != 117 {
		t.Errorf("%d sections, %d divisions", len(industrySections), len(sectionOf))
	}
	// The last division of each section, as the standard's table has them.
	for code, want := range map[string]string{"05": "A", "12": "B", "43": "C", "46": "D", "50": "E", "52": "F", "60": "G", "62": "H", "65": "I", "69": "J",
		"70": "K", "72": "L", "75": "M", "79": "N", "82": "O", "83": "P", "85": "Q", "90": "R", "96": "S", "97": "T"} {
		if got := IndustrySection(code); got != want {
			t.Errorf("division %s lies in %q, want %s", code, got, want)
		}
	}
	for code, want := range map[string]string{"6210": "餐饮业", "52": "零售业", "013": "农业", "C": "制造业", "3990": "计算机、通信和其他电子设备制造业", "9700": "国际组织",
		"": "", "U": "", "5": "", "00": "", "98": "", "9999": "", "52121": "", "5a": "", "五二": ""} {
		if got := IndustryName(code); got != want {
			t.Errorf("%q: %q, want %q", code, got, want)
		}
	}
}

// There and back over places all over the country, and two points that are published in both readings.
func TestPlacesReadOffChineseMapsAreShiftedBack(t *testing.T) {
	for _, at := range [][2]float64{{116.3975, 39.9087}, {108.3776, 30.8137}, {121.4737, 31.2304}, {87.6168, 43.8256}} {
		dx, dy := gcjShift(at[0], at[1])
		lon, lat, ok := ToWGS84(at[0]+dx, at[1]+dy, GCJ02)
		if !ok || math.Abs(lon-at[0]) > 1e-6 || math.Abs(lat-at[1]) > 1e-6 {
			t.Errorf("%v came back as %v, %v", at, lon, lat)
		}
		if metres := math.Hypot(dx*math.Cos(at[1]*math.Pi/180), dy) * 111_000; metres < 100 || metres > 900 {
			t.Errorf("%v is shifted by %.0f m, which no map does", at, metres)
		}
	}
	// Widely published as one point: WGS-84 116.404, 39.915 is GCJ-02 116.41024449916938, 39.91640428150164.
	lon, lat, _ := ToWGS84(116.41024449916938, 39.91640428150164, GCJ02)
	if math.Abs(lon-116.404) > 2e-6 || math.Abs(lat-39.915) > 2e-6 {
		t.Errorf("GCJ-02: %v, %v", lon, lat)
	}
	// BD-09 116.404, 39.915 is GCJ-02 116.39762729119315, 39.90865673957631.
	viaBD, latBD, _ := ToWGS84(116.404, 39.915, BD09)
	lon, lat, _ = ToWGS84(116.39762729119315, 39.90865673957631, GCJ02)
	if math.Abs(lon-viaBD) > 2e-6 || math.Abs(lat-latBD) > 2e-6 {
		t.Errorf("BD-09: %v, %v, want %v, %v", viaBD, latBD, lon, lat)
	}
	if lon, lat, ok := ToWGS84(108, 30, "CGCS"); ok || lon != 108 || lat != 30 {
		t.Error("a system nobody knows was converted")
	}
}

func factsApp(t *testing.T) core.App {
	app := migratedApp(t)
	Bind(app, func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, Shanghai) })
	return app
}

func saved(t *testing.T, app core.App, collection string, data map[string]any) (*core.Record, error) {
	t.Helper()
	c, err := app.FindCollectionByNameOrId(collection)
	if err != nil {
		t.Fatal(err)
	}
	r := core.NewRecord(c)
	r.Load(data)
	return r, app.SaveWithContext(context.Background(), r)
}

func TestAnEnterprisesFactsAreStoredInTheirOneForm(t *testing.T) {
	app := factsApp(t)
	r, err := saved(t, app, "enterprises", map[string]any{"name": "老麻抄手", "kind": "individual_business", "phone": "138 0000 0001", "industry": "h62 10",
		"uscc": " 92500101ma0000349r", "location": map[string]any{"lon": 108.4, "lat": 30.8}, "employees": 3, "revenue": 500_000})
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"phone": "13800000001", "industry": "6210", "uscc": "92500101MA0000349R", "uscc_unverified": "false", "size": "micro"} {
		if got := r.GetString(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	r.Set("phone", "（023）58 12 34 56")
	r.Set("uscc", "92500101MA00003491")
	if err := app.Save(r); err != nil {
		t.Fatal(err)
	}
	if r.GetString("phone") != "023-58123456" || !r.GetBool("uscc_unverified") {
		t.Errorf("after the change: %s, flagged %v", r.GetString("phone"), r.GetBool("uscc_unverified"))
	}
}

func TestAWrongFactIsRefusedWithItsReason(t *testing.T) {
	app := factsApp(t)
	for _, c := range []struct {
		field string
		value any
		code  string
	}{
		{"phone", "老板13800000001", "phone_letters"}, {"phone", "1380000", "bad_phone"}, {"industry", "9910", "bad_industry"}, {"industry", "餐饮", "bad_industry"},
		{"location", map[string]any{"lon": 30.8, "lat": 108.4}, "coordinates_swapped"}, {"location", map[string]any{"lon": -73.9, "lat": 40.7}, "coordinates_outside"},
		{"uscc", "92500101MA000034", "bad_uscc"},
	} {
		_, err := saved(t, app, "enterprises", map[string]any{"name": "甲", "kind": "company", c.field: c.value})
		fields, _ := FieldErrorsOf(err)
		if fields[c.field].Code != c.code {
			t.Errorf("%s %v: %v, want %s", c.field, c.value, err, c.code)
		}
	}
}

func TestARecordStoredBeforeARuleStaysEditable(t *testing.T) {
	app := factsApp(t)
	r, err := saved(t, app, "enterprises", map[string]any{"name": "甲", "kind": "company"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.DB().NewQuery(`UPDATE enterprises SET phone = '问老张', industry = '餐饮', location = '{"lon":1,"lat":2}'`).Execute(); err != nil {
		t.Fatal(err)
	}
	if r, err = app.FindRecordById("enterprises", r.Id); err != nil {
		t.Fatal(err)
	}
	r.Set("address", "王家坡 1 号")
	if err := app.Save(r); err != nil {
		t.Errorf("its address cannot be changed: %v", err)
	}
	if r.GetString("phone") != "问老张" {
		t.Error("what cannot be read was lost")
	}
}

func TestTheSizeFollowsTheRuleUnlessSomebodyHasJudged(t *testing.T) {
	app := factsApp(t)
	r, err := saved(t, app, "enterprises", map[string]any{"name": "甲", "kind": "company", "industry": "6210", "size": "unknown"})
	if err != nil || r.GetString("size") != "unknown" {
		t.Fatalf("without measures: %s, %v", r.GetString("size"), err)
	}
	step := func(what, want string, changes map[string]any) {
		t.Helper()
		if r, err = app.FindRecordById("enterprises", r.Id); err != nil {
			t.Fatal(err)
		}
		r.Load(changes)
		if err := app.Save(r); err != nil {
			t.Fatal(err)
		}
		if got := r.GetString("size"); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	step("its measures become known", "micro", map[string]any{"employees": 8, "revenue": 2_000_000})
	step("it grows", "small", map[string]any{"employees": 12})
	step("a clerk judges otherwise", "medium", map[string]any{"size": "medium"})
	step("it shrinks, but the clerk has spoken", "medium", map[string]any{"employees": 2})
}

func TestCodesStoredBeforeTheFlagAreFlaggedByTheMigration(t *testing.T) {
	app := factsApp(t)
	for name, code := range map[string]string{"好": "92500101MA0000349R", "坏": "92500101MA00003491", "无": ""} {
		if _, err := saved(t, app, "enterprises", map[string]any{"name": name, "kind": "company", "uscc": code}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range core.AppMigrations.Items() {
		if m.File != "20261126_03_facts.go" {
			continue
		}
		if err := app.RunInTransaction(func(tx core.App) error { return errors.Join(m.Down(tx), m.Up(tx)) }); err != nil {
			t.Fatal(err)
		}
	}
	flagged, err := app.FindRecordsByFilter("enterprises", "uscc_unverified = true", "", 0, 0)
	if err != nil || len(flagged) != 1 || flagged[0].GetString("name") != "坏" {
		t.Errorf("flagged: %v, %v", flagged, err)
	}
}
