package fieldsync

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
	"pgregory.net/rapid"

	"gangwan/hooks"
)

// drawn lets a district fail the history that rapid drew, so that rapid finds the shortest one that fails.
type drawn struct {
	testing.TB
	r *rapid.T
}

func (d drawn) Error(args ...any)                 { d.r.Error(args...) }
func (d drawn) Errorf(format string, args ...any) { d.r.Errorf(format, args...) }
func (d drawn) Fatal(args ...any)                 { d.r.Fatal(args...) }
func (d drawn) Fatalf(format string, args ...any) { d.r.Fatalf(format, args...) }

// Invariants 2, 4 and 8: whatever is done by whom, a phone holds the records and the values that the list API answers its user:
// no fewer, no more; also from any cursor that was ever handed out, also after compaction.
func TestEveryRoleHoldsExactlyWhatTheListAPIAnswersWhateverHappens(t *testing.T) {
	// The same histories in every run; another seed, or more of them, by rapid's own flags.
	for name, value := range map[string]string{"rapid.checks": "15", "rapid.steps": "60", "rapid.seed": "1", "rapid.nofailfile": "true"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := flag.Set(name, value); err != nil {
				t.Fatal(err)
			}
			defer flag.Set(name, f.DefValue) //nolint:errcheck // it was its own value
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		w := newAnyplace(drawn{t, r})
		defer w.close()
		r.Repeat(w.actions())
		w.time = w.time.Add(100 * time.Hour) // the last boundaries pass by the clock alone
		for _, p := range w.phones {
			w.compare(p, rapid.SampledFrom([]int{0, 0, 3}).Draw(r, "limit"))
		}
		for _, old := range w.old {
			w.compare(old, 0)
		}
	})
}

// anyplace is a district in which anything may happen.
type anyplace struct {
	*district
	n      int
	phones []*phone
	old    []*phone // phones as they were at some time
}

func newAnyplace(t drawn) *anyplace {
	w := &anyplace{district: newDistrict(t)}
	for _, name := range []string{"商务委", "科技局"} {
		w.save("agencies", map[string]any{"id": w.id(), "name": name, "kind": "department"})
		w.save("areas", map[string]any{"id": w.id(), "name": name + "街", "code": fmt.Sprint(600000000 + w.n), "kind": "street"})
	}
	// Users of the other roles, two of them with a post at which nobody is yet; without the half second that hashing takes.
	for name, post := range map[string][3]string{"head": {"harbour_head", "harbour2000000a", ""}, "liaison": {"liaison", "harbour1000000a", ""},
		"department": {"department", "", ""}, "official": {"official", "", ""}, "street": {"street_official", "", ""}} {
		w.sql(`INSERT INTO users (id, name, email, role, harbour, bank, password, tokenKey, scope_grids)
			SELECT '%[1]s', '%[2]s', '%[2]s@example.com', '%[3]s', '%[4]s', '%[5]s', password, '%[2]s' || tokenKey, '[]' FROM users WHERE id = '%[6]s'`,
			userID(name), name, post[0], post[1], post[2], userID("worker1"))
		u, err := w.app.FindRecordById("users", userID(name))
		if err != nil {
			t.Fatal(err)
		}
		w.users[name] = u
	}
	for _, name := range sortedKeys(w.users) {
		w.phones = append(w.phones, w.phone(name))
	}
	return w
}

func (w *anyplace) sql(format string, args ...any) {
	w.t.Helper()
	q := fmt.Sprintf(format, args...)
	if _, err := w.app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
		w.t.Fatalf("%s: %v", q, err)
	}
}

// id is one that PocketBase might have made.
func (w *anyplace) id() string {
	w.n++
	return fmt.Sprintf("r%014d", w.n)
}

// phone gives the n-th phone; ids of devices are UUIDs of their own.
func (w *anyplace) phone(user string) *phone {
	w.n++
	return &phone{d: w.district, user: user, device: hooks.NewID(w.time, &counter{uint32(w.n)}), has: map[string]map[string]any{}, revs: map[string]int64{}}
}

// one picks a record that there is; ok is false when there is none.
func (w *anyplace) one(r *rapid.T, collection string) (id string, ok bool) {
	var ids []string
	if err := w.app.DB().NewQuery("SELECT id FROM " + collection + " ORDER BY id").Column(&ids); err != nil {
		w.t.Fatal(err)
	}
	if len(ids) == 0 {
		return "", false
	}
	return rapid.SampledFrom(ids).Draw(r, collection), true
}

// some picks a record or none.
func (w *anyplace) some(r *rapid.T, collection string) string {
	if rapid.IntRange(0, 4).Draw(r, "none") == 0 {
		return ""
	}
	id, _ := w.one(r, collection)
	return id
}

var roles = []string{"grid_worker", "harbour_staff", "harbour_head", "liaison", "bank", "department", "official", "street_official"}

const sqlNow = "2026-09-01 01:00:00.000Z"

func (w *anyplace) actions() map[string]func(*rapid.T) {
	texts := []string{"面馆", "O'Neil \"老店\"", "", "a\tb\nc\\d", "\u0001\u001f\u2028<&>", "😀 héllo"}
	text := func(r *rapid.T) string { return rapid.SampledFrom(texts).Draw(r, "text") }
	name := func(r *rapid.T) string { return "店" + text(r) }
	numbers := []float64{0, 1, 12.5, 0.1 + 0.2, 1e10, 3.0000000000000004, 99999.99}
	user := func(r *rapid.T) string { return w.users[rapid.SampledFrom(sortedKeys(w.users)).Draw(r, "user")].Id }
	when := func(r *rapid.T) string {
		hours := rapid.IntRange(-72, 72).Draw(r, "hours")
		if hours == -72 {
			return ""
		}
		return hooks.Stored(w.time.Add(time.Duration(hours) * time.Hour))
	}
	// row writes a whole row by plain SQL, over another one of the same id if there is one.
	row := func(collection string, values map[string]any) {
		var columns, marks []string
		params := map[string]any{}
		for _, c := range sortedKeys(values) {
			columns, marks = append(columns, c), append(marks, "{:"+c+"}")
			params[c] = values[c]
		}
		q := fmt.Sprintf("INSERT OR REPLACE INTO %s (%s, created, updated) VALUES (%s, '%s', '%s')", collection, columnList(columns), joined(marks), sqlNow, sqlNow)
		if _, err := w.app.NonconcurrentDB().NewQuery(q).Bind(params).Execute(); err != nil {
			w.t.Fatalf("%s %v: %v", q, values, err)
		}
	}
	// made is a new id, or now and then one that is taken: in the same collection or, for a loan, in another.
	made := func(r *rapid.T, of string) string {
		if rapid.IntRange(0, 5).Draw(r, "taken") == 0 {
			if id, ok := w.one(r, of); ok {
				return id
			}
		}
		return w.id()
	}
	anything := []string{"enterprises", "visits", "demands", "photos", "demand_matches", "demand_events", "loans", "assignments", "sync_rejections", "sync_conflicts", "policies"}
	var others []string // of which nothing is said below
	for _, h := range hooks.Holdings {
		if !h.All && h.Collection != "devices" && !slices.Contains(anything, h.Collection) {
			others = append(others, h.Collection)
		}
	}
	anything = append(anything, others...)
	// anyOf is some value of a field, as SQLite holds it.
	anyOf := func(r *rapid.T, f core.Field) any {
		switch v := f.(type) {
		case *core.RelationField:
			target, err := w.app.FindCachedCollectionByNameOrId(v.CollectionId)
			if err != nil {
				w.t.Fatal(err)
			}
			if v.IsMultiple() {
				return "[]"
			}
			return w.some(r, target.Name)
		case *core.SelectField:
			value := rapid.SampledFrom(v.Values).Draw(r, v.Name)
			if v.IsMultiple() {
				return `["` + value + `"]`
			}
			return value
		case *core.TextField:
			return text(r)
		case *core.DateField:
			return rapid.SampledFrom([]string{"", sqlNow}).Draw(r, v.Name)
		}
		return nil
	}
	return map[string]func(*rapid.T){
		"time passes": func(r *rapid.T) {
			w.time = w.time.Add(time.Duration(rapid.IntRange(1, 48*60).Draw(r, "minutes")) * time.Minute)
		},
		"a user changes posts": func(r *rapid.T) {
			w.edit("users", user(r), map[string]any{"role": rapid.SampledFrom(roles).Draw(r, "role"), "harbour": w.some(r, "harbours"), "bank": w.some(r, "banks"), "street": w.some(r, "areas"), "agency": w.some(r, "agencies")})
		},
		"a harbour goes to another street": func(r *rapid.T) {
			id, _ := w.one(r, "harbours")
			w.sql(`UPDATE harbours SET area = '%s' WHERE id = '%s'`, w.some(r, "areas"), id)
		},
		"a record of the other systems is written": func(r *rapid.T) {
			of := rapid.SampledFrom(others).Draw(r, "of")
			c, err := w.app.FindCachedCollectionByNameOrId(of)
			if err != nil {
				w.t.Fatal(err)
			}
			values := map[string]any{"id": made(r, of)}
			for _, f := range c.Fields {
				if v := anyOf(r, f); v != nil && !f.GetHidden() && f.GetName() != "id" && f.GetName() != "file" {
					values[f.GetName()] = v
				}
			}
			row(of, values)
		},
		"what decides over a record of the other systems changes": func(r *rapid.T) {
			h := hooks.HoldingOf(rapid.SampledFrom(others).Draw(r, "of"))
			id, ok := w.one(r, h.Collection)
			if !ok {
				r.Skip()
			}
			c, err := w.app.FindCachedCollectionByNameOrId(h.Collection)
			if err != nil {
				w.t.Fatal(err)
			}
			source := rapid.SampledFrom(h.Sources).Draw(r, "source")
			w.sql(`UPDATE %s SET %s = '%v' WHERE id = '%s'`, h.Collection, source, anyOf(r, c.Fields.GetByName(source)), id)
		},
		"a user must change the password": func(r *rapid.T) {
			w.edit("users", user(r), map[string]any{"must_change_password": rapid.IntRange(0, 2).Draw(r, "must") == 0})
		},
		"a grid is given": func(r *rapid.T) {
			grid, _ := w.one(r, "grids")
			w.save("assignments", map[string]any{"id": w.id(), "user": user(r), "grid": grid, "from": when(r), "until": when(r)})
		},
		"an assignment is changed": func(r *rapid.T) {
			id, ok := w.one(r, "assignments")
			if !ok {
				r.Skip()
			}
			grid, _ := w.one(r, "grids")
			values := rapid.SampledFrom([]map[string]any{{"until": when(r)}, {"from": when(r)}, {"user": user(r)}, {"grid": grid}}).Draw(r, "change")
			w.edit("assignments", id, values)
		},
		"an enterprise moves": func(r *rapid.T) {
			id, ok := w.one(r, "enterprises")
			if !ok {
				r.Skip()
			}
			grid := w.some(r, "grids")
			if rapid.Bool().Draw(r, "by SQL") {
				w.sql(`UPDATE enterprises SET grid = '%s' WHERE id = '%s'`, grid, id)
			} else {
				w.edit("enterprises", id, map[string]any{"grid": grid})
			}
		},
		"a grid gets another harbour": func(r *rapid.T) {
			id, _ := w.one(r, "grids")
			if harbour := w.some(r, "harbours"); rapid.Bool().Draw(r, "by SQL") {
				w.sql(`UPDATE grids SET harbour = '%s' WHERE id = '%s'`, harbour, id)
			} else {
				w.edit("grids", id, map[string]any{"harbour": harbour})
			}
		},
		"a harbour gets another host bank": func(r *rapid.T) {
			id, _ := w.one(r, "harbours")
			w.sql(`UPDATE harbours SET host_bank = '%s' WHERE id = '%s'`, w.some(r, "banks"), id)
		},
		"an enterprise is written": func(r *rapid.T) {
			row("enterprises", map[string]any{"id": made(r, "enterprises"), "name": name(r), "contact": text(r), "grid": w.some(r, "grids"), "revenue": rapid.IntRange(0, 1e12).Draw(r, "revenue"),
				"location": fmt.Sprintf(`{"lon":%v,"lat":%v}`, 108+rapid.SampledFrom(numbers[:4]).Draw(r, "lon")/10, 30.8), "tags": `["green","key"]`, "special_groups": `["veteran"]`, "founded_on": rapid.SampledFrom([]string{"", sqlNow}).Draw(r, "founded")})
		},
		"an enterprise is edited in the console": func(r *rapid.T) {
			id, ok := w.one(r, "enterprises")
			if !ok {
				r.Skip()
			}
			w.edit("enterprises", id, map[string]any{"name": name(r), "contact": text(r), "employees": rapid.IntRange(0, 9).Draw(r, "employees")})
		},
		"a visit is written": func(r *rapid.T) {
			row("visits", map[string]any{"id": made(r, "visits"), "enterprise": w.some(r, "enterprises"), "worker": user(r), "started_at": sqlNow, "outcome": "met", "accuracy": rapid.SampledFrom(numbers).Draw(r, "accuracy"), "notes": text(r), "handbook_left": rapid.Bool().Draw(r, "handbook")})
		},
		"a demand is written": func(r *rapid.T) {
			row("demands", map[string]any{"id": made(r, "demands"), "enterprise": w.some(r, "enterprises"), "grid": w.some(r, "grids"), "harbour": w.some(r, "harbours"), "kind": "first_loan", "need": "startup", "amount": 1000, "special_group": "veteran", "startup_group": "graduate"})
		},
		"a demand is offered": func(r *rapid.T) {
			demand, ok := w.one(r, "demands")
			if !ok {
				r.Skip()
			}
			bank, _ := w.one(r, "banks")
			row("demand_matches", map[string]any{"id": made(r, "demand_matches"), "demand": demand, "bank": bank, "matched_at": sqlNow, "result": "declined"})
		},
		"an offer goes elsewhere": func(r *rapid.T) {
			id, ok := w.one(r, "demand_matches")
			if !ok {
				r.Skip()
			}
			bank, _ := w.one(r, "banks")
			demand, _ := w.one(r, "demands")
			w.sql(`UPDATE demand_matches SET bank = '%s', demand = '%s' WHERE id = '%s'`, bank, demand, id)
		},
		"a step is written": func(r *rapid.T) {
			row("demand_events", map[string]any{"id": made(r, "demand_events"), "demand": w.some(r, "demands"), "match": w.some(r, "demand_matches"), "kind": "note", "at": sqlNow, "note": text(r)})
		},
		"a photo is written": func(r *rapid.T) {
			of := rapid.SampledFrom(hooks.PhotoOwners).Draw(r, "of")
			row("photos", map[string]any{"id": made(r, "photos"), "collection": of, "record": w.some(r, of), "bytes": 5})
		},
		"a loan is written": func(r *rapid.T) {
			row("loans", map[string]any{"id": rapid.SampledFrom([]string{made(r, "loans"), made(r, "enterprises")}).Draw(r, "id"), "enterprise": w.some(r, "enterprises"), "bank": w.some(r, "banks"), "harbour": w.some(r, "harbours"), "amount": 5, "rate": rapid.SampledFrom(numbers).Draw(r, "rate"), "disbursed_on": sqlNow})
		},
		"a report of a user is kept": func(r *rapid.T) {
			row(rapid.SampledFrom([]string{"sync_rejections", "sync_conflicts"}).Draw(r, "list"), map[string]any{"id": w.id(), "user": user(r), "record": text(r), "status": "open"})
		},
		"a handbook changes": func(r *rapid.T) {
			row("policies", map[string]any{"id": made(r, "policies"), "title": name(r), "kind": "credit", "text": "<p>" + text(r) + "</p>", "tags": `["green"]`})
		},
		"a device is renamed": func(r *rapid.T) {
			if id, ok := w.one(r, "devices"); ok {
				w.edit("devices", id, map[string]any{"name": text(r)})
			}
		},
		"a record is deleted": func(r *rapid.T) {
			collection := rapid.SampledFrom(anything).Draw(r, "collection")
			if id, ok := w.one(r, collection); ok {
				w.sql(`DELETE FROM %s WHERE id = '%s'`, collection, id)
			}
		},
		"a record gets another id": func(r *rapid.T) {
			collection := rapid.SampledFrom(anything[1:]).Draw(r, "collection")
			if id, ok := w.one(r, collection); ok {
				w.sql(`UPDATE %s SET id = '%s' WHERE id = '%s'`, collection, w.id(), id)
			}
		},
		"the feed is compacted": func(*rapid.T) {
			if err := serverOf(w.app).compact(); err != nil {
				w.t.Fatal(err)
			}
		},
		"the operator vacuums": func(*rapid.T) { w.sql(`VACUUM`) },
		"a phone pulls": func(r *rapid.T) {
			p := w.phones[rapid.IntRange(0, len(w.phones)-1).Draw(r, "phone")]
			if w.mayPull(p) {
				p.pull(rapid.SampledFrom([]int{0, 1, 3}).Draw(r, "limit"))
			}
		},
		"a phone takes one page": func(r *rapid.T) {
			p := w.phones[rapid.IntRange(0, len(w.phones)-1).Draw(r, "phone")]
			if w.mayPull(p) {
				p.page(rapid.IntRange(1, 5).Draw(r, "limit"))
			}
		},
		"a phone is left in a drawer": func(r *rapid.T) {
			if p := w.phones[rapid.IntRange(0, len(w.phones)-1).Draw(r, "phone")]; len(w.old) < 6 {
				w.old = append(w.old, &phone{d: p.d, user: p.user, device: p.device, cursor: p.cursor, has: maps.Clone(p.has), revs: maps.Clone(p.revs)})
			}
		},
	}
}

func joined(parts []string) string {
	out := ""
	for i, p := range parts {
		if i > 0 {
			out += ", "
		}
		out += p
	}
	return out
}

func (w *anyplace) mayPull(p *phone) bool {
	u, err := w.app.FindRecordById("users", w.users[p.user].Id)
	if err != nil {
		w.t.Fatal(err)
	}
	return !u.GetBool("must_change_password")
}

// compare pulls to the end and holds what came against the list API.
func (w *anyplace) compare(p *phone, limit int) {
	w.t.Helper()
	may := w.mayPull(p)
	if may {
		p.pull(limit)
	} else if status, raw := w.post(p.user, "/api/sync/pull", mustJSON(PullRequest{Protocol: 1, Device: p.device, Cursor: p.cursor})); status != http.StatusForbidden {
		w.t.Errorf("%s must change the password and is answered %d %s", p.user, status, raw)
	}
	for _, h := range hooks.Holdings {
		want, got := p.items(h.Collection), map[string]map[string]any{}
		for key, record := range p.has {
			if c, id := splitKey(key); c == h.Collection && may {
				got[id] = record
			}
		}
		if !reflect.DeepEqual(got, want) {
			w.t.Errorf("%s (%s): pulled\n%v\nthe list API answers\n%v", p.user, h.Collection, got, want)
		}
	}
}
