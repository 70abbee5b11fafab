// Package fastblas is dense linear algebra for the small matrices of this
// program: products of some hundred rows by tens of columns, thousands a
// second from each of several goroutines. On amd64 with AVX2 and FMA the
// innermost loops are assembly; elsewhere, or with the build tag noasm, the
// same algorithms run on their Go twins.
//
// [Register] makes gonum's blas32 and blas64 and gorgonia's tensors use it:
//
//	fastblas.Register()
//	blas32.Gemm(blas.NoTrans, blas.Trans, 1, a, b, 0, c)
//
// # Conventions
//
// Matrices are row-major, as in gonum, whose argument checks and panics the
// methods of [Implementation] share. With beta = 0 the result overwrites what
// was there, NaN included; with alpha = 0 the factors are not looked at.
// Unlike gonum's, products multiply zeros too: 0·NaN is NaN.
//
// # Accuracy
//
// Each element is a sum over k in order, in at most ⌈k/256⌉ parts, so that
// |computed - exact| ≤ (k+4)·u·Σ|a||b| with u = 2⁻²⁴ or 2⁻⁵³. Assembly, which
// rounds once per multiplication and addition, and twin differ within twice
// that. On one machine a result depends on nothing but the arguments: not on
// the number of goroutines, nor on the content of other rows or columns.
//
// # Concurrency
//
// Everything may be called from any number of goroutines. Products of more
// than about 10⁸ operations are shared between GOMAXPROCS goroutines.
package fastblas
