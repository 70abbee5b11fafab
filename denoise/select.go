package denoise

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// selection says what becomes of every voxel.
type selection struct {
	keep       []bool // denoised
	foreground []bool // of those, tissue: where statistics are taken
	magnitude  bool   // no finite value is negative
	constant   int    // voxels left out because they do not vary over volumes
	nonFinite  int    // voxels left out because of NaN or Inf
	flat       []int  // volumes that hold one value throughout: lost or zero-filled
}

// choose looks at every voxel once.
func choose(im *nifti.Image, mask []bool) selection {
	nx, ny, nz, nt := im.Dims()
	size := nx * ny * nz
	s := selection{keep: make([]bool, size), magnitude: true}
	mean := make([]float32, size)
	low, high := make([]float32, size), make([]float32, size)
	copy(low, im.Volume(0))
	copy(high, low)
	finite := make([]bool, size)
	for v := range finite {
		finite[v] = true
	}
	for n := range nt {
		if isFlat(im.Volume(n)) {
			s.flat = append(s.flat, n)
		}
		for v, x := range im.Volume(n) {
			if x-x != 0 { // NaN and ±Inf
				finite[v] = false
				continue
			}
			low[v], high[v] = min(low[v], x), max(high[v], x)
			mean[v] += x / float32(nt)
			if x < 0 {
				s.magnitude = false
			}
		}
	}
	for v := range s.keep {
		wanted := mask == nil || mask[v]
		switch {
		case !finite[v]:
			mean[v] = 0
			if wanted {
				s.nonFinite++
			}
		case low[v] == high[v]:
			if wanted {
				s.constant++
			}
		default:
			s.keep[v] = wanted
		}
	}
	s.foreground = s.keep
	if mask == nil {
		s.foreground = signals.Foreground(mean, nx, ny, nz, s.keep)
	}
	return s
}

// isFlat reports whether a volume of more than one voxel holds one value only.
func isFlat(volume []float32) bool {
	for _, x := range volume {
		if x != volume[0] {
			return false
		}
	}
	return len(volume) > 1
}

// rowsOf picks the entries of a whole-volume mask that belong to a grid's rows.
func rowsOf(g *signals.Grid, mask []bool) []bool {
	out := make([]bool, g.Len())
	for r, v := range g.Voxel {
		out[r] = mask[v]
	}
	return out
}

func count(mask []bool) int {
	n := 0
	for _, m := range mask {
		if m {
			n++
		}
	}
	return n
}

func finitePositive(v float32) bool { return v > 0 && float64(v) <= math.MaxFloat32 }
