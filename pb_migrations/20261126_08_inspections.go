package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
)

// Activities, the standard a harbour is held to (附件三–六) with its inspections and what they demand, and what is told of it all.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, areas, harbours, enterprises := find(app, "users"), find(app, "areas"), find(app, "harbours"), find(app, "enterprises")
		contacts, feedback := find(app, "contacts"), find(app, "feedback")
		categories := []string{"twelve_ones", "space", "green_channel", "first_responder"}

		activities := newBase("activities",
			needText("title", 120, "活动名称"),
			required(one("kind", "类别：融资对接会、进园区、进社区、进商圈、进楼宇、知识沙龙、培训、内购会、防非反诈宣传、党建共建、其他",
				"matchmaking", "park", "community", "business_circle", "building", "salon", "training", "sale_fair", "anti_fraud", "party_building", "other")),
			required(one("status", "状态：计划、已举办、已取消", "planned", "held", "cancelled")),
			boolean("cancel_approved", "取消经主管部门同意"),
			text("cancel_reason", 300, "取消原因"),
			many("topics", "主题：信贷、征信、外汇及跨境人民币、反洗钱、消费者权益、反诈、税收、法律、企业传承、贷款码与线上平台、创业担保贷款、政策",
				"credit", "credit_report", "fx_rmb", "aml", "consumer", "anti_fraud", "tax", "law", "succession", "loan_code", "startup_loan", "policy"),
			needRel("harbour", harbours, "主办港湾"),
			rel("area", areas, "举办地所在街道、社区、园区或商圈"),
			text("place", 200, "地点"),
			date("due", "计划最迟举办日期"),
			date("start", "举办时间"),
			whole("headcount", 0, 1e5, "到场人数"),
			rels("attendees", contacts, 500, "签到：对口联系名册中的人"),
			rels("enterprises", enterprises, 500, "签到：市场主体"),
			text("partners", 300, "合办单位"),
			whole("volunteers", 0, 1000, "青年志愿者（人）"),
			text("minutes", 5000, "纪要"),
			rel("organiser", users, "经办人"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(activities, true, heldBy(holdsHarbour, holdsNear, holdsOfficial, holdsStreet), "scope_harbour", "scope_street", "scope_official")
		activities.AddIndex("activities_harbour", false, "harbour, start", "")

		items := readable(newBase("inspection_items",
			&core.TextField{Name: "code", Max: 40, Required: true, Pattern: `^[a-z0-9_]+$`, Help: "项目代码，改版时不变"},
			needText("name", 60, "检查项目"),
			required(one("category", "类别：十二个一、空间区域、绿色通道、首问负责制", categories...)),
			text("requirement", 300, "要求"),
			text("clause", 60, "依据条款"),
			whole("points", 0, 100, "分值"),
			boolean("where_possible", "有条件的才适用"),
			whole("position", 0, 1000, "排列次序"),
			date("from", "启用日期；改版时新增一行，旧行填停用日期"),
			date("until", "停用日期，空为现行"),
		), signedIn)
		items.AddIndex("inspection_items_code", true, "code, `from`", "")

		inspections := newBase("inspections",
			&core.TextField{Name: "number", Max: 20, Presentable: true, Help: "编号（系统生成）"},
			needRel("harbour", harbours, "受检港湾"),
			required(one("kind", "类别：自查、定期巡查、联合督查；自查不计分", "self", "patrol", "joint")),
			required(one("status", "状态：计划、已完成", "planned", "done")),
			date("due", "应完成日期"),
			rel("inspector", users, "检查人"),
			text("inspectors", 200, "参加检查的单位和人员"),
			date("at", "检查时间"),
			jsonField("items", 200_000, "各项结果：[{\"item\":代码,\"result\":\"pass|fail|not_applicable\",\"remark\":说明}]"),
			whole("twelve_ones", 0, 12, "十二个一合格项数（系统计算）"),
			number("score", 0, 100, "得分（系统计算：合格项分值 ÷ 适用项分值 × 100）"),
			text("note", 1000, "总体说明"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(inspections, true, heldBy(holdsHarbour, holdsOfficial, holdsStreet), "scope_harbour", "scope_street", "scope_official")
		inspections.AddIndex("inspections_harbour", false, "harbour, at", "")
		inspections.AddIndex("inspections_number", true, "number", "number != ''")
		if err := saveAll(app, activities, items, inspections); err != nil {
			return err
		}

		rectifications := newBase("rectifications",
			needRel("harbour", harbours, "整改港湾"),
			rel("inspection", inspections, "由哪次检查提出"),
			rel("feedback", feedback, "由哪件属实投诉提出"),
			text("item", 40, "检查项目代码"),
			needText("demand", 500, "整改要求"),
			required(date("due", "整改期限")),
			date("done_on", "完成日期"),
			text("done_note", 500, "整改情况"),
			one("recheck_result", "复查结果：待复查、通过、未通过", "pending", "passed", "failed"),
			date("rechecked_on", "复查日期"),
			rel("rechecked_by", users, "复查人（系统填写）"),
			text("recheck_note", 300, "复查说明"),
			whole("photo_count", 0, 99, "照片张数（由应用填写）"),
		)
		held(rectifications, true, heldBy(holdsHarbour, holdsOfficial, holdsStreet), "scope_harbour", "scope_street", "scope_official")
		rectifications.AddIndex("rectifications_inspection", true, "inspection, item", "inspection != ''")
		rectifications.AddIndex("rectifications_due", false, "due", "")

		publicity := newBase("publicity",
			needText("title", 200, "标题"),
			required(one("kind", "类别：媒体发布、典型案例、经验总结", "media", "case", "summary")),
			text("medium", 80, "媒体或平台"),
			text("link", 300, "链接"),
			text("text", 5000, "内容摘要"),
			document("file", "附件"),
			date("published_on", "发布日期"),
			rel("harbour", harbours, "有关港湾"),
			rel("area", areas, "有关镇街、园区"),
		)
		held(publicity, true, heldBy(holdsHarbour, holdsNear, holdsOfficial), "scope_harbour", "scope_official")
		if err := saveAll(app, rectifications, publicity); err != nil {
			return err
		}
		return addInspectionItems(app, items)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		return dropAll(app, "publicity", "rectifications", "inspections", "inspection_items", "activities")
	})
}

// addInspectionItems writes the first version of the standard: the notice's own items, in force since its day.
func addInspectionItems(app core.App, c *core.Collection) error {
	const since = "2021-10-28 16:00:00.000Z" // 29 October in Shanghai
	for i, x := range []struct {
		code, name, category, requirement, clause string
		points                                    int
		possible                                  bool
	}{
		{"sign", "服务点标识牌", "twelve_ones", "1块服务点标识牌，统一样式，编号", "附件二、三", 5, false},
		{"officer", "普惠信贷员", "twelve_ones", "至少1名普惠信贷员", "附件三", 5, false},
		{"talk_area", "客户洽谈区", "twelve_ones", "1个客户洽谈区", "附件三", 5, false},
		{"policy_handbook", "金融政策宣传手册", "twelve_ones", "1本金融政策宣传手册", "附件三", 5, false},
		{"product_handbook", "金融产品和服务手册", "twelve_ones", "1本金融产品和服务手册", "附件三", 5, false},
		{"loan_code", "“长江渝融通”贷款码", "twelve_ones", "1张“长江渝融通”贷款码", "附件三", 5, false},
		{"platform_manual", "首贷续贷线上服务平台操作手册", "twelve_ones", "1张民营小微企业和个体工商户首贷续贷线上服务平台操作手册", "附件三", 5, false},
		{"contact_book", "对口联系名册", "twelve_ones", "1本街道（商圈、园区）对口联系名册", "附件三", 5, false},
		{"demand_ledger", "融资需求台账", "twelve_ones", "1本市场主体融资需求台账", "附件三", 5, false},
		{"cultivation_ledger", "融资培育台账", "twelve_ones", "1本市场主体融资培育台账", "附件三", 5, false},
		{"credit_list", "授权、授信清单", "twelve_ones", "1张小微企业授权、授信清单", "附件三", 5, false},
		{"issue_box", "问题收集箱", "twelve_ones", "1个问题收集箱", "附件三", 5, false},
		{"own_space", "专门空间、专人管理", "space", "安排专门空间区域，由专人负责日常管理", "附件四", 4, false},
		{"materials", "宣传资料和手册", "space", "洽谈区放置专题宣传资料和手册（信贷、征信、外汇及跨境人民币、反洗钱）", "附件四", 3, false},
		{"led_screen", "电子屏滚动宣传", "space", "电子屏滚动播放信贷、征信、外汇及跨境人民币、反洗钱等金融政策", "附件四", 3, false},
		{"complaint_phone", "投诉电话", "space", "设置投诉电话，受理金融消费者权益保护咨询和投诉", "附件四", 3, false},
		{"credit_report_kiosk", "个人征信自助查询机", "space", "有条件的配置个人征信自助查询机等便利化设施", "附件四", 2, true},
		{"green_sign", "绿色通道提示标志", "green_channel", "醒目位置设置残疾人、复员转业退役军人绿色通道提示标志", "附件五", 4, false},
		{"barrier_free", "无障碍通道", "green_channel", "设置残疾人无障碍通道", "附件五", 4, false},
		{"low_counter", "低柜柜台", "green_channel", "设置低柜柜台，轮椅客户不起身即能办理", "附件五", 4, false},
		{"sign_language", "手语服务", "green_channel", "有条件的配备会手语的工作人员", "附件五", 2, true},
		{"lobby_guidance", "大堂经理引导", "first_responder", "大堂经理为前往港湾的客户做好引导", "附件六", 3, false},
		{"first_responder", "首问负责人登记", "first_responder", "受理的当值工作人员登记为首问负责人，全流程负责", "附件六", 4, false},
		{"no_deflection", "不推诿、有答复", "first_responder", "不向外推诿，不对询问不予答复", "附件六", 4, false},
	} {
		r := core.NewRecord(c)
		r.Load(map[string]any{"code": x.code, "name": x.name, "category": x.category, "requirement": x.requirement, "clause": x.clause,
			"points": x.points, "where_possible": x.possible, "position": i + 1, "from": since})
		if err := app.Save(r); err != nil {
			return err
		}
	}
	return nil
}
