package synthesis

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// whitening takes the numbers of a voxel of one class, in its own frame, log b = 0 first, to
// principal components and back. Components are scaled half way to unit variance: a
// component of standard deviation s, relative to the first, has the variance s. The
// reverse process so finds the kind of tissue first and its details later, as it does
// in pictures, rather than all at once.
type whitening struct {
	mean     []float64
	basis    [][]float64 // components × numbers, by falling variance; not scaled
	sd       []float64   // of the components before scaling
	variance []float64   // of the components as scaled, 1 for the first
}

// leastSpread is the standard deviation, relative to the largest, below which a
// component is a constraint of the frame rather than something that varies.
const leastSpread = 1e-5

// newWhitening learns from voxels (rows × size).
func newWhitening(rows []float64, size int) (*whitening, error) {
	n := len(rows) / size
	w := &whitening{mean: make([]float64, size)}
	for i, v := range rows {
		w.mean[i%size] += v / float64(n)
	}
	centred := mat.NewDense(n, size, nil)
	for i, v := range rows {
		centred.Set(i/size, i%size, v-w.mean[i%size])
	}
	var cov mat.SymDense
	cov.SymOuterK(1/float64(n), centred.T())
	var e mat.EigenSym
	if !e.Factorize(&cov, true) {
		return nil, fmt.Errorf("%w: their covariance cannot be decomposed", ErrSource)
	}
	var vectors mat.Dense
	e.VectorsTo(&vectors)
	values := e.Values(nil)
	largest := math.Sqrt(max(values[size-1], 0))
	if !(largest > 0) {
		return nil, fmt.Errorf("%w: all voxels are the same", ErrSource)
	}
	for k := size - 1; k >= 0; k-- {
		if sd := math.Sqrt(max(values[k], 0)); sd > leastSpread*largest {
			w.basis, w.sd = append(w.basis, mat.Col(nil, k, &vectors)), append(w.sd, sd)
			w.variance = append(w.variance, sd/largest)
		}
	}
	return w, nil
}

// components returns how many vary.
func (w *whitening) components() int { return len(w.sd) }

// leading returns how many components hold all but a share of the variance, at
// most limit.
func (w *whitening) leading(share float64, limit int) int {
	total := 0.0
	for _, s := range w.sd {
		total += s * s
	}
	left := total
	for k, s := range w.sd {
		if left < share*total || k == limit {
			return k
		}
		left -= s * s
	}
	return len(w.sd)
}

// encode writes the leading len(dst) components of a voxel, 0 where there are no more.
func (w *whitening) encode(dst []float32, numbers []float64) {
	for k := range dst[:min(len(dst), len(w.basis))] {
		sum := 0.0
		for i, b := range w.basis[k] {
			sum += b * (numbers[i] - w.mean[i])
		}
		dst[k] = float32(sum / w.sd[k] * math.Sqrt(w.variance[k]))
	}
}

// decode writes the numbers of a voxel given all its components.
func (w *whitening) decode(numbers []float64, z []float64) {
	copy(numbers, w.mean)
	for k, v := range z {
		v *= w.sd[k] / math.Sqrt(w.variance[k])
		for i, b := range w.basis[k] {
			numbers[i] += v * b
		}
	}
}
