package prior

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

func cosine(t testing.TB) diffusion.Schedule {
	t.Helper()
	s, err := diffusion.Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// smooth returns clean stabilised signals of low rank with smooth maps, and
// the same with N(0, 1) noise.
func smooth(nx, ny, nz, d, rank int, seed uint64) (clean, noisy *signals.Signals) {
	g := signals.NewGrid(nx, ny, nz, nil)
	clean, noisy = signals.New(g, d), signals.New(g, d)
	rng := rand.New(rand.NewPCG(seed, 1))
	loading := make([]float64, rank*d)
	for i := range loading {
		loading[i] = 6 * rng.NormFloat64()
	}
	for r := range g.Len() {
		x, y, z := g.At(r)
		for i := range d {
			v := 20 + 5*math.Cos(float64(i))
			for k := range rank {
				v += loading[k*d+i] * math.Sin(0.15*float64(k+1)*float64(x)+0.2*float64(y)+0.1*float64(k)*float64(z))
			}
			clean.Row(r)[i] = float32(v)
			noisy.Row(r)[i] = float32(v + rng.NormFloat64())
		}
	}
	return clean, noisy
}

// denoised runs the noise-matched start, one evaluation, and back.
func denoised(t testing.TB, y *signals.Signals, fit bool, o GaussianOptions) []float32 {
	t.Helper()
	scale, err := NewScaling(cosine(t), y)
	if err != nil {
		t.Fatal(err)
	}
	xt := slices.Clone(y.Values)
	scale.Start(xt)
	g := NewGaussian(y.Grid, y.D, scale, o)
	if fit {
		if err := g.Fit(t.Context(), xt); err != nil {
			t.Fatal(err)
		}
	}
	out := make([]float32, len(xt))
	if err := diffusion.PosteriorMean(t.Context(), g, out, xt, scale.T); err != nil {
		t.Fatal(err)
	}
	scale.Finish(out)
	return out
}

func rms(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i] - b[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(a)))
}

// For a square matrix the optimal shrinkage is √(y²-4) (Gavish and Donoho 2017,
// abstract), with the values in units of σ√n.
func TestShrinkSingularSquareMatrix(t *testing.T) {
	const n, sigma = 50, 1.7
	f := make([]float64, 3)
	for _, y := range []float64{0.5, 1.9, 2.1, 3, 10} {
		eigen := y * y * sigma * sigma * n
		rank := shrinkSingular(f, []float64{0, eigen, eigen}, sigma, n, n)
		want := 0.0
		if y > 2 {
			want = math.Sqrt(y*y-4) / y
		}
		if math.Abs(f[1]-want) > 1e-12 || f[0] != 0 || rank != 2*int(math.Ceil(want)) {
			t.Errorf("y = %v: weights %v rank %d, want %v", y, f, rank, want)
		}
	}
}

// Optimal shrinkage of a rank-one matrix plus noise has the asymptotic loss of
// Gavish and Donoho (2017), and beats both keeping and dropping the component.
func TestShrinkSingularIsOptimalOnSpikes(t *testing.T) {
	const n, d = 125, 60
	weights := make([]float64, d)
	for _, strength := range []float64{1.2, 2, 4} {
		beta := float64(d) / n
		y := math.Sqrt((strength + 1/strength) * (strength + beta/strength))
		values := make([]float64, d)
		values[d-1] = y * y * n
		shrinkSingular(weights, values, 1, n, d)
		// The singular value kept, x·cos·cos of Benaych-Georges and Nadakuditi.
		c1 := (math.Pow(strength, 4) - beta) / (math.Pow(strength, 4) + beta*strength*strength)
		c2 := (math.Pow(strength, 4) - beta) / (math.Pow(strength, 4) + strength*strength)
		if got, want := weights[d-1]*y, strength*math.Sqrt(c1*c2); math.Abs(got-want) > 1e-9 {
			t.Errorf("spike %v: shrunk to %v, want %v", strength, got, want)
		}
	}
}

func TestScalingMatchesTheNoise(t *testing.T) {
	_, y := smooth(12, 12, 6, 20, 2, 5)
	for _, name := range []string{"cosine", "linear"} {
		schedule, err := diffusion.ByName(name, 300)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewScaling(schedule, y)
		if err != nil {
			t.Fatal(err)
		}
		// ᾱ(t*) = s²/(s²+1), and the measurement has unit noise at t*.
		if got, want := schedule.AlphaBar(s.T), s.Scale*s.Scale/(s.Scale*s.Scale+1); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: ᾱ(t*) = %v, want %v", name, got, want)
		}
		if _, sigma := s.Measured(s.T); math.Abs(sigma-1) > 1e-9 {
			t.Errorf("%s: noise of the measurement at t* = %v, want 1", name, sigma)
		}
		values := slices.Clone(y.Values)
		s.Start(values)
		f, _ := s.Measured(s.T)
		for i := range values {
			if math.Abs(f*float64(values[i])-float64(y.Values[i])) > 1e-4 {
				t.Fatalf("%s: Measured does not undo Start: %v, %v", name, f*float64(values[i]), y.Values[i])
			}
		}
	}
}

func TestScalingOfPureNoiseStartsAtTheEnd(t *testing.T) {
	g := signals.NewGrid(10, 10, 10, nil)
	y := signals.New(g, 10)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range y.Values {
		y.Values[i] = float32(rng.NormFloat64() * 0.99)
	}
	s, err := NewScaling(cosine(t), y)
	if err != nil {
		t.Fatal(err)
	}
	if last := float64(s.Schedule.T() - 1); s.T > last || s.T < last-2 {
		t.Errorf("pure noise starts at t* = %v, want the last timestep", s.T)
	}
}

func TestGaussianDenoises(t *testing.T) {
	clean, noisy := smooth(20, 18, 10, 30, 3, 2)
	out := denoised(t, noisy, false, GaussianOptions{})
	// 30 volumes of rank 3 in blocks of 125: (3·(125+30)+30)/(125·30) = 0.13 of
	// the noise power in one block, less after averaging blocks.
	if e := rms(out, clean.Values); e > 0.37 {
		t.Errorf("error %.3f σ, want at most 0.37", e)
	}
	residual := rms(out, noisy.Values)
	if residual < 0.85 || residual > 1.05 {
		t.Errorf("residual %.3f σ, want about √(1-0.13)", residual)
	}
}

func TestGaussianKeepsNoiseFreeLowRankSignals(t *testing.T) {
	clean, _ := smooth(14, 12, 8, 20, 2, 3)
	for i := range clean.Values {
		clean.Values[i] *= 200 // noise of 1 is nothing here
	}
	out := denoised(t, clean, false, GaussianOptions{})
	if e := rms(out, clean.Values); e > 0.1 {
		t.Errorf("noise-free signals change by %.4f σ", e)
	}
}

func TestGaussianFlattensPureNoise(t *testing.T) {
	g := signals.NewGrid(20, 20, 10, nil)
	y := signals.New(g, 24)
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range y.Values {
		y.Values[i] = float32(5 + rng.NormFloat64())
	}
	out := denoised(t, y, false, GaussianOptions{})
	flat := slices.Repeat([]float32{5}, len(out))
	if e := rms(out, flat); e > 0.1 {
		t.Errorf("pure noise leaves %.3f σ", e)
	}
}

// A fitted prior evaluated at the noise level it was fitted at is the unfitted
// one; thread counts change nothing.
func TestGaussianFitAgreesAndThreadsDoNotMatter(t *testing.T) {
	_, noisy := smooth(13, 11, 7, 16, 2, 4)
	want := denoised(t, noisy, false, GaussianOptions{Threads: 1})
	if fitted := denoised(t, noisy, true, GaussianOptions{Threads: 2}); rms(fitted, want) > 2e-4 {
		t.Errorf("fitted and unfitted prior differ by %v", rms(fitted, want))
	}
	for _, threads := range []int{2, 4} {
		if !slices.Equal(denoised(t, noisy, false, GaussianOptions{Threads: threads}), want) {
			t.Errorf("%d threads change the result", threads)
		}
	}
	// More volumes than voxels of a block: the other side is decomposed.
	_, wide := smooth(9, 9, 4, 140, 2, 6)
	one := denoised(t, wide, false, GaussianOptions{})
	if fitted := denoised(t, wide, true, GaussianOptions{}); rms(fitted, one) > 2e-4 {
		t.Errorf("140 volumes: fitted and unfitted prior differ by %v", rms(fitted, one))
	}
}

// The posterior mean of a fitted prior tends to the measurement at vanishing
// noise for what the prior allows, and to the mean of similar patches at
// overwhelming noise.
func TestFittedGaussianAtOtherNoiseLevels(t *testing.T) {
	clean, noisy := smooth(13, 11, 7, 16, 2, 4)
	schedule := cosine(t)
	scale, err := NewScaling(schedule, noisy)
	if err != nil {
		t.Fatal(err)
	}
	xt := slices.Clone(noisy.Values)
	scale.Start(xt)
	g := NewGaussian(noisy.Grid, noisy.D, scale, GaussianOptions{})
	if err := g.Fit(t.Context(), xt); err != nil {
		t.Fatal(err)
	}
	at := func(tt float64) []float32 {
		x := slices.Clone(clean.Values)
		f, _ := scale.Measured(tt)
		for i := range x {
			x[i] /= float32(f)
		}
		out := make([]float32, len(x))
		if err := g.PosteriorMean(t.Context(), out, x, tt); err != nil {
			t.Fatal(err)
		}
		scale.Finish(out)
		return out
	}
	near, far := rms(at(0), clean.Values), rms(at(900), clean.Values)
	if near > 0.2 {
		t.Errorf("clean signals at t = 0 change by %.3f σ", near)
	}
	if far < 0.5 {
		t.Errorf("clean signals presented as t = 900 change by only %.3f σ", far)
	}
}

// What is removed must hardly show the two-voxel grid of the blocks' centres:
// the share of the noise that goes is the same within 1 % for voxels of even and
// odd coordinates. Dividing by the noise that was there leaves the sampling
// error out. A flat window instead of the taper fails this (0.9878 along x).
func TestGaussianLeavesNoGridInTheResidual(t *testing.T) {
	clean, noisy := smooth(40, 40, 12, 30, 3, 9)
	out := denoised(t, noisy, false, GaussianOptions{})
	for axis := range 3 {
		var removed, there [2]float64
		for r := range noisy.Len() {
			x, y, z := noisy.At(r)
			c := [3]int{x, y, z}
			if x < 4 || y < 4 || z < 4 || x > 35 || y > 35 || z > 7 {
				continue
			}
			for i, v := range noisy.Row(r) {
				d, n := float64(v-out[r*noisy.D+i]), float64(v-clean.Row(r)[i])
				removed[c[axis]%2] += d * d
				there[c[axis]%2] += n * n
			}
		}
		ratio := math.Sqrt(removed[0] / there[0] / (removed[1] / there[1]))
		if math.Abs(ratio-1) > 0.01 {
			t.Errorf("axis %d: share removed of even over odd voxels %.4f, want 1 ± 0.01", axis, ratio)
		}
	}
}

func TestGaussianTakesOddShapes(t *testing.T) {
	for _, c := range []struct {
		nx, ny, nz, d int
		o             GaussianOptions
	}{
		{1, 1, 1, 5, GaussianOptions{}},
		{7, 1, 1, 4, GaussianOptions{}},
		{6, 6, 1, 8, GaussianOptions{}},
		{6, 7, 3, 2, GaussianOptions{Extent: [3]int{3, 5, 1}}},
		{5, 5, 5, 6, GaussianOptions{Extent: [3]int{1, 1, 1}}},
	} {
		_, y := smooth(c.nx, c.ny, c.nz, c.d, 1, 1)
		for i, v := range denoised(t, y, false, c.o) {
			if v-v != 0 {
				t.Fatalf("%+v: value %d is %v", c, i, v)
			}
		}
	}
}

func TestGaussianStopsWhenCancelled(t *testing.T) {
	_, y := smooth(20, 20, 8, 10, 1, 1)
	scale, err := NewScaling(cosine(t), y)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g := NewGaussian(y.Grid, y.D, scale, GaussianOptions{})
	if err := g.PosteriorMean(ctx, make([]float32, len(y.Values)), y.Values, scale.T); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func BenchmarkGaussian(b *testing.B) {
	for _, d := range []int{33, 70, 165} {
		b.Run(map[int]string{33: "33", 70: "70", 165: "165"}[d], func(b *testing.B) {
			_, y := smooth(24, 24, 12, d, 6, 1)
			scale, err := NewScaling(cosine(b), y)
			if err != nil {
				b.Fatal(err)
			}
			g := NewGaussian(y.Grid, y.D, scale, GaussianOptions{Threads: 1})
			scale.Start(y.Values)
			out := make([]float32, len(y.Values))
			for b.Loop() {
				if err := g.PosteriorMean(b.Context(), out, y.Values, scale.T); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(out)*b.N)/b.Elapsed().Seconds(), "voxel-volumes/s")
		})
	}
}
