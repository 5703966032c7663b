package demo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

// Agencies beside the banks (§三(三), §四): those that lead the action, the courts and offices that take up leads, and the
// departments that name enterprises.

type agency struct {
	id, code, name, short, kind string
	from, until                 string // days on which the name began and ended
}

// leads are the officials' agencies, listing the departments that deliver lists, by code.
var (
	leads   = []string{"PBC", "JRB", "JGJ"}
	listing = []string{"SCJG", "JJXX", "SW", "NYNC"}
)

func (d *district) makeAgencies() {
	for _, a := range []agency{
		{code: "PBC", name: "中国人民银行万州中心支行", short: "人行", kind: "central_bank", until: "2023-08-18"},
		{code: "PBC", name: "中国人民银行重庆市分行万州业务部（演示名称）", short: "人行", kind: "central_bank", from: "2023-08-18"},
		{code: "JRB", name: "万州区金融工作办公室", short: "区金融办", kind: "financial_office"},
		{code: "JGJ", name: "中国银行保险监督管理委员会万州监管分局", short: "银保监分局", kind: "regulator", until: "2023-07-20"},
		{code: "JGJ", name: "国家金融监督管理总局万州监管分局", short: "金融监管分局", kind: "regulator", from: "2023-07-20"},
		{code: "SCJG", name: "万州区市场监督管理局", short: "区市场监管局", kind: "market_regulation"},
		{code: "JJXX", name: "万州区经济和信息化委员会", short: "区经济信息委", kind: "department"},
		{code: "SW", name: "万州区商务委员会", short: "区商务委", kind: "department"},
		{code: "NYNC", name: "万州区农业农村委员会", short: "区农业农村委", kind: "department"},
		{code: "FGW", name: "万州区发展和改革委员会", short: "区发展改革委", kind: "department"},
		{code: "CZ", name: "万州区财政局", short: "区财政局", kind: "department"},
		{code: "RLSB", name: "万州区人力资源和社会保障局", short: "区人力社保局", kind: "social_security"},
		{code: "SWJ", name: "国家税务总局重庆市万州区税务局", short: "区税务局", kind: "tax"},
		{code: "FY", name: "万州区人民法院", short: "区法院", kind: "court"},
		{code: "GA", name: "万州区公安局", short: "区公安局", kind: "police"},
	} {
		a.id = recordID(stream(d.opts.Seed, "agency", a.code, a.from))
		d.agencies = append(d.agencies, a)
	}
}

// agencyOf is the agency under its present name.
func (d *district) agencyOf(code string) agency {
	for _, a := range d.agencies {
		if a.code == code && a.until == "" {
			return a
		}
	}
	panic("demo: no agency " + code)
}

func storedDay(day string) string {
	if day == "" {
		return ""
	}
	t, err := time.ParseInLocation(time.DateOnly, day, hooks.Shanghai)
	if err != nil {
		panic(err)
	}
	return hooks.Stored(t)
}

func (d *district) loadAgencies(save func(string, string, map[string]any) error) {
	for _, a := range d.agencies {
		_ = save("agencies", a.id, map[string]any{"code": a.code, "name": a.name, "short_name": a.short, "kind": a.kind, "from": storedDay(a.from), "until": storedDay(a.until)})
	}
}

// loadTargets enters what the district wants to reach; the scheme of the assessment comes with the product.
func (d *district) loadTargets(areaID map[string]string, save func(string, string, map[string]any) error) {
	r := stream(d.opts.Seed, "targets")
	target := func(indicator, period string, floor, target float64, more map[string]any) {
		m := map[string]any{"indicator": indicator, "period": period, "floor": floor, "target": target, "source": "万州府办〔2021〕67号（演示取值）"}
		for k, v := range more {
			m[k] = v
		}
		_ = save("indicator_targets", recordID(r), m)
	}
	for _, period := range []string{"2026", "2026Q3", "2026Q4"} {
		for _, t := range []struct {
			indicator     string
			floor, target float64
		}{{"COV-01", 40, 90}, {"COV-03", 50, 95}, {"CNV-02", 60, 95}, {"CNV-04", 10, 40}, {"PUB-02", 50, 95}, {"PUB-03", 50, 100}, {"STD-01", 75, 100}} {
			target(t.indicator, period, t.floor, t.target, nil)
		}
		for _, h := range d.harbours[1:] {
			target("CNV-06", period, 2, float64(between(r, 6, 20)), map[string]any{"harbour": h.id})
		}
		for _, s := range d.inPlay {
			target("COV-01", period, 40, 90, map[string]any{"area": areaID[s]})
		}
	}
	target("POL-05", "2026", 2, 3, nil)
}

// loadContacts enters of the 对口联系名册 those who have accounts; the harbours add the others themselves.
func (d *district) loadContacts(areaID map[string]string, save func(string, string, map[string]any) error) {
	r := stream(d.opts.Seed, "contacts")
	add := func(p *person, kind string, h int, unit string) {
		_ = save("contacts", recordID(r), map[string]any{"name": p.name, "phone": p.mobile, "unit": unit, "kind": kind, "harbour": d.harbours[h].id,
			"area": areaID[p.street], "user": p.id, "from": hooks.Stored(d.start.AddDate(0, -2, 0))})
		d.contacts++
	}
	for _, w := range d.workers {
		add(w, "grid_worker", d.grids[w.grids[0]].harbour, d.streetName[w.street])
	}
	for _, p := range d.people {
		if p.role == "liaison" {
			add(p, "liaison", p.harbour, d.harbours[p.harbour].name)
		}
	}
}

// keyListed puts every sixtieth enterprise on the list of key enterprises (§三(二)二), with the person who serves it; a harbour that
// lags has named nobody for a third of its own.
func (d *district) keyListed(tx core.App) error {
	ids, err := idsBy(tx, "enterprises", "uscc")
	if err != nil {
		return err
	}
	d.key = make([][]string, len(d.harbours))
	for i, e := range d.enterprises {
		if e.grid < 0 || i%60 != 7 {
			continue
		}
		record, err := tx.FindRecordById("enterprises", ids[e.uscc])
		if err != nil {
			return fmt.Errorf("key enterprise %s: %w", e.uscc, err)
		}
		if record.GetString("grid") == "" {
			continue
		}
		h := d.grids[e.grid].harbour
		record.Set("key_listed_on", hooks.Stored(d.start.AddDate(0, -1, 0)))
		record.Set("key_list_source", "区经济信息委重点企业清单（演示）")
		if !d.lags(h) || !chance(stream(d.opts.Seed, "served", i), 0.33) {
			record.Set("service_staff", d.harbours[h].staff.id)
		}
		if err := tx.Save(record); err != nil {
			return err
		}
		d.key[h] = append(d.key[h], record.Id)
	}
	return nil
}

// lags tells whether a harbour is one of those that reports are about; improves, whether it does better as the season goes on.
func (d *district) lags(harbour int) bool {
	return harbour == len(d.harbours)-1 || harbour%6 == 4
}

func (d *district) improves(harbour int) bool { return harbour == 1 }

// scoredItem is what the demo needs to know of an item of an assessment scheme.
type scoredItem struct {
	Code, By string
	Weight   float64
}

// scored are the items of the assessment in force that agencies score by hearing reports (R), with their full marks.
func (s *story) scored() (items []scoredItem, err error) {
	records, err := s.app.FindRecordsByFilter("assessment_schemes", "applies_to = 'harbour' && from <= {:now} && (until = '' || until > {:now})", "-from", 1, 0,
		dbx.Params{"now": hooks.Stored(s.d.start)})
	if err != nil || len(records) == 0 {
		return nil, err
	}
	var all []scoredItem
	if err := json.Unmarshal([]byte(records[0].GetString("items")), &all); err != nil {
		return nil, err
	}
	for _, x := range all {
		if x.By == "R" {
			items = append(items, x)
		}
	}
	return items, nil
}
