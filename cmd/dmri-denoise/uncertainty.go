package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
	"github.com/dmri-denoise/dmri-denoise/qc"
)

const uncertaintyDescription = `Denoises a scan, draws from what is left open about it, and measures every draw: joint samples of the clean signal over all volumes of a voxel, with the error that the estimate has. Its covariance is found without truth, by Stein's formula, from a second denoising with a small probe added. The spread over the draws is the uncertainty.

Written, with PREFIX: _std (standard deviation of every volume), _fa, _fa_std, _md, _md_std (weighted least squares tensors, volumes up to b = 1500), _fod (mean fibre orientation distribution in MRtrix's spherical harmonics, scanner axes), _peaks (up to three peaks of it, x y z times amplitude), _cone (degrees; the true direction is this close to the peak with 95 % probability), _dispersion, _npeaks (probability of 1, of 2, of 3 peaks or more), each .nii.gz with .json, and the page PREFIX_qc/report.html. Distributions are fitted on the highest shell with 28 directions or more, to order 8 or what the table supports, by constrained deconvolution of a response estimated from the scan. Lost slices are not replaced: repair them with impute first.

EXAMPLES
   dmri-denoise uncertainty dwi.nii.gz unc --samples 32
   dmri-denoise uncertainty dwi.nii.gz unc --mask brain.nii.gz --no-fod
   mrview unc_fa.nii.gz -odf.load_sh unc_fod.nii.gz

REFERENCES
   Stein 1981, Estimation of the mean of a multivariate normal distribution, Ann Stat 9:1135 (error without truth)
   Tournier, Calamante & Connelly 2007, Robust determination of the fibre orientation distribution in diffusion MRI, NeuroImage 35:1459
   Tournier, Calamante & Connelly 2013, Determination of the appropriate b value and number of gradient directions, NMR Biomed 26:1775 (response)
`

type uncertaintyOptions struct {
	run     runOptions
	prefix  string
	samples int
	noFOD   bool
}

// drawFlags are those of commands that take posterior draws.
func drawFlags() []cli.Flag {
	const input, output, machine = "input", "outputs", "machine and messages"
	return append(tableFlagSet(input),
		&cli.StringFlag{Name: "mask", Category: input, Usage: "voxels above zero in `FILE` take part; without it air is told from head by the intensities"},
		&cli.StringFlag{Name: "noise-in", Category: input, Usage: "noise standard deviation, `FILE|NUMBER`; estimated from the scan if not given"},
		&cli.StringFlag{Name: "rician", Category: input, Value: "auto", Usage: "remove the bias of magnitude images: `auto|on|off`"},
		&cli.StringFlag{Name: "prior", Category: input, Value: "fast", Usage: "prior of the clean signals whose posterior is drawn from: `fast|auto|gaussian|soft|local|learned`, as for run"},
		modelFlag(input),
		categorised(forceFlag(), output), categorised(seedFlag("`SEED` of the draws"), output),
		&cli.IntFlag{Name: "nthreads", Aliases: []string{"threads"}, Category: machine, Usage: "threads, `N` (default as for run)"},
		categorised(quietFlag(), machine), categorised(verboseFlag(), machine),
	)
}

// drawOptionsFrom reads what they share, for one input and one output image.
func drawOptionsFrom(c *cli.Context, input, output string) (runOptions, error) {
	o := runOptions{
		tables: tableFlagsFrom(c), mask: c.String("mask"), nan: "keep", prior: c.String("prior"), model: c.String("model"), sampler: "mean", rician: c.String("rician"),
		seed: c.Uint64("seed"), force: c.Bool("force"), input: input, output: output,
	}
	o.considerModel(c)
	var err error
	if o.impute, err = imputeFlagsFrom(c, "off", "impute"); err != nil {
		return o, err
	}
	if err := o.takeNoise(c.String("noise-in")); err != nil {
		return o, err
	}
	if o.threads, err = threadCount(c.Int("nthreads"), c.IsSet("nthreads"), os.Getenv); err != nil {
		return o, err
	}
	if o.schedule, err = diffusion.Cosine(defaultTimesteps); err != nil {
		return o, err
	}
	return o, o.validate()
}

func newUncertaintyCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name: "uncertainty", Usage: "uncertainty of signals, tensors and fibre orientations", ArgsUsage: "IN.nii.gz PREFIX",
		Description: uncertaintyDescription,
		Flags: append(drawFlags(),
			&cli.IntFlag{Name: "samples", Value: 32, Category: "outputs", Usage: "draws of every voxel, `N` from 2 to 1000"},
			&cli.BoolFlag{Name: "no-fod", Category: "outputs", Usage: "no fibre orientations"},
		),
		Action: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usageHint("dmri-denoise uncertainty dwi.nii.gz unc", "uncertainty takes an image and a prefix, %d names given", c.NArg())
			}
			o := uncertaintyOptions{prefix: c.Args().Get(1), samples: c.Int("samples"), noFOD: c.Bool("no-fod")}
			if o.samples < 2 || o.samples > 1000 {
				return usagef("--samples %d: must be from 2 to 1000", o.samples)
			}
			var err error
			if o.run, err = drawOptionsFrom(c, c.Args().First(), o.prefix+"_std.nii.gz"); err != nil {
				return err
			}
			return o.do(c.Context, u)
		},
	}
}

// drawn is a scan with its posterior.
type drawn struct {
	scan       *scan
	table      *gradients.Table
	result     *denoise.Result
	posterior  *posterior.Posterior // nil once letGo
	grid       *signals.Grid
	components int
	csd        *orientation.CSD // nil with --no-fod
	widening   orientation.Widening
}

// scannerTable returns the table in scanner axes.
func (d *drawn) scannerTable() *gradients.Table {
	affine, _ := d.scan.image.Header.Affine()
	return d.table.ToScanner(affine)
}

// letGo drops the estimate and what is drawn from: maps and page need them no longer.
func (d *drawn) letGo() { d.posterior, d.result.Denoised = nil, nil }

// takeDraws reads and denoises a scan and calibrates its posterior. It needs a table.
// Checks of the table come before any work; calibrated is called while gauges of the posterior can be read.
func takeDraws(ctx context.Context, u *ui, bar *progress, o runOptions, outputs []string, calibrated func(*drawn) error, checks ...func(*gradients.Table) error) (*drawn, error) {
	plan := &runPlan{options: o}
	if err := plan.readHeaders(); err != nil {
		return nil, err
	}
	if o.tables.absent(o.input) {
		return nil, badInputHint("name it with --bval FILE --bvec FILE, or --grad FILE", "%s: no gradient table beside it", o.input)
	}
	_, _, _, nt := plan.header.Shape()
	if err := plan.readTable(nt); err != nil {
		return nil, err
	}
	for _, check := range checks {
		if err := check(plan.table); err != nil {
			return nil, err
		}
	}
	if err := checkOutputs(outputs, plan.inputs(), o.force); err != nil {
		return nil, err
	}
	if err := plan.checkDrawMemory(); err != nil {
		return nil, err
	}
	plan.warn(u)
	limitMachine(o.threads, plan)
	s, err := loadScan(ctx, u, o, plan, "")
	if err != nil {
		return nil, err
	}
	settings := denoise.Options{
		Mask: s.mask, NoiseLevel: o.noiseNumber, Rician: ricianModes[o.rician], Prior: priors[o.prior], Schedule: o.schedule, Seed: o.seed, Threads: o.threads,
		B0Threshold: o.tables.b0Threshold, Logger: u.logger(), Progress: func(stage denoise.Stage, done, total int) { bar.report(string(stage), done, total) },
	}
	if o.model != "" {
		models, err := readModel(o.model)
		if err != nil {
			return nil, err
		}
		settings.Model = models.Learned
	}
	debug.SetGCPercent(heapGrowthLarge) // three images of the scan's size are in use
	settings.Reload = func(ctx context.Context) (*nifti.Image, error) {
		debug.FreeOSMemory()
		defer debug.FreeOSMemory() // what reading took
		return nifti.ReadImage(ctx, o.input, nifti.ReadOptions{})
	}
	if settings.B0Threshold == 0 {
		settings.B0Threshold = math.SmallestNonzeroFloat64
	}
	if s.sigma != nil {
		settings.NoiseMap = s.sigma.Volume(0)
	}
	d := &drawn{scan: s, table: plan.table}
	settings.Calibrated = func(r *denoise.Result, p *posterior.Posterior) error {
		d.result, d.posterior, d.grid, d.components = r, p, p.Grid, p.K
		return calibrated(d)
	}
	if _, _, err := denoise.Draws(ctx, s.image, plan.table, settings); err != nil {
		return nil, explainDenoise(o, err)
	}
	return d, nil
}

// names lists the images in the order in which they are written.
func (o uncertaintyOptions) names() []string {
	list := []string{"fa", "fa_std", "md", "md_std"}
	if !o.noFOD {
		list = append(list, "fod", "peaks", "cone", "dispersion", "npeaks")
	}
	return append(list, "std")
}

func (o uncertaintyOptions) outputs() []string {
	var out []string
	for _, n := range o.names() {
		out = append(out, o.prefix+"_"+n+".json", o.prefix+"_"+n+".nii.gz")
	}
	return append(out, filepath.Join(o.prefix+"_qc", "report.html"))
}

func (o uncertaintyOptions) do(ctx context.Context, u *ui) error {
	files := newOutputs(o.run.force)
	defer files.discard()
	bar := newProgress(u)
	defer bar.finish()
	d, err := takeDraws(ctx, u, bar, o.run, o.outputs(), func(d *drawn) error { return o.prepareFibres(ctx, d) }, o.checkTable)
	if err != nil {
		return err
	}
	d.scan.image.Data = nil // its header is all that is wanted from here on
	c, table := d.csd, d.scannerTable()
	maps, err := orientation.Estimate(ctx, func() orientation.Source { return d.posterior.NewDrawer() }, d.posterior.Grid.Len(), table, c, orientation.Options{
		Samples: o.samples, Widening: d.widening.Factor, Threads: o.run.threads, Progress: func(done, total int) { bar.report("draws", done, total) },
	})
	if err != nil {
		return err
	}
	d.letGo()
	if err := o.write(ctx, files, d, maps, c); err != nil {
		return err
	}
	if err := files.commit(); err != nil {
		return err
	}
	bar.finish()
	u.say("wrote %s_*.nii.gz and %s: %d draws of %d voxels", o.prefix, filepath.Join(o.prefix+"_qc", "report.html"), o.samples, d.grid.Len())
	return nil
}

// checkTable refuses a table from which no tensor, or no distribution, follows.
func (o uncertaintyOptions) checkTable(t *gradients.Table) error {
	if !orientation.NewTensor(t).Determined() {
		return badInputHint("a scan needs volumes of two b-values, one of them best 0, and six directions", "%s: no tensor follows from its gradient table", o.run.input)
	}
	if o.noFOD {
		return nil
	}
	_, err := orientation.ChooseShell(t, o.run.tables.b0Threshold)
	return o.explain(err)
}

func (o uncertaintyOptions) explain(err error) error {
	if errors.Is(err, orientation.ErrFewDirections) || errors.Is(err, orientation.ErrNoResponse) {
		return badInputHint("--no-fod leaves fibre orientations out", "%s: %w", o.run.input, err)
	}
	return err
}

// prepareFibres estimates the response, prepares the distributions and measures by what
// cones are to be widened; with --no-fod there are none.
func (o uncertaintyOptions) prepareFibres(ctx context.Context, d *drawn) error {
	if o.noFOD {
		return nil
	}
	table := d.scannerTable()
	shell, err := orientation.ChooseShell(table, o.run.tables.b0Threshold)
	if err != nil {
		return o.explain(err)
	}
	var rows []int
	for r, v := range d.posterior.Grid.Voxel {
		if d.result.Foreground[v] {
			rows = append(rows, r)
		}
	}
	read := func() orientation.Reader { return d.posterior.NewDrawer().Mean }
	response, err := orientation.EstimateResponse(ctx, read, rows, table, shell, o.run.threads)
	if err != nil {
		return o.explain(err)
	}
	if d.csd, err = orientation.NewCSD(table, shell, response); err != nil {
		return o.explain(err)
	}
	d.widening, err = orientation.MeasureWidening(ctx, func() orientation.Gauge { return d.posterior.NewGauge() }, rows, d.csd, o.run.threads)
	return err
}

// write stages every image, its sidecar before it, and the page.
func (o uncertaintyOptions) write(ctx context.Context, files *outputs, d *drawn, m *orientation.Maps, c *orientation.CSD) error {
	join := func(parts [orientation.MostPeaks][]float32) []float32 {
		var out []float32
		for r := range parts[0] {
			out = append(out, parts[0][r], parts[1][r], parts[2][r])
		}
		return out
	}
	values := map[string][]float32{"std": m.Deviation, "fa": m.FA, "fa_std": m.FADev, "md": m.MD, "md_std": m.MDDev}
	text := map[string]string{
		"std": "standard deviation of the clean signal of every volume", "fa": "fractional anisotropy, mean over draws", "fa_std": "fractional anisotropy, standard deviation over draws",
		"md": "mean diffusivity in mm²/s, mean over draws", "md_std": "mean diffusivity in mm²/s, standard deviation over draws",
		"fod": "mean fibre orientation distribution, real spherical harmonics in MRtrix's order and basis, scanner axes", "peaks": "peaks of the mean distribution, x y z times amplitude, scanner axes",
		"cone": "degrees; the peak is this close to the true direction with 95 % probability", "dispersion": "1 - largest eigenvalue of the mean dyadic tensor of each peak", "npeaks": "probability of 1, of 2, of 3 peaks or more",
	}
	if c != nil {
		values["fod"], values["peaks"] = m.FOD, m.Peaks
		values["cone"], values["dispersion"], values["npeaks"] = join(m.Cone), join(m.Dispersion), join(m.Probability)
	}
	page, err := o.page(d, m, c)
	if err != nil {
		return err
	}
	var html bytes.Buffer
	if err := page.Write(&html); err != nil {
		return err
	}
	if err := files.write(filepath.Join(o.prefix+"_qc", "report.html"), html.Bytes()); err != nil {
		return err
	}
	g := d.grid
	*m = orientation.Maps{} // the images are as large as the scan, one at a time
	for _, name := range o.names() {
		sidecar := map[string]any{
			"Description": text[name], "Samples": o.samples, "RandomSeed": o.run.seed, "Sources": []string{filepath.Base(o.run.input)},
			"SoftwareName": programName, "SoftwareVersion": programVersion(), "DenoiseSummary": d.result.Summary,
		}
		if c != nil {
			sidecar["CSD"] = map[string]any{"Shell": c.Shell.B, "Order": c.Shell.Order, "Response": c.Response}
			sidecar["ConeWidening"] = map[string]any{"Factor": d.widening.Factor, "VarianceRatio": d.widening.Ratio, "VarianceRatioError": d.widening.Error, "Peaks": d.widening.Peaks}
		}
		data, err := encodeJSON(sidecar)
		if err != nil {
			return err
		}
		if err := files.write(o.prefix+"_"+name+".json", data); err != nil {
			return err
		}
		n := len(values[name]) / g.Len()
		im := d.scan.image.Like(n)
		for i := range n {
			volume := im.Volume(i)
			for r, v := range g.Voxel {
				volume[v] = values[name][r*n+i]
			}
		}
		staged, err := files.plan(o.prefix + "_" + name + ".nii.gz")
		if err != nil {
			return err
		}
		delete(values, name)
		if err := im.Write(ctx, staged, nifti.WriteOptions{Threads: o.run.threads}); err != nil {
			return err
		}
	}
	return nil
}

// page makes the page of the maps.
func (o uncertaintyOptions) page(d *drawn, m *orientation.Maps, c *orientation.CSD) (*qc.Page, error) {
	g := d.grid
	size := g.NX * g.NY * g.NZ
	expand := func(values []float32) []float32 {
		out := make([]float32, size)
		g.Expand(out, values)
		return out
	}
	in := qc.OrientationInput{
		Name: filepath.Base(o.run.input), Grid: qc.GridOf(&d.scan.image.Header), Mask: d.result.Foreground, FA: expand(m.FA), FADev: expand(m.FADev),
		Facts: [][2]string{{"draws of each voxel", fmt.Sprint(o.samples)}, {"voxels", fmt.Sprint(g.Len())}, {"components of the error", fmt.Sprint(d.components)}},
	}
	if c == nil {
		return qc.OrientationPage(in)
	}
	in.Facts = append(in.Facts, [2]string{"shell of the orientations", fmt.Sprintf("b = %.0f, %d directions, order %d", c.Shell.B, len(c.Shell.Volumes), c.Shell.Order)})
	affine, _ := d.scan.image.Header.Affine()
	nan := float32(math.NaN())
	for j := range orientation.MostPeaks {
		in.Cones = append(in.Cones, expand(m.Cone[j]))
		peaks := make([][3]float32, size)
		for i := range peaks {
			peaks[i] = [3]float32{nan, nan, nan}
		}
		for r, v := range g.Voxel {
			for a := range 3 { // along voxel axis a: the columns of the affine are unit vectors times the edge
				sum, length := 0.0, 0.0
				for w := range 3 {
					sum += affine[w][a] * float64(m.Peaks[r*9+3*j+w])
					length += affine[w][a] * affine[w][a]
				}
				peaks[v][a] = float32(sum / math.Sqrt(max(length, 1e-12)))
			}
		}
		in.Peaks = append(in.Peaks, peaks)
	}
	return qc.OrientationPage(in)
}
