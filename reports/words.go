package reports

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// percent prints num/den with two decimals in integer arithmetic: the same digits on every machine.
func percent(num, den int64) string {
	h := roundDiv(big.NewInt(0).Mul(big.NewInt(num), big.NewInt(10000)), big.NewInt(den))
	return decimals(h) + " %"
}

// points prints the difference of two ratios in 百分点, always signed unless it is nought.
func points(n1, d1, n0, d0 int64) string {
	a := new(big.Int).Mul(big.NewInt(n1), big.NewInt(d0))
	b := new(big.Int).Mul(big.NewInt(n0), big.NewInt(d1))
	h := roundDiv(a.Sub(a, b).Mul(a, big.NewInt(10000)), new(big.Int).Mul(big.NewInt(d1), big.NewInt(d0)))
	if h > 0 {
		return "+" + decimals(h)
	}
	return strings.Replace(decimals(h), "-", "−", 1)
}

// wan prints whole yuan as 万元 with two decimals.
func wan(yuan int64) string { return decimals(roundDiv(big.NewInt(yuan), big.NewInt(100))) }

// yi prints a headline amount: 亿元 once there is one.
func yi(yuan int64) string {
	if yuan >= 1e8 {
		return decimals(roundDiv(big.NewInt(yuan), big.NewInt(1e6))) + " 亿元"
	}
	return wan(yuan) + " 万元"
}

// roundDiv is a/b rounded half away from zero; b is positive.
func roundDiv(a, b *big.Int) int64 {
	neg := a.Sign() < 0
	n := new(big.Int).Abs(a)
	n.Add(n.Mul(n, big.NewInt(2)), b)
	q := n.Quo(n, new(big.Int).Mul(b, big.NewInt(2))).Int64()
	if neg {
		return -q
	}
	return q
}

func decimals(h int64) string {
	sign := ""
	if h < 0 {
		sign, h = "-", -h
	}
	return fmt.Sprintf("%s%d.%02d", sign, h/100, h%100)
}

// hours prints whole minutes as hours with one decimal.
func hours(minutes int64) string {
	h := tenths(minutes)
	return fmt.Sprintf("%d.%d", h/10, h%10)
}

// tenths of an hour, rounded half up.
func tenths(minutes int64) int64 { return roundDiv(big.NewInt(minutes*10), big.NewInt(60)) }

func whole(n int64) string { return strconv.FormatInt(n, 10) }

// dayWords is 2026年11月22日.
func dayWords(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return fmt.Sprintf("%d年%d月%d日", t.Year(), t.Month(), t.Day())
}

func monthWords(start string) string {
	t, err := time.Parse(time.DateOnly, start)
	if err != nil {
		return start
	}
	return fmt.Sprintf("%d年%d月", t.Year(), t.Month())
}

func quarterWords(start string) string {
	t, err := time.Parse(time.DateOnly, start)
	if err != nil {
		return start
	}
	return fmt.Sprintf("%d年%s季度", t.Year(), []string{"一", "二", "三", "四"}[(int(t.Month())-1)/3])
}

// monthsBefore is the first day of the month n months before the month that starts at start.
func monthsBefore(start string, n int) string {
	t, err := time.Parse(time.DateOnly, start)
	if err != nil {
		return ""
	}
	return t.AddDate(0, -n, 0).Format(time.DateOnly)
}

// lastOfMonth tells whether day ends its month: only then is the month as long as the one before.
func lastOfMonth(day string) bool {
	t, err := time.Parse(time.DateOnly, day)
	return err == nil && t.AddDate(0, 0, 1).Day() == 1
}

// word looks a stored value up in the words of the notice; an unknown one is shown as it is rather than hidden.
func word(table []pair, key string) string {
	for _, p := range table {
		if p.key == key {
			return p.label
		}
	}
	if key == "" {
		return "未填"
	}
	return key
}

type pair struct{ key, label string }

var (
	kinds    = []pair{{"company", "企业"}, {"individual_business", "个体工商户"}, {"cooperative", "农民专业合作社"}, {"other", "其他"}, {"unknown", "类型未填"}, {"", "类型未填"}}
	sizes    = []pair{{"micro", "微型"}, {"small", "小型"}, {"medium", "中型"}, {"large", "大型"}, {"unknown", "未划型"}, {"", "未划型"}}
	outcomes = []pair{{"met", "见到"}, {"absent", "无人"}, {"refused", "拒访"}, {"closed", "已关停"}, {"moved", "已搬离"}, {"not_found", "查无此处"}}
	stages   = []pair{{"captured", "采集"}, {"accepted", "首问受理"}, {"matched", "对接银行"}, {"applied", "提交申请"}, {"approved", "审批通过"}, {"disbursed", "放款"},
		{"cultivating", "培育"}, {"rejected", "未通过"}, {"closed", "未成办结"}, {"withdrawn", "撤回"}, {"void", "作废"}}
	needs = []pair{{"working_capital", "流动资金"}, {"equipment", "设备购置"}, {"upgrade", "升级改造"}, {"green", "绿色转型"}, {"startup", "创业"}, {"equity", "股权融资"}, {"other", "其他"}}
	// GB/T 4754-2017, the twenty sections.
	sections = []pair{{"A", "农、林、牧、渔业"}, {"B", "采矿业"}, {"C", "制造业"}, {"D", "电力、热力、燃气及水生产和供应业"}, {"E", "建筑业"}, {"F", "批发和零售业"},
		{"G", "交通运输、仓储和邮政业"}, {"H", "住宿和餐饮业"}, {"I", "信息传输、软件和信息技术服务业"}, {"J", "金融业"}, {"K", "房地产业"}, {"L", "租赁和商务服务业"},
		{"M", "科学研究和技术服务业"}, {"N", "水利、环境和公共设施管理业"}, {"O", "居民服务、修理和其他服务业"}, {"P", "教育"}, {"Q", "卫生和社会工作"},
		{"R", "文化、体育和娱乐业"}, {"S", "公共管理、社会保障和社会组织"}, {"T", "国际组织"}, {"unknown", "行业未填"}, {"", "行业未填"}}
	// The reasons of fct_visit, in the order in which they are tried.
	invalids = []pair{{"enterprise_missing", "主体记录已不存在"}, {"voided", "已作废"}, {"suspicion_confirmed", "疑点属实"}, {"not_met", "未见到人"}, {"not_at_shop", "不在门店"},
		{"too_short", "停留不足3分钟"}, {"no_fix", "无定位且未经例外通过"}, {"too_far", "距门店超过200米"}, {"no_evidence", "无照片或签名"}, {"repeat", "24小时内重复走访"}}
	steps = []pair{{"registered", "登记"}, {"accepted", "受理"}, {"matched", "对接"}, {"contacted", "联系上"}, {"applied", "申请"}, {"approved", "审批通过"}, {"disbursed", "放款"}}
	// How long an open match has gone unanswered after its limit; the indicator has the key as its suffix.
	ages   = []pair{{".d3", "1至3个工作日"}, {".d7", "4至7个工作日"}, {".d15", "8至15个工作日"}, {".over", "15个工作日以上"}}
	units  = []pair{{"percent", "%"}, {"count", "笔"}, {"entity", "户"}, {"minute", "分钟"}, {"yuan", "元"}}
	grains = []pair{{"grid", "网格"}, {"street", "镇街"}, {"bank", "银行"}, {"worker", "人员"}, {"harbour", "港湾"}, {"month", "月"}, {"quarter", "季"}, {"year", "年"}, {"cumulative", "累计"}}
)

// inherited is what every indicator follows, in the words a reader of the report needs.
var inherited = []Rule{
	{"统计时点", "统计日24时（北京时间）。记录按手机采集时间归入期间；采集时间在统计时点之前且已上报的计入。"},
	{"基数", "统计时点存续、在业、开业的民营小微企业和个体工商户，一个统一社会信用代码计一户；中型、大型企业不计入，规模未填的计入并列为“未划型”。"},
	{"有效走访", "见到人、在门店、有照片或签名、时长不少于3分钟、定位在门店200米以内（或经批准例外）、同一人24小时内对同一主体不重复、未作废且未被认定疑点属实。"},
	{"归属", "走访、需求按采集时所在网格归属；基数按统计时点所在网格归属。未分配网格的主体（待分配）只计入全区，因此各镇街之和可能小于全区。"},
	{"比率", "一律以分子合计除以分母合计，不对比率取平均；同时列出分子/分母。分母为0显示“—”；分母小于10标注“样本不足”，不排位次。"},
	{"环比、同比", "环比为与上一个同长度期间相比，同比为与上年同期相比，比率以百分点表示；没有可比期间的显示“—”。未满的月份与上月全月长度不同，走访覆盖率、需求数额不作环比。"},
	{"暂定、封账", "每月数据至次月5日24时为暂定，此后封账；封账后才上报的记录不改变已封账数字。季度随其末月；本年、近365天、累计始终为暂定。"},
	{"批次", "对接率按需求采集月份（批次）统计，不含作废、股权融资和采集后24小时内撤回的需求；当月批次尚未到期，以灰底表示。"},
	{"到期", "90日放款转化率、金额满足率的批次在月末之后90天到期，限时对接率在月末之后过了对接时限到期，银行确认率在月末之后15天到期；到期月的次月5日24时后封账。到期前标注“未到期”，以灰底表示，数字还会变化。"},
	{"证据等级", "走访自报、银行填报、银行确认、系统对接，只升不降。转化率、首贷户数、金额满足率只计银行确认和系统对接的贷款；走访自报另行列示，不加入。"},
	{"工作日", "按导入的节假日和调休日历；对接之日后第1个工作日起算。"},
	{"金额", "以元为单位记录，以万元列示，保留两位小数。"},
}
