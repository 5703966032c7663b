package fieldsync

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Server speaks the protocol for one app.
type Server struct {
	app       core.App
	now       hooks.Clock
	jobs      chan *job
	stop      chan struct{}
	stopped   chan struct{}
	guard     guard         // used by the writer only
	trusting  bool          // used by the writer only: the group in hand runs without savepoints
	disturbed bool          // used by the writer only: something happened that what was worked out ahead may rest on
	seen      state         // used by the writer only: the marks of the database after its last commit
	life      atomic.Int64  // grows with each commit that did more than put plain new rows
	working   chan struct{} // a place for each push that is worked out: a core fewer than there are, for the writer would wait behind them
	facts     atomic.Pointer[findings]
	upkeep    upkeep
	nudges    nudges
	waiting   atomic.Int64
	parsing   chan struct{} // a place for each push taken apart in memory: as many as make a group
	files     sync.RWMutex  // held for reading while a picture's file is named by nobody yet, for writing by the sweep
	uploads   chan struct{} // a place for each picture in memory
	turns     turns
}

// Bind attaches change capture to the app and the protocol's routes to its server. Domain rules are bound apart (hooks.Bind).
func Bind(app core.App, now hooks.Clock) {
	bindFeed(app, now)
	bindResolutions(app, now)
	bindDevices(app, now)
	bindRewrites(app, now)
	bindPictures(app)
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		if err := prepare(se.App, now); err != nil {
			return err
		}
		s := &Server{app: se.App, now: now, jobs: make(chan *job), stop: make(chan struct{}), stopped: make(chan struct{}),
			uploads: make(chan struct{}, uploadsAtOnce), parsing: make(chan struct{}, pushesAtOnce), working: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1))}
		se.App.Store().Set(serverKey, s)
		go s.runWriter()
		var background sync.WaitGroup
		ctx, cancel := context.WithCancel(context.Background())
		background.Go(func() { s.runMaintenance(ctx) })
		s.bindNudges(app)
		background.Go(func() { s.runNudges(ctx) })
		var once sync.Once
		app.OnTerminate().BindFunc(func(e *core.TerminateEvent) error {
			once.Do(func() {
				cancel()
				close(s.stop)
			})
			<-s.stopped
			background.Wait()
			return e.Next()
		})
		s.route(se)
		return se.Next()
	})
}

const serverKey = "fieldsync.server"

// serverOf finds the server that speaks for the app; nil while it does not serve.
func serverOf(app core.App) *Server {
	s, _ := app.Store().Get(serverKey).(*Server)
	return s
}

func (s *Server) route(se *core.ServeEvent) {
	group := se.Router.Group("/api/sync")
	group.Bind(apis.SkipSuccessActivityLog(), apis.BodyLimit(0)) // each call has its own limit, and says it
	group.POST("/hello", handle(s, MaxPushBytes, func(e *core.RequestEvent, body []byte) (any, error) {
		var req HelloRequest
		if err := decode(body, &req); err != nil {
			return nil, badRequest(err)
		}
		return s.hello(e.Auth, &req)
	}))
	group.POST("/push", handle(s, MaxPushBytes, func(e *core.RequestEvent, body []byte) (any, error) {
		leave, err := s.admit()
		if err != nil {
			return nil, err
		}
		defer leave()
		// What waits for its turn waits as it came: taken apart it is ten times as large.
		s.parsing <- struct{}{}
		defer func() { <-s.parsing }()
		req, err := parsePush(body)
		if err != nil {
			return nil, err
		}
		return s.push(e.Auth, req)
	}))
	group.POST("/pull", handle(s, MaxPushBytes, func(e *core.RequestEvent, body []byte) (any, error) {
		if e.Auth.GetBool("must_change_password") {
			return nil, refuse(http.StatusForbidden, "password_change_required")
		}
		var req PullRequest
		if err := decode(body, &req); err != nil {
			return nil, badRequest(err)
		}
		page, err := s.pull(e.Request.Context(), e.Auth, &req)
		if err == nil && req.Cursor == nil {
			hooks.LogSoon(e.App, hooks.Entry{At: s.now(), Action: "read", Target: "首次下载 " + req.Device}.From(e, e.Auth))
		}
		return page, err
	}))
	group.POST("/attachments", s.attachments)
	group.POST("/attachments/missing", handle(s, MaxPushBytes, func(e *core.RequestEvent, body []byte) (any, error) {
		var req MissingRequest
		if err := decode(body, &req); err != nil {
			return nil, badRequest(err)
		}
		if err := s.passBoundaries(req.Device, e.Auth, false); err != nil {
			return nil, err
		}
		missing, err := s.missing(e.Auth, &req)
		return MissingResponse{missing}, err
	}))
}

// handle is the frame of every JSON call: who asks, how large, what went wrong.
func handle(s *Server, max int64, f func(e *core.RequestEvent, body []byte) (any, error)) func(*core.RequestEvent) error {
	return func(e *core.RequestEvent) error {
		if err := signedIn(e); err != nil {
			return s.fail(e, err)
		}
		body, err := readBody(e.Request, max)
		if err != nil {
			return s.fail(e, err)
		}
		answer, err := f(e, body)
		if err != nil {
			return s.fail(e, err)
		}
		if page, ok := answer.(*pageBody); ok {
			defer page.free()
			return send(e, page.Bytes())
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			return s.fail(e, err)
		}
		return send(e, raw)
	}
}

// packers are taken when an answer is there, not when its question comes: one holds most of a megabyte, and two hundred phones
// may be waiting for the writer.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return w
}}

// packedFrom is the size in bytes from which an answer is worth packing.
const packedFrom = 1400

func send(e *core.RequestEvent, body []byte) error {
	header := e.Response.Header()
	header.Add("Vary", "Accept-Encoding")
	if len(body) < packedFrom || !takesGzip(e.Request.Header.Get("Accept-Encoding")) {
		return e.Blob(http.StatusOK, "application/json", body)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Encoding", "gzip")
	packer := packers.Get().(*gzip.Writer)
	defer packers.Put(packer)
	packer.Reset(e.Response)
	if _, err := packer.Write(body); err != nil {
		return err
	}
	return packer.Close()
}

// takesGzip tells whether an Accept-Encoding names gzip and does not refuse it (q=0).
func takesGzip(accept string) bool {
	for _, coding := range strings.Split(accept, ",") {
		if name, weight, _ := strings.Cut(coding, ";"); strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

// signedIn admits users only: a superuser has the console and holds no device.
func signedIn(e *core.RequestEvent) error {
	if e.Auth == nil || e.Auth.Collection().Name != "users" {
		return refuse(http.StatusUnauthorized, "unauthorized")
	}
	return nil
}

func badRequest(err error) error {
	e := refuse(http.StatusBadRequest, "bad_request")
	e.err.With("detail", clip(strings.TrimPrefix(err.Error(), "json: "), 200))
	return e
}

// decode reads one JSON object. A whole number is one however its writer puts it (1.0, 1e0), which Go's own reader does not grant.
func decode(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	var wrong *json.UnmarshalTypeError
	var fields map[string]json.RawMessage
	if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Value, "number") || json.Unmarshal(raw, &fields) != nil {
		return err
	}
	for name, value := range fields {
		if n, err := strconv.ParseFloat(string(value), 64); err == nil && n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			fields[name] = strconv.AppendFloat(nil, n, 'f', -1, 64)
		}
	}
	if raw, err = json.Marshal(fields); err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// readBody reads at most max bytes after unpacking: a small gzip must not become a large push.
func readBody(r *http.Request, max int64) ([]byte, error) {
	var in io.Reader = http.MaxBytesReader(nil, io.NopCloser(r.Body), max+1)
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, badRequest(err)
		}
		defer unpacked.Close()
		in = unpacked
	}
	body, err := io.ReadAll(io.LimitReader(in, max+1))
	var tooLarge *http.MaxBytesError
	if int64(len(body)) > max || errors.As(err, &tooLarge) {
		drain(r.Body)
		e := refuse(http.StatusRequestEntityTooLarge, "too_large")
		e.err.With("max", max)
		return nil, e
	}
	if err != nil {
		return nil, badRequest(err)
	}
	return body, nil
}

// drain reads on a little after a body proved too large: a client that is still sending would see a broken connection
// instead of the answer, and send the same again for ever.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 32<<20) }

// fail answers with the protocol's error shape; what is nobody's fault is logged and told without its inside.
func (s *Server) fail(e *core.RequestEvent, err error) error {
	var call *callError
	if errors.As(err, &call) {
		if call.status == http.StatusRequestEntityTooLarge {
			// The rest of the body was not read: it must not be taken for the next request.
			e.Response.Header().Set("Connection", "close")
		}
		if call.status == http.StatusTooManyRequests {
			e.Response.Header().Set("Retry-After", strconv.Itoa(slowDownSeconds))
		}
		return e.JSON(call.status, errorBody(call.err))
	}
	s.app.Logger().Error("sync call failed", "path", e.Request.URL.Path, "error", err)
	return e.JSON(http.StatusInternalServerError, errorBody(hooks.Err("internal")))
}

// errorBody has all three members, whatever there is to say.
func errorBody(e *hooks.Error) map[string]any {
	data := e.Data
	if data == nil {
		data = map[string]any{}
	}
	return map[string]any{"code": e.Code, "message": e.Message, "data": data}
}

// metaOf is what an upload says of its picture; browsers send a typed part as a file.
func metaOf(r *http.Request) []byte {
	if parts := r.MultipartForm.File["meta"]; len(parts) > 0 {
		if part, err := parts[0].Open(); err == nil {
			defer part.Close()
			raw, _ := io.ReadAll(part)
			return raw
		}
	}
	return []byte(r.FormValue("meta"))
}

// attachments takes one multipart upload: meta (JSON) and file.
func (s *Server) attachments(e *core.RequestEvent) error {
	if err := signedIn(e); err != nil {
		return s.fail(e, err)
	}
	const room = 64 << 10 // for meta and the multipart frame
	body := e.Request.Body
	e.Request.Body = http.MaxBytesReader(nil, io.NopCloser(body), MaxAttachmentBytes+room)
	if err := e.Request.ParseMultipartForm(room); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			drain(body)
			large := refuse(http.StatusRequestEntityTooLarge, "too_large")
			large.err.With("max", MaxAttachmentBytes)
			return s.fail(e, large)
		}
		return s.fail(e, badRequest(err))
	}
	defer e.Request.MultipartForm.RemoveAll() //nolint:errcheck // temporary files only
	var meta AttachmentMeta
	if err := decode(metaOf(e.Request), &meta); err != nil {
		return s.fail(e, badRequest(err))
	}
	file, _, err := e.Request.FormFile("file")
	if err != nil {
		return s.fail(e, badRequest(err))
	}
	defer file.Close()
	// It is in a temporary file by now: a slow phone keeps nobody waiting.
	s.uploads <- struct{}{}
	defer func() { <-s.uploads }()
	data, err := io.ReadAll(file)
	if err != nil {
		return s.fail(e, badRequest(err))
	}
	if len(data) > MaxAttachmentBytes {
		large := refuse(http.StatusRequestEntityTooLarge, "too_large")
		large.err.With("max", MaxAttachmentBytes)
		return s.fail(e, large)
	}
	result, err := s.attach(e.Auth, meta, data)
	if err != nil {
		return s.fail(e, err)
	}
	return e.JSON(http.StatusOK, result)
}
