package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// moments returns mean and covariance of rows of signals.
func moments(s *signals.Signals) (mean, cov []float64) {
	d, n := s.D, float64(s.Len())
	mean, cov = make([]float64, d), make([]float64, d*d)
	for r := range s.Len() {
		for i, v := range s.Row(r) {
			mean[i] += float64(v) / n
		}
	}
	for r := range s.Len() {
		row := s.Row(r)
		for i := range d {
			x := (float64(row[i]) - mean[i]) / n
			for j := range d {
				cov[i*d+j] += x * (float64(row[j]) - mean[j])
			}
		}
	}
	return mean, cov
}

// leaveOneOut is Patch2Self with radius 0 (Fadnavis 2020): every volume is
// regressed on all others over the voxels of the scan, by least squares. With sigma
// of 1 the prediction is fused with the measurement.
func leaveOneOut(s *signals.Signals, sigma float64) (*signals.Signals, error) {
	mean, cov := moments(s)
	c, err := prior.NewConditionals(mean, cov, sigma)
	if err != nil {
		return nil, err
	}
	out := signals.New(s.Grid, s.D)
	y, x := make([]float64, s.D), make([]float64, s.D)
	for r := range s.Len() {
		for i, v := range s.Row(r) {
			y[i] = float64(v)
		}
		if sigma > 0 {
			c.Fused(x, y)
		} else {
			c.Blind(x, y)
		}
		for i, v := range x {
			out.Row(r)[i] = float32(v)
		}
	}
	return out, nil
}

// newStaged is the third stage of DDM² (Xiang 2023) with the best denoiser that a
// Gaussian allows in place of its network: for signals distributed as the first
// stage's estimate of them is.
func newStaged(schedule diffusion.Schedule, first *signals.Signals, scale float64) (*diffusion.Gaussian, error) {
	mean, cov := moments(first)
	d := first.D
	m := mat.NewSymDense(d, nil)
	for i := range d {
		mean[i] /= scale
		for j := i; j < d; j++ {
			m.SetSym(i, j, cov[i*d+j]/(scale*scale))
		}
	}
	return diffusion.NewGaussian(schedule, mean, m)
}

// stageWise runs the three stages: a first estimate by leave-one-out regression,
// the timestep that matches the noise, and the reverse process from there, begun at
// the measurement as it is or, scaled, at √ᾱ times it.
func stageWise(ctx context.Context, k *known, scaled bool) (*signals.Signals, error) {
	first, err := leaveOneOut(k.noisy, 0)
	if err != nil {
		return nil, err
	}
	schedule, err := diffusion.Cosine(1000)
	if err != nil {
		return nil, err
	}
	scaling, err := prior.NewScaling(schedule, k.noisy)
	if err != nil {
		return nil, err
	}
	d, err := newStaged(schedule, first, scaling.Scale)
	if err != nil {
		return nil, err
	}
	start := 1 / scaling.Scale
	if scaled {
		start *= math.Sqrt(schedule.AlphaBar(scaling.T))
	}
	out := signals.New(k.noisy.Grid, k.noisy.D)
	for i, v := range k.noisy.Values {
		out.Values[i] = float32(start * float64(v))
	}
	if err := diffusion.Ancestral(ctx, schedule, d, out.Values, out.Values, scaling.T, diffusion.SamplerOptions{Steps: 50}, rand.New(rand.NewPCG(1, 1))); err != nil {
		return nil, err
	}
	scaling.Finish(out.Values)
	return out, nil
}

// recipes holds published recipes against this program, and shows what √ᾱ is for.
func (e *evaluation) recipes() (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | recipe | RMSE | signal in fluid, b0 | in fluid, weighted | in tissue, weighted |\n|---|---|---|---|---|---|")
	for _, snr := range []float64{5, 10, 20} {
		k, err := phantomCase(e.ctx, "clinical", snr, 351, [3]int{36, 36, 10})
		if err != nil {
			return "", err
		}
		for _, recipe := range []struct {
			name string
			make func() (*signals.Signals, error)
		}{
			{"leave-one-volume-out regression (Patch2Self, radius 0)", func() (*signals.Signals, error) { return leaveOneOut(k.noisy, 0) }},
			{"the same, fused with the measurement", func() (*signals.Signals, error) { return leaveOneOut(k.noisy, 1) }},
			{"stage-wise, begun at y (DDM²-like)", func() (*signals.Signals, error) { return stageWise(e.ctx, k, false) }},
			{"stage-wise, begun at √ᾱ·y", func() (*signals.Signals, error) { return stageWise(e.ctx, k, true) }},
			{"run --prior gaussian", func() (*signals.Signals, error) { return e.signalsOf(k, denoise.PriorGaussian) }},
			{"run --prior auto", func() (*signals.Signals, error) { return e.signalsOf(k, denoise.PriorAuto) }},
		} {
			s, err := recipe.make()
			if err != nil {
				return "", fmt.Errorf("%s: %w", recipe.name, err)
			}
			fluid0, fluid, tissue := k.ratios(s)
			square := 0.0
			for i, v := range s.Values {
				d := float64(v - k.truth.Values[i])
				square += d * d / float64(len(s.Values))
			}
			fmt.Fprintf(&b, "| %s | %s | %.3f | %.3f | %.3f | %.3f |\n", k.name, recipe.name, math.Sqrt(square), fluid0, fluid, tissue)
		}
	}
	return b.String(), nil
}

func (e *evaluation) signalsOf(k *known, p denoise.PriorMode) (*signals.Signals, error) {
	r, err := e.run(k, p)
	if err != nil {
		return nil, err
	}
	return signals.Gather(e.ctx, k.truth.Grid, r.Denoised.Voxels(), k.truth.D, e.threads)
}

// ratios returns the mean signal over the true one: in fluid, which is where b0
// is above 1.4 times its mean, and in the rest, b0 and weighted volumes apart.
func (k *known) ratios(s *signals.Signals) (fluid0, fluid, tissue float64) {
	b0 := make([]float64, k.truth.Len())
	for i, b := range k.table.BVals {
		if b < 50 {
			for r := range b0 {
				b0[r] += float64(k.truth.Row(r)[i])
			}
		}
	}
	sum := 0.0
	for r := range b0 {
		sum += b0[r] / float64(len(b0))
	}
	var made, want [3]float64
	for r := range b0 {
		bright := b0[r] > 1.4*sum
		for i, b := range k.table.BVals {
			class := 2
			switch {
			case bright && b < 50:
				class = 0
			case bright:
				class = 1
			case b < 50:
				continue
			}
			made[class] += float64(s.Row(r)[i])
			want[class] += float64(k.truth.Row(r)[i])
		}
	}
	return made[0] / want[0], made[1] / want[1], made[2] / want[2]
}
