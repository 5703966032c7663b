package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"time"

	"gangwan/hooks"
)

// Those who plan, inspect, score and answer for a harbour: its head, the officials who lead the action, the departments that
// deliver lists, three streets. They work through the same protocol as everybody else.

type offices struct {
	heads, officials, departments, streets []*desk
	rowOf                                  map[string]*enterprise // which enterprise a department meant with a row of its list
	enterpriseID                           map[string]string      // USCC → record id, of the registry's
	areaID                                 map[string]string      // code → record id
	scoring                                []scoredItem
}

// openOffices gives everybody a device; the streets that act are the first three with a harbour of their own.
func (s *story) openOffices(base string) {
	d := s.d
	for i := range d.harbours {
		s.heads = append(s.heads, s.newDesk(base, d.harbours[i].head, i, d.harbours[i].number+"负责人"))
	}
	for i, p := range d.byRole("official") {
		s.officials = append(s.officials, s.newDesk(base, p, i, d.agencyOf(p.agency).short))
	}
	for i, p := range d.byRole("department") {
		s.departments = append(s.departments, s.newDesk(base, p, i, d.agencyOf(p.agency).short))
	}
	for _, p := range d.byRole("street_official") {
		for i, h := range d.harbours {
			if h.kind == "street" && h.area == p.street && len(s.streets) < 3 {
				s.streets = append(s.streets, s.newDesk(base, p, i, d.streetName[p.street]))
			}
		}
	}
	s.rowOf = map[string]*enterprise{}
}

// knowOffices reads what they know from elsewhere than their devices.
func (s *story) knowOffices() (err error) {
	if s.areaID, err = idsBy(s.app, "areas", "code"); err != nil {
		return err
	}
	if s.enterpriseID, err = idsBy(s.app, "enterprises", "uscc"); err != nil {
		return err
	}
	s.scoring, err = s.scored()
	return err
}

// create captures a record a few seconds after the last thing done.
func (k *desk) create(collection string, data map[string]any) string {
	k.now = k.now.Add(4 * time.Second)
	return k.phone.Create(collection, data)
}

func (k *desk) update(collection, id string, to map[string]any) {
	k.now = k.now.Add(3 * time.Second)
	if _, ok := k.phone.Update(collection, id, to); ok {
		k.tally.Updates++
	}
}

func (k *desk) stamp() string { return hooks.Stored(k.now) }

func (k *desk) today() string { return hooks.Stored(startOfDay(k.now)) }

// day counts from the first simulated day.
func (s *story) day(at time.Time) int { return int(startOfDay(at).Sub(s.d.start).Hours() / 24) }

// days shortens a wait where the whole season is shorter than forty days.
func (s *story) days(n int) int {
	if s.d.opts.Days < 40 {
		return max(1, n*s.d.opts.Days/40)
	}
	return n
}

// rounds is how often in the season lists are delivered and harbours patrolled: every sixty days.
func (s *story) rounds() int { return max(1, s.d.opts.Days/60) }

// due tells whether the round's share of its days has passed.
func (s *story) due(day, round int, share float64) bool {
	length := float64(s.d.opts.Days) / float64(s.rounds())
	return float64(day) >= float64(round)*length+share*length
}

func (s *story) endOf(round int, share float64) string {
	length := float64(s.d.opts.Days) / float64(s.rounds())
	return hooks.Stored(s.d.start.AddDate(0, 0, int(float64(round)*length+share*length)))
}

// headsPlan lets the heads work before the counters open, on Mondays and Thursdays and the first working day.
func (s *story) headsPlan(ctx context.Context, day int, date time.Time) error {
	if wd := date.Weekday(); wd != time.Monday && wd != time.Thursday && s.heads[0].acted["opening"] {
		return nil
	}
	if s.areaID == nil {
		if err := s.knowOffices(); err != nil {
			return err
		}
	}
	at := date.Add(8 * time.Hour)
	s.clock.Set(at)
	if err := together(ctx, len(s.heads), phonesAtOnce(), func(ctx context.Context, i int) error {
		return s.heads[i].work(ctx, s, at, func(s *story) { s.heads[i].headDay(s, date) })
	}); err != nil {
		return err
	}
	at = date.Add(8*time.Hour + 40*time.Minute)
	s.clock.Set(at)
	return together(ctx, len(s.heads), phonesAtOnce(), func(ctx context.Context, i int) error {
		s.heads[i].now = at
		return s.heads[i].send(ctx)
	})
}

// officesOpen is the afternoon: one office after the other reads and acts, for several may hold one record.
func (s *story) officesOpen(ctx context.Context, day int, date time.Time) error {
	at := date.Add(14 * time.Hour)
	turn := func(k *desk, act func(*story)) error {
		s.clock.Set(at)
		if err := k.work(ctx, s, at, act); err != nil {
			return err
		}
		at = at.Add(20 * time.Minute)
		s.clock.Set(at)
		k.now = at
		return k.send(ctx)
	}
	var err error
	for _, k := range s.departments {
		err = errors.Join(err, turn(k, func(s *story) { k.departmentDay(s, day) }))
	}
	for _, k := range s.officials {
		err = errors.Join(err, turn(k, func(s *story) { k.officialDay(s, day, date) }))
	}
	if date.Weekday() == time.Wednesday || s.d.opts.Days < 40 {
		for _, k := range s.streets {
			err = errors.Join(err, turn(k, func(s *story) { k.streetDay(s, day) }))
		}
	}
	// The counters have sent for the day: who stands there in the afternoon is told next morning.
	for _, k := range s.harbours {
		k.now = date.Add(14*time.Hour + time.Duration(stream(s.d.opts.Seed, "pm", k.index, day).IntN(30*60))*time.Second)
		k.checkIn(s, "pm")
	}
	return err
}

// ---- heads ----

func (k *desk) headDay(s *story, date time.Time) {
	h := s.d.harbours[k.index]
	if k.once("opening") {
		k.fillContactBook(s, h)
		k.pair(s, h)
	}
	k.planDuty(s, h, date)
	for _, f := range sorted(k.phone.Records("feedback")) {
		if text(f, "owner") == k.person.id && (text(f, "kind") == "complaint" || text(f, "kind") == "consumer_rights") {
			k.answer(s, f, between(stream(s.d.opts.Seed, "answer", text(f, "id")), 1, 3))
		}
		if r := stream(s.d.opts.Seed, "route", text(f, "id")); text(f, "kind") == "difficulty" && text(f, "status") == "open" && chance(r, 0.15) && k.once("route", text(f, "id")) {
			k.update("feedback", text(f, "id"), map[string]any{"agency": s.d.agencyOf(pick(r, []string{"JRB", "PBC", "SWJ"})).id})
		}
	}
	for _, e := range sorted(k.phone.Records("demand_events")) {
		if text(e, "kind") == "handover" && text(e, "to_user") == k.person.id && text(e, "handover_confirmed_at") == "" && k.once("confirm", text(e, "id")) {
			k.update("demand_events", text(e, "id"), map[string]any{"handover_confirmed_at": k.stamp()})
		}
	}
	for _, v := range sorted(k.phone.Records("reviews")) {
		if text(v, "kind") == "score" && text(v, "status") == "published" && s.d.lags(k.index) && k.once("appeal", text(v, "period")) {
			k.create("reviews", map[string]any{"harbour": h.id, "period": text(v, "period"), "kind": "appeal", "item": text(v, "item"), "scorer": k.person.id, "status": "submitted",
				"remark": "本季度辖区老旧市场集中搬迁，案例材料已补报，申请复核该项得分。"})
		}
	}
}

// fillContactBook enters those of the 对口联系名册 who have no accounts.
func (k *desk) fillContactBook(s *story, h harbour) {
	r := stream(s.d.opts.Seed, "contact book", k.index)
	place := h.name
	if name := s.d.streetName[h.area]; name != "" {
		place = name
	}
	for _, c := range []struct{ kind, unit, post string }{
		{"street_staff", place + "办事处", "经济发展办工作人员"}, {"street_staff", place + "便民服务中心", "综合窗口"}, {"community_staff", place + "社区", "社区专干"},
		{"community_staff", place + "社区", "网格长"}, {"lobby_manager", h.name, "大堂经理"}, {"volunteer", "青年志愿服务队", "志愿者"}, {"volunteer", "青年志愿服务队", "志愿者"},
		{"tax_officer", "区税务局", "报税专管员"},
	} {
		k.create("contacts", map[string]any{"name": personName(r), "phone": demoPhone(r), "unit": c.unit, "post": c.post, "kind": c.kind, "harbour": h.id, "area": s.areaID[h.area],
			"sign_language": c.kind == "lobby_manager" && chance(r, 0.4), "from": hooks.Stored(s.d.start)})
	}
}

// pair ties the harbour to the streets and special places that its grids lie in. A few pairings are still to be made.
func (k *desk) pair(s *story, h harbour) {
	codes := map[string]string{}
	for _, g := range s.d.grids {
		if g.harbour != k.index {
			continue
		}
		codes[g.street] = s.d.streetName[g.street]
		if g.kind != "community" && g.kind != "village" {
			codes[g.area] = g.areaName
		}
	}
	var order []string
	for c := range codes {
		order = append(order, c)
	}
	sort.Strings(order)
	for _, code := range order {
		r := stream(s.d.opts.Seed, "pairing", k.index, code)
		if chance(r, 0.12) {
			continue
		}
		data := map[string]any{"harbour": h.id, "area": s.areaID[code], "harbour_liaison": h.staff.name, "harbour_liaison_phone": h.staff.mobile,
			"harbour_liaison_unit": h.name, "harbour_liaison_address": h.address, "area_liaison": personName(r), "area_liaison_phone": demoPhone(r),
			"area_liaison_unit": codes[code] + "办事处", "area_liaison_address": "重庆市万州区" + codes[code] + "1号（演示地址）", "from": hooks.Stored(s.d.start.AddDate(0, -3, 0)),
			"verified_on": hooks.Stored(s.d.start.AddDate(0, 0, -between(r, 1, 60)))}
		if chance(r, 0.6) {
			data["party_pact_on"] = hooks.Stored(s.d.start.AddDate(0, 0, -between(r, 10, 80)))
		}
		plates := chance(r, 0.75) && !(s.d.lags(k.index) && chance(r, 0.5))
		if plates {
			data["plates"], data["plate_places"], data["plates_on"], data["photo_count"] = between(r, 1, 6), "服务大厅入口、窗口台面", k.today(), 1
		}
		id := k.create("pairings", data)
		if plates {
			k.phone.AddPhoto("pairings", id, shopPhoto(r), nil)
		}
	}
}

// planDuty writes the roster up to the next Monday's work: the counter's own person, the head twice a week, somebody without an
// account once.
func (k *desk) planDuty(s *story, h harbour, date time.Time) {
	for day := date; day.Before(s.d.last.AddDate(0, 0, 1)) && (day.Equal(date) || day.Weekday() != time.Monday); day = day.AddDate(0, 0, 1) {
		if !s.d.working(day) || !k.once("duty", day.Format(time.DateOnly)) {
			continue
		}
		for _, half := range []string{"am", "pm"} {
			slot := map[string]any{"harbour": h.id, "user": h.staff.id, "staff_name": h.staff.name, "day": hooks.Stored(day), "half": half}
			switch {
			case half == "pm" && day.Weekday() == time.Tuesday:
				slot["user"], slot["staff_name"] = k.person.id, k.person.name
			case half == "pm" && day.Weekday() == time.Friday:
				delete(slot, "user")
				slot["staff_name"] = personName(stream(s.d.opts.Seed, "stand-in", k.index))
			}
			k.create("duty_rosters", slot)
		}
	}
}

// answer takes up what was reported, some days later: answers it, tells whoever asked, asks how satisfied they are.
func (k *desk) answer(s *story, f map[string]any, wait int) {
	id := text(f, "id")
	r := stream(s.d.opts.Seed, "answered", id)
	told := 1 + r.IntN(3)
	switch text(f, "status") {
	case "open":
		if k.daysSince(when(f, "reported_at")) < s.days(wait) || !k.once("answer", id) {
			return
		}
		k.update("feedback", id, map[string]any{"answered_at": k.stamp(), "answer": pick(r, []string{"已与经办银行核实，本周内补齐材料后办理。", "已现场说明利率构成和减费政策。",
			"已转介担保公司，可申请政府性担保。", "已协助打印征信报告并说明异议流程。", "已安排客户经理上门，一次性告知所需材料。"})})
	case "answered":
		if k.daysSince(when(f, "answered_at")) < told || !k.once("deliver", id) {
			return
		}
		to := map[string]any{"closed_at": k.stamp()}
		if anonymous, _ := f["anonymous"].(bool); !anonymous {
			to["delivered_at"] = k.stamp()
			if chance(r, 0.6) {
				to["satisfaction_asked_at"] = k.stamp()
				if chance(r, 0.8) {
					weights := []float64{34, 46, 15, 5}
					if s.d.lags(k.index) {
						weights = []float64{12, 38, 30, 20}
					}
					to["satisfaction"] = []string{"very_satisfied", "satisfied", "neutral", "dissatisfied"}[weighted(r, weights)]
				}
			}
		}
		k.update("feedback", id, to)
	}
}

// ---- departments ----

// departmentDay delivers the lists that are expected: the second department late, the third not well made the first time.
func (k *desk) departmentDay(s *story, day int) {
	for _, b := range sorted(k.phone.Records("referral_batches")) {
		id, status := text(b, "id"), text(b, "status")
		round := s.roundOf(b)
		share := 0.10 + 0.03*float64(k.index)
		if k.index == 1 {
			share = 0.35
		}
		switch {
		case status == "expected" && s.due(day, round, share) && k.once("list", id):
			r := stream(s.d.opts.Seed, "list", k.index, round)
			for range between(r, 5, 12) {
				e := pick(r, s.d.enterprises)
				if s.enterpriseID[e.uscc] == "" || e.grid < 0 {
					continue
				}
				row := k.create("referrals", map[string]any{"batch": id, "enterprise_name": e.name, "enterprise_phone": e.phone, "wanted": between(r, 5, 200) * 10_000,
					"why": []string{pick(r, []string{"prospect", "credit_need", "good_record", "green"})}})
				s.rowOf[row] = e
			}
			k.update("referral_batches", id, map[string]any{"status": "uploaded"})
		case status == "returned" && k.once("list again", id):
			k.update("referral_batches", id, map[string]any{"status": "uploaded", "note": "已补充推送理由和需求金额，重新报送"})
		}
	}
}

func (s *story) roundOf(batch map[string]any) int {
	length := float64(s.d.opts.Days) / float64(s.rounds())
	return min(s.rounds()-1, int(float64(s.day(when(batch, "captured_at")))/length))
}

// ---- officials: 人行 is the first, 区金融办 the second, 金融监管 the third ----

func (k *desk) officialDay(s *story, day int, date time.Time) {
	switch k.index {
	case 0:
		k.expectLists(s, day)
		k.dispatchLists(s)
		k.keepTasks(s, day)
		k.openBases(s, day)
	case 1:
		k.handLeads(s)
		k.directFinancing(s, day)
	case 2:
		k.judgeComplaints(s)
		k.lookIn(s, date)
	}
	if k.index < 2 {
		k.patrol(s, day)
		k.recheck(s)
		k.hearReports(s, day, date)
	}
	k.tellTheWorld(s, date)
}

func (k *desk) expectLists(s *story, day int) {
	for round := range s.rounds() {
		if !s.due(day, round, 0) || !k.once("lists", round) {
			continue
		}
		for _, p := range s.d.byRole("department") {
			k.create("referral_batches", map[string]any{"title": fmt.Sprintf("%s推送企业名单（%s）", s.d.agencyOf(p.agency).short, k.now.In(hooks.Shanghai).Format("2006年1月")),
				"agency": s.d.agencyOf(p.agency).id, "due": s.endOf(round, 0.25), "status": "expected"})
		}
	}
}

// dispatchLists checks lists against the register, sends one back, and gives every enterprise to banks that serve its grid.
func (k *desk) dispatchLists(s *story) {
	rows := map[string][]map[string]any{}
	for _, r := range sorted(k.phone.Records("referrals")) {
		rows[text(r, "batch")] = append(rows[text(r, "batch")], r)
	}
	third := s.d.agencyOf(listing[2]).id
	for _, b := range sorted(k.phone.Records("referral_batches")) {
		id := text(b, "id")
		switch status := text(b, "status"); {
		case status == "uploaded" && text(b, "agency") == third && text(b, "return_reason") == "" && k.once("return", id):
			k.update("referral_batches", id, map[string]any{"status": "returned", "return_reason": "部分企业没有推送理由，请补充后重新报送"})
		case status == "uploaded" && k.daysSince(when(b, "delivered_at")) >= 1 && len(rows[id]) > 0 && k.once("check", id, text(b, "delivered_at")):
			for _, row := range rows[id] {
				e := s.rowOf[text(row, "id")]
				if e == nil {
					continue
				}
				r := stream(s.d.opts.Seed, "assign", text(row, "id"))
				h := s.d.harbours[s.d.grids[e.grid].harbour]
				bank := h.host
				if bank < 0 || chance(r, 0.4) {
					bank = pick(r, h.partners)
				}
				k.update("referrals", text(row, "id"), map[string]any{"enterprise": s.enterpriseID[e.uscc], "bank": s.d.banks[bank].id})
			}
			k.update("referral_batches", id, map[string]any{"status": "checked"})
		case status == "checked" && k.once("dispatch", id):
			k.update("referral_batches", id, map[string]any{"status": "dispatched"})
		}
	}
}

// The work that the notice shares out (§四(一)), each with its clause.
var clauses = []struct {
	title, clause, goal string
	leads, with         []string
	share               float64 // of the season, when it is due
}{
	{"升级首贷续贷中心", "三(一)", "完成更名和功能升级", []string{"PBC"}, []string{"JRB"}, 0.1},
	{"街道、园区、商圈港湾全覆盖", "三(一)", "2—3年实现全覆盖", []string{"PBC", "JRB"}, []string{"SW", "JJXX"}, 1.4},
	{"港湾编号管理和“十二个一”", "三(一)", "各港湾十二项齐备", []string{"PBC"}, []string{"JGJ"}, 0.7},
	{"建立重点企业清单并配备服务人员", "三(二)", "清单化管理，一户一人", []string{"JJXX"}, []string{"SW", "NYNC"}, 0.4},
	{"部门名单定期推送", "三(三)一", "每季度推送一次", []string{"PBC"}, []string{"SCJG", "JJXX", "SW", "NYNC"}, 0.9},
	{"直接融资专项政策", "三(三)二", "出台政策，设立子基金", []string{"JRB"}, []string{"FGW", "CZ"}, 1.2},
	{"财政风险补偿资金池", "三(三)三", "资金池落地，降低担保费率", []string{"CZ"}, []string{"JRB"}, 0.8},
	{"再贷款示范基地", "三(三)四", "创建3—4个", []string{"PBC"}, []string{"JRB"}, 1.0},
	{"绿色金融协同", "三(三)五", "对接“长江绿融通”", []string{"PBC"}, []string{"FGW"}, 1.1},
	{"打击非法金融活动", "三(三)六", "线索及时移送", []string{"JRB"}, []string{"FY", "GA", "SCJG"}, 1.0},
	{"“四进”活动和基层培训", "三(三)七", "每季度四类活动", []string{"PBC"}, []string{"JRB", "RLSB"}, 1.0},
	{"督查考核", "四(二)", "系统检测、定期巡查、听取报告", []string{"PBC", "JRB"}, []string{"JGJ"}, 1.0},
	{"舆论宣传", "四(三)", "推广先进经验", []string{"PBC", "JRB"}, nil, 1.0},
}

func (k *desk) keepTasks(s *story, day int) {
	ids := func(codes []string) (out []string) {
		for _, c := range codes {
			out = append(out, s.d.agencyOf(c).id)
		}
		return out
	}
	if k.once("tasks") {
		for _, c := range clauses {
			k.create("tasks", map[string]any{"title": c.title, "clause": c.clause, "goal": c.goal, "leads": ids(c.leads), "responsible": ids(c.with), "status": "open",
				"due": hooks.Stored(s.d.start.AddDate(0, 0, int(c.share*float64(s.d.opts.Days))))})
		}
		return
	}
	every := s.days(12)
	if day%every != 0 {
		return
	}
	for _, t := range sorted(k.phone.Records("tasks")) {
		r := stream(s.d.opts.Seed, "task", text(t, "title"), day)
		if text(t, "status") == "done" || chance(r, 0.3) {
			continue
		}
		progress := min(100, whole(t, "progress")+between(r, 8, 30))
		to := map[string]any{"progress": progress, "status": "running"}
		if progress == 100 {
			to["status"], to["done_on"], to["note"] = "done", k.today(), "已完成阶段目标"
		} else if when(t, "due").Before(k.now) {
			to["status"], to["note"] = "postponed", "进度滞后，已申请延期"
		}
		k.update("tasks", text(t, "id"), to)
	}
}

// openBases: two 再贷款示范基地 from before, a third in the season; the notice asks for three or four.
func (k *desk) openBases(s *story, day int) {
	for i, b := range []struct {
		name, place string
		share       float64
		before      int
	}{{"柑橘产业再贷款示范基地", "甘宁镇", 0, 200}, {"制造业再贷款示范基地", "经开区天子园", 0, 90}, {"商圈个体工商户再贷款示范基地", "高笋塘商圈", 0.4, 0}} {
		if float64(day) >= b.share*float64(s.d.opts.Days) && k.once("base", i) {
			k.create("relending_bases", map[string]any{"name": b.name, "bank": s.d.banks[2*i].id, "place": b.place, "opened_on": hooks.Stored(startOfDay(k.now).AddDate(0, 0, -b.before))})
		}
	}
}

// directFinancing follows a handful of companies towards a fund or a listing (§三(三)二).
func (k *desk) directFinancing(s *story, day int) {
	stages := []string{"nurture", "tutoring", "filing", "listed"}
	if k.once("equity") {
		r := stream(s.d.opts.Seed, "equity")
		for n := range 6 {
			e := pick(r, s.d.enterprises)
			kind, fund := "fund", "三峡创业投资子基金（演示）"
			if n%3 == 2 {
				kind, fund = "listing", "重庆股份转让中心"
			}
			k.create("equity_cases", map[string]any{"enterprise_name": e.name, "kind": kind, "stage": stages[n%3], "fund": fund, "amount": between(r, 3, 30) * 1_000_000,
				"agency": s.d.agencyOf("JRB").id, "started_on": hooks.Stored(s.d.start.AddDate(0, -between(r, 1, 10), 0)), "stage_on": hooks.Stored(s.d.start.AddDate(0, 0, -between(r, 1, 20)))})
		}
		return
	}
	for _, c := range sorted(k.phone.Records("equity_cases")) {
		r := stream(s.d.opts.Seed, "equity step", text(c, "id"), text(c, "stage"))
		if k.daysSince(when(c, "stage_on")) < s.days(between(r, 45, 120)) || !k.once("equity", text(c, "id"), text(c, "stage")) {
			continue
		}
		for i, stage := range stages[:3] {
			if stage == text(c, "stage") {
				to := map[string]any{"stage": stages[i+1], "stage_on": k.today()}
				if chance(r, 0.15) {
					to["stage"], to["note"] = "ended", "估值未达成一致，终止"
				} else if i == 2 {
					to["support_amount"] = 300_000
				}
				k.update("equity_cases", text(c, "id"), to)
			}
		}
	}
}

// handLeads keeps hints of illegal finance in the office's own hands for a day, some for a week; then police or market regulation.
func (k *desk) handLeads(s *story) {
	for _, l := range sorted(k.phone.Records("risk_leads")) {
		id := text(l, "id")
		r := stream(s.d.opts.Seed, "lead", id)
		wait := 1
		if chance(r, 0.15) {
			wait = 7
		}
		pass := chance(r, 0.6)
		result := []string{"valid", "void", "duplicate"}[weighted(r, []float64{60, 30, 10})]
		to := map[string]any{}
		switch {
		case text(l, "handed_at") == "" && k.daysSince(when(l, "reported_at")) >= wait:
			to["handed_at"], to["handed_to"] = k.stamp(), s.d.agencyOf("JRB").id
		case text(l, "handed_at") != "" && text(l, "passed_at") == "" && pass && result == "valid" && k.daysSince(when(l, "handed_at")) >= s.days(3):
			to["passed_at"], to["passed_to"] = k.stamp(), s.d.agencyOf(pick(r, []string{"GA", "GA", "SCJG", "FY"})).id
		case text(l, "handed_at") != "" && text(l, "result") == "" && k.daysSince(when(l, "handed_at")) >= s.days(8):
			to["result"], to["result_note"] = result, "经核查，已按程序处置"
		default:
			continue
		}
		k.update("risk_leads", id, to)
	}
}

// judgeComplaints says whether a complaint holds; one about being sent away (推诿) mostly does.
func (k *desk) judgeComplaints(s *story) {
	for _, f := range sorted(k.phone.Records("feedback")) {
		id := text(f, "id")
		r := stream(s.d.opts.Seed, "finding", id)
		if text(f, "finding") != "pending" || k.daysSince(when(f, "reported_at")) < s.days(between(r, 3, 8)) || !k.once("finding", id) {
			continue
		}
		upheld := 0.25
		if text(f, "category") == "deflection" {
			upheld = 0.85
		}
		finding := "not_upheld"
		if chance(r, upheld) {
			finding = "upheld"
		}
		k.update("feedback", id, map[string]any{"finding": finding, "finding_note": "已调阅当日值班记录并向双方核实"})
	}
}

// lookIn is one unannounced look a day: is the person on duty there?
func (k *desk) lookIn(s *story, date time.Time) {
	r := stream(s.d.opts.Seed, "look in", date.Format(time.DateOnly))
	h := r.IntN(len(s.d.harbours))
	for _, slot := range sorted(k.phone.Records("duty_rosters")) {
		if text(slot, "harbour") != s.d.harbours[h].id || text(slot, "half") != "pm" || !when(slot, "day").Equal(date) || !k.once("look", text(slot, "id")) {
			continue
		}
		absent := 0.05
		if s.d.lags(h) {
			absent = 0.4
		}
		result := "pass"
		if chance(r, absent) {
			result = "fail"
		}
		k.update("duty_rosters", text(slot, "id"), map[string]any{"spot_check": result, "spot_checked_at": k.stamp()})
	}
}

// patrol plans a round at its beginning and walks from harbour to harbour; each of the two agencies has every other one.
func (k *desk) patrol(s *story, day int) {
	planned := map[string]string{}
	for _, v := range sorted(k.phone.Records("inspections")) {
		if text(v, "status") == "planned" && text(v, "inspector") == k.person.id {
			planned[text(v, "harbour")] = text(v, "id")
		}
	}
	for round := range s.rounds() {
		for h := range s.d.harbours {
			if h%2 != k.index {
				continue
			}
			id := s.d.harbours[h].id
			if s.due(day, round, 0) && k.once("plan", round, h) {
				k.create("inspections", map[string]any{"harbour": id, "kind": "patrol", "status": "planned", "inspector": k.person.id, "due": s.endOf(round, 0.75)})
			}
			if s.due(day, round, 0.1+0.55*float64(h)/float64(len(s.d.harbours))) && planned[id] != "" && k.once("patrol", round, h) {
				items, failed := k.inspect(s, h, round, "patrol")
				k.update("inspections", planned[id], map[string]any{"status": "done", "at": k.stamp(), "items": items, "inspectors": "人行、区金融办", "photo_count": min(2, len(failed))})
				for _, item := range failed[:min(2, len(failed))] {
					k.phone.AddPhotoOf("inspections", planned[id], item, shopPhoto(stream(s.d.opts.Seed, "found", planned[id], item)), nil)
				}
			}
		}
	}
}

// inspect goes through the standard as it stands on the device. A harbour that lags lacks much, one that improves less each time.
func (k *desk) inspect(s *story, harbour, round int, kind string) (items []map[string]any, failed []string) {
	share := 0.05
	switch {
	case s.d.lags(harbour):
		share = 0.3
	case s.d.improves(harbour):
		share = max(0.02, 0.25-0.2*float64(round))
	}
	if kind == "self" {
		share /= 2
	}
	standard := sorted(k.phone.Records("inspection_items"))
	sort.SliceStable(standard, func(i, j int) bool { return whole(standard[i], "position") < whole(standard[j], "position") })
	r := stream(s.d.opts.Seed, "inspect", kind, harbour, s.day(k.now))
	for _, item := range standard {
		if !when(item, "until").IsZero() {
			continue
		}
		result, remark := "pass", ""
		possible, _ := item["where_possible"].(bool)
		switch {
		case possible && chance(r, 0.4):
			result = "not_applicable"
		case chance(r, share):
			result, remark = "fail", pick(r, []string{"现场没有见到", "内容陈旧，没有更新", "摆放位置不醒目", "台账记录不全", "设施损坏待修"})
			failed = append(failed, text(item, "code"))
		}
		items = append(items, map[string]any{"item": text(item, "code"), "result": result, "remark": remark})
	}
	return items, failed
}

// cause names what is to be mended by what demands it: its own id is the server's, and another each time.
func cause(m map[string]any) string {
	return text(m, "inspection") + text(m, "item") + text(m, "feedback")
}

func (k *desk) recheck(s *story) {
	for _, m := range sorted(k.phone.Records("rectifications")) {
		id := text(m, "id")
		r := stream(s.d.opts.Seed, "recheck", cause(m), text(m, "done_on"))
		if chance(stream(s.d.opts.Seed, "rechecks", cause(m)), 0.5) != (k.index == 0) || text(m, "done_on") == "" || text(m, "recheck_result") != "pending" || k.daysSince(when(m, "done_on")) < s.days(between(r, 2, 6)) ||
			!k.once("recheck", id, text(m, "done_on")) {
			continue
		}
		if chance(r, 0.88) {
			k.update("rectifications", id, map[string]any{"recheck_result": "passed", "rechecked_on": k.today()})
		} else {
			k.update("rectifications", id, map[string]any{"recheck_result": "failed", "rechecked_on": k.today(), "recheck_note": "整改不到位，请继续整改"})
		}
	}
}

// hearReports scores the quarter that has ended, publishes some days later what lies not too far apart, answers appeals.
func (k *desk) hearReports(s *story, day int, date time.Time) {
	quarter := (int(date.Month()) - 1) / 3
	first := time.Date(date.Year(), time.Month(quarter*3+1), 1, 0, 0, 0, 0, hooks.Shanghai)
	period := fmt.Sprintf("%dQ%d", date.Year(), quarter)
	if quarter == 0 {
		period = fmt.Sprintf("%dQ4", date.Year()-1)
	}
	if day >= s.days(4) && date.Sub(first) >= 9*24*time.Hour && k.once("scores", period) {
		for h := 1; h < len(s.d.harbours); h++ {
			for _, item := range s.scoring {
				common := stream(s.d.opts.Seed, "score", h, item.Code, period)
				level := 0.72 + 0.2*common.Float64()
				if s.d.lags(h) {
					level = 0.45 + 0.2*common.Float64()
				}
				level += 0.05 * stream(s.d.opts.Seed, "view", k.index, h, item.Code).Float64()
				if k.index == 1 && h == 2 && item.Code == s.scoring[0].Code {
					level -= 0.25 // too far apart: to be reviewed jointly
				}
				k.create("reviews", map[string]any{"harbour": s.d.harbours[h].id, "period": period, "kind": "score", "item": item.Code, "agency": s.d.agencyOf(k.person.agency).id,
					"scorer": k.person.id, "score": float64(int(level*item.Weight*10)) / 10, "full": item.Weight, "remark": "听取季度报告，抽阅台账和案例材料", "status": "submitted"})
			}
		}
		if k.index == 0 {
			k.create("reviews", map[string]any{"harbour": s.d.harbours[min(1, len(s.d.harbours)-1)].id, "period": period, "kind": "incentive", "agency": s.d.agencyOf(k.person.agency).id,
				"scorer": k.person.id, "remark": "首贷增量居前，优先安排再贷款额度", "status": "published"})
		}
	}
	level := map[[3]string]float64{}
	reviews := sorted(k.phone.Records("reviews"))
	share := func(v map[string]any) float64 {
		score, _ := v["score"].(float64)
		full, _ := v["full"].(float64)
		return score / full
	}
	key := func(v map[string]any) [3]string {
		return [3]string{text(v, "harbour"), text(v, "period"), text(v, "item")}
	}
	for _, v := range reviews {
		if text(v, "kind") == "score" && text(v, "scorer") != k.person.id {
			level[key(v)] = share(v)
		}
	}
	for _, v := range reviews {
		id := text(v, "id")
		other, both := level[key(v)]
		switch {
		case text(v, "kind") == "score" && text(v, "scorer") == k.person.id && text(v, "status") == "submitted" && both && other-share(v) < 0.149 && share(v)-other < 0.149 &&
			k.daysSince(when(v, "captured_at")) >= s.days(12) && k.once("publish", id):
			k.update("reviews", id, map[string]any{"status": "published"})
		case text(v, "kind") == "appeal" && text(v, "appeal_result") == "pending" && k.index == 0 && k.daysSince(when(v, "captured_at")) >= s.days(5) && k.once("appeal", id):
			if !chance(stream(s.d.opts.Seed, "appeal", id), 0.4) {
				k.update("reviews", id, map[string]any{"appeal_result": "upheld", "appeal_answer": "经复核，补报材料不在考核期内，维持原分"})
				continue
			}
			k.update("reviews", id, map[string]any{"appeal_result": "changed", "appeal_answer": "补报材料属实，酌情改分"})
			for _, score := range reviews {
				if full, _ := score["full"].(float64); key(score) == key(v) && text(score, "kind") == "score" && text(score, "scorer") == k.person.id {
					k.update("reviews", text(score, "id"), map[string]any{"score": float64(int(full*8)) / 10, "remark": "申诉成立，改分"})
				}
			}
		}
	}
}

func (k *desk) tellTheWorld(s *story, date time.Time) {
	month := date.Format("2006年1月")
	if day := s.day(date); day < s.days(4) || k.index == 2 || !k.once("news", month) {
		return
	}
	data := map[string]any{"title": "金融服务港湾" + month + "工作成效", "kind": "media", "medium": "三峡都市报（演示）", "link": "https://example.invalid/news/" + date.Format("200601"),
		"published_on": k.today(), "text": "港湾走进园区、社区、商圈和楼宇，首贷户持续增加。"}
	if k.index == 1 {
		data["kind"], data["title"] = "summary", month+"港湾运行经验总结"
		delete(data, "medium")
		delete(data, "link")
	}
	k.create("publicity", data)
}

// ---- streets ----

func (k *desk) streetDay(s *story, day int) {
	for _, v := range sorted(k.phone.Records("reviews")) {
		if text(v, "kind") == "score" && text(v, "status") != "draft" && text(v, "cosigned_at") == "" && k.once("cosign", text(v, "id")) {
			k.update("reviews", text(v, "id"), map[string]any{"cosigned_at": k.stamp()})
		}
	}
	for round := range s.rounds() {
		if s.due(day, round, 0.4) && k.once("joint", round) {
			items, failed := k.inspect(s, k.index, round, "joint")
			k.create("inspections", map[string]any{"harbour": s.d.harbours[k.index].id, "kind": "joint", "status": "done", "inspector": k.person.id, "at": k.stamp(), "items": items,
				"inspectors": "街道、人行、区金融办", "note": fmt.Sprintf("联合督查，发现问题%d项", len(failed))})
		}
	}
}

// some draws at most n of a list, each once.
func some(r *rand.Rand, list []string, n int) (out []string) {
	for range min(n, len(list)) {
		if x := pick(r, list); !contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}
