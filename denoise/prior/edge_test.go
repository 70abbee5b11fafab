package prior

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// Noise of one variance has Marchenko and Pastur's edge, times the variance.
func TestNoiseEdgeOfOneVariance(t *testing.T) {
	for _, ratio := range []float64{1e-3, 0.1, 0.7} {
		want := noiseEdge(nil, ratio)
		if got := noiseEdge([]float64{1, 1, 1}, ratio); math.Abs(got-want) > 1e-6*want {
			t.Errorf("ratio %v: edge %v, want %v", ratio, got, want)
		}
		if got := noiseEdge([]float64{0.4, 0.4}, ratio); math.Abs(got-0.4*want) > 1e-6 {
			t.Errorf("ratio %v, variance 0.4: edge %v, want %v", ratio, got, 0.4*want)
		}
	}
}

// The edge is where the largest eigenvalue of simulated noise lies, whatever
// the variances of the volumes.
func TestNoiseEdgeBySimulation(t *testing.T) {
	const d, n = 60, 3000
	for _, low := range []float64{0.4, 0.9} {
		variance := make([]float64, d)
		for i := range variance {
			variance[i] = low + (1-low)*float64(i)/(d-1)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		x := make([]float32, n*d)
		for r := range n {
			for i, v := range variance {
				x[r*d+i] = float32(math.Sqrt(v) * rng.NormFloat64())
			}
		}
		_, cov, err := scanMoments(t.Context(), x, d, n, 1, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float64, d)
		if !symeig.New(d).Decompose(cov, d, values, cov) {
			t.Fatal("no decomposition")
		}
		edge := noiseEdge(variance, float64(d)/n)
		if math.Abs(values[0]/edge-1) > 0.02 {
			t.Errorf("variances from %v: largest eigenvalue %v, edge %v", low, values[0], edge)
		}
		if flat := noiseEdge(nil, float64(d)/n); low < 0.5 && flat/values[0] < 1.03 {
			t.Errorf("the edge of equal variances, %v, is no different", flat)
		}
	}
}
