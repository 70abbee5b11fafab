package impute

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// simulated is a scan drawn from a Gaussian of low rank with unit noise.
type simulated struct {
	nx, ny, nz, d int
	image         []float32 // measured
	clean         []float32
	within        []bool
	mean          []float64
	cov           *mat.SymDense // of the measurements
}

func simulate(seed uint64, nx, ny, nz, d, rank int) *simulated {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := &simulated{nx: nx, ny: ny, nz: nz, d: d, mean: make([]float64, d), cov: mat.NewSymDense(d, nil)}
	size := nx * ny * nz
	s.image, s.clean, s.within = make([]float32, size*d), make([]float32, size*d), make([]bool, size)
	loads := make([][]float64, rank)
	for k := range loads {
		loads[k] = make([]float64, d)
		for i := range d {
			loads[k][i] = 3 * rng.NormFloat64() / float64(k+1)
		}
		s.cov.SymRankOne(s.cov, 1, mat.NewVecDense(d, loads[k]))
	}
	for i := range d {
		s.mean[i] = 20 + 2*rng.NormFloat64()
		s.cov.SetSym(i, i, s.cov.At(i, i)+1)
	}
	for v := range size {
		s.within[v] = true
		for i := range d {
			s.clean[i*size+v] = float32(s.mean[i])
		}
		for _, load := range loads {
			f := rng.NormFloat64()
			for i, l := range load {
				s.clean[i*size+v] += float32(f * l)
			}
		}
		for i := range d {
			s.image[i*size+v] = s.clean[i*size+v] + float32(rng.NormFloat64())
		}
	}
	return s
}

func (s *simulated) fit(t *testing.T, lost *Lost) *Gaussian {
	t.Helper()
	m, err := NewMoments(context.Background(), s.image, s.nx, s.ny, s.within, lost, 2)
	if err != nil {
		t.Fatal(err)
	}
	g, err := FitGaussian(m, lost)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// scatter loses a share of the slices.
func (s *simulated) scatter(seed uint64, share float64) *Lost {
	rng := rand.New(rand.NewPCG(seed, 2))
	l := NewLost(s.d, s.nz)
	for v := range s.d {
		for z := range s.nz {
			if rng.Float64() < share {
				l.Add(v, z, Named, 0)
			}
		}
	}
	return l
}

func TestGivenIsTheConditionalGaussian(t *testing.T) {
	s := simulate(1, 20, 20, 6, 9, 2)
	g := s.fit(t, NewLost(9, 6))
	missing, observed := []int{1, 4, 8}, []int{0, 2, 3, 5, 6, 7}
	c, err := g.Given(missing)
	if err != nil {
		t.Fatal(err)
	}
	// By the definition: C_mo·C_oo⁻¹ and C_mm - C_mo·C_oo⁻¹·C_om.
	pick := func(rows, cols []int) *mat.Dense {
		m := mat.NewDense(len(rows), len(cols), nil)
		for a, i := range rows {
			for b, j := range cols {
				m.Set(a, b, g.cov[i*g.D+j])
			}
		}
		return m
	}
	var inverse, weights, cov mat.Dense
	if err := inverse.Inverse(pick(observed, observed)); err != nil {
		t.Fatal(err)
	}
	weights.Mul(pick(missing, observed), &inverse)
	cov.Mul(&weights, pick(observed, missing))
	cov.Sub(pick(missing, missing), &cov)
	for a := range missing {
		for b, j := range observed {
			if got, want := c.weights[a*g.D+j], weights.At(a, b); math.Abs(got-want) > 1e-8 {
				t.Errorf("weight of %d for %d: %v, want %v", j, missing[a], got, want)
			}
		}
		for b := range missing {
			if got, want := c.cov[a*3+b], cov.At(a, b); math.Abs(got-want) > 1e-8*math.Abs(want)+1e-9 {
				t.Errorf("covariance %d, %d: %v, want %v", a, b, got, want)
			}
		}
	}
}

// With a tenth of the slices lost, the covariance is that of the distribution
// drawn from, within sampling error, and what stands in lost slices is not read.
func TestFitGaussianWithLostSlices(t *testing.T) {
	s := simulate(2, 24, 24, 20, 12, 3)
	lost := s.scatter(3, 0.1)
	g := s.fit(t, lost)
	for i := range s.d {
		for j := range s.d {
			// 11520 voxels: standard error of a covariance is below √(2/11520) of the product of deviations.
			if d := math.Abs(g.cov[i*s.d+j] - s.cov.At(i, j)); d > 5*0.0132*math.Sqrt(s.cov.At(i, i)*s.cov.At(j, j)) {
				t.Errorf("covariance %d, %d = %v, want %v", i, j, g.cov[i*s.d+j], s.cov.At(i, j))
			}
		}
	}
	if math.Abs(g.Noise-1) > 0.05 {
		t.Errorf("noise variance %v, want 1", g.Noise)
	}
	size := s.nx * s.ny * s.nz
	for v := range s.d {
		for z := range s.nz {
			if lost.Is(v, z) {
				for i := z * s.nx * s.ny; i < (z+1)*s.nx*s.ny; i++ {
					s.image[v*size+i] = float32(math.NaN())
				}
			}
		}
	}
	again := s.fit(t, lost)
	for i := range g.cov {
		if g.cov[i] != again.cov[i] {
			t.Fatalf("what stands in lost slices changes the covariance")
		}
	}
}

// Fewer voxels than volumes must not give certainty.
func TestFitGaussianOnFewVoxels(t *testing.T) {
	s := simulate(4, 4, 3, 2, 40, 2)
	g := s.fit(t, NewLost(40, 2))
	c, err := g.Given([]int{7})
	if err != nil {
		t.Fatal(err)
	}
	if v := c.cov[0]; v < 0.3 || v > 30 {
		t.Errorf("conditional variance %v from 24 voxels, want about 1", v)
	}
}

func TestFillerFillsWithTheConditionalMean(t *testing.T) {
	s := simulate(5, 20, 20, 10, 10, 2)
	lost := s.scatter(6, 0.1)
	g := s.fit(t, lost)
	f, err := NewFiller(g, lost)
	if err != nil {
		t.Fatal(err)
	}
	filled := append([]float32(nil), s.image...)
	if err := f.Mean(context.Background(), filled, s.nx, s.ny, false, 2); err != nil {
		t.Fatal(err)
	}
	size := s.nx * s.ny * s.nz
	var square, claimed, n float64
	for v := range s.d {
		for z := range s.nz {
			for i := z * s.nx * s.ny; i < (z+1)*s.nx*s.ny; i++ {
				at := v*size + i
				if !lost.Is(v, z) {
					if filled[at] != s.image[at] {
						t.Fatal("a measured value was changed")
					}
					continue
				}
				d := float64(filled[at] - s.image[at])
				square += d * d
				claimed += f.Variance(v, z)
				n++
			}
		}
	}
	if n < 1000 || math.Abs(square/claimed-1) > 0.1 {
		t.Errorf("%v values, mean squared error %.3f times the conditional variance, want 1", n, square/claimed)
	}
	level, err := f.Level(context.Background(), s.image, s.nx, s.ny, 1)
	if err != nil {
		t.Fatal(err)
	}
	sum, count := 0.0, 0.0
	for _, l := range level {
		if l > 0 {
			sum += float64(l) * float64(l)
			count++
		}
	}
	if math.Abs(sum/count-1) > 0.1 {
		t.Errorf("noise variance from residuals %.3f, want 1", sum/count)
	}
}

func TestAddNoise(t *testing.T) {
	const n = 10000
	lost := NewLost(2, 1)
	lost.Add(1, 0, Named, 0)
	f := &Filler{lost: lost, slices: []*Conditional{{d: 2, missing: []int{1}}}}
	sigma, image := make([]float32, n), make([]float32, 2*n)
	for i := range sigma {
		sigma[i], image[n+i] = 2, 10
	}
	for _, magnitude := range []bool{false, true} {
		a, b := append([]float32(nil), image...), append([]float32(nil), image...)
		for k, x := range [][]float32{a, b} {
			if err := f.AddNoise(context.Background(), x, sigma, n, 1, magnitude, 7, k+1); err != nil {
				t.Fatal(err)
			}
		}
		sum, square := 0.0, 0.0
		for i, x := range a[n:] {
			if x != b[n+i] {
				t.Fatal("draws depend on the number of threads")
			}
			sum += float64(x)
			square += float64(x) * float64(x)
		}
		mean := sum / n
		if sd := math.Sqrt(square/n - mean*mean); math.Abs(mean-10) > 0.1 || math.Abs(sd-2) > 0.1 {
			t.Errorf("magnitude %v: mean %.3f, standard deviation %.3f, want 10 and 2", magnitude, mean, sd)
		}
	}
}
