package registry

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

var roleNames = []struct{ role, name string }{
	{"grid_worker", "网格员"}, {"harbour_staff", "港湾当值"}, {"harbour_head", "港湾负责人"}, {"liaison", "联络员"},
	{"bank", "银行"}, {"department", "部门"}, {"official", "主管部门"}, {"street_official", "镇街"},
}

var roleWords = map[string]string{
	"网格员": "grid_worker", "港湾当值": "harbour_staff", "当值": "harbour_staff", "当值工作人员": "harbour_staff", "港湾当值工作人员": "harbour_staff",
	"港湾负责人": "harbour_head", "联络员": "liaison", "双向联络员": "liaison", "银行": "bank", "银行人员": "bank",
	"部门": "department", "主管部门": "official", "人行": "official", "金融办": "official", "金融监管": "official", "镇街": "street_official", "街道": "street_official", "镇街干部": "street_official",
}

func roleName(role string) string {
	for _, r := range roleNames {
		if r.role == role {
			return r.name
		}
	}
	return role
}

var userList = listing{"用户", "人", []column{
	{field: "name", required: true, headings: []string{"姓名", "名字", "人员姓名"}},
	{field: "mobile", required: true, headings: []string{"手机号", "手机", "手机号码", "移动电话", "联系电话", "电话"}, note: "用来登录；没有手机号的必须有工号"},
	{field: "staff_no", headings: []string{"工号", "员工号", "人员编号"}, note: "用来登录"},
	{field: "role", required: true, headings: []string{"角色", "岗位", "身份"}, choices: []string{"网格员", "港湾当值", "港湾负责人", "联络员", "银行", "部门", "主管部门", "镇街"}},
	{field: "street", headings: []string{"镇街", "所属镇街", "街道", "乡镇", "镇乡街道"}, note: "镇街账号必填"},
	{field: "harbour", headings: []string{"港湾", "所属港湾", "金融服务港湾", "港湾编号"}, note: "港湾编号或名称；港湾当值、港湾负责人、联络员必填"},
	{field: "bank", headings: []string{"银行", "所属银行", "机构", "金融机构"}, note: "银行账号必填；港湾人员不填的取主办行"},
	{field: "agency", headings: []string{"部门", "所属部门", "单位", "主管部门"}, note: "部门、主管部门账号必填"},
	{field: "grids", headings: []string{"负责网格", "网格", "网格编号", "包片网格"}, note: "网格编号或名称，几个的用顿号隔开；填写后以这里为准，不填的不改动"},
	{field: "manager", headings: []string{"直接负责人", "负责人", "上级", "主管"}, note: "姓名、手机号或工号，须已在系统里或在本表中"},
	{field: "may_export", rare: true, headings: []string{"可导出", "导出权限"}, choices: []string{"是", "否"}, note: "可下载报表和答复表；不填的不改动"},
	{field: "email", rare: true, headings: []string{"邮箱", "电子邮箱", "电子邮件", "email"}},
}}

// userRow is a person as a file has them. An empty value means that the file does not say.
type userRow struct {
	row            tableRow
	values         map[string]string // by field of users
	manager        string            // as written
	grids          []string          // ids; nil when the file does not say
	record         *core.Record      // made before the transaction when new: hashing a password takes a while
	password       string
	fresh, changed bool
}

// passwordHeader are the columns of the list of initial passwords.
var passwordHeader = []string{"姓名", "手机号", "工号", "角色", "初始密码"}

// ImportUsers makes accounts for the people of a file, or brings them up to it: they are matched by mobile number, else by
// staff number. A new account gets an initial password, handed to o.Passwords once, and must change it at the first sign-in;
// a password is never reset. 负责网格 becomes assignments from now on, and ends those it does not name. Accounts of the same
// roles that the file does not name are listed and left alone.
func ImportUsers(app core.App, r io.Reader, o Options) (Report, error) {
	began := time.Now()
	t, l, report, err := open(r, userList, o)
	if err != nil {
		return report, err
	}
	u := &userImport{o: o, byLogin: map[string]int{}}
	if err := u.load(app); err != nil {
		return report, err
	}
	rows := u.check(t, l, &report)
	for _, row := range rows {
		if err := u.prepare(row); err != nil {
			return report, err
		}
	}
	done := newReport()
	err = o.transaction(app, func(tx core.App) error {
		done = newReport()
		return u.take(tx, rows, &done)
	})
	if err != nil {
		return report, failed(err)
	}
	report.add(&done)
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

type userImport struct {
	o                  Options
	users, assignments *core.Collection
	existing           map[string]*core.Record // by mobile and by staff number
	all                []*core.Record
	byLogin            map[string]int // of this file, with their line
	places             *places
	streets            map[string]string // code → id
	harbours           map[string][]string
	hostBank           map[string]string
	banks, agencies    map[string][]string
	gridWords          map[string][]string
	gridName           map[string]string
}

func (u *userImport) load(app core.App) (err error) {
	if u.users, err = app.FindCollectionByNameOrId("users"); err != nil {
		return err
	}
	if u.assignments, err = app.FindCollectionByNameOrId("assignments"); err != nil {
		return err
	}
	if u.all, err = app.FindRecordsByFilter("users", "", "name, id", 0, 0); err != nil {
		return err
	}
	u.existing = map[string]*core.Record{}
	for _, r := range u.all {
		for _, login := range []string{r.GetString("mobile"), r.GetString("staff_no")} {
			if login != "" {
				u.existing[login] = r
			}
		}
	}
	if u.places, err = loadPlaces(app); err != nil {
		return err
	}
	u.streets = map[string]string{}
	streets, err := app.FindRecordsByFilter("areas", "until = '' && (kind = 'street' || kind = 'town')", "code", 0, 0)
	if err != nil {
		return err
	}
	for _, a := range streets {
		u.streets[a.GetString("code")] = a.Id
	}
	if u.harbours, _, err = loadHarbours(app); err != nil {
		return err
	}
	harbours, err := app.FindRecordsByFilter("harbours", "", "", 0, 0)
	if err != nil {
		return err
	}
	u.hostBank = map[string]string{}
	for _, h := range harbours {
		u.hostBank[h.Id] = h.GetString("host_bank")
	}
	if u.banks, err = named(app, "banks", "name", "short_name"); err != nil {
		return err
	}
	if u.agencies, err = named(app, "agencies", "name", "short_name", "code"); err != nil {
		return err
	}
	if u.gridWords, err = named(app, "grids", "code", "name"); err != nil {
		return err
	}
	u.gridName = u.places.gridName
	return nil
}

// named finds the records of a collection by the words that stand in some of its fields.
func named(app core.App, collection string, fields ...string) (map[string][]string, error) {
	all, err := app.FindRecordsByFilter(collection, "", "id", 0, 0)
	out := map[string][]string{}
	for _, r := range all {
		for _, f := range fields {
			if w := sameText(r.GetString(f)); w != "" && !slices.Contains(out[w], r.Id) {
				out[w] = append(out[w], r.Id)
			}
		}
	}
	return out, err
}

// only finds the one record that a word means.
func only(words map[string][]string, cell, what string) (string, *rowError) {
	if cell == "" {
		return "", nil
	}
	found := words[sameText(cell)]
	switch len(found) {
	case 0:
		return "", rowErrorf("unknown_reference", "%s“%s”找不到", what, shorten(cell, 30))
	case 1:
		return found[0], nil
	}
	return "", rowErrorf("unknown_reference", "%s“%s”有 %d 个，请写编号", what, shorten(cell, 30), len(found))
}

func (u *userImport) check(t *table, l layout, report *Report) (rows []*userRow) {
	for _, row := range t.Rows {
		bad := row.Problem
		var one *userRow
		if bad == nil {
			one, bad = u.clean(row, l)
		}
		if bad != nil {
			report.bad(row, bad)
			continue
		}
		rows = append(rows, one)
	}
	return rows
}

func (u *userImport) clean(row tableRow, l layout) (*userRow, *rowError) {
	get := func(field string) string { return l.value(row.Cells, field) }
	p := &userRow{row: row, values: map[string]string{"name": get("name"), "staff_no": code(get("staff_no")), "email": strings.ToLower(squeeze(get("email")))}, manager: get("manager")}
	if p.values["name"] == "" {
		return nil, rowErrorf("missing_name", "没有姓名")
	}
	mobile, err := hooks.Phone(get("mobile"))
	if err == nil && mobile != "" && (len(mobile) != 11 || mobile[0] != '1') {
		err = hooks.Err("bad_phone")
	}
	if err != nil {
		return nil, rowErrorf("bad_mobile", "手机号“%s”不对，应为 11 位", shorten(get("mobile"), 30))
	}
	p.values["mobile"] = mobile
	if mobile == "" && p.values["staff_no"] == "" {
		return nil, rowErrorf("no_login", "手机号和工号至少要有一个，用来登录")
	}
	for _, login := range []string{mobile, p.values["staff_no"]} {
		if login == "" {
			continue
		}
		if line := u.byLogin[login]; line > 0 {
			return nil, rowErrorf("duplicate_row", "手机号或工号 %s 在第 %d 行已出现", login, line)
		}
		if found := u.existing[login]; found != nil {
			if p.record != nil && p.record.Id != found.Id {
				return nil, rowErrorf("ambiguous", "手机号是 %s 的，工号是 %s 的，请核对", p.record.GetString("name"), found.GetString("name"))
			}
			p.record = found
		}
	}
	role := roleWords[strings.TrimSuffix(sameText(get("role")), "账号")]
	if role == "" {
		return nil, rowErrorf("unknown_role", "角色“%s”不认得（%s）", shorten(get("role"), 30), strings.Join(userList.columns[3].choices, "、"))
	}
	p.values["role"] = role
	var bad *rowError
	if cell := get("street"); cell != "" {
		codes := u.places.streetCodes(u.places.withoutDistrict(sameText(cell)))
		if len(codes) != 1 {
			return nil, rowErrorf("unknown_reference", "镇街“%s”找不到", shorten(cell, 30))
		}
		p.values["street"] = u.streets[codes[0]]
	}
	for _, ref := range []struct {
		field, what string
		words       map[string][]string
	}{{"harbour", "港湾", u.harbours}, {"bank", "银行", u.banks}, {"agency", "部门", u.agencies}} {
		if p.values[ref.field], bad = only(ref.words, get(ref.field), ref.what); bad != nil {
			return nil, bad
		}
	}
	switch export := get("may_export"); export {
	case "":
	case "是":
		p.values["may_export"] = "true"
	case "否":
		p.values["may_export"] = "false"
	default:
		return nil, rowErrorf("not_in_list", "可导出应写“是”或“否”，现为“%s”", shorten(export, 30))
	}
	if bad := u.checkPost(p); bad != nil {
		return nil, bad
	}
	if cell := get("grids"); cell != "" {
		if role != "grid_worker" {
			return nil, rowErrorf("role_without_grids", "只有网格员有负责网格")
		}
		p.grids = []string{}
		for _, word := range strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune("、,，;；/|\n", r) }) {
			id, bad := only(u.gridWords, text(word), "网格")
			if bad != nil {
				return nil, bad
			}
			if id != "" && !slices.Contains(p.grids, id) {
				p.grids = append(p.grids, id)
			}
		}
	}
	for _, login := range []string{mobile, p.values["staff_no"]} {
		if login != "" {
			u.byLogin[login] = row.Line
		}
	}
	return p, nil
}

// checkPost holds a person to what their role needs: without it they would sign in and see nothing.
func (u *userImport) checkPost(p *userRow) *rowError {
	has := func(field string) bool {
		return p.values[field] != "" || p.record != nil && p.record.GetString(field) != ""
	}
	switch role := p.values["role"]; role {
	case "harbour_staff", "harbour_head", "liaison":
		if !has("harbour") {
			return rowErrorf("post_missing", "%s要写港湾", roleName(role))
		}
		if p.record == nil && p.values["bank"] == "" && role != "liaison" {
			p.values["bank"] = u.hostBank[p.values["harbour"]]
		}
	case "bank":
		if !has("bank") {
			return rowErrorf("post_missing", "银行账号要写银行")
		}
	case "department":
		if !has("agency") {
			return rowErrorf("post_missing", "部门账号要写部门")
		}
	case "street_official":
		if !has("street") {
			return rowErrorf("post_missing", "镇街账号要写镇街")
		}
	}
	return nil
}

// prepare sets what the row says on a copy of the account, or on a new one with its password.
func (u *userImport) prepare(p *userRow) error {
	if p.fresh = p.record == nil; p.fresh {
		p.record = u.o.newRecord(u.users)
		p.record.Set("must_change_password", true)
		if !u.o.DryRun {
			var err error
			if p.password, err = initialPassword(u.o.Random); err != nil {
				return err
			}
			p.record.SetPassword(p.password)
		}
	} else {
		p.record = p.record.Clone()
	}
	return nil
}

// passwordLetters leave out what is mistaken for something else on paper.
const passwordLetters = "23456789abcdefghjkmnpqrstuvwxyz"

// initialPassword is twelve letters in three groups: 59 bits, and legible over the telephone.
func initialPassword(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	var out strings.Builder
	one := make([]byte, 1)
	for n := 0; n < 12; {
		if _, err := io.ReadFull(random, one); err != nil {
			return "", err
		}
		if one[0] >= 248 { // the greatest multiple of 31: every letter is as likely
			continue
		}
		if n > 0 && n%4 == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(passwordLetters[one[0]%31])
		n++
	}
	return out.String(), nil
}

func (u *userImport) take(tx core.App, rows []*userRow, report *Report) error {
	var taken []*userRow
	var secrets [][]string
	for _, p := range rows {
		before := map[string]string{}
		var changed []string
		for _, f := range slices.Sorted(maps.Keys(p.values)) {
			before[f] = p.record.GetString(f)
			if v := p.values[f]; v != "" && before[f] != v {
				p.record.Set(f, v)
				changed = append(changed, f)
			}
		}
		if p.fresh || changed != nil {
			refused, err := u.o.save(tx, p.record)
			if err != nil {
				return err
			}
			if refused != nil {
				report.bad(p.row, refused)
				continue
			}
		}
		switch {
		case p.fresh:
			report.New++
			secrets = append(secrets, []string{p.values["name"], p.values["mobile"], p.values["staff_no"], roleName(p.values["role"]), p.password})
		case changed != nil:
			p.changed = true
			for _, f := range changed {
				report.ChangedFields[f]++
			}
			if role := p.values["role"]; before["role"] != role {
				report.note("角色变了的人", fmt.Sprintf("%s：%s → %s", p.values["name"], roleName(before["role"]), roleName(role)))
			}
		}
		taken = append(taken, p)
	}
	people, err := u.people(tx, taken)
	if err != nil {
		return err
	}
	for _, p := range taken {
		if err := u.follow(tx, p, people, report); err != nil {
			return err
		}
		switch {
		case p.fresh:
		case p.changed:
			report.Changed++
		default:
			report.Unchanged++
		}
	}
	u.noteAbsent(rows, report)
	if len(secrets) == 0 || u.o.DryRun || u.o.Passwords == nil {
		return nil
	}
	report.Passwords = len(secrets)
	return u.o.Passwords(passwordHeader, secrets)
}

// people finds everybody by the words a manager may be given in, those of this file among them.
func (u *userImport) people(tx core.App, taken []*userRow) (map[string][]string, error) {
	words, err := named(tx, "users", "name", "mobile", "staff_no")
	if err != nil || !u.o.DryRun {
		return words, err
	}
	for _, p := range taken { // a dry run saved nobody
		if p.fresh {
			if p.record.Id == "" {
				p.record.Id = fmt.Sprintf("dry%012d", p.row.Line)
			}
			for _, f := range []string{"name", "mobile", "staff_no"} {
				if w := sameText(p.values[f]); w != "" {
					words[w] = append(words[w], p.record.Id)
				}
			}
		}
	}
	return words, nil
}

// follow sets what needs everybody to be there: the manager and the grids walked. Their faults are named and cost nothing else.
func (u *userImport) follow(tx core.App, p *userRow, people map[string][]string, report *Report) error {
	if p.manager != "" {
		id, bad := only(people, p.manager, "直接负责人")
		if bad == nil && id == p.record.Id {
			bad = rowErrorf("own_manager", "直接负责人不能是本人")
		}
		if bad != nil {
			report.note("直接负责人没有填上", fmt.Sprintf("第 %d 行 %s：%s", p.row.Line, p.values["name"], bad.Message))
		} else if p.record.GetString("manager") != id {
			p.record.Set("manager", id)
			if _, err := u.o.save(tx, p.record); err != nil {
				return err
			}
			u.count(p, "manager", report)
		}
	}
	if err := u.head(tx, p); err != nil || p.grids == nil {
		return err
	}
	var held []*core.Record
	if !p.fresh {
		var err error
		now := hooks.Stored(u.o.now())
		if held, err = tx.FindRecordsByFilter("assignments", "user = {:user} && (until = '' || until > {:now})", "id", 0, 0, dbx.Params{"user": p.record.Id, "now": now}); err != nil {
			return err
		}
	}
	var given, ended []string
	for _, id := range p.grids {
		if slices.ContainsFunc(held, func(a *core.Record) bool { return a.GetString("grid") == id }) {
			continue
		}
		a := u.o.newRecord(u.assignments)
		a.Load(map[string]any{"user": p.record.Id, "grid": id, "from": hooks.Stored(u.o.now())})
		if refused, err := u.o.save(tx, a); err != nil {
			return err
		} else if refused != nil {
			report.note("网格分配没有写上", fmt.Sprintf("第 %d 行 %s：%s", p.row.Line, p.values["name"], refused.Message))
			continue
		}
		given = append(given, u.gridName[id])
	}
	for _, a := range held {
		if slices.Contains(p.grids, a.GetString("grid")) {
			continue
		}
		a.Set("until", hooks.Stored(u.o.now()))
		if refused, err := u.o.save(tx, a); err != nil {
			return err
		} else if refused != nil {
			report.note("网格分配没有写上", fmt.Sprintf("第 %d 行 %s：%s", p.row.Line, p.values["name"], refused.Message))
			continue
		}
		ended = append(ended, u.gridName[a.GetString("grid")])
	}
	if given == nil && ended == nil {
		return nil
	}
	if !p.fresh {
		u.count(p, "assignments", report)
		line := p.values["name"] + "："
		if given != nil {
			line += "新增 " + strings.Join(given, "、")
		}
		if ended != nil {
			line += " 停止 " + strings.Join(ended, "、")
		}
		report.note("网格分配变了的人", line)
	}
	return nil
}

// head makes the head of a harbour that has none its head on the harbour's record too.
func (u *userImport) head(tx core.App, p *userRow) error {
	if u.o.DryRun || p.values["role"] != "harbour_head" {
		return nil
	}
	harbour, err := tx.FindRecordById("harbours", p.record.GetString("harbour"))
	if err != nil || harbour.GetString("head") != "" {
		return err
	}
	harbour.Set("head", p.record.Id)
	return tx.Save(harbour)
}

func (u *userImport) count(p *userRow, field string, report *Report) {
	if !p.fresh {
		p.changed = true
		report.ChangedFields[field]++
	}
}

// noteAbsent lists the accounts of the file's own roles that it does not name.
func (u *userImport) noteAbsent(rows []*userRow, report *Report) {
	roles, named := map[string]bool{}, map[string]bool{}
	for _, p := range rows {
		roles[p.values["role"]], named[p.record.Id] = true, true
	}
	var absent []string
	for _, r := range u.all {
		if roles[r.GetString("role")] && !named[r.Id] {
			absent = append(absent, fmt.Sprintf("%s（%s，%s）", r.GetString("name"), roleName(r.GetString("role")), r.GetString("mobile")+r.GetString("staff_no")))
		}
	}
	report.note("系统里有、文件里没有（或其行有问题）的同类用户（未改动）", absent...)
}
