package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What sync must remember beside the feed: which record a merged one lives on in, and after a restore which fields were
// written since, by whom in the order of the life before.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return execAll(app,
			// A merged record's survivor: references to the merged one follow it.
			`CREATE TABLE sync_merged (
				collection TEXT NOT NULL,
				record     TEXT NOT NULL,
				survivor   TEXT NOT NULL,
				PRIMARY KEY (collection, record)
			) WITHOUT ROWID`,
			// Kept only for 14 days after a restore. seq: of the life before the restore, for work sent again; the largest
			// whole number for what was written after it. field '': the record was deleted.
			`CREATE TABLE sync_rewritten (
				collection TEXT NOT NULL,
				record     TEXT NOT NULL,
				field      TEXT NOT NULL,
				seq        INTEGER NOT NULL,
				PRIMARY KEY (collection, record, field)
			) WITHOUT ROWID`,
			`CREATE INDEX sync_deferred_received ON sync_deferred (received_at)`,
			// When a device said that it had erased its data.
			`ALTER TABLE sync_contacts ADD COLUMN wiped_at TEXT NOT NULL DEFAULT ''`,
		)
	}, func(app core.App) error {
		return execAll(app, `ALTER TABLE sync_contacts DROP COLUMN wiped_at`, `DROP INDEX sync_deferred_received`,
			`DROP TABLE sync_rewritten`, `DROP TABLE sync_merged`)
	})
}
