package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/orientation"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

func cones(ctx context.Context, p *phantom.Phantom, r *denoise.Result, post *posterior.Posterior, samples int) error {
	start := time.Now()
	affine, _ := p.Noisy.Header.Affine()
	t := p.Table.ToScanner(affine)
	shell, err := orientation.ChooseShell(t, 50)
	if err != nil {
		return err
	}
	var rows []int
	for row, v := range post.Grid.Voxel {
		if r.Foreground[v] {
			rows = append(rows, row)
		}
	}
	response, err := orientation.EstimateResponse(ctx, func() orientation.Reader { return post.NewDrawer().Mean }, rows, t, shell, 1)
	if err != nil {
		return err
	}
	c, err := orientation.NewCSD(t, shell, response)
	if err != nil {
		return err
	}
	fmt.Printf("shell %g order %d response %.1f  (%.1fs)\n", shell.B, shell.Order, response, time.Since(start).Seconds())
	m, err := orientation.Estimate(ctx, func() orientation.Source { return post.NewDrawer() }, post.Grid.Len(), t, c, orientation.Options{Samples: samples, Threads: 1})
	if err != nil {
		return err
	}
	fmt.Printf("estimate %.1fs for %d rows\n", time.Since(start).Seconds(), post.Grid.Len())
	a := p.Anatomy()
	var single, crossing tally
	for row := range post.Grid.Len() {
		f := a.Fibres(post.Grid.At(row))
		if f.White < 0.9 {
			continue
		}
		order := []int{0, 1, 2}
		slices.SortFunc(order, func(i, j int) int {
			if f.Fraction[i] > f.Fraction[j] {
				return -1
			}
			return 1
		})
		f1, f2, f3 := f.Fraction[order[0]], f.Fraction[order[1]], f.Fraction[order[2]]
		d1, d2 := f.Direction[order[0]], f.Direction[order[1]]
		if f2 == 0 {
			single.add(m, row, d1)
		} else if angle := orientation.Angle(d1, d2); f3 == 0 && angle >= 60 && f2 >= 0.3 {
			crossing.add(m, row, d1)
			crossing.add(m, row, d2)
		}
		_ = f1
	}
	single.print("single")
	crossing.print("crossing 60-90")
	return nil
}

type tally struct {
	n, missed, in float64
	angles, cones []float64
}

// add looks for the peak nearest to a true direction.
func (t *tally) add(m *orientation.Maps, row int, d [3]float64) {
	t.n++
	best, at := 30.0, -1
	for j := range orientation.MostPeaks {
		p := [3]float64{float64(m.Peaks[row*9+3*j]), float64(m.Peaks[row*9+3*j+1]), float64(m.Peaks[row*9+3*j+2])}
		if math.IsNaN(p[0]) {
			continue
		}
		if angle := orientation.Angle(p, d); angle < best {
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
	t.angles, t.cones = append(t.angles, best), append(t.cones, cone)
}

func (t *tally) print(name string) {
	slices.Sort(t.angles)
	slices.Sort(t.cones)
	if len(t.angles) == 0 {
		fmt.Println(name, "none")
		return
	}
	fmt.Printf("%s: n %.0f missed %.1f%% in cone %.1f%% of matched, median angle %.2f, 95%% angle %.2f, median cone %.2f\n", name, t.n, 100*t.missed/t.n, 100*t.in/(t.n-t.missed),
		t.angles[len(t.angles)/2], t.angles[len(t.angles)*95/100], t.cones[len(t.cones)/2])
}
