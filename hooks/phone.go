package hooks

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// districtAreaCode is put before a landline number that was written without one: the district is 重庆's 万州.
const districtAreaCode = "023"

var (
	mobilePhone = regexp.MustCompile(`^1[3-9]\d{9}$`)
	landline    = regexp.MustCompile(`^(0(?:10|2\d|[3-9]\d{2}))-?([2-8]\d{6,7})(?:-(\d{1,6}))?$`)
	localPhone  = regexp.MustCompile(`^([2-8]\d{7})(?:-(\d{1,6}))?$`)
	tollFree    = regexp.MustCompile(`^([48]00)-?(\d{3})-?(\d{4})$`)
	// Banks and hotlines: 95588, 966866, 12345, 12363.
	serviceNumber = regexp.MustCompile(`^(?:1[0-2]\d{1,4}|9[56]\d{3,6})$`)
	foreignPhone  = regexp.MustCompile(`^\+\d{7,15}$`)
)

// Phone brings a telephone number into the one form in which numbers are stored and compared: 13800000001, 023-58123456,
// 023-58123456-801 (with an extension), 400-123-4567, 95588, +85212345678. Spaces, brackets, any dash, full width and +86 are
// read; a landline without area code is the district's. The empty text stays empty. What is no single number is an *Error with
// bad_phone, phone_letters or phone_several; the text typed is then returned trimmed and otherwise as it was.
func Phone(typed string) (string, error) {
	typed = strings.TrimSpace(typed)
	s := strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Pd, r), r == '－', r == '—', r == '~', r == '−':
			return '-'
		case unicode.IsSpace(r), unicode.Is(unicode.Cf, r), r == '.', r == '·':
			return -1
		}
		return r
	}, width.Fold.String(typed))
	if s == "" {
		return "", nil
	}
	for _, mark := range []string{"转分机", "分机", "转", "#", "ext", "EXT", "Ext"} {
		s = strings.Replace(s, mark, "-", 1)
	}
	s = strings.Trim(strings.ReplaceAll(strings.NewReplacer("(", "", ")", "-").Replace(s), "--", "-"), "-")
	for _, prefix := range []string{"+86", "0086"} {
		s = strings.TrimPrefix(strings.TrimPrefix(s, prefix), "-")
	}
	bare := strings.ReplaceAll(s, "-", "")
	switch {
	case strings.ContainsFunc(s, unicode.IsLetter):
		return typed, Err("phone_letters")
	case strings.ContainsAny(s, "/,;、|"):
		return typed, Err("phone_several")
	case mobilePhone.MatchString(bare):
		return bare, nil
	case len(bare) == 13 && strings.HasPrefix(bare, "86") && mobilePhone.MatchString(bare[2:]):
		return bare[2:], nil
	case foreignPhone.MatchString(bare):
		return bare, nil
	case serviceNumber.MatchString(bare):
		return bare, nil
	}
	if m := tollFree.FindStringSubmatch(bare); m != nil {
		return m[1] + "-" + m[2] + "-" + m[3], nil
	}
	withExtension := func(number, extension string) string {
		if extension == "" {
			return number
		}
		return number + "-" + extension
	}
	if m := landline.FindStringSubmatch(s); m != nil {
		return withExtension(m[1]+"-"+m[2], m[3]), nil
	}
	if m := landline.FindStringSubmatch(bare); m != nil { // 023-5812-3456
		return m[1] + "-" + m[2], nil
	}
	if m := localPhone.FindStringSubmatch(s); m != nil {
		return withExtension(districtAreaCode+"-"+m[1], m[2]), nil
	}
	if m := localPhone.FindStringSubmatch(bare); m != nil { // 5812-3456
		return districtAreaCode + "-" + m[1], nil
	}
	return typed, Err("bad_phone")
}
