package fieldsync

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Finding is one kind of thing that is wrong with what sync stands on: a code for scripts, a Chinese sentence for people.
type Finding struct {
	Code    string
	Message string
	mend    func(tx core.App, now time.Time) error
}

// Mendable tells whether Mend can put it right.
func (f Finding) Mendable() bool { return f.mend != nil }

// Doctor names what is wrong with triggers, clock, epoch, scopes, followers, membership, feed and waiting mutations; nothing
// when all is well. It only reads. The database must be migrated.
func Doctor(app core.App, now time.Time) ([]Finding, error) {
	e := &examination{app: app, db: app.DB(), now: now}
	for _, look := range []func() error{e.clock, e.epoch, e.triggers, e.kept, e.membership, e.scopes, e.followers, e.feed, e.waits} {
		if err := look(); err != nil {
			return nil, err
		}
	}
	return e.found, nil
}

// Mend puts right what Doctor finds, in one transaction, and returns what it mended and what it could not. What phones must
// hear of takes its seq as any change does.
func Mend(app core.App, now time.Time) (mended, left []Finding, err error) {
	err = app.RunInTransaction(func(tx core.App) error {
		// Mending one thing may bring another to light: a clock before memberships, triggers before what they missed.
		for range 4 {
			found, err := Doctor(tx, now)
			if err != nil {
				return err
			}
			left = found
			done := false
			for _, f := range found {
				if f.mend == nil {
					continue
				}
				if err := f.mend(tx, now); err != nil {
					return fmt.Errorf("%s: %w", f.Code, err)
				}
				mended, done = append(mended, f), true
			}
			if !done {
				return nil
			}
		}
		return errors.New("what was mended is found broken again")
	})
	if err != nil {
		return nil, left, err
	}
	return mended, left, nil
}

type examination struct {
	app   core.App
	db    dbx.Builder
	now   time.Time
	found []Finding
}

// shown is how many ids a finding names.
const shown = 3

func (e *examination) add(code string, mend func(tx core.App, now time.Time) error, format string, args ...any) {
	e.found = append(e.found, Finding{code, fmt.Sprintf(format, args...), mend})
}

// rows adds a finding when the query, which yields ids, yields any.
func (e *examination) rows(code, what, query string, mend func(tx core.App, now time.Time) error) error {
	var n int
	var ids []string
	if err := e.db.NewQuery(`SELECT count(*) FROM (` + query + `)`).Row(&n); err != nil || n == 0 {
		return err
	}
	if err := e.db.NewQuery(fmt.Sprintf(`SELECT * FROM (%s) LIMIT %d`, query, shown)).Column(&ids); err != nil {
		return err
	}
	e.add(code, mend, "%s：%d 条，如 %s", what, n, strings.Join(ids, "、"))
	return nil
}

func execute(queries ...string) func(core.App, time.Time) error {
	return func(tx core.App, _ time.Time) error {
		for _, q := range queries {
			if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
				return err
			}
		}
		return nil
	}
}

func (e *examination) clock() error {
	var n int
	if err := e.db.NewQuery(`SELECT count(*) FROM sync_clock`).Row(&n); err != nil || n == 1 {
		return err
	}
	e.add("clock_missing", func(tx core.App, now time.Time) error {
		if err := execute(`INSERT INTO sync_clock (id, now) VALUES (1, '')`)(tx, now); err != nil {
			return err
		}
		_, err := tick(tx, now)
		return err
	}, "变更记录没有时钟（sync_clock 为空），按日期的网格分配不会生效")
	return nil
}

// epoch: what sync_state must hold, prepare makes.
func (e *examination) epoch() error {
	for _, k := range []struct{ key, code, what string }{
		{"epoch", "epoch_missing", "数据库没有编号（epoch），手机无法判断是否恢复过备份；补上后手机会重新下载一次"},
		{"cursor_key", "cursor_key_missing", "没有下载进度的签名密钥（cursor_key）；补上后手机会重新下载一次"}} {
		var n int
		if err := e.db.NewQuery(`SELECT count(*) FROM sync_state WHERE key = {:key} AND value != ''`).Bind(dbx.Params{"key": k.key}).Row(&n); err != nil {
			return err
		}
		if n == 0 {
			e.add(k.code, func(tx core.App, now time.Time) error {
				if err := execute(`DELETE FROM sync_state WHERE key = '`+k.key+`'`)(tx, now); err != nil {
					return err
				}
				return prepare(tx, func() time.Time { return now })
			}, "%s", k.what)
		}
	}
	return nil
}

// triggers: making them good captures anew where they were missing. One that was there but did something else may have let changes
// pass as well. Followers and memberships that were missed show up by themselves in the other examinations.
func (e *examination) triggers() error {
	have, err := presentTriggers(e.db)
	if err != nil {
		return err
	}
	want := triggers()
	var missing, differ, foreign []string
	for _, name := range sortedKeys(want) {
		if sql, there := have[name]; !there {
			missing = append(missing, name)
		} else if sql != want[name] {
			differ = append(differ, name)
		}
	}
	for _, name := range sortedKeys(have) {
		if want[name] == "" {
			foreign = append(foreign, name)
		}
	}
	ensure := func(tx core.App, _ time.Time) error { return ensureTriggers(tx) }
	const unseen = "；这期间的改动可能没有通知手机，修复时会全部重新通知"
	if len(missing) > 0 {
		e.add("trigger_missing", ensure, "缺少触发器 %d 个，如 %s%s", len(missing), first(missing), unseen)
	}
	if len(differ) > 0 {
		e.add("trigger_differs", func(tx core.App, now time.Time) error {
			trusted := maps.Clone(want)
			for _, name := range differ {
				delete(trusted, name)
			}
			return errors.Join(ensure(tx, now), recapture(tx, trusted))
		}, "触发器与本版本不同 %d 个，如 %s%s", len(differ), first(differ), unseen)
	}
	if len(foreign) > 0 {
		e.add("trigger_foreign", ensure, "多出以 sync_ 开头的触发器 %d 个，如 %s", len(foreign), first(foreign))
	}
	return nil
}

// kept: the logs that nobody may change.
func (e *examination) kept() error {
	missing, err := hooks.MissingKept(e.db)
	if err != nil || len(missing) == 0 {
		return err
	}
	e.add("log_unkept", func(tx core.App, _ time.Time) error { return hooks.EnsureKept(tx) }, "操作日志和上报处理记录缺少防改触发器：%s；这期间的记录可能被改动或删除", strings.Join(missing, "、"))
	return nil
}

func first(names []string) string { return strings.Join(names[:min(shown, len(names))], "、") }

func (e *examination) membership() error {
	wrong := `(COALESCE(NULLIF(scope_grids, ''), '[]') IS NOT ` + membership("users.id") + ` OR COALESCE(NULLIF(scope_harbours, ''), '[]') IS NOT ` + near + `)`
	return e.rows("membership_differs", "网格员现在负责的网格（scope_grids）或服务港湾（scope_harbours）与网格分配不一致", `SELECT id FROM users WHERE `+wrong,
		execute(`UPDATE users SET scope_grids = `+membership("users.id")+` WHERE `+wrong, `UPDATE users SET scope_harbours = `+near+` WHERE `+wrong))
}

func (e *examination) scopes() error {
	for _, h := range hooks.Holdings {
		var wrong, sets []string
		for _, c := range h.Columns {
			if c.Derived != "" {
				right := strings.ReplaceAll(c.Derived, "NEW.", h.Collection+".")
				wrong = append(wrong, c.Column+" IS NOT "+right)
				sets = append(sets, c.Column+" = "+right)
			}
		}
		if len(wrong) == 0 {
			continue
		}
		where := strings.Join(wrong, " OR ")
		if err := e.rows("scope_differs", h.Collection+" 的归属（网格、港湾、银行）与所属主体不一致", "SELECT id FROM "+h.Collection+" WHERE "+where,
			execute("UPDATE "+h.Collection+" SET "+strings.Join(sets, ", ")+" WHERE "+where)); err != nil {
			return err
		}
	}
	return nil
}

func (e *examination) followers() error {
	for _, f := range hooks.Followers {
		var differ, sets []string
		for _, child := range sortedKeys(f.Set) {
			if child == f.Set[child] {
				continue // a scope column, examined as such
			}
			differ = append(differ, fmt.Sprintf("c.%s IS NOT p.%s", child, f.Set[child]))
			sets = append(sets, fmt.Sprintf("%[1]s = (SELECT p.%[2]s FROM %[3]s p WHERE p.id = %[4]s.%[5]s)", child, f.Set[child], f.Parent, f.Child, f.Key))
		}
		if len(differ) == 0 {
			continue
		}
		query := fmt.Sprintf("SELECT c.id FROM %s c JOIN %s p ON p.id = c.%s WHERE %s", f.Child, f.Parent, f.Key, strings.Join(differ, " OR "))
		if err := e.rows("follower_differs", fmt.Sprintf("%s 上抄录的名称、联系人与 %s 不一致", f.Child, f.Parent), query,
			execute(fmt.Sprintf("UPDATE %s SET %s WHERE id IN (%s)", f.Child, strings.Join(sets, ", "), query))); err != nil {
			return err
		}
	}
	return nil
}

// feed finds records that no pull can bring: no row, or none in a scope they are in. The plus keeps SQLite off the index by
// scope: a record has few rows, a scope has all.
func (e *examination) feed() error {
	look := func(t string, lacking []string) error {
		query := "SELECT id FROM " + t + " WHERE " + strings.Join(lacking, " OR ")
		return e.rows("feed_missing", t+" 有记录不在变更记录里，手机下载不到", query,
			func(tx core.App, now time.Time) error {
				// The ids first: the update's own triggers change what the query finds.
				return execute(`CREATE TEMP TABLE IF NOT EXISTS sync_unfed (id TEXT)`, `DELETE FROM temp.sync_unfed`,
					`INSERT INTO temp.sync_unfed `+query, `UPDATE `+t+` SET id = id WHERE id IN (SELECT id FROM temp.sync_unfed)`,
					`DROP TABLE temp.sync_unfed`)(tx, now)
			})
	}
	row := func(t, scope string) string {
		return fmt.Sprintf("EXISTS (SELECT 1 FROM sync_feed f WHERE f.record = %[1]s.id AND f.collection = '%[1]s'%[2]s)", t, scope)
	}
	for _, h := range hooks.Holdings {
		lacking := []string{"NOT " + row(h.Collection, "")}
		for _, c := range h.Columns {
			if c.List {
				lacking = append(lacking, fmt.Sprintf("EXISTS (SELECT 1 FROM json_each(%s.%s) j WHERE j.value != '' AND NOT %s)", h.Collection, c.Column,
					row(h.Collection, " AND +f.scope = '"+c.Prefix+"' || j.value")))
				continue
			}
			column := h.Collection + `."` + c.Column + `"`
			lacking = append(lacking, fmt.Sprintf("(%s != '' AND NOT %s)", column, row(h.Collection, " AND +f.scope = '"+c.Prefix+"' || "+column)))
		}
		if err := look(h.Collection, lacking); err != nil {
			return err
		}
	}
	for _, t := range hooks.Warehouse {
		if err := look(t, []string{"NOT " + row(t, "")}); err != nil {
			return err
		}
	}
	return nil
}

// waits: a running server does this by itself; what is found long after means that none ran.
func (e *examination) waits() error {
	query := fmt.Sprintf(`SELECT mutation FROM sync_deferred WHERE received_at <= '%s'`, hooks.Stored(e.now.Add(-patience)))
	return e.rows("waiting_too_long", "等待所属记录超过 30 天的上报", query, func(tx core.App, _ time.Time) error {
		var ids []string
		if err := tx.DB().NewQuery(query).Column(&ids); err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := (&applier{tx: tx}).giveUp(id); err != nil {
				return err
			}
		}
		return nil
	})
}

// StoredFile is a file that the database names, by its path below the storage directory. Needed is false for what the server
// keeps a while though nothing shows it, such as a refused picture.
type StoredFile struct {
	Path   string
	Needed bool

	table, column, record, name string
}

// StoredFiles calls each for every file that db names; app tells the collections. It stops at the first error of each.
func StoredFiles(app core.App, db dbx.Builder, each func(StoredFile) error) error {
	collections, err := app.FindAllCollections()
	if err != nil {
		return err
	}
	folders := map[string]string{}
	for _, c := range collections {
		folders[c.Name] = c.Id
		if c.IsView() {
			continue
		}
		for _, f := range c.Fields {
			file, ok := f.(*core.FileField)
			if !ok {
				continue
			}
			query := fmt.Sprintf(`SELECT id, "%s" AS name FROM %s WHERE "%[1]s" != ''`, file.Name, c.Name)
			if file.IsMultiple() {
				query = fmt.Sprintf(`SELECT t.id, j.value AS name FROM %s t, json_each(iif(json_valid(t."%s"), t."%[2]s", '[]')) j`, c.Name, file.Name)
			}
			if err := eachFile(db, query, func(id, name string) error {
				return each(StoredFile{Path: c.Id + "/" + id + "/" + name, Needed: true, table: c.Name, column: file.Name, record: id, name: name})
			}); err != nil {
				return err
			}
		}
	}
	// Pictures that came before their record wait where they will belong.
	var waiting []picture
	if err := db.NewQuery(`SELECT id, collection, record, field, file, status FROM sync_attachments WHERE status != 'applied' AND file != ''`).All(&waiting); err != nil {
		return err
	}
	for _, p := range waiting {
		collection, record, _ := p.home()
		if err := each(StoredFile{Path: folders[collection] + "/" + record + "/" + p.File, Needed: p.Status == Deferred,
			table: "sync_attachments", column: "file", record: p.ID, name: p.File}); err != nil {
			return err
		}
	}
	return nil
}

func eachFile(db dbx.Builder, query string, each func(id, name string) error) error {
	rows, err := db.NewQuery(query).Rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		if err := each(id, name); err != nil {
			return err
		}
	}
	return rows.Err()
}

// StillNames tells whether db, looked at later, still names the file.
func StillNames(db dbx.Builder, f StoredFile) (bool, error) {
	var n int
	err := db.NewQuery(`SELECT EXISTS (SELECT 1 FROM ` + f.table + ` WHERE id = {:id} AND instr("` + f.column + `", {:name}) > 0)`).
		Bind(dbx.Params{"id": f.record, "name": f.name}).Row(&n)
	return n != 0, err
}
