package denoise

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// An image that is read again for the end gives the same result, summary
// included, and is whole afterwards; one that changed meanwhile is an error.
func TestRunWithAnImageThatIsReadAgain(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 1, Shape: [3]int{16, 16, 6}})
	o := Options{Prior: PriorGaussian}
	want := run(t, p.Noisy, p.Table, o)
	voxels := slices.Clone(p.Noisy.Voxels())
	let := &nifti.Image{Header: p.Noisy.Header, Data: p.Noisy.Data}
	o.Reload = func(context.Context) (*nifti.Image, error) {
		if let.Data != nil {
			t.Error("the voxels were kept")
		}
		return p.Noisy, nil
	}
	got := run(t, let, p.Table, o)
	if !slices.Equal(got.Denoised.Voxels(), want.Denoised.Voxels()) || got.Summary.Shells[1] != want.Summary.Shells[1] {
		t.Error("reading the image again changes the result")
	}
	if !slices.Equal(let.Voxels(), voxels) {
		t.Error("the image is not whole afterwards")
	}
	let.Data = p.Noisy.Data
	o.Reload = func(context.Context) (*nifti.Image, error) { return p.Noisy.Like(32), nil }
	if _, err := Run(t.Context(), let, p.Table, o); !errors.Is(err, ErrMismatch) {
		t.Errorf("another image comes back: err = %v, want ErrMismatch", err)
	}
}
