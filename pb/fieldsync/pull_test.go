package fieldsync

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"gangwan/hooks"
)

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

func TestAPhoneHoldsExactlyWhatItsUserMaySee(t *testing.T) {
	d := newDistrict(t)
	p1, p2, counter := d.phone("worker1"), d.phone("worker2"), d.phone("counter")
	v := p1.visit("ent100000000000", "grid10000000000")
	expect(t, p1.push(v)[0], Applied, "")
	if pages := p1.pull(3); pages < 3 {
		t.Fatalf("only %d pages of 3", pages)
	}
	p2.pull(0)
	counter.pull(0)
	visit := "visits/" + v["record"].(string)
	if !p1.holds(visit) || p2.holds(visit) || !counter.holds(visit) || p2.holds("enterprises/ent100000000000") {
		t.Fatal("wrong holders")
	}
	// The enterprise moves to the second grid: its visits follow, in the same moment.
	d.time = d.time.Add(time.Hour)
	d.edit("enterprises", "ent100000000000", map[string]any{"grid": "grid20000000000"})
	p1.pull(0)
	p2.pull(0)
	counter.pull(0)
	if p1.holds(visit) || !p2.holds(visit) || counter.holds(visit) || !p2.holds("enterprises/ent100000000000") {
		t.Fatal("the visit did not follow its enterprise")
	}
	// Plain SQL, and a grid handed to another harbour.
	if _, err := d.app.DB().NewQuery(`UPDATE grids SET harbour = 'harbour1000000a' WHERE id = 'grid20000000000'`).Execute(); err != nil {
		t.Fatal(err)
	}
	counter.pull(0)
	if !counter.holds(visit) || !counter.holds("enterprises/ent200000000000") {
		t.Fatal("the harbour does not hold what its new grid brought")
	}
	if _, err := d.app.DB().NewQuery(`DELETE FROM visits`).Execute(); err != nil {
		t.Fatal(err)
	}
	p2.pull(0)
	counter.pull(0)
	if p2.holds(visit) || counter.holds(visit) {
		t.Fatal("a deleted visit is still held")
	}
}

func TestAnAssignmentThatEndsByTheClockAloneTakesItsRecordsBack(t *testing.T) {
	d := newDistrict(t)
	start, end := d.time.Add(24*time.Hour), d.time.Add(48*time.Hour)
	d.assign("worker1", "grid20000000000", start.Format(time.RFC3339), end.Format(time.RFC3339))
	p := d.phone("worker1")
	p.pull(0)
	if p.holds("enterprises/ent200000000000") {
		t.Fatal("held before the assignment begins")
	}
	d.time = start
	p.pull(1)
	if !p.holds("enterprises/ent200000000000") {
		t.Fatal("not held when the assignment began")
	}
	d.time = end
	p.pull(1)
	if p.holds("enterprises/ent200000000000") || !p.holds("enterprises/ent100000000000") {
		t.Fatal("membership is from ≤ now < until")
	}
}

func TestABankHoldsOnlyTheDemandsOfferedToItWithTheContactItNeeds(t *testing.T) {
	d := newDistrict(t)
	w, counter, a, b := d.phone("worker1"), d.phone("counter"), d.phone("deskA"), d.phone("deskB")
	demand, match := d.id(), d.id()
	at := "2026-09-01T01:00:00Z"
	create := func(collection, record string, data map[string]any) map[string]any {
		return map[string]any{"id": d.id(), "op": "create", "collection": collection, "record": record, "captured_at": at, "data": data}
	}
	event := func(data map[string]any) map[string]any {
		data["demand"], data["at"] = demand, at
		return create("demand_events", d.id(), data)
	}
	expect(t, w.push(create("demands", demand, map[string]any{"enterprise": "ent100000000000", "grid": "grid10000000000", "kind": "first_loan", "need": "working_capital", "amount": 200000}))[0], Applied, "")
	expect(t, counter.push(create("demand_matches", match, map[string]any{"demand": demand, "bank": "banka0000000000", "matched_at": at}))[0], Rejected, "stage_not_allowed")
	expect(t, w.push(event(map[string]any{"kind": "stage", "to_stage": "accepted"}))[0], Rejected, "role_not_allowed")
	expect(t, counter.push(event(map[string]any{"kind": "stage", "to_stage": "accepted"}))[0], Applied, "")
	match = d.id()
	expect(t, counter.push(create("demand_matches", match, map[string]any{"demand": demand, "bank": "banka0000000000", "matched_at": at}))[0], Applied, "")
	a.pull(0)
	b.pull(0)
	if !a.holds("demands/"+demand) || !a.holds("demand_matches/"+match) || a.holds("enterprises/ent100000000000") {
		t.Fatal("bank A must hold the demand, not the enterprise")
	}
	if b.holds("demands/"+demand) || b.holds("demand_matches/"+match) {
		t.Fatal("bank B sees a demand that was not offered to it")
	}
	if got := a.has["demands/"+demand]["enterprise_phone"]; got != "13900000001" {
		t.Fatalf("phone for the bank: %v", got)
	}
	if _, seen := a.has["demands/"+demand]["special_group"]; seen {
		t.Fatal("a special group is for handling staff only")
	}
	expect(t, b.push(event(map[string]any{"kind": "contact", "match": match, "reached": true}))[0], Rejected, "out_of_scope")
	expect(t, a.push(event(map[string]any{"kind": "contact", "match": match, "reached": true, "contact_way": "phone"}))[0], Applied, "")
	expect(t, a.push(event(map[string]any{"kind": "stage", "match": match, "to_stage": "approved", "amount": 1}))[0], Rejected, "stage_not_allowed")
	expect(t, a.push(event(map[string]any{"kind": "stage", "match": match, "to_stage": "applied"}))[0], Applied, "")
	expect(t, a.push(event(map[string]any{"kind": "stage", "match": match, "to_stage": "approved", "amount": 180000}))[0], Applied, "")
	expect(t, a.push(event(map[string]any{"kind": "stage", "match": match, "to_stage": "disbursed", "amount": 180000}))[0], Applied, "")
	r, _ := d.app.FindRecordById("demands", demand)
	if r.GetString("stage") != "disbursed" || r.GetString("first_responder") != d.users["counter"].Id {
		t.Fatalf("stage %s", r.GetString("stage"))
	}
	// The list API answers the same set.
	for user, p := range map[string]*phone{"worker1": w, "counter": counter, "deskA": a, "deskB": b} {
		p.pull(0)
		for _, collection := range []string{"demands", "demand_matches", "demand_events", "enterprises", "grids", "assignments", "devices"} {
			if got, want := p.listed(collection), p.ids(collection); got != want {
				t.Errorf("%s %s: API %s, pulled %s", user, collection, got, want)
			}
		}
	}
}

// items are what the list API answers the user, as JSON by id.
func (p *phone) items(collection string) map[string]map[string]any {
	req, _ := http.NewRequest(http.MethodGet, p.d.url+"/api/collections/"+collection+"/records?perPage=500&sort=id", nil)
	req.Header.Set("Authorization", p.d.token(p.user))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Items []map[string]any }
	_ = json.NewDecoder(resp.Body).Decode(&body)
	out := map[string]map[string]any{}
	for _, item := range body.Items {
		delete(item, "collectionId")
		delete(item, "collectionName")
		out[item["id"].(string)] = item
	}
	return out
}

func (p *phone) listed(collection string) string { return fmt.Sprint(sortedKeys(p.items(collection))) }

func TestAPulledRecordHasTheFieldsThatTheAPIShowsItsUser(t *testing.T) {
	d := newDistrict(t)
	d.edit("enterprises", "ent100000000000", map[string]any{"special_groups": []string{"veteran"}, "employees": 12, "location": map[string]any{"lon": 108.4, "lat": 30.8}, "tags": []string{"green"}})
	p := d.phone("worker1")
	v, demand := p.visit("ent100000000000", "grid10000000000"), d.id()
	v["data"].(map[string]any)["accuracy"] = 12.5
	results := p.push(v, map[string]any{"id": d.id(), "op": "create", "collection": "demands", "record": demand, "captured_at": "2026-09-01T01:00:00Z", "data": map[string]any{
		"enterprise": "ent100000000000", "kind": "first_loan", "need": "working_capital", "amount": 200000, "special_group": "veteran", "guarantee_wanted": true}})
	expect(t, results[1], Applied, "")
	d.edit("demands", demand, map[string]any{"stage": "accepted"})
	d.save("demand_matches", map[string]any{"demand": demand, "bank": "banka0000000000"})
	// Numbers, dates and texts in every form that a column may hold them; what plain SQL left empty or wrote wrongly in a list.
	for i, values := range []string{
		`accuracy = 0.1 + 0.2, skew = 9007199254740992, captured_offset = -480`, `accuracy = 1e300, skew = -1.5e-9`, `accuracy = 100000.0, location = '{"lon":-0.5,"lat":89.99999999999999}'`,
		`notes = '引号" 反斜\ 制表' || char(9, 10, 13, 8, 12, 1, 31, 127, 8232, 128512) || '<&>/'`, `next_visit_on = '', ended_at = '2026-09-01 01:20:00.123Z'`, `policies = '', products = ''`,
		`policies = '["policy100000000","policy200000000"]', handbook_left = 1, loan_code_shown = TRUE`} {
		id := fmt.Sprintf("visit%d000000000", i)
		d.sql(`INSERT INTO visits (id, enterprise, worker, started_at, outcome) VALUES ('`+id+`', 'ent100000000000', '`+d.users["worker1"].Id+`', '2026-09-01 01:00:00.000Z', 'met')`,
			`UPDATE visits SET `+values+` WHERE id = '`+id+`'`)
	}
	d.save("sync_rejections", map[string]any{"user": d.users["worker1"].Id, "mutation": map[string]any{"n": 1.5, "text": "a\"b", "list": []any{nil, true, "x"}}, "status": "open"})
	for _, user := range []string{"worker1", "counter", "deskA"} {
		q := d.phone(user)
		q.pull(0)
		compared := 0
		for _, h := range hooks.Holdings {
			for id, want := range q.items(h.Collection) {
				if got := q.has[h.Collection+"/"+id]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s %s:\npulled %v\nAPI    %v", user, h.Collection, got, want)
				}
				compared++
			}
		}
		_, sees := q.has["demands/"+demand]["special_group"]
		if compared < 8 || sees != (user != "deskA") {
			t.Errorf("%s: %d records compared, sees the special group: %v", user, compared, sees)
		}
	}
}

func TestAListThatPlainSQLWroteWronglyKeepsNoPageBack(t *testing.T) {
	d := newDistrict(t)
	for i, wrong := range []string{`policies = 'not a list'`, `location = ''`, `location = 'nowhere'`} {
		d.sql(fmt.Sprintf(`INSERT INTO visits (id, enterprise, worker, started_at, outcome) VALUES ('visit%d000000000', 'ent100000000000', '%s', '2026-09-01 01:00:00.000Z', 'met')`, i, d.users["worker1"].Id),
			fmt.Sprintf(`UPDATE visits SET %s WHERE id = 'visit%d000000000'`, wrong, i))
	}
	d.sql(`INSERT INTO sync_rejections (id, user, errors, mutation) VALUES ('reject100000000', '` + d.users["worker1"].Id + `', '', '{broken')`)
	p := d.phone("worker1")
	p.pull(1)
	p.pull(0)
	if len(p.items("visits")) != 0 {
		t.Fatal("the list API answers such rows now: compare with it")
	}
	if got := p.ids("visits"); got != "[visit0000000000 visit1000000000 visit2000000000]" || !p.holds("sync_rejections/reject100000000") {
		t.Errorf("holds %s", got)
	}
	if got := fmt.Sprint(p.has["visits/visit0000000000"]["policies"], p.has["visits/visit1000000000"]["location"]); got != "[not a list] map[lat:0 lon:0]" {
		t.Error(got)
	}
}

// Invariant 4: a cursor that is not this user's own, of this life and this set, grants nothing and hides nothing.
func TestACursorThatTheServerDoesNotKnowStartsTheDownloadAnew(t *testing.T) {
	d := newDistrict(t)
	worker, counter := d.phone("worker1"), d.phone("counter")
	worker.pull(0)
	counter.pull(0)
	own := *worker.cursor
	pull := func(cursor any, collections ...string) PullResponse {
		t.Helper()
		body := map[string]any{"protocol": 1, "device": worker.device, "cursor": cursor}
		if collections != nil {
			body["collections"] = collections
		}
		status, raw := d.post("worker1", "/api/sync/pull", mustJSON(body))
		var resp PullResponse
		if err := json.Unmarshal(raw, &resp); err != nil || status != 200 {
			t.Fatalf("%d %s", status, raw)
		}
		return resp
	}
	whole := len(pull(nil).Changes)
	narrow := pull(nil, "visits", "enterprises").Cursor
	forged, err := base64.RawURLEncoding.DecodeString(own)
	if err != nil {
		t.Fatal(err)
	}
	forged = bytes.Replace(forged, []byte(`"r":`), []byte(`"r":9`), 1) // ahead of the feed, and not sealed by the server
	epoch := d.state("epoch")
	for name, cursor := range map[string]string{"empty": "", "garbage": "garbage", "not even base64": "\x00%%%", "very long": strings.Repeat("A", 200_000), "too short": "AAAA",
		"another user's": *counter.cursor, "of other collections": narrow, "forged": base64.RawURLEncoding.EncodeToString(forged),
		"of another server": cursor{User: worker.user, Epoch: epoch, Scopes: []scopePos{{Scope: "g:grid20000000000", Read: 1 << 60}}}.sign("another key")} {
		if resp := pull(cursor); !resp.Reset || len(resp.Changes) != whole {
			t.Errorf("%s: reset %v, %d records of %d", name, resp.Reset, len(resp.Changes), whole)
		}
	}
	if d.state("epoch") != epoch {
		t.Error("a cursor that the server did not seal opened a new life")
	}
	if resp := pull(own); resp.Reset || len(resp.Changes) != 0 {
		t.Errorf("the own cursor: reset %v, %d records", resp.Reset, len(resp.Changes))
	}
	// The set counts, not how it is written; an empty list is none.
	for name, resp := range map[string]PullResponse{"another order, and twice": pull(narrow, "enterprises", "visits", "enterprises"), "an empty list": pull(own, []string{}...), "the same set": pull(narrow, "visits", "enterprises")} {
		if resp.Reset || len(resp.Changes) != 0 {
			t.Errorf("%s: reset %v, %d records", name, resp.Reset, len(resp.Changes))
		}
	}
	if resp := pull(own, "visits"); !resp.Reset {
		t.Error("a cursor of all collections serves one of them")
	}
}

// What a user's download and digest cost must not grow with what others have.
func TestADownloadReadsNoTableWholeButTheSmallOnesThatAllHold(t *testing.T) {
	d := newDistrict(t)
	user := d.users["worker1"].Clone()
	user.Set("scope_grids", []string{"grid10000000000", "grid20000000000"})
	plan := func(query string, args []any) string {
		t.Helper()
		out := ""
		if err := serverOf(d.app).withSnapshot(t.Context(), func(snap *snapshot) error {
			return snap.rows("EXPLAIN QUERY PLAN "+query, args, func(r *sql.Rows) error {
				var a, b, c, detail string
				err := r.Scan(&a, &b, &c, &detail)
				out += detail + "\n"
				return err
			})
		}); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return out
	}
	for role, post := range map[string]map[string]any{"grid_worker": {}, "harbour_head": {"harbour": "harbour1000000a"}, "bank": {"bank": "banka0000000000"}} {
		account := user.Clone()
		account.Set("role", role)
		account.Load(post)
		v, err := serverOf(d.app).viewOf(d.app, account, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range v.holdings {
			if h.All {
				continue
			}
			if cond, args := visible(h, v.scopes, false); cond != "0" {
				if p := plan(digestQuery(h, cond), args); strings.Contains(p, "SCAN t") {
					t.Errorf("%s, digest of %s:\n%s", role, h.Collection, p)
				}
			}
			for _, scope := range v.scopes {
				cond, args, list, ok := scopeTest(h, scope)
				if !ok || list {
					continue
				}
				if p := plan(scanQuery(h, v, cond), append(args, 0, 100)); strings.Contains(p, "SCAN t") || strings.Contains(p, "INTEGER PRIMARY KEY") {
					t.Errorf("%s, download of %s in %s:\n%s", role, h.Collection, scope, p)
				}
			}
		}
	}
}

func TestWhoMustChangeThePasswordMayStillPushAndNotPull(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	d.edit("users", d.users["worker1"].Id, map[string]any{"must_change_password": true})
	expect(t, p.push(p.visit("ent100000000000", "grid10000000000"))[0], Applied, "")
	status, raw := d.post("worker1", "/api/sync/pull", mustJSON(map[string]any{"protocol": 1, "device": p.device}))
	if status != 403 || !strings.Contains(string(raw), "password_change_required") {
		t.Fatalf("%d %s", status, raw)
	}
}

func TestADeviceDoesOnlyWhatItsStateAllows(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	p.pull(0)
	for _, c := range []struct {
		state      string
		push, pull int
		code       string
	}{{"active", 200, 200, ""}, {"drain_only", 200, 403, "device_drain_only"}, {"suspended", 403, 403, "device_suspended"}, {"wiped", 403, 403, "device_wiped"}} {
		d.edit("devices", p.device, map[string]any{"state": c.state})
		push, _ := d.post("worker1", "/api/sync/push", mustJSON(map[string]any{"protocol": 1, "device": p.device, "mutations": []any{p.visit("ent100000000000", "grid10000000000")}}))
		pull, raw := d.post("worker1", "/api/sync/pull", mustJSON(map[string]any{"protocol": 1, "device": p.device}))
		if push != c.push || pull != c.pull || !strings.Contains(string(raw), c.code) {
			t.Errorf("%s: push %d, pull %d %s", c.state, push, pull, raw)
		}
		status, raw := d.post("worker1", "/api/sync/hello", mustJSON(HelloRequest{Protocol: 1, Device: DeviceInfo{ID: p.device}}))
		var hello HelloResponse
		if err := json.Unmarshal(raw, &hello); err != nil || status != 200 || hello.DeviceState != c.state || hello.Epoch == "" {
			t.Errorf("%s: hello %d %s", c.state, status, raw)
		}
	}
	if status, raw := d.post("worker2", "/api/sync/hello", mustJSON(HelloRequest{Protocol: 1, Device: DeviceInfo{ID: p.device}})); status != 403 || !strings.Contains(string(raw), "device_foreign") {
		t.Errorf("another user's device: %d %s", status, raw)
	}
}

func (p *phone) ids(collection string) string {
	out := []string{}
	for _, key := range sortedKeys(p.has) {
		if c, id := splitKey(key); c == collection {
			out = append(out, id)
		}
	}
	return fmt.Sprint(out)
}

func TestBadCallsAreToldWhatIsWrongInChinese(t *testing.T) {
	d := newDistrict(t)
	device := d.id()
	big := make([]byte, 10<<20)
	for i := range big {
		big[i] = ' '
	}
	copy(big, `{"protocol":1}`)
	for _, c := range []struct {
		name, user, path string
		body             []byte
		status           int
		code             string
	}{
		{"nobody signed in", "", "/api/sync/push", []byte(`{}`), 401, "unauthorized"},
		{"malformed JSON", "worker1", "/api/sync/push", []byte(`{"protocol":1,`), 400, "bad_request"},
		{"a list instead of an object", "worker1", "/api/sync/push", []byte(`[]`), 400, "bad_request"},
		{"another protocol", "worker1", "/api/sync/push", []byte(`{"protocol":2,"mutations":[]}`), 409, "protocol_unsupported"},
		{"no mutations at all", "worker1", "/api/sync/push", []byte(`{"protocol":1}`), 400, "bad_request"},
		{"10 MB", "worker1", "/api/sync/push", big, 413, "too_large"},
		{"a device id that is none", "worker1", "/api/sync/pull", []byte(`{"protocol":1,"device":"x","cursor":null}`), 400, "bad_request"},
		{"an unknown collection", "worker1", "/api/sync/pull", mustJSON(map[string]any{"protocol": 1, "device": device, "collections": []string{"users"}}), 400, "bad_request"},
		{"an old epoch", "worker1", "/api/sync/push", mustJSON(map[string]any{"protocol": 1, "device": device, "epoch": "old", "mutations": []any{}}), 409, "epoch_changed"},
		{"no picture", "worker1", "/api/sync/attachments", []byte(`{}`), 400, "bad_request"},
	} {
		status, raw := d.post(c.user, c.path, c.body)
		var e struct{ Code, Message string }
		_ = json.Unmarshal(raw, &e)
		if status != c.status || e.Code != c.code || e.Message == "" {
			t.Errorf("%s: %d %s", c.name, status, raw)
		}
	}
	expired := "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x"
	req, _ := http.NewRequest(http.MethodPost, d.url+"/api/sync/push", nil)
	req.Header.Set("Authorization", expired)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 401 {
		t.Fatalf("%v %v", resp, err)
	}
	if d.count("visits") != 0 {
		t.Fatal("half-written")
	}
}

func TestAHarbourSeesTheLoansOfItsHostBankAndABankItsOwn(t *testing.T) {
	d := newDistrict(t)
	counter, deskA, deskB, worker := d.phone("counter"), d.phone("deskA"), d.phone("deskB"), d.phone("worker1")
	loan := func(id, bank string) string {
		d.save("loans", map[string]any{"id": id, "bank": bank, "harbour": "harbour1000000a", "enterprise": "ent100000000000", "amount": 1000, "disbursed_on": "2026-01-01 16:00:00.000Z"})
		return "loans/" + id
	}
	ofA, ofB := loan("loana0000000000", "banka0000000000"), loan("loanb0000000000", "bankb0000000000")
	see := func(when string, p *phone, a, b bool) {
		t.Helper()
		p.pull(0)
		if p.holds(ofA) != a || p.holds(ofB) != b {
			t.Errorf("%s, %s: holds A's loan %t and B's %t", when, p.user, p.holds(ofA), p.holds(ofB))
		}
	}
	see("at first", counter, true, false)
	see("at first", deskA, true, false)
	see("at first", deskB, false, true)
	see("at first", worker, false, false)
	d.edit("harbours", "harbour1000000a", map[string]any{"host_bank": "bankb0000000000"})
	see("another host bank", counter, false, true)
	see("another host bank", deskA, true, false)
}

func TestARecordsRevisionIsItsOwnThoughAnotherCollectionUsesItsID(t *testing.T) {
	d := newDistrict(t)
	worker := d.phone("worker1")
	d.save("loans", map[string]any{"id": "ent100000000000", "bank": "banka0000000000", "amount": 1000, "disbursed_on": "2026-01-01 16:00:00.000Z"})
	worker.pull(0)
	// The loan changes out of the worker's sight: the enterprise of the same id has not.
	d.edit("loans", "ent100000000000", map[string]any{"rate": 4})
	worker.pull(0)
}

func TestNobodyFindsOutAHiddenFieldByAskingForIt(t *testing.T) {
	d := newDistrict(t)
	d.user("liaison", map[string]any{"role": "liaison", "harbour": "harbour1000000a"})
	d.edit("enterprises", "ent100000000000", map[string]any{"special_groups": []string{"disabled"}})
	ask := func(user, query string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, d.url+"/api/collections/enterprises/records?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", d.token(user))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	hidden := len(hooks.HiddenFrom("liaison", "enterprises")) > 0 && len(hooks.HiddenFrom("harbour_staff", "enterprises")) == 0
	if !hidden {
		t.Fatal("the story needs a field that a liaison may not see and the counter may")
	}
	for query, want := range map[string]int{"filter=special_groups~%22disabled%22": 400, "sort=-special_groups": 400, "filter=name~%22%E9%9D%A2%22": 200} {
		if got := ask("liaison", query); got != want {
			t.Errorf("liaison, %s: %d", query, got)
		}
		if got := ask("counter", query); got != 200 {
			t.Errorf("counter, %s: %d", query, got)
		}
	}
}

func TestWhatAFormRequiresCannotBeEmptiedLater(t *testing.T) {
	d := newDistrict(t)
	d.save("loans", map[string]any{"id": "loana0000000000", "bank": "banka0000000000", "contract_no": "T-1", "kind": "renewal", "amount": 1000, "disbursed_on": "2026-01-01 16:00:00.000Z"})
	desk := d.phone("deskA")
	desk.pull(0)
	change := map[string]any{"id": d.id(), "op": "update", "collection": "loans", "record": "loana0000000000", "captured_at": hooks.Stored(d.time),
		"changes": map[string]any{"kind": map[string]any{"from": "renewal", "to": ""}}}
	result := desk.push(change)[0]
	if result.Status != Rejected || result.Errors["kind"].Code != "required" {
		t.Errorf("%+v", result)
	}
}

// Invariant 8: a download reads by row number, and SQLite promises these only until VACUUM.
func TestADownloadReadsATableAgainWhenTheOperatorVacuumsInItsMiddle(t *testing.T) {
	d := newDistrict(t)
	for i := range 5 {
		d.sql(fmt.Sprintf(`INSERT INTO policies (id, title, kind) VALUES ('policy%09d', '政策', 'credit')`, i))
	}
	p := d.phone("worker1")
	for !p.holds("policies/policy000000002") {
		p.page(1)
	}
	d.sql(`VACUUM`)
	if page := p.page(1); !strings.Contains(string(mustJSON(page.Changes)), `"areas"`) {
		t.Errorf("the download went on with %s", mustJSON(page.Changes))
	}
	p.pull(1)
	if got, want := p.ids("policies"), p.listed("policies"); got != want {
		t.Errorf("holds %s, the list API answers %s", got, want)
	}
}

func TestAGridLostAndWonAgainWhileItIsTakenBackLeavesNothingBehind(t *testing.T) {
	d := newDistrict(t)
	for i := range 4 {
		d.save("enterprises", map[string]any{"id": fmt.Sprintf("extra%010d", i), "name": "小店", "grid": "grid10000000000"})
	}
	p := d.phone("worker1")
	p.pull(0)
	d.time = d.time.Add(time.Hour)
	d.edit("assignments", "assignment10000", map[string]any{"until": d.time})
	p.page(1)
	d.sql(`UPDATE enterprises SET grid = 'grid20000000000' WHERE id LIKE 'extra%'`)
	d.assign("worker1", "grid10000000000", "", "")
	p.pull(1)
	if got, want := p.ids("enterprises"), p.listed("enterprises"); got != want {
		t.Errorf("holds %s, the list API answers %s", got, want)
	}
}

func TestAnswersArePackedForThoseWhoTakeThemSo(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	body := mustJSON(PullRequest{Protocol: 1, Device: p.device})
	ask := func(accept string) (encoding string, raw []byte) {
		req, _ := http.NewRequest(http.MethodPost, d.url+"/api/sync/pull", bytes.NewReader(body))
		req.Header.Set("Authorization", d.token("worker1"))
		req.Header.Set("Accept-Encoding", accept)
		resp, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var in io.Reader = resp.Body
		if encoding = resp.Header.Get("Content-Encoding"); encoding == "gzip" {
			if in, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		if raw, err = io.ReadAll(in); err != nil || !json.Valid(raw) {
			t.Fatalf("%v %s", err, raw)
		}
		return encoding, raw
	}
	packed, a := ask("gzip, br")
	plain, b := ask("identity")
	if packed != "gzip" || plain != "" || len(a) != len(b) || len(a) < packedFrom {
		t.Errorf("%q %q, %d and %d bytes", packed, plain, len(a), len(b))
	}
	for accept, want := range map[string]string{"gzip;q=0, identity": "", "br, GZIP; q=0.5": "gzip", "": "", "xgzip": ""} {
		if got, _ := ask(accept); got != want {
			t.Errorf("who accepts %q is answered in %q", accept, got)
		}
	}
}
