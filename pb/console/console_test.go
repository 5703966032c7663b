package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/pb_migrations/fresh"
)

func TestEveryCollectionHasItsPlaceAndChineseNameInTheConsole(t *testing.T) {
	place := map[string]int{}
	for _, g := range Groups() {
		for _, c := range g.Collections {
			place[c.Collection]++
		}
	}
	collections, err := fresh.App(t).FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		if !c.System && place[c.Name] != 1 {
			t.Errorf("%s has %d places in main.js", c.Name, place[c.Name])
		}
		delete(place, c.Name)
	}
	for name := range place {
		t.Errorf("main.js names %q, which is no collection", name)
	}
}

func TestEveryFieldOfTheConsoleIsExplainedInChinese(t *testing.T) {
	collections, err := fresh.App(t).FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	plain := map[string]bool{"id": true, "created": true, "updated": true, "email": true, "emailVisibility": true, "verified": true, "password": true, "tokenKey": true}
	for _, c := range collections {
		if c.System || c.IsView() {
			continue
		}
		for _, f := range c.Fields {
			if plain[f.GetName()] {
				continue
			}
			help := ""
			switch v := f.(type) {
			case *core.TextField:
				help = v.Help
			case *core.NumberField:
				help = v.Help
			case *core.BoolField:
				help = v.Help
			case *core.DateField:
				help = v.Help
			case *core.SelectField:
				help = v.Help
			case *core.RelationField:
				help = v.Help
			case *core.FileField:
				help = v.Help
			case *core.JSONField:
				help = v.Help
			case *core.GeoPointField:
				help = v.Help
			case *core.EditorField:
				help = v.Help
			}
			if help == "" {
				t.Errorf("%s.%s has no help", c.Name, f.GetName())
			}
		}
	}
}

func TestEveryColumnOfTheConsolesViewsHasAChineseHead(t *testing.T) {
	script, err := files.ReadFile("main.js")
	if err != nil {
		t.Fatal(err)
	}
	collections, err := fresh.App(t).FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	helped := map[string]bool{} // what a table of ours explains, a view of it need not
	for _, c := range collections {
		for _, f := range c.Fields {
			raw, _ := json.Marshal(f)
			var v struct{ Help string }
			if json.Unmarshal(raw, &v) == nil && v.Help != "" {
				helped[f.GetName()] = true
			}
		}
	}
	for _, c := range collections {
		for _, f := range c.Fields {
			if c.IsView() && !helped[f.GetName()] && !strings.Contains(string(script), " "+f.GetName()+`: "`) {
				t.Errorf("%s.%s has no Chinese head in main.js", c.Name, f.GetName())
			}
		}
	}
}

func TestARelationShowsANameAndNotAnId(t *testing.T) {
	collections, err := fresh.App(t).FindAllCollections()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range collections {
		if c.System || c.IsView() {
			continue
		}
		shown := 0
		for _, f := range c.Fields {
			raw, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			var v struct{ Presentable bool }
			if json.Unmarshal(raw, &v) == nil && v.Presentable {
				shown++
				if f.GetHidden() {
					t.Errorf("%s.%s is hidden and would show nothing", c.Name, f.GetName())
				}
			}
		}
		if shown == 0 {
			t.Errorf("%s shows only its id where another record points to it", c.Name)
		}
	}
}

// 2026-10-01 to 07 is a holiday, Saturday 10 October a working day (调休).
func TestOverdueDemandsCountWorkingDaysByTheCalendar(t *testing.T) {
	app := fresh.App(t)
	run := func(sql string) {
		t.Helper()
		if _, err := app.DB().NewQuery(sql).Execute(); err != nil {
			t.Fatal(err)
		}
	}
	for _, day := range []string{"01", "02", "03", "04", "05", "06", "07"} {
		run(`INSERT INTO holidays (id, day, kind) VALUES ('holiday0000000` + day[1:] + `', '2026-10-` + day + `', 'holiday')`)
	}
	run(`INSERT INTO holidays (id, day, kind) VALUES ('workday00000010', '2026-10-10', 'workday')`)
	run(`INSERT INTO parameters (id, code, value, "from") VALUES ('param0000000001', 'sla.contact_days', '4', '2027-01-01 00:00:00.000Z')`)                                    // not yet in force
	run(`INSERT INTO parameters (id, code, value, "from", until) VALUES ('param0000000002', 'sla.contact_days', '9', '2026-01-01 00:00:00.000Z', '2026-09-30 00:00:00.000Z')`) // no longer
	run(`INSERT INTO parameters (id, code, value, "from") VALUES ('param0000000003', 'sla.accept_days', '三天', '2026-01-01 00:00:00.000Z')`)                                    // no number: one, as usual
	// Wednesday 30 September, 9 o'clock in Shanghai.
	run(`INSERT INTO demands (id, number, stage, captured_at, amount) VALUES ('demand000000001', 'XQ1', 'captured', '2026-09-30 01:00:00.000Z', 1)`)
	run(`INSERT INTO demands (id, number, stage, captured_at, accepted_at, amount) VALUES ('demand000000002', 'XQ2', 'matched', '2026-09-30 01:00:00.000Z', '2026-09-30 01:00:00.000Z', 1)`)
	run(`INSERT INTO demand_matches (id, demand, bank, matched_at, result) VALUES ('match0000000001', 'demand000000002', 'bank00000000001', '2026-09-30 01:00:00.000Z', 'pending')`)
	over := func(now string) map[string]int {
		t.Helper()
		run(`UPDATE sync_clock SET now = '` + now + `'`)
		var rows []struct {
			Number   string `db:"number"`
			Step     string `db:"step"`
			OverDays int    `db:"over_days"`
		}
		if err := app.DB().NewQuery(`SELECT d.number, o.step, o.over_days FROM overdue_demands o JOIN demands d ON d.id = o.demand`).All(&rows); err != nil {
			t.Fatal(err)
		}
		out := map[string]int{}
		for _, r := range rows {
			out[r.Number+r.Step] = r.OverDays
		}
		return out
	}
	if got := over("2026-10-08 15:59:00.000Z"); len(got) != 0 {
		t.Error("the first working day after 30 September is Thursday 8 October, due at its end:", got)
	}
	if got := over("2026-10-08 16:01:00.000Z"); got["XQ1首问受理"] != 1 || len(got) != 1 {
		t.Error("on the ninth the first is one working day over:", got)
	}
	if got := over("2026-10-10 02:00:00.000Z"); got["XQ1首问受理"] != 2 || len(got) != 1 {
		t.Error("the tenth, a Saturday, is a working day, the bank's third and last:", got)
	}
	if got := over("2026-10-12 02:00:00.000Z"); got["XQ1首问受理"] != 3 || got["XQ2银行联系"] != 1 {
		t.Error("Sunday does not count, Monday does:", got)
	}
	run(`UPDATE demands SET stage = 'withdrawn' WHERE id = 'demand000000002'`)
	if got := over("2026-10-12 02:00:00.000Z"); len(got) != 1 {
		t.Error("what is withdrawn is nobody's duty:", got)
	}
}

// Monday 23 November 2026; the Friday before it was made a holiday for the test, the Sunday a working day.
func TestWhatIsToBeAnsweredOrPutRightIsOverdueFromTheWorkingDayAfterItsTerm(t *testing.T) {
	app := fresh.App(t)
	run := func(sql string) {
		t.Helper()
		if _, err := app.DB().NewQuery(sql).Execute(); err != nil {
			t.Fatal(err)
		}
	}
	run(`INSERT INTO holidays (id, day, kind) VALUES ('holiday00000001', '2026-11-20', 'holiday'), ('workday00000001', '2026-11-22', 'workday')`)
	for i, due := range []string{"2026-11-18", "2026-11-19", "2026-11-20", "2026-11-22", "2026-11-23"} {
		// A term ends with its day in Shanghai.
		run(fmt.Sprintf(`INSERT INTO feedback (id, number, status, due) VALUES ('feedback000000%d', 'open %s', 'open', '%s 15:59:59.000Z')`, i, due[8:], due))
		run(fmt.Sprintf(`INSERT INTO rectifications (id, demand, due, recheck_result) VALUES ('rectification0%d', 'open %s', '%s 15:59:59.000Z', 'failed')`, i, due[8:], due))
	}
	run(`INSERT INTO feedback (id, number, status, due) VALUES ('feedback0000010', 'answered', 'answered', '2026-11-02 15:59:59.000Z'), ('feedback0000011', 'no term', 'open', '')`)
	run(`INSERT INTO rectifications (id, demand, due, done_on) VALUES ('rectification10', 'done', '2026-11-02 15:59:59.000Z', '2026-11-21 02:00:00.000Z')`)
	for now, want := range map[string]string{
		"2026-11-20 02:00:00.000Z": "open 18:1",                     // the nineteenth was a working day, the twentieth is none
		"2026-11-22 02:00:00.000Z": "open 18:2 open 19:1 open 20:1", // the Sunday counts
		"2026-11-23 15:59:00.000Z": "open 18:3 open 19:2 open 20:2 open 22:1",
		"2026-11-23 16:01:00.000Z": "open 18:4 open 19:3 open 20:3 open 22:2 open 23:1",
	} {
		run(`UPDATE sync_clock SET now = '` + now + `'`)
		for view, name := range map[string]string{
			"overdue_feedback o JOIN feedback f ON f.id = o.feedback":                  "f.number",
			"overdue_rectifications o JOIN rectifications r ON r.id = o.rectification": "r.demand",
		} {
			var got []string
			if err := app.DB().NewQuery(`SELECT ` + name + ` || ':' || o.over_days FROM ` + view + ` ORDER BY 1`).Column(&got); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("at %s %s: %q, expected %q", now, view, got, want)
			}
		}
	}
}
