package fieldsync

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/router"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"
)

// district is a real server with a small district in it and a clock that tests move.
type district struct {
	t     testing.TB
	app   core.App
	url   string
	time  time.Time
	clock func() time.Time // a clock that runs, in place of time
	seed  byte
	users map[string]*core.Record
	close func()
}

// template is the data folder of a small district, made once: migrating and hashing passwords for every test would take
// longer than the tests themselves.
var template = sync.OnceValues(func() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "district")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &builder{now: func() time.Time { return dayOne }}
	if err := fresh.Fill(dir); err != nil {
		return nil, err
	}
	if b.app, err = boot(dir); err != nil {
		return nil, err
	}
	hooks.Bind(b.app, b.now)
	bindFeed(b.app, b.now)
	if err := prepare(b.app, b.now); err != nil {
		return nil, err
	}
	street := b.save("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"})
	community := b.save("areas", map[string]any{"code": "500101001001", "name": "王家坡社区", "kind": "community", "parent": street})
	b.save("banks", map[string]any{"id": "banka0000000000", "name": "甲银行", "kind": "bank"})
	b.save("banks", map[string]any{"id": "bankb0000000000", "name": "乙银行", "kind": "bank"})
	b.save("harbours", map[string]any{"id": "harbour1000000a", "number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": "banka0000000000", "area": street})
	b.save("harbours", map[string]any{"id": "harbour2000000a", "number": "002", "name": "商圈港湾", "kind": "business_circle", "host_bank": "banka0000000000"})
	b.save("grids", map[string]any{"id": "grid10000000000", "name": "第一网格", "area": community, "harbour": "harbour1000000a"})
	b.save("grids", map[string]any{"id": "grid20000000000", "name": "第二网格", "area": community, "harbour": "harbour2000000a"})
	user := func(name string, values map[string]any) string {
		values["id"], values["name"], values["email"], values["password"] = userID(name), name, name+"@example.com", "password123"
		return b.save("users", values)
	}
	worker1, worker2 := user("worker1", map[string]any{"role": "grid_worker"}), user("worker2", map[string]any{"role": "grid_worker"})
	user("counter", map[string]any{"role": "harbour_staff", "harbour": "harbour1000000a"})
	user("deskA", map[string]any{"role": "bank", "bank": "banka0000000000"})
	user("deskB", map[string]any{"role": "bank", "bank": "bankb0000000000"})
	b.save("assignments", map[string]any{"id": "assignment10000", "user": worker1, "grid": "grid10000000000"})
	b.save("assignments", map[string]any{"id": "assignment20000", "user": worker2, "grid": "grid20000000000"})
	b.save("enterprises", map[string]any{"id": "ent100000000000", "name": "重庆小面馆", "grid": "grid10000000000", "phone": "13900000001"})
	b.save("enterprises", map[string]any{"id": "ent200000000000", "name": "三峡五金店", "grid": "grid20000000000", "phone": "13900000002"})
	if err := errors.Join(b.err, b.app.ResetBootstrapState()); err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, name := range []string{"data.db", "auxiliary.db"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

// builder saves the template's records and keeps the first error.
type builder struct {
	app core.App
	now hooks.Clock
	err error
}

func (b *builder) save(collection string, values map[string]any) (id string) {
	if b.err != nil {
		return ""
	}
	r, err := newRecord(b.app, collection, values)
	if err == nil {
		err = b.app.Save(r)
	}
	if err != nil {
		b.err = fmt.Errorf("%s %v: %w", collection, values, err)
		return ""
	}
	return r.Id
}

func newRecord(app core.App, collection string, values map[string]any) (*core.Record, error) {
	c, err := app.FindCachedCollectionByNameOrId(collection)
	if err != nil {
		return nil, err
	}
	r := core.NewRecord(c)
	for k, v := range values {
		r.Set(k, v)
	}
	return r, nil
}

var dayOne = time.Date(2026, 9, 1, 1, 0, 0, 0, time.UTC)

func boot(dir string) (core.App, error) {
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: Connect})
	return app, app.Bootstrap()
}

func newDistrict(t testing.TB) *district {
	t.Helper()
	files, err := template()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := &district{t: t, time: dayOne, users: map[string]*core.Record{}}
	d.serve(dir)
	users, err := d.app.FindAllRecords("users")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		d.users[u.GetString("name")] = u
	}
	return d
}

// serve opens the data folder and answers HTTP until the test ends.
func (d *district) serve(dir string) {
	d.t.Helper()
	app, err := boot(dir)
	if err != nil {
		d.t.Fatal(err)
	}
	d.app = app
	hooks.Bind(app, d.now)
	Bind(app, d.now)
	routes, err := apis.NewRouter(app)
	if err != nil {
		d.t.Fatal(err)
	}
	serve := &core.ServeEvent{App: app, Router: routes}
	var mux http.Handler
	if err := app.OnServe().Trigger(serve, func(e *core.ServeEvent) error {
		mux, err = (*router.Router[*core.RequestEvent])(e.Router).BuildMux()
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	d.url = server.URL
	d.close = sync.OnceFunc(func() {
		server.Close()
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return app.ResetBootstrapState() })
	})
	d.t.Cleanup(d.close)
}

func (d *district) now() time.Time {
	if d.clock != nil {
		return d.clock()
	}
	return d.time
}

func (d *district) save(collection string, values map[string]any) *core.Record {
	d.t.Helper()
	r, err := newRecord(d.app, collection, values)
	if err == nil {
		err = d.app.Save(r)
	}
	if err != nil {
		d.t.Fatalf("%s %v: %v", collection, values, err)
	}
	return r
}

func (d *district) edit(collection, id string, values map[string]any) {
	d.t.Helper()
	r, err := d.app.FindRecordById(collection, id)
	if err != nil {
		d.t.Fatal(err)
	}
	for k, v := range values {
		r.Set(k, v)
	}
	if err := d.app.Save(r); err != nil {
		d.t.Fatal(err)
	}
}

// userID is the same in every run, so that a failed history repeats.
func userID(name string) string { return (strings.ToLower(name) + strings.Repeat("0", 15))[:15] }

func (d *district) user(name string, values map[string]any) {
	values["id"], values["name"], values["email"], values["password"] = userID(name), name, name+"@example.com", "password123"
	d.users[name] = d.save("users", values)
}

func (d *district) assign(user, grid, from, until string) string {
	return d.save("assignments", map[string]any{"user": d.users[user].Id, "grid": grid, "from": from, "until": until}).Id
}

func (d *district) id() string {
	d.seed++
	return hooks.NewID(d.time, bytes.NewReader(bytes.Repeat([]byte{d.seed}, 16)))
}

func (d *district) token(user string) string {
	d.t.Helper()
	fresh, err := d.app.FindRecordById("users", d.users[user].Id)
	if err != nil {
		d.t.Fatal(err)
	}
	token, err := fresh.NewAuthToken()
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

func (d *district) post(user, path string, body []byte) (int, []byte) {
	d.t.Helper()
	req, _ := http.NewRequest(http.MethodPost, d.url+path, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if user != "" {
		req.Header.Set("Authorization", d.token(user))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, raw
}

// phone is the simplest honest client: it stores what it is given.
type phone struct {
	d      *district
	user   string
	device string
	cursor *string
	has    map[string]map[string]any
	revs   map[string]int64
}

func (d *district) phone(user string) *phone {
	return &phone{d: d, user: user, device: d.id(), has: map[string]map[string]any{}, revs: map[string]int64{}}
}

func (p *phone) push(mutations ...map[string]any) []Result {
	p.d.t.Helper()
	body, _ := json.Marshal(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(p.d.time), "mutations": mutations})
	status, raw := p.d.post(p.user, "/api/sync/push", body)
	if status != 200 {
		p.d.t.Fatalf("push: %d %s", status, raw)
	}
	var resp PushResponse
	if err := json.Unmarshal(raw, &resp); err != nil {
		p.d.t.Fatal(err)
	}
	return resp.Results
}

func (p *phone) pull(limit int) (pages int) {
	p.d.t.Helper()
	for {
		resp := p.page(limit)
		pages++
		if !resp.More {
			p.check(resp.Digest)
			return pages
		}
		if len(resp.Changes) == 0 {
			p.d.t.Fatal("more without a change")
		}
	}
}

// page asks for one page and stores what it brings.
func (p *phone) page(limit int) PullResponse {
	p.d.t.Helper()
	body, _ := json.Marshal(PullRequest{Protocol: 1, Device: p.device, Cursor: p.cursor, Limit: limit, Digest: true})
	status, raw := p.d.post(p.user, "/api/sync/pull", body)
	if status != 200 {
		p.d.t.Fatalf("pull: %d %s", status, raw)
	}
	var resp PullResponse
	if err := json.Unmarshal(raw, &resp); err != nil {
		p.d.t.Fatal(err)
	}
	if resp.Reset {
		p.has, p.revs = map[string]map[string]any{}, map[string]int64{}
	}
	for _, c := range resp.Changes {
		if c.Op == "remove" {
			delete(p.has, c.Collection+"/"+c.ID)
			delete(p.revs, c.Collection+"/"+c.ID)
			continue
		}
		var record map[string]any
		if err := json.Unmarshal(c.Record, &record); err != nil {
			p.d.t.Fatalf("%s: %v", c.Record, err)
		}
		key := c.Collection + "/" + record["id"].(string)
		if c.Rev >= p.revs[key] {
			p.has[key], p.revs[key] = record, c.Rev
		}
	}
	p.cursor = &resp.Cursor
	return resp
}

func (p *phone) check(want map[string]CollectionDigest) {
	p.d.t.Helper()
	got := map[string]CollectionDigest{}
	for collection := range want {
		got[collection] = CollectionDigest{}
	}
	for key, rev := range p.revs {
		collection, id := splitKey(key)
		d := got[collection]
		d.Count++
		d.Xor ^= DigestOf(id, rev)
		got[collection] = d
	}
	for collection, w := range want {
		if got[collection] != w {
			p.d.t.Errorf("%s: %s holds %+v, the server says %+v", p.user, collection, got[collection], w)
		}
	}
}

func splitKey(key string) (collection, id string) {
	for i := range key {
		if key[i] == '/' {
			return key[:i], key[i+1:]
		}
	}
	return key, ""
}

func (p *phone) holds(key string) bool { _, ok := p.has[key]; return ok }

func (p *phone) visit(enterprise, grid string) map[string]any {
	at := hooks.Stored(p.d.time)
	return map[string]any{"id": p.d.id(), "op": "create", "collection": "visits", "record": p.d.id(), "captured_at": at, "data": map[string]any{
		"enterprise": enterprise, "grid": grid, "worker": p.d.users[p.user].Id, "started_at": at, "ended_at": at, "outcome": "met", "place": "shop"}}
}
