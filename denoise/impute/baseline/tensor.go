package baseline

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Tensor predicts by the diffusion tensor, fitted by weighted linear least
// squares to the logarithm of the signals, weights the squared signals
// (Basser 1994; Salvador 2005).
type Tensor struct {
	design []([7]float64) // of the measured volumes
	target []([7]float64)
}

// NewTensor prepares the fit. It uses all shells.
func NewTensor(measured, target *gradients.Table) *Tensor {
	return &Tensor{design: tensorRows(measured), target: tensorRows(target)}
}

// tensorRows are the coefficients of log S₀ and of the six components of the
// tensor in log S, b in ms/µm².
func tensorRows(t *gradients.Table) [][7]float64 {
	rows := make([][7]float64, t.Len())
	for i, g := range t.BVecs {
		b := t.BVals[i] / 1000
		rows[i] = [7]float64{1, -b * g[0] * g[0], -b * g[1] * g[1], -b * g[2] * g[2], -2 * b * g[0] * g[1], -2 * b * g[0] * g[2], -2 * b * g[1] * g[2]}
	}
	return rows
}

// Predict writes the target volumes of one voxel; 0 where no tensor fits.
func (t *Tensor) Predict(dst []float64, y []float32) {
	most := 0.0
	for _, v := range y {
		most = max(most, float64(v))
	}
	clear(dst)
	if most <= 0 {
		return
	}
	normal := mat.NewSymDense(7, nil)
	right := mat.NewVecDense(7, nil)
	for i, row := range t.design {
		s := max(float64(y[i]), 0.01*most)
		w := s * s / (most * most)
		for a, x := range row {
			right.SetVec(a, right.AtVec(a)+w*x*math.Log(s))
			for b := a; b < 7; b++ {
				normal.SetSym(a, b, normal.At(a, b)+w*x*row[b])
			}
		}
	}
	for a := range 7 {
		normal.SetSym(a, a, normal.At(a, a)*(1+1e-9)+1e-9)
	}
	var chol mat.Cholesky
	var x mat.VecDense
	if !chol.Factorize(normal) || chol.SolveVecTo(&x, right) != nil {
		return
	}
	for i, row := range t.target {
		log := 0.0
		for a, c := range row {
			log += c * x.AtVec(a)
		}
		dst[i] = math.Exp(min(log, math.Log(most)+1)) // an ill fit must not run away
	}
}
