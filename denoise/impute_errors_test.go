package denoise

import (
	"math"
	"math/rand/v2"
	"testing"
)

// residuals makes smooth errors of the given standard deviation, with white noise
// of unit variance on request.
func residuals(rng *rand.Rand, n int, sd float64, noise bool) []float32 {
	white := make([]float64, (n+1)*(n+1)*(n+1))
	for i := range white {
		white[i] = rng.NormFloat64()
	}
	out := make([]float32, n*n*n)
	for v := range out {
		x, y, z := v%n, v/n%n, v/(n*n)
		sum := 0.0
		for k := range 8 {
			sum += white[x+k&1+(n+1)*(y+k>>1&1+(n+1)*(z+k>>2))]
		}
		e := sd * sum / math.Sqrt(8)
		if noise {
			e += rng.NormFloat64()
		}
		out[v] = float32(e)
	}
	return out
}

// The ratio of errors is found although the noise is ten times as large and its
// level is not given; with nothing to compare, the usual ratio stands.
func TestLikenessFindsTheRatioOfErrors(t *testing.T) {
	const n = 24
	for _, ratio := range []float64{1, 1.5, 2.5} {
		l := &likeness{}
		rng := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			l.add(residuals(rng, n, math.Sqrt(0.1*ratio), true), residuals(rng, n, math.Sqrt(0.1), false), n, n, n)
		}
		if f := l.factor(); math.Abs(f/ratio-1) > 0.1 {
			t.Errorf("errors %.1f times those simulated: factor %.3f", ratio, f)
		}
	}
	if f := (&likeness{}).factor(); f != usualFactor {
		t.Errorf("no residuals: factor %v, want %v", f, usualFactor)
	}
	l := &likeness{}
	rng := rand.New(rand.NewPCG(3, 4))
	l.add(residuals(rng, 5, 0.3, true), residuals(rng, 5, 0.3, false), 5, 5, 5)
	if f := l.factor(); math.Abs(f-usualFactor) > 0.1 {
		t.Errorf("few residuals: factor %.3f, want about %v", f, usualFactor)
	}
}

func TestExcessLiftsOnlyBeyondDoubt(t *testing.T) {
	for _, c := range []struct{ made, least, most float64 }{{0.05, 1, 1}, {0.11, 1, 1}, {0.3, 2, 3}} {
		m := &excess{}
		rng := rand.New(rand.NewPCG(5, 6))
		for range 50000 {
			d := rng.NormFloat64() * math.Sqrt(1+c.made)
			m.add(d*d-1, 0.1)
		}
		if f := m.lift(); f < c.least || f > c.most {
			t.Errorf("errors of %.2f where 0.1 is expected: factor %.3f", c.made, f)
		}
	}
	if f := (&excess{}).lift(); f != 1 {
		t.Errorf("nothing measured: factor %v", f)
	}
}
