package pb_migrations

import "github.com/pocketbase/pocketbase/core"

func init() {
	core.AppMigrations.Register(func(app core.App) error {
		enterprises, grids, harbours, users := find(app, "enterprises"), find(app, "grids"), find(app, "harbours"), find(app, "users")
		visits, products, banks := find(app, "visits"), find(app, "products"), find(app, "banks")
		stages := []string{"captured", "accepted", "matched", "applied", "approved", "disbursed", "rejected", "cultivating", "closed", "withdrawn", "void"}
		groups := []string{"unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"}
		reasons := []string{"duplicate", "no_tax_record", "no_credit_record", "bad_credit", "no_collateral", "short_history", "industry_restricted",
			"amount_too_high", "rate_too_high", "materials_missing", "unreachable", "no_longer_needed", "self_financed", "lapsed", "other"}

		demands := newBase("demands",
			&core.TextField{Name: "number", Max: 20, Presentable: true, Help: "需求编号（系统生成）"},
			rel("enterprise", enterprises, "市场主体"),
			text("applicant", 40, "申请人（没有市场主体的个人）"),
			rel("visit", visits, "由哪次走访采集"),
			rel("grid", grids, "采集时所属网格（固定不变）"),
			rel("harbour", harbours, "受理港湾（系统填写）"),
			one("channel", "来源：走访、窗口、贷款码、名单推送、问题反馈、活动", "visit", "window", "loan_code", "referral", "feedback", "activity"),
			required(one("kind", "类别：首贷、续贷、增贷、其他", "first_loan", "renewal", "increase", "other")),
			required(one("need", "用途：流动资金、设备购置、升级改造、绿色转型、创业、股权融资、其他",
				"working_capital", "equipment", "upgrade", "green", "startup", "equity", "other")),
			required(whole("amount", 1, 1e10, "需求金额（元，整数）")),
			whole("term", 0, 600, "期限（月）"),
			rel("product", products, "意向产品"),
			boolean("guarantee_wanted", "需要担保"),
			one("special_group", "特殊群体", groups...),
			one("startup_group", "创业担保贷款人群", groups...),
			one("startup_eligible", "是否符合创业担保贷款条件", "yes", "no", "unknown"),
			text("application_no", 60, "“长江渝融通”申请编号"),
			rel("first_responder", users, "首问负责人（系统填写：受理的当值人员）"),
			whole("accepted_amount", 0, 1e10, "受理金额（元，系统填写）"),
			one("stage", "阶段：采集、首问受理、对接银行、提交申请、审批通过、放款、未通过、培育、未成办结、撤回、作废", stages...),
		)
		for _, s := range []struct{ name, help string }{
			{"accepted_at", "首问受理时间"}, {"matched_at", "对接银行时间"}, {"applied_at", "提交申请时间"}, {"approved_at", "审批通过时间"},
			{"disbursed_at", "放款时间"}, {"rejected_at", "未通过时间"}, {"cultivating_at", "转入培育时间"}, {"closed_at", "未成办结时间"},
			{"withdrawn_at", "撤回时间"}, {"void_at", "作废时间"},
		} {
			demands.Fields.Add(date(s.name, s.help+"（系统填写）"))
		}
		demands.Fields.Add(
			text("enterprise_name", 120, "主体名称（系统抄录，供对接银行和港湾联系）"),
			text("enterprise_contact", 40, "联系人（系统抄录）"),
			text("enterprise_phone", 20, "联系电话（系统抄录）"),
		)
		demands.Fields.Add(captured()...)
		demands.Fields.Add(scopes("scope_grid", "scope_harbour")...)
		demands.Fields.Add(&core.RelationField{Name: "scope_banks", CollectionId: banks.Id, MaxSelect: 60, Hidden: true, Help: "可见范围：已对接的各家银行（系统维护）"})
		readable(demands, signedIn+` && (`+holdsGrid+` || `+holdsHarbour+` || `+holdsBanks+`)`)
		demands.AddIndex("demands_number", true, "number", "number != ''")
		demands.AddIndex("demands_enterprise", false, "enterprise", "")
		demands.AddIndex("demands_visit", false, "visit", "")
		demands.AddIndex("demands_scope_grid", false, "scope_grid", "")
		demands.AddIndex("demands_scope_harbour", false, "scope_harbour", "")
		demands.AddIndex("demands_stage", false, "stage, captured_at", "")
		if err := app.Save(demands); err != nil {
			return err
		}

		bankRule := signedIn + ` && (` + holdsGrid + ` || ` + holdsHarbour + ` || ` + holdsBank + `)`
		matches := readable(newBase("demand_matches",
			needRel("demand", demands, "融资需求"),
			needRel("bank", banks, "对接银行"),
			date("matched_at", "对接时间"),
			date("first_contact_at", "银行首次联系上的时间"),
			date("applied_at", "提交申请时间"),
			date("decided_at", "审批时间"),
			one("result", "结果：办理中、通过、婉拒（申请前）、未通过、失效", "pending", "approved", "declined", "rejected", "lapsed"),
			one("reason", "未成原因", reasons...),
			whole("approved_amount", 0, 1e10, "批准金额（元）"),
		), bankRule)
		matches.Fields.Add(captured()...)
		matches.Fields.Add(scopes("scope_grid", "scope_harbour", "scope_bank")...)
		matches.AddIndex("demand_matches_demand", true, "demand, bank", "result = 'pending'")
		matches.AddIndex("demand_matches_of", false, "demand", "")
		matches.AddIndex("demand_matches_bank", false, "bank", "")
		if err := app.Save(matches); err != nil {
			return err
		}

		events := readable(newBase("demand_events",
			needRel("demand", demands, "融资需求"),
			rel("match", matches, "融资对接；空为需求本身的事项"),
			required(one("kind", "类别：阶段变化、联系、交接、备注", "stage", "contact", "handover", "note")),
			one("from_stage", "原阶段（系统核对）", stages...),
			one("to_stage", "新阶段", stages...),
			required(date("at", "发生时间")),
			rel("by", users, "经办人（系统填写）"),
			one("contact_way", "联系方式：电话、上门、到店、线上", "phone", "visit", "counter", "online"),
			boolean("reached", "已联系上"),
			whole("amount", 0, 1e10, "金额（元）"),
			one("reason", "原因", reasons...),
			rel("from_user", users, "交出人"),
			rel("to_user", users, "接手人"),
			date("handover_confirmed_at", "接手确认时间"),
			text("note", 1000, "说明"),
		), bankRule)
		events.Fields.Add(captured()...)
		events.Fields.Add(scopes("scope_grid", "scope_harbour", "scope_bank")...)
		events.AddIndex("demand_events_demand", false, "demand, at", "")
		events.AddIndex("demand_events_match", false, "match", "match != ''")
		return app.Save(events)
	}, func(app core.App) error { return dropAll(app, "demand_events", "demand_matches", "demands") })
}
