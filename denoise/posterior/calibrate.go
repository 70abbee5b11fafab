package posterior

import (
	"context"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Options set a calibration. The zero value is the default.
type Options struct {
	Threads     int // 0 means one per core
	Seed        uint64
	Table       *gradients.Table // of the scan; without it errors are looked for along principal components alone
	B0Threshold float64          // s/mm²; 0 means gradients.DefaultB0Threshold
}

const (
	scanRows       = 20000 // rows that the components are learned from, at most
	parts          = 16    // partial sums, fixed so that sums do not depend on threads
	classes        = 4     // of voxels by the size of their error, each with a covariance of its own
	mostComponents = 60    // off the harmonics, at most
)

// bands of the basis: what is isotropic or of second degree in each shell, with
// the components; and harmonics of higher degree. The size of the error in
// one says little about that in the other.
const bands = 2

// Posterior is the calibrated distribution of the error of a denoised scan.
// Voxel v's error along the K directions of the basis is √scale(v)·L·z, L Lᵀ the
// covariance of v's class and scale a number for each band, plus independent
// errors of every volume across them.
type Posterior struct {
	Grid  *signals.Grid
	K     int              // directions of the basis
	Scale [bands][]float32 // per row: mean squared error along the band's directions, summed over them, in σ²
	Noise float64          // variance of the noise in units of the map's, from where next to nothing but noise is

	Smooth Smoothness // of errors over neighbours, once MeasureSmoothness has found it

	s     *Scan
	seed  uint64
	basis []float32 // K × D, rows of unit length
	group []int     // per direction: shell and degree of the harmonic, or component
	class []uint8   // per row
	root  [classes][]float64
	tail  [classes][]float64 // per volume: standard deviation across the components
}

// Calibrate measures the error of a denoised scan. The scan is kept, not copied:
// its estimate must not change while draws are taken; Measured and Moved are no
// longer needed.
func Calibrate(ctx context.Context, s *Scan, o Options) (*Posterior, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if o.B0Threshold == 0 {
		o.B0Threshold = gradients.DefaultB0Threshold
	}
	p := &Posterior{Grid: signals.NewGrid(s.NX, s.NY, s.NZ, s.Mask), s: s, seed: o.Seed, Noise: 1}
	if p.Grid.Len() == 0 {
		return p, nil
	}
	if err := p.learnBasis(ctx, o); err != nil {
		return nil, err
	}
	if err := p.measureNoise(ctx, o.Threads); err != nil {
		return nil, err
	}
	e, err := p.measureEnergy(ctx, o)
	if err != nil {
		return nil, err
	}
	for b := range bands {
		p.Scale[b] = e.scale(b, p.Grid, p.counts())
	}
	p.classify(e.spread)
	if err := p.measureCovariance(ctx, o.Threads); err != nil {
		return nil, err
	}
	return p, p.alignRoots()
}

// counts tells which rows statistics are taken on.
func (p *Posterior) counts() []bool {
	in := make([]bool, p.Grid.Len())
	any := false
	for r, v := range p.Grid.Voxel {
		in[r] = p.s.Foreground == nil || p.s.Foreground[v]
		any = any || in[r]
	}
	if !any {
		for r := range in {
			in[r] = true
		}
	}
	return in
}

// look is what is known of one voxel, stabilised: the estimate h in terms of
// the expected measurement, the residual h - y, the change of h with the probe and
// the probe, the product of these two scaled to the noise.
type look struct {
	h, residual, change, probe, variance []float32 // D
	hc, rc, cc, bc                       []float32 // K: the same along the components
}

func (p *Posterior) newLook() *look {
	d, k := p.s.D, p.K
	f := func(n int) []float32 { return make([]float32, n) }
	return &look{f(d), f(d), f(d), f(d), f(d), f(k), f(k), f(k), f(k)}
}

// read fills in the look at a row.
func (p *Posterior) read(l *look, r int) {
	s := p.s
	v, size := int(p.Grid.Voxel[r]), len(s.Sigma)
	inverse := 1 / s.Sigma[v]
	for i := range s.D {
		x := s.Denoised[i*size+v] * inverse
		m := s.expected(x)
		l.h[i] = m
		l.residual[i] = m - s.Measured[i*size+v]*inverse
		l.change[i] = (s.expected(s.Moved[i*size+v]*inverse) - m) / probeSize * float32(p.Noise)
		l.variance[i] = s.variance(x)
		l.probe[i] = s.probe(v, i, l.variance[i])
	}
	if p.K > 0 {
		for _, pair := range [][2][]float32{{l.h, l.hc}, {l.residual, l.rc}, {l.change, l.cc}, {l.probe, l.bc}} {
			fastblas.Gemv(false, p.K, s.D, 1, p.basis, s.D, pair[0], 0, pair[1])
		}
	}
}

// bandOf returns the band of direction k.
func (p *Posterior) bandOf(k int) int {
	if g := p.group[k]; g == component || g%(highestDegree+1) <= lowDegree {
		return 0
	}
	return 1
}

// noiseAlong returns the noise's variance along direction k.
func (p *Posterior) noiseAlong(l *look, k int) float32 {
	if !p.s.Magnitude {
		return float32(p.Noise)
	}
	sum := float32(0)
	for i, u := range p.basis[k*p.s.D : (k+1)*p.s.D] {
		sum += u * u * l.variance[i]
	}
	return sum * float32(p.Noise)
}
