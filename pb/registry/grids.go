package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pocketbase/pocketbase/core"

	"gangwan/hooks"
)

var gridList = listing{"网格", "个", []column{
	{field: "code", required: true, headings: []string{"编号", "网格编号", "网格编码", "编码", "代码", "code"}},
	{field: "name", required: true, headings: []string{"名称", "网格名称", "网格", "name"}},
	{field: "street", rare: true, headings: []string{"所属镇街", "镇街", "街道", "乡镇", "镇乡街道"}, note: "社区写名称时用来区分同名社区"},
	{field: "area", headings: []string{"社区代码", "区划代码", "所属社区代码", "社区", "所属社区", "村", "社区/村", "所属区划"}, note: "12 位代码或名称；园区、商圈、楼宇、专业市场写其代码或名称"},
	{field: "kind", headings: []string{"类别", "网格类别", "类型", "kind"}, choices: []string{"社区", "村", "园区", "商圈", "楼宇", "专业市场"}, note: "不填随所属区划"},
	{field: "harbour", headings: []string{"服务港湾", "港湾", "港湾编号", "金融服务港湾", "harbour"}, note: "港湾编号或名称"},
	{field: "registered", headings: []string{"登记户数", "市场主体数", "户数", "registered_count"}},
	systemColumn,
}}

// gridRow is a grid as a file has it. An empty value means that the file does not say.
type gridRow struct {
	row                    tableRow
	code, name, area, kind string
	harbour                string
	registered             int64
	boundary               json.RawMessage
}

// ImportGrids brings the grids up to a GeoJSON FeatureCollection, whose features carry the columns as properties and the
// boundary as geometry, or to a table without boundaries. Grids are matched by code, or by name in the same area where the
// grid here has no code yet. A changed boundary, area or serving harbour is a change like any other and named in the report;
// grids that the file does not name are listed and left alone. Boundaries are stored in WGS-84 degrees.
func ImportGrids(app core.App, r io.Reader, o Options) (Report, error) {
	began := time.Now()
	raw, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Report{}, &hooks.Error{Code: CodeUnreadable, Message: "文件读取失败：" + err.Error()}
	}
	var t *table
	if bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")), " \t\r\n"), []byte("{")) {
		t, err = readGeoJSON(raw, gridList.columns)
	} else {
		t, err = readTable(bytes.NewReader(raw), gridList.columns)
	}
	if err != nil {
		return Report{What: gridList.what, Unit: gridList.unit, DryRun: o.DryRun}, err
	}
	t, l, report, err := opened(t, gridList, o)
	if err != nil {
		return report, err
	}
	g := &gridImport{o: o, codes: map[string]int{}}
	if err := g.load(app); err != nil {
		return report, err
	}
	rows := g.check(t, l, &report)
	done := newReport()
	err = o.transaction(app, func(tx core.App) error {
		done = newReport()
		return g.take(tx, rows, &done)
	})
	if err != nil {
		return report, failed(err)
	}
	report.add(&done)
	report.Took = time.Since(began)
	o.progress(report.Read, report.Read)
	return report, finish(&report)
}

type gridImport struct {
	o          Options
	collection *core.Collection
	places     *places
	areaID     map[string]string   // code → id of the area in force
	areaKind   map[string]string   // code → kind
	areaNamed  map[string][]string // name as compared → codes, of all kinds
	harbours   map[string][]string // number or name as compared → ids
	harbour    map[string]string   // id → name
	codes      map[string]int      // of this file, with their line
}

func (g *gridImport) load(app core.App) (err error) {
	if g.places, err = loadPlaces(app); err != nil {
		return err
	}
	if g.collection, err = app.FindCollectionByNameOrId("grids"); err != nil {
		return err
	}
	g.areaID, g.areaKind, g.areaNamed = map[string]string{}, map[string]string{}, map[string][]string{}
	areas, err := app.FindRecordsByFilter("areas", "until = ''", "code", 0, 0)
	if err != nil {
		return err
	}
	for _, a := range areas {
		code := a.GetString("code")
		g.areaID[code], g.areaKind[code] = a.Id, a.GetString("kind")
		name := sameText(a.GetString("name"))
		g.areaNamed[name] = append(g.areaNamed[name], code)
	}
	g.harbours, g.harbour, err = loadHarbours(app)
	return err
}

// loadHarbours finds harbours by number or name, and names them by id.
func loadHarbours(app core.App) (byWord map[string][]string, name map[string]string, err error) {
	all, err := app.FindRecordsByFilter("harbours", "", "number", 0, 0)
	byWord, name = map[string][]string{}, map[string]string{}
	for _, h := range all {
		name[h.Id] = h.GetString("name")
		for _, w := range []string{sameText(h.GetString("number")), sameText(h.GetString("name"))} {
			if w != "" && !slices.Contains(byWord[w], h.Id) {
				byWord[w] = append(byWord[w], h.Id)
			}
		}
	}
	return byWord, name, err
}

// gridKinds are the areas that a grid may be part of; what each is called in a file.
var gridKinds = []string{"community", "village", "park", "business_circle", "building", "market"}

func (g *gridImport) check(t *table, l layout, report *Report) (rows []gridRow) {
	for _, row := range t.Rows {
		bad := row.Problem
		var one gridRow
		if bad == nil {
			one, bad = g.clean(row, l)
		}
		if bad == nil || one.code != "" && g.codes[one.code] == 0 {
			g.codes[one.code] = row.Line // a grid in a bad row is all the same one that the file names
		}
		if bad != nil {
			report.bad(row, bad)
			continue
		}
		rows = append(rows, one)
	}
	return rows
}

func (g *gridImport) clean(row tableRow, l layout) (gridRow, *rowError) {
	get := func(field string) string { return l.value(row.Cells, field) }
	r := gridRow{row: row, code: code(get("code")), name: get("name"), kind: get("kind")}
	if k, ok := areaKindWords[r.kind]; ok {
		r.kind = k
	}
	var bad *rowError
	switch {
	case r.code == "":
		return r, rowErrorf("missing_code", "没有编号")
	case r.name == "":
		return r, rowErrorf("missing_name", "没有名称")
	case g.codes[r.code] != 0:
		return r, rowErrorf("duplicate_code", "编号 %s 在第 %d 行已出现", r.code, g.codes[r.code])
	case r.kind != "" && !slices.Contains(gridKinds, r.kind):
		return r, rowErrorf("unknown_kind", "类别“%s”不在可选范围内（社区、村、园区、商圈、楼宇、专业市场）", shorten(r.kind, 30))
	}
	if r.area, bad = g.area(get("street"), get("area")); bad != nil {
		return r, bad
	}
	if r.kind == "" && slices.Contains(gridKinds, g.areaKind[r.area]) {
		r.kind = g.areaKind[r.area]
	}
	if word := get("harbour"); word != "" {
		found := g.harbours[sameText(word)]
		if len(found) != 1 {
			return r, rowErrorf("unknown_harbour", "港湾“%s”找不到或不止一个，请写港湾编号", shorten(word, 30))
		}
		r.harbour = found[0]
	}
	if r.registered, bad = parseWhole(get("registered"), "登记户数", 1, 1e6); bad != nil {
		return r, bad
	}
	system, bad := parseSystem(get("system"))
	if bad != nil {
		return r, bad
	}
	if r.boundary, bad = boundary(row.Geometry, system); bad != nil {
		return r, bad
	}
	for field, value := range map[string]string{"code": r.code, "name": r.name} {
		if bad := tooLong(g.collection, field, value); bad != nil {
			return r, bad
		}
	}
	return r, nil
}

// area finds the code of the area that a cell names, by code or by name.
func (g *gridImport) area(street, cell string) (string, *rowError) {
	if cell == "" {
		return "", nil
	}
	if g.areaID[code(cell)] != "" {
		return code(cell), nil
	}
	if found, _ := g.places.resolve(street, cell); found != "" {
		return found, nil
	}
	if found := g.areaNamed[sameText(cell)]; len(found) == 1 {
		return found[0], nil
	}
	return "", rowErrorf("unknown_area", "所属区划“%s”找不到或不止一个，请写代码", shorten(strings.TrimSpace(street+" "+cell), 40))
}

func (g *gridImport) take(tx core.App, rows []gridRow, report *Report) error {
	all, err := tx.FindRecordsByFilter("grids", "", "id", 0, 0)
	if err != nil {
		return err
	}
	byCode, byName := map[string]*core.Record{}, map[[2]string]*core.Record{}
	for _, r := range all {
		if c := r.GetString("code"); c != "" {
			byCode[c] = r
		} else {
			byName[[2]string{g.places.areaOfGrid[r.Id], sameText(r.GetString("name"))}] = r
		}
	}
	named := map[string]bool{}
	for _, row := range rows {
		old := byCode[row.code]
		if old == nil {
			old = byName[[2]string{row.area, sameText(row.name)}]
		}
		if old != nil {
			named[old.Id] = true
		}
		if err := g.put(tx, row, old, report); err != nil {
			return err
		}
	}
	var absent []string
	for _, r := range all {
		if !named[r.Id] && g.codes[r.GetString("code")] == 0 {
			absent = append(absent, strings.TrimSpace(r.GetString("code")+" "+r.GetString("name")))
		}
	}
	slices.Sort(absent)
	report.note("系统里有、文件里没有的网格（未改动）", absent...)
	return nil
}

func (g *gridImport) put(tx core.App, row gridRow, old *core.Record, report *Report) error {
	values := map[string]any{"code": row.code, "name": row.name, "kind": row.kind, "harbour": row.harbour, "area": g.areaID[row.area]}
	var changed, moved []string
	r := g.o.newRecord(g.collection)
	if old != nil {
		r = old.Clone()
		if g.places.areaOfGrid[old.Id] == row.area {
			delete(values, "area") // a grid may still point at a row of the area tree that was since renamed
		}
	}
	for _, field := range slices.Sorted(maps.Keys(values)) {
		if value := values[field]; value != "" && r.GetString(field) != value {
			if old != nil && old.GetString(field) != "" {
				switch field {
				case "harbour":
					moved = append(moved, fmt.Sprintf("服务港湾 %s → %s", g.harbour[old.GetString(field)], g.harbour[row.harbour]))
				case "area":
					moved = append(moved, fmt.Sprintf("所属区划 %s → %s", g.places.areaName[g.places.areaOfGrid[old.Id]], g.places.areaName[row.area]))
				}
			}
			r.Set(field, value)
			changed = append(changed, field)
		}
	}
	if row.registered != 0 && int64(r.GetFloat("registered_count")) != row.registered {
		r.Set("registered_count", row.registered)
		changed = append(changed, "registered_count")
	}
	if row.boundary != nil && !bytes.Equal(compact([]byte(r.GetString("boundary"))), row.boundary) {
		r.Set("boundary", row.boundary)
		changed = append(changed, "boundary")
	}
	if old != nil && changed == nil {
		report.Unchanged++
		return nil
	}
	if old == nil && row.area == "" {
		report.bad(row.row, rowErrorf("unknown_area", "新网格要写明社区代码"))
		return nil
	}
	refused, err := g.o.save(tx, r)
	if err != nil {
		return err
	}
	switch {
	case refused != nil:
		report.bad(row.row, refused)
	case old == nil:
		report.New++
	default:
		report.Changed++
		for _, f := range changed {
			report.ChangedFields[f]++
		}
		for _, m := range moved {
			report.note("调整的网格（所服务的港湾或所属区划变了，其市场主体随之调整）", fmt.Sprintf("%s %s：%s", row.code, row.name, m))
		}
	}
	return nil
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return nil
	}
	return b.Bytes()
}

// readGeoJSON reads a FeatureCollection (RFC 7946) as a table: properties are cells under the headings that all features
// have together, a feature's line is its number.
func readGeoJSON(raw []byte, columns []column) (*table, error) {
	var file struct {
		Type string
		CRS  *struct {
			Properties struct{ Name string }
		}
		Features []struct {
			Properties map[string]any
			Geometry   json.RawMessage
		}
	}
	if len(raw) > maxFile {
		return nil, &hooks.Error{Code: CodeTooLarge, Message: fmt.Sprintf("文件超过 %d MB，请分成几个文件导入", maxFile>>20)}
	}
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	decoder.UseNumber()
	if err := decoder.Decode(&file); err != nil || file.Type != "FeatureCollection" {
		return nil, &hooks.Error{Code: CodeNotTable, Message: "这不是完整的 GeoJSON FeatureCollection，请从地图软件重新导出"}
	}
	// A collection in metres, or in the degrees of another map, must say so: RFC 7946 knows WGS-84 alone.
	system := ""
	if file.CRS != nil {
		system = file.CRS.Properties.Name
		system = system[strings.LastIndex(system, ":")+1:]
		if s, ok := systemWords[strings.ToLower(system)]; !ok || s != hooks.WGS84 {
			return nil, &hooks.Error{Code: "unknown_system", Message: "文件的坐标系“" + shorten(file.CRS.Properties.Name, 60) + "”不认得，请导出为 WGS-84（EPSG:4326）"}
		}
	}
	t := &table{Encoding: "GeoJSON"}
	for _, f := range file.Features {
		for name := range f.Properties {
			if !slices.Contains(t.Header, name) {
				t.Header = append(t.Header, name)
			}
		}
	}
	slices.Sort(t.Header)
	for i, f := range file.Features {
		row := tableRow{Line: i + 1, Geometry: f.Geometry}
		for _, name := range t.Header {
			cell := ""
			switch v := f.Properties[name].(type) {
			case nil:
			case string:
				cell = v
			default:
				cell = fmt.Sprint(v)
			}
			row.Cells = append(row.Cells, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// boundary is a geometry as it is stored: rings closed, degrees of WGS-84 to six digits, no heights; nil when there is none.
func boundary(geometry json.RawMessage, system string) (json.RawMessage, *rowError) {
	if len(geometry) == 0 || string(geometry) == "null" {
		return nil, nil
	}
	var g struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	}
	wrong := rowErrorf("bad_boundary", "边界无法识别：应为闭合的面（Polygon 或 MultiPolygon）")
	if json.Unmarshal(geometry, &g) != nil {
		return nil, wrong
	}
	ring := func(points [][]float64) *rowError {
		if len(points) < 4 {
			return wrong
		}
		for i, p := range points {
			if len(p) < 2 {
				return wrong
			}
			if err := hooks.CheckPoint(p[0], p[1]); err != nil || p[0] == 0 {
				if err == nil {
					return wrong
				}
				return refusal(err)
			}
			lon, lat, _ := hooks.ToWGS84(p[0], p[1], system)
			points[i] = []float64{sixDigits(lon), sixDigits(lat)}
		}
		if first, last := points[0], points[len(points)-1]; math.Abs(first[0]-last[0]) > 1e-6 || math.Abs(first[1]-last[1]) > 1e-6 {
			return wrong
		}
		return nil
	}
	var out any
	switch g.Type {
	case "Polygon":
		var rings [][][]float64
		if json.Unmarshal(g.Coordinates, &rings) != nil || len(rings) == 0 {
			return nil, wrong
		}
		for _, points := range rings {
			if bad := ring(points); bad != nil {
				return nil, bad
			}
		}
		out = rings
	case "MultiPolygon":
		var parts [][][][]float64
		if json.Unmarshal(g.Coordinates, &parts) != nil || len(parts) == 0 {
			return nil, wrong
		}
		for _, rings := range parts {
			if len(rings) == 0 {
				return nil, wrong
			}
			for _, points := range rings {
				if bad := ring(points); bad != nil {
					return nil, bad
				}
			}
		}
		out = parts
	default:
		return nil, wrong
	}
	raw, err := json.Marshal(map[string]any{"type": g.Type, "coordinates": out})
	if err != nil {
		return nil, wrong
	}
	return raw, nil
}
