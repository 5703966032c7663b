package fieldsync

import (
	"container/list"
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"

	_ "modernc.org/sqlite" // the driver that is wrapped here
)

// SQLite compiles a statement each time it is given one, and with an INSERT or UPDATE all triggers it may fire: half of the
// cost of a save. Everything here, PocketBase included, sends the same few hundred texts again and again, so each
// connection keeps the statements it has compiled. SQLite itself compiles one anew when the schema has changed.

// statementsKept bounds the compiled statements of one connection.
const statementsKept = 256

// connector opens connections that remember their statements.
type connector struct {
	driver driver.Driver
	dsn    string
}

func newConnector(dsn string) (*connector, error) {
	db, err := sql.Open("sqlite", "")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return &connector{db.Driver(), dsn}, nil
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &conn{sqliteConn: inner.(sqliteConn), byText: map[string]*statement{}, recent: list.New()}, nil
}

// sqliteConn is what the wrapped driver's connection can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is used by one goroutine at a time, as database/sql promises.
type conn struct {
	sqliteConn
	byText map[string]*statement
	recent *list.List // of *statement, the latest in front
}

type statement struct {
	text string
	driver.Stmt
	place *list.Element
	busy  bool // its rows are still being read: a second use at the same time compiles its own
}

// compiled finds or makes the kept statement of a text; nil when the text is not one to keep or is in use.
func (c *conn) compiled(ctx context.Context, text string) (*statement, error) {
	if s := c.byText[text]; s != nil {
		if s.busy {
			return nil, nil
		}
		c.recent.MoveToFront(s.place)
		return s, nil
	}
	if !worthKeeping(text) {
		return nil, nil
	}
	inner, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s := &statement{text: text, Stmt: inner}
	s.place = c.recent.PushFront(s)
	c.byText[text] = s
	for last := c.recent.Back(); c.recent.Len() > statementsKept && last != nil && last != s.place; {
		old, previous := last.Value.(*statement), last.Prev()
		if !old.busy {
			c.recent.Remove(last)
			delete(c.byText, old.text)
			if err := old.Close(); err != nil {
				return nil, err
			}
		}
		last = previous
	}
	return s, nil
}

// worthKeeping: reads and writes of rows and their savepoints, one statement a text. What changes the schema or a setting is not kept.
func worthKeeping(text string) bool {
	if len(text) > 20_000 || strings.Contains(text, ";") {
		return false
	}
	text = strings.TrimSpace(text)
	for _, verb := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "SAVEPOINT", "RELEASE"} {
		if len(text) > len(verb) && strings.EqualFold(text[:len(verb)], verb) {
			return true
		}
	}
	return false
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.compiled(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.compiled(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &keptRows{rows, s}, nil
}

// Close forgets the statements first: SQLite keeps a connection with open statements alive.
func (c *conn) Close() error {
	for _, s := range c.byText {
		_ = s.Stmt.Close()
	}
	c.byText, c.recent = nil, list.New()
	return c.sqliteConn.Close()
}

// keptRows hands the statement back when the rows are done.
type keptRows struct {
	driver.Rows
	of *statement
}

func (r *keptRows) Close() error {
	err := r.Rows.Close()
	r.of.busy = false
	return err
}

// ColumnTypeDatabaseTypeName passes on what the wrapped driver knows of a column's declared type.
func (r *keptRows) ColumnTypeDatabaseTypeName(i int) string {
	return r.Rows.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(i)
}
