package fieldsync

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// cursor says how far a device has read each scope. It grants nothing: what is sent depends on present state alone.
type cursor struct {
	User   string     `json:"u"`
	Epoch  string     `json:"e"`
	View   string     `json:"v"` // hash of collections and visible fields
	Scopes []scopePos `json:"s"`
}

type scopePos struct {
	Scope string `json:"s"`
	Read  int64  `json:"r"` // every feed row up to here was dealt with
	// Fresh is the seq at which the scope came into view: up to it, a record that is not visible now was never sent.
	Fresh int64 `json:"f,omitempty"`
	// Lost: the user is no longer in the scope; what it brought is taken back.
	Lost bool `json:"l,omitempty"`
	// Scan: the scope has just come into view and its tables are read as they are; the feed only from Fresh on.
	Scan *scanPos `json:"n,omitempty"`
}

// scanPos says how far a scope's tables were read: by row number, which holds for as long as the schema does (VACUUM may number
// anew, and counts as a change of it). A record that did not change since the scan began is found by it, once; any other is in the feed.
type scanPos struct {
	Collection string `json:"c,omitempty"`
	Row        int64  `json:"r,omitempty"`
	Schema     int64  `json:"v"`
}

// maxCursor bounds what is looked at: longer than any cursor that was handed out.
const maxCursor = 64 << 10

// sign seals a cursor with the server's key, so that one that is ahead of the feed proves a restore and nothing else.
func (c cursor) sign(key string) string {
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(append(seal(key, raw), raw...))
}

func seal(key string, raw []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(raw)
	return mac.Sum(nil)[:16]
}

// readCursor opens a cursor that this server sealed; nil: it is none.
func readCursor(key, given string) *cursor {
	if len(given) > maxCursor {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil || len(sealed) < 16 || !hmac.Equal(sealed[:16], seal(key, sealed[16:])) {
		return nil
	}
	var c cursor
	if json.Unmarshal(sealed[16:], &c) != nil {
		return nil
	}
	return &c
}

// snapshot is one consistent read.
type snapshot struct {
	ctx  context.Context
	conn *sql.Conn
}

func (s *Server) withSnapshot(ctx context.Context, f func(*snapshot) error) error {
	db := s.app.ConcurrentDB().(*dbx.DB).DB()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Deferred on purpose: the DSN makes Begin() take the write lock, which a reader must not.
	if _, err := conn.ExecContext(ctx, "BEGIN DEFERRED"); err != nil {
		return err
	}
	// Without the request's context, so that a broken connection still ends the read.
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck // nothing was written
	return f(&snapshot{ctx, conn})
}

func (s *snapshot) rows(query string, args []any, scan func(*sql.Rows) error) error {
	rows, err := s.conn.QueryContext(s.ctx, query, args...)
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

func (s *snapshot) one(query string, args []any, dest ...any) error {
	return s.conn.QueryRowContext(s.ctx, query, args...).Scan(dest...)
}

// view is what a user may see: collections in download order, the JSON of their visible fields, the scopes held now.
type view struct {
	holdings []hooks.Holding
	fields   map[string]string // collection → SQL that renders a record as JSON
	hash     string
	scopes   []string
}

func (s *Server) viewOf(app core.App, user *core.Record, only []string) (*view, error) {
	v := &view{fields: map[string]string{}, scopes: hooks.UserScopes(user)}
	sum := sha256.New()
	for _, h := range hooks.Holdings {
		if len(only) > 0 && !slices.Contains(only, h.Collection) {
			continue
		}
		collection, err := app.FindCachedCollectionByNameOrId(h.Collection)
		if err != nil {
			return nil, err
		}
		hidden := hooks.HiddenFrom(user.GetString("role"), h.Collection)
		v.holdings = append(v.holdings, h)
		v.fields[h.Collection] = jsonExpression(collection, hidden)
		sum.Write([]byte(h.Collection + " " + collection.Id + "=" + v.fields[h.Collection] + "\n"))
	}
	for _, name := range only {
		if hooks.HoldingOf(name) == nil {
			e := refuse(http.StatusBadRequest, "bad_request")
			e.err.With("collection", name)
			return nil, e
		}
	}
	v.hash = hex.EncodeToString(sum.Sum(nil)[:8])
	return v, nil
}

// jsonExpression renders a row as PocketBase's JSON would: names and forms of the visible fields. What plain SQL wrote into a
// list, and is none, must not keep a whole page from being answered.
func jsonExpression(c *core.Collection, hidden []string) string {
	var parts []string
	for _, f := range c.Fields {
		name := f.GetName()
		if f.GetHidden() || slices.Contains(hidden, name) || f.Type() == core.FieldTypePassword {
			continue
		}
		column := `t."` + name + `"`
		switch x := f.(type) {
		case *core.BoolField:
			column = `iif(` + column + `, json('true'), json('false'))`
		case *core.JSONField:
			column = `iif(json_valid(` + column + `), json(` + column + `), iif(` + column + ` = '', json('null'), ` + column + `))`
		case *core.GeoPointField:
			column = `iif(json_valid(` + column + `), json(` + column + `), json('{"lon":0,"lat":0}'))`
		case core.MultiValuer:
			if x.IsMultiple() {
				column = `iif(json_valid(` + column + `), json(` + column + `), iif(` + column + ` = '', json('[]'), json_array(` + column + `)))`
			}
		}
		parts = append(parts, "'"+name+"', "+column)
	}
	return "json_object(" + strings.Join(parts, ", ") + ")"
}

// visible is the SQL condition that a row is in one of the scopes, with its arguments. byID says that the rows are already
// picked by id: then the scope columns' indexes must not be used (the plus), or a page would walk the whole scope.
func visible(h hooks.Holding, scopes []string, byID bool) (string, []any) {
	plain := "t."
	if byID {
		plain = "+t."
	}
	if h.All {
		if slices.Contains(scopes, hooks.ScopeAll) {
			return "1", nil
		}
		return "0", nil
	}
	var tests []string
	var args []any
	for _, c := range h.Columns {
		var values []any
		for _, s := range scopes {
			if strings.HasPrefix(s, c.Prefix) {
				values = append(values, strings.TrimPrefix(s, c.Prefix))
			}
		}
		if len(values) == 0 {
			continue
		}
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ")
		if c.List {
			listed := `EXISTS (SELECT 1 FROM json_each(t.` + c.Column + `) WHERE value IN (` + marks + `))`
			if !byID {
				// A list has no index; the feed knows what ever was in the scope.
				var scopes []string
				for range values {
					scopes = append(scopes, "'"+c.Prefix+"' || ?")
				}
				listed = `(t.id IN (SELECT record FROM sync_feed WHERE scope IN (` + strings.Join(scopes, ", ") + `) AND collection = '` + h.Collection + `') AND ` + listed + `)`
				args = append(args, values...)
			}
			tests = append(tests, listed)
		} else {
			tests = append(tests, held(plain+c.Column+` IN (`+marks+`)`, c))
		}
		args = append(args, values...)
	}
	if len(tests) == 0 {
		return "0", nil
	}
	return "(" + strings.Join(tests, " OR ") + ")", args
}

// revOf is the SQL for the revision of a row of the collection: of its own changes, for another collection may use the same id.
func revOf(collection string) string {
	return `COALESCE((SELECT max(rev) FROM sync_feed WHERE record = t.id AND collection = '` + collection + `'), 0)`
}

// pull answers one page: everything in the user's scopes since the cursor, judged by what he may see now.
func (s *Server) pull(ctx context.Context, user *core.Record, req *PullRequest) (*pageBody, error) {
	if req.Protocol != Protocol {
		e := refuse(http.StatusConflict, "protocol_unsupported")
		e.err.With("protocol", Protocol)
		return nil, e
	}
	if err := s.passBoundaries(req.Device, user, true); err != nil {
		return nil, err
	}
	if err := mayDownload(s.app.DB(), req.Device, s.now()); err != nil {
		return nil, err
	}
	body, err := s.readPage(ctx, user, req)
	var ahead *aheadOfFeed
	if errors.As(err, &ahead) {
		if err := s.write(1, ahead.newEpoch(s.now())); err != nil {
			return nil, err
		}
		body, err = s.readPage(ctx, user, req)
	}
	return body, err
}

// aheadOfFeed says that a cursor has read further than the feed ever came: the database was put back.
type aheadOfFeed struct {
	epoch string
	read  int64
}

func (a *aheadOfFeed) Error() string { return "a cursor is ahead of the feed" }

// newEpoch opens a new life, once for all the phones that prove the same restore.
func (a *aheadOfFeed) newEpoch(now time.Time) func(tx core.App) error {
	return func(tx core.App) error {
		epoch, err := epochOf(tx.DB())
		if err != nil || epoch != a.epoch {
			return err
		}
		_, err = newEpoch(tx, now, a.read)
		return err
	}
}

// whatPlacesAUser are the fields of users from which hooks.UserScopes follow.
var whatPlacesAUser = append([]string{"scope_grids", "scope_harbours"}, hooks.PostFields...)

func (s *Server) readPage(ctx context.Context, user *core.Record, req *PullRequest) (*pageBody, error) {
	limit := req.Limit
	if limit <= 0 || limit > MaxPullRecords {
		limit = MaxPullRecords
	}
	body := newPageBody()
	err := s.withSnapshot(ctx, func(snap *snapshot) error {
		// The user as of this very read: a grid lost a moment ago is lost here.
		fresh := user.Clone()
		var epoch, key string
		present := make([]string, len(whatPlacesAUser))
		var top, schema int64
		into := []any{&top, &schema, &epoch, &key}
		for i := range present {
			into = append(into, &present[i])
		}
		if err := snap.one(`SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'sync_feed'), 0), (SELECT schema_version FROM pragma_schema_version),
			(SELECT value FROM sync_state WHERE key = 'epoch'), (SELECT value FROM sync_state WHERE key = 'cursor_key'), `+strings.Join(whatPlacesAUser, ", ")+` FROM users WHERE id = ?`,
			[]any{user.Id}, into...); err != nil {
			return err
		}
		for i, k := range whatPlacesAUser {
			fresh.Set(k, present[i])
		}
		view, err := s.viewOf(s.app, fresh, req.Collections)
		if err != nil {
			return err
		}
		var given *cursor
		if req.Cursor != nil {
			if given = readCursor(key, *req.Cursor); given != nil {
				read := int64(0)
				for _, p := range given.Scopes {
					read = max(read, p.Read)
				}
				// Of another life only one that lies a whole gap further is proof: a backup from before that life was put back. One that
				// begins near this one was lost in a restore that was announced.
				if read > top && (given.Epoch == epoch || read-top > lifeGap/2) {
					return &aheadOfFeed{epoch, read}
				}
			}
		}
		cur, reset := resume(given, user.Id, epoch, view, top)
		body.open(hooks.Stored(s.now()), epoch, reset || req.Cursor != nil && given == nil)
		p := &page{snap: snap, view: view, limit: limit, top: top, schema: schema, body: body, seen: map[recordKey]bool{}}
		if err := p.fill(cur); err != nil {
			return err
		}
		var sum map[string]CollectionDigest
		if req.Digest && !p.more {
			if sum, err = digest(snap, view); err != nil {
				return err
			}
		}
		return body.close(cur.sign(key), p.more, sum)
	})
	if err != nil {
		body.free()
		return nil, err
	}
	return body, nil
}

// pageBody is an answer in the making, PullResponse in JSON. The records come from SQLite as JSON and are not looked at again:
// a page is large, and encoding/json would parse each of them twice.
type pageBody struct{ bytes.Buffer }

var pageBodies = sync.Pool{New: func() any { return new(pageBody) }}

func newPageBody() *pageBody {
	b := pageBodies.Get().(*pageBody)
	b.Reset()
	return b
}

func (b *pageBody) free() { pageBodies.Put(b) }

func (b *pageBody) open(serverTime, epoch string, reset bool) {
	b.WriteString(`{"server_time":"` + serverTime + `","epoch":"` + epoch + `"`)
	if reset {
		b.WriteString(`,"reset":true`)
	}
	b.WriteString(`,"changes":[`)
}

func (b *pageBody) upsert(first bool, collection string, rev int64, record []byte) {
	b.next(first, collection)
	b.WriteString(`","op":"upsert","rev":`)
	b.Write(strconv.AppendInt(b.AvailableBuffer(), rev, 10))
	b.WriteString(`,"record":`)
	b.Write(record)
	b.WriteByte('}')
}

func (b *pageBody) remove(first bool, collection, id string) {
	b.next(first, collection)
	quoted, _ := json.Marshal(id)
	b.WriteString(`","op":"remove","id":`)
	b.Write(quoted)
	b.WriteByte('}')
}

func (b *pageBody) next(first bool, collection string) {
	if !first {
		b.WriteByte(',')
	}
	b.WriteString(`{"collection":"`)
	b.WriteString(collection)
}

func (b *pageBody) close(cursor string, more bool, sum map[string]CollectionDigest) error {
	b.WriteString(`],"cursor":"` + cursor + `","more":` + strconv.FormatBool(more))
	if sum != nil {
		raw, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		b.WriteString(`,"digest":`)
		b.Write(raw)
	}
	b.WriteByte('}')
	return nil
}

// passBoundaries writes memberships that began or ended since the last tick, knows the device and notes that it was heard of.
func (s *Server) passBoundaries(deviceID string, user *core.Record, pull bool) error {
	device, err := findDevice(s.app, user, deviceID)
	if err != nil {
		return err
	}
	if err := mayCall(device, pull); err != nil {
		return err
	}
	var last string
	if err := s.app.DB().NewQuery(`SELECT now FROM sync_clock`).Row(&last); err != nil {
		return err
	}
	now := s.now()
	crossed, err := boundaries(s.app.DB(), last, hooks.Stored(now))
	if err != nil {
		return err
	}
	heard, err := heardOf(s.app.DB(), deviceID, now)
	if err != nil || (device != nil && heard && !crossed) {
		return err
	}
	// The writer's group begins with a tick, which passes the boundaries.
	return s.note(func(tx core.App) error {
		if _, err := registerDevice(tx, user, DeviceInfo{ID: deviceID}); err != nil || heard {
			return err
		}
		return notePull(tx, deviceID, now)
	})
}

// resume reads a cursor against what the user is now: scopes won since are read from their beginning, scopes lost are
// taken back. A cursor of another life, user or view starts a full download.
func resume(given *cursor, user, epoch string, v *view, top int64) (cur *cursor, reset bool) {
	cur = given
	if given == nil || given.User != user || given.Epoch != epoch || given.View != v.hash {
		cur, reset = &cursor{User: user, Epoch: epoch, View: v.hash}, given != nil
	}
	held := map[string]bool{}
	for i := range cur.Scopes {
		p := &cur.Scopes[i]
		now := slices.Contains(v.scopes, p.Scope)
		held[p.Scope] = true
		switch {
		case !now && !p.Lost:
			*p = scopePos{Scope: p.Scope, Lost: true}
		case now && p.Lost: // lost and won again before all was taken back
			*p = scopePos{Scope: p.Scope}
		}
	}
	for _, scope := range v.scopes {
		if held[scope] {
			continue
		}
		won := scopePos{Scope: scope, Fresh: top}
		if scannable(v.holdings, scope) {
			won.Read, won.Scan = top, &scanPos{}
		}
		cur.Scopes = append(cur.Scopes, won)
	}
	// What must be taken back goes first; then the order of the view: small reference data, then the user's own.
	rank := func(p scopePos) int {
		if p.Lost {
			return -1
		}
		return slices.Index(v.scopes, p.Scope)
	}
	slices.SortStableFunc(cur.Scopes, func(a, b scopePos) int { return rank(a) - rank(b) })
	return cur, reset
}

// page collects changes until it is full or nothing is left.
type page struct {
	snap  *snapshot
	view  *view
	limit int
	top   int64
	// schema is its version, for the positions of scans.
	schema int64
	body   *pageBody
	n      int // changes in the body
	seen   map[recordKey]bool
	more   bool
}

type recordKey struct{ collection, record string }

type feedRow struct {
	seq int64
	recordKey
}

func (p *page) fill(cur *cursor) error {
	kept := cur.Scopes[:0]
	for _, pos := range cur.Scopes {
		if pos.Scan != nil && !p.more {
			if err := p.scan(&pos); err != nil {
				return err
			}
		}
		for !p.more {
			room := p.limit - p.n
			rows, err := p.read(pos, room+1)
			if err != nil {
				return err
			}
			exhausted := len(rows) <= room
			if !exhausted {
				rows = rows[:room]
			}
			if err := p.add(pos, rows); err != nil {
				return err
			}
			if exhausted {
				pos.Read = p.top
				break
			}
			if len(rows) > 0 {
				pos.Read = rows[len(rows)-1].seq
			}
			p.more = p.n >= p.limit
		}
		if !pos.Lost || pos.Read < p.top {
			kept = append(kept, pos)
		}
	}
	cur.Scopes = kept
	return nil
}

// scopeTest is the SQL condition that a collection's row is in a scope, found by an index; ok is false where the collection has
// no rows in such scopes. A list has no index.
func scopeTest(h hooks.Holding, scope string) (cond string, args []any, list, ok bool) {
	if h.All {
		return "1", nil, false, scope == hooks.ScopeAll
	}
	var tests []string
	for _, c := range h.Columns {
		if value, in := strings.CutPrefix(scope, c.Prefix); in {
			tests, args, list = append(tests, held("t."+c.Column+" = ?", c)), append(args, value), list || c.List
		}
	}
	if len(tests) == 0 {
		return "", nil, false, false
	}
	return "(" + strings.Join(tests, " OR ") + ")", args, list, true
}

// held says beside a test of a scope column that it is not empty, which is what the indexes are over.
func held(test string, c hooks.ScopeColumn) string {
	return "(" + test + " AND t." + c.Column + " != '')"
}

func scannable(holdings []hooks.Holding, scope string) bool {
	return !slices.ContainsFunc(holdings, func(h hooks.Holding) bool {
		_, _, list, ok := scopeTest(h, scope)
		return ok && list
	})
}

func scanQuery(h hooks.Holding, v *view, cond string) string {
	return `SELECT t.rowid, t.id, ` + revOf(h.Collection) + `, ` + v.fields[h.Collection] + ` FROM ` + h.Collection + ` t WHERE ` + cond + ` AND t.rowid > ? ORDER BY t.rowid LIMIT ?`
}

// scan reads the tables of a scope on from where the last page stopped: all of it is in the user's sight.
func (p *page) scan(pos *scopePos) error {
	from := *pos.Scan
	if from.Schema != p.schema {
		from = scanPos{Schema: p.schema}
	}
	for _, h := range p.view.holdings {
		if from.Collection != "" && from.Collection != h.Collection {
			continue
		}
		from.Collection = ""
		cond, args, _, ok := scopeTest(h, pos.Scope)
		if !ok {
			continue
		}
		query := scanQuery(h, p.view, cond)
		for {
			room, got, full := p.limit-p.n, 0, false
			if err := p.snap.rows(query, append(args[:len(args):len(args)], from.Row, room+1), func(r *sql.Rows) error {
				var row, rev int64
				var id, record sql.RawBytes
				if err := r.Scan(&row, &id, &rev, &record); err != nil {
					return err
				}
				got++
				if full = got > room; full {
					return nil
				}
				from.Row = row
				if key := (recordKey{h.Collection, string(id)}); !p.seen[key] {
					p.seen[key] = true
					p.upsert(h.Collection, rev, record)
				}
				return nil
			}); err != nil {
				return err
			}
			if !full {
				break
			}
			if p.more = p.n >= p.limit; p.more {
				pos.Scan = &scanPos{h.Collection, from.Row, p.schema}
				return nil
			}
		}
		from.Row = 0
	}
	pos.Scan = nil
	return nil
}

func (p *page) upsert(collection string, rev int64, record []byte) {
	p.body.upsert(p.n == 0, collection, rev, record)
	p.n++
}

func (p *page) read(pos scopePos, n int) ([]feedRow, error) {
	names := make([]any, 0, len(p.view.holdings)+3)
	names = append(names, pos.Scope, pos.Read)
	for _, h := range p.view.holdings {
		names = append(names, h.Collection)
	}
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(p.view.holdings)), ", ")
	var out []feedRow
	err := p.snap.rows(`SELECT seq, collection, record FROM sync_feed WHERE scope = ? AND seq > ? AND collection IN (`+marks+`) ORDER BY seq LIMIT ?`,
		append(names, n), func(r *sql.Rows) error {
			var f feedRow
			err := r.Scan(&f.seq, &f.collection, &f.record)
			out = append(out, f)
			return err
		})
	return out, err
}

// add turns feed rows into changes: an upsert of what the user may see now, a remove of what he may not.
func (p *page) add(pos scopePos, rows []feedRow) error {
	todo := map[string][]feedRow{}
	for _, r := range rows {
		if !p.seen[r.recordKey] {
			p.seen[r.recordKey] = true
			todo[r.collection] = append(todo[r.collection], r)
		}
	}
	for _, h := range p.view.holdings {
		if len(todo[h.Collection]) > 0 {
			if err := p.addOf(h, pos, todo[h.Collection]); err != nil {
				return err
			}
		}
	}
	return nil
}

// addOf does it for one collection, all records in one statement, in the order of the rows.
func (p *page) addOf(h hooks.Holding, pos scopePos, rows []feedRow) error {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.record
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	at := 0
	passOver := func(to int) {
		for ; at < to; at++ {
			if r := rows[at]; r.seq > pos.Fresh {
				p.body.remove(p.n == 0, h.Collection, r.record)
				p.n++
			} else {
				// Never sent through this scope; another scope of the cursor that once brought it has its own row.
				delete(p.seen, r.recordKey)
			}
		}
	}
	cond, args := visible(h, p.view.scopes, true)
	err = p.snap.rows(`SELECT j.key, `+revOf(h.Collection)+`, `+p.view.fields[h.Collection]+` FROM json_each(?) j CROSS JOIN `+h.Collection+` t ON t.id = j.value WHERE `+cond,
		append([]any{string(list)}, args...), func(r *sql.Rows) error {
			var i int
			var rev int64
			var record sql.RawBytes
			if err := r.Scan(&i, &rev, &record); err != nil {
				return err
			}
			passOver(i)
			at++
			p.upsert(h.Collection, rev, record)
			return nil
		})
	if err == nil {
		passOver(len(rows))
	}
	return err
}

// digest counts what the device should hold now, and folds id and rev of each record into one number.
func digest(snap *snapshot, v *view) (map[string]CollectionDigest, error) {
	out := map[string]CollectionDigest{}
	for _, h := range v.holdings {
		cond, args := visible(h, v.scopes, false)
		var d CollectionDigest
		err := snap.rows(digestQuery(h, cond), args, func(r *sql.Rows) error {
			var id string
			var rev int64
			if err := r.Scan(&id, &rev); err != nil {
				return err
			}
			d.Count++
			d.Xor ^= DigestOf(id, rev)
			return nil
		})
		if err != nil {
			return nil, err
		}
		out[h.Collection] = d
	}
	return out, nil
}

func digestQuery(h hooks.Holding, cond string) string {
	return `SELECT t.id, ` + revOf(h.Collection) + ` FROM ` + h.Collection + ` t WHERE ` + cond
}

// DigestOf is one record's part of a digest: FNV-1a-32 over "id:rev".
func DigestOf(id string, rev int64) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s:%d", id, rev)
	return h.Sum32()
}

// hello registers the device and tells it what it needs to know.
func (s *Server) hello(user *core.Record, req *HelloRequest) (*HelloResponse, error) {
	if req.Protocol != Protocol {
		e := refuse(http.StatusConflict, "protocol_unsupported")
		e.err.With("protocol", Protocol)
		return nil, e
	}
	received := s.now()
	resp := &HelloResponse{Protocol: Protocol, ServerTime: hooks.Stored(received),
		Limits: Limits{MaxMutations, MaxPushBytes, MaxPullRecords, MaxAttachmentBytes}}
	err := s.note(func(tx core.App) error {
		device, err := registerDevice(tx, user, req.Device)
		if err != nil {
			return err
		}
		resp.DeviceState = stateOf(device)
		if resp.Epoch, err = epochOf(tx.DB()); err != nil {
			return err
		}
		if resp.MinAppVersion, err = minAppVersion(tx.DB(), received); err != nil {
			return err
		}
		if err := noteContact(tx, req.Device.ID, received, skewOf(req.SentAt, received).Round(time.Millisecond), req.Pending, clip(req.Device.AppVersion, 40)); err != nil {
			return err
		}
		if req.Wiped && resp.DeviceState == "wiped" {
			return noteWiped(tx, req.Device.ID, received)
		}
		return nil
	})
	resp.User = map[string]any{"id": user.Id}
	for _, f := range []string{"name", "role", "street", "harbour", "bank"} {
		resp.User[f] = user.GetString(f)
	}
	resp.User["grids"] = user.GetStringSlice("scope_grids")
	resp.User["must_change_password"] = user.GetBool("must_change_password")
	return resp, err
}
