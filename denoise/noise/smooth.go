package noise

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// smoothVolume replaces value by its average under a Gaussian window of
// standard deviation sd voxels, weighted by weight: G*(value·weight)/G*weight.
// Both are nx*ny*nz, x fastest. Where no weight is near, value stays. It
// returns the smoothed weight.
func smoothVolume(value, weight []float32, nx, ny, nz int, sd float64) []float32 {
	sum := make([]float32, len(value))
	near := make([]float32, len(value))
	for v, w := range weight {
		if w > 0 {
			sum[v], near[v] = value[v]*w, w
		}
	}
	kernel := gaussianKernel(sd)
	for _, volume := range [][]float32{sum, near} {
		convolve(volume, kernel, nx, ny, nz)
	}
	for v, w := range near {
		if w > 1e-6 {
			value[v] = sum[v] / w
		}
	}
	return near
}

// gaussianKernel returns the weights for offsets 0..4·sd; offsets below 0 are
// symmetric.
func gaussianKernel(sd float64) []float32 {
	kernel := make([]float32, int(math.Ceil(4*sd))+1)
	total := 0.0
	for i := range kernel {
		w := math.Exp(-float64(i*i) / (2 * sd * sd))
		kernel[i] = float32(w)
		total += w
		if i > 0 {
			total += w
		}
	}
	for i := range kernel {
		kernel[i] /= float32(total)
	}
	return kernel
}

// convolve applies a symmetric kernel along each axis in place; beyond the
// border the volume counts as zero.
func convolve(volume []float32, kernel []float32, nx, ny, nz int) {
	line := make([]float32, max(nx, ny, nz))
	signals.EachLine(nx, ny, nz, func(start, step, n int) {
		for i := range n {
			line[i] = volume[start+i*step]
		}
		for i := range n {
			sum := kernel[0] * line[i]
			for k := 1; k < len(kernel); k++ {
				if i-k >= 0 {
					sum += kernel[k] * line[i-k]
				}
				if i+k < n {
					sum += kernel[k] * line[i+k]
				}
			}
			volume[start+i*step] = sum
		}
	})
}
