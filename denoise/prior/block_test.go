package prior

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// The mean of a block is shrunk along a scan component of variance v by
// v/(v+σ²/n), with v never less than the mean itself proves, c²-4σ²/n; what lies
// across all components is dropped.
func TestBlockMeanByDefinition(t *testing.T) {
	s := &scanGaussian{mean: []float64{10, 20, 30}, vectors: []float64{0.6, 0.8, 0, 0, 0, 1}, variance: []float64{2, 0.5}}
	const n, sigma = 25, 1.5
	const noise = sigma * sigma / n
	for _, c := range [][3]float64{{0.4, -0.3, 1}, {-5, 0.1, 0}, {9, 9, 0}, {0, 0, 3}} {
		u := [3][3]float64{{0.6, 0.8, 0}, {0, 0, 1}, {0.8, -0.6, 0}} // the last is no component
		mean, want := []float64{10, 20, 30}, []float64{10, 20, 30}
		for k, v := range []float64{2, 0.5, 0} {
			f := 0.0
			if v > 0 {
				v = max(v, c[k]*c[k]-4*noise)
				f = v / (v + noise)
			}
			for i := range mean {
				mean[i] += c[k] * u[k][i]
				want[i] += f * c[k] * u[k][i]
			}
		}
		s.blockMean(mean, make([]float64, 3), n, sigma)
		for i := range mean {
			if math.Abs(mean[i]-want[i]) > 1e-12 {
				t.Errorf("coefficients %v: mean %v, want %v", c, mean, want)
				break
			}
		}
	}
}

// Signals of variance v along one direction plus noise: the scan's Gaussian has
// that direction, v without the noise, and no other component.
func TestWholeScanByDefinition(t *testing.T) {
	const d, n, sigma, f = 8, 50000, 1.5, 2.0
	rng := rand.New(rand.NewPCG(2, 2))
	x := make([]float32, n*d)
	for r := range n {
		c := math.Sqrt(3) * rng.NormFloat64()
		for i := range d {
			v := float64(i) + c/math.Sqrt(d)*float64(1-2*(i%2)) + sigma*rng.NormFloat64()
			x[r*d+i] = float32(v / f)
		}
	}
	s, err := wholeScan(t.Context(), x, d, f, sigma, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.variance) != 1 || math.Abs(s.variance[0]/3-1) > 0.1 {
		t.Fatalf("variances %v, want one of 3", s.variance)
	}
	for i := range d {
		if math.Abs(math.Abs(s.vectors[i])-1/math.Sqrt(d)) > 0.03 || math.Abs(s.mean[i]-float64(i)) > 0.05 {
			t.Errorf("direction %d: mean %v, component %v", i, s.mean[i], s.vectors[i])
		}
	}
}

// Centring takes one degree of freedom: two voxels make a matrix of one row,
// with the Marchenko-Pastur edge of one.
func TestBlockOfTwoVoxels(t *testing.T) {
	const d = 8
	grid := signals.NewGrid(2, 1, 1, nil)
	for _, c := range []struct {
		eigenvalue float64
		rank       int
	}{{14, 0}, {16, 1}} { // edge (1+√(1/8))²·8 = 14.7, with two rows 18
		w := newBlockWork(d, [3]int{5, 5, 5}, &scanGaussian{mean: make([]float64, d)})
		x := make([]float32, 2*d)
		x[3] = float32(math.Sqrt(2 * c.eigenvalue))
		err := signals.Tiling{Extent: [3]int{5, 5, 5}, Stride: 5}.Each(t.Context(), grid, 1, nil, func(_ int, b *signals.Block) error {
			return w.learn(x, b, 1, 1)
		})
		if err != nil || w.rank != c.rank {
			t.Errorf("eigenvalue %v: rank %d, want %d (err %v)", c.eigenvalue, w.rank, c.rank, err)
		}
	}
}

// An estimate counts with 1/(1+rank) times the raised cosine of its place.
func TestBlockWeights(t *testing.T) {
	const d = 2
	w := newBlockWork(d, [3]int{5, 3, 1}, &scanGaussian{})
	w.rank, w.rows = 3, 2
	copy(w.a, []float64{1, 2, 30, 40})
	b := &signals.Block{Rows: []int32{1, 0}, Offset: []int8{0, 0, 0, -1, 1, 0}}
	sum, weight := []float32{5, 5, 0, 0}, []float32{1, 0}
	w.add(sum, weight, b)
	edge := 0.25 * (0.5 + 0.5*math.Cos(math.Pi/3)) * 0.5
	for i, want := range []float64{5 + 30*edge, 5 + 40*edge, 0.25, 0.5} {
		if math.Abs(float64(sum[i])-want) > 1e-6 {
			t.Errorf("sum %v, want %v at %d", sum, want, i)
		}
	}
	if math.Abs(float64(weight[0])-1-edge) > 1e-6 || weight[1] != 0.25 {
		t.Errorf("weight %v, want %v and 0.25", weight, 1+edge)
	}
}
