package impute

import (
	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// QConditional is the distribution of a voxel's clean signals at some points of
// q-space given its measurements: for each component of the mixture a Gaussian
// with mean weights·y + offset and a covariance, with the probability of the
// component given y. It is safe for concurrent use; see [QConditional.NewVoxel].
type QConditional struct {
	d, p, points int
	design       *mat.Dense // measured volumes × coefficients
	scorers      []*scorer
	weights      [][]float64 // per component, points × d
	offset       [][]float64 // per component, points
	cov          [][]float64 // per component, points × points
}

// Given conditions the model on the volumes of measured, at the volumes of
// target, each of which counts to its nearest shell; see [NewTargets] for
// b-values that lie between.
func (m *QModel) Given(measured, target *gradients.Table) (*QConditional, error) {
	b := designOf(m.space, target)
	a := designOf(m.space, measured)
	gram := gramOf(a)
	q := &QConditional{d: measured.Len(), p: m.space.Size(), points: target.Len(), design: a}
	for k := range m.classes {
		c := &m.classes[k]
		s, err := newScorer(c, gram, q.d)
		if err != nil {
			return nil, err
		}
		var reach, cov, weights mat.Dense
		reach.Mul(b, s.m)
		cov.Mul(&reach, b.T())
		weights.Mul(&reach, a.T())
		weights.Scale(1/c.noise, &weights)
		var level, own mat.VecDense
		level.MulVec(b, mat.NewVecDense(q.p, c.mean))
		own.MulVec(a, mat.NewVecDense(q.p, c.mean))
		offset := make([]float64, q.points)
		for t := range offset {
			offset[t] = level.AtVec(t)
			for i := range q.d {
				offset[t] -= weights.At(t, i) * own.AtVec(i)
			}
		}
		q.scorers = append(q.scorers, s)
		q.weights = append(q.weights, flat(&weights))
		q.offset = append(q.offset, offset)
		q.cov = append(q.cov, flat(&cov))
	}
	return q, nil
}

func flat(m *mat.Dense) []float64 {
	r, c := m.Dims()
	out := make([]float64, 0, r*c)
	for i := range r {
		out = append(out, m.RawRowView(i)...)
	}
	return out
}

// QVoxel is the scratch of one goroutine: what is known of one voxel.
type QVoxel struct {
	q       *QConditional
	y       []float64
	inner   []float64
	work    []float64
	Weights []float64   // probability of each component
	Means   [][]float64 // of each component, at every point
}

// NewVoxel returns scratch for one goroutine.
func (q *QConditional) NewVoxel() *QVoxel {
	v := &QVoxel{q: q, y: make([]float64, q.d), inner: make([]float64, q.p), work: make([]float64, q.p), Weights: make([]float64, len(q.scorers))}
	for range q.scorers {
		v.Means = append(v.Means, make([]float64, q.points))
	}
	return v
}

// Read conditions on the measurements of one voxel (d values).
func (v *QVoxel) Read(row []float32) {
	q := v.q
	square := 0.0
	for i, x := range row {
		v.y[i] = float64(x)
		square += v.y[i] * v.y[i]
	}
	if len(q.scorers) > 1 {
		clear(v.inner)
		raw := q.design.RawMatrix()
		for i, y := range v.y {
			for c, a := range raw.Data[i*raw.Stride : i*raw.Stride+q.p] {
				v.inner[c] += a * y
			}
		}
	}
	memberships(v.Weights, q.scorers, v.inner, square, v.work)
	for k, mean := range v.Means {
		if v.Weights[k] == 0 {
			continue
		}
		w := q.weights[k]
		for t := range mean {
			sum := q.offset[k][t]
			for i, x := range w[t*q.d : (t+1)*q.d] {
				sum += x * v.y[i]
			}
			mean[t] = sum
		}
	}
}

// Mean writes the posterior mean at every point.
func (v *QVoxel) Mean(dst []float64) {
	clear(dst)
	for k, w := range v.Weights {
		if w == 0 {
			continue
		}
		for t, m := range v.Means[k] {
			dst[t] += w * m
		}
	}
}

// Variance writes the posterior variance at every point: that of the
// components and that between them.
func (v *QVoxel) Variance(dst []float64) {
	for t := range dst {
		mean, square := 0.0, 0.0
		for k, w := range v.Weights {
			if w == 0 {
				continue
			}
			m := v.Means[k][t]
			mean += w * m
			square += w * (m*m + v.q.cov[k][t*v.q.points+t])
		}
		dst[t] = max(square-mean*mean, 0)
	}
}
