package fastblas

import "sync"

// Float is the type of matrix elements.
type Float interface{ float32 | float64 }

// tileRows is the number of rows of the largest tile: with two vectors of
// columns its 12 sums fill the 16 registers of AVX2.
const tileRows = 6

// tile computes one tile of C, some rows by width or 2·width columns, from
// k columns of A and rows of B:
//
//	C = α·A·B   or, with add, C += α·A·B
//
// A is addressed by its row and column strides, rows of B are bs apart and
// contiguous in themselves.
type tile[T Float] func(k int, a *T, rs, cs int, b *T, bs int, c *T, ldc int, alpha T, add bool)

// kernels are the innermost loops for one type of elements.
type kernels[T Float] struct {
	width     int                  // elements of one vector
	tiles     [2][tileRows]tile[T] // by vectors-1, rows-1
	copyRows  [2]func(k int, src *T, stride int, dst *T)
	transpose func(blocks int, src *T, lds int, dst *T, ldd int) // of width×width blocks
	dot       func(n int, x, y *T) T
	axpy      func(n int, f T, x, y *T)
	dots      func(n int, a *T, lda int, x, y *T) // of four rows with x
	axpys     func(n int, f, a *T, lda int, y *T) // of four rows
}

// machine is one type's kernels with the scratch of their callers.
type machine[T Float] struct {
	kernels[T]
	pool sync.Pool // of *scratch[T]
}

// scratch is what one product needs besides its arguments.
type scratch[T Float] struct {
	panels []T              // packed B
	edge   [tileRows * 16]T // a tile that sticks out of C
}

var (
	machine32 = newMachine(kernels32())
	machine64 = newMachine(kernels64())
)

func newMachine[T Float](k kernels[T]) *machine[T] {
	return &machine[T]{kernels: k, pool: sync.Pool{New: func() any { return new(scratch[T]) }}}
}

// machineOf returns the machine for elements of type T.
func machineOf[T Float]() *machine[T] {
	if m, ok := any(machine32).(*machine[T]); ok {
		return m
	}
	return any(machine64).(*machine[T])
}

// Accelerated reports whether the assembly kernels are in use.
func Accelerated() bool { return accelerated }
