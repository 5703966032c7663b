package ops

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
	"gangwan/pb_migrations/fresh"
)

var noon = time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)

// station is one data directory with an app over it.
type station struct {
	*testing.T
	app core.App
	dir string
}

func newStation(t *testing.T) *station {
	t.Helper()
	s := &station{T: t, dir: filepath.Join(t.TempDir(), "pb_data")}
	s.ok(fresh.Fill(s.dir))
	s.open()
	s.save("areas", map[string]any{"id": "area00000000001", "code": "500101001", "name": "高笋塘街道", "kind": "street"})
	s.save("grids", map[string]any{"id": "grid00000000001", "name": "第一网格", "area": "area00000000001"})
	s.shop("shop00000000001", "重庆小面馆")
	s.picture("photo0000000001", "shop00000000001", "first picture")
	return s
}

func (s *station) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *station) open() {
	s.Helper()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: fieldsync.Connect})
	Bind(app)
	hooks.Bind(app, func() time.Time { return noon })
	fieldsync.Bind(app, func() time.Time { return noon })
	s.ok(app.Bootstrap())
	s.ok(app.RunAllMigrations())
	_, _, err := fieldsync.Mend(app, noon)
	s.ok(err)
	s.app = app
	s.Cleanup(s.close)
}

func (s *station) close() {
	s.Helper()
	s.ok(s.app.OnTerminate().Trigger(&core.TerminateEvent{App: s.app}, func(e *core.TerminateEvent) error { return e.App.ResetBootstrapState() }))
}

func (s *station) save(collection string, values map[string]any) {
	s.Helper()
	c, err := s.app.FindCollectionByNameOrId(collection)
	s.ok(err)
	r := core.NewRecord(c)
	r.Load(values)
	s.ok(s.app.Save(r))
}

func (s *station) shop(id, name string) {
	s.Helper()
	s.save("enterprises", map[string]any{"id": id, "name": name, "grid": "grid00000000001"})
}

// picture stores a photo as an upload does: the file first, then its name in the record.
func (s *station) picture(id, shop, content string) string {
	s.Helper()
	s.save("photos", map[string]any{"id": id, "collection": "enterprises", "record": shop})
	c, err := s.app.FindCollectionByNameOrId("photos")
	s.ok(err)
	files, err := s.app.NewFilesystem()
	s.ok(err)
	defer files.Close()
	path := c.Id + "/" + id + "/p" + id + ".jpg"
	s.ok(files.Upload([]byte(content), path))
	_, err = s.app.DB().Update("photos", dbx.Params{"file": "p" + id + ".jpg"}, dbx.HashExp{"id": id}).Execute()
	s.ok(err)
	return filepath.Join(s.dir, "storage", filepath.FromSlash(path))
}

func (s *station) backup(parent string, at time.Time) (string, Manifest) {
	s.Helper()
	dir, m, err := Backup(s.Context(), s.app, parent, Options{Now: at, Version: "test"})
	s.ok(err)
	return dir, m
}

// restore is what the command does: by an app that has not opened the database.
func (s *station) restore(set string, at time.Time) (Restored, error) {
	s.Helper()
	return Restore(s.Context(), core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir}), set, Options{Now: at})
}

func (s *station) names() []string {
	s.Helper()
	var out []string
	s.ok(s.app.DB().NewQuery(`SELECT name FROM enterprises ORDER BY name`).Column(&out))
	return out
}

func code(err error) string {
	var e *hooks.Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

// contents is every file below dir by path; what only locks hold or SQLite keeps beside a database is left out.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == lockFile || strings.HasPrefix(e.Name(), "auxiliary.db") {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = string(raw)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestABackupTakenWhilePeopleWorkBringsBackExactlyThatMomentAndKeepsWhatCameAfterItAside(t *testing.T) {
	s := newStation(t)
	parent := t.TempDir()
	set, m := s.backup(parent, noon)
	s.shop("shop00000000002", "后来的店")
	later := s.picture("photo0000000002", "shop00000000002", "later picture")
	if filepath.Base(set) != "gangwan-20261125-120000" || m.Counts["enterprises"] != 1 || m.Files != 1 || len(m.Missing) != 0 || m.Epoch == "" || m.Seq == 0 {
		t.Fatalf("%s %+v", set, m)
	}
	s.close()
	r, err := s.restore(set, noon.Add(time.Hour))
	s.ok(err)
	if _, err := os.Stat(later); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a picture that the backup does not know lies in the restored storage (%v)", err)
	}
	aside := contents(t, r.Aside)
	rel, _ := filepath.Rel(s.dir, later)
	if aside[filepath.ToSlash(rel)] != "later picture" || filepath.Base(r.Aside) != "replaced-20261125-130000" {
		t.Errorf("what was replaced is not whole in %s", r.Aside)
	}
	s.open()
	if got := s.names(); !slices.Equal(got, []string{"重庆小面馆"}) {
		t.Errorf("restored: %v", got)
	}
	if r.Epoch == m.Epoch || r.Epoch == "" {
		t.Errorf("the restored database still lives the life %q of the backup %q: phones would not send again", r.Epoch, m.Epoch)
	}
	d, err := Examine(t.Context(), s.app, noon, false)
	if err != nil || len(d.Found) > 0 || len(d.Notes) > 0 {
		t.Errorf("after a restore the doctor finds %+v %v (%v)", d.Found, d.Notes, err)
	}
	// What was set aside is a whole database too.
	old := &station{T: t, dir: r.Aside}
	old.open()
	if got := old.names(); !slices.Equal(got, []string{"后来的店", "重庆小面馆"}) {
		t.Errorf("set aside: %v", got)
	}
}

// The same set put back a second time: what was sent in the life between and what is sent in the next must not bear the same seqs.
func TestEachLifeBeginsBehindTheOneThatIsPutAside(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	seq := func() (n int64) {
		s.Helper()
		s.ok(s.app.DB().NewQuery(`SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'`).Row(&n))
		return n
	}
	last := seq()
	for life := range 3 {
		s.close()
		_, err := s.restore(set, noon.Add(time.Hour))
		s.ok(err)
		s.open()
		if first := seq(); first < last+1_000_000 {
			t.Errorf("life %d begins at seq %d, the one before came to %d", life+2, first, last)
		}
		s.shop("shop00000000002", "后来的店")
		last = seq()
	}
}

func TestANewMachineIsFilledFromABackupAlone(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	fresh := &station{T: t, dir: filepath.Join(t.TempDir(), "pb_data")}
	r, err := fresh.restore(set, noon)
	fresh.ok(err)
	fresh.open()
	if len(fresh.names()) != 1 || r.Aside != "" {
		t.Errorf("%v, aside %q", fresh.names(), r.Aside)
	}
}

func TestABackupIsForItsOwnerAloneAndNeverOverwritesOneNorLiesInTheDataDirectory(t *testing.T) {
	s := newStation(t)
	parent := t.TempDir()
	set, _ := s.backup(parent, noon)
	s.ok(filepath.WalkDir(set, func(path string, e fs.DirEntry, err error) error {
		info, _ := e.Info()
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	}))
	before := contents(t, parent)
	link := filepath.Join(t.TempDir(), "link")
	s.ok(os.Symlink(s.dir, link))
	for _, c := range []struct{ parent, want string }{
		{parent, "backup_exists"}, {s.dir, "backup_inside"}, {filepath.Join(s.dir, "storage", "new"), "backup_inside"}, {filepath.Join(link, "new"), "backup_inside"}} {
		if _, _, err := Backup(t.Context(), s.app, c.parent, Options{Now: noon}); code(err) != c.want {
			t.Errorf("%s: %v", c.parent, err)
		}
	}
	if !maps.Equal(before, contents(t, parent)) {
		t.Error("the backup that was there has changed")
	}
}

func TestPicturesThatHaveNotChangedTakeNoRoomTwiceAndEachBackupStandsAlone(t *testing.T) {
	s := newStation(t)
	parent := t.TempDir()
	first, _ := s.backup(parent, noon)
	s.picture("photo0000000002", "shop00000000001", "second picture")
	second, m := s.backup(parent, noon.Add(24*time.Hour))
	if m.Files != 2 || m.Linked == 0 {
		t.Errorf("%+v", m)
	}
	s.ok(os.RemoveAll(first))
	s.close()
	_, err := s.restore(second, noon)
	s.ok(err)
	pictures := 0
	for path, content := range contents(t, filepath.Join(s.dir, "storage")) {
		if strings.HasSuffix(path, ".jpg") && strings.HasSuffix(content, "picture") {
			pictures++
		}
	}
	if pictures != 2 {
		t.Errorf("%d pictures came back", pictures)
	}
}

func TestAPictureThatIsNamedAndNotThereIsReportedAndTheBackupKept(t *testing.T) {
	s := newStation(t)
	lost := s.picture("photo0000000002", "shop00000000001", "lost")
	s.ok(os.Remove(lost))
	set, m := s.backup(t.TempDir(), noon)
	if len(m.Missing) != 1 || !strings.HasSuffix(lost, filepath.FromSlash(m.Missing[0])) {
		t.Errorf("missing: %v", m.Missing)
	}
	s.close()
	_, err := s.restore(set, noon)
	s.ok(err)
	s.open()
	d, err := Examine(t.Context(), s.app, noon, true)
	s.ok(err)
	if len(d.Found) != 1 || d.Found[0].Code != "file_missing" {
		t.Errorf("the doctor says %+v", d.Found)
	}
}

func TestABackupBrokenOffLeavesNoHalfSetBehind(t *testing.T) {
	s := newStation(t)
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Backup(ctx, s.app, parent, Options{Now: noon}); err == nil {
		t.Fatal("a backup that was told to stop went on")
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestARestoreIsRefusedWhileAServerOrAnyOtherProgramHasTheDatabaseOpen(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	if _, err := s.restore(set, noon); code(err) != "database_in_use" {
		t.Fatalf("beside a server: %v", err)
	}
	// A server that has had nothing to do for minutes keeps no connection open.
	s.app.ConcurrentDB().(*dbx.DB).DB().SetMaxIdleConns(-1)
	s.app.NonconcurrentDB().(*dbx.DB).DB().SetMaxIdleConns(-1)
	if _, err := s.restore(set, noon); code(err) != "database_in_use" {
		t.Fatalf("beside an idle server: %v", err)
	}
	s.close()
	shell, err := fieldsync.Connect(filepath.Join(s.dir, databaseFile))
	s.ok(err)
	var n int
	s.ok(shell.NewQuery(`SELECT count(*) FROM enterprises`).Row(&n))
	before := contents(t, filepath.Join(s.dir, "storage"))
	if _, err := s.restore(set, noon); code(err) != "database_in_use" {
		t.Fatalf("beside another program: %v", err)
	}
	if !maps.Equal(before, contents(t, filepath.Join(s.dir, "storage"))) {
		t.Error("a refused restore changed something")
	}
	s.ok(shell.Close())
	_, err = s.restore(set, noon)
	s.ok(err)
}

func TestNothingOpensTheDatabaseWhileItIsBeingRestored(t *testing.T) {
	s := newStation(t)
	s.close()
	alone, err := acquire(s.dir, true, "database_in_use")
	s.ok(err)
	defer alone.release()
	app := core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: fieldsync.Connect})
	Bind(app)
	if err := app.Bootstrap(); code(err) != "restore_running" {
		t.Errorf("a server starts in the middle of a restore: %v", err)
	}
}

func TestADamagedBackupIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	s := newStation(t)
	parent := t.TempDir()
	set, _ := s.backup(parent, noon)
	s.close()
	var picture string
	for path := range contents(t, set) {
		if strings.HasSuffix(path, ".jpg") {
			picture = path
		}
	}
	flip := func(raw []byte) []byte { raw[len(raw)/2] ^= 1; return raw }
	for _, c := range []struct {
		name, file string
		harm       func([]byte) []byte
		want       string
	}{
		{"a bit of the database", databaseFile, flip, "backup_damaged"},
		{"a picture", picture, flip, "backup_damaged"},
		{"a picture that is gone", picture, nil, "backup_damaged"},
		{"half a list", sumsFile, func(raw []byte) []byte { return raw[:len(raw)/2] }, "backup_damaged"},
		{"a list that leads out of the set", sumsFile, func(raw []byte) []byte { return append(raw, "00  ../../evil\n"...) }, "backup_damaged"},
		{"no manifest", manifestFile, nil, "backup_unknown"},
		{"a manifest of the future", manifestFile, func(raw []byte) []byte { return bytes.Replace(raw, []byte(`"format": 1`), []byte(`"format": 2`), 1) }, "backup_newer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			harmed := filepath.Join(t.TempDir(), "set")
			s.ok(os.CopyFS(harmed, os.DirFS(set)))
			path := filepath.Join(harmed, filepath.FromSlash(c.file))
			if c.harm == nil {
				s.ok(os.Remove(path))
			} else {
				raw, err := os.ReadFile(path)
				s.ok(err)
				s.ok(os.WriteFile(path, c.harm(raw), 0o600))
			}
			before := contents(t, s.dir)
			if _, err := s.restore(harmed, noon); code(err) != c.want {
				t.Errorf("%v", err)
			}
			after := contents(t, s.dir)
			// Leaving WAL rewrites the journal mode in the file's head, nothing else.
			for _, files := range []map[string]string{before, after} {
				delete(files, databaseFile)
				delete(files, databaseFile+"-wal")
				delete(files, databaseFile+"-shm")
			}
			if !maps.Equal(before, after) {
				t.Error("something was changed")
			}
		})
	}
	s.open()
	if len(s.names()) != 1 {
		t.Error("the present database is not whole any more")
	}
}

func TestABackupOfANewerProgramIsRefused(t *testing.T) {
	s := newStation(t)
	_, err := s.app.NonconcurrentDB().NewQuery(`INSERT INTO _migrations (file, applied) VALUES ('29990101_future.go', 1)`).Execute()
	s.ok(err)
	set, _ := s.backup(t.TempDir(), noon)
	s.close()
	if _, err := s.restore(set, noon); code(err) != "backup_newer" {
		t.Errorf("%v", err)
	}
}

// Every point at which a restore may be cut off after its journal is written: the moves are made one by one as finish would.
func TestARestoreCutOffAtAnyPointIsFinishedByTheNextCommandWithBothSetsWhole(t *testing.T) {
	const aside = "replaced-x"
	moves := [][2]string{{"storage", aside + "/storage"}, {"restore.partial/storage", "storage"}, {"data.db-wal", aside + "/data.db-wal"},
		{"data.db-shm", aside + "/data.db-shm"}, {"data.db", aside + "/data.db"}, {"restore.partial/data.db", "data.db"}}
	for made := range len(moves) + 1 {
		dir := t.TempDir()
		s := &station{T: t, dir: dir}
		for path, content := range map[string]string{"data.db": "old", "data.db-wal": "old wal", "data.db-shm": "old shm", "storage/a": "old picture", "warehouse/w": "figures",
			"restore.partial/data.db": "new", "restore.partial/storage/b": "new picture", journalFile: `{"aside": "` + aside + `"}`} {
			s.ok(os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700))
			s.ok(os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600))
		}
		s.ok(os.Mkdir(filepath.Join(dir, aside), 0o700))
		for _, m := range moves[:made] {
			s.ok(os.Rename(filepath.Join(dir, m[0]), filepath.Join(dir, m[1])))
		}
		if made == len(moves) {
			s.ok(os.WriteFile(filepath.Join(dir, "data.db-wal"), []byte("new wal"), 0o600)) // already at work
		}
		s.ok(finish(dir))
		want := map[string]string{"data.db": "new", "storage/b": "new picture", "warehouse/w": "figures", aside + "/data.db": "old",
			aside + "/data.db-wal": "old wal", aside + "/data.db-shm": "old shm", aside + "/storage/a": "old picture"}
		if made == len(moves) {
			want["data.db-wal"] = "new wal"
		}
		if got := contents(t, dir); !maps.Equal(got, want) {
			t.Errorf("cut off after %d moves: %v", made, got)
		}
		s.ok(finish(dir)) // and once more does nothing
	}
}

func TestARestoreCutOffBeforeItsJournalLeavesTheOldSetAndWorksTheSecondTime(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	s.shop("shop00000000002", "后来的店")
	s.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Restore(ctx, core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir}), set, Options{Now: noon}); err == nil {
		t.Fatal("a restore that was told to stop went on")
	}
	// What a kill leaves: half a copy.
	s.ok(os.MkdirAll(filepath.Join(s.dir, stagingDir, "storage"), 0o700))
	s.ok(os.WriteFile(filepath.Join(s.dir, stagingDir, databaseFile), []byte("half"), 0o600))
	s.open()
	if len(s.names()) != 2 {
		t.Errorf("the old set is not whole: %v", s.names())
	}
	s.close()
	_, err := s.restore(set, noon)
	s.ok(err)
	s.open()
	if len(s.names()) != 1 {
		t.Errorf("the second run: %v", s.names())
	}
}

func TestADamagedDatabaseIsNamedByTheDoctorAndCanBeReplaced(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	s.close()
	path := filepath.Join(s.dir, databaseFile)
	s.ok(os.WriteFile(path, []byte("this was a database once, until the disk forgot it"), 0o600))
	doctor := Commands(core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: fieldsync.Connect}), func() time.Time { return noon }, "test")[2]
	doctor.SetArgs(nil)
	if err := doctor.RunE(doctor, nil); err == nil || !strings.Contains(err.Error(), "gangwan restore") {
		t.Errorf("the doctor says: %v", err)
	}
	_, err := s.restore(set, noon)
	s.ok(err)
	s.open()
	if len(s.names()) != 1 {
		t.Errorf("%v", s.names())
	}
}

func TestTheDoctorSaysWhatIsWrongAndMendsItWithFix(t *testing.T) {
	s := newStation(t)
	_, err := s.app.NonconcurrentDB().NewQuery(`DROP TRIGGER sync_visits_insert`).Execute()
	s.ok(err)
	s.close()
	say := func(args ...string) (string, error) {
		var out bytes.Buffer
		c := Commands(core.NewBaseApp(core.BaseAppConfig{DataDir: s.dir, DBConnect: fieldsync.Connect}), func() time.Time { return noon }, "test")[2]
		c.SetArgs(args)
		c.SetOut(&out)
		c.SilenceErrors, c.SilenceUsage = true, true
		err := c.Execute()
		return out.String(), err
	}
	if out, err := say(); err == nil || !strings.Contains(out, "（trigger_missing）") || !strings.Contains(out, "sync_visits_insert") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := say("--fix"); err != nil || !strings.Contains(out, "已修复（trigger_missing）") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := say(); err != nil || !strings.Contains(out, "没有问题") {
		t.Errorf("%v %s", err, out)
	}
}

func TestACommandInTheWrongPlaceMakesNoEmptyDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nothing")
	for _, c := range Commands(core.NewBaseApp(core.BaseAppConfig{DataDir: dir, DBConnect: fieldsync.Connect}), func() time.Time { return noon }, "test") {
		if c.Name() == "restore" {
			continue
		}
		if err := c.RunE(c, nil); code(err) != "no_database" {
			t.Errorf("%s: %v", c.Name(), err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a data directory was made")
	}
}

func TestPocketBasesOwnBackupsAreRefusedForTheyKnowNothingOfPhones(t *testing.T) {
	s := newStation(t)
	if err := s.app.CreateBackup(t.Context(), "b.zip"); code(err) != "stock_backup" {
		t.Errorf("create: %v", err)
	}
	if err := s.app.RestoreBackup(t.Context(), "b.zip"); code(err) != "stock_backup" {
		t.Errorf("restore: %v", err)
	}
}

func TestAPictureOfARecordDeletedDuringTheBackupIsNotMissing(t *testing.T) {
	s := newStation(t)
	s.picture("photo0000000002", "shop00000000001", "soon gone")
	set, _ := s.backup(t.TempDir(), noon)
	copied, err := openPlain(filepath.Join(set, databaseFile))
	s.ok(err)
	defer copied.Close()
	r, err := s.app.FindRecordById("photos", "photo0000000002")
	s.ok(err)
	s.ok(s.app.Delete(r)) // the console: PocketBase deletes the file with it
	m := &Manifest{}
	w := &setWriter{ctx: t.Context(), dir: t.TempDir(), m: m, o: &Options{}, storage: filepath.Join(s.dir, "storage")}
	s.ok(w.open(t.TempDir()))
	defer w.sums.Close()
	for m.Files != 1 { // the file goes in the background
		*m = Manifest{}
		w.dir = t.TempDir()
		s.ok(w.pictures(s.app, copied))
	}
	if len(m.Missing) != 0 {
		t.Errorf("%v", m.Missing)
	}
}

// The clerk who presses twice: what each of the two replaced is kept by itself.
func TestTwoRestoresInOneSecondKeepBothOldSetsApart(t *testing.T) {
	s := newStation(t)
	set, _ := s.backup(t.TempDir(), noon)
	s.close()
	first, err := s.restore(set, noon)
	s.ok(err)
	second, err := s.restore(set, noon)
	s.ok(err)
	if first.Aside == second.Aside || filepath.Base(second.Aside) != "replaced-20261125-120000-2" {
		t.Errorf("set aside in %s and %s", first.Aside, second.Aside)
	}
	for _, r := range []Restored{first, second} {
		old := &station{T: t, dir: r.Aside}
		old.open()
		if got := old.names(); len(got) != 1 {
			t.Errorf("%s: %v", r.Aside, got)
		}
		old.close()
	}
}
