package prior

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// M·A·Mᵀ = 1 for the inverse factor M of A, and M is lower triangular.
func TestInvertFactorByDefinition(t *testing.T) {
	for _, n := range []int{1, 2, 15, 16, 17, 33, 100, 128} {
		factorOf[float64](t, n, 1e-9)
		factorOf[float32](t, n, 2e-3)
	}
}

func factorOf[T fastblas.Float](t *testing.T, n int, tolerance float64) {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	x := make([]T, n*2*n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	a := make([]T, n*n)
	fastblas.Gemm(false, true, n, n, 2*n, 1, x, 2*n, x, 2*n, 0, a, n)
	for i := range n {
		a[i*n+i] += T(n)
	}
	lower := append([]T{}, a...)
	for i := range n {
		for j := i + 1; j < n; j++ {
			lower[i*n+j] = T(math.NaN()) // must not be looked at
		}
	}
	m := make([]T, n*n)
	if !invertFactor(lower, m, make([]T, n*n), n) {
		t.Fatalf("n = %d: not positive definite", n)
	}
	half, full := make([]T, n*n), make([]T, n*n)
	fastblas.Gemm(false, false, n, n, n, 1, m, n, a, n, 0, half, n)
	fastblas.Gemm(false, true, n, n, n, 1, half, n, m, n, 0, full, n)
	for i := range n {
		for j := range n {
			want := T(0)
			if i == j {
				want = 1
			}
			if math.Abs(float64(full[i*n+j]-want)) > tolerance || j > i && m[i*n+j] != 0 {
				t.Fatalf("n = %d, %T: (MAMᵀ)[%d,%d] = %v, M = %v", n, want, i, j, full[i*n+j], m[i*n+j])
			}
		}
	}
}

func TestInvertFactorRefuses(t *testing.T) {
	for name, bad := range map[string]float64{"negative": -1, "zero": 0, "NaN": math.NaN(), "Inf": math.Inf(1)} {
		const n = 40
		a := make([]float64, n*n)
		for i := range n {
			a[i*n+i] = 1
		}
		a[30*n+30] = bad
		if invertFactor(a, make([]float64, n*n), make([]float64, n*n), n) {
			t.Errorf("%s on the diagonal is taken for positive definite", name)
		}
	}
}

func BenchmarkInvertFactor(b *testing.B) {
	const n = groupSize
	a, work, m, scratch := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	for i := range n {
		a[i*n+i] = 2
	}
	b.Run("float32/128", func(b *testing.B) {
		for b.Loop() {
			copy(work, a)
			invertFactor(work, m, scratch, n)
		}
	})
}
