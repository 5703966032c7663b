package pb_migrations

import "github.com/pocketbase/pocketbase/core"

// What a harbour does beside demands: counter services, cultivation, authorised credit, policies pushed, difficulties taken up,
// hints of illegal finance (§三(二), 附件三, 六).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, areas, grids, harbours := find(app, "users"), find(app, "areas"), find(app, "grids"), find(app, "harbours")
		banks, agencies, enterprises, demands := find(app, "banks"), find(app, "agencies"), find(app, "enterprises"), find(app, "demands")
		visits, policies, products := find(app, "visits"), find(app, "policies"), find(app, "products")
		groups := []string{"unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"}

		services := newBase("services",
			required(one("kind", "类别：征信查询、政策解读、业务咨询、融资需求对接、开户、信息建档、特殊群体服务、其他",
				"credit_report_query", "policy_reading", "consultation", "demand_matching", "account_opening", "enterprise_file", "special_group", "other")),
			needRel("harbour", harbours, "金融服务港湾"),
			rel("enterprise", enterprises, "市场主体"),
			&core.TextField{Name: "person", Max: 40, Presentable: true, Help: "办事人姓名（没有市场主体的个人）"},
			text("person_phone", 20, "办事人电话"),
			one("special_group", "特殊群体（仅经办人可见）", groups...),
			boolean("green_channel", "使用绿色通道"),
			rel("staff", users, "经办人"),
			rel("first_responder", users, "首问负责人"),
			rel("demand", demands, "由此登记的融资需求"),
			required(date("accepted_at", "受理时间")),
			date("due", "办结期限（系统按参数计算）"),
			date("completed_at", "办结时间"),
			text("result", 500, "办理结果"),
			one("status", "状态：办理中、已办结（系统维护）", "open", "done"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(services, true, heldBy(holdsHarbour), "scope_harbour")
		services.AddIndex("services_enterprise", false, "enterprise", "enterprise != ''")
		services.AddIndex("services_open", false, "status, due", "status = 'open'")

		cultivations := newBase("cultivations",
			needRel("enterprise", enterprises, "市场主体"),
			rel("harbour", harbours, "培育港湾（系统填写：登记时的服务港湾）"),
			many("missing", "所缺条件：无纳税记录、无信用记录、征信不良、无抵质押、经营时间短、账务不全、其他",
				"no_tax_record", "no_credit_record", "bad_credit", "no_collateral", "short_history", "poor_books", "other"),
			text("plan", 1000, "培育计划"),
			rel("tutor", users, "辅导人"),
			text("steps", 2000, "辅导记录"),
			date("next_step_on", "下次辅导日期"),
			required(date("started_on", "开始日期")),
			required(one("status", "状态：培育中、已转化、已终止", "active", "graduated", "dropped")),
			date("ended_on", "结束日期"),
			text("drop_reason", 300, "终止原因"),
			rel("demand_from", demands, "由哪条融资需求转入"),
			rel("demand_to", demands, "转化为哪条融资需求"),
		)
		held(cultivations, true, heldBy(holdsGrid, holdsHarbour), "scope_grid", "scope_harbour")
		cultivations.AddIndex("cultivations_enterprise", true, "enterprise", "status = 'active'")
		cultivations.AddIndex("cultivations_demand", false, "demand_from", "demand_from != ''")

		lines := newBase("credit_lines",
			needRel("enterprise", enterprises, "市场主体"),
			needRel("bank", banks, "授信银行"),
			rel("harbour", harbours, "归属港湾（缺省取主体的服务港湾）"),
			date("authorised_on", "授权日期：主体同意查询征信的日期"),
			required(whole("amount", 1, 1e10, "授信金额（元，整数）")),
			whole("used", 0, 1e10, "已用金额（元）"),
			date("valid_until", "授信有效期止"),
			rel("product", products, "产品"),
			boolean("first_loan", "首贷户"),
			text("note", 300, "说明"),
		)
		held(lines, true, heldBy(holdsHarbour, holdsBank, holdsOfficial), "scope_harbour", "scope_bank", "scope_official")
		lines.AddIndex("credit_lines_enterprise", false, "enterprise", "")

		pushes := newBase("policy_pushes",
			needRel("policy", policies, "推送的政策"),
			needRel("enterprise", enterprises, "市场主体"),
			required(one("channel", "渠道：上门、电话、微信、短信、会议、窗口、信函", "visit", "phone", "wechat", "sms", "meeting", "counter", "letter")),
			rel("by", users, "推送人"),
			rel("harbour", harbours, "推送时的服务港湾（系统填写）"),
			rel("visit", visits, "随哪次走访推送"),
			required(date("at", "推送时间")),
			one("receipt", "回执：未回、签收、电话确认、面访、来询、已申请", "none", "signed", "phone", "face_to_face", "asked", "applied"),
			date("receipt_at", "回执时间"),
			text("note", 300, "说明"),
		)
		held(pushes, true, heldBy(holdsGrid, holdsHarbour), "scope_grid", "scope_harbour")
		pushes.AddIndex("policy_pushes_enterprise", false, "enterprise", "")

		feedback := newBase("feedback",
			&core.TextField{Name: "number", Max: 20, Presentable: true, Help: "编号（系统生成）"},
			rel("enterprise", enterprises, "市场主体；匿名则空"),
			boolean("anonymous", "匿名"),
			required(one("channel", "来源：问题收集箱、电话、窗口、走访、线上", "box", "phone", "window", "visit", "online")),
			required(one("kind", "类别：困难问题、投诉、金融消费者权益、建议", "difficulty", "complaint", "consumer_rights", "suggestion")),
			one("category", "问题分类：融资难、融资贵、手续繁、审批慢、征信、抵押担保、开户结算、服务态度、推诿、收费、政策不清、其他",
				"access", "cost", "paperwork", "slow_approval", "credit_record", "collateral", "account", "attitude", "deflection", "charges", "policy_unclear", "other"),
			&core.TextField{Name: "text", Max: 2000, Required: true, Help: "反映的内容"},
			text("contact", 60, "联系人和电话"),
			rel("harbour", harbours, "受理港湾"),
			rel("reporter", users, "记录人"),
			rel("against", users, "被投诉人；投诉不给被投诉人看"),
			rel("owner", users, "承办人"),
			rel("agency", agencies, "转办部门"),
			rel("bank", banks, "转办银行"),
			date("routed_at", "转办时间（系统填写）"),
			required(date("reported_at", "反映时间")),
			date("due", "答复期限（系统按参数计算）"),
			text("answer", 2000, "答复内容"),
			date("answered_at", "答复时间"),
			date("delivered_at", "答复送达本人（回访）时间"),
			date("closed_at", "办结时间"),
			one("status", "状态：待答复、已答复、已办结（系统维护）", "open", "answered", "closed"),
			one("finding", "投诉核查：核查中、属实、不属实", "pending", "upheld", "not_upheld"),
			date("finding_at", "核查时间（系统填写）"),
			rel("finding_by", users, "核查人（系统填写：主管部门）"),
			text("finding_note", 500, "核查说明"),
			date("satisfaction_asked_at", "询问满意度时间"),
			one("satisfaction", "满意度：很满意、满意、一般、不满意", "very_satisfied", "satisfied", "neutral", "dissatisfied"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(feedback, true, heldBy(holdsHarbour, holdsUser, holdsOwner, holdsOfficial), "scope_harbour", "scope_user", "scope_owner", "scope_official")
		feedback.AddIndex("feedback_number", true, "number", "number != ''")
		feedback.AddIndex("feedback_open", false, "status, due", "status != 'closed'")
		feedback.AddIndex("feedback_enterprise", false, "enterprise", "enterprise != ''")

		leads := newBase("risk_leads",
			required(one("kind", "类别：非法集资、校园贷、套路贷、高利贷、出租出借买卖账户、涉赌涉诈账户、其他",
				"illegal_fundraising", "campus_loan", "trap_loan", "usury", "account_trading", "gambling_fraud", "other")),
			text("place", 200, "发生地点"),
			rel("area", areas, "所在镇街"),
			rel("grid", grids, "所在网格"),
			rel("harbour", harbours, "报告人所在港湾或服务港湾（系统填写）"),
			&core.TextField{Name: "text", Max: 2000, Required: true, Help: "线索内容（只有报告人和主管部门可见）"},
			required(date("discovered_at", "发现时间")),
			date("reported_at", "报告时间（系统填写）"),
			rel("reporter", users, "报告人"),
			date("handed_at", "移送时间"),
			rel("handed_to", agencies, "移送部门：先金融工作部门，再公安、法院、市场监管"),
			rel("passed_to", agencies, "再移送部门"),
			date("passed_at", "再移送时间"),
			one("result", "核查结果：有效、无效、重复", "valid", "void", "duplicate"),
			text("result_note", 500, "核查说明"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(leads, true, heldBy(holdsUser, holdsOfficial), "scope_user", "scope_official")
		return saveAll(app, services, cultivations, lines, pushes, feedback, leads)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		return dropAll(app, "risk_leads", "feedback", "policy_pushes", "credit_lines", "cultivations", "services")
	})
}
