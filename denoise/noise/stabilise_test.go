package noise

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Drawn magnitudes have unit spread after the transform, and the inverse takes
// their mean back to the amplitude.
func TestStabiliseBySimulation(t *testing.T) {
	const n = 200000
	for _, a := range []float64{0, 0.5, 1, 1.5, 2, 3, 5, 8.9, 9.5, 15, 40} {
		rng := rand.New(rand.NewPCG(7, uint64(a*10)))
		var sum, square float64
		for range n {
			f := float64(Stabilise(float32(math.Hypot(a+rng.NormFloat64(), rng.NormFloat64()))))
			sum += f
			square += f * f
		}
		mean := sum / n
		if sd := math.Sqrt(square/n - mean*mean); math.Abs(sd-1) > 0.04 {
			t.Errorf("amplitude %v: standard deviation %.4f after the transform", a, sd)
		}
		if a < 0.5 { // the mean is flat there: noise of the mean is large in the amplitude
			if mean > float64(stable().mean[0])+5/math.Sqrt(n) {
				t.Errorf("amplitude %v: mean %.4f, want %.4f", a, mean, stable().mean[0])
			}
			continue
		}
		if got := float64(InverseStabilise(float32(mean))); math.Abs(got-a) > 8/math.Sqrt(n)/min(a, 1) {
			t.Errorf("amplitude %v: inverse of the mean is %.4f", a, got)
		}
	}
}

func TestStabiliseRises(t *testing.T) {
	last, lastInverse := float32(math.Inf(-1)), float32(0)
	for m := float32(0); m < 20; m += 0.003 {
		f, a := Stabilise(m), InverseStabilise(m)
		if !(f > last) || a < lastInverse {
			t.Fatalf("at %v: %v after %v, inverse %v after %v", m, f, last, a, lastInverse)
		}
		last, lastInverse = f, a
	}
	if nan := float32(math.NaN()); Stabilise(nan) == Stabilise(nan) || InverseStabilise(nan) == InverseStabilise(nan) {
		t.Error("NaN became a number")
	}
}

func BenchmarkStabilise(b *testing.B) {
	values := make([]float32, 4096)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range values {
		values[i] = 15 * rng.Float32()
	}
	b.SetBytes(4 * int64(len(values)))
	for b.Loop() {
		for _, v := range values {
			sink += InverseStabilise(Stabilise(v))
		}
	}
}

func BenchmarkBuildStabilising(b *testing.B) {
	for b.Loop() {
		buildStabilising()
	}
}
