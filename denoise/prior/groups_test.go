package prior

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// aGroup returns the scratch holding the group around the middle of a small
// scan, with its pilot and data.
func aGroup(t testing.TB, k int) (w *groupWork, pilot, data *signals.Signals) {
	t.Helper()
	pilot, data = smooth(11, 11, 11, k, 2, 3)
	w = newGroupWork(pilot.Grid, k)
	tiling := signals.Tiling{Extent: cube(blockEdge), Stride: 6, Shift: 5}
	err := tiling.Each(t.Context(), pilot.Grid, 1, nil, func(_ int, b *signals.Block) error {
		if !w.choose(b, pilot.Values, 1) {
			t.Error("no group at the middle")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return w, pilot, data
}

// The group's estimate is m + H(y-m) with H = C(C+σ²)⁻¹, taken twice 2H-H², with C = PᵀP/(n·ridge) written out
// in the values of a patch, and m between the means of pilot and data.
func TestGroupEstimateByDefinition(t *testing.T) {
	const k, ridge = 2, 2.0
	w, pilot, data := aGroup(t, k)
	n, values := len(w.members)/27, 27*k
	if n != groupSize {
		t.Fatalf("%d patches", n)
	}
	rows := func(s *signals.Signals) *mat.Dense {
		m := mat.NewDense(n, values, nil)
		for j, r := range w.members {
			for i := range k {
				m.Set(j/27, j%27*k+i, float64(s.Row(int(r))[i]))
			}
		}
		return m
	}
	for i, sigma := range []float64{1, 0.2, 4, 1} {
		twice := i == 3
		p, y := rows(pilot), rows(data)
		mean := make([]float64, values)
		for c := range values {
			mp, my := 0.0, 0.0
			for j := range n {
				mp += p.At(j, c) / float64(n)
				my += y.At(j, c) / float64(n)
			}
			mean[c] = mp + (my-mp)/(1+sigma*sigma)
			for j := range n {
				p.Set(j, c, p.At(j, c)-mp)
				y.Set(j, c, y.At(j, c)-mean[c])
			}
		}
		var cov, noisy, weighted, want mat.Dense
		cov.Mul(p.T(), p)
		cov.Scale(1/(float64(n)*ridge), &cov)
		noisy.CloneFrom(&cov)
		for c := range values {
			noisy.Set(c, c, noisy.At(c, c)+sigma*sigma)
		}
		if err := weighted.Solve(&noisy, &cov); err != nil {
			t.Fatal(err)
		}
		if twice {
			var square mat.Dense
			square.Mul(&weighted, &weighted)
			weighted.Scale(2, &weighted)
			weighted.Sub(&weighted, &square)
		}
		want.Mul(y, &weighted)
		for name, ok := range map[string]func() bool{
			"single": func() bool {
				return solve(w, &w.single, data.Values, pilot.Values, pass{ridge: ridge, twice: twice}, sigma)
			},
			"double": func() bool {
				return solve(w, w.double(), data.Values, pilot.Values, pass{ridge: ridge, twice: twice}, sigma)
			},
		} {
			if !ok() {
				t.Fatalf("σ %v: %s precision refused", sigma, name)
			}
			for j := range n {
				for c := range values {
					if got, want := float64(w.result[j*values+c]), want.At(j, c)+mean[c]; math.Abs(got-want) > 2e-3 {
						t.Fatalf("σ %v, %s precision: patch %d value %d = %v, want %v", sigma, name, j, c, got, want)
					}
				}
			}
		}
	}
}

// The group holds the patches of least distance from the one in the middle, that
// one first.
func TestGroupHoldsTheMostSimilar(t *testing.T) {
	const k = 3
	w, pilot, _ := aGroup(t, k)
	g := pilot.Grid
	distance := func(x, y, z int) float64 {
		sum := 0.0
		for dz := -1; dz <= 1; dz++ {
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					a, b := pilot.Row(g.RowAt(x+dx, y+dy, z+dz)), pilot.Row(g.RowAt(5+dx, 5+dy, 5+dz))
					for i := range k {
						sum += math.Pow(float64(a[i]-b[i]), 2)
					}
				}
			}
		}
		return sum
	}
	// With a mask of the whole cube, patches are centred on 1..9.
	var all []float64
	for z := 1; z <= 9; z++ {
		for y := 1; y <= 9; y++ {
			for x := 1; x <= 9; x++ {
				all = append(all, distance(x, y, z))
			}
		}
	}
	slices.Sort(all)
	for j := range groupSize {
		x, y, z := g.At(int(w.members[27*j+13]))
		if got := distance(x, y, z); math.Abs(got-all[j]) > 1e-2*all[j] {
			t.Fatalf("member %d at distance %v, want %v", j, got, all[j])
		}
	}
	if x, y, z := g.At(int(w.members[13])); x != 5 || y != 5 || z != 5 {
		t.Errorf("first member centred on %d,%d,%d", x, y, z)
	}
}

// Voxels that take no part are stood for by the patch's centre and get nothing.
func TestGroupAtTheEdgeOfTheMask(t *testing.T) {
	const k = 2
	keep := make([]bool, 11*11*11)
	for v := range keep {
		keep[v] = v%11 <= 5 // half the cube
	}
	grid := signals.NewGrid(11, 11, 11, keep)
	values := make([]float32, grid.Len()*k)
	for i := range values {
		values[i] = float32(i % 13)
	}
	w := newGroupWork(grid, k)
	tiling := signals.Tiling{Extent: cube(blockEdge), Stride: 6, Shift: 5}
	err := tiling.Each(t.Context(), grid, 1, nil, func(_ int, b *signals.Block) error {
		if !w.choose(b, values, 1) {
			t.Error("no group")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stood := 0
	for j, r := range w.members {
		centre := w.members[j/27*27+13]
		cx, _, _ := grid.At(int(centre))
		x, _, _ := grid.At(int(r))
		if w.centred[j] != (cx == 5 && j%3 == 2) && w.centred[j] != (cx == 0 && j%3 == 0) {
			// Above and below the cube there is nothing either.
			if _, cy, cz := grid.At(int(centre)); cy > 0 && cy < 10 && cz > 0 && cz < 10 {
				t.Fatalf("cell %d of a patch at x = %d: stands for another %v", j%27, cx, w.centred[j])
			}
		}
		if w.centred[j] {
			stood++
			if r != centre {
				t.Fatalf("a missing voxel is stood for by row %d at x = %d, not by the centre %d", r, x, centre)
			}
		}
	}
	if stood == 0 {
		t.Error("no patch reaches over the edge: the test has no power")
	}
}

func BenchmarkGroups(b *testing.B) {
	for _, k := range []int{8, 16, 32} {
		b.Run("24x24x12/K="+map[int]string{8: "8", 16: "16", 32: "32"}[k], func(b *testing.B) {
			pilot, data := smooth(24, 24, 12, k, 4, 1)
			g := &groups{grid: pilot.Grid, k: k, arrays: signals.Heap{}, threads: 1}
			for b.Loop() {
				if _, err := g.estimate(b.Context(), sharp.refining[0], data.Values, pilot.Values, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(pilot.Len()*b.N)/b.Elapsed().Seconds(), "voxels/s")
		})
	}
}

// A group's linear algebra takes no memory.
func TestGroupsDoNotAllocate(t *testing.T) {
	w, pilot, data := aGroup(t, 4)
	if n := testing.AllocsPerRun(20, func() { solve(w, &w.single, data.Values, pilot.Values, sharp.reading, 1) }); n > 0 {
		t.Errorf("%v allocations in a group", n)
	}
}
