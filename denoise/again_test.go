package denoise

import (
	"math"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// A second run with the first's settings differs in its measurement alone: on the
// same measurement it gives the same, with and without a mask.
func TestSecondRunIsAsTheFirst(t *testing.T) {
	p, err := phantom.Make(t.Context(), phantom.Options{Protocol: "small", Shape: [3]int{24, 24, 10}, SNR: 15, Rician: true, Seed: 503})
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]bool, len(p.Mask.Voxels()))
	for v, m := range p.Mask.Voxels() {
		mask[v] = m > 0
	}
	for name, o := range map[string]Options{"no mask": {}, "mask": {Mask: mask}} {
		o.Imputing.Mode = ImputeOff
		first, err := Run(t.Context(), p.Noisy, p.Table, o)
		if err != nil {
			t.Fatal(err)
		}
		second, err := Run(t.Context(), p.Noisy, p.Table, o.again(first))
		if err != nil {
			t.Fatal(err)
		}
		most := 0.0
		for i, x := range second.Denoised.Voxels() {
			v := i % len(mask)
			if first.Mask[v] {
				most = max(most, math.Abs(float64(x-first.Denoised.Voxels()[i])/float64(first.Sigma.Voxels()[v])))
			}
		}
		if most > 1e-3 {
			t.Errorf("%s: the second run differs by %.3g σ", name, most)
		}
	}
}
