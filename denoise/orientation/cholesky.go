package orientation

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// factorize replaces the lower triangle of the n×n matrix m by its Cholesky
// factor. It reports false if a pivot is not above least.
func factorize(m []float64, n int, least float64) bool {
	for j := range n {
		row := m[j*n : j*n+j+1]
		s := row[j]
		for _, x := range row[:j] {
			s -= x * x
		}
		if !(s > least) {
			return false
		}
		s = math.Sqrt(s)
		row[j] = s
		inverse := 1 / s
		for i := j + 1; i < n; i++ {
			other := m[i*n : i*n+j+1]
			other[j] = (other[j] - fastblas.Dot(row[:j], other[:j])) * inverse
		}
	}
	return true
}

// solve replaces x by the solution of L·Lᵀ·z = x.
func solve(l []float64, n int, x []float64) {
	for i := range n {
		row := l[i*n : i*n+i+1]
		x[i] = (x[i] - fastblas.Dot(row[:i], x[:i])) / row[i]
	}
	for i := n - 1; i >= 0; i-- {
		x[i] /= l[i*n+i]
		f := x[i]
		fastblas.Axpy(-f, l[i*n:i*n+i], x[:i])
	}
}
