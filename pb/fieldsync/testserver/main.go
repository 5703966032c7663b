// Command testserver is the real server on a temporary database, with a clock that is told the time and with the office's
// hands as plain endpoints: outside clients are tested against it. It prints one line of JSON {"url"} when it answers, and
// ends when its standard input closes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	_ "github.com/pocketbase/pocketbase/migrations"
	"github.com/pocketbase/pocketbase/tools/router"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
	_ "gangwan/pb_migrations"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() (err error) {
	dir, err := os.MkdirTemp("", "gangwan-testserver-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &server{dir: dir}
	if err := s.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.cheapPasswords(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = web.Serve(listener) }()
	defer web.Close()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"url": "http://" + listener.Addr().String()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// server is the app of the moment: a restore closes it and opens another on the same folder.
type server struct {
	dir     string
	backups int

	swap sync.RWMutex // calls read it, a restore writes it
	app  core.App
	mux  http.Handler

	clock struct {
		sync.Mutex
		told time.Time
	}
}

// now is the time that the server was told; until then the machine's.
func (s *server) now() time.Time {
	s.clock.Lock()
	defer s.clock.Unlock()
	if s.clock.told.IsZero() {
		return time.Now()
	}
	return s.clock.told
}

func (s *server) data() string { return filepath.Join(s.dir, "pb_data") }

func (s *server) open() error {
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: s.data(), DBConnect: fieldsync.Connect})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	hooks.Bind(app, s.now)
	fieldsync.Bind(app, s.now)
	routes, err := apis.NewRouter(app)
	if err != nil {
		return err
	}
	s.app = app
	return app.OnServe().Trigger(&core.ServeEvent{App: app, Router: routes}, func(e *core.ServeEvent) error {
		mux, err := (*router.Router[*core.RequestEvent])(e.Router).BuildMux()
		s.mux = mux
		return err
	})
}

func (s *server) close() error {
	return s.app.OnTerminate().Trigger(&core.TerminateEvent{App: s.app}, func(*core.TerminateEvent) error { return s.app.ResetBootstrapState() })
}

// cheapPasswords makes signing in cost nothing: tests do it by the hundred.
func (s *server) cheapPasswords() error {
	users, err := s.app.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	users.Fields.GetByName("password").(*core.PasswordField).Cost = 4 // the least that bcrypt knows
	return s.app.Save(users)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hand, ok := hands[r.URL.Path]
	if !ok {
		s.swap.RLock()
		defer s.swap.RUnlock()
		s.mux.ServeHTTP(w, r)
		return
	}
	// One hand at a time, and none while a call is under way: a test knows what it finds.
	s.swap.Lock()
	defer s.swap.Unlock()
	w.Header().Set("Content-Type", "application/json")
	var asked request
	err := json.NewDecoder(r.Body).Decode(&asked)
	var answer any
	if err == nil {
		answer, err = hand(s, asked)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer) // whoever asked and left does not read it
}

// request is what any hand may be told.
type request struct {
	Now        string         `json:"now"`
	Collection string         `json:"collection"`
	ID         string         `json:"id"`
	Values     map[string]any `json:"values"`
	SQL        string         `json:"sql"`
	N          int            `json:"n"`
	Silent     bool           `json:"silent"`
}

var hands = map[string]func(*server, request) (any, error){
	"/test/clock":   (*server).setClock,
	"/test/save":    (*server).save,
	"/test/delete":  (*server).erase,
	"/test/sql":     (*server).sql,
	"/test/list":    (*server).list,
	"/test/user":    (*server).user,
	"/test/backup":  (*server).backup,
	"/test/restore": (*server).restore,
	"/test/compact": (*server).compact,
}

func (s *server) setClock(asked request) (any, error) {
	t, err := hooks.ParseTime(asked.Now)
	s.clock.Lock()
	s.clock.told = t
	s.clock.Unlock()
	return map[string]string{"now": hooks.Stored(t)}, err
}

// save makes a record, or changes the one that is named and there, as the console would.
func (s *server) save(asked request) (any, error) {
	collection, err := s.app.FindCollectionByNameOrId(asked.Collection)
	if err != nil {
		return nil, err
	}
	r, err := s.app.FindRecordById(collection, asked.ID)
	if err != nil {
		r = core.NewRecord(collection)
		r.Set("id", asked.ID)
	}
	for name, v := range asked.Values {
		r.Set(name, v)
	}
	err = s.app.Save(r)
	return map[string]string{"id": r.Id}, err
}

func (s *server) erase(asked request) (any, error) {
	r, err := s.app.FindRecordById(asked.Collection, asked.ID)
	if err != nil {
		return nil, err
	}
	return map[string]bool{"done": true}, s.app.Delete(r)
}

// sql answers the rows that a statement yields; one that only writes yields none.
func (s *server) sql(asked request) (any, error) {
	rows, err := s.app.NonconcurrentDB().NewQuery(asked.SQL).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []map[string]any{}
	for rows.Next() {
		row := dbx.NullStringMap{}
		if err := rows.ScanMap(row); err != nil {
			return nil, err
		}
		plain := map[string]any{}
		for k, v := range row {
			plain[k] = v.String
		}
		out = append(out, plain)
	}
	return map[string]any{"rows": out}, rows.Err()
}

func (s *server) list(asked request) (any, error) {
	all, err := s.app.FindAllRecords(asked.Collection)
	for _, r := range all {
		r.IgnoreEmailVisibility(true)
		for _, f := range r.Collection().Fields {
			if f.Type() != core.FieldTypePassword {
				r.Unhide(f.GetName())
			}
		}
	}
	return map[string]any{"records": all}, err
}

// user makes a user who may sign in with what is answered, or with the token at once.
func (s *server) user(asked request) (any, error) {
	collection, err := s.app.FindCollectionByNameOrId("users")
	if err != nil {
		return nil, err
	}
	r := core.NewRecord(collection)
	for name, v := range asked.Values {
		r.Set(name, v)
	}
	if r.Email() == "" {
		r.SetEmail(r.GetString("name") + "@example.com")
	}
	const password = "harbour-2026"
	r.SetPassword(password)
	if err := s.app.Save(r); err != nil {
		return nil, err
	}
	token, err := r.NewAuthToken()
	return map[string]string{"id": r.Id, "identity": r.Email(), "password": password, "token": token}, err
}

func (s *server) backupFile(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("backup-%d.db", n))
}

func (s *server) backup(request) (any, error) {
	_, err := s.app.NonconcurrentDB().NewQuery("VACUUM INTO {:file}").Bind(dbx.Params{"file": s.backupFile(s.backups)}).Execute()
	n := s.backups
	s.backups++
	return map[string]int{"n": n}, err
}

// restore puts a backup in the database's place. Silent: as somebody would who knows nothing of sync and copies the file.
func (s *server) restore(asked request) (any, error) {
	content, err := os.ReadFile(s.backupFile(asked.N))
	if err != nil {
		return nil, err
	}
	var reached int64
	if err := s.app.DB().NewQuery(`SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'`).Row(&reached); err != nil {
		return nil, err
	}
	if err := s.close(); err != nil {
		return nil, err
	}
	live := filepath.Join(s.data(), "data.db")
	if err := errors.Join(os.RemoveAll(live+"-wal"), os.RemoveAll(live+"-shm"), os.WriteFile(live, content, 0o600)); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil || asked.Silent {
		return map[string]bool{"done": true}, err
	}
	epoch, err := fieldsync.NewEpoch(s.app, s.now(), reached)
	return map[string]string{"epoch": epoch}, err
}

// compact has the chores of the background done that are due by the clock, compaction among them.
func (s *server) compact(request) (any, error) {
	return map[string]bool{"done": true}, fieldsync.Maintain(context.Background(), s.app)
}
