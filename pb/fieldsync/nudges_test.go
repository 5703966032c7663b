package fieldsync

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"

	"gangwan/hooks"
)

// listener is a real client of PocketBase's realtime.
type listener struct {
	d      *district
	client string
	heard  chan [2]string // event name, data
	leave  context.CancelFunc
}

func (d *district) listen(token string, topics ...string) *listener {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/api/realtime", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	l := &listener{d: d, heard: make(chan [2]string, 100), leave: cancel}
	d.t.Cleanup(cancel)
	go func() {
		defer resp.Body.Close()
		defer close(l.heard)
		var event string
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "event:"); ok {
				event = name
			} else if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
				l.heard <- [2]string{event, data}
			}
		}
	}()
	var hello struct{ ClientID string }
	if e := l.next(); e[0] != "PB_CONNECT" || json.Unmarshal([]byte(e[1]), &hello) != nil {
		d.t.Fatalf("connected: %v", e)
	}
	l.client = hello.ClientID
	if status := l.subscribe(token, topics...); status != http.StatusNoContent {
		d.t.Fatalf("subscribe: %d", status)
	}
	return l
}

func (l *listener) subscribe(token string, topics ...string) int {
	l.d.t.Helper()
	req, _ := http.NewRequest(http.MethodPost, l.d.url+"/api/realtime", strings.NewReader(string(mustJSON(map[string]any{"clientId": l.client, "subscriptions": topics}))))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.d.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (l *listener) next() [2]string {
	l.d.t.Helper()
	select {
	case e, ok := <-l.heard:
		if !ok {
			l.d.t.Fatal("the connection was closed")
		}
		return e
	case <-time.After(30 * time.Second):
		l.d.t.Fatal("nothing heard")
		return [2]string{}
	}
}

// nudged waits for a nudge and returns its seq.
func (l *listener) nudged() int64 {
	l.d.t.Helper()
	e := l.next()
	var said map[string]int64
	if e[0] != nudgeTopic || json.Unmarshal([]byte(e[1]), &said) != nil || len(said) != 1 {
		l.d.t.Fatalf("heard %v", e)
	}
	return said["seq"]
}

func (d *district) pass() {
	d.t.Helper()
	if _, err := serverOf(d.app).nudge(); err != nil {
		d.t.Fatal(err)
	}
}

// lastIn is the seq of the last change in a scope.
func (d *district) lastIn(scope string) (seq int64) {
	d.t.Helper()
	if err := d.app.DB().NewQuery(`SELECT max(seq) FROM sync_feed WHERE scope = {:scope}`).Bind(dbx.Params{"scope": scope}).Row(&seq); err != nil {
		d.t.Fatal(err)
	}
	return seq
}

// Invariant 4: a nudge tells nothing of what others do, not even by its seq.
func TestAListenerIsNudgedForWhatItsUserMaySeeAndForNothingElse(t *testing.T) {
	d := newDistrict(t)
	l := d.listen(d.token("worker1"), "sync")
	d.edit("enterprises", "ent200000000000", map[string]any{"contact": "老李"})
	d.pass()
	d.edit("enterprises", "ent100000000000", map[string]any{"contact": "老张"})
	own := d.lastIn("g:grid10000000000")
	d.edit("enterprises", "ent200000000000", map[string]any{"contact": "老王"})
	d.pass()
	if seq := l.nudged(); seq != own {
		t.Fatalf("nudged with %d; the last change of the own grid is %d", seq, own)
	}
	// A grid given, a grid taken, and the harbour's own enterprises: each concerns the user.
	d.assign("worker1", "grid20000000000", "", "")
	d.pass()
	if seq := l.nudged(); seq <= own {
		t.Fatalf("given a grid: %d", seq)
	}
	d.edit("enterprises", "ent200000000000", map[string]any{"contact": "老李"})
	d.pass()
	l.nudged()
}

func TestAMembershipThatEndsByTheClockAloneNudgesWhoLosesIt(t *testing.T) {
	d := newDistrict(t)
	d.assign("worker1", "grid20000000000", "", d.time.Add(time.Hour).Format(time.RFC3339))
	l := d.listen(d.token("worker1"), "sync")
	d.pass()
	d.time = d.time.Add(time.Hour)
	d.pass()
	l.nudged()
}

func TestOnlyUsersAreNudgedAndOnlyWhileTheyMayPull(t *testing.T) {
	d := newDistrict(t)
	guest := d.listen("", "sync")
	root := d.save("_superusers", map[string]any{"email": "root@example.com", "password": "password123"})
	token, err := root.NewAuthToken()
	if err != nil {
		t.Fatal(err)
	}
	admin := d.listen(token, "sync")
	locked, told := d.listen(d.token("worker1"), "sync"), d.listen(d.token("counter"), "sync")
	d.edit("users", d.users["worker1"].Id, map[string]any{"must_change_password": true})
	d.edit("enterprises", "ent100000000000", map[string]any{"contact": "老张"})
	d.pass()
	told.nudged()
	d.edit("users", d.users["worker1"].Id, map[string]any{"must_change_password": false})
	d.pass()
	if seq := locked.nudged(); seq != d.lastIn(hooks.ScopeNobody) { // he may again: there is something to pull
		t.Errorf("nudged with %d before he might pull", seq)
	}
	for name, l := range map[string]*listener{"a guest": guest, "a superuser": admin, "who had to change the password": locked} {
		l.leave()
		for e := range l.heard {
			t.Errorf("%s heard %v", name, e)
		}
	}
}

func TestManyChangesInOneSecondAreOneNudgeAndNobodyIsAskedForWhenNobodyListens(t *testing.T) {
	d := newDistrict(t)
	s := serverOf(d.app)
	if s.nudges.active {
		t.Fatal("awake without a listener")
	}
	l := d.listen(d.token("worker1"), "sync")
	s.nudges.mu.Lock() // the pass waits until all is written
	for i := range 10 {
		d.edit("enterprises", "ent100000000000", map[string]any{"employees": i + 1})
	}
	s.nudges.mu.Unlock()
	last := d.lastIn("g:grid10000000000")
	if seq := l.nudged(); seq != last {
		t.Fatalf("nudged with %d, the last change is %d", seq, last)
	}
	l.leave()
	for e := range l.heard {
		t.Errorf("heard %v too", e)
	}
	for more := true; more; {
		var err error
		if more, err = s.nudge(); err != nil {
			t.Fatal(err)
		}
	}
	d.edit("enterprises", "ent100000000000", map[string]any{"employees": 99})
	d.listen(d.token("worker1"), "sync") // somebody comes again: awake again
	if !s.nudges.active {
		t.Fatal("asleep with a listener")
	}
}
