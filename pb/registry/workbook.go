package registry

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"gangwan/hooks"
)

// maxUnpacked is what a workbook may grow to: some five times a district's registry. A zip of a few kilobytes can claim any size.
const maxUnpacked = 1 << 30

// readWorkbook reads one sheet of an .xlsx, row by row. Of several sheets it is the one with the columns the import needs, a
// shown one before a hidden one, then the one with most of the columns it knows; the first where they are equal.
func readWorkbook(raw []byte, columns []column) (read *table, err error) {
	if err := checkArchive(raw); err != nil {
		return nil, err
	}
	damaged := func(err error) error {
		return &hooks.Error{Code: CodeUnreadable, Message: "工作簿无法读取，可能已损坏。请用 Excel 或 WPS 打开，另存为 .xlsx 再导入（" + err.Error() + "）"}
	}
	// The library takes optional parts for granted here and there; a clerk is to see a sentence, not a trace.
	defer func() {
		if p := recover(); p != nil {
			read, err = nil, damaged(fmt.Errorf("%v", p))
		}
	}()
	f, err := excelize.OpenReader(bytes.NewReader(raw), excelize.Options{UnzipSizeLimit: maxUnpacked})
	if err != nil {
		return nil, damaged(err)
	}
	defer f.Close()
	if err := plainNumbers(f); err != nil {
		return nil, damaged(err)
	}
	props, err := f.GetWorkbookProps()
	if err != nil {
		return nil, damaged(err)
	}
	t := &table{Date1904: props.Date1904 != nil && *props.Date1904}

	type candidate struct {
		sheet         string
		header        []string
		line, known   int
		usable, shown bool
	}
	var found []candidate
	for _, sheet := range f.GetSheetList() {
		c := candidate{sheet: sheet}
		if c.shown, err = f.GetSheetVisible(sheet); err != nil {
			return nil, damaged(err)
		}
		seen := 0
		if err := eachRow(f, sheet, func(row tableRow) bool {
			if n := known(columns)(row.Cells); n > c.known || c.header == nil {
				c.known, c.header, c.line = n, row.Cells, row.Line
			}
			seen++
			return seen < headerWithin
		}); err != nil {
			return nil, damaged(err)
		}
		if c.header == nil {
			continue
		}
		c.usable = layOut(c.header, columns).require(c.header, columns) == nil
		found = append(found, c)
	}
	if len(found) == 0 {
		return nil, &hooks.Error{Code: CodeNothingRead, Message: "工作簿是空的，没有可导入的行"}
	}
	before := func(a, b candidate) bool {
		switch {
		case a.usable != b.usable:
			return a.usable
		case a.shown != b.shown:
			return a.shown
		}
		return a.known > b.known
	}
	best := found[0]
	for _, c := range found[1:] {
		if before(c, best) {
			best = c
		}
	}
	for _, c := range found {
		if c.usable && c.shown && c.sheet != best.sheet {
			t.Unread = append(t.Unread, c.sheet)
		}
	}
	t.Sheet, t.Header = best.sheet, best.header
	if n := len(t.Header); n > mostColumns {
		return nil, &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("工作表“%s”的表头有 %d 列，不像名录：请只保留需要的列再导入", best.sheet, n)}
	}
	err = eachRow(f, best.sheet, func(row tableRow) bool {
		if row.Line > best.line {
			// What stands right of the last heading belongs to no column; a row that ends early ends in empty cells. Into a slice of
			// its own: a blank far to the right would keep sixteen thousand cells a row.
			cells := make([]string, len(t.Header))
			copy(cells, row.Cells)
			row.Cells = cells
			row.fit(len(t.Header))
			t.Rows = append(t.Rows, row)
		}
		return true
	})
	if err != nil {
		return nil, damaged(err)
	}
	return t, nil
}

// eachRow hands over the rows of a sheet that are not blank, each cut behind its last filled cell, until take has enough.
func eachRow(f *excelize.File, sheet string, take func(tableRow) bool) error {
	rows, err := f.Rows(sheet)
	if err != nil {
		return err
	}
	defer rows.Close()
	for line := 1; rows.Next(); line++ {
		cells, err := rows.Columns()
		if err != nil {
			return err
		}
		for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) > 0 && !take(tableRow{Line: line, Cells: cells, Hidden: rows.GetRowOpts().Hidden}) {
			break
		}
	}
	return rows.Error()
}

// mostColumns is far more than any office keeps: what claims more is no register.
const mostColumns = 500

// isoDay is how a cell that Excel shows as a date is read, in whatever way it shows it.
const isoDay = "yyyy-mm-dd"

// plainNumbers makes every number be read in full and every date as a day: the formats that the office gave the cells may
// show 1.38E+10 for a phone number and 5-Mar for a date, and formatting would keep just that.
func plainNumbers(f *excelize.File) error {
	if f.Styles == nil || f.Styles.CellXfs == nil || len(f.Styles.CellXfs.Xf) == 0 {
		return nil // no formats at all: numbers are read as they are stored
	}
	format := isoDay
	id, err := f.NewStyle(&excelize.Style{CustomNumFmt: &format})
	if err != nil {
		return err
	}
	xfs := f.Styles.CellXfs.Xf
	day, none := xfs[id].NumFmtID, -1 // no format has a number below zero: such a cell is read as it is stored
	codes := map[int]string{}
	if f.Styles.NumFmts != nil {
		for _, n := range f.Styles.NumFmts.NumFmt {
			codes[n.NumFmtID] = n.FormatCode
		}
	}
	for i := range xfs {
		n := xfs[i].NumFmtID
		xfs[i].NumFmtID = &none
		if n != nil && showsDay(*n, codes[*n]) {
			xfs[i].NumFmtID = day
		}
	}
	return nil
}

// showsDay tells a number format that shows a day, built in or written by somebody.
func showsDay(id int, code string) bool {
	if code == "" {
		// The last two runs are what the Chinese editions put there (ECMA-376, 18.8.30).
		return id >= 14 && id <= 17 || id == 22 || id >= 27 && id <= 31 || id == 36 || id >= 50 && id <= 54 || id == 57 || id == 58
	}
	var bare strings.Builder
	quoted, bracket := false, false
	for i := 0; i < len(code); i++ {
		switch c := code[i]; {
		case c == '"':
			quoted = !quoted
		case quoted, bracket && c != ']':
		case c == '\\' || c == '_' || c == '*':
			i++ // the next character stands for itself
		case c == '[' || c == ']':
			bracket = c == '['
		default:
			bare.WriteByte(c)
		}
	}
	return strings.ContainsAny(strings.ToLower(bare.String()), "yd")
}

// checkArchive reads every part of the zip once, to nowhere. The reader of workbooks takes a part that breaks off for its
// end, and half a registry would pass for a whole one.
func checkArchive(raw []byte) error {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return &hooks.Error{Code: CodeUnreadable, Message: "文件不完整或已损坏，可能没有下载或复制完，请重新取得文件再导入"}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(z.File, func(f *zip.File) bool { return strings.EqualFold(strings.ReplaceAll(f.Name, `\`, "/"), name) })
	}
	if has("xl/workbook.bin") {
		return notTable("二进制的 Excel 工作簿（.xlsb）")
	}
	if !has("xl/workbook.xml") {
		return notTable("压缩包或其他 Office 文件")
	}
	total := uint64(0)
	for _, part := range z.File {
		if total += part.UncompressedSize64; part.UncompressedSize64 > maxUnpacked || total > maxUnpacked {
			return &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("工作簿解开后超过 %d MB，请删去用不上的工作表和图片，或分成几个文件导入", maxUnpacked>>20)}
		}
		r, err := part.Open()
		if err == nil {
			_, err = io.Copy(io.Discard, r) // no more than the size it declares
			_ = r.Close()
		}
		if err != nil {
			return &hooks.Error{Code: CodeUnreadable, Message: "工作簿已损坏（" + part.Name + "），请重新取得文件再导入"}
		}
	}
	return nil
}

// daysTo1900 is how far the day numbers of a workbook from old Macs lie behind everybody else's.
const daysTo1900 = 1462

// from1904 brings a bare day number of such a workbook to the usual count; cells shown as dates were read as days.
func from1904(cell string) string {
	if !dateSerial.MatchString(cell) {
		return cell
	}
	n, _ := strconv.ParseFloat(cell, 64)
	return strconv.Itoa(int(n) + daysTo1900)
}
