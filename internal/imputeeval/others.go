package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute/baseline"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// ninety is the half width of a 90 % interval in standard deviations.
const ninety = 1.6448536269514722

// gridTable is a DSI table: the points of a cubic lattice with |q|² up to 13 in
// half of q-space, b up to 4000, and four more b = 0.
func gridTable() *gradients.Table {
	t := &gradients.Table{Frame: gradients.FSLFrame}
	add := func(b float64, g [3]float64) {
		t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
	}
	for range 4 {
		add(0, [3]float64{})
	}
	const radius = 13
	for x := -3; x <= 3; x++ {
		for y := -3; y <= 3; y++ {
			for z := -3; z <= 3; z++ {
				r := x*x + y*y + z*z
				if r > radius || z < 0 || z == 0 && (y < 0 || y == 0 && x < 0) {
					continue
				}
				length := math.Sqrt(float64(max(r, 1)))
				add(4000*float64(r)/radius, [3]float64{float64(x) / length, float64(y) / length, float64(z) / length})
			}
		}
	}
	return t
}

// others are tables that shell-wise methods cannot predict: a grid, and a shell
// that was not measured at all.
func (e *evaluation) others() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | held out | ours | tensor | denoised, where measured |")
	fmt.Fprintln(&b, "|---|---|---|---|---|")
	grid, err := e.simulate("phantom on a DSI grid", phantom.Options{Table: gridTable(), Shape: [3]int{40, 40, 12}, SNR: 20, Seed: 15})
	if err != nil {
		return "", err
	}
	var held []int
	for v, x := range grid.table.BVals {
		if x > 0 && v%8 == 4 {
			held = append(held, v)
		}
	}
	if err := e.other(&b, grid, held, "1 in 8 grid points"); err != nil {
		return "", err
	}
	if e.quick {
		return b.String(), nil
	}
	shells, err := e.phantomScan("phantom multishell", "multishell", [3]int{40, 40, 12}, 20, false, 13)
	if err != nil {
		return "", err
	}
	for _, shell := range shells.table.Shells(gradients.DefaultB0Threshold).All {
		if math.Abs(shell.B-2000) < 50 {
			if err := e.other(&b, shells, shell.Volumes, "the whole shell b = 2000"); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

func (e *evaluation) other(b *strings.Builder, s *scan, held []int, what string) error {
	kept := s.others(held)
	r, err := denoise.Run(e.ctx, s.noisy.Select(kept), s.table.Select(kept), e.options(s, denoise.Imputing{Mode: denoise.ImputeOff, Target: s.table.Select(held), Std: true}))
	if err != nil {
		return err
	}
	rows, voxels := rowsOf(r.Denoised, func(v int) bool { return r.Mask[v] })
	ours := &squares{}
	for t, n := range held {
		for _, v := range voxels {
			ours.add(float64(r.Imputed.Target.Volume(t)[v]-s.truth.Volume(n)[v]), 0)
		}
	}
	tensor := s.errorOf(method{"tensor", baseline.NewTensor(s.table.Select(kept), s.table.Select(held)).Predict}, rows, voxels, kept, held, 0)
	measured := &squares{}
	for i, n := range kept {
		for _, v := range voxels {
			measured.add(float64(r.Denoised.Volume(i)[v]-s.truth.Volume(n)[v]), 0)
		}
	}
	e.addCoverage(s, r, held, voxels)
	fmt.Fprintf(b, "| %s | %s | **%.3f** | %.3f | %.3f |\n", s.name, what, ours.rmse()/s.sigma, tensor/s.sigma, measured.rmse()/s.sigma)
	return nil
}

// coverageRow is how often 90 % intervals hold the truth, and the measurement.
type coverageRow struct {
	name                string
	truth, held, stated float64
}

// addCoverage counts intervals on held-out directions: of the truth, and of the
// measurement with its noise added to the interval.
func (e *evaluation) addCoverage(s *scan, r *denoise.Result, held, voxels []int) {
	var truth, measured, n float64
	for t, volume := range held {
		for _, v := range voxels {
			x, sd, sigma := float64(r.Imputed.Target.Volume(t)[v]), float64(r.Imputed.TargetStd.Volume(t)[v]), float64(r.Sigma.Volume(0)[v])
			if math.Abs(x-float64(s.truth.Volume(volume)[v])) <= ninety*sd {
				truth++
			}
			if math.Abs(x-float64(s.noisy.Volume(volume)[v])) <= ninety*math.Hypot(sd, sigma) {
				measured++
			}
			n++
		}
	}
	c := coverageRow{name: fmt.Sprintf("%s, %d directions", s.name, len(held)), truth: truth / n, held: measured / n}
	if s.truthNoisy {
		c.truth = math.NaN()
	}
	for _, h := range r.Summary.Imputation.Held {
		c.stated = h.Coverage
	}
	e.covered = append(e.covered, c)
}

// coverage writes what was counted on the way.
func (e *evaluation) coverage() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | truth inside | held-out measurement inside | stated by the run |")
	fmt.Fprintln(&b, "|---|---|---|---|")
	percent := func(x float64) string {
		if math.IsNaN(x) {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", 100*x)
	}
	for _, c := range e.covered {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.name, percent(c.truth), percent(c.held), percent(c.stated))
	}
	return b.String(), nil
}
