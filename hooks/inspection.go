package hooks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// InspectionResult is what an inspection says of one item of the standard (附件三–六), one entry of inspections.items. Pictures
// of an item name it in photos.item; one for each failed item is asked for by the app and not demanded here, for pictures
// travel later than their record.
type InspectionResult struct {
	Item   string `json:"item"`
	Result string `json:"result"`
	Remark string `json:"remark"`
}

// inspectionItem is one item of the standard as it was in force on the day of an inspection.
type inspectionItem struct {
	Code          string `db:"code"`
	Name          string `db:"name"`
	Category      string `db:"category"`
	Requirement   string `db:"requirement"`
	Points        int    `db:"points"`
	WherePossible bool   `db:"where_possible"`
}

// officials inspect, recheck and judge for those who steer; a street's only what stands in the street (§四(二)三方督查).
var (
	officials     = []string{"official", "street_official"}
	atTheCounter  = []string{"harbour_staff", "harbour_head"}
	usualDaysMend = 15
)

// BindInspection runs the rules of inspections against the standard, and of the standard's own items. What an inspection by
// those who steer finds wanting becomes a rectification in the same transaction; a harbour's own inspection demands nothing.
func BindInspection(app core.App, now Clock) {
	onSave(app, "inspection_items", now, func(_ core.App, r, _ *core.Record, _ time.Time) error {
		return inOrder(r, "ends_before_start", "from", "until")
	})
	OnCreate(app, "inspections", func(e *core.RecordEvent) error {
		return inTransaction(e, func(core.App) error {
			return prepareNew(e, now(), prepareInspection)
		}, func(tx core.App) error { return demandMending(tx, e.Record) })
	})
	app.OnRecordUpdate("inspections").BindFunc(func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			return prepareInspection(tx, e.Record, actorOf(e.Context), now())
		}, func(tx core.App) error { return demandMending(tx, e.Record) })
	})
}

func prepareInspection(app core.App, r, actor *core.Record, now time.Time) (err error) {
	allowed := officials
	if r.GetString("kind") == "self" {
		allowed = atTheCounter
	}
	if actor != nil && !hasRole(actor, allowed...) {
		return Violation("kind", "role_not_allowed")
	}
	if r.IsNew() {
		if r.GetString("number") == "" {
			number, err := nextNumber(app, "inspections", "JC", r.GetDateTime("captured_at").Time())
			if err != nil {
				return err
			}
			r.Set("number", number)
		}
	} else if r.Original().GetString("status") == "done" {
		if err := keptInspection(r, actor); err != nil {
			return err
		}
	}
	r.Set("score", 0)
	r.Set("twelve_ones", 0)
	if r.GetString("status") != "done" {
		if r.GetDateTime("due").IsZero() {
			return Violation("due", "required")
		}
		return nil
	}
	if r.GetDateTime("at").IsZero() {
		return Violation("at", "required")
	}
	if err := notYet(r, now, "at"); err != nil {
		return err
	}
	if actor != nil {
		defaultTo(r, "inspector", actor.Id)
	}
	items, results, err := inspected(app, r)
	if err != nil {
		return err
	}
	score(r, items, results)
	return nil
}

// keptInspection: what was found on the day stands. A device may add a note and its pictures; a correction is the console's.
func keptInspection(r, actor *core.Record) error {
	if r.GetString("status") != "done" {
		return Violation("status", "inspection_done")
	}
	if actor == nil {
		return nil
	}
	for _, f := range Forms["inspections"].Fields {
		if f.Name != "note" && f.Name != "photo_count" && changed(r, f.Name) {
			return Violation(f.Name, "inspection_done")
		}
	}
	return nil
}

// inspected reads the results and holds them to the items in force at the time of the inspection: each once, none missing.
func inspected(app core.App, r *core.Record) ([]inspectionItem, map[string]InspectionResult, error) {
	items, err := standardAt(app, r.GetDateTime("at").Time())
	if err != nil {
		return nil, nil, err
	}
	var list []InspectionResult
	if err := json.Unmarshal([]byte(r.GetString("items")), &list); err != nil {
		return nil, nil, Violation("items", "items_unreadable")
	}
	results := map[string]InspectionResult{}
	for _, x := range list {
		i := slices.IndexFunc(items, func(item inspectionItem) bool { return item.Code == x.Item })
		if i < 0 {
			return nil, nil, ViolationOf("items", "item_not_in_force", x.Item)
		}
		name := items[i].Name
		_, twice := results[x.Item]
		switch {
		case twice:
			return nil, nil, ViolationOf("items", "item_twice", name)
		case !slices.Contains([]string{"pass", "fail", "not_applicable"}, x.Result):
			return nil, nil, ViolationOf("items", "item_result_needed", name)
		case x.Result == "not_applicable" && !items[i].WherePossible:
			return nil, nil, ViolationOf("items", "item_always_applies", name)
		case x.Result == "fail" && x.Remark == "":
			return nil, nil, ViolationOf("items", "item_remark_needed", name)
		}
		results[x.Item] = x
	}
	for _, item := range items {
		if _, there := results[item.Code]; !there {
			return nil, nil, ViolationOf("items", "item_result_needed", item.Name)
		}
	}
	return items, results, nil
}

// standardAt lists the items of the standard in force at a time, each in its latest version, in the order of the sheet.
func standardAt(app core.App, at time.Time) (items []inspectionItem, err error) {
	err = app.DB().NewQuery(`SELECT code, name, category, requirement, points, where_possible FROM (
			SELECT *, row_number() OVER (PARTITION BY code ORDER BY "from" DESC) AS version FROM inspection_items
			WHERE "from" <= {:at} AND (until = '' OR until > {:at}))
		WHERE version = 1 ORDER BY position, code`).Bind(dbx.Params{"at": Stored(at)}).All(&items)
	return items, err
}

// score is points passed of points applicable, in per cent with one decimal, whatever the device worked out.
func score(r *core.Record, items []inspectionItem, results map[string]InspectionResult) {
	passed, applicable, ones := 0, 0, 0
	for _, item := range items {
		result := results[item.Code].Result
		if result == "not_applicable" {
			continue
		}
		applicable += item.Points
		if result != "pass" {
			continue
		}
		passed += item.Points
		if item.Category == "twelve_ones" {
			ones++
		}
	}
	if applicable > 0 {
		r.Set("score", math.Round(float64(passed)*1000/float64(applicable))/10)
	}
	r.Set("twelve_ones", ones)
}

// demandMending writes one rectification per failed item. Saved again after a correction at the console it adds what is new and
// takes back what is no longer found wanting, unless somebody has worked on it.
func demandMending(app core.App, r *core.Record) error {
	if r.GetString("status") != "done" || r.GetString("kind") == "self" {
		return nil
	}
	items, results, err := inspected(app, r)
	if err != nil {
		return err
	}
	at := r.GetDateTime("at").Time()
	collection, err := app.FindCachedCollectionByNameOrId("rectifications")
	if err != nil {
		return err
	}
	demands, err := app.FindAllRecords(collection, dbx.HashExp{"inspection": r.Id})
	if err != nil {
		return err
	}
	for _, item := range items {
		result := results[item.Code]
		i := slices.IndexFunc(demands, func(d *core.Record) bool { return d.GetString("item") == item.Code })
		switch failed := result.Result == "fail"; {
		case failed && i < 0:
			days, err := LimitDays(app, "sla.rectification_days", at, usualDaysMend)
			if err != nil {
				return err
			}
			due, err := AddWorkdays(app, at, days)
			if err != nil {
				return err
			}
			d := core.NewRecord(collection)
			d.Load(map[string]any{"id": derivedID(r.Id, item.Code), "harbour": r.GetString("harbour"), "inspection": r.Id, "item": item.Code,
				"demand": mendingText(item, result.Remark), "due": due.Add(-time.Second), "recheck_result": "pending"})
			if err := app.Save(d); err != nil {
				return err
			}
		case !failed && i >= 0 && demands[i].GetDateTime("done_on").IsZero() && demands[i].GetString("recheck_result") == "pending":
			if err := app.Delete(demands[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// mendingText is what the standard requires, and what was found instead.
func mendingText(item inspectionItem, remark string) string {
	text := []rune(item.Requirement)
	if len(text) == 0 {
		text = []rune(item.Name)
	}
	text = append(text, []rune("（检查发现："+remark)...)
	return string(text[:min(len(text), 499)]) + "）"
}

// derivedID names a record that follows from others: made again it is the same.
func derivedID(from ...string) string {
	h := sha256.New()
	for _, s := range from {
		h.Write([]byte(s + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))[:15]
}
