package posterior

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// fields makes random numbers of variance 1, as alike in neighbouring voxels as
// smooth says: white noise, and white noise under a Gaussian window.
type fields struct {
	g           *signals.Grid
	smooth      Smoothness
	kernels     [3][]float32
	norm        []float32 // by which the windowed noise is divided, smaller at the edges of the image
	white, work []float32
}

func newFields(g *signals.Grid, smooth Smoothness) *fields {
	size := g.NX * g.NY * g.NZ
	f := &fields{g: g, smooth: smooth, white: make([]float32, size), work: make([]float32, size)}
	var squares [3][]float32
	for axis, width := range smooth.Width {
		f.kernels[axis] = []float32{1}
		if width > 0 {
			f.kernels[axis] = gaussian(width)
		}
		for _, w := range f.kernels[axis] {
			squares[axis] = append(squares[axis], w*w)
		}
	}
	for i := range f.white {
		f.white[i] = 1
	}
	f.norm, f.work = convolveAxes(g, f.white, f.work, squares)
	for i, v := range f.norm {
		f.norm[i] = float32(math.Sqrt(smooth.Share / float64(v)))
	}
	f.white = make([]float32, size)
	return f
}

// draw calls put with a number for every row.
func (f *fields) draw(rng *rand.Rand, put func(row int, z float32)) {
	for i := range f.white {
		f.white[i] = float32(rng.NormFloat64())
	}
	f.white, f.work = convolveAxes(f.g, f.white, f.work, f.kernels)
	own := math.Sqrt(1 - f.smooth.Share)
	for r, v := range f.g.Voxel {
		put(r, f.norm[v]*f.white[v]+float32(own*rng.NormFloat64()))
	}
}

// Volumes writes draw number of the whole scan into dst, an image of the scan's size:
// joint over the volumes of a voxel as by [Drawer.Draw], and with errors of
// neighbouring voxels as alike as smooth says, which may be what
// [Posterior.MeasureSmoothness] found. Voxels that were not denoised are as they
// were. The same seed and number give the same draw for any number of threads.
func (p *Posterior) Volumes(ctx context.Context, dst []float32, number int, smooth Smoothness, threads int) error {
	s := p.s
	if len(dst) != len(s.Denoised) {
		panic("posterior: image does not match the scan")
	}
	copy(dst, s.Denoised)
	k, size := p.K, len(s.Sigma)
	f := newFields(p.Grid, smooth)
	stream := func(i int) *rand.Rand {
		return rand.New(rand.NewPCG(mix(p.seed^drawStream^1, uint64(number)), uint64(i)<<1|1))
	}
	strong := make([]float32, p.Grid.Len()*k)
	for i := range k {
		f.draw(stream(i), func(row int, z float32) { strong[row*k+i] = z })
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	err := signals.EachRange(ctx, p.Grid.Len(), 256, threads, func(_, from, to int) error {
		d := p.NewDrawer()
		for r := from; r < to; r++ {
			for i, z := range strong[r*k : (r+1)*k] {
				d.z[i] = float64(z)
			}
			d.along(r)
			for i, e := range d.e {
				strong[r*k+i] = float32(e)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for n := range s.D {
		volume := dst[n*size : (n+1)*size]
		f.draw(stream(k+n), func(row int, z float32) {
			v := p.Grid.Voxel[row]
			e := float32(p.tail[p.class[row]][n]) * z
			for i, x := range strong[row*k : (row+1)*k] {
				e += x * p.basis[i*s.D+n]
			}
			volume[v] = s.clean(s.expected(volume[v]/s.Sigma[v])+e) * s.Sigma[v]
		})
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
