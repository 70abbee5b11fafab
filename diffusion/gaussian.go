package diffusion

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Gaussian is the Denoiser of a multivariate normal prior N(μ, Σ), whose
// posterior is known in closed form: the yardstick for samplers, and for priors
// that are Gaussian somewhere. It treats xt as one vector or as several vectors
// of the same prior, one after another. It is safe for concurrent use.
type Gaussian struct {
	schedule Schedule
	mean     []float64
	values   []float64   // eigenvalues of Σ
	vectors  [][]float64 // their eigenvectors, one per row, views of one array
	scratch  *sync.Pool  // of *gaussianScratch, so that steps do not allocate
}

type gaussianScratch struct{ centred, out []float64 }

// NewGaussian makes the prior N(mean, cov) over x₀ on schedule s; cov is D×D for a
// mean of length D. A covariance that is not positive semidefinite, or numbers
// that are not finite, are an [ErrGaussian]; sizes that do not match panic.
func NewGaussian(s Schedule, mean []float64, cov mat.Symmetric) (*Gaussian, error) {
	d := len(mean)
	if d == 0 || cov.SymmetricDim() != d {
		panic(badDimension)
	}
	if s.T() == 0 {
		panic(badSchedule)
	}
	if !finite(mean, cov) {
		return nil, fmt.Errorf("%w: a number is not finite", ErrGaussian)
	}
	var e mat.EigenSym
	if !e.Factorize(cov, true) {
		return nil, fmt.Errorf("%w: its eigenvalues cannot be computed", ErrGaussian)
	}
	g := &Gaussian{schedule: s, mean: slices.Clone(mean), values: e.Values(nil), vectors: make([][]float64, d)}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	rows := make([]float64, d*d)
	for k, v := range g.values {
		// Rounding makes the null space of a singular covariance slightly negative.
		if v < -1e-9*math.Abs(g.values[d-1]) {
			return nil, fmt.Errorf("%w: eigenvalue %.4g of the covariance is negative", ErrGaussian, v)
		}
		g.values[k] = max(v, 0)
		g.vectors[k] = mat.Col(rows[k*d:(k+1)*d], k, &vectors)
	}
	g.scratch = &sync.Pool{New: func() any {
		both := make([]float64, 2*d)
		return &gaussianScratch{centred: both[:d], out: both[d:]}
	}}
	return g, nil
}

func finite(mean []float64, cov mat.Symmetric) bool {
	for i, m := range mean {
		if math.IsNaN(m) || math.IsInf(m, 0) {
			return false
		}
		for j := range mean[:i+1] {
			if c := cov.At(i, j); math.IsNaN(c) || math.IsInf(c, 0) {
				return false
			}
		}
	}
	return true
}

// PosteriorMean writes μ + Σ(Σ + σ_t²I)⁻¹(x_t/√ᾱ_t - μ) with σ_t the relative
// noise level of the timestep (Bishop 2006, eq. 2.116). Here dst may be xt. It
// panics for lengths that are no multiple of the prior's dimension.
func (g *Gaussian) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	mustMatch(dst, xt)
	d := len(g.mean)
	if len(xt)%d != 0 {
		panic(badVectors)
	}
	sigma := g.schedule.Sigma(t)
	inverse := math.Sqrt(1 + sigma*sigma) // 1/√ᾱ
	w := g.scratch.Get().(*gaussianScratch)
	defer g.scratch.Put(w)
	for from := 0; from < len(xt); from += d {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, m := range g.mean {
			w.centred[i] = inverse*float64(xt[from+i]) - m
		}
		g.shrink(w, sigma*sigma)
		for i, v := range w.out {
			dst[from+i] = float32(v)
		}
	}
	return nil
}

// shrink writes μ plus the centred measurement weighted along each eigenvector
// by λ/(λ+noise) into w.out.
func (g *Gaussian) shrink(w *gaussianScratch, noise float64) {
	copy(w.out, g.mean)
	for k, v := range g.values {
		if v == 0 {
			continue // known exactly, also where noise is 0 and the weight 0/0
		}
		c := floats.Dot(g.vectors[k], w.centred)
		floats.AddScaled(w.out, c*v/(v+noise), g.vectors[k])
	}
}

// PosteriorCovariance returns the covariance Σ - Σ(Σ+σ_t²I)⁻¹Σ of x₀ given x_t,
// which does not depend on x_t (Bishop 2006, eq. 2.117).
func (g *Gaussian) PosteriorCovariance(t float64) *mat.SymDense {
	sigma := g.schedule.Sigma(t)
	noise := sigma * sigma
	out := mat.NewSymDense(len(g.mean), nil)
	for k, v := range g.values {
		if v > 0 {
			out.SymRankOne(out, v*noise/(v+noise), mat.NewVecDense(len(g.mean), g.vectors[k]))
		}
	}
	return out
}
