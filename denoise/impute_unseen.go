package denoise

import (
	"context"
	"errors"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/denoise/unseen"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// UnseenSummary compares the learned prior of directions that were not measured
// with the Gaussian one that it corrects: mean squared errors in σ² on
// measurements that were held out, their noise taken off.
type UnseenSummary struct {
	Model      string            `json:"model"` // simulations, scans, or this scan
	All        LearnedComparison `json:"all"`
	Shells     []LearnedShell    `json:"by_shell"`
	Used       bool              `json:"used"`
	Weights    []float64         `json:"weights,omitempty"` // of the corrections, found on this scan
	Candidates []UnseenCandidate `json:"candidates"`
	Training   *UnseenReport     `json:"training,omitempty"` // on this scan
}

// UnseenCandidate is a network that was compared.
type UnseenCandidate struct {
	Model string `json:"model"`
	LearnedComparison
}

// correction is the learned prior as it was found to be of use.
type correction struct {
	model   *unseen.Model
	weights []float64
	use     []bool    // per shell
	beyond  []float64 // per shell, variance of the errors of prediction beyond the claim
	ratio   []float64 // per shell, mean squared error over that of the Gaussian prediction
	shells  []gradients.Shell
}

// learns reports whether the learned prior is a candidate.
func (j *imputation) learns() bool {
	return j.o.Prior == PriorAuto || j.o.Prior == PriorLearned
}

// scene foretells points from a denoised series by the Gaussian model.
func (j *imputation) scene(ctx context.Context, g *geometry, points *gradients.Table) (*unseen.Scene, error) {
	nx, ny, nz, _ := g.series.Dims()
	keep := make([]bool, nx*ny*nz)
	for _, v := range g.voxels {
		keep[v] = true
	}
	grid := signals.NewGrid(nx, ny, nz, keep)
	all := numbers(g.table.Len())
	clean := make([]float32, len(g.voxels)*len(all))
	g.rows(clean, g.voxels, all)
	given, err := g.model.Given(g.table, points)
	if err != nil {
		return nil, err
	}
	s, err := unseen.NewScene(grid, clean, g.table, points, given, j.o.B0Threshold)
	if err != nil {
		return nil, err
	}
	return s, s.Foretell(ctx, j.o.Threads)
}

// chooseUnseen compares the learned prior with the Gaussian prediction on the
// directions that a trial holds out. It returns nil if the Gaussian one stays: as
// for measured directions, auto asks for a gain of more than a standard error.
func (j *imputation) chooseUnseen(ctx context.Context, t *trial) (*correction, error) {
	real, err := t.foretold(ctx)
	if err != nil {
		return nil, err
	}
	points := t.table.Select(t.held)
	s, err := j.scene(ctx, real.g, points)
	if errors.Is(err, unseen.ErrTable) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known, wanted := t.measured(s), make([]bool, s.Grid.Len())
	for r, v := range s.Grid.Voxel {
		wanted[r] = t.r.Foreground[v]
	}
	s.ErrorsBeyond(known, wanted)
	j.summary.Unseen = &UnseenSummary{}
	models, err := j.unseenModels(ctx, t.r)
	if err != nil {
		return nil, err
	}
	best := &correction{beyond: s.Error, shells: t.table.Select(t.rest).Shells(j.o.B0Threshold).All}
	var all learned.Comparison
	var each []learned.Comparison
	for _, m := range models {
		evidence, err := m.Weigh(ctx, s, known, wanted, j.o.Threads)
		if err != nil {
			return nil, err
		}
		weights, total, shells := evidence.Judge(s.Shells())
		j.summary.Unseen.Candidates = append(j.summary.Unseen.Candidates, UnseenCandidate{m.Origin.Kind, comparisonOf(total)})
		if best.model == nil || total.Gain > all.Gain {
			best.model, best.weights, all, each = m, append(weights, 1), total, shells
		}
	}
	u := j.summary.Unseen
	u.Model, u.All, u.Weights = best.model.Origin.Kind, comparisonOf(all), best.weights
	j.useUnseen(best, all, each)
	return best, nil
}

const unseenRunSamples = 150_000

// unseenModels returns the networks to compare: the one that was given, or the
// one shipped and the same trained on this scan.
func (j *imputation) unseenModels(ctx context.Context, r *Result) ([]*unseen.Model, error) {
	if j.o.Unseen != nil {
		return []*unseen.Model{j.o.Unseen}, nil
	}
	models := []*unseen.Model{unseen.Embedded()}
	u := &unseenTraining{o: TrainOptions{Steps: trainSteps, Threads: j.o.Threads, Seed: j.o.Seed, Progress: j.o.Progress}, share: unseenRunSamples}
	if err := u.addFolds(ctx, j, r); err != nil {
		return nil, err
	}
	model, _, report, err := u.fit(ctx, learned.Origin{Kind: "this scan", Seed: j.o.Seed})
	if err != nil {
		return nil, err
	}
	if model != nil {
		models, j.summary.Unseen.Training = append(models, model), report
	}
	return models, nil
}

// useUnseen decides by shell: where it gains more than the standard error, or
// gains at all if it does so overall.
func (j *imputation) useUnseen(c *correction, all learned.Comparison, each []learned.Comparison) {
	wanted, gain := j.o.Prior == PriorLearned, 0.0
	for i, s := range c.shells {
		use := each[i].Wins() || (wanted || all.Wins()) && each[i].Gain > 0
		ratio := 1.0
		if use {
			gain += each[i].Gain * float64(each[i].Samples) / float64(max(all.Samples, 1))
			if each[i].Gaussian > 0 {
				ratio = min(max(each[i].Learned/each[i].Gaussian, leastRatio), 1)
			}
		}
		c.use, c.ratio = append(c.use, use), append(c.ratio, ratio)
		if each[i].Samples > 0 {
			j.summary.Unseen.Shells = append(j.summary.Unseen.Shells, LearnedShell{s.B, comparisonOf(each[i]), use})
		}
	}
	j.summary.Unseen.Used = gain > 0 && (wanted || gain > all.StdErr)
	if !j.summary.Unseen.Used {
		clear(c.use)
		for i := range j.summary.Unseen.Shells {
			j.summary.Unseen.Shells[i].Used = false
		}
	}
}

// measured tells the measurements of the directions held out, in σ; of a
// magnitude, the amplitude near the prediction whose mean it is.
func (t *trial) measured(s *unseen.Scene) unseen.Known {
	points := len(t.held)
	return func(row, point int) (float64, float64, bool) {
		v := int(s.Grid.Voxel[row])
		if t.lost.Is(t.held[point], v/(t.nx*t.ny)) {
			return 0, 0, false
		}
		y := float64(t.series.Volume(t.held[point])[v] / t.real.sigma[v])
		if !t.magnitude {
			return y, 1, true
		}
		x := float64(s.Mean[row*points+point])
		return y + x - noise.RicianMean(x), noise.KoayFactor(x), x >= leastAmplitude
	}
}

// corrected are the learned predictions of points in all rows of a geometry.
type corrected struct {
	c     *correction
	scene *unseen.Scene
	mean  []float32 // rows × points
	share []float64 // per point, variance of the errors over that of the Gaussian prediction
}

// correct foretells points by the learned prior.
func (j *imputation) correct(ctx context.Context, g *geometry, c *correction, points *gradients.Table) (*corrected, error) {
	s, err := j.scene(ctx, g, points)
	if errors.Is(err, unseen.ErrTable) {
		return nil, nil // such points were not among those held out
	}
	if err != nil {
		return nil, err
	}
	shells := g.table.Shells(j.o.B0Threshold).All
	s.Error = make([]float64, len(shells))
	use := make([]bool, len(shells))
	share := make([]float64, points.Len())
	for k, shell := range shells {
		from := nearestShell(c.shells, shell.B)
		s.Error[k], use[k] = c.beyond[from], c.use[from]
	}
	for p, b := range points.BVals {
		share[p] = c.ratio[nearestShell(c.shells, b)]
	}
	out := &corrected{c: &correction{model: c.model, weights: c.weights, use: use}, scene: s, mean: make([]float32, len(s.Mean)), share: share}
	return out, c.model.Estimate(ctx, s, out.mean, c.weights, use, j.o.Threads)
}

func nearestShell(shells []gradients.Shell, b float64) int {
	best := 0
	for k, s := range shells {
		if abs(s.B-b) < abs(shells[best].B-b) {
			best = k
		}
	}
	return best
}

func abs(x float64) float64 { return max(x, -x) }

// reverse is the prior of the rows from first to last, for draws.
func (c *corrected) reverse(first, last int, batch *impute.Batch, o Options) *unseen.Reverse {
	return c.c.model.NewReverse(c.scene, first, last, batch, o.Schedule, c.c.weights, c.c.use)
}
