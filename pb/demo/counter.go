package demo

import (
	"fmt"
	"time"

	"gangwan/hooks"
)

// What a harbour's counter does beside demands: duty, services, cultivation, policies brought to key enterprises, activities,
// difficulties, its own inspections and what others found wanting.

func (k *desk) aroundTheCounter(s *story) {
	h := s.d.harbours[k.index]
	day := s.day(k.now)
	k.checkIn(s, "am")
	k.serve(s, h, day)
	k.bringPolicies(s, day)
	k.takeUp(s, h, day)
	k.gather(s, h, day)
	k.stockWindows(s, h)
	k.mendFindings(s)
	k.followLists(s, h)
	if k.once("self", k.now.In(hooks.Shanghai).Format("2006-01")) {
		items, _ := k.inspect(s, k.index, 0, "self")
		k.create("inspections", map[string]any{"harbour": h.id, "kind": "self", "status": "done", "inspector": k.person.id, "at": k.stamp(), "items": items})
	}
	if day%s.days(30) == s.days(20) && !s.d.lags(k.index) {
		for _, p := range sorted(k.phone.Records("pairings")) {
			k.update("pairings", text(p, "id"), map[string]any{"verified_on": k.today()})
		}
	}
	if r := stream(s.d.opts.Seed, "case", k.index, day/s.days(40)); chance(r, 0.4) && k.once("case", day/s.days(40)) {
		k.create("publicity", map[string]any{"title": "港湾帮扶个体工商户首贷典型案例", "kind": "case", "harbour": h.id, "published_on": k.today(),
			"text": "当值人员上门辅导账务，三周后首笔贷款到账。（演示数据）"})
	}
}

// checkIn notes that the counter is manned.
func (k *desk) checkIn(s *story, half string) {
	h, today := s.d.harbours[k.index], startOfDay(k.now)
	for id, slot := range k.phone.Records("duty_rosters") {
		if text(slot, "user") != k.person.id || text(slot, "half") != half || !when(slot, "day").Equal(today) || text(slot, "checked_in_at") != "" {
			continue
		}
		forgets := 0.04
		if s.d.lags(k.index) {
			forgets = 0.3
		}
		r := stream(s.d.opts.Seed, "check in", id)
		if chance(r, forgets) || !k.once("check in", id) {
			continue
		}
		k.update("duty_rosters", id, map[string]any{"checked_in_at": k.stamp(), "location": geo(h.at.scattered(r, 15))})
	}
}

// serve takes what people come for; accounts take days, at a harbour that lags too many.
func (k *desk) serve(s *story, h harbour, day int) {
	for _, v := range sorted(k.phone.Records("services")) {
		r := stream(s.d.opts.Seed, "served", text(v, "id"))
		wait := r.IntN(4)
		if s.d.lags(k.index) {
			wait += r.IntN(9)
		}
		if text(v, "status") == "open" && k.daysSince(when(v, "accepted_at")) >= wait && k.once("complete", text(v, "id")) {
			k.update("services", text(v, "id"), map[string]any{"completed_at": k.stamp(), "result": "已办结，资料归档"})
		}
	}
	r := stream(s.d.opts.Seed, "services", k.index, day)
	ids := k.phone.IDs("enterprises")
	for range weighted(r, []float64{50, 28, 14, 8}) {
		kind := []string{"credit_report_query", "policy_reading", "consultation", "account_opening", "enterprise_file", "special_group", "other"}[weighted(r, []float64{24, 17, 27, 12, 8, 8, 4})]
		data := map[string]any{"kind": kind, "harbour": h.id, "staff": k.person.id, "first_responder": k.person.id}
		if len(ids) > 0 && chance(r, 0.55) {
			data["enterprise"] = pick(r, ids)
		} else {
			data["person"], data["person_phone"] = personName(r), demoPhone(r)
		}
		if kind == "special_group" || chance(r, 0.06) {
			group := pick(r, []string{"unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"})
			data["special_group"], data["green_channel"] = group, group == "disabled" || group == "veteran"
		}
		k.now = k.now.Add(time.Duration(between(r, 20, 60)) * time.Second)
		data["accepted_at"] = k.stamp()
		if kind != "account_opening" && kind != "special_group" {
			data["completed_at"], data["result"] = k.stamp(), pick(r, []string{"已打印征信报告并说明", "已当面解读政策", "已答复咨询", "已建立信息档案"})
		}
		k.create("services", data)
	}
}

// cultivate begins the work with an enterprise whose demand is not yet bankable.
func (k *desk) cultivate(s *story, demand map[string]any, missing string) {
	enterprise := text(demand, "enterprise")
	if enterprise == "" || k.active(enterprise) != nil {
		return
	}
	if missing == "materials_missing" {
		missing = "poor_books"
	}
	k.create("cultivations", map[string]any{"enterprise": enterprise, "missing": []string{missing}, "plan": "规范账务，按季报税，三个月后重新评估", "tutor": k.person.id,
		"started_on": k.today(), "status": "active", "demand_from": text(demand, "id"), "next_step_on": hooks.Stored(startOfDay(k.now).AddDate(0, 0, 14))})
}

func (k *desk) active(enterprise string) map[string]any {
	for _, c := range k.phone.Records("cultivations") {
		if text(c, "enterprise") == enterprise && text(c, "status") == "active" {
			return c
		}
	}
	return nil
}

// graduate notes that the cultivated enterprise is offered to a bank again.
func (k *desk) graduate(demand map[string]any) {
	if c := k.active(text(demand, "enterprise")); c != nil && text(c, "demand_from") == text(demand, "id") {
		k.update("cultivations", text(c, "id"), map[string]any{"status": "graduated", "demand_to": text(demand, "id"), "ended_on": k.today(), "steps": "已上门辅导三次，补齐流水和纳税记录"})
	}
}

// giveUp ends a cultivation, which closes its demand; a demand without one is closed itself.
func (k *desk) giveUp(demand map[string]any) {
	if c := k.active(text(demand, "enterprise")); c != nil && text(c, "demand_from") == text(demand, "id") {
		k.update("cultivations", text(c, "id"), map[string]any{"status": "dropped", "drop_reason": "经营者转行，不再需要融资", "ended_on": k.today()})
		return
	}
	k.step(text(demand, "id"), "", "closed", map[string]any{"reason": "no_longer_needed"})
}

// bringPolicies tells key enterprises of a policy each week, and notes later who answered.
func (k *desk) bringPolicies(s *story, day int) {
	answers := 0.75
	if s.d.lags(k.index) {
		answers = 0.35
	}
	for _, p := range sorted(k.phone.Records("policy_pushes")) {
		id := text(p, "id")
		r := stream(s.d.opts.Seed, "receipt", id)
		if text(p, "by") == k.person.id && text(p, "receipt") == "none" && chance(r, answers) && k.daysSince(when(p, "at")) >= between(r, 1, 7) && k.once("receipt", id) {
			k.update("policy_pushes", id, map[string]any{"receipt": pick(r, []string{"phone", "signed", "asked", "applied"}), "receipt_at": k.stamp()})
		}
	}
	if day%s.days(7) != 1%s.days(7) {
		return
	}
	for _, id := range s.d.key[k.index] {
		r := stream(s.d.opts.Seed, "push", id, day)
		if e, ok := k.phone.Record("enterprises", id); !ok || text(e, "status") != "active" || !chance(r, 0.3) {
			continue
		}
		k.create("policy_pushes", map[string]any{"policy": pick(r, s.d.policies).id, "enterprise": id, "channel": pick(r, []string{"phone", "wechat", "wechat", "sms", "meeting"}),
			"by": k.person.id, "at": k.stamp(), "receipt": "none"})
	}
}

var troubles = []struct{ category, text string }{
	{"access", "开业不满一年，跑了几家银行都说达不到条件"}, {"cost", "续贷时利率没有下降，希望说明原因"}, {"paperwork", "申请材料前后要了三次，希望一次告知"},
	{"slow_approval", "申请提交三周了还没有结果"}, {"credit_record", "征信上有一笔已结清的逾期，不知道怎么处理"}, {"collateral", "门面是租的，没有抵押物"},
	{"account", "开立对公账户等了一个多星期"}, {"policy_unclear", "不清楚创业担保贷款找谁办"}, {"charges", "有人收取贷款中介费，不知道是否合规"},
}

// takeUp answers what was reported, and empties the 问题收集箱: about one note in eleven working days.
func (k *desk) takeUp(s *story, h harbour, day int) {
	for _, f := range sorted(k.phone.Records("feedback")) {
		if text(f, "kind") != "difficulty" && text(f, "kind") != "suggestion" {
			continue // what concerns colleagues the head answers
		}
		r := stream(s.d.opts.Seed, "wait", text(f, "id"))
		wait := between(r, 0, 4)
		if s.d.lags(k.index) {
			wait = between(r, 3, 14)
		}
		k.answer(s, f, wait)
	}
	r := stream(s.d.opts.Seed, "box", k.index, day)
	if !chance(r, 0.09) {
		return
	}
	t := pick(r, troubles)
	data := map[string]any{"channel": pick(r, []string{"box", "box", "phone", "window", "online"}), "kind": []string{"difficulty", "suggestion", "consumer_rights", "complaint"}[weighted(r, []float64{62, 18, 8, 12})],
		"category": t.category, "text": t.text, "harbour": h.id, "reporter": k.person.id, "reported_at": k.stamp()}
	if data["channel"] == "box" && chance(r, 0.4) {
		data["anonymous"] = true
	} else {
		data["contact"] = personName(r) + " " + demoPhone(r)
	}
	k.create("feedback", data)
}

var gatherings = []struct {
	kind, title string
	topics      []string
}{
	{"matchmaking", "政银企融资对接会", []string{"credit", "loan_code"}}, {"park", "金融政策进园区", []string{"credit", "fx_rmb"}}, {"community", "金融政策进社区", []string{"consumer", "anti_fraud"}},
	{"business_circle", "金融政策进商圈", []string{"loan_code", "credit"}}, {"anti_fraud", "防非反诈宣传日", []string{"anti_fraud"}}, {"building", "金融政策进楼宇", []string{"tax", "policy"}},
	{"salon", "税务与法律知识沙龙", []string{"tax", "law"}}, {"training", "网格员和社区工作人员培训", []string{"credit_report", "startup_loan"}}, {"party_building", "银企党建共建", []string{"policy"}},
	{"sale_fair", "个体工商户内购会", nil}, {"other", "首贷续贷平台操作体验日", []string{"loan_code"}},
}

// gather plans an activity for each slot of the season, and holds it or calls it off; a harbour that lags is late with many.
func (k *desk) gather(s *story, h harbour, day int) {
	every := max(3, min(12, s.d.opts.Days/3))
	slot := day / every
	r := stream(s.d.opts.Seed, "activity", k.index, slot)
	g := gatherings[(slot+3*k.index)%len(gatherings)]
	if slot%5 == 0 {
		g = gatherings[0]
	}
	if k.once("plan activity", slot) {
		k.create("activities", map[string]any{"title": g.title, "kind": g.kind, "status": "planned", "harbour": h.id, "topics": g.topics, "organiser": k.person.id,
			"due": hooks.Stored(s.d.start.AddDate(0, 0, (slot+1)*every-1)), "partners": pick(r, []string{"街道办事处", "区税务局", "区工商联", "协办银行"})})
	}
	for _, a := range sorted(k.phone.Records("activities")) {
		id := text(a, "id")
		r := stream(s.d.opts.Seed, "held", id)
		wait := between(r, 1, max(1, every-2))
		if s.d.lags(k.index) {
			wait += r.IntN(every)
		}
		if text(a, "status") != "planned" || text(a, "harbour") != h.id || k.daysSince(when(a, "captured_at")) < wait || !k.once("hold", id) {
			continue
		}
		if chance(r, 0.08) {
			k.update("activities", id, map[string]any{"status": "cancelled", "cancel_reason": "遇暴雨预警，场地关闭"})
			continue
		}
		contacts, enterprises := some(r, k.phone.IDs("contacts"), 6), some(r, k.phone.IDs("enterprises"), 5)
		to := map[string]any{"status": "held", "start": hooks.Stored(k.now.Add(-19 * time.Hour)), "attendees": contacts, "enterprises": enterprises,
			"headcount": len(contacts) + len(enterprises) + between(r, 6, 60), "volunteers": between(r, 0, 6), "place": h.name}
		if chance(r, 0.85) {
			to["minutes"] = fmt.Sprintf("宣讲%s，现场解答提问%d个，收集需求%d条。", text(a, "title"), between(r, 3, 12), between(r, 0, 4))
		}
		if photo := !s.d.lags(k.index) || chance(r, 0.6); photo {
			to["photo_count"] = 1
			k.phone.AddPhoto("activities", id, shopPhoto(r), nil)
		}
		k.update("activities", id, to)
	}
}

// stockWindows lays the 资料包 out at the administrative windows (附件八); one kind is left to do.
func (k *desk) stockWindows(s *story, h harbour) {
	if !k.once("windows") {
		return
	}
	place := s.d.streetName[h.area]
	if place == "" {
		place = h.name
	}
	for _, w := range []struct{ kind, unit string }{{"street", "便民服务中心"}, {"market_regulation", "市场监管所"}, {"tax", "税务所"}, {"social_security", "社保所"}} {
		r := stream(s.d.opts.Seed, "window pack", k.index, w.kind)
		data := map[string]any{"unit": place + w.unit, "kind": w.kind, "place": "一楼大厅综合窗口", "harbour": h.id}
		stocked := chance(r, 0.8)
		if stocked {
			data["stocked_at"], data["quantity"], data["photo_count"] = k.stamp(), 20*between(r, 1, 10), 1
		}
		id := k.create("window_packs", data)
		if stocked {
			k.phone.AddPhoto("window_packs", id, shopPhoto(r), nil)
		}
	}
}

// mendFindings does what an inspection or an upheld complaint demanded; a harbour that lags leaves half of it.
func (k *desk) mendFindings(s *story) {
	for _, m := range sorted(k.phone.Records("rectifications")) {
		id, result := text(m, "id"), text(m, "recheck_result")
		r := stream(s.d.opts.Seed, "mend", cause(m), result)
		wait := between(r, 2, 9)
		if s.d.lags(k.index) {
			wait = between(r, 8, 30)
			if chance(r, 0.5) {
				continue
			}
		}
		if text(m, "done_on") != "" || result == "passed" || k.daysSince(when(m, "captured_at")) < s.days(wait) || !k.once("mend", id, result) {
			continue
		}
		k.update("rectifications", id, map[string]any{"done_on": k.today(), "done_note": "已按要求整改，现场拍照留存"})
	}
}

// followLists enters a demand for what a department's list led to at the host bank.
func (k *desk) followLists(s *story, h harbour) {
	for _, row := range sorted(k.phone.Records("referrals")) {
		id := text(row, "id")
		r := stream(s.d.opts.Seed, "listed", id)
		e, ok := k.phone.Record("enterprises", text(row, "enterprise"))
		if text(row, "answer") != "intends" || text(row, "demand") != "" || !ok || text(e, "status") != "active" || !chance(r, 0.6) || !k.once("listed", id) {
			continue
		}
		data := s.need(r, e)
		data["enterprise"], data["grid"], data["channel"], data["referral"] = text(e, "id"), text(e, "grid"), "referral", id
		k.create("demands", data)
		k.tally.Demands++
	}
}

// answerLists is the bank's side: it calls the enterprises that a list gave it, and answers most.
func (k *desk) answerLists(s *story) {
	for _, row := range sorted(k.phone.Records("referrals")) {
		id := text(row, "id")
		r := stream(s.d.opts.Seed, "referral", id)
		slow := 1
		if k.index%4 == 3 {
			slow = 4
		}
		contact, answer := slow*between(r, 1, 7), between(r, 1, 9)
		reached := chance(r, 0.9)
		switch {
		case text(row, "contacted_at") == "" && reached && k.daysSince(when(row, "captured_at")) >= s.days(contact+3) && k.once("call", id):
			k.update("referrals", id, map[string]any{"contacted_at": k.stamp()})
		case text(row, "contacted_at") != "" && (text(row, "answer") == "none" || text(row, "answer") == "") && k.daysSince(when(row, "contacted_at")) >= s.days(answer) && k.once("reply", id):
			k.update("referrals", id, map[string]any{"answer": []string{"intends", "granted", "disbursed", "ineligible", "no_need"}[weighted(r, []float64{38, 14, 10, 16, 22})], "answered_at": k.stamp()})
		case !reached && text(row, "answer") != "unreachable" && k.daysSince(when(row, "captured_at")) >= s.days(14) && k.once("reply", id):
			k.update("referrals", id, map[string]any{"answer": "unreachable", "answered_at": k.stamp()})
		}
	}
}

// authorise enters the line under which contracts will be drawn (附件三 授权、授信清单); not every desk keeps the list.
func (k *desk) authorise(s *story, demand, match map[string]any, amount int) {
	r := stream(s.d.opts.Seed, "line", text(match, "id"))
	if text(demand, "enterprise") == "" || !chance(r, 0.8) {
		return
	}
	data := map[string]any{"enterprise": text(demand, "enterprise"), "bank": text(match, "bank"), "authorised_on": hooks.Stored(startOfDay(when(match, "matched_at"))),
		"amount": amount * between(r, 10, 15) / 10, "valid_until": hooks.Stored(startOfDay(k.now).AddDate(1, 0, 0)), "first_loan": text(demand, "kind") == "first_loan"}
	for _, p := range s.d.products {
		if p.bank == k.index && chance(r, 0.4) {
			data["product"] = p.id
			break
		}
	}
	k.create("credit_lines", data)
}

// drawOn notes of a new contract how much of the enterprise's line it takes.
func (k *desk) drawOn(demand map[string]any, amount int) {
	for _, l := range sorted(k.phone.Records("credit_lines")) {
		if used := whole(l, "used") + amount; text(l, "enterprise") == text(demand, "enterprise") && used <= whole(l, "amount") {
			k.update("credit_lines", text(l, "id"), map[string]any{"used": used})
			return
		}
	}
}

// ---- at the door ----

// onTheSide is what a worker does in a visit beside asking for demands: leaves a policy, hears of a difficulty or of illegal finance.
func (w *worker) onTheSide(s *story, day int, id, visit string, data, record map[string]any) {
	r := stream(s.d.opts.Seed, "side", visit)
	if told, _ := data["policies"].([]string); len(told) > 0 && chance(r, 0.15) {
		push := map[string]any{"policy": told[0], "enterprise": id, "channel": "visit", "by": w.person.id, "visit": visit, "at": hooks.Stored(w.phone.Now())}
		if chance(r, 0.8) {
			push["receipt"], push["receipt_at"] = pick(r, []string{"face_to_face", "signed"}), push["at"]
		}
		w.phone.Create("policy_pushes", push)
	}
	h := s.d.grids[s.gridAt[text(record, "grid")]].harbour
	sentAway := w.i%4 == 0 && day >= s.d.opts.Days/5 && !w.sentAway
	if sentAway || chance(r, 0.011) {
		t := pick(r, troubles)
		f := map[string]any{"enterprise": id, "channel": "visit", "kind": []string{"difficulty", "suggestion"}[weighted(r, []float64{75, 25})], "category": t.category, "text": t.text,
			"reporter": w.person.id, "reported_at": hooks.Stored(w.phone.Now())}
		if sentAway {
			w.sentAway = true
			f["kind"], f["category"], f["text"], f["against"] = "complaint", "deflection", "到港湾咨询贷款，被告知去别家银行，没有登记也没有答复", s.d.harbours[h].staff.id
		}
		w.phone.Create("feedback", f)
	}
	heard := w.i%5 == 0 && day >= s.d.opts.Days/4 && !w.heard
	if heard || chance(r, 0.0006) {
		w.heard = w.heard || heard
		w.phone.Create("risk_leads", map[string]any{"kind": pick(r, []string{"illegal_fundraising", "campus_loan", "trap_loan", "usury", "account_trading"}), "grid": text(record, "grid"),
			"place": "门店附近", "text": pick(r, []string{"有人以养老项目名义发传单，承诺高额回报", "有人在店里收购对公账户和银行卡", "商户反映有人上门放“砍头息”贷款"}),
			"reporter": w.person.id, "discovered_at": hooks.Stored(w.phone.Now().Add(-time.Duration(r.IntN(90)) * time.Hour))})
	}
}
