package prior

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

const (
	groupSize   = 128 // patches in a group
	patchReach  = 1   // a patch reaches this far from its centre: 3×3×3 voxels
	searchReach = 4   // patches of a group are centred this far from the block's centre at most
	blockReach  = searchReach + patchReach
	alikeness   = 4   // components that patches are compared by, the strongest; the loops below are written out for four
	patchTaper  = 0.3 // an estimate counts with exp(-0.3·d²) at the distance d from its patch's centre
)

// pass is one sweep over a scan by groups of patches.
type pass struct {
	stride, shift int
	// ridge multiplies the noise, because the pilot's covariance is too large:
	// part of what is left of the noise in the pilot counts as signal in it.
	ridge float64
	// twice takes what the weights w leave of the residual, w(1-w), back: the
	// weights become 1-(1-w)², nearer to all or nothing.
	twice bool
}

// passes are the sweeps that refine the first estimate, and the one that reads
// the result off the Gaussians learned from it.
type passes struct {
	refining [2]pass
	reading  pass
}

// Sharp weights for the usual scan, whose signals lie in few dimensions, and
// softer ones for scans of high signal, where weak structure is everywhere.
var (
	sharp = passes{[2]pass{{stride: 4, ridge: 6, twice: true}, {stride: 4, shift: 2, ridge: 5, twice: true}}, pass{stride: 4, shift: 1, ridge: 5, twice: true}}
	soft  = passes{[2]pass{{stride: 4, ridge: 3}, {stride: 4, shift: 2, ridge: 3}}, pass{stride: 4, shift: 1, ridge: 3}}
)

// groups is the second stage. Patches of 3×3×3 voxels × K components that look
// alike are a Gaussian over all their 27·K values at once: its mean and
// covariance are those of an earlier estimate, the pilot, over the most similar
// patches of a neighbourhood (after Lebrun, Buades and Morel 2013, "A nonlocal
// Bayesian image denoising algorithm", whose second step this is, with the
// scan's components in place of colours).
type groups struct {
	grid    *signals.Grid
	k       int
	arrays  signals.Arrays
	threads int
	// progress, if not nil, is called after each part of a pass.
	progress func(done, total int)
}

// estimate returns the posterior mean of the coefficients y (rows × K), of
// noise sigma, under the Gaussians that the pilot (rows × K) describes.
func (g *groups) estimate(ctx context.Context, p pass, y, pilot []float32, sigma float64) ([]float32, error) {
	out, err := g.arrays.Floats(len(y))
	if err != nil {
		return nil, err
	}
	weight := make([]float32, g.grid.Len())
	tiling := signals.Tiling{Extent: cube(2*blockReach + 1), Stride: p.stride, Shift: p.shift}
	work := make([]*groupWork, signals.Threads(g.threads))
	err = tiling.Each(ctx, g.grid, g.threads, g.progress, func(worker int, b *signals.Block) error {
		if work[worker] == nil {
			work[worker] = newGroupWork(g.grid, g.k)
		}
		w := work[worker]
		if !w.choose(b, pilot, p.stride) {
			return nil
		}
		if !solve(w, &w.single, y, pilot, p, sigma) && !solve(w, w.double(), y, pilot, p, sigma) {
			return errDecomposition
		}
		w.add(out, weight)
		return nil
	})
	if err != nil {
		return nil, err
	}
	divideRows(out, weight)
	for r, w := range weight {
		if w == 0 { // far from every centre that takes part
			copy(out[r*g.k:(r+1)*g.k], pilot[r*g.k:(r+1)*g.k])
		}
	}
	return out, nil
}

func cube(n int) [3]int { return [3]int{n, n, n} }

const (
	blockEdge  = 2*blockReach + 1
	blockCells = blockEdge * blockEdge * blockEdge
)

// groupWork is one worker's scratch for groups.
type groupWork struct {
	k       int
	offset  []int32               // of a patch's cells from its centre, in cells
	taper   []float32             // weight of a patch's cells
	row     []int32               // per cell of the block: its row, -1 for none
	look    []float32             // per cell: the components compared
	reached []int32               // cells that can be centres
	wanted  []*[alikeness]float32 // per cell of the reference patch: its components
	found   []candidate
	members []int32   // rows of the group's patches, patch by patch; a voxel that takes no part is stood for by the centre
	centred []bool    // which of them stand for another
	result  []float32 // members × K: the estimate
	single  gaussianWork[float32]
	precise *gaussianWork[float64]
}

type candidate struct {
	distance float32
	cell     int32
}

func newGroupWork(grid *signals.Grid, k int) *groupWork {
	w := &groupWork{
		k: k, row: make([]int32, blockCells), look: make([]float32, blockCells*alikeness),
		reached: make([]int32, 0, blockCells), found: make([]candidate, 0, blockCells),
	}
	// Across an axis of one voxel a patch has no extent.
	rx, ry, rz := min(grid.NX-1, patchReach), min(grid.NY-1, patchReach), min(grid.NZ-1, patchReach)
	for z := -rz; z <= rz; z++ {
		for y := -ry; y <= ry; y++ {
			for x := -rx; x <= rx; x++ {
				w.offset = append(w.offset, int32(x+blockEdge*(y+blockEdge*z)))
				w.taper = append(w.taper, float32(math.Exp(-patchTaper*float64(x*x+y*y+z*z))))
			}
		}
	}
	values := groupSize * len(w.offset)
	w.members, w.centred = make([]int32, 0, values), make([]bool, 0, values)
	w.result = make([]float32, values*k)
	w.single = newGaussianWork[float32](len(w.offset) * k)
	return w
}

// double returns the scratch in double precision, which few scans need.
func (w *groupWork) double() *gaussianWork[float64] {
	if w.precise == nil {
		p := newGaussianWork[float64](len(w.offset) * w.k)
		w.precise = &p
	}
	return w.precise
}

// choose picks the group of a block: the patches most similar to the one at
// its centre, or at the voxel nearest to it. It reports false if there is none
// closer than half a stride.
func (w *groupWork) choose(b *signals.Block, pilot []float32, stride int) bool {
	for i := range w.row {
		w.row[i] = -1
	}
	k, compared := w.k, min(w.k, alikeness)
	w.reached = w.reached[:0]
	reference, nearest := int32(-1), math.MaxInt
	for j, r := range b.Rows {
		o := b.Offset[3*j : 3*j+3]
		x, y, z := int(o[0]), int(o[1]), int(o[2])
		cell := int32(x + blockReach + blockEdge*(y+blockReach+blockEdge*(z+blockReach)))
		w.row[cell] = r
		copy(w.look[int(cell)*alikeness:], pilot[int(r)*k:int(r)*k+compared])
		far := max(x, -x, y, -y, z, -z)
		if far <= searchReach {
			w.reached = append(w.reached, cell)
		}
		if d := x*x + y*y + z*z; far <= stride/2 && d < nearest {
			reference, nearest = cell, d
		}
	}
	if reference < 0 {
		return false
	}
	w.compare(reference)
	w.collect(min(groupSize, len(w.found)))
	return true
}

// compare measures the distance of every patch in reach from the reference and
// sorts by it.
func (w *groupWork) compare(reference int32) {
	w.found = w.found[:0]
	w.wanted = w.wanted[:0]
	for _, o := range w.offset {
		w.wanted = append(w.wanted, w.lookAt(w.at(reference, o)))
	}
	for _, cell := range w.reached {
		distance := float32(0)
		for i, o := range w.offset {
			a, b := w.lookAt(w.at(cell, o)), w.wanted[i]
			d0, d1, d2, d3 := a[0]-b[0], a[1]-b[1], a[2]-b[2], a[3]-b[3]
			distance += d0*d0 + d1*d1 + d2*d2 + d3*d3
		}
		w.found = append(w.found, candidate{distance, cell})
	}
	slices.SortFunc(w.found, func(a, b candidate) int {
		switch {
		case a.distance < b.distance:
			return -1
		case a.distance > b.distance:
			return 1
		default:
			return int(a.cell - b.cell)
		}
	})
}

// lookAt returns the components of a cell that patches are compared by.
func (w *groupWork) lookAt(cell int32) *[alikeness]float32 {
	return (*[alikeness]float32)(w.look[int(cell)*alikeness:])
}

// at returns the cell at the offset o from a patch's centre, or the centre if
// nothing is there.
func (w *groupWork) at(centre, o int32) int32 {
	if w.row[centre+o] < 0 {
		return centre
	}
	return centre + o
}

// collect lists the rows of the n most similar patches.
func (w *groupWork) collect(n int) {
	w.members, w.centred = w.members[:0], w.centred[:0]
	for _, c := range w.found[:n] {
		for _, o := range w.offset {
			r := w.row[c.cell+o]
			stands := r < 0
			if stands {
				r = w.row[c.cell]
			}
			w.members, w.centred = append(w.members, r), append(w.centred, stands)
		}
	}
}

// add puts the weighted estimates into the sums.
func (w *groupWork) add(sum, weight []float32) {
	k, cells := w.k, len(w.offset)
	for j, r := range w.members {
		if w.centred[j] {
			continue
		}
		g := w.taper[j%cells]
		fastblas.Axpy(g, w.result[j*k:(j+1)*k], sum[int(r)*k:(int(r)+1)*k])
		weight[r] += g
	}
}

// gaussianWork is the scratch for the posterior mean of a group, in the
// precision T.
type gaussianWork[T fastblas.Float] struct {
	pilot, data     []T // patches × values, their own means taken off
	pilotMean, mean []T
	gram, cross     []T // patches × patches
	inverse, mix    []T
	scratch         []T
	values          int
}

func newGaussianWork[T fastblas.Float](values int) gaussianWork[T] {
	square := func() []T { return make([]T, groupSize*groupSize) }
	return gaussianWork[T]{
		values: values, pilot: make([]T, groupSize*values), data: make([]T, groupSize*values),
		pilotMean: make([]T, values), mean: make([]T, values),
		gram: square(), cross: square(), inverse: square(), mix: square(), scratch: square(),
	}
}

// tooSteep is the share of the ridge that the rounding of the largest patch
// may reach: then single precision is not enough.
const tooSteep = 0.05

// solve leaves the posterior mean of the group's patches of y in result. With
// P the pilot's patches about their mean, one per row, the prior covariance is
// PᵀP/(n·ridge), and for data Y about its mean the posterior mean is
// Y·Pᵀ(PPᵀ + n·ridge·σ²)⁻¹P =: Y·H: a problem of the size of the group, not of
// the patch. Taken twice, H becomes 2H - H². The mean is between the pilot's and the data's, which at unit noise
// count the same. It reports false if T is not precise enough.
func solve[T fastblas.Float](w *groupWork, s *gaussianWork[T], y, pilot []float32, p pass, sigma float64) bool {
	n, values := len(w.members)/len(w.offset), s.values
	gather(w, s.pilot, pilot)
	gather(w, s.data, y)
	columnMeans(s.pilotMean, s.pilot, n)
	columnMeans(s.mean, s.data, n)
	trust := T(1 / (1 + sigma*sigma))
	for i, m := range s.pilotMean {
		s.mean[i] = m + trust*(s.mean[i]-m)
	}
	subtractRows(s.pilot, s.pilotMean, n)
	subtractRows(s.data, s.mean, n)
	fastblas.Syrk(true, false, n, values, 1, s.pilot, values, 0, s.gram, n)
	noise := float64(n) * p.ridge * sigma * sigma
	largest := 0.0
	for i := range n {
		largest = max(largest, float64(s.gram[i*n+i]))
		s.gram[i*n+i] += T(noise)
	}
	var one T = 1
	if _, single := any(one).(float32); single && !(largest*0x1p-24 < tooSteep*noise) {
		return false
	}
	if !invertFactor(s.gram, s.inverse, s.scratch, n) {
		return false
	}
	fastblas.Gemm(false, true, n, n, values, 1, s.data, values, s.pilot, values, 0, s.cross, n)
	fastblas.Gemm(false, true, n, n, n, 1, s.cross, n, s.inverse, n, 0, s.mix, n)
	fastblas.Gemm(false, false, n, n, n, 1, s.mix, n, s.inverse, n, 0, s.cross, n)
	if p.twice {
		fastblas.Gemm(false, true, n, n, n, 1, s.cross, n, s.inverse, n, 0, s.mix, n)
		fastblas.Gemm(false, false, n, n, n, T(noise), s.mix, n, s.inverse, n, 1, s.cross, n)
	}
	fastblas.Gemm(false, false, n, values, n, 1, s.cross, n, s.pilot, values, 0, s.data, values)
	for j := range n {
		out := w.result[j*values : (j+1)*values]
		for i, v := range s.data[j*values : (j+1)*values] {
			out[i] = float32(v + s.mean[i])
		}
	}
	return true
}

// gather copies the group's patches out of rows × K coefficients.
func gather[T fastblas.Float](w *groupWork, dst []T, from []float32) {
	k := w.k
	if single, ok := any(dst).([]float32); ok {
		for j, r := range w.members {
			copy(single[j*k:(j+1)*k], from[int(r)*k:int(r)*k+k])
		}
		return
	}
	for j, r := range w.members {
		out := dst[j*k : (j+1)*k]
		for i, v := range from[int(r)*k : int(r)*k+k] {
			out[i] = T(v)
		}
	}
}

// columnMeans writes the means of the columns of n rows.
func columnMeans[T fastblas.Float](mean, rows []T, n int) {
	clear(mean)
	for j := range n {
		fastblas.Axpy(T(1)/T(n), rows[j*len(mean):(j+1)*len(mean)], mean)
	}
}

// subtractRows takes mean off each of n rows.
func subtractRows[T fastblas.Float](rows, mean []T, n int) {
	for j := range n {
		fastblas.Axpy(-1, mean, rows[j*len(mean):(j+1)*len(mean)])
	}
}
