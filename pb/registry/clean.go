package registry

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/pocketbase/pocketbase/tools/types"
	"golang.org/x/text/width"

	"gangwan/hooks"
)

// invisible are characters that copying from web pages and Word leaves behind.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || (unicode.IsControl(r) && !unicode.IsSpace(r))
}

// squeeze drops every space and invisible character.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || invisible(r) {
			return -1
		}
		return r
	}, s)
}

// text cleans a cell for people: Excel's ="…" and leading ' come off, runs of spaces and line ends become one space,
// and the marks that offices write for "nothing" become nothing.
func text(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 3 && strings.HasPrefix(s, `="`) && strings.HasSuffix(s, `"`) {
		s = s[2 : len(s)-1]
	}
	s = strings.TrimPrefix(s, "'")
	s = strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	switch strings.ToLower(s) {
	case "-", "--", "—", "——", "/", `\`, "无", "null", "none", "n/a", "#n/a", "nil", "(null)", "暂无", "空":
		return ""
	}
	return s
}

// code cleans a cell that holds a code: one width, no spaces, upper case.
func code(s string) string {
	return strings.ToUpper(strings.Trim(squeeze(width.Fold.String(s)), `'"=`))
}

// sameText is the form in which names and addresses are compared.
func sameText(s string) string { return strings.ToLower(squeeze(width.Fold.String(s))) }

var (
	scientific = regexp.MustCompile(`^[0-9](\.[0-9]+)?E\+?[0-9]{1,3}$`)
	oldNumber  = regexp.MustCompile(`^[0-9]{15}$`)
	// Excel keeps fifteen digits of a number and fills up with zeros.
	zeroFilled = regexp.MustCompile(`^[0-9]{15}000$`)
)

// parseUSCC reads a unified social credit code. A warning keeps the row: "uscc_check_digit" with the code, "old_number"
// (a registration number of before 2015) without one.
func parseUSCC(cell string) (uscc, warning string, bad *rowError) {
	s := strings.ReplaceAll(code(cell), "-", "")
	switch {
	case s == "":
		return "", "", nil
	case scientific.MatchString(s):
		return "", "", rowErrorf("uscc_scientific", "统一社会信用代码“%s”已被 Excel 变成科学计数法，后几位丢失；请把该列设为文本格式后重新导出", s)
	case oldNumber.MatchString(s):
		return "", "old_number", nil
	}
	err := hooks.CheckUSCC(s)
	if err == nil {
		return s, "", nil
	}
	e := err.(*hooks.Error)
	if e.Code == hooks.USCCCheckDigit && zeroFilled.MatchString(s) {
		return "", "", rowErrorf("uscc_rounded", "统一社会信用代码“%s”的后三位已被 Excel 变成 0；请把该列设为文本格式后重新导出", s)
	}
	if e.Code == hooks.USCCCheckDigit {
		return s, e.Code, nil
	}
	return "", "", &rowError{Code: e.Code, Message: e.Message}
}

var (
	dateParts  = regexp.MustCompile(`^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]?\d{1,2}[:时].*)?$`)
	dateDigits = regexp.MustCompile(`^(\d{4})(\d{2})(\d{2})(?:\d{6})?$`)
	dateSerial = regexp.MustCompile(`^\d{5}(?:\.\d+)?$`)
)

// parseDay reads a day that is past: stored as that day's beginning in Shanghai, "" for an empty cell.
func parseDay(cell string, now time.Time) (stored string, bad *rowError) {
	day, bad := parseDate(cell)
	if bad != nil || day.IsZero() {
		return "", bad
	}
	if day.Year() < 1900 || day.After(now.AddDate(0, 0, 1)) {
		return "", rowErrorf("bad_date", "日期“%s”早于 1900 年或晚于今天", shorten(strings.TrimSpace(width.Fold.String(cell)), 30))
	}
	return hooks.Stored(day), nil
}

// parseDate reads a day as offices write it: 2021-3-5, 2021/03/05, 2021.3.5, 20210305, 2021年3月5日, with a time behind it
// or not, or the serial number that Excel shows when the cell was not formatted as a date. It is that day's beginning in
// Shanghai, zero for an empty cell.
func parseDate(cell string) (day time.Time, bad *rowError) {
	s := strings.TrimSpace(width.Fold.String(cell))
	if s == "" {
		return day, nil
	}
	wrong := rowErrorf("bad_date", "日期“%s”无法识别（可写成 2021-03-05、2021/3/5、20210305 或 2021年3月5日）", shorten(s, 30))
	compact := strings.ReplaceAll(s, " ", "")
	if m := dateParts.FindStringSubmatch(s); m != nil {
		day = ymd(m[1], m[2], m[3])
	} else if m := dateParts.FindStringSubmatch(compact); m != nil {
		day = ymd(m[1], m[2], m[3])
	} else if m := dateDigits.FindStringSubmatch(compact); m != nil {
		day = ymd(m[1], m[2], m[3])
	} else if dateSerial.MatchString(compact) {
		n, _ := strconv.ParseFloat(compact, 64)
		day = time.Date(1899, 12, 30+int(n), 0, 0, 0, 0, hooks.Shanghai)
	}
	if day.IsZero() {
		return day, wrong
	}
	return day, nil
}

// ymd is zero for a day that no calendar has, such as 30 February.
func ymd(y, m, d string) time.Time {
	year, _ := strconv.Atoi(y)
	month, _ := strconv.Atoi(m)
	day, _ := strconv.Atoi(d)
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, hooks.Shanghai)
	if t.Year() != year || int(t.Month()) != month || t.Day() != day {
		return time.Time{}
	}
	return t
}

// parseWhole reads a count or an amount, times unit.
func parseWhole(cell, what string, unit float64, max float64) (int64, *rowError) {
	s := strings.ReplaceAll(squeeze(width.Fold.String(cell)), ",", "")
	s = strings.TrimRight(s, "元人")
	if s == "" {
		return 0, nil
	}
	if strings.HasSuffix(s, "万") {
		s, unit = strings.TrimSuffix(s, "万"), 10000
	}
	n, err := strconv.ParseFloat(s, 64)
	if n = math.Round(n * unit); err != nil || math.IsNaN(n) || n < 0 || n > max {
		return 0, rowErrorf("bad_number", "%s“%s”不是有效的数字", what, shorten(cell, 30))
	}
	return int64(n), nil
}

// parsePhone takes the first of several numbers that is one, in the form in which numbers are stored; "" when there is none.
func parsePhone(cell string) string {
	s := width.Fold.String(cell)
	if scientific.MatchString(code(s)) { // rounded by Excel: no number any more
		return ""
	}
	for _, piece := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(";,、/|；，", r) }) {
		bare := strings.Map(func(r rune) rune { // 电话：13800000001（张三）
			if r >= '0' && r <= '9' || strings.ContainsRune("+-()", r) {
				return r
			}
			return -1
		}, piece)
		for _, p := range []string{piece, bare} {
			if number, err := hooks.Phone(p); err == nil && number != "" {
				return number
			}
		}
	}
	return ""
}

var systemWords = map[string]string{
	"": hooks.WGS84, "wgs84": hooks.WGS84, "4326": hooks.WGS84, "epsg4326": hooks.WGS84, "crs84": hooks.WGS84,
	"cgcs2000": hooks.WGS84, "国家2000": hooks.WGS84, "2000国家大地坐标系": hooks.WGS84, "epsg4490": hooks.WGS84, "gps": hooks.WGS84, // a few centimetres apart
	"gcj02": hooks.GCJ02, "火星": hooks.GCJ02, "火星坐标": hooks.GCJ02, "火星坐标系": hooks.GCJ02, "高德": hooks.GCJ02, "腾讯": hooks.GCJ02,
	"bd09": hooks.BD09, "bd09ll": hooks.BD09, "百度": hooks.BD09,
}

// parseSystem reads what coordinates a cell says they are in; an empty one says WGS-84.
func parseSystem(cell string) (system string, bad *rowError) {
	s := strings.NewReplacer("-", "", "_", "", ":", "").Replace(sameText(cell))
	if system, ok := systemWords[s]; ok {
		return system, nil
	}
	return "", rowErrorf("unknown_system", "坐标系“%s”不认得（WGS-84、GCJ-02、BD-09）", shorten(cell, 30))
}

// parsePlace reads longitude and latitude in degrees, as WGS-84; nil when both are empty.
func parsePlace(lon, lat, system string) (*types.GeoPoint, *rowError) {
	if lon == "" && lat == "" {
		return nil, nil
	}
	degrees := func(cell string) (float64, bool) {
		n, err := strconv.ParseFloat(strings.TrimRight(squeeze(width.Fold.String(cell)), "°度"), 64)
		return n, err == nil && !math.IsNaN(n) && n != 0
	}
	x, okX := degrees(lon)
	y, okY := degrees(lat)
	if !okX || !okY {
		return nil, rowErrorf("bad_coordinates", "经纬度“%s，%s”无法识别，应为以度为单位的小数，如 108.3776，30.8137", shorten(lon, 20), shorten(lat, 20))
	}
	s, bad := parseSystem(system)
	if bad != nil {
		return nil, bad
	}
	if err := hooks.CheckPoint(x, y); err != nil {
		return nil, refusal(err)
	}
	x, y, _ = hooks.ToWGS84(x, y, s)
	return &types.GeoPoint{Lon: sixDigits(x), Lat: sixDigits(y)}, nil
}

// sixDigits rounds degrees to a decimetre: more is noise of the conversion, and would make every import a change.
func sixDigits(degrees float64) float64 { return math.Round(degrees*1e6) / 1e6 }

var industryCode = regexp.MustCompile(`^([A-T])?(\d{2,4})?(\D.*)?$`)

// parseIndustry reads a GB/T 4754 code: 5212, F5212, "5212 便利店零售", or a section letter alone. ok is false for text without a code.
func parseIndustry(cell string) (industry string, ok bool) {
	s := code(cell)
	if s == "" {
		return "", true
	}
	m := industryCode.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	for _, c := range []string{m[2], m[1]} {
		if c != "" && hooks.IndustrySection(c) != "" {
			return c, true
		}
	}
	return "", false
}

func containsAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// kindOf reads the kind of body from the registry's type. The order matters: a cooperative's branch is a cooperative, and
// 其他有限责任公司 is a company.
func kindOf(typeText string) string {
	s := squeeze(width.Fold.String(typeText))
	switch {
	case containsAny(s, "合作社", "专业合作", "联合社"):
		return "cooperative"
	case containsAny(s, "个体", "家庭经营", "个人经营"):
		return "individual_business"
	case containsAny(s, "民办非"): // 民办非企业单位 is no 企业
		return "other"
	case containsAny(s, "公司", "企业", "有限", "合伙", "独资", "全民", "国有", "集体", "外商", "股份", "联营", "内资", "私营", "港澳台", "合资", "合作经营", "分支机构", "工厂", "法人"):
		return "company"
	case containsAny(s, "其他", "事业", "社会团体", "社会组织", "机关", "基金会", "代表机构", "自治组织", "律师事务所"):
		return "other"
	}
	return ""
}

// ownershipOf reads the ownership where the registry's type says it; otherwise it is unknown rather than guessed.
func ownershipOf(typeText string) string {
	s := strings.NewReplacer("、", "", "非自然人", "", "非国有", "", "非公司", "").Replace(squeeze(width.Fold.String(typeText)))
	switch {
	case containsAny(s, "个体"):
		return "private"
	case containsAny(s, "外商", "港澳台", "台港澳", "外资", "外国", "中外"):
		return "foreign"
	case containsAny(s, "国有", "全民"):
		return "state"
	case containsAny(s, "集体"):
		return "collective"
	case containsAny(s, "私营", "自然人", "个人独资", "民营", "个人"):
		return "private"
	}
	return "unknown"
}

// statusOf turns the registry's words into ours; ok is false for words that say nothing known, which count as active.
func statusOf(registryStatus string) (status string, ok bool) {
	s := strings.NewReplacer("未注销", "", "未吊销", "").Replace(squeeze(width.Fold.String(registryStatus)))
	switch {
	case s == "":
		return "active", true
	case containsAny(s, "拟注销", "注销备案", "注销公告"):
		return "active", true
	case containsAny(s, "注销", "吊销", "撤销", "责令关闭"):
		return "closed", true
	case containsAny(s, "迁出"):
		return "moved", true
	case containsAny(s, "存续", "在业", "开业", "在营", "在册", "正常", "歇业", "停业", "迁入", "清算", "登记", "设立", "有效"):
		return "active", true
	}
	return "active", false
}

var sizeWords = []struct{ word, size string }{
	{"微型", "micro"}, {"小型", "small"}, {"中型", "medium"}, {"大型", "large"}, {"小微", "unknown"},
	{"微", "micro"}, {"小", "small"}, {"中", "medium"}, {"大", "large"},
}

func sizeOf(cell string) string {
	for _, w := range sizeWords {
		if strings.Contains(cell, w.word) {
			return w.size
		}
	}
	return "unknown"
}
