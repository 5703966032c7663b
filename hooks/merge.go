package hooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// mergedBy carries the superuser's name from the request, which alone knows him, to the save.
const mergedBy = "@merged_by"

// BindMerge lets an administrator decide about two records that seem to be one enterprise: creating a record of enterprise_merges
// merges them, or notes that they are two; setting it to undone takes that back. All in the transaction of the save itself.
func BindMerge(app core.App, now Clock) {
	byWhom := func(e *core.RecordRequestEvent) error {
		by := ""
		if e.Auth != nil {
			by = e.Auth.Email()
		}
		e.Record.Set(mergedBy, by)
		return e.Next()
	}
	app.OnRecordCreateRequest("enterprise_merges").BindFunc(byWhom)
	app.OnRecordUpdateRequest("enterprise_merges").BindFunc(byWhom)
	nothing := func(core.App) error { return nil }
	OnCreate(app, "enterprise_merges", func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			r := e.Record
			defaultTo(r, "status", "merged")
			r.Set("at", Stored(now()))
			r.Set("undone_at", "")
			r.Set("undone_by", "")
			r.Set("trail", nil)
			signMerge(r, "by")
			return decideMerge(e.Context, tx, r)
		}, nothing)
	})
	app.OnRecordUpdate("enterprise_merges").BindFunc(func(e *core.RecordEvent) error {
		return inTransaction(e, func(tx core.App) error {
			r := e.Record
			present, err := tx.FindRecordById(r.Collection(), r.Id)
			if err != nil {
				return err
			}
			for _, f := range []string{"trail", "by", "at", "undone_by", "undone_at"} {
				r.Set(f, present.Get(f))
			}
			was, is := present.GetString("status"), r.GetString("status")
			for _, f := range []string{"kept", "merged"} {
				if r.GetString(f) != present.GetString(f) {
					return Violation(f, "merge_kept_fields")
				}
			}
			switch {
			case was == is:
				return nil
			case was == "undone":
				return Violation("status", "merge_undone")
			case is != "undone":
				return Violation("status", "merge_kept_fields")
			}
			r.Set("undone_at", Stored(now()))
			signMerge(r, "undone_by")
			if was == "merged" {
				return undoMerge(e.Context, tx, r)
			}
			return nil
		}, nothing)
	})
	app.OnRecordDelete("enterprise_merges").BindFunc(func(*core.RecordEvent) error { return Violation("status", "merge_not_deleted") })
}

// signMerge writes the administrator's name; what a request says of it itself does not count.
func signMerge(r *core.Record, field string) {
	if by, ok := r.Get(mergedBy).(string); ok {
		r.Set(field, by)
	}
}

type mergingKey struct{}

// checkMergeField keeps what a merge alone may say of an enterprise, so that none is called a duplicate without a trail.
func checkMergeField(ctx context.Context, r *core.Record) error {
	if ctx.Value(mergingKey{}) != nil {
		return nil
	}
	was := r.Original()
	if r.GetString("merged_into") != was.GetString("merged_into") {
		return Violation("merged_into", "merge_instead")
	}
	if s := r.GetString("status"); s != was.GetString("status") && (s == "duplicate" || was.GetString("merged_into") != "") {
		return Violation("status", "merge_instead")
	}
	return nil
}

// mergeTrail is what a merge changed, in order. Left are the records that a rule of their own keeps from having the kept enterprise
// twice: they stay where they were.
type mergeTrail struct {
	Changes []mergeStep `json:"changes"`
	Left    []mergeStep `json:"left,omitempty"`
}

// mergeStep is one field that went from one value to another, on each of the records.
type mergeStep struct {
	Collection string   `json:"collection"`
	Field      string   `json:"field"`
	Records    []string `json:"records"`
	Before     any      `json:"before"`
	After      any      `json:"after,omitempty"`
}

// decideMerge judges a new decision and carries it out.
func decideMerge(ctx context.Context, tx core.App, r *core.Record) error {
	var pair [2]*core.Record
	for i, f := range []string{"kept", "merged"} {
		if r.GetString(f) == "" {
			return Violation(f, "required")
		}
		e, err := tx.FindRecordById("enterprises", r.GetString(f))
		if errors.Is(err, sql.ErrNoRows) {
			return Violation(f, "unknown_reference")
		}
		if err != nil {
			return err
		}
		pair[i] = e
	}
	kept, merged := pair[0], pair[1]
	var judged int
	if err := tx.DB().NewQuery(`SELECT EXISTS (SELECT 1 FROM enterprise_merges WHERE status = 'different' AND (kept = {:a} AND merged = {:b} OR kept = {:b} AND merged = {:a}))`).
		Bind(dbx.Params{"a": kept.Id, "b": merged.Id}).Row(&judged); err != nil {
		return err
	}
	a, b := kept.GetString("uscc"), merged.GetString("uscc")
	switch {
	case kept.Id == merged.Id:
		return Violation("merged", "merge_same")
	case merged.GetString("merged_into") != "":
		return Violation("merged", "merge_done")
	case kept.GetString("merged_into") != "" || kept.GetString("status") == "duplicate":
		return Violation("kept", "merge_kept_gone")
	case judged == 1:
		return Violation("merged", "merge_judged")
	}
	switch r.GetString("status") {
	case "different":
		return nil
	case "merged":
		if a != "" && b != "" && a != b && strings.TrimSpace(r.GetString("note")) == "" {
			return Violation("note", "merge_uscc")
		}
		trail, err := mergeEnterprises(ctx, tx, kept, merged)
		if err != nil {
			return err
		}
		r.Set("trail", trail)
		return nil
	}
	return Violation("status", "merge_kept_fields")
}

// ownFields are what a kept enterprise never takes over from the merged one: where and by whom its own record was made, and what
// the server derives.
var ownFields = []string{"id", "created", "updated", "name", "name_key", "initials", "status", "origin", "suspected_duplicate_of", "merged_into",
	"captured_at", "captured_offset", "synced_at", "device", "skew", "scope_grid", "scope_harbour"}

func mergeEnterprises(ctx context.Context, tx core.App, kept, merged *core.Record) (*mergeTrail, error) {
	trail := &mergeTrail{Changes: []mergeStep{}}
	change := func(r *core.Record, set func(f core.Field)) error {
		before := enterpriseValues(r)
		for _, f := range r.Collection().Fields {
			set(f)
		}
		if err := tx.SaveWithContext(context.WithValue(ctx, mergingKey{}, true), r); err != nil {
			return err
		}
		after := enterpriseValues(r)
		for _, f := range sortedNames(before) {
			if !reflect.DeepEqual(before[f], after[f]) {
				trail.Changes = append(trail.Changes, mergeStep{"enterprises", f, []string{r.Id}, before[f], after[f]})
			}
		}
		return nil
	}
	if err := change(kept, func(f core.Field) {
		name := f.GetName()
		switch {
		case f.Type() == core.FieldTypeRelation && kept.GetString(name) == merged.Id:
			kept.Set(name, "")
		case name == "grid" && kept.GetString("grid") == "":
			kept.Set("grid", merged.GetString("grid"))
			for _, scope := range DerivedColumns("enterprises") {
				kept.Set(scope, merged.GetString(scope))
			}
		case !slices.Contains(ownFields, name) && unsaid(f, kept) && !unsaid(f, merged):
			kept.Set(name, merged.Get(name))
		}
	}); err != nil {
		return nil, err
	}
	if err := change(merged, func(f core.Field) {
		switch f.GetName() {
		case "status":
			merged.Set("status", "duplicate")
		case "merged_into":
			merged.Set("merged_into", kept.Id)
		}
	}); err != nil {
		return nil, err
	}
	relations, err := RelationsTo(tx, "enterprises")
	if err != nil {
		return nil, err
	}
	for _, to := range relations {
		if err := to.move(tx, kept.Id, merged.Id, trail); err != nil {
			return nil, err
		}
	}
	// What phones still send for the merged one follows.
	_, err = tx.DB().NewQuery(`INSERT OR REPLACE INTO sync_merged (collection, record, survivor) VALUES ('enterprises', {:merged}, {:kept})`).
		Bind(dbx.Params{"merged": merged.Id, "kept": kept.Id}).Execute()
	return trail, err
}

// unsaid tells that a field has no value, or the one that says so: select fields call it "unknown".
func unsaid(f core.Field, r *core.Record) bool {
	switch v := r.Get(f.GetName()).(type) {
	case string:
		return v == "" || f.Type() == core.FieldTypeSelect && v == "unknown"
	case types.GeoPoint:
		return v == types.GeoPoint{}
	case types.DateTime:
		return v.IsZero()
	case []string:
		return len(v) == 0
	case float64:
		return v == 0
	case bool:
		return !v
	}
	return true
}

// enterpriseValues are a record's values as they stand in JSON; PocketBase's own clock is no value.
func enterpriseValues(r *core.Record) map[string]any {
	raw, _ := json.Marshal(r.FieldsData())
	out := map[string]any{}
	_ = json.Unmarshal(raw, &out)
	delete(out, "updated")
	return out
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// RelationTo is a column that names records of another collection.
type RelationTo struct {
	Collection, Field string
	// List: the column holds a JSON list of ids.
	List bool
	// Owner is the collection that a photo's record must be of for the column to mean that collection; "" for true relations.
	Owner string
}

// RelationsTo finds every column of the schema that names records of a collection, sorted: all relation fields, and the owner of a
// photo. The trail of merges itself is left out: it says who was merged.
func RelationsTo(app core.App, target string) ([]RelationTo, error) {
	collection, err := app.FindCachedCollectionByNameOrId(target)
	if err != nil {
		return nil, err
	}
	references, err := app.FindCachedCollectionReferences(collection)
	if err != nil {
		return nil, err
	}
	out := []RelationTo{{Collection: "photos", Field: "record", Owner: target}}
	for c, fields := range references {
		if c.IsView() || c.Name == "enterprise_merges" {
			continue
		}
		for _, f := range fields {
			out = append(out, RelationTo{Collection: c.Name, Field: f.GetName(), List: f.(*core.RelationField).IsMultiple()})
		}
	}
	slices.SortFunc(out, func(a, b RelationTo) int { return strings.Compare(a.Collection+" "+a.Field, b.Collection+" "+b.Field) })
	return out, nil
}

// move lets every record that names the merged enterprise name the kept one, by statements: there may be thousands, and the
// triggers of the change feed tell of each.
func (to RelationTo) move(tx core.App, kept, merged string, trail *mergeTrail) error {
	if !to.List {
		where := `[[` + to.Field + `]] = {:merged}`
		if to.Owner != "" {
			where += ` AND collection = {:owner}`
		}
		var ids []string
		if err := tx.DB().NewQuery(`SELECT id FROM {{` + to.Collection + `}} WHERE ` + where + ` ORDER BY id`).
			Bind(dbx.Params{"merged": merged, "owner": to.Owner}).Column(&ids); err != nil {
			return err
		}
		return to.set(tx, ids, merged, kept, trail)
	}
	var rows []struct{ ID, Present string }
	if err := tx.DB().NewQuery(`SELECT id, [[` + to.Field + `]] AS present FROM {{` + to.Collection + `}}
		WHERE EXISTS (SELECT 1 FROM json_each([[` + to.Field + `]]) WHERE value = {:merged}) ORDER BY id`).
		Bind(dbx.Params{"merged": merged}).All(&rows); err != nil {
		return err
	}
	for _, row := range rows {
		var ids, named []string
		if err := json.Unmarshal([]byte(row.Present), &ids); err != nil {
			return err
		}
		for _, id := range ids {
			if id == merged {
				id = kept
			}
			if !slices.Contains(named, id) {
				named = append(named, id)
			}
		}
		after, err := json.Marshal(named)
		if err != nil {
			return err
		}
		if err := to.set(tx, []string{row.ID}, row.Present, string(after), trail); err != nil {
			return err
		}
	}
	return nil
}

// set changes the column where it still has the value before, with what children copy from their enterprise, and notes it. trail
// nil: a merge is undone.
func (to RelationTo) set(tx core.App, ids []string, before, after string, trail *mergeTrail) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	sets := []string{`[[` + to.Field + `]] = {:after}`}
	for _, f := range Followers {
		if f.Parent != "enterprises" || f.Child != to.Collection || f.Key != to.Field {
			continue
		}
		for child, parent := range f.Set {
			sets = append(sets, `[[`+child+`]] = (SELECT [[`+parent+`]] FROM enterprises WHERE id = {:after})`)
		}
	}
	sort.Strings(sets)
	const among = ` WHERE id IN (SELECT value FROM json_each({:ids})) AND `
	bind := dbx.Params{"before": before, "after": after, "ids": string(list)}
	// OR IGNORE: where both enterprises have what there may be only once, the merged one's stays with it.
	if _, err := tx.DB().NewQuery(`UPDATE OR IGNORE {{` + to.Collection + `}} SET ` + strings.Join(sets, ", ") + among + `[[` + to.Field + `]] = {:before}`).Bind(bind).Execute(); err != nil || trail == nil {
		return err
	}
	var left []string
	if err := tx.DB().NewQuery(`SELECT id FROM {{` + to.Collection + `}}` + among + `[[` + to.Field + `]] = {:before} ORDER BY id`).Bind(bind).Column(&left); err != nil {
		return err
	}
	moved := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(left, id) })
	if len(moved) > 0 {
		trail.Changes = append(trail.Changes, mergeStep{to.Collection, to.Field, moved, before, after})
	}
	if len(left) > 0 {
		trail.Left = append(trail.Left, mergeStep{Collection: to.Collection, Field: to.Field, Records: left, Before: before})
	}
	return nil
}

// undoMerge puts back what still is as the merge left it. What came since for the kept enterprise stays with it.
func undoMerge(ctx context.Context, tx core.App, r *core.Record) error {
	kept, err := tx.FindRecordById("enterprises", r.GetString("kept"))
	if err != nil {
		return err
	}
	if kept.GetString("merged_into") != "" {
		return Violation("status", "merge_undo_first")
	}
	raw, _ := r.Get("trail").(types.JSONRaw)
	var trail mergeTrail
	if err := json.Unmarshal(raw, &trail); err != nil {
		return err
	}
	// First the enterprises: their children copy from them.
	for _, id := range []string{r.GetString("merged"), r.GetString("kept")} {
		e, err := tx.FindRecordById("enterprises", id)
		if err != nil {
			return err
		}
		present := enterpriseValues(e)
		for _, step := range trail.Changes {
			if step.ofPair(r) && step.Records[0] == id && reflect.DeepEqual(present[step.Field], step.After) {
				e.Set(step.Field, step.Before)
			}
		}
		if err := tx.SaveWithContext(context.WithValue(ctx, mergingKey{}, true), e); err != nil {
			return err
		}
	}
	for _, step := range slices.Backward(trail.Changes) {
		if step.ofPair(r) {
			continue
		}
		before, _ := step.Before.(string)
		after, _ := step.After.(string)
		// The field may be gone since, with its collection.
		c, err := tx.FindCachedCollectionByNameOrId(step.Collection)
		if err != nil || c.Fields.GetByName(step.Field) == nil {
			continue
		}
		if err := (RelationTo{Collection: step.Collection, Field: step.Field}).set(tx, step.Records, after, before, nil); err != nil {
			return err
		}
	}
	_, err = tx.DB().NewQuery(`DELETE FROM sync_merged WHERE collection = 'enterprises' AND record = {:merged}`).Bind(dbx.Params{"merged": r.GetString("merged")}).Execute()
	return err
}

// ofPair tells a change of the two enterprises themselves from one of what names them.
func (s mergeStep) ofPair(r *core.Record) bool {
	return s.Collection == "enterprises" && len(s.Records) == 1 && (s.Records[0] == r.GetString("kept") || s.Records[0] == r.GetString("merged"))
}
