package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// A run that a shutdown stopped is no failure: it needs no person, and the next start makes it good.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		return setRunStates(app, "状态：运行中、已发布、未发布（检查未过）、失败、已停止（服务关闭）", "running", "published", "blocked", "failed", "stopped")
	}, func(app core.App) error {
		if _, err := app.DB().NewQuery("UPDATE report_runs SET status = 'failed' WHERE status = 'stopped'").Execute(); err != nil {
			return err
		}
		return setRunStates(app, "状态：运行中、已发布、未发布（检查未过）、失败", "running", "published", "blocked", "failed")
	})
}

func setRunStates(app core.App, help string, states ...string) error {
	runs, err := app.FindCollectionByNameOrId("report_runs")
	if err != nil {
		return err
	}
	status := runs.Fields.GetByName("status").(*core.SelectField)
	status.Values, status.Help = states, help
	return app.Save(runs)
}
