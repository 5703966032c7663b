package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

var (
	kills    = flag.Int("kills", 3, "how often the server is killed under the phones")
	clients  = flag.Int("clients", 20, "how many phones push while it is killed")
	killSeed = flag.Uint64("seed", 1, "what decides when it is killed, and what the phones capture")
)

// Invariants 1 and 5: the real binary, killed with -9 at moments drawn by a seed and counted in answers, while phones push. Every phone
// sends again what got no answer; what was answered it never sends again.
func TestNothingAcknowledgedIsLostNorDoubledHoweverOftenTheServerIsKilled(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gangwan")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	dir := t.TempDir()
	o := &office{T: t, time: time.Now(), grid: map[string]string{}}
	closed := o.openDatabase(dir)
	area := o.save("areas", map[string]any{"code": "500101001001", "name": "王家坡社区", "kind": "community"})
	o.save("_superusers", map[string]any{"email": "root@example.com", "password": password}) // or the server asks for its first
	address := freeAddress(t)
	o.url = "http://" + address
	district := &killed{office: o, up: sync.NewCond(&sync.Mutex{}), killNow: make(chan struct{}, 1), left: *kills,
		random: rand.New(rand.NewPCG(*killSeed, 0)), begun: o.time}
	const workers = 5
	for i := range workers {
		grid := o.save("grids", map[string]any{"name": fmt.Sprint("网格", i), "area": area.Id})
		shop := o.save("enterprises", map[string]any{"name": fmt.Sprint("商户", i), "grid": grid.Id})
		worker := o.user(fmt.Sprintf("worker%d@example.com", i), map[string]any{"role": "grid_worker"})
		o.save("assignments", map[string]any{"user": worker.Id, "grid": grid.Id})
		worker = o.find("users", "id", worker.Id)
		token, err := worker.NewAuthToken()
		o.ok(err)
		for n := i; n < *clients; n += workers {
			random := rand.NewChaCha8([32]byte{byte(*killSeed), byte(n), byte(n >> 8)})
			district.phones = append(district.phones, &pusher{killed: district, token: token, ids: random, random: rand.New(random),
				device: hooks.NewID(o.time, random), shop: shop.Id, grid: grid.Id, worker: worker.Id, notes: map[string]string{}, sent: map[string]bool{}})
		}
	}
	closed()

	server := o.start(binary, dir, address)
	district.open()
	var all sync.WaitGroup
	for _, p := range district.phones {
		all.Go(p.work)
	}
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for n := range *kills {
		select {
		case <-district.killNow:
		case <-ended:
			t.Fatalf("the phones gave up after %d kills", n)
		}
		_ = server.Process.Kill()
		_ = server.Wait()
		server = o.start(binary, dir, address)
		district.open()
	}
	<-ended
	t.Logf("%d answers, %d calls got none", district.answers, district.unanswered)
	if district.unanswered == 0 {
		t.Error("no call was ever cut off: nothing was tested")
	}
	o.sync(o.phone("worker0@example.com"))
	_ = server.Process.Kill()
	_ = server.Wait()
	defer o.openDatabase(dir)()
	district.settle()
}

// killed is a district whose server comes and goes.
type killed struct {
	*office
	begun  time.Time
	random *rand.Rand
	phones []*pusher

	up                  *sync.Cond // guards what follows
	serving             bool
	left, until         int // kills still to come, answers until the next
	answers, unanswered int
	killNow             chan struct{}
}

// open lets the phones call and draws when the next kill comes: it may come before the first answer.
func (k *killed) open() {
	k.up.L.Lock()
	defer k.up.L.Unlock()
	k.serving, k.until = true, k.random.IntN(4*len(k.phones))
	k.countdown()
	k.up.Broadcast()
}

func (k *killed) countdown() {
	if k.left > 0 && k.until == 0 && k.serving {
		k.left--
		k.serving = false
		k.killNow <- struct{}{}
	}
}

// await returns when there is a server to call; more tells that there are kills to come, so that there must be work.
func (k *killed) await() (more bool) {
	k.up.L.Lock()
	defer k.up.L.Unlock()
	for !k.serving {
		k.up.Wait()
	}
	return k.left > 0
}

func (k *killed) note(answered bool) {
	k.up.L.Lock()
	defer k.up.L.Unlock()
	if !answered {
		k.unanswered++
		return
	}
	k.answers++
	k.until--
	k.countdown()
}

// pusher is the simplest honest phone: one push in flight, sent again until it is answered, then never more.
type pusher struct {
	*killed
	token, device, shop, grid, worker string
	ids                               io.Reader
	random                            *rand.Rand
	records                           []string
	notes                             map[string]string // what each visit's notes must be in the end
	sent                              map[string]bool   // mutations
}

func (p *pusher) work() {
	for round := 0; ; round++ {
		if more := p.await(); !more && round > 2 {
			return
		}
		batch := []fieldsync.Mutation{}
		for range 1 + p.random.IntN(12) {
			batch = append(batch, p.capture())
		}
		body, err := json.Marshal(map[string]any{"protocol": 1, "device": p.device, "sent_at": hooks.Stored(time.Now()), "mutations": batch})
		if err != nil {
			panic(err)
		}
		var results []fieldsync.Result
		for tries := 0; ; tries++ {
			p.await()
			if results, err = p.push(body); err == nil {
				break
			}
			p.note(false)
			if tries > 2**kills { // each kill cuts a call off once, or twice when it is sent just before
				p.Errorf("no answer however often it is sent: %v", err)
				return
			}
		}
		p.note(true)
		for i, m := range batch {
			if len(results) != len(batch) || results[i].ID != m.ID || results[i].Status != fieldsync.Applied {
				p.Errorf("%d results for %d mutations: %+v", len(results), len(batch), results)
				return
			}
		}
	}
}

// capture makes a visit, or changes the notes of one made before: applied twice, the older change would conflict.
func (p *pusher) capture() fieldsync.Mutation {
	m := fieldsync.Mutation{ID: hooks.NewID(p.begun, p.ids), Collection: "visits", CapturedAt: hooks.Stored(p.begun)}
	p.sent[m.ID] = true
	if len(p.records) > 0 && p.random.IntN(3) == 0 {
		m.Op, m.Record = "update", p.records[p.random.IntN(len(p.records))]
		to := fmt.Sprint("第", len(p.sent), "次")
		m.Changes = map[string]fieldsync.Change{"notes": {From: p.notes[m.Record], To: to}}
		p.notes[m.Record] = to
		return m
	}
	m.Op, m.Record = "create", hooks.NewID(p.begun, p.ids)
	m.Data = map[string]any{"enterprise": p.shop, "grid": p.grid, "worker": p.worker, "outcome": "met", "started_at": hooks.Stored(p.begun), "place": "shop"}
	p.records = append(p.records, m.Record)
	p.notes[m.Record] = ""
	return m
}

// push sends a body once; any error means that nothing is known.
func (p *pusher) push(body []byte) ([]fieldsync.Result, error) {
	req, err := http.NewRequest(http.MethodPost, p.url+"/api/sync/push", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", p.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", resp.StatusCode, raw)
	}
	var out fieldsync.PushResponse
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	return out.Results, err
}

// settle compares the database with what the phones were told.
func (k *killed) settle() {
	k.Helper()
	var sound string
	k.ok(k.app.DB().NewQuery(`PRAGMA integrity_check`).Row(&sound))
	if sound != "ok" {
		k.Errorf("the database is not sound: %s", sound)
	}
	var rows []struct{ ID, Notes, Device string }
	k.ok(k.app.DB().NewQuery(`SELECT id, notes, device FROM visits`).All(&rows))
	there := map[string]string{}
	for _, r := range rows {
		there[r.ID] = r.Notes
	}
	var ledger []string
	k.ok(k.app.DB().NewQuery(`SELECT id FROM sync_mutations WHERE status = 'applied'`).Column(&ledger))
	remembered := map[string]bool{}
	for _, id := range ledger {
		remembered[id] = true
	}
	visits, mutations := 0, 0
	for _, p := range k.phones {
		for id, notes := range p.notes {
			visits++
			if now, ok := there[id]; !ok || now != notes {
				k.Errorf("an acknowledged visit %s: there %v, notes %q, want %q", id, ok, now, notes)
			}
		}
		for id := range p.sent {
			mutations++
			if !remembered[id] {
				k.Errorf("an acknowledged mutation %s is not in the ledger", id)
			}
		}
	}
	if len(rows) != visits || len(ledger) != mutations {
		k.Errorf("%d visits and %d mutations in the database, sent were %d and %d", len(rows), len(ledger), visits, mutations)
	}
	for _, table := range []string{"sync_conflicts", "sync_rejections", "sync_deferred"} {
		var n int
		k.ok(k.app.DB().NewQuery(`SELECT count(*) FROM ` + table).Row(&n))
		if n != 0 {
			k.Errorf("%d rows in %s: something was applied twice or out of order", n, table)
		}
	}
	k.Logf("%d visits by %d mutations of %d phones, %d kills", visits, mutations, len(k.phones), *kills)
}

// openDatabase opens a data directory in this process, with everything bound but no server.
func (o *office) openDatabase(dir string) (closed func()) {
	o.Helper()
	o.app = core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: fieldsync.Connect})
	bind(o.app, func() time.Time { return o.time })
	o.ok(o.app.Bootstrap())
	o.ok(o.app.RunAllMigrations())
	app := o.app
	return func() {
		o.ok(app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(e *core.TerminateEvent) error { return e.App.ResetBootstrapState() }))
	}
}

// start runs the binary and returns when it says that it listens.
func (o *office) start(binary, dir, address string) *exec.Cmd {
	o.Helper()
	server := exec.Command(binary, "serve", "--dir", dir, "--http", address)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	o.ok(err)
	o.ok(server.Start())
	o.Cleanup(func() { _ = server.Process.Kill() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Server started") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return server
		}
	}
	o.Fatal("the server ended before it listened")
	return nil
}
