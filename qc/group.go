package qc

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Group is the table of many scans that a group page shows.
type Group struct {
	Title, Subtitle string
	Columns         []GroupColumn
	Scans           []GroupScan // in the order of the table
	Failed          []FailedScan
	Foot            string
}

// GroupColumn is one figure of all scans.
type GroupColumn struct{ Name, Units, Description string }

// GroupScan is one row: a cell for each column, n/a where there is no value. Page
// is where the scan's own page is, "" if it has none.
type GroupScan struct {
	Name, Page string
	Cells      []string
}

// FailedScan is a scan without a result.
type FailedScan struct{ Name, Page, Reason string }

// Outlier is a value more than 1.5 interquartile ranges beyond the quartiles of
// its column (Tukey 1977).
type Outlier struct {
	Scan, Column int
	Value        float64
	Low, High    float64 // the fences
}

const (
	fewForFences  = 5   // values below which there are no outliers
	dotsOfPlot    = 400 // of one figure; of more scans every few are drawn, and all outliers
	outliersShown = 500
)

// Outliers returns the values that stand out, by scan and then by column.
// Columns with text are left out.
func (g *Group) Outliers() []Outlier {
	var out []Outlier
	for c := range g.Columns {
		values, ok := g.numbers(c)
		if !ok {
			continue
		}
		q := quartilesOf(values)
		if q.n < fewForFences {
			continue
		}
		for s, v := range values {
			if v < q.low || v > q.high {
				out = append(out, Outlier{s, c, v, q.low, q.high})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Outlier) int { return a.Scan - b.Scan })
	return out
}

// numbers returns a column as numbers, NaN for n/a; ok is false for a column of
// text or without a value.
func (g *Group) numbers(column int) (values []float64, ok bool) {
	for _, s := range g.Scans {
		v, err := strconv.ParseFloat(s.Cells[column], 64)
		if err != nil {
			if s.Cells[column] != "n/a" {
				return nil, false
			}
			v = math.NaN()
		}
		ok = ok || nullable(v) != nil
		values = append(values, v)
	}
	return values, ok
}

// quartiles are those of the values that are numbers, and the fences.
type quartiles struct {
	n                    int
	least, most          float64
	q1, median, q3       float64
	low, high            float64
	whiskerLo, whiskerHi float64 // the last values inside the fences
}

func quartilesOf(values []float64) quartiles {
	var sorted []float64
	for _, v := range values {
		if nullable(v) != nil {
			sorted = append(sorted, v)
		}
	}
	slices.Sort(sorted)
	q := quartiles{n: len(sorted)}
	if q.n == 0 {
		return q
	}
	q.least, q.most = sorted[0], sorted[q.n-1]
	q.q1, q.median, q.q3 = quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
	fence := 1.5 * (q.q3 - q.q1)
	q.low, q.high = q.q1-fence, q.q3+fence
	q.whiskerLo, q.whiskerHi = q.q1, q.q3
	for _, v := range sorted {
		if v >= q.low {
			q.whiskerLo = min(v, q.q1)
			break
		}
	}
	for _, v := range slices.Backward(sorted) {
		if v <= q.high {
			q.whiskerHi = max(v, q.q3)
			break
		}
	}
	return q
}

// GroupPage makes the page of many scans: failures, outliers, the distribution
// of each figure and the table, whose names link to the scans' own pages. Rows
// with a wrong number of cells are an [ErrInput].
func GroupPage(g Group) (*Page, error) {
	for _, s := range g.Scans {
		if len(s.Cells) != len(g.Columns) {
			return nil, fmt.Errorf("qc: group: %s has %d cells for %d columns: %w", s.Name, len(s.Cells), len(g.Columns), ErrInput)
		}
	}
	p := &Page{Title: g.Title, Subtitle: g.Subtitle, Foot: g.Foot}
	outliers := g.Outliers()
	p.Sections = append(p.Sections, g.summary(outliers))
	if len(g.Failed) > 0 {
		t := Table{Header: []string{"scan", "reason"}}
		for _, f := range g.Failed {
			t.Rows, t.Links = append(t.Rows, []string{f.Name, f.Reason}), append(t.Links, f.Page)
		}
		p.Sections = append(p.Sections, Section{ID: "failed", Title: "Failed", Blocks: []Block{t}})
	}
	p.Sections = append(p.Sections, g.outlierSection(outliers), g.distributions(), g.table())
	return p, nil
}

func (g *Group) summary(outliers []Outlier) Section {
	s := Section{ID: "summary", Title: "Summary"}
	switch {
	case len(g.Failed) > 0:
		s.Blocks = append(s.Blocks, Note{"bad", fmt.Sprintf("%d of %d scans failed.", len(g.Failed), len(g.Failed)+len(g.Scans))})
	default:
		s.Blocks = append(s.Blocks, Note{"good", fmt.Sprintf("All %d scans are done.", len(g.Scans))})
	}
	scans := map[int]bool{}
	for _, o := range outliers {
		scans[o.Scan] = true
	}
	switch {
	case len(g.Scans) < fewForFences:
		s.Blocks = append(s.Blocks, Note{"info", fmt.Sprintf("With fewer than %d scans no value is called an outlier.", fewForFences)})
	case len(outliers) == 0:
		s.Blocks = append(s.Blocks, Note{"good", "No value lies more than 1.5 interquartile ranges beyond the quartiles."})
	default:
		s.Blocks = append(s.Blocks, Note{"check", fmt.Sprintf("%d values of %d scans lie more than 1.5 interquartile ranges beyond the quartiles.", len(outliers), len(scans))})
	}
	return s
}

func (g *Group) outlierSection(outliers []Outlier) Section {
	s := Section{ID: "outliers", Title: "Outliers", Lead: "Values more than 1.5 interquartile ranges beyond the quartiles of their column. An outlier is not an error: look at the scan's own page."}
	if len(outliers) == 0 {
		s.Blocks = []Block{Note{"good", "None."}}
		return s
	}
	t := Table{Header: []string{"scan", "figure", "value", "usual from", "to"}}
	for _, o := range outliers[:min(len(outliers), outliersShown)] {
		scan := g.Scans[o.Scan]
		t.Rows = append(t.Rows, []string{scan.Name, g.Columns[o.Column].Name, shown(o.Value), shown(o.Low), shown(o.High)})
		t.Links = append(t.Links, scan.Page)
	}
	s.Blocks = append(s.Blocks, t)
	if left := len(outliers) - len(t.Rows); left > 0 {
		s.Blocks = append(s.Blocks, Note{"info", fmt.Sprintf("%d more are left out here.", left)})
	}
	return s
}

func (g *Group) distributions() Section {
	s := Section{ID: "distributions", Title: "Distributions",
		Lead: "One dot a scan, which leads to its page; the box holds the middle half, the line in it is the median, whiskers reach the last values inside the fences, red rings lie outside."}
	var same []string
	for c, column := range g.Columns {
		values, ok := g.numbers(c)
		if !ok {
			continue
		}
		q := quartilesOf(values)
		if q.least == q.most {
			same = append(same, column.Name+" = "+shown(q.median))
			continue
		}
		caption := column.Name + ": " + column.Description
		if column.Units != "" {
			caption += " (" + column.Units + ")"
		}
		s.Blocks = append(s.Blocks, Figure{Alt: fmt.Sprintf("%s of %d scans: median %s, quartiles %s and %s", column.Name, q.n, shown(q.median), shown(q.q1), shown(q.q3)),
			Caption: caption + ".", SVG: g.strip(values, q)})
	}
	if len(same) > 0 {
		s.Blocks = append(s.Blocks, Note{"info", "The same in all scans: " + strings.Join(same, ", ") + "."})
	}
	return s
}

// strip draws a box plot with a dot for each scan over it.
func (g *Group) strip(values []float64, q quartiles) string {
	const width, height, left, right = 480.0, 64.0, 14.0, 466.0
	x := func(v float64) float64 { return left + (right-left)*(v-q.least)/(q.most-q.least) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" width="%g" height="%g" font-family="sans-serif" font-size="11" fill="currentColor">`, width, height, width, height)
	fmt.Fprintf(&b, `<g stroke="currentColor" fill="none"><path opacity="0.7" d="M%.2f 24H%.2f M%.2f 24H%.2f M%.2f 17V31 M%.2f 17V31"/>`,
		x(q.whiskerLo), x(q.q1), x(q.q3), x(q.whiskerHi), x(q.whiskerLo), x(q.whiskerHi))
	fmt.Fprintf(&b, `<rect x="%.2f" y="8" width="%.2f" height="32" fill="#2685c7" fill-opacity="0.18" opacity="0.8"/><path stroke-width="2" d="M%.2f 8V40"/></g>`,
		x(q.q1), max(x(q.q3)-x(q.q1), 0.5), x(q.median))
	step := max(1, (len(values)+dotsOfPlot-1)/dotsOfPlot)
	for i, v := range values {
		outside := q.n >= fewForFences && (v < q.low || v > q.high)
		if nullable(v) == nil || i%step != 0 && !outside {
			continue
		}
		style := `r="2.6" fill-opacity="0.55"`
		if outside {
			style = `r="4" fill="none" stroke="#d1242f" stroke-width="2"`
		}
		dot := fmt.Sprintf(`<circle cx="%.2f" cy="%d" %s><title>%s: %s</title></circle>`, x(v), 12+i*11%25, style, html.EscapeString(g.Scans[i].Name), shown(v))
		if page := g.Scans[i].Page; page != "" {
			dot = fmt.Sprintf(`<a href="%s" tabindex="-1">%s</a>`, html.EscapeString(page), dot)
		}
		b.WriteString(dot)
	}
	fmt.Fprintf(&b, `<text x="%g" y="58">%s</text><text x="%g" y="58" text-anchor="end">%s</text></svg>`, left, shown(q.least), right, shown(q.most))
	return b.String()
}

func (g *Group) table() Section {
	t := Table{Caption: "All scans; click a heading to sort", Header: []string{"scan"}}
	for _, c := range g.Columns {
		t.Header = append(t.Header, c.Name)
	}
	for _, s := range g.Scans {
		t.Rows, t.Links = append(t.Rows, append([]string{s.Name}, s.Cells...)), append(t.Links, s.Page)
	}
	return Section{ID: "table", Title: "Table", Blocks: []Block{t}}
}
