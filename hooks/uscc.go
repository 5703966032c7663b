package hooks

import (
	"fmt"
	"strings"
)

// A unified social credit code (GB 32100-2015) has 18 characters: authority (1), kind of body (1), division (6),
// organisation code (9), check digit (1). I, O, S, V and Z are left out so that nobody mistakes them for digits.
const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// usccWeights are 3^i mod 31.
var usccWeights = [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}

// What can be wrong with a code. A failed check digit is the mildest: codes of the early pilots are lawful and fail it,
// so it warns and never blocks.
const (
	USCCLength     = "uscc_length"
	USCCAlphabet   = "uscc_alphabet"
	USCCCheckDigit = "uscc_check_digit"
)

// CheckUSCC says what is wrong with a unified social credit code, as an *Error with one of the codes above, or nil.
func CheckUSCC(s string) error {
	runes := []rune(s)
	if len(runes) != 18 {
		return &Error{Code: USCCLength, Message: fmt.Sprintf("统一社会信用代码应为 18 位，现为 %d 位", len(runes))}
	}
	for i, r := range runes {
		if !strings.ContainsRune(usccAlphabet, r) {
			return &Error{Code: USCCAlphabet, Message: fmt.Sprintf("统一社会信用代码第 %d 位“%c”不是允许的字符（数字和除 I、O、S、V、Z 外的大写字母）", i+1, r)}
		}
	}
	if s[17] != usccCheckDigit(s) {
		return &Error{Code: USCCCheckDigit, Message: "统一社会信用代码校验位不符（早期试点代码可能如此，请核对）"}
	}
	return nil
}

// MakeUSCC appends the check digit to the first 17 characters; it returns "" when they are not 17 lawful ones.
func MakeUSCC(prefix17 string) string {
	if len(prefix17) != 17 {
		return ""
	}
	for i := range prefix17 {
		if strings.IndexByte(usccAlphabet, prefix17[i]) < 0 {
			return ""
		}
	}
	return prefix17 + string(usccCheckDigit(prefix17))
}

func usccCheckDigit(s string) byte {
	sum := 0
	for i, w := range usccWeights {
		sum += strings.IndexByte(usccAlphabet, s[i]) * w
	}
	return usccAlphabet[(31-sum%31)%31]
}

// USCCKind reads the kind of body from the code's first two characters: 9 is the market regulator, then 1 a company,
// 2 an individual business, 3 a farmers' cooperative. Any other code says nothing of use here and gives "".
func USCCKind(s string) string {
	switch {
	case strings.HasPrefix(s, "91"):
		return "company"
	case strings.HasPrefix(s, "92"):
		return "individual_business"
	case strings.HasPrefix(s, "93"):
		return "cooperative"
	}
	return ""
}
