package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

func phantomCase(ctx context.Context, protocol string, snr float64, seed uint64, shape [3]int) (*known, error) {
	p, err := phantom.Make(ctx, phantom.Options{Protocol: protocol, SNR: snr, Seed: seed, Shape: shape})
	if err != nil {
		return nil, err
	}
	k, err := fromPhantom(ctx, p)
	if err != nil {
		return nil, err
	}
	k.name = fmt.Sprintf("phantom %s, SNR %.0f, seed %d", protocol, snr, seed)
	return k, nil
}

// realCase takes a series of high signal as truth and adds noise.
func realCase(ctx context.Context, dir, image, table string, snr float64, seed uint64) (*known, error) {
	im, err := nifti.ReadImage(ctx, filepath.Join(dir, image), nifti.ReadOptions{})
	if err != nil {
		return nil, err
	}
	nx, ny, nz, nt := im.Dims()
	t, err := gradients.Read(gradients.Files{BVal: filepath.Join(dir, table+".bval"), BVec: filepath.Join(dir, table+".bvec")}, gradients.Options{})
	if err != nil {
		return nil, err
	}
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
	k := &known{name: fmt.Sprintf("%s + noise, SNR %.0f", filepath.Base(dir), snr), table: t}
	if k.truth, err = signals.Gather(ctx, g, im.Voxels(), nt, 1); err != nil {
		return nil, err
	}
	k.noisy = signals.New(g, nt)
	rng := rand.New(rand.NewPCG(uint64(snr), seed))
	for i := range k.truth.Values {
		k.truth.Values[i] /= sigma
		k.noisy.Values[i] = k.truth.Values[i] + float32(rng.NormFloat64())
	}
	return k, nil
}

// rmse is the error of an image over a case's voxels and some volumes, nil for
// all.
func (k *known) rmse(im *nifti.Image, volumes []int) float64 {
	if volumes == nil {
		for n := range k.truth.D {
			volumes = append(volumes, n)
		}
	}
	sum := 0.0
	for r, v := range k.truth.Voxel {
		for _, n := range volumes {
			d := float64(im.Volume(n)[v] - k.truth.Row(r)[n])
			sum += d * d
		}
	}
	return math.Sqrt(sum / float64(k.truth.Len()*len(volumes)))
}

// image returns signals as an image, with the mask of their voxels.
func (k *known) image(ctx context.Context, s *signals.Signals) (*nifti.Image, []bool, error) {
	im := nifti.New(s.NX, s.NY, s.NZ, s.D, [3]float64{2, 2, 2})
	mask := make([]bool, s.NX*s.NY*s.NZ)
	for _, v := range s.Voxel {
		mask[v] = true
	}
	return im, mask, s.Scatter(ctx, im.Voxels(), 1)
}

// run denoises a case whose noise level is known.
func (e *evaluation) run(k *known, p denoise.PriorMode) (*denoise.Result, error) {
	im, mask, err := k.image(e.ctx, k.noisy)
	if err != nil {
		return nil, err
	}
	return denoise.Run(e.ctx, im, k.table, denoise.Options{Mask: mask, NoiseLevel: 1, Rician: denoise.RicianOff, Prior: p, Threads: e.threads,
		Imputing: denoise.Imputing{Mode: denoise.ImputeOff}})
}
