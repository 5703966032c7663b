package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What a scope holds is found without reading what others hold: a first download and the list API ask by scope.
func init() {
	columns := []string{"scope_grid", "scope_harbour", "scope_bank"}
	core.AppMigrations.Register(func(app core.App) error {
		for _, name := range []string{"demand_matches", "demand_events"} {
			c := find(app, name)
			for _, column := range columns {
				c.AddIndex(name+"_"+column, false, column, "")
			}
			if err := app.Save(c); err != nil {
				return err
			}
		}
		return nil
	}, func(app core.App) error {
		for _, name := range []string{"demand_matches", "demand_events"} {
			c := find(app, name)
			for _, column := range columns {
				c.RemoveIndex(name + "_" + column)
			}
			if err := app.Save(c); err != nil {
				return err
			}
		}
		return nil
	})
}
