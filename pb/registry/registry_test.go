package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/text/encoding/simplifiedchinese"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"
)

var today = time.Date(2026, 11, 23, 9, 0, 0, 0, hooks.Shanghai)

func clock() time.Time { return today }

func newApp(t testing.TB) core.App { return openApp(t, fresh.Dir(t)) }

func openApp(t testing.TB, dir string) core.App {
	t.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: dir})
	if err := app.Bootstrap(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.ResetBootstrapState() })
	hooks.Bind(app, clock)
	return app
}

// districtDir is a data directory made once and copied for each test, which is ten times faster than making each anew.
var districtDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "district")
	if err != nil {
		panic(err)
	}
	districtDir = dir
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// newDistrict has the whole area tree, and a grid with a harbour in 高笋塘街道's 王家坡社区, and two in 太白街道's 白岩路社区.
func newDistrict(t testing.TB) core.App {
	t.Helper()
	if _, err := os.Stat(districtDir + "/made/data.db"); err != nil {
		making := districtDir + "/making"
		if err := fresh.Fill(making); err != nil {
			t.Fatal(err)
		}
		app := openApp(t, making)
		if _, err := ImportAreas(app, WanzhouAreas(), Options{Now: clock}); err != nil {
			t.Fatal(err)
		}
		harbour := put(t, app, "harbours", map[string]any{"number": "01", "name": "高笋塘港湾", "kind": "street"})
		put(t, app, "grids", map[string]any{"name": "一网格", "area": area(t, app, street1, community1).Id, "harbour": harbour.Id})
		put(t, app, "grids", map[string]any{"name": "二网格", "area": area(t, app, street2, community2).Id})
		put(t, app, "grids", map[string]any{"name": "三网格", "area": area(t, app, street2, community2).Id})
		if err := app.ResetBootstrapState(); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(making, districtDir+"/made"); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir() + "/data"
	if err := os.CopyFS(dir, os.DirFS(districtDir+"/made")); err != nil {
		t.Fatal(err)
	}
	return openApp(t, dir)
}

const (
	street1, community1 = "高笋塘街道", "王家坡社区居民委员会"
	street2, community2 = "太白街道", "白岩路社区居民委员会"
)

func put(t testing.TB, app core.App, collection string, data map[string]any) *core.Record {
	t.Helper()
	c, err := app.FindCollectionByNameOrId(collection)
	if err != nil {
		t.Fatal(err)
	}
	r := core.NewRecord(c)
	r.Load(data)
	if err := app.Save(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func area(t testing.TB, app core.App, street, name string) *core.Record {
	t.Helper()
	r, err := app.FindFirstRecordByFilter("areas", "name = {:n} && parent.name = {:s} && until = ''", dbx.Params{"n": name, "s": street})
	if err != nil {
		t.Fatalf("%s %s: %v", street, name, err)
	}
	return r
}

func grid(t testing.TB, app core.App, name string) *core.Record {
	t.Helper()
	r, err := app.FindFirstRecordByFilter("grids", "name = {:n}", dbx.Params{"n": name})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func enterprise(t testing.TB, app core.App, name string) *core.Record {
	t.Helper()
	found, err := app.FindRecordsByFilter("enterprises", "name = {:n}", "id", 0, 0, dbx.Params{"n": name})
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d records, %v", name, len(found), err)
	}
	return found[0]
}

func count(t testing.TB, app core.App, table string) int {
	t.Helper()
	n := 0
	if err := app.DB().Select("count(*)").From(table).Row(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const header = "统一社会信用代码,名称,主体类型,行业代码,住所,法定代表人,联系电话,成立日期,登记状态,所属镇街,所属社区"

// uscc makes the n-th lawful code of a kind of body ("91" company, "92" individual business, "93" cooperative).
func uscc(kind string, n int) string { return hooks.MakeUSCC(fmt.Sprintf("%s500101MA%07d", kind, n)) }

func csvOf(rows ...string) string { return header + "\n" + strings.Join(rows, "\n") + "\n" }

func load(t testing.TB, app core.App, content string) (Report, error) {
	t.Helper()
	return ImportEnterprises(app, strings.NewReader(content), Options{Now: clock})
}

func mustLoad(t testing.TB, app core.App, content string) Report {
	t.Helper()
	r, err := load(t, app, content)
	if err != nil {
		t.Fatalf("%v; %+v", err, r.BadRows)
	}
	return r
}

func refusedAs(t *testing.T, err error, code string) *hooks.Error {
	t.Helper()
	var e *hooks.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("refused with %v, want %s", err, code)
	}
	return e
}

func codesOf(r Report) string {
	var out []string
	for _, b := range r.BadRows {
		out = append(out, fmt.Sprintf("%d:%s", b.Line, b.Code))
	}
	return strings.Join(out, " ")
}

var noodles = uscc("92", 1) + ",万州区老麻抄手店,个体工商户,6221,重庆市万州区高笋塘1号,张三,13800000001,2021-03-05,存续,高笋塘街道,王家坡社区"

func TestARegistryRowBecomesAnEnterpriseOfTheOnlyGridOfItsCommunity(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, csvOf(noodles))
	if report.New != 1 || report.Bad != 0 || report.Unassigned != 0 {
		t.Fatalf("%+v", report)
	}
	e := enterprise(t, app, "万州区老麻抄手店")
	g := grid(t, app, "一网格")
	for field, want := range map[string]string{
		"uscc": uscc("92", 1), "kind": "individual_business", "industry": "6221", "address": "重庆市万州区高笋塘1号", "owner": "张三",
		"phone": "13800000001", "founded_on": "2021-03-04 16:00:00.000Z", "registry_status": "存续", "status": "active", "ownership": "private",
		"origin": "registry", "size": "unknown", "initials": "wzqlmcsd", "grid": g.Id, "scope_grid": g.Id, "scope_harbour": g.GetString("harbour"),
	} {
		if got := e.GetString(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if g.GetString("harbour") == "" {
		t.Error("the grid has no harbour: the test shows nothing")
	}
}

// Every way in which offices save the same two rows.
func TestTheSameRegistryIsReadInEveryEncodingAndWithEverySeparator(t *testing.T) {
	plain := csvOf(noodles, uscc("91", 2)+`,"重庆瀼渡, 柑橘有限公司",有限责任公司(自然人独资),A0152,"瀼渡镇`+"\n"+`和平路","李""四""",,2019/3/5,在业,瀼渡镇,和平社区`)
	gb := func(s string) string {
		b, err := simplifiedchinese.GB18030.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	utf16Of := func(order binary.AppendByteOrder, bom, s string) string {
		out := []byte(bom)
		for _, u := range utf16.Encode([]rune(s)) {
			out = order.AppendUint16(out, u)
		}
		return string(out)
	}
	tabs := strings.ReplaceAll(strings.ReplaceAll(plain, ",", "\t"), "瀼渡\t 柑橘", "瀼渡, 柑橘")
	for what, content := range map[string]string{
		"UTF-8":                        plain,
		"UTF-8 with a mark":            "\uFEFF" + plain,
		"Windows line ends":            strings.ReplaceAll(plain, "\n", "\r\n"),
		"no line end at the end":       strings.TrimSuffix(plain, "\n"),
		"GBK, as Excel 2007 saves CSV": gb(plain),
		"Excel's Unicode text":         utf16Of(binary.LittleEndian, "\xff\xfe", strings.ReplaceAll(tabs, "\n", "\r\n")),
		"UTF-16 of the other order":    utf16Of(binary.BigEndian, "\xfe\xff", plain),
		"tabs":                         tabs,
		"semicolons":                   strings.ReplaceAll(strings.ReplaceAll(plain, ",", ";"), "瀼渡; 柑橘", "瀼渡, 柑橘"),
		"Excel's own separator line":   "sep=,\r\n" + plain,
		"a title above the header":     "万州区市场主体名录,,\n\n" + plain,
		"an end-of-file mark":          plain + "\x1a",
		"blank lines and spare commas": strings.ReplaceAll(plain, "王家坡社区\n", "王家坡社区,,\n\n,,,\n"),
	} {
		t.Run(what, func(t *testing.T) {
			app := newDistrict(t)
			report := mustLoad(t, app, content)
			if report.New != 2 || report.Bad != 0 {
				t.Fatalf("new %d, bad %s", report.New, codesOf(report))
			}
			if e := enterprise(t, app, "重庆瀼渡, 柑橘有限公司"); e.GetString("owner") != `李"四"` || e.GetString("address") != "瀼渡镇 和平路" || e.GetString("industry") != "0152" {
				t.Errorf("read as %v", e.FieldsData())
			}
			if e := enterprise(t, app, "万州区老麻抄手店"); e.GetString("grid") != grid(t, app, "一网格").Id {
				t.Error("the first row lost its grid")
			}
		})
	}
}

func TestAFileThatCannotBeReadIsRefusedWholeWithACode(t *testing.T) {
	app := newDistrict(t)
	big5 := string([]byte{0xb2, 0xce, 0xa4, 0x40, 0xab, 0x48, 0xa5, 0xce, 0xa5, 0x4e, 0xbd, 0x58, ',', 0xa6, 0x57, 0xba, 0xd9, '\n', '9', '1', ',', 0xa4, 0xa4, '\n'})
	bareUTF16 := string(bytes.Join([][]byte{{'a', 0, ',', 0}, {0x0d, 0x54}}, nil))
	for what, c := range map[string]struct{ content, code, says string }{
		"an xls that is a page": {"<html><table>", CodeNotTable, "网页"},
		"a PDF":                 {"%PDF-1.7", CodeNotTable, "PDF"},
		"Big5":                  {big5, CodeBadEncoding, "编码"},
		"UTF-16 without a mark": {bareUTF16, CodeBadEncoding, "UTF-16"},
		"bytes of no encoding":  {"\xff\x80\xff\x81,\xff\xff\n\x80\xff,\xff\n", CodeBadEncoding, "编码"},
		"nothing at all":        {"", CodeNothingRead, "空"},
		"blank lines":           {"\n \n", CodeNothingRead, "空"},
		"a header alone":        {header + "\n", CodeNothingRead, "表头"},
		"no name column":        {"统一社会信用代码,主体类型\n" + uscc("91", 1) + ",企业\n", CodeMissingColumn, "名称；文件里的列有：统一社会信用代码、主体类型"},
		"no code column":        {"名称,住所\n甲,乙\n", CodeMissingColumn, "统一社会信用代码"},
		"some other table":      {"日期,金额\n2021-01-01,5\n", CodeMissingColumn, "日期、金额"},
		"every row has a fault": {csvOf("123,甲,企业,,,,,,,,", "456,乙,企业,,,,,,,,"), CodeNothingRead, "2 行全部有问题"},
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

func TestARowWithAFaultIsNamedAndTheGoodRowsAreKept(t *testing.T) {
	app := newDistrict(t)
	row := func(code, rest string) string { return code + "," + rest }
	report := mustLoad(t, app, csvOf(
		noodles, // line 2
		row("", ",企业,,,,,,,,"),
		row("9.15001E+17", "科学计数,企业,,,,,,,,"),
		row("91500101MA60", "太短,企业,,,,,,,,"),
		row(strings.Replace(uscc("91", 3), "MA", "MO", 1), "字母不对,企业,,,,,,,,"),
		row(uscc("91", 4), "日期不对,企业,,,,,2021-02-30,,,"),
		row(uscc("91", 5), "将来成立,企业,,,,,2031-01-01,,,"),
		row(uscc("91", 6), "类型不明,外星人,,,,,,,,"),
		row("", "无代码无类型,,,,,,,,,"),
		row(uscc("92", 1), "代码重复,个体工商户,,,,,,,,"),
		row(uscc("91", 7), strings.Repeat("长", 121)+",企业,,,,,,,,"),
		row(uscc("91", 8), "少一列,企业,,,,,,,"),
		row(uscc("91", 9), "多一列,企业,,,,,,,,,多"),
		row(uscc("91", 10), `"引号没有关,企业,,,,,,,,`),
		row(uscc("91", 11), "乱\uFFFD码,企业,,,,,,,,"),
		row("", "无代码商店,个体工商户,,住所甲,,,,,,"),
		row("", "无代码商店,个体工商户,,住所 甲,,,,,,"),
		row(uscc("91", 12), "最后一行,企业,,,,,,,,"),
	))
	want := "3:missing_name 4:uscc_scientific 5:uscc_length 6:uscc_alphabet 7:bad_date 8:bad_date 9:unknown_kind 10:unknown_kind 11:duplicate_uscc " +
		"12:too_long 13:column_count 14:column_count 15:bad_quotes 16:bad_character 18:duplicate_row"
	if got := codesOf(report); got != want {
		t.Errorf("bad rows\n got %s\nwant %s", got, want)
	}
	if report.Read != 18 || report.New != 3 || report.Bad != 15 || count(t, app, "enterprises") != 3 {
		t.Errorf("%+v", report)
	}
	for _, b := range report.BadRows {
		if len(b.Cells) == 0 || !strings.ContainsAny(b.Message, "没有统一日期主体名称列引号乱码") {
			t.Errorf("line %d has lost its row or its reason: %+v", b.Line, b)
		}
	}
}

func TestANameCutInTheMiddleOfACharacterSpoilsItsRowOnly(t *testing.T) {
	app := newDistrict(t)
	cut := "万州区老麻抄手店"
	cut = cut[:len(cut)-1]
	report := mustLoad(t, app, csvOf(noodles, uscc("91", 2)+","+cut+",企业,,,,,,,,", uscc("91", 3)+",完好公司,企业,,,,,,,,"))
	if report.New != 2 || codesOf(report) != "3:bad_character" || report.Encoding != "UTF-8" {
		t.Fatalf("%s as %s", codesOf(report), report.Encoding)
	}
}

func TestAnUnclosedQuoteCostsOneLineAndNotTheRestOfTheFile(t *testing.T) {
	app := newDistrict(t)
	rows := []string{uscc("91", 1) + `,"没有关的引号,企业,,,,,,,,`}
	for i := 2; i < 200; i++ {
		rows = append(rows, fmt.Sprintf(`%s,第%d公司,企业,,"门牌 %d, 二楼",,,,,,`, uscc("91", i), i, i))
	}
	report := mustLoad(t, app, csvOf(rows...))
	if report.New != 198 || codesOf(report) != "2:bad_quotes" {
		t.Fatalf("new %d, %s", report.New, codesOf(report))
	}
}

func TestCodesAreReadHoweverExcelAndPeopleMangledThem(t *testing.T) {
	app := newDistrict(t)
	c := func(n int) string { return uscc("91", n) }
	wide := strings.Map(func(r rune) rune { return r + 0xFEE0 }, c(4))
	report := mustLoad(t, app, csvOf(
		`="`+c(1)+`",甲一,企业,,,,,,,,`,
		`"=""`+c(2)+`""",甲二,企业,,,,,,,,`,
		strings.ToLower(c(3))+",甲三,企业,,,,,,,,",
		wide+",甲四,企业,,,,,,,,",
		"'"+c(5)+",甲五,企业,,,,,,,,",
		"　"+c(6)[:9]+" "+c(6)[9:]+"\u200b,　甲六　,企业,,,,,,,,",
		c(7)[:17]+"?,甲七,企业,,,,,,,,",
	))
	if codesOf(report) != "8:uscc_alphabet" || report.New != 6 {
		t.Fatalf("%s, new %d", codesOf(report), report.New)
	}
	for i, name := range []string{"甲一", "甲二", "甲三", "甲四", "甲五", "甲六"} {
		if got := enterprise(t, app, name).GetString("uscc"); got != c(i+1) {
			t.Errorf("%s: %s, want %s", name, got, c(i+1))
		}
	}
}

func TestACodeWithAFailedCheckDigitIsImportedAndCounted(t *testing.T) {
	app := newDistrict(t)
	right := uscc("91", 1)
	wrong := right[:17] + "0"
	if right[17] == '0' {
		wrong = right[:17] + "1"
	}
	report := mustLoad(t, app, csvOf(wrong+",早期试点公司,企业,,,,,,,,", "500101600123456,老字号,个体工商户,,老街1号,,,,,,"))
	if report.New != 2 || report.Warnings["uscc_check_digit"] != 1 || report.Warnings["old_number"] != 1 {
		t.Fatalf("%+v", report)
	}
	if enterprise(t, app, "早期试点公司").GetString("uscc") != wrong || enterprise(t, app, "老字号").GetString("uscc") != "" {
		t.Error("the codes were not kept as they are")
	}
}

func TestDaysAreReadAsOfficesWriteThem(t *testing.T) {
	for _, s := range []string{"2021-3-5", "2021-03-05", "2021/03/05", "2021.3.5", "20210305", "2021年3月5日", "２０２１－０３－０５", "44260", "44260.5",
		"2021-03-05 00:00:00", "2021/3/5 0:00", "2021-03-05T08:30:00", "2021 年 3 月 5 日", "20210305093000"} {
		if got, bad := parseDay(s, today); bad != nil || got != "2021-03-04 16:00:00.000Z" {
			t.Errorf("%s: %s %v", s, got, bad)
		}
	}
	for _, s := range []string{"2021-13-01", "2021-02-29", "05/03/2021", "昨天", "3", "1021-01-01", "2026-11-30", "2021-03", "99999"} {
		if got, bad := parseDay(s, today); bad == nil {
			t.Errorf("%s was read as %s", s, got)
		}
	}
}

func TestRegistryWordsBecomeOurs(t *testing.T) {
	for s, want := range map[string]string{
		"企业": "company", "有限责任公司": "company", "其他有限责任公司": "company", "个人独资企业": "company", "普通合伙": "company", "股份合作制": "company",
		"个体工商户": "individual_business", "个体（家庭经营）": "individual_business", "农民专业合作社": "cooperative", "农民专业合作社分支机构": "cooperative",
		"中外合作经营企业": "company", "全民所有制": "company", "其他": "other", "民办非企业单位": "other", "事业单位": "other", "": "", "外星人": "",
	} {
		if got := kindOf(s); got != want {
			t.Errorf("kind of %q: %s, want %s", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"有限责任公司(国有独资)": "state", "全民所有制": "state", "集体所有制": "collective", "有限责任公司（港、澳、台投资）": "foreign", "外商投资企业分支机构": "foreign",
		"有限责任公司(自然人独资)": "private", "有限责任公司(非自然人投资或控股的法人独资)": "unknown", "个体工商户": "private", "私营": "private", "有限责任公司": "unknown",
	} {
		if got := ownershipOf(s); got != want {
			t.Errorf("ownership of %q: %s, want %s", s, got, want)
		}
	}
	for s, want := range map[string]string{
		"存续": "active", "存续（在营、开业、在册）": "active", "在业": "active", "开业": "active", "": "active", "正在清算": "active", "拟注销": "active",
		"注销": "closed", "吊销": "closed", "吊销，未注销": "closed", "吊销后注销": "closed", "撤销登记": "closed", "迁出": "moved",
	} {
		if got, ok := statusOf(s); got != want || !ok {
			t.Errorf("status of %q: %s, want %s", s, got, want)
		}
	}
	if got, ok := statusOf("第七类"); got != "active" || ok {
		t.Errorf("an unknown status is %s, known %v", got, ok)
	}
	for s, want := range map[string]string{"6221": "6221", "H6221": "6221", "h62": "62", "Ｈ６２２１": "6221", "F": "F", "6221 正餐服务": "6221", "": ""} {
		if got, ok := parseIndustry(s); got != want || !ok {
			t.Errorf("industry %q: %s", s, got)
		}
	}
	for _, s := range []string{"餐饮业", "Z1", "9999", "622100"} {
		if got, ok := parseIndustry(s); ok {
			t.Errorf("industry %q was read as %s", s, got)
		}
	}
	for s, want := range map[string]string{"13800000001": "13800000001", "138 0000 0001": "13800000001", "023-58123456/13800000001": "023-58123456",
		"无": "", "0": "", "1.38E+10": "", "电话：13800000001；张三": "13800000001"} {
		if got := parsePhone(s); got != want {
			t.Errorf("phone %q: %s, want %s", s, got, want)
		}
	}
}

func TestUsualHeadingsAreUnderstood(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, "序号,注册号/统一社会信用代码*,企业名称（字号）,市场主体类型,国民经济行业代码,经营场所,法定代表人/负责人,经营者,手机号码,注册日期,经营状态,街道/乡镇,社区/村,备注\n"+
		"1,"+uscc("92", 1)+",甲,个体,5212,某路1号,,张三,13800000001,20200101,开业,高笋塘街道办事处,王家坡居委会,x\n"+
		"2,"+uscc("91", 2)+",乙,企业,5212,某路2号,李四,,,20200101,开业,重庆市万州区高笋塘街道,高笋塘街道王家坡社区,x\n")
	if report.New != 2 || report.Unassigned != 0 || strings.Join(report.UnknownColumns, " ") != "序号 备注" || report.MissingColumns != nil {
		t.Fatalf("%+v", report)
	}
	if a, b := enterprise(t, app, "甲"), enterprise(t, app, "乙"); a.GetString("owner") != "张三" || b.GetString("owner") != "李四" || a.GetString("registry_status") != "开业" {
		t.Error("经营者 and 法定代表人 were not both read")
	}
}

func TestColumnsForSizeAreUsedWhereTheFileHasThem(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, "统一社会信用代码,名称,主体类型,行业代码,从业人数,营业收入（万元）,企业规模\n"+
		uscc("91", 1)+",零售一,企业,5212,12,\"1,200\",\n"+uscc("91", 2)+",零售二,企业,5212,,,小型企业\n"+uscc("91", 3)+",零售三,企业,5212,12,,\n")
	one := enterprise(t, app, "零售一")
	if one.GetString("size") != "small" || one.GetInt("revenue") != 12000000 || one.GetInt("employees") != 12 {
		t.Errorf("%v", one.FieldsData())
	}
	if got := enterprise(t, app, "零售二").GetString("size"); got != "small" {
		t.Error(got)
	}
	if got := enterprise(t, app, "零售三").GetString("size"); got != "unknown" {
		t.Error(got)
	}
}

func TestEveryCommunityOfTheDistrictIsFoundByItsShortName(t *testing.T) {
	app := newDistrict(t)
	p, err := loadPlaces(app)
	if err != nil {
		t.Fatal(err)
	}
	areas, err := app.FindRecordsByFilter("areas", "kind = 'community' || kind = 'village'", "", 0, 0)
	if err != nil || len(areas) != 610 {
		t.Fatal(len(areas), err)
	}
	short := strings.NewReplacer("社区居民委员会", "社区", "村村民委员会", "村", "居民委员会", "居委会", "村民委员会", "村")
	for _, a := range areas {
		parent, err := app.FindRecordById("areas", a.GetString("parent"))
		if err != nil {
			t.Fatal(err)
		}
		street, name := parent.GetString("name"), a.GetString("name")
		for _, said := range [][2]string{
			{street, name}, {street, short.Replace(name)}, {street + "人民政府", name}, {"重庆市万州区" + street, short.Replace(name)},
			{"", street + short.Replace(name)}, {street, "　" + street + name}, {parent.GetString("code"), a.GetString("code")},
		} {
			if got, why := p.resolve(said[0], said[1]); got != a.GetString("code") {
				t.Errorf("%s / %s: %q %s, want %s", said[0], said[1], got, why, a.GetString("code"))
			}
		}
	}
	for said, why := range map[[2]string]string{
		{"高笋塘街道", ""}:       whyNoCommunity,
		{"高笋塘街道", "不存在社区"}:  whyUnknownCommunity,
		{"不存在街道", "王家坡社区"}:  whyUnknownCommunity,
		{"太白街道", "王家坡社区"}:   whyUnknownCommunity, // of another street
		{"", "太平社区"}:        whyUnknownCommunity, // there are two
		{"高笋塘街道", "500101"}: whyUnknownCommunity, // the district's code
		{"高笋塘街道", "高笋塘街道"}:  whyUnknownCommunity,
	} {
		if got, w := p.resolve(said[0], said[1]); got != "" || w != why {
			t.Errorf("%v: %q %s", said, got, w)
		}
	}
	if got, _ := p.resolve("地宝乡", "四季村"); got == "" {
		t.Error("地宝土家族乡 is not found as 地宝乡")
	}
}

func TestAnEnterpriseWhoseGridIsNotCertainWaitsForAssignment(t *testing.T) {
	app := newDistrict(t)
	r := func(n int, place string) string {
		return uscc("91", n) + fmt.Sprintf(",公司%d,企业,,,,,,存续,", n) + place
	}
	report := mustLoad(t, app, csvOf(r(1, "高笋塘街道,王家坡社区"), r(2, "太白街道,白岩路社区"), r(3, "高笋塘街道,没有的社区"), r(4, "高笋塘街道,"), r(5, "太白街道,青羊宫社区"), strings.Replace(r(6, "高笋塘街道,没有的社区"), "存续", "注销", 1)))
	want := map[string]int{whySeveralGrids: 1, whyUnknownCommunity: 1, whyNoCommunity: 1, whyNoGrid: 1}
	if report.Unassigned != 4 || fmt.Sprint(report.Unplaced) != fmt.Sprint(want) {
		t.Fatalf("%d %v", report.Unassigned, report.Unplaced)
	}
	if report.UnknownCommunities["高笋塘街道 没有的社区"] != 2 || report.NewClosed != 1 {
		t.Errorf("%v", report.UnknownCommunities)
	}
	if e := enterprise(t, app, "公司2"); e.GetString("grid") != "" || e.GetString("scope_grid") != "" {
		t.Error("a grid was guessed")
	}
}

func TestImportingTheSameFileAgainChangesNothing(t *testing.T) {
	app := newDistrict(t)
	content := csvOf(noodles, uscc("91", 2)+",公司,有限责任公司,4710,某路,李四,,2020-01-01,注销,太白街道,白岩路社区",
		",无代码商店,个体工商户,,住所甲,,,,,高笋塘街道,王家坡社区", ",无代码无社区,个体工商户,,住所乙,,,,,,")
	first := mustLoad(t, app, content)
	before := dump(t, app)
	second := mustLoad(t, app, content)
	if first.New != 4 || second.New != 0 || second.Changed != 0 || second.Unchanged != 4 || second.Bad != 0 {
		t.Fatalf("first %d new; again %d new, %d changed %v, %s", first.New, second.New, second.Changed, second.ChangedFields, codesOf(second))
	}
	if after := dump(t, app); after != before {
		t.Errorf("records differ\n%s\n%s", before, after)
	}
}

// dump is every enterprise with every stored value, PocketBase's own stamps included: an unchanged row is not written at all.
func dump(t testing.TB, app core.App) string {
	t.Helper()
	var rows []dbx.NullStringMap
	if err := app.DB().NewQuery("SELECT * FROM enterprises ORDER BY id").All(&rows); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows)
}

func TestTheRegistryUpdatesWhatItOwnsAndReportsEachChange(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles, uscc("91", 2)+",公司二,企业,4710,某路,李四,,2020-01-01,存续,,", uscc("91", 3)+",公司三,企业,4710,某路,李四,,2020-01-01,存续,,"))
	report := mustLoad(t, app, csvOf(
		uscc("92", 1)+",重庆新抄手餐饮有限公司,有限责任公司,6210,新街2号,王五,13999999999,2021-03-06,存续,高笋塘街道,王家坡社区",
		uscc("91", 2)+",公司二,企业,4710,某路,李四,,2020-01-01,注销,,", uscc("91", 3)+",公司三,企业,4710,某路,李四,,2020-01-01,迁出,,"))
	want := map[string]int{"name": 1, "kind": 1, "industry": 1, "address": 1, "owner": 1, "founded_on": 1, "registry_status": 2, "status": 2}
	if report.Changed != 3 || report.Closed != 1 || report.Moved != 1 || fmt.Sprint(report.ChangedFields) != fmt.Sprint(want) {
		t.Fatalf("%+v", report)
	}
	e := enterprise(t, app, "重庆新抄手餐饮有限公司")
	if e.GetString("initials") != "cqxcscyyxgs" || e.GetString("phone") != "13800000001" {
		t.Errorf("initials %s, phone %s", e.GetString("initials"), e.GetString("phone"))
	}
	again := mustLoad(t, app, csvOf(uscc("91", 2)+",公司二,企业,4710,某路,李四,,2020-01-01,存续,,"))
	if again.Reopened != 1 || enterprise(t, app, "公司二").GetString("status") != "active" {
		t.Error("what the registry had closed was not reopened by it")
	}
}

func TestTheRegistrysSilenceTakesNothingAway(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles))
	before := dump(t, app)
	report := mustLoad(t, app, "统一社会信用代码,名称\n"+uscc("92", 1)+",万州区老麻抄手店\n")
	if report.Unchanged != 1 || dump(t, app) != before {
		t.Fatalf("%+v", report.ChangedFields)
	}
	if strings.Join(report.MissingColumns, " ") != "主体类型 行业代码 住所 法定代表人 联系电话 成立日期 登记状态 所属镇街 所属社区" {
		t.Errorf("missing columns %v", report.MissingColumns)
	}
}

func TestNothingThatAPhoneCapturedIsOverwritten(t *testing.T) {
	app := newDistrict(t)
	mine := grid(t, app, "三网格")
	put(t, app, "enterprises", map[string]any{"name": "抄手", "uscc": uscc("92", 1), "kind": "other", "origin": "field", "phone": "13700000000", "contact": "张嫂",
		"employees": 3, "size": "micro", "grid": mine.Id, "captured_at": "2026-01-02 03:04:05.000Z", "device": "d1", "borrowing": "current", "status": "active",
		"location": map[string]any{"lon": 108.4, "lat": 30.8}, "tags": []string{"green"}, "special_groups": []string{"veteran"}})
	report := mustLoad(t, app, csvOf(noodles))
	e := enterprise(t, app, "万州区老麻抄手店")
	for field, want := range map[string]string{"phone": "13700000000", "contact": "张嫂", "employees": "3", "size": "micro", "grid": mine.Id, "scope_grid": mine.Id,
		"captured_at": "2026-01-02 03:04:05.000Z", "device": "d1", "borrowing": "current", "origin": "registry", "confirmed_at": hooks.Stored(today)} {
		if got := e.GetString(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if e.GetGeoPoint("location").Lat != 30.8 || len(e.GetStringSlice("special_groups")) != 1 || len(e.GetStringSlice("tags")) != 1 {
		t.Error("place, group or tag lost")
	}
	if report.Confirmed != 1 || report.Mismatched != 1 || report.Placed != 0 || count(t, app, "enterprises") != 1 {
		t.Errorf("%+v", report)
	}
}

func TestAGridThatPeopleChoseInAParkIsNoContradiction(t *testing.T) {
	app := newDistrict(t)
	park := put(t, app, "areas", map[string]any{"code": "P1", "name": "经开区", "kind": "park", "parent": area(t, app, "万州区", "高笋塘街道").Id})
	g := put(t, app, "grids", map[string]any{"name": "园区网格", "area": park.Id})
	put(t, app, "enterprises", map[string]any{"name": "抄手", "uscc": uscc("92", 1), "origin": "registry", "grid": g.Id, "status": "active"})
	if report := mustLoad(t, app, csvOf(noodles)); report.Mismatched != 0 || report.Placed != 0 {
		t.Errorf("%+v", report)
	}
}

func TestAClosureSeenOnSiteIsNotUndoneByTheRegistry(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles))
	e := enterprise(t, app, "万州区老麻抄手店")
	for _, status := range []string{"closed", "moved"} {
		e.Set("status", status)
		if err := app.Save(e); err != nil {
			t.Fatal(err)
		}
		if report := mustLoad(t, app, csvOf(noodles)); report.Unchanged != 1 || enterprise(t, app, "万州区老麻抄手店").GetString("status") != status {
			t.Errorf("%s became %s", status, enterprise(t, app, "万州区老麻抄手店").GetString("status"))
		}
	}
}

func TestTheRegistrysRowIsOfTheEnterpriseThatAMergeKept(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles))
	merged := enterprise(t, app, "万州区老麻抄手店")
	kept := put(t, app, "enterprises", map[string]any{"name": "老麻抄手"})
	put(t, app, "enterprise_merges", map[string]any{"kept": kept.Id, "merged": merged.Id})
	if report := mustLoad(t, app, csvOf(noodles)); report.New != 0 || report.Changed+report.Unchanged != 1 {
		t.Errorf("%+v", report)
	}
	for id, want := range map[string]string{kept.Id: "active 万州区老麻抄手店", merged.Id: "duplicate 万州区老麻抄手店"} {
		if e, err := app.FindRecordById("enterprises", id); err != nil || e.GetString("status")+" "+e.GetString("name") != want {
			t.Errorf("%v %v, want %s", e, err, want)
		}
	}
}

func TestAnEnterpriseAbsentFromTheFileIsLeftAlone(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles))
	before := dump(t, app)
	mustLoad(t, app, csvOf(uscc("91", 9)+",别家公司,企业,,,,,,,,"))
	if !strings.Contains(dump(t, app), strings.TrimSuffix(strings.TrimPrefix(before, "["), "]")) {
		t.Error("the absent enterprise changed")
	}
}

func TestAnEnterpriseThatLackedACodeGetsItFromTheRegistry(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(",万州区老麻抄手店,个体工商户,6221,重庆市万州区高笋塘1号,,,,,高笋塘街道,王家坡社区"))
	report := mustLoad(t, app, csvOf(noodles))
	if report.New != 0 || report.ChangedFields["uscc"] != 1 || enterprise(t, app, "万州区老麻抄手店").GetString("uscc") != uscc("92", 1) {
		t.Fatalf("%+v", report)
	}
	// And back: an older file without the code still finds it.
	if report := mustLoad(t, app, csvOf(",万州区老麻抄手店,个体工商户,6221,重庆市万州区高笋塘1号,,,,,高笋塘街道,王家坡社区")); report.New != 0 || report.Unchanged != 1 {
		t.Errorf("%+v", report)
	}
}

func TestWithoutCodesTheSameNameElsewhereIsAnotherEnterprise(t *testing.T) {
	app := newDistrict(t)
	content := csvOf(",便民超市,个体工商户,,一号,,,,,高笋塘街道,王家坡社区", ",便民超市,个体工商户,,二号,,,,,高笋塘街道,王家坡社区")
	if report := mustLoad(t, app, content); report.New != 2 {
		t.Fatalf("%+v", report)
	}
	if report := mustLoad(t, app, content); report.Unchanged != 2 || report.New != 0 {
		t.Errorf("%+v", report)
	}
}

func TestTwoRowsCannotMeanOneEnterprise(t *testing.T) {
	app := newDistrict(t)
	report := mustLoad(t, app, csvOf(",万州区老麻抄手店,个体工商户,6221,重庆市万州区高笋塘1号,,,,,高笋塘街道,王家坡社区", noodles))
	if report.New != 1 || codesOf(report) != "2:duplicate_row" {
		t.Fatalf("new %d, %s", report.New, codesOf(report))
	}
}

func TestADryRunReportsTheSameAndWritesNothing(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles, uscc("91", 5)+",不变公司,企业,,,,,,,,"))
	content := csvOf(strings.Replace(noodles, "存续", "注销", 1), uscc("91", 2)+",新公司,企业,,,,,,,太白街道,白岩路社区", "1,坏行,企业,,,,,,,,", uscc("91", 5)+",不变公司,企业,,,,,,,,")
	before := dump(t, app)
	dry, err := ImportEnterprises(app, strings.NewReader(content), Options{Now: clock, DryRun: true})
	if err != nil || dump(t, app) != before {
		t.Fatalf("%v, or something was written", err)
	}
	real := mustLoad(t, app, content)
	said := func(r Report) string {
		r.DryRun, r.Took = false, 0
		var out bytes.Buffer
		r.Print(&out)
		return out.String()
	}
	if said(dry) != said(real) || !strings.Contains(said(real), "新增            1 户") {
		t.Errorf("dry\n%s\nreal\n%s", said(dry), said(real))
	}
}

func TestAKilledRunIsFinishedByRunningItAgain(t *testing.T) {
	app := newDistrict(t)
	var rows []string
	for i := range 3 * batch {
		rows = append(rows, fmt.Sprintf("%s,公司%d,企业,,,,,,,,", uscc("91", i), i))
	}
	content := csvOf(rows...)
	func() {
		defer func() { _ = recover() }()
		_, _ = ImportEnterprises(app, strings.NewReader(content), Options{Now: clock, Progress: func(done, total int) {
			if done >= 2*batch {
				panic("killed")
			}
		}})
	}()
	if n := count(t, app, "enterprises"); n != 2*batch {
		t.Fatalf("%d were written before the kill", n)
	}
	report := mustLoad(t, app, content)
	if report.New != batch || report.Unchanged != 2*batch || count(t, app, "enterprises") != 3*batch {
		t.Errorf("%+v", report)
	}
}

func TestARowThatARuleRefusesLeavesNothingAndStopsNothing(t *testing.T) {
	app := newDistrict(t)
	app.OnRecordCreateExecute("enterprises").BindFunc(func(e *core.RecordEvent) error {
		if err := e.Next(); err != nil {
			return err
		}
		if e.Record.GetString("name") == "不许" { // refused after it was written
			return &hooks.Error{Code: "no", Message: "规则不许"}
		}
		return nil
	})
	app.OnRecordValidate("enterprises").BindFunc(func(e *core.RecordEvent) error {
		if e.Record.GetString("owner") == "某人" {
			return hooks.Violation("owner", "invalid")
		}
		return e.Next()
	})
	report := mustLoad(t, app, csvOf(uscc("91", 1)+",甲,企业,,,,,,,,", uscc("91", 2)+",不许,企业,,,,,,,,", uscc("91", 3)+",丙,企业,,,某人,,,,,", uscc("91", 4)+",丁,企业,,,,,,,,"))
	if report.New != 2 || codesOf(report) != "3:no 4:invalid" || count(t, app, "enterprises") != 2 {
		t.Fatalf("%+v", report)
	}
}

func TestAFailingDatabaseIsNotTheRowsFault(t *testing.T) {
	app := newDistrict(t)
	app.OnRecordCreateExecute("enterprises").BindFunc(func(e *core.RecordEvent) error {
		if e.Record.GetString("name") == fmt.Sprintf("公司%d", batch+5) {
			return errors.New("disk full")
		}
		return e.Next()
	})
	var rows []string
	for i := range 2 * batch {
		rows = append(rows, fmt.Sprintf("%s,公司%d,企业,,,,,,,,", uscc("91", i), i))
	}
	report, err := load(t, app, csvOf(rows...))
	if err == nil || !strings.Contains(err.Error(), "disk full") || report.Bad != 0 {
		t.Fatalf("%v %+v", err, report)
	}
	if n := count(t, app, "enterprises"); n != batch || report.New != batch {
		t.Errorf("%d written, %d reported", n, report.New)
	}
}

func TestASeededRunRepeatsItsIds(t *testing.T) {
	ids := func() string {
		app := newDistrict(t)
		n := 0
		_, err := ImportEnterprises(app, strings.NewReader(csvOf(noodles, uscc("91", 2)+",公司,企业,,,,,,,,")), Options{Now: clock, NewID: func() string {
			n++
			return fmt.Sprintf("seeded%09d", n)
		}})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		if err := app.DB().Select("id").From("enterprises").OrderBy("id").Column(&out); err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, " ")
	}
	if got := ids(); got != "seeded000000001 seeded000000002" {
		t.Error(got)
	}
}
