package posterior

import (
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Gauge compares, along any linear function of a voxel's signal, the error that
// draws have with Stein's estimate of the one that the estimate has. It reads the images
// that Calibrate was given. One is used by one goroutine.
type Gauge struct {
	Drawer
	l     *look
	a     []float64 // D: the function, of the expected measurement in σ
	slope []float64 // D: of the expected measurement by the clean signal
	along []float64 // K: the function along the basis, times the scale
}

// NewGauge returns the scratch of one goroutine.
func (p *Posterior) NewGauge() *Gauge {
	f := func(n int) []float64 { return make([]float64, n) }
	return &Gauge{Drawer: *p.NewDrawer(), l: p.newLook(), a: f(p.s.D), slope: f(p.s.D), along: f(p.K)}
}

const (
	slopeStep  = 0.05 // σ, over which the expected measurement is differentiated
	leastSlope = 0.1  // at the noise floor the measurement says nothing of the signal
)

// Read turns to a row.
func (g *Gauge) Read(row int) {
	p, s := g.p, g.p.s
	p.read(g.l, row)
	v, size := int(p.Grid.Voxel[row]), len(s.Sigma)
	for i := range g.slope {
		g.slope[i] = 1
		if s.Magnitude {
			x := max(s.Denoised[i*size+v]/s.Sigma[v], 0)
			low := max(x-slopeStep, 0)
			g.slope[i] = max(float64((s.expected(x+slopeStep)-s.expected(low))/(x+slopeStep-low)), leastSlope)
		}
	}
}

// Error returns the mean squared error of the estimate along a linear function of
// the clean signal (D coefficients, per unit of the scan) at the row read: by Stein's formula,
//
//	E[(aᵀ(h-x))²] = E[(aᵀ(h-y))²] - aᵀNa + 2·aᵀJNa,
//
// unbiased and very noisy; as draws have it; and aᵀNa, that of the measurement.
func (g *Gauge) Error(a []float64, row int) (stein, drawn, noise float64) {
	p, l := g.p, g.l
	tail, class := p.tail[p.class[row]], p.class[row]
	sigma := float64(p.s.Sigma[p.Grid.Voxel[row]])
	residual, change, probe := 0.0, 0.0, 0.0
	for i, x := range a {
		x *= sigma / g.slope[i]
		g.a[i] = x
		residual += x * float64(l.residual[i])
		change += x * float64(l.change[i])
		probe += x * float64(l.probe[i])
		noise += x * x * float64(l.variance[i]) * p.Noise
		drawn += x * x * tail[i] * tail[i]
	}
	scale := p.scales(row)
	for k := range g.along {
		sum := 0.0
		for i, u := range p.basis[k*p.s.D : (k+1)*p.s.D] {
			sum += g.a[i] * float64(u)
		}
		g.along[k] = scale[p.bandOf(k)] * sum
	}
	clear(g.e)
	for k, x := range g.along {
		fastblas.Axpy(x, p.root[class][k*p.K:(k+1)*p.K], g.e)
	}
	for _, x := range g.e {
		drawn += x * x
	}
	return residual*residual - noise + 2*change*probe, drawn, noise
}
