package hooks

import "strconv"

// SizeStandard names the rule that SizeClass applies; a later rule is a second table, not an edit of this one.
const SizeStandard = "国统字〔2017〕213号"

// bounds are the lower bounds of large, medium and small for one measure; nil: the trade does not use the measure.
type bounds *[3]int64

type sizeRule struct {
	employees bounds // people
	revenue   bounds // 万元 a year
	assets    bounds // 万元
}

func b3(large, medium, small int64) bounds { return &[3]int64{large, medium, small} }

var (
	sizeFarming      = sizeRule{revenue: b3(20000, 500, 50)}
	sizeIndustry     = sizeRule{employees: b3(1000, 300, 20), revenue: b3(40000, 2000, 300)}
	sizeConstruction = sizeRule{revenue: b3(80000, 6000, 300), assets: b3(80000, 5000, 300)}
	sizeWholesale    = sizeRule{employees: b3(200, 20, 5), revenue: b3(40000, 5000, 1000)}
	sizeRetail       = sizeRule{employees: b3(300, 50, 10), revenue: b3(20000, 500, 100)}
	sizeTransport    = sizeRule{employees: b3(1000, 300, 20), revenue: b3(30000, 3000, 200)}
	sizeStorage      = sizeRule{employees: b3(200, 100, 20), revenue: b3(30000, 1000, 100)}
	sizePost         = sizeRule{employees: b3(1000, 300, 20), revenue: b3(30000, 2000, 100)}
	sizeHospitality  = sizeRule{employees: b3(300, 100, 10), revenue: b3(10000, 2000, 100)}
	sizeTelecom      = sizeRule{employees: b3(2000, 100, 10), revenue: b3(100000, 1000, 100)}
	sizeSoftware     = sizeRule{employees: b3(300, 100, 10), revenue: b3(10000, 1000, 50)}
	sizeDeveloper    = sizeRule{revenue: b3(200000, 1000, 100), assets: b3(10000, 5000, 2000)}
	sizeProperty     = sizeRule{employees: b3(1000, 300, 100), revenue: b3(5000, 1000, 500)}
	sizeLeasing      = sizeRule{employees: b3(300, 100, 10), assets: b3(120000, 8000, 100)}
	sizeOther        = sizeRule{employees: b3(300, 100, 10)}
)

// sizeRuleOf finds the trade. A code too short to tell (F is wholesale or retail, 59 haulage hands or storage) has none;
// nor have the trades that the rule leaves out: railways, finance, letting of one's own property, education, health, government.
func sizeRuleOf(industry string) (sizeRule, bool) {
	section := IndustrySection(industry)
	division, group := 0, 0
	if len(industry) >= 2 {
		division, _ = strconv.Atoi(industry[:2])
	}
	if len(industry) >= 3 {
		group, _ = strconv.Atoi(industry[:3])
	}
	switch section {
	case "A":
		return sizeFarming, true
	case "B", "C", "D":
		return sizeIndustry, true
	case "E":
		return sizeConstruction, true
	case "H":
		return sizeHospitality, true
	case "L":
		return sizeLeasing, true
	case "M", "N", "O", "R":
		return sizeOther, true
	}
	switch division {
	case 51:
		return sizeWholesale, true
	case 52:
		return sizeRetail, true
	case 54, 55, 56, 57, 58:
		return sizeTransport, true
	case 60:
		return sizePost, true
	case 63, 64:
		return sizeTelecom, true
	case 65:
		return sizeSoftware, true
	case 85:
		return sizeOther, true
	}
	switch {
	case group == 591:
		return sizeTransport, true
	case group > 591 && group < 600:
		return sizeStorage, true
	case group == 701:
		return sizeDeveloper, true
	case group == 702:
		return sizeProperty, true
	case group == 703, group == 709:
		return sizeOther, true
	}
	return sizeRule{}, false
}

// SizeClass is the class of an enterprise by 国统字〔2017〕213号: micro, small, medium or large. A class needs every lower
// bound of its trade; missing one drops the enterprise to the next. It is unknown when the trade cannot be told or a
// measure that the trade needs is absent (0): a guess would land in a published figure.
func SizeClass(industry string, employees int, revenueYuan, assetsYuan int64) string {
	rule, ok := sizeRuleOf(industry)
	if !ok {
		return "unknown"
	}
	type measure struct {
		value, unit int64
		bounds      bounds
	}
	measures := []measure{{int64(employees), 1, rule.employees}, {revenueYuan, 10000, rule.revenue}, {assetsYuan, 10000, rule.assets}}
	for _, m := range measures {
		if m.bounds != nil && m.value <= 0 {
			return "unknown"
		}
	}
	for i, class := range []string{"large", "medium", "small"} {
		all := true
		for _, m := range measures {
			if m.bounds != nil && m.value < m.bounds[i]*m.unit {
				all = false
			}
		}
		if all {
			return class
		}
	}
	return "micro"
}
