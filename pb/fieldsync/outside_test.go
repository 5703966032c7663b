package fieldsync

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"gangwan/hooks"
)

// RxDB knows nothing of us: an adapter of a page, written from the protocol page alone, lets two of its databases converge with the
// real server though a third of all requests and answers is lost (invariants 1 to 6, for a generic client).
func TestAnOutsideClientThatReplicatesOneCollectionAtATimeConverges(t *testing.T) {
	for seed := range 3 {
		d := newDistrict(t)
		x := d.outside(t, seed+1, map[string]string{"grid": "worker1", "counter": "counter"})
		x.do(map[string]any{"do": "sync"}, nil)
		x.same()

		// Both work without a network: visits on both phones, and the same enterprise changed on both.
		visit := func(phone, user string) (id string) {
			at := hooks.Stored(d.time)
			x.do(map[string]any{"do": "create", "phone": phone, "collection": "visits", "data": map[string]any{"enterprise": "ent100000000000", "grid": "grid10000000000",
				"worker": d.users[user].Id, "started_at": at, "outcome": "met", "place": "shop"}}, &id)
			return id
		}
		edit := func(phone, collection, id string, data map[string]any) {
			x.do(map[string]any{"do": "update", "phone": phone, "collection": collection, "id": id, "data": data}, nil)
		}
		var mine string
		for range 12 {
			mine = visit("grid", "worker1")
			visit("counter", "counter")
		}
		edit("grid", "visits", mine, map[string]any{"notes": "改过一次"})
		edit("grid", "enterprises", "ent100000000000", map[string]any{"phone": "13911111111", "owner": "张三"})
		edit("counter", "enterprises", "ent100000000000", map[string]any{"phone": "13922222222", "address": "王家坡 1 号"})
		// What breaks a rule is refused and leaves the collection, but is not lost.
		x.do(map[string]any{"do": "create", "phone": "grid", "collection": "visits", "data": map[string]any{"enterprise": "ent100000000000", "worker": d.users["worker1"].Id}}, nil)
		x.do(map[string]any{"do": "sync"}, nil)
		x.do(map[string]any{"do": "sync"}, nil)
		x.same()
		merged, err := d.app.FindRecordById("enterprises", "ent100000000000")
		x.ok(err)
		if merged.GetString("owner") != "张三" || merged.GetString("address") != "王家坡 1 号" {
			t.Errorf("two fields changed by two phones were not merged: %v", merged)
		}
		if n, _ := d.app.CountRecords("sync_conflicts"); n != 1 {
			t.Errorf("%d conflicts, both phones changed one field", n)
		}
		if n, _ := d.app.CountRecords("visits"); n != 24 {
			t.Errorf("%d visits of 24", n)
		}
		var refused []map[string]any
		x.do(map[string]any{"do": "refused", "phone": "grid"}, &refused)
		if len(refused) != 1 || refused[0]["errors"] == nil {
			t.Errorf("refused: %v", refused)
		}

		// One visit is taken back, one is deleted in the console, the enterprise changes on a phone while it leaves the grid.
		x.do(map[string]any{"do": "remove", "phone": "grid", "collection": "visits", "id": mine}, nil)
		edit("counter", "enterprises", "ent100000000000", map[string]any{"owner": "李四"})
		d.edit("enterprises", "ent100000000000", map[string]any{"grid": "grid20000000000", "contact": "王五"})
		x.do(map[string]any{"do": "sync"}, nil)
		x.do(map[string]any{"do": "sync"}, nil)
		x.same()

		// It comes back; a visit is deleted while the cursor dies: only the full download can tell.
		d.edit("enterprises", "ent100000000000", map[string]any{"grid": "grid10000000000"})
		x.do(map[string]any{"do": "sync"}, nil)
		x.do(map[string]any{"do": "sync"}, nil)
		x.same()
		visit("counter", "counter") // in the outbox all the while
		_, err = NewEpoch(d.app, d.time, 0)
		x.ok(err)
		rows, err := d.app.FindAllRecords("visits")
		x.ok(err)
		x.ok(d.app.Delete(rows[0]))
		x.do(map[string]any{"do": "sync"}, nil)
		x.do(map[string]any{"do": "sync"}, nil)
		x.same()
		var lost int
		x.do(map[string]any{"do": "lost"}, &lost)
		if lost < 10 {
			t.Errorf("only %d requests and answers were lost: nothing was tested", lost)
		}
		x.end()
	}
}

var outsideCollections = []string{"enterprises", "visits"}

// outsiders are RxDB phones in a node process.
type outsiders struct {
	*district
	t     *testing.T
	users map[string]string
	in    io.WriteCloser
	out   *bufio.Reader
	node  *exec.Cmd
}

// outside starts node with one phone for each user; what it needs is installed when it is not there.
func (d *district) outside(t *testing.T, seed int, users map[string]string) *outsiders {
	t.Helper()
	x := &outsiders{district: d, t: t, users: users}
	dir := filepath.Join("testdata", "rxdb")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "rxdb")); err != nil {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	x.node = exec.Command("node", "run.mjs")
	x.node.Dir, x.node.Stderr = dir, os.Stderr
	var err error
	x.in, err = x.node.StdinPipe()
	x.ok(err)
	out, err := x.node.StdoutPipe()
	x.ok(err)
	x.out = bufio.NewReader(out)
	x.ok(x.node.Start())
	t.Cleanup(func() { _ = x.node.Process.Kill() })
	phones, collections := map[string]string{}, map[string][]string{}
	for phone, user := range users {
		phones[phone] = d.token(user)
	}
	for _, name := range outsideCollections {
		c, err := d.app.FindCollectionByNameOrId(name)
		x.ok(err)
		collections[name] = c.Fields.FieldNames()
	}
	x.write(map[string]any{"seed": seed, "url": d.url, "phones": phones, "collections": collections})
	return x
}

func (x *outsiders) ok(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *outsiders) write(v any) {
	x.t.Helper()
	_, err := x.in.Write(append(mustJSON(v), '\n'))
	x.ok(err)
}

// do gives one command and reads its answer.
func (x *outsiders) do(command map[string]any, into any) {
	x.t.Helper()
	x.write(command)
	line, err := x.out.ReadBytes('\n')
	x.ok(err)
	var answer struct {
		OK    json.RawMessage
		Error string
	}
	x.ok(json.Unmarshal(line, &answer))
	if answer.Error != "" {
		x.t.Fatalf("%v: %s", command, answer.Error)
	}
	if into != nil {
		x.ok(json.Unmarshal(answer.OK, into))
	}
}

func (x *outsiders) end() {
	x.t.Helper()
	x.ok(x.in.Close())
	x.ok(x.node.Wait())
}

// same compares each RxDB collection with what the list API answers its user, record for record and field for field.
func (x *outsiders) same() {
	x.t.Helper()
	for phone, user := range x.users {
		for _, collection := range outsideCollections {
			var docs []map[string]any
			x.do(map[string]any{"do": "dump", "phone": phone, "collection": collection}, &docs)
			holds := map[string]map[string]any{}
			for _, doc := range docs {
				delete(doc, "rev")
				holds[doc["id"].(string)] = doc
			}
			listed := x.list(user, collection)
			for id, record := range listed {
				if !reflect.DeepEqual(holds[id], record) {
					x.t.Errorf("%s, %s: RxDB holds %v, the server answers %v", phone, collection, holds[id], record)
				}
			}
			if len(holds) != len(listed) {
				x.t.Errorf("%s: RxDB holds %d %s, the server answers %d", phone, len(holds), collection, len(listed))
			}
		}
	}
}

// list reads a whole collection by PocketBase's own API.
func (d *district) list(user, collection string) map[string]map[string]any {
	d.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, d.url+"/api/collections/"+collection+"/records?perPage=1000", nil)
	req.Header.Set("Authorization", d.token(user))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var page struct{ Items []map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&page); err != nil || resp.StatusCode != http.StatusOK {
		d.t.Fatalf("%s: %d %v", collection, resp.StatusCode, err)
	}
	out := map[string]map[string]any{}
	for _, r := range page.Items {
		delete(r, "collectionId")
		delete(r, "collectionName")
		out[r["id"].(string)] = r
	}
	return out
}
