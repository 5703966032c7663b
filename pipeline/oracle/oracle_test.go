package oracle

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"
)

const noRow = "no row"

func TestASecondVisitAfter23Hours59IsARepeatAndOneAfter24HoursIsNot(t *testing.T) {
	w := newWorld(t)
	w.enterprise("soon", "g1")
	w.visit("v1", "soon", "2026-05-10 09:00")
	w.visit("v2", "soon", "2026-05-11 08:59")
	w.enterprise("later", "g1")
	w.visit("v3", "later", "2026-05-10 09:30", fields{"worker": "worker2"})
	w.visit("v4", "later", "2026-05-11 09:30", fields{"worker": "worker2"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 worker worker1 COV-04": "1/2 暂定",
		"M 2026-05-01 worker worker2 COV-04": "2/2 暂定",
		"M 2026-05-01 grid g1 COV-04":        "3/4 暂定",
		"M 2026-05-01 grid g1 COV-01":        "2/2 暂定",
	})
}

func TestCallingEvery20HoursEarnsOneVisitBecauseARepeatHoldsBackTheNext(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2026-05-10 00:00")
	w.visit("v2", "e1", "2026-05-10 20:00")
	w.visit("v3", "e1", "2026-05-11 16:00")
	w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 worker worker1 COV-04": "1/3 暂定"})
}

func TestAnInvalidFirstVisitAnotherWorkerOrTheMonthBeforeDecideWhatIsARepeat(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2026-05-10 09:00", fields{"outcome": "absent"}) // nobody there: no reason not to come back
	w.visit("v2", "e1", "2026-05-10 15:00")
	w.visit("v3", "e1", "2026-05-10 16:00", fields{"worker": "worker2"}) // another worker
	w.enterprise("e2", "g1")
	w.visit("v4", "e2", "2026-04-30 23:00", fields{"worker": "worker3"})
	w.visit("v5", "e2", "2026-05-01 10:00", fields{"worker": "worker3"}) // repeats a visit of the month before
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 worker worker1 COV-04": "1/2 暂定",
		"M 2026-05-01 worker worker2 COV-04": "1/1 暂定",
		"M 2026-05-01 worker worker3 COV-04": "0/1 暂定",
		"M 2026-04-01 worker worker3 COV-04": "1/1 封账",
		"M 2026-05-01 grid g1 COV-01":        "1/2 暂定",
		"Q 2026-04-01 grid g1 COV-01":        "2/2 暂定",
	})
}

func TestAFix200MetresAwayCountsAndOneFurtherDoesNot(t *testing.T) {
	// One degree of latitude is 111,194.93 m on the sphere; a degree of longitude at 30.8° is 0.858960 of it.
	for _, c := range []struct {
		name     string
		lon, lat float64
		want     string
	}{
		{"199.995 m north", 108.4, 30.8 + 0.0017986, "1/1 暂定"},
		{"200.006 m north", 108.4, 30.8 + 0.0017987, "0/1 暂定"},
		{"199.62 m east", 108.4 + 0.00209, 30.8, "1/1 暂定"},
		{"200.58 m east", 108.4 + 0.00210, 30.8, "0/1 暂定"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.enterprise("e1", "g1")
			w.visit("v1", "e1", "2026-05-10 09:00", fields{"location": geo(c.lon, c.lat)})
			w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 grid g1 COV-01": c.want})
		})
	}
}

func TestAnEnterpriseWithoutAPointNeedsAFixOnlyAndAVisitWithoutAFixNeedsAnApprovedException(t *testing.T) {
	none := fields{"location": geo(0, 0)}
	w := newWorld(t)
	w.enterprise("nopoint", "g1", none)
	w.visit("v1", "nopoint", "2026-05-10 09:00", fields{"location": geo(100, 20), "worker": "a"})
	w.visit("v2", "nopoint", "2026-05-12 09:00", fields{"location": "", "worker": "b"})
	w.enterprise("e1", "g1")
	w.visit("v3", "e1", "2026-05-10 09:00", none, fields{"worker": "c"})
	w.visit("v4", "e1", "2026-05-10 09:00", none, fields{"worker": "d", "review": "exception_approved"})
	w.visit("v5", "e1", "2026-05-10 09:00", fields{"location": geo(100, 20), "worker": "e", "review": "exception_approved"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 worker a COV-04": "1/1 暂定",
		"M 2026-05-01 worker b COV-04": "0/1 暂定",
		"M 2026-05-01 worker c COV-04": "0/1 暂定",
		"M 2026-05-01 worker d COV-04": "1/1 暂定",
		"M 2026-05-01 worker e COV-04": "1/1 暂定",
	})
}

func TestWhatElseMakesAVisitInvalid(t *testing.T) {
	unsigned := fields{"signature": ""}
	for _, c := range []struct {
		name string
		over fields
		want string
	}{
		{"nobody there", fields{"outcome": "absent"}, "0/1 暂定"},
		{"not at the shop", fields{"place": "market"}, "0/1 暂定"},
		{"place not said", fields{"place": ""}, "0/1 暂定"},
		{"voided", fields{"review": "voided"}, "0/1 暂定"},
		{"suspicion confirmed", fields{"review": "suspicion_confirmed"}, "0/1 暂定"},
		{"never reviewed", fields{"review": ""}, "1/1 暂定"},
		{"2 min 59 s long", fields{"started_at": at("2026-05-10 08:57:01")}, "0/1 暂定"},
		{"3 min long", fields{"started_at": at("2026-05-10 08:57")}, "1/1 暂定"},
		{"end not recorded", fields{"ended_at": ""}, "0/1 暂定"},
		{"enterprise unknown", fields{"enterprise": "gone"}, "0/1 暂定"},
		{"neither signature nor photo", unsigned, "0/1 暂定"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.enterprise("e1", "g1")
			w.visit("v1", "e1", "2026-05-10 09:00", c.over)
			w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 grid g1 COV-04": c.want})
		})
	}
	for _, c := range []struct {
		name  string
		photo fields
		want  string
	}{
		{"a photo instead of a signature", fields{"collection": "visits", "file": "p.jpg"}, "1/1 暂定"},
		{"a photo announced but not arrived", fields{"collection": "visits", "file": ""}, "0/1 暂定"},
		{"a photo of something else", fields{"collection": "inspections", "file": "p.jpg"}, "0/1 暂定"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.enterprise("e1", "g1")
			w.visit("v1", "e1", "2026-05-10 09:00", unsigned)
			w.insert("photos", with(fields{"id": "p1", "record": "v1"}, []fields{c.photo}))
			w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 grid g1 COV-04": c.want})
		})
	}
}

func TestTheUniverseIsTradingPrivateSmallBusinessesFoundedByThen(t *testing.T) {
	field := fields{"origin": "field", "registry_status": "", "confirmed_at": at("2026-05-20 23:59")}
	for _, c := range []struct {
		name string
		over []fields
		want string
	}{
		{"on the register and trading", nil, "0/1 暂定"},
		{"struck off the register", []fields{{"registry_status": "注销"}}, "0/0 暂定"},
		{"register silent on the status", []fields{{"registry_status": ""}}, "0/0 暂定"},
		{"found in the field and confirmed before T", []fields{field}, "0/1 暂定"},
		{"found in the field, confirmed at T", []fields{field, {"confirmed_at": at("2026-05-21 00:00")}}, "0/0 暂定"},
		{"found in the field, never confirmed", []fields{field, {"confirmed_at": ""}}, "0/0 暂定"},
		{"found in the field, confirmed, struck off", []fields{field, {"registry_status": "吊销"}}, "0/0 暂定"},
		{"of no known origin", []fields{{"origin": ""}}, "0/0 暂定"},
		{"closed", []fields{{"status": "closed"}}, "0/0 暂定"},
		{"merged into another", []fields{{"status": "duplicate"}}, "0/0 暂定"},
		{"state-owned company", []fields{{"ownership": "state"}}, "0/0 暂定"},
		{"state-owned stall, absurd but an individual business", []fields{{"ownership": "state", "kind": "individual_business"}}, "0/1 暂定"},
		{"ownership not known", []fields{{"ownership": "unknown"}}, "0/1 暂定"},
		{"medium", []fields{{"size": "medium"}}, "0/0 暂定"},
		{"size not known (未划型)", []fields{{"size": "unknown"}}, "0/1 暂定"},
		{"founded on the day", []fields{{"founded_on": at("2026-05-20 00:00")}}, "0/1 暂定"},
		{"founded the day after", []fields{{"founded_on": at("2026-05-21 00:00")}}, "0/0 暂定"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.enterprise("e1", "g1", c.over...)
			w.run("2026-05-20").expect(map[string]string{
				"M 2026-05-01 grid g1 COV-01": c.want, "CUM 2021-10-29 district d1 COV-02": c.want})
		})
	}
}

func TestAMovedEnterpriseCountsInItsOldGridForMonthsBeforeTheMove(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g3") // lives in g3 now
	w.past("e1", "grid", "g1", "", "2026-04-10 00:00")
	w.past("e1", "grid", "", "2026-04-10 00:00", "2026-05-01 00:00")
	w.past("e1", "grid", "g2", "2026-05-01 00:00", "2026-05-03 00:00")
	w.insert("scope_history", fields{"id": "open", "collection": "enterprises", "record": "e1", "field": "grid", "value": "g1"}) // no end: not a past value
	w.insert("scope_history", fields{"id": "user", "collection": "users", "record": "e1", "field": "grid", "value": "g1", "until": at("2027-01-01 00:00")})
	w.visit("v1", "e1", "2026-03-15 09:00")
	w.visit("v2", "e1", "2026-04-15 09:00")
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-03-01 grid g1 COV-01":      "1/1 封账",
		"M 2026-03-01 grid g2 COV-01":      "0/0 封账",
		"M 2026-03-01 community c1 COV-01": "1/1 封账",
		"M 2026-03-01 street s2 COV-01":    "0/0 封账",
		// The move of 1 May 00:00 has happened at T of April; where it lived for a day or so in between was never a T.
		"M 2026-04-01 grid g2 COV-01":     "1/1 封账",
		"M 2026-04-01 grid g3 COV-01":     "0/0 封账",
		"M 2026-04-01 district d1 COV-01": "1/1 封账",
		"M 2026-05-01 grid g3 COV-01":     "0/1 暂定",
		// Visits stay where they were made.
		"M 2026-04-01 grid g1 COV-04": "1/1 封账",
	})
}

func TestAClosedEnterpriseLeavesTheUniverseFromTheMonthOfItsClosing(t *testing.T) {
	w := newWorld(t)
	w.enterprise("closed", "g1", fields{"status": "closed"})
	w.past("closed", "status", "active", "", "2026-04-20 12:00")
	w.visit("v1", "closed", "2026-03-15 09:00")
	w.enterprise("gone_at_T", "g1", fields{"status": "moved"}) // left as March ended: no longer there at its T
	w.past("gone_at_T", "status", "active", "", "2026-04-01 00:00")
	w.enterprise("struck", "g1", fields{"registry_status": "注销"})
	w.past("struck", "registry_status", "在业", "", "2026-05-02 00:00")
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-03-01 grid g1 COV-01":        "1/2 封账",
		"Q 2026-01-01 grid g1 COV-01":        "1/2 封账",
		"M 2026-04-01 grid g1 COV-01":        "0/1 封账",
		"M 2026-05-01 grid g1 COV-01":        "0/0 暂定",
		"YTD 2026-01-01 district d1 COV-01":  "0/0 暂定",
		"R365 2025-05-21 street s1 COV-01":   "0/0 暂定",
		"CUM 2021-10-29 community c1 COV-02": "0/0 暂定",
		"M 2026-03-01 worker worker1 COV-04": "1/1 封账",
		"M 2026-02-01 grid g1 COV-01":        noRow, // nothing was ever captured before March
	})
}

func TestTwoRowsWithOneCreditCodeAreOneEnterpriseWhereverItWasVisited(t *testing.T) {
	same := fields{"uscc": "91500101MA5U000001"}
	w := newWorld(t)
	w.enterprise("a", "g2", same, fields{"origin": "field", "confirmed_at": at("2026-04-01 00:00")}) // smaller id, but found in the field
	w.enterprise("b", "g1", same, fields{"uscc": " 91500101MA5U000001 "})                            // speaks for both
	w.enterprise("c", "g3", same)
	w.enterprise("dup", "g3", same, fields{"status": "duplicate"}) // outside the universe, still the same enterprise
	w.visit("v1", "dup", "2026-05-10 09:00")
	w.visit("v2", "a", "2026-05-11 08:00") // repeats v1: same worker, same enterprise
	w.enterprise("n1", "g3", fields{"uscc": ""})
	w.enterprise("n2", "g3", fields{"uscc": ""}) // no code: each stands for itself
	w.visit("v3", "n1", "2026-05-10 10:00")
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 grid g1 COV-01":            "1/1 暂定",
		"M 2026-05-01 grid g2 COV-01":            "0/0 暂定",
		"M 2026-05-01 grid g3 COV-01":            "1/2 暂定",
		"M 2026-05-01 district d1 COV-01":        "2/3 暂定",
		"M 2026-05-01 worker worker1 COV-04":     "2/3 暂定",
		"CUM 2021-10-29 district d1 COV-02":      "2/3 暂定",
		"YTD 2026-01-01 street s2 COV-01":        "1/2 暂定",
		"R365 2025-05-21 community c2 COV-01":    "1/2 暂定",
		"M 2026-05-01 community c1 COV-01":       "1/1 暂定",
		"M 2026-05-01 grid g1 CRD-01.amount":     "0 暂定",
		"M 2026-05-01 district d1 CRD-01":        "0 暂定",
		"M 2026-05-01 district d1 DQ-01":         "3/3 暂定",
		"M 2026-05-01 worker worker1 DQ-01":      "3/3 暂定",
		"M 2026-05-01 grid g1 DQ-01":             noRow,
		"Q 2026-04-01 worker worker1 COV-04":     noRow,
		"CUM 2021-10-29 district d1 COV-01":      noRow,
		"YTD 2026-01-01 district d1 CNV-01":      noRow,
		"M 2026-05-01 bank bank1 CNV-01":         noRow,
		"M 2026-05-01 street d1 COV-01":          noRow,
		"M 2026-05-01 community s1 COV-01":       noRow,
		"M 2026-05-01 grid g3 CNV-01":            "0/0 暂定",
		"M 2026-05-01 street s2 COV-04":          "0/0 暂定",
		"M 2026-05-01 community c2 COV-04":       "0/0 暂定",
		"M 2026-05-01 grid g1 COV-04":            "2/3 暂定",
		"YTD 2026-01-01 district d1 CRD-01":      "0 暂定",
		"YTD 2026-01-01 grid g2 CRD-01.amount":   "0 暂定",
		"Q 2026-04-01 community c1 COV-01":       "1/1 暂定",
		"Q 2026-04-01 district d1 CRD-01":        noRow,
		"R365 2025-05-21 district d1 CRD-01":     noRow,
		"R365 2025-05-21 district d1 COV-01":     "2/3 暂定",
		"M 2026-05-01 district d1 COV-02":        noRow,
		"M 2026-05-01 district d1 CRD-01.amount": "0 暂定",
	})
}

func TestAnEnterpriseWaitingForAGridCountsOnlyInTheDistrict(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "")
	w.visit("v1", "e1", "2026-05-10 09:00", fields{"grid": ""})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 district d1 COV-01":    "1/1 暂定",
		"M 2026-05-01 district d1 COV-04":    "1/1 暂定",
		"M 2026-05-01 worker worker1 COV-04": "1/1 暂定",
		"M 2026-05-01 street s1 COV-01":      "0/0 暂定",
		"M 2026-05-01 grid  COV-01":          noRow,
	})
}

func TestWhatArrivesAfterTheMonthWasFrozenDoesNotMoveIt(t *testing.T) {
	late := fields{"synced_at": at("2026-05-06 00:00")} // the freeze itself: too late
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2026-04-10 09:00", fields{"synced_at": at("2026-05-05 23:59:59")})
	w.enterprise("e2", "g1")
	w.visit("v2", "e2", "2026-04-10 10:00", late)
	for _, n := range []string{"3", "6"} { // these visits came in time, their only photo did not
		w.enterprise("e"+n, "g1")
		w.visit("v"+n, "e"+n, "2026-04-10 11:00", fields{"signature": ""})
		w.insert("photos", fields{"id": "p" + n, "collection": "visits", "record": "v" + n, "file": "p.jpg", "captured_at": at("2026-04-10 11:00"),
			"device": "phone1", "synced_at": late["synced_at"]})
	}
	w.enterprise("e4", "g1") // the first of two came too late to make the second a repeat
	w.visit("v4", "e4", "2026-04-10 12:00", late)
	w.visit("v5", "e4", "2026-04-10 13:00")
	w.demand("d1", "e1", "2026-04-10 09:00", late)
	w.demand("d2", "e1", "2026-04-12 09:00", fields{"amount": 70000}) // kept in frozen April for the same reason; a duplicate in the year to date
	w.enterprise("e7", "g1")
	w.visit("v7", "e7", "2026-04-11 09:00", fields{"synced_at": "", "worker": "worker2"}) // no time of receipt: cannot be shown to have been there
	w.run("2026-05-04").expect(map[string]string{
		"M 2026-04-01 grid g1 COV-01":        "6/6 暂定",
		"M 2026-04-01 grid g1 COV-04":        "6/7 暂定",
		"M 2026-04-01 grid g1 CRD-01":        "1 暂定",
		"M 2026-04-01 grid g1 CRD-01.amount": "100000 暂定",
		"M 2026-04-01 district d1 DQ-01":     "4/11 暂定", // v3, v5, v6 and d2 in time
	})
	w.run("2026-05-05").expect(map[string]string{
		"M 2026-04-01 grid g1 COV-01":              "2/6 封账", // by v1 and v5
		"M 2026-04-01 grid g1 COV-04":              "2/4 封账", // of v1, v3, v5, v6
		"M 2026-04-01 worker worker1 COV-04":       "2/4 封账",
		"M 2026-04-01 worker worker2 COV-04":       noRow,
		"M 2026-04-01 grid g1 CRD-01":              "1 封账",
		"M 2026-04-01 grid g1 CRD-01.amount":       "70000 封账",
		"M 2026-04-01 grid g1 CNV-01":              "0/1 封账",
		"M 2026-04-01 district d1 DQ-01":           "4/5 封账", // v1 came weeks late, but it came
		"M 2026-05-01 grid g1 COV-01":              "0/6 暂定",
		"M 2026-05-01 district d1 DQ-01":           "0/0 暂定",
		"Q 2026-04-01 grid g1 COV-01":              "6/6 暂定",
		"R365 2025-05-06 district d1 COV-01":       "6/6 暂定",
		"CUM 2021-10-29 district d1 COV-02":        "6/6 暂定",
		"YTD 2026-01-01 grid g1 COV-01":            "6/6 暂定",
		"YTD 2026-01-01 grid g1 CRD-01":            "1 暂定",
		"YTD 2026-01-01 district d1 CRD-01.amount": "100000 暂定",
	})
}

func TestAQuarterIsFrozenLikeItsLastMonthAndTheYearToDateNever(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2025-10-10 09:00")
	w.run("2026-01-04").expect(map[string]string{
		"M 2025-11-01 district d1 COV-01": "0/1 封账", "M 2025-12-01 district d1 COV-01": "0/1 暂定", "Q 2025-10-01 district d1 COV-01": "1/1 暂定",
		"YTD 2026-01-01 district d1 COV-01": "0/1 暂定", "Q 2026-01-01 district d1 COV-01": "0/1 暂定", "YTD 2025-01-01 district d1 COV-01": noRow,
	})
	w.run("2026-01-05").expect(map[string]string{
		"M 2025-12-01 district d1 COV-01": "0/1 封账", "Q 2025-10-01 district d1 COV-01": "1/1 封账",
		"YTD 2026-01-01 district d1 COV-01": "0/1 暂定", "R365 2025-01-06 district d1 COV-01": "1/1 暂定",
	})
}

func TestADayEndsAtMidnightInShanghai(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2026-05-20 23:59:59")
	w.enterprise("e2", "g1")
	w.visit("v2", "e2", "2026-05-21 00:00")
	w.enterprise("e3", "g1")
	w.visit("v3", "e3", "2026-05-01 00:00")
	w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 grid g1 COV-01": "2/3 暂定", "M 2026-05-01 grid g1 COV-04": "2/2 暂定"})
	w.run("2026-05-21").expect(map[string]string{"M 2026-05-01 grid g1 COV-01": "3/3 暂定", "M 2026-04-01 grid g1 COV-01": noRow})
}

func TestTheLast365DaysAndAllTimeBeginWhereTheySay(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2025-05-21 00:00")
	w.enterprise("e2", "g1")
	w.visit("v2", "e2", "2025-05-20 23:59:59")
	w.enterprise("e3", "g1")
	w.visit("v3", "e3", "2021-10-28 23:59:59")
	w.run("2026-05-20").expect(map[string]string{"R365 2025-05-21 grid g1 COV-01": "1/3 暂定", "CUM 2021-10-29 grid g1 COV-02": "2/3 暂定",
		"M 2024-05-01 grid g1 COV-01": "0/3 封账", "M 2024-04-01 grid g1 COV-01": noRow}) // 24 months back, no more
	w.insert("parameters", fields{"id": "p1", "code": "start_on", "value": "2020-01-01", "from": at("2020-01-01 00:00"), "until": at("2025-01-01 00:00")})
	w.insert("parameters", fields{"id": "p2", "code": "start_on", "value": "2025-05-21", "from": at("2025-01-01 00:00")})
	w.insert("parameters", fields{"id": "p3", "code": "start_on", "value": "2022-01-01", "from": at("2024-01-01 00:00")})
	w.insert("parameters", fields{"id": "p4", "code": "start_on", "value": "2026-01-01", "from": at("2026-05-20 00:00"), "until": at("2026-05-20 00:00")})
	w.insert("parameters", fields{"id": "p5", "code": "start_on", "value": "2026-05-21", "from": at("2026-05-21 00:00")})
	w.insert("parameters", fields{"id": "p6", "code": "end_on", "value": "2026-05-21", "from": at("2026-05-19 00:00")})
	w.run("2026-05-20").expect(map[string]string{"CUM 2025-05-21 grid g1 COV-02": "1/3 暂定", "CUM 2021-10-29 grid g1 COV-02": noRow})
}

func TestAnEntityIsLongUnvisitedWhenItsLastValidVisitIsMoreThan90DaysBeforeTheEndOfTheDay(t *testing.T) {
	w := newWorld(t)
	// T is 21 May 2026 00:00: 90 days before is 20 February, 180 is 22 November, 365 is 21 May 2025.
	for _, c := range []struct{ id, last string }{
		{"a1", "2026-02-20 00:00"}, {"a2", "2026-02-19 23:59:59"}, {"b1", "2025-11-22 00:00"}, {"b2", "2025-11-21 23:59:59"},
		{"c1", "2025-05-21 00:00"}, {"c2", "2025-05-20 23:59:59"}, {"tomorrow", "2026-05-21 00:00"}, {"before_start", "2020-01-01 09:00"},
	} {
		w.enterprise(c.id, "g1")
		w.visit("v"+c.id, c.id, c.last, fields{"synced_at": at("2026-06-30 00:00"), "worker": c.id})
	}
	w.visit("v_old", "a1", "2024-01-01 09:00") // the last one speaks
	w.enterprise("invalid", "g3")
	w.visit("v_invalid", "invalid", "2026-05-10 09:00", fields{"outcome": "absent"})
	w.enterprise("twin", "g3", fields{"uscc": "X", "status": "duplicate"}) // outside the universe, but the same entity
	w.enterprise("twin_counts", "g3", fields{"uscc": "X"})
	w.visit("v_twin", "twin", "2026-05-10 09:00")
	w.enterprise("unassigned", "")
	w.enterprise("moved", "g2")
	w.past("moved", "grid", "g3", "", "2026-05-20 12:00")
	w.enterprise("closed", "g1", fields{"status": "closed"})
	w.run("2026-05-20").expect(map[string]string{
		"CUM 2021-10-29 grid g1 COV-07":            "7 暂定", // all but a1
		"CUM 2021-10-29 grid g1 COV-07.d180":       "5 暂定",
		"CUM 2021-10-29 grid g1 COV-07.d365":       "3 暂定",
		"CUM 2021-10-29 grid g1 COV-07.never":      "1 暂定",
		"CUM 2021-10-29 grid g2 COV-07.never":      "1 暂定",
		"CUM 2021-10-29 grid g3 COV-07":            "1 暂定",
		"CUM 2021-10-29 grid g3 COV-07.never":      "1 暂定",
		"CUM 2021-10-29 community c1 COV-07.d365":  "4 暂定",
		"CUM 2021-10-29 street s2 COV-07.d365":     "1 暂定",
		"CUM 2021-10-29 district d1 COV-07":        "10 暂定",
		"CUM 2021-10-29 district d1 COV-07.never":  "4 暂定",
		"M 2026-05-01 district d1 COV-07":          noRow,
		"CUM 2021-10-29 worker worker1 COV-07":     noRow,
		"CUM 2021-10-29 district d1 COV-02":        "7/12 暂定", // the visit before the start is none there
		"YTD 2026-01-01 district d1 COV-07.never":  noRow,
		"R365 2025-05-21 district d1 COV-07.never": noRow,
	})
}

func TestAGridIsActiveWhenAValidVisitWasMadeInItAndOnlyGridsWithSomeoneToVisitAreAsked(t *testing.T) {
	w := newWorld(t)
	w.insert("grids", fields{"id": "empty", "area": "c2"})
	w.insert("grids", fields{"id": "gd", "area": "d1"}) // in no street
	w.enterprise("e1", "g1")
	w.enterprise("e2", "g2")
	w.past("e2", "grid", "gd", "", "2026-05-10 00:00")
	w.enterprise("e3", "g3")
	w.enterprise("ed", "gd")
	w.enterprise("closed", "empty", fields{"status": "closed"})
	w.enterprise("nogrid", "")
	w.enterprise("elsewhere", "nosuch")
	w.visit("v1", "e1", "2026-04-10 09:00", fields{"grid": "g2"})                                      // where it was made counts, not whom it was made to
	w.visit("v2", "e2", "2026-04-11 09:00", fields{"grid": "g1", "outcome": "refused"})                // no valid one
	w.visit("v3", "e3", "2026-04-12 09:00", fields{"grid": "g3", "synced_at": at("2026-05-06 00:00")}) // too late for frozen April
	w.visit("v4", "ed", "2026-04-13 09:00", fields{"grid": "gd"})
	w.visit("v5", "ed", "2026-05-13 09:00", fields{"grid": "empty"}) // nobody to visit there
	w.visit("v6", "ed", "2026-05-15 09:00", fields{"grid": "g2"})
	w.visit("v7", "ed", "2026-05-17 09:00", fields{"grid": ""})
	w.visit("v8", "ed", "2026-05-19 09:00", fields{"grid": "nosuch"})
	w.run("2026-05-04").expect(map[string]string{"M 2026-04-01 street s1 COV-05": "0/1 暂定", "M 2026-04-01 street s2 COV-05": "1/1 暂定", "M 2026-04-01 district d1 COV-05": "2/3 暂定"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-04-01 street s1 COV-05":     "0/1 封账", // e2 was still in gd
		"M 2026-04-01 street s2 COV-05":     "0/1 封账",
		"M 2026-04-01 district d1 COV-05":   "1/3 封账", // gd
		"M 2026-05-01 street s1 COV-05":     "1/2 暂定",
		"M 2026-05-01 street s2 COV-05":     "0/1 暂定",
		"M 2026-05-01 district d1 COV-05":   "1/4 暂定",
		"M 2026-05-01 grid g2 COV-05":       noRow,
		"M 2026-05-01 street  COV-05":       noRow,
		"M 2026-05-01 community c1 COV-05":  noRow,
		"YTD 2026-01-01 district d1 COV-05": noRow,
	})
}

func TestADemandWithin30DaysOfTheLastKeptOneIsADuplicate(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1", fields{"uscc": "X"})
	w.enterprise("e1b", "g1", fields{"uscc": "X"})
	w.demand("d1", "e1", "2026-03-01 09:00")
	w.demand("d2", "e1b", "2026-03-21 09:00")                                      // 20 days after d1, by the other record: duplicate
	w.demand("d3", "e1", "2026-04-05 09:00", fields{"amount": 250000})             // 35 days after d1, 15 after d2: kept
	w.demand("d4", "e1", "2026-05-05 09:00")                                       // exactly 30 days after d3: duplicate
	w.demand("d5", "e1", "2026-05-05 09:00:01", fields{"amount": 7, "grid": "g2"}) // a second more: kept
	w.demand("d6", "e1", "2026-05-06 09:00", fields{"need": "equipment", "amount": 30})
	w.demand("d7", "e1", "2026-05-07 09:00", fields{"need": "green", "stage": "void"})
	w.demand("d8", "e1", "2026-05-08 09:00", fields{"need": "green", "amount": 500}) // a void one starts no chain
	w.demand("d9", "", "2026-05-09 09:00", fields{"applicant": "张三", "amount": 1000})
	w.demand("d10", "", "2026-05-09 10:00", fields{"applicant": "张三", "amount": 1000})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-03-01 grid g1 CRD-01":              "1 封账",
		"M 2026-04-01 grid g1 CRD-01":              "1 封账",
		"M 2026-04-01 grid g1 CRD-01.amount":       "250000 封账",
		"M 2026-05-01 grid g1 CRD-01":              "4 暂定",
		"M 2026-05-01 grid g2 CRD-01":              "1 暂定",
		"M 2026-05-01 street s1 CRD-01":            "5 暂定",
		"M 2026-05-01 district d1 CRD-01.amount":   "2537 暂定",
		"YTD 2026-01-01 district d1 CRD-01":        "7 暂定",
		"YTD 2026-01-01 district d1 CRD-01.amount": "352537 暂定",
	})
}

func TestADemandIsAnsweredWhenABankHasReachedTheApplicant(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct{ contact, demand fields }{
		{fields{}, fields{}},                // answered
		{fields{"reached": false}, nil},     // nobody picked up
		{fields{"match": ""}, nil},          // the harbour called, not a bank
		{fields{"kind": "note"}, nil},       // not a contact
		{nil, nil},                          // nothing happened
		{fields{}, fields{"stage": "void"}}, // the rest is no cohort
		{fields{}, fields{"need": "equity"}},
		{fields{}, fields{"withdrawn_at": at("2026-04-11 09:00")}}, // within 24 hours, the last second included
		{nil, fields{"withdrawn_at": at("2026-04-11 09:00:01")}},   // counts, unanswered
	} {
		id := fmt.Sprint("d", i)
		w.demand(id, "", "2026-04-10 09:00", c.demand)
		w.match("m"+id, id, "bank1", "2026-04-12 09:00")
		if c.contact != nil {
			w.contact("e"+id, id, "m"+id, "2026-04-13 09:00", c.contact)
		}
	}
	w.contact("again", "d0", "md0", "2026-04-14 09:00")
	w.run("2026-04-20").expect(map[string]string{
		"M 2026-04-01 grid g1 CNV-01":     "1/6 暂定",
		"M 2026-04-01 district d1 CNV-01": "1/6 暂定",
		"M 2026-04-01 grid g2 CNV-01":     "0/0 暂定",
		"M 2026-04-01 bank bank1 CNV-01":  "1/6 暂定",
	})
}

func TestAContactCountsUntilTheRunAndAfterFreezingUntilTheFreeze(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ id, at, synced string }{
		{"next_month", "2026-05-02 09:00", "2026-05-02 09:00"}, // after the month, before the freeze
		{"told_late", "2026-05-05 09:00", "2026-05-06 09:00"},
		{"too_late", "2026-05-06 00:00", "2026-05-05 23:00"}, // a clock ahead of the server's: the moment itself decides
	} {
		w.demand(c.id, "", "2026-04-10 09:00")
		w.match("m_"+c.id, c.id, "bank1", "2026-04-12 09:00")
		w.contact("e_"+c.id, c.id, "m_"+c.id, c.at, fields{"synced_at": at(c.synced)})
	}
	w.run("2026-05-01").expect(map[string]string{"M 2026-04-01 grid g1 CNV-01": "0/3 暂定", "M 2026-04-01 bank bank1 CNV-01": "0/3 暂定"})
	w.run("2026-05-04").expect(map[string]string{"M 2026-04-01 grid g1 CNV-01": "1/3 暂定", "M 2026-04-01 bank bank1 CNV-01": "1/3 暂定"})
	w.run("2026-06-20").expect(map[string]string{"M 2026-04-01 grid g1 CNV-01": "1/3 封账", "M 2026-04-01 bank bank1 CNV-01": "1/3 封账"})
}

func TestABankAnswersForItsOwnMatchesInTheMonthTheyWereMade(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-04-28 09:00")
	w.match("m1", "d1", "bank1", "2026-04-29 09:00")
	w.match("m2", "d1", "bank2", "2026-05-02 09:00")
	w.match("m3", "d1", "bank3", "2026-05-02 09:00", fields{"matched_at": ""})
	w.contact("e1", "d1", "m2", "2026-05-03 09:00")
	w.match("late", "d1", "bank4", "2026-04-29 09:00", fields{"synced_at": at("2026-05-06 00:00")})
	w.match("m4", "gone", "bank1", "2026-05-02 09:00") // its demand does not exist
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-04-01 bank bank1 CNV-01":  "0/1 封账",
		"M 2026-05-01 bank bank2 CNV-01":  "1/1 暂定",
		"M 2026-05-01 bank bank1 CNV-01":  noRow,
		"M 2026-04-01 bank bank2 CNV-01":  noRow,
		"M 2026-05-01 bank bank3 CNV-01":  noRow,
		"M 2026-04-01 bank bank4 CNV-01":  noRow,
		"M 2026-04-01 district d1 CNV-01": "1/1 封账", // whichever bank answered
		"M 2026-05-01 district d1 CNV-01": "0/0 暂定",
	})
}

func TestARecordIsOnTimeWhenItArrivesWithin24Hours(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.insert("devices", fields{"id": "phone2", "user": "worker2"})
	w.visit("v1", "e1", "2026-05-10 09:00", fields{"synced_at": at("2026-05-11 09:00")})
	w.visit("v2", "e1", "2026-05-10 10:00", fields{"synced_at": at("2026-05-11 10:00:01"), "outcome": "absent"})
	w.insert("photos", fields{"id": "p1", "collection": "visits", "record": "v1", "captured_at": at("2026-05-10 09:01"), "synced_at": at("2026-05-10 09:30"), "device": "phone2"})
	w.demand("d1", "e1", "2026-05-10 09:00", fields{"stage": "void"}) // made by mistake, but sent in time
	w.match("m1", "d1", "bank1", "2026-05-10 12:00")                  // at a bank's desk: no device
	w.match("m2", "d1", "bank2", "2026-05-10 12:00", fields{"device": "phone2"})
	w.contact("c1", "d1", "m2", "2026-05-10 13:00", fields{"device": "lost"}) // nobody's phone
	w.contact("c2", "d1", "m2", "2026-04-30 23:00", fields{"device": "phone2"})
	w.contact("c3", "d1", "m2", "2026-05-12 23:00", fields{"device": "phone2", "captured_at": ""})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 worker worker1 DQ-01":  "2/3 暂定",
		"M 2026-05-01 worker worker2 DQ-01":  "2/2 暂定",
		"M 2026-05-01 district d1 DQ-01":     "5/6 暂定",
		"M 2026-05-01 worker lost DQ-01":     noRow,
		"YTD 2026-01-01 district d1 DQ-01":   noRow,
		"M 2026-05-01 worker worker1 COV-04": "1/2 暂定",
	})
}

func TestAnEmptyDistrictStillHasItsRows(t *testing.T) {
	w := newWorld(t)
	rows := computed(t, w.path, "2026-05-20")
	// 3 grids, 2 communities, 2 streets, the district. COV-01 in M Q YTD R365, COV-02, COV-04, four of COV-07, CRD-01 and its amount in M and YTD,
	// CNV-01, CNV-04, CNV-05, CNV-06 in M and YTD, five of CNV-12; COV-05 by street and district; CNV-02, DQ-01, DQ-05 once.
	if want := 8*(4+1+1+4+2+2+1+1+1+2+5) + 3 + 3; len(rows) != want {
		t.Errorf("want %d rows, got %d", want, len(rows))
	}
	counts := map[string]bool{"CRD-01": true, "COV-07": true, "CNV-06": true, "CNV-12": true}
	for _, r := range rows {
		indicator, _, _ := strings.Cut(r.Indicator, ".")
		if r.Numerator != 0 || (r.Denominator == nil) != counts[indicator] || (r.Denominator != nil && *r.Denominator != 0) {
			t.Errorf("%s is %s, want nothing", r.name(), r.figure())
		}
	}
}

func TestAGridRollsUpToTheNearestStreetEvenWhenItBelongsToTheStreetItselfOrToAPark(t *testing.T) {
	w := newWorld(t)
	w.insert("areas", fields{"id": "park", "code": "P1", "kind": "park", "parent": "c1"})
	w.insert("grids", fields{"id": "gp", "area": "park"})
	w.insert("grids", fields{"id": "gs", "area": "s1"})
	w.insert("grids", fields{"id": "gd", "area": "d1"})
	w.enterprise("e1", "gp")
	w.enterprise("e2", "gs")
	w.enterprise("e3", "gd")
	w.enterprise("e4", "g1")
	w.insert("areas", fields{"id": "s3", "code": "S3", "kind": "street", "parent": "s2"})
	w.insert("areas", fields{"id": "c3", "code": "C3", "kind": "community", "parent": "s3"})
	w.insert("grids", fields{"id": "g5", "area": "c3"})
	w.enterprise("e5", "g5")
	w.enterprise("e6", "nosuch") // a grid that does not exist is as good as none
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 community park COV-01": "0/1 暂定",
		"M 2026-05-01 community c1 COV-01":   "0/1 暂定", // the park is not the community's own grid
		"M 2026-05-01 community s1 COV-01":   "0/1 暂定",
		"M 2026-05-01 community d1 COV-01":   "0/1 暂定",
		"M 2026-05-01 street s1 COV-01":      "0/3 暂定",
		"M 2026-05-01 street s3 COV-01":      "0/1 暂定",
		"M 2026-05-01 street s2 COV-01":      "0/0 暂定",
		"M 2026-05-01 grid nosuch COV-01":    noRow,
		"M 2026-05-01 district d1 COV-01":    "0/6 暂定",
	})
}

func TestADayThatHasNotBegunInShanghaiHasNoFigures(t *testing.T) {
	w := newWorld(t)
	if _, err := Compute(w.path, "2026-05-21", time.Date(2026, 5, 20, 15, 59, 59, 0, time.UTC)); err == nil {
		t.Error("want an error a second before midnight")
	}
	if _, err := Compute(w.path, "2026-05-21", time.Date(2026, 5, 20, 16, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
	if _, err := Compute(w.path, "21/05/2026", time.Now()); err == nil {
		t.Error("want an error for a date in another form")
	}
	if _, err := Compute(w.path+".missing", "2026-05-21", time.Now()); err == nil {
		t.Error("want an error for a database that is not there")
	}
}

func TestFiguresCanBeReadWhileTheServerWrites(t *testing.T) {
	w := newWorld(t)
	if _, err := w.db.Exec("PRAGMA journal_mode=WAL"); err != nil {
		t.Fatal(err)
	}
	w.enterprise("e1", "g1") // lies in the write-ahead log only
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("DELETE FROM enterprises"); err != nil {
		t.Fatal(err)
	}
	w.run("2026-05-20").expect(map[string]string{"M 2026-05-01 grid g1 COV-01": "0/1 暂定"})
}

func TestABrokenTimeIsReportedWithItsRecord(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1")
	w.visit("v1", "e1", "2026-05-10 09:00", fields{"synced_at": "yesterday"})
	_, err := Compute(w.path, "2026-05-20", time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	if err == nil || !strings.Contains(err.Error(), "visits v1") || !strings.Contains(err.Error(), "yesterday") {
		t.Errorf("want an error naming visits v1, got %v", err)
	}
}

func TestTheGridsOfAWholeDistrictAddUp(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewSource(1))
	tx, err := w.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		insert(t, tx, "grids", fields{"id": fmt.Sprintf("x%03d", i), "area": []string{"c1", "c2"}[i%2]})
	}
	gridName := func() string { return fmt.Sprintf("x%03d", random.Intn(620)) } // some do not exist: counted in the district only
	add := func(table string, row fields) { insert(t, tx, table, row) }
	for i := range 20000 {
		add("enterprises", fields{"id": fmt.Sprint("e", i), "uscc": fmt.Sprint("U", i/2*2), "kind": "company", "grid": gridName(), "origin": "registry",
			"registry_status": "存续", "location": geo(108.4, 30.8)})
	}
	start := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	moment := func(i, of int) time.Time {
		return start.Add(time.Duration(i) * 24 * 750 * time.Hour / time.Duration(of))
	}
	stored := func(at time.Time) string { return at.Format("2006-01-02 15:04:05.000Z") }
	for i := range 25000 {
		m := moment(i, 25000)
		add("visits", fields{"id": fmt.Sprint("v", i), "enterprise": fmt.Sprint("e", random.Intn(20000)), "grid": gridName(),
			"worker": fmt.Sprint("w", random.Intn(300)), "started_at": stored(m.Add(-5 * time.Minute)), "ended_at": stored(m), "location": geo(108.4, 30.8+random.Float64()/400),
			"place": "shop", "outcome": "met", "signature": "s", "device": "phone1", "captured_at": stored(m), "synced_at": stored(m.Add(time.Duration(random.Intn(900)) * time.Hour))})
	}
	for i := range 3000 {
		m := moment(i, 3000)
		add("demands", fields{"id": fmt.Sprint("d", i), "enterprise": fmt.Sprint("e", random.Intn(2000)), "grid": gridName(), "need": "green",
			"amount": random.Intn(1e6), "accepted_amount": random.Intn(1e6), "captured_at": stored(m), "synced_at": stored(m), "device": "phone1"})
	}
	for i := range 4000 {
		m, d := moment(i%3000, 3000).Add(24*time.Hour), fmt.Sprint("d", i%3000)
		add("demand_matches", fields{"id": fmt.Sprint("m", i), "demand": d, "bank": fmt.Sprint("b", (i+i/3000)%20), "matched_at": stored(m), "synced_at": stored(m),
			"result": []string{"pending", "approved", "lapsed"}[random.Intn(3)]})
		if i%2 == 0 {
			add("demand_events", fields{"id": fmt.Sprint("c", i), "demand": d, "match": fmt.Sprint("m", i), "kind": "contact", "reached": true,
				"at": stored(m.Add(time.Duration(random.Intn(200)) * time.Hour)), "synced_at": stored(m.Add(300 * time.Hour))})
		}
		day := m.Add(time.Duration(random.Intn(100*24)) * time.Hour).Truncate(24 * time.Hour).Add(-8 * time.Hour)
		loan := fields{"id": fmt.Sprint("l", i), "enterprise": fmt.Sprint("e", random.Intn(2000)), "bank": fmt.Sprint("b", i%20), "amount": 1 + random.Intn(1e6),
			"purpose": "business", "evidence": []string{"bank_entered", "bank_confirmed"}[random.Intn(2)], "disbursed_on": stored(day), "first_loan_checked_on": stored(day),
			"confirmed_at": stored(day), "synced_at": stored(day.Add(24 * time.Hour))}
		if i%3 == 0 {
			loan["demand"] = d
		}
		add("loans", loan)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	rows := computed(t, w.path, "2026-05-20")
	type figure struct{ period, start, indicator, kind string }
	num, den := map[figure]int64{}, map[figure]int64{}
	for _, r := range rows {
		f := figure{r.Period, r.PeriodStart, r.Indicator, r.OrgKind}
		num[f] += r.Numerator
		if r.Denominator != nil {
			den[f] += *r.Denominator
			if r.Numerator > *r.Denominator {
				t.Errorf("%s is more than all: %s", r.name(), r.figure())
			}
		}
	}
	for f := range num {
		grids, streets, district := f, f, f
		grids.kind, streets.kind, district.kind = "grid", "street", "district"
		if f.kind != "community" {
			continue
		}
		if num[f] != num[grids] || den[f] != den[grids] || num[f] != num[streets] || den[f] != den[streets] || num[f] > num[district] || den[f] > den[district] {
			t.Errorf("%v: communities %d/%d, grids %d/%d, streets %d/%d, district %d/%d", f, num[f], den[f], num[grids], den[grids], num[streets], den[streets], num[district], den[district])
		}
	}
}
