package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

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

func rms(a, b []float32) float64 {
	s := 0.0
	for i, v := range a {
		d := float64(v - b[i])
		s += d * d
	}
	return math.Sqrt(s / float64(len(a)))
}
