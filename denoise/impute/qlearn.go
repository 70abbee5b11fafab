package impute

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// ascending returns the indices of values in ascending order of the values.
func ascending(values []float64) []int {
	out := make([]int, len(values))
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	return out
}

// update learns every component from the voxels in proportion to their
// membership.
func (l *qLearner) update(ctx context.Context) error {
	return signals.EachTask(ctx, len(l.classes), l.o.Threads, func(_, k int) error { return l.updateClass(k) })
}

func (l *qLearner) updateClass(k int) error {
	c := &l.classes[k]
	total := 0.0
	inner := make([]float64, l.p)
	for v := range l.n {
		w := l.weight[v*l.o.Classes+k]
		total += w
		for i, u := range l.inner[v*l.p : (v+1)*l.p] {
			inner[i] += w * u
		}
	}
	c.share = total / float64(l.n)
	if total < 1 {
		return nil // a component without voxels keeps what it was
	}
	for i := range inner {
		inner[i] /= total
	}
	c.mean = l.isotropicMean(inner)
	spread, trace := l.scatter(k, c.mean, total)
	if c.cov == nil {
		l.startClass(c, spread, trace)
	}
	rounds := covRounds
	if len(l.classes) == 1 {
		rounds = singleRounds
	}
	for range rounds {
		if err := l.improve(c, spread, trace); err != nil {
			return err
		}
	}
	return nil
}

// isotropicMean fits the l = 0 coefficients to the average voxel by least
// squares: (AᵀA)₀₀ c = (Aᵀy)₀.
func (l *qLearner) isotropicMean(inner []float64) []float64 {
	parts := l.space.Parts()
	g := mat.NewDense(parts, parts, nil)
	r := mat.NewVecDense(parts, nil)
	trace := 0.0
	for a := range parts {
		i, _ := l.space.Coefficients(a)
		r.SetVec(a, inner[i])
		for b := range parts {
			j, _ := l.space.Coefficients(b)
			g.Set(a, b, l.gram.At(i, j))
		}
		trace += g.At(a, a)
	}
	for a := range parts {
		g.Set(a, a, g.At(a, a)+1e-9*trace)
	}
	var x mat.VecDense
	mean := make([]float64, l.p)
	if err := x.SolveVec(g, r); err != nil && x.Len() != parts {
		return mean
	}
	for a := range parts {
		i, _ := l.space.Coefficients(a)
		mean[i] = x.AtVec(a)
	}
	return mean
}

// scatter returns AᵀRA and tr R for the covariance R of a component's signals
// about its mean.
func (l *qLearner) scatter(k int, mean []float64, total float64) (*mat.Dense, float64) {
	offset := mat.NewVecDense(l.p, nil)
	offset.MulVec(l.gram, mat.NewVecDense(l.p, mean))
	own := mat.Dot(offset, mat.NewVecDense(l.p, mean))
	const chunk = 512
	buffer := make([]float64, chunk*l.p)
	out := make([]float64, l.p*l.p)
	trace := 0.0
	for from := 0; from < l.n; from += chunk {
		to := min(from+chunk, l.n)
		used := 0
		for v := from; v < to; v++ {
			w := l.weight[v*l.o.Classes+k]
			if w < 1e-6 {
				continue
			}
			u := l.inner[v*l.p : (v+1)*l.p]
			cross := 0.0
			root := math.Sqrt(w)
			row := buffer[used*l.p : (used+1)*l.p]
			for i, x := range u {
				cross += x * mean[i]
				row[i] = root * (x - offset.AtVec(i))
			}
			trace += w * (l.square[v] - 2*cross + own)
			used++
		}
		blas64.Syrk(blas.Trans, 1/total, blas64.General{Rows: used, Cols: l.p, Stride: l.p, Data: buffer}, 1,
			blas64.Symmetric{N: l.p, Stride: l.p, Data: out, Uplo: blas.Upper})
	}
	mirror(out, l.p)
	return mat.NewDense(l.p, l.p, out), max(trace/total, 1e-30)
}

// startClass begins with equal variance in all coefficients.
func (l *qLearner) startClass(c *qClass, spread *mat.Dense, trace float64) {
	c.noise = firstNoise * trace / float64(l.d)
	c.cov = make([]float64, l.p*l.p)
	each := trace / mat.Trace(l.gram)
	for i := range l.p {
		c.cov[i*l.p+i] = each
	}
}

// improve is one step of expectation maximisation. With M the posterior
// covariance of the coefficients, the new covariance is M + M·AᵀRA·M/r², made
// rotation-invariant, and the new noise the expected mean square of y - Ac.
func (l *qLearner) improve(c *qClass, spread *mat.Dense, trace float64) error {
	m, _, err := posterior(l.gram, c.cov, c.noise)
	if err != nil {
		return err
	}
	var ms, second mat.Dense
	ms.Mul(m, spread)
	second.Mul(&ms, m)
	second.Scale(1/(c.noise*c.noise), &second)
	noise := trace - 2*mat.Trace(&ms)/c.noise
	p := l.p
	for i := range p {
		for j := range p {
			c.cov[i*p+j] = m.At(i, j) + second.At(i, j)
			noise += l.gram.At(j, i) * c.cov[i*p+j]
		}
	}
	l.space.Isotropic(c.cov)
	c.noise = max(noise/float64(l.d), 1e-6*trace/float64(l.d))
	return nil
}

// posterior returns M = (Σ⁻¹ + AᵀA/r)⁻¹ as (I + ΣAᵀA/r)⁻¹Σ, which needs no inverse
// of Σ, and log det(I + ΣAᵀA/r).
func posterior(gram *mat.Dense, cov []float64, noise float64) (*mat.Dense, float64, error) {
	p, _ := gram.Dims()
	sigma := mat.NewDense(p, p, cov)
	var k mat.Dense
	k.Mul(sigma, gram)
	k.Scale(1/noise, &k)
	for i := range p {
		k.Set(i, i, k.At(i, i)+1)
	}
	var lu mat.LU
	lu.Factorize(&k)
	det, sign := lu.LogDet()
	m := mat.NewDense(p, p, nil)
	if err := lu.SolveTo(m, false, sigma); err != nil || sign <= 0 || math.IsNaN(det) {
		if _, near := err.(mat.Condition); !near || sign <= 0 {
			return nil, 0, errDecomposition
		}
	}
	for i := range p {
		for j := range i {
			both := (m.At(i, j) + m.At(j, i)) / 2
			m.Set(i, j, both)
			m.Set(j, i, both)
		}
	}
	return m, det, nil
}

// assign sets the memberships to the posterior probabilities of the components.
func (l *qLearner) assign(ctx context.Context) error {
	scorers := make([]*scorer, len(l.classes))
	for k := range l.classes {
		var err error
		if scorers[k], err = newScorer(&l.classes[k], l.gram, l.d); err != nil {
			return err
		}
	}
	return signals.EachRange(ctx, l.n, 256, l.o.Threads, func(_, from, to int) error {
		work := make([]float64, l.p)
		for v := from; v < to; v++ {
			memberships(l.weight[v*l.o.Classes:(v+1)*l.o.Classes], scorers, l.inner[v*l.p:(v+1)*l.p], l.square[v], work)
		}
		return nil
	})
}

// scorer computes the logarithmic likelihood of a component from Aᵀy and yᵀy.
type scorer struct {
	c        *qClass
	m        *mat.Dense
	offset   []float64 // AᵀA·μ
	own      float64   // μᵀAᵀAμ
	constant float64
}

func newScorer(c *qClass, gram *mat.Dense, d int) (*scorer, error) {
	m, det, err := posterior(gram, c.cov, c.noise)
	if err != nil {
		return nil, err
	}
	s := &scorer{c: c, m: m, constant: math.Log(max(c.share, 1e-12)) - (det+float64(d)*math.Log(c.noise))/2}
	offset := mat.NewVecDense(len(c.mean), nil)
	offset.MulVec(gram, mat.NewVecDense(len(c.mean), c.mean))
	s.offset = offset.RawVector().Data
	for i, o := range s.offset {
		s.own += o * c.mean[i]
	}
	return s, nil
}

// score returns the logarithmic likelihood, and leaves Aᵀ(y-Aμ) in work.
func (s *scorer) score(inner []float64, square float64, work []float64) float64 {
	cross := 0.0
	for i, u := range inner {
		cross += u * s.c.mean[i]
		work[i] = u - s.offset[i]
	}
	explained := 0.0
	raw := s.m.RawMatrix()
	for i, w := range work { // symmetric: the upper triangle does
		row := raw.Data[i*raw.Stride+i : i*raw.Stride+len(work)]
		tail := work[i:]
		sum := -row[0] * w / 2
		for j, x := range row {
			sum += x * tail[j]
		}
		explained += 2 * w * sum
	}
	residual := square - 2*cross + s.own - explained/s.c.noise
	return s.constant - residual/(2*s.c.noise)
}

// memberships writes the posterior probabilities of the components.
func memberships(dst []float64, scorers []*scorer, inner []float64, square float64, work []float64) {
	if len(dst) == 1 {
		dst[0] = 1
		return
	}
	most := math.Inf(-1)
	for k, s := range scorers {
		dst[k] = s.score(inner, square, work)
		most = max(most, dst[k])
	}
	sum := 0.0
	for k := range dst {
		dst[k] = math.Exp(dst[k] - most)
		sum += dst[k]
	}
	for k := range dst {
		dst[k] /= sum
	}
}
