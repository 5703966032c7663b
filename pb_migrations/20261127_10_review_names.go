package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// A score and an appeal carry the name of what they judge: the scheme is read by officials only, the harbour reads its scores.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		reviews := find(app, "reviews")
		reviews.Fields.Add(text("item_name", 80, "考核项目名称（评分、申诉；系统填写）"))
		if err := app.Save(reviews); err != nil {
			return err
		}
		return execAll(app, `UPDATE reviews SET item_name = ifnull((SELECT json_extract(i.value, '$.name') FROM reviews s JOIN assessment_schemes a ON a.id = s.scheme, json_each(a.items) i
			WHERE s.harbour = reviews.harbour AND s.period = reviews.period AND s.item = reviews.item AND json_extract(i.value, '$.code') = s.item LIMIT 1), '') WHERE item != ''`)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		return dropFields(app, "reviews", nil, "item_name")
	})
}
