package registry

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
)

func square(lon, lat float64) string {
	return fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%v,%v],[%v,%v],[%v,%v],[%v,%v]]]}`, lon, lat, lon+0.01, lat, lon+0.01, lat+0.01, lon, lat)
}

func features(list ...string) string {
	return `{"type":"FeatureCollection","features":[` + strings.Join(list, ",") + `]}`
}

func feature(properties, geometry string) string {
	return `{"type":"Feature","properties":{` + properties + `},"geometry":` + geometry + `}`
}

func importGrids(t *testing.T, app core.App, content string) Report {
	t.Helper()
	report, err := ImportGrids(app, strings.NewReader(content), Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func noticed(r Report, title string) string {
	for _, n := range r.Notices {
		if strings.Contains(n.Title, title) {
			return strings.Join(n.Lines, "\n")
		}
	}
	return ""
}

func TestGridsComeFromAMapWithTheirBoundariesAndTheSameMapAgainChangesNothing(t *testing.T) {
	app := newDistrict(t)
	code := area(t, app, street1, community1).GetString("code")
	content := features(
		feature(`"编号":"G001","名称":"王家坡一网格","社区代码":"`+code+`","服务港湾":"01","登记户数":120`, square(108.37, 30.81)),
		feature(`"编号":"G002","名称":"白岩路网格","社区代码":"太白街道白岩路社区","类别":"社区"`, "null"),
	)
	r := importGrids(t, app, content)
	if r.New != 2 || r.Bad != 0 {
		t.Fatalf("%+v", r)
	}
	g := grid(t, app, "王家坡一网格")
	if g.GetString("kind") != "community" || g.GetInt("registered_count") != 120 || !strings.Contains(g.GetString("boundary"), "[108.37,30.81]") {
		t.Errorf("read as %v", g.FieldsData())
	}
	if harbour, _ := app.FindRecordById("harbours", g.GetString("harbour")); harbour == nil || harbour.GetString("number") != "01" {
		t.Error("its harbour was not found by number")
	}
	if absent := noticed(r, "文件里没有的网格"); !strings.Contains(absent, "一网格") || !strings.Contains(absent, "三网格") {
		t.Errorf("the grids that the file does not name: %q", absent)
	}
	if again := importGrids(t, app, content); again.Unchanged != 2 || again.Changed != 0 || again.New != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestAGridThatChangesItsServingHarbourIsReportedByName(t *testing.T) {
	app := newDistrict(t)
	put(t, app, "harbours", map[string]any{"number": "02", "name": "太白港湾", "kind": "street"})
	code := area(t, app, street1, community1).GetString("code")
	row := func(harbour string) string {
		return "编号,名称,社区代码,服务港湾\nG1,一网格," + code + "," + harbour + "\n"
	}
	first := importGrids(t, app, row("")) // the grid that was here without a code gets its code, and keeps its harbour
	if first.Changed != 1 || first.ChangedFields["code"] != 1 || first.ChangedFields["harbour"] != 0 {
		t.Fatalf("%+v", first)
	}
	if dry, err := ImportGrids(app, strings.NewReader(row("太白港湾")), Options{Now: clock, DryRun: true}); err != nil || dry.Changed != 1 {
		t.Fatalf("%+v, %v", dry, err)
	}
	r := importGrids(t, app, row("太白港湾"))
	if moved := noticed(r, "调整的网格"); moved != "G1 一网格：服务港湾 高笋塘港湾 → 太白港湾" {
		t.Errorf("moved: %q", moved)
	}
}

func TestABoundaryFromAChineseMapIsShiftedAndOneWithItsAxesSwappedIsRefused(t *testing.T) {
	app := newDistrict(t)
	code := area(t, app, street1, community1).GetString("code")
	base := `"名称":"网格","社区代码":"` + code + `",`
	report, err := ImportGrids(app, strings.NewReader(features(
		feature(base+`"编号":"A","坐标系":"高德"`, square(108.37, 30.81)),
		feature(base+`"编号":"B"`, square(30.81, 108.37)),
		feature(base+`"编号":"C"`, square(-73.9, 40.7)),
		feature(base+`"编号":"D"`, `{"type":"Point","coordinates":[108,30]}`),
		feature(base+`"编号":"E","坐标系":"北京54"`, square(108.37, 30.81)),
		feature(base+`"编号":"F","社区代码":"500101999999"`, square(108.37, 30.81)),
		feature(base+`"编号":"G","服务港湾":"99"`, "null"),
		feature(base+`"编号":"A"`, "null"),
		feature(base+`"编号":"H"`, `{"type":"Polygon","coordinates":[[[108.3,30.8],[108.4,30.8],[108.4,30.9],[108.31,30.8]]]}`),
	)), Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	want := "2 coordinates_swapped\n3 coordinates_outside\n4 bad_boundary\n5 unknown_system\n6 unknown_area\n7 unknown_harbour\n8 duplicate_code\n9 bad_boundary"
	var got []string
	for _, b := range report.BadRows {
		got = append(got, fmt.Sprint(b.Line, " ", b.Code))
	}
	if strings.Join(got, "\n") != want {
		t.Errorf("refused\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	lon, lat, _ := hooks.ToWGS84(108.37, 30.81, hooks.GCJ02)
	if b := grid(t, app, "网格").GetString("boundary"); !strings.Contains(b, fmt.Sprintf("[%v,%v]", sixDigits(lon), sixDigits(lat))) {
		t.Errorf("stored as %s", b)
	}
	for what, content := range map[string]string{
		CodeNotTable:      `{"type":"Feature","properties":{}}`,
		"unknown_system":  `{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::4547"}},"features":[]}`,
		CodeMissingColumn: features(feature(`"名称":"甲"`, "null")),
	} {
		_, err := ImportGrids(app, strings.NewReader(content), Options{Now: clock})
		refusedAs(t, err, what)
	}
}

const calendar2027 = `日期,类型,名称,来源文件
2027-01-01,节假日,元旦,国办发明电
2027/2/6,放假,春节,国办发明电
2027-02-07,放假,春节,国办发明电
2027年2月20日,调休上班,春节,国办发明电
`

func TestTheCalendarIsReadAndAYearThatCannotBeWholeIsNamed(t *testing.T) {
	app := newDistrict(t)
	load := func(content string, o Options) Report {
		o.Now = clock
		report, err := ImportHolidays(app, strings.NewReader(content), o)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if dry := load(calendar2027, Options{DryRun: true}); dry.New != 4 || count(t, app, "holidays") != 0 {
		t.Fatalf("a dry run: %+v", dry)
	}
	r := load(calendar2027, Options{})
	if odd := noticed(r, "不完整"); r.New != 4 || odd != "2027 年：没有清明节、劳动节、端午节、中秋节、国庆节\n2027 年：节假日 3 天，调休上班 1 天" {
		t.Errorf("%+v: %s", r, odd)
	}
	h, err := app.FindFirstRecordByData("holidays", "day", "2027-02-20")
	if err != nil || h.GetString("kind") != "workday" || h.GetString("source_doc") != "国办发明电" {
		t.Fatalf("%v, %v", h, err)
	}
	whole := "日期,类型,名称\n"
	for _, day := range []string{"01-01", "02-05", "02-06", "02-07", "02-08", "04-05", "05-01", "06-09", "09-15", "10-01", "10-02", "10-03"} {
		whole += "2027-" + day + ",节假日,\n"
	}
	if r = load(whole, Options{}); noticed(r, "不完整") != "" || noticed(r, "文件里没有的日子") != "2027-02-20 春节" {
		t.Errorf("a whole year: %+v", r.Notices)
	}
	if again := load(whole, Options{}); again.Unchanged != 12 || again.Changed != 0 {
		t.Errorf("again: %+v", again)
	}
	r = load("日期,类型\n2027-02-05,调休上班\n2027-02-07,上班\n2027-02-07,放假\n2027-02-30,放假\n,放假\n2027-03-01,半天\n", Options{})
	if codes := codesOf(r); codes != "2:not_weekend 4:duplicate_day 5:bad_date 6:bad_date 7:unknown_kind" {
		t.Errorf("refused %s", codes)
	}
	if noticed(r, "对调") != "2027-02-07 春节" {
		t.Errorf("a day off that is worked now is not named: %+v", r.Notices)
	}
}

const peopleHeader = "姓名,手机号,工号,角色,镇街,港湾,银行,部门,负责网格,直接负责人\n"

func user(t *testing.T, app core.App, name string) *core.Record {
	t.Helper()
	r, err := app.FindFirstRecordByData("users", "name", name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func assigned(t *testing.T, app core.App, name string) string {
	t.Helper()
	rows, err := app.FindRecordsByFilter("assignments", "user = {:u} && until = ''", "grid.name", 0, 0, dbx.Params{"u": user(t, app, name).Id})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range rows {
		g, err := app.FindRecordById("grids", a.GetString("grid"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g.GetString("name"))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestPeopleGetAccountsWithAPasswordThatIsWrittenOnceAndMustBeChanged(t *testing.T) {
	app := newDistrict(t)
	put(t, app, "banks", map[string]any{"name": "重庆三峡银行", "short_name": "三峡银行", "kind": "bank"})
	put(t, app, "agencies", map[string]any{"name": "万州区市场监督管理局", "short_name": "市场监管局", "kind": "market_regulation"})
	content := peopleHeader +
		"张小网,138 0000 0001,WGY01,网格员,高笋塘街道,,,,一网格、二网格,李头\n" +
		"李头,13800000002,,港湾负责人,,01,,,,\n" +
		"王银行,,YH01,银行,,,三峡银行,,,\n" +
		"周科长,,BM01,部门,,,,市场监管局,,\n"
	path := file(t, "人员.csv", content)
	status, out, errs := gangwan(t, app, "users", path, "--dry-run")
	if status != 0 || !strings.Contains(out, "新增            4 人") || count(t, app, "users") != 0 {
		t.Fatal(status, out, errs)
	}
	status, out, errs = gangwan(t, app, "users", path)
	if status != 0 || !strings.Contains(out, "4 个新账号的初始密码已写到 "+path+".passwords.csv") {
		t.Fatal(status, out, errs)
	}
	info, err := os.Stat(path + ".passwords.csv")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the list of passwords: %v, %v", info.Mode(), err)
	}
	raw, err := os.ReadFile(path + ".passwords.csv")
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\uFEFF")))).ReadAll()
	if err != nil || len(secrets) != 5 {
		t.Fatalf("%v, %v", secrets, err)
	}
	for _, s := range secrets[1:] {
		u := user(t, app, s[0])
		if !u.ValidatePassword(s[4]) || !u.GetBool("must_change_password") {
			t.Errorf("%s cannot sign in with %s, or need not change it", s[0], s[4])
		}
	}
	worker := user(t, app, "张小网")
	if worker.GetString("mobile") != "13800000001" || worker.GetString("manager") != user(t, app, "李头").Id || assigned(t, app, "张小网") != "一网格 二网格" {
		t.Errorf("%v, walks %s", worker.FieldsData(), assigned(t, app, "张小网"))
	}
	if a, err := app.FindRecordById("agencies", user(t, app, "周科长").GetString("agency")); err != nil || a.GetString("short_name") != "市场监管局" {
		t.Errorf("the department's desk: %v, %v", a, err)
	}
	harbour, err := app.FindFirstRecordByData("harbours", "number", "01")
	if err != nil || harbour.GetString("head") != user(t, app, "李头").Id {
		t.Error("the harbour does not know its head")
	}

	// The next month's list: one changes grids, one is gone from it. Nobody's password changes, and no list of them is needed.
	worker.SetPassword("changed by himself")
	if err := app.Save(worker); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(peopleHeader+"张小网,13800000001,,网格员,,,,,二网格 、三网格,\n王银行,13800000003,YH01,银行,,,,,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errs = gangwan(t, app, "users", path)
	if status != 0 || !strings.Contains(out, "张小网：新增 三网格 停止 一网格") || strings.Contains(out, "初始密码") {
		t.Fatal(status, out, errs)
	}
	if assigned(t, app, "张小网") != "三网格 二网格" || user(t, app, "王银行").GetString("mobile") != "13800000003" || !user(t, app, "张小网").ValidatePassword("changed by himself") {
		t.Errorf("walks %s", assigned(t, app, "张小网"))
	}
	if status, out, errs = gangwan(t, app, "users", path); !strings.Contains(out, "无变化          2 人") {
		t.Error("the same list again:", status, out, errs)
	}

	// The right to take data away is given and taken by the list too, where it says so.
	right := func(word string) {
		t.Helper()
		if report, err := ImportUsers(app, strings.NewReader("姓名,手机号,角色,可导出\n王银行,13800000003,银行,"+word+"\n"), Options{Now: clock}); err != nil || report.Bad > 0 {
			t.Fatalf("%+v, %v", report, err)
		}
	}
	right("是")
	if right(""); !user(t, app, "王银行").GetBool("may_export") {
		t.Error("the right was not given, or silence took it away")
	}
	if right("否"); user(t, app, "王银行").GetBool("may_export") {
		t.Error("the right was not taken")
	}

	// Newcomers while the first list still lies there: nothing is written over, nobody is created.
	if err := os.WriteFile(path, []byte(peopleHeader+"赵新,13800000009,,网格员,,,,,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs = gangwan(t, app, "users", path); status != 1 || !strings.Contains(errs, "passwords_exist") || count(t, app, "users") != 4 {
		t.Error(status, errs)
	}
	if after, _ := os.ReadFile(path + ".passwords.csv"); !bytes.Equal(raw, after) {
		t.Error("the first list of passwords was touched")
	}
	if err := os.Remove(path + ".passwords.csv"); err != nil {
		t.Fatal(err)
	}
	status, out, _ = gangwan(t, app, "users", path)
	if status != 0 || !strings.Contains(out, "张小网（网格员，13800000001WGY01）") {
		t.Error("who is missing from the list is not named:", status, out)
	}
}

func TestAPersonWhoCouldNotWorkIsRefusedWithTheReason(t *testing.T) {
	app := newDistrict(t)
	put(t, app, "users", map[string]any{"name": "甲", "role": "grid_worker", "mobile": "13800000001", "password": "0123456789"})
	put(t, app, "users", map[string]any{"name": "乙", "role": "grid_worker", "staff_no": "B2", "password": "0123456789"})
	report, err := ImportUsers(app, strings.NewReader(peopleHeader+
		",13900000001,,网格员,,,,,,\n"+
		"子,,,网格员,,,,,,\n"+
		"丑,1390000000,,网格员,,,,,,\n"+
		"寅,13900000003,,院长,,,,,,\n"+
		"卯,13900000004,,港湾当值,,,,,,\n"+
		"辰,13900000005,,银行,,,,,,\n"+
		"巳,13900000006,,镇街,,,,,,\n"+
		"午,13900000007,,港湾当值,,99,,,,\n"+
		"未,13900000008,,网格员,,,,,五网格,\n"+
		"申,13900000009,,镇街,高笋塘街道,,,,一网格,\n"+
		"酉,13800000001,B2,网格员,,,,,,\n"+
		"戌,13900000010,,网格员,,,,,,没有人\n"+
		"亥,13900000010,,网格员,,,,,,\n"+
		"甲子,13900000011,,部门,,,,,,\n"), Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	want := "2:missing_name 3:no_login 4:bad_mobile 5:unknown_role 6:post_missing 7:post_missing 8:post_missing 9:unknown_reference 10:unknown_reference 11:role_without_grids 12:ambiguous 14:duplicate_row 15:post_missing"
	if got := codesOf(report); got != want {
		t.Errorf("refused\n%s\nwant\n%s", got, want)
	}
	if report.New != 1 || !strings.Contains(noticed(report, "直接负责人"), "“没有人”找不到") {
		t.Errorf("%+v", report)
	}
}

func TestSeededPasswordsRepeatAndHoldNoLetterThatIsMistaken(t *testing.T) {
	one, err := initialPassword(strings.NewReader(strings.Repeat("\xff0a9Zz~!", 20)))
	two, _ := initialPassword(strings.NewReader(strings.Repeat("\xff0a9Zz~!", 20)))
	if err != nil || one != two || len(one) != 14 || strings.ContainsAny(one, "01ilo") {
		t.Errorf("%s, %s, %v", one, two, err)
	}
	if _, err := initialPassword(strings.NewReader("short")); err == nil {
		t.Error("a password was made of too little chance")
	}
}

func TestTheTemplateOfEveryImportIsReadBackByIt(t *testing.T) {
	app := newDistrict(t)
	put(t, app, "banks", map[string]any{"name": "三峡银行", "kind": "bank"})
	put(t, app, "agencies", map[string]any{"name": "市场监管局", "kind": "department"})
	whose := map[string][]string{"referrals": {"--agency", "市场监管局"}, "answers": {"--bank", "三峡银行"}}
	for _, c := range commands {
		path := filepath.Join(t.TempDir(), c.name+".xlsx")
		if status, out, errs := gangwan(t, app, append([]string{c.name, "--template", path}, whose[c.name]...)...); status != 0 || !strings.Contains(out, path) {
			t.Fatal(status, out, errs)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		read, err := readTable(bytes.NewReader(raw), c.list.columns)
		if err != nil || read.Sheet != c.list.what || len(read.Unread) > 0 {
			t.Errorf("%s: %+v, %v", c.name, read, err)
			continue
		}
		l := layOut(read.Header, c.list.columns)
		if err := l.require(read.Header, c.list.columns); err != nil || len(l.at) != len(c.list.columns) || l.unknown != nil {
			t.Errorf("%s: knows %d of %d columns, %v, %v", c.name, len(l.at), len(c.list.columns), l.unknown, err)
		}
		f, err := excelize.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		drops, err := f.GetDataValidations(c.list.what)
		choices := slices.ContainsFunc(c.list.columns, func(c column) bool { return c.choices != nil })
		if err != nil || (len(drops) > 0) != choices { // a bank's drop-downs stand beside its rows
			t.Errorf("%s: %d drop-downs, %v", c.name, len(drops), err)
		}
		_ = f.Close()
		if status, _, errs := gangwan(t, app, append([]string{c.name, path}, whose[c.name]...)...); status != 1 || !strings.Contains(errs, "只有表头") {
			t.Errorf("%s: the empty template: %d %s", c.name, status, errs)
		}
	}
	if status, _, errs := gangwan(t, app, "users", "--template", "/nowhere/x.xlsx"); status != 1 || !strings.Contains(errs, "模板没能写到") {
		t.Error(status, errs)
	}
}

func TestPlacesInTheRegistryFillInWhatIsLackingAndDoubtfulOnesAreCounted(t *testing.T) {
	app := newDistrict(t)
	head := "统一社会信用代码,名称,主体类型,住所,联系电话,经度,纬度,坐标系\n"
	r := mustLoad(t, app, head+uscc("92", 1)+",甲,个体工商户,一号,（023）58 123456,108.37,30.81,高德\n"+uscc("92", 2)+",乙,个体工商户,二号,问老张,30.81,108.37,\n")
	if r.New != 2 || r.Warnings["location"] != 1 || r.Warnings["phone"] != 1 {
		t.Fatalf("%+v", r)
	}
	lon, lat, _ := hooks.ToWGS84(108.37, 30.81, hooks.GCJ02)
	e := enterprise(t, app, "甲")
	if got := e.GetString("location"); got != fmt.Sprintf(`{"lon":%v,"lat":%v}`, sixDigits(lon), sixDigits(lat)) || e.GetString("phone") != "023-58123456" {
		t.Errorf("stored %s, %s", got, e.GetString("phone"))
	}
	if r = mustLoad(t, app, head+uscc("92", 1)+",甲,个体工商户,一号,,108.4,30.9,\n"); r.Unchanged != 1 {
		t.Errorf("a place that is known was written over: %+v", r)
	}
}

func TestWhatTheReportHasNoRoomForIsKeptBesideTheFile(t *testing.T) {
	app := newDistrict(t)
	home, away := []string{}, []string{}
	for i := range showBad + 5 {
		row := uscc("92", i) + fmt.Sprintf(",店%d,个体工商户,6221,%d号,,,,存续,高笋塘街道,王家坡社区", i, i)
		home, away = append(home, row), append(away, strings.Replace(row, "高笋塘街道,王家坡社区", "太白街道,白岩路社区", 1))
	}
	mustLoad(t, app, csvOf(home...))
	path := file(t, "名录.csv", csvOf(away...))
	status, out, errs := gangwan(t, app, "enterprises", path)
	raw, err := os.ReadFile(path + ".notes.csv")
	if status != 0 || err != nil || strings.Count(string(raw), "现在 一网格") != showBad+5 || !strings.Contains(out, "……另有 5 条") || !strings.Contains(out, path+".notes.csv") {
		t.Error(status, out, errs, err, string(raw))
	}
	if err := os.WriteFile(path, []byte(csvOf(home...)), 0o600); err != nil {
		t.Fatal(err)
	}
	gangwan(t, app, "enterprises", path)
	if _, err := os.Stat(path + ".notes.csv"); !os.IsNotExist(err) {
		t.Error("an old list is still there")
	}
}

func TestAnEnterpriseThatTheRegistryPutsElsewhereIsNamedInTheReport(t *testing.T) {
	app := newDistrict(t)
	mustLoad(t, app, csvOf(noodles))
	r := mustLoad(t, app, csvOf(strings.Replace(noodles, "高笋塘街道,王家坡社区", "太白街道,白岩路社区", 1)))
	if line := noticed(r, "网格未改动"); line != "第 2 行 万州区老麻抄手店：现在 一网格，登记在 "+community2 {
		t.Errorf("says %q", line)
	}
	var out bytes.Buffer
	r.Print(&out)
	if !strings.Contains(out.String(), "现在 一网格") {
		t.Error("the report does not print it")
	}
}
