package denoise

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Result is what a run made.
type Result struct {
	Denoised   *nifti.Image // on the grid and with the header of the input
	Sigma      *nifti.Image // noise map, one volume; 0 where nothing was denoised
	Mask       []bool       // voxels that were denoised
	Foreground []bool       // voxels that statistics were taken on
	Flagged    *nifti.Image // per voxel, the number of values that were changed by more than noise explains (GuardSummary), one volume
	Schedule   diffusion.Schedule
	Summary    Summary
	Imputed    *Imputed // what was made without measurements; never nil
}

// Run denoises a scan of at least two volumes. The image is not changed. table
// may be nil: then the summary has no shells. Errors wrap the sentinels of this
// package and of the rooms below, or ctx's.
func Run(ctx context.Context, im *nifti.Image, table *gradients.Table, o Options) (*Result, error) {
	fastblas.Register()
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	nx, ny, nz, nt := im.Dims()
	if err := o.check(nx, ny, nz); err != nil {
		return nil, err
	}
	if nt < 2 {
		return nil, ErrSingleVolume
	}
	if table != nil {
		if err := table.Check(nt); err != nil {
			return nil, err
		}
	}
	return runImputing(ctx, im, table, o)
}

// pipeline carries one run from step to step.
type pipeline struct {
	o         Options
	level     []float64 // per volume: noise variance relative to a measurement's, nil means 1
	im        *nifti.Image
	table     *gradients.Table
	chosen    selection
	magnitude bool
	warnings  []string
	sigma     []float32 // per row
	noise     *noise.Map
	y         *signals.Signals
	scale     prior.Scaling
	prior     PriorSummary
}

func (p *pipeline) run(ctx context.Context) (*Result, error) {
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	clean, err := p.denoise(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.restore(ctx, clean); err != nil {
		return nil, err
	}
	return p.result(ctx, clean)
}

// letGo drops the voxels of an image that can be read again, and returns their
// memory before what comes next needs as much.
func (p *pipeline) letGo() {
	if p.o.Reload != nil {
		p.im.Data = nil
		debug.FreeOSMemory()
	}
}

// takeBack reads the image's voxels again.
func (p *pipeline) takeBack(ctx context.Context) error {
	if p.o.Reload == nil {
		return nil
	}
	again, err := p.o.Reload(ctx)
	if err != nil {
		return fmt.Errorf("denoise: the image cannot be read again: %w", err)
	}
	nx, ny, nz, nt := again.Dims()
	if g := p.y.Grid; nx != g.NX || ny != g.NY || nz != g.NZ || nt != p.y.D {
		return fmt.Errorf("%w: the image changed while it was denoised", ErrMismatch)
	}
	p.im.Data = again.Data
	return nil
}

// measureNoise fills sigma: given map, given level, or measured.
func (p *pipeline) measureNoise(ctx context.Context) error {
	g := p.y.Grid
	p.o.Progress(StageNoise, 0, 1)
	defer p.o.Progress(StageNoise, 1, 1)
	p.sigma = make([]float32, g.Len())
	switch {
	case p.o.NoiseMap != nil:
		for r, v := range g.Voxel {
			s := p.o.NoiseMap[v]
			if !finitePositive(s) {
				x, y, z := g.At(r)
				return fmt.Errorf("%w: noise map is %v at voxel (%d, %d, %d), which is to be denoised", ErrInvalidNoise, s, x, y, z)
			}
			p.sigma[r] = s
		}
	case p.o.NoiseLevel > 0:
		for r := range p.sigma {
			p.sigma[r] = float32(p.o.NoiseLevel)
		}
	default:
		m, err := noise.Estimate(ctx, p.y, rowsOf(g, p.chosen.foreground), noise.Options{Magnitude: p.magnitude, Threads: p.o.Threads})
		if err != nil {
			return err
		}
		p.sigma, p.noise = m.Sigma, m
		p.o.Logger.Info("noise map measured", "components", m.Components, "of", m.Volumes, "signal components", m.Signal)
	}
	return nil
}

// divide takes the signals into the stabilised domain.
func (p *pipeline) divide(ctx context.Context) {
	p.eachRow(ctx, func(r int, row []float32) {
		inverse := 1 / p.sigma[r]
		for i := range row {
			row[i] *= inverse
		}
	}, p.y)
}

// floorRows is the number of voxels that tell how near the floor a volume is.
const floorRows = 5000

// atTheFloor lowers the level of noise of every volume of a magnitude by what is
// lost near the floor, on average over the foreground (Koay and Basser 2006).
func (p *pipeline) atTheFloor() {
	if !p.magnitude {
		return
	}
	within := rowsOf(p.y.Grid, p.chosen.foreground)
	var rows []int
	for r, in := range within {
		if in {
			rows = append(rows, r)
		}
	}
	step := max(len(rows)/floorRows, 1)
	sum, n := make([]float64, p.y.D), 0.0
	for j := 0; j < len(rows); j += step {
		for i, y := range p.y.Row(rows[j]) {
			sum[i] += float64(noise.VarianceAtMean(y))
		}
		n++
	}
	if n == 0 {
		return
	}
	for i := range sum {
		sum[i] /= n
		if p.level != nil {
			sum[i] *= p.level[i]
		}
	}
	p.level = sum
}

// denoise runs the diffusion model from the noise-matched start.
func (p *pipeline) denoise(ctx context.Context) (*signals.Signals, error) {
	var err error
	if p.scale, err = prior.NewScaling(p.o.Schedule, p.y); err != nil {
		return nil, err
	}
	p.o.Logger.Info("noise matched", "timestep", p.scale.T, "of", p.o.Schedule.T(), "signal sd / sigma", p.scale.Scale)
	p.scale.Start(p.y.Values)
	clean := p.y // the posterior mean takes the place of the measurement, of which the image still is a copy
	if p.o.Sampler != Mean {
		if clean, err = signals.NewOn(p.o.Arrays, p.y.Grid, p.y.D); err != nil {
			return nil, err
		}
	}
	progress := func(done, total int) { p.o.Progress(StageDenoise, done, total) }
	coefficients := signals.Recycle(p.o.Arrays)
	defer coefficients.Close()
	options := prior.GaussianOptions{Extent: p.o.Extent, Noise: p.level, Threads: p.o.Threads, Arrays: coefficients}
	if p.o.Sampler == Mean {
		options.Progress = progress
	}
	g, err := p.choosePrior(ctx, options)
	if err != nil {
		return nil, err
	}
	if p.o.Sampler == Mean {
		err = diffusion.PosteriorMean(ctx, g, clean.Values, p.y.Values, p.scale.T)
	} else if err = fit(ctx, g, p.y.Values); err == nil {
		err = p.sample(ctx, g, clean.Values, progress)
	}
	if err != nil {
		return nil, err
	}
	p.scale.Finish(clean.Values)
	return clean, nil
}

// fit has a Gaussian prior keep what it learns from the measurement; the learned
// one learns at every step.
func fit(ctx context.Context, d diffusion.Denoiser, xt []float32) error {
	if g, ok := d.(*prior.Gaussian); ok {
		return g.Fit(ctx, xt)
	}
	return nil
}

// sample runs the chosen reverse process.
func (p *pipeline) sample(ctx context.Context, d diffusion.Denoiser, dst []float32, progress func(done, total int)) error {
	o := diffusion.SamplerOptions{Steps: p.o.samplerSteps(), Progress: progress}
	rng := rand.New(rand.NewPCG(p.o.Seed, samplerStream))
	switch p.o.Sampler {
	case Ancestral:
		return diffusion.Ancestral(ctx, p.o.Schedule, d, dst, p.y.Values, p.scale.T, o, rng)
	case SDE:
		return diffusion.ReverseSDE(ctx, p.o.Schedule, d, dst, p.y.Values, p.scale.T, o, rng)
	case DDIM:
		return diffusion.DDIM(ctx, p.o.Schedule, d, dst, p.y.Values, p.scale.T, o, rng)
	default:
		panic("denoise: unknown sampler")
	}
}

// samplerStream separates the samplers' random numbers from other uses of a seed.
const samplerStream = 0x9e3779b97f4a7c15

// restore takes clean signals back to the intensities of the scan, without the
// bias of the magnitude.
func (p *pipeline) restore(ctx context.Context, clean *signals.Signals) error {
	told := p.magnitude && p.o.Sampler == Mean // a sample is no mean
	if told {
		if err := prior.Amplitudes(ctx, clean.Values, p.y.D, rowsOf(p.y.Grid, p.chosen.foreground), p.o.Threads); err != nil {
			return err
		}
	}
	p.eachRow(ctx, func(r int, row []float32) {
		sigma := p.sigma[r]
		for i, v := range row {
			if p.magnitude && !told {
				v = noise.AmplitudeOfMean(v)
			}
			row[i] = v * sigma
		}
	}, clean)
	return ctx.Err()
}

// eachRow applies f to every row. A cancelled ctx stops it early; the next
// step then reports it.
func (p *pipeline) eachRow(ctx context.Context, f func(r int, row []float32), s *signals.Signals) {
	_ = signals.EachRange(ctx, s.Len(), 1024, p.o.Threads, func(_, from, to int) error {
		for r := from; r < to; r++ {
			f(r, s.Row(r))
		}
		return nil
	})
}

// result puts images and figures together. The rows go before the image comes
// back.
func (p *pipeline) result(ctx context.Context, clean *signals.Signals) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // coefficients that are not needed any more make room for the output, which is larger than any of them
	out := &Result{
		Denoised: p.im.Like(p.y.D), Sigma: p.im.Header.NewImage(1),
		Mask: p.chosen.keep, Foreground: p.chosen.foreground, Schedule: p.o.Schedule,
	}
	// The display window still fits: denoising keeps the intensities.
	out.Denoised.Header.CalMin, out.Denoised.Header.CalMax = p.im.Header.CalMin, p.im.Header.CalMax
	if err := clean.Scatter(ctx, out.Denoised.Voxels(), p.o.Threads); err != nil {
		return nil, err
	}
	p.o.Arrays.Free(clean.Values)
	p.o.Arrays.Free(p.y.Values)
	clean.Values, p.y.Values = nil, nil
	if err := p.takeBack(ctx); err != nil {
		return nil, err
	}
	p.fillOutside(out.Denoised)
	p.y.Grid.Expand(out.Sigma.Voxels(), p.sigma)
	out.Summary = p.summarise(out.Denoised)
	var err error
	out.Summary.Guard, out.Flagged, err = p.guard(ctx, out.Denoised)
	out.Summary.Warnings = p.warnings
	return out, err
}

// fillOutside writes the voxels that were not denoised: copied from the input,
// 0 outside a given mask.
func (p *pipeline) fillOutside(out *nifti.Image) {
	_, _, _, nt := p.im.Dims()
	for n := range nt {
		from, to := p.im.Volume(n), out.Volume(n)
		for v, keep := range p.chosen.keep {
			if keep || p.o.Mask != nil && !p.o.Mask[v] {
				continue
			}
			if x := from[v]; x-x == 0 || !p.o.ZeroNaN {
				to[v] = x
			}
		}
	}
}
