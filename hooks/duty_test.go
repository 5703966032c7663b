package hooks

import (
	"testing"
	"time"
)

func (o *office) slot(more row) row {
	return with(row{"harbour": o.harbour.Id, "user": o.staff.Id, "day": day("2026-11-20"), "half": "am"}, more)
}

func TestTheHeadPlansWhoIsOnDuty(t *testing.T) {
	o := openOffice(t)
	o.tryAll("duty_rosters", o.slot(nil), []attempt{
		{"the head plans", o.head, nil, "", ""},
		{"the console and imports plan", nil, nil, "", ""},
		{"a colleague does not", o.staff, nil, "harbour", "role_not_allowed"},
		{"nor the head of another harbour", o.farHead, nil, "harbour", "role_not_allowed"},
		{"nor an official", o.official, nil, "harbour", "role_not_allowed"},
		{"nobody of another harbour stands here", o.head, row{"user": o.farHead.Id}, "user", "not_of_harbour"},
		{"not even by import", nil, row{"user": o.farHead.Id}, "user", "not_of_harbour"},
		{"a volunteer without an account has a name", o.head, row{"user": "", "staff_name": "志愿者小赵"}, "", ""},
		{"nobody is nobody", o.head, row{"user": ""}, "staff_name", "duty_person_needed"},
		{"an account that is not there", nil, row{"user": "nobody000000000"}, "user", "unknown_reference"},
	})
	slot := o.made(o.head, "duty_rosters", o.slot(row{"day": at("2026-11-20 08:30"), "staff_name": "别名"}))
	if slot.GetString("staff_name") != "小李" || slot.GetString("day") != day("2026-11-20") || slot.GetString("spot_check") != "none" {
		t.Error("the name is the account's, the day begins at midnight in Shanghai:", slot.PublicExport())
	}
	o.tryAll("duty_rosters", o.slot(nil), []attempt{
		{"nobody stands twice in one half-day, however the day is written", o.head, row{"day": at("2026-11-20 11:00")}, "user", "slot_taken"},
		{"the afternoon is another half", o.head, row{"half": "pm"}, "", ""},
		{"two people may stand together", o.head, row{"user": o.head.Id}, "", ""},
	})
	o.made(o.head, "duty_rosters", o.slot(row{"user": "", "staff_name": "小赵"}))
	_, err := o.as(o.head, "duty_rosters", o.slot(row{"user": "", "staff_name": "小赵"}))
	o.refused(err, "staff_name", "slot_taken")
}

func TestOnlyWhoIsOnDutyChecksInAndOnlyInTheHours(t *testing.T) {
	o := openOffice(t)
	slot := o.made(o.head, "duty_rosters", o.slot(nil))
	o.refused(o.change(o.head, slot, row{"checked_in_at": at("2026-11-20 09:00")}), "checked_in_at", "not_self")
	o.refused(o.change(o.staff, slot, row{"checked_in_at": at("2026-11-19 23:59")}), "checked_in_at", "outside_duty_hours")
	o.refused(o.change(nil, slot, row{"checked_in_at": at("2026-11-19 09:00")}), "checked_in_at", "outside_duty_hours")
	o.refused(o.change(nil, slot, row{"checked_in_at": at("2026-11-20 12:00")}), "checked_in_at", "time_in_future")
	in := o.changed(o.staff, slot, row{"checked_in_at": at("2026-11-20 10:40")})
	if !in.GetDateTime("checked_in_at").Time().Equal(o.now) {
		t.Error("a phone whose clock runs ahead checks in when the server hears of it:", in.GetString("checked_in_at"))
	}
	o.refused(o.change(o.staff, slot, row{"checked_in_at": at("2026-11-20 08:00")}), "checked_in_at", "checked_in_before")

	named := o.made(o.head, "duty_rosters", o.slot(row{"user": "", "staff_name": "小赵"}))
	o.refused(o.change(o.head, named, row{"checked_in_at": at("2026-11-20 09:00")}), "checked_in_at", "not_self")

	o.now = o.now.Add(12 * time.Hour) // 22:00
	afternoon := o.made(o.head, "duty_rosters", o.slot(row{"half": "pm"}))
	o.refused(o.change(o.staff, afternoon, row{"checked_in_at": at("2026-11-20 10:59")}), "checked_in_at", "outside_duty_hours")
	o.save("parameters", row{"code": "duty.pm", "value": "13:30-18:00", "from": day("2026-11-01")})
	o.refused(o.change(o.staff, afternoon, row{"checked_in_at": at("2026-11-20 13:29")}), "checked_in_at", "outside_duty_hours")
	o.refused(o.change(o.staff, afternoon, row{"checked_in_at": at("2026-11-20 18:00")}), "checked_in_at", "outside_duty_hours")
	o.changed(o.staff, afternoon, row{"checked_in_at": at("2026-11-20 13:30")})
	evening := o.made(o.head, "duty_rosters", o.slot(row{"half": "pm", "user": o.head.Id}))
	o.save("parameters", row{"code": "duty.pm", "value": "整个下午", "from": day("2026-11-19")})
	o.changed(o.head, evening, row{"checked_in_at": at("2026-11-20 11:00")}) // what is no pair of hours counts as the usual ones
}

func TestASpotCheckIsTheHeadsOrAnOfficialsAndNobodysOfHimself(t *testing.T) {
	o := openOffice(t)
	slot := o.made(o.head, "duty_rosters", o.slot(nil))
	o.refused(o.change(o.staff, slot, row{"spot_check": "pass"}), "spot_check", "role_not_allowed")
	own := o.made(o.head, "duty_rosters", o.slot(row{"user": o.head.Id}))
	o.refused(o.change(o.head, own, row{"spot_check": "pass"}), "spot_check", "spot_check_self")
	o.refused(o.change(o.official, slot, row{"spot_check": "fail", "spot_checked_at": at("2026-11-19 10:00")}), "spot_checked_at", "not_on_duty_day")
	o.refused(o.change(o.official, slot, row{"spot_check": "fail", "spot_checked_at": at("2026-11-20 10:30")}), "spot_checked_at", "time_in_future")
	seen := o.changed(o.head, slot, row{"spot_check": "pass"})
	if seen.GetString("spot_checked_by") != o.head.Id || !seen.GetDateTime("spot_checked_at").Time().Equal(o.now) {
		t.Error(seen.PublicExport())
	}
	o.changed(o.head, slot, row{"spot_check": "none"})
	absent := o.changed(o.official, slot, row{"spot_check": "fail"})
	if absent.GetString("spot_checked_by") != o.official.Id {
		t.Error(absent.PublicExport())
	}
	o.refused(o.change(o.head, slot, row{"spot_check": "pass"}), "spot_check", "spot_check_stands")
	o.refused(o.change(o.head, slot, row{"spot_check": "none"}), "spot_check", "spot_check_stands")
	o.changed(o.staff, slot, row{"checked_in_at": at("2026-11-20 09:30")}) // he may check in; in the figures the absence stands
	if o.fresh(slot).GetString("spot_check") != "fail" {
		t.Error("a check-in does not wipe out an absence")
	}
	corrected := o.changed(nil, slot, row{"spot_check": "none"})
	if corrected.GetString("spot_checked_by") != "" || !corrected.GetDateTime("spot_checked_at").IsZero() {
		t.Error(corrected.PublicExport())
	}
	if !o.sees(o.official, slot) || o.sees(o.farHead, slot) {
		t.Error("the roster is the harbour's and those who steer")
	}
}
