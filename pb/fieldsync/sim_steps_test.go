package fieldsync

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// simVerb is one kind of step: how often it comes, how its arguments are rolled, what it does.
type simVerb struct {
	weight int
	roll   func(d *simDice) string
	run    func(w *simWorld, a *simArgs)
}

// simDice roll the arguments of steps for the few phones that a history is about.
type simDice struct {
	*rand.Rand
	cast []string
}

func (d *simDice) number() string { return fmt.Sprint(d.IntN(60)) }

// phone is one of the cast, if possible of those named: who cannot do a thing should not try it all the time.
func (d *simDice) phone(fit ...string) string {
	fitting := slices.DeleteFunc(slices.Clone(d.cast), func(name string) bool { return !slices.Contains(fit, name) })
	if len(fitting) == 0 || d.IntN(12) == 0 {
		fitting = d.cast
	}
	return fitting[d.IntN(len(fitting))]
}

func (d *simDice) field() string {
	return d.phone("worker1", "worker1b", "worker2", "counter", "liaison") + " " + d.number() + " " + d.number()
}

func (d *simDice) desk() string {
	return d.phone("deskA", "deskB") + " " + d.number() + " " + d.number()
}

func (d *simDice) anybody() string { return d.phone() + " " + d.number() + " " + d.number() }

func (d *simDice) numbers() string { return d.number() + " " + d.number() + " " + d.number() }

func (d *simDice) none() string { return "" }

func (d *simDice) fate() string {
	switch d.IntN(16) {
	case 0:
		return string(lost)
	case 1:
		return string(unheard)
	case 2:
		return string(late)
	case 3:
		return string(double)
	case 4:
		return string(delayed)
	case 5, 6:
		return fmt.Sprintf("crash:%d", d.IntN(60))
	}
	return string(fine)
}

var simVerbs map[string]*simVerb

func init() {
	simVerbs = map[string]*simVerb{
		// Time.
		"wait": {8, func(d *simDice) string {
			if d.IntN(12) == 0 {
				return fmt.Sprintf("%dh", 24*(1+d.IntN(33)))
			}
			return fmt.Sprintf("%dm", 1+d.IntN(400))
		}, func(w *simWorld, a *simArgs) {
			d, err := time.ParseDuration(a.word())
			w.must(err)
			w.time = w.time.Add(d)
		}},
		"clock": {1, func(d *simDice) string { return fmt.Sprintf("%s %dh", d.phone(), d.IntN(200)-100) }, func(w *simWorld, a *simArgs) {
			p := a.phone()
			d, err := time.ParseDuration(a.word())
			w.must(err)
			p.clock = d
		}},
		// What people do on their phones, without any network.
		"visit":      {8, (*simDice).field, func(w *simWorld, a *simArgs) { visit(a.phone(), a.int()) }},
		"foreign":    {2, (*simDice).field, foreignVisit},
		"enterprise": {4, (*simDice).field, newEnterprise},
		"demand":     {5, (*simDice).field, newDemand},
		"match":      {3, func(d *simDice) string { return d.phone("counter") + " " + d.number() + " " + d.number() }, newMatch},
		"event":      {5, (*simDice).anybody, newEvent},
		"loan":       {2, (*simDice).desk, newLoan},
		"renew":      {4, func(d *simDice) string { return d.phone("counter") + " " + d.number() + " " + d.number() }, renew},
		"photo":      {4, (*simDice).field, newPhoto},
		"edit":       {18, (*simDice).anybody, edit},
		"bad":        {3, (*simDice).anybody, badMutation},
		"mend":       {3, (*simDice).anybody, mend},
		"orphan":     {3, (*simDice).anybody, orphan},
		"again":      {2, (*simDice).anybody, sameRecordAgain},
		"delete":     {4, (*simDice).field, deleteOwn},
		"release":    {1, (*simDice).anybody, func(w *simWorld, a *simArgs) { p := a.phone(); p.newer = a.int()%2 == 0; p.older = !p.newer }},
		// The network between them.
		"push": {14, func(d *simDice) string { return d.phone() + " " + d.fate() + " " + fmt.Sprint(1+d.IntN(6)) }, func(w *simWorld, a *simArgs) {
			p := a.phone()
			how, at := a.how()
			p.push(how, at, a.int())
		}},
		"pull": {12, func(d *simDice) string {
			return fmt.Sprintf("%s %s %d %d", d.phone(), d.fate(), []int{0, 0, 1, 3, 7}[d.IntN(5)], []int{0, 0, 1, 2}[d.IntN(4)])
		}, func(w *simWorld, a *simArgs) {
			p := a.phone()
			how, at := a.how()
			limit := a.int()
			p.pull(how, at, limit, a.int())
		}},
		"hello": {1, func(d *simDice) string { return d.phone() + " " + d.fate() }, func(w *simWorld, a *simArgs) {
			p := a.phone()
			p.hello(a.how())
		}},
		"upload": {4, func(d *simDice) string { return d.phone() + " " + d.fate() }, func(w *simWorld, a *simArgs) {
			p := a.phone()
			p.upload(a.how())
		}},
		"late":   {4, (*simDice).numbers, func(w *simWorld, a *simArgs) { w.deliver(a.int()) }},
		"answer": {2, (*simDice).anybody, delayedArrives},
		"twice":  {2, (*simDice).anybody, func(w *simWorld, a *simArgs) { p := a.phone(); w.twice(p, 1+a.int()%6) }},
		// The office.
		"assign": {4, func(d *simDice) string {
			return fmt.Sprintf("%d %d %d %d", d.IntN(2), d.IntN(3), d.IntN(96)-48, d.IntN(80))
		}, assign},
		"unassign": {1, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			if key, ok := nth(w.keys("assignments"), a.int()); ok {
				w.consoleDelete(key)
			}
		}},
		"end": {2, func(d *simDice) string { return d.number() + " " + fmt.Sprint(d.IntN(40)) }, func(w *simWorld, a *simArgs) {
			if key, ok := nth(w.keys("assignments"), a.int()); ok {
				w.console(key, simRow{"until": hooks.Stored(w.time.Add(time.Duration(a.int()) * time.Hour))})
			}
		}},
		"move": {5, func(d *simDice) string { return d.number() + " " + fmt.Sprint(d.IntN(4)) }, func(w *simWorld, a *simArgs) {
			if key, ok := nth(w.keys("enterprises"), a.int()); ok {
				w.console(key, simRow{"grid": []string{"grid00000000000", "grid10000000000", "grid20000000000", ""}[a.int()%4]})
			}
		}},
		"serve": {2, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			key, _ := nth(w.keys("grids"), a.int())
			w.sql(key, simRow{"harbour": []string{"harbour00000000", "harbour10000000"}[a.int()%2]})
		}},
		"host": {1, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			key, _ := nth(w.keys("harbours"), a.int())
			w.console(key, simRow{"host_bank": []string{"bank00000000000", "bank10000000000"}[a.int()%2]})
		}},
		"post": {3, (*simDice).numbers, transfer},
		"office": {4, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			keys := append(w.keys("enterprises"), w.keys("visits")...)
			if key, ok := nth(append(keys, w.keys("demands")...), a.int()); ok {
				w.console(key, marked(w, key, a.int()))
			}
		}},
		"sql": {3, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			keys := append(w.keys("enterprises"), w.keys("visits")...)
			if key, ok := nth(keys, a.int()); ok {
				w.sql(key, marked(w, key, a.int()))
			}
		}},
		"import": {2, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			for range 1 + a.int()%12 {
				w.consoleNew("enterprises", simRow{"name": "名录" + fmt.Sprint(w.n), "kind": "company", "grid": "grid00000000000"})
			}
		}},
		// A loan under an enterprise's id, made and changed out of the sight of whoever walks there.
		"namesake": {1, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			key, ok := nth(w.keys("enterprises"), a.int())
			_, id := splitKey(key)
			if values := (simRow{"rate": float64(w.n % 30), "amount": 1000, "contract_no": w.mark(), "kind": "other", "borrower": "owner", "purpose": "business", "disbursed_on": "2026-01-01 16:00:00.000Z", "bank": []string{"bank00000000000", "bank10000000000"}[a.int()%2]}); ok && w.rows["loans/"+id] != nil {
				w.sql("loans/"+id, simRow{"rate": values["rate"]})
			} else if ok && !w.gone["loans/"+id] {
				w.consoleNewAs("loans", id, values)
			}
		}},
		"credit": {2, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			w.consoleNew("loans", simRow{"bank": []string{"bank00000000000", "bank10000000000"}[a.int()%2], "harbour": []string{"harbour00000000", "harbour10000000", ""}[a.int()%3],
				"amount": 1000, "contract_no": fmt.Sprint("C", w.n), "kind": "other", "borrower": "owner", "purpose": "business", "disbursed_on": "2026-01-01 16:00:00.000Z"})
		}},
		"erase": {2, (*simDice).numbers, func(w *simWorld, a *simArgs) {
			keys := append(w.childless("visits"), w.childless("loans")...)
			if key, ok := nth(append(keys, w.childless("demand_events")...), a.int()); ok {
				if a.int()%2 == 0 {
					w.consoleDelete(key)
					return
				}
				collection, id := splitKey(key)
				_, err := w.server.app.DB().NewQuery("DELETE FROM " + collection + " WHERE id = '" + id + "'").Execute()
				w.must(err)
				w.remove(key, w.sqlNow())
			}
		}},
		"decide": {4, (*simDice).numbers, decide},
		"device": {1, (*simDice).anybody, deviceState},
		// The machine room.
		"chores": {3, (*simDice).none, func(w *simWorld, _ *simArgs) {
			w.noteRevs()
			w.must(serverOf(w.server.app).compact())
			w.must(serverOf(w.server.app).expireWaits())
			w.expire()
		}},
		"backup":  {2, (*simDice).none, func(w *simWorld, _ *simArgs) { w.takeBackup() }},
		"restore": {1, (*simDice).numbers, func(w *simWorld, a *simArgs) { w.putBack(a.int()%3 != 0) }},
		"restart": {1, (*simDice).none, func(w *simWorld, _ *simArgs) {
			w.must(w.server.stop())
			w.must(w.server.start())
		}},
	}
}

// visit captures a visit to an enterprise that the phone shows.
func visit(p *simPhone, n int) {
	if id, ok := nth(p.shown("enterprises"), n); ok {
		p.captureVisit(id)
	}
}

func (p *simPhone) captureVisit(enterprise string) string {
	data := simRow{"enterprise": enterprise, "worker": simUserID(p.user), "started_at": p.now(), "ended_at": p.now(), "outcome": "met", "place": "shop",
		"notes": p.w.mark(), "photo_count": float64(p.w.n % 4)}
	if grid := str(p.view("enterprises/" + enterprise)["grid"]); grid != "" {
		data["grid"] = grid
	}
	if p.older {
		delete(data, "photo_count")
		delete(data, "place")
	}
	return p.capture("visits", data)
}

// foreignVisit is to any enterprise of the district, held or not.
func foreignVisit(w *simWorld, a *simArgs) {
	p := a.phone()
	if key, ok := nth(w.keys("enterprises"), a.int()); ok {
		_, id := splitKey(key)
		p.captureVisit(id)
	}
}

func newEnterprise(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	grid := fmt.Sprintf("grid%d0000000000", n%3)
	if neighbour, ok := nth(p.shown("enterprises"), n); ok && n%4 != 0 {
		grid = str(p.view("enterprises/" + neighbour)["grid"])
	}
	data := simRow{"name": w.mark(), "kind": "company", "grid": grid, "phone": fmt.Sprint(13900000000 + int(w.n)), "employees": 3.0}
	if a.int()%3 == 0 {
		data["special_groups"] = []any{"disabled"}
	}
	p.capture("enterprises", data)
}

func newDemand(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	data := simRow{"kind": "first_loan", "need": "working_capital", "amount": 1000.0 + float64(w.n), "special_group": "veteran"}
	switch visits := p.shown("visits"); {
	case n%5 == 0:
		data["applicant"] = w.mark()
		if n%2 == 0 {
			data["grid"] = "grid00000000000"
		}
	case n%5 == 1 && len(visits) > 0:
		data["visit"], _ = nth(visits, n)
		data["enterprise"] = p.view("visits/" + str(data["visit"]))["enterprise"]
	default:
		id, ok := nth(p.shown("enterprises"), n)
		if !ok {
			return
		}
		data["enterprise"] = id
	}
	p.capture("demands", data)
}

func newMatch(w *simWorld, a *simArgs) {
	p := a.phone()
	if demand, ok := nth(p.shown("demands"), a.int()); ok {
		p.capture("demand_matches", simRow{"demand": demand, "bank": fmt.Sprintf("bank%d0000000000", a.int()%2), "matched_at": p.now()})
	}
}

// newEvent tries the steps of a demand; most come out of turn, which the domain refuses.
func newEvent(w *simWorld, a *simArgs) {
	p, n, kind := a.phone(), a.int(), a.int()
	if match, ok := nth(p.shown("demand_matches"), n); ok && kind%2 == 0 {
		data := simRow{"demand": p.view("demand_matches/" + match)["demand"], "match": match, "at": p.now(), "kind": "stage"}
		switch kind % 8 {
		case 0:
			data["kind"], data["reached"] = "contact", true
		case 2:
			data["to_stage"] = "applied"
		case 4:
			data["to_stage"], data["amount"] = "approved", 500.0
		case 6:
			data["to_stage"], data["reason"] = "rejected", "other"
		}
		p.capture("demand_events", data)
		return
	}
	if demand, ok := nth(p.shown("demands"), n); ok {
		data := simRow{"demand": demand, "at": p.now(), "kind": "note", "note": w.mark()}
		if kind%3 != 0 {
			data = simRow{"demand": demand, "at": p.now(), "kind": "stage", "to_stage": "accepted"}
		}
		p.capture("demand_events", data)
	}
}

func newLoan(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	data := simRow{"bank": fmt.Sprintf("bank%d0000000000", a.int()%2), "amount": 400.0, "contract_no": w.mark(), "kind": "first_loan", "borrower": "owner", "purpose": "business",
		"disbursed_on": hooks.Stored(w.time.Add(-time.Hour)), "rate": 4.0}
	if demand, ok := nth(p.shown("demands"), n); ok && n%2 == 0 {
		data["demand"] = demand
	}
	p.capture("loans", data)
}

// renew says which loan a demand is to renew: one that may still be on its bank's desk, or may never come.
func renew(w *simWorld, a *simArgs) {
	p := a.phone()
	demand, ok := nth(p.shown("demands"), a.int())
	if !ok {
		return
	}
	n := a.int()
	loans := p.shown("loans")
	for _, other := range w.phones {
		for _, e := range other.outbox {
			if e.collection == "loans" {
				loans = append(loans, e.record)
			}
		}
	}
	loan, ok := nth(loans, n)
	if !ok || n%8 == 0 {
		loan = w.id(w.time)
	}
	p.change("demands", demand, simRow{"renewed_loan": loan})
}

func newPhoto(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	owner := []string{"visits", "visits", "enterprises", "demands"}[n%4]
	if id, ok := nth(p.shown(owner), n); ok {
		p.photograph(owner, id)
	}
}

// mark is a value that no other write makes: what is found in a record says which write it was.
func (w *simWorld) mark() string {
	w.n++
	return fmt.Sprintf("记%d", w.n)
}

// marked is a change of one field, as anybody may make it.
func marked(w *simWorld, key string, n int) simRow {
	collection, _ := splitKey(key)
	fields := map[string][]string{"enterprises": {"name", "phone", "address", "employees", "special_groups", "contact"}, "visits": {"notes", "photo_count", "handbook_left", "notes"},
		"demands": {"term", "amount", "special_group", "applicant"}, "demand_events": {"note"}, "loans": {"rate"}}[collection]
	field, _ := nth(fields, n)
	w.n++
	switch field {
	case "employees", "term", "amount", "rate", "photo_count":
		return simRow{field: float64(w.n%40 + 1)}
	case "handbook_left":
		return simRow{field: w.n%2 == 0}
	case "special_groups":
		return simRow{field: []any{[]string{"veteran", "graduate", "disabled"}[w.n%3]}}
	case "special_group":
		return simRow{field: []string{"veteran", "graduate", "disabled"}[w.n%3]}
	case "phone":
		return simRow{field: fmt.Sprint(13800000000 + int(w.n))}
	}
	return simRow{field: fmt.Sprintf("改%d", w.n)}
}

// edit changes one field, sometimes two, of a record that the phone shows; some changes break a rule.
func edit(w *simWorld, a *simArgs) {
	p, n, which := a.phone(), a.int(), a.int()
	collection := []string{"enterprises", "enterprises", "visits", "visits", "demands", "demand_events", "loans"}[n%7]
	id, ok := nth(p.shown(collection), n)
	if !ok {
		return
	}
	to := marked(w, collection+"/"+id, which)
	if which%4 == 3 {
		for k, v := range marked(w, collection+"/"+id, which+1) {
			to[k] = v
		}
	}
	if collection == "enterprises" && which%12 == 11 {
		to["uscc"] = "IOSVZ"
	}
	if collection == "enterprises" && which%12 == 10 {
		to["name"] = ""
	}
	if p.older {
		delete(to, "photo_count")
		delete(to, "contact")
	}
	if len(to) > 0 {
		p.change(collection, id, to)
	}
}

// deleteOwn takes back something; most of it is the phone's own.
func deleteOwn(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	collection := []string{"visits", "visits", "photos", "enterprises", "demands"}[a.int()%5]
	ids := p.shown(collection)
	if own := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return w.users[str(p.view(collection + "/" + id)["device"])] != p.user }); n%3 != 0 && len(own) > 0 {
		ids = own
	}
	if id, ok := nth(ids, n); ok {
		key := collection + "/" + id
		p.enqueue(simRow{"op": "delete", "collection": collection, "record": id, "rev": p.has[key].rev})
		delete(p.own, key)
	}
}

// badMutation is something that makes no sense or breaks a rule.
func badMutation(w *simWorld, a *simArgs) {
	p, n, kind := a.phone(), a.int(), a.int()
	id := w.id(w.time.Add(p.clock))
	enterprise, _ := nth(p.shown("enterprises"), n)
	visit := func(more simRow) simRow {
		data := simRow{"enterprise": enterprise, "worker": simUserID(p.user), "started_at": p.now(), "outcome": "met", "notes": w.mark()}
		for k, v := range more {
			data[k] = v
		}
		return data
	}
	switch kind % 7 {
	case 0:
		p.enqueue(simRow{"op": "create", "collection": "users", "record": id, "data": simRow{"name": "x"}})
	case 1:
		p.enqueue(simRow{"op": "create", "collection": "visits", "record": id, "data": visit(simRow{"photo_count": "three"})})
	case 2:
		p.enqueue(simRow{"op": "create", "collection": "visits", "record": id, "data": visit(simRow{"outcome": ""})})
	case 3:
		p.enqueue(simRow{"op": "upsert", "collection": "visits", "record": id, "data": visit(nil)})
	case 4:
		p.enqueue(simRow{"op": "create", "collection": "visits", "record": id, "data": visit(simRow{"review": "exception_approved", "scope_grid": "x", "nonsense": 1})})
	case 5: // an id used twice, with two bodies
		if e, ok := nth(p.outbox, n); ok {
			other := p.enqueue(simRow{"op": "create", "collection": "visits", "record": id, "data": visit(nil)})
			var m simRow
			w.parse(other.raw, &m)
			m["id"] = e.id
			other.id, other.raw = e.id, mustJSON(m)
		}
	case 6:
		e := p.enqueue(simRow{"op": "update", "collection": "visits", "record": id})
		e.raw = mustJSON(simRow{"id": e.id, "op": "update", "collection": "visits", "record": id, "changes": []int{1}})
	}
}

// mend takes a mutation that needs attention, or waits in vain, makes it right and sends it under a new id.
func mend(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	var refused []*simEntry
	for _, e := range p.outbox {
		if e.state == "attention" || e.state == "waiting" && a.words[len(a.words)-1] > "4" {
			refused = append(refused, e)
		}
	}
	e, ok := nth(refused, n)
	if !ok {
		return
	}
	var m simRow
	w.parse(e.raw, &m)
	data, isMap := m["data"].(simRow)
	if changes, ok := m["changes"].(simRow); ok && changes["renewed_loan"] != nil {
		p.outbox = slices.DeleteFunc(p.outbox, func(x *simEntry) bool { return x == e })
		changes["renewed_loan"] = simRow{"from": nil, "to": ""}
		p.enqueue(simRow{"op": "update", "collection": e.collection, "record": e.record, "changes": changes, "replaces": e.id})
		return
	}
	if e.state == "waiting" {
		return
	}
	if !isMap || m["op"] != "create" {
		p.outbox = slices.DeleteFunc(p.outbox, func(x *simEntry) bool { return x == e }) // given up by the worker
		return
	}
	if e.collection == "visits" {
		data["outcome"], data["photo_count"] = "met", 1.0
		if shown := p.shown("enterprises"); len(shown) > 0 {
			data["enterprise"] = shown[n%len(shown)]
		}
		if p.own["visits/"+e.record].record != nil {
			p.own["visits/"+e.record] = simCopy{record: data}
		}
	}
	p.outbox = slices.DeleteFunc(p.outbox, func(x *simEntry) bool { return x == e })
	p.enqueue(simRow{"op": "create", "collection": e.collection, "record": e.record, "data": data, "replaces": e.id})
}

// orphan puts the newest capture behind what comes before it in the outbox: its children arrive first. A phone does that when the
// worker sends a refused parent again after its children.
func orphan(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	sent := map[string]bool{}
	for id := range w.ledger {
		sent[id] = true
	}
	var unsent []*simEntry
	for _, e := range p.outbox {
		if e.state == "" && !sent[e.id] {
			unsent = append(unsent, e)
		}
	}
	if len(unsent) < 2 {
		return
	}
	e := unsent[n%len(unsent)]
	p.outbox = slices.DeleteFunc(p.outbox, func(x *simEntry) bool { return x == e })
	p.outbox = append(p.outbox, e)
}

// sameRecordAgain creates a record that was created already, under a new mutation id, with the same content or another.
func sameRecordAgain(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	e, ok := nth(p.kept, n)
	if !ok || e.collection != "visits" {
		return
	}
	var m simRow
	w.parse(e.raw, &m)
	data, isMap := m["data"].(simRow)
	if !isMap {
		return
	}
	if a.int()%2 == 0 {
		data["notes"] = w.mark()
	}
	p.enqueue(simRow{"op": "create", "collection": e.collection, "record": e.record, "data": data})
}

func delayedArrives(w *simWorld, a *simArgs) {
	p := a.phone()
	n := a.int()
	if answer, ok := nth(p.delayed, n); ok {
		p.delayed = slices.Delete(p.delayed, n%len(p.delayed), n%len(p.delayed)+1)
		p.pulled(answer.asked, answer.raw, p.pulls, false)
	}
}

// twice sends the same push two times at one instant.
func (w *simWorld) twice(p *simPhone, n int) {
	batch := p.batch(n)
	if len(batch) == 0 {
		return
	}
	body := p.pushBody(batch)
	type answer struct {
		status int
		raw    []byte
		err    error
	}
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			status, raw, err := w.server.call("POST", p.user, "/api/sync/push", "application/json", body)
			answers <- answer{status, raw, err}
		}()
	}
	one, two := <-answers, <-answers
	w.must(one.err)
	w.must(two.err)
	if one.status != two.status {
		w.fail(7, "one of two sends is answered %d, the other %d", one.status, two.status)
	}
	if one.status == 200 {
		repeated := func(raw []byte) (n int) {
			var resp PushResponse
			w.parse(raw, &resp)
			for _, r := range resp.Results {
				if r.Duplicate {
					n++
				}
			}
			return n
		}
		if repeated(one.raw) > repeated(two.raw) {
			one, two = two, one // which came first is chance
		}
		w.judgePush(p, body, one.raw)
		w.judgePush(p, body, two.raw)
	}
	p.pushed(one.status, one.raw, batch)
}

func assign(w *simWorld, a *simArgs) {
	user := simUserID([]string{"worker1", "worker2"}[a.int()%2])
	grid := fmt.Sprintf("grid%d0000000000", a.int()%3)
	from := w.time.Add(time.Duration(a.int()) * time.Hour)
	values := simRow{"user": user, "grid": grid, "from": hooks.Stored(from), "until": ""}
	if hours := a.int(); hours > 20 {
		values["until"] = hooks.Stored(from.Add(time.Duration(hours) * time.Hour))
	}
	w.consoleNew("assignments", values)
}

// transfer gives somebody another post.
func transfer(w *simWorld, a *simArgs) {
	switch n := a.int(); n % 5 {
	case 0:
		w.console("users/"+simUserID("counter"), simRow{"harbour": fmt.Sprintf("harbour%d0000000", a.int()%2)})
	case 1:
		w.console("users/"+simUserID("liaison"), simRow{"harbour": fmt.Sprintf("harbour%d0000000", a.int()%2)})
	case 2:
		w.console("users/"+simUserID("liaison"), simRow{"role": []string{"liaison", "harbour_staff", "department"}[a.int()%3]})
	case 3:
		w.sql("users/"+simUserID("deskB"), simRow{"bank": fmt.Sprintf("bank%d0000000000", a.int()%2)})
	case 4:
		w.console("users/"+simUserID("counter"), simRow{"role": []string{"harbour_staff", "harbour_head", "grid_worker"}[a.int()%3]})
	}
}

// decide is an administrator's word on something that a push could not take: do it after all, drop it, or choose a value.
func decide(w *simWorld, a *simArgs) {
	n, choice := a.int(), a.int()
	if choice%3 == 0 {
		decideConflict(w, n, choice%2 == 0)
		return
	}
	open, err := w.server.app.FindRecordsByFilter("sync_rejections", "status = 'open'", "mutation_id, id", 0, 0)
	w.must(err)
	r, ok := nth(open, n)
	if !ok {
		return
	}
	d := w.refused[r.GetString("mutation_id")]
	known := w.ledger[r.GetString("mutation_id")]
	if d == nil || known == nil || known.status != Rejected || canonicalJSON([]byte(r.GetString("mutation"))) != canonicalJSON(d.raw) {
		return // an id used twice: which of its bodies is meant is the resolutions' own tests' business
	}
	r.Set("note", "核实")
	if choice%3 == 1 {
		r.Set("resolution", "drop")
		w.must(w.server.app.Save(r))
		known.dropped = true
		coming := slices.ContainsFunc(open, func(x *core.Record) bool {
			other := w.refused[x.GetString("mutation_id")]
			return x.Id != r.Id && x.GetString("record") == d.m.Record && (other == nil || other.m.Op == "create")
		}) || slices.ContainsFunc(w.waits, func(x *simDelivery) bool { return x.m.Op == "create" && x.m.Record == d.m.Record })
		if d.m.Op == "create" && !coming && !w.has(d.m.Collection, d.m.Record) {
			w.drop(d.m.Record)
		}
		w.tally["dropped"]++
		return
	}
	r.Set("resolution", "replay")
	r.Set("override_scope", choice%2 == 0)
	if w.server.app.Save(r) != nil {
		w.tally["replay refused"]++
		return
	}
	w.tally["replayed"]++
	got := w.present(d.m.ID)
	again := *d
	again.m.Replaces = "" // what it was to replace was closed when it came
	again.anyScope = choice%2 == 0
	again.place, again.replayed, again.resends = 1, true, again.resends || w.resends(w.time)
	w.settle(&again, got)
}

func decideConflict(w *simWorld, n int, ours bool) {
	open, err := w.server.app.FindRecordsByFilter("sync_conflicts", "status = 'open' && field != '_'", "mutation_id, field", 0, 0)
	w.must(err)
	r, ok := nth(open, n)
	if !ok {
		return
	}
	key, field := r.GetString("collection")+"/"+r.GetString("record"), r.GetString("field")
	if r.Set("resolution", "take_theirs"); ours {
		r.Set("resolution", "take_ours")
	}
	if w.server.app.Save(r) != nil {
		w.tally["take_ours refused"]++
		return // the value is another by now, or a rule forbids it
	}
	w.tally[r.GetString("resolution")]++
	if !ours {
		return
	}
	if w.rows[key] == nil {
		w.fail(1, "a conflict over %s was decided, and there is no such record", key)
	}
	var yours any
	w.parse([]byte(r.GetString("yours")), &yours)
	w.office(key, simRow{field: yours}, hooks.Stored(w.time))
}

func deviceState(w *simWorld, a *simArgs) {
	p, n := a.phone(), a.int()
	state := []string{"active", "drain_only", "suspended", "wiped"}[n%4]
	r, err := w.server.app.FindRecordById("devices", p.device)
	if err != nil || p.state == "wiped" {
		return // never seen yet
	}
	r.Set("state", state)
	w.must(w.server.app.Save(r))
	p.state = p.stateNow()
}

// rolled makes the steps of a seed: a few people, what they have at first, then anything.
func rolled(seed uint64, length int) []string {
	r := rand.New(rand.NewPCG(seed, 20260901))
	everybody := []string{"worker1", "worker1b", "worker2", "counter", "liaison", "deskA", "deskB"}
	r.Shuffle(len(everybody), func(i, j int) { everybody[i], everybody[j] = everybody[j], everybody[i] })
	d := &simDice{r, everybody[:2+r.IntN(3)]}
	if d.IntN(2) == 0 { // people who see the same records
		d.cast = append([]string{"worker1", "worker1b", "counter"}[:2+d.IntN(2)], d.phone("deskA", "worker2"))
	}
	names, total := sortedKeys(simVerbs), 0
	for _, name := range names {
		total += simVerbs[name].weight
	}
	var steps []string
	for _, name := range d.cast {
		steps = append(steps, "pull "+name+" ok 0 0")
	}
	for range length {
		n := r.IntN(total)
		for _, name := range names {
			if n -= simVerbs[name].weight; n < 0 {
				line := name
				if words := simVerbs[name].roll(d); words != "" {
					line += " " + words
				}
				steps = append(steps, line)
				break
			}
		}
	}
	return steps
}
