// Uncertaintyeval measures posterior draws and fibre cones against simulated
// truth and writes docs/uncertainty.md's tables: make eval-uncertainty.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// scan is one case. Seeds are this program's own; nothing was tuned on 71 to 76.
type scan struct {
	protocol string
	snr      float64
	rician   bool
	seed     uint64
}

var scans = []scan{
	{"clinical", 10, true, 71}, {"clinical", 20, false, 72}, {"clinical", 20, true, 73}, {"clinical", 30, true, 74},
	{"multishell", 20, true, 75}, {"small", 20, true, 76},
}

func main() {
	out := flag.String("out", "docs/uncertainty_tables.md", "file to write")
	samples := flag.Int("samples", 32, "draws of each voxel; 0 leaves cones out")
	few := flag.Int("cases", len(scans), "cases, from the first")
	flag.Parse()
	if err := write(context.Background(), *out, *samples, scans[:min(*few, len(scans))]); err != nil {
		fmt.Fprintln(os.Stderr, "uncertaintyeval:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, path string, samples int, scans []scan) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintf(file, "# Uncertainty, measured\n\nWritten by `make eval-uncertainty` on %d cores; nothing in the tables is typed by hand. Phantoms of 32×32×10 voxels of 4×4×2 mm, %d draws. "+
		"Errors in σ, of the measurement's expectation. Methods: [uncertainty.md](uncertainty.md).\n\n", runtime.NumCPU(), samples)
	fmt.Fprint(file, "| scan | error | predicted | in 50 % | in 80 % | in 90 % | in 95 % | one fibre: in cone | median cone | crossings 60-90°: in cone | missed | median cone | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range scans {
		if err := s.row(ctx, file, samples); err != nil {
			return err
		}
	}
	return file.Close()
}

func (s scan) row(ctx context.Context, w io.Writer, samples int) error {
	p, err := phantom.Make(ctx, phantom.Options{Protocol: s.protocol, Shape: [3]int{32, 32, 10}, SNR: s.snr, Rician: s.rician, Seed: s.seed, VoxelSize: [3]float64{4, 4, 2}})
	if err != nil {
		return err
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for i, v := range p.Mask.Voxels() {
		mask[i] = v > 0
	}
	start := time.Now()
	r, post, err := denoise.Draws(ctx, p.Noisy, p.Table, denoise.Options{Mask: mask, Seed: 1})
	if err != nil {
		return err
	}
	kind := "Gaussian"
	if s.rician {
		kind = "Rician"
	}
	c := coverageOf(p, r, post)
	fmt.Fprintf(w, "| %s, SNR %g, %s | %.3f | %.3f | %.1f | %.1f | %.1f | %.1f ", s.protocol, s.snr, kind, c.rmse, c.predicted, c.inside[0], c.inside[1], c.inside[2], c.inside[3])
	if samples > 0 {
		single, crossing, err := cones(ctx, p, r, post, samples)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %.1f (%d) | %.1f° | %.1f (%d) | %.1f | %.1f° ", single.share(), single.n, single.cone(), crossing.share(), crossing.n, crossing.missedShare(), crossing.cone())
	} else {
		fmt.Fprint(w, "| | | | | ")
	}
	_, err = fmt.Fprintf(w, "| %.0f |\n", time.Since(start).Seconds())
	return err
}

// coverage says how often the truth is in its intervals, in per cent.
type coverage struct {
	rmse, predicted float64
	inside          [4]float64
}

// quantiles of the normal distribution for 50, 80, 90 and 95 % intervals.
var widths = [4]float64{0.67449, 1.28155, 1.64485, 1.95996}

func coverageOf(p *phantom.Phantom, r *denoise.Result, post *posterior.Posterior) coverage {
	_, _, _, nt := p.Noisy.Dims()
	sd := make([]float64, nt)
	var c coverage
	n := 0.0
	for row, v := range post.Grid.Voxel {
		if !r.Foreground[v] {
			continue
		}
		post.Deviation(sd, row)
		sigma := float64(r.Sigma.Voxels()[v])
		for i, s := range sd {
			t, h := float64(p.Truth.Volume(i)[v])/sigma, float64(r.Denoised.Volume(i)[v])/sigma
			if r.Summary.RicianCorrected {
				t, h = noise.RicianMean(t), noise.RicianMean(h)
			}
			e := math.Abs(t - h)
			n++
			c.rmse += e * e
			c.predicted += s * s
			for q, w := range widths {
				if e <= w*s {
					c.inside[q]++
				}
			}
		}
	}
	c.rmse, c.predicted = math.Sqrt(c.rmse/n), math.Sqrt(c.predicted/n)
	for q := range c.inside {
		c.inside[q] *= 100 / n
	}
	return c
}
