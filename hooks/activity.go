package hooks

import (
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
)

// Where each kind of the 四进 takes place (§三(三)七); streets and the district are wider than all four and contradict none.
var fourEntries = map[string][]string{
	"park": {"park"}, "community": {"community", "village"}, "business_circle": {"business_circle", "market"}, "building": {"building"},
}

// BindActivity runs the rules of activities: planned with a term, held with people, cancelled with a reason. What shows that it
// took place comes after the event, so that holding it does not wait for that: ActivityEvidence keeps account of it.
func BindActivity(app core.App, now Clock) {
	onSave(app, "activities", now, prepareActivity)
}

// evidenceOf is the SQL of what shows the activity in a row.
func evidenceOf(row string) string {
	return `(SELECT json_group_array(kind) FROM (
	SELECT 'photo' AS kind WHERE EXISTS (SELECT 1 FROM photos p WHERE p.record = ` + row + `.id AND p.collection = 'activities' AND p.file != '')
	UNION ALL SELECT 'roster' WHERE ` + row + `.attendees NOT IN ('', '[]') OR ` + row + `.enterprises NOT IN ('', '[]')
	UNION ALL SELECT 'minutes' WHERE trim(` + row + `.minutes, char(9, 10, 13, 32, 12288)) != '') WHERE ` + row + `.status = 'held')`
}

// MendActivityEvidence sets right what was missed while the triggers of ActivityEvidence were not there.
var MendActivityEvidence = `UPDATE activities SET evidence = ` + evidenceOf("activities") + ` WHERE evidence IS NOT ` + evidenceOf("activities")

// ActivityEvidence are the triggers that keep activities.evidence: of a held activity, whether a picture has arrived, whether
// anybody signed in, whether there are minutes. A picture with one of the other two shows it (PUB-03, §三(三)七); roster and
// minutes a 融资对接会 (GOV-01, §三(二)一); roster or picture the 防非反诈宣传 (GOV-03, §三(三)六). Pictures come and go by push,
// upload, console and merge, most of them past the rules of activities: only the database sees them all.
var ActivityEvidence = func() []Trigger {
	wrong, own := `NEW.evidence IS NOT `+evidenceOf("NEW"), `UPDATE activities SET evidence = `+evidenceOf("NEW")+` WHERE id = NEW.id;`
	pictures := func(records string) string { return MendActivityEvidence + ` AND id IN (` + records + `);` }
	return []Trigger{
		{"activities_evidence_insert", `AFTER INSERT ON activities WHEN ` + wrong, own},
		{"activities_evidence_update", `AFTER UPDATE ON activities WHEN ` + wrong, own},
		{"photos_evidence_insert", `AFTER INSERT ON photos WHEN NEW.collection = 'activities' AND NEW.file != ''`, pictures("NEW.record")},
		{"photos_evidence_update", `AFTER UPDATE OF collection, record, file ON photos WHEN 'activities' IN (OLD.collection, NEW.collection)`, pictures("OLD.record, NEW.record")},
		{"photos_evidence_delete", `AFTER DELETE ON photos WHEN OLD.collection = 'activities'`, pictures("OLD.record")},
	}
}()

// Trigger keeps a column true whoever writes what it follows from. The change feed makes these with its own (fieldsync), in the
// same transaction as the write and with a seq like any change.
type Trigger struct{ Name, When, Do string }

func prepareActivity(app core.App, r, actor *core.Record, now time.Time) error {
	status := r.GetString("status")
	approved := r.GetBool("cancel_approved") != r.Original().GetBool("cancel_approved") || r.IsNew() && r.GetBool("cancel_approved")
	if actor != nil && approved && !hasRole(actor, "official") {
		return Violation("cancel_approved", "role_not_allowed")
	}
	if !r.IsNew() && r.Original().GetString("status") == "held" && status != "held" {
		return Violation("status", "activity_held")
	}
	if err := placeOfActivity(app, r); err != nil {
		return err
	}
	if r.GetString("kind") == "anti_fraud" && !slices.Contains(r.GetStringSlice("topics"), "anti_fraud") {
		r.Set("topics", append(r.GetStringSlice("topics"), "anti_fraud"))
	}
	if status != "cancelled" {
		r.Set("cancel_approved", false)
	}
	switch status {
	case "planned":
		if r.GetDateTime("due").IsZero() && r.GetDateTime("start").IsZero() {
			return Violation("due", "plan_date_needed")
		}
	case "held":
		return checkHeld(r, now)
	case "cancelled":
		if r.GetString("cancel_reason") == "" {
			return Violation("cancel_reason", "reason_needed")
		}
	}
	return nil
}

// checkHeld: an activity that was held began, somebody came, and it was about something.
func checkHeld(r *core.Record, now time.Time) error {
	if r.GetDateTime("start").IsZero() {
		return Violation("start", "required")
	}
	if err := notYet(r, now, "start"); err != nil {
		return err
	}
	signed := len(r.GetStringSlice("attendees")) + len(r.GetStringSlice("enterprises"))
	switch {
	case r.GetInt("headcount") < signed:
		return Violation("headcount", "headcount_below_roster")
	case r.GetInt("headcount") == 0:
		return Violation("headcount", "required")
	}
	_, fourEntry := fourEntries[r.GetString("kind")]
	if (fourEntry || slices.Contains([]string{"salon", "training"}, r.GetString("kind"))) && len(r.GetStringSlice("topics")) == 0 {
		return Violation("topics", "topics_needed")
	}
	return nil
}

// placeOfActivity refuses a 进园区 that takes place in a 商圈, and the like.
func placeOfActivity(app core.App, r *core.Record) error {
	kind, id := r.GetString("kind"), r.GetString("area")
	if id == "" || fourEntries[kind] == nil || !changed(r, "area") && !changed(r, "kind") {
		return nil
	}
	area, err := app.FindRecordById("areas", id)
	if err != nil {
		return Violation("area", "unknown_reference")
	}
	for entry, kinds := range fourEntries {
		if entry != kind && slices.Contains(kinds, area.GetString("kind")) {
			return Violation("area", "area_of_other_kind")
		}
	}
	return nil
}
