package fieldsync

import (
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// NewEpoch stands in until feed.go has it.
func NewEpoch(app core.App, now time.Time) (string, error) {
	var epoch string
	err := app.RunInTransaction(func(tx core.App) error {
		for _, q := range []string{`INSERT OR REPLACE INTO sync_state (key, value) VALUES ('epoch', lower(hex(randomblob(8))))`,
			`INSERT OR REPLACE INTO sync_state (key, value) SELECT 'epoch_seq', COALESCE(max(seq), 0) FROM sync_feed`,
			`DELETE FROM sync_rewritten`} {
			if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
				return err
			}
		}
		if _, err := tx.DB().NewQuery(`INSERT OR REPLACE INTO sync_state (key, value) VALUES ('epoch_at', {:at})`).Bind(dbx.Params{"at": hooks.Stored(now)}).Execute(); err != nil {
			return err
		}
		var err error
		epoch, err = epochOf(tx.DB())
		return err
	})
	return epoch, err
}
