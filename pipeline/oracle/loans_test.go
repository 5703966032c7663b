package oracle

import (
	"fmt"
	"testing"
)

func TestADemandIsJudgedAfter90DaysAndALoanCountsUpToThe90th(t *testing.T) {
	w := newWorld(t)
	for i, paid := range []string{"2026-04-10", "2026-04-11", "2026-01-09"} { // the 90th day, the 91st, the day before it was captured
		d := fmt.Sprint("d", i)
		w.demand(d, "", "2026-01-10 23:30", fields{"accepted_amount": 80000, "grid": fmt.Sprint("g", i+1)})
		w.match("m"+d, d, fmt.Sprint("bank", i+1), "2026-01-12 09:00")
		w.loan("l"+d, fmt.Sprint("bank", i+1), paid, fields{"demand": d})
	}
	w.run("2026-04-09").expect(map[string]string{
		"M 2026-01-01 district d1 CNV-04": "0/0 暂定", // 89 days old
		"M 2026-01-01 grid g3 CNV-05":     "0/0 暂定",
		"M 2026-01-01 bank bank3 CNV-04":  noRow,
		"M 2026-01-01 bank bank3 CNV-05":  noRow,
	})
	w.run("2026-04-10").expect(map[string]string{"M 2026-01-01 district d1 CNV-04": "2/3 暂定"})
	w.run("2026-04-20").expect(map[string]string{
		"M 2026-01-01 grid g1 CNV-04":      "1/1 暂定",
		"M 2026-01-01 grid g1 CNV-05":      "50000/80000 暂定",
		"M 2026-01-01 grid g2 CNV-04":      "0/1 暂定",
		"M 2026-01-01 grid g2 CNV-05":      "0/80000 暂定",
		"M 2026-01-01 grid g3 CNV-04":      "1/1 暂定",
		"M 2026-01-01 community c1 CNV-04": "1/2 暂定",
		"M 2026-01-01 street s1 CNV-05":    "50000/160000 暂定",
		"M 2026-01-01 district d1 CNV-05":  "100000/240000 暂定",
		"M 2026-01-01 bank bank1 CNV-04":   "1/1 暂定",
		"M 2026-01-01 bank bank2 CNV-04":   "0/1 暂定",
		"M 2026-01-01 bank bank2 CNV-05":   "0/80000 暂定",
		"M 2026-02-01 grid g1 CNV-04":      "0/0 暂定",
		"YTD 2026-01-01 grid g1 CNV-04":    noRow,
	})
}

func TestOnlyALoanTheBankVouchedForByTheCutAnswersADemand(t *testing.T) {
	w := newWorld(t)
	for i, c := range []struct {
		loan        fields
		open, later string // before the cohort of December is frozen, and after
	}{
		{nil, "1/1 暂定", "1/1 封账"},
		{fields{"evidence": "system"}, "1/1 暂定", "1/1 封账"},
		{fields{"evidence": "bank_entered"}, "0/1 暂定", "0/1 封账"},
		{fields{"evidence": "self_reported"}, "0/1 暂定", "0/1 封账"},
		{fields{"evidence": ""}, "0/1 暂定", "0/1 封账"},
		{fields{"confirmed_at": ""}, "0/1 暂定", "0/1 封账"},
		{fields{"confirmed_at": at("2026-04-05 23:59:59")}, "1/1 暂定", "1/1 封账"},
		{fields{"confirmed_at": at("2026-04-06 00:00")}, "1/1 暂定", "0/1 封账"},
		{fields{"synced_at": at("2026-04-05 23:59:59")}, "1/1 暂定", "1/1 封账"},
		{fields{"synced_at": at("2026-04-06 00:00")}, "1/1 暂定", "0/1 封账"},
		{fields{"synced_at": ""}, "1/1 暂定", "0/1 封账"},
		{fields{"disbursed_on": ""}, "0/1 暂定", "0/1 封账"},
	} {
		t.Run(fmt.Sprint(i, c.loan), func(t *testing.T) {
			w := newWorld(t)
			w.demand("d1", "", "2025-12-10 09:00")
			w.match("m1", "d1", "bank1", "2025-12-11 09:00")
			w.loan("l1", "bank1", "2026-01-20", fields{"demand": "d1"}, c.loan)
			w.run("2026-04-04").expect(map[string]string{"M 2025-12-01 grid g1 CNV-04": c.open, "M 2025-12-01 bank bank1 CNV-04": c.open})
			w.run("2026-04-05").expect(map[string]string{"M 2025-12-01 grid g1 CNV-04": c.later, "M 2025-12-01 bank bank1 CNV-04": c.later})
		})
	}
	w.demand("d1", "", "2026-01-10 09:00") // January's last day is 90 days before 1 May: a month longer than December's 31 March
	w.loan("l1", "bank1", "2026-01-20", fields{"demand": "d1", "confirmed_at": at("2026-06-05 12:00")})
	w.run("2026-06-04").expect(map[string]string{"M 2026-01-01 grid g1 CNV-04": "1/1 暂定", "M 2026-02-01 grid g1 CNV-04": "0/0 暂定", "M 2026-01-01 grid g1 CNV-01": "0/1 封账"})
	w.run("2026-06-05").expect(map[string]string{"M 2026-01-01 grid g1 CNV-04": "1/1 封账", "M 2026-02-01 grid g1 CNV-04": "0/0 封账", "M 2026-03-01 grid g1 CNV-04": "0/0 暂定"})
}

func TestTheCutOfTheRipeCohortDecidesWhichDemandsAndMatchesWereKnown(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ id, demandSynced, matchSynced string }{
		{"after_its_month", "2026-04-05 23:59:59", "2026-04-05 23:59:59"},
		{"demand_late", "2026-04-06 00:00", "2026-01-06 00:00"},
		{"match_late", "2026-01-06 00:00", "2026-04-06 00:00"},
	} {
		w.demand(c.id, "", "2025-12-10 09:00", fields{"synced_at": at(c.demandSynced)})
		w.match("m"+c.id, c.id, c.id, "2025-12-11 09:00", fields{"synced_at": at(c.matchSynced)})
	}
	w.run("2026-04-05").expect(map[string]string{
		"M 2025-12-01 district d1 CNV-01":          "0/0 封账",
		"M 2025-12-01 district d1 CNV-04":          "0/2 封账",
		"M 2025-12-01 bank after_its_month CNV-04": "0/1 封账",
		"M 2025-12-01 bank demand_late CNV-04":     "0/1 封账", // at bank grain the match's own receipt
		"M 2025-12-01 bank match_late CNV-04":      noRow,
	})
}

func TestMembersOfARipeCohortAreThoseOfTheContactedCohort(t *testing.T) {
	w := newWorld(t)
	for i, over := range []fields{nil, {"stage": "withdrawn", "withdrawn_at": at("2026-01-20 09:00")}, {"stage": "cultivating"},
		{"stage": "void"}, {"need": "equity"}, {"withdrawn_at": at("2026-01-11 09:00")}} {
		d := fmt.Sprint("d", i)
		w.demand(d, "", "2026-01-10 09:00", over)
		w.match("m"+d, d, "bank1", "2026-02-03 09:00")
		w.loan("l"+d, "bank1", "2026-02-10", fields{"demand": d})
	}
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-01-01 district d1 CNV-04": "3/3 暂定",
		"M 2026-01-01 bank bank1 CNV-04":  noRow,
		"M 2026-02-01 bank bank1 CNV-04":  "3/3 暂定", // by the month of the match
		"M 2026-02-01 district d1 CNV-04": "0/0 暂定",
	})
}

func TestALoanThatNamesNoDemandBelongsToTheLatestThatCouldHaveLedToIt(t *testing.T) {
	w := newWorld(t)
	w.enterprise("e1", "g1", fields{"uscc": "X"})
	w.enterprise("e1b", "g1", fields{"uscc": "X"})
	w.enterprise("e2", "g1")
	for _, c := range []struct{ id, enterprise, captured, bank, stage string }{
		{"first", "e1", "2026-01-05 09:00", "bank1", "captured"},
		{"latest", "e1", "2026-01-10 09:00", "bank1", "withdrawn"},
		{"kept", "e1", "2026-01-10 09:00", "bank1", "captured"}, // the same moment: "latest" has the larger id
		{"elsewhere", "e1", "2026-01-12 09:00", "bank2", "captured"},
		{"void", "e1", "2026-01-13 09:00", "bank1", "void"},
		{"named", "e1", "2026-01-14 09:00", "bank1", "captured"},
		{"other_record", "e1b", "2026-01-15 09:00", "bank1", "captured"}, // the same credit code, another record
		{"same_day", "e1", "2026-01-20 23:59:59", "bank1", "captured"},
		{"a_day_later", "e1", "2026-01-25 00:00", "bank1", "captured"},
		{"never_captured", "e1", "", "bank1", "captured"},
		{"bystander", "e2", "2026-01-06 09:00", "bank1", "captured"},
		{"alone", "", "2026-01-06 09:00", "bank1", "captured"},
	} {
		captured := fields{}
		if c.captured == "" {
			c.captured, captured = "2026-01-10 09:00", fields{"captured_at": ""}
		}
		w.insert("grids", fields{"id": "of_" + c.id, "area": "c1"})
		w.demand(c.id, c.enterprise, c.captured, fields{"grid": "of_" + c.id, "accepted_amount": 1000000, "stage": c.stage}, captured)
		w.match("m_"+c.id, c.id, c.bank, "2026-01-26 09:00", fields{"synced_at": at("2026-07-20 09:00")}) // belonging is asked under no cut
	}
	w.loan("names", "bank9", "2026-06-30", fields{"demand": "named", "enterprise": "e1", "evidence": "self_reported", "confirmed_at": ""})
	w.loan("on_19th", "bank1", "2026-01-19", fields{"enterprise": "e1", "amount": 10})
	w.loan("on_20th", "bank1", "2026-01-20", fields{"enterprise": "e1", "amount": 200})
	w.loan("on_24th", "bank1", "2026-01-24", fields{"enterprise": "e1", "amount": 3000}) // a second one to the same demand
	w.loan("too_early", "bank1", "2026-01-04", fields{"enterprise": "e1", "amount": 40000})
	w.loan("unknown_bank", "bank3", "2026-01-19", fields{"enterprise": "e1", "amount": 500000})
	w.loan("of_nobody", "bank1", "2026-01-19", fields{"amount": 600000})
	want := map[string]string{}
	for id, amount := range map[string]string{"first": "0", "latest": "10", "kept": "0", "elsewhere": "0", "named": "0", "other_record": "0", "same_day": "3200",
		"a_day_later": "0", "bystander": "0", "alone": "0"} {
		met := "1"
		if amount == "0" {
			met = "0"
		}
		want["M 2026-01-01 grid of_"+id+" CNV-04"] = met + "/1 封账"
		want["M 2026-01-01 grid of_"+id+" CNV-05"] = amount + "/1000000 封账"
	}
	want["M 2026-01-01 grid of_void CNV-04"] = "0/0 封账"
	want["M 2026-01-01 district d1 CNV-05"] = "3210/10000000 封账"
	w.run("2026-06-05").expect(want)
}

func TestAtABankALoanBelongsToTheLatestMatchOfItsDemandThere(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-01-10 09:00", fields{"accepted_amount": 90000})
	w.match("m1", "d1", "bank1", "2026-01-11 09:00", fields{"result": "lapsed"})
	w.match("m2", "d1", "bank1", "2026-02-02 09:00", fields{"result": "lapsed", "synced_at": at("2026-07-01 00:00")})
	w.match("m3", "d1", "bank1", "2026-02-02 09:00", fields{"result": "approved"}) // the same moment: the larger id
	w.match("m4", "d1", "bank2", "2026-03-02 09:00")
	w.loan("l1", "bank1", "2026-01-20", fields{"demand": "d1"}) // paid before the bank was asked again, yet of the latest match
	w.loan("l2", "bank3", "2026-01-20", fields{"demand": "d1", "amount": 7})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-01-01 bank bank1 CNV-04":  "0/1 暂定",
		"M 2026-02-01 bank bank1 CNV-04":  "1/2 暂定",
		"M 2026-02-01 bank bank1 CNV-05":  "50000/180000 暂定",
		"M 2026-03-01 bank bank2 CNV-04":  "0/1 暂定",
		"M 2026-01-01 bank bank3 CNV-04":  noRow, // it lent without having been asked
		"M 2026-01-01 grid g1 CNV-04":     "1/1 暂定",
		"M 2026-01-01 district d1 CNV-05": "50007/90000 暂定",
	})
	w.run("2026-06-05").expect(map[string]string{"M 2026-02-01 bank bank1 CNV-04": "1/1 封账"})
	w.match("late", "d1", "bank1", "2026-04-01 09:00", fields{"synced_at": at("2026-07-01 00:00")}) // under no cut: it takes the loan from m3
	w.run("2026-06-05").expect(map[string]string{"M 2026-02-01 bank bank1 CNV-04": "0/1 封账"})
}

func TestWhatWasLentCountsUpToTheAmountAccepted(t *testing.T) {
	w := newWorld(t)
	for i, accepted := range []int{100000, 80000, 0, 50000} {
		d := fmt.Sprint("d", i)
		w.demand(d, "", "2026-01-10 09:00", fields{"amount": 500000, "accepted_amount": accepted, "grid": "g" + fmt.Sprint(i%3+1)})
		w.match("m"+d, d, fmt.Sprint("bank", i), "2026-01-12 09:00")
	}
	for i, l := range []struct {
		demand string
		over   fields
	}{
		{"d0", fields{"amount": 60000}}, {"d0", fields{"amount": 60000}}, // together more than accepted
		{"d1", fields{"amount": 10000}}, {"d1", fields{"amount": 20000}},
		{"d1", fields{"amount": 400, "evidence": "bank_entered"}}, // not confirmed
		{"d1", fields{"amount": 500, "disbursed_on": at("2026-04-11 00:00")}},
		{"d2", fields{"amount": 60000}}, // lent, though never accepted
	} {
		w.loan(fmt.Sprint("l", i), "bank"+l.demand[1:], "2026-02-10", fields{"demand": l.demand}, l.over)
	}
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-01-01 bank bank0 CNV-04":  "1/1 暂定",
		"M 2026-01-01 bank bank0 CNV-05":  "100000/100000 暂定",
		"M 2026-01-01 grid g1 CNV-05":     "100000/150000 暂定", // what one has too much fills no other's gap
		"M 2026-01-01 grid g2 CNV-05":     "30000/80000 暂定",
		"M 2026-01-01 bank bank1 CNV-05":  "30000/80000 暂定",
		"M 2026-01-01 grid g3 CNV-04":     "1/1 暂定",
		"M 2026-01-01 grid g3 CNV-05":     "0/0 暂定",
		"M 2026-01-01 bank bank2 CNV-04":  "1/1 暂定",
		"M 2026-01-01 bank bank2 CNV-05":  "0/0 暂定",
		"M 2026-01-01 bank bank3 CNV-05":  "0/50000 暂定",
		"M 2026-01-01 district d1 CNV-04": "3/4 暂定",
		"M 2026-01-01 district d1 CNV-05": "130000/230000 暂定",
	})
}

func TestAnEntityHasOneFirstLoanInItsLifeWhicheverOfItsRecordsBorrowed(t *testing.T) {
	checked := func(day string) fields { return fields{"first_loan_checked_on": at(day + " 00:00")} }
	w := newWorld(t)
	w.enterprise("a1", "g1", fields{"uscc": "X"})
	w.enterprise("a2", "g3", fields{"uscc": " X "})
	w.loan("l9", "bank1", "2026-04-10", checked("2026-04-10"), fields{"enterprise": "a1", "harbour": "h1"}) // checked on the day itself
	w.loan("l1", "bank2", "2026-05-11", checked("2026-05-10"), fields{"enterprise": "a2", "harbour": "h2"}) // the second loan of the same entity
	w.enterprise("b1", "g2")
	w.loan("l2", "bank1", "2026-04-10", fields{"enterprise": "b1"}) // the bank attests nothing of the first
	w.loan("l3", "bank1", "2026-05-10", checked("2026-05-09"), fields{"enterprise": "b1"})
	w.enterprise("c1", "g2")
	w.loan("l4", "bank3", "2026-05-10", checked("2026-05-11"), fields{"enterprise": "c1"}) // checked after the money was paid
	w.enterprise("f1", "g2")
	w.loan("l5", "bank6", "2026-05-02", checked("2026-05-01"), fields{"enterprise": "f1", "purpose": "other"}) // no business loan, so not its first
	w.loan("l5b", "bank1", "2026-05-03", checked("2026-05-01"), fields{"enterprise": "f1", "evidence": "bank_entered"})
	w.loan("l6", "bank1", "2026-05-12", checked("2026-05-01"), fields{"enterprise": "f1"})
	w.enterprise("s1", "g2")
	w.loan("l8", "bank5", "2026-05-14", checked("2026-05-14"), fields{"enterprise": "s1"})
	w.loan("l7", "bank4", "2026-05-14", checked("2026-05-14"), fields{"enterprise": "s1", "disbursed_on": at("2026-05-14 12:00")}) // of one day: the smaller id
	w.loan("nobody", "bank1", "2026-05-14", checked("2026-05-14"))
	w.enterprise("t1", "g2")
	w.loan("tomorrow", "bank1", "2026-05-21", checked("2026-05-14"), fields{"enterprise": "t1"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-04-01 grid g1 CNV-06":       noRow, // before anything was captured there is no such month
		"M 2026-05-01 bank bank1 CNV-06":    "1 暂定",
		"M 2026-05-01 bank bank2 CNV-06":    noRow,
		"M 2026-05-01 bank bank3 CNV-06":    noRow,
		"M 2026-05-01 bank bank4 CNV-06":    "1 暂定",
		"M 2026-05-01 bank bank5 CNV-06":    noRow,
		"M 2026-05-01 bank bank6 CNV-06":    noRow,
		"M 2026-05-01 harbour h2 CNV-06":    noRow,
		"M 2026-05-01 harbour  CNV-06":      noRow,
		"M 2026-05-01 grid g2 CNV-06":       "2 暂定",
		"M 2026-05-01 community c1 CNV-06":  "2 暂定",
		"M 2026-05-01 grid g3 CNV-06":       "0 暂定",
		"M 2026-05-01 district d1 CNV-06":   "2 暂定",
		"YTD 2026-01-01 district d1 CNV-06": "3 暂定",
		"YTD 2026-01-01 grid g1 CNV-06":     "1 暂定",
		"YTD 2026-01-01 bank bank1 CNV-06":  "2 暂定",
		"YTD 2026-01-01 harbour h1 CNV-06":  "1 暂定",
		"YTD 2026-01-01 street s2 CNV-06":   "0 暂定",
	})
}

func TestAFirstLoanCountsWhereTheEnterpriseWasWhenItWasPaidOut(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-04-01 09:00") // so that April is reported
	attested := fields{"first_loan_checked_on": at("2026-04-01 00:00")}
	for _, c := range []struct{ id, moved string }{{"e1", "2026-04-20 00:00"}, {"e2", "2026-04-20 00:00:01"}} {
		w.enterprise(c.id, "g3")
		w.past(c.id, "grid", "g1", "", c.moved)
		w.loan("l"+c.id, "bank1", "2026-04-20", attested, fields{"enterprise": c.id})
	}
	w.enterprise("e3", "")
	w.loan("l3", "bank1", "2026-04-20", attested, fields{"enterprise": "e3"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-04-01 grid g1 CNV-06":     "1 封账",
		"M 2026-04-01 grid g3 CNV-06":     "1 封账",
		"M 2026-04-01 street s2 CNV-06":   "1 封账",
		"M 2026-04-01 district d1 CNV-06": "3 封账",
	})
}

func TestAFirstLoanConfirmedAfterItsMonthWasFrozenIsNoneOfThatMonth(t *testing.T) {
	attested := fields{"first_loan_checked_on": at("2026-04-01 00:00")}
	w := newWorld(t)
	w.demand("d1", "", "2026-03-01 09:00")
	for id, over := range map[string]fields{"on_time": {"confirmed_at": at("2026-05-05 23:59:59")}, "confirmed_late": {"confirmed_at": at("2026-05-06 00:00")},
		"told_late": {"synced_at": at("2026-05-06 00:00")}} {
		w.enterprise(id, "g1")
		w.loan("l"+id, id, "2026-04-20", attested, fields{"enterprise": id}, over)
	}
	w.enterprise("twice", "g1") // the first was confirmed late: in frozen April the second is the first
	w.loan("m1", "bank1", "2026-03-20", attested, fields{"enterprise": "twice", "first_loan_checked_on": at("2026-03-01 00:00"), "confirmed_at": at("2026-05-10 00:00")})
	w.loan("m2", "bank2", "2026-04-20", attested, fields{"enterprise": "twice"})
	w.run("2026-05-04").expect(map[string]string{"M 2026-04-01 grid g1 CNV-06": "3 暂定", "M 2026-03-01 grid g1 CNV-06": "0 封账"})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-03-01 grid g1 CNV-06":             "0 封账",
		"M 2026-04-01 grid g1 CNV-06":             "2 封账",
		"M 2026-04-01 bank on_time CNV-06":        "1 封账",
		"M 2026-04-01 bank confirmed_late CNV-06": noRow,
		"M 2026-04-01 bank told_late CNV-06":      noRow,
		"M 2026-04-01 bank bank2 CNV-06":          "1 封账",
		"YTD 2026-01-01 grid g1 CNV-06":           "4 暂定",
		"YTD 2026-01-01 bank bank1 CNV-06":        "1 暂定",
		"YTD 2026-01-01 bank bank2 CNV-06":        noRow,
	})
}

func TestABankHas15DaysToConfirmALoan(t *testing.T) {
	w := newWorld(t)
	w.loan("l1", "bank1", "2026-05-05", nil)
	w.loan("l2", "bank1", "2026-05-05", fields{"evidence": "bank_entered", "confirmed_at": ""})
	w.loan("l3", "bank2", "2026-05-05", fields{"evidence": "self_reported", "confirmed_at": "", "purpose": "other"})
	w.loan("l4", "bank3", "2026-05-06", nil)
	w.loan("l5", "bank1", "2026-05-05", fields{"disbursed_on": ""})
	w.run("2026-05-19").expect(map[string]string{"M 2026-05-01 district d1 DQ-05": "0/0 暂定", "M 2026-05-01 bank bank1 DQ-05": noRow})
	w.run("2026-05-20").expect(map[string]string{
		"M 2026-05-01 bank bank1 DQ-05":    "1/2 暂定",
		"M 2026-05-01 bank bank2 DQ-05":    "0/1 暂定",
		"M 2026-05-01 bank bank3 DQ-05":    noRow, // 14 days
		"M 2026-05-01 district d1 DQ-05":   "1/3 暂定",
		"M 2026-05-01 grid g1 DQ-05":       noRow,
		"YTD 2026-01-01 district d1 DQ-05": noRow,
	})
}

func TestAMonthOfLoansFreezesWithTheMonthInWhichTheLastOneIs15DaysOld(t *testing.T) {
	w := newWorld(t)
	w.demand("d1", "", "2026-04-01 09:00") // so that April is reported
	w.loan("l1", "bank1", "2026-04-30", fields{"synced_at": at("2026-06-05 23:59:59"), "confirmed_at": at("2026-06-05 23:59:59")})
	w.loan("l2", "bank1", "2026-04-30", fields{"confirmed_at": at("2026-06-06 00:00")})
	w.loan("l3", "bank2", "2026-04-30", fields{"synced_at": at("2026-06-06 00:00")})
	w.run("2026-06-04").expect(map[string]string{"M 2026-04-01 district d1 DQ-05": "3/3 暂定", "M 2026-04-01 district d1 DQ-01": "1/1 封账"})
	w.run("2026-06-05").expect(map[string]string{
		"M 2026-04-01 bank bank1 DQ-05":  "1/2 封账",
		"M 2026-04-01 bank bank2 DQ-05":  noRow,
		"M 2026-04-01 district d1 DQ-05": "1/2 封账",
		"M 2026-05-01 district d1 DQ-05": "0/0 暂定",
	})
}
