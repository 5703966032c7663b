package registry

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"
	"github.com/spf13/cobra"
	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
)

// What a run of the command ends with. A script tells by it whether somebody must look.
const (
	exitClean   = 0
	exitNothing = 1 // nothing was read, or the run broke off
	exitSomeBad = 2 // or a sheet was left unread
)

// ExitError carries the exit status out of a command that has already said what is wrong.
type ExitError struct{ Code int }

func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", e.Code) }

// showBad is how many bad rows are named on the screen; the file has them all.
const showBad = 20

// command is one kind of import as people call it.
type command struct {
	name, short, long, example string
	list                       listing
	do                         importFunc
	// whose is the flag that says from whom the file comes, needed is what it is called; from then does the import.
	whose, needed string
	from          func(app core.App, r io.Reader, o Options, whose, file string) (Report, error)
}

var commands = []command{
	{name: "areas", short: "导入区划（区、街道、镇乡、社区、村、园区、商圈、楼宇、专业市场）", long: `导入区划。文件为 .xlsx 或 CSV，列为 code（代码）、name（名称）、parent_code（上级代码）、kind（类别）：
  district 区 · street 街道 · town 镇乡 · community 社区 · village 村
  park 园区 · business_circle 商圈 · building 楼宇 · market 专业市场
行的先后不限。按代码匹配；改名或调整上级的，原来的名称保留为一行历史。文件里没有的区划不改动。`,
		example: `  gangwan import areas --wanzhou            # 内置的万州区区划（统计用区划代码，2023 年 6 月）
  gangwan import areas 区划.csv --dry-run   # 只看会有哪些变化
  gangwan import areas 区划.csv`, list: areaList, do: ImportAreas},
	{name: "enterprises", short: "导入市场主体名录（市场监管部门导出的 Excel 或 CSV）", long: `导入市场监管部门导出的市场主体名录。文件为 .xlsx 或 CSV。
表头：统一社会信用代码、名称（这两列必需），主体类型、行业代码、住所、法定代表人、联系电话、成立日期、登记状态、所属镇街、所属社区，
以及从业人员、营业收入、资产总额、经度、纬度、坐标系；企业名称、字号名称、经营者、经营场所、经营状态等常见写法也认得。

按统一社会信用代码匹配；没有代码的，按同一社区内名称和住所匹配。名称、类型、行业、住所、法定代表人、成立日期、登记状态以名录为准；
电话、位置、网格等只在原来空着时补上，现场采集的内容和人工定的网格不会被覆盖。网格取该社区唯一的网格，否则为“待分配”。
登记的社区与现有网格不同的逐户列出，由人核对。文件里没有的主体不改动。`,
		example: `  gangwan import enterprises 市场主体.csv --dry-run   # 先看会有哪些变化，不写入
  gangwan import enterprises 市场主体.xlsx
  gangwan import enterprises 市场主体.xlsx.errors.csv  # 改好有问题的行后再导入`, list: enterpriseList, do: ImportEnterprises},
	{name: "grids", short: "导入网格（GeoJSON 带边界，或 Excel、CSV 不带边界）", long: `导入网格。GeoJSON 文件为 FeatureCollection，每个要素的属性为下列各项，面（Polygon、MultiPolygon）为边界；
.xlsx 或 CSV 的列相同，没有边界。列：编号、名称（这两项必需），社区代码、类别、服务港湾、登记户数、坐标系。

按编号匹配；系统里还没有编号的，按同一区划内名称匹配。空着的项不改动。服务港湾或所属区划变了的逐个列出：其市场主体随之归到新的港湾。
文件里没有的网格列出，不改动。GeoJSON 里有问题的要素写到“文件名.errors.csv”时不带边界，请在原文件里改好再导入。
坐标不写明的为 WGS-84；坐标系写 GCJ-02 或 BD-09 的自动换算；经纬度写反的不导入。`,
		example: `  gangwan import grids 网格.geojson --dry-run
  gangwan import grids 网格.geojson
  gangwan import grids 网格.xlsx`, list: gridList, do: ImportGrids},
	{name: "holidays", short: "导入节假日与调休上班（计算工作日时限用）", long: `导入节假日与调休上班。文件为 .xlsx 或 CSV，一天一行。列：日期、类型（节假日、调休上班）必需，名称、来源文件。
周末放假的日子也要写明；调休上班的日子应是周六或周日。按日期匹配，文件里没有的日子列出，不改动。
导入后检查文件所涉各年是否完整（七个节日都在、天数合理），不完整的列出。`,
		example: `  gangwan import holidays 2027年放假安排.xlsx --dry-run
  gangwan import holidays 2027年放假安排.xlsx`, list: holidayList, do: ImportHolidays},
	{name: "users", short: "导入用户（新建账号，或更新岗位与负责网格）", long: `导入用户。文件为 .xlsx 或 CSV。列：姓名、手机号、角色必需，工号、镇街、港湾、银行、部门、负责网格、直接负责人、可导出（是、否）、邮箱。
角色为：网格员、港湾当值、港湾负责人、联络员、银行、部门、主管部门、镇街。

按手机号匹配，没有的按工号。新账号的初始密码写到“文件名.passwords.csv”，只写这一次，只有运行命令的人能读，分发后请删除；首次登录须修改。
已有账号只更新所填的各项，从不重设密码。负责网格填写后以文件为准：新增的从现在起分配，不再列出的从现在起停止。
文件里没有的同类用户列出，不删除也不停用。`,
		example: `  gangwan import users 网格员.xlsx --dry-run
  gangwan import users 网格员.xlsx`, list: userList, do: ImportUsers},
	{name: "referrals", short: "导入部门推送的企业名单（供人行核对、分发）", long: `导入部门推送的企业名单，即部门自己在应用里上传的那种文件。文件为 .xlsx 或 CSV。列：统一社会信用代码、名称必需，所属网格、联系电话、
推送理由（发展前景好、信贷需求强、信用记录好、绿色）、需求金额。

按统一社会信用代码匹配市场主体；没有代码的按名称，名称有重复的再按网格或社区。名录里找不到的写到“文件名.errors.csv”。
名单记为“已上传”，等人行核对分发；原文件附在名单上。同名的名单再导入即更新；已核对或已分发的不能再改。`,
		example: `  gangwan import referrals 2026年四季度推送名单.xlsx --agency 区市场监管局 --dry-run
  gangwan import referrals 2026年四季度推送名单.xlsx --agency 区市场监管局`, list: referralList, whose: "agency", needed: "部门",
		from: func(app core.App, r io.Reader, o Options, whose, file string) (Report, error) {
			agencies, err := named(app, "agencies", "name", "short_name", "code")
			if err != nil {
				return Report{}, err
			}
			agency, bad := only(agencies, whose, "部门")
			if bad != nil {
				return Report{}, &hooks.Error{Code: bad.Code, Message: bad.Message}
			}
			return ImportReferrals(app, r, o, ReferralList{Agency: agency, File: file})
		}},
	{name: "answers", short: "导入银行填好的答复表（推送企业、融资对接、放款）", long: `导入银行填好的答复表，即银行在应用里下载、填写后上传的那份工作簿（“银行答复”）；用 --template 为一家银行写出。
首次联系日期、答复或结果、申请日期、审批日期、未成原因、批准金额按对接的规则逐项登记；填了合同编号的登记放款，证据等级为银行填报或银行确认，
只升不降。只读该行自己的条目；与导出时相同的单元格不算改动；导出后别人已改过的项目不覆盖，列为有问题的行。`,
		example: `  gangwan import answers 银行答复.xlsx --bank 三峡银行 --dry-run
  gangwan import answers 银行答复.xlsx --bank 三峡银行`, list: answerList, whose: "bank", needed: "银行",
		from: func(app core.App, r io.Reader, o Options, whose, _ string) (Report, error) {
			bank, err := bankNamed(app, whose)
			if err != nil {
				return Report{}, err
			}
			return ImportAnswers(app, r, o, bank)
		}},
}

func bankNamed(app core.App, name string) (string, error) {
	banks, err := named(app, "banks", "name", "short_name")
	if err != nil {
		return "", err
	}
	bank, bad := only(banks, name, "银行")
	if bad != nil {
		return "", &hooks.Error{Code: bad.Code, Message: bad.Message}
	}
	return bank, nil
}

// Command is `gangwan import`.
func Command(app core.App, now func() time.Time) *cobra.Command {
	var known []string
	for _, c := range commands {
		known = append(known, c.name+"（"+c.list.what+"）")
	}
	root := &cobra.Command{
		Use:   "import",
		Short: "导入区划、市场主体名录、网格、节假日、用户、推送名单、银行答复（Excel、CSV、GeoJSON）",
		Long: `导入其他部门的名录。文件先整体检查再写入；有问题的行不导入，写到“文件名.errors.csv”（行号、原因和原始内容），
改好后可直接再导入该文件。同一命令可以反复运行：没有变化的行不改动，中途停下再运行即从未完成处继续。

文件可以是 Excel 工作簿（.xlsx）或 CSV（编码为 UTF-8、GBK/GB18030 或 Excel 的“Unicode 文本”）。工作簿读表头认得最多的一个工作表，隐藏和
被筛选掉的行同样读取；还有工作表也像名录的，报告里会列出，不读取。“--template 文件名.xlsx”写出一份空白模板。

退出码：0 全部导入；2 部分行有问题，或另有像名录的工作表没有读取；1 一行也没有导入。`,
		Args:         cobra.ArbitraryArgs, // an unknown kind of list is answered below, in Chinese
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "没有“%s”这种导入，可用：%s\n", args[0], strings.Join(known, "、"))
				return ExitError{exitNothing}
			}
			return cmd.Help()
		},
	}
	var dryRun, wanzhou bool
	var template, whose string
	for _, c := range commands {
		sub := &cobra.Command{
			Use: c.name + " 文件 [选项]", Short: c.short, Long: c.long, Example: c.example + "\n  gangwan import " + c.name + " --template 模板.xlsx",
			SilenceUsage: true, SilenceErrors: true, DisableFlagsInUseLine: true,
			RunE: func(cmd *cobra.Command, args []string) error {
				o, do := Options{Now: now, DryRun: dryRun}, c.do
				if c.whose != "" {
					if whose == "" && (template == "" || c.name == "answers") {
						fmt.Fprintf(cmd.ErrOrStderr(), "请用 --%s 写明是哪家%s的，例如：\n%s\n", c.whose, c.needed, c.example)
						return ExitError{exitNothing}
					}
					do = func(app core.App, r io.Reader, o Options) (Report, error) { return c.from(app, r, o, whose, args[0]) }
				}
				switch {
				case template != "" && c.name == "answers":
					return saveBook(cmd, template, c.list, func() (*excelize.File, error) {
						bank, err := bankNamed(app, whose)
						if err != nil {
							return nil, err
						}
						return AnswerWorkbook(app, bank)
					})
				case template != "":
					return saveBook(cmd, template, c.list, func() (*excelize.File, error) { return newTemplate(c.list) })
				case wanzhou && len(args) == 0:
					return run(cmd, app, "", WanzhouAreas(), do, o)
				}
				return runFile(cmd, app, args, do, o)
			},
		}
		sub.Flags().BoolVar(&dryRun, "dry-run", false, "试运行：给出同样的报告，不写入任何数据")
		sub.Flags().StringVar(&template, "template", "", "写出一份空白的 .xlsx 模板，不导入")
		if c.whose != "" {
			sub.Flags().StringVar(&whose, c.whose, "", "哪家"+c.needed+"（全称、简称或代码）")
		}
		if c.name == "areas" {
			sub.Use = "areas [文件] [选项]"
			sub.Flags().BoolVar(&wanzhou, "wanzhou", false, "导入内置的万州区区划，不用文件")
		}
		sub.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
			fmt.Fprintf(cmd.ErrOrStderr(), "参数有误：%v\n用法：%s（--help 看说明）\n", err, cmd.UseLine())
			return ExitError{exitNothing}
		})
		root.AddCommand(sub)
	}
	root.SetUsageTemplate(usageTemplate)
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		c.InitDefaultHelpFlag()
		c.Flags().Lookup("help").Usage = "显示本说明"
		help(c, args)
	})
	return root
}

const usageTemplate = `用法：
  {{if .HasAvailableSubCommands}}{{.CommandPath}} [命令]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

例：
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

命令：{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}

“{{.CommandPath}} [命令] --help”看各命令的说明和例子。{{end}}
{{- if .HasAvailableLocalFlags}}

选项：
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

通用选项：
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}
`

type importFunc func(core.App, io.Reader, Options) (Report, error)

func runFile(cmd *cobra.Command, app core.App, args []string, do importFunc, o Options) error {
	if len(args) != 1 {
		fmt.Fprintf(cmd.ErrOrStderr(), "请给出一个文件，例如：\n%s\n", cmd.Example)
		return ExitError{exitNothing}
	}
	f, err := os.Open(args[0])
	if err != nil {
		reason := err.Error()
		if errors.Is(err, os.ErrNotExist) {
			reason = "没有这个文件"
		} else if errors.Is(err, os.ErrPermission) {
			reason = "没有读取权限"
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "导入失败（%s）：%s：%s\n", CodeUnreadable, args[0], reason)
		return ExitError{exitNothing}
	}
	defer f.Close()
	return run(cmd, app, args[0], f, do, o)
}

// run imports and says what became of it: totals on standard output, everything that needs a hand on standard error.
func run(cmd *cobra.Command, app core.App, path string, r io.Reader, do importFunc, o Options) error {
	stderr := cmd.ErrOrStderr()
	if err := app.RunAllMigrations(); err != nil {
		fmt.Fprintf(stderr, "导入失败：数据库升级出错：%v\n", err)
		return ExitError{exitNothing}
	}
	var end func()
	o.Progress, end = progressOn(stderr)
	o.Passwords = func(header []string, rows [][]string) error {
		return keepPasswords(path+".passwords.csv", header, rows)
	}
	report, err := do(app, r, o)
	end()

	for i, b := range report.BadRows {
		if i == showBad {
			fmt.Fprintf(stderr, "……另有 %d 行有问题\n", len(report.BadRows)-showBad)
			break
		}
		fmt.Fprintf(stderr, "第 %d 行（%s）：%s\n", b.Line, b.Code, b.Message)
	}
	if path != "" && !o.DryRun && (err == nil || report.Bad > 0) {
		if werr := keepBadRows(path+".errors.csv", &report); werr != nil {
			fmt.Fprintf(stderr, "有问题的行没能写到 %s.errors.csv：%v\n", path, werr)
			err = errors.Join(err, ExitError{exitNothing})
		} else if report.Bad > 0 {
			fmt.Fprintf(stderr, "有问题的 %d 行及原因已写到 %s.errors.csv\n", report.Bad, path)
		}
	}
	if path != "" && !o.DryRun {
		kept, kerr := keepNotices(path+".notes.csv", report.Notices)
		if kerr != nil {
			fmt.Fprintf(stderr, "需要核对的清单没能写到 %s.notes.csv：%v\n", path, kerr)
		} else if kept {
			defer fmt.Fprintf(cmd.OutOrStdout(), "需要核对的全部条目已写到 %s.notes.csv\n", path)
		}
	}
	if err != nil {
		var e *hooks.Error
		if errors.As(err, &e) {
			fmt.Fprintf(stderr, "导入失败（%s）：%s\n", e.Code, e.Message)
		} else if !errors.As(err, new(ExitError)) {
			fmt.Fprintf(stderr, "导入失败：%v\n", err)
		}
		if report.New+report.Changed > 0 {
			report.Print(cmd.OutOrStdout())
		}
		return ExitError{exitNothing}
	}
	report.Print(cmd.OutOrStdout())
	if report.Passwords > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "%d 个新账号的初始密码已写到 %s.passwords.csv，分发后请删除该文件\n", report.Passwords, path)
	}
	if report.Bad+len(report.UnreadSheets) > 0 {
		return ExitError{exitSomeBad}
	}
	return nil
}

// keepPasswords writes initial passwords where nobody but the operator can read them. A list still there has perhaps not been
// handed out: it is not written over.
func keepPasswords(path string, header []string, rows [][]string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return &hooks.Error{Code: "passwords_exist", Message: "上次的初始密码文件 " + path + " 还在，请先分发并移走再运行；没有写入任何数据"}
	}
	if err != nil {
		return &hooks.Error{Code: "passwords_unwritten", Message: "初始密码文件写不下来，没有写入任何数据：" + err.Error()}
	}
	_, err = io.WriteString(f, "\uFEFF")
	if err == nil {
		w := csv.NewWriter(f)
		w.UseCRLF = true
		err = errors.Join(w.Write(header), w.WriteAll(rows), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return &hooks.Error{Code: "passwords_unwritten", Message: "初始密码文件写不下来，没有写入任何数据：" + err.Error()}
	}
	return nil
}

var noticeColumns = []string{"事项", "内容"}

// keepNotices writes everything to look at beside the file where the report shows only the first cases. A list of an earlier
// run goes when there is no need for one any more.
func keepNotices(path string, notices []Notice) (kept bool, err error) {
	for _, n := range notices {
		kept = kept || len(n.Lines) > showBad
	}
	if !kept {
		if old, err := os.ReadFile(path); err == nil && bytes.HasPrefix(old, []byte("\uFEFF"+strings.Join(noticeColumns, ","))) {
			return false, os.Remove(path)
		}
		return false, nil
	}
	var b bytes.Buffer
	b.WriteString("\uFEFF")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.Write(noticeColumns); err != nil {
		return false, err
	}
	for _, n := range notices {
		for _, line := range n.Lines {
			if err := w.Write([]string{n.Title, guarded(line)}); err != nil {
				return false, err
			}
		}
	}
	w.Flush()
	return true, os.WriteFile(path, b.Bytes(), 0o600)
}

// keepBadRows writes the rows not taken beside the file, whole or not at all. After a clean run the list of an earlier one
// goes, as it no longer holds; a file of that name which is not such a list stays.
func keepBadRows(path string, report *Report) error {
	if report.Bad == 0 {
		if report.Read == 0 {
			return nil // the file itself was refused: this says nothing about its rows
		}
		if old, err := os.ReadFile(path); err == nil && bytes.HasPrefix(old, []byte("\uFEFF"+strings.Join(badRowColumns, ","))) {
			return os.Remove(path)
		}
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".errors-*.csv")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := writeBadRows(tmp, report.Header, report.BadRows); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
