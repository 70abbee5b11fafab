package fastblas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// conform runs one test body on every set of kernels there is for both types.
func conform(t *testing.T, on32 func(*testing.T, *machine[float32]), on64 func(*testing.T, *machine[float64])) {
	t.Run("float32/twin", func(t *testing.T) { on32(t, newMachine(twins[float32](8))) })
	t.Run("float64/twin", func(t *testing.T) { on64(t, newMachine(twins[float64](4))) })
	if !Accelerated() {
		return
	}
	t.Run("float32/assembly", func(t *testing.T) { on32(t, machine32) })
	t.Run("float64/assembly", func(t *testing.T) { on64(t, machine64) })
}

func unit[T Float]() float64 {
	if T(1)+T(0x1p-30) == 1 {
		return 0x1p-24
	}
	return 0x1p-53
}

// exactDot returns Σ x·y and Σ|x·y|, the first as if computed in twice the
// precision (Ogita, Rump and Oishi 2005, algorithm 5.3).
func exactDot(n int, x, y func(i int) float64) (sum, size float64) {
	low := 0.0
	for i := range n {
		a, b := x(i), y(i)
		p := a * b
		e := math.FMA(a, b, -p)
		s := sum + p
		z := s - sum
		low += ((sum - (s - z)) + (p - z)) + e
		sum = s
		size += math.Abs(p)
	}
	return sum + low, size
}

// padded returns a rows×columns matrix of normal numbers with a stride beyond
// its columns and NaN between.
func padded[T Float](rng *rand.Rand, rows, columns int) (data []T, ld int) {
	ld = columns + rng.IntN(4)
	data = make([]T, max((rows-1)*ld+columns, 0))
	for i := range data {
		data[i] = T(math.NaN())
		if i%ld < columns {
			data[i] = T(rng.NormFloat64())
		}
	}
	return data, ld
}

// shapes covers every tile height, partial panels and each side of every block size.
func shapes(rng *rand.Rand) [][3]int {
	out := [][3]int{
		{1, 1, 1}, {5, 7, 0}, {125, 70, 16}, {125, 16, 70}, {343, 8, 24}, {3, 2, 1000},
		{7, 9, depthBlock - 1}, {7, 9, depthBlock}, {7, 33, depthBlock + 1}, {9, 17, 2*depthBlock + 3},
		{rowBlock - 1, 5, 3}, {rowBlock, 5, 3}, {rowBlock + 1, 20, 3}, {2*rowBlock + 7, 3, 300},
		{3, columnBlock - 1, 4}, {3, columnBlock, 4}, {8, columnBlock + 1, 4}, {2, columnBlock + 20, depthBlock + 5},
	}
	random := 60
	if raceEnabled { // many times slower
		random = 6
	}
	for range random {
		out = append(out, [3]int{1 + rng.IntN(30), 1 + rng.IntN(40), 1 + rng.IntN(50)})
	}
	return out
}

func TestGemm(t *testing.T) {
	conform(t, testGemm[float32], testGemm[float64])
}

// Every element is within the bound of doc.go of its definition, and nothing
// else is read or written.
func testGemm[T Float](t *testing.T, mc *machine[T]) {
	rng := rand.New(rand.NewPCG(1, 2))
	factors := [][2]T{{1, 0}, {1, 1}, {-0.5, 0}, {2, -1.5}}
	for i, s := range shapes(rng) {
		for trans := range 4 {
			f := factors[(i+trans)%len(factors)]
			m, n, k := s[0], s[1], s[2]
			p := product[T]{m: m, n: n, k: k, alpha: f[0], beta: f[1]}
			p.a, p.b = randomFactor[T](rng, m, k, trans&1 > 0), randomFactor[T](rng, k, n, trans&2 > 0)
			p.c, p.ldc = padded[T](rng, m, n)
			checkProduct(t, mc, p)
		}
	}
}

func TestSyrk(t *testing.T) {
	conform(t, testSyrk[float32], testSyrk[float64])
}

func testSyrk[T Float](t *testing.T, mc *machine[T]) {
	rng := rand.New(rand.NewPCG(3, 4))
	factors := [][2]T{{1, 0}, {1, 1}, {-0.5, 0}, {2, -1.5}}
	for i, s := range shapes(rng) {
		n, k := min(s[1], 70), min(s[2], 300)
		if i%10 == 0 {
			n, k = rowBlock+i, 5
		}
		for trans := range 4 {
			f := factors[(i+trans)%len(factors)]
			p := product[T]{m: n, n: n, k: k, alpha: f[0], beta: f[1], part: upper + region(trans>>1)}
			p.a = randomFactor[T](rng, n, k, trans&1 > 0)
			p.b = p.a
			p.b.trans = !p.a.trans
			p.c, p.ldc = padded[T](rng, n, n)
			checkProduct(t, mc, p)
		}
	}
}

// randomFactor is a matrix that is rows × columns in the product.
func randomFactor[T Float](rng *rand.Rand, rows, columns int, trans bool) matrix[T] {
	if trans {
		rows, columns = columns, rows
	}
	data, ld := padded[T](rng, rows, columns)
	return matrix[T]{data, ld, trans}
}

func checkProduct[T Float](t *testing.T, mc *machine[T], p product[T]) {
	t.Helper()
	before := slices.Clone(p.c)
	if p.beta == 0 {
		for i := range p.m {
			for j := range p.n {
				p.c[i*p.ldc+j] = T(math.NaN())
			}
		}
		before = slices.Clone(p.c)
	}
	mc.run(&p)
	name := fmt.Sprintf("%d×%d×%d, transposed %v %v, α = %v, β = %v, part %d", p.m, p.n, p.k, p.a.trans, p.b.trans, p.alpha, p.beta, p.part)
	for i := range p.c {
		row, column := i/p.ldc, i%p.ldc
		first, last := p.part.columns(row, 0, p.n)
		if column < first || column >= last {
			if !same(p.c[i], before[i]) {
				t.Fatalf("%s: element (%d, %d) outside was written", name, row, column)
			}
			continue
		}
		want, size := element(p, row, column)
		if p.beta != 0 {
			want += float64(p.beta) * float64(before[i])
			size += math.Abs(float64(p.beta) * float64(before[i]))
		}
		if got := float64(p.c[i]); !(math.Abs(got-want) <= float64(p.k+4)*unit[T]()*size) {
			t.Fatalf("%s: element (%d, %d) = %v, want %v", name, row, column, got, want)
		}
	}
}

// element is α·A·B by definition, and the same of absolute values.
func element[T Float](p product[T], row, column int) (value, size float64) {
	ars, acs := p.a.strides()
	brs, bcs := p.b.strides()
	value, size = exactDot(p.k,
		func(i int) float64 { return float64(p.a.data[row*ars+i*acs]) },
		func(i int) float64 { return float64(p.b.data[i*brs+column*bcs]) })
	return float64(p.alpha) * value, math.Abs(float64(p.alpha)) * size
}

func same[T Float](a, b T) bool { return a == b || a != a && b != b }

func TestVectors(t *testing.T) {
	conform(t, testVectors[float32], testVectors[float64])
}

func testVectors[T Float](t *testing.T, mc *machine[T]) {
	for n := 1; n < 80; n++ {
		x, y := random[T](n+1, uint64(n)), random[T](n+1, uint64(n+1000))
		x[n], y[n] = T(math.NaN()), T(math.NaN())
		want, size := exactDot(n, func(i int) float64 { return float64(x[i]) }, func(i int) float64 { return float64(y[i]) })
		if got := float64(mc.dot(n, &x[0], &y[0])); !(math.Abs(got-want) <= float64(n)*unit[T]()*size) {
			t.Errorf("dot of %d = %v, want %v", n, got, want)
		}
		before := slices.Clone(y)
		mc.axpy(n, -1.5, &x[0], &y[0])
		for i := range n {
			want := float64(before[i]) - 1.5*float64(x[i])
			if d := math.Abs(float64(y[i]) - want); !(d <= 2*unit[T]()*(math.Abs(float64(before[i]))+1.5*math.Abs(float64(x[i])))) {
				t.Fatalf("axpy of %d: element %d = %v, want %v", n, i, y[i], want)
			}
		}
		if y[n] == y[n] {
			t.Fatalf("axpy of %d wrote behind its end", n)
		}
	}
}

func TestRowVectors(t *testing.T) {
	conform(t, testRowVectors[float32], testRowVectors[float64])
}

// Kernels of four rows do what those of one do, and nothing beyond their end.
func testRowVectors[T Float](t *testing.T, mc *machine[T]) {
	for n := 1; n < 40; n++ {
		lda := n + 3
		a, x, y := random[T](4*lda, uint64(n)), random[T](n+1, 2), random[T](n+1, 3)
		f := []T{1, -2, 0.5, 3}
		x[n], y[n] = T(math.NaN()), T(math.NaN())
		dots := make([]T, 5)
		mc.dots(n, &a[0], lda, &x[0], &dots[0])
		want, size := slices.Clone(y), make([]float64, n+1)
		for r := range f {
			exact, magnitude := exactDot(n, func(i int) float64 { return float64(a[r*lda+i]) }, func(i int) float64 { return float64(x[i]) })
			if d := math.Abs(float64(dots[r]) - exact); !(d <= float64(n)*unit[T]()*magnitude) {
				t.Fatalf("dots of %d: row %d off by %v", n, r, d)
			}
			for i := range n {
				want[i] += f[r] * a[r*lda+i]
				size[i] += math.Abs(float64(f[r]*a[r*lda+i])) + math.Abs(float64(y[i]))
			}
		}
		mc.axpys(n, &f[0], &a[0], lda, &y[0])
		for i := range n {
			if d := math.Abs(float64(y[i] - want[i])); !(d <= 8*unit[T]()*size[i]) {
				t.Fatalf("axpys of %d: element %d off by %v", n, i, d)
			}
		}
		if dots[4] != 0 || y[n] == y[n] {
			t.Fatalf("%d: written beyond the end", n)
		}
	}
}
