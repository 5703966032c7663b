package fieldsync

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"pgregory.net/rapid"

	"gangwan/hooks"
)

// The quick way and PocketBase's own Save (the long way takes it) are one: the same answer, the same errors, the same row, the
// same scopes in the feed, whatever a phone sends. A mutation that names the clocks of an earlier exchange takes the long way.
func TestACreateAppliedInARunIsWhatPocketBaseItselfWouldHaveSaved(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	var quick, long, taken, refused int
	for _, c := range selfContained { // PocketBase's own hook and ours; the quick way runs ours alone
		d.app.OnRecordValidate(c).BindFunc(func(e *core.RecordEvent) error {
			long++
			quick--
			return e.Next()
		})
		hooks.OnValidate(d.app, c, func(e *core.RecordEvent) error {
			quick++
			return e.Next()
		})
	}
	next := uint32(1 << 20)
	id := func() string { next++; return hooks.NewID(d.time, &counter{next}) }
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom(selfContained).Draw(rt, "collection")
		collection, err := d.app.FindCollectionByNameOrId(name)
		if err != nil {
			rt.Fatal(err)
		}
		data := randomData(rt, d, collection)
		at := rapid.SampledFrom([]string{hooks.Stored(d.time), "2026-09-01T09:00:00+08:00", "2026-08-31T23:59:59.5-03:30", "gestern"}).Draw(rt, "captured_at")
		send := func(extra map[string]any) (Result, dbx.NullStringMap, string) {
			record := id()
			m := map[string]any{"id": id(), "op": "create", "collection": name, "record": record, "captured_at": at, "data": data}
			for k, v := range extra {
				m[k] = v
			}
			r := p.push(m)[0]
			row := dbx.NullStringMap{}
			if r.Status == Applied {
				if err := d.app.DB().NewQuery("SELECT * FROM " + name + " WHERE id = {:id}").Bind(dbx.Params{"id": record}).One(row); err != nil {
					rt.Fatal(err)
				}
			}
			var feed []string
			if err := d.app.DB().NewQuery("SELECT scope FROM sync_feed WHERE record = {:id} AND collection = {:c} ORDER BY scope").
				Bind(dbx.Params{"id": record, "c": name}).Column(&feed); err != nil {
				rt.Fatal(err)
			}
			for _, ours := range []string{"id", "created", "updated"} {
				delete(row, ours)
			}
			if _, err := d.app.DB().NewQuery("DELETE FROM " + name + " WHERE id = {:id}").Bind(dbx.Params{"id": record}).Execute(); err != nil {
				rt.Fatal(err)
			}
			r.ID, r.Seq, r.Record = "", 0, nil
			return r, row, strings.Join(feed, " ")
		}
		a, rowA, feedA := send(nil)
		b, rowB, feedB := send(map[string]any{"server_time": hooks.Stored(d.time)})
		if fmt.Sprintf("%+v", a) != fmt.Sprintf("%+v", b) {
			rt.Fatalf("the quick way answers %+v, the long way %+v", a, b)
		}
		if fmt.Sprint(rowA) != fmt.Sprint(rowB) || feedA != feedB {
			rt.Fatalf("the quick way wrote\n%v (%s), the long way\n%v (%s)", rowA, feedA, rowB, feedB)
		}
		if a.Status == Applied {
			taken++
		} else {
			refused++
		}
	})
	if taken < 10 || refused < 10 || quick < taken || long < taken {
		t.Errorf("the test must see both: %d taken and %d refused, %d validated the quick way, %d the long", taken, refused, quick, long)
	}
}

// randomData fills a form, mostly as it should be.
func randomData(rt *rapid.T, d *district, collection *core.Collection) map[string]any {
	odd := rapid.SampledFrom([]any{nil, "", 0.0, -1.0, 1.5, 1e300, true, "x", strings.Repeat("长", 6000), "不存在", []any{}, []any{"x", "x"}, []any{1.0},
		map[string]any{}, map[string]any{"lon": 200.0, "lat": 95.0}, "0190123456787fffbfffffffffffffff", "2026-13-01 00:00:00.000Z", `{"a":`})
	spoiled := rapid.IntRange(0, 2).Draw(rt, "spoiled") == 0
	data := map[string]any{}
	for _, f := range hooks.Forms[collection.Name].Fields {
		if !f.Required && rapid.IntRange(0, 2).Draw(rt, "left out "+f.Name) == 0 {
			continue
		}
		if spoiled && rapid.IntRange(0, 5).Draw(rt, "odd "+f.Name) == 0 {
			data[f.Name] = odd.Draw(rt, f.Name)
			continue
		}
		data[f.Name] = randomValue(rt, d, collection, f.Name)
	}
	if rapid.IntRange(0, 9).Draw(rt, "unknown") == 0 {
		data["future_field"] = odd.Draw(rt, "future_field")
	}
	if collection.Name == "photos" {
		data["collection"], data["record"] = "enterprises", rapid.SampledFrom([]string{"ent100000000000", "ent200000000000"}).Draw(rt, "owner")
	}
	return data
}

func randomValue(rt *rapid.T, d *district, collection *core.Collection, name string) any {
	switch f := collection.Fields.GetByName(name).(type) {
	case *core.RelationField:
		target, err := d.app.FindCollectionByNameOrId(f.CollectionId)
		if err != nil {
			rt.Fatal(err)
		}
		if target.Name == "users" {
			return d.users["worker1"].Id
		}
		var ids []string
		if err := d.app.DB().Select("id").From(target.Name).OrderBy("id").Column(&ids); err != nil {
			rt.Fatal(err)
		}
		if f.MaxSelect > 1 {
			return toAny(rapid.SliceOfNDistinct(rapid.SampledFrom(append(ids, "")), 0, 1, rapid.ID).Draw(rt, name))
		}
		if len(ids) == 0 {
			return ""
		}
		return rapid.SampledFrom(ids).Draw(rt, name)
	case *core.SelectField:
		if f.MaxSelect > 1 {
			return toAny(rapid.SliceOfNDistinct(rapid.SampledFrom(f.Values), 0, len(f.Values), rapid.ID).Draw(rt, name))
		}
		return rapid.SampledFrom(f.Values).Draw(rt, name)
	case *core.NumberField:
		return float64(rapid.IntRange(0, 50).Draw(rt, name))
	case *core.BoolField:
		return rapid.Bool().Draw(rt, name)
	case *core.DateField:
		return rapid.SampledFrom([]string{hooks.Stored(d.time), "2026-08-30T10:00:00+08:00", "2026-08-30 02:00:00.123456Z"}).Draw(rt, name)
	case *core.GeoPointField:
		if rapid.IntRange(0, 9).Draw(rt, name+" anywhere") == 0 {
			return map[string]any{"lon": rapid.Float64Range(-180, 180).Draw(rt, name+" lon"), "lat": rapid.Float64Range(-90, 90).Draw(rt, name+" lat")}
		}
		return map[string]any{"lon": rapid.Float64Range(73, 136).Draw(rt, name+" lon"), "lat": rapid.Float64Range(3, 54).Draw(rt, name+" lat")}
	case *core.JSONField:
		return rapid.SampledFrom([]any{"a", 1.0, map[string]any{"a": []any{}}}).Draw(rt, name)
	}
	if slices.Contains([]string{"sha256"}, name) {
		return strings.Repeat("ab", 32)
	}
	if usual := facts[name]; usual != nil && rapid.IntRange(0, 9).Draw(rt, name+" of any kind") > 0 {
		return rapid.SampledFrom(usual).Draw(rt, name)
	}
	return rapid.SampledFrom([]string{"重庆小面", "13900000009", "a'\"<>", " 前后有空格 ", "🀄"}).Draw(rt, name)
}

// facts are values that the rules of facts take, some in a form that they change.
var facts = map[string][]string{
	"phone": {"13900000009", " 139 0000 0009 ", "（023）58123456"}, "industry": {"5212", "h6210", "C", ""}, "uscc": {"92500101MA0000349R", "92500101ma00003491", ""},
}

func toAny(list []string) []any {
	out := []any{}
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func TestOneBadMutationAmongManyCostsOnlyItself(t *testing.T) {
	d := newDistrict(t)
	p := d.phone("worker1")
	var batch []map[string]any
	for i := range 9 {
		v := p.visit("ent100000000000", "grid10000000000")
		if i%3 == 1 {
			v["data"].(map[string]any)["outcome"] = "tot"
		}
		batch = append(batch, v)
	}
	for i, r := range p.push(batch...) {
		if want := map[bool]Status{true: Rejected, false: Applied}[i%3 == 1]; r.Status != want || r.ID != batch[i]["id"] {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if n := d.count("visits"); n != 6 {
		t.Errorf("%d visits", n)
	}
	for i, r := range p.push(batch...) {
		if !r.Duplicate || (r.Status == Applied) != (i%3 != 1) {
			t.Errorf("again %d: %+v", i, r)
		}
	}
	if n := d.count("visits"); n != 6 {
		t.Errorf("%d visits after the second send", n)
	}
}

// What was made in a run is told to whoever listens to the console's realtime, and only what stood.
func TestRecordsAppliedInARunAreAnnouncedOnceTheyStand(t *testing.T) {
	d := newDistrict(t)
	var told []string
	d.app.OnRecordAfterCreateSuccess("visits").BindFunc(func(e *core.RecordEvent) error {
		if e.App.IsTransactional() {
			t.Error("told before it was durable")
		}
		told = append(told, e.Record.Id)
		return e.Next()
	})
	p := d.phone("worker1")
	good, bad := p.visit("ent100000000000", "grid10000000000"), p.visit("ent100000000000", "grid10000000000")
	bad["data"].(map[string]any)["outcome"] = ""
	p.push(good, bad)
	if len(told) != 1 || told[0] != good["record"] {
		t.Errorf("told of %v, made was %v", told, good["record"])
	}
}

// A run feeds its rows itself and lets the insert triggers of its collection stand aside: there must be no other of them.
func TestWhereARunWritesTheFeedNoOtherTriggerWaitsForItsRows(t *testing.T) {
	for name, text := range triggers() {
		for _, c := range fedByRuns {
			if strings.Contains(text, " AFTER INSERT ON "+c+" ") && name != "sync_"+c+"_insert" && name != "sync_"+c+"_align_insert" {
				t.Errorf("%s is not run for a run of %s", name, c)
			}
		}
	}
	d := newDistrict(t)
	p := d.phone("worker1")
	p.push(p.visit("ent100000000000", "grid10000000000"))
	if n := d.count("sync_state WHERE key = '" + feeding + "'"); n != 0 {
		t.Error("the triggers still stand aside after the run")
	}
}

// A mutation is known again by its JSON, however it was written; what one version of ours remembered the next must find.
func TestAMutationIsHashedAsTheTextThatGoWouldWrite(t *testing.T) {
	value := rapid.Custom(anyJSON(4))
	rapid.Check(t, func(rt *rapid.T) {
		raw, err := json.Marshal(value.Draw(rt, "value"))
		if err != nil {
			rt.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			rt.Fatal(err)
		}
		want, _ := json.Marshal(v)
		if got := appendJSON(nil, v); string(got) != string(want) {
			rt.Fatalf("%s\nfor\n%s", got, want)
		}
	})
}

func anyJSON(depth int) func(*rapid.T) any {
	return func(rt *rapid.T) any {
		kinds := []string{"text", "odd text", "number", "small", "bool", "nothing"}
		if depth > 0 {
			kinds = append(kinds, "list", "object")
		}
		switch rapid.SampledFrom(kinds).Draw(rt, "kind") {
		case "text":
			return rapid.String().Draw(rt, "text")
		case "odd text":
			return rapid.SampledFrom([]string{"", "<b>&\"\\", "\u2028\u2029", "\x00\x1f\x7f", "\xff\xfe", "🀄", "店主"}).Draw(rt, "text")
		case "number":
			return rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(rt, "number")
		case "small":
			return rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e-6, 9.9e-7, 1e20, 1e21, 123456789, 108.412345}).Draw(rt, "number")
		case "bool":
			return rapid.Bool().Draw(rt, "bool")
		case "list":
			return rapid.SliceOfN(rapid.Custom(anyJSON(depth-1)), 0, 4).Draw(rt, "list")
		case "object":
			return rapid.MapOfN(rapid.String(), rapid.Custom(anyJSON(depth-1)), 0, 4).Draw(rt, "object")
		}
		return nil
	}
}
