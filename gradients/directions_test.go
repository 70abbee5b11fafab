package gradients

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// smallestAngle is the least angle in degrees between any two of the lines.
func smallestAngle(v [][3]float64) float64 {
	least := 180.0
	for i := range v {
		for j := range i {
			dot := v[i][0]*v[j][0] + v[i][1]*v[j][1] + v[i][2]*v[j][2]
			least = min(least, math.Acos(min(1, math.Abs(dot)))*180/math.Pi)
		}
	}
	return least
}

// TestDirectionsKnownOptima compares with the arrangements that symmetry makes optimal: axes of a cube, its diagonals, and
// the diagonals of an icosahedron.
func TestDirectionsKnownOptima(t *testing.T) {
	for _, tc := range []struct {
		n     int
		angle float64
	}{{2, 90}, {3, 90}, {4, math.Acos(1.0/3) * 180 / math.Pi}, {6, math.Acos(1/math.Sqrt(5)) * 180 / math.Pi}} {
		t.Run(fmt.Sprint(tc.n), func(t *testing.T) {
			got := smallestAngle(Directions(tc.n, rand.New(rand.NewPCG(uint64(tc.n), 0))))
			// The angle is the square root of what the energy is stationary in, hence 1e-3 at an energy exact to 1e-10.
			if math.Abs(got-tc.angle) > 0.01 {
				t.Errorf("smallest angle is %.4f°, want %.4f°", got, tc.angle)
			}
		})
	}
}

func TestDirectionsSpread(t *testing.T) {
	for _, n := range []int{0, 1, 15, 30, 64, 90} {
		v := Directions(n, rand.New(rand.NewPCG(7, 8)))
		if len(v) != n {
			t.Fatalf("got %d directions, want %d", len(v), n)
		}
		var second [3][3]float64
		for _, g := range v {
			if d := math.Abs(vectorNorm(g) - 1); d > 1e-12 {
				t.Errorf("n = %d: length is off by %g", n, d)
			}
			for a := range 3 {
				for b := range 3 {
					second[a][b] += g[a] * g[b] / float64(n)
				}
			}
		}
		if n < 15 {
			continue
		}
		// Caps of angle θ around 2n points cover at most the sphere: n(1 - cos θ/2)·2 ≤ 2; good sets reach 80 % of that angle.
		bound := 2 * math.Acos(1-1/float64(n)) * 180 / math.Pi
		if got := smallestAngle(v); got < 0.8*bound {
			t.Errorf("n = %d: smallest angle is %.2f°, want at least 80 %% of %.2f°", n, got, bound)
		}
		// Even spreading makes the second moments those of the sphere.
		for a := range 3 {
			for b := range 3 {
				want := 0.0
				if a == b {
					want = 1.0 / 3
				}
				if math.Abs(second[a][b]-want) > 0.02 {
					t.Errorf("n = %d: mean of g%d·g%d is %.4f, want %.4f", n, a, b, second[a][b], want)
				}
			}
		}
	}
}

func TestDirectionsDeterministic(t *testing.T) {
	a := Directions(20, rand.New(rand.NewPCG(1, 1)))
	if diff := cmp.Diff(a, Directions(20, rand.New(rand.NewPCG(1, 1)))); diff != "" {
		t.Errorf("equal generators: %s", diff)
	}
	if cmp.Equal(a, Directions(20, rand.New(rand.NewPCG(1, 2)))) {
		t.Error("other generators gave the same directions")
	}
}

// TestRepulsionForce compares the force with the energy's numerical derivative.
func TestRepulsionForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	v := make([][3]float64, 5)
	for i := range v {
		v[i] = unit([3]float64{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()})
	}
	force := make([][3]float64, len(v))
	if e, want := repulsion(v, force), repulsionEnergy(v); math.Abs(e-want) > 1e-12*want {
		t.Errorf("energies are %g and %g", e, want)
	}
	const h = 1e-5
	for i := range v {
		// Any tangent will do.
		tangent := unit([3]float64{v[i][1], -v[i][0], 0})
		move := func(step float64) float64 {
			old := v[i]
			defer func() { v[i] = old }()
			v[i] = unit([3]float64{old[0] + step*tangent[0], old[1] + step*tangent[1], old[2]})
			return repulsionEnergy(v)
		}
		got := force[i][0]*tangent[0] + force[i][1]*tangent[1]
		want := -(move(h) - move(-h)) / (2 * h)
		if math.Abs(got-want) > 1e-6*(1+math.Abs(want)) {
			t.Errorf("point %d: force along the tangent is %g, want %g", i, got, want)
		}
	}
}

func BenchmarkDirections(b *testing.B) {
	for _, n := range []int{30, 90} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Directions(n, rand.New(rand.NewPCG(1, 1)))
			}
		})
	}
}
