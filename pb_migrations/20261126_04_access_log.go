package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// Who read, exported and changed what, in lines that nobody can change; the right to export; no file without a token.
func init() {
	const actionsBefore, actionsNow = "做了什么：查看报表、导出", "做了什么：查看、导出、新建、修改、删除、登录、登录失败、导入、合并、撤销合并"
	files := map[string]string{"harbours": "sign_photo", "policies": "attachment"}
	core.AppMigrations.Register(func(app core.App) error {
		log := find(app, "read_log")
		action := log.Fields.GetByName("action").(*core.SelectField)
		action.Values, action.Help, action.Presentable = []string{"read", "export", "create", "update", "delete", "sign_in", "sign_in_failed", "import", "merge", "undo"}, actionsNow, true
		target := log.Fields.GetByName("target").(*core.TextField)
		target.Max, target.Help = 500, "查询条件、文件或报表"
		// Texts, not relations: a line stays as it was written when the account or the record is gone. In the order that the console
		// shows: when, who, what.
		log.Fields.AddAt(2, &core.TextField{Name: "actor", Max: 255, Presentable: true, Help: "谁：姓名，系统管理员为邮箱，服务器命令为操作系统用户"})
		at := log.Fields.GetByName("at")
		for _, name := range []string{"at", "created", "updated"} { // PocketBase's own clock tells nothing of a line that is never changed
			log.Fields.RemoveByName(name)
		}
		log.Fields.AddAt(2, at)
		log.Fields.Add(
			text("collection", 60, "哪类记录"),
			text("record", 64, "记录编号；查看列表时为空"),
			whole("rows", 0, 1e9, "条数"),
			jsonField("changes", 1<<16, "改了哪些字段；选项、数字、日期和关联同时记下前后的值，文字和个人信息只记字段名"),
			one("via", "途径：走访应用、报告页面、管理后台、接口、服务器命令", "app", "portal", "console", "api", "command"),
			text("address", 45, "网络地址"),
			text("actor_role", 30, "当时的角色：superuser 为系统管理员，operator 为服务器命令"),
			text("actor_id", 32, "账号编号；服务器命令和未登录的为空"),
		)
		log.RemoveIndex("read_log_user")
		if err := app.Save(log); err != nil {
			return err
		}
		if err := execAll(app, `UPDATE read_log SET via = 'portal', actor_id = user, actor = COALESCE((SELECT name FROM users WHERE id = read_log.user), ''),
			actor_role = COALESCE((SELECT role FROM users WHERE id = read_log.user), '')`); err != nil {
			return err
		}
		log.Fields.RemoveByName("user")
		log.AddIndex("read_log_at", false, "at", "")
		log.AddIndex("read_log_actor", false, "actor_id, at", "")
		log.AddIndex("read_log_record", false, "record", "record != ''")
		users := find(app, "users")
		users.Fields.Add(boolean("may_export", "可导出报表和工作簿；每次导出都有记录"))
		if err := saveAll(app, log, users); err != nil {
			return err
		}
		if err := protectFiles(app, files, true); err != nil {
			return err
		}
		return execAll(app,
			`CREATE TRIGGER log_kept_update BEFORE UPDATE ON read_log BEGIN SELECT RAISE(ABORT, 'read_log is append-only'); END`,
			`CREATE TRIGGER log_kept_delete BEFORE DELETE ON read_log BEGIN SELECT RAISE(ABORT, 'read_log is append-only'); END`,
		)
	}, func(app core.App) error {
		if err := execAll(app, `DROP TRIGGER IF EXISTS log_kept_update`, `DROP TRIGGER IF EXISTS log_kept_delete`); err != nil {
			return err
		}
		if err := protectFiles(app, files, false); err != nil {
			return err
		}
		users, log := find(app, "users"), find(app, "read_log")
		users.Fields.RemoveByName("may_export")
		log.Fields.AddAt(1, rel("user", users, "谁"))
		for _, index := range []string{"read_log_at", "read_log_actor", "read_log_record"} {
			log.RemoveIndex(index)
		}
		log.AddIndex("read_log_user", false, "user, at", "")
		log.Fields.Add(&core.AutodateField{Name: "created", OnCreate: true}, &core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true})
		if err := saveAll(app, users, log); err != nil {
			return err
		}
		if err := execAll(app, `DELETE FROM read_log WHERE action NOT IN ('read', 'export')`,
			`UPDATE read_log SET user = actor_id WHERE actor_id IN (SELECT id FROM users)`); err != nil {
			return err
		}
		for _, name := range []string{"actor", "actor_id", "actor_role", "collection", "record", "rows", "changes", "via", "address"} {
			log.Fields.RemoveByName(name)
		}
		action := log.Fields.GetByName("action").(*core.SelectField)
		action.Values, action.Help, action.Presentable = []string{"read", "export"}, actionsBefore, false
		target := log.Fields.GetByName("target").(*core.TextField)
		target.Max, target.Help = 200, "看了什么"
		return app.Save(log)
	})
}

func protectFiles(app core.App, files map[string]string, protected bool) error {
	for collection, field := range files {
		c := find(app, collection)
		c.Fields.GetByName(field).(*core.FileField).Protected = protected
		if err := app.Save(c); err != nil {
			return err
		}
	}
	return nil
}
