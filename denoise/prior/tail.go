package prior

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// tailWidths are the standard deviations, in voxels, of the Gaussian windows
// that the tail is smoothed with; 0 is no smoothing.
var tailWidths = [...]float64{0, 0.5, 0.8, 1.5}

const (
	tailRows   = 1500 // rows the risk is measured on
	tailBuffer = 1 << 18
	tailLanes  = 16 // volumes smoothed together at most
)

// tail is what lies across the components of a scan: weak signal that no
// component stands for, and most of the noise. Its estimate is the linear
// filter Σ c_j G_j of smoothed copies, with the c ≥ 0 of least risk: Stein's
// unbiased estimate of it, ‖Σc_jG_jy - y‖² + 2Σc_j tr G_j - N, is quadratic in
// c and exact, because the filter is linear.
type tail struct {
	c [len(tailWidths)]float64
}

// learnTail finds the filter for f·x with unit noise.
func learnTail(grid *signals.Grid, sub *subspace, x []float32, f float32) tail {
	const m = len(tailWidths)
	var t tail
	n, d := grid.Len(), sub.d
	if sub.k == d || n == 0 {
		return t
	}
	step := max(n/tailRows, 1)
	var product [m][m]float64
	var along, trace [m]float64
	smoothed, project := make([]float32, m*d), make([]float32, max(sub.k, 1))
	rows := 0
	for r := 0; r < n; r += step {
		rows++
		for j, width := range tailWidths {
			out := smoothed[j*d : (j+1)*d]
			trace[j] += smoothAt(grid, sub, out, x, f, r, width)
			sub.across(out, project)
		}
		for i := range m {
			for j := range m {
				product[i][j] += float64(fastblas.Dot(smoothed[i*d:(i+1)*d], smoothed[j*d:(j+1)*d]))
			}
			along[i] = product[i][0] // the first width leaves the measurement as it is
		}
	}
	// Components learned from the scan take their share of its noise with them.
	freedom := float64(d-sub.k) * (1 - float64(sub.k)/float64(n))
	for i := range m {
		along[i] -= trace[i] * freedom
	}
	t.c = leastRisk(product, along)
	return t
}

// across takes what lies along the components off a centred signal. project
// has room for K values.
func (s *subspace) across(v, project []float32) {
	fastblas.Gemv(false, s.k, s.d, 1, s.vectors, s.d, v, 0, project)
	fastblas.Gemv(true, s.k, s.d, -1, s.vectors, s.d, project, 1, v)
}

// smoothAt writes the centred signal of one row averaged under a window, and
// returns the weight of the row's own measurement in it.
func smoothAt(grid *signals.Grid, sub *subspace, out, x []float32, f float32, r int, width float64) (own float64) {
	d := sub.d
	if width == 0 {
		sub.centre(out, x[r*d:(r+1)*d], f)
		return 1
	}
	clear(out)
	kernel := window(width)
	h := len(kernel) - 1
	x0, y0, z0 := grid.At(r)
	total := float32(0)
	for dz := -h; dz <= h; dz++ {
		for dy := -h; dy <= h; dy++ {
			for dx := -h; dx <= h; dx++ {
				if q := grid.RowAt(x0+dx, y0+dy, z0+dz); q >= 0 {
					w := kernel[max(dx, -dx)] * kernel[max(dy, -dy)] * kernel[max(dz, -dz)]
					total += w
					fastblas.Axpy(w, x[q*d:(q+1)*d], out)
				}
			}
		}
	}
	sub.centre(out, out, f/total)
	return 1 / float64(total)
}

// window returns the weights of a Gaussian window for the distances 0, 1, …
// voxels along one axis, 1 at 0.
func window(width float64) []float32 {
	w := make([]float32, int(math.Ceil(3*width))+1)
	for i := range w {
		w[i] = float32(math.Exp(-float64(i*i) / (2 * width * width)))
	}
	return w
}

// leastRisk minimises cᵀAc - 2bᵀc over c ≥ 0 by trying every set of entries
// above zero.
func leastRisk[V [len(tailWidths)]float64, M [len(tailWidths)]V](a M, b V) (best V) {
	const m = len(tailWidths)
	least := 0.0
	for set := 1; set < 1<<m; set++ {
		var index []int
		for i := range m {
			if set>>i&1 == 1 {
				index = append(index, i)
			}
		}
		part := mat.NewSymDense(len(index), nil)
		right := mat.NewVecDense(len(index), nil)
		for i, p := range index {
			right.SetVec(i, b[p])
			for j, q := range index {
				part.SetSym(i, j, a[p][q])
			}
		}
		var c mat.VecDense
		if c.SolveVec(part, right) != nil || mat.Min(&c) <= 0 {
			continue
		}
		if risk := -mat.Dot(&c, right); risk < least {
			least, best = risk, V{}
			for i, p := range index {
				best[p] = c.AtVec(i)
			}
		}
	}
	return best
}

// at returns the filter for noise sigma instead of 1. Seen as the posterior
// weight w = v/(v+1) of a variance v at each spatial frequency, it becomes
// v/(v+σ²), fitted by the same windows in least squares over frequencies.
func (t tail) at(sigma float64) tail {
	if sigma == 1 || t.c == (tail{}).c {
		return t
	}
	const m, steps = len(tailWidths), 7
	var product [m][m]float64
	var along [m]float64
	var response [m][steps]float64 // of each window along one axis, by frequency
	for j, width := range tailWidths {
		for i := range steps {
			response[j][i] = transfer(width, math.Pi*float64(i)/(steps-1))
		}
	}
	for i := range steps * steps * steps {
		var g [m]float64
		w := 0.0
		for j := range m {
			g[j] = response[j][i%steps] * response[j][i/steps%steps] * response[j][i/(steps*steps)]
			w += t.c[j] * g[j]
		}
		w = min(max(w, 0), 1)
		w /= max(w+sigma*sigma*(1-w), 1e-12)
		for j := range m {
			along[j] += w * g[j]
			for k := range m {
				product[j][k] += g[j] * g[k]
			}
		}
	}
	return tail{leastRisk(product, along)}
}

// transfer returns the response of a window to a frequency along one axis.
func transfer(width, frequency float64) float64 {
	if width == 0 {
		return 1
	}
	sum, total := 0.0, 0.0
	for i, w := range window(width) {
		f := float64(w)
		if i > 0 {
			f *= 2
		}
		total += f
		sum += f * math.Cos(frequency*float64(i))
	}
	return sum / total
}

// apply writes the filtered f·x - mean, all of it, into dst (rows × D): what
// lies along the components is for the caller to replace. dst may be x.
func (t tail) apply(ctx context.Context, grid *signals.Grid, sub *subspace, dst, x []float32, f float32, threads int) error {
	d := sub.d
	if t.c == (tail{}).c {
		clear(dst)
		return ctx.Err()
	}
	size := grid.NX * grid.NY * grid.NZ
	lanes := min(max(tailBuffer/max(size, 1), 1), tailLanes, d)
	smoothers := map[int]*smoother{}
	for j, c := range t.c {
		if c > 0 && tailWidths[j] > 0 {
			smoothers[j] = newSmoother(grid, tailWidths[j])
		}
	}
	scratch := make([]*tailScratch, signals.Threads(threads))
	return signals.EachRange(ctx, d, lanes, threads, func(worker, from, to int) error {
		if scratch[worker] == nil {
			scratch[worker] = newTailScratch(size*lanes, grid.Len()*lanes)
		}
		s, n := scratch[worker], to-from
		sum := s.sum[:grid.Len()*n]
		clear(sum)
		for j, c := range t.c {
			if c == 0 {
				continue
			}
			if tailWidths[j] == 0 {
				for r := range grid.Len() {
					for i := range n {
						sum[r*n+i] += float32(c) * (f*x[r*d+from+i] - sub.mean[from+i])
					}
				}
				continue
			}
			sm := smoothers[j]
			volume := s.a[:size*n]
			clear(volume)
			for r, v := range grid.Voxel {
				for i := range n {
					volume[int(v)*n+i] = f*x[r*d+from+i] - sub.mean[from+i]
				}
			}
			volume = sm.run(volume, s.b[:size*n], n)
			for r, v := range grid.Voxel {
				g := float32(c) * sm.inverse[r]
				for i := range n {
					sum[r*n+i] += g * volume[int(v)*n+i]
				}
			}
		}
		for r := range grid.Len() {
			copy(dst[r*d+from:r*d+to], sum[r*n:(r+1)*n])
		}
		return nil
	})
}

type tailScratch struct{ a, b, sum []float32 }

func newTailScratch(volume, rows int) *tailScratch {
	return &tailScratch{make([]float32, volume), make([]float32, volume), make([]float32, rows)}
}

// smoother averages volumes under a window of the voxels that take part.
type smoother struct {
	grid    *signals.Grid
	kernel  []float32
	inverse []float32 // per row, one over the weights in reach
}

func newSmoother(grid *signals.Grid, width float64) *smoother {
	s := &smoother{grid: grid, kernel: window(width)}
	size := grid.NX * grid.NY * grid.NZ
	present := make([]float32, size)
	for _, v := range grid.Voxel {
		present[v] = 1
	}
	present = s.run(present, make([]float32, size), 1)
	s.inverse = make([]float32, grid.Len())
	for r, v := range grid.Voxel {
		s.inverse[r] = 1 / present[v]
	}
	return s
}

// run convolves a volume of n interleaved lanes with the kernel along x, y and
// z, using other as scratch, and returns whichever of the two holds the result.
func (s *smoother) run(volume, other []float32, n int) []float32 {
	line := s.grid.NX * n
	plane := line * s.grid.NY
	for _, axis := range [3]struct{ stride, length, run int }{{n, line, line}, {line, plane, plane}, {plane, plane * s.grid.NZ, plane * s.grid.NZ}} {
		clear(other)
		for start := 0; start < len(volume); start += axis.run {
			from, to := volume[start:start+axis.length], other[start:start+axis.length]
			for i, w := range s.kernel {
				shift := i * axis.stride
				if shift >= len(from) {
					break
				}
				fastblas.Axpy(w, from[:len(from)-shift], to[shift:])
				if i > 0 {
					fastblas.Axpy(w, from[shift:], to[:len(to)-shift])
				}
			}
		}
		volume, other = other, volume
	}
	return volume
}
