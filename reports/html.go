package reports

import (
	"embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"strings"
)

//go:embed templates/*
var templateFiles embed.FS

var style = func() template.CSS {
	b, err := templateFiles.ReadFile("templates/style.css")
	if err != nil {
		panic(err)
	}
	return template.CSS(b)
}()

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"style":   func() template.CSS { return style },
	"cell":    cellHTML,
	"head":    headHTML,
	"figure":  figureHTML,
	"chart":   chartHTML,
	"columns": func(t Table) int { return len(t.Head) },
	"versions": func(defs []Definition) string {
		s := make([]string, len(defs))
		for i, d := range defs {
			s[i] = fmt.Sprintf("%s 第%d版", d.Code, d.Version)
		}
		return strings.Join(s, "、")
	},
	"dayWords": dayWords,
	"workbook": func(r Report) string { return workbookName(r.Code, r.Area) },
	"unit":     func(s string) string { return word(units, s) },
	"grain": func(s string) string {
		var out []string
		for g := range strings.SplitSeq(s, ",") {
			out = append(out, word(grains, strings.TrimSpace(g)))
		}
		return strings.Join(out, "、")
	},
	"lines": func(s string) []string { return strings.Split(s, "\n") },
	// In running text a percentage must not break before its sign.
	"text": func(s string) string { return strings.ReplaceAll(s, " %", "\u00a0%") },
}).ParseFS(templateFiles, "templates/*.html"))

// writeHTML draws a report as one page that needs nothing else: no script, no font, no picture from elsewhere.
func writeHTML(w io.Writer, r Report) error { return pages.ExecuteTemplate(w, "report.html", r) }

func chartHTML(section string, i int, c Chart) template.HTML {
	return template.HTML(c.SVG(fmt.Sprintf("%s-c%d", section, i+1))) //nolint:gosec // drawn here, every text escaped
}

func headHTML(c Cell) template.HTML {
	lines := strings.Split(c.Text, "\n")
	s := html.EscapeString(lines[0])
	if len(lines) > 1 {
		s += "<small>" + html.EscapeString(lines[1]) + "</small>"
	}
	return template.HTML(s) //nolint:gosec // escaped above
}

// cellHTML draws a table cell. A figure carries what it is in data-* attributes, and links to its definition.
func cellHTML(c Cell) template.HTML {
	if c.Figure == nil && c.Show == Words {
		class := ""
		if c.Indent {
			class = ` class="in"`
		} else if looksLikeNumber(c.Text) {
			class = ` class="n"`
		}
		text := html.EscapeString(c.Text)
		if c.Href != "" {
			text = `<a href="` + html.EscapeString(c.Href) + `">` + text + "</a>"
		}
		return template.HTML("<td" + class + ">" + text + "</td>") //nolint:gosec // escaped above
	}
	if c.Show == Change || c.Figure == nil {
		text := c.Text
		if text == "" {
			text = "—"
		}
		return template.HTML(`<td class="n">` + html.EscapeString(text) + "</td>") //nolint:gosec // escaped above
	}
	return template.HTML(`<td class="n"` + attributes(c) + ">" + shown(c, false) + "</td>") //nolint:gosec // escaped in the two
}

// figureHTML draws a headline.
func figureHTML(k KeyFigure) template.HTML {
	if k.Cell.Figure == nil {
		return `<b class="v">—</b>`
	}
	return template.HTML(`<b class="v"` + attributes(k.Cell) + ">" + shown(k.Cell, true) + "</b>") //nolint:gosec // escaped in the two
}

// attributes make the figure readable by a machine. A part of a figure is marked as such, so that nobody takes it for the whole.
func attributes(c Cell) string {
	f := c.Figure
	name := "data-indicator"
	if f.Slice != "" {
		name = "data-part-of"
	}
	den := ""
	if f.HasDen {
		den = whole(f.Den)
	}
	var b strings.Builder
	pairs := []string{name, f.Indicator, "data-period", f.Period, "data-period-start", f.Start, "data-org-kind", f.OrgKind, "data-org", f.Org,
		"data-num", whole(f.Num), "data-den", den, "data-status", f.Status}
	if f.Slice != "" {
		pairs = append(pairs, "data-part", f.Slice)
	}
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString(" " + pairs[i] + `="` + html.EscapeString(pairs[i+1]) + `"`)
	}
	return b.String()
}

func shown(c Cell, headline bool) string {
	f := c.Figure
	link := func(s string) string { return `<a href="#kj-` + html.EscapeString(f.Indicator) + `">` + s + "</a>" }
	switch c.Show {
	case Count:
		return link(whole(f.Num))
	case Base:
		if !f.HasDen {
			return "—"
		}
		return link(whole(f.Den))
	case Money:
		if headline {
			return link(yi(f.Num))
		}
		return link(wan(f.Num))
	case Hours:
		return link(hours(f.Num))
	case MoneyRatio:
		return link(f.ratioText()) + fmt.Sprintf("<small>%s / %s 万元</small>", wan(f.Num), wan(f.Den))
	default:
		s := link(f.ratioText()) + fmt.Sprintf("<small>%d / %d</small>", f.Num, f.Den)
		if f.few() {
			s += "<i>样本不足</i>"
		}
		return s
	}
}

func looksLikeNumber(s string) bool {
	if s == "—" {
		return true
	}
	return s != "" && strings.Trim(s, "0123456789.+−-% ") == ""
}
