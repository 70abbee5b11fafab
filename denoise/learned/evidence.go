package learned

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Evidence is what a scan says about a model without truth: samples with the
// change of the Gaussian estimate by family of corrections, and how the change
// moved with the measurement.
type Evidence struct {
	n        int
	families int
	change   []float32 // n × families
	moved    []float32 // n × families: by how much the change moved
	residual []float32 // measurement minus Gaussian estimate
	answer   []float32 // by how much the Gaussian estimate moved
	probe    []float32 // over its step
	variance []float32
	shell    []int32
	block    []int32 // of 4³ voxels
	blocks   int
}

// Observations are samples whose measurement the estimate has not seen.
type Observations struct {
	Change   []float32 // n × families
	Residual []float32 // measurement minus Gaussian estimate
	Variance []float32 // of its noise
	Shell    []int32
	Block    [][3]int // of voxels whose errors go together
}

// NewEvidence joins observations. Since no estimate has seen its measurement,
// Stein's estimate needs no derivatives.
func NewEvidence(families int, parts []Observations) *Evidence {
	e := &Evidence{families: families}
	number := map[[3]int]int32{}
	for _, p := range parts {
		e.change, e.residual = append(e.change, p.Change...), append(e.residual, p.Residual...)
		e.variance, e.shell = append(e.variance, p.Variance...), append(e.shell, p.Shell...)
		for _, key := range p.Block {
			if _, known := number[key]; !known {
				number[key] = int32(len(number))
			}
			e.block = append(e.block, number[key])
		}
	}
	e.n, e.blocks = len(e.residual), len(number)
	return e
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
	k := e.families
	a, b := mat.NewSymDense(k, nil), mat.NewVecDense(k, nil)
	sums, along := make([]float64, k*k), make([]float64, k)
	used := 0.0
	for i := range e.n {
		if e.fold(i) == without {
			continue
		}
		used++
		c := e.change[i*k : (i+1)*k]
		for p, v := range c {
			x := float64(v)
			along[p] += x * float64(e.residual[i])
			for q, u := range c[:p+1] {
				sums[p*k+q] += x * float64(u)
			}
		}
		if e.moved == nil {
			continue
		}
		slope := float64(e.variance[i] * e.probe[i])
		for p, v := range e.moved[i*k : (i+1)*k] {
			along[p] -= slope * float64(v)
		}
	}
	for p := range k {
		for q := range p + 1 {
			a.SetSym(p, q, sums[p*k+q])
		}
		pull := ridge*used + 1e-9
		a.SetSym(p, p, sums[p*k+p]+pull)
		b.SetVec(p, along[p]+pull)
	}
	var w mat.VecDense
	if w.SolveVec(a, b) != nil {
		return ones(k)
	}
	out := make([]float64, k)
	for p := range out {
		if out[p] = w.AtVec(p); math.IsNaN(out[p]) || math.IsInf(out[p], 0) {
			return ones(k)
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
			change += v * float64(e.change[i*e.families+p])
		}
		r, v := float64(e.residual[i]), float64(e.variance[i])
		gaussian, gain := r*r-v, r*r-(change-r)*(change-r)
		if e.moved != nil {
			for p, v := range w {
				moved += v * float64(e.moved[i*e.families+p])
			}
			slope := 2 * v * float64(e.probe[i])
			gaussian += slope * float64(e.answer[i])
			gain -= slope * moved
		}
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
