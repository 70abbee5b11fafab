package prior

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// localGaussian is the prior of one block, kept for use at other noise levels.
type localGaussian struct {
	mean     []float32 // D, posterior mean of the block mean
	vectors  []float32 // r × D, one principal direction per row
	variance []float32 // r, variance of the clean signal along each
}

// blockWork is one worker's scratch for blocks of up to `voxels` rows.
type blockWork struct {
	d        int
	whole    *scanGaussian
	window   [][]float64 // per axis, weight by offset from the first voxel
	a        []float64   // voxels × D: centred block, then the estimate
	left     []float64   // voxels × r
	gram     []float64   // min(voxels, D)²
	spectrum *spectrum
	weight   []float64 // shrinkage per eigenvalue, ascending; once kept, per direction, largest first
	mean     []float64 // D: the block's mean before, and after, its prior
	raw      []float64 // D
	coef     []float64 // D
	basis    []float64 // r × D: directions kept, largest first
	rows     int
	rank     int
	sigma    float64
}

func newBlockWork(d int, extent [3]int, whole *scanGaussian) *blockWork {
	voxels := extent[0] * extent[1] * extent[2]
	small := min(voxels, d)
	w := &blockWork{
		d: d, whole: whole,
		a: make([]float64, voxels*d), left: make([]float64, voxels*small), gram: make([]float64, small*small),
		spectrum: newSpectrum(small), weight: make([]float64, small),
		mean: make([]float64, d), raw: make([]float64, d), coef: make([]float64, d), basis: make([]float64, small*d),
	}
	for _, e := range extent {
		w.window = append(w.window, taper(e))
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

// load copies the block out of x, as stabilised measurements, and centres it.
func (w *blockWork) load(x []float32, b *signals.Block, f, sigma float64) {
	w.rows, w.sigma = len(b.Rows), sigma
	clear(w.raw)
	d := w.d
	for j, r := range b.Rows {
		row := x[int(r)*d : (int(r)+1)*d]
		out := w.a[j*d : (j+1)*d]
		for i, v := range row {
			out[i] = f * float64(v)
			w.raw[i] += out[i]
		}
	}
	for i := range w.raw {
		w.raw[i] /= float64(w.rows)
	}
	for j := range w.rows {
		row := w.a[j*d : (j+1)*d]
		for i, m := range w.raw {
			row[i] -= m
		}
	}
}

// learn takes in a block of measurements and learns its Gaussian.
func (w *blockWork) learn(x []float32, b *signals.Block, f, sigma float64) error {
	w.load(x, b, f, sigma)
	copy(w.mean, w.raw)
	w.whole.blockMean(w.mean, w.coef, w.rows, sigma)
	w.rank = 0
	if w.rows < 2 {
		return nil
	}
	n, d := w.rows, w.d
	small := min(n, d)
	block := blas64.General{Rows: n, Cols: d, Stride: d, Data: w.a[:n*d]}
	gram := blas64.Symmetric{N: small, Stride: small, Data: w.gram[:small*small], Uplo: blas.Upper}
	side := blas.NoTrans
	if d <= n {
		side = blas.Trans
	}
	blas64.Syrk(side, 1, block, 0, gram)
	values, ok := w.spectrum.decompose(gram.Data, small)
	if !ok {
		return errDecomposition
	}
	weight := w.weight[:small]
	// Centring takes one degree of freedom from the voxels.
	w.rank = shrinkSingular(weight, values, sigma, n-1, d)
	if !w.collect(block, values, d <= n) {
		return errDecomposition
	}
	w.centre()
	return nil
}

// centre moves the block, centred on its own mean by load, to the prior's mean.
func (w *blockWork) centre() {
	for i, m := range w.mean {
		w.raw[i] -= m
	}
	for j := range w.rows {
		row := w.a[j*w.d : (j+1)*w.d]
		for i, m := range w.raw {
			row[i] += m
		}
	}
}

// collect gathers the kept directions as rows of basis, largest first, with
// their weights, whichever side was decomposed.
func (w *blockWork) collect(block blas64.General, values []float64, byVolume bool) (ok bool) {
	small := len(values)
	r := w.rank
	if r == 0 {
		return true
	}
	slices.Reverse(w.weight[:small])
	if byVolume {
		return w.spectrum.leading(w.basis, w.gram, small, r)
	}
	// The right singular vectors from the left ones.
	left := blas64.General{Rows: r, Cols: small, Stride: small, Data: w.left[:r*small]}
	if !w.spectrum.leading(left.Data, w.gram, small, r) {
		return false
	}
	for k := range r {
		f := 1 / math.Sqrt(values[small-1-k])
		for i := range small {
			left.Data[k*small+i] *= f
		}
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, left, block, 0,
		blas64.General{Rows: r, Cols: w.d, Stride: w.d, Data: w.basis[:r*w.d]})
	return true
}

// keep returns a copy of the learned Gaussian. A weight f at noise σ is the
// posterior weight of the variance v = σ²·f/(1-f).
func (w *blockWork) keep() *localGaussian {
	k := &localGaussian{mean: make([]float32, w.d), vectors: make([]float32, w.rank*w.d), variance: make([]float32, w.rank)}
	for i, m := range w.mean {
		k.mean[i] = float32(m)
	}
	for i, u := range w.basis[:w.rank*w.d] {
		k.vectors[i] = float32(u)
	}
	for i, f := range w.weight[:w.rank] {
		k.variance[i] = float32(w.sigma * w.sigma * f / max(1-f, 1e-9))
	}
	return k
}

// recall takes in a block of measurements under a Gaussian learned before.
func (w *blockWork) recall(k *localGaussian, x []float32, b *signals.Block, f, sigma float64) {
	w.load(x, b, f, sigma)
	for i, m := range k.mean {
		w.mean[i] = float64(m)
	}
	w.centre()
	w.rank = len(k.variance)
	for i, u := range k.vectors {
		w.basis[i] = float64(u)
	}
	for i, v := range k.variance {
		w.weight[i] = float64(v) / (float64(v) + sigma*sigma)
	}
}

// estimate replaces the block by its posterior mean.
func (w *blockWork) estimate(b *signals.Block) {
	n, d, r := w.rows, w.d, w.rank
	block := blas64.General{Rows: n, Cols: d, Stride: d, Data: w.a[:n*d]}
	if r == 0 {
		clear(block.Data)
	} else {
		basis := blas64.General{Rows: r, Cols: d, Stride: d, Data: w.basis[:r*d]}
		left := blas64.General{Rows: n, Cols: r, Stride: r, Data: w.left[:n*r]}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, block, basis, 0, left)
		for j := range n {
			row := left.Data[j*r : (j+1)*r]
			for k, f := range w.weight[:r] {
				row[k] *= f
			}
		}
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, left, basis, 0, block)
	}
	for j := range n {
		row := block.Data[j*d : (j+1)*d]
		for i, m := range w.mean {
			row[i] += m
		}
	}
}

// add puts the weighted estimate into the sums.
func (w *blockWork) add(sum, weight []float32, b *signals.Block) {
	d := w.d
	trust := 1 / float64(1+w.rank)
	hx, hy, hz := len(w.window[0])/2, len(w.window[1])/2, len(w.window[2])/2
	for j, r := range b.Rows {
		o := b.Offset[3*j:]
		g := trust * w.window[0][int(o[0])+hx] * w.window[1][int(o[1])+hy] * w.window[2][int(o[2])+hz]
		row := sum[int(r)*d : (int(r)+1)*d]
		for i, v := range w.a[j*d : (j+1)*d] {
			row[i] += float32(g * v)
		}
		weight[r] += float32(g)
	}
}
