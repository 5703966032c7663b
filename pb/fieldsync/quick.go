package fieldsync

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/pocketbase/dbx"
	validation "github.com/pocketbase/ozzo-validation/v4"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

// Nine of ten mutations create a record against which nothing stands: new id, known references, own grid. Such a run of a push is
// applied together: what the rules must know is asked once for all (ground), our rules run as in any save, the fields are
// validated by PocketBase's own validators but for what ground knows already, and the row goes in by a compiled statement.
// Whatever does not fit is undone and goes the long way (settle), which alone refuses, defers and merges. A differential test
// holds the two ways equal.
//
// There is one writer. So what can be worked out before its turn is, by as many pushes at once as the machine has cores; the
// writer uses it where nothing that it rests on has changed since (Server.stands), and works it out again where something has.

// selfContained are the collections whose creation by a mutation saves no other record: only those may be undone as a run.
var selfContained = []string{"enterprises", "visits", "photos", "demands"}

// independent are the collections of which a new record rests on no other that may be made at the same time: it may be worked
// out beside others. An enterprise is compared with its neighbours, a demand gets the next number.
var independent = []string{"visits", "photos"}

// workOutAhead prepares what it can of a push outside the writer's turn. What fails here is tried again, and judged, in its turn.
func (s *Server) workOutAhead(a applier, mutations []*sent) *ground {
	life := s.life.Load() // before anything is read
	user, err := s.app.FindRecordById("users", a.user.Id)
	if err != nil {
		return nil
	}
	a.tx, a.user = s.app, user
	g, err := a.survey(mutations, s.factsOf(life))
	if err != nil {
		return nil
	}
	g.life, g.ready = life, map[*sent]*ready{}
	for _, m := range mutations {
		if slices.Contains(independent, m.m.Collection) && g.plain(m) {
			if r, err := a.workOut(g, m, func(*ready) error { return nil }); err == nil {
				g.ready[m] = r
			}
		}
	}
	return g
}

// stands tells whether all that a push was worked out on is as it was then. Writer only.
func (s *Server) stands(g *ground) bool {
	if g == nil || !s.trusting || s.disturbed || g.life != s.life.Load() {
		return false
	}
	for _, r := range g.ready { // a console may have changed the collection itself
		c, err := s.app.FindCachedCollectionByNameOrId(r.plan.of.Name)
		if err != nil || c != r.plan.of {
			return false
		}
	}
	return true
}

// applyAll settles the mutations of a push in their order, with what was worked out ahead where that stands. Trusting, it leaves
// out the savepoints of runs, and asks for everything to be done again (errAgain) if one would have been needed.
func (a *applier) applyAll(s *Server, mutations []*sent, ahead *ground) ([]Result, error) {
	results := make([]Result, len(mutations))
	g, err := ahead, error(nil)
	if s.stands(ahead) {
		g.app = a.tx
	} else if g, err = a.survey(mutations, nil); err != nil {
		return nil, err
	}
	for i := 0; i < len(mutations); {
		m := mutations[i]
		// What waited when the push came may have gone on with something before it in the same push: that is asked again.
		if known := g.known[m.m.ID]; m.ok && known != nil && known.Status != Deferred {
			if results[i], err = a.again(m, known); err != nil {
				return nil, err
			}
			i++
			continue
		}
		end := i
		for end < len(mutations) && g.plain(mutations[end]) {
			end++
		}
		if end > i {
			done, err := a.quickly(g, mutations[i:end], results[i:end], s.trusting)
			if err != nil {
				return nil, err
			}
			if i += done; i == end {
				continue
			}
		}
		s.disturbed = true
		if results[i], err = a.apply(mutations[i]); err != nil {
			return nil, err
		}
		g.changed(mutations[i], results[i])
		i++
	}
	return results, nil
}

// facts are what pushes have found out that stays so as long as nobody writes but pushes that put plain new rows: they are asked
// once a life, not once a push.
type findings struct {
	life int64
	sync.Mutex
	exists map[string]map[string]bool // collection → records that are there and not merged
	scopes map[string][]string        // as in ground, of rows that are in a scope: those whose sources are there
	calm   *bool                      // nothing waits for any record
}

// factsKept bounds the facts of one kind: a few megabytes.
const factsKept = 20_000

// factsOf are the facts of a life, or nil if it is over. What is added to them was asked after that life began.
func (s *Server) factsOf(life int64) *findings {
	f := s.facts.Load()
	if f == nil || f.life < life {
		fresh := &findings{life: life, exists: map[string]map[string]bool{}, scopes: map[string][]string{}}
		if s.facts.CompareAndSwap(f, fresh) {
			return fresh
		}
		f = s.facts.Load()
	}
	if f.life != life {
		return nil
	}
	return f
}

// ask fills in what is known and hands the rest to find, whose finds are kept where keep agrees. Nil facts know nothing.
func ask[V any](f *findings, of func(*findings) map[string]V, names []string, into map[string]V, find func(missing []string) error, keep func(V) bool) error {
	if f == nil {
		return find(names)
	}
	var missing []string
	f.Lock()
	for _, name := range names {
		if v, ok := of(f)[name]; ok {
			into[name] = v
		} else {
			missing = append(missing, name)
		}
	}
	f.Unlock()
	if len(missing) == 0 {
		return nil
	}
	if err := find(missing); err != nil {
		return err
	}
	f.Lock()
	defer f.Unlock()
	if len(of(f)) > factsKept {
		clear(of(f))
	}
	for _, name := range missing {
		if v, ok := into[name]; ok && keep(v) {
			of(f)[name] = v
		}
	}
	return nil
}

// ground is what a push needs to know of the database, asked once for all its mutations.
type ground struct {
	app    core.App
	life   int64            // of the server, when this was asked
	ready  map[*sent]*ready // what was worked out ahead
	known  map[string]*ledger
	first  map[string]*sent           // by mutation id and by record: a second one of the same push goes the long way
	used   map[string]bool            // records that the feed knows: they exist, or are gone
	waited map[string]bool            // records that something waits for
	exists map[string]map[string]bool // collection → records that are surely there
	scopes map[string][]string        // collection and sources → scope columns
	memo   *hooks.Memo
	sight  []string // the scopes of the user, once asked for
	long   bool     // something of this push waits: what comes may release it
}

// survey asks what the rules will want to know, except what the facts of this life tell already.
func (a *applier) survey(mutations []*sent, known *findings) (*ground, error) {
	g := &ground{app: a.tx, known: map[string]*ledger{}, first: map[string]*sent{}, used: map[string]bool{}, waited: map[string]bool{},
		exists: map[string]map[string]bool{}, scopes: map[string][]string{}, memo: &hooks.Memo{}}
	var ids, records []string
	for _, s := range mutations {
		if !s.ok {
			continue
		}
		ids = append(ids, s.m.ID)
		if g.first[s.m.ID] == nil {
			g.first[s.m.ID] = s
		}
		if s.m.Op == "create" {
			records = append(records, s.m.Record)
			if g.first["record "+s.m.Record] == nil {
				g.first["record "+s.m.Record] = s
			}
		}
	}
	if err := g.each(`SELECT id, device, hash, status, result, record, seq, rev FROM sync_mutations WHERE id IN (SELECT value FROM json_each(?))`, []any{jsonText(ids)}, func(r *sql.Rows) error {
		var id string
		var l ledger
		err := r.Scan(&id, &l.Device, &l.Hash, &l.Status, &l.Result, &l.Record, &l.Seq, &l.Rev)
		g.known[id] = &l
		return err
	}); err != nil || len(records) == 0 {
		return g, err
	}
	list := jsonText(records)
	if err := g.names(`SELECT DISTINCT collection || ' ' || record FROM sync_feed WHERE record IN (SELECT value FROM json_each(?))`, []any{list}, g.used); err != nil {
		return nil, err
	}
	if calm, err := g.calm(known); err != nil {
		return nil, err
	} else if !calm {
		if err := g.names(`SELECT waits_for FROM sync_deferred WHERE waits_for IN (SELECT value FROM json_each(?1))
			UNION ALL SELECT id FROM sync_attachments WHERE status != 'applied' AND id IN (SELECT value FROM json_each(?1))
			UNION ALL SELECT record FROM sync_attachments WHERE status != 'applied' AND record IN (SELECT value FROM json_each(?1))`, []any{list}, g.waited); err != nil {
			return nil, err
		}
	}
	return g, g.surveyReferences(mutations, known)
}

// calm tells whether nothing waits for any record, where that is worth knowing: for the whole of a life.
func (g *ground) calm(known *findings) (bool, error) {
	if known == nil {
		return false, nil
	}
	known.Lock()
	defer known.Unlock()
	if known.calm == nil {
		var calm bool
		if err := g.each(`SELECT NOT EXISTS (SELECT 1 FROM sync_deferred) AND NOT EXISTS (SELECT 1 FROM sync_attachments WHERE status != 'applied')`, nil,
			func(r *sql.Rows) error { return r.Scan(&calm) }); err != nil {
			return false, err
		}
		known.calm = &calm
	}
	return *known.calm, nil
}

// surveyReferences looks up the records that creates name, and the scopes that follow from them.
func (g *ground) surveyReferences(mutations []*sent, known *findings) error {
	named := map[string][]string{}
	sources := map[string]map[string][]string{} // collection → key in scopes → values of the sources
	for _, s := range mutations {
		if !g.plain(s) {
			continue
		}
		collection, err := g.app.FindCachedCollectionByNameOrId(s.m.Collection)
		if err != nil {
			return err
		}
		for _, f := range collection.Fields {
			relation, ok := f.(*core.RelationField)
			if !ok || s.m.Data[relation.Name] == nil {
				continue
			}
			target, err := g.app.FindCachedCollectionByNameOrId(relation.CollectionId)
			if err != nil {
				return err
			}
			named[target.Name] = append(named[target.Name], referenced(f, s.m.Data[relation.Name])...)
		}
		if s.m.Collection == "photos" {
			owner, _ := s.m.Data["collection"].(string)
			id, _ := s.m.Data["record"].(string)
			if owner != "photos" && hooks.Forms[owner] != nil {
				named[owner] = append(named[owner], id)
			}
		}
		row := make([]string, 0, 4)
		for _, name := range hooks.ScopeSources(s.m.Collection) {
			v, _ := s.m.Data[name].(string)
			row = append(row, v)
		}
		if sources[s.m.Collection] == nil {
			sources[s.m.Collection] = map[string][]string{}
		}
		sources[s.m.Collection][s.m.Collection+" "+strings.Join(row, " ")] = row
	}
	for collection, ids := range named {
		slices.Sort(ids)
		there := map[string]bool{}
		if known != nil {
			known.Lock()
			if known.exists[collection] == nil {
				known.exists[collection] = map[string]bool{}
			}
			known.Unlock()
		}
		if err := ask(known, func(f *findings) map[string]bool { return f.exists[collection] }, slices.Compact(ids), there, func(ids []string) error {
			return g.names("SELECT id FROM "+collection+" WHERE id IN (SELECT value FROM json_each(?))"+unmerged, []any{jsonText(ids), collection}, there)
		}, func(bool) bool { return true }); err != nil {
			return err
		}
		g.exists[collection] = there
	}
	for collection, rows := range sources {
		if err := ask(known, func(f *findings) map[string][]string { return f.scopes }, sortedKeys(rows), g.scopes, func(keys []string) error {
			list := make([][]string, len(keys))
			for i, key := range keys {
				list[i] = rows[key]
			}
			columns, err := hooks.ScopesOf(g.app, collection, list)
			if err != nil {
				return err
			}
			for i, key := range keys {
				g.scopes[key] = columns[i]
			}
			return nil
		}, func(columns []string) bool {
			return slices.ContainsFunc(columns, func(c string) bool { return c != "" })
		}); err != nil {
			return err
		}
	}
	return nil
}

// plain tells whether nothing known stands against going the quick way.
func (g *ground) plain(s *sent) bool {
	m := &s.m
	return s.ok && !g.long && m.Op == "create" && m.Replaces == "" && m.AppliedSeq == 0 && m.ServerTime == "" &&
		slices.Contains(selfContained, m.Collection) && sensible(*m) && g.known[m.ID] == nil &&
		g.first[m.ID] == s && g.first["record "+m.Record] == s && !g.used[m.Collection+" "+m.Record] && !g.waited[m.Record]
}

// changed forgets what a mutation that went the long way may have made untrue.
func (g *ground) changed(s *sent, r Result) {
	clear(g.scopes)
	clear(g.ready)
	if s.m.Op == "delete" {
		clear(g.exists)
	}
	g.memo = &hooks.Memo{}
	g.long = g.long || r.Status == Deferred
}

// What names a merged record must follow to the one that was kept, and only the long way does.
const unmerged = " AND NOT EXISTS (SELECT 1 FROM sync_merged WHERE sync_merged.collection = ? AND sync_merged.record = id)"

// has tells whether a record is there and was not merged; it asks again for one that was not.
func (g *ground) has(collection, id string) bool {
	if g.exists[collection][id] {
		return true
	}
	there := false
	err := g.each("SELECT 1 FROM "+collection+" WHERE id = ?"+unmerged, []any{id, collection}, func(*sql.Rows) error { there = true; return nil })
	if err != nil || !there {
		return false
	}
	if g.exists[collection] == nil {
		g.exists[collection] = map[string]bool{}
	}
	g.exists[collection][id] = true
	return true
}

func (g *ground) each(query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := executor(g.app).Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (g *ground) names(query string, args []any, into map[string]bool) error {
	return g.each(query, args, func(r *sql.Rows) error {
		var name string
		err := r.Scan(&name)
		into[name] = true
		return err
	})
}

// executor is the transaction itself, or the readers' connections outside one: dbx takes each text apart anew, which costs more
// than many a statement.
func executor(tx core.App) dbx.Executor {
	if !tx.IsTransactional() {
		return tx.ConcurrentDB().(*dbx.DB).DB()
	}
	return tx.NonconcurrentDB().(*dbx.Tx).Builder.(interface{ Executor() dbx.Executor }).Executor()
}

func jsonText(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

// quickly applies the first mutations of a run together and tells how many; the next one, if any, must go the long way.
func (a *applier) quickly(g *ground, run []*sent, results []Result, trusting bool) (int, error) {
	for n := len(run); n > 0; {
		at, made := 0, make([]*core.Record, 0, n)
		all := func(core.App) error {
			for at = 0; at < n; {
				many, err := a.together(g, run[at:n], results[at:n], trusting)
				if err != nil {
					return err
				}
				made = append(made, many...)
				at += len(many)
			}
			return a.rememberRun(run[:n], results[:n])
		}
		var err, fatal error
		if trusting {
			if err = all(a.tx); err != nil {
				return 0, errAgain
			}
		} else if err, fatal = atomically(a.tx, all); fatal != nil {
			return 0, fatal
		}
		if err == nil {
			a.fresh = append(a.fresh, made...)
			return n, nil
		}
		if at == n {
			return 0, err
		}
		n = at
	}
	return 0, nil
}

// errLong sends a mutation the long way.
var errLong = errors.New("not a plain create")

// ready is a record that may go into its table: every rule has seen it, its values stand in the order of the columns.
type ready struct {
	record  *core.Record
	plan    *plan
	args    []any
	filled  uint64 // the columns, by position, that do not hold what an empty one does
	ignored []string
}

// together creates the first records of a run: all that are ready in one collection, or one. Any error means that one of them cannot
// go this way; which one is only known where they go one by one.
func (a *applier) together(g *ground, run []*sent, results []Result, trusting bool) ([]*core.Record, error) {
	first := g.ready[run[0]]
	if first == nil {
		r, err := a.workOut(g, run[0], func(r *ready) error {
			return r.plan.put(executor(a.tx), r)
		})
		if err != nil {
			return nil, err
		}
		results[0] = r.result(run[0])
		return []*core.Record{r.record}, nil
	}
	n := 1
	for trusting && n < len(run) && g.ready[run[n]] != nil && g.ready[run[n]].plan == first.plan {
		n++
	}
	made, rows := make([]*core.Record, n), make([]*ready, n)
	for i, s := range run[:n] {
		rows[i] = g.ready[s]
		made[i], results[i] = rows[i].record, rows[i].result(s)
	}
	if trusting && slices.Contains(fedByRuns, first.plan.of.Name) {
		return made, a.fed(rows, results)
	}
	return made, first.plan.put(executor(a.tx), rows...)
}

// fed puts rows into their table and the feed, in place of the triggers, which stand aside meanwhile. The scopes of the records are
// right: that they are what the triggers would find is what working out ahead rests on (Server.stands).
func (a *applier) fed(rows []*ready, results []Result) error {
	tx, p := executor(a.tx), rows[0].plan
	if _, err := tx.Exec(`INSERT INTO sync_state (key, value) VALUES ('`+feeding+`', ?)`, p.of.Name); err != nil {
		return err
	}
	if err := p.put(tx, rows...); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM sync_state WHERE key = '` + feeding + `'`); err != nil {
		return err
	}
	var seq int64
	g := ground{app: a.tx}
	if err := g.each(`SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'`, nil, func(r *sql.Rows) error { return r.Scan(&seq) }); err != nil {
		return err
	}
	feed := make([]any, 0, 2*5*len(rows))
	for i, row := range rows {
		r := row.record
		scopes, rev := hooks.RecordScopes(r), seq+1
		if len(scopes) == 0 {
			scopes = []string{hooks.ScopeNobody}
		}
		for _, scope := range scopes {
			seq++
			feed = append(feed, seq, scope, p.of.Name, r.Id, rev)
		}
		results[i].Seq, results[i].Record = seq, &RecordRev{ID: r.Id, Rev: rev}
	}
	return feedInsert.run(tx, feed)
}

func (r *ready) result(of *sent) Result {
	return Result{ID: of.m.ID, Status: Applied, Ignored: r.ignored}
}

// workOut makes the record of a plain create, and hands its row to put in the midst of its rules. Any error means: not this way.
func (a *applier) workOut(g *ground, s *sent, put func(*ready) error) (*ready, error) {
	m := s.m
	form := hooks.Forms[m.Collection]
	role := a.user.GetString("role")
	captured, err := hooks.ParseTime(m.CapturedAt)
	if err != nil || !slices.Contains(form.Writers, role) {
		return nil, errLong
	}
	collection, err := a.tx.FindCachedCollectionByNameOrId(m.Collection)
	if err != nil {
		return nil, err
	}
	r := core.NewRecord(collection)
	r.Id = m.Record
	r.SetRaw("id", m.Record)
	out := &ready{record: r, plan: planOf(a.tx, collection)}
	for name, v := range m.Data {
		f := form.Field(name)
		if f == nil || !f.MayWrite(role, true) {
			if name != "id" {
				out.ignored = append(out.ignored, name)
			}
			continue
		}
		field := collection.Fields.GetByName(name)
		if typed(field, v) != nil {
			return nil, errLong
		}
		if relation, ok := field.(*core.RelationField); ok {
			target, err := a.tx.FindCachedCollectionByNameOrId(relation.CollectionId)
			if err != nil {
				return nil, err
			}
			for _, id := range referenced(field, v) {
				if id != "" && id != m.Record && !g.has(target.Name, id) {
					return nil, errLong
				}
			}
		}
		if err := setField(r, field, v); err != nil {
			return nil, errLong
		}
	}
	slices.Sort(out.ignored)
	if m.Collection == "photos" {
		owner := r.GetString("collection")
		if owner == "photos" || hooks.Forms[owner] == nil || !g.has(owner, r.GetString("record")) {
			return nil, errLong
		}
	}
	a.stampCapture(r, m, a.corrected(captured))
	for _, f := range form.Fields {
		if f.Required && f.MayWrite(role, true) && isZero(r, f.Name) {
			return nil, errLong
		}
	}
	if err := g.setScopes(r); err != nil {
		return nil, err
	}
	if g.sight == nil {
		g.sight = hooks.UserScopes(a.user)
	}
	if !overlaps(g.sight, hooks.RecordScopes(r)) {
		return nil, errLong // perhaps it did when it was captured
	}
	return out, hooks.Creating(hooks.WithMemo(a.context(), g.memo), a.tx, r, g.validate, func(*core.RecordEvent) error {
		if err := out.export(); err != nil {
			return err
		}
		return put(out)
	})
}

// export stamps the record as PocketBase would while saving it, and takes its values as they are stored.
func (r *ready) export() error {
	now := types.NowDateTime()
	for _, f := range r.plan.of.Fields {
		if auto, ok := f.(*core.AutodateField); ok && auto.OnCreate && r.record.GetDateTime(auto.Name).IsZero() {
			r.record.SetRaw(auto.Name, now)
		}
	}
	r.args = make([]any, len(r.plan.of.Fields))
	for i, f := range r.plan.of.Fields {
		v := r.record.GetRaw(f.GetName())
		var err error
		if of, ok := f.(core.DriverValuer); ok {
			if v, err = of.DriverValue(r.record); err != nil {
				return err
			}
		}
		// As the driver wants it: database/sql would find that out in the writer's turn.
		if r.args[i], err = driver.DefaultParameterConverter.ConvertValue(v); err != nil {
			return err
		}
		if r.args[i] != r.plan.empty[i] {
			r.filled |= 1 << (i % 64)
		}
	}
	return nil
}

// setField is r.Set for one field that is known: r.Set asks every field of the collection whether it is meant.
func setField(r *core.Record, field core.Field, v any) error {
	prepared, err := field.PrepareValue(r, v)
	if err == nil {
		r.SetRaw(field.GetName(), prepared)
	}
	return err
}

// setScopes fills the scope columns from what was asked for all, or asks.
func (g *ground) setScopes(r *core.Record) error {
	sources := hooks.ScopeSources(r.Collection().Name)
	row := make([]string, len(sources))
	for i, name := range sources {
		row[i] = r.GetString(name)
	}
	columns, ok := g.scopes[r.Collection().Name+" "+strings.Join(row, " ")]
	if !ok {
		return hooks.SetScopes(g.app, r)
	}
	for i, c := range hooks.DerivedColumns(r.Collection().Name) {
		r.SetRaw(c, columns[i]) // text fields, every one
	}
	return nil
}

// validate is PocketBase's own validation of every field, but that ground answers, in place of one query a relation, what it
// knows already.
func (g *ground) validate(e *core.RecordEvent) error {
	wrong := validation.Errors{}
	for _, f := range e.Record.Collection().Fields {
		switch x := f.(type) {
		case *core.TextField:
			if x.PrimaryKey {
				continue // a device's id, checked by its form; that it is free the table itself says
			}
		case *core.RelationField:
			if g.knows(e, x) {
				continue
			}
		}
		if err := f.ValidateValue(e.Context, e.App, e.Record); err != nil {
			wrong[f.GetName()] = err
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// knows tells whether a relation's values are in number and surely there.
func (g *ground) knows(e *core.RecordEvent, f *core.RelationField) bool {
	ids := e.Record.GetStringSlice(f.Name)
	if len(ids) == 0 || len(ids) > max(f.MaxSelect, 1) || len(ids) < f.MinSelect {
		return false
	}
	target, err := e.App.FindCachedCollectionByNameOrId(f.CollectionId)
	if err != nil {
		return false
	}
	for _, id := range ids {
		if !g.has(target.Name, id) {
			return false
		}
	}
	return true
}

// inserting is an INSERT of one row and of many: each statement costs as much as some indexes of a row. OR FAIL spares the journal
// that SQLite keeps for each statement with triggers, which costs twice the insert: a run is undone by its savepoint or with its
// group, never by half a statement.
type inserting struct {
	one, many     string
	columns, rows int // of a row; of many
}

func insertInto(table string, rows int, columns ...string) inserting {
	row := "(" + marks(len(columns)) + ")"
	one := "INSERT OR FAIL INTO `" + table + "` (`" + strings.Join(columns, "`, `") + "`) VALUES " + row
	return inserting{one, one + strings.Repeat(", "+row, rows-1), len(columns), rows}
}

// run writes the rows whose values stand in args one after the other.
func (w *inserting) run(tx dbx.Executor, args []any) error {
	for len(args) > 0 {
		statement, n := w.one, w.columns
		if len(args) >= w.rows*w.columns {
			statement, n = w.many, w.rows*w.columns
		}
		if _, err := tx.Exec(statement, args[:n]...); err != nil {
			return err
		}
		args = args[n:]
	}
	return nil
}

var (
	feedInsert   = insertInto("sync_feed", 20, "seq", "scope", "collection", "record", "rev")
	ledgerInsert = insertInto("sync_mutations", 25, "id", "device", "hash", "record", "status", "seq", "result", "body", "received_at", "prev_rev", "rev")
)

// plan is the compiled form of a collection's INSERT. Columns that are empty in all rows are left out: what the driver is given to
// bind costs with the square of its number.
type plan struct {
	of      *core.Collection
	columns []string
	empty   []any // what the table itself puts into each column; nil where that is not known to be what PocketBase does

	sync.Mutex
	shapes map[uint64]*inserting
}

var plans sync.Map // collection name → *plan, made anew when the collection changes

// shapesKept bounds the statements of one collection: phones of one release send few kinds of rows.
const shapesKept = 32

func planOf(app core.App, c *core.Collection) *plan {
	if p, ok := plans.Load(c.Name); ok && p.(*plan).of == c {
		return p.(*plan)
	}
	p := &plan{of: c, columns: c.Fields.FieldNames(), empty: make([]any, len(c.Fields)), shapes: map[uint64]*inserting{}}
	if len(c.Fields) <= 64 {
		known := map[string]any{"DEFAULT '' NOT NULL": "", "DEFAULT 0 NOT NULL": 0.0, "DEFAULT FALSE NOT NULL": false, "DEFAULT '[]' NOT NULL": "[]"}
		for i, f := range c.Fields {
			_, rest, _ := strings.Cut(f.ColumnType(app), " ")
			p.empty[i] = known[rest]
		}
	}
	plans.Store(c.Name, p)
	return p
}

// put writes rows into the table.
func (p *plan) put(tx dbx.Executor, rows ...*ready) error {
	var filled uint64
	for _, r := range rows {
		filled |= r.filled
	}
	if len(p.columns) > 64 {
		filled = math.MaxUint64
	}
	p.Lock()
	insert := p.shapes[filled]
	if insert == nil {
		if len(p.shapes) >= shapesKept {
			clear(p.shapes)
		}
		var columns []string
		for i, name := range p.columns {
			if filled>>(i%64)&1 == 1 {
				columns = append(columns, name)
			}
		}
		made := insertInto(p.of.Name, 10, columns...)
		insert, p.shapes[filled] = &made, &made
	}
	p.Unlock()
	args := make([]any, 0, len(rows)*insert.columns)
	for _, r := range rows {
		for i, v := range r.args {
			if filled>>(i%64)&1 == 1 {
				args = append(args, v)
			}
		}
	}
	return insert.run(tx, args)
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// rememberRun writes the ledger of a run: one question where the rows stand in the feed, for those that did not put themselves there,
// and few statements.
func (a *applier) rememberRun(run []*sent, results []Result) error {
	var records []string
	for i, s := range run {
		if results[i].Record == nil {
			records = append(records, s.m.Record)
		}
	}
	places := make(map[string]struct{ seq, rev int64 }, len(records))
	g := ground{app: a.tx}
	if len(records) > 0 {
		if err := g.each(`SELECT collection || ' ' || record, max(seq), max(rev) FROM sync_feed WHERE record IN (SELECT value FROM json_each(?)) GROUP BY 1`,
			[]any{jsonText(records)}, func(r *sql.Rows) error {
				var key string
				var at struct{ seq, rev int64 }
				err := r.Scan(&key, &at.seq, &at.rev)
				places[key] = at
				return err
			}); err != nil {
			return err
		}
	}
	args := make([]any, 0, len(run)*ledgerInsert.columns)
	received := hooks.Stored(a.received)
	for i, s := range run {
		r := &results[i]
		if r.Record == nil {
			at := places[s.m.Collection+" "+s.m.Record]
			r.Seq, r.Record = at.seq, &RecordRev{ID: s.m.Record, Rev: at.rev}
		}
		kept, err := resultJSON(*r)
		if err != nil {
			return err
		}
		body := ""
		if len(r.Ignored) > 0 {
			body = keptBody(*r, string(s.raw()))
		}
		args = append(args, s.m.ID, a.device, s.hash, s.m.Record, string(r.Status), r.Seq, kept, body, received, 0, r.rev())
	}
	return ledgerInsert.run(executor(a.tx), args)
}

// announce tells PocketBase (realtime, and whoever listens) of the records that a push made, once they are durable.
func (s *Server) announce(made []*core.Record) error {
	for _, r := range made {
		r.MarkAsNotNew()
		e := &core.ModelEvent{}
		e.App, e.Context, e.Model, e.Type = s.app, context.Background(), r, core.ModelEventTypeCreate
		if err := s.app.OnModelAfterCreateSuccess().Trigger(e); err != nil {
			return err
		}
	}
	return nil
}
