package hooks

import (
	"testing"

	"github.com/pocketbase/pocketbase/core"
)

func (o *office) report(more row) row {
	return with(row{"harbour": o.harbour.Id, "period": "2026Q3", "kind": "score", "item": "cases", "score": 6, "remark": "案例扎实", "status": "submitted"}, more)
}

func TestAnAgencyScoresWhatTheSchemeLeavesToJudgement(t *testing.T) {
	o := openOffice(t)
	nobody := o.user("official", "没有单位的人", nil)
	o.tryAll("reviews", o.report(nil), []attempt{
		{"an official scores", o.official, nil, "", ""},
		{"a draft", o.official, row{"status": "draft"}, "", ""},
		{"for his own agency", o.official, row{"agency": o.financeOffice.Id}, "agency", "agency_not_own"},
		{"an official of no agency", nobody, nil, "agency", "required"},
		{"a head does not score", o.head, nil, "kind", "role_not_allowed"},
		{"nor does the street", o.streetOfficial, nil, "kind", "role_not_allowed"},
		{"more than full marks", o.official, row{"score": 7.5}, "score", "score_above_full"},
		{"more than full marks on paper", nil, row{"score": 5, "full": 4}, "score", "score_above_full"},
		{"an item of the patrol", o.official, row{"item": "site_materials", "score": 3}, "", ""},
		{"what the system measures", o.official, row{"item": "visit_coverage"}, "item", "item_by_system"},
		{"what no scheme knows", nil, row{"item": "singing"}, "item", "item_not_in_scheme"},
		{"before there was a scheme", nil, row{"period": "2021Q4"}, "period", "no_scheme"},
		{"a whole year", o.official, row{"period": "2026"}, "", ""},
		{"published before it was submitted", o.official, row{"status": "published"}, "status", "submit_first"},
		{"scored tomorrow", nil, row{"reviewed_on": day("2026-11-21")}, "reviewed_on", "date_in_future"},
		{"an incentive", o.official, row{"kind": "incentive", "item": "", "remark": "再贷款额度倾斜"}, "", ""},
		{"no incentive for oneself", o.head, row{"kind": "incentive", "item": ""}, "kind", "role_not_allowed"},
	})
	r := o.made(o.official, "reviews", o.report(nil))
	if r.GetFloat("full") != 7 || r.GetString("scheme") != "scheme000000001" || r.GetString("item_name") != "典型案例、难题攻坚" || r.GetString("agency") != o.peoplesBank.Id || r.GetString("scorer") != o.official.Id {
		t.Error("full marks are the item's weight, the scheme is noted:", r.PublicExport())
	}
	_, err := o.as(o.official, "reviews", o.report(row{"score": 5}))
	o.refused(err, "item", "score_exists")
	o.made(o.financeOfficial, "reviews", o.report(nil))
	o.refused(o.change(o.financeOfficial, r, row{"score": 1}), "agency", "agency_not_own")
}

func (o *office) published(r *core.Record) *core.Record {
	o.Helper()
	return o.changed(o.official, r, row{"status": "published"})
}

func TestAPublishedScoreStandsAndIsSeenByTheHarbour(t *testing.T) {
	o := openOffice(t)
	r := o.made(o.official, "reviews", o.report(row{"status": "draft"}))
	o.refused(o.change(o.official, r, row{"status": "published"}), "status", "submit_first")
	o.changed(o.official, r, row{"status": "submitted", "score": 5})
	o.refused(o.change(o.official, r, row{"status": "draft"}), "status", "status_back")
	if o.sees(o.head, r) {
		t.Error("nothing is seen before it is published")
	}
	if p := o.published(r); !p.GetDateTime("published_at").Time().Equal(o.now) || !o.sees(o.head, p) || o.sees(o.farHead, p) {
		t.Error(p.FieldsData())
	}
	o.refused(o.change(o.official, r, row{"score": 7}), "score", "score_published")
	o.refused(o.change(o.official, r, row{"status": "submitted"}), "status", "status_back")
	if back := o.changed(nil, r, row{"status": "submitted"}); !back.GetDateTime("published_at").IsZero() {
		t.Error("only the console takes a publication back")
	}
}

func TestScoresFarApartAreReviewedJointlyBeforeTheyArePublished(t *testing.T) {
	o := openOffice(t)
	high := o.made(o.official, "reviews", o.report(row{"score": 7}))
	draft := o.made(o.financeOfficial, "reviews", o.report(row{"score": 5.9, "status": "draft"}))
	if apart, err := ScoreApart(o.app, high); err != nil || apart {
		t.Error("a draft is nobody's word yet:", err)
	}
	low := o.changed(o.financeOfficial, draft, row{"status": "submitted"})
	for _, r := range []*core.Record{high, low} {
		if apart, err := ScoreApart(o.app, r); err != nil || !apart {
			t.Error("1.1 of 7 is more than 15 %", err)
		}
		o.refused(o.change(o.official, r, row{"status": "published"}), "status", "scores_apart")
	}
	o.changed(o.financeOfficial, low, row{"score": 5.95}) // exactly 15 %
	o.published(high)
	o.published(low)
	third := o.save("agencies", row{"name": "万州银保监分局", "kind": "regulator"})
	o.save("parameters", row{"code": "assessment.gap_percent", "value": "30", "from": day("2026-01-01")})
	wide := o.made(o.user("official", "监管王科", row{"agency": third.Id}), "reviews", o.report(row{"score": 5}))
	o.published(wide)
}

func TestTheStreetCoSignsWhatWasSubmittedAndAnewWhenItChanges(t *testing.T) {
	o := openOffice(t)
	r := o.made(o.official, "reviews", o.report(row{"status": "draft"}))
	o.refused(o.change(o.streetOfficial, r, row{"cosigned_at": at("2026-11-20 09:00")}), "cosigned_at", "submit_first")
	o.changed(o.official, r, row{"status": "submitted"})
	o.refused(o.change(o.official, r, row{"cosigned_at": at("2026-11-20 09:00")}), "cosigned_at", "role_not_allowed")
	o.refused(o.change(o.streetOfficial, r, row{"score": 7}), "kind", "role_not_allowed")
	signed := o.changed(o.streetOfficial, r, row{"cosigned_at": at("2026-11-20 09:00")})
	if signed.GetString("cosigned_by") != o.streetOfficial.Id || !signed.GetDateTime("cosigned_at").Time().Equal(o.now) {
		t.Error("who and when is the server's:", signed.PublicExport())
	}
	if o.sees(o.user("street_official", "别的街道", row{"street": o.farStreet.Id}), signed) {
		t.Error("another street has no say")
	}
	other := o.changed(o.official, r, row{"score": 4})
	if other.GetString("cosigned_by") != "" || !other.GetDateTime("cosigned_at").IsZero() {
		t.Error("another score was not co-signed")
	}
}

func TestTheHeadAppealsOnceAndInTimeAgainstAPublishedScore(t *testing.T) {
	o := openOffice(t)
	appeal := row{"harbour": o.harbour.Id, "period": "2026Q3", "kind": "appeal", "item": "cases", "remark": "漏看了一个案例", "status": "draft"}
	score := o.made(o.official, "reviews", o.report(row{"score": 3}))
	o.tryAll("reviews", appeal, []attempt{
		{"before it is published", o.head, nil, "item", "no_published_score"},
		{"against everything", o.head, row{"item": ""}, "item", "required"},
	})
	o.published(score)
	o.tryAll("reviews", appeal, []attempt{
		{"the head", o.head, nil, "", ""},
		{"a colleague", o.staff, nil, "kind", "role_not_allowed"},
		{"another head", o.farHead, nil, "kind", "role_not_allowed"},
		{"an official", o.official, nil, "kind", "role_not_allowed"},
		{"about an item that was not scored", o.head, row{"item": "publicity_report"}, "item", "no_published_score"},
		{"about another quarter", o.head, row{"period": "2026Q2"}, "item", "no_published_score"},
		{"a head does not grant it to himself", o.head, row{"appeal_result": "changed"}, "", ""},
	})
	published := o.now
	o.now = published.AddDate(0, 0, 30)
	o.tryAll("reviews", appeal, []attempt{
		// Published on Friday, the 20th: the fifth working day is Friday, the 27th.
		{"on the last evening, heard of later", o.head, row{"captured_at": at("2026-11-27 23:59")}, "", ""},
		{"a day late", o.head, row{"captured_at": at("2026-11-28 00:01")}, "item", "appeal_late"},
		{"on paper in time, typed later", nil, row{"captured_at": at("2026-12-18 09:00"), "reviewed_on": day("2026-11-20")}, "", ""},
	})
	o.now = published
	r := o.made(o.head, "reviews", with(appeal, row{"appeal_result": "changed"}))
	if r.GetString("status") != "submitted" || r.GetString("appeal_result") != "pending" || r.GetString("item_name") != "典型案例、难题攻坚" || !o.sees(o.head, r) {
		t.Error("it is lodged, waits for its answer, names what it is about and is the harbour's own:", r.FieldsData())
	}
	_, err := o.as(o.head, "reviews", appeal)
	o.refused(err, "item", "appeal_exists")
	o.refused(o.change(o.official, score, row{"score": 5}), "score", "score_published")
	o.changed(o.head, r, row{"remark": "漏看了两个案例"})
	o.refused(o.change(o.head, r, row{"appeal_result": "changed", "appeal_answer": "同意"}), "appeal_result", "role_not_allowed")
	o.refused(o.change(o.official, r, row{"appeal_result": "changed"}), "appeal_answer", "required")
	o.changed(o.official, r, row{"appeal_result": "changed", "appeal_answer": "补看后加2分"})
	o.refused(o.change(o.official, r, row{"appeal_result": "upheld"}), "appeal_result", "appeal_answered")
	o.refused(o.change(o.head, r, row{"remark": "再加一分"}), "remark", "appeal_answered")
	o.changed(o.official, score, row{"score": 5})
}
