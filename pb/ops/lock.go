package ops

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"gangwan/hooks"
)

// lockFile is an empty SQLite file used for its locks alone: they work on every system and end with their process,
// however it ends. Every process of ours that has the data directory open shares it; restore has it to itself.
const lockFile = "gangwan.lock"

type lock struct {
	db   *sql.DB
	conn *sql.Conn
}

// acquire takes the data directory's lock, shared or alone, or fails at once with code.
func acquire(dir string, alone bool, code string) (*lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	l := &lock{db: db}
	// A read transaction holds the shared lock until it ends.
	steps := []string{"BEGIN", "SELECT count(*) FROM sqlite_master"}
	if alone {
		steps = []string{"BEGIN EXCLUSIVE"}
	}
	if l.conn, err = db.Conn(context.Background()); err != nil {
		l.release()
		return nil, err
	}
	for _, step := range steps {
		if _, err := l.conn.ExecContext(context.Background(), step); err != nil {
			l.release()
			if primary(err) == lib.SQLITE_BUSY {
				return nil, hooks.Err(code)
			}
			return nil, err
		}
	}
	return l, nil
}

func (l *lock) release() {
	if l == nil {
		return
	}
	if l.conn != nil {
		_ = l.conn.Close()
	}
	_ = l.db.Close()
}

// primary is SQLite's primary result code of an error, 0 when it is not SQLite's.
func primary(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}
