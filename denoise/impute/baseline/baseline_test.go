package baseline

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

func shells(seed uint64, n int, bvals ...float64) *gradients.Table {
	t := &gradients.Table{}
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, b := range bvals {
		for _, g := range gradients.Directions(n, rng) {
			t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
		}
	}
	return t
}

// tensorSignal is a tensor of diffusivities 1.5, 0.4 and 0.3 along the axes.
func tensorSignal(b float64, g [3]float64) float64 {
	return 800 * math.Exp(-b*1e-3*(1.5*g[0]*g[0]+0.4*g[1]*g[1]+0.3*g[2]*g[2]))
}

func signalsOf(t *gradients.Table, f func(b float64, g [3]float64) float64) []float32 {
	var y []float32
	for i, b := range t.BVals {
		y = append(y, float32(f(b, t.BVecs[i])))
	}
	return y
}

func TestTensorIsExactForTensors(t *testing.T) {
	measured, target := shells(1, 12, 0, 1000), shells(2, 7, 500, 1000, 2000)
	dst := make([]float64, target.Len())
	NewTensor(measured, target).Predict(dst, signalsOf(measured, tensorSignal))
	for i, got := range dst {
		if want := tensorSignal(target.BVals[i], target.BVecs[i]); math.Abs(got/want-1) > 1e-4 {
			t.Errorf("volume %d: %v, want %v", i, got, want)
		}
	}
	NewTensor(measured, target).Predict(dst, make([]float32, measured.Len()))
	for i, got := range dst {
		if got != 0 {
			t.Errorf("no signal: volume %d is %v", i, got)
		}
	}
}

// Without a penalty, harmonics up to an order are fitted exactly; with one, the
// mean of the shell still is.
func TestSHRidge(t *testing.T) {
	measured, target := shells(3, 40, 1000), shells(4, 9, 1000)
	quadratic := func(_ float64, g [3]float64) float64 { return 5 + 3*g[0]*g[1] - 2*g[2]*g[2] }
	for _, order := range []int{2, 4, 6} {
		l, err := SHRidge(measured, target, 50, order, 0)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]float64, target.Len())
		l.Predict(dst, signalsOf(measured, quadratic))
		for i, got := range dst {
			if want := quadratic(0, target.BVecs[i]); math.Abs(got-want) > 1e-5 {
				t.Errorf("order %d, volume %d: %v, want %v", order, i, got, want)
			}
		}
	}
	l, err := SHRidge(measured, target, 50, 8, 0.006)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float64, target.Len())
	l.Predict(dst, signalsOf(measured, func(float64, [3]float64) float64 { return 7 }))
	for i, got := range dst {
		if math.Abs(got-7) > 1e-5 {
			t.Errorf("constant signal, volume %d: %v, want 7", i, got)
		}
	}
}

func TestNearest(t *testing.T) {
	measured, target := shells(5, 20, 0, 1000, 2000), &gradients.Table{}
	// The target is the measured directions turned round, last first.
	for i := measured.Len() - 1; i >= 20; i-- {
		g := measured.BVecs[i]
		target.BVals, target.BVecs = append(target.BVals, measured.BVals[i]), append(target.BVecs, [3]float64{-g[0], -g[1], -g[2]})
	}
	l, err := Nearest(measured, target, 50)
	if err != nil {
		t.Fatal(err)
	}
	y := signalsOf(measured, tensorSignal)
	dst := make([]float64, target.Len())
	l.Predict(dst, y)
	for i, got := range dst {
		if want := float64(y[measured.Len()-1-i]); got != want {
			t.Errorf("volume %d: %v, want %v", i, got, want)
		}
	}
}

// The process is fitted to draws from itself and finds its own parameters, and
// its predictions are no worse than it claims.
func TestSphericalRecoversItself(t *testing.T) {
	measured, target := shells(6, 30, 1000, 3000), shells(7, 5, 1000, 3000)
	truth := &Spherical{Lambda: 4, A: 1.2, Sigma2: 0.25, L: 0.8}
	all := &gradients.Table{BVals: append(append([]float64{}, measured.BVals...), target.BVals...), BVecs: append(append([][3]float64{}, measured.BVecs...), target.BVecs...)}
	half := cholesky(t, truth, all)
	rng := rand.New(rand.NewPCG(8, 1))
	const voxels = 1500
	n, d := all.Len(), measured.Len()
	var rows []float32
	held := make([]float64, 0, voxels*target.Len())
	for range voxels {
		z := make([]float64, n)
		for i := range z {
			z[i] = rng.NormFloat64()
		}
		for i := range n {
			x := 50.0
			for j := range i + 1 {
				x += half[i*n+j] * z[j]
			}
			if i < d {
				rows = append(rows, float32(x+0.5*rng.NormFloat64()))
			} else {
				held = append(held, x)
			}
		}
	}
	s, err := NewSpherical(measured, target, 50, rows)
	if err != nil {
		t.Fatal(err)
	}
	// The mean over a shell takes a little of the long-range covariance away.
	if math.Abs(s.A/truth.A-1) > 0.25 || math.Abs(s.Lambda/truth.Lambda-1) > 0.35 || math.Abs(s.Sigma2/truth.Sigma2-1) > 0.35 {
		t.Errorf("fitted λ %.2f, a %.2f, σ² %.2f, ℓ %.2f, want %.2f, %.2f, %.2f, %.2f", s.Lambda, s.A, s.Sigma2, s.L, truth.Lambda, truth.A, truth.Sigma2, truth.L)
	}
	sum := 0.0
	dst := make([]float64, target.Len())
	for v := range voxels {
		s.Predict(dst, rows[v*d:(v+1)*d])
		for i, x := range dst {
			e := x - held[v*target.Len()+i]
			sum += e * e / float64(voxels*target.Len())
		}
	}
	if sum > 0.5*truth.Lambda {
		t.Errorf("mean squared error %.3f of a process of variance %.1f", sum, truth.Lambda)
	}
}

// cholesky returns the lower factor of the process's covariance without noise.
func cholesky(t *testing.T, s *Spherical, table *gradients.Table) []float64 {
	t.Helper()
	n := table.Len()
	l := make([]float64, n*n)
	for i := range n {
		for j := range i + 1 {
			sum := s.kernel(table.BVecs[i], table.BVecs[j], table.BVals[i], table.BVals[j], true)
			if i == j {
				sum += 1e-6
			}
			for k := range j {
				sum -= l[i*n+k] * l[j*n+k]
			}
			if i == j {
				l[i*n+i] = math.Sqrt(max(sum, 1e-9))
			} else {
				l[i*n+j] = sum / l[j*n+j]
			}
		}
	}
	return l
}

func TestBaselinesRefuseOtherShells(t *testing.T) {
	measured, target := shells(9, 12, 0, 1000), shells(10, 3, 2000)
	if _, err := SHRidge(measured, target, 50, 4, 0.006); !errors.Is(err, ErrShell) {
		t.Errorf("SHRidge: %v, want ErrShell", err)
	}
	if _, err := Nearest(measured, target, 50); !errors.Is(err, ErrShell) {
		t.Errorf("Nearest: %v, want ErrShell", err)
	}
	if _, err := NewSpherical(measured, target, 50, make([]float32, 240)); !errors.Is(err, ErrShell) {
		t.Errorf("NewSpherical: %v, want ErrShell", err)
	}
}
