package denoise

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// PriorMode says which prior of the clean signals is used.
type PriorMode int

// Priors. Gaussian is the hierarchical Gaussian prior, Soft the same with softer
// weights, for scans of high signal; Local is its first stages alone, blocks that
// know nothing of each other. Learned is Gaussian or Soft, corrected by a network
// (denoise/learned); it needs a gradient table. Fast takes Gaussian or Soft,
// whichever has the lower risk on this scan, estimated without truth; Auto takes
// Learned too where it wins, at several times the cost. Local had a higher risk on every
// scan tried (docs/accuracy.md).
const (
	PriorFast PriorMode = iota
	PriorAuto
	PriorGaussian
	PriorSoft
	PriorLocal
	PriorLearned
)

// String returns the name used on the command line and in summaries: fast, auto,
// gaussian, soft, local or learned.
func (m PriorMode) String() string {
	switch m {
	case PriorAuto:
		return "auto"
	case PriorGaussian:
		return "gaussian"
	case PriorSoft:
		return "soft"
	case PriorLocal:
		return "local"
	case PriorLearned:
		return "learned"
	default:
		return "fast"
	}
}

// chosenPrior returns the mode with a name.
func chosenPrior(name string) PriorMode {
	for _, m := range []PriorMode{PriorGaussian, PriorSoft, PriorLocal, PriorLearned} {
		if m.String() == name {
			return m
		}
	}
	return PriorFast
}

// PriorSummary says which prior was used and why.
type PriorSummary struct {
	Chosen string      `json:"chosen"`
	Risks  []PriorRisk `json:"risks,omitempty"` // of the candidates, if there was a choice
	// Learned is the learned prior's comparison with the Gaussian one that it
	// corrects; nil where it was no candidate.
	Learned *LearnedSummary `json:"learned,omitempty"`
}

// PriorRisk is the error to expect of one prior on this scan: Stein's unbiased
// risk estimate, measured in part of the foreground.
type PriorRisk struct {
	Prior  string      `json:"prior"`
	RMSE   float64     `json:"rmse_over_sigma"`         // root of the mean risk
	MSE    float64     `json:"mse_over_sigma2"`         // the estimate itself, which may be below zero
	StdErr float64     `json:"mse_standard_error"`      // of MSE
	Voxels int         `json:"voxels"`                  // it was measured in
	Shells []ShellRisk `json:"rmse_by_shell,omitempty"` // in the order of the summary's shells
}

// ShellRisk is the error to expect in one shell.
type ShellRisk struct {
	BValue float64 `json:"b_value"`
	RMSE   float64 `json:"rmse_over_sigma"`
}

// choosePrior makes the prior for the measurements at t* in p.y.
func (p *pipeline) choosePrior(ctx context.Context, options prior.GaussianOptions) (diffusion.Denoiser, error) {
	make := func(m PriorMode) *prior.Gaussian {
		o := options
		o.Soft, o.Local = m == PriorSoft, m == PriorLocal
		return prior.NewGaussian(p.y.Grid, p.y.D, p.scale, o)
	}
	if p.o.Prior == PriorLearned && p.table == nil {
		return nil, ErrNoTable
	}
	if p.o.Prior != PriorFast && p.o.Prior != PriorAuto && p.o.Prior != PriorLearned {
		p.prior = PriorSummary{Chosen: p.o.Prior.String()}
		return make(p.o.Prior), nil
	}
	best, least := PriorGaussian, math.Inf(1)
	candidates := []PriorMode{PriorGaussian, PriorSoft}
	steps := len(candidates)
	if p.o.Prior != PriorFast {
		steps++
	}
	for i, m := range candidates {
		p.o.Progress(StageChoice, i, steps)
		r, err := make(m).Risk(ctx, p.y.Values, p.riskOptions())
		if err != nil {
			return nil, err
		}
		p.prior.Risks = append(p.prior.Risks, p.priorRisk(m, r))
		if risk := r.Mean(nil); risk < least {
			best, least = m, risk
		}
	}
	p.o.Progress(StageChoice, len(candidates), steps)
	defer p.o.Progress(StageChoice, steps, steps)
	p.prior.Chosen = best.String()
	var d diffusion.Denoiser
	if p.o.Prior != PriorFast {
		var err error
		if d, err = p.chooseLearned(ctx, make(best), best, options.Progress); err != nil {
			return nil, err
		}
	}
	p.o.Logger.Info("prior chosen", "prior", p.prior.Chosen, "estimated rmse / sigma of the gaussian", math.Sqrt(max(least, 0)))
	if d != nil {
		return d, nil
	}
	return make(best), nil
}

func (p *pipeline) riskOptions() prior.RiskOptions {
	o := prior.RiskOptions{Seed: p.o.Seed, Within: rowsOf(p.y.Grid, p.chosen.foreground)}
	if p.magnitude {
		o.NoiseVariance = noise.VarianceAtMean
	}
	if p.noise != nil {
		o.Correlation = p.noise.Correlation
	}
	return o
}

func (p *pipeline) priorRisk(m PriorMode, r prior.Risk) PriorRisk {
	out := PriorRisk{Prior: m.String(), RMSE: rootOf(r.Mean(nil)), MSE: r.Mean(nil), StdErr: r.StdErr, Voxels: r.Voxels}
	if p.table != nil {
		for _, shell := range p.table.Shells(p.o.B0Threshold).All {
			out.Shells = append(out.Shells, ShellRisk{shell.B, rootOf(r.Mean(shell.Volumes))})
		}
	}
	return out
}

// rootOf is the root of a risk, whose estimate may be below zero.
func rootOf(risk float64) float64 { return math.Sqrt(max(risk, 0)) }
