package pb_migrations

import (
	"fmt"

	"github.com/pocketbase/pocketbase/core"
)

// What an admin looks at of a morning: demands nobody has answered in time, enterprises no grid has, finds nobody has confirmed.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		const now = `(SELECT now FROM sync_clock)`
		const today = `date(` + now + `, '+8 hours')`
		// Monday to Friday up to a day, counted from a Monday; the calendar of holidays corrects it.
		weekdays := func(day string) string {
			n := `(CAST(julianday(` + day + `) - julianday('1900-01-01') AS INTEGER) + 1)`
			return `(` + n + ` / 7 * 5 + min(` + n + ` % 7, 5))`
		}
		passed := func(since string) string {
			day := `date(` + since + `, '+8 hours')`
			return `(` + weekdays(today) + ` - ` + weekdays(day) +
				` + (SELECT count(*) FROM holidays h WHERE h.kind = 'workday' AND h.day > ` + day + ` AND h.day <= ` + today + ` AND strftime('%w', h.day) IN ('0', '6'))` +
				` - (SELECT count(*) FROM holidays h WHERE h.kind = 'holiday' AND h.day > ` + day + ` AND h.day <= ` + today + ` AND strftime('%w', h.day) NOT IN ('0', '6')))`
		}
		// As in the reports: the limit in force when the step began; what is no whole number from 1 to 366 counts as the usual one.
		limit := func(code, since string, usual int) string {
			return fmt.Sprintf(`COALESCE((SELECT CASE WHEN p.value NOT GLOB '*[^0-9]*' AND CAST(p.value AS INTEGER) BETWEEN 1 AND 366 THEN CAST(p.value AS INTEGER) ELSE %[3]d END`+
				` FROM parameters p WHERE p.code = '%[1]s' AND p."from" <= %[2]s AND (p.until = '' OR p.until > %[2]s) ORDER BY p."from" DESC, p.id LIMIT 1), %[3]d)`, code, since, usual)
		}
		ofDemand := func(stage, step, since, code string, days int) string {
			return fmt.Sprintf(`SELECT o.id AS id, o.id AS demand, '' AS open_match, '%s' AS step, o.%s AS since, %s - %s AS over_days FROM demands o WHERE o.stage = '%s' AND o.%s != ''`,
				step, since, passed("o."+since), limit(code, "o."+since, days), stage, since)
		}
		ofMatch := func(where, step, since, code string, days int) string {
			return fmt.Sprintf(`SELECT o.id, o.demand, o.id, '%s', o.%s, %s - %s FROM demand_matches o WHERE o.result = 'pending' AND %s`,
				step, since, passed("o."+since), limit(code, "o."+since, days), where)
		}
		steps := ofDemand("captured", "首问受理", "captured_at", "sla.accept_days", 1) +
			" UNION ALL " + ofDemand("accepted", "对接银行", "accepted_at", "sla.match_days", 1) +
			" UNION ALL " + ofMatch("o.first_contact_at = '' AND o.applied_at = ''", "银行联系", "matched_at", "sla.contact_days", 3) +
			" UNION ALL " + ofMatch("o.applied_at != ''", "审批", "applied_at", "sla.decision_days", 15)

		overdue := core.NewViewCollection("overdue_demands")
		overdue.ViewQuery = `SELECT s.id, demands.id AS demand, CAST(s.step AS TEXT) AS step, CAST(s.over_days AS INT) AS over_days, demands.harbour, demand_matches.bank, demands.first_responder, demands.stage, demands.amount, CAST(s.since AS TEXT) AS since
			FROM (` + steps + `) s
			JOIN demands ON demands.id = s.demand AND demands.stage NOT IN ('disbursed', 'withdrawn', 'closed', 'void')
			LEFT JOIN demand_matches ON demand_matches.id = s.open_match
			WHERE s.over_days > 0`

		unassigned := core.NewViewCollection("unassigned_enterprises")
		unassigned.ViewQuery = `SELECT enterprises.id, enterprises.id AS enterprise, enterprises.uscc, enterprises.kind, enterprises.address, enterprises.origin, enterprises.created
			FROM enterprises WHERE enterprises.grid = '' AND enterprises.status IN ('', 'active') AND enterprises.registry_status IN ('', '存续', '在业', '开业')`

		finds := core.NewViewCollection("unconfirmed_finds")
		finds.ViewQuery = `SELECT enterprises.id, enterprises.id AS enterprise, enterprises.uscc, enterprises.grid, enterprises.suspected_duplicate_of, enterprises.captured_at
			FROM enterprises WHERE enterprises.origin = 'field' AND enterprises.confirmed_at = '' AND enterprises.status IN ('', 'active')`
		return saveAll(app, overdue, unassigned, finds)
	}, func(app core.App) error {
		return dropAll(app, "unconfirmed_finds", "unassigned_enterprises", "overdue_demands")
	})
}
