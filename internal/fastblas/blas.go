package fastblas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Implementation is gonum's BLAS with the routines that this program spends its
// time in replaced: Gemm, Syrk, Gemv, Dot and Axpy of both precisions. Argument
// checks are gonum's.
type Implementation struct{ gonum.Implementation }

var (
	_ blas.Float32 = Implementation{}
	_ blas.Float64 = Implementation{}
)

// Sgemm computes C = α·op(A)·op(B) + β·C.
func (Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	blasGemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm computes C = α·op(A)·op(B) + β·C.
func (Implementation) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	blasGemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Ssyrk computes a triangle of C = α·op(A)·op(A)ᵀ + β·C.
func (Implementation) Ssyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float32, a []float32, lda int, beta float32, c []float32, ldc int) {
	blasSyrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Dsyrk computes a triangle of C = α·op(A)·op(A)ᵀ + β·C.
func (Implementation) Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	blasSyrk(ul, t, n, k, alpha, a, lda, beta, c, ldc)
}

// Sgemv computes y = α·op(A)·x + β·y.
func (i Implementation) Sgemv(t blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int) {
	if !plainGemv(t, m, n, len(a), lda, len(x), incX, len(y), incY) {
		i.Implementation.Sgemv(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	Gemv(t != blas.NoTrans, m, n, alpha, a, lda, x, beta, y)
}

// Dgemv computes y = α·op(A)·x + β·y.
func (i Implementation) Dgemv(t blas.Transpose, m, n int, alpha float64, a []float64, lda int, x []float64, incX int, beta float64, y []float64, incY int) {
	if !plainGemv(t, m, n, len(a), lda, len(x), incX, len(y), incY) {
		i.Implementation.Dgemv(t, m, n, alpha, a, lda, x, incX, beta, y, incY)
		return
	}
	Gemv(t != blas.NoTrans, m, n, alpha, a, lda, x, beta, y)
}

// Sdot computes Σ x·y.
func (i Implementation) Sdot(n int, x []float32, incX int, y []float32, incY int) float32 {
	if incX != 1 || incY != 1 || n < 0 || n > min(len(x), len(y)) {
		return i.Implementation.Sdot(n, x, incX, y, incY)
	}
	return Dot(x[:n], y)
}

// Ddot computes Σ x·y.
func (i Implementation) Ddot(n int, x []float64, incX int, y []float64, incY int) float64 {
	if incX != 1 || incY != 1 || n < 0 || n > min(len(x), len(y)) {
		return i.Implementation.Ddot(n, x, incX, y, incY)
	}
	return Dot(x[:n], y)
}

// Saxpy adds α·x to y.
func (i Implementation) Saxpy(n int, alpha float32, x []float32, incX int, y []float32, incY int) {
	if alpha == 0 || incX != 1 || incY != 1 || n < 0 || n > min(len(x), len(y)) {
		i.Implementation.Saxpy(n, alpha, x, incX, y, incY)
		return
	}
	Axpy(alpha, x[:n], y)
}

// Daxpy adds α·x to y.
func (i Implementation) Daxpy(n int, alpha float64, x []float64, incX int, y []float64, incY int) {
	if alpha == 0 || incX != 1 || incY != 1 || n < 0 || n > min(len(x), len(y)) {
		i.Implementation.Daxpy(n, alpha, x, incX, y, incY)
		return
	}
	Axpy(alpha, x[:n], y)
}

func blasGemm[T Float](tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	transA, transB := transposed(tA), transposed(tB)
	checkSize(m, mLT0)
	checkSize(n, nLT0)
	checkSize(k, kLT0)
	checkStride(transA, m, k, lda, badLdA)
	checkStride(transB, k, n, ldb, badLdB)
	checkStride(false, m, n, ldc, badLdC)
	if m == 0 || n == 0 {
		return
	}
	checkLength(transA, m, k, lda, len(a), shortA)
	checkLength(transB, k, n, ldb, len(b), shortB)
	checkLength(false, m, n, ldc, len(c), shortC)
	Gemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func blasSyrk[T Float](ul blas.Uplo, t blas.Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int) {
	if ul != blas.Lower && ul != blas.Upper {
		panic(badUplo)
	}
	trans := transposed(t)
	checkSize(n, nLT0)
	checkSize(k, kLT0)
	checkStride(trans, n, k, lda, badLdA)
	checkStride(false, n, n, ldc, badLdC)
	if n == 0 {
		return
	}
	checkLength(trans, n, k, lda, len(a), shortA)
	checkLength(false, n, n, ldc, len(c), shortC)
	Syrk(ul == blas.Lower, trans, n, k, alpha, a, lda, beta, c, ldc)
}
