package prior

import (
	"context"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// scanGaussian is the Gaussian of all signals of a scan: mean and the principal
// components that stand out of the noise.
type scanGaussian struct {
	mean     []float64 // D
	vectors  []float64 // K × D, one component per row
	variance []float64 // K, of the clean signal along each component
}

const (
	scanRows  = 20000 // rows used at most: enough for D in the hundreds
	scanParts = 16    // partial sums, fixed so that the result does not depend on threads
)

// wholeScan measures the Gaussian of f·x with the noise sigma² taken off and
// components below the Marchenko-Pastur edge σ²(1+√(D/n))² dropped.
func wholeScan(ctx context.Context, x []float32, d int, f, sigma float64, threads int) (*scanGaussian, error) {
	step := max(len(x)/d/scanRows, 1)
	n := (len(x)/d + step - 1) / step
	mean := make([]float64, d)
	for j := range n {
		row := x[j*step*d:][:d]
		for i, v := range row {
			mean[i] += f * float64(v) / float64(n)
		}
	}
	parts := make([][]float64, scanParts)
	err := signals.EachTask(ctx, scanParts, threads, func(_, p int) error {
		parts[p] = make([]float64, d*d)
		var chunk []float64
		for from := p * n / scanParts; from < (p+1)*n/scanParts; from += 256 {
			to := min(from+256, (p+1)*n/scanParts)
			chunk = chunk[:0]
			for j := from; j < to; j++ {
				for i, v := range x[j*step*d:][:d] {
					chunk = append(chunk, f*float64(v)-mean[i])
				}
			}
			blas64.Syrk(blas.Trans, 1, blas64.General{Rows: to - from, Cols: d, Stride: d, Data: chunk}, 1,
				blas64.Symmetric{N: d, Stride: d, Data: parts[p], Uplo: blas.Upper})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cov := parts[0]
	for _, p := range parts[1:] {
		for i, v := range p {
			cov[i] += v
		}
	}
	for i := range cov {
		cov[i] /= float64(max(n-1, 1))
	}
	values := make([]float64, d)
	work := make([]float64, 1)
	sym := blas64.Symmetric{N: d, Stride: d, Data: cov, Uplo: blas.Upper}
	lapack64.Syev(lapack.EVCompute, sym, values, work, -1)
	work = make([]float64, int(work[0]))
	if !lapack64.Syev(lapack.EVCompute, sym, values, work, len(work)) {
		return nil, errDecomposition
	}
	edge := sigma * sigma * math.Pow(1+math.Sqrt(float64(d)/float64(n)), 2)
	s := &scanGaussian{mean: mean}
	for k := d - 1; k >= 0 && values[k] > edge; k-- {
		s.variance = append(s.variance, values[k]-sigma*sigma)
		for i := range d {
			s.vectors = append(s.vectors, cov[i*d+k])
		}
	}
	return s, nil
}

// blockMean replaces the mean of a block, measured over n voxels with noise
// sigma, by its posterior mean under the scan's Gaussian. A coefficient that
// stands clearly out of its own noise is trusted beyond the scan's variance,
// so that a structure found nowhere else in the scan survives. coef has room
// for D values.
func (s *scanGaussian) blockMean(mean, coef []float64, n int, sigma float64) {
	noise := sigma * sigma / float64(n)
	for i := range mean {
		mean[i] -= s.mean[i]
	}
	d := len(mean)
	for k, v := range s.variance {
		u := s.vectors[k*d : (k+1)*d]
		c := 0.0
		for i, m := range mean {
			c += u[i] * m
		}
		v = max(v, c*c-4*noise)
		coef[k] = c * v / (v + noise)
	}
	copy(mean, s.mean)
	for k := range s.variance {
		u, c := s.vectors[k*d:(k+1)*d], coef[k]
		for i := range mean {
			mean[i] += c * u[i]
		}
	}
}
