package qc

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot/plotter"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

func reportInput() ReportInput {
	return ReportInput{Title: "sub-01", Outcome: knownOutcome(), Method: Method{Program: "dmri-denoise", Version: "1"},
		Known: Known{Prior: "soft", Risks: []Risk{{Prior: "gaussian", RMSE: 0.6}, {Prior: "soft", RMSE: 0.5, Accepted: true}}}}
}

func pageOf(t *testing.T, in ReportInput, threads int) string {
	t.Helper()
	r, err := NewReport(context.Background(), in, threads)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Page.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReportIsTheSameForAnyThreads(t *testing.T) {
	if pageOf(t, reportInput(), 1) != pageOf(t, reportInput(), 5) {
		t.Error("the report depends on the number of threads")
	}
}

// TestReportParts wants what is known in the report and no more.
func TestReportParts(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(in *ReportInput)
		want, absent []string
	}{
		"all": {func(in *ReportInput) { in.Uncertainty = []Figure{{Alt: "a", SVG: "<svg></svg>"}} },
			[]string{`id="summary"`, `id="before-after"`, `id="noise"`, `id="residual"`, `id="shells"`, `id="prior"`, `id="uncertainty"`, `id="methods"`, `id="provenance"`,
				"@inproceedings{ho2020", "the prior “soft” had the lowest", `class="program"`, "lost is not known"}, []string{"Training of the learned prior", "Wall time", "koay2006"}},
		"loss":    {func(in *ReportInput) { in.Known.Loss = []LossPoint{{0, 1, math.NaN()}, {5, 0.5, 0.6}} }, []string{"Training of the learned prior"}, nil},
		"timings": {func(in *ReportInput) { in.Known.Timings = &Timings{Seconds: 12, Threads: 2, PeakMemory: 5e8} }, []string{"12.0 s on 2 threads", "500 MB"}, nil},
		"no sigma": {func(in *ReportInput) { in.Outcome.Sigma = nil }, []string{"No noise map was given", "rms removed"},
			[]string{"noise_map", "framed"}},
		"no table": {func(in *ReportInput) { in.Outcome.Table = nil }, []string{"No gradient table"}, []string{"Shells, figures over the mask"}},
		"no viewer, no method": {func(in *ReportInput) { in.NoViewer, in.Method = true, Method{} }, nil,
			[]string{`class="program"`, "NiiVue", `id="methods"`, `id="uncertainty"`}},
		"imputed": {func(in *ReportInput) {
			in.Known.Imputed = &Imputation{Percent: 1, Slices: 2, Lost: []LostSlices{{1, 2, 3, "dropout", -8}}, Notes: []string{"a note"}}
		}, []string{"2 slices, 1.00 % of the scan, were replaced", "<td>dropout</td>", "−8.0", "a note"}, nil},
		"rician, another sampler": {func(in *ReportInput) { in.Method.Rician, in.Method.Sampler, in.Method.Given = true, "sde", true },
			[]string{"@article{koay2006", "drawn by the sde sampler", "standard deviation was given"}, []string{"efron2011"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := reportInput()
			c.change(&in)
			html := pageOf(t, in, 2)
			for _, w := range c.want {
				if !strings.Contains(html, w) {
					t.Errorf("%q is missing", w)
				}
			}
			for _, w := range c.absent {
				if strings.Contains(html, w) {
					t.Errorf("%q is there", w)
				}
			}
			if body := html[:strings.LastIndex(html, "<script>")]; strings.Contains(body, ">NaN") || strings.Contains(body, " NaN") {
				t.Error("NaN is in the page")
			}
		})
	}
}

// TestReportOfManyShells wants pictures of four shells at most, and none by shell
// of a q-space grid in the metrics.
func TestReportOfManyShells(t *testing.T) {
	in := reportInput()
	o := &in.Outcome
	n := o.Grid.Voxels()
	o.Table = &gradients.Table{}
	before, after := o.Before[:n], o.After[:n]
	o.Before, o.After = nil, nil
	for i := range 14 {
		o.Before, o.After = append(o.Before, before...), append(o.After, after...)
		o.Table.BVals = append(o.Table.BVals, 700*float64(i/2))
		o.Table.BVecs = append(o.Table.BVecs, [3]float64{0, math.Sin(float64(i)), math.Cos(float64(i))})
	}
	r, err := NewReport(context.Background(), in, 0)
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Page.Files()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasPrefix(f.Name, "before_after") || strings.HasPrefix(f.Name, "planes_before") {
			names = append(names, f.Name)
		}
	}
	if got := strings.Join(names, " "); got != "planes_before_b0.png planes_before_b1400.png planes_before_b2800.png planes_before_b4200.png before_after_residual_b0.png before_after_residual_b4200.png" {
		t.Errorf("pictures: %s", got)
	}
	if math.IsNaN(r.Measured.Metrics.Value("shells")) == !in.Outcome.Table.Shells(50).Gridded {
		t.Errorf("shells = %v", r.Measured.Metrics.Value("shells"))
	}
}

func TestReportRefusesAndStops(t *testing.T) {
	in := reportInput()
	in.Outcome.After = in.Outcome.After[1:]
	if _, err := NewReport(context.Background(), in, 1); !errors.Is(err, ErrInput) {
		t.Errorf("error %v, want ErrInput", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewReport(ctx, reportInput(), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

// TestPlotsAreWellFormed parses every plot as XML and looks for ink that would
// not follow the page.
func TestPlotsAreWellFormed(t *testing.T) {
	schedule, err := diffusion.Linear(100)
	if err != nil {
		t.Fatal(err)
	}
	o := knownOutcome()
	made := map[string]string{}
	add := func(name, svg string, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		made[name] = svg
	}
	svg, err := schedulePlot(schedule, []mark{{"a <b>", 12.3, accent}, {"below 0", -0.5, accent}})
	add("schedule", svg, err)
	svg, err = lossPlot([]LossPoint{{0, 2, math.NaN()}, {10, 1, 1.5}})
	add("loss", svg, err)
	svg, _, err = spherePlot(o.Table, o.Table.Shells(50).All)
	add("sphere", svg, err)
	svg, err = volumePlot([]float64{0.5, math.NaN(), 2}, o.Table.Shells(50).All, "rms", 1)
	add("volumes", svg, err)
	svg, err = densityPlot("x", []curve{{"name", accent, plotter.XYs{{X: 0, Y: 1}, {X: 1, Y: 2}}, true}})
	add("density", svg, err)
	for name, svg := range made {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s is not well formed: %v", name, err)
			}
		}
		if !strings.Contains(svg, "currentColor") || strings.Contains(svg, "#010203") || strings.Contains(svg, "NaN") || strings.Contains(svg, "http") {
			t.Errorf("%s: ink, numbers or addresses:\n%.300s", name, svg)
		}
	}
	if !strings.Contains(made["schedule"], "t* = 12.3") {
		t.Error("t* is not in the schedule's legend")
	}
}

// TestProjection wants equal areas: of directions evenly over the half sphere a
// quarter lies within half the radius.
func TestProjection(t *testing.T) {
	inside, n := 0, 4000
	for i := range n {
		z := (float64(i) + 0.5) / float64(n) // even in z is even on the sphere
		sin, cos := math.Sincos(2.4 * float64(i))
		r := math.Sqrt(1 - z*z)
		sign := float64(1 - 2*(i%2))
		x, y, up, ok := project([3]float64{sign * r * cos, sign * r * sin, sign * z})
		if !ok || up != (sign > 0) || math.Hypot(x, y) > 1+1e-12 {
			t.Fatalf("direction %d lies at (%v, %v), up %v", i, x, y, up)
		}
		if math.Hypot(x, y) < 0.5 {
			inside++
		}
	}
	if share := float64(inside) / float64(n); math.Abs(share-0.25) > 0.001 {
		t.Errorf("%v within half the radius, want a quarter", share)
	}
	if _, _, _, ok := project([3]float64{}); ok {
		t.Error("the zero vector has a direction")
	}
}
