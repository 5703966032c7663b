package hooks

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

func TestFeedbackIsNumberedDueAndGivenToTheHeadUnlessItIsAboutTheHead(t *testing.T) {
	c := openCounter(t)
	told := row{"channel": "box", "kind": "difficulty", "text": "手续太多", "enterprise": c.enterprise.Id, "reported_at": c.at(0)}
	f := c.create("feedback", told, c.worker, "", "")
	c.wants(f, "number", "FK202611-00001")
	c.wants(f, "due", "2026-11-27 15:59:59.999Z")
	c.wants(f, "harbour", c.harbour.Id)
	c.wants(f, "scope_harbour", c.harbour.Id)
	c.wants(f, "reporter", c.worker.Id)
	c.wants(f, "owner", c.head.Id)
	c.wants(f, "routed_at", "") // the head is where everything begins
	c.wants(f, "status", "open")
	c.wants(f, "finding", "")
	// From somebody without an enterprise: the harbour that serves the worker's grids.
	c.wants(c.create("feedback", with(told, row{"enterprise": "", "anonymous": true}), c.worker, "", ""), "harbour", c.harbour.Id)
	about := c.create("feedback", with(told, row{"kind": "complaint", "against": c.head.Id}), c.worker, "", "")
	c.wants(about, "number", "FK202611-00003")
	c.wants(about, "owner", "")
	c.wants(about, "finding", "pending")
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"who is anonymous is not named", row{"anonymous": true}, "anonymous", "anonymous_named"},
		{"who is not can be reached", row{"enterprise": ""}, "contact", "reporter_unknown"},
		{"nothing is reported in the future", row{"reported_at": c.at(1)}, "reported_at", "time_in_future"},
		{"nobody answers a complaint about themselves", row{"kind": "complaint", "against": c.staff.Id, "owner": c.staff.Id}, "owner", "owner_complained_of"},
		{"a worker on the road is no owner", row{"owner": c.worker.Id}, "owner", "owner_cannot_act"},
		{"the owner exists", row{"owner": "nobody000000000"}, "owner", "unknown_reference"},
		{"a difficulty is not investigated", row{"finding": "upheld"}, "finding", "not_a_complaint"},
	} {
		t.Log(x.says)
		c.create("feedback", with(told, x.values), c.worker, x.field, x.code)
		c.create("feedback", with(told, x.values), nil, x.field, x.code)
	}
	c.change(about, row{"owner": c.head.Id}, c.official, "owner", "owner_complained_of")
	c.now = c.now.Add(time.Hour)
	c.wants(c.change(about, row{"owner": c.official.Id}, c.official, "", ""), "routed_at", c.at(0))
	c.now = c.now.Add(time.Hour)
	c.wants(c.change(f, row{"bank": c.other.Id}, c.head, "", ""), "routed_at", c.at(0))
}

func TestFeedbackIsAnsweredDeliveredAndClosedInThatOrder(t *testing.T) {
	c := openCounter(t)
	told := row{"channel": "phone", "kind": "suggestion", "text": "延长营业时间", "contact": "赵六 13800000006", "harbour": c.harbour.Id, "reported_at": c.at(0)}
	f := c.create("feedback", told, c.staff, "", "")
	anonymous := c.create("feedback", with(told, row{"contact": "", "anonymous": true}), c.staff, "", "")
	c.now = c.now.Add(5 * time.Hour)
	answered := row{"answer": "已采纳", "answered_at": c.at(-4)}
	for _, x := range []struct {
		says        string
		values      row
		field, code string
	}{
		{"an answer has words", row{"answered_at": c.at(-4)}, "answered_at", "answer_needed"},
		{"and a time", row{"answer": "已采纳"}, "answered_at", "answer_needed"},
		{"nothing is closed without an answer", row{"closed_at": c.at(0)}, "answered_at", "answer_needed"},
		{"nothing is delivered without an answer", row{"delivered_at": c.at(0)}, "answered_at", "answer_needed"},
		{"no answer before the question", with(answered, row{"answered_at": c.at(-6)}), "answered_at", "time_before_previous"},
		{"no answer in the future", with(answered, row{"answered_at": c.at(1)}), "answered_at", "time_in_future"},
		{"no delivery before the answer", with(answered, row{"delivered_at": c.at(-5)}), "delivered_at", "time_before_previous"},
		{"closed when it is delivered", with(answered, row{"closed_at": c.at(-2)}), "closed_at", "delivery_needed"},
		{"not closed before it is delivered", with(answered, row{"delivered_at": c.at(-2), "closed_at": c.at(-3)}), "closed_at", "time_before_previous"},
		{"satisfaction is an answer to a question", with(answered, row{"satisfaction": "satisfied"}), "satisfaction", "ask_satisfaction_first"},
		{"which is not asked before", with(answered, row{"satisfaction_asked_at": c.at(-7)}), "satisfaction_asked_at", "time_before_previous"},
	} {
		t.Log(x.says)
		c.change(f, x.values, c.staff, x.field, x.code)
		c.change(f, x.values, nil, x.field, x.code)
	}
	c.wants(c.change(f, answered, c.staff, "", ""), "status", "answered")
	c.wants(c.change(f, row{"delivered_at": c.at(-3), "closed_at": c.at(-2)}, c.staff, "", ""), "status", "closed")
	c.change(f, row{"satisfaction_asked_at": c.at(-1), "satisfaction": "satisfied"}, c.worker, "", "")
	c.wants(c.change(anonymous, with(answered, row{"closed_at": c.at(-2)}), c.staff, "", ""), "status", "closed") // nobody to tell
}

func TestOnlyOfficialsSayWhetherAComplaintIsUpheldAndThenItMustBePutRight(t *testing.T) {
	c := openCounter(t)
	complaint := row{"channel": "phone", "kind": "complaint", "category": "deflection", "text": "王柜员让我去别家", "contact": "赵六", "harbour": c.harbour.Id,
		"against": c.staff.Id, "reported_at": c.at(0)}
	f := c.create("feedback", complaint, c.colleague, "", "")
	c.change(f, row{"finding": "upheld"}, c.head, "finding", "role_not_allowed")
	c.change(f, row{"kind": "suggestion"}, c.head, "kind", "role_not_allowed")
	c.create("feedback", with(complaint, row{"finding": "upheld"}), c.colleague, "finding", "role_not_allowed")
	c.now = c.now.Add(time.Hour)
	f = c.change(f, row{"finding": "upheld", "finding_at": "2020-01-01 00:00:00.000Z", "finding_by": c.head.Id, "finding_note": "录音为证"}, c.official, "", "")
	c.wants(f, "finding_at", c.at(0))
	c.wants(f, "finding_by", c.official.Id)
	demands, err := c.app.FindAllRecords("rectifications", dbx.HashExp{"feedback": f.Id})
	if err != nil || len(demands) != 1 {
		t.Fatal(len(demands), err)
	}
	c.wants(demands[0], "harbour", c.harbour.Id)
	c.wants(demands[0], "due", "2026-12-11 15:59:59.999Z") // 15 working days
	c.wants(demands[0], "demand", "投诉 FK202611-00001 经核查属实，请整改并报送整改情况")
	c.change(f, row{"finding": "not_upheld"}, c.official, "finding", "finding_stands")
	c.change(f, row{"finding_note": "录音和登记簿为证"}, c.official, "", "")
	if n, err := c.app.CountRecords("rectifications"); err != nil || n != 1 {
		t.Error("one complaint, one demand:", n, err)
	}
	other := c.create("feedback", complaint, c.colleague, "", "")
	c.change(other, row{"finding": "not_upheld"}, c.official, "", "")
	if n, err := c.app.CountRecords("rectifications"); err != nil || n != 1 {
		t.Error("what is not upheld demands nothing:", n, err)
	}
	nowhere := c.save("feedback", with(complaint, row{"harbour": "", "against": "", "kind": "consumer_rights"}))
	c.change(nowhere, row{"finding": "upheld"}, c.official, "harbour", "harbour_needed")
	c.wants(nowhere, "finding", "pending")
}

// The list API is what anybody with a token can ask; the scopes are what a phone holds. Both keep a complaint from the person it is about.
func TestAComplaintIsNotShownToThePersonComplainedAbout(t *testing.T) {
	c := openCounter(t)
	told := row{"channel": "window", "text": "内容", "contact": "赵六", "harbour": c.harbour.Id, "reported_at": c.at(0)}
	complaint := func(more row) string {
		return c.create("feedback", with(told, with(row{"kind": "complaint"}, more)), c.colleague, "", "").Id
	}
	aboutStaff := complaint(row{"against": c.staff.Id})
	aboutHead := complaint(row{"against": c.head.Id})
	aboutNobody := complaint(nil)
	aboutOfficial := complaint(row{"against": c.official.Id})
	difficulty := c.create("feedback", with(told, row{"kind": "difficulty"}), c.colleague, "", "").Id
	sneaky := c.create("feedback", with(told, row{"kind": "difficulty", "against": c.staff.Id}), c.colleague, "", "").Id
	router, err := apis.NewRouter(c.app)
	if err != nil {
		t.Fatal(err)
	}
	mux, err := router.BuildMux()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		who  *core.Record
		sees []string
	}{
		{c.staff, []string{difficulty}},
		{c.head, []string{aboutStaff, aboutNobody, aboutOfficial, difficulty, sneaky}}, // as owner; not what is about the head
		{c.colleague, []string{aboutStaff, aboutHead, aboutNobody, aboutOfficial, difficulty, sneaky}},
		{c.official, []string{aboutStaff, aboutHead, aboutNobody, difficulty, sneaky}},
		{c.stranger, nil}, {c.worker, nil}, {c.clerk, nil},
	} {
		slices.Sort(x.sees)
		who := c.fresh(x.who)
		var held []string
		all, err := c.app.FindAllRecords("feedback")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			if slices.ContainsFunc(RecordScopes(f), func(s string) bool { return slices.Contains(UserScopes(who), s) }) {
				held = append(held, f.Id)
			}
		}
		slices.Sort(held)
		if !slices.Equal(held, x.sees) {
			t.Errorf("%s holds %v, wanted %v", who.GetString("name"), held, x.sees)
		}
		token, err := who.NewAuthToken()
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequest(http.MethodGet, "/api/collections/feedback/records", nil)
		request.Header.Set("Authorization", token)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, request)
		var list struct{ Items []struct{ ID string } }
		if err := json.Unmarshal(answer.Body.Bytes(), &list); err != nil || answer.Code != http.StatusOK {
			t.Fatal(answer.Code, answer.Body.String())
		}
		var listed []string
		for _, i := range list.Items {
			listed = append(listed, i.ID)
		}
		slices.Sort(listed)
		if !slices.Equal(listed, x.sees) {
			t.Errorf("%s is shown %v, wanted %v", who.GetString("name"), listed, x.sees)
		}
	}
}
