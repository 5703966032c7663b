package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What the ledger of pictures must remember: why one was refused, since when, and what its EXIF said, which the stored file
// carries no more.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return execAll(app,
			// Field errors as they were answered (JSON); '' when not refused.
			`ALTER TABLE sync_attachments ADD COLUMN errors TEXT NOT NULL DEFAULT ''`,
			// When the picture got its present status.
			`ALTER TABLE sync_attachments ADD COLUMN settled_at TEXT NOT NULL DEFAULT ''`,
			`ALTER TABLE sync_attachments ADD COLUMN taken_at TEXT NOT NULL DEFAULT ''`,
			// A geoPoint's JSON; '' when nobody said where.
			`ALTER TABLE sync_attachments ADD COLUMN location TEXT NOT NULL DEFAULT ''`,
			`UPDATE sync_attachments SET settled_at = received_at`,
			`CREATE INDEX sync_attachments_waiting ON sync_attachments (received_at) WHERE status = 'deferred'`,
			`CREATE INDEX sync_attachments_refused ON sync_attachments (settled_at) WHERE status = 'rejected' AND file != ''`,
		)
	}, func(app core.App) error {
		return execAll(app, `DROP INDEX sync_attachments_refused`, `DROP INDEX sync_attachments_waiting`,
			`ALTER TABLE sync_attachments DROP COLUMN location`, `ALTER TABLE sync_attachments DROP COLUMN taken_at`,
			`ALTER TABLE sync_attachments DROP COLUMN settled_at`, `ALTER TABLE sync_attachments DROP COLUMN errors`)
	})
}
