package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// The two handbooks, dated parameters and the calendar of working days.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		banks := find(app, "banks")
		tags := []string{"individual_business", "micro_small", "first_loan", "green", "technology", "manufacturing", "agriculture", "commerce", "startup", "veteran", "disabled", "graduate", "migrant_returnee"}

		policies := readable(newBase("policies",
			needText("title", 120, "标题"),
			required(one("kind", "类别：信贷、征信、外汇及跨境人民币、反洗钱、财政、产业、税收、消费者权益、反诈、创业担保贷款、平台操作手册",
				"credit", "credit_report", "fx_rmb", "aml", "fiscal", "industrial", "tax", "consumer", "anti_fraud", "startup_loan", "platform_guide")),
			&core.EditorField{Name: "text", MaxSize: 200_000, Help: "正文"},
			&core.FileField{Name: "attachment", MaxSelect: 1, MaxSize: 20 << 20, Help: "附件"},
			date("valid_from", "有效期起"),
			date("valid_until", "有效期止，空为长期"),
			many("tags", "适用对象", tags...),
		), signedIn)

		products := readable(newBase("products",
			needText("name", 80, "产品名称"),
			needRel("bank", banks, "提供机构"),
			one("kind", "类别：信用、抵押、保证、质押、供应链、创业担保、其他", "credit", "mortgage", "guaranteed", "pledge", "supply_chain", "startup", "other"),
			whole("amount_min", 0, 1e10, "额度下限（元）"),
			whole("amount_max", 0, 1e10, "额度上限（元）"),
			whole("term_min", 0, 600, "期限下限（月）"),
			whole("term_max", 0, 600, "期限上限（月）"),
			number("rate_min", 0, 36, "年利率下限（%）"),
			number("rate_max", 0, 36, "年利率上限（%）"),
			boolean("revolving", "随借随还"),
			text("conditions", 2000, "申请条件"),
			many("tags", "适用对象", tags...),
			text("how_to_apply", 1000, "办理方式"),
			text("loan_code_link", 300, "贷款码链接"),
		), signedIn)
		products.AddIndex("products_bank", false, "bank", "")

		parameters := readable(newBase("parameters",
			&core.TextField{Name: "code", Max: 60, Required: true, Presentable: true, Pattern: `^[a-z0-9_.]+$`, Help: "参数代码"},
			required(text("value", 200, "值；数字照写，单位见说明")),
			date("from", "生效日期"),
			date("until", "失效日期，空为现行"),
			text("source_doc", 200, "依据文件"),
			text("note", 300, "说明与单位"),
		), signedIn)
		parameters.AddIndex("parameters_code", true, "code, `from`", "")

		holidays := readable(newBase("holidays",
			required(text("day", 10, "日期，如 2026-10-01")),
			required(one("kind", "放假或调休上班", "holiday", "workday")),
			&core.TextField{Name: "name", Max: 40, Presentable: true, Help: "名称"},
		), signedIn)
		holidays.Fields.GetByName("day").(*core.TextField).Pattern = `^\d{4}-\d{2}-\d{2}$`
		holidays.AddIndex("holidays_day", true, "day", "")
		return saveAll(app, policies, products, parameters, holidays)
	}, func(app core.App) error { return dropAll(app, "holidays", "parameters", "products", "policies") })
}
