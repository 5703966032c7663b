// Package demo is a whole district in one command: the real area tree, deterministic people and enterprises, and phones
// that work offline and sync over HTTP against the running server, whose clock moves day by day.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
	"github.com/spf13/cobra"

	"gangwan/hooks"
)

// Options are the command's flags. The same options make the same district and the same story.
type Options struct {
	HTTP        string
	Enterprises int
	Phones      int
	Days        int
	Seed        uint64
	Exit        bool
	// Out is where progress and the closing table go.
	Out io.Writer
}

// Pipeline runs the nightly run for a date (2006-01-02, Shanghai) through the same code as at night and returns where its
// reports are, for people to read.
type Pipeline func(ctx context.Context, date string, progress func(string)) (string, error)

// Deps is what main hands over: the demo package knows no other way to a report.
type Deps struct {
	Pipeline Pipeline
}

const (
	accountsFile   = "demo-accounts.json"
	unfinishedFile = "demo-unfinished"
)

// Account is one entry of DIR/demo-accounts.json.
type Account struct {
	Role     string   `json:"role"`
	Email    string   `json:"email"`
	Password string   `json:"password"`
	User     string   `json:"user"` // record id
	Name     string   `json:"name,omitempty"`
	Mobile   string   `json:"mobile,omitempty"`
	Street   string   `json:"street,omitempty"` // area code
	Grids    []string `json:"grids,omitempty"`  // record ids, as of the end
	Harbour  string   `json:"harbour,omitempty"`
	Bank     string   `json:"bank,omitempty"`
	Agency   string   `json:"agency,omitempty"`
}

// Command is `gangwan demo`. The data directory is PocketBase's own global --dir.
func Command(app core.App, clock *Clock, deps Deps) *cobra.Command {
	o := Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "一条命令演示全区：生成市场主体和人员，多部手机离线走访后上报，出一次报表",
		Long: "在数据目录（--dir，默认 ./demo_data）里生成一个演示区：真实的行政区划，虚构的市场主体、机构和人员。\n" +
			"每部手机离线工作，再通过 HTTP 上报到正在运行的服务器；服务器的时钟逐日推进。\n" +
			"最后跑一次与夜间相同的统计，并打印在哪里查看、用哪个账号。目录里已有演示区时直接继续使用。",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return Run(cmd.Context(), app, clock, o, deps.Pipeline)
		},
	}
	f := c.Flags()
	f.StringVar(&o.HTTP, "http", "127.0.0.1:8090", "监听地址")
	f.IntVar(&o.Enterprises, "enterprises", 20000, "市场主体户数")
	f.IntVar(&o.Phones, "phones", 60, "网格员手机数")
	f.IntVar(&o.Days, "days", 120, "模拟天数")
	f.Uint64Var(&o.Seed, "seed", 1, "随机种子：相同的参数得到相同的演示区")
	f.BoolVar(&o.Exit, "exit", false, "统计完成后退出，不继续提供服务")
	return c
}

func (o Options) check() error {
	switch {
	case o.Enterprises < 1 || o.Enterprises > 1_000_000:
		return fmt.Errorf("--enterprises 须在 1 到 1000000 之间")
	case o.Phones < 1 || o.Phones > 600:
		return fmt.Errorf("--phones 须在 1 到 600 之间")
	case o.Days < 1 || o.Days > 400:
		return fmt.Errorf("--days 须在 1 到 400 之间")
	}
	return nil
}

// Run makes the district in the app's data directory and lives through its days, or goes on serving the one that is there.
// The app must be bootstrapped, with its rules and the sync protocol bound to clock. Without Exit it serves until ctx ends.
func Run(ctx context.Context, app core.App, clock *Clock, o Options, pipeline Pipeline) error {
	if ctx == nil {
		ctx = context.Background()
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if err := o.check(); err != nil {
		return err
	}
	var sayMu sync.Mutex
	say := func(format string, args ...any) {
		sayMu.Lock()
		defer sayMu.Unlock()
		_, _ = fmt.Fprintf(o.Out, format+"\n", args...)
	}
	if err := portIsFree(o.HTTP); err != nil {
		return err
	}
	dir := app.DataDir()
	accounts, err := readAccounts(dir)
	if err != nil {
		return err
	}
	if accounts != nil {
		say("目录 %s 里已有演示区，直接继续使用（要重新生成，请先删除这个目录）。", dir)
		clock.Run(lastDay.AddDate(0, 0, 1).Add(8 * time.Hour))
		server, err := serve(ctx, app, o.HTTP)
		if err != nil {
			return err
		}
		printWhere(say, server.url, dir, accounts, "")
		return server.finish(ctx, o.Exit)
	}
	if err := mayFill(app, dir); err != nil {
		return err
	}

	began := time.Now()
	d, err := newDistrict(o)
	if err != nil {
		return err
	}
	say("演示区：%d 户市场主体，%d 部手机，%s 至 %s 共 %d 天，随机种子 %d", o.Enterprises, o.Phones, d.start.Format(time.DateOnly), d.last.Format(time.DateOnly), o.Days, o.Seed)
	if err := os.WriteFile(filepath.Join(dir, unfinishedFile), []byte("演示区尚未生成完毕\n"), 0o600); err != nil {
		return err
	}
	clock.Set(d.start.Add(5 * time.Hour))
	admin, err := openDatabase(app)
	if err != nil {
		return err
	}
	server, err := serve(ctx, app, o.HTTP)
	if err != nil {
		return err
	}
	err = live(ctx, app, clock, d, server, admin, pipeline, say, began)
	if err != nil {
		return errors.Join(err, server.finish(ctx, true))
	}
	return server.finish(ctx, o.Exit)
}

func live(ctx context.Context, app core.App, clock *Clock, d *district, server *server, admin string, pipeline Pipeline, say func(string, ...any), began time.Time) error {
	// Server and phones share this process: until the story ends, memory is cheaper than time.
	percent := debug.SetGCPercent(250)
	calm := sync.OnceFunc(func() { debug.SetGCPercent(percent) })
	defer calm()
	if err := d.load(app, clock, say); err != nil {
		return err
	}
	s := &story{d: d, app: app, clock: clock, say: say, base: server.url}
	clock.Set(d.start.Add(6 * time.Hour))
	if err := s.makePeopleReady(ctx, server.url); err != nil {
		return err
	}
	pulled := 0
	for _, p := range s.phones() {
		pulled += p.Counters().Pulled
	}
	say("%d 台设备已登录并完成首次下载，共 %d 条记录（%.0f 秒）", len(s.phones()), pulled, time.Since(began).Seconds())
	if err := s.run(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	if err := s.compare(); err != nil {
		return err
	}
	t := s.total()
	say("合计：走访 %d（迟报 %.1f%%），签名 %d，照片 %d，需求 %d，对接 %d，进展 %d，贷款 %d，现场新增 %d；冲突 %d，被退回 %d，重复送达 %d",
		t.Visits, 100*float64(t.Late)/float64(max(1, t.Visits)), t.Signatures, t.Photos, t.Demands, t.Matches, t.Events, t.Loans, t.Enterprises, t.Conflicts, t.Rejected, t.Duplicates)
	say("管理员：网格改派 %d 次，主体迁移网格 %d 户，停业或搬离 %d 户，处理现场新增 %d 户，审核走访 %d 次，重新办理被退回 %d 条", t.Reassigned, t.Moved, t.Closed, t.Confirmed, t.Reviewed, t.Replayed)
	say("核对：%d 台设备与服务器一致，待上报 0 条（%.0f 秒）", len(s.phones()), time.Since(began).Seconds())

	accounts, err := s.accounts(admin)
	if err != nil {
		return err
	}
	// The phones' copies of the district make room for the pipeline.
	s.workers, s.harbours, s.banks, s.offices = nil, nil, nil, offices{}
	calm()
	debug.FreeOSMemory()
	clock.Set(d.last.AddDate(0, 0, 1).Add(2 * time.Hour))
	where := ""
	if pipeline != nil {
		if where, err = pipeline(ctx, d.last.Format(time.DateOnly), func(line string) { say("统计：%s", line) }); err != nil {
			return fmt.Errorf("统计没有完成：%w", err)
		}
	}
	if err := writeAccounts(app.DataDir(), accounts); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(app.DataDir(), unfinishedFile))
	clock.Run(d.last.AddDate(0, 0, 1).Add(8 * time.Hour))
	say("全部完成，用时 %.0f 秒", time.Since(began).Seconds())
	printWhere(say, server.url, app.DataDir(), accounts, where)
	return nil
}

// settle ends the last day: everyone has a signal again, every outbox drains, every device is compared with the server.
func (s *story) settle(ctx context.Context) error {
	at := s.d.last.Add(22 * time.Hour)
	s.clock.Set(at)
	for _, w := range s.workers {
		w.now = at
	}
	for _, k := range s.desks() {
		k.now = at
	}
	all, owners := s.phones(), s.owners()
	return together(ctx, len(all), phonesAtOnce(), func(ctx context.Context, i int) error {
		if err := patiently(ctx, all[i].Sync); err != nil {
			return fmt.Errorf("%s: %w", owners[i].email, err)
		}
		if n := len(all[i].Outbox()) + all[i].PendingUploads() + waitingForNobody(all[i]); n > 0 {
			return fmt.Errorf("%s 还有 %d 条没有上报", owners[i].email, n)
		}
		equal, err := all[i].Verify(ctx)
		if err == nil && !equal {
			err = fmt.Errorf("%s 与服务器不一致", owners[i].email)
		}
		return err
	})
}

// waitingForNobody counts what waits, apart from what waits behind a record that was refused and that a person must mend:
// a photo of a visit outside the worker's grids stays where its visit is.
func waitingForNobody(p *Phone) (n int) {
	refused := map[string]bool{}
	for _, a := range p.NeedsAttention() {
		refused[a.Mutation.Record] = true
	}
	for _, m := range p.Waiting() {
		if namesAny(m, refused) {
			refused[m.Record] = true
		} else {
			n++
		}
	}
	return n
}

// compare holds the database to what the phones know they captured: nothing lost, nothing doubled.
func (s *story) compare() error {
	t := s.total()
	want := map[string]int{"enterprises": len(s.d.enterprises), "contacts": s.d.contacts}
	for collection := range hooks.Forms {
		for _, p := range s.phones() {
			want[collection] += p.Created(collection)
		}
	}
	refused, err := s.refusedCreates()
	if err != nil {
		return err
	}
	// Some records follow from others on the server: a demand's last step from a loan or a cultivation given up, what is to be
	// mended from an inspection or an upheld complaint.
	for collection, where := range map[string]string{"demand_events": "id IN (SELECT id FROM loans) OR note LIKE '融资培育终止%'", "rectifications": "inspection != '' OR feedback != ''"} {
		var follows int
		if err := s.app.DB().NewQuery("SELECT count(*) FROM " + collection + " WHERE " + where).Row(&follows); err != nil {
			return err
		}
		want[collection] += follows
	}
	for collection, n := range want {
		have, err := s.app.CountRecords(collection)
		if err != nil {
			return err
		}
		if n -= refused[collection]; int(have) != n {
			return fmt.Errorf("%s：手机共采集 %d 条，服务器有 %d 条", collection, n, have)
		}
	}
	var signed int
	if err := s.app.DB().NewQuery(`SELECT count(*) FROM visits WHERE signature != ''`).Row(&signed); err != nil {
		return err
	}
	lacking, err := s.lackingSignatures()
	if err == nil && signed != t.Signatures-lacking {
		err = fmt.Errorf("签名：手机共采集 %d 个（未收 %d），服务器有 %d 个", t.Signatures, lacking, signed)
	}
	return err
}

// lackingSignatures counts those that were refused, and those of visits that were: the server keeps them until the visit is
// mended, or refuses them when they have waited for thirty days.
func (s *story) lackingSignatures() (int, error) {
	var ids []string
	err := s.app.DB().NewQuery(`SELECT id FROM sync_attachments WHERE status != 'applied' AND field != ''`).Column(&ids)
	for _, p := range s.phones() {
		for _, u := range p.RefusedUploads() {
			if u.Meta.Field != "" && !contains(ids, u.Meta.ID) {
				ids = append(ids, u.Meta.ID)
			}
		}
	}
	return len(ids), err
}

// refusedCreates counts the records that the server did not take, by collection: sent back and not mended, or waiting for
// one that was.
func (s *story) refusedCreates() (map[string]int, error) {
	var rows []struct {
		Collection string
		N          int
	}
	err := s.app.DB().NewQuery(`SELECT collection, count(*) AS n FROM (
			SELECT collection FROM sync_rejections WHERE json_extract(mutation, '$.op') = 'create' AND status = 'open'
			UNION ALL SELECT json_extract(body, '$.collection') FROM sync_deferred WHERE json_extract(body, '$.op') = 'create')
		GROUP BY collection`).All(&rows)
	out := map[string]int{}
	for _, r := range rows {
		out[r.Collection] = r.N
	}
	return out, err
}

func portIsFree(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("地址 %s 不能使用，可能已有程序在监听：请先停止它，或用 --http 换一个端口（%w）", addr, err)
	}
	return l.Close()
}

func readAccounts(dir string) ([]Account, error) {
	raw, err := os.ReadFile(filepath.Join(dir, accountsFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Account
	if err := json.Unmarshal(raw, &out); err != nil || len(out) == 0 {
		return nil, fmt.Errorf("%s 无法读取；要重新生成演示区，请删除目录 %s", accountsFile, dir)
	}
	return out, nil
}

func writeAccounts(dir string, accounts []Account) error {
	raw, err := json.MarshalIndent(accounts, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, accountsFile), append(raw, '\n'), 0o600)
}

// mayFill refuses a directory in which somebody's own data lies.
func mayFill(app core.App, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, unfinishedFile)); err == nil {
		return fmt.Errorf("目录 %s 里的演示区上次没有生成完毕，请删除这个目录后重新运行", dir)
	}
	if !app.HasTable("users") {
		return nil
	}
	users, err := app.CountRecords("users")
	if err != nil {
		return err
	}
	enterprises := int64(0)
	if app.HasTable("enterprises") {
		if enterprises, err = app.CountRecords("enterprises"); err != nil {
			return err
		}
	}
	if users > 0 || enterprises > 0 {
		return fmt.Errorf("目录 %s 里已有正式数据（用户 %d 名，市场主体 %d 户），演示不会写入；请用 --dir 另选一个目录", dir, users, enterprises)
	}
	return nil
}

// openDatabase brings the schema up and makes the administrator, without whom PocketBase would open its installer.
func openDatabase(app core.App) (admin string, err error) {
	if err := app.RunAllMigrations(); err != nil {
		return "", err
	}
	// The database may have been opened under the real clock, which is ahead of the story; nothing is in it yet.
	for _, q := range []string{`UPDATE sync_clock SET now = ''`, `DELETE FROM sync_ticks`} {
		if _, err := app.NonconcurrentDB().NewQuery(q).Execute(); err != nil {
			return "", err
		}
	}
	if _, err := app.NonconcurrentDB().NewQuery(`DELETE FROM _superusers`).Execute(); err != nil {
		return "", err
	}
	superusers, err := app.FindCollectionByNameOrId(core.CollectionNameSuperusers)
	if err != nil {
		return "", err
	}
	r := core.NewRecord(superusers)
	r.SetEmail(adminEmail)
	r.SetPassword(Password)
	return r.Id, app.Save(r)
}

// server is PocketBase's own, running beside the story in this process.
type server struct {
	url  string
	http *http.Server
	done chan error
}

func serve(ctx context.Context, app core.App, addr string) (*server, error) {
	s := &server{done: make(chan error, 1)}
	started := make(chan struct{})
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		if err := e.Next(); err != nil {
			return err
		}
		s.http = e.Server
		close(started)
		return nil
	})
	go func() { s.done <- apis.Serve(app, apis.ServeConfig{HttpAddr: addr}) }()
	select {
	case <-started:
	case err := <-s.done:
		return nil, fmt.Errorf("服务器没有启动：%w", err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	s.url = "http://" + net.JoinHostPort(host, port)
	for range 100 {
		res, err := http.Get(s.url + "/api/health")
		if err == nil {
			_ = res.Body.Close()
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, fmt.Errorf("服务器 %s 没有应答", s.url)
}

// finish stops the server at once, or when the caller has had enough. What else ends with the process is the app's own
// OnTerminate, which whoever made the app triggers.
func (s *server) finish(ctx context.Context, now bool) error {
	if !now {
		select {
		case <-ctx.Done():
		case err := <-s.done:
			return err
		}
	}
	transport.CloseIdleConnections()
	stop, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(stop); err != nil {
		return err
	}
	return <-s.done
}

// accounts lists everyone who can sign in, with the grids they walk at the end.
func (s *story) accounts(admin string) ([]Account, error) {
	var rows []struct{ User, Grid string }
	if err := s.app.DB().NewQuery(`SELECT user, grid FROM assignments WHERE until = '' ORDER BY user, grid`).All(&rows); err != nil {
		return nil, err
	}
	grids := map[string][]string{}
	for _, r := range rows {
		grids[r.User] = append(grids[r.User], r.Grid)
	}
	out := []Account{{Role: "superuser", Email: adminEmail, Password: Password, User: admin, Name: "系统管理员"}}
	for _, p := range s.d.people {
		a := Account{Role: p.role, Email: p.email, Password: Password, User: p.id, Name: p.name, Mobile: p.mobile, Street: p.street, Grids: grids[p.id]}
		if p.agency != "" {
			a.Agency = s.d.agencyOf(p.agency).short
		}
		if p.harbour >= 0 {
			a.Harbour = s.d.harbours[p.harbour].id
		}
		if p.bank >= 0 {
			a.Bank = s.d.banks[p.bank].id
		}
		out = append(out, a)
	}
	return out, nil
}

func printWhere(say func(string, ...any), url, dir string, accounts []Account, reports string) {
	first := map[string]Account{}
	for _, a := range accounts {
		if _, ok := first[a.Role]; !ok {
			first[a.Role] = a
		}
	}
	say("")
	say("在哪里看什么（密码都是 %s）：", accounts[0].Password)
	for _, line := range []struct{ what, path, role string }{
		{"走访应用 · 网格员", "/", "grid_worker"}, {"走访应用 · 港湾当值", "/", "harbour_staff"}, {"走访应用 · 银行", "/", "bank"},
		{"报表门户 · 主管部门", "/reports", "official"}, {"报表门户 · 街道", "/reports", "street_official"}, {"管理控制台", "/_/", "superuser"},
	} {
		if a, ok := first[line.role]; ok {
			say("  %s\t%s%s\t%s（%s）", line.what, url, line.path, a.Email, a.Name)
		}
	}
	if reports != "" {
		say("  本次报表\t%s", reports)
	}
	say("  全部账号\t%s", filepath.Join(dir, accountsFile))
	say("现在时刻按 %s 起算；按 Ctrl-C 停止。", hooks.Day(lastDay.AddDate(0, 0, 1)))
}
