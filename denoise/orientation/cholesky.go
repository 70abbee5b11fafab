package orientation

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// factorize replaces the lower triangle of the n×n matrix m by its Cholesky
// factor. It reports false if a pivot is not above least.
func factorize(m []float64, n int, least float64) bool {
	return factorizeWith(m, n, least, make([]float64, n))
}

// factorizeWith is factorize with scratch for n values.
func factorizeWith(m []float64, n int, least float64, column []float64) bool {
	clear(column[:n])
	for j := range n {
		row, below := m[j*n:j*n+j+1], m[j*n:]
		fastblas.Gemv(false, n-j, j, 1, below, n, row[:j], 0, column)
		s := row[j] - column[0]
		if !(s > least) {
			return false
		}
		s = math.Sqrt(s)
		row[j] = s
		inverse := 1 / s
		for i := 1; i < n-j; i++ {
			x := &below[i*n+j]
			*x = (*x - column[i]) * inverse
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
