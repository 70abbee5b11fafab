package diffusion

import (
	"errors"
	"fmt"
	"math"
	"sort"
)

// Errors of schedules.
var (
	// ErrSchedule reports an unknown schedule name or an impossible number of timesteps.
	ErrSchedule = errors.New("diffusion: invalid schedule")
	// ErrNoiseLevel reports a noise level that lies outside a schedule.
	ErrNoiseLevel = errors.New("diffusion: noise level outside the schedule")
)

const (
	cosineOffset = 0.008 // s of Nichol and Dhariwal 2021, eq. 17
	leastBeta    = 1e-5
	largestBeta  = 0.999 // where Nichol and Dhariwal clip β
)

// Schedule is a variance-preserving noise schedule: β_t and ᾱ_t = Π(1-β) for
// t = 0 … T-1. It is immutable; the zero value has no timesteps.
//
// Timesteps are real-valued in [-1, T-1]. t = -1 is the clean signal x₀ (ᾱ = 1);
// t = 0 already carries a trace of noise. Integers give the table's values; in
// between, the logarithm of the relative noise level [Schedule.Sigma] is linear
// in t, and its square is linear between -1 and 0.
type Schedule struct {
	name  string
	beta  []float64 // β_t
	sigma []float64 // √((1-ᾱ)/ᾱ) for t = -1 … T-1
}

// Cosine returns the cosine schedule with T timesteps: ᾱ ratios of
// f(u) = cos²((u+s)/(1+s)·π/2), s = 0.008, β clipped to [1e-5, 0.999] (Nichol
// and Dhariwal 2021, eq. 17).
func Cosine(T int) (Schedule, error) {
	f := func(u float64) float64 {
		c := math.Cos((u + cosineOffset) / (1 + cosineOffset) * math.Pi / 2)
		return c * c
	}
	return build("cosine", T, func(t int) float64 {
		return 1 - f(float64(t+1)/float64(T))/f(float64(t)/float64(T))
	})
}

// Linear returns the linear schedule with T timesteps: β from 1e-4·1000/T to
// 0.02·1000/T (Ho 2020, section 4, rescaled so that the total noise does not
// depend on T), clipped to [1e-5, 0.999].
func Linear(T int) (Schedule, error) {
	first, last := 1e-4*1000/float64(T), 0.02*1000/float64(T)
	return build("linear", T, func(t int) float64 {
		return first + (last-first)*float64(t)/float64(T-1)
	})
}

// ByName returns the "cosine" or the "linear" schedule with T timesteps.
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
	if T < 2 || T > 1e6 {
		return Schedule{}, fmt.Errorf("%w: %d timesteps, want 2 to 1000000", ErrSchedule, T)
	}
	s := Schedule{name: name, beta: make([]float64, T), sigma: make([]float64, T+1)}
	// log ᾱ is summed rather than ᾱ multiplied, so that neither end loses digits.
	logAlphaBar := 0.0
	for t := range s.beta {
		s.beta[t] = min(max(beta(t), leastBeta), largestBeta)
		logAlphaBar += math.Log1p(-s.beta[t])
		s.sigma[t+1] = math.Sqrt(math.Expm1(-logAlphaBar))
	}
	return s, nil
}

// Name returns "cosine" or "linear".
func (s Schedule) Name() string { return s.name }

// T returns the number of timesteps.
func (s Schedule) T() int { return len(s.beta) }

// Beta returns β_t for an integer timestep in [0, T-1].
func (s Schedule) Beta(t int) float64 { return s.beta[t] }

// Sigma returns √((1-ᾱ_t)/ᾱ_t): the standard deviation of the noise in x_t
// relative to a signal of unit variance. It rises with t from 0 at t = -1.
func (s Schedule) Sigma(t float64) float64 {
	s.mustHold(t)
	i := min(int(math.Floor(t))+1, len(s.sigma)-2)
	low, high, f := s.sigma[i], s.sigma[i+1], t+1-float64(i)
	if i == 0 {
		return high * math.Sqrt(f)
	}
	return low * math.Pow(high/low, f)
}

// AlphaBar returns ᾱ_t, the share of signal variance in x_t.
func (s Schedule) AlphaBar(t float64) float64 {
	sigma := s.Sigma(t)
	return 1 / (1 + sigma*sigma)
}

// SNR returns the signal-to-noise ratio of x_t in variances, ᾱ_t/(1-ᾱ_t);
// infinite at t = -1.
func (s Schedule) SNR(t float64) float64 {
	sigma := s.Sigma(t)
	return 1 / (sigma * sigma)
}

// TimestepFor returns the real-valued timestep at which the relative noise
// level is sigma: the inverse of [Schedule.Sigma]. Levels beyond the last
// timestep, below zero or NaN are an [ErrNoiseLevel].
func (s Schedule) TimestepFor(sigma float64) (float64, error) {
	last := s.sigma[len(s.sigma)-1]
	if !(sigma >= 0 && sigma <= last) {
		return 0, fmt.Errorf("%w: %.4g is not between 0 and %.4g (%s, %d timesteps)", ErrNoiseLevel, sigma, last, s.name, s.T())
	}
	i := sort.SearchFloat64s(s.sigma, sigma)
	if i == 0 {
		return -1, nil
	}
	low, high := s.sigma[i-1], s.sigma[i]
	if i == 1 {
		return -1 + (sigma/high)*(sigma/high), nil
	}
	return float64(i-2) + math.Log(sigma/low)/math.Log(high/low), nil
}

// mustHold panics for a timestep outside the schedule.
func (s Schedule) mustHold(t float64) {
	if len(s.beta) == 0 {
		panic("diffusion: empty schedule")
	}
	if !(t >= -1 && t <= float64(len(s.beta)-1)) {
		panic("diffusion: timestep outside [-1, T-1]")
	}
}
