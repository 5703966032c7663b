package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"zombiezen.com/go/sqlite"

	"gangwan/hooks"
)

const batchRows = 16_384

// rawFile is one Parquet file in the making: rows go from the SQLite cursor into typed Arrow columns, with no JSON or
// interface values in between.
type rawFile struct {
	path    string
	tmp     *os.File
	schema  *arrow.Schema
	builder *array.RecordBuilder
	writer  *pqarrow.FileWriter
	columns []rawColumn
	text    []byte
	rows    int64
	pending int
	sum     hash.Hash
	closed  bool
}

func arrowType(k rawKind) arrow.DataType {
	switch k {
	case kindInt:
		return arrow.PrimitiveTypes.Int64
	case kindFloat:
		return arrow.PrimitiveTypes.Float64
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	case kindTime:
		return &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}
	default:
		return arrow.BinaryTypes.String
	}
}

// newRawFile prepares the file at path; nothing bears that name until publish. A collection's id comes first, a deleted
// row has its id and nothing else, and _seq and _op come last.
func newRawFile(path string, c rawCollection) (*rawFile, error) {
	var fields []arrow.Field
	for _, col := range c.Columns {
		fields = append(fields, arrow.Field{Name: col.Name, Type: arrowType(col.Kind), Nullable: true})
	}
	fields = append(fields, arrow.Field{Name: "_seq", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "_op", Type: arrow.BinaryTypes.String})
	f := &rawFile{path: path, schema: arrow.NewSchema(fields, nil), columns: c.Columns, sum: sha256.New()}
	f.builder = array.NewRecordBuilder(memory.DefaultAllocator, f.schema)
	return f, nil
}

// open makes the temporary file at the first batch: a collection without changes touches no disk.
func (f *rawFile) open() error {
	dir := filepath.Dir(f.path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var err error
	if f.tmp, err = os.CreateTemp(dir, tmpPrefix); err != nil {
		return err
	}
	props := parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithMaxRowGroupLength(131_072), parquet.WithBatchSize(4096),
		parquet.WithCreatedBy("gangwan"))
	// The writer would close the file before it is synced: it gets only its Write.
	f.writer, err = pqarrow.NewFileWriter(f.schema, struct{ io.Writer }{f.tmp}, props, pqarrow.DefaultWriterProps())
	return err
}

// append takes the cursor's row: seq, id, alive, then the collection's columns.
func (f *rawFile) append(s *sqlite.Stmt) error {
	alive := s.ColumnInt64(2) != 0
	for i, col := range f.columns {
		if err := f.appendValue(i, col, s, alive); err != nil {
			return fmt.Errorf("记录 %s 的字段 %s：%w", s.ColumnText(1), col.Name, err)
		}
	}
	n := len(f.columns)
	f.builder.Field(n).(*array.Int64Builder).Append(s.ColumnInt64(0))
	op := "upsert"
	if !alive {
		op = "delete"
	}
	f.builder.Field(n + 1).(*array.StringBuilder).Append(op)
	f.rows++
	if f.pending++; f.pending == batchRows {
		return f.flush()
	}
	return nil
}

func (f *rawFile) appendValue(i int, col rawColumn, s *sqlite.Stmt, alive bool) error {
	c := i + 3
	if !alive {
		if col.Name == "id" {
			f.builder.Field(i).(*array.StringBuilder).Append(s.ColumnText(1))
		} else {
			f.builder.Field(i).AppendNull()
		}
		return nil
	}
	switch b := f.builder.Field(i).(type) {
	case *array.StringBuilder:
		b.BinaryBuilder.Append(f.bytes(s, c)) // NULL becomes '', as in every PocketBase text column
	case *array.Int64Builder:
		b.Append(s.ColumnInt64(c))
	case *array.Float64Builder:
		b.Append(s.ColumnFloat(c))
	case *array.BooleanBuilder:
		b.Append(s.ColumnInt64(c) != 0)
	case *array.TimestampBuilder:
		text := f.bytes(s, c)
		if len(text) == 0 {
			b.AppendNull()
			return nil
		}
		ms, err := parseMillis(text)
		if err != nil {
			return err
		}
		b.Append(arrow.Timestamp(ms))
	}
	return nil
}

// bytes reads a text column into a buffer of our own; valid until the next call.
func (f *rawFile) bytes(s *sqlite.Stmt, c int) []byte {
	n := s.ColumnLen(c)
	if n > len(f.text) {
		f.text = make([]byte, n*2)
	}
	return f.text[:s.ColumnBytes(c, f.text[:n])]
}

func (f *rawFile) flush() error {
	if f.pending == 0 {
		return nil
	}
	if f.writer == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	f.pending = 0
	rec := f.builder.NewRecordBatch()
	defer rec.Release()
	for i := range f.columns { // without _seq: the digest is of what the rows say, not of when they were read
		for _, buf := range rec.Column(i).Data().Buffers() {
			if buf != nil {
				_, _ = f.sum.Write(buf.Bytes())
			}
		}
	}
	return f.writer.WriteBuffered(rec)
}

// digest is of the rows written so far, in their order.
func (f *rawFile) digest() string {
	if err := f.flush(); err != nil {
		return ""
	}
	return hex.EncodeToString(f.sum.Sum(nil))
}

func (f *rawFile) publish() error {
	if err := f.flush(); err != nil {
		return err
	}
	if f.writer == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if err := f.writer.Close(); err != nil {
		return err
	}
	if err := f.tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := f.tmp.Sync(); err != nil {
		return err
	}
	if err := f.tmp.Close(); err != nil {
		return err
	}
	f.closed = true
	if err := os.Rename(f.tmp.Name(), f.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

func (f *rawFile) discard() {
	f.builder.Release()
	if f.tmp != nil && !f.closed {
		_ = f.tmp.Close()
		_ = os.Remove(f.tmp.Name())
	}
}

// parseMillis reads PocketBase's stored form, 2006-01-02 15:04:05.000Z, as milliseconds since 1970.
func parseMillis(b []byte) (int64, error) {
	if len(b) == 24 && b[4] == '-' && b[7] == '-' && b[10] == ' ' && b[13] == ':' && b[16] == ':' && b[19] == '.' && b[23] == 'Z' {
		ok := true
		num := func(from, to int) int64 {
			var n int64
			for _, c := range b[from:to] {
				if c < '0' || c > '9' {
					ok = false
				}
				n = n*10 + int64(c-'0')
			}
			return n
		}
		y, mo, d := num(0, 4), num(5, 7), num(8, 10)
		h, mi, s, ms := num(11, 13), num(14, 16), num(17, 19), num(20, 23)
		if ok && mo >= 1 && mo <= 12 && d >= 1 && d <= 31 && h < 24 && mi < 60 && s < 60 {
			return (daysFromCivil(y, mo, d)*86_400+h*3600+mi*60+s)*1000 + ms, nil
		}
	}
	t, err := hooks.ParseTime(string(b))
	if err != nil {
		return 0, fmt.Errorf("时间 %q 无法识别", b)
	}
	return t.UnixMilli(), nil
}

// daysFromCivil counts days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant's algorithm): this runs once
// per time of every row, and time.Date is ten times slower.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := y / 400
	yoe := y - era*400
	mp := (m + 9) % 12
	doy := (153*mp+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146_097 + doe - 719_468
}
