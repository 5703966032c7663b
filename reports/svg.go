package reports

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The charts are SVG text made here: pure functions of their data, no script, no font of their own, every value also printed.
// They are drawn on a sheet 700 units wide, which is the width of an A4 page between its margins at 96 dots an inch.
const sheet = 700.0

// Five steps of one hue, ever darker: they stay in order in a greyscale print and for every kind of colour blindness.
var ramp = []struct{ fill, ink string }{
	{"#eef4fa", "#1a1a1a"}, {"#c6dcef", "#1a1a1a"}, {"#8dbbe0", "#101010"}, {"#2f6fae", "#ffffff"}, {"#123f73", "#ffffff"},
}

// Colours of categories, chosen after Okabe and Ito; neighbours differ in lightness too, and every other one is hatched.
var palette = []struct{ fill, ink string }{
	{"#0b4f8a", "#ffffff"}, {"#8dbbe0", "#101010"}, {"#d9d9d9", "#101010"}, {"#e69f00", "#101010"}, {"#00735c", "#ffffff"}, {"#f0e442", "#101010"},
	{"#7a3b69", "#ffffff"}, {"#cc79a7", "#101010"}, {"#8c4a00", "#ffffff"}, {"#b8b8b8", "#101010"}, {"#4d4d4d", "#ffffff"},
}

const (
	ink   = "#222222"
	faint = "#6b6b6b"
	rule  = "#d0d4da"
	blue  = "#1f5f9e"
)

type drawing struct{ strings.Builder }

// begin opens the picture with its name and its content in words, for those who cannot see it.
func begin(id, title, alt string, height float64) *drawing {
	d := &drawing{}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		num(sheet), num(height), id, id, id, html.EscapeString(title), id, html.EscapeString(alt))
	return d
}

func (d *drawing) end() string { d.WriteString("</svg>"); return d.String() }

func (d *drawing) text(x, y, size float64, anchor, fill, s string) {
	fmt.Fprintf(d, `<text x="%s" y="%s" font-size="%s" text-anchor="%s" fill="%s">%s</text>`, num(x), num(y), num(size), anchor, fill, html.EscapeString(s))
}

func (d *drawing) rect(x, y, w, h float64, attrs string) {
	fmt.Fprintf(d, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`, num(x), num(y), num(w), num(h), attrs)
}

func (d *drawing) line(x1, y1, x2, y2 float64, attrs string) {
	fmt.Fprintf(d, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`, num(x1), num(y1), num(x2), num(y2), attrs)
}

func (d *drawing) hatch(id, back, stroke string) {
	fmt.Fprintf(d, `<pattern id="%s" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="%s"/><line x1="0" y1="0" x2="0" y2="6" stroke="%s" stroke-width="1.4"/></pattern>`, id, back, stroke)
}

func num(f float64) string {
	s := fmt.Sprintf("%.1f", f)
	return strings.TrimSuffix(s, ".0")
}

// width guesses how wide a text is set: a Chinese character is square, a digit a little over half of that.
func width(s string, size float64) float64 {
	w := 0.0
	for _, r := range s {
		if r > 0x2e7f {
			w += size
		} else {
			w += size * 0.56
		}
	}
	return w
}

// nice is the smallest round scale that holds max in four steps.
func nice(max float64) (top, step float64) {
	if max <= 0 {
		return 4, 1
	}
	base := math.Pow(10, math.Floor(math.Log10(max/4)))
	for _, k := range []float64{1, 2, 2.5, 5, 10} {
		if step = k * base; step*4 >= max-1e-9 {
			break
		}
	}
	return step * 4, step
}

// tick prints a scale mark without a tail of noughts.
func tick(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
}

// Bar is one row of a bar chart.
type Bar struct {
	Label, Printed string
	Value          float64 // negative: nothing to draw, only the printed mark
	Faint          bool
}

// Bars is a chart of horizontal bars, which leaves Chinese labels readable.
type Bars struct {
	Title, Alt string
	Bars       []Bar
	Ratio      bool // the scale is a round percentage, not the longest bar
}

// SVG draws the chart.
func (c Bars) SVG(id string) string {
	const rowH, top = 24.0, 6.0
	left, max, right := 60.0, 0.0, 40.0
	for _, b := range c.Bars {
		left = math.Max(left, width(b.Label, 12)+14)
		right = math.Max(right, width(b.Printed, 12)+14)
		max = math.Max(max, b.Value)
	}
	if c.Ratio {
		ceil, _ := nice(max)
		max = math.Min(ceil, 100)
	}
	d := begin(id, c.Title, c.Alt, top*2+rowH*float64(len(c.Bars)))
	d.WriteString("<defs>")
	d.hatch(id+"-h", "#ffffff", blue)
	d.WriteString("</defs>")
	for i, b := range c.Bars {
		y := top + rowH*float64(i)
		d.text(left-8, y+16, 12, "end", ink, b.Label)
		w := 0.0
		if max > 0 && b.Value > 0 {
			w = math.Max(1, b.Value/max*(sheet-left-right))
		}
		fill := blue
		if b.Faint {
			fill = "url(#" + id + "-h)"
		}
		if w > 0 {
			d.rect(left, y+4, w, rowH-8, fmt.Sprintf(`fill="%s" stroke="%s" stroke-width="0.8"`, fill, blue))
		}
		d.text(left+w+6, y+16, 12, "start", ink, b.Printed)
	}
	d.line(left, top, left, top+rowH*float64(len(c.Bars)), `stroke="`+faint+`" stroke-width="1"`)
	return d.end()
}

// Dot is one month of a trend.
type Dot struct {
	Start   string // first day of the month
	Value   float64
	Printed string
	Missing bool
	Open    bool // 暂定: drawn hollow
}

// Trend is a line over months with every value printed.
type Trend struct {
	Title, Alt, Unit string
	Dots             []Dot
}

// SVG draws the chart.
func (c Trend) SVG(id string) string {
	const height, top, bottom, left, right = 190.0, 26.0, 40.0, 44.0, 16.0
	max := 0.0
	for _, p := range c.Dots {
		max = math.Max(max, p.Value)
	}
	ceil, step := nice(max * 1.05)
	if c.Unit == "%" && ceil > 100 {
		ceil, step = 100, 25
	}
	d := begin(id, c.Title, c.Alt, height)
	y := func(v float64) float64 { return height - bottom - v/ceil*(height-top-bottom) }
	slot := (sheet - left - right) / math.Max(1, float64(len(c.Dots)))
	x := func(i int) float64 { return left + slot*(float64(i)+0.5) }
	d.text(4, 12, 11, "start", faint, "单位："+c.Unit)
	for v := 0.0; v <= ceil+step/2; v += step {
		d.line(left, y(v), sheet-right, y(v), `stroke="`+rule+`" stroke-width="1"`)
		d.text(left-6, y(v)+4, 10.5, "end", faint, tick(v))
	}
	var path strings.Builder
	pen := false
	for i, p := range c.Dots {
		if p.Missing {
			pen = false
			continue
		}
		op := "L"
		if !pen {
			op = "M"
		}
		fmt.Fprintf(&path, "%s%s %s", op, num(x(i)), num(y(p.Value)))
		pen = true
	}
	if path.Len() > 0 {
		fmt.Fprintf(d, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, path.String(), blue)
	}
	for i, p := range c.Dots {
		d.monthLabel(x(i), height-bottom+16, p.Start, i == 0)
		if p.Missing {
			d.text(x(i), y(0)-6, 11, "middle", faint, "—")
			continue
		}
		fill := blue
		if p.Open {
			fill = "#ffffff"
		}
		fmt.Fprintf(d, `<circle cx="%s" cy="%s" r="3.6" fill="%s" stroke="%s" stroke-width="1.8"/>`, num(x(i)), num(y(p.Value)), fill, blue)
		d.text(x(i), y(p.Value)-8, 10.5, "middle", ink, p.Printed)
	}
	return d.end()
}

// monthLabel prints the month, and the year under the first one shown and under every January.
func (d *drawing) monthLabel(x, y float64, start string, first bool) {
	if len(start) < 7 {
		return
	}
	d.text(x, y, 11, "middle", ink, strings.TrimPrefix(start[5:7], "0")+"月")
	if first || start[5:7] == "01" {
		d.text(x, y+14, 10.5, "middle", faint, start[:4]+"年")
	}
}

// Stack is one row of a stacked chart; Faint marks a period still open.
type Stack struct {
	Label string
	Parts []int64
	Faint bool
}

// Stacked shows how each row divides; every row is stretched to the whole, its sum printed at its end.
type Stacked struct {
	Title, Alt, Unit string
	Keys             []string
	Hues             []int // each key's colour, so that a stage looks the same in every report, whichever others are missing
	Rows             []Stack
}

// SVG draws the chart.
func (c Stacked) SVG(id string) string {
	const rowH, size = 26.0, 11.0
	// The legend breaks into as many lines as it needs.
	type spot struct{ x, y float64 }
	spots := make([]spot, len(c.Keys))
	x, y := 0.0, 4.0
	for i, k := range c.Keys {
		w := 18 + width(k, 12) + 18
		if x > 0 && x+w > sheet {
			x, y = 0, y+20
		}
		spots[i] = spot{x, y}
		x += w
	}
	top := y + 28
	left := 50.0
	for _, r := range c.Rows {
		left = math.Max(left, width(r.Label, 12)+16)
	}
	const right = 74.0
	d := begin(id, c.Title, c.Alt, top+rowH*float64(len(c.Rows))+6)
	d.WriteString("<defs>")
	hue := func(i int) int { return c.Hues[i] % len(palette) }
	for i := range c.Keys {
		if hue(i)%2 == 1 {
			p := palette[hue(i)]
			fmt.Fprintf(d, `<pattern id="%s-%d" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="%s"/><line x1="0" y1="0" x2="0" y2="5" stroke="#ffffff" stroke-opacity="0.55" stroke-width="1.5"/></pattern>`, id, i, p.fill)
		}
	}
	d.WriteString("</defs>")
	fill := func(i int) string {
		if hue(i)%2 == 1 {
			return fmt.Sprintf("url(#%s-%d)", id, i)
		}
		return palette[hue(i)].fill
	}
	for i, k := range c.Keys {
		d.rect(spots[i].x, spots[i].y, 13, 13, fmt.Sprintf(`fill="%s" stroke="#444444" stroke-width="0.6"`, fill(i)))
		d.text(spots[i].x+18, spots[i].y+11, 12, "start", ink, k)
	}
	for i, r := range c.Rows {
		y := top + rowH*float64(i)
		d.text(left-8, y+17, 12, "end", ink, r.Label)
		sum := int64(0)
		for _, n := range r.Parts {
			sum += n
		}
		if sum == 0 {
			d.text(left, y+17, 12, "start", faint, "—")
			continue
		}
		x := left
		for k, n := range r.Parts {
			if n <= 0 {
				continue
			}
			w := float64(n) / float64(sum) * (sheet - left - right)
			d.rect(x, y+3, w, rowH-6, fmt.Sprintf(`fill="%s" stroke="#ffffff" stroke-width="1"`, fill(k)))
			if s := whole(n); width(s, size)+6 <= w {
				p := palette[hue(k)]
				if hue(k)%2 == 1 { // on a hatched ground the digits need a plain plate
					d.rect(x+w/2-width(s, size)/2-2, y+6, width(s, size)+4, rowH-12, fmt.Sprintf(`fill="%s"`, p.fill))
				}
				d.text(x+w/2, y+17, size, "middle", p.ink, s)
			}
			x += w
		}
		mark := "共" + whole(sum)
		if r.Faint {
			mark += "*"
		}
		d.text(x+6, y+17, size, "start", faint, mark)
	}
	return d.end()
}

// FunnelStep is how many came as far, and what is printed beside it.
type FunnelStep struct {
	Label, Printed string
	Count          int64
}

// Funnel shows how many of a cohort came how far: bars about one axis, each as wide as its count, with the share that went on from
// the step before printed between.
type Funnel struct {
	Title, Alt string
	Steps      []FunnelStep
}

// SVG draws the chart.
func (c Funnel) SVG(id string) string {
	const rowH, gap, top, left = 26.0, 15.0, 4.0, 66.0
	right := 40.0
	for _, s := range c.Steps {
		right = math.Max(right, width(s.Printed, 12)+14)
	}
	d := begin(id, c.Title, c.Alt, top*2+(rowH+gap)*float64(len(c.Steps))-gap)
	room := sheet - left - right
	for i, s := range c.Steps {
		y := top + (rowH+gap)*float64(i)
		d.text(left-8, y+18, 12, "end", ink, s.Label)
		if i > 0 && c.Steps[i-1].Count > 0 {
			d.text(left+room/2, y-3.5, 10.5, "middle", faint, "▼ "+percent(s.Count, c.Steps[i-1].Count))
		}
		d.line(left+room/2, y, left+room/2, y+rowH, `stroke="`+rule+`" stroke-width="1"`)
		if s.Count > 0 {
			w := math.Max(2, float64(s.Count)/float64(c.Steps[0].Count)*room)
			step := ramp[max(0, len(ramp)-1-i/2)]
			d.rect(left+(room-w)/2, y, w, rowH, fmt.Sprintf(`fill="%s" stroke="%s" stroke-width="0.8"`, step.fill, blue))
			if t := whole(s.Count); width(t, 12)+8 <= w {
				d.text(left+room/2, y+17.5, 12, "middle", step.ink, t)
			}
		}
		d.text(left+room+10, y+18, 12, "start", ink, s.Printed)
	}
	return d.end()
}

// Tile is one area of the cartogram.
type Tile struct {
	Name, Href string
	Figure     *Figure
}

// TileGroup is a block of tiles under one heading.
type TileGroup struct {
	Title string
	Tiles []Tile
}

// Tiles is a cartogram: every street and town the same size, grouped, in the order of their codes, coloured by its ratio.
// The real map would show mostly the empty hills of the big townships.
type Tiles struct {
	Title, Alt string
	Groups     []TileGroup
}

// SVG draws the chart.
func (c Tiles) SVG(id string) string {
	const cols, gap, h = 8, 4.0, 42.0
	w := (sheet - gap*(cols-1)) / cols
	step := c.step()
	height := 30.0
	for _, g := range c.Groups {
		height += 24 + math.Ceil(float64(len(g.Tiles))/cols)*(h+gap) + 6
	}
	d := begin(id, c.Title, c.Alt, height)
	d.WriteString("<defs>")
	d.hatch(id+"-few", "#ffffff", "#b5b5b5")
	d.WriteString("</defs>")
	x := 0.0
	for i, r := range ramp {
		label := fmt.Sprintf("%d–%d %%", i*step, (i+1)*step)
		d.rect(x, 4, 15, 15, fmt.Sprintf(`fill="%s" stroke="#555555" stroke-width="0.6"`, r.fill))
		d.text(x+20, 16, 12, "start", ink, label)
		x += 34 + width(label, 12)
	}
	d.rect(x, 4, 15, 15, fmt.Sprintf(`fill="url(#%s-few)" stroke="#555555" stroke-width="0.6"`, id))
	d.text(x+20, 16, 12, "start", ink, "样本不足")
	x += 34 + width("样本不足", 12)
	d.rect(x, 4, 15, 15, `fill="#ffffff" stroke="#777777" stroke-width="0.8" stroke-dasharray="3 2"`)
	d.text(x+20, 16, 12, "start", ink, "无基数")

	y := 30.0
	for _, g := range c.Groups {
		d.text(0, y+15, 13, "start", ink, g.Title)
		y += 24
		for i, t := range g.Tiles {
			tx, ty := float64(i%cols)*(w+gap), y+math.Floor(float64(i)/cols)*(h+gap)
			attrs, text := `fill="#ffffff" stroke="#777777" stroke-width="0.8" stroke-dasharray="3 2"`, ink
			switch {
			case t.Figure == nil || t.Figure.Den == 0:
			case t.Figure.few():
				attrs = fmt.Sprintf(`fill="url(#%s-few)" stroke="#555555" stroke-width="0.6"`, id)
			default:
				band := int(t.Figure.Num * 100 / (t.Figure.Den * int64(step)))
				r := ramp[min(band, len(ramp)-1)]
				attrs, text = fmt.Sprintf(`fill="%s" stroke="#555555" stroke-width="0.6"`, r.fill), r.ink
			}
			if t.Href != "" {
				fmt.Fprintf(d, `<a href="%s">`, html.EscapeString(t.Href))
			}
			d.rect(tx+0.5, ty+0.5, w-1, h-1, attrs)
			size := 13.0
			if width(t.Name, size) > w-6 {
				size = (w - 6) / float64(len([]rune(t.Name)))
			}
			d.text(tx+w/2, ty+17, size, "middle", text, t.Name)
			d.text(tx+w/2, ty+34, 13, "middle", text, t.Figure.ratioText())
			if t.Href != "" {
				d.WriteString("</a>")
			}
		}
		y += math.Ceil(float64(len(g.Tiles))/cols)*(h+gap) + 6
	}
	return d.end()
}

// step is the width of a colour band in percent: the narrowest round one whose five bands hold every tile that counts.
func (c Tiles) step() int {
	max := 0.0
	for _, g := range c.Groups {
		for _, t := range g.Tiles {
			if t.Figure.ranked() {
				max = math.Max(max, float64(t.Figure.Num)/float64(t.Figure.Den)*100)
			}
		}
	}
	for _, s := range []int{1, 2, 4, 5, 10, 15} {
		if float64(5*s) >= max {
			return s
		}
	}
	return 20
}
