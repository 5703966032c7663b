package registry

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// book makes an .xlsx as bytes; draw puts its cells.
func book(t testing.TB, draw func(f *excelize.File), o ...excelize.Options) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	draw(f)
	var b bytes.Buffer
	if err := f.Write(&b, o...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func set(t testing.TB, f *excelize.File, sheet, cell string, values ...any) {
	t.Helper()
	if err := f.SetSheetRow(sheet, cell, &values); err != nil {
		t.Fatal(err)
	}
}

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lines puts CSV lines into a sheet from a row on, every cell as text.
func lines(t testing.TB, f *excelize.File, sheet string, row int, rows ...string) {
	t.Helper()
	for i, line := range rows {
		for c, v := range mustCSV(t, line) {
			cell, _ := excelize.CoordinatesToCellName(c+1, row+i)
			done(t, f.SetCellStr(sheet, cell, v))
		}
	}
}

func mustCSV(t testing.TB, line string) []string {
	t.Helper()
	cells, err := csv.NewReader(strings.NewReader(line)).Read()
	done(t, err)
	return cells
}

// part rewrites one file inside a workbook: what other programs write and excelize does not.
func part(t testing.TB, content, name string, change func(string) string) string {
	t.Helper()
	in, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	done(t, err)
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	changed := false
	for _, f := range in.File {
		r, err := f.Open()
		done(t, err)
		body, err := io.ReadAll(r)
		done(t, err)
		if f.Name == name {
			was := string(body)
			body = []byte(change(was))
			changed = string(body) != was
		}
		w, err := out.Create(f.Name)
		done(t, err)
		_, err = w.Write(body)
		done(t, err)
	}
	done(t, out.Close())
	if !changed {
		t.Fatalf("%s was not changed", name)
	}
	return b.String()
}

const sheet1 = "xl/worksheets/sheet1.xml"

func TestAWorkbookIsReadAsTheCSVOfTheSameRows(t *testing.T) {
	app := newDistrict(t)
	second := uscc("91", 2) + `,"重庆瀼渡, 柑橘有限公司",有限责任公司(自然人独资),A0152,瀼渡镇和平路,"李""四""",,2019/3/5,在业,瀼渡镇,和平社区`
	content := book(t, func(f *excelize.File) {
		done(t, f.SetSheetName("Sheet1", "名录"))
		done(t, f.SetCellStr("名录", "A1", "万州区市场主体名录"))
		done(t, f.MergeCell("名录", "A1", "K1"))
		lines(t, f, "名录", 3, header, noodles, second)
		done(t, f.SetCellStr("名录", "E5", "瀼渡镇\r\n和平路"))
	})
	report := mustLoad(t, app, content)
	if report.New != 2 || report.Bad != 0 || report.Sheet != "名录" {
		t.Fatalf("%+v", report)
	}
	if e := enterprise(t, app, "重庆瀼渡, 柑橘有限公司"); e.GetString("owner") != `李"四"` || e.GetString("address") != "瀼渡镇 和平路" || e.GetString("founded_on") != "2019-03-04 16:00:00.000Z" {
		t.Errorf("read as %v", e.FieldsData())
	}
	if again := mustLoad(t, app, csvOf(noodles)); again.Unchanged != 1 {
		t.Errorf("the CSV of the same row changes %v", again.ChangedFields)
	}
	if again := mustLoad(t, app, content); again.Unchanged != 2 {
		t.Errorf("the same workbook again changes %v", again.ChangedFields)
	}
}

func TestNumbersAndDatesAreReadWholeHoweverExcelShowsThem(t *testing.T) {
	for _, system := range []string{"1900", "1904"} {
		t.Run(system, func(t *testing.T) {
			app := newDistrict(t)
			day := time.Date(2021, 3, 5, 0, 0, 0, 0, time.UTC)
			content := book(t, func(f *excelize.File) {
				old := system == "1904"
				done(t, f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &old}))
				style := func(s excelize.Style) int { id, err := f.NewStyle(&s); done(t, err); return id }
				custom := func(code string) int { return style(excelize.Style{CustomNumFmt: &code}) }
				lines(t, f, "Sheet1", 1, header+",营业收入（万元）")
				for i, id := range []int{style(excelize.Style{NumFmt: 14}), custom("d-mmm"), custom(`yyyy"年"m"月"d"日";@`), custom("[$-804]yyyy/m/d h:mm"), style(excelize.Style{NumFmt: 57}), custom("aaaa\\, dd")} {
					row, cell := i+2, func(col string) string { return col + string(rune('2'+i)) }
					lines(t, f, "Sheet1", row, uscc("91", row)+",日期"+string(rune('0'+i))+",企业,,,,,,,,")
					done(t, f.SetCellValue("Sheet1", cell("H"), day))
					done(t, f.SetCellStyle("Sheet1", cell("H"), cell("H"), id))
					done(t, f.SetCellValue("Sheet1", cell("G"), 13800000001))
					done(t, f.SetCellStyle("Sheet1", cell("G"), cell("G"), custom("0.00E+00")))
					done(t, f.SetCellValue("Sheet1", cell("D"), 5212))
					done(t, f.SetCellValue("Sheet1", cell("L"), 1234.5678))
					done(t, f.SetCellStyle("Sheet1", cell("L"), cell("L"), custom(`#,##0.00"yd";[Red]-0.00`)))
				}
				// A serial that nobody formatted as a date, a day as text, and numbers as a program of the regulator's writes them.
				serial := 44260
				if old {
					serial -= 1462
				}
				lines(t, f, "Sheet1", 8, uscc("91", 20)+",裸序号,企业,,,,,,,,", uscc("91", 21)+",文字日期,企业,,,,,20210305,,,")
				for _, r := range []string{"8", "9"} {
					done(t, f.SetCellInt("Sheet1", "G"+r, 7777))
					done(t, f.SetCellInt("Sheet1", "D"+r, 8888))
					done(t, f.SetCellFloat("Sheet1", "L"+r, 1234.5678, -1, 64))
				}
				done(t, f.SetCellInt("Sheet1", "H8", int64(serial)))
			})
			content = part(t, content, sheet1, func(s string) string {
				return strings.NewReplacer("<v>7777</v>", "<v>1.3800000001E10</v>", "<v>8888</v>", "<v>5212.0</v>").Replace(s)
			})
			report := mustLoad(t, app, content)
			if report.New != 8 || report.Bad != 0 || len(report.Warnings) != 0 {
				t.Fatalf("new %d, bad %s, %v", report.New, codesOf(report), report.Warnings)
			}
			all, err := app.FindAllRecords("enterprises")
			done(t, err)
			for _, e := range all {
				if e.GetString("founded_on") != "2021-03-04 16:00:00.000Z" || e.GetString("phone") != "13800000001" || e.GetString("industry") != "5212" || e.GetInt("revenue") != 12345678 {
					t.Errorf("%s: %s, %s, %s, %d", e.GetString("name"), e.GetString("founded_on"), e.GetString("phone"), e.GetString("industry"), e.GetInt("revenue"))
				}
			}
		})
	}
}

func TestACodeThatExcelKeptAsANumberIsRefusedWithTheReason(t *testing.T) {
	app := newDistrict(t)
	content := book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, header, noodles)
		whole := "0"
		id, err := f.NewStyle(&excelize.Style{CustomNumFmt: &whole})
		done(t, err)
		for i := range 4 {
			lines(t, f, "Sheet1", 3+i, "占位,数字"+string(rune('甲'+i))+",企业,,,,,,,,")
		}
		done(t, f.SetCellInt("Sheet1", "A3", 5555))
		done(t, f.SetCellFloat("Sheet1", "A4", 9.15001012079012e17, -1, 64))
		done(t, f.SetCellStyle("Sheet1", "A4", "A4", id))
		done(t, f.SetCellInt("Sheet1", "A5", 915001012079012000))
		done(t, f.SetCellInt("Sheet1", "A6", 915001012079012345))
	})
	content = part(t, content, sheet1, func(s string) string { return strings.Replace(s, "<v>5555</v>", "<v>9.15001012079012E+17</v>", 1) })
	report := mustLoad(t, app, content)
	if got := codesOf(report); got != "3:uscc_scientific 4:uscc_rounded 5:uscc_rounded 6:uscc_scientific" && got != "3:uscc_scientific 4:uscc_scientific 5:uscc_rounded 6:uscc_scientific" || report.New != 1 {
		t.Fatalf("%s, new %d", got, report.New)
	}
	for _, b := range report.BadRows {
		if !strings.Contains(b.Message, "文本格式") {
			t.Errorf("line %d does not say what to do: %s", b.Line, b.Message)
		}
	}
	// The same file, opened and saved as CSV, is no better.
	if report, err := load(t, app, csvOf(noodles, "915001012079012000,数字甲,企业,,,,,,,,")); err != nil || codesOf(report) != "3:uscc_rounded" {
		t.Errorf("%s %v", codesOf(report), err)
	}
}

func TestTheSheetThatLooksLikeTheRegistryIsReadAndTheOthersAreNamed(t *testing.T) {
	app := newDistrict(t)
	path := file(t, "名录.xlsx", book(t, func(f *excelize.File) {
		done(t, f.SetSheetName("Sheet1", "说明"))
		lines(t, f, "说明", 1, "名称,地址,电话,状态", "本表由登记机关导出,,,")
		for _, s := range []string{"隐藏的旧表", "企业", "个体户", "空表", "图例"} {
			_, err := f.NewSheet(s)
			done(t, err)
		}
		lines(t, f, "隐藏的旧表", 1, header, uscc("91", 9)+",旧公司,企业,,,,,,,,")
		done(t, f.SetSheetVisible("隐藏的旧表", false))
		lines(t, f, "企业", 1, "2026年10月导出")
		lines(t, f, "企业", 3, header, noodles)
		lines(t, f, "个体户", 1, "统一社会信用代码,名称", uscc("92", 5)+",别处的店")
		lines(t, f, "图例", 1, "颜色,意思", "红,注销")
	}))
	status, out, errs := gangwan(t, app, "enterprises", path)
	if status != 2 || !strings.Contains(out, "工作表“企业”") || !strings.Contains(out, "没有读取，请各自另存为文件再导入：个体户\n") || strings.Contains(out, "旧表") {
		t.Fatalf("%d\n%s%s", status, out, errs)
	}
	if enterprise(t, app, "万州区老麻抄手店"); count(t, app, "enterprises") != 1 {
		t.Error("rows of another sheet were read")
	}
}

func TestASheetWithoutTheColumnsWeNeedIsNotTheRegistryHoweverMuchOfItIsKnown(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, "名称,地址,电话,状态,法定代表人", "甲,乙,1,存续,丙")
		_, err := f.NewSheet("名录")
		done(t, err)
		lines(t, f, "名录", 1, "统一社会信用代码,名称", uscc("92", 5)+",小店")
	}))
	if report.New != 1 || report.Sheet != "名录" || report.UnreadSheets != nil {
		t.Fatalf("%+v", report)
	}
}

func TestRowsThatAFilterHidesAreReadAndCounted(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, header, noodles, uscc("91", 2)+",隐藏公司,企业,,,,,,,,", uscc("91", 3)+",坏公司,外星人,,,,,,,,", uscc("91", 4)+",末尾公司,企业,,,,,,,,")
		done(t, f.AutoFilter("Sheet1", "A1:K5", nil))
		done(t, f.SetRowVisible("Sheet1", 3, false))
	}))
	if report.New != 3 || report.Warnings["hidden_row"] != 1 || codesOf(report) != "4:unknown_kind" {
		t.Fatalf("%+v", report)
	}
	enterprise(t, app, "隐藏公司")
}

func TestFormulasCountByTheValueExcelLastShowed(t *testing.T) {
	app := newDistrict(t)
	content := book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, header, noodles, uscc("91", 2)+",合成公司,企业,,,,,,,,", uscc("91", 3)+",查无电话,企业,,,,,,,,", uscc("91", 4)+",坏引用,企业,,,,,,,,")
		done(t, f.SetCellFormula("Sheet1", "E3", `"万州区"&"1号"`))
		done(t, f.SetCellFormula("Sheet1", "G4", `VLOOKUP(A4,Z:Z,1,0)`))
		done(t, f.SetCellFormula("Sheet1", "E5", `Sheet9!A1`))
	})
	content = part(t, content, sheet1, func(s string) string {
		for cell, value := range map[string]string{"E3": `t="str"|<v>万州区1号</v>`, "G4": `t="e"|<v>#N/A</v>`, "E5": `t="e"|<v>#REF!</v>`} {
			kind, v, _ := strings.Cut(value, "|")
			at := strings.Index(s, `<c r="`+cell+`"`)
			end := at + strings.Index(s[at:], "</c>")
			c := s[at:end]
			c = c[:strings.Index(c, ">")] + " " + kind + c[strings.Index(c, ">"):]
			s = s[:at] + strings.Replace(c, "<v></v>", "", 1) + v + s[end:]
		}
		return s
	})
	report := mustLoad(t, app, content)
	if report.New != 3 || codesOf(report) != "5:cell_error" || !strings.Contains(report.BadRows[0].Message, "#REF!") {
		t.Fatalf("new %d, %+v", report.New, report.BadRows)
	}
	if a := enterprise(t, app, "合成公司").GetString("address"); a != "万州区1号" {
		t.Errorf("address %q", a)
	}
	if p := enterprise(t, app, "查无电话").GetString("phone"); p != "" {
		t.Errorf("phone %q", p)
	}
}

func TestBlankRowsAndCellsBesideTheTableAreNoRows(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, header, noodles)
		lines(t, f, "Sheet1", 5, uscc("91", 2)+",下面的公司,企业")
		done(t, f.SetCellStr("Sheet1", "N5", "核对人：小李"))
		grey, err := f.NewStyle(&excelize.Style{Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"EEEEEE"}}})
		done(t, err)
		done(t, f.SetCellStyle("Sheet1", "A6", "K9000", grey))
		for r := 100; r < 9000; r += 100 {
			cell, _ := excelize.CoordinatesToCellName(2, r)
			done(t, f.SetCellStr("Sheet1", cell, "  "))
		}
	}))
	if report.Read != 2 || report.New != 2 || report.Bad != 0 {
		t.Fatalf("%+v", report)
	}
}

func TestFaultyRowsOfAWorkbookAreKeptAsCSVThatCanBeMendedAndImported(t *testing.T) {
	app := newDistrict(t)
	path := file(t, "名录.xlsx", book(t, func(f *excelize.File) {
		old := true
		done(t, f.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &old}))
		lines(t, f, "Sheet1", 3, header, noodles, uscc("91", 2)+",外来公司,外星人,,,,,,,,")
		done(t, f.SetCellValue("Sheet1", "H5", time.Date(2021, 3, 5, 0, 0, 0, 0, time.UTC)))
	}))
	if status, _, errs := gangwan(t, app, "enterprises", path); status != 2 || !strings.Contains(errs, "第 5 行（unknown_kind）") {
		t.Fatal(status, errs)
	}
	kept, err := os.ReadFile(path + ".errors.csv")
	done(t, err)
	if !strings.Contains(string(kept), ",2021-03-05,") { // people cannot mend 42798
		t.Errorf("the day is not kept as a day:\n%s", kept)
	}
	mended := file(t, "mended.csv", strings.ReplaceAll(string(kept), ",外星人,", ",企业,"))
	if status, out, errs := gangwan(t, app, "enterprises", mended); status != 0 {
		t.Fatal(status, out, errs)
	}
	if d := enterprise(t, app, "外来公司").GetString("founded_on"); d != "2021-03-04 16:00:00.000Z" {
		t.Errorf("the day of the 1904 count became %s", d)
	}
}

func TestAnAreaWorkbookWithCodesAsNumbersIsTheSameTree(t *testing.T) {
	app := newDistrict(t)
	content := book(t, func(f *excelize.File) {
		rows, err := csv.NewReader(WanzhouAreas()).ReadAll()
		done(t, err)
		for i, r := range rows {
			cell, _ := excelize.CoordinatesToCellName(1, i+1)
			values := []any{r[0], r[1], r[2], r[3]}
			for c := range values {
				if n := strings.Trim(r[c], "0123456789"); n == "" && r[c] != "" {
					values[c] = mustNumber(t, r[c])
				}
			}
			set(t, f, "Sheet1", cell, values...)
		}
	})
	report, err := ImportAreas(app, strings.NewReader(content), Options{Now: clock})
	if err != nil || report.Unchanged != 663 || report.Bad != 0 {
		t.Fatalf("%v %+v", err, report)
	}
}

func mustNumber(t testing.TB, s string) int64 {
	t.Helper()
	n := int64(0)
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n
}

func TestAWorkbookThatCannotBeReadIsRefusedWholeWithACode(t *testing.T) {
	app := newDistrict(t)
	good := book(t, func(f *excelize.File) {
		lines(t, f, "Sheet1", 1, header, noodles)
		for i := range 400 {
			lines(t, f, "Sheet1", 3+i, uscc("91", i)+",第"+uscc("91", i)+"公司,企业,,,,,,,,")
		}
	})
	zipOf := func(name, body string) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, n := range []string{"[Content_Types].xml", name} {
			f, err := w.Create(n)
			done(t, err)
			_, err = f.Write([]byte(body))
			done(t, err)
		}
		done(t, w.Close())
		return b.String()
	}
	// In the middle of the sheet a byte goes wrong, which only the checksum tells.
	z, err := zip.NewReader(strings.NewReader(good), int64(len(good)))
	done(t, err)
	at := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == sheet1 })
	offset, err := z.File[at].DataOffset()
	done(t, err)
	flipped := []byte(good)
	flipped[offset+int64(z.File[at].CompressedSize64)*3/4] ^= 0x55
	// The size that the list of contents gives is a lie.
	claims := []byte(good)
	entry := bytes.LastIndex(claims, []byte(sheet1)) - 46
	binary.LittleEndian.PutUint32(claims[entry+24:], 3<<30)

	for what, c := range map[string]struct{ content, code, says string }{
		"a password":             {book(t, func(*excelize.File) {}, excelize.Options{Password: "秘密"}), CodeProtected, "打开密码"},
		"the format of 2003":     {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 600) + "W\x00o\x00r\x00k\x00b\x00o\x00o\x00k\x00", CodeNotTable, "旧版 Excel 工作簿（.xls）"},
		"a binary workbook":      {zipOf("xl/workbook.bin", "x"), CodeNotTable, ".xlsb"},
		"a Word document":        {zipOf("word/document.xml", "<x/>"), CodeNotTable, "另存为“Excel 工作簿（.xlsx）”"},
		"half a download":        {good[:len(good)/2], CodeUnreadable, "不完整"},
		"a byte gone wrong":      {string(flipped), CodeUnreadable, "损坏"},
		"a zip that grows":       {string(claims), CodeTooLarge, "1024 MB"},
		"no sheet with any cell": {book(t, func(*excelize.File) {}), CodeNothingRead, "空"},
		"a header alone":         {book(t, func(f *excelize.File) { lines(t, f, "Sheet1", 1, header) }), CodeNothingRead, "表头"},
		"some other table":       {book(t, func(f *excelize.File) { lines(t, f, "Sheet1", 1, "日期,金额", "2021-01-01,5") }), CodeMissingColumn, "日期、金额"},
		"a sheet that is no XML": {part(t, good, "xl/workbook.xml", func(string) string { return "<workbook" }), CodeUnreadable, "损坏"},
		"every row has a fault":  {book(t, func(f *excelize.File) { lines(t, f, "Sheet1", 1, header, "123,甲,企业") }), CodeNothingRead, "1 行全部有问题"},
		"a column for the name": {book(t, func(f *excelize.File) {
			lines(t, f, "Sheet1", 1, "统一社会信用代码,住所", uscc("91", 1)+",x")
		}), CodeMissingColumn, "名称；文件里的列有"},
		"an archive without file": {"PK\x05\x06" + strings.Repeat("\x00", 18), CodeNotTable, "压缩包"},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := load(t, app, c.content)
			if e := refusedAs(t, err, c.code); !strings.Contains(e.Message, c.says) {
				t.Errorf("says %q", e.Message)
			}
			if n := count(t, app, "enterprises"); n != 0 {
				t.Errorf("%d enterprises were written", n)
			}
		})
	}
}

func TestReadingAWorkbookLeavesNoFilesBehind(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	content := workbookOf(t, 60_000) // big enough to be unpacked to disk
	if _, err := readTable(strings.NewReader(content), enterpriseList.columns); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(tmp + "/*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABlankFarToTheRightIsNoColumnAndAHeaderWithoutEndIsRefused(t *testing.T) {
	file := func(farHead string) []byte {
		f := excelize.NewFile()
		defer f.Close()
		for cell, v := range map[string]string{"A1": "名称", "B1": "统一社会信用代码", "C1": "住所", "A2": "重庆小面馆", "B2": "", "C2": "王家坡1号", "XFD2": " ", "XFD1": farHead} {
			if v != "" {
				if err := f.SetCellStr("Sheet1", cell, v); err != nil {
					t.Fatal(err)
				}
			}
		}
		var b bytes.Buffer
		if err := f.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	read, err := readWorkbook(file(""), enterpriseList.columns)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Rows) != 1 || cap(read.Rows[0].Cells) > 16 {
		t.Errorf("%d rows, room for %d cells", len(read.Rows), cap(read.Rows[0].Cells))
	}
	if _, err := readWorkbook(file("备注"), enterpriseList.columns); err == nil || !strings.Contains(err.Error(), CodeTooLarge) {
		t.Error("a header of 16384 columns:", err)
	}
}

func TestTheListOfBadRowsIsNoFormulaWhenItIsOpenedAndIsReadBackAsItWas(t *testing.T) {
	for _, cell := range []string{`=HYPERLINK("http://x/?"&A1)`, "+86 13800000000", "-1", "@a", "王家坡", "", "'quoted"} {
		kept := guarded(cell)
		if strings.ContainsAny(kept[:min(1, len(kept))], formulaSigns) {
			t.Errorf("%q is a formula in a spreadsheet", kept)
		}
		if back := unguarded(kept); back != cell {
			t.Errorf("%q came back as %q", cell, back)
		}
	}
}
