package demo

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strings"
	"time"

	"gangwan/hooks"
	"gangwan/pb/registry"
)

// lastDay is the last simulated day, a constant: the same flags make the same district whenever they are run.
var lastDay = time.Date(2026, 11, 22, 0, 0, 0, 0, hooks.Shanghai)

type area struct{ code, name, parent, kind string }

type bank struct{ id, name, short, kind, code string }

type harbour struct {
	id, number, name, kind, area, address, phone string
	host                                         int // index into banks, -1: none
	partners                                     []int
	at                                           point
	head, staff                                  *person
}

type grid struct {
	id, code, name, kind string
	area, areaName       string // the community, village, market …
	registered           string // the community that the registry names for it: it knows no markets
	street               string // code of its street or town
	harbour              int
	centre               point
	spread               float64 // metres
	weight               float64 // share of the enterprises
}

// district is everything that stands before the first day: made from the flags alone.
type district struct {
	opts        Options
	start, last time.Time // first and last simulated day, Shanghai midnight
	areas       []area
	streetName  map[string]string
	inPlay      []string // streets and towns with grids, by code
	agencies    []agency
	contacts    int        // of the 对口联系名册, entered before the first day
	key         [][]string // enterprises on the key list, by harbour
	banks       []bank
	harbours    []harbour
	grids       []grid
	people      []*person
	workers     []*person // one per phone, in order
	policies    []policy
	products    []product
	enterprises []*enterprise
	byUSCC      map[string]*enterprise
	holidays    map[string]string // day → holiday | workday
}

func newDistrict(o Options) (*district, error) {
	d := &district{opts: o, last: lastDay, start: lastDay.AddDate(0, 0, 1-o.Days), streetName: map[string]string{},
		byUSCC: map[string]*enterprise{}, holidays: map[string]string{}}
	rows, err := csv.NewReader(registry.WanzhouAreas()).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range rows[1:] {
		d.areas = append(d.areas, area{code: row[0], name: row[1], parent: row[2], kind: row[3]})
	}
	for _, h := range holidays2026 {
		d.holidays[h.day] = h.kind
	}
	d.makeAgencies()
	d.makeBanks()
	d.makeGrids()
	d.makeHarbours()
	d.makePeople()
	d.makeHandbooks()
	d.enterprises = makeEnterprises(o.Seed, o.Enterprises, d.grids, d.streetName, d.start)
	for _, e := range d.enterprises {
		d.byUSCC[e.uscc] = e
	}
	return d, nil
}

// working tells whether a day is a working day by weekday and the calendar of holidays and 调休.
func (d *district) working(day time.Time) bool {
	switch d.holidays[day.Format(time.DateOnly)] {
	case "holiday":
		return false
	case "workday":
		return true
	}
	return day.Weekday() != time.Saturday && day.Weekday() != time.Sunday
}

// Invented institutions: no real bank shall be read into the demo's figures.
func (d *district) makeBanks() {
	r := stream(d.opts.Seed, "banks")
	for i, b := range [][3]string{
		{"三峡惠民银行股份有限公司万州支行", "三峡惠民银行", "bank"}, {"渝东江城银行股份有限公司万州分行", "渝东江城银行", "bank"},
		{"巴渝农商银行万州支行（虚构）", "巴渝农商银行", "bank"}, {"平湖村镇银行股份有限公司", "平湖村镇银行", "bank"},
		{"长江普惠银行万州分行", "长江普惠银行", "bank"}, {"天城商业银行万州支行", "天城商业银行", "bank"},
		{"太白科创银行万州支行", "太白科创银行", "bank"}, {"峡江储蓄银行万州支行", "峡江储蓄银行", "bank"},
		{"川渝绿色银行万州支行", "川渝绿色银行", "bank"}, {"万江信用合作银行", "万江信合", "bank"},
		{"万州区惠商融资担保有限公司（虚构）", "惠商担保", "guarantee"}, {"渝东平湖财产保险万州中心支公司", "平湖财险", "insurer"},
	} {
		d.banks = append(d.banks, bank{id: recordID(r), name: b[0], short: b[1], kind: b[2], code: fmt.Sprintf("bank%02d", i+1)})
	}
}

// lenders are the institutions a demand can be matched to.
const lenders = 10

var streetCentre = map[string]point{
	"500101001": {108.3802, 30.8098}, "500101017": {108.3721, 30.8062}, "500101018": {108.3639, 30.7951}, "500101019": {108.3402, 30.7899},
	"500101020": {108.3520, 30.7683}, "500101021": {108.3922, 30.8221}, "500101022": {108.4051, 30.8352}, "500101023": {108.4003, 30.8279},
	"500101024": {108.4121, 30.7701}, "500101025": {108.4052, 30.7549}, "500101026": {108.4249, 30.7902}, "500101027": {108.3101, 30.7752},
	"500101028": {108.3551, 30.8449}, "500101029": {108.3302, 30.8351},
}

// Where people trade close together a grid of its own is cut out; the codes end in 9xx so as not to meet real ones.
var specialGrids = []struct {
	street, name, kind string
	weight             float64
}{
	{"500101001", "高笋塘商圈", "business_circle", 5}, {"500101001", "江城大厦", "building", 2.2}, {"500101017", "国本路建材市场", "market", 3.5},
	{"500101017", "太白商务楼", "building", 1.8}, {"500101018", "牌楼汽配市场", "market", 3}, {"500101028", "经开区天子园", "park", 2.2},
	{"500101027", "经开区高峰园", "park", 2.6}, {"500101024", "百安坝农贸市场", "market", 2.8}, {"500101025", "五桥商圈", "business_circle", 3},
	{"500101021", "周家坝小商品市场", "market", 3}, {"500101022", "沙河钢材市场", "market", 2}, {"500101026", "江南新区商务楼", "building", 2},
}

// makeGrids cuts streets and towns into grids until there are about four a phone: that many areas are in play.
func (d *district) makeGrids() {
	target := 4 * d.opts.Phones
	children := map[string][]area{}
	for _, a := range d.areas {
		children[a.parent] = append(children[a.parent], a)
	}
	idOf := func(code string) string { return recordID(stream(d.opts.Seed, "grid", code)) }
	add := func(street, a area, kind, suffix string, weight float64, centre point, spread float64) {
		code := "WZ" + a.code[6:] + map[string]string{"": "", "一网格": "-1", "二网格": "-2"}[suffix]
		registered := a.name
		if a.kind != "community" && a.kind != "village" {
			registered = children[street.code][0].name
		}
		d.grids = append(d.grids, grid{id: idOf(code), code: code, name: shortArea(a.name) + suffix, kind: kind, area: a.code, areaName: a.name, registered: registered,
			street: street.code, centre: centre, spread: spread, weight: weight})
	}
	var special []area
	for _, s := range children["500101"] {
		d.streetName[s.code] = s.name
		if len(d.grids) >= target {
			continue
		}
		d.inPlay = append(d.inPlay, s.code)
		middle := townCentre(d.opts.Seed, s)
		spread := 700.0
		if s.kind == "town" {
			spread = 2200
		}
		n := 0
		for _, g := range specialGrids {
			if g.street != s.code || len(d.grids) >= target {
				continue
			}
			n++
			a := area{code: s.code + fmt.Sprintf("9%02d", n), name: g.name, parent: s.code, kind: g.kind}
			special = append(special, a)
			add(s, a, g.kind, "", g.weight, middle.scattered(stream(d.opts.Seed, "place", a.code), spread/2), 90)
		}
		for _, c := range children[s.code] {
			if len(d.grids) >= target {
				break
			}
			r := stream(d.opts.Seed, "place", c.code)
			centre := middle.scattered(r, spread)
			weight := 0.8 + r.ExpFloat64()*0.8
			if s.kind == "town" {
				weight *= 0.6
			}
			if c.kind == "village" {
				add(s, c, "village", "", weight*0.35, centre, 400)
				continue
			}
			if s.kind == "street" && weight > 2.6 && len(d.grids)+1 < target {
				add(s, c, "community", "一网格", weight/2, centre.shifted(-160, 60), 120)
				add(s, c, "community", "二网格", weight/2, centre.shifted(160, -60), 120)
				continue
			}
			add(s, c, "community", "", weight, centre, 170)
		}
	}
	d.areas = append(d.areas, special...)
}

// townCentre places towns on rings around the city: nobody shall take the demo's map for a survey.
func townCentre(seed uint64, s area) point {
	if c, ok := streetCentre[s.code]; ok {
		return c
	}
	r := stream(seed, "town", s.code)
	angle, far := r.Float64()*2*math.Pi, 11_000+r.Float64()*15_000
	return point{108.38, 30.81}.shifted(math.Cos(angle)*far, math.Sin(angle)*far)
}

// shortArea is what people call a community: 东方广场社区居民委员会 → 东方广场社区, 小周村村民委员会 → 小周村.
func shortArea(name string) string {
	name = strings.TrimSuffix(name, "居民委员会")
	return strings.TrimSuffix(name, "村民委员会")
}

// makeHarbours opens the centre, one harbour per street in play (the towns go to the streets' harbours) and one for each
// kind of place where companies sit together.
func (d *district) makeHarbours() {
	r := stream(d.opts.Seed, "harbours")
	add := func(kind, area, name, address string, at point) int {
		n := len(d.harbours)
		h := harbour{id: recordID(r), number: fmt.Sprintf("万州港湾-%03d", n), name: name, kind: kind, area: area, address: address,
			phone: fmt.Sprintf("023-5800%04d", 1000+n), host: n % lenders, at: at}
		for len(h.partners) < 3 {
			if p := r.IntN(lenders); p != h.host && !contains(h.partners, p) {
				h.partners = append(h.partners, p)
			}
		}
		if kind == "centre" {
			h.number, h.host = "万州港湾-首贷续贷中心", -1
		}
		d.harbours = append(d.harbours, h)
		return n
	}
	add("centre", "500101", "万州区民营小微企业和个体工商户首贷续贷中心", "重庆市万州区江南大道1号（演示地址）", point{108.4213, 30.7861})
	const label = "民营小微企业和个体工商户金融服务港湾"
	byStreet := map[string]int{}
	streets := 0
	for _, s := range d.inPlay {
		c, ok := streetCentre[s]
		if !ok {
			// The harbours of the streets serve the towns in turn.
			byStreet[s] = byStreet[d.inPlay[len(byStreet)%streets]]
			continue
		}
		streets++
		name := d.streetName[s]
		byStreet[s] = add("street", s, name+label, "重庆市万州区"+name+"金融街"+fmt.Sprint(streets)+"号（演示地址）", c)
	}
	circle, park := -1, -1
	for _, g := range d.grids {
		switch {
		case g.kind == "business_circle" && circle < 0:
			circle = add("business_circle", g.area, g.name+label, "重庆市万州区"+g.name+"1号（演示地址）", g.centre)
		case g.kind == "park" && park < 0:
			park = add("park", g.area, g.name+label, "重庆市万州区"+g.name+"1号（演示地址）", g.centre)
		}
	}
	for i := range d.grids {
		g := &d.grids[i]
		g.harbour = byStreet[g.street]
		switch g.kind {
		case "business_circle", "building":
			g.harbour = circle
		case "park":
			g.harbour = park
		}
		if g.harbour < 0 {
			g.harbour = byStreet[g.street]
		}
	}
}

func contains[T comparable](list []T, x T) bool {
	for _, v := range list {
		if v == x {
			return true
		}
	}
	return false
}

// holidays2026 is the calendar that counts working days; marked as made up for the demo where people read it.
var holidays2026 = func() (out []struct{ day, kind, name string }) {
	add := func(from string, days int, name string) {
		t, err := time.Parse(time.DateOnly, from)
		if err != nil {
			panic(err)
		}
		for i := range days {
			out = append(out, struct{ day, kind, name string }{t.AddDate(0, 0, i).Format(time.DateOnly), "holiday", name + "（演示数据）"})
		}
	}
	add("2026-01-01", 3, "元旦")
	add("2026-02-15", 9, "春节")
	add("2026-04-04", 3, "清明节")
	add("2026-05-01", 5, "劳动节")
	add("2026-06-19", 3, "端午节")
	add("2026-09-25", 3, "中秋节")
	add("2026-10-01", 7, "国庆节")
	for _, w := range [][2]string{{"2026-01-04", "元旦"}, {"2026-02-14", "春节"}, {"2026-02-28", "春节"}, {"2026-05-09", "劳动节"}, {"2026-09-20", "国庆节"}, {"2026-10-10", "国庆节"}} {
		out = append(out, struct{ day, kind, name string }{w[0], "workday", w[1] + "调休上班（演示数据）"})
	}
	return out
}()

// areasCSV is the file of the statistics bureau with the special areas behind it.
func (d *district) areasCSV() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{"code", "name", "parent_code", "kind"})
	for _, a := range d.areas {
		_ = w.Write([]string{a.code, a.name, a.parent, a.kind})
	}
	w.Flush()
	return b.Bytes()
}
