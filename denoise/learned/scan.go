package learned

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/prior"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/gradients"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// Scan is what features are taken from: a measurement in units of its noise, the
// Gaussian prior's estimates of it, and the gradient table as groups of
// directions that share a b-value.
type Scan struct {
	Grid     *signals.Grid
	D        int
	Measured []float32 // rows × D, noise N(0, 1)
	Gaussian []float32 // rows × D: the Gaussian posterior mean
	Stages   *prior.Stages
	Groups   *Groups
	// Level is the standard deviation of the noise relative to that of the clean
	// signal: what the timestep stands for.
	Level float64
}

// kernelWidths are the widths of the averages over q-space, as the sine of an
// angle: about 12°, 30°, and the whole shell.
var kernelWidths = [...]float64{0.2, 0.5, 3}

// Groups are the shells of a gradient table with their averages over q-space.
type Groups struct {
	all []group
	of  []int32 // per volume, its group
	b   []float32
}

type group struct {
	volumes []int32
	isB0    bool
	b       float32
	kernels [len(kernelWidths)][]float32 // n × n, the weights of row i sum to 1
}

// NewGroups prepares a table. On a q-space grid the groups are those that
// [gradients.Table.Shells] makes of neighbouring b-values.
func NewGroups(t *gradients.Table, b0Threshold float64) *Groups {
	g := &Groups{of: make([]int32, t.Len()), b: make([]float32, t.Len())}
	for n, s := range t.Shells(b0Threshold).All {
		one := group{isB0: s.IsB0, b: float32(s.B)}
		for _, v := range s.Volumes {
			one.volumes = append(one.volumes, int32(v))
			g.of[v], g.b[v] = int32(n), float32(t.BVals[v])
		}
		for k, width := range kernelWidths {
			one.kernels[k] = qKernel(t, s, width)
		}
		g.all = append(g.all, one)
	}
	return g
}

// qKernel returns the weights exp(-sin²θ/2w²) of the directions of a shell about
// each of them, θ the angle between the axes (Watson's distribution); volumes
// without diffusion weighting all count the same.
func qKernel(t *gradients.Table, s gradients.Shell, width float64) []float32 {
	n := len(s.Volumes)
	w := make([]float32, n*n)
	for i, v := range s.Volumes {
		sum := 0.0
		row := w[i*n : (i+1)*n]
		for j, u := range s.Volumes {
			a, b := t.BVecs[v], t.BVecs[u]
			cos := a[0]*b[0] + a[1]*b[1] + a[2]*b[2]
			f := 1.0
			if !s.IsB0 {
				f = math.Exp(-max(1-cos*cos, 0) / (2 * width * width))
			}
			row[j] = float32(f)
			sum += f
		}
		for j := range row {
			row[j] /= float32(sum)
		}
	}
	return w
}

// smooth writes the average of one row's values (m × D) over q-space under a
// kernel. dst and from may not overlap; in and out are scratch of m × D.
func (g *Groups) smooth(dst, from []float32, m, d, kernel int, in, out []float32) {
	for i := range g.all {
		s := &g.all[i]
		n := len(s.volumes)
		for j := range m {
			for c, v := range s.volumes {
				in[j*n+c] = from[j*d+int(v)]
			}
		}
		fastblas.Gemm(false, true, m, n, n, 1, in, n, s.kernels[kernel], n, 0, out, n)
		for j := range m {
			for c, v := range s.volumes {
				dst[j*d+int(v)] = out[j*n+c]
			}
		}
	}
}

// pass returns an estimate of the Gaussian prior before its last.
func (s *Scan) pass(p int) []float32 {
	passes := s.Stages.Passes
	return passes[min(p, len(passes)-1)] // a prior with fewer stages repeats its last
}
