package gradients

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func shellTable(rng *rand.Rand, shells map[float64]int, order ...float64) *Table {
	t := &Table{}
	for _, b := range order {
		for _, g := range Directions(shells[b], rng) {
			if b == 0 {
				g = [3]float64{}
			}
			t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
		}
	}
	return t
}

func randomCovariance(n int, rng *rand.Rand) []float64 {
	half := make([]float64, n*n)
	for i := range half {
		half[i] = rng.NormFloat64()
	}
	cov := make([]float64, n*n)
	for i := range n {
		for j := range n {
			for k := range n {
				cov[i*n+j] += half[i*n+k] * half[j*n+k] / float64(n)
			}
		}
	}
	return cov
}

// What Isotropic is for: the covariance of two signals depends on the angle
// between their directions and on nothing else, and averaging keeps the power.
func TestIsotropicIsRotationInvariant(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	table := shellTable(rng, map[float64]int{0: 2, 1000: 20, 2000: 20}, 0, 1000, 2000)
	q, err := NewQSpace(table, DefaultB0Threshold, 6)
	if err != nil {
		t.Fatal(err)
	}
	n := q.Size()
	cov := randomCovariance(n, rng)
	trace := 0.0
	for i := range n {
		trace += cov[i*n+i]
	}
	q.Isotropic(cov)
	after := 0.0
	for i := range n {
		after += cov[i*n+i]
	}
	if math.Abs(after-trace) > 1e-9*trace {
		t.Errorf("trace %v becomes %v", trace, after)
	}
	between := func(shellA int, g [3]float64, shellB int, h [3]float64) float64 {
		a, b := make([]float64, n), make([]float64, n)
		q.ShellRow(a, shellA, g)
		q.ShellRow(b, shellB, h)
		sum := 0.0
		for i := range n {
			for j := range n {
				sum += a[i] * cov[i*n+j] * b[j]
			}
		}
		return sum
	}
	// Rotations about z, then about x.
	turn := func(v [3]float64, a, b float64) [3]float64 {
		s, c := math.Sincos(a)
		v = [3]float64{c*v[0] - s*v[1], s*v[0] + c*v[1], v[2]}
		s, c = math.Sincos(b)
		return [3]float64{v[0], c*v[1] - s*v[2], s*v[1] + c*v[2]}
	}
	g, h := unit([3]float64{1, 2, 3}), unit([3]float64{-1, 0.3, 1})
	want := between(1, g, 2, h)
	for range 20 {
		a, b := rng.Float64()*6, rng.Float64()*6
		if got := between(1, turn(g, a, b), 2, turn(h, a, b)); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Fatalf("turned by %v, %v: covariance %v, want %v", a, b, got, want)
		}
	}
}

func TestQSpaceRefusesTooFew(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	few := shellTable(rng, map[float64]int{0: 1, 1000: 6}, 0, 1000)
	if _, err := NewQSpace(few, DefaultB0Threshold, 8); !errors.Is(err, ErrFewDirections) {
		t.Errorf("six directions: %v, want ErrFewDirections", err)
	}
	grid := &Table{}
	for i, g := range Directions(30, rng) {
		grid.BVals, grid.BVecs = append(grid.BVals, float64(200*i)), append(grid.BVecs, g)
	}
	if _, err := NewQSpace(grid, DefaultB0Threshold, 8); !errors.Is(err, ErrFewDirections) {
		t.Errorf("grid of thirty: %v, want ErrFewDirections", err)
	}
}

func TestQSpaceFindsShells(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	q, err := NewQSpace(shellTable(rng, map[float64]int{0: 1, 700: 8, 3000: 30}, 0, 700, 3000), DefaultB0Threshold, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		b    float64
		want int
		ok   bool
	}{{0, 0, true}, {5, 0, true}, {695, 1, true}, {3050, 2, true}, {1500, 0, false}, {4000, 0, false}} {
		if got, ok := q.Shell(c.b); ok != c.ok || ok && got != c.want {
			t.Errorf("Shell(%v) = %d, %v, want %d, %v", c.b, got, ok, c.want, c.ok)
		}
	}
}

// On a grid signals are continuous in b, and without direction at b = 0.
func TestGridRowAtZero(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	grid := &Table{}
	for i, g := range Directions(60, rng) {
		grid.BVals, grid.BVecs = append(grid.BVals, float64(100*i)), append(grid.BVecs, g)
	}
	q, err := NewQSpace(grid, DefaultB0Threshold, 8)
	if err != nil || !q.Gridded {
		t.Fatalf("gridded %v, %v", q, err)
	}
	a, b := make([]float64, q.Size()), make([]float64, q.Size())
	q.GridRow(a, 0, [3]float64{1, 0, 0})
	q.GridRow(b, 0, [3]float64{0, 0, 1})
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-12 {
			t.Errorf("coefficient %d depends on direction at b = 0", i)
		}
	}
}
