package learned

import (
	"context"

	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// Samples are (voxel, direction)s to train on. Either the truth is known, or the
// features and the Gaussian estimate are there a second time, for a measurement
// moved by a probe.
type Samples struct {
	Features []float32 // n × FeatureCount
	Truth    []float32 // what is to be added to the Gaussian estimate; nil where it is not known
	Weight   []float32 // of the squared errors; nil means 1

	Residual []float32 // measurement minus Gaussian estimate
	Moved    []float32 // features of the moved measurement
	Answer   []float32 // by how much the Gaussian estimate moved
	Probe    []float32 // what turns an answer into a derivative: the probe over its step
	Variance []float32 // of the noise in units of σ²; nil means 1
}

// Len returns the number of samples.
func (s *Samples) Len() int { return len(s.Features) / FeatureCount }

// TrainOptions set a training, Point is one point of its loss curve.
type (
	TrainOptions = net.TrainOptions
	Point        = net.Point
)

// Train fits a model to samples and keeps the averaged weights that were best on
// the held-out ones. The loss is the squared error where the truth is known, and
// Stein's unbiased estimate of it where not.
func (m *Model) Train(ctx context.Context, train, heldOut *Samples, o TrainOptions) ([]Point, *net.State, error) {
	o = o.WithDefaults()
	t := newTrainer(m, o)
	return net.Train(ctx, m.Net, net.Task{
		Step: func(ctx context.Context, gradient []float32) (float64, error) {
			return t.shares.Step(ctx, gradient, train.Len(), func(share int) float64 { return t.run(t.parts[share], train, true) })
		},
		HeldOut: func(ctx context.Context) (float64, error) {
			return t.shares.Mean(ctx, heldOut.Len(), func() float64 { return t.run(t.parts[0], heldOut, false) })
		},
	}, o)
}

// trainer is what steps share.
type trainer struct {
	m      *Model
	shares *Shares
	parts  [ShareCount]*partWork
}

// partWork is the scratch of a share of a batch.
type partWork struct {
	*Share
	still, moved    *net.Pass
	features, other []float32
	change, changed []float32
	dGates          []float32
}

func newTrainer(m *Model, o TrainOptions) *trainer {
	t := &trainer{m: m, shares: NewShares(m.Net, o)}
	for p, share := range t.shares.All {
		n := len(share.Pick)
		t.parts[p] = &partWork{
			Share: share, still: m.Net.NewPass(n), moved: m.Net.NewPass(n),
			features: make([]float32, n*FeatureCount), other: make([]float32, n*FeatureCount),
			change: make([]float32, n), changed: make([]float32, n), dGates: make([]float32, n*SignedCount),
		}
	}
	return t
}

// run returns the summed loss over the picked samples, and adds to the gradient
// if it is wanted.
func (t *trainer) run(w *partWork, s *Samples, backward bool) float64 {
	n := len(w.Pick)
	for i, at := range w.Pick {
		copy(w.features[i*FeatureCount:(i+1)*FeatureCount], s.Features[int(at)*FeatureCount:])
	}
	t.m.prepare(w.still.In(n), w.features, n)
	apply(w.change, w.features, w.still.Forward(n), n)
	scale := float32(1 / float64(ShareCount*n))
	loss := 0.0
	if s.Truth != nil {
		for i, at := range w.Pick {
			e, weight := w.change[i]-s.Truth[at], float32(1)
			if s.Weight != nil {
				weight = s.Weight[at]
			}
			loss += float64(weight * e * e)
			w.change[i] = 2 * e * scale * weight
		}
		if backward {
			t.backward(w, w.still, w.features, w.change)
		}
		return loss
	}
	for i, at := range w.Pick {
		copy(w.other[i*FeatureCount:(i+1)*FeatureCount], s.Moved[int(at)*FeatureCount:])
	}
	t.m.prepare(w.moved.In(n), w.other, n)
	apply(w.changed, w.other, w.moved.Forward(n), n)
	for i, at := range w.Pick {
		v := float32(1)
		if s.Variance != nil {
			v = s.Variance[at]
		}
		e := w.change[i] - s.Residual[at]
		slope := (s.Answer[at] + w.changed[i] - w.change[i]) * s.Probe[at]
		loss += float64(e*e - v + 2*v*slope)
		w.change[i] = scale * (2*e - 2*v*s.Probe[at])
		w.changed[i] = scale * 2 * v * s.Probe[at]
	}
	if backward {
		t.backward(w, w.still, w.features, w.change)
		t.backward(w, w.moved, w.other, w.changed)
	}
	return loss
}

// backward turns derivatives with respect to the changes into the gradient.
func (t *trainer) backward(w *partWork, p *net.Pass, features, d []float32) {
	for i, v := range d {
		f, g := features[i*FeatureCount:], w.dGates[i*SignedCount:(i+1)*SignedCount]
		for j := range g {
			g[j] = v * f[j]
		}
	}
	p.Backward(w.Gradient, w.dGates)
}
