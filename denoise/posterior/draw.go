package posterior

import (
	"math"
	"math/rand/v2"
)

// Drawer draws for one goroutine.
type Drawer struct {
	p    *Posterior
	mean []float32
	z, e []float64
}

// NewDrawer returns the scratch of one goroutine.
func (p *Posterior) NewDrawer() *Drawer {
	return &Drawer{p: p, mean: make([]float32, p.s.D), z: make([]float64, p.K), e: make([]float64, p.K)}
}

// Mean writes the estimate of a row (D values, in the unit of the scan).
func (d *Drawer) Mean(dst []float32, row int) {
	v, size := int(d.p.Grid.Voxel[row]), len(d.p.s.Sigma)
	for i := range dst {
		dst[i] = d.p.s.Denoised[i*size+v]
	}
}

// Draw writes one sample of the clean signal of a row (D values, in the unit of
// the scan). It depends on the calibration's seed, the voxel and the number of
// the draw alone.
func (d *Drawer) Draw(dst []float32, row, number int) {
	v := uint64(d.p.Grid.Voxel[row])
	rng := rand.New(rand.NewPCG(mix(d.p.seed^drawStream, v), uint64(number)))
	for k := range d.z {
		d.z[k] = rng.NormFloat64()
	}
	d.put(dst, row, rng.NormFloat64)
}

// put writes the estimate of a row with the error that z and normal make.
func (d *Drawer) put(dst []float32, row int, normal func() float64) {
	p, s := d.p, d.p.s
	v, size := int(p.Grid.Voxel[row]), len(s.Sigma)
	class := p.class[row]
	d.along(row)
	sigma, tail := s.Sigma[v], p.tail[class]
	for i := range dst {
		e := tail[i] * normal()
		for k, x := range d.e {
			e += x * float64(p.basis[k*s.D+i])
		}
		m := s.expected(s.Denoised[i*size+v]/sigma) + float32(e)
		dst[i] = s.clean(m) * sigma
	}
}

// along turns z into the error along the components.
func (d *Drawer) along(row int) {
	p := d.p
	scale := p.scales(row)
	root := p.root[p.class[row]]
	for a := range d.e {
		sum := 0.0
		for b, z := range d.z {
			sum += root[a*p.K+b] * z
		}
		d.e[a] = scale[p.bandOf(a)] * sum
	}
}

// scales returns the root of the mean squared error of a row in each band.
func (p *Posterior) scales(row int) (s [bands]float64) {
	for b := range bands {
		s[b] = math.Sqrt(float64(p.Scale[b][row]))
	}
	return s
}

// Deviation writes the standard deviation of every volume's error of a row, in
// σ of the measurement's expectation.
func (p *Posterior) Deviation(dst []float64, row int) {
	root, tail, scale := p.root[p.Class(row)], p.tail[p.Class(row)], p.scales(row)
	for i := range dst {
		sum := 0.0
		for b := range p.K {
			along := 0.0
			for a := range p.K {
				along += scale[p.bandOf(a)] * root[a*p.K+b] * float64(p.basis[a*p.s.D+i])
			}
			sum += along * along
		}
		dst[i] = math.Sqrt(sum + tail[i]*tail[i])
	}
}

// Class returns the class of a row, 0 to 3 by the size of its error.
func (p *Posterior) Class(row int) int {
	if p.class == nil {
		return 0
	}
	return int(p.class[row])
}
