package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// portal is the officials' way to the reports.
type portal struct {
	now     func() time.Time
	store   warehouse
	guesses *hooks.Guesses
}

// BindPortal registers the officials' pages under /reports. What a reader may see is decided here, on every request, never in a page.
func BindPortal(app core.App, now func() time.Time) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		p := &portal{now: now, store: warehouse{filepath.Join(se.App.DataDir(), "warehouse")}, guesses: hooks.GuessesOf(app, now)}
		small := apis.BodyLimit(64 << 10)
		se.Router.GET("/reports", p.guarded(p.home))
		se.Router.GET("/reports/{$}", p.guarded(p.home))
		se.Router.GET("/reports/login", p.open(p.loginForm))
		se.Router.POST("/reports/login", p.open(p.login)).Bind(small)
		se.Router.POST("/reports/logout", p.open(p.logout)).Bind(small)
		se.Router.GET("/reports/password", p.open(p.passwordForm))
		se.Router.POST("/reports/password", p.open(p.password)).Bind(small)
		se.Router.GET("/reports/runs", p.guarded(p.runs))
		se.Router.GET("/reports/{date}/{$}", p.guarded(p.list))
		se.Router.GET("/reports/{date}", p.guarded(func(e *core.RequestEvent, _ *reader) error {
			return e.Redirect(http.StatusSeeOther, "/reports/"+day(e)+"/")
		}))
		se.Router.GET("/reports/{date}/{file}", p.guarded(p.file))
		return se.Next()
	})
}

// open serves a page to anyone; every answer of the portal goes out with these headers.
func (p *portal) open(f func(*core.RequestEvent) error) func(*core.RequestEvent) error {
	return func(e *core.RequestEvent) error {
		h := e.Response.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		if err := f(e); err != nil {
			e.App.Logger().Error("reports: page failed", "path", e.Request.URL.Path, "error", err)
			return p.message(e, http.StatusInternalServerError, nil, "暂时无法显示", "服务器出错，请稍后再试；如一直如此，请联系管理员。")
		}
		return nil
	}
}

// guarded serves a page to those the portal is for, and tells the others why not.
func (p *portal) guarded(f func(*core.RequestEvent, *reader) error) func(*core.RequestEvent) error {
	return p.open(func(e *core.RequestEvent) error {
		r, err := readerOf(e)
		if err != nil {
			return p.refuse(e, err)
		}
		return f(e, r)
	})
}

func (p *portal) refuse(e *core.RequestEvent, err error) error {
	switch {
	case errors.Is(err, errSignedOut):
		target := "/reports/login"
		if next := backTo(e.Request.URL.Path); next != "/reports" {
			target += "?next=" + next
		}
		return e.Redirect(http.StatusSeeOther, target)
	case errors.Is(err, errMustChange):
		return e.Redirect(http.StatusSeeOther, "/reports/password")
	case errors.Is(err, errNotForRole):
		return p.message(e, http.StatusForbidden, nil, "本页面供主管部门和镇街使用",
			"您的账号不能查看统计报告。网格员、港湾工作人员、联络员、银行和部门账号请使用走访应用；如需查看报告，请联系区管理员开通主管部门或镇街账号。")
	case errors.Is(err, errNoStreet):
		return p.message(e, http.StatusForbidden, nil, "账号未设置所属镇街", "您的账号没有填写所属镇街，无法确定可以查看哪些报告，请联系区管理员补充。")
	case errors.Is(err, errWrongAddress):
		return p.message(e, http.StatusForbidden, nil, "不能从此地址登录", "系统管理员账号只能从指定的网络地址登录。")
	}
	return err
}

// view is what every page of the portal is drawn from.
type view struct {
	Title, Text string
	Notice      string // why last night's figures are not there
	Reader      *reader
	Form, Next  string
	Identity    string
	Wrong       string
	Must        bool
	Run         *published
	Status      string
	Dates       []string
	Groups      []listGroup
	Runs        []runLine
	Missed      []string
}

type listGroup struct {
	Title string
	Rows  []listRow
}

type listRow struct {
	Name                 string
	Coverage, Conversion *Entry
}

func (p *portal) show(e *core.RequestEvent, status int, page string, v view) error {
	if v.Reader != nil && v.Form == "" {
		v.Form = formToken(e) // the sign-out button is a form too
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, v); err != nil {
		return err
	}
	return e.HTML(status, b.String())
}

func (p *portal) message(e *core.RequestEvent, status int, r *reader, title, text string) error {
	return p.show(e, status, "message.html", view{Title: title, Text: text, Reader: r})
}

func (p *portal) loginForm(e *core.RequestEvent) error {
	return p.show(e, http.StatusOK, "login.html", view{Title: "登录", Form: formToken(e), Next: backTo(e.Request.URL.Query().Get("next"))})
}

// wrongPassword is all a failed sign-in is ever told: not whether the account exists.
const wrongPassword = "账号或密码不正确。"

func (p *portal) login(e *core.RequestEvent) error {
	identity, password := strings.TrimSpace(e.Request.PostFormValue("identity")), e.Request.PostFormValue("password")
	next := backTo(e.Request.PostFormValue("next"))
	again := func(status int, wrong string) error {
		return p.show(e, status, "login.html", view{Title: "登录", Form: formToken(e), Next: next, Identity: identity, Wrong: wrong})
	}
	if !ownForm(e) {
		return again(http.StatusForbidden, "登录页面已过期，请重新登录。")
	}
	if len(identity) > 255 || len(password) > 255 {
		return again(http.StatusUnauthorized, wrongPassword)
	}
	record := findAccount(e.App, identity)
	wait, done := p.guesses.Try(record, identity, e.RealIP())
	if wait > 0 {
		e.Response.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		return again(http.StatusTooManyRequests, hooks.TooManyGuesses(wait).Message+"。")
	}
	if record == nil {
		// As long as for a known account, so that time does not tell either.
		if any, err := e.App.FindFirstRecordByFilter("users", "id != ''"); err == nil {
			any.ValidatePassword(password)
		}
		hooks.LogSoon(e.App, p.line(e, nil, "sign_in_failed", ""))
		return again(http.StatusUnauthorized, wrongPassword)
	}
	if !record.ValidatePassword(password) || !admitted(e, record) {
		hooks.LogSoon(e.App, p.line(e, record, "sign_in_failed", ""))
		return again(http.StatusUnauthorized, wrongPassword)
	}
	done()
	hooks.LogSoon(e.App, p.line(e, record, "sign_in", ""))
	_, err := readerFor(e, record)
	if err != nil && !errors.Is(err, errMustChange) {
		return p.refuse(e, err)
	}
	if err := setSession(e, record); err != nil {
		return err
	}
	if err != nil {
		return p.refuse(e, err)
	}
	return e.Redirect(http.StatusSeeOther, next)
}

func (p *portal) logout(e *core.RequestEvent) error {
	if !ownForm(e) {
		return p.message(e, http.StatusForbidden, nil, "未能退出", "请返回报告页面，再点“退出”。")
	}
	setCookie(e, sessionCookie, "", -1)
	return e.Redirect(http.StatusSeeOther, "/reports/login")
}

// passwordReader admits those who must change their password too; it is the one page open to them.
func passwordReader(e *core.RequestEvent) (r *reader, must bool, err error) {
	r, err = readerOf(e)
	if errors.Is(err, errMustChange) {
		return r, true, nil
	}
	if err == nil && r.Super {
		return nil, false, errSignedOut
	}
	return r, false, err
}

func (p *portal) passwordForm(e *core.RequestEvent) error {
	r, must, err := passwordReader(e)
	if err != nil {
		return p.refuse(e, err)
	}
	return p.show(e, http.StatusOK, "password.html", view{Title: "修改密码", Reader: r, Must: must})
}

func (p *portal) password(e *core.RequestEvent) error {
	r, must, err := passwordReader(e)
	if err != nil {
		return p.refuse(e, err)
	}
	old, first, second := e.Request.PostFormValue("old"), e.Request.PostFormValue("new"), e.Request.PostFormValue("again")
	again := func(status int, wrong string) error {
		return p.show(e, status, "password.html", view{Title: "修改密码", Reader: r, Must: must, Wrong: wrong})
	}
	if !ownForm(e) {
		return again(http.StatusForbidden, "页面已过期，请重新填写。")
	}
	if first != second {
		return again(http.StatusUnprocessableEntity, "两次输入的新密码不一致。")
	}
	err = hooks.ChangePassword(e.Request.Context(), e.App, p.guesses, r.record, old, first)
	var refused *hooks.Error
	switch {
	case errors.As(err, &refused) && refused.Code == "slow_down":
		return again(http.StatusTooManyRequests, refused.Message+"。")
	case errors.As(err, &refused):
		return again(http.StatusUnprocessableEntity, refused.Message+"。")
	case err != nil:
		return err
	}
	// The old session ended with the old password.
	if err := setSession(e, r.record); err != nil {
		return err
	}
	return e.Redirect(http.StatusSeeOther, "/reports")
}

func (p *portal) home(e *core.RequestEvent, r *reader) error {
	current, err := p.store.current()
	if errors.Is(err, errNoRun) {
		return p.empty(e, r)
	}
	if err != nil {
		return err
	}
	return e.Redirect(http.StatusSeeOther, "/reports/"+current.Date+"/")
}

func (p *portal) empty(e *core.RequestEvent, r *reader) error {
	notice, err := p.notice(e.App, r)
	if err != nil {
		return err
	}
	return p.message(e, http.StatusOK, r, "还没有发布的报告", notice+"统计在每天凌晨1时30分运行，检查通过后发布前一天的报告，请届时再来。")
}

// lastNight is the day whose figures should be there: they are made in the night after it, at 01:30 in Shanghai.
func lastNight(now time.Time) string { return hooks.Day(now.Add(-25*time.Hour - 30*time.Minute)) }

// notice says in words that last night's figures did not come, and why; "" when they did. A street reads that it is so,
// the district also what the run said.
func (p *portal) notice(app core.App, r *reader) (string, error) {
	shown, err := p.store.current()
	if err != nil && !errors.Is(err, errNoRun) {
		return "", err
	}
	date := lastNight(p.now())
	behind := shown.Date < date
	runs, err := app.FindRecordsByFilter("report_runs", "date = {:date} && provisional = false", "-@rowid", 1, 0, dbx.Params{"date": date})
	if err != nil {
		return "", err
	}
	status, message := "missing", ""
	if len(runs) > 0 {
		status, message = runs[0].GetString("status"), runs[0].GetString("message")
	}
	said := dayWords(date) + "的统计"
	switch {
	case status == "published" || !behind && (status == "running" || status == "missing") || shown.Date == "" && status == "missing":
		return "", nil
	case status == "missing":
		said += "没有运行（凌晨1时30分以后服务未开启）。"
	case status == "running":
		said += "正在运行，请稍后刷新。"
	case status == "blocked":
		said += "没有通过检查，未发布。"
	case status == "stopped":
		said += "因服务关闭而停下，服务再次启动后自动补做。"
	default:
		said += "失败，未发布。"
	}
	switch {
	case !behind:
		said += "报告仍是此前生成的。"
	case shown.Date != "":
		said += "现有最新报告为" + dayWords(shown.Date) + "。"
	}
	if r.District() && (status == "blocked" || status == "failed") {
		said += "运行记录：" + message + "。"
	}
	return said, nil
}

// day is the date of the address, or nothing if it is not one: what goes back into a page or an address is never free text.
func day(e *core.RequestEvent) string {
	if d := e.Request.PathValue("date"); dayForm.MatchString(d) {
		return d
	}
	return "0000-00-00"
}

func (p *portal) list(e *core.RequestEvent, r *reader) error {
	run, err := p.store.at(day(e))
	switch {
	case errors.Is(err, errNoRun):
		return p.empty(e, r)
	case errors.Is(err, fs.ErrNotExist):
		return p.message(e, http.StatusNotFound, r, "没有这一天的报告", "这一天没有统计，或报告已超过保留期限。")
	case err != nil:
		return err
	}
	dates, err := p.store.dates()
	if err != nil {
		return err
	}
	groups := []listGroup{{Title: "全区"}, {Title: "街道"}, {Title: "镇乡"}}
	for i, entry := range run.Entries {
		if !r.may(entry) {
			continue
		}
		g := &groups[2]
		switch entry.Kind {
		case "district":
			g = &groups[0]
		case "street":
			g = &groups[1]
		}
		if n := len(g.Rows); n == 0 || g.Rows[n-1].Name != entry.AreaName {
			g.Rows = append(g.Rows, listRow{Name: entry.AreaName})
		}
		row := &g.Rows[len(g.Rows)-1]
		if entry.Report == "coverage" {
			row.Coverage = &run.Entries[i]
		} else {
			row.Conversion = &run.Entries[i]
		}
	}
	notice, err := p.notice(e.App, r)
	if err != nil {
		return err
	}
	v := view{Title: "统计报告", Notice: notice, Reader: r, Run: run, Dates: dates, Groups: groups, Status: run.Info.Status}
	if len(groups[0].Rows)+len(groups[1].Rows)+len(groups[2].Rows) == 0 {
		v.Text = "这一天没有您可以查看的报告。"
	}
	return p.show(e, http.StatusOK, "list.html", v)
}

func (p *portal) file(e *core.RequestEvent, r *reader) error {
	gone := func() error {
		return p.message(e, http.StatusNotFound, r, "没有这份报告", "这一天没有这份报告，或报告已超过保留期限。")
	}
	run, err := p.store.at(day(e))
	if errors.Is(err, errNoRun) || errors.Is(err, fs.ErrNotExist) {
		return gone()
	}
	if err != nil {
		return err
	}
	entry, ok := run.entry(e.Request.PathValue("file"))
	book := false
	if !ok {
		entry, ok = run.workbook(e.Request.PathValue("file"))
		book = ok
	}
	if !ok {
		if !r.District() { // which reports exist is not a street's business either
			return p.notYours(e, r)
		}
		return gone()
	}
	if !r.may(entry) {
		return p.notYours(e, r)
	}
	action := "read"
	if book && !hooks.MayExport(r.record) {
		return p.message(e, http.StatusForbidden, r, "没有导出权限", hooks.Message("export_not_allowed")+"。")
	}
	if book {
		entry.File, action = entry.Workbook, "export"
	}
	b, err := run.read(entry)
	if errors.Is(err, fs.ErrNotExist) {
		return gone()
	}
	if err != nil {
		return err
	}
	if err := hooks.Log(e.App, p.line(e, r.record, action, entry.File+" "+run.Date)); err != nil {
		return err // a read that cannot be logged does not happen
	}
	if book {
		// The name in which it is filed; programs that know no UTF-8 there take the plain one.
		e.Response.Header().Set("Content-Disposition", `attachment; filename="`+entry.File+`"; filename*=UTF-8''`+url.PathEscape(entry.Title+" "+run.Date+".xlsx"))
		return e.Blob(http.StatusOK, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b)
	}
	return e.HTML(http.StatusOK, string(b))
}

// workbook finds a report by the name that the index gives its workbook.
func (p *published) workbook(file string) (Entry, bool) {
	i := slices.IndexFunc(p.Entries, func(e Entry) bool { return e.Workbook == file })
	if i < 0 || filepath.Base(p.Entries[i].Workbook) != file {
		return Entry{}, false
	}
	return p.Entries[i], true
}

func (p *portal) notYours(e *core.RequestEvent, r *reader) error {
	return p.message(e, http.StatusForbidden, r, "不能查看这份报告", "镇街账号只能查看本镇街（"+r.StreetName+"）的报告。")
}

// line begins a line of the access log for this request.
func (p *portal) line(e *core.RequestEvent, account *core.Record, action, target string) hooks.Entry {
	return hooks.Entry{At: p.now(), Action: action, Target: target, Via: "portal"}.From(e, account)
}

// runLine is a pipeline run in words.
type runLine struct {
	Date, RunID, Status, Class, When, Message string
	Seq                                       int
	Provisional                               bool
	Findings                                  []string
}

var runStatus = []pair{{"running", "运行中"}, {"published", "已发布"}, {"blocked", "未发布（检查未过）"}, {"failed", "失败"}, {"stopped", "已停止（服务关闭）"}}

func (p *portal) runs(e *core.RequestEvent, r *reader) error {
	if !r.District() {
		return p.message(e, http.StatusForbidden, r, "不能查看运行记录", "运行记录供区级主管部门查看。")
	}
	records, err := e.App.FindRecordsByFilter("report_runs", "", "-started_at,-id", 60, 0)
	if err != nil {
		return err
	}
	v := view{Title: "统计运行记录", Reader: r}
	if v.Notice, err = p.notice(e.App, r); err != nil {
		return err
	}
	if v.Missed, err = p.missed(e.App); err != nil {
		return err
	}
	for _, rec := range records {
		line := runLine{Date: rec.GetString("date"), RunID: rec.GetString("run_id"), Status: word(runStatus, rec.GetString("status")), Class: rec.GetString("status"),
			Message: rec.GetString("message"), Seq: rec.GetInt("seq"), Provisional: rec.GetBool("provisional")}
		if t := rec.GetDateTime("started_at").Time(); !t.IsZero() {
			line.When = t.In(hooks.Shanghai).Format("2006-01-02 15:04")
			if end := rec.GetDateTime("finished_at").Time(); !end.IsZero() {
				line.When += fmt.Sprintf("，用时%s", tookWords(end.Sub(t)))
			}
		}
		var findings []struct {
			Severity, Message string
			Rows              int64
		}
		// A finding's sample stays in the console: it may show rows.
		if json.Unmarshal([]byte(rec.GetString("findings")), &findings) == nil {
			for _, f := range findings {
				s := "提醒：" + f.Message
				if f.Severity == "block" {
					s = "阻断发布：" + f.Message
				}
				if f.Rows > 0 {
					s += fmt.Sprintf("（%d处）", f.Rows)
				}
				line.Findings = append(line.Findings, s)
			}
		}
		v.Runs = append(v.Runs, line)
	}
	if len(v.Runs) == 0 {
		v.Text = "还没有运行过统计。统计在每天凌晨1时30分运行。"
	}
	return p.show(e, http.StatusOK, "runs.html", v)
}

// missed are the days of the last two weeks before last night's that have no figures, since there have been any.
func (p *portal) missed(app core.App) ([]string, error) {
	var published []string
	if err := app.DB().NewQuery("SELECT DISTINCT date FROM report_runs WHERE status = 'published' ORDER BY date").Column(&published); err != nil || len(published) == 0 {
		return nil, err
	}
	var out []string
	for n := 1; n <= 14; n++ {
		date := lastNight(p.now().AddDate(0, 0, -n))
		if date > published[0] && !slices.Contains(published, date) {
			out = append(out, dayWords(date))
		}
	}
	return out, nil
}

func tookWords(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d秒", int(d.Seconds()))
	}
	return fmt.Sprintf("%d分%d秒", int(d.Minutes()), int(d.Seconds())%60)
}
