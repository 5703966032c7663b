package fieldsync

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Whatever bytes arrive, the real server answers as the protocol says. `make fuzz-sync` looks for bytes that prove otherwise;
// what it has found stands in testdata/fuzz and is tried by every run of the tests.

// target is a district that forgets what an input did, so that a failure depends on that input alone.
type target struct {
	*district
	given      string // a cursor of worker1
	feed, rows int64  // as they were when nothing had been sent
}

// kept are the tables that a call may change and that are put back.
func keptTables() []string {
	return append(hooks.WritableCollections(), "sync_rejections", "sync_conflicts", "sync_mutations", "sync_deferred", "sync_attachments", "scope_history")
}

const (
	ownDevice, foreignDevice = "0190a0b0c0d07000800000000000000a", "0190a0b0c0d07000800000000000000b"
	// Stands in what worker1 and the counter of the first harbour may not see.
	secret = "别人网格里的店"
)

func newTarget(f *testing.F) *target {
	x := &target{district: newDistrict(f)}
	x.edit("enterprises", "ent200000000000", map[string]any{"name": secret, "address": secret})
	x.save("devices", map[string]any{"id": ownDevice, "user": x.users["worker1"].Id, "state": "active"})
	x.save("devices", map[string]any{"id": foreignDevice, "user": x.users["worker2"].Id, "state": "active"})
	// One more was worker1's when the cursor was given, and is no longer.
	x.save("enterprises", map[string]any{"id": "ent300000000000", "name": "搬走的店", "grid": "grid10000000000"})
	x.given = x.aCursor()
	x.edit("enterprises", "ent300000000000", map[string]any{"name": secret, "grid": "grid20000000000"})
	for _, table := range append(keptTables(), "sync_feed") {
		x.sql(`CREATE TABLE fuzz_` + table + ` AS SELECT * FROM ` + table)
	}
	x.feed, x.rows = x.top(), x.remembered()
	return x
}

func (x *target) sql(q string) {
	x.t.Helper()
	if _, err := x.app.DB().NewQuery(q).Execute(); err != nil {
		x.t.Fatalf("%s: %v", q, err)
	}
}

// begin gives the district to one input and puts back what the one before changed.
func (x *target) begin(t *testing.T) {
	x.t = t
	if x.top() == x.feed && x.remembered() == x.rows {
		return
	}
	if err := x.app.RunInTransaction(func(tx core.App) error {
		for _, table := range keptTables() {
			for _, q := range []string{`DELETE FROM ` + table, `INSERT INTO ` + table + ` SELECT * FROM fuzz_` + table} {
				if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
					return err
				}
			}
		}
		// Devices stay: a server may remember that it has met one.
		for _, q := range []string{`DELETE FROM sync_feed WHERE collection != 'devices'`, `INSERT OR IGNORE INTO sync_feed SELECT * FROM fuzz_sync_feed`} {
			if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	x.feed, x.rows = x.top(), x.remembered()
}

func (x *target) top() (n int64) { return x.number(`SELECT COALESCE(max(seq), 0) FROM sync_feed`) }

// remembered counts what takes no seq but must not grow when something is sent again.
func (x *target) remembered() int64 {
	return x.number(`SELECT (SELECT count(*) FROM sync_mutations) + (SELECT count(*) FROM sync_deferred) + (SELECT count(*) FROM sync_attachments)`)
}

func (x *target) number(q string) (n int64) {
	x.t.Helper()
	if err := x.app.DB().NewQuery(q).Row(&n); err != nil {
		x.t.Fatal(err)
	}
	return n
}

// call posts a body and checks what holds for every answer: no 5xx, an error has a code and a sentence, nothing secret is told.
func (x *target) call(user, path string, body []byte) (status int, raw []byte) {
	x.t.Helper()
	status, raw = x.post(user, path, body)
	x.decent(status, raw, body)
	return status, raw
}

func (x *target) decent(status int, raw, body []byte) {
	x.t.Helper()
	if status >= 500 {
		x.t.Fatalf("%d %s\n%s", status, raw, body)
	}
	if status != http.StatusOK {
		var told hooks.Error
		if err := json.Unmarshal(raw, &told); err != nil || told.Code == "" || told.Message == "" {
			x.t.Fatalf("an error without code and sentence: %d %s\n%s", status, raw, body)
		}
	}
	if bytes.Contains(raw, []byte(secret)) && !bytes.Contains(body, []byte(secret)) {
		x.t.Fatalf("told what the user may not see: %s\n%s", raw, body)
	}
}

// sendTwice pushes a body, then the same again as a device does that got no answer, and holds the answers to the protocol.
func (x *target) sendTwice(user string, body []byte) []Result {
	x.t.Helper()
	status, raw := x.call(user, "/api/sync/push", body)
	if status != http.StatusOK {
		return nil
	}
	first := x.results(raw, body)
	top, remembered := x.top(), x.remembered()
	status, raw = x.call(user, "/api/sync/push", body)
	if status != http.StatusOK {
		x.t.Fatalf("sent again: %d %s\n%s", status, raw, body)
	}
	for i, again := range x.results(raw, body) {
		if first[i].Status == Deferred && again.Status != Deferred {
			continue // what it waited for came later in the same push
		}
		if again.Status != first[i].Status {
			x.t.Fatalf("mutation %d: first %+v, sent again %+v\n%s", i, first[i], again, body)
		}
		if !again.Duplicate && !hasCode(again, "bad_mutation") && !hasCode(again, "mutation_reused") {
			x.t.Fatalf("mutation %d is no duplicate when sent again: %+v\n%s", i, again, body)
		}
	}
	if x.top() != top || x.remembered() != remembered {
		x.t.Fatalf("sending again changed something: feed %d → %d, remembered %d → %d\n%s", top, x.top(), remembered, x.remembered(), body)
	}
	return first
}

func hasCode(r Result, code string) bool {
	for _, e := range r.Errors {
		if e.Code == code {
			return true
		}
	}
	return false
}

// results reads an answer to a push: one result a mutation, in its order; what is rejected or waits is kept whole.
func (x *target) results(raw, body []byte) []Result {
	x.t.Helper()
	var sent struct{ Mutations []json.RawMessage }
	var resp PushResponse
	if err := json.Unmarshal(body, &sent); err != nil {
		x.t.Fatalf("taken for a push: %v\n%s", err, body)
	}
	if err := json.Unmarshal(raw, &resp); err != nil || len(resp.Results) != len(sent.Mutations) {
		x.t.Fatalf("%d results for %d mutations, %v: %s\n%s", len(resp.Results), len(sent.Mutations), err, raw, body)
	}
	var bodies []string
	if err := x.app.DB().NewQuery(`SELECT mutation FROM sync_rejections UNION ALL SELECT body FROM sync_deferred`).Column(&bodies); err != nil {
		x.t.Fatal(err)
	}
	for i, r := range resp.Results {
		var named struct{ ID string }
		if json.Unmarshal(sent.Mutations[i], &named) == nil && len(named.ID) <= 64 && r.ID != named.ID {
			x.t.Fatalf("result %d is of %q, sent was %q\n%s", i, r.ID, named.ID, body)
		}
		switch r.Status {
		case Applied, Conflict:
		case Rejected, Deferred:
			if !slices.ContainsFunc(bodies, func(kept string) bool { return sameJSON([]byte(kept), sent.Mutations[i]) }) {
				x.t.Fatalf("mutation %d is %s and nowhere kept: %s\n%+v", i, r.Status, sent.Mutations[i], r)
			}
		default:
			x.t.Fatalf("status %q\n%s", r.Status, body)
		}
	}
	return resp.Results
}

// sameJSON compares two mutations; the clocks of an exchange are no part of one.
func sameJSON(a, b []byte) bool { return bytes.Equal(a, b) || canonicalJSON(a) == canonicalJSON(b) }

func FuzzPushBodies(f *testing.F) {
	x := newTarget(f)
	mutation := func(m string) string {
		return fmt.Sprintf(`{"protocol":1,"device":"%s","sent_at":"2026-09-01 01:00:00.000Z","pending":1,"mutations":[%s]}`, ownDevice, m)
	}
	visit := strings.ReplaceAll(`{"id":"0190a0b0c0d17000800000000000000a","op":"create","collection":"visits","record":"0190a0b0c0d27000800000000000000a","captured_at":"2026-09-01T09:00:00+08:00",`+
		`"data":{"enterprise":"ent100000000000","grid":"grid10000000000","worker":"WORKER","started_at":"2026-09-01 00:50:00.000Z","outcome":"met","location":{"lon":108.4,"lat":30.8}}}`, "WORKER", x.users["worker1"].Id)
	update := `{"id":"0190a0b0c0d17000800000000000000b","op":"update","collection":"enterprises","record":"ent100000000000","captured_at":"2026-09-01 01:00:00.000Z","changes":{"phone":{"from":"13900000001","to":"13900000003"},"name":{"from":"a","to":"b"}}}`
	for _, seed := range []string{
		mutation(""), mutation(visit), mutation(update), mutation(visit + "," + visit), mutation(visit + "," + update),
		mutation(`{"id":"0190a0b0c0d17000800000000000000c","op":"delete","collection":"visits","record":"0190a0b0c0d27000800000000000000a","captured_at":"2026-09-01 01:00:00.000Z","rev":1}`),
		mutation(`{"id":"0190a0b0c0d17000800000000000000d","op":"create","collection":"photos","record":"0190a0b0c0d27000800000000000000c","captured_at":"2026-09-01 01:00:00.000Z","data":{"collection":"visits","record":"0190a0b0c0d27000800000000000000a"}}`),
		mutation(`{"id":"0190a0b0c0d17000800000000000000e","op":"update","collection":"enterprises","record":"ent100000000000","captured_at":"","changes":{},"replaces":"0190a0b0c0d17000800000000000000b"}`),
		mutation(strings.TrimSuffix(update, "}") + `,"applied_seq":7,"sent_at":"2026-08-31 01:00:00.000Z","server_time":"2026-08-31 01:00:00.000Z"}`),
		mutation(`1,"x",null,[],{}`), mutation(`{"id":7}`), mutation(strings.Replace(visit, `"met"`, `"\ud800"`, 1)), mutation(strings.Replace(visit, `"met"`, "\"\xff\"", 1)),
		`{"protocol":2,"mutations":[]}`, `{"protocol":1}`, `[]`, `null`, ``, `{"protocol":1,"device":"` + foreignDevice + `","mutations":[]}`,
		mutation(strings.Replace(visit, `"met"`, `"`+strings.Repeat("长", 30_000)+`"`, 1)),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		x.begin(t)
		x.sendTwice("worker1", body)
	})
}

// choices makes a push out of bytes: mutations that look right, each a little wrong, so that the search starts behind the parser.
type choices struct {
	bytes []byte
	*target
	user string
}

func (c *choices) of(n int) int {
	if len(c.bytes) == 0 {
		return 0
	}
	b := c.bytes[0]
	c.bytes = c.bytes[1:]
	return int(b) % n
}

func one[T any](c *choices, from ...T) T { return from[c.of(len(from))] }

var fuzzIDs = []string{"0190a0b0c0d27000800000000000000a", "0190a0b0c0d270008000000000000000", "0190a0b0c0d27000800000000000000c", "ent100000000000", "ent200000000000", "0190a0b0c0d2700080000000000000", "x", ""}

func (c *choices) value() any {
	worker := c.users[c.user].Id
	return one[any](c, "met", "", "yes", worker, fuzzIDs[0], fuzzIDs[1], "ent100000000000", "ent200000000000", "grid10000000000", "grid20000000000",
		"13900000001", "13900000009", "重庆小面馆", "2026-09-01T09:00:00+08:00", "2026-09-01 01:00:00.000Z", "0000-00-00", "9999-12-31T23:59:59+14:00", "visits", "enterprises",
		0, 1, -1, 1e300, 1.5, true, false, nil, []any{}, []any{"ent100000000000"}, []any{"veteran", "veteran"}, []any{1, nil}, map[string]any{}, map[string]any{"lon": 108.4, "lat": 30.8},
		map[string]any{"lon": 1e9, "lat": "x"}, map[string]any{"a": map[string]any{"b": []any{}}}, strings.Repeat("长", 3000), "\x00", "\u2028' OR 1=1 --", "null", "first_loan", "working_capital", "stage", "accepted", "banka0000000000")
}

func (c *choices) field(collection string) string {
	names := []string{"id", "stage", "number", "scope_grid", "synced_at", "created", "unknown", "", "collectionId", "expand", "name+", "tokenKey"}
	if form := hooks.Forms[collection]; form != nil {
		for _, f := range form.Fields {
			names = append(names, f.Name, f.Name)
		}
	}
	return one(c, names...)
}

// mutation draws anything; plain is what a day's work is mostly made of: the i-th new record after another, right but for a field or two.
func (c *choices) mutation(plain bool, i int) map[string]any {
	m := map[string]any{
		"id":          one[any](c, "m1", "m2", "m3", "0190a0b0c0d17000800000000000000a", "", 7, strings.Repeat("m", 65), strings.Repeat("长", 40)),
		"op":          one[any](c, "create", "create", "create", "update", "update", "delete", "drop", nil),
		"collection":  one[any](c, "visits", "visits", "demands", "demand_events", "demand_matches", "photos", "enterprises", "loans", "users", "sync_rejections", "devices", "_superusers", "nothing", 1),
		"record":      fuzzIDs[c.of(len(fuzzIDs))],
		"captured_at": one[any](c, "2026-09-01 01:00:00.000Z", "2026-09-01T09:00:00+08:00", "2016-09-01 01:00:00.000Z", "2099-01-01T00:00:00-12:00", "2026-09-01T09:00:00+23:59", "yesterday", "", nil),
	}
	if plain {
		m = map[string]any{"id": fmt.Sprint("new", i), "op": "create", "collection": one(c, "visits", "visits", "demands", "photos", "enterprises"),
			"record": fmt.Sprintf("0190a0b0c0d270008000000000000%03d", i), "captured_at": "2026-09-01 01:00:00.000Z"}
	}
	collection, _ := m["collection"].(string)
	worker := c.users[c.user].Id
	data := map[string]any{}
	if plain || c.of(3) > 0 { // begin with what would be taken
		now := "2026-09-01 01:00:00.000Z"
		for k, v := range map[string]map[string]any{
			"visits":         {"enterprise": "ent100000000000", "grid": "grid10000000000", "worker": worker, "started_at": now, "outcome": "met"},
			"demands":        {"enterprise": "ent100000000000", "kind": "first_loan", "need": "working_capital", "amount": 1000, "visit": one[any](c, "", fuzzIDs[1])},
			"demand_events":  {"demand": one(c, fuzzIDs[0], fuzzIDs[1]), "kind": "stage", "to_stage": one(c, "accepted", "matched", "withdrawn"), "at": now},
			"demand_matches": {"demand": one(c, fuzzIDs[0], fuzzIDs[1]), "bank": one(c, "banka0000000000", "bankb0000000000"), "matched_at": now},
			"photos":         {"collection": one(c, "visits", "enterprises", "photos"), "record": one(c, fuzzIDs[0], fuzzIDs[1], "ent100000000000", "ent200000000000")},
			"enterprises":    {"name": "新店", "kind": "company", "grid": one(c, "grid10000000000", "grid20000000000")},
		}[collection] {
			data[k] = v
		}
	}
	if odd := c.of(4); !plain || odd == 3 {
		for range odd {
			data[c.field(collection)] = c.value()
		}
	}
	if plain {
		m["data"] = data
		return m
	}
	changes := map[string]any{}
	for range c.of(4) {
		changes[c.field(collection)] = one[any](c, map[string]any{"from": c.value(), "to": c.value()}, map[string]any{"from": c.value(), "to": c.value()}, map[string]any{"to": c.value()}, map[string]any{}, nil, 1)
	}
	if m["op"] != "update" || c.of(8) == 7 {
		m["data"] = data
	}
	if m["op"] == "update" || c.of(8) == 7 {
		m["changes"] = changes
	}
	if m["op"] == "delete" || c.of(8) == 7 {
		m["rev"] = one[any](c, 0, 1, 1_000_000, -1, 1.5, "1")
	}
	if c.of(6) == 5 {
		m["replaces"] = one[any](c, "m1", "m2", "m3", "nothing", 1)
	}
	if c.of(8) == 7 {
		m["applied_seq"] = one[any](c, 1, 0, 1_000_000, -5, "x")
		m["sent_at"], m["server_time"] = c.value(), c.value()
	}
	return m
}

func FuzzMutationsThatLookRight(f *testing.F) {
	x := newTarget(f)
	for i := range 40 {
		sum := sha256.Sum256([]byte{byte(i)})
		f.Add(bytes.Repeat(sum[:], 1+i%6))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		x.begin(t)
		c := &choices{bytes: raw, target: x}
		c.user = one(c, "worker1", "worker1", "counter", "deskA")
		device := map[string]string{"worker1": ownDevice, "counter": "0190a0b0c0d07000800000000000000c", "deskA": "0190a0b0c0d07000800000000000000d"}[c.user]
		mutations, plain := []any{}, c.of(2) == 0
		for i := range 1 + c.of(6) {
			mutations = append(mutations, c.mutation(plain && c.of(8) > 0, i))
		}
		sentAt := one[any](c, "2026-09-01 01:00:00.000Z", "2020-01-01T00:00:00Z", "", nil)
		push := func(mutations ...any) []byte {
			return mustJSON(map[string]any{"protocol": 1, "device": device, "sent_at": sentAt, "mutations": mutations})
		}
		body := push(mutations...)
		together := x.sendTwice(c.user, body)
		// Nothing of it reaches anybody it should not: the pull compares its digest, the records are those the list API answers.
		if c.of(8) == 7 {
			p := x.phone(c.user)
			p.device = device
			p.pull(0)
			x.sameAsList(p)
		}
		// A batch is no transaction: one by one they come to the same. And by whichever way: here none is applied quickly.
		after := x.contents()
		x.begin(t)
		defer func(all []string) { selfContained = all }(selfContained)
		selfContained = nil
		for i, m := range mutations {
			status, raw := x.call(c.user, "/api/sync/push", push(m))
			var alone PushResponse
			if err := json.Unmarshal(raw, &alone); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s", status, raw)
			}
			if a, b := together[i], alone.Results[0]; a.Status != b.Status || a.Duplicate != b.Duplicate || !reflect.DeepEqual(a.Errors, b.Errors) || !slices.Equal(a.Ignored, b.Ignored) || !reflect.DeepEqual(a.Conflicts, b.Conflicts) {
				t.Fatalf("mutation %d together: %+v, alone: %+v\n%s", i, a, b, body)
			}
		}
		for table, rows := range x.contents() {
			if rows != after[table] {
				t.Fatalf("%s together:\n%s\nalone:\n%s\n%s", table, after[table], rows, body)
			}
		}
	})
}

// contents is what a push may change, table by table, but for what no two runs share: clocks, random ids, places in the feed.
func (x *target) contents() map[string]string {
	x.t.Helper()
	out := map[string]string{}
	for _, table := range keptTables() {
		var columns []string
		if err := x.app.DB().NewQuery(`SELECT name FROM pragma_table_info('` + table + `')`).Column(&columns); err != nil {
			x.t.Fatal(err)
		}
		unshared := []string{"created", "updated", "seq", "prev_rev", "rev", "result", "hash", "position"}
		if hooks.Forms[table] == nil && table != "sync_mutations" {
			unshared = append(unshared, "id")
		}
		columns = slices.DeleteFunc(columns, func(c string) bool { return slices.Contains(unshared, c) })
		var rows string
		if err := x.app.DB().NewQuery(`SELECT group_concat(row, char(10)) FROM (SELECT json_array(` + columnList(columns) + `) AS row FROM ` + table + ` ORDER BY row)`).Row(&rows); err != nil {
			rows = "" // none
		}
		out[table] = rows
	}
	return out
}

// sameAsList compares what a phone holds with what PocketBase's list API answers its user.
func (x *target) sameAsList(p *phone) {
	x.t.Helper()
	may := x.listed(p.user)
	for key := range p.has {
		if !may[key] {
			x.t.Errorf("%s holds %s, which the list API does not answer", p.user, key)
		}
	}
	if len(p.has) != len(may) {
		x.t.Errorf("%s holds %d records, the list API answers %d", p.user, len(p.has), len(may))
	}
}

// listed names everything that the list API answers a user.
func (x *target) listed(user string) map[string]bool {
	x.t.Helper()
	out := map[string]bool{}
	for _, h := range hooks.Holdings {
		req, _ := http.NewRequest(http.MethodGet, x.url+"/api/collections/"+h.Collection+"/records?perPage=1000&skipTotal=1&fields=id", nil)
		req.Header.Set("Authorization", x.token(user))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			x.t.Fatal(err)
		}
		var page struct{ Items []struct{ ID string } }
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			x.t.Fatalf("%s: %d %v", h.Collection, resp.StatusCode, err)
		}
		for _, r := range page.Items {
			out[h.Collection+"/"+r.ID] = true
		}
	}
	return out
}

// In a body CURSOR stands for a cursor that the server has given; bent changes one of its letters, unless it is 0.
func FuzzPullBodies(f *testing.F) {
	x := newTarget(f)
	for _, seed := range []string{
		`{"protocol":1,"device":"DEVICE","cursor":null}`, `{"protocol":1,"device":"DEVICE","cursor":"CURSOR","limit":1}`, `{"protocol":1,"device":"DEVICE","cursor":"CURSOR","digest":true}`,
		`{"protocol":1,"device":"DEVICE","cursor":null,"collections":["visits","areas"],"digest":true}`, `{"protocol":1,"device":"DEVICE","cursor":"","limit":-1,"collections":["users"]}`,
		`{"protocol":1,"device":"DEVICE","cursor":"e30","limit":2}`, `{"protocol":1,"device":"DEVICE","cursor":"eyJ1IjoiIn0","limit":9007199254740993}`,
		`{"protocol":1,"device":"` + foreignDevice + `","cursor":null}`, `{"protocol":1,"device":""}`, `{"protocol":9}`, `null`, `{}`, `[`, `{"protocol":1,"device":"DEVICE","cursor":1}`,
		`{"protocol":1,"device":"DEVICE","cursor":null,"collections":["areas","areas"],"digest":true}`, `{"protocol":1,"device":"DEVICE","cursor":null,"collections":[""]}`,
	} {
		f.Add([]byte(strings.ReplaceAll(seed, "DEVICE", ownDevice)), uint16(0))
		f.Add([]byte(strings.ReplaceAll(seed, "DEVICE", ownDevice)), uint16(300))
	}
	may := x.listed("worker1")
	f.Fuzz(func(t *testing.T, body []byte, bent uint16) {
		x.begin(t)
		cursor := []byte(x.given)
		if bent != 0 {
			cursor[int(bent)%len(cursor)] ^= byte(bent>>8) | 1
		}
		quoted := mustJSON(string(cursor))
		body = bytes.ReplaceAll(body, []byte("CURSOR"), quoted[1:len(quoted)-1])
		status, raw := x.call("worker1", "/api/sync/pull", body)
		if status != http.StatusOK {
			return
		}
		var req PullRequest
		var page PullResponse
		if err := json.Unmarshal(body, &req); err != nil {
			t.Fatalf("taken for a pull: %v\n%s", err, body)
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			t.Fatal(err)
		}
		if page.More && len(page.Changes) == 0 {
			t.Fatalf("more without a change\n%s", body)
		}
		for _, c := range page.Changes {
			if c.Op == "upsert" && !may[c.Collection+"/"+idIn(t, c)] && c.Collection != "devices" {
				t.Fatalf("a pull brought %s %s, which the list API does not answer\n%s", c.Collection, c.Record, body)
			}
			if len(req.Collections) > 0 && !slices.Contains(req.Collections, c.Collection) {
				t.Fatalf("%s was not asked for\n%s", c.Collection, body)
			}
		}
		if req.Limit > 0 && len(page.Changes) > req.Limit {
			t.Fatalf("%d changes, limit %d\n%s", len(page.Changes), req.Limit, body)
		}
		// The cursor given is one the server knows.
		req.Cursor = &page.Cursor
		status, raw = x.call("worker1", "/api/sync/pull", mustJSON(req))
		var next PullResponse
		if err := json.Unmarshal(raw, &next); err != nil || status != http.StatusOK || next.Reset {
			t.Fatalf("its own cursor: %d %s\n%s", status, raw, body)
		}
	})
}

func (x *target) aCursor() string {
	x.t.Helper()
	status, raw := x.post("worker1", "/api/sync/pull", mustJSON(PullRequest{Protocol: 1, Device: ownDevice}))
	var page PullResponse
	if err := json.Unmarshal(raw, &page); err != nil || status != http.StatusOK {
		x.t.Fatalf("%d %s", status, raw)
	}
	return page.Cursor
}

func idIn(t *testing.T, c PullChange) string {
	var r struct{ ID string }
	if err := json.Unmarshal(c.Record, &r); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func FuzzHelloBodies(f *testing.F) {
	x := newTarget(f)
	for _, seed := range []string{
		`{"protocol":1,"device":{"id":"DEVICE","name":"手机","platform":"android","app_version":"1.0"},"sent_at":"2026-09-01 01:00:00.000Z","pending":3}`,
		`{"protocol":1,"device":{"id":"DEVICE"},"wiped":true}`, `{"protocol":1,"device":{"id":"` + foreignDevice + `","name":"mine"}}`, `{"protocol":1,"device":{"id":"0190a0b0c0d0700080000000000000ff","name":"\u0000"}}`,
		`{"protocol":1,"device":{"id":"x"}}`, `{"protocol":0}`, `{}`, `null`, `{"protocol":1,"device":{"id":"DEVICE","name":"` + strings.Repeat("长", 500) + `"},"pending":-9223372036854775808,"sent_at":"9999-12-31T23:59:59Z"}`,
	} {
		f.Add([]byte(strings.ReplaceAll(seed, "DEVICE", ownDevice)))
	}
	foreign := func() string {
		var name string
		if err := x.app.DB().NewQuery(`SELECT json_group_array(id || name || state || user) FROM (SELECT * FROM devices WHERE user != '` + x.users["worker1"].Id + `' ORDER BY id)`).Row(&name); err != nil {
			x.t.Fatal(err)
		}
		return name
	}
	before := foreign()
	f.Fuzz(func(t *testing.T, body []byte) {
		x.begin(t)
		status, raw := x.call("worker1", "/api/sync/hello", body)
		if foreign() != before {
			t.Fatalf("another's device was changed\n%s", body)
		}
		if status != http.StatusOK {
			return
		}
		var resp HelloResponse
		if err := json.Unmarshal(raw, &resp); err != nil || resp.Epoch == "" || resp.DeviceState == "" || resp.User["id"] != x.users["worker1"].Id {
			t.Fatalf("%s\n%s", raw, body)
		}
		again, raw := x.call("worker1", "/api/sync/hello", body)
		if again != status {
			t.Fatalf("first %d, then %d %s\n%s", status, again, raw, body)
		}
	})
}

// FILE, SUM and BYTES stand for what is true of the picture that is sent along.
func FuzzAttachmentMeta(f *testing.F) {
	x := newTarget(f)
	picture := picturePNG(7)
	sum := sha256.Sum256(picture)
	truth := strings.NewReplacer("SUM", hex.EncodeToString(sum[:]), "BYTES", fmt.Sprint(len(picture)), "DEVICE", ownDevice)
	good := `{"device":"DEVICE","id":"0190a0b0c0d37000800000000000000a","collection":"visits","record":"0190a0b0c0d27000800000000000000a","sha256":"SUM","bytes":BYTES,"sent_at":"2026-09-01 01:00:00.000Z","taken_at":"2026-09-01 01:00:00.000Z"}`
	for _, seed := range []string{
		good, strings.Replace(good, `"sha256"`, `"field":"signature","sha256"`, 1), strings.Replace(good, `"sha256"`, `"field":"notes","sha256"`, 1), strings.Replace(good, "0190a0b0c0d27000800000000000000a", "ent100000000000", 1),
		strings.Replace(good, `"visits"`, `"users"`, 1), strings.Replace(good, "0190a0b0c0d27000800000000000000a", "../../../../x", 1), strings.Replace(good, "DEVICE", foreignDevice, 1), strings.Replace(good, "SUM", "00", 1),
		strings.Replace(good, "BYTES", "1e2", 1), strings.Replace(good, "}", `,"location":{"lon":1e308,"lat":null}}`, 1), `null`, `{}`, ``, `[]`,
	} {
		f.Add([]byte(seed))
	}
	upload := func(meta []byte) (int, []byte) {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField("meta", string(meta))
		part, _ := form.CreateFormFile("file", "p.png")
		_, _ = part.Write(picture)
		_ = form.Close()
		req, _ := http.NewRequest(http.MethodPost, x.url+"/api/sync/attachments", &body)
		req.Header.Set("Content-Type", form.FormDataContentType())
		req.Header.Set("Authorization", x.token("worker1"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			x.t.Fatal(err)
		}
		defer resp.Body.Close()
		var raw bytes.Buffer
		_, _ = raw.ReadFrom(resp.Body)
		x.decent(resp.StatusCode, raw.Bytes(), meta)
		return resp.StatusCode, raw.Bytes()
	}
	f.Fuzz(func(t *testing.T, meta []byte) {
		x.begin(t)
		meta = []byte(truth.Replace(string(meta)))
		status, raw := upload(meta)
		if status != http.StatusOK {
			return
		}
		var first, again AttachmentResult
		if err := json.Unmarshal(raw, &first); err != nil || !slices.Contains([]Status{Applied, Deferred, Rejected}, first.Status) {
			t.Fatalf("%s\n%s", raw, meta)
		}
		remembered := x.remembered()
		_, raw = upload(meta)
		if err := json.Unmarshal(raw, &again); err != nil || again.Status != first.Status || again.Status != Rejected && !again.Duplicate || x.remembered() != remembered {
			t.Fatalf("first %+v, then %s\n%s", first, raw, meta)
		}
		x.nothingOutsideStorage()
	})
}

// nothingOutsideStorage: whatever a meta names, files come to lie where PocketBase keeps a record's files.
func (x *target) nothingOutsideStorage() {
	x.t.Helper()
	if err := filepath.WalkDir(x.app.DataDir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(x.app.DataDir(), path)
		if err == nil && strings.Contains(inside, ".png") && len(strings.Split(inside, string(filepath.Separator))) != 4 {
			x.t.Errorf("a picture lies at %s", inside)
		}
		return err
	}); err != nil {
		x.t.Fatal(err)
	}
}

func FuzzMissingBodies(f *testing.F) {
	x := newTarget(f)
	for _, seed := range []string{`{"device":"DEVICE","ids":["0190a0b0c0d37000800000000000000a"]}`, `{"device":"DEVICE","ids":[]}`, `{"device":"DEVICE","ids":["","'","\u0000",null]}`, `{"ids":null}`, `null`, `{"ids":[1]}`, `{`} {
		f.Add([]byte(strings.ReplaceAll(seed, "DEVICE", ownDevice)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		x.begin(t)
		status, raw := x.call("worker1", "/api/sync/attachments/missing", body)
		if status != http.StatusOK {
			return
		}
		var req MissingRequest
		var resp MissingResponse
		if json.Unmarshal(body, &req) != nil || json.Unmarshal(raw, &resp) != nil || resp.Missing == nil {
			t.Fatalf("%s\n%s", raw, body)
		}
		for _, id := range resp.Missing {
			if !slices.Contains(req.IDs, id) {
				t.Fatalf("%q was not asked for\n%s", id, body)
			}
		}
	})
}
