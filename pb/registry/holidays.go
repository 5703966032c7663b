package registry

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

var holidayList = listing{"节假日", "天", []column{
	{field: "day", required: true, day: true, headings: []string{"日期", "放假日期", "day", "date"}, note: "一天一行，如 2026-10-01"},
	{field: "kind", required: true, headings: []string{"类型", "类别", "性质", "放假或调休上班"}, choices: []string{"节假日", "调休上班"}, note: "周末放假的日子也要写（如国庆期间的周六、周日）"},
	{field: "name", headings: []string{"名称", "节日", "节日名称", "假日"}, note: "如 国庆节"},
	{field: "source", headings: []string{"来源文件", "依据文件", "依据", "来源", "文号"}, note: "国务院办公厅的放假通知"},
}}

var holidayWords = map[string]string{
	"节假日": "holiday", "放假": "holiday", "休": "holiday", "休息": "holiday", "假日": "holiday", "法定节假日": "holiday", "holiday": "holiday",
	"调休上班": "workday", "调休": "workday", "上班": "workday", "补班": "workday", "班": "workday", "工作日": "workday", "workday": "workday",
}

// ImportHolidays brings the calendar by which working days are counted up to the State Council's yearly notice: the days off,
// weekends among them, and the weekend days worked instead. Days are matched by date. A year that cannot be whole, because a
// feast is missing in it, is named in the report; days that the file does not name are listed and left alone.
func ImportHolidays(app core.App, r io.Reader, o Options) (Report, error) {
	began := time.Now()
	t, l, report, err := open(r, holidayList, o)
	if err != nil {
		return report, err
	}
	collection, err := app.FindCollectionByNameOrId("holidays")
	if err != nil {
		return report, err
	}
	type dayRow struct {
		row                     tableRow
		day, kind, name, source string
	}
	var rows []dayRow
	seen := map[string]int{}
	for _, row := range t.Rows {
		d := dayRow{row: row}
		bad := row.Problem
		if bad == nil {
			d.name, d.source = l.value(row.Cells, "name"), l.value(row.Cells, "source")
			d.day, d.kind, bad = cleanDay(l.value(row.Cells, "day"), l.value(row.Cells, "kind"))
		}
		if bad == nil && seen[d.day] != 0 {
			bad = rowErrorf("duplicate_day", "%s 在第 %d 行已出现", d.day, seen[d.day])
		}
		if bad != nil {
			report.bad(row, bad)
			continue
		}
		seen[d.day] = row.Line
		rows = append(rows, d)
	}
	done := newReport()
	err = o.transaction(app, func(tx core.App) error {
		done = newReport()
		all, err := tx.FindRecordsByFilter("holidays", "", "day", 0, 0)
		if err != nil {
			return err
		}
		calendar, byDay, names := map[string]string{}, map[string]*core.Record{}, map[string]string{}
		for _, h := range all {
			byDay[h.GetString("day")], calendar[h.GetString("day")], names[h.GetString("day")] = h, h.GetString("kind"), h.GetString("name")
		}
		for _, d := range rows {
			old, r := byDay[d.day], o.newRecord(collection)
			if old != nil {
				r = old.Clone()
			}
			var changed []string
			for _, f := range []struct{ field, value string }{{"day", d.day}, {"kind", d.kind}, {"name", d.name}, {"source_doc", d.source}} {
				if f.value != "" && r.GetString(f.field) != f.value {
					r.Set(f.field, f.value)
					changed = append(changed, f.field)
				}
			}
			if changed == nil {
				done.Unchanged++
				continue
			}
			refused, err := o.save(tx, r)
			if err != nil {
				return err
			}
			if refused != nil {
				done.bad(d.row, refused)
				continue
			}
			if calendar[d.day], names[d.day] = d.kind, r.GetString("name"); old == nil {
				done.New++
				continue
			}
			done.Changed++
			for _, f := range changed {
				done.ChangedFields[f]++
			}
			if slices.Contains(changed, "kind") {
				done.note("放假与上班对调的日子（以往按它计算的期限随之变化）", d.day+" "+r.GetString("name"))
			}
		}
		years := map[string]bool{}
		for _, d := range rows {
			years[d.day[:4]] = true
		}
		var absent []string
		for _, h := range all {
			if day := h.GetString("day"); years[day[:4]] && seen[day] == 0 {
				absent = append(absent, strings.TrimSpace(day+" "+h.GetString("name")))
			}
		}
		done.note("系统里有、文件里没有的日子（未改动）", absent...)
		done.note("看起来不完整的年份", oddYears(years, calendar, names)...)
		return nil
	})
	if err != nil {
		return report, failed(err)
	}
	report.add(&done)
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

func cleanDay(dayCell, kindCell string) (day, kind string, bad *rowError) {
	at, bad := parseDate(dayCell)
	switch {
	case bad != nil:
		return "", "", bad
	case at.IsZero():
		return "", "", rowErrorf("bad_date", "没有日期")
	case at.Year() < 2000 || at.Year() > 2100:
		return "", "", rowErrorf("bad_date", "日期“%s”不在 2000–2100 年", shorten(dayCell, 30))
	}
	kind = holidayWords[sameText(kindCell)]
	if kind == "" {
		return "", "", rowErrorf("unknown_kind", "类型“%s”不认得（节假日、调休上班）", shorten(kindCell, 30))
	}
	if kind == "workday" && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday {
		return "", "", rowErrorf("not_weekend", "%s 不是周末，调休上班的日子应是周六或周日", hooks.Day(at))
	}
	return hooks.Day(at), kind, nil
}

// feasts are the seven that every year has (全国年节及纪念日放假办法), each within the days between which it falls.
var feasts = []struct{ name, from, until string }{
	{"元旦", "01-01", "01-01"}, {"春节", "01-21", "02-21"}, {"清明节", "04-04", "04-06"}, {"劳动节", "05-01", "05-01"},
	{"端午节", "05-27", "06-26"}, {"中秋节", "09-07", "10-08"}, {"国庆节", "10-01", "10-01"},
}

// oddYears says what is wrong with the years as they stand after an import.
func oddYears(years map[string]bool, calendar, names map[string]string) (out []string) {
	for year := range years {
		off, worked := 0, 0
		for day, kind := range calendar {
			if day[:4] == year {
				if kind == "holiday" {
					off++
				} else {
					worked++
				}
			}
		}
		var missing []string
		for _, f := range feasts {
			found := false
			for day, kind := range calendar {
				if kind == "holiday" && day >= year+"-"+f.from && day <= year+"-"+f.until {
					// Mid-autumn may lie among the days of the national day: then only its name tells.
					found = found || f.name != "中秋节" || day[5:] < "10-01" || strings.Contains(names[day], "中秋")
				}
			}
			if !found {
				missing = append(missing, f.name)
			}
		}
		if missing != nil {
			out = append(out, fmt.Sprintf("%s 年：没有%s", year, strings.Join(missing, "、")))
		}
		// Eleven statutory days until 2024, thirteen since; with weekends and exchanged days never more than forty.
		if off < 11 || off > 40 || worked > 12 {
			out = append(out, fmt.Sprintf("%s 年：节假日 %d 天，调休上班 %d 天", year, off, worked))
		}
	}
	slices.Sort(out)
	return out
}
