package registry

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"

	"gangwan/hooks"
)

// What makes a whole file unusable: nothing of it is written.
const (
	CodeNotTable      = "not_a_table"
	CodeProtected     = "password_protected"
	CodeBadEncoding   = "bad_encoding"
	CodeMissingColumn = "missing_column"
	CodeNothingRead   = "nothing_read"
	CodeTooLarge      = "too_large"
	CodeUnreadable    = "file_unreadable"
)

const (
	// maxFile is some ten times a district's registry: the file is held in memory, so that it is checked whole before the first write.
	maxFile = 512 << 20
	// A cell longer than this, or with more lines, is the sign of a quote that nobody closed.
	maxCell      = 16 << 10
	maxCellLines = 40
	// Title lines and notes that a clerk put above the header.
	headerWithin = 10
)

// table is a file as read: every row that is not blank, each with the line on which it starts.
type table struct {
	Encoding  string
	Separator rune
	// Sheet is the one read of a workbook, Unread are others that have the columns too. A CSV file has neither.
	Sheet    string
	Unread   []string
	Date1904 bool
	Header   []string
	Rows     []tableRow
}

type tableRow struct {
	Line    int
	Cells   []string
	Problem *rowError
	Hidden  bool // by hand or by a filter
	// Geometry is the boundary of a feature of a GeoJSON file.
	Geometry json.RawMessage
}

// rowError is why one row cannot be taken.
type rowError struct{ Code, Message string }

func rowErrorf(code, format string, args ...any) *rowError {
	return &rowError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// readTable reads a file whole, .xlsx or CSV by its first bytes. The line in which most of the columns are known is the
// header, the separator that yields the most is the separator.
func readTable(r io.Reader, columns []column) (*table, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, &hooks.Error{Code: CodeUnreadable, Message: "文件读取失败：" + err.Error()}
	}
	if len(raw) > maxFile {
		return nil, &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("文件超过 %d MB，请分成几个文件导入", maxFile>>20)}
	}
	if bytes.HasPrefix(raw, []byte("PK\x03\x04")) {
		return readWorkbook(raw, columns)
	}
	if err := refuseOtherFormats(raw); err != nil {
		return nil, err
	}
	text, encoding, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(text) == "" {
		return nil, &hooks.Error{Code: CodeNothingRead, Message: "文件是空的，没有可导入的行"}
	}
	t := &table{Encoding: encoding, Separator: ','}

	// Excel writes "sep=;" as a first line for itself.
	start, line := 0, 1
	if first, rest, _ := strings.Cut(text, "\n"); strings.HasPrefix(strings.ToLower(first), "sep=") {
		start, line = len(text)-len(rest), 2
	}
	best, headerAt := 0, scanner{}
	for _, sep := range []rune{',', '\t', ';', '，', '；', '|'} {
		s := scanner{text: text, pos: start, line: line, sep: sep}
		for range headerWithin {
			row, ok := s.next()
			if !ok {
				break
			}
			if n := known(columns)(row.Cells); n > best {
				best, headerAt, t.Separator, t.Header = n, s, sep, row.Cells
			}
		}
	}
	if best == 0 {
		s := scanner{text: text, pos: start, line: line, sep: ','}
		first, _ := s.next()
		if strings.HasPrefix(encoding, "GB") { // nothing in the file said so: it was a guess, and a wrong one
			return nil, &hooks.Error{Code: CodeBadEncoding, Message: "认不出文件的编码：按 UTF-8 和 GB18030 都读不出表头。请在 Excel 中另存为“CSV UTF-8（逗号分隔）”再导入"}
		}
		t.Header = first.Cells
		return t, nil // the caller names the columns that are missing
	}
	for len(t.Header) > 0 && strings.TrimSpace(t.Header[len(t.Header)-1]) == "" {
		t.Header = t.Header[:len(t.Header)-1]
	}
	for {
		row, ok := headerAt.next()
		if !ok {
			return t, nil
		}
		row.fit(len(t.Header))
		t.Rows = append(t.Rows, row)
	}
}

// fit holds a row to the header: spare empty cells go, a row cut short or shifted must not be read as if it were whole.
func (r *tableRow) fit(columns int) {
	for len(r.Cells) > columns && strings.TrimSpace(r.Cells[len(r.Cells)-1]) == "" {
		r.Cells = r.Cells[:len(r.Cells)-1]
	}
	if r.Problem != nil {
		return
	}
	if len(r.Cells) != columns {
		r.Problem = rowErrorf("column_count", "列数不对：表头有 %d 列，这一行有 %d 列", columns, len(r.Cells))
		return
	}
	for i, c := range r.Cells {
		r.Cells[i] = unguarded(c)
		if strings.ContainsRune(c, utf8.RuneError) {
			r.Problem = rowErrorf("bad_character", "含有无法识别的字符（乱码）")
			return
		}
		if brokenFormula(c) {
			r.Problem = rowErrorf("cell_error", "单元格是 Excel 的错误值 %s，公式没有算出结果", c)
			return
		}
	}
}

// brokenFormula tells what Excel shows for a formula that failed. A look-up that found nothing (#N/A) is an empty cell.
func brokenFormula(cell string) bool {
	return strings.HasPrefix(cell, "#") && slices.Contains([]string{"#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA"}, strings.TrimSpace(cell))
}

func notTable(name string) error {
	return &hooks.Error{Code: CodeNotTable, Message: "这是" + name + "，不是 .xlsx 也不是 CSV。请用 Excel 或 WPS 打开，另存为“Excel 工作簿（.xlsx）”再导入"}
}

// encryptedPackage is the part in which Excel keeps a workbook that has a password, as its container names it.
var encryptedPackage = []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00")

func refuseOtherFormats(raw []byte) error {
	if bytes.HasPrefix(raw, []byte("\xd0\xcf\x11\xe0")) && bytes.Contains(raw, encryptedPackage) {
		return &hooks.Error{Code: CodeProtected, Message: "工作簿设有打开密码，无法读取。请用 Excel 或 WPS 打开，取消打开密码后另存为 .xlsx 再导入"}
	}
	head := string(bytes.TrimLeft(bytes.TrimPrefix(raw[:min(len(raw), 512)], []byte("\xef\xbb\xbf")), " \t\r\n"))
	for _, f := range []struct{ magic, name string }{
		{"\xd0\xcf\x11\xe0", "旧版 Excel 工作簿（.xls）"},
		{"PK\x05\x06", "空的压缩包"},
		{"%pdf", "PDF 文件"},
		{"\x1f\x8b", "压缩包（gzip）"},
		{"<!doctype", "网页"}, {"<html", "网页（有些系统导出的 .xls 其实是网页）"}, {"<table", "网页表格"}, {"<?xml", "XML 文件"}, {"<meta", "网页"},
	} {
		if len(head) >= len(f.magic) && (head[:len(f.magic)] == f.magic || strings.EqualFold(head[:len(f.magic)], f.magic)) {
			return notTable(f.name)
		}
	}
	return nil
}

// decode turns the file into UTF-8. What cannot be read becomes U+FFFD: its row is refused, the others are kept, unless so
// much is unreadable that the encoding must be another one.
func decode(raw []byte) (text, encoding string, err error) {
	bad := func(message string) error {
		return &hooks.Error{Code: CodeBadEncoding, Message: message + "。请在 Excel 中另存为“CSV UTF-8（逗号分隔）”再导入"}
	}
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		out, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(raw)
		if err != nil || brokenShare(out) > 0.5 {
			return "", "", bad("文件标明为 UTF-16，但内容无法读出")
		}
		return trimEnd(string(out)), "UTF-16", nil
	case bytes.HasPrefix(raw, []byte("\xef\xbb\xbf")):
		raw = raw[3:]
		if bytes.IndexByte(raw, 0) >= 0 || brokenShare(raw) > 0.5 {
			return "", "", bad("文件标明为 UTF-8，但内容不是")
		}
		return trimEnd(strings.ToValidUTF8(string(raw), "\uFFFD")), "UTF-8（带 BOM）", nil
	}
	if i := bytes.IndexByte(raw, 0); i >= 0 {
		return "", "", bad(fmt.Sprintf("第 %d 行含有空字节，可能是没有标记的 UTF-16 或二进制文件", 1+bytes.Count(raw[:i], []byte("\n"))))
	}
	// Most lines that hold anything but ASCII must be lawful UTF-8. A GBK line of any length is not, while a UTF-8 file
	// with a few names cut in the middle of a character is still UTF-8 and must not be read as GBK gibberish.
	if utf8.Valid(raw) || brokenShare(raw) <= 0.5 {
		return trimEnd(strings.ToValidUTF8(string(raw), "\uFFFD")), "UTF-8", nil
	}
	out, err := simplifiedchinese.GB18030.NewDecoder().Bytes(raw)
	if err != nil || brokenShare(out) > 0.2 {
		return "", "", bad("文件既不是 UTF-8，也不是 GB18030（GBK）或带标记的 UTF-16 编码")
	}
	return trimEnd(string(out)), "GB18030（GBK）", nil
}

// brokenShare is the share of the lines with any non-ASCII character that hold one that cannot be read.
func brokenShare(b []byte) float64 {
	lines, broken := 0, 0
	for line := range bytes.Lines(b) {
		if !slices.ContainsFunc(line, func(c byte) bool { return c >= 0x80 }) {
			continue
		}
		lines++
		if !utf8.Valid(line) || bytes.Contains(line, []byte("\uFFFD")) {
			broken++
		}
	}
	if lines == 0 {
		return 0
	}
	return float64(broken) / float64(lines)
}

// trimEnd drops the end-of-file mark that DOS programs write.
func trimEnd(s string) string { return strings.TrimRight(strings.TrimPrefix(s, "\uFEFF"), "\x1a\x00") }

// scanner reads CSV as Excel and the regulator's programs write it. encoding/csv is not used: after an unclosed quote it
// swallows the rest of the file, while here only the line with that quote is lost, and it is named.
type scanner struct {
	text string
	pos  int
	line int
	sep  rune
}

// next returns the next row that is not blank.
func (s *scanner) next() (tableRow, bool) {
	for s.pos < len(s.text) {
		row := s.record()
		if row.Problem != nil || slices.ContainsFunc(row.Cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			return row, true
		}
	}
	return tableRow{}, false
}

func (s *scanner) record() tableRow {
	row := tableRow{Line: s.line, Cells: make([]string, 0, 12)}
	from := s.pos
	for {
		cell, ok := s.cell()
		if !ok {
			s.pos, s.line = from, row.Line
			end := s.pos + lineEnd(s.text[s.pos:])
			row.Cells = []string{s.text[s.pos:end]}
			row.Problem = rowErrorf("bad_quotes", "引号不配对，无法分列")
			s.pos = end
			s.newline()
			return row
		}
		row.Cells = append(row.Cells, cell)
		if s.pos >= len(s.text) || s.newline() {
			return row
		}
		s.pos += utf8.RuneLen(s.sep)
	}
}

// newline steps over one line end, however it is written.
func (s *scanner) newline() bool {
	switch {
	case strings.HasPrefix(s.text[s.pos:], "\r\n"):
		s.pos += 2
	case s.pos < len(s.text) && (s.text[s.pos] == '\n' || s.text[s.pos] == '\r'):
		s.pos++
	default:
		return false
	}
	s.line++
	return true
}

func (s *scanner) cell() (string, bool) {
	rest := s.text[s.pos:]
	trimmed := strings.TrimLeft(rest, " ")
	if strings.HasPrefix(trimmed, `"`) {
		s.pos += len(rest) - len(trimmed)
		return s.quoted()
	}
	if strings.HasPrefix(rest, `="`) {
		// ="9150…" is how a clerk keeps Excel from rounding a code.
		if end := strings.IndexByte(rest[2:], '"'); end >= 0 && s.endsCell(rest[2+end+1:]) && !strings.ContainsAny(rest[2:2+end], "\r\n") {
			s.pos += 2 + end + 1
			return rest[:2+end+1], true
		}
	}
	end := lineEnd(rest)
	if i := strings.IndexRune(rest[:end], s.sep); i >= 0 {
		end = i
	}
	s.pos += end
	return rest[:end], true
}

func (s *scanner) quoted() (string, bool) {
	rest := s.text[s.pos+1:]
	limit := min(len(rest), maxCell)
	escaped, lines := false, 0
	for i := 0; i < limit; i++ {
		switch rest[i] {
		case '\n':
			if lines++; lines > maxCellLines {
				return "", false
			}
		case '"':
			if i+1 < len(rest) && rest[i+1] == '"' {
				escaped = true
				i++
				continue
			}
			after := strings.TrimLeft(rest[i+1:], " ")
			if !s.endsCell(after) {
				return "", false
			}
			cell := rest[:i]
			s.pos = len(s.text) - len(after)
			s.line += lines
			if escaped {
				cell = strings.ReplaceAll(cell, `""`, `"`)
			}
			return cell, true
		}
	}
	return "", false
}

func (s *scanner) endsCell(rest string) bool {
	return rest == "" || rest[0] == '\n' || rest[0] == '\r' || strings.HasPrefix(rest, string(s.sep))
}

func lineEnd(s string) int {
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		return i
	}
	return len(s)
}

// writeBadRows writes the rows that were not taken, each as it was, so that they can be mended and imported again by themselves.
func writeBadRows(w io.Writer, header []string, rows []BadRow) error {
	if _, err := io.WriteString(w, "\uFEFF"); err != nil { // without the mark Excel reads UTF-8 as GBK
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(append(slices.Clone(badRowColumns), header...)); err != nil {
		return err
	}
	for _, r := range rows {
		cells := []string{fmt.Sprint(r.Line), r.Code, r.Message}
		for _, c := range r.Cells {
			cells = append(cells, guarded(c))
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// What a spreadsheet would take for a formula when the list is opened to be mended.
const formulaSigns = "=+-@\t"

func guarded(cell string) string {
	if cell != "" && strings.ContainsRune(formulaSigns, rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// unguarded takes back what guarded added, when the mended list is imported.
func unguarded(cell string) string {
	if len(cell) > 1 && cell[0] == '\'' && strings.ContainsRune(formulaSigns, rune(cell[1])) {
		return cell[1:]
	}
	return cell
}

var badRowColumns = []string{"行号", "原因代码", "原因"}
