package qc

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

const golden = "../testdata/golden/qc"

// oracleSeries makes the series of figures_oracle.py.
func oracleSeries() (truth, estimate, sigma []float32, mask []bool, g Grid) {
	g = Grid{NX: 17, NY: 13, NZ: 4}
	state := uint32(12345)
	for i := range 5 * g.Voxels() {
		x, y, z, v := i%17, i/17%13, i/(17*13)%4, i/g.Voxels()
		state = state*1664525 + 1013904223
		noise := float32(int(state>>16)%2048-1024) / 16
		signal := 400/(v+1) + (x*y+7*z)%60
		if (x-8)*(x-8)+(y-6)*(y-6) < 12 {
			signal += 150
		}
		truth = append(truth, float32(signal))
		estimate = append(estimate, float32(signal)+noise+3)
		if v == 0 {
			sigma = append(sigma, float32(20+x))
			mask = append(mask, z < 3 && 4*(x-8)*(x-8)+9*(y-6)*(y-6) < 240)
		}
	}
	return truth, estimate, sigma, mask, g
}

// TestFiguresAgainstSciPy compares every figure with the numbers that
// figures_oracle.py computed with numpy and scipy.
func TestFiguresAgainstSciPy(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(golden, "figures_oracle.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want any
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	truth, estimate, sigma, mask, g := oracleSeries()
	shells := []gradients.Shell{{B: 0, Volumes: []int{0}}, {B: 1000, Volumes: []int{1, 3}}, {B: 3000, Volumes: []int{2, 4}}}
	c, err := Compare(ctx, truth, estimate, mask, g, CompareOptions{Shells: shells, Sigma: 40})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ResidualStats(ctx, estimate, truth, sigma, mask, g, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal([]byte(marshal(t, map[string]any{"compare": c, "residual": r})), &got); err != nil {
		t.Fatal(err)
	}
	agree(t, "", got, want)
}

// agree compares two decoded JSON values, figures to nine digits: both sides
// sum in float64, in different orders.
func agree(t *testing.T, at string, got, want any) {
	t.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s = %v, want %v", at, got, want)
			return
		}
		for k, v := range w {
			agree(t, at+"."+k, g[k], v)
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			t.Errorf("%s = %v, want %v", at, got, want)
			return
		}
		for i, v := range w {
			agree(t, at, g[i], v)
		}
	case float64:
		if g, ok := got.(float64); !ok || math.Abs(g-w) > 1e-9*math.Max(1, math.Abs(w)) {
			t.Errorf("%s = %v, want %v", at, got, w)
		}
	default:
		t.Errorf("%s: unexpected %T in the oracle", at, want)
	}
}
