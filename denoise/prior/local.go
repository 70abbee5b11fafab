package prior

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
	"github.com/dmri-denoise/dmri-denoise/internal/symeig"
)

// local is the first stage: within each of many overlapping blocks the
// coefficients of a scan's components are a Gaussian, learned from the noisy
// block by optimal shrinkage of its singular values.
type local struct {
	grid     *signals.Grid
	sub      *subspace
	arrays   signals.Arrays
	tiling   signals.Tiling
	threads  int
	progress func(done, total int)
}

// estimate returns the posterior mean of the coefficients y (rows × K), of
// noise sigma, under the Gaussians learned from the coefficients z, of unit
// noise. y may be z.
func (l *local) estimate(ctx context.Context, z, y []float32, sigma float64) ([]float32, error) {
	out, err := l.arrays.Floats(len(y))
	if err != nil {
		return nil, err
	}
	weight := make([]float32, l.grid.Len())
	work := make([]*localWork, signals.Threads(l.threads))
	err = l.tiling.Each(ctx, l.grid, l.threads, l.progress, func(worker int, b *signals.Block) error {
		if work[worker] == nil {
			work[worker] = newLocalWork(l.sub, l.tiling.Extent)
		}
		w := work[worker]
		if err := w.learn(z, b); err != nil {
			return err
		}
		w.estimate(y, b, sigma)
		w.add(out, weight, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	divideRows(out, weight)
	return out, nil
}

// divideRows divides every row of sum by its weight; rows without weight stay.
func divideRows(sum, weight []float32) {
	if len(weight) == 0 {
		return
	}
	k := len(sum) / len(weight)
	for r, w := range weight {
		if w == 0 {
			continue
		}
		inverse := 1 / w
		row := sum[r*k : (r+1)*k]
		for i := range row {
			row[i] *= inverse
		}
	}
}

// localWork is one worker's scratch for blocks.
type localWork struct {
	sub      *subspace
	k        int
	window   [3][]float64 // per axis, weight by offset from the first voxel
	a        []float32    // voxels × K
	left     []float32    // voxels × K
	gram     []float32    // K × K
	gram64   []float64
	values   []float64 // K, descending
	vectors  []float64 // K × K, eigenvectors as rows
	basis    []float32 // rank × K
	variance []float64 // K: of the clean signal along each kept direction
	raw      []float64 // K: the block's mean as measured
	mean     []float64 // K: after its prior
	eigen    *symeig.Workspace
	rank     int
}

func newLocalWork(sub *subspace, extent [3]int) *localWork {
	voxels, k := extent[0]*extent[1]*extent[2], sub.k
	w := &localWork{
		sub: sub, k: k,
		a: make([]float32, voxels*k), left: make([]float32, voxels*k), gram: make([]float32, k*k), gram64: make([]float64, k*k),
		values: make([]float64, k), vectors: make([]float64, k*k), basis: make([]float32, k*k),
		variance: make([]float64, k), raw: make([]float64, k), mean: make([]float64, k),
		eigen: symeig.New(k),
	}
	for axis, e := range extent {
		w.window[axis] = taper(e)
	}
	return w
}

// taper returns the weight of a block's estimate by position along one axis: a
// raised cosine, so that a voxel listens most to the blocks it is central to
// and the grid of block centres shows half as much as with a flat window.
func taper(extent int) []float64 {
	out := make([]float64, extent)
	for i := range out {
		u := float64(i-extent/2) / float64(extent/2+1)
		out[i] = 0.5 + 0.5*math.Cos(math.Pi*u)
	}
	return out
}

// load copies the block's rows into a and takes their mean, which it leaves in
// raw, off.
func (w *localWork) load(z []float32, b *signals.Block) {
	k := w.k
	clear(w.raw)
	for j, r := range b.Rows {
		row := w.a[j*k : (j+1)*k]
		copy(row, z[int(r)*k:(int(r)+1)*k])
		for i, v := range row {
			w.raw[i] += float64(v)
		}
	}
	for i := range w.raw {
		w.raw[i] /= float64(len(b.Rows))
	}
	for j := range b.Rows {
		row := w.a[j*k : (j+1)*k]
		for i, m := range w.raw {
			row[i] -= float32(m)
		}
	}
}

// learn learns the block's Gaussian from coefficients of unit noise.
func (w *localWork) learn(z []float32, b *signals.Block) error {
	w.load(z, b)
	n, k := len(b.Rows), w.k
	w.rank = 0
	if n < 2 {
		return nil
	}
	fastblas.Syrk(false, true, k, n, 1, w.a, k, 0, w.gram, k)
	for i, v := range w.gram {
		w.gram64[i] = float64(v)
	}
	if !w.eigen.Decompose(w.gram64, k, w.values, w.vectors) {
		return errDecomposition
	}
	// Centring takes one degree of freedom from the voxels.
	w.rank = shrinkSingular(w.variance, w.values[:min(n-1, k)], 1, n-1, k)
	for j, f := range w.variance[:w.rank] {
		// A weight f at unit noise is the posterior weight of the variance f/(1-f).
		w.variance[j] = f / max(1-f, 1e-9)
		for i, u := range w.vectors[j*k : (j+1)*k] {
			w.basis[j*k+i] = float32(u)
		}
	}
	return nil
}

// estimate leaves the posterior mean of the block's rows of y, of noise sigma,
// in a.
func (w *localWork) estimate(y []float32, b *signals.Block, sigma float64) {
	w.load(y, b)
	n, k, r := len(b.Rows), w.k, w.rank
	copy(w.mean, w.raw)
	w.sub.blockMean(w.mean, n, sigma)
	for j := range n {
		row := w.a[j*k : (j+1)*k]
		for i, m := range w.mean {
			row[i] += float32(w.raw[i] - m)
		}
	}
	left := w.left[:n*max(r, 1)]
	fastblas.Gemm(false, true, n, r, k, 1, w.a, k, w.basis, k, 0, left, r)
	for j := range n {
		row := left[j*r : (j+1)*r]
		for i, v := range w.variance[:r] {
			row[i] *= float32(v / (v + sigma*sigma))
		}
	}
	for j := range n {
		row := w.a[j*k : (j+1)*k]
		for i, m := range w.mean {
			row[i] = float32(m)
		}
	}
	fastblas.Gemm(false, false, n, k, r, 1, left, r, w.basis, k, 1, w.a, k)
}

// add puts the weighted estimate into the sums.
func (w *localWork) add(sum, weight []float32, b *signals.Block) {
	k := w.k
	trust := 1 / float64(1+w.rank)
	hx, hy, hz := len(w.window[0])/2, len(w.window[1])/2, len(w.window[2])/2
	for j, r := range b.Rows {
		o := b.Offset[3*j:]
		g := float32(trust * w.window[0][int(o[0])+hx] * w.window[1][int(o[1])+hy] * w.window[2][int(o[2])+hz])
		fastblas.Axpy(g, w.a[j*k:(j+1)*k], sum[int(r)*k:(int(r)+1)*k])
		weight[r] += g
	}
}

// blockMean replaces the coefficients of a block's mean, measured over n voxels
// with noise sigma, by their posterior mean under the scan's Gaussian. A
// coefficient that stands clearly out of its own noise is trusted beyond the
// scan's variance, so that a structure found nowhere else in the scan survives.
func (s *subspace) blockMean(mean []float64, n int, sigma float64) {
	noise := sigma * sigma / float64(n)
	for k, v := range s.variance {
		c := mean[k]
		v = max(v, c*c-4*noise)
		mean[k] = c * v / (v + noise)
	}
}
