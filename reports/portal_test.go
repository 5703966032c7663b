package reports

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

const secret = "correct-horse"

// office is a running portal over a real PocketBase, with one account of each kind that matters.
type office struct {
	*testing.T
	app core.App
	srv *httptest.Server
	now time.Time
}

func openOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, now: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}
	o.app = fresh.App(t)
	BindPortal(o.app, func() time.Time { return o.now })
	router, err := apis.NewRouter(o.app)
	must(t, err)
	must(t, o.app.OnServe().Trigger(&core.ServeEvent{App: o.app, Router: router}, func(e *core.ServeEvent) error { return e.Next() }))
	mux, err := router.BuildMux()
	must(t, err)
	o.srv = httptest.NewServer(mux)
	t.Cleanup(o.srv.Close)

	street := o.record("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"})
	o.record("areas", map[string]any{"code": "500101017", "name": "太白街道", "kind": "street"})
	o.user("official", map[string]any{"email": "jrb@example.com", "mobile": "13900000001", "staff_no": "JR-001", "name": "金融办", "may_export": true})
	o.user("street_official", map[string]any{"mobile": "13900000002", "name": "街道账号", "street": street.Id, "may_export": true})
	o.user("street_official", map[string]any{"mobile": "13900000005", "name": "没有街道"})
	o.user("bank", map[string]any{"mobile": "13900000003", "name": "银行柜台"})
	o.user("official", map[string]any{"mobile": "13900000004", "name": "新来的", "must_change_password": true})
	super := core.NewRecord(o.collection(core.CollectionNameSuperusers))
	super.SetEmail("root@example.com")
	super.SetPassword(secret)
	must(t, o.app.Save(super))
	return o
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *office) collection(name string) *core.Collection {
	c, err := o.app.FindCollectionByNameOrId(name)
	must(o, err)
	return c
}

func (o *office) record(collection string, values map[string]any) *core.Record {
	o.Helper()
	r := core.NewRecord(o.collection(collection))
	r.Load(values)
	must(o, o.app.Save(r))
	return r
}

func (o *office) user(role string, values map[string]any) *core.Record {
	o.Helper()
	r := core.NewRecord(o.collection("users"))
	r.Load(values)
	r.Set("role", role)
	r.SetPassword(secret)
	must(o, o.app.Save(r))
	return r
}

// publish puts a day's files where the pipeline puts them and moves the pointer, which remembers only this run.
func (o *office) publish(date string) {
	o.Helper()
	root := filepath.Join(o.app.DataDir(), "warehouse")
	run := publishedRun{RunID: date + "-0123456789ab", Date: date, Reports: "reports/" + date + "/" + date + "-0123456789ab"}
	_, err := Render(context.Background(), smallMarts(o), filepath.Join(root, run.Reports))
	must(o, err)
	b, _ := json.Marshal(pointer{publishedRun: run, Runs: []publishedRun{run}})
	must(o, os.WriteFile(filepath.Join(root, "current"), b, 0o644))
}

// browser keeps cookies and does not follow redirects unless told.
type browser struct {
	*office
	*http.Client
}

func (o *office) browser() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{o, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (b *browser) do(method, path string, form url.Values, headers ...string) answer {
	b.office.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, b.srv.URL+path, body)
	must(b.office, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.Client.Do(req)
	must(b.office, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	must(b.office, err)
	return answer{res.StatusCode, res.Header.Get("Location"), res.Header, string(text)}
}

func (b *browser) open(path string) answer { return b.do(http.MethodGet, path, nil) }

var hidden = regexp.MustCompile(`name="form" value="([^"]+)"`)

// token reads the hidden field of a page's form.
func (b *browser) token(path string) string {
	b.office.Helper()
	m := hidden.FindStringSubmatch(b.open(path).body)
	if m == nil {
		b.office.Fatalf("no form on %s", path)
	}
	return m[1]
}

func (b *browser) signIn(identity, password string) answer {
	b.office.Helper()
	return b.do(http.MethodPost, "/reports/login", url.Values{"form": {b.token("/reports/login")}, "identity": {identity}, "password": {password}})
}

func (o *office) signedIn(identity string) *browser {
	o.Helper()
	b := o.browser()
	if a := b.signIn(identity, secret); a.status != http.StatusSeeOther || a.location != "/reports" {
		o.Fatalf("sign-in of %s: %d %s", identity, a.status, a.location)
	}
	return b
}

func (o *office) expect(what string, a answer, status int, words ...string) {
	o.Helper()
	if a.status != status {
		o.Errorf("%s: status %d, not %d (%s)", what, a.status, status, a.location)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			o.Errorf("%s: %q is missing in %.400s", what, w, a.body[max(0, strings.Index(a.body, "<main")):])
		}
	}
}

func (o *office) reads() []*core.Record {
	o.Helper()
	rs, err := o.app.FindRecordsByFilter("read_log", "action = 'read' || action = 'export'", "@rowid", 0, 0)
	must(o, err)
	return rs
}

func TestWithoutASessionEveryPageLeadsToTheSignIn(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.browser()
	for _, path := range []string{"/reports", "/reports/", "/reports/2026-11-22/", "/reports/2026-11-22/coverage-500101.html", "/reports/runs", "/reports/password"} {
		a := b.open(path)
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/reports/login") {
			t.Errorf("%s: %d %s", path, a.status, a.location)
		}
	}
	a := b.open("/reports/login")
	o.expect("sign-in page", a, 200, "手机号、工号或邮箱")
	for h, want := range map[string]string{"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if a.header.Get(h) != want {
			t.Errorf("%s: %q", h, a.header.Get(h))
		}
	}
	forged := o.browser()
	o.expect("a made-up session", forged.do(http.MethodGet, "/reports/2026-11-22/", nil, "Cookie", sessionCookie+"=abc.def.ghi"), http.StatusSeeOther)
	if n := len(o.reads()); n != 0 {
		t.Errorf("%d reads logged of strangers", n)
	}
}

func TestAnOfficialSignsInByEmailMobileOrStaffNumberAndSeesEveryReport(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-21")
	o.publish("2026-11-22")
	for _, identity := range []string{"jrb@example.com", "13900000001", "JR-001", "root@example.com"} {
		b := o.signedIn(identity)
		a := b.open("/reports")
		if a.location != "/reports/2026-11-22/" {
			t.Fatalf("%s is led to %q", identity, a.location)
		}
		o.expect("list", b.open(a.location), 200, "2026年11月22日统计报告", "暂定", "2026-11-22 23:58", "coverage-500101.html", "conversion-500101001.html", "太白街道",
			`href="/reports/2026-11-21/"`, "/reports/runs")
		o.expect("district", b.open("/reports/2026-11-22/coverage-500101.html"), 200, "万州区走访覆盖报告")
		o.expect("older run", b.open("/reports/2026-11-21/conversion-500101017.html"), 200, "万州区太白街道融资需求转化报告")
	}
}

func TestAStreetOfficialSeesOnlyTheTwoReportsOfTheOwnStreet(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.signedIn("13900000002")
	list := b.open("/reports/2026-11-22/")
	o.expect("list", list, 200, "coverage-500101001.html", "conversion-500101001.html")
	for _, other := range []string{"太白街道", "500101.html", "小周镇", "/reports/runs"} {
		if strings.Contains(list.body, other) {
			t.Errorf("the list names %s", other)
		}
	}
	o.expect("own coverage", b.open("/reports/2026-11-22/coverage-500101001.html"), 200, "高笋塘街道")
	for _, file := range []string{"coverage-500101017.html", "conversion-500101109.html", "coverage-500101.html", "conversion-500101.html", "coverage-000.html"} {
		o.expect(file, b.open("/reports/2026-11-22/"+file), http.StatusForbidden, "镇街账号只能查看本镇街（高笋塘街道）的报告")
	}
	o.expect("runs", b.open("/reports/runs"), http.StatusForbidden, "不能查看运行记录")
	if n := len(o.reads()); n != 1 {
		t.Errorf("%d reads logged, not the one that took place", n)
	}
}

func TestABankDeskIsToldThatThePortalIsNotForIt(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.browser()
	o.expect("sign-in", b.signIn("13900000003", secret), http.StatusForbidden, "本页面供主管部门和镇街使用")
	o.expect("no session was given", b.open("/reports/2026-11-22/"), http.StatusSeeOther)
	// A token from elsewhere does not help either.
	bank, err := o.app.FindFirstRecordByData("users", "mobile", "13900000003")
	must(t, err)
	token, err := bank.NewAuthToken()
	must(t, err)
	o.expect("with a token", b.do(http.MethodGet, "/reports/2026-11-22/coverage-500101.html", nil, "Cookie", sessionCookie+"="+token), http.StatusForbidden, "本页面供主管部门和镇街使用")
	o.expect("street account without a street", o.browser().signIn("13900000005", secret), http.StatusForbidden, "未设置所属镇街")
}

func TestAFirstSignInMustChangeThePasswordBeforeAnythingIsShown(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.browser()
	if a := b.signIn("13900000004", secret); a.location != "/reports/password" {
		t.Fatalf("%d %s", a.status, a.location)
	}
	if a := b.open("/reports/2026-11-22/coverage-500101.html"); a.location != "/reports/password" {
		t.Fatalf("a report was shown: %d", a.status)
	}
	o.expect("page", b.open("/reports/password"), 200, "请先修改初始密码")
	change := func(old, first, second string) answer {
		return b.do(http.MethodPost, "/reports/password", url.Values{"form": {b.token("/reports/password")}, "old": {old}, "new": {first}, "again": {second}})
	}
	o.expect("wrong old", change("nonsense", "new-password-1", "new-password-1"), 422, "原密码不正确")
	o.expect("the same again", change(secret, secret, secret), 422, "不能与原密码相同")
	o.expect("too short", change(secret, "short", "short"), 422, "至少8位")
	o.expect("two different ones", change(secret, "new-password-1", "new-password-2"), 422, "不一致")
	if a := change(secret, "new-password-1", "new-password-1"); a.location != "/reports" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	o.expect("now the report", b.open("/reports/2026-11-22/coverage-500101.html"), 200, "万州区走访覆盖报告")
}

func TestEveryReadIsLoggedWithReaderTargetAndTheClockThatWasGiven(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.signedIn("JR-001")
	b.open("/reports/2026-11-22/coverage-500101.html")
	o.signedIn("root@example.com").open("/reports/2026-11-22/conversion-500101109.html")
	reads := o.reads()
	if len(reads) != 2 {
		t.Fatalf("%d reads", len(reads))
	}
	official, err := o.app.FindFirstRecordByData("users", "staff_no", "JR-001")
	must(t, err)
	for i, want := range []struct{ id, actor, role, target string }{{official.Id, "金融办", "official", "coverage-500101.html 2026-11-22"},
		{reads[1].GetString("actor_id"), "root@example.com", "superuser", "conversion-500101109.html 2026-11-22"}} {
		r := reads[i]
		if r.GetString("actor_id") != want.id || r.GetString("actor") != want.actor || r.GetString("actor_role") != want.role || r.GetString("target") != want.target ||
			r.GetString("action") != "read" || r.GetString("via") != "portal" || r.GetString("address") == "" || r.GetString("at") != "2026-11-23 01:00:00.000Z" {
			t.Errorf("%v", r.PublicExport())
		}
	}
	// The account goes, what it read stays with its name.
	must(t, o.app.Delete(official))
	if again := o.reads(); len(again) != 2 || again[0].GetString("actor") != "金融办" || again[0].GetString("actor_id") != official.Id {
		t.Errorf("after the account went: %v", again)
	}
}

func TestSigningInAtThePortalIsLoggedAndFailingToAsWell(t *testing.T) {
	o := openOffice(t)
	o.signedIn("JR-001")
	o.browser().signIn("13900000001", "nonsense")
	o.browser().signIn("my-password-in-the-wrong-field", "nonsense")
	lines, err := o.app.FindRecordsByFilter("read_log", "", "@rowid", 0, 0)
	must(t, err)
	var got []string
	for _, l := range lines {
		got = append(got, l.GetString("action")+" "+l.GetString("actor")+l.GetString("target"))
	}
	if want := []string{"sign_in 金融办", "sign_in_failed 金融办", "sign_in_failed "}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestReadingAReportIsNotTheRightToTakeItAway(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	official, err := o.app.FindFirstRecordByData("users", "staff_no", "JR-001")
	must(t, err)
	official.Set("may_export", false)
	must(t, o.app.Save(official))
	b := o.signedIn("JR-001")
	if body := b.open("/reports/2026-11-22/").body; strings.Contains(body, ".xlsx") || !strings.Contains(body, "coverage-500101.html") {
		t.Error("the list offers workbooks to a reader who may not have them, or no report")
	}
	o.expect("the workbook all the same", b.open("/reports/2026-11-22/coverage-500101.xlsx"), http.StatusForbidden, "没有导出的权限", "区管理员")
	o.expect("the report", b.open("/reports/2026-11-22/coverage-500101.html"), http.StatusOK, "万州区走访覆盖报告")
	for _, l := range o.reads() {
		if l.GetString("action") == "export" {
			t.Error("an export that did not happen is logged")
		}
	}
}

func TestAWrongPasswordAndAnUnknownAccountAreToldTheSame(t *testing.T) {
	o := openOffice(t)
	wrong, unknown := o.browser().signIn("13900000001", "nonsense"), o.browser().signIn("13911111111", "nonsense")
	o.expect("wrong password", wrong, http.StatusUnauthorized, wrongPassword)
	o.expect("unknown account", unknown, http.StatusUnauthorized, wrongPassword)
	strip := func(s string) string {
		return regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(s, "")
	}
	if strip(wrong.body) != strip(unknown.body) {
		t.Error("the two pages differ")
	}
}

func TestRepeatedFailuresMustWaitLongerEachTimeWhicheverIdentityIsTried(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.browser()
	for i := range hooks.FreeForAccount {
		b.signIn([]string{"13900000001", "JR-001", "jrb@example.com"}[i%3], "nonsense")
	}
	a := b.signIn("13900000001", secret)
	o.expect("even the right password has to wait", a, http.StatusTooManyRequests, "请在", "后再试")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	o.now = o.now.Add(31 * time.Second)
	o.expect("one more try", b.signIn("13900000001", "nonsense"), http.StatusUnauthorized)
	o.now = o.now.Add(31 * time.Second)
	o.expect("the wait has doubled", b.signIn("13900000001", secret), http.StatusTooManyRequests)
	o.signedIn("13900000002") // somebody else is not held up
	o.now = o.now.Add(30 * time.Second)
	o.signedIn("13900000001")
}

func TestAFormFromAnotherSiteIsRefused(t *testing.T) {
	o := openOffice(t)
	b := o.browser()
	form := url.Values{"identity": {"JR-001"}, "password": {secret}}
	o.expect("without the form's token", b.do(http.MethodPost, "/reports/login", form), http.StatusForbidden, "重新登录")
	form.Set("form", b.token("/reports/login"))
	o.expect("from another origin", b.do(http.MethodPost, "/reports/login", form, "Origin", "https://evil.example"), http.StatusForbidden)
	o.expect("from our own page", b.do(http.MethodPost, "/reports/login", form, "Origin", o.srv.URL), http.StatusSeeOther)
	o.expect("signing somebody out from elsewhere", b.do(http.MethodPost, "/reports/logout", url.Values{}), http.StatusForbidden)
}

func TestTheSessionCookieIsKeptFromScriptsAndOtherSitesAndEndsWithTheSession(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.browser()
	token := b.token("/reports/login")
	form := url.Values{"form": {token}, "identity": {"JR-001"}, "password": {secret}}
	for _, c := range b.do(http.MethodPost, "/reports/login", form, "X-Forwarded-Proto", "https").header.Values("Set-Cookie") {
		if strings.HasPrefix(c, sessionCookie) {
			for _, part := range []string{"Path=/reports", "HttpOnly", "SameSite=Strict", "Secure"} {
				if !strings.Contains(c, part) {
					t.Errorf("%s is missing in %s", part, c)
				}
			}
		}
	}
	b = o.signedIn("JR-001")
	if a := b.do(http.MethodPost, "/reports/logout", url.Values{"form": {b.token("/reports/2026-11-22/")}}); a.location != "/reports/login" {
		t.Errorf("sign-out: %d %s", a.status, a.location)
	}
	o.expect("after signing out", b.open("/reports/2026-11-22/"), http.StatusSeeOther)

	// A role taken away works at once, not when the session ends.
	b = o.signedIn("JR-001")
	r, err := o.app.FindFirstRecordByData("users", "staff_no", "JR-001")
	must(t, err)
	r.Set("role", "bank")
	must(t, o.app.Save(r))
	o.expect("no longer an official", b.open("/reports/2026-11-22/"), http.StatusForbidden)
}

func TestNoPathLeadsOutOfTheListedFiles(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	b := o.signedIn("JR-001")
	for _, path := range []string{"/reports/2026-11-22/..%2f..%2fcurrent", "/reports/2026-11-22/%2e%2e", "/reports/2026-11-22/index.json", "/reports/2026-11-22/run.json",
		"/reports/..%2f/current", "/reports/2026-11-20/coverage-500101.html", "/reports/2026-11-20/", "/reports/abc/def", "/reports/2026-11-22/coverage-500101.html%00"} {
		if a := b.open(path); a.status != http.StatusNotFound && a.status != http.StatusMovedPermanently && a.status != http.StatusBadRequest && a.status != http.StatusTemporaryRedirect {
			t.Errorf("%s: %d %.200s", path, a.status, a.body)
		}
	}
	if n := len(o.reads()); n != 0 {
		t.Errorf("%d reads", n)
	}
	for next, want := range map[string]string{"/reports/2026-11-22/": "/reports/2026-11-22/", "//evil.example/reports/": "/reports", "https://evil.example": "/reports",
		"/reports/../_/": "/reports", `/reports/\evil`: "/reports", "": "/reports", "/reports/2026-11-22/coverage-500101.html": "/reports/2026-11-22/coverage-500101.html"} {
		if got := backTo(next); got != want {
			t.Errorf("backTo(%q) = %q", next, got)
		}
	}
}

func TestAHalfWrittenFolderIsNoPublishedRun(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	root := filepath.Join(o.app.DataDir(), "warehouse", "reports")
	must(t, os.MkdirAll(filepath.Join(root, "2026-11-23", "2026-11-23-aaaaaaaaaaaa"), 0o755)) // killed while rendering
	must(t, os.MkdirAll(filepath.Join(root, "2026-11-24", ".tmp-123"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "2026-11-24", ".tmp-123", "index.json"), []byte("[]"), 0o644))
	// A second version of the current day's pages is not shown either, until the pointer says so.
	must(t, os.MkdirAll(filepath.Join(root, "2026-11-22", "2026-11-22-ffffffffffff"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "2026-11-22", "2026-11-22-ffffffffffff", "index.json"), []byte("[]"), 0o644))
	b := o.signedIn("JR-001")
	a := b.open("/reports/2026-11-22/")
	o.expect("list", a, 200, "coverage-500101.html")
	if strings.Contains(a.body, "2026-11-23") || strings.Contains(a.body, "2026-11-24") {
		t.Error("an unpublished day is listed")
	}
	o.expect("the day itself", b.open("/reports/2026-11-23/"), http.StatusNotFound, "没有这一天的报告")
}

func TestBeforeTheFirstRunThereIsAFriendlyPage(t *testing.T) {
	o := openOffice(t)
	b := o.signedIn("JR-001")
	o.expect("home", b.open("/reports"), 200, "还没有发布的报告", "1时30分")
	o.expect("a date", b.open("/reports/2026-11-22/"), 200, "还没有发布的报告")
	o.expect("runs", b.open("/reports/runs"), 200, "还没有运行过统计")
}

func TestTheRunsPageSaysInWordsWhatTheChecksFound(t *testing.T) {
	o := openOffice(t)
	o.record("report_runs", map[string]any{"run_id": "2026-11-22-0123456789ab", "date": "2026-11-22", "status": "blocked", "seq": 4711,
		"started_at": "2026-11-22 17:30:00.000Z", "finished_at": "2026-11-22 17:31:05.000Z", "message": "检查未过，未发布",
		"findings": `[{"check":"source_counts","severity":"block","message":"走访数与源库不符","rows":3,"sample":["秘密"]},{"check":"x","severity":"warn","message":"有迟报","rows":0}]`})
	b := o.signedIn("JR-001")
	a := b.open("/reports/runs")
	o.expect("runs", a, 200, "未发布（检查未过）", "阻断发布：走访数与源库不符（3处）", "提醒：有迟报", "2026-11-23 01:30，用时1分5秒", "4711")
	if strings.Contains(a.body, "秘密") {
		t.Error("a finding's sample rows are shown")
	}
}

func TestOfficialsReadWhyLastNightsFiguresAreNotThere(t *testing.T) {
	o := openOffice(t) // 23 November, 9 o'clock
	official, street := o.signedIn("JR-001"), o.signedIn("13900000002")
	o.record("report_runs", map[string]any{"date": "2026-11-19", "status": "published", "started_at": "2026-11-19 17:30:00.000Z"})
	o.publish("2026-11-21")
	notice := func(b *browser, page string) string {
		o.Helper()
		a := b.open(page)
		o.expect(page, a, 200)
		if m := regexp.MustCompile(`role="status">([^<]*)<`).FindStringSubmatch(a.body); m != nil {
			return m[1]
		}
		return ""
	}
	say := func(what, got, want string) {
		o.Helper()
		if got != want {
			o.Errorf("%s: %q, not %q", what, got, want)
		}
	}
	const day, latest = "2026年11月22日的统计", "现有最新报告为2026年11月21日。"
	say("no run", notice(street, "/reports/2026-11-21/"), day+"没有运行（凌晨1时30分以后服务未开启）。"+latest)
	say("no run", notice(official, "/reports/runs"), day+"没有运行（凌晨1时30分以后服务未开启）。"+latest)
	o.expect("runs", official.open("/reports/runs"), 200, "近两周没有报告的日子：2026年11月21日、2026年11月20日。")
	o.now = time.Date(2026, 11, 22, 17, 29, 59, 0, time.UTC)
	say("before 01:30", notice(street, "/reports/2026-11-21/"), "")
	o.now = o.now.Add(time.Second)
	for _, c := range []struct{ status, street, district string }{
		{"running", day + "正在运行，请稍后刷新。" + latest, ""},
		{"failed", day + "失败，未发布。" + latest, "运行记录：磁盘已满。"},
		{"blocked", day + "没有通过检查，未发布。" + latest, "运行记录：磁盘已满。"},
		{"stopped", day + "因服务关闭而停下，服务再次启动后自动补做。" + latest, ""},
		{"published", "", ""},
	} {
		o.record("report_runs", map[string]any{"date": "2026-11-22", "status": c.status, "message": "磁盘已满", "started_at": "2026-11-22 17:30:00.000Z"})
		say(c.status, notice(street, "/reports/2026-11-21/"), c.street)
		say(c.status, notice(official, "/reports/2026-11-21/"), c.street+c.district)
	}
	o.publish("2026-11-22")
	o.record("report_runs", map[string]any{"date": "2026-11-22", "status": "failed", "message": "磁盘已满"})
	say("computed again, failed", notice(street, "/reports/2026-11-22/"), day+"失败，未发布。报告仍是此前生成的。")
	o.expect("runs", official.open("/reports/runs"), 200, "已停止（服务关闭）")
}

func TestAFirstNightThatFailedIsToldWhereTheReportsWillBe(t *testing.T) {
	o := openOffice(t)
	o.record("report_runs", map[string]any{"date": "2026-11-22", "status": "failed", "message": "磁盘已满", "started_at": "2026-11-22 17:30:00.000Z"})
	o.expect("district", o.signedIn("JR-001").open("/reports"), 200, "还没有发布的报告", "2026年11月22日的统计失败，未发布。运行记录：磁盘已满。")
}
