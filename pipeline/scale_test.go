package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// sizes of a made district; the rows are plain arithmetic on their number, the same every time.
type sizes struct{ grids, enterprises, visits, demands, events, loans int }

// fillDistrict writes a made district by plain SQL: two years of visits up to 22 November 2026.
func fillDistrict(t testing.TB, app core.App, s sizes) {
	t.Helper()
	n := max(s.enterprises, s.visits, s.demands, s.events, s.loans, s.grids)
	// h spreads a number: Knuth's multiplicative hash, so that neighbours differ.
	h := func(salt int) string { return fmt.Sprintf("((n + %d) * 2654435761 %% 4294967296)", salt) }
	id := func(prefix, n string) string { return fmt.Sprintf("printf('%s%%014d', %s)", prefix, n) }
	at := func(salt int) string { // seconds over 700 days
		return fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%S.000Z', '2026-11-22 12:00:00', '-' || (%s %% 60480000) || ' seconds')", h(salt))
	}
	later := func(salt int, seconds string) string {
		return fmt.Sprintf("strftime('%%Y-%%m-%%d %%H:%%M:%%S.000Z', '2026-11-22 12:00:00', '-' || (%s %% 60480000) || ' seconds', printf('%%+d seconds', %s))", h(salt), seconds)
	}
	// One record in fifty is received a month late: some of them after the month was frozen.
	lag := fmt.Sprintf("CASE WHEN %s %% 50 = 0 THEN 2900000 ELSE %s %% 90000 END", h(77), h(78))
	statements := []string{
		`CREATE TEMP TABLE num (n INTEGER PRIMARY KEY)`,
		fmt.Sprintf(`INSERT INTO num SELECT value FROM (WITH RECURSIVE c(value) AS (SELECT 0 UNION ALL SELECT value + 1 FROM c WHERE value < %d) SELECT value FROM c)`, n-1),
		`INSERT INTO areas (id, code, name, kind, parent) VALUES ('d00000000000001', '500101', '万州区', 'district', '')`,
		`INSERT INTO areas (id, code, name, kind, parent) SELECT ` + id("s", "n") + `, '500101' || printf('%03d', n), '街道' || n, CASE WHEN n < 14 THEN 'street' ELSE 'town' END, 'd00000000000001' FROM num WHERE n < 52`,
		`INSERT INTO areas (id, code, name, kind, parent) SELECT ` + id("c", "n") + `, '5001011' || printf('%05d', n), '社区' || n, 'community', ` + id("s", "n % 52") + ` FROM num WHERE n < 610`,
		fmt.Sprintf(`INSERT INTO grids (id, name, code, area, kind) SELECT %s, '网格' || n, 'G' || n, %s, 'community' FROM num WHERE n < %d`, id("g", "n"), id("c", "n % 610"), s.grids),
		`INSERT INTO banks (id, name, short_name, kind) SELECT ` + id("b", "n") + `, '银行' || n, '行' || n, 'bank' FROM num WHERE n < 20`,
		fmt.Sprintf(`INSERT INTO users (id, name, role, email, password, tokenKey) SELECT %s, '人' || n, 'grid_worker', 'w' || n || '@x.test', '', 'k' || n FROM num WHERE n < %d`, id("w", "n"), s.grids),
		fmt.Sprintf(`INSERT INTO devices (id, user, name, state) SELECT %s, %s, '手机', 'active' FROM num WHERE n < %d`, id("p", "n"), id("w", "n"), s.grids),
		fmt.Sprintf(`INSERT INTO enterprises (id, name, uscc, kind, industry, size, grid, location, employees, revenue, founded_on, ownership, registry_status, origin, status)
			SELECT %s, '主体' || n, CASE WHEN n %% 10 = 0 THEN '' ELSE '91500101' || printf('%%010d', n - n %% 100 / 99) END,
			CASE WHEN n %% 3 = 0 THEN 'company' ELSE 'individual_business' END, printf('%%04d', 100 + %s %% 9600), CASE n %% 40 WHEN 0 THEN 'medium' WHEN 1 THEN 'unknown' ELSE 'micro' END,
			CASE WHEN n %% 97 = 0 THEN '' ELSE %s END, CASE WHEN n %% 5 = 0 THEN '{"lon":0,"lat":0}' ELSE json_object('lon', 108.4 + n * 0.000001, 'lat', 30.8) END,
			n %% 50, n * 10, '2019-12-31 16:00:00.000Z', 'private', CASE WHEN n %% 29 = 0 THEN '注销' ELSE '存续' END, 'registry', 'active' FROM num WHERE n < %d`,
			id("e", "n"), h(5), id("g", fmt.Sprintf("n %% %d", s.grids)), s.enterprises),
		fmt.Sprintf(`INSERT INTO scope_history (id, collection, record, field, value, since, until) SELECT %s, 'enterprises', %s, 'grid', %s, '', %s FROM num WHERE n < %d AND n %% 50 = 0`,
			id("h", "n"), id("e", "n"), id("g", fmt.Sprintf("(n + 7) %% %d", s.grids)), at(9), s.enterprises),
		fmt.Sprintf(`INSERT INTO visits (id, enterprise, grid, worker, started_at, ended_at, location, place, outcome, demand_asked, signature, review, captured_at, synced_at, device, notes)
			SELECT %s, %s, %s, %s, %s, %s, json_object('lon', 108.4 + (%s %% %d) * 0.000001 + 0.0005, 'lat', 30.8), 'shop', CASE WHEN %s %% 8 = 0 THEN 'absent' ELSE 'met' END, 'no',
			CASE WHEN n %% 3 = 0 THEN '' ELSE 'sig_' || n || '.png' END, 'none', %s, %s, %s, '走访备注，说明情况' FROM num WHERE n < %d`,
			id("v", "n"), id("e", fmt.Sprintf("%s %% %d", h(1), s.enterprises)), id("g", fmt.Sprintf("(%s %% %d) %% %d", h(1), s.enterprises, s.grids)),
			id("w", fmt.Sprintf("(%s %% %d) %% %d", h(1), s.enterprises, s.grids)), later(2, "-600"), later(2, "-100"), h(1), s.enterprises, h(3),
			at(2), later(2, lag), id("p", fmt.Sprintf("(%s %% %d) %% %d", h(1), s.enterprises, s.grids)), s.visits),
		fmt.Sprintf(`INSERT INTO photos (id, collection, record, file, bytes, captured_at, synced_at, device) SELECT %s, 'visits', %s, 'f' || n || '.jpg', 200000, %s, %s, %s FROM num WHERE n < %d AND n %% 3 = 0 AND n %% 15 > 0`,
			id("f", "n"), id("v", "n"), at(2), later(2, lag), id("p", fmt.Sprintf("(%s %% %d) %% %d", h(1), s.enterprises, s.grids)), s.visits),
		fmt.Sprintf(`INSERT INTO demands (id, enterprise, grid, channel, kind, need, amount, accepted_amount, stage, accepted_at, matched_at, applied_at, disbursed_at, captured_at, synced_at, device) SELECT %s, %s, %s, 'visit', 'first_loan',
			CASE n %% 5 WHEN 0 THEN 'equity' WHEN 1 THEN 'startup' ELSE 'working_capital' END, 10000 + n %% 1000 * 1000, 10000 + n %% 900 * 1000,
			CASE n %% 9 WHEN 0 THEN 'void' WHEN 1 THEN 'disbursed' ELSE 'matched' END, %s, %s, CASE WHEN n %% 3 = 0 THEN %s ELSE '' END, CASE WHEN n %% 9 = 1 THEN %s ELSE '' END, %s, %s, %s FROM num WHERE n < %d`,
			id("m", "n"), id("e", fmt.Sprintf("%s %% %d / 4", h(11), s.enterprises)), id("g", fmt.Sprintf("(%s %% %d / 4) %% %d", h(11), s.enterprises, s.grids)), later(12, "3600"), later(12, "86400"), later(12, "400000"), later(12, "2000000"), at(12), later(12, lag),
			id("p", fmt.Sprintf("n %% %d", s.grids)), s.demands),
		fmt.Sprintf(`INSERT INTO demand_matches (id, demand, bank, matched_at, result, captured_at, synced_at) SELECT %s, %s, %s, %s, CASE n %% 5 WHEN 0 THEN 'pending' ELSE 'approved' END, %s, %s FROM num WHERE n < %d`,
			id("x", "n"), id("m", "n"), id("b", "n % 20"), later(12, "86400"), later(12, "86400"), later(12, "90000"), s.demands),
		fmt.Sprintf(`INSERT INTO demand_events (id, demand, match, kind, at, reached, captured_at, synced_at) SELECT %s, %s, %s, CASE n %% 3 WHEN 0 THEN 'contact' ELSE 'stage' END, %s, n %% 2, %s, %s FROM num WHERE n < %d`,
			id("y", "n"), id("m", fmt.Sprintf("n %% %d", s.demands)), id("x", fmt.Sprintf("n %% %d", s.demands)), later(12, "186400"), later(12, "186400"), later(12, "190000"), s.events),
		// A loan for every other demand's enterprise at the bank that had it; one in three does not say which demand it is for.
		fmt.Sprintf(`INSERT INTO loans (id, enterprise, demand, bank, amount, disbursed_on, purpose, first_loan_checked_on, evidence, confirmed_at, captured_at, synced_at)
			SELECT printf('l%%014d', d.n), (SELECT enterprise FROM demands WHERE id = d.demand), CASE WHEN d.n %% 3 = 0 THEN '' ELSE d.demand END, d.bank, 10000 + d.n %% 500 * 1000, d.at, CASE WHEN d.n %% 8 = 0 THEN 'other' ELSE 'business' END,
			CASE WHEN d.n %% 2 = 0 THEN d.at ELSE '' END, CASE d.n %% 5 WHEN 0 THEN 'self_reported' WHEN 1 THEN 'bank_entered' ELSE 'bank_confirmed' END, CASE WHEN d.n %% 5 > 1 THEN d.late ELSE '' END, d.at, d.late
			FROM (SELECT l AS n, %s AS demand, %s AS bank, %s AS at, %s AS late FROM (SELECT n AS l, n * 2 %% %d AS n FROM num WHERE n < %d)) d`,
			id("m", "n"), id("b", "n % 20"), later(12, "2000000"), later(12, "2400000"), s.demands, s.loans),
	}
	for day := 1; day <= 7; day++ {
		statements = append(statements, fmt.Sprintf(`INSERT INTO holidays (id, day, kind, name) VALUES ('k%014d', '2026-10-%02d', 'holiday', '国庆节')`, day, day))
	}
	for _, q := range statements {
		if _, err := app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
			t.Fatalf("%v in %s", err, q)
		}
	}
	if _, err := app.NonconcurrentDB().NewQuery(`DROP TABLE num`).Execute(); err != nil {
		t.Fatal(err)
	}
}

// The nights of a district: a first one, one with 5,000 changed visits, one with none. go test ./pipeline -run '^$' -bench Nights -benchtime 1x -v
func BenchmarkNightsOf20kEnterprises(b *testing.B) {
	nights(b, sizes{300, 20_000, 25_000, 5_000, 25_000, 2_500})
}
func BenchmarkNightsOf1MVisits(b *testing.B) {
	nights(b, sizes{3000, 200_000, 1_000_000, 200_000, 1_000_000, 100_000})
}

func nights(t *testing.B, s sizes) {
	app := newApp(t)
	began := time.Now()
	fillDistrict(t, app, s)
	capture(t, app)
	t.Logf("made %+v in %s", s, time.Since(began).Round(time.Millisecond))
	verbose := os.Getenv("GANGWAN_STEPS") != ""
	hash, kept := "", filepath.Join(t.TempDir(), "lake")
	for night := range 3 {
		if night == 1 {
			execute(t, app, fmt.Sprintf("UPDATE visits SET review = 'none' WHERE rowid %% %d = 0", s.visits/5000))
		}
		last, name := cpu(), ""
		began = time.Now()
		start := cpu()
		r, err := Run(context.Background(), app, Options{Date: "2026-11-22", Now: time.Now, Log: func(e Event) {
			if d := cpu() - last; verbose && d > 100*time.Millisecond {
				t.Logf("  %6d ms CPU %s", d.Milliseconds(), name)
			}
			last, name = cpu(), e.Message
		}})
		if err != nil {
			t.Fatal(err)
		}
		if night > 1 && r.InputHash != hash {
			t.Error("the same content gave another hash")
		}
		hash = r.InputHash
		if night == 1 {
			if err := os.Rename(r.LakeDir, kept); err != nil {
				t.Fatal(err)
			}
		}
		if same, err := sameTree(kept, r.LakeDir); night == 2 && (err != nil || !same) {
			t.Errorf("the same run wrote other bytes: %v", err)
		}
		status, _ := os.ReadFile("/proc/self/status")
		rss := ""
		for _, line := range strings.Split(string(status), "\n") {
			if strings.HasPrefix(line, "VmHWM") {
				rss = line
			}
		}
		t.Logf("night %d: %s wall, %s CPU, %v, findings %+v, %s", night, time.Since(began).Round(time.Millisecond), (cpu() - start).Round(time.Millisecond), r.Counts, r.Findings, rss)
	}
}

// cpu is what this process has used, user and system: wall time says little on a busy machine.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
