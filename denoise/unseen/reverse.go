package unseen

import (
	"context"
	"math"

	"github.com/dmri-denoise/dmri-denoise/denoise/impute"
	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// Reverse is the prior of all points of some rows at once, for samplers: the
// Gaussian process couples the points, and the network corrects each. It is for
// one goroutine.
type Reverse struct {
	s        *Scene
	b        *batch
	inner    *impute.Batch
	schedule diffusion.Schedule
	weights  []float64
	use      []bool
	first    int       // row
	static   []float32 // rows × points × StaticCount
}

// NewReverse prepares the rows from first to last (not included), of which inner
// is the Gaussian prior on the same schedule. weights and use are those of [Model.Estimate].
func (m *Model) NewReverse(s *Scene, first, last int, inner *impute.Batch, schedule diffusion.Schedule, weights []float64, use []bool) *Reverse {
	n := s.Points.Len() * StaticCount
	d := &Reverse{s: s, b: m.newBatch(batchRows), inner: inner, schedule: schedule, weights: weights, use: use, first: first, static: make([]float32, (last-first)*n)}
	e := NewExtractor(s)
	for r := first; r < last; r++ {
		e.Row(d.static[(r-first)*n:(r-first+1)*n], r)
	}
	return d
}

// PosteriorMean implements [diffusion.Denoiser] in the units of inner, deviations
// from the Gaussian prediction: the answer of inner, plus by how much
// the network's differs from that of a network of zeros.
func (d *Reverse) PosteriorMean(ctx context.Context, dst, xt []float32, t float64) error {
	if err := d.inner.PosteriorMean(ctx, dst, xt, t); err != nil {
		return err
	}
	sigma := d.schedule.Sigma(t)
	if sigma == 0 {
		return nil
	}
	scale, inverse := d.inner.Scale(), math.Sqrt(1+sigma*sigma)
	points := d.s.Points.Len()
	for from := 0; from < len(xt); from += batchRows {
		n := min(batchRows, len(xt)-from)
		copy(d.b.static, d.static[from*StaticCount:(from+n)*StaticCount])
		for i := range n {
			r, p := d.first+(from+i)/points, (from+i)%points
			d.b.mean[i] = float64(d.s.Mean[r*points+p])
			d.b.variance[i] = max(d.s.variance(r, p), leastVariance)
			d.b.at[i] = noised{d.b.mean[i] + scale*inverse*float64(xt[from+i]), scale * sigma}
		}
		d.b.forward(n, d.weights)
		for i, x := range d.b.answer[:n] {
			if d.use != nil && !d.use[d.s.of[(from+i)%points]] {
				continue
			}
			gaussian := d.b.mean[i] + d.b.kappa[i]*(d.b.at[i].x-d.b.mean[i])
			dst[from+i] += float32((x - gaussian) / scale)
		}
	}
	return ctx.Err()
}
