package batch

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

// ErrNothing reports a group step without anything to summarise.
var ErrNothing = errors.New("no denoised scans")

var groupTemplate = template.Must(template.New("group").Parse(groupHTML))

// Summary is what the group step found.
type Summary struct {
	Scans    int
	Failed   int
	Subjects int
	Files    []string
}

// Group writes group_dwi.tsv with a row for every denoised scan, group_dwi.json that explains its columns, group_dwi.html,
// and the pages of all subjects again.
func (e *Executor) Group(ctx context.Context) (Summary, error) {
	var s Summary
	subjects, err := e.subjects()
	if err != nil {
		return s, err
	}
	var all []result
	for _, subject := range subjects {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		results, err := e.results(subject)
		if err != nil {
			return s, err
		}
		if err := e.WriteSubjectPage(subject); err != nil {
			return s, err
		}
		all = append(all, results...)
		s.Subjects++
	}
	done := slices.DeleteFunc(slices.Clone(all), func(r result) bool { return r.Failure != "" })
	s.Scans, s.Failed = len(done), len(all)-len(done)
	if s.Scans == 0 {
		return s, fmt.Errorf("%s: %w", e.OutDir, ErrNothing)
	}
	return s, errors.Join(
		e.writeTable(&s, done),
		e.writeDictionary(&s),
		e.writeGroupPage(&s, done, all),
	)
}

func (e *Executor) groupFile(s *Summary, ext string) string {
	file := filepath.Join(e.OutDir, "group_dwi"+ext)
	s.Files = append(s.Files, file)
	return file
}

func (e *Executor) writeTable(s *Summary, done []result) error {
	var b strings.Builder
	b.WriteString("bids_name")
	for _, c := range columns {
		b.WriteString("\t" + c.name)
	}
	b.WriteByte('\n')
	for _, r := range done {
		b.WriteString(r.Name.With("desc", "").Stem())
		for _, c := range columns {
			b.WriteString("\t" + c.value(&r.Sidecar))
		}
		b.WriteByte('\n')
	}
	return writeBytes(e.groupFile(s, ".tsv"), []byte(b.String()))
}

func (e *Executor) writeDictionary(s *Summary) error {
	dictionary := map[string]map[string]string{"bids_name": {"Description": "Name of the raw series, without extension"}}
	for _, c := range columns {
		dictionary[c.name] = map[string]string{"Description": c.description}
		if c.units != "" {
			dictionary[c.name]["Units"] = c.units
		}
	}
	return writeJSON(e.groupFile(s, ".json"), dictionary)
}

type groupPage struct {
	Program bids.Generator
	Style   template.CSS
	Heads   []column
	Names   []string
	Rows    []groupRow
	Failed  []result
	Plots   []plotView
}

type groupRow struct {
	Name, Page string
	Values     []string
}

func (e *Executor) writeGroupPage(s *Summary, done, all []result) error {
	page := groupPage{Program: e.Generator, Style: template.CSS(styleCSS)}
	for _, c := range columns {
		page.Names = append(page.Names, c.name)
		if c.plot {
			page.Plots = append(page.Plots, newPlot(c, done))
		}
	}
	for _, r := range all {
		if r.Failure != "" {
			page.Failed = append(page.Failed, r)
			continue
		}
		row := groupRow{Name: r.Name.With("desc", "").Stem(), Page: pageOf(r)}
		for _, c := range columns {
			row.Values = append(row.Values, c.value(&r.Sidecar))
		}
		page.Rows = append(page.Rows, row)
	}
	return writeFile(e.groupFile(s, ".html"), func(w io.Writer) error { return groupTemplate.Execute(w, page) })
}

func pageOf(r result) string { return "sub-" + r.Name.Value("sub") + ".html#" + r.Name.Stem() }

// plotView is a strip plot: one dot a scan, the median, and the fences 1.5 interquartile ranges off the quartiles.
type plotView struct {
	Name, Description, Low, High string
	Median, Q1, Width            string // positions in per cent
	Dots                         []dotView
	Outliers                     int
}

type dotView struct {
	X, Y          string
	Outlier       bool
	Label, Target string
}

func newPlot(c column, done []result) plotView {
	p := plotView{Name: c.name, Description: c.description}
	var values []float64
	var owners []result
	for _, r := range done {
		if v, err := strconv.ParseFloat(c.value(&r.Sidecar), 64); err == nil {
			values, owners = append(values, v), append(owners, r)
		}
	}
	if len(values) == 0 {
		return p
	}
	sorted := slices.Sorted(slices.Values(values))
	low, high := sorted[0], sorted[len(sorted)-1]
	q1, median, q3 := quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)
	place := func(v float64) string {
		if high == low {
			return "50"
		}
		return fmt.Sprintf("%.2f", 2+96*(v-low)/(high-low))
	}
	p.Low, p.High, p.Median, p.Q1 = figure(&low), figure(&high), place(median), place(q1)
	p.Width = "0"
	if high > low {
		p.Width = fmt.Sprintf("%.2f", 96*(q3-q1)/(high-low))
	}
	fence := 1.5 * (q3 - q1)
	for i, v := range values {
		outlier := len(values) >= 5 && (v < q1-fence || v > q3+fence)
		if outlier {
			p.Outliers++
		}
		p.Dots = append(p.Dots, dotView{X: place(v), Y: strconv.Itoa(12 + i*7%26), Outlier: outlier,
			Label: owners[i].Name.With("desc", "").Stem() + ": " + figure(&values[i]), Target: pageOf(owners[i])})
	}
	return p
}

// quantile interpolates between the order statistics of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(math.Floor(at))
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
