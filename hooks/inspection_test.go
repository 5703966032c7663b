package hooks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// sheet is a whole sheet of results, everything passed but what is said otherwise ("" leaves the item out).
func (o *office) sheet(when string, but map[string]string) string {
	o.Helper()
	t, err := ParseTime(when)
	if err != nil {
		o.Fatal(err)
	}
	items, err := standardAt(o.app, t)
	if err != nil {
		o.Fatal(err)
	}
	var out []InspectionResult
	for _, item := range items {
		result, said := but[item.Code]
		if !said {
			result = "pass"
		}
		if result == "" {
			continue
		}
		x := InspectionResult{Item: item.Code, Result: result}
		if result == "fail" {
			x.Remark = "没有" + item.Name
		}
		out = append(out, x)
	}
	raw, _ := json.Marshal(out)
	return string(raw)
}

func (o *office) patrol(but map[string]string) row {
	return row{"harbour": o.harbour.Id, "kind": "patrol", "status": "done", "at": at("2026-11-20 09:00"), "items": o.sheet(at("2026-11-20 09:00"), but)}
}

func (o *office) mending(inspection *core.Record) []*core.Record {
	o.Helper()
	rows, err := o.app.FindAllRecords("rectifications", dbx.HashExp{"inspection": inspection.Id})
	if err != nil {
		o.Fatal(err)
	}
	slices.SortFunc(rows, func(a, b *core.Record) int { return strings.Compare(a.GetString("item"), b.GetString("item")) })
	return rows
}

func TestAnInspectionIsHeldToTheStandardOfItsDay(t *testing.T) {
	o := openOffice(t)
	when := at("2026-11-20 09:00")
	sheet := func(but map[string]string) row { return row{"items": o.sheet(when, but)} }
	whole := o.sheet(when, nil)
	o.tryAll("inspections", o.patrol(nil), []attempt{
		{"the central bank patrols", o.official, nil, "", ""},
		{"the street patrols", o.streetOfficial, nil, "", ""},
		{"the console takes over what was on paper", nil, nil, "", ""},
		{"a harbour cannot patrol itself", o.head, nil, "kind", "role_not_allowed"},
		{"a harbour examines itself", o.staff, row{"kind": "self"}, "", ""},
		{"nobody examines himself for the harbour", o.official, row{"kind": "self"}, "kind", "role_not_allowed"},
		{"a plan needs a term", o.official, row{"status": "planned"}, "due", "required"},
		{"done is done at a time", o.official, row{"at": ""}, "at", "required"},
		{"not in the future", nil, row{"at": at("2026-11-20 10:06")}, "at", "time_in_future"},
		{"a clock that runs a little ahead is forgiven", o.official, row{"at": at("2026-11-20 10:04")}, "", ""},
		{"an item left out", o.official, sheet(map[string]string{"low_counter": ""}), "items", "item_result_needed"},
		{"an item without a result", nil, row{"items": strings.Replace(whole, `"pass"`, `"good"`, 1)}, "items", "item_result_needed"},
		{"an item twice", nil, row{"items": strings.Replace(whole, `"officer"`, `"sign"`, 1)}, "items", "item_twice"},
		{"an item nobody knows", nil, row{"items": strings.Replace(whole, `"officer"`, `"coffee"`, 1)}, "items", "item_not_in_force"},
		{"no sheet at all", nil, row{"items": `{"sign":"pass"}`}, "items", "items_unreadable"},
		{"what always applies cannot be left aside", o.official, sheet(map[string]string{"sign": "not_applicable"}), "items", "item_always_applies"},
		{"what is there where possible can", o.official, sheet(map[string]string{"sign_language": "not_applicable"}), "", ""},
		{"a failure is described", nil, row{"items": strings.Replace(whole, `"pass"`, `"fail"`, 1)}, "items", "item_remark_needed"},
	})
	_, err := o.as(o.official, "inspections", with(o.patrol(nil), sheet(map[string]string{"low_counter": ""})))
	if told, _ := FieldErrorsOf(err); told["items"].Message != "请逐项填写合格、不合格或不适用：低柜柜台" {
		t.Error("the refusal names the item:", told["items"].Message)
	}
}

func TestTheServerWorksOutTheScoreWhateverAPhoneSays(t *testing.T) {
	o := openOffice(t)
	// Points in all 100; two not applicable of 2 points each leave 96; failed 5 (sign) + 4 (low_counter) leave 87 of 96.
	r := o.made(o.official, "inspections", with(o.patrol(map[string]string{"credit_report_kiosk": "not_applicable", "sign_language": "not_applicable",
		"sign": "fail", "low_counter": "fail"}), row{"score": 100, "twelve_ones": 12}))
	points := 0
	items, _ := standardAt(o.app, o.now)
	for _, i := range items {
		points += i.Points
	}
	want := float64(int(float64(points-4-9)*1000/float64(points-4)+0.5)) / 10
	if r.GetFloat("score") != want || r.GetInt("twelve_ones") != 11 || len(items) != 24 {
		t.Errorf("score %v (wanted %v of %d points), twelve ones %d", r.GetFloat("score"), want, points, r.GetInt("twelve_ones"))
	}
	if r.GetString("number") != "JC202611-00001" || r.GetString("inspector") != o.official.Id {
		t.Error(r.GetString("number"), r.GetString("inspector"))
	}
	if second := o.made(o.official, "inspections", o.patrol(nil)); second.GetString("number") != "JC202611-00002" || second.GetFloat("score") != 100 {
		t.Error(second.GetString("number"), second.GetFloat("score"))
	}
	plan := o.made(o.official, "inspections", row{"harbour": o.harbour.Id, "kind": "joint", "status": "planned", "due": day("2026-12-01"), "score": 88})
	if plan.GetFloat("score") != 0 {
		t.Error("a plan has no score:", plan.GetFloat("score"))
	}
}

func TestARevisedStandardBindsInspectionsFromItsDayOn(t *testing.T) {
	o := openOffice(t)
	old, err := o.app.FindFirstRecordByFilter("inspection_items", `code = "sign"`)
	if err != nil {
		t.Fatal(err)
	}
	o.refused(o.change(nil, old, row{"until": day("2021-10-01")}), "until", "ends_before_start")
	o.changed(nil, old, row{"until": day("2026-11-20")})
	o.save("inspection_items", row{"code": "sign", "name": "新标识牌", "category": "twelve_ones", "points": 15, "from": day("2026-11-20")})
	o.save("inspection_items", row{"code": "wifi", "name": "无线网络", "category": "space", "points": 1, "from": day("2026-11-20")})
	before := o.sheet(at("2026-11-19 16:00"), nil)
	o.made(o.official, "inspections", with(o.patrol(nil), row{"at": at("2026-11-19 16:00"), "items": before}))
	_, err = o.as(o.official, "inspections", with(o.patrol(nil), row{"items": before}))
	o.refused(err, "items", "item_result_needed")
	// A phone that had the old sheet only is told which item is missing; with the new one the points are the new ones.
	r := o.made(o.official, "inspections", o.patrol(map[string]string{"sign": "fail"}))
	if points := 0; true {
		items, _ := standardAt(o.app, o.now)
		for _, i := range items {
			points += i.Points
		}
		if want := float64(int(float64(points-15)*1000/float64(points)+0.5)) / 10; r.GetFloat("score") != want {
			t.Error(r.GetFloat("score"), want)
		}
	}
}

func TestADoneInspectionStands(t *testing.T) {
	o := openOffice(t)
	r := o.made(o.official, "inspections", o.patrol(map[string]string{"sign": "fail"}))
	o.refused(o.change(o.official, r, row{"items": o.sheet(at("2026-11-20 09:00"), nil)}), "items", "inspection_done")
	o.refused(o.change(o.official, r, row{"at": at("2026-11-19 09:00")}), "at", "inspection_done")
	o.refused(o.change(o.official, r, row{"status": "planned", "due": day("2026-12-01")}), "status", "inspection_done")
	o.refused(o.change(nil, r, row{"status": "planned", "due": day("2026-12-01")}), "status", "inspection_done")
	o.refused(o.change(o.head, r, row{"note": "我们不同意"}), "kind", "role_not_allowed")
	o.changed(o.official, r, row{"note": "已与港湾核对", "photo_count": 3})
	corrected := o.changed(nil, r, row{"items": o.sheet(at("2026-11-20 09:00"), nil)})
	if corrected.GetFloat("score") != 100 || corrected.GetInt("twelve_ones") != 12 {
		t.Error("a correction at the console counts anew:", corrected.GetFloat("score"), corrected.GetInt("twelve_ones"))
	}
}

func TestWhatAPatrolFindsWantingIsDemandedOnceAndASelfExaminationDemandsNothing(t *testing.T) {
	o := openOffice(t)
	fails := map[string]string{"sign": "fail", "low_counter": "fail"}
	if own := o.made(o.staff, "inspections", with(o.patrol(fails), row{"kind": "self"})); len(o.mending(own)) != 0 {
		t.Error("a self-examination demands nothing")
	}
	r := o.made(o.official, "inspections", o.patrol(fails))
	rows := o.mending(r)
	if len(rows) != 2 {
		t.Fatalf("%d rectifications", len(rows))
	}
	first := rows[0]
	if first.GetString("item") != "low_counter" || first.GetString("harbour") != o.harbour.Id || first.GetString("recheck_result") != "pending" ||
		first.GetString("scope_harbour") != o.harbour.Id || first.GetString("scope_street") != o.street.Id ||
		first.GetString("demand") != "设置低柜柜台，轮椅客户不起身即能办理（检查发现：没有低柜柜台）" {
		t.Error(first.PublicExport())
	}
	// 15 working days after Friday, 20 November: Friday, 11 December.
	if got := Day(first.GetDateTime("due").Time()); got != "2026-12-11" {
		t.Error("due", got)
	}
	o.save("parameters", row{"code": "sla.rectification_days", "value": "5", "from": day("2026-11-01")})
	o.save("holidays", row{"day": "2026-11-23", "kind": "holiday", "name": "（测试）"})
	if rows := o.mending(o.made(o.official, "inspections", with(o.patrol(fails), row{"kind": "joint"}))); Day(rows[0].GetDateTime("due").Time()) != "2026-11-30" {
		t.Error("by the parameter, without the holiday:", rows[0].GetString("due"))
	}
	// A correction takes back what nobody has worked on, keeps what has been, and adds what was overlooked.
	o.changed(o.head, rows[1], row{"done_on": day("2026-11-20")})
	o.changed(nil, r, row{"items": o.sheet(at("2026-11-20 09:00"), map[string]string{"led_screen": "fail"})})
	var left []string
	for _, d := range o.mending(r) {
		left = append(left, d.GetString("item"))
	}
	if strings.Join(left, " ") != "led_screen sign" {
		t.Error(left)
	}
}

func TestAHarbourMendsAndThoseWhoSteerRecheck(t *testing.T) {
	o := openOffice(t)
	inspection := o.made(o.official, "inspections", o.patrol(map[string]string{"sign": "fail"}))
	r := o.mending(inspection)[0]
	o.now = o.now.AddDate(0, 0, 3) // Monday
	o.refused(o.change(o.official, r, row{"recheck_result": "passed"}), "recheck_result", "not_done_yet")
	o.refused(o.change(o.head, r, row{"done_on": day("2026-11-19")}), "done_on", "done_before_found")
	o.refused(o.change(o.head, r, row{"done_on": day("2026-11-24")}), "done_on", "date_in_future")
	o.refused(o.change(o.official, r, row{"done_on": day("2026-11-23")}), "done_on", "role_not_allowed")
	o.refused(o.change(o.worker, r, row{"done_on": day("2026-11-23")}), "done_on", "role_not_allowed")
	o.changed(o.staff, r, row{"done_on": day("2026-11-23"), "done_note": "已挂牌"})
	o.refused(o.change(o.head, r, row{"recheck_result": "passed"}), "recheck_result", "role_not_allowed")
	o.refused(o.change(o.head, r, row{"due": day("2027-12-01")}), "recheck_result", "role_not_allowed")
	o.refused(o.change(o.official, r, row{"recheck_result": "passed", "rechecked_on": day("2026-11-22")}), "rechecked_on", "time_before_previous")

	failed := o.changed(o.streetOfficial, r, row{"recheck_result": "failed", "recheck_note": "样式不对"})
	if !failed.GetDateTime("done_on").IsZero() || failed.GetString("rechecked_by") != o.streetOfficial.Id || Day(failed.GetDateTime("rechecked_on").Time()) != "2026-11-23" {
		t.Error("what fails is open again, and who said so is noted:", failed.PublicExport())
	}
	again := o.changed(o.head, r, row{"done_on": day("2026-11-23")})
	if again.GetString("recheck_result") != "pending" || again.GetString("rechecked_by") != "" {
		t.Error("done anew it waits for a recheck anew:", again.PublicExport())
	}
	o.now = o.now.AddDate(0, 0, 1)
	passed := o.changed(o.official, r, row{"recheck_result": "passed"})
	if passed.GetString("rechecked_by") != o.official.Id || passed.GetDateTime("done_on").IsZero() {
		t.Error(passed.PublicExport())
	}
	o.refused(o.change(o.head, r, row{"done_on": day("2026-11-24")}), "done_on", "recheck_passed")
	if !o.sees(o.streetOfficial, r) || o.sees(o.user("street_official", "别的街道", row{"street": o.farStreet.Id}), r) || o.sees(o.farHead, r) {
		t.Error("a street rechecks what stands in the street; another harbour never sees it")
	}
	_, err := o.as(o.official, "rectifications", row{"harbour": o.far.Id, "inspection": inspection.Id, "demand": "换牌", "due": day("2026-12-01")})
	o.refused(err, "harbour", "harbour_of_other_inspection")
	_, err = o.as(o.head, "rectifications", row{"harbour": o.harbour.Id, "demand": "自己要求", "due": day("2026-12-01")})
	o.refused(err, "recheck_result", "role_not_allowed")
}

func TestARectificationFromTheSameInspectionBearsTheSameId(t *testing.T) {
	o := openOffice(t)
	r := o.made(o.official, "inspections", with(o.patrol(map[string]string{"sign": "fail"}), row{"id": "inspection00001"}))
	if id := o.mending(r)[0].Id; id != derivedID("inspection00001", "sign") || len(id) != 15 {
		t.Error(id)
	}
	if derivedID("a", "bc") == derivedID("ab", "c") {
		t.Error("what it follows from is kept apart")
	}
	if due := o.mending(r)[0].GetDateTime("due").Time(); due.Before(o.now.Add(20 * 24 * time.Hour)) {
		t.Error(due)
	}
}
