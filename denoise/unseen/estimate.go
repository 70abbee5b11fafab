package unseen

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
)

// estimator is one worker's scratch.
type estimator struct {
	e      *Extractor
	b      *batch
	static []float32 // points × StaticCount
}

func (m *Model) newEstimator(s *Scene) *estimator {
	return &estimator{e: NewExtractor(s), b: m.newBatch(batchRows), static: make([]float32, s.Points.Len()*StaticCount)}
}

// eachBatch runs the points of one row through the network from pure noise, a
// batch after another, and hands each to visit.
func (w *estimator) eachBatch(s *Scene, r int, visit func(from, n int)) {
	w.e.Row(w.static, r)
	points := s.Points.Len()
	for from := 0; from < points; from += batchRows {
		n := min(batchRows, points-from)
		copy(w.b.static, w.static[from*StaticCount:(from+n)*StaticCount])
		for i := range n {
			w.b.mean[i] = float64(s.Mean[r*points+from+i])
			w.b.variance[i] = max(s.variance(r, from+i), leastVariance)
			w.b.at[i] = pureNoise
		}
		visit(from, n)
	}
}

// Estimate writes the posterior mean from pure noise of every point of every row
// into dst, rows × points: the Gaussian prediction plus the network's
// corrections, weighted by weights (EstimateCount + 1, nil meaning 1 each), on the shells for which
// use is true (nil meaning all).
func (m *Model) Estimate(ctx context.Context, s *Scene, dst []float32, weights []float64, use []bool, threads int) error {
	workers := make([]*estimator, signals.Threads(threads))
	points := s.Points.Len()
	return signals.EachRange(ctx, s.Grid.Len(), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = m.newEstimator(s)
		}
		w := workers[worker]
		for r := from; r < to; r++ {
			out := dst[r*points : (r+1)*points]
			copy(out, s.Mean[r*points:(r+1)*points])
			w.eachBatch(s, r, func(first, n int) {
				w.b.forward(n, weights)
				for i, x := range w.b.answer[:n] {
					if use == nil || use[s.of[first+i]] {
						out[first+i] = float32(x)
					}
				}
			})
		}
		return nil
	})
}

// Weigh collects what measurements that were kept back say of the corrections,
// over rows for which wanted is true (nil meaning all).
func (m *Model) Weigh(ctx context.Context, s *Scene, measured Known, wanted []bool, threads int) (*learned.Evidence, error) {
	points := s.Points.Len()
	parts := make([]learned.Observations, (s.Grid.Len()+rowsAtOnce-1)/rowsAtOnce)
	workers := make([]*estimator, signals.Threads(threads))
	err := signals.EachRange(ctx, s.Grid.Len(), rowsAtOnce, threads, func(worker, from, to int) error {
		if workers[worker] == nil {
			workers[worker] = m.newEstimator(s)
		}
		w, part := workers[worker], &parts[from/rowsAtOnce]
		for r := from; r < to; r++ {
			if wanted != nil && !wanted[r] {
				continue
			}
			x, y, z := s.Grid.At(r)
			w.eachBatch(s, r, func(first, n int) {
				gates := w.b.gates(n)
				for i := range n {
					value, noise, ok := measured(r, first+i)
					if !ok {
						continue
					}
					for e := range EstimateCount {
						part.Change = append(part.Change, gates[i*outCount+e]*w.b.static[i*StaticCount+e])
					}
					part.Residual = append(part.Residual, float32(value)-s.Mean[r*points+first+i])
					part.Variance = append(part.Variance, float32(noise))
					part.Shell = append(part.Shell, int32(s.of[first+i]))
					part.Block = append(part.Block, [3]int{x / 4, y / 4, z / 4})
				}
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return learned.NewEvidence(EstimateCount, parts), nil
}
