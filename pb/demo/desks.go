package demo

import (
	"context"
	"fmt"
	"sort"
	"time"

	"gangwan/hooks"
)

// What happens at the counters of the harbours and at the banks' desks: the same protocol, a desk instead of a door.
// Each decision about a demand is drawn from a stream named by the demand and its stage, so it does not matter when it came.

// countersOpen lets every harbour pull and act on what came.
func (s *story) countersOpen(ctx context.Context, date time.Time) error {
	morning := date.Add(9*time.Hour + 30*time.Minute)
	s.clock.Set(morning)
	return together(ctx, len(s.harbours), phonesAtOnce(), func(ctx context.Context, i int) error {
		return s.harbours[i].work(ctx, s, morning, s.harbours[i].counterDay)
	})
}

// desksSend lets the harbours send what they did, then the banks take their turn.
func (s *story) desksSend(ctx context.Context, date time.Time) error {
	// A demand belongs to one harbour: the order in which the counters send changes nothing.
	sent := date.Add(10*time.Hour + 15*time.Minute)
	s.clock.Set(sent)
	if err := together(ctx, len(s.harbours), phonesAtOnce(), func(ctx context.Context, i int) error {
		s.harbours[i].now = sent
		return s.harbours[i].send(ctx)
	}); err != nil {
		return err
	}
	// Several banks may hold one demand: what they found in the morning they send one after the other.
	noon := date.Add(11 * time.Hour)
	s.clock.Set(noon)
	if err := together(ctx, len(s.banks), phonesAtOnce(), func(ctx context.Context, i int) error {
		return s.banks[i].work(ctx, s, noon, s.banks[i].bankDay)
	}); err != nil {
		return err
	}
	for i, k := range s.banks {
		k.now = noon.Add(30*time.Minute + time.Duration(i)*2*time.Minute)
		s.clock.Set(k.now)
		if err := k.send(ctx); err != nil {
			return err
		}
	}
	return nil
}

// work pulls and acts on what came.
func (k *desk) work(ctx context.Context, s *story, at time.Time, act func(*story)) error {
	k.now = at
	if err := patiently(ctx, k.phone.Pull); err != nil {
		return fmt.Errorf("%s: %w", k.person.email, err)
	}
	k.mend()
	act(s)
	return nil
}

func (k *desk) send(ctx context.Context) error {
	if err := patiently(ctx, k.phone.Push); err != nil {
		return fmt.Errorf("%s: %w", k.person.email, err)
	}
	return nil
}

// mend repairs a step sent back for want of a reason and gives up what was never possible.
func (k *desk) mend() {
	for _, a := range k.phone.NeedsAttention() {
		if _, ok := a.Errors["reason"]; ok {
			data := map[string]any{}
			for f, v := range a.Mutation.Data {
				data[f] = v
			}
			data["reason"] = "other"
			k.phone.Mend(a.Mutation.ID, data, nil)
			continue
		}
		if len(k.phone.NeedsAttention()) > 3 {
			k.phone.Drop(a.Mutation.ID)
		}
	}
}

// sorted lists records in the order captured.
func sorted(records map[string]map[string]any) []map[string]any {
	out := make([]map[string]any, 0, len(records))
	for _, r := range records {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := text(out[i], "captured_at"), text(out[j], "captured_at")
		if a != b {
			return a < b
		}
		return text(out[i], "id") < text(out[j], "id")
	})
	return out
}

// step captures one stage event a few seconds after the last thing done.
func (k *desk) step(demand, match, to string, more map[string]any) {
	k.now = k.now.Add(3 * time.Second)
	data := map[string]any{"demand": demand, "kind": "stage", "to_stage": to, "at": hooks.Stored(k.now)}
	if match != "" {
		data["match"] = match
	}
	for f, v := range more {
		data[f] = v
	}
	k.phone.Create("demand_events", data)
	k.tally.Events++
}

// daysSince counts whole days; what has not been sent yet has no time of capture, and is of today.
func (k *desk) daysSince(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return int(k.now.Sub(t).Hours() / 24)
}

// once tells whether this state of this thing has not been acted on yet: a step that was refused is not tried every day.
func (k *desk) once(parts ...any) bool {
	key := fmt.Sprint(parts...)
	if k.acted[key] {
		return false
	}
	k.acted[key] = true
	return true
}

func (k *desk) counterDay(s *story) {
	demands := sorted(k.phone.Records("demands"))
	matched := map[string][]map[string]any{}
	for _, m := range sorted(k.phone.Records("demand_matches")) {
		matched[text(m, "demand")] = append(matched[text(m, "demand")], m)
	}
	latest := map[[2]string]time.Time{}
	for _, d := range demands {
		id, stage := text(d, "id"), text(d, "stage")
		banksTried := len(matched[id])
		r := stream(s.d.opts.Seed, "counter", id, stage, banksTried)
		captured := when(d, "captured_at")
		key := [2]string{text(d, "enterprise"), text(d, "need")}
		before, again := latest[key]
		again = again && key[0] != "" && captured.Sub(before) <= 30*24*time.Hour
		if stage != "void" {
			latest[key] = captured
		}
		acted := func() bool { return k.once(id, stage, banksTried) }
		switch stage {
		case "captured":
			switch x := r.Float64(); {
			case again && x < 0.65:
				if acted() {
					k.step(id, "", "void", map[string]any{"reason": "duplicate"})
				}
			case x > 0.985:
				if acted() {
					k.step(id, "", "withdrawn", map[string]any{"reason": "no_longer_needed"})
				}
			case x > 0.93 && k.daysSince(captured) < 4:
				// overlooked for a while
			default:
				if !acted() {
					continue
				}
				k.step(id, "", "accepted", nil)
				if y := r.Float64(); y < 0.84 {
					k.offer(s, d, matched[id], 1+weighted(r, []float64{82, 15, 3}))
					k.acted[fmt.Sprint(id, "accepted", 0)] = true
				} else if y < 0.90 {
					missing := pick(r, []string{"no_tax_record", "no_credit_record", "short_history", "no_collateral"})
					k.step(id, "", "cultivating", map[string]any{"reason": missing})
					k.cultivate(s, d, missing)
					k.acted[fmt.Sprint(id, "accepted", 0)] = true
				}
				if chance(r, 0.12) {
					k.correct(s, d)
				}
				if chance(r, 0.015) {
					k.now = k.now.Add(time.Second)
					k.phone.Create("demand_events", map[string]any{"demand": id, "kind": "handover", "to_user": s.d.harbours[k.index].head.id,
						"at": hooks.Stored(k.now), "note": "轮休交接"})
					k.tally.Events++
				}
			}
		case "accepted":
			if k.daysSince(when(d, "accepted_at")) >= between(r, 1, 3) && acted() {
				if chance(r, 0.8) {
					k.offer(s, d, matched[id], 1)
				} else {
					k.step(id, "", "cultivating", map[string]any{"reason": "materials_missing"})
					k.cultivate(s, d, "materials_missing")
				}
			}
		case "matched", "applied":
			if chance(r, 0.03) && k.daysSince(when(d, "matched_at")) >= between(r, 3, 12) && acted() {
				k.step(id, "", "withdrawn", map[string]any{"reason": pick(r, []string{"self_financed", "no_longer_needed"})})
			}
		case "rejected":
			if k.daysSince(when(d, "rejected_at")) < between(r, 1, 6) || !acted() {
				continue
			}
			switch x := r.Float64(); {
			case x < 0.38:
				k.offer(s, d, matched[id], 1)
			case x < 0.66:
				missing := pick(r, []string{"no_tax_record", "no_credit_record", "short_history"})
				k.step(id, "", "cultivating", map[string]any{"reason": missing})
				k.cultivate(s, d, missing)
			case x < 0.9:
				k.step(id, "", "closed", map[string]any{"reason": pick(r, []string{"bad_credit", "industry_restricted", "no_longer_needed"})})
			}
		case "cultivating":
			if k.daysSince(when(d, "cultivating_at")) < s.days(between(r, 12, 40)) || !acted() {
				continue
			}
			if x := r.Float64(); x < 0.5 {
				k.offer(s, d, matched[id], 1)
				k.graduate(d)
			} else if x < 0.75 {
				k.giveUp(d)
			}
		}
	}
	k.window(s)
	k.aroundTheCounter(s)
}

// offer puts a demand to banks that do not have it yet: the harbour's own first.
func (k *desk) offer(s *story, demand map[string]any, tried []map[string]any, n int) {
	h := s.d.harbours[k.index]
	var banks []int
	if h.host >= 0 {
		banks = append(banks, h.host)
	}
	banks = append(banks, h.partners...)
	r := stream(s.d.opts.Seed, "offer", text(demand, "id"), len(tried))
	r.Shuffle(len(banks), func(i, j int) {
		if chance(r, 0.7) {
			banks[i], banks[j] = banks[j], banks[i]
		}
	})
	for _, b := range banks {
		if n == 0 {
			return
		}
		open := false
		for _, m := range tried {
			open = open || text(m, "bank") == s.d.banks[b].id
		}
		if open {
			continue
		}
		k.now = k.now.Add(5 * time.Second)
		k.phone.Create("demand_matches", map[string]any{"demand": text(demand, "id"), "bank": s.d.banks[b].id, "matched_at": hooks.Stored(k.now)})
		k.tally.Matches++
		n--
	}
}

// correct enters what the customer said at the counter. A phone without a signal may hold another correction: a conflict.
func (k *desk) correct(s *story, demand map[string]any) {
	id := text(demand, "enterprise")
	r := stream(s.d.opts.Seed, "correct", text(demand, "id"))
	if id == "" {
		return
	}
	if _, ok := k.phone.Update("enterprises", id, map[string]any{"phone": demoPhone(r)}); ok {
		k.tally.Updates++
	}
	// People come in with the very things a worker noted on the road.
	for _, w := range s.workers {
		for _, m := range w.phone.Outbox() {
			change, ok := m.Changes["contact"]
			if m.Collection != "enterprises" || !ok || !chance(stream(s.d.opts.Seed, "clash", m.ID), 0.25) || !k.once("clash", m.ID) {
				continue
			}
			if now, held := k.phone.Record("enterprises", m.Record); held && sameValue(now["contact"], change.From) {
				if _, ok := k.phone.Update("enterprises", m.Record, map[string]any{"contact": personName(r)}); ok {
					k.tally.Updates++
				}
			}
		}
	}
}

// window takes demands of people who come to the counter themselves.
func (k *desk) window(s *story) {
	day := k.now.In(hooks.Shanghai).Format(time.DateOnly)
	r := stream(s.d.opts.Seed, "window", k.index, day)
	if !chance(r, 0.2) {
		return
	}
	ids := k.phone.IDs("enterprises")
	data := s.need(r, nil)
	if len(ids) == 0 || chance(r, 0.05) {
		data["applicant"] = personName(r)
	} else {
		id := pick(r, ids)
		e, _ := k.phone.Record("enterprises", id)
		if text(e, "status") != "active" {
			return
		}
		data["enterprise"], data["grid"] = id, text(e, "grid")
	}
	data["channel"] = []string{"window", "loan_code", "activity"}[weighted(r, []float64{70, 20, 10})]
	k.now = k.now.Add(7 * time.Second)
	demand := k.phone.Create("demands", data)
	k.tally.Demands++
	if text(data, "enterprise") != "" {
		k.create("services", map[string]any{"kind": "demand_matching", "harbour": s.d.harbours[k.index].id, "enterprise": data["enterprise"], "staff": k.person.id, "first_responder": k.person.id,
			"demand": demand, "accepted_at": k.stamp(), "completed_at": k.stamp(), "result": "已登记融资需求"})
	}
}

var refusals = []string{"no_tax_record", "no_credit_record", "bad_credit", "no_collateral", "short_history", "industry_restricted", "amount_too_high", "rate_too_high", "materials_missing"}

// lend enters a contract, which is the demand's disbursement. Two desks in three have it confirmed at once.
func (k *desk) lend(s *story, demand, match map[string]any) {
	id := text(match, "id")
	r := stream(s.d.opts.Seed, "lend", id)
	k.now = k.now.Add(11 * time.Second)
	today := startOfDay(k.now)
	amount := whole(match, "approved_amount")
	if chance(r, 0.12) {
		amount = max(10_000, amount*between(r, 6, 9)/10/1000*1000)
	}
	months := []int{6, 12, 24, 36}[weighted(r, []float64{10, 60, 10, 20})]
	borrower := "individual_business"
	if amount > 800_000 {
		borrower = "enterprise"
	} else if text(demand, "enterprise") == "" {
		borrower = "owner"
	}
	purpose := "business"
	if chance(r, 0.03) {
		purpose = "other"
	}
	loan := map[string]any{"demand": text(demand, "id"), "enterprise": text(demand, "enterprise"), "bank": text(match, "bank"),
		"contract_no": fmt.Sprintf("%s-%s-%06d", s.d.banks[k.index].code, today.In(hooks.Shanghai).Format("2006"), 1+r.IntN(999_999)),
		"amount":      amount, "rate": float64(between(r, 330, 620)) / 100, "disbursed_on": hooks.Stored(today), "matures_on": hooks.Stored(today.AddDate(0, months, 0)),
		"kind": text(demand, "kind"), "borrower": borrower, "purpose": purpose, "customer_credit_total": amount * between(r, 10, 16) / 10, "revolving": chance(r, 0.2)}
	if text(demand, "kind") == "first_loan" && chance(r, 0.9) {
		loan["first_loan_checked_on"] = hooks.Stored(startOfDay(when(match, "decided_at")))
	}
	switch weighted(r, []float64{50, 25, 5, 12, 8}) {
	case 1:
		loan["guarantees"] = []string{"mortgage"}
	case 2:
		loan["guarantees"] = []string{"pledge"}
	case 3:
		loan["guarantees"], loan["guarantor"], loan["guarantee_fee_rate"] = []string{"government"}, s.d.banks[lenders].id, 1.0
	case 4:
		loan["guarantees"] = []string{"risk_pool"}
	}
	if chance(r, 0.15) {
		loan["relending_amount"] = amount
	}
	if chance(r, 0.62) {
		loan["evidence"] = "bank_confirmed"
	}
	k.phone.Create("loans", loan)
	k.tally.Loans++
	k.drawOn(demand, amount)
}

// confirmLoans has the contracts checked that were entered only: a few days later, some desks never.
func (k *desk) confirmLoans(s *story) {
	for _, l := range sorted(k.phone.Records("loans")) {
		id := text(l, "id")
		if text(l, "evidence") != "bank_entered" {
			continue
		}
		r := stream(s.d.opts.Seed, "confirm", text(l, "contract_no"))
		if chance(r, 0.2) || k.daysSince(when(l, "disbursed_on")) < between(r, 1, 12) || !k.once("confirm", id) {
			continue
		}
		k.now = k.now.Add(4 * time.Second)
		if _, ok := k.phone.Update("loans", id, map[string]any{"evidence": "bank_confirmed"}); ok {
			k.tally.Updates++
		}
	}
}

func startOfDay(t time.Time) time.Time {
	t = t.In(hooks.Shanghai)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, hooks.Shanghai)
}

func (k *desk) bankDay(s *story) {
	k.confirmLoans(s)
	k.answerLists(s)
	demands := k.phone.Records("demands")
	for _, m := range sorted(k.phone.Records("demand_matches")) {
		id := text(m, "id")
		d := demands[text(m, "demand")]
		if d == nil || text(m, "bank") != s.d.banks[k.index].id {
			continue
		}
		switch text(d, "stage") {
		case "disbursed", "withdrawn", "closed", "void":
			continue
		}
		switch result := text(m, "result"); {
		case result == "pending" && text(m, "applied_at") == "":
			if text(m, "first_contact_at") == "" {
				k.contact(s, m)
			} else {
				k.decideToApply(s, m)
			}
		case result == "pending":
			r := stream(s.d.opts.Seed, "decide", id)
			if k.daysSince(when(m, "applied_at")) < s.days(2+min(24, int(r.ExpFloat64()*6))) || !k.once("decide", id) {
				continue
			}
			if chance(r, 0.77) {
				amount := whole(d, "amount")
				if chance(r, 0.45) {
					amount = max(10_000, amount*between(r, 5, 9)/10/1000*1000)
				}
				k.step(text(m, "demand"), id, "approved", map[string]any{"amount": amount})
				k.authorise(s, d, m, amount)
			} else {
				k.step(text(m, "demand"), id, "rejected", map[string]any{"reason": pick(r, refusals)})
			}
		case result == "approved":
			r := stream(s.d.opts.Seed, "pay", id)
			if k.daysSince(when(m, "decided_at")) < s.days(between(r, 1, 8)) || !k.once("pay", id) {
				continue
			}
			if chance(r, 0.93) {
				k.lend(s, d, m)
			} else {
				k.step(text(m, "demand"), id, "rejected", map[string]any{"reason": "lapsed"})
			}
		}
	}
}

// contact calls the customer; three calls in vain end the match.
func (k *desk) contact(s *story, m map[string]any) {
	id := text(m, "id")
	tried := k.tries[id]
	r := stream(s.d.opts.Seed, "contact", id, tried)
	due := []int{0, 1, 2, 3, 5, 8}[weighted(r, []float64{48, 24, 12, 6, 6, 4})]
	if k.daysSince(when(m, "matched_at")) < due+2*tried {
		return
	}
	if tried == 3 {
		if k.once("unreachable", id) {
			k.step(text(m, "demand"), id, "rejected", map[string]any{"reason": "unreachable"})
		}
		return
	}
	k.tries[id]++
	k.now = k.now.Add(9 * time.Second)
	k.phone.Create("demand_events", map[string]any{"demand": text(m, "demand"), "match": id, "kind": "contact", "at": hooks.Stored(k.now),
		"contact_way": pick(r, []string{"phone", "phone", "visit", "counter", "online"}), "reached": chance(r, 0.86)})
	k.tally.Events++
}

func (k *desk) decideToApply(s *story, m map[string]any) {
	id, demand := text(m, "id"), text(m, "demand")
	r := stream(s.d.opts.Seed, "apply", id, k.tries["slip "+id])
	if k.daysSince(when(m, "first_contact_at")) < s.days(between(r, 1, 7)) || !k.once("apply", id) {
		return
	}
	switch x := r.Float64(); {
	case x < 0.78:
		k.step(demand, id, "applied", nil)
	case x < 0.785: // a slip: nothing can be paid out before an application
		k.step(demand, id, "disbursed", map[string]any{"amount": 10_000})
		delete(k.acted, fmt.Sprint("apply", id))
		k.tries["slip "+id]++
	case x < 0.80: // a slip: a refusal needs its reason; sent back and mended
		k.step(demand, id, "rejected", nil)
	default:
		k.step(demand, id, "rejected", map[string]any{"reason": pick(r, refusals)})
	}
}
