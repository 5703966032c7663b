package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// maxUpload is what a desk may send: the attachment field of a batch holds no more.
const maxUpload = 20 << 20

// Bind adds the imports of the desks:
//
//	POST /api/imports/referrals[?batch=ID][&dry=1]  role department: its list, multipart file → Answer
//	GET  /api/imports/answers.xlsx                  role bank, with the right to export: what it has to answer
//	POST /api/imports/answers[?dry=1]               role bank: that workbook, filled in → Answer
//
// Each is a line of the access log. A file that cannot be taken at all is answered with {code, message} and, where rows were read, the Answer under data.report.
func Bind(app core.App, now hooks.Clock) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		d := &desks{now: now, turn: make(chan struct{}, 1)}
		g := se.Router.Group("/api/imports")
		g.Bind(apis.BodyLimit(0)) // take says in Chinese what is too large
		g.POST("/referrals", d.desk("department", "agency", "department_only", d.referrals))
		g.GET("/answers.xlsx", d.desk("bank", "bank", "bank_only", d.workbook))
		g.POST("/answers", d.desk("bank", "bank", "bank_only", d.answers))
		return se.Next()
	})
}

// Answer is what a desk is told of its file.
type Answer struct {
	DryRun    bool     `json:"dry_run"`
	Read      int      `json:"read"`
	New       int      `json:"new"`
	Changed   int      `json:"changed"`
	Unchanged int      `json:"unchanged"`
	Bad       []BadRow `json:"bad"`
	Notices   []Notice `json:"notices"`
	Warnings  []string `json:"warnings"`
	Batch     string   `json:"batch,omitempty"`
	// ErrorsCSV holds the rows not taken as they were, to be mended and sent by themselves; empty where there is none.
	ErrorsCSV string `json:"errors_csv,omitempty"`
}

type desks struct {
	now hooks.Clock
	// turn: one file at a time is taken apart, for a workbook unpacked may be large.
	turn chan struct{}
}

// desk lets in whoever has the role and the post that goes with it.
func (d *desks) desk(role, post, refusal string, serve func(*core.RequestEvent) error) func(*core.RequestEvent) error {
	return func(e *core.RequestEvent) error {
		switch {
		case e.Auth == nil || e.Auth.Collection().Name != "users":
			return e.JSON(http.StatusUnauthorized, hooks.Err("unauthorized"))
		case e.Auth.GetBool("must_change_password"):
			return e.JSON(http.StatusForbidden, hooks.Err("password_change_required"))
		case e.Auth.GetString("role") != role || e.Auth.GetString(post) == "":
			return e.JSON(http.StatusForbidden, hooks.Err(refusal))
		}
		return serve(e)
	}
}

func (d *desks) options(e *core.RequestEvent, file string) Options {
	line := hooks.Entry{At: d.now(), Action: "import", Target: file}.From(e, e.Auth)
	return Options{Now: d.now, DryRun: e.Request.URL.Query().Get("dry") == "1", Actor: e.Auth, Line: &line}
}

func (d *desks) referrals(e *core.RequestEvent) error {
	return d.take(e, func(r io.Reader, name string) (Report, error) {
		return ImportReferrals(e.App, r, d.options(e, name), ReferralList{Agency: e.Auth.GetString("agency"), Batch: e.Request.URL.Query().Get("batch"), File: name})
	})
}

func (d *desks) answers(e *core.RequestEvent) error {
	return d.take(e, func(r io.Reader, name string) (Report, error) {
		return ImportAnswers(e.App, r, d.options(e, name), e.Auth.GetString("bank"))
	})
}

// take reads the file of a multipart request and answers with what became of it.
func (d *desks) take(e *core.RequestEvent, do func(r io.Reader, name string) (Report, error)) error {
	e.Request.Body = http.MaxBytesReader(nil, io.NopCloser(e.Request.Body), maxUpload+64<<10)
	file, header, err := e.Request.FormFile("file")
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			// The rest of the body was not read: it must not be taken for the next request.
			e.Response.Header().Set("Connection", "close")
			return e.JSON(http.StatusRequestEntityTooLarge, hooks.Err("too_large"))
		}
		return e.JSON(http.StatusBadRequest, hooks.Err("file_needed"))
	}
	defer e.Request.MultipartForm.RemoveAll() //nolint:errcheck // temporary files only
	defer file.Close()
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	report, err := do(file, header.Filename)
	answer, werr := report.answer()
	if werr != nil {
		return werr
	}
	var refused *hooks.Error
	switch {
	case errors.As(err, &refused):
		if report.Read > 0 {
			refused.With("report", answer)
		}
		return e.JSON(http.StatusUnprocessableEntity, refused)
	case err != nil:
		e.App.Logger().Error("import failed", "path", e.Request.URL.Path, "error", err)
		return e.JSON(http.StatusInternalServerError, hooks.Err("internal"))
	}
	return e.JSON(http.StatusOK, answer)
}

func (r *Report) answer() (*Answer, error) {
	a := &Answer{DryRun: r.DryRun, Read: r.Read, New: r.New, Changed: r.Changed, Unchanged: r.Unchanged, Bad: slices.Clone(r.BadRows), Notices: r.Notices, Batch: r.Batch, Warnings: []string{}}
	if a.Notices == nil {
		a.Notices = []Notice{}
	}
	if a.Bad == nil {
		a.Bad = []BadRow{}
	}
	for code := range r.Warnings {
		a.Warnings = append(a.Warnings, warningLabels[code])
	}
	slices.Sort(a.Warnings)
	if len(r.BadRows) > 0 {
		var b bytes.Buffer
		if err := writeBadRows(&b, r.Header, r.BadRows); err != nil {
			return nil, err
		}
		a.ErrorsCSV = b.String()
	}
	return a, nil
}

func (d *desks) workbook(e *core.RequestEvent) error {
	if !hooks.MayExport(e.Auth) {
		return e.JSON(http.StatusForbidden, hooks.Err("export_not_allowed"))
	}
	f, err := AnswerWorkbook(e.App, e.Auth.GetString("bank"))
	if err != nil {
		return err
	}
	defer f.Close()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return err
	}
	rows, err := f.GetRows(answerList.what)
	if err != nil {
		return err
	}
	// An export that cannot be logged does not happen.
	line := hooks.Entry{At: d.now(), Action: "export", Collection: "demand_matches", Target: "银行答复表", Rows: len(rows) - 1}
	if err := hooks.Log(e.App, line.From(e, e.Auth)); err != nil {
		return err
	}
	e.Response.Header().Set("Content-Disposition", `attachment; filename="answers.xlsx"`)
	e.Response.Header().Set("Cache-Control", "no-store")
	return e.Blob(http.StatusOK, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b.Bytes())
}
