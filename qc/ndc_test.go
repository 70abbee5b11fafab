package qc

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// formulaScan is a series made by a formula that docs/qc.md gives in Python too: twelve
// directions in three shells, so that some neighbours lie in another shell.
func formulaScan() (series []float32, table *gradients.Table, mask []bool) {
	const nx, ny, nz, d = 6, 5, 4, 13
	table = &gradients.Table{}
	for i := range d {
		b := []float64{0, 700, 1000, 2800}[(i+3)/4]
		z := 1 - 2*(float64(i)+0.5)/d
		r, p := math.Sqrt(1-z*z), 2.4*float64(i)
		table.BVals = append(table.BVals, b)
		table.BVecs = append(table.BVecs, [3]float64{r * math.Cos(p), r * math.Sin(p), z})
	}
	n := nx * ny * nz
	series, mask = make([]float32, n*d), make([]bool, n)
	for i := range n {
		x, y, z := i%nx, i/nx%ny, i/nx/ny
		mask[i] = (x+y+z)%4 != 0
		for v := range d {
			g := table.BVecs[v]
			s := g[0]*float64(x-2)/3 + g[1]*float64(y-2)/3
			series[v*n+i] = float32(100*math.Exp(-table.BVals[v]/1500*(0.5+s*s))*(1+0.3*math.Sin(0.7*float64(i))) +
				9*math.Sin(12.9898*float64(i)+78.233*float64(v)))
		}
	}
	return series, table, mask
}

// The values are those of neighboring_dwi_correlation of DIPY 1.11.0 (Debian 13) on the
// same array; docs/qc.md has the command.
func TestNeighbourCorrelationEqualsDIPY(t *testing.T) {
	series, table, mask := formulaScan()
	for name, c := range map[string]struct {
		mask []bool
		want float64
	}{
		"mask":  {mask, 0.8176775481834632},
		"whole": {nil, 0.8189947168884383},
	} {
		got, err := NeighbourCorrelation(context.Background(), series, table, c.mask, 2)
		// The sines of large arguments differ in the last digits between libraries.
		if err != nil || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: NDC = %.13f (%v), DIPY has %.13f", name, got, err, c.want)
		}
	}
	want := [][2]int{{1, 4}, {2, 6}, {3, 7}, {4, 8}, {5, 6}, {6, 2}, {7, 3}, {8, 4}, {9, 5}, {10, 1}, {11, 2}, {12, 3}}
	got := qspaceNeighbours(table)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("neighbours %v, DIPY's are %v", got, want)
		}
	}
}

// Neighbours known by construction, correlation known by construction.
func TestNeighbourCorrelationOfKnownPairs(t *testing.T) {
	const n, pairs, r = 4000, 4, 0.3
	rng := rand.New(rand.NewPCG(1, 2))
	table := &gradients.Table{BVals: []float64{0, 5}, BVecs: make([][3]float64, 2)}
	series := make([]float32, 2*n) // two volumes without weighting that would spoil it
	want := 0.0
	for p := range pairs {
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			a, b := rng.NormFloat64(), rng.NormFloat64()
			x[i], y[i] = float32(a), float32(r*a+math.Sqrt(1-r*r)*b)
		}
		series = append(append(series, x...), y...)
		b := 1000 * float64(p+1)
		table.BVals = append(table.BVals, b, b)
		// The second lies opposite: the same place in q-space.
		table.BVecs = append(table.BVecs, [3]float64{1, 0, 0}, [3]float64{-1, 1e-5, 0})
		want += imageCorrelation(x, y, nil) / pairs
	}
	got, err := NeighbourCorrelation(context.Background(), series, table, nil, 0)
	if err != nil || math.Abs(got-want) > 1e-12 {
		t.Errorf("NDC = %v (%v), want %v", got, err, want)
	}
	if math.Abs(got-r) > 0.02 { // 4 standard errors of the mean of 4 correlations of 4000 values
		t.Errorf("NDC = %v, made with %v", got, r)
	}
}

func TestNeighbourCorrelationEdges(t *testing.T) {
	one := &gradients.Table{BVals: []float64{0, 1000}, BVecs: make([][3]float64, 2)}
	if r, err := NeighbourCorrelation(context.Background(), make([]float32, 8), one, nil, 1); err != nil || !math.IsNaN(r) {
		t.Errorf("one weighted volume: %v, %v; want NaN", r, err)
	}
	if _, err := NeighbourCorrelation(context.Background(), make([]float32, 7), one, nil, 1); !errors.Is(err, ErrInput) {
		t.Errorf("7 values in 2 volumes: %v, want ErrInput", err)
	}
}
