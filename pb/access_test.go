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
	department         = "the department that delivered a list"
	department2        = "another department"
	newcomer           = "a worker of grid one who has not changed the first password"
	nobody             = "nobody signed in"
)

var (
	harbour1 = []string{counter1, head1, liaison1}
	everyone = []string{worker1, worker2, counter1, counter2, head1, liaison1, deskA, deskB, official, street1, street2, department, department2}
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
	market := d.put("agencies", "a department", m{"name": "区市场监管局", "kind": "market_regulation"}, everyone)
	court := d.put("agencies", "the court", m{"name": "区法院", "kind": "court"}, everyone)
	policy := d.put("policies", "an entry of the policy handbook", m{"title": "支农支小再贷款", "kind": "credit"}, everyone)
	d.put("products", "an entry of the product handbook", m{"name": "流水贷", "bank": bankA}, everyone)

	w1 := d.person(worker1, m{"role": "grid_worker"})
	w2 := d.person(worker2, m{"role": "grid_worker"})
	c1 := d.person(counter1, m{"role": "harbour_staff", "harbour": h1})
	c2 := d.person(counter2, m{"role": "harbour_staff", "harbour": h2})
	hd1 := d.person(head1, m{"role": "harbour_head", "harbour": h1})
	d.person(liaison1, m{"role": "liaison", "harbour": h1})
	d.person(deskA, m{"role": "bank", "bank": bankA})
	d.person(deskB, m{"role": "bank", "bank": bankB})
	of := d.person(official, m{"role": "official"})
	d.person(street1, m{"role": "street_official", "street": s1})
	d.person(street2, m{"role": "street_official", "street": s2})
	d.person(department, m{"role": "department", "agency": market})
	d.person(department2, m{"role": "department", "agency": court})
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
	d.put("credit_lines", "a credit line of bank A at harbour one, which it hosts", m{"enterprise": e1, "bank": bankA, "harbour": h1, "amount": 1}, who(harbour1, deskA, official))
	d.put("credit_lines", "a credit line of bank B at harbour one, which it does not host", m{"enterprise": e1, "bank": bankB, "harbour": h1, "amount": 1}, who(deskB, official))
	d.put("cultivations", "the cultivation of an enterprise of grid one", m{"enterprise": e1, "started_on": day, "status": "active"}, one)
	d.put("policy_pushes", "a policy pushed to an enterprise of grid one", m{"policy": policy, "enterprise": e1, "channel": "visit", "by": w1, "at": day}, one)

	// A harbour's own papers; what walkers and the street need of them; what steers the district sees.
	walkers := who(harbour1, worker1)
	d.put("contacts", "an entry of harbour one's contact book", m{"name": "王主任", "phone": "13900000031", "kind": "street_staff", "harbour": h1}, walkers)
	d.put("pairings", "harbour one's pairing with street one", m{"harbour": h1, "area": s1}, who(walkers, official, street1))
	d.put("window_packs", "the leaflets at a window in grid one", m{"unit": "便民中心", "kind": "street", "grid": g1}, who(one, official))
	d.put("duty_rosters", "a half-day on duty at harbour one", m{"harbour": h1, "user": c1, "day": day, "half": "am"}, who(harbour1, official))
	d.put("services", "a counter service of harbour one", m{"kind": "credit_report_query", "harbour": h1, "person": "张三", "staff": c1, "accepted_at": day, "special_group": "veteran"}, harbour1)
	d.put("activities", "an activity of harbour one", m{"title": "融资对接会", "kind": "matchmaking", "status": "planned", "due": day, "harbour": h1}, who(walkers, official, street1))
	inspection := d.put("inspections", "an inspection of harbour one", m{"harbour": h1, "kind": "patrol", "status": "planned", "due": day}, who(harbour1, official, street1))
	d.put("photos", "a photo of an inspection of harbour one", m{"collection": "inspections", "record": inspection, "file": shot}, who(harbour1, official, street1))
	d.put("rectifications", "what an inspection of harbour one demands", m{"harbour": h1, "inspection": inspection, "demand": "补放宣传册", "due": day}, who(harbour1, official, street1))
	d.put("publicity", "an article about harbour one", m{"title": "典型案例", "kind": "case", "harbour": h1}, who(walkers, official))
	d.put("reviews", "an incentive for harbour one, in draft", m{"harbour": h1, "period": "2026Q4", "kind": "incentive", "status": "draft", "remark": "政策倾斜"}, who(official, street1))
	d.put("reviews", "a published incentive for harbour one", m{"harbour": h1, "period": "2026Q3", "kind": "incentive", "status": "published", "remark": "政策倾斜"}, who(harbour1, official, street1))
	// How an appeal comes about is another matter: here it only has to be one.
	appeal := d.put("reviews", "an appeal of harbour one", m{"harbour": h1, "period": "2026Q3", "kind": "incentive", "status": "draft", "remark": "申诉"}, who(harbour1, official, street1))
	_, err = d.app.DB().NewQuery(`UPDATE reviews SET kind = 'appeal' WHERE id = '` + appeal + `'`).Execute()
	d.ok(err)

	// A complaint is not shown to the person complained about, nor to the harbour he stands in.
	report := func(what, kind, reporter, owner, against string, seenBy []string) string {
		return d.put("feedback", what, m{"channel": "visit", "kind": kind, "text": "反映的内容", "anonymous": true, "harbour": h1, "reporter": reporter, "owner": owner, "against": against, "reported_at": day}, seenBy)
	}
	report("a difficulty told to grid one's worker", "difficulty", w1, "", "", who(walkers, official))
	complaint := report("a complaint about harbour one's counter, handled by its head", "complaint", w1, hd1, c1, who(worker1, head1, official))
	report("a complaint about harbour one's head, whom nobody handles yet", "complaint", w1, "", hd1, who(worker1, official))
	report("a complaint about somebody unnamed at harbour one", "complaint", c2, "", "", who(counter2, official))
	report("a difficulty that names somebody of harbour one", "difficulty", w1, "", c1, who(worker1, official))
	report("a complaint about an official", "complaint", c2, "", of, who(counter2))
	report("a complaint that its subject wrote down himself", "consumer_rights", c1, "", c1, who(official))
	d.put("photos", "a photo of that complaint about harbour one's counter", m{"collection": "feedback", "record": complaint, "file": shot}, who(worker1, head1, official))

	// A lead on illegal finance is sealed.
	lead := d.put("risk_leads", "a lead that grid one's worker reported", m{"kind": "usury", "text": "线索内容", "grid": g1, "discovered_at": day, "reporter": w1}, who(worker1, official))
	d.put("photos", "a photo of that lead", m{"collection": "risk_leads", "record": lead, "file": shot}, who(worker1, official))

	// A list is the department's and the officials' until it is dispatched; then also each bank's own rows.
	list := func(what, status string, seenBy []string) string {
		return d.put("referral_batches", what, m{"title": "重点企业名单", "agency": market, "status": status}, seenBy)
	}
	row := func(what, batch, bank string, seenBy []string) {
		d.put("referrals", what, m{"batch": batch, "enterprise": e1, "enterprise_name": "重庆小面馆", "bank": bank}, seenBy)
	}
	checked := list("a list that was checked and is not dispatched", "checked", who(department, official))
	row("a row for bank A that is not dispatched", checked, bankA, who(department, official))
	dispatched := list("a list dispatched to banks A and B", "checked", who(department, official, deskA, deskB))
	row("a row dispatched to bank A, which hosts the enterprise's harbour", dispatched, bankA, who(department, official, deskA, harbour1))
	row("a row dispatched to bank B, which does not", dispatched, bankB, who(department, official, deskB))
	batch := d.find("referral_batches", "id", dispatched)
	batch.Set("status", "dispatched")
	d.ok(d.app.Save(batch))

	// What steers the district.
	d.put("equity_cases", "a case of direct financing", m{"enterprise_name": "三峡水利", "kind": "listing", "stage": "tutoring"}, who(official))
	d.put("tasks", "a task of the action", m{"title": "设立服务点", "status": "running"}, everyone)
	d.put("relending_bases", "a relending base", m{"bank": bankA, "name": "再贷款示范基地"}, everyone)
	d.put("inspection_items", "an item of the standard", m{"code": "extra", "name": "检查项目", "category": "space"}, everyone)
	d.put("indicator_targets", "a target", m{"indicator": "COV-01", "period": "2026"}, who(official, street1, street2))
	d.things = append(d.things, thing{"assessment_schemes", d.find("assessment_schemes", "applies_to", "harbour").Id, "the scheme of assessment", who(official, street1, street2)})

	// What a push could not take is its sender's.
	device := d.put("devices", "the phone of grid one's worker", m{"id": strings.Repeat("0", 12) + "7" + strings.Repeat("0", 3) + "8" + strings.Repeat("0", 15), "user": w1, "name": "手机", "state": "active"}, who(worker1))
	d.put("sync_rejections", "a refused report of grid one's worker", m{"user": w1, "device": device, "mutation_id": strings.Repeat("1", 32), "collection": "visits", "record": v1, "status": "open"}, who(worker1))
	d.put("sync_conflicts", "a conflict of grid one's worker", m{"user": w1, "device": device, "mutation_id": strings.Repeat("2", 32), "collection": "visits", "record": v1, "field": "notes", "status": "open"}, who(worker1))
	// Ledgers are the superusers'.
	d.put("report_runs", "a run of the pipeline", m{"run_id": "2026-11-19-x", "date": "2026-11-19", "status": "published"}, noOne)
	d.put("scope_history", "where somebody was before", m{"collection": "users", "record": w1, "field": "grid", "value": g1}, noOne)
	d.put("enterprise_merges", "a judgement on a pair", m{"kept": e1, "merged": e2, "status": "different"}, noOne)
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

func TestTheDistrictsPolicyOfAccess(t *testing.T) {
	d := openPolicyDistrict(t)
	t.Run("whoever is not named for a record sees it neither in a list nor by its address nor on the phone", d.whoSeesWhat)
	t.Run("no collection is without a line", d.noCollectionIsForgotten)
	t.Run("a field that a role may not see is neither in a list nor on the phone", d.whoSeesWhichField)
}

func (d *policyDistrict) whoSeesWhat(t *testing.T) {
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

func (d *policyDistrict) noCollectionIsForgotten(t *testing.T) {
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

func (d *policyDistrict) whoSeesWhichField(t *testing.T) {
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
		{counter1, "a counter service of harbour one", "services", "special_group", true},
		{liaison1, "a counter service of harbour one", "services", "special_group", false},
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
