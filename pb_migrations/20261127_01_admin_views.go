package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Two more things an admin runs after of a morning: answers that are due (§三(二)五) and what a harbour was to put right (§四(二)).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		const today = `date((SELECT now FROM sync_clock), '+8 hours')`
		// Working days after the day of a term, as in overdue_demands: Monday to Friday, corrected by the calendar of holidays.
		weekdays := func(day string) string {
			n := `(CAST(julianday(` + day + `) - julianday('1900-01-01') AS INTEGER) + 1)`
			return `(` + n + ` / 7 * 5 + min(` + n + ` % 7, 5))`
		}
		over := func(due string) string {
			day := `date(` + due + `, '+8 hours')`
			return `(` + weekdays(today) + ` - ` + weekdays(day) +
				` + (SELECT count(*) FROM holidays h WHERE h.kind = 'workday' AND h.day > ` + day + ` AND h.day <= ` + today + ` AND strftime('%w', h.day) IN ('0', '6'))` +
				` - (SELECT count(*) FROM holidays h WHERE h.kind = 'holiday' AND h.day > ` + day + ` AND h.day <= ` + today + ` AND strftime('%w', h.day) NOT IN ('0', '6')))`
		}
		feedback := core.NewViewCollection("overdue_feedback")
		feedback.ViewQuery = `SELECT feedback.id, feedback.id AS feedback, CAST(` + over("feedback.due") + ` AS INT) AS over_days, feedback.kind, feedback.category,
				feedback.harbour, feedback.owner, feedback.agency, feedback.bank, feedback.reported_at, feedback.due
			FROM feedback WHERE feedback.status = 'open' AND feedback.due != '' AND ` + over("feedback.due") + ` > 0`
		rectifications := core.NewViewCollection("overdue_rectifications")
		rectifications.ViewQuery = `SELECT rectifications.id, rectifications.id AS rectification, CAST(` + over("rectifications.due") + ` AS INT) AS over_days,
				rectifications.harbour, rectifications.inspection, rectifications.item, rectifications.recheck_result, rectifications.due
			FROM rectifications WHERE rectifications.done_on = '' AND ` + over("rectifications.due") + ` > 0`
		return saveAll(app, feedback, rectifications)
	}, func(app core.App) error { return dropAll(app, "overdue_rectifications", "overdue_feedback") })
}
