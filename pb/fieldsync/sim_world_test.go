package fieldsync

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pocketbase/dbx"

	"gangwan/hooks"
)

// simWorld is one simulated history: a real server, model phones, a network and a clock between them, and the model of what must
// be true. It is deterministic: the same steps give the same history.
type simWorld struct {
	*simModel
	server     *simServer
	time       time.Time
	n          uint32
	shade      uint16
	phones     []*simPhone
	late       []simLate
	done       []string // steps so far
	backup     *simBackup
	lost       *simModel // what was there when a backup was put back
	times      int       // how often that happened
	epoch      string
	lastOffice string // the writer's name of the latest change before that
	tally      map[string]int
	revs       map[string]map[int64]bool // of records, those that compaction has taken too
}

type simLate struct {
	p                 *simPhone
	path, contentType string
	body              []byte
}

// simBroken ends a history: an invariant does not hold.
type simBroken struct {
	invariant int
	message   string
}

func (b *simBroken) Error() string { return fmt.Sprintf("invariant %d: %s", b.invariant, b.message) }

func (w *simWorld) fail(invariant int, format string, args ...any) {
	panic(&simBroken{invariant, fmt.Sprintf(format, args...)})
}

func (w *simWorld) must(err error) {
	if err != nil {
		panic(fmt.Errorf("the simulation itself: %w", err))
	}
}

func (w *simWorld) parse(raw []byte, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		w.fail(5, "an answer cannot be read: %s", raw)
	}
}

func newSimWorld(dir string) (*simWorld, error) {
	w := &simWorld{simModel: newSimModel(), time: dayOne, tally: map[string]int{}, revs: map[string]map[int64]bool{}}
	var err error
	w.server, err = newSimServer(dir, func() time.Time { return w.time })
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		name, user string
		clock      time.Duration
	}{{"worker1", "worker1", 0}, {"worker1b", "worker1", time.Minute}, {"worker2", "worker2", -3 * 24 * time.Hour}, {"counter", "counter", 0},
		{"deskA", "deskA", 0}, {"deskB", "deskB", 50 * time.Hour}, {"liaison", "liaison", -time.Hour}} {
		phone := &simPhone{w: w, name: p.name, user: p.user, clock: p.clock, has: map[string]simHeld{}, own: map[string]simCopy{}, results: map[string]Result{}}
		phone.device = w.id(w.time)
		w.users[phone.device] = p.user
		w.phones = append(w.phones, phone)
	}
	return w, nil
}

func (w *simWorld) id(at time.Time) string {
	w.n++
	return hooks.NewID(at, &counter{w.n})
}

// serve hands a request to the server and judges the answer, whoever hears it.
func (w *simWorld) serve(p *simPhone, path, contentType string, body []byte) (int, []byte) {
	status, raw, err := w.server.call(http.MethodPost, p.user, path, contentType, body)
	w.must(err)
	w.tally[fmt.Sprint(path, " ", status)]++
	if status != http.StatusOK {
		return status, raw
	}
	switch path {
	case "/api/sync/push":
		w.judgePush(p, body, raw)
	case "/api/sync/pull":
		w.judgePull(p, raw)
	case "/api/sync/attachments":
		var r AttachmentResult
		w.parse(raw, &r)
		w.judgePicture(p, r)
	}
	return status, raw
}

// judgePush follows each mutation of a push and what became of it.
func (w *simWorld) judgePush(p *simPhone, body, raw []byte) {
	var req PushRequest
	var resp PushResponse
	w.parse(body, &req)
	w.parse(raw, &resp)
	if len(resp.Results) != len(req.Mutations) {
		w.fail(3, "%d mutations, %d results", len(req.Mutations), len(resp.Results))
	}
	for i, m := range req.Mutations {
		got := resp.Results[i]
		d := &simDelivery{user: p.user, device: p.device, skew: skewOf(req.SentAt, w.time), received: w.time, raw: m, resends: w.resends(w.time)}
		nonsense := json.Unmarshal(m, &d.m) != nil
		if d.m.ID == "" {
			w.rejections["\n"+canonicalJSON(m)] = 1
			if got.Status != Rejected {
				w.fail(3, "%s is answered %s", m, got.Status)
			}
			continue
		}
		if got.ID != d.m.ID {
			w.fail(3, "the result of %s stands where that of %s should", got.ID, d.m.ID)
		}
		known := w.ledger[d.m.ID]
		switch {
		case known == nil && got.Duplicate:
			w.fail(3, "%s was never seen before, and is called a duplicate", d.m.ID)
		case known == nil && nonsense: // it has a name all the same
			w.rejections[d.m.ID+"\n"+canonicalJSON(m)]++
			w.ledger[d.m.ID] = &simSettled{body: w.body(d), user: d.user, status: got.Status, result: got}
			if got.Status != Rejected {
				w.fail(3, "%s is answered %s", m, got.Status)
			}
		case known == nil:
			w.settle(d, got)
			w.tally[d.m.Op+" "+string(got.Status)+" "+strings.Join(codesOf(got.Errors), " ")]++
		case known.body != w.body(d):
			w.rejections[d.m.ID+"\n"+canonicalJSON(m)] = 1
			if got.Status != Rejected || !slices.Contains(codesOf(got.Errors), "mutation_reused") {
				w.fail(3, "%s was used for something else, and is answered %s %s", d.m.ID, got.Status, codesOf(got.Errors))
			}
		case !got.Duplicate || got.Status != known.status:
			w.fail(7, "%s was %s; sent again it is %s (duplicate: %t)", d.m.ID, known.status, got.Status, got.Duplicate)
		default:
			w.tally["duplicate"]++
		}
	}
}

// judgePull: nothing in a page that the user may not see at this very moment.
func (w *simWorld) judgePull(p *simPhone, raw []byte) {
	var resp PullResponse
	w.parse(raw, &resp)
	if resp.Reset {
		w.tally["reset"]++
	}
	if w.epoch != "" && resp.Epoch != w.epoch {
		w.tally["restore proved by a cursor"]++
		w.newLife()
	}
	w.epoch = resp.Epoch
	for _, c := range resp.Changes {
		w.tally[c.Op]++
		if c.Op != "upsert" {
			continue
		}
		var record simRow
		w.parse(c.Record, &record)
		key := c.Collection + "/" + str(record["id"])
		if _, followed := tracked[c.Collection]; followed && !w.visible(simUserID(p.user), key, hooks.Stored(w.time)) {
			w.fail(4, "%s is sent %s", p.name, key)
		}
		if owner, own := record["scope_user"]; own && owner != simUserID(p.user) {
			w.fail(4, "%s is sent %s of another user", p.name, key)
		}
		for field := range record {
			if !w.mayRead(simUserID(p.user), c.Collection, field) {
				w.fail(4, "%s is sent %s of %s", p.name, field, key)
			}
		}
	}
}

func (w *simWorld) judgePicture(p *simPhone, r AttachmentResult) {
	photo := w.rows["photos/"+r.ID]
	given := w.dropped[r.ID] // its record was refused, or will never come
	for _, d := range w.refused {
		given = given || d.m.Collection == "photos" && d.m.Record == r.ID
	}
	// Or it has waited for 30 days.
	given = given || !w.waiting[r.ID].IsZero() && w.time.Sub(w.waiting[r.ID]) >= 30*24*time.Hour
	if r.Status == Deferred && !r.Duplicate {
		w.waiting[r.ID] = w.time
	}
	switch {
	case given && photo == nil && r.Status == Rejected:
	case photo == nil && !w.gone["photos/"+r.ID] && r.Status != Deferred:
		w.fail(3, "a picture that came before its record is %s", r.Status)
	case photo != nil && r.Status == Deferred:
		w.fail(6, "a picture waits for %s, which is there", r.ID)
	}
	w.tally["picture "+string(r.Status)+" "+strings.Join(codesOf(r.Errors), " ")]++
	if !r.Duplicate {
		w.photos[r.ID] = r.Status
	}
}

// now is the time that a change takes: by the console the server's clock; plain SQL knows only when the server last wrote.
func (w *simWorld) sqlNow() string {
	var now string
	w.must(w.server.app.DB().NewQuery(`SELECT now FROM sync_clock`).Row(&now))
	return now
}

// console saves a change as an administrator would.
func (w *simWorld) console(key string, values simRow) {
	collection, id := splitKey(key)
	r, err := w.server.app.FindRecordById(collection, id)
	w.must(err)
	for k, v := range values {
		r.Set(k, v)
	}
	w.must(w.server.app.Save(r))
	w.office(key, values, hooks.Stored(w.time))
}

// office notes what the office changed.
func (w *simWorld) office(key string, values simRow, at string) {
	before := maps.Clone(w.rows[key])
	w.change(key, values, at)
	w.touched(key)
	for field := range values {
		w.writers[key+"/"+field] = w.officer()
		if w.resends(w.time) && !reflect.DeepEqual(before[field], w.rows[key][field]) {
			w.rewritten[key+"/"+field] = afterRestore
		}
	}
}

func (w *simWorld) consoleNew(collection string, values simRow) string {
	w.n++
	return w.consoleNewAs(collection, fmt.Sprintf("new%012d", w.n), values)
}

func (w *simWorld) consoleNewAs(collection, id string, values simRow) string {
	w.must(w.server.save(collection, id, values))
	w.put(collection, id, values)
	w.derived(collection + "/" + id)
	w.touched(collection + "/" + id)
	return id
}

func (w *simWorld) consoleDelete(key string) {
	collection, id := splitKey(key)
	r, err := w.server.app.FindRecordById(collection, id)
	w.must(err)
	w.must(w.server.app.Delete(r))
	w.remove(key, hooks.Stored(w.time))
}

// sql changes a record behind everybody's back.
func (w *simWorld) sql(key string, values simRow) {
	collection, id := splitKey(key)
	params := dbx.Params{}
	for field, v := range values {
		if list, ok := v.([]any); ok {
			v = string(mustJSON(list))
		}
		params[field] = v
	}
	_, err := w.server.app.DB().Update(collection, params, dbx.HashExp{"id": id}).Execute()
	w.must(err)
	w.change(key, values, w.sqlNow())
	w.touched(key)
	for field := range values {
		w.writers[key+"/"+field] = w.officer()
	}
}

// officer is the writer of a change that no phone made.
func (w *simWorld) officer() string {
	w.n++
	return fmt.Sprintf("office %08d", w.n)
}

// keys lists the records of a collection that the model knows, in order.
func (w *simWorld) keys(collection string) []string {
	var out []string
	for _, key := range sortedKeys(w.rows) {
		if strings.HasPrefix(key, collection+"/") {
			out = append(out, key)
		}
	}
	return out
}

// childless lists records that nothing refers to.
func (w *simWorld) childless(collection string) []string {
	return slices.DeleteFunc(w.keys(collection), func(key string) bool {
		_, id := splitKey(key)
		return w.referred(id) || slices.ContainsFunc(w.waits, func(d *simDelivery) bool { return strings.Contains(string(d.raw), id) })
	})
}

func nth[T any](list []T, n int) (T, bool) {
	if len(list) == 0 {
		var zero T
		return zero, false
	}
	return list[n%len(list)], true
}

// simBackup is what a backup keeps: the database, and the model of it.
type simBackup struct {
	file  string
	model *simModel
}

func (w *simWorld) takeBackup() {
	w.n++
	file := filepath.Join(w.server.dir, fmt.Sprintf("backup%d.db", w.n))
	_, err := w.server.app.DB().NewQuery("VACUUM INTO '" + file + "'").Execute()
	w.must(err)
	w.backup = &simBackup{file, w.simModel.clone()}
}

// putBack restores the backup. Announced: by the command, which says that a new life begins. Else somebody copied the file back:
// the first phone that comes with a cursor of the future proves it.
func (w *simWorld) putBack(announced bool) {
	if w.backup == nil {
		return
	}
	if !announced {
		for _, p := range w.phones {
			if p.used && p.state == "" {
				p.pull(fine, 0, 0, 0)
			}
		}
	}
	var reached int64
	w.must(w.server.app.DB().NewQuery(`SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'`).Row(&reached))
	w.must(w.server.stop())
	raw, err := os.ReadFile(w.backup.file)
	w.must(err)
	for _, name := range []string{"data.db-wal", "data.db-shm"} {
		w.must(os.RemoveAll(filepath.Join(w.server.dir, name)))
	}
	w.must(os.WriteFile(filepath.Join(w.server.dir, "data.db"), raw, 0o600))
	w.must(w.server.start())
	w.lost, w.simModel, w.lastOffice = w.simModel, w.backup.model.clone(), w.officer()
	w.times++
	for _, p := range w.phones {
		p.state = p.stateNow()
	}
	if announced {
		_, err := NewEpoch(w.server.app, w.time, reached)
		w.must(err)
		w.newLife()
		return
	}
	for _, p := range w.phones {
		if p.used && p.state == "" {
			p.pull(fine, 0, 0, 0)
		}
	}
	if w.restored.IsZero() || w.restored.Before(w.time) { // nobody could prove it: an administrator says it
		_, err := NewEpoch(w.server.app, w.time, 0)
		w.must(err)
		w.newLife()
	}
}

// newLife follows the server into another epoch.
func (w *simWorld) newLife() {
	w.restored, w.rewritten = w.time, map[string]int64{}
	w.must(w.server.app.DB().NewQuery(`SELECT value FROM sync_state WHERE key = 'epoch'`).Row(&w.epoch))
}

// quiet ends all faults and lets every phone do what it does by itself; then everything is compared.
func (w *simWorld) quiet() {
	for len(w.late) > 0 {
		w.deliver(0)
	}
	w.time = w.time.Add(100 * time.Hour) // the last boundaries pass by the clock alone
	for round := 0; ; round++ {
		busy := false
		order := slices.Clone(w.phones)
		if w.n%2 == 0 { // who comes first is chance
			slices.Reverse(order)
		}
		for _, p := range order {
			if !p.returns() || !p.used {
				continue
			}
			p.hello(fine, 0)
			p.push(fine, 0, MaxMutations)
			if p.missingDue && !slices.ContainsFunc(p.outbox, func(e *simEntry) bool { return e.state == "" }) {
				p.missing()
			}
			for i := 0; i < len(p.pictures) && p.upload(fine, 0); i++ {
			}
			if p.state != "drain_only" {
				p.pull(fine, 0, []int{0, 5}[round%2], 0)
			}
			busy = busy || !p.drained()
		}
		if !busy && round > 0 {
			break
		}
		if round == 10 {
			w.fail(6, "a phone still has something to send: %v", w.phones)
		}
	}
	w.compare()
}

// compare holds the database against the model, and the phones against the list API.
func (w *simWorld) compare() {
	for _, collection := range sortedKeys(tracked) {
		records, err := w.server.app.FindAllRecords(collection)
		w.must(err)
		seen := map[string]bool{}
		for _, r := range records {
			key := collection + "/" + r.Id
			seen[key] = true
			if w.rows[key] == nil {
				w.fail(1, "%s is there, and nobody wrote it", key)
			}
			for field, want := range w.rows[key] {
				if got := blank(plain(r.Get(field))); !reflect.DeepEqual(got, want) {
					w.fail(1, "%s of %s is %v, the last write was %v", field, key, got, want)
				}
			}
			if collection == "demands" && r.GetString("enterprise") != "" {
				for _, f := range []string{"name", "contact", "phone"} {
					if got, want := r.GetString("enterprise_"+f), w.field("enterprises", r.GetString("enterprise"), f); got != want {
						w.fail(2, "enterprise_%s of %s is %s, should be %s", f, key, got, want)
					}
				}
			}
		}
		for _, key := range w.keys(collection) {
			if !seen[key] {
				w.fail(1, "%s was written and is not there", key)
			}
		}
	}
	w.compareKept()
	w.comparePictures()
	w.compareRestored()
	listed := map[string]map[string]map[string]any{}
	for _, p := range w.phones {
		if p.state != "" || !p.used {
			continue
		}
		for _, h := range hooks.Holdings {
			question := p.user + "/" + h.Collection
			if h.All {
				question = h.Collection // one answer for everybody
			}
			if listed[question] == nil {
				items, err := w.server.listed(p.user, h.Collection)
				w.must(err)
				listed[question] = items
			}
			ids := 0
			for key, held := range p.has {
				collection, id := splitKey(key)
				if collection != h.Collection {
					continue
				}
				ids++
				if !reflect.DeepEqual(map[string]any(held.record), listed[question][id]) {
					w.fail(2, "%s holds %s as\n%v\nthe list API answers\n%v", p.name, key, held.record, listed[question][id])
				}
			}
			if ids != len(listed[question]) {
				w.fail(2, "%s holds %d of %s, the list API answers %d", p.name, ids, h.Collection, len(listed[question]))
			}
		}
	}
}

// compareKept: whatever was sent and is in no record is in a rejection, a conflict or waits, whole.
func (w *simWorld) compareKept() {
	var rejected []struct {
		ID   string `db:"mutation_id"`
		Body string `db:"mutation"`
	}
	w.must(w.server.app.DB().NewQuery(`SELECT mutation_id, mutation FROM sync_rejections`).All(&rejected))
	got := map[string]int{}
	for _, r := range rejected {
		got[r.ID+"\n"+canonicalJSON([]byte(r.Body))]++
	}
	if w.times > 0 {
		for body := range got { // sent again with the clocks of its first exchange it may be kept once more
			got[body] = min(got[body], w.rejections[body])
		}
	}
	if !reflect.DeepEqual(got, w.rejections) {
		w.fail(3, "rejections kept: %v\nshould be: %v", got, w.rejections)
	}
	var conflicts []struct{ Mutation, Field, User, Yours, Theirs string }
	w.must(w.server.app.DB().NewQuery(`SELECT mutation_id AS mutation, field, user, COALESCE(yours, 'null') AS yours, COALESCE(theirs, 'null') AS theirs FROM sync_conflicts`).All(&conflicts))
	for _, c := range conflicts {
		want := w.conflicts[c.Mutation+"/"+c.Field]
		var yours any
		w.parse([]byte(c.Yours), &yours)
		if want == nil || want["user"] != c.User || !reflect.DeepEqual(blank(yours), want["yours"]) {
			w.fail(3, "a conflict in %s of %s is kept as %+v, should be %v", c.Field, c.Mutation, c, want)
		}
		if want["sees"] == false && c.Theirs != "null" && c.Theirs != "" {
			w.fail(4, "the conflict in %s of %s shows %s the server's value %s", c.Field, c.Mutation, c.User, c.Theirs)
		}
	}
	if len(conflicts) != len(w.conflicts) {
		w.fail(3, "%d conflicts are kept, there were %d", len(conflicts), len(w.conflicts))
	}
	var waits []struct{ Mutation, Body string }
	w.must(w.server.app.DB().NewQuery(`SELECT mutation, body FROM sync_deferred ORDER BY position`).All(&waits))
	for i, d := range w.waits {
		if i >= len(waits) || waits[i].Mutation != d.m.ID || canonicalJSON([]byte(waits[i].Body)) != canonicalJSON(d.raw) {
			w.fail(3, "%s waits; kept are %v", d.raw, waits)
		}
	}
	if len(waits) != len(w.waits) {
		w.fail(3, "%d wait, should be %d", len(waits), len(w.waits))
	}
	for _, id := range sortedKeys(w.ledger) {
		l := w.ledger[id]
		var line struct{ Status, Body string }
		if err := w.server.app.DB().NewQuery(`SELECT status, body FROM sync_mutations WHERE id = '` + id + `'`).One(&line); err != nil || Status(line.Status) != l.status {
			w.fail(1, "the ledger says %s of %s, it was %s: %v", line.Status, id, l.status, err)
		}
		if len(l.result.Ignored) > 0 && (l.status == Applied || l.status == Conflict) && l.body != l.user+"\n"+canonicalJSON([]byte(line.Body)) {
			w.fail(9, "%s had fields that were ignored; kept is %q", l.body, line.Body)
		}
	}
}

// comparePictures: every picture taken in is in its record, with its bytes.
func (w *simWorld) comparePictures() {
	for _, p := range w.phones {
		for _, x := range p.pictures {
			if w.rows["photos/"+x.meta.ID] == nil || !p.returns() || x.status != Applied && x.status != Deferred {
				continue
			}
			photo, err := w.server.app.FindRecordById("photos", x.meta.ID)
			w.must(err)
			if photo.GetString("file") == "" {
				if w.photos[x.meta.ID] == Rejected {
					continue
				}
				w.fail(1, "the picture of %s was taken in and is not in its record", photo.Id)
			}
			files, err := w.server.app.NewFilesystem()
			w.must(err)
			if ok, err := files.Exists(photo.BaseFilesPath() + "/" + photo.GetString("file")); err != nil || !ok {
				w.fail(1, "the bytes of %s are not there: %v", photo.Id, err)
			}
			w.must(files.Close())
		}
	}
}

// compareRestored: what phones had been told was applied is there again, with the values of the life before, unless somebody
// wrote something else since.
func (w *simWorld) compareRestored() {
	for _, p := range w.phones {
		if !p.returns() || !p.used {
			continue
		}
		for _, e := range p.kept {
			if w.ledger[e.id] == nil {
				w.fail(1, "%s was told that %s %s is %s, and the server knows nothing of it", p.name, e.collection, e.record, e.state)
			}
		}
	}
	if w.times != 1 {
		return
	}
	for _, key := range sortedKeys(w.lost.writers) {
		record, field := key[:strings.LastIndex(key, "/")], key[strings.LastIndex(key, "/")+1:]
		writer := w.ledger[w.lost.writers[key]]
		was, is := w.lost.rows[record], w.rows[record]
		if writer == nil || writer.status != Applied || was == nil || is == nil {
			continue
		}
		last := w.writers[key]
		then := w.lost.ledger[last]
		if done := then != nil && (then.status == Applied || then.status == Conflict); !done && (!strings.HasPrefix(last, "office") || last > w.lastOffice) {
			continue // somebody wrote something else since, or what was refused then is possible now
		}
		if !reflect.DeepEqual(was[field], is[field]) {
			w.fail(1, "%s was %v before the restore and is %v after everybody sent again", key, was[field], is[field])
		}
	}
}

// deliver lets a late request arrive; nobody hears the answer.
func (w *simWorld) deliver(n int) {
	call, ok := nth(w.late, n)
	if !ok {
		return
	}
	w.late = slices.Delete(w.late, n%len(w.late), n%len(w.late)+1)
	w.serve(call.p, call.path, call.contentType, call.body)
}

// play runs steps and then quiet, and returns what happened how often, and what broke.
func play(dir string, steps []string) (tally map[string]int, err error) {
	w, err := newSimWorld(dir)
	if err != nil {
		return nil, err
	}
	tally = w.tally
	defer func() {
		if x := recover(); x != nil {
			var ok bool
			if err, ok = x.(error); !ok {
				panic(x)
			}
			if _, foreseen := x.(*simBroken); !foreseen && !strings.HasPrefix(err.Error(), "the simulation") {
				panic(x)
			}
			err = fmt.Errorf("after %q: %w", w.done[len(w.done)-1], err)
		}
		_ = w.server.stop()
	}()
	for _, s := range steps {
		w.done = append(w.done, s)
		w.step(s)
	}
	w.done = append(w.done, "quiet")
	w.quiet()
	return tally, nil
}

// step runs one line: a verb and its arguments. Numbers pick among what is there, so that a history with steps left out is one too.
func (w *simWorld) step(line string) {
	words := strings.Fields(line)
	v := simVerbs[words[0]]
	if v == nil {
		panic(fmt.Errorf("the simulation knows no step %q", line))
	}
	a := &simArgs{w, words[1:]}
	v.run(w, a)
}

type simArgs struct {
	w     *simWorld
	words []string
}

func (a *simArgs) word() string {
	if len(a.words) == 0 {
		return "0"
	}
	word := a.words[0]
	a.words = a.words[1:]
	return word
}

func (a *simArgs) int() int {
	n, err := strconv.Atoi(a.word())
	a.w.must(err)
	return n
}

func (a *simArgs) phone() *simPhone {
	name := a.word()
	for _, p := range a.w.phones {
		if p.name == name {
			p.used = true
			return p
		}
	}
	panic(fmt.Errorf("the simulation has no phone %q", name))
}

// how reads what becomes of an exchange: a simFate, with a colon the statement at which the server dies.
func (a *simArgs) how() (simFate, int) {
	name, at, _ := strings.Cut(a.word(), ":")
	n, _ := strconv.Atoi(at)
	return simFate(name), n
}
