package gradients

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSHAgreesWithMRtrix(t *testing.T) {
	// Columns of an identity through `sh2amp` of MRtrix 3.0.3 at these directions, orders 0 to 4.
	for _, c := range []struct {
		v    [3]float64
		want []float64
	}{
		{[3]float64{0.6, 0, 0.8}, []float64{0.282095, 0, 0, 0.29016, -0.524423, 0.196659, 0, 0, 0, 0, -0.197184, -0.475291, 0.592684, -0.305879, 0.081108}},
		{[3]float64{0.36, 0.48, 0.8}, []float64{0.282095, 0.188792, -0.419539, 0.29016, -0.314654, -0.055064, -0.043604, -0.107669, 0.568976, -0.380233, -0.197184, -0.285174, -0.165951, 0.286302, -0.068391}},
		{[3]float64{-0.48, 0.6, 0.64}, []float64{0.282095, -0.314654, -0.419539, 0.072162, 0.335631, -0.070797, 0.093437, -0.225127, -0.508809, 0.034118, -0.361361, -0.027295, -0.114482, -0.461999, -0.197126}},
	} {
		got := make([]float64, SHCount(4))
		SH(got, c.v, 4)
		for i, want := range c.want {
			if math.Abs(got[i]-want) > 1e-6 {
				t.Errorf("SH(%v)[%d] = %.6f, want %.6f", c.v, i, got[i], want)
			}
		}
	}
}

// The addition theorem holds for any orthonormal basis of each order, and only
// for one: Σ_m Y_lm(a)·Y_lm(b) = (2l+1)/4π·P_l(a·b).
func TestSHAdditionTheorem(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const lmax = 12
	a, b := make([]float64, SHCount(lmax)), make([]float64, SHCount(lmax))
	for range 50 {
		v := unit([3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
		w := unit([3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
		SH(a, v, lmax)
		SH(b, w, lmax)
		x := v[0]*w[0] + v[1]*w[1] + v[2]*w[2]
		for l := 0; l <= lmax; l += 2 {
			sum := 0.0
			for m := -l; m <= l; m++ {
				sum += a[SHIndex(l, m)] * b[SHIndex(l, m)]
			}
			if want := float64(2*l+1) / (4 * math.Pi) * legendre(l, x); math.Abs(sum-want) > 1e-10 {
				t.Fatalf("order %d at %v, %v: %v, want %v", l, v, w, sum, want)
			}
		}
	}
}

func legendre(l int, x float64) float64 {
	before, now := 1.0, x
	if l == 0 {
		return 1
	}
	for n := 1; n < l; n++ {
		before, now = now, (float64(2*n+1)*x*now-float64(n)*before)/float64(n+1)
	}
	return now
}

func TestSHIsAntipodalAndScaleFree(t *testing.T) {
	a, b := make([]float64, SHCount(8)), make([]float64, SHCount(8))
	SH(a, [3]float64{0.2, -0.5, 0.7}, 8)
	SH(b, [3]float64{-2, 5, -7}, 8)
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-12 {
			t.Errorf("coefficient %d: %v at g, %v at -10g", i, a[i], b[i])
		}
	}
}

func TestSHSizes(t *testing.T) {
	if got := SHCount(8); got != 45 {
		t.Errorf("SHCount(8) = %d, want 45", got)
	}
	if got := LaplaceBeltrami(4); got[0] != 0 || got[1] != 36 || got[14] != 400 {
		t.Errorf("LaplaceBeltrami(4) = %v", got)
	}
}
