package oracle

import (
	"fmt"
	"sort"
)

type rowKey struct{ period, start, kind, id, indicator string }

func (r Row) key() rowKey {
	return rowKey{r.Period, r.PeriodStart, r.OrgKind, r.OrgID, r.Indicator}
}

func (r Row) name() string {
	return fmt.Sprintf("%s %s %s %s %q", r.Indicator, r.Period, r.PeriodStart, r.OrgKind, r.OrgID)
}

func (r Row) figure() string {
	if r.Denominator == nil {
		return fmt.Sprintf("%d %s", r.Numerator, r.Status)
	}
	return fmt.Sprintf("%d/%d %s", r.Numerator, *r.Denominator, r.Status)
}

// Diff says in words where two tables differ; none means they are the same. Order does not matter.
func Diff(want []Row, got []Row) []string {
	var out []string
	index := func(rows []Row, whose string) map[rowKey]Row {
		byKey := map[rowKey]Row{}
		for _, r := range rows {
			if first, twice := byKey[r.key()]; twice {
				out = append(out, fmt.Sprintf("%s: %s stands twice, as %s and %s", r.name(), whose, first.figure(), r.figure()))
				continue
			}
			byKey[r.key()] = r
		}
		return byKey
	}
	wanted, present := index(want, "the wanted row"), index(got, "the row")
	for k, w := range wanted {
		g, there := present[k]
		switch {
		case !there:
			out = append(out, fmt.Sprintf("%s: missing, want %s", w.name(), w.figure()))
		case g.figure() != w.figure():
			out = append(out, fmt.Sprintf("%s: differs, want %s, got %s", w.name(), w.figure(), g.figure()))
		}
	}
	for k, g := range present {
		if _, there := wanted[k]; !there {
			out = append(out, fmt.Sprintf("%s: surplus, got %s", g.name(), g.figure()))
		}
	}
	sort.Strings(out)
	return out
}
