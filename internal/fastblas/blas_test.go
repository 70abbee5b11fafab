package fastblas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/tensor"
)

// Arguments, good or bad, give gonum's results or gonum's panics.
func TestImplementationAgreesWithGonum(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	flags := []blas.Transpose{'N', 'T', 'C', 'N', 'T', 'x'}
	panics := 0
	for range 5000 {
		small := func() int { return rng.IntN(7) - rng.IntN(2) }
		tA, tB := flags[rng.IntN(len(flags))], flags[rng.IntN(len(flags))]
		m, n, k, lda, ldb, ldc := small(), small(), small(), 1+rng.IntN(8), 1+rng.IntN(8), 1+rng.IntN(8)
		inc := 1 - rng.IntN(3)
		alpha, beta := float64(rng.IntN(3)), float64(rng.IntN(3))
		a, b := random[float64](1+rng.IntN(60), rng.Uint64()), random[float64](1+rng.IntN(60), rng.Uint64())
		ul := []blas.Uplo{blas.Upper, blas.Lower, 'x'}[rng.IntN(3)]
		length, seed := 1+rng.IntN(60), rng.Uint64()
		for name, call := range map[string]func(p both, c []float64){
			"gemm": func(p both, c []float64) { p.Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) },
			"syrk": func(p both, c []float64) { p.Dsyrk(ul, tA, n, k, alpha, a, lda, beta, c, ldc) },
			"gemv": func(p both, c []float64) { p.Dgemv(tA, m, n, alpha, a, lda, b, 1, beta, c, inc) },
			"dot":  func(p both, c []float64) { c[0] = p.Ddot(n, a, inc, b, 1) },
			"axpy": func(p both, c []float64) { p.Daxpy(n, alpha, a, inc, c, 1) },
		} {
			want, got := random[float64](length, seed), random[float64](length, seed)
			wantPanic, gotPanic := catch(func() { call(gonum.Implementation{}, want) }), catch(func() { call(Implementation{}, got) })
			if wantPanic != nil {
				panics++
			}
			if fmt.Sprint(gotPanic) != fmt.Sprint(wantPanic) {
				t.Fatalf("%s(%c %c %d %d %d lda %d ldb %d ldc %d, len a %d b %d c %d inc %d) panics with %v, gonum's with %v", name, tA, tB, m, n, k, lda, ldb, ldc, len(a), len(b), length, inc, gotPanic, wantPanic)
			}
			used := length
			if name == "gemv" { // gonum's in pure Go clears y beyond its end where β = 0
				used = max(0, min(length, m))
				if tA != blas.NoTrans {
					used = max(0, min(length, n))
				}
			}
			for i := range want[:used] {
				if math.Abs(got[i]-want[i]) > 1e-12 {
					t.Fatalf("%s: element %d = %v, gonum's %v", name, i, got[i], want[i])
				}
			}
		}
	}
	if panics < 1000 {
		t.Errorf("only %d of the calls were wrong: the test has no power", panics)
	}
}

func catch(f func()) (reason any) {
	defer func() { reason = recover() }()
	f()
	return nil
}

// hosts is a BLAS that a host program might have chosen.
type hosts struct{ gonum.Implementation }

func TestRegisterKeepsTheHostsChoice(t *testing.T) {
	reset := func() {
		blas32.Use(gonum.Implementation{})
		blas64.Use(gonum.Implementation{})
		tensor.Use(gonum.Implementation{})
	}
	defer reset()
	reset()
	blas64.Use(hosts{})
	register()
	if _, ok := blas64.Implementation().(hosts); !ok {
		t.Error("the host's blas64 is replaced")
	}
	if _, ok := blas32.Implementation().(Implementation); !ok {
		t.Error("blas32 is still gonum's")
	}
	if _, ok := tensor.WhichBLAS().(Implementation); !ok {
		t.Error("tensor's BLAS is still gonum's")
	}
}

// A product of tensors goes through the registered implementation.
func TestTensorProduct(t *testing.T) {
	defer tensor.Use(gonum.Implementation{})
	tensor.Use(Implementation{})
	a := tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{1, 2, 3, 4, 5, 6}))
	b := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float32{1, 0, 0, 1, 1, 1}))
	c, err := a.MatMul(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Data()); got != "[4 5 10 11]" {
		t.Errorf("product = %v", got)
	}
}
