package fieldsync

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"gangwan/hooks"
)

// The model is what should be in the database, worked out from the protocol page alone: it never looks at scope columns,
// the feed or the ledger. Whatever the server does is compared with it.

type simRow = map[string]any

// tracked are the fields the model follows. What the domain derives (stage, number, copies) is its own tests' business.
var tracked = map[string][]string{
	"enterprises":    {"name", "phone", "contact", "grid", "employees", "address", "uscc", "special_groups", "borrowing"},
	"visits":         {"enterprise", "notes", "photo_count", "handbook_left", "place"},
	"demands":        {"enterprise", "visit", "grid", "harbour", "applicant", "amount", "term", "special_group", "guarantee_wanted", "renewed_loan"},
	"demand_matches": {"demand", "bank"},
	"demand_events":  {"demand", "match", "kind", "note"},
	"loans":          {"bank", "harbour", "enterprise", "demand", "rate"},
	"photos":         {"collection", "record", "sha256"},
	"assignments":    {"user", "grid", "from", "until"},
	"grids":          {"harbour"},
	"harbours":       {"host_bank"},
	"users":          {"role", "harbour", "bank"},
}

// sensitive fields and the roles that may see them (domain.md: handling staff only).
var sensitive = map[string][]string{
	"enterprises/special_groups": {"grid_worker", "harbour_staff", "harbour_head"},
	"demands/special_group":      {"grid_worker", "harbour_staff", "harbour_head"},
	"demands/startup_group":      {"grid_worker", "harbour_staff", "harbour_head", "bank"},
}

// relations are the fields that name another record.
var relations = map[string]string{"enterprise": "enterprises", "grid": "grids", "visit": "visits", "demand": "demands", "bank": "banks", "match": "demand_matches", "renewed_loan": "loans"}

// simSettled is what became of a mutation, as the server told it first (or last, when it had waited).
type simSettled struct {
	body   string // what is compared: canonical, with its sender
	user   string
	status Status
	result Result
	// dropped: an administrator said that it will never be done.
	dropped bool
}

// simDelivery is a mutation and the circumstances of its arrival.
type simDelivery struct {
	user, device string
	skew         time.Duration
	received     time.Time
	m            Mutation
	raw          json.RawMessage
	waitsFor     string
	replayed     bool // an administrator has it done after all
	anyScope     bool // and vouches for it
	resends      bool // it came while phones sent again after a restore
	place        int  // among those that wait; 0: it has just come
}

// simInterval is a past value of something that decides who shares a scope with whom.
type simInterval struct{ subject, field, value, since, until string }

type simModel struct {
	rows       map[string]simRow
	gone       map[string]bool
	ledger     map[string]*simSettled
	waits      []*simDelivery
	places     int
	users      map[string]string // by device
	past       []simInterval
	refused    map[string]*simDelivery // by mutation id: what an administrator may do after all
	rejections map[string]int          // bodies kept, by mutation id and canonical body
	conflicts  map[string]simRow       // expected sync_conflicts by "mutation/field"
	photos     map[string]Status
	waiting    map[string]time.Time  // pictures that came before their record, by id
	dropped    map[string]bool       // pictures refused with a record that will never come
	made       map[string]string     // the device that created a record
	writers    map[string]string     // the mutation that wrote a field last, by "collection/id/field"
	restored   time.Time             // when this life of the database began, if by a restore
	rewritten  map[string]int64      // where the last write of a field since the restore stood in the life before; field "": deleted
	touches    map[string][]simTouch // who changed a record, and which revision that made
}

// simTouch is a change of a record by a device, or ("") by anybody else.
type simTouch struct {
	device string
	rev    int64
}

func newSimModel() *simModel {
	m := &simModel{rows: map[string]simRow{}, gone: map[string]bool{}, ledger: map[string]*simSettled{}, refused: map[string]*simDelivery{}, rejections: map[string]int{}, conflicts: map[string]simRow{}, photos: map[string]Status{}, waiting: map[string]time.Time{}, dropped: map[string]bool{}, touches: map[string][]simTouch{}, made: map[string]string{}, writers: map[string]string{}, rewritten: map[string]int64{}, users: map[string]string{}}
	for _, r := range simDistrict() {
		m.put(r.collection, r.id, r.values)
	}
	return m
}

// clone is what a backup keeps.
func (m *simModel) clone() *simModel {
	c := *m
	c.rows, c.gone, c.ledger = map[string]simRow{}, maps.Clone(m.gone), map[string]*simSettled{}
	for k, r := range m.rows {
		c.rows[k] = maps.Clone(r)
	}
	for k, l := range m.ledger {
		copied := *l
		c.ledger[k] = &copied
	}
	c.waits = nil
	for _, d := range m.waits {
		copied := *d
		c.waits = append(c.waits, &copied)
	}
	c.past = slices.Clone(m.past)
	c.refused, c.waiting, c.dropped = maps.Clone(m.refused), maps.Clone(m.waiting), maps.Clone(m.dropped)
	c.touches, c.made, c.writers, c.rewritten = maps.Clone(m.touches), maps.Clone(m.made), maps.Clone(m.writers), maps.Clone(m.rewritten)
	c.rejections, c.conflicts, c.photos = maps.Clone(m.rejections), maps.Clone(m.conflicts), maps.Clone(m.photos)
	return &c
}

// put notes a new record; fields the model does not follow are left out.
func (m *simModel) put(collection, id string, values simRow) {
	r := simRow{}
	for _, f := range tracked[collection] {
		r[f] = blank(values[f])
	}
	m.rows[collection+"/"+id] = r
	delete(m.gone, collection+"/"+id)
}

// change sets fields and remembers the past values of those that decide about scopes, until the time given.
func (m *simModel) change(key string, values simRow, at string) {
	collection, id := splitKey(key)
	r := m.rows[key]
	if collection == "assignments" && (differs(r, values, "user") || differs(r, values, "grid") || differs(r, values, "from") || differs(r, values, "until")) {
		m.archive(r, at)
	}
	for _, f := range map[string][]string{"enterprises": {"grid"}, "grids": {"harbour"}, "users": {"role", "harbour", "bank"}}[collection] {
		if !differs(r, values, f) {
			continue
		}
		since := ""
		for _, p := range m.past {
			if p.subject == id && p.field == f {
				since = p.until
			}
		}
		m.past = append(m.past, simInterval{id, f, str(r[f]), since, at})
	}
	for f, v := range values {
		if slices.Contains(tracked[collection], f) {
			r[f] = blank(v)
		}
	}
}

func (m *simModel) archive(assignment simRow, at string) {
	from, until := str(assignment["from"]), str(assignment["until"])
	if from >= at {
		return
	}
	if until == "" || until > at {
		until = at
	}
	m.past = append(m.past, simInterval{str(assignment["user"]), "walks", str(assignment["grid"]), from, until})
}

// remove notes a deleted record.
func (m *simModel) remove(key, at string) {
	if strings.HasPrefix(key, "assignments/") {
		m.archive(m.rows[key], at)
	}
	delete(m.rows, key)
	m.gone[key] = true
}

func differs(r, values simRow, field string) bool {
	v, given := values[field]
	return given && !reflect.DeepEqual(blank(v), r[field])
}

// blank brings a value into the form in which the model compares: every empty value is nil.
func blank(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	switch x := out.(type) {
	case string:
		if x == "" {
			return nil
		}
	case float64:
		if x == 0 {
			return nil
		}
	case bool:
		if !x {
			return nil
		}
	case []any:
		if len(x) == 0 {
			return nil
		}
	}
	return out
}

func str(v any) string { s, _ := v.(string); return s }

// field reads a field of a record; "" when there is no such record.
func (m *simModel) field(collection, id, field string) string {
	return str(m.rows[collection+"/"+id][field])
}

// enterpriseOf follows a record to the enterprise it is about; "" when there is none.
func (m *simModel) enterpriseOf(collection, id string, r simRow) string {
	switch collection {
	case "enterprises":
		return id
	case "visits", "demands":
		return str(r["enterprise"])
	case "demand_matches", "demand_events":
		return m.field("demands", str(r["demand"]), "enterprise")
	case "photos":
		owner := str(r["collection"])
		return m.enterpriseOf(owner, str(r["record"]), m.rows[owner+"/"+str(r["record"])])
	}
	return ""
}

// gridOf is an enterprise's present grid; the enterprise may be the record that is only being judged.
func (m *simModel) gridOf(enterprise, id string, r simRow) string {
	if enterprise == id {
		return str(r["grid"])
	}
	return m.field("enterprises", enterprise, "grid")
}

// recordScopes are the scopes that a record is in now: everybody's, a grid's, a harbour's, a bank's, a user's.
func (m *simModel) recordScopes(collection, id string, r simRow) []string {
	var out []string
	at := func(prefix, v string) {
		if v != "" {
			out = append(out, prefix+v)
		}
	}
	switch collection {
	case "areas", "banks", "harbours", "grids", "parameters", "holidays", "policies", "products":
		return []string{"all"}
	case "assignments":
		at("u:", str(r["user"]))
		return out
	case "loans":
		at("b:", str(r["bank"]))
		if h := str(r["harbour"]); m.field("harbours", h, "host_bank") == str(r["bank"]) {
			at("h:", h)
		}
		return out
	case "demands":
		for key, match := range m.rows {
			if strings.HasPrefix(key, "demand_matches/") && str(match["demand"]) == id {
				at("b:", str(match["bank"]))
			}
		}
	case "demand_matches":
		at("b:", str(r["bank"]))
	case "demand_events":
		at("b:", m.field("demand_matches", str(r["match"]), "bank"))
	}
	grid, harbour := "", ""
	if e := m.enterpriseOf(collection, id, r); e != "" {
		grid = m.gridOf(e, id, r)
		harbour = m.field("grids", grid, "harbour")
	} else {
		demand := r
		if collection == "demand_matches" || collection == "demand_events" {
			demand = m.rows["demands/"+str(r["demand"])]
		}
		if collection == "photos" {
			demand = m.rows[str(r["collection"])+"/"+str(r["record"])]
		}
		grid = str(demand["grid"])
		if harbour = m.field("grids", grid, "harbour"); harbour == "" {
			harbour = str(demand["harbour"])
		}
	}
	at("g:", grid)
	at("h:", harbour)
	return out
}

func post(role, harbour, bank string) []string {
	switch {
	case slices.Contains([]string{"harbour_staff", "harbour_head", "liaison"}, role) && harbour != "":
		return []string{"h:" + harbour}
	case role == "bank" && bank != "":
		return []string{"b:" + bank}
	}
	return nil
}

// userScopes are the scopes that a user is in at now (from ≤ now < until).
func (m *simModel) userScopes(user, now string) []string {
	out := []string{"all", "u:" + user}
	for key, a := range m.rows {
		if strings.HasPrefix(key, "assignments/") && a["user"] == user && str(a["from"]) <= now && (str(a["until"]) == "" || str(a["until"]) > now) {
			out = append(out, "g:"+str(a["grid"]))
		}
	}
	return append(out, post(m.field("users", user, "role"), m.field("users", user, "harbour"), m.field("users", user, "bank"))...)
}

// visible tells whether the user may hold the record now.
func (m *simModel) visible(user, key, now string) bool {
	collection, id := splitKey(key)
	r := m.rows[key]
	return r != nil && overlaps(m.userScopes(user, now), m.recordScopes(collection, id, r))
}

func (m *simModel) mayRead(user, collection, field string) bool {
	roles := sensitive[collection+"/"+field]
	return roles == nil || slices.Contains(roles, m.field("users", user, "role"))
}

// at is the value that something had at time t; ended: it had it, but for longer than the 30 days' grace it has no more.
func (m *simModel) at(subject, field, present, t, grace string) string {
	for _, p := range m.past {
		if p.subject == subject && p.field == field && p.since <= t && t < p.until {
			if p.until < grace {
				return ""
			}
			return p.value
		}
	}
	return present
}

// mayWrite: user and record share a scope now, or shared one at the time of capture that ended at most 30 days before receipt.
func (m *simModel) mayWrite(d *simDelivery, collection, id string, r simRow, captured, now time.Time) bool {
	user := simUserID(d.user)
	if d.anyScope || overlaps(m.userScopes(user, hooks.Stored(now)), m.recordScopes(collection, id, r)) {
		return true
	}
	t, grace := hooks.Stored(captured), hooks.Stored(d.received.Add(-30*24*time.Hour))
	var mine []string
	for key, a := range m.rows {
		until := str(a["until"])
		if strings.HasPrefix(key, "assignments/") && a["user"] == user && str(a["from"]) <= t && (until == "" || until > t && until >= grace) {
			mine = append(mine, "g:"+str(a["grid"]))
		}
	}
	for _, p := range m.past {
		if p.subject == user && p.field == "walks" && p.since <= t && t < p.until && p.until >= grace {
			mine = append(mine, "g:"+p.value)
		}
	}
	was := map[string]string{}
	for _, f := range []string{"role", "harbour", "bank"} {
		was[f] = m.at(user, f, m.field("users", user, f), t, grace)
	}
	mine = append(mine, post(was["role"], was["harbour"], was["bank"])...)
	theirs := m.recordScopes(collection, id, r)
	if e := m.enterpriseOf(collection, id, r); e != "" {
		theirs = slices.DeleteFunc(theirs, func(s string) bool { return s[:2] == "g:" || s[:2] == "h:" })
		if grid := m.at(e, "grid", m.gridOf(e, id, r), t, grace); grid != "" {
			theirs = append(theirs, "g:"+grid)
			if harbour := m.at(grid, "harbour", m.field("grids", grid, "harbour"), t, grace); harbour != "" {
				theirs = append(theirs, "h:"+harbour)
			}
		}
	}
	return overlaps(mine, theirs)
}

// simVerdict is what the page allows to become of a mutation.
type simVerdict struct {
	reasons   []string // codes for which it must be rejected
	waitsFor  string   // a record that must come first
	free      bool     // the domain may refuse it for reasons of its own
	exists    bool     // the same create once more: nothing to do
	ignored   []string
	set       simRow
	written   simRow // what an update gives a value to, set or not
	conflicts map[string]simClash
}

// simClash is a conflict as it should be: the server's value is answered only to whoever may see it.
type simClash struct{ yours, theirs any }

var usccShape = regexp.MustCompile(`^[0-9A-HJ-NPQRTUWXY]{18}$`)

// judge works out what must become of a mutation now.
func (m *simModel) judge(d *simDelivery, now time.Time) *simVerdict {
	v := &simVerdict{set: simRow{}, conflicts: map[string]simClash{}}
	form := hooks.Forms[d.m.Collection]
	if form == nil || (d.m.Op == "create") != (d.m.Data != nil) || (d.m.Op == "update") != (d.m.Changes != nil) || !slices.Contains([]string{"create", "update", "delete"}, d.m.Op) {
		v.reasons = append(v.reasons, "bad_mutation")
		return v
	}
	captured, err := hooks.ParseTime(d.m.CapturedAt)
	if err != nil {
		v.reasons = append(v.reasons, "bad_mutation")
		return v
	}
	d = m.asOf(d)
	if captured = captured.Add(-d.skew); captured.After(d.received) {
		captured = d.received
	}
	if old := m.ledger[d.m.Replaces]; old != nil && (old.status == Applied || old.status == Conflict || old.dropped) {
		v.reasons = append(v.reasons, "already_settled")
	}
	key, role := d.m.Collection+"/"+d.m.Record, m.field("users", simUserID(d.user), "role")
	present := m.rows[key]
	if at := m.rewritten[key+"/"]; present == nil && m.gone[key] && (d.m.Op == "delete" || m.again(d) && at != afterRestore && at > d.m.AppliedSeq) {
		v.exists = true // nothing to do
		return v
	}
	if present == nil && m.gone[key] {
		v.reasons = append(v.reasons, "record_gone")
		return v
	}
	values := simRow{}
	take := func(name string, value any) {
		if f := form.Field(name); f == nil || !f.MayWrite(role, d.m.Op == "create") {
			v.ignored = append(v.ignored, name)
			return
		}
		values[name] = value
		if !fits(name, value) {
			v.reasons = append(v.reasons, "wrong_type")
		}
	}
	if d.m.Op == "create" {
		for _, name := range sortedKeys(d.m.Data) {
			take(name, d.m.Data[name])
		}
	} else {
		for _, name := range sortedKeys(d.m.Changes) {
			take(name, d.m.Changes[name].To)
		}
	}
	for _, name := range sortedKeys(values) {
		target := relations[name]
		if d.m.Collection == "photos" && name == "record" {
			target = str(values["collection"])
		}
		if id := str(values[name]); target != "" && id != "" && !m.has(target, id) {
			if m.gone[target+"/"+id] {
				v.reasons = append(v.reasons, "parent_missing")
			} else if v.waitsFor == "" {
				v.waitsFor = id
			}
		}
	}
	switch d.m.Op {
	case "create":
		m.judgeCreate(v, d, form, role, values, present, captured, now)
	case "update":
		m.judgeUpdate(v, d, form, values, present, captured, now)
	default:
		m.judgeDelete(v, d, form, role, present, captured, now)
	}
	return v
}

// behind tells whether something that came earlier waits for the record or for its turn on it.
func (m *simModel) behind(d *simDelivery) bool {
	return slices.ContainsFunc(m.waits, func(w *simDelivery) bool {
		return w.m.Record == d.m.Record && w.m.ID != d.m.ID && (d.place == 0 || w.place < d.place)
	})
}

// judgeDelete: only what is the user's own, is referred to by nothing, and was changed by nobody else since the phone saw it.
func (m *simModel) judgeDelete(v *simVerdict, d *simDelivery, form *hooks.Form, role string, present simRow, captured, now time.Time) {
	if present == nil || m.behind(d) {
		v.waitsFor = d.m.Record
		return
	}
	if !m.mayWrite(d, d.m.Collection, d.m.Record, present, captured, now) {
		v.reasons = append(v.reasons, "out_of_scope")
	}
	if !slices.Contains(form.Writers, role) {
		v.reasons = append(v.reasons, "role_not_allowed")
	}
	key := d.m.Collection + "/" + d.m.Record
	if made := m.made[key]; made == "" || m.users[made] != d.user {
		v.reasons = append(v.reasons, "not_own_record")
	}
	if m.referred(d.m.Record) {
		v.reasons = append(v.reasons, "record_referenced")
	}
	if m.again(d) {
		last := int64(0)
		for name, at := range m.rewritten {
			if strings.HasPrefix(name, key+"/") {
				last = max(last, at)
			}
		}
		v.exists = last > d.m.AppliedSeq && last != afterRestore // something later stands
		if last == afterRestore {
			v.conflicts["_"] = simClash{}
		}
		return
	}
	for _, t := range m.touches[key] {
		if t.device != d.device && t.rev > d.m.Rev {
			v.conflicts["_"] = simClash{}
		}
	}
	v.free = d.m.Collection != "visits" && d.m.Collection != "photos" && d.m.Collection != "enterprises"
}

// referred tells whether any record names this one.
func (m *simModel) referred(id string) bool {
	for _, r := range m.rows {
		for _, v := range r {
			if v == id {
				return true
			}
		}
	}
	return false
}

// resends tells whether the database was put back so lately that phones may still send again what they had sent.
func (m *simModel) resends(now time.Time) bool {
	return !m.restored.IsZero() && now.Sub(m.restored) < 14*24*time.Hour
}

// again tells whether a mutation comes again after a restore, with its place in the life before.
func (m *simModel) again(d *simDelivery) bool { return d.m.AppliedSeq > 0 && d.resends }

// asOf gives what comes again the clocks of its first exchange.
func (m *simModel) asOf(d *simDelivery) *simDelivery {
	sent, errSent := hooks.ParseTime(d.m.SentAt)
	received, err := hooks.ParseTime(d.m.ServerTime)
	if !d.resends || errSent != nil || err != nil || received.After(d.received) || d.received.Sub(received) > 28*24*time.Hour {
		return d
	}
	its := *d
	its.skew, its.received = sent.Sub(received), received
	return &its
}

func (m *simModel) has(collection, id string) bool {
	return m.rows[collection+"/"+id] != nil
}

func (m *simModel) judgeCreate(v *simVerdict, d *simDelivery, form *hooks.Form, role string, values, present simRow, captured, now time.Time) {
	if present != nil {
		v.waitsFor = ""
		same := true
		for name, value := range values {
			same = same && (!slices.Contains(tracked[d.m.Collection], name) || reflect.DeepEqual(blank(value), present[name]))
		}
		if !same || !m.mayWrite(d, d.m.Collection, d.m.Record, present, captured, now) {
			v.reasons = append(v.reasons, "record_exists")
		}
		v.exists = true
		return
	}
	if !slices.Contains(form.Writers, role) {
		v.reasons = append(v.reasons, "role_not_allowed")
	}
	for _, f := range form.Fields {
		if f.Required && f.MayWrite(role, true) && blank(values[f.Name]) == nil {
			v.reasons = append(v.reasons, "required")
		}
	}
	v.set = values
	v.free = slices.Contains([]string{"demand_matches", "demand_events", "loans"}, d.m.Collection)
	if v.waitsFor != "" {
		return
	}
	counter := d.m.Collection == "demands" && blank(values["enterprise"]) == nil && blank(values["grid"]) == nil &&
		len(post(role, m.field("users", simUserID(d.user), "harbour"), "")) > 0
	if !counter && !m.mayWrite(d, d.m.Collection, d.m.Record, values, captured, now) {
		v.reasons = append(v.reasons, "out_of_scope")
	}
	if code := str(values["uscc"]); code != "" && !usccShape.MatchString(code) {
		v.reasons = append(v.reasons, "bad_uscc")
	}
}

func (m *simModel) judgeUpdate(v *simVerdict, d *simDelivery, form *hooks.Form, values, present simRow, captured, now time.Time) {
	if present == nil {
		v.waitsFor = d.m.Record
		return
	}
	if m.behind(d) {
		v.waitsFor = d.m.Record
		return
	}
	if !m.mayWrite(d, d.m.Collection, d.m.Record, present, captured, now) {
		v.reasons = append(v.reasons, "out_of_scope")
	}
	v.free = slices.Contains([]string{"demand_matches", "demand_events", "loans"}, d.m.Collection) ||
		d.m.Collection == "demands" && d.m.Changes["renewed_loan"].To != nil // whose loan that is, the domain judges
	for _, name := range sortedKeys(values) {
		c := d.m.Changes[name]
		from, to, server := blank(c.From), blank(c.To), present[name]
		switch {
		case reflect.DeepEqual(server, to):
		case reflect.DeepEqual(server, from):
			v.set[name] = c.To
		default:
			v.conflicts[name] = simClash{c.To, server}
		}
		if !m.again(d) {
			continue
		}
		// Among writes that come again the later one of the life before wins, silently.
		switch at := m.rewritten[d.m.Collection+"/"+d.m.Record+"/"+name]; {
		case at == afterRestore:
		case at > d.m.AppliedSeq:
			delete(v.conflicts, name)
			delete(v.set, name)
		case !reflect.DeepEqual(server, to):
			delete(v.conflicts, name)
			v.set[name] = c.To
		}
	}
	v.written = values
	for name, value := range v.set {
		if form.Field(name).Required && blank(value) == nil {
			v.reasons = append(v.reasons, "required")
		}
		if name == "uscc" && blank(value) != nil && !usccShape.MatchString(str(value)) {
			v.reasons = append(v.reasons, "bad_uscc")
		}
	}
}

// fits: the types of the fields that the simulation gives wrong values to.
func fits(field string, v any) bool {
	switch field {
	case "employees", "photo_count", "amount", "term", "rate", "bytes":
		_, ok := v.(float64)
		return ok || v == nil
	case "handbook_left", "guarantee_wanted", "reached":
		_, ok := v.(bool)
		return ok || v == nil
	case "special_groups":
		_, ok := v.([]any)
		return ok || v == nil
	case "location", "field_of_the_next_release":
		return true
	}
	_, ok := v.(string)
	return ok || v == nil
}

// settle compares what the server made of a mutation with what the page says, and brings the model to the same state.
func (w *simWorld) settle(d *simDelivery, got Result) {
	v := w.judge(d, w.time)
	if d.m.Op == "delete" && !w.again(d) && got.Status == Conflict && len(v.conflicts) == 0 && !w.onlyOwn(d) {
		v.conflicts["_"] = simClash{} // the domain changed it too: whether that was somebody else cannot be told from here
	}
	told := func() string {
		return fmt.Sprintf("%s %s %s of %s: %s %s", d.m.Op, d.m.Collection, d.m.Record, d.user, got.Status, codesOf(got.Errors))
	}
	key := d.m.Collection + "/" + d.m.Record
	switch {
	case got.Status == Rejected && len(v.reasons) == 0 && !v.free:
		w.fail(3, "%s, though nothing was wrong with it (waits for %q)", told(), v.waitsFor)
	case got.Status == Rejected && !slices.Contains(v.reasons, "out_of_scope") && slices.Contains(codesOf(got.Errors), "out_of_scope"):
		w.fail(3, "%s, though they shared a scope then", told())
	case got.Status != Rejected && len(v.reasons) > 0 && v.waitsFor == "":
		w.fail(4, "%s, though it should be refused: %s", told(), v.reasons)
	case got.Status == Deferred && v.waitsFor == "":
		w.fail(6, "%s, though everything it names is there", told())
	case (got.Status == Applied || got.Status == Conflict) && v.waitsFor != "":
		w.fail(5, "%s, though it had to wait for %s", told(), v.waitsFor)
	case got.Status == Applied && len(v.conflicts) > 0:
		w.fail(3, "%s, though the server's values were others: %v", told(), v.conflicts)
	case got.Status == Conflict && !slices.Equal(sortedKeys(got.Conflicts), sortedKeys(v.conflicts)):
		w.fail(3, "%s in %v, should be in %v", told(), sortedKeys(got.Conflicts), sortedKeys(v.conflicts))
	}
	if old := w.ledger[d.m.Replaces]; old != nil && old.status == Deferred && !slices.Contains(codesOf(got.Errors), "already_settled") {
		old.status = Rejected
		i := slices.IndexFunc(w.waits, func(x *simDelivery) bool { return x.m.ID == d.m.Replaces })
		record := w.waits[i].m.Record
		w.waits = slices.Delete(w.waits, i, i+1)
		defer func() { w.release(d, record, false) }() // what waited behind it goes on
	}
	w.ledger[d.m.ID] = &simSettled{body: w.body(d), user: d.user, status: got.Status, result: got}
	switch got.Status {
	case Deferred:
		d.waitsFor = v.waitsFor
		if d.place == 0 {
			w.places++
			d.place = w.places
			w.waits = append(w.waits, d)
		}
		return
	case Rejected:
		w.rejections[d.m.ID+"\n"+canonicalJSON(d.raw)]++
		w.refused[d.m.ID] = d
	case Applied, Conflict:
		switch {
		case v.exists:
		case d.m.Op == "create":
			for field := range v.set {
				w.writers[key+"/"+field] = d.m.ID
			}
			w.put(d.m.Collection, d.m.Record, v.set)
			w.made[key] = d.device
			w.derived(key)
		case d.m.Op == "update":
			w.change(key, v.set, hooks.Stored(w.time))
			for field := range v.set {
				w.writers[key+"/"+field] = d.m.ID
			}
			for field := range v.written {
				if _, refused := v.conflicts[field]; !refused {
					w.rewrite(d, key+"/"+field)
				}
			}
		case got.Status == Applied:
			w.remove(key, hooks.Stored(w.time))
			w.rewrite(d, key+"/")
		}
		if got.Record != nil && !v.exists && (d.m.Op == "create" || len(v.set) > 0) {
			w.touches[key] = append(w.touches[key], simTouch{d.device, got.Record.Rev})
		}
		w.judgeConflicts(d, v, got)
	}
	w.waits = slices.DeleteFunc(w.waits, func(x *simDelivery) bool { return x.m.ID == d.m.ID })
	if got.Status == Applied && d.m.Op == "create" && (d.place == 0 || d.replayed) {
		w.release(d, d.m.Record, true)
	}
}

// rewrite notes a write since the restore.
func (m *simModel) rewrite(d *simDelivery, field string) {
	if !d.resends {
		return
	}
	at := afterRestore
	if d.m.AppliedSeq > 0 {
		at = d.m.AppliedSeq
	}
	m.rewritten[field] = max(m.rewritten[field], at)
}

// onlyOwn tells whether every change of a record since the phone saw it was the phone's own.
func (w *simWorld) onlyOwn(d *simDelivery) bool {
	if w.times > 0 {
		return false // revisions of the life before mean nothing here
	}
	w.noteRevs()
	key := d.m.Collection + "/" + d.m.Record
	for rev := range w.revs[key] {
		if rev > d.m.Rev && !slices.Contains(w.touches[key], simTouch{d.device, rev}) {
			return false
		}
	}
	return true
}

// noteRevs keeps every revision that a record had: compaction leaves the newest alone, and with the others would go what the domain changed.
func (w *simWorld) noteRevs() {
	var rows []struct {
		Key string
		Rev int64
	}
	w.must(w.server.app.DB().NewQuery(`SELECT DISTINCT collection || '/' || record AS key, rev FROM sync_feed`).All(&rows))
	for _, r := range rows {
		if w.revs[r.Key] == nil {
			w.revs[r.Key] = map[int64]bool{}
		}
		w.revs[r.Key][r.Rev] = true
	}
}

// touched notes a change that no device made.
func (w *simWorld) touched(key string) {
	collection, id := splitKey(key)
	var rev int64
	w.must(w.server.app.DB().NewQuery(fmt.Sprintf(`SELECT COALESCE(max(rev), 0) FROM sync_feed WHERE record = '%s' AND collection = '%s'`, id, collection)).Row(&rev))
	w.touches[key] = append(w.touches[key], simTouch{"", rev})
}

// drop follows an administrator who says that a record will never come: what waits for it waits no longer.
func (w *simWorld) drop(record string) {
	for queue := []string{record}; len(queue) > 0; {
		i := slices.IndexFunc(w.waits, func(d *simDelivery) bool { return d.waitsFor == queue[0] })
		if i < 0 {
			// A picture waits for the record of its photo, or through it for its owner.
			for _, p := range w.phones {
				for _, x := range p.pictures {
					if slices.Contains([]string{x.meta.ID, x.meta.Record}, queue[0]) && !w.waiting[x.meta.ID].IsZero() {
						w.dropped[x.meta.ID] = true
					}
				}
			}
			queue = queue[1:]
			continue
		}
		d := w.waits[i]
		if w.giveUp(d); d.m.Op == "create" {
			queue = append(queue, d.m.Record)
		}
	}
}

// giveUp ends the waiting of a mutation in vain. What waited for its turn behind it goes on.
func (w *simWorld) giveUp(d *simDelivery) {
	w.ledger[d.m.ID].status = Rejected
	w.rejections[d.m.ID+"\n"+canonicalJSON(d.raw)]++
	w.refused[d.m.ID] = d
	w.waits = slices.DeleteFunc(w.waits, func(x *simDelivery) bool { return x == d })
	if d.m.Op != "create" {
		w.release(d, d.m.Record, false)
	}
}

// expire follows the 30 days' end of what waits.
func (w *simWorld) expire() {
	var old []*simDelivery
	for _, d := range w.waits {
		if w.time.Sub(d.received) >= 30*24*time.Hour {
			old = append(old, d)
		}
	}
	slices.SortStableFunc(old, func(a, b *simDelivery) int { return a.received.Compare(b.received) })
	for _, d := range old {
		if slices.Contains(w.waits, d) {
			w.giveUp(d)
		}
	}
}

// judgeConflicts: both values are there, the server's only for whoever may see it.
func (w *simWorld) judgeConflicts(d *simDelivery, v *simVerdict, got Result) {
	key := d.m.Collection + "/" + d.m.Record
	for field, c := range v.conflicts {
		shown := got.Conflicts[field]
		if !reflect.DeepEqual(blank(shown.Yours), blank(c.yours)) {
			w.fail(3, "conflict in %s of %s: %v was sent, %v is answered", field, key, c.yours, shown.Yours)
		}
		sees := w.visible(simUserID(d.user), key, hooks.Stored(w.time)) && w.mayRead(simUserID(d.user), d.m.Collection, field) && field != "_"
		if !sees && shown.Theirs != nil {
			w.fail(4, "conflict in %s of %s tells %s the server's value %v", field, key, d.user, *shown.Theirs)
		}
		if sees && (shown.Theirs == nil || !reflect.DeepEqual(blank(*shown.Theirs), blank(c.theirs))) {
			w.fail(3, "conflict in %s of %s: the server holds %v, %v is answered", field, key, c.theirs, shown.Theirs)
		}
		w.conflicts[d.m.ID+"/"+field] = simRow{"user": simUserID(d.user), "yours": blank(c.yours), "sees": sees}
	}
}

// release follows what waited for a record that has come, in the order in which it was received; when it has not come, what waited
// for its turn on it.
func (w *simWorld) release(cause *simDelivery, record string, came bool) {
	type event struct {
		record string
		came   bool
	}
	queue := []event{{record, came}}
	for len(queue) > 0 {
		for _, d := range slices.Clone(w.waits) {
			if d.waitsFor != queue[0].record || !queue[0].came && d.m.Record != d.waitsFor {
				continue
			}
			d.resends = w.resends(w.time)
			d.anyScope = cause.anyScope && d.user == cause.user // it belongs to what was vouched for
			got := w.present(d.m.ID)
			// The ledger is read after the whole push, or the whole drop: what has to wait on now may have come, or been given up, in
			// the same one, and is followed in its turn.
			if v := w.judge(d, w.time); v.waitsFor != "" && (got.Status != Rejected || len(v.reasons) == 0) {
				d.waitsFor = v.waitsFor
				continue
			}
			w.settle(d, got)
			if got.Status != Deferred {
				queue = append(queue, event{d.m.Record, d.m.Op == "create" && got.Status == Applied})
			}
		}
		queue = queue[1:]
	}
}

// present is what the ledger says of a mutation that was settled without an answer. A plain result is kept as its columns alone.
func (w *simWorld) present(id string) Result {
	var line struct {
		Status, Result, Record string
		Seq, Rev               int64
	}
	if err := w.server.app.DB().NewQuery(`SELECT status, result, record, seq, rev FROM sync_mutations WHERE id = '` + id + `'`).One(&line); err != nil {
		w.fail(1, "the ledger has no line for %s: %v", id, err)
	}
	got := Result{ID: id, Status: Status(line.Status), Seq: line.Seq, Record: &RecordRev{ID: line.Record, Rev: line.Rev}}
	if line.Result != "" {
		got = Result{}
		w.parse([]byte(line.Result), &got)
	}
	return got
}

// derived reads back what the domain worked out and visibility depends on.
func (w *simWorld) derived(key string) {
	collection, id := splitKey(key)
	if collection == "demands" || collection == "loans" {
		r, err := w.server.app.FindRecordById(collection, id)
		if err != nil {
			// Taken back by the same push; what is really lost shows at the end.
			if collection == "demands" && w.rows[key]["grid"] == nil {
				w.rows[key]["harbour"] = blank(w.field("users", simUserID(w.users[w.made[key]]), "harbour"))
			}
			return
		}
		w.rows[key]["harbour"] = blank(r.GetString("harbour"))
		if w.rows[key]["enterprise"] == nil && collection == "loans" {
			w.rows[key]["enterprise"] = blank(r.GetString("enterprise"))
		}
		if collection == "demands" && w.rows[key]["grid"] == nil {
			w.rows[key]["grid"] = blank(r.GetString("grid"))
		}
	}
	if collection == "loans" {
		if e, err := w.server.app.FindRecordById("demand_events", id); err == nil {
			w.made["demand_events/"+id] = w.made[key]
			w.put("demand_events", id, simRow{"demand": e.GetString("demand"), "match": e.GetString("match"), "kind": e.GetString("kind")})
		}
	}
}

func codesOf(errs hooks.FieldErrors) []string {
	var out []string
	for _, f := range sortedKeys(errs) {
		out = append(out, errs[f].Code)
	}
	return out
}

// body is what two sends of one mutation are compared by.
func (w *simWorld) body(d *simDelivery) string { return d.user + "\n" + canonicalJSON(d.raw) }

func canonicalJSON(raw []byte) string {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return string(raw)
	}
	if m, ok := v.(map[string]any); ok {
		delete(m, "applied_seq")
		delete(m, "sent_at")
		delete(m, "server_time")
	}
	out, _ := json.Marshal(v)
	return string(out)
}
