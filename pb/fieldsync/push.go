package fieldsync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// job is one write waiting for the writer: a push, or a picture that takes its place.
type job struct {
	run  func(tx core.App) error
	done chan error
	size int
}

// groupSize bounds how many mutations share a commit, so that the console's own writes get their turn between groups.
const groupSize = 2000

// write queues a job and waits until its group is committed. The writer owns the write connection only while a group runs.
func (s *Server) write(size int, run func(tx core.App) error) error {
	j := &job{run: run, done: make(chan error, 1), size: size}
	select {
	case s.jobs <- j:
	case <-s.stopped:
		return errStopped
	}
	select {
	case err := <-j.done:
		return err
	case <-s.stopped:
		// The writer finishes what it has begun before it stops.
		select {
		case err := <-j.done:
			return err
		default:
			return errStopped
		}
	}
}

var errStopped = errors.New("the server is stopping")

func (s *Server) runWriter() {
	defer close(s.stopped)
	for {
		select {
		case <-s.stop:
			return
		case first := <-s.jobs:
			group, size := []*job{first}, first.size
		drain:
			for size < groupSize {
				select {
				case next := <-s.jobs:
					group = append(group, next)
					size += next.size
				default:
					break drain
				}
			}
			s.commit(group)
		}
	}
}

// commit runs a group in one transaction. A job that fails takes only itself back; when the commit itself fails, nobody
// is told "applied": everyone gets the error and sends again.
func (s *Server) commit(group []*job) {
	errs := make([]error, len(group))
	err := s.app.RunInTransaction(func(tx core.App) error {
		if err := tick(tx, s.now()); err != nil {
			return err
		}
		for i, j := range group {
			var fatal error
			errs[i], fatal = atomically(tx, j.run)
			if fatal != nil {
				return fatal
			}
		}
		return nil
	})
	for i, j := range group {
		if err != nil && errs[i] == nil {
			errs[i] = err
		}
		j.done <- errs[i]
	}
}

// atomically runs f inside a savepoint: its own error undoes it and nothing else. fatal means that even undoing failed.
func atomically(tx core.App, f func(tx core.App) error) (failed, fatal error) {
	// Savepoints of one name nest, so a mutation inside a push needs no other name.
	if _, err := tx.DB().NewQuery("SAVEPOINT step").Execute(); err != nil {
		return nil, err
	}
	failed = f(tx)
	if failed != nil {
		if _, err := tx.DB().NewQuery("ROLLBACK TO step").Execute(); err != nil {
			return failed, errors.Join(failed, err)
		}
	}
	_, fatal = tx.DB().NewQuery("RELEASE step").Execute()
	return failed, fatal
}

// push applies one device's mutations in the order sent.
func (s *Server) push(user *core.Record, req *PushRequest) (*PushResponse, error) {
	received := s.now()
	resp := &PushResponse{}
	err := s.write(len(req.Mutations)+1, func(tx core.App) error {
		if err := s.guard.check(tx.DB()); err != nil {
			return err
		}
		device, err := registerDevice(tx, user, DeviceInfo{ID: req.Device})
		if err != nil {
			return err
		}
		if err := mayCall(device, false); err != nil {
			return err
		}
		epoch, err := epochOf(tx.DB())
		if err != nil {
			return err
		}
		if req.Epoch != "" && req.Epoch != epoch {
			refusal := refuse(http.StatusConflict, "epoch_changed")
			refusal.err.With("epoch", epoch)
			return refusal
		}
		skew := skewOf(req.SentAt, received)
		if err := noteContact(tx, req.Device, received, skew, req.Pending, ""); err != nil {
			return err
		}
		a := &applier{tx: tx, user: user, device: req.Device, skew: skew, received: received}
		resp.Epoch, resp.Results = epoch, make([]Result, 0, len(req.Mutations))
		for _, raw := range req.Mutations {
			r, err := a.apply(raw)
			if err != nil {
				return err
			}
			resp.Results = append(resp.Results, r)
		}
		return nil
	})
	resp.ServerTime = hooks.Stored(received)
	return resp, err
}

// applier applies the mutations of one device inside a transaction.
type applier struct {
	tx       core.App
	user     *core.Record
	device   string
	skew     time.Duration
	received time.Time
	// place is the mutation's place among those that wait; 0: it has just come, behind all of them.
	place int64
}

// rejection stops a mutation: it broke a rule, and is kept whole.
type rejection struct{ fields hooks.FieldErrors }

func (r *rejection) Error() string { return r.fields.Error() }

func reject(field, code string) *rejection {
	return &rejection{hooks.FieldErrors{field: {Code: code, Message: hooks.Message(code)}}}
}

// waiting stops a mutation: it names a record that the server does not have yet, or follows one that waits.
type waiting struct{ record string }

func (w *waiting) Error() string { return "waits for " + w.record }

// ledger is what is remembered of a mutation.
type ledger struct {
	Device string `db:"device"`
	Hash   []byte `db:"hash"`
	Status Status `db:"status"`
	Result string `db:"result"`
}

// apply settles one mutation: exactly one result, remembered in the same transaction as what it did.
func (a *applier) apply(raw json.RawMessage) (Result, error) {
	body := map[string]any{}
	var m Mutation
	if err := json.Unmarshal(raw, &body); err != nil || json.Unmarshal(raw, &m) != nil || m.ID == "" || len(m.ID) > 64 {
		id, _ := body["id"].(string)
		return a.refuseUnknown(clip(id, 64), raw)
	}
	hash := a.hash(body)
	known, err := a.known(m.ID)
	if err != nil {
		return Result{}, err
	}
	if known != nil {
		if !bytes.Equal(known.Hash, hash) {
			return a.refuseReuse(m, raw)
		}
		var r Result
		if err := json.Unmarshal([]byte(known.Result), &r); err != nil {
			return Result{}, err
		}
		r.Duplicate = true
		return r, nil
	}
	r, err := a.settle(m, raw)
	if err != nil {
		return r, err
	}
	if err := a.remember(m, hash, r, raw); err != nil {
		return r, err
	}
	if r.Status == Applied && m.Op == "create" {
		err = a.release(m.Record)
	}
	return r, err
}

// hash identifies a mutation by its sender and its parsed JSON; the clocks of an exchange are not part of it.
func (a *applier) hash(body map[string]any) []byte {
	compared := map[string]any{}
	for k, v := range body {
		if k != "applied_seq" && k != "sent_at" && k != "server_time" {
			compared[k] = v
		}
	}
	canonical, _ := json.Marshal(compared) // maps marshal with sorted keys
	sum := sha256.Sum256(append([]byte(a.user.Id+"\n"), canonical...))
	return sum[:]
}

func (a *applier) known(id string) (*ledger, error) {
	var l ledger
	err := a.tx.DB().NewQuery(`SELECT device, hash, status, result FROM sync_mutations WHERE id = {:id}`).Bind(dbx.Params{"id": id}).One(&l)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &l, err
}

// keptBody is what must be remembered of a mutation whole: one with fields that were ignored, so that none is lost.
func keptBody(r Result, body string) string {
	if len(r.Ignored) > 0 {
		return body
	}
	return ""
}

func (a *applier) remember(m Mutation, hash []byte, r Result, body json.RawMessage) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = a.tx.DB().NewQuery(`INSERT INTO sync_mutations (id, device, hash, record, status, seq, result, body, received_at)
		VALUES ({:id}, {:device}, {:hash}, {:record}, {:status}, {:seq}, {:result}, {:body}, {:at})`).
		Bind(dbx.Params{"id": m.ID, "device": a.device, "hash": hash, "record": m.Record, "status": r.Status, "seq": r.Seq,
			"result": string(raw), "body": keptBody(r, string(body)), "at": hooks.Stored(a.received)}).Execute()
	return err
}

// settle decides and does what becomes of a mutation never seen before.
func (a *applier) settle(m Mutation, raw json.RawMessage) (Result, error) {
	result := Result{ID: m.ID}
	err, fatal := atomically(a.tx, func(core.App) error { return a.try(m, &result) })
	if fatal != nil {
		return result, fatal
	}
	var rej *rejection
	var wait *waiting
	switch {
	case err == nil:
		if result.Status == Conflict {
			err = a.keepConflicts(m, result.Conflicts)
		}
	case errors.As(err, &wait):
		result = Result{ID: m.ID, Status: Deferred}
		err = a.keepDeferred(m, raw, wait.record)
	case errors.As(err, &rej):
		result = Result{ID: m.ID, Status: Rejected, Errors: rej.fields, Ignored: result.Ignored}
		err = a.keepRejected(m, raw, rej.fields)
	default:
		fields, ok := hooks.FieldErrorsOf(err)
		if !ok {
			return result, err // not the mutation's fault: nothing is known, the device sends the same again
		}
		result = Result{ID: m.ID, Status: Rejected, Errors: fields, Ignored: result.Ignored}
		err = a.keepRejected(m, raw, fields)
	}
	if err != nil {
		return result, err
	}
	if m.Replaces != "" && result.Status != Deferred {
		err = a.markReplaced(m)
	}
	return result, err
}

// try applies a mutation or says with an error why not.
func (a *applier) try(m Mutation, result *Result) error {
	form := hooks.Forms[m.Collection]
	if form == nil || (m.Op != "create" && m.Op != "update") {
		return reject("_", "bad_mutation")
	}
	if m.Op == "create" && (!hooks.IsDeviceID(m.Record) || m.Data == nil) || m.Op == "update" && (m.Record == "" || m.Changes == nil) {
		return reject("_", "bad_mutation")
	}
	captured, err := hooks.ParseTime(m.CapturedAt)
	if err != nil {
		return reject("captured_at", "bad_mutation")
	}
	if m.Replaces != "" {
		if err := a.mayReplace(m.Replaces); err != nil {
			return err
		}
	}
	// The device's clock is set right by its skew; nothing is captured later than received.
	captured = captured.Add(-a.skew)
	if captured.After(a.received) {
		captured = a.received
	}
	collection, err := a.tx.FindCachedCollectionByNameOrId(m.Collection)
	if err != nil {
		return err
	}
	existing, err := a.tx.FindRecordById(collection, m.Record)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if existing == nil {
		gone, err := a.gone(m.Collection, m.Record)
		if err != nil {
			return err
		}
		if gone {
			return reject("_", "record_gone")
		}
	}
	if m.Op == "create" {
		return a.create(m, form, collection, existing, captured, result)
	}
	return a.update(m, form, collection, existing, captured, result)
}

func (a *applier) create(m Mutation, form *hooks.Form, collection *core.Collection, existing *core.Record, captured time.Time, result *Result) error {
	role := a.user.GetString("role")
	values := map[string]any{}
	for _, name := range sortedKeys(m.Data) {
		if f := form.Field(name); f == nil || !f.MayWrite(role, true) {
			if name != "id" {
				result.Ignored = append(result.Ignored, name)
			}
			continue
		}
		values[name] = m.Data[name]
	}
	if err := checkTypes(collection, values); err != nil {
		return err
	}
	if existing != nil {
		for name, v := range values {
			if !same(plain(existing.Get(name)), canonical(collection, name, v)) {
				return reject("_", "record_exists")
			}
		}
		if ok, err := a.shares(existing, captured); err != nil {
			return err
		} else if !ok {
			return reject("_", "record_exists")
		}
		result.Status = Applied
		return a.stamp(result, existing)
	}
	if !slices.Contains(form.Writers, role) {
		return reject("_", "role_not_allowed")
	}
	if err := a.awaitReferences(collection, values, m.Record); err != nil {
		return err
	}
	r := core.NewRecord(collection)
	r.Set("id", m.Record)
	for name, v := range values {
		r.Set(name, v)
	}
	a.stampCapture(r, m, captured)
	for _, f := range form.Fields {
		if f.Required && f.MayWrite(role, true) && isZero(r, f.Name) {
			return reject(f.Name, "required")
		}
	}
	if ok, err := a.sharesNew(r, captured); err != nil {
		return err
	} else if !ok {
		return reject("_", "out_of_scope")
	}
	if err := a.tx.SaveWithContext(a.context(), r); err != nil {
		return err
	}
	if err := a.placeWaitingPictures(m.Record); err != nil {
		return err
	}
	result.Status = Applied
	return a.stamp(result, r)
}

func (a *applier) update(m Mutation, form *hooks.Form, collection *core.Collection, existing *core.Record, captured time.Time, result *Result) error {
	if existing == nil {
		return &waiting{m.Record}
	}
	if behind, err := a.waitsBehind(m); err != nil {
		return err
	} else if behind {
		return &waiting{m.Record}
	}
	if ok, err := a.shares(existing, captured); err != nil {
		return err
	} else if !ok {
		return reject("_", "out_of_scope")
	}
	role := a.user.GetString("role")
	hidden := hooks.HiddenFrom(role, m.Collection)
	froms, tos := map[string]any{}, map[string]any{}
	for _, name := range sortedKeys(m.Changes) {
		f := form.Field(name)
		if f == nil || !f.MayWrite(role, false) {
			result.Ignored = append(result.Ignored, name)
			continue
		}
		froms[name], tos[name] = m.Changes[name].From, m.Changes[name].To
	}
	if err := checkTypes(collection, tos); err != nil {
		return err
	}
	if err := a.awaitReferences(collection, tos, m.Record); err != nil {
		return err
	}
	changes, server := map[string]Change{}, map[string]any{}
	for name := range tos {
		changes[name] = Change{From: canonical(collection, name, froms[name]), To: canonical(collection, name, tos[name])}
		server[name] = plain(existing.Get(name))
	}
	set, conflicts := merge(changes, server)
	if len(set) > 0 {
		for name, v := range set {
			existing.Set(name, v)
			if form.Field(name).Required && isZero(existing, name) {
				return reject(name, "required")
			}
		}
		if err := a.tx.SaveWithContext(a.context(), existing); err != nil {
			return err
		}
	}
	result.Status = Applied
	if len(conflicts) > 0 {
		result.Status, result.Conflicts = Conflict, map[string]FieldConflict{}
		for name, c := range conflicts {
			if slices.Contains(hidden, name) {
				c.Theirs = nil
			}
			result.Conflicts[name] = c
		}
	}
	return a.stamp(result, existing)
}

func (a *applier) context() context.Context { return hooks.WithActor(context.Background(), a.user) }

func checkTypes(collection *core.Collection, values map[string]any) error {
	wrong := hooks.FieldErrors{}
	for name, v := range values {
		field := collection.Fields.GetByName(name)
		if err := typed(field, v); err != nil {
			wrong[name] = hooks.FieldError{Code: "wrong_type", Message: hooks.Message("wrong_type")}
		}
	}
	if len(wrong) > 0 {
		return &rejection{wrong}
	}
	return nil
}

func isZero(r *core.Record, field string) bool {
	v := plain(r.Get(field))
	return v == nil || v == "" || v == float64(0)
}

// stampCapture notes both clocks and the device on collections that are captured.
func (a *applier) stampCapture(r *core.Record, m Mutation, captured time.Time) {
	if r.Collection().Fields.GetByName("captured_at") == nil {
		return
	}
	r.Set("captured_at", captured)
	r.Set("synced_at", a.received)
	r.Set("device", a.device)
	r.Set("skew", int(a.skew.Round(time.Second)/time.Second))
	if t, err := time.Parse(time.RFC3339Nano, m.CapturedAt); err == nil {
		_, offset := t.Zone()
		r.Set("captured_offset", offset/60)
	}
}

// stamp tells the device where its write stands in the feed.
func (a *applier) stamp(result *Result, r *core.Record) error {
	var at struct {
		Seq int64 `db:"seq"`
		Rev int64 `db:"rev"`
	}
	err := a.tx.DB().NewQuery(`SELECT (SELECT COALESCE(max(seq), 0) FROM sync_feed) AS seq, (SELECT COALESCE(max(rev), 0) FROM sync_feed WHERE record = {:id} AND collection = {:collection}) AS rev`).
		Bind(dbx.Params{"id": r.Id, "collection": r.Collection().Name}).One(&at)
	result.Seq, result.Record = at.Seq, &RecordRev{ID: r.Id, Rev: at.Rev}
	return err
}

// gone tells whether the server once had the record and has it no more.
func (a *applier) gone(collection, id string) (bool, error) {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_feed WHERE record = {:id} AND collection = {:collection})`).
		Bind(dbx.Params{"id": id, "collection": collection}).Row(&n)
	return n != 0, err
}

// awaitReferences finds the first named record that the server does not have.
func (a *applier) awaitReferences(collection *core.Collection, values map[string]any, self string) error {
	type ref struct{ field, collection, id string }
	var refs []ref
	for _, name := range sortedKeys(values) {
		field := collection.Fields.GetByName(name)
		for _, id := range referenced(field, values[name]) {
			target, err := a.tx.FindCachedCollectionByNameOrId(field.(*core.RelationField).CollectionId)
			if err != nil {
				return err
			}
			refs = append(refs, ref{name, target.Name, id})
		}
	}
	if collection.Name == "photos" {
		owner, _ := values["collection"].(string)
		if hooks.Forms[owner] == nil || owner == "photos" {
			return reject("collection", "not_in_list")
		}
		id, _ := values["record"].(string)
		refs = append(refs, ref{"record", owner, id})
	}
	for _, r := range refs {
		if r.id == "" || r.id == self {
			continue
		}
		var n int
		if err := a.tx.DB().NewQuery("SELECT EXISTS (SELECT 1 FROM " + r.collection + " WHERE id = {:id})").Bind(dbx.Params{"id": r.id}).Row(&n); err != nil {
			return err
		}
		if n == 1 {
			continue
		}
		gone, err := a.gone(r.collection, r.id)
		if err != nil {
			return err
		}
		if gone {
			return reject(r.field, "parent_missing")
		}
		return &waiting{r.id}
	}
	return nil
}

// waitsBehind tells whether an earlier mutation on the record still waits: they keep their order.
func (a *applier) waitsBehind(m Mutation) (bool, error) {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_deferred WHERE record = {:record} AND mutation != {:id} AND ({:place} = 0 OR position < {:place}))`).
		Bind(dbx.Params{"record": m.Record, "id": m.ID, "place": a.place}).Row(&n)
	return n != 0, err
}

// graceAfterScope is how long after a scope ended what was captured in it may still arrive.
const graceAfterScope = 30 * 24 * time.Hour

// shares tells whether user and record are in one scope now, or were at the time of capture.
func (a *applier) shares(r *core.Record, captured time.Time) (bool, error) {
	if overlaps(hooks.UserScopes(a.user), hooks.RecordScopes(r)) {
		return true, nil
	}
	return a.sharedAt(r, captured)
}

// sharesNew is shares for a record not saved yet: its scopes are worked out first.
func (a *applier) sharesNew(r *core.Record, captured time.Time) (bool, error) {
	if err := hooks.SetScopes(a.tx, r); err != nil {
		return false, err
	}
	if ok, err := a.shares(r, captured); ok || err != nil {
		return ok, err
	}
	// Somebody without a grid who comes to the counter belongs to the harbour that takes the demand.
	return r.Collection().Name == "demands" && r.GetString("enterprise") == "" && r.GetString("grid") == "" &&
		len(hooks.PostScopes(a.user.GetString("role"), a.user.GetString("harbour"), "")) > 0, nil
}

func overlaps(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// sharedAt compares the user's scopes with the record's at a past time, if that scope ended at most 30 days ago.
func (a *applier) sharedAt(r *core.Record, at time.Time) (bool, error) {
	t, end := hooks.Stored(at), hooks.Stored(a.received.Add(-graceAfterScope))
	var mine []string
	if err := a.tx.DB().NewQuery(`SELECT 'g:' || grid FROM assignments WHERE user = {:user} AND "from" <= {:t} AND (until = '' OR (until > {:t} AND until >= {:end}))
		UNION SELECT 'g:' || value FROM scope_history WHERE collection = 'users' AND record = {:user} AND field = 'grid' AND since <= {:t} AND until > {:t} AND until >= {:end}`).
		Bind(dbx.Params{"user": a.user.Id, "t": t, "end": end}).Column(&mine); err != nil {
		return false, err
	}
	past := func(collection, record, field, present string) (string, error) {
		var values []string
		err := a.tx.DB().NewQuery(`SELECT value FROM scope_history WHERE collection = {:c} AND record = {:r} AND field = {:f} AND since <= {:t} AND until > {:t} AND until >= {:end} ORDER BY until LIMIT 1`).
			Bind(dbx.Params{"c": collection, "r": record, "f": field, "t": t, "end": end}).Column(&values)
		if err != nil || len(values) == 0 {
			return present, err
		}
		return values[0], nil
	}
	post := map[string]string{}
	for _, f := range []string{"role", "harbour", "bank"} {
		v, err := past("users", a.user.Id, f, a.user.GetString(f))
		if err != nil {
			return false, err
		}
		post[f] = v
	}
	mine = append(mine, hooks.PostScopes(post["role"], post["harbour"], post["bank"])...)

	// Where the record's enterprise was then, not where it is now; a row without enterprise stays where it is.
	theirs := hooks.RecordScopes(r)
	enterprise, err := a.enterpriseOf(r)
	if err != nil {
		return false, err
	}
	if enterprise != nil {
		theirs = slices.DeleteFunc(theirs, func(s string) bool {
			return strings.HasPrefix(s, hooks.GridScope) || strings.HasPrefix(s, hooks.HarbourScope)
		})
		grid, err := past("enterprises", enterprise.Id, "grid", enterprise.GetString("grid"))
		if err != nil {
			return false, err
		}
		if grid != "" {
			theirs = append(theirs, hooks.GridScope+grid)
			var harbour string
			if err := a.tx.DB().NewQuery(`SELECT harbour FROM grids WHERE id = {:id}`).Bind(dbx.Params{"id": grid}).Row(&harbour); err == nil && harbour != "" {
				if harbour, err = past("grids", grid, "harbour", harbour); err != nil {
					return false, err
				}
				theirs = append(theirs, hooks.HarbourScope+harbour)
			}
		}
	}
	return overlaps(mine, theirs), nil
}

// enterpriseOf follows a record to the enterprise it is about; nil when there is none.
func (a *applier) enterpriseOf(r *core.Record) (*core.Record, error) {
	parent := func(collection, id string) (*core.Record, error) {
		if id == "" {
			return nil, nil
		}
		p, err := a.tx.FindRecordById(collection, id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return a.enterpriseOf(p)
	}
	switch r.Collection().Name {
	case "enterprises":
		return r, nil
	case "visits", "demands":
		return parent("enterprises", r.GetString("enterprise"))
	case "demand_matches", "demand_events":
		return parent("demands", r.GetString("demand"))
	case "photos":
		return parent(r.GetString("collection"), r.GetString("record"))
	}
	return nil, nil
}

// release applies what waited for a record that has just come, in the order it was received.
func (a *applier) release(record string) error {
	queue := []string{record}
	for len(queue) > 0 {
		var rows []struct {
			Position int64  `db:"position"`
			Mutation string `db:"mutation"`
			User     string `db:"user"`
			Device   string `db:"device"`
			Body     string `db:"body"`
			Skew     int64  `db:"skew_ms"`
			Received string `db:"received_at"`
		}
		if err := a.tx.DB().NewQuery(`SELECT position, mutation, user, device, body, skew_ms, received_at FROM sync_deferred WHERE waits_for = {:id} ORDER BY position`).
			Bind(dbx.Params{"id": queue[0]}).All(&rows); err != nil {
			return err
		}
		queue = queue[1:]
		for _, row := range rows {
			user, err := a.tx.FindRecordById("users", row.User)
			if err != nil {
				return err
			}
			received, err := hooks.ParseTime(row.Received)
			if err != nil {
				return err
			}
			var m Mutation
			if err := json.Unmarshal([]byte(row.Body), &m); err != nil {
				return err
			}
			its := &applier{tx: a.tx, user: user, device: row.Device, skew: time.Duration(row.Skew) * time.Millisecond, received: received, place: row.Position}
			result, err := its.settle(m, json.RawMessage(row.Body))
			if err != nil {
				return err
			}
			if result.Status == Deferred {
				continue // now for another record, in its old place
			}
			if _, err := a.tx.DB().NewQuery(`DELETE FROM sync_deferred WHERE position = {:p}`).Bind(dbx.Params{"p": row.Position}).Execute(); err != nil {
				return err
			}
			raw, err := json.Marshal(result)
			if err != nil {
				return err
			}
			if _, err := a.tx.DB().NewQuery(`UPDATE sync_mutations SET status = {:status}, seq = {:seq}, result = {:result}, body = {:body} WHERE id = {:id}`).
				Bind(dbx.Params{"status": result.Status, "seq": result.Seq, "result": string(raw), "body": keptBody(result, row.Body), "id": m.ID}).Execute(); err != nil {
				return err
			}
			queue = append(queue, m.Record) // what waited behind it goes on
		}
	}
	return nil
}

func (a *applier) keepDeferred(m Mutation, raw json.RawMessage, waitsFor string) error {
	_, err := a.tx.DB().NewQuery(`INSERT INTO sync_deferred (mutation, user, device, record, waits_for, body, skew_ms, received_at)
		VALUES ({:mutation}, {:user}, {:device}, {:record}, {:waits}, {:body}, {:skew}, {:at})
		ON CONFLICT (mutation) DO UPDATE SET waits_for = excluded.waits_for`).
		Bind(dbx.Params{"mutation": m.ID, "user": a.user.Id, "device": a.device, "record": m.Record, "waits": waitsFor, "body": string(raw),
			"skew": a.skew.Milliseconds(), "at": hooks.Stored(a.received)}).Execute()
	return err
}

func (a *applier) keepRejected(m Mutation, raw json.RawMessage, fields hooks.FieldErrors) error {
	collection, err := a.tx.FindCachedCollectionByNameOrId("sync_rejections")
	if err != nil {
		return err
	}
	r := core.NewRecord(collection)
	a.head(r, m)
	reason := "invalid"
	for _, name := range sortedKeys(fields) {
		reason = fields[name].Code
	}
	r.Set("reason", reason)
	r.Set("errors", fields)
	r.Set("mutation", types.JSONRaw(validJSON(raw)))
	r.Set("status", "open")
	return a.tx.Save(r)
}

// validJSON keeps what cannot be parsed as a JSON string, so that even that is not lost.
func validJSON(raw []byte) []byte {
	if json.Valid(raw) {
		return raw
	}
	quoted, _ := json.Marshal(string(raw))
	return quoted
}

func (a *applier) keepConflicts(m Mutation, conflicts map[string]FieldConflict) error {
	collection, err := a.tx.FindCachedCollectionByNameOrId("sync_conflicts")
	if err != nil {
		return err
	}
	for _, field := range sortedKeys(conflicts) {
		r := core.NewRecord(collection)
		a.head(r, m)
		r.Set("field", field)
		r.Set("yours", jsonOf(conflicts[field].Yours))
		r.Set("theirs", jsonOf(conflicts[field].Theirs))
		r.Set("status", "open")
		if err := a.tx.Save(r); err != nil {
			return err
		}
	}
	return nil
}

func jsonOf(v any) types.JSONRaw {
	raw, _ := json.Marshal(v)
	return raw
}

func (a *applier) head(r *core.Record, m Mutation) {
	r.Set("user", a.user.Id)
	r.Set("scope_user", a.user.Id)
	r.Set("device", a.device)
	r.Set("mutation_id", clip(m.ID, 32))
	r.Set("collection", clip(m.Collection, 60))
	r.Set("record", clip(m.Record, 60))
	r.Set("received_at", a.received)
}

// refuseUnknown keeps what cannot even be read as a mutation.
func (a *applier) refuseUnknown(id string, raw json.RawMessage) (Result, error) {
	fields := reject("_", "bad_mutation").fields
	if err := a.keepOnce(Mutation{ID: id}, raw, fields); err != nil {
		return Result{}, err
	}
	return Result{ID: id, Status: Rejected, Errors: fields}, nil
}

// refuseReuse answers an id that was used for something else; the second body is stored apart, the first stands.
func (a *applier) refuseReuse(m Mutation, raw json.RawMessage) (Result, error) {
	fields := reject("_", "mutation_reused").fields
	if err := a.keepOnce(m, raw, fields); err != nil {
		return Result{}, err
	}
	return Result{ID: m.ID, Status: Rejected, Errors: fields}, nil
}

// keepOnce stores a refused body that has no place in the ledger, however often it is sent.
func (a *applier) keepOnce(m Mutation, raw json.RawMessage, fields hooks.FieldErrors) error {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_rejections WHERE mutation_id = {:id} AND user = {:user} AND mutation = {:body})`).
		Bind(dbx.Params{"id": clip(m.ID, 32), "user": a.user.Id, "body": string(validJSON(raw))}).Row(&n)
	if err != nil || n != 0 {
		return err
	}
	return a.keepRejected(m, raw, fields)
}

// replaceable finds the mutation that a mended one stands for; nil when the server never had it from this user.
func (a *applier) replaceable(id string) (*ledger, error) {
	old, err := a.known(id)
	if err != nil || old == nil {
		return nil, err
	}
	var n int
	err = a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM devices WHERE id = {:device} AND user = {:user})`).
		Bind(dbx.Params{"device": old.Device, "user": a.user.Id}).Row(&n)
	if err != nil || n == 0 {
		return nil, err
	}
	return old, nil
}

// mayReplace allows a mended mutation only for one that is still unsettled.
func (a *applier) mayReplace(id string) error {
	old, err := a.replaceable(id)
	if err != nil || old == nil {
		return err
	}
	if old.Status == Applied || old.Status == Conflict {
		return reject("_", "already_settled")
	}
	return nil
}

// markReplaced closes the mutation that a mended one stands for.
func (a *applier) markReplaced(m Mutation) error {
	old, err := a.replaceable(m.Replaces)
	if err != nil || old == nil || old.Status == Applied || old.Status == Conflict {
		return err
	}
	if old.Status == Deferred {
		closed, err := json.Marshal(Result{ID: m.Replaces, Status: Rejected, Errors: reject("_", "replaced").fields})
		if err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM sync_deferred WHERE mutation = {:id}`,
			`UPDATE sync_mutations SET status = 'rejected', result = {:result} WHERE id = {:id}`} {
			if _, err := a.tx.DB().NewQuery(q).Bind(dbx.Params{"id": m.Replaces, "result": string(closed)}).Execute(); err != nil {
				return err
			}
		}
	}
	open, err := a.tx.FindAllRecords("sync_rejections", dbx.HashExp{"mutation_id": m.Replaces, "user": a.user.Id, "status": "open"})
	if err != nil {
		return err
	}
	for _, r := range open {
		r.Set("status", "replaced")
		r.Set("replaced_by", m.ID)
		if err := a.tx.Save(r); err != nil {
			return err
		}
	}
	return nil
}

// parsePush reads a body that is a push at all; anything less is a 400 and nothing is read further.
func parsePush(raw []byte) (*PushRequest, error) {
	var req PushRequest
	if err := json.Unmarshal(raw, &req); err != nil {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("detail", clip(strings.TrimPrefix(err.Error(), "json: "), 200))
		return nil, e
	}
	if req.Protocol != Protocol {
		e := refuse(http.StatusConflict, "protocol_unsupported")
		e.err.With("protocol", Protocol)
		return nil, e
	}
	if req.Mutations == nil {
		e := refuse(http.StatusBadRequest, "bad_request")
		e.err.With("field", "mutations")
		return nil, e
	}
	if len(req.Mutations) > MaxMutations {
		e := refuse(http.StatusRequestEntityTooLarge, "too_large")
		e.err.With("max", MaxMutations)
		return nil, e
	}
	return &req, nil
}
