package main

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

const (
	whiteVoxel = 0.9  // share of white matter that makes a voxel count
	secondPart = 0.3  // share that the second fibre of a crossing has at least
	matched    = 30.0 // degrees: a peak further from the truth is another
)

// cones tells how often the 95 % cone holds the true direction, in voxels of one
// fibre and in crossings of two at 60° to 90°.
func cones(ctx context.Context, p *phantom.Phantom, r *denoise.Result, post *posterior.Posterior, samples int) (single, crossing tally, err error) {
	affine, _ := p.Noisy.Header.Affine()
	t := p.Table.ToScanner(affine)
	c, err := deconvolution(ctx, t, r, post)
	if err != nil {
		return single, crossing, err
	}
	var rows []int
	for row, v := range post.Grid.Voxel {
		if r.Foreground[v] {
			rows = append(rows, row)
		}
	}
	chosen, truth := pure(p, rows, post)
	m, err := orientation.Estimate(ctx, func() orientation.Source { return picked{post.NewDrawer(), chosen} }, len(chosen), t, c, orientation.Options{Samples: samples})
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
