package main

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// field is a random field of unit variance on a box.
type field struct {
	n [3]int
	v []float32
}

// newField smooths white noise to a correlation length in voxels.
func newField(n [3]int, length float64, rng *rand.Rand) *field {
	f := &field{n, make([]float32, n[0]*n[1]*n[2])}
	for i := range f.v {
		f.v[i] = float32(rng.NormFloat64())
	}
	h := int(2*length) + 1
	kernel := make([]float32, 2*h+1)
	for i := range kernel {
		kernel[i] = float32(math.Exp(-float64((i-h)*(i-h)) / (2 * length * length)))
	}
	line := make([]float32, max(n[0], n[1], n[2]))
	signals.EachLine(n[0], n[1], n[2], func(start, step, m int) {
		for i := range m {
			sum := float32(0)
			for j, k := range kernel {
				if at := i + j - h; at >= 0 && at < m {
					sum += k * f.v[start+at*step]
				}
			}
			line[i] = sum
		}
		for i := range m {
			f.v[start+i*step] = line[i]
		}
	})
	square := 0.0
	for _, v := range f.v {
		square += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(square/float64(len(f.v))+1e-12))
	for i := range f.v {
		f.v[i] *= scale
	}
	return f
}

// compartment is one kind of tissue: a b0 intensity and an axially symmetric
// tensor, or for sticks one without radial diffusion.
type compartment struct {
	s0, axial, radial float64
	share             *field    // its logit in each voxel
	direction         [3]*field // bends the axis
	axis              [3]float64
}

// block simulates a box of tissue that no head looks like: compartments with
// random diffusivities mixed by random fields, sharp borders or none, volumes that
// are shifted against each other.
func block(ctx context.Context, seed uint64) (*known, error) {
	rng := rand.New(rand.NewPCG(seed, 99))
	n := [3]int{12 + rng.IntN(14), 12 + rng.IntN(14), 5 + rng.IntN(14)}
	table := randomTable(rng)
	size := n[0] * n[1] * n[2]
	sharp := rng.Float64() < 0.4
	length := math.Exp(rng.Float64()*math.Log(6)) * 0.7 // 0.7 to 4.2 voxels
	var parts []compartment
	for range 3 + rng.IntN(5) {
		c := compartment{s0: 600 + 900*rng.Float64(), axial: (0.6 + 1.8*rng.Float64()) * 1e-3, share: newField(n, length*(0.5+rng.Float64()), rng)}
		switch u := rng.Float64(); {
		case u < 0.15: // fluid
			c.s0, c.axial = 1500+1000*rng.Float64(), (2.4+0.8*rng.Float64())*1e-3
			c.radial = c.axial
		case u < 0.35: // isotropic
			c.radial = c.axial
		case u < 0.65: // sticks
		default:
			c.radial = c.axial * 0.6 * rng.Float64()
		}
		for i := range 3 {
			c.axis[i] = rng.NormFloat64()
			c.direction[i] = newField(n, length*(1+2*rng.Float64()), rng)
		}
		parts = append(parts, c)
	}
	contrast, bend := 1+5*rng.Float64(), 0.6*rng.Float64()
	if sharp {
		contrast = 30
	}
	bias := newField(n, 8, rng)
	fine := newField(n, 0.6, rng)
	amount := 0.05 * rng.Float64() * rng.Float64()
	g := signals.NewGrid(n[0], n[1], n[2], nil)
	d := table.Len()
	k := &known{truth: signals.New(g, d), table: table}
	shares := make([]float64, len(parts))
	axes := make([][3]float64, len(parts))
	for r := range size {
		total := 0.0
		for i, c := range parts {
			shares[i] = math.Exp(contrast * float64(c.share.v[r]))
			total += shares[i]
			for a := range 3 {
				axes[i][a] = c.axis[a] + bend*float64(c.direction[a].v[r])
			}
			norm := math.Sqrt(axes[i][0]*axes[i][0] + axes[i][1]*axes[i][1] + axes[i][2]*axes[i][2])
			for a := range 3 {
				axes[i][a] /= norm
			}
		}
		gain := math.Exp(0.15*float64(bias.v[r])) * (1 + amount*float64(fine.v[r]))
		for v := range d {
			b, q := table.BVals[v], table.BVecs[v]
			sum := 0.0
			for i, c := range parts {
				cos := q[0]*axes[i][0] + q[1]*axes[i][1] + q[2]*axes[i][2]
				sum += shares[i] / total * c.s0 * math.Exp(-b*(c.radial+(c.axial-c.radial)*cos*cos))
			}
			k.truth.Values[r*d+v] = float32(gain * sum)
		}
	}
	if rng.Float64() < 0.4 {
		move(k.truth, 0.3*rng.Float64(), rng)
	}
	snr := math.Exp(math.Log(5) + rng.Float64()*math.Log(12))
	addNoise(k, 1000/snr, rng)
	return k, nil
}

// move shifts every volume by a random part of a voxel in the plane, as what
// eddy currents leave does, and scales it by a per cent.
func move(s *signals.Signals, sd float64, rng *rand.Rand) {
	d := s.D
	clean := append([]float32(nil), s.Values...)
	for v := range d {
		dx, dy := float32(sd*rng.NormFloat64()), float32(sd*rng.NormFloat64())
		sx, sy := 1, 1
		if dx < 0 {
			dx, sx = -dx, -1
		}
		if dy < 0 {
			dy, sy = -dy, -1
		}
		dx, dy = min(dx, 1), min(dy, 1)
		gain := float32(1 + 0.01*rng.NormFloat64())
		for r := range s.Len() {
			x, y, z := s.At(r)
			at := func(x, y int) float32 {
				if q := s.RowAt(x, y, z); q >= 0 {
					return clean[q*d+v]
				}
				return clean[r*d+v]
			}
			s.Values[r*d+v] = gain * ((1-dx)*(1-dy)*at(x, y) + dx*(1-dy)*at(x+sx, y) + (1-dx)*dy*at(x, y+sy) + dx*dy*at(x+sx, y+sy))
		}
	}
}

// addNoise divides by sigma and adds unit noise.
func addNoise(k *known, sigma float64, rng *rand.Rand) {
	k.noisy = signals.New(k.truth.Grid, k.truth.D)
	for i := range k.truth.Values {
		k.truth.Values[i] /= float32(sigma)
		k.noisy.Values[i] = k.truth.Values[i] + float32(rng.NormFloat64())
	}
}

// crop simulates a box out of a finely sampled head.
func crop(ctx context.Context, seed uint64) (*known, error) {
	rng := rand.New(rand.NewPCG(seed, 98))
	n := [3]int{64 + rng.IntN(40), 64 + rng.IntN(40), 8 + rng.IntN(6)}
	p, err := phantom.Make(ctx, phantom.Options{Table: randomTable(rng), Seed: seed, Shape: n})
	if err != nil {
		return nil, err
	}
	w := [2]int{14 + rng.IntN(16), 14 + rng.IntN(16)}
	x0, y0 := n[0]/6+rng.IntN(n[0]*2/3-w[0]), n[1]/6+rng.IntN(n[1]*2/3-w[1])
	keep := make([]bool, n[0]*n[1]*n[2])
	for v, m := range p.Mask.Voxels() {
		x, y := v%n[0], v/n[0]%n[1]
		keep[v] = m > 0 && x >= x0 && x < x0+w[0] && y >= y0 && y < y0+w[1]
	}
	g := signals.NewGrid(n[0], n[1], n[2], keep)
	k := &known{table: p.Table}
	if k.truth, err = signals.Gather(ctx, g, p.Truth.Voxels(), p.Table.Len(), 1); err != nil {
		return nil, err
	}
	k.noisy = &signals.Signals{Grid: g, D: p.Table.Len(), Values: append([]float32(nil), k.truth.Values...)}
	if rng.Float64() < 0.7 {
		addTexture(k, rng)
	}
	if rng.Float64() < 0.5 {
		move(k.truth, 0.3*rng.Float64(), rng)
	}
	addNoise(k, 1000/math.Exp(math.Log(5)+rng.Float64()*math.Log(12)), rng)
	return k, nil
}
