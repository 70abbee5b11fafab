package denoise

import (
	"context"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// Reverse learns the Gaussian prior of a scan and draws from it by the reverse
// process (diffusion.ReverseSDE, steps evaluations) from pure noise at T-1, without
// the measurement: what comes out is a scan that the prior takes for one like it.
// Before every step, and at the end with t = -1, watch is called with x_t and
// E[x₀|x_t] of the volume, over the whole image (0 outside the mask), both of unit
// signal variance; the slices are valid during the call. Options.Sampler and
// Imputing do not count. The mask may leave out slices that are not looked at.
func Reverse(ctx context.Context, im *nifti.Image, table *gradients.Table, volume, steps int, o Options, watch func(t float64, xt, clean []float32)) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	nx, ny, nz, nt := im.Dims()
	if err := o.check(nx, ny, nz); err != nil {
		return err
	}
	if nt < 2 {
		return ErrSingleVolume
	}
	o.Reload = nil
	p := &pipeline{o: o, im: im, table: table}
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if p.scale, err = prior.NewScaling(o.Schedule, p.y); err != nil {
		return err
	}
	p.scale.Start(p.y.Values)
	g, err := p.choosePrior(ctx, prior.GaussianOptions{Extent: o.Extent, Noise: p.level, Threads: o.Threads})
	if err != nil {
		return err
	}
	if err := fit(ctx, g, p.y.Values); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(o.Seed, samplerStream))
	x := p.y.Values // the measurement is not needed any more
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	w := &watched{Denoiser: g, y: p.y, volume: volume, watch: watch, xt: make([]float32, nx*ny*nz), clean: make([]float32, nx*ny*nz)}
	progress := func(done, total int) { o.Progress(StageDenoise, done, total) }
	last := float64(o.Schedule.T() - 1)
	if err := diffusion.ReverseSDE(ctx, o.Schedule, w, x, x, last, diffusion.SamplerOptions{Steps: steps, Progress: progress}, rng); err != nil {
		return err
	}
	if w.last >= 0 { // the sampler may have looked at the end itself
		w.show(-1, x, x)
	}
	return nil
}

// watched is a denoiser that shows one volume of what it is asked and answers.
type watched struct {
	diffusion.Denoiser
	y         *signals.Signals // for its grid
	volume    int
	watch     func(t float64, xt, clean []float32)
	xt, clean []float32
	last      float64 // t that was shown last
}

// PosteriorMean asks the denoiser and shows.
func (w *watched) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	if err := w.Denoiser.PosteriorMean(ctx, dst, xt, t); err != nil {
		return err
	}
	w.show(t, xt, dst)
	return nil
}

func (w *watched) show(t float64, xt, clean []float32) {
	for r, v := range w.y.Grid.Voxel {
		w.xt[v], w.clean[v] = xt[r*w.y.D+w.volume], clean[r*w.y.D+w.volume]
	}
	w.last = t
	w.watch(t, w.xt, w.clean)
}
