package diffusion

import (
	"context"
	"math"
	"math/rand/v2"
)

// gridKnee is the relative noise level from which the samplers' nodes are spaced
// by the logarithm of the level rather than by its square root. 0.1 gave the
// smallest worst error over prior variances from 0.001 to 50.
const gridKnee = 0.1

// nodeLevel returns the relative noise level of node i of steps, from the level
// first at i = 0 to 0 at i = steps. Nodes are even in √log(1+σ/knee): denser
// where the noise is as strong as the signal's weak components, which is where
// the variance of samples is decided, and without a smallest level to choose.
func nodeLevel(first float64, i, steps int) float64 {
	left := 1 - float64(i)/float64(steps)
	return gridKnee * math.Expm1(math.Log1p(first/gridKnee)*left*left)
}

// kernel holds the coefficients of one reverse step
// x_s = clean·x̂₀ + noisy·x_t + spread·z.
type kernel struct{ clean, noisy, spread float64 }

// reverse returns the step from relative noise level from to the lower level to,
// with the share eta of the DDPM posterior's standard deviation drawn afresh
// (Song 2021, DDIM, eq. 12 and 16); eta = 1 is q(x_s | x_t, x₀) (Ho 2020, eq. 7).
// Written in σ = √((1-ᾱ)/ᾱ), nothing cancels and nothing divides by ᾱ, which is
// almost 0 at the end of the cosine schedule.
func reverse(from, to, eta float64) kernel {
	ratio := to / from
	// kept is the share of x_t/√ᾱ_t - x̂₀ that remains in x_s/√ᾱ_s - x̂₀.
	kept := ratio * math.Sqrt((1-eta)*(1+eta)+eta*eta*ratio*ratio)
	root := 1 / math.Sqrt(1+to*to) // √ᾱ_s
	return kernel{
		clean:  root * (1 - kept),
		noisy:  root * kept * math.Sqrt(1+from*from),
		spread: root * eta * to * math.Sqrt((1-ratio)*(1+ratio)),
	}
}

// extrapolation returns the share of the last change of x̂₀ that is added to x̂₀
// in a step of this length in log σ after one of length last: x̂₀ in the middle
// of the step, at most half of the last change.
func extrapolation(length, last float64) float64 {
	if last == 0 || math.IsInf(length, 1) {
		return 0
	}
	return min(length/last, 1) / 2
}

// walk is what the samplers share: the nodes, the current x_t (kept in the
// caller's dst) and its posterior mean.
type walk struct {
	s           Schedule
	d           Denoiser
	x, clean    []float32
	start       float64 // timestep of the first node
	first       float64 // its relative noise level
	from, to    float64 // relative noise levels of the step being taken
	step, steps int
	progress    func(done, total int)
	err         error
}

func newWalk(s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, steps int) *walk {
	mustMatch(dst, xt)
	first := s.Sigma(t)
	if o.Steps < 0 {
		panic(badSteps)
	}
	if o.Steps > 0 {
		steps = o.Steps
	}
	if first == 0 {
		steps = 0 // already clean
	}
	copy(dst, xt)
	return &walk{s: s, d: d, x: dst, clean: make([]float32, len(dst)), start: t, first: first, to: first, steps: steps, progress: o.Progress}
}

// mustDraw panics if steps are to be taken without a random generator.
func (w *walk) mustDraw(rng *rand.Rand) {
	if rng == nil && w.steps > 0 {
		panic(badRand)
	}
}

// next reports the step before, evaluates the denoiser for the next one, and
// returns whether there is one.
func (w *walk) next(ctx context.Context) bool {
	if w.step > 0 && w.progress != nil {
		w.progress(w.step, w.steps)
	}
	if w.step == w.steps {
		return false
	}
	t := w.start
	if w.step > 0 {
		t = w.s.timestep(w.to)
	}
	w.step++
	w.from, w.to = w.to, nodeLevel(w.first, w.step, w.steps)
	w.err = PosteriorMean(ctx, w.d, w.clean, w.x, t)
	return w.err == nil
}

// extrapolate adds the share slope of the change from previous to x̂₀, and keeps
// the x̂₀ from before in previous.
func (w *walk) extrapolate(slope float64, previous []float32) {
	for i, c := range w.clean {
		w.clean[i] = float32(float64(c) + slope*float64(c-previous[i]))
		previous[i] = c
	}
}

// blend takes the step.
func (w *walk) blend(k kernel, rng *rand.Rand) {
	if k.spread == 0 {
		mix(w.x, w.clean, w.x, k.clean, k.noisy)
		return
	}
	for i, x := range w.x {
		w.x[i] = float32(k.clean*float64(w.clean[i]) + k.noisy*float64(x) + k.spread*rng.NormFloat64())
	}
}
