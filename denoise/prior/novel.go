package prior

import (
	"context"
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

const (
	novelBlocks    = 2000 // blocks looked into at most, those with the most power across the components
	novelExcess    = 8    // standard deviations by which a block's power must exceed the scan's
	novelMargin    = 1.1  // over the largest eigenvalue that noise alone would have
	novelLeast     = 50   // power above that edge a direction must have in all, in σ²
	mostNovel      = 16   // directions added at most
	novelTileReach = 5
)

// extend adds components for signal that is strong in a few places only, such as
// a small lesion's, and does not show in the covariance of the whole scan: blocks
// with more power across the components than noise has are decomposed on their
// own, and the directions found in them that stand out there become components
// too. f·x has unit noise. It returns how many were added.
func (s *subspace) extend(ctx context.Context, grid *signals.Grid, x []float32, f float32, threads int) (int, error) {
	room := min(mostNovel, s.d-s.k, mostDirection+mostNovel-s.k)
	if room <= 0 {
		return 0, ctx.Err()
	}
	chosen, level, err := s.powerful(ctx, grid, x, f, threads)
	if err != nil || len(chosen) == 0 {
		return 0, err
	}
	parts := make([][]float64, scanParts)
	work := make([]*novelWork, signals.Threads(threads))
	err = signals.EachTask(ctx, scanParts, threads, func(worker, p int) error {
		if work[worker] == nil {
			work[worker] = newNovelWork(s, level)
		}
		parts[p] = make([]float64, s.d*s.d)
		for _, rows := range chosen[p*len(chosen)/scanParts : (p+1)*len(chosen)/scanParts] {
			if !work[worker].add(parts[p], rows, x, f) {
				return errDecomposition
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	sum := parts[0]
	for _, p := range parts[1:] {
		for i, v := range p {
			sum[i] += v
		}
	}
	values := make([]float64, s.d)
	if !symeig.New(s.d).Decompose(sum, s.d, values, sum) {
		return 0, errDecomposition
	}
	added := 0
	for added < room && values[added] > novelLeast {
		for _, u := range sum[added*s.d : (added+1)*s.d] {
			s.vectors = append(s.vectors, float32(u))
		}
		s.variance = append(s.variance, values[added]/float64(grid.Len()))
		added++
	}
	s.k += added
	return added, nil
}

// powerful returns the rows of the blocks whose power across the components
// exceeds that of the scan most, and that level: the mean power of one
// coefficient across the components, 1 where there is only noise.
func (s *subspace) powerful(ctx context.Context, grid *signals.Grid, x []float32, f float32, threads int) (blocks [][]int32, level float64, err error) {
	power := make([]float32, grid.Len())
	scratch := make([][]float32, signals.Threads(threads))
	err = signals.EachRange(ctx, grid.Len(), encodeRows, threads, func(worker, from, to int) error {
		if scratch[worker] == nil {
			scratch[worker] = make([]float32, encodeRows*(s.d+s.k))
		}
		n := to - from
		centred, z := scratch[worker][:n*s.d], scratch[worker][n*s.d:n*(s.d+s.k)]
		for r := from; r < to; r++ {
			s.centre(centred[(r-from)*s.d:], x[r*s.d:(r+1)*s.d], f)
		}
		fastblas.Gemm(false, true, n, s.k, s.d, 1, centred, s.d, s.vectors, s.d, 0, z, s.k)
		for j := range n {
			c, k := centred[j*s.d:(j+1)*s.d], z[j*s.k:(j+1)*s.k]
			power[from+j] = fastblas.Dot(c, c) - fastblas.Dot(k, k)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for _, p := range power {
		level += float64(p) / float64(len(power)*(s.d-s.k))
	}
	level = max(level, 1)
	type block struct {
		excess float64
		index  int
		rows   []int32
	}
	var found []block
	tiling := signals.Tiling{Extent: cube(novelTileReach), Stride: 3}
	err = tiling.Each(ctx, grid, 1, nil, func(_ int, b *signals.Block) error {
		sum, freedom := 0.0, float64(len(b.Rows)*(s.d-s.k))
		for _, r := range b.Rows {
			sum += float64(power[r])
		}
		if excess := (sum/level - freedom) / math.Sqrt(2*freedom); excess > novelExcess {
			found = append(found, block{excess, b.Index, slices.Clone(b.Rows)})
		}
		return nil
	})
	slices.SortFunc(found, func(a, b block) int {
		switch {
		case a.excess > b.excess:
			return -1
		case a.excess < b.excess:
			return 1
		default:
			return a.index - b.index
		}
	})
	rows := make([][]int32, min(len(found), novelBlocks))
	for i := range rows {
		rows[i] = found[i].rows
	}
	return rows, level, err
}

// novelWork is one worker's scratch for decomposing what lies across the
// components in a block.
type novelWork struct {
	s       *subspace
	edge    float64   // margin and level of the largest eigenvalue of noise
	a       []float32 // rows × D
	z       []float32 // K
	gram    []float32
	gram64  []float64
	values  []float64
	vectors []float64
	u       []float32 // D
	eigen   *symeig.Workspace
}

func newNovelWork(s *subspace, level float64) *novelWork {
	n := novelTileReach * novelTileReach * novelTileReach
	return &novelWork{
		s: s, edge: novelMargin * level, a: make([]float32, n*s.d), z: make([]float32, max(s.k, 1)), gram: make([]float32, n*n), gram64: make([]float64, n*n),
		values: make([]float64, n), vectors: make([]float64, n*n), u: make([]float32, s.d), eigen: symeig.New(n),
	}
}

// add adds the block's directions above the edge of noise to sum (D × D),
// weighted by their power above it.
func (w *novelWork) add(sum []float64, rows []int32, x []float32, f float32) bool {
	n, d := len(rows), w.s.d
	for j, r := range rows {
		row := w.a[j*d : (j+1)*d]
		w.s.centre(row, x[int(r)*d:(int(r)+1)*d], f)
		w.s.across(row, w.z)
	}
	fastblas.Syrk(false, false, n, d, 1, w.a, d, 0, w.gram, n)
	for i, v := range w.gram[:n*n] {
		w.gram64[i] = float64(v)
	}
	if !w.eigen.Decompose(w.gram64, n, w.values, w.vectors) {
		return false
	}
	edge := w.edge * math.Pow(math.Sqrt(float64(n))+math.Sqrt(float64(d-w.s.k)), 2)
	for k := 0; k < n && w.values[k] > edge; k++ {
		clear(w.u)
		for j := range n {
			fastblas.Axpy(float32(w.vectors[k*n+j]/math.Sqrt(w.values[k])), w.a[j*d:(j+1)*d], w.u)
		}
		for i, u := range w.u {
			g := (w.values[k] - edge) * float64(u)
			for j, v := range w.u {
				sum[i*d+j] += g * float64(v)
			}
		}
	}
	return true
}
