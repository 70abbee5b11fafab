package qc

import (
	"context"
	"fmt"
	"math"
)

// CorrelateEdges fills in Edges: Pearson's correlation over the voxels of the
// mask between Σ_volumes (before-after)²/σ² and the length of the gradient of
// reference, an image of the anatomy such as the mean b0. Arguments are as for
// [ResidualStats], reference is one volume. Voxels without σ, and those with a
// neighbour outside the mask, are left out. Edges stays NaN if fewer than ten
// are left or either side is constant; lengths that do not match are
// [ErrInput].
func (r *Residual) CorrelateEdges(ctx context.Context, before, after, sigma []float32, mask []bool, reference []float32, g Grid, threads int) error {
	p, err := newPair(before, after, mask, g)
	if err == nil && (sigma != nil && len(sigma) != g.Voxels() || len(reference) != g.Voxels()) {
		err = fmt.Errorf("noise map of %d or reference of %d voxels on a grid of %d: %w", len(sigma), len(reference), g.Voxels(), ErrInput)
	}
	if err != nil {
		return fmt.Errorf("qc: edges: %w", err)
	}
	edge := p.gradient(reference)
	power := make([]float64, g.Voxels())
	// Each goroutine has planes of its own, so sums are made in the order of the
	// volumes whatever their number.
	nz := g.lengths()[2]
	plane := g.Voxels() / nz
	err = eachVolume(ctx, nz, threads, func(z int) error {
		for v := range p.volumes {
			b, a := p.volume(v)
			for i := z * plane; i < (z+1)*plane; i++ {
				if inv, ok := inverse(sigma, i); ok && !math.IsNaN(edge[i]) {
					d := (float64(b[i]) - float64(a[i])) * inv
					power[i] += d * d
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("qc: edges: %w", err)
	}
	r.Edges = pearson(edge, power, func(i int) bool {
		_, ok := inverse(sigma, i)
		return ok && !math.IsNaN(edge[i])
	})
	return nil
}

// gradient returns the length of the central difference of a volume, NaN where
// a voxel or one of its neighbours is outside the mask.
func (p *pair) gradient(volume []float32) []float64 {
	out := make([]float64, len(volume))
	n, step := p.g.lengths(), p.g.strides()
	for i := range out {
		out[i] = math.NaN()
		if !p.mask[i] {
			continue
		}
		square, inside := 0.0, true
		for a := range 3 {
			at := i / step[a] % n[a]
			if n[a] == 1 {
				continue
			}
			if at == 0 || at == n[a]-1 || !p.mask[i-step[a]] || !p.mask[i+step[a]] {
				inside = false
				break
			}
			d := float64(volume[i+step[a]]) - float64(volume[i-step[a]])
			square += d * d
		}
		if inside {
			out[i] = math.Sqrt(square)
		}
	}
	return out
}

// pearson is Pearson's over the entries that count, NaN for fewer than ten
// or a constant.
func pearson(x, y []float64, counts func(i int) bool) float64 {
	var n, mx, my float64
	for i := range x {
		if counts(i) {
			n++
			mx += x[i]
			my += y[i]
		}
	}
	if n < 10 {
		return math.NaN()
	}
	mx, my = mx/n, my/n
	var xx, yy, xy float64
	for i := range x {
		if counts(i) {
			xx += (x[i] - mx) * (x[i] - mx)
			yy += (y[i] - my) * (y[i] - my)
			xy += (x[i] - mx) * (y[i] - my)
		}
	}
	if xx == 0 || yy == 0 {
		return math.NaN()
	}
	return xy / math.Sqrt(xx*yy)
}
