package prior

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// Signals of variance v along one direction plus noise: the scan's Gaussian has
// that direction, v without the noise, and no other component.
func TestSubspaceByDefinition(t *testing.T) {
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
	s, err := learnSubspace(t.Context(), x, d, f/sigma, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	if s.k != 1 || math.Abs(s.variance[0]*sigma*sigma/3-1) > 0.1 {
		t.Fatalf("variances %v, want one of %v", s.variance, 3/sigma/sigma)
	}
	for i := range d {
		if math.Abs(math.Abs(float64(s.vectors[i]))-1/math.Sqrt(d)) > 0.03 || math.Abs(float64(s.mean[i])*sigma-float64(i)) > 0.05 {
			t.Errorf("direction %d: mean %v, component %v", i, s.mean[i], s.vectors[i])
		}
	}
}

// What is encoded comes back along the components; across them stays what was
// there; the mean and the unit come last.
func TestSubspaceCompletes(t *testing.T) {
	const d, n = 5, 700 // more rows than are handled together
	s := &subspace{d: d, k: 2, mean: []float32{1, 2, 3, 4, 5}, vectors: []float32{0.6, 0.8, 0, 0, 0, 0, 0, 0, 0, 1}}
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, n*d)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	const f, unit = 3, 0.5
	z, err := s.encode(t.Context(), signals.Heap{}, x, f, 2)
	if err != nil {
		t.Fatal(err)
	}
	across := make([]float32, len(x)) // with junk along the components
	for i := range across {
		across[i] = float32(i % 7)
	}
	got := append([]float32{}, across...)
	if err := s.complete(t.Context(), got, z, unit, 2); err != nil {
		t.Fatal(err)
	}
	for r := range n {
		for i := range d {
			want := 0.0
			for j := range d {
				p := 0.0 // the projector on the components
				for k := range 2 {
					p += float64(s.vectors[k*d+i] * s.vectors[k*d+j])
				}
				id := 0.0
				if i == j {
					id = 1
				}
				want += p*float64(f*x[r*d+j]-s.mean[j]) + (id-p)*float64(across[r*d+j])
			}
			want = (want + float64(s.mean[i])) * unit
			if math.Abs(float64(got[r*d+i])-want) > 1e-5 {
				t.Fatalf("row %d volume %d = %v, want %v", r, i, got[r*d+i], want)
			}
		}
	}
}
