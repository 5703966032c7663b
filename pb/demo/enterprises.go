package demo

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// enterprise is one market entity as it truly is. The registry knows a part of it; the phones find out the rest.
type enterprise struct {
	name, uscc, kind, industry, address, owner, phone, founded, status string
	street, community                                                  string // as the registry names them; may be empty
	grid                                                               int    // index into grids, -1: nobody has assigned it yet
	at                                                                 point
	employees, revenue                                                 int
	size, ownership, contact, borrowing, account                       string
	pointKnown, staffKnown                                             bool // a person at the desk entered them before the first day
}

// trade is a line of business: GB/T 4754-2017 code, words that end a shop's name, whether companies are common in it.
type trade struct {
	weight    float64
	code      string
	shop      string // individual business
	company   string // empty: never a company
	headcount int
	turnover  int // 10,000 yuan a year
}

var trades = []trade{
	{9, "5212", "生活超市", "商贸有限公司", 6, 150}, {10, "5213", "便利店", "", 2, 45}, {4, "5219", "百货店", "百货有限公司", 4, 90},
	{4, "5221", "粮油店", "粮油有限公司", 3, 120}, {4, "5222", "蛋糕房", "", 3, 40}, {6, "5223", "水果店", "果业有限公司", 2, 60},
	{4, "5224", "鲜肉店", "", 2, 70}, {4, "5226", "茶叶经营部", "茶业有限公司", 3, 80}, {5, "5227", "烟酒店", "酒业有限公司", 2, 110},
	{8, "5232", "服装店", "服饰有限公司", 2, 45}, {3, "5233", "鞋店", "", 2, 40}, {4, "5251", "大药房", "医药有限公司", 4, 160},
	{3, "5273", "电脑经营部", "电子科技有限公司", 4, 90}, {4, "5274", "手机店", "通讯器材有限公司", 3, 85}, {4, "5281", "五金店", "五金机电有限公司", 3, 75},
	{3, "5283", "家具店", "家居有限公司", 4, 95}, {4, "5285", "建材经营部", "建材有限公司", 4, 180}, {12, "6210", "餐馆", "餐饮管理有限公司", 6, 75},
	{9, "6220", "面馆", "餐饮有限公司", 3, 35}, {2, "6231", "茶楼", "", 4, 40}, {2, "6129", "宾馆", "酒店管理有限公司", 8, 110},
	{5, "8051", "理发店", "", 3, 30}, {3, "8052", "美容店", "健康管理有限公司", 4, 45}, {2, "8030", "洗衣店", "", 2, 25},
	{4, "8111", "汽修厂", "汽车服务有限公司", 5, 95}, {3, "5430", "货运部", "物流有限公司", 7, 240}, {2, "5123", "农副产品批发部", "农产品有限公司", 6, 320},
	{1.5, "1371", "泡菜加工坊", "食品有限公司", 12, 300}, {1.5, "1819", "制衣坊", "服装制造有限公司", 22, 380}, {1.5, "2110", "木器加工坊", "家具制造有限公司", 14, 260},
	{1.2, "3311", "门窗加工部", "金属结构有限公司", 15, 420}, {0.6, "3899", "", "机电制造有限公司", 40, 900}, {2, "5012", "装修工作室", "装饰工程有限公司", 8, 260},
	{1.2, "6513", "", "软件有限公司", 12, 240}, {1.5, "7259", "广告部", "广告有限公司", 5, 90}, {1.2, "7241", "", "财务咨询有限公司", 5, 70},
	{1, "8391", "", "职业培训学校有限公司", 9, 110}, {1.2, "7810", "", "市政工程有限公司", 25, 900}, {1, "0153", "柑橘种植园", "农业开发有限公司", 6, 80},
	{1, "0313", "养殖场", "生态养殖有限公司", 5, 120}, {0.8, "0411", "水产养殖场", "", 4, 90},
}

var (
	surnames = strings.Split("王李张刘陈杨黄赵周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤", "")
	given    = strings.Split("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华玉萍红玲辉建国志海燕梅云飞鹏宇浩然雪琴春秀波林文斌龙凤成东亮洪世荣德福生贵全友祥光永新忠义川渝江山峰雨晴欣怡梓涵子轩", "")
	lucky1   = strings.Split("福金鑫祥瑞兴永德顺宏恒万佳美康泰盛聚隆源鸿安益百汇嘉乐和天长江平峡巴渝川星晨", "")
	lucky2   = strings.Split("满达旺源发丰隆盛泰和瑞祥顺通利来缘客鑫茂辉宝城园轩阁坊记居味香美康乐诚信成业", "")
)

func personName(r *rand.Rand) string {
	// Commoner surnames stand first.
	s := surnames[min(r.IntN(len(surnames)), r.IntN(len(surnames)))]
	if chance(r, 0.25) {
		return s + pick(r, given)
	}
	return s + pick(r, given) + pick(r, given)
}

func shopSign(r *rand.Rand) string {
	switch {
	case chance(r, 0.3):
		return pick(r, surnames) + pick(r, []string{"记", "氏", "家", "老幺", "二哥", "三姐"})
	case chance(r, 0.5):
		return pick(r, lucky1) + pick(r, lucky2)
	default:
		return pick(r, lucky1) + pick(r, lucky2) + pick(r, lucky2)
	}
}

// makeEnterprises spreads n market entities over the grids by their weight. Each has a stream of its own.
func makeEnterprises(seed uint64, n int, grids []grid, streets map[string]string, lastDay time.Time) []*enterprise {
	weights := make([]float64, len(grids))
	for i, g := range grids {
		weights[i] = g.weight
	}
	tradeWeights := make([]float64, len(trades))
	for i, t := range trades {
		tradeWeights[i] = t.weight
	}
	out := make([]*enterprise, n)
	for i := range out {
		r := stream(seed, "enterprise", i)
		g := weighted(r, weights)
		out[i] = makeEnterprise(r, i, grids, g, trades[weighted(r, tradeWeights)], streets, lastDay)
	}
	return out
}

func makeEnterprise(r *rand.Rand, i int, grids []grid, g int, t trade, streets map[string]string, lastDay time.Time) *enterprise {
	home := grids[g]
	street := streets[home.street]
	e := &enterprise{grid: g, street: street, community: home.registered, industry: t.code, owner: personName(r),
		ownership: "private", size: "micro", status: "存续", at: home.centre.scattered(r, home.spread)}

	company := t.company != "" && (t.shop == "" || chance(r, 0.24))
	farm := strings.HasPrefix(t.code, "0")
	sign := shopSign(r)
	class := byte('2')
	switch {
	case farm && chance(r, 0.5):
		e.kind, class = "cooperative", '3'
		e.name = "重庆市万州区" + sign + map[string]string{"0153": "柑橘种植", "0313": "生猪养殖", "0411": "水产养殖"}[t.code] + "专业合作社"
	case company:
		e.kind, class = "company", '1'
		e.name = pick(r, []string{"重庆", "重庆市万州区", "万州区"}) + sign + t.company
	default:
		e.kind = "individual_business"
		e.name = "万州区" + street + sign + t.shop
	}
	e.uscc = uscc(class, i)
	e.address = fmt.Sprintf("重庆市万州区%s%s%s%d号", street, shortArea(home.areaName), pick(r, []string{"一支路", "正街", "新街", "滨江路", "建设路", "后街", "北路", "南路"}), between(r, 1, 280))
	if chance(r, 0.25) {
		e.address += fmt.Sprintf("附%d号", between(r, 1, 40))
	}
	e.phone = demoPhone(r)
	e.contact = e.owner
	if chance(r, 0.15) {
		e.contact = personName(r)
	}
	// Most are young; the oldest are from 1998.
	age := int(r.ExpFloat64() * 1500)
	e.founded = lastDay.AddDate(0, 0, -min(age+20, 10_000)).Format(time.DateOnly)
	spread := 0.4 + r.ExpFloat64()
	e.employees = max(1, int(float64(t.headcount)*spread*0.8))
	e.revenue = max(3, int(float64(t.turnover)*spread)) * 10_000
	if e.kind == "company" {
		e.employees *= 2
		e.revenue *= 3
		switch x := r.Float64(); {
		case x < 0.02:
			e.ownership = "state"
		case x < 0.03:
			e.ownership = "collective"
		case x < 0.035:
			e.ownership = "foreign"
		}
	}
	switch {
	case e.kind == "company" && chance(r, 0.012):
		e.size, e.employees, e.revenue = "large", between(r, 400, 1500), between(r, 50_000, 90_000)*10_000
	case e.kind == "company" && chance(r, 0.03):
		e.size, e.employees, e.revenue = "medium", between(r, 120, 350), between(r, 8_000, 20_000)*10_000
	case e.employees > 10 && e.revenue > 1_000_000:
		e.size = "small"
	}
	e.borrowing = []string{"never", "current", "past", "unknown"}[weighted(r, []float64{48, 22, 14, 16})]
	e.account = []string{"yes", "no", "unknown"}[weighted(r, []float64{40, 45, 15})]
	if e.kind == "company" {
		e.account = "yes"
	}
	e.pointKnown, e.staffKnown = chance(r, 0.7), chance(r, 0.35)
	switch x := r.Float64(); {
	case x < 0.03:
		e.status = "注销"
	case x < 0.038:
		e.status = "吊销"
	case x < 0.06:
		e.status = "在业"
	case x < 0.07:
		e.status = "开业"
	}
	// The registry lacks the community of a few; nobody has placed them in a grid yet.
	if chance(r, 0.012) {
		e.community, e.grid = "", -1
	}
	return e
}

// demoPhone makes a number of mobile form in a block kept for the demo: 199 00 and six digits.
func demoPhone(r *rand.Rand) string { return fmt.Sprintf("19900%06d", r.IntN(1_000_000)) }

const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// uscc makes a code with both check digits right (GB 11714 for the body, GB 32100 for the whole). class is 1 for a
// company, 2 for an individual business, 3 for a cooperative; 500101 is 万州区. The serial makes it unique.
func uscc(class byte, serial int) string {
	// Six places hold the serial spread over the alphabet, so that neighbours do not look alike.
	n := (uint64(serial)*2_654_435_761 + 97) % 887_503_681 // 31^6, prime to the factor
	body := []byte("MA000000")
	for i := 7; i >= 2; i-- {
		body[i] = usccAlphabet[n%31]
		n /= 31
	}
	org := string(body) + string(orgCheck(body))
	return withCheck("9" + string(class) + "500101" + org)
}

// orgCheck is the GB 11714 check character, over 36 letters and digits.
func orgCheck(body []byte) byte {
	weights := []int{3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, c := range body {
		v := int(c - '0')
		if c >= 'A' {
			v = int(c-'A') + 10
		}
		sum += v * weights[i]
	}
	switch c := 11 - sum%11; c {
	case 10:
		return 'X'
	case 11:
		return '0'
	default:
		return byte('0' + c)
	}
}

// withCheck appends the GB 32100 check character to the first 17.
func withCheck(first string) string {
	sum, weight := 0, 1
	for i := 0; i < 17; i++ {
		sum += strings.IndexByte(usccAlphabet, first[i]) * weight
		weight = weight * 3 % 31
	}
	return first + string(usccAlphabet[(31-sum%31)%31])
}

var kindLabel = map[string]string{"company": "企业", "individual_business": "个体工商户", "cooperative": "农民专业合作社"}

// registryCSV is the file that the registration authority would deliver.
func registryCSV(enterprises []*enterprise) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"统一社会信用代码", "名称", "主体类型", "行业代码", "住所", "法定代表人", "联系电话", "成立日期", "登记状态", "所属镇街", "所属社区"})
	for _, e := range enterprises {
		_ = w.Write([]string{e.uscc, e.name, kindLabel[e.kind], e.industry, e.address, e.owner, e.phone, e.founded, e.status, e.street, e.community})
	}
	w.Flush()
	return b.Bytes()
}
