package noise

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Reference values of e^-x·I₀(x) and e^-x·I₁(x) by SciPy 1.10, scipy.special.ive.
func TestBesselScaled(t *testing.T) {
	for _, c := range []struct{ x, i0, i1 float64 }{
		{0, 1, 0},
		{0.5, 0.6450352704491501, 0.15642080318487167},
		{3, 0.2430003541618254, 0.19682671329730084},
		{29.9, 0.07326921904600188, 0.07203337491186877},
		{30, 0.07314594648223727, 0.07191633059864756},
		{400, 0.01995335628193999, 0.019928398958903543},
	} {
		i0, i1 := besselScaled(c.x)
		if math.Abs(i0-c.i0) > 1e-9 || math.Abs(i1-c.i1) > 1e-9 {
			t.Errorf("besselScaled(%v) = %.12f, %.12f, want %.12f, %.12f", c.x, i0, i1, c.i0, c.i1)
		}
	}
}

// Reference values by SciPy 1.10: √(π/2)·((1+a²/2)·ive(0, a²/4) + a²/2·ive(1, a²/4)).
func TestRicianMeanReferenceValues(t *testing.T) {
	for a, want := range map[float64]float64{1: 1.548572460551145, 45: 45.01111248387091, 61: 61.00819727224054, 200: 200.00250001562551} {
		if got := RicianMean(a); math.Abs(got-want) > 1e-8 {
			t.Errorf("RicianMean(%v) = %.10f, want %.10f", a, got, want)
		}
	}
}

// Mean and variance of simulated magnitudes against the closed forms.
func TestRicianMomentsBySimulation(t *testing.T) {
	const n = 400000
	for _, a := range []float64{0, 0.5, 1, 2, 5, 20} {
		rng := rand.New(rand.NewPCG(42, uint64(a*10)))
		var sum, square float64
		for range n {
			m := math.Hypot(a+rng.NormFloat64(), rng.NormFloat64())
			sum += m
			square += m * m
		}
		mean := sum / n
		variance := square/n - mean*mean
		if got, tol := RicianMean(a), 5/math.Sqrt(n); math.Abs(got-mean) > tol {
			t.Errorf("RicianMean(%v) = %.5f, simulated %.5f", a, got, mean)
		}
		if got, tol := KoayFactor(a), 5*math.Sqrt(2.0/n); math.Abs(got-variance) > tol {
			t.Errorf("KoayFactor(%v) = %.5f, simulated %.5f", a, got, variance)
		}
	}
}

func TestKoayFactorLimits(t *testing.T) {
	if got, want := KoayFactor(0), 2-math.Pi/2; math.Abs(got-want) > 1e-12 {
		t.Errorf("KoayFactor(0) = %v, want 2-π/2 = %v", got, want)
	}
	last := 0.0
	for a := 0.0; a < 60; a += 0.25 {
		f := KoayFactor(a)
		if f < last-1e-9 || f > 1 {
			t.Errorf("KoayFactor(%v) = %v after %v: must rise to 1", a, f, last)
		}
		last = f
	}
}

func TestInverseRicianMeanUndoesTheMean(t *testing.T) {
	for a := 0.05; a < 100; a *= 1.07 {
		if got := float64(InverseRicianMean(float32(RicianMean(a)))); math.Abs(got-a) > 2e-3*math.Max(1, 0.2/a) {
			t.Errorf("InverseRicianMean(RicianMean(%v)) = %v", a, got)
		}
		if got, want := float64(factorAtMean(float32(RicianMean(a)))), KoayFactor(a); math.Abs(got-want) > 1e-3 {
			t.Errorf("factorAtMean at amplitude %v = %v, want %v", a, got, want)
		}
	}
	for _, m := range []float32{-3, 0, 1.2533} {
		if got := InverseRicianMean(m); got != 0 {
			t.Errorf("InverseRicianMean(%v) = %v below the floor, want 0", m, got)
		}
	}
	if nan := float32(math.NaN()); InverseRicianMean(nan) == InverseRicianMean(nan) {
		t.Error("InverseRicianMean(NaN) is a number")
	}
}

func BenchmarkInverseRicianMean(b *testing.B) {
	values := make([]float32, 4096)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range values {
		values[i] = 30 * rng.Float32()
	}
	b.SetBytes(4 * int64(len(values)))
	for b.Loop() {
		for i := range values {
			sink += InverseRicianMean(values[i])
		}
	}
}

var sink float32
