package fieldsync

import (
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Connect opens SQLite as the sync server needs it: every commit durable (FULL), every transaction immediate (no
// BUSY_SNAPSHOT while holding the only writer), replaced rows seen by the triggers, a checkpoint every 32 MB: the pages that
// pushes write are the same few, and at every 4 MB they would be copied over and over.
func Connect(path string) (*dbx.DB, error) {
	pragmas := []string{"busy_timeout(10000)", "journal_mode(WAL)", "journal_size_limit(200000000)", "wal_autocheckpoint(8000)", "synchronous(FULL)",
		"foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-16000)", "recursive_triggers(ON)"}
	c, err := newConnector(path + "?_txlock=immediate&_pragma=" + strings.Join(pragmas, "&_pragma="))
	if err != nil {
		return nil, err
	}
	return dbx.NewFromDB(sql.OpenDB(c), "sqlite"), nil
}

// A run of new rows whose scopes are known from working it out writes its feed rows itself (quick.go): a trigger that looks each of
// them up again costs as much as row and indexes together. For the length of those statements, in their transaction, this key of
// sync_state names the collection whose insert triggers stand aside.
const feeding = "feeding"

// fedByRuns are the collections of which a run may write the feed rows: an insert fires no triggers there but alignment and feed.
var fedByRuns = []string{"visits"}

const clockNow = `(SELECT now FROM sync_clock)`

// membership is the one definition of who walks which grid now; a trigger and the boundary tick both write it.
func membership(user string) string {
	return `(SELECT json_group_array(grid) FROM (SELECT DISTINCT grid FROM assignments WHERE user = ` + user +
		` AND "from" <= ` + clockNow + ` AND (until = '' OR until > ` + clockNow + `) ORDER BY grid))`
}

// near are the harbours that serve a worker's grids now.
const near = `(SELECT json_group_array(harbour) FROM (SELECT DISTINCT harbour FROM grids WHERE harbour != '' AND id IN (SELECT value FROM json_each(users.scope_grids)) ORDER BY harbour))`

func listedBanks(batch string) string {
	banks := strings.ReplaceAll(hooks.HoldingOf("referral_batches").Columns[0].Derived, "NEW.", "referral_batches.")
	return "UPDATE referral_batches SET scope_banks = " + banks + " WHERE id = " + batch + " AND scope_banks IS NOT " + banks + ";"
}

// dated are the fields whose past values decide who might see what, or what counted, at a time.
var dated = map[string][]string{
	"enterprises": {"grid", "status", "registry_status"},
	"grids":       {"harbour"},
	"users":       hooks.PostFields,
}

// triggers lists every trigger that the tables should have, by name. They run in the transaction of the write itself,
// whoever makes it: phone, console, API, cascade, import, migration, plain SQL.
func triggers() map[string]string {
	out := map[string]string{}
	add := func(name, when, body string) {
		name = "sync_" + name
		out[name] = "CREATE TRIGGER " + name + " " + when + " BEGIN\n" + body + "\nEND"
	}
	for _, h := range hooks.Holdings {
		t := h.Collection
		aligned, fix := alignment(h)
		insertWhen := ""
		if fix != "" {
			unfed := ""
			if slices.Contains(fedByRuns, t) {
				unfed = "NOT EXISTS (SELECT 1 FROM sync_state WHERE key = '" + feeding + "' AND value = '" + t + "') AND "
			}
			insertWhen = " WHEN " + unfed + aligned
			add(t+"_align_insert", "AFTER INSERT ON "+t+" WHEN "+unfed+"NOT ("+aligned+")", fix)
			add(t+"_align_update", "AFTER UPDATE OF "+columnList(h.Sources)+" ON "+t+" WHEN NOT ("+aligned+")", fix)
		}
		add(t+"_insert", "AFTER INSERT ON "+t+insertWhen, feedRows(h, "NEW"))
		add(t+"_update", "AFTER UPDATE ON "+t, feedRows(h, "OLD", "NEW"))
		add(t+"_delete", "AFTER DELETE ON "+t, feedRows(h, "OLD"))
		add(t+"_renamed", "AFTER UPDATE OF id ON "+t+" WHEN OLD.id IS NOT NEW.id", feedRows(h, "OLD"))
	}
	for _, t := range hooks.Warehouse {
		h := hooks.Holding{Collection: t}
		add(t+"_insert", "AFTER INSERT ON "+t, feedRows(h, "NEW"))
		add(t+"_update", "AFTER UPDATE ON "+t, feedRows(h, "NEW"))
		add(t+"_delete", "AFTER DELETE ON "+t, feedRows(h, "OLD"))
		add(t+"_renamed", "AFTER UPDATE OF id ON "+t+" WHEN OLD.id IS NOT NEW.id", feedRows(h, "OLD"))
	}
	for i, f := range hooks.Followers {
		var sets, froms, changed []string
		for _, child := range sortedKeys(f.Set) {
			parent := f.Set[child]
			sets = append(sets, child+" = NEW."+parent)
			froms = append(froms, parent)
			changed = append(changed, "OLD."+parent+" IS NOT NEW."+parent)
		}
		add(fmt.Sprintf("%s_follow_%s_%d", f.Parent, f.Child, i),
			"AFTER UPDATE OF "+strings.Join(froms, ", ")+" ON "+f.Parent+" WHEN "+strings.Join(changed, " OR "),
			"UPDATE "+f.Child+" SET "+strings.Join(sets, ", ")+" WHERE "+f.Key+" = NEW.id;")
	}
	// A grid served by another harbour takes its enterprises, and demands without one, along.
	add("grids_harbour", "AFTER UPDATE OF harbour ON grids WHEN OLD.harbour IS NOT NEW.harbour",
		"UPDATE enterprises SET scope_harbour = NEW.harbour WHERE scope_grid = NEW.id;\n"+
			"UPDATE demands SET scope_harbour = COALESCE(NULLIF(NEW.harbour, ''), harbour) WHERE enterprise = '' AND scope_grid = NEW.id;")
	for _, t := range hooks.Touches {
		add(fmt.Sprintf("%s_%s_touch_%s", t.Parent, t.Column, t.Child), fmt.Sprintf("AFTER UPDATE OF %[2]s ON %[1]s WHEN OLD.%[2]s IS NOT NEW.%[2]s", t.Parent, t.Column),
			fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s WHERE %[2]s = NEW.id;", t.Child, t.Key))
	}
	for _, t := range hooks.ActivityEvidence {
		add(t.Name, t.When, t.Do)
	}
	// A dispatched list is held by every bank it names.
	for _, on := range []struct{ name, when, row string }{
		{"insert", "AFTER INSERT", "NEW"}, {"update", "AFTER UPDATE OF bank, batch", "NEW"}, {"update_old", "AFTER UPDATE OF batch", "OLD"}, {"delete", "AFTER DELETE", "OLD"}} {
		add("referrals_banks_"+on.name, on.when+" ON referrals", listedBanks(on.row+".batch"))
	}
	add("referral_batches_banks_insert", "AFTER INSERT ON referral_batches", listedBanks("NEW.id"))
	add("referral_batches_banks_status", "AFTER UPDATE OF status ON referral_batches WHEN OLD.status IS NOT NEW.status", listedBanks("NEW.id"))
	// A worker stands near the harbours that serve the grids walked now.
	add("users_near", "AFTER UPDATE OF scope_grids ON users WHEN OLD.scope_grids IS NOT NEW.scope_grids", "UPDATE users SET scope_harbours = "+near+" WHERE id = NEW.id AND scope_harbours IS NOT "+near+";")
	add("grids_near", "AFTER UPDATE OF harbour ON grids WHEN OLD.harbour IS NOT NEW.harbour",
		"UPDATE users SET scope_harbours = "+near+" WHERE EXISTS (SELECT 1 FROM json_each(users.scope_grids) WHERE value = NEW.id);")
	// A demand is held by every bank it was offered to.
	for _, on := range []struct{ name, when, row string }{
		{"insert", "AFTER INSERT", "NEW"}, {"update", "AFTER UPDATE OF bank, demand", "NEW"}, {"delete", "AFTER DELETE", "OLD"}} {
		add("demand_matches_banks_"+on.name, on.when+" ON demand_matches",
			"UPDATE demands SET scope_banks = (SELECT json_group_array(bank) FROM (SELECT DISTINCT bank FROM demand_matches WHERE demand = "+on.row+".demand ORDER BY bank)) WHERE id = "+on.row+".demand;")
	}
	for _, on := range []struct{ name, when, row string }{
		{"insert", "AFTER INSERT", "NEW"}, {"update", "AFTER UPDATE", "NEW"}, {"update_old", "AFTER UPDATE OF user", "OLD"}, {"delete", "AFTER DELETE", "OLD"}} {
		add("assignments_member_"+on.name, on.when+" ON assignments",
			"UPDATE users SET scope_grids = "+membership(on.row+".user")+" WHERE id = "+on.row+".user AND scope_grids IS NOT "+membership(on.row+".user")+";")
	}
	archive := `INSERT INTO scope_history (id, collection, record, field, value, since, until)
		SELECT 'h' || lower(hex(randomblob(7))), 'users', OLD.user, 'grid', OLD.grid, OLD."from",
			CASE WHEN OLD.until != '' AND OLD.until < ` + clockNow + ` THEN OLD.until ELSE ` + clockNow + ` END
		WHERE OLD."from" < ` + clockNow + `;`
	add("assignments_past_delete", "AFTER DELETE ON assignments", archive)
	add("assignments_past_update", `AFTER UPDATE OF user, grid, "from", until ON assignments WHEN OLD.user IS NOT NEW.user OR OLD.grid IS NOT NEW.grid OR OLD."from" IS NOT NEW."from" OR OLD.until IS NOT NEW.until`, archive)
	for t, fields := range dated {
		for _, f := range fields {
			add(t+"_past_"+f, fmt.Sprintf("AFTER UPDATE OF %[2]s ON %[1]s WHEN OLD.%[2]s IS NOT NEW.%[2]s", t, f), fmt.Sprintf(
				`INSERT INTO scope_history (id, collection, record, field, value, since, until)
		VALUES ('h' || lower(hex(randomblob(7))), '%[1]s', OLD.id, '%[2]s', OLD.%[2]s,
			COALESCE((SELECT max(until) FROM scope_history WHERE record = OLD.id AND field = '%[2]s' AND collection = '%[1]s'), ''), %[3]s);`, t, f, clockNow))
		}
	}
	return out
}

// alignment is the test that a row's derived scope columns are right, and the statement that makes them so.
func alignment(h hooks.Holding) (aligned, fix string) {
	var tests, sets []string
	for _, c := range h.Columns {
		if c.Derived == "" || c.List {
			continue
		}
		tests = append(tests, "NEW."+c.Column+" IS "+c.Derived)
		sets = append(sets, c.Column+" = "+c.Derived)
	}
	if len(tests) == 0 {
		return "", ""
	}
	return strings.Join(tests, " AND "), "UPDATE " + h.Collection + " SET " + strings.Join(sets, ", ") + " WHERE id = NEW.id;"
}

// feedRows appends one row for each scope that the record is in, or was in before: who lost it must hear of it too.
// The parts cannot overlap (each column has its own prefix, OLD adds only what differs), so nothing has to be sorted out.
func feedRows(h hooks.Holding, rows ...string) string {
	now := rows[len(rows)-1]
	var parts, nobody []string
	row := func(scope, from string) {
		parts = append(parts, fmt.Sprintf("SELECT %s, '%s', %s.id, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'), 0) + 1%s", scope, h.Collection, now, from))
	}
	if h.All {
		row("'"+hooks.ScopeAll+"'", "")
	}
	for _, of := range rows {
		for _, c := range h.Columns {
			column, differs := of+"."+c.Column, ""
			if c.List {
				if of != now {
					differs = fmt.Sprintf(" AND value NOT IN (SELECT value FROM json_each(%s.%s))", now, c.Column)
				}
				row("'"+c.Prefix+"' || value", fmt.Sprintf(" FROM json_each(%s) WHERE value != ''%s", column, differs))
				nobody = append(nobody, "json_array_length("+column+") = 0")
				continue
			}
			if of != now {
				differs = fmt.Sprintf(" AND %s IS NOT %s.%s", column, now, c.Column)
			}
			row("'"+c.Prefix+"' || "+column, fmt.Sprintf(" WHERE %s != ''%s", column, differs))
			nobody = append(nobody, column+" = ''")
		}
	}
	if !h.All {
		where := ""
		if len(nobody) > 0 {
			where = " WHERE " + strings.Join(nobody, " AND ")
		}
		row("'"+hooks.ScopeNobody+"'", where)
	}
	return "INSERT INTO sync_feed (scope, collection, record, rev)\n\t" + strings.Join(parts, "\n\tUNION ALL ") + ";"
}

func columnList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + n + `"`
	}
	return strings.Join(quoted, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// presentTriggers reads the sync triggers that the database has, as their SQL by name.
func presentTriggers(db dbx.Builder) (map[string]string, error) {
	var rows []struct{ Name, SQL string }
	err := db.NewQuery(`SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sync\_%' ESCAPE '\'`).All(&rows)
	out := map[string]string{}
	for _, r := range rows {
		out[r.Name] = r.SQL
	}
	return out, err
}

// ensureTriggers makes the database's triggers what they should be, in one transaction. Where a table is not there yet
// (migrations still running) it does nothing: it is called again after every collection change.
func ensureTriggers(app core.App) error {
	want := triggers()
	return app.RunInTransaction(func(tx core.App) error {
		var tables []string
		if err := tx.DB().NewQuery(`SELECT name FROM sqlite_master WHERE type = 'table'`).Column(&tables); err != nil {
			return err
		}
		for _, t := range append([]string{"sync_feed", "sync_clock"}, trackedTables()...) {
			if !slices.Contains(tables, t) {
				return nil
			}
		}
		have, err := presentTriggers(tx.DB())
		if err != nil {
			return err
		}
		for name := range have {
			if have[name] != want[name] {
				if _, err := tx.DB().NewQuery("DROP TRIGGER " + name).Execute(); err != nil {
					return err
				}
			}
		}
		for _, name := range sortedKeys(want) {
			if have[name] != want[name] {
				if _, err := tx.DB().NewQuery(want[name]).Execute(); err != nil {
					return fmt.Errorf("trigger %s: %w", name, err)
				}
			}
		}
		return recapture(tx, have)
	})
}

// recapture makes the feed whole again where capture was missing: a collection was deleted and made anew, imported, or was
// there before capture began. What was missed cannot be known, so every record that is there, and every record that ever was
// in the feed, counts as changed now, in each scope it is in or ever was in.
func recapture(tx core.App, had map[string]string) error {
	blind := slices.DeleteFunc(trackedTables(), func(t string) bool {
		return had["sync_"+t+"_insert"] != "" && had["sync_"+t+"_update"] != "" && had["sync_"+t+"_delete"] != ""
	})
	for _, t := range blind {
		sources := []string{"id"}
		if h := hooks.HoldingOf(t); h != nil && len(h.Sources) > 0 {
			sources = h.Sources
		}
		var same []string
		for _, s := range sources {
			same = append(same, fmt.Sprintf("%[1]q = %[1]q", s))
		}
		for _, q := range []string{
			`INSERT INTO sync_feed (scope, collection, record, rev) SELECT DISTINCT scope, collection, record, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'), 0) + 1
				FROM sync_feed WHERE collection = '` + t + `'`,
			`UPDATE ` + t + ` SET ` + strings.Join(same, ", "), // the triggers do the rest
		} {
			if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
				return fmt.Errorf("recapture %s: %w", t, err)
			}
		}
	}
	if len(blind) == 0 {
		return nil
	}
	// What is derived from rows that vanished unseen.
	banks := hooks.HoldingOf("demands").Columns[2].Derived
	fixes := []string{
		`UPDATE users SET scope_grids = ` + membership("users.id") + ` WHERE scope_grids IS NOT ` + membership("users.id"),
		`UPDATE users SET scope_harbours = ` + near + ` WHERE scope_harbours IS NOT ` + near,
		strings.Replace(listedBanks("referral_batches.id"), "WHERE id = referral_batches.id AND", "WHERE", 1),
		hooks.MendActivityEvidence,
		`UPDATE demands SET scope_banks = ` + strings.ReplaceAll(banks, "NEW.", "demands.") + ` WHERE scope_banks IS NOT ` + strings.ReplaceAll(banks, "NEW.", "demands."),
	}
	for _, h := range hooks.Holdings {
		if aligned, fix := alignment(h); fix != "" {
			of := strings.NewReplacer("NEW.", h.Collection+".", "WHERE id = NEW.id;", "WHERE NOT ("+strings.ReplaceAll(aligned, "NEW.", h.Collection+".")+")")
			fixes = append(fixes, of.Replace(fix))
		}
	}
	for _, q := range fixes {
		if _, err := tx.DB().NewQuery(q).Execute(); err != nil {
			return fmt.Errorf("recapture: %s: %w", q, err)
		}
	}
	return nil
}

func trackedTables() []string {
	out := slices.Clone(hooks.Warehouse)
	for _, h := range hooks.Holdings {
		out = append(out, h.Collection)
	}
	return out
}

// missingTriggers names triggers that should be there and are not, or differ.
func missingTriggers(db dbx.Builder) ([]string, error) {
	have, err := presentTriggers(db)
	if err != nil {
		return nil, err
	}
	want := triggers()
	var missing []string
	for _, name := range sortedKeys(want) {
		if have[name] != want[name] {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// guard checks the triggers before writes, again only when the schema changed since they were last found whole.
type guard struct{ wholeAt int64 }

func (g *guard) check(db dbx.Builder) error {
	var version int64
	if err := db.NewQuery(`PRAGMA schema_version`).Row(&version); err != nil {
		return err
	}
	if version == g.wholeAt {
		return nil
	}
	missing, err := missingTriggers(db)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		refusal := refuse(http.StatusInternalServerError, "feed_broken")
		refusal.err.With("missing", missing)
		return refusal
	}
	g.wholeAt = version
	return nil
}

// tick writes the server's clock where triggers read it, applies the membership boundaries that passed, each with a seq,
// and notes which seq belongs to which minute. It never turns the clock back. crossed: somebody's grids are others from now on.
func tick(tx core.App, now time.Time) (crossed bool, err error) {
	at := hooks.Stored(now)
	var last string
	if err := tx.DB().NewQuery(`SELECT now FROM sync_clock`).Row(&last); err != nil {
		return false, err
	}
	if at <= last {
		return false, nil
	}
	if _, err := tx.DB().NewQuery(`UPDATE sync_clock SET now = {:at}`).Bind(dbx.Params{"at": at}).Execute(); err != nil {
		return false, err
	}
	if crossed, err = boundaries(tx.DB(), last, at); err != nil {
		return false, err
	}
	if crossed {
		if _, err := tx.DB().NewQuery(`UPDATE users SET scope_grids = ` + membership("users.id") +
			` WHERE id IN (SELECT user FROM assignments) AND scope_grids IS NOT ` + membership("users.id")).Execute(); err != nil {
			return false, err
		}
	}
	_, err = tx.DB().NewQuery(noteTick).
		Bind(dbx.Params{"at": at, "minute": hooks.Stored(now.Add(-time.Minute))}).Execute()
	return crossed, err
}

// noteTick: max(seq) by itself, or the whole feed would be read. SQLite knows the end of a table only where nothing else is asked.
const noteTick = `INSERT OR REPLACE INTO sync_ticks (seq, at) SELECT (SELECT COALESCE(max(seq), 0) FROM sync_feed), {:at}
	WHERE COALESCE((SELECT at FROM sync_ticks ORDER BY seq DESC LIMIT 1), '') <= {:minute}`

// boundaries tells whether an assignment began or ended after last and not after now.
func boundaries(db dbx.Builder, last, now string) (bool, error) {
	var n int
	err := db.NewQuery(`SELECT EXISTS (SELECT 1 FROM assignments WHERE "from" > {:last} AND "from" <= {:now})
		OR EXISTS (SELECT 1 FROM assignments WHERE until != '' AND until > {:last} AND until <= {:now})`).
		Bind(dbx.Params{"last": last, "now": now}).Row(&n)
	return n != 0, err
}

// bindFeed keeps triggers, clock and epoch in place for as long as the app lives.
func bindFeed(app core.App, now hooks.Clock) {
	ensure := func(e *core.CollectionEvent) error {
		if err := ensureTriggers(e.App); err != nil {
			return err
		}
		return e.Next()
	}
	app.OnCollectionAfterCreateSuccess().BindFunc(ensure)
	app.OnCollectionAfterUpdateSuccess().BindFunc(ensure)
	app.OnCollectionAfterDeleteSuccess().BindFunc(ensure)
	// Where a console edit decides who sees what, the trigger must find the present time.
	timed := func(e *core.RecordEvent) error {
		outer := e.App
		defer func() { e.App = outer }()
		return e.App.RunInTransaction(func(tx core.App) error {
			e.App = tx
			if _, err := tick(tx, now()); err != nil {
				return err
			}
			return e.Next()
		})
	}
	tables := []string{"assignments", "enterprises", "users", "grids"}
	app.OnRecordUpdate(tables...).BindFunc(timed)
	app.OnRecordCreate("assignments").BindFunc(timed)
	app.OnRecordDelete(tables...).BindFunc(timed)
}

// prepare makes a migrated database ready for writes: triggers, clock, and the name of this life of the database.
func prepare(app core.App, now hooks.Clock) error {
	if err := ensureTriggers(app); err != nil {
		return err
	}
	return app.RunInTransaction(func(tx core.App) error {
		if _, err := tx.DB().NewQuery(`DELETE FROM sync_state WHERE key = '` + feeding + `'`).Execute(); err != nil {
			return err
		}
		if _, err := tx.DB().NewQuery(`INSERT OR IGNORE INTO sync_state (key, value) VALUES ('epoch', lower(hex(randomblob(8)))), ('cursor_key', lower(hex(randomblob(32))))`).Execute(); err != nil {
			return err
		}
		_, err := tick(tx, now())
		return err
	})
}

func epochOf(db dbx.Builder) (string, error) {
	var epoch string
	err := db.NewQuery(`SELECT value FROM sync_state WHERE key = 'epoch'`).Row(&epoch)
	return epoch, err
}

// NewEpoch begins a new life of the database, as a restore from a backup must: every device then sends again what it kept and
// downloads anew. It takes the time from which that counts and the last seq of the database that was put aside (0: there was none,
// or nobody can read it), and returns the new life's name.
func NewEpoch(app core.App, now time.Time, reached int64) (epoch string, err error) {
	err = app.RunInTransaction(func(tx core.App) error {
		epoch, err = newEpoch(tx, now, reached)
		return err
	})
	return epoch, err
}

// lifeGap lies between the seqs of one life and the next: further than any life comes.
const lifeGap = 1_000_000_000

// newEpoch begins a new life behind all that is known of those before: reached is how far the lost one is known to have come.
func newEpoch(tx core.App, now time.Time, reached int64) (string, error) {
	for _, q := range []string{
		`INSERT OR REPLACE INTO sync_state (key, value) VALUES ('epoch', lower(hex(randomblob(8)))),
			('epoch_seq', (SELECT COALESCE(max(seq), 0) FROM sync_feed)), ('epoch_at', {:at})`,
		`DELETE FROM sync_rewritten`,
		// Further than the lost life can have come: whatever is applied in this one comes later in the order of both, so that what is
		// sent again settles rightly after a second restore too.
		`UPDATE sqlite_sequence SET seq = max(seq, {:reached}) + {:gap} WHERE name = 'sync_feed'`,
	} {
		if _, err := tx.DB().NewQuery(q).Bind(dbx.Params{"at": hooks.Stored(now), "reached": reached, "gap": lifeGap}).Execute(); err != nil {
			return "", err
		}
	}
	return epochOf(tx.DB())
}
