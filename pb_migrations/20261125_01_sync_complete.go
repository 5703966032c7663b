package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What sync must remember beside the feed: which record a merged one lives on in, after a restore which fields were written
// since, in the order of the life before; which changes of a record a device made itself; what a conflict may not tell its sender.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		conflicts := find(app, "sync_conflicts")
		hidden := jsonField("theirs_hidden", 1<<20, "服务器保留的值（上报人无权查看时只存于此）")
		hidden.Hidden = true
		conflicts.Fields.Add(hidden)
		if err := app.Save(conflicts); err != nil {
			return err
		}
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
			// A device's own changes of a record form a chain of revisions: from prev_rev to rev, nobody else in between.
			`ALTER TABLE sync_mutations ADD COLUMN prev_rev INTEGER NOT NULL DEFAULT 0`,
			`ALTER TABLE sync_mutations ADD COLUMN rev INTEGER NOT NULL DEFAULT 0`,
			`CREATE INDEX sync_mutations_record ON sync_mutations (record)`,
			`ALTER TABLE sync_attachments ADD COLUMN prev_rev INTEGER NOT NULL DEFAULT 0`,
			`ALTER TABLE sync_attachments ADD COLUMN rev INTEGER NOT NULL DEFAULT 0`,
			// When a device said that it had erased its data.
			`ALTER TABLE sync_contacts ADD COLUMN wiped_at TEXT NOT NULL DEFAULT ''`,
		)
	}, func(app core.App) error {
		conflicts := find(app, "sync_conflicts")
		conflicts.Fields.RemoveByName("theirs_hidden")
		if err := app.Save(conflicts); err != nil {
			return err
		}
		return execAll(app, `ALTER TABLE sync_contacts DROP COLUMN wiped_at`,
			`ALTER TABLE sync_attachments DROP COLUMN rev`, `ALTER TABLE sync_attachments DROP COLUMN prev_rev`,
			`DROP INDEX sync_mutations_record`, `ALTER TABLE sync_mutations DROP COLUMN rev`, `ALTER TABLE sync_mutations DROP COLUMN prev_rev`,
			`DROP INDEX sync_deferred_received`,
			`DROP TABLE sync_rewritten`, `DROP TABLE sync_merged`)
	})
}
