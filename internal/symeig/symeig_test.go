package symeig

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// conform runs a test on every set of kernels there is.
func conform(t *testing.T, test func(t *testing.T, w func(n int) *Workspace)) {
	with := func(k kernels) func(int) *Workspace {
		return func(n int) *Workspace {
			w := New(n)
			w.k = k
			return w
		}
	}
	t.Run("twins", func(t *testing.T) { test(t, with(twins)) })
	if accelerated {
		t.Run("assembly", func(t *testing.T) { test(t, with(machine)) })
	}
}

// withValues is Q·diag(values)·Qᵀ for a random orthogonal Q.
func withValues(rng *rand.Rand, values []float64) []float64 {
	n := len(values)
	random := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			random.Set(i, j, rng.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(random)
	var q, left, out mat.Dense
	qr.QTo(&q)
	left.Mul(&q, mat.NewDiagDense(n, values))
	out.Mul(&left, q.T())
	return slices.Clone(out.RawMatrix().Data)
}

func spread(n int, f func(i int) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func diagonalOf(values []float64) []float64 {
	out := make([]float64, len(values)*len(values))
	for i, v := range values {
		out[i*len(values)+i] = v
	}
	return out
}

// cases are matrices of n rows that have made trouble for one method or another.
func cases(n int) map[string][]float64 {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	wilkinson, diagonal, constant := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)
	for i := range n {
		wilkinson[i*n+i] = math.Abs(float64(i - n/2))
		if i > 0 {
			wilkinson[i*n+i-1], wilkinson[(i-1)*n+i] = 1, 1
		}
		diagonal[i*n+i] = rng.NormFloat64()
	}
	for i := range constant {
		constant[i] = 3
	}
	random := spread(n, func(int) float64 { return rng.NormFloat64() })
	return map[string][]float64{
		"zero": make([]float64, n*n), "diagonal": diagonal, "constant": constant, "Wilkinson": wilkinson,
		"random":         withValues(rng, random),
		"identity":       withValues(rng, spread(n, func(int) float64 { return 1 })),
		"two values":     withValues(rng, spread(n, func(i int) float64 { return float64(i%2) + 1 })),
		"low rank":       withValues(rng, spread(n, func(i int) float64 { return float64(max(0, 3-i)) })),
		"graded":         withValues(rng, spread(n, func(i int) float64 { return math.Pow(0.3, float64(i)) })),
		"graded up":      withValues(rng, spread(n, func(i int) float64 { return math.Pow(3, float64(i-n)) })),
		"clustered":      withValues(rng, spread(n, func(i int) float64 { return 1 + 1e-14*float64(i) })),
		"huge":           withValues(rng, spread(n, func(i int) float64 { return random[i] * 1e307 })),
		"largest":        diagonalOf(spread(n, func(i int) float64 { return math.MaxFloat64 / float64(i+1) })),
		"tiny":           withValues(rng, spread(n, func(i int) float64 { return random[i] * 1e-300 })),
		"subnormal":      withValues(rng, spread(n, func(i int) float64 { return random[i] * 1e-310 })),
		"wide":           withValues(rng, spread(n, func(i int) float64 { return math.Pow(10, float64(-300*i/n)) })),
		"opposite signs": withValues(rng, spread(n, func(i int) float64 { return float64(1 - 2*(i%2)) })),
		"gram":           gramOf(n),
	}
}

func TestDecompose(t *testing.T) {
	conform(t, func(t *testing.T, newWorkspace func(int) *Workspace) {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 70, 125} {
			w := newWorkspace(130) // its scratch is dirty from one matrix to the next
			for name, a := range cases(n) {
				check(t, w, fmt.Sprintf("%s %d", name, n), a, n)
			}
		}
	})
}

// check compares with the definition: A·v = λ·v, vᵀv = 1, descending.
func check(t *testing.T, w *Workspace, name string, a []float64, n int) {
	t.Helper()
	full := slices.Clone(a)
	for i := range n {
		for j := range i {
			a[i*n+j] = math.NaN() // not to be looked at
			full[i*n+j] = full[j*n+i]
		}
	}
	before := slices.Clone(a)
	values, vectors := make([]float64, n), make([]float64, n*n)
	if !w.Decompose(a, n, values, vectors) {
		t.Errorf("%s: not decomposed", name)
		return
	}
	for i := range a {
		if math.Float64bits(a[i]) != math.Float64bits(before[i]) {
			t.Fatalf("%s: the matrix was changed", name)
		}
	}
	norm := 0.0
	for _, v := range full {
		norm = max(norm, math.Abs(v))
	}
	norm *= min(float64(n), math.MaxFloat64/norm) // an upper bound of ‖A‖
	unit := float64(n+10) * 0x1p-53
	for k := range n {
		v := vectors[k*n : (k+1)*n]
		if k > 0 && values[k] > values[k-1] {
			t.Fatalf("%s: eigenvalue %d = %v after %v", name, k, values[k], values[k-1])
		}
		for i := range n {
			residual := -values[k] / norm * v[i]
			for j := range n {
				residual += full[i*n+j] / norm * v[j]
			}
			if norm > 0 && !(math.Abs(residual) <= unit+0x1p-1074/norm) {
				t.Fatalf("%s: eigenvector %d of %v is wrong by %v of ‖A‖", name, k, values[k], residual)
			}
		}
		for l := range k + 1 {
			dot := 0.0
			for j := range n {
				dot += v[j] * vectors[l*n+j]
			}
			if l == k {
				dot--
			}
			if !(math.Abs(dot) <= 4*unit) {
				t.Fatalf("%s: eigenvectors %d and %d are orthonormal but for %v", name, k, l, dot)
			}
		}
	}
}

// Eigenvalues agree with gonum's.
func TestDecomposeAgreesWithGonum(t *testing.T) {
	for _, n := range []int{8, 33, 70} {
		a := gramOf(n)
		var eigen mat.EigenSym
		eigen.Factorize(mat.NewSymDense(n, a), false)
		want := eigen.Values(nil)
		slices.Reverse(want)
		got := make([]float64, n)
		New(n).Decompose(a, n, got, make([]float64, n*n))
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-13*want[0] {
				t.Errorf("eigenvalue %d of %d = %v, gonum's %v", i, n, got[i], want[i])
			}
		}
	}
}

func TestDecomposeRefusesWhatIsNotFinite(t *testing.T) {
	w := New(9)
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for i := range 9 {
			a := gramOf(9)
			a[i*9+8] = bad
			values := make([]float64, 9)
			if w.Decompose(a, 9, values, make([]float64, 81)) || values[0] != 0 {
				t.Errorf("%v in the matrix is accepted", bad)
			}
		}
	}
	check(t, w, "after a refusal", gramOf(9), 9)
}

func TestDecomposeInPlace(t *testing.T) {
	a, want := gramOf(20), make([]float64, 400)
	values := make([]float64, 20)
	w := New(25)
	w.Decompose(a, 20, values, want)
	w.Decompose(a, 20, values, a)
	if !slices.Equal(a, want) {
		t.Error("in place gives something else")
	}
}

func TestDecompose32(t *testing.T) {
	const n = 21
	a := gramOf(n)
	single := make([]float32, n*n)
	for i, v := range a {
		single[i] = float32(v)
		a[i] = float64(single[i])
	}
	values, vectors := make([]float64, n), make([]float64, n*n)
	values32, vectors32 := make([]float64, n), make([]float32, n*n)
	w := New(n)
	if !w.Decompose(a, n, values, vectors) || !w.Decompose32(single, n, values32, vectors32) {
		t.Fatal("not decomposed")
	}
	for i, v := range vectors {
		if float32(v) != vectors32[i] {
			t.Fatalf("element %d = %v, want %v rounded", i, vectors32[i], v)
		}
	}
	if !slices.Equal(values, values32) {
		t.Errorf("values %v, want %v", values32, values)
	}
	single[5] = float32(math.NaN())
	if w.Decompose32(single, n, values32, vectors32) {
		t.Error("NaN is accepted")
	}
}

func TestDecomposePanics(t *testing.T) {
	for name, f := range map[string]func(){
		"too large": func() { New(3).Decompose(make([]float64, 16), 4, make([]float64, 4), make([]float64, 16)) },
		"too short": func() { New(4).Decompose(make([]float64, 15), 4, make([]float64, 4), make([]float64, 16)) },
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
	if !New(0).Decompose(nil, 0, nil, nil) {
		t.Error("the empty matrix is not decomposed")
	}
}

func TestDecomposeAllocatesNothing(t *testing.T) {
	a, w, values, vectors := gramOf(40), New(40), make([]float64, 40), make([]float64, 1600)
	if n := testing.AllocsPerRun(100, func() { w.Decompose(a, 40, values, vectors) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Assembly and twins, each on the same random rows, agree to rounding.
func TestKernelsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	vector := func(n int) []float64 { return spread(n, func(int) float64 { return rng.NormFloat64() }) }
	for groups := 1; groups < 9; groups++ {
		n, ld := 4*groups, 4*groups+4
		a, v, w, u := vector(n*ld), vector(n), vector(n), vector(n)
		run := func(k kernels) []float64 {
			b, y := slices.Clone(a), make([]float64, n)
			k.updateMultiply(groups, groups, &b[0], ld, &v[0], &w[0], &u[0], &y[0])
			k.reflect(groups, groups, &b[0], ld, &u[0], 0.3)
			d, e := spread(n, func(i int) float64 { return float64(i) }), spread(n, func(i int) float64 { return 1 })
			s := sweep{sigma: 0.1, gamma: 2, p: 4, inverse: 0.25, c: 1, cosine: 1, sign: -1}
			k.qlSweep(n-1, groups, &d[n-2], &e[n-2], &b[(n-2)*ld], ld, &s.sigma)
			return slices.Concat(b, y, d, e, []float64{s.gamma, s.p, s.inverse, s.c, s.s, s.cosine, s.sign})
		}
		got, want := run(machine), run(twins)
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-12*float64(n) {
				t.Fatalf("%d groups: number %d = %v, twin's %v", groups, i, got[i], want[i])
			}
		}
	}
}
