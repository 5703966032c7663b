package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (m *marts) unitOf(a Area) unit {
	if a.Kind == "district" {
		return unit{"district", a.ID}
	}
	return unit{"street", a.ID} // the marts call 街道 and 镇乡 alike
}

// orgName puts the district's name before a street's: two districts may both have a 沙河街道.
func (m *marts) orgName(a Area) string {
	if a.Kind == "district" {
		return a.Name
	}
	return m.district.Name + a.Name
}

// groups are the 街道 and the 镇乡, which are ranked apart.
func (m *marts) groups() []struct {
	title, slice string
	areas        []Area
} {
	type group = struct {
		title, slice string
		areas        []Area
	}
	out := []group{{title: "街道", slice: "areas=street"}, {title: "镇乡", slice: "areas=town"}}
	for _, a := range m.streets {
		i := 0
		if a.Kind == "town" {
			i = 1
		}
		out[i].areas = append(out[i].areas, a)
	}
	return slices.DeleteFunc(out, func(g group) bool { return len(g.areas) == 0 })
}

// rank gives places by ratio, equal ratios sharing a place; figures too small to compare have none.
func rank(figures []*Figure) []string {
	out := make([]string, len(figures))
	for i, f := range figures {
		if !f.ranked() {
			out[i] = "—"
			continue
		}
		place := 1
		for _, g := range figures {
			if g.ranked() && g.Num*f.Den > f.Num*g.Den {
				place++
			}
		}
		out[i] = whole(int64(place))
	}
	return out
}

func (m *marts) report(code, title string, a Area) Report {
	return Report{Code: code, Title: m.orgName(a) + title, Area: a, Run: m.run, Rules: inherited}
}

// coverage is report R1: how many of the enterprises on the books have been visited, where, and how well.
func (m *marts) coverage(a Area) Report {
	r := m.report("coverage", "走访覆盖报告", a)
	u := m.unitOf(a)
	ytd, year, ever := m.now("COV-01", "YTD", u), m.now("COV-01", "R365", u), m.now("COV-02", "CUM", u)
	month, valid := m.now("COV-01", "M", u), m.now("COV-04", "M", u)

	r.Heads = []KeyFigure{
		{"基数（户）", cell(Base, ytd), "统计时点在册"},
		{"本年走访覆盖率", cell(Ratio, ytd), "环比 —"},
		{"近365天走访覆盖率", cell(Ratio, year), "环比 —"},
		{"累计首访率", cell(Ratio, ever), since(m.since)},
		{"本月走访覆盖率", cell(Ratio, month), m.monthly("COV-01", u, true)},
		{"本月有效走访率", cell(Ratio, valid), m.monthly("COV-04", u, false)},
	}
	active, long := m.now("COV-05", "M", u), m.now("COV-07", "CUM", u)
	r.Heads = append(r.Heads,
		KeyFigure{"本月有走访网格占比", cell(Ratio, active), m.monthly("COV-05", u, true)},
		KeyFigure{"90天以上未走访", cell(Count, long), "户，占基数 " + shareOf(long, ytd).ratioText()},
		KeyFigure{"365天以上未走访", cell(Count, m.now("COV-07.d365", "CUM", u)), "户，含从未走访"},
		KeyFigure{"从未走访", cell(Count, m.now("COV-07.never", "CUM", u)), "户，起始日以前的走访也算"})
	r.Lead = m.coverageLead(a, ytd, year, ever, valid)
	if s := m.unvisitedLead(u, ytd, active); s != "" {
		r.Lead = slices.Insert(r.Lead, min(2, len(r.Lead)), s)
	}

	if a.Kind == "district" {
		r.Sections = append(r.Sections, m.coverageMap(), m.coverageByStreet())
	} else {
		r.Sections = append(r.Sections, m.coverageByGrid(a))
	}
	r.Sections = append(r.Sections, m.unvisitedSection(a), m.coverageTrend(u), m.coverageKinds(u, ytd), m.visitQuality(u))
	m.number(&r)
	r.Quality = m.quality()
	r.Notes = m.notes(a)
	r.Defs = m.definitions("COV-01", "COV-02", "COV-04", "COV-05", "COV-07", "COV-07.d180", "COV-07.d365", "COV-07.never", "DQ-01")
	return r
}

// number gives sections their Chinese numerals and anchors.
func (m *marts) number(r *Report) {
	for i := range r.Sections {
		r.Sections[i].ID = fmt.Sprintf("s%d", i+1)
		r.Sections[i].Title = []string{"一", "二", "三", "四", "五", "六", "七", "八", "九"}[i] + "、" + r.Sections[i].Title
	}
}

func since(start string) string {
	if start == "" {
		return ""
	}
	return dayWords(start) + "起"
}

// monthly is the line under a month's headline. A sum that still grows is not compared with a full month's.
func (m *marts) monthly(indicator string, u unit, grows bool) string {
	now, last := m.now(indicator, "M", u), m.of(indicator, "M", monthsBefore(m.month(), 1), u)
	if grows && !m.wholeMonth() {
		if last == nil || last.Den == 0 {
			return "环比 —"
		}
		return "上月 " + last.ratioText() + "；环比 —"
	}
	c := change(now, last)
	if c.Text == "—" {
		return "环比 —"
	}
	return "环比 " + c.Text + " 个百分点"
}

func (m *marts) coverageLead(a Area, ytd, year, ever, valid *Figure) []string {
	who := "全区"
	if a.Kind != "district" {
		who = a.Name
	}
	if ytd == nil || ytd.Den == 0 {
		return []string{fmt.Sprintf("截至%s，%s没有纳入基数的民营小微企业和个体工商户。", dayWords(m.run.Date), who)}
	}
	s := fmt.Sprintf("截至%s，%s纳入基数的民营小微企业和个体工商户%d户。本年有效走访%d户，覆盖率%s", dayWords(m.run.Date), who, ytd.Den, ytd.Num, ytd.ratioText())
	if year != nil && year.Den > 0 {
		s += fmt.Sprintf("；近365天有效走访%d户，覆盖率%s", year.Num, year.ratioText())
	}
	if ever != nil && ever.Den > 0 {
		s += fmt.Sprintf("；累计首访%d户，首访率%s，尚有%d户未首访", ever.Num, ever.ratioText(), ever.Den-ever.Num)
	}
	out := []string{s + "。"}
	if valid != nil {
		if valid.Den == 0 {
			out = append(out, "本月尚无走访上报。")
		} else {
			out = append(out, fmt.Sprintf("本月上报走访%d次，其中有效%d次，有效走访率%s。", valid.Den, valid.Num, valid.ratioText()))
		}
	}
	if a.Kind != "district" {
		return out
	}
	for _, g := range m.groups() {
		figures := make([]*Figure, len(g.areas))
		for i, s := range g.areas {
			figures[i] = m.now("COV-01", "YTD", unit{"street", s.ID})
		}
		best, worst := -1, -1
		for i, f := range figures {
			if !f.ranked() {
				continue
			}
			if best < 0 || f.Num*figures[best].Den > figures[best].Num*f.Den {
				best = i
			}
			if worst < 0 || f.Num*figures[worst].Den < figures[worst].Num*f.Den {
				worst = i
			}
		}
		if best >= 0 && best != worst {
			out = append(out, fmt.Sprintf("%s中，%s本年走访覆盖率最高（%s），%s最低（%s）。", g.title, g.areas[best].Name, figures[best].ratioText(),
				g.areas[worst].Name, figures[worst].ratioText()))
		}
	}
	return out
}

func (m *marts) coverageMap() Section {
	t := Tiles{Title: "各镇街本年走访覆盖率"}
	var said []string
	for _, g := range m.groups() {
		tg := TileGroup{Title: fmt.Sprintf("%s（%d个）", g.title, len(g.areas))}
		for _, a := range g.areas {
			f := m.now("COV-01", "YTD", unit{"street", a.ID})
			tg.Tiles = append(tg.Tiles, Tile{Name: a.Name, Href: fileName("coverage", a), Figure: f})
			said = append(said, a.Name+" "+f.ratioText())
		}
		t.Groups = append(t.Groups, tg)
	}
	t.Alt = "按区划代码排列的方格图，颜色越深覆盖率越高：" + strings.Join(said, "，") + "。"
	return Section{Title: "各镇街本年走访覆盖率分布", Charts: []Chart{t},
		Notes: []string{"每个镇街一格，按区划代码排列，不表示面积和位置；数字见下表，点击进入该镇街报告。"}}
}

func (m *marts) coverageByStreet() Section {
	t := Table{Caption: "分镇街走访覆盖情况", Head: heads("镇街", "位次", "基数", "本年覆盖率", "近365天覆盖率", "累计首访率", "本月覆盖率", "本月有效走访率", "环比\n百分点")}
	columns := []struct{ indicator, period string }{{"COV-01", "YTD"}, {"COV-01", "R365"}, {"COV-02", "CUM"}, {"COV-01", "M"}, {"COV-04", "M"}}
	before := monthsBefore(m.month(), 1)
	for _, g := range m.groups() {
		group := Group{Title: g.title}
		ytd := make([]*Figure, len(g.areas))
		for i, a := range g.areas {
			ytd[i] = m.now("COV-01", "YTD", unit{"street", a.ID})
		}
		places := rank(ytd)
		order := make([]int, len(g.areas))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(placeOf(places[i]), placeOf(places[j])) })
		sums := make([]*Figure, len(columns))
		var lastSum *Figure
		for _, i := range order {
			a := g.areas[i]
			u := unit{"street", a.ID}
			row := Row{Cells: []Cell{linked(a.Name, fileName("coverage", a)), words(places[i]), cell(Base, ytd[i])}}
			for c, col := range columns {
				f := m.now(col.indicator, col.period, u)
				row.Cells = append(row.Cells, cell(Ratio, f))
				sums[c] = add(g.slice, sums[c], f)
			}
			last := m.of("COV-04", "M", before, u)
			lastSum = add(g.slice, lastSum, last)
			row.Cells = append(row.Cells, change(m.now("COV-04", "M", u), last))
			group.Rows = append(group.Rows, row)
		}
		sub := Row{Class: "sub", Cells: []Cell{words(g.title + "小计"), words(""), cell(Base, sums[0])}}
		for _, f := range sums {
			sub.Cells = append(sub.Cells, cell(Ratio, f))
		}
		sub.Cells = append(sub.Cells, change(sums[4], lastSum))
		group.Rows = append(group.Rows, sub)
		t.Groups = append(t.Groups, group)
	}
	u := m.unitOf(m.district)
	total := Row{Class: "sum", Cells: []Cell{words("全区"), words(""), cell(Base, m.now("COV-01", "YTD", u))}}
	for _, col := range columns {
		total.Cells = append(total.Cells, cell(Ratio, m.now(col.indicator, col.period, u)))
	}
	total.Cells = append(total.Cells, change(m.now("COV-04", "M", u), m.of("COV-04", "M", before, u)))
	t.Groups = append(t.Groups, Group{Rows: []Row{total}})
	return Section{Title: "分镇街情况", Tables: []Table{t}, NewPage: true,
		Notes: []string{"位次按本年走访覆盖率在街道、镇乡内分别排列；分母小于10的标注“样本不足”，不排位次。环比为本月有效走访率与上月相比。", m.unassigned()}}
}

// placeOf sorts the unranked after all places.
func placeOf(s string) int {
	if s == "—" {
		return 1 << 30
	}
	n := 0
	_, _ = fmt.Sscan(s, &n)
	return n
}

// unassigned explains why the streets do not add up to the district.
func (m *marts) unassigned() string {
	d := m.now("COV-01", "YTD", m.unitOf(m.district))
	if d == nil {
		return ""
	}
	sum := int64(0)
	for _, a := range m.streets {
		if f := m.now("COV-01", "YTD", unit{"street", a.ID}); f != nil {
			sum += f.Den
		}
	}
	if d.Den == sum {
		return "全部主体已分配到网格，各镇街之和等于全区。"
	}
	return fmt.Sprintf("另有%d户尚未分配到网格（待分配），只计入全区，因此各镇街之和小于全区。", d.Den-sum)
}

func (m *marts) coverageByGrid(a Area) Section {
	t := Table{Caption: "分社区、网格走访覆盖情况", Head: heads("社区（村）、网格", "基数", "本年覆盖率", "近365天覆盖率", "累计首访率", "本月覆盖率", "本月有效走访率")}
	columns := []struct{ indicator, period string }{{"COV-01", "YTD"}, {"COV-01", "R365"}, {"COV-02", "CUM"}, {"COV-01", "M"}, {"COV-04", "M"}}
	line := func(label Cell, u unit, class string) Row {
		row := Row{Class: class, Cells: []Cell{label, cell(Base, m.now("COV-01", "YTD", u))}}
		for _, col := range columns {
			row.Cells = append(row.Cells, cell(Ratio, m.now(col.indicator, col.period, u)))
		}
		return row
	}
	for _, p := range m.places(a.ID) {
		g := Group{Rows: []Row{line(words(p.name), unit{"community", p.id}, "sub")}}
		for _, gr := range p.grids {
			g.Rows = append(g.Rows, line(Cell{Text: gr.name, Indent: true}, unit{"grid", gr.id}, ""))
		}
		t.Groups = append(t.Groups, g)
	}
	t.Groups = append(t.Groups, Group{Rows: []Row{line(words(a.Name+"合计"), m.unitOf(a), "sum")}})
	s := Section{Title: "分社区、网格情况", Tables: []Table{t}}
	if len(m.grids[a.ID]) == 0 {
		s.Text = []string{"本镇街尚未划分网格。"}
	} else {
		s.Notes = []string{"覆盖率按主体在统计时点所在网格统计，有效走访率按走访时所在网格统计；分母小于10的标注“样本不足”。"}
	}
	return s
}

// shareOf is a count's share of the entities on the books.
func shareOf(f, universe *Figure) *Figure {
	if f == nil || universe == nil {
		return nil
	}
	g := f.sliced("share")
	g.Den, g.HasDen = universe.Den, true
	return g
}

func (m *marts) unvisitedLead(u unit, universe, active *Figure) string {
	f := m.now("COV-07", "CUM", u)
	if f == nil || universe == nil || universe.Den == 0 {
		return ""
	}
	s := fmt.Sprintf("90天以上未走访%d户，占基数%s", f.Num, shareOf(f, universe).ratioText())
	if year, never := m.now("COV-07.d365", "CUM", u), m.now("COV-07.never", "CUM", u); year != nil && never != nil {
		s += fmt.Sprintf("，其中365天以上未走访%d户，含从未走访%d户", year.Num, never.Num)
	}
	if active != nil && active.Den > 0 {
		s += fmt.Sprintf("；本月有走访的网格%d个，占有基数主体的网格%d个的%s", active.Num, active.Den, active.ratioText())
	}
	return s + "。"
}

// unvisitedSection lists who has not been seen for long: in the district by street, in a street by community and grid.
func (m *marts) unvisitedSection(a Area) Section {
	district := a.Kind == "district"
	s := Section{Title: "长期未走访主体", NewPage: district}
	columns := []string{"COV-07", "COV-07.d180", "COV-07.d365", "COV-07.never"}
	figures := func(u unit) []*Figure {
		out := []*Figure{m.now("COV-01", "YTD", u)}
		for _, c := range columns {
			out = append(out, m.now(c, "CUM", u))
		}
		return append(out, m.now("COV-05", "M", u))
	}
	cells := func(f []*Figure) []Cell {
		out := []Cell{cell(Base, f[0]), cell(Count, f[1]), words(shareOf(f[1], f[0]).ratioText()), cell(Count, f[2]), cell(Count, f[3]), cell(Count, f[4])}
		if district {
			out = append(out, cell(Ratio, f[5]))
		}
		return out
	}
	names := []string{"社区（村）、网格", "基数", "90天以上\n户", "占基数", "180天以上\n户", "365天以上\n户", "从未走访\n户"}
	t := Table{Caption: "分社区、网格长期未走访主体", Head: heads(names...)}
	chart := Stacked{Title: "距上次有效走访的时长", Unit: "户", Keys: []string{"90天以内", "90至180天", "180至365天", "365天以上", "从未走访"}, Hues: []int{0, 1, 4, 3, 2}}
	var said []string
	stack := func(label string, f []*Figure) {
		if f[0] == nil || slices.Contains(f[1:5], nil) {
			return
		}
		parts := []int64{f[0].Den - f[1].Num, f[1].Num - f[2].Num, f[2].Num - f[3].Num, f[3].Num - f[4].Num, f[4].Num}
		chart.Rows = append(chart.Rows, Stack{Label: label, Parts: parts})
		bits := make([]string, len(parts))
		for i, n := range parts {
			bits[i] = fmt.Sprintf("%s%d", chart.Keys[i], n)
		}
		said = append(said, label+"："+strings.Join(bits, "、"))
	}
	total := figures(m.unitOf(a))
	if district {
		names[0] = "镇街"
		t = Table{Caption: "分镇街长期未走访主体和有走访网格", Head: heads(append(names, "本月有走访网格占比")...)}
		for _, g := range m.groups() {
			group := Group{Title: g.title}
			sums := make([]*Figure, len(columns)+2)
			for _, street := range g.areas {
				f := figures(unit{"street", street.ID})
				for i := range f {
					sums[i] = add(g.slice, sums[i], f[i])
				}
				group.Rows = append(group.Rows, Row{Cells: append([]Cell{linked(street.Name, fileName("coverage", street))}, cells(f)...)})
			}
			group.Rows = append(group.Rows, Row{Class: "sub", Cells: append([]Cell{words(g.title + "小计")}, cells(sums)...)})
			t.Groups = append(t.Groups, group)
			stack(g.title, sums)
		}
		t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words("全区")}, cells(total)...)}}})
		stack("全区", total)
		s.Notes = []string{"各档包含关系：90天以上含180天以上，180天以上含365天以上，365天以上含从未走访。起始日以前的有效走访也算走访过。", "有走访网格占比：本月至少有一次有效走访的网格 / 有基数主体的网格，未满的月份还会增加。待分配主体只计入全区。"}
	} else {
		for _, p := range m.places(a.ID) {
			f := figures(unit{"community", p.id})
			g := Group{Rows: []Row{{Class: "sub", Cells: append([]Cell{words(p.name)}, cells(f)...)}}}
			stack(p.name, f)
			for _, gr := range p.grids {
				g.Rows = append(g.Rows, Row{Cells: append([]Cell{{Text: gr.name, Indent: true}}, cells(figures(unit{"grid", gr.id}))...)})
			}
			t.Groups = append(t.Groups, g)
		}
		t.Groups = append(t.Groups, Group{Rows: []Row{{Class: "sum", Cells: append([]Cell{words(a.Name + "合计")}, cells(total)...)}}})
		s.Notes = []string{"各档包含关系：90天以上含180天以上，180天以上含365天以上，365天以上含从未走访。起始日以前的有效走访也算走访过。按主体在统计时点所在网格统计。"}
		if len(m.grids[a.ID]) == 0 {
			s.Text = []string{"本镇街尚未划分网格。"}
			return s
		}
	}
	if len(chart.Rows) > 0 {
		chart.Alt = "堆积条形图，每行合计为100%：" + strings.Join(said, "；") + "。"
		s.Charts = []Chart{chart}
	}
	s.Tables = []Table{t}
	return s
}

// trend draws a monthly indicator.
func (m *marts) trend(title, indicator string, u unit, months []string) Trend {
	c := Trend{Title: title, Unit: "%"}
	var said []string
	for _, s := range months {
		f := m.of(indicator, "M", s, u)
		d := Dot{Start: s, Missing: f == nil || f.Den == 0}
		if !d.Missing {
			d.Value = float64(f.Num) / float64(f.Den) * 100
			d.Printed = strings.TrimSuffix(f.ratioText(), " %")
			d.Open = f.Status != closed
		}
		said = append(said, monthWords(s)+" "+f.ratioText())
		c.Dots = append(c.Dots, d)
	}
	c.Alt = "按月折线图：" + strings.Join(said, "，") + "。空心点为暂定。"
	return c
}

// stateOf marks a period; an unfinished month says so too.
func (m *marts) stateOf(start string, f *Figure) Cell {
	s := open
	if f != nil {
		s = f.Status
	}
	if start == m.month() && !m.wholeMonth() {
		s += "（未满月）"
	}
	return words(s)
}

func (m *marts) rowClass(f *Figure) string {
	if f != nil && f.Status == closed {
		return ""
	}
	return "open"
}

func (m *marts) coverageTrend(u unit) Section {
	months := m.recent(13)
	t := Table{Caption: "各月走访情况", Head: heads("月份", "状态", "走访覆盖率", "环比\n百分点", "同比\n百分点", "有效走访率", "环比\n百分点", "同比\n百分点", "有走访网格占比")}
	g := Group{}
	for i := len(m.months) - 1; i >= 0; i-- {
		s := m.months[i]
		before, year := monthsBefore(s, 1), monthsBefore(s, 12)
		cov, val := m.of("COV-01", "M", s, u), m.of("COV-04", "M", s, u)
		covC, covY := change(cov, m.of("COV-01", "M", before, u)), change(cov, m.of("COV-01", "M", year, u))
		valC, valY := change(val, m.of("COV-04", "M", before, u)), change(val, m.of("COV-04", "M", year, u))
		if s == m.month() && !m.wholeMonth() {
			covC, covY, valY = words("—"), words("—"), words("—")
		}
		g.Rows = append(g.Rows, Row{Class: m.rowClass(cov), Cells: []Cell{words(monthWords(s)), m.stateOf(s, cov),
			cell(Ratio, cov), covC, covY, cell(Ratio, val), valC, valY, cell(Ratio, m.of("COV-05", "M", s, u))}})
	}
	t.Groups = []Group{g}
	tables := []Table{t}
	if len(m.quarters) > 0 {
		q := Table{Caption: "各季度走访覆盖率", Narrow: true, Head: heads("季度", "状态", "走访覆盖率")}
		qg := Group{}
		for i := len(m.quarters) - 1; i >= 0 && len(qg.Rows) < 8; i-- {
			f := m.of("COV-01", "Q", m.quarters[i], u)
			state := open
			if f != nil {
				state = f.Status
			}
			qg.Rows = append(qg.Rows, Row{Class: m.rowClass(f), Cells: []Cell{words(quarterWords(m.quarters[i])), words(state), cell(Ratio, f)}})
		}
		q.Groups = []Group{qg}
		tables = append(tables, q)
	}
	return Section{Title: "走势", NewPage: true,
		Charts: []Chart{m.trend("各月走访覆盖率", "COV-01", u, months), m.trend("各月有效走访率", "COV-04", u, months)},
		Tables: tables,
		Notes:  []string{"图中空心点、表中灰底为暂定。未满的月份与上月全月长度不同，走访覆盖率不作环比、同比；有效走访率以走访次数为分母，可作环比。"}}
}

// coverageKinds divides the year's coverage by what the enterprises are.
func (m *marts) coverageKinds(u unit, ytd *Figure) Section {
	s := Section{Title: "主体类型、规模与行业", Paired: true}
	for _, d := range []struct {
		dimension, title, head string
		order                  []pair
	}{
		{"kind", "分主体类型", "主体类型", kinds}, {"size", "分规模", "规模", sizes}, {"section", "分行业门类", "行业门类", sections},
	} {
		parts := tally(m.breakdown[u.id], d.dimension, "", "", d.order)
		t := Table{Caption: d.title, Narrow: true, Head: heads(d.head, "基数", "占比", "已走访（户）", "本年覆盖率")}
		g := Group{}
		sum := int64(0)
		for _, p := range parts {
			sum += p.m
		}
		bars := Bars{Title: d.title + "本年走访覆盖率", Ratio: true}
		var said []string
		for _, p := range parts {
			f := &Figure{Indicator: "COV-01", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: d.dimension + "=" + p.key,
				Num: p.n, Den: p.m, HasDen: true, Status: open}
			share := &Figure{Indicator: "COV-01", Period: "YTD", Start: m.year(), OrgKind: u.kind, Org: u.id, Slice: "share:" + d.dimension + "=" + p.key,
				Num: p.m, Den: sum, HasDen: true, Status: open}
			label := word(d.order, p.key)
			g.Rows = append(g.Rows, Row{Cells: []Cell{words(label), cell(Base, f), words(share.ratioText()), cell(Count, f), cell(Ratio, f)}})
			b := Bar{Label: label, Printed: f.ratioText(), Faint: f.few()}
			if p.m > 0 {
				b.Value = float64(p.n) / float64(p.m) * 100
			}
			bars.Bars = append(bars.Bars, b)
			said = append(said, label+" "+f.ratioText())
		}
		if len(parts) == 0 {
			continue
		}
		g.Rows = append(g.Rows, Row{Class: "sum", Cells: []Cell{words("合计"), cell(Base, ytd), words("100.00 %"), cell(Count, ytd), cell(Ratio, ytd)}})
		t.Groups = []Group{g}
		bars.Alt = "条形图：" + strings.Join(said, "，") + "。"
		s.Tables = append(s.Tables, t)
		s.Charts = append(s.Charts, bars)
	}
	if len(s.Tables) == 0 {
		s.Text = []string{"没有可分类的数据。"}
	} else {
		s.Notes = []string{"斜纹条为样本不足（基数小于10户）。"}
	}
	return s
}

// visitQuality shows what became of the visits handed in, and why some do not count.
func (m *marts) visitQuality(u unit) Section {
	s := Section{Title: "走访结果与无效原因", Paired: true}
	months := m.recent(13)
	keys := tally(m.outcomes[u.id], "", m.months[0], m.months[len(m.months)-1], outcomes)
	if len(keys) == 0 {
		s.Text = []string{"期内没有走访上报。"}
		return s
	}
	chart := Stacked{Title: "各月走访结果构成", Unit: "次"}
	t := Table{Caption: "各月走访结果（次）", Head: append(heads("月份", "上报走访"), heads(labels(keys, outcomes)...)...)}
	chart.Keys, chart.Hues = labels(keys, outcomes), hues(keys, outcomes)
	g := Group{}
	var said []string
	for _, start := range months {
		all := m.of("COV-04", "M", start, u)
		row := Row{Class: m.rowClass(all), Cells: []Cell{words(monthWords(start)), cell(Base, all)}}
		stack := Stack{Label: strings.Replace(start[:7], "-", ".", 1), Faint: m.rowClass(all) == "open"}
		counts := tally(m.outcomes[u.id], "", start, start, outcomes)
		var bits []string
		for _, k := range keys {
			n := countOf(counts, k.key)
			stack.Parts = append(stack.Parts, n)
			row.Cells = append(row.Cells, cell(Count, m.slice("COV-04", start, u, "outcome="+k.key, n, all)))
			bits = append(bits, fmt.Sprintf("%s%d", word(outcomes, k.key), n))
		}
		chart.Rows = append(chart.Rows, stack)
		g.Rows = append([]Row{row}, g.Rows...)
		said = append(said, monthWords(start)+"："+strings.Join(bits, "、"))
	}
	t.Groups = []Group{g}
	chart.Alt = "堆积条形图，每月合计为100%：" + strings.Join(said, "；") + "。"
	s.Charts = append(s.Charts, chart)
	s.Tables = append(s.Tables, t)

	before := monthsBefore(m.month(), 1)
	reasons := tally(m.invalid[u.id], "", m.year(), m.month(), invalids)
	rt := Table{Caption: "走访未计为有效的原因（次）", Narrow: true, Head: heads("原因", "本月", "上月", "本年")}
	rg := Group{}
	bars := Bars{Title: "本年走访未计为有效的原因"}
	var said2 []string
	now, last := tally(m.invalid[u.id], "", m.month(), m.month(), invalids), tally(m.invalid[u.id], "", before, before, invalids)
	yearAll := m.yearOf("COV-04", u)
	for _, p := range reasons {
		label := word(invalids, p.key)
		rg.Rows = append(rg.Rows, Row{Cells: []Cell{words(label),
			cell(Count, m.slice("COV-04", m.month(), u, "invalid="+p.key, countOf(now, p.key), m.now("COV-04", "M", u))),
			cell(Count, m.slice("COV-04", before, u, "invalid="+p.key, countOf(last, p.key), m.of("COV-04", "M", before, u))),
			cell(Count, m.slice("COV-04", m.year(), u, "invalid="+p.key, p.n, yearAll))}})
		bars.Bars = append(bars.Bars, Bar{Label: label, Value: float64(p.n), Printed: whole(p.n) + " 次"})
		said2 = append(said2, fmt.Sprintf("%s %d次", label, p.n))
	}
	if len(reasons) > 0 {
		bars.Alt = "条形图：" + strings.Join(said2, "，") + "。"
		rt.Groups = []Group{rg}
		s.Charts = append(s.Charts, bars)
		s.Tables = append(s.Tables, rt)
		s.Notes = append(s.Notes, "图中“*”为暂定月份。一次走访只按首先不符合的一项归入一个原因。")
	} else {
		s.Notes = append(s.Notes, "图中“*”为暂定月份。本年没有未计为有效的走访。")
	}
	return s
}

// slice makes a figure that is a part of an indicator's denominator.
func (m *marts) slice(indicator, start string, u unit, slice string, n int64, of *Figure) *Figure {
	f := &Figure{Indicator: indicator, Period: "M", Start: start, OrgKind: u.kind, Org: u.id, Slice: slice, Num: n, HasDen: of != nil, Status: open}
	if of != nil {
		f.Den, f.Period, f.Status = of.Den, of.Period, of.Status
	}
	return f
}

// yearOf sums an indicator's months of this year.
func (m *marts) yearOf(indicator string, u unit) *Figure {
	var sum *Figure
	for _, s := range m.months {
		if s >= m.year() {
			sum = add("months=year", sum, m.of(indicator, "M", s, u))
		}
	}
	if sum != nil {
		sum.Period, sum.Start, sum.Status = "YTD", m.year(), open
	}
	return sum
}

func countOf(parts []part, k string) int64 {
	for _, p := range parts {
		if p.key == k {
			return p.n
		}
	}
	return 0
}

func labels(parts []part, table []pair) []string {
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = word(table, p.key)
	}
	return out
}

// hues are places in the word table; what is not in it takes the next ones.
func hues(parts []part, table []pair) []int {
	out := make([]int, len(parts))
	for i, p := range parts {
		if out[i] = slices.IndexFunc(table, func(t pair) bool { return t.key == p.key }); out[i] < 0 {
			out[i] = len(table) + i
		}
	}
	return out
}

func heads(names ...string) []Cell {
	out := make([]Cell, len(names))
	for i, n := range names {
		out[i] = words(n)
	}
	return out
}

// quality is the footnote on how promptly the phones report.
func (m *marts) quality() []KeyFigure {
	u := m.unitOf(m.district)
	now, last := m.now("DQ-01", "M", u), m.of("DQ-01", "M", monthsBefore(m.month(), 1), u)
	return []KeyFigure{
		{"本月同步及时率（全区）", cell(Ratio, now), "24小时内上报的记录 / 全部手机采集记录"},
		{"上月同步及时率（全区）", cell(Ratio, last), "24小时内上报的记录 / 全部手机采集记录"},
	}
}

func (m *marts) notes(a Area) []string {
	n := []string{"数据质量：迟报的记录在上报后计入其采集所在的期间；已封账的期间不再变动。"}
	if m.run.Provisional {
		n = append(n, "统计日尚未结束，本报告全部数字为暂定。")
	}
	if a.Kind != "district" {
		n = append(n, "同步及时率按手机所属人员统计，只有全区数。")
	}
	return n
}
