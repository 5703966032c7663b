package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What a push could not take, whole, for a person to settle; the ledger of pipeline runs; who read which report.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, devices := find(app, "users"), find(app, "devices")
		own := signedIn + ` && scope_user = @request.auth.id`
		head := func() []core.Field {
			return []core.Field{
				rel("user", users, "谁上报的"),
				rel("device", devices, "哪台设备"),
				&core.TextField{Name: "mutation_id", Max: 32, Presentable: true, Help: "上报编号"},
				text("collection", 60, "记录类别"),
				text("record", 60, "记录编号"),
			}
		}
		rejections := newBase("sync_rejections", head()...)
		rejections.Fields.Add(
			text("reason", 60, "退回原因代码"),
			jsonField("errors", 1<<20, "退回原因（代码与说明）"),
			jsonField("mutation", 5<<20, "上报的完整内容"),
			date("received_at", "收到时间"),
			one("status", "状态：待处理、已更正、已处理", "open", "replaced", "settled"),
			text("replaced_by", 32, "更正后的上报编号"),
			text("note", 500, "处理说明"),
		)
		rejections.Fields.Add(scopes("scope_user")...)
		readable(rejections, own)
		rejections.AddIndex("sync_rejections_mutation", false, "mutation_id", "")
		rejections.AddIndex("sync_rejections_record", false, "record, status", "")
		rejections.AddIndex("sync_rejections_user", false, "scope_user", "")

		conflicts := newBase("sync_conflicts", head()...)
		conflicts.Fields.Add(
			text("field", 60, "字段"),
			jsonField("yours", 1<<20, "上报的值"),
			jsonField("theirs", 1<<20, "服务器保留的值"),
			date("received_at", "收到时间"),
			one("status", "状态：待处理、已处理", "open", "settled"),
			text("note", 500, "处理说明"),
		)
		conflicts.Fields.Add(scopes("scope_user")...)
		readable(conflicts, own)
		conflicts.AddIndex("sync_conflicts_record", false, "record", "")
		conflicts.AddIndex("sync_conflicts_user", false, "scope_user", "")

		runs := newBase("report_runs",
			&core.TextField{Name: "run_id", Max: 40, Presentable: true, Help: "批次号：日期-输入摘要"},
			text("date", 10, "统计日期（上海）"),
			one("status", "状态：运行中、已发布、未发布（检查未过）、失败", "running", "published", "blocked", "failed"),
			boolean("provisional", "暂定：统计日期尚未结束"),
			whole("seq", 0, 9e15, "截至变更序号"),
			text("input_hash", 64, "输入摘要"),
			date("started_at", "开始时间"),
			date("finished_at", "结束时间"),
			jsonField("counts", 1<<20, "各步骤行数与用时"),
			jsonField("findings", 1<<20, "检查发现的问题"),
			jsonField("files", 1<<20, "产出文件"),
			text("message", 1000, "结果说明"),
		)
		runs.AddIndex("report_runs_date", false, "date", "")

		reads := newBase("read_log",
			rel("user", users, "谁"),
			one("action", "做了什么：查看报表、导出", "read", "export"),
			text("target", 200, "看了什么"),
			date("at", "时间"),
		)
		reads.AddIndex("read_log_user", false, "user, at", "")
		return saveAll(app, rejections, conflicts, runs, reads)
	}, func(app core.App) error {
		return dropAll(app, "read_log", "report_runs", "sync_conflicts", "sync_rejections")
	})
}
