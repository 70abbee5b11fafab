package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// sureCase is a scan with known truth in units of its noise.
type sureCase struct {
	name         string
	truth, noisy *signals.Signals
}

var variants = []struct {
	name    string
	options prior.GaussianOptions
}{
	{"gaussian", prior.GaussianOptions{}},
	{"soft", prior.GaussianOptions{Soft: true}},
	{"local", prior.GaussianOptions{Local: true}},
}

// sure holds the estimate of risk against the true error: over the same voxels,
// and over the whole scan.
func (e *evaluation) sure() (string, error) {
	cases, err := e.sureCases()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | prior | estimated | true, same voxels | true, whole scan | order of the three |\n|---|---|---|---|---|---|")
	right, off := 0, 0.0
	for _, c := range cases {
		var estimated, whole [3]float64
		lines := make([]string, len(variants))
		for i, v := range variants {
			o := v.options
			o.Threads = e.threads
			risk, same, all, err := e.riskOf(c, o)
			if err != nil {
				return "", fmt.Errorf("%s: %w", c.name, err)
			}
			estimated[i], whole[i] = risk.Mean(nil), all
			root := math.Sqrt(max(risk.Mean(nil), 0))
			off += math.Abs(root/same-1) / float64(len(variants)*len(cases))
			lines[i] = fmt.Sprintf("| %s | %s | %.3f ± %.3f | %.3f | %.3f |", c.name, v.name, root, risk.StdErr/(2*max(root, 1e-3)), same, all)
		}
		order := "wrong"
		if slices.Equal(ranks(estimated[:]), ranks(whole[:])) {
			order = "right"
			right++
		} else if best(estimated[:]) == best(whole[:]) {
			order = "best one right"
		} else if whole[best(estimated[:])] < 1.01*slices.Min(whole[:]) {
			order = "within 1 % of the best"
		}
		for i, line := range lines {
			text := ""
			if i == 0 {
				text = order
			}
			fmt.Fprintf(&b, "%s %s |\n", line, text)
		}
	}
	fmt.Fprintf(&b, "\nThe order of all three is right in %d of %d scans; the estimate is off the true error over the same voxels by %.1f %% on average.", right, len(cases), 100*off)
	return b.String(), nil
}

func ranks(v []float64) []int {
	order := []int{0, 1, 2}
	slices.SortFunc(order, func(a, b int) int {
		if v[a] < v[b] {
			return -1
		}
		return 1
	})
	return order
}

func best(v []float64) int { return ranks(v)[0] }

// riskOf returns the estimated risk, the true RMSE over the voxels that it was
// measured on, and over all.
func (e *evaluation) riskOf(c sureCase, o prior.GaussianOptions) (risk prior.Risk, same, all float64, err error) {
	schedule, err := diffusion.Cosine(1000)
	if err != nil {
		return risk, 0, 0, err
	}
	scale, err := prior.NewScaling(schedule, c.noisy)
	if err != nil {
		return risk, 0, 0, err
	}
	x := slices.Clone(c.noisy.Values)
	scale.Start(x)
	g := prior.NewGaussian(c.noisy.Grid, c.noisy.D, scale, o)
	if risk, err = g.Risk(e.ctx, x, prior.RiskOptions{Seed: 1}); err != nil {
		return risk, 0, 0, err
	}
	if err = diffusion.PosteriorMean(e.ctx, g, x, x, scale.T); err != nil {
		return risk, 0, 0, err
	}
	scale.Finish(x)
	d := c.noisy.D
	error2 := func(r int) (sum float64) {
		for i, v := range x[r*d : (r+1)*d] {
			sum += math.Pow(float64(v-c.truth.Row(r)[i]), 2) / float64(d)
		}
		return sum
	}
	for _, r := range risk.Rows {
		same += error2(int(r)) / float64(len(risk.Rows))
	}
	for r := range c.noisy.Len() {
		all += error2(r) / float64(c.noisy.Len())
	}
	return risk, math.Sqrt(same), math.Sqrt(all), nil
}

// sureCases makes phantoms, and real tissue with noise added where it is there.
func (e *evaluation) sureCases() ([]sureCase, error) {
	var out []sureCase
	for _, c := range []struct {
		protocol string
		snr      float64
		shape    [3]int
	}{
		{"small", 20, [3]int{48, 48, 18}}, {"clinical", 10, [3]int{48, 48, 18}}, {"clinical", 30, [3]int{48, 48, 18}}, {"multishell", 20, [3]int{32, 32, 14}},
	} {
		p, err := phantom.Make(e.ctx, phantom.Options{Protocol: c.protocol, SNR: c.snr, Seed: 41, Shape: c.shape})
		if err != nil {
			return nil, err
		}
		_, _, _, nt := p.Truth.Dims()
		mask := make([]bool, len(p.Mask.Voxels()))
		for v, m := range p.Mask.Voxels() {
			mask[v] = m > 0
		}
		g := signals.NewGrid(c.shape[0], c.shape[1], c.shape[2], mask)
		s := sureCase{name: fmt.Sprintf("phantom %s, SNR %.0f", c.protocol, c.snr)}
		for _, to := range []struct {
			dst  **signals.Signals
			from *nifti.Image
		}{{&s.truth, p.Truth}, {&s.noisy, p.Noisy}} {
			if *to.dst, err = signals.Gather(e.ctx, g, to.from.Voxels(), nt, e.threads); err != nil {
				return nil, err
			}
			for r, v := range g.Voxel {
				for i := range (*to.dst).Row(r) {
					(*to.dst).Row(r)[i] /= p.Sigma.Voxels()[v]
				}
			}
		}
		out = append(out, s)
	}
	for _, snr := range []float64{12, 20, 40} {
		c, err := e.tissue(snr)
		if errors.Is(err, fs.ErrNotExist) {
			e.missing = append(e.missing, "tissue-msmt")
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, *c)
	}
	return out, nil
}

// tissue takes real tissue for truth and adds Gaussian noise.
func (e *evaluation) tissue(snr float64) (*sureCase, error) {
	im, err := nifti.ReadImage(e.ctx, filepath.Join(e.data, "tissue-msmt", "dwi.nii.gz"), nifti.ReadOptions{})
	if err != nil {
		return nil, err
	}
	nx, ny, nz, nt := im.Dims()
	size := nx * ny * nz
	top := slices.Clone(im.Volume(0))
	for n := range nt {
		for v, x := range im.Volume(n) {
			top[v] = max(top[v], x)
		}
	}
	sorted := slices.Clone(top)
	slices.Sort(sorted)
	mask := make([]bool, size)
	var inside []float32
	for v, x := range top {
		if mask[v] = x > 0.1*sorted[size*95/100]; mask[v] {
			inside = append(inside, x)
		}
	}
	slices.Sort(inside)
	sigma := inside[len(inside)/2] / float32(snr)
	g := signals.NewGrid(nx, ny, nz, mask)
	c := &sureCase{name: fmt.Sprintf("tissue-msmt + noise, SNR %.0f", snr)}
	if c.truth, err = signals.Gather(e.ctx, g, im.Voxels(), nt, e.threads); err != nil {
		return nil, err
	}
	c.noisy = signals.New(g, nt)
	rng := rand.New(rand.NewPCG(uint64(snr), 17))
	for i := range c.truth.Values {
		c.truth.Values[i] /= sigma
		c.noisy.Values[i] = c.truth.Values[i] + float32(rng.NormFloat64())
	}
	return c, nil
}
