package posterior

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// Options set a calibration. The zero value is the default.
type Options struct {
	Threads int // 0 means one per core
	Seed    uint64
}

const (
	scanRows   = 20000 // rows that the components are learned from, at most
	parts      = 16    // partial sums, fixed so that sums do not depend on threads
	classes    = 4     // of voxels by the size of their error, each with a covariance of its own
	mostStrong = 60    // components at most
)

// Posterior is the calibrated distribution of the error of a denoised scan.
// Voxel v's error is √scale(v)·L·z along the K strong components, L Lᵀ the
// covariance of v's class, plus independent errors of every volume across them.
type Posterior struct {
	Grid  *signals.Grid
	K     int       // strong components
	Scale []float32 // per row: mean squared error along the components, summed over them, in σ²

	Smooth Smoothness // of errors over neighbours, once MeasureSmoothness has found it

	s     *Scan
	seed  uint64
	basis []float32 // K × D, rows of unit length
	class []uint8   // per row
	root  [classes][]float64
	tail  [classes][]float64 // per volume: standard deviation across the components
}

// Calibrate measures the error of a denoised scan. Its images are kept, not
// copied, and must not change while draws are taken.
func Calibrate(ctx context.Context, s *Scan, o Options) (*Posterior, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &Posterior{Grid: signals.NewGrid(s.NX, s.NY, s.NZ, s.Mask), s: s, seed: o.Seed}
	if p.Grid.Len() == 0 {
		return p, nil
	}
	if err := p.learnBasis(ctx, o.Threads); err != nil {
		return nil, err
	}
	e, err := p.measureEnergy(ctx, o.Threads)
	if err != nil {
		return nil, err
	}
	p.Scale = e.scale(p.Grid, p.counts())
	p.classify()
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

// learnBasis finds the principal components of the measurement above the edge
// of the noise's spectrum, (1+√(D/n))² (Marchenko and Pastur 1967).
func (p *Posterior) learnBasis(ctx context.Context, threads int) error {
	in := p.counts()
	var rows []int
	for r, ok := range in {
		if ok {
			rows = append(rows, r)
		}
	}
	step := max(len(rows)/scanRows, 1)
	d := p.s.D
	n := 0
	sums, products := make([][]float64, parts), make([][]float64, parts)
	err := signals.EachTask(ctx, parts, threads, func(_, part int) error {
		sums[part], products[part] = make([]float64, d), make([]float64, d*d)
		y := make([]float64, d)
		used := (len(rows) + step - 1) / step
		for j := part * used / parts; j < (part+1)*used/parts; j++ {
			v := int(p.Grid.Voxel[rows[j*step]])
			for i := range y {
				y[i] = float64(p.s.Measured[i*len(p.s.Sigma)+v] / p.s.Sigma[v])
				sums[part][i] += y[i]
			}
			addOuter(products[part], y, y)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n = (len(rows) + step - 1) / step
	mean, cov := total(sums), total(products)
	for i := range d {
		for j := range d {
			cov[i*d+j] = (cov[i*d+j] - mean[i]*mean[j]/float64(n)) / float64(max(n-1, 1))
		}
	}
	values := make([]float64, d)
	if !symeig.New(d).Decompose(cov, d, values, cov) {
		return errDecomposition
	}
	edge := math.Pow(1+math.Sqrt(float64(d)/float64(n)), 2)
	for p.K < min(d, mostStrong) && values[p.K] > edge {
		for _, u := range cov[p.K*d : (p.K+1)*d] {
			p.basis = append(p.basis, float32(u))
		}
		p.K++
	}
	return nil
}

func addOuter(dst, a, b []float64) {
	n := len(b)
	for i, x := range a {
		row := dst[i*n : (i+1)*n]
		for j, y := range b {
			row[j] += x * y
		}
	}
}

func total(parts [][]float64) []float64 {
	out := parts[0]
	for _, p := range parts[1:] {
		for i, v := range p {
			out[i] += v
		}
	}
	return out
}

// look is what is known of one voxel, stabilised: the estimate h in terms of
// the expected measurement, the residual h - y, the change of h with the probe
// and the probe.
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
		l.change[i] = (s.expected(s.Moved[i*size+v]*inverse) - m) / probeSize
		l.variance[i] = s.variance(x)
		l.probe[i] = s.probe(v, i, l.variance[i])
	}
	if p.K > 0 {
		for _, pair := range [][2][]float32{{l.h, l.hc}, {l.residual, l.rc}, {l.change, l.cc}, {l.probe, l.bc}} {
			fastblas.Gemv(false, p.K, s.D, 1, p.basis, s.D, pair[0], 0, pair[1])
		}
	}
}

// noiseAlong returns the noise's variance along component k.
func (p *Posterior) noiseAlong(l *look, k int) float32 {
	if !p.s.Magnitude {
		return 1
	}
	sum := float32(0)
	for i, u := range p.basis[k*p.s.D : (k+1)*p.s.D] {
		sum += u * u * l.variance[i]
	}
	return sum
}
