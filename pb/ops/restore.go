package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
	"golang.org/x/sync/errgroup"
	lib "modernc.org/sqlite/lib"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// A restore prepares the new set beside the present one, inside the data directory (which may be a mount of its own: nothing
// can be moved across its edge), and then moves two names: data.db and storage. Before the journal is written the present
// set stands untouched; from then on whichever command comes next finishes the moves (Bind) before it opens the database.
// Logs, certificates and published reports stay where they are.
const (
	stagingDir  = "restore.partial"
	journalFile = "restore.journal"
	asidePrefix = "replaced-"
)

// journal is written when the new set is whole; Aside names the directory that takes the present one.
type journal struct {
	Aside string `json:"aside"`
}

// Restored says what a restore did.
type Restored struct {
	Manifest Manifest
	Epoch    string
	Aside    string // where the set before lies now; empty: there was none
	Mended   []fieldsync.Finding
}

// Restore puts a backup in the place of the data directory's database and pictures. The app must not be bootstrapped; it tells
// the data directory and how settings are encrypted. Until the whole set is checked, migrated and ready, nothing is changed.
func Restore(ctx context.Context, app core.App, set string, o Options) (r Restored, err error) {
	dir := app.DataDir()
	if r.Manifest, err = readManifest(set); err != nil {
		return r, err
	}
	alone, err := acquire(dir, true, "database_in_use")
	if err != nil {
		return r, err
	}
	defer alone.release()
	if err := finish(dir); err != nil { // what an earlier restore had begun
		return r, err
	}
	if err := unused(filepath.Join(dir, databaseFile)); err != nil {
		return r, err
	}
	reached, err := reached(filepath.Join(dir, databaseFile))
	if err != nil {
		return r, err
	}
	staging := filepath.Join(dir, stagingDir)
	if err := os.RemoveAll(staging); err != nil {
		return r, err
	}
	if err := os.Mkdir(staging, 0o700); err != nil {
		return r, err
	}
	committed := false
	defer func() {
		if !committed {
			_ = os.RemoveAll(staging)
		}
	}()
	if err := fetch(ctx, set, staging, &o); err != nil {
		return r, err
	}
	o.say("检查并升级数据库……")
	if err := whole(ctx, filepath.Join(staging, databaseFile)); err != nil {
		return r, err
	}
	if err := known(filepath.Join(staging, databaseFile)); err != nil {
		return r, err
	}
	if r.Epoch, r.Mended, err = ready(app, staging, filepath.Base(set), o.Now, reached); err != nil {
		return r, err
	}
	if err := syncTree(staging); err != nil {
		return r, err
	}
	j := journal{Aside: asidePrefix + o.Now.In(hooks.Shanghai).Format("20060102-150405")}
	// Two restores may fall into one second: what the first moved aside stays by itself.
	for n := 2; ; n++ {
		if _, err := os.Lstat(filepath.Join(dir, j.Aside)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		j.Aside = fmt.Sprintf("%s%s-%d", asidePrefix, o.Now.In(hooks.Shanghai).Format("20060102-150405"), n)
	}
	for _, name := range []string{databaseFile, core.LocalStorageDirName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			r.Aside = filepath.Join(dir, j.Aside)
		}
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	draft := filepath.Join(staging, journalFile)
	if err := writeDurably(draft, raw); err != nil {
		return r, err
	}
	if err := os.Rename(draft, filepath.Join(dir, journalFile)); err != nil {
		return r, err
	}
	committed = true
	if err := syncDir(dir); err != nil {
		return r, err
	}
	return r, finish(dir)
}

// unused makes sure that no other program, a SQLite shell for one, has the database open, and leaves everything of it in the one
// file. A database that is damaged is nobody's.
func unused(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	defer db.Close()
	db.DB().SetMaxOpenConns(1)
	// Leaving WAL needs the file to oneself.
	var mode string
	err = db.NewQuery(`PRAGMA journal_mode = DELETE`).Row(&mode)
	switch {
	case primary(err) == lib.SQLITE_CORRUPT || primary(err) == lib.SQLITE_NOTADB:
		return nil
	case primary(err) == lib.SQLITE_BUSY || err == nil && mode != "delete":
		return hooks.Err("database_in_use")
	}
	return err
}

// reached is the last seq of the database that is to be put aside: the new life must begin behind it, or what both lives sent would
// bear the same seqs after yet another restore. 0 where there is none or nobody can read it.
func reached(path string) (seq int64, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	db, err := openPlain(path)
	if err != nil {
		return 0, err
	}
	if db.NewQuery(`SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'`).Row(&seq) != nil {
		seq = 0 // damaged, or no database of ours: its restore must not fail for that
	}
	return seq, db.Close()
}

// fetch copies the set into the staging directory and compares every checksum on the way.
func fetch(ctx context.Context, set, staging string, o *Options) error {
	sums, err := readSums(set)
	if err != nil {
		return err
	}
	if sums[databaseFile] == "" {
		return damaged("%s", sumsFile)
	}
	if err := os.Mkdir(filepath.Join(staging, core.LocalStorageDirName), 0o700); err != nil {
		return err
	}
	// Many at a time: what takes long is waiting for the disk to have each.
	each, going := errgroup.WithContext(ctx)
	each.SetLimit(16)
	done, last := 0, time.Now()
	for path, want := range sums {
		if going.Err() != nil {
			break
		}
		if now := time.Now(); now.Sub(last) >= 5*time.Second {
			o.say("复制并核对：%d / %d 个文件", done, len(sums))
			last = now
		}
		done++
		each.Go(func() error {
			target := filepath.Join(staging, filepath.FromSlash(path))
			if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
				return err
			}
			got, err := copyFile(filepath.Join(set, filepath.FromSlash(path)), target)
			if errors.Is(err, fs.ErrNotExist) || err == nil && got != want {
				return damaged("%s", path)
			}
			return err
		})
	}
	return errors.Join(each.Wait(), ctx.Err())
}

// known refuses a database on which migrations have run that this program does not have.
func known(path string) error {
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var have, ours []string
	for _, list := range []core.MigrationsList{core.SystemMigrations, core.AppMigrations} {
		for _, m := range list.Items() {
			ours = append(ours, m.File)
		}
	}
	if err := db.NewQuery(`SELECT file FROM _migrations`).Column(&have); err != nil {
		return err
	}
	for _, file := range have {
		if !slices.Contains(ours, file) {
			return hooks.Err("backup_newer").With("migration", file)
		}
	}
	return nil
}

// ready migrates the staged database, mends what the feed needs, opens a new life, by which phones will send again, and logs from
// which set it came.
func ready(app core.App, staging, set string, now time.Time, reached int64) (epoch string, mended []fieldsync.Finding, err error) {
	its := core.NewBaseApp(core.BaseAppConfig{DataDir: staging, DBConnect: fieldsync.Connect, EncryptionEnv: app.EncryptionEnv()})
	if err := its.Bootstrap(); err != nil {
		return "", nil, err
	}
	defer func() {
		err = errors.Join(err, its.ResetBootstrapState())
		if err == nil {
			err = settled(staging)
		}
	}()
	if err := its.RunAllMigrations(); err != nil {
		return "", nil, err
	}
	// Before the new epoch: whatever is mended belongs to the life that ends.
	if mended, _, err = fieldsync.Mend(its, now); err != nil {
		return "", nil, err
	}
	if epoch, err = fieldsync.NewEpoch(its, now, reached); err != nil {
		return "", nil, err
	}
	return epoch, mended, hooks.Log(its, hooks.Entry{At: now, Action: "import", Target: "从备份恢复 " + set}.Operator())
}

// settled leaves in the staging directory nothing but the one database file and the pictures.
func settled(staging string) error {
	if err := unused(filepath.Join(staging, databaseFile)); err != nil {
		return err
	}
	entries, err := os.ReadDir(staging)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != databaseFile && e.Name() != core.LocalStorageDirName {
			if err := os.RemoveAll(filepath.Join(staging, e.Name())); err != nil {
				return err
			}
		}
	}
	f, err := os.OpenFile(filepath.Join(staging, databaseFile), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// finish makes the moves that a journal stands for, however many of them were made before; without one it does nothing.
// The caller has the directory alone.
func finish(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, journalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var j journal
	if err == nil {
		err = json.Unmarshal(raw, &j)
	}
	if err != nil {
		return err
	}
	there := func(parts ...string) bool {
		_, err := os.Lstat(filepath.Join(append([]string{dir}, parts...)...))
		return err == nil
	}
	move := func(from, to string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) }
	// As long as a thing lies in the staging directory, what bears its name is the old one.
	for _, name := range []string{core.LocalStorageDirName, databaseFile} {
		if !there(stagingDir, name) {
			continue // in its place already
		}
		old := []string{name}
		if name == databaseFile {
			old = []string{name + "-wal", name + "-shm", name + "-journal", name}
		}
		for _, o := range old {
			if !there(o) {
				continue
			}
			if err := os.MkdirAll(filepath.Join(dir, j.Aside), 0o700); err != nil {
				return err
			}
			if err := move(o, filepath.Join(j.Aside, o)); err != nil {
				return err
			}
		}
		if err := move(filepath.Join(stagingDir, name), name); err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, journalFile)); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(filepath.Join(dir, stagingDir)), syncDir(dir))
}
