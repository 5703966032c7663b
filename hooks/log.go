package hooks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

// The access log (操作日志, collection read_log): who read, exported and changed what. Its lines are written once; triggers keep
// them even against plain SQL, for as many days as a dated parameter says. What phones send is not in it a second time: sync_mutations names the device of each change.

// Entry is one line of the access log. Collection, Record, Target, Rows and Changes stay empty where they mean nothing.
type Entry struct {
	ID     string    `json:"id"` // empty: a new one is made
	At     time.Time `json:"at"`
	Action string    `json:"action"` // read, export, create, update, delete, sign_in, sign_in_failed, import, merge, undo
	// Actor is a user's name, a superuser's e-mail, or for a command the operating system's user.
	Actor      string         `json:"actor"`
	ActorID    string         `json:"actor_id"`
	ActorRole  string         `json:"actor_role"`
	Collection string         `json:"collection"`
	Record     string         `json:"record"`
	Target     string         `json:"target"` // a filter, a file, a report
	Rows       int            `json:"rows"`
	Changes    map[string]any `json:"changes"`
	Via        string         `json:"via"` // app, portal, console, api, command
	Address    string         `json:"address"`
}

// By fills in the account; nil leaves the entry nobody's.
func (e Entry) By(account *core.Record) Entry {
	if account == nil {
		return e
	}
	e.ActorID, e.Actor, e.ActorRole = account.Id, account.GetString("name"), account.GetString("role")
	if account.IsSuperuser() {
		e.Actor, e.ActorRole = account.Email(), "superuser"
	}
	return e
}

// From fills in the account that asks and what the request tells: the address, and for a superuser whether he sits at the console.
func (e Entry) From(r *core.RequestEvent, account *core.Record) Entry {
	e = e.By(account)
	e.Address = r.RealIP()
	if e.Via != "" {
		return e
	}
	e.Via = "app"
	if e.ActorRole == "superuser" {
		e.Via = "api"
		if page, err := url.Parse(r.Request.Referer()); err == nil && strings.HasPrefix(page.Path, "/_/") {
			e.Via = "console"
		}
	}
	return e
}

// Operator fills in that a command on the server does it, for whoever is signed in to the operating system.
func (e Entry) Operator() Entry {
	e.ActorRole, e.Via = "operator", "command"
	if u, err := user.Current(); err == nil {
		e.Actor = u.Username
	}
	return e
}

// Log writes one line now, in app's transaction where it is in one: a change and its line stand or fall together.
func Log(app core.App, e Entry) error {
	c, err := app.FindCachedCollectionByNameOrId("read_log")
	if err != nil {
		return err
	}
	line := core.NewRecord(c)
	for name, value := range map[string]string{"id": e.ID, "action": e.Action, "via": e.Via} {
		line.Set(name, value)
	}
	for name, value := range map[string]string{"actor": e.Actor, "actor_id": e.ActorID, "actor_role": e.ActorRole, "collection": e.Collection,
		"record": e.Record, "target": e.Target, "address": e.Address} {
		if runes := []rune(value); len(runes) > c.Fields.GetByName(name).(*core.TextField).Max {
			value = string(runes[:c.Fields.GetByName(name).(*core.TextField).Max])
		}
		line.Set(name, value)
	}
	line.Set("rows", e.Rows)
	line.Set("at", Stored(e.At))
	if len(e.Changes) > 0 {
		line.Set("changes", e.Changes)
	}
	return app.Save(line)
}

// LogSoon writes one line in the background: reading must not wait for the one writer, which an import may hold for seconds.
// The line is in a file before LogSoon returns, so that a process that is killed does not lose it: the next start writes it.
// Only a power cut within the same second can.
func LogSoon(app core.App, e Entry) {
	if q, ok := app.Store().Get(logQueueKey).(*logQueue); ok {
		q.add(e)
		return
	}
	if err := Log(app, e); err != nil { // no server: nobody waits
		app.Logger().Error("access log", "error", err, "entry", e)
	}
}

// FlushLog returns when every line given to LogSoon before is in the database.
func FlushLog(app core.App) {
	if q, ok := app.Store().Get(logQueueKey).(*logQueue); ok {
		q.flush()
	}
}

const (
	logQueueKey = "gangwan.log"
	spoolFile   = "read_log.spool"
)

// logQueue holds lines between the request and the database.
type logQueue struct {
	app     core.App
	path    string
	mu      sync.Mutex
	file    *os.File
	pending []Entry
	closed  bool
	writing sync.Mutex
	wake    chan struct{}
	done    chan struct{}
}

// openLogQueue takes up what a process that was killed has left.
func openLogQueue(app core.App) (*logQueue, error) {
	q := &logQueue{app: app, path: filepath.Join(app.DataDir(), spoolFile), wake: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if q.file, err = os.OpenFile(q.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(q.file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) == nil { // the last may be half a line
			q.pending = append(q.pending, e)
		}
	}
	return q, lines.Err()
}

func (q *logQueue) run() {
	defer close(q.done)
	for range q.wake {
		q.flush()
	}
}

func (q *logQueue) add(e Entry) {
	e.ID = core.GenerateDefaultRandomId()
	raw, err := json.Marshal(e)
	q.mu.Lock()
	defer q.mu.Unlock()
	if err == nil {
		_, err = q.file.Write(append(raw, '\n'))
	}
	if err != nil {
		q.app.Logger().Error("access log: spool", "error", err, "entry", e)
	}
	q.pending = append(q.pending, e)
	if q.closed {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// flush writes what is pending in one transaction; what cannot be written now stays for the next time.
func (q *logQueue) flush() {
	q.writing.Lock()
	defer q.writing.Unlock()
	q.mu.Lock()
	batch := q.pending
	q.mu.Unlock()
	if len(batch) == 0 || !q.app.IsBootstrapped() {
		return
	}
	err := q.app.RunInTransaction(func(tx core.App) error {
		for _, e := range batch {
			var there int
			if err := tx.DB().NewQuery(`SELECT count(*) FROM read_log WHERE id = {:id}`).Bind(dbx.Params{"id": e.ID}).Row(&there); err != nil {
				return err
			}
			if there > 0 {
				continue
			}
			if err := Log(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		q.app.Logger().Error("access log", "error", err, "lines", len(batch))
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending = q.pending[len(batch):]; len(q.pending) == 0 {
		q.pending = nil
		if err := q.file.Truncate(0); err != nil {
			q.app.Logger().Error("access log: spool", "error", err)
		}
	}
}

func (q *logQueue) close() {
	q.mu.Lock()
	q.closed = true
	close(q.wake)
	q.mu.Unlock()
	<-q.done
	q.flush()
	_ = q.file.Close()
}

// keptTables are append-only: their names, and the triggers that keep them so, by name.
var keptTables = map[string]string{"sync_audit": "audit_kept_", "read_log": "log_kept_"}

// logKeepDays is the dated parameter that says for how many days lines of the access log are kept: 400 where there is none, never
// fewer than leastLogDays (网络安全法第二十一条: six months at least).
const (
	logKeepDays  = "log.keep_days"
	leastLogDays = 180
)

// logOver is the SQL of the time before which the access log's lines may go: by the server's clock, unknown while that never ran.
var logOver = fmt.Sprintf(`strftime('%%Y-%%m-%%d %%H:%%M:%%fZ', (SELECT now FROM sync_clock), '-' || COALESCE((SELECT CASE WHEN p.value NOT GLOB '*[^0-9]*' AND length(p.value) BETWEEN 1 AND 4 THEN max(%d, CAST(p.value AS INTEGER)) ELSE 400 END`+
	` FROM parameters p, sync_clock c WHERE p.code = '%s' AND p."from" <= c.now AND (p.until = '' OR p.until > c.now) ORDER BY p."from" DESC, p.id LIMIT 1), 400) || ' days')`, leastLogDays, logKeepDays)

// ExpireLog removes the oldest lines of the access log whose time is over, at most as many as asked for, and writes a line about
// it. It returns how many went.
func ExpireLog(app core.App, now time.Time, most int) (int, error) {
	result, err := app.DB().NewQuery(`DELETE FROM read_log WHERE id IN (SELECT id FROM read_log WHERE at != '' AND at < ` + logOver + ` ORDER BY at LIMIT {:most})`).
		Bind(dbx.Params{"most": most}).Execute()
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	if err != nil || n == 0 {
		return 0, err
	}
	return int(n), Log(app, Entry{At: now, Action: "delete", Actor: "系统", Collection: "read_log", Target: "保存期满", Rows: int(n)})
}

// KeptTriggers are the triggers that let nobody change a line of a log, or delete one before its time, as their SQL by name. They came with the
// migrations; a collection that is deleted and made anew loses them without a word.
func KeptTriggers() map[string]string {
	out := map[string]string{}
	for table, prefix := range keptTables {
		for _, does := range []string{"update", "delete"} {
			when := ""
			if table == "read_log" && does == "delete" {
				when = " WHEN COALESCE(OLD.at = '' OR OLD.at >= " + logOver + ", 1)"
			}
			out[prefix+does] = fmt.Sprintf(`CREATE TRIGGER %s%s BEFORE %s ON %s%s BEGIN SELECT RAISE(ABORT, '%[4]s is append-only'); END`, prefix, does, strings.ToUpper(does), table, when)
		}
	}
	return out
}

// MissingKept names the triggers of KeptTriggers that the database lacks, or has in another form, sorted.
func MissingKept(db dbx.Builder) ([]string, error) {
	var rows []struct{ Name, SQL string }
	if err := db.NewQuery(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger'`).All(&rows); err != nil {
		return nil, err
	}
	want := KeptTriggers()
	for _, r := range rows {
		if want[r.Name] == r.SQL {
			delete(want, r.Name)
		}
	}
	var missing []string
	for name := range want {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	return missing, nil
}

// EnsureKept makes the triggers of KeptTriggers where they are missing.
func EnsureKept(app core.App) error {
	return app.RunInTransaction(func(tx core.App) error {
		missing, err := MissingKept(tx.DB())
		for _, name := range missing {
			for _, q := range []string{"DROP TRIGGER IF EXISTS " + name, KeptTriggers()[name]} {
				if _, failed := tx.DB().NewQuery(q).Execute(); failed != nil {
					err = errors.Join(err, failed)
				}
			}
		}
		return err
	})
}

// noted carries the request's line from the request, which alone knows who asks, to the save, in whose transaction it is written.
const noted = "@noted"

// BindLog writes the access log for what is read and changed by PocketBase's own API, the console's among it. Portal, sync and
// commands call Log and LogSoon themselves.
func BindLog(app core.App, now Clock) {
	app.OnServe().BindFunc(func(se *core.ServeEvent) error {
		if err := EnsureKept(se.App); err != nil {
			return err
		}
		q, err := openLogQueue(se.App)
		if err != nil {
			return err
		}
		se.App.Store().Set(logQueueKey, q)
		go q.run()
		q.flush()
		var once sync.Once
		app.OnTerminate().BindFunc(func(e *core.TerminateEvent) error {
			once.Do(func() {
				app.Store().Remove(logQueueKey)
				q.close()
			})
			return e.Next()
		})
		return se.Next()
	})
	kept := func(*core.RecordEvent) error { return apis.NewBadRequestError(Message("log_kept"), nil) }
	app.OnRecordUpdate("read_log").BindFunc(kept)
	app.OnRecordDelete("read_log").BindFunc(kept)
	app.OnRecordCreateRequest("read_log").BindFunc(func(*core.RecordRequestEvent) error {
		return apis.NewForbiddenError(Message("system_only"), nil)
	})
	OnValidate(app, "parameters", func(e *core.RecordEvent) error {
		days, err := strconv.Atoi(e.Record.GetString("value"))
		if e.Record.GetString("code") == logKeepDays && (err != nil || days < leastLogDays || days > 9999) {
			return Violation("value", "log_days")
		}
		return e.Next()
	})
	bindReads(app, now)
	bindChanges(app, now)
	bindSignIns(app, now)
}

// public tells whether a collection holds nothing but what every signed-in user has on the phone.
func public(collection string) bool {
	h := HoldingOf(collection)
	return h != nil && h.All
}

// asked is the question of a request in words; private tells whether its answer may hold what is not everybody's: a grid's
// enterprises can be had with the grid. Ids asked for without a condition, with which the console counts, tell nothing.
func asked(collection string, query url.Values) (words string, private bool) {
	words = query.Get("filter")
	if expand := query.Get("expand"); expand != "" {
		words = strings.TrimSpace(words + " + " + expand)
	}
	if query.Get("fields") == "id" && words == "" {
		return words, false
	}
	return words, !public(collection) || query.Get("expand") != "" || strings.Contains(words+query.Get("sort"), "_via_")
}

// bindReads notes every request that answers with records which are not everybody's, one line a request.
func bindReads(app core.App, now Clock) {
	app.OnRecordsListRequest().BindFunc(func(e *core.RecordsListRequestEvent) error {
		err := e.Next()
		if words, private := asked(e.Collection.Name, e.Request.URL.Query()); err == nil && private {
			LogSoon(e.App, Entry{At: now(), Action: "read", Collection: e.Collection.Name, Target: words, Rows: len(e.Records)}.From(e.RequestEvent, e.Auth))
		}
		return err
	})
	app.OnRecordViewRequest().BindFunc(func(e *core.RecordRequestEvent) error {
		err := e.Next()
		if words, private := asked(e.Collection.Name, e.Request.URL.Query()); err == nil && private {
			LogSoon(e.App, Entry{At: now(), Action: "read", Collection: e.Collection.Name, Record: e.Record.Id, Target: words, Rows: 1}.From(e.RequestEvent, e.Auth))
		}
		return err
	})
	app.OnRealtimeSubscribeRequest().BindFunc(func(e *core.RealtimeSubscribeRequestEvent) error {
		err := e.Next()
		if err == nil && e.Auth != nil && e.Auth.IsSuperuser() && len(e.Subscriptions) > 0 {
			LogSoon(e.App, Entry{At: now(), Action: "read", Target: "实时：" + strings.Join(e.Subscriptions, " ")}.From(e.RequestEvent, e.Auth))
		}
		return err
	})
	app.OnFileDownloadRequest().BindFunc(func(e *core.FileDownloadRequestEvent) error {
		err := e.Next()
		small := e.Request.URL.Query().Get("thumb") != "" && e.ThumbError == nil // of a list, which has its line
		if err != nil || small || public(e.Collection.Name) {
			return err
		}
		// A file's address carries the reader's token itself.
		reader, _ := e.App.FindAuthRecordByToken(e.Request.URL.Query().Get("token"), core.TokenTypeFile)
		LogSoon(e.App, Entry{At: now(), Action: "read", Collection: e.Collection.Name, Record: e.Record.Id, Target: e.ServedName, Rows: 1}.From(e.RequestEvent, reader))
		return nil
	})
}

// bindChanges notes every record that the console or the API makes, changes or deletes, in the transaction that does it.
func bindChanges(app core.App, now Clock) {
	note := func(action string) func(*core.RecordRequestEvent) error {
		return func(e *core.RecordRequestEvent) error {
			line := Entry{At: now(), Action: action, Collection: e.Collection.Name}.From(e.RequestEvent, e.Auth)
			e.Record.Set(noted, &line)
			return e.Next()
		}
	}
	app.OnRecordCreateRequest().BindFunc(note("create"))
	app.OnRecordUpdateRequest().BindFunc(note("update"))
	app.OnRecordDeleteRequest().BindFunc(note("delete"))
	// A forgotten password is set anew by a link in a mail, without a request to change the record.
	app.OnRecordConfirmPasswordResetRequest().BindFunc(func(e *core.RecordConfirmPasswordResetRequestEvent) error {
		line := Entry{At: now(), Action: "update", Collection: e.Collection.Name}.From(e.RequestEvent, e.Record)
		e.Record.Set(noted, &line)
		return e.Next()
	})
	app.OnRecordConfirmEmailChangeRequest().BindFunc(func(e *core.RecordConfirmEmailChangeRequestEvent) error {
		line := Entry{At: now(), Action: "update", Collection: e.Collection.Name}.From(e.RequestEvent, e.Record)
		e.Record.Set(noted, &line)
		return e.Next()
	})
	write := func(e *core.RecordEvent) error {
		line, ok := e.Record.Get(noted).(*Entry)
		if !ok || line == nil {
			return e.Next()
		}
		e.Record.Set(noted, nil)
		if line.Action == "update" {
			line.Changes = changesOf(e.Record)
		}
		if e.Record.Collection().Name == "enterprise_merges" {
			switch e.Record.GetString("status") {
			case "merged":
				line.Action = "merge"
			case "undone":
				line.Action = "undo"
			}
		}
		return inTransaction(e, func(core.App) error { return nil }, func(tx core.App) error {
			line.Record = e.Record.Id
			return Log(tx, *line)
		})
	}
	app.OnRecordCreateExecute().BindFunc(write)
	app.OnRecordUpdateExecute().BindFunc(write)
	app.OnRecordDeleteExecute().BindFunc(write)
	app.OnSettingsUpdateRequest().BindFunc(func(e *core.SettingsUpdateRequestEvent) error {
		if err := e.Next(); err != nil {
			return err
		}
		return Log(e.App, Entry{At: now(), Action: "update", Collection: "settings", Changes: settingsChanges(e.OldSettings, e.NewSettings)}.From(e.RequestEvent, e.Auth))
	})
}

// changesOf names the fields that a save changes. Choices, numbers, dates and relations are kept with their values before and
// after; of texts, files, lists and whatever is personal the log must not become a second copy.
func changesOf(r *core.Record) map[string]any {
	before, out := r.Original(), map[string]any{}
	value := func(of *core.Record, f core.Field) string {
		if f.Type() == core.FieldTypePassword {
			return of.GetString(f.GetName() + ":hash")
		}
		raw, _ := json.Marshal(of.Get(f.GetName()))
		return string(raw)
	}
	for _, f := range r.Collection().Fields {
		name := f.GetName()
		if f.Type() == core.FieldTypeAutodate || value(before, f) == value(r, f) {
			continue
		}
		out[name] = nil
		switch f.(type) {
		case *core.SelectField, *core.NumberField, *core.BoolField, *core.DateField, *core.RelationField:
			if !Personal(r.Collection().Name, name) {
				out[name] = []any{before.Get(name), r.Get(name)}
			}
		}
	}
	return out
}

// settingsChanges names the groups of settings that differ; their values may be secrets.
func settingsChanges(before, after *core.Settings) map[string]any {
	parts := func(s *core.Settings) (out map[string]json.RawMessage) {
		raw, _ := json.Marshal(s)
		_ = json.Unmarshal(raw, &out)
		return out
	}
	old, out := parts(before), map[string]any{}
	for name, value := range parts(after) {
		if string(old[name]) != string(value) {
			out[name] = nil
		}
	}
	return out
}

// bindSignIns notes who signs in with a password and who fails to. What was typed for an account that does not exist is not kept:
// it is as often a password as a name.
func bindSignIns(app core.App, now Clock) {
	app.OnRecordAuthWithPasswordRequest().BindFunc(func(e *core.RecordAuthWithPasswordRequestEvent) error {
		err := e.Next()
		line := Entry{At: now(), Action: "sign_in", Collection: e.Collection.Name}
		if err != nil {
			line.Action = "sign_in_failed"
		}
		LogSoon(e.App, line.From(e.RequestEvent, e.Record))
		return err
	})
}
