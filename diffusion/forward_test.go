package diffusion

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func normals(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

func moments(v []float32) (mean, variance float64) {
	for _, x := range v {
		mean += float64(x) / float64(len(v))
	}
	for _, x := range v {
		variance += (float64(x) - mean) * (float64(x) - mean) / float64(len(v)-1)
	}
	return mean, variance
}

// Noise is the linear map of its definition.
func TestNoiseIsItsDefinition(t *testing.T) {
	all := schedules(t)
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "schedule")
		at := rapid.Float64Range(-1, float64(s.T()-1)).Draw(rt, "t")
		x0 := rapid.Float32Range(-1e3, 1e3).Draw(rt, "x0")
		eps := rapid.Float32Range(-6, 6).Draw(rt, "eps")
		a := s.AlphaBar(at)
		want := math.Sqrt(a)*float64(x0) + math.Sqrt(1-a)*float64(eps)
		dst := make([]float32, 1)
		s.Noise(dst, []float32{x0}, []float32{eps}, at)
		// One rounding to float32, and the cancellation in the test's own 1-ᾱ.
		if math.Abs(float64(dst[0])-want) > 1e-7*(math.Abs(float64(x0))+math.Abs(float64(eps))) {
			rt.Fatalf("Noise = %v, want %v", dst[0], want)
		}
	})
}

// q(x_t|x₀) in one jump has the mean and variance of its definition, and t+1
// single steps q(x_t|x_{t-1}) have the same.
func TestForwardMarginals(t *testing.T) {
	const n = 8000
	for _, s := range schedules(t) {
		t.Run(label(s), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, uint64(s.T())))
			for _, at := range []int{0, s.T() / 20, s.T() / 4} {
				x0 := make([]float32, n)
				for i := range x0 {
					x0[i] = 1.5
				}
				jump, walked := make([]float32, n), make([]float32, n)
				s.Noise(jump, x0, normals(rng, n), float64(at))
				copy(walked, x0)
				for step := range at + 1 {
					s.Step(walked, walked, normals(rng, n), step)
				}
				checkMarginal(t, "jump", jump, 1.5, s.AlphaBar(float64(at)))
				checkMarginal(t, "steps", walked, 1.5, s.AlphaBar(float64(at)))
			}
		})
	}
}

// checkMarginal allows five standard errors and float32 rounding.
func checkMarginal(t *testing.T, what string, x []float32, x0, alphaBar float64) {
	t.Helper()
	n := float64(len(x))
	mean, variance := moments(x)
	if want, tol := math.Sqrt(alphaBar)*x0, 5*math.Sqrt((1-alphaBar)/n)+1e-6; math.Abs(mean-want) > tol {
		t.Errorf("%s: mean %v, want %v ± %v", what, mean, want, tol)
	}
	if want, tol := 1-alphaBar, 5*(1-alphaBar)*math.Sqrt(2/n)+1e-6; math.Abs(variance-want) > tol {
		t.Errorf("%s: variance %v, want %v ± %v", what, variance, want, tol)
	}
}

// The moments of all T steps, followed exactly instead of drawn: the signal
// shrinks by √(1-β) and the variance becomes (1-β)v + β.
func TestStepsComposeToNoise(t *testing.T) {
	for _, s := range schedules(t) {
		signal, variance := 1.0, 0.0
		one, zero, dst := []float32{1}, []float32{0}, make([]float32, 1)
		for step := range s.T() {
			s.Step(dst, one, zero, step)
			signal *= float64(dst[0])
			keep := float64(dst[0])
			s.Step(dst, zero, one, step)
			variance = keep*keep*variance + float64(dst[0])*float64(dst[0])
			// T roundings to float32 of the coefficients.
			a, tol := s.AlphaBar(float64(step)), 1e-7*float64(step+1)
			if math.Abs(signal*signal-a) > tol*a || math.Abs(variance-(1-a)) > 1e-7+tol*(1-a) {
				t.Fatalf("%s: after step %d signal² %v and variance %v, want %v and %v", label(s), step, signal*signal, variance, a, 1-a)
			}
		}
	}
}

func TestNoiseAtMinusOneIsTheCleanSignal(t *testing.T) {
	s := mustSchedule(t, "cosine", 300)
	x0, dst := []float32{1, -2, 0.5}, make([]float32, 3)
	s.Noise(dst, x0, []float32{9, 9, 9}, -1)
	for i := range dst {
		if dst[i] != x0[i] {
			t.Errorf("x_{-1} = %v, want %v", dst, x0)
		}
	}
}

func TestForwardInPlaceAndPanics(t *testing.T) {
	s := mustSchedule(t, "linear", 100)
	want := make([]float32, 2)
	s.Noise(want, []float32{1, 2}, []float32{0.5, -1}, 40.5)
	x, e := []float32{1, 2}, []float32{0.5, -1}
	s.Noise(x, x, e, 40.5)
	y, f := []float32{1, 2}, []float32{0.5, -1}
	s.Noise(f, y, f, 40.5)
	for i := range want {
		if x[i] != want[i] || f[i] != want[i] {
			t.Errorf("in place %v and %v, want %v", x, f, want)
		}
	}
	mustPanic(t, "Noise of lengths 2, 2, 1", badLength, func() { s.Noise(x, x, e[:1], 3) })
	mustPanic(t, "Step of lengths 2, 1, 2", badLength, func() { s.Step(x, x[:1], e, 3) })
	mustPanic(t, "Step(-1)", badStep, func() { s.Step(x, x, e, -1) })
	mustPanic(t, "Noise(-2)", badTimestep, func() { s.Noise(x, x, e, -2) })
}

func TestForwardDoesNotAllocate(t *testing.T) {
	s := mustSchedule(t, "cosine", 1000)
	x, e := make([]float32, 64), make([]float32, 64)
	if got := testing.AllocsPerRun(20, func() { s.Noise(x, x, e, 20.5); s.Step(x, x, e, 20) }); got != 0 {
		t.Errorf("Noise and Step allocate %v times", got)
	}
}
