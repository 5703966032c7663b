package hooks

import (
	"strings"
	"testing"
)

func TestInitialsAreWhatAGridWorkerWouldType(t *testing.T) {
	for name, want := range map[string]string{
		"重庆小面":  "cqxm",
		"重型机械厂": "zxjxc",
		"重庆三峡银行股份有限公司万州分行": "cqsxyhgfyxgswzfh",
		"长滩镇长兴副食店":         "ctzcxfsd",
		"成长教育":             "czjy",
		"新行者户外":            "xxzhw",
		"快乐音乐琴行":           "klyyqh",
		"万州区翟记“老麻抄手”（五桥店）": "wzqzjlmcswqd",
		"ＡＢＣ超市24小时":        "abccs24xs",
		"Coco都可奶茶 2店":      "cocodknc2d",
		"瀼渡镇曾家村弹子石柑橘专业合作社": "rdzzjcdzsgjzyhzs",
		"重庆长江银行行政服务中心":     "cqcjyhxzfwzx",
		"长安同行车行":           "cathch",
		"厦门烧仙草大厦店":         "xmsxcdsd",
		"":                 "",
		"☆★":               "",
	} {
		if got := Initials(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := Initials(strings.Repeat("重庆", 100)); len(got) != MaxInitials {
		t.Errorf("a very long name has %d initials", len(got))
	}
}

func BenchmarkInitials(b *testing.B) {
	for b.Loop() {
		Initials("重庆市万州区高笋塘老麻抄手餐饮管理有限公司")
	}
}
