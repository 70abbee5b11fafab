package denoise

import (
	"context"
	"errors"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// ErrNoTable reports that the learned prior was asked for without a gradient
// table, on which it is conditioned.
var ErrNoTable = errors.New("denoise: the learned prior needs a gradient table")

// LearnedSummary compares the learned prior with the Gaussian one that it
// corrects, by Stein's unbiased risk estimate on voxels that nothing was fitted to.
type LearnedSummary struct {
	Model    string            `json:"model"`    // where the network comes from
	Corrects string            `json:"corrects"` // gaussian or soft
	All      LearnedComparison `json:"all"`
	Shells   []LearnedShell    `json:"by_shell"`          // in the order of the summary's shells
	Weights  []float64         `json:"weights,omitempty"` // of the families of corrections, found on this scan
	Loss     []learned.Point   `json:"loss,omitempty"`    // of the model's training, where it holds that
}

// LearnedComparison holds mean squared errors in σ², estimated, with the standard
// error of their difference.
type LearnedComparison struct {
	Gaussian float64 `json:"gaussian_mse"`
	Learned  float64 `json:"learned_mse"`
	StdErr   float64 `json:"difference_standard_error"`
}

// LearnedShell is the comparison in one shell.
type LearnedShell struct {
	BValue float64 `json:"b_value"`
	LearnedComparison
	Used bool `json:"used"` // the learned estimate is written for this shell
}

// leastVolumesLearned is the number of volumes from which the learned prior is a
// candidate: fewer than it was trained on.
const leastVolumesLearned = 10

// chooseLearned compares the learned prior with the Gaussian one g that has the
// least risk. It returns nil if the Gaussian one stays: auto asks for a gain of
// more than a standard error, overall, and takes the learned prior in the shells
// where it is so. Asked for by name, the learned prior is used in every shell where
// it does not lose.
func (p *pipeline) chooseLearned(ctx context.Context, g *prior.Gaussian, corrects PriorMode, progress func(done, total int)) (diffusion.Denoiser, error) {
	wanted := p.o.Prior == PriorLearned
	if p.table == nil || !wanted && (p.y.D < leastVolumesLearned || p.interpolated()) {
		return nil, nil
	}
	if err := p.checkModel(); err != nil {
		return nil, err
	}
	model, fixed := p.o.Model, true
	if model == nil {
		model, fixed = learned.Embedded(), false
	}
	o := learned.PriorOptions{Threads: p.o.Threads, Seed: p.o.Seed, Progress: progress}
	if p.noise != nil {
		o.Correlation = p.noise.Correlation
	}
	l := learned.NewPrior(g, p.y.Grid, p.y.D, p.scale, model, learned.NewGroups(p.table, p.o.B0Threshold), o)
	risk := p.riskOptions()
	all, each, err := l.Fit(ctx, p.y.Values, risk.Within, risk.NoiseVariance, fixed)
	if err != nil {
		return nil, err
	}
	summary := &LearnedSummary{Model: model.Origin.Kind, Corrects: corrects.String(), All: comparisonOf(all), Weights: l.Weights(), Loss: model.Loss}
	p.prior.Learned = summary
	use, gain := make([]bool, len(each)), 0.0
	for i, s := range p.table.Shells(p.o.B0Threshold).All {
		use[i] = each[i].Wins() || wanted && each[i].Gain > 0
		summary.Shells = append(summary.Shells, LearnedShell{s.B, comparisonOf(each[i]), use[i]})
		if use[i] {
			gain += each[i].Gain * float64(each[i].Samples) / float64(max(all.Samples, 1))
		}
	}
	if !wanted && gain <= all.StdErr {
		for i := range summary.Shells {
			summary.Shells[i].Used = false
		}
		return nil, nil
	}
	l.Use(use)
	p.prior.Chosen = PriorLearned.String()
	p.prior.Risks = append(p.prior.Risks, p.learnedRisk(all, each, use))
	return l, nil
}

// interpolated reports noise so correlated that the estimate of risk, which allows
// for correlation up to 1/2 between neighbours, would flatter whoever averages them.
func (p *pipeline) interpolated() bool {
	return p.noise != nil && slices.Max(p.noise.Correlation[:]) > 0.5
}

func comparisonOf(c learned.Comparison) LearnedComparison {
	return LearnedComparison{c.Gaussian, c.Learned, c.StdErr}
}

// learnedRisk puts the comparison into the terms of the other candidates: the
// risk of what will be written. Its standard error is that of the one it corrects.
func (p *pipeline) learnedRisk(all learned.Comparison, each []learned.Comparison, use []bool) PriorRisk {
	out := PriorRisk{Prior: PriorLearned.String(), MSE: all.Gaussian}
	for _, r := range p.prior.Risks {
		if r.Prior == p.prior.Learned.Corrects {
			out.StdErr, out.Voxels = r.StdErr, r.Voxels
		}
	}
	for i, s := range p.table.Shells(p.o.B0Threshold).All {
		mse := each[i].Gaussian
		if use[i] {
			mse = each[i].Learned
			out.MSE -= each[i].Gain * float64(each[i].Samples) / float64(max(all.Samples, 1))
		}
		out.Shells = append(out.Shells, ShellRisk{s.B, rootOf(mse)})
	}
	out.RMSE = rootOf(out.MSE)
	return out
}
