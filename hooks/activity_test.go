package hooks

import (
	"slices"
	"testing"
)

func TestAnActivityIsPlannedWithATermHeldWithPeopleAndCancelledWithAReason(t *testing.T) {
	o := openOffice(t)
	guest := o.save("contacts", row{"name": "社区张姐", "kind": "community_staff", "harbour": o.harbour.Id}).Id
	shop := o.save("enterprises", row{"name": "张三面馆", "kind": "individual_business"}).Id
	held := row{"status": "held", "start": at("2026-11-20 09:00"), "headcount": 12, "topics": []string{"credit"}}
	o.tryAll("activities", row{"title": "融资对接会", "kind": "matchmaking", "status": "planned", "due": day("2026-12-31"), "harbour": o.harbour.Id}, []attempt{
		{"planned with a term", o.staff, nil, "", ""},
		{"planned with a beginning", o.staff, row{"due": "", "start": at("2026-12-01 14:00")}, "", ""},
		{"planned for some day", o.staff, row{"due": ""}, "due", "plan_date_needed"},
		{"held", o.staff, held, "", ""},
		{"held when?", o.staff, with(held, row{"start": ""}), "start", "required"},
		{"held tomorrow", nil, with(held, row{"start": at("2026-11-21 09:00")}), "start", "time_in_future"},
		{"held for nobody", o.staff, with(held, row{"headcount": 0}), "headcount", "required"},
		{"held for fewer than signed in", o.staff, with(held, row{"headcount": 1, "attendees": []string{guest}, "enterprises": []string{shop}}), "headcount", "headcount_below_roster"},
		{"held for as many as signed in", o.staff, with(held, row{"headcount": 2, "attendees": []string{guest}, "enterprises": []string{shop}}), "", ""},
		{"a salon about nothing", o.staff, with(held, row{"kind": "salon", "topics": []string{}}), "topics", "topics_needed"},
		{"a training about nothing", o.staff, with(held, row{"kind": "training", "topics": []string{}}), "topics", "topics_needed"},
		{"one of the four entries about nothing", o.staff, with(held, row{"kind": "community", "topics": []string{}}), "topics", "topics_needed"},
		{"a sale fair needs no topic", o.staff, with(held, row{"kind": "sale_fair", "topics": []string{}}), "", ""},
		{"进园区 in the park", o.staff, row{"kind": "park", "area": o.park.Id}, "", ""},
		{"进园区 in a business circle", o.staff, row{"kind": "park", "area": o.circle.Id}, "area", "area_of_other_kind"},
		{"进社区 in the park", o.staff, row{"kind": "community", "area": o.park.Id}, "area", "area_of_other_kind"},
		{"进社区 in the community", o.staff, row{"kind": "community", "area": o.community.Id}, "", ""},
		{"a street is wide enough for all four", o.staff, row{"kind": "building", "area": o.street.Id}, "", ""},
		{"cancelled without a reason", o.staff, row{"status": "cancelled"}, "cancel_reason", "reason_needed"},
		{"cancelled", o.staff, row{"status": "cancelled", "cancel_reason": "停电"}, "", ""},
		{"a harbour does not approve its own cancelling", o.head, row{"status": "cancelled", "cancel_reason": "停电", "cancel_approved": true}, "cancel_approved", "role_not_allowed"},
	})
}

func TestOnlyThoseWhoSteerAgreeToACancelledActivityAndWhatWasHeldStays(t *testing.T) {
	o := openOffice(t)
	r := o.made(o.staff, "activities", row{"title": "反诈宣传", "kind": "anti_fraud", "status": "planned", "due": day("2026-12-31"), "harbour": o.harbour.Id})
	if !slices.Contains(r.GetStringSlice("topics"), "anti_fraud") || r.GetString("organiser") != o.staff.Id {
		t.Error("防非反诈宣传 is about 反诈:", r.GetStringSlice("topics"))
	}
	o.changed(o.staff, r, row{"status": "cancelled", "cancel_reason": "场地被占"})
	o.refused(o.change(o.streetOfficial, r, row{"cancel_approved": true}), "cancel_approved", "role_not_allowed")
	if !o.changed(o.official, r, row{"cancel_approved": true}).GetBool("cancel_approved") {
		t.Error("an official agrees")
	}
	o.refused(o.change(o.head, r, row{"cancel_approved": false}), "cancel_approved", "role_not_allowed")
	if o.changed(o.staff, r, row{"status": "planned"}).GetBool("cancel_approved") {
		t.Error("what is planned again is not cancelled with anybody's consent")
	}
	o.changed(o.staff, r, row{"status": "held", "start": at("2026-11-20 08:00"), "headcount": 40})
	o.refused(o.change(o.staff, r, row{"status": "planned"}), "status", "activity_held")
	o.refused(o.change(nil, r, row{"status": "cancelled", "cancel_reason": "记错了"}), "status", "activity_held")
	o.changed(o.staff, r, row{"minutes": "来了四十人，发了手册"}) // minutes and pictures come after the event
}
