package registry

import (
	"slices"
	"strings"

	"golang.org/x/text/width"

	"gangwan/hooks"
)

// column is one thing an import reads, with every heading under which offices are known to export it.
type column struct {
	field    string
	required bool
	// headings, the usual one first. Where a file has several, the first that is filled in a row counts.
	headings []string
	// rare columns are not missed in a file without them; day columns hold days.
	rare, day bool
	// note explains the column in the template, choices are its drop-down there.
	note    string
	choices []string
}

// listing is one kind of list: what its rows are, the word they are counted by, and its columns.
type listing struct {
	what, unit string
	columns    []column
}

var placeColumns = []column{
	{field: "lon", rare: true, headings: []string{"经度", "东经", "lng", "lon", "longitude"}, note: "度，如 108.3776"},
	{field: "lat", rare: true, headings: []string{"纬度", "北纬", "lat", "latitude"}, note: "度，如 30.8137"},
	systemColumn,
}

var systemColumn = column{field: "system", rare: true, headings: []string{"坐标系", "坐标系统", "坐标类型", "crs"}, choices: []string{"WGS-84", "GCJ-02", "BD-09"},
	note: "不填为 WGS-84；取自高德、腾讯地图的写 GCJ-02，百度地图的写 BD-09，导入时换算"}

var enterpriseList = listing{"市场主体", "户", append([]column{
	{field: "uscc", required: true, headings: []string{"统一社会信用代码", "社会信用代码", "信用代码", "统一代码", "统一信用代码", "USCC", "注册号", "工商注册号"}, note: "18 位；没有的留空，按名称和住所匹配"},
	{field: "name", required: true, headings: []string{"名称", "企业名称", "市场主体名称", "经营主体名称", "主体名称", "单位名称", "字号名称", "字号", "个体名称", "机构名称", "企业（机构）名称"}},
	{field: "kind", headings: []string{"主体类型", "市场主体类型", "经营主体类型", "主体类别", "企业类型", "类型", "市场主体类别", "组织形式", "经济类型"}, note: "企业、个体工商户、农民专业合作社、其他，或登记机关的类型"},
	{field: "industry", headings: []string{"行业代码", "国民经济行业代码", "行业小类代码", "行业类别代码", "行业小类", "所属行业代码", "行业", "所属行业", "行业门类", "行业门类代码"}, note: "GB/T 4754-2017，门类字母或 2–4 位数字"},
	{field: "address", headings: []string{"住所", "经营场所", "住所（经营场所）", "地址", "注册地址", "经营地址", "住址", "企业地址", "详细地址", "主要经营场所", "生产经营地"}},
	{field: "owner", headings: []string{"法定代表人", "经营者", "负责人", "法人代表", "法人", "经营者姓名", "法定代表人姓名", "投资人", "执行事务合伙人"}},
	{field: "phone", headings: []string{"联系电话", "电话", "手机", "手机号", "手机号码", "电话号码", "联系方式", "移动电话", "法定代表人联系电话", "经营者联系电话"}},
	{field: "founded_on", day: true, headings: []string{"成立日期", "注册日期", "设立日期", "登记日期", "开业日期", "成立时间", "注册时间"}, note: "如 2021-03-05"},
	{field: "registry_status", headings: []string{"登记状态", "经营状态", "企业状态", "状态", "主体状态", "存续状态", "市场主体状态", "经营主体状态"}, note: "存续、在业、开业、注销、吊销、迁出等"},
	{field: "street", headings: []string{"所属镇街", "镇街", "街道/乡镇", "乡镇/街道", "镇街名称", "街道", "乡镇", "镇乡街道", "乡镇街道", "所属街道", "所属乡镇", "所在镇街"}},
	{field: "community", headings: []string{"所属社区", "社区", "社区/村", "村/社区", "村（社区）", "村社区", "社区村", "村居", "所属村社区", "所在社区", "社区名称", "居委会", "村"}, note: "名称或 12 位代码"},
	{field: "size", rare: true, headings: []string{"企业规模", "规模", "规模类型"}, note: "不填则按国统字〔2017〕213号由行业、人数、收入、资产算出"},
	{field: "employees", rare: true, headings: []string{"从业人员", "从业人数", "从业人员数", "职工人数"}},
	{field: "revenue", rare: true, headings: []string{"营业收入", "年营业收入", "全年营业收入"}, note: "元；表头写明“万元”的按万元读"},
	{field: "total_assets", rare: true, headings: []string{"资产总额", "资产总计"}, note: "元；表头写明“万元”的按万元读"},
}, placeColumns...)}

var areaList = listing{"区划", "个", []column{
	{field: "code", required: true, headings: []string{"code", "代码", "区划代码", "统计用区划代码"}, note: "区 6 位，街道、镇乡 9 位，社区、村 12 位"},
	{field: "name", required: true, headings: []string{"name", "名称"}},
	{field: "parent_code", required: true, headings: []string{"parent_code", "上级代码", "上级区划代码", "父级代码"}},
	{field: "kind", required: true, headings: []string{"kind", "类别", "类型"}, choices: []string{"区", "街道", "镇乡", "社区", "村", "园区", "商圈", "楼宇", "专业市场"}},
}}

// heading brings a heading into the form in which the table above is compared: no spaces, no brackets or what they hold,
// no marks of obligation, one width, one case.
func heading(s string) string {
	s = strings.ToLower(width.Fold.String(squeeze(s)))
	s = strings.Trim(s, `*"':=`)
	for {
		open := strings.IndexByte(s, '(')
		end := strings.IndexByte(s, ')')
		if open < 0 || end < open {
			break
		}
		s = s[:open] + s[end+1:]
	}
	return strings.Trim(s, "*:")
}

// matches reports the rank of a file's heading among the column's own: "法定代表人/负责人" is read by its first known part.
func (c column) matches(fileHeading string) (rank int, ok bool) {
	h := heading(fileHeading)
	if h == "" {
		return 0, false
	}
	rank = slices.IndexFunc(c.headings, func(s string) bool { return heading(s) == h })
	return rank, rank >= 0
}

// layout says where in a row each field stands.
type layout struct {
	at      map[string][]int
	unknown []string
}

func layOut(header []string, columns []column) layout {
	type place struct{ rank, index int }
	found := map[string][]place{}
	l := layout{at: map[string][]int{}}
	for i, h := range header {
		parts := append([]string{h}, strings.FieldsFunc(heading(h), func(r rune) bool { return strings.ContainsRune("/、或,，", r) })...)
		known := false
		for _, part := range parts {
			for _, c := range columns {
				if rank, ok := c.matches(part); ok && !known {
					found[c.field] = append(found[c.field], place{rank, i})
					known = true
				}
			}
		}
		if !known && strings.TrimSpace(h) != "" {
			l.unknown = append(l.unknown, h)
		}
	}
	for _, c := range columns {
		places := found[c.field]
		slices.SortStableFunc(places, func(a, b place) int { return a.rank - b.rank })
		for _, p := range places {
			l.at[c.field] = append(l.at[c.field], p.index)
		}
	}
	return l
}

// known counts the columns recognised in a line; it is how the header is found.
func known(columns []column) func([]string) int {
	return func(cells []string) int { return len(layOut(cells, columns).at) }
}

// require refuses a file without the columns that the import cannot do without.
func (l layout) require(header []string, columns []column) error {
	var missing []string
	for _, c := range columns {
		if c.required && len(l.at[c.field]) == 0 {
			missing = append(missing, c.headings[0])
		}
	}
	if missing == nil {
		return nil
	}
	var seen []string
	for _, h := range header {
		if h = text(h); h != "" {
			seen = append(seen, shorten(h, 30))
		}
	}
	shown := strings.Join(seen, "、")
	if shown == "" {
		shown = "（无）"
	}
	return (&hooks.Error{Code: CodeMissingColumn, Message: "缺少必需的列：" + strings.Join(missing, "、") + "；文件里的列有：" + shorten(shown, 400)}).
		With("missing", missing).With("seen", seen)
}

// value is the first filled cell of a field.
func (l layout) value(cells []string, field string) string {
	for _, i := range l.at[field] {
		if v := text(cells[i]); v != "" {
			return v
		}
	}
	return ""
}

// all joins every filled cell of a field.
func (l layout) all(cells []string, field string) string {
	var out []string
	for _, i := range l.at[field] {
		if v := text(cells[i]); v != "" {
			out = append(out, v)
		}
	}
	return strings.Join(out, " ")
}

// in10k tells whether the file gives a money column in 万元.
func (l layout) in10k(header []string, field string) bool {
	return len(l.at[field]) > 0 && strings.Contains(header[l.at[field][0]], "万")
}

func shorten(s string, max int) string {
	if r := []rune(s); len(r) > max {
		return string(r[:max]) + "…"
	}
	return s
}
