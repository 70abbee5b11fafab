package diffusion

import (
	"context"
	"math"
	"math/rand/v2"
)

// SamplerOptions set how a reverse process walks from x_t to a clean signal.
type SamplerOptions struct {
	Steps    int                   // evaluations of the denoiser; 0 means one per timestep passed
	Eta      float64               // DDIM only: 0 deterministic, 1 the variance of the ancestral sampler
	Progress func(done, total int) // called after every evaluation, if not nil
}

// Ancestral writes one sample of the posterior of x₀ given x_t into dst: the
// reverse steps q(x_s | x_t, x̂₀) of a DDPM (Ho 2020, eq. 6-7) with x̂₀ the
// posterior mean, on a grid of timesteps from t to -1. It is exact as steps
// become many; see the package documentation for the bias of few.
func Ancestral(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	w := newWalk(s, d, dst, xt, t, o)
	for w.next(ctx) {
		c := s.reverse(w.from, w.to, 1)
		w.blend(c, w.clean, 0, w.clean, rng)
	}
	return w.err
}

// DDIM writes the end of the implicit process into dst (Song 2021, eq. 12). Eta
// 0 follows the probability flow from x_t, which is neither the mean nor a
// sample of the posterior of x_t's signal; Eta 1 is [Ancestral]. rng may be nil
// when Eta is 0.
func DDIM(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	w := newWalk(s, d, dst, xt, t, o)
	for w.next(ctx) {
		c := s.reverse(w.from, w.to, o.Eta)
		w.blend(c, w.clean, 0, w.clean, rng)
	}
	return w.err
}

// ReverseSDE writes one sample of the posterior of x₀ given x_t into dst by
// integrating the reverse-time stochastic differential equation (Song 2021,
// "Score-based generative modeling", eq. 6) with the second-order multistep
// exponential integrator SDE-DPM-Solver++(2M) (Lu 2022, "DPM-Solver++", eq. 18
// and appendix B): more exact than [Ancestral] at the same number of steps.
func ReverseSDE(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
	w := newWalk(s, d, dst, xt, t, o)
	previous := make([]float32, len(xt))
	lastStep := 0.0 // of the half-log SNR
	for w.next(ctx) {
		c := s.reverse(w.from, w.to, 1)
		step := math.Log(s.Sigma(w.from) / s.Sigma(w.to))
		slope := 0.0
		if lastStep > 0 && !math.IsInf(step, 1) {
			// x̂₀ changes by (x̂₀ - previous)/lastStep per unit; half a step of it.
			slope = 0.5 * step / lastStep
		}
		w.blend(c, w.clean, slope, previous, rng)
		copy(previous, w.clean)
		lastStep = step
	}
	return w.err
}

// kernel holds the coefficients of one reverse step x_s = clean·x̂₀ + noisy·x_t
// + spread·z.
type kernel struct{ clean, noisy, spread float64 }

// reverse returns the step from timestep t to s < t: the forward process given
// x̂₀, with the share eta of the DDPM posterior's standard deviation drawn
// afresh (Song 2021, eq. 12 and 16). eta = 1 is q(x_s | x_t, x₀) (Ho 2020, eq. 7).
func (s Schedule) reverse(from, to, eta float64) kernel {
	aFrom, aTo := s.AlphaBar(from), s.AlphaBar(to)
	// Standard deviations of the noise in x_from and x_to, without cancellation.
	nFrom, nTo := math.Sqrt(aFrom)*s.Sigma(from), math.Sqrt(aTo)*s.Sigma(to)
	if nTo == 0 {
		return kernel{clean: 1}
	}
	// 1 - ᾱ_from/ᾱ_to from the ratio of the relative noise levels.
	ratio := s.Sigma(to) / s.Sigma(from)
	fresh := nTo * math.Sqrt(max(1-aFrom/aTo, 0)) / nFrom
	spread := eta * fresh
	kept := math.Sqrt(max(nTo*nTo-spread*spread, 0)) / nFrom
	if eta == 1 {
		kept = ratio * ratio * math.Sqrt(aTo/aFrom)
	}
	return kernel{clean: math.Sqrt(aTo) - kept*math.Sqrt(aFrom), noisy: kept, spread: spread}
}

// walk is the common part of the samplers: the grid of timesteps, the current
// x_t (kept in dst) and its posterior mean.
type walk struct {
	s        Schedule
	d        Denoiser
	x, clean []float32
	start    float64
	from, to float64
	step     int
	steps    int
	progress func(done, total int)
	err      error
}

func newWalk(s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions) *walk {
	mustMatch(dst, xt)
	s.mustHold(t)
	copy(dst, xt)
	w := &walk{s: s, d: d, x: dst, clean: make([]float32, len(dst)), start: t, steps: o.Steps, progress: o.Progress}
	if w.steps <= 0 {
		w.steps = int(math.Ceil(t)) + 1
	}
	if t == -1 {
		w.steps = 0 // already clean
	}
	return w
}

// next evaluates the denoiser for the next step, from and to, and reports
// whether there is one. The timesteps are evenly spaced from the start to -1.
func (w *walk) next(ctx context.Context) bool {
	if w.step > 0 && w.progress != nil {
		w.progress(w.step, w.steps)
	}
	if w.step >= w.steps || w.err != nil {
		return false
	}
	at := func(i int) float64 { return w.start - (w.start+1)*float64(i)/float64(w.steps) }
	w.from, w.to = at(w.step), at(w.step+1)
	if w.step++; w.step == w.steps {
		w.to = -1
	}
	w.err = PosteriorMean(ctx, w.d, w.clean, w.x, w.from)
	return w.err == nil
}

// blend takes the step: x ← clean·(x̂₀ + slope·(x̂₀ - previous)) + noisy·x + spread·z.
func (w *walk) blend(k kernel, clean []float32, slope float64, previous []float32, rng *rand.Rand) {
	c, p := float32(k.clean*(1+slope)), float32(-k.clean*slope)
	n, z := float32(k.noisy), float32(k.spread)
	for i, x := range w.x {
		v := c*clean[i] + p*previous[i] + n*x
		if z != 0 {
			v += z * float32(rng.NormFloat64())
		}
		w.x[i] = v
	}
}
