package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Records of different collections may bear one id (a loan and the step it is): a record's latest change is looked up by both.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return execAll(app, `DROP INDEX sync_feed_record`, `CREATE INDEX sync_feed_record ON sync_feed (record, collection, rev)`)
	}, func(app core.App) error {
		return execAll(app, `DROP INDEX sync_feed_record`, `CREATE INDEX sync_feed_record ON sync_feed (record, rev)`)
	})
}
