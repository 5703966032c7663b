package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What shows that a held activity took place, kept by the server: minutes are personal and never leave for the warehouse, so
// that only here can it be said that there are some. And the held ones that nothing shows yet, for whoever runs after them.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		activities := find(app, "activities")
		activities.Fields.Add(many("evidence", "佐证：照片、签到、纪要；已举办且有照片，并有签到或纪要的，才算有据可查（系统维护）", "photo", "roster", "minutes"))
		if err := app.Save(activities); err != nil {
			return err
		}
		if err := execAll(app, `UPDATE activities SET evidence = (SELECT json_group_array(kind) FROM (
			SELECT 'photo' AS kind WHERE EXISTS (SELECT 1 FROM photos p WHERE p.record = activities.id AND p.collection = 'activities' AND p.file != '')
			UNION ALL SELECT 'roster' WHERE activities.attendees NOT IN ('', '[]') OR activities.enterprises NOT IN ('', '[]')
			UNION ALL SELECT 'minutes' WHERE trim(activities.minutes, char(9, 10, 13, 32, 12288)) != '')) WHERE status = 'held'`); err != nil {
			return err
		}
		unshown := core.NewViewCollection("unshown_activities")
		unshown.ViewQuery = `SELECT activities.id, activities.id AS activity, activities.harbour, activities.kind, activities.start, activities.evidence, activities.organiser
			FROM activities WHERE activities.status = 'held' AND NOT (activities.evidence LIKE '%"photo"%' AND json_array_length(activities.evidence) > 1)`
		return app.Save(unshown)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		if err := dropAll(app, "unshown_activities"); err != nil {
			return err
		}
		return dropFields(app, "activities", nil, "evidence")
	})
}
