package learned

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// FamilyCount is the number of families that the change of the Gaussian estimate
// is divided into: each estimate for itself, and its averages over q-space
// together. A scan weighs them for itself.
const FamilyCount = 2 * baseCount

// family returns the family of a signed feature.
func family(feature int) int {
	if feature < baseCount {
		return feature
	}
	return baseCount + feature%baseCount
}

// ones are the weights of a model that is taken as it was trained.
func ones() []float64 {
	w := make([]float64, FamilyCount)
	for i := range w {
		w[i] = 1
	}
	return w
}

// Evidence is what a scan says about a model without truth: samples of a pair,
// with the change of the Gaussian estimate by family for the measurement and for
// the moved one.
type Evidence struct {
	n        int
	change   []float32 // n × FamilyCount
	moved    []float32 // n × FamilyCount: by how much the change moved
	residual []float32 // measurement minus Gaussian estimate
	answer   []float32 // by how much the Gaussian estimate moved
	probe    []float32 // over its step
	variance []float32
	shell    []int32
	block    []int32 // of 4³ voxels
	blocks   int
}

// mostEvidence bounds the samples: what more would say is not worth its time.
const mostEvidence = 200_000

// Weigh collects the evidence of a pair on the wanted rows, nil meaning all.
func (m *Model) Weigh(ctx context.Context, p *Pair, wanted []bool, seed uint64, threads int) (*Evidence, error) {
	s := p.Still
	rows := chosenRows(s, wanted, mostEvidence, seed)
	n := len(rows) * s.D
	e := &Evidence{
		n: n, change: make([]float32, n*FamilyCount), moved: make([]float32, n*FamilyCount), residual: make([]float32, n),
		answer: make([]float32, n), probe: make([]float32, n), variance: make([]float32, n), shell: make([]int32, n), block: make([]int32, n),
	}
	type both struct{ still, moved *estimator }
	workers := make([]*both, signals.Threads(threads))
	err := signals.EachRange(ctx, len(rows), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = &both{m.newEstimator(s), m.newEstimator(p.Moved)}
		}
		w := workers[worker]
		for j := from; j < to; j++ {
			at := j * s.D * FamilyCount
			m.families(w.still, e.change[at:at+s.D*FamilyCount], int(rows[j]))
			m.families(w.moved, e.moved[at:at+s.D*FamilyCount], int(rows[j]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, v := range e.change {
		e.moved[i] -= v
	}
	number := map[[3]int]int32{}
	for j, r := range rows {
		x, y, z := s.Grid.At(int(r))
		key := [3]int{x / 4, y / 4, z / 4}
		if _, known := number[key]; !known {
			number[key] = int32(len(number))
		}
		for i := range s.D {
			at, from := j*s.D+i, int(r)*s.D+i
			e.residual[at] = s.Measured[from] - s.Gaussian[from]
			e.answer[at] = p.Moved.Gaussian[from] - s.Gaussian[from]
			e.probe[at] = p.Probe[from] / probeSize
			e.variance[at], e.shell[at], e.block[at] = 1, s.Groups.of[i], number[key]
			if p.Variance != nil {
				e.variance[at] = p.Variance(s.Gaussian[from])
			}
		}
	}
	e.blocks = len(number)
	return e, nil
}

// WeighSamples collects the evidence of samples of pairs, which tell no shells.
func (m *Model) WeighSamples(s *Samples) *Evidence {
	n := s.Len()
	e := &Evidence{
		n: n, change: make([]float32, n*FamilyCount), moved: make([]float32, n*FamilyCount), residual: s.Residual,
		answer: s.Answer, probe: s.Probe, variance: s.Variance, shell: make([]int32, n), block: make([]int32, n), blocks: n,
	}
	w := &estimator{pass: m.Net.NewPass(batchRows), change: make([]float32, n)}
	w.features = s.Features
	m.divide(w, e.change)
	w.features = s.Moved
	m.divide(w, e.moved)
	for i, v := range e.change {
		e.moved[i] -= v
	}
	for i := range e.block {
		e.block[i] = int32(i)
	}
	return e
}

// chosenRows takes wanted rows at random, as many as give at most so many
// samples, in ascending order.
func chosenRows(s *Scan, wanted []bool, samples int, seed uint64) []int32 {
	var rows []int32
	for r := range s.Grid.Len() {
		if wanted == nil || wanted[r] {
			rows = append(rows, int32(r))
		}
	}
	keep := max(samples/s.D, 1)
	if len(rows) <= keep {
		return rows
	}
	rng := rand.New(rand.NewPCG(seed, evidenceStream))
	out := rows[:0]
	for i, r := range rows { // selection sampling (Knuth, algorithm S)
		if rng.IntN(len(rows)-i) < keep-len(out) {
			out = append(out, r)
		}
	}
	return out
}

// evidenceStream separates the choice of rows from other uses of a seed.
const evidenceStream = 0xe7037ed1a0b428db

// families writes the change of one row's directions by family, D × FamilyCount.
func (m *Model) families(w *estimator, dst []float32, r int) {
	w.e.Row(w.features, r)
	m.divide(w, dst)
}

// divide writes the changes of the samples in w.features by family.
func (m *Model) divide(w *estimator, dst []float32) {
	m.eachBatch(w, func(from, n int, features, gates []float32) {
		for i := range n {
			f, g := features[i*FeatureCount:], gates[i*SignedCount:(i+1)*SignedCount]
			out := dst[(from+i)*FamilyCount : (from+i+1)*FamilyCount]
			clear(out)
			for j, v := range g {
				out[family(j)] += v * f[j]
			}
		}
	})
}

const (
	folds = 2
	// ridge draws the weights towards what training gave, as strongly as a change
	// of so many σ² in every sample would. Chosen on simulations and tissue among
	// 0.001 to 1, between which the error differs by 2 %.
	ridge = 3e-4
)

// fold divides blocks of voxels into two halves.
func (e *Evidence) fold(i int) int {
	h := uint32(e.block[i]) * 2654435761 // neighbours are not to fall together
	return int(h >> 31)
}

// Fit returns the weights of families of least risk by Stein's estimate. It is
// quadratic in them: with the change Σw_p·c_p, E = ‖Σw_p·c_p - r‖² + 2Σw_p·∂c_p/∂y,
// so the best ones are the solution of a linear system. Samples of the fold
// without are left out; -1 leaves out none.
func (e *Evidence) Fit(without int) []float64 {
	a, b := mat.NewSymDense(FamilyCount, nil), mat.NewVecDense(FamilyCount, nil)
	var sums [FamilyCount][FamilyCount]float64
	var along [FamilyCount]float64
	used := 0.0
	for i := range e.n {
		if e.fold(i) == without {
			continue
		}
		used++
		c, moved := e.change[i*FamilyCount:(i+1)*FamilyCount], e.moved[i*FamilyCount:(i+1)*FamilyCount]
		slope := float64(e.variance[i] * e.probe[i])
		for p, v := range c {
			x := float64(v)
			along[p] += x*float64(e.residual[i]) - slope*float64(moved[p])
			for q := range p + 1 {
				sums[p][q] += x * float64(c[q])
			}
		}
	}
	for p := range FamilyCount {
		for q := range p + 1 {
			a.SetSym(p, q, sums[p][q])
		}
		pull := ridge*used + 1e-9
		a.SetSym(p, p, sums[p][p]+pull)
		b.SetVec(p, along[p]+pull)
	}
	var w mat.VecDense
	if w.SolveVec(a, b) != nil {
		return ones()
	}
	out := make([]float64, FamilyCount)
	for p := range out {
		if out[p] = w.AtVec(p); math.IsNaN(out[p]) || math.IsInf(out[p], 0) {
			return ones()
		}
	}
	return out
}

// Comparison is the risk of a learned estimate against that of the Gaussian one,
// in units of the noise variance, on samples it was not fitted to.
type Comparison struct {
	Gaussian, Learned float64 // mean squared errors, estimated
	Gain, StdErr      float64 // of the difference Gaussian - Learned, which is known better than either
	Samples           int
}

// Wins reports whether the learned estimate is better by more than the standard
// error of the difference.
func (c Comparison) Wins() bool { return c.Samples > 0 && c.Gain > c.StdErr }

// Compare returns the comparison of all samples and of each shell. weights are
// those for the samples of each fold: fitted to the other one.
func (e *Evidence) Compare(weights [folds][]float64, shells int) (all Comparison, each []Comparison) {
	each = make([]Comparison, shells)
	gains, counts := make([][]float64, shells+1), make([][]float64, shells+1)
	for s := range gains {
		gains[s], counts[s] = make([]float64, e.blocks), make([]float64, e.blocks)
	}
	for i := range e.n {
		w := weights[e.fold(i)]
		change, moved := 0.0, 0.0
		for p, v := range w {
			change += v * float64(e.change[i*FamilyCount+p])
			moved += v * float64(e.moved[i*FamilyCount+p])
		}
		r, v := float64(e.residual[i]), float64(e.variance[i])
		slope := 2 * v * float64(e.probe[i])
		gaussian := r*r - v + slope*float64(e.answer[i])
		gain := r*r - (change-r)*(change-r) - slope*moved
		for _, c := range []*Comparison{&all, &each[e.shell[i]]} {
			c.Gaussian += gaussian
			c.Gain += gain
			c.Samples++
		}
		for _, s := range [2]int{shells, int(e.shell[i])} {
			gains[s][e.block[i]] += gain
			counts[s][e.block[i]]++
		}
	}
	all.finish(gains[shells], counts[shells])
	for s := range each {
		each[s].finish(gains[s], counts[s])
	}
	return all, each
}

// finish divides the sums. The standard error is that of blocks of voxels, since
// neighbours are wrong together.
func (c *Comparison) finish(gains, counts []float64) {
	if c.Samples == 0 {
		return
	}
	n := float64(c.Samples)
	c.Gaussian /= n
	c.Gain /= n
	c.Learned = c.Gaussian - c.Gain
	square := 0.0
	for b, g := range gains {
		d := g - c.Gain*counts[b]
		square += d * d
	}
	c.StdErr = math.Sqrt(square) / n
}

// Judge fits the weights on each half of the evidence and compares on the other.
// The weights returned are fitted to all of it.
func (e *Evidence) Judge(shells int) (weights []float64, all Comparison, each []Comparison) {
	all, each = e.Compare([folds][]float64{e.Fit(0), e.Fit(1)}, shells)
	return e.Fit(-1), all, each
}

// JudgeAs compares with given weights, which know nothing of this scan.
func (e *Evidence) JudgeAs(weights []float64, shells int) (all Comparison, each []Comparison) {
	return e.Compare([folds][]float64{weights, weights}, shells)
}
