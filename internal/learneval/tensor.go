package main

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// tensor is what a tensor fit says of a voxel.
type tensor struct {
	fa   float64
	axis [3]float64
}

// fitTensor fits log S = log S₀ - b·gᵀDg by least squares.
func fitTensor(k *known, solve *mat.Dense, im *nifti.Image, v int32) tensor {
	d := k.truth.D
	logs := mat.NewVecDense(d, nil)
	for n := range d {
		logs.SetVec(n, math.Log(max(float64(im.Volume(n)[v]), 0.05)))
	}
	var p mat.VecDense
	p.MulVec(solve, logs)
	m := mat.NewSymDense(3, []float64{p.AtVec(1), p.AtVec(4), p.AtVec(5), 0, p.AtVec(2), p.AtVec(6), 0, 0, p.AtVec(3)})
	var e mat.EigenSym
	if !e.Factorize(m, true) {
		return tensor{}
	}
	l := e.Values(nil)
	mean := (l[0] + l[1] + l[2]) / 3
	spread, power := 0.0, 0.0
	for _, x := range l {
		spread += (x - mean) * (x - mean)
		power += x * x
	}
	var u mat.Dense
	e.VectorsTo(&u)
	return tensor{math.Sqrt(1.5 * spread / max(power, 1e-30)), [3]float64{u.At(0, 2), u.At(1, 2), u.At(2, 2)}}
}

// tensorErrors returns the median angle in degrees between the principal
// directions of truth and estimate where the true FA is above 0.3, and the root
// mean square error of FA over all voxels.
func tensorErrors(k *known, truth, im *nifti.Image) (angle, fa float64) {
	d := k.truth.D
	design := mat.NewDense(d, 7, nil)
	for n := range d {
		b, g := k.table.BVals[n]/1000, k.table.BVecs[n]
		design.SetRow(n, []float64{1, -b * g[0] * g[0], -b * g[1] * g[1], -b * g[2] * g[2], -2 * b * g[0] * g[1], -2 * b * g[0] * g[2], -2 * b * g[1] * g[2]})
	}
	var normal, inverse, solve mat.Dense
	normal.Mul(design.T(), design)
	if inverse.Inverse(&normal) != nil {
		return math.NaN(), math.NaN()
	}
	solve.Mul(&inverse, design.T())
	var angles []float64
	for _, v := range k.truth.Voxel {
		t, x := fitTensor(k, &solve, truth, v), fitTensor(k, &solve, im, v)
		fa += (t.fa - x.fa) * (t.fa - x.fa) / float64(k.truth.Len())
		if t.fa > 0.3 {
			cos := math.Abs(t.axis[0]*x.axis[0] + t.axis[1]*x.axis[1] + t.axis[2]*x.axis[2])
			angles = append(angles, math.Acos(min(cos, 1))*180/math.Pi)
		}
	}
	slices.Sort(angles)
	return angles[len(angles)/2], math.Sqrt(fa)
}
