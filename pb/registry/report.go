package registry

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// Report is what an import did, or would do when DryRun.
type Report struct {
	What, Unit string // what the rows are, and the word they are counted by
	DryRun     bool
	Encoding   string
	Separator  string
	// Sheet is the one that was read of a workbook; UnreadSheets have the columns too and were left alone.
	Sheet        string
	UnreadSheets []string
	Took         time.Duration

	Read      int // rows that are not blank, below the header
	New       int
	Changed   int
	Unchanged int
	Bad       int

	// ChangedFields counts by field; a row may change several.
	ChangedFields map[string]int
	Closed        int // status became closed; NewClosed came in closed
	NewClosed     int
	Moved         int // status became moved (out of the district)
	Reopened      int
	Confirmed     int // found in the field, now in the registry
	Placed        int // of the enterprises already here: got the grid they lacked
	Unassigned    int // active and without a grid after the import
	Unplaced      map[string]int
	Mismatched    int // the registry names another community than the grid that people chose

	// Batch is the id of the referral batch that a list went to.
	Batch string
	// Passwords counts the new accounts whose initial password was kept.
	Passwords int
	// Notices are what somebody should look at, each with its cases.
	Notices []Notice
	// Warnings count what was taken although something is odd, by code.
	Warnings map[string]int
	// UnknownCommunities are the names that no area has, with how often they occur.
	UnknownCommunities map[string]int
	MissingColumns     []string
	UnknownColumns     []string

	Header  []string
	BadRows []BadRow
}

// Notice is one kind of thing to look at, with a line for each case.
type Notice struct {
	Title string   `json:"title"`
	Lines []string `json:"lines"`
}

// note adds cases to the notice of that title.
func (r *Report) note(title string, lines ...string) {
	if len(lines) == 0 {
		return
	}
	i := slices.IndexFunc(r.Notices, func(n Notice) bool { return n.Title == title })
	if i < 0 {
		i = len(r.Notices)
		r.Notices = append(r.Notices, Notice{Title: title})
	}
	r.Notices[i].Lines = append(r.Notices[i].Lines, lines...)
}

// BadRow is a row that was not taken: where it stands, why, and the row itself.
type BadRow struct {
	Line    int      `json:"line"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Cells   []string `json:"-"`
}

func newReport() Report {
	return Report{ChangedFields: map[string]int{}, Unplaced: map[string]int{}, Warnings: map[string]int{}, UnknownCommunities: map[string]int{}}
}

func (r *Report) bad(row tableRow, why *rowError) {
	r.Bad++
	r.BadRows = append(r.BadRows, BadRow{Line: row.Line, Code: why.Code, Message: why.Message, Cells: row.Cells})
}

// add takes over what one transaction did, once it is committed.
func (r *Report) add(b *Report) {
	r.New += b.New
	r.Changed += b.Changed
	r.Unchanged += b.Unchanged
	r.Bad += b.Bad
	r.Closed += b.Closed
	r.NewClosed += b.NewClosed
	r.Moved += b.Moved
	r.Reopened += b.Reopened
	r.Confirmed += b.Confirmed
	r.Placed += b.Placed
	r.Unassigned += b.Unassigned
	r.Mismatched += b.Mismatched
	r.Passwords += b.Passwords
	r.BadRows = append(r.BadRows, b.BadRows...)
	for _, n := range b.Notices {
		r.note(n.Title, n.Lines...)
	}
	for _, m := range []struct{ to, from map[string]int }{
		{r.ChangedFields, b.ChangedFields}, {r.Unplaced, b.Unplaced}, {r.Warnings, b.Warnings}, {r.UnknownCommunities, b.UnknownCommunities},
	} {
		for k, v := range m.from {
			m.to[k] += v
		}
	}
}

func (r *Report) sortBad() {
	slices.SortStableFunc(r.BadRows, func(a, b BadRow) int { return a.Line - b.Line })
}

var fieldLabels = map[string]string{
	"name": "名称", "uscc": "统一社会信用代码（补录）", "kind": "主体类型", "industry": "行业代码", "address": "住所", "owner": "法定代表人/经营者",
	"phone": "联系电话（补录）", "founded_on": "成立日期", "registry_status": "登记状态", "status": "状态", "ownership": "所有制（补录）",
	"size": "规模（补录）", "employees": "从业人员（补录）", "revenue": "营业收入（补录）", "total_assets": "资产总额（补录）",
	"grid": "所属网格（补录）", "origin": "来源", "initials": "拼音首字母", "parent": "上级区划", "kind_of_area": "类别", "location": "位置（补录）",
	"code": "编号", "area": "所属区划", "harbour": "服务港湾", "boundary": "边界", "registered_count": "登记户数", "day": "日期", "source_doc": "来源文件",
	"mobile": "手机号", "staff_no": "工号", "email": "邮箱", "role": "角色", "street": "镇街", "bank": "银行", "manager": "直接负责人", "assignments": "负责网格", "may_export": "可导出",
	"enterprise_name": "名单上的名称", "enterprise_phone": "联系电话", "wanted": "需求金额", "why": "推送理由", "contacted_at": "首次联系时间", "answer": "答复", "answered_at": "答复时间",
	"answer_note": "答复说明", "first_contact_at": "首次联系时间", "applied_at": "申请日期", "decided_at": "审批日期", "result": "结果", "reason": "未成原因",
	"approved_amount": "批准金额", "contract_no": "合同编号", "amount": "金额", "disbursed_on": "放款日期", "matures_on": "到期日期", "rate": "年利率", "evidence": "证据等级",
	"loan": "贷款", "demand": "融资需求", "borrower": "借款人", "purpose": "用途",
}

var warningLabels = map[string]string{
	"uscc_check_digit": "统一社会信用代码校验位不符（已导入，请核对）",
	"old_number":       "只有 15 位旧注册号（按没有统一社会信用代码导入）",
	"no_uscc":          "没有统一社会信用代码（按名称和住所匹配）",
	"industry":         "行业代码无法识别（留空）",
	"registry_status":  "登记状态不在已知范围内（按正常处理）",
	"phone":            "联系电话无法识别（留空）",
	"location":         "经纬度无法使用（留空）",
	"hidden_row":       "工作表中隐藏或被筛选掉的行（同样读取）",
}

var whyLabels = map[string]string{
	whyNoCommunity: "没有填写社区", whyUnknownCommunity: "社区名称在区划中找不到", whyNoGrid: "该社区还没有网格", whySeveralGrids: "该社区有几个网格，须人工选定",
}

// Print writes the report as its reader wants it: totals first, then what needs a hand.
func (r *Report) Print(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	head := r.What + "导入完成"
	if r.DryRun {
		head = r.What + "导入试运行（没有写入任何数据）"
	}
	source := r.Encoding
	if r.Separator != "" {
		source += "，" + r.Separator + "分隔"
	}
	if r.Sheet != "" {
		source = "Excel 工作簿，工作表“" + r.Sheet + "”"
	}
	p("%s：%s，用时 %s", head, source, r.Took.Round(100*time.Millisecond))
	p("  读取     %8d 行", r.Read)
	p("  新增     %8d %s", r.New, r.Unit)
	p("  变更     %8d %s%s", r.Changed, r.Unit, list(r.ChangedFields, fieldLabels, 20))
	p("  无变化   %8d %s", r.Unchanged, r.Unit)
	if r.What == enterpriseList.what {
		p("  注销     %8d 户（另有 %d 户新增时即已注销）", r.Closed, r.NewClosed)
		if r.Moved+r.Reopened > 0 {
			p("  迁出     %8d 户，恢复 %d 户", r.Moved, r.Reopened)
		}
		if r.Confirmed > 0 {
			p("  转正     %8d 户（现场发现的主体已在登记名录中）", r.Confirmed)
		}
		p("  分到网格 %8d 户（原为待分配）", r.Placed)
		p("  待分配   %8d 户%s", r.Unassigned, list(r.Unplaced, whyLabels, 10))
		if r.Mismatched > 0 {
			p("  归属不一致 %6d 户（登记的社区与现有网格不同，网格未改动，请核对）", r.Mismatched)
		}
	}
	p("  问题行   %8d 行", r.Bad)
	for _, n := range r.Notices {
		p("%s：%d", n.Title, len(n.Lines))
		for _, line := range n.Lines[:min(len(n.Lines), showBad)] {
			p("  %s", line)
		}
		if more := len(n.Lines) - showBad; more > 0 {
			p("  ……另有 %d 条", more)
		}
	}
	if len(r.Warnings) > 0 {
		p("提示%s", list(r.Warnings, warningLabels, 10))
	}
	if len(r.UnknownCommunities) > 0 {
		p("区划中找不到的社区%s", list(r.UnknownCommunities, nil, 10))
	}
	if len(r.UnreadSheets) > 0 {
		p("还有工作表也像名录，没有读取，请各自另存为文件再导入：%s", shorten(strings.Join(r.UnreadSheets, "、"), 200))
	}
	if len(r.MissingColumns) > 0 {
		p("文件没有这些列，相应内容未更新：%s", strings.Join(r.MissingColumns, "、"))
	}
	if len(r.UnknownColumns) > 0 {
		p("这些列用不上，已略过：%s", shorten(strings.Join(r.UnknownColumns, "、"), 200))
	}
}

// list renders counts, the most frequent first.
func list(counts map[string]int, labels map[string]string, max int) string {
	if len(counts) == 0 {
		return ""
	}
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if counts[keys[i]] != counts[keys[j]] {
			return counts[keys[i]] > counts[keys[j]]
		}
		return keys[i] < keys[j]
	})
	var parts []string
	for i, k := range keys {
		if i == max {
			parts = append(parts, fmt.Sprintf("等共 %d 项", len(keys)))
			break
		}
		label := k
		if l, ok := labels[k]; ok {
			label = l
		}
		parts = append(parts, fmt.Sprintf("%s %d", label, counts[k]))
	}
	return "：" + strings.Join(parts, "，")
}

func separatorName(sep rune) string {
	switch sep {
	case ',':
		return "逗号"
	case '\t':
		return "制表符"
	case ';':
		return "分号"
	}
	return "“" + string(sep) + "”"
}
