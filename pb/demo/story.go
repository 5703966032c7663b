package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// The story: what people do day by day. Every choice is drawn from a stream named by who, what and when, never by the order in
// which phones happened to reach the server; so the same seed ends in the same figures.

const (
	visitsPerDay = 3.76 // per phone and calendar day, up to 90 days: 20,000 and some
	busyDays     = 90   // a longer season spreads the same visits thinner, so that a demo stays a matter of minutes
	lateShare    = 0.105
	lateAfter    = 48 * time.Hour
	awayDays     = 4 // days in a row without a signal; what was captured on all but the last of them arrives late
)

// tally is what the phones captured, as they know it themselves; the database must say the same.
type tally struct {
	Visits, Late, Photos, Signatures, Enterprises, Updates, Demands, Matches, Events, Loans int
	Applied, Conflicts, Rejected, Duplicates                                                int
	Reassigned, Moved, Closed, Confirmed, Reviewed, Replayed                                int
}

type story struct {
	d        *district
	app      core.App
	clock    *Clock
	say      func(format string, args ...any)
	base     string // the server's address
	workers  []*worker
	harbours []*desk
	banks    []*desk
	offices                 // whoever acts neither at a door nor at a counter
	gridAt   map[string]int // grid id → index
	tally    tally
}

type worker struct {
	i       int
	person  *person
	phone   *Phone
	now     time.Time // where this person is in the day; the phone's clock shows it, wrong by its skew
	quota   []int     // visits planned per day
	away    []bool    // days without a signal
	been    map[string]int
	asked   map[string]string // enterprise → need of the latest demand from here
	found   map[string]*enterprise
	unsent  []time.Time // true times of visits not yet with the server
	captain tally

	sentAway, heard bool // what a few hear once: somebody was turned away, somebody offers illegal finance
}

type desk struct {
	person *person
	index  int
	phone  *Phone
	now    time.Time
	acted  map[string]bool
	tries  map[string]int
	tally  tally
}

// newPhone makes a phone whose ids repeat with the seed. Some answers to pushes get lost on the way: the phone must send again.
func (s *story) newPhone(base string, p *person, now func() time.Time, name, platform string) *Phone {
	seed := s.d.opts.Seed
	client := &http.Client{Transport: &lossyTransport{next: transport, r: stream(seed, "network", p.email), share: 0.01}, Timeout: 2 * time.Minute}
	random := randomBytes(seed, "phone", p.email)
	at := s.d.start.Add(-24 * time.Hour)
	return NewPhone(base, client, now, random, fieldsync.DeviceInfo{ID: hooks.NewID(at, random), Name: name, Platform: platform, AppVersion: "1.0.0"})
}

// One pool of connections for all phones, kept alive; answers uncompressed, for both ends are this machine.
var transport = &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, DisableCompression: true, IdleConnTimeout: 5 * time.Minute}

type lossyTransport struct {
	next  http.RoundTripper
	mu    sync.Mutex
	r     *rand.Rand
	share float64
}

var errAnswerLost = errors.New("the answer was lost")

func (l *lossyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(req)
	if err != nil || !strings.HasSuffix(req.URL.Path, "/push") {
		return res, err
	}
	l.mu.Lock()
	lost := chance(l.r, l.share)
	l.mu.Unlock()
	if lost {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return nil, errAnswerLost
	}
	return res, nil
}

// patiently repeats a sync while the network is at fault.
func patiently(ctx context.Context, f func(context.Context) error) error {
	for attempt := 0; ; attempt++ {
		err := f(ctx)
		var call *CallError
		switch {
		case err == nil || ctx.Err() != nil || attempt == 9:
			return err
		case errors.Is(err, errAnswerLost):
		case errors.As(err, &call) && (call.Status >= 500 || call.Status == http.StatusTooManyRequests):
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(max(call.RetryAfter, 50*time.Millisecond)):
			}
		default:
			return err
		}
	}
}

// together runs f for every i, several at a time, and waits for all.
func together(ctx context.Context, n, atOnce int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, atOnce) {
		wg.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

// phonesAtOnce is how many phones talk to the server at the same time: enough for it to group their commits.
func phonesAtOnce() int { return max(16, 4*runtime.NumCPU()) }

// makePeopleReady gives everyone a device, signs them in and lets them download for the first time.
func (s *story) makePeopleReady(ctx context.Context, base string) error {
	d := s.d
	for i, p := range d.workers {
		w := &worker{i: i, person: p, been: map[string]int{}, asked: map[string]string{}, found: map[string]*enterprise{}, now: d.start.Add(6 * time.Hour)}
		r := stream(d.opts.Seed, "worker", i)
		w.phone = s.newPhone(base, p, func() time.Time { return w.now }, p.name+"的手机", pick(r, []string{"Android 14 / Chrome 132", "Android 12 / Chrome 128", "HarmonyOS 4 / Browser", "iOS 18 / Safari"}))
		switch {
		case i%20 == 7:
			w.phone.Skew = time.Duration(between(r, 25, 70)) * time.Hour // a wrong date
		case i%20 == 13:
			w.phone.Skew = -time.Duration(between(r, 25, 70)) * time.Hour
		case chance(r, 0.5):
			w.phone.Skew = time.Duration(r.NormFloat64()*90) * time.Second
		}
		w.quota, w.away = d.planDays(i)
		s.workers = append(s.workers, w)
	}
	for i := range d.harbours {
		s.harbours = append(s.harbours, s.newDesk(base, d.harbours[i].staff, i, d.harbours[i].number+"柜台"))
	}
	for _, p := range d.byRole("bank") {
		s.banks = append(s.banks, s.newDesk(base, p, p.bank, d.banks[p.bank].short+"柜台"))
	}
	s.openOffices(base)
	all := s.phones()
	people := s.owners()
	return together(ctx, len(all), phonesAtOnce(), func(ctx context.Context, i int) error {
		if err := all[i].SignIn(ctx, people[i].email, Password); err != nil {
			return fmt.Errorf("%s: %w", people[i].email, err)
		}
		return patiently(ctx, all[i].Sync)
	})
}

func (s *story) newDesk(base string, p *person, index int, name string) *desk {
	k := &desk{person: p, index: index, acted: map[string]bool{}, tries: map[string]int{}, now: s.d.start.Add(6 * time.Hour)}
	k.phone = s.newPhone(base, p, func() time.Time { return k.now }, name, "Windows 11 / Edge 131")
	return k
}

// desks are all who work at one: counters, banks, offices.
func (s *story) desks() (out []*desk) {
	for _, list := range [][]*desk{s.harbours, s.banks, s.heads, s.officials, s.departments, s.streets} {
		out = append(out, list...)
	}
	return out
}

func (s *story) phones() (out []*Phone) {
	for _, w := range s.workers {
		out = append(out, w.phone)
	}
	for _, k := range s.desks() {
		out = append(out, k.phone)
	}
	return out
}

func (s *story) owners() (out []*person) {
	for _, w := range s.workers {
		out = append(out, w.person)
	}
	for _, k := range s.desks() {
		out = append(out, k.person)
	}
	return out
}

// planDays spreads a worker's visits over the days, few at weekends, and picks the days without a signal.
func (d *district) planDays(worker int) (quota []int, away []bool) {
	days := d.opts.Days
	r := stream(d.opts.Seed, "plan", worker)
	weights := make([]float64, days)
	for i := range weights {
		weights[i] = 0.08
		if d.working(d.start.AddDate(0, 0, i)) {
			weights[i] = 0.75 + r.Float64()*0.5
		}
	}
	quota = make([]int, days)
	// Rounded up for some and down for others, so that the total comes out.
	exact := visitsPerDay * float64(min(days, busyDays))
	n := int(exact)
	if chance(r, exact-float64(n)) {
		n++
	}
	for range n {
		quota[weighted(r, weights)]++
	}
	away = make([]bool, days)
	stretches := int(lateShare*float64(days)/(awayDays-1) + r.Float64())
	if days <= awayDays {
		stretches = 0
	}
	for k := range stretches {
		lo, hi := k*days/stretches, (k+1)*days/stretches-awayDays-1
		if hi < lo {
			continue
		}
		first := between(r, lo, hi)
		for j := range awayDays {
			away[first+j] = true
		}
	}
	return quota, away
}

// run lives through all days.
func (s *story) run(ctx context.Context) error {
	s.gridAt = map[string]int{}
	for i, g := range s.d.grids {
		s.gridAt[g.id] = i
	}
	every := 5
	if s.d.opts.Days <= 14 {
		every = 1
	}
	for day := range s.d.opts.Days {
		date := s.d.start.AddDate(0, 0, day)
		working := s.d.working(date)
		if working {
			if err := errors.Join(s.headsPlan(ctx, day, date), s.countersOpen(ctx, date)); err != nil {
				return fmt.Errorf("%s: %w", date.Format(time.DateOnly), err)
			}
		}
		// On the road nobody waits for the desks, and offline nobody hears of them: both at once.
		road := make(chan error, 1)
		go func() {
			road <- together(ctx, len(s.workers), runtime.NumCPU(), func(_ context.Context, i int) error {
				s.workers[i].workDay(s, day, date)
				return nil
			})
		}()
		var desks error
		if working {
			if desks = s.desksSend(ctx, date); desks == nil {
				desks = s.officesOpen(ctx, day, date)
			}
		}
		if err := errors.Join(<-road, desks); err != nil {
			return fmt.Errorf("%s: %w", date.Format(time.DateOnly), err)
		}
		s.clock.Set(date.Add(19 * time.Hour))
		if err := errors.Join(s.adminEvening(day, date), s.replaySome(ctx, day)); err != nil {
			return fmt.Errorf("%s: %w", date.Format(time.DateOnly), err)
		}
		if err := s.syncEvening(ctx, day, date); err != nil {
			return fmt.Errorf("%s: %w", date.Format(time.DateOnly), err)
		}
		if (day+1)%every == 0 || day+1 == s.d.opts.Days {
			t := s.total()
			s.say("第 %2d/%d 天 %s  走访 %d  需求 %d  对接 %d  进展 %d  迟报 %d  冲突 %d  被退回 %d", day+1, s.d.opts.Days, date.Format(time.DateOnly),
				t.Visits, t.Demands, t.Matches, t.Events, t.Late, t.Conflicts, t.Rejected)
		}
	}
	return nil
}

// total adds up what everyone captured and was answered.
func (s *story) total() tally {
	t := s.tally
	add := func(x tally) {
		t.Visits += x.Visits
		t.Late += x.Late
		t.Photos += x.Photos
		t.Signatures += x.Signatures
		t.Enterprises += x.Enterprises
		t.Updates += x.Updates
		t.Demands += x.Demands
		t.Matches += x.Matches
		t.Events += x.Events
		t.Loans += x.Loans
	}
	for _, w := range s.workers {
		add(w.captain)
	}
	for _, k := range s.desks() {
		add(k.tally)
	}
	for _, p := range s.phones() {
		c := p.Counters()
		t.Applied += c.Applied
		t.Conflicts += c.Conflicts
		t.Rejected += c.Rejected
		t.Duplicates += c.Duplicates
	}
	return t
}

// syncEvening lets everyone with a signal exchange, in four waves a few minutes apart.
func (s *story) syncEvening(ctx context.Context, day int, date time.Time) error {
	const waves = 4
	for wave := range waves {
		at := date.Add(20*time.Hour + time.Duration(wave)*11*time.Minute)
		s.clock.Set(at)
		var here []*worker
		for _, w := range s.workers {
			// On a day off the phone stays in the drawer unless something is left to send.
			idle := !s.d.working(date) && len(w.phone.Outbox())+w.phone.PendingUploads() == 0
			if w.i%waves == wave && !w.away[day] && !idle {
				here = append(here, w)
			}
		}
		if err := together(ctx, len(here), phonesAtOnce(), func(ctx context.Context, i int) error {
			w := here[i]
			w.now = at
			w.tidy(s, day)
			if err := patiently(ctx, w.phone.Sync); err != nil {
				return fmt.Errorf("%s: %w", w.person.email, err)
			}
			for _, captured := range w.unsent {
				if at.Sub(captured) >= lateAfter {
					w.captain.Late++
				}
			}
			w.unsent = w.unsent[:0]
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// tidy gives up what the server refused a while ago: half of it; the rest still shows in the worker's list.
func (w *worker) tidy(s *story, day int) {
	if day%7 != 0 {
		return
	}
	for _, a := range w.phone.NeedsAttention() {
		if chance(stream(s.d.opts.Seed, "tidy", a.Mutation.ID), 0.5) {
			w.phone.Drop(a.Mutation.ID)
		}
	}
}

// ---- a grid worker's day ----

func (w *worker) workDay(s *story, day int, date time.Time) {
	r := stream(s.d.opts.Seed, "day", w.i, day)
	n := w.quota[day]
	if n == 0 {
		return
	}
	grids := w.myGrids(date.Add(9 * time.Hour))
	if len(grids) == 0 {
		return
	}
	ids := w.phone.IDs("enterprises")
	w.now = date.Add(8*time.Hour + 40*time.Minute + time.Duration(r.IntN(40*60))*time.Second)
	step := 8 * time.Hour / time.Duration(n+1)
	var met string
	for range n {
		w.now = w.now.Add(time.Duration(float64(step) * (0.25 + r.Float64()*0.5)))
		switch {
		case met != "" && chance(r, 0.02): // called again within the day: counts once
			w.visit(s, r, day, met, true)
		case chance(r, 0.013):
			w.discover(s, r, day, grids)
		default:
			// A shop that closed since, or was called at lately, is passed by.
			for range 5 {
				id := w.choose(r, ids, day)
				if id == "" {
					continue
				}
				made, spoke := w.visit(s, r, day, id, false)
				if spoke {
					met = id
				}
				if made {
					break
				}
			}
		}
	}
}

// myGrids are the grids that the phone believes are this worker's.
func (w *worker) myGrids(at time.Time) (out []string) {
	now := hooks.Stored(at)
	for _, a := range w.phone.Records("assignments") {
		from, until := text(a, "from"), text(a, "until")
		if text(a, "user") == w.person.id && from <= now && (until == "" || until > now) {
			out = append(out, text(a, "grid"))
		}
	}
	sort.Strings(out)
	return out
}

// choose prefers doors not knocked at yet, then those longest ago.
func (w *worker) choose(r *rand.Rand, ids []string, day int) string {
	again := chance(r, 0.22)
	best, bestDay := "", math.MaxInt // a small district has few doors
	for range 14 {
		if len(ids) == 0 {
			return ""
		}
		id := pick(r, ids)
		last, seen := w.been[id]
		switch {
		case seen && day-last < 3:
			continue
		case seen && day-last < 12:
		case again && seen, !again && !seen:
			return id
		}
		if !seen {
			last = -1
		}
		if last < bestDay {
			best, bestDay = id, last
		}
	}
	return best
}

// truth is what there is to be seen at the door.
func (w *worker) truth(s *story, id string, record map[string]any) *enterprise {
	if e := w.found[id]; e != nil {
		return e
	}
	if e := s.d.byUSCC[text(record, "uscc")]; e != nil {
		return e
	}
	// Somebody else's find: what the record says is what there is.
	r := stream(s.d.opts.Seed, "seen", id)
	e := &enterprise{at: pointOf(record["location"]), owner: text(record, "owner"), contact: text(record, "contact"), phone: text(record, "phone"),
		employees: between(r, 1, 8), borrowing: "unknown", account: "unknown", size: "micro"}
	if g, ok := s.gridAt[text(record, "grid")]; ok && !e.at.known() {
		e.at = s.d.grids[g].centre.scattered(r, s.d.grids[g].spread)
	}
	return e
}

func (w *worker) visit(s *story, r *rand.Rand, day int, id string, again bool) (made, met bool) {
	record, ok := w.phone.Record("enterprises", id)
	if !ok || text(record, "status") == "closed" || text(record, "status") == "moved" || text(record, "grid") == "" {
		return false, false
	}
	truth := w.truth(s, id, record)
	outcome := []string{"met", "absent", "refused", "closed", "moved", "not_found"}[weighted(r, []float64{75, 15, 4, 2.2, 2, 1.8})]
	if again {
		outcome = "met"
	}
	met = outcome == "met"
	// A statement about times is the phone's own: its clock may be wrong.
	started := w.phone.Now()
	minutes := 1 + r.Float64()*2
	if met {
		minutes = 4 + r.ExpFloat64()*9
		if chance(r, 0.03) {
			minutes = 0.5 + r.Float64()*2.3 // hardly a visit
		}
	}
	w.now = w.now.Add(time.Duration(minutes * float64(time.Minute)))
	data := map[string]any{
		"enterprise": id, "grid": text(record, "grid"), "worker": w.person.id,
		"started_at": hooks.Stored(started), "ended_at": hooks.Stored(w.phone.Now()), "outcome": outcome,
		"place": []string{"shop", "community", "market", "park", "building"}[weighted(r, []float64{88, 4, 4, 1.5, 2.5})],
	}
	fix := w.fix(r, truth, data)
	if met {
		w.tell(s, r, data)
	}
	signed := met && chance(r, 0.74)
	photo := chance(r, 0.10)
	if photo {
		data["photo_count"] = 1
	}
	asked := met && !again && chance(r, 0.130)
	if met && !asked {
		data["demand_asked"] = []string{"no", "not_asked"}[weighted(r, []float64{80, 20})]
	}
	if asked {
		data["demand_asked"] = "yes"
	}
	visit := w.phone.Create("visits", data)
	w.been[id] = day
	w.unsent = append(w.unsent, w.now)
	w.captain.Visits++
	if signed {
		w.phone.AddFile("visits", visit, "signature", signature(r))
		w.captain.Signatures++
	}
	if photo {
		w.phone.AddPhoto("visits", visit, shopPhoto(r), fix)
		w.captain.Photos++
	}
	if met {
		w.learn(r, id, record, truth, fix)
		w.onTheSide(s, day, id, visit, data, record)
	}
	if asked {
		w.demand(s, r, id, visit, data["grid"], record)
	}
	return true, met
}

// fix is where the phone was: near the door, mostly; else with a reason.
func (w *worker) fix(r *rand.Rand, truth *enterprise, data map[string]any) *fieldsync.LonLat {
	x := r.Float64()
	if x < 0.04 {
		data["location_reason"] = pick(r, []string{"室内无卫星信号", "地下商场，无法定位", "手机定位故障"})
		return nil
	}
	at := truth.at.scattered(r, 18)
	data["accuracy"] = math.Round(5 + r.ExpFloat64()*14)
	if x < 0.09 {
		at = truth.at.away(r, 240+r.ExpFloat64()*400)
		data["location_reason"] = pick(r, []string{"在经营者新址见面", "约在社区办公室", "登记位置不准，门店在对面街"})
		data["accuracy"] = math.Round(20 + r.ExpFloat64()*60)
	}
	fix := &fieldsync.LonLat{Lon: at.lon, Lat: at.lat}
	data["location"] = fix
	return fix
}

func (w *worker) tell(s *story, r *rand.Rand, data map[string]any) {
	var policies, products []string
	for range between(r, 0, 3) {
		if p := pick(r, s.d.policies).id; !contains(policies, p) {
			policies = append(policies, p)
		}
	}
	for range between(r, 0, 2) {
		if p := pick(r, s.d.products).id; !contains(products, p) {
			products = append(products, p)
		}
	}
	if policies != nil {
		data["policies"] = policies
	}
	if products != nil {
		data["products"] = products
	}
	data["loan_code_shown"] = chance(r, 0.6)
	data["platform_guided"] = chance(r, 0.3)
	data["handbook_left"] = chance(r, 0.7)
	data["anti_fraud_told"] = chance(r, 0.75)
	if chance(r, 0.18) {
		data["notes"] = pick(r, []string{"生意平稳，暂无资金压力", "旺季备货，过段时间再联系", "对利率比较敏感", "想了解创业担保贷款", "门店正在装修", "老板不在，店员接待", "已加微信，后续发产品资料"})
	}
	if chance(r, 0.2) {
		data["next_visit_on"] = hooks.Stored(time.Date(w.now.Year(), w.now.Month(), w.now.Day()+between(r, 14, 60), 0, 0, 0, 0, hooks.Shanghai))
	}
}

// learn puts right what the record says of the enterprise.
func (w *worker) learn(r *rand.Rand, id string, record map[string]any, truth *enterprise, fix *fieldsync.LonLat) {
	to := map[string]any{}
	if !pointOf(record["location"]).known() && fix != nil && chance(r, 0.35) {
		to["location"] = fix
	}
	if chance(r, 0.18) {
		to["borrowing"], to["account_opened"] = truth.borrowing, truth.account
		to["employees"] = max(1, truth.employees+between(r, -1, 1))
		if text(record, "size") == "" {
			to["size"] = truth.size
		}
	}
	if chance(r, 0.09) {
		to["contact"] = truth.contact
		if text(record, "contact") != "" {
			to["contact"] = personName(r)
		}
	}
	if chance(r, 0.04) {
		to["phone"] = demoPhone(r)
	}
	if chance(r, 0.02) {
		to["special_groups"] = []string{pick(r, []string{"unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"})}
	}
	if len(to) > 0 {
		if _, ok := w.phone.Update("enterprises", id, to); ok {
			w.captain.Updates++
		}
	}
}

func (w *worker) demand(s *story, r *rand.Rand, id, visit string, grid any, record map[string]any) {
	data := s.need(r, record)
	data["enterprise"], data["visit"], data["grid"], data["channel"] = id, visit, grid, "visit"
	if old := w.asked[id]; old != "" && chance(r, 0.7) {
		data["need"] = old
	}
	w.asked[id] = data["need"].(string)
	w.phone.Create("demands", data)
	w.captain.Demands++
	if chance(r, 0.035) { // written down twice: the counter will void one
		twice := map[string]any{}
		for k, v := range data {
			twice[k] = v
		}
		w.now = w.now.Add(time.Minute)
		w.phone.Create("demands", twice)
		w.captain.Demands++
	}
}

// need is what an enterprise wants money for.
func (s *story) need(r *rand.Rand, record map[string]any) map[string]any {
	need := []string{"working_capital", "equipment", "upgrade", "green", "startup", "equity", "other"}[weighted(r, []float64{56, 14, 10, 4, 10, 1.5, 4.5})]
	kind := []string{"first_loan", "renewal", "increase", "other"}[weighted(r, []float64{50, 28, 17, 5})]
	if text(record, "borrowing") == "never" {
		kind = "first_loan"
	}
	amount := between(r, 2, 30) * 10_000
	if text(record, "kind") == "company" {
		amount *= between(r, 2, 9)
	}
	data := map[string]any{"kind": kind, "need": need, "amount": amount, "term": pick(r, []int{6, 12, 12, 12, 24, 36})}
	if chance(r, 0.25) {
		data["guarantee_wanted"] = true
	}
	if need == "startup" {
		data["startup_group"] = pick(r, []string{"unemployed", "disabled", "veteran", "graduate", "migrant_returnee", "online_merchant"})
		data["startup_eligible"] = pick(r, []string{"yes", "yes", "no", "unknown"})
	}
	if chance(r, 0.4) {
		for _, p := range s.d.products {
			if contains(p.needs, need) && chance(r, 0.4) {
				data["product"] = p.id
				break
			}
		}
	}
	return data
}

// discover notes an enterprise that no list has, or that stands on the list under the same code without the worker seeing it.
func (w *worker) discover(s *story, r *rand.Rand, day int, grids []string) {
	gi := s.gridAt[pick(r, grids)]
	g := s.d.grids[gi]
	t := trades[r.IntN(len(trades)-3)]
	// Serials beyond the registry's, one block a worker, so that no two finds share a code.
	serial := 1_000_000 + w.i*10_000 + len(w.found)
	e := makeEnterprise(r, serial, s.d.grids, gi, t, s.d.streetName, s.d.start)
	data := map[string]any{"name": e.name, "kind": e.kind, "industry": e.industry, "grid": g.id, "address": e.address, "owner": e.owner,
		"contact": e.contact, "phone": e.phone, "employees": min(e.employees, 60), "borrowing": e.borrowing, "account_opened": e.account, "size": "micro"}
	e.size = "micro"
	if chance(r, 0.8) {
		data["uscc"] = e.uscc
	}
	if chance(r, 0.15) {
		twin := s.d.enterprises[r.IntN(len(s.d.enterprises))]
		data["uscc"], data["name"], data["owner"] = twin.uscc, twin.name, twin.owner
	}
	fix := e.at.scattered(r, 10)
	data["location"] = &fieldsync.LonLat{Lon: fix.lon, Lat: fix.lat}
	id := w.phone.Create("enterprises", data)
	w.captain.Enterprises++
	e.at = fix
	w.found[id] = e
	w.visit(s, r, day, id, false)
}

// ---- reading records ----

func text(record map[string]any, field string) string {
	v, _ := record[field].(string)
	return v
}

func whole(record map[string]any, field string) int {
	switch v := record[field].(type) {
	case float64:
		return int(v)
	case int:
		return v
	}
	return 0
}

func when(record map[string]any, field string) time.Time {
	t, _ := hooks.ParseTime(text(record, field))
	return t
}

func pointOf(v any) point {
	switch p := v.(type) {
	case map[string]any:
		lon, _ := p["lon"].(float64)
		lat, _ := p["lat"].(float64)
		return point{lon, lat}
	case *fieldsync.LonLat:
		return point{p.Lon, p.Lat}
	}
	return point{}
}
