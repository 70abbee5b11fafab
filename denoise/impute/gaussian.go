package impute

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/mat"
)

// ErrTooLittle reports a scan of which too little is measured to predict the
// rest.
var ErrTooLittle = errors.New("impute: too little is measured to predict the rest")

var errDecomposition = errors.New("impute: a covariance could not be decomposed: signals are not finite")

// Gaussian is the distribution of the measurements of a voxel over all D
// volumes, noise included, learned from a scan in which slices are missing.
type Gaussian struct {
	D         int
	Noise     float64   // variance of the components that stand out of nothing
	reference []float64 // D, what the moments were relative to
	mean      []float64 // D, relative to reference
	cov       []float64 // D×D
	precision []float64 // D×D
}

// emRounds bounds the iterations; with a few per cent missing five are enough
// for 1e-3 of a standard deviation.
const emRounds = 8

// FitGaussian learns mean and covariance from the slices that are measured, by
// expectation maximisation (Dempster, Laird and Rubin 1977; for a Gaussian with
// missing entries Little and Rubin 2019, section 11.3): lost entries never
// enter. Components below the Marchenko-Pastur edge are levelled to their mean,
// so that few voxels do not make false certainty.
func FitGaussian(m *Moments, lost *Lost) (*Gaussian, error) {
	g := &Gaussian{D: m.D, reference: m.reference}
	g.start(m, lost)
	total := 0
	for _, s := range m.slices {
		total += s.n
	}
	if total < 8 {
		return nil, ErrTooLittle
	}
	rounds := emRounds
	if lost.Len() == 0 {
		rounds = 1
	}
	for range rounds {
		if err := g.level(total); err != nil {
			return nil, err
		}
		if rounds > 1 {
			if err := g.step(m, lost, total); err != nil {
				return nil, err
			}
		}
	}
	return g, g.level(total)
}

// start takes the mean of each volume, and the covariance of each pair, from
// the slices in which they are measured.
func (g *Gaussian) start(m *Moments, lost *Lost) {
	d := g.D
	g.mean, g.cov = make([]float64, d), make([]float64, d*d)
	first := make([]float64, d*d) // sums of volume i over the slices shared with j
	pair := make([]float64, d*d)
	for z, s := range m.slices {
		for i := range d {
			if lost.Is(i, z) {
				continue
			}
			for j := range d {
				if !lost.Is(j, z) {
					g.cov[i*d+j] += s.gram[i*d+j]
					first[i*d+j] += s.sum[i]
					pair[i*d+j] += float64(s.n)
				}
			}
		}
	}
	for i := range d {
		g.mean[i] = first[i*d+i] / max(pair[i*d+i], 1)
		for j := range d {
			n := max(pair[i*d+j], 1)
			g.cov[i*d+j] = g.cov[i*d+j]/n - first[i*d+j]/n*first[j*d+i]/n
		}
	}
}

// level replaces the eigenvalues below the Marchenko-Pastur edge by their mean,
// and computes the precision. n is the number of voxels behind the covariance.
func (g *Gaussian) level(n int) error {
	d := g.D
	vectors := append([]float64(nil), g.cov...)
	values := make([]float64, d)
	sym := blas64.Symmetric{N: d, Stride: d, Data: vectors, Uplo: blas.Upper}
	work := make([]float64, 1)
	lapack64.Syev(lapack.EVCompute, sym, values, work, -1)
	work = make([]float64, int(work[0]))
	if math.IsNaN(g.cov[0]) || !lapack64.Syev(lapack.EVCompute, sym, values, work, len(work)) {
		return errDecomposition
	}
	k := bulk(values, n)
	g.Noise = 0
	for _, v := range values[:k] {
		g.Noise += math.Abs(v) / float64(k)
	}
	g.Noise = max(g.Noise, 1e-9*values[d-1])
	if !(g.Noise > 0) {
		return ErrTooLittle
	}
	for i := range values {
		values[i] = max(values[i], g.Noise)
		if i < k {
			values[i] = g.Noise
		}
	}
	g.cov = spectral(g.cov, vectors, values, func(v float64) float64 { return v })
	g.precision = spectral(g.precision, vectors, values, func(v float64) float64 { return 1 / v })
	return nil
}

// bulk returns how many of the ascending eigenvalues belong to noise: the
// largest k whose k-th stays below the Marchenko-Pastur edge of their mean.
func bulk(values []float64, n int) int {
	d := len(values)
	sum := 0.0
	best := 1
	for k := 1; k <= d; k++ {
		sum += math.Abs(values[k-1]) // pairwise covariances have negative ones
		edge := sum / float64(k) * math.Pow(1+math.Sqrt(float64(k)/float64(n)), 2)
		if values[k-1] <= edge*1.05 {
			best = k
		}
	}
	return best
}

// spectral writes V·diag(f(values))·Vᵀ into dst, which is made if nil; V has
// eigenvectors in its columns.
func spectral(dst, vectors, values []float64, f func(float64) float64) []float64 {
	d := len(values)
	if dst == nil {
		dst = make([]float64, d*d)
	}
	scaled := make([]float64, d*d)
	for i := range d {
		for k, v := range values {
			scaled[i*d+k] = vectors[i*d+k] * f(v)
		}
	}
	general := func(a []float64) blas64.General { return blas64.General{Rows: d, Cols: d, Stride: d, Data: a} }
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, general(scaled), general(vectors), 0, general(dst))
	return dst
}

// step is one round of expectation maximisation: lost entries are replaced by
// their conditional expectations, with their conditional covariance.
func (g *Gaussian) step(m *Moments, lost *Lost, total int) error {
	d := g.D
	sum, gram := make([]float64, d), make([]float64, d*d)
	for z := range m.slices {
		full, err := g.complete(&m.slices[z], lost.OfSlice(z))
		if err != nil {
			return err
		}
		for i, s := range full.sum {
			sum[i] += s
		}
		for i, s := range full.gram {
			gram[i] += s
		}
	}
	for i := range d {
		g.mean[i] = sum[i] / float64(total)
	}
	for i := range d {
		for j := range d {
			g.cov[i*d+j] = gram[i*d+j]/float64(total) - g.mean[i]*g.mean[j]
		}
	}
	return nil
}

// complete returns the expected moments of a slice in which some volumes are
// lost.
func (g *Gaussian) complete(s *sliceMoments, missing []int) (*sliceMoments, error) {
	if len(missing) == 0 || s.n == 0 {
		return s, nil
	}
	d := g.D
	c, err := g.Given(missing)
	if err != nil {
		return nil, err
	}
	n := float64(s.n)
	full := &sliceMoments{n: s.n, sum: append([]float64(nil), s.sum...), gram: append([]float64(nil), s.gram...)}
	// Weights have zeros at lost volumes, so what stands there does not matter.
	k := len(missing)
	for a, i := range missing {
		full.sum[i] = n * g.mean[i]
		for j, w := range c.weights[a*d : (a+1)*d] {
			full.sum[i] += w * (s.sum[j] - n*g.mean[j])
		}
	}
	// Cross moments of lost with measured: x̂ = μ_m + w·(y-μ).
	offset := make([]float64, k)
	for a, i := range missing {
		offset[a] = g.mean[i]
		for j, w := range c.weights[a*d : (a+1)*d] {
			offset[a] -= w * g.mean[j]
		}
		for j := range d {
			cross := offset[a] * s.sum[j]
			for l, w := range c.weights[a*d : (a+1)*d] {
				cross += w * s.gram[l*d+j]
			}
			full.gram[i*d+j] = cross
		}
	}
	lostAt := make([]int, d)
	for a, i := range missing {
		lostAt[i] = a + 1
	}
	for a, i := range missing {
		for j := range d {
			if lostAt[j] == 0 {
				full.gram[j*d+i] = full.gram[i*d+j]
			}
		}
		for b, j := range missing {
			both := offset[b]*full.sum[i] + n*c.cov[a*k+b]
			for l, w := range c.weights[b*d : (b+1)*d] {
				if lostAt[l] == 0 {
					both += w * full.gram[i*d+l]
				}
			}
			full.gram[i*d+j] = both
		}
	}
	return full, nil
}

// Conditional predicts some volumes of a voxel from the others.
type Conditional struct {
	d       int
	missing []int
	mean    []float64 // of all volumes, in the unit of the image
	weights []float64 // missing × D, zero at the missing ones
	cov     []float64 // missing × missing: of the measurements, noise included
}

// Given returns the conditional of the missing volumes (ascending) given all
// others: with P the precision, mean μ_m - P_mm⁻¹·P_mo·(y_o-μ_o), covariance P_mm⁻¹
// (Bishop 2006, eq. 2.96-2.97).
func (g *Gaussian) Given(missing []int) (*Conditional, error) {
	d, k := g.D, len(missing)
	c := &Conditional{d: d, missing: missing, mean: make([]float64, d), weights: make([]float64, k*d), cov: make([]float64, k*k)}
	for i, r := range g.reference {
		c.mean[i] = r + g.mean[i]
	}
	if k == 0 {
		return c, nil
	}
	block := mat.NewSymDense(k, nil)
	for a, i := range missing {
		for b, j := range missing[a:] {
			block.SetSym(a, a+b, g.precision[i*d+j])
		}
	}
	var chol mat.Cholesky
	var inverse mat.SymDense
	if !chol.Factorize(block) || chol.InverseTo(&inverse) != nil {
		return nil, errDecomposition
	}
	for a := range missing {
		for b := range missing {
			c.cov[a*k+b] = inverse.At(a, b)
		}
		row := c.weights[a*d : (a+1)*d]
		for b, i := range missing {
			f := -inverse.At(a, b)
			for j, p := range g.precision[i*d : (i+1)*d] {
				row[j] += f * p
			}
		}
		for _, i := range missing {
			row[i] = 0
		}
	}
	return c, nil
}
