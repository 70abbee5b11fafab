package diffusion

import (
	"context"
	"math"
	"math/rand/v2"
)

// Steps taken when SamplerOptions.Steps is 0. They keep the relative error of
// variances below 1 %; the package documentation has the measurements.
const (
	defaultAncestralSteps  = 2000
	defaultReverseSDESteps = 150
	defaultDDIMSteps       = 500
)

// SamplerOptions set how a reverse process walks from x_t to a clean signal.
type SamplerOptions struct {
	// Steps is the number of evaluations of the denoiser. 0 means enough for
	// moments within 1 %: 2000 for Ancestral and for DDIM with Eta above 0, 150
	// for ReverseSDE, 500 for DDIM with Eta 0. Negative numbers panic.
	Steps int
	// Eta is for DDIM only: the share of fresh noise, from 0, deterministic, to
	// 1, the variance of Ancestral. Others panic.
	Eta float64
	// Progress is called after every step, if not nil, from the calling goroutine.
	Progress func(done, total int)
}

// Ancestral writes one sample of the posterior of x₀ given x_t into dst: the
// reverse steps q(x_s | x_t, x̂₀) of a DDPM with x̂₀ the posterior mean (Ho 2020,
// eq. 6-7), on a grid of real-valued timesteps from t to -1. The last step writes
// the posterior mean at the smallest noise and adds none.
//
// A step leaves out the posterior's own spread, so samples are a little too
// narrow: by about 6/steps of the standard deviation. [ReverseSDE] needs far
// fewer steps. t = -1 copies xt.
//
// dst may be xt. The random numbers are taken from rng in a fixed order. Errors
// are those of the context and of d, and leave dst undefined. Slices of
// different length, a t outside s and a missing rng panic.
func Ancestral(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	return implicit(ctx, newWalk(s, d, dst, xt, t, o, defaultAncestralSteps), 1, rng)
}

// DDIM writes the end of the implicit process into dst (Song 2021, "Denoising
// diffusion implicit models", eq. 12 and 16). With Eta 0 it follows the
// probability flow from x_t, which is neither the mean nor a sample of the
// posterior of x₀: from N(0, λ) it ends at √(λ/(λ+σ²)) times the measurement.
// Eta 1 is [Ancestral]. rng may be nil when Eta is 0; the rest is as there.
func DDIM(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	if !(o.Eta >= 0 && o.Eta <= 1) {
		panic(badEta)
	}
	steps := defaultDDIMSteps
	if o.Eta > 0 {
		steps = defaultAncestralSteps
	}
	return implicit(ctx, newWalk(s, d, dst, xt, t, o, steps), o.Eta, rng)
}

// implicit takes first-order steps with the share eta of fresh noise.
func implicit(ctx context.Context, w *walk, eta float64, rng *rand.Rand) error {
	if eta > 0 {
		w.mustDraw(rng)
	}
	for w.next(ctx) {
		w.blend(reverse(w.from, w.to, eta), rng)
	}
	return w.err
}

// ReverseSDE writes one sample of the posterior of x₀ given x_t into dst by
// integrating the variance-preserving reverse-time stochastic differential
// equation (Song 2021, "Score-based generative modeling", eq. 6 and 11). The
// integrator is the second-order multistep exponential one that Lu 2022,
// "DPM-Solver++", calls SDE-DPM-Solver++(2M): the linear part and the noise are
// exact, and x̂₀ is extrapolated from its last two values. Ours differs in two
// ways: the extrapolation is at most half of the last change, which halves the
// error where steps grow, and the last step, to t = -1, takes x̂₀ as it is.
//
// Without the extrapolation it would be [Ancestral]; with it the error falls as
// 1/steps², because the extrapolated noise of the last step carries the
// posterior's spread that a first-order step leaves out. Arguments, errors and
// panics are as there.
func ReverseSDE(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	w := newWalk(s, d, dst, xt, t, o, defaultReverseSDESteps)
	w.mustDraw(rng)
	previous := make([]float32, len(xt))
	last := 0.0
	for w.next(ctx) {
		length := math.Log(w.from / w.to)
		w.extrapolate(extrapolation(length, last), previous)
		w.blend(reverse(w.from, w.to, 1), rng)
		last = length
	}
	return w.err
}
