package pipeline

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed models checks
var embedded embed.FS

// model is one SQL file: it makes the table that bears the file's name.
type model struct {
	name, file, layer, sql string
	order                  string   // header "-- order:", for published tables: the columns that make the row order certain
	refs                   []string // models and given tables named after from and join
	indicator              *indicator
}

// indicator is the header of a file under models/indicators, which is also the 口径 page.
type indicator struct {
	Code, Name, Label, Unit, Grain, Report, Definition string
	Version                                            int
}

type check struct{ name, file, severity, message, sql string }

// given are the tables that the run itself makes; models may name them.
var given = []string{"run", "source_totals", "extract_pin"}

var (
	comment    = regexp.MustCompile(`(?m)--.*$`)
	reference  = regexp.MustCompile(`(?i)\b(?:from|join)\s+([a-z_][a-z0-9_]*)\b(\s*\()?`)
	cteName    = regexp.MustCompile(`(?i)(?:\bwith(?:\s+recursive)?|,)\s+([a-z_][a-z0-9_]*)\s+as\s+(?:materialized\s+)?\(`)
	modelName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	headerPart = regexp.MustCompile(`\s{2,}`)
)

// loadModels reads models/ and puts every file after those it refers to.
func loadModels(fsys fs.FS) ([]*model, error) {
	var all []*model
	for _, layer := range []string{"staging", "marts", "indicators"} {
		files, err := fs.Glob(fsys, "models/"+layer+"/*.sql")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			b, err := fs.ReadFile(fsys, f)
			if err != nil {
				return nil, err
			}
			m, err := parseModel(f, layer, string(b))
			if err != nil {
				return nil, modelError(f, err)
			}
			all = append(all, m)
		}
	}
	return orderModels(all)
}

func modelError(file string, err error) error {
	return &Error{Code: "model_failed", Message: "统计模型 " + file + " 有误", Err: err}
}

func parseModel(file, layer, sql string) (*model, error) {
	m := &model{name: strings.TrimSuffix(path.Base(file), ".sql"), file: file, layer: layer}
	if !modelName.MatchString(m.name) {
		return nil, fmt.Errorf("文件名只能用小写字母、数字和下划线")
	}
	for _, line := range strings.Split(sql, "\n") {
		if rest, ok := strings.CutPrefix(line, "-- order:"); ok {
			m.order = strings.TrimSpace(rest)
		}
	}
	if m.published() && m.order == "" {
		return nil, fmt.Errorf("文件头缺少 -- order:（结果要有确定的行序）")
	}
	if layer == "indicators" {
		var err error
		if m.indicator, err = parseIndicator(sql); err != nil {
			return nil, err
		}
	}
	m.sql = strings.TrimRight(strings.TrimSpace(sql), "; \n")
	m.refs = references(m.sql)
	return m, nil
}

// references are the relation names of a statement that it does not define itself.
func references(sql string) []string {
	bare := comment.ReplaceAllString(sql, "")
	var own, refs []string
	for _, g := range cteName.FindAllStringSubmatch(bare, -1) {
		own = append(own, strings.ToLower(g[1]))
	}
	for _, g := range reference.FindAllStringSubmatch(bare, -1) {
		name := strings.ToLower(g[1])
		// A parenthesis after the name makes it a table function; "distinct from" is a comparison, handled by writing is distinct from.
		if g[2] != "" || slices.Contains(own, name) || slices.Contains(refs, name) {
			continue
		}
		refs = append(refs, name)
	}
	return refs
}

// parseIndicator reads "-- code: COV-01  name: …  label: …" (two spaces between entries) and the "-- definition:" lines.
func parseIndicator(sql string) (*indicator, error) {
	in := &indicator{Version: 1}
	var definition []string
	for _, line := range strings.Split(sql, "\n") {
		text, ok := strings.CutPrefix(line, "-- ")
		if !ok {
			continue
		}
		if d, ok := strings.CutPrefix(text, "definition:"); ok {
			definition = append(definition, strings.TrimSpace(d))
			continue
		}
		if !strings.HasPrefix(text, "code:") {
			continue
		}
		for _, part := range headerPart.Split(strings.TrimSpace(text), -1) {
			key, value, _ := strings.Cut(part, ":")
			value = strings.TrimSpace(value)
			switch key {
			case "code":
				in.Code = value
			case "name":
				in.Name = value
			case "label":
				in.Label = value
			case "unit":
				in.Unit = value
			case "grain":
				in.Grain = value
			case "report":
				in.Report = value
			case "version":
				v, err := strconv.Atoi(value)
				if err != nil {
					return nil, fmt.Errorf("version %q 不是整数", value)
				}
				in.Version = v
			default:
				return nil, fmt.Errorf("文件头里不认识 %q", key)
			}
		}
	}
	in.Definition = strings.Join(definition, "\n")
	for key, value := range map[string]string{"code": in.Code, "name": in.Name, "label": in.Label, "unit": in.Unit, "grain": in.Grain, "report": in.Report, "definition": in.Definition} {
		if value == "" {
			return nil, fmt.Errorf("文件头缺少 %s（形如 -- code: COV-01  name: …  label: …  unit: …  grain: …  report: …，再加 -- definition: 各行）", key)
		}
	}
	return in, nil
}

// orderModels sorts topologically; among those that could come next the first by layer and name does, so that the order
// is always the same.
func orderModels(all []*model) ([]*model, error) {
	byName := map[string]*model{}
	for _, m := range all {
		if other := byName[m.name]; other != nil {
			return nil, modelError(m.file, fmt.Errorf("与 %s 同名", other.file))
		}
		byName[m.name] = m
	}
	state := map[string]int{} // 1 in progress, 2 done
	var out []*model
	var visit func(m *model, path []string) error
	visit = func(m *model, path []string) error {
		path = append(path, m.name)
		switch state[m.name] {
		case 1:
			return modelError(m.file, fmt.Errorf("循环引用：%s", strings.Join(path, " → ")))
		case 2:
			return nil
		}
		state[m.name] = 1
		for _, ref := range m.refs {
			if next := byName[ref]; next != nil {
				if m.layer == "staging" && next.layer != "staging" {
					return modelError(m.file, fmt.Errorf("staging 不能引用 %s", next.file))
				}
				if err := visit(next, path); err != nil {
					return err
				}
				continue
			}
			if strings.HasPrefix(ref, "raw_") && m.layer == "staging" && isRaw(strings.TrimPrefix(ref, "raw_")) {
				continue
			}
			if slices.Contains(given, ref) && m.layer != "staging" {
				continue
			}
			return modelError(m.file, fmt.Errorf("引用了不存在的表 %s", ref))
		}
		state[m.name] = 2
		out = append(out, m)
		return nil
	}
	for _, m := range all {
		if err := visit(m, nil); err != nil {
			return nil, err
		}
	}
	// Staging first: raw files are closed to SQL when it is done.
	slices.SortStableFunc(out, func(a, b *model) int { return boolToInt(a.layer != "staging") - boolToInt(b.layer != "staging") })
	return out, nil
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func isRaw(name string) bool {
	return name == ticks.Name || slices.ContainsFunc(rawSchema, func(c rawCollection) bool { return c.Name == name })
}

func loadChecks(fsys fs.FS) ([]check, error) {
	files, err := fs.Glob(fsys, "checks/*.sql")
	if err != nil {
		return nil, err
	}
	var out []check
	for _, f := range files {
		b, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, err
		}
		c := check{name: strings.TrimSuffix(path.Base(f), ".sql"), file: f, sql: strings.TrimRight(strings.TrimSpace(string(b)), "; \n")}
		for _, line := range strings.Split(c.sql, "\n") {
			if v, ok := strings.CutPrefix(line, "-- severity:"); ok {
				c.severity = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "-- message:"); ok {
				c.message = strings.TrimSpace(v)
			}
		}
		if (c.severity != "block" && c.severity != "warn") || c.message == "" {
			return nil, &Error{Code: "check_failed", Message: "检查 " + f + " 的文件头要有 -- severity: block 或 warn，和 -- message: 一句话"}
		}
		out = append(out, c)
	}
	return out, nil
}

// models' and checks' text is part of what determines the output.
func sqlDigestInput(models []*model, checks []check) []string {
	var out []string
	for _, m := range models {
		out = append(out, m.file, m.sql)
	}
	for _, c := range checks {
		out = append(out, c.file, c.sql)
	}
	return out
}
