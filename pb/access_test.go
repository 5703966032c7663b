package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"

	"gangwan/hooks"
)

// The policy of who sees what, over real HTTP. Each line names a record and everybody who sees it; whoever is not named does not,
// be it by the list, by the record's own address or on the phone.

// district is two of everything that must be kept apart.
type policyDistrict struct {
	*office
	people map[string]*core.Record // by what a supervisor calls them
	things []thing
}

// thing is one record and who sees it.
type thing struct {
	collection, id, what string
	seenBy               []string
}

const (
	worker1, worker2   = "the worker of grid one", "the worker of grid two"
	counter1, counter2 = "a counter of harbour one", "a counter of harbour two"
	head1, liaison1    = "the head of harbour one", "the liaison of harbour one"
	deskA, deskB       = "a desk of bank A", "a desk of bank B"
	official           = "an official"
	street1, street2   = "an official of street one", "an official of street two"
	department         = "a department"
	newcomer           = "a worker of grid one who has not changed the first password"
	nobody             = "nobody signed in"
)

var (
	harbour1 = []string{counter1, head1, liaison1}
	everyone = []string{worker1, worker2, counter1, counter2, head1, liaison1, deskA, deskB, official, street1, street2, department}
	noOne    []string
)

func who(groups ...any) (out []string) {
	for _, g := range groups {
		switch v := g.(type) {
		case string:
			out = append(out, v)
		case []string:
			out = append(out, v...)
		}
	}
	return out
}

// put saves a record as a console or import would and writes down who sees it.
func (d *policyDistrict) put(collection, what string, values map[string]any, seenBy []string) string {
	d.Helper()
	id := d.save(collection, values).Id
	d.things = append(d.things, thing{collection, id, what, seenBy})
	return id
}

func (d *policyDistrict) person(who string, values map[string]any) string {
	d.Helper()
	email := fmt.Sprintf("person%d@example.com", len(d.people))
	d.people[who] = d.user(email, values)
	return d.people[who].Id
}

func openPolicyDistrict(t *testing.T) *policyDistrict {
	t.Helper()
	d := &policyDistrict{office: openOffice(t), people: map[string]*core.Record{}}
	day := hooks.Stored(d.time)
	type m = map[string]any

	s1 := d.put("areas", "street one", m{"code": "500101001", "name": "高笋塘街道", "kind": "street"}, everyone)
	s2 := d.put("areas", "street two", m{"code": "500101017", "name": "太白街道", "kind": "street"}, everyone)
	bankA := d.put("banks", "bank A", m{"name": "甲银行", "kind": "bank"}, everyone)
	bankB := d.put("banks", "bank B", m{"name": "乙银行", "kind": "bank"}, everyone)
	h1 := d.put("harbours", "harbour one, whose host is bank A", m{"number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": bankA, "area": s1}, everyone)
	h2 := d.put("harbours", "harbour two, whose host is bank B", m{"number": "002", "name": "太白港湾", "kind": "street", "host_bank": bankB, "area": s2}, everyone)
	g1 := d.put("grids", "grid one", m{"name": "第一网格", "area": s1, "harbour": h1}, everyone)
	g2 := d.put("grids", "grid two", m{"name": "第二网格", "area": s2, "harbour": h2}, everyone)
	d.put("parameters", "a parameter", m{"code": "sla.accept_days", "value": "1", "from": day}, everyone)
	d.put("holidays", "a holiday", m{"day": "2026-10-01", "kind": "holiday"}, everyone)
	policy := d.put("policies", "an entry of the policy handbook", m{"title": "支农支小再贷款", "kind": "credit"}, everyone)
	_ = policy
	d.put("products", "an entry of the product handbook", m{"name": "流水贷", "bank": bankA}, everyone)

	w1 := d.person(worker1, m{"role": "grid_worker"})
	w2 := d.person(worker2, m{"role": "grid_worker"})
	d.person(counter1, m{"role": "harbour_staff", "harbour": h1})
	d.person(counter2, m{"role": "harbour_staff", "harbour": h2})
	d.person(head1, m{"role": "harbour_head", "harbour": h1})
	d.person(liaison1, m{"role": "liaison", "harbour": h1})
	d.person(deskA, m{"role": "bank", "bank": bankA})
	d.person(deskB, m{"role": "bank", "bank": bankB})
	d.person(official, m{"role": "official"})
	d.person(street1, m{"role": "street_official", "street": s1})
	d.person(street2, m{"role": "street_official", "street": s2})
	d.person(department, m{"role": "department"})
	fresh := d.person(newcomer, m{"role": "grid_worker", "must_change_password": true})
	d.people[nobody] = nil
	for who, r := range d.people {
		if r != nil {
			d.things = append(d.things, thing{"users", r.Id, "the account of " + who, []string{who}})
		}
	}
	slices.SortFunc(d.things, func(a, b thing) int { return strings.Compare(a.collection+a.what, b.collection+b.what) })
	// Who has not changed the first password sees the own account, which signing in shows anyway.
	d.put("assignments", "grid one's assignment", m{"user": w1, "grid": g1, "from": hooks.Stored(d.time.AddDate(0, -1, 0))}, who(worker1))
	d.put("assignments", "grid two's assignment", m{"user": w2, "grid": g2, "from": hooks.Stored(d.time.AddDate(0, -1, 0))}, who(worker2))
	d.save("assignments", m{"user": fresh, "grid": g1, "from": hooks.Stored(d.time.AddDate(0, -1, 0))})

	// What belongs to an enterprise follows its grid and its harbour.
	one, two := who(worker1, harbour1), who(worker2, counter2)
	e1 := d.put("enterprises", "an enterprise of grid one", m{"name": "重庆小面馆", "phone": "13900000001", "grid": g1, "special_groups": []string{"veteran"}}, one)
	e2 := d.put("enterprises", "an enterprise of grid two", m{"name": "三峡五金店", "phone": "13900000002", "grid": g2}, two)
	d.put("enterprises", "an enterprise without a grid", m{"name": "平湖服装店"}, noOne)
	visit := m{"worker": w1, "enterprise": e1, "grid": g1, "started_at": day, "ended_at": day, "outcome": "met"}
	v1 := d.put("visits", "a visit to an enterprise of grid one", visit, one)
	d.put("visits", "a visit to an enterprise of grid two", m{"worker": w2, "enterprise": e2, "grid": g2, "started_at": day, "ended_at": day, "outcome": "met"}, two)
	shot, err := filesystem.NewFileFromBytes(picture(1), "shot.png")
	d.ok(err)
	d.put("photos", "a photo of a visit in grid one", m{"collection": "visits", "record": v1, "file": shot}, one)
	// A demand is also its banks'.
	d1 := d.put("demands", "a demand offered to bank A", m{"enterprise": e1, "grid": g1, "channel": "visit", "kind": "first_loan", "need": "working_capital", "amount": 100000, "special_group": "veteran"}, who(one, deskA))
	d2 := d.put("demands", "a demand offered to bank B", m{"enterprise": e2, "grid": g2, "channel": "visit", "kind": "first_loan", "need": "working_capital", "amount": 200000}, who(two, deskB))
	d.put("demands", "a demand offered to no bank yet", m{"enterprise": e1, "grid": g1, "channel": "visit", "kind": "other", "need": "other", "amount": 300000}, one)
	for _, demand := range []string{d1, d2} {
		d.save("demand_events", m{"demand": demand, "kind": "stage", "to_stage": "accepted", "at": day})
	}
	m1 := d.put("demand_matches", "bank A's match", m{"demand": d1, "bank": bankA, "matched_at": day, "result": "pending"}, who(one, deskA))
	d.put("demand_matches", "bank B's match", m{"demand": d2, "bank": bankB, "matched_at": day, "result": "pending"}, who(two, deskB))
	d.put("demand_events", "an event of bank A's match", m{"demand": d1, "match": m1, "kind": "note", "at": day, "note": "已联系"}, who(one, deskA))
	d.put("demand_events", "an event of a demand, of no bank", m{"demand": d1, "kind": "note", "at": day, "note": "采集情况"}, one)
	// A loan is its bank's, and a harbour's for the loans of its own host.
	d.put("loans", "a loan of bank A, credited to harbour one, which it hosts", m{"enterprise": e1, "bank": bankA, "harbour": h1, "contract_no": "A1", "amount": 100000, "disbursed_on": day, "evidence": "bank_entered"}, who(harbour1, deskA))
	d.put("loans", "a loan of bank B, credited to harbour one, which it does not host", m{"enterprise": e1, "bank": bankB, "harbour": h1, "contract_no": "B1", "amount": 100000, "disbursed_on": day, "evidence": "bank_entered"}, who(deskB))
	// What a push could not take is its sender's.
	device := d.put("devices", "the phone of grid one's worker", m{"id": strings.Repeat("0", 12) + "7" + strings.Repeat("0", 3) + "8" + strings.Repeat("0", 15), "user": w1, "name": "手机", "state": "active"}, who(worker1))
	d.put("sync_rejections", "a refused report of grid one's worker", m{"user": w1, "device": device, "mutation_id": strings.Repeat("1", 32), "collection": "visits", "record": v1, "status": "open"}, who(worker1))
	d.put("sync_conflicts", "a conflict of grid one's worker", m{"user": w1, "device": device, "mutation_id": strings.Repeat("2", 32), "collection": "visits", "record": v1, "field": "notes", "status": "open"}, who(worker1))
	// Ledgers are the superusers'.
	d.put("report_runs", "a run of the pipeline", m{"run_id": "2026-11-19-x", "date": "2026-11-19", "status": "published"}, noOne)
	d.put("scope_history", "where somebody was before", m{"collection": "users", "record": w1, "field": "grid", "value": g1}, noOne)
	d.put("sync_audit", "a line of the trail", m{"at": day, "by": "root@example.com", "action": "drop"}, noOne)
	d.put("read_log", "a line of the access log", m{"at": day, "actor": "root@example.com", "action": "read"}, noOne)
	return d
}

// listed is what the list API gives a person of a collection, by id; nil where the collection is closed to him.
func (d *policyDistrict) listed(c *caller, collection string) map[string]map[string]any {
	d.Helper()
	out := map[string]map[string]any{}
	status, answer := c.call("GET", "/api/collections/"+collection+"/records?perPage=1000", nil)
	if status != 200 {
		return out
	}
	var page struct{ Items []map[string]any }
	d.ok(json.Unmarshal([]byte(answer), &page))
	for _, r := range page.Items {
		out[r["id"].(string)] = r
	}
	return out
}

func TestWhoeverIsNotNamedForARecordSeesItNeitherInAListNorByItsAddressNorOnThePhone(t *testing.T) {
	d := openPolicyDistrict(t)
	superuser := d.as(d.superuser())
	for who, account := range d.people {
		api := &caller{office: d.office}
		held := func(collection, id string) bool { return false }
		if account != nil {
			api = d.as(account)
			phone := d.phone(account.Email())
			if err := phone.Sync(context.Background()); (err != nil) != (who == newcomer) {
				t.Fatalf("%s syncs: %v", who, err)
			}
			held = func(collection, id string) bool {
				_, ok := phone.Record(collection, id)
				return ok
			}
		}
		lists := map[string]map[string]map[string]any{}
		for _, x := range d.things {
			if lists[x.collection] == nil {
				lists[x.collection] = d.listed(api, x.collection)
			}
			may := slices.Contains(x.seenBy, who)
			if listed := lists[x.collection][x.id] != nil; listed != may {
				t.Errorf("%s: %s is listed: %v", who, x.what, listed)
			}
			status, _ := api.call("GET", "/api/collections/"+x.collection+"/records/"+url.PathEscape(x.id), nil)
			if status == 200 != may {
				t.Errorf("%s: %s is shown by its address: %d", who, x.what, status)
			}
			if onPhone := held(x.collection, x.id); onPhone != (may && hooks.HoldingOf(x.collection) != nil) {
				t.Errorf("%s: %s is on the phone: %v", who, x.what, onPhone)
			}
		}
	}
	for _, x := range d.things {
		if status, _ := superuser.call("GET", "/api/collections/"+x.collection+"/records/"+x.id, nil); status != 200 {
			t.Errorf("a superuser does not see %s: %d", x.what, status)
		}
	}
}

func TestNoCollectionIsWithoutALineOfThePolicy(t *testing.T) {
	d := openPolicyDistrict(t)
	has := map[string]bool{}
	for _, x := range d.things {
		has[x.collection] = true
	}
	collections, err := d.app.FindAllCollections()
	d.ok(err)
	for _, c := range collections {
		switch {
		case c.System:
		case c.IsView():
			if c.ListRule != nil || c.ViewRule != nil {
				t.Errorf("%s, a view of the console's, is open to others than superusers", c.Name)
			}
		case !has[c.Name]:
			t.Errorf("%s: nobody has written down who sees it", c.Name)
		case c.CreateRule != nil || c.UpdateRule != nil || c.DeleteRule != nil:
			t.Errorf("%s can be written by the API, past the sync protocol and its rules", c.Name)
		}
	}
}

// Fields that some who hold the record may not see.
func TestAFieldThatARoleMayNotSeeIsNeitherInAListNorOnThePhone(t *testing.T) {
	d := openPolicyDistrict(t)
	id := func(what string) string {
		return d.things[slices.IndexFunc(d.things, func(x thing) bool { return x.what == what })].id
	}
	for _, c := range []struct {
		who, sees         string
		collection, field string
		may               bool
	}{
		{worker1, "an enterprise of grid one", "enterprises", "special_groups", true},
		{counter1, "an enterprise of grid one", "enterprises", "special_groups", true},
		{liaison1, "an enterprise of grid one", "enterprises", "special_groups", false},
		{worker1, "a demand offered to bank A", "demands", "special_group", true},
		{deskA, "a demand offered to bank A", "demands", "special_group", false},
		{deskA, "a demand offered to bank A", "demands", "enterprise_phone", true},
		{liaison1, "a demand offered to bank A", "demands", "special_group", false},
	} {
		verb := map[bool]string{true: " sees ", false: " does not see "}[c.may]
		t.Run(c.who+verb+c.field+" of "+c.sees, func(t *testing.T) {
			record := d.listed(d.as(d.people[c.who]), c.collection)[id(c.sees)]
			if record == nil {
				t.Fatal("the record itself is not seen")
			}
			if _, there := record[c.field]; there != c.may {
				t.Errorf("in the list: %v", there)
			}
			phone := d.phone(d.people[c.who].Email())
			d.sync(phone)
			held, _ := phone.Record(c.collection, id(c.sees))
			if _, there := held[c.field]; there != c.may {
				t.Errorf("on the phone: %v", there)
			}
		})
	}
}
