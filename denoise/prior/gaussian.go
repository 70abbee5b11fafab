package prior

import (
	"context"
	"errors"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// GaussianOptions set the blocks of a [Gaussian]. The zero value is the
// default.
type GaussianOptions struct {
	Extent   [3]int // block size in voxels, odd; 0 means 5×5×5
	Stride   int    // distance between block centres in voxels; 0 means 2
	Threads  int    // 0 means one per core
	Progress func(done, total int)
}

func (o GaussianOptions) withDefaults() GaussianOptions {
	if o.Extent == [3]int{} {
		o.Extent = [3]int{5, 5, 5}
	}
	if o.Stride == 0 {
		o.Stride = 2
	}
	return o
}

// Gaussian is a local Gaussian prior over the directions: within each of many
// overlapping blocks the signals are a Gaussian whose mean and covariance are
// learned from the noisy block itself, by optimal shrinkage of its singular
// values at known noise (Gavish and Donoho 2017), and whose mean in turn has
// the whole scan's Gaussian as its prior. Block estimates are averaged with
// weights that fall with the rank of the block.
//
// It implements diffusion.Denoiser on values of unit signal variance, rows ×
// volumes. Without [Gaussian.Fit], every evaluation learns the blocks from the
// x_t it is given, at that noise level, and keeps nothing: the cheap way to the
// posterior mean of a measurement. After Fit, the blocks learned from the
// measurement are kept and serve every noise level, as samplers need.
//
// A Gaussian may not be evaluated from several goroutines at once; it uses
// GaussianOptions.Threads of its own.
type Gaussian struct {
	grid   *signals.Grid
	d      int
	scale  Scaling
	o      GaussianOptions
	tiling signals.Tiling
	blocks []*localGaussian // by block index; nil before Fit
}

// NewGaussian makes the prior for signals on a grid with d volumes.
func NewGaussian(grid *signals.Grid, d int, scale Scaling, o GaussianOptions) *Gaussian {
	o = o.withDefaults()
	return &Gaussian{grid: grid, d: d, scale: scale, o: o, tiling: signals.Tiling{Extent: o.Extent, Stride: o.Stride}}
}

// Fit learns the local Gaussians from x at the timestep t* of the measurement
// and keeps them. They take about blocks × volumes × rank × 4 bytes.
func (g *Gaussian) Fit(ctx context.Context, xt []float32) error {
	g.blocks = nil
	kept := make([]*localGaussian, g.tiling.Len(g.grid))
	err := g.sweep(ctx, xt, g.scale.T, func(w *blockWork, b *signals.Block, f, sigma float64) error {
		if err := w.learn(xt, b, f, sigma); err != nil {
			return err
		}
		kept[b.Index] = w.keep()
		return nil
	})
	if err != nil {
		return err
	}
	g.blocks = kept
	return nil
}

// PosteriorMean writes E[x₀ | x_t] under the prior into dst (rows × volumes,
// unit signal variance). dst and xt must not overlap. At t = -1 the answer is
// x_t. Signals that are not finite are an error.
func (g *Gaussian) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	if len(dst) != len(xt) || len(xt) != g.grid.Len()*g.d {
		panic("prior: signals do not match the grid")
	}
	if g.scale.Schedule.Sigma(t) == 0 {
		copy(dst, xt)
		return ctx.Err()
	}
	clear(dst)
	weight := make([]float32, g.grid.Len())
	err := g.sweep(ctx, xt, t, func(w *blockWork, b *signals.Block, f, sigma float64) error {
		if g.blocks != nil {
			w.recall(g.blocks[b.Index], xt, b, f, sigma)
		} else if err := w.learn(xt, b, f, sigma); err != nil {
			return err
		}
		w.estimate(b)
		w.add(dst, weight, b)
		return nil
	})
	if err != nil {
		return err
	}
	unit := 1 / g.scale.Scale
	for r, w := range weight {
		inverse := float32(unit / float64(w))
		row := dst[r*g.d : (r+1)*g.d]
		for i := range row {
			row[i] *= inverse
		}
	}
	return nil
}

// errDecomposition reports a block whose eigenvalues did not converge, which
// only non-finite input can cause.
var errDecomposition = errors.New("prior: a block's eigenvalues did not converge: non-finite signals")

// sweep prepares the whole scan's Gaussian and visits every block with a
// worker's scratch. f turns xt into stabilised measurements with noise sigma.
func (g *Gaussian) sweep(ctx context.Context, xt []float32, t float64, visit func(w *blockWork, b *signals.Block, f, sigma float64) error) error {
	f, sigma := g.scale.Measured(t)
	whole, err := wholeScan(ctx, xt, g.d, f, sigma, g.o.Threads)
	if err != nil {
		return err
	}
	work := make([]*blockWork, signals.Threads(g.o.Threads))
	return g.tiling.Each(ctx, g.grid, g.o.Threads, g.o.Progress, func(worker int, b *signals.Block) error {
		if work[worker] == nil {
			work[worker] = newBlockWork(g.d, g.o.Extent, whole)
		}
		return visit(work[worker], b, f, sigma)
	})
}
