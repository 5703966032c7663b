package pb_migrations

import (
	"fmt"

	"github.com/pocketbase/pocketbase/core"
)

// Who has not been heard of, which phones hold work that does not come in, whose mishaps wait for somebody to settle them.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		const now = `(SELECT now FROM sync_clock)`
		ago := func(days string) string {
			return `strftime('%Y-%m-%d %H:%M:%fZ', ` + now + `, '-' || ` + days + ` || ' days')`
		}
		silent := fmt.Sprintf(`COALESCE((SELECT CAST(p.value AS INTEGER) FROM parameters p WHERE p.code = 'sync.silent_days' AND p.value NOT GLOB '*[^0-9]*'`+
			` AND CAST(p.value AS INTEGER) BETWEEN 1 AND 366 AND p."from" <= %[1]s AND (p.until = '' OR p.until > %[1]s) ORDER BY p."from" DESC, p.id LIMIT 1), 7)`, now)

		workers := core.NewViewCollection("silent_workers")
		// Whoever took over a grid a moment ago is not silent yet.
		workers.ViewQuery = `SELECT users.id, users.id AS user, users.mobile, users.scope_grids AS grids, users.manager, CAST(s.last_at AS TEXT) AS last_contact,
				CAST(julianday(` + now + `) - julianday(NULLIF(max(s.last_at, s.began), '')) AS INT) AS days
			FROM (SELECT a.user AS worker, min(a."from") AS began,
					COALESCE((SELECT max(c.last_at) FROM sync_contacts c JOIN devices d ON d.id = c.device WHERE d.user = a.user), '') AS last_at
				FROM assignments a WHERE a."from" <= ` + now + ` AND (a.until = '' OR a.until > ` + now + `) GROUP BY a.user) s
			JOIN users ON users.id = s.worker AND users.role = 'grid_worker'
			WHERE max(s.last_at, s.began) < ` + ago(silent)

		backlog := core.NewViewCollection("backlog_devices")
		backlog.ViewQuery = `SELECT devices.id, devices.id AS device, devices.user, devices.state, CAST(s.pending AS INT) AS pending, CAST(s.waiting AS INT) AS waiting,
				CAST(s.skew AS INT) AS skew_seconds, CAST(s.last_at AS TEXT) AS last_contact, CAST(s.why AS TEXT) AS why
			FROM (SELECT c.device, c.pending, c.last_at, c.skew_ms / 1000 AS skew, COALESCE(w.waiting, 0) AS waiting, ltrim(
					CASE WHEN c.pending > 0 AND c.last_at < ` + ago("2") + ` THEN '、有未报记录，两天没有联系' ELSE '' END ||
					CASE WHEN c.pending > 100 THEN '、未报记录过多' ELSE '' END ||
					CASE WHEN w.oldest < ` + ago("3") + ` THEN '、所属记录三天没有上报' ELSE '' END ||
					CASE WHEN abs(c.skew_ms) > 300000 THEN '、手机时钟不准' ELSE '' END, '、') AS why
				FROM sync_contacts c LEFT JOIN (SELECT device, count(*) AS waiting, min(received_at) AS oldest FROM sync_deferred GROUP BY device) w ON w.device = c.device) s
			JOIN devices ON devices.id = s.device
			WHERE s.why != ''`

		issues := core.NewViewCollection("open_sync_issues")
		issues.ViewQuery = `SELECT users.id, users.id AS user, users.mobile, users.manager, CAST(s.rejected AS INT) AS rejected, CAST(s.conflicts AS INT) AS conflicts,
				CAST(s.waiting AS INT) AS waiting, CAST(s.oldest AS TEXT) AS oldest
			FROM (SELECT i.user AS worker, sum(i.what = 'r') AS rejected, sum(i.what = 'c') AS conflicts, sum(i.what = 'w') AS waiting, min(i.received_at) AS oldest
				FROM (SELECT 'r' AS what, user, received_at FROM sync_rejections WHERE status = 'open'
					UNION ALL SELECT 'c', user, received_at FROM sync_conflicts WHERE status = 'open'
					UNION ALL SELECT 'w', user, received_at FROM sync_deferred) i
				GROUP BY i.user) s
			JOIN users ON users.id = s.worker`
		return saveAll(app, workers, backlog, issues)
	}, func(app core.App) error {
		return dropAll(app, "open_sync_issues", "backlog_devices", "silent_workers")
	})
}
