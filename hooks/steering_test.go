package hooks

import (
	"encoding/json"
	"math"
	"testing"
)

func TestATaskIsDoneOnADayAndWholly(t *testing.T) {
	o := openOffice(t)
	o.tryAll("tasks", row{"title": "建成五家港湾", "clause": "三（一）", "status": "running", "progress": 60}, []attempt{
		{"under way", o.official, nil, "", ""},
		{"done without a day", o.official, row{"status": "done"}, "done_on", "required"},
		{"done tomorrow", nil, row{"status": "done", "done_on": day("2026-11-21")}, "done_on", "date_in_future"},
		{"all of it, and not done", o.official, row{"progress": 100}, "status", "task_all_done"},
	})
	r := o.made(o.official, "tasks", row{"title": "建成五家港湾", "status": "done", "progress": 60, "done_on": day("2026-11-20")})
	if r.GetInt("progress") != 100 {
		t.Error("what is done is done wholly:", r.GetInt("progress"))
	}
	r = o.changed(o.official, r, row{"status": "running"})
	if !r.GetDateTime("done_on").IsZero() || r.GetInt("progress") != 99 {
		t.Error("opened again it is not done:", r.PublicExport())
	}
}

func TestARelendingBaseIsABanksAndClosesAfterItOpened(t *testing.T) {
	o := openOffice(t)
	o.tryAll("relending_bases", row{"bank": o.bank.Id, "name": "经开区再贷款示范基地", "opened_on": day("2026-03-01")}, []attempt{
		{"open", o.official, nil, "", ""},
		{"closed the same day", o.official, row{"closed_on": day("2026-03-01")}, "", ""},
		{"closed before", nil, row{"closed_on": day("2026-02-28")}, "closed_on", "ends_before_start"},
		{"opened tomorrow", nil, row{"opened_on": day("2026-11-21")}, "opened_on", "date_in_future"},
		{"of a guarantor", o.official, row{"bank": o.guarantor.Id}, "bank", "base_no_bank"},
	})
}

func TestACaseOfDirectFinancingOnlyMovesOn(t *testing.T) {
	o := openOffice(t)
	twin := row{"name": "三峡精密", "kind": "company"}
	one := o.save("enterprises", twin)
	base := row{"enterprise_name": "三峡精密", "kind": "listing", "stage": "nurture", "started_on": day("2026-03-01")}
	o.tryAll("equity_cases", base, []attempt{
		{"begun", o.official, nil, "", ""},
		{"begun tomorrow", o.official, row{"started_on": day("2026-11-21")}, "started_on", "date_in_future"},
		{"in a stage before it began", nil, row{"stage_on": day("2026-02-28")}, "stage_on", "time_before_previous"},
		{"found late, in the middle", o.official, row{"stage": "filing", "stage_on": day("2026-10-01")}, "", ""},
	})
	r := o.made(o.official, "equity_cases", base)
	if r.GetString("enterprise") != one.Id || r.GetString("stage_on") != day("2026-03-01") {
		t.Error("the only enterprise of the name, in its stage since it began:", r.PublicExport())
	}
	r = o.changed(o.official, r, row{"stage": "tutoring", "stage_on": day("2026-06-01")})
	o.refused(o.change(o.official, r, row{"stage": "nurture"}), "stage", "stage_not_allowed")
	o.refused(o.change(o.official, r, row{"stage": "filing", "stage_on": day("2026-05-31")}), "stage_on", "time_before_previous")
	r = o.changed(o.official, r, row{"stage": "filing"})
	if Day(r.GetDateTime("stage_on").Time()) != "2026-11-20" {
		t.Error("a stage without a day began today, not with the one before:", r.GetString("stage_on"))
	}
	r = o.changed(o.official, r, row{"stage": "ended"})
	o.refused(o.change(o.official, r, row{"stage": "listed"}), "stage", "stage_not_allowed")
	o.changed(nil, r, row{"stage": "filing", "stage_on": day("2026-09-01")}) // the console mends what was a slip

	o.save("enterprises", twin)
	if r := o.made(o.official, "equity_cases", base); r.GetString("enterprise") != "" {
		t.Error("of two with one name a person chooses")
	} else if r = o.changed(nil, r, row{"enterprise": one.Id}); o.changed(o.official, r, row{"note": "已核对"}).GetString("enterprise") != one.Id {
		t.Error("what a person chose stays")
	}
	if !o.sees(o.official, r) || o.sees(o.head, r) {
		t.Error("only those who steer see it")
	}
}

func TestPublicityIsOutAndItsLinkOpens(t *testing.T) {
	o := openOffice(t)
	o.tryAll("publicity", row{"title": "首贷故事", "kind": "case", "published_on": day("2026-11-20"), "link": "https://example.invalid/a"}, []attempt{
		{"today", o.staff, nil, "", ""},
		{"tomorrow", o.staff, row{"published_on": day("2026-11-21")}, "published_on", "date_in_future"},
		{"a link that is a sentence", o.staff, row{"link": "见万州时报"}, "link", "bad_link"},
		{"a link that runs something", nil, row{"link": "javascript:alert(1)"}, "link", "bad_link"},
		{"no link", o.staff, row{"link": ""}, "", ""},
	})
}

func TestATargetIsBetterThanItsFloor(t *testing.T) {
	o := openOffice(t)
	o.tryAll("indicator_targets", row{"indicator": "COV-01", "period": "2026Q4", "floor": 40, "target": 90}, []attempt{
		{"upwards", nil, nil, "", ""},
		{"downwards where more is better", nil, row{"floor": 95}, "target", "target_below_floor"},
		{"downwards where less is better", nil, row{"indicator": "DQ-07", "floor": 10, "target": 2}, "", ""},
		{"upwards where less is better", nil, row{"indicator": "CNV-12", "floor": 2, "target": 10}, "target", "target_below_floor"},
		{"less is better, from no floor", nil, row{"indicator": "CNV-12", "floor": 0, "target": 10}, "", ""},
	})
}

func TestTheDefaultSchemeIsTheNoticesAndAddsUp(t *testing.T) {
	o := openOffice(t)
	scheme, err := o.app.FindRecordById("assessment_schemes", "scheme000000001")
	if err != nil {
		t.Fatal(err)
	}
	items, err := SchemeItems(scheme)
	if err != nil {
		t.Fatal(err)
	}
	by, axes := map[string]float64{}, map[string]float64{}
	for _, x := range items {
		by[x.By] += x.Weight
		axes[x.Axis] += x.Weight
	}
	if len(items) != 19 || by["S"] != 60 || by["I"] != 25 || by["R"] != 15 {
		t.Error("系统检测 60, 定期巡查 25, 听取报告 15:", by)
	}
	if axes["服务企业"] != 52 || axes["宣传金融政策"] != 18 || axes["防范打击非法金融"] != 14 || axes["标准化与首问"] != 16 {
		t.Error(axes)
	}
	o.changed(nil, scheme, row{"name": "万州区港湾考核"}) // our own scheme passes our own rules
	staff, err := o.app.FindRecordById("assessment_schemes", "scheme000000002")
	if err != nil {
		t.Fatal(err)
	}
	o.changed(nil, staff, row{"name": "内部考核"})
}

func TestASchemeHasItsShapeAndOneIsInForceAtATime(t *testing.T) {
	o := openOffice(t)
	item := func(more row) row {
		return with(row{"axis": "服务企业", "code": "a", "name": "走访", "indicators": []string{"COV-01"}, "weight": 60, "by": "S", "floor": 40, "target": 90}, more)
	}
	rest := row{"axis": "服务企业", "code": "b", "name": "案例", "weight": 40, "by": "R"}
	items := func(more row) row { return row{"items": []row{item(more), rest}} }
	base := with(items(nil), row{"name": "2027方案", "applies_to": "harbour", "from": day("2027-01-01")})
	old, _ := o.app.FindRecordById("assessment_schemes", "scheme000000001")
	_, err := o.as(nil, "assessment_schemes", base)
	o.refused(err, "from", "scheme_in_force")
	o.changed(nil, old, row{"until": day("2027-01-01")})
	o.tryAll("assessment_schemes", base, []attempt{
		{"whole", nil, nil, "", ""},
		{"no items", nil, row{"items": ""}, "items", "scheme_unreadable"},
		{"weights that do not add up", nil, items(row{"weight": 61}), "items", "scheme_weights"},
		{"one code twice", nil, items(row{"code": "b"}), "items", "scheme_item_twice"},
		{"by nobody", nil, items(row{"by": "X"}), "items", "scheme_by_unknown"},
		{"without a name", nil, items(row{"name": ""}), "items", "scheme_item_incomplete"},
		{"an indicator that is none", nil, items(row{"indicators": []string{"走访"}}), "items", "scheme_indicator_unknown"},
		{"measured by nothing", nil, items(row{"indicators": nil}), "items", "scheme_item_unmeasured"},
		{"measured to nowhere", nil, items(row{"target": nil}), "items", "scheme_item_unmeasured"},
		{"downwards where more is better", nil, items(row{"target": 30}), "items", "target_below_floor"},
		{"downwards where less is better", nil, items(row{"indicators": []string{"CNV-12"}, "floor": 20, "target": 0}), "", ""},
		{"a deduction of nothing", nil, row{"deductions": []row{{"code": "x", "name": "迟报"}}}, "deductions", "scheme_item_incomplete"},
		{"a veto without an effect", nil, row{"vetoes": []row{{"code": "x", "name": "造假"}}}, "vetoes", "scheme_item_incomplete"},
		{"grades upside down", nil, row{"grades": []row{{"name": "合格", "from": 60}, {"name": "优秀", "from": 90}}}, "grades", "grades_not_falling"},
		{"over before it began", nil, row{"until": day("2026-12-31")}, "until", "ends_before_start"},
		{"the year before", nil, row{"from": day("2026-06-01")}, "from", "scheme_in_force"},
		{"the host banks' own is another matter", nil, row{"applies_to": "staff", "from": day("2020-01-01"), "until": day("2021-01-01")}, "", ""},
	})
	o.made(o.official, "reviews", o.report(nil))
	changed, err := SchemeItems(old)
	if err != nil {
		t.Fatal(err)
	}
	changed[0].Weight, changed[1].Weight = math.Round(changed[0].Weight+1), changed[1].Weight-1
	raw, _ := json.Marshal(changed)
	o.refused(o.change(nil, old, row{"items": string(raw)}), "items", "scheme_in_use")
}
