package denoise

import (
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/internal/phantom"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// spoiling is Arrays whose arrays turn to NaN when they are given back, so that
// any use after that shows in the result.
type spoiling struct {
	mu         sync.Mutex
	live, most int
	images     int
}

func (s *spoiling) Floats(n int) ([]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live += n
	s.most = max(s.most, s.live)
	return make([]float32, n), nil
}

func (s *spoiling) Free(x []float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(x) > 0 && x[0] == x[0] { // not given back before
		s.live -= len(x)
	}
	for i := range x {
		x[i] = float32(math.NaN())
	}
}

func (s *spoiling) image(n int) ([]float32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images++
	return make([]float32, n), nil
}

// A run whose arrays are made and taken back by others gives the same bytes,
// with slices to impute or without, and takes back all it was given.
func TestRunInGivenArrays(t *testing.T) {
	p, _ := head(t, phantom.Options{Protocol: "small", SNR: 20, Rician: true, Seed: 8, Shape: [3]int{18, 18, 8}})
	nx, ny, _, _ := p.Noisy.Dims()
	damaged := p.Noisy.Select(numbers(p.Table.Len()))
	for i := range nx * ny {
		damaged.Volume(7)[3*nx*ny+i] *= 0.2
	}
	for _, c := range []struct {
		name string
		im   *nifti.Image
		lost int
	}{{"whole", p.Noisy, 0}, {"with a lost slice", damaged, 1}} {
		for _, mode := range []PriorMode{PriorFast, PriorLocal} {
			t.Run(c.name+", "+mode.String(), func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "dwi.nii")
				if err := c.im.Write(t.Context(), file, nifti.WriteOptions{}); err != nil {
					t.Fatal(err)
				}
				var results [2]*Result
				arrays := &spoiling{}
				for k := range results {
					o, read := Options{Prior: mode, Threads: 2}, nifti.ReadOptions{}
					if k == 1 {
						o.Arrays, read.Voxels = arrays, arrays.image
					}
					im, err := nifti.ReadImage(t.Context(), file, read)
					if err != nil {
						t.Fatal(err)
					}
					if results[k], err = Run(t.Context(), im, p.Table, o); err != nil {
						t.Fatal(err)
					}
				}
				if n := results[0].Imputed.Lost.Len(); n != c.lost {
					t.Fatalf("%d slices lost, want %d", n, c.lost)
				}
				if !slices.Equal(results[0].Denoised.Voxels(), results[1].Denoised.Voxels()) {
					t.Error("the result differs")
				}
				if arrays.live != 0 || arrays.most < len(c.im.Voxels()) || arrays.images < 2 {
					t.Errorf("%d values not given back of %d at most; %d images", arrays.live, arrays.most, arrays.images)
				}
			})
		}
	}
}
