package diffusion

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

type sampler func(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error

// ddim fixes eta, so that DDIM can stand beside the other samplers.
func ddim(eta float64) sampler {
	return func(ctx context.Context, s Schedule, d Denoiser, dst, xt []float32, t float64, o SamplerOptions, rng *rand.Rand) error {
		o.Eta = eta
		return DDIM(ctx, s, d, dst, xt, t, o, rng)
	}
}

// repeat returns n copies of x one after another: n chains from one start.
func repeat(x []float32, n int) []float32 {
	out := make([]float32, 0, n*len(x))
	for range n {
		out = append(out, x...)
	}
	return out
}

// tally collects samples that are whitened by the mean and covariance they
// should have, so that samples of different posteriors can be pooled.
type tally struct {
	n      float64
	sum    []float64
	square *mat.SymDense
}

func newTally(d int) *tally { return &tally{sum: make([]float64, d), square: mat.NewSymDense(d, nil)} }

func (c *tally) add(x []float32, mean []float64, cov *mat.SymDense) {
	var root mat.Cholesky
	if !root.Factorize(cov) {
		panic("covariance is not positive definite")
	}
	var lower mat.TriDense
	root.LTo(&lower)
	d := len(mean)
	white := mat.NewVecDense(d, nil)
	for from := 0; from < len(x); from += d {
		for i := range d {
			white.SetVec(i, float64(x[from+i])-mean[i])
		}
		if err := white.SolveVec(&lower, white); err != nil {
			panic(err)
		}
		for i := range d {
			c.sum[i] += white.AtVec(i)
		}
		c.square.SymRankOne(c.square, 1, white)
		c.n++
	}
}

func (c *tally) merge(o *tally) {
	c.n += o.n
	for i, v := range o.sum {
		c.sum[i] += v
	}
	c.square.AddSym(c.square, o.square)
}

// check compares with mean 0 and covariance I. It allows five standard errors,
// 1/√n for a mean, √(2/n) for a variance, 1/√n for a covariance, √(2/(nd)) for
// the mean variance, and the given relative bias of variances.
func (c *tally) check(t *testing.T, what string, bias float64) {
	t.Helper()
	d := len(c.sum)
	error1, total := 5/math.Sqrt(c.n), 0.0
	for i := range d {
		if m := c.sum[i] / c.n; math.Abs(m) > error1 {
			t.Errorf("%s: whitened mean[%d] = %.4f, want 0 ± %.4f", what, i, m, error1)
		}
		for j := range i {
			if v := c.square.At(i, j) / c.n; math.Abs(v) > error1+bias {
				t.Errorf("%s: whitened covariance[%d,%d] = %.4f, want 0 ± %.4f", what, i, j, v, error1+bias)
			}
		}
		v, tol := c.square.At(i, i)/c.n, math.Sqrt2*error1+bias
		if math.Abs(v-1) > tol {
			t.Errorf("%s: whitened variance[%d] = %.4f, want 1 ± %.4f", what, i, v, tol)
		}
		total += v / float64(d)
	}
	if tol := error1*math.Sqrt(2/float64(d)) + bias; math.Abs(total-1) > tol {
		t.Errorf("%s: mean whitened variance %.4f, want 1 ± %.4f", what, total, tol)
	}
}

// From a measurement at its noise-matched timestep, posterior samples have the
// mean and covariance of the closed form, at every noise level, for both
// schedules and three lengths; and, more sharply, all of them pooled.
func TestPosteriorSamplesMatchClosedForm(t *testing.T) {
	y := []float64{1.2, -0.4, -0.7}
	for _, kind := range []struct {
		name   string
		sample sampler
		chains int
	}{{"ReverseSDE", ReverseSDE, 800}, {"Ancestral", Ancestral, 80}} {
		t.Run(kind.name, func(t *testing.T) {
			all := newTally(3)
			for k, s := range schedules(t) {
				g, mean, cov := prior3(t, s)
				for _, sigma := range []float64{0.05, 0.2, 1, 5} {
					start, err := s.TimestepFor(sigma)
					if err != nil {
						t.Fatal(err)
					}
					rng := rand.New(rand.NewPCG(uint64(k), math.Float64bits(sigma)))
					out := repeat(measured(s, y, start), kind.chains)
					if err := kind.sample(t.Context(), s, g, out, out, start, SamplerOptions{}, rng); err != nil {
						t.Fatal(err)
					}
					wantMean, wantCov := closedForm(y, mean, cov, sigma)
					one := newTally(3)
					one.add(out, wantMean, wantCov)
					one.check(t, fmt.Sprintf("%s/sigma=%v", label(s), sigma), defaultBias)
					all.merge(one)
				}
			}
			all.check(t, "pooled", defaultBias)
		})
	}
}

// defaultBias is what TestDefaultStepsBias allows the variance of samples.
const defaultBias = 0.01

// From pure noise at T-1 samples have the prior's own mean and covariance.
func TestSamplingFromPureNoiseReproducesThePrior(t *testing.T) {
	for _, kind := range []struct {
		name   string
		sample sampler
		chains int
	}{{"ReverseSDE", ReverseSDE, 800}, {"Ancestral", Ancestral, 80}, {"DDIM eta=0.5", ddim(0.5), 40}, {"DDIM eta=0", ddim(0), 200}} {
		t.Run(kind.name, func(t *testing.T) {
			all := newTally(3)
			for k, s := range schedules(t) {
				g, mean, cov := prior3(t, s)
				rng := rand.New(rand.NewPCG(5, uint64(k)))
				out := normals(rng, 3*kind.chains)
				if err := kind.sample(t.Context(), s, g, out, out, float64(s.T()-1), SamplerOptions{}, rng); err != nil {
					t.Fatal(err)
				}
				one := newTally(3)
				one.add(out, mean, cov)
				one.check(t, label(s), defaultBias)
				all.merge(one)
			}
			all.check(t, "pooled", defaultBias)
		})
	}
}

// gaussian1 is the prior N(0, λ) of every value, without allocation.
type gaussian1 struct {
	s      Schedule
	lambda float64
}

func (g gaussian1) PosteriorMean(_ context.Context, dst, xt []float32, t float64) error {
	sigma := g.s.Sigma(t)
	w := g.lambda / (g.lambda + sigma*sigma) * math.Sqrt(1+sigma*sigma)
	for i, x := range xt {
		dst[i] = float32(w * float64(x))
	}
	return nil
}

// The samplers do what chain, and with it the table of biases, says: with few
// steps, where the bias is many times the sampling error.
func TestSamplersHaveTheMomentsOfTheirChain(t *testing.T) {
	s := mustSchedule(t, "cosine", 300)
	const chains, y = 20000, 1.3
	for _, kind := range []struct {
		name   string
		sample sampler
		eta    float64
		second bool
	}{{"Ancestral", Ancestral, 1, false}, {"ReverseSDE", ReverseSDE, 1, true}, {"DDIM eta=1", ddim(1), 1, false}, {"DDIM eta=0.5", ddim(0.5), 0.5, false}} {
		for _, c := range []struct {
			lambda, sigma float64
			steps         int
		}{{1, 0.5, 5}, {0.05, 2, 12}, {4, 5, 20}} {
			t.Run(fmt.Sprintf("%s/steps=%d", kind.name, c.steps), func(t *testing.T) {
				start, err := s.TimestepFor(c.sigma)
				if err != nil {
					t.Fatal(err)
				}
				out := repeat(measured(s, []float64{y}, start), chains)
				rng := rand.New(rand.NewPCG(11, 12))
				if err := kind.sample(t.Context(), s, gaussian1{s, c.lambda}, out, out, start, SamplerOptions{Steps: c.steps}, rng); err != nil {
					t.Fatal(err)
				}
				mean, variance := moments(out)
				wantVariance, gain := chain(c.lambda, c.sigma, c.steps, kind.eta, kind.second)
				if tol := 5 * math.Sqrt(wantVariance/chains); math.Abs(mean-gain*y) > tol {
					t.Errorf("mean %v, want %v ± %v", mean, gain*y, tol)
				}
				if tol := 5 * wantVariance * math.Sqrt(2.0/chains); math.Abs(variance-wantVariance) > tol {
					t.Errorf("variance %v, want %v ± %v", variance, wantVariance, tol)
				}
			})
		}
	}
}
