package fieldsync

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// says sends a hello and reads the answer.
func (p *phone) says(more map[string]any) (int, HelloResponse, string) {
	p.d.t.Helper()
	hello := map[string]any{"protocol": 1, "sent_at": hooks.Stored(p.d.time), "device": map[string]any{"id": p.device, "name": "红米", "platform": "Android", "app_version": "1.2.0"}}
	for k, v := range more {
		hello[k] = v
	}
	status, raw := p.d.post(p.user, "/api/sync/hello", mustJSON(hello))
	var r HelloResponse
	_ = json.Unmarshal(raw, &r)
	return status, r, string(raw)
}

// asks makes one call of each kind and tells its status and code.
func (p *phone) asks(call string) (int, string) {
	p.d.t.Helper()
	var status int
	var raw []byte
	switch call {
	case "hello":
		var text string
		status, _, text = p.says(nil)
		raw = []byte(text)
	case "push":
		status, raw = p.d.post(p.user, "/api/sync/push", mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(p.d.time), "mutations": []any{}}))
	case "pull":
		status, raw = p.d.post(p.user, "/api/sync/pull", mustJSON(PullRequest{Protocol: 1, Device: p.device}))
	case "attachment":
		status, raw = p.upload(AttachmentMeta{ID: p.d.id(), Collection: "visits", Record: p.d.id()}, picturePNG(p.d.seed))
	case "missing":
		status, raw = p.d.post(p.user, "/api/sync/attachments/missing", mustJSON(MissingRequest{Device: p.device, IDs: []string{}}))
	}
	var e struct{ Code, Message string }
	_ = json.Unmarshal(raw, &e)
	if status != 200 && e.Message != hooks.Message(e.Code) {
		p.d.t.Errorf("%s: %d %s", call, status, raw)
	}
	return status, e.Code
}

var calls = []string{"hello", "push", "pull", "attachment", "missing"}

func (d *district) text(query string) (out string) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(query).Row(&out); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func TestWhatADeviceMayDoFollowsFromTheStateAPersonSet(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	p.asks("hello")
	for state, want := range map[string]map[string]string{
		"active":     {},
		"":           {},
		"drain_only": {"pull": "device_drain_only"},
		"suspended":  {"push": "device_suspended", "pull": "device_suspended", "attachment": "device_suspended", "missing": "device_suspended"},
		"wiped":      {"push": "device_wiped", "pull": "device_wiped", "attachment": "device_wiped", "missing": "device_wiped"},
	} {
		a.settles("devices", p.device, map[string]any{"state": state})
		for _, call := range calls {
			status, code := p.asks(call)
			if wantStatus := map[bool]int{true: 200, false: 403}[want[call] == ""]; code != want[call] || status != wantStatus {
				t.Errorf("%q: %s answers %d %s, want %q", state, call, status, code, want[call])
			}
		}
		_, r, _ := p.says(nil)
		if shown := map[bool]string{true: "active", false: state}[state == ""]; r.DeviceState != shown {
			t.Errorf("%q: hello says %q", state, r.DeviceState)
		}
	}
}

func TestADeviceIsKnownFromItsFirstCallWhicheverThatIs(t *testing.T) {
	d := newDistrict(t)
	for _, call := range calls {
		p, stranger := d.phone("worker1"), d.phone("worker2")
		if status, code := p.asks(call); status != 200 {
			t.Fatalf("%s: %d %s", call, status, code)
		}
		device, err := d.app.FindRecordById("devices", p.device)
		if err != nil || device.GetString("user") != d.users["worker1"].Id || device.GetString("state") != "active" {
			t.Fatalf("after a first %s: %v %v", call, device, err)
		}
		stranger.device = p.device
		for _, foreign := range calls {
			if status, code := stranger.asks(foreign); status != 403 || code != "device_foreign" {
				t.Errorf("another's device: %s answers %d %s", foreign, status, code)
			}
		}
		if again, _ := d.app.FindRecordById("devices", p.device); again.GetString("user") != d.users["worker1"].Id || d.text(`SELECT name FROM devices WHERE id = '`+p.device+`'`) != device.GetString("name") {
			t.Error("a stranger changed the device")
		}
	}
}

func TestAPasswordThatMustBeChangedKeepsNothingInThePhone(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	d.edit("users", d.users["worker1"].Id, map[string]any{"must_change_password": true})
	for _, call := range calls {
		status, code := p.asks(call)
		if want := map[bool]string{true: "password_change_required"}[call == "pull"]; code != want {
			t.Errorf("%s answers %d %s", call, status, code)
		}
	}
}

func TestAnAppThatIsTooOldMayStillReportButNotDownload(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	run := func(version string) (int, string) {
		t.Helper()
		if status, _, raw := p.says(map[string]any{"device": map[string]any{"id": p.device, "name": "红米", "app_version": version}}); status != 200 {
			t.Fatal(raw)
		}
		expect(t, p.push(p.visit("ent100000000000", "grid10000000000"))[0], Applied, "")
		return p.asks("pull")
	}
	if status, _ := run("0.0.1"); status != 200 {
		t.Fatal("no version is asked for yet")
	}
	d.save("parameters", map[string]any{"code": "sync.min_app_version", "value": "1.2", "from": d.time.Add(-time.Hour), "until": d.time.Add(24 * time.Hour)})
	d.save("parameters", map[string]any{"code": "sync.min_app_version", "value": "9", "from": d.time.Add(24 * time.Hour)})
	for version, want := range map[string]int{"1.1.9": 426, "1": 426, "0.12": 426, "1.2": 200, "1.2.0": 200, "1.10": 200, "2": 200, "": 426, "1.x": 200, "开发版": 200, "-1": 200} {
		// An empty one says nothing: what the device said before counts.
		if version == "" {
			run("1.1")
		}
		if status, code := run(version); status != want || (want == 426) != (code == "upgrade_required") {
			t.Errorf("%q: %d %s, want %d", version, status, code, want)
		}
	}
	p.says(map[string]any{"device": map[string]any{"id": p.device, "app_version": "1.1"}})
	_, raw := d.post("worker1", "/api/sync/pull", mustJSON(PullRequest{Protocol: 1, Device: p.device}))
	if !bytes.Contains(raw, []byte(`"min_app_version":"1.2"`)) {
		t.Errorf("%s", raw)
	}
	if _, r, _ := p.says(nil); r.MinAppVersion != "1.2" {
		t.Errorf("hello says %q", r.MinAppVersion)
	}
	if status, code := d.phone("worker2").asks("pull"); status != 200 {
		t.Errorf("a device that never told its version: %d %s", status, code)
	}
	d.time = d.time.Add(25 * time.Hour)
	if _, r, _ := p.says(nil); r.MinAppVersion != "9" {
		t.Errorf("the day after: %q", r.MinAppVersion)
	}
}

func TestAFullHouseTellsPhonesToComeAgainAndLosesNothing(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.asks("hello")
	busy, free := make(chan struct{}), make(chan struct{})
	go func() {
		_ = serverOf(d.app).write(1, func(core.App) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	type answer struct {
		body   []byte
		status int
		again  string
	}
	answers := make(chan answer, maxWaiting+1)
	token := d.token("worker1")
	for i := range cap(answers) {
		v := p.visit("ent100000000000", "grid10000000000")
		for _, name := range []string{"id", "record"} {
			v[name] = fmt.Sprintf("%s%04x", v[name].(string)[:28], i)
		}
		body := mustJSON(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(d.time), "mutations": []any{v}})
		go func() {
			req, _ := http.NewRequest(http.MethodPost, d.url+"/api/sync/push", bytes.NewReader(body))
			req.Header.Set("Authorization", token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				answers <- answer{}
				return
			}
			resp.Body.Close()
			answers <- answer{body, resp.StatusCode, resp.Header.Get("Retry-After")}
		}()
	}
	// All but one wait for the writer; that one is answered while it stands still.
	turnedAway := <-answers
	if turnedAway.status != 429 || turnedAway.again != "5" {
		t.Fatalf("%+v", turnedAway)
	}
	close(free)
	for range cap(answers) - 1 {
		if r := <-answers; r.status != 200 {
			t.Errorf("one that waited its turn: %d", r.status)
		}
	}
	if status, raw := d.post("worker1", "/api/sync/push", turnedAway.body); status != 200 {
		t.Fatalf("the one turned away comes again: %d %s", status, raw)
	}
	if n := d.count("visits"); n != maxWaiting+1 {
		t.Fatalf("%d visits of %d", n, maxWaiting+1)
	}
}

func TestHearingOfAPhoneIsNoChangeOfData(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	long := map[string]any{"device": map[string]any{"id": p.device, "name": strings.Repeat("很长的名字", 40), "platform": "Android", "app_version": "1.0"}, "pending": 7}
	p.says(long)
	before := d.count("sync_feed")
	p.says(long)
	p.asks("push")
	p.asks("pull")
	p.asks("missing")
	if n := d.count("sync_feed") - before; n != 0 {
		t.Errorf("%d rows in the feed for nothing", n)
	}
	contact := `SELECT last_at || ' ' || pending || ' ' || skew_ms FROM sync_contacts WHERE device = '` + p.device + `'`
	d.time = d.time.Add(30 * time.Second)
	p.asks("pull")
	if got := d.text(contact); got != hooks.Stored(dayOne)+" 0 0" {
		t.Errorf("within a minute: %s", got)
	}
	p.says(map[string]any{"pending": 7, "sent_at": hooks.Stored(d.time.Add(time.Hour))})
	d.time = d.time.Add(time.Minute)
	p.asks("pull")
	if got := d.text(contact); got != hooks.Stored(d.time)+" 7 3600000" {
		t.Errorf("a pull notes that it was, and leaves what hello said: %s", got)
	}
}

func TestAWipedPhoneSaysSoOnceAndWhatItSentStays(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	v := p.visit("ent100000000000", "grid10000000000")
	p.push(v)
	noted := `SELECT wiped_at FROM sync_contacts WHERE device = '` + p.device + `'`
	p.says(map[string]any{"wiped": true})
	if got := d.text(noted); got != "" {
		t.Errorf("nobody told it to: %s", got)
	}
	a.settles("devices", p.device, map[string]any{"state": "wiped"})
	p.says(nil)
	if got := d.text(noted); got != "" {
		t.Errorf("it has not erased yet: %s", got)
	}
	if status, r, raw := p.says(map[string]any{"wiped": true}); status != 200 || r.DeviceState != "wiped" {
		t.Fatal(raw)
	}
	d.time = d.time.Add(time.Hour)
	p.says(map[string]any{"wiped": true})
	if got := d.text(noted); got != hooks.Stored(dayOne) {
		t.Errorf("noted %q", got)
	}
	if _, err := d.app.FindRecordById("visits", v["record"].(string)); err != nil {
		t.Error("what it sent is gone")
	}
	// Found again, given back, lost again.
	a.settles("devices", p.device, map[string]any{"state": "active"})
	a.settles("devices", p.device, map[string]any{"state": "wiped"})
	if got := d.text(noted); got != "" {
		t.Errorf("erased before it was told: %s", got)
	}
}

func TestADeviceBelongsToOnePersonForGoodAndItsStatesAreOnRecord(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	p.asks("hello")
	a.isRefused("devices", p.device, map[string]any{"user": d.users["worker2"].Id}, "device_bound")
	a.settles("devices", p.device, map[string]any{"name": "小王的红米"})
	a.settles("devices", p.device, map[string]any{"state": "suspended"})
	trail := a.the("sync_audit", "")
	if trail["action"] != "device_state" || trail["by"] != a.email || trail["record"] != p.device || trail["before"] != "active" || trail["after"] != "suspended" {
		t.Fatalf("%v", trail)
	}
	if status, raw := a.call(http.MethodDelete, "devices/records/"+p.device, nil); status != 400 || !bytes.Contains(raw, []byte(hooks.Message("device_kept"))) {
		t.Fatalf("%d %s", status, raw)
	}
	if status, code := p.asks("push"); status != 403 {
		t.Fatalf("let in again: %d %s", status, code)
	}
}

func TestTheConsoleListsWhoIsSilentWhatPilesUpAndWhoseMishapsWait(t *testing.T) {
	d := newDistrict(t)
	p, a := d.phone("worker1"), d.admin("boss")
	d.edit("users", d.users["worker1"].Id, map[string]any{"mobile": "13800000001", "manager": d.users["counter"].Id})
	ids := func(collection string) (out []string) {
		t.Helper()
		d.phone("counter").asks("hello") // the clock of the lists moves with the writes
		for _, r := range a.list(collection, "") {
			out = append(out, r["id"].(string))
		}
		return out
	}
	expectOnly := func(when, collection string, want ...string) {
		t.Helper()
		got := ids(collection)
		for _, w := range want {
			if !strings.Contains(fmt.Sprint(got), w) {
				t.Errorf("%s: %s lists %v without %s", when, collection, got, w)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %s lists %v, want %v", when, collection, got, want)
		}
	}
	one, two := d.users["worker1"].Id, d.users["worker2"].Id
	expectOnly("never heard of", "silent_workers", one, two)
	p.says(map[string]any{"pending": 3})
	expectOnly("one reports", "silent_workers", two)
	expectOnly("fresh work", "backlog_devices")
	d.time = d.time.Add(2*24*time.Hour + time.Minute)
	expectOnly("two days with work in the phone", "backlog_devices", p.device)
	if r := a.the("backlog_devices", ""); r["user"] != one || r["pending"] != 3.0 || r["why"] != "有未报记录，两天没有联系" || r["last_contact"] != hooks.Stored(dayOne) {
		t.Errorf("%v", r)
	}
	d.time = d.time.Add(5 * 24 * time.Hour)
	expectOnly("a week", "silent_workers", one, two)
	if r := a.the("silent_workers", "user = '"+one+"'"); r["mobile"] != "13800000001" || r["manager"] != d.users["counter"].Id || fmt.Sprint(r["grids"]) != "[grid10000000000]" || r["days"] != 7.0 || r["last_contact"] != hooks.Stored(dayOne) {
		t.Errorf("%v", r)
	}
	d.save("parameters", map[string]any{"code": "sync.silent_days", "value": "10", "from": d.time.Add(-time.Hour)})
	expectOnly("ten days are allowed", "silent_workers", two)
	d.edit("assignments", a.the("assignments", "user = '"+two+"'")["id"].(string), map[string]any{"until": d.time})
	expectOnly("without a grid nobody is silent", "silent_workers")
	d.assign("worker2", "grid20000000000", hooks.Stored(d.time.Add(-24*time.Hour)), "")
	expectOnly("new in the grid", "silent_workers")

	p.says(map[string]any{"pending": 101, "sent_at": hooks.Stored(d.time.Add(-6 * time.Minute))})
	expectOnly("much and out of time", "backlog_devices", p.device)
	if r := a.the("backlog_devices", ""); r["why"] != "未报记录过多、手机时钟不准" || r["skew_seconds"] != -360.0 {
		t.Errorf("%v", r)
	}
	p.says(map[string]any{"pending": 100, "sent_at": hooks.Stored(d.time.Add(4 * time.Minute))})
	expectOnly("neither", "backlog_devices")

	expectOnly("no mishap", "open_sync_issues")
	waits := p.demandAfter(p.visit("ent100000000000", "grid10000000000"))
	bad := p.visit("ent100000000000", "grid10000000000")
	bad["data"].(map[string]any)["outcome"] = "danced"
	p.push(waits, bad, p.update("enterprises", "ent100000000000", "phone", "x", "13922222222"))
	expectOnly("three mishaps of one", "open_sync_issues", one)
	if r := a.the("open_sync_issues", ""); r["rejected"] != 1.0 || r["conflicts"] != 1.0 || r["waiting"] != 1.0 || r["oldest"] != hooks.Stored(d.time) {
		t.Errorf("%v", r)
	}
	d.time = d.time.Add(3*24*time.Hour + time.Minute)
	p.says(nil)
	expectOnly("waits three days", "backlog_devices", p.device)
	if r := a.the("backlog_devices", ""); r["why"] != "所属记录三天没有上报" || r["waiting"] != 1.0 {
		t.Errorf("%v", r)
	}
	a.settles("sync_rejections", a.rejectionOf(bad), map[string]any{"resolution": "drop", "note": "误报"})
	if r := a.the("open_sync_issues", ""); r["rejected"] != 0.0 {
		t.Errorf("%v", r)
	}
}
