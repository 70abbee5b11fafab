package prior

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// ErrNotPositive reports a covariance that is not positive definite, or that
// holds less variance than the noise.
var ErrNotPositive = errors.New("prior: covariance of the measurements is not positive definite")

// Conditionals are the per-direction conditionals of one Gaussian over D
// directions, measured with white noise: all of them follow from the precision
// P = cov(Y)⁻¹ of the measurements (design 4.2). The blind ones know every
// direction but their own, as Patch2Self's regressions do (Fadnavis 2020); the
// fused ones add the voxel's own measurement.
type Conditionals struct {
	d         int
	mean      []float64
	precision []float64 // D×D, row-major
	noise     float64   // σ²
}

// NewConditionals takes the mean (D) and the covariance (D×D, row-major,
// symmetric) of the measurements, noise included, and the standard deviation of
// the noise in them.
func NewConditionals(mean, cov []float64, sigma float64) (*Conditionals, error) {
	d := len(mean)
	if len(cov) != d*d {
		panic("prior: covariance does not match the mean")
	}
	var chol mat.Cholesky
	if !chol.Factorize(mat.NewSymDense(d, append([]float64(nil), cov...))) {
		return nil, ErrNotPositive
	}
	var inverse mat.SymDense
	if err := chol.InverseTo(&inverse); err != nil {
		return nil, ErrNotPositive
	}
	c := &Conditionals{d: d, mean: append([]float64(nil), mean...), precision: make([]float64, d*d), noise: sigma * sigma}
	for i := range d {
		for j := range d {
			c.precision[i*d+j] = inverse.At(i, j)
		}
		if c.noise*c.precision[i*d+i] > 1+1e-9 {
			return nil, ErrNotPositive
		}
	}
	return c, nil
}

// weighted returns (P(y-μ))_i.
func (c *Conditionals) weighted(y []float64, i int) float64 {
	sum := 0.0
	for j, p := range c.precision[i*c.d : (i+1)*c.d] {
		sum += p * (y[j] - c.mean[j])
	}
	return sum
}

// Blind writes E[x_i | y_j, j≠i] for every direction: m_i = y_i - (P(y-μ))_i/P_ii.
// dst and y have D values and may not overlap.
func (c *Conditionals) Blind(dst, y []float64) {
	for i := range c.d {
		dst[i] = y[i] - c.weighted(y, i)/c.precision[i*c.d+i]
	}
}

// BlindVariance writes var(x_i | y_j, j≠i) = 1/P_ii - σ² for every direction.
func (c *Conditionals) BlindVariance(dst []float64) {
	for i := range c.d {
		dst[i] = max(1/c.precision[i*c.d+i]-c.noise, 0)
	}
}

// Fused writes E[x_i | y] = y_i - σ²(P(y-μ))_i for every direction: the blind
// prediction joined with the voxel's own measurement, each weighted by its
// precision. dst and y have D values and may not overlap.
func (c *Conditionals) Fused(dst, y []float64) {
	for i := range c.d {
		dst[i] = y[i] - c.noise*c.weighted(y, i)
	}
}

// FusedVariance writes var(x_i | y) = σ²(1 - σ²P_ii) for every direction.
func (c *Conditionals) FusedVariance(dst []float64) {
	for i := range c.d {
		dst[i] = c.noise * max(1-c.noise*c.precision[i*c.d+i], 0)
	}
}

// LeaveOneOut writes the residual of every direction against its blind
// prediction in units of its own standard deviation: (y_i - m_i)·√P_ii, which
// is N(0, 1) under the model.
func (c *Conditionals) LeaveOneOut(dst, y []float64) {
	for i := range c.d {
		dst[i] = c.weighted(y, i) / math.Sqrt(c.precision[i*c.d+i])
	}
}
