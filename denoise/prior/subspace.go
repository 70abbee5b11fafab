package prior

import (
	"context"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// subspace is the Gaussian of all signals of a scan: their mean and the
// principal components that stand out of the noise. Signals are handled by
// their K coefficients along the components, in which the noise is still white
// and of the same strength.
type subspace struct {
	d, k     int
	mean     []float32 // D
	vectors  []float32 // K × D, one component of unit length per row
	variance []float64 // K, of the clean signal along each component, descending
}

const (
	scanRows      = 20000 // rows used at most: enough for D in the hundreds
	scanParts     = 16    // partial sums, fixed so that the result does not depend on threads
	mostDirection = 80    // components at most; what is left out is in the tail, not lost
	encodeRows    = 256   // rows handled together
)

// learnSubspace measures the Gaussian of f·x, whose noise has the given
// variance in every volume (nil: 1), with the noise taken off and components
// below the upper edge of the noise's own spectrum dropped. x is rows × d.
func learnSubspace(ctx context.Context, x []float32, d int, f float64, noise []float64, threads int) (*subspace, error) {
	step := max(len(x)/d/scanRows, 1)
	n := (len(x)/d + step - 1) / step
	mean, cov, err := scanMoments(ctx, x, d, n, step, f, threads)
	if err != nil {
		return nil, err
	}
	values := make([]float64, d)
	if !symeig.New(d).Decompose(cov, d, values, cov) {
		return nil, errDecomposition
	}
	s := &subspace{d: d, mean: make([]float32, d)}
	for i, m := range mean {
		s.mean[i] = float32(m)
	}
	edge := noiseEdge(noise, float64(d)/float64(n))
	for s.k < min(d, mostDirection) && values[s.k] > edge {
		level := 0.0
		for i, u := range cov[s.k*d : (s.k+1)*d] {
			s.vectors = append(s.vectors, float32(u))
			if noise == nil {
				continue
			}
			level += u * u * noise[i]
		}
		if noise == nil {
			level = 1
		}
		s.variance = append(s.variance, values[s.k]-level)
		s.k++
	}
	return s, nil
}

// noiseEdge returns the largest eigenvalue that the covariance of n vectors of
// pure noise comes to, D/n = ratio: (1+√ratio)² for noise of unit variance
// (Marchenko and Pastur 1967). For variances t_i it is a + ratio·a·mean(t/(a-t))
// at the a > max t where ratio·mean(t²/(a-t)²) = 1 (Silverstein and Choi 1995,
// section 4).
func noiseEdge(variance []float64, ratio float64) float64 {
	if variance == nil {
		return math.Pow(1+math.Sqrt(ratio), 2)
	}
	mean := func(f func(t float64) float64) float64 {
		sum := 0.0
		for _, t := range variance {
			sum += f(t) / float64(len(variance))
		}
		return sum
	}
	low := slices.Max(variance)
	high := low * (1 + math.Sqrt(ratio)) // where all variances as large as the largest would have it
	for range 60 {
		a := (low + high) / 2
		if ratio*mean(func(t float64) float64 { return t * t / ((a - t) * (a - t)) }) > 1 {
			low = a
		} else {
			high = a
		}
	}
	return high + ratio*high*mean(func(t float64) float64 { return t / (high - t) })
}

// scanMoments returns mean and covariance (upper triangle) of f times every
// step-th of the rows of x, n in all.
func scanMoments(ctx context.Context, x []float32, d, n, step int, f float64, threads int) (mean, cov []float64, err error) {
	mean = make([]float64, d)
	for j := range n {
		for i, v := range x[j*step*d:][:d] {
			mean[i] += f * float64(v) / float64(n)
		}
	}
	parts := make([][]float64, scanParts)
	err = signals.EachTask(ctx, scanParts, threads, func(_, p int) error {
		parts[p] = make([]float64, d*d)
		chunk := make([]float64, 0, encodeRows*d)
		for from := p * n / scanParts; from < (p+1)*n/scanParts; from += encodeRows {
			to := min(from+encodeRows, (p+1)*n/scanParts)
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
		return nil, nil, err
	}
	cov = parts[0]
	for _, p := range parts[1:] {
		for i, v := range p {
			cov[i] += v
		}
	}
	for i := range cov {
		cov[i] /= float64(max(n-1, 1))
	}
	return mean, cov, nil
}

// encode returns the coefficients of f·x - mean along the components, rows × K, in an array of a.
func (s *subspace) encode(ctx context.Context, a signals.Arrays, x []float32, f float32, threads int) ([]float32, error) {
	n := len(x) / s.d
	out, err := a.Floats(n * s.k)
	if err != nil || s.k == 0 {
		return out, errors.Join(err, ctx.Err())
	}
	chunks := make([][]float32, signals.Threads(threads))
	err = signals.EachRange(ctx, n, encodeRows, threads, func(worker, from, to int) error {
		if chunks[worker] == nil {
			chunks[worker] = make([]float32, encodeRows*s.d)
		}
		chunk := chunks[worker][:(to-from)*s.d]
		for r := from; r < to; r++ {
			s.centre(chunk[(r-from)*s.d:], x[r*s.d:(r+1)*s.d], f)
		}
		fastblas.Gemm(false, true, to-from, s.k, s.d, 1, chunk, s.d, s.vectors, s.d, 0, out[from*s.k:], s.k)
		return nil
	})
	return out, err
}

// centre writes f·x - mean for one row.
func (s *subspace) centre(dst, x []float32, f float32) {
	for i, m := range s.mean {
		dst[i] = f*x[i] - m
	}
}

// complete turns what lies across the components, held in dst (rows × D, with
// any content along them, which is replaced), into whole signals: along the
// components it gets the coefficients z (rows × K); then the mean is added and
// everything multiplied by unit.
func (s *subspace) complete(ctx context.Context, dst, z []float32, unit float32, threads int) error {
	n := len(dst) / s.d
	chunks := make([][]float32, signals.Threads(threads))
	return signals.EachRange(ctx, n, encodeRows, threads, func(worker, from, to int) error {
		rows, block := to-from, dst[from*s.d:to*s.d]
		if s.k > 0 {
			if chunks[worker] == nil {
				chunks[worker] = make([]float32, encodeRows*s.k)
			}
			change := chunks[worker][:rows*s.k]
			fastblas.Gemm(false, true, rows, s.k, s.d, -1, block, s.d, s.vectors, s.d, 0, change, s.k)
			fastblas.Axpy(1, z[from*s.k:to*s.k], change)
			fastblas.Gemm(false, false, rows, s.d, s.k, 1, change, s.k, s.vectors, s.d, 1, block, s.d)
		}
		for j := range rows {
			row := block[j*s.d : (j+1)*s.d]
			for i, m := range s.mean {
				row[i] = (row[i] + m) * unit
			}
		}
		return nil
	})
}
