// Uncertaintyeval measures posterior draws and fibre cones against simulated
// truth and writes docs/uncertainty.md's tables: make eval-uncertainty.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// scan is one case. Seeds are this program's own; nothing was tuned on them.
type scan struct {
	protocol   string
	directions int // at b = 1000, instead of a protocol
	snr        float64
	rician     bool
	seed       uint64
	prior      denoise.PriorMode
}

const fast, learned = denoise.PriorFast, denoise.PriorLearned

var scans = []scan{
	{"clinical", 0, 10, true, 71, fast}, {"clinical", 0, 20, false, 72, fast}, {"clinical", 0, 20, true, 73, fast}, {"clinical", 0, 30, true, 74, fast},
	{"multishell", 0, 20, true, 75, fast}, {"small", 0, 20, true, 76, fast},
	{"clinical", 0, 20, true, 73, learned}, {"multishell", 0, 20, true, 75, learned},
}

// ladder goes through noise and through numbers of directions on one head.
var ladder = []scan{
	{"", 64, 10, true, 77, fast}, {"", 64, 20, true, 77, fast}, {"", 64, 40, true, 77, fast}, {"", 32, 20, true, 77, fast}, {"", 128, 20, true, 77, fast},
}

func main() {
	out := flag.String("out", "docs/uncertainty_tables.md", "file to write")
	samples := flag.Int("samples", 32, "draws of each voxel")
	few := flag.Int("cases", len(scans), "cases of the first table, from the first")
	flag.Parse()
	var page bytes.Buffer
	err := write(context.Background(), &page, *samples, scans[:min(*few, len(scans))])
	if err == nil {
		err = os.WriteFile(*out, page.Bytes(), 0o666)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "uncertaintyeval:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, w io.Writer, samples int, scans []scan) error {
	fmt.Fprintf(w, "# Uncertainty, measured\n\nWritten by one run of `make eval-uncertainty` on %d cores; nothing in the tables is typed by hand. Phantoms of 40×40×14 voxels of 3.2×3.2×2 mm, %d draws. "+
		"Errors in σ, of the measurement's expectation, over all volumes and the foreground. Cones: voxels of at least 90 %% white matter with one fibre, or with two at 60° to 90°, the weaker at least 30 %%; "+
		"a true direction without a peak within 30° is missed and counts as outside. Methods: [uncertainty.md](uncertainty.md).\n\n", runtime.NumCPU(), samples)
	fmt.Fprint(w, "| scan | error | predicted | in 50 % | in 80 % | in 90 % | in 95 % | one fibre: in cone | median cone | crossings 60-90°: in cone | missed | median cone | seconds |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range scans {
		m, err := s.measure(ctx, samples)
		if err != nil {
			return err
		}
		c := m.coverage
		fmt.Fprintf(w, "| %s | %.3f | %.3f | %.1f | %.1f | %.1f | %.1f | %.1f (%d) | %.1f° | %.1f (%d) | %.1f | %.1f° | %.0f |\n", s.name(), c.rmse, c.predicted, c.inside[0], c.inside[1], c.inside[2], c.inside[3],
			m.single.share(), m.single.n, m.single.cone(), m.crossing.share(), m.crossing.n, m.crossing.missedShare(), m.crossing.cone(), m.seconds)
	}
	fmt.Fprint(w, "\n## Cones against noise and against the number of directions\n\nOne head, b = 1000, 6 volumes without diffusion weighting.\n\n| directions | SNR | one fibre: median cone | in cone | crossings 60-90°: median cone | in cone | missed |\n|---|---|---|---|---|---|---|\n")
	for _, s := range ladder {
		m, err := s.measure(ctx, samples)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %d | %g | %.2f° | %.1f (%d) | %.2f° | %.1f (%d) | %.1f |\n", s.directions, s.snr, m.single.cone(), m.single.share(), m.single.n, m.crossing.cone(), m.crossing.share(), m.crossing.n, m.crossing.missedShare())
	}
	return againstMRtrix(ctx, w)
}

func (s scan) name() string {
	kind := "Gaussian"
	if s.rician {
		kind = "Rician"
	}
	if s.prior == learned {
		kind += ", --prior learned"
	}
	return fmt.Sprintf("%s, SNR %g, %s", s.protocol, s.snr, kind)
}

// measured is what one case comes to.
type measured struct {
	coverage         coverage
	single, crossing tally
	seconds          float64
}

func (s scan) measure(ctx context.Context, samples int) (m measured, err error) {
	o := phantom.Options{Protocol: s.protocol, Shape: [3]int{40, 40, 14}, SNR: s.snr, Rician: s.rician, Seed: s.seed, VoxelSize: [3]float64{3.2, 3.2, 2}}
	if s.directions > 0 {
		o.Table = tableOf(s.directions)
	}
	p, err := phantom.Make(ctx, o)
	if err != nil {
		return m, err
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for i, v := range p.Mask.Voxels() {
		mask[i] = v > 0
	}
	start := time.Now()
	deconvolution := &fibres{phantom: p}
	r, post, err := denoise.Draws(ctx, p.Noisy, p.Table, denoise.Options{Mask: mask, Seed: 1, Prior: s.prior, Calibrated: func(r *denoise.Result, post *posterior.Posterior) error {
		return deconvolution.prepare(ctx, r, post)
	}})
	if err != nil {
		return m, err
	}
	m.coverage = coverageOf(p, r, post)
	m.single, m.crossing, err = deconvolution.cones(ctx, post, samples)
	m.seconds = time.Since(start).Seconds()
	return m, err
}

// tableOf has 6 volumes at b = 0 and n directions at 1000 s/mm².
func tableOf(n int) *gradients.Table {
	t := &gradients.Table{Frame: gradients.FSLFrame, BVals: make([]float64, 6), BVecs: make([][3]float64, 6)}
	for _, g := range gradients.Directions(n, rand.New(rand.NewPCG(uint64(n), 1))) {
		t.BVals, t.BVecs = append(t.BVals, 1000), append(t.BVecs, g)
	}
	return t
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
