package reports

// A Report is what every face (HTML, XLSX) is drawn from: the same figures, whoever prints them. It holds no markup.
type Report struct {
	Code     string // coverage, conversion
	Title    string
	Area     Area
	Run      Run
	Lead     []string // the findings in sentences, before any table
	Heads    []KeyFigure
	Sections []Section
	Notes    []string // data quality and caveats, printed before the definitions
	Quality  []KeyFigure
	Rules    []Rule // what all indicators inherit
	Defs     []Definition
}

// Area is a row of dim_area that gets a report of its own: the district, a 街道 or a 镇乡.
type Area struct{ ID, Code, Name, Kind, Parent, File string } // File: what its files are called by, the code unless that is taken

// Run says which data a report was made from.
type Run struct {
	ID, Date, AsOf, InputHash string
	Seq                       int64
	Provisional               bool   // the day was not over when the run was made
	DataUntil                 string // Shanghai time of the last record received, for people
}

// Definition is one 口径: the header of an indicator's SQL file, carried through the marts.
type Definition struct {
	Code, Name, Label, Unit, Grain, Report, Text string
	Version                                      int64
}

// Rule is one line of what every indicator inherits.
type Rule struct{ Term, Text string }

// A Figure is one number with all it takes to follow it: indicator, organisation, period, numerator, denominator.
type Figure struct {
	Indicator, Period, Start string
	OrgKind, Org             string
	// Slice is empty for the indicator's own figure; otherwise it names the part of it shown here ("kind=company", "areas=street").
	Slice  string
	Num    int64
	Den    int64
	HasDen bool // counts have no denominator
	Status string
}

// KeyFigure is a headline: a figure, what it is called, and a line of context under it.
type KeyFigure struct {
	Label string
	Cell  Cell
	Under string
}

// Section is a chapter of a report.
type Section struct {
	ID, Title string
	Text      []string
	Charts    []Chart
	Tables    []Table
	Notes     []string
	Paired    bool // each chart stands before its own table
	NewPage   bool // starts a sheet when printed
}

// Chart draws itself; id keeps several charts of one page apart.
type Chart interface{ SVG(id string) string }

// Table has one or two rows of heads and groups of rows; a group's title row spans the table.
type Table struct {
	Caption string
	Head    []Cell
	Groups  []Group
	Narrow  bool // few columns: not stretched over the page
}

// Short tables are kept on one sheet.
func (t Table) Short() bool {
	n := 0
	for _, g := range t.Groups {
		n += len(g.Rows)
	}
	return n <= 20
}

// Group of rows under one title (街道, 镇乡, or a community's grids).
type Group struct {
	Title string
	Rows  []Row
}

// Row of cells; Class tells total rows and provisional rows apart.
type Row struct {
	Cells []Cell
	Class string // "", sum, sub, open
}

// Show says how a cell prints its figure.
type Show int

// The ways a cell is printed.
const (
	Words      Show = iota // Text as it stands
	Ratio                  // 12.34 % over 123 / 997
	Count                  // the numerator
	Base                   // the denominator
	Money                  // the numerator, yuan shown as 万元
	MoneyRatio             // as Ratio, of yuan: numerator and denominator shown as 万元
	Hours                  // the numerator, minutes shown as hours
	Change                 // Text is a difference in 百分点 or a count's change
)

func (s Show) ratio() bool { return s == Ratio || s == MoneyRatio }

// Cell of a table or headline.
type Cell struct {
	Show   Show
	Text   string
	Href   string
	Figure *Figure
	Note   string
	Indent bool
}

// fewerThan is the size of a denominator below which a ratio is printed but not ranked.
const fewerThan = 10

func words(s string) Cell            { return Cell{Text: s} }
func linked(s, href string) Cell     { return Cell{Text: s, Href: href} }
func cell(show Show, f *Figure) Cell { return Cell{Show: show, Figure: f} }
func (f *Figure) few() bool          { return f != nil && f.HasDen && f.Den > 0 && f.Den < fewerThan }
func (f *Figure) ranked() bool       { return f != nil && f.HasDen && f.Den >= fewerThan }
func (f *Figure) sliced(s string) *Figure {
	g := *f
	g.Slice = s
	return &g
}

// ratioText is the figure as printed: two decimals, rounded half up, or a dash where there is nothing to divide by.
func (f *Figure) ratioText() string {
	if f == nil || !f.HasDen || f.Den == 0 {
		return "—"
	}
	return percent(f.Num, f.Den)
}

// add re-aggregates: numerators and denominators are summed, ratios never averaged.
func add(slice string, figures ...*Figure) *Figure {
	var out *Figure
	for _, f := range figures {
		if f == nil {
			continue
		}
		if out == nil {
			g := *f
			out = &g
			out.Slice = slice
			continue
		}
		out.Num += f.Num
		out.Den += f.Den
		if f.Status != out.Status {
			out.Status = open
		}
	}
	return out
}

// change is the difference of two ratios in 百分点; a missing base gives a dash, never zero.
func change(now, before *Figure) Cell {
	c := Cell{Show: Change, Text: "—"}
	if now == nil || before == nil || now.Den == 0 || before.Den == 0 {
		return c
	}
	c.Text = points(now.Num, now.Den, before.Num, before.Den)
	return c
}

// The two states of a period, in the words of the marts.
const (
	open   = "暂定"
	closed = "封账"
)
