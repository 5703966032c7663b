package fieldsync

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// applier applies the mutations of one device inside a transaction.
type applier struct {
	tx       core.App
	user     *core.Record
	device   string
	skew     time.Duration
	received time.Time
	// place is the mutation's place among those that wait; 0: it has just come, behind all of them.
	place int64
	// anyScope: an administrator waived the scope of this write; the other rules hold.
	anyScope bool
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
