package fieldsync

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// BenchmarkTargets measures what sync is held to, each beside its rival in the same run, and prints one table. Rivals take turns,
// in many short rounds, so that what else the machine does falls on both. -short measures a tenth of everything: good for a look, not
// for a claim.
func BenchmarkTargets(b *testing.B) {
	m := &measure{B: b, rounds: 15, calls: 20, random: rand.New(rand.NewPCG(1, 7)), client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 256, DisableCompression: true, // what is gzip and what is not is said by each line
	}}}
	if testing.Short() {
		m.rounds, m.calls = 5, 5
	}
	m.start = time.Now()
	m.machine()
	for _, part := range []struct {
		name string
		f    func()
	}{{"push", m.pushes}, {"feed", m.feedCost}, {"pull", m.pulls}, {"rush", m.rush}} {
		b.Run(part.name, func(b *testing.B) {
			m.B = b
			part.f()
		})
	}
	m.B = b
	m.print()
}

const perCall = 50

// measure is one run of all measurements.
type measure struct {
	*testing.B
	rounds int // each measured so often, in turns; what is told is the median
	calls  int // pushes of each phone in a round
	random *rand.Rand
	client *http.Client
	start  time.Time
	made   uint32
	lines  [][]string
	missed []string
}

// size is n, or a tenth of it with -short.
func (m *measure) size(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

func (m *measure) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// line adds a row to the table; ratio 0: there is nothing beside it. met is left empty where nothing was promised.
func (m *measure) line(metric, ours, other string, ratio float64, target string, met bool) {
	row := []string{metric, ours, other, "", target, ""}
	if ratio > 0 {
		row[3] = fmt.Sprintf("%.2f", ratio)
	}
	if target != "" {
		row[5] = map[bool]string{true: "yes", false: "NO"}[met]
		if !met {
			m.missed = append(m.missed, metric)
		}
	}
	m.lines = append(m.lines, row)
}

func (m *measure) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "metric\tours\tother\tratio\ttarget\tmet")
	for _, l := range m.lines {
		fmt.Fprintln(w, strings.Join(l, "\t"))
	}
	_ = w.Flush()
	fmt.Printf("medians of %d; %s in all\n", m.rounds, time.Since(m.start).Round(time.Second))
	if len(m.missed) > 0 && !testing.Short() {
		m.Errorf("missed: %s", strings.Join(m.missed, ", "))
	}
}

// machine prints what the figures were measured on; a directory in memory would make every fsync free.
func (m *measure) machine() {
	var fs syscall.Statfs_t
	dir := m.TempDir()
	m.ok(syscall.Statfs(dir, &fs))
	const tmpfs = 0x01021994
	if fs.Type == tmpfs {
		m.Fatalf("%s is memory, not a disk: set TMPDIR", dir)
	}
	cpu, load := "", ""
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, l := range strings.Split(string(raw), "\n") {
			if name, v, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(v)
			}
		}
	}
	if raw, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Fields(string(raw))[0]
	}
	fmt.Printf("\nmachine: %d × %s, %s, load before %s, synchronous=FULL on disk, real loopback HTTP\n", runtime.NumCPU(), cpu, runtime.Version(), load)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func (m *measure) id() string {
	m.made++
	return hooks.NewID(time.Unix(1788220800, 0).Add(time.Duration(m.made)*time.Millisecond), &counter{m.made})
}

// bulk inserts rows by plain SQL in one transaction; triggers make the feed.
func (m *measure) bulk(app core.App, into string, columns []string, rows [][]any) {
	m.Helper()
	m.ok(insertRows(app.NonconcurrentDB().(*dbx.DB).DB(), into, columns, rows))
}

func insertRows(db *sql.DB, into string, columns []string, rows [][]any) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	insert, err := tx.Prepare(insertText(into, columns))
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, row := range rows {
		if _, err := insert.Exec(row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func insertText(into string, columns []string) string {
	return "INSERT INTO " + into + " (" + columnList(columns) + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
}

// visits captures n visits of 15 fields as a worker's phone would.
func (m *measure) visits(n int, worker, grid string, enterprises []string, at time.Time) []map[string]any {
	out := make([]map[string]any, n)
	for i := range out {
		started := at.Add(-time.Duration(n-i) * time.Minute)
		out[i] = map[string]any{"id": m.id(), "op": "create", "collection": "visits", "record": m.id(), "captured_at": hooks.Stored(started), "data": map[string]any{
			"enterprise": pick(m.random, enterprises), "grid": grid, "worker": worker,
			"started_at": hooks.Stored(started), "ended_at": hooks.Stored(started.Add(9 * time.Minute)),
			"location": map[string]any{"lon": 108.4 + m.random.Float64()/100, "lat": 30.8 + m.random.Float64()/100}, "accuracy": m.random.IntN(60),
			"place": pick(m.random, []string{"shop", "market", "building"}), "outcome": "met", "demand_asked": pick(m.random, []string{"yes", "no"}),
			"loan_code_shown": m.random.IntN(2) == 0, "platform_guided": m.random.IntN(2) == 0, "handbook_left": true,
			"notes": "店主想添一台冷柜，旺季前要用，问了随借随还的产品，下次带资料来。", "photo_count": m.random.IntN(4)}}
	}
	return out
}

func (m *measure) marshal(v any) []byte {
	raw, err := json.Marshal(v)
	m.ok(err)
	return raw
}

func (m *measure) pushBody(device string, mutations []map[string]any, at time.Time) []byte {
	return m.marshal(map[string]any{"protocol": 1, "device": device, "sent_at": hooks.Stored(at), "mutations": mutations})
}

func zipped(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body)
	_ = w.Close()
	return out.Bytes()
}

// post sends a body and reads the whole answer; anything but 200 is an error.
func (m *measure) post(url, token string, body []byte, gz bool) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", token)
	if gz {
		req.Header.Set("Content-Encoding", "gzip")
		req.Header.Set("Accept-Encoding", "gzip")
	}
	return m.answer(req)
}

func (m *measure) answer(req *http.Request) ([]byte, error) {
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", req.URL.Path, resp.StatusCode, raw[:min(len(raw), 300)])
	}
	return raw, err
}

// together runs f for each of n clients at once and tells how long all took; the first error ends the measurement.
func (m *measure) together(n int, f func(client int) error) time.Duration {
	m.Helper()
	runtime.GC()
	errs := make([]error, n)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	took := time.Since(began)
	m.ok(errors.Join(errs...))
	return took
}

// pushDistrict is a real server with eight workers, each with a grid of fifty enterprises.
type pushDistrict struct {
	*district
	workers []worker
}

type worker struct {
	user, device, token, grid string
	enterprises               []string
}

const phones = 8

func (m *measure) pushDistrict() *pushDistrict {
	d := &pushDistrict{district: newDistrict(m.B)}
	base, began := d.time, time.Now()
	d.clock = func() time.Time { return base.Add(time.Since(began)) }
	for i := range phones {
		grid := fmt.Sprintf("benchgrid%06d", i)
		d.addGrid(grid, "harbour1000000a")
		name := fmt.Sprintf("bench%d", i)
		d.user(name, map[string]any{"role": "grid_worker"})
		d.assign(name, grid, "", "")
		w := worker{user: d.users[name].Id, device: m.id(), token: d.token(name), grid: grid}
		var rows [][]any
		for range 50 {
			w.enterprises = append(w.enterprises, m.id())
			rows = append(rows, []any{w.enterprises[len(w.enterprises)-1], "商户", grid, grid, "harbour1000000a", hooks.Stored(base), hooks.Stored(base)})
		}
		m.bulk(d.app, "enterprises", enterpriseColumns, rows)
		d.workers = append(d.workers, w)
	}
	return d
}

func (d *district) addGrid(id, harbour string) {
	d.t.Helper()
	sister, err := d.app.FindRecordById("grids", "grid10000000000")
	if err != nil {
		d.t.Fatal(err)
	}
	d.save("grids", map[string]any{"id": id, "name": id, "area": sister.GetString("area"), "harbour": harbour})
}

var enterpriseColumns = []string{"id", "name", "grid", "scope_grid", "scope_harbour", "created", "updated"}

// bodies are the calls of each phone, marshalled before any clock starts.
func (m *measure) bodies(d *pushDistrict, calls int, body func(w worker, visits []map[string]any) []byte) [][][]byte {
	out := make([][][]byte, phones)
	for i, w := range d.workers {
		for range calls {
			out[i] = append(out[i], body(w, m.visits(perCall, w.user, w.grid, w.enterprises, d.now())))
		}
	}
	return out
}

// pushes: the protocol, PocketBase's batch API and raw SQLite write the same rows into the same database.
func (m *measure) pushes() {
	d := m.pushDistrict()
	settings := d.app.Settings()
	settings.Batch.Enabled, settings.Batch.MaxRequests, settings.Batch.Timeout = true, perCall, 60
	m.ok(d.app.Save(settings))
	admin, err := d.app.FindCollectionByNameOrId(core.CollectionNameSuperusers)
	m.ok(err)
	root := core.NewRecord(admin)
	root.Set("email", "root@example.com")
	root.Set("password", "password123")
	m.ok(d.app.Save(root))
	rootToken, err := root.NewAuthToken()
	m.ok(err)

	calls := m.calls
	volume := float64(phones * calls * perCall)
	// speed tells how a round went: visits a second, and the processor time of one (server and client), which a busy machine bends less.
	type speed struct{ rate, p99, cpu float64 }
	timed := func(f func(client int) error) speed {
		before := cpuTime()
		took := m.together(phones, f)
		return speed{rate: volume / took.Seconds(), cpu: float64((cpuTime() - before).Microseconds()) / volume}
	}
	push := func(gz bool) speed {
		bodies := m.bodies(d, calls, func(w worker, visits []map[string]any) []byte {
			raw := m.pushBody(w.device, visits, d.now())
			if gz {
				raw = zipped(raw)
			}
			return raw
		})
		latencies := make([][]float64, phones)
		s := timed(func(i int) error {
			for _, body := range bodies[i] {
				began := time.Now()
				raw, err := m.post(d.url+"/api/sync/push", d.workers[i].token, body, gz)
				if err != nil {
					return err
				}
				latencies[i] = append(latencies[i], float64(time.Since(began).Milliseconds()))
				if n := bytes.Count(raw, []byte(`"status":"applied"`)); !gz && n != perCall {
					return fmt.Errorf("%d of %d applied: %s", n, perCall, raw[:min(len(raw), 600)])
				}
			}
			return nil
		})
		s.p99 = percentile(slices.Concat(latencies...), 0.99)
		return s
	}
	batch := func() speed {
		bodies := m.bodies(d, calls, func(w worker, visits []map[string]any) []byte {
			requests := make([]any, len(visits))
			for i, v := range visits {
				record := v["data"].(map[string]any)
				record["id"] = v["record"]
				requests[i] = map[string]any{"method": "POST", "url": "/api/collections/visits/records", "body": record}
			}
			return m.marshal(map[string]any{"requests": requests})
		})
		latencies := make([][]float64, phones)
		s := timed(func(i int) error {
			for _, body := range bodies[i] {
				began := time.Now()
				if _, err := m.post(d.url+"/api/batch", rootToken, body, false); err != nil {
					return err
				}
				latencies[i] = append(latencies[i], float64(time.Since(began).Milliseconds()))
			}
			return nil
		})
		s.p99 = percentile(slices.Concat(latencies...), 0.99)
		return s
	}
	raw := func() speed {
		rows, ledger := m.copies(d.app, "visits", int(volume)), m.copies(d.app, "sync_mutations", int(volume))
		db := d.app.NonconcurrentDB().(*dbx.DB).DB()
		insert, err := db.Prepare(insertText("visits", rows.columns))
		m.ok(err)
		defer insert.Close()
		remember, err := db.Prepare(insertText("sync_mutations", ledger.columns))
		m.ok(err)
		defer remember.Close()
		return timed(func(i int) error {
			for call := range calls {
				tx, err := db.Begin()
				if err != nil {
					return err
				}
				visit, note := tx.Stmt(insert), tx.Stmt(remember)
				for n := range perCall {
					at := (i*calls+call)*perCall + n
					if _, err = visit.Exec(rows.rows[at]...); err == nil {
						_, err = note.Exec(ledger.rows[at]...)
					}
					if err != nil {
						return errors.Join(err, tx.Rollback())
					}
				}
				if err := tx.Commit(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	push(false) // the phones make themselves known, statements are compiled
	var plain, packed, batches, raws []speed
	for range m.rounds {
		const visits = "sync_feed WHERE collection = 'visits'" // others may be compacted meanwhile
		fed := m.count(d.app, visits)
		plain = append(plain, push(false))
		ours := m.count(d.app, visits) - fed
		packed = append(packed, push(true))
		batches = append(batches, batch())
		fed = m.count(d.app, visits)
		raws = append(raws, raw())
		if theirs := m.count(d.app, visits) - fed; theirs != ours {
			m.Fatalf("raw inserts made %d feed rows, pushes %d: not the same work", theirs, ours)
		}
	}
	middle := func(all []speed) speed {
		of := func(f func(speed) float64) float64 {
			v := make([]float64, len(all))
			for i, s := range all {
				v[i] = f(s)
			}
			return median(v)
		}
		return speed{of(func(s speed) float64 { return s.rate }), of(func(s speed) float64 { return s.p99 }), of(func(s speed) float64 { return s.cpu })}
	}
	told := func(s speed) string {
		text := fmt.Sprintf("%.0f/s, %.0f µs", s.rate, s.cpu)
		if s.p99 > 0 {
			text += fmt.Sprintf(", p99 %.0f ms", s.p99)
		}
		return text
	}
	ours, gz, api, sqlite := middle(plain), middle(packed), middle(batches), middle(raws)
	m.line("push, visits and processor time of one, gzip off | PocketBase batch API", told(ours), told(api), ours.rate/api.rate, "≥ 10", ours.rate >= 10*api.rate)
	m.line("push, gzip off | raw SQLite, same rows", told(ours), told(sqlite), ours.rate/sqlite.rate, "≥ 0.80", ours.rate >= 0.8*sqlite.rate)
	m.line("push, gzip on | gzip off", told(gz), told(ours), gz.rate/ours.rate, "", true)
}

func percentile(v []float64, p float64) float64 {
	slices.Sort(v)
	return v[min(len(v)-1, int(float64(len(v))*p))]
}

func (m *measure) count(app core.App, table string) (n int) {
	m.Helper()
	m.ok(app.DB().NewQuery(`SELECT count(*) FROM ` + table).Row(&n))
	return n
}

// rowsOf are rows as the database holds them.
type rowsOf struct {
	columns []string
	rows    [][]any
}

// copies reads the latest rows that pushes wrote and gives them new ids: raw SQLite shall write the very same.
func (m *measure) copies(app core.App, table string, n int) rowsOf {
	m.Helper()
	order := map[string]string{"visits": "rowid", "sync_mutations": "seq"}[table]
	where := map[string]string{"visits": "device != ''", "sync_mutations": "status = 'applied'"}[table]
	found, err := app.ConcurrentDB().(*dbx.DB).DB().Query(`SELECT * FROM ` + table + ` WHERE ` + where + ` ORDER BY ` + order + ` DESC LIMIT ` + strconv.Itoa(n))
	m.ok(err)
	defer found.Close()
	var out rowsOf
	out.columns, err = found.Columns()
	m.ok(err)
	for found.Next() {
		row, into := make([]any, len(out.columns)), make([]any, len(out.columns))
		for i := range row {
			into[i] = &row[i]
		}
		m.ok(found.Scan(into...))
		row[slices.Index(out.columns, "id")] = m.id()
		out.rows = append(out.rows, row)
	}
	m.ok(found.Err())
	if len(out.rows) != n {
		m.Fatalf("%d rows of %s to copy, %d wanted", len(out.rows), table, n)
	}
	return out
}

// feedCost: processor time of the same pushes with and without the triggers that write the feed. No HTTP around them: it would
// make the feed look cheaper than it is.
func (m *measure) feedCost() {
	d := m.pushDistrict()
	s := serverOf(d.app)
	calls := m.calls
	users := make([]*core.Record, phones)
	for i, w := range d.workers {
		var err error
		users[i], err = d.app.FindRecordById("users", w.user)
		m.ok(err)
	}
	spent := func() float64 {
		bodies := m.bodies(d, calls+1, func(w worker, visits []map[string]any) []byte { return m.pushBody(w.device, visits, d.now()) })
		send := func(i int, bodies [][]byte) error {
			for _, body := range bodies {
				req, err := parsePush(body)
				if err != nil {
					return err
				}
				resp, err := s.push(users[i], req)
				if err != nil {
					return err
				}
				if resp.Results[perCall-1].Status != Applied {
					return fmt.Errorf("%+v", resp.Results[perCall-1])
				}
			}
			return nil
		}
		m.together(phones, func(i int) error { return send(i, bodies[i][:1]) }) // statements are compiled anew when triggers came or went
		runtime.GC()
		before := cpuTime()
		m.together(phones, func(i int) error { return send(i, bodies[i][1:]) })
		return (cpuTime() - before).Seconds()
	}
	without := func(f func() float64) float64 {
		have, err := presentTriggers(d.app.DB())
		m.ok(err)
		var dropped []string
		m.ok(s.write(1, func(tx core.App) error {
			for name, text := range have {
				if strings.HasPrefix(name, "sync_visits_") && strings.Contains(text, "INSERT INTO sync_feed") {
					dropped = append(dropped, text)
					if _, err := tx.DB().NewQuery("DROP TRIGGER " + name).Execute(); err != nil {
						return err
					}
				}
			}
			// As if whole: the guard would rightly refuse every push.
			return tx.DB().NewQuery(`PRAGMA schema_version`).Row(&s.guard.wholeAt)
		}))
		// Not as a start would put them back: that counts every visit as changed.
		defer func() {
			for _, text := range dropped {
				_, err := d.app.NonconcurrentDB().NewQuery(text).Execute()
				m.ok(err)
			}
		}()
		return f()
	}
	spent()
	var with, bare []float64
	for range m.rounds {
		with = append(with, spent())
		bare = append(bare, without(spent))
	}
	ratio := median(with) / median(bare)
	per := func(v float64) string {
		return fmt.Sprintf("%.0f µs a visit", v/float64(phones*calls*perCall)*1e6)
	}
	m.line("feed, processor time of pushes | without it", per(median(with)), per(median(bare)), ratio, "≤ 1.30", ratio <= 1.3)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// pullDistrict is a real server in which worker1 may see 2,000 records, among many that he may not.
type pullDistrict struct {
	*district
	m                   *measure
	user, token, device string
	own                 []string
}

const download = 2000

func (m *measure) pullDistrict(others int) *pullDistrict {
	d := &pullDistrict{district: newDistrict(m.B), m: m, device: m.id()}
	d.user, d.token = d.users["worker1"].Id, d.district.token("worker1")
	const grids = 20
	for i := range grids {
		grid := fmt.Sprintf("othergrid%06d", i)
		d.addGrid(grid, "harbour2000000a")
		d.addVisits(others/grids*4/5, grid, "harbour2000000a", d.addEnterprises(others/grids/5, grid, "harbour2000000a"))
	}
	d.own = d.addEnterprises(400, "grid10000000000", "harbour1000000a")
	d.addVisits(download-len(d.pull(nil, false).Changes), "grid10000000000", "harbour1000000a", d.own)
	if first := d.pull(nil, false); len(first.Changes) != download || first.More {
		m.Fatalf("%d records in the first page, more %v", len(first.Changes), first.More)
	}
	return d
}

func (d *pullDistrict) addEnterprises(n int, grid, harbour string) []string {
	ids, rows, at := make([]string, n), make([][]any, n), hooks.Stored(d.time)
	for i := range n {
		ids[i] = d.m.id()
		rows[i] = []any{ids[i], "高笋塘街道商户", grid, grid, harbour, at, at}
	}
	d.m.bulk(d.app, "enterprises", enterpriseColumns, rows)
	return ids
}

func (d *pullDistrict) addVisits(n int, grid, harbour string, of []string) {
	rows, at := make([][]any, 0, n), hooks.Stored(d.time)
	for _, v := range d.m.visits(n, d.user, grid, of, d.time) {
		data := v["data"].(map[string]any)
		rows = append(rows, []any{v["record"], data["enterprise"], grid, harbour, d.user, data["started_at"], data["ended_at"], string(d.m.marshal(data["location"])), data["accuracy"], data["place"], data["outcome"], data["demand_asked"],
			data["loan_code_shown"], data["platform_guided"], data["handbook_left"], data["notes"], data["photo_count"], grid, harbour, at, at})
	}
	d.m.bulk(d.app, "visits", []string{"id", "enterprise", "grid", "harbour", "worker", "started_at", "ended_at", "location", "accuracy", "place", "outcome", "demand_asked",
		"loan_code_shown", "platform_guided", "handbook_left", "notes", "photo_count", "scope_grid", "scope_harbour", "created", "updated"}, rows)
}

func (d *pullDistrict) body(cursor *string, digest bool) []byte {
	return d.m.marshal(PullRequest{Protocol: 1, Device: d.device, Cursor: cursor, Digest: digest})
}

func (d *pullDistrict) send(body []byte) []byte {
	raw, err := d.m.post(d.url+"/api/sync/pull", d.token, body, false)
	d.m.ok(err)
	return raw
}

func (d *pullDistrict) pull(cursor *string, digest bool) (resp PullResponse) {
	d.m.ok(json.Unmarshal(d.send(d.body(cursor, digest)), &resp))
	return resp
}

// since is the body of a pull that ten visits have come for.
func (d *pullDistrict) since() []byte {
	cursor := d.pull(nil, false).Cursor
	d.addVisits(10, "grid10000000000", "harbour1000000a", d.own)
	body := d.body(&cursor, false)
	if n := bytes.Count(d.send(body), []byte(`"op":"upsert"`)); n != 10 {
		d.m.Fatalf("%d changes of 10", n)
	}
	return body
}

func (d *pullDistrict) get(url string) []byte {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	d.m.ok(err)
	req.Header.Set("Authorization", d.token)
	raw, err := d.m.answer(req)
	d.m.ok(err)
	return raw
}

// turns measures things in turns, times each, and tells the median milliseconds of one.
func (m *measure) turns(times int, things ...func()) []float64 {
	took := make([][]float64, len(things))
	for range times {
		for i, f := range things {
			runtime.GC() // nobody clears up after his rival
			began := time.Now()
			f()
			took[i] = append(took[i], time.Since(began).Seconds()*1000)
		}
	}
	medians := make([]float64, len(things))
	for i := range took {
		medians[i] = median(took[i])
	}
	return medians
}

// pulls: one worker's download beside the list API and beside SQL streamed as JSON; and the same in a district ten times as large
// around his grid.
func (m *measure) pulls() {
	records := m.size(20_000)
	d := m.pullDistrict(records)
	viewed, err := d.app.FindRecordById("users", d.user)
	m.ok(err)
	view, err := serverOf(d.app).viewOf(d.app, viewed, nil)
	m.ok(err)
	stream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := bufio.NewWriter(w)
		defer out.Flush()
		for _, h := range view.holdings {
			cond, args := visible(h, view.scopes, false)
			rows, err := d.app.ConcurrentDB().(*dbx.DB).DB().Query(`SELECT `+view.fields[h.Collection]+` FROM `+h.Collection+` t WHERE `+cond, args...)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			for rows.Next() {
				var raw []byte
				if rows.Scan(&raw) == nil {
					_, _ = out.Write(append(raw, '\n'))
				}
			}
			_ = rows.Close()
		}
	}))
	defer stream.Close()
	if n := bytes.Count(d.get(stream.URL), []byte("\n")); n != download {
		m.Fatalf("the stream has %d records", n)
	}
	held := d.pull(nil, true).Digest
	list := func() {
		for _, h := range view.holdings {
			for page, left := 1, held[h.Collection].Count; left > 0; page, left = page+1, left-1000 {
				d.get(fmt.Sprintf("%s/api/collections/%s/records?perPage=1000&skipTotal=1&page=%d", d.url, h.Collection, page))
			}
		}
	}
	whole, checked := d.body(nil, false), d.body(nil, true)
	took := m.turns(4*m.rounds, func() { d.send(whole) }, list, func() { d.get(stream.URL) }, func() { d.send(checked) })
	ms := func(v float64) string { return fmt.Sprintf("%.1f ms", v) }
	m.line("pull, first download of 2,000 | list API, perPage 1000", ms(took[0]), ms(took[1]), took[1]/took[0], "≥ 8", took[1]/took[0] >= 8)
	m.line("pull, first download of 2,000 | SQL streamed as JSON", ms(took[0]), ms(took[2]), took[2]/took[0], "≥ 0.80", took[2]/took[0] >= 0.8)
	m.line("pull with digest | without", ms(took[3]), ms(took[0]), took[3]/took[0], "", true)

	large := m.pullDistrict(10 * records)
	more, since, sinceLarge := large.body(nil, false), d.since(), large.since()
	took = m.turns(4*m.rounds, func() { d.send(whole) }, func() { large.send(more) }, func() { d.send(since) }, func() { large.send(sinceLarge) })
	m.line(fmt.Sprintf("first download of a grid, district of %d | %d records", 10*records, records), ms(took[1]), ms(took[0]), took[1]/took[0], "≤ 1.20", took[1]/took[0] <= 1.2)
	m.line("10 changes of a grid, the same districts", ms(took[3]), ms(took[2]), took[3]/took[2], "≤ 1.20", took[3]/took[2] <= 1.2)
}

// rush: the evening when everybody comes back to the network, on the built binary: each phone pushes what it captured and pulls.
func (m *measure) rush() {
	const atOnce = 200
	workers := m.size(3000)
	dir := m.TempDir()
	binary := filepath.Join(m.TempDir(), "gangwan")
	if out, err := exec.Command("go", "build", "-o", binary, "gangwan/pb").CombinedOutput(); err != nil {
		m.Fatalf("%v %s", err, out)
	}
	now := time.Now()
	var crowd []worker
	{
		app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: Connect})
		m.ok(app.Bootstrap())
		m.ok(app.RunAllMigrations())
		hooks.Bind(app, time.Now)
		bindFeed(app, time.Now)
		m.ok(prepare(app, time.Now))
		crowd = m.crowd(app, workers, now)
		m.ok(app.ResetBootstrapState())
	}
	address, process := m.serve(binary, dir)
	bodies, sent := make([][]byte, workers), map[string]bool{}
	for i, w := range crowd {
		mutations := m.visits(perCall, w.user, w.grid, w.enterprises, now)
		for _, v := range mutations {
			sent[v["record"].(string)] = true
		}
		bodies[i] = zipped(m.pushBody(w.device, mutations, now))
	}
	m.client.Transport.(*http.Transport).MaxIdleConnsPerHost = atOnce
	queue := make(chan int)
	go func() {
		defer close(queue)
		for i := range workers {
			queue <- i
		}
	}()
	pushed, pulled := make([]float64, workers), make([]float64, workers)
	took := m.together(atOnce, func(int) error {
		for i := range queue {
			began := time.Now()
			if _, err := m.post(address+"/api/sync/push", crowd[i].token, bodies[i], true); err != nil {
				return err
			}
			pushed[i] = time.Since(began).Seconds()
			began = time.Now()
			raw, err := m.post(address+"/api/sync/pull", crowd[i].token, m.marshal(PullRequest{Protocol: 1, Device: crowd[i].device, Collections: []string{"visits"}}), false)
			if err != nil {
				return err
			}
			pulled[i] = time.Since(began).Seconds()
			if n := bytes.Count(raw, []byte(`"op":"upsert"`)); n != perCall {
				return fmt.Errorf("a phone got %d of its %d visits back", n, perCall)
			}
		}
		return nil
	})
	rss := peakMemory(process.Process.Pid)
	m.ok(process.Process.Kill())
	_ = process.Wait()
	db, err := Connect(filepath.Join(dir, "data.db"))
	m.ok(err)
	defer db.Close()
	var there []string
	m.ok(db.NewQuery(`SELECT id FROM visits`).Column(&there))
	lost := len(sent)
	for _, id := range there {
		if sent[id] {
			lost--
		}
	}
	p99 := percentile(pushed, 0.99)
	m.line(fmt.Sprintf("rush: %d phones × %d, %d at once: lost, and in all", workers, perCall, atOnce), fmt.Sprintf("%d lost, %d there", lost, len(there)), fmt.Sprintf("%d sent", len(sent)), 0, "0 lost", lost == 0 && len(there) == len(sent))
	m.line("rush: p99 of a push (gzip on), then of a pull", fmt.Sprintf("%.2f s, %.2f s", p99, percentile(pulled, 0.99)), fmt.Sprintf("%.0f visits/s", float64(len(sent))/took.Seconds()), 0, "< 2 s", p99 < 2)
	m.line("rush: the server's memory at its peak", fmt.Sprintf("%d MB", rss>>20), "", 0, "< 300 MB", rss < 300<<20)
}

// crowd makes workers, each with a grid and ten enterprises, by plain SQL: hashing thousands of passwords measures nothing.
func (m *measure) crowd(app core.App, n int, now time.Time) []worker {
	at := hooks.Stored(now)
	collection, err := app.FindCollectionByNameOrId("users")
	m.ok(err)
	template := core.NewRecord(collection)
	template.Set("name", "网格员")
	template.Set("role", "grid_worker")
	template.Set("email", "template@example.com")
	template.Set("password", "password123")
	m.ok(app.Save(template))
	admins, err := app.FindCollectionByNameOrId(core.CollectionNameSuperusers)
	m.ok(err)
	root := core.NewRecord(admins) // or the server would ask for its first administrator
	root.Set("email", "root@example.com")
	root.Set("password", "password123")
	m.ok(app.Save(root))

	crowd := make([]worker, n)
	users, grids, assignments, enterprises := [][]any{}, [][]any{}, [][]any{}, [][]any{}
	for i := range crowd {
		w := worker{user: m.id()[:15], device: m.id(), grid: m.id()}
		w.user = fmt.Sprintf("worker%09d", i)
		users = append(users, []any{w.user, template.GetString("password:hash"), fmt.Sprintf("token-key-of-worker-%030d", i), "网格员", "grid_worker", fmt.Sprintf("w%d@example.com", i), "[]", at, at})
		grids = append(grids, []any{w.grid, "网格", at, at})
		assignments = append(assignments, []any{m.id(), w.user, w.grid, at, at})
		for range 10 {
			w.enterprises = append(w.enterprises, m.id())
			enterprises = append(enterprises, []any{w.enterprises[len(w.enterprises)-1], "商户", w.grid, w.grid, "", at, at})
		}
		crowd[i] = w
	}
	m.bulk(app, "users", []string{"id", "password", "tokenKey", "name", "role", "email", "scope_grids", "created", "updated"}, users)
	m.bulk(app, "grids", []string{"id", "name", "created", "updated"}, grids)
	m.bulk(app, "assignments", []string{"id", "user", "grid", "created", "updated"}, assignments)
	m.bulk(app, "enterprises", enterpriseColumns, enterprises)
	for i := range crowd {
		user, err := app.FindRecordById("users", crowd[i].user)
		m.ok(err)
		crowd[i].token, err = user.NewAuthToken()
		m.ok(err)
	}
	return crowd
}

// serve starts the built binary and returns when it says that it listens.
func (m *measure) serve(binary, dir string) (url string, server *exec.Cmd) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	m.ok(err)
	address := free.Addr().String()
	m.ok(free.Close())
	server = exec.CommandContext(context.Background(), binary, "serve", "--dir", dir, "--http", address)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	m.ok(err)
	m.ok(server.Start())
	m.Cleanup(func() { _ = server.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Server started") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return "http://" + address, server
		}
	}
	m.Fatal("the server ended before it listened")
	return "", nil
}

// peakMemory is the most memory that a process has held, in bytes.
func peakMemory(pid int) int64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, l := range strings.Split(string(raw), "\n") {
		if v, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb << 10
		}
	}
	return 1 << 62
}

type counter struct{ n uint32 }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c.n >> (8 * (i % 4)))
	}
	return len(p), nil
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
