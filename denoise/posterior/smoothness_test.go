package posterior

import (
	"math"
	"testing"
)

func TestFitSmoothness(t *testing.T) {
	for _, want := range []Smoothness{{}, {0.4, [3]float64{0.5, 0.8, 1.1}}, {0.9, [3]float64{1.5, 1.5, 0.7}}} {
		var c [3][farthest]float64
		for axis := range c {
			for d := range c[axis] {
				c[axis][d] = want.At(axis, float64(d+1))
			}
		}
		got := fitSmoothness(c)
		for axis := range c {
			for d := range c[axis] {
				if e := got.At(axis, float64(d+1)) - c[axis][d]; math.Abs(e) > 0.01 {
					t.Errorf("%+v fitted as %+v: off by %.3f at %d along axis %d", want, got, e, d+1, axis)
				}
			}
		}
	}
}

// Aligned roots are symmetric and have the covariance they had.
func TestAlignRoots(t *testing.T) {
	const k = 3
	p := &Posterior{K: k}
	p.root[0] = []float64{1, 0, 2, -1, 3, 0, 0.5, 0.2, -2}
	square := func(r []float64, i, j int) (sum float64) {
		for b := range k {
			sum += r[i*k+b] * r[j*k+b]
		}
		return sum
	}
	var want [k * k]float64
	for i := range k {
		for j := range k {
			want[i*k+j] = square(p.root[0], i, j)
		}
	}
	if err := p.alignRoots(); err != nil {
		t.Fatal(err)
	}
	for i := range k {
		for j := range k {
			if got := square(p.root[0], i, j); math.Abs(got-want[i*k+j]) > 1e-9 {
				t.Errorf("covariance %d,%d is %g, was %g", i, j, got, want[i*k+j])
			}
			if a, b := p.root[0][i*k+j], p.root[0][j*k+i]; math.Abs(a-b) > 1e-12 {
				t.Errorf("root %d,%d is %g, %d,%d %g", i, j, a, j, i, b)
			}
		}
	}
}
