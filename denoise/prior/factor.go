package prior

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// factorLeaf is the size below which factors are found element by element.
const factorLeaf = 16

// invertFactor writes the inverse M of the lower Cholesky factor of the n×n
// positive definite matrix, whose lower triangle is in a (row-major, stride n,
// overwritten), into m (stride n, upper triangle zero): the inverse of the
// matrix is MᵀM. scratch holds n² values at least. It works on halves, so that
// nearly all of it is matrix products. It reports false if the matrix is not
// positive definite in the precision of T.
func invertFactor[T fastblas.Float](a, m, scratch []T, n int) bool {
	clear(m[:n*n])
	return invertPart(a, m, scratch, n, n)
}

// invertPart is invertFactor for the n×n part at the start of a and m, which
// have the stride ld.
func invertPart[T fastblas.Float](a, m, scratch []T, n, ld int) bool {
	if n <= factorLeaf {
		return invertLeaf(a, m, n, ld)
	}
	h := n / 2
	rest := n - h
	if !invertPart(a, m, scratch, h, ld) {
		return false
	}
	below := scratch[:rest*h] // L₂₁ = A₂₁·L₁₁⁻ᵀ
	free := scratch[rest*h:]
	fastblas.Gemm(false, true, rest, h, h, 1, a[h*ld:], ld, m, ld, 0, below, h)
	a22, m22 := a[h*ld+h:], m[h*ld+h:]
	fastblas.Syrk(true, false, rest, h, -1, below, h, 1, a22, ld)
	if !invertPart(a22, m22, free, rest, ld) {
		return false
	}
	// M₂₁ = -L₂₂⁻¹·L₂₁·L₁₁⁻¹; A₂₁ is not needed any more.
	fastblas.Gemm(false, false, rest, h, h, 1, below, h, m, ld, 0, a[h*ld:], ld)
	fastblas.Gemm(false, false, rest, h, rest, -1, m22, ld, a[h*ld:], ld, 0, m[h*ld:], ld)
	return true
}

// invertLeaf is invertPart element by element.
func invertLeaf[T fastblas.Float](a, m []T, n, ld int) bool {
	for j := range n {
		row := a[j*ld : j*ld+j+1]
		for i := range j {
			sum := row[i]
			for k, v := range a[i*ld : i*ld+i] {
				sum -= row[k] * v
			}
			row[i] = sum / a[i*ld+i]
		}
		sum := row[j]
		for _, v := range row[:j] {
			sum -= v * v
		}
		if !(sum > 0) || math.IsInf(float64(sum), 1) {
			return false
		}
		row[j] = T(math.Sqrt(float64(sum)))
	}
	for i := range n {
		inverse := 1 / a[i*ld+i]
		m[i*ld+i] = inverse
		for j := range i {
			sum := T(0)
			for k := j; k < i; k++ {
				sum += a[i*ld+k] * m[k*ld+j]
			}
			m[i*ld+j] = -sum * inverse
		}
	}
	return true
}
