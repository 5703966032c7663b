package oracle

import (
	"fmt"
	"testing"
)

func TestABankHasThreeWorkingDaysAmongWhichNoHolidayIsButAWorkedSaturday(t *testing.T) {
	w := newWorld(t)
	for _, day := range []string{"2026-05-01", "2026-05-04", "2026-05-05"} {
		w.holiday(day, "holiday")
	}
	w.holiday("2026-05-09", "workday") // a Saturday
	w.demand("d1", "", "2026-04-20 09:00")
	for _, c := range []struct{ bank, matched, contact string }{
		{"thursday", "2026-04-30 23:59:59", "2026-05-08 23:59:59"},     // 6, 7 and 8 May
		{"thursday_late", "2026-04-30 08:00", "2026-05-09 00:00"},      // a second more
		{"by_saturday", "2026-05-07 08:00", "2026-05-11 23:59:59"},     // 8, 9 and 11 May
		{"by_saturday_late", "2026-05-07 08:00", "2026-05-12 00:00"},   // in time, were Saturday free
		{"at_weekend", "2026-05-16 08:00", "2026-05-20 23:59:59"},      // a free Saturday: 18, 19 and 20 May
		{"at_weekend_late", "2026-05-17 08:00", "2026-05-21 00:00"},    // Sunday: the same
		{"on_worked_saturday", "2026-05-09 08:00", "2026-05-13 12:00"}, // 11, 12 and 13 May: the day itself is none
	} {
		w.match("m_"+c.bank, "d1", c.bank, c.matched)
		w.contact("e_"+c.bank, "d1", "m_"+c.bank, c.contact)
	}
	w.run("2026-05-25").expect(map[string]string{
		"M 2026-04-01 bank thursday CNV-02":           "1/1 暂定",
		"M 2026-04-01 bank thursday_late CNV-02":      "0/1 暂定",
		"M 2026-04-01 district d1 CNV-02":             "1/2 暂定",
		"M 2026-05-01 bank by_saturday CNV-02":        "1/1 暂定",
		"M 2026-05-01 bank by_saturday_late CNV-02":   "0/1 暂定",
		"M 2026-05-01 bank at_weekend CNV-02":         "1/1 暂定",
		"M 2026-05-01 bank at_weekend_late CNV-02":    "0/1 暂定",
		"M 2026-05-01 bank on_worked_saturday CNV-02": "1/1 暂定",
		"M 2026-05-01 district d1 CNV-02":             "3/5 暂定",
		"M 2026-05-01 grid g1 CNV-02":                 noRow,
		"YTD 2026-01-01 district d1 CNV-02":           noRow,
	})
}

func TestAMatchIsJudgedOnceItsLimitHasPassedAndHowLongItTookAtOnce(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-05-10 09:00")
	w.match("m1", "d1", "bank1", "2026-05-11 09:00") // Monday: due at the end of Thursday the 14th
	w.contact("c1", "d1", "m1", "2026-05-12 09:00")
	w.match("m2", "d1", "bank2", "2026-05-11 09:00") // never reached
	w.run("2026-05-13").expect(map[string]string{
		"M 2026-05-01 bank bank1 CNV-02":         noRow,
		"M 2026-05-01 bank bank1 CNV-02.median":  "1440 暂定",
		"M 2026-05-01 bank bank2 CNV-02.median":  noRow,
		"M 2026-05-01 district d1 CNV-02":        "0/0 暂定",
		"M 2026-05-01 district d1 CNV-02.median": "1440 暂定",
	})
	w.run("2026-05-11").expect(map[string]string{"M 2026-05-01 district d1 CNV-02.median": noRow, "M 2026-05-01 district d1 CNV-02.p90": noRow})
	w.run("2026-05-14").expect(map[string]string{
		"M 2026-05-01 bank bank1 CNV-02":  "1/1 暂定",
		"M 2026-05-01 bank bank2 CNV-02":  "0/1 暂定",
		"M 2026-05-01 district d1 CNV-02": "1/2 暂定",
	})
}

func TestTheLimitIsTheOneInForceWhenTheBankWasAsked(t *testing.T) {
	w := newWorld(t)
	limit := func(id, days, from, until string) {
		row := fields{"id": id, "code": "sla.contact_days", "value": days, "from": "", "until": ""}
		for name, v := range map[string]string{"from": from, "until": until} {
			if v != "" {
				row[name] = at(v)
			}
		}
		w.insert("parameters", row)
	}
	limit("p1", "5", "", "2026-05-20 00:00")
	limit("p2", "1", "2026-05-11 00:00", "2026-05-13 00:00")
	w.insert("parameters", fields{"id": "p3", "code": "sla.visit_days", "value": "9", "from": at("2026-05-12 00:00")})
	w.demand("d1", "", "2026-05-01 09:00")
	for _, c := range []struct{ bank, matched, contact string }{
		{"five", "2026-05-08 09:00", "2026-05-15 23:59"},          // Friday: 11 to 15 May
		{"five_late", "2026-05-08 09:00", "2026-05-16 00:00"},     //
		{"one", "2026-05-11 00:00", "2026-05-12 23:59"},           // the later beginning wins, from its first moment
		{"one_late", "2026-05-11 00:00", "2026-05-13 00:00"},      //
		{"five_again", "2026-05-13 00:00", "2026-05-20 23:59"},    // its end is no longer in force: 14, 15, 18, 19, 20 May
		{"three", "2026-05-20 00:00", "2026-05-25 23:59"},         // none in force: 21, 22, 25 May
		{"three_late", "2026-05-20 00:00", "2026-05-26 00:00:00"}, //
	} {
		w.match("m_"+c.bank, "d1", c.bank, c.matched)
		w.contact("e_"+c.bank, "d1", "m_"+c.bank, c.contact)
	}
	w.run("2026-05-31").expect(map[string]string{
		"M 2026-05-01 bank five CNV-02":       "1/1 暂定",
		"M 2026-05-01 bank five_late CNV-02":  "0/1 暂定",
		"M 2026-05-01 bank one CNV-02":        "1/1 暂定",
		"M 2026-05-01 bank one_late CNV-02":   "0/1 暂定",
		"M 2026-05-01 bank five_again CNV-02": "1/1 暂定",
		"M 2026-05-01 bank three CNV-02":      "1/1 暂定",
		"M 2026-05-01 bank three_late CNV-02": "0/1 暂定",
	})
	// What is no number of days counts as three: 21, 22, 25 May as before.
	limit("p4", "three", "2026-05-20 00:00", "")
	w.run("2026-05-31").expect(map[string]string{
		"M 2026-05-01 bank three CNV-02":      "1/1 暂定",
		"M 2026-05-01 bank three_late CNV-02": "0/1 暂定",
	})
}

func TestAMonthOfMatchesFreezesWithTheMonthInWhichTheLastOneIsDue(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-04-10 09:00", fields{"synced_at": at("2026-07-01 00:00")}) // the match's own receipt decides
	for _, c := range []struct{ bank, matchSynced, contact, contactSynced string }{
		{"known", "2026-06-05 23:59:59", "2026-04-30 09:00", "2026-06-05 23:59:59"}, // long after April's own freeze
		{"told_late", "2026-04-30 09:00", "2026-04-30 09:00", "2026-06-06 00:00"},
		{"asked_late", "2026-06-06 00:00", "2026-04-30 09:00", "2026-04-30 09:00"},
		{"clock_ahead", "2026-04-30 09:00", "2026-06-06 00:00", "2026-06-05 23:00"},
	} {
		w.match("m_"+c.bank, "d1", c.bank, "2026-04-30 08:00", fields{"synced_at": at(c.matchSynced)})
		w.contact("e_"+c.bank, "d1", "m_"+c.bank, c.contact, fields{"synced_at": at(c.contactSynced)})
	}
	// Of a longer limit, since shortened: due on 24 June, after the cut, so April never judges it.
	w.insert("parameters", fields{"id": "p0", "code": "sla.contact_days", "value": "40", "from": at("2026-04-29 00:00"), "until": at("2026-04-30 00:00")})
	w.match("m_long", "d1", "long", "2026-04-29 08:00")
	w.run("2026-06-04").expect(map[string]string{
		"M 2026-04-01 district d1 CNV-01":           "0/0 封账",
		"M 2026-04-01 district d1 CNV-02":           "3/4 暂定",
		"M 2026-04-01 district d1 CNV-02.median":    "60 暂定",
		"M 2026-04-01 bank clock_ahead CNV-02.p90":  noRow, // not yet
		"M 2026-04-01 bank asked_late CNV-02":       "1/1 暂定",
		"M 2026-04-01 bank told_late CNV-02":        "1/1 暂定",
		"M 2026-04-01 bank told_late CNV-02.median": "60 暂定",
	})
	frozenRun := map[string]string{
		"M 2026-04-01 district d1 CNV-02":             "1/3 封账",
		"M 2026-04-01 bank known CNV-02":              "1/1 封账",
		"M 2026-04-01 bank told_late CNV-02":          "0/1 封账",
		"M 2026-04-01 bank told_late CNV-02.median":   noRow,
		"M 2026-04-01 bank asked_late CNV-02":         noRow,
		"M 2026-04-01 bank asked_late CNV-02.median":  noRow,
		"M 2026-04-01 bank clock_ahead CNV-02":        "0/1 封账",
		"M 2026-04-01 bank long CNV-02":               noRow,
		"M 2026-04-01 bank clock_ahead CNV-02.median": noRow,
		"M 2026-04-01 district d1 CNV-02.p90":         "60 封账",
	}
	w.run("2026-06-05").expect(frozenRun)
	w.run("2026-08-01").expect(frozenRun)
	// The limit of the month's last moment decides when it is complete: 25 working days after 30 April is 4 June, the limit of 1 May is not asked.
	w.insert("parameters", fields{"id": "p1", "code": "sla.contact_days", "value": "25", "from": at("2026-04-30 12:00")})
	w.insert("parameters", fields{"id": "p2", "code": "sla.contact_days", "value": "1", "from": at("2026-05-01 00:00")})
	w.run("2026-07-04").expect(map[string]string{"M 2026-04-01 district d1 CNV-02": "3/5 暂定", "M 2026-04-01 district d1 CNV-02.p90": "52800 暂定"})
	w.run("2026-07-05").expect(map[string]string{"M 2026-04-01 district d1 CNV-02": "3/5 封账", "M 2026-04-01 district d1 CNV-02.p90": "52800 封账"})
}

func TestOnlyTheFirstTimeTheBankReachedTheApplicantOfACohortDemandCounts(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-05-10 09:00")
	w.match("m1", "d1", "bank1", "2026-05-11 09:00")
	w.contact("c1", "d1", "m1", "2026-05-18 09:00")
	w.contact("c2", "d1", "m1", "2026-05-12 10:59:59") // the smallest, whatever its id: 25 hours, 119 minutes and 59 seconds rounded down
	w.contact("c3", "d1", "m1", "2026-05-11 09:01", fields{"reached": false})
	w.contact("c4", "d1", "m1", "2026-05-11 09:02", fields{"kind": "note"})
	w.contact("c5", "d1", "", "2026-05-11 09:03") // the harbour's call
	w.match("m2", "d1", "bank2", "2026-05-11 09:00")
	w.contact("c6", "d1", "m2", "2026-05-10 20:00") // the bank called before it was asked
	for i, over := range []fields{{"stage": "void"}, {"need": "equity"}, {"withdrawn_at": at("2026-05-11 09:00")}} {
		id := fmt.Sprint("x", i)
		w.demand(id, "", "2026-05-10 09:00", over)
		w.match("m"+id, id, "bank3", "2026-05-11 09:00")
		w.contact("c"+id, id, "m"+id, "2026-05-11 10:00")
	}
	w.match("orphan", "gone", "bank3", "2026-05-11 09:00")
	w.match("tomorrow", "d1", "bank3", "2026-05-21 00:00")
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 bank bank1 CNV-02":         "1/1 暂定",
		"M 2026-05-01 bank bank1 CNV-02.median":  "1559 暂定",
		"M 2026-05-01 bank bank2 CNV-02":         "1/1 暂定",
		"M 2026-05-01 bank bank2 CNV-02.median":  "0 暂定",
		"M 2026-05-01 bank bank3 CNV-02":         noRow,
		"M 2026-05-01 bank bank3 CNV-02.median":  noRow,
		"M 2026-05-01 district d1 CNV-02":        "2/2 暂定",
		"M 2026-05-01 district d1 CNV-02.median": "0 暂定", // the first of two
		"M 2026-05-01 district d1 CNV-02.p90":    "1559 暂定",
	})
}

func TestTheMedianAndTheNineInTenAreMatchesThatExistNotMeans(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-05-01 09:00")
	for hours := 1; hours <= 11; hours++ {
		id, bank := fmt.Sprint("m", hours), "ten"
		if hours == 11 {
			bank = "one"
		}
		w.match(id, "d1", bank, "2026-05-11 09:00", fields{"result": "approved"})
		w.contact("c"+id, "d1", id, fmt.Sprintf("2026-05-11 %02d:00", 9+hours))
	}
	w.run("2026-05-11").expect(map[string]string{
		"M 2026-05-01 bank ten CNV-02.median":    "300 暂定", // the 5th of 10
		"M 2026-05-01 bank ten CNV-02.p90":       "540 暂定", // the 9th
		"M 2026-05-01 bank one CNV-02.median":    "660 暂定",
		"M 2026-05-01 bank one CNV-02.p90":       "660 暂定",
		"M 2026-05-01 district d1 CNV-02.median": "360 暂定", // the 6th of 11
		"M 2026-05-01 district d1 CNV-02.p90":    "600 暂定", // the 10th
		"M 2026-05-01 grid g1 CNV-02.median":     noRow,
	})
}

func TestOverdueMatchesStandInClassesOfWorkingDays(t *testing.T) {
	for _, c := range []struct{ matched, due, class string }{
		{"2026-05-26 09:00", "today", ""},
		{"2026-05-25 09:00", "1 working day ago", "d3"},
		{"2026-05-21 09:00", "3", "d3"},
		{"2026-05-20 09:00", "4, with a weekend between", "d7"},
		{"2026-05-15 09:00", "7", "d7"},
		{"2026-05-14 09:00", "8", "d15"},
		{"2026-05-05 09:00", "15", "d15"},
		{"2026-05-04 09:00", "16", "over"},
		{"2022-05-04 09:00", "years", "over"},
	} {
		t.Run("due "+c.due, func(t *testing.T) {
			w := newWorld(t)
			w.demand("d1", "", "2026-05-01 09:00")
			w.match("m1", "d1", "bank1", c.matched, fields{"result": "pending"})
			for _, date := range []string{"2026-05-29", "2026-05-31"} { // Friday, and Sunday: no working day later
				want := map[string]string{}
				for _, class := range []string{"", "d3", "d7", "d15", "over"} {
					indicator, district, bank := "CNV-12."+class, "0 暂定", noRow
					if class == "" {
						indicator = "CNV-12"
					}
					if c.class != "" && (class == "" || class == c.class) {
						district, bank = "1 暂定", "1 暂定"
					}
					want["CUM 2021-10-29 district d1 "+indicator] = district
					want["CUM 2021-10-29 grid g1 "+indicator] = district
					want["CUM 2021-10-29 street s1 "+indicator] = district
					want["CUM 2021-10-29 street s2 "+indicator] = "0 暂定"
					want["CUM 2021-10-29 bank bank1 "+indicator] = bank
				}
				w.run(date).expect(want)
			}
		})
	}
}

func TestAHolidayDoesNotMakeAMatchMoreOverdueAndAWorkedSaturdayDoes(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-05-01 09:00")
	w.match("m1", "d1", "bank1", "2026-05-20 09:00", fields{"result": "pending"}) // due on the 25th, 4 working days before the 29th
	w.holiday("2026-05-27", "holiday")
	w.run("2026-05-29").expect(map[string]string{"CUM 2021-10-29 district d1 CNV-12.d3": "1 暂定", "CUM 2021-10-29 district d1 CNV-12.d7": "0 暂定"})
	w.holiday("2026-05-30", "workday")
	w.run("2026-05-30").expect(map[string]string{"CUM 2021-10-29 district d1 CNV-12.d3": "0 暂定", "CUM 2021-10-29 district d1 CNV-12.d7": "1 暂定"})
}

func TestOnlyOpenMatchesOfOpenDemandsThatNobodyReachedAreOverdue(t *testing.T) {
	w := newWorld(t)
	want := map[string]string{"CUM 2021-10-29 grid g3 CNV-12": "2 暂定", "CUM 2021-10-29 bank bankless CNV-12": noRow,
		"CUM 2021-10-29 district d1 CNV-12": "9 暂定", "M 2026-05-01 district d1 CNV-12": noRow}
	for _, c := range []struct {
		bank                   string
		demand, match, contact fields
		want                   string
	}{
		{"nothing_happened", nil, nil, nil, "1 暂定"},
		{"lapsed", nil, fields{"result": "lapsed"}, nil, noRow},
		{"no_result", nil, fields{"result": ""}, nil, noRow},
		{"never_asked", nil, fields{"matched_at": ""}, nil, noRow},
		{"disbursed", fields{"stage": "disbursed"}, nil, nil, noRow},
		{"withdrawn", fields{"stage": "withdrawn"}, nil, nil, noRow},
		{"closed", fields{"stage": "closed"}, nil, nil, noRow},
		{"void", fields{"stage": "void"}, nil, nil, noRow},
		{"rejected", fields{"stage": "rejected"}, nil, nil, "1 暂定"},
		{"cultivating", fields{"stage": "cultivating"}, nil, nil, "1 暂定"},
		{"equity", fields{"need": "equity"}, nil, nil, "1 暂定"},
		{"reached", nil, nil, fields{}, noRow},
		{"not_reached", nil, nil, fields{"reached": false}, "1 暂定"},
		{"told_later", nil, nil, fields{"at": at("2026-05-29 23:59:59"), "synced_at": at("2026-07-01 00:00")}, noRow}, // as known now
		{"tomorrow", nil, nil, fields{"at": at("2026-05-30 00:00")}, "1 暂定"},
		{"harbour_called", nil, nil, fields{"match": ""}, "1 暂定"},
	} {
		id := "d" + c.bank
		w.demand(id, "", "2026-05-01 09:00", c.demand)
		w.match("m"+id, id, c.bank, "2026-05-11 09:00", fields{"result": "pending"}, c.match)
		if c.contact != nil {
			w.contact("c"+id, id, "m"+id, "2026-05-12 09:00", c.contact)
		}
		want["CUM 2021-10-29 bank "+c.bank+" CNV-12"] = c.want
	}
	w.match("orphan", "gone", "bankless", "2026-05-11 09:00", fields{"result": "pending"})
	w.demand("two", "", "2026-05-01 09:00", fields{"grid": "g3"}) // two banks keep one applicant waiting
	w.match("two1", "two", "bank1", "2026-05-11 09:00", fields{"result": "pending"})
	w.match("two2", "two", "bank2", "2026-05-11 09:00", fields{"result": "pending"})
	w.run("2026-05-29").expect(want)
}
