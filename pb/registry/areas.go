package registry

import (
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"

	"gangwan/hooks"
)

type areaRow struct {
	row                      tableRow
	code, name, parent, kind string
}

var areaKindWords = map[string]string{
	"区": "district", "区县": "district", "街道": "street", "镇": "town", "乡": "town", "镇乡": "town", "社区": "community", "村": "village",
	"园区": "park", "商圈": "business_circle", "楼宇": "building", "专业市场": "market", "市场": "market",
}

// statisticsCode are the lengths that the statistics bureau's codes have, by level.
var statisticsCode = map[string]*regexp.Regexp{
	"district": regexp.MustCompile(`^\d{6}$`), "street": regexp.MustCompile(`^\d{9}$`), "town": regexp.MustCompile(`^\d{9}$`),
	"community": regexp.MustCompile(`^\d{12}$`), "village": regexp.MustCompile(`^\d{12}$`),
}

var anyAreaCode = regexp.MustCompile(`^[0-9A-Z-]{2,12}$`)

// ImportAreas brings the area tree up to a file with the columns code, name, parent_code and kind, in any order of rows.
// Units are matched by code. A unit that was renamed or moved keeps its record, so that grids and harbours still point at
// it, and what it was before becomes a row of its own that ends now. Units that the file does not name are left alone.
func ImportAreas(app core.App, r io.Reader, o Options) (Report, error) {
	began := time.Now()
	t, l, report, err := open(r, areaList, o)
	if err != nil {
		return report, err
	}
	areas, err := app.FindCollectionByNameOrId("areas")
	if err != nil {
		return report, err
	}
	rows := checkAreas(t, l, areas, &report)
	done := newReport()
	err = o.transaction(app, func(tx core.App) error {
		done = newReport()
		return importAreas(tx, areas, rows, o, &done)
	})
	if err != nil {
		return report, failed(err)
	}
	report.add(&done)
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

func checkAreas(t *table, l layout, areas *core.Collection, report *Report) []areaRow {
	kinds := areas.Fields.GetByName("kind").(*core.SelectField).Values
	seen := map[string]int{}
	var rows []areaRow
	for _, row := range t.Rows {
		if row.Problem != nil {
			report.bad(row, row.Problem)
			continue
		}
		a := areaRow{row: row, code: code(l.value(row.Cells, "code")), name: text(l.value(row.Cells, "name")),
			parent: code(l.value(row.Cells, "parent_code")), kind: l.value(row.Cells, "kind")}
		if k, ok := areaKindWords[a.kind]; ok {
			a.kind = k
		}
		if bad := a.check(kinds, areas, seen); bad != nil {
			report.bad(row, bad)
			continue
		}
		seen[a.code] = row.Line
		rows = append(rows, a)
	}
	return rows
}

func (a areaRow) check(kinds []string, areas *core.Collection, seen map[string]int) *rowError {
	switch {
	case a.code == "":
		return rowErrorf("missing_code", "没有代码")
	case a.name == "":
		return rowErrorf("missing_name", "没有名称")
	case !slices.Contains(kinds, a.kind):
		return rowErrorf("unknown_kind", "类别“%s”不在可选范围内（district、street、town、community、village、park、business_circle、building、market）", shorten(a.kind, 30))
	case !anyAreaCode.MatchString(a.code), statisticsCode[a.kind] != nil && !statisticsCode[a.kind].MatchString(a.code):
		return rowErrorf("bad_code", "代码“%s”不对：区为 6 位数字，街道、镇乡为 9 位，社区、村为 12 位", shorten(a.code, 30))
	case seen[a.code] != 0:
		return rowErrorf("duplicate_code", "代码 %s 在第 %d 行已出现", a.code, seen[a.code])
	case a.parent == "" && a.kind != "district":
		return rowErrorf("missing_parent", "没有上级代码")
	case a.parent == a.code:
		return rowErrorf("unknown_parent", "上级代码与自身代码相同")
	}
	return tooLong(areas, "name", a.name)
}

func importAreas(tx core.App, areas *core.Collection, rows []areaRow, o Options, report *Report) error {
	all, err := tx.FindRecordsByFilter("areas", "", "code", 0, 0)
	if err != nil {
		return err
	}
	now := types.DateTime{}
	if err := now.Scan(hooks.Stored(o.now())); err != nil {
		return err
	}
	inForce, codeOf := map[string]*core.Record{}, map[string]string{}
	for _, a := range all {
		codeOf[a.Id] = a.GetString("code")
		if a.GetString("until") == "" {
			inForce[a.GetString("code")] = a
		}
	}
	// The first tree loaded holds from before our records begin: a report on an earlier month must find its areas.
	first := len(all) == 0

	take := func(a areaRow) error {
		parent, parentID := inForce[a.parent], ""
		if parent != nil {
			parentID = parent.Id
		}
		old := inForce[a.code]
		if old == nil {
			fresh := o.newRecord(areas)
			fresh.Load(map[string]any{"code": a.code, "name": a.name, "kind": a.kind, "parent": parentID})
			if !first {
				fresh.Set("from", now)
			}
			refused, err := o.save(tx, fresh)
			if err != nil {
				return err
			}
			if refused != nil {
				report.bad(a.row, refused)
				return nil
			}
			report.New++
			if o.DryRun && fresh.Id == "" {
				fresh.Id = "dry" + a.code // only so that children find their parent
			}
			inForce[a.code], codeOf[fresh.Id] = fresh, a.code
			return nil
		}
		for up := parent; up != nil; up = inForce[codeOf[up.GetString("parent")]] {
			if up.GetString("code") == a.code {
				report.bad(a.row, rowErrorf("unknown_parent", "上级代码 %s 是它自己或它的下级", a.parent))
				return nil
			}
		}
		// A parent is compared by code: where it was itself renamed, nothing happened to this unit.
		var changed []string
		if old.GetString("name") != a.name {
			changed = append(changed, "name")
		}
		if codeOf[old.GetString("parent")] != a.parent {
			changed = append(changed, "parent")
		}
		if old.GetString("kind") != a.kind {
			changed = append(changed, "kind_of_area")
		}
		if changed == nil {
			report.Unchanged++
			return nil
		}
		past := o.newRecord(areas)
		past.Load(map[string]any{"code": a.code, "name": old.GetString("name"), "kind": old.GetString("kind"), "parent": old.GetString("parent"),
			"from": old.GetDateTime("from"), "until": now})
		present := old.Clone()
		present.Load(map[string]any{"name": a.name, "kind": a.kind, "parent": parentID, "from": now})
		// The present row first: it gives up the old beginning, and code and beginning together are unique.
		refused, err := o.save(tx, present, past)
		if err != nil {
			return err
		}
		if refused != nil {
			report.bad(a.row, refused)
			return nil
		}
		inForce[a.code] = present
		report.Changed++
		for _, f := range changed {
			report.ChangedFields[f]++
		}
		return nil
	}

	// Parents before children, in whatever order the file has them: rounds, until one takes nothing.
	for waiting := rows; len(waiting) > 0; {
		var later []areaRow
		for _, a := range waiting {
			if a.parent != "" && inForce[a.parent] == nil {
				later = append(later, a)
				continue
			}
			if err := take(a); err != nil {
				return err
			}
		}
		if len(later) == len(waiting) {
			for _, a := range later {
				report.bad(a.row, rowErrorf("unknown_parent", "上级代码 %s 不存在，或其所在行有问题", a.parent))
			}
			return nil
		}
		waiting = later
	}
	return nil
}
