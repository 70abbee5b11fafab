package orientation

import (
	"context"
	"fmt"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

const (
	candidates     = 3000   // voxels of the highest anisotropy that are looked at
	firstVoxels    = 300    // of them the first response is made of
	responseVoxels = 300    // single-fibre voxels that a response is averaged over
	leastResponse  = 20     // voxels without which there is none
	freeWater      = 1.6e-3 // mm²/s: voxels that diffuse faster on average are mostly fluid
	responseRounds = 6
)

// Reader reads the signals of a row, all volumes of the table.
type Reader func(dst []float32, row int)

// EstimateResponse finds the single-fibre response of a scan (after Tournier,
// Calamante and Connelly 2013): the first is made of the voxels of highest
// anisotropy; then distributions tell which voxels have one sharp peak and no
// second, √p₁·(1-p₂/p₁)², and the best 300 make the next, until they stay the same.
// It returns the zonal coefficients, in the unit of the signals.
func EstimateResponse(ctx context.Context, read func() Reader, rows []int, t *gradients.Table, shell Shell, threads int) ([]float64, error) {
	found, err := anisotropic(ctx, read, rows, t, threads)
	if err != nil {
		return nil, err
	}
	if len(found) < leastResponse {
		return nil, fmt.Errorf("%w: %d voxels have a tensor of tissue, %d are needed", ErrNoResponse, len(found), leastResponse)
	}
	response, err := average(read(), found[:min(firstVoxels, len(found)/2+1)], t, shell)
	if err != nil {
		return nil, err
	}
	var before []int
	for range responseRounds {
		c, err := NewCSD(t, shell, response)
		if err != nil {
			return nil, err
		}
		if err := c.rank(ctx, read, found, threads); err != nil {
			return nil, err
		}
		best := slices.Clone(found[:min(responseVoxels, len(found)/2+1)])
		if response, err = average(read(), best, t, shell); err != nil {
			return nil, err
		}
		now := make([]int, len(best))
		for i, v := range best {
			now[i] = v.row
		}
		slices.Sort(now)
		if slices.Equal(now, before) {
			break
		}
		before = now
	}
	return response, nil
}

// single is a voxel that may hold a single fibre.
type single struct {
	row       int
	merit     float64
	direction [3]float64
}

func byMerit(a, b single) int {
	switch {
	case a.merit > b.merit:
		return -1
	case a.merit < b.merit:
		return 1
	default:
		return a.row - b.row
	}
}

// anisotropic returns the rows of highest anisotropy.
func anisotropic(ctx context.Context, read func() Reader, rows []int, t *gradients.Table, threads int) ([]single, error) {
	tensor := NewTensor(t)
	all := make([]single, len(rows))
	err := signals.EachRange(ctx, len(rows), 256, threads, func(_, from, to int) error {
		get, signal := read(), make([]float32, t.Len())
		for i := from; i < to; i++ {
			get(signal, rows[i])
			all[i].row = rows[i]
			d, ok := tensor.Fit(signal)
			if !ok {
				continue
			}
			fa, md := Measures(d)
			if md > 0 && md < freeWater && fa < 0.99 {
				all[i].merit, all[i].direction = fa, principal(d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, byMerit)
	n := 0
	for n < min(len(all), candidates) && all[n].merit > 0 {
		n++
	}
	return all[:n], nil
}

// rank sorts voxels by how much they look like a single fibre, and takes their
// directions from their distributions.
func (c *CSD) rank(ctx context.Context, read func() Reader, found []single, threads int) error {
	err := signals.EachRange(ctx, len(found), 64, threads, func(_, from, to int) error {
		get, s := read(), c.NewSolver()
		signal, f, scratch := make([]float32, c.volumes()), make([]float64, c.N), make([]float64, c.N)
		var peaks []Peak
		for i := from; i < to; i++ {
			get(signal, found[i].row)
			found[i].merit = 0
			if !s.Solve(f, signal) {
				continue
			}
			if peaks = c.Peaks(peaks, f, s.Lobes, scratch); len(peaks) == 0 {
				continue
			}
			found[i].merit, found[i].direction = merit(peaks), peaks[0].Direction
		}
		return nil
	})
	slices.SortFunc(found, byMerit)
	return err
}

// volumes returns the length that signals have at least.
func (c *CSD) volumes() int { return slices.Max(c.Shell.Volumes) + 1 }

// average returns the zonal harmonics that fit the signals of all voxels turned
// to the z axis, in least squares.
func average(get Reader, voxels []single, t *gradients.Table, shell Shell) ([]float64, error) {
	n := shell.Order/2 + 1
	m, x := make([]float64, n*n), make([]float64, n)
	signal, row := make([]float32, t.Len()), make([]float64, n)
	harmonics := make([]float64, gradients.SHCount(shell.Order))
	for _, v := range voxels {
		get(signal, v.row)
		for _, i := range shell.Volumes {
			cos := dot(t.BVecs[i], v.direction)
			gradients.SH(harmonics, about(cos), shell.Order)
			for l := range n {
				row[l] = harmonics[gradients.SHIndex(2*l, 0)]
			}
			for a := range n {
				x[a] += row[a] * float64(signal[i])
				for b := range a + 1 {
					m[a*n+b] += row[a] * row[b]
				}
			}
		}
	}
	if !factorize(m, n, 0) {
		return nil, fmt.Errorf("%w: the directions about single fibres do not determine it", ErrNoResponse)
	}
	solve(m, n, x)
	// A fibre's signal is least along it: orders alternate in sign. What comes out
	// otherwise is noise about zero, and cannot be divided by.
	for l := range x {
		if sign := 1 - 2*float64(l%2); sign*x[l] <= 0 {
			return x[:l], nil
		}
	}
	return x, nil
}
