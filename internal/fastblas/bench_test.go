package fastblas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

func random[T Float](n int, seed uint64) []T {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]T, n)
	for i := range out {
		out[i] = T(rng.NormFloat64())
	}
	return out
}

// both is what the benchmarks compare.
type both interface {
	blas.Float32
	blas.Float64
}

var peers = []struct {
	name string
	impl both
}{{"fast", Implementation{}}, {"gonum", gonum.Implementation{}}}

func flops(b *testing.B, perOp int) {
	b.ReportMetric(float64(perOp)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		tA, tB  blas.Transpose
		m, n, k int
	}{
		{'N', 'N', 512, 512, 512},
		{'N', 'N', 125, 16, 70}, {'N', 'N', 125, 70, 16}, {'N', 'T', 125, 16, 70}, {'T', 'N', 16, 70, 125},
		{'N', 'N', 125, 40, 288}, {'N', 'T', 125, 40, 288}, {'N', 'N', 125, 288, 40}, {'N', 'N', 343, 24, 24},
		{'N', 'N', 125, 125, 288}, {'T', 'N', 288, 288, 125}, {'T', 'N', 128, 128, 2048}, {'N', 'T', 2048, 128, 128},
	} {
		dims := fmt.Sprintf("%c%c/%dx%dx%d", s.tA, s.tB, s.m, s.n, s.k)
		lda, ldb := s.k, s.n
		if s.tA == 'T' {
			lda = s.m
		}
		if s.tB == 'T' {
			ldb = s.k
		}
		work := 2 * s.m * s.n * s.k
		a32, b32, c32 := random[float32](s.m*s.k, 1), random[float32](s.k*s.n, 2), make([]float32, s.m*s.n)
		a64, b64, c64 := random[float64](s.m*s.k, 1), random[float64](s.k*s.n, 2), make([]float64, s.m*s.n)
		for _, p := range peers {
			b.Run("f32/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Sgemm(s.tA, s.tB, s.m, s.n, s.k, 1, a32, lda, b32, ldb, 0, c32, s.n)
				}
				flops(b, work)
			})
			b.Run("f64/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Dgemm(s.tA, s.tB, s.m, s.n, s.k, 1, a64, lda, b64, ldb, 0, c64, s.n)
				}
				flops(b, work)
			})
		}
	}
}

// Syrk counts the operations of the triangle only.
func BenchmarkSyrk(b *testing.B) {
	for _, s := range []struct {
		t    blas.Transpose
		n, k int
	}{{'N', 125, 288}, {'T', 70, 125}, {'T', 24, 343}, {'T', 40, 125}, {'T', 288, 256}} {
		dims := fmt.Sprintf("%c/%dx%d", s.t, s.n, s.k)
		ld := s.k
		if s.t == 'T' {
			ld = s.n
		}
		work := s.n * (s.n + 1) * s.k
		a32, c32 := random[float32](s.n*s.k, 1), make([]float32, s.n*s.n)
		a64, c64 := random[float64](s.n*s.k, 1), make([]float64, s.n*s.n)
		for _, p := range peers {
			b.Run("f32/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Ssyrk(blas.Upper, s.t, s.n, s.k, 1, a32, ld, 0, c32, s.n)
				}
				flops(b, work)
			})
			b.Run("f64/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Dsyrk(blas.Upper, s.t, s.n, s.k, 1, a64, ld, 0, c64, s.n)
				}
				flops(b, work)
			})
		}
	}
}

func BenchmarkGemv(b *testing.B) {
	for _, s := range []struct {
		t    blas.Transpose
		m, n int
	}{{'N', 125, 70}, {'T', 125, 70}, {'N', 40, 288}, {'T', 40, 288}} {
		dims := fmt.Sprintf("%c/%dx%d", s.t, s.m, s.n)
		a32, x32, y32 := random[float32](s.m*s.n, 1), random[float32](max(s.m, s.n), 2), make([]float32, max(s.m, s.n))
		a64, x64, y64 := random[float64](s.m*s.n, 1), random[float64](max(s.m, s.n), 2), make([]float64, max(s.m, s.n))
		for _, p := range peers {
			b.Run("f32/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Sgemv(s.t, s.m, s.n, 1, a32, s.n, x32, 1, 0, y32, 1)
				}
				flops(b, 2*s.m*s.n)
			})
			b.Run("f64/"+dims+"/"+p.name, func(b *testing.B) {
				for b.Loop() {
					p.impl.Dgemv(s.t, s.m, s.n, 1, a64, s.n, x64, 1, 0, y64, 1)
				}
				flops(b, 2*s.m*s.n)
			})
		}
	}
}

func BenchmarkVectors(b *testing.B) {
	for _, n := range []int{16, 70, 288} {
		x32, y32 := random[float32](n, 1), random[float32](n, 2)
		x64, y64 := random[float64](n, 1), random[float64](n, 2)
		sum := 0.0
		for _, p := range peers {
			for name, f := range map[string]func(){
				"f32/dot":  func() { sum += float64(p.impl.Sdot(n, x32, 1, y32, 1)) },
				"f64/dot":  func() { sum += p.impl.Ddot(n, x64, 1, y64, 1) },
				"f32/axpy": func() { p.impl.Saxpy(n, 1e-9, x32, 1, y32, 1) },
				"f64/axpy": func() { p.impl.Daxpy(n, 1e-9, x64, 1, y64, 1) },
			} {
				b.Run(fmt.Sprintf("%s/%d/%s", name, n, p.name), func(b *testing.B) {
					for b.Loop() {
						f()
					}
					flops(b, 2*n)
				})
			}
		}
	}
}
