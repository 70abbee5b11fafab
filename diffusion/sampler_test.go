package diffusion

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

type sampler func(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error

var stochastic = map[string]sampler{"Ancestral": Ancestral, "ReverseSDE": ReverseSDE}

// prior3 is a correlated Gaussian over three variables.
func prior3(t testing.TB, s Schedule) (*Gaussian, []float64, *mat.SymDense) {
	t.Helper()
	mean := []float64{0.5, -1, 0.2}
	cov := mat.NewSymDense(3, []float64{1, 0.6, 0.1, 0.6, 0.8, -0.2, 0.1, -0.2, 0.5})
	g, err := NewGaussian(s, mean, cov)
	if err != nil {
		t.Fatal(err)
	}
	return g, mean, cov
}

// repeat returns n copies of x one after another: n chains from one start.
func repeat(x []float32, n int) []float32 {
	out := make([]float32, 0, n*len(x))
	for range n {
		out = append(out, x...)
	}
	return out
}

// sampleMoments returns mean and covariance of vectors of length d.
func sampleMoments(x []float32, d int) ([]float64, *mat.SymDense) {
	n := float64(len(x) / d)
	mean := make([]float64, d)
	for i, v := range x {
		mean[i%d] += float64(v) / n
	}
	cov := mat.NewSymDense(d, nil)
	row := mat.NewVecDense(d, nil)
	for from := 0; from < len(x); from += d {
		for i := range d {
			row.SetVec(i, float64(x[from+i])-mean[i])
		}
		cov.SymRankOne(cov, 1/(n-1), row)
	}
	return mean, cov
}

// compareMoments allows five standard errors plus a relative bias of the standard deviation.
func compareMoments(t *testing.T, what string, x []float32, mean []float64, cov mat.Symmetric, bias float64) {
	t.Helper()
	d := len(mean)
	n := float64(len(x) / d)
	gotMean, gotCov := sampleMoments(x, d)
	for i := range d {
		sd := math.Sqrt(cov.At(i, i))
		if tol := (5/math.Sqrt(n) + bias) * sd; math.Abs(gotMean[i]-mean[i]) > tol {
			t.Errorf("%s: mean[%d] = %.4f, want %.4f ± %.4f", what, i, gotMean[i], mean[i], tol)
		}
		for j := range d {
			scale := math.Sqrt(cov.At(i, i) * cov.At(j, j))
			if tol := (5*math.Sqrt(2/n) + 2*bias) * scale; math.Abs(gotCov.At(i, j)-cov.At(i, j)) > tol {
				t.Errorf("%s: cov[%d,%d] = %.5f, want %.5f ± %.5f", what, i, j, gotCov.At(i, j), cov.At(i, j), tol)
			}
		}
	}
}

// From a measurement at its noise-matched timestep, the posterior mean and the
// moments of posterior samples are those of the closed form, computed here
// independently of the Denoiser by solving with Σ + σ²I.
func TestPosteriorMatchesClosedForm(t *testing.T) {
	y := []float64{1.2, -0.4, -0.7}
	for _, s := range schedules(t) {
		g, mean, cov := prior3(t, s)
		for _, sigma := range []float64{0.05, 0.3, 1, 5} {
			name := fmt.Sprintf("%s/T=%d/sigma=%v", s.Name(), s.T(), sigma)
			start, err := s.TimestepFor(sigma)
			if err != nil {
				t.Fatal(err)
			}
			wantMean, wantCov := closedForm(y, mean, cov, sigma)
			xt := make([]float32, 3)
			for i := range xt {
				xt[i] = float32(math.Sqrt(s.AlphaBar(start)) * y[i])
			}
			got := make([]float32, 3)
			if err := PosteriorMean(t.Context(), g, got, xt, start); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if math.Abs(float64(got[i])-wantMean[i]) > 1e-5 {
					t.Errorf("%s: posterior mean %v, want %v", name, got, wantMean)
				}
			}
			for kind, sample := range stochastic {
				const chains = 2000
				out := make([]float32, 3*chains)
				rng := rand.New(rand.NewPCG(uint64(s.T()), math.Float64bits(sigma)))
				if err := sample(t.Context(), s, g, out, repeat(xt, chains), start, SamplerOptions{Steps: min(s.T(), 150)}, rng); err != nil {
					t.Fatal(err)
				}
				compareMoments(t, name+"/"+kind, out, wantMean, wantCov, samplerBias[kind])
			}
		}
	}
}

// samplerBias is the relative bias of the standard deviation that a test with
// 150 steps allows; TestSamplerBiasTable measures it.
var samplerBias = map[string]float64{"Ancestral": 0.04, "ReverseSDE": 0.015}

// closedForm returns mean and covariance of x given y = x + N(0, σ²I).
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
	centred := mat.NewVecDense(d, nil)
	for i := range d {
		centred.SetVec(i, y[i]-mean[i])
	}
	var shift mat.VecDense
	shift.MulVec(&gain, centred)
	out := make([]float64, d)
	for i := range out {
		out[i] = mean[i] + shift.AtVec(i)
	}
	loss.Mul(&gain, cov)
	left := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			left.SetSym(i, j, cov.At(i, j)-loss.At(i, j))
		}
	}
	return out, left
}

// From pure noise at T-1, samples have the prior's own mean and covariance.
func TestSamplingFromPureNoiseReproducesThePrior(t *testing.T) {
	for _, s := range schedules(t) {
		g, mean, cov := prior3(t, s)
		if s.Name() == "linear" && s.AlphaBar(float64(s.T()-1)) > 1e-3 {
			t.Fatalf("linear %d ends at ᾱ %v", s.T(), s.AlphaBar(float64(s.T()-1)))
		}
		for kind, sample := range stochastic {
			const chains = 2000
			rng := rand.New(rand.NewPCG(5, uint64(s.T())))
			out := make([]float32, 3*chains)
			if err := sample(t.Context(), s, g, out, normals(rng, 3*chains), float64(s.T()-1), SamplerOptions{Steps: min(s.T(), 300)}, rng); err != nil {
				t.Fatal(err)
			}
			compareMoments(t, fmt.Sprintf("%s/T=%d/%s", s.Name(), s.T(), kind), out, mean, cov, samplerBias[kind])
		}
	}
}

// The covariance that Gaussian.Posterior states is the closed form's.
func TestGaussianPosteriorCovariance(t *testing.T) {
	s, err := Cosine(300)
	if err != nil {
		t.Fatal(err)
	}
	g, mean, cov := prior3(t, s)
	at := 120.5
	_, want := closedForm([]float64{0, 0, 0}, mean, cov, s.Sigma(at))
	got := g.Posterior(at)
	for i := range 3 {
		for j := range 3 {
			if math.Abs(got.At(i, j)-want.At(i, j)) > 1e-9 {
				t.Errorf("posterior covariance [%d,%d] = %v, want %v", i, j, got.At(i, j), want.At(i, j))
			}
		}
	}
	if _, err := NewGaussian(s, []float64{0, 0}, mat.NewSymDense(2, []float64{1, 2, 2, 1})); !errors.Is(err, ErrCovariance) {
		t.Errorf("indefinite covariance: err = %v, want ErrCovariance", err)
	}
}

// For N(0, λ) the probability flow from y = x_t/√ᾱ ends at y·√(λ/(λ+σ²)).
func TestDDIMFollowsTheProbabilityFlow(t *testing.T) {
	for _, s := range schedules(t) {
		for _, lambda := range []float64{0.2, 1, 3} {
			g, err := NewGaussian(s, []float64{0}, mat.NewSymDense(1, []float64{lambda}))
			if err != nil {
				t.Fatal(err)
			}
			start, err := s.TimestepFor(0.8)
			if err != nil {
				t.Fatal(err)
			}
			y := 1.3
			xt := []float32{float32(y * math.Sqrt(s.AlphaBar(start)))}
			out := make([]float32, 1)
			if err := DDIM(t.Context(), s, g, out, xt, start, SamplerOptions{Steps: 2000}, nil); err != nil {
				t.Fatal(err)
			}
			if want := y * math.Sqrt(lambda/(lambda+0.64)); math.Abs(float64(out[0])-want) > 2e-3*want {
				t.Errorf("%s %d λ=%v: DDIM ends at %v, want %v", s.Name(), s.T(), lambda, out[0], want)
			}
		}
	}
}

func TestDDIMWithEtaOneIsAncestral(t *testing.T) {
	s, err := Cosine(100)
	if err != nil {
		t.Fatal(err)
	}
	g, _, _ := prior3(t, s)
	xt := []float32{0.3, -0.2, 0.9, 1, 1, 1}
	run := func(f sampler, eta float64) []float32 {
		out := make([]float32, len(xt))
		if err := f(t.Context(), s, g, out, xt, 60.3, SamplerOptions{Eta: eta}, rand.New(rand.NewPCG(1, 2))); err != nil {
			t.Fatal(err)
		}
		return out
	}
	a, b := run(Ancestral, 0), run(DDIM, 1)
	if !slices.Equal(a, b) {
		t.Errorf("Ancestral %v, DDIM with eta 1 %v", a, b)
	}
	if slices.Equal(a, run(DDIM, 0.5)) {
		t.Error("eta has no effect")
	}
}

func TestSamplersBySeedProgressAndCancel(t *testing.T) {
	s, err := Cosine(100)
	if err != nil {
		t.Fatal(err)
	}
	g, _, _ := prior3(t, s)
	xt := []float32{0.3, -0.2, 0.9}
	for kind, f := range stochastic {
		run := func(seed uint64) []float32 {
			out := make([]float32, 3)
			calls := 0
			o := SamplerOptions{Steps: 7, Progress: func(done, total int) {
				calls++
				if done != calls || total != 7 {
					t.Errorf("%s: progress %d of %d at call %d", kind, done, total, calls)
				}
			}}
			if err := f(t.Context(), s, g, out, xt, 40, o, rand.New(rand.NewPCG(seed, 0))); err != nil {
				t.Fatal(err)
			}
			if calls != 7 {
				t.Errorf("%s: %d progress calls, want 7", kind, calls)
			}
			return out
		}
		if !slices.Equal(run(1), run(1)) || slices.Equal(run(1), run(2)) {
			t.Errorf("%s: same seed differs, or other seed does not", kind)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := f(ctx, s, g, make([]float32, 3), xt, 40, SamplerOptions{}, rand.New(rand.NewPCG(1, 0))); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: err = %v, want context.Canceled", kind, err)
		}
		out := make([]float32, 3)
		if err := f(t.Context(), s, g, out, xt, -1, SamplerOptions{}, nil); err != nil || !slices.Equal(out, xt) {
			t.Errorf("%s from the clean signal: %v, %v; want it unchanged", kind, out, err)
		}
	}
}

// gaussian1 is a one-dimensional prior N(0, λ) without allocation.
type gaussian1 struct {
	s      Schedule
	lambda float64
}

func (g gaussian1) PosteriorMean(_ context.Context, dst, xt []float32, t float64) error {
	sigma := g.s.Sigma(t)
	w := float32(g.lambda / (g.lambda + sigma*sigma) / math.Sqrt(g.s.AlphaBar(t)))
	for i, x := range xt {
		dst[i] = w * x
	}
	return nil
}

// spreadOf returns the relative error of the standard deviation of many
// samples against the closed form.
func spreadOf(f sampler, s Schedule, lambda, sigma float64, steps int) float64 {
	start, err := s.TimestepFor(sigma)
	if err != nil {
		panic(err)
	}
	const chains = 20000
	out := make([]float32, chains)
	rng := rand.New(rand.NewPCG(11, 12))
	if err := f(context.Background(), s, gaussian1{s, lambda}, out, make([]float32, chains), start, SamplerOptions{Steps: steps}, rng); err != nil {
		panic(err)
	}
	_, variance := moments(out)
	return math.Sqrt(variance/(lambda*sigma*sigma/(lambda+sigma*sigma))) - 1
}

// worstSpread is the largest error over prior variances and noise levels.
func worstSpread(f sampler, s Schedule, steps int) float64 {
	worst := 0.0
	for _, lambda := range []float64{0.05, 0.3, 1, 4} {
		for _, sigma := range []float64{0.05, 0.2, 1, 5} {
			if e := spreadOf(f, s, lambda, sigma, steps); math.Abs(e) > math.Abs(worst) {
				worst = e
			}
		}
	}
	return worst
}

// The table in the package documentation, with room for sampling error (20000
// chains give ±0.5 %).
func TestSamplerBiasTable(t *testing.T) {
	s, err := Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		steps                 int
		ancestral, reverseSDE float64
	}{{10, -0.33, -0.22}, {20, -0.22, -0.05}, {50, -0.12, -0.03}, {100, -0.08, -0.02}} {
		a, r := worstSpread(Ancestral, s, c.steps), worstSpread(ReverseSDE, s, c.steps)
		t.Logf("%3d steps: Ancestral %+.3f, ReverseSDE %+.3f", c.steps, a, r)
		if a < c.ancestral || a > 0.03 {
			t.Errorf("%d steps: Ancestral off by %+.3f, want at least %+.2f", c.steps, a, c.ancestral)
		}
		if r < c.reverseSDE || r > 0.03 {
			t.Errorf("%d steps: ReverseSDE off by %+.3f, want at least %+.2f", c.steps, r, c.reverseSDE)
		}
	}
}

// Steps allocate nothing: allocations do not grow with their number.
func TestStepsDoNotAllocate(t *testing.T) {
	s, err := Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	xt, out := make([]float32, 64), make([]float32, 64)
	rng := rand.New(rand.NewPCG(1, 1))
	var d Denoiser = gaussian1{s, 1}
	for kind, f := range stochastic {
		allocs := func(steps int) float64 {
			return testing.AllocsPerRun(5, func() {
				if err := f(t.Context(), s, d, out, xt, 500, SamplerOptions{Steps: steps}, rng); err != nil {
					t.Fatal(err)
				}
			})
		}
		if few, many := allocs(5), allocs(200); many > few {
			t.Errorf("%s: %v allocations in 5 steps, %v in 200", kind, few, many)
		}
	}
}

func BenchmarkReverseSDE(b *testing.B) {
	s, err := Cosine(1000)
	if err != nil {
		b.Fatal(err)
	}
	xt, out := make([]float32, 1<<16), make([]float32, 1<<16)
	rng := rand.New(rand.NewPCG(1, 1))
	b.SetBytes(int64(4 * len(xt) * 20))
	for b.Loop() {
		if err := ReverseSDE(b.Context(), s, gaussian1{s, 1}, out, xt, 500, SamplerOptions{Steps: 20}, rng); err != nil {
			b.Fatal(err)
		}
	}
}
