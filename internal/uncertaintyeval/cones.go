package main

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

const (
	whiteVoxel = 0.9  // share of white matter that makes a voxel count
	secondPart = 0.3  // share that the second fibre of a crossing has at least
	matched    = 30.0 // degrees: a peak further from the truth is another
)

// fibres is the deconvolution of one phantom.
type fibres struct {
	phantom  *phantom.Phantom
	table    *gradients.Table
	rows     []int // of the foreground
	csd      *orientation.CSD
	widening orientation.Widening
}

// prepare estimates the response and measures by what cones are to be widened.
func (f *fibres) prepare(ctx context.Context, r *denoise.Result, post *posterior.Posterior) error {
	affine, _ := f.phantom.Noisy.Header.Affine()
	f.table = f.phantom.Table.ToScanner(affine)
	shell, err := orientation.ChooseShell(f.table, 50)
	if err != nil {
		return err
	}
	for row, v := range post.Grid.Voxel {
		if r.Foreground[v] {
			f.rows = append(f.rows, row)
		}
	}
	response, err := orientation.EstimateResponse(ctx, func() orientation.Reader { return post.NewDrawer().Mean }, f.rows, f.table, shell, 0)
	if err != nil {
		return err
	}
	if f.csd, err = orientation.NewCSD(f.table, shell, response); err != nil {
		return err
	}
	f.widening, err = orientation.MeasureWidening(ctx, func() orientation.Gauge { return post.NewGauge() }, f.rows, f.csd, 0)
	return err
}

// cones tells how often the 95 % cone holds the true direction, in voxels of one
// fibre and in crossings of two at 60° to 90°.
func (f *fibres) cones(ctx context.Context, post *posterior.Posterior, samples int) (single, crossing tally, err error) {
	chosen, truth := pure(f.phantom, f.rows, post)
	m, err := orientation.Estimate(ctx, func() orientation.Source { return picked{post.NewDrawer(), chosen} }, len(chosen), f.table, f.csd, orientation.Options{Samples: samples, Widening: f.widening.Factor})
	if err != nil {
		return single, crossing, err
	}
	for i, there := range truth {
		for _, d := range there {
			if len(there) == 1 {
				single.add(m, i, d)
			} else {
				crossing.add(m, i, d)
			}
		}
	}
	return single, crossing, nil
}

// pure returns the rows that count and their true directions, one or two.
func pure(p *phantom.Phantom, rows []int, post *posterior.Posterior) (chosen []int, truth [][][3]float64) {
	a := p.Anatomy()
	for _, row := range rows {
		f := a.Fibres(post.Grid.At(row))
		if f.White < whiteVoxel {
			continue
		}
		var there [][3]float64
		weakest := 1.0
		for i, share := range f.Fraction {
			if share > 0 {
				there = append(there, f.Direction[i])
				weakest = min(weakest, share)
			}
		}
		if len(there) == 1 || len(there) == 2 && weakest >= secondPart && orientation.Angle(there[0], there[1]) >= 60 {
			chosen, truth = append(chosen, row), append(truth, there)
		}
	}
	return chosen, truth
}

// picked draws from some of the rows.
type picked struct {
	*posterior.Drawer
	rows []int
}

func (p picked) Mean(dst []float32, row int)         { p.Drawer.Mean(dst, p.rows[row]) }
func (p picked) Draw(dst []float32, row, number int) { p.Drawer.Draw(dst, p.rows[row], number) }

// tally counts true directions.
type tally struct {
	n, missed, in int
	cones         []float64
}

// add looks for the peak nearest to a true direction.
func (t *tally) add(m *orientation.Maps, row int, d [3]float64) {
	t.n++
	best, at := matched, -1
	for j := range orientation.MostPeaks {
		q := m.Peaks[(row*orientation.MostPeaks+j)*3:]
		u := [3]float64{float64(q[0]), float64(q[1]), float64(q[2])}
		if math.IsNaN(u[0]) {
			continue
		}
		if angle := orientation.Angle(u, d); angle < best {
			best, at = angle, j
		}
	}
	if at < 0 {
		t.missed++
		return
	}
	cone := float64(m.Cone[at][row])
	if best <= cone {
		t.in++
	}
	t.cones = append(t.cones, cone)
}

// share is that of all true directions, missed ones included, in per cent.
func (t tally) share() float64 { return 100 * float64(t.in) / max(float64(t.n), 1) }

func (t tally) missedShare() float64 { return 100 * float64(t.missed) / max(float64(t.n), 1) }

func (t tally) cone() float64 {
	if len(t.cones) == 0 {
		return math.NaN()
	}
	slices.Sort(t.cones)
	return t.cones[len(t.cones)/2]
}
