package posterior

import (
	"math"
	"math/rand/v2"
)

// Fields are random numbers for the strong components of a draw, alike in
// neighbouring voxels: rows × K, each of variance 1.
type Fields []float32

// Fields makes the numbers of draw number, white noise smoothed by a Gaussian
// window of the given standard deviation in voxels and brought back to variance 1
// in every voxel. What each voxel draws is so distributed as by [Drawer.Draw].
func (p *Posterior) Fields(number int, width float64) Fields {
	out := make(Fields, p.Grid.Len()*p.K)
	size := p.s.NX * p.s.NY * p.s.NZ
	kernel, square := []float32{1}, []float32{1}
	if width > 0 {
		kernel = gaussian(width)
		square = make([]float32, len(kernel))
		for i, w := range kernel {
			square[i] = w * w
		}
	}
	scratch, one := make([]float32, size), make([]float32, size)
	for i := range one {
		one[i] = 1
	}
	norm, scratch := convolve(p.Grid, one, scratch, square)
	white := make([]float32, size)
	for k := range p.K {
		rng := rand.New(rand.NewPCG(mix(p.seed^drawStream, uint64(number)), uint64(k)<<1|1))
		for i := range white {
			white[i] = float32(rng.NormFloat64())
		}
		var smooth []float32
		smooth, scratch = convolve(p.Grid, white, scratch, kernel)
		for r, v := range p.Grid.Voxel {
			out[r*p.K+k] = smooth[v] / float32(math.Sqrt(float64(norm[v])))
		}
		white = smooth
	}
	return out
}

// DrawFrom writes one sample of a row as Draw does, with the strong components'
// errors taken from fields.
func (d *Drawer) DrawFrom(dst []float32, row, number int, f Fields) {
	rng := rand.New(rand.NewPCG(mix(d.p.seed^drawStream^1, uint64(d.p.Grid.Voxel[row])), uint64(number)))
	for k := range d.z {
		d.z[k] = float64(f[row*d.p.K+k])
	}
	d.put(dst, row, rng.NormFloat64)
}
