package fieldsync

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

const ahead = "TestWhateverHappensBetweenThePhoneAndTheWriterAPushIsJudgedAsItsTurnFindsIt"

// received is a push that came in and was worked out, but whose turn has not come.
func (p *phone) received(mutations ...map[string]any) *incoming {
	p.d.t.Helper()
	req := &PushRequest{Protocol: 1, Device: p.device, SentAt: hooks.Stored(p.d.time)}
	for _, m := range mutations {
		raw, err := json.Marshal(m)
		if err != nil {
			p.d.t.Fatal(err)
		}
		req.Mutations = append(req.Mutations, raw)
	}
	user, err := p.d.app.FindRecordById("users", p.d.users[p.user].Id)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return serverOf(p.d.app).receive(user, req)
}

// What a push rests on may change while it waits for the writer. It must then end as if it had come after the change.
func TestWhateverHappensBetweenThePhoneAndTheWriterAPushIsJudgedAsItsTurnFindsIt(t *testing.T) {
	type scene struct {
		*district
		p, other *phone
		visits   []map[string]any
		spare    string // an enterprise that nobody has visited
		validate int
	}
	type event struct {
		name   string
		does   func(s *scene)
		unfelt bool // what was worked out ahead is as good as before; elsewhere redone tells whether it must have been worked out again
		redone bool
	}
	elsewhere := func(s *scene, queries ...string) {
		db, err := sql.Open("sqlite", filepath.Join(s.app.DataDir(), "data.db")+"?_pragma=busy_timeout(10000)")
		if err != nil {
			s.t.Fatal(err)
		}
		defer db.Close()
		for _, q := range queries {
			if _, err := db.Exec(q); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	events := []event{
		{"nothing", func(*scene) {}, true, false},
		{"another phone pushes", func(s *scene) {
			s.phone("worker2").push(s.phone("worker2").visit("ent200000000000", "grid20000000000"))
		}, true, false},
		{"other phones say hello and pull", func(s *scene) {
			s.phone("worker1").says(nil)
			s.time = s.time.Add(2 * time.Minute) // the last pull is no longer noted
			s.other.pull(0)
		}, true, false},
		{"the grid goes to somebody else", func(s *scene) {
			s.edit("assignments", "assignment10000", map[string]any{"until": hooks.Stored(s.time.Add(-48 * time.Hour))})
		}, false, false},
		{"the assignment ends by the clock", func(s *scene) { s.time = s.time.Add(2 * time.Hour) }, false, true},
		{"the enterprise moves", func(s *scene) { s.edit("enterprises", "ent100000000000", map[string]any{"grid": "grid20000000000"}) }, false, false},
		{"the enterprise is found to be another", func(s *scene) { s.admin("boss").merges(s.spare, "ent100000000000") }, false, false},
		{"the enterprise is deleted by SQL", func(s *scene) { s.sql("DELETE FROM enterprises WHERE id = 'ent100000000000'") }, false, false},
		{"another harbour serves the grid", func(s *scene) { s.edit("grids", "grid10000000000", map[string]any{"harbour": "harbour2000000a"}) }, false, true},
		{"another process changes the harbour", func(s *scene) {
			elsewhere(s, "UPDATE grids SET harbour = 'harbour2000000a' WHERE id = 'grid10000000000'")
		}, false, true},
		{"the user gets another post", func(s *scene) {
			s.edit("users", userID("worker1"), map[string]any{"role": "bank", "bank": "banka0000000000"})
		}, false, false},
		{"the collection takes shorter notes", func(s *scene) {
			c, err := s.app.FindCollectionByNameOrId("visits")
			if err != nil {
				s.t.Fatal(err)
			}
			c.Fields.GetByName("notes").(*core.TextField).Max = 2
			if err := s.app.Save(c); err != nil {
				s.t.Fatal(err)
			}
		}, false, false},
		{"a change goes before in the same push's line", func(s *scene) {
			s.phone("worker1").push(s.p.update("enterprises", "ent100000000000", "contact", "", "老王"))
		}, false, false},
		{"the same was sent twice at once", func(s *scene) { s.p.push(s.visits...) }, false, false},
		{"one record of it was made by another mutation", func(s *scene) {
			twin := map[string]any{}
			for k, v := range s.visits[3] {
				twin[k] = v
			}
			twin["id"] = s.id()
			s.p.push(twin)
		}, false, false},
		{"somebody waits for a record of it", func(s *scene) {
			s.p.push(s.p.update("visits", s.visits[2]["record"].(string), "notes", "", "补记"))
		}, false, false},
	}
	const before, after, never = "before it", "after it", "in its turn" // when a push is worked out
	outcome := func(t *testing.T, e event, workedOut string) (string, bool) {
		s := &scene{district: newDistrict(t)}
		s.p = s.phone("worker1")
		s.spare = s.save("enterprises", map[string]any{"id": "ent300000000000", "name": "重庆小面", "grid": "grid20000000000"}).Id
		s.edit("assignments", "assignment10000", map[string]any{"until": hooks.Stored(s.time.Add(time.Hour))})
		s.other = s.phone("worker2")
		s.other.pull(0)
		s.p.push(s.p.visit("ent100000000000", "grid10000000000")) // the writer has had a turn
		for range 12 {
			v := s.p.visit("ent100000000000", "grid10000000000")
			v["data"].(map[string]any)["notes"] = "店主不在，改日再来"
			s.visits = append(s.visits, v)
		}
		hooks.OnValidate(s.app, "visits", func(e *core.RecordEvent) error {
			s.validate++
			return e.Next()
		})
		var in *incoming
		if workedOut == before {
			if in = s.p.received(s.visits...); len(in.ahead.ready) != len(s.visits) {
				t.Fatalf("%d of %d worked out ahead", len(in.ahead.ready), len(s.visits))
			}
		}
		e.does(s)
		if workedOut != before { // with what the push before has found out, if nobody has noticed the event yet
			in = s.p.received(s.visits...)
		}
		if workedOut == never {
			in.ahead = nil
		}
		s.validate = 0
		in.received = s.now()
		answer, err := serverOf(s.app).take(in)
		var told strings.Builder
		fmt.Fprintln(&told, err)
		for _, r := range answer.Results {
			r.Seq = 0
			if r.Record != nil {
				r.Record.Rev = 0
			}
			raw, _ := json.Marshal(r)
			fmt.Fprintln(&told, string(raw))
		}
		for _, q := range []string{
			"SELECT id || ' ' || grid || ' ' || harbour || ' ' || scope_grid || ' ' || scope_harbour || ' ' || worker || ' ' || notes FROM visits ORDER BY id",
			"SELECT scope || ' ' || collection || ' ' || record FROM sync_feed WHERE collection = 'visits' ORDER BY record, scope",
			"SELECT id || ' ' || status || ' ' || record FROM sync_mutations ORDER BY id",
			"SELECT waits_for FROM sync_deferred ORDER BY 1"} {
			fmt.Fprintln(&told, strings.Join(s.texts(q), "\n"))
		}
		return told.String(), s.validate > 0
	}
	for _, e := range events {
		t.Run(e.name, func(t *testing.T) {
			was, redone := outcome(t, e, before)
			late, _ := outcome(t, e, after)
			want, _ := outcome(t, e, never)
			if was != want {
				t.Errorf("worked out before it, a push ends so:\n%s\nin its turn so:\n%s", was, want)
			}
			if late != want {
				t.Errorf("worked out after it, a push ends so:\n%s\nin its turn so:\n%s", late, want)
			}
			if e.unfelt && redone {
				t.Error("worked out again for nothing")
			}
			if e.redone && !redone {
				t.Error("taken as it was worked out before")
			}
		})
	}
}
