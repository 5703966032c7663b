package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What an administrator decides about what a push could not take, and the trail of it that nobody can change.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		rejections := find(app, "sync_rejections")
		correction := jsonField("correction", 5<<20, "更正后的上报：不填则按原上报重新办理；可先照抄“上报的完整内容”再改，记录编号不能改")
		correction.Hidden = true
		rejections.Fields.Add(
			one("resolution", "处理：重新办理、作废（须填处理说明）", "replay", "drop"),
			boolean("override_scope", "重新办理时不受负责范围限制（上报人不变，其他规则照旧）"),
			correction,
			jsonField("replay_errors", 1<<20, "上次重新办理未通过的原因"),
			whole("skew_ms", -9e15, 9e15, "收到时手机时钟的偏差（毫秒，正数表示手机偏快）"),
		)
		conflicts := find(app, "sync_conflicts")
		// Not for the worker: it may be a value that the worker's role does not see.
		present := jsonField("present", 1<<20, "处理时服务器上的值：冲突之后又有改动，请核对后再处理一次")
		present.Hidden = true
		conflicts.Fields.Add(one("resolution", "处理：保留服务器的值、采用上报的值", "take_theirs", "take_ours"), present)
		for _, c := range []*core.Collection{rejections, conflicts} {
			by := text("settled_by", 255, "谁处理的（系统填写）")
			by.Hidden = true
			c.Fields.Add(by, date("settled_at", "处理时间（系统填写）"))
		}
		// Texts, not relations: the trail stays when what it names is gone.
		audit := newBase("sync_audit",
			date("at", "时间"),
			text("by", 255, "谁：管理员邮箱"),
			text("by_id", 32, "管理员编号"),
			&core.SelectField{Name: "action", MaxSelect: 1, Values: []string{"replay", "drop", "take_theirs", "take_ours", "device_state"}, Presentable: true,
				Help: "做了什么：重新办理、作废、保留服务器的值、采用上报的值、改设备状态"},
			text("collection", 60, "处理的是哪类记录"),
			text("record", 32, "处理的记录编号"),
			jsonField("before", 6<<20, "之前"),
			jsonField("after", 6<<20, "之后"),
			text("note", 500, "处理说明"),
		)
		audit.AddIndex("sync_audit_at", false, "at", "")
		audit.AddIndex("sync_audit_record", false, "record", "")
		if err := saveAll(app, rejections, conflicts, audit); err != nil {
			return err
		}
		// Also against plain SQL; not named sync_…, for those belong to the feed.
		return execAll(app,
			`CREATE TRIGGER audit_kept_update BEFORE UPDATE ON sync_audit BEGIN SELECT RAISE(ABORT, 'sync_audit is append-only'); END`,
			`CREATE TRIGGER audit_kept_delete BEFORE DELETE ON sync_audit BEGIN SELECT RAISE(ABORT, 'sync_audit is append-only'); END`,
		)
	}, func(app core.App) error {
		if err := execAll(app, `DROP TRIGGER audit_kept_update`, `DROP TRIGGER audit_kept_delete`); err != nil {
			return err
		}
		if err := dropAll(app, "sync_audit"); err != nil {
			return err
		}
		for name, fields := range map[string][]string{
			"sync_rejections": {"resolution", "override_scope", "correction", "replay_errors", "skew_ms", "settled_by", "settled_at"},
			"sync_conflicts":  {"resolution", "present", "settled_by", "settled_at"}} {
			c := find(app, name)
			for _, f := range fields {
				c.Fields.RemoveByName(f)
			}
			if err := app.Save(c); err != nil {
				return err
			}
		}
		return nil
	})
}
