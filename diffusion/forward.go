package diffusion

import "math"

// Noise writes a sample of q(x_t|x₀) = N(√ᾱ_t·x₀, (1-ᾱ_t)·I) into dst, for
// standard normal eps and a real-valued t in [-1, T-1] (Ho 2020, eq. 4). The
// slices have one length; dst may be x0 or eps. It panics for a t outside the
// schedule and for slices of different length.
func (s Schedule) Noise(dst, x0, eps []float32, t float64) {
	sigma := s.Sigma(t)
	signal := 1 / math.Sqrt(1+sigma*sigma)
	mix(dst, x0, eps, signal, signal*sigma)
}

// Step writes a sample of q(x_t|x_{t-1}) = N(√(1-β_t)·x_{t-1}, β_t·I) into dst,
// for an integer t in [0, T-1] and standard normal eps (Ho 2020, eq. 2). At
// t = 0 prev is the clean signal. The slices have one length; dst may be prev or
// eps. It panics for a t outside the schedule and for slices of different length.
func (s Schedule) Step(dst, prev, eps []float32, t int) {
	beta := s.Beta(t)
	mix(dst, prev, eps, math.Sqrt(1-beta), math.Sqrt(beta))
}

// mix writes signal·x + noise·eps, rounded to float32 once.
func mix(dst, x, eps []float32, signal, noise float64) {
	mustMatch(dst, x)
	mustMatch(dst, eps)
	for i, e := range eps {
		dst[i] = float32(signal*float64(x[i]) + noise*float64(e))
	}
}

func mustMatch(a, b []float32) {
	if len(a) != len(b) {
		panic(badLength)
	}
}
