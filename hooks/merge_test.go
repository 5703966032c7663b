package hooks

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

func openMerging(t *testing.T) (app core.App, save func(collection string, values map[string]any) *core.Record) {
	t.Helper()
	app = migratedApp(t)
	Bind(app, func() time.Time { return time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC) })
	return app, func(collection string, values map[string]any) *core.Record {
		t.Helper()
		c, err := app.FindCollectionByNameOrId(collection)
		if err != nil {
			t.Fatal(err)
		}
		r := core.NewRecord(c)
		r.Load(values)
		if err := app.Save(r); err != nil {
			t.Fatalf("%s %v: %v", collection, values, err)
		}
		return r
	}
}

// Whatever collections there will be: a relation to enterprises that a merge forgot would lose its record.
func TestAMergeMovesEveryRelationToAnEnterpriseThatTheSchemaHas(t *testing.T) {
	app, save := openMerging(t)
	enterprises, err := app.FindCollectionByNameOrId("enterprises")
	if err != nil {
		t.Fatal(err)
	}
	fair := core.NewBaseCollection("fairs_to_come")
	fair.Fields.Add(&core.RelationField{Name: "guests", CollectionId: enterprises.Id, MaxSelect: 9}, &core.RelationField{Name: "sponsor", CollectionId: enterprises.Id, MaxSelect: 1}, &core.NumberField{Name: "place"})
	fair.AddIndex("fairs_sponsor", true, "sponsor, place", "")
	if err := app.Save(fair); err != nil {
		t.Fatal(err)
	}
	kept := save("enterprises", map[string]any{"name": "留下的"}).Id
	merged := save("enterprises", map[string]any{"name": "并入的"}).Id
	other := save("enterprises", map[string]any{"name": "旁人"}).Id
	type column struct{ collection, field, id string }
	var single []column
	collections, err := app.FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		if c.IsView() || c.Name == "enterprise_merges" || c.Name == fair.Name {
			continue
		}
		for i, f := range c.Fields {
			if relation, ok := f.(*core.RelationField); ok && relation.CollectionId == enterprises.Id {
				id, value := fmt.Sprintf("row%09d%03d", len(single), i), merged
				if relation.IsMultiple() {
					value = `["` + merged + `"]`
				}
				// By plain SQL: a record that all of its collection's rules let pass is not needed here.
				if _, err := app.DB().Insert(c.Name, dbx.Params{"id": id, f.GetName(): value}).Execute(); err != nil {
					t.Fatalf("%s.%s: %v", c.Name, f.GetName(), err)
				}
				single = append(single, column{c.Name, f.GetName(), id})
			}
		}
	}
	for _, want := range []string{"visits.enterprise", "demands.enterprise", "loans.enterprise", "enterprises.suspected_duplicate_of"} {
		if !slices.ContainsFunc(single, func(c column) bool { return c.collection+"."+c.field == want }) {
			t.Errorf("%s is not among the relations found", want)
		}
	}
	both := save(fair.Name, map[string]any{"guests": []string{other, merged, kept}})
	one := save(fair.Name, map[string]any{"guests": []string{merged, other}, "place": 1})
	taken := save(fair.Name, map[string]any{"sponsor": kept, "place": 2})
	twice := save(fair.Name, map[string]any{"sponsor": merged, "place": 2})
	free := save(fair.Name, map[string]any{"sponsor": merged, "place": 3})
	value := func(collection, field, id string) (v string) {
		t.Helper()
		if err := app.DB().NewQuery("SELECT [[" + field + "]] FROM {{" + collection + "}} WHERE id = {:id}").Bind(dbx.Params{"id": id}).Row(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	expect := func(names, guests, alone, sponsor string) {
		t.Helper()
		for _, c := range single {
			if got := value(c.collection, c.field, c.id); got != names && got != `["`+names+`"]` {
				t.Errorf("%s.%s names %s, want %s", c.collection, c.field, got, names)
			}
		}
		if got := value(fair.Name, "guests", both.Id); got != guests {
			t.Errorf("guests %s, want %s", got, guests)
		}
		if got := value(fair.Name, "guests", one.Id); got != alone {
			t.Errorf("guests %s, want %s", got, alone)
		}
		if got := value(fair.Name, "sponsor", free.Id); got != sponsor {
			t.Errorf("sponsor %s, want %s", got, sponsor)
		}
		if value(fair.Name, "sponsor", taken.Id) != kept || value(fair.Name, "sponsor", twice.Id) != merged {
			t.Error("what both have, and may be only once, stays with each")
		}
	}
	list := func(ids ...string) string { raw, _ := json.Marshal(ids); return string(raw) }
	decision := save("enterprise_merges", map[string]any{"kept": kept, "merged": merged})
	expect(kept, list(other, kept), list(kept, other), kept)
	var trail mergeTrail
	if err := json.Unmarshal([]byte(decision.GetString("trail")), &trail); err != nil || len(trail.Left) != 1 || !slices.Equal(trail.Left[0].Records, []string{twice.Id}) {
		t.Errorf("the trail says what stayed: %+v %v", trail.Left, err)
	}
	decision.Set("status", "undone")
	if err := app.Save(decision); err != nil {
		t.Fatal(err)
	}
	expect(merged, list(other, merged, kept), list(merged, other), merged)
}

func TestNamesAreComparedWithoutTheirForm(t *testing.T) {
	for _, same := range [][]string{
		{"张三面馆", "张三 面馆", "张三面馆（个体工商户）", "重庆市万州区张三面馆", "张三·面馆"},
		{"三峡ABC商贸有限公司", "三峡ＡＢＣ商贸有限责任公司", "万州区三峡abc商贸股份有限公司", "三峡(ABC)商贸"},
		{"有限公司", "有限公司"}, {"", "（）"},
	} {
		for _, name := range same {
			if NameKey(name) != NameKey(same[0]) {
				t.Errorf("%s: %q, %s: %q", name, NameKey(name), same[0], NameKey(same[0]))
			}
		}
	}
	if NameKey("张三面馆") == NameKey("张三面馆二店") || NameKey("有限公司") == "" {
		t.Error("what tells them apart must stay")
	}
}

// What the phone warns of and what the office is shown are found alike, however the record came.
func TestSeemingDuplicatesAreShownWithTheReasonUntilSomebodyDecides(t *testing.T) {
	app, save := openMerging(t)
	street := save("areas", map[string]any{"code": "500101001", "name": "高笋塘街道", "kind": "street"}).Id
	grid := map[string]string{"": ""}
	for _, g := range []string{"东", "西"} {
		grid[g] = save("grids", map[string]any{"code": g, "name": g, "area": street, "kind": "community"}).Id
	}
	const code1, code2 = "92500101MA0000349R", "92500101MA0000351X"
	worker := save("users", map[string]any{"email": "a@test.test", "password": "harbour-2026", "name": "网格员", "role": "grid_worker"})
	enterprises, err := app.FindCollectionByNameOrId("enterprises")
	if err != nil {
		t.Fatal(err)
	}
	type shop struct {
		name, uscc, phone, grid string
		lon, lat                float64
		status                  string
	}
	n := 0
	put := func(s shop, found bool) *core.Record {
		t.Helper()
		n++
		r := core.NewRecord(enterprises)
		r.Load(map[string]any{"id": fmt.Sprintf("shop%011d", n), "name": s.name, "uscc": s.uscc, "phone": s.phone, "grid": grid[s.grid], "status": s.status,
			"location": map[string]any{"lon": s.lon, "lat": s.lat}})
		ctx := t.Context()
		if found {
			ctx = WithActor(ctx, worker)
		}
		if err := app.SaveWithContext(ctx, r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	shown := func() map[string]string {
		t.Helper()
		records, err := app.FindAllRecords("suspected_duplicates")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, r := range records {
			out[r.GetString("keep")+" "+r.GetString("other")] = r.GetString("reasons")
		}
		return out
	}
	for _, c := range []struct {
		about       string
		first, then shop
		reasons     string
	}{
		{"the same code, whatever else", shop{name: "甲", uscc: code1, grid: "东"}, shop{name: "乙", uscc: code1, grid: "西"}, "信用代码相同"},
		{"the same code though one is closed", shop{name: "甲", uscc: code1, status: "closed"}, shop{name: "乙", uscc: code1}, "信用代码相同"},
		{"the same phone, one without a code", shop{name: "甲", uscc: code1, phone: "13800000001"}, shop{name: "乙", phone: "13800000001"}, "电话相同"},
		{"the same phone, two codes: an owner with two shops", shop{name: "甲", uscc: code1, phone: "13800000001"}, shop{name: "乙", uscc: code2, phone: "13800000001"}, ""},
		{"the same phone and name, two codes: one was typed wrong", shop{name: "甲店", uscc: code1, phone: "13800000001"}, shop{name: "甲 店", uscc: code2, phone: "13800000001"}, "电话相同"},
		{"the same name in one grid", shop{name: "重庆市万州区张三面馆", uscc: code1, grid: "东"}, shop{name: "张三面馆", grid: "东"}, "名称相近且在同一网格"},
		{"the same name in another grid, across the street", shop{name: "张三面馆", uscc: code1, grid: "东", lon: 108.4, lat: 30.8}, shop{name: "张三面馆", grid: "西", lon: 108.4015, lat: 30.801}, "名称相近且相距不远"},
		{"the same name in another grid, far away", shop{name: "张三面馆", uscc: code1, grid: "东", lon: 108.4, lat: 30.8}, shop{name: "张三面馆", grid: "西", lon: 108.403, lat: 30.8}, ""},
		{"the same name in another grid, one without a place", shop{name: "张三面馆", uscc: code1, grid: "东"}, shop{name: "张三面馆", grid: "西", lon: 108.4, lat: 30.8}, ""},
		{"the same name in one grid, two codes: a chain", shop{name: "张三面馆", uscc: code1, grid: "东"}, shop{name: "张三面馆", uscc: code2, grid: "东"}, ""},
		{"the same name, neither has a grid", shop{name: "张三面馆"}, shop{name: "张三面馆"}, ""},
		{"several reasons in one line", shop{name: "张三面馆", phone: "13800000001", grid: "东"}, shop{name: "张三面馆", phone: "13800000001", grid: "东"}, "电话相同、名称相近且在同一网格"},
		{"the number of one that closed", shop{name: "甲", phone: "13800000001", status: "closed"}, shop{name: "乙", phone: "13800000001"}, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			if _, err := app.DB().NewQuery(`DELETE FROM enterprises`).Execute(); err != nil {
				t.Fatal(err)
			}
			a := put(c.first, false)
			b := put(c.then, true)
			got := shown()
			if c.reasons == "" {
				if len(got) != 0 || b.GetString("suspected_duplicate_of") != "" {
					t.Errorf("shown %v, flagged %q", got, b.GetString("suspected_duplicate_of"))
				}
				return
			}
			if got[a.Id+" "+b.Id] != c.reasons || len(got) != 1 || b.GetString("suspected_duplicate_of") != a.Id {
				t.Errorf("shown %v, want %s; flagged %q", got, c.reasons, b.GetString("suspected_duplicate_of"))
			}
			judged := save("enterprise_merges", map[string]any{"kept": b.Id, "merged": a.Id, "status": "different"})
			if got := shown(); len(got) != 0 {
				t.Errorf("judged different, and shown again: %v", got)
			}
			judged.Set("status", "undone")
			if err := app.Save(judged); err != nil {
				t.Fatal(err)
			}
			merge := save("enterprise_merges", map[string]any{"kept": a.Id, "merged": b.Id, "note": "同一户"})
			if got := shown(); len(got) != 0 {
				t.Errorf("merged, and shown again: %v", got)
			}
			if third := put(c.then, true); third.GetString("suspected_duplicate_of") != a.Id {
				t.Errorf("found once more, it is like the one that was kept: %q", third.GetString("suspected_duplicate_of"))
			} else if err := app.Delete(third); err != nil {
				t.Fatal(err)
			}
			merge.Set("status", "undone")
			if err := app.Save(merge); err != nil {
				t.Fatal(err)
			}
			if got := shown(); got[a.Id+" "+b.Id] != c.reasons {
				t.Errorf("undone, it is to be decided again: %v", got)
			}
			if _, err := app.DB().NewQuery(`DELETE FROM enterprise_merges`).Execute(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAnAgentsPhoneNumberMakesNoDuplicates(t *testing.T) {
	app, save := openMerging(t)
	for i := range 11 {
		save("enterprises", map[string]any{"name": fmt.Sprintf("第%d家", i), "phone": "13800000001"})
	}
	if n, err := app.CountRecords("suspected_duplicates"); err != nil || n != 0 {
		t.Errorf("%d pairs, %v", n, err)
	}
}
