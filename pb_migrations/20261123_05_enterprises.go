package pb_migrations

import "github.com/pocketbase/pocketbase/core"

func init() {
	core.AppMigrations.Register(func(app core.App) error {
		grids, users := find(app, "grids"), find(app, "users")
		c := newBase("enterprises",
			needText("name", 120, "市场主体名称"),
			text("uscc", 18, "统一社会信用代码（18 位；早期试点代码校验位可能不符，只提示不拦截）"),
			one("kind", "主体类型：企业、个体工商户、农民专业合作社、其他", "company", "individual_business", "cooperative", "other"),
			text("industry", 4, "行业代码（GB/T 4754-2017，门类字母或 2–4 位数字）"),
			one("size", "规模（国统字〔2017〕213号）：微型、小型、中型、大型、未划型", "micro", "small", "medium", "large", "unknown"),
			rel("grid", grids, "所属网格；空为待分配"),
			text("address", 200, "住所或经营场所"),
			geo("location", "门店位置（WGS-84）"),
			text("owner", 40, "法定代表人或经营者"),
			text("contact", 40, "联系人"),
			text("phone", 20, "联系电话"),
			whole("employees", 0, 1e6, "从业人员（人）"),
			whole("revenue", 0, 1e12, "年营业收入（元）"),
			whole("total_assets", 0, 1e12, "资产总额（元）"),
			date("founded_on", "成立日期"),
			many("tags", "标签", "green", "technology", "manufacturing", "agriculture", "foreign_trade", "specialised", "key"),
			many("special_groups", "特殊群体（仅经办人可见）", "unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"),
			one("borrowing", "银行贷款情况：从未、现有、曾有、不清楚", "never", "current", "past", "unknown"),
			one("account_opened", "是否已开立对公账户", "yes", "no", "unknown"),
			one("status", "状态：正常、已注销、已搬离、重复", "active", "closed", "moved", "duplicate"),
			text("initials", 120, "拼音首字母（系统生成，用于搜索）"),
			one("ownership", "所有制：民营、国有、集体、外资、不详", "private", "state", "collective", "foreign", "unknown"),
			text("registry_status", 20, "登记状态：存续、在业、开业、注销、吊销、迁出等"),
			one("origin", "来源：登记名录、现场发现", "registry", "field"),
			date("confirmed_at", "现场发现的主体经管理员确认的时间；确认后计入基数"),
			date("key_listed_on", "列入重点企业清单的日期"),
			text("key_list_source", 80, "重点企业清单来源"),
			rel("service_staff", users, "重点企业服务人员"),
		)
		c.Fields.Add(captured()...)
		c.Fields.Add(scopes("scope_grid", "scope_harbour")...)
		if err := app.Save(c); err != nil {
			return err
		}
		c.Fields.Add(rel("suspected_duplicate_of", c, "疑似与此主体重复（系统提示，由管理员核实）"))
		readable(c, signedIn+` && (`+holdsGrid+` || `+holdsHarbour+`)`)
		c.AddIndex("enterprises_uscc", false, "uscc", "uscc != ''")
		c.AddIndex("enterprises_phone", false, "phone", "phone != ''")
		c.AddIndex("enterprises_grid", false, "grid", "")
		c.AddIndex("enterprises_scope_grid", false, "scope_grid", "")
		c.AddIndex("enterprises_scope_harbour", false, "scope_harbour", "")
		c.AddIndex("enterprises_name", false, "name", "")
		return app.Save(c)
	}, func(app core.App) error { return dropAll(app, "enterprises") })
}
