package posterior_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/posterior"
)

// conjugate is a scan whose voxels are independent draws of N(mean, cov) and the
// exact posterior mean for noise sigma.
type conjugate struct {
	scan  posterior.Scan
	truth []float32
	post  []float64 // D × D: covariance of the posterior, in σ²
}

const dims = 8

// gain is the posterior mean's weight along the one strong axis, of signal
// variance spread σ², and 0 across it.
const spread = 6.0

func newConjugate(seed uint64) *conjugate {
	nx, ny, nz := 40, 40, 12
	size := nx * ny * nz
	c := &conjugate{scan: posterior.Scan{NX: nx, NY: ny, NZ: nz, D: dims, Seed: 3}, truth: make([]float32, size*dims)}
	s := &c.scan
	s.Measured, s.Sigma, s.Mask = make([]float32, size*dims), make([]float32, size), make([]bool, size)
	axis := axis()
	rng := rand.New(rand.NewPCG(seed, 1))
	for v := range size {
		s.Sigma[v], s.Mask[v] = 5, true
		a := rng.NormFloat64() * math.Sqrt(spread)
		for i, u := range axis {
			x := 20 + a*u
			c.truth[i*size+v] = float32(5 * x)
			s.Measured[i*size+v] = float32(5 * (x + rng.NormFloat64()))
		}
	}
	s.Denoised = estimate(s.Measured, size)
	s.Perturb(1)
	s.Moved = estimate(s.Measured, size)
	s.Perturb(-1)
	c.post = make([]float64, dims*dims)
	for i, u := range axis {
		for j, w := range axis {
			c.post[i*dims+j] = u * w * spread / (spread + 1)
		}
	}
	return c
}

func axis() []float64 {
	u := make([]float64, dims)
	n := 0.0
	for i := range u {
		u[i] = float64(i) - 2.5
		n += u[i] * u[i]
	}
	for i := range u {
		u[i] /= math.Sqrt(n)
	}
	return u
}

// estimate is the conditional mean given y, known in closed form.
func estimate(y []float32, size int) []float32 {
	out := make([]float32, len(y))
	u := axis()
	for v := range size {
		along := 0.0
		for i := range u {
			along += u[i] * (float64(y[i*size+v])/5 - 20)
		}
		for i := range u {
			out[i*size+v] = float32(5 * (20 + along*u[i]*spread/(spread+1)))
		}
	}
	return out
}

// For a Gaussian prior the draws' mean and covariance are those of the
// conditional Gaussian, although calibration knows neither prior nor truth.
func TestDrawsMatchConditionalGaussian(t *testing.T) {
	c := newConjugate(11)
	p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{Seed: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if p.K != 1 {
		t.Fatalf("%d components, want 1", p.K)
	}
	d := p.NewDrawer()
	var mean [dims]float64
	var cov [dims * dims]float64
	n := 0.0
	draw, centre := make([]float32, dims), make([]float32, dims)
	for row := 0; row < p.Grid.Len(); row += 7 {
		d.Mean(centre, row)
		for k := range 8 {
			d.Draw(draw, row, k)
			n++
			for i := range dims {
				a := float64(draw[i]-centre[i]) / 5
				mean[i] += a
				for j := range dims {
					cov[i*dims+j] += a * float64(draw[j]-centre[j]) / 5
				}
			}
		}
	}
	for i := range dims {
		if m := mean[i] / n; math.Abs(m) > 4/math.Sqrt(n) {
			t.Errorf("volume %d: draws are off the mean by %.4f σ", i, m)
		}
		for j := range dims {
			got, want := cov[i*dims+j]/n, c.post[i*dims+j]
			// Stein's estimate from 19200 voxels has a standard error of 2/√19200 = 0.015.
			if math.Abs(got-want) > 0.06 {
				t.Errorf("covariance %d,%d = %.3f, want %.3f", i, j, got, want)
			}
		}
	}
}

// The truth lies in 50, 80, 90 and 95 % intervals that often.
func TestCoverage(t *testing.T) {
	c := newConjugate(12)
	p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{})
	if err != nil {
		t.Fatal(err)
	}
	size := len(c.scan.Sigma)
	deviation := make([]float64, dims)
	for _, level := range []struct{ share, z float64 }{{50, 0.674}, {80, 1.282}, {90, 1.645}, {95, 1.960}} {
		in, n := 0.0, 0.0
		for row, v := range p.Grid.Voxel {
			p.Deviation(deviation, row)
			i := dims - 1 // a volume with a large share of the strong axis
			n++
			if math.Abs(float64(c.truth[i*size+int(v)]-c.scan.Denoised[i*size+int(v)]))/5 <= level.z*deviation[i] {
				in++
			}
		}
		if got := 100 * in / n; math.Abs(got-level.share) > 3 {
			t.Errorf("%.0f %% intervals hold the truth in %.1f %%", level.share, got)
		}
	}
}

func TestDrawsDoNotDependOnThreads(t *testing.T) {
	c := newConjugate(13)
	var want []float32
	for _, threads := range []int{1, 3} {
		p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		d, draw := p.NewDrawer(), make([]float32, dims)
		var all []float32
		for row := 0; row < p.Grid.Len(); row += 101 {
			d.Draw(draw, row, 2)
			all = append(all, draw...)
		}
		if want != nil && !slices.Equal(all, want) {
			t.Error("3 threads draw otherwise than 1")
		}
		want = all
	}
}

// Draws of the scan have the covariance of draws of single voxels, and errors of
// neighbours as alike as asked for.
func TestVolumes(t *testing.T) {
	c := newConjugate(14)
	p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{})
	if err != nil {
		t.Fatal(err)
	}
	size, draw := len(c.scan.Sigma), make([]float32, len(c.scan.Denoised))
	for _, smooth := range []posterior.Smoothness{{}, {Share: 1, Width: [3]float64{0.8, 0.8, 0.8}}, {Share: 0.6, Width: [3]float64{1.2, 0.7, 0.9}}} {
		if err := p.Volumes(context.Background(), draw, 0, smooth, 2); err != nil {
			t.Fatal(err)
		}
		again := slices.Clone(draw)
		if err := p.Volumes(context.Background(), again, 0, smooth, 1); err != nil || !slices.Equal(draw, again) {
			t.Errorf("%+v: one thread and two differ (%v)", smooth, err)
		}
		const i = dims - 1 // a volume with a large share of the strong axis
		square, n := 0.0, 0.0
		along, pairs := [3]float64{}, [3]float64{}
		deviation := make([]float64, dims)
		unit := func(r int) float64 {
			p.Deviation(deviation, r)
			v := i*size + int(p.Grid.Voxel[r])
			return float64(draw[v]-c.scan.Denoised[v]) / 5 / deviation[i]
		}
		for r := range p.Grid.Len() {
			e := unit(r)
			square += e * e
			n++
			x, y, z := p.Grid.At(r)
			for axis, q := range []int{p.Grid.RowAt(x+1, y, z), p.Grid.RowAt(x, y+1, z), p.Grid.RowAt(x, y, z+1)} {
				if q >= 0 {
					along[axis] += e * unit(q)
					pairs[axis]++
				}
			}
		}
		if got := square / n; math.Abs(got-1) > 0.06 {
			t.Errorf("%+v: variance %.3f", smooth, got)
		}
		for axis := range along {
			if got, want := along[axis]/pairs[axis], smooth.At(axis, 1); math.Abs(got-want) > 0.05 {
				t.Errorf("%+v: correlation %.3f along axis %d, want %.3f", smooth, got, axis, want)
			}
		}
	}
}

// Independent noise in independent voxels leaves independent errors.
func TestMeasureSmoothnessOfIndependentErrors(t *testing.T) {
	c := newConjugate(16)
	p, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.MeasureSmoothness(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	for axis := range 3 {
		// The noise of 8 volumes against errors along one axis: a standard error of 0.03.
		if got := p.Smooth.At(axis, 1); got > 0.12 {
			t.Errorf("correlation %.3f along axis %d of independent errors", got, axis)
		}
	}
}

func TestMismatchedImages(t *testing.T) {
	c := newConjugate(15)
	c.scan.Moved = c.scan.Moved[1:]
	if _, err := posterior.Calibrate(context.Background(), &c.scan, posterior.Options{}); !errors.Is(err, posterior.ErrScan) {
		t.Errorf("Calibrate = %v, want ErrScan", err)
	}
}
