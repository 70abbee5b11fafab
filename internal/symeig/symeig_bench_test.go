package symeig

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// gramOf is the Gram matrix of n columns of 125 noisy measurements with a few
// strong components, which is what blocks bring.
func gramOf(n int) []float64 {
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	const rows, strong = 125, 6
	x := make([]float64, rows*n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	for k := range strong {
		u := make([]float64, n)
		for i := range u {
			u[i] = rng.NormFloat64() * float64(10*(strong-k))
		}
		for r := range rows {
			fastblas.Axpy(rng.NormFloat64()/10, u, x[r*n:(r+1)*n])
		}
	}
	a := make([]float64, n*n)
	fastblas.Syrk(false, true, n, rows, 1, x, n, 0, a, n)
	return a
}

func BenchmarkDecompose(b *testing.B) {
	for _, n := range []int{8, 16, 24, 32, 48, 64, 70, 125} {
		a := gramOf(n)
		b.Run(fmt.Sprintf("%d/own", n), func(b *testing.B) {
			w, values, vectors := New(n), make([]float64, n), make([]float64, n*n)
			for b.Loop() {
				w.Decompose(a, n, values, vectors)
			}
		})
		b.Run(fmt.Sprintf("%d/gonum", n), func(b *testing.B) {
			sym := mat.NewSymDense(n, a)
			var eigen mat.EigenSym
			var vectors mat.Dense
			for b.Loop() {
				eigen.Factorize(sym, true)
				eigen.VectorsTo(&vectors)
			}
		})
	}
}
