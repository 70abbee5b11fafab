package learned

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

const (
	rowsAtOnce = 32  // rows of one task
	batchRows  = 512 // samples through the network at once
)

// estimator is one worker's scratch.
type estimator struct {
	e        *Extractor
	pass     *net.Pass
	features []float32 // D × FeatureCount
	change   []float32 // D
}

func (m *Model) newEstimator(s *Scan) *estimator {
	return &estimator{
		e: NewExtractor(s), pass: m.Net.NewPass(min(batchRows, s.D)),
		features: make([]float32, s.D*FeatureCount), change: make([]float32, s.D),
	}
}

// Estimate writes the learned posterior mean into dst, rows × D in units of the
// noise: the Gaussian one plus the network's change, its families weighted by
// weights (nil means as trained), in the groups of directions for which use is
// true (nil means all). dst may not be s.Gaussian: estimates use those of
// neighbours.
func (m *Model) Estimate(ctx context.Context, s *Scan, dst []float32, weights []float64, use []bool, threads int, progress func(done, total int)) error {
	fold := m.folded(weights)
	workers := make([]*estimator, signals.Threads(threads))
	n := s.Grid.Len()
	const portions = 16 // for progress
	for p := range portions {
		first, last := p*n/portions, (p+1)*n/portions
		err := signals.EachRange(ctx, last-first, rowsAtOnce, threads, func(worker, from, to int) error {
			if workers[worker] == nil {
				workers[worker] = m.newEstimator(s)
			}
			for r := first + from; r < first+to; r++ {
				m.change(workers[worker], fold, r)
				mean := s.Gaussian[r*s.D : (r+1)*s.D]
				out := dst[r*s.D : (r+1)*s.D]
				for i, c := range workers[worker].change {
					if use != nil && !use[s.Groups.of[i]] {
						c = 0
					}
					out[i] = mean[i] + c
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if progress != nil {
			progress(p+1, portions)
		}
	}
	return nil
}

// folded returns the weight of every gate.
func (m *Model) folded(weights []float64) []float32 {
	if weights == nil {
		weights = m.Weights
	}
	fold := make([]float32, SignedCount)
	for j := range fold {
		fold[j] = 1
		if weights != nil {
			fold[j] = float32(weights[family(j)])
		}
	}
	return fold
}

// change leaves the changes of one row's directions in w.change.
func (m *Model) change(w *estimator, fold []float32, r int) {
	w.e.Row(w.features, r)
	m.eachBatch(w, func(from, n int, features, gates []float32) {
		for i := range n {
			f, g := features[i*FeatureCount:], gates[i*SignedCount:(i+1)*SignedCount]
			sum := float32(0)
			for j, v := range g {
				sum += fold[j] * v * f[j]
			}
			w.change[from+i] = sum
		}
	})
}

// eachBatch runs the features of a row through the network, in batches, and hands
// on features and gates.
func (m *Model) eachBatch(w *estimator, f func(from, n int, features, gates []float32)) {
	d := len(w.change)
	for from := 0; from < d; from += batchRows {
		n := min(batchRows, d-from)
		part := w.features[from*FeatureCount:]
		m.prepare(w.pass.In(n), part, n)
		f(from, n, part, w.pass.Forward(n))
	}
}
