package denoise_test

import (
	"math"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise"
	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
)

// alike returns the correlation over voxels of the mask of two images' difference
// at the given distance along the axes, all volumes together.
func alike(a, b, sigma []float32, mask []bool, n [3]int, distance int) float64 {
	size := len(mask)
	product, square := 0.0, 0.0
	stride := [3]int{distance, distance * n[0], distance * n[0] * n[1]}
	for v, in := range mask {
		at := [3]int{v % n[0], v / n[0] % n[1], v / (n[0] * n[1])}
		for axis, s := range stride {
			if !in || at[axis]+distance >= n[axis] || !mask[v+s] {
				continue
			}
			for i := 0; i < len(a); i += size {
				e, f := float64((a[i+v]-b[i+v])/sigma[v]), float64((a[i+v+s]-b[i+v+s])/sigma[v+s])
				product += e * f
				square += (e*e + f*f) / 2
			}
		}
	}
	return product / square
}

// The errors of neighbours in draws are as alike as the true errors of the
// estimate, which the calibration does not know.
func TestDrawnErrorsAreAlikeAsTrueOnes(t *testing.T) {
	for _, c := range []struct {
		name string
		o    phantom.Options
	}{
		{"clinical", phantom.Options{Protocol: "clinical", Shape: [3]int{32, 32, 12}, SNR: 20, Seed: 501, Rician: true}},
		{"small", phantom.Options{Protocol: "small", Shape: [3]int{36, 36, 12}, SNR: 12, Seed: 502, Rician: false}},
	} {
		p, err := phantom.Make(t.Context(), c.o)
		if err != nil {
			t.Fatal(err)
		}
		mask := make([]bool, len(p.Mask.Voxels()))
		for v, m := range p.Mask.Voxels() {
			mask[v] = m > 0
		}
		r, post, err := denoise.Draws(t.Context(), p.Noisy, p.Table, denoise.Options{Mask: mask, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		draw := make([]float32, len(r.Denoised.Voxels()))
		if err := post.Volumes(t.Context(), draw, 0, post.Smooth, 1); err != nil {
			t.Fatal(err)
		}
		// The window has one share for all distances, Stein's estimate a standard error of about 0.02, and the
		// draws' errors are not to the last per cent as large as the true ones.
		const tolerance = 0.07
		for _, d := range []int{1, 2, 3} {
			want := alike(r.Denoised.Voxels(), p.Truth.Voxels(), r.Sigma.Voxels(), mask, c.o.Shape, d)
			got := alike(draw, r.Denoised.Voxels(), r.Sigma.Voxels(), mask, c.o.Shape, d)
			t.Logf("%s, %d voxels apart: correlation of true errors %.3f, of drawn ones %.3f", c.name, d, want, got)
			if math.Abs(got-want) > tolerance {
				t.Errorf("%s, %d voxels apart: correlation of drawn errors %.3f, of true ones %.3f", c.name, d, got, want)
			}
		}
	}
}
