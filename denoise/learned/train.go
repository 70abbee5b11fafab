package learned

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
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

// TrainOptions set a training.
type TrainOptions struct {
	Steps    int           // 0 means 3000
	Time     time.Duration // no step begins later than this; 0 means no limit. A limit makes the result depend on the machine
	Batch    int           // samples per step; 0 means 1024
	Rate     float64       // 0 means 2e-3
	Decay    float64
	Every    int // steps between looks at the held-out samples; 0 means 100
	Patience int // looks without improvement that end the training; 0 means 10
	Threads  int
	Rng      *rand.Rand
	State    *net.State // to resume from
	Progress func(step, total int)
}

// Point is one point of a loss curve.
type Point struct {
	Step    int     `json:"step"`
	Train   float64 `json:"train,omitempty"` // since the point before; none at the first
	HeldOut float64 `json:"held_out"`
}

const trainParts = 4 // of a batch, fixed so that the result does not depend on threads

// Train fits a model to samples and keeps the averaged weights that were best on
// the held-out ones. The loss is the squared error where the truth is known, and
// Stein's unbiased estimate of it where not.
func (m *Model) Train(ctx context.Context, train, heldOut *Samples, o TrainOptions) ([]Point, *net.State, error) {
	if o.Steps == 0 {
		o.Steps = 3000
	}
	if o.Batch == 0 {
		o.Batch = 1024
	}
	if o.Rate == 0 {
		o.Rate = 2e-3
	}
	if o.Every == 0 {
		o.Every = 100
	}
	if o.Patience == 0 {
		o.Patience = 10
	}
	t := newTrainer(m, o)
	best := append([]float32(nil), m.Net.Weights()...)
	least, err := t.loss(ctx, heldOut)
	if err != nil {
		return nil, nil, err
	}
	curve := []Point{{0, 0, least}}
	started, sum, stale := time.Now(), 0.0, 0
	for step := 1; step <= o.Steps; step++ {
		loss, err := t.step(ctx, train, step)
		if err != nil {
			return nil, nil, err
		}
		sum += loss / float64(o.Every)
		if o.Progress != nil {
			o.Progress(step, o.Steps)
		}
		late := o.Time > 0 && time.Since(started) > o.Time
		if step%o.Every != 0 && step != o.Steps && !late {
			continue
		}
		now := append([]float32(nil), m.Net.Weights()...)
		copy(m.Net.Weights(), t.opt.State.EMA)
		risk, err := t.loss(ctx, heldOut)
		if err != nil {
			return nil, nil, err
		}
		curve = append(curve, Point{step, sum, risk})
		sum = 0
		if stale++; risk < least {
			least, stale = risk, 0
			copy(best, m.Net.Weights())
		}
		copy(m.Net.Weights(), now)
		if stale == o.Patience || late {
			break
		}
	}
	copy(m.Net.Weights(), best)
	return curve, &t.opt.State, nil
}

// trainer is what steps share.
type trainer struct {
	m     *Model
	o     TrainOptions
	opt   *net.AdamW
	parts [trainParts]*partWork
}

// partWork is the scratch of a part of a batch.
type partWork struct {
	rng             *rand.Rand
	still, moved    *net.Pass
	pick            []int32
	features, other []float32
	change, changed []float32
	dGates          []float32
	gradient        []float32
	loss            float64
}

func newTrainer(m *Model, o TrainOptions) *trainer {
	t := &trainer{m: m, o: o, opt: &net.AdamW{Rate: o.Rate, Decay: o.Decay, Clip: 1, Average: 0.995}}
	if o.State != nil {
		t.opt.State = *o.State
	}
	n := o.Batch / trainParts
	for p := range t.parts {
		t.parts[p] = &partWork{
			rng: rand.New(rand.NewPCG(o.Rng.Uint64(), o.Rng.Uint64())), still: m.Net.NewPass(n), moved: m.Net.NewPass(n),
			pick: make([]int32, n), features: make([]float32, n*FeatureCount), other: make([]float32, n*FeatureCount),
			change: make([]float32, n), changed: make([]float32, n), dGates: make([]float32, n*SignedCount), gradient: make([]float32, len(m.Net.Weights())),
		}
	}
	return t
}

// step takes one step of the optimiser and returns the batch's loss.
func (t *trainer) step(ctx context.Context, s *Samples, step int) (float64, error) {
	err := signals.EachTask(ctx, trainParts, t.o.Threads, func(_, p int) error {
		w := t.parts[p]
		for i := range w.pick {
			w.pick[i] = int32(w.rng.IntN(s.Len()))
		}
		w.loss = t.run(w, s, true)
		return nil
	})
	if err != nil {
		return 0, err
	}
	total := t.parts[0].gradient
	loss := t.parts[0].loss
	for _, w := range t.parts[1:] {
		for i, g := range w.gradient {
			total[i] += g
		}
		clear(w.gradient)
		loss += w.loss
	}
	// Half a cosine down to a fiftieth, after a short rise.
	along := float64(step) / float64(t.o.Steps)
	rate := 0.02 + 0.98*(1+math.Cos(math.Pi*along))/2
	t.opt.Step(t.m.Net.Weights(), total, rate*min(1, float64(step)/100))
	return loss / float64(trainParts*len(t.parts[0].pick)), nil
}

// run returns the summed loss over the picked samples, and adds to the gradient
// if it is wanted.
func (t *trainer) run(w *partWork, s *Samples, backward bool) float64 {
	n := len(w.pick)
	for i, at := range w.pick {
		copy(w.features[i*FeatureCount:(i+1)*FeatureCount], s.Features[int(at)*FeatureCount:])
	}
	t.m.prepare(w.still.In(n), w.features, n)
	apply(w.change, w.features, w.still.Forward(n), n)
	scale := float32(1 / float64(trainParts*n))
	loss := 0.0
	if s.Truth != nil {
		for i, at := range w.pick {
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
	for i, at := range w.pick {
		copy(w.other[i*FeatureCount:(i+1)*FeatureCount], s.Moved[int(at)*FeatureCount:])
	}
	t.m.prepare(w.moved.In(n), w.other, n)
	apply(w.changed, w.other, w.moved.Forward(n), n)
	for i, at := range w.pick {
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
	p.Backward(w.gradient, w.dGates)
}

// loss returns the mean loss over all samples.
func (t *trainer) loss(ctx context.Context, s *Samples) (float64, error) {
	total, n := 0.0, len(t.parts[0].pick)
	w := t.parts[0]
	pick := w.pick
	defer func() { w.pick = pick }()
	for from := 0; from < s.Len(); from += n {
		w.pick = pick[:min(n, s.Len()-from)]
		for i := range w.pick {
			w.pick[i] = int32(from + i)
		}
		total += t.run(w, s, false)
	}
	return total / float64(max(s.Len(), 1)), ctx.Err()
}
