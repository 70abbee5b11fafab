package diffusion

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// prior3 is a correlated Gaussian over three variables.
func prior3(t testing.TB, s Schedule) (g *Gaussian, mean []float64, cov *mat.SymDense) {
	t.Helper()
	mean = []float64{0.5, -1, 0.2}
	cov = mat.NewSymDense(3, []float64{1, 0.6, 0.1, 0.6, 0.8, -0.2, 0.1, -0.2, 0.5})
	g, err := NewGaussian(s, mean, cov)
	if err != nil {
		t.Fatal(err)
	}
	return g, mean, cov
}

// closedForm returns mean and covariance of x given y = x + N(0, σ²I), by
// solving with Σ + σ²I instead of by eigenvectors as Gaussian does.
func closedForm(y, mean []float64, cov *mat.SymDense, sigma float64) ([]float64, *mat.SymDense) {
	d := len(y)
	noisy := mat.NewSymDense(d, nil)
	noisy.CopySym(cov)
	for i := range d {
		noisy.SetSym(i, i, noisy.At(i, i)+sigma*sigma)
	}
	var inverse, gain, loss mat.Dense
	if err := inverse.Inverse(noisy); err != nil {
		panic(err)
	}
	gain.Mul(cov, &inverse)
	loss.Mul(&gain, cov)
	out, left := slices.Clone(mean), mat.NewSymDense(d, nil)
	for i := range d {
		for j := range d {
			out[i] += gain.At(i, j) * (y[j] - mean[j])
		}
		for j := i; j < d; j++ {
			left.SetSym(i, j, cov.At(i, j)-loss.At(i, j))
		}
	}
	return out, left
}

// measured returns y as the sample of the forward process that it is.
func measured(s Schedule, y []float64, t float64) []float32 {
	xt := make([]float32, len(y))
	for i, v := range y {
		xt[i] = float32(math.Sqrt(s.AlphaBar(t)) * v)
	}
	return xt
}

func TestGaussianMatchesClosedForm(t *testing.T) {
	y := []float64{1.2, -0.4, -0.7}
	for _, s := range schedules(t) {
		g, mean, cov := prior3(t, s)
		for _, sigma := range []float64{0.05, 0.2, 1, 5} {
			at, err := s.TimestepFor(sigma)
			if err != nil {
				t.Fatal(err)
			}
			wantMean, wantCov := closedForm(y, mean, cov, sigma)
			got := make([]float32, 3)
			if err := PosteriorMean(t.Context(), g, got, measured(s, y, at), at); err != nil {
				t.Fatal(err)
			}
			gotCov := g.PosteriorCovariance(at)
			for i := range got {
				// float32 in and out.
				if math.Abs(float64(got[i])-wantMean[i]) > 5e-7 {
					t.Errorf("%s σ=%v: posterior mean %v, want %v", label(s), sigma, got, wantMean)
				}
				for j := range got {
					if math.Abs(gotCov.At(i, j)-wantCov.At(i, j)) > 1e-9 {
						t.Errorf("%s σ=%v: covariance[%d,%d] = %v, want %v", label(s), sigma, i, j, gotCov.At(i, j), wantCov.At(i, j))
					}
				}
			}
		}
	}
}

// At the end of the schedule the measurement says nothing; at -1 it is the signal.
func TestGaussianAtTheEnds(t *testing.T) {
	s := mustSchedule(t, "cosine", 1000)
	g, mean, cov := prior3(t, s)
	xt, dst := []float32{0.3, -1, 0.8}, make([]float32, 3)
	if err := g.PosteriorMean(t.Context(), dst, xt, 999); err != nil {
		t.Fatal(err)
	}
	for i := range dst {
		// What remains is √ᾱ·Σ·x_t, 5e-5 times about 1.
		if math.Abs(float64(dst[i])-mean[i]) > 1e-4 {
			t.Errorf("at T-1: %v, want the prior's mean %v", dst, mean)
		}
		if got, want := g.PosteriorCovariance(999).At(i, i), cov.At(i, i); math.Abs(got-want) > 1e-6 {
			t.Errorf("at T-1: variance %v, want the prior's %v", got, want)
		}
		if got := g.PosteriorCovariance(-1).At(i, i); got != 0 {
			t.Errorf("at -1: variance %v, want 0", got)
		}
	}
	if err := g.PosteriorMean(t.Context(), dst, xt, -1); err != nil {
		t.Fatal(err)
	}
	for i := range dst {
		if math.Abs(float64(dst[i]-xt[i])) > 2e-7 {
			t.Errorf("at -1: %v, want x_t itself, %v", dst, xt)
		}
	}
}

// A direction without variance is known, at every noise level, 0 included.
func TestGaussianSingularCovariance(t *testing.T) {
	s := mustSchedule(t, "linear", 100)
	for _, c := range []struct {
		name  string
		cov   []float64
		known func(x []float32) float64 // 0 where the prior has no variance
	}{
		{"axis", []float64{1, 0, 0, 0}, func(x []float32) float64 { return float64(x[1]) - 1 }},
		{"diagonal", []float64{1, 1, 1, 1}, func(x []float32) float64 { return float64(x[0] - x[1]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := NewGaussian(s, []float64{1, 1}, mat.NewSymDense(2, c.cov))
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []float64{0, 50.5, 99} {
				dst := make([]float32, 2)
				if err := g.PosteriorMean(t.Context(), dst, []float32{2, -1}, at); err != nil {
					t.Fatal(err)
				}
				if got := c.known(dst); !(math.Abs(got) < 1e-6) {
					t.Errorf("t=%v: %v is off the known direction by %v", at, dst, got)
				}
			}
			// Clean, and on the prior's support: the signal itself.
			dst := make([]float32, 2)
			if err := g.PosteriorMean(t.Context(), dst, []float32{1, 1}, -1); err != nil {
				t.Fatal(err)
			}
			if dst[0] != 1 || dst[1] != 1 {
				t.Errorf("t=-1: %v, want [1 1]", dst)
			}
		})
	}
}

func TestGaussianManyVectorsInPlace(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	g, _, _ := prior3(t, s)
	many := []float32{0.3, -0.2, 0.9, 1, 1, 1}
	var want []float32
	for from := 0; from < 6; from += 3 {
		one := make([]float32, 3)
		if err := g.PosteriorMean(t.Context(), one, many[from:from+3], 20.5); err != nil {
			t.Fatal(err)
		}
		want = append(want, one...)
	}
	if err := g.PosteriorMean(t.Context(), many, many, 20.5); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(many, want) {
		t.Errorf("two vectors in place: %v, one by one: %v", many, want)
	}
}

func TestGaussianRefuses(t *testing.T) {
	s := mustSchedule(t, "cosine", 100)
	nan := math.NaN()
	for _, c := range []struct {
		name string
		mean []float64
		cov  []float64
	}{
		{"indefinite", []float64{0, 0}, []float64{1, 2, 2, 1}},
		{"negative", []float64{0, 0}, []float64{-1, 0, 0, -1}},
		{"NaN covariance", []float64{0, 0}, []float64{1, nan, nan, 1}},
		{"infinite covariance", []float64{0, 0}, []float64{math.Inf(1), 0, 0, 1}},
		{"NaN mean", []float64{0, nan}, []float64{1, 0, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewGaussian(s, c.mean, mat.NewSymDense(2, c.cov)); !errors.Is(err, ErrGaussian) {
				t.Errorf("err = %v, want ErrGaussian", err)
			}
		})
	}
	make2 := func(s Schedule, mean []float64) func() {
		return func() {
			_, err := NewGaussian(s, mean, mat.NewSymDense(2, nil))
			t.Errorf("no panic, err = %v", err)
		}
	}
	mustPanic(t, "mean of length 1", badDimension, make2(s, []float64{0}))
	mustPanic(t, "empty mean", badDimension, make2(s, nil))
	mustPanic(t, "zero Schedule", badSchedule, make2(Schedule{}, []float64{0, 0}))
}

func TestGaussianMisuseAndCancel(t *testing.T) {
	g, _, _ := prior3(t, mustSchedule(t, "cosine", 100))
	call := func(ctx context.Context, dst, xt int) error {
		return PosteriorMean(ctx, g, make([]float32, dst), make([]float32, xt), 5)
	}
	mustPanic(t, "4 values of a prior over 3", badVectors, func() { t.Errorf("no panic, err = %v", call(t.Context(), 4, 4)) })
	mustPanic(t, "dst shorter than xt", badLength, func() { t.Errorf("no panic, err = %v", call(t.Context(), 3, 6)) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(ctx, 3, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("PosteriorMean: err = %v, want context.Canceled", err)
	}
	if err := g.PosteriorMean(ctx, make([]float32, 3), make([]float32, 3), 5); !errors.Is(err, context.Canceled) {
		t.Errorf("Gaussian.PosteriorMean: err = %v, want context.Canceled", err)
	}
}

func TestGaussianDoesNotAllocate(t *testing.T) {
	g, _, _ := prior3(t, mustSchedule(t, "cosine", 100))
	dst, xt := make([]float32, 30), make([]float32, 30)
	ctx := t.Context()
	// The race detector makes sync.Pool forget one value in four, hence the many
	// runs: AllocsPerRun rounds the average down.
	got := testing.AllocsPerRun(1000, func() {
		if err := g.PosteriorMean(ctx, dst, xt, 40.5); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("PosteriorMean allocates %v times", got)
	}
}
