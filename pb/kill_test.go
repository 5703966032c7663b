package main

import (
	"context"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// The real binary, killed with -9 while a phone is pushing: what was acknowledged is there, once.
func TestNothingAcknowledgedIsLostWhenTheServerIsKilled(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gangwan")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	dir := t.TempDir()
	o := &office{T: t, time: time.Now(), grid: map[string]string{}}
	closed := o.openDatabase(dir)
	area := o.save("areas", map[string]any{"code": "500101001001", "name": "王家坡社区", "kind": "community"})
	grid := o.save("grids", map[string]any{"name": "第一网格", "area": area.Id})
	shop := o.save("enterprises", map[string]any{"name": "重庆小面馆", "grid": grid.Id})
	worker := o.user("worker@example.com", map[string]any{"role": "grid_worker"})
	o.save("assignments", map[string]any{"user": worker.Id, "grid": grid.Id})
	closed()

	address := freeAddress(t)
	o.url = "http://" + address
	server := o.start(binary, dir, address)
	p := o.phone("worker@example.com")
	o.sync(p)
	captured := map[string]bool{}
	for round := range 5 {
		for range 40 {
			captured[p.Create("visits", map[string]any{"enterprise": shop.Id, "grid": grid.Id, "worker": worker.Id, "outcome": "met",
				"started_at": hooks.Stored(o.time), "place": "shop"})] = true
		}
		killed := make(chan struct{})
		go func() {
			time.Sleep(time.Duration(3+round*11) * time.Millisecond)
			_ = server.Process.Kill()
			_ = server.Wait()
			close(killed)
		}()
		_ = p.Push(context.Background()) // may or may not get its answer
		<-killed
		server = o.start(binary, dir, address)
	}
	o.sync(p)
	if len(captured) != 200 {
		t.Fatalf("%d visits captured", len(captured))
	}
	if len(p.Records("visits")) != len(captured) {
		t.Errorf("the phone holds %d visits, captured were %d", len(p.Records("visits")), len(captured))
	}
	_ = server.Process.Kill()
	_ = server.Wait()
	defer o.openDatabase(dir)()
	rows, err := o.app.FindAllRecords("visits")
	o.ok(err)
	for _, r := range rows {
		if !captured[r.Id] {
			t.Errorf("a visit nobody captured: %s", r.Id)
		}
	}
	if len(rows) != len(captured) {
		t.Errorf("%d visits in the database, captured were %d", len(rows), len(captured))
	}
}

// openDatabase opens a data directory in this process, with everything bound but no server.
func (o *office) openDatabase(dir string) (closed func()) {
	o.Helper()
	o.app = core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: fieldsync.Connect})
	bind(o.app, func() time.Time { return o.time })
	o.ok(o.app.Bootstrap())
	o.ok(o.app.RunAllMigrations())
	return func() { o.ok(o.app.ResetBootstrapState()) }
}

// start runs the binary and waits until it answers.
func (o *office) start(binary, dir, address string) *exec.Cmd {
	o.Helper()
	server := exec.Command(binary, "serve", "--dir", dir, "--http", address)
	o.ok(server.Start())
	o.Cleanup(func() { _ = server.Process.Kill() })
	for range 200 {
		if resp, err := http.Get("http://" + address + "/api/health"); err == nil {
			resp.Body.Close()
			return server
		}
		time.Sleep(50 * time.Millisecond)
	}
	o.Fatal("the server does not answer")
	return nil
}
