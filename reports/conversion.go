package reports

import (
	"fmt"
	"strings"
)

// conversion is report R2: what was asked for, whether a bank has been in touch, and where each month's demands stand now.
func (m *marts) conversion(a Area) Report {
	r := m.report("conversion", "融资需求转化报告", a)
	u := m.unitOf(a)
	before := monthsBefore(m.month(), 1)
	count, amount := m.now("CRD-01", "YTD", u), m.now("CRD-01.amount", "YTD", u)
	countM, amountM := m.now("CRD-01", "M", u), m.now("CRD-01.amount", "M", u)
	contact, contactLast := m.now("CNV-01", "M", u), m.of("CNV-01", "M", before, u)
	countLast := m.of("CRD-01", "M", before, u)

	r.Heads = []KeyFigure{
		{"本年登记需求（笔）", cell(Count, count), "环比 —"},
		{"本年登记需求额", cell(Money, amount), "环比 —"},
		{"本月登记需求（笔）", cell(Count, countM), m.grown(countM, countLast)},
		{"本月登记需求额", cell(Money, amountM), m.grown(amountM, m.of("CRD-01.amount", "M", before, u))},
		{"上月批次对接率", cell(Ratio, contactLast), "环比 " + pointsOrDash(change(contactLast, m.of("CNV-01", "M", monthsBefore(before, 1), u)))},
		{"本年各批次对接率", cell(Ratio, m.cohorts[u]), "1月至本月批次合计"},
	}
	lent, met := m.ripeOf("CNV-04", u), m.ripeOf("CNV-05", u)
	first, firstM := m.now("CNV-06", "YTD", u), m.now("CNV-06", "M", u)
	overdue, worst := m.now("CNV-12", "CUM", u), m.now("CNV-12.over", "CUM", u)
	r.Heads = append(r.Heads,
		KeyFigure{"90日放款转化率", cell(Ratio, lent), m.ripeUnder()},
		KeyFigure{"金额满足率", cell(MoneyRatio, met), "同上"},
		KeyFigure{"本年首贷户数（户）", cell(Count, first), "银行确认的放款"},
		KeyFigure{"本月首贷户数（户）", cell(Count, firstM), m.grown(firstM, m.of("CNV-06", "M", before, u))},
		KeyFigure{"逾期未对接（笔）", cell(Count, overdue), "统计日24时"},
		KeyFigure{"逾期15个工作日以上", cell(Count, worst), "统计日24时"})
	r.Lead = append(m.conversionLead(a, count, amount, contact, contactLast, m.cohorts[u]), m.lendingLead(a, u)...)
	r.Sections = append(r.Sections, m.cohortTrend(u), m.funnelSection(u), m.answerSection(a, u), m.lendingSection(a, u), m.stageSection(u))
	if a.Kind == "district" {
		r.Sections = append(r.Sections, m.conversionByStreet(), m.conversionByBank())
	} else {
		r.Sections = append(r.Sections, m.conversionByGrid(a))
	}
	r.Sections = append(r.Sections, m.needSection(u, count))
	m.number(&r)
	confirmed, evidence := m.evidenceQuality()
	r.Quality = append(m.quality(), confirmed...)
	r.Notes = append(m.notes(a), evidence...)
	r.Defs = m.definitions("CRD-01", "CRD-01.amount", "CNV-01", "CNV-02", "CNV-02.median", "CNV-02.p90", "CNV-04", "CNV-05", "CNV-06",
		"CNV-12", "CNV-12.d3", "CNV-12.d7", "CNV-12.d15", "CNV-12.over", "DQ-01", "DQ-05")
	return r
}

func pointsOrDash(c Cell) string {
	if c.Text == "—" {
		return c.Text
	}
	return c.Text + " 个百分点"
}

// grown compares a count with the month before, once the month is over.
func (m *marts) grown(now, last *Figure) string {
	if last == nil {
		return "环比 —"
	}
	shown := whole(last.Num) + " 笔"
	switch last.Indicator {
	case "CRD-01.amount":
		shown = wan(last.Num) + " 万元"
	case "CNV-06":
		shown = whole(last.Num) + " 户"
	}
	if now == nil || last.Num == 0 || !m.wholeMonth() {
		return "上月 " + shown + "；环比 —"
	}
	return "上月 " + shown + "；环比 " + growth(now.Num, last.Num)
}

// growth is a count's change in percent, signed.
func growth(now, last int64) string {
	return points(now, last, last, last) + " %"
}

func (m *marts) conversionLead(a Area, count, amount, contact, last, year *Figure) []string {
	who := "全区"
	if a.Kind != "district" {
		who = a.Name
	}
	if count == nil || count.Num == 0 {
		return []string{fmt.Sprintf("截至%s，%s本年尚无登记的融资需求。", dayWords(m.run.Date), who)}
	}
	s := fmt.Sprintf("截至%s，%s本年登记融资需求%d笔", dayWords(m.run.Date), who, count.Num)
	if amount != nil {
		s += "，金额" + yi(amount.Num)
	}
	if year != nil && year.Den > 0 {
		s += fmt.Sprintf("；本年各批次需求%d笔，银行已联系上%d笔，对接率%s", year.Den, year.Num, year.ratioText())
	}
	out := []string{s + "。"}
	if last != nil && last.Den > 0 {
		t := fmt.Sprintf("上月批次%d笔，已对接%d笔，对接率%s", last.Den, last.Num, last.ratioText())
		if contact != nil && contact.Den > 0 {
			t += fmt.Sprintf("；本月批次%d笔，已对接%d笔，尚未到期", contact.Den, contact.Num)
		}
		out = append(out, t+"。")
	}
	return out
}

func (m *marts) cohortTrend(u unit) Section {
	months := m.recent(13)
	t := Table{Caption: "各月登记与对接", Head: heads("批次（月份）", "状态", "登记需求（笔）", "登记需求额（万元）", "对接率", "环比\n百分点", "同比\n百分点")}
	g := Group{}
	bars := Bars{Title: "各月登记需求额（万元）"}
	var said []string
	for i := len(m.months) - 1; i >= 0; i-- {
		s := m.months[i]
		f, count, amount := m.of("CNV-01", "M", s, u), m.of("CRD-01", "M", s, u), m.of("CRD-01.amount", "M", s, u)
		d, y := change(f, m.of("CNV-01", "M", monthsBefore(s, 1), u)), change(f, m.of("CNV-01", "M", monthsBefore(s, 12), u))
		if s == m.month() && !m.wholeMonth() { // the cohort is not complete, let alone matured
			d, y = words("—"), words("—")
		}
		g.Rows = append(g.Rows, Row{Class: m.rowClass(f), Cells: []Cell{words(monthWords(s)), m.stateOf(s, f),
			cell(Count, count), cell(Money, amount), cell(Ratio, f), d, y}})
	}
	t.Groups = []Group{g}
	for _, s := range months {
		amount := m.of("CRD-01.amount", "M", s, u)
		b := Bar{Label: strings.Replace(s[:7], "-", ".", 1), Printed: "—", Faint: m.rowClass(amount) == "open"}
		if amount != nil {
			b.Value, b.Printed = float64(amount.Num), wan(amount.Num)
			if c := m.of("CRD-01", "M", s, u); c != nil {
				b.Printed += fmt.Sprintf("（%d笔）", c.Num)
			}
		}
		bars.Bars = append(bars.Bars, b)
		said = append(said, monthWords(s)+" "+b.Printed)
	}
	bars.Alt = "条形图：" + strings.Join(said, "，") + "。斜纹为暂定月份。"
	return Section{Title: "登记与对接走势", Charts: []Chart{m.trend("各月批次对接率", "CNV-01", u, months), bars}, Tables: []Table{t},
		Notes: []string{"对接率按需求采集月份（批次）统计：批次内至少有一家银行已联系上的需求 / 批次需求。图中空心点、斜纹条和表中灰底为暂定，最近批次尚未到期，对接率会继续上升。",
			"登记需求按同一主体、同一用途30天内去重；对接率不去重，但不含作废、股权融资和24小时内撤回的需求，因此两者笔数不同。"}}
}

// ripeWords says of which cohorts the sums of matured ones are.
func (m *marts) ripeWords() string {
	months := m.matured(90)
	if len(months) == 0 {
		return "尚无到期批次"
	}
	months = months[max(0, len(months)-ripeCohorts):]
	if len(months) == 1 {
		return monthWords(months[0]) + "批次"
	}
	return monthWords(months[0]) + "至" + monthWords(months[len(months)-1]) + "批次"
}

// ripeUnder is the same under a headline, where there is little room.
func (m *marts) ripeUnder() string {
	n := min(len(m.matured(90)), ripeCohorts)
	if n == 0 {
		return "尚无到期批次"
	}
	if n == 1 {
		return m.ripeWords()
	}
	return fmt.Sprintf("近%d个到期批次合计", n)
}

// lendingLead says what became of the demands: lent to within 90 days, first loans, and what still waits for an answer.
func (m *marts) lendingLead(a Area, u unit) []string {
	var out []string
	if f, met := m.ripeOf("CNV-04", u), m.ripeOf("CNV-05", u); f != nil && f.Den > 0 {
		s := fmt.Sprintf("%s登记满90天的需求%d笔，90天内经银行确认放款%d笔，90日放款转化率%s", m.ripeWords(), f.Den, f.Num, f.ratioText())
		if met != nil && met.Den > 0 {
			s += fmt.Sprintf("；受理金额%s，放款满足%s，金额满足率%s", yi(met.Den), yi(met.Num), met.ratioText())
		}
		out = append(out, s+"。")
	}
	if f := m.now("CNV-06", "YTD", u); f != nil {
		s := fmt.Sprintf("本年首贷户%d户", f.Num)
		if now := m.now("CNV-06", "M", u); now != nil {
			s += fmt.Sprintf("，其中本月%d户", now.Num)
		}
		out = append(out, s+"。")
	}
	f := m.now("CNV-12", "CUM", u)
	switch {
	case f == nil:
	case f.Num == 0:
		out = append(out, "截至统计日没有逾期未对接的需求。")
	default:
		s := fmt.Sprintf("截至统计日逾期未对接%d笔", f.Num)
		if over := m.now("CNV-12.over", "CUM", u); over != nil && over.Num > 0 {
			s += fmt.Sprintf("，其中逾期15个工作日以上%d笔", over.Num)
		}
		if a.Kind == "district" {
			var most *Figure
			name := ""
			for _, b := range m.banks {
				if g := m.now("CNV-12", "CUM", unit{"bank", b.id}); g != nil && (most == nil || g.Num > most.Num) {
					most, name = g, b.name
				}
			}
			if most != nil && most.Num*2 > f.Num || most != nil && most.Num >= fewerThan {
				s += fmt.Sprintf("，%s最多（%d笔）", name, most.Num)
			}
		}
		out = append(out, s+"。")
	}
	return out
}

// funnelSection shows how far the demands of each registration month have come.
func (m *marts) funnelSection(u unit) Section {
	s := Section{Title: "按登记批次的转化漏斗", NewPage: true}
	parts := m.funnel[u.id]
	if len(parts) == 0 {
		s.Text = []string{"期内没有登记的融资需求。"}
		return s
	}
	at := map[string]part{} // by month and step
	for _, p := range parts {
		at[p.start+p.key] = p
	}
	counts := Table{Caption: "各批次到达各步的需求（笔）", Head: heads("批次", "状态", "登记", "受理", "对接", "联系上", "申请", "审批通过", "放款", "放款/登记")}
	amounts := Table{Caption: "各批次到达各步的需求金额（万元）", Head: heads("批次", "状态", "登记", "受理", "对接", "联系上", "申请", "审批通过", "放款", "放款/登记")}
	var cg, ag Group
	months := m.recent(13)
	for i := len(months) - 1; i >= 0; i-- {
		start := months[i]
		all, ok := at[start+"registered"]
		if !ok {
			continue
		}
		state, class := "未到期", "open"
		if all.dimension == "matured" {
			state, class = "已到期", ""
		}
		status := open
		if f := m.of("CNV-01", "M", start, u); f != nil {
			status = f.Status
		}
		count := Row{Class: class, Cells: []Cell{words(monthWords(start)), words(state)}}
		amount := Row{Class: class, Cells: []Cell{words(monthWords(start)), words(state)}}
		for _, step := range steps {
			p := at[start+step.key]
			f := &Figure{Indicator: "CNV-01", Period: "M", Start: start, OrgKind: u.kind, Org: u.id, Slice: "step=" + step.key, Num: p.n, Den: all.n, HasDen: true, Status: status}
			g := f.sliced("step=" + step.key + ":amount")
			g.Num, g.Den = p.m, all.m
			count.Cells, amount.Cells = append(count.Cells, cell(Count, f)), append(amount.Cells, cell(Money, g))
			if step.key == "disbursed" {
				count.Cells, amount.Cells = append(count.Cells, part100(state, f)), append(amount.Cells, part100(state, g))
			}
		}
		cg.Rows, ag.Rows = append(cg.Rows, count), append(ag.Rows, amount)
	}
	if len(cg.Rows) == 0 {
		s.Text = []string{"近13个月没有登记的融资需求。"}
		return s
	}
	counts.Groups, amounts.Groups = []Group{cg}, []Group{ag}
	s.Charts, s.Tables = []Chart{m.funnelChart(at)}, []Table{counts, amounts}
	s.Notes = []string{"批次为需求采集月份，成员与需求对接率相同（不含作废、股权融资和24小时内撤回的需求）。到达后一步的计入前面各步；撤回、未通过的需求停在其到过的最远一步。金额为需求登记金额。",
		"“未到期”为月末之后不满90天的批次，以灰底表示，还会有需求走到后面的步骤，不与到期批次比较。",
		"本表的放款为办理进度，不论证据等级；经银行确认的90日放款转化率见“放款转化与首贷户”。"}
	return s
}

// part100 is a share of the cohort that went all the way; while the cohort is young there is nothing to compare.
func part100(state string, f *Figure) Cell {
	if state == "未到期" {
		return words("—")
	}
	return words(f.ratioText())
}

// funnelChart draws the newest matured cohort, or where that is too small to compare the sum of the matured ones; before any has matured,
// what there is.
func (m *marts) funnelChart(at map[string]part) Funnel {
	matured := m.matured(90)
	matured = matured[max(0, len(matured)-ripeCohorts):]
	months, title := matured, "转化漏斗："+m.ripeWords()+"合计（已到期）"
	if n := len(matured); n == 0 {
		months, title = m.months, "转化漏斗：全部批次合计（未到期）"
	} else if at[matured[n-1]+"registered"].n >= fewerThan {
		months, title = matured[n-1:], "转化漏斗："+monthWords(matured[n-1])+"批次（最近一个到期批次）"
	}
	c := Funnel{Title: title}
	var said []string
	first := int64(0)
	for i, step := range steps {
		n, yuan := int64(0), int64(0)
		for _, start := range months {
			n, yuan = n+at[start+step.key].n, yuan+at[start+step.key].m
		}
		if i == 0 {
			first = n
		}
		text := fmt.Sprintf("%d笔 %s万元", n, wan(yuan))
		if i > 0 && first > 0 {
			text = percent(n, first) + "，" + text
		}
		c.Steps = append(c.Steps, FunnelStep{Label: step.label, Count: n, Printed: text})
		said = append(said, step.label+" "+text)
	}
	c.Alt = "漏斗图，从上到下为各步，条长为需求笔数：" + strings.Join(said, "；") + "。"
	return c
}

// answerCells are how promptly banks got in touch: the ratio, and the time that half and nine tenths of the enterprises waited.
func (m *marts) answerCells(start string, u unit) []Cell {
	return []Cell{cell(Ratio, m.of("CNV-02", "M", start, u)), cell(Hours, m.of("CNV-02.median", "M", start, u)), cell(Hours, m.of("CNV-02.p90", "M", start, u))}
}

var answerHeads = []string{"限时对接率", "中位时长\n小时", "九成时长\n小时"}

// answerSection shows how promptly banks got in touch, and what is overdue.
func (m *marts) answerSection(a Area, u unit) Section {
	s := Section{Title: "对接时限与逾期", NewPage: a.Kind == "district"}
	if a.Kind == "district" {
		months := m.recent(13)
		t := Table{Caption: "各月对接的限时对接率和首次联系时长", Head: heads(append([]string{"对接月份", "状态"}, answerHeads...)...)}
		g := Group{}
		for i := len(months) - 1; i >= 0; i-- {
			f := m.of("CNV-02", "M", months[i], u)
			g.Rows = append(g.Rows, Row{Class: m.rowClass(f), Cells: append([]Cell{words(monthWords(months[i])), m.stateOf(months[i], f)}, m.answerCells(months[i], u)...)})
		}
		t.Groups = []Group{g}
		s.Charts, s.Tables = []Chart{m.trend("各月对接的限时对接率", "CNV-02", u, months)}, []Table{t}

		last := monthsBefore(m.month(), 1)
		b := Table{Caption: "分银行限时对接（" + monthWords(last) + "对接）", Head: heads(append([]string{"银行"}, answerHeads...)...)}
		bg := Group{}
		for _, k := range m.banks {
			if v := (unit{"bank", k.id}); m.of("CNV-02", "M", last, v) != nil {
				bg.Rows = append(bg.Rows, Row{Cells: append([]Cell{words(k.name)}, m.answerCells(last, v)...)})
			}
		}
		if len(bg.Rows) > 0 {
			bg.Rows = append(bg.Rows, Row{Class: "sum", Cells: append([]Cell{words("全区")}, m.answerCells(last, u)...)})
			b.Groups = []Group{bg}
			s.Tables = append(s.Tables, b)
		}
	} else {
		s.Text = []string{"限时对接率按银行统计，见全区报告；本镇街只列逾期未对接的需求。"}
	}
	o := Table{Caption: "逾期未对接的需求（笔）", Narrow: a.Kind != "district", Head: append(heads("银行", "合计"), heads(labelsOf(ages)...)...)}
	og := Group{}
	if a.Kind == "district" {
		for _, k := range m.banks {
			if v := (unit{"bank", k.id}); m.now("CNV-12", "CUM", v) != nil {
				og.Rows = append(og.Rows, Row{Cells: append([]Cell{words(k.name)}, m.overdueCells(v)...)})
			}
		}
		og.Rows = append(og.Rows, Row{Class: "sum", Cells: append([]Cell{words("全区")}, m.overdueCells(u)...)})
	} else {
		o.Head[0] = words("辖区") // not a table of streets
		og.Rows = []Row{{Class: "sum", Cells: append([]Cell{words(a.Name)}, m.overdueCells(u)...)}}
	}
	o.Groups = []Group{og}
	s.Tables = append(s.Tables, o)
	s.Notes = []string{"时限为对接之日后第3个工作日24时（参数有调整的按对接时有效的值）；打电话没有联系上的不算。",
		"逾期为尚在办理、银行还没有联系上企业的对接，按时限之后至统计日的工作日数分档；一笔需求对接多家银行的各计一笔。"}
	if a.Kind == "district" {
		s.Notes = append(s.Notes, "限时对接率：首次联系上早于时限的 / 时限已到的对接。中位、九成时长为从对接到首次联系上的自然时间；没有联系上的不在其中。",
			"表中灰底为暂定：时限尚未全部到期，或到期月的次月5日未过。按机构名称排列，不排位次；对不上机构的只计入全区。")
	}
	return s
}

// overdueCells are a place's or bank's unanswered matches, all and by how long; a bank without any of an age has none.
func (m *marts) overdueCells(u unit) []Cell {
	all := m.now("CNV-12", "CUM", u)
	out := []Cell{cell(Count, all)}
	for _, age := range ages {
		f := m.now("CNV-12"+age.key, "CUM", u)
		if f == nil && all != nil {
			out = append(out, words("0"))
			continue
		}
		out = append(out, cell(Count, f))
	}
	return out
}

func labelsOf(table []pair) []string {
	out := make([]string, len(table))
	for i, p := range table {
		out[i] = p.label
	}
	return out
}

// lendingSection shows what was lent on the demands: within 90 days, how much of what was accepted, and to whom for the first time.
func (m *marts) lendingSection(a Area, u unit) Section {
	s := Section{Title: "放款转化与首贷户", NewPage: true}
	t := Table{Caption: "各月批次放款转化与首贷户", Head: heads("月份", "批次状态", "90日放款转化率", "金额满足率", "首贷户数\n按放款月，户")}
	g := Group{}
	months, matured := m.recent(13), len(m.matured(90))
	for i := len(m.months) - 1; i >= len(m.months)-len(months); i-- {
		start := m.months[i]
		lent := m.of("CNV-04", "M", start, u)
		state, class := "未到期", "open"
		if i < matured && lent != nil {
			state, class = "已到期，"+lent.Status, m.rowClass(lent)
		}
		g.Rows = append(g.Rows, Row{Class: class, Cells: []Cell{words(monthWords(start)), words(state), cell(Ratio, lent), cell(MoneyRatio, m.of("CNV-05", "M", start, u)), cell(Count, m.of("CNV-06", "M", start, u))}})
	}
	g.Rows = append(g.Rows, Row{Class: "sum", Cells: []Cell{words("到期批次合计"), words(m.ripeWords()), cell(Ratio, m.ripeOf("CNV-04", u)), cell(MoneyRatio, m.ripeOf("CNV-05", u)), words("")}},
		Row{Class: "sum", Cells: []Cell{words("本年"), words(open), words(""), words(""), cell(Count, m.now("CNV-06", "YTD", u))}})
	t.Groups = []Group{g}
	trend := m.trend("各月批次90日放款转化率", "CNV-04", u, m.matured(90)[max(0, matured-13):])
	if matured > 0 {
		s.Charts = []Chart{trend}
	}
	s.Tables = []Table{t}
	if a.Kind == "district" {
		s.Tables = append(s.Tables, m.lendingByBank(), m.lendingByStreet())
	} else if len(m.grids[a.ID]) > 0 {
		s.Tables = append(s.Tables, m.lendingByGrid(a))
	}
	s.Notes = []string{"90日放款转化率：登记之日起90天内有银行确认的放款的需求 / 登记满90天的需求。未到期批次只有一部分需求满90天，只供参考，合计中不计。",
		"金额满足率：每笔需求90天内放款（不超过受理金额的部分）合计 / 受理金额合计，以元计。", "首贷户数：主体首次获得生产经营贷款，银行放款前查征信确认此前无经营性贷款；一户终身只计一次。首贷户数按放款月、次月5日后封账，不随批次到期。",
		"分镇街、网格、银行的转化率、满足率为" + m.ripeWords() + "（已到期）合计；银行按对接月份。分母小于10的标注“样本不足”，不排位次。"}
	if a.Kind == "district" {
		s.Notes = append(s.Notes, "没有网格的需求、主体只计入全区，因此各镇街之和可能小于全区。没有本行放款、对接的银行显示“—”。")
	}
	return s
}

// loaned are the columns of every table of lending by place.
func (m *marts) loaned(u unit) []*Figure {
	return []*Figure{m.ripeOf("CNV-04", u), m.ripeOf("CNV-05", u), m.now("CNV-06", "M", u), m.now("CNV-06", "YTD", u), m.now("CNV-12", "CUM", u), m.now("CNV-12.over", "CUM", u)}
}

var (
	loanedShows = []Show{Ratio, MoneyRatio, Count, Count, Count, Count}
	loanedHeads = []string{"90日放款转化率", "金额满足率", "本月首贷户\n户", "本年首贷户\n户", "逾期未对接\n笔", "其中15个工作日以上\n笔"}
)

func loanedCells(figures []*Figure) []Cell {
	out := make([]Cell, len(figures))
	for i, f := range figures {
		out[i] = cell(loanedShows[i], f)
	}
	return out
}

func (m *marts) lendingByStreet() Table {
	t := Table{Caption: "分镇街放款转化、首贷户与逾期", Head: heads(append([]string{"镇街"}, loanedHeads...)...)}
	for _, g := range m.groups() {
		group := Group{Title: g.title}
		sums := make([]*Figure, len(loanedShows))
		for _, a := range g.areas {
			figures := m.loaned(unit{"street", a.ID})
			for i, f := range figures {
				sums[i] = add(g.slice, sums[i], f)
			}
			group.Rows = append(group.Rows, Row{Cells: append([]Cell{linked(a.Name, fileName("conversion", a))}, loanedCells(figures)...)})
		}
		group.Rows = append(group.Rows, Row{Class: "sub", Cells: append([]Cell{words(g.title + "小计")}, loanedCells(sums)...)})
		t.Groups = append(t.Groups, group)
	}
	t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words("全区")}, loanedCells(m.loaned(m.unitOf(m.district)))...)}}})
	return t
}

func (m *marts) lendingByGrid(a Area) Table {
	t := Table{Caption: "分社区、网格放款转化、首贷户与逾期", Head: heads(append([]string{"社区（村）、网格"}, loanedHeads...)...)}
	for _, p := range m.places(a.ID) {
		g := Group{Rows: []Row{{Class: "sub", Cells: append([]Cell{words(p.name)}, loanedCells(m.loaned(unit{"community", p.id}))...)}}}
		for _, gr := range p.grids {
			g.Rows = append(g.Rows, Row{Cells: append([]Cell{{Text: gr.name, Indent: true}}, loanedCells(m.loaned(unit{"grid", gr.id}))...)})
		}
		t.Groups = append(t.Groups, g)
	}
	t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words(a.Name + "合计")}, loanedCells(m.loaned(m.unitOf(a)))...)}}})
	return t
}

// lendingByBank has the banks that have lent or been asked; with them how many of their loans they have confirmed.
func (m *marts) lendingByBank() Table {
	confirmed := m.matured(15)
	month := ""
	head := "银行确认率"
	if n := len(confirmed); n > 0 {
		month = confirmed[n-1]
		head += "\n" + monthWords(month) + "放款"
	}
	t := Table{Caption: "分银行放款转化、首贷户与银行确认", Head: heads("银行", "90日放款转化率", "金额满足率", "本月首贷户\n户", "本年首贷户\n户", head)}
	g := Group{}
	line := func(u unit) []Cell {
		return append(loanedCells(m.loaned(u)[:4]), cell(Ratio, m.of("DQ-05", "M", month, u)))
	}
	for _, b := range m.banks {
		u := unit{"bank", b.id}
		cells := line(u)
		for _, c := range cells {
			if c.Figure != nil {
				g.Rows = append(g.Rows, Row{Cells: append([]Cell{words(b.name)}, cells...)})
				break
			}
		}
	}
	d := line(m.unitOf(m.district))
	d[0], d[1] = words("—"), words("—") // a demand is counted once for the district and once a bank for banks: the two do not add up
	g.Rows = append(g.Rows, Row{Class: "sum", Cells: append([]Cell{words("全区")}, d...)})
	t.Groups = []Group{g}
	return t
}

// evidenceQuality tells how well the loans are evidenced. What only a visitor was told is shown here and nowhere else.
func (m *marts) evidenceQuality() ([]KeyFigure, []string) {
	u := m.unitOf(m.district)
	var out []KeyFigure
	if months := m.matured(15); len(months) > 0 {
		start := months[len(months)-1]
		f := m.of("DQ-05", "M", start, u)
		out = append(out, KeyFigure{"银行确认率（全区，" + monthWords(start) + "放款）", cell(Ratio, f), "银行确认和系统对接的 / 已放款满15天的贷款"})
	}
	of := func(key string) (n, yuan *Figure) {
		n = &Figure{Indicator: "DQ-05", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: "evidence=" + key, Status: open}
		yuan = n.sliced("evidence=" + key + ":amount")
		for _, p := range m.evidence[u.id] {
			if p.key == key && p.start >= m.year() {
				n.Num, yuan.Num = n.Num+p.n, yuan.Num+p.m
			}
		}
		return n, yuan
	}
	for _, e := range []pair{{"bank_entered", "银行填报、尚未确认（全区，本年，笔）"}, {"self_reported", "走访自报（全区，本年，笔）"}} {
		n, yuan := of(e.key)
		out = append(out, KeyFigure{e.label, cell(Count, n), "放款满15天；金额 " + wan(yuan.Num) + " 万元，另行列示"})
	}
	return out, []string{"证据等级由低到高为走访自报、银行填报、银行确认、系统对接，只升不降。本报告的放款转化率、金额满足率、首贷户数只计银行确认和系统对接的贷款；走访自报和银行填报的另列，不加入任何合计。"}
}

// stageSection shows where each month's demands stand today.
func (m *marts) stageSection(u unit) Section {
	s := Section{Title: "各批次需求所处阶段"}
	months := m.recent(13)
	parts := m.stages[u.id]
	keys := tally(parts, "", months[0], months[len(months)-1], stages)
	if len(keys) == 0 {
		s.Text = []string{"期内没有登记的融资需求。"}
		return s
	}
	chart := Stacked{Title: "各批次需求现处阶段构成", Unit: "笔", Keys: labels(keys, stages), Hues: hues(keys, stages)}
	t := Table{Caption: "各批次需求现处阶段（笔）", Head: append(heads("批次", "需求", "金额（万元）"), heads(labels(keys, stages)...)...)}
	g := Group{}
	var said []string
	for _, start := range months {
		f := m.of("CNV-01", "M", start, u)
		now := tally(parts, "", start, start, stages)
		n, yuan := int64(0), int64(0)
		for _, p := range now {
			n, yuan = n+p.n, yuan+p.m
		}
		all := &Figure{Indicator: "CNV-01", Period: "M", Start: start, OrgKind: u.kind, Org: u.id, Slice: "stage=*", Num: n, Status: open}
		if f != nil {
			all.Status = f.Status
		}
		money := all.sliced("stage=*:amount")
		money.Num = yuan
		row := Row{Class: m.rowClass(f), Cells: []Cell{words(monthWords(start)), cell(Count, all), cell(Money, money)}}
		stack := Stack{Label: strings.Replace(start[:7], "-", ".", 1), Faint: m.rowClass(f) == "open"}
		var bits []string
		for _, k := range keys {
			c := countOf(now, k.key)
			stack.Parts = append(stack.Parts, c)
			p := all.sliced("stage=" + k.key)
			p.Num, p.Den, p.HasDen = c, n, true
			row.Cells = append(row.Cells, cell(Count, p))
			if c > 0 {
				bits = append(bits, fmt.Sprintf("%s%d", word(stages, k.key), c))
			}
		}
		chart.Rows = append(chart.Rows, stack)
		g.Rows = append([]Row{row}, g.Rows...)
		if len(bits) > 0 {
			said = append(said, monthWords(start)+"："+strings.Join(bits, "、"))
		}
	}
	t.Groups = []Group{g}
	chart.Alt = "堆积条形图，每个批次合计为100%：" + strings.Join(said, "；") + "。"
	s.Charts, s.Tables = []Chart{chart}, []Table{t}
	s.Notes = []string{"阶段为统计时点所处阶段，不是该月内发生的办理量；图中“*”为暂定批次。"}
	return s
}

// asks are the columns of every table of conversion by place.
func (m *marts) asks(u unit) []*Figure {
	before := monthsBefore(m.month(), 1)
	return []*Figure{m.now("CRD-01", "YTD", u), m.now("CRD-01.amount", "YTD", u), m.now("CRD-01", "M", u), m.now("CRD-01.amount", "M", u),
		m.of("CNV-01", "M", before, u), m.cohorts[u]}
}

var (
	askShows = []Show{Count, Money, Count, Money, Ratio, Ratio}
	askHeads = []string{"本年登记\n笔", "本年登记额\n万元", "本月登记\n笔", "本月登记额\n万元", "上月批次对接率", "本年各批次对接率"}
)

func askCells(figures []*Figure) []Cell {
	out := make([]Cell, len(figures))
	for i, f := range figures {
		out[i] = cell(askShows[i], f)
	}
	return out
}

func (m *marts) conversionByStreet() Section {
	t := Table{Caption: "分镇街登记与对接", Head: heads(append([]string{"镇街"}, askHeads...)...)}
	for _, g := range m.groups() {
		group := Group{Title: g.title}
		sums := make([]*Figure, len(askShows))
		for _, a := range g.areas {
			figures := m.asks(unit{"street", a.ID})
			for i, f := range figures {
				sums[i] = add(g.slice, sums[i], f)
			}
			group.Rows = append(group.Rows, Row{Cells: append([]Cell{linked(a.Name, fileName("conversion", a))}, askCells(figures)...)})
		}
		group.Rows = append(group.Rows, Row{Class: "sub", Cells: append([]Cell{words(g.title + "小计")}, askCells(sums)...)})
		t.Groups = append(t.Groups, group)
	}
	t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words("全区")}, askCells(m.asks(m.unitOf(m.district)))...)}}})
	return Section{Title: "分镇街情况", Tables: []Table{t}, NewPage: true,
		Notes: []string{"需求按采集时所在网格归属；没有网格的需求只计入全区，因此各镇街之和可能小于全区。分母小于10的标注“样本不足”。"}}
}

func (m *marts) conversionByBank() Section {
	before := monthsBefore(m.month(), 1)
	t := Table{Caption: "分银行对接率", Head: heads("银行", "本月", "上月", "环比\n百分点", "本年")}
	g := Group{}
	for _, b := range m.banks {
		u := unit{"bank", b.id}
		now, last, year := m.now("CNV-01", "M", u), m.of("CNV-01", "M", before, u), m.cohorts[u]
		if now == nil && last == nil && year == nil {
			continue
		}
		g.Rows = append(g.Rows, Row{Cells: []Cell{words(b.name), cell(Ratio, now), cell(Ratio, last),
			change(last, m.of("CNV-01", "M", monthsBefore(before, 1), u)), cell(Ratio, year)}})
	}
	s := Section{Title: "分银行情况"}
	if len(g.Rows) == 0 {
		s.Text = []string{"本年没有对接到银行的需求。"}
		return s
	}
	t.Groups = []Group{g}
	s.Tables = []Table{t}
	s.Notes = []string{"按对接到该银行的月份统计，一笔需求对接多家银行的各计一笔，因此与按需求统计的对接率不可相加；环比为上月与前月相比，本月尚未到期。按机构名称排列，不排位次。"}
	return s
}

func (m *marts) conversionByGrid(a Area) Section {
	t := Table{Caption: "分社区、网格登记与对接", Head: heads(append([]string{"社区（村）、网格"}, askHeads...)...)}
	for _, p := range m.places(a.ID) {
		g := Group{Rows: []Row{{Class: "sub", Cells: append([]Cell{words(p.name)}, askCells(m.asks(unit{"community", p.id}))...)}}}
		for _, gr := range p.grids {
			g.Rows = append(g.Rows, Row{Cells: append([]Cell{{Text: gr.name, Indent: true}}, askCells(m.asks(unit{"grid", gr.id}))...)})
		}
		t.Groups = append(t.Groups, g)
	}
	t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words(a.Name + "合计")}, askCells(m.asks(m.unitOf(a)))...)}}})
	s := Section{Title: "分社区、网格情况", Tables: []Table{t}, NewPage: true}
	if len(m.grids[a.ID]) == 0 {
		s.Text = []string{"本镇街尚未划分网格。"}
	} else {
		s.Notes = []string{"需求按采集时所在网格归属。分母小于10的标注“样本不足”。"}
	}
	return s
}

// needSection divides the year's demands by what the money is for.
func (m *marts) needSection(u unit, count *Figure) Section {
	s := Section{Title: "需求用途"}
	parts := tally(m.needs[u.id], "", m.year(), m.month(), needs)
	if len(parts) == 0 {
		s.Text = []string{"本年没有登记的融资需求。"}
		return s
	}
	n, yuan := int64(0), int64(0)
	for _, p := range parts {
		n, yuan = n+p.n, yuan+p.m
	}
	t := Table{Caption: "本年登记需求的用途", Narrow: true, Head: heads("用途", "需求（笔）", "占比", "金额（万元）", "占比")}
	g := Group{}
	bars := Bars{Title: "本年各用途登记需求额（万元）"}
	var said []string
	for _, p := range parts {
		label := word(needs, p.key)
		f := &Figure{Indicator: "CRD-01", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: "need=" + p.key, Num: p.n, Den: n, HasDen: true, Status: open}
		y := &Figure{Indicator: "CRD-01.amount", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: "need=" + p.key, Num: p.m, Den: yuan, HasDen: true, Status: open}
		g.Rows = append(g.Rows, Row{Cells: []Cell{words(label), cell(Count, f), words(f.ratioText()), cell(Money, y), words(y.ratioText())}})
		bars.Bars = append(bars.Bars, Bar{Label: label, Value: float64(p.m), Printed: fmt.Sprintf("%s（%d笔）", wan(p.m), p.n)})
		said = append(said, fmt.Sprintf("%s %d笔 %s万元", label, p.n, wan(p.m)))
	}
	sum := &Figure{Indicator: "CRD-01", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: "need=*", Num: n, Status: open}
	sumYuan := sum.sliced("need=*")
	sumYuan.Indicator, sumYuan.Num = "CRD-01.amount", yuan
	g.Rows = append(g.Rows, Row{Class: "sum", Cells: []Cell{words("合计"), cell(Count, sum), words("100.00 %"), cell(Money, sumYuan), words("100.00 %")}})
	t.Groups = []Group{g}
	bars.Alt = "条形图：" + strings.Join(said, "，") + "。"
	s.Charts, s.Tables = []Chart{bars}, []Table{t}
	if count != nil && count.Num != n {
		s.Notes = []string{fmt.Sprintf("用途表为各月合计%d笔，本年登记数为%d笔：已封账月份不再计入迟报的需求，本年数计入。", n, count.Num)}
	}
	return s
}
