package prior

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// spectrumCases are symmetric positive semidefinite matrices with spectra that
// tell inverse iteration apart from guessing: alone, in clusters, split into
// parts without coupling, of low rank, over many orders of magnitude.
func spectrumCases(n int) map[string]*mat.SymDense {
	rng := rand.New(rand.NewPCG(uint64(n), 21))
	rotated := func(value func(k int) float64) *mat.SymDense {
		var qr mat.QR
		g := mat.NewDense(n, n, nil)
		g.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, g)
		qr.Factorize(g)
		var q mat.Dense
		qr.QTo(&q)
		out := mat.NewSymDense(n, nil)
		for k := range n {
			out.SymRankOne(out, value(k), q.ColView(k))
		}
		return out
	}
	diagonal, parts := mat.NewSymDense(n, nil), mat.NewSymDense(n, nil)
	for i := range n {
		diagonal.SetSym(i, i, float64(i/2)) // every value twice
		parts.SetSym(i, i, 3)
		if i%3 != 2 && i+1 < n {
			parts.SetSym(i, i+1, 1) // equal 3×3 matrices side by side
		}
	}
	return map[string]*mat.SymDense{
		"spread":    rotated(func(k int) float64 { return float64(1 + k) }),
		"noise":     rotated(func(int) float64 { return 50 * (1 + 0.3*rng.NormFloat64()*rng.NormFloat64()) }),
		"low rank":  rotated(func(k int) float64 { return max(0, 5-float64(k)) }),
		"pairs":     rotated(func(k int) float64 { return float64(1 + k/2) }),
		"cluster":   rotated(func(k int) float64 { return 7 + 1e-10*float64(k) }),
		"equal":     rotated(func(int) float64 { return 7 }),
		"magnitude": rotated(func(k int) float64 { return math.Pow(10, -float64(k)) }),
		"huge":      rotated(func(k int) float64 { return 1e60 / float64(1+k) }),
		"diagonal":  diagonal,
		"parts":     parts,
		"zero":      mat.NewSymDense(n, nil),
	}
}

// What is returned are orthonormal eigenvectors of the largest eigenvalues,
// A·u = λu to rounding, and the eigenvalues are those of gonum's dense routine.
func TestSpectrumByDefinition(t *testing.T) {
	scratch := newSpectrum(125)
	for _, n := range []int{1, 2, 3, 7, 8, 20, 33, 70, 125} {
		for name, want := range spectrumCases(n) {
			for _, r := range []int{1, n / 5, n / 3, n} {
				t.Run(fmt.Sprintf("%d/%s/%d", n, name, r), func(t *testing.T) {
					checkSpectrum(t, scratch, want, r)
				})
			}
		}
	}
}

func checkSpectrum(t *testing.T, s *spectrum, want *mat.SymDense, r int) {
	t.Helper()
	n := want.SymmetricDim()
	a := dense(want)
	for i := range n { // only the upper triangle may be read
		for j := range i {
			a[i*n+j] = math.NaN()
		}
	}
	values, ok := s.decompose(a, n)
	if !ok {
		t.Fatal("no eigenvalues")
	}
	var e mat.EigenSym
	if !e.Factorize(want, false) {
		t.Fatal("gonum finds no eigenvalues")
	}
	norm := max(e.Values(nil)[n-1], math.SmallestNonzeroFloat64)
	for i, v := range e.Values(nil) {
		if math.Abs(values[i]-v) > 1e-13*float64(n)*norm {
			t.Fatalf("eigenvalue %d is %v, want %v", i, values[i], v)
		}
	}
	u := mat.NewDense(max(r, 1), n, nil)
	if !s.leading(u.RawMatrix().Data, a, n, r) {
		t.Fatal("no eigenvectors")
	}
	for k := range r {
		var au mat.VecDense
		au.MulVec(want, u.RowView(k))
		au.AddScaledVec(&au, -values[n-1-k], u.RowView(k))
		if residual := mat.Norm(&au, 2); !(residual <= 1e-13*float64(n)*norm) {
			t.Errorf("vector %d: ‖Au-λu‖ = %v of norm %v", k, residual, norm)
		}
		for j := range k + 1 {
			product, one := mat.Dot(u.RowView(j), u.RowView(k)), 0.0
			if j == k {
				one = 1
			}
			if !(math.Abs(product-one) <= 1e-10) {
				t.Errorf("vectors %d and %d: product %v, want %v", j, k, product, one)
			}
		}
	}
}

// Inverse iteration, not the full decomposition behind it, answers for the
// spectra of blocks.
func TestSpectrumIterates(t *testing.T) {
	s := newSpectrum(70)
	for name, m := range spectrumCases(70) {
		if name == "zero" {
			continue
		}
		if _, ok := s.decompose(dense(m), 70); !ok {
			t.Fatal("no eigenvalues")
		}
		if !s.iterate(make([]float64, 10*70), 70, 10) {
			t.Errorf("%s: inverse iteration does not converge", name)
		}
	}
}

func TestSpectrumRefusesNonFiniteMatrices(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		a := []float64{1, 0, 0, bad}
		if _, ok := newSpectrum(2).decompose(a, 2); ok {
			t.Errorf("a matrix with %v is decomposed", bad)
		}
	}
}

// BenchmarkSpectrum compares the leading vectors of a block with the full
// decomposition they replace.
func BenchmarkSpectrum(b *testing.B) {
	for _, n := range []int{33, 70, 125} {
		sym := spectrumCases(n)["noise"]
		m := dense(sym)
		b.Run(fmt.Sprintf("leading/%d", n), func(b *testing.B) {
			a, dst, s := make([]float64, len(m)), make([]float64, 7*n), newSpectrum(n)
			for b.Loop() {
				copy(a, m)
				if _, ok := s.decompose(a, n); !ok || !s.leading(dst, a, n, 7) {
					b.Fatal("not decomposed")
				}
			}
		})
		b.Run(fmt.Sprintf("full/%d", n), func(b *testing.B) {
			for b.Loop() {
				var e mat.EigenSym
				if !e.Factorize(sym, true) {
					b.Fatal("not decomposed")
				}
			}
		})
	}
}
