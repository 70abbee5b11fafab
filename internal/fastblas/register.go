package fastblas

import (
	"sync"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/tensor"
)

var once sync.Once

// Register makes blas32, blas64 and gorgonia's tensors compute with
// [Implementation], each unless the host program has chosen something else than
// gonum's own before. Only the first call does anything. As with blas64.Use,
// no product may be running elsewhere during it.
func Register() { once.Do(register) }

func register() {
	if _, ok := blas32.Implementation().(gonum.Implementation); ok {
		blas32.Use(Implementation{})
	}
	if _, ok := blas64.Implementation().(gonum.Implementation); ok {
		blas64.Use(Implementation{})
	}
	if _, ok := tensor.WhichBLAS().(gonum.Implementation); ok {
		tensor.Use(Implementation{})
	}
}
