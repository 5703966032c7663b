package pipeline

import (
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// lockWarehouse lets one run at a time into the warehouse, also across processes. The lock is SQLite's own, on an empty
// database: it works on every system, and the system takes it back from a process that was killed, so none goes stale.
func lockWarehouse(dir string) (release func(), err error) {
	conn, err := sqlite.OpenConn(filepath.Join(dir, "lock"), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return nil, &Error{Code: "lock_failed", Message: "无法建立统计锁文件", Err: err}
	}
	conn.SetBusyTimeout(0)
	if err := sqlitex.ExecuteTransient(conn, "BEGIN EXCLUSIVE", nil); err != nil {
		_ = conn.Close()
		if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy {
			return nil, &Error{Code: "pipeline_busy", Message: "另一次统计正在运行，请等它结束后再试"}
		}
		return nil, &Error{Code: "lock_failed", Message: "无法取得统计锁", Err: err}
	}
	return func() { _ = conn.Close() }, nil
}
