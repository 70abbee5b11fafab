package fastblas

import "gonum.org/v1/gonum/blas"

// What gonum says of the same mistakes (blas/gonum/errors.go).
const (
	mLT0         = "blas: m < 0"
	nLT0         = "blas: n < 0"
	kLT0         = "blas: k < 0"
	badUplo      = "blas: illegal triangle"
	badTranspose = "blas: illegal transpose"
	badLdA       = "blas: bad leading dimension of A"
	badLdB       = "blas: bad leading dimension of B"
	badLdC       = "blas: bad leading dimension of C"
	shortA       = "blas: insufficient length of a"
	shortB       = "blas: insufficient length of b"
	shortC       = "blas: insufficient length of c"
)

func transposed(t blas.Transpose) bool {
	switch t {
	case blas.NoTrans:
		return false
	case blas.Trans, blas.ConjTrans:
		return true
	}
	panic(badTranspose)
}

func checkSize(n int, message string) {
	if n < 0 {
		panic(message)
	}
}

// checkStride checks the stride of a matrix that is rows × columns in the product.
func checkStride(trans bool, rows, columns, ld int, message string) {
	if trans {
		columns = rows
	}
	if ld < max(1, columns) {
		panic(message)
	}
}

func checkLength(trans bool, rows, columns, ld, length int, message string) {
	if trans {
		rows, columns = columns, rows
	}
	if length < (rows-1)*ld+columns {
		panic(message)
	}
}

// plainGemv reports whether the arguments are right and the vectors contiguous;
// all others are left to gonum.
func plainGemv(t blas.Transpose, m, n, lenA, lda, lenX, incX, lenY, incY int) bool {
	if t == blas.NoTrans {
		lenX, lenY = lenY, lenX
	} else if t != blas.Trans && t != blas.ConjTrans {
		return false
	}
	return m > 0 && n > 0 && incX == 1 && incY == 1 && lda >= n &&
		lenA >= (m-1)*lda+n && lenX >= m && lenY >= n
}
