package registry

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pocketbase/pocketbase/core"
)

// gangwan runs the command as a person does and returns the exit status and what was said.
func gangwan(t *testing.T, app core.App, args ...string) (status int, out, errs string) {
	t.Helper()
	c := Command(app, clock)
	var stdout, stderr bytes.Buffer
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	c.SetArgs(args)
	err := c.Execute()
	var exit ExitError
	if errors.As(err, &exit) {
		status = exit.Code
	} else if err != nil {
		t.Fatalf("an error without an exit status: %v", err)
	}
	return status, stdout.String(), stderr.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheCommandEndsWithZeroOneOrTwo(t *testing.T) {
	app := newDistrict(t)
	good, bad := file(t, "good.csv", csvOf(noodles)), file(t, "bad.csv", csvOf(noodles, "1,坏,企业,,,,,,,,"))
	allBad, none := file(t, "all.csv", csvOf("1,坏,企业,,,,,,,,")), file(t, "none.csv", header+"\n")
	for _, c := range []struct {
		want int
		says string
		args []string
	}{
		{0, "新增            1 户", []string{"enterprises", good}},
		{2, "第 3 行（uscc_length）", []string{"enterprises", bad}},
		{1, "nothing_read", []string{"enterprises", allBad}},
		{1, "nothing_read", []string{"enterprises", none}},
		{1, "没有这个文件", []string{"enterprises", "/nowhere.csv"}},
		{1, "请给出一个文件", []string{"enterprises"}},
		{1, "参数有误", []string{"enterprises", good, "--wat"}},
		{1, "没有“loans”这种导入，可用：areas（区划）", []string{"loans", good}},
		{0, "gangwan import users --template 模板.xlsx", []string{"users", "--help"}},
		{1, "missing_column", []string{"areas", good}},
		{0, "无变化        663 个", []string{"areas", "--wanzhou"}},
		{0, "用法", []string{"--help"}},
		{0, "gangwan import enterprises 市场主体.csv --dry-run", []string{"enterprises", "--help"}},
	} {
		status, out, errs := gangwan(t, app, c.args...)
		if status != c.want || !strings.Contains(out+errs, c.says) {
			t.Errorf("%v: status %d, want %d\n%s%s", c.args, status, c.want, out, errs)
		}
	}
}

func TestBadRowsAreKeptInAFileThatCanBeMendedAndImportedAgain(t *testing.T) {
	app := newDistrict(t)
	path := file(t, "名录.csv", csvOf(noodles, uscc("91", 2)+`,"坏, 日期",企业,,"一行`+"\n"+`两行",,,2021-02-30,,,`, uscc("91", 3)+`,"未关,企业,,,,,,,,`))
	if status, _, errs := gangwan(t, app, "enterprises", path); status != 2 || !strings.Contains(errs, path+".errors.csv") {
		t.Fatal(status, errs)
	}
	kept, err := os.ReadFile(path + ".errors.csv")
	if err != nil {
		t.Fatal(err)
	}
	want := "\uFEFF行号,原因代码,原因," + header + "\r\n" +
		"3,bad_date,日期“2021-02-30”无法识别（可写成 2021-03-05、2021/3/5、20210305 或 2021年3月5日）," + uscc("91", 2) + ",\"坏, 日期\",企业,,\"一行\r\n两行\",,,2021-02-30,,,\r\n" +
		"5,bad_quotes,引号不配对，无法分列,\"" + uscc("91", 3) + `,""未关,企业,,,,,,,,"` + "\r\n"
	if string(kept) != want {
		t.Errorf("kept\n%s\nwant\n%s", kept, want)
	}
	mended := strings.Replace(string(kept), "2021-02-30,,,\r", "2021-02-28,,,\r", 1)
	again := file(t, "mended.csv", mended)
	if status, out, errs := gangwan(t, app, "enterprises", again); status != 2 || !strings.Contains(out, "新增            1 户") {
		t.Error(status, out, errs)
	}
	if enterprise(t, app, "坏, 日期").GetString("address") != "一行 两行" {
		t.Error("the mended row was not read as it was")
	}

	// Once the file itself is mended, the list of its faults goes.
	if err := os.WriteFile(path, []byte(csvOf(noodles)), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := gangwan(t, app, "enterprises", path); status != 0 {
		t.Fatal(status)
	}
	if _, err := os.Stat(path + ".errors.csv"); !os.IsNotExist(err) {
		t.Error("an old list of faults is still there")
	}
}

func TestADryRunLeavesNoFileBehind(t *testing.T) {
	app := newDistrict(t)
	path := file(t, "名录.csv", csvOf(noodles, "1,坏,企业,,,,,,,,"))
	status, out, errs := gangwan(t, app, "enterprises", path, "--dry-run")
	if status != 2 || !strings.Contains(out, "没有写入任何数据") || !strings.Contains(errs, "第 3 行") || count(t, app, "enterprises") != 0 {
		t.Error(status, out, errs)
	}
	if _, err := os.Stat(path + ".errors.csv"); !os.IsNotExist(err) {
		t.Error("a dry run wrote a file")
	}
}

func TestOnlyTheFirstTwentyBadRowsAreShown(t *testing.T) {
	app := newDistrict(t)
	rows := []string{noodles}
	for range 30 {
		rows = append(rows, "1,坏,企业,,,,,,,,")
	}
	_, _, errs := gangwan(t, app, "enterprises", file(t, "f.csv", csvOf(rows...)))
	if strings.Count(errs, "uscc_length") != showBad || !strings.Contains(errs, "另有 10 行") {
		t.Error(errs)
	}
}
