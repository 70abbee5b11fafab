// Uncertaintyeval measures the posterior draws and what is computed from them against simulated truth.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

func main() {
	protocol := flag.String("protocol", "clinical", "")
	snr := flag.Float64("snr", 20, "")
	seed := flag.Uint64("seed", 61, "")
	rician := flag.Bool("rician", false, "")
	size := flag.Int("size", 32, "")
	samples := flag.Int("samples", 0, "")
	nz := flag.Int("nz", 10, "")
	flag.Parse()
	ctx := context.Background()
	p, err := phantom.Make(ctx, phantom.Options{Protocol: *protocol, Shape: [3]int{*size, *size, *nz}, SNR: *snr, Rician: *rician, Seed: *seed, VoxelSize: [3]float64{128 / float64(*size), 128 / float64(*size), 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	start := time.Now()
	mask := make([]bool, len(p.Mask.Voxels()))
	for i, v := range p.Mask.Voxels() {
		mask[i] = v > 0
	}
	r, post, err := denoise.Draws(ctx, p.Noisy, p.Table, denoise.Options{Mask: mask, Threads: 1, Seed: 1})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s snr %g seed %d rician %v: K %d, %.1fs\n", *protocol, *snr, *seed, *rician, post.K, time.Since(start).Seconds())
	_, _, _, nt := p.Noisy.Dims()
	sd := make([]float64, nt)
	z := map[float64]float64{50: 0.67449, 80: 1.28155, 90: 1.64485, 95: 1.95996}
	var hits [5]map[float64]float64
	for i := range hits {
		hits[i] = map[float64]float64{}
	}
	var n [5]float64
	var se, sp [5]float64
	for row, v := range post.Grid.Voxel {
		if !r.Foreground[v] {
			continue
		}
		post.Deviation(sd, row)
		sigma := float64(r.Sigma.Voxels()[v])
		cl := 1 + post.Class(row)
		for i := range nt {
			t, h := float64(p.Truth.Volume(i)[v])/sigma, float64(r.Denoised.Volume(i)[v])/sigma
			if r.Summary.RicianCorrected {
				t, h = noise.RicianMean(t), noise.RicianMean(h)
			}
			e := math.Abs(t - h)
			for _, c := range []int{0, cl} {
				n[c]++
				se[c] += e * e
				sp[c] += sd[i] * sd[i]
				for q, w := range z {
					if e <= w*sd[i] {
						hits[c][q]++
					}
				}
			}
		}
	}
	for c := range n {
		fmt.Printf("class %d: rmse %.4f predicted %.4f  coverage", c-1, math.Sqrt(se[c]/n[c]), math.Sqrt(sp[c]/n[c]))
		for _, q := range []float64{50, 80, 90, 95} {
			fmt.Printf("  %.0f: %.1f", q, 100*hits[c][q]/n[c])
		}
		fmt.Println()
	}
	if *samples > 0 {
		if err := cones(ctx, p, r, post, *samples); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
