package reports

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// faces are a report as page and as workbook.
type faces struct {
	name, page string
	book       *excelize.File
}

func drawn(t *testing.T, r Report) faces {
	t.Helper()
	var page, book bytes.Buffer
	must(t, writeHTML(&page, r))
	must(t, writeXLSX(&book, r))
	f, err := excelize.OpenReader(&book)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return faces{r.Title, page.String(), f}
}

// bothFaces are every report of the small district, and those of a whole one and of its first street.
func bothFaces(t *testing.T) []faces {
	t.Helper()
	var out []faces
	for _, c := range []struct {
		marts string
		areas int
	}{{smallMarts(t), 5}, {wholeDistrict(t), 2}} {
		m, err := readMarts(context.Background(), c.marts)
		must(t, err)
		for _, a := range append([]Area{m.district}, m.streets...)[:c.areas] {
			out = append(out, drawn(t, m.coverage(a)), drawn(t, m.conversion(a)))
		}
	}
	return out
}

// shownIn are a sheet's rows as a program shows them that rounds the binary number, as some do.
func (f faces) shownIn(t *testing.T, sheet string) [][]string {
	t.Helper()
	rows, err := f.book.GetRows(sheet)
	must(t, err)
	return rows
}

var figureTag = regexp.MustCompile(`<(?:td|b) class="[nv]" data-(?:indicator|part-of)="([^"]*)" data-period="([^"]*)" data-period-start="([^"]*)" data-org-kind="([^"]*)" data-org="([^"]*)" data-num="([^"]*)" data-den="([^"]*)" data-status="([^"]*)"(?: data-part="([^"]*)")?>(.*?)</(?:td|b)>`)

func bare(s string) string {
	s = regexp.MustCompile(`<small>.*?</small>|<i>.*?</i>|<[^>]*>`).ReplaceAllString(s, "")
	// excelize reads no third section of a format: nought comes with a sign.
	return strings.NewReplacer(",", "", " %", "%", "−", "-", "+0.00", "0.00").Replace(html.UnescapeString(s))
}

func TestTheWorkbookHasEveryFigureOfThePageWithItsNumeratorAndDenominatorAndNoOther(t *testing.T) {
	for _, f := range bothFaces(t) {
		var page, book []string
		for _, m := range figureTag.FindAllStringSubmatch(f.page, -1) {
			num, den, printed := m[6], m[7], bare(m[10])
			if den == "" {
				den = "—"
			}
			if strings.Contains(printed, "亿元") { // a headline; the workbook has all amounts in 万元
				printed = ""
			}
			page = append(page, strings.Join([]string{m[1], m[4], html.UnescapeString(m[5]), m[3], num, den, m[8], html.UnescapeString(m[9]), strings.TrimSuffix(printed, " 万元")}, " "))
		}
		if len(page) != strings.Count(f.page, "data-num=") {
			t.Fatalf("%s: the test reads %d of %d figures of the page", f.name, len(page), strings.Count(f.page, "data-num="))
		}
		rows := f.shownIn(t, "明细")
		column := func(row []string, head string) string {
			if i := slices.Index(rows[1], head); i < len(row) {
				return row[i]
			}
			return ""
		}
		for _, row := range rows[2:] {
			if len(row) < 10 {
				continue // the note below
			}
			shown := bare(column(row, "数值\n金额为万元，时长为小时"))
			if i := len(book); i < len(page) && strings.HasSuffix(page[i], " ") { // the headline in 亿元
				shown = ""
			}
			book = append(book, strings.Join([]string{column(row, "指标代码"), kindOf(t, column(row, "机构类别")), column(row, "机构编号"), column(row, "期间起"), bare(column(row, "分子\n金额为元，时长为分钟")),
				bare(column(row, "分母")), column(row, "状态"), column(row, "分项代码"), shown}, " "))
		}
		if !slices.Equal(page, book) {
			for i := range max(len(page), len(book)) {
				if i >= len(page) || i >= len(book) || page[i] != book[i] {
					t.Errorf("%s: figure %d of %d and %d:\npage %q\nbook %q", f.name, i, len(page), len(book), page[min(i, len(page)-1)], book[min(i, len(book)-1)])
					break
				}
			}
		}
	}
}

func kindOf(t *testing.T, label string) string {
	t.Helper()
	i := slices.IndexFunc(orgKinds, func(p pair) bool { return p.label == label })
	if i < 0 {
		t.Fatalf("no kind of organisation is called %q", label)
	}
	return orgKinds[i].key
}

var (
	pageTable = regexp.MustCompile(`(?s)<table[^>]*>\s*<caption>(.*?)</caption>.*?</table>`)
	pageRow   = regexp.MustCompile(`<tr(?: class="[a-z]+")?><td.*?</tr>`)
	pageCell  = regexp.MustCompile(`<td[^>]*>(.*?)</td>`)
	behind    = regexp.MustCompile(`<small>(-?[\d.]+) / (-?[\d.]+)(?: 万元)?</small>`)
)

func TestEveryTableOfThePageStandsInASheetRowForRow(t *testing.T) {
	for _, f := range bothFaces(t) {
		var sheets [][]string
		for _, s := range f.book.GetSheetList() {
			if s != "明细" && s != "口径" {
				sheets = append(sheets, f.shownIn(t, s)...)
			}
		}
		tables := pageTable.FindAllStringSubmatch(f.page, -1)
		if len(tables) == 0 {
			t.Fatalf("%s: no table", f.name)
		}
		for _, table := range tables {
			at := slices.IndexFunc(sheets, func(r []string) bool {
				return len(r) > 0 && (r[0] == table[1] || strings.HasPrefix(r[0], table[1]+"（"))
			})
			if at < 0 {
				t.Errorf("%s: %s is in no sheet", f.name, table[1])
				continue
			}
			heads, offset := sheets[at+1], 0
			if heads[0] == "类别" {
				offset = 1
			}
			for i, row := range pageRow.FindAllString(table[0], -1) {
				var want, got []string
				for _, c := range pageCell.FindAllStringSubmatch(row, -1) {
					want = append(want, bare(c[1]))
					if m := behind.FindStringSubmatch(c[1]); m != nil {
						want = append(want, m[1], m[2])
					}
				}
				cells := sheets[at+2+i][offset:]
				for n, c := range cells {
					// A ratio without a figure is one dash or blank on the page and three in the workbook.
					under := heads[n+offset]
					if (strings.Contains(under, "\n分子") || strings.Contains(under, "\n分母")) && (c == "—" || c == "") && cells[n-1] == c {
						continue
					}
					got = append(got, bare(c))
				}
				if strings.TrimRight(strings.Join(want, "|"), "|") != strings.TrimRight(strings.Join(got, "|"), "|") {
					t.Errorf("%s, %s, row %d:\npage %v\nbook %v", f.name, table[1], i+1, want, got)
					break
				}
			}
		}
	}
}

func TestAWorkbookHasTheSheetsThatItsAreaCallsFor(t *testing.T) {
	m, err := readMarts(context.Background(), smallMarts(t))
	must(t, err)
	for want, r := range map[string]Report{
		"汇总 街道 分项 明细 口径 质量": m.coverage(m.district), "汇总 网格 分项 明细 口径 质量": m.conversion(m.streets[0]),
	} {
		var got []string
		for _, s := range drawn(t, r).book.GetSheetList() { // a second table by street is 街道2
			got = append(got, strings.TrimRight(s, "0123456789"))
		}
		if s := strings.Join(slices.Compact(got), " "); s != want {
			t.Errorf("%s: %s, not %s", r.Title, s, want)
		}
	}
}

func TestWhatIsANumberOnThePageIsANumberInTheWorkbookAndNothingIsAFormula(t *testing.T) {
	m, err := readMarts(context.Background(), smallMarts(t))
	must(t, err)
	f := drawn(t, m.coverage(m.district))
	at := func(row, column string) (cell string) { // the cell of the 街道 sheet
		rows := f.shownIn(t, "街道")
		r := slices.IndexFunc(rows, func(r []string) bool { return len(r) > 1 && r[1] == row })
		c := slices.Index(rows[1], column)
		if r < 0 || c < 0 {
			t.Fatalf("no %s of %s in %v", column, row, rows[1])
		}
		return cellName(c+1, r+1)
	}
	for _, c := range []struct{ row, column, raw, shown string }{
		{"太白街道", "本年覆盖率", "0.65", "65.00%"}, {"太白街道", "本年覆盖率\n分子", "195", "195"}, {"太白街道", "位次", "1", "1"},
		{"地宝土家族乡", "本年覆盖率", "1", "100.00%"}, {"小周镇", "本年覆盖率", "—", "—"}, {"小周镇", "本年覆盖率\n分母", "0", "0"},
		{"全区", "基数", "1000", "1,000"}, {"全区", "环比\n百分点", "10", "+10.00"},
	} {
		cell := at(c.row, c.column)
		raw, err := f.book.GetCellValue("街道", cell, excelize.Options{RawCellValue: true})
		must(t, err)
		shown, err := f.book.GetCellValue("街道", cell)
		must(t, err)
		if raw != c.raw || shown != c.shown {
			t.Errorf("%s of %s: %s shown as %s, not %s as %s", c.column, c.row, raw, shown, c.raw, c.shown)
		}
	}
	style, err := f.book.GetCellStyle("街道", at("地宝土家族乡", "本年覆盖率"))
	must(t, err)
	if s, err := f.book.GetStyle(style); err != nil || *s.CustomNumFmt != `0.00%"*"` {
		t.Errorf("a ratio of nine is not marked: %+v %v", s, err)
	}
	if rows := f.shownIn(t, "街道"); !slices.ContainsFunc(rows, func(r []string) bool { return len(r) > 0 && strings.Contains(r[0], "带“*”的为样本不足") }) {
		t.Error("the mark is not explained")
	}
	f = drawn(t, m.conversion(m.district))
	heads := f.shownIn(t, "汇总")
	at2 := slices.IndexFunc(heads, func(r []string) bool { return len(r) > 0 && r[0] == "本年登记需求额" }) + 1
	raw, err := f.book.GetCellValue("汇总", fmt.Sprint("B", at2), excelize.Options{RawCellValue: true})
	must(t, err)
	if row := heads[at2-1]; raw != "12345.6789" || row[1] != "12,345.68" || row[2] != "万元" || row[3] != "123,456,789" || row[5] != open {
		t.Errorf("amount %s, %v", raw, row)
	}
	for _, s := range f.book.GetSheetList() {
		for r, row := range f.shownIn(t, s) {
			for c := range row {
				if formula, err := f.book.GetCellFormula(s, cellName(c+1, r+1)); err != nil || formula != "" {
					t.Fatalf("%s: a formula %q %v", s, formula, err)
				}
			}
		}
	}
}

func TestTablesByPlaceCanBeFilteredStayUnderTheirHeadsAndPrintOnA4(t *testing.T) {
	m, err := readMarts(context.Background(), smallMarts(t))
	must(t, err)
	f := drawn(t, m.coverage(m.district)).book
	titles, filters := map[string]string{}, map[string]string{}
	for _, n := range f.GetDefinedName() {
		switch n.Name {
		case "_xlnm.Print_Titles":
			titles[n.Scope] = n.RefersTo
		case "_xlnm._FilterDatabase":
			filters[n.Scope] = n.RefersTo
		}
	}
	if titles["街道"] != "'街道'!$1:$2" || titles["明细"] != "'明细'!$1:$2" || !strings.HasPrefix(filters["街道"], "'街道'!$A$2:") || filters["明细"] == "" {
		t.Errorf("titles %v, filters %v", titles, filters)
	}
	// 全区 stands last and is no row to be sorted: two streets, two towns and their two subtotals are.
	if !strings.HasSuffix(filters["街道"], "$8") {
		t.Errorf("the filter takes in the total: %s", filters["街道"])
	}
	for _, s := range f.GetSheetList() {
		l, err := f.GetPageLayout(s)
		must(t, err)
		p, err := f.GetSheetProps(s)
		must(t, err)
		h, err := f.GetHeaderFooter(s)
		must(t, err)
		if *l.Size != 9 || *l.Orientation != "landscape" || *l.FitToWidth != 1 || *l.FitToHeight != 0 || !*p.FitToPage || !strings.Contains(h.OddFooter, m.run.ID) {
			t.Errorf("%s prints %+v, footer %q", s, l, h.OddFooter)
		}
	}
	panes, err := f.GetPanes("街道")
	must(t, err)
	if !panes.Freeze || panes.YSplit != 2 || panes.XSplit != 2 {
		t.Errorf("%+v", panes)
	}
	props, err := f.GetDocProps()
	must(t, err)
	if props.Created != "2026-11-22T16:00:00Z" || props.Modified != props.Created || props.Identifier != m.run.ID {
		t.Errorf("%+v", props)
	}
}

func TestNobodysNameOrNumberGetsIntoAWorkbook(t *testing.T) {
	dir, files := renderTo(t, makeMarts(t, small, smallFigures, smallParts, `alter table dim_worker add column name varchar`, `alter table dim_worker add column mobile varchar`,
		`update dim_worker set name = '钱多多', mobile = '13812345678'`))
	phone := regexp.MustCompile(`(^|\D)1[3-9]\d{9}(\D|$)`)
	books := 0
	for _, path := range files {
		if filepath.Ext(path) != ".xlsx" {
			continue
		}
		books++
		f, err := excelize.OpenFile(filepath.Join(dir, filepath.Base(path)))
		must(t, err)
		for _, s := range f.GetSheetList() {
			rows, err := f.GetRows(s)
			must(t, err)
			for _, c := range slices.Concat(rows...) {
				if strings.Contains(c, "钱多多") || phone.MatchString(strings.ReplaceAll(c, ",", "")) {
					t.Errorf("%s, %s: %q", filepath.Base(path), s, c)
				}
			}
		}
		must(t, f.Close())
	}
	if books != 10 {
		t.Errorf("%d workbooks", books)
	}
}

func TestAWorkbookGoesToThoseWhoMayReadItsPageAndTheExportIsLogged(t *testing.T) {
	o := openOffice(t)
	o.publish("2026-11-22")
	const district, own, other = "/reports/2026-11-22/coverage-500101.xlsx", "/reports/2026-11-22/conversion-500101001.xlsx", "/reports/2026-11-22/coverage-500101017.xlsx"
	official, street := o.signedIn("JR-001"), o.signedIn("13900000002")
	o.expect("the list", official.open("/reports/2026-11-22/"), http.StatusOK, `href="`+district+`"`, `href="`+other+`"`)
	list := street.open("/reports/2026-11-22/")
	o.expect("a street's list", list, http.StatusOK, `href="`+own+`"`)
	if strings.Contains(list.body, other) || strings.Contains(list.body, district) {
		t.Error("a street is offered what it may not read")
	}
	o.expect("the page", official.open("/reports/2026-11-22/coverage-500101.html"), http.StatusOK, `href="coverage-500101.xlsx"`)
	before := len(o.reads())

	a := official.open(district)
	o.expect("an official's export", a, http.StatusOK)
	f, err := excelize.OpenReader(strings.NewReader(a.body))
	must(t, err)
	defer f.Close()
	if got, err := f.GetCellValue("汇总", "A1"); err != nil || got != "万州区走访覆盖报告" {
		t.Errorf("%q %v", got, err)
	}
	if d := a.header.Get("Content-Disposition"); d != `attachment; filename="coverage-500101.xlsx"; filename*=UTF-8''%E4%B8%87%E5%B7%9E%E5%8C%BA%E8%B5%B0%E8%AE%BF%E8%A6%86%E7%9B%96%E6%8A%A5%E5%91%8A%202026-11-22.xlsx` ||
		a.header.Get("Content-Type") != "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("sent as %s, %v", d, a.header)
	}
	o.expect("a street's own", street.open(own), http.StatusOK)
	o.expect("another street's", street.open(other), http.StatusForbidden, "只能查看本镇街")
	o.expect("the district's, for a street", street.open(district), http.StatusForbidden, "只能查看本镇街")
	o.expect("nobody", o.browser().open(district), http.StatusSeeOther)
	o.expect("one that is not listed", official.open("/reports/2026-11-22/coverage-1.xlsx"), http.StatusNotFound)
	o.expect("another file of the folder", official.open("/reports/2026-11-22/index.json"), http.StatusNotFound)
	var logged []string
	for _, l := range o.reads()[before:] {
		logged = append(logged, l.GetString("action")+" "+l.GetString("target"))
	}
	if !slices.Equal(logged, []string{"export coverage-500101.xlsx 2026-11-22", "export conversion-500101001.xlsx 2026-11-22"}) {
		t.Errorf("logged %q", logged)
	}

	// A run from before there were workbooks has none to offer.
	index := filepath.Join(o.app.DataDir(), "warehouse/reports/2026-11-22/2026-11-22-0123456789ab/index.json")
	b, err := os.ReadFile(index)
	must(t, err)
	must(t, os.WriteFile(index, regexp.MustCompile(`(?m),\s*"workbook": "[^"]*"`).ReplaceAll(b, nil), 0o600))
	if body := official.open("/reports/2026-11-22/").body; strings.Contains(body, ".xlsx") || !strings.Contains(body, "coverage-500101.html") {
		t.Error("an old run offers workbooks")
	}
	o.expect("a workbook that the index does not name", official.open(district), http.StatusNotFound)
}
