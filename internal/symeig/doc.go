// Package symeig decomposes real symmetric matrices of up to a few hundred
// rows, many a second from each of several goroutines, without allocation:
//
//	w := symeig.New(70)
//	if !w.Decompose(gram, 70, values, vectors) { … } // not finite
//
// The matrix is brought to tridiagonal form by Householder reflections
// (Golub and Van Loan 2013, algorithm 8.3.1), updated and multiplied in one
// pass a step, and that to diagonal form by implicit QL with Wilkinson's shift
// (Martin and Wilkinson 1968). Eigenvectors are kept as rows, so that a
// rotation runs along two contiguous rows. On amd64 with AVX2 and FMA the inner
// loops are assembly; elsewhere, or with the build tag noasm, they are Go.
//
// # Accuracy
//
// With u = 2⁻⁵³ and n rows, ‖A·v - λ·v‖ and |vᵢ·vⱼ - δᵢⱼ| are below about
// n·u·‖A‖ and n·u. Errors are relative to the largest eigenvalue: small ones
// of a graded matrix are not found to their own last digits. A result depends
// on nothing but the matrix, though the last digits differ between assembly
// and Go.
package symeig
