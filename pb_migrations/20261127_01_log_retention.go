package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// A line of the access log may go when its time is over, and no sooner: the days are the parameter log.keep_days in force, 400
// where there is none, never less than 180 (网络安全法第二十一条: six months at least).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return execAll(app, `DROP TRIGGER IF EXISTS log_kept_delete`,
			`CREATE TRIGGER log_kept_delete BEFORE DELETE ON read_log WHEN COALESCE(OLD.at = '' OR OLD.at >= strftime('%Y-%m-%d %H:%M:%fZ', (SELECT now FROM sync_clock), '-' || COALESCE((SELECT CASE WHEN p.value NOT GLOB '*[^0-9]*' AND length(p.value) BETWEEN 1 AND 4 THEN max(180, CAST(p.value AS INTEGER)) ELSE 400 END FROM parameters p, sync_clock c WHERE p.code = 'log.keep_days' AND p."from" <= c.now AND (p.until = '' OR p.until > c.now) ORDER BY p."from" DESC, p.id LIMIT 1), 400) || ' days'), 1) BEGIN SELECT RAISE(ABORT, 'read_log is append-only'); END`)
	}, func(app core.App) error {
		return execAll(app, `DROP TRIGGER IF EXISTS log_kept_delete`,
			`CREATE TRIGGER log_kept_delete BEFORE DELETE ON read_log BEGIN SELECT RAISE(ABORT, 'read_log is append-only'); END`)
	})
}
