package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
	"github.com/dmri-denoise/dmri-denoise/denoise/synthesis"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// scan is a phantom that draws are taken of, and the same head on another table.
type scan struct {
	*phantom.Phantom
	mask   []bool
	sigma  float64
	target *phantom.Phantom
}

// otherTable has shells on and between those of the multi-shell phantom, directions
// of its own.
func otherTable() *gradients.Table {
	t := &gradients.Table{}
	add := func(b float64, g [3]float64) { t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g) }
	for range 4 {
		add(0, [3]float64{})
	}
	for i, b := range []float64{1000, 1500, 2500} {
		for _, g := range gradients.Directions(32, rand.New(rand.NewPCG(uint64(i), 77))) {
			add(b, g)
		}
	}
	return t
}

func (e *evaluation) scan() (*scan, error) {
	o := phantom.Options{Protocol: "multishell", Shape: [3]int{32, 32, 12}, SNR: 20, Seed: 33, Rician: true}
	p, err := phantom.Make(e.ctx, o)
	if err != nil {
		return nil, err
	}
	o.Protocol, o.Table = "", otherTable()
	s := &scan{Phantom: p, sigma: float64(p.Sigma.Voxels()[0])}
	if s.target, err = phantom.Make(e.ctx, o); err != nil {
		return nil, err
	}
	for _, m := range p.Mask.Voxels() {
		s.mask = append(s.mask, m > 0)
	}
	return s, nil
}

// rows takes the voxels of the mask that inside has.
func rows(im *nifti.Image, inside []bool) []float32 {
	_, _, _, nt := im.Dims()
	var out []float32
	for v, in := range inside {
		if !in {
			continue
		}
		for n := range nt {
			out = append(out, im.Volume(n)[v])
		}
	}
	return out
}

// like judges draws of a scan: on its own table, noise-free and with noise, and on
// another one.
func (e *evaluation) like() (string, error) {
	s, err := e.scan()
	if err != nil {
		return "", err
	}
	o := denoise.Options{Mask: s.mask, Threads: e.threads, Seed: 1}
	r, p, err := denoise.Draws(e.ctx, s.Noisy, s.Table, o)
	if err != nil {
		return "", err
	}
	draw := r.Denoised.Like(s.Table.Len())
	if err := p.Volumes(e.ctx, draw.Voxels(), 0, p.Smooth, e.threads); err != nil {
		return "", err
	}
	truth, drawn, mean := rows(s.Truth, s.mask), rows(draw, s.mask), rows(r.Denoised, s.mask)
	noised := func(x []float32, seed uint64) []float32 {
		x = append([]float32(nil), x...)
		synthesis.AddNoise(x, s.sigma, true, seed, 0)
		return x
	}
	own, err := compared(s.Table, truth, drawn, mean, noised(truth, 5), noised(drawn, 6), noised(truth, 7))
	if err != nil {
		return "", err
	}
	o.Imputing = denoise.Imputing{Mode: denoise.ImputeAuto, Target: s.target.Table, Samples: 1}
	other, err := denoise.Run(e.ctx, s.Noisy, s.Table, o)
	if err != nil {
		return "", err
	}
	truth = rows(s.target.Truth, s.mask)
	drawn, mean = rows(other.Imputed.TargetSamples[0], s.mask), rows(other.Imputed.Target, s.mask)
	away, err := compared(s.target.Table, truth, drawn, mean, noised(truth, 8), noised(drawn, 9), noised(truth, 10))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(likeText, own, away, s.correlations(r, p, draw)), nil
}

const likeText = `A multi-shell phantom of SNR 20 (Rician, 32×32×12) is drawn again. D of the draw and, beside it, of the denoised scan itself, is against the phantom's noise-free signals; D of draw + noise, the
draw with Rician noise of the scan's σ (` + "`--rician --sigma`" + `), against the noise-free signals with independent noise; beside it that of two such noisings of the truth, which is what a perfect draw comes to.

%s
On a table of other directions, with shells on (b = 1000) and between (1500, 2500) those of the scan:

%s
Errors of neighbours along the axes, in units of σ and over all volumes: the true ones, of the denoised scan against the truth, and those of the draw against the denoised scan.

%s`

// compared makes the table of draws of one scan on one table.
func compared(t *gradients.Table, samples ...[]float32) (string, error) {
	var f [6][]feature
	for i, x := range samples {
		var err error
		if f[i], err = featuresOf(x, t); err != nil {
			return "", err
		}
	}
	truth, draw, mean, noisyTruth, noisyDraw, again := f[0], f[1], f[2], f[3], f[4], f[5]
	var b strings.Builder
	b.WriteString("| statistic | mean, truth | draw | sd, truth | draw | D of the draw | of the denoised scan | D of draw + noise | of two noisings |\n|---|---|---|---|---|---|---|---|---|\n")
	for i := range truth {
		m, sd := moments(truth[i])
		dm, dsd := moments(draw[i])
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %.3f | %.3f | %.3f | %.3f |\n", truth[i].name, short(m), short(dm), short(sd), short(dsd),
			distance(draw[i], truth[i]), distance(mean[i], truth[i]), distance(noisyDraw[i], noisyTruth[i]), distance(again[i], noisyTruth[i]))
	}
	return b.String(), nil
}

func moments(f feature) (mean, sd float64) {
	for _, x := range f.values {
		mean += x / float64(len(f.values))
	}
	for _, x := range f.values {
		sd += (x - mean) * (x - mean) / float64(len(f.values))
	}
	return mean, math.Sqrt(sd)
}

// correlations compares the errors of neighbours.
func (s *scan) correlations(r *denoise.Result, p *posterior.Posterior, draw *nifti.Image) string {
	var b strings.Builder
	b.WriteString("| voxels apart | x, true | drawn | y, true | drawn | z, true | drawn |\n|---|---|---|---|---|---|---|\n")
	for d := 1; d <= 3; d++ {
		fmt.Fprintf(&b, "| %d ", d)
		for axis := range 3 {
			fmt.Fprintf(&b, "| %.3f | %.3f ", s.alike(r.Denoised, s.Truth, r.Sigma, axis, d), s.alike(draw, r.Denoised, r.Sigma, axis, d))
		}
		b.WriteString("|\n")
	}
	fmt.Fprintf(&b, "\nMeasured from the scan: a share of %.2f under windows of %.2f, %.2f and %.2f voxels.\n", p.Smooth.Share, p.Smooth.Width[0], p.Smooth.Width[1], p.Smooth.Width[2])
	return b.String()
}

// alike is the correlation of the difference of two images in voxels some distance
// apart along an axis.
func (s *scan) alike(a, b, sigma *nifti.Image, axis, distance int) float64 {
	nx, ny, nz, nt := a.Dims()
	n := [3]int{nx, ny, nz}
	step := distance * [3]int{1, nx, nx * ny}[axis]
	product, square := 0.0, 0.0
	for v, in := range s.mask {
		at := [3]int{v % nx, v / nx % ny, v / (nx * ny)}
		if !in || at[axis]+distance >= n[axis] || !s.mask[v+step] {
			continue
		}
		for k := range nt {
			e := float64((a.Volume(k)[v] - b.Volume(k)[v]) / sigma.Voxels()[v])
			f := float64((a.Volume(k)[v+step] - b.Volume(k)[v+step]) / sigma.Voxels()[v+step])
			product += e * f
			square += (e*e + f*f) / 2
		}
	}
	return product / square
}
