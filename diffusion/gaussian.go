package diffusion

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// ErrCovariance reports a covariance that is not symmetric positive semidefinite.
var ErrCovariance = errors.New("diffusion: covariance is not positive semidefinite")

// Gaussian is the Denoiser of a multivariate normal prior N(μ, Σ) whose
// posterior is known in closed form: the yardstick for samplers and for priors
// that are Gaussian somewhere. It treats xt as one vector or as several vectors
// of the same prior, one after another. It is safe for concurrent use.
type Gaussian struct {
	schedule Schedule
	mean     []float64
	values   []float64 // eigenvalues of Σ
	vectors  *mat.Dense
}

// NewGaussian makes the prior N(mean, cov); cov is D×D.
func NewGaussian(s Schedule, mean []float64, cov *mat.SymDense) (*Gaussian, error) {
	if cov.SymmetricDim() != len(mean) {
		panic("diffusion: covariance does not match the mean")
	}
	var e mat.EigenSym
	if !e.Factorize(cov, true) {
		return nil, ErrCovariance
	}
	g := &Gaussian{schedule: s, mean: append([]float64(nil), mean...), values: e.Values(nil), vectors: mat.NewDense(len(mean), len(mean), nil)}
	for i, v := range g.values {
		if v < -1e-9*math.Abs(g.values[len(g.values)-1]) {
			return nil, ErrCovariance
		}
		g.values[i] = max(v, 0)
	}
	e.VectorsTo(g.vectors)
	return g, nil
}

// PosteriorMean writes μ + Σ(Σ + σ_t²I)⁻¹(x_t/√ᾱ_t - μ) with σ_t the relative
// noise level of the timestep (Bishop 2006, eq. 2.116).
func (g *Gaussian) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	d := len(g.mean)
	if len(xt)%d != 0 || len(dst) != len(xt) {
		panic("diffusion: length is no multiple of the prior's dimension")
	}
	sigma := g.schedule.Sigma(t)
	inverse := 1 / math.Sqrt(g.schedule.AlphaBar(t))
	centred := make([]float64, d)
	for from := 0; from < len(xt); from += d {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range centred {
			centred[i] = inverse*float64(xt[from+i]) - g.mean[i]
		}
		g.shrink(dst[from:from+d], centred, sigma*sigma)
	}
	return nil
}

// shrink writes μ plus the centred measurement weighted along each
// eigenvector by λ/(λ+noise).
func (g *Gaussian) shrink(dst []float32, centred []float64, noise float64) {
	out := append([]float64(nil), g.mean...)
	for k, v := range g.values {
		if v == 0 {
			continue
		}
		c := 0.0
		for i, x := range centred {
			c += g.vectors.At(i, k) * x
		}
		c *= v / (v + noise)
		for i := range out {
			out[i] += c * g.vectors.At(i, k)
		}
	}
	for i, v := range out {
		dst[i] = float32(v)
	}
}

// Posterior returns the covariance Σ - Σ(Σ+σ²I)⁻¹Σ of x₀ given x_t.
func (g *Gaussian) Posterior(t float64) *mat.SymDense {
	d := len(g.mean)
	noise := g.schedule.Sigma(t)
	noise *= noise
	out := mat.NewSymDense(d, nil)
	for k, v := range g.values {
		left := 0.0
		if v > 0 {
			left = v * noise / (v + noise)
		}
		out.SymRankOne(out, left, g.vectors.ColView(k))
	}
	return out
}
