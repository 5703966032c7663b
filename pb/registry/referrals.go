package registry

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/filesystem"

	"gangwan/hooks"
)

var referralList = listing{"推送名单", "户", []column{
	{field: "uscc", required: true, headings: []string{"统一社会信用代码", "社会信用代码", "信用代码", "统一代码", "USCC"}, note: "按它匹配；没有的留空，按名称匹配"},
	{field: "name", required: true, headings: []string{"名称", "企业名称", "市场主体名称", "经营主体名称", "单位名称", "字号名称"}},
	{field: "place", headings: []string{"所属网格", "网格", "网格编号", "所属社区", "社区"}, note: "没有信用代码而名称有重复时，用来区分"},
	{field: "phone", headings: []string{"联系电话", "电话", "手机", "手机号", "联系方式"}},
	{field: "why", headings: []string{"推送理由", "理由", "推荐理由", "类别"}, note: "发展前景好、信贷需求强、信用记录好、绿色，几项用顿号隔开"},
	{field: "wanted", headings: []string{"需求金额", "融资需求金额", "贷款需求", "资金需求", "融资需求"}, note: "元；表头写明“万元”的按万元读"},
}}

// mostReferrals is far more than a department recommends: a longer list is some other file, and would hold up the phones.
const mostReferrals = 5000

// ReferralList says whose list a file is (§三(三)一, 双向共享).
type ReferralList struct {
	// Agency is the id of the department that recommends.
	Agency string
	// Batch is the id of the batch that the list is for; empty: the agency's batch of this title that is not checked yet, else
	// the earliest that is still expected of it, else a new one.
	Batch string
	// File is the file's name; without its endings it is the title of a new batch.
	File string
}

// referralRow is an enterprise on a list, found in the registry.
type referralRow struct {
	row         tableRow
	enterprise  *core.Record
	name, phone string
	why         []string
	wanted      int64
}

// ImportReferrals takes in a department's list of enterprises: a referral batch with status uploaded, to which the file is
// attached, and a referral for each enterprise, to be checked and dispatched by the central bank. Enterprises are matched by
// their credit code, else by name, within the grid or community where the list names one; what cannot be matched is a bad row.
// The same list again changes nothing. A batch that was returned is replaced by the list; one already checked or dispatched
// is closed (batch_closed).
func ImportReferrals(app core.App, r io.Reader, o Options, list ReferralList) (Report, error) {
	began := time.Now()
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Report{}, &hooks.Error{Code: CodeUnreadable, Message: "文件读取失败：" + err.Error()}
	}
	t, l, report, err := open(bytes.NewReader(raw), referralList, o)
	if err != nil {
		return report, err
	}
	if len(t.Rows) > mostReferrals {
		return report, &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("名单有 %d 行，一次最多 %d 行，请分成几个文件", len(t.Rows), mostReferrals)}
	}
	im := &referralImport{o: o, list: list, taken: map[string]int{}}
	if im.grids, err = named(app, "grids", "code", "name"); err != nil {
		return report, err
	}
	if im.places, err = loadPlaces(app); err != nil {
		return report, err
	}
	if im.referrals, err = app.FindCollectionByNameOrId("referrals"); err != nil {
		return report, err
	}
	var rows []*referralRow
	for _, row := range t.Rows {
		bad := row.Problem
		var one *referralRow
		if bad == nil {
			if one, bad, err = im.clean(app, row, t, l, &report); err != nil {
				return report, err
			}
		}
		if bad != nil {
			report.bad(row, bad)
			continue
		}
		rows = append(rows, one)
	}
	done := newReport()
	if len(rows) > 0 {
		err = o.transaction(app, func(tx core.App) error {
			done = newReport()
			if err := im.take(tx, rows, raw, &done); err != nil {
				return err
			}
			return o.log(tx, "referrals", &done)
		})
	}
	if err != nil {
		return report, failed(err)
	}
	report.add(&done)
	report.Batch = done.Batch
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

type referralImport struct {
	o         Options
	list      ReferralList
	referrals *core.Collection
	places    *places
	grids     map[string][]string
	taken     map[string]int // enterprise → line
}

var whyWords = []struct{ word, why string }{{"前景", "prospect"}, {"需求", "credit_need"}, {"信用", "good_record"}, {"绿色", "green"}}

func (im *referralImport) clean(app core.App, row tableRow, t *table, l layout, report *Report) (r *referralRow, bad *rowError, err error) {
	get := func(field string) string { return l.value(row.Cells, field) }
	r = &referralRow{row: row, name: get("name")}
	uscc, warning, bad := parseUSCC(get("uscc"))
	if bad != nil {
		return nil, bad, nil
	}
	if warning != "" {
		report.Warnings[warning]++
	}
	if uscc == "" && r.name == "" {
		return nil, rowErrorf("missing_name", "没有统一社会信用代码，也没有名称"), nil
	}
	if given := get("phone"); given != "" {
		if r.phone = parsePhone(given); r.phone == "" {
			report.Warnings["phone"]++
		}
	}
	unit := 1.0
	if l.in10k(t.Header, "wanted") {
		unit = 10000
	}
	if r.wanted, bad = parseWhole(get("wanted"), "需求金额", unit, 1e10); bad != nil {
		return nil, bad, nil
	}
	why := get("why")
	for _, w := range whyWords {
		if strings.Contains(why, w.word) {
			r.why = append(r.why, w.why)
		}
	}
	if why != "" && r.why == nil {
		return nil, rowErrorf("unknown_reason", "推送理由“%s”不认得（发展前景好、信贷需求强、信用记录好、绿色）", shorten(why, 30)), nil
	}
	if r.enterprise, bad, err = im.find(app, uscc, r.name, get("place")); bad != nil || err != nil {
		return nil, bad, err
	}
	if line := im.taken[r.enterprise.Id]; line > 0 {
		return nil, rowErrorf("duplicate_row", "与第 %d 行是同一市场主体", line), nil
	}
	im.taken[r.enterprise.Id] = row.Line
	if r.name == "" {
		r.name = r.enterprise.GetString("name")
	}
	if sameText(r.name) != sameText(r.enterprise.GetString("name")) {
		report.note("名单上的名称与登记的不同（按信用代码匹配，请核对）", fmt.Sprintf("第 %d 行 %s：登记为 %s", row.Line, r.name, r.enterprise.GetString("name")))
	}
	if status := r.enterprise.GetString("status"); status != "active" {
		report.note("已注销或已搬离的主体（已列入，由人行核对）", fmt.Sprintf("第 %d 行 %s", row.Line, r.name))
	}
	if bad := tooLong(im.referrals, "enterprise_name", r.name); bad != nil {
		return nil, bad, nil
	}
	return r, nil, nil
}

// find is the enterprise that a row means. A record that was merged into another does not count.
func (im *referralImport) find(app core.App, uscc, name, place string) (*core.Record, *rowError, error) {
	query := func(column, value string) ([]*core.Record, error) {
		if value == "" {
			return nil, nil
		}
		return app.FindRecordsByFilter("enterprises", column+" = {:v} && "+column+" != '' && status != 'duplicate'", "id", 0, 0, dbx.Params{"v": value})
	}
	found, err := query("uscc", uscc)
	if err != nil {
		return nil, nil, err
	}
	if len(found) > 0 {
		return slices.MinFunc(found, func(a, b *core.Record) int { return rank(a) - rank(b) }), nil, nil
	}
	if found, err = query("name", name); err != nil {
		return nil, nil, err
	}
	// One that has another code is another enterprise.
	found = slices.DeleteFunc(found, func(e *core.Record) bool { return uscc != "" && e.GetString("uscc") != "" })
	if place != "" && len(found) > 0 {
		grids := im.grids[sameText(place)]
		if len(grids) == 0 {
			if community, _ := im.places.resolve("", place); community != "" {
				grids = im.places.gridsOf[community]
			}
		}
		if len(grids) == 0 {
			return nil, rowErrorf("unknown_reference", "网格或社区“%s”找不到", shorten(place, 30)), nil
		}
		found = slices.DeleteFunc(found, func(e *core.Record) bool { return !slices.Contains(grids, e.GetString("grid")) })
	}
	switch len(found) {
	case 0:
		return nil, rowErrorf("unknown_enterprise", "在市场主体名录里找不到（按信用代码、名称%s）", map[bool]string{true: "和网格"}[place != ""]), nil
	case 1:
		return found[0], nil, nil
	}
	return nil, rowErrorf("ambiguous", "没有可匹配的信用代码，而名录里有 %d 户同名，请写信用代码或所属网格", len(found)), nil
}

func (im *referralImport) take(tx core.App, rows []*referralRow, raw []byte, report *Report) error {
	batch, err := im.batch(tx)
	if err != nil {
		return err
	}
	title := batch.GetString("title")
	replaced := batch.GetString("status") == "returned"
	fresh := batch.IsNew()
	existing := map[string]*core.Record{}
	if !fresh {
		all, err := tx.FindRecordsByFilter("referrals", "batch = {:b}", "id", 0, 0, dbx.Params{"b": batch.Id})
		if err != nil {
			return err
		}
		for _, r := range all {
			existing[r.GetString("enterprise")] = r
		}
	}
	if fresh || batch.GetString("status") != "uploaded" {
		batch.Set("status", "uploaded")
		batch.Set("delivered_at", hooks.Stored(im.o.now()))
		batch.Set("captured_at", hooks.Stored(im.o.now()))
		batch.Set("synced_at", hooks.Stored(im.o.now()))
		file, err := filesystem.NewFileFromBytes(raw, filepath.Base(im.list.File))
		if err != nil {
			return err
		}
		batch.Set("file", file)
		if err := hooks.SetScopes(tx, batch); err != nil {
			return err
		}
		refused, err := im.o.save(tx, batch)
		if err != nil {
			return err
		}
		if refused != nil {
			return &hooks.Error{Code: refused.Code, Message: "名单不能上传：" + refused.Message}
		}
	}
	report.Batch = batch.Id
	if im.o.DryRun && batch.Id == "" {
		report.Batch = ""
	}
	for _, row := range rows {
		if err := im.put(tx, batch, row, existing[row.enterprise.Id], report); err != nil {
			return err
		}
		delete(existing, row.enterprise.Id)
	}
	if replaced {
		var gone []string
		for _, r := range existing {
			gone = append(gone, r.GetString("enterprise_name"))
			if im.o.DryRun {
				continue
			}
			if err := tx.DeleteWithContext(im.o.context(), r); err != nil {
				return err
			}
		}
		slices.Sort(gone)
		report.note("退回的名单里有、新名单里没有的主体（已去掉）", gone...)
	}
	report.note("名单", fmt.Sprintf("%s（%s）", title, map[bool]string{true: "新建", false: "已有"}[fresh]))
	return nil
}

// batch is the one that the list is for.
func (im *referralImport) batch(tx core.App) (*core.Record, error) {
	if id := im.list.Batch; id != "" {
		b, err := tx.FindRecordById("referral_batches", id)
		if err != nil || b.GetString("agency") != im.list.Agency {
			return nil, hooks.Err("out_of_scope")
		}
		if s := b.GetString("status"); s == "checked" || s == "dispatched" {
			return nil, hooks.Err("batch_closed")
		}
		return b, nil
	}
	title := listTitle(im.list.File)
	open, err := tx.FindRecordsByFilter("referral_batches", "agency = {:a} && (status = 'expected' || status = 'uploaded' || status = 'returned')", "due, id", 0, 0, dbx.Params{"a": im.list.Agency})
	if err != nil {
		return nil, err
	}
	for _, b := range open {
		if b.GetString("title") == title {
			return b, nil
		}
	}
	for _, b := range open {
		if b.GetString("status") == "expected" {
			return b, nil
		}
	}
	c, err := tx.FindCollectionByNameOrId("referral_batches")
	if err != nil {
		return nil, err
	}
	b := im.o.newRecord(c)
	b.Load(map[string]any{"title": title, "agency": im.list.Agency})
	return b, nil
}

// listTitle is a file's name without its endings: mended rows (….xlsx.errors.csv) belong to the same list.
func listTitle(file string) string {
	title := strings.TrimSuffix(filepath.Base(file), ".errors.csv")
	for _, ending := range []string{".xlsx", ".csv", ".XLSX", ".CSV"} {
		title = strings.TrimSuffix(title, ending)
	}
	return shorten(strings.TrimSpace(title), 100)
}

func (im *referralImport) put(tx core.App, batch *core.Record, row *referralRow, old *core.Record, report *Report) error {
	r := im.o.newRecord(im.referrals)
	if old != nil {
		r = old.Clone()
	} else {
		at := hooks.Stored(im.o.now())
		r.Load(map[string]any{"batch": batch.Id, "batch_status": "uploaded", "enterprise": row.enterprise.Id, "answer": "none", "captured_at": at, "synced_at": at})
	}
	var changed []string
	for _, f := range []struct{ field, value string }{{"enterprise_name", row.name}, {"enterprise_phone", row.phone}} {
		if f.value != "" && r.GetString(f.field) != f.value {
			r.Set(f.field, f.value)
			changed = append(changed, f.field)
		}
	}
	if row.wanted != 0 && int64(r.GetFloat("wanted")) != row.wanted {
		r.Set("wanted", row.wanted)
		changed = append(changed, "wanted")
	}
	if row.why != nil && !slices.Equal(r.GetStringSlice("why"), row.why) {
		r.Set("why", row.why)
		changed = append(changed, "why")
	}
	if old != nil && changed == nil {
		report.Unchanged++
		return nil
	}
	if old == nil {
		if err := hooks.SetScopes(tx, r); err != nil {
			return err
		}
	}
	refused, err := im.o.save(tx, r)
	switch {
	case err != nil:
		return err
	case refused != nil:
		report.bad(row.row, refused)
	case old == nil:
		report.New++
	default:
		report.Changed++
		for _, f := range changed {
			report.ChangedFields[f]++
		}
	}
	return nil
}
