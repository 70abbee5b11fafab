package learned

import (
	"context"
	"math/rand/v2"

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
func ones(families int) []float64 {
	w := make([]float64, families)
	for i := range w {
		w[i] = 1
	}
	return w
}

// mostEvidence bounds the samples: what more would say is not worth its time.
const mostEvidence = 200_000

// Weigh collects the evidence of a pair on the wanted rows, nil meaning all.
func (m *Model) Weigh(ctx context.Context, p *Pair, wanted []bool, seed uint64, threads int) (*Evidence, error) {
	s := p.Still
	rows := chosenRows(s, wanted, mostEvidence, seed)
	n := len(rows) * s.D
	e := &Evidence{
		n: n, families: FamilyCount, change: make([]float32, n*FamilyCount), moved: make([]float32, n*FamilyCount), residual: make([]float32, n),
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
		n: n, families: FamilyCount, change: make([]float32, n*FamilyCount), moved: make([]float32, n*FamilyCount), residual: s.Residual,
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
