package hooks

import "testing"

func TestASizeClassNeedsEveryLowerBoundOfItsTrade(t *testing.T) {
	const wan = 10000
	for _, c := range []struct {
		what            string
		industry        string
		employees       int
		revenue, assets int64
		want            string
	}{
		{"a farm counts revenue only", "0111", 0, 500 * wan, 0, "medium"},
		{"a small farm", "01", 3, 50 * wan, 0, "small"},
		{"a farm one yuan below", "A", 3, 50*wan - 1, 0, "micro"},
		{"a factory at both bounds of large", "3311", 1000, 40000 * wan, 0, "large"},
		{"a factory with people enough but too little revenue", "3311", 1000, 40000*wan - 1, 0, "medium"},
		{"a factory with 299 people is not medium", "C", 299, 40000 * wan, 0, "small"},
		{"a factory of 19", "3311", 19, 40000 * wan, 0, "micro"},
		{"a builder counts revenue and assets", "4710", 0, 6000 * wan, 5000 * wan, "medium"},
		{"a builder with few assets", "4710", 500, 80000 * wan, 299 * wan, "micro"},
		{"a wholesaler of five", "5127", 5, 1000 * wan, 0, "small"},
		{"a shop of ten", "5212", 10, 100 * wan, 0, "small"},
		{"a shop of nine", "5212", 9, 100 * wan, 0, "micro"},
		{"a haulier", "5430", 300, 3000 * wan, 0, "medium"},
		{"loading and unloading is transport", "5910", 100, 1000 * wan, 0, "small"},
		{"a warehouse is storage", "5990", 100, 1000 * wan, 0, "medium"},
		{"a courier", "6020", 20, 100 * wan, 0, "small"},
		{"a hotel", "6110", 100, 2000 * wan, 0, "medium"},
		{"a noodle shop", "6221", 4, 30 * wan, 0, "micro"},
		{"a network operator", "6312", 100, 1000 * wan, 0, "medium"},
		{"a software house", "6513", 10, 50 * wan, 0, "small"},
		{"a developer", "7010", 0, 1000 * wan, 5000 * wan, "medium"},
		{"a property manager", "7020", 100, 500 * wan, 0, "small"},
		{"an estate agent counts people only", "7030", 10, 0, 0, "small"},
		{"a leasing firm counts people and assets", "7111", 10, 0, 100 * wan, "small"},
		{"a repair shop counts people only", "8111", 300, 0, 0, "large"},
		{"a nursing home is social work", "8514", 10, 0, 0, "small"},
	} {
		if got := SizeClass(c.industry, c.employees, c.revenue, c.assets); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestASizeIsUnknownRatherThanGuessed(t *testing.T) {
	const much = 1e12
	for what, got := range map[string]string{
		"no industry":                        SizeClass("", 50, much, much),
		"wholesale or retail, F cannot say":  SizeClass("F", 50, much, much),
		"storage or haulage, 59 cannot say":  SizeClass("59", 50, much, much),
		"a shop whose people are not known":  SizeClass("5212", 0, much, much),
		"a shop whose revenue is not known":  SizeClass("5212", 50, 0, much),
		"a builder whose assets are unknown": SizeClass("4710", 50, much, 0),
		"a bank is not classed":              SizeClass("6621", 50, much, much),
		"a school is not classed":            SizeClass("8310", 50, much, much),
		"a clinic is not classed":            SizeClass("8425", 50, much, much),
		"a railway is not classed":           SizeClass("5310", 50, much, much),
		"letting one's own house":            SizeClass("7040", 50, much, much),
	} {
		if got != "unknown" {
			t.Errorf("%s: %s", what, got)
		}
	}
}

func TestASectionIsToldFromAnyLengthOfCode(t *testing.T) {
	for code, want := range map[string]string{
		"0111": "A", "05": "A", "0610": "B", "131": "C", "43": "C", "4411": "D", "4710": "E", "50": "E", "5212": "F", "60": "G", "6110": "H",
		"6510": "I", "66": "J", "7010": "K", "72": "L", "7310": "M", "79": "N", "8010": "O", "83": "P", "8514": "Q", "90": "R", "9610": "S", "97": "T",
		"C": "C", "T": "T", "U": "", "": "", "5": "", "00": "", "9810": "", "52120": "", "5x": "", "零售": "",
	} {
		if got := IndustrySection(code); got != want {
			t.Errorf("%q: %q, want %q", code, got, want)
		}
	}
}
