package fieldsync

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// merges decides that two records are one enterprise, and gives the decision's id.
func (a *admin) merges(kept, merged string) string {
	a.d.t.Helper()
	return a.decides(map[string]any{"kept": kept, "merged": merged, "note": "同一户"})
}

func (a *admin) decides(body map[string]any) string {
	a.d.t.Helper()
	status, raw := a.call(http.MethodPost, "enterprise_merges/records", body)
	if status != 200 {
		a.d.t.Fatalf("%d %s", status, raw)
	}
	return a.the("enterprise_merges", "id = '"+strings.Split(strings.SplitAfter(string(raw), `"id":"`)[1], `"`)[0]+"'")["id"].(string)
}

func (a *admin) undoes(merge string) {
	a.d.t.Helper()
	a.settles("enterprise_merges", merge, map[string]any{"status": "undone"})
}

// values are fields of a record as the server has them, joined.
func (d *district) values(collection, id string, fields ...string) string {
	d.t.Helper()
	r, err := d.app.FindRecordById(collection, id)
	if err != nil {
		d.t.Fatal(collection, id, err)
	}
	var out []string
	for _, f := range fields {
		out = append(out, fmt.Sprint(r.Get(f)))
	}
	return strings.Join(out, " ")
}

func (d *district) expectValues(want, collection, id string, fields ...string) {
	d.t.Helper()
	if got := d.values(collection, id, fields...); got != want {
		d.t.Errorf("%s %s %v: %q, want %q", collection, id, fields, got, want)
	}
}

const (
	shop1, shop2 = "ent100000000000", "ent200000000000"
	gridA, gridB = "grid10000000000", "grid20000000000"
)

func TestAMergeReachesBothPhonesAndIsTakenBack(t *testing.T) {
	d := newDistrict(t)
	a, first, second := d.admin("boss"), d.phone("worker1"), d.phone("worker2")
	d.edit("enterprises", shop1, map[string]any{"contact": "张三", "uscc": "92500101MA0000349R", "borrowing": "unknown"})
	d.edit("enterprises", shop2, map[string]any{"borrowing": "past", "contact": "李四", "revenue": 80000})
	visit := second.visit(shop2, gridB)
	demand := second.demandAfter(visit)
	photo := second.photoOf(visit["record"].(string))
	door := second.photoOf(shop2)
	door["data"].(map[string]any)["collection"] = "enterprises"
	for _, r := range second.push(visit, demand, photo, door) {
		expect(t, r, Applied, "")
	}
	number := d.values("demands", demand["record"].(string), "number", "captured_at", "grid", "harbour")
	first.pull(0)
	second.pull(0)

	d.time = d.time.Add(time.Hour)
	merge := a.merges(shop1, shop2)
	first.pull(0)
	second.pull(0)
	for _, key := range []string{"visits/" + visit["record"].(string), "demands/" + demand["record"].(string), "photos/" + photo["record"].(string), "photos/" + door["record"].(string)} {
		if !first.holds(key) || second.holds(key) {
			t.Errorf("%s follows to the other grid's worker: he holds it %v, the former %v", key, first.holds(key), second.holds(key))
		}
	}
	if gone := second.has["enterprises/"+shop2]; gone == nil || gone["status"] != "duplicate" || gone["merged_into"] != shop1 {
		t.Errorf("the merged one says on the phone where it went: %v", gone)
	}
	if kept := first.has["enterprises/"+shop1]; kept["contact"] != "张三" || kept["borrowing"] != "past" || kept["revenue"] != 80000.0 || kept["phone"] != "13900000001" {
		t.Errorf("what the kept one lacked is filled in, nothing else: %v", kept)
	}
	d.expectValues("重庆小面馆 张三 13900000001", "demands", demand["record"].(string), "enterprise_name", "enterprise_contact", "enterprise_phone")
	if got := d.values("demands", demand["record"].(string), "number", "captured_at", "grid", "harbour"); got != number {
		t.Errorf("number and capture of the demand: %s, were %s", got, number)
	}
	trail := a.the("enterprise_merges", "")
	if trail["by"] != a.email || trail["at"] != hooks.Stored(d.time) || !strings.Contains(fmt.Sprint(trail["trail"]), visit["record"].(string)) {
		t.Errorf("%v", trail)
	}

	d.time = d.time.Add(time.Hour)
	a.undoes(merge)
	first.pull(0)
	second.pull(0)
	for _, key := range []string{"visits/" + visit["record"].(string), "demands/" + demand["record"].(string), "photos/" + photo["record"].(string), "photos/" + door["record"].(string)} {
		if first.holds(key) || !second.holds(key) {
			t.Errorf("%s is back: the first holds it %v, the second %v", key, first.holds(key), second.holds(key))
		}
	}
	d.expectValues("三峡五金店 李四 13900000002", "demands", demand["record"].(string), "enterprise_name", "enterprise_contact", "enterprise_phone")
	d.expectValues("active  past", "enterprises", shop2, "status", "merged_into", "borrowing")
	d.expectValues("unknown 0", "enterprises", shop1, "borrowing", "revenue")
	if undone := a.the("enterprise_merges", ""); undone["undone_by"] != a.email || undone["undone_at"] != hooks.Stored(d.time) || d.count("sync_merged") != 0 {
		t.Errorf("%v", undone)
	}
}

func TestAVisitCapturedOfflineForAMergedEnterpriseLandsOnTheKeptOneAndComesBackWhenThatIsUndone(t *testing.T) {
	d := newDistrict(t)
	a, p := d.admin("boss"), d.phone("worker2")
	visit, own := p.visit(shop2, gridB), p.visit(shop2, gridB)
	demand := p.demandAfter(visit)
	expect(t, p.push(own)[0], Applied, "")
	note := p.update("visits", own["record"].(string), "notes", "", "当面补记")

	d.time = d.time.Add(time.Hour)
	merge := a.merges(shop1, shop2)
	d.time = d.time.Add(time.Hour)
	unaware := p.visit(shop2, gridB) // made after the merge, on a phone that has not heard of it
	d.time = d.time.Add(time.Hour)
	for _, r := range p.push(visit, demand, note, unaware) {
		expect(t, r, Applied, "") // his own grid when he captured it, though the kept one is in another
	}
	d.expectValues(shop1, "visits", unaware["record"].(string), "enterprise")
	for collection, m := range map[string]map[string]any{"visits": visit, "demands": demand} {
		d.expectValues(shop1+" "+gridA+" "+gridB, collection, m["record"].(string), "enterprise", "scope_grid", "grid")
	}
	d.expectValues("当面补记", "visits", own["record"].(string), "notes")
	// The same once more, and as a new sending after all was forgotten.
	again := map[string]any{}
	for k, v := range visit {
		again[k] = v
	}
	again["id"] = d.id()
	for _, m := range []map[string]any{visit, again} {
		expect(t, p.push(m)[0], Applied, "")
	}
	if d.count("visits") != 3 {
		t.Error("sent again, it was done again")
	}

	a.undoes(merge)
	for collection, m := range map[string]map[string]any{"visits": visit, "demands": demand} {
		d.expectValues(shop2+" "+gridB, collection, m["record"].(string), "enterprise", "scope_grid")
	}
	// What was captured for the kept one itself stays with it; and now what names the other goes there again.
	later := p.visit(shop2, gridB)
	expect(t, p.push(later)[0], Applied, "")
	d.expectValues(shop2, "visits", later["record"].(string), "enterprise")
}

func TestAWriteCapturedAfterAMergeIsNotTakenFromTheFormerGrid(t *testing.T) {
	d := newDistrict(t)
	a, p := d.admin("boss"), d.phone("worker2")
	visit := p.visit(shop2, gridB)
	expect(t, p.push(visit)[0], Applied, "")
	d.time = d.time.Add(time.Hour)
	a.merges(shop1, shop2)
	d.time = d.time.Add(time.Hour)
	expect(t, p.push(p.update("visits", visit["record"].(string), "notes", "", "补记"))[0], Rejected, "out_of_scope")
}

func TestWhereOneEnterpriseWasMergedOthersAreStillTakenTheQuickWay(t *testing.T) {
	d := newDistrict(t)
	d.admin("boss").merges(shop1, d.save("enterprises", map[string]any{"name": "重庆小面", "grid": gridA}).Id)
	p := d.phone("worker1")
	long := 0
	d.app.OnRecordCreateExecute("visits").BindFunc(func(e *core.RecordEvent) error {
		long++
		return e.Next()
	})
	expect(t, p.push(p.visit(shop1, gridA))[0], Applied, "")
	if long != 0 {
		t.Error("one merge sends every later push the long way")
	}
}

func TestAMergeThatMakesNoSenseIsRefusedInWords(t *testing.T) {
	d := newDistrict(t)
	a := d.admin("boss")
	third := d.save("enterprises", map[string]any{"name": "重庆小面", "grid": gridA, "uscc": "92500101MA0000349R"}).Id
	fourth := d.save("enterprises", map[string]any{"name": "万州小面", "grid": gridA, "uscc": "92500101MA0000351X"}).Id
	refused := func(code string, body map[string]any) {
		t.Helper()
		before := d.count("sync_feed")
		status, raw := a.call(http.MethodPost, "enterprise_merges/records", body)
		if status != 400 || !strings.Contains(string(raw), hooks.Message(code)) || d.count("sync_feed") != before {
			t.Errorf("%d %s, want %s", status, raw, hooks.Message(code))
		}
	}
	refused("merge_same", map[string]any{"kept": shop1, "merged": shop1})
	refused("required", map[string]any{"kept": shop1})
	refused("unknown_reference", map[string]any{"kept": shop1, "merged": "ent900000000000"})
	refused("merge_uscc", map[string]any{"kept": third, "merged": fourth})
	refused("merge_kept_fields", map[string]any{"kept": shop1, "merged": shop2, "status": "undone"})
	merge := a.merges(shop1, shop2)
	refused("merge_done", map[string]any{"kept": third, "merged": shop2})
	refused("merge_done", map[string]any{"kept": shop1, "merged": shop2})
	refused("merge_kept_gone", map[string]any{"kept": shop2, "merged": third})
	different := a.decides(map[string]any{"kept": third, "merged": fourth, "status": "different"})
	refused("merge_judged", map[string]any{"kept": fourth, "merged": third, "note": "同一户"})
	a.isRefused("enterprise_merges", merge, map[string]any{"kept": third}, "merge_kept_fields")
	a.isRefused("enterprise_merges", different, map[string]any{"status": "merged"}, "merge_kept_fields")
	if status, raw := a.call(http.MethodDelete, "enterprise_merges/records/"+merge, nil); status != 400 || d.count("enterprise_merges") != 2 {
		t.Errorf("%d %s", status, raw)
	}
	a.isRefused("enterprises", shop2, map[string]any{"status": "active"}, "merge_instead")
	a.isRefused("enterprises", shop2, map[string]any{"merged_into": ""}, "merge_instead")
	a.isRefused("enterprises", shop1, map[string]any{"status": "duplicate"}, "merge_instead")
	a.settles("enterprises", shop2, map[string]any{"contact": "王五"}) // all else is edited as ever
	// A chain is taken back from its end.
	onward := a.merges(third, shop1)
	d.expectValues(third, "enterprises", shop2, "merged_into")
	a.isRefused("enterprise_merges", merge, map[string]any{"status": "undone"}, "merge_undo_first")
	a.undoes(onward)
	d.expectValues(shop1, "enterprises", shop2, "merged_into")
	a.undoes(merge)
	a.isRefused("enterprise_merges", merge, map[string]any{"status": "merged"}, "merge_undone")
	a.settles("enterprise_merges", merge, map[string]any{"note": "看错了", "by": "nobody", "trail": nil})
	if kept := a.the("enterprise_merges", "id = '"+merge+"'"); kept["by"] != a.email || kept["trail"] == nil || kept["note"] != "看错了" {
		t.Errorf("a note may be added, the trail stays: %v", kept)
	}
	a.undoes(different)
	a.merges(fourth, third)
}

func TestAnUndoneMergeLeavesAloneWhatSomebodyChangedSince(t *testing.T) {
	d := newDistrict(t)
	a, p := d.admin("boss"), d.phone("worker2")
	d.edit("enterprises", shop2, map[string]any{"contact": "李四", "owner": "李四"})
	moved, stayed := p.visit(shop2, gridB), p.visit(shop2, gridB)
	p.push(moved, stayed)
	third := d.save("enterprises", map[string]any{"name": "第三家", "grid": gridA}).Id
	merge := a.merges(shop1, shop2)
	d.edit("enterprises", shop1, map[string]any{"contact": "李四本人"})
	d.edit("visits", moved["record"].(string), map[string]any{"enterprise": third})
	a.undoes(merge)
	d.expectValues("李四本人 ", "enterprises", shop1, "contact", "owner")
	d.expectValues(third, "visits", moved["record"].(string), "enterprise")
	d.expectValues(shop2, "visits", stayed["record"].(string), "enterprise")
}

// everything is the content of all tables but those that only grow, and PocketBase's own clock.
func (d *district) everything() map[string][]string {
	d.t.Helper()
	var tables []string
	if err := d.app.DB().NewQuery(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN
		('sync_feed', 'sync_ticks', 'sync_clock', 'scope_history', 'enterprise_merges', 'read_log')`).Column(&tables); err != nil {
		d.t.Fatal(err)
	}
	out := map[string][]string{}
	for _, table := range tables {
		var rows []dbx.NullStringMap
		if err := d.app.DB().NewQuery("SELECT * FROM {{" + table + "}}").All(&rows); err != nil {
			d.t.Fatal(err)
		}
		for _, row := range rows {
			delete(row, "updated")
			out[table] = append(out[table], fmt.Sprint(row))
		}
		slices.Sort(out[table])
	}
	return out
}

func TestMergesTakenBackInTurnLeaveEverythingAsItWas(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := newDistrict(t)
			rnd := rand.New(rand.NewPCG(seed, 5))
			a := d.admin("boss")
			pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
			var shops, visits, demands []string
			for i := range 6 {
				shops = append(shops, d.save("enterprises", map[string]any{"name": fmt.Sprintf("商户%d", i), "grid": pick("", gridA, gridB), "phone": pick("", "13900000009"),
					"contact": pick("", "赵", "钱"), "borrowing": pick("", "unknown", "past"), "employees": rnd.IntN(3), "tags": pick("", "green"), "uscc": pick("", "92500101MA0000349R"),
					"location": pick(`{"lon":0,"lat":0}`, `{"lon":108.4,"lat":30.8}`), "founded_on": pick("", "2020-01-01 00:00:00.000Z")}).Id)
			}
			for i, e := range shops {
				d.edit("enterprises", e, map[string]any{"suspected_duplicate_of": pick(append(slices.Delete(slices.Clone(shops), i, i+1), "")...)})
			}
			for range 10 {
				e := pick(shops...)
				grid := d.values("enterprises", e, "grid")
				visits = append(visits, d.save("visits", map[string]any{"enterprise": e, "grid": grid, "worker": userID("worker1"), "started_at": hooks.Stored(d.time), "outcome": "met"}).Id)
				demands = append(demands, d.save("demands", map[string]any{"enterprise": e, "grid": grid, "harbour": "harbour1000000a", "kind": "first_loan", "need": "working_capital", "amount": 1 + rnd.IntN(1000)}).Id)
				d.save("loans", map[string]any{"enterprise": pick(shops...), "bank": "banka0000000000", "amount": 5000, "disbursed_on": "2026-08-01 00:00:00.000Z"})
				switch rnd.IntN(3) {
				case 0:
					d.save("photos", map[string]any{"collection": "enterprises", "record": pick(shops...)})
				case 1:
					d.save("photos", map[string]any{"collection": "visits", "record": pick(visits...)})
				case 2:
					d.save("photos", map[string]any{"collection": "demands", "record": pick(demands...)})
				}
			}
			before := d.everything()
			var merges []string
			left := slices.Clone(shops)
			for range 1 + rnd.IntN(4) {
				rnd.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
				merges = append(merges, a.merges(left[0], left[1]))
				left = slices.Delete(left, 1, 2)
				d.time = d.time.Add(time.Minute)
				var wrong int // nothing names a merged one any more, and all is where its enterprise is
				if err := d.app.DB().NewQuery(`SELECT (SELECT count(*) FROM visits v JOIN enterprises e ON e.id = v.enterprise WHERE e.merged_into != '' OR v.scope_grid != e.scope_grid OR v.scope_harbour != e.scope_harbour)
					+ (SELECT count(*) FROM demands v JOIN enterprises e ON e.id = v.enterprise WHERE e.merged_into != '' OR v.scope_grid != e.scope_grid OR v.enterprise_name != e.name OR v.enterprise_contact != e.contact)
					+ (SELECT count(*) FROM loans v JOIN enterprises e ON e.id = v.enterprise WHERE e.merged_into != '')
					+ (SELECT count(*) FROM photos v JOIN enterprises e ON e.id = v.record WHERE e.merged_into != '' OR v.scope_grid != e.scope_grid)
					+ (SELECT count(*) FROM photos p JOIN visits v ON v.id = p.record WHERE p.scope_grid != v.scope_grid)
					+ (SELECT count(*) FROM enterprises WHERE suspected_duplicate_of = id)
					+ (SELECT count(*) FROM enterprises v JOIN enterprises e ON e.id = v.merged_into WHERE e.merged_into != '')`).Row(&wrong); err != nil || wrong != 0 {
					t.Fatalf("%d records are not where their enterprise is: %v", wrong, err)
				}
			}
			if reflect.DeepEqual(before, d.everything()) {
				t.Fatal("nothing was merged")
			}
			for _, m := range slices.Backward(merges) {
				a.undoes(m)
			}
			for table, rows := range d.everything() {
				if !reflect.DeepEqual(rows, before[table]) {
					t.Errorf("%s:\n%s\nbefore:\n%s", table, strings.Join(rows, "\n"), strings.Join(before[table], "\n"))
				}
			}
		})
	}
}
