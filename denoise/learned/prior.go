package learned

import (
	"context"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Prior is the learned prior of a scan: the Gaussian one, corrected by a network.
// It implements diffusion.Denoiser on values of unit signal variance, rows ×
// volumes.
//
// Every evaluation sees x_t in units of its own noise, as a measurement like any
// other, of which the Gaussian prior learns anew; the network, trained over
// signal-to-noise ratios from 5 to 60, so knows every timestep that they span. It
// costs what a posterior mean costs, at each step of a sampler.
type Prior struct {
	g       *prior.Gaussian
	grid    *signals.Grid
	d       int
	scale   prior.Scaling
	model   *Model
	groups  *Groups
	o       PriorOptions
	weights []float64 // of families; nil means the model's
	use     []bool    // groups of directions it is used in; nil means all
}

// PriorOptions set a [Prior]. The zero value is the default.
type PriorOptions struct {
	Threads int // 0 means one per core
	Seed    uint64
	// Correlation is that of the noise of neighbours along x, y and z. The probe gets
	// the same, so that the risk counts what noise shared by neighbours costs
	// whoever averages them.
	Correlation [3]float64
	Progress    func(done, total int)
}

// NewPrior puts a model on top of the Gaussian prior of a scan of d volumes.
func NewPrior(g *prior.Gaussian, grid *signals.Grid, d int, scale prior.Scaling, m *Model, groups *Groups, o PriorOptions) *Prior {
	return &Prior{g: g, grid: grid, d: d, scale: scale, model: m, groups: groups, o: o}
}

const probeSize = 0.02 // in σ, as for the risk of the Gaussian prior

// Pair measures the estimators' answers to a probe in part of the scan, two cubes
// about different thirds of the rows within. It returns the rows of the part that
// count, too.
func (p *Prior) Pair(ctx context.Context, xt []float32, within []bool, variance func(float32) float32) (*Pair, []bool, error) {
	part, err := p.g.Part(ctx, xt, within)
	if err != nil {
		return nil, nil, err
	}
	pair, err := p.pair(part.Grid, part.Measured, variance, func(y []float32) (*prior.Stages, []float32, error) { return part.Stages(ctx, y) })
	return pair, part.Counts, err
}

// PairAll is Pair on the whole scan.
func (p *Prior) PairAll(ctx context.Context, xt []float32, variance func(float32) float32) (*Pair, error) {
	f, sigma := p.scale.Measured(p.scale.T)
	return p.pair(p.grid, scaled(xt, f/sigma), variance, func(y []float32) (*prior.Stages, []float32, error) {
		return p.g.Stages(ctx, scaled(y, sigma/f), p.scale.T)
	})
}

func scaled(x []float32, f float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(f * float64(v))
	}
	return out
}

func (p *Prior) pair(grid *signals.Grid, measured []float32, variance func(float32) float32, stages func(y []float32) (*prior.Stages, []float32, error)) (*Pair, error) {
	scan := func(y []float32) (*Scan, error) {
		s, mean, err := stages(y)
		return &Scan{Grid: grid, D: p.d, Measured: y, Gaussian: mean, Stages: s, Groups: p.groups, Level: p.scale.Schedule.Sigma(p.scale.T)}, err
	}
	pair := &Pair{Variance: variance}
	var err error
	if pair.Still, err = scan(measured); err != nil {
		return nil, err
	}
	pair.Probe = prior.Probe(grid, p.d, p.o.Correlation, rand.New(rand.NewPCG(p.o.Seed, probeStream)))
	moved := make([]float32, len(measured))
	for i, v := range measured {
		moved[i] = v + probeSize*pair.Probe[i]
	}
	pair.Moved, err = scan(moved)
	return pair, err
}

// probeStream separates the probe's random numbers from other uses of a seed.
const probeStream = 0x8ebc6af09c88c6e3

// Fit weighs the families of changes by their risk on this scan, measured at x at
// t*, and returns how the learned estimate compares, overall and by group, on
// voxels that the weights were not fitted to. With fixed, the model's own weights
// are kept.
func (p *Prior) Fit(ctx context.Context, xt []float32, within []bool, variance func(float32) float32, fixed bool) (all Comparison, each []Comparison, err error) {
	pair, counts, err := p.Pair(ctx, xt, within, variance)
	if err != nil {
		return all, nil, err
	}
	e, err := p.model.Weigh(ctx, pair, counts, p.o.Seed, p.o.Threads)
	if err != nil {
		return all, nil, err
	}
	if fixed {
		all, each = e.JudgeAs(p.model.weights(), len(p.groups.all))
		return all, each, nil
	}
	p.weights, all, each = e.Judge(len(p.groups.all))
	return all, each, nil
}

// Use restricts the prior to the groups for which use is true; in others it
// answers as the Gaussian does.
func (p *Prior) Use(use []bool) { p.use = use }

// Weights returns the weights of families that Fit found, nil before.
func (p *Prior) Weights() []float64 { return p.weights }

// PosteriorMean writes E[x₀ | x_t] under the prior into dst (rows × volumes, unit
// signal variance). dst may be xt. At t = -1 the answer is x_t.
func (p *Prior) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	if len(dst) != len(xt) || len(xt) != p.grid.Len()*p.d {
		panic("learned: signals do not match the grid")
	}
	if p.scale.Schedule.Sigma(t) == 0 {
		copy(dst, xt)
		return ctx.Err()
	}
	f, sigma := p.scale.Measured(t)
	stages, mean, err := p.g.Stages(ctx, xt, t)
	if err != nil {
		return err
	}
	s := &Scan{Grid: p.grid, D: p.d, Measured: scaled(xt, f/sigma), Gaussian: mean, Stages: stages, Groups: p.groups, Level: p.scale.Schedule.Sigma(t)}
	if err := p.model.Estimate(ctx, s, dst, p.weights, p.use, p.o.Threads, p.o.Progress); err != nil {
		return err
	}
	unit := float32(sigma / p.scale.Scale)
	for i := range dst {
		dst[i] *= unit
	}
	return nil
}

// weights returns the model's own weights of families.
func (m *Model) weights() []float64 {
	if m.Weights != nil {
		return m.Weights
	}
	return ones(FamilyCount)
}
