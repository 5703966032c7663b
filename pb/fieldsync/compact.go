package fieldsync

import (
	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// compactStep is how many seqs one write covers: a push that comes meanwhile waits for a few milliseconds only.
const compactStep = 500

// supersede deletes the rows that newer ones between two seqs stand for. A row says only "look again", so the newest of a
// scope and record says all; it stays for ever, also as the trace of a deleted record. So no cursor ever becomes too old, and the
// newest row of a record carries its revision.
const supersede = `DELETE FROM sync_feed WHERE seq IN (
	SELECT o.seq FROM sync_feed n CROSS JOIN sync_feed o ON o.record = n.record AND o.collection = n.collection AND o.rev <= n.rev
	WHERE n.seq > {:from} AND n.seq <= {:to} AND o.scope = n.scope AND o.seq < n.seq)`

// compact looks at what was written since it last ran, in small steps through the writer, so that pushes get their turn.
func (s *Server) compact() error {
	for done := false; !done; {
		if err := s.write(compactStep, func(tx core.App) (err error) {
			done, err = compactStepOf(tx)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

func compactStepOf(tx core.App) (done bool, err error) {
	var at struct {
		From int64 `db:"from"`
		Top  int64 `db:"top"`
	}
	if err := tx.DB().NewQuery(`SELECT COALESCE((SELECT CAST(value AS INTEGER) FROM sync_state WHERE key = 'compacted'), 0) AS "from",
		(SELECT COALESCE(max(seq), 0) FROM sync_feed) AS top`).One(&at); err != nil {
		return false, err
	}
	to := min(at.From+compactStep, at.Top)
	if to <= at.From {
		return true, nil
	}
	if _, err := tx.DB().NewQuery(supersede).Bind(dbx.Params{"from": at.From, "to": to}).Execute(); err != nil {
		return false, err
	}
	_, err = tx.DB().NewQuery(`INSERT OR REPLACE INTO sync_state (key, value) VALUES ('compacted', {:to})`).Bind(dbx.Params{"to": to}).Execute()
	return to == at.Top, err
}
