package prior

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
)

// faintScan has rows of d amplitudes that two numbers make, from 0 to 6 σ, and
// their means with the given standard error.
func faintScan(rows, d int, deviation float64) (truth, means []float32) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range rows {
		base, turn := 0.3+2*rng.Float64(), 2*math.Pi*rng.Float64()
		for i := range d {
			angle := 2 * math.Pi * float64(i) / float64(d)
			a := base * (1 + 0.9*math.Cos(angle-turn))
			if i%5 == 0 {
				a += 6
			}
			truth = append(truth, float32(a))
			means = append(means, float32(noise.RicianMean(a)+deviation*rng.NormFloat64()))
		}
	}
	return truth, means
}

func errorsOf(got, truth []float32, within func(a float32) bool) (bias, rmse float64) {
	n := 0.0
	for i, a := range truth {
		if within(a) {
			e := float64(got[i] - a)
			bias, rmse, n = bias+e, rmse+e*e, n+1
		}
	}
	return bias / n, math.Sqrt(rmse / n)
}

// TestAmplitudesFromTheOtherVolumes: near the floor the voxel's other volumes
// tell more than the inverse of one mean; far above nothing changes.
func TestAmplitudesFromTheOtherVolumes(t *testing.T) {
	const rows, d = 3000, 40
	truth, means := faintScan(rows, d, 0.2)
	alone := slices.Clone(means)
	for i, m := range alone {
		alone[i] = noise.AmplitudeOfMean(m)
	}
	counts := make([]bool, rows)
	for r := range counts {
		counts[r] = r%10 != 0
	}
	got := slices.Clone(means)
	if err := Amplitudes(t.Context(), got, d, counts, 2); err != nil {
		t.Fatal(err)
	}
	faint := func(a float32) bool { return a < 1 }
	_, before := errorsOf(alone, truth, faint)
	_, after := errorsOf(got, truth, faint)
	all := func(float32) bool { return true }
	biasAlone, _ := errorsOf(alone, truth, all)
	bias, _ := errorsOf(got, truth, all)
	t.Logf("below 1 σ: error %.3f alone, %.3f with the others; bias of all %.4f and %.4f", before, after, biasAlone, bias)
	if after > 0.65*before || math.Abs(bias-biasAlone) > 0.03 {
		t.Errorf("below 1 σ: error %.3f alone, %.3f with the others; bias of all %.4f and %.4f", before, after, biasAlone, bias)
	}
	for i, m := range means {
		if (m >= ownMean || !counts[i/d]) && got[i] != alone[i] {
			t.Fatalf("row %d: mean %v became %v, by itself %v", i/d, m, got[i], alone[i])
		}
		if !(got[i] >= 0) {
			t.Fatalf("amplitude %v", got[i])
		}
	}
	again := slices.Clone(means)
	if err := Amplitudes(t.Context(), again, d, counts, 1); err != nil || !slices.Equal(got, again) {
		t.Errorf("one thread gives something else (%v)", err)
	}
}

// TestAmplitudesOfFewVoxels: what cannot be learned from is inverted by itself.
func TestAmplitudesOfFewVoxels(t *testing.T) {
	_, means := faintScan(20, 10, 0.2)
	got := slices.Clone(means)
	if err := Amplitudes(t.Context(), got, 10, slices.Repeat([]bool{true}, 20), 1); err != nil {
		t.Fatal(err)
	}
	for i, m := range means {
		if want := noise.AmplitudeOfMean(m); got[i] != want {
			t.Fatalf("%v became %v, want %v", m, got[i], want)
		}
	}
}

// TestNewtonTarget: an amplitude that has the mean stays, and from others the way
// leads to it.
func TestNewtonTarget(t *testing.T) {
	for _, a := range []float32{0.3, 1, 2.5, 6, 20} {
		m := float32(noise.RicianMean(float64(a)))
		if _, z := newtonTarget(a, m); math.Abs(float64(z-a)) > 1e-3 {
			t.Errorf("at %v the target is %v", a, z)
		}
		for _, from := range []float32{0.8 * a, 1.3 * a} {
			if _, z := newtonTarget(from, m); math.Abs(float64(z-a)) > 0.5*math.Abs(float64(from-a)) {
				t.Errorf("from %v to %v the target is %v", from, a, z)
			}
		}
	}
}

// TestPositive holds the mean of the truncated normal against its integral.
func TestPositive(t *testing.T) {
	for _, a := range []float64{-1, -0.3, -0.05, 0, 0.1, 0.5, 2} {
		sum, weighed := 0.0, 0.0
		for i := range 200000 {
			x := (float64(i) + 0.5) * 1.5e-5
			w := math.Exp(-((x-a)*(x-a) - min(a, 0)*min(a, 0)) / (2 * amplitudeError * amplitudeError))
			sum, weighed = sum+w, weighed+w*x
		}
		tolerance := 1e-4
		if a < -8*amplitudeError {
			tolerance = 1e-3
		}
		if got := float64(positive(float32(a))); math.Abs(got-weighed/sum) > tolerance {
			t.Errorf("positive(%v) = %v, want %v", a, got, weighed/sum)
		}
	}
}

func BenchmarkAmplitudes(b *testing.B) {
	const rows, d = 2000, 90
	_, means := faintScan(rows, d, 0.2)
	counts := slices.Repeat([]bool{true}, rows)
	x := make([]float32, len(means))
	for b.Loop() {
		copy(x, means)
		if err := Amplitudes(b.Context(), x, d, counts, 1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/rows, "µs/voxel")
}
