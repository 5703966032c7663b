package fieldsync

import (
	"encoding/json"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

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
			its := &applier{tx: a.tx, user: user, device: row.Device, skew: time.Duration(row.Skew) * time.Millisecond, received: received, place: row.Position,
				anyScope: a.anyScope && row.User == a.user.Id} // what belongs to a record taken by waiver is taken with it
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
