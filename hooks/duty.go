package hooks

import (
	"regexp"
	"time"

	"github.com/pocketbase/dbx"
	"github.com/pocketbase/pocketbase/core"
)

// BindDuty runs the rules of duty (附件六 当值工作人员): the head plans, whoever is on duty checks in, head and officials look in.
func BindDuty(app core.App, now Clock) {
	onSave(app, "duty_rosters", now, prepareDuty)
}

func prepareDuty(app core.App, r, actor *core.Record, now time.Time) error {
	if day := r.GetDateTime("day"); !day.IsZero() {
		r.Set("day", Stored(dayStart(day.Time()))) // however the day was written, a slot is one slot
	}
	if err := checkSlot(app, r, actor); err != nil {
		return err
	}
	if err := checkIn(app, r, actor, now); err != nil {
		return err
	}
	return spotCheck(app, r, actor, now)
}

// dayStart is 00:00 in Shanghai of the day of t.
func dayStart(t time.Time) time.Time {
	y, m, d := t.In(Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, Shanghai)
}

func checkSlot(app core.App, r, actor *core.Record) error {
	if r.IsNew() && actor != nil && (!hasRole(actor, "harbour_head") || actor.GetString("harbour") != r.GetString("harbour")) {
		return Violation("harbour", "role_not_allowed")
	}
	id := r.GetString("user")
	if id == "" && r.GetString("staff_name") == "" {
		return Violation("staff_name", "duty_person_needed")
	}
	if id != "" && (changed(r, "user") || changed(r, "staff_name")) {
		user, err := app.FindRecordById("users", id)
		if err != nil {
			return Violation("user", "unknown_reference")
		}
		if changed(r, "user") && (user.GetString("harbour") != r.GetString("harbour") || !hasRole(user, harbourRoles...)) {
			return Violation("user", "not_of_harbour")
		}
		r.Set("staff_name", user.GetString("name"))
	}
	if !changed(r, "user") && !changed(r, "staff_name") && !changed(r, "day") && !changed(r, "half") {
		return nil
	}
	// Nobody stands at two counters; of those without an account only the name is known, and only here.
	same, field := dbx.HashExp{"day": r.GetString("day"), "half": r.GetString("half")}, "user"
	if id != "" {
		same["user"] = id
	} else {
		field = "staff_name"
		same["harbour"], same["staff_name"] = r.GetString("harbour"), r.GetString("staff_name")
	}
	twice, err := app.CountRecords("duty_rosters", same, dbx.Not(dbx.HashExp{"id": r.Id}))
	if err == nil && twice > 0 {
		return Violation(field, "slot_taken")
	}
	return err
}

// checkIn lets the person on the roster, and nobody else, check in once, on the day and within the hours of the half.
func checkIn(app core.App, r, actor *core.Record, now time.Time) error {
	if !changed(r, "checked_in_at") {
		return nil
	}
	if actor != nil {
		switch {
		case r.GetString("user") != actor.Id:
			return Violation("checked_in_at", "not_self")
		case !r.IsNew() && !r.Original().GetDateTime("checked_in_at").IsZero():
			return Violation("checked_in_at", "checked_in_before")
		case r.GetDateTime("checked_in_at").Time().After(now):
			r.Set("checked_in_at", Stored(now)) // a phone's fast clock must not keep anybody from checking in
		}
	}
	at := r.GetDateTime("checked_in_at").Time()
	if r.GetDateTime("checked_in_at").IsZero() {
		return nil
	}
	if err := notYet(r, now, "checked_in_at"); err != nil {
		return err
	}
	from, until, err := dutyHours(app, r)
	if err == nil && (at.Before(from) || !at.Before(until)) {
		return Violation("checked_in_at", "outside_duty_hours")
	}
	return err
}

var hours = regexp.MustCompile(`^([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$`)

// dutyHours is when one may check in for a half-day: by the parameters duty.am and duty.pm ("08:00-12:30", Shanghai time), else
// so widely that only the other half of the day is out.
func dutyHours(app core.App, r *core.Record) (from, until time.Time, err error) {
	half := r.GetString("half")
	said, err := parameter(app, "duty."+half, r.GetDateTime("day").Time())
	if err != nil {
		return from, until, err
	}
	if !hours.MatchString(said) {
		said = map[string]string{"am": "00:00-14:00", "pm": "11:00-24:00"}[half]
	}
	day := r.GetDateTime("day").Time()
	clock := func(s string) time.Time { return day.Add(time.Duration(digits(s[:2])*60+digits(s[3:])) * time.Minute) }
	if said == "" {
		return from, until, Violation("half", "required")
	}
	return clock(said[:5]), clock(said[6:]), nil
}

func digits(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// spotCheck notes who looked in and when. Absent stays absent for the head once an official has said so; in the figures it
// counts more than a check-in.
func spotCheck(app core.App, r, actor *core.Record, now time.Time) error {
	defaultTo(r, "spot_check", "none")
	before := r.Original().GetString("spot_check")
	if r.IsNew() || before == "" {
		before = "none"
	}
	result := r.GetString("spot_check")
	if result == before && !changed(r, "spot_checked_at") {
		return nil
	}
	if actor != nil {
		if err := maySpotCheck(app, r, actor); err != nil {
			return err
		}
	}
	if result == "none" {
		r.Set("spot_checked_at", "")
		r.Set("spot_checked_by", "")
		return nil
	}
	if actor != nil {
		r.Set("spot_checked_by", actor.Id)
	}
	defaultTo(r, "spot_checked_at", Stored(now))
	if Day(r.GetDateTime("spot_checked_at").Time()) != Day(r.GetDateTime("day").Time()) {
		return Violation("spot_checked_at", "not_on_duty_day")
	}
	return notYet(r, now, "spot_checked_at")
}

func maySpotCheck(app core.App, r, actor *core.Record) error {
	switch {
	case hasRole(actor, "official"):
		return nil
	case !hasRole(actor, "harbour_head"):
		return Violation("spot_check", "role_not_allowed")
	case r.GetString("user") == actor.Id:
		return Violation("spot_check", "spot_check_self")
	}
	by := r.Original().GetString("spot_checked_by")
	if by == "" || by == actor.Id {
		return nil
	}
	checker, err := app.FindRecordById("users", by)
	if err == nil && hasRole(checker, "official") {
		return Violation("spot_check", "spot_check_stands")
	}
	return err
}
