package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

// pairOptions name a scan before and after any denoiser: what qc report, metrics and montage work on.
type pairOptions struct {
	before, after string
	noiseFile     string
	noiseNumber   float64
	mask          string
	tables        tableFlags
	threads       int
}

func pairFlags() []cli.Flag {
	const input = "input"
	flags := []cli.Flag{
		&cli.StringFlag{Name: "before", Category: input, Usage: "the scan as it was, `FILE`"},
		&cli.StringFlag{Name: "after", Category: input, Usage: "the same scan denoised, by any program, `FILE`"},
		&cli.StringFlag{Name: "noise", Category: input, Usage: "standard deviation of the noise, `FILE|NUMBER` (default AFTER_noise.nii.gz if it is there)"},
		&cli.StringFlag{Name: "mask", Category: input, Usage: "take figures over voxels above zero in `FILE`; without it over the head, found by its intensities"},
	}
	return append(append(flags, tableFlagSet(input)...),
		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Usage: "threads, `N` (default as for run)"})
}

func pairOptionsFrom(c *cli.Context) (pairOptions, error) {
	o := pairOptions{before: c.String("before"), after: c.String("after"), mask: c.String("mask"), tables: tableFlagsFrom(c)}
	const example = "--before dwi.nii.gz --after denoised.nii.gz"
	if c.NArg() > 0 {
		return o, usageHint(example, "images are named by flags, %q is none", c.Args().First())
	}
	if o.before == "" || o.after == "" {
		return o, usageHint(example, "--before and --after are both needed")
	}
	if err := o.takeNoise(c.String("noise")); err != nil {
		return o, err
	}
	var err error
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	if err := o.tables.validate(); err != nil {
		return o, err
	}
	for _, file := range []string{o.before, o.after, o.mask, o.noiseFile} {
		if file == "" {
			continue
		}
		if err := checkInput(file); err != nil {
			return o, err
		}
	}
	if err := o.tables.checkFiles(); err != nil {
		return o, err
	}
	return o, o.checkGrids()
}

// takeNoise reads --noise, or finds the map that run wrote beside its image.
func (o *pairOptions) takeNoise(text string) error {
	if text == "" {
		stem, _ := imageStem(o.after)
		if beside := stem + "_noise.nii.gz"; isPresent(beside) {
			o.noiseFile = beside
		}
		return nil
	}
	var err error
	o.noiseFile, o.noiseNumber, err = noiseOf("noise", text)
	return err
}

// checkGrids refuses images that do not belong together, from their headers alone.
func (o pairOptions) checkGrids() error {
	before, err := nifti.ReadHeader(o.before)
	if err != nil {
		return err
	}
	nx, ny, nz, nt := before.Shape()
	for _, other := range []struct {
		file    string
		volumes int
	}{{o.after, nt}, {o.mask, 1}, {o.noiseFile, 1}} {
		if other.file == "" {
			continue
		}
		header, err := nifti.ReadHeader(other.file)
		if err != nil {
			return err
		}
		if mx, my, mz, mt := header.Shape(); mx != nx || my != ny || mz != nz || mt != other.volumes {
			return badInputHint("give images on one grid: a report compares them voxel by voxel",
				"%s is %dx%dx%d with %d volumes, %s is %dx%dx%d with %d volumes", o.before, nx, ny, nz, nt, other.file, mx, my, mz, mt)
		}
	}
	return nil
}

// pair is what was read.
type pair struct {
	header  *nifti.Header
	outcome qc.Outcome
	known   qc.Known
	method  qc.Method
	// warnings are those that the denoiser noted in its sidecar.
	warnings []string
}

func (o pairOptions) inputs() []string {
	return []string{o.before, o.after, o.mask, o.noiseFile, o.tables.bval, o.tables.bvec, o.tables.grad}
}

// read reads everything, and what the denoiser noted beside its image if it was this program.
func (o pairOptions) read(ctx context.Context, u *ui) (*pair, error) {
	before, err := readWithin(ctx, o.before, arraysShown)
	if err != nil {
		return nil, err
	}
	after, err := readWithin(ctx, o.after, arraysShown)
	if err != nil {
		return nil, err
	}
	p := &pair{header: &before.Header, outcome: qc.Outcome{Grid: qc.GridOf(&before.Header), Before: before.Voxels(), After: after.Voxels()}}
	if o.mask != "" {
		if p.outcome.Mask, err = loadMask(ctx, o.mask); err != nil {
			return nil, err
		}
	}
	switch {
	case o.noiseFile != "":
		sigma, err := readWithin(ctx, o.noiseFile, arraysShown)
		if err != nil {
			return nil, err
		}
		p.outcome.Sigma = sigma.Volume(0)
	case o.noiseNumber > 0:
		p.outcome.Sigma = make([]float32, p.outcome.Grid.Voxels())
		for i := range p.outcome.Sigma {
			p.outcome.Sigma[i] = float32(o.noiseNumber)
		}
	}
	if err := o.readTable(u, p); err != nil {
		return nil, err
	}
	if err := o.readSidecar(p); err != nil {
		return nil, err
	}
	p.leaveOutLost()
	if p.outcome, err = p.outcome.Complete(); err != nil {
		return nil, explainQC(err)
	}
	return p, nil
}

// leaveOutLost puts the output's values into slices that were replaced, as run does: there nothing was removed.
func (p *pair) leaveOutLost() {
	if p.known.Imputed == nil {
		return
	}
	nx, ny, nz, nt := p.header.Shape()
	for _, l := range p.known.Imputed.Lost {
		if l.Volume < 0 || l.Volume >= nt || l.First < 0 || l.Last >= nz {
			continue // of another scan; figures then speak for themselves
		}
		from, to := (l.Volume*nz+l.First)*nx*ny, (l.Volume*nz+l.Last+1)*nx*ny
		copy(p.outcome.Before[from:to], p.outcome.After[from:to])
	}
}

// readTable reads the table named or found beside either image.
func (o pairOptions) readTable(u *ui, p *pair) error {
	image := o.before
	if o.tables.absent(image) {
		if image = o.after; o.tables.absent(image) {
			u.warn("%s: no gradient table beside it and none named: no figures by shell", o.before)
			return nil
		}
	}
	table, err := o.tables.read(image)
	if err != nil {
		return err
	}
	_, _, _, nt := p.header.Shape()
	if err := table.Check(nt); err != nil {
		return err
	}
	for _, w := range table.Warnings {
		u.warn("%s", w)
	}
	p.outcome.Table, p.outcome.Shells = scannerTable(table, p.header), table.Shells(o.tables.b0Threshold)
	return nil
}

// sidecarRecord is what run notes beside its image.
type sidecarRecord struct {
	Summary    *denoise.Summary `json:"DenoiseSummary"`
	Parameters runParameters    `json:"DenoiseParameters"`
	Version    string           `json:"SoftwareVersion"`
}

// readSidecar takes over what this program noted about its own result. Nothing is known of others' results.
func (o pairOptions) readSidecar(p *pair) error {
	stem, _ := imageStem(o.after)
	data, err := os.ReadFile(stem + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return badInput(err)
	}
	var record sidecarRecord
	if json.Unmarshal(data, &record) != nil || record.Summary == nil {
		return nil // another program's, or another kind of record
	}
	schedule, err := diffusion.ByName(record.Summary.Schedule, record.Summary.Timesteps)
	if err != nil {
		return badInputHint("move it away to do without", "%s: %w", stem+".json", err)
	}
	p.known, p.warnings = knownOf(*record.Summary, schedule), record.Summary.Warnings
	p.method = qc.Method{Program: programName, Version: record.Version, Settings: settingsLine(record.Parameters), Sampler: record.Parameters.Sampler,
		Given: record.Summary.Sigma.Source != "measured", Rician: record.Summary.RicianCorrected, Target: len(record.Parameters.Target) > 0}
	return nil
}

// name is what reports and tables call the scan.
func (o pairOptions) name() string {
	stem, _ := imageStem(filepath.Base(o.after))
	return stem
}

// bvalue returns the b-value of a volume, NaN without a table.
func bvalue(t *gradients.Table, volume int) float64 {
	if t == nil {
		return math.NaN()
	}
	return t.BVals[volume]
}
