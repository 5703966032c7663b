package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
	"gangwan/pb_migrations/fresh"
)

// newServerApp is an app wired as main wires it, in a directory of its own.
func newServerApp(t testing.TB, dir string, clock *Clock) core.App {
	t.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: fieldsync.Connect})
	hooks.Bind(app, clock.Now)
	fieldsync.Bind(app, clock.Now)
	if err := app.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(e *core.TerminateEvent) error { return e.App.ResetBootstrapState() })
	})
	return app
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func small() Options { return Options{Enterprises: 300, Phones: 4, Days: 20, Seed: 1, Exit: true} }

func TestASmallDemoEndsWithEveryOutboxEmptyAndEveryRecordInTheDatabase(t *testing.T) {
	dir := fresh.Dir(t)
	clock := NewClock()
	app := newServerApp(t, dir, clock)
	o := small()
	o.HTTP = freeAddress(t)
	var out bytes.Buffer
	o.Out = &out
	ran := ""
	// Run itself compares: it fails when an outbox is not empty, a digest differs, or a record is missing or doubled.
	err := Run(context.Background(), app, clock, o, func(_ context.Context, date string, progress func(string)) (string, error) {
		ran = date
		progress("ok")
		return "reports/" + date, nil
	})
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	if ran != "2026-11-22" {
		t.Errorf("the pipeline ran for %q, not for the last day", ran)
	}
	for collection, least := range map[string]int64{"enterprises": 300, "visits": 140, "demands": 5, "demand_events": 5, "demand_matches": 1, "photos": 3} {
		n, err := app.CountRecords(collection)
		if err != nil || n < least {
			t.Errorf("%s: %d records, expected at least %d (%v)", collection, n, least, err)
		}
	}
	everyCollectionHasRows(t, app)
	info, err := os.Stat(filepath.Join(dir, accountsFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the accounts file must be the owner's alone: %v %v", info, err)
	}
	raw, _ := os.ReadFile(filepath.Join(dir, accountsFile))
	var accounts []Account
	if err := json.Unmarshal(raw, &accounts); err != nil {
		t.Fatal(err)
	}
	roles := map[string]int{}
	for _, a := range accounts {
		roles[a.Role]++
	}
	for _, r := range []string{"superuser", "grid_worker", "harbour_staff", "harbour_head", "bank", "official", "street_official"} {
		if roles[r] == 0 {
			t.Errorf("no account of role %s", r)
		}
	}
}

// empty are the collections that a demo leaves so, with the reason.
var empty = map[string]string{
	"sync_conflicts": "two people must change one field while one of them has no signal: not in every short season",
	"report_runs":    "the figures are made by whoever runs the demo",
}

func everyCollectionHasRows(t *testing.T, app core.App) {
	t.Helper()
	collections, err := app.FindAllCollections(core.CollectionTypeBase, core.CollectionTypeAuth)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		n, err := app.CountRecords(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, may := empty[c.Name]; n == 0 && !c.System && !may {
			t.Errorf("the demo shows nothing of %s", c.Name)
		}
	}
	// What reports are to have something to say about.
	for what, from := range map[string]string{
		"a list delivered late":                                   "referral_batches WHERE delivered_at > due",
		"a list sent back, mended and dispatched":                 "referral_batches WHERE return_reason != '' AND status = 'dispatched'",
		"an enterprise on a list that no bank answered for":       "referrals WHERE batch_status = 'dispatched' AND answer = 'none'",
		"a complaint that was upheld":                             "feedback WHERE kind = 'complaint' AND finding = 'upheld'",
		"what an upheld complaint demands":                        "rectifications WHERE feedback != ''",
		"a finding mended and passed":                             "rectifications WHERE inspection != '' AND recheck_result = 'passed'",
		"a finding left":                                          "rectifications WHERE done_on = ''",
		"a slot on duty with nobody":                              "duty_rosters WHERE checked_in_at = '' AND day < '2026-11-20'",
		"a policy that nobody acknowledged":                       "policy_pushes WHERE receipt = 'none'",
		"a key enterprise with somebody to serve it":              "enterprises WHERE key_listed_on != '' AND service_staff != ''",
		"an inspection that found all twelve":                     "inspections WHERE twelve_ones = 12",
		"an inspection that did not":                              "inspections WHERE status = 'done' AND twelve_ones < 12",
		"a published score that a street has co-signed":           "reviews WHERE kind = 'score' AND status = 'published' AND cosigned_at != ''",
		"a score too far from the other to be published":          "reviews WHERE kind = 'score' AND status = 'submitted'",
		"an appeal answered":                                      "reviews WHERE kind = 'appeal' AND appeal_result != 'pending'",
		"a lead handed over":                                      "risk_leads WHERE handed_at != ''",
		"an activity that a picture and a roster or minutes show": "activities WHERE evidence LIKE '%photo%' AND json_array_length(evidence) > 1",
		"an activity held that nothing shows":                     "unshown_activities",
		"a demand from a list":                                    "demands WHERE referral != ''",
		"a visit sent back when its grid had gone to somebody else, and done all the same": "sync_audit a JOIN sync_rejections r ON r.id = a.record JOIN visits v ON v.id = r.record WHERE a.action = 'replay' AND a.by = 'admin@demo.gangwan.test' AND r.status = 'settled'",
		"a line drawn on": "credit_lines WHERE used > 0",
	} {
		var n int
		if err := app.DB().NewQuery("SELECT count(*) FROM " + from).Row(&n); err != nil || n == 0 {
			t.Errorf("the demo does not show %s (%v)", what, err)
		}
	}
	var refused []struct {
		Collection, Errors string
		N                  int
	}
	if err := app.DB().NewQuery(`SELECT collection, errors, count(*) AS n FROM sync_rejections GROUP BY 1, 2`).All(&refused); err != nil {
		t.Fatal(err)
	}
	for _, r := range refused {
		t.Logf("%d × %s %s", r.N, r.Collection, r.Errors)
	}
}

func TestTheSameSeedTellsTheSameStory(t *testing.T) {
	number := regexp.MustCompile(`(FK|XQ|JC)\d{6}-\d{5}`)
	tell := func() map[string]string {
		clock := NewClock()
		app := newServerApp(t, fresh.Dir(t), clock)
		o := Options{Enterprises: 200, Phones: 5, Days: 24, Seed: 7, Exit: true, HTTP: freeAddress(t)}
		if err := Run(context.Background(), app, clock, o, nil); err != nil {
			t.Fatal(err)
		}
		story := map[string]string{}
		for name, form := range hooks.Forms { // what people wrote; ids and numbers that the server draws are another matter
			var columns []string
			for _, f := range form.Fields {
				if !f.Attachment {
					columns = append(columns, `"`+f.Name+`"`)
				}
			}
			var rows []string
			if err := app.DB().NewQuery("SELECT concat_ws('|', " + strings.Join(columns, ", ") + ") AS line FROM " + name + " ORDER BY line").Column(&rows); err != nil {
				t.Fatal(err)
			}
			story[name] = number.ReplaceAllString(strings.Join(rows, "\n"), "$1")
		}
		return story
	}
	first, again := tell(), tell()
	for name, rows := range first {
		a, b := strings.Split(rows, "\n"), strings.Split(again[name], "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Errorf("%s: %d and %d rows, the first that differs is %q", name, len(a), len(b), a[i])
				break
			}
		}
	}
}

func TestADirectoryWithADemoIsServedAgainAndNeverFilledTwice(t *testing.T) {
	dir := fresh.Dir(t)
	if err := writeAccounts(dir, []Account{{Role: "official", Email: "a@b.test", Password: "x", User: "u"}}); err != nil {
		t.Fatal(err)
	}
	clock := NewClock()
	app := newServerApp(t, dir, clock)
	o := small()
	o.HTTP = freeAddress(t)
	var out bytes.Buffer
	o.Out = &out
	// A superuser, so that PocketBase does not open its installer.
	if _, err := openDatabase(app); err != nil {
		t.Fatal(err)
	}
	if err := Run(context.Background(), app, clock, o, nil); err != nil {
		t.Fatal(err)
	}
	if n, _ := app.CountRecords("enterprises"); n != 0 || !strings.Contains(out.String(), "已有演示区") {
		t.Fatalf("%d enterprises were made; output: %s", n, out.String())
	}
}

func TestADirectoryWithSomebodysOwnDataIsRefusedInChinese(t *testing.T) {
	dir := fresh.Dir(t)
	clock := NewClock()
	app := newServerApp(t, dir, clock)
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		t.Fatal(err)
	}
	u := core.NewRecord(users)
	u.Set("name", "张三")
	u.Set("role", "grid_worker")
	u.Set("mobile", "13900000000")
	u.SetPassword("long enough")
	if err := app.Save(u); err != nil {
		t.Fatal(err)
	}
	o := small()
	o.HTTP = freeAddress(t)
	if err := Run(context.Background(), app, clock, o, nil); err == nil || !strings.Contains(err.Error(), "已有正式数据") {
		t.Fatalf("expected a refusal, got %v", err)
	}
}

func TestABusyPortIsToldInChinese(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	o := small()
	o.HTTP = l.Addr().String()
	if err := Run(context.Background(), nil, NewClock(), o, nil); err == nil || !strings.Contains(err.Error(), "请先停止它") {
		t.Fatalf("expected a clear message, got %v", err)
	}
}

func TestTheSameSeedMakesTheSameRegistryFile(t *testing.T) {
	make := func(o Options) string {
		d, err := newDistrict(o)
		if err != nil {
			t.Fatal(err)
		}
		return string(registryCSV(d.enterprises)) + string(d.areasCSV()) + fmt.Sprint(d.grids, d.banks, d.policies, d.products)
	}
	first, again := make(small()), make(small())
	if first != again {
		t.Fatal("two runs with one seed differ")
	}
	other := small()
	other.Seed = 2
	if make(small()) == make(other) {
		t.Fatal("another seed made the same district")
	}
}

func TestAskingForMoreDaysReshufflesNoNames(t *testing.T) {
	a, err := newDistrict(small())
	if err != nil {
		t.Fatal(err)
	}
	o := small()
	o.Enterprises = 500
	b, err := newDistrict(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.enterprises {
		if *a.enterprises[i] != *b.enterprises[i] {
			t.Fatalf("enterprise %d changed: %+v, %+v", i, a.enterprises[i], b.enterprises[i])
		}
	}
}

func TestEveryCreditCodeIsUniqueAndHasBothCheckDigitsRight(t *testing.T) {
	seen := map[string]bool{}
	for i := range 30_000 {
		code := uscc("123"[i%3], i)
		if len(code) != 18 || seen[code] {
			t.Fatalf("code %d: %q", i, code)
		}
		seen[code] = true
		sum, weight := 0, 1
		for _, c := range code[:17] {
			sum += strings.IndexRune(usccAlphabet, c) * weight
			weight = weight * 3 % 31
		}
		if want := usccAlphabet[(31-sum%31)%31]; code[17] != want {
			t.Fatalf("%s: check digit should be %c", code, want)
		}
	}
	// A published example of the standard's arithmetic.
	if got := withCheck("91350100M000100Y4"); got != "91350100M000100Y43" {
		t.Fatalf("got %s", got)
	}
}

func TestAtTheDefaultsTheDistrictIsAsLargeAsTheIssueAsks(t *testing.T) {
	d, err := newDistrict(Options{Enterprises: 20000, Phones: 60, Days: 120, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	visits, late, at := 0, 0, 0
	for i := range d.workers {
		quota, away := d.planDays(i)
		for day, n := range quota {
			visits += n
			at++
			if away[day] && day+1 < len(away) && away[day+1] {
				late += n
			}
		}
	}
	individual := 0
	for _, e := range d.enterprises {
		if e.kind == "individual_business" {
			individual++
		}
	}
	t.Logf("%d visits planned, %.1f %% late, %d harbours, %d grids, %d people, %.0f %% individual businesses", visits, 100*float64(late)/float64(visits),
		len(d.harbours), len(d.grids), len(d.people), float64(individual)/200)
	if visits < 20_200 || len(d.workers) != 60 || len(d.harbours) < 14 {
		t.Fatal("too small")
	}
	for _, w := range d.workers {
		if len(w.grids) < 2 || len(w.grids) > 6 {
			t.Errorf("%s walks %d grids", w.email, len(w.grids))
		}
	}
	for _, e := range d.enterprises {
		if e.at.lon < 107.9 || e.at.lon > 108.9 || e.at.lat < 30.3 || e.at.lat > 31.3 {
			t.Fatalf("%s stands outside 万州: %v", e.name, e.at)
		}
	}
}
