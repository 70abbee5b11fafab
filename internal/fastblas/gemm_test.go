package fastblas

import (
	"math"
	"runtime"
	"slices"
	"testing"
)

// A factor that is not a number spreads over its row and column and no further,
// also where it meets a zero; with α = 0 nothing is looked at.
func TestNotANumber(t *testing.T) {
	const m, n, k = 20, 19, 13
	nan := math.NaN()
	a, b, c := random[float64](m*k, 1), random[float64](k*n, 2), make([]float64, m*n)
	a[3*k+5], b[4*n+6] = nan, math.Inf(1)
	clear(b[5*n : 6*n])
	Gemm(false, false, m, n, k, 1, a, k, b, n, 0, c, n)
	for i, v := range c {
		bad := i/n == 3 || i%n == 6
		if (v-v != 0) != bad {
			t.Fatalf("element (%d, %d) = %v", i/n, i%n, v)
		}
	}
	Gemm(false, false, m, n, k, 0, a, k, b, n, 0, c, n)
	if slices.ContainsFunc(c, func(v float64) bool { return v != 0 }) {
		t.Error("α = 0, β = 0 leaves something")
	}
}

// One element does not depend on what else is computed with it, so neither on
// how many goroutines share the product.
func TestGemmDoesNotDependOnThreads(t *testing.T) {
	const m, n, k = 701, 300, 290
	a, b := random[float32](m*k, 1), random[float32](k*n, 2)
	run := func(rows int) []float32 {
		c := make([]float32, rows*n)
		Gemm(false, true, rows, n, k, 1, a, k, b, k, 0, c, n)
		return c
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := run(m)
	for _, threads := range []int{2, 3} {
		runtime.GOMAXPROCS(threads)
		if !slices.Equal(run(m), want) {
			t.Errorf("%d goroutines change the result", threads)
		}
	}
	if !slices.Equal(run(101), want[:101*n]) {
		t.Error("fewer rows change the result")
	}
}

func TestGemv(t *testing.T) {
	for m := 1; m < 12; m++ {
		for n := 1; n < 40; n += 3 {
			a := random[float64](m*n, 1)
			for _, trans := range []bool{false, true} {
				rows, columns := m, n
				if trans {
					rows, columns = n, m
				}
				x, y := random[float64](columns, 3), random[float64](rows, 4)
				for _, beta := range []float64{0, 1, -2} {
					got, want := slices.Clone(y), slices.Clone(y)
					if beta == 0 {
						got[0], want[0] = math.NaN(), math.NaN()
					}
					Gemv(trans, m, n, 1.5, a, n, x, beta, got)
					Gemm(trans, false, rows, 1, columns, 1.5, a, n, x, 1, beta, want, 1)
					for i := range got {
						if !(math.Abs(got[i]-want[i]) < 1e-13*float64(columns)*10) {
							t.Fatalf("%d×%d, transposed %v, β = %v: element %d = %v, want %v", m, n, trans, beta, i, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

func TestGemmAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a sync.Pool throws things away at random")
	}
	a, b, c := random[float32](125*70, 1), random[float32](70*40, 2), make([]float32, 125*40)
	g := make([]float32, 70*70)
	if n := testing.AllocsPerRun(200, func() {
		Gemm(false, false, 125, 40, 70, 1, a, 70, b, 40, 0, c, 40)
		Syrk(false, true, 70, 125, 1, a, 70, 0, g, 70)
		Gemv(true, 125, 70, 1, a, 70, c[:125], 0, g[:70])
		g[0] = Dot(a[:70], b[:70])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShortSlicesPanic(t *testing.T) {
	a, b, c := make([]float64, 6), make([]float64, 8), make([]float64, 12)
	for name, f := range map[string]func(){
		"a":   func() { Gemm(false, false, 3, 4, 2, 1, a[:5], 2, b, 4, 0, c, 4) },
		"b":   func() { Gemm(false, false, 3, 4, 2, 1, a, 2, b[:7], 4, 0, c, 4) },
		"c":   func() { Gemm(false, false, 3, 4, 2, 1, a, 2, b, 4, 0, c[:11], 4) },
		"lda": func() { Gemm(false, false, 3, 4, 2, 1, a, 1, b, 4, 0, c, 4) },
		"ta":  func() { Gemm(true, false, 3, 4, 2, 1, a, 2, b, 4, 0, c, 4) },
		"dot": func() { Dot(a, b[:5]) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
