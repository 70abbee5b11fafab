package noise

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// realScan reads a scan of the development data, or skips.
func realScan(t *testing.T, name string) (s *signals.Signals, foreground []bool) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not here: the development data do not come with the repository", path)
	}
	im, err := nifti.ReadImage(t.Context(), path, nifti.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nx, ny, nz, nt := im.Dims()
	mean, keep := make([]float32, nx*ny*nz), make([]bool, nx*ny*nz)
	for n := range nt {
		for v, x := range im.Volume(n) {
			mean[v] += x / float32(nt)
			keep[v] = keep[v] || x != im.Volume(0)[v]
		}
	}
	g := signals.NewGrid(nx, ny, nz, keep)
	if s, err = signals.Gather(t.Context(), g, im.Voxels(), nt, 0); err != nil {
		t.Fatal(err)
	}
	head := signals.Foreground(mean, nx, ny, nz, keep)
	for _, v := range g.Voxel {
		foreground = append(foreground, head[v])
	}
	return s, foreground
}

// The physical phantom has a noise measurement of the scanner: 1711. Its b = 0
// repeats say 1752.
func TestEstimateOnThePhysicalPhantom(t *testing.T) {
	s, foreground := realScan(t, "noise-phantom/dwi.nii.gz")
	m, err := Estimate(t.Context(), s, foreground, Options{Magnitude: true})
	if err != nil {
		t.Fatal(err)
	}
	got := m.Median(foreground)
	t.Logf("σ %.0f, inflation %.3f, correlation %.3f, %d components", got, m.Inflation, m.Correlation, m.Components)
	if math.Abs(got/1711-1) > 0.05 {
		t.Errorf("σ = %.0f, the scanner says 1711", got)
	}
}

// Interpolation by the scanner and partial Fourier show along the axes they act on.
func TestEstimateSeesCorrelatedNoise(t *testing.T) {
	for _, c := range []struct {
		name     string
		axis     int
		from, to float64
	}{
		{"interpolated/Galan_8006_DTI_AX_30d.nii.gz", 0, 0.6, 0.85},
		{"head-raw/10_DWI_dir80_PA.nii.gz", 1, 0.15, 0.32}, // partial Fourier 0.75 has 0.21
	} {
		t.Run(filepath.Dir(c.name), func(t *testing.T) {
			s, foreground := realScan(t, c.name)
			m, err := Estimate(t.Context(), s, foreground, Options{Magnitude: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("σ %.4g, inflation %.3f, correlation %.3f and at two voxels %.3f", m.Median(foreground), m.Inflation, m.Correlation, m.Correlation2)
			if got := m.Correlation[c.axis]; got < c.from || got > c.to {
				t.Errorf("correlation along axis %d is %.3f, want %v to %v", c.axis, got, c.from, c.to)
			}
		})
	}
}
