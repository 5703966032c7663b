package hooks

import (
	"net/url"
	"regexp"
	"slices"

	"github.com/pocketbase/pocketbase/core"
)

// Who may hold which record, in one place. A record is in scopes, a user is in scopes; where they share one, the user holds
// the record. The collections' list rules say the same in PocketBase's words (a property test holds the two equal), and the
// triggers of the change feed are made from this table.

// Scope prefixes. ScopeAll is in every signed-in user's set; ScopeNobody only the pipeline reads.
const (
	ScopeAll     = "all"
	ScopeNobody  = "-"
	GridScope    = "g:"
	HarbourScope = "h:"
	BankScope    = "b:"
	UserScope    = "u:"
)

// ScopeColumn says that a column's value (or each value of its JSON list) puts the record into a scope.
type ScopeColumn struct {
	Prefix string
	Column string
	List   bool
	// Derived is the SQL that yields the right value for the row called NEW; empty: the column is somebody's own data.
	Derived string
}

// Holding is a synced collection and how its records reach devices. The order of Holdings is the order of a first download.
type Holding struct {
	Collection string
	All        bool
	Columns    []ScopeColumn
	// Sources are the columns whose change may move the record to another scope.
	Sources []string
}

// Follower is a child whose columns follow its parent's: Set maps the child's column to the parent's.
type Follower struct {
	Parent, Child, Key string
	Set                map[string]string
}

// Holdings lists the synced collections.
var Holdings = []Holding{
	{Collection: "areas", All: true},
	{Collection: "banks", All: true},
	{Collection: "harbours", All: true},
	{Collection: "grids", All: true},
	{Collection: "parameters", All: true},
	{Collection: "holidays", All: true},
	{Collection: "policies", All: true},
	{Collection: "products", All: true},
	{Collection: "assignments", Columns: []ScopeColumn{{Prefix: UserScope, Column: "user"}}},
	{Collection: "devices", Columns: []ScopeColumn{{Prefix: UserScope, Column: "user"}}},
	{Collection: "enterprises", Sources: []string{"grid"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `NEW.grid`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT harbour FROM grids WHERE id = NEW.grid), '')`},
	}},
	{Collection: "visits", Sources: []string{"enterprise"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `COALESCE((SELECT scope_grid FROM enterprises WHERE id = NEW.enterprise), '')`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT scope_harbour FROM enterprises WHERE id = NEW.enterprise), '')`},
	}},
	{Collection: "demands", Sources: []string{"enterprise", "grid", "harbour"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `CASE WHEN NEW.enterprise != '' THEN COALESCE((SELECT scope_grid FROM enterprises WHERE id = NEW.enterprise), '') ELSE NEW.grid END`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `CASE WHEN NEW.enterprise != '' THEN COALESCE((SELECT scope_harbour FROM enterprises WHERE id = NEW.enterprise), '') ELSE COALESCE(NULLIF((SELECT harbour FROM grids WHERE id = NEW.grid), ''), NEW.harbour) END`},
		{Prefix: BankScope, Column: "scope_banks", List: true, Derived: `(SELECT json_group_array(bank) FROM (SELECT DISTINCT bank FROM demand_matches WHERE demand = NEW.id ORDER BY bank))`},
	}},
	{Collection: "photos", Sources: []string{"collection", "record"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: photoOwner("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: photoOwner("scope_harbour")},
	}},
	{Collection: "demand_matches", Sources: []string{"demand", "bank"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: viaDemand("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: viaDemand("scope_harbour")},
		{Prefix: BankScope, Column: "scope_bank", Derived: `NEW.bank`},
	}},
	{Collection: "demand_events", Sources: []string{"demand", "match"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: viaDemand("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: viaDemand("scope_harbour")},
		{Prefix: BankScope, Column: "scope_bank", Derived: `COALESCE((SELECT bank FROM demand_matches WHERE id = NEW.match), '')`},
	}},
	// Only the lending bank, and a harbour for its own host bank's loans.
	{Collection: "loans", Sources: []string{"bank", "harbour"}, Columns: []ScopeColumn{
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT id FROM harbours WHERE id = NEW.harbour AND host_bank = NEW.bank), '')`},
		{Prefix: BankScope, Column: "scope_bank", Derived: `NEW.bank`},
	}},
	{Collection: "sync_rejections", Columns: []ScopeColumn{{Prefix: UserScope, Column: "scope_user", Derived: `NEW.user`}}, Sources: []string{"user"}},
	{Collection: "sync_conflicts", Columns: []ScopeColumn{{Prefix: UserScope, Column: "scope_user", Derived: `NEW.user`}}, Sources: []string{"user"}},
}

// Warehouse names the collections that only the pipeline follows.
var Warehouse = []string{"users", "scope_history"}

var place = map[string]string{"scope_grid": "scope_grid", "scope_harbour": "scope_harbour"}

// Followers are the cascades: when a parent moves or is renamed, its children follow in the same transaction.
var Followers = []Follower{
	{Parent: "enterprises", Child: "visits", Key: "enterprise", Set: place},
	{Parent: "enterprises", Child: "demands", Key: "enterprise", Set: place},
	{Parent: "enterprises", Child: "demands", Key: "enterprise", Set: map[string]string{
		"enterprise_name": "name", "enterprise_contact": "contact", "enterprise_phone": "phone"}},
	{Parent: "enterprises", Child: "photos", Key: "record", Set: place},
	{Parent: "visits", Child: "photos", Key: "record", Set: place},
	{Parent: "demands", Child: "photos", Key: "record", Set: place},
	{Parent: "demands", Child: "demand_matches", Key: "demand", Set: place},
	{Parent: "demands", Child: "demand_events", Key: "demand", Set: place},
}

func viaDemand(column string) string {
	return `COALESCE((SELECT ` + column + ` FROM demands WHERE id = NEW.demand), '')`
}

func photoOwner(column string) string {
	return `COALESCE(CASE NEW.collection WHEN 'visits' THEN (SELECT ` + column + ` FROM visits WHERE id = NEW.record)` +
		` WHEN 'demands' THEN (SELECT ` + column + ` FROM demands WHERE id = NEW.record)` +
		` WHEN 'enterprises' THEN (SELECT ` + column + ` FROM enterprises WHERE id = NEW.record) END, '')`
}

// HoldingOf finds a synced collection; nil when devices never hold it.
func HoldingOf(collection string) *Holding {
	i := slices.IndexFunc(Holdings, func(h Holding) bool { return h.Collection == collection })
	if i < 0 {
		return nil
	}
	return &Holdings[i]
}

// harbourRoles hold what their harbour holds.
var harbourRoles = []string{"harbour_staff", "harbour_head", "liaison"}

// UserScopes lists the scopes a user is in now, small reference data first. Whoever must change the password first may
// not read yet (the rules and pull say so), but what the phone holds is taken all the same.
func UserScopes(user *core.Record) []string {
	scopes := []string{ScopeAll, UserScope + user.Id}
	for _, g := range user.GetStringSlice("scope_grids") {
		scopes = append(scopes, GridScope+g)
	}
	return append(scopes, PostScopes(user.GetString("role"), user.GetString("harbour"), user.GetString("bank"))...)
}

// PostScopes lists the scopes that come with a post: a role at a harbour or at a bank.
func PostScopes(role, harbour, bank string) []string {
	var scopes []string
	if harbour != "" && slices.Contains(harbourRoles, role) {
		scopes = append(scopes, HarbourScope+harbour)
	}
	if bank != "" && role == "bank" {
		scopes = append(scopes, BankScope+bank)
	}
	return scopes
}

// RecordScopes lists the scopes a record is in now.
func RecordScopes(r *core.Record) []string {
	holding := HoldingOf(r.Collection().Name)
	if holding.All {
		return []string{ScopeAll}
	}
	var scopes []string
	for _, c := range holding.Columns {
		for _, v := range r.GetStringSlice(c.Column) {
			if v != "" {
				scopes = append(scopes, c.Prefix+v)
			}
		}
	}
	return scopes
}

// MayExport tells whether an account may take data away as a file: superusers, and users who were given the right.
func MayExport(account *core.Record) bool {
	return account.IsSuperuser() || account.GetBool("may_export")
}

// BindAccess hides from API answers the fields that the reader's role may not see, and lets nobody ask by them either: a list
// filtered or sorted by a hidden field tells what is in it.
func BindAccess(app core.App) {
	for collection := range Forms {
		app.OnRecordEnrich(collection).BindFunc(func(e *core.RecordEnrichEvent) error {
			if e.RequestInfo != nil && e.RequestInfo.Auth != nil && !e.RequestInfo.Auth.IsSuperuser() {
				e.Record.Hide(HiddenFrom(e.RequestInfo.Auth.GetString("role"), e.Record.Collection().Name)...)
			}
			return e.Next()
		})
	}
	app.OnRecordsListRequest().BindFunc(func(e *core.RecordsListRequestEvent) error {
		query := e.Request.URL.Query()
		if asksHidden(e.Auth, query.Get("filter"), query.Get("sort")) {
			return e.BadRequestError(Message("hidden_field"), nil)
		}
		return e.Next()
	})
	app.OnRealtimeSubscribeRequest().BindFunc(func(e *core.RealtimeSubscribeRequestEvent) error {
		if asksHidden(e.Auth, e.Subscriptions...) {
			return e.BadRequestError(Message("hidden_field"), nil)
		}
		return e.Next()
	})
}

var word = regexp.MustCompile(`\w+`)

// asksHidden tells whether a question names a field that is hidden from the user's role in any collection: relations lead from one
// to another.
func asksHidden(user *core.Record, questions ...string) bool {
	if user != nil && user.IsSuperuser() {
		return false
	}
	role := ""
	if user != nil {
		role = user.GetString("role")
	}
	for _, q := range questions {
		if decoded, err := url.QueryUnescape(q); err == nil {
			q += " " + decoded
		}
		for _, named := range word.FindAllString(q, -1) {
			for collection := range Forms {
				if slices.Contains(HiddenFrom(role, collection), named) {
					return true
				}
			}
		}
	}
	return false
}
