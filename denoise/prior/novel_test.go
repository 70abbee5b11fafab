package prior

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// lesion adds a signal found nowhere else to three voxels, of the given strength
// in σ in every volume and with signs of its own, and returns it.
func lesion(s *signals.Signals, strength float32) (rows []int, pattern []float32) {
	rng := rand.New(rand.NewPCG(11, 1))
	for range s.D {
		pattern = append(pattern, strength*float32(1-2*int(rng.Uint64()&1)))
	}
	for x := 9; x < 12; x++ {
		r := s.RowAt(x, 9, 6)
		rows = append(rows, r)
		for i, v := range pattern {
			s.Row(r)[i] += v
		}
	}
	return rows, pattern
}

// A three-voxel structure of its own kind, too small for the covariance of the
// scan, keeps nine tenths of its contrast.
func TestGaussianKeepsASmallLesion(t *testing.T) {
	clean, noisy := smooth(22, 20, 12, 70, 3, 2)
	plain := denoised(t, noisy, false, GaussianOptions{})
	lesion(clean, 6) // 30 % of a signal of SNR 20
	rows, pattern := lesion(noisy, 6)
	out := denoised(t, noisy, false, GaussianOptions{})
	for _, r := range rows {
		kept, power := 0.0, 0.0
		for i, p := range pattern {
			kept += float64(p) * float64(out[r*70+i]-plain[r*70+i])
			power += float64(p) * float64(p)
		}
		if share := kept / power; share < 0.9 || share > 1.1 {
			t.Errorf("voxel %d keeps %.2f of its contrast", r, share)
		}
	}
	if e := rms(out, clean.Values); e > 0.25 {
		t.Errorf("error %.3f σ with the lesion", e)
	}
}

// Without such a structure nothing is added; with it, its direction is, of unit
// length and across the others.
func TestExtendAddsWhatStandsOut(t *testing.T) {
	_, noisy := smooth(44, 40, 20, 40, 3, 2)
	learn := func() *subspace {
		s, err := learnSubspace(t.Context(), noisy.Values, 40, 1, nil, 2)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := learn()
	if n, err := s.extend(t.Context(), noisy.Grid, noisy.Values, 1, 2); n != 0 || err != nil {
		t.Fatalf("%d components added to a scan that has none more (err %v)", n, err)
	}
	_, pattern := lesion(noisy, 3)
	s = learn()
	before := s.k
	n, err := s.extend(t.Context(), noisy.Grid, noisy.Values, 1, 2)
	if n != 1 || err != nil || s.k != before+1 || len(s.vectors) != s.k*40 || len(s.variance) != s.k {
		t.Fatalf("%d components added, want 1 (err %v)", n, err)
	}
	last := s.vectors[before*40:]
	for k := range before {
		dot := 0.0
		for i, u := range s.vectors[k*40 : (k+1)*40] {
			dot += float64(u * last[i])
		}
		if math.Abs(dot) > 1e-3 {
			t.Errorf("the new component has %.2g of component %d", dot, k)
		}
	}
	along, length := 0.0, 0.0
	for i, p := range pattern {
		along += float64(p*last[i]) / (3 * math.Sqrt(40))
		length += float64(last[i] * last[i])
	}
	if math.Abs(length-1) > 1e-3 || math.Abs(along) < 0.85 {
		t.Errorf("length %v, %.2f along the pattern", length, along)
	}
	again := learn()
	if _, err := again.extend(t.Context(), noisy.Grid, noisy.Values, 1, 3); err != nil || !slices.Equal(again.vectors, s.vectors) {
		t.Error("another number of threads gives another component")
	}
}
