package main

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// peaks are what constrained spherical deconvolution finds in voxels.
type peaks struct {
	shares   [orientation.MostPeaks + 1]float64 // of voxels with 0, 1, 2, 3 peaks
	features []feature                          // of voxels that have them
}

// deconvolution is that of the highest shell with directions enough, by the response
// of the given voxels.
func (e *evaluation) deconvolution(rows []float32, t *gradients.Table) (*orientation.CSD, error) {
	shell, err := orientation.ChooseShell(t, gradients.DefaultB0Threshold)
	if err != nil {
		return nil, err
	}
	all := make([]int, len(rows)/t.Len())
	for i := range all {
		all[i] = i
	}
	response, err := orientation.EstimateResponse(e.ctx, func() orientation.Reader { return reader(rows, t.Len()) }, all, t, shell, e.threads)
	if err != nil {
		return nil, err
	}
	return orientation.NewCSD(t, shell, response)
}

func reader(rows []float32, d int) orientation.Reader {
	return func(dst []float32, row int) { copy(dst, rows[row*d:(row+1)*d]) }
}

// peaksOf finds the peaks of voxels, at most as many as given, evenly spread.
func peaksOf(ctx context.Context, c *orientation.CSD, rows []float32, d, most, threads int) (*peaks, error) {
	total := len(rows) / d
	n := min(total, most)
	found := make([][]orientation.Peak, n)
	err := signals.EachRange(ctx, n, 64, threads, func(_, from, to int) error {
		s, f, scratch := c.NewSolver(), make([]float64, c.N), make([]float64, c.N)
		for i := from; i < to; i++ {
			v := i * total / n
			if s.Solve(f, rows[v*d:(v+1)*d]) {
				found[i] = c.Peaks(nil, f, s.Lobes, scratch)
			}
		}
		return nil
	})
	p := &peaks{features: []feature{{name: "CSD height of the main peak"}, {name: "CSD second peak / main"}, {name: "CSD angle between them, degrees"}}}
	for _, f := range found {
		p.shares[len(f)] += 1 / float64(n)
		if len(f) > 0 {
			p.features[0].values = append(p.features[0].values, f[0].Amplitude)
		}
		if len(f) > 1 {
			p.features[1].values = append(p.features[1].values, f[1].Amplitude/f[0].Amplitude)
			p.features[2].values = append(p.features[2].values, orientation.Angle(f[0].Direction, f[1].Direction))
		}
	}
	return p, err
}

// shareRows compares the shares of voxels by their number of peaks.
func shareRows(made, held, train *peaks) string {
	var b strings.Builder
	for k := range made.shares {
		fmt.Fprintf(&b, "| CSD voxels with %d peaks | %.1f %% | %.1f %% | %.1f %% | %.3f | %.3f |\n", k, 100*made.shares[k], 100*train.shares[k], 100*held.shares[k],
			math.Abs(made.shares[k]-held.shares[k]), math.Abs(train.shares[k]-held.shares[k]))
	}
	return b.String()
}
