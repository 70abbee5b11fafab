package noise

import (
	"context"
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// components are principal components of the volumes in use: column k of
// Vectors (D×D, row-major) belongs to eigenvalue k of Values, ascending.
type components struct {
	Values  []float64
	Vectors []float64
}

// learn finds the components of every fold from the other folds, and from
// each fold itself the power they have there: held[k] is the mean over folds
// of component k's held-out power, equal[k] the power it would have if the
// noise of all volumes were 1 before weighting.
func (e *estimator) learn(ctx context.Context, l *lesson) (held, equal []float64, err error) {
	d, folds := len(e.volumes), len(l.grams)
	all, n := sumOf(l.grams), l.total()
	voxels := e.voxelMoments(n)
	e.learned = make([]components, folds)
	power := make([][]float64, folds)
	level := make([][]float64, folds)
	err = signals.EachTask(ctx, folds, e.o.Threads, func(_, f int) error {
		cov, rest := slices.Clone(all), n
		if folds > 1 {
			for i, g := range l.grams[f] {
				cov[i] -= g
			}
			rest -= l.count[f]
		}
		for i := range d {
			for j := i; j < d; j++ {
				v := cov[i*d+j] / max(rest, 1)
				if voxels != nil {
					v += voxels[f][i*d+j]
				}
				cov[i*d+j] = v * e.weight[i] * e.weight[j]
			}
		}
		c, err := eigen(cov, d)
		if err != nil {
			return err
		}
		e.learned[f] = c
		for i := range d {
			for k := range d {
				c.Vectors[i*d+k] *= e.weight[i]
			}
		}
		power[f], level[f] = heldOut(c.Vectors, l.grams[f], d)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	held, equal = sumOf(power), sumOf(level)
	for k := range held {
		held[k] /= n
		equal[k] /= float64(folds)
	}
	return held, equal, nil
}

// heldOut returns uᵀ G u and uᵀ u for every column u of vectors.
func heldOut(vectors, gram []float64, d int) (power, level []float64) {
	image := make([]float64, d*d)
	u := blas64.General{Rows: d, Cols: d, Stride: d, Data: vectors}
	blas64.Symm(blas.Left, 1, blas64.Symmetric{N: d, Stride: d, Data: gram, Uplo: blas.Upper}, u, 0,
		blas64.General{Rows: d, Cols: d, Stride: d, Data: image})
	power, level = make([]float64, d), make([]float64, d)
	for i := range d {
		for k, v := range vectors[i*d : (i+1)*d] {
			power[k] += v * image[i*d+k]
			level[k] += v * v
		}
	}
	return power, level
}

// voxelMoments returns, where high-pass vectors are too few to learn anatomy
// from, the covariance of the foreground outside each fold to be learned
// beside them, weighted by how few there are: white noise is as flat in one as
// in the other, and what anatomy there is stands out in either. Nil where
// there are enough.
func (e *estimator) voxelMoments(n float64) [][]float64 {
	d := len(e.volumes)
	weight := min(1, perVolume/2*float64(d)/max(n, 1))
	if n >= perVolume*float64(d) {
		return nil
	}
	rows := make([][]int, e.folds.count())
	for r := range e.s.Len() {
		if e.foreground[r] {
			x, y, _ := e.s.At(r)
			f := e.folds.fold(x, y)
			rows[f] = append(rows[f], r)
		}
	}
	grams := make([][]float64, len(rows))
	total := 0.0
	for f, of := range rows {
		total += float64(len(of))
		grams[f] = e.gram(len(of), func(i int, dst []float64) {
			values := e.s.Row(of[i])
			for j, v := range e.volumes {
				dst[j] = float64(values[v]) - e.mean[j]
			}
		})
	}
	all := sumOf(grams)
	for f, g := range grams {
		rest := total
		if len(grams) > 1 {
			rest -= float64(len(rows[f]))
		} else {
			clear(g)
		}
		for i := range g {
			g[i] = weight * (all[i] - g[i]) / max(rest, 1)
		}
	}
	return grams
}

// flatTail returns how many of the smallest components are noise: as long as
// the next few have no more held-out power on average than the smaller ones,
// give or take sampling error, either as it is (volumes brought to one level
// rightly) or relative to equal (their noise was the same before). n is the
// number of independent coefficients behind the power, most the largest number
// wanted. from is the first component that stands out, without that limit.
func flatTail(held, equal []float64, n float64, most int) (k, from int) {
	d := len(held)
	ratio := make([]float64, d)
	for i := range held {
		ratio[i] = held[i] / equal[i]
	}
	from = min(max(3, d/8), max(1, d/4))
	for from < d {
		next := min(from+max(1, d/10), d)
		tolerance := 1 + flatness + 2*math.Sqrt(2/n)*math.Sqrt(1/float64(next-from)+1/float64(from))
		if mean(held[from:next]) > tolerance*mean(held[:from]) && mean(ratio[from:next]) > tolerance*mean(ratio[:from]) {
			break
		}
		from++
	}
	return min(from, most), from
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// ownVolumes lists the volumes that bring noise of their own. Left out are
// those that hold one value all over the foreground, as lost volumes do, and
// exact copies of an earlier volume, whose noise would be counted twice.
func ownVolumes(s *signals.Signals, foreground []bool) (own []int, constant, copies int) {
	const offset, prime = 0xcbf29ce484222325, 0x100000001b3 // FNV-1a, a value at a time
	sum := slices.Repeat([]uint64{offset}, s.D)
	same := slices.Repeat([]bool{true}, s.D)
	var first []float32
	for r := range s.Len() {
		if !foreground[r] {
			continue
		}
		row := s.Row(r)
		if first == nil {
			first = row
		}
		for i, v := range row {
			sum[i] = (sum[i] ^ uint64(math.Float32bits(v))) * prime
			same[i] = same[i] && v == first[i]
		}
	}
	seen := map[uint64]bool{}
	for i, h := range sum {
		switch {
		case same[i]:
			constant++
		case seen[h]:
			copies++
		default:
			own = append(own, i)
		}
		seen[h] = true
	}
	return own, constant, copies
}

// foregroundMean returns the mean signal over the foreground, one entry per
// volume in use.
func (e *estimator) foregroundMean() []float64 {
	mean := make([]float64, len(e.volumes))
	n := 0.0
	for r := range e.s.Len() {
		if !e.foreground[r] {
			continue
		}
		n++
		row := e.s.Row(r)
		for j, i := range e.volumes {
			mean[j] += float64(row[i])
		}
	}
	for j := range mean {
		mean[j] /= max(n, 1)
	}
	return mean
}

func sumOf(parts [][]float64) []float64 {
	sum := make([]float64, len(parts[0]))
	for _, p := range parts {
		for i, v := range p {
			sum[i] += v
		}
	}
	return sum
}

// eigen decomposes a symmetric d×d matrix given by its upper triangle; it
// overwrites a.
func eigen(a []float64, d int) (components, error) {
	c := components{Values: make([]float64, d), Vectors: a}
	sym := blas64.Symmetric{N: d, Stride: d, Data: a, Uplo: blas.Upper}
	query := make([]float64, 1)
	lapack64.Syev(lapack.EVCompute, sym, c.Values, query, -1)
	work := make([]float64, int(query[0]))
	if !lapack64.Syev(lapack.EVCompute, sym, c.Values, work, len(work)) {
		return components{}, errors.New("noise: eigenvalues of the signal covariance did not converge")
	}
	return c, nil
}
