package noise

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/lapack64"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

const (
	gramRows   = 256 // rows converted to float64 at a time
	loudest    = 3.0 // high-pass vectors longer than this many medians are shortened to that
	perVolume  = 8   // high-pass vectors per volume that components can be learned on alone
	leastEqual = 4   // high-pass vectors per volume needed to tell the volumes' noise levels apart
)

// lesson is what the components of one scan are learned from: for every fold
// the second moments of its high-pass vectors, one entry per volume in use.
type lesson struct {
	places [][]int32   // per fold: first rows of the cubes, in order
	step   int         // distance between cubes: 2, side by side, or 1, overlapping
	grams  [][]float64 // per fold, upper triangle
	count  []float64   // per fold: cubes
	limit  float64     // length that high-pass vectors are shortened to
}

// share is the number of coefficients that carry what an independent one does.
func (l *lesson) share() float64 {
	if l.step == 1 {
		return haarShare
	}
	return 1
}

func (l *lesson) total() float64 {
	n := 0.0
	for _, c := range l.count {
		n += c
	}
	return n
}

// learnFrom collects the high-pass vectors of the foreground: cubes side by
// side, overlapping ones where those are few.
func (e *estimator) learnFrom(ctx context.Context) (*lesson, error) {
	l := &lesson{}
	for l.step = 2; l.step > 0; l.step-- {
		l.places = e.places(l.step)
		n := 0
		for _, p := range l.places {
			n += len(p)
		}
		if n >= perVolume*len(e.volumes) {
			break
		}
		if l.step == 1 {
			if n == 0 {
				return nil, errScattered
			}
			break
		}
	}
	l.limit = e.loudLimit(l)
	if !(l.limit > 0) {
		return nil, errFlat
	}
	l.grams = make([][]float64, len(l.places))
	l.count = make([]float64, len(l.places))
	return l, signals.EachTask(ctx, len(l.places), e.o.Threads, func(_, f int) error {
		l.count[f] = float64(len(l.places[f]))
		l.grams[f] = e.gram(len(l.places[f]), func(i int, dst []float64) {
			e.highPass(l.places[f][i], dst)
			shorten(dst, l.limit)
		})
		return nil
	})
}

// places lists, per fold, the first rows of the cubes of the foreground that
// lie in one column, at every step-th voxel of it.
func (e *estimator) places(step int) [][]int32 {
	g := e.s.Grid
	out := make([][]int32, e.folds.count())
	c := unitCube(g)
	var row [8]int
	var sign [8]float64
	for r := range g.Len() {
		x, y, z := g.At(r)
		inX, inY := x%e.folds.tileX, y%e.folds.tileY
		if !e.foreground[r] || inX%step != 0 || inY%step != 0 || z%step != 0 ||
			inX+c.lag[0] >= e.folds.tileX || inY+c.lag[1] >= e.folds.tileY || !c.rows(g, x, y, z, &row, &sign) {
			continue
		}
		f := e.folds.fold(x, y)
		out[f] = append(out[f], int32(r))
	}
	return out
}

// loudLimit returns the length that high-pass vectors are shortened to: a few
// very bright voxels would otherwise be all that is learned.
func (e *estimator) loudLimit(l *lesson) float64 {
	var length []float64
	dst := make([]float64, len(e.volumes))
	for _, places := range l.places {
		for _, r := range places {
			e.highPass(r, dst)
			length = append(length, norm(dst))
		}
	}
	slices.Sort(length)
	return loudest * length[len(length)/2]
}

func norm(v []float64) float64 {
	return blas64.Nrm2(blas64.Vector{N: len(v), Data: v, Inc: 1})
}

func shorten(v []float64, limit float64) {
	if n := norm(v); n > limit {
		for i := range v {
			v[i] *= limit / n
		}
	}
}

// highPass writes the Haar difference of every volume in use at the cube whose
// first row is r, scaled so that white noise keeps its standard deviation.
func (e *estimator) highPass(r int32, dst []float64) {
	g := e.s.Grid
	var row [8]int
	var sign [8]float64
	x, y, z := g.At(int(r))
	c := unitCube(g)
	c.rows(g, x, y, z, &row, &sign)
	n := c.corners()
	clear(dst)
	scale := 1 / math.Sqrt(float64(n))
	for k := range n {
		values, s := e.s.Row(row[k]), sign[k]*scale
		for j, i := range e.volumes {
			dst[j] += s * float64(values[i])
		}
	}
}

// gram returns the upper triangle of Σ v vᵀ over n vectors.
func (e *estimator) gram(n int, vector func(i int, dst []float64)) []float64 {
	d := len(e.volumes)
	out := make([]float64, d*d)
	chunk := make([]float64, min(gramRows, max(n, 1))*d)
	for from := 0; from < n; from += gramRows {
		to := min(from+gramRows, n)
		for i := from; i < to; i++ {
			vector(i, chunk[(i-from)*d:(i-from+1)*d])
		}
		blas64.Syrk(blas.Trans, 1, blas64.General{Rows: to - from, Cols: d, Stride: d, Data: chunk}, 1,
			blas64.Symmetric{N: d, Stride: d, Data: out, Uplo: blas.Upper})
	}
	return out
}

// equalise sets the weights that bring the noise of all volumes to one level.
// The level of a volume is its high-pass standard deviation given all other
// volumes, 1/√(C⁻¹)ᵢᵢ, of which the noise is what is left once anatomy common
// to the volumes is predicted away. Too few vectors tell no levels apart: then
// all volumes get one weight.
func (e *estimator) equalise(l *lesson) {
	d := len(e.volumes)
	n := l.total()
	cov := sumOf(l.grams)
	trace := 0.0
	for i := range d {
		trace += cov[i*d+i] / n
	}
	e.weight = slices.Repeat([]float64{1 / math.Sqrt(trace/float64(d))}, d)
	if n < leastEqual*float64(d)*l.share() {
		return
	}
	for i := range cov {
		cov[i] /= n
	}
	sym := blas64.Symmetric{N: d, Stride: d, Data: cov, Uplo: blas.Upper}
	factor, ok := lapack64.Potrf(sym)
	if !ok {
		return
	}
	lapack64.Potri(factor)
	for i := range d {
		if p := cov[i*d+i] * (1 - float64(d)/n); p > 0 {
			e.weight[i] = math.Sqrt(p)
		}
	}
}
