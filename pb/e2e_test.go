package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/demo"
	"gangwan/pb/fieldsync"
	"gangwan/pb/registry"
	"gangwan/pb_migrations/fresh"
	"gangwan/pipeline"
	"gangwan/pipeline/oracle"
)

// office is the whole product, wired as main wires it, with a clock that the story moves.
type office struct {
	*testing.T
	app  core.App
	url  string
	time time.Time
	grid map[string]string // by name
	seed byte
}

func openOffice(t *testing.T) *office {
	t.Helper()
	return serveOffice(t, core.NewBaseApp(core.BaseAppConfig{DataDir: fresh.Dir(t), DBConnect: fieldsync.Connect}))
}

func serveOffice(t *testing.T, app core.App) *office {
	t.Helper()
	o := &office{T: t, time: time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC), grid: map[string]string{}}
	o.ok(app.Bootstrap())
	o.app = app
	bind(app, func() time.Time { return o.time })
	router, err := apis.NewRouter(app)
	o.ok(err)
	var mux http.Handler
	o.ok(app.OnServe().Trigger(&core.ServeEvent{App: app, Router: router}, func(e *core.ServeEvent) error {
		mux, err = e.Router.BuildMux()
		return err
	}))
	server := httptest.NewServer(mux)
	o.url = server.URL
	t.Cleanup(func() {
		server.Close()
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return app.ResetBootstrapState() })
	})
	return o
}

func (o *office) ok(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

func (o *office) save(collection string, values map[string]any) *core.Record {
	o.Helper()
	c, err := o.app.FindCollectionByNameOrId(collection)
	o.ok(err)
	r := core.NewRecord(c)
	for k, v := range values {
		r.Set(k, v)
	}
	o.ok(o.app.Save(r))
	return r
}

func (o *office) find(collection, field, value string) *core.Record {
	o.Helper()
	r, err := o.app.FindFirstRecordByData(collection, field, value)
	o.ok(err)
	return r
}

const password = "harbour-2026"

func (o *office) user(email string, values map[string]any) *core.Record {
	values["email"], values["password"], values["name"] = email, password, email
	return o.save("users", values)
}

func (o *office) phone(email string) *demo.Phone {
	o.Helper()
	o.seed++
	random := rand.NewChaCha8([32]byte{o.seed}) // a failure can be replayed
	clock := func() time.Time { return o.time }
	p := demo.NewPhone(o.url, http.DefaultClient, clock, random, fieldsync.DeviceInfo{ID: hooks.NewID(o.time, random), Name: email})
	o.ok(p.SignIn(context.Background(), email, password))
	return p
}

func (o *office) sync(p *demo.Phone) {
	o.Helper()
	o.ok(p.Sync(context.Background()))
	if n := len(p.Outbox()); n != 0 {
		o.Fatalf("%d mutations are still in the outbox", n)
	}
	if bad := p.NeedsAttention(); len(bad) > 0 {
		o.Fatalf("refused: %+v", bad)
	}
}

// visit captures one valid visit: met at the shop, near it, long enough, signed.
func (o *office) visit(p *demo.Phone, worker *core.Record, enterprise string) string {
	o.Helper()
	e, ok := p.Record("enterprises", enterprise)
	if !ok {
		o.Fatalf("the phone does not hold %s", enterprise)
	}
	id := p.Create("visits", map[string]any{"enterprise": enterprise, "grid": e["grid"], "worker": worker.Id, "place": "shop", "outcome": "met",
		"started_at": hooks.Stored(o.time.Add(-10 * time.Minute)), "ended_at": hooks.Stored(o.time), "location": fieldsync.LonLat{Lon: 108.38, Lat: 30.81}, "accuracy": 12})
	p.AddFile("visits", id, "signature", picture(byte(len(id))+o.seed))
	return id
}

func picture(shade byte) []byte {
	img := image.NewGray(image.Rect(0, 0, 3, 3))
	img.SetGray(1, 1, color.Gray{Y: shade})
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func (o *office) run(date string) pipeline.Result {
	o.Helper()
	result, err := runPipeline(context.Background(), o.app, pipeline.Options{Date: date, Now: func() time.Time { return o.time }})
	o.ok(err)
	if result.Status != "published" {
		o.Fatalf("%s: %s %+v", result.Status, result.Message, result.Findings)
	}
	return result
}

// reader signs in to the portal as a person would and opens pages.
func (o *office) reader(email string) func(path string) (int, string) {
	o.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	open := func(path string) (int, string) {
		resp, err := client.Get(o.url + path)
		o.ok(err)
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	_, page := open("/reports/login")
	form := regexp.MustCompile(`name="form" value="([^"]+)"`).FindStringSubmatch(page)
	if form == nil {
		o.Fatal("no sign-in form")
	}
	resp, err := client.PostForm(o.url+"/reports/login", url.Values{"form": {form[1]}, "identity": {email}, "password": {password}})
	o.ok(err)
	resp.Body.Close()
	return open
}

// figure reads one figure off a report page by what its cell says of itself.
func figure(page, indicator, period, org string) string {
	for _, tag := range regexp.MustCompile(`<[a-z]+ [^>]*data-indicator="`+regexp.QuoteMeta(indicator)+`"[^>]*>`).FindAllString(page, -1) {
		if strings.Contains(tag, `data-period="`+period+`"`) && strings.Contains(tag, `data-org="`+org+`"`) {
			num := regexp.MustCompile(`data-num="([^"]*)"`).FindStringSubmatch(tag)
			den := regexp.MustCompile(`data-den="([^"]*)"`).FindStringSubmatch(tag)
			return num[1] + "/" + den[1]
		}
	}
	return "none"
}

const registryCSV = "统一社会信用代码,名称,主体类型,行业代码,住所,法定代表人,联系电话,成立日期,登记状态,所属镇街,所属社区\n" +
	"%s,重庆小面馆,个体工商户,6210,王家坡1号,张三,13900000001,2020-01-02,存续,高笋塘街道,王家坡社区\n" +
	"%s,三峡五金店,个体工商户,5261,王家坡2号,李四,13900000002,2020-01-02,存续,高笋塘街道,王家坡社区\n" +
	"%s,平湖服装店,个体工商户,5232,王家坡3号,王五,13900000003,2020-01-02,存续,高笋塘街道,王家坡社区\n" +
	"%s,关门店,个体工商户,5232,王家坡4号,赵六,13900000004,2020-01-02,注销,高笋塘街道,王家坡社区\n"

func TestWhatAWorkerCapturedOfflineIsTheFigureAnOfficialReads(t *testing.T) {
	o := openOffice(t)
	clock := func() time.Time { return o.time }
	_, err := registry.ImportAreas(o.app, registry.WanzhouAreas(), registry.Options{Now: clock})
	o.ok(err)
	district, street := o.find("areas", "code", "500101"), o.find("areas", "code", "500101001")
	community := o.find("areas", "name", "王家坡社区居民委员会")
	host := o.save("banks", map[string]any{"name": "三峡惠民银行", "short_name": "惠民", "kind": "bank"})
	harbour := o.save("harbours", map[string]any{"number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": host.Id, "area": street.Id, "status": "operating"})
	grid := o.save("grids", map[string]any{"name": "王家坡第一网格", "area": community.Id, "harbour": harbour.Id})
	var codes []any
	for i := range 4 {
		codes = append(codes, hooks.MakeUSCC(fmt.Sprintf("92500101MA60000%02d", i)))
	}
	report, err := registry.ImportEnterprises(o.app, strings.NewReader(fmt.Sprintf(registryCSV, codes...)), registry.Options{Now: clock})
	o.ok(err)
	if report.New != 4 || report.Bad != 0 {
		t.Fatalf("import: %+v", report)
	}
	worker := o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	o.save("assignments", map[string]any{"user": worker.Id, "grid": grid.Id, "from": hooks.Stored(o.time.Add(-time.Hour))})
	o.user("counter@example.com", map[string]any{"role": "harbour_staff", "harbour": harbour.Id})
	o.user("desk@example.com", map[string]any{"role": "bank", "bank": host.Id})
	o.user("official@example.com", map[string]any{"role": "official"})
	o.user("street@example.com", map[string]any{"role": "street_official", "street": street.Id})
	shop := o.find("enterprises", "name", "重庆小面馆").Id
	second := o.find("enterprises", "name", "三峡五金店").Id

	// Morning: the phone downloads its grid. At noon, without signal: one visit, and the demand it brought.
	p := o.phone("worker@example.com")
	o.sync(p)
	o.time = o.time.Add(3 * time.Hour)
	visit := o.visit(p, worker, shop)
	demand := p.Create("demands", map[string]any{"enterprise": shop, "visit": visit, "grid": grid.Id, "channel": "visit", "kind": "first_loan", "need": "working_capital", "amount": 300000})
	if len(p.Outbox()) == 0 {
		t.Fatal("offline work is not in the outbox")
	}
	o.time = o.time.Add(6 * time.Hour)
	o.sync(p)

	// The counter accepts and offers the demand to its bank; the bank reaches the owner.
	counter, desk := o.phone("counter@example.com"), o.phone("desk@example.com")
	o.sync(counter)
	at := func() string { return hooks.Stored(o.time) }
	counter.Create("demand_events", map[string]any{"demand": demand, "kind": "stage", "to_stage": "accepted", "at": at()})
	match := counter.Create("demand_matches", map[string]any{"demand": demand, "bank": host.Id, "matched_at": at()})
	o.sync(counter)
	o.sync(desk)
	if _, ok := desk.Record("demands", demand); !ok {
		t.Fatal("the bank does not hold the demand offered to it")
	}
	desk.Create("demand_events", map[string]any{"demand": demand, "match": match, "kind": "contact", "contact_way": "phone", "reached": true, "at": at()})
	o.sync(desk)

	// Night: the run for the day; morning: the official reads.
	o.time = time.Date(2026, 11, 20, 17, 30, 0, 0, time.UTC)
	first := o.run("")
	official := o.reader("official@example.com")
	_, coverage := official("/reports/2026-11-20/coverage-500101.html")
	_, conversion := official("/reports/2026-11-20/conversion-500101.html")
	for _, c := range []struct{ page, indicator, period, org, want string }{
		{coverage, "COV-01", "YTD", district.Id, "1/3"},
		{coverage, "COV-01", "YTD", street.Id, "1/3"},
		{coverage, "COV-02", "CUM", district.Id, "1/3"},
		{coverage, "COV-04", "M", district.Id, "1/1"},
		{conversion, "CRD-01", "M", district.Id, "1/"},
		{conversion, "CRD-01.amount", "M", district.Id, "300000/"},
		{conversion, "CNV-01", "M", district.Id, "1/1"},
		{conversion, "CNV-01", "M", host.Id, "1/1"},
	} {
		if got := figure(c.page, c.indicator, c.period, c.org); got != c.want {
			t.Errorf("%s %s: the page says %s, captured was %s", c.indicator, c.period, got, c.want)
		}
	}
	if !strings.Contains(coverage, "走访覆盖率") || !strings.Contains(coverage, first.RunID) {
		t.Error("the page does not name its indicator or its run")
	}

	// The next day brings a second shop, and a visit of the first day that comes late; the second run follows.
	o.time = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	o.visit(p, worker, second)
	o.sync(p)
	o.time = time.Date(2026, 11, 21, 17, 30, 0, 0, time.UTC)
	result := o.run("")
	_, coverage = official("/reports/2026-11-21/coverage-500101.html")
	if got := figure(coverage, "COV-01", "YTD", district.Id); got != "2/3" {
		t.Errorf("after the second run the page says %s, captured was 2/3", got)
	}
	_, old := official("/reports/2026-11-20/coverage-500101.html")
	if got := figure(old, "COV-01", "YTD", district.Id); got != "1/3" {
		t.Errorf("yesterday's report changed: %s", got)
	}
	o.sameAsOracle(result.MartsPath, "2026-11-21")

	// A street reads its own street and nobody else's.
	byStreet := o.reader("street@example.com")
	if status, _ := byStreet("/reports/2026-11-21/coverage-500101001.html"); status != http.StatusOK {
		t.Errorf("own street: %d", status)
	}
	if status, page := byStreet("/reports/2026-11-21/coverage-500101017.html"); status == http.StatusOK || strings.Contains(page, "data-indicator") {
		t.Errorf("another street's report is open to a street official: %d", status)
	}
}

func (o *office) oracleRows(date string) []oracle.Row {
	o.Helper()
	want, err := oracle.Compute(o.app.DataDir()+"/data.db", date, o.time)
	o.ok(err)
	return want
}

func (o *office) sameAsOracle(marts, date string) {
	o.Helper()
	got, err := oracle.ReadMart(marts)
	o.ok(err)
	if diff := oracle.Diff(o.oracleRows(date), got); len(diff) > 0 {
		o.Errorf("%d rows differ from the oracle, the first: %s", len(diff), strings.Join(diff[:min(5, len(diff))], "\n"))
	}
}

func TestTheOracleAgreesWithTheDemoAndTurnsRedOnBrokenModels(t *testing.T) {
	clock := demo.NewClock()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: fresh.Dir(t), DBConnect: fieldsync.Connect})
	o := &office{T: t, app: app}
	o.ok(app.Bootstrap())
	bind(app, clock.Now)
	t.Cleanup(func() {
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return app.ResetBootstrapState() })
	})
	var published pipeline.Result
	var date string
	err := demo.Run(context.Background(), app, clock, demo.Options{HTTP: freeAddress(t), Enterprises: 1500, Phones: 6, Days: 75, Seed: 1, Exit: true, Out: io.Discard},
		func(ctx context.Context, day string, progress func(string)) (string, error) {
			var err error
			date = day
			published, err = runPipeline(ctx, app, pipeline.Options{Date: day, Now: clock.Now})
			return published.Message, err
		})
	o.ok(err)
	o.time = clock.Now()
	want := o.oracleRows(date)
	got, err := oracle.ReadMart(published.MartsPath)
	o.ok(err)
	if diff := oracle.Diff(want, got); len(diff) > 0 {
		t.Fatalf("%d of %d rows differ on the demo, the first: %s", len(diff), len(want), strings.Join(diff[:min(5, len(diff))], "\n"))
	}
	for _, broken := range brokenModels {
		t.Run(broken.name, func(t *testing.T) {
			models := overlay(t, broken.file, broken.from, broken.to)
			result, err := pipeline.Run(context.Background(), app, pipeline.Options{Date: date, Now: clock.Now, Models: models})
			if err != nil {
				t.Fatal(err)
			}
			got, err := oracle.ReadMart(result.MartsPath)
			if err != nil {
				t.Fatal(err)
			}
			if len(oracle.Diff(want, got)) == 0 {
				t.Error("the oracle does not see that the model is broken")
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var brokenModels = []struct{ name, file, from, to string }{
	{"no repeat-visit rule", "models/marts/fct_visit.sql", "left join repeats r on r.visit_id = j.visit_id", "left join repeats r on false"},
	{"the enterprise's grid of today instead of the grid at the time", "models/marts/int_universe.sql", "coalesce(p.grid_id, e.grid_id)", "e.grid_id"},
	{"the visit at the enterprise's grid of today instead of the grid at capture", "models/marts/fct_visit.sql",
		"left join int_grid g on g.grid_id = j.grid_id", "left join stg_enterprises today on today.enterprise_id = j.enterprise_id left join int_grid g on g.grid_id = today.grid_id"},
	{"closed enterprises counted", "models/marts/int_universe.sql", `where s.status in ('', 'active')
        and (s.registry_status in ('存续', '在业', '开业') or (s.origin = 'field' and s.registry_status = ''))`, "where true"},
}

// overlay is the embedded models with one file changed; the change must apply, or the test proves nothing.
func overlay(t *testing.T, file, from, to string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, dir := range []string{"models/staging", "models/marts", "models/indicators", "checks"} {
		entries, err := os.ReadDir("../pipeline/" + dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			raw, err := os.ReadFile("../pipeline/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if name == file {
				changed := strings.Replace(string(raw), from, to, 1)
				if changed == string(raw) {
					t.Fatalf("%s does not contain %q any more", file, from)
				}
				raw = []byte(changed)
			}
			out[name] = &fstest.MapFile{Data: raw}
		}
	}
	return out
}
