package hooks

import (
	"errors"
	"strings"
	"testing"
)

func usccCode(s string) string {
	var e *Error
	if errors.As(CheckUSCC(s), &e) {
		return e.Code
	}
	return ""
}

func TestCodesThatWellKnownCompaniesBearAreAccepted(t *testing.T) {
	for _, s := range []string{"9144030071526726XG", "91330100799655058B", "91110108717743469K"} {
		if err := CheckUSCC(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if got := MakeUSCC(s[:17]); got != s {
			t.Errorf("check digit of %s: %s", s[:17], got)
		}
	}
}

func TestEachWayACodeCanBeWrongHasItsOwnCode(t *testing.T) {
	for s, want := range map[string]string{
		"":                    USCCLength,
		"9144030071526726X":   USCCLength,
		"9144030071526726XGG": USCCLength,
		"9144030O71526726XG":  USCCAlphabet,
		"9144030071526726xg":  USCCAlphabet,
		"9144030071526726XⅡ":  USCCAlphabet,
		"9144030071526726XH":  USCCCheckDigit,
		"9144030071526762XG":  USCCCheckDigit, // two digits changed places
	} {
		if got := usccCode(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func TestAnySingleWrongCharacterIsNoticed(t *testing.T) {
	const right = "9144030071526726XG"
	for i := range right {
		for _, c := range usccAlphabet {
			wrong := right[:i] + string(c) + right[i+1:]
			if wrong != right && usccCode(wrong) != USCCCheckDigit {
				t.Fatalf("%s passes", wrong)
			}
		}
	}
}

func TestNoCheckDigitIsMadeForWhatIsNoCode(t *testing.T) {
	for _, s := range []string{"", "91440300", "9144030071526726I", "9144030071526726X0", strings.Repeat("渝", 17)} {
		if got := MakeUSCC(s); got != "" {
			t.Errorf("%q: %s", s, got)
		}
	}
}
