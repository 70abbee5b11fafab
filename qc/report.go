package qc

import (
	"context"
	"fmt"
	"image"
	"math"
	"unicode"
	"unicode/utf8"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// ReportInput is what a report is made of. Only Title and Outcome must be given; what is
// missing is left out of the report, or the report says that it is not known.
type ReportInput struct {
	Title, Subtitle string
	Outcome         Outcome
	Known           Known
	Warnings        []string // of the denoiser
	Method          Method
	Provenance      [][2]string
	Seed            uint64 // of simulated noise
	Radiological    bool
	NoViewer        bool // leave the interactive viewer out

	// Pictures drawn elsewhere: the forward and the reverse process, replaced
	// slices, uncertainty.
	Forward, Reverse, Replaced, Uncertainty []Figure
	// UncertaintyFacts stands beside the pictures of uncertainty.
	UncertaintyFacts []Facts
}

// Report is a page with the figures it shows.
type Report struct {
	Page     *Page
	Measured *Measured
	Verdict  Verdict
}

// reportShells is the most shells that a report draws pictures of: the lowest
// and the highest, and those between.
const reportShells = 4

// NewReport makes the report of one scan. The work is done by threads goroutines
// (0 meaning one for each processor) and does not depend on their number; times
// are in the report only if Known has them. Errors are [ErrInput] or the
// context's.
func NewReport(ctx context.Context, in ReportInput, threads int) (*Report, error) {
	outcome, err := in.Outcome.Complete()
	if err != nil {
		return nil, fmt.Errorf("qc: report: %w", err)
	}
	in.Outcome = outcome
	if in.Known.Schedule.T() == 0 {
		if in.Known.Schedule, err = diffusion.Cosine(defaultSteps); err != nil {
			return nil, fmt.Errorf("qc: report: %w", err)
		}
	}
	r := &reporter{in: &in}
	if r.m, err = Measure(ctx, outcome, in.Known, threads); err != nil {
		return nil, err
	}
	r.verdict = Judge(r.m, in.Warnings)
	page := &Page{Title: in.Title, Subtitle: in.Subtitle,
		Foot: "For research use; not a medical device. What was removed should look like noise, without anatomy: look at the pictures, not only at the verdict."}
	for _, make := range []func() (Section, error){
		r.summary, r.beforeAfter, r.noise, r.residual, r.gradients, r.prior, r.imputation, r.uncertainty, r.methods, r.provenance,
	} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, err := make()
		if err != nil {
			return nil, fmt.Errorf("qc: report: %w", err)
		}
		if len(s.Blocks) > 0 {
			page.Sections = append(page.Sections, s)
		}
	}
	if err := page.Encode(ctx, threads); err != nil {
		return nil, err
	}
	if !in.NoViewer {
		if err := r.addViewer(page); err != nil {
			return nil, fmt.Errorf("qc: report: %w", err)
		}
	}
	return &Report{Page: page, Measured: r.m, Verdict: r.verdict}, nil
}

// Bounds on what a viewer shows. A page stays below 8 MB whatever the scan: the
// viewer has what the pictures leave, in bytes a voxel that hardly compress.
const (
	pageBytes       = 7_300_000
	mostViewVoxels  = 260_000
	leastViewVoxels = 20_000
	inBase64        = 4.0 / 3
)

// addViewer puts the viewer behind the pictures of before and after.
func (r *reporter) addViewer(page *Page) error {
	left := pageBytes - inBase64*float64(len(niivueGzip)+page.pictureBytes())
	volumes := 3*len(ends(r.pictured())) + 1
	v, err := r.viewer(min(max(int(left/inBase64)/volumes, leastViewVoxels), mostViewVoxels))
	if err != nil {
		return err
	}
	for i, s := range page.Sections {
		if s.ID == "before-after" {
			page.Sections[i].Blocks = append(s.Blocks, v)
		}
	}
	return nil
}

// ends returns the first and the last shell.
func ends(shells []gradients.Shell) []gradients.Shell {
	if len(shells) > 2 {
		return []gradients.Shell{shells[0], shells[len(shells)-1]}
	}
	return shells
}

// reporter makes the sections.
type reporter struct {
	in      *ReportInput
	m       *Measured
	verdict Verdict
}

func (r *reporter) summary() (Section, error) {
	s := Section{ID: "summary", Title: "Summary"}
	s.Blocks = append(s.Blocks, Note{r.verdict.Kind, map[string]string{
		"good":  "Nothing speaks against using this result.",
		"check": "Usable once what is marked “Check” below has been looked at and explained.",
		"bad":   "Do not use this result before the cause is found.",
	}[r.verdict.Kind]})
	reasons := Table{Caption: "Why", Header: []string{"verdict", "reason"}}
	for _, reason := range r.verdict.Reasons {
		reasons.Rows = append(reasons.Rows, []string{noteWords[reason.Kind], capital(reason.Text)})
	}
	s.Blocks = append(s.Blocks, reasons)
	m := r.m.Metrics
	rows := [][2]string{
		{"Noise standard deviation σ", fmt.Sprintf("%s (quartiles %s to %s)%s", shown(m.Value("sigma_median")), shown(m.Value("sigma_p25")), shown(m.Value("sigma_p75")), r.source())},
		{"Variance removed", shown(m.Value("variance_removed")) + " σ²"},
		{"Neighbouring DWI correlation", shown(m.Value("ndc_before")) + " before, " + shown(m.Value("ndc_after")) + " after"},
		{"Noise-matched timestep t*", fmt.Sprintf("%s of %d (%s schedule)", shown(r.m.Timestep), r.in.Known.Schedule.T(), r.in.Known.Schedule.Name())},
		{"Slices replaced", r.replacedText()},
		{"Volumes", r.volumesText()},
	}
	s.Blocks = append(s.Blocks, Facts{Caption: "At a glance", Rows: rows})
	return s, nil
}

// capital begins a sentence.
func capital(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:] + "."
}

// shown formats a figure for people, "n/a" where it is not defined.
func shown(v float64) string {
	if nullable(v) == nil {
		return "n/a"
	}
	return figure(v)
}

func (r *reporter) source() string {
	if r.in.Known.Noise == "" {
		return ""
	}
	return ", " + r.in.Known.Noise
}

func (r *reporter) replacedText() string {
	if i := r.in.Known.Imputed; i != nil {
		if i.Slices == 0 {
			return "none"
		}
		return fmt.Sprintf("%d (%.2f %% of the scan)", i.Slices, i.Percent)
	}
	return "not known"
}

func (r *reporter) volumesText() string {
	text := fmt.Sprint(r.in.Outcome.volumes())
	for i, s := range r.m.Shells {
		if r.in.Outcome.Shells.Gridded {
			return text + ", b-values on a q-space grid"
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += fmt.Sprintf("%s%d × %s", sep, len(s.Shell.Volumes), s.Label)
	}
	return text
}

// pictured returns the volumes that pictures are drawn of, one of each shell:
// the lowest, the highest and what lies between, as far as there is room.
func (r *reporter) pictured() []gradients.Shell {
	all := r.in.Outcome.Shells.All
	if len(all) == 0 {
		return []gradients.Shell{{Volumes: []int{0}, B: math.NaN()}}
	}
	if len(all) <= reportShells {
		return all
	}
	var out []gradients.Shell
	for i := range reportShells {
		out = append(out, all[i*(len(all)-1)/(reportShells-1)])
	}
	return out
}

func (r *reporter) montageOptions(s gradients.Shell) MontageOptions {
	v := s.Volumes[0]
	o := MontageOptions{Volume: v, BValue: math.NaN(), Radiological: r.in.Radiological}
	if t := r.in.Outcome.Table; t != nil {
		o.BValue = t.BVals[v]
	}
	return o
}

// scale returns screen pixels per voxel for pictures of a page: wide enough for a
// dense screen, half of what print has.
func (r *reporter) scale(columns int) float64 {
	const pageWidth = 1400
	box := maskBox(r.in.Outcome.Mask, r.in.Outcome.Grid, Axial, r.in.Radiological)
	return math.Max(1, math.Round(pageWidth/float64(columns)/float64(box.Dx())))
}

func nameOf(s gradients.Shell) string {
	if math.IsNaN(s.B) {
		return "v0"
	}
	return ShellLabel(s)
}

func (r *reporter) beforeAfter() (Section, error) {
	s := Section{ID: "before-after", Title: "Before and after",
		Lead: "One volume of each shell in three planes. Point at a picture, or tick its box, to see it after denoising; structure should stay where it is and lose its grain."}
	o := &r.in.Outcome
	for _, shell := range r.pictured() {
		options := r.montageOptions(shell)
		before, after := o.volume(shell.Volumes[0])
		a, b, err := r.swap(before, after, options)
		if err != nil {
			return s, err
		}
		name := nameOf(shell)
		s.Blocks = append(s.Blocks, Swap{Caption: volumeTitle(options) + ". Both share one gray window, 2–98 % of the input in the mask.",
			Before: Figure{Alt: volumeTitle(options) + " before denoising, axial, coronal and sagittal slices", PNG: a, File: "planes_before_" + name + ".png"},
			After:  Figure{Alt: volumeTitle(options) + " after denoising, the same slices", PNG: b, File: "planes_after_" + name + ".png"}})
	}
	return s, nil
}

// swap draws a volume before and after on two pictures of the same layout.
func (r *reporter) swap(before, after []float32, options MontageOptions) (a, b image.Image, err error) {
	o := &r.in.Outcome
	options.Planes, options.Columns = []Plane{Axial, Coronal, Sagittal}, 2
	options.Scale = r.scale(7)
	scan := robustWindow(before, o.Mask, scanLow, scanHigh)
	draw := func(volume []float32, label string) (image.Image, error) {
		s, err := newSheet(o.Mask, o.Grid, options)
		if err != nil {
			return nil, err
		}
		s.rows = []sheetRow{{label, volume, colourMap(gray).in(scan), white}}
		img, err := s.draw()
		return thin(img), err
	}
	if a, err = draw(before, "before"); err != nil {
		return nil, nil, err
	}
	b, err = draw(after, "after")
	return a, b, err
}

// thin returns a picture without colour as one of a third of the bytes; one with
// colour as it is.
func thin(img image.Image) image.Image {
	rgba, ok := img.(*image.RGBA)
	if !ok {
		return img
	}
	for i := 0; i+3 < len(rgba.Pix); i += 4 {
		if rgba.Pix[i] != rgba.Pix[i+1] || rgba.Pix[i] != rgba.Pix[i+2] {
			return img
		}
	}
	return (&canvas{img: rgba}).gray()
}

// viewer makes the interactive view of so many voxels at most: before, after and
// residual of the lowest and the highest shell, and the noise map.
func (r *reporter) viewer(voxels int) (Viewer, error) {
	o := &r.in.Outcome
	cut := newViewerCut(o.Mask, o.Grid, voxels)
	g := cut.grid(o.Grid)
	v := Viewer{Caption: "Interactive view: click to move the cross-hair, scroll through slices, keys change the volume in place."}
	if cut.thinned() {
		v.Caption += fmt.Sprintf(" To keep the page small, every %d×%d×%d-th voxel is shown; the pictures have all.", cut.step[0], cut.step[1], cut.step[2])
	}
	for _, shell := range ends(r.pictured()) {
		before, after := o.volume(shell.Volumes[0])
		w := robustWindow(before, o.Mask, 0, 0.995)
		w.lo = min(w.lo, 0)
		name := nameOf(shell)
		residual := cut.take(o.Grid, func(i int) float32 { return before[i] - after[i] })
		span := residualSpan * noiseLevel(residual, r.sigmaCut(cut), cut.mask(o))
		v.Volumes = append(v.Volumes,
			ViewerVolume{name + " before", cut.take(o.Grid, func(i int) float32 { return before[i] }), g, "gray", w.lo, w.hi},
			ViewerVolume{name + " after", cut.take(o.Grid, func(i int) float32 { return after[i] }), g, "gray", w.lo, w.hi},
			ViewerVolume{name + " removed", residual, g, "residual", -span, span})
	}
	if sigma := r.sigmaCut(cut); sigma != nil {
		if w := robustWindow(o.Sigma, o.Mask, 0, 0.995); w.hi > 0 {
			v.Volumes = append(v.Volumes, ViewerVolume{"noise σ", sigma, g, "sigma", 0, w.hi})
		}
	}
	return v, nil
}

func (r *reporter) sigmaCut(cut viewerCut) []float32 {
	o := &r.in.Outcome
	if o.Sigma == nil {
		return nil
	}
	return cut.take(o.Grid, func(i int) float32 {
		if !o.Mask[i] {
			return 0
		}
		return o.Sigma[i]
	})
}

// mask returns the mask of an outcome in a cut.
func (c viewerCut) mask(o *Outcome) []bool {
	in := make([]bool, 0, c.voxels())
	for _, v := range c.take(o.Grid, func(i int) float32 {
		if o.Mask[i] {
			return 1
		}
		return 0
	}) {
		in = append(in, v > 0)
	}
	return in
}
