package registry

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
)

// A bank's answers travel in one workbook: a row for each enterprise dispatched to the bank and each of its matches that is
// open, or approved and not yet paid out. Two hidden columns say which record a row is and what it held when it was written;
// only cells that differ from that are the bank's word.

const (
	kindReferral = "推送企业"
	kindMatch    = "融资对接"
)

var answerList = listing{"银行答复", "条", []column{
	{field: "key", required: true, headings: []string{"编号（请勿改动）"}},
	{field: "base", headings: []string{"导出内容（请勿改动）"}},
	{field: "about", headings: []string{"类别"}},
	{field: "number", headings: []string{"名单或需求编号"}},
	{field: "name", required: true, headings: []string{"名称"}},
	{field: "contact", headings: []string{"联系人"}},
	{field: "phone", headings: []string{"联系电话"}},
	{field: "wanted", headings: []string{"需求金额（元）"}},
	{field: "asked", headings: []string{"需求说明"}},
	{field: "contacted_at", day: true, headings: []string{"首次联系日期"}, note: "联系上的日期，如 2026-11-20"},
	{field: "answer", required: true, headings: []string{"答复或结果"}, note: "从下拉列表里选"},
	{field: "answered_at", day: true, headings: []string{"答复或审批日期"}, note: "不填为今天"},
	{field: "answer_note", headings: []string{"答复说明"}},
	{field: "applied_at", day: true, headings: []string{"申请日期"}, note: "融资对接：提交申请的日期；审批通过、未通过前要填"},
	{field: "reason", headings: []string{"未成原因"}, note: "婉拒、未通过、失效时从下拉列表里选"},
	{field: "approved_amount", headings: []string{"批准金额（元）"}},
	{field: "contract_no", headings: []string{"合同编号"}, note: "已放款的填以下各栏，一份合同一行；同一需求再有合同的另起一行，编号照抄"},
	{field: "amount", headings: []string{"合同金额（元）"}},
	{field: "disbursed_on", day: true, headings: []string{"放款日期"}},
	{field: "matures_on", day: true, headings: []string{"到期日期"}},
	{field: "rate", headings: []string{"年利率（%）"}},
	{field: "kind", headings: []string{"贷款类别"}, note: "不填随需求"},
	{field: "borrower", headings: []string{"借款人"}, note: "不填随主体类型"},
	{field: "first_loan_checked_on", day: true, headings: []string{"首贷查询日期"}},
	{field: "evidence", headings: []string{"证据等级"}, note: "核对合同和借据后选“银行确认”；不选为“银行填报”"},
}}

// labelled are the words of a select field by value, from the form; inOrder its values as the collection has them.
func labelled(collection, field string) map[string]string {
	return hooks.Forms[collection].Field(field).Options
}

func inOrder(app core.App, collection, field string, keep ...string) ([]string, error) {
	c, err := app.FindCollectionByNameOrId(collection)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, v := range c.Fields.GetByName(field).(*core.SelectField).Values {
		if len(keep) == 0 || slices.Contains(keep, v) {
			words = append(words, labelled(collection, field)[v])
		}
	}
	return words, nil
}

// valueOf is the value that a word of a select field means.
func valueOf(collection, field, word string) (string, *rowError) {
	for value, label := range labelled(collection, field) {
		if sameText(label) == sameText(word) {
			return value, nil
		}
	}
	return "", rowErrorf("not_in_list", "“%s”不在可选范围内", shorten(word, 30))
}

// answerRow is a row of the workbook as it is written.
type answerRow struct {
	key   string
	cells map[string]string // what the bank reads and changes, by field
}

// editable are the columns that a bank fills in.
var editable = []string{"contacted_at", "answer", "answered_at", "answer_note", "applied_at", "reason", "approved_amount"}

func day(r *core.Record, field string) string {
	if at := r.GetDateTime(field); !at.IsZero() {
		return hooks.Day(at.Time())
	}
	return ""
}

func whole(r *core.Record, field string) string {
	if n := int64(r.GetFloat(field)); n != 0 {
		return strconv.FormatInt(n, 10)
	}
	return ""
}

func referralCells(r *core.Record) map[string]string {
	answer := r.GetString("answer")
	if answer == "" {
		answer = "none"
	}
	return map[string]string{"contacted_at": day(r, "contacted_at"), "answer": labelled("referrals", "answer")[answer], "answered_at": day(r, "answered_at"), "answer_note": r.GetString("answer_note")}
}

func matchCells(r *core.Record) map[string]string {
	return map[string]string{"contacted_at": day(r, "first_contact_at"), "answer": labelled("demand_matches", "result")[r.GetString("result")], "answered_at": day(r, "decided_at"),
		"applied_at": day(r, "applied_at"), "reason": labelled("demand_matches", "reason")[r.GetString("reason")], "approved_amount": whole(r, "approved_amount")}
}

// AnswerWorkbook is what a bank has to answer: its dispatched referrals, and its matches that are open or approved and not
// yet paid out, as an .xlsx that ImportAnswers reads back. bank is the id of the bank.
func AnswerWorkbook(app core.App, bank string) (*excelize.File, error) {
	rows, err := answerRows(app, bank)
	if err != nil {
		return nil, err
	}
	f := excelize.NewFile()
	sheet := answerList.what
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return nil, err
	}
	header := make([]any, len(answerList.columns))
	for i, c := range answerList.columns {
		header[i] = c.headings[0]
	}
	if err := headed(f, sheet, header); err != nil {
		return nil, err
	}
	for i, row := range rows {
		cells := make([]any, len(answerList.columns))
		base := map[string]string{}
		for _, field := range editable {
			base[field] = row.cells[field]
		}
		raw, err := json.Marshal(base)
		if err != nil {
			return nil, err
		}
		for c, column := range answerList.columns {
			switch column.field {
			case "key":
				cells[c] = row.key
			case "base":
				cells[c] = string(raw)
			default:
				cells[c] = row.cells[column.field]
			}
		}
		if err := f.SetSheetRow(sheet, fmt.Sprint("A", i+2), &cells); err != nil {
			return nil, err
		}
	}
	if err := f.SetColVisible(sheet, "A:B", false); err != nil {
		return nil, err
	}
	if err := f.SetColWidth(sheet, "E", "E", 36); err != nil {
		return nil, err
	}
	return f, answerChoices(app, f, sheet, rows)
}

// answerChoices puts the drop-downs beside the rows: those of referrals and those of matches differ.
func answerChoices(app core.App, f *excelize.File, sheet string, rows []answerRow) error {
	at := map[string]int{}
	for i, c := range answerList.columns {
		at[c.field] = i + 1
	}
	drop := func(field string, first, last int, choices []string, err error) error {
		if err != nil || last < first {
			return err
		}
		name, err := excelize.ColumnNumberToName(at[field])
		if err != nil {
			return err
		}
		return dropDown(f, sheet, fmt.Sprintf("%s%d:%s%d", name, first, name, last), choices)
	}
	last := len(rows) + 1
	matches := last + 1
	for i, row := range rows {
		if strings.HasPrefix(row.key, "M:") {
			matches = i + 2
			break
		}
	}
	answers, err := inOrder(app, "referrals", "answer")
	if err := drop("answer", 2, matches-1, answers, err); err != nil {
		return err
	}
	results, err := inOrder(app, "demand_matches", "result")
	if err := drop("answer", matches, last, results, err); err != nil {
		return err
	}
	reasons, err := inOrder(app, "demand_matches", "reason")
	if err := drop("reason", matches, last, reasons, err); err != nil {
		return err
	}
	for _, c := range []struct {
		field string
		keep  []string
	}{{"kind", nil}, {"borrower", nil}, {"evidence", []string{"bank_entered", "bank_confirmed"}}} {
		words, err := inOrder(app, "loans", c.field, c.keep...)
		if err := drop(c.field, matches, last, words, err); err != nil {
			return err
		}
	}
	return nil
}

func answerRows(app core.App, bank string) (rows []answerRow, err error) {
	referrals, err := app.FindRecordsByFilter("referrals", "bank = {:b} && batch_status = 'dispatched'", "batch.dispatched_at, enterprise_name, id", 0, 0, dbx.Params{"b": bank})
	if err != nil {
		return nil, err
	}
	if err := expand(app, referrals, "batch", "enterprise"); err != nil {
		return nil, err
	}
	for _, r := range referrals {
		cells := referralCells(r)
		cells["about"], cells["name"], cells["phone"], cells["wanted"] = kindReferral, r.GetString("enterprise_name"), r.GetString("enterprise_phone"), whole(r, "wanted")
		if b := r.ExpandedOne("batch"); b != nil {
			cells["number"] = b.GetString("title")
		}
		if e := r.ExpandedOne("enterprise"); e != nil {
			cells["contact"] = e.GetString("contact")
			if cells["phone"] == "" {
				cells["phone"] = e.GetString("phone")
			}
		}
		var why []string
		for _, w := range r.GetStringSlice("why") {
			why = append(why, labelled("referrals", "why")[w])
		}
		cells["asked"] = strings.Join(why, "、")
		rows = append(rows, answerRow{key: "R:" + r.Id, cells: cells})
	}
	matches, err := app.FindRecordsByFilter("demand_matches", "bank = {:b} && (result = 'pending' || result = 'approved') && demand.stage != 'disbursed' && demand.stage != 'withdrawn' && demand.stage != 'closed' && demand.stage != 'void'",
		"matched_at, id", 0, 0, dbx.Params{"b": bank})
	if err != nil {
		return nil, err
	}
	if err := expand(app, matches, "demand"); err != nil {
		return nil, err
	}
	for _, m := range matches {
		d := m.ExpandedOne("demand")
		if d == nil {
			continue
		}
		cells := matchCells(m)
		cells["about"], cells["number"], cells["name"] = kindMatch, d.GetString("number"), applicantOf(d)
		cells["contact"], cells["phone"], cells["wanted"] = d.GetString("enterprise_contact"), d.GetString("enterprise_phone"), whole(d, "amount")
		asked := []string{labelled("demands", "kind")[d.GetString("kind")], labelled("demands", "need")[d.GetString("need")]}
		if term := d.GetInt("term"); term > 0 {
			asked = append(asked, fmt.Sprintf("%d 个月", term))
		}
		cells["asked"] = strings.Join(asked, "，")
		rows = append(rows, answerRow{key: "M:" + m.Id, cells: cells})
	}
	return rows, nil
}

func applicantOf(demand *core.Record) string {
	if name := demand.GetString("enterprise_name"); name != "" {
		return name
	}
	return demand.GetString("applicant")
}

func expand(app core.App, records []*core.Record, fields ...string) error {
	for field, err := range app.ExpandRecords(records, fields, nil) {
		return fmt.Errorf("expand %s: %w", field, err)
	}
	return nil
}

// ImportAnswers takes in a bank's answers from the workbook that AnswerWorkbook wrote: contact and answer of referrals, steps
// and decisions of matches, and loans with evidence bank_entered or bank_confirmed. bank is the id of the bank; a row of
// another bank is refused (out_of_scope) whatever its key says. A cell counts where it differs from what the row held when it
// was written; where the record has changed meanwhile too, the row is refused (changed_meanwhile). Every rule holds that holds for o.Actor's own saves; without one, for a desk of that bank without a name.
func ImportAnswers(app core.App, r io.Reader, o Options, bank string) (Report, error) {
	began := time.Now()
	t, l, report, err := open(r, answerList, o)
	report.MissingColumns = nil
	if err != nil {
		return report, err
	}
	if len(t.Rows) > mostReferrals {
		return report, &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("答复表有 %d 行，一次最多 %d 行", len(t.Rows), mostReferrals)}
	}
	if o.Actor == nil {
		users, err := app.FindCollectionByNameOrId("users")
		if err != nil {
			return report, err
		}
		o.Actor = core.NewRecord(users)
		o.Actor.Load(map[string]any{"role": "bank", "bank": bank})
	}
	a := &answerImport{o: o, bank: bank, now: o.now(), first: map[string]int{}}
	done := newReport()
	// A dry run is the run itself, taken back: only so do the rules say what they would.
	wet := o
	wet.DryRun = false
	err = wet.transaction(app, func(tx core.App) error {
		done, a.first = newReport(), map[string]int{}
		for _, row := range t.Rows {
			if row.Problem != nil {
				done.bad(row, row.Problem)
				continue
			}
			if err := a.take(tx, row, l, &done); err != nil {
				return err
			}
		}
		if o.DryRun {
			return errTakeBack
		}
		return o.log(tx, "demand_matches", &done)
	})
	if err != nil && !errors.Is(err, errTakeBack) {
		return report, failed(err)
	}
	report.add(&done)
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

var errTakeBack = errors.New("a dry run")

type answerImport struct {
	o     Options
	bank  string
	now   time.Time
	first map[string]int // key → line; further rows of a match are further contracts
}

// answer is one row in hand: what the bank changed, and what must be saved for it.
type answer struct {
	*answerImport
	tx     core.App
	get    func(field string) string
	base   map[string]string
	fields []string
	again  bool
}

// take settles one row, whole or not at all.
func (a *answerImport) take(tx core.App, row tableRow, l layout, report *Report) error {
	one := &answer{answerImport: a, tx: tx, get: func(field string) string { return l.value(row.Cells, field) }}
	key := one.get("key")
	one.again = a.first[key] > 0
	var bad *rowError
	err := a.o.attempt(tx, func() (*rowError, error) {
		var err error
		bad, err = one.settle(key)
		return bad, err
	})
	switch {
	case err != nil:
		return err
	case bad != nil:
		report.bad(row, bad)
	case len(one.fields) == 0:
		report.Unchanged++
	default:
		report.Changed++
		for _, f := range one.fields {
			report.ChangedFields[f]++
		}
	}
	if a.first[key] == 0 {
		a.first[key] = row.Line
	}
	return nil
}

func (a *answer) settle(key string) (*rowError, error) {
	kind, id, ok := strings.Cut(key, ":")
	collection := map[string]string{"R": "referrals", "M": "demand_matches"}[kind]
	if !ok || collection == "" {
		return rowErrorf("key_missing", "没有编号，或编号被改动；请用重新下载的答复表"), nil
	}
	if raw := a.get("base"); raw != "" && json.Unmarshal([]byte(raw), &a.base) != nil {
		return rowErrorf("key_missing", "导出内容一栏被改动；请用重新下载的答复表"), nil
	}
	r, err := a.tx.FindRecordById(collection, id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	// One that is not there and one that is another bank's are answered alike: nobody learns what exists.
	if err != nil || r.GetString("bank") != a.bank || collection == "referrals" && r.GetString("batch_status") != "dispatched" {
		return refusal(hooks.Err("out_of_scope")), nil
	}
	if collection == "referrals" {
		if a.again {
			return rowErrorf("duplicate_row", "与第 %d 行是同一条", a.first[key]), nil
		}
		if sameText(a.get("name")) != sameText(r.GetString("enterprise_name")) {
			return refusal(hooks.Err("key_mismatch")), nil
		}
		return a.referral(r)
	}
	demand, err := a.tx.FindRecordById("demands", r.GetString("demand"))
	if err != nil {
		return nil, err
	}
	if sameText(a.get("name")) != sameText(applicantOf(demand)) {
		return refusal(hooks.Err("key_mismatch")), nil
	}
	if !a.again {
		if bad, err := a.match(r); bad != nil || err != nil {
			return bad, err
		}
	}
	if a.get("contract_no") == "" {
		return nil, nil
	}
	return a.loan(r, demand)
}

// said are the editable fields that the bank changed, against what the record holds now: ok is false where both changed.
func (a *answer) said(present map[string]string) (map[string]string, *rowError) {
	out := map[string]string{}
	for _, field := range editable {
		cell := a.get(field)
		if strings.HasSuffix(field, "_at") && cell != "" {
			at, bad := parseDate(cell)
			if bad != nil {
				return nil, bad
			}
			cell = hooks.Day(at)
		}
		if field == "approved_amount" && cell != "" {
			n, bad := parseWhole(cell, "批准金额", 1, 1e10)
			if bad != nil {
				return nil, bad
			}
			cell = strconv.FormatInt(n, 10)
		}
		// An empty cell takes nothing away.
		if cell == "" || cell == text(present[field]) || a.base != nil && cell == text(a.base[field]) {
			continue
		}
		if a.base != nil && present[field] != a.base[field] {
			return nil, refusal(hooks.Err("changed_meanwhile"))
		}
		out[field] = cell
	}
	return out, nil
}

// moment is the time of a day that the bank wrote: a day knows no hour, so on the day of the step before it follows at once.
func (a *answer) moment(day string, after ...time.Time) (string, *rowError) {
	at, bad := parseDate(day)
	if bad != nil {
		return "", bad
	}
	if hooks.Day(at) > hooks.Day(a.now) {
		return "", rowErrorf("date_in_future", "%s", hooks.Message("date_in_future"))
	}
	for _, t := range after {
		if at.Before(t) && hooks.Day(at) == hooks.Day(t) {
			at = t
		}
	}
	return hooks.Stored(at), nil
}

func (a *answer) set(r *core.Record, field string, value any) {
	r.Set(field, value)
	a.fields = append(a.fields, field)
}

func (a *answer) save(r *core.Record) (*rowError, error) {
	err := a.tx.SaveWithContext(a.o.context(), r)
	if err == nil {
		return nil, nil
	}
	if bad := refusal(err); bad != nil {
		return bad, nil
	}
	return nil, err
}

func (a *answer) referral(r *core.Record) (*rowError, error) {
	said, bad := a.said(referralCells(r))
	if bad != nil || len(said) == 0 {
		return bad, nil
	}
	batch, err := a.tx.FindRecordById("referral_batches", r.GetString("batch"))
	if err != nil {
		return nil, err
	}
	sent := batch.GetDateTime("dispatched_at").Time()
	if said["contacted_at"] != "" {
		at, bad := a.moment(said["contacted_at"], sent)
		if bad != nil {
			return bad, nil
		}
		a.set(r, "contacted_at", at)
	}
	if word := said["answer"]; word != "" {
		value, bad := valueOf("referrals", "answer", word)
		if bad != nil {
			return bad, nil
		}
		a.set(r, "answer", value)
		if said["answered_at"] == "" && r.GetString("answered_at") == "" {
			said["answered_at"] = hooks.Day(a.now)
		}
	}
	if said["answered_at"] != "" {
		at, bad := a.moment(said["answered_at"], sent, r.GetDateTime("contacted_at").Time())
		if bad != nil {
			return bad, nil
		}
		a.set(r, "answered_at", at)
	}
	if said["answer_note"] != "" {
		a.set(r, "answer_note", said["answer_note"])
	}
	return a.save(r)
}

// match takes the steps of a match one by one, as they would be entered: a demand notes the date of each.
func (a *answer) match(r *core.Record) (*rowError, error) {
	said, bad := a.said(matchCells(r))
	if bad != nil || len(said) == 0 {
		return bad, nil
	}
	result := r.GetString("result")
	if word := said["answer"]; word != "" {
		if result, bad = valueOf("demand_matches", "result", word); bad != nil {
			return bad, nil
		}
	}
	matched := r.GetDateTime("matched_at").Time()
	for _, step := range []struct{ said, field string }{{"contacted_at", "first_contact_at"}, {"applied_at", "applied_at"}} {
		if said[step.said] == "" {
			continue
		}
		at, bad := a.moment(said[step.said], matched)
		if bad != nil {
			return bad, nil
		}
		a.set(r, step.field, at)
		if bad, err := a.save(r); bad != nil || err != nil {
			return bad, err
		}
		var err error
		if r, err = a.tx.FindRecordById("demand_matches", r.Id); err != nil {
			return nil, err
		}
	}
	decides := result != r.GetString("result")
	if decides && said["answered_at"] == "" {
		said["answered_at"] = hooks.Day(a.now)
	}
	if said["answered_at"] != "" {
		at, bad := a.moment(said["answered_at"], matched, r.GetDateTime("applied_at").Time(), r.GetDateTime("decided_at").Time())
		if bad != nil {
			return bad, nil
		}
		a.set(r, "decided_at", at)
	}
	if said["reason"] != "" {
		value, bad := valueOf("demand_matches", "reason", said["reason"])
		if bad != nil {
			return bad, nil
		}
		a.set(r, "reason", value)
	}
	if said["approved_amount"] != "" {
		a.set(r, "approved_amount", said["approved_amount"])
	}
	if decides {
		a.set(r, "result", result)
	}
	if decides || said["answered_at"]+said["reason"]+said["approved_amount"] != "" {
		return a.save(r)
	}
	return nil, nil
}

// loan enters a contract, or brings the one of that number up to the row; its evidence only rises.
func (a *answer) loan(match, demand *core.Record) (*rowError, error) {
	collection, err := a.tx.FindCollectionByNameOrId("loans")
	if err != nil {
		return nil, err
	}
	number := code(a.get("contract_no"))
	loan, err := a.tx.FindFirstRecordByFilter("loans", "bank = {:b} && contract_no = {:n}", dbx.Params{"b": a.bank, "n": number})
	fresh := errors.Is(err, sql.ErrNoRows)
	if err != nil && !fresh {
		return nil, err
	}
	if fresh {
		loan = a.o.newRecord(collection)
		borrower := "enterprise"
		if e, err := a.tx.FindRecordById("enterprises", demand.GetString("enterprise")); errors.Is(err, sql.ErrNoRows) {
			borrower = "owner"
		} else if err != nil {
			return nil, err
		} else if e.GetString("kind") == "individual_business" {
			borrower = "individual_business"
		}
		loan.Load(map[string]any{"demand": demand.Id, "bank": a.bank, "contract_no": number, "kind": demand.GetString("kind"), "borrower": borrower, "purpose": "business", "evidence": "bank_entered"})
	} else if loan.GetString("demand") != demand.Id {
		return rowErrorf("contract_of_other_demand", "合同 %s 已登记在另一条融资需求下", number), nil
	}
	var changed []string
	put := func(field string, value any, text string) {
		if loan.GetString(field) != text {
			loan.Set(field, value)
			changed = append(changed, field)
		}
	}
	for _, f := range []string{"disbursed_on", "matures_on", "first_loan_checked_on"} {
		at, bad := parseDate(a.get(f))
		if bad != nil {
			return bad, nil
		}
		if !at.IsZero() && hooks.Day(loan.GetDateTime(f).Time()) != hooks.Day(at) {
			put(f, hooks.Stored(at), hooks.Stored(at))
		}
	}
	if cell := a.get("amount"); cell != "" {
		n, bad := parseWhole(cell, "合同金额", 1, 1e10)
		if bad != nil {
			return bad, nil
		}
		put("amount", n, strconv.FormatInt(n, 10))
	}
	if cell := a.get("rate"); cell != "" {
		n, err := strconv.ParseFloat(strings.TrimRight(squeeze(cell), "%％"), 64)
		if err != nil {
			return rowErrorf("bad_number", "年利率“%s”不是有效的数字", shorten(cell, 30)), nil
		}
		if loan.GetFloat("rate") != n {
			put("rate", n, "")
		}
	}
	for _, f := range []string{"kind", "borrower", "evidence"} {
		if word := a.get(f); word != "" {
			value, bad := valueOf("loans", f, word)
			if bad != nil {
				return bad, nil
			}
			if f == "evidence" && value != "bank_entered" && value != "bank_confirmed" {
				return rowErrorf("not_in_list", "证据等级只能选银行填报、银行确认"), nil
			}
			put(f, value, value)
		}
	}
	for _, f := range []string{"amount", "disbursed_on"} {
		if loan.GetString(f) == "" || loan.GetString(f) == "0" {
			return rowErrorf("required", "登记放款要填%s", fieldLabels[f]), nil
		}
	}
	if !fresh && (slices.Contains(changed, "amount") || slices.Contains(changed, "disbursed_on")) {
		return rowErrorf("loan_fixed", "合同 %s 已登记，合同金额和放款日期不能再改", number), nil
	}
	if !fresh && changed == nil {
		return nil, nil
	}
	a.fields = append(a.fields, "loan")
	return a.save(loan)
}

// attempt runs what settles one row inside a savepoint: refused, it leaves nothing behind.
func (o Options) attempt(tx core.App, settle func() (*rowError, error)) error {
	exec := func(sql string) error { _, err := tx.DB().NewQuery(sql).Execute(); return err }
	if err := exec("SAVEPOINT import_step"); err != nil {
		return err
	}
	refused, err := settle()
	if err != nil {
		return errors.Join(err, exec("ROLLBACK TO import_step"))
	}
	if refused != nil {
		if err := exec("ROLLBACK TO import_step"); err != nil {
			return err
		}
	}
	return exec("RELEASE import_step")
}
