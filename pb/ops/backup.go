package ops

import (
	"bufio"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// A backup is a directory that stands alone: data.db, the files that this very data.db names, a list of checksums in
// the form of sha256sum, and a manifest. A directory and no archive, so that the pictures of years, which never change,
// are copied once: where the set before lies beside it they are hard links to that one.
const (
	databaseFile = "data.db"
	manifestFile = "manifest.json"
	sumsFile     = "SHA256SUMS"
	setPrefix    = "gangwan-"
	partial      = ".partial"
	setFormat    = 1
)

// Manifest says what a backup holds.
type Manifest struct {
	Format  int              `json:"format"`
	Version string           `json:"version"` // of the program that made it
	MadeAt  string           `json:"made_at"`
	Epoch   string           `json:"epoch"`
	Seq     int64            `json:"seq"` // the feed's last
	Counts  map[string]int64 `json:"counts"`
	Files   int              `json:"files"`   // below storage
	Bytes   int64            `json:"bytes"`   // of everything
	Linked  int              `json:"linked"`  // of Files: shared with the set before
	Missing []string         `json:"missing"` // named by the database, and not on disk
	Remote  bool             `json:"remote"`  // pictures are in object storage and not in this set
	Sums    string           `json:"sums"`    // SHA-256 of SHA256SUMS
}

// Options of Backup and Restore.
type Options struct {
	Now     time.Time
	Version string
	Say     func(string) // hears of long work; nil: nobody listens
}

func (o *Options) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// Backup makes one consistent set in a new directory below parent and returns its path. A server may run beside it.
// The set is whole or not there; only what Manifest.Missing names was already lost before.
func Backup(ctx context.Context, app core.App, parent string, o Options) (dir string, m Manifest, err error) {
	if inside, err := within(parent, app.DataDir()); err != nil || inside {
		return "", m, errors.Join(err, hooks.Err("backup_inside"))
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", m, err
	}
	dir = filepath.Join(parent, setPrefix+o.Now.In(hooks.Shanghai).Format("20060102-150405"))
	if _, err := os.Lstat(dir); err == nil {
		return "", m, hooks.Err("backup_exists").With("path", dir)
	}
	work := dir + partial
	if err := os.Mkdir(work, 0o700); err != nil {
		return "", m, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(work)
		}
	}()
	m = Manifest{Format: setFormat, Version: o.Version, MadeAt: hooks.Stored(o.Now), Counts: map[string]int64{}, Missing: []string{}, Remote: app.Settings().S3.Enabled}
	if err := copyDatabase(ctx, app, work, &o); err != nil {
		return "", m, err
	}
	db, err := openPlain(filepath.Join(work, databaseFile))
	if err != nil {
		return "", m, err
	}
	defer db.Close()
	if err := describe(db, &m); err != nil {
		return "", m, err
	}
	w := &setWriter{ctx: ctx, dir: work, m: &m, o: &o, storage: filepath.Join(app.DataDir(), core.LocalStorageDirName)}
	if err := w.open(parent); err != nil {
		return "", m, err
	}
	defer w.sums.Close()
	if _, err := w.add(databaseFile, filepath.Join(work, databaseFile), false); err != nil {
		return "", m, err
	}
	if !m.Remote {
		if err := w.pictures(app, db); err != nil {
			return "", m, err
		}
	}
	if err := db.Close(); err != nil {
		return "", m, err
	}
	if err := w.close(); err != nil {
		return "", m, err
	}
	if err := os.Rename(work, dir); err != nil {
		return "", m, err
	}
	return dir, m, syncDir(parent)
}

// within tells whether path lies in dir, symbolic links followed; path need not exist yet.
func within(path, dir string) (bool, error) {
	real := func(p string) (string, error) {
		p, err := filepath.Abs(p)
		if err != nil {
			return "", err
		}
		rest := ""
		for {
			found, err := filepath.EvalSymlinks(p)
			if err == nil {
				return filepath.Join(found, rest), nil
			}
			if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(p) == p {
				return "", err
			}
			p, rest = filepath.Dir(p), filepath.Join(filepath.Base(p), rest)
		}
	}
	p, err := real(path)
	if err != nil {
		return false, err
	}
	d, err := real(dir)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(d, p)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// copyDatabase writes data.db as of one moment. The copy is checked: a backup of a damaged database must not pass for one.
func copyDatabase(ctx context.Context, app core.App, work string, o *Options) error {
	path := filepath.Join(work, databaseFile)
	o.say("复制数据库……")
	done := make(chan struct{})
	defer close(done)
	go func() {
		for t := time.NewTicker(5 * time.Second); ; {
			select {
			case <-done:
				t.Stop()
				return
			case <-t.C:
				if info, err := os.Stat(path); err == nil {
					o.say("复制数据库：%d MB", info.Size()>>20)
				}
			}
		}
	}()
	if _, err := app.ConcurrentDB().NewQuery(`VACUUM INTO {:path}`).Bind(dbx.Params{"path": path}).WithContext(ctx).Execute(); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return whole(ctx, path)
}

// openPlain opens a database file that nobody else uses, with nothing set that would write to it.
func openPlain(path string) (*dbx.DB, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	return dbx.NewFromDB(db, "sqlite"), nil
}

// whole fails with backup_damaged when SQLite finds fault with a database file.
func whole(ctx context.Context, path string) error {
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	defer db.Close()
	var found []string
	if err := db.NewQuery(`PRAGMA integrity_check(5)`).WithContext(ctx).Column(&found); err != nil {
		return damaged("%s：%v", databaseFile, err)
	}
	if !slices.Equal(found, []string{"ok"}) {
		return damaged("%s：%s", databaseFile, strings.Join(found, "；"))
	}
	return nil
}

func damaged(format string, args ...any) error {
	e := hooks.Err("backup_damaged")
	e.Message += "：" + fmt.Sprintf(format, args...)
	return e
}

// describe fills in what the copy says of itself.
func describe(db dbx.Builder, m *Manifest) error {
	if err := db.NewQuery(`SELECT COALESCE((SELECT value FROM sync_state WHERE key = 'epoch'), ''), COALESCE((SELECT max(seq) FROM sync_feed), 0)`).
		Row(&m.Epoch, &m.Seq); err != nil {
		return err
	}
	names := []string{"users", "sync_mutations", "sync_deferred"}
	for _, h := range hooks.Holdings {
		names = append(names, h.Collection)
	}
	for _, name := range names {
		var n int64
		if err := db.NewQuery(`SELECT count(*) FROM ` + name).Row(&n); err != nil {
			return err
		}
		m.Counts[name] = n
	}
	return nil
}

// setWriter puts files into a set and notes their checksums.
type setWriter struct {
	ctx     context.Context
	dir     string // the set's, not whole yet
	storage string // of the live database
	m       *Manifest
	o       *Options

	sums     *os.File
	buffered *bufio.Writer
	total    hash.Hash
	before   string            // the set before, to link to
	known    map[string]string // its checksums, by path
	last     time.Time
}

// open starts the list of checksums and finds the set before.
func (w *setWriter) open(parent string) (err error) {
	if w.sums, err = os.OpenFile(filepath.Join(w.dir, sumsFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return err
	}
	w.total = sha256.New()
	w.buffered = bufio.NewWriter(io.MultiWriter(w.sums, w.total))
	w.last = time.Now()
	sets, err := filepath.Glob(filepath.Join(escapeGlob(parent), setPrefix+"*", manifestFile))
	if err != nil {
		return err
	}
	slices.Sort(sets)
	for _, path := range slices.Backward(sets) {
		if before := filepath.Dir(path); !strings.HasSuffix(before, partial) {
			// One that cannot be read is no set to lean on: then everything is copied.
			if known, err := readSums(before); err == nil {
				w.before, w.known = before, known
			}
			break
		}
	}
	return nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// readSums reads a set's checksums by path, if they are those that its manifest was written with.
func readSums(dir string) (map[string]string, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil, damaged("%v", err)
	}
	defer f.Close()
	out, sum := map[string]string{}, sha256.New()
	lines := bufio.NewScanner(io.TeeReader(f, sum))
	for lines.Scan() {
		digest, path, ok := strings.Cut(lines.Text(), "  ")
		if !ok || !filepath.IsLocal(filepath.FromSlash(path)) {
			return nil, damaged("%s", sumsFile)
		}
		out[path] = digest
	}
	if err := lines.Err(); err != nil || hex.EncodeToString(sum.Sum(nil)) != m.Sums {
		return nil, damaged("%s", sumsFile)
	}
	return out, nil
}

func readManifest(dir string) (m Manifest, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return m, hooks.Err("backup_unknown")
		}
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, damaged("%s", manifestFile)
	}
	if m.Format > setFormat {
		return m, hooks.Err("backup_newer")
	}
	return m, nil
}

// pictures takes every file that the copied database names.
func (w *setWriter) pictures(app core.App, db dbx.Builder) error {
	return fieldsync.StoredFiles(app, db, func(f fieldsync.StoredFile) error {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if now := time.Now(); now.Sub(w.last) >= 5*time.Second {
			w.o.say("照片和文件：已复制 %d 个（其中 %d 个与上一份备份相同）", w.m.Files, w.m.Linked)
			w.last = now
		}
		name := core.LocalStorageDirName + "/" + f.Path
		linked, err := w.add(name, filepath.Join(w.storage, filepath.FromSlash(f.Path)), true)
		if errors.Is(err, fs.ErrNotExist) {
			if !f.Needed {
				return nil
			}
			// The console removes a record's files with the record: one that went since the copy was made is not missing.
			still, err := fieldsync.StillNames(app.DB(), f)
			if err == nil && still {
				w.m.Missing = append(w.m.Missing, f.Path)
			}
			return err
		}
		if err != nil {
			return err
		}
		w.m.Files++
		if linked {
			w.m.Linked++
		}
		// PocketBase keeps a file's type beside it.
		if _, err := w.add(name+".attrs", filepath.Join(w.storage, filepath.FromSlash(f.Path+".attrs")), true); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// add notes a file's checksum and, if it lies elsewhere, copies or links it into the set. A file is never changed once written,
// so one of the same name and size as in the set before is that one.
func (w *setWriter) add(name, from string, copied bool) (linked bool, err error) {
	info, err := os.Stat(from)
	if err != nil {
		return false, err
	}
	target := filepath.Join(w.dir, filepath.FromSlash(name))
	digest := ""
	if copied {
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return false, err
		}
		if known := w.known[name]; known != "" {
			old := filepath.Join(w.before, filepath.FromSlash(name))
			if was, err := os.Stat(old); err == nil && was.Size() == info.Size() && os.Link(old, target) == nil {
				digest = known
				linked = true
			}
		}
		if digest == "" {
			if digest, err = copyFile(from, target); err != nil {
				return false, err
			}
		}
	} else if digest, err = hashFile(from); err != nil {
		return false, err
	}
	w.m.Bytes += info.Size()
	_, err = fmt.Fprintf(w.buffered, "%s  %s\n", digest, name)
	return linked, err
}

// close makes everything durable; the manifest comes last.
func (w *setWriter) close() error {
	if err := w.buffered.Flush(); err != nil {
		return err
	}
	if err := errors.Join(w.sums.Sync(), w.sums.Close()); err != nil {
		return err
	}
	w.m.Sums = hex.EncodeToString(w.total.Sum(nil))
	raw, err := json.MarshalIndent(w.m, "", "  ")
	if err != nil {
		return err
	}
	if err := writeDurably(filepath.Join(w.dir, manifestFile), append(raw, '\n')); err != nil {
		return err
	}
	return syncTree(w.dir)
}

// copyFile copies durably and returns the SHA-256 of what it read.
func copyFile(from, to string) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, sum), in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// hashFile makes a file durable and returns its SHA-256.
func hashFile(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), f.Sync()
}

func writeDurably(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncTree makes the names in a directory and below durable; their contents are already.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
