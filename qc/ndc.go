package qc

import (
	"context"
	"fmt"
	"math"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// NeighbourCorrelation returns the neighbouring DWI correlation (Yeh 2019, as
// DIPY computes it): the mean over the weighted volumes of Pearson's correlation,
// over the voxels of the mask, with the volume nearest in q-space. Of a scan
// free of artefacts it is near 1; below 0.4 quality is low. Noise lowers it, so
// denoising should raise it.
//
// A volume's place in q-space is √b·g, δ and Δ left out; g and -g are the same
// place. Volumes of no diffusion weighting (b ≤ [gradients.DefaultB0Threshold])
// take no part, and neighbours may lie in another shell. series holds the
// table's number of volumes one after another; a nil mask is every voxel. It is NaN with fewer
// than two weighted volumes or where a volume is constant. Lengths that do not
// match are an [ErrInput].
func NeighbourCorrelation(ctx context.Context, series []float32, table *gradients.Table, mask []bool, threads int) (float64, error) {
	d := len(table.BVals)
	if d == 0 || len(series) == 0 || len(series)%d != 0 || mask != nil && len(mask) != len(series)/d {
		return 0, fmt.Errorf("qc: neighbour correlation: series of %d values, %d directions and a mask of %d voxels: %w", len(series), d, len(mask), ErrInput)
	}
	pairs := qspaceNeighbours(table)
	n := len(series) / d
	r := make([]float64, len(pairs))
	err := eachVolume(ctx, len(pairs), threads, func(k int) error {
		i, j := pairs[k][0], pairs[k][1]
		r[k] = imageCorrelation(series[i*n:(i+1)*n], series[j*n:(j+1)*n], mask)
		return nil
	})
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, v := range r {
		sum += v
	}
	return sum / float64(len(r)), nil
}

// qspaceNeighbours returns, for every weighted volume, itself and the weighted
// volume nearest in q-space, the first of equals.
func qspaceNeighbours(table *gradients.Table) [][2]int {
	var weighted []int
	for i, b := range table.BVals {
		if b > gradients.DefaultB0Threshold {
			weighted = append(weighted, i)
		}
	}
	place := func(i int) [3]float64 {
		q := table.BVecs[i]
		for a := range q {
			q[a] *= math.Sqrt(table.BVals[i])
		}
		return q
	}
	var pairs [][2]int
	for _, i := range weighted {
		nearest, least := -1, math.Inf(1)
		p := place(i)
		for _, j := range weighted {
			if i == j {
				continue
			}
			q := place(j)
			var same, opposite float64
			for a := range p {
				same += (p[a] - q[a]) * (p[a] - q[a])
				opposite += (p[a] + q[a]) * (p[a] + q[a])
			}
			if away := min(same, opposite); away < least {
				nearest, least = j, away
			}
		}
		if nearest >= 0 {
			pairs = append(pairs, [2]int{i, nearest})
		}
	}
	return pairs
}

// imageCorrelation is Pearson's over the voxels of a mask, NaN if a side is constant.
func imageCorrelation(x, y []float32, mask []bool) float64 {
	var n, sx, sy float64
	for i, v := range x {
		if mask == nil || mask[i] {
			n++
			sx += float64(v)
			sy += float64(y[i])
		}
	}
	mx, my := sx/n, sy/n
	var xx, yy, xy float64
	for i, v := range x {
		if mask == nil || mask[i] {
			dx, dy := float64(v)-mx, float64(y[i])-my
			xx += dx * dx
			yy += dy * dy
			xy += dx * dy
		}
	}
	return xy / math.Sqrt(xx*yy)
}
