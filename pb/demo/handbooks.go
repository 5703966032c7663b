package demo

import "fmt"

// The two handbooks in the notice's own words; amounts and rates are made up for the demo.

type policy struct {
	id, title, kind, text string
	tags                  []string
}

type product struct {
	id, name, kind   string
	bank             int
	min, max         int // yuan
	termMin, termMax int // months
	rateMin, rateMax float64
	revolving        bool
	conditions, how  string
	tags, needs      []string
}

func (d *district) makeHandbooks() {
	r := stream(d.opts.Seed, "handbooks")
	for _, p := range []policy{
		{title: "普惠小微企业信贷支持政策要点", kind: "credit", text: "推广“随借随还”模式，合理设置贷款期限，加大对民营小微企业和个体工商户的信贷投放。", tags: []string{"micro_small", "individual_business", "first_loan"}},
		{title: "央行再贷款与“货币政策工具+”专属产品说明", kind: "credit", text: "用好用活再贷款等货币政策工具，支持区内金融机构加大对市场主体的信贷投放。", tags: []string{"micro_small", "manufacturing"}},
		{title: "企业和个人征信查询须知", kind: "credit_report", text: "可在港湾的自助查询机查询；授权查询须本人签字，异议可在港湾登记。", tags: []string{"first_loan"}},
		{title: "外汇及跨境人民币结算便利化政策", kind: "fx_rmb", text: "优质企业可凭指令办理跨境人民币结算，减少单证审核。", tags: []string{"commerce"}},
		{title: "反洗钱与账户分类管理常识", kind: "aml", text: "配合银行做好客户身份识别；不出租、出借、出售账户。"},
		{title: "财政风险补偿金与“政担银保企”联动机制", kind: "fiscal", text: "设立风险补偿资金池，政府性融资担保降低费率。", tags: []string{"micro_small", "agriculture"}},
		{title: "制造业升级与绿色转型产业扶持目录", kind: "industrial", text: "支持循环产业、智能绿色交通、生物医药和数字新基建。", tags: []string{"green", "technology", "manufacturing"}},
		{title: "小规模纳税人税费优惠与“银税互动”", kind: "tax", text: "纳税信用可转化为融资信用，报税专管员可协助。", tags: []string{"micro_small"}},
		{title: "金融消费者权益保护与投诉渠道", kind: "consumer", text: "可拨打港湾投诉电话，或投入问题收集箱。"},
		{title: "防范非法集资、“套路贷”和电信诈骗", kind: "anti_fraud", text: "严厉打击“校园贷”“套路贷”“高利贷”；买卖账户将被惩戒。"},
		{title: "个人创业担保贷款申请指南", kind: "startup_loan", text: "城镇登记失业人员、残疾人、复员转业退役军人、高校毕业生、返乡创业农民工、网络商户可线上申请。", tags: []string{"startup", "veteran", "disabled", "graduate", "migrant_returnee"}},
		{title: "首贷续贷线上服务平台与“长江渝融通”操作手册", kind: "platform_guide", text: "扫贷款码，一码接入全市各家银行；按提示填写用途、金额和期限。", tags: []string{"first_loan"}},
	} {
		p.id = recordID(r)
		p.text = "<p>" + p.text + "</p><p>（演示数据）</p>"
		d.policies = append(d.policies, p)
	}
	kinds := []product{
		{name: "港湾首贷通", kind: "credit", min: 10_000, max: 500_000, termMin: 3, termMax: 24, rateMin: 3.65, rateMax: 4.8, needs: []string{"working_capital"}, tags: []string{"first_loan", "individual_business"}},
		{name: "商户随借贷", kind: "credit", min: 10_000, max: 300_000, termMin: 1, termMax: 36, rateMin: 3.85, rateMax: 5.2, revolving: true, needs: []string{"working_capital"}, tags: []string{"individual_business", "commerce"}},
		{name: "设备更新贷", kind: "mortgage", min: 100_000, max: 5_000_000, termMin: 12, termMax: 60, rateMin: 3.45, rateMax: 4.35, needs: []string{"equipment", "upgrade"}, tags: []string{"manufacturing"}},
		{name: "绿色转型贷", kind: "guaranteed", min: 100_000, max: 8_000_000, termMin: 12, termMax: 60, rateMin: 3.2, rateMax: 4.1, needs: []string{"green", "upgrade"}, tags: []string{"green"}},
		{name: "创业担保贷", kind: "startup", min: 20_000, max: 300_000, termMin: 12, termMax: 36, rateMin: 2.6, rateMax: 3.6, needs: []string{"startup"}, tags: []string{"startup", "veteran", "graduate"}},
		{name: "税信贷", kind: "credit", min: 50_000, max: 2_000_000, termMin: 6, termMax: 24, rateMin: 3.5, rateMax: 4.6, revolving: true, needs: []string{"working_capital", "other"}, tags: []string{"micro_small"}},
		{name: "柑橘产业贷", kind: "supply_chain", min: 20_000, max: 1_000_000, termMin: 6, termMax: 36, rateMin: 3.6, rateMax: 4.7, needs: []string{"working_capital", "equipment"}, tags: []string{"agriculture"}},
		{name: "无还本续贷", kind: "credit", min: 10_000, max: 3_000_000, termMin: 12, termMax: 36, rateMin: 3.7, rateMax: 4.9, needs: []string{"working_capital"}, tags: []string{"micro_small"}},
	}
	for i := range 18 {
		p := kinds[i%len(kinds)]
		p.id, p.bank = recordID(r), (i*7+i/len(kinds))%lenders
		p.name = d.banks[p.bank].short + "·" + p.name
		p.conditions = fmt.Sprintf("在万州区经营满%d个月，经营者征信良好（演示数据）", 3*between(r, 1, 6))
		p.how = "扫“长江渝融通”贷款码，或到就近金融服务港湾由首问负责人受理"
		d.products = append(d.products, p)
	}
}

// parameters are dated values; the first simulated day starts the count.
func (d *district) parameters() [][3]string {
	return [][3]string{
		{"start_on", d.start.Format("2006-01-02"), "行动起算日（演示）"},
		{"sla.accept_days", "1", "采集到首问受理，工作日"},
		{"sla.match_days", "1", "首问受理到对接银行，工作日"},
		{"sla.contact_days", "3", "对接银行到联系上，工作日"},
		{"sla.decision_days", "15", "提交申请到审批，工作日"},
		{"sla.service_days.account_opening", "3", "开户受理到办结，工作日"},
		{"sla.feedback_days", "5", "问题反映到答复，工作日"},
		{"sla.rectification_days", "15", "提出整改到完成，工作日"},
		{"sla.appeal_days", "5", "公布得分到申诉截止，工作日"},
		{"duty.am", "08:30-12:30", "上午当值时段"},
		{"duty.pm", "13:30-18:30", "下午当值时段"},
		{"assessment.gap_percent", "15", "两家评分相差超过满分的百分之几须共同复核"},
		{"visit.frequency_days.key", "30", "重点企业走访间隔，天"},
		{"visit.frequency_days.default", "180", "其他主体走访间隔，天"},
		{"visit.max_distance_m", "200", "有效走访的最大距离，米"},
		{"visit.min_minutes", "3", "有效走访的最短时长，分钟"},
		{"inclusive.credit_limit", "10000000", "普惠小微单户授信上限，元"},
		{"startup.cap_person", "300000", "个人创业担保贷款上限，元"},
		{"startup.cap_company", "3000000", "小微企业创业担保贷款上限，元"},
		{"log.keep_days", "400", "操作日志保存天数，不少于 180"},
	}
}
