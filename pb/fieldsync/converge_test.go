package fieldsync

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gangwan/hooks"
)

// Whatever happens in whatever order, once all is quiet every phone holds what the list API answers its user, and every
// acknowledged mutation is there once. A failure names its seed; the same seed replays it.
func TestAfterAnyHistoryEveryPhoneHoldsWhatTheListAPIAnswers(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newHistory(t, seed).run(120) })
	}
}

type history struct {
	*district
	r       *rand.Rand
	phones  []*phone
	visits  map[string]bool // acknowledged
	demands []string
	matches []string
	n       uint32
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{district: newDistrict(t), r: rand.New(rand.NewPCG(seed, 7)), visits: map[string]bool{}}
	for _, user := range []string{"worker1", "worker1", "worker2", "counter", "deskA", "deskB"} {
		p := h.phone(user)
		p.device = h.id()
		h.phones = append(h.phones, p)
	}
	return h
}

func (h *history) id() string {
	h.n++
	return hooks.NewID(h.time, &counter{h.n})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (h *history) run(steps int) {
	enterprises := []string{"ent100000000000", "ent200000000000"}
	grids := []string{"grid10000000000", "grid20000000000"}
	harbours := []string{"harbour1000000a", "harbour2000000a"}
	for range steps {
		h.time = h.time.Add(time.Duration(h.r.IntN(7200)) * time.Second)
		p := pick(h.r, h.phones)
		switch h.r.IntN(18) {
		case 0, 1, 2:
			h.visit(p, pick(h.r, enterprises))
		case 3:
			h.demand(p, pick(h.r, enterprises))
		case 4, 5:
			h.step(p)
		case 6:
			h.edit("enterprises", pick(h.r, enterprises), map[string]any{"grid": pick(h.r, append(grids, ""))})
		case 7:
			from, until := h.time.Add(time.Duration(h.r.IntN(48)-24)*time.Hour), ""
			if h.r.IntN(2) == 0 {
				until = hooks.Stored(from.Add(time.Duration(h.r.IntN(72)) * time.Hour))
			}
			h.assign(pick(h.r, []string{"worker1", "worker2"}), pick(h.r, grids), hooks.Stored(from), until)
		case 8:
			if all, _ := h.app.FindAllRecords("assignments"); len(all) > 0 {
				a := pick(h.r, all)
				if h.r.IntN(2) == 0 {
					if err := h.app.Delete(a); err != nil {
						h.t.Fatal(err)
					}
				} else {
					h.edit("assignments", a.Id, map[string]any{"until": h.time.Add(time.Duration(h.r.IntN(24)) * time.Hour)})
				}
			}
		case 9:
			h.sql(fmt.Sprintf(`UPDATE grids SET harbour = '%s' WHERE id = '%s'`, pick(h.r, harbours), pick(h.r, grids)))
		case 10:
			h.sql(fmt.Sprintf(`UPDATE users SET harbour = '%s' WHERE id = '%s'`, pick(h.r, harbours), h.users["counter"].Id))
		case 11:
			id := h.id()[:15]
			h.sql(fmt.Sprintf(`INSERT INTO enterprises (id, name, grid) VALUES ('%s', '街边店', '%s')`, id, pick(h.r, grids)))
			enterprises = append(enterprises, id)
		case 12:
			if len(h.visits) > 0 && h.r.IntN(3) == 0 {
				id := sortedKeys(h.visits)[h.r.IntN(len(h.visits))]
				h.sql(`DELETE FROM visits WHERE id = '` + id + `'`)
				delete(h.visits, id)
			}
		case 13:
			h.partial(p)
		case 14:
			// Now and then under the id of another collection's record.
			id, bank := pick(h.r, []string{h.id()[:15], pick(h.r, enterprises)}), pick(h.r, []string{"banka0000000000", "bankb0000000000"})
			h.sql(fmt.Sprintf(`INSERT OR REPLACE INTO loans (id, bank, harbour, amount) VALUES ('%s', '%s', '%s', 1)`, id, bank, pick(h.r, append(harbours, ""))))
		case 15:
			h.sql(fmt.Sprintf(`UPDATE harbours SET host_bank = '%s' WHERE id = '%s'`, pick(h.r, []string{"banka0000000000", "bankb0000000000"}), pick(h.r, harbours)))
		default:
			p.pull([]int{0, 1, 3}[h.r.IntN(3)])
		}
	}
	h.quiet()
}

func (h *history) sql(q string) {
	h.t.Helper()
	if _, err := h.app.DB().NewQuery(q).Execute(); err != nil {
		h.t.Fatalf("%s: %v", q, err)
	}
}

// send pushes and, now and then, loses the answer and sends the same again.
func (h *history) send(p *phone, m map[string]any) Result {
	m["id"] = h.id()
	first := p.push(m)[0]
	if h.r.IntN(3) == 0 {
		again := p.push(m)[0]
		if again.Status != first.Status || !again.Duplicate {
			h.t.Fatalf("sent again: %+v, first %+v", again, first)
		}
	}
	return first
}

func (h *history) visit(p *phone, enterprise string) {
	m := p.visit(enterprise, "grid10000000000")
	m["record"] = h.id()
	if h.r.IntN(4) == 0 {
		m["captured_at"] = hooks.Stored(h.time.Add(-time.Duration(h.r.IntN(96)) * time.Hour))
	}
	if h.send(p, m).Status == Applied {
		h.visits[m["record"].(string)] = true
	}
}

func (h *history) create(collection string, data map[string]any) map[string]any {
	return map[string]any{"op": "create", "collection": collection, "record": h.id(), "captured_at": hooks.Stored(h.time), "data": data}
}

func (h *history) demand(p *phone, enterprise string) {
	m := h.create("demands", map[string]any{"enterprise": enterprise, "kind": "first_loan", "need": "working_capital", "amount": 1000})
	if h.send(p, m).Status == Applied {
		h.demands = append(h.demands, m["record"].(string))
	}
}

func (h *history) step(p *phone) {
	if len(h.demands) == 0 {
		return
	}
	demand := pick(h.r, h.demands)
	if h.r.IntN(3) == 0 {
		m := h.create("demand_matches", map[string]any{"demand": demand, "bank": pick(h.r, []string{"banka0000000000", "bankb0000000000"}), "matched_at": hooks.Stored(h.time)})
		if h.send(p, m).Status == Applied {
			h.matches = append(h.matches, m["record"].(string))
		}
		return
	}
	data := map[string]any{"demand": demand, "at": hooks.Stored(h.time), "kind": "stage", "to_stage": "accepted"}
	if len(h.matches) > 0 && h.r.IntN(2) == 0 {
		match, err := h.app.FindRecordById("demand_matches", pick(h.r, h.matches))
		if err != nil {
			h.t.Fatal(err)
		}
		data = map[string]any{"demand": match.GetString("demand"), "match": match.Id, "at": hooks.Stored(h.time), "kind": "contact", "reached": true}
	}
	h.send(p, h.create("demand_events", data))
}

// partial asks for one page and loses the answer: the old cursor asks again later.
func (h *history) partial(p *phone) {
	body := mustJSON(PullRequest{Protocol: 1, Device: p.device, Cursor: p.cursor, Limit: 2})
	if status, raw := h.post(p.user, "/api/sync/pull", body); status != 200 {
		h.t.Fatalf("%d %s", status, raw)
	}
}

func (h *history) quiet() {
	h.time = h.time.Add(100 * time.Hour) // the last boundaries pass by the clock alone
	for _, p := range h.phones {
		p.pull([]int{0, 2}[h.r.IntN(2)])
		for _, holding := range hooks.Holdings {
			if got, want := p.ids(holding.Collection), p.listed(holding.Collection); got != want {
				h.t.Errorf("%s %s: pulled %s, the list API answers %s", p.user, holding.Collection, got, want)
			}
		}
	}
	for id := range h.visits {
		if _, err := h.app.FindRecordById("visits", id); err != nil {
			h.t.Errorf("an acknowledged visit is gone: %s", id)
		}
	}
	if n := h.count("visits"); n != len(h.visits) {
		h.t.Errorf("%d visits, %d acknowledged", n, len(h.visits))
	}
}
