package prior

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// RiskOptions set [Gaussian.Risk]. The zero value is the default.
type RiskOptions struct {
	Seed   uint64 // of the probe
	Within []bool // rows that the risk is averaged over; nil means all
	// NoiseVariance returns the variance of the noise of a measurement with the
	// given expectation, in units of σ²; nil means 1. Magnitudes near the noise
	// floor have less.
	NoiseVariance func(mean float32) float32
	// Correlation is that of the noise of neighbours along x, y and z; see [Probe].
	Correlation [3]float64
}

// Risk is an estimate of the mean squared error of an estimator on one scan,
// made without the truth.
type Risk struct {
	PerVolume []float64 // in units of the noise variance; may come out below zero where it is small
	StdErr    float64   // standard error of the mean over volumes
	Voxels    int       // it was measured on
	Rows      []int32   // those voxels: rows of the grid
}

// Mean returns the mean over the given volumes; nil means all.
func (r Risk) Mean(volumes []int) float64 {
	if volumes == nil {
		volumes = make([]int, len(r.PerVolume))
		for i := range volumes {
			volumes[i] = i
		}
	}
	sum := 0.0
	for _, i := range volumes {
		sum += r.PerVolume[i] / float64(len(volumes))
	}
	return sum
}

const (
	cubeWidth  = 10   // cubes of this many voxels along each axis are what the risk is measured in
	cubeMargin = 2    // their outermost voxels, whose neighbourhood is cut off, do not count
	probeSize  = 0.02 // of the perturbation that measures the divergence, in σ; the thresholds of the local stage make larger ones read high
	riskBlocks = 20   // parts that the standard error is taken from
)

// Risk estimates the mean squared error of the posterior mean of xt at t* by
// Stein's unbiased risk estimate (Stein 1981), with the divergence measured by
// a random perturbation (Ramani, Blu and Unser 2008): for an estimator h of a
// measurement y with noise variance v, (h(y)-y)² - v + 2v·∂h/∂y. It denoises
// part of the scan twice: two cubes about different thirds of the rows the risk
// is averaged over, or the whole scan if it is no larger. Where the cubes are
// cut off the estimator has less to learn from, so that the risk is an upper
// one. Components of the scan learned from the whole of a larger scan are
// taken as fixed.
func (g *Gaussian) Risk(ctx context.Context, xt []float32, o RiskOptions) (Risk, error) {
	f, sigma := g.scale.Measured(g.scale.T)
	f /= sigma
	part := cutCubes(g.grid, o.Within)
	y := signals.New(part.grid, g.d)
	for r, from := range part.rows {
		for i, v := range xt[int(from)*g.d : (int(from)+1)*g.d] {
			y.Values[r*g.d+i] = float32(f * float64(v))
		}
	}
	var sub *subspace
	if part.grid.Len() < g.grid.Len() {
		var err error
		if sub, err = learnSubspace(ctx, xt, g.d, f, g.o.Noise, g.o.Threads); err != nil {
			return Risk{}, err
		}
	}
	mean, err := g.estimatePart(ctx, y, sub)
	if err != nil {
		return Risk{}, err
	}
	probe := Probe(part.grid, y.D, o.Correlation, rand.New(rand.NewPCG(o.Seed, riskStream)))
	for i, b := range probe {
		y.Values[i] += probeSize * b
	}
	moved, err := g.estimatePart(ctx, y, sub)
	if err != nil {
		return Risk{}, err
	}
	for i, b := range probe {
		y.Values[i] -= probeSize * b
		moved[i] = (moved[i] - mean[i]) * b / probeSize // Σ∂h/∂y in expectation, in units of the noise
	}
	return part.average(y, mean, moved, o.NoiseVariance), nil
}

// riskStream separates the probe's random numbers from other uses of a seed.
const riskStream = 0xd1342543de82ef95

// estimatePart returns the posterior mean of stabilised measurements. sub is
// nil if the components are to be learned from them too.
func (g *Gaussian) estimatePart(ctx context.Context, y *signals.Signals, sub *subspace) ([]float32, error) {
	if sub == nil {
		var err error
		if sub, err = learnSubspace(ctx, y.Values, y.D, 1, g.o.Noise, g.o.Threads); err != nil {
			return nil, err
		}
	}
	o := g.o
	o.Progress = nil
	m := &learned{o: o, grid: y.Grid, sub: sub}
	defer m.free()
	if err := m.refine(ctx, y.Values, 1); err != nil {
		return nil, err
	}
	out := make([]float32, len(y.Values))
	return out, m.evaluate(ctx, out, y.Values, 1, 1, 1)
}

// sample is the part of a scan that the risk is measured in.
type sample struct {
	grid   *signals.Grid
	rows   []int32 // per row of grid, the row of the scan
	counts []bool  // per row of grid: away from the cut, and wanted
}

// span is a range of places along one axis.
type span struct{ from, to int }

// cutCubes cuts two cubes out of the grid, about different thirds of the rows
// within along every axis, so that neither the middle of a head nor its surface
// is all that is seen.
func cutCubes(g *signals.Grid, within []bool) sample {
	size := [3]int{g.NX, g.NY, g.NZ}
	var places [3][]int
	for r := range g.Len() {
		if within == nil || within[r] {
			x, y, z := g.At(r)
			for axis, at := range [3]int{x, y, z} {
				places[axis] = append(places[axis], at)
			}
		}
	}
	var cubes [2][3]span
	var box [3]span
	for axis, at := range places {
		slices.Sort(at)
		cubes[0][axis] = third(at, 1+axis%2, size[axis])
		cubes[1][axis] = third(at, 2-axis%2, size[axis])
		box[axis] = span{min(cubes[0][axis].from, cubes[1][axis].from), max(cubes[0][axis].to, cubes[1][axis].to)}
	}
	holds := func(x, y, z, margin int) bool {
		for _, c := range cubes {
			if c[0].holds(x, margin, size[0]) && c[1].holds(y, margin, size[1]) && c[2].holds(z, margin, size[2]) {
				return true
			}
		}
		return false
	}
	var s sample
	var keep []bool
	for z := box[2].from; z < box[2].to; z++ {
		for y := box[1].from; y < box[1].to; y++ {
			for x := box[0].from; x < box[0].to; x++ {
				r := g.RowAt(x, y, z)
				taken := r >= 0 && holds(x, y, z, 0)
				keep = append(keep, taken)
				if taken {
					s.rows = append(s.rows, int32(r))
					s.counts = append(s.counts, holds(x, y, z, cubeMargin) && (within == nil || within[r]))
				}
			}
		}
	}
	s.grid = signals.NewGrid(box[0].to-box[0].from, box[1].to-box[1].from, box[2].to-box[2].from, keep)
	return s
}

// third returns the range of cubeWidth places about the k-th third of sorted
// places, within n.
func third(at []int, k, n int) span {
	centre := n / 2
	if len(at) > 0 {
		centre = at[k*(len(at)-1)/3]
	}
	width := min(cubeWidth, n)
	from := min(max(centre-width/2, 0), n-width)
	return span{from, from + width}
}

// holds reports whether a place is in the range, and no closer than margin to
// an end of it that is no end of the scan.
func (s span) holds(at, margin, n int) bool {
	from, to := s.from, s.to
	if from > 0 {
		from += margin
	}
	if to < n {
		to -= margin
	}
	return at >= from && at < to
}

// average puts the risk together from measurement, estimate and slope of the
// part's rows.
func (b sample) average(y *signals.Signals, mean, slope []float32, variance func(float32) float32) Risk {
	d := y.D
	var sums [riskBlocks][]float64
	for p := range sums {
		sums[p] = make([]float64, d)
	}
	var counts [riskBlocks]float64
	out := Risk{PerVolume: make([]float64, d)}
	for r, counted := range b.counts {
		if !counted {
			continue
		}
		out.Voxels++
		out.Rows = append(out.Rows, b.rows[r])
		p := r * riskBlocks / len(b.counts)
		counts[p]++
		for i, m := range mean[r*d : (r+1)*d] {
			v := 1.0
			if variance != nil {
				v = float64(variance(m))
			}
			e := float64(m - y.Values[r*d+i])
			sums[p][i] += e*e - v + 2*v*float64(slope[r*d+i])
		}
	}
	if out.Voxels == 0 {
		return out
	}
	for _, s := range sums {
		for i, v := range s {
			out.PerVolume[i] += v / float64(out.Voxels)
		}
	}
	// The spread of the parts' means about the mean of all, by parts of equal weight.
	mean0, square, parts := out.Mean(nil), 0.0, 0.0
	for p, s := range sums {
		if counts[p] == 0 {
			continue
		}
		part := 0.0
		for _, v := range s {
			part += v / (counts[p] * float64(d))
		}
		square += (part - mean0) * (part - mean0)
		parts++
	}
	if parts > 1 {
		out.StdErr = math.Sqrt(square / (parts * (parts - 1)))
	}
	return out
}
