// Package pb_migrations owns the shape and limits of every record: one Go migration per change, never edited
// after it has shipped. Meaning (labels, merge rules, who may write) is in hooks/forms; a test holds the two together.
package pb_migrations

import (
	"strings"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// idPattern must stay exactly this: PocketBase recognises it and skips a case-insensitive table scan per insert.
const idPattern = `^[a-z0-9]+$`

// Rules are PocketBase filter expressions. The scope clauses are the mirror of hooks.UserScopes.
const (
	signedIn = `@request.auth.collectionName = "users" && @request.auth.must_change_password = false`

	holdsGrid    = `(scope_grid != "" && @request.auth.scope_grids.id ?= scope_grid)`
	holdsHarbour = `(scope_harbour != "" && scope_harbour = @request.auth.harbour && ` + harbourRole + `)`
	harbourRole  = `(@request.auth.role = "harbour_staff" || @request.auth.role = "harbour_head" || @request.auth.role = "liaison")`
	// holdsBanks is for rows that several banks hold at once, holdsBank for rows of one bank.
	holdsBanks = `(@request.auth.role = "bank" && @request.auth.bank != "" && scope_banks.id ?= @request.auth.bank)`
	holdsBank  = `(@request.auth.role = "bank" && @request.auth.bank != "" && scope_bank = @request.auth.bank)`
	// holdsNear is for workers whose grids the record's harbour serves.
	holdsNear     = `(scope_harbour != "" && @request.auth.scope_harbours.id ?= scope_harbour)`
	holdsStreet   = `(scope_street != "" && @request.auth.role = "street_official" && scope_street = @request.auth.street)`
	holdsAgency   = `(scope_agency != "" && @request.auth.role = "department" && scope_agency = @request.auth.agency)`
	holdsUser     = `(scope_user != "" && scope_user = @request.auth.id)`
	holdsOwner    = `(scope_owner != "" && scope_owner = @request.auth.id)`
	holdsOfficial = `(scope_official = "all" && @request.auth.role = "official")`
)

// heldBy is the rule of a collection whose rows anybody may read of whom one of the clauses is true.
func heldBy(clauses ...string) string {
	return signedIn + " && (" + strings.Join(clauses, " || ") + ")"
}

// newBase makes a base collection whose ids may be PocketBase's own 15 characters or a device's UUIDv7 in 32 hex digits.
func newBase(name string, fields ...core.Field) *core.Collection {
	c := core.NewBaseCollection(name)
	widenID(c)
	c.Fields.Add(fields...)
	// PocketBase's own clock: no figure uses these two.
	c.Fields.Add(
		&core.AutodateField{Name: "created", OnCreate: true},
		&core.AutodateField{Name: "updated", OnCreate: true, OnUpdate: true},
	)
	return c
}

func widenID(c *core.Collection) {
	id := c.Fields.GetByName("id").(*core.TextField)
	id.Min, id.Max, id.Pattern = 15, 32, idPattern
}

// readable opens list and view with one rule; writing stays with superusers and the sync protocol.
func readable(c *core.Collection, rule string) *core.Collection {
	c.ListRule, c.ViewRule = types.Pointer(rule), types.Pointer(rule)
	return c
}

// captured are the fields every collection has whose rows are made on a phone.
func captured() []core.Field {
	return []core.Field{
		&core.DateField{Name: "captured_at", Help: "采集时间：手机上记录的时刻，已按时钟偏差校正"},
		&core.NumberField{Name: "captured_offset", OnlyInt: true, Min: types.Pointer(-840.0), Max: types.Pointer(840.0), Help: "采集时手机的时区偏移（分钟）"},
		&core.DateField{Name: "synced_at", Help: "上报时间：服务器收到的时刻"},
		&core.TextField{Name: "device", Max: 32, Help: "采集设备编号"},
		&core.NumberField{Name: "skew", OnlyInt: true, Help: "手机时钟与服务器的偏差（秒，正数表示手机偏快）"},
	}
}

func scopes(names ...string) []core.Field {
	help := map[string]string{
		"scope_grid":     "可见范围：主体现在所属网格（系统维护）",
		"scope_harbour":  "可见范围：主体现在所属港湾（系统维护）",
		"scope_bank":     "可见范围：对接银行（系统维护）",
		"scope_user":     "可见范围：本人（系统维护）",
		"scope_owner":    "可见范围：承办人（系统维护）",
		"scope_street":   "可见范围：所在镇街（系统维护）",
		"scope_agency":   "可见范围：部门（系统维护）",
		"scope_official": "可见范围：主管部门（系统维护）",
	}
	var out []core.Field
	for _, n := range names {
		out = append(out, &core.TextField{Name: n, Max: 32, Hidden: true, Help: help[n]})
	}
	return out
}

func text(name string, max int, help string) *core.TextField {
	return &core.TextField{Name: name, Max: max, Help: help}
}

func needText(name string, max int, help string) *core.TextField {
	f := text(name, max, help)
	f.Required, f.Presentable = true, true
	return f
}

func number(name string, min, max float64, help string) *core.NumberField {
	return &core.NumberField{Name: name, Min: &min, Max: &max, Help: help}
}

// whole is a number without decimals: counts, yuan, months, minutes.
func whole(name string, min, max float64, help string) *core.NumberField {
	f := number(name, min, max, help)
	f.OnlyInt = true
	return f
}

func boolean(name, help string) *core.BoolField { return &core.BoolField{Name: name, Help: help} }

func date(name, help string) *core.DateField { return &core.DateField{Name: name, Help: help} }

func geo(name, help string) *core.GeoPointField { return &core.GeoPointField{Name: name, Help: help} }

func jsonField(name string, max int64, help string) *core.JSONField {
	return &core.JSONField{Name: name, MaxSize: max, Help: help}
}

func one(name, help string, values ...string) *core.SelectField {
	return &core.SelectField{Name: name, MaxSelect: 1, Values: values, Help: help}
}

func many(name, help string, values ...string) *core.SelectField {
	return &core.SelectField{Name: name, MaxSelect: len(values), Values: values, Help: help}
}

func rel(name string, to *core.Collection, help string) *core.RelationField {
	return &core.RelationField{Name: name, CollectionId: to.Id, MaxSelect: 1, Help: help}
}

func needRel(name string, to *core.Collection, help string) *core.RelationField {
	f := rel(name, to, help)
	f.Required = true
	return f
}

func rels(name string, to *core.Collection, max int, help string) *core.RelationField {
	return &core.RelationField{Name: name, CollectionId: to.Id, MaxSelect: max, Help: help}
}

func required[F core.Field](f F) F {
	switch v := any(f).(type) {
	case *core.SelectField:
		v.Required = true
	case *core.DateField:
		v.Required = true
	case *core.TextField:
		v.Required = true
	case *core.NumberField:
		v.Required = true
	case *core.FileField:
		v.Required = true
	}
	return f
}

func find(app core.App, name string) *core.Collection {
	c, err := app.FindCollectionByNameOrId(name)
	if err != nil {
		panic("migration order: collection " + name + " does not exist yet")
	}
	return c
}

// dropAll removes collections in the order given; used by the down halves.
func dropAll(app core.App, names ...string) error {
	for _, n := range names {
		c, err := app.FindCollectionByNameOrId(n)
		if err != nil {
			return err
		}
		if err := app.Delete(c); err != nil {
			return err
		}
	}
	return nil
}

func saveAll(app core.App, cs ...*core.Collection) error {
	for _, c := range cs {
		if err := app.Save(c); err != nil {
			return err
		}
	}
	return nil
}

func execAll(app core.App, statements ...string) error {
	for _, s := range statements {
		if _, err := app.DB().NewQuery(s).Execute(); err != nil {
			return err
		}
	}
	return nil
}

// held makes a synced collection: its capture fields if devices write it, its scope columns with an index each, its rule.
func held(c *core.Collection, writable bool, rule string, columns ...string) *core.Collection {
	if writable {
		c.Fields.Add(captured()...)
	}
	c.Fields.Add(scopes(columns...)...)
	for _, s := range columns {
		if s != "scope_official" { // the same in every row
			c.AddIndex(c.Name+"_"+s, false, s, s+" != ''")
		}
	}
	return readable(c, rule)
}

func document(name, help string) *core.FileField {
	return &core.FileField{Name: name, MaxSelect: 1, MaxSize: 20 << 20, Protected: true, Help: help}
}

// dropCapture removes the triggers of the change feed, which block the removal of columns they name; the next start makes them anew.
func dropCapture(app core.App) error {
	var names []string
	if err := app.DB().NewQuery(`SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'sync\_%' ESCAPE '\'`).Column(&names); err != nil {
		return err
	}
	for _, n := range names {
		if err := execAll(app, "DROP TRIGGER "+n); err != nil {
			return err
		}
	}
	return nil
}

// dropFields takes fields out of a collection that stays, with the indexes named.
func dropFields(app core.App, collection string, indexes []string, fields ...string) error {
	c := find(app, collection)
	for _, i := range indexes {
		c.RemoveIndex(i)
	}
	for _, f := range fields {
		c.Fields.RemoveByName(f)
	}
	return app.Save(c)
}
