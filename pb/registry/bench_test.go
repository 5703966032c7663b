package registry

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
)

// registryFile makes a registry as the regulator exports it: n rows spread over every community of the district.
func registryFile(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	type place struct{ street, community string }
	streets, places := map[string]string{}, []place{}
	rows, err := csv.NewReader(WanzhouAreas()).ReadAll()
	if err != nil {
		panic(err)
	}
	for _, r := range rows[1:] {
		switch r[3] {
		case "street", "town":
			streets[r[0]] = r[1]
		case "community", "village":
			places = append(places, place{streets[r[2]], strings.Replace(strings.Replace(r[1], "社区居民委员会", "社区", 1), "村民委员会", "", 1)})
		}
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	_ = w.Write(strings.Split(header, ","))
	for i := range n {
		kind, code, name := "个体工商户", "92", "店"
		if i%4 == 0 {
			kind, code, name = "有限责任公司(自然人投资或控股)", "91", "有限公司"
		}
		p := places[random.IntN(len(places))]
		_ = w.Write([]string{uscc(code, i), fmt.Sprintf("万州区%s%d%s", pick("老麻", "鑫源", "宏发", "三峡", "渝东"), i, pick("餐饮", "建材", "副食", "服饰", "农资")+name), kind,
			pick("5212", "6221", "5299", "4710", "3311"), "重庆市万州区" + p.street + p.community + fmt.Sprintf("%d号", i%900), pick("张", "李", "王") + pick("三", "四", "五"),
			fmt.Sprintf("138%08d", i), fmt.Sprintf("20%02d-%02d-%02d", 5+i%20, 1+i%12, 1+i%28), pick("存续", "存续", "存续", "开业", "注销"), p.street, p.community})
	}
	w.Flush()
	return out.String()
}

func BenchmarkImportNew(b *testing.B)       { benchmarkImport(b, false) }
func BenchmarkImportUnchanged(b *testing.B) { benchmarkImport(b, true) }

// One operation is one row: run with -benchtime=200000x for a whole district.
func benchmarkImport(b *testing.B, again bool) {
	app := newDistrict(b)
	content := registryFile(b.N)
	if again {
		mustLoad(b, app, content)
	}
	b.ResetTimer()
	report := mustLoad(b, app, content)
	b.StopTimer()
	if report.New+report.Unchanged != b.N {
		b.Fatalf("%+v", report)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// workbookOf is the same registry as an .xlsx.
func workbookOf(t testing.TB, n int) string {
	f := excelize.NewFile()
	defer f.Close()
	w, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(strings.NewReader(registryFile(n)))
	for line := 1; ; line++ {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		cells := make([]any, len(row))
		for i, c := range row {
			cells[i] = c
		}
		if err := w.SetRow(fmt.Sprint("A", line), cells); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func BenchmarkReadWorkbook(b *testing.B) {
	content := workbookOf(b, b.N)
	b.ResetTimer()
	t, err := readTable(strings.NewReader(content), enterpriseList.columns)
	if err != nil || len(t.Rows) != b.N {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkReadCSV(b *testing.B) {
	content := registryFile(b.N)
	b.ResetTimer()
	t, err := readTable(strings.NewReader(content), enterpriseList.columns)
	if err != nil || len(t.Rows) != b.N {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
