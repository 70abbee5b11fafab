package net

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

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
	State    *State // to resume from
	Progress func(step, total int)
}

// WithDefaults fills in what is 0.
func (o TrainOptions) WithDefaults() TrainOptions {
	for _, v := range []struct {
		into     *int
		standard int
	}{{&o.Steps, 3000}, {&o.Batch, 1024}, {&o.Every, 100}, {&o.Patience, 10}} {
		if *v.into == 0 {
			*v.into = v.standard
		}
	}
	if o.Rate == 0 {
		o.Rate = 2e-3
	}
	return o
}

// Point is one point of a loss curve.
type Point struct {
	Step    int     `json:"step"`
	Train   float64 `json:"train,omitempty"` // since the point before; none at the first
	HeldOut float64 `json:"held_out"`
}

// averaged is the decay of the averaged weights of a training.
const averaged = 0.995

// Task is what a training repeats: a step's loss, with its gradient with respect
// to the weights added to gradient, and the loss over samples held out.
type Task struct {
	Step    func(ctx context.Context, gradient []float32) (loss float64, err error)
	HeldOut func(ctx context.Context) (float64, error)
}

// Train takes steps of AdamW, their size half a cosine down to a fiftieth after a
// short rise, and leaves n with the averaged weights that were best on the
// held-out samples. It ends early when those get no better. The loss curve and
// the optimiser's state, to resume from, are returned.
func Train(ctx context.Context, n *Network, task Task, o TrainOptions) ([]Point, *State, error) {
	o = o.WithDefaults()
	opt := &AdamW{Rate: o.Rate, Decay: o.Decay, Clip: 1, Average: averaged}
	if o.State != nil {
		opt.State = *o.State
	}
	weights := n.Weights()
	best, gradient := append([]float32(nil), weights...), make([]float32, len(weights))
	least, err := task.HeldOut(ctx)
	if err != nil {
		return nil, nil, err
	}
	curve := []Point{{HeldOut: least}}
	started, sum, since, stale := time.Now(), 0.0, 0, 0
	for step := 1; step <= o.Steps; step++ {
		loss, err := task.Step(ctx, gradient)
		if err != nil {
			return nil, nil, err
		}
		opt.Step(weights, gradient, rateAt(step, o.Steps))
		sum += loss
		since++
		if o.Progress != nil {
			o.Progress(step, o.Steps)
		}
		late := o.Time > 0 && time.Since(started) > o.Time
		if step%o.Every != 0 && step != o.Steps && !late {
			continue
		}
		now := append([]float32(nil), weights...)
		copy(weights, opt.State.EMA)
		risk, err := task.HeldOut(ctx)
		if err != nil {
			return nil, nil, err
		}
		curve = append(curve, Point{step, sum / float64(since), risk})
		sum, since = 0, 0
		if stale++; risk < least {
			least, stale = risk, 0
			copy(best, weights)
		}
		copy(weights, now)
		if stale == o.Patience || late {
			break
		}
	}
	copy(weights, best)
	return curve, &opt.State, nil
}

// rateAt returns the factor of the learning rate.
func rateAt(step, steps int) float64 {
	along := float64(step) / float64(steps)
	return (0.02 + 0.98*(1+math.Cos(math.Pi*along))/2) * min(1, float64(step)/100)
}
