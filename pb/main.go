// Command gangwan is the whole product in one binary: server, phone app, console, imports, nightly pipeline, demo.
// This package is wiring only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jonboulle/clockwork"
	"github.com/pocketbase/pocketbase"
	pbcmd "github.com/pocketbase/pocketbase/cmd"
	"github.com/pocketbase/pocketbase/core"
	"github.com/spf13/cobra"

	"gangwan/hooks"
	"gangwan/pb/console"
	"gangwan/pb/demo"
	"gangwan/pb/fieldapp"
	"gangwan/pb/fieldsync"
	"gangwan/pb/ops"
	"gangwan/pb/registry"
	_ "gangwan/pb_migrations"
	"gangwan/pipeline"
	"gangwan/reports"
)

func main() {
	ticking := clockwork.NewRealClock()
	clock := hooks.Clock(ticking.Now)
	dataDir := "./pb_data"
	demoClock := demo.NewClock()
	if isDemo(os.Args[1:]) {
		clock, dataDir = demoClock.Now, "./demo_data"
	}
	app := pocketbase.NewWithConfig(pocketbase.Config{DefaultDataDir: dataDir, DBConnect: fieldsync.Connect, HideStartBanner: isDemo(os.Args[1:]),
		// Each connection has pages of its own in memory; on this product's machines a dozen readers are as fast as a hundred.
		DataMaxOpenConns: 12, DataMaxIdleConns: 12})
	bind(app, clock)

	root := app.RootCmd
	root.Use = "gangwan"
	root.Short = "港湾：民营小微企业和个体工商户金融服务港湾"
	root.Version = version
	serve := pbcmd.NewServeCommand(app, true)
	// By the command, not with the rules: the demo serves too, while it makes a season in minutes by a clock of its own.
	serve.PreRun = func(*cobra.Command, []string) { pipeline.BindSchedule(app, ticking, runPipeline) }
	imports, superusers := registry.Command(app, clock), pbcmd.NewSuperuserCommand(app)
	root.AddCommand(
		serve,
		superusers,
		imports,
		pipelineCommand(app, clock),
		demo.Command(app, demoClock, demo.Deps{Pipeline: func(ctx context.Context, date string, progress func(string)) (string, error) {
			result, err := runPipeline(ctx, app, pipeline.Options{Date: date, Now: clock, Log: func(e pipeline.Event) { progress(e.Message) }})
			return result.Message, err
		}}),
	)
	root.AddCommand(ops.Commands(app, clock, version)...)
	for _, c := range imports.Commands() {
		noteFlagErrors(c) // they word their own; all others take the root's
	}
	noteFlagErrors(root)
	for _, c := range imports.Commands() {
		logUse(app, clock, c, "import", "")
	}
	for _, c := range superusers.Commands() {
		logUse(app, clock, c, "update", core.CollectionNameSuperusers)
	}
	for _, c := range root.Commands() {
		noteFailure(c)
	}
	asked, _, err := root.Find(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "没有这个命令：%s。用 gangwan --help 查看全部命令。\n", strings.Join(os.Args[1:], " "))
		os.Exit(1)
	}
	if ops.OpensDatabase(asked) {
		if err := root.Execute(); err != nil && exitStatus == 0 {
			fail(err) // before it ran at all
		}
		os.Exit(exitStatus)
	}
	if err := app.Execute(); err != nil {
		fail(err)
	}
	os.Exit(exitStatus)
}

const version = "0.1.0"

// exitStatus is what a failed command leaves; PocketBase runs commands without handing their error on.
var exitStatus int

func fail(err error) {
	var exit registry.ExitError
	if errors.As(err, &exit) {
		exitStatus = exit.Code
		return
	}
	exitStatus = 1
	if errors.Is(err, ops.ErrIncomplete) {
		exitStatus = 2
		return
	}
	var coded *hooks.Error
	if errors.As(err, &coded) {
		fmt.Fprintf(os.Stderr, "%s（%s）\n", coded.Message, coded.Code)
		return
	}
	fmt.Fprintln(os.Stderr, err)
}

// noteFailure makes a command and its subcommands leave their failure in the exit status.
func noteFailure(c *cobra.Command) {
	for _, sub := range c.Commands() {
		noteFailure(sub)
	}
	c.SilenceErrors, c.SilenceUsage = true, true
	if run := c.RunE; run != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if err != nil {
				fail(err)
			}
			return err
		}
	}
}

// logUse writes a line of the access log once a command has changed records: which command, and its first argument (a file, an
// account; the second of superuser is a password). A dry run changes nothing.
func logUse(app core.App, clock hooks.Clock, c *cobra.Command, action, collection string) {
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		var exit registry.ExitError
		dry, _ := cmd.Flags().GetBool("dry-run")
		if dry || err != nil && (!errors.As(err, &exit) || exit.Code != 2) {
			return err
		}
		target := cmd.CommandPath()
		if template, _ := cmd.Flags().GetString("template"); template != "" {
			if cmd.Name() != "answers" {
				return err // an empty workbook: nobody's data
			}
			action, target = "export", target+" "+filepath.Base(template)
		} else if len(args) > 0 {
			target += " " + filepath.Base(args[0])
		}
		// A superuser is made before the first start has made the tables: that line is missing, and no other.
		if app.HasTable("read_log") {
			err = errors.Join(err, hooks.Log(app, hooks.Entry{At: clock(), Action: action, Collection: collection, Target: target}.Operator()))
		}
		return err
	}
}

// noteFlagErrors does the same for flags that are not understood: such a command does not run at all.
func noteFlagErrors(c *cobra.Command) {
	word := c.FlagErrorFunc()
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		err = word(cmd, err)
		fail(err)
		return err
	})
}

// isDemo finds the command word before PocketBase parses flags: it decides where the data directory lies by default.
func isDemo(args []string) bool {
	for _, a := range args {
		if len(a) > 0 && a[0] != '-' {
			return a == "demo"
		}
	}
	return false
}

// bind attaches domain rules, sync, phone app and portal to the app.
func bind(app core.App, clock hooks.Clock) {
	ops.Bind(app)
	hooks.Bind(app, clock)
	fieldsync.Bind(app, clock)
	reports.BindPortal(app, clock)
	registry.Bind(app, clock)
	console.Bind(app)
	fieldapp.Bind(app, clock)
}

// runPipeline is the one way figures are made, by hand, at night and in the demo.
func runPipeline(ctx context.Context, app core.App, opts pipeline.Options) (pipeline.Result, error) {
	opts.Render = func(ctx context.Context, in pipeline.RenderInput) ([]string, error) {
		return reports.Render(ctx, in.MartsPath, in.OutDir)
	}
	return pipeline.Run(ctx, app, opts)
}

func pipelineCommand(app core.App, clock hooks.Clock) *cobra.Command {
	group := &cobra.Command{Use: "pipeline", Short: "统计：抽取、建模、检查、发布"}
	var date string
	var full bool
	run := &cobra.Command{
		Use:     "run",
		Short:   "生成一天的统计和报表（默认昨天；当天未结束则为暂定）",
		Example: "  gangwan pipeline run\n  gangwan pipeline run --date 2026-11-22\n  gangwan pipeline run --full",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := app.RunAllMigrations(); err != nil {
				return err
			}
			result, err := runPipeline(cmd.Context(), app, pipeline.Options{Date: date, Full: full, Now: clock,
				Log: func(e pipeline.Event) { fmt.Fprintln(cmd.ErrOrStderr(), e.Message) }})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), result.Message)
			return nil
		},
	}
	run.Flags().StringVar(&date, "date", "", "统计日期（上海），如 2026-11-22；默认昨天")
	run.Flags().BoolVar(&full, "full", false, "全量重新读取，不用增量")
	group.AddCommand(run)
	return group
}
