package noise

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// What real scans come with must not move the map as a whole: an outlier
// volume, lost and copied volumes, a few very bright voxels, strongly varying σ.
func TestEstimateWithstands(t *testing.T) {
	for name, c := range map[string]struct {
		ratio float64
		spoil func(row []float32, r int)
		bias  float64
		peak  float64 // bias where σ is largest
		least int     // components
	}{
		"nothing":       {1, func([]float32, int) {}, 0.015, 0.03, 10},
		"lost volumes":  {1, func(row []float32, _ int) { row[7], row[21] = 0, 12 }, 0.015, 0.03, 10},
		"copied volume": {1, func(row []float32, _ int) { row[7] = row[3] }, 0.015, 0.03, 10},
		"bright voxels": {1, func(row []float32, r int) {
			if r%997 == 0 {
				for i := range row {
					row[i] *= 1000
				}
			}
		}, 0.02, 0.03, 10},
		"one volume of ten times the signal": {1, func(row []float32, _ int) { row[7] *= 10 }, 0.02, 0.03, 10},
		"σ four to one":                      {4, func([]float32, int) {}, 0.05, 0.05, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s, want := scan{32, 32, 10, 30, 4, 20, c.ratio, false, 3, false}.make()
			for r := range s.Len() {
				c.spoil(s.Row(r), r)
			}
			m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if bias, _ := relative(m.Sigma, want); math.Abs(bias) > c.bias {
				t.Errorf("bias %+.3f, want within %.3f", bias, c.bias)
			}
			// Where σ is largest, too.
			top := slices.Max(want)
			var high, highWant []float32
			for r, w := range want {
				if w > 0.9*top {
					high, highWant = append(high, m.Sigma[r]), append(highWant, w)
				}
			}
			if bias, _ := relative(high, highWant); math.Abs(bias) > c.peak {
				t.Errorf("bias %+.3f where σ is largest", bias)
			}
			if m.Signal < 0 || m.Components < c.least || m.Components+m.Signal > m.Volumes {
				t.Errorf("%d components of noise and %d of signal of %d", m.Components, m.Signal, m.Volumes)
			}
		})
	}
}

// A series in which every volume stands twice reads the σ of one, and says so.
func TestEstimateOfDoubledVolumes(t *testing.T) {
	one, want := scan{28, 28, 10, 12, 3, 20, 1, false, 5, false}.make()
	twice := signals.New(one.Grid, 2*one.D)
	for r := range one.Len() {
		copy(twice.Row(r), one.Row(r))
		copy(twice.Row(r)[one.D:], one.Row(r))
	}
	m, err := Estimate(t.Context(), twice, everywhere(twice.Len()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if bias, _ := relative(m.Sigma, want); math.Abs(bias) > 0.02 || m.Copies != one.D {
		t.Errorf("bias %+.3f with %d copies, want %d", bias, m.Copies, one.D)
	}
}

// Voxels left out at random are in no difference; one far from all others gets
// the median; where the image has no noise at all, σ stays above zero.
func TestEstimateWithGaps(t *testing.T) {
	const nx, ny, nz, d = 70, 16, 10, 16
	rng := rand.New(rand.NewPCG(6, 6))
	keep := make([]bool, nx*ny*nz)
	for v := range keep {
		x := v % nx
		keep[v] = x < 24 && rng.Float64() < 0.85 || x >= 36 && x < 50 || v == nx-1
	}
	s := signals.New(signals.NewGrid(nx, ny, nz, keep), d)
	foreground := make([]bool, s.Len())
	for r := range s.Len() {
		x, _, _ := s.At(r)
		foreground[r] = x < 24
		for i := range s.Row(r) {
			s.Row(r)[i] = float32(100 * i)
			if x < 24 || x >= 50 {
				s.Row(r)[i] += float32(10 * rng.NormFloat64())
			}
		}
	}
	m, err := Estimate(t.Context(), s, foreground, Options{})
	if err != nil {
		t.Fatal(err)
	}
	median := m.Median(foreground)
	if math.Abs(median/10-1) > 0.02 {
		t.Errorf("σ = %v in the part with noise, want 10", median)
	}
	for r, sigma := range m.Sigma {
		x, _, _ := s.At(r)
		switch {
		case x == 45 && math.Abs(float64(sigma)/median-0.05) > 1e-3:
			t.Fatalf("σ = %v where there is no noise, want 0.05 of the median", sigma)
		case x == nx-1 && math.Abs(float64(sigma)/10-1) > 0.1:
			t.Errorf("σ = %v at a voxel far from all others, want the median", sigma)
		}
	}
}

// Structure outside the foreground, which the components do not know, does not
// count against them.
func TestEstimateIgnoresStructureOutside(t *testing.T) {
	s, want := scan{36, 36, 8, 20, 3, 20, 1, false, 4, false}.make()
	foreground := make([]bool, s.Len())
	rng := rand.New(rand.NewPCG(1, 9))
	odd := make([]float32, s.D)
	for i := range odd {
		odd[i] = float32(40 * rng.NormFloat64())
	}
	for r := range s.Len() {
		x, y, z := s.At(r)
		if foreground[r] = x < 18; !foreground[r] && (x+y+z)%2 == 0 {
			for i := range s.Row(r) {
				s.Row(r)[i] += odd[i]
			}
		}
	}
	m, err := Estimate(t.Context(), s, foreground, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Components != 10 {
		t.Errorf("%d components, want half of 20", m.Components)
	}
	for r := range foreground { // beyond the reach of the smoothing window
		x, _, _ := s.At(r)
		foreground[r] = x < 7
	}
	if math.Abs(m.Median(foreground)/float64(want[0])-1) > 0.03 {
		t.Errorf("σ = %v, want %v", m.Median(foreground), want[0])
	}
}

// Smoothing is a weighted mean: G*(value·weight)/G*weight.
func TestSmootherByDefinition(t *testing.T) {
	const nx, ny, nz, sd = 5, 4, 3, 1.2
	rng := rand.New(rand.NewPCG(1, 9))
	value, weight := make([]float32, nx*ny*nz), make([]float32, nx*ny*nz)
	for v := range value {
		value[v], weight[v] = rng.Float32(), max(rng.Float32()-0.3, 0)
	}
	g := signals.NewGrid(nx, ny, nz, nil)
	got := make([]float32, len(value))
	newSmoother(g, weight, sd, [3]int{0, 1, 0}).smooth(got, value)
	for v := range got {
		var sum, near float64
		for u := range value {
			dx, dy, dz := u%nx-v%nx, u/nx%ny-v/nx%ny, u/(nx*ny)-v/(nx*ny)
			fy := float64(dy) + 0.5
			w := math.Exp(-(float64(dx*dx)+fy*fy+float64(dz*dz))/(2*sd*sd)) * float64(weight[u])
			sum, near = sum+w*float64(value[u]), near+w
		}
		if math.Abs(float64(got[v])-sum/near) > 1e-5 {
			t.Fatalf("voxel %d: %v, want %v", v, got[v], sum/near)
		}
	}
}

// Images one voxel thick are split into folds along their other axis.
func TestEstimateTakesThinImages(t *testing.T) {
	for _, shape := range [][3]int{{1, 30, 30}, {30, 1, 30}, {30, 30, 1}, {3, 30, 10}, {60, 3, 6}} {
		for _, d := range []int{12, 160} {
			s, want := scan{shape[0], shape[1], shape[2], d, 2, 20, 1, false, 3, false}.make()
			m, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{})
			if err != nil {
				t.Fatalf("%v × %d: %v", shape, d, err)
			}
			if bias, _ := relative(m.Sigma, want); math.Abs(bias) > 0.1 {
				t.Errorf("%v × %d: bias %+.3f", shape, d, bias)
			}
		}
	}
}

// An image too small to be split, with too few voxels for its volumes, has no
// σ rather than one next to zero.
func TestEstimateRefusesTinyImages(t *testing.T) {
	for _, c := range []struct{ nx, ny, nz, d int }{{1, 1, 1, 5}, {2, 2, 2, 20}, {1, 1, 30, 30}, {3, 3, 3, 7}} {
		s, _ := scan{c.nx, c.ny, c.nz, c.d, 1, 20, 1, false, 3, false}.make()
		if _, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{}); !errors.Is(err, ErrNoNoise) {
			t.Errorf("%+v: err = %v, want ErrNoNoise", c, err)
		}
	}
	s, _ := scan{3, 3, 12, 6, 1, 20, 1, false, 3, false}.make()
	if _, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{}); err != nil {
		t.Errorf("3×3×12 × 6: %v", err)
	}
	few := everywhere(s.Len())
	clear(few[20:])
	if _, err := Estimate(t.Context(), s, few, Options{}); !errors.Is(err, ErrNoNoise) {
		t.Errorf("3×3×12 × 6 with 20 voxels of foreground: err = %v, want ErrNoNoise", err)
	}
}

// Whatever the unit, σ follows the image over a hundred binary orders.
func TestEstimateInAnyUnit(t *testing.T) {
	s, _ := scan{14, 14, 5, 12, 2, 10, 1, true, 8, false}.make()
	original := slices.Clone(s.Values)
	one, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, exponent := range []int{-50, -20, 30, 50} {
		unit := float32(math.Ldexp(1, exponent))
		for i, v := range original {
			s.Values[i] = v * unit
		}
		many, err := Estimate(t.Context(), s, everywhere(s.Len()), Options{Magnitude: true})
		if err != nil {
			t.Fatal(err)
		}
		for r := range one.Sigma {
			if q := many.Sigma[r] / one.Sigma[r] / unit; q < 0.999 || q > 1.001 {
				t.Fatalf("σ of the image times 2^%d is %v times as large", exponent, q)
			}
		}
	}
}

// E[min(x, top)] of the mean x of k squared standard normal numbers, drawn.
func TestClippedMeanBySimulation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, c := range []struct {
		k   int
		top float64
	}{{1, 2}, {3, 1.5}, {20, 1.2}} {
		const n = 200000
		sum := 0.0
		for range n {
			x := 0.0
			for range c.k {
				v := rng.NormFloat64()
				x += v * v / float64(c.k)
			}
			sum += min(x, c.top)
		}
		if got := clippedMean(c.k, c.top); math.Abs(got-sum/n) > 5/math.Sqrt(n) {
			t.Errorf("clippedMean(%d, %v) = %.4f, simulated %.4f", c.k, c.top, got, sum/n)
		}
	}
}
