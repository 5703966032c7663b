package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"

	"gangwan/hooks"
)

// caller is somebody with a token at the API.
type caller struct {
	*office
	token   string
	referer string
}

func (o *office) as(account *core.Record) *caller {
	o.Helper()
	token, err := account.NewAuthToken()
	o.ok(err)
	return &caller{office: o, token: token}
}

func (o *office) superuser() *core.Record {
	return o.save(core.CollectionNameSuperusers, map[string]any{"email": "root@example.com", "password": password})
}

// call sends JSON and returns the answer as it came.
func (c *caller) call(method, path string, body any) (int, string) {
	c.Helper()
	raw, err := json.Marshal(body)
	c.ok(err)
	req, err := http.NewRequest(method, c.url+path, bytes.NewReader(raw))
	c.ok(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", c.token)
	if c.referer != "" {
		req.Header.Set("Referer", c.url+c.referer)
	}
	resp, err := http.DefaultClient.Do(req)
	c.ok(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	c.ok(err)
	return resp.StatusCode, string(answer)
}

func (c *caller) must(method, path string, body any) string {
	c.Helper()
	status, answer := c.call(method, path, body)
	if status >= 300 {
		c.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// lines are the access log's as a supervisor reads them.
func (o *office) lines() (out []string) {
	o.Helper()
	hooks.FlushLog(o.app)
	rows, err := o.app.FindRecordsByFilter("read_log", "", "@rowid", 0, 0)
	o.ok(err)
	for _, r := range rows {
		if r.GetString("at") != hooks.Stored(o.time) {
			o.Errorf("%s is dated %s", r.GetString("action"), r.GetString("at"))
		}
		said := []string{r.GetString("actor"), r.GetString("action"), r.GetString("collection"), r.GetString("record"), r.GetString("target"), "", r.GetString("changes"), r.GetString("via")}
		if n := r.GetInt("rows"); n > 0 {
			said[5] = fmt.Sprint(n)
		}
		out = append(out, strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" || s == "null" }), " "))
	}
	return out
}

func TestTheAccessLogTellsWhoReadAndChangedWhatInTheConsole(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	root.referer = "/_/"
	grid := o.save("grids", map[string]any{"name": "第一网格", "area": o.save("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"}).Id})
	e := o.save("enterprises", map[string]any{"name": "重庆小面馆", "phone": "13900000001", "employees": 3})
	o.save("enterprises", map[string]any{"name": "三峡五金店"})

	root.must("GET", "/api/collections/enterprises/records?filter=phone%3D%2713900000001%27", nil)
	root.must("GET", "/api/collections/enterprises/records?perPage=500", nil)
	root.must("GET", "/api/collections/enterprises/records/"+e.Id, nil)
	root.must("GET", "/api/collections/unassigned_enterprises/records", nil)
	root.must("GET", "/api/collections/banks/records", nil) // everybody has them on the phone: no line
	root.must("PATCH", "/api/collections/enterprises/records/"+e.Id, map[string]any{"phone": "13900000009", "employees": 5, "grid": grid.Id, "special_groups": []string{"veteran"}})
	if status, _ := root.call("PATCH", "/api/collections/enterprises/records/"+e.Id, map[string]any{"employees": -1}); status != 400 {
		t.Fatal("minus one employee was taken")
	}
	var made struct{ ID string }
	o.ok(json.Unmarshal([]byte(root.must("POST", "/api/collections/banks/records", map[string]any{"name": "甲银行", "kind": "bank"})), &made))
	root.must("DELETE", "/api/collections/banks/records/"+made.ID, nil)
	root.must("PATCH", "/api/settings", map[string]any{"meta": map[string]any{"appName": "港湾"}})
	got := o.lines()
	want := []string{
		"root@example.com read enterprises phone='13900000001' 1 console",
		"root@example.com read enterprises 2 console",
		"root@example.com read enterprises " + e.Id + " 1 console",
		"root@example.com read unassigned_enterprises 2 console",
		"root@example.com update enterprises " + e.Id + ` {"employees":[3,5],"grid":["","` + grid.Id + `"],"phone":null,"special_groups":null} console`,
		"root@example.com create banks " + made.ID + " console",
		"root@example.com delete banks " + made.ID + " console",
		`root@example.com update settings {"meta":null} console`,
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("missing: %s\nin:\n%s", w, strings.Join(got, "\n"))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines, not %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
}

func TestWhatIsReadByWayOfAPublicCollectionIsLoggedAsWell(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	area := o.save("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"})
	grid := o.save("grids", map[string]any{"name": "第一网格", "area": area.Id})
	o.save("enterprises", map[string]any{"name": "重庆小面馆", "phone": "13900000001", "grid": grid.Id})
	root.must("GET", "/api/collections/grids/records", nil)
	if answer := root.must("GET", "/api/collections/grids/records?expand=enterprises_via_grid", nil); !strings.Contains(answer, "13900000001") {
		t.Fatalf("nothing is read by way of the grid: %s", answer)
	}
	root.must("GET", "/api/collections/grids/records/"+grid.Id+"?expand=enterprises_via_grid", nil)
	root.must("GET", "/api/collections/grids/records?filter=enterprises_via_grid.phone%3D%2213900000001%22", nil)
	want := []string{"root@example.com read grids + enterprises_via_grid 1 api", "root@example.com read grids " + grid.Id + " + enterprises_via_grid 1 api",
		`root@example.com read grids enterprises_via_grid.phone="13900000001" 1 api`}
	if got := o.lines(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestAMergeOfTwoEnterprisesAndItsUndoingAreLoggedAsThat(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	kept, twin := o.save("enterprises", map[string]any{"name": "重庆小面馆"}), o.save("enterprises", map[string]any{"name": "重庆小面"})
	var merge struct{ ID string }
	o.ok(json.Unmarshal([]byte(root.must("POST", "/api/collections/enterprise_merges/records", map[string]any{"kept": kept.Id, "merged": twin.Id})), &merge))
	root.must("PATCH", "/api/collections/enterprise_merges/records/"+merge.ID, map[string]any{"status": "undone"})
	got := o.lines()
	for i, want := range []string{"root@example.com merge enterprise_merges " + merge.ID, "root@example.com undo enterprise_merges " + merge.ID} {
		if len(got) != 2 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("%q", got)
		}
	}
}

func TestANewPasswordIsLoggedWhicheverWayItIsSet(t *testing.T) {
	o := openOffice(t)
	o.user("worker@example.com", map[string]any{"role": "grid_worker", "must_change_password": true})
	worker := o.find("users", "email", "worker@example.com")
	o.ok(hooks.ChangePassword(context.Background(), o.app, hooks.GuessesOf(o.app, func() time.Time { return o.time }), worker, password, password+"-new"))
	token, err := o.find("users", "id", worker.Id).NewPasswordResetToken()
	o.ok(err)
	(&caller{office: o}).must("POST", "/api/collections/users/confirm-password-reset", map[string]any{"token": token, "password": password, "passwordConfirm": password})
	got := o.lines()
	for i, want := range []string{`"must_change_password":[true,false],"password":null`, `"password":null`} {
		if len(got) != 2 || !strings.HasPrefix(got[i], "worker@example.com update users "+worker.Id) || !strings.Contains(got[i], want) {
			t.Fatalf("%q", got)
		}
	}
}

func TestAChangeThatCannotBeLoggedDoesNotHappen(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	o.save("enterprises", map[string]any{"name": "重庆小面馆"})
	bank := o.save("banks", map[string]any{"name": "甲银行", "kind": "bank"})
	if _, err := o.app.DB().NewQuery(`CREATE TRIGGER full BEFORE INSERT ON read_log BEGIN SELECT RAISE(ABORT, 'disk full'); END`).Execute(); err != nil {
		t.Fatal(err)
	}
	if status, answer := root.call("PATCH", "/api/collections/banks/records/"+bank.Id, map[string]any{"name": "改名"}); status < 400 {
		t.Errorf("%d %s", status, answer)
	}
	if got := o.find("banks", "id", bank.Id).GetString("name"); got != "甲银行" {
		t.Errorf("the name is %s, and no line says who changed it", got)
	}
	// Reading goes on, and its line waits.
	if status, _ := root.call("GET", "/api/collections/enterprises/records", nil); status != 200 {
		t.Errorf("reading is refused: %d", status)
	}
	if n := len(o.lines()); n != 0 {
		t.Fatalf("%d lines through a full disk", n)
	}
	if _, err := o.app.DB().NewQuery(`DROP TRIGGER full`).Execute(); err != nil {
		t.Fatal(err)
	}
	if got := o.lines(); !slices.Equal(got, []string{"root@example.com read enterprises 1 api"}) {
		t.Errorf("%q", got)
	}
}

func TestNobodyChangesTheAccessLogNeitherByTheConsoleNorByPlainSQL(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	root.must("GET", "/api/collections/users/records", nil)
	o.lines()
	line := o.find("read_log", "collection", "users")
	for _, c := range []struct {
		method, path string
		code         string
	}{
		{"PATCH", "read_log/records/" + line.Id, "log_kept"}, {"DELETE", "read_log/records/" + line.Id, "log_kept"}, {"POST", "read_log/records", "system_only"},
	} {
		if status, answer := root.call(c.method, "/api/collections/"+c.path, map[string]any{"actor": "somebody"}); status < 400 || !strings.Contains(answer, hooks.Message(c.code)) {
			t.Errorf("%s: %d %s", c.method, status, answer)
		}
	}
	for _, q := range []string{`UPDATE read_log SET actor = 'somebody'`, `DELETE FROM read_log`, `INSERT OR REPLACE INTO read_log (id) SELECT id FROM read_log`} {
		if _, err := o.app.DB().NewQuery(q).Execute(); err == nil {
			t.Errorf("%s went through", q)
		}
	}
	if after := o.find("read_log", "id", line.Id); after.GetString("actor") != "root@example.com" {
		t.Errorf("the line is now %s's", after.GetString("actor"))
	}
}

func TestWhoSignsInAndWhoFailsToIsLoggedWithoutWhatWasTyped(t *testing.T) {
	o := openOffice(t)
	o.superuser()
	o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	nobody := &caller{office: o}
	for _, try := range []struct{ collection, identity, password string }{{"users", "worker@example.com", password}, {"users", "worker@example.com", "wrong"},
		{"users", "secret-typed-into-the-wrong-field", "wrong"}, {"_superusers", "root@example.com", password}} {
		nobody.call("POST", "/api/collections/"+try.collection+"/auth-with-password", map[string]any{"identity": try.identity, "password": try.password})
	}
	want := []string{"worker@example.com sign_in users app", "worker@example.com sign_in_failed users app", "sign_in_failed users app", "root@example.com sign_in _superusers api"}
	if got := o.lines(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestAPhonesFirstDownloadIsOneLine(t *testing.T) {
	o := openOffice(t)
	o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	p := o.phone("worker@example.com")
	o.sync(p)
	o.sync(p)
	var downloads int
	for _, line := range o.lines() {
		if strings.Contains(line, "首次下载") {
			downloads++
		}
	}
	if downloads != 1 {
		t.Errorf("%d lines of a first download: %q", downloads, o.lines())
	}
}

func TestWhatWasReadJustBeforeTheProcessWasKilledIsLoggedAtTheNextStart(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	root.must("GET", "/api/collections/users/records", nil)
	o.lines()
	spool := filepath.Join(o.app.DataDir(), "read_log.spool")
	if left, err := os.ReadFile(spool); err != nil || len(left) != 0 {
		t.Fatalf("%q %v is left in the spool", left, err)
	}
	kept := o.find("read_log", "collection", "users").Id
	// One line that reached the database just before, one that did not, and half a one.
	o.ok(os.WriteFile(spool, []byte(`{"id":"`+kept+`","at":"2026-11-20T01:00:00Z","action":"read","actor":"root@example.com","collection":"users","via":"api"}`+"\n"+
		`{"id":"readbeforekill1","at":"2026-11-20T01:00:00Z","action":"read","actor":"root@example.com","collection":"visits","via":"api"}`+"\n"+`{"id":"half`), 0o600))
	next := core.NewBaseApp(core.BaseAppConfig{DataDir: o.app.DataDir()})
	o.ok(next.Bootstrap())
	hooks.Bind(next, func() time.Time { return o.time })
	routes, err := apis.NewRouter(next)
	o.ok(err)
	o.ok(next.OnServe().Trigger(&core.ServeEvent{App: next, Router: routes}))
	o.ok(next.OnTerminate().Trigger(&core.TerminateEvent{App: next}, func(*core.TerminateEvent) error { return next.ResetBootstrapState() }))
	if got := o.lines(); !slices.Equal(got, []string{"root@example.com read users 1 api", "root@example.com read visits api"}) && len(got) != 2 {
		t.Errorf("%q", got)
	}
	if left, _ := os.ReadFile(spool); len(left) != 0 {
		t.Errorf("%q is left", left)
	}
}

func TestNoFileIsServedWithoutATokenOfSomebodyWhoMaySeeItsRecord(t *testing.T) {
	o := openOffice(t)
	collections, err := o.app.FindAllCollections()
	o.ok(err)
	for _, c := range collections {
		for _, f := range c.Fields {
			if file, ok := f.(*core.FileField); ok && !file.Protected {
				t.Errorf("%s.%s is open to anyone with the address", c.Name, f.GetName())
			}
		}
	}
	root := o.as(o.superuser())
	worker := o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	stranger := o.as(worker)
	e := o.save("enterprises", map[string]any{"name": "重庆小面馆"})
	signature, err := filesystem.NewFileFromBytes(picture(1), "signature.png")
	o.ok(err)
	visit := o.save("visits", map[string]any{"enterprise": e.Id, "worker": worker.Id, "signature": signature, "started_at": hooks.Stored(o.time), "outcome": "met"})
	path := "/api/files/visits/" + visit.Id + "/" + visit.GetString("signature")
	fileToken := func(c *caller) string {
		var answer struct{ Token string }
		o.ok(json.Unmarshal([]byte(c.must("POST", "/api/files/token", nil)), &answer))
		return answer.Token
	}
	for who, c := range map[string]struct {
		path   string
		status int
	}{"nobody": {path, 404}, "a worker of another grid": {path + "?token=" + fileToken(stranger), 404}, "a superuser": {path + "?token=" + fileToken(root), 200}} {
		if status, _ := (&caller{office: o}).call("GET", c.path, nil); status != c.status {
			t.Errorf("%s gets %d for a signature, not %d", who, status, c.status)
		}
	}
	if got := o.lines(); len(got) != 1 || !strings.HasPrefix(got[0], "root@example.com read visits "+visit.Id+" signature") {
		t.Errorf("%q", got)
	}
}

func TestTheDoorsBehindTheRulesAreClosedInProductionToSuperusersToo(t *testing.T) {
	o := openOffice(t)
	root := o.as(o.superuser())
	worker := o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	o.save("banks", map[string]any{"name": "甲银行", "kind": "bank"})
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/api/sql", map[string]any{"query": "SELECT 1"}},
		{"POST", "/api//sql/../sql", map[string]any{"query": "SELECT 1"}},
		{"POST", "/api/collections", map[string]any{"name": "mine", "type": "base"}},
		{"PATCH", "/api/collections/banks", map[string]any{"listRule": ""}},
		{"DELETE", "/api/collections/banks", nil},
		{"DELETE", "/api/collections/banks/truncate", nil},
		{"PUT", "/api/collections/import", map[string]any{"collections": []any{map[string]any{"name": "mine", "type": "base"}}}},
		{"POST", "/api/collections/meta/dry-run-view", map[string]any{"query": "SELECT id FROM users"}},
		{"POST", "/api/collections/users/impersonate/" + worker.Id, map[string]any{}},
		{"PATCH", "/api/settings", map[string]any{"batch": map[string]any{"enabled": true, "maxRequests": 50, "timeout": 3}}},
		{"POST", "/api/backups/upload", nil},
	} {
		status, answer := root.call(c.method, c.path, c.body)
		if status == 200 && strings.Contains(answer, "<html") { // a cleaned path leads a GET elsewhere
			status = 404
		}
		if status != 403 || !strings.Contains(answer, `"closed_in_production"`) {
			if !strings.Contains(c.path, "..") || status < 400 {
				t.Errorf("%s %s: %d %s", c.method, c.path, status, answer)
			}
		}
	}
	for method, path := range map[string]string{"GET": "/api/collections", "PATCH": "/api/settings"} { // reading them and harmless settings stay open
		if status, answer := root.call(method, path, map[string]any{}); status != 200 {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
	}
	if n, err := o.app.CountRecords("banks"); err != nil || n != 1 {
		t.Errorf("%d banks are left, %v", n, err)
	}
	if o.app.Settings().Batch.Enabled {
		t.Error("batches are on")
	}
}

func TestADeveloperOpensTheDoorsWithPocketBasesOwnDevFlag(t *testing.T) {
	// A database that is there already: --dev prints every statement of making one.
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: openOffice(t).app.DataDir(), IsDev: true})
	app.OnBootstrap().BindFunc(func(e *core.BootstrapEvent) error {
		err := e.Next()
		for _, db := range []dbx.Builder{app.ConcurrentDB(), app.NonconcurrentDB(), app.AuxConcurrentDB(), app.AuxNonconcurrentDB()} {
			db.(*dbx.DB).QueryLogFunc, db.(*dbx.DB).ExecLogFunc = nil, nil
		}
		return err
	})
	o := serveOffice(t, app)
	root := o.as(o.superuser())
	if answer := root.must("POST", "/api/sql", map[string]any{"query": "SELECT 7 AS seven"}); !strings.Contains(answer, "seven") {
		t.Error(answer)
	}
	root.must("POST", "/api/collections", map[string]any{"name": "mine", "type": "base"})
}
