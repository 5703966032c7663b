package hooks

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

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
	NearScope    = "n:" // harbours that serve a worker's grids
	StreetScope  = "s:"
	AgencyScope  = "d:"
	// OfficialScope has one value, "all": those who steer the whole district.
	OfficialScope = "o:"
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
	// Note is the condition that a column's SQL puts, in Chinese, for the page that lists who sees what (docs/access.md).
	Note string
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
	{Collection: "demands", Note: "对接了哪家银行，哪家银行才看到；主体名称、联系人和电话抄录在需求上", Sources: []string{"enterprise", "grid", "harbour"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `CASE WHEN NEW.enterprise != '' THEN COALESCE((SELECT scope_grid FROM enterprises WHERE id = NEW.enterprise), '') ELSE NEW.grid END`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `CASE WHEN NEW.enterprise != '' THEN COALESCE((SELECT scope_harbour FROM enterprises WHERE id = NEW.enterprise), '') ELSE COALESCE(NULLIF((SELECT harbour FROM grids WHERE id = NEW.grid), ''), NEW.harbour) END`},
		{Prefix: BankScope, Column: "scope_banks", List: true, Derived: `(SELECT json_group_array(bank) FROM (SELECT DISTINCT bank FROM demand_matches WHERE demand = NEW.id ORDER BY bank))`},
	}},
	{Collection: "demand_matches", Note: "银行只看到本行的", Sources: []string{"demand", "bank"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: viaDemand("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: viaDemand("scope_harbour")},
		{Prefix: BankScope, Column: "scope_bank", Derived: `NEW.bank`},
	}},
	{Collection: "demand_events", Note: "银行只看到本行对接的进展", Sources: []string{"demand", "match"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: viaDemand("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: viaDemand("scope_harbour")},
		{Prefix: BankScope, Column: "scope_bank", Derived: `COALESCE((SELECT bank FROM demand_matches WHERE id = NEW.match), '')`},
	}},
	// Only the lending bank, and a harbour for its own host bank's loans.
	{Collection: "loans", Note: "港湾只看到本港湾主办行发放的", Sources: []string{"bank", "harbour"}, Columns: []ScopeColumn{
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT id FROM harbours WHERE id = NEW.harbour AND host_bank = NEW.bank), '')`},
		{Prefix: BankScope, Column: "scope_bank", Derived: `NEW.bank`},
	}},
	{Collection: "agencies", All: true},
	{Collection: "inspection_items", All: true},
	{Collection: "tasks", All: true},
	{Collection: "relending_bases", All: true},
	{Collection: "contacts", Sources: []string{"harbour"}, Columns: atHarbourAndNear},
	{Collection: "pairings", Sources: []string{"harbour"}, Columns: append(slices.Clone(atHarbourAndNear), forOfficials, forStreet)},
	{Collection: "window_packs", Sources: []string{"grid", "harbour"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `NEW.grid`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE(NULLIF((SELECT harbour FROM grids WHERE id = NEW.grid), ''), NEW.harbour)`},
		forOfficials,
	}},
	{Collection: "duty_rosters", Sources: []string{"harbour"}, Columns: []ScopeColumn{atHarbour, forOfficials}},
	{Collection: "services", Sources: []string{"harbour"}, Columns: []ScopeColumn{atHarbour}},
	{Collection: "cultivations", Sources: []string{"enterprise"}, Columns: withEnterprise},
	{Collection: "policy_pushes", Sources: []string{"enterprise"}, Columns: withEnterprise},
	// Like loans: the bank itself, a harbour for its own host bank; and those who steer.
	{Collection: "credit_lines", Note: "港湾只看到本港湾主办行的", Sources: []string{"bank", "harbour"}, Columns: []ScopeColumn{
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT id FROM harbours WHERE id = NEW.harbour AND host_bank = NEW.bank), '')`},
		{Prefix: BankScope, Column: "scope_bank", Derived: `NEW.bank`},
		forOfficials,
	}},
	// A bank hears of a list when it has been dispatched (§三(三)一), a harbour of its own host bank's rows; the department that
	// delivered it and those who dispatch hold it all the time.
	{Collection: "referral_batches", Note: "分发以后银行才看到", Sources: []string{"agency"}, Columns: []ScopeColumn{
		{Prefix: BankScope, Column: "scope_banks", List: true, Derived: batchBanks},
		{Prefix: AgencyScope, Column: "scope_agency", Derived: `NEW.agency`},
		forOfficials,
	}},
	{Collection: "referrals", Note: "分发以后银行才看到本行的，港湾才看到服务主体中主办行的", Sources: []string{"batch", "batch_status", "bank", "enterprise"}, Columns: []ScopeColumn{
		{Prefix: BankScope, Column: "scope_bank", Derived: `CASE WHEN NEW.batch_status = 'dispatched' THEN NEW.bank ELSE '' END`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `CASE WHEN NEW.batch_status = 'dispatched' THEN COALESCE((SELECT h.id FROM enterprises e JOIN harbours h ON h.id = e.scope_harbour` +
			` WHERE e.id = NEW.enterprise AND h.host_bank = NEW.bank), '') ELSE '' END`},
		{Prefix: AgencyScope, Column: "scope_agency", Derived: `COALESCE((SELECT agency FROM referral_batches WHERE id = NEW.batch), '')`},
		forOfficials,
	}},
	{Collection: "activities", Sources: []string{"harbour"}, Columns: append(slices.Clone(atHarbourAndNear), forOfficials, forStreet)},
	// A complaint never reaches the whole harbour, for the person complained about stands there: its reporter, its owner and
	// those who steer hold it, and none of them if it is about themselves.
	{Collection: "feedback", Note: "投诉、消费者权益和指明了被投诉人的，港湾看不到，只给记录人、承办人和主管部门；被投诉人是其中之一的，他也看不到；投诉主管部门人员的，主管部门看不到", Sources: []string{"harbour", "kind", "reporter", "owner", "against"}, Columns: []ScopeColumn{
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `CASE WHEN NEW.kind IN ('complaint', 'consumer_rights') OR NEW.against != '' THEN '' ELSE NEW.harbour END`},
		{Prefix: UserScope, Column: "scope_user", Derived: `CASE WHEN NEW.reporter = NEW.against THEN '' ELSE NEW.reporter END`},
		{Prefix: UserScope, Column: "scope_owner", Derived: `CASE WHEN NEW.owner IN (NEW.against, NEW.reporter) THEN '' ELSE NEW.owner END`},
		{Prefix: OfficialScope, Column: "scope_official", Derived: `CASE WHEN EXISTS (SELECT 1 FROM users WHERE id = NEW.against AND role = 'official') THEN '' ELSE 'all' END`},
	}},
	{Collection: "risk_leads", Note: "密存：只有报告人和主管部门", Sources: []string{"reporter"}, Columns: []ScopeColumn{
		{Prefix: UserScope, Column: "scope_user", Derived: `NEW.reporter`},
		forOfficials,
	}},
	{Collection: "inspections", Sources: []string{"harbour"}, Columns: []ScopeColumn{atHarbour, forOfficials, forStreet}},
	{Collection: "rectifications", Sources: []string{"harbour"}, Columns: []ScopeColumn{atHarbour, forOfficials, forStreet}},
	{Collection: "publicity", Sources: []string{"harbour"}, Columns: append(slices.Clone(atHarbourAndNear), forOfficials)},
	{Collection: "equity_cases", Sources: []string{"kind"}, Columns: []ScopeColumn{forOfficials}},
	// A harbour sees how it was judged when that is published, not before; its own appeals always.
	{Collection: "reviews", Note: "公布以后港湾才看到；本港湾的申诉一直看得到", Sources: []string{"harbour", "status", "kind"}, Columns: []ScopeColumn{
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `CASE WHEN NEW.status = 'published' OR NEW.kind = 'appeal' THEN NEW.harbour ELSE '' END`},
		forOfficials, forStreet,
	}},
	{Collection: "photos", Note: "随所属记录", Sources: []string{"collection", "record"}, Columns: []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: photoOwner("scope_grid")},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: photoOwner("scope_harbour")},
		{Prefix: UserScope, Column: "scope_user", Derived: photoOwner("scope_user")},
		{Prefix: UserScope, Column: "scope_owner", Derived: photoOwner("scope_owner")},
		{Prefix: StreetScope, Column: "scope_street", Derived: photoOwner("scope_street")},
		{Prefix: OfficialScope, Column: "scope_official", Derived: photoOwner("scope_official")},
	}},
	{Collection: "sync_rejections", Columns: []ScopeColumn{{Prefix: UserScope, Column: "scope_user", Derived: `NEW.user`}}, Sources: []string{"user"}},
	{Collection: "sync_conflicts", Columns: []ScopeColumn{{Prefix: UserScope, Column: "scope_user", Derived: `NEW.user`}}, Sources: []string{"user"}},
}

var (
	atHarbour        = ScopeColumn{Prefix: HarbourScope, Column: "scope_harbour", Derived: `NEW.harbour`}
	atHarbourAndNear = []ScopeColumn{atHarbour, {Prefix: NearScope, Column: "scope_harbour", Derived: `NEW.harbour`}}
	forOfficials     = ScopeColumn{Prefix: OfficialScope, Column: "scope_official", Derived: `'all'`}
	// The street of a harbour: a park or business circle lies in one.
	forStreet = ScopeColumn{Prefix: StreetScope, Column: "scope_street", Derived: `COALESCE((SELECT CASE WHEN a.kind IN ('street', 'town') THEN a.id ELSE a.parent END` +
		` FROM harbours h JOIN areas a ON a.id = h.area WHERE h.id = NEW.harbour), '')`}
	withEnterprise = []ScopeColumn{
		{Prefix: GridScope, Column: "scope_grid", Derived: `COALESCE((SELECT scope_grid FROM enterprises WHERE id = NEW.enterprise), '')`},
		{Prefix: HarbourScope, Column: "scope_harbour", Derived: `COALESCE((SELECT scope_harbour FROM enterprises WHERE id = NEW.enterprise), '')`},
	}
)

const batchBanks = `CASE WHEN NEW.status = 'dispatched' THEN (SELECT json_group_array(bank) FROM (SELECT DISTINCT bank FROM referrals WHERE batch = NEW.id AND bank != '' ORDER BY bank)) ELSE '[]' END`

// Warehouse names the collections that only the pipeline follows.
var Warehouse = []string{"users", "scope_history", "indicator_targets", "assessment_schemes"}

// PhotoOwners are the collections whose records carry pictures of their own (photos.collection).
var PhotoOwners = []string{"visits", "demands", "enterprises", "pairings", "window_packs", "duty_rosters", "services", "activities", "feedback", "risk_leads", "inspections", "rectifications"}

var place = map[string]string{"scope_grid": "scope_grid", "scope_harbour": "scope_harbour"}

// Touches are scopes that follow from a column of another record: when it changes, the children are worked out anew.
var Touches = []Touch{
	{Parent: "harbours", Column: "host_bank", Child: "loans", Key: "harbour"},
	{Parent: "harbours", Column: "host_bank", Child: "credit_lines", Key: "harbour"},
	{Parent: "harbours", Column: "area", Child: "pairings", Key: "harbour"},
	{Parent: "harbours", Column: "area", Child: "activities", Key: "harbour"},
	{Parent: "harbours", Column: "area", Child: "inspections", Key: "harbour"},
	{Parent: "harbours", Column: "area", Child: "rectifications", Key: "harbour"},
	{Parent: "harbours", Column: "area", Child: "reviews", Key: "harbour"},
	{Parent: "grids", Column: "harbour", Child: "window_packs", Key: "grid"},
	{Parent: "enterprises", Column: "scope_harbour", Child: "referrals", Key: "enterprise"},
	{Parent: "users", Column: "role", Child: "feedback", Key: "against"},
	{Parent: "referral_batches", Column: "agency", Child: "referrals", Key: "batch"},
}

// Touch names a child whose scopes follow from a parent's column.
type Touch struct{ Parent, Column, Child, Key string }

// Followers are the cascades: when a parent moves or is renamed, its children follow in the same transaction.
var Followers = []Follower{
	{Parent: "enterprises", Child: "visits", Key: "enterprise", Set: place},
	{Parent: "enterprises", Child: "demands", Key: "enterprise", Set: place},
	{Parent: "enterprises", Child: "demands", Key: "enterprise", Set: map[string]string{
		"enterprise_name": "name", "enterprise_contact": "contact", "enterprise_phone": "phone"}},
	{Parent: "enterprises", Child: "cultivations", Key: "enterprise", Set: place},
	{Parent: "enterprises", Child: "policy_pushes", Key: "enterprise", Set: place},
	{Parent: "referral_batches", Child: "referrals", Key: "batch", Set: map[string]string{"batch_status": "status"}},
	{Parent: "demands", Child: "demand_matches", Key: "demand", Set: place},
	{Parent: "demands", Child: "demand_events", Key: "demand", Set: place},
}

func viaDemand(column string) string {
	return `COALESCE((SELECT ` + column + ` FROM demands WHERE id = NEW.demand), '')`
}

// photoOwner is the owner's column; "" where the owner has none.
func photoOwner(column string) string {
	out := `COALESCE(CASE NEW.collection`
	for _, owner := range PhotoOwners {
		if slices.Contains(scopesOfOwner[owner], column) {
			out += ` WHEN '` + owner + `' THEN (SELECT ` + column + ` FROM ` + owner + ` WHERE id = NEW.record)`
		}
	}
	return out + ` END, '')`
}

// scopesOfOwner are the scope columns that a picture takes over from its record.
var scopesOfOwner = map[string][]string{
	"visits": {"scope_grid", "scope_harbour"}, "demands": {"scope_grid", "scope_harbour"}, "enterprises": {"scope_grid", "scope_harbour"},
	"pairings": {"scope_harbour", "scope_street", "scope_official"}, "window_packs": {"scope_grid", "scope_harbour", "scope_official"},
	"duty_rosters": {"scope_harbour", "scope_official"}, "services": {"scope_harbour"}, "activities": {"scope_harbour", "scope_street", "scope_official"},
	"feedback": {"scope_harbour", "scope_user", "scope_owner", "scope_official"}, "risk_leads": {"scope_user", "scope_official"},
	"inspections": {"scope_harbour", "scope_street", "scope_official"}, "rectifications": {"scope_harbour", "scope_street", "scope_official"},
}

func init() {
	for _, owner := range PhotoOwners {
		set := map[string]string{}
		for _, c := range scopesOfOwner[owner] {
			set[c] = c
		}
		Followers = append(Followers, Follower{Parent: owner, Child: "photos", Key: "record", Set: set})
	}
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
	for _, h := range user.GetStringSlice("scope_harbours") {
		scopes = append(scopes, NearScope+h)
	}
	return append(scopes, PostOf(user).Scopes()...)
}

// Post is what somebody is and where: each role has one of the places.
type Post struct{ Role, Harbour, Bank, Street, Agency string }

// PostFields are the fields of users that make a post.
var PostFields = []string{"role", "harbour", "bank", "street", "agency"}

// NewPost makes a post of the values of PostFields.
func NewPost(v map[string]string) Post {
	return Post{Role: v["role"], Harbour: v["harbour"], Bank: v["bank"], Street: v["street"], Agency: v["agency"]}
}

// Prefixes lists the kinds of scopes that people of a role can be in, beside the whole district's data and their own.
func Prefixes(role string) []string {
	everywhere := Post{Role: role, Harbour: "x", Bank: "x", Street: "x", Agency: "x"}
	var out []string
	if role == "grid_worker" { // only workers are assigned to grids
		out = append(out, GridScope, NearScope)
	}
	for _, scope := range everywhere.Scopes() {
		out = append(out, scope[:strings.Index(scope, ":")+1])
	}
	return out
}

// PostOf is a user's present post.
func PostOf(user *core.Record) Post {
	v := map[string]string{}
	for _, f := range PostFields {
		v[f] = user.GetString(f)
	}
	return NewPost(v)
}

// Scopes lists the scopes that come with a post.
func (p Post) Scopes() []string {
	switch {
	case p.Harbour != "" && slices.Contains(harbourRoles, p.Role):
		return []string{HarbourScope + p.Harbour}
	case p.Bank != "" && p.Role == "bank":
		return []string{BankScope + p.Bank}
	case p.Role == "official":
		return []string{OfficialScope + "all"}
	case p.Street != "" && p.Role == "street_official":
		return []string{StreetScope + p.Street}
	case p.Agency != "" && p.Role == "department":
		return []string{AgencyScope + p.Agency}
	}
	return nil
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
