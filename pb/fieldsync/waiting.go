package fieldsync

import (
	"database/sql"
	"encoding/json"
	"errors"
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

// release applies what waited for a record that has just come, in the order it was received. When it has not come, and only what
// held up others on it is gone, those alone go on: for whatever names it nothing has changed, and what is judged before its record
// is there could be refused for the rules of that hour.
func (a *applier) release(record string, came bool) error {
	type event struct {
		record string
		came   bool
	}
	queue := []event{{record, came}}
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
		if err := a.tx.DB().NewQuery(`SELECT position, mutation, user, device, body, skew_ms, received_at FROM sync_deferred WHERE waits_for = {:id} AND ({:came} OR record = {:id}) ORDER BY position`).
			Bind(dbx.Params{"id": queue[0].record, "came": queue[0].came}).All(&rows); err != nil {
			return err
		}
		queue = queue[1:]
		for _, row := range rows {
			user, err := userOf(a.tx, row.User)
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
			its := &applier{tx: a.tx, user: user, device: row.Device, skew: time.Duration(row.Skew) * time.Millisecond, received: received, place: row.Position, resends: a.resends,
				anyScope: a.anyScope && row.User == a.user.Id} // what belongs to a record taken by waiver is taken with it
			result, err := its.settle(m, json.RawMessage(row.Body))
			if err != nil {
				return err
			}
			if result.Status == Deferred {
				continue // now for another record, in its old place
			}
			if err := a.settleWaiting(m.ID, result, row.Body); err != nil {
				return err
			}
			queue = append(queue, event{m.Record, m.Op == "create" && result.Status == Applied}) // what waited behind it goes on
		}
	}
	return nil
}

// resume goes on with what waited for a record that came by another way than a push: the console, an import, plain SQL. It looks at
// the first waiting mutation of each record, or of the one named, that stand behind a position, at most n of them, and tells the
// position of the last (0: there was none).
func (a *applier) resume(record string, after int64, n int) (last int64, err error) {
	var came []struct {
		Position int64  `db:"position"`
		WaitsFor string `db:"waits_for"`
	}
	if err := a.tx.DB().NewQuery(`SELECT position, waits_for FROM sync_deferred d WHERE position > {:after} AND ({:record} = '' OR record = {:record})
		AND NOT EXISTS (SELECT 1 FROM sync_deferred e WHERE e.record = d.record AND e.position < d.position)
		AND EXISTS (SELECT 1 FROM sync_feed WHERE sync_feed.record = d.waits_for) ORDER BY position LIMIT {:n}`).
		Bind(dbx.Params{"after": after, "record": record, "n": n}).All(&came); err != nil {
		return 0, err
	}
	for _, c := range came {
		if err := a.release(c.WaitsFor, true); err != nil {
			return 0, err
		}
		last = c.Position
	}
	return last, nil
}

// resumeWaits does so for all, in small steps so that pushes get their turn; where nothing waits, nothing is written.
func (s *Server) resumeWaits() error {
	var waiting bool
	if err := s.app.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_deferred)`).Row(&waiting); err != nil || !waiting {
		return err
	}
	for at, more := int64(-1), true; more; {
		if err := s.write(100, func(tx core.App) error {
			a := &applier{tx: tx, received: s.now()}
			var err error
			if a.resends, err = resending(tx.DB(), a.received); err == nil {
				at, err = a.resume("", at, 100)
			}
			more = at > 0
			return err
		}); err != nil {
			return err
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

// userOf finds a sender; one whose account was deleted meanwhile counts as somebody without a post, so that what he sent is refused
// and kept, and holds up nobody.
func userOf(tx core.App, id string) (*core.Record, error) {
	user, err := tx.FindRecordById("users", id)
	if !errors.Is(err, sql.ErrNoRows) {
		return user, err
	}
	users, err := tx.FindCachedCollectionByNameOrId("users")
	if err != nil {
		return nil, err
	}
	return core.NewRecord(users), nil
}

// settleWaiting ends the waiting of a mutation: from now on the ledger answers with its result.
func (a *applier) settleWaiting(id string, result Result, body string) error {
	if _, err := a.tx.DB().NewQuery(`DELETE FROM sync_deferred WHERE mutation = {:id}`).Bind(dbx.Params{"id": id}).Execute(); err != nil {
		return err
	}
	kept, err := resultJSON(result)
	if err != nil {
		return err
	}
	_, err = a.tx.DB().NewQuery(`UPDATE sync_mutations SET status = {:status}, seq = {:seq}, result = {:result}, body = {:body}, prev_rev = {:prev}, rev = {:rev} WHERE id = {:id}`).
		Bind(dbx.Params{"status": result.Status, "seq": result.Seq, "result": kept, "body": keptBody(result, body), "prev": result.prev, "rev": result.rev(), "id": id}).Execute()
	return err
}

// patience is how long a mutation waits for the record that it names.
const patience = 30 * 24 * time.Hour

// expireWaits refuses what has waited in vain for 30 days, pictures too; the office keeps it whole and may replay it. In small batches, so
// that pushes get their turn.
func (s *Server) expireWaits() error {
	if err := s.write(1, func(tx core.App) error { return expirePictures(tx, s.now()) }); err != nil {
		return err
	}
	for {
		n := 0
		err := s.write(100, func(tx core.App) error {
			var old []string
			if err := tx.DB().NewQuery(`SELECT mutation FROM sync_deferred WHERE received_at <= {:end} ORDER BY received_at LIMIT 100`).
				Bind(dbx.Params{"end": hooks.Stored(s.now().Add(-patience))}).Column(&old); err != nil {
				return err
			}
			n = len(old)
			a := &applier{tx: tx}
			for _, id := range old {
				if _, err := a.giveUp(id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n < 100 {
			return err
		}
	}
}

// dropWaiting refuses what waits for a record that will never come, and what waits for that in turn.
func (a *applier) dropWaiting(record string) error {
	queue := []string{record}
	for len(queue) > 0 {
		// One by one: what is given up may let another go on, and that may come to wait here.
		var id string
		err := a.tx.DB().NewQuery(`SELECT mutation FROM sync_deferred WHERE waits_for = {:id} ORDER BY position LIMIT 1`).
			Bind(dbx.Params{"id": queue[0]}).Row(&id)
		if errors.Is(err, sql.ErrNoRows) {
			if err := dropPictures(a.tx, queue[0]); err != nil {
				return err
			}
			queue = queue[1:]
			continue
		}
		if err != nil {
			return err
		}
		m, err := a.giveUp(id)
		if err != nil {
			return err
		}
		if m.Op == "create" {
			queue = append(queue, m.Record)
		}
	}
	return nil
}

// giveUp turns a waiting mutation into a refused one, parent_missing. What waited behind it goes on, unless it made the record.
func (a *applier) giveUp(id string) (Mutation, error) {
	var row struct {
		User   string `db:"user"`
		Device string `db:"device"`
		Body   string `db:"body"`
		Skew   int64  `db:"skew_ms"`
		At     string `db:"received_at"`
	}
	var m Mutation
	if err := a.tx.DB().NewQuery(`SELECT user, device, body, skew_ms, received_at FROM sync_deferred WHERE mutation = {:id}`).Bind(dbx.Params{"id": id}).One(&row); errors.Is(err, sql.ErrNoRows) {
		return m, nil // went on when another was given up
	} else if err != nil {
		return m, err
	}
	user, err := userOf(a.tx, row.User)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal([]byte(row.Body), &m); err != nil {
		return m, err
	}
	received, err := hooks.ParseTime(row.At)
	if err != nil {
		return m, err
	}
	fields := reject("_", "parent_missing").fields
	its := &applier{tx: a.tx, user: user, device: row.Device, skew: time.Duration(row.Skew) * time.Millisecond, received: received, resends: a.resends}
	if err := its.keepRejected(m, json.RawMessage(row.Body), fields); err != nil {
		return m, err
	}
	if err := a.settleWaiting(id, Result{ID: id, Status: Rejected, Errors: fields}, row.Body); err != nil || m.Op == "create" {
		return m, err
	}
	return m, its.release(m.Record, false)
}

// hop is a reference that followed a merge from one record to the one it lives on in.
type hop struct{ field, target, from, to string }

// followMerged puts the survivor in the place of a merged record wherever values name one, and tells which hops led there.
func (a *applier) followMerged(collection *core.Collection, values map[string]any) (hops []hop, err error) {
	var n int
	if err := a.tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM sync_merged)`).Row(&n); err != nil || n == 0 {
		return nil, err
	}
	follow := func(field, target string) error {
		id, ok := values[field].(string)
		if !ok {
			return nil
		}
		path, err := a.survivors(target, id)
		for _, next := range path {
			hops = append(hops, hop{field, target, id, next})
			id = next
		}
		values[field] = id
		return err
	}
	for _, name := range sortedKeys(values) {
		relation, ok := collection.Fields.GetByName(name).(*core.RelationField)
		if !ok {
			continue
		}
		target, err := a.tx.FindCachedCollectionByNameOrId(relation.CollectionId)
		if err != nil {
			return nil, err
		}
		list, ok := values[name].([]any)
		if !ok {
			if err := follow(name, target.Name); err != nil {
				return nil, err
			}
			continue
		}
		followed := make([]any, len(list))
		for i := range list {
			followed[i] = list[i]
			if id, ok := list[i].(string); ok {
				if followed[i], err = a.survivor(target.Name, id); err != nil {
					return nil, err
				}
			}
		}
		values[name] = followed
	}
	if collection.Name == "photos" {
		owner, _ := values["collection"].(string)
		return hops, follow("record", owner)
	}
	return hops, nil
}

// survivors is the way from a merged record to the one in which it lives on; empty for any other.
func (a *applier) survivors(collection, id string) (path []string, err error) {
	for range 100 { // survivors may have been merged themselves
		var next string
		err := a.tx.DB().NewQuery(`SELECT survivor FROM sync_merged WHERE collection = {:collection} AND record = {:id}`).
			Bind(dbx.Params{"collection": collection, "id": id}).Row(&next)
		if errors.Is(err, sql.ErrNoRows) {
			return path, nil
		}
		if err != nil {
			return nil, err
		}
		path, id = append(path, next), next
	}
	return path, nil
}

func (a *applier) survivor(collection, id string) (string, error) {
	path, err := a.survivors(collection, id)
	if err != nil || len(path) == 0 {
		return id, err
	}
	return path[len(path)-1], nil
}

// noteHops adds what came late for a merged enterprise to the trail of the merge, so that undoing it gives that back too.
func (a *applier) noteHops(collection, record string, hops []hop) error {
	for _, h := range hops {
		step := jsonText(map[string]any{"collection": collection, "field": h.field, "records": []string{record}, "before": h.from, "after": h.to})
		if _, err := a.tx.DB().NewQuery(`UPDATE enterprise_merges SET trail = json_insert(trail, '$.changes[#]', json({:step})) WHERE merged = {:merged} AND status = 'merged' AND {:target} = 'enterprises'`).
			Bind(dbx.Params{"step": step, "merged": h.from, "target": h.target}).Execute(); err != nil {
			return err
		}
	}
	return nil
}
