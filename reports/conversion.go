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
	r.Lead = m.conversionLead(a, count, amount, contact, contactLast, m.cohorts[u])
	r.Sections = append(r.Sections, m.cohortTrend(u), m.stageSection(u))
	if a.Kind == "district" {
		r.Sections = append(r.Sections, m.conversionByStreet(), m.conversionByBank())
	} else {
		r.Sections = append(r.Sections, m.conversionByGrid(a))
	}
	r.Sections = append(r.Sections, m.needSection(u, count))
	m.number(&r)
	r.Quality = m.quality()
	r.Notes = m.notes(a)
	r.Defs = m.definitions("CRD-01", "CRD-01.amount", "CNV-01", "DQ-01")
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
	if last.Indicator == "CRD-01.amount" {
		shown = wan(last.Num) + " 万元"
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

// stageSection shows where each month's demands stand today.
func (m *marts) stageSection(u unit) Section {
	s := Section{Title: "各批次需求所处阶段", NewPage: true}
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
