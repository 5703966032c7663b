package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/router"
	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// desksTown is a district with two banks and two departments at their desks, over real HTTP, with the change feed running.
type desksTown struct {
	*testing.T
	app   core.App
	url   string
	token map[string]string
}

func openDesks(t *testing.T) *desksTown {
	app := newDistrict(t)
	d := &desksTown{T: t, app: app, token: map[string]string{}}
	fieldsync.Bind(app, clock)
	Bind(app, clock)
	routes, err := apis.NewRouter(app)
	if err != nil {
		t.Fatal(err)
	}
	var mux http.Handler
	if err := app.OnServe().Trigger(&core.ServeEvent{App: app, Router: routes}, func(e *core.ServeEvent) error {
		mux, err = (*router.Router[*core.RequestEvent])(e.Router).BuildMux()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	d.url = server.URL
	t.Cleanup(func() {
		server.Close()
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(*core.TerminateEvent) error { return nil })
	})
	banks := map[string]string{}
	for _, name := range []string{"江城银行", "惠民银行"} {
		banks[name] = put(t, app, "banks", map[string]any{"name": name, "kind": "bank"}).Id
		d.user(name, map[string]any{"role": "bank", "bank": banks[name], "may_export": true})
	}
	for _, name := range []string{"市场监管局", "农业农村委"} {
		a := put(t, app, "agencies", map[string]any{"name": name, "kind": "department"})
		d.user(name, map[string]any{"role": "department", "agency": a.Id})
	}
	d.user("网格员", map[string]any{"role": "grid_worker"})
	mustLoad(t, app, csvOf(noodles, uscc("91", 2)+",三峡五金有限公司,有限责任公司,5241,二号,李四,13800000002,2020-01-01,存续,高笋塘街道,王家坡社区",
		",无证面馆,个体工商户,6210,三号,王五,,2020-01-01,存续,高笋塘街道,王家坡社区", ",无证面馆,个体工商户,6210,四号,赵六,,2020-01-01,存续,太白街道,白岩路社区"))
	return d
}

func (d *desksTown) user(name string, values map[string]any) {
	values["name"], values["staff_no"], values["password"] = name, fmt.Sprint("N", len(d.token)), "harbour-2026"
	u := put(d.T, d.app, "users", values)
	token, err := u.NewAuthToken()
	if err != nil {
		d.Fatal(err)
	}
	d.token[name] = token
}

// call makes a request as somebody and returns status and body.
func (d *desksTown) call(as, method, path, fileName string, content []byte) (int, []byte) {
	d.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if fileName != "" {
		part, err := form.CreateFormFile("file", fileName)
		if err != nil {
			d.Fatal(err)
		}
		if _, err := part.Write(content); err != nil {
			d.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		d.Fatal(err)
	}
	req, err := http.NewRequest(method, d.url+"/api/imports"+path, &body)
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Authorization", d.token[as])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatal(err)
	}
	return resp.StatusCode, raw
}

// send uploads a file that must be taken.
func (d *desksTown) send(as, path, fileName string, content []byte) Answer {
	d.Helper()
	status, raw := d.call(as, http.MethodPost, path, fileName, content)
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil || status != http.StatusOK {
		d.Fatalf("%d %s", status, raw)
	}
	return a
}

func (d *desksTown) refused(as, path, fileName string, content []byte, status int, code string) {
	d.Helper()
	got, raw := d.call(as, http.MethodPost, path, fileName, content)
	var e hooks.Error
	if err := json.Unmarshal(raw, &e); err != nil || got != status || e.Code != code || e.Message == "" {
		d.Errorf("as %s: %d %s; want %d %s", as, got, raw, status, code)
	}
}

func bad(a Answer) string {
	var out []string
	for _, b := range a.Bad {
		out = append(out, fmt.Sprintf("%d:%s", b.Line, b.Code))
	}
	return strings.Join(out, " ")
}

var recommended = "统一社会信用代码,企业名称,所属社区,联系电话,推送理由,需求金额（万元）\n" +
	uscc("92", 1) + ",老麻抄手,,138 0000 0007,发展前景好、信用好,20\n" +
	",三峡五金有限公司,,,信贷需求强,\n" +
	",无证面馆,白岩路社区,,绿色,5\n" + // its grid is not known: two grids serve that community
	",无证面馆,,,绿色,5\n" +
	",哪里都没有的店,,,,\n" +
	uscc("91", 2) + ",三峡五金有限公司,,,,\n"

func TestADepartmentUploadsItsListAndRowsThatCannotBeMatchedComeBack(t *testing.T) {
	d := openDesks(t)
	dry := d.send("市场监管局", "/referrals?dry=1", "名单.csv", []byte(recommended))
	if !dry.DryRun || dry.New != 2 || count(t, d.app, "referral_batches") != 0 {
		t.Fatalf("a dry run: %+v", dry)
	}
	a := d.send("市场监管局", "/referrals", "2026年四季度名单.csv", []byte(recommended))
	if a.New != 2 || a.Read != 6 || bad(a) != "4:unknown_enterprise 5:ambiguous 6:unknown_enterprise 7:duplicate_row" {
		t.Fatalf("%+v", a)
	}
	if !strings.Contains(a.ErrorsCSV, "行号,原因代码,原因,统一社会信用代码,企业名称") || !strings.Contains(a.ErrorsCSV, "哪里都没有的店") {
		t.Errorf("the rows to be mended: %s", a.ErrorsCSV)
	}
	batch, err := d.app.FindRecordById("referral_batches", a.Batch)
	if err != nil || batch.GetString("status") != "uploaded" || batch.GetString("title") != "2026年四季度名单" || batch.GetString("file") == "" || hooks.Day(batch.GetDateTime("delivered_at").Time()) != "2026-11-23" {
		t.Fatalf("%v, %v", batch, err)
	}
	rows, err := d.app.FindRecordsByFilter("referrals", "batch = {:b}", "enterprise_name", 0, 0, dbx.Params{"b": batch.Id})
	if err != nil || len(rows) != 2 {
		t.Fatal(len(rows), err)
	}
	r := rows[1]
	if r.GetString("enterprise") != enterprise(t, d.app, "万州区老麻抄手店").Id || r.GetString("enterprise_phone") != "13800000007" || r.GetInt("wanted") != 200_000 ||
		strings.Join(r.GetStringSlice("why"), " ") != "prospect good_record" || r.GetString("batch_status") != "uploaded" || r.GetString("bank") != "" || r.GetString("scope_agency") != batch.GetString("agency") {
		t.Errorf("%v", r.FieldsData())
	}
	// The mended rows belong to the same list; the same list again changes nothing.
	mended := strings.Replace(a.ErrorsCSV, ",哪里都没有的店,,,,", uscc("92", 1)+",老麻抄手,,,,", 1)
	if again := d.send("市场监管局", "/referrals", "2026年四季度名单.csv.errors.csv", []byte(mended)); again.Batch != batch.Id || again.Unchanged != 2 {
		t.Errorf("mended: %+v", again)
	}
	if again := d.send("市场监管局", "/referrals", "2026年四季度名单.csv", []byte(recommended)); again.Unchanged != 2 || again.New != 0 || count(t, d.app, "referral_batches") != 1 {
		t.Errorf("again: %+v", again)
	}
	// Another department's list of the same title is another list.
	if other := d.send("农业农村委", "/referrals", "2026年四季度名单.csv", []byte(recommended)); other.Batch == batch.Id || other.New != 2 {
		t.Errorf("another department: %+v", other)
	}
}

func TestAListGoesToTheBatchThatIsExpectedAndAReturnedOneIsReplaced(t *testing.T) {
	d := openDesks(t)
	agency, err := d.app.FindFirstRecordByData("agencies", "name", "市场监管局")
	if err != nil {
		t.Fatal(err)
	}
	expected := put(t, d.app, "referral_batches", map[string]any{"title": "四季度", "agency": agency.Id, "status": "expected", "due": "2026-12-01 00:00:00.000Z"})
	a := d.send("市场监管局", "/referrals", "随便什么名字.csv", []byte(recommended))
	if a.Batch != expected.Id {
		t.Fatalf("%+v", a)
	}
	set := func(status string) {
		b, err := d.app.FindRecordById("referral_batches", expected.Id)
		if err != nil {
			t.Fatal(err)
		}
		b.Set("status", status)
		b.Set("return_reason", "名单不全")
		if err := d.app.Save(b); err != nil {
			t.Fatal(err)
		}
	}
	set("returned")
	a = d.send("市场监管局", "/referrals?batch="+expected.Id, "新名单.csv", []byte("统一社会信用代码,名称\n"+uscc("91", 2)+",三峡五金有限公司\n"))
	rows, err := d.app.FindRecordsByFilter("referrals", "batch = {:b}", "", 0, 0, dbx.Params{"b": expected.Id})
	if err != nil || len(rows) != 1 || a.Unchanged != 1 {
		t.Errorf("%d rows remain, %v: %+v", len(rows), err, a)
	}
	one := []byte("统一社会信用代码,名称\n" + uscc("91", 2) + ",三峡五金有限公司\n")
	d.refused("农业农村委", "/referrals?batch="+expected.Id, "名单.csv", one, http.StatusUnprocessableEntity, "out_of_scope")
	set("checked")
	d.refused("市场监管局", "/referrals?batch="+expected.Id, "名单.csv", one, http.StatusUnprocessableEntity, "batch_closed")
}

func TestOnlyADepartmentUploadsListsAndOnlyABankAnswers(t *testing.T) {
	d := openDesks(t)
	d.refused("", "/referrals", "a.csv", []byte(recommended), http.StatusUnauthorized, "unauthorized")
	d.refused("江城银行", "/referrals", "a.csv", []byte(recommended), http.StatusForbidden, "department_only")
	d.refused("网格员", "/referrals", "a.csv", []byte(recommended), http.StatusForbidden, "department_only")
	d.refused("市场监管局", "/answers", "a.xlsx", []byte("x"), http.StatusForbidden, "bank_only")
	d.refused("市场监管局", "/referrals", "", nil, http.StatusBadRequest, "file_needed")
	d.refused("市场监管局", "/referrals", "旧.xls", []byte("\xd0\xcf\x11\xe0 an old workbook"), http.StatusUnprocessableEntity, CodeNotTable)
	d.refused("市场监管局", "/referrals", "a.csv", []byte("统一社会信用代码,名称\n,哪里都没有的店\n"), http.StatusUnprocessableEntity, CodeNothingRead)
	if n := count(t, d.app, "referral_batches"); n != 0 {
		t.Errorf("%d batches of refused lists", n)
	}
	if status, _ := d.call("网格员", http.MethodGet, "/answers.xlsx", "", nil); status != http.StatusForbidden {
		t.Errorf("a worker got a bank's workbook: %d", status)
	}
	// Whoever stands at a counter belongs to a bank too, and is no desk of it.
	bank, err := d.app.FindFirstRecordByData("banks", "name", "江城银行")
	if err != nil {
		t.Fatal(err)
	}
	d.user("新柜员", map[string]any{"role": "bank", "bank": bank.Id})
	if status, raw := d.call("新柜员", http.MethodGet, "/answers.xlsx", "", nil); status != http.StatusForbidden || !strings.Contains(string(raw), "export_not_allowed") {
		t.Errorf("export is a right of its own: %d %s", status, raw)
	}
	d.user("当值", map[string]any{"role": "harbour_staff", "bank": bank.Id})
	if status, _ := d.call("当值", http.MethodGet, "/answers.xlsx", "", nil); status != http.StatusForbidden {
		t.Errorf("a harbour's counter got its bank's workbook: %d", status)
	}
	d.refused("当值", "/answers", "a.xlsx", []byte("x"), http.StatusForbidden, "bank_only")
	d.refused("市场监管局", "/referrals", "大.csv", make([]byte, maxUpload+1<<20), http.StatusRequestEntityTooLarge, "too_large")
	d.user("新来的", map[string]any{"role": "department", "agency": "", "must_change_password": true})
	d.refused("新来的", "/referrals", "a.csv", []byte(recommended), http.StatusForbidden, "password_change_required")
}

// lending is a town in which a list was dispatched to both banks and a demand of the noodle shop was offered to both.
type lendingTown struct {
	*desksTown
	referral, match map[string]*core.Record // by bank
	demand          *core.Record
}

func openLending(t *testing.T) *lendingTown {
	d := openDesks(t)
	l := &lendingTown{desksTown: d, referral: map[string]*core.Record{}, match: map[string]*core.Record{}}
	agency, err := d.app.FindFirstRecordByData("agencies", "name", "市场监管局")
	if err != nil {
		t.Fatal(err)
	}
	shop := enterprise(t, d.app, "万州区老麻抄手店")
	batch := put(t, d.app, "referral_batches", map[string]any{"title": "四季度", "agency": agency.Id, "status": "dispatched", "dispatched_at": hooks.Stored(today.Add(-26 * time.Hour))})
	secret := put(t, d.app, "referral_batches", map[string]any{"title": "还没分发", "agency": agency.Id, "status": "checked"})
	l.demand = put(t, d.app, "demands", map[string]any{"enterprise": shop.Id, "kind": "first_loan", "need": "working_capital", "amount": 200_000, "term": 12, "captured_at": hooks.Stored(today.Add(-72 * time.Hour))})
	put(t, d.app, "demand_events", map[string]any{"demand": l.demand.Id, "kind": "stage", "to_stage": "accepted", "at": hooks.Stored(today.Add(-71 * time.Hour))})
	for _, name := range []string{"江城银行", "惠民银行"} {
		bank, err := d.app.FindFirstRecordByData("banks", "name", name)
		if err != nil {
			t.Fatal(err)
		}
		l.referral[name] = put(t, d.app, "referrals", map[string]any{"batch": batch.Id, "batch_status": "dispatched", "enterprise": shop.Id, "enterprise_name": "老麻抄手", "bank": bank.Id, "why": []string{"prospect"}, "answer": "none"})
		put(t, d.app, "referrals", map[string]any{"batch": secret.Id, "batch_status": "checked", "enterprise": shop.Id, "enterprise_name": "老麻抄手", "bank": bank.Id})
		l.match[name] = put(t, d.app, "demand_matches", map[string]any{"demand": l.demand.Id, "bank": bank.Id, "matched_at": hooks.Stored(today.Add(-2 * time.Hour))})
	}
	return l
}

func (l *lendingTown) fetch(collection, id string) *core.Record {
	l.Helper()
	r, err := l.app.FindRecordById(collection, id)
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// download is a bank's workbook in the hands of its clerk: rows by key, cells by heading.
type download struct {
	*testing.T
	f *excelize.File
}

func (l *lendingTown) download(as string) *download {
	l.Helper()
	status, raw := l.call(as, http.MethodGet, "/answers.xlsx", "", nil)
	if status != http.StatusOK {
		l.Fatalf("%d %s", status, raw)
	}
	f, err := excelize.OpenReader(bytes.NewReader(raw))
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = f.Close() })
	return &download{l.T, f}
}

func (b *download) rows() [][]string {
	b.Helper()
	rows, err := b.f.GetRows(answerList.what)
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// write puts values by field into the row of a key, or into a new one below.
func (b *download) write(row int, values map[string]string) {
	b.Helper()
	for field, v := range values {
		at := 0
		for i, c := range answerList.columns {
			if c.field == field {
				at = i + 1
			}
		}
		cell, err := excelize.CoordinatesToCellName(at, row)
		if err != nil {
			b.Fatal(err)
		}
		if err := b.f.SetCellStr(answerList.what, cell, v); err != nil {
			b.Fatal(err)
		}
	}
}

func (b *download) bytes() []byte {
	b.Helper()
	var out bytes.Buffer
	if err := b.f.Write(&out); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

func TestABankDownloadsItsOwnOpenRowsWithDropDownsAndAHiddenKey(t *testing.T) {
	l := openLending(t)
	book := l.download("江城银行")
	rows := book.rows()
	if len(rows) != 3 || rows[1][0] != "R:"+l.referral["江城银行"].Id || rows[2][0] != "M:"+l.match["江城银行"].Id {
		t.Fatalf("%v", rows)
	}
	if strings.Join(rows[1][2:6], "|") != "推送企业|四季度|老麻抄手|" || rows[2][4] != "万州区老麻抄手店" || rows[2][7] != "200000" || rows[2][8] != "首贷，流动资金，12 个月" || rows[2][10] != "办理中" {
		t.Errorf("%q", rows[1:])
	}
	for _, c := range []string{"A", "B"} {
		if shown, err := book.f.GetColVisible(answerList.what, c); err != nil || shown {
			t.Errorf("column %s is shown", c)
		}
	}
	drops, err := book.f.GetDataValidations(answerList.what)
	if err != nil {
		t.Fatal(err)
	}
	lists := map[string]string{}
	for _, v := range drops {
		lists[v.Sqref] = v.Formula1
	}
	if !strings.Contains(lists["K2:K2"]+lists["K2"], "企业无需求") || !strings.Contains(lists["K3:K3"]+lists["K3"], "审批通过") || len(drops) != 6 {
		t.Errorf("%v", lists)
	}
	if a := l.send("江城银行", "/answers", "银行答复.xlsx", book.bytes()); a.Unchanged != 2 || a.Changed != 0 || len(a.Bad) != 0 {
		t.Errorf("the workbook as it came is no answer: %+v", a)
	}
}

func TestABanksAnswersDecisionsAndLoansGoThroughTheRules(t *testing.T) {
	l := openLending(t)
	book := l.download("江城银行")
	book.write(2, map[string]string{"contacted_at": "2026-11-22", "answer": "拟支持", "answer_note": "已约见"})
	book.write(3, map[string]string{"contacted_at": "2026-11-23", "answer": "审批通过", "answered_at": "2026-11-23", "approved_amount": "18万", "applied_at": "2026/11/23",
		"contract_no": " ht-1 ", "amount": "150,000", "disbursed_on": "2026-11-23", "matures_on": "2027-11-22", "rate": "3.85%", "first_loan_checked_on": "2026-11-23", "evidence": "银行确认"})
	content := book.bytes()
	if dry := l.send("江城银行", "/answers?dry=1", "a.xlsx", content); dry.Changed != 2 || len(dry.Bad) != 0 || l.fetch("referrals", l.referral["江城银行"].Id).GetString("answer") != "none" || count(t, l.app, "loans") != 0 {
		t.Fatalf("a dry run: %+v", dry)
	}
	a := l.send("江城银行", "/answers", "a.xlsx", content)
	if a.Changed != 2 || len(a.Bad) != 0 {
		t.Fatalf("%+v", a)
	}
	r := l.fetch("referrals", l.referral["江城银行"].Id)
	if r.GetString("answer") != "intends" || hooks.Day(r.GetDateTime("answered_at").Time()) != "2026-11-23" || hooks.Day(r.GetDateTime("contacted_at").Time()) != "2026-11-22" || r.GetString("answer_note") != "已约见" {
		t.Errorf("%v", r.FieldsData())
	}
	if sent := l.fetch("referral_batches", r.GetString("batch")).GetDateTime("dispatched_at"); r.GetDateTime("contacted_at").Time().Before(sent.Time()) {
		t.Error("contacted before the list was dispatched: a day knows no hour")
	}
	m := l.fetch("demand_matches", l.match["江城银行"].Id)
	if m.GetString("result") != "approved" || m.GetInt("approved_amount") != 180_000 || m.GetDateTime("applied_at").Time().Before(m.GetDateTime("matched_at").Time()) || m.GetString("first_contact_at") == "" {
		t.Errorf("%v", m.FieldsData())
	}
	loan, err := l.app.FindFirstRecordByData("loans", "contract_no", "HT-1")
	if err != nil {
		t.Fatal(err)
	}
	if loan.GetString("evidence") != "bank_confirmed" || loan.GetString("confirmed_at") == "" || loan.GetInt("amount") != 150_000 || loan.GetFloat("rate") != 3.85 || loan.GetString("kind") != "first_loan" || loan.GetString("borrower") != "individual_business" {
		t.Errorf("%v", loan.FieldsData())
	}
	demand := l.fetch("demands", l.demand.Id)
	if demand.GetString("stage") != "disbursed" || demand.GetString("applied_at") == "" || demand.GetString("approved_at") == "" {
		t.Errorf("the demand stands at %s", demand.GetString("stage"))
	}
	// The same file again is no news; the evidence never falls; the amount of a contract stands.
	if again := l.send("江城银行", "/answers", "a.xlsx", content); again.Changed != 0 || len(again.Bad) != 0 {
		t.Errorf("again: %+v", again)
	}
	book.write(3, map[string]string{"evidence": "银行填报"})
	if a := l.send("江城银行", "/answers", "a.xlsx", book.bytes()); bad(a) != "3:evidence_lowered" {
		t.Errorf("%+v", a)
	}
	book.write(3, map[string]string{"evidence": "银行确认", "amount": "170000"})
	if a := l.send("江城银行", "/answers", "a.xlsx", book.bytes()); bad(a) != "3:loan_fixed" {
		t.Errorf("%+v", a)
	}
}

func TestARowThatARuleRefusesLeavesNothingOfItBehindAndTheOthersAreTaken(t *testing.T) {
	for what, c := range map[string]struct {
		values map[string]string
		code   string
	}{
		"an approval without an application":     {map[string]string{"answer": "审批通过", "approved_amount": "1000"}, "required"},
		"an approval without an amount":          {map[string]string{"applied_at": "2026-11-23", "answer": "审批通过"}, "amount_needed"},
		"a refusal without a reason":             {map[string]string{"answer": "婉拒（申请前）"}, "reason_needed"},
		"a word that is no answer":               {map[string]string{"answer": "再说"}, "not_in_list"},
		"a decision before the match":            {map[string]string{"applied_at": "2026-11-20", "answer": "未通过", "reason": "征信不良"}, "time_before_previous"},
		"a day to come":                          {map[string]string{"applied_at": "2026-11-24"}, "date_in_future"},
		"a loan without an approval":             {map[string]string{"contract_no": "X1", "amount": "1000", "disbursed_on": "2026-11-23"}, "approval_needed"},
		"a loan without an amount":               {map[string]string{"contract_no": "X1", "disbursed_on": "2026-11-23"}, "required"},
		"a loan above the approval":              {map[string]string{"applied_at": "2026-11-23", "answer": "审批通过", "approved_amount": "900", "contract_no": "X1", "amount": "1000", "disbursed_on": "2026-11-23"}, "amount_above_approval"},
		"evidence that no bank can give":         {map[string]string{"applied_at": "2026-11-23", "answer": "审批通过", "approved_amount": "1000", "contract_no": "X1", "amount": "1000", "disbursed_on": "2026-11-23", "evidence": "系统对接"}, "not_in_list"},
		"a name sorted away from its hidden key": {map[string]string{"name": "三峡五金有限公司"}, "key_mismatch"},
		"a key written over":                     {map[string]string{"key": "第二行"}, "key_missing"},
		"an answer to a list not yet dispatched": {map[string]string{"key": "undispatched"}, "out_of_scope"},
	} {
		t.Run(what, func(t *testing.T) {
			l := openLending(t)
			book := l.download("江城银行")
			if c.values["key"] == "undispatched" {
				secret, err := l.app.FindFirstRecordByFilter("referrals", "batch_status = 'checked' && bank.name = '江城银行'")
				if err != nil {
					t.Fatal(err)
				}
				c.values["key"], c.values["answer"] = "R:"+secret.Id, "拟支持"
			}
			book.write(2, map[string]string{"answer": "企业无需求"})
			book.write(3, c.values)
			before := dumpOf(t, l.app, "demand_matches", "demands", "demand_events", "loans")
			a := l.send("江城银行", "/answers", "a.xlsx", book.bytes())
			if bad(a) != "3:"+c.code || a.Changed != 1 {
				t.Fatalf("%+v", a)
			}
			if after := dumpOf(t, l.app, "demand_matches", "demands", "demand_events", "loans"); after != before {
				t.Errorf("something was left behind:\n%s\nbefore\n%s", after, before)
			}
			if l.fetch("referrals", l.referral["江城银行"].Id).GetString("answer") != "no_need" {
				t.Error("the good row was not taken")
			}
		})
	}
}

func dumpOf(t *testing.T, app core.App, tables ...string) string {
	t.Helper()
	var out strings.Builder
	for _, table := range tables {
		all, err := app.FindAllRecords(table)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			data := r.FieldsData()
			delete(data, "updated")
			raw, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %s %s\n", table, r.Id, raw)
		}
	}
	return out.String()
}

func TestWhatDesksSendAndTakeAwayStandsInTheAccessLogAndADryRunDoesNot(t *testing.T) {
	l := openLending(t)
	book := l.download("江城银行")
	book.write(2, map[string]string{"answer": "拟支持"})
	l.send("江城银行", "/answers?dry=1", "答复.xlsx", book.bytes())
	l.send("江城银行", "/answers", "答复.xlsx", book.bytes())
	l.send("市场监管局", "/referrals", "名单.csv", []byte(recommended))
	lines, err := l.app.FindRecordsByFilter("read_log", "action = 'import' || action = 'export'", "@rowid", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range lines {
		got = append(got, fmt.Sprint(r.GetString("actor"), " ", r.GetString("action"), " ", r.GetString("collection"), " ", r.GetString("target"), " ", r.GetInt("rows"), " ", r.GetString("via")))
	}
	want := "江城银行 export demand_matches 银行答复表 2 app\n江城银行 import demand_matches 答复.xlsx 1 app\n市场监管局 import referrals 名单.csv 2 app"
	if strings.Join(got, "\n") != want {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestAnotherBanksRowsCannotBeAnsweredByEditingTheKey(t *testing.T) {
	l := openLending(t)
	book := l.download("江城银行")
	book.write(2, map[string]string{"key": "R:" + l.referral["惠民银行"].Id, "answer": "不符合条件"})
	book.write(3, map[string]string{"key": "M:" + l.match["惠民银行"].Id, "answer": "婉拒（申请前）", "reason": "征信不良"})
	book.write(4, map[string]string{"key": "M:nosuchrecord000", "name": "万州区老麻抄手店", "answer": "婉拒（申请前）", "reason": "征信不良"})
	status, raw := l.call("江城银行", http.MethodPost, "/answers", "a.xlsx", book.bytes())
	var e struct {
		Code string `json:"code"`
		Data struct{ Report Answer }
	}
	if err := json.Unmarshal(raw, &e); err != nil || status != http.StatusUnprocessableEntity || bad(e.Data.Report) != "2:out_of_scope 3:out_of_scope 4:out_of_scope" {
		t.Fatalf("%d %s", status, raw)
	}
	if strings.Contains(string(raw), "惠民") {
		t.Error("the refusal tells of the other bank")
	}
	if l.fetch("referrals", l.referral["惠民银行"].Id).GetString("answer") != "none" || l.fetch("demand_matches", l.match["惠民银行"].Id).GetString("result") != "pending" {
		t.Error("another bank's row was answered")
	}
}

func TestWhatAColleagueAnsweredMeanwhileIsNotOverwrittenByAnOldWorkbook(t *testing.T) {
	l := openLending(t)
	book := l.download("江城银行")
	r := l.fetch("referrals", l.referral["江城银行"].Id)
	r.Set("answer", "unreachable")
	r.Set("answered_at", hooks.Stored(today))
	if err := l.app.Save(r); err != nil {
		t.Fatal(err)
	}
	if a := l.send("江城银行", "/answers", "a.xlsx", book.bytes()); a.Unchanged != 2 {
		t.Errorf("an old cell that nobody touched counts as an answer: %+v", a)
	}
	book.write(2, map[string]string{"answer": "拟支持"})
	book.write(3, map[string]string{"contacted_at": "2026-11-23"})
	if a := l.send("江城银行", "/answers", "a.xlsx", book.bytes()); bad(a) != "2:changed_meanwhile" || a.Changed != 1 {
		t.Errorf("%+v", a)
	}
	if got := l.fetch("referrals", r.Id).GetString("answer"); got != "unreachable" {
		t.Errorf("the answer is %s", got)
	}
}

func TestAnOperatorTakesInListsAndAnswersByCommand(t *testing.T) {
	l := openLending(t)
	list := file(t, "名单.csv", recommended)
	for _, c := range []struct {
		want int
		says string
		args []string
	}{
		{1, "--agency", []string{"referrals", list}},
		{1, "部门“没有的局”找不到", []string{"referrals", list, "--agency", "没有的局"}},
		{2, "新增            2 户", []string{"referrals", list, "--agency", "农业农村委"}},
		{2, "无变化          2 户", []string{"referrals", list, "--agency", "农业农村委"}},
		{1, "--bank", []string{"answers", list}},
		{1, "missing_column", []string{"answers", list, "--bank", "江城银行"}},
	} {
		status, out, errs := gangwan(t, l.app, c.args...)
		if status != c.want || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: status %d, want %d\n%s%s", c.args, status, c.want, out, errs)
		}
	}
	path := t.TempDir() + "/答复.xlsx"
	if status, _, errs := gangwan(t, l.app, "answers", "--template", path, "--bank", "江城银行"); status != 0 {
		t.Fatal(errs)
	}
	f, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	book := &download{t, f}
	book.write(2, map[string]string{"answer": "不符合条件"})
	book.write(3, map[string]string{"applied_at": "2026-11-20"})
	if err := os.WriteFile(path, book.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := gangwan(t, l.app, "answers", path, "--bank", "惠民银行"); status != 1 || !strings.Contains(errs, "out_of_scope") {
		t.Error("another bank's workbook:", status, out, errs)
	}
	if status, out, errs := gangwan(t, l.app, "answers", path, "--bank", "江城银行"); status != 2 || !strings.Contains(out, "变更            1 条：答复 1，答复时间 1") || !strings.Contains(errs, "第 3 行（time_before_previous）") {
		t.Error("the rules of the bank's own desk hold:", status, out, errs)
	}
}
