package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/demo"
	"gangwan/pb/fieldsync"
	"gangwan/pb/ops"
)

// service is a server whose address stays while its database is stopped, restored and started again.
type service struct {
	*office
	dir    string
	clock  *demo.Clock
	random *rand.Rand
	mux    atomic.Pointer[http.Handler]
	stop   func()
	maker  map[string]string // device by the id of a record or mutation
}

func newService(t *testing.T, seed uint64) *service {
	t.Helper()
	s := &service{office: &office{T: t, grid: map[string]string{}}, dir: filepath.Join(t.TempDir(), "pb_data"), clock: demo.NewClock(), maker: map[string]string{}, random: rand.New(rand.NewPCG(seed, 4))}
	s.clock.Set(time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mux := s.mux.Load(); mux != nil {
			(*mux).ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	s.url = front.URL
	t.Cleanup(front.Close)
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *service) start() {
	s.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: fieldsync.Connect})
	bind(app, s.clock.Now)
	s.ok(app.Bootstrap())
	s.ok(app.RunAllMigrations())
	s.app = app
	router, err := apis.NewRouter(app)
	s.ok(err)
	s.ok(app.OnServe().Trigger(&core.ServeEvent{App: app, Router: router}, func(e *core.ServeEvent) error {
		mux, err := e.Router.BuildMux()
		s.mux.Store(&mux)
		return err
	}))
	s.stop = func() {
		s.mux.Store(nil)
		s.ok(app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return app.ResetBootstrapState() }))
		s.stop = func() {}
	}
}

func (s *service) pass(d time.Duration) { s.clock.Set(s.clock.Now().Add(d)) }

// lossy loses the answer of some calls: the server has done what was asked, the phone does not know.
type lossy struct {
	random *rand.Rand
	loses  atomic.Bool
}

var errLost = errors.New("the answer was lost")

func (l *lossy) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && l.loses.Load() && strings.HasPrefix(req.URL.Path, "/api/sync/") && l.random.IntN(4) == 0 {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return nil, errLost
	}
	return res, err
}

// carrier is a worker with a phone.
type carrier struct {
	*demo.Phone
	s     *service
	user  *core.Record
	net   *lossy
	shops []string
	own   []string // visits captured here
}

func (s *service) carrier(email string, grid string, shops []string) *carrier {
	s.Helper()
	s.seed++
	c := &carrier{s: s, net: &lossy{random: rand.New(rand.NewPCG(uint64(s.seed), 9))}, shops: shops}
	c.user = s.user(email, map[string]any{"role": "grid_worker"})
	s.save("assignments", map[string]any{"user": c.user.Id, "grid": grid, "from": hooks.Stored(s.clock.Now())})
	random := rand.NewChaCha8([32]byte{s.seed})
	c.Phone = demo.NewPhone(s.url, &http.Client{Transport: c.net}, s.clock.Now, random, fieldsync.DeviceInfo{ID: hooks.NewID(s.clock.Now(), random), Name: email})
	s.ok(c.SignIn(context.Background(), email, password))
	c.sync()
	return c
}

// sync goes on until nothing is lost on the way any more.
func (c *carrier) sync() {
	c.s.Helper()
	c.net.loses.Store(false)
	c.s.ok(c.Sync(context.Background()))
	if len(c.Outbox()) > 0 || c.PendingUploads() > 0 {
		c.s.Fatalf("%d mutations and %d pictures are still on the phone", len(c.Outbox()), c.PendingUploads())
	}
}

// work does one thing of a day, online or not; n makes what it writes tell itself apart.
func (c *carrier) work(n int) {
	c.s.Helper()
	r := c.s.random
	now := c.s.clock.Now()
	visit := func(shop string, more map[string]any) string {
		data := map[string]any{"enterprise": shop, "worker": c.user.Id, "outcome": "met", "place": "shop", "notes": fmt.Sprint("第", n, "次"),
			"started_at": hooks.Stored(now.Add(-10 * time.Minute)), "ended_at": hooks.Stored(now)}
		maps.Copy(data, more)
		return c.Create("visits", data)
	}
	shop := c.shops[r.IntN(len(c.shops))]
	switch r.IntN(10) {
	case 0, 1, 2:
		id := visit(shop, map[string]any{"photo_count": 1})
		c.AddPhoto("visits", id, picture(byte(n)), nil)
		if r.IntN(2) == 0 {
			c.AddFile("visits", id, "signature", picture(byte(n)+100))
		}
		c.own = append(c.own, id)
	case 3, 4, 5:
		field := []string{"contact", "phone", "address"}[r.IntN(3)]
		c.Update("enterprises", shop, map[string]any{field: fmt.Sprint(13800000000 + n)})
	case 6:
		if len(c.own) > 0 {
			c.Update("visits", c.own[r.IntN(len(c.own))], map[string]any{"notes": fmt.Sprint("改于第", n, "步")})
		}
	case 7: // a visit without a photo, taken back at once or later
		id := visit(shop, nil)
		if r.IntN(2) == 0 {
			_ = c.Push(context.Background())
		}
		c.Delete("visits", id)
	case 8:
		visit(shop, map[string]any{"outcome": "danced"}) // will be refused
	case 9:
		visit(c.NewID(), nil) // of an enterprise that nobody will ever send
	}
	c.net.loses.Store(r.IntN(3) == 0)
	if r.IntN(4) == 0 {
		_ = c.Sync(context.Background()) // whatever becomes of it
	}
	c.net.loses.Store(false)
}

// state is what the page promises to bring back, as text by key.
func (s *service) state() map[string]string {
	s.Helper()
	out := map[string]string{}
	put := func(key string, v any) {
		raw, err := json.Marshal(v)
		s.ok(err)
		if _, twice := out[key]; twice {
			s.Errorf("twice: %s", key)
		}
		out[key] = string(raw)
	}
	for collection, form := range hooks.Forms {
		if collection == "photos" {
			continue
		}
		rows, err := s.app.FindAllRecords(collection)
		s.ok(err)
		for _, r := range rows {
			s.maker[r.Id] = r.GetString("device")
			put(collection+"/"+r.Id, r.GetString("device"))
			for _, name := range append([]string{"captured_at", "skew"}, fieldNames(form)...) {
				put(collection+"/"+r.Id+"/"+name, r.Get(name))
			}
		}
	}
	photos, err := s.app.FindAllRecords("photos")
	s.ok(err)
	files := func(r *core.Record, field string) {
		if name := r.GetString(field); name != "" {
			raw, err := os.ReadFile(filepath.Join(s.dir, "storage", r.BaseFilesPath(), name))
			s.ok(err)
			put("file/"+r.Id+"/"+field, raw)
		}
	}
	for _, r := range photos {
		s.maker[r.Id] = r.GetString("device")
		put("photos/"+r.Id, r.GetString("record"))
		files(r, "file")
	}
	visits, err := s.app.FindAllRecords("visits")
	s.ok(err)
	for _, r := range visits {
		files(r, "signature")
	}
	for _, q := range []struct{ prefix, query string }{
		{"rejected/", `SELECT mutation_id AS id, device FROM sync_rejections`}, {"waiting/", `SELECT mutation AS id, device FROM sync_deferred`}} {
		var rows []struct{ ID, Device string }
		s.ok(s.app.DB().NewQuery(q.query).All(&rows))
		for _, r := range rows {
			s.maker[r.ID] = r.Device
			put(q.prefix+r.ID, true)
		}
	}
	return out
}

// disputes are the fields that two people changed, with the values that stand in their conflicts; old are those that a mutation
// made before the given time lost.
func (s *service) disputes(before time.Time) (out map[string][]string, old map[string]bool) {
	s.Helper()
	rows, err := s.app.FindAllRecords("sync_conflicts")
	s.ok(err)
	out, old = map[string][]string{}, map[string]bool{}
	told := map[string]bool{}
	for _, r := range rows {
		key := r.GetString("collection") + "/" + r.GetString("record") + "/" + r.GetString("field")
		if r.GetString("mutation_id") < fmt.Sprintf("%012x", before.UnixMilli()) { // a UUIDv7 begins with its time
			old[key] = true
		}
		out[key] = append(out[key], r.GetString("yours"), r.GetString("theirs"))
		if once := r.GetString("mutation_id") + key; told[once] {
			s.Errorf("a conflict is there twice: %s", once)
		} else {
			told[once] = true
		}
	}
	return out, old
}

func fieldNames(form *hooks.Form) (out []string) {
	for _, f := range form.Fields {
		out = append(out, f.Name)
	}
	return out
}

// An hour's work after the backup is lost with the disk and comes back from the phones: at once from two of them, after 13 days
// from a third. Of the one that returns after 20 days only what it had not sent yet comes, of the one that never returns nothing.
func TestARestoredServerGetsBackFromThePhonesWhatTheBackupLacks(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("history ", seed), func(t *testing.T) { restoreStory(t, seed) })
	}
}

func restoreStory(t *testing.T, seed uint64) {
	s := newService(t, seed)
	area := s.save("areas", map[string]any{"code": "500101001001", "name": "王家坡社区", "kind": "community"})
	grid, far := s.save("grids", map[string]any{"name": "第一网格", "area": area.Id}).Id, s.save("grids", map[string]any{"name": "第二网格", "area": area.Id}).Id
	var near []string
	for i := range 3 {
		near = append(near, s.save("enterprises", map[string]any{"name": fmt.Sprint("共有的店", i), "kind": "company", "grid": grid}).Id)
	}
	shop := func(name string) []string {
		return []string{s.save("enterprises", map[string]any{"name": name, "kind": "company", "grid": far}).Id}
	}
	// Two who return at once and one after 13 days work on the same shops; the other two each on one of their own.
	a, b, late := s.carrier("a@example.com", grid, near), s.carrier("b@example.com", grid, near), s.carrier("late@example.com", grid, near)
	tooLate, never := s.carrier("too.late@example.com", far, shop("二十天")), s.carrier("never@example.com", far, shop("不再回来"))
	all := []*carrier{a, b, late, tooLate, never}
	b.Skew = 48 * time.Hour // until somebody sets that phone's clock right, below
	n := 0
	hour := func(who []*carrier, steps int) {
		for range steps {
			n++
			s.pass(time.Duration(30+s.random.IntN(60)) * time.Second)
			who[s.random.IntN(len(who))].work(n)
		}
	}
	hour(all, 30)
	set, _, err := ops.Backup(context.Background(), s.app, filepath.Join(t.TempDir(), "backups"), ops.Options{Now: s.clock.Now()})
	s.ok(err)
	atBackup := s.state()
	hour(all, 60)
	for range 2 { // what one waits for another may have sent later
		for _, c := range all {
			c.sync()
		}
	}
	for i, c := range []*carrier{late, a, b} { // the last word is b's, in whatever order they come back
		c.Update("enterprises", near[0], map[string]any{"revenue": 1000 + i})
		for _, each := range []*carrier{c, late, a, b} {
			each.sync()
		}
	}
	before := s.state()
	disputed, _ := s.disputes(s.clock.Now())

	// The disk is gone; people go on.
	s.pass(time.Minute)
	down := s.clock.Now()
	b.Skew = 0
	s.stop()
	offline := tooLate.Create("visits", map[string]any{"enterprise": tooLate.shops[0], "worker": tooLate.user.Id, "outcome": "met", "place": "shop", "started_at": hooks.Stored(s.clock.Now())})
	alive := a.Create("visits", map[string]any{"enterprise": near[0], "worker": a.user.Id, "outcome": "met", "place": "shop", "started_at": hooks.Stored(s.clock.Now())})
	s.pass(20 * time.Minute)
	_, err = ops.Restore(context.Background(), core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir}), set, ops.Options{Now: s.clock.Now()})
	s.ok(err)
	s.start()
	if now := s.state(); !maps.Equal(now, atBackup) {
		t.Fatalf("restored is not what was backed up: %s", differ(atBackup, now))
	}
	for _, c := range []*carrier{a, b} {
		c.net.loses.Store(true) // and the answers of the resending get lost too
		for range 3 {
			_ = c.Sync(context.Background())
		}
		c.sync()
	}
	made := s.state()
	hour([]*carrier{a, b}, 12)
	for _, c := range []*carrier{a, b, a} {
		c.sync()
	}
	since := s.state() // against what was written after the restore, nothing that is sent again wins
	s.pass(13*24*time.Hour - 15*time.Minute)
	late.sync()
	s.pass(7 * 24 * time.Hour)
	tooLate.sync()
	for range 2 {
		for _, c := range []*carrier{a, b, late, tooLate} {
			c.sync()
		}
	}

	after := s.state()
	// What the page does not promise: what was applied more than 14 days ago on the phone that was away for 20, and all of the
	// one that never came. What was refused or waits is on the phone for as long as it takes.
	lost := func(key string) bool {
		part := strings.Split(key, "/")
		by := s.maker[part[1]]
		return by == never.Device.ID || by == tooLate.Device.ID && part[0] != "rejected" && part[0] != "waiting" ||
			part[0] == "enterprises" && slices.Contains(append(never.shops, tooLate.shops...), part[1])
	}
	want := map[string]string{}
	for key, value := range before {
		if !lost(key) {
			want[key] = value
		}
	}
	for key, value := range atBackup {
		if lost(key) {
			want[key] = value
		}
	}
	for key, value := range since {
		if was, there := made[key]; !there || was != value {
			want[key] = value
		}
	}
	for key := range made {
		if _, there := since[key]; !there {
			delete(want, key) // taken back by who captured it
		}
	}
	for key := range after { // captured while the server was away
		if strings.Contains(key, offline) || strings.Contains(key, alive) {
			want[key] = after[key]
		}
	}
	// Of a field that two changed, whoever comes back first may win now; the other value is in a conflict.
	contested, ofOldLife := s.disputes(down)
	for key := range disputed {
		if want[key] != after[key] && !slices.Contains(contested[key], want[key]) {
			t.Errorf("%s was %s, is %s, and no conflict keeps the old value: %v", key, want[key], after[key], contested[key])
		}
	}
	for key := range contested {
		if ofOldLife[key] && made[key] == since[key] && disputed[key] == nil {
			t.Errorf("%s: nobody disputed it before the restore or wrote it after; the order of the life before should have decided", key)
		}
		disputed[key] = contested[key]
	}
	for key := range disputed {
		delete(want, key)
		delete(after, key)
	}
	if !maps.Equal(want, after) {
		t.Errorf("not the history that was: %s", differ(want, after))
	}
	for _, id := range []string{offline, alive} {
		if _, ok := after["visits/"+id]; !ok {
			t.Errorf("captured while the server was away, and lost: %s", id)
		}
	}
	var resent int
	for _, c := range []*carrier{a, b, late, tooLate} {
		equal, err := c.Verify(context.Background())
		s.ok(err)
		if !equal {
			t.Errorf("the phone of %s differs from the server", c.user.GetString("name"))
		}
		if lives := c.Counters().Lives; lives != 1 {
			t.Errorf("%s noticed %d restores", c.user.GetString("name"), lives)
		}
		resent += c.Counters().Resent
	}
	t.Logf("%d entries before, %d at the backup, %d after; %d sent again, %d contested", len(before), len(atBackup), len(after), resent, len(disputed))
	if resent == 0 || len(before) <= len(atBackup) {
		t.Error("the story proves nothing")
	}
}

func differ(want, got map[string]string) string {
	var out []string
	for key, v := range want {
		if g, ok := got[key]; !ok {
			out = append(out, "missing "+key+" = "+v)
		} else if g != v {
			out = append(out, key+" = "+g+", not "+v)
		}
	}
	for key, v := range got {
		if _, ok := want[key]; !ok {
			out = append(out, "unexpected "+key+" = "+v)
		}
	}
	slices.Sort(out)
	return fmt.Sprintf("%d differences\n%s", len(out), strings.Join(out[:min(30, len(out))], "\n"))
}

// The real binary, as an operator runs it, and killed in the middle of a restore: whatever was cut off, the next command finds
// one whole set, the old or the new.
func TestAnOperatorBacksUpBesideTheServerAndRestoresWhenItHasStopped(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gangwan")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	dir, parent := filepath.Join(t.TempDir(), "pb_data"), filepath.Join(t.TempDir(), "backups")
	o := &office{T: t, time: time.Now()}
	closed := o.openDatabase(dir)
	area := o.save("areas", map[string]any{"code": "500101001001", "name": "王家坡社区", "kind": "community"})
	grid := o.save("grids", map[string]any{"name": "第一网格", "area": area.Id})
	shop := func() { o.save("enterprises", map[string]any{"name": "重庆小面馆", "grid": grid.Id}) }
	shop()
	photo := o.save("photos", map[string]any{"collection": "enterprises", "record": "lost00000000000", "file": ""})
	closed()
	run := func(args ...string) (string, int) {
		t.Helper()
		c := exec.Command(binary, append(args, "--dir", dir)...)
		out, err := c.CombinedOutput()
		if c.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), c.ProcessState.ExitCode()
	}
	expect := func(status int, says string, args ...string) {
		t.Helper()
		if out, got := run(args...); got != status || !strings.Contains(out, says) {
			t.Errorf("gangwan %s: exit status %d\n%s", strings.Join(args, " "), got, out)
		}
	}
	server := o.start(binary, dir, freeAddress(t))
	expect(0, "备份完成", "backup", parent)
	sets, err := filepath.Glob(filepath.Join(parent, "gangwan-*"))
	if err != nil || len(sets) != 1 {
		t.Fatalf("%v %v", sets, err)
	}
	expect(0, "没有问题", "doctor")
	expect(1, "参数多余", "backup", parent, "another")
	expect(1, "参数多余", "doctor", "all")
	expect(1, "（backup_inside）", "backup", filepath.Join(dir, "backups"))
	expect(1, "（database_in_use）", "restore", sets[0])
	_ = server.Process.Kill() // no goodbye: its lock ends with it
	_ = server.Wait()

	closed = o.openDatabase(dir)
	shop()
	photo.Set("file", "") // named by plain SQL, as by a disk that lost it
	_, err = o.app.DB().NewQuery(`UPDATE photos SET file = 'gone.jpg'`).Execute()
	o.ok(err)
	_, err = o.app.NonconcurrentDB().NewQuery(`DROP TRIGGER sync_grids_update`).Execute()
	o.ok(err)
	closed()
	expect(1, "（trigger_missing）", "doctor")
	expect(1, "（file_missing）", "doctor", "--fix") // which a person must bring back
	expect(2, "gone.jpg", "backup", parent+"2")

	count := func() int64 {
		t.Helper()
		defer o.openDatabase(dir)()
		n, err := o.app.CountRecords("enterprises")
		o.ok(err)
		return n
	}
	began := time.Now()
	expect(0, "自动补报", "restore", sets[0])
	whole := time.Since(began)
	if n := count(); n != 1 {
		t.Errorf("%d enterprises after the restore", n)
	}
	for i := range 6 {
		before := count()
		closed := o.openDatabase(dir)
		shop()
		closed()
		c := exec.Command(binary, "restore", sets[0], "--dir", dir)
		o.ok(c.Start())
		time.Sleep(whole * time.Duration(i+1) / 7) // at another moment each time
		_ = c.Process.Kill()
		_ = c.Wait()
		expect(0, "没有问题", "doctor")
		if n := count(); n != 1 && n != before+1 {
			t.Errorf("killed in a restore: %d enterprises, neither the old set (%d) nor the new", n, before+1)
		}
	}
	expect(0, "自动补报", "restore", sets[0])
	expect(0, "没有问题", "doctor")
}
