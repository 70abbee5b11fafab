package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// runPlan is what run has found out before any voxel is read: what it will read, what it will write, and how much
// memory that takes.
type runPlan struct {
	options runOptions
	header  *nifti.Header
	table   *gradients.Table
	target  *gradients.Table // of --target-bval and --target-bvec, nil without them
	shells  gradients.Shells

	sidecarIn string // the input's own .json, "" if none

	image, noise, residual string // outputs; residual may be ""
	bval, bvec, sidecar    string
	pictures               pictureNames

	memory         int64   // estimated peak, bytes
	masked         int     // voxels of the mask, 0 without one
	blank          float64 // share of a volume in whole pages outside the mask
	scratch        bool    // the arrays of the scan's size are kept in a file, because --mem allows less
	warnings       []string
	headerWarnings int // how many of them the image's header gave
}

// plan reads headers and tables, checks that they belong together, and refuses outputs that must not be written.
// Nothing is computed and nothing written.
func (o runOptions) plan() (*runPlan, error) {
	p := &runPlan{options: o, image: o.output, noise: o.noiseOut, residual: o.residualOut}
	if err := p.readHeaders(); err != nil {
		return nil, err
	}
	_, _, _, nt := p.header.Shape()
	if err := p.readTable(nt); err != nil {
		return nil, err
	}
	if err := p.readTarget(); err != nil {
		return nil, err
	}
	stem, _ := imageStem(o.output)
	p.sidecar = stem + ".json"
	if p.table != nil {
		p.bval, p.bvec = stem+".bval", stem+".bvec"
	}
	if in, _ := imageStem(o.input); isPresent(in + ".json") {
		p.sidecarIn = in + ".json"
		p.warnDenoised()
	}
	if o.qcDir != "" {
		p.pictures = namePictures(o.qcDir, p.shells)
	}
	if err := checkOutputs(p.outputs(), p.inputs(), o.force); err != nil {
		return nil, err
	}
	return p, p.checkMemory()
}

// warnDenoised looks into the input's sidecar for our own name. One that cannot be read is told of when it is carried
// over.
func (p *runPlan) warnDenoised() {
	var words struct{ SoftwareName string }
	data, err := os.ReadFile(p.sidecarIn)
	if err == nil && json.Unmarshal(data, &words) == nil && words.SoftwareName == programName {
		p.warnings = append(p.warnings, fmt.Sprintf("%s says that this scan was denoised by %s already; its noise is not the scanner's any more", p.sidecarIn, programName))
	}
}

// readTable reads the gradient table. Denoising does without one, as pipelines that call for dwidenoise expect: where none
// is named and none lies beside the image, the plan goes on with a warning.
func (p *runPlan) readTable(volumes int) error {
	o := p.options
	if o.tables.absent(o.input) && o.impute.target.bval == "" {
		p.warnings = append(p.warnings, fmt.Sprintf("%s: no gradient table beside it and none named: denoised without knowing the shells, "+
			"lost volumes are not replaced", o.input))
		return nil
	}
	var err error
	if p.table, err = o.tables.read(o.input); err != nil {
		return err
	}
	if err := p.table.Check(volumes); err != nil {
		return err
	}
	p.warnings = append(p.warnings, p.table.Warnings...)
	p.shells = p.table.Shells(o.tables.b0Threshold)
	return nil
}

// bvalueOf is the b-value of a volume, NaN if it is not known.
func (p *runPlan) bvalueOf(volume int) float64 {
	if p.table == nil {
		return math.NaN()
	}
	return p.table.BVals[volume]
}

// readHeaders opens the image, the mask and the noise map far enough to know that they fit together.
func (p *runPlan) readHeaders() error {
	reader, err := nifti.Open(p.options.input)
	if err != nil {
		return err
	}
	defer reader.Close()
	p.header = reader.Header()
	p.warnings = append(p.warnings, reader.Warnings()...)
	p.headerWarnings = len(p.warnings)
	if _, _, _, nt := p.header.Shape(); nt < 2 {
		return badInputHint("give the 4-D series", "%s: a single volume: there is nothing to denoise across volumes", p.options.input)
	}
	for _, other := range []struct{ flag, file string }{{"--mask", p.options.mask}, {"--noise-in", p.options.noiseFile}} {
		if other.file == "" {
			continue
		}
		header, err := nifti.ReadHeader(other.file)
		if err != nil {
			return err
		}
		if err := p.sameGrid(other.flag, other.file, header); err != nil {
			return err
		}
	}
	return nil
}

// sameGrid refuses a mask or noise map on another matrix, and warns of one that lies elsewhere in the scanner.
func (p *runPlan) sameGrid(flag, file string, header *nifti.Header) error {
	nx, ny, nz, _ := p.header.Shape()
	mx, my, mz, mt := header.Shape()
	if mx != nx || my != ny || mz != nz || mt != 1 {
		return badInputHint("resample it to the scan, or make it from the scan itself",
			"%s %s: its matrix is %dx%dx%d with %d volumes, the scan's is %dx%dx%d", flag, file, mx, my, mz, mt, nx, ny, nz)
	}
	a, orientationA := p.header.Affine()
	b, orientationB := header.Affine()
	if orientationA == nifti.NoOrientation || orientationB == nifti.NoOrientation {
		return nil
	}
	for _, corner := range [][3]int{{0, 0, 0}, {nx - 1, 0, 0}, {0, ny - 1, 0}, {0, 0, nz - 1}} {
		if apart := distance(a, b, corner); apart > 0.5*smallestEdge(p.header) {
			p.warnings = append(p.warnings, fmt.Sprintf("%s %s lies %.1f mm from the scan according to the headers; used voxel by voxel all the same", flag, file, apart))
			return nil
		}
	}
	return nil
}

func (p *runPlan) inputs() []string {
	var files gradients.Files
	if p.table != nil {
		files = p.table.Files
	}
	var out []string
	names := []string{p.options.input, p.options.mask, p.options.noiseFile, p.options.model, files.BVal, files.BVec, files.Grad, p.sidecarIn}
	for _, name := range append(names, p.options.impute.files()...) {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// outputs lists every file that will be written, the image last.
func (p *runPlan) outputs() []string {
	var out []string
	for _, name := range []string{p.bval, p.bvec, p.sidecar, p.noise, p.residual, p.options.guardOut} {
		if name != "" {
			out = append(out, name)
		}
	}
	out = append(out, p.options.impute.outputs(p.image)...)
	out = append(out, p.pictures.all()...)
	return append(out, p.image)
}

// checkSpace looks at the disks of the large outputs and of the scratch file. Their folders must exist.
func (p *runPlan) checkSpace() error {
	if err := p.checkScratchSpace(); err != nil {
		return err
	}
	nx, ny, nz, nt := p.header.Shape()
	bytes := int64(nx) * int64(ny) * int64(nz) * int64(nt) * 4
	for _, name := range []string{p.image, p.residual} {
		if name == "" {
			continue
		}
		if err := checkSpace(name, bytes, freeSpace(filepath.Dir(name))); err != nil {
			return err
		}
	}
	return nil
}

func (p *runPlan) warn(u *ui) {
	for _, w := range p.warnings {
		u.warn("%s", w)
	}
	u.detail("%s; %d threads; about %s of memory%s", strings.Join(p.inputs(), ", "), p.options.threads, formatBytes(p.memory), p.scratchText())
	for _, s := range describeShells(p.shells) {
		u.detail("b %.0f: %d volumes (%s)", s.B, s.Count, ranges(s.Volumes))
	}
}

// planJSON is the machine form of a dry run.
type planJSON struct {
	Inputs      []string    `json:"inputs"`
	Outputs     []string    `json:"outputs"`
	Shape       [4]int      `json:"shape"`
	Shells      []shellInfo `json:"shells"`
	Gridded     bool        `json:"gridded"`
	Threads     int         `json:"threads"`
	MemoryBytes int64       `json:"estimated_memory_bytes"`
	ScratchFile int64       `json:"scratch_file_bytes,omitempty"`
	Warnings    []string    `json:"warnings"`
}

// print is the dry run.
func (p *runPlan) print(u *ui, asJSON bool) error {
	nx, ny, nz, nt := p.header.Shape()
	shells := describeShells(p.shells)
	if asJSON {
		return u.printJSON(planJSON{Inputs: p.inputs(), Outputs: p.outputs(), Shape: [4]int{nx, ny, nz, nt}, Shells: shells,
			Gridded: p.shells.Gridded, Threads: p.options.threads, MemoryBytes: p.memory, ScratchFile: p.scratchBytes(), Warnings: append([]string{}, p.warnings...)})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, name := range p.inputs() {
		fmt.Fprintf(w, "input\t%s\n", name)
	}
	for _, name := range p.outputs() {
		fmt.Fprintf(w, "output\t%s\n", name)
	}
	fmt.Fprintf(w, "matrix\t%d x %d x %d, %d volumes\n", nx, ny, nz, nt)
	fmt.Fprintf(w, "threads\t%d\n", p.options.threads)
	fmt.Fprintf(w, "memory\tabout %s%s\n", formatBytes(p.memory), p.scratchText())
	w.Flush()
	u.print("%s%s", b.String(), shellTable(shells))
	return nil
}

// pictureNames are the files of the QC folder. The report names its own pictures; those of which it is known before the
// work that they will be there are among the outputs of the plan.
type pictureNames struct {
	report   string
	metrics  metricsNames
	strip    string
	noise    string
	montages []montageName
}

// montageName is the before/after/residual picture of one shell.
type montageName struct {
	file  string
	shell gradients.Shell
}

// namePictures plans the pictures: the forward noise strip, the noise map, and a montage for the lowest and the
// highest shell, or for the first volume if there is no table.
func namePictures(dir string, shells gradients.Shells) pictureNames {
	report := filepath.Join(dir, "report.html")
	figures := filepath.Join(dir, figuresFolder)
	names := pictureNames{report: report, metrics: nameMetrics(filepath.Join(dir, "metrics")),
		strip: filepath.Join(figures, "noise_strip.png"), noise: filepath.Join(figures, "noise_map.png")}
	if len(shells.All) == 0 { // no table
		names.montages = []montageName{{file: filepath.Join(figures, "before_after_residual_v0.png"), shell: gradients.Shell{Volumes: []int{0}}}}
		return names
	}
	chosen := []gradients.Shell{shells.All[0]}
	if len(shells.All) > 1 {
		chosen = append(chosen, shells.All[len(shells.All)-1])
	}
	for _, shell := range chosen {
		names.montages = append(names.montages, montageName{
			file: filepath.Join(figures, fmt.Sprintf("before_after_residual_%s.png", qc.ShellLabel(shell))), shell: shell})
	}
	return names
}

func (n pictureNames) all() []string {
	if n.strip == "" {
		return nil
	}
	out := append(n.metrics.all(), n.report, n.strip, n.noise)
	for _, m := range n.montages {
		out = append(out, m.file)
	}
	return out
}
