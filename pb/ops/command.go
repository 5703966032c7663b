// Package ops is what an operator does on the server itself: backup, restore, doctor.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pocketbase/pocketbase/core"
	"github.com/spf13/cobra"

	"gangwan/hooks"
	"gangwan/pb/fieldsync"
)

// Bind guards the data directory of the app: while it is open nobody restores, what a restore had begun is finished before
// the database is opened, and PocketBase's own backups, which know nothing of phones, are refused.
func Bind(app core.App) {
	const key = "ops.lock"
	app.OnBootstrap().BindFunc(func(e *core.BootstrapEvent) error {
		held, _ := e.App.Store().Get(key).(*lock)
		held.release()
		if _, err := os.Stat(filepath.Join(e.App.DataDir(), journalFile)); err == nil {
			alone, err := acquire(e.App.DataDir(), true, "restore_running")
			if err != nil {
				return err
			}
			err = finish(e.App.DataDir())
			alone.release()
			if err != nil {
				return err
			}
		}
		shared, err := acquire(e.App.DataDir(), false, "restore_running")
		if err != nil {
			return err
		}
		e.App.Store().Set(key, shared)
		return e.Next()
	})
	app.OnTerminate().BindFunc(func(e *core.TerminateEvent) error {
		err := e.Next()
		held, _ := app.Store().Get(key).(*lock)
		held.release()
		app.Store().Remove(key)
		return err
	})
	refuse := func(e *core.BackupEvent) error { return hooks.Err("stock_backup") }
	app.OnBackupCreate().BindFunc(refuse)
	app.OnBackupRestore().BindFunc(refuse)
}

// ownsDatabase marks commands that open the database themselves: a damaged one must not keep them from running, and a
// directory without one must not get an empty one.
const ownsDatabase = "opens the database itself"

// OpensDatabase tells whether the command opens the database itself, so that main must not.
func OpensDatabase(c *cobra.Command) bool { return c.Annotations[ownsDatabase] != "" }

// Commands are `gangwan backup`, `gangwan restore` and `gangwan doctor`.
func Commands(app core.App, clock hooks.Clock, version string) []*cobra.Command {
	marked := map[string]string{ownsDatabase: "yes"}
	backup := &cobra.Command{
		Use:   "backup [目录]",
		Short: "备份数据库和照片（服务不用停）",
		Long: `在目录下新建一份备份“gangwan-年月日-时分秒”，默认目录为 ./gangwan-backups。服务可以照常运行。

备份是一个目录：data.db（某一刻的完整数据库）、storage（这个数据库用到的全部照片和文件）、SHA256SUMS（可用 sha256sum -c 核对）、
manifest.json（时间、条数等）。同一目录下已有备份的，没有变化的照片与上一份共用磁盘空间（硬链接），每份仍是完整的，可以单独删除任何一份。
做到一半中断的备份目录以 .partial 结尾，可直接删除。已有的备份不会覆盖。

备份里有居民和企业的个人信息，目录只有本用户可读，请放在另一块磁盘或另一台机器上并妥善保管。
不在备份里的：运行日志（auxiliary.db）、HTTPS 证书、已发布的报表（可用 gangwan pipeline run --date 重新生成）。

退出码：0 完整；1 没有做成；2 已做成，但数据库里有的照片在磁盘上找不到（会列出）。`,
		Example:     "  gangwan backup /mnt/nas/gangwan\n  gangwan backup --dir /srv/gangwan/pb_data /mnt/nas/gangwan",
		Args:        atMost(1),
		Annotations: marked,
		RunE: func(cmd *cobra.Command, args []string) error {
			closed, err := open(app)
			if err != nil {
				return err
			}
			defer closed()
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runBackup(ctx, cmd, app, append(args, "./gangwan-backups")[0], options(cmd, clock, version))
		},
	}
	restore := &cobra.Command{
		Use:   "restore 备份目录",
		Short: "从备份恢复数据库和照片（先停止服务）",
		Long: `用一份备份（gangwan backup 做的目录）替换数据目录里的数据库和照片。先停止服务再运行。

先核对备份的每个文件和数据库的完整性，全部没有问题才替换；原来的数据库和照片移到数据目录下“replaced-年月日-时分秒”，不会删除，
确认无误后可自行删除。中途断电或中断后再运行一次即可：替换要么没有开始，要么由下一条命令自动完成。

恢复以后，备份之后的上报由手机自动补回：每台手机保存最近 14 天已上报的内容和照片，下次联网时自动再报一遍，不用人操作，也不会重复。
补不回来的只有：备份之后在管理后台做的修改、再也不联网的手机、超过 14 天的内容。日志、证书和已发布的报表不受影响。`,
		Example:     "  gangwan restore /mnt/nas/gangwan/gangwan-20261125-013000",
		Args:        atMost(1),
		Annotations: marked,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("请给出备份目录，例如：\n" + cmd.Example)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runRestore(ctx, cmd, app, args[0], options(cmd, clock, version))
		},
	}
	var fix bool
	doctor := &cobra.Command{
		Use:   "doctor",
		Short: "检查数据库和照片，可自动修复同步所需的内容",
		Long: `检查：数据库文件是否完整；变更记录的触发器、时钟、编号（epoch）是否齐全；记录的归属是否与所属主体一致；网格员的网格是否与网格分配一致；
每条记录手机是否都能下载到；是否有等了 30 天的上报；照片是否都在磁盘上。

只看不改；加 --fix 时在一个事务里修复能修复的，并逐项说明。服务运行时也可以用。
退出码：0 没有问题（或已全部修复）；1 还有问题。`,
		Example:     "  gangwan doctor\n  gangwan doctor --fix",
		Args:        atMost(0),
		Annotations: marked,
		RunE: func(cmd *cobra.Command, _ []string) error {
			closed, err := open(app)
			if err != nil {
				return err
			}
			defer closed()
			return runDoctor(cmd, app, clock, fix)
		},
	}
	doctor.Flags().BoolVar(&fix, "fix", false, "修复能修复的问题")
	return []*cobra.Command{backup, restore, doctor}
}

// atMost words in Chinese what cobra would say in English.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("参数多余：%s；用法：%s（--help 看说明）", strings.Join(args[n:], " "), cmd.UseLine())
		}
		return nil
	}
}

func options(cmd *cobra.Command, clock hooks.Clock, version string) Options {
	return Options{Now: clock(), Version: version, Say: func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }}
}

// open opens an existing database with all migrations run; it never makes an empty one.
func open(app core.App) (closed func(), err error) {
	if _, err := os.Stat(filepath.Join(app.DataDir(), databaseFile)); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(app.DataDir(), journalFile)); err != nil {
			return nil, detailed("no_database", app.DataDir())
		}
	}
	if err := app.Bootstrap(); err != nil {
		if primary(err) != 0 {
			return nil, fmt.Errorf("打不开数据库，可能已损坏；可用 gangwan restore 从备份恢复：%w", err)
		}
		return nil, err
	}
	closed = func() {
		_ = app.OnTerminate().Trigger(&core.TerminateEvent{App: app}, func(e *core.TerminateEvent) error { return e.App.ResetBootstrapState() })
	}
	if err := app.RunAllMigrations(); err != nil {
		closed()
		return nil, err
	}
	return closed, nil
}

func detailed(code, detail string) error {
	e := hooks.Err(code)
	e.Message += "：" + detail
	return e
}

// ErrIncomplete is the error of a backup that was made but lacks files: exit status 2.
var ErrIncomplete = errors.New("backup made, files missing")

func runBackup(ctx context.Context, cmd *cobra.Command, app core.App, parent string, o Options) error {
	dir, m, err := Backup(ctx, app, parent, o)
	if err != nil {
		return err
	}
	// A backup is every record in one piece: it is taken away, and that is logged. Not in the set itself, which was read before.
	if err := hooks.Log(app, hooks.Entry{At: o.Now, Action: "export", Target: "备份 " + filepath.Base(dir)}.Operator()); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "注意：这次备份没有记入操作日志：", err)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "备份完成：%s\n市场主体 %d，走访 %d，融资需求 %d；照片和文件 %d 个（%d 个与上一份相同），共 %d MB\n",
		dir, m.Counts["enterprises"], m.Counts["visits"], m.Counts["demands"], m.Files, m.Linked, m.Bytes>>20)
	if m.Remote {
		fmt.Fprintln(out, "照片存放在对象存储里，不在这份备份中，请另行保管。")
	}
	if len(m.Missing) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "注意：数据库里有、磁盘上找不到的照片和文件 %d 个（清单在 manifest.json 的 missing）：\n", len(m.Missing))
		for _, path := range m.Missing[:min(20, len(m.Missing))] {
			fmt.Fprintln(cmd.ErrOrStderr(), "  "+path)
		}
		return ErrIncomplete
	}
	return nil
}

func runRestore(ctx context.Context, cmd *cobra.Command, app core.App, set string, o Options) error {
	r, err := Restore(ctx, app, set, o)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	made, _ := hooks.ParseTime(r.Manifest.MadeAt)
	fmt.Fprintf(out, "已恢复到 %s 的备份：市场主体 %d，走访 %d，融资需求 %d。\n", made.In(hooks.Shanghai).Format("2006-01-02 15:04"),
		r.Manifest.Counts["enterprises"], r.Manifest.Counts["visits"], r.Manifest.Counts["demands"])
	if r.Aside != "" {
		fmt.Fprintf(out, "原来的数据库和照片在 %s，确认无误后可自行删除。\n", r.Aside)
	}
	list(out, "已修复", r.Mended)
	if n := len(r.Manifest.Missing); n > 0 {
		fmt.Fprintf(out, "注意：做备份时就有 %d 个照片和文件找不到。\n", n)
	}
	fmt.Fprintln(out, "现在可以启动服务。手机下次联网时会自动补报最近 14 天的内容和照片，不用人操作；补报完成前，备份之后的上报在后台暂时看不到。")
	fmt.Fprintln(out, "补不回来的：备份之后在管理后台的修改、不再联网的手机、超过 14 天的内容。")
	return nil
}

func runDoctor(cmd *cobra.Command, app core.App, clock hooks.Clock, fix bool) error {
	d, err := Examine(cmd.Context(), app, clock(), fix)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	list(out, "已修复", d.Mended)
	list(out, "有问题", d.Found)
	for _, note := range d.Notes {
		fmt.Fprintln(out, "提示："+note)
	}
	if len(d.Found) == 0 {
		fmt.Fprintln(out, "检查完毕，没有问题。")
		return nil
	}
	if !fix && slices.ContainsFunc(d.Found, fieldsync.Finding.Mendable) {
		return errors.New("用 gangwan doctor --fix 修复")
	}
	return fmt.Errorf("还有 %d 个问题需要人工处理", len(d.Found))
}

func list(out interface{ Write([]byte) (int, error) }, head string, findings []fieldsync.Finding) {
	for _, f := range findings {
		fmt.Fprintf(out, "%s（%s）：%s\n", head, f.Code, strings.TrimSpace(f.Message))
	}
}
