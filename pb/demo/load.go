package demo

import (
	"bytes"
	"fmt"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/registry"
)

// Password is every demo account's; the accounts file says so too.
const Password = "gangwan-demo-2026"

const adminEmail = "admin@demo.gangwan.test"

// load writes what stands before the first day: reference data as an administrator would enter it, areas and enterprises
// through the registry's import.
func (d *district) load(app core.App, clock *Clock, say func(string, ...any)) error {
	ids := stream(d.opts.Seed, "areas")
	report, err := registry.ImportAreas(app, bytes.NewReader(d.areasCSV()), registry.Options{Now: clock.Now, NewID: func() string { return recordID(ids) }})
	if err != nil {
		return err
	}
	say("行政区划：%d 个", report.New)
	areaID, err := idsBy(app, "areas", "code")
	if err != nil {
		return err
	}
	if err := app.RunInTransaction(func(tx core.App) error { return d.loadReference(tx, areaID) }); err != nil {
		return err
	}
	say("银行 %d 家，港湾 %d 个，网格 %d 个，人员 %d 名，政策 %d 条，产品 %d 个", len(d.banks), len(d.harbours), len(d.grids), len(d.people), len(d.policies), len(d.products))

	began := time.Now()
	ids = stream(d.opts.Seed, "enterprises")
	report, err = registry.ImportEnterprises(app, bytes.NewReader(registryCSV(d.enterprises)), registry.Options{Now: clock.Now, NewID: func() string { return recordID(ids) }})
	if err != nil {
		return err
	}
	for _, enter := range []func(core.App) error{d.fillIn, d.keyListed} {
		if err := app.RunInTransaction(enter); err != nil {
			return err
		}
	}
	say("市场主体：导入 %d 户，问题行 %d，用时 %.1f 秒", report.New, report.Bad, time.Since(began).Seconds())
	return nil
}

func idsBy(app core.App, collection, field string) (map[string]string, error) {
	var rows []struct{ ID, Key string }
	err := app.DB().Select("id", field+" AS key").From(collection).All(&rows)
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[r.Key] = r.ID
	}
	return out, err
}

func (d *district) loadReference(tx core.App, areaID map[string]string) error {
	save := saver(tx)
	d.loadAgencies(save)
	for _, b := range d.banks {
		save("banks", b.id, map[string]any{"name": b.name, "short_name": b.short, "kind": b.kind})
	}
	for _, h := range d.harbours {
		m := map[string]any{"number": h.number, "name": h.name, "kind": h.kind, "area": areaID[h.area], "address": h.address, "location": geo(h.at),
			"service_phone": h.phone, "complaint_phone": "023-58001999", "opened_on": hooks.Stored(d.start.AddDate(0, -4, 0)), "status": "operating",
			"hardware": []string{"loan_code_poster", "suggestion_box", "low_counter"}, "loan_code": "https://example.invalid/changjiang-yurongtong/" + h.id}
		if h.host >= 0 {
			m["host_bank"] = d.banks[h.host].id
		}
		var partners []string
		for _, p := range h.partners {
			partners = append(partners, d.banks[p].id)
		}
		m["partner_banks"] = partners
		save("harbours", h.id, m)
	}
	for _, g := range d.grids {
		save("grids", g.id, map[string]any{"name": g.name, "code": g.code, "area": areaID[g.area], "kind": g.kind, "harbour": d.harbours[g.harbour].id})
	}
	for _, p := range d.policies {
		save("policies", p.id, map[string]any{"title": p.title, "kind": p.kind, "text": p.text, "tags": p.tags, "valid_from": hooks.Stored(d.start.AddDate(-1, 0, 0))})
	}
	for _, p := range d.products {
		save("products", p.id, map[string]any{"name": p.name, "bank": d.banks[p.bank].id, "kind": p.kind, "amount_min": p.min, "amount_max": p.max,
			"term_min": p.termMin, "term_max": p.termMax, "rate_min": p.rateMin, "rate_max": p.rateMax, "revolving": p.revolving,
			"conditions": p.conditions, "how_to_apply": p.how, "tags": p.tags})
	}
	r := stream(d.opts.Seed, "parameters")
	for _, p := range d.parameters() {
		save("parameters", recordID(r), map[string]any{"code": p[0], "value": p[1], "from": hooks.Stored(time.Date(2021, 10, 29, 0, 0, 0, 0, hooks.Shanghai)),
			"source_doc": "万州府办〔2021〕67号（演示取值）", "note": p[2]})
	}
	r = stream(d.opts.Seed, "holidays")
	for _, h := range holidays2026 {
		save("holidays", recordID(r), map[string]any{"day": h.day, "kind": h.kind, "name": h.name})
	}
	if err := d.loadPeople(tx, areaID, save); err != nil {
		return err
	}
	d.loadContacts(areaID, save)
	d.loadTargets(areaID, save)
	return save("", "", nil)
}

// loadPeople makes the accounts. The password is hashed once for all: bcrypt is slow on purpose, and the demo's password
// is printed anyway; each account has its own token key.
func (d *district) loadPeople(tx core.App, areaID map[string]string, save func(string, string, map[string]any) error) error {
	users, err := tx.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	var hash string
	for _, p := range d.people {
		u := core.NewRecord(users)
		u.Id = p.id
		for k, v := range map[string]any{"name": p.name, "role": p.role, "email": p.email, "verified": true, "emailVisibility": false, "mobile": p.mobile, "staff_no": p.staffNo, "street": areaID[p.street],
			"may_export": p.role == "official" || p.role == "street_official" || p.role == "bank"} {
			u.Set(k, v)
		}
		if p.harbour >= 0 {
			u.Set("harbour", d.harbours[p.harbour].id)
		}
		if p.bank >= 0 {
			u.Set("bank", d.banks[p.bank].id)
		}
		if p.agency != "" {
			u.Set("agency", d.agencyOf(p.agency).id)
		}
		if hash == "" {
			u.SetPassword(Password)
			hash = u.GetString("password:hash")
		} else {
			u.RefreshTokenKey()
			u.SetRaw("password", &core.PasswordFieldValue{Hash: hash})
		}
		if err := tx.Save(u); err != nil {
			return fmt.Errorf("%s: %w", p.email, err)
		}
	}
	r := stream(d.opts.Seed, "assignments")
	for _, w := range d.workers {
		for _, g := range w.grids {
			if err := save("assignments", recordID(r), map[string]any{"user": w.id, "grid": d.grids[g].id, "from": hooks.Stored(d.start)}); err != nil {
				return err
			}
		}
	}
	for _, h := range d.harbours {
		rec, err := tx.FindRecordById("harbours", h.id)
		if err != nil {
			return err
		}
		rec.Set("head", h.head.id)
		if err := tx.Save(rec); err != nil {
			return err
		}
	}
	return nil
}

// saver saves record after record and remembers the first failure.
func saver(tx core.App) func(collection, id string, fields map[string]any) error {
	var first error
	known := map[string]*core.Collection{}
	return func(name, id string, fields map[string]any) error {
		if first != nil || name == "" {
			return first
		}
		c := known[name]
		if c == nil {
			if c, first = tx.FindCollectionByNameOrId(name); first != nil {
				return first
			}
			known[name] = c
		}
		r := core.NewRecord(c)
		r.Id = id
		for k, v := range fields {
			r.Set(k, v)
		}
		if err := tx.Save(r); err != nil {
			first = fmt.Errorf("%s %v: %w", name, fields, err)
		}
		return first
	}
}

func geo(p point) map[string]any { return map[string]any{"lon": p.lon, "lat": p.lat} }

// fillIn enters what the registry does not give and people at the desks know already: places, staff, and the grid where
// the community alone does not tell it. One pass of plain SQL: the change feed's triggers see it all the same.
func (d *district) fillIn(tx core.App) error {
	// By id: the index on codes leaves out empty ones, so SQLite would not use it for a bound value.
	idOf, err := idsBy(tx, "enterprises", "uscc")
	if err != nil {
		return err
	}
	q := tx.DB().NewQuery(`UPDATE enterprises SET grid = CASE WHEN {:grid} != '' THEN {:grid} ELSE grid END,
		location = CASE WHEN {:lon} != 0 THEN json_object('lon', {:lon}, 'lat', {:lat}) ELSE location END,
		employees = {:employees}, revenue = {:revenue}, size = {:size}, ownership = {:ownership}, contact = {:contact} WHERE id = {:id}`).Prepare()
	defer func() { _ = q.Close() }()
	for _, e := range d.enterprises {
		p := dbx.Params{"id": idOf[e.uscc], "grid": "", "lon": 0.0, "lat": 0.0, "employees": 0, "revenue": 0, "size": "", "ownership": e.ownership, "contact": ""}
		if e.grid >= 0 {
			p["grid"] = d.grids[e.grid].id
		}
		if e.pointKnown {
			p["lon"], p["lat"] = e.at.lon, e.at.lat
		}
		if e.staffKnown || e.size == "medium" || e.size == "large" {
			p["employees"], p["revenue"], p["size"], p["contact"] = e.employees, e.revenue, e.size, e.contact
		}
		if _, err := q.Bind(p).Execute(); err != nil {
			return err
		}
	}
	return nil
}
