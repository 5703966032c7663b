package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// The sync protocol's own tables. They are plain SQL, not collections: their rows are many, and no person edits them.
// Their columns are a contract: pipeline reads sync_feed and sync_ticks by SQL.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return execAll(app,
			// One row per change and scope, filled by triggers. rev is the first seq of the change: the same for every viewer.
			// scope: all | g:<grid> | h:<harbour> | b:<bank> | u:<user> | - (nobody's device; the pipeline still reads it).
			`CREATE TABLE sync_feed (
				seq        INTEGER PRIMARY KEY AUTOINCREMENT,
				scope      TEXT NOT NULL,
				collection TEXT NOT NULL,
				record     TEXT NOT NULL,
				rev        INTEGER NOT NULL
			)`,
			`CREATE INDEX sync_feed_scope ON sync_feed (scope, seq, collection, record)`,
			`CREATE INDEX sync_feed_record ON sync_feed (record, rev)`,
			// Which seq had been reached when the server's clock showed a time; noted at most once a minute.
			`CREATE TABLE sync_ticks (seq INTEGER PRIMARY KEY, at TEXT NOT NULL)`,
			// The server's injected clock for triggers: they cannot call it, so it is written before each group of writes.
			`CREATE TABLE sync_clock (id INTEGER PRIMARY KEY CHECK (id = 1), now TEXT NOT NULL)`,
			`INSERT INTO sync_clock (id, now) VALUES (1, '')`,
			`CREATE TABLE sync_state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
			// What became of each mutation: the memory that makes delivery at least once safe. body: whole, where fields were ignored.
			`CREATE TABLE sync_mutations (
				id          TEXT PRIMARY KEY,
				device      TEXT NOT NULL,
				hash        BLOB NOT NULL,
				record      TEXT NOT NULL,
				status      TEXT NOT NULL,
				seq         INTEGER NOT NULL,
				result      TEXT NOT NULL,
				body        TEXT NOT NULL,
				received_at TEXT NOT NULL
			) WITHOUT ROWID`,
			// Mutations that wait for a record, whole, in the order received.
			`CREATE TABLE sync_deferred (
				position    INTEGER PRIMARY KEY AUTOINCREMENT,
				mutation    TEXT NOT NULL UNIQUE,
				user        TEXT NOT NULL,
				device      TEXT NOT NULL,
				record      TEXT NOT NULL,
				waits_for   TEXT NOT NULL,
				body        TEXT NOT NULL,
				skew_ms     INTEGER NOT NULL,
				received_at TEXT NOT NULL
			)`,
			`CREATE INDEX sync_deferred_waits ON sync_deferred (waits_for)`,
			`CREATE INDEX sync_deferred_record ON sync_deferred (record)`,
			// A device's last contact, apart from synced records: takes no seq.
			`CREATE TABLE sync_contacts (
				device      TEXT PRIMARY KEY,
				last_at     TEXT NOT NULL,
				skew_ms     INTEGER NOT NULL,
				pending     INTEGER NOT NULL,
				app_version TEXT NOT NULL
			) WITHOUT ROWID`,
			// Every picture received, waiting or in its place.
			`CREATE TABLE sync_attachments (
				id          TEXT PRIMARY KEY,
				user        TEXT NOT NULL,
				device      TEXT NOT NULL,
				collection  TEXT NOT NULL,
				record      TEXT NOT NULL,
				field       TEXT NOT NULL,
				sha256      TEXT NOT NULL,
				bytes       INTEGER NOT NULL,
				file        TEXT NOT NULL,
				status      TEXT NOT NULL,
				received_at TEXT NOT NULL
			) WITHOUT ROWID`,
			`CREATE INDEX sync_attachments_record ON sync_attachments (record)`,
		)
	}, func(app core.App) error {
		return execAll(app,
			`DROP TABLE sync_attachments`, `DROP TABLE sync_contacts`, `DROP TABLE sync_deferred`, `DROP TABLE sync_mutations`,
			`DROP TABLE sync_state`, `DROP TABLE sync_clock`, `DROP TABLE sync_ticks`, `DROP TABLE sync_feed`)
	})
}
