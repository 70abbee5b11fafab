package main

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// feature is one number of every voxel.
type feature struct {
	name       string
	resolution float64 // smaller values count as equal to it: see resolvable
	noise      bool    // it is what noise was left, rather than signal
	values     []float64
}

// resolvable is the size of a signal, relative to b = 0, below which differences do not
// count: noise is thirty times that in a good scan. Simulated fluid has no angular
// part at all, to the last bit of a float32, and a test that knows no scale would
// take any other number for another distribution.
const (
	resolvable   = 1e-3
	resolvableFA = 5e-3 // what that makes of an isotropic voxel
)

// featuresOf measures what distributions are compared by: the b = 0 signal; for
// each shell the mean of S/S₀, its standard deviation over directions and the power
// of every harmonic order; FA and MD of a tensor fitted to the shell nearest b = 1000.
func featuresOf(rows []float32, t *gradients.Table) ([]feature, error) {
	d := t.Len()
	n := len(rows) / d
	shells := t.Shells(gradients.DefaultB0Threshold).All
	b0 := feature{name: "b = 0 signal"}
	ratio := make([]float64, len(rows))
	for v := range n {
		row := rows[v*d : (v+1)*d]
		s0 := 0.0
		for _, k := range shells[0].Volumes {
			s0 += float64(row[k]) / float64(len(shells[0].Volumes))
		}
		b0.values = append(b0.values, s0)
		for k, x := range row {
			ratio[v*d+k] = float64(x) / s0
		}
	}
	out := []feature{b0}
	for _, shell := range shells[1:] {
		made, err := shellFeatures(ratio, d, shell, t)
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	tensor, err := tensorFeatures(ratio, d, tensorShell(shells), t)
	return append(out, tensor...), err
}

func tensorShell(shells []gradients.Shell) gradients.Shell {
	best := shells[1]
	for _, s := range shells[2:] {
		if math.Abs(s.B-1000) < math.Abs(best.B-1000) {
			best = s
		}
	}
	return best
}

func vectorsOf(shell gradients.Shell, t *gradients.Table) [][3]float64 {
	out := make([][3]float64, len(shell.Volumes))
	for i, k := range shell.Volumes {
		out[i] = t.BVecs[k]
	}
	return out
}

func shellFeatures(ratio []float64, d int, shell gradients.Shell, t *gradients.Table) ([]feature, error) {
	order, count := 2, len(shell.Volumes)
	for order < 8 && 1.25*float64(gradients.SHCount(order+2)) <= float64(count) {
		order += 2
	}
	size := gradients.SHCount(order)
	basis := mat.NewDense(count, size, gradients.SHMatrix(vectorsOf(shell, t), order))
	var inverse mat.Dense
	if err := inverse.Solve(basis, eye(count)); err != nil {
		return nil, fmt.Errorf("b = %.0f: %w", shell.B, err)
	}
	out := []feature{{name: fmt.Sprintf("b %.0f mean", shell.B)}, {name: fmt.Sprintf("b %.0f sd", shell.B), resolution: resolvable}}
	for l := 2; l <= order; l += 2 {
		out = append(out, feature{name: fmt.Sprintf("b %.0f power l = %d", shell.B, l), resolution: 4 * math.Pi * resolvable * resolvable})
	}
	out = append(out, feature{name: fmt.Sprintf("b %.0f sd off the harmonics", shell.B), resolution: resolvable, noise: true})
	orders := gradients.SHOrders(order)
	x, rest := make([]float64, count), make([]float64, count)
	for v := range len(ratio) / d {
		for i, k := range shell.Volumes {
			x[i] = ratio[v*d+k]
		}
		mean, sd := stat.MeanStdDev(x, nil)
		out[0].values, out[1].values = append(out[0].values, mean), append(out[1].values, sd)
		power := make([]float64, order/2+1)
		copy(rest, x)
		for j := range size {
			c := 0.0
			for i, w := range inverse.RawRowView(j) {
				c += w * x[i]
			}
			power[orders[j]/2] += c * c
			for i := range rest {
				rest[i] -= c * basis.At(i, j)
			}
		}
		last := &out[len(out)-1]
		last.values = append(last.values, math.Sqrt(floats.Dot(rest, rest)/float64(count-size)))
		for l := 1; l <= order/2; l++ {
			out[1+l].values = append(out[1+l].values, power[l])
		}
	}
	return out, nil
}

func eye(n int) *mat.Dense {
	m := mat.NewDense(n, n, nil)
	for i := range n {
		m.Set(i, i, 1)
	}
	return m
}

// tensorFeatures fits a tensor by linear least squares to log S/S₀ = -b gᵀDg.
func tensorFeatures(ratio []float64, d int, shell gradients.Shell, t *gradients.Table) ([]feature, error) {
	design := mat.NewDense(len(shell.Volumes), 6, nil)
	for i, k := range shell.Volumes {
		g, b := t.BVecs[k], t.BVals[k]
		design.SetRow(i, []float64{-b * g[0] * g[0], -b * g[1] * g[1], -b * g[2] * g[2], -2 * b * g[0] * g[1], -2 * b * g[0] * g[2], -2 * b * g[1] * g[2]})
	}
	var inverse mat.Dense
	if err := inverse.Solve(design, eye(len(shell.Volumes))); err != nil {
		return nil, err
	}
	fa, md := feature{name: "FA", resolution: resolvableFA}, feature{name: "MD"}
	var x mat.VecDense
	y := mat.NewVecDense(len(shell.Volumes), nil)
	var e mat.EigenSym
	for v := range len(ratio) / d {
		for i, k := range shell.Volumes {
			y.SetVec(i, math.Log(max(ratio[v*d+k], 1e-3)))
		}
		x.MulVec(&inverse, y)
		if !e.Factorize(mat.NewSymDense(3, []float64{x.AtVec(0), x.AtVec(3), x.AtVec(4), 0, x.AtVec(1), x.AtVec(5), 0, 0, x.AtVec(2)}), false) {
			continue
		}
		l := e.Values(nil)
		mean := (l[0] + l[1] + l[2]) / 3
		spread, square := 0.0, 0.0
		for _, v := range l {
			spread += (v - mean) * (v - mean)
			square += v * v
		}
		md.values = append(md.values, mean)
		fa.values = append(fa.values, math.Sqrt(1.5*spread/max(square, 1e-30)))
	}
	return []feature{fa, md}, nil
}

// distance is the two-sample statistic of Kolmogorov and Smirnov: the largest
// difference between two empirical distribution functions. What lies below the
// feature's resolution counts as equal.
func distance(a, b feature) float64 {
	if len(a.values) == 0 || len(b.values) == 0 {
		return math.NaN()
	}
	sorted := func(f feature) []float64 {
		x := slices.Clone(f.values)
		if f.resolution > 0 {
			for i := range x {
				x[i] = max(x[i], f.resolution)
			}
		}
		sort.Float64s(x)
		return x
	}
	return stat.KolmogorovSmirnov(sorted(a), nil, sorted(b), nil)
}

// nearest returns, for every voxel of a, the distance to the nearest of b by the
// standardised features.
func nearest(a, b []feature) []float64 {
	n := len(a[0].values)
	out := make([]float64, n)
	means, sds := make([]float64, len(b)), make([]float64, len(b))
	for f := range b {
		means[f], sds[f] = stat.MeanStdDev(b[f].values, nil)
	}
	for i := range n {
		best := math.Inf(1)
		for j := range b[0].values {
			sum := 0.0
			for f := range b {
				d := (a[f].values[i] - b[f].values[j]) / sds[f]
				if sum += d * d; sum > best {
					break
				}
			}
			best = min(best, sum)
		}
		out[i] = math.Sqrt(best)
	}
	return out
}

func quantile(x []float64, p float64) float64 {
	x = slices.Clone(x)
	sort.Float64s(x)
	return stat.Quantile(p, stat.Empirical, x, nil)
}
