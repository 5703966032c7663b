package fieldsync

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/router"

	"gangwan/hooks"
	"gangwan/pb_migrations/fresh"
)

// The server of a simulated district is the real one: PocketBase, the domain's hooks and the protocol's routes on a database
// in a file. Only its clock, its way to the phones and the moment at which it dies are the simulation's.

// simServer is one life of a server process on a data directory.
type simServer struct {
	dir  string
	now  hooks.Clock
	fuse *simFuse
	app  core.App
	mux  http.Handler
}

func (s *simServer) start() error {
	s.fuse = &simFuse{}
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: s.connect})
	if err := app.Bootstrap(); err != nil {
		return err
	}
	if err := app.RunAllMigrations(); err != nil {
		return err
	}
	hooks.Bind(app, s.now)
	Bind(app, s.now)
	routes, err := apis.NewRouter(app)
	if err != nil {
		return err
	}
	s.app = app
	return app.OnServe().Trigger(&core.ServeEvent{App: app, Router: routes}, func(e *core.ServeEvent) error {
		s.mux, err = (*router.Router[*core.RequestEvent])(e.Router).BuildMux()
		return err
	})
}

func (s *simServer) stop() error {
	return s.app.OnTerminate().Trigger(&core.TerminateEvent{App: s.app}, func(*core.TerminateEvent) error { return s.app.ResetBootstrapState() })
}

// connect is Connect without the wait for the disk (no power is lost here), and with a fuse.
func (s *simServer) connect(path string) (*dbx.DB, error) {
	c, err := newConnector(path + "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)" +
		"&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=recursive_triggers(ON)")
	if err != nil {
		return nil, err
	}
	if filepath.Base(path) == "data.db" {
		c.driver = fusedDriver{c.driver, s.fuse}
	}
	return dbx.NewFromDB(sql.OpenDB(c), "sqlite"), nil
}

// simFuse kills the server inside a transaction: the statement of that number fails, and so does every one after it, until the
// transaction has been undone. That is what a crash leaves.
type simFuse struct {
	sync.Mutex
	left  int // statements until it burns; 0: never
	burnt bool
}

var errCrashed = errors.New("the server died here")

func (f *simFuse) light(statements int) {
	f.Lock()
	defer f.Unlock()
	f.left, f.burnt = statements, false
}

func (f *simFuse) step() error {
	f.Lock()
	defer f.Unlock()
	if f.left > 0 {
		f.left--
		f.burnt = f.left == 0
	}
	if f.burnt {
		return errCrashed
	}
	return nil
}

type fusedDriver struct {
	driver.Driver
	fuse *simFuse
}

func (d fusedDriver) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	if err != nil {
		return nil, err
	}
	return &fusedConn{sqliteConn: c.(sqliteConn), fuse: d.fuse}, nil
}

// fusedConn is used by one goroutine at a time. Only what happens inside a transaction can burn.
type fusedConn struct {
	sqliteConn
	fuse   *simFuse
	inside bool
}

func (c *fusedConn) step() error {
	if !c.inside {
		return nil
	}
	return c.fuse.step()
}

func (c *fusedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqliteConn.BeginTx(ctx, o)
	c.inside = err == nil
	return &fusedTx{tx, c}, err
}

func (c *fusedConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.step(); err != nil {
		return nil, err
	}
	return c.sqliteConn.ExecContext(ctx, q, args)
}

func (c *fusedConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.step(); err != nil {
		return nil, err
	}
	return c.sqliteConn.QueryContext(ctx, q, args)
}

func (c *fusedConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.sqliteConn.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	return &fusedStmt{s, c}, nil
}

type fusedStmt struct {
	driver.Stmt
	conn *fusedConn
}

func (s *fusedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.conn.step(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *fusedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.conn.step(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type fusedTx struct {
	driver.Tx
	conn *fusedConn
}

func (t *fusedTx) Commit() error {
	if err := t.conn.step(); err != nil {
		return errors.Join(err, t.Rollback())
	}
	t.conn.inside = false
	return t.Tx.Commit()
}

func (t *fusedTx) Rollback() error {
	t.conn.inside = false
	t.conn.fuse.light(0)
	return t.Tx.Rollback()
}

// simTemplate is a migrated data directory with a small district in it, made once a test binary and copied for every history.
var simTemplate = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "gangwan-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := fresh.Fill(dir); err != nil {
		return nil, err
	}
	s := &simServer{dir: dir, now: func() time.Time { return dayOne }}
	if err := s.start(); err != nil {
		return nil, err
	}
	for _, r := range simDistrict() {
		if err := s.save(r.collection, r.id, r.values); err != nil {
			return nil, fmt.Errorf("%s %v: %w", r.collection, r.values, err)
		}
	}
	if err := s.stop(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range []string{"data.db", "auxiliary.db"} {
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

type simSeed struct {
	collection, id string
	values         map[string]any
}

// simDistrict is what there is before anything happens: two harbours, three grids, two banks, and everybody who will act.
func simDistrict() []simSeed {
	rows := []simSeed{
		{"areas", "area10000000000", simRow{"code": "500101001", "name": "高笋塘街道", "kind": "street"}},
		{"areas", "area20000000000", simRow{"code": "500101001001", "name": "王家坡社区", "kind": "community", "parent": "area10000000000"}},
		{"banks", "bank00000000000", simRow{"name": "甲银行", "kind": "bank"}},
		{"banks", "bank10000000000", simRow{"name": "乙银行", "kind": "bank"}},
		{"harbours", "harbour00000000", simRow{"number": "001", "name": "高笋塘港湾", "kind": "street", "host_bank": "bank00000000000", "area": "area10000000000"}},
		{"harbours", "harbour10000000", simRow{"number": "002", "name": "商圈港湾", "kind": "business_circle", "host_bank": "bank10000000000"}},
		{"grids", "grid00000000000", simRow{"name": "第一网格", "area": "area20000000000", "harbour": "harbour00000000"}},
		{"grids", "grid10000000000", simRow{"name": "第二网格", "area": "area20000000000", "harbour": "harbour10000000"}},
		{"grids", "grid20000000000", simRow{"name": "第三网格", "area": "area20000000000", "harbour": "harbour00000000"}},
	}
	user := func(name string, values simRow) {
		values["name"], values["email"], values["password"] = name, name+"@example.com", "password123"
		rows = append(rows, simSeed{"users", simUserID(name), values})
	}
	user("worker1", simRow{"role": "grid_worker"})
	user("worker2", simRow{"role": "grid_worker"})
	user("counter", simRow{"role": "harbour_staff", "harbour": "harbour00000000"})
	user("liaison", simRow{"role": "liaison", "harbour": "harbour10000000"})
	user("deskA", simRow{"role": "bank", "bank": "bank00000000000"})
	user("deskB", simRow{"role": "bank", "bank": "bank10000000000"})
	return append(rows,
		simSeed{"assignments", "assign000000000", simRow{"user": simUserID("worker1"), "grid": "grid00000000000", "from": "", "until": ""}},
		simSeed{"assignments", "assign100000000", simRow{"user": simUserID("worker2"), "grid": "grid10000000000", "from": "", "until": ""}},
		simSeed{"enterprises", "ent000000000000", simRow{"name": "重庆小面馆", "kind": "company", "grid": "grid00000000000", "phone": "13900000001", "special_groups": []any{"veteran"}}},
		simSeed{"enterprises", "ent100000000000", simRow{"name": "三峡五金店", "kind": "company", "grid": "grid10000000000", "phone": "13900000002"}},
		simSeed{"enterprises", "ent200000000000", simRow{"name": "盐井茶馆", "kind": "company", "grid": "grid20000000000"}},
	)
}

func simUserID(name string) string { return (strings.ToLower(name) + "000000000000000")[:15] }

func (s *simServer) save(collection, id string, values map[string]any) error {
	c, err := s.app.FindCachedCollectionByNameOrId(collection)
	if err != nil {
		return err
	}
	r := core.NewRecord(c)
	r.Set("id", id)
	for k, v := range values {
		r.Set(k, v)
	}
	return s.app.Save(r)
}

// newSimServer starts a server on a fresh copy of the template.
func newSimServer(dir string, now hooks.Clock) (*simServer, error) {
	files, err := simTemplate()
	if err != nil {
		return nil, err
	}
	for name, raw := range files {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			return nil, err
		}
	}
	s := &simServer{dir: dir, now: now}
	return s, s.start()
}

// call makes one HTTP request as a user would; no socket in between.
func (s *simServer) call(method, user, path, contentType string, body []byte) (int, []byte, error) {
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	record, err := s.app.FindRecordById("users", simUserID(user))
	if err != nil {
		return 0, nil, err
	}
	token, err := record.NewAuthToken()
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", token)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w.Code, w.Body.Bytes(), nil
}

// listed is what the list API answers the user, by id.
func (s *simServer) listed(user, collection string) (map[string]map[string]any, error) {
	status, raw, err := s.call(http.MethodGet, user, "/api/collections/"+collection+"/records?perPage=1000&skipTotal=1", "", nil)
	if err != nil || status != http.StatusOK {
		return nil, fmt.Errorf("list of %s for %s: %d %s %w", collection, user, status, raw, err)
	}
	var body struct{ Items []map[string]any }
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, err
	}
	out := map[string]map[string]any{}
	for _, item := range body.Items {
		delete(item, "collectionId")
		delete(item, "collectionName")
		out[item["id"].(string)] = item
	}
	return out, nil
}
