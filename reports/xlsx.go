package reports

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"
)

// writeXLSX draws a report as a workbook of values, never formulas: what somebody files is what was published. Tables by place
// have a sheet each, to be sorted and filtered; 明细 has every figure that the page prints, a row each, in the page's order.
func writeXLSX(w io.Writer, r Report) error {
	b := &book{f: excelize.NewFile(), r: r, styles: map[look]int{}}
	defer b.f.Close()
	b.f.SetZipWriter(func(w io.Writer) excelize.ZipWriter { return &sortedZip{w: w} })
	if err := b.draw(); err != nil {
		return err
	}
	return b.f.Write(w)
}

func workbookName(report string, a Area) string { return report + "-" + a.File + ".xlsx" }

// kind is how a value stands in its cell.
type kind int

const (
	asText kind = iota
	asWord      // short, in the middle: a unit, a state
	asIndented
	asNothing // no value
	asNumber
	asRatio
	asFew // marked: the denominator is too small to compare
	asMoney
	asHours
	asSigned
	asDate
	asMoment
	asTitle
	asChapter
	asNote
	asLabel
	asHead
)

type look struct {
	kind  kind
	class string
}

// slot is one cell: a value and how it stands there.
type slot struct {
	v  any
	as kind
}

type line struct {
	slots []slot
	class string
}

// book is a workbook in the making.
type book struct {
	f      *excelize.File
	r      Report
	styles map[look]int
	sheets int
}

// tab is one sheet in the making; rows are written as they come.
type tab struct {
	*book
	name   string
	w      *excelize.StreamWriter
	row    int // last written
	widths []float64
	wide   float64 // of all columns
}

func (b *book) draw() error {
	font := "宋体"
	if err := b.f.SetDefaultFont(font); err != nil {
		return err
	}
	at := b.r.Run.Date + "T16:00:00Z" // the end of that day in Shanghai: the same run, the same bytes
	if err := b.f.SetDocProps(&excelize.DocProperties{Title: b.r.Title, Subject: "统计日 " + b.r.Run.Date, Identifier: b.r.Run.ID, Creator: "金融服务港湾统计",
		LastModifiedBy: "金融服务港湾统计", Created: at, Modified: at, Language: "zh-CN"}); err != nil {
		return err
	}
	if err := b.f.SetAppProps(&excelize.AppProperties{Application: "gangwan"}); err != nil {
		return err
	}
	var street, grids []Table
	var rest []Section
	notes := map[string][]string{}
	for _, s := range b.r.Sections {
		left := s
		left.Tables = nil
		for _, t := range s.Tables {
			switch placeOfTable(t, b.r.Area) {
			case "street":
				street = append(street, t)
			case "grid":
				grids = append(grids, t)
			default:
				left.Tables = append(left.Tables, t)
				continue
			}
			notes[t.Caption] = s.Notes
		}
		if len(left.Tables) > 0 || len(s.Tables) == 0 && len(s.Text) > 0 {
			rest = append(rest, left)
		}
	}
	steps := []func() error{b.summary}
	for _, k := range []struct {
		name   string
		tables []Table
	}{{"街道", street}, {"网格", grids}} {
		for i, t := range k.tables {
			name := k.name
			if i > 0 {
				name += strconv.Itoa(i + 1)
			}
			steps = append(steps, func() error { return b.byPlace(name, t, notes[t.Caption]) })
		}
	}
	if len(rest) > 0 {
		steps = append(steps, func() error { return b.parts(rest) })
	}
	for _, step := range append(steps, b.details, b.definitions, b.quality) {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// placeOfTable tells by its figures, or where it has none by its heading, what a table's rows are: streets of a district,
// communities and grids, or neither.
func placeOfTable(t Table, a Area) string {
	for _, g := range t.Groups {
		for _, row := range g.Rows {
			for _, c := range row.Cells {
				switch {
				case c.Figure == nil:
				case c.Figure.OrgKind == "grid" || c.Figure.OrgKind == "community":
					return "grid"
				case c.Figure.OrgKind == "street" && a.Kind == "district":
					return "street"
				}
			}
		}
	}
	switch {
	case len(t.Head) > 0 && strings.Contains(t.Head[0].Text, "网格"):
		return "grid"
	case len(t.Head) > 0 && strings.Contains(t.Head[0].Text, "镇街") && a.Kind == "district":
		return "street"
	}
	return ""
}

// open begins a sheet. Columns are as wide as widths says, in digits; the top rows and the left columns stay in sight.
func (b *book) open(name string, widths []float64, top, left int) (*tab, error) {
	if b.sheets == 0 {
		if err := b.f.SetSheetName("Sheet1", name); err != nil {
			return nil, err
		}
	} else if _, err := b.f.NewSheet(name); err != nil {
		return nil, err
	}
	b.sheets++
	yes := true
	if err := b.f.SetSheetProps(name, &excelize.SheetPropsOptions{FitToPage: &yes}); err != nil {
		return nil, err
	}
	w, err := b.f.NewStreamWriter(name)
	if err != nil {
		return nil, err
	}
	p := &tab{book: b, name: name, w: w, widths: widths}
	for i, width := range widths {
		p.wide += width
		if err := w.SetColWidth(i+1, i+1, width); err != nil {
			return nil, err
		}
	}
	if top > 0 {
		panes := &excelize.Panes{Freeze: true, XSplit: left, YSplit: top, TopLeftCell: cellName(left+1, top+1), ActivePane: "bottomRight"}
		if left == 0 {
			panes.ActivePane = "bottomLeft"
		}
		if err := w.SetPanes(panes); err != nil {
			return nil, err
		}
		// On paper the same rows stand on top of every sheet.
		if err := b.f.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: fmt.Sprintf("'%s'!$1:$%d", name, top), Scope: name}); err != nil {
			return nil, err
		}
	}
	size, landscape, width, height := 9, "landscape", 1, 0 // A4, one sheet wide, as many as it takes
	if err := b.f.SetPageLayout(name, &excelize.PageLayoutOptions{Size: &size, Orientation: &landscape, FitToWidth: &width, FitToHeight: &height}); err != nil {
		return nil, err
	}
	side, ends, foot := 0.4, 0.6, 0.3
	if err := b.f.SetPageMargins(name, &excelize.PageLayoutMarginsOptions{Left: &side, Right: &side, Top: &ends, Bottom: &ends, Header: &foot, Footer: &foot, Horizontally: &yes}); err != nil {
		return nil, err
	}
	return p, b.f.SetHeaderFooter(name, &excelize.HeaderFooterOptions{OddFooter: "&L批次 " + b.r.Run.ID + "&C" + strings.ReplaceAll(b.r.Title, "&", "&&") + "&R第 &P 页，共 &N 页"})
}

// cellName is a cell's name; the sheets are far smaller than the format allows, so there always is one.
func cellName(column, row int) string {
	s, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		panic(err)
	}
	return s
}

func (p *tab) put(height float64, l line) error {
	p.row++
	cells := make([]any, len(l.slots))
	for i, s := range l.slots {
		id, err := p.style(look{s.as, l.class})
		if err != nil {
			return err
		}
		cells[i] = excelize.Cell{StyleID: id, Value: s.v}
	}
	return p.w.SetRow(cellName(1, p.row), cells, excelize.RowOpts{Height: height})
}

// run writes a text over the whole breadth, as high as it needs.
func (p *tab) run(as kind, s string) error {
	lines := max(1, math.Ceil(float64(breadth(s))*1.05/p.wide))
	height := 16 * lines
	if as == asTitle {
		height = 26 * lines
	}
	if err := p.put(height, line{slots: []slot{{s, as}}}); err != nil || len(p.widths) < 2 {
		return err
	}
	return p.w.MergeCell(cellName(1, p.row), cellName(len(p.widths), p.row))
}

func (p *tab) skip() { p.row++ }

// rows writes a header and what stands under it.
func (p *tab) rows(heads []string, rows []line) error {
	l, high := line{}, 1.0
	for i, h := range heads {
		l.slots = append(l.slots, slot{h, asHead})
		lines := 0.0
		for part := range strings.SplitSeq(h, "\n") {
			lines += max(1, math.Ceil(float64(breadth(part)+1)/p.widths[i]))
		}
		high = max(high, lines)
	}
	if err := p.put(8+14*high, l); err != nil {
		return err
	}
	for _, r := range rows {
		if err := p.put(0, r); err != nil {
			return err
		}
	}
	return nil
}

// filter puts the arrows on a header; a total at the end stays where it is when the rows are sorted.
func (p *tab) filter(headRow int, rows []line, columns int) error {
	n := len(rows)
	for n > 0 && rows[n-1].class == "sum" {
		n--
	}
	if n == 0 {
		return nil
	}
	return p.f.AutoFilter(p.name, cellName(1, headRow)+":"+cellName(columns, headRow+n), nil)
}

func (b *book) style(l look) (int, error) {
	if id, ok := b.styles[l]; ok {
		return id, nil
	}
	s := excelize.Style{Font: &excelize.Font{Family: "宋体", Size: 11, Bold: l.class == "sub" || l.class == "sum"}, Alignment: &excelize.Alignment{Vertical: "center"}}
	format := func(code string) { s.CustomNumFmt = &code }
	switch l.kind {
	case asWord:
		s.Alignment.Horizontal = "center"
	case asIndented:
		s.Alignment.Horizontal, s.Alignment.Indent = "left", 1
	case asNothing:
		s.Alignment.Horizontal = "right"
	case asNumber:
		format("#,##0")
	case asRatio:
		format("0.00%")
	case asFew:
		format(`0.00%"*"`)
	case asMoney:
		format("#,##0.00")
	case asHours:
		format("#,##0.0")
	case asSigned:
		format("+0.00;-0.00;0.00")
	case asDate, asMoment:
		format("yyyy-mm-dd")
		if l.kind == asMoment {
			format("yyyy-mm-dd hh:mm")
		}
		s.Alignment.Horizontal = "left"
	case asTitle:
		s.Font.Size, s.Font.Bold, s.Alignment.WrapText = 16, true, true
	case asChapter:
		s.Font.Size, s.Font.Bold = 12, true
	case asNote:
		s.Alignment.WrapText, s.Alignment.Vertical = true, "top"
	case asLabel:
		s.Font.Bold = true
	case asHead:
		s.Font.Bold = true
		s.Alignment.Horizontal, s.Alignment.WrapText = "center", true
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DCE6F1"}}
	}
	if l.kind <= asMoment && l.class != "bare" || l.kind == asHead {
		for _, side := range []string{"left", "right", "top", "bottom"} {
			s.Border = append(s.Border, excelize.Border{Type: side, Color: "BFBFBF", Style: 1})
		}
	}
	switch l.class {
	case "open":
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"F2F2F2"}}
	case "sum":
		s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"EBF1DE"}}
	}
	id, err := b.f.NewStyle(&s)
	b.styles[l] = id
	return id, err
}

// breadth is how many digits' room a text takes: a Chinese character is as wide as two.
func breadth(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x2000 {
			n++
		}
	}
	return n
}

// columnWidths fit the columns to what stands in them, within least and most; a heading that is longer is broken.
func columnWidths(heads []string, rows []line, least, most float64) []float64 {
	out := make([]float64, len(heads))
	for i, h := range heads {
		for part := range strings.SplitSeq(h, "\n") {
			out[i] = max(out[i], min(float64(breadth(part)+3), 11)) // the filter's arrow takes room too
		}
	}
	for _, r := range rows {
		for i, s := range r.slots {
			n := 0
			switch v := s.v.(type) {
			case string:
				n = breadth(v)
			case int64:
				n = len(whole(v)) * 4 / 3
			default:
				n = 10
			}
			if s.as == asIndented {
				n += 2
			}
			out[i] = max(out[i], float64(n+2))
		}
	}
	for i := range out {
		out[i] = min(max(out[i], least), most)
	}
	return out
}

var noValue = slot{"—", asNothing}

// shownAs is a cell's figure as the page prints it: the ratio, the count, the base or the amount.
func shownAs(c Cell) slot {
	f := c.Figure
	switch {
	case f == nil:
		return noValue
	case c.Show == Count:
		return slot{f.Num, asNumber}
	case c.Show == Money:
		return slot{float64(f.Num) / 10000, asMoney}
	case c.Show == Hours:
		return slot{float64(tenths(f.Num)) / 10, asHours}
	case !f.HasDen:
		return noValue
	case c.Show == Base:
		return slot{f.Den, asNumber}
	case f.Den == 0:
		return noValue
	case f.few():
		return slot{f.rounded(), asFew}
	}
	return slot{f.rounded(), asRatio}
}

// rounded is the ratio with the digits that the page prints: programs do not agree how 0.31625 is shown in per cent. Numerator
// and denominator stand beside it in full.
func (f *Figure) rounded() float64 {
	return float64(roundDiv(new(big.Int).Mul(big.NewInt(f.Num), big.NewInt(10000)), big.NewInt(f.Den))) / 10000
}

// numDen are the two behind a ratio.
func numDen(f *Figure) (num, den slot) {
	if f == nil {
		return noValue, noValue
	}
	if !f.HasDen {
		return slot{f.Num, asNumber}, noValue
	}
	return slot{f.Num, asNumber}, slot{f.Den, asNumber}
}

// spoken is a cell without a figure. A number in it becomes one, so that it can be sorted and added up.
func spoken(c Cell) slot {
	s := c.Text
	switch {
	case s == "—" || s == "" && c.Show != Words:
		return noValue
	case c.Indent:
		return slot{s, asIndented}
	case c.Show == Change:
		if n, err := strconv.ParseFloat(strings.Replace(s, "−", "-", 1), 64); err == nil {
			return slot{n, asSigned}
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && whole(n) == s {
		return slot{n, asNumber}
	}
	if of100, ok := strings.CutSuffix(s, " %"); ok {
		if n, err := strconv.ParseFloat(of100, 64); err == nil {
			return slot{math.Round(n*100) / 10000, asRatio}
		}
	}
	return slot{s, asText}
}

// lay turns a table of the page into columns of one value each: a ratio takes three, with its numerator and denominator; the
// title of a group becomes the first column of its rows.
func lay(t Table) (heads []string, rows []line) {
	grouped, shows := false, make([]Show, len(t.Head))
	for _, g := range t.Groups {
		grouped = grouped || g.Title != ""
		for _, row := range g.Rows {
			for i, c := range row.Cells {
				if i < len(shows) && c.Show != Words && (shows[i] == Words || c.Show.ratio()) {
					shows[i] = c.Show
				}
			}
		}
	}
	if grouped {
		heads = append(heads, "类别")
	}
	for i, h := range t.Head {
		switch {
		case shows[i] == MoneyRatio:
			heads = append(heads, h.Text, h.Text+"\n分子，万元", h.Text+"\n分母，万元")
		case shows[i] == Ratio:
			heads = append(heads, h.Text, h.Text+"\n分子", h.Text+"\n分母")
		case shows[i] == Money && !strings.Contains(h.Text, "万元"):
			heads = append(heads, h.Text+"\n万元")
		default:
			heads = append(heads, h.Text)
		}
	}
	for _, g := range t.Groups {
		for _, row := range g.Rows {
			l := line{class: row.Class}
			if grouped {
				l.slots = append(l.slots, slot{g.Title, asText})
			}
			for i, c := range row.Cells {
				s := spoken(c)
				if c.Show != Words && c.Show != Change {
					s = shownAs(c)
				}
				l.slots = append(l.slots, s)
				if i < len(shows) && shows[i].ratio() {
					num, den := numDen(c.Figure)
					if c.Show == MoneyRatio && c.Figure != nil {
						num, den = slot{float64(c.Figure.Num) / 10000, asMoney}, slot{float64(c.Figure.Den) / 10000, asMoney}
					}
					if c.Show == Words && c.Text == "" { // nothing belongs there, which is not the same as a missing value
						num, den = s, s
					}
					l.slots = append(l.slots, num, den)
				}
			}
			rows = append(rows, l)
		}
	}
	return heads, rows
}

func anyFew(rows []line) bool {
	return slices.ContainsFunc(rows, func(l line) bool { return slices.ContainsFunc(l.slots, func(s slot) bool { return s.as == asFew }) })
}

func (b *book) summary() error {
	r := b.r
	heads := []string{"指标", "数值", "单位", "分子", "分母", "状态", "期间", "说明", "指标代码"}
	p, err := b.open("汇总", []float64{30, 16, 9, 16, 14, 9, 14, 36, 16}, 0, 0)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, r.Title); err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, r.Run.Date)
	if err != nil {
		return fmt.Errorf("report %s: the run's date: %w", r.Code, err)
	}
	until := slot{"—", asText}
	if t, err := time.Parse("2006-01-02 15:04", r.Run.DataUntil); err == nil {
		until = slot{t, asMoment}
	}
	state := "本月、本年、近365天和累计数为暂定；次月5日后封账的月份注明“封账”。"
	if r.Run.Provisional {
		state = "暂定（统计日未结束）"
	}
	versions := make([]string, len(r.Defs))
	for i, d := range r.Defs {
		versions[i] = fmt.Sprintf("%s 第%d版", d.Code, d.Version)
	}
	for _, f := range []struct {
		name string
		v    slot
	}{{"范围", slot{r.Area.Name, asText}}, {"统计日", slot{day, asDate}}, {"数据截至（北京时间）", until}, {"状态", slot{state, asText}}, {"批次", slot{r.Run.ID, asText}},
		{"口径版本", slot{strings.Join(versions, "、"), asText}}} {
		if err := p.put(0, line{class: "bare", slots: []slot{{f.name, asLabel}, f.v}}); err != nil {
			return err
		}
	}
	p.skip()
	if err := p.run(asChapter, "主要情况"); err != nil {
		return err
	}
	for _, s := range r.Lead {
		if err := p.run(asNote, s); err != nil {
			return err
		}
	}
	p.skip()
	if err := p.run(asChapter, "主要数字"); err != nil {
		return err
	}
	rows := keyRows(r.Heads)
	if err := p.rows(heads, rows); err != nil {
		return err
	}
	return p.end([]string{"金额的数值以万元列示，分子以元列示。", "本表不含任何个人、企业的名称和联系方式。"}, anyFew(rows))
}

// keyRows are headline figures, a row each.
func keyRows(keys []KeyFigure) []line {
	rows := make([]line, len(keys))
	for i, k := range keys {
		num, den := numDen(k.Cell.Figure)
		l := []slot{{k.Label, asText}, shownAs(k.Cell), {unitWord(k.Cell.Show), asWord}, num, den, {"", asWord}, {"", asWord}, {k.Under, asText}, {"", asText}}
		if f := k.Cell.Figure; f != nil {
			l[5].v, l[6].v, l[8].v = f.Status, periodWords(f), f.Indicator
		}
		rows[i] = line{slots: l}
	}
	return rows
}

func unitWord(s Show) string {
	switch s {
	case Ratio, MoneyRatio:
		return "%"
	case Money:
		return "万元"
	case Hours:
		return "小时"
	}
	return "个数"
}

var windows = []pair{{"YTD", "本年"}, {"R365", "近365天"}, {"CUM", "累计"}}

func periodWords(f *Figure) string {
	switch f.Period {
	case "M":
		return monthWords(f.Start)
	case "Q":
		return quarterWords(f.Start)
	}
	return word(windows, f.Period)
}

// notes writes what the page says under its tables, without the sentences on its charts, which are on the page only.
func (p *tab) notes(notes []string, few bool) error {
	if few {
		notes = append(slices.Clone(notes), "带“*”的为样本不足（分母小于10）。")
	}
	for _, s := range notes {
		kept := ""
		for sentence := range strings.SplitAfterSeq(s, "。") {
			if onChart := strings.Contains(sentence, "图中") || strings.Contains(sentence, "斜纹"); !onChart || strings.Contains(sentence, "表中") {
				kept += sentence
			}
		}
		if kept == "" {
			continue
		}
		if err := p.run(asNote, kept); err != nil {
			return err
		}
	}
	return nil
}

// end writes notes under the last table and closes the sheet.
func (p *tab) end(notes []string, few bool) error {
	p.skip()
	if err := p.notes(notes, few); err != nil {
		return err
	}
	return p.w.Flush()
}

// byPlace is a sheet of one table whose rows are streets, or communities and grids.
func (b *book) byPlace(name string, t Table, notes []string) error {
	heads, rows := lay(t)
	fit := columnWidths(heads, rows, 9, 30)
	left := 1
	if heads[0] == "类别" {
		left = 2
	}
	p, err := b.open(name, fit, 2, left)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, t.Caption+"（"+b.r.Title+"，"+dayWords(b.r.Run.Date)+"）"); err != nil {
		return err
	}
	if err := p.rows(heads, rows); err != nil {
		return err
	}
	if err := p.filter(2, rows, len(heads)); err != nil {
		return err
	}
	return p.end(notes, anyFew(rows))
}

// parts is the sheet of all other tables, one under the other as on the page.
func (b *book) parts(sections []Section) error {
	fit := []float64{}
	for _, s := range sections {
		for _, t := range s.Tables {
			heads, rows := lay(t)
			for i, w := range columnWidths(heads, rows, 10, 34) {
				if i == len(fit) {
					fit = append(fit, 0)
				}
				fit[i] = max(fit[i], w)
			}
		}
	}
	for len(fit) < 8 {
		fit = append(fit, 12)
	}
	p, err := b.open("分项", fit, 1, 0)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, b.r.Title+"分项表（"+dayWords(b.r.Run.Date)+"）"); err != nil {
		return err
	}
	for _, s := range sections {
		p.skip()
		if err := p.run(asChapter, s.Title); err != nil {
			return err
		}
		few := false
		for _, text := range s.Text {
			if err := p.run(asNote, text); err != nil {
				return err
			}
		}
		for i, t := range s.Tables {
			if i > 0 {
				p.skip()
			}
			if err := p.put(0, line{slots: []slot{{t.Caption, asLabel}}}); err != nil {
				return err
			}
			heads, rows := lay(t)
			if err := p.rows(heads, rows); err != nil {
				return err
			}
			few = few || anyFew(rows)
		}
		if err := p.notes(s.Notes, few); err != nil {
			return err
		}
	}
	return p.end(nil, false)
}

var orgKinds = []pair{{"district", "区"}, {"street", "镇街"}, {"community", "社区（村）"}, {"grid", "网格"}, {"bank", "银行"}, {"harbour", "港湾"}, {"worker", "人员"}}

// details is the sheet of every figure that the page prints, in its order, each with all it takes to follow it.
func (b *book) details() error {
	heads := []string{"表", "行", "列", "指标代码", "指标", "机构类别", "机构", "期间", "期间起", "分子\n金额为元，时长为分钟", "分母", "数值\n金额为万元，时长为小时", "单位", "状态", "样本不足", "机构编号", "分项代码"}
	labels := map[string]string{}
	for _, d := range b.r.Defs {
		labels[d.Code] = d.Label
	}
	var rows []line
	add := func(table, row, column string, c Cell) error {
		f := c.Figure
		if f == nil {
			return nil
		}
		org := row
		switch {
		case f.Org == b.r.Area.ID:
			org = b.r.Area.Name
		case f.OrgKind == "district":
			org = "全区"
		}
		num, den := numDen(f)
		few := ""
		if f.few() && c.Show.ratio() {
			few = "样本不足"
		}
		start, err := time.Parse(time.DateOnly, f.Start)
		if err != nil {
			return fmt.Errorf("figure %s of %s: %w", f.Indicator, org, err)
		}
		text := func(s string) slot { return slot{s, asText} }
		rows = append(rows, line{slots: []slot{text(table), text(row), text(strings.ReplaceAll(column, "\n", "")), text(f.Indicator), text(cmp.Or(labels[f.Indicator], f.Indicator)),
			text(word(orgKinds, f.OrgKind)), text(org), text(periodWords(f)), {start, asDate}, num, den, shownAs(c), {unitWord(c.Show), asWord}, {f.Status, asWord}, {few, asWord},
			text(f.Org), text(f.Slice)}})
		return nil
	}
	for _, k := range b.r.Heads {
		if err := add("主要数字", k.Label, "", k.Cell); err != nil {
			return err
		}
	}
	for _, s := range b.r.Sections {
		for _, t := range s.Tables {
			for _, g := range t.Groups {
				for _, r := range g.Rows {
					for i, c := range r.Cells {
						column := ""
						if i < len(t.Head) {
							column = t.Head[i].Text
						}
						if c.Show == Change || c.Show == Words {
							continue
						}
						if err := add(t.Caption, r.Cells[0].Text, column, c); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	for _, k := range b.r.Quality {
		if err := add("数据质量", k.Label, "", k.Cell); err != nil {
			return err
		}
	}
	p, err := b.open("明细", columnWidths(heads, rows, 8, 28), 2, 0)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, b.r.Title+"明细（"+dayWords(b.r.Run.Date)+"）"); err != nil {
		return err
	}
	if err := p.rows(heads, rows); err != nil {
		return err
	}
	if err := p.filter(2, rows, len(heads)); err != nil {
		return err
	}
	return p.end([]string{"本报告网页上的每个数字一行，次序相同；有分项代码的是指标的一部分。"}, false)
}

func (b *book) definitions() error {
	heads := []string{"代码", "名称", "口径", "单位", "粒度", "版本", "英文名"}
	p, err := b.open("口径", []float64{17, 18, 100, 8, 16, 8, 30}, 2, 0)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, "口径（"+b.r.Title+"）"); err != nil {
		return err
	}
	if err := p.rows(heads, nil); err != nil {
		return err
	}
	explain := func(text string, cells ...slot) error {
		lines := 0.0
		for s := range strings.SplitSeq(text, "\n") {
			lines += max(1, math.Ceil(float64(breadth(s))*1.05/100))
		}
		return p.put(16*lines, line{slots: cells})
	}
	for _, d := range b.r.Defs {
		var grain []string
		for g := range strings.SplitSeq(d.Grain, ",") {
			grain = append(grain, word(grains, strings.TrimSpace(g)))
		}
		if err := explain(d.Text, slot{d.Code, asNote}, slot{d.Label, asNote}, slot{d.Text, asNote}, slot{word(units, d.Unit), asNote}, slot{strings.Join(grain, "、"), asNote},
			slot{fmt.Sprintf("第%d版", d.Version), asNote}, slot{d.Name, asNote}); err != nil {
			return err
		}
	}
	p.skip()
	if err := p.run(asChapter, "通用规则（所有指标共用）"); err != nil {
		return err
	}
	for _, rule := range b.r.Rules {
		if err := explain(rule.Text, slot{rule.Term, asLabel}, slot{"", asNote}, slot{rule.Text, asNote}); err != nil {
			return err
		}
	}
	return p.end(nil, false)
}

func (b *book) quality() error {
	heads := []string{"指标", "数值", "单位", "分子", "分母", "状态", "期间", "说明", "指标代码"}
	p, err := b.open("质量", []float64{30, 14, 9, 14, 14, 9, 14, 44, 14}, 2, 0)
	if err != nil {
		return err
	}
	if err := p.run(asTitle, "数据质量（"+b.r.Title+"，"+dayWords(b.r.Run.Date)+"）"); err != nil {
		return err
	}
	rows := keyRows(b.r.Quality)
	if err := p.rows(heads, rows); err != nil {
		return err
	}
	return p.end(b.r.Notes, anyFew(rows))
}

// sortedZip writes the parts of a workbook in a fixed order and without times: excelize hands over streamed sheets in the order
// of a map. The list of contents comes first, where some readers look for it.
type sortedZip struct {
	w     io.Writer
	names []string
	parts []*bytes.Buffer
}

func (z *sortedZip) Create(name string) (io.Writer, error) {
	part := &bytes.Buffer{}
	z.names, z.parts = append(z.names, name), append(z.parts, part)
	return part, nil
}

// AddFS is there for the interface; workbooks are not made from folders.
func (z *sortedZip) AddFS(fs.FS) error { return fmt.Errorf("workbook: folders are not written") }

func (z *sortedZip) Close() error {
	order := make([]int, len(z.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		first := func(s string) bool { return s == "[Content_Types].xml" }
		if first(z.names[a]) != first(z.names[b]) {
			if first(z.names[a]) {
				return -1
			}
			return 1
		}
		return cmp.Compare(z.names[a], z.names[b])
	})
	out := zip.NewWriter(z.w)
	for _, i := range order {
		part, err := out.Create(z.names[i])
		if err != nil {
			return err
		}
		if _, err := part.Write(z.parts[i].Bytes()); err != nil {
			return err
		}
	}
	return out.Close()
}
