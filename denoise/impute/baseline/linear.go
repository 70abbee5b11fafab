package baseline

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// ErrShell reports a target volume on a shell that was not measured.
var ErrShell = errors.New("baseline: target volume on a shell that was not measured")

// Linear is a prediction by fixed weights: x̂ = Weights·y.
type Linear struct {
	Measured, Target int
	Weights          []float64 // Target × Measured
}

// Predict writes the target volumes of one voxel.
func (l *Linear) Predict(dst []float64, y []float32) {
	for t := range dst {
		sum := 0.0
		for i, w := range l.Weights[t*l.Measured : (t+1)*l.Measured] {
			sum += w * float64(y[i])
		}
		dst[t] = sum
	}
}

// pair is a shell with the volumes of both tables on it.
type pair struct {
	isB0             bool
	measured, target []int
}

// pairs finds the shell of every target volume.
func pairs(measured, target *gradients.Table, b0Threshold float64) ([]pair, error) {
	shells := measured.Shells(b0Threshold).All
	out := make([]pair, len(shells))
	for k, s := range shells {
		out[k] = pair{isB0: s.IsB0, measured: s.Volumes}
	}
	for t, b := range target.BVals {
		best := 0
		for k, s := range shells {
			if math.Abs(s.B-b) < math.Abs(shells[best].B-b) {
				best = k
			}
		}
		if math.Abs(shells[best].B-b) > max(80, 0.05*b) {
			return nil, fmt.Errorf("%w: b = %g", ErrShell, b)
		}
		out[best].target = append(out[best].target, t)
	}
	return out, nil
}

func directions(t *gradients.Table, volumes []int) [][3]float64 {
	out := make([][3]float64, len(volumes))
	for i, v := range volumes {
		out[i] = t.BVecs[v]
	}
	return out
}

// eachShell makes weights shell by shell: f returns target × measured weights
// of the shell. Target volumes of b = 0 get the mean of the measured ones.
func eachShell(measured, target *gradients.Table, b0Threshold float64, f func(from, to [][3]float64) (*mat.Dense, error)) (*Linear, error) {
	shells, err := pairs(measured, target, b0Threshold)
	if err != nil {
		return nil, err
	}
	l := &Linear{Measured: measured.Len(), Target: target.Len(), Weights: make([]float64, measured.Len()*target.Len())}
	for _, s := range shells {
		if len(s.target) == 0 {
			continue
		}
		weights := meanWeights(len(s.target), len(s.measured))
		if !s.isB0 {
			if weights, err = f(directions(measured, s.measured), directions(target, s.target)); err != nil {
				return nil, err
			}
		}
		for a, t := range s.target {
			for b, i := range s.measured {
				l.Weights[t*l.Measured+i] = weights.At(a, b)
			}
		}
	}
	return l, nil
}

func meanWeights(target, measured int) *mat.Dense {
	w := mat.NewDense(target, measured, nil)
	for a := range target {
		for b := range measured {
			w.Set(a, b, 1/float64(measured))
		}
	}
	return w
}

// SHRidge fits even spherical harmonics up to an order to each shell by least
// squares with the Laplace-Beltrami penalty ridge·l²(l+1)² (Descoteaux 2007).
// 0.006 is the usual ridge.
func SHRidge(measured, target *gradients.Table, b0Threshold float64, order int, ridge float64) (*Linear, error) {
	return eachShell(measured, target, b0Threshold, func(from, to [][3]float64) (*mat.Dense, error) {
		n := gradients.SHCount(order)
		a := mat.NewDense(len(from), n, gradients.SHMatrix(from, order))
		b := mat.NewDense(len(to), n, gradients.SHMatrix(to, order))
		var normal, fit, out mat.Dense
		normal.Mul(a.T(), a)
		for i, e := range gradients.LaplaceBeltrami(order) {
			normal.Set(i, i, normal.At(i, i)+ridge*e+1e-10)
		}
		if err := fit.Solve(&normal, a.T()); err != nil {
			if _, near := err.(mat.Condition); !near {
				return nil, fmt.Errorf("baseline: spherical harmonics of order %d: %w", order, err)
			}
		}
		out.Mul(b, &fit)
		return &out, nil
	})
}

// Nearest takes the signal of the nearest measured direction of the shell; a
// direction and its opposite count as one.
func Nearest(measured, target *gradients.Table, b0Threshold float64) (*Linear, error) {
	return eachShell(measured, target, b0Threshold, func(from, to [][3]float64) (*mat.Dense, error) {
		w := mat.NewDense(len(to), len(from), nil)
		for a, g := range to {
			best := 0
			for b, f := range from {
				if cosine(f, g) > cosine(from[best], g) {
					best = b
				}
			}
			w.Set(a, best, 1)
		}
		return w, nil
	})
}

// cosine returns |cos| of the angle between two unit vectors.
func cosine(a, b [3]float64) float64 {
	return min(math.Abs(a[0]*b[0]+a[1]*b[1]+a[2]*b[2]), 1)
}
