package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// Users with roles, who walks which grid, their devices, and the dated past of every value that decides who may see what.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		areas, grids, harbours, banks := find(app, "areas"), find(app, "grids"), find(app, "harbours"), find(app, "banks")

		users := find(app, "users")
		users.Fields.RemoveByName("avatar")
		users.Fields.GetByName("email").(*core.EmailField).Required = false
		name := users.Fields.GetByName("name").(*core.TextField)
		name.Max, name.Required, name.Presentable, name.Help = 40, true, true, "姓名"
		users.Fields.Add(
			required(one("role", "角色：网格员、港湾当值、港湾负责人、联络员、银行、部门、主管部门、街道",
				"grid_worker", "harbour_staff", "harbour_head", "liaison", "bank", "department", "official", "street_official")),
			&core.TextField{Name: "mobile", Max: 11, Pattern: `^1[3-9][0-9]{9}$`, Help: "手机号，可用于登录"},
			text("staff_no", 30, "工号，可用于登录"),
			rel("street", areas, "所属镇街（街道账号、网格员）"),
			rel("harbour", harbours, "所属港湾（当值、负责人、联络员）"),
			rel("bank", banks, "所属银行（银行账号、港湾人员）"),
			rel("manager", users, "直接负责人"),
			rels("scope_grids", grids, 200, "现在负责的网格（由“网格分配”按日期自动维护，不要手改）"),
			boolean("must_change_password", "下次登录须修改密码"),
		)
		users.AddIndex("users_mobile", true, "mobile", "mobile != ''")
		users.AddIndex("users_staff_no", true, "staff_no", "staff_no != ''")
		users.PasswordAuth.IdentityFields = []string{"email", "mobile", "staff_no"}
		users.OAuth2.Enabled = false
		users.AuthToken.Duration = 14 * 24 * 3600 // as long as a phone keeps what it has sent
		self := `id = @request.auth.id`
		users.ListRule, users.ViewRule = types.Pointer(self), types.Pointer(self)
		users.CreateRule, users.UpdateRule, users.DeleteRule = nil, nil, nil
		if err := app.Save(users); err != nil {
			return err
		}

		harbours.Fields.Add(rel("head", users, "港湾负责人"))
		if err := app.Save(harbours); err != nil {
			return err
		}

		own := signedIn + ` && user = @request.auth.id`
		assignments := readable(newBase("assignments",
			needRel("user", users, "网格员"),
			needRel("grid", grids, "网格"),
			date("from", "开始时间"),
			date("until", "结束时间，空为至今；到时自动失效"),
		), own)
		assignments.AddIndex("assignments_user", false, "user, grid", "")
		assignments.AddIndex("assignments_grid", false, "grid", "")
		assignments.AddIndex("assignments_from", false, "`from`", "")
		assignments.AddIndex("assignments_until", false, "until", "until != ''")

		devices := readable(newBase("devices",
			needRel("user", users, "使用人；一台设备只属于一个人"),
			&core.TextField{Name: "name", Max: 80, Presentable: true, Help: "设备名称"},
			text("platform", 80, "系统与浏览器"),
			text("app_version", 40, "应用版本"),
			one("state", "状态：正常、只收不发（换机或报失，仅可上报）、停用、已清除", "active", "drain_only", "suspended", "wiped"),
		), own)
		devices.AddIndex("devices_user", false, "user", "")

		// Only past values are kept here; the present value is on the record itself. Filled by triggers.
		history := newBase("scope_history",
			required(text("collection", 40, "哪类记录")),
			required(text("record", 32, "记录编号")),
			required(text("field", 40, "字段")),
			text("value", 60, "当时的值"),
			date("since", "起（含），空为最初"),
			date("until", "止（不含）"),
		)
		history.AddIndex("scope_history_record", false, "record, field, until", "")
		return saveAll(app, assignments, devices, history)
	}, func(app core.App) error {
		if err := dropAll(app, "scope_history", "devices", "assignments"); err != nil {
			return err
		}
		harbours := find(app, "harbours")
		harbours.Fields.RemoveByName("head")
		if err := app.Save(harbours); err != nil {
			return err
		}
		users := find(app, "users")
		users.RemoveIndex("users_mobile")
		users.RemoveIndex("users_staff_no")
		users.PasswordAuth.IdentityFields = []string{"email"}
		for _, f := range []string{"role", "mobile", "staff_no", "street", "harbour", "bank", "manager", "scope_grids", "must_change_password"} {
			users.Fields.RemoveByName(f)
		}
		return app.Save(users)
	})
}
