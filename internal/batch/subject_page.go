package batch

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/internal/bids"
)

//go:embed templates/subject.html
var subjectHTML string

//go:embed templates/style.css
var styleCSS string

var subjectTemplate = template.Must(template.New("subject").Parse(subjectHTML))

type subjectPage struct {
	Subject string
	Program bids.Generator
	Style   template.CSS
	Scans   []scanView
	Failed  []result
}

type scanView struct {
	Name     string
	Anchor   string
	Report   string // the scan's own report, below the folder of the page
	Numbers  []numberView
	Shells   []shell
	Figures  []figureView
	Warnings []string
	Method   string
	Settings string
}

type numberView struct{ Name, Value, Description string }

type figureView struct {
	Caption string
	Data    template.URL
}

// WriteSubjectPage writes sub-LABEL.html from what is on disk: one self-contained file with the figures inside. Whichever
// process finishes last writes the page that shows everything.
func (e *Executor) WriteSubjectPage(subject string) error {
	unlock, err := e.lockSubject(subject)
	if err != nil {
		return err
	}
	defer unlock()
	results, err := e.results(subject)
	if err != nil || len(results) == 0 {
		return err
	}
	page := subjectPage{Subject: subject, Program: e.Generator, Style: template.CSS(styleCSS)}
	for _, r := range results {
		if r.Failure != "" {
			page.Failed = append(page.Failed, r)
			continue
		}
		view, err := newScanView(r)
		if err != nil {
			return err
		}
		page.Scans = append(page.Scans, view)
	}
	return writeFile(e.pageFile(subject), func(w io.Writer) error { return subjectTemplate.Execute(w, page) })
}

func (h Header) pageFile(subject string) string {
	return filepath.Join(h.OutDir, "sub-"+subject+".html")
}

func newScanView(r result) (scanView, error) {
	v := scanView{Name: r.Name.With("desc", "").Stem(), Anchor: r.Name.Stem(), Shells: r.Sidecar.Summary.Shells, Warnings: r.Warnings,
		Method: r.Sidecar.Method, Settings: settingsText(r.Sidecar.Parameters)}
	for _, c := range columns {
		if c.name != "shells" && c.name != "warnings" {
			v.Numbers = append(v.Numbers, numberView{c.name, c.value(&r.Sidecar), c.description})
		}
	}
	if r.Report != "" {
		v.Report = "sub-" + r.Name.Value("sub") + "/figures/" + filepath.Base(r.Report)
	}
	for _, file := range r.Figures {
		n, err := bids.ParseName(filepath.Base(file))
		if err != nil {
			return v, err
		}
		if r.Report != "" && !onSubjectPage(n.Value("desc")) {
			continue // it is in the report
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return v, err
		}
		v.Figures = append(v.Figures, figureView{captionOf(n.Value("desc")), template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(data))})
	}
	return v, nil
}

// onSubjectPage tells whether a picture is shown again beside the link to the report that holds it.
func onSubjectPage(desc string) bool {
	return strings.HasPrefix(desc, "beforeAfterResidual") || desc == "noiseMap"
}

// captionOf turns a label such as noiseMap into words.
func captionOf(label string) string {
	var b strings.Builder
	for i, c := range label {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

func settingsText(parameters map[string]any) string {
	var parts []string
	for name, value := range parameters {
		parts = append(parts, fmt.Sprintf("%s %v", name, value))
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}
