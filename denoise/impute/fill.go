package impute

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Filler writes predictions into the lost slices of an image.
type Filler struct {
	g      *Gaussian
	lost   *Lost
	slices []*Conditional // per slice, nil where nothing is lost
}

// NewFiller prepares the conditionals of every slice in which something is
// lost.
func NewFiller(g *Gaussian, lost *Lost) (*Filler, error) {
	f := &Filler{g: g, lost: lost, slices: make([]*Conditional, lost.Slices)}
	for z := range lost.Slices {
		if missing := lost.OfSlice(z); len(missing) > 0 {
			c, err := g.Given(missing)
			if err != nil {
				return nil, err
			}
			f.slices[z] = c
		}
	}
	return f, nil
}

// Variance returns the conditional variance of a lost measurement, noise
// included, in the unit of the image squared.
func (f *Filler) Variance(volume, slice int) float64 {
	c := f.slices[slice]
	for a, i := range c.missing {
		if i == volume {
			return c.cov[a*len(c.missing)+a]
		}
	}
	panic("impute: the slice is not lost")
}

// Mean writes the conditional mean of every lost measurement given the measured
// ones of its voxel into image (volume-major, nx*ny voxels a slice).
// Measurements that are not finite count as their mean. With floor, nothing
// falls below 0.
func (f *Filler) Mean(ctx context.Context, image []float32, nx, ny int, floor bool, threads int) error {
	return f.each(ctx, threads, func(z int, c *Conditional) {
		size := nx * ny * f.lost.Slices
		row := make([]float64, c.d)
		for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
			c.centre(row, image, v, size)
			for a, i := range c.missing {
				p := c.mean[i]
				for j, w := range c.weights[a*c.d : (a+1)*c.d] {
					p += w * row[j]
				}
				if floor {
					p = max(p, 0)
				}
				image[i*size+v] = float32(p)
			}
		}
	})
}

// centre reads the measurements of voxel v relative to their mean.
func (c *Conditional) centre(row []float64, image []float32, v, size int) {
	for j := range row {
		row[j] = float64(image[j*size+v]) - c.mean[j]
		if row[j]-row[j] != 0 {
			row[j] = 0
		}
	}
}

// AddNoise turns predictions in the lost slices into what a measurement could
// have been: noise of the level of the voxel is added, so that a noise map taken
// from the filled scan is not biased. sigma is the level per voxel (nx*ny*nz).
// With magnitude, a filled value is the mean of a magnitude and becomes a draw of
// that magnitude; otherwise Gaussian noise is added. The draws depend on seed,
// slice and volume alone.
func (f *Filler) AddNoise(ctx context.Context, image, sigma []float32, nx, ny int, magnitude bool, seed uint64, threads int) error {
	return f.each(ctx, threads, func(z int, c *Conditional) {
		size := nx * ny * f.lost.Slices
		for _, i := range c.missing {
			rng := rand.New(rand.NewPCG(seed, uint64(z)<<32|uint64(i)))
			for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
				s, x := float64(sigma[v]), float64(image[i*size+v])
				a, b := rng.NormFloat64(), rng.NormFloat64()
				if !magnitude || !(s > 0) {
					image[i*size+v] = float32(x + s*a)
					continue
				}
				amplitude := float64(noise.InverseRicianMean(float32(x / s)))
				image[i*size+v] = float32(s * math.Hypot(amplitude+a, b))
			}
		}
	})
}

// Level estimates the noise level of every voxel of the slices in which
// something is lost, from the leave-one-out residuals of its measured
// directions: the root of Noise times their mean square in units of their own
// variance. Other voxels get 0.
func (f *Filler) Level(ctx context.Context, image []float32, nx, ny, threads int) ([]float32, error) {
	sigma := make([]float32, nx*ny*f.lost.Slices)
	base := math.Sqrt(f.g.Noise)
	err := f.each(ctx, threads, func(z int, c *Conditional) {
		p, err := f.g.marginalPrecision(c.missing)
		if err != nil {
			return
		}
		size := nx * ny * f.lost.Slices
		row := make([]float64, c.d)
		for v := z * nx * ny; v < (z+1)*nx*ny; v++ {
			c.centre(row, image, v, size)
			for _, i := range c.missing {
				row[i] = 0
			}
			square, n := 0.0, 0
			for i := range c.d {
				pii := p[i*c.d+i]
				if pii == 0 {
					continue
				}
				r := 0.0
				for j, w := range p[i*c.d : (i+1)*c.d] {
					r += w * row[j]
				}
				square += r * r / pii
				n++
			}
			sigma[v] = float32(base * math.Sqrt(square/float64(max(n, 1))))
		}
	})
	return sigma, err
}

func (f *Filler) each(ctx context.Context, threads int, do func(z int, c *Conditional)) error {
	return signals.EachTask(ctx, len(f.slices), threads, func(_, z int) error {
		if c := f.slices[z]; c != nil {
			do(z, c)
		}
		return nil
	})
}
