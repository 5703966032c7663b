package demo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// town is a small district on a running server, with the clock at nine in the morning of its first day.
type town struct {
	t     *testing.T
	app   core.App
	clock *Clock
	d     *district
	url   string
	n     int
}

func newTown(t *testing.T) *town {
	t.Helper()
	clock := NewClock()
	app := newServerApp(t, t.TempDir(), clock)
	o := small()
	o.Enterprises, o.HTTP = 60, freeAddress(t)
	d, err := newDistrict(o)
	if err != nil {
		t.Fatal(err)
	}
	clock.Set(d.start.Add(5 * time.Hour))
	if _, err := openDatabase(app); err != nil {
		t.Fatal(err)
	}
	server, err := serve(context.Background(), app, o.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.finish(context.Background(), true) })
	if err := d.load(app, clock, func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	clock.Set(d.start.Add(9 * time.Hour))
	return &town{t: t, app: app, clock: clock, d: d, url: server.url}
}

func (w *town) phone(p *person, client *http.Client) *Phone {
	w.t.Helper()
	w.n++
	phone := NewPhone(w.url, client, w.clock.Now, randomBytes(7, "test", w.n), fieldsync.DeviceInfo{Name: p.name})
	if err := phone.SignIn(context.Background(), p.email, Password); err != nil {
		w.t.Fatal(err)
	}
	w.sync(phone)
	return phone
}

func (w *town) sync(p *Phone) {
	w.t.Helper()
	if err := p.Sync(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) visit(p *Phone, by *person, enterprise string) string {
	record, ok := p.Record("enterprises", enterprise)
	if !ok {
		w.t.Fatalf("the phone does not hold %s", enterprise)
	}
	return p.Create("visits", map[string]any{"enterprise": enterprise, "grid": record["grid"], "worker": by.id, "outcome": "met", "place": "shop",
		"started_at": hooks.Stored(p.Now().Add(-10 * time.Minute)), "ended_at": hooks.Stored(p.Now())})
}

func TestAPhoneShowsItsWorkAtOnceAndKeepsShowingItUntilAPullBringsTheServersCopy(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	p := w.phone(worker, http.DefaultClient)
	visit := w.visit(p, worker, p.IDs("enterprises")[0])
	p.AddFile("visits", visit, "signature", signature(stream(1, "ink")))
	photo := p.AddPhoto("visits", visit, shopPhoto(stream(1, "shop")), &fieldsync.LonLat{Lon: 108.38, Lat: 30.81})
	if v, ok := p.Record("visits", visit); !ok || v["outcome"] != "met" || len(p.Outbox()) != 2 {
		t.Fatal("what was captured offline is not shown")
	}
	if err := p.Push(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(p.Outbox()) != 0 {
		t.Fatal("the outbox is not empty")
	}
	if _, ok := p.Record("visits", visit); !ok || p.Rev("visits", visit) != 0 {
		t.Fatal("after the push and before a pull the phone's own copy must stay")
	}
	w.sync(p)
	v, _ := p.Record("visits", visit)
	if p.Rev("visits", visit) == 0 || v["synced_at"] == "" || v["signature"] == "" {
		t.Fatalf("the server's copy did not come: %v", v)
	}
	if f, _ := p.Record("photos", photo); f["file"] == "" || p.PendingUploads() != 0 {
		t.Fatalf("the photo is not in its place: %v", f)
	}
	if equal, err := p.Verify(context.Background()); err != nil || !equal {
		t.Fatalf("digest differs (%v)", err)
	}
}

// losing drops the answers of pushes while it is on: the server has taken them, the phone does not know.
type losing struct{ on atomic.Bool }

func (l *losing) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err == nil && l.on.Load() && strings.HasSuffix(req.URL.Path, "/push") {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return nil, errAnswerLost
	}
	return res, err
}

func TestAPushWhoseAnswerIsLostIsSentAgainAndCountsOnce(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	net := &losing{}
	p := w.phone(worker, &http.Client{Transport: net})
	net.on.Store(true)
	ids := p.IDs("enterprises")
	w.visit(p, worker, ids[0])
	for range 3 {
		if err := p.Push(context.Background()); !errors.Is(err, errAnswerLost) {
			t.Fatalf("expected a lost answer, got %v", err)
		}
		w.visit(p, worker, ids[1]) // goes into a later batch, never past the unanswered one
	}
	net.on.Store(false)
	w.sync(p)
	if n, _ := w.app.CountRecords("visits"); n != 4 || len(p.Outbox()) != 0 || p.Counters().Duplicates != 1 {
		t.Fatalf("%d visits on the server, %d in the outbox, %+v", n, len(p.Outbox()), p.Counters())
	}
}

func TestTwoPeopleWhoChangeOneFieldOfflineBothSeeTheServersValueAndTheSecondIsTold(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	road := w.phone(worker, http.DefaultClient)
	desk := w.phone(w.d.harbours[w.d.grids[worker.grids[0]].harbour].staff, http.DefaultClient)
	var shared string
	for _, id := range road.IDs("enterprises") {
		if _, ok := desk.Record("enterprises", id); ok {
			shared = id
			break
		}
	}
	road.Update("enterprises", shared, map[string]any{"contact": "路上", "employees": 7})
	desk.Update("enterprises", shared, map[string]any{"contact": "柜台"})
	w.sync(desk)
	w.sync(road)
	conflicts := road.Conflicts()
	if len(conflicts) != 1 || conflicts[0].Field != "contact" || conflicts[0].Theirs == nil || *conflicts[0].Theirs != "柜台" || conflicts[0].Yours != "路上" {
		t.Fatalf("conflicts: %+v", conflicts)
	}
	w.sync(desk)
	for _, p := range []*Phone{road, desk} {
		if e, _ := p.Record("enterprises", shared); e["contact"] != "柜台" || whole(e, "employees") != 7 {
			t.Fatalf("%v", e)
		}
	}
}

func TestARefusedVisitStaysOnThePhoneUntilItIsMended(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	p := w.phone(worker, http.DefaultClient)
	enterprise := p.IDs("enterprises")[0]
	visit := p.Create("visits", map[string]any{"enterprise": enterprise, "worker": worker.id, "started_at": hooks.Stored(p.Now()), "outcome": "danced"})
	w.sync(p)
	refused := p.NeedsAttention()
	if len(refused) != 1 || refused[0].Errors["outcome"].Message == "" || len(p.Outbox()) != 0 {
		t.Fatalf("%+v", refused)
	}
	data := refused[0].Mutation.Data
	data["outcome"] = "met"
	if _, ok := p.Mend(refused[0].Mutation.ID, data, nil); !ok {
		t.Fatal("could not mend")
	}
	w.sync(p)
	if v, _ := p.Record("visits", visit); p.Rev("visits", visit) == 0 || v["outcome"] != "met" || len(p.NeedsAttention()) != 0 {
		t.Fatalf("the mended visit did not arrive under its own id: %v %+v", v, p.NeedsAttention())
	}
}

func TestAGridTakenAwayTakesItsRecordsFromThePhone(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	p := w.phone(worker, http.DefaultClient)
	lost := w.d.grids[worker.grids[0]].id
	before := 0
	for _, e := range p.Records("enterprises") {
		if e["grid"] == lost {
			before++
		}
	}
	a, err := w.app.FindFirstRecordByFilter("assignments", "user = {:u} && grid = {:g}", dbx.Params{"u": worker.id, "g": lost})
	if err != nil || before == 0 {
		t.Fatal(err, before)
	}
	w.clock.Set(w.d.start.Add(10 * time.Hour))
	a.Set("until", hooks.Stored(w.clock.Now()))
	if err := w.app.Save(a); err != nil {
		t.Fatal(err)
	}
	w.sync(p)
	for id, e := range p.Records("enterprises") {
		if e["grid"] == lost {
			t.Fatalf("still holds %s", id)
		}
	}
	if equal, err := p.Verify(context.Background()); err != nil || !equal {
		t.Fatalf("digest differs (%v)", err)
	}
}

func TestAPhoneWithAClockThreeDaysWrongIsPutRightByTheServer(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	p := w.phone(worker, http.DefaultClient)
	p.Skew = 72 * time.Hour
	visit := w.visit(p, worker, p.IDs("enterprises")[0])
	w.sync(p)
	v, _ := p.Record("visits", visit)
	if got := when(v, "captured_at").Sub(w.clock.Now()).Abs(); got > time.Minute {
		t.Fatalf("captured_at is off by %s", got)
	}
}

func TestAStrangersDeviceIsAForeignDevice(t *testing.T) {
	w := newTown(t)
	p := w.phone(w.d.workers[0], http.DefaultClient)
	thief := NewPhone(w.url, http.DefaultClient, w.clock.Now, randomBytes(8, "thief"), p.Device)
	if err := thief.SignIn(context.Background(), w.d.workers[1].email, Password); err != nil {
		t.Fatal(err)
	}
	var call *CallError
	if _, err := thief.Hello(context.Background()); !errors.As(err, &call) || call.Code != "device_foreign" || call.Message == "" {
		t.Fatalf("got %v", err)
	}
}

func TestTwoPhonesFromOneSeedMakeTheSameIDs(t *testing.T) {
	at := func() time.Time { return lastDay }
	ids := func() (out []string) {
		p := NewPhone("", nil, at, randomBytes(1, "phone"), fieldsync.DeviceInfo{})
		out = append(out, p.Device.ID, p.Create("visits", map[string]any{}), p.Capture(fieldsync.Mutation{Op: "update"}).ID)
		return out
	}
	a, b := ids(), ids()
	for i := range a {
		if a[i] != b[i] || !hooks.IsDeviceID(a[i]) {
			t.Fatalf("%v %v", a, b)
		}
	}
}

func TestAPhoneThatHearsOfARestoreInAPullSendsAgainFirstAndNothingCountsTwice(t *testing.T) {
	w := newTown(t)
	worker := w.d.workers[0]
	net := &losing{}
	p := w.phone(worker, &http.Client{Transport: net})
	shops := p.IDs("enterprises")
	old := w.visit(p, worker, shops[0])
	w.sync(p)
	w.clock.Set(w.clock.Now().Add(15 * 24 * time.Hour)) // more than a phone keeps
	visit := w.visit(p, worker, shops[1])
	p.AddPhoto("visits", visit, shopPhoto(stream(1, "shop")), nil)
	p.Update("visits", visit, map[string]any{"notes": "后补"})
	bad := p.Create("visits", map[string]any{"enterprise": shops[0], "worker": worker.id, "outcome": "danced"})
	w.sync(p)
	mended, ok := p.Mend(p.NeedsAttention()[0].Mutation.ID, map[string]any{"enterprise": shops[0], "worker": worker.id, "outcome": "met",
		"started_at": hooks.Stored(p.Now())}, nil)
	if !ok || mended.Record != bad {
		t.Fatalf("%+v", mended)
	}
	p.Create("visits", map[string]any{"enterprise": p.NewID(), "worker": worker.id, "outcome": "met", "started_at": hooks.Stored(p.Now())}) // waits
	w.sync(p)

	// A new life that has everything: what comes again is known by its id.
	if _, err := fieldsync.NewEpoch(w.app, w.clock.Now(), 0); err != nil {
		t.Fatal(err)
	}
	count := func() (n int64) { n, _ = w.app.CountRecords("visits"); return n }
	visits := count()
	if err := p.Pull(context.Background()); err != nil {
		t.Fatal(err)
	}
	c := p.Counters()
	// The visit, its photo, its notes, the mended visit and the one that waits; not what is older than 14 days, nor what was mended.
	if c.Lives != 1 || c.Resent != 5 || c.Resets != 1 || count() != visits || len(p.Waiting()) != 1 || len(p.NeedsAttention()) != 0 {
		t.Fatalf("%+v, %d visits of %d, waiting %d, refused %v", c, count(), visits, len(p.Waiting()), p.NeedsAttention())
	}
	if v, ok := p.Record("visits", old); !ok || v["outcome"] != "met" {
		t.Errorf("the old visit went: %v", v)
	}

	// A life that has lost the visit and its picture; the answers of the resending get lost.
	for _, q := range []string{`DELETE FROM photos`, `DELETE FROM sync_attachments`, `DELETE FROM visits WHERE id = '` + visit + `'`,
		`DELETE FROM sync_feed WHERE record = '` + visit + `' OR collection = 'photos'`, `DELETE FROM sync_mutations`, `DELETE FROM sync_deferred`} {
		if _, err := w.app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fieldsync.NewEpoch(w.app, w.clock.Now(), 0); err != nil {
		t.Fatal(err)
	}
	net.on.Store(true)
	if err := p.Sync(context.Background()); !errors.Is(err, errAnswerLost) {
		t.Fatalf("expected a lost answer, got %v", err)
	}
	if err := p.Pull(context.Background()); !errors.Is(err, errAnswerLost) {
		t.Fatalf("a pull passes what is not sent again yet: %v", err)
	}
	if _, ok := p.Record("visits", visit); !ok {
		t.Fatal("the phone lets go of a visit that the server has lost")
	}
	net.on.Store(false)
	w.sync(p)
	v, _ := p.Record("visits", visit)
	if count() != visits || v["notes"] != "后补" || len(p.Waiting()) != 1 || p.PendingUploads() != 0 {
		t.Errorf("%d visits of %d, %v, waiting %d", count(), visits, v, len(p.Waiting()))
	}
	if n, _ := w.app.CountRecords("photos"); n != 1 {
		t.Errorf("%d photos", n)
	}
	if equal, err := p.Verify(context.Background()); err != nil || !equal {
		t.Errorf("digest differs (%v)", err)
	}
}
