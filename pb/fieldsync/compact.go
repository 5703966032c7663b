package fieldsync

import (
	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// compactStep is how many rows one write looks at: a push that comes meanwhile waits for a few milliseconds only.
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
		To   int64 `db:"to"`
	}
	// By rows, not by numbers: a new life of the database begins far above the one before.
	if err := tx.DB().NewQuery(`WITH done AS (SELECT COALESCE((SELECT CAST(value AS INTEGER) FROM sync_state WHERE key = 'compacted'), 0) AS seq)
		SELECT done.seq AS "from", (SELECT COALESCE(max(seq), 0) FROM (SELECT f.seq FROM sync_feed f WHERE f.seq > done.seq ORDER BY f.seq LIMIT {:step})) AS "to" FROM done`).
		Bind(dbx.Params{"step": compactStep}).One(&at); err != nil {
		return false, err
	}
	if at.To <= at.From {
		return true, nil
	}
	if _, err := tx.DB().NewQuery(supersede).Bind(dbx.Params{"from": at.From, "to": at.To}).Execute(); err != nil {
		return false, err
	}
	_, err = tx.DB().NewQuery(`INSERT OR REPLACE INTO sync_state (key, value) VALUES ('compacted', {:to})`).Bind(dbx.Params{"to": at.To}).Execute()
	return false, err
}
