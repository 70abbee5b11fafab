package synthesis

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// Three heaps of points are three classes.
func TestKMeans(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var points [][]float64
	for i := range 300 {
		c := float64(i % 3)
		points = append(points, []float64{10*c + rng.NormFloat64(), 5*c*c + rng.NormFloat64()})
	}
	of, loss := kMeans(points, 3, rng)
	if loss > 900 { // 600 expected within the heaps, 5000 and more with two of them together
		t.Fatalf("loss %.0f", loss)
	}
	for i := range points {
		if of[i] != of[i%3] {
			t.Errorf("point %d of heap %d is in class %d, others in %d", i, i%3, of[i], of[i%3])
		}
	}
}

// Too few voxels for components of their own make one class.
func TestClassifyFewVoxels(t *testing.T) {
	s := space{B: []float64{1000}, Order: []int{2}}
	rows := make([]float64, 500*s.size())
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range rows {
		rows[i] = rng.NormFloat64()
	}
	if of, n := classify(s, rows, s.size(), make([]bool, 500), rng); n != 1 || len(of) != 500 {
		t.Errorf("%d classes of %d voxels, want 1 of 500", n, len(of))
	}
}

// isotropic returns the share of voxels whose signals on the outermost shell differ
// by less than a thousandth of b = 0.
func isotropic(rows []float32, table *gradients.Table) float64 {
	shells := table.Shells(gradients.DefaultB0Threshold).All
	n, count := table.Len(), 0.0
	for r := 0; r < len(rows); r += n {
		least, most := math.Inf(1), 0.0
		for _, v := range shells[len(shells)-1].Volumes {
			x := float64(rows[r+v] / rows[r+shells[0].Volumes[0]])
			least, most = min(least, x), max(most, x)
		}
		if most-least < 1e-3 {
			count++
		}
	}
	return count / float64(len(rows)/n)
}

// Fluid, which has no angular part, comes out without one, as often as it was there.
func TestFluidStaysIsotropic(t *testing.T) {
	s := source(t, "multishell")
	m, err := Learn(t.Context(), s, Options{Steps: 200, Hidden: 64, Seed: 1, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Report().Classes; n < 3 {
		t.Errorf("%d classes of tissue, want 3 or more", n)
	}
	drawn, err := m.Draw(t.Context(), 1500, DrawOptions{Steps: 40, Seed: 2, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := drawn.Signals(t.Context(), s.Table, 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	got, want := isotropic(rows, s.Table), isotropic(s.Rows, s.Table)
	t.Logf("isotropic voxels: %.3f drawn, %.3f learned from", got, want)
	if want < 0.1 || math.Abs(got-want) > 0.08 {
		t.Errorf("%.3f of the drawn voxels are isotropic, %.3f of those learned from", got, want)
	}
}

// Watch sees the process from T-1 to the drawn voxels, and does not change them.
func TestWatch(t *testing.T) {
	s := source(t, "small")
	m, err := Learn(t.Context(), s, Options{Steps: 20, Hidden: 32, Seed: 1, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	o := DrawOptions{Steps: 6, Seed: 2, Threads: 1}
	plain, err := m.Draw(t.Context(), 20, o)
	if err != nil {
		t.Fatal(err)
	}
	var ts []float64
	var last *Voxels
	o.Watch = func(at float64, xt, clean *Voxels) {
		ts, last = append(ts, at), xt
		if xt.Len() != 20 || clean.Len() != 20 {
			t.Errorf("t = %v: %d and %d voxels, want 20", at, xt.Len(), clean.Len())
		}
	}
	if _, err := m.Draw(t.Context(), 20, o); err != nil {
		t.Fatal(err)
	}
	if len(ts) != 7 || ts[0] != 999 || ts[6] != -1 {
		t.Errorf("seen at %v, want six moments from 999 and the end, -1", ts)
	}
	want, err := plain.First(5).Signals(t.Context(), s.Table, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := last.First(5).Signals(t.Context(), s.Table, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("value %d of the last moment is %v, drawn %v", i, got[i], want[i])
		}
	}
}
