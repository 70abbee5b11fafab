package prior

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// weakTail returns a scan without components: smooth maps of little variance,
// other ones in every volume, and the same with unit noise.
func weakTail(strength float64, keep []bool) (clean, noisy *signals.Signals) {
	const nx, ny, nz, d = 20, 18, 10, 12
	g := signals.NewGrid(nx, ny, nz, keep)
	clean, noisy = signals.New(g, d), signals.New(g, d)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range d {
		a, b, c := rng.Float64(), rng.Float64(), rng.Float64()
		for r := range g.Len() {
			x, y, z := g.At(r)
			v := strength * math.Sin((0.3+0.3*a)*float64(x)+10*b) * math.Sin((0.3+0.3*c)*float64(y)+float64(i)) * math.Cos(0.4*float64(z))
			clean.Row(r)[i] = float32(v)
			noisy.Row(r)[i] = float32(v + rng.NormFloat64())
		}
	}
	return clean, noisy
}

func none(d int) *subspace { return &subspace{d: d, mean: make([]float32, d)} }

// The filter found by the unbiased risk is as good as the best of the single
// windows measured against the truth, and tails without signal are dropped.
func TestTailFilterIsNearTheBest(t *testing.T) {
	clean, noisy := weakTail(1, nil)
	sub := none(noisy.D)
	risk := func(tl tail) float64 {
		out := make([]float32, len(noisy.Values))
		if err := tl.apply(t.Context(), noisy.Grid, sub, out, noisy.Values, 1, 2); err != nil {
			t.Fatal(err)
		}
		return rms(out, clean.Values)
	}
	found := risk(learnTail(noisy.Grid, sub, noisy.Values, 1))
	best := rms(make([]float32, len(clean.Values)), clean.Values) // dropping all
	dropped := best
	for j := range tailWidths {
		for c := 0.1; c <= 1; c += 0.1 {
			var tl tail
			tl.c[j] = c
			best = min(best, risk(tl))
		}
	}
	if found > 1.02*best || found > 0.8*dropped {
		t.Errorf("error %.4f, best single window %.4f, dropping all %.4f", found, best, dropped)
	}
	_, empty := weakTail(0, nil)
	tl := learnTail(empty.Grid, sub, empty.Values, 1)
	for i := range empty.Values {
		clean.Values[i] = 0
	}
	noisy = empty
	if e := risk(tl); e > 0.05 {
		t.Errorf("a tail of pure noise leaves %.4f σ (filter %v)", e, tl.c)
	}
}

// apply is Σ c_j G_j x by definition, over the voxels that take part, also in
// place; smoothAt is one row of G_j.
func TestTailApplyByDefinition(t *testing.T) {
	keep := randomKeep(20*18*10, 0.7)
	_, noisy := weakTail(1, keep)
	g, d := noisy.Grid, noisy.D
	sub := none(d)
	for i := range sub.mean {
		sub.mean[i] = float32(i) / 10
	}
	const f = 1.5
	tl := tail{[len(tailWidths)]float64{0.1, 0.2, 0.3, 0.15}}
	want := make([]float64, len(noisy.Values))
	row := make([]float32, d)
	for j, c := range tl.c {
		for r := range g.Len() {
			smoothAt(g, sub, row, noisy.Values, f, r, tailWidths[j])
			for i, v := range row {
				want[r*d+i] += c * float64(v)
			}
		}
	}
	got := slices.Clone(noisy.Values)
	if err := tl.apply(t.Context(), g, sub, got, got, f, 3); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if math.Abs(float64(v)-want[i]) > 1e-4 {
			t.Fatalf("value %d = %v, want %v", i, v, want[i])
		}
	}
	// And smoothAt by the definition of a weighted mean.
	x0, y0, z0 := g.At(100)
	sum, total := 0.0, 0.0
	for r := range g.Len() {
		x, y, z := g.At(r)
		if dx, dy, dz := x-x0, y-y0, z-z0; max(dx, -dx, dy, -dy, dz, -dz) <= 3 {
			w := math.Exp(-float64(dx*dx+dy*dy+dz*dz) / (2 * 0.8 * 0.8))
			sum += w * float64(f*noisy.Row(r)[4])
			total += w
		}
	}
	own := smoothAt(g, sub, row, noisy.Values, f, 100, 0.8)
	if want := sum/total - 0.4; math.Abs(float64(row[4])-want) > 1e-5 || math.Abs(own*total-1) > 1e-5 {
		t.Errorf("smoothed %v, want %v; own weight %v, want %v", row[4], want, own, 1/total)
	}
}

func randomKeep(n int, share float64) []bool {
	rng := rand.New(rand.NewPCG(7, 1))
	keep := make([]bool, n)
	for i := range keep {
		keep[i] = rng.Float64() < share
	}
	return keep
}

// The minimum over c ≥ 0 satisfies the conditions of Karush, Kuhn and Tucker.
func TestLeastRiskIsTheConstrainedMinimum(t *testing.T) {
	const m = len(tailWidths)
	rng := rand.New(rand.NewPCG(3, 9))
	bounded := 0
	for range 50 {
		var a [m][m]float64
		var b [m]float64
		var x [2 * m][m]float64
		for i := range x {
			for j := range m {
				x[i][j] = rng.NormFloat64() + 1
			}
		}
		for i := range m {
			b[i] = 10 * rng.NormFloat64()
			for j := range m {
				for k := range x {
					a[i][j] += x[k][i] * x[k][j]
				}
			}
		}
		c := leastRisk(a, b)
		for i := range m {
			slope := -b[i]
			for j := range m {
				slope += a[i][j] * c[j]
			}
			if c[i] < 0 || c[i] > 0 && math.Abs(slope) > 1e-6 || c[i] == 0 && slope < -1e-6 {
				t.Fatalf("c = %v: slope %v along %d", c, slope, i)
			}
			if c[i] == 0 {
				bounded++
			}
		}
	}
	if bounded == 0 {
		t.Error("the bound never holds: the test has no power")
	}
}

// At unit noise the filter is itself; without noise it leaves the signal, at
// overwhelming noise nothing.
func TestTailAtOtherNoise(t *testing.T) {
	tl := tail{[len(tailWidths)]float64{0, 0.3, 0.1, 0}}
	sum := func(t tail) (s float64) {
		for _, c := range t.c {
			s += c
		}
		return s
	}
	if got := tl.at(1); got != tl {
		t.Errorf("at unit noise %v", got.c)
	}
	if got := tl.at(1.0001); math.Abs(sum(got)-0.4) > 0.02 {
		t.Errorf("just above unit noise %v, want about %v", got.c, tl.c)
	}
	if got := sum(tl.at(1e-3)); got < 0.9 || got > 1.1 {
		t.Errorf("next to no noise: response to a constant %v, want 1", got)
	}
	if got := sum(tl.at(30)); got > 0.01 {
		t.Errorf("overwhelming noise: response to a constant %v, want 0", got)
	}
}

func BenchmarkTail(b *testing.B) {
	_, noisy := weakTail(1, nil)
	sub := none(noisy.D)
	b.Run("learn/20x18x10x12", func(b *testing.B) {
		for b.Loop() {
			learnTail(noisy.Grid, sub, noisy.Values, 1)
		}
	})
	tl := tail{[len(tailWidths)]float64{0.1, 0.2, 0.3, 0.15}}
	out := make([]float32, len(noisy.Values))
	b.Run("apply/20x18x10x12", func(b *testing.B) {
		for b.Loop() {
			if err := tl.apply(b.Context(), noisy.Grid, sub, out, noisy.Values, 1, 1); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(out)*b.N)/b.Elapsed().Seconds(), "voxel-volumes/s")
	})
}
