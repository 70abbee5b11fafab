package impute

import (
	"context"
	"math/rand/v2"
	"testing"
)

func (s *simulated) detect(t *testing.T) *Lost {
	t.Helper()
	lost := NewLost(s.d, s.nz)
	m, err := NewMoments(context.Background(), s.image, s.nx, s.ny, s.within, lost, 2)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int, s.d)
	for i := range all {
		all[i] = i
	}
	if _, err := Detect(m, lost, [][]int{all}, DetectOptions{}); err != nil {
		t.Fatal(err)
	}
	return lost
}

func TestDetectFindsNothingInCleanScans(t *testing.T) {
	for seed := range uint64(5) {
		if lost := simulate(seed, 12, 12, 15, 16, 3).detect(t); lost.Len() > 0 {
			t.Errorf("seed %d: false alarms %v", seed, lost)
		}
	}
}

func TestDetectFindsDropout(t *testing.T) {
	for _, share := range []float64{0.02, 0.05} {
		s := simulate(11, 12, 12, 15, 20, 3)
		rng := rand.New(rand.NewPCG(12, 1))
		size := s.nx * s.ny * s.nz
		bad := NewLost(s.d, s.nz)
		for v := range s.d {
			for z := range s.nz {
				if rng.Float64() >= share {
					continue
				}
				bad.Add(v, z, Dropout, 0)
				f := float32(0.2 + 0.4*rng.Float64())
				for i := z * s.nx * s.ny; i < (z+1)*s.nx*s.ny; i++ {
					s.image[v*size+i] += (f - 1) * s.clean[v*size+i]
				}
			}
		}
		if lost := s.detect(t); !lost.equal(bad) {
			t.Errorf("share %v: found %v, want %v", share, lost, bad)
		}
	}
}

func TestDetectTellsReasons(t *testing.T) {
	s := simulate(13, 12, 12, 15, 20, 3)
	size, plane := s.nx*s.ny*s.nz, s.nx*s.ny
	rng := rand.New(rand.NewPCG(14, 1))
	for i := range plane {
		s.image[3*size+4*plane+i] *= 1.5
		s.image[5*size+7*plane+i] += float32(12 * rng.NormFloat64()) // right on average
	}
	for i := range size {
		s.image[9*size+i] *= 0.5 // a whole volume, consistently
	}
	lost := s.detect(t)
	if why, z := lost.Why(3, 4); why != Bright || z < 5 {
		t.Errorf("bright slice: %q, z = %v", why, z)
	}
	if why, _ := lost.Why(5, 7); why != Pattern {
		t.Errorf("spoilt pattern: %q", why)
	}
	if why, _ := lost.Why(9, 0); why != Level || !lost.Whole(9) {
		t.Errorf("volume off its level: %q, whole %v", why, lost.Whole(9))
	}
	if lost.Len() != 2+s.nz {
		t.Errorf("lost %v", lost)
	}
}

// What was lost before the search is not read and stays lost, whatever stands there.
func TestDetectKeepsWhatIsGiven(t *testing.T) {
	s := simulate(15, 12, 12, 15, 20, 3)
	lost := NewLost(s.d, s.nz)
	lost.Add(2, 3, Named, 0)
	m, err := NewMoments(context.Background(), s.image, s.nx, s.ny, s.within, lost, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Detect(m, lost, nil, DetectOptions{}); err != nil {
		t.Fatal(err)
	}
	if why, _ := lost.Why(2, 3); why != Named || lost.Len() != 1 {
		t.Errorf("lost %v, reason %q", lost, why)
	}
}

// Slices of few voxels dip by 10 to 15 % in real scans without being lost.
func TestDetectLeavesWeakDipsInSmallSlices(t *testing.T) {
	s := simulate(15, 12, 12, 15, 20, 3)
	size, plane := s.nx*s.ny*s.nz, s.nx*s.ny
	dim := func(v, z int, f float32) {
		for i := z * plane; i < (z+1)*plane; i++ {
			s.image[v*size+i] += (f - 1) * s.clean[v*size+i]
		}
	}
	dim(4, 3, 0.88)
	dim(9, 7, 0.7)
	if lost := s.detect(t); lost.String() != "9:7" {
		t.Errorf("found %v, want 9:7", lost)
	}
}
