package main

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// known is a scan whose truth is known, in units of its noise.
type known struct {
	name  string
	truth *signals.Signals
	noisy *signals.Signals
	table *gradients.Table
}

// randomTable draws a protocol: one to three shells.
func randomTable(rng *rand.Rand) *gradients.Table {
	t := &gradients.Table{Frame: gradients.FSLFrame}
	add := func(b float64, n int) {
		for _, g := range gradients.Directions(n, rng) {
			t.BVals, t.BVecs = append(t.BVals, b), append(t.BVecs, g)
		}
	}
	for range 1 + rng.IntN(8) {
		t.BVals, t.BVecs = append(t.BVals, 0), append(t.BVecs, [3]float64{})
	}
	shells := 1
	if u := rng.Float64(); u > 0.6 {
		shells = 2 + rng.IntN(3)
	}
	for s := range shells {
		n := 10 + int(70*rng.Float64()*rng.Float64())
		b := 700 + 2500*rng.Float64()*rng.Float64()
		if shells > 1 {
			b = 500 + 200*rng.Float64() + 3000*(float64(s)+0.5*rng.Float64())/float64(shells)
		}
		add(math.Round(b/50)*50, n)
	}
	return t
}

// simulate makes a head with a random protocol and noise.
func simulate(ctx context.Context, seed uint64, texture bool) (*known, error) {
	rng := rand.New(rand.NewPCG(seed, 77))
	shapes := [][3]int{{48, 48, 12}, {56, 56, 10}, {40, 40, 14}, {64, 64, 8}}
	snr := math.Exp(math.Log(5) + rng.Float64()*math.Log(10)) // 5 to 50
	p, err := phantom.Make(ctx, phantom.Options{Table: randomTable(rng), SNR: snr, Seed: seed, Shape: shapes[rng.IntN(len(shapes))]})
	if err != nil {
		return nil, err
	}
	k, err := fromPhantom(ctx, p)
	if err != nil {
		return nil, err
	}
	if texture {
		addTexture(k, rng)
	}
	return k, nil
}

func fromPhantom(ctx context.Context, p *phantom.Phantom) (*known, error) {
	nx, ny, nz, nt := p.Truth.Dims()
	mask := make([]bool, nx*ny*nz)
	for v, m := range p.Mask.Voxels() {
		mask[v] = m > 0
	}
	g := signals.NewGrid(nx, ny, nz, mask)
	k := &known{table: p.Table}
	var err error
	if k.truth, err = signals.Gather(ctx, g, p.Truth.Voxels(), nt, 1); err != nil {
		return nil, err
	}
	if k.noisy, err = signals.Gather(ctx, g, p.Noisy.Voxels(), nt, 1); err != nil {
		return nil, err
	}
	for r, v := range g.Voxel {
		for i := range k.truth.Row(r) {
			k.truth.Row(r)[i] /= p.Sigma.Voxels()[v]
			k.noisy.Row(r)[i] /= p.Sigma.Voxels()[v]
		}
	}
	return k, nil
}

// addTexture makes the simulated head less smooth: lesions, whose signal is mixed
// with that of somewhere else, and fine variation of tissue.
func addTexture(k *known, rng *rand.Rand) {
	g, d := k.truth.Grid, k.truth.D
	clean := append([]float32(nil), k.truth.Values...)
	out := k.truth.Values
	for range 4 + rng.IntN(12) {
		at, from := rng.IntN(g.Len()), rng.IntN(g.Len())
		x0, y0, z0 := g.At(at)
		x1, y1, z1 := g.At(from)
		radius, share := 0.7+3*rng.Float64(), float32(0.3+0.7*rng.Float64())
		h := int(radius) + 1
		for dz := -h; dz <= h; dz++ {
			for dy := -h; dy <= h; dy++ {
				for dx := -h; dx <= h; dx++ {
					in := radius + 0.5 - math.Sqrt(float64(dx*dx+dy*dy+dz*dz))
					q, o := g.RowAt(x0+dx, y0+dy, z0+dz), g.RowAt(x1+dx, y1+dy, z1+dz)
					if in <= 0 || q < 0 || o < 0 {
						continue
					}
					a := share * float32(min(in, 1))
					for i := range d {
						out[q*d+i] += a * (clean[o*d+i] - out[q*d+i])
					}
				}
			}
		}
	}
	amount := 0.06 * rng.Float64() * rng.Float64()
	for r := range g.Len() {
		f := float32(1 + amount*rng.NormFloat64())
		decay := amount * rng.NormFloat64()
		for i := range d {
			out[r*d+i] *= f * float32(math.Exp(-decay*k.table.BVals[i]/1000))
		}
	}
	for i := range out {
		k.noisy.Values[i] += out[i] - clean[i]
	}
}

// scanOf runs the Gaussian prior.
func scanOf(ctx context.Context, k *known, y []float32, threads int, soft bool) (*learned.Scan, error) {
	schedule, err := diffusion.Cosine(1000)
	if err != nil {
		return nil, err
	}
	scale, err := prior.NewScaling(schedule, &signals.Signals{Grid: k.noisy.Grid, D: k.noisy.D, Values: y})
	if err != nil {
		return nil, err
	}
	x := append([]float32(nil), y...)
	scale.Start(x)
	g := prior.NewGaussian(k.noisy.Grid, k.noisy.D, scale, prior.GaussianOptions{Threads: threads, Soft: soft})
	stages, mean, err := g.Stages(ctx, x, scale.T)
	if err != nil {
		return nil, err
	}
	return &learned.Scan{Grid: k.noisy.Grid, D: k.noisy.D, Measured: y, Gaussian: mean, Stages: stages, Groups: learned.NewGroups(k.table, gradients.DefaultB0Threshold), Level: schedule.Sigma(scale.T)}, nil
}
