package posterior

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// blur averages values of rows under a Gaussian window of the given standard
// deviation in voxels, over the rows that take part; with itself or without.
func blur(g *signals.Grid, values []float32, width float64, itself bool) []float32 {
	size := g.NX * g.NY * g.NZ
	sum, weight := make([]float32, size), make([]float32, size)
	for r, v := range g.Voxel {
		sum[v], weight[v] = values[r], 1
	}
	kernel := gaussian(width)
	scratch := make([]float32, size)
	sum, scratch = convolve(g, sum, scratch, kernel)
	weight, _ = convolve(g, weight, scratch, kernel)
	out := make([]float32, len(values))
	for r, v := range g.Voxel {
		s, w := sum[v], weight[v]
		if !itself { // the middle of the window has weight 1
			s, w = s-values[r], w-1
		}
		if w > 1e-3 {
			out[r] = s / w
		}
	}
	return out
}

// gaussian returns the window's weights at distances 0, 1, … along one axis.
func gaussian(width float64) []float32 {
	w := make([]float32, int(math.Ceil(3*width))+1)
	for i := range w {
		w[i] = float32(math.Exp(-float64(i*i) / (2 * width * width)))
	}
	return w
}

// convolve smooths a volume along its three axes and returns the result and
// the scratch left over.
func convolve(g *signals.Grid, from, to, kernel []float32) ([]float32, []float32) {
	return convolveAxes(g, from, to, [3][]float32{kernel, kernel, kernel})
}

// convolveAxes is convolve with a kernel for each axis.
func convolveAxes(g *signals.Grid, from, to []float32, kernels [3][]float32) ([]float32, []float32) {
	n := [3]int{g.NX, g.NY, g.NZ}
	stride := 1
	for axis, kernel := range kernels {
		length := n[axis]
		for i := range from {
			at := i / stride % length
			sum := kernel[0] * from[i]
			for d := 1; d < len(kernel); d++ {
				if at >= d {
					sum += kernel[d] * from[i-d*stride]
				}
				if at+d < length {
					sum += kernel[d] * from[i+d*stride]
				}
			}
			to[i] = sum
		}
		from, to = to, from
		stride *= length
	}
	return from, to
}
