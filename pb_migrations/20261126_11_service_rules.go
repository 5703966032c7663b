package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// When a contract was paid back in full: until then it counts against the amount approved for its demand.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		loans := find(app, "loans")
		loans.Fields.Add(date("settled_on", "结清日期；空为未结清"))
		return app.Save(loans)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		return dropFields(app, "loans", nil, "settled_on")
	})
}
