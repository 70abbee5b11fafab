package diffusion

import "math"

// Noise writes a sample of q(x_t|x₀) = N(√ᾱ_t·x₀, (1-ᾱ_t)·I) into dst, for
// standard normal eps (Ho 2020, eq. 4). The slices have one length; dst may be
// x0 or eps.
func (s Schedule) Noise(dst, x0, eps []float32, t float64) {
	mustMatch(dst, x0)
	mustMatch(dst, eps)
	alphaBar := s.AlphaBar(t)
	signal, noise := float32(math.Sqrt(alphaBar)), float32(math.Sqrt(alphaBar)*s.Sigma(t))
	for i, e := range eps {
		dst[i] = signal*x0[i] + noise*e
	}
}

// Step writes a sample of q(x_t|x_{t-1}) = N(√(1-β_t)·x_{t-1}, β_t·I) into dst,
// for an integer timestep in [0, T-1] and standard normal eps (Ho 2020, eq. 2).
// At t = 0 prev is the clean signal. dst may be prev or eps.
func (s Schedule) Step(dst, prev, eps []float32, t int) {
	mustMatch(dst, prev)
	mustMatch(dst, eps)
	signal, noise := float32(math.Sqrt(1-s.beta[t])), float32(math.Sqrt(s.beta[t]))
	for i, e := range eps {
		dst[i] = signal*prev[i] + noise*e
	}
}

func mustMatch(a, b []float32) {
	if len(a) != len(b) {
		panic("diffusion: slices of different length")
	}
}
