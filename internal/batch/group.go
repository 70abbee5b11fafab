package batch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/qc"
)

// ErrNothing reports a group step without anything to summarise.
var ErrNothing = errors.New("no denoised scans")

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
	columns, scans := tabulate(done)
	return s, errors.Join(
		e.writeTable(&s, columns, scans),
		e.writeDictionary(&s, columns),
		e.writeGroupPage(&s, columns, scans, all),
	)
}

func (e *Executor) groupFile(s *Summary, ext string) string {
	file := filepath.Join(e.OutDir, "group_dwi"+ext)
	s.Files = append(s.Files, file)
	return file
}

// tabulate puts the figures of all scans into one table: those that every sidecar has, then those of the metrics of each scan
// in the order in which they first come up.
func tabulate(done []result) ([]column, []qc.GroupScan) {
	all := slices.Clone(columns)
	known := map[string]bool{}
	for _, c := range all {
		known[c.name] = true
	}
	for _, r := range done {
		for _, m := range r.Metrics {
			if !known[m.name] {
				known[m.name] = true
				all = append(all, column{name: m.name, description: r.meaning(m.name).Description, units: r.meaning(m.name).Units, metric: true})
			}
		}
	}
	var scans []qc.GroupScan
	for _, r := range done {
		s := qc.GroupScan{Name: r.Name.With("desc", "").Stem(), Page: pageOf(r)}
		for _, c := range all {
			if c.metric {
				s.Cells = append(s.Cells, figure(r.metric(c.name)))
			} else {
				s.Cells = append(s.Cells, c.value(&r.Sidecar))
			}
		}
		scans = append(scans, s)
	}
	slices.SortStableFunc(scans, func(a, b qc.GroupScan) int { return strings.Compare(a.Name, b.Name) })
	return all, scans
}

func (e *Executor) writeTable(s *Summary, all []column, scans []qc.GroupScan) error {
	var b strings.Builder
	b.WriteString("bids_name")
	for _, c := range all {
		b.WriteString("\t" + c.name)
	}
	b.WriteByte('\n')
	for _, scan := range scans {
		b.WriteString(scan.Name + "\t" + strings.Join(scan.Cells, "\t") + "\n")
	}
	return writeBytes(e.groupFile(s, ".tsv"), []byte(b.String()))
}

func (e *Executor) writeDictionary(s *Summary, all []column) error {
	dictionary := map[string]map[string]string{"bids_name": {"Description": "Name of the raw series, without extension"}}
	for _, c := range all {
		dictionary[c.name] = map[string]string{"Description": c.description}
		if c.units != "" {
			dictionary[c.name]["Units"] = c.units
		}
	}
	return writeJSON(e.groupFile(s, ".json"), dictionary)
}

func (e *Executor) writeGroupPage(s *Summary, all []column, scans []qc.GroupScan, results []result) error {
	g := qc.Group{Title: "Denoised diffusion MRI", Subtitle: fmt.Sprintf("%d scans of %d subjects", len(scans), s.Subjects), Scans: scans,
		Foot: fmt.Sprintf("The table is group_dwi.tsv; group_dwi.json explains its columns. %s %s. For research use; not a medical device.", e.Generator.Name, e.Generator.Version)}
	for _, c := range all {
		g.Columns = append(g.Columns, qc.GroupColumn{Name: c.name, Units: c.units, Description: c.description})
	}
	for _, r := range results {
		if r.Failure != "" {
			g.Failed = append(g.Failed, qc.FailedScan{Name: r.Name.Stem(), Page: "sub-" + r.Name.Value("sub") + ".html#failed", Reason: r.Failure})
		}
	}
	page, err := qc.GroupPage(g)
	if err != nil {
		return err
	}
	return writeFile(e.groupFile(s, ".html"), page.Write)
}

func pageOf(r result) string { return "sub-" + r.Name.Value("sub") + ".html#" + r.Name.Stem() }
