package pb_migrations

import (
	"github.com/pocketbase/pocketbase/core"
)

type schemeItem struct {
	Axis       string   `json:"axis"`
	Code       string   `json:"code"`
	Name       string   `json:"name"`
	Indicators []string `json:"indicators,omitempty"`
	Weight     int      `json:"weight"`
	By         string   `json:"by"`
	Floor      *int     `json:"floor,omitempty"`
	Target     *int     `json:"target,omitempty"`
	Evidence   string   `json:"evidence,omitempty"`
}

// The assessment that is in force until the district writes its own (§四(二)): 系统检测 60, 定期巡查 25, 听取报告 15; and the host banks' own
// of heads and staff on duty. A score is appealed against within days of its publication, so that day is kept.
func init() {
	core.AppMigrations.Register(func(app core.App) error {
		reviews := find(app, "reviews")
		reviews.Fields.Add(date("published_at", "公布时间（系统填写）；申诉期限从此起算"))
		targets := find(app, "indicator_targets")
		targets.Fields.GetByName("indicator").(*core.TextField).Pattern = `^[A-Z]{2,4}-[0-9]{2}$` // DQ-01 too
		if err := saveAll(app, reviews, targets); err != nil {
			return err
		}

		measured := func(axis, code, name string, weight int, by string, floor, target int, evidence string, indicators ...string) schemeItem {
			return schemeItem{axis, code, name, indicators, weight, by, &floor, &target, evidence}
		}
		judged := func(axis, code, name string, weight int, by, evidence string, indicators ...string) schemeItem {
			return schemeItem{axis, code, name, indicators, weight, by, nil, nil, evidence}
		}
		const serve, tell, guard, standard = "服务企业", "宣传金融政策", "防范打击非法金融", "标准化与首问"
		const since = "2021-10-28 16:00:00.000Z" // 29 October in Shanghai
		schemes := find(app, "assessment_schemes")
		for _, values := range []map[string]any{{
			"id": "scheme000000001", "name": "金融服务港湾考核（默认方案）", "version": "1", "applies_to": "harbour", "from": since,
			"source": "万州府办〔2021〕67号四（二）；权重、下限和目标为系统默认值，可另行制定",
			"items": []schemeItem{
				measured(serve, "visit_coverage", "走访覆盖率（年度计划进度）", 8, "S", 40, 90, "走访记录、定位、照片", "COV-01"),
				measured(serve, "visit_frequency", "走访频次达标率", 4, "S", 50, 95, "走访计划", "COV-03"),
				measured(serve, "contact_in_time", "限时对接率", 8, "S", 60, 95, "银行对接记录", "CNV-02"),
				measured(serve, "disbursed_90d", "90日放款转化率", 8, "S", 10, 40, "银行确认", "CNV-04"),
				measured(serve, "first_loans", "首贷户数（计划完成率）", 6, "S", 50, 100, "银行首贷证明", "CNV-06"),
				measured(serve, "renewals", "到期续贷办结率", 3, "S", 60, 95, "银行填报", "CNV-08"),
				measured(serve, "issues", "问题按期办结与回访", 5, "S", 70, 95, "答复记录", "ISS-01", "ISS-02"),
				measured(serve, "special_groups", "特殊群体与创业担保贷款", 3, "S", 50, 90, "办理记录", "POL-10", "STD-06"),
				judged(serve, "cases", "典型案例、难题攻坚", 7, "R", "报告和2个署名案例，按0–5级评"),
				measured(tell, "push_reach", "政策推送触达率", 6, "S", 50, 95, "签收记录", "PUB-02"),
				measured(tell, "four_entries", "“四进”活动完成率与基层人员培训率", 5, "S", 50, 100, "签到", "PUB-03", "POL-09"),
				judged(tell, "site_materials", "现场宣传品、电子屏", 3, "I", "检查清单，当日照片"),
				judged(tell, "publicity_report", "宣传成效汇报", 4, "R", "报告"),
				measured(guard, "lead_handover", "非法金融线索按期移送率（没有线索为不适用）", 4, "S", 70, 100, "线索登记", "GOV-02"),
				judged(guard, "anti_fraud", "防非反诈宣传、账户风险提示", 6, "I", "现场检查", "GOV-03"),
				judged(guard, "anti_fraud_report", "防非工作汇报", 4, "R", "报告"),
				measured(standard, "twelve_ones", "十二个一合格项数", 8, "I", 9, 12, "逐项照片", "STD-01"),
				measured(standard, "green_channel", "绿色通道达标率", 3, "I", 60, 100, "照片", "STD-05"),
				judged(standard, "first_responder", "首问负责制", 5, "I", "抽查10笔申请（暗访）", "FCR-01", "FCR-02"),
			},
			"deductions": []map[string]any{
				{"code": "ledger", "name": "台账迟报、虚报", "points": 1, "most": 5},
				{"code": "complaint", "name": "属实投诉，每件", "points": 2, "most": 6, "indicators": []string{"FCR-03"}},
				{"code": "rectification", "name": "逾期未整改，每项", "points": 1, "indicators": []string{"ASM-03"}},
				{"code": "sync", "name": "同步及时率低于80%", "points": 2, "most": 2, "indicators": []string{"DQ-01"}, "below": 80},
			},
			"vetoes": []map[string]any{
				{"code": "fabricated", "name": "查实编造走访、贷款", "effect": "fail"},
				{"code": "illegal_finance", "name": "工作人员参与非法集资、套路贷、校园贷", "effect": "fail"},
				{"code": "leak", "name": "泄露、出售企业和个人信息", "effect": "fail"},
				{"code": "charging", "name": "违规收费、强制搭售", "effect": "fail"},
				{"code": "deflection", "name": "查实严重推诿，30日内未整改", "effect": "cap"},
				{"code": "reconciliation", "name": "本单位造成对账差异", "effect": "cap", "indicators": []string{"DQ-06"}},
				{"code": "inspections", "name": "检查验收不足50%", "effect": "cap"},
			},
			"grades": grades(),
		}, {
			"id": "scheme000000002", "name": "主办行内部考核（默认方案）", "version": "1", "applies_to": "staff", "from": since,
			"source": "万州府办〔2021〕67号四（二）；按月，当值工作人员；负责人为团队得分60%加管理40%（排班STD-04、整改ASM-03）",
			"items": []schemeItem{
				measured("首问负责", "first_responder", "首问登记与全程负责", 25, "S", 60, 100, "受理和交接记录", "FCR-01", "FCR-02"),
				measured("跟进时效", "follow_up", "对接、限时对接、逾期未对接", 25, "S", 60, 95, "对接记录", "CNV-01", "CNV-02", "CNV-12"),
				measured("走访质量", "visit_quality", "有效走访、走访疑点", 20, "S", 60, 95, "走访记录", "COV-04", "DQ-07"),
				judged("政策解读、宣传", "telling", "政策解读、宣传", 10, "R", "负责人评"),
				measured("台账质量", "ledgers", "同步及时、银行确认", 10, "S", 60, 95, "系统记录", "DQ-01", "DQ-05"),
				measured("合规与满意", "compliance", "满意度、属实投诉", 10, "S", 60, 95, "回访", "SAT-01", "FCR-03"),
			},
			"grades": grades(),
		}} {
			r := core.NewRecord(schemes)
			r.Load(values)
			if err := app.Save(r); err != nil {
				return err
			}
		}
		return nil
	}, func(app core.App) error {
		if err := dropCapture(app); err != nil {
			return err
		}
		for _, id := range []string{"scheme000000002", "scheme000000001"} {
			// Scores that refer to it keep their other values.
			if err := execAll(app, `UPDATE reviews SET scheme = '' WHERE scheme = '`+id+`'`, `DELETE FROM assessment_schemes WHERE id = '`+id+`'`); err != nil {
				return err
			}
		}
		targets := find(app, "indicator_targets")
		targets.Fields.GetByName("indicator").(*core.TextField).Pattern = `^[A-Z]{3,4}-[0-9]{2}$`
		if err := app.Save(targets); err != nil {
			return err
		}
		return dropFields(app, "reviews", nil, "published_at")
	})
}

func grades() []map[string]any {
	return []map[string]any{{"name": "优秀", "from": 90}, {"name": "良好", "from": 80}, {"name": "合格", "from": 60}, {"name": "不合格", "from": 0}}
}
