package fieldsync

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// applier applies the mutations of one device inside a transaction.
type applier struct {
	root     core.App // outside the transaction
	tx       core.App
	user     *core.Record
	device   string
	skew     time.Duration
	received time.Time
	// place is the mutation's place among those that wait; 0: it has just come, behind all of them.
	place int64
	// anyScope: an administrator waived the scope of this write; the other rules hold.
	anyScope bool
	// resends: what was applied before a restore may come again, with the clocks and the seq it had then.
	resends bool
	// fresh are the records that came into being the quick way.
	fresh []*core.Record
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
			err = a.keepConflicts(m, &result)
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
	if m.Replaces != "" && m.Replaces != m.ID {
		result.passed, err = a.markReplaced(m)
	}
	return result, err
}

// try applies a mutation or says with an error why not.
func (a *applier) try(m Mutation, result *Result) error {
	form := hooks.Forms[m.Collection]
	if form == nil || !sensible(m) {
		return reject("_", "bad_mutation")
	}
	a = a.asOf(m)
	captured, err := hooks.ParseTime(m.CapturedAt)
	if err != nil {
		return reject("captured_at", "bad_mutation")
	}
	if m.Replaces != "" {
		if err := a.mayReplace(m); err != nil {
			return err
		}
	}
	captured = a.corrected(captured)
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
			if done, err := a.settledByDelete(m); err != nil || done {
				result.Status = Applied
				return errors.Join(err, a.stamp(result, m.Collection, m.Record))
			}
			return reject("_", "record_gone")
		}
	} else if result.prev, err = a.revOf(m.Collection, m.Record); err != nil {
		return err
	}
	switch m.Op {
	case "create":
		return a.create(m, form, collection, existing, captured, result)
	case "update":
		return a.update(m, form, collection, existing, captured, result)
	}
	return a.delete(m, form, existing, captured, result)
}

// sensible tells whether a mutation has what its op needs.
func sensible(m Mutation) bool {
	if m.Replaces == m.ID { // no mutation has an empty id
		return false
	}
	switch m.Op {
	case "create":
		return hooks.IsDeviceID(m.Record) && m.Data != nil
	case "update":
		return m.Record != "" && m.Changes != nil
	case "delete":
		return m.Record != "" && m.Rev >= 0
	}
	return false
}

// corrected sets a time of the device's clock right by its skew; nothing is captured later than received.
func (a *applier) corrected(captured time.Time) time.Time {
	captured = captured.Add(-a.skew)
	if captured.After(a.received) {
		return a.received
	}
	return captured
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
	told := maps.Clone(values)
	hops, err := a.followMerged(collection, values)
	if err != nil {
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
		return a.stamp(result, m.Collection, m.Record)
	}
	if !slices.Contains(form.Writers, role) {
		return reject("_", "role_not_allowed")
	}
	if err := a.awaitReferences(collection, values, m.Record); err != nil {
		return err
	}
	record := func(values map[string]any) *core.Record {
		r := core.NewRecord(collection)
		r.Set("id", m.Record)
		for name, v := range values {
			r.Set(name, v)
		}
		a.stampCapture(r, m, captured)
		form.Prefill(r, a.user)
		return r
	}
	r := record(values)
	for _, f := range form.Fields {
		if f.Required && f.MayWrite(role, true) && isZero(r, f.Name) {
			return reject(f.Name, "required")
		}
	}
	ok, err := a.sharesNew(r, captured)
	if err == nil && !ok && len(hops) > 0 {
		// The enterprise visited may live on in one of another grid: where the visitor stood counts.
		ok, err = a.sharesNew(record(told), captured)
	}
	if err != nil {
		return err
	}
	if !ok {
		return reject("_", "out_of_scope")
	}
	if err := a.tx.SaveWithContext(a.context(), r); err != nil {
		return err
	}
	if err := a.noteHops(m.Collection, m.Record, hops); err != nil {
		return err
	}
	if err := a.placeWaitingPictures(m.Record); err != nil {
		return err
	}
	result.Status = Applied
	return a.stamp(result, m.Collection, m.Record)
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
	if _, err := a.followMerged(collection, froms); err != nil {
		return err
	}
	hops, err := a.followMerged(collection, tos)
	if err != nil {
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
	for name, c := range conflicts {
		if len(jsonOf(c.Yours)) > maxKeptValue { // longer than any field: it would be refused if it were set
			return reject(name, "too_long")
		}
	}
	if m.AppliedSeq > 0 {
		if err := a.settleBySeq(m, conflicts, set); err != nil {
			return err
		}
	}
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
		hops = slices.DeleteFunc(hops, func(h hop) bool { _, taken := set[h.field]; return !taken })
		if err := a.noteHops(m.Collection, m.Record, hops); err != nil {
			return err
		}
	}
	if err := a.noteRewritten(m, changes, conflicts); err != nil {
		return err
	}
	result.Status = Applied
	if len(conflicts) > 0 {
		result.Status, result.Conflicts = Conflict, conflicts
	}
	return a.stamp(result, m.Collection, m.Record)
}

// delete removes a record of the user's own that nothing refers to and nobody else has touched since the device saw it.
func (a *applier) delete(m Mutation, form *hooks.Form, existing *core.Record, captured time.Time, result *Result) error {
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
	if !slices.Contains(form.Writers, a.user.GetString("role")) {
		return reject("_", "role_not_allowed")
	}
	if own, err := a.isDeviceOfUser(existing.GetString("device")); err != nil {
		return err
	} else if !own {
		return reject("_", "not_own_record")
	}
	if referenced, err := a.isReferenced(existing); err != nil {
		return err
	} else if referenced {
		return reject("_", "record_referenced")
	}
	untouched, lost, err := a.mayTakeBack(m)
	if err != nil {
		return err
	}
	result.Status = Applied
	switch {
	case lost: // what came later in the life before stands
	case !untouched:
		present := any(plain(existing.PublicExport()))
		result.Status, result.Conflicts = Conflict, map[string]FieldConflict{"_": {Yours: nil, Theirs: &present}}
	default:
		if err := a.tx.DeleteWithContext(a.context(), existing); err != nil {
			return err
		}
		if err := a.noteDeleted(m); err != nil {
			return err
		}
	}
	return a.stamp(result, m.Collection, m.Record)
}

// isReferenced tells whether any record names this one, by a relation or as the owner of a photo.
func (a *applier) isReferenced(r *core.Record) (bool, error) {
	references, err := a.tx.FindCachedCollectionReferences(r.Collection())
	if err != nil {
		return false, err
	}
	var n int
	for collection, fields := range references {
		if collection.IsView() {
			continue
		}
		for _, f := range fields {
			test := "[[" + f.GetName() + "]] = {:id}"
			if f.(*core.RelationField).IsMultiple() {
				test = "EXISTS (SELECT 1 FROM json_each([[" + f.GetName() + "]]) WHERE value = {:id})"
			}
			if err := a.tx.DB().NewQuery("SELECT EXISTS (SELECT 1 FROM {{" + collection.Name + "}} WHERE " + test + ")").Bind(dbx.Params{"id": r.Id}).Row(&n); err != nil || n == 1 {
				return n == 1, err
			}
		}
	}
	err = a.tx.DB().NewQuery("SELECT EXISTS (SELECT 1 FROM photos WHERE record = {:id} AND collection = {:collection})").
		Bind(dbx.Params{"id": r.Id, "collection": r.Collection().Name}).Row(&n)
	return n == 1, err
}

func (a *applier) isDeviceOfUser(device string) (bool, error) {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM devices WHERE id = {:device} AND user = {:user})`).
		Bind(dbx.Params{"device": device, "user": a.user.Id}).Row(&n)
	return n == 1, err
}

// touchedByOthers tells whether anyone but this device changed the record after the revision that the device had seen. The
// device's own changes since form a chain from that revision to the present one; a gap in it is somebody else's change.
func (a *applier) touchedByOthers(m Mutation) (bool, error) {
	present, err := a.revOf(m.Collection, m.Record)
	if err != nil {
		return false, err
	}
	var own []struct {
		Prev int64 `db:"prev_rev"`
		Rev  int64 `db:"rev"`
	}
	if err := a.tx.DB().NewQuery(`SELECT prev_rev, rev FROM sync_mutations WHERE record = {:record} AND device = {:device} AND rev > {:seen}
		UNION SELECT prev_rev, rev FROM sync_attachments WHERE (id = {:record} OR record = {:record}) AND device = {:device} AND rev > {:seen} ORDER BY rev`).
		Bind(dbx.Params{"record": m.Record, "device": a.device, "seen": m.Rev}).All(&own); err != nil {
		return false, err
	}
	at := m.Rev
	for _, change := range own {
		if change.Prev == at {
			at = change.Rev
		}
	}
	return at != present, nil
}

func (a *applier) revOf(collection, record string) (int64, error) {
	var rev int64
	err := a.tx.DB().NewQuery(`SELECT COALESCE(max(rev), 0) FROM sync_feed WHERE record = {:id} AND collection = {:collection}`).
		Bind(dbx.Params{"id": record, "collection": collection}).Row(&rev)
	return rev, err
}

func (a *applier) context() context.Context {
	return context.WithValue(hooks.WithActor(context.Background(), a.user), ofDevice{}, true)
}

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
	switch v := r.GetRaw(field).(type) {
	case string:
		return v == ""
	case types.DateTime:
		return v.IsZero()
	case float64:
		return v == 0
	}
	v := plain(r.Get(field))
	return v == nil || v == "" || v == float64(0)
}

// stampCapture notes both clocks and the device on collections that are captured.
func (a *applier) stampCapture(r *core.Record, m Mutation, captured time.Time) {
	if r.Collection().Fields.GetByName("captured_at") == nil {
		return
	}
	at, _ := types.ParseDateTime(captured)
	received, _ := types.ParseDateTime(a.received)
	r.SetRaw("captured_at", at)
	r.SetRaw("synced_at", received)
	r.SetRaw("device", a.device)
	r.SetRaw("skew", math.Round(a.skew.Seconds()))
	if t, err := time.Parse(time.RFC3339Nano, m.CapturedAt); err == nil {
		_, offset := t.Zone()
		r.SetRaw("captured_offset", float64(offset/60))
	}
}

// stamp tells the device where its write stands in the feed.
func (a *applier) stamp(result *Result, collection, record string) (err error) {
	result.Record = &RecordRev{ID: record}
	if result.Record.Rev, err = a.revOf(collection, record); err != nil {
		return err
	}
	return a.tx.DB().NewQuery(`SELECT COALESCE(max(seq), 0) FROM sync_feed`).Row(&result.Seq)
}

// gone tells whether the server once had the record and has it no more.
func (a *applier) gone(collection, id string) (bool, error) {
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_feed WHERE record = {:id} AND collection = {:collection})`).
		Bind(dbx.Params{"id": id, "collection": collection}).Row(&n)
	return n != 0, err
}
