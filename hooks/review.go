package hooks

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

var reviewSteps = []string{"draft", "submitted", "published"}

// BindReview runs the rules of 听取报告 and of what follows from it (§四(二)): agencies score apart, the street co-signs, the
// score is published, the harbour's head may appeal, incentives are granted.
func BindReview(app core.App, now Clock) {
	onSave(app, "reviews", now, prepareReview)
}

func prepareReview(app core.App, r, actor *core.Record, now time.Time) error {
	if err := notInFuture(r, now, "reviewed_on"); err != nil {
		return err
	}
	kind := r.GetString("kind")
	if kind == "appeal" {
		r.Set("status", "submitted") // an appeal is lodged when it is written
		return prepareAppeal(app, r, actor, now)
	}
	before, after := r.Original().GetString("status"), r.GetString("status")
	if actor != nil && slices.Index(reviewSteps, after) < slices.Index(reviewSteps, before) {
		return Violation("status", "status_back")
	}
	if kind == "score" {
		if actor != nil && after == "published" && before != "published" && before != "submitted" {
			return Violation("status", "submit_first")
		}
		if err := prepareScore(app, r, actor, now); err != nil {
			return err
		}
	} else if actor != nil && !hasRole(actor, "official") {
		return Violation("kind", "role_not_allowed")
	}
	switch {
	case after != "published":
		r.Set("published_at", "")
	case before != "published":
		defaultTo(r, "published_at", Stored(now))
	}
	return nil
}

func prepareScore(app core.App, r, actor *core.Record, now time.Time) error {
	if actor != nil {
		if err := mayScore(app, r, actor); err != nil {
			return err
		}
	}
	if r.IsNew() || changed(r, "item") || changed(r, "period") {
		if err := itemOfScheme(app, r); err != nil {
			return err
		}
	}
	switch {
	case r.GetFloat("full") <= 0:
		return Violation("full", "required")
	case r.GetFloat("score") > r.GetFloat("full"):
		return Violation("score", "score_above_full")
	}
	same := dbx.HashExp{"kind": "score"}
	for _, f := range []string{"harbour", "period", "item", "agency"} {
		same[f] = r.GetString(f)
	}
	twice, err := app.CountRecords("reviews", same, dbx.Not(dbx.HashExp{"id": r.Id}))
	if err != nil {
		return err
	}
	if twice > 0 {
		return Violation("item", "score_exists")
	}
	if actor != nil && r.GetString("status") == "published" && r.Original().GetString("status") != "published" {
		if apart, err := ScoreApart(app, r); err != nil {
			return err
		} else if apart {
			return Violation("status", "scores_apart")
		}
	}
	return cosign(r, actor, now)
}

// mayScore: an agency's official scores for that agency, until the score is published; after that only where an appeal was granted.
func mayScore(app core.App, r, actor *core.Record) error {
	scoring := r.IsNew() || slices.ContainsFunc([]string{"item", "score", "full", "remark", "reviewed_on"}, func(f string) bool { return changed(r, f) })
	switch {
	case !hasRole(actor, officials...), scoring && !hasRole(actor, "official"):
		return Violation("kind", "role_not_allowed")
	case !scoring:
		return nil
	case actor.GetString("agency") == "":
		return Violation("agency", "required")
	}
	defaultTo(r, "agency", actor.GetString("agency"))
	if r.GetString("agency") != actor.GetString("agency") {
		return Violation("agency", "agency_not_own")
	}
	if r.Original().GetString("status") != "published" {
		return nil
	}
	granted, err := app.CountRecords("reviews", dbx.HashExp{"kind": "appeal", "harbour": r.GetString("harbour"), "period": r.GetString("period"),
		"item": r.GetString("item"), "appeal_result": "changed"})
	if err == nil && granted == 0 {
		return Violation("score", "score_published")
	}
	return err
}

// itemOfScheme finds the item in the scheme in force when the period begins, so that a score keeps its rule. What the system
// measures nobody scores by hand.
func itemOfScheme(app core.App, r *core.Record) error {
	begins, err := periodStart(r.GetString("period"))
	if err != nil {
		return Violation("period", "bad_pattern")
	}
	schemes, err := app.FindRecordsByFilter("assessment_schemes", `applies_to = "harbour" && from <= {:at} && (until = "" || until > {:at})`, "-from", 1, 0,
		dbx.Params{"at": Stored(begins)})
	if err != nil {
		return err
	}
	if len(schemes) == 0 {
		return Violation("period", "no_scheme")
	}
	items, err := SchemeItems(schemes[0])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(items, func(x SchemeItem) bool { return x.Code == r.GetString("item") })
	switch {
	case i < 0:
		return Violation("item", "item_not_in_scheme")
	case items[i].By == "S":
		return Violation("item", "item_by_system")
	}
	r.Set("scheme", schemes[0].Id)
	r.Set("item_name", items[i].Name)
	if r.GetFloat("full") == 0 {
		r.Set("full", items[i].Weight)
	}
	return nil
}

// periodStart is 00:00 in Shanghai of the first day of a year (2026) or a quarter (2026Q4).
func periodStart(period string) (time.Time, error) {
	var year, quarter int
	if n, err := fmt.Sscanf(period, "%4dQ%1d", &year, &quarter); n < 1 {
		return time.Time{}, err
	}
	return time.Date(year, time.Month(max(quarter-1, 0)*3+1), 1, 0, 0, 0, 0, Shanghai), nil
}

// ScoreApart tells whether a score lies further than 15 % of full marks (parameter assessment.gap_percent) from what another
// agency gave for the same harbour, period and item: such scores are reviewed jointly before they are published.
func ScoreApart(app core.App, score *core.Record) (bool, error) {
	begins, err := periodStart(score.GetString("period"))
	if err != nil {
		return false, err
	}
	said, err := parameter(app, "assessment.gap_percent", begins)
	if err != nil {
		return false, err
	}
	allowed, err := strconv.ParseFloat(said, 64)
	if err != nil || allowed <= 0 {
		allowed = 15
	}
	others, err := app.FindAllRecords("reviews", dbx.HashExp{"kind": "score", "harbour": score.GetString("harbour"), "period": score.GetString("period"),
		"item": score.GetString("item")}, dbx.Not(dbx.HashExp{"id": score.Id}), dbx.Not(dbx.HashExp{"status": "draft"}))
	if err != nil {
		return false, err
	}
	share := func(r *core.Record) float64 { return r.GetFloat("score") / r.GetFloat("full") * 100 }
	return slices.ContainsFunc(others, func(o *core.Record) bool { return abs(share(o)-share(score)) > allowed+1e-9 }), nil
}

// cosign notes who of the street co-signed and when. A score changed afterwards is to be co-signed anew.
func cosign(r, actor *core.Record, now time.Time) error {
	if changed(r, "cosigned_at") && !r.GetDateTime("cosigned_at").IsZero() {
		if r.GetString("status") == "draft" {
			return Violation("cosigned_at", "submit_first")
		}
		if actor != nil {
			if !hasRole(actor, "street_official") {
				return Violation("cosigned_at", "role_not_allowed")
			}
			r.Set("cosigned_by", actor.Id)
			r.Set("cosigned_at", Stored(now))
		}
		return nil
	}
	if !r.IsNew() && (changed(r, "score") || changed(r, "full")) {
		r.Set("cosigned_at", "")
		r.Set("cosigned_by", "")
	}
	return nil
}

// prepareAppeal: the head of the harbour appeals once against a published score, within 5 working days (parameter
// sla.appeal_days); an official answers.
func prepareAppeal(app core.App, r, actor *core.Record, now time.Time) error {
	defaultTo(r, "appeal_result", "pending")
	if !r.IsNew() {
		return answerAppeal(r, actor)
	}
	if actor != nil {
		if !hasRole(actor, "harbour_head") || actor.GetString("harbour") != r.GetString("harbour") {
			return Violation("kind", "role_not_allowed")
		}
		r.Set("appeal_result", "pending")
	}
	if r.GetString("item") == "" {
		return Violation("item", "required")
	}
	about := dbx.HashExp{"harbour": r.GetString("harbour"), "period": r.GetString("period"), "item": r.GetString("item")}
	twice, err := app.CountRecords("reviews", about, dbx.HashExp{"kind": "appeal"})
	if err != nil {
		return err
	}
	if twice > 0 {
		return Violation("item", "appeal_exists")
	}
	scores, err := app.FindAllRecords("reviews", about, dbx.HashExp{"kind": "score", "status": "published"})
	if err != nil {
		return err
	}
	if len(scores) == 0 {
		return Violation("item", "no_published_score")
	}
	r.Set("item_name", scores[0].GetString("item_name"))
	var published time.Time
	for _, s := range scores {
		if at := s.GetDateTime("published_at").Time(); at.After(published) {
			published = at
		}
	}
	days, err := LimitDays(app, "sla.appeal_days", published, 5)
	if err != nil {
		return err
	}
	until, err := AddWorkdays(app, published, days)
	if err != nil {
		return err
	}
	lodged := r.GetDateTime("captured_at")
	if given := r.GetDateTime("reviewed_on"); actor == nil && !given.IsZero() {
		lodged = given // on paper, typed later
	}
	if lodged.Time().After(until) {
		return Violation("item", "appeal_late")
	}
	defaultTo(r, "reviewed_on", lodged.String())
	return nil
}

func answerAppeal(r, actor *core.Record) error {
	answered := r.Original().GetString("appeal_result") != "pending"
	if actor != nil && answered {
		for _, f := range []string{"remark", "appeal_result", "appeal_answer"} {
			if changed(r, f) {
				return Violation(f, "appeal_answered")
			}
		}
	}
	if !changed(r, "appeal_result") {
		return nil
	}
	if actor != nil && !hasRole(actor, "official") {
		return Violation("appeal_result", "role_not_allowed")
	}
	if r.GetString("appeal_answer") == "" {
		return Violation("appeal_answer", "required")
	}
	return nil
}
