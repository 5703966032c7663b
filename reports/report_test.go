package reports

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func page(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// figureCell finds the cell that carries a figure, by what it says it is.
func figureCell(t *testing.T, text, indicator, period, start, org string) string {
	t.Helper()
	re := regexp.MustCompile(`<(td|b) class="[nv]" data-indicator="` + regexp.QuoteMeta(indicator) + `" data-period="` + period + `" data-period-start="` + start +
		`" data-org-kind="[a-z]+" data-org="` + org + `"[^>]*>.*?</(td|b)>`)
	m := re.FindAllString(text, -1)
	if len(m) == 0 {
		t.Fatalf("no cell for %s %s %s of %s", indicator, period, start, org)
	}
	for _, c := range m { // the one that prints the ratio or the count, not the 基数 column
		if !strings.Contains(c, `data-den=""`) && !strings.Contains(c, "<small>") {
			continue
		}
		return c
	}
	return m[0]
}

func wants(t *testing.T, what, in string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(in, p) {
			t.Errorf("%s: %q is missing in %.600s", what, p, in)
		}
	}
}

func TestEveryFigureIsPrintedWithItsNumeratorAndDenominatorAndLinksToItsDefinition(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	cov, con := page(t, dir, "coverage-500101.html"), page(t, dir, "conversion-500101.html")
	wants(t, "coverage this year", figureCell(t, cov, "COV-01", "YTD", "2026-01-01", "d"), `data-num="460"`, `data-den="1000"`, `<a href="#kj-COV-01">46.00 %</a>`, "<small>460 / 1000</small>")
	wants(t, "ever visited", figureCell(t, cov, "COV-02", "CUM", "2021-10-29", "d"), `<a href="#kj-COV-02">70.00 %</a>`, "700 / 1000")
	wants(t, "a frozen month", figureCell(t, cov, "COV-01", "M", "2026-10-01", "d"), `data-status="封账"`, "6.06 %", "60 / 990")
	wants(t, "amount", figureCell(t, con, "CRD-01.amount", "M", "2026-10-01", "d"), `data-num="5000050"`, `data-den=""`, `<a href="#kj-CRD-01.amount">500.01</a>`)
	wants(t, "headline amount", con, "1.23 亿元")
	wants(t, "a bank", figureCell(t, con, "CNV-01", "M", "2026-10-01", "b1"), `data-org-kind="bank"`, "80.00 %", "8 / 10")
	wants(t, "timeliness", figureCell(t, con, "DQ-01", "M", "2026-11-01", "d"), "97.00 %")
	for _, link := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(cov+con, -1) {
		if !strings.Contains(cov+con, `id="`+link[1]+`"`) {
			t.Errorf("a link leads nowhere: #%s", link[1])
		}
	}
	wants(t, "definitions", cov, "<dd>分母：上报走访次数。</dd>", "粒度：网格、月", "第2版", "COV-04 第2版", "2026-11-22-0123456789ab", "2026-11-22 23:58")
}

func TestAChangeIsInPercentagePointsAndADashWhereThereIsNothingToCompareWith(t *testing.T) {
	if got := points(70, 100, 60, 80); got != "−5.00" {
		t.Error(got)
	}
	if got := points(1, 3, 1, 3); got != "0.00" {
		t.Error(got)
	}
	if got := points(2, 3, 1, 3); got != "+33.33" {
		t.Error(got)
	}
	for _, c := range []Cell{change(nil, &Figure{Den: 1}), change(&Figure{Den: 1}, nil), change(&Figure{Den: 5}, &Figure{Den: 0})} {
		if c.Text != "—" {
			t.Error(c.Text)
		}
	}
	dir, _ := renderTo(t, smallMarts(t))
	cov := page(t, dir, "coverage-500101.html")
	// 40/50 against 70/100 is ten points up.
	wants(t, "环比 of the month's valid visits", html.UnescapeString(cov), "环比 +10.00 个百分点")
	// Half a month of coverage is not held against a whole one.
	row := cov[strings.Index(cov, "<td>2026年11月</td>"):]
	row = row[:strings.Index(row, "</tr>")]
	wants(t, "the unfinished month", row, "暂定（未满月）", `</td><td class="n">—</td><td class="n">—</td><td class="n" data-indicator="COV-04"`)
	row = cov[strings.Index(cov, "<td>2026年10月</td>"):]
	row = row[:strings.Index(row, "</tr>")]
	wants(t, "October", row, "<td>封账</td>", "+0.96", "+3.84", "−5.00") // 60/990−50/980, 60/990−20/900, 70/100−60/80
}

func TestAnEmptyBaseIsADashAndASmallOneIsMarkedAndNotRanked(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	cov := page(t, dir, "coverage-500101.html")
	wants(t, "no base", figureCell(t, cov, "COV-01", "YTD", "2026-01-01", "t1"), `data-den="0"`, ">—</a>", "0 / 0")
	wants(t, "a small base", figureCell(t, cov, "COV-01", "YTD", "2026-01-01", "t2"), "100.00 %", "9 / 9", "样本不足")
	for name, place := range map[string]string{"太白街道": "1", "高笋塘街道": "2", "小周镇": "—", "地宝土家族乡": "—"} {
		if !regexp.MustCompile(`>` + name + `</a></td><td class="n">` + place + `</td>`).MatchString(cov) {
			t.Errorf("%s is not in place %s", name, place)
		}
	}
	// A grid with nine enterprises is marked in the street's own report.
	street := page(t, dir, "coverage-500101001.html")
	wants(t, "small grid", figureCell(t, street, "COV-01", "YTD", "2026-01-01", "g2"), "44.44 %", "样本不足")
	if strings.Contains(figureCell(t, street, "COV-01", "YTD", "2026-01-01", "g1"), "样本不足") {
		t.Error("a grid of 491 is not small")
	}
}

func TestEqualRatiosShareAPlace(t *testing.T) {
	got := rank([]*Figure{{Num: 5, Den: 10, HasDen: true}, {Num: 50, Den: 100, HasDen: true}, {Num: 1, Den: 10, HasDen: true}, {Num: 9, Den: 9, HasDen: true}, nil})
	if strings.Join(got, " ") != "1 1 3 — —" {
		t.Error(got)
	}
}

func TestStreetsAndTownsAreSummedApartAndTheUnassignedAreExplained(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	cov := page(t, dir, "coverage-500101.html")
	// 240/600 and 195/300 make 435/900, not the mean of the two ratios.
	wants(t, "subtotal", cov, "街道小计", `data-part-of="COV-01"`, "48.33 %", "435 / 900", "镇乡小计")
	wants(t, "unassigned", cov, "另有91户尚未分配到网格")
	if strings.Contains(cov, `data-indicator="COV-01" data-period="YTD" data-period-start="2026-01-01" data-org-kind="street" data-org="d"`) {
		t.Error("a subtotal must not pass for an indicator's own row")
	}
}

func TestUnknownSizesAreShownTogetherAsUnclassified(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	wants(t, "sizes", page(t, dir, "coverage-500101.html"), "未划型", `data-part="size=`, "30.00 %", "60 / 200")
}

func TestTheYearsCohortsAreSummedFromTheirNumeratorsAndDenominators(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	wants(t, "cohorts of the year", page(t, dir, "conversion-500101.html"), `data-part="cohorts=year"`, "57.69 %", "15 / 26")
}

func rowOf(t *testing.T, text, caption, first string) string {
	t.Helper()
	_, table, ok := strings.Cut(text, "<caption>"+caption+"</caption>")
	if !ok {
		t.Fatalf("no table %s", caption)
	}
	table, _, _ = strings.Cut(table, "</table>")
	for _, row := range strings.Split(table, "<tr")[1:] {
		if strings.Contains(row, "<td>"+first+"</td>") || strings.Contains(row, ">"+first+"</a></td>") || strings.Contains(row, `<td class="in">`+first+"</td>") {
			return row
		}
	}
	t.Fatalf("no row %s in %s", first, caption)
	return ""
}

func TestTheFunnelShowsEveryStepOfEachCohortAndGreysTheYoungOnes(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	con := page(t, dir, "conversion-500101.html")
	wants(t, "the newest matured cohort is drawn", con, "转化漏斗：2026年7月批次（最近一个到期批次）", "▼ 66.67 %", "35.00 %，7笔 234.56万元") // 12 of 18 went on; 7 of 20 came to the end
	july, november := rowOf(t, con, "各批次到达各步的需求（笔）", "2026年7月"), rowOf(t, con, "各批次到达各步的需求（笔）", "2026年11月")
	wants(t, "July", july, "已到期", `data-part="step=applied"`, `data-num="12" data-den="20"`, "35.00 %")
	wants(t, "November", november, `class="open"`, "未到期", `data-part="step=matched"`, `<td class="n">—</td>`)
	if strings.Contains(july, `class="open"`) || strings.Contains(november, " %") {
		t.Error("a matured cohort is greyed, or a young one is compared")
	}
	wants(t, "July's amounts", rowOf(t, con, "各批次到达各步的需求金额（万元）", "2026年7月"), `data-num="2345600" data-den="8000000"`, "234.56", "29.32 %")
	street := page(t, dir, "conversion-500101017.html")
	wants(t, "a street without demands", street, "按登记批次的转化漏斗", "期内没有登记的融资需求")
}

func TestOnlyMaturedCohortsAreSummedIntoTheConversionOfNinetyDays(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	con := page(t, dir, "conversion-500101.html")
	// June and July, 7 of 25; August's 2 of 3 are not 90 days past its end.
	wants(t, "headline", con, `data-part-of="CNV-04"`, "28.00 %", "7 / 25", "53.38 %", "133.46 / 250.00 万元", "90日放款转化率28.00 %", "受理金额250.00 万元，放款满足133.46 万元")
	wants(t, "August", rowOf(t, con, "各月批次放款转化与首贷户", "2026年8月"), `class="open"`, "未到期", "2 / 3", "样本不足")
	july := rowOf(t, con, "各月批次放款转化与首贷户", "2026年7月")
	wants(t, "July", july, "已到期，封账", `data-indicator="CNV-04"`, "30.00 %", `data-indicator="CNV-05"`, "123.46 / 200.00 万元")
	bank := rowOf(t, con, "分银行放款转化、首贷户与银行确认", "三峡银行")
	wants(t, "a bank", bank, "41.67 %", "5 / 12", `data-indicator="CNV-06" data-period="YTD"`, ">14</a>", `data-indicator="DQ-05"`, "9 / 9")
	wants(t, "a street", rowOf(t, con, "分镇街放款转化、首贷户与逾期", "高笋塘街道"), `data-org="s1" data-num="9"`)
	wants(t, "a grid", rowOf(t, page(t, dir, "conversion-500101001.html"), "分社区、网格放款转化、首贷户与逾期", "王牌路社区一网格"), "50.00 %", "1 / 2", "样本不足")
	wants(t, "first loans in words", con, "本年首贷户15户，其中本月2户。", "上月 3 户；环比 —")
}

func TestACohortMaturesOnTheDayThatIsSoManyDaysAfterItsLastOne(t *testing.T) {
	for date, want := range map[string]int{"2026-10-28": 1, "2026-10-29": 2, "2026-11-22": 2, "2026-11-29": 3} { // 31 July and 90 days is 29 October
		m := &marts{run: Run{Date: date}, months: []string{"2026-06-01", "2026-07-01", "2026-08-01", "2026-09-01"}}
		if got := m.matured(90); len(got) != want {
			t.Errorf("on %s %v", date, got)
		}
	}
}

func TestBanksAreShownHowPromptlyTheyAnsweredAndWhatIsOverdue(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	con := page(t, dir, "conversion-500101.html")
	wants(t, "October", rowOf(t, con, "各月对接的限时对接率和首次联系时长", "2026年10月"), "81.82 %", "9 / 11", ">26.5<", ">72.0<", `data-indicator="CNV-02.median"`, `data-num="1590"`, `data-indicator="CNV-02.p90"`)
	wants(t, "a month of which nothing is due", rowOf(t, con, "各月对接的限时对接率和首次联系时长", "2026年11月"), "0 / 0", `<td class="n">—</td>`)
	wants(t, "a bank nobody of which was reached", rowOf(t, con, "分银行限时对接（2026年10月对接）", "某农村商业银行"), "0 / 1", "样本不足", `<td class="n">—</td>`)
	late := rowOf(t, con, "逾期未对接的需求（笔）", "某农村商业银行")
	wants(t, "overdue by age", late, `data-indicator="CNV-12" `, ">6</a>", `data-indicator="CNV-12.d3"`, ">3</a>", `data-indicator="CNV-12.over"`, ">2</a>", `<td class="n">0</td>`)
	wants(t, "overdue in words", con, "截至统计日逾期未对接7笔，其中逾期15个工作日以上2笔，某农村商业银行最多（6笔）。")
	if hours(1590) != "26.5" || hours(59) != "1.0" || hours(2) != "0.0" {
		t.Error("hours", hours(1590), hours(59), hours(2))
	}
}

func TestWhatWasOnlyToldToAVisitorIsShownApartAndNeverSummed(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	con := page(t, dir, "conversion-500101.html")
	_, quality, _ := strings.Cut(con, `<section id="quality">`)
	wants(t, "quality", quality, "银行确认率（全区，2026年10月放款）", "90.00 %", "9 / 10", "走访自报（全区，本年，笔）", `data-part="evidence=self_reported"`, `data-num="1"`, "金额 12.00 万元，另行列示", "只计银行确认和系统对接")
}

func TestEnterprisesNotSeenForLongAreListedByStreetAndByGrid(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	cov := page(t, dir, "coverage-500101.html")
	wants(t, "lead", html.UnescapeString(cov), "90天以上未走访400户，占基数40.00 %，其中365天以上未走访320户，含从未走访290户；本月有走访的网格3个，占有基数主体的网格4个的75.00 %。")
	row := rowOf(t, cov, "分镇街长期未走访主体和有走访网格", "高笋塘街道")
	wants(t, "a street", row, `data-indicator="COV-07" `, ">200</a>", "33.33 %", `data-indicator="COV-07.d180"`, `data-indicator="COV-07.d365"`, ">150</a>", `data-indicator="COV-07.never"`, ">140</a>", `data-indicator="COV-05"`, "1 / 2", "样本不足")
	wants(t, "a street without figures", rowOf(t, cov, "分镇街长期未走访主体和有走访网格", "太白街道"), `<td class="n">—</td>`)
	wants(t, "a grid", rowOf(t, page(t, dir, "coverage-500101001.html"), "分社区、网格长期未走访主体", "王牌路社区一网格"), `data-org="g1"`, ">185</a>", "37.68 %", ">130</a>")
	// 1000 − 400, 400 − 350, 350 − 320, 320 − 290, 290.
	wants(t, "the classes of the chart do not overlap", cov, "90天以内600、90至180天50、180至365天30、365天以上30、从未走访290")
}

func TestTheSameMartsGiveTheSameBytes(t *testing.T) {
	marts := smallMarts(t)
	first, files := renderTo(t, marts)
	second, again := renderTo(t, marts)
	if len(files) != 5*4+2 || len(again) != len(files) {
		t.Fatalf("%d and %d files", len(files), len(again))
	}
	for _, f := range files {
		name := filepath.Base(f)
		if page(t, first, name) != page(t, second, name) {
			t.Errorf("%s differs between two runs", name)
		}
	}
}

func TestAPageNeedsNothingFromElsewhereAndRunsNothing(t *testing.T) {
	dir, files := renderTo(t, smallMarts(t))
	for _, f := range files {
		text := page(t, dir, filepath.Base(f))
		if m := regexp.MustCompile(`(?i)<script|\son[a-z]+=|javascript:|@import|url\(\s*["']?http|src=|<link`).FindString(text); m != "" {
			t.Errorf("%s contains %q", filepath.Base(f), m)
		}
	}
}

func TestEveryChartIsWellFormedAndSaysInWordsWhatItShows(t *testing.T) {
	dir, _ := renderTo(t, wholeDistrict(t))
	for _, name := range []string{"coverage-500101.html", "conversion-500101.html", "coverage-500101001.html"} {
		text := page(t, dir, name)
		charts := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1)
		if len(charts) < 3 {
			t.Fatalf("%s has %d charts", name, len(charts))
		}
		ids := map[string]bool{}
		for _, c := range charts {
			d := xml.NewDecoder(strings.NewReader(c))
			for {
				tok, err := d.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("%s: %v in %.300s", name, err, c)
				}
				if el, ok := tok.(xml.StartElement); ok {
					for _, a := range el.Attr {
						if a.Name.Local != "id" {
							continue
						}
						if ids[a.Value] {
							t.Errorf("%s: id %s twice", name, a.Value)
						}
						ids[a.Value] = true
					}
				}
			}
			if !regexp.MustCompile(`<title id="[^"]+">[^<]+</title><desc id="[^"]+">[^<]{20,}</desc>`).MatchString(c) {
				t.Errorf("%s: a chart without words: %.200s", name, c)
			}
			if strings.Contains(c, "NaN") || strings.Contains(c, "Inf") {
				t.Errorf("%s: a chart with a number that is none", name)
			}
		}
	}
}

func TestTheIndexListsADistrictReportAndTwoForEveryStreetAndTown(t *testing.T) {
	dir, _ := renderTo(t, smallMarts(t))
	var index []Entry
	if err := json.Unmarshal([]byte(page(t, dir, "index.json")), &index); err != nil {
		t.Fatal(err)
	}
	if len(index) != 10 || index[0] != (Entry{"coverage", "500101", "万州区", "district", "coverage-500101.html", "万州区走访覆盖报告", "coverage-500101.xlsx"}) ||
		index[3] != (Entry{"conversion", "500101001", "高笋塘街道", "street", "conversion-500101001.html", "万州区高笋塘街道融资需求转化报告", "conversion-500101001.xlsx"}) || index[9].Kind != "town" {
		t.Errorf("%+v", index)
	}
	for _, e := range index {
		wants(t, e.File, page(t, dir, e.File), "<h1>"+e.Title+"</h1>")
	}
}

func TestADistrictWhereNothingHasHappenedStillHasItsReports(t *testing.T) {
	dir, files := renderTo(t, makeMarts(t, small))
	if len(files) != 22 {
		t.Fatal(len(files))
	}
	wants(t, "empty coverage", page(t, dir, "coverage-500101.html"), "没有纳入基数", "期内没有走访上报")
	wants(t, "empty conversion", page(t, dir, "conversion-500101.html"), "尚无登记的融资需求")
}

func TestBeforeTheAreasAreImportedTheIndexIsEmpty(t *testing.T) {
	dir, files := renderTo(t, makeMarts(t, "insert into run values ('2026-11-22-0123456789ab', '2026-11-22', '2026-11-22', 0, '', false, null)"))
	if len(files) != 2 || page(t, dir, "index.json") != "[]\n" {
		t.Error(files)
	}
}

func TestAMissingMartIsAnErrorAndWritesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := Render(context.Background(), filepath.Join(dir, "no.duckdb"), filepath.Join(dir, "out")); err == nil {
		t.Fatal("no error")
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("an empty folder was left behind")
	}
}

func TestAmountsAndRatiosAreRoundedHalfUp(t *testing.T) {
	for got, want := range map[string]string{percent(1, 8): "12.50 %", percent(2, 3): "66.67 %", percent(1, 20000): "0.01 %", percent(123, 997): "12.34 %",
		wan(50): "0.01", wan(49): "0.00", wan(5000050): "500.01", yi(99999999): "10000.00 万元", yi(123456789): "1.23 亿元"} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
