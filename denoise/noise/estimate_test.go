package noise

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// scan is a smooth low-rank scan with noise of known strength.
type scan struct {
	nx, ny, nz, d int
	rank          int     // smooth maps behind the signal
	snr           float64 // signal level over σ
	ratio         float64 // σ at the centre over σ at the rim; 1 is constant
	magnitude     bool
	seed          uint64
	noiseFree     bool
}

// make returns the signals and the true σ per row; the mean σ is 10.
func (c scan) make() (*signals.Signals, []float32) {
	g := signals.NewGrid(c.nx, c.ny, c.nz, nil)
	s := signals.New(g, c.d)
	rng := rand.New(rand.NewPCG(c.seed, 99))
	type wave struct{ fx, fy, fz, phase float64 }
	waves := make([]wave, c.rank)
	loading := make([]float64, c.rank*c.d)
	for k := range waves {
		waves[k] = wave{2 + 4*rng.Float64(), 2 + 4*rng.Float64(), 2 + 4*rng.Float64(), 6 * rng.Float64()}
		for i := range c.d {
			loading[k*c.d+i] = rng.NormFloat64() / float64(1+k)
		}
	}
	sigma := make([]float32, g.Len())
	for r := range g.Len() {
		x, y, z := g.At(r)
		ux, uy, uz := float64(x)/float64(c.nx)-0.5, float64(y)/float64(c.ny)-0.5, float64(z)/float64(c.nz)-0.5
		sigma[r] = float32(10 * (1 + (c.ratio-1)*(1-min(1, 2*(ux*ux+uy*uy+uz*uz)))))
		row := s.Row(r)
		for i := range row {
			v := 10 * c.snr * (0.6 + 0.4*math.Cos(float64(i)))
			for k, w := range waves {
				v += 2 * c.snr * loading[k*c.d+i] * math.Sin(w.fx*ux+w.fy*uy+w.fz*uz+w.phase)
			}
			if c.noiseFree {
				row[i] = float32(v)
				continue
			}
			n := float64(sigma[r]) * rng.NormFloat64()
			if c.magnitude {
				row[i] = float32(math.Hypot(max(v, 0)+n, float64(sigma[r])*rng.NormFloat64()))
			} else {
				row[i] = float32(v + n)
			}
		}
	}
	return s, sigma
}

// clean returns the signals without noise.
func (c scan) clean() (*signals.Signals, []float32) {
	c.noiseFree = true
	return c.make()
}

// errors returns the median signed and absolute relative error of a map.
func relative(got, want []float32) (bias, spread float64) {
	r, a := make([]float64, len(got)), make([]float64, len(got))
	for i := range got {
		r[i] = float64(got[i]/want[i]) - 1
		a[i] = math.Abs(r[i])
	}
	slices.Sort(r)
	slices.Sort(a)
	return r[len(r)/2], a[len(a)/2]
}

func everywhere(n int) []bool { return slices.Repeat([]bool{true}, n) }

// The median error stays within the stated bounds for the numbers of volumes in
// use, Gaussian and magnitude, constant and varying σ (which the smoothing
// window flattens a little); selecting the smallest components leaves no bias
// above 1.5 %.
func TestEstimateMeasuresKnownNoise(t *testing.T) {
	cases := map[string]struct {
		scan   scan
		spread float64
		bias   float64
	}{
		"33 volumes, constant":       {scan{32, 32, 16, 33, 5, 20, 1, false, 1, false}, 0.03, 0.015},
		"70 volumes, SNR 5":          {scan{32, 32, 12, 70, 5, 5, 1, false, 2, false}, 0.03, 0.015},
		"21 volumes, varying 2:1":    {scan{40, 40, 20, 21, 4, 20, 2, false, 3, false}, 0.05, 0.02},
		"70 volumes, magnitude":      {scan{32, 32, 12, 70, 5, 10, 1, true, 4, false}, 0.03, 0.03},
		"magnitude at the floor":     {scan{32, 32, 12, 40, 3, 1.5, 1, true, 5, false}, 0.04, 0.03},
		"13 volumes":                 {scan{32, 32, 16, 13, 2, 30, 1, false, 6, false}, 0.04, 0.02},
		"107 volumes, 5 slices":      {scan{16, 16, 5, 107, 5, 20, 1, false, 7, false}, 0.05, 0.02},
		"one slice":                  {scan{48, 48, 1, 30, 3, 20, 1, false, 8, false}, 0.05, 0.02},
		"more volumes than a corner": {scan{12, 12, 6, 150, 4, 20, 1, false, 9, false}, 0.05, 0.03},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, want := c.scan.make()
			m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: c.scan.magnitude})
			if err != nil {
				t.Fatal(err)
			}
			bias, spread := relative(m.Sigma, want)
			if math.Abs(bias) > c.bias || spread > c.spread {
				t.Errorf("median error %+.3f, median absolute error %.3f; want within %.3f and %.3f (%d components)", bias, spread, c.bias, c.spread, m.Components)
			}
		})
	}
}

// On a magnitude scan at low SNR the map is clearly too low without the
// correction: the correction is what makes the test above pass.
func TestEstimateWithoutFloorCorrectionReadsLow(t *testing.T) {
	s, want := scan{32, 32, 12, 40, 3, 1.5, 1, true, 5, false}.make()
	m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bias, _ := relative(m.Sigma, want); bias > -0.1 {
		t.Errorf("uncorrected bias %+.3f, expected below -0.1", bias)
	}
}

// The foreground may be a small part of the field of view, far from its corner.
func TestEstimateFindsASmallForeground(t *testing.T) {
	s, want := scan{64, 64, 16, 20, 3, 20, 1, false, 4, false}.make()
	foreground := make([]bool, s.Len())
	for r := range foreground {
		x, y, z := s.At(r)
		foreground[r] = x >= 27 && x < 41 && y >= 30 && y < 44 && z >= 4 && z < 12
	}
	m, err := Estimate(t.Context(), s, foreground, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bias, spread := relative(m.Sigma, want); math.Abs(bias) > 0.03 || spread > 0.05 {
		t.Errorf("bias %+.3f, median error %.3f", bias, spread)
	}
}

// Pure noise has no component that stands out; the floor correction must find
// the full σ from the floor alone.
func TestEstimateMeasuresPureMagnitudeNoise(t *testing.T) {
	s, want := scan{24, 24, 10, 20, 1, 1e-6, 1, true, 4, false}.make()
	m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	if bias, _ := relative(m.Sigma, want); math.Abs(bias) > 0.05 {
		t.Errorf("bias %+.3f", bias)
	}
}

func TestEstimateTakesFewVolumes(t *testing.T) {
	for _, d := range []int{2, 3, 5, 7} {
		s, want := scan{24, 24, 8, d, 1, 20, 1, false, 3, false}.make()
		m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{})
		if err != nil {
			t.Fatalf("%d volumes: %v", d, err)
		}
		if bias, _ := relative(m.Sigma, want); math.Abs(bias) > 0.1 {
			t.Errorf("%d volumes: bias %+.3f", d, bias)
		}
	}
}

func TestEstimateDoesNotDependOnThreads(t *testing.T) {
	s, _ := scan{20, 22, 9, 25, 3, 10, 2, true, 8, false}.make()
	var first []float32
	for _, threads := range []int{1, 2, 5} {
		m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true, Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = m.Sigma
		} else if !slices.Equal(first, m.Sigma) {
			t.Errorf("%d threads change the noise map", threads)
		}
	}
}

func TestEstimateScalesWithTheImage(t *testing.T) {
	s, _ := scan{20, 22, 9, 25, 3, 10, 1, true, 8, false}.make()
	one, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Values {
		s.Values[i] *= 1024
	}
	many, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	for r := range one.Sigma {
		if q := many.Sigma[r] / one.Sigma[r] / 1024; q < 0.999 || q > 1.001 {
			t.Fatalf("σ of the image times 1024 is %v times σ·1024", q)
		}
	}
}

func TestEstimateRefusesNoiseFreeScans(t *testing.T) {
	s := signals.New(signals.NewGrid(12, 12, 4, nil), 10)
	for r := range s.Len() {
		for i := range s.Row(r) {
			s.Row(r)[i] = float32(i * 100)
		}
	}
	if _, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{}); !errors.Is(err, ErrNoNoise) {
		t.Errorf("noise-free scan: err = %v, want ErrNoNoise", err)
	}
	if _, err := Estimate(t.Context(), s, make([]bool, s.Len()), Options{}); !errors.Is(err, ErrNoNoise) {
		t.Errorf("empty foreground: err = %v, want ErrNoNoise", err)
	}
}

func TestEstimateStopsWhenCancelled(t *testing.T) {
	s, _ := scan{20, 22, 9, 25, 3, 10, 1, false, 8, false}.make()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Estimate(ctx, s, everywhere(s.Len()), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

// White noise gives Haar coefficients of its own standard deviation, and a
// field linear along any axis gives none.
func TestHaarCoefficientsByDefinition(t *testing.T) {
	for _, shape := range [][3]int{{12, 12, 6}, {12, 12, 1}, {12, 1, 5}} {
		g := signals.NewGrid(shape[0], shape[1], shape[2], nil)
		s := signals.New(g, 1)
		for r := range s.Len() {
			x, y, z := g.At(r)
			s.Row(r)[0] = float32(3*x + 5*y - 2*z)
			if shape[2] > 1 && shape[1] > 1 {
				s.Row(r)[0] += float32(x*y + y*z)
			}
		}
		e := &estimator{s: s, volumes: []int{0}, mean: []float64{0}, folds: tiling{g.NX, g.NY, 1, 1}}
		n := 0
		e.newHaar(1).each(column{0, g.NX, 0, g.NY, 0}, basis{[]float32{1}, 1}, func(_ int, coef []float32) {
			n++
			if math.Abs(float64(coef[0])) > 1e-3 {
				t.Errorf("shape %v: smooth field gives coefficient %v", shape, coef[0])
			}
		})
		want := max(g.NX-1, 1) * max(g.NY-1, 1) * max(g.NZ-1, 1)
		if n != want {
			t.Errorf("shape %v: %d coefficients, want %d", shape, n, want)
		}
	}
}

func BenchmarkEstimate(b *testing.B) {
	for _, d := range []int{70, 288} {
		b.Run(strconv.Itoa(d), func(b *testing.B) {
			s, _ := scan{64, 64, 12, d, 5, 20, 1, true, 1, false}.make()
			foreground := everywhere(s.Len())
			for b.Loop() {
				if _, err := Estimate(b.Context(), s, foreground, Options{Magnitude: true, Threads: 1}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(s.Len()*s.D*b.N)/b.Elapsed().Seconds(), "voxel-volumes/s")
		})
	}
}

func BenchmarkSmooth(b *testing.B) {
	g := signals.NewGrid(64, 64, 24, nil)
	value, weight := make([]float32, g.Len()), make([]float32, g.Len())
	for r := range value {
		value[r], weight[r] = float32(r%7), 1
	}
	sm := newSmoother(g, weight, 2, [3]int{1, 1, 1})
	b.SetBytes(4 * int64(g.Len()))
	for b.Loop() {
		sm.smooth(value, value)
	}
}

func BenchmarkTrend(b *testing.B) {
	s, _ := scan{48, 48, 12, 1, 1, 20, 1, false, 1, false}.make()
	e := &estimator{s: s, foreground: everywhere(s.Len()), k: 20}
	weight := slices.Repeat([]float32{1}, s.Len())
	for b.Loop() {
		e.trend(s.Values, weight)
	}
}

// In thin dark fluid, whose neighbours are bright, σ is right as well: a
// difference of magnitudes has the variance of all the voxels it is made of.
func TestEstimateInDarkFluid(t *testing.T) {
	p := newSubject(t, firstVolumes(t, 70), [3]int{48, 48, 18}, 1)
	s, sigma := p.scan(10, true, false)
	m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	size := p.nx * p.ny * p.nz
	bias, dark := 0.0, 0
	for r, v := range s.Voxel {
		below := 0
		for i := range p.nt {
			if p.truth[i*size+int(v)] < sigma[r] {
				below++
			}
		}
		if below > p.nt/2 {
			bias += float64(m.Sigma[r]/sigma[r]) - 1
			dark++
		}
	}
	if dark < 100 {
		t.Fatalf("%d dark voxels", dark)
	}
	bias /= float64(dark)
	t.Logf("%d dark voxels, bias %.4f", dark, bias)
	if math.Abs(bias) > 0.04 {
		t.Errorf("σ in %d dark voxels is off by %+.3f on average", dark, bias)
	}
}
