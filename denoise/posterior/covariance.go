package posterior

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// errDecomposition reports a decomposition that failed, which only non-finite
// input can cause.
var errDecomposition = errors.New("posterior: a decomposition failed: non-finite signals")

const (
	leastTail  = 4    // dimensions across the basis that the noise is measured on, at least
	mostChange = 0.05 // of the noise's variance
)

// measureNoise brings the noise's variance to what Stein's formula needs across
// the basis, where next to nothing but noise is. A noise map 1 % too high
// makes Stein's estimate 0.02 σ² too low in every direction, which is as large as
// errors are. The error there is that of a filter of least risk, tr JN, so that
// |r|² - f·tr N + 2f·tr JN = f·tr JN, f the factor wanted.
func (p *Posterior) measureNoise(ctx context.Context, threads int) error {
	if p.s.D-p.K < leastTail {
		return nil
	}
	all, err := p.gather(ctx, threads)
	if err != nil {
		return err
	}
	own := p.own()
	residual, noise := 0.0, 0.0
	for _, m := range all {
		noise -= m.slope
		residual -= 2 * m.slope
		for i, t := range m.tail {
			residual += t
			noise += own[i] * m.variance[i]
		}
	}
	if noise > 0 {
		p.Noise = min(max(residual/noise, 1-mostChange), 1+mostChange)
	}
	return nil
}

// classify sorts rows into classes of equal number: by the size of their error
// and, among those of one size, by how much the estimate depends on direction, for
// tissues err in different ways.
func (p *Posterior) classify(spread []float32) {
	in := p.counts()
	size, all := make([]float32, len(spread)), make([]uint8, len(spread))
	for r := range size {
		size[r] = p.Scale[0][r] + p.Scale[1][r]
	}
	bySize := ranks(size, all, in, classes/2)
	bySpread := ranks(spread, bySize, in, 2)
	p.class = make([]uint8, len(spread))
	for r := range p.class {
		p.class[r] = bySize[r]*2 + bySpread[r]
	}
}

// ranks tells which of n parts of equal number, by value, each row falls into
// among the rows of its group. Rows that do not count do not set the bounds.
func ranks(values []float32, group []uint8, counts []bool, n int) []uint8 {
	var among [classes][]float32
	for r, ok := range counts {
		if ok {
			among[group[r]] = append(among[group[r]], values[r])
		}
	}
	for _, v := range among {
		slices.Sort(v)
	}
	out := make([]uint8, len(values))
	for r, x := range values {
		v := among[group[r]]
		for c := 1; c < n && len(v) > 0; c++ {
			if x > v[c*(len(v)-1)/n] {
				out[r] = uint8(c)
			}
		}
	}
	return out
}

// measureCovariance fills in the classes' covariances by Stein's formula.
func (p *Posterior) measureCovariance(ctx context.Context, threads int) error {
	all, err := p.gather(ctx, threads)
	if err != nil {
		return err
	}
	common := p.newMoments()
	for _, m := range all {
		common.join(m)
	}
	shape := p.shape(common)
	shape.towards(p, shape.simple(p))
	for c, m := range all {
		own := p.shape(m)
		own.towards(p, shape.values)
		if err := p.finish(c, own.values); err != nil {
			return err
		}
	}
	p.finishTail(all)
	return nil
}

// shape returns what a class's sums say.
func (p *Posterior) shape(m *moments) *shape {
	k, d := p.K, p.s.D
	s := &shape{n: m.n, values: make([]float64, k*k)}
	if m.n == 0 {
		return s
	}
	for b := range bands {
		s.scale[b] = max(m.scale[b]/m.n, 1e-9)
	}
	for a := range k {
		for b := range a + 1 {
			noise := 0.0
			for i, v := range m.variance {
				noise += float64(p.basis[a*d+i]) * float64(p.basis[b*d+i]) * v
			}
			x := (m.square[a*k+b] - p.Noise*noise) / m.n / math.Sqrt(s.scale[p.bandOf(a)]*s.scale[p.bandOf(b)])
			s.values[a*k+b], s.values[b*k+a] = x, x
		}
	}
	return s
}

// finish turns the shape of a class into its root, the trace of each
// band 1. Eigenvalues below a thousandth of the average are taken to be there.
func (p *Posterior) finish(class int, shape []float64) error {
	k, d := p.K, p.s.D
	root := make([]float64, k*k)
	p.root[class], p.tail[class] = root, make([]float64, d)
	if k == 0 {
		return nil
	}
	values, vectors := make([]float64, k), make([]float64, k*k)
	if !symeig.New(k).Decompose(shape, k, values, vectors) {
		return errDecomposition
	}
	floor := max(1e-3/float64(k), 1e-9)
	for i, v := range values {
		f := math.Sqrt(max(v, floor))
		for a := range k {
			root[a*k+i] = f * vectors[i*k+a]
		}
	}
	// Cutting off must not raise the total, and the scale carries the size.
	for b := range bands {
		square := 0.0
		for i, x := range root {
			if p.bandOf(i/k) == b {
				square += x * x
			}
		}
		f := 1 / math.Sqrt(max(square, 1e-12))
		for i := range root {
			if p.bandOf(i/k) == b {
				root[i] *= f
			}
		}
	}
	return nil
}

// finishTail fills in the deviations across the basis: the slope, class by class.
// Volumes differ as far as their figures differ by more than chance, 2/n (James
// and Stein 1961).
func (p *Posterior) finishTail(all [classes]*moments) {
	d := p.s.D
	own := p.own()
	share := 0.0
	for _, o := range own {
		share += o
	}
	n, slope := 0.0, 0.0
	tail := make([]float64, d)
	for _, m := range all {
		n += m.n
		slope += m.slope
		for i, t := range m.tail {
			tail[i] += t - p.Noise*own[i]*m.variance[i]
		}
	}
	if n == 0 || share < 0.5 {
		return
	}
	slope = max(slope/n/share, 1e-6) // per unit of what is across
	spread := 0.0
	for i := range tail {
		tail[i] = tail[i]/n - slope*own[i]
		spread += tail[i] * tail[i] / float64(d)
	}
	trust := max(1-2/n/max(spread, 1e-12), 0)
	for c, m := range all {
		ratio := 1.0
		if m.n > 0 {
			ratio = min(max(m.slope/m.n/share/slope, 0.25), 4)
		}
		for i, t := range tail {
			p.tail[c][i] = math.Sqrt(ratio * max(slope*own[i]+trust*t, slope*own[i]/2, 0))
		}
	}
}
