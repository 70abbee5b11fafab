package denoise

import (
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// errorMap is the variance of the errors left in a denoised scan, per voxel and
// shell, in units of the noise variance.
type errorMap struct {
	shells []gradients.Shell // one of all volumes where there are none to speak of
	values [][]float32
}

const (
	errorMapCount = 120 // squared errors behind a value of the map: its standard error is an eighth
	errorMapShare = 0.2 // weight of the average beside them
)

// newErrorMap compares two series where use says so.
func newErrorMap(truth, made *nifti.Image, sigma []float32, table *gradients.Table, b0Threshold float64, use func(n, v int) bool) *errorMap {
	nx, ny, nz, nt := truth.Dims()
	m := &errorMap{}
	if table != nil {
		if s := table.Shells(b0Threshold); !s.Gridded {
			m.shells = s.All
		}
	}
	if m.shells == nil {
		m.shells = []gradients.Shell{{Volumes: numbers(nt)}}
	}
	for _, s := range m.shells {
		values, counts := make([]float32, nx*ny*nz), make([]float32, nx*ny*nz)
		for _, n := range s.Volumes {
			x, y := truth.Volume(n), made.Volume(n)
			for v := range values {
				if use(n, v) {
					d := (x[v] - y[v]) / sigma[v]
					values[v] += d * d
					counts[v]++
				}
			}
		}
		for v, n := range counts {
			values[v] /= max(n, 1)
		}
		// A Gaussian window of standard deviation sd holds 15.7·sd³ voxels.
		sd := max(math.Cbrt(errorMapCount/float64(len(s.Volumes))/15.75), 0.3)
		impute.WeightedMean(values, counts, nx, ny, nz, sd, errorMapShare*errorMapCount)
		m.values = append(m.values, values)
	}
	return m
}

// shellNear returns the shell nearest to a b-value.
func (m *errorMap) shellNear(b float64) int {
	best := 0
	for k, s := range m.shells {
		if math.Abs(s.B-b) < math.Abs(m.shells[best].B-b) {
			best = k
		}
	}
	return best
}

// shellOf returns the shell that a volume belongs to.
func (m *errorMap) shellOf(volume int) int {
	for k, s := range m.shells {
		if slices.Contains(s.Volumes, volume) {
			return k
		}
	}
	return 0
}
