package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// How the action is steered: tasks, reviews, targets, the scheme of the assessment; direct financing and relending bases (§三(三)二、四, §四).
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		users, areas, harbours, banks := find(app, "users"), find(app, "areas"), find(app, "harbours"), find(app, "banks")
		agencies, enterprises := find(app, "agencies"), find(app, "enterprises")

		tasks := readable(newBase("tasks",
			needText("title", 200, "工作任务"),
			text("clause", 40, "依据条款"),
			text("goal", 500, "阶段目标"),
			rels("leads", agencies, 10, "牵头单位"),
			rels("responsible", agencies, 40, "责任单位"),
			date("due", "完成期限"),
			whole("progress", 0, 100, "进度（%）"),
			required(one("status", "状态：未开始、进行中、已完成、已延期", "open", "running", "done", "postponed")),
			date("done_on", "完成日期"),
			text("note", 1000, "进展说明"),
		), signedIn)
		tasks.Fields.Add(captured()...)

		bases := readable(newBase("relending_bases",
			needRel("bank", banks, "承办银行"),
			needText("name", 80, "再贷款示范基地名称"),
			text("place", 200, "地点"),
			date("opened_on", "设立日期"),
			date("closed_on", "撤销日期，空为运行中"),
			text("note", 500, "说明"),
		), signedIn)
		bases.Fields.Add(captured()...)

		equity := newBase("equity_cases",
			needText("enterprise_name", 120, "企业名称"),
			rel("enterprise", enterprises, "对应的市场主体（按名称对上的，管理员核对）"),
			required(one("kind", "类别：股权投资、上市", "fund", "listing")),
			required(one("stage", "阶段：培育、辅导、申报、上市或投资到位、终止", "nurture", "tutoring", "filing", "listed", "ended")),
			text("fund", 120, "基金或上市地"),
			whole("amount", 0, 1e11, "融资金额（元）"),
			whole("support_amount", 0, 1e10, "区级资金支持（元）"),
			rel("agency", agencies, "对接部门"),
			date("started_on", "开始日期"),
			date("stage_on", "进入本阶段的日期"),
			text("note", 1000, "说明"),
		)
		held(equity, true, heldBy(holdsOfficial), "scope_official")
		equity.AddIndex("equity_cases_enterprise", false, "enterprise", "")

		targets := newBase("indicator_targets",
			&core.TextField{Name: "indicator", Max: 20, Required: true, Presentable: true, Pattern: `^[A-Z]{3,4}-[0-9]{2}$`, Help: "指标代码，如 COV-01"},
			&core.TextField{Name: "period", Max: 7, Required: true, Pattern: `^[0-9]{4}(Q[1-4]|-[0-9]{2})?$`, Help: "期间：2026、2026Q4 或 2026-11"},
			rel("area", areas, "区划；空为全区"),
			rel("harbour", harbours, "港湾；空为不分港湾"),
			rel("bank", banks, "银行；空为不分银行"),
			number("floor", -1e12, 1e12, "下限值"),
			number("target", -1e12, 1e12, "目标值"),
			text("source", 200, "依据文件"),
		)
		targets.AddIndex("indicator_targets_key", true, "indicator, period, area, harbour, bank", "")

		schemes := newBase("assessment_schemes",
			needText("name", 80, "考核方案名称"),
			text("version", 20, "版本"),
			required(one("applies_to", "对象：港湾、主办行内部", "harbour", "staff")),
			required(date("from", "启用日期")),
			date("until", "停用日期，空为现行"),
			jsonField("items", 200_000, "项目：[{\"axis\":维度,\"code\":代码,\"name\":名称,\"indicators\":[指标],\"weight\":权重,\"by\":\"S|I|R\",\"floor\":下限,\"target\":目标,\"evidence\":依据}]"),
			jsonField("deductions", 50_000, "扣分项"),
			jsonField("vetoes", 50_000, "一票否决与不得评优"),
			jsonField("grades", 10_000, "等次"),
			text("source", 200, "依据文件"),
		)
		schemes.AddIndex("assessment_schemes_from", true, "applies_to, `from`", "")
		official := types.Pointer(signedIn + ` && (@request.auth.role = "official" || @request.auth.role = "street_official")`)
		for _, c := range []*core.Collection{targets, schemes} {
			c.ListRule, c.ViewRule = official, official
		}
		if err := saveAll(app, tasks, bases, equity, targets, schemes); err != nil {
			return err
		}

		reviews := newBase("reviews",
			needRel("harbour", harbours, "被评港湾"),
			required(&core.TextField{Name: "period", Max: 7, Presentable: true, Pattern: `^[0-9]{4}(Q[1-4])?$`, Help: "期间：2026 或 2026Q4"}),
			rel("scheme", schemes, "考核方案"),
			required(one("kind", "类别：评分、政策倾斜、申诉", "score", "incentive", "appeal")),
			text("item", 40, "考核项目代码（评分、申诉）"),
			rel("agency", agencies, "评分单位"),
			rel("scorer", users, "评分人"),
			number("score", 0, 100, "得分"),
			number("full", 0, 100, "满分"),
			text("remark", 1000, "评语、倾斜内容或申诉理由"),
			date("reviewed_on", "评分、给予或申诉日期"),
			rel("cosigned_by", users, "镇街会签人（系统填写）"),
			date("cosigned_at", "镇街会签时间（系统填写）"),
			one("appeal_result", "申诉结果：受理中、维持、改分", "pending", "upheld", "changed"),
			text("appeal_answer", 500, "申诉答复"),
			required(one("status", "状态：草稿、已提交、已公布", "draft", "submitted", "published")),
		)
		held(reviews, true, heldBy(holdsHarbour, holdsOfficial, holdsStreet), "scope_harbour", "scope_street", "scope_official")
		reviews.AddIndex("reviews_key", false, "harbour, period, item", "")
		return app.Save(reviews)
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		return dropAll(app, "reviews", "assessment_schemes", "indicator_targets", "equity_cases", "relending_bases", "tasks")
	})
}
