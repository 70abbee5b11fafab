package noise

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

const (
	floorStep   = 2    // the correction is smooth: every second voxel along each axis is enough
	floorRounds = 12   // fixed-point rounds, then halvings, at most
	evenVolumes = 0.97 // volumes whose noise keeps this much of its variance count as free of the floor
)

// magnitude corrects a map measured on a magnitude image. Near the noise floor
// the variance shrinks to σ²·ξ (Koay and Basser 2006), more in volumes
// of low signal, which the smallest components then single out. If that
// matters, volumes are first brought to one noise level and the map is measured
// again; what is left is corrected voxel by voxel.
func (e *estimator) magnitude(ctx context.Context, sigma []float32) ([]float32, error) {
	shares, err := e.undoFloor(ctx, sigma)
	if err != nil {
		return nil, err
	}
	if slices.Min(shares) > evenVolumes {
		return sigma, nil
	}
	for i, share := range shares {
		e.weight[i] = 1 / math.Sqrt(share)
	}
	if sigma, err = e.pass(ctx); err != nil {
		return nil, err
	}
	_, err = e.undoFloor(ctx, sigma)
	return sigma, err
}

// undoFloor corrects the map in place. The components it was measured on see
// volume i with weight q_i, and there the variance is σ²·ξ(a_i/σ), so σ² is the
// measured variance over Σ q_i ξ(a_i/σ). The mean magnitude of volume i comes
// from the components that stand out of the noise. shares is the mean of ξ over
// the foreground for every volume.
func (e *estimator) undoFloor(ctx context.Context, sigma []float32) (shares []float64, err error) {
	d, g := e.s.D, e.s.Grid
	q := e.loading()
	signal := toFloat32(e.learned[len(e.learned)-1].Vectors)
	factor, weight := make([]float32, g.Len()), make([]float32, g.Len())
	const chunk = 256
	sums := make([][]float64, (g.Len()+chunk-1)/chunk) // per chunk: Σξ of every volume, then the count
	scratch := make([][]float32, signals.Threads(e.o.Threads))
	err = signals.EachRange(ctx, g.Len(), chunk, e.o.Threads, func(worker, from, to int) error {
		if scratch[worker] == nil {
			scratch[worker] = make([]float32, 2*d)
		}
		sum := make([]float64, d+1)
		for r := from; r < to; r++ {
			x, y, z := g.At(r)
			if x%floorStep != 0 || y%floorStep != 0 || z%floorStep != 0 {
				continue
			}
			e.localMean(scratch[worker], signal, r)
			mean := scratch[worker][:d]
			factor[r], weight[r] = meanFactor(mean, q, sigma[r]), 1
			if e.foreground[r] {
				inverse := float32(math.Sqrt(float64(factor[r]))) / sigma[r]
				for i, m := range mean {
					sum[i] += float64(factorAtMean(m * inverse))
				}
				sum[d]++
			}
		}
		sums[from/chunk] = sum
		return nil
	})
	if err != nil {
		return nil, err
	}
	shares = sumOf(sums)
	for i := range d {
		shares[i] /= max(shares[d], 1)
	}
	e.divideBy(sigma, factor, weight)
	if shares[d] == 0 {
		return slices.Repeat([]float64{1}, d), nil
	}
	return shares[:d], nil
}

// divideBy divides the map by the root of the smoothed factor.
func (e *estimator) divideBy(sigma, factor, weight []float32) {
	g := e.s.Grid
	size := g.NX * g.NY * g.NZ
	volume, near := make([]float32, size), make([]float32, size)
	g.Expand(volume, factor)
	g.Expand(near, weight)
	near = smoothVolume(volume, near, g.NX, g.NY, g.NZ, e.window())
	for r, v := range g.Voxel {
		if near[v] > 1e-6 && volume[v] > 0 {
			sigma[r] /= float32(math.Sqrt(float64(volume[v])))
		}
	}
}

// loading returns how much of each volume's variance the measured components
// see: the mean of their squared entries over folds, with the volumes' weights.
func (e *estimator) loading() []float32 {
	d, folds := e.s.D, e.folds.count()
	q := make([]float32, d)
	for _, c := range e.learned[:folds] {
		for i := range d {
			for j := range e.k {
				v := c.Vectors[i*d+j] * e.weight[i]
				q[i] += float32(v * v / float64(e.k*folds))
			}
		}
	}
	return q
}

// localMean writes the mean magnitude of every volume at one voxel, free of
// most of its noise: the projection on the components that stand out. out has
// room for 2·D values; the result is the first D.
func (e *estimator) localMean(out, basis []float32, row int) {
	d := e.s.D
	mean, centred := out[:d], out[d:2*d]
	for i, v := range e.s.Row(row) {
		mean[i] = 0
		centred[i] = float32(e.weight[i] * (float64(v) - e.mean[i]))
	}
	for k := e.signalFrom; k < d; k++ {
		var c float32
		for i, v := range centred {
			c += v * basis[i*d+k]
		}
		for i := range mean {
			mean[i] += c * basis[i*d+k]
		}
	}
	for i := range mean {
		mean[i] = mean[i]/float32(e.weight[i]) + float32(e.mean[i])
	}
}

// meanFactor solves σ² = measured²/Σ q_i ξ(mean_i/σ) for σ and returns the sum
// at the solution: by fixed point, which is slow only close to the floor, and
// there by bisection between the least factor there is and 1.
func meanFactor(mean, q []float32, measured float32) float32 {
	sum := func(factor float32) float32 {
		inverse := float32(math.Sqrt(float64(factor))) / measured
		total := float32(0)
		for i, m := range mean {
			total += q[i] * factorAtMean(m*inverse)
		}
		return total
	}
	factor := float32(1)
	for range floorRounds {
		next := sum(factor)
		if diff := next - factor; diff < 1e-4 && diff > -1e-4 {
			return next
		}
		factor = next
	}
	low, high := sum(0), factor // rounds from 1 come down, so the solution is below
	for range floorRounds {
		middle := (low + high) / 2
		if sum(middle) > middle {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}
