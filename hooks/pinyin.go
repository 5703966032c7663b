package hooks

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mozillazg/go-pinyin"
	"golang.org/x/text/width"
)

// MaxInitials is the length the enterprises' initials field holds.
const MaxInitials = 120

// pinyinWords are words in which a character with several readings is not read the usual way. A dictionary reads one
// character at a time; these are the words that stand in names of shops, companies and places.
var pinyinWords = map[string]string{
	"重庆": "cq", "重百": "cb", "重新": "cx", "重阳": "cy", "重逢": "cf", "双重": "sc", "重天": "ct",
	"成长": "cz", "生长": "sz", "增长": "zz", "家长": "jz", "校长": "xz", "班长": "bz", "长大": "zd", "长辈": "zb",
	"银行": "yh", "商行": "sh", "车行": "ch", "琴行": "qh", "行业": "hy", "同行": "th", "分行": "fh", "支行": "zh", "货行": "hh",
	"粮行": "lh", "药行": "yh", "茶行": "ch", "洋行": "yh", "鱼行": "yh", "布行": "bh", "灯行": "dh", "五金行": "wjh", "典当行": "ddh", "拍卖行": "pmh",
	"音乐": "yy", "乐器": "yq", "声乐": "sy", "乐队": "yd", "器乐": "qy", "民乐": "my",
	"厦门": "xm", "会计": "kj", "便宜": "py", "西藏": "xz", "藏药": "zy", "藏族": "zz", "藏医": "zy",
	"人参": "rs", "海参": "hs", "参茸": "sr", "党参": "ds", "参业": "sy",
	"空调": "kt", "调味": "tw", "调料": "tl", "调理": "tl", "调和": "th", "弹簧": "th", "番禺": "py", "什锦": "sj", "茄子": "qz",
	"校准": "jz", "校验": "jy", "弹性": "tx", "单县": "sx", "单氏": "ss",
	"东阿": "de", "阿胶": "ej", "六安": "la", "蚌埠": "bb", "大夫": "df", "钥匙": "ys",
	"万俟": "mq", "仔猪": "zz", "仔鸡": "zj", "传记": "zj",
}

// pinyinFirst overrides the dictionary's first reading where names use another.
var pinyinFirst = map[rune]byte{
	'重': 'z', '长': 'c', '行': 'x', '翟': 'z', '瞿': 'q', '覃': 'q', '仇': 'q', '仔': 'z', '曾': 'z', '藏': 'c', '茄': 'q', '冉': 'r',
	'尾': 'w', '圈': 'q', '传': 'c', '朴': 'p', '晟': 's', '呗': 'b', '嗯': 'e',
}

// pinyinLetters is made once: asking the dictionary per character costs more than storing the record.
var pinyinLetters = sync.OnceValue(func() map[rune]byte {
	plain := map[rune]byte{'ā': 'a', 'á': 'a', 'ǎ': 'a', 'à': 'a', 'ē': 'e', 'é': 'e', 'ě': 'e', 'è': 'e', 'ê': 'e', 'ế': 'e', 'ề': 'e',
		'ō': 'o', 'ó': 'o', 'ǒ': 'o', 'ò': 'o', 'ḿ': 'm', 'ń': 'n', 'ň': 'n', 'ǹ': 'n'}
	out := make(map[rune]byte, len(pinyin.PinyinDict))
	for code, readings := range pinyin.PinyinDict {
		first, _ := utf8.DecodeRuneInString(readings)
		if first >= 'a' && first <= 'z' {
			out[rune(code)] = byte(first)
		} else if b, ok := plain[first]; ok {
			out[rune(code)] = b
		}
	}
	for r, b := range pinyinFirst {
		out[r] = b
	}
	return out
})

// Initials are the pinyin initials by which a grid worker finds a name on the phone's keyboard: 重庆小面 → cqxm.
// Letters become lower case, digits stay, everything else is dropped.
func Initials(name string) string {
	letters := pinyinLetters()
	runes := []rune(width.Fold.String(name))
	var out strings.Builder
	for i := 0; i < len(runes) && out.Len() < MaxInitials; {
		if n, word := pinyinWordAt(runes[i:]); n > 0 {
			out.WriteString(word)
			i += n
			continue
		}
		switch r := runes[i]; {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			out.WriteRune(r)
		case r >= 'A' && r <= 'Z':
			out.WriteRune(r - 'A' + 'a')
		default:
			if b, ok := letters[r]; ok {
				out.WriteByte(b)
			}
		}
		i++
	}
	if out.Len() > MaxInitials {
		return out.String()[:MaxInitials]
	}
	return out.String()
}

func pinyinWordAt(runes []rune) (int, string) {
	for n := min(3, len(runes)); n >= 2; n-- {
		if word, ok := pinyinWords[string(runes[:n])]; ok {
			return n, word
		}
	}
	return 0, ""
}
