package prior

import (
	"math"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// The mean of a block is shrunk along a scan component of variance v by
// v/(v+σ²/n), with v never less than the mean itself proves, c²-4σ²/n.
func TestBlockMeanByDefinition(t *testing.T) {
	s := &subspace{variance: []float64{2, 0.5}}
	const n, sigma = 25, 1.5
	const noise = sigma * sigma / n
	for _, c := range [][2]float64{{0.4, -0.3}, {-5, 0.1}, {9, 9}, {0, 0}} {
		mean := []float64{c[0], c[1]}
		s.blockMean(mean, n, sigma)
		for k, v := range s.variance {
			v = max(v, c[k]*c[k]-4*noise)
			if want := c[k] * v / (v + noise); math.Abs(mean[k]-want) > 1e-12 {
				t.Errorf("coefficients %v: %v along component %d, want %v", c, mean[k], k, want)
			}
		}
	}
}

// Centring takes one degree of freedom: two voxels make a matrix of one row,
// with the Marchenko-Pastur edge of one.
func TestBlockOfTwoVoxels(t *testing.T) {
	const k = 8
	grid := signals.NewGrid(2, 1, 1, nil)
	for _, c := range []struct {
		eigenvalue float64
		rank       int
	}{{14, 0}, {16, 1}} { // edge (1+√(1/8))²·8 = 14.7, with two rows 18
		w := newLocalWork(&subspace{k: k, variance: make([]float64, k)}, cube(5))
		z := make([]float32, 2*k)
		z[3] = float32(math.Sqrt(2 * c.eigenvalue))
		err := signals.Tiling{Extent: cube(5), Stride: 5}.Each(t.Context(), grid, 1, nil, func(_ int, b *signals.Block) error {
			return w.learn(z, b)
		})
		if err != nil || w.rank != c.rank {
			t.Errorf("eigenvalue %v: rank %d, want %d (err %v)", c.eigenvalue, w.rank, c.rank, err)
		}
	}
}

// A kept direction of weight f at unit noise is a variance v with f = v/(v+1),
// which weighs v/(v+σ²) at other noise; at unit noise the block's own Gaussian
// gives back the optimally shrunk block.
func TestBlockEstimateByDefinition(t *testing.T) {
	const k, n = 3, 27
	_, noisy := smooth(3, 3, 3, k, 1, 4)
	sub := &subspace{k: k, variance: []float64{1e9, 1e9, 1e9}} // leaves the mean alone
	w := newLocalWork(sub, cube(3))
	for _, sigma := range []float64{1, 0.3, 5} {
		err := signals.Tiling{Extent: cube(3), Stride: 3, Shift: 1}.Each(t.Context(), noisy.Grid, 1, nil, func(_ int, b *signals.Block) error {
			if err := w.learn(noisy.Values, b); err != nil {
				return err
			}
			centred := append([]float32{}, w.a[:n*k]...)
			mean := append([]float64{}, w.raw...)
			if w.rank != 1 {
				t.Fatalf("rank %d, want 1", w.rank)
			}
			var f [k]float64
			shrinkSingular(f[:], w.values, 1, n-1, k)
			v := f[0] / (1 - f[0])
			w.estimate(noisy.Values, b, sigma)
			for j := range n {
				c := 0.0
				for i := range k {
					c += float64(centred[j*k+i]) * w.vectors[i]
				}
				for i := range k {
					want := mean[i] + c*v/(v+sigma*sigma)*w.vectors[i]
					if math.Abs(float64(w.a[j*k+i])-want) > 1e-3 {
						t.Fatalf("σ %v, voxel %d component %d: %v, want %v", sigma, j, i, w.a[j*k+i], want)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// An estimate counts with 1/(1+rank) times the raised cosine of its place.
func TestBlockWeights(t *testing.T) {
	const k = 2
	w := newLocalWork(&subspace{k: k}, [3]int{5, 3, 1})
	w.rank = 3
	copy(w.a, []float32{1, 2, 30, 40})
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

func BenchmarkLocal(b *testing.B) {
	for _, k := range []int{8, 16, 32} {
		b.Run("24x24x12/K="+map[int]string{8: "8", 16: "16", 32: "32"}[k], func(b *testing.B) {
			_, z := smooth(24, 24, 12, k, 4, 1)
			sub := &subspace{k: k, variance: make([]float64, k)}
			l := &local{grid: z.Grid, sub: sub, arrays: signals.Heap{}, tiling: signals.Tiling{Extent: cube(5), Stride: 2}, threads: 1}
			for b.Loop() {
				if _, err := l.estimate(b.Context(), z.Values, z.Values, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(z.Len()*b.N)/b.Elapsed().Seconds(), "voxels/s")
		})
	}
}
