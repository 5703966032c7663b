package fieldsync

import (
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// After a restore the devices send again what the backup does not have. Creates need nothing new. Of updates and deletes the
// order of the life before decides (applied_seq), whatever order the devices come back in; against what was written after the
// restore it is a conflict as any other. sync_rewritten knows which field was written since, and where that stood before.

// keptFor is how long a device keeps what was applied, and so how long after a restore it may send it again.
const keptFor = 14 * 24 * time.Hour

// afterRestore marks in sync_rewritten what was written in this life of the database.
const afterRestore = int64(math.MaxInt64)

// resending tells whether the database was restored so lately that devices may still send again.
func resending(db dbx.Builder, now time.Time) (bool, error) {
	var at string
	err := db.NewQuery(`SELECT value FROM sync_state WHERE key = 'epoch_at'`).Row(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && at > hooks.Stored(now.Add(-keptFor)), err
}

// asOf is the applier for a mutation that comes again with the clocks of its first exchange: what was captured when, and
// whether it came in time, is judged by those. How far back they reach is bounded by how long devices keep.
func (a *applier) asOf(m Mutation) *applier {
	if !a.resends {
		return a
	}
	sent, err := hooks.ParseTime(m.SentAt)
	if err != nil {
		return a
	}
	received, err := hooks.ParseTime(m.ServerTime)
	if err != nil || received.After(a.received) || received.Before(a.received.Add(-2*keptFor)) {
		return a
	}
	its := *a
	its.skew, its.received = sent.Sub(received), received
	return &its
}

// settleBySeq takes out of the conflicts of an update sent again those that the order of the life before decides: the later
// one is set, the earlier one loses silently.
func (a *applier) settleBySeq(m Mutation, conflicts map[string]FieldConflict, set map[string]any) error {
	if !a.resends {
		return nil
	}
	for name, c := range conflicts {
		at, err := a.rewritten(m, name)
		if err != nil {
			return err
		}
		if at == afterRestore {
			continue
		}
		if at < m.AppliedSeq {
			set[name] = c.Yours
		}
		delete(conflicts, name)
	}
	// What fits as it is may still be older than what was sent again before it.
	for name := range set {
		at, err := a.rewritten(m, name)
		if err != nil {
			return err
		}
		if at != afterRestore && at > m.AppliedSeq {
			delete(set, name)
		}
	}
	return nil
}

// rewritten is where in the life before the field's last write since the restore stood; 0 when there was none.
func (a *applier) rewritten(m Mutation, field string) (int64, error) {
	var seq int64
	err := a.tx.DB().NewQuery(`SELECT COALESCE(max(seq), 0) FROM sync_rewritten WHERE collection = {:c} AND record = {:r} AND field = {:f}`).
		Bind(dbx.Params{"c": m.Collection, "r": m.Record, "f": field}).Row(&seq)
	return seq, err
}

// noteRewritten remembers which fields an update wrote after a restore.
func (a *applier) noteRewritten(m Mutation, changes map[string]Change, conflicts map[string]FieldConflict) error {
	if !a.resends {
		return nil
	}
	for name := range changes {
		if _, refused := conflicts[name]; refused {
			continue
		}
		if err := noteField(a.tx, m.Collection, m.Record, name, seqOf(m)); err != nil {
			return err
		}
	}
	return nil
}

func seqOf(m Mutation) int64 {
	if m.AppliedSeq > 0 {
		return m.AppliedSeq
	}
	return afterRestore
}

func noteField(tx core.App, collection, record, field string, seq int64) error {
	_, err := tx.DB().NewQuery(`INSERT INTO sync_rewritten (collection, record, field, seq) VALUES ({:c}, {:r}, {:f}, {:s})
		ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)`).
		Bind(dbx.Params{"c": collection, "r": record, "f": field, "s": seq}).Execute()
	return err
}

// mayTakeBack tells whether a delete may be done: nobody else touched the record since the device saw it. One that is sent
// again is judged by the order of the life before; lost means that something later stands.
func (a *applier) mayTakeBack(m Mutation) (untouched, lost bool, err error) {
	if m.AppliedSeq == 0 || !a.resends {
		touched, err := a.touchedByOthers(m)
		return !touched, false, err
	}
	var last int64
	err = a.tx.DB().NewQuery(`SELECT COALESCE(max(seq), 0) FROM sync_rewritten WHERE collection = {:c} AND record = {:r}`).
		Bind(dbx.Params{"c": m.Collection, "r": m.Record}).Row(&last)
	return last != afterRestore, last > m.AppliedSeq && last != afterRestore, err
}

func (a *applier) noteDeleted(m Mutation) error {
	if !a.resends {
		return nil
	}
	return noteField(a.tx, m.Collection, m.Record, "", seqOf(m))
}

// settledByDelete tells whether a mutation on a deleted record needs nothing more: it deletes too, or stood before the delete
// in the life before.
func (a *applier) settledByDelete(m Mutation) (bool, error) {
	if m.Op == "delete" {
		return true, nil
	}
	if m.AppliedSeq == 0 || !a.resends {
		return false, nil
	}
	at, err := a.rewritten(m, "")
	return at != afterRestore && at > m.AppliedSeq, err
}

// bindRewrites notes what the console and the API write after a restore, so that a device that sends again does not overwrite it.
func bindRewrites(app core.App, now hooks.Clock) {
	for collection, form := range hooks.Forms {
		app.OnRecordUpdateExecute(collection).BindFunc(func(e *core.RecordEvent) error {
			if e.Context.Value(ofDevice{}) != nil {
				return e.Next()
			}
			open, err := resending(e.App.DB(), now())
			if err != nil {
				return err
			}
			before := e.Record.Original()
			for _, f := range form.Fields {
				if open && !same(plain(before.Get(f.Name)), plain(e.Record.Get(f.Name))) {
					if err := noteField(e.App, collection, e.Record.Id, f.Name, afterRestore); err != nil {
						return err
					}
				}
			}
			return e.Next()
		})
	}
}

// ofDevice marks a save that a device's mutation makes.
type ofDevice struct{}
