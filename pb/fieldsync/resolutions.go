package fieldsync

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	validation "github.com/pocketbase/ozzo-validation/v4"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// savedBy carries the superuser from the request, which alone knows him, to the save, which all ways of saving share.
const savedBy = "@saved_by"

// bindResolutions lets an administrator settle what pushes could not take by saving the record, in the console or by the API,
// and keeps the evidence and the trail of it as they are.
func bindResolutions(app core.App, now hooks.Clock) {
	app.OnRecordUpdateRequest("sync_rejections", "sync_conflicts", "devices").BindFunc(func(e *core.RecordRequestEvent) error {
		e.Record.Set(savedBy, e.Auth)
		return e.Next()
	})
	// The same words again change nothing, and still whoever says them must hear that it was decided before.
	app.OnRecordUpdateRequest("sync_rejections", "sync_conflicts").BindFunc(func(e *core.RecordRequestEvent) error {
		if e.Record.Original().GetString("status") != "open" {
			return apis.NewBadRequestError(hooks.Message("resolved_before"), hooks.Violation("resolution", "resolved_before"))
		}
		return e.Next()
	})
	resolve := func(choices map[string]func(*decision) error) func(*core.RecordEvent) error {
		return func(e *core.RecordEvent) error {
			outer := e.App
			err := outer.RunInTransaction(func(tx core.App) error {
				e.App = tx
				defer func() { e.App = outer }()
				d := &decision{tx: tx, now: now(), record: e.Record}
				if err := d.decide(choices); err != nil {
					return err
				}
				return e.Next()
			})
			var r *refusedDecision
			if errors.As(err, &r) && !outer.IsTransactional() {
				err = errors.Join(err, r.show(outer, e.Record))
			}
			return err
		}
	}
	app.OnRecordUpdate("sync_rejections").BindFunc(resolve(map[string]func(*decision) error{"replay": (*decision).replay, "drop": (*decision).drop}))
	app.OnRecordUpdate("sync_conflicts").BindFunc(resolve(map[string]func(*decision) error{"take_theirs": (*decision).takeTheirs, "take_ours": (*decision).takeOurs}))

	refuseAll := func(code string) func(*core.RecordEvent) error {
		return func(*core.RecordEvent) error { return apis.NewBadRequestError(hooks.Message(code), nil) }
	}
	app.OnRecordUpdate("sync_audit").BindFunc(refuseAll("audit_kept"))
	app.OnRecordDelete("sync_audit").BindFunc(refuseAll("audit_kept"))
	app.OnRecordDelete("sync_rejections", "sync_conflicts").BindFunc(refuseAll("settle_instead"))
	// A made-up report would be done in a worker's name; a made-up trail would be none.
	app.OnRecordCreateRequest("sync_rejections", "sync_conflicts", "sync_audit").BindFunc(func(*core.RecordRequestEvent) error {
		return apis.NewForbiddenError(hooks.Message("system_only"), nil)
	})
}

// decision is one administrator's word on one record, inside the transaction that saves it.
type decision struct {
	tx     core.App
	now    time.Time
	record *core.Record // as it is being saved
}

// What an administrator fills in, and what only the server writes; everything else is evidence.
var (
	decided = []string{"resolution", "note", "correction", "override_scope"}
	written = []string{"status", "replaced_by", "replay_errors", "present", "settled_by", "settled_at", "created", "updated"}
)

// decide judges the save against the record as it stands now, not as the administrator's page showed it.
func (d *decision) decide(choices map[string]func(*decision) error) error {
	present, err := d.tx.FindRecordById(d.record.Collection(), d.record.Id)
	if err != nil {
		return err
	}
	var changed []string
	for _, f := range d.record.Collection().Fields {
		if !same(plain(present.Get(f.GetName())), plain(d.record.Get(f.GetName()))) {
			changed = append(changed, f.GetName())
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if present.GetString("status") != "open" {
		return hooks.Violation("resolution", "resolved_before")
	}
	byPerson := d.record.Get(savedBy) != nil
	for _, name := range changed {
		if !slices.Contains(decided, name) && (byPerson || !slices.Contains(written, name)) {
			return hooks.Violation(name, "evidence_kept")
		}
	}
	choice := choices[d.record.GetString("resolution")]
	if choice == nil {
		return nil
	}
	// The feed's triggers need the present time, and must be there.
	if _, err := tick(d.tx, d.now); err != nil {
		return err
	}
	if err := (&guard{}).check(d.tx.DB()); err != nil {
		return err
	}
	if err := choice(d); err != nil {
		return err
	}
	d.record.Set("status", "settled")
	d.record.Set("settled_at", d.now)
	if by := personOf(d.record); by != nil {
		d.record.Set("settled_by", by.Email())
	}
	return nil
}

func personOf(r *core.Record) *core.Record {
	by, _ := r.Get(savedBy).(*core.Record)
	return by
}

// refusedDecision leaves the record open; show is what the administrator must see of it, written after all else was undone.
type refusedDecision struct {
	errs  error
	field string
	value types.JSONRaw
}

func (r *refusedDecision) Error() string { return r.errs.Error() }
func (r *refusedDecision) Unwrap() error { return r.errs }

func (r *refusedDecision) show(app core.App, of *core.Record) error {
	return app.RunInTransaction(func(tx core.App) error {
		fresh, err := tx.FindRecordById(of.Collection(), of.Id)
		if err != nil || fresh.GetString("status") != "open" {
			return err
		}
		fresh.Set(r.field, r.value)
		return tx.Save(fresh)
	})
}

func refuseDecision(field, code, detail, show string, value any) error {
	return &refusedDecision{validation.Errors{field: validation.NewError(code, hooks.Message(code)+detail)}, show, jsonOf(value)}
}

func refusedReplay(fields hooks.FieldErrors) error {
	var parts []string
	for _, name := range sortedKeys(fields) {
		message := fields[name].Message
		if name != "_" {
			message = name + " " + message
		}
		parts = append(parts, message)
	}
	return refuseDecision("resolution", "replay_refused", "："+strings.Join(parts, "；"), "replay_errors", fields)
}

// author makes the applier that judges the kept mutation as it was judged when it came.
func (d *decision) author() (*applier, error) {
	user, err := d.tx.FindRecordById("users", d.record.GetString("user"))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, hooks.Violation("resolution", "author_gone")
	}
	if err != nil {
		return nil, err
	}
	a := &applier{tx: d.tx, user: user, device: d.record.GetString("device"), skew: time.Duration(d.record.GetInt("skew_ms")) * time.Millisecond,
		received: d.record.GetDateTime("received_at").Time(),
		place:    1, // what waits came later: had anything waited before it, it would have waited too
	}
	// It may have come with the clocks of a life before; and devices that send again must not overwrite what is done now.
	came, err := resending(d.tx.DB(), a.received)
	if err != nil {
		return nil, err
	}
	now, err := resending(d.tx.DB(), d.now)
	a.resends = came || now
	return a, err
}

// replay does the refused mutation, or its mended copy, now: as its author's own write of that time, by the same rules.
func (d *decision) replay() error {
	a, err := d.author()
	if err != nil {
		return err
	}
	a.anyScope = d.record.GetBool("override_scope")
	kept, _ := d.record.Get("mutation").(types.JSONRaw)
	raw := json.RawMessage(kept)
	if correction, _ := d.record.Get("correction").(types.JSONRaw); !slices.Contains([]string{"", "null", `""`}, string(correction)) {
		raw = json.RawMessage(correction)
	}
	var m Mutation
	if err := json.Unmarshal(raw, &m); err != nil {
		return hooks.Violation("correction", "bad_mutation")
	}
	// What waits for the record waits for this id; one that no record can have nothing waits for.
	if id := d.record.GetString("record"); recordID.MatchString(id) && m.Record != id {
		return hooks.Violation("correction", "correction_other_record")
	}
	id, err := a.ownLedger(kept)
	if err != nil {
		return err
	}
	// What it was to replace was closed when it came.
	m.ID, m.Replaces = id, ""
	if id == "" {
		m.ID = d.record.Id // its own id stands for something else, or it had none
	}
	var result Result
	failed, fatal := atomically(d.tx, func(core.App) (err error) {
		if result, err = a.settle(m, raw); err != nil {
			return err
		}
		switch result.Status {
		case Rejected:
			return &rejection{result.Errors}
		case Deferred:
			return reject("_", "replay_waits")
		}
		if id == "" {
			err = a.remember(m, hashOf(a.user.Id, nil), result, raw)
		} else {
			err = a.settleWaiting(id, result, string(raw))
		}
		if err == nil && result.Status == Applied && m.Op == "create" {
			err = a.release(m.Record, true)
		}
		return err
	})
	if fatal != nil {
		return fatal
	}
	var refused *rejection
	if errors.As(failed, &refused) {
		return refusedReplay(refused.fields)
	}
	if failed != nil {
		return failed
	}
	d.record.Set("replay_errors", nil)
	return d.audit("replay", kept, map[string]any{"mutation": raw, "result": result, "override_scope": a.anyScope})
}

// ownLedger finds the id under which the ledger remembers this very body as refused; "" when that id stands for another body.
func (a *applier) ownLedger(kept []byte) (string, error) {
	s := read(a.user.Id, kept)
	known, err := a.known(s.m.ID)
	if err != nil || known == nil || !bytes.Equal(known.Hash, s.hash) {
		return "", err
	}
	if known.Status != Rejected {
		return "", hooks.Violation("resolution", "resolved_before")
	}
	return s.m.ID, nil
}

// drop says that a refused mutation will never be done: what waits for the record it would have made waits no longer.
func (d *decision) drop() error {
	if strings.TrimSpace(d.record.GetString("note")) == "" {
		return hooks.Violation("note", "reason_needed")
	}
	kept, _ := d.record.Get("mutation").(types.JSONRaw)
	var m Mutation
	if json.Unmarshal(kept, &m) == nil && m.Op == "create" && m.Record != "" {
		a := &applier{tx: d.tx, received: d.now}
		var err error
		if a.resends, err = resending(d.tx.DB(), d.now); err != nil {
			return err
		}
		coming, err := a.mayStillCome(m, d.record.Id)
		if err != nil {
			return err
		}
		if !coming {
			if err := a.dropWaiting(m.Record); err != nil {
				return err
			}
		}
	}
	return d.audit("drop", kept, nil)
}

// mayStillCome tells whether the record that a dropped create would have made is there or may be made by another create.
func (a *applier) mayStillCome(m Mutation, dropped string) (bool, error) {
	if hooks.Forms[m.Collection] != nil {
		if _, err := a.tx.FindRecordById(m.Collection, m.Record); !errors.Is(err, sql.ErrNoRows) {
			return true, err
		}
	}
	var n int
	err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_rejections WHERE record = {:record} AND status = 'open' AND id != {:dropped} AND json_extract(mutation, '$.op') = 'create')
		OR EXISTS (SELECT 1 FROM sync_deferred WHERE record = {:record} AND json_extract(body, '$.op') = 'create')`).
		Bind(dbx.Params{"record": m.Record, "dropped": dropped}).Row(&n)
	return n != 0, err
}

// takeTheirs lets the server's value stand.
func (d *decision) takeTheirs() error {
	return d.audit("take_theirs", plain(d.record.Get("yours")), d.shown())
}

// takeOurs sets the worker's value now, by the rules for his own updates. The administrator chose between two values: when the
// record holds a third, he must see it first.
func (d *decision) takeOurs() error {
	a, err := d.author()
	if err != nil {
		return err
	}
	// A decision of today: not bounded by what the worker may reach.
	a.received, a.skew, a.anyScope = d.now, 0, true
	m := Mutation{ID: d.record.Id, Op: "update", Collection: d.record.GetString("collection"), Record: d.record.GetString("record"), CapturedAt: hooks.Stored(d.now)}
	field, ours := d.record.GetString("field"), plain(d.record.Get("yours"))
	var present any
	existing, err := d.tx.FindRecordById(m.Collection, m.Record)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if existing != nil {
		present = presentValue(existing, field)
		if !same(present, d.shown()) && (field == wholeRecord || !same(present, ours)) {
			return refuseDecision("resolution", "value_changed", string(jsonOf(present)), "present", present)
		}
	}
	if field == wholeRecord {
		m.Op = "delete"
		if m.Rev, err = a.revOf(m.Collection, m.Record); err != nil {
			return err
		}
	} else {
		m.Changes = map[string]Change{field: {From: present, To: ours}}
	}
	var result Result
	failed, fatal := atomically(d.tx, func(core.App) (err error) {
		if result, err = a.settle(m, json.RawMessage(jsonOf(m))); err != nil {
			return err
		}
		switch {
		case result.Status == Deferred && existing == nil:
			return reject("_", "record_unknown")
		case result.Status == Deferred:
			return reject("_", "replay_waits")
		case result.Status == Rejected:
			return &rejection{result.Errors}
		case len(result.Ignored) > 0:
			return reject("_", "role_not_allowed")
		}
		return nil
	})
	if fatal != nil {
		return fatal
	}
	var refused *rejection
	if errors.As(failed, &refused) {
		for _, name := range sortedKeys(refused.fields) {
			return validation.Errors{"resolution": validation.NewError(refused.fields[name].Code, refused.fields[name].Message)}
		}
	}
	if failed != nil {
		return failed
	}
	return d.audit("take_ours", present, ours)
}

// wholeRecord is the field of a conflict over a delete that was not done.
const wholeRecord = "_"

func presentValue(r *core.Record, field string) any {
	if field == wholeRecord {
		return plain(r.PublicExport())
	}
	return plain(r.Get(field))
}

// shown is the server's value that the administrator has before him.
func (d *decision) shown() any {
	for _, name := range []string{"present", "theirs_hidden", "theirs"} {
		if v := plain(d.record.Get(name)); v != nil {
			return v
		}
	}
	return nil
}

// audit adds a line to the trail that nobody can change.
func (d *decision) audit(action string, before, after any) error {
	return audit(d.tx, d.now, d.record, action, before, after)
}

func audit(tx core.App, at time.Time, of *core.Record, action string, before, after any) error {
	collection, err := tx.FindCachedCollectionByNameOrId("sync_audit")
	if err != nil {
		return err
	}
	r := core.NewRecord(collection)
	r.Set("at", at)
	if by := personOf(of); by != nil {
		r.Set("by", by.Email())
		r.Set("by_id", by.Id)
	}
	r.Set("action", action)
	r.Set("collection", of.Collection().Name)
	r.Set("record", of.Id)
	r.Set("before", jsonOf(before))
	r.Set("after", jsonOf(after))
	r.Set("note", of.GetString("note"))
	return tx.Save(r)
}
