package noise

import (
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// smoother averages values given at some rows of a grid under a Gaussian
// window: G*(value·weight)/G*weight.
type smoother struct {
	g      *signals.Grid
	kernel [3][]float32 // per axis
	shift  [3]int       // per axis: 1 if values belong half a voxel further on
	weight []float32    // per row: where values are given
	near   []float32    // per voxel: G*known
	volume []float32    // scratch
	line   []float32    // scratch
}

// leastNear is the share of the window below which a voxel counts as far from
// everything known.
const leastNear = 1e-6

// newSmoother makes a smoother with a window of standard deviation sd voxels
// for values at the rows whose weight is above 0. Where shift is 1, the values belong half a
// voxel further on along that axis, as those of differences between neighbours do.
func newSmoother(g *signals.Grid, weight []float32, sd float64, shift [3]int) *smoother {
	size := g.NX * g.NY * g.NZ
	s := &smoother{g: g, shift: shift, weight: weight, near: make([]float32, size), volume: make([]float32, size),
		line: make([]float32, max(g.NX, g.NY, g.NZ))}
	for a, half := range shift {
		s.kernel[a] = gaussianKernel(sd, float64(half)/2)
	}
	for r, v := range g.Voxel {
		s.near[v] = weight[r]
	}
	s.convolve(s.near)
	return s
}

// smooth writes the smoothed values to dst, one per row; rows far from all that
// is known get the median of the others. dst may be value. It reports whether
// anything is known.
func (s *smoother) smooth(dst, value []float32) bool {
	clear(s.volume)
	for r, v := range s.g.Voxel {
		if w := s.weight[r]; w > 0 {
			s.volume[v] = w * value[r]
		}
	}
	s.convolve(s.volume)
	far := 0
	for r, v := range s.g.Voxel {
		if s.near[v] > leastNear {
			dst[r] = s.volume[v] / s.near[v]
		} else {
			far++
		}
	}
	if far == len(dst) {
		return false
	}
	if far > 0 {
		s.fillFar(dst)
	}
	return true
}

// fillFar gives rows far from all that is known the median of the others.
func (s *smoother) fillFar(dst []float32) {
	var found []float32
	for r, v := range s.g.Voxel {
		if s.near[v] > leastNear {
			found = append(found, dst[r])
		}
	}
	slices.Sort(found)
	for r, v := range s.g.Voxel {
		if s.near[v] <= leastNear {
			dst[r] = found[len(found)/2]
		}
	}
}

// gaussianKernel returns the weights for offsets -n to n+1 from a voxel to what
// lies at offset-shift from it.
func gaussianKernel(sd, shift float64) []float32 {
	n := int(math.Ceil(4 * sd))
	kernel := make([]float32, 2*n+2)
	total := 0.0
	for i := range kernel {
		d := float64(i-n) - shift
		w := math.Exp(-d * d / (2 * sd * sd))
		kernel[i] = float32(w)
		total += w
	}
	for i := range kernel {
		kernel[i] /= float32(total)
	}
	return kernel
}

// convolve filters along each axis in place; beyond the border the volume
// counts as zero.
func (s *smoother) convolve(volume []float32) {
	g, lines := s.g, 0
	signals.EachLine(g.NX, g.NY, g.NZ, func(start, step, n int) {
		axis := 0
		if lines >= g.NY*g.NZ {
			axis = 1
		}
		if lines >= g.NY*g.NZ+g.NX*g.NZ {
			axis = 2
		}
		lines++
		kernel := s.kernel[axis]
		half := len(kernel)/2 - 1
		line := s.line[:n]
		for i := range line {
			line[i] = volume[start+i*step]
		}
		for i := range line {
			// kernel[half+d] is the weight of what stands d voxels before
			from, to := max(0, i-half-1), min(n, i+half+1)
			sum := float32(0)
			for j := from; j < to; j++ {
				sum += kernel[half+i-j] * line[j]
			}
			volume[start+i*step] = sum
		}
	})
}
