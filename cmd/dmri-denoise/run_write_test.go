package main

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// run warns of each thing that can be wrong with what was removed, and of nothing if it is white noise of the measured
// strength.
func TestResidualWarnings(t *testing.T) {
	const nx, ny, nz, nt, sigma = 24, 24, 8, 12, 10.0
	size := nx * ny * nz
	rng := rand.New(rand.NewPCG(1, 2))
	white := func(float64, int) float64 { return sigma * rng.NormFloat64() }
	inside := func(v int) bool { // a box, whose surface is where the edges are
		x, y := v%nx, v/nx%ny
		return x > 6 && x < 17 && y > 6 && y < 17
	}
	edge := func(v int) bool {
		x, y := v%nx, v/nx%ny
		return inside(v) && (x == 7 || x == 16 || y == 7 || y == 16) || !inside(v) && x >= 6 && x <= 17 && y >= 6 && y <= 17
	}
	for _, c := range []struct {
		name    string
		removed func(before float64, v int) float64
		want    string
	}{
		{"white noise", func(b float64, v int) float64 { return 0.95 * white(b, v) }, ""},
		{"neighbours alike", nil, "neighbouring voxels are correlated"},
		{"edges", func(b float64, v int) float64 {
			if edge(v) {
				return 2.2 * white(b, v)
			}
			return 0.4 * white(b, v)
		}, "stronger at the edges of the anatomy"},
		{"too much", func(b float64, v int) float64 { return 1.2 * white(b, v) }, "more was removed than the noise explains"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := nifti.New(nx, ny, nz, nt, [3]float64{2, 2, 2}), nifti.New(nx, ny, nz, nt, [3]float64{2, 2, 2})
			sigmaMap := before.Like(1)
			foreground := make([]bool, size)
			for v := range size {
				foreground[v] = true
				sigmaMap.Voxels()[v] = sigma
			}
			for n := range nt {
				last := 0.0
				for v := range size {
					x := 100.0
					if inside(v) {
						x = 500
					}
					d := 0.0
					if c.removed != nil {
						d = c.removed(x, v)
					} else { // a chain along x with correlation 0.6
						last = 0.6*last + 0.8*white(x, v)
						d = last
					}
					after.Volume(n)[v], before.Volume(n)[v] = float32(x), float32(x+d)
				}
			}
			w := &resultWriter{ui: newUI(io.Discard, io.Discard), plan: &runPlan{options: runOptions{threads: 1}}}
			result := &denoise.Result{Denoised: after, Sigma: sigmaMap, Foreground: foreground, Imputed: &denoise.Imputed{Lost: impute.NewLost(nt, nz)}}
			if err := w.measureResidual(t.Context(), before, result); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(w.plan.warnings, "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) || len(w.plan.warnings) > 1 {
				t.Errorf("warnings %q, want one with %q; figures %+v", w.plan.warnings, c.want, *w.residual)
			}
		})
	}
}
