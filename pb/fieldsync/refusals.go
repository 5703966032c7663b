package fieldsync

import (
	"encoding/json"
	"slices"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// What the office's inbox has room for: the characters of a mutation's id, of which one that is made as the page says has no more,
// and the bytes of a value in JSON.
const maxKeptID, maxKeptValue = 32, 1 << 20

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
	r.Set("skew_ms", a.skew.Milliseconds())
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

// keepConflicts keeps both values of each field. What the sender may not see now, by role or because the record has left his
// scopes, is kept for the office alone and leaves the answer.
func (a *applier) keepConflicts(m Mutation, result *Result) error {
	collection, err := a.tx.FindCachedCollectionByNameOrId("sync_conflicts")
	if err != nil {
		return err
	}
	seen, err := a.sees(m)
	if err != nil {
		return err
	}
	hidden := hooks.HiddenFrom(a.user.GetString("role"), m.Collection)
	for _, field := range sortedKeys(result.Conflicts) {
		c := result.Conflicts[field]
		r := core.NewRecord(collection)
		a.head(r, m)
		r.Set("field", field)
		r.Set("yours", jsonOf(c.Yours))
		if !seen || slices.Contains(hidden, field) || field == "_" {
			r.Set("theirs_hidden", jsonOf(c.Theirs))
			result.Conflicts[field] = FieldConflict{Yours: c.Yours}
		} else {
			r.Set("theirs", jsonOf(c.Theirs))
		}
		r.Set("status", "open")
		if err := a.tx.Save(r); err != nil {
			return err
		}
	}
	return nil
}

// sees tells whether the sender may read the record now: a write may be taken for a scope that has ended since.
func (a *applier) sees(m Mutation) (bool, error) {
	if a.user.GetBool("must_change_password") {
		return false, nil
	}
	r, err := a.tx.FindRecordById(m.Collection, m.Record)
	if err != nil {
		return false, err
	}
	return overlaps(hooks.UserScopes(a.user), hooks.RecordScopes(r)), nil
}

func jsonOf(v any) types.JSONRaw {
	raw, _ := json.Marshal(v)
	return raw
}

func (a *applier) head(r *core.Record, m Mutation) {
	r.Set("user", a.user.Id)
	r.Set("scope_user", a.user.Id)
	r.Set("device", a.device)
	r.Set("mutation_id", clip(m.ID, maxKeptID))
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
		Bind(dbx.Params{"id": clip(m.ID, maxKeptID), "user": a.user.Id, "body": string(validJSON(raw))}).Row(&n)
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
	if own, err := a.isDeviceOfUser(old.Device); err != nil || !own {
		return nil, err
	}
	return old, nil
}

// mayReplace allows a mended mutation only for one that is still unsettled.
func (a *applier) mayReplace(m Mutation) error {
	old, err := a.replaceable(m.Replaces)
	if err != nil || old == nil {
		return err
	}
	if old.Status == Applied || old.Status == Conflict {
		return reject("_", "already_settled")
	}
	var settled int
	// Settled by the office, or through what has stood for it since on the same record: an id may have been used for two.
	if err := a.tx.DB().NewQuery(`WITH RECURSIVE heirs (id) AS (SELECT {:id}
			UNION SELECT r.replaced_by FROM heirs JOIN sync_rejections r ON r.mutation_id = heirs.id AND r.user = {:user} AND r.replaced_by != '')
		SELECT EXISTS (SELECT 1 FROM sync_rejections WHERE mutation_id IN heirs AND user = {:user} AND status = 'settled')
			OR EXISTS (SELECT 1 FROM sync_mutations WHERE id IN heirs AND record = {:record} AND status IN ('applied', 'conflict'))`).
		Bind(dbx.Params{"id": clip(m.Replaces, maxKeptID), "user": a.user.Id, "record": m.Record}).Row(&settled); err != nil {
		return err
	}
	if settled != 0 {
		return reject("_", "already_settled")
	}
	return nil
}

// markReplaced closes the mutation that a mended one stands for, and tells on which record it held up others, if it waited.
func (a *applier) markReplaced(m Mutation) (passed string, err error) {
	old, err := a.replaceable(m.Replaces)
	if err != nil || old == nil || old.Status == Applied || old.Status == Conflict {
		return "", err
	}
	if old.Status == Deferred {
		closed, err := json.Marshal(Result{ID: m.Replaces, Status: Rejected, Errors: reject("_", "replaced").fields})
		if err != nil {
			return "", err
		}
		for _, q := range []string{`DELETE FROM sync_deferred WHERE mutation = {:id}`,
			`UPDATE sync_mutations SET status = 'rejected', result = {:result} WHERE id = {:id}`} {
			if _, err := a.tx.DB().NewQuery(q).Bind(dbx.Params{"id": m.Replaces, "result": string(closed)}).Execute(); err != nil {
				return "", err
			}
		}
		passed = old.Record
	}
	open, err := a.tx.FindAllRecords("sync_rejections", dbx.HashExp{"mutation_id": clip(m.Replaces, maxKeptID), "user": a.user.Id, "status": "open"})
	if err != nil {
		return "", err
	}
	for _, r := range open {
		r.Set("status", "replaced")
		r.Set("replaced_by", clip(m.ID, maxKeptID))
		if err := a.tx.Save(r); err != nil {
			return "", err
		}
	}
	return passed, nil
}
