package prior

import (
	"context"
	"errors"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// GaussianOptions set a [Gaussian]. The zero value is the default.
type GaussianOptions struct {
	Extent [3]int // block size of the first stage in voxels, odd; 0 means 5×5×5
	Stride int    // distance between block centres of the first stage in voxels; 0 means 2
	// Local stops at the first stage, whose blocks know nothing of each other.
	Local bool
	// Soft takes softer weights in the groups, better where weak structure is
	// everywhere: scans of high signal with many components.
	Soft bool
	// Noise is the noise variance of each volume, relative to that of a
	// measurement: below 1 by the share of its values that are predictions and carry none. It
	// counts where the scan's components are told from noise. nil means 1 throughout.
	Noise    []float64
	Threads  int            // 0 means one per core
	Arrays   signals.Arrays // where coefficients of the whole scan are kept; nil means the heap
	Progress func(done, total int)
}

func (o GaussianOptions) withDefaults() GaussianOptions {
	if o.Extent == [3]int{} {
		o.Extent = [3]int{5, 5, 5}
	}
	if o.Stride == 0 {
		o.Stride = 2
	}
	if o.Arrays == nil {
		o.Arrays = signals.Heap{}
	}
	return o
}

// Gaussian is a hierarchical Gaussian prior over the directions and their
// spatial neighbourhood, learned from the noisy scan in stages:
//
//  1. The whole scan: mean, and the principal components above the
//     Marchenko-Pastur edge. The rest of the way is gone in their coefficients.
//  2. Local: overlapping blocks, each a Gaussian by optimal shrinkage of its
//     singular values at known noise (Gavish and Donoho 2017), whose mean in
//     turn has the whole scan's Gaussian as its prior.
//  3. Groups: patches of 3×3×3 voxels that look alike in the estimate before
//     are a Gaussian over all their values at once; three passes.
//  4. The tail, across all components: a linear filter of least risk.
//
// It implements diffusion.Denoiser on values of unit signal variance, rows ×
// volumes. Without [Gaussian.Fit], every evaluation learns from the x_t it is
// given, at that noise level, and keeps nothing: the way to the posterior mean
// of a measurement. After Fit, what was learned from the measurement serves
// every noise level, as samplers need.
//
// A Gaussian may not be evaluated from several goroutines at once; it uses
// GaussianOptions.Threads of its own.
type Gaussian struct {
	grid  *signals.Grid
	d     int
	scale Scaling
	o     GaussianOptions
	model *learned // nil before Fit
}

// NewGaussian makes the prior for signals on a grid with d volumes.
func NewGaussian(grid *signals.Grid, d int, scale Scaling, o GaussianOptions) *Gaussian {
	return &Gaussian{grid: grid, d: d, scale: scale, o: o.withDefaults()}
}

// errDecomposition reports a decomposition that failed, which only non-finite
// input can cause.
var errDecomposition = errors.New("prior: a decomposition failed: non-finite signals")

// Fit learns the prior from x at the timestep t* of the measurement and keeps
// it: rows × K coefficients.
func (g *Gaussian) Fit(ctx context.Context, xt []float32) error {
	g.model = nil
	f, sigma := g.scale.Measured(g.scale.T)
	m, err := g.learn(ctx, xt, f/sigma)
	if err != nil {
		return err
	}
	g.model = m
	return nil
}

// Components returns the number K of the scan's components that stand out of
// the noise; 0 before Fit.
func (g *Gaussian) Components() int {
	if g.model == nil {
		return 0
	}
	return g.model.sub.k
}

// PosteriorMean writes E[x₀ | x_t] under the prior into dst (rows × volumes,
// unit signal variance). dst may be xt. At t = -1 the answer is x_t. Signals
// that are not finite are an error.
func (g *Gaussian) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	if len(dst) != len(xt) || len(xt) != g.grid.Len()*g.d {
		panic("prior: signals do not match the grid")
	}
	if g.scale.Schedule.Sigma(t) == 0 {
		copy(dst, xt)
		return ctx.Err()
	}
	f, sigma := g.scale.Measured(t)
	m, unit := g.model, 1/g.scale.Scale
	if m == nil {
		// Seen in units of the noise, x_t is a measurement like any other.
		var err error
		if m, err = g.learn(ctx, xt, f/sigma); err != nil {
			return err
		}
		defer m.free()
		f, unit, sigma = f/sigma, unit*sigma, 1
	}
	return m.evaluate(ctx, dst, xt, f, sigma, unit)
}

// learned is what was learned from a measurement of unit noise.
type learned struct {
	o     GaussianOptions
	grid  *signals.Grid
	sub   *subspace
	tail  tail
	noisy []float32 // rows × K: the measurement's coefficients, kept where blocks are learned from them
	pilot []float32 // rows × K: the estimate that groups are learned from
	exact bool      // the noise is lost in the rounding of the signals: nothing to take off
}

// faintest is the variance of a scan's strongest component, in units of the
// noise, from which float32 signals no longer resolve the noise.
const faintest = 1e10

// learn goes through the stages for f·x, whose noise has unit variance.
func (g *Gaussian) learn(ctx context.Context, x []float32, f float64) (*learned, error) {
	sub, err := learnSubspace(ctx, x, g.d, f, g.o.Noise, g.o.Threads)
	if err != nil {
		return nil, err
	}
	if _, err := sub.extend(ctx, g.grid, x, float32(f), g.o.Threads); err != nil {
		return nil, err
	}
	m := &learned{o: g.o, grid: g.grid, sub: sub}
	return m, m.refine(ctx, x, f)
}

// refine goes through the stages after the first.
func (m *learned) refine(ctx context.Context, x []float32, f float64) error {
	if m.sub.k > 0 && m.sub.variance[0] > faintest {
		m.exact = true
		return nil
	}
	m.tail = learnTail(m.grid, m.sub, x, float32(f))
	z, err := m.sub.encode(ctx, m.o.Arrays, x, float32(f), m.o.Threads)
	if err != nil {
		return err
	}
	if m.o.Local || m.sub.k == 0 {
		m.noisy = z
		return nil
	}
	defer m.o.Arrays.Free(z)
	if m.pilot, err = m.local().estimate(ctx, z, z, 1); err != nil {
		return err
	}
	for _, p := range m.passes().refining {
		before := m.pilot
		if m.pilot, err = m.groups().estimate(ctx, p, z, before, 1); err != nil {
			return err
		}
		m.o.Arrays.Free(before)
	}
	return nil
}

// free gives back what was learned.
func (m *learned) free() {
	m.o.Arrays.Free(m.noisy)
	m.o.Arrays.Free(m.pilot)
	m.noisy, m.pilot = nil, nil
}

func (m *learned) local() *local {
	return &local{grid: m.grid, sub: m.sub, arrays: m.o.Arrays, tiling: signals.Tiling{Extent: m.o.Extent, Stride: m.o.Stride}, threads: m.o.Threads}
}

func (m *learned) passes() passes {
	if m.o.Soft {
		return soft
	}
	return sharp
}

func (m *learned) groups() *groups {
	return &groups{grid: m.grid, k: m.sub.k, arrays: m.o.Arrays, threads: m.o.Threads}
}

// evaluate writes the posterior mean of f·x, of noise sigma, times unit.
func (m *learned) evaluate(ctx context.Context, dst, x []float32, f, sigma, unit float64) error {
	if m.exact {
		for i, v := range x {
			dst[i] = float32(f * unit * float64(v))
		}
		return ctx.Err()
	}
	y, err := m.sub.encode(ctx, m.o.Arrays, x, float32(f), m.o.Threads)
	if err != nil {
		return err
	}
	if m.sub.k > 0 { // else nothing stands out of the noise
		measured := y
		if m.o.Local {
			y, err = m.local().estimate(ctx, m.noisy, y, sigma)
		} else {
			y, err = m.groups().estimate(ctx, m.passes().reading, y, m.pilot, sigma)
		}
		m.o.Arrays.Free(measured)
	}
	if err != nil {
		return err
	}
	defer m.o.Arrays.Free(y)
	if err := m.tail.at(sigma).apply(ctx, m.grid, m.sub, dst, x, float32(f), m.o.Threads); err != nil {
		return err
	}
	return m.sub.complete(ctx, dst, y, float32(unit), m.o.Threads)
}
