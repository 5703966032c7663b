package fieldsync

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/pocketbase/dbx"
	validation "github.com/pocketbase/ozzo-validation/v4"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/hook"

	"gangwan/hooks"
)

// Nine of ten mutations create a record against which nothing stands: new id, known references, own grid. Such a run of a push is
// applied together: what the rules must know is asked once for all (ground), the hooks run as in any save, the fields are
// validated by PocketBase's own validators but for what ground knows already, and the row goes in by a compiled statement.
// Whatever does not fit is undone and goes the long way (settle), which alone refuses, defers and merges. A differential test
// holds the two ways equal.

// selfContained are the collections whose creation changes no other record: only those may be undone as a run.
var selfContained = []string{"enterprises", "visits", "photos", "demands"}

// applyAll settles the mutations of a push in their order. Trusting, it leaves out the savepoints of runs, and asks for
// everything to be done again (errAgain) if one would have been needed.
func (a *applier) applyAll(mutations []*sent, trusting bool) ([]Result, error) {
	results := make([]Result, len(mutations))
	g, err := a.survey(mutations)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(mutations); {
		s := mutations[i]
		// What waited when the push came may have gone on with something before it in the same push: that is asked again.
		if known := g.known[s.m.ID]; s.ok && known != nil && known.Status != Deferred {
			if results[i], err = a.again(s, known); err != nil {
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
			done, err := a.quickly(g, mutations[i:end], results[i:end], trusting)
			if err != nil {
				return nil, err
			}
			if i += done; i == end {
				continue
			}
		}
		if results[i], err = a.apply(mutations[i]); err != nil {
			return nil, err
		}
		g.changed(mutations[i], results[i])
		i++
	}
	return results, nil
}

// ground is what a push needs to know of the database, asked once for all its mutations.
type ground struct {
	app    core.App
	known  map[string]*ledger
	first  map[string]*sent           // by mutation id and by record: a second one of the same push goes the long way
	used   map[string]bool            // records that the feed knows: they exist, or are gone
	waited map[string]bool            // records that something waits for
	exists map[string]map[string]bool // collection → records that are surely there
	scopes map[string][]string        // collection and sources → scope columns
	memo   *hooks.Memo
	long   bool // something of this push waits: what comes may release it
}

// survey asks what the rules will want to know.
func (a *applier) survey(mutations []*sent) (*ground, error) {
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
	if err := g.names(`SELECT waits_for FROM sync_deferred WHERE waits_for IN (SELECT value FROM json_each(?1))
		UNION ALL SELECT id FROM sync_attachments WHERE status != 'applied' AND id IN (SELECT value FROM json_each(?1))
		UNION ALL SELECT record FROM sync_attachments WHERE status != 'applied' AND record IN (SELECT value FROM json_each(?1))`, []any{list}, g.waited); err != nil {
		return nil, err
	}
	return g, g.surveyReferences(mutations)
}

// surveyReferences looks up the records that creates name, and the scopes that follow from them.
func (g *ground) surveyReferences(mutations []*sent) error {
	named := map[string][]string{}
	sources := map[string][][]string{}
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
		sources[s.m.Collection] = append(sources[s.m.Collection], row)
	}
	for collection, ids := range named {
		slices.Sort(ids)
		there := map[string]bool{}
		if err := g.names("SELECT id FROM "+collection+" WHERE id IN (SELECT value FROM json_each(?))"+unmerged, []any{jsonText(slices.Compact(ids)), collection}, there); err != nil {
			return err
		}
		g.exists[collection] = there
	}
	for collection, rows := range sources {
		columns, err := hooks.ScopesOf(g.app, collection, rows)
		if err != nil {
			return err
		}
		for i, row := range rows {
			g.scopes[collection+" "+strings.Join(row, " ")] = columns[i]
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

// executor is the transaction itself: dbx takes each text apart anew, which costs more than many a statement.
func executor(tx core.App) dbx.Executor {
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
		together := func(core.App) error {
			for at = 0; at < n; at++ {
				r, err := a.quick(g, run[at], &results[at])
				if err != nil {
					return err
				}
				made = append(made, r)
			}
			return a.rememberRun(run[:n], results[:n])
		}
		var err, fatal error
		if trusting {
			if err = together(a.tx); err != nil {
				return 0, errAgain
			}
		} else if err, fatal = atomically(a.tx, together); fatal != nil {
			return 0, fatal
		}
		if err == nil {
			a.announce(made)
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

// quick creates one record. Any error means: not this way.
func (a *applier) quick(g *ground, s *sent, result *Result) (*core.Record, error) {
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
	*result = Result{ID: m.ID, Status: Applied}
	r := core.NewRecord(collection)
	r.Id = m.Record
	r.SetRaw("id", m.Record)
	for _, name := range sortedKeys(m.Data) {
		f := form.Field(name)
		if f == nil || !f.MayWrite(role, true) {
			if name != "id" {
				result.Ignored = append(result.Ignored, name)
			}
			continue
		}
		field := collection.Fields.GetByName(name)
		if typed(field, m.Data[name]) != nil {
			return nil, errLong
		}
		if relation, ok := field.(*core.RelationField); ok {
			target, err := a.tx.FindCachedCollectionByNameOrId(relation.CollectionId)
			if err != nil {
				return nil, err
			}
			for _, id := range referenced(field, m.Data[name]) {
				if id != "" && id != m.Record && !g.has(target.Name, id) {
					return nil, errLong
				}
			}
		}
		if err := setField(r, field, m.Data[name]); err != nil {
			return nil, errLong
		}
	}
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
	if !overlaps(hooks.UserScopes(a.user), hooks.RecordScopes(r)) {
		return nil, errLong // perhaps it did when it was captured
	}
	return r, a.insert(g, r)
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

type groundKey struct{}

// insert is a save in a transaction that knows its ground: the hooks of a record's creation run as in app.Save.
func (a *applier) insert(g *ground, r *core.Record) error {
	ctx := context.WithValue(hooks.WithMemo(a.context(), g.memo), groundKey{}, g)
	event := func(kind string) *core.RecordEvent {
		e := &core.RecordEvent{}
		e.App, e.Context, e.Record, e.Type = a.tx, ctx, r, kind
		return e
	}
	return a.tx.OnRecordCreate().Trigger(event(core.ModelEventTypeCreate), func(*core.RecordEvent) error {
		if err := a.tx.OnRecordValidate().Trigger(event(core.ModelEventTypeValidate)); err != nil {
			return err
		}
		return a.tx.OnRecordCreateExecute().Trigger(event(core.ModelEventTypeCreate), func(e *core.RecordEvent) error {
			plan := planOf(r.Collection())
			data, err := r.DBExport(a.tx)
			if err != nil {
				return err
			}
			args := make([]any, len(plan.columns))
			for i, c := range plan.columns {
				args[i] = data[c]
			}
			if _, err := executor(a.tx).Exec(plan.insert, args...); err != nil {
				return err
			}
			r.MarkAsNotNew()
			return nil
		})
	})
}

// bindQuick lets ground answer, in place of one query a relation, what it knows already. All else is PocketBase's own validation.
func bindQuick(app core.App) {
	app.OnRecordValidate(selfContained...).Bind(&hook.Handler[*core.RecordEvent]{Priority: 98, Func: func(e *core.RecordEvent) error {
		g, _ := e.Context.Value(groundKey{}).(*ground)
		if g == nil {
			return e.Next()
		}
		return g.validate(e)
	}})
}

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

// plan is the compiled form of a collection's INSERT. OR FAIL spares the journal that SQLite keeps for each statement with
// triggers, which costs twice the insert: a run is undone by its savepoint, never by half a statement.
type plan struct {
	of      *core.Collection
	columns []string
	insert  string
}

var plans sync.Map // collection name → *plan, made anew when the collection changes

func planOf(c *core.Collection) *plan {
	if p, ok := plans.Load(c.Name); ok && p.(*plan).of == c {
		return p.(*plan)
	}
	p := &plan{of: c, columns: c.Fields.FieldNames()}
	quoted := make([]string, len(p.columns))
	for i, name := range p.columns {
		quoted[i] = "`" + name + "`"
	}
	p.insert = "INSERT OR FAIL INTO `" + c.Name + "` (" + strings.Join(quoted, ", ") + ") VALUES (" + marks(len(quoted)) + ")"
	plans.Store(c.Name, p)
	return p
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// rememberRun writes the ledger of a run: one question where the rows stand in the feed, and few statements.
func (a *applier) rememberRun(run []*sent, results []Result) error {
	records := make([]string, len(run))
	for i, s := range run {
		records[i] = s.m.Record
	}
	places := make(map[string]struct{ seq, rev int64 }, len(run))
	g := ground{app: a.tx}
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
	args := make([]any, 0, ledgerRows*ledgerColumns)
	received := hooks.Stored(a.received)
	for i, s := range run {
		r := &results[i]
		at := places[s.m.Collection+" "+s.m.Record]
		r.Seq, r.Record = at.seq, &RecordRev{ID: s.m.Record, Rev: at.rev}
		kept, err := resultJSON(*r)
		if err != nil {
			return err
		}
		args = append(args, s.m.ID, a.device, s.hash, s.m.Record, string(r.Status), r.Seq, kept, keptBody(*r, string(s.raw)), received, 0, r.rev())
		rows := len(args) / ledgerColumns
		if rest := len(run) - i - 1; rows == ledgerRows || rest == 0 {
			for rows > 0 {
				n := 1
				if rows == ledgerRows {
					n = rows
				}
				if _, err := executor(a.tx).Exec(ledgerInsert(n), args[:n*ledgerColumns]...); err != nil {
					return err
				}
				args, rows = args[n*ledgerColumns:], rows-n
			}
			args = args[:0:cap(args)]
		}
	}
	return nil
}

// A ledger statement writes this many rows at once, or one.
const ledgerRows, ledgerColumns = 25, 11

func ledgerInsert(rows int) string {
	row := "(" + marks(ledgerColumns) + ")"
	return "INSERT OR FAIL INTO sync_mutations (id, device, hash, record, status, seq, result, body, received_at, prev_rev, rev) VALUES " +
		strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

// announce tells PocketBase (realtime, and whoever listens) of the records that were made, once they are durable.
func (a *applier) announce(made []*core.Record) {
	a.tx.TxInfo().OnComplete(func(failed error) error {
		if failed != nil {
			return nil
		}
		for _, r := range made {
			e := &core.ModelEvent{}
			e.App, e.Context, e.Model, e.Type = a.root, context.Background(), r, core.ModelEventTypeCreate
			if err := a.root.OnModelAfterCreateSuccess().Trigger(e); err != nil {
				return err
			}
		}
		return nil
	})
}
