package synthesis

import (
	"math"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// source takes the clean voxels of a simulated head.
func source(t *testing.T, protocol string) Source {
	t.Helper()
	p, err := phantom.Make(t.Context(), phantom.Options{Protocol: protocol, Shape: [3]int{24, 24, 8}, VoxelSize: [3]float64{6, 6, 6}, Seed: 401})
	if err != nil {
		t.Fatal(err)
	}
	s := Source{Table: p.Table}
	n := p.Table.Len()
	for v, in := range p.Mask.Voxels() {
		if in == 0 {
			continue
		}
		for i := range n {
			s.Rows = append(s.Rows, p.Truth.Volume(i)[v])
		}
	}
	return s
}

// shellMeans returns mean and standard deviation over voxels of the mean signal
// of every shell relative to b = 0.
func shellMeans(rows []float32, table *gradients.Table) (mean, sd []float64) {
	n := table.Len()
	shells := table.Shells(gradients.DefaultB0Threshold).All
	for _, s := range shells[1:] {
		sum, square := 0.0, 0.0
		for r := 0; r < len(rows); r += n {
			b0, x := 0.0, 0.0
			for _, v := range shells[0].Volumes {
				b0 += float64(rows[r+v]) / float64(len(shells[0].Volumes))
			}
			for _, v := range s.Volumes {
				x += float64(rows[r+v]) / float64(len(s.Volumes))
			}
			sum += x / b0
			square += x / b0 * x / b0
		}
		voxels := float64(len(rows) / n)
		mean = append(mean, sum/voxels)
		sd = append(sd, math.Sqrt(square/voxels-sum/voxels*sum/voxels))
	}
	return mean, sd
}

// What is drawn has the signal statistics of what was learned from, keeps to
// what is physical, and learning beats the Gaussian it starts from.
func TestDrawnLikeLearned(t *testing.T) {
	for _, protocol := range []string{"small", "multishell"} {
		s := source(t, protocol)
		m, err := Learn(t.Context(), s, Options{Steps: 800, Hidden: 96, Seed: 1, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		if r := m.Report(); !(r.Loss < 0.95*r.Gaussian) {
			t.Errorf("%s: held-out loss %.3f, of the Gaussian %.3f", protocol, r.Loss, r.Gaussian)
		}
		drawn, err := m.Draw(t.Context(), 1500, DrawOptions{Steps: 40, Seed: 2, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := drawn.Signals(t.Context(), s.Table, gradients.DefaultB0Threshold, 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range rows {
			if !(x >= 0) {
				t.Fatalf("%s: value %d is %v", protocol, i, x)
			}
		}
		mean, sd := shellMeans(rows, s.Table)
		wantMean, wantSD := shellMeans(s.Rows, s.Table)
		for i := range mean {
			if math.Abs(mean[i]-wantMean[i]) > 0.1*wantMean[i]+0.01 || sd[i] < 0.7*wantSD[i] || sd[i] > 1.3*wantSD[i] {
				t.Errorf("%s, shell %d: mean %.3f, sd %.3f; learned from %.3f, %.3f", protocol, i+1, mean[i], sd[i], wantMean[i], wantSD[i])
			}
		}
	}
}

// Seeds make draws, threads do not.
func TestDrawsAreReproducible(t *testing.T) {
	s := source(t, "small")
	var got [3][]float32
	for i, c := range []struct {
		threads int
		seed    uint64
	}{{1, 3}, {2, 3}, {2, 4}} {
		m, err := Learn(t.Context(), s, Options{Steps: 30, Hidden: 32, Seed: c.seed, Threads: c.threads})
		if err != nil {
			t.Fatal(err)
		}
		drawn, err := m.Draw(t.Context(), 300, DrawOptions{Steps: 5, Seed: c.seed, Threads: c.threads})
		if err != nil {
			t.Fatal(err)
		}
		if got[i], err = drawn.Signals(t.Context(), s.Table, gradients.DefaultB0Threshold, c.threads); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got[0], got[1]) {
		t.Error("one and two threads differ")
	}
	if slices.Equal(got[1], got[2]) {
		t.Error("two seeds give the same voxels")
	}
}

func TestLinkInverts(t *testing.T) {
	for r := 0.01; r < 1; r += 0.01 {
		if got := Unlink(Link(r)); math.Abs(got-r) > 1e-6 {
			t.Errorf("%v becomes %v", r, got)
		}
	}
}
