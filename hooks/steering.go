package hooks

import (
	"encoding/json"
	"math"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// BindSteering runs the rules of what steers the action: 任务分解 (§四(一)), 再贷款示范基地 (§三(三)四), 直接融资 (§三(三)二),
// 舆论宣传 (§四(三)), targets, and the scheme of the assessment (§四(二)).
func BindSteering(app core.App, now Clock) {
	onSave(app, "tasks", now, checkTask)
	onSave(app, "relending_bases", now, checkBase)
	onSave(app, "equity_cases", now, checkEquity)
	onSave(app, "publicity", now, checkPublicity)
	onSave(app, "indicator_targets", now, checkTarget)
	onSave(app, "assessment_schemes", now, checkScheme)
}

// checkTask: a task that is done is done on a day, and wholly; one that is opened again is not.
func checkTask(_ core.App, r, _ *core.Record, now time.Time) error {
	if r.GetString("status") == "done" {
		if r.GetDateTime("done_on").IsZero() {
			return Violation("done_on", "required")
		}
		r.Set("progress", 100)
		return notInFuture(r, now, "done_on")
	}
	r.Set("done_on", "")
	if r.GetInt("progress") < 100 {
		return nil
	}
	if r.Original().GetString("status") == "done" {
		r.Set("progress", 99)
		return nil
	}
	return Violation("status", "task_all_done")
}

func checkBase(app core.App, r, _ *core.Record, now time.Time) error {
	if changed(r, "bank") {
		bank, err := app.FindRecordById("banks", r.GetString("bank"))
		if err != nil {
			return Violation("bank", "unknown_reference")
		}
		if bank.GetString("kind") != "bank" {
			return Violation("bank", "base_no_bank")
		}
	}
	if err := notInFuture(r, now, "opened_on", "closed_on"); err != nil {
		return err
	}
	return inOrder(r, "ends_before_start", "opened_on", "closed_on")
}

// 培育 → 辅导 → 申报 → 上市或投资到位; a case may enter late or skip a step, and end at any but the last.
var equityStages = []string{"nurture", "tutoring", "filing", "listed"}

func checkEquity(app core.App, r, actor *core.Record, now time.Time) error {
	before, after := r.Original().GetString("stage"), r.GetString("stage")
	if !r.IsNew() && before != after {
		over := before == "ended" || before == "listed"
		back := after != "ended" && slices.Index(equityStages, after) < slices.Index(equityStages, before)
		if actor != nil && (over || back) {
			return Violation("stage", "stage_not_allowed")
		}
		// The day of the stage before says nothing of this one.
		if !changed(r, "stage_on") {
			r.Set("stage_on", Stored(now))
		} else if actor != nil && Day(r.GetDateTime("stage_on").Time()) < Day(r.Original().GetDateTime("stage_on").Time()) {
			return Violation("stage_on", "time_before_previous")
		}
	}
	defaultTo(r, "stage_on", r.GetString("started_on"))
	if err := notInFuture(r, now, "started_on", "stage_on"); err != nil {
		return err
	}
	if err := inOrder(r, "time_before_previous", "started_on", "stage_on"); err != nil {
		return err
	}
	if r.GetString("enterprise") != "" && !changed(r, "enterprise_name") || r.GetString("enterprise") != "" && changed(r, "enterprise") {
		return nil
	}
	var ids []string
	if err := app.DB().Select("id").From("enterprises").Where(dbx.HashExp{"name": r.GetString("enterprise_name")}).
		AndWhere(dbx.NewExp("name != '' AND status IN ('', 'active')")).Limit(2).Column(&ids); err != nil {
		return err
	}
	r.Set("enterprise", "")
	if len(ids) == 1 {
		r.Set("enterprise", ids[0])
	}
	return nil
}

func checkPublicity(_ core.App, r, _ *core.Record, now time.Time) error {
	if link := r.GetString("link"); link != "" {
		if u, err := url.Parse(link); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return Violation("link", "bad_link")
		}
	}
	return notInFuture(r, now, "published_on")
}

// lowerIsBetter names the indicators whose target lies below their floor: counts of what should not be, waiting, prices.
var lowerIsBetter = []string{"COV-07", "SVC-02", "ISS-03", "CNV-10", "CNV-12", "CNV-15", "FCR-03", "DQ-03", "DQ-06", "DQ-07"}

func checkTarget(_ core.App, r, _ *core.Record, _ time.Time) error {
	if !fromFloorToTarget(r.GetString("indicator"), r.GetFloat("floor"), r.GetFloat("target")) {
		return Violation("target", "target_below_floor")
	}
	return nil
}

// fromFloorToTarget tells whether a target lies on the better side of its floor; for what is better lower, 0 is no floor.
func fromFloorToTarget(indicator string, floor, target float64) bool {
	if slices.Contains(lowerIsBetter, indicator) {
		return floor == 0 || target <= floor
	}
	return floor <= target
}

// SchemeItem is one item of an assessment scheme: weight in points of 100, by S (系统检测), I (定期巡查) or R (听取报告); the score
// is weight × clamp((x − floor) / (target − floor), 0, 1), with x as the indicator shows it, or a share of full marks where the
// item has none.
type SchemeItem struct {
	Axis       string   `json:"axis"`
	Code       string   `json:"code"`
	Name       string   `json:"name"`
	Indicators []string `json:"indicators"`
	Weight     float64  `json:"weight"`
	By         string   `json:"by"`
	Floor      *float64 `json:"floor"`
	Target     *float64 `json:"target"`
	Evidence   string   `json:"evidence"`
}

// SchemeItems reads the items of an assessment scheme.
func SchemeItems(scheme *core.Record) (items []SchemeItem, err error) {
	return items, json.Unmarshal([]byte(scheme.GetString("items")), &items)
}

var indicatorCode = regexp.MustCompile(`^[A-Z]{2,4}-[0-9]{2}$`)

// checkScheme holds a scheme to its shape. One is in force at a time for each kind of assessed, and what scores refer to stays.
func checkScheme(app core.App, r, _ *core.Record, _ time.Time) error {
	if err := inOrder(r, "ends_before_start", "from", "until"); err != nil {
		return err
	}
	items, err := SchemeItems(r)
	if err != nil {
		return Violation("items", "scheme_unreadable")
	}
	if err := checkSchemeItems(items); err != nil {
		return err
	}
	if err := checkSchemeRest(r); err != nil {
		return err
	}
	if !r.IsNew() && changed(r, "items") {
		if used, err := app.CountRecords("reviews", dbx.HashExp{"scheme": r.Id}); err != nil {
			return err
		} else if used > 0 {
			return Violation("items", "scheme_in_use")
		}
	}
	others, err := overlapping(app, r, "applies_to")
	if err == nil && others > 0 {
		return Violation("from", "scheme_in_force")
	}
	return err
}

func checkSchemeItems(items []SchemeItem) error {
	seen, sum := map[string]bool{}, 0.0
	for _, x := range items {
		named := x.Name
		if named == "" {
			named = x.Code
		}
		switch {
		case x.Code == "" || x.Name == "" || x.Axis == "" || x.Weight <= 0:
			return ViolationOf("items", "scheme_item_incomplete", named)
		case seen[x.Code]:
			return ViolationOf("items", "scheme_item_twice", named)
		case !slices.Contains([]string{"S", "I", "R"}, x.By):
			return ViolationOf("items", "scheme_by_unknown", named)
		case slices.ContainsFunc(x.Indicators, func(code string) bool { return !indicatorCode.MatchString(code) }):
			return ViolationOf("items", "scheme_indicator_unknown", named)
		case x.By == "S" && (len(x.Indicators) == 0 || x.Floor == nil || x.Target == nil):
			return ViolationOf("items", "scheme_item_unmeasured", named)
		case (x.Floor == nil) != (x.Target == nil):
			return ViolationOf("items", "scheme_item_incomplete", named)
		case x.Floor != nil && (*x.Floor == *x.Target || len(x.Indicators) > 0 && !fromFloorToTarget(x.Indicators[0], *x.Floor, *x.Target)):
			return ViolationOf("items", "target_below_floor", named)
		}
		seen[x.Code] = true
		sum += x.Weight
	}
	if math.Abs(sum-100) > 1e-9 {
		return Violation("items", "scheme_weights")
	}
	return nil
}

// checkSchemeRest reads deductions, vetoes (fail: 不合格, cap: 不得评优) and grades, which go from the best down.
func checkSchemeRest(r *core.Record) error {
	for field, effects := range map[string][]string{"deductions": nil, "vetoes": {"fail", "cap"}} {
		var rows []struct {
			Code, Name, Effect string
			Points             float64
		}
		if raw := r.GetString(field); raw != "" && json.Unmarshal([]byte(raw), &rows) != nil {
			return Violation(field, "scheme_unreadable")
		}
		for _, x := range rows {
			if x.Code == "" || x.Name == "" || effects != nil && !slices.Contains(effects, x.Effect) || effects == nil && x.Points <= 0 {
				return ViolationOf(field, "scheme_item_incomplete", x.Name)
			}
		}
	}
	var grades []struct {
		Name string
		From float64
	}
	if raw := r.GetString("grades"); raw != "" && json.Unmarshal([]byte(raw), &grades) != nil {
		return Violation("grades", "scheme_unreadable")
	}
	for i, g := range grades {
		if g.Name == "" || i > 0 && g.From >= grades[i-1].From {
			return ViolationOf("grades", "grades_not_falling", g.Name)
		}
	}
	return nil
}
