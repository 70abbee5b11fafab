package diffusion

import (
	"fmt"
	"math"
	"sort"
)

const (
	cosineOffset = 0.008 // s of Nichol and Dhariwal 2021, section 3.2
	leastBeta    = 1e-5  // keeps every step of the cosine schedule a step
	largestBeta  = 0.999 // where Nichol and Dhariwal clip β
	mostSteps    = 1_000_000
)

// Schedule is a variance-preserving noise schedule: β_t and ᾱ_t = Π(1-β) for
// t = 0 … T-1. It is immutable and cheap to copy; the zero value has no
// timesteps, and methods that take one panic.
//
// Timesteps are real-valued in [-1, T-1]. t = -1 is the clean signal x₀ (ᾱ = 1);
// t = 0 already carries a trace of noise. Integers give the table's values
// exactly. In between, the logarithm of the relative noise level
// [Schedule.Sigma] is linear in t, and its square is linear between -1 and 0,
// where a logarithm has no start. Sigma so rises strictly and continuously, and
// has an inverse in closed form.
type Schedule struct {
	name  string
	beta  []float64 // β_t
	sigma []float64 // √((1-ᾱ)/ᾱ) for t = -1 … T-1
}

// Cosine returns the cosine schedule with T timesteps (2 to a million) and the
// published offset s = 0.008: see [CosineOffset].
func Cosine(T int) (Schedule, error) { return CosineOffset(T, cosineOffset) }

// CosineOffset returns the cosine schedule with T timesteps and offset s ≥ 0:
// β_t = 1 - f((t+1)/T)/f(t/T) with f(u) = cos²((u+s)/(1+s)·π/2), clipped to
// [1e-5, 0.999] (Nichol and Dhariwal 2021, eq. 17). The lower end of the clip is
// ours; it acts from about T = 4000. Impossible arguments are an [ErrSchedule].
func CosineOffset(T int, s float64) (Schedule, error) {
	if !(s >= 0 && s <= 1) {
		return Schedule{}, fmt.Errorf("%w: cosine offset %v, want 0 to 1 (published: %v)", ErrSchedule, s, cosineOffset)
	}
	f := func(t int) float64 {
		c := math.Cos((float64(t)/float64(T) + s) / (1 + s) * math.Pi / 2)
		return c * c
	}
	return build("cosine", T, func(t int) float64 {
		return max(1-f(t+1)/f(t), leastBeta)
	})
}

// Linear returns the linear schedule with T timesteps (2 to a million): β from
// 1e-4·1000/T to 0.02·1000/T (Ho 2020, section 4, rescaled so that the total
// noise hardly depends on T), clipped to 0.999, which acts below T = 21.
func Linear(T int) (Schedule, error) {
	first, last := 1e-4*1000/float64(T), 0.02*1000/float64(T)
	return build("linear", T, func(t int) float64 {
		f := float64(t) / float64(T-1)
		return (1-f)*first + f*last
	})
}

// ByName returns the "cosine" or the "linear" schedule with T timesteps. Other
// names are an [ErrSchedule].
func ByName(name string, T int) (Schedule, error) {
	switch name {
	case "cosine":
		return Cosine(T)
	case "linear":
		return Linear(T)
	}
	return Schedule{}, fmt.Errorf("%w: %q is neither cosine nor linear", ErrSchedule, name)
}

func build(name string, T int, beta func(t int) float64) (Schedule, error) {
	if T < 2 || T > mostSteps {
		return Schedule{}, fmt.Errorf("%w: %d timesteps, want 2 to %d", ErrSchedule, T, mostSteps)
	}
	s := Schedule{name: name, beta: make([]float64, T), sigma: make([]float64, T+1)}
	// log ᾱ is summed rather than ᾱ multiplied, so that neither end loses digits.
	logAlphaBar := 0.0
	for t := range s.beta {
		s.beta[t] = min(beta(t), largestBeta)
		logAlphaBar += math.Log1p(-s.beta[t])
		s.sigma[t+1] = math.Sqrt(math.Expm1(-logAlphaBar))
	}
	return s, nil
}

// Name returns "cosine" or "linear"; it is empty for the zero Schedule.
func (s Schedule) Name() string { return s.name }

// T returns the number of timesteps.
func (s Schedule) T() int { return len(s.beta) }

// Beta returns β_t, the share of variance that step t replaces by noise, for an
// integer timestep in [0, T-1]. It panics for others.
func (s Schedule) Beta(t int) float64 {
	if t < 0 || t >= len(s.beta) {
		panic(badStep)
	}
	return s.beta[t]
}

// Sigma returns √((1-ᾱ_t)/ᾱ_t): the standard deviation of the noise in x_t
// relative to a signal of unit variance. It rises strictly from 0 at t = -1. It
// panics for t outside [-1, T-1].
func (s Schedule) Sigma(t float64) float64 {
	s.mustHold(t)
	whole := math.Floor(t)
	i, f := int(whole)+1, t-whole
	switch {
	case f == 0:
		return s.sigma[i]
	case i == 0:
		return s.sigma[1] * math.Sqrt(f)
	}
	return s.sigma[i] * math.Pow(s.sigma[i+1]/s.sigma[i], f)
}

// AlphaBar returns ᾱ_t = 1/(1+σ²), the share of signal variance in x_t. It panics
// for t outside [-1, T-1].
func (s Schedule) AlphaBar(t float64) float64 {
	sigma := s.Sigma(t)
	return 1 / (1 + sigma*sigma)
}

// SNR returns the signal-to-noise ratio of x_t in variances, ᾱ_t/(1-ᾱ_t) = 1/σ²;
// infinite at t = -1. It panics for t outside [-1, T-1].
func (s Schedule) SNR(t float64) float64 {
	sigma := s.Sigma(t)
	return 1 / (sigma * sigma)
}

// TimestepFor returns the real-valued timestep at which the relative noise
// level is sigma: the inverse of [Schedule.Sigma]. A measurement y = x₀ + sigma·n
// of a signal of unit variance, times √ᾱ of that timestep, is exactly x_t.
// Levels below zero, beyond the last timestep or NaN are an [ErrNoiseLevel].
func (s Schedule) TimestepFor(sigma float64) (float64, error) {
	if len(s.beta) == 0 {
		panic(badSchedule)
	}
	if last := s.sigma[len(s.sigma)-1]; !(sigma >= 0 && sigma <= last) {
		return 0, fmt.Errorf("%w: %.4g is not between 0 and %.4g (%s, %d timesteps)", ErrNoiseLevel, sigma, last, s.name, s.T())
	}
	return s.timestep(sigma), nil
}

// timestep is TimestepFor for a level that is known to lie in the schedule.
func (s Schedule) timestep(sigma float64) float64 {
	i := sort.SearchFloat64s(s.sigma, sigma)
	switch {
	case s.sigma[i] == sigma:
		return float64(i - 1)
	case i == 1:
		f := sigma / s.sigma[1]
		return f*f - 1
	}
	low, high := s.sigma[i-1], s.sigma[i]
	return float64(i-2) + math.Log(sigma/low)/math.Log(high/low)
}

// mustHold panics for a timestep outside the schedule.
func (s Schedule) mustHold(t float64) {
	if len(s.beta) == 0 {
		panic(badSchedule)
	}
	if !(t >= -1 && t <= float64(len(s.beta)-1)) {
		panic(badTimestep)
	}
}
