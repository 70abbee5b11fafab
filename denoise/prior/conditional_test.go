package prior

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// model is a random covariance of clean signals, its noisy counterpart, a mean
// and a measurement.
func model(t *testing.T, d int, sigma float64) (clean, noisy *mat.SymDense, mean, y []float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(d), 7))
	root := mat.NewDense(d, d/2+1, nil)
	root.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, root)
	clean = mat.NewSymDense(d, nil)
	clean.SymOuterK(1, root)
	noisy = mat.NewSymDense(d, nil)
	noisy.CopySym(clean)
	mean, y = make([]float64, d), make([]float64, d)
	for i := range d {
		noisy.SetSym(i, i, noisy.At(i, i)+sigma*sigma)
		mean[i] = 10 * rng.NormFloat64()
		y[i] = mean[i] + 2*rng.NormFloat64()
	}
	return clean, noisy, mean, y
}

func dense(s *mat.SymDense) []float64 {
	d := s.SymmetricDim()
	out := make([]float64, 0, d*d)
	for i := range d {
		for j := range d {
			out = append(out, s.At(i, j))
		}
	}
	return out
}

// regression returns mean and variance of x_i given y_j for the directions in
// given, by solving the normal equations of exactly those directions.
func regression(clean, noisy *mat.SymDense, mean, y []float64, i int, given []int) (float64, float64) {
	n := len(given)
	a, c, r := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil), mat.NewVecDense(n, nil)
	for p, j := range given {
		for q, k := range given {
			a.SetSym(p, q, noisy.At(j, k))
		}
		c.SetVec(p, clean.At(i, j))
		r.SetVec(p, y[j]-mean[j])
	}
	var w mat.VecDense
	if err := w.SolveVec(a, c); err != nil {
		panic(err)
	}
	return mean[i] + mat.Dot(&w, r), clean.At(i, i) - mat.Dot(&w, c)
}

func TestConditionalsMatchDirectRegression(t *testing.T) {
	for _, d := range []int{2, 5, 12} {
		const sigma = 0.7
		clean, noisy, mean, y := model(t, d, sigma)
		c, err := NewConditionals(mean, dense(noisy), sigma)
		if err != nil {
			t.Fatal(err)
		}
		blind, blindVar := make([]float64, d), make([]float64, d)
		fused, fusedVar, left := make([]float64, d), make([]float64, d), make([]float64, d)
		c.Blind(blind, y)
		c.BlindVariance(blindVar)
		c.Fused(fused, y)
		c.FusedVariance(fusedVar)
		c.LeaveOneOut(left, y)
		for i := range d {
			var others, all []int
			for j := range d {
				all = append(all, j)
				if j != i {
					others = append(others, j)
				}
			}
			check := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 1e-8*(1+math.Abs(want)) {
					t.Errorf("D=%d direction %d: %s = %v, want %v", d, i, what, got, want)
				}
			}
			m, v := regression(clean, noisy, mean, y, i, others)
			check("blind mean", blind[i], m)
			check("blind variance", blindVar[i], v)
			// Precision-weighted fusion of the blind prediction with the measurement.
			check("fusion identity", fused[i], (sigma*sigma*m+v*y[i])/(sigma*sigma+v))
			check("leave-one-out residual", left[i], (y[i]-m)/math.Sqrt(v+sigma*sigma))
			m, v = regression(clean, noisy, mean, y, i, all)
			check("fused mean", fused[i], m)
			check("fused variance", fusedVar[i], v)
		}
	}
}

func TestBlindPredictionIgnoresItsOwnMeasurement(t *testing.T) {
	const d, sigma = 6, 0.5
	_, noisy, mean, y := model(t, d, sigma)
	c, err := NewConditionals(mean, dense(noisy), sigma)
	if err != nil {
		t.Fatal(err)
	}
	before, after := make([]float64, d), make([]float64, d)
	for i := range d {
		c.Blind(before, y)
		old := y[i]
		y[i] += 1000
		c.Blind(after, y)
		y[i] = old
		if math.Abs(before[i]-after[i]) > 1e-8 {
			t.Errorf("blind prediction of direction %d follows its own measurement: %v, %v", i, before[i], after[i])
		}
	}
}

// Monte Carlo: the fused estimate has the stated error, below blind and below noise.
func TestFusedVarianceBySimulation(t *testing.T) {
	const d, sigma, n = 5, 0.8, 40000
	clean, noisy, mean, _ := model(t, d, sigma)
	c, err := NewConditionals(mean, dense(noisy), sigma)
	if err != nil {
		t.Fatal(err)
	}
	var e mat.EigenSym
	if !e.Factorize(clean, true) {
		t.Fatal("no eigenvalues")
	}
	var u mat.Dense
	e.VectorsTo(&u)
	rng := rand.New(rand.NewPCG(3, 3))
	x, y, got := make([]float64, d), make([]float64, d), make([]float64, d)
	square := make([]float64, d)
	for range n {
		copy(x, mean)
		for k, v := range e.Values(nil) {
			z := math.Sqrt(max(v, 0)) * rng.NormFloat64()
			for i := range x {
				x[i] += z * u.At(i, k)
			}
		}
		for i := range y {
			y[i] = x[i] + sigma*rng.NormFloat64()
		}
		c.Fused(got, y)
		for i := range got {
			square[i] += (got[i] - x[i]) * (got[i] - x[i]) / n
		}
	}
	fused, blind := make([]float64, d), make([]float64, d)
	c.FusedVariance(fused)
	c.BlindVariance(blind)
	for i := range d {
		if math.Abs(square[i]/fused[i]-1) > 5*math.Sqrt(2.0/n) {
			t.Errorf("direction %d: simulated error %v, stated %v", i, square[i], fused[i])
		}
		if fused[i] > min(blind[i], sigma*sigma)+1e-12 {
			t.Errorf("direction %d: fused variance %v above blind %v or noise", i, fused[i], blind[i])
		}
	}
}

func TestNewConditionalsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		cov   []float64
		sigma float64
	}{
		"indefinite":               {[]float64{1, 2, 2, 1}, 0.1},
		"less variance than noise": {[]float64{1, 0, 0, 1}, 1.1},
		"NaN":                      {[]float64{math.NaN(), 0, 0, 1}, 0.1},
	} {
		if _, err := NewConditionals([]float64{0, 0}, c.cov, c.sigma); !errors.Is(err, ErrNotPositive) {
			t.Errorf("%s: err = %v, want ErrNotPositive", name, err)
		}
	}
}
