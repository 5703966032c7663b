package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What the console shows of a record where another one points to it, instead of its id.
func init() {
	presentable := map[string][]string{
		"assignments": {"user", "grid"}, "visits": {"enterprise", "started_at"}, "photos": {"collection", "file"},
		"demand_matches": {"demand", "bank"}, "demand_events": {"demand", "kind"},
		"cultivations": {"enterprise"}, "credit_lines": {"enterprise", "bank"}, "policy_pushes": {"policy", "enterprise"},
		"referrals": {"enterprise_name", "bank"}, "pairings": {"harbour", "area"}, "risk_leads": {"kind", "discovered_at"},
		"inspections": {"harbour"}, "reviews": {"harbour", "kind"}, "scope_history": {"collection", "field"},
	}
	set := func(app core.App, on bool) error {
		for name, fields := range presentable {
			c := find(app, name)
			for _, f := range fields {
				switch v := c.Fields.GetByName(f).(type) {
				case *core.RelationField:
					v.Presentable = on
				case *core.DateField:
					v.Presentable = on
				case *core.SelectField:
					v.Presentable = on
				case *core.TextField:
					v.Presentable = on
				case *core.FileField:
					v.Presentable = on
				default:
					panic("migration: " + name + "." + f + " cannot be shown")
				}
			}
			if err := app.Save(c); err != nil {
				return err
			}
		}
		return nil
	}
	core.AppMigrations.Register(func(app core.App) error { return set(app, true) }, func(app core.App) error { return set(app, false) })
}
