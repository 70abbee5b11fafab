package gradients

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tableOf(b ...float64) *Table {
	return &Table{BVals: b, BVecs: make([][3]float64, len(b))}
}

func TestShells(t *testing.T) {
	for _, tc := range []struct {
		name      string
		b         []float64
		threshold float64
		want      []Shell
	}{
		{"none", nil, 50, nil},
		{"all b = 0", []float64{0, 0, 5}, 50, []Shell{{5.0 / 3, math.Sqrt(50) / 3, []int{0, 1, 2}, true}}},
		{"no b = 0", []float64{1000, 1000}, 50, []Shell{{1000, 0, []int{0, 1}, false}}},
		{"interspersed", []float64{0, 2000, 1000, 0, 1000, 2000}, 50,
			[]Shell{{0, 0, []int{0, 3}, true}, {1000, 0, []int{2, 4}, false}, {2000, 0, []int{1, 5}, false}}},
		{"jitter", []float64{5, 995, 1005, 1995, 2005}, 50,
			[]Shell{{5, 0, []int{0}, true}, {1000, 5, []int{1, 2}, false}, {2000, 5, []int{3, 4}, false}}},
		{"threshold is included", []float64{50, 50.5, 0}, 50, []Shell{{25, 25, []int{0, 2}, true}, {50.5, 0, []int{1}, false}}},
		{"own threshold", []float64{0, 50, 10}, 10, []Shell{{5, 5, []int{0, 2}, true}, {50, 0, []int{1}, false}}},
		{"a gap of 80 joins", []float64{500, 580}, 50, []Shell{{540, 40, []int{0, 1}, false}}},
		{"a gap of 81 splits", []float64{500, 581}, 50, []Shell{{500, 0, []int{0}, false}, {581, 0, []int{1}, false}}},
		{"5 % at high b joins", []float64{3000, 3150}, 50, []Shell{{3075, 75, []int{0, 1}, false}}},
		{"above 5 % at high b splits", []float64{3000, 3151}, 50, []Shell{{3000, 0, []int{0}, false}, {3151, 0, []int{1}, false}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tableOf(tc.b...).Shells(tc.threshold)
			if diff := cmp.Diff(tc.want, got.All, near); diff != "" {
				t.Error(diff)
			}
			if got.Gridded {
				t.Error("Gridded is true, want false")
			}
		})
	}
}

// repeat returns b-values with their numbers of volumes.
func repeat(pairs ...[2]float64) []float64 {
	var b []float64
	for _, p := range pairs {
		b = append(b, slices.Repeat([]float64{p[0]}, int(p[1]))...)
	}
	return b
}

func TestGridded(t *testing.T) {
	// A q-space grid out to |q|² = 13 on half the space: 102 volumes with the first, as in Tian's scheme.
	var dsi []float64
	for z := -3; z <= 3; z++ {
		for y := -3; y <= 3; y++ {
			for x := -3; x <= 3; x++ {
				q2 := x*x + y*y + z*z
				if q2 <= 13 && (z > 0 || z == 0 && (y > 0 || y == 0 && x >= 0)) {
					dsi = append(dsi, float64(q2)*6000/13)
				}
			}
		}
	}
	if len(dsi) != 102 {
		t.Fatalf("the grid has %d volumes, want 102", len(dsi))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	spread := []float64{0}
	for range 99 {
		spread = append(spread, 200+2800*rng.Float64())
	}
	for _, tc := range []struct {
		name string
		b    []float64
		want bool
	}{
		{"clinical", repeat([2]float64{0, 6}, [2]float64{1000, 64}), false},
		{"five shells of few volumes", repeat([2]float64{0, 1}, [2]float64{300, 3}, [2]float64{700, 3}, [2]float64{1000, 3}, [2]float64{2000, 3}), false},
		{"HCP", repeat([2]float64{0, 18}, [2]float64{1000, 90}, [2]float64{2000, 90}, [2]float64{3000, 90}), false},
		{"q-space grid", dsi, true},
		{"continuous range", spread, true},
		{"ladder", repeat([2]float64{0, 3}, [2]float64{100, 3}, [2]float64{200, 3}, [2]float64{400, 3}, [2]float64{600, 3}, [2]float64{800, 3}, [2]float64{1000, 3}), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := tableOf(tc.b...).Shells(DefaultB0Threshold)
			if got.Gridded != tc.want {
				t.Errorf("Gridded is %v, want %v; %d groups", got.Gridded, tc.want, len(got.All))
			}
			var volumes []int
			for _, s := range got.All {
				volumes = append(volumes, s.Volumes...)
			}
			slices.Sort(volumes)
			for i := range tc.b {
				if i >= len(volumes) || volumes[i] != i {
					t.Fatalf("volumes are %v, want each of %d once", volumes, len(tc.b))
				}
			}
		})
	}
}
