package phantom

import (
	"math"
	"testing"
)

func TestFieldMoments(t *testing.T) {
	// 64³ independent lattice points; the mean square of the field is known to about 1 %.
	f := newField(3, 1, extent/64)
	sum, squares, n := 0.0, 0.0, 0
	rng := stream(1, forNoise)
	for range 60000 {
		v := f.at([3]float64{3 * rng.Float64(), 3 * rng.Float64(), 3 * rng.Float64()})
		sum += v
		squares += v * v
		n++
	}
	mean, variance := sum/float64(n), squares/float64(n)
	if math.Abs(mean) > 0.02 || math.Abs(variance-1) > 0.04 {
		t.Errorf("mean %.3f, variance %.3f, want 0 and 1", mean, variance)
	}
}

func TestFieldGradient(t *testing.T) {
	f := newField(3, 2, 0.3)
	rng := stream(2, forNoise)
	const h = 1e-6
	for range 100 {
		p := [3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}
		value, g := f.gradient(p)
		if want := f.at(p); math.Abs(value-want) > 1e-12 {
			t.Fatalf("gradient's value at %v is %g, at's is %g", p, value, want)
		}
		for a := range 3 {
			up, down := p, p
			up[a] += h
			down[a] -= h
			// Differences of doubles near 1 at a step of 1e-6 are good to about 1e-9.
			if want := (f.at(up) - f.at(down)) / (2 * h); math.Abs(g[a]-want) > 1e-7 {
				t.Errorf("derivative %d at %v is %g, want %g", a, p, g[a], want)
			}
		}
	}
}

func TestFieldsDiffer(t *testing.T) {
	p := [3]float64{0.1, 0.2, 0.3}
	base := newField(1, 1, 0.2).at(p)
	if got := newField(1, 1, 0.2).at(p); got != base {
		t.Errorf("the same field gives %g and %g", base, got)
	}
	for name, f := range map[string]*field{"number": newField(1, 2, 0.2), "seed": newField(2, 1, 0.2)} {
		if f.at(p) == base {
			t.Errorf("another %s gives the same field", name)
		}
	}
}

func TestStreamsAreIndependent(t *testing.T) {
	// Neighbouring names must not give correlated streams: 200 streams of 50 numbers, correlation of each with the next.
	const n, length = 200, 50
	draws := make([][]float64, n)
	for i := range draws {
		rng := stream(7, forNoise, i/10, i%10)
		for range length {
			draws[i] = append(draws[i], rng.NormFloat64())
		}
	}
	sum := 0.0
	for i := 1; i < n; i++ {
		for k := range length {
			sum += draws[i][k] * draws[i-1][k]
		}
	}
	// Standard error 1/√(n·length) = 0.01.
	if r := sum / ((n - 1) * length); math.Abs(r) > 0.04 {
		t.Errorf("correlation of neighbouring streams is %.3f", r)
	}
	a, b := stream(7, forNoise, 1, 2).Uint64(), stream(7, forNoise, 2, 1).Uint64()
	if a == b {
		t.Error("exchanging indices gives the same stream")
	}
}
