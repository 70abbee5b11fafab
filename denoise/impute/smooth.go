package impute

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// WeightedMean replaces values (nx*ny*nz) by their local average with the given
// weights over a Gaussian window of standard deviation sd voxels, drawn towards
// the average of all by the weight of prior; weights are used up.
func WeightedMean(values, weights []float32, nx, ny, nz int, sd, prior float64) {
	var sum, total float64
	for i, w := range weights {
		sum += float64(w) * float64(values[i])
		total += float64(w)
		values[i] *= w
	}
	mean := float32(sum / max(total, 1e-12))
	half := int(math.Ceil(3 * sd))
	kernel := make([]float32, half+1)
	for i := range kernel {
		kernel[i] = float32(math.Exp(-float64(i*i) / (2 * sd * sd)))
	}
	for _, volume := range [][]float32{values, weights} {
		line := make([]float32, max(nx, ny, nz))
		signals.EachLine(nx, ny, nz, func(start, step, n int) {
			for i := range n {
				line[i] = volume[start+i*step]
			}
			for i := range n {
				var s float32
				for j := max(0, i-half); j <= min(n-1, i+half); j++ {
					s += kernel[max(i-j, j-i)] * line[j]
				}
				volume[start+i*step] = s
			}
		})
	}
	for i, w := range weights {
		values[i] = (values[i] + float32(prior)*mean) / (w + float32(prior))
	}
}
