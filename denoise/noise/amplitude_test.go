package noise

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Amplitudes drawn evenly, seen through the Rician mean with the error assumed:
// among those seen at a mean, the average amplitude is the one returned.
func TestAmplitudeOfMeanByDefinition(t *testing.T) {
	const bins, width = 40, 0.05
	rng := rand.New(rand.NewPCG(1, 2))
	var sum, n [bins]float64
	for range 2_000_000 {
		a := 4 * rng.Float64()
		m := RicianMean(a) + meanError*rng.NormFloat64()
		if b := int(math.Floor((m - 1) / width)); b >= 0 && b < bins {
			sum[b] += a
			n[b]++
		}
	}
	for b := range bins {
		m := 1 + (float64(b)+0.5)*width
		if n[b] < 5000 {
			continue
		}
		got := float64(AmplitudeOfMean(float32(m)))
		if want := sum[b] / n[b]; math.Abs(got-want) > 0.015 {
			t.Errorf("mean %.3f: amplitude %.4f, want %.4f", m, got, want)
		}
	}
}

func TestAmplitudeOfMeanRises(t *testing.T) {
	last := float32(0)
	for m := float32(-1); m < 8; m += 0.01 {
		a := AmplitudeOfMean(m)
		if a <= 0 || a < last {
			t.Fatalf("mean %v: amplitude %v after %v", m, a, last)
		}
		if exact := InverseRicianMean(m); m > 3 && math.Abs(float64(a-exact)) > 5e-3 {
			t.Errorf("mean %v: amplitude %v, exact %v", m, a, exact)
		}
		last = a
	}
	if got := AmplitudeOfMean(RicianFloor); math.Abs(float64(got)-0.33) > 0.01 {
		t.Errorf("at the floor: %v", got)
	}
	if got := AmplitudeOfMean(float32(math.NaN())); got == got {
		t.Errorf("NaN becomes %v", got)
	}
}

func BenchmarkAmplitudeOfMean(b *testing.B) {
	x := make([]float32, 1<<12)
	for i := range x {
		x[i] = float32(i) / 500
	}
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		for i, m := range x {
			x[i] = m + 0*AmplitudeOfMean(m)
		}
	}
}
