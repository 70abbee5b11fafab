package noise

import (
	"context"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

const (
	gramParts = 8   // partial sums per fold, fixed so that results do not depend on threads
	gramRows  = 256 // rows converted to float64 at a time
)

// components are principal components of the directions: column k of Vectors
// (D×D, row-major) belongs to eigenvalue k of Values, ascending but for the
// empty ones, which come last.
type components struct {
	Values  []float64
	Vectors []float64
}

// foldComponents learns the principal components of the foreground once per
// fold, each time without that fold's voxels, and once from all voxels (the
// last entry). mean has D entries, the mean of the foreground. Volumes are
// multiplied by their weight first, mean is not.
func (e *estimator) foldComponents(ctx context.Context) (learned []components, mean []float64, err error) {
	s := e.s
	rows := make([][]int, e.folds.count())
	total := 0
	for r := range s.Len() {
		if e.foreground[r] {
			x, y, _ := s.At(r)
			f := e.folds.fold(x, y)
			rows[f] = append(rows[f], r)
			total++
		}
	}
	mean = foregroundMean(s, e.foreground)
	grams := make([][]float64, len(rows)*gramParts)
	err = signals.EachTask(ctx, len(grams), e.o.Threads, func(_, task int) error {
		of := rows[task/gramParts]
		part := task % gramParts
		grams[task] = gram(s, of[part*len(of)/gramParts:(part+1)*len(of)/gramParts], mean, e.weight)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	all := sumOf(grams)
	learned = make([]components, len(rows)+1)
	err = signals.EachTask(ctx, len(learned), e.o.Threads, func(_, f int) error {
		cov := slices.Clone(all)
		n := float64(total)
		if f < len(rows) && len(rows) > 1 {
			for i, g := range sumOf(grams[f*gramParts : (f+1)*gramParts]) {
				cov[i] -= g
			}
			n -= float64(len(rows[f]))
		}
		for i := range cov {
			cov[i] /= max(n, 1)
		}
		var err error
		if learned[f], err = eigen(cov, s.D); err == nil {
			learned[f].moveLast(e.empty)
		}
		return err
	})
	return learned, mean, err
}

// moveLast moves the n smallest components behind the others.
func (c *components) moveLast(n int) {
	d := len(c.Values)
	turned := make([]float64, d)
	for i := range d + 1 {
		row := c.Values
		if i < d {
			row = c.Vectors[i*d : (i+1)*d]
		}
		copy(turned, row[n:])
		copy(turned[d-n:], row[:n])
		copy(row, turned)
	}
}

// emptyVolumes counts the volumes that bring no noise of their own: the same
// value all over the foreground, as lost volumes have, or an exact copy of an
// earlier volume. Each leaves one component without power.
func emptyVolumes(s *signals.Signals, foreground []bool) int {
	const offset, prime = 0xcbf29ce484222325, 0x100000001b3 // FNV-1a, a value at a time
	sum := slices.Repeat([]uint64{offset}, s.D)
	constant := slices.Repeat([]bool{true}, s.D)
	var first []float32
	for r := range s.Len() {
		if !foreground[r] {
			continue
		}
		row := s.Row(r)
		if first == nil {
			first = row
		}
		for i, v := range row {
			sum[i] = (sum[i] ^ uint64(math.Float32bits(v))) * prime
			constant[i] = constant[i] && v == first[i]
		}
	}
	n := 0
	seen := map[uint64]bool{}
	for i, h := range sum {
		if constant[i] || seen[h] {
			n++
		}
		seen[h] = true
	}
	return n
}

// foregroundMean returns the mean signal over the foreground.
func foregroundMean(s *signals.Signals, foreground []bool) []float64 {
	mean := make([]float64, s.D)
	n := 0.0
	for r := range s.Len() {
		if !foreground[r] {
			continue
		}
		n++
		for i, v := range s.Row(r) {
			mean[i] += float64(v)
		}
	}
	for i := range mean {
		mean[i] /= max(n, 1)
	}
	return mean
}

// gram returns the upper triangle of Σ w(y-mean)(y-mean)ᵀw over the rows.
func gram(s *signals.Signals, rows []int, mean, weight []float64) []float64 {
	d := s.D
	out := make([]float64, d*d)
	chunk := make([]float64, min(gramRows, max(len(rows), 1))*d)
	for from := 0; from < len(rows); from += gramRows {
		part := rows[from:min(from+gramRows, len(rows))]
		for j, r := range part {
			centred := chunk[j*d : (j+1)*d]
			for i, v := range s.Row(r) {
				centred[i] = weight[i] * (float64(v) - mean[i])
			}
		}
		blas64.Syrk(blas.Trans, 1, blas64.General{Rows: len(part), Cols: d, Stride: d, Data: chunk}, 1,
			blas64.Symmetric{N: d, Stride: d, Data: out, Uplo: blas.Upper})
	}
	return out
}

func sumOf(parts [][]float64) []float64 {
	sum := make([]float64, len(parts[0]))
	for _, p := range parts {
		for i, v := range p {
			sum[i] += v
		}
	}
	return sum
}

// eigen decomposes a symmetric d×d matrix given by its upper triangle; it
// overwrites a.
func eigen(a []float64, d int) (components, error) {
	c := components{Values: make([]float64, d), Vectors: a}
	sym := blas64.Symmetric{N: d, Stride: d, Data: a, Uplo: blas.Upper}
	query := make([]float64, 1)
	lapack64.Syev(lapack.EVCompute, sym, c.Values, query, -1)
	work := make([]float64, int(query[0]))
	if !lapack64.Syev(lapack.EVCompute, sym, c.Values, work, len(work)) {
		return components{}, errors.New("noise: eigenvalues of the signal covariance did not converge")
	}
	return c, nil
}
