package fieldsync

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"
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
}

func (c cursor) String() string {
	raw, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(raw)
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
		sum.Write([]byte(h.Collection + "=" + v.fields[h.Collection] + "\n"))
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

// jsonExpression renders a row as PocketBase's JSON would: names and forms of the visible fields.
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
			column = `json(iif(` + column + `, 'true', 'false'))`
		case *core.JSONField, *core.GeoPointField:
			column = `json(` + column + `)`
		case core.MultiValuer:
			if x.IsMultiple() {
				column = `json(` + column + `)`
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
			tests = append(tests, `EXISTS (SELECT 1 FROM json_each(t.`+c.Column+`) WHERE value IN (`+marks+`))`)
		} else {
			tests = append(tests, plain+c.Column+` IN (`+marks+`)`)
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
	return `(SELECT max(rev) FROM sync_feed WHERE record = t.id AND collection = '` + collection + `')`
}

// pull answers one page: everything in the user's scopes since the cursor, judged by what he may see now.
func (s *Server) pull(ctx context.Context, user *core.Record, req *PullRequest) (*PullResponse, error) {
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
	limit := req.Limit
	if limit <= 0 || limit > MaxPullRecords {
		limit = MaxPullRecords
	}
	resp := &PullResponse{ServerTime: hooks.Stored(s.now()), Changes: []PullChange{}}
	err := s.withSnapshot(ctx, func(snap *snapshot) error {
		// The user as of this very read: a grid lost a moment ago is lost here.
		fresh := user.Clone()
		var role, harbour, bank, grids string
		var top int64
		if err := snap.one(`SELECT role, harbour, bank, scope_grids, (SELECT COALESCE(max(seq), 0) FROM sync_feed), (SELECT value FROM sync_state WHERE key = 'epoch') FROM users WHERE id = ?`,
			[]any{user.Id}, &role, &harbour, &bank, &grids, &top, &resp.Epoch); err != nil {
			return err
		}
		for k, v := range map[string]string{"role": role, "harbour": harbour, "bank": bank, "scope_grids": grids} {
			fresh.Set(k, v)
		}
		view, err := s.viewOf(s.app, fresh, req.Collections)
		if err != nil {
			return err
		}
		cur, reset := s.resume(req.Cursor, user.Id, resp.Epoch, view, top)
		resp.Reset = reset
		p := &page{snap: snap, view: view, limit: limit, top: top}
		if err := p.fill(cur); err != nil {
			return err
		}
		resp.Changes, resp.More = p.changes, p.more
		resp.Cursor = cur.String()
		if req.Digest && !resp.More {
			resp.Digest, err = digest(snap, view)
		}
		return err
	})
	return resp, err
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
	return s.write(1, func(tx core.App) error {
		if _, err := registerDevice(tx, user, DeviceInfo{ID: deviceID}); err != nil || heard {
			return err
		}
		return notePull(tx, deviceID, now)
	})
}

// resume reads a cursor against what the user is now: scopes won since are read from their beginning, scopes lost are
// taken back. A cursor of another life, user or view starts a full download.
func (s *Server) resume(given *string, user, epoch string, v *view, top int64) (*cursor, bool) {
	fresh := &cursor{User: user, Epoch: epoch, View: v.hash}
	reset := false
	cur := fresh
	if given != nil && *given != "" {
		old := &cursor{}
		raw, err := base64.RawURLEncoding.DecodeString(*given)
		valid := err == nil && json.Unmarshal(raw, old) == nil && old.User == user && old.Epoch == epoch && old.View == v.hash &&
			!slices.ContainsFunc(old.Scopes, func(p scopePos) bool { return p.Read > top || p.Read < 0 })
		if valid {
			cur = old
		}
		reset = !valid
	} else if given != nil {
		reset = true
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
		if !held[scope] {
			cur.Scopes = append(cur.Scopes, scopePos{Scope: scope, Fresh: top})
		}
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
	snap    *snapshot
	view    *view
	limit   int
	top     int64
	changes []PullChange
	more    bool
}

type feedRow struct {
	seq                int64
	collection, record string
}

func (p *page) fill(cur *cursor) error {
	p.changes = []PullChange{}
	seen := map[string]bool{}
	kept := cur.Scopes[:0]
	for _, pos := range cur.Scopes {
		for !p.more {
			room := p.limit - len(p.changes)
			rows, err := p.read(pos, room+1)
			if err != nil {
				return err
			}
			exhausted := len(rows) <= room
			if !exhausted {
				rows = rows[:room]
			}
			if err := p.add(pos, rows, seen); err != nil {
				return err
			}
			if exhausted {
				pos.Read = p.top
				break
			}
			if len(rows) > 0 {
				pos.Read = rows[len(rows)-1].seq
			}
			p.more = len(p.changes) >= p.limit
		}
		if !pos.Lost || pos.Read < p.top {
			kept = append(kept, pos)
		}
	}
	cur.Scopes = kept
	return nil
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
func (p *page) add(pos scopePos, rows []feedRow, seen map[string]bool) error {
	ids := map[string][]string{}
	fresh := rows[:0]
	for _, r := range rows {
		if key := r.collection + "/" + r.record; !seen[key] {
			seen[key] = true
			ids[r.collection] = append(ids[r.collection], r.record)
			fresh = append(fresh, r)
		}
	}
	found := map[string]PullChange{}
	for _, h := range p.view.holdings {
		if len(ids[h.Collection]) == 0 {
			continue
		}
		list, err := json.Marshal(ids[h.Collection])
		if err != nil {
			return err
		}
		cond, args := visible(h, p.view.scopes, true)
		err = p.snap.rows(`SELECT t.id, `+revOf(h.Collection)+`, `+p.view.fields[h.Collection]+` FROM `+h.Collection+` t WHERE t.id IN (SELECT value FROM json_each(?)) AND `+cond,
			append([]any{string(list)}, args...), func(r *sql.Rows) error {
				var id, raw string
				c := PullChange{Collection: h.Collection, Op: "upsert"}
				err := r.Scan(&id, &c.Rev, &raw)
				c.Record = json.RawMessage(raw)
				found[h.Collection+"/"+id] = c
				return err
			})
		if err != nil {
			return err
		}
	}
	for _, r := range fresh {
		if c, ok := found[r.collection+"/"+r.record]; ok {
			p.changes = append(p.changes, c)
		} else if r.seq > pos.Fresh {
			p.changes = append(p.changes, PullChange{Collection: r.collection, Op: "remove", ID: r.record})
		} else {
			// Never sent through this scope; another scope of the cursor that once brought it has its own row.
			delete(seen, r.collection+"/"+r.record)
		}
	}
	return nil
}

// digest counts what the device should hold now, and folds id and rev of each record into one number.
func digest(snap *snapshot, v *view) (map[string]CollectionDigest, error) {
	out := map[string]CollectionDigest{}
	for _, h := range v.holdings {
		cond, args := visible(h, v.scopes, false)
		var d CollectionDigest
		err := snap.rows(`SELECT t.id, `+revOf(h.Collection)+` FROM `+h.Collection+` t WHERE `+cond, args, func(r *sql.Rows) error {
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
	err := s.write(1, func(tx core.App) error {
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
