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

func TestTheSameMartsGiveTheSameBytes(t *testing.T) {
	marts := smallMarts(t)
	first, files := renderTo(t, marts)
	second, again := renderTo(t, marts)
	if len(files) != 5*2+2 || len(again) != len(files) {
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
	if len(index) != 10 || index[0] != (Entry{"coverage", "500101", "万州区", "district", "coverage-500101.html", "万州区走访覆盖报告"}) ||
		index[3] != (Entry{"conversion", "500101001", "高笋塘街道", "street", "conversion-500101001.html", "万州区高笋塘街道融资需求转化报告"}) || index[9].Kind != "town" {
		t.Errorf("%+v", index)
	}
	for _, e := range index {
		wants(t, e.File, page(t, dir, e.File), "<h1>"+e.Title+"</h1>")
	}
}

func TestADistrictWhereNothingHasHappenedStillHasItsReports(t *testing.T) {
	dir, files := renderTo(t, makeMarts(t, small))
	if len(files) != 12 {
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
