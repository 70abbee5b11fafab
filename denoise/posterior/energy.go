package posterior

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// energy is what is known of the size of the error of every row, summed over
// each band.
type energy struct {
	stein  [bands][]float32 // unbiased and very noisy: |h-y|² - tr N + 2 tr JN
	slope  [bands][]float32 // tr JN alone: the posterior variance, were the estimator Bayesian
	rough  []float32        // squared distance of the estimate from the mean of its neighbours, along the components
	spread []float32        // of the estimate within its shells: how much it depends on direction
}

func (p *Posterior) measureEnergy(ctx context.Context, o Options) (*energy, error) {
	n := p.Grid.Len()
	e := &energy{rough: make([]float32, n), spread: make([]float32, n)}
	for b := range bands {
		e.stein[b], e.slope[b] = make([]float32, n), make([]float32, n)
	}
	var shells []gradients.Shell
	if o.Table != nil {
		shells = o.Table.Shells(o.B0Threshold).All
	}
	w := newWindow(p.Grid, p.K)
	looks := make([]*look, signals.Threads(o.Threads))
	for z := range p.Grid.NZ + 1 {
		from, to := w.plane(z)
		err := signals.EachRange(ctx, to-from, 256, o.Threads, func(worker, first, last int) error {
			if looks[worker] == nil {
				looks[worker] = p.newLook()
			}
			for r := from + first; r < from+last; r++ {
				p.read(looks[worker], r)
				e.put(p, looks[worker], r, shells)
				copy(w.row(r), looks[worker].hc)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if z > 0 {
			w.roughness(e.rough, z-1)
		}
	}
	return e, nil
}

// put takes the look at a row in, but for its roughness.
func (e *energy) put(p *Posterior, l *look, r int, shells []gradients.Shell) {
	for c := range p.K {
		b, slope := p.bandOf(c), l.cc[c]*l.bc[c]
		e.slope[b][r] += slope
		e.stein[b][r] += l.rc[c]*l.rc[c] - p.noiseAlong(l, c) + 2*slope
	}
	for _, s := range shells {
		if !s.IsB0 {
			e.spread[r] += spreadOver(l.h, s.Volumes)
		}
	}
}

// spreadOver returns the sum of squares of values about their mean.
func spreadOver(h []float32, volumes []int) float32 {
	mean, square := float32(0), float32(0)
	for _, i := range volumes {
		mean += h[i] / float32(len(volumes))
	}
	for _, i := range volumes {
		square += (h[i] - mean) * (h[i] - mean)
	}
	return square
}

const (
	nearWidth = 1.0 // voxels: of the window that slopes are smoothed with
	wideWidth = 2.0 // of the one for Stein's estimate
	groups    = 4   // of voxels by dependence on direction, and in each
	bins      = 5   // by predicted error, in which it is brought to Stein's
	least     = 0.05
)

// scale predicts the squared error of every row in a band. Stein's estimate of one voxel
// is unbiased but has a standard deviation of √(2K) and more; so it is regressed,
// with coefficients not below zero, on a constant and on quantities that
// go with the error: the smoothed slope, the roughness of the estimate, how much it
// depends on direction, and Stein's estimate at the neighbours, the voxel's own left
// out. The prediction is then brought to the average of Stein's estimate in bins: five by
// its size in each quarter of the voxels by how much they depend on direction.
func (e *energy) scale(band int, g *signals.Grid, counts []bool) []float32 {
	stein := e.stein[band]
	one := make([]float32, len(stein))
	for i := range one {
		one[i] = 1
	}
	features := [][]float32{
		one, blur(g, e.slope[band], wideWidth, false), slices.Clone(e.rough), root(e.rough), blur(g, e.rough, nearWidth, true),
		blur(g, stein, wideWidth, false), slices.Clone(e.spread), root(e.spread),
	}
	for _, f := range features {
		for i, v := range f {
			f[i] = max(v, 0)
		}
	}
	c := regress(features, stein, counts)
	out := make([]float32, len(stein))
	for i := range out {
		for j, f := range features {
			out[i] += c[j] * f[i]
		}
	}
	group := ranks(e.spread, make([]uint8, len(out)), counts, groups)
	within := make([]bool, len(out))
	for q := range groups {
		for r, in := range counts {
			within[r] = in && int(group[r]) == q
		}
		level(out, stein, within, func(r int) bool { return int(group[r]) == q })
	}
	return out
}

func root(v []float32) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(math.Sqrt(float64(max(x, 0))))
	}
	return out
}

// regress minimises |Σ c_j f_j - target|² over c ≥ 0, by trying every set of
// features.
func regress(features [][]float32, target []float32, counts []bool) []float32 {
	m := len(features)
	product, along := mat.NewSymDense(m, nil), make([]float64, m)
	row := make([]float64, m)
	for r, in := range counts {
		if !in {
			continue
		}
		for j, f := range features {
			row[j] = float64(f[r])
		}
		for i := range m {
			along[i] += row[i] * float64(target[r])
			for j := i; j < m; j++ {
				product.SetSym(i, j, product.At(i, j)+row[i]*row[j])
			}
		}
	}
	best, leastLoss := make([]float32, m), 0.0
	for set := 1; set < 1<<m; set++ {
		var index []int
		for j := range m {
			if set>>j&1 == 1 {
				index = append(index, j)
			}
		}
		part, right := mat.NewSymDense(len(index), nil), mat.NewVecDense(len(index), nil)
		for a, i := range index {
			right.SetVec(a, along[i])
			for b := a; b < len(index); b++ {
				part.SetSym(a, b, product.At(i, index[b]))
			}
		}
		var chol mat.Cholesky
		var c mat.VecDense
		if !chol.Factorize(part) || chol.SolveVecTo(&c, right) != nil || mat.Min(&c) < 0 {
			continue
		}
		if loss := -mat.Dot(&c, right); loss < leastLoss {
			leastLoss = loss
			clear(best)
			for a, i := range index {
				best[i] = float32(c.AtVec(a))
			}
		}
	}
	return best
}

// level brings the prediction of a group of rows to the average of Stein's estimate,
// bin by bin, never below a share of the average over the group.
func level(scale, stein []float32, counts []bool, group func(r int) bool) {
	var order []int
	sum := 0.0
	for r, in := range counts {
		if in {
			order = append(order, r)
			sum += float64(stein[r])
		}
	}
	if len(order) == 0 {
		return
	}
	overall := max(sum/float64(len(order)), 1e-6)
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case scale[a] < scale[b]:
			return -1
		case scale[a] > scale[b]:
			return 1
		default:
			return a - b
		}
	})
	var at, value []float64
	for b := range bins {
		from, to := b*len(order)/bins, (b+1)*len(order)/bins
		predicted, measured := 0.0, 0.0
		for _, r := range order[from:to] {
			predicted += float64(scale[r])
			measured += float64(stein[r])
		}
		if to > from {
			at, value = append(at, predicted/float64(to-from)), append(value, measured/float64(to-from))
		}
	}
	value = monotone(value)
	for r, s := range scale {
		if group(r) {
			scale[r] = float32(max(interpolate(at, value, float64(s)), least*overall))
		}
	}
}

// monotone is the nearest sequence that does not fall (pool adjacent violators).
func monotone(v []float64) []float64 {
	type pool struct{ sum, n float64 }
	var pools []pool
	for _, x := range v {
		pools = append(pools, pool{x, 1})
		for k := len(pools) - 1; k > 0 && pools[k-1].sum/pools[k-1].n > pools[k].sum/pools[k].n; k-- {
			pools[k-1].sum += pools[k].sum
			pools[k-1].n += pools[k].n
			pools = pools[:k]
		}
	}
	var out []float64
	for _, p := range pools {
		for range int(p.n) {
			out = append(out, p.sum/p.n)
		}
	}
	return out
}

// interpolate follows the points (at, value) linearly, and in proportion
// outside them.
func interpolate(at, value []float64, x float64) float64 {
	i, _ := slices.BinarySearch(at, x)
	last := len(at) - 1
	switch {
	case i == 0:
		return value[0] * x / max(at[0], 1e-12)
	case i > last:
		return value[last] * x / max(at[last], 1e-12)
	}
	f := (x - at[i-1]) / max(at[i]-at[i-1], 1e-12)
	return value[i-1] + f*(value[i]-value[i-1])
}
