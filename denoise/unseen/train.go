package unseen

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

const trainParts = 4 // of a batch, fixed so that the result does not depend on threads

// Train fits the model to samples, with the truth where it is known and by the
// objectives for noisy data where not, and keeps the averaged weights that were
// best on the held-out ones. Losses are squared errors over those that the Gaussian prior
// expects of itself: noise levels and voxels count alike.
func (m *Model) Train(ctx context.Context, train, heldOut *Samples, o net.TrainOptions) ([]net.Point, *net.State, error) {
	o = o.WithDefaults()
	t := newTrainer(m, o)
	return net.Train(ctx, m.Net, net.Task{
		Step:    func(ctx context.Context, gradient []float32) (float64, error) { return t.step(ctx, train, gradient) },
		HeldOut: func(ctx context.Context) (float64, error) { return t.loss(ctx, heldOut) },
	}, o)
}

// HeldOutLoss is the loss that training watches, of samples held out.
func (m *Model) HeldOutLoss(ctx context.Context, heldOut *Samples) (float64, error) {
	o := net.TrainOptions{Rng: rand.New(rand.NewPCG(1, 1))}.WithDefaults()
	return newTrainer(m, o).loss(ctx, heldOut)
}

// Clone returns a copy with weights of its own.
func (m *Model) Clone() *Model {
	c := *m
	c.Net = m.Net.Clone()
	return &c
}

// trainer is what steps share.
type trainer struct {
	m     *Model
	o     net.TrainOptions
	parts [trainParts]*part
}

// part is the scratch of a part of a batch: two values of x_t for each sample.
type part struct {
	rng       *rand.Rand
	b         *batch
	pick      []int32
	questions []question
	d         []float64
	gradient  []float32
	sum       float64
}

func newTrainer(m *Model, o net.TrainOptions) *trainer {
	t := &trainer{m: m, o: o}
	n := o.Batch / trainParts
	for p := range t.parts {
		t.parts[p] = &part{rng: rand.New(rand.NewPCG(o.Rng.Uint64(), o.Rng.Uint64())), b: m.newBatch(2 * n), pick: make([]int32, n),
			questions: make([]question, n), d: make([]float64, 2*n), gradient: make([]float32, len(m.Net.Weights()))}
	}
	return t
}

// step adds the gradient of one batch and returns its loss.
func (t *trainer) step(ctx context.Context, s *Samples, gradient []float32) (float64, error) {
	err := signals.EachTask(ctx, trainParts, t.o.Threads, func(_, p int) error {
		w := t.parts[p]
		for i := range w.pick {
			w.pick[i] = int32(w.rng.IntN(s.Len()))
		}
		w.sum = w.run(s, w.rng)
		scale := 1 / float64(trainParts*len(w.pick))
		for i := range w.d {
			w.d[i] *= scale
		}
		w.b.backward(w.gradient, w.d)
		return nil
	})
	if err != nil {
		return 0, err
	}
	loss := 0.0
	for _, w := range t.parts {
		for i, g := range w.gradient {
			gradient[i] += g
		}
		clear(w.gradient)
		loss += w.sum
	}
	return loss / float64(trainParts*len(t.parts[0].pick)), nil
}

// run asks the picked samples and returns the sum of their losses; derivatives
// are left in d.
func (w *part) run(s *Samples, rng *rand.Rand) float64 {
	n, b := len(w.pick), w.b
	for i, at := range w.pick {
		for r := 2 * i; r < 2*i+2; r++ {
			copy(b.static[r*StaticCount:(r+1)*StaticCount], s.Static[int(at)*StaticCount:])
			b.mean[r], b.variance[r] = float64(s.Mean[at]), float64(s.Variance[at])
		}
		w.questions[i] = s.ask(int(at), rng)
		b.at[2*i], b.at[2*i+1] = w.questions[i].noisedBy(rng)
	}
	w.walkBack(n, rng)
	b.forward(2*n, nil)
	sum := 0.0
	for i := range w.pick {
		q := &w.questions[i]
		loss, la, lb := q.loss(b.at[2*i], b.at[2*i+1], b.answer[2*i], b.answer[2*i+1])
		sum += loss
		w.d[2*i], w.d[2*i+1] = la, lb
	}
	return sum
}

// walkBack takes the samples that are asked for consistency from the measurement
// down the reverse process to their noise level, twice each, and notes D at the
// measurement.
func (w *part) walkBack(n int, rng *rand.Rand) {
	b, any := w.b, false
	for i := range n {
		if q := &w.questions[i]; q.kind == consistency {
			any = true
			b.at[2*i] = noised{q.value, math.Sqrt(q.noise)}
			b.at[2*i+1] = b.at[2*i]
		}
	}
	if !any {
		return
	}
	for step := range backSteps {
		b.forward(2*n, nil)
		for i := range n {
			q := &w.questions[i]
			if q.kind != consistency {
				continue
			}
			if step == 0 {
				q.target = b.answer[2*i]
			}
			for r := 2 * i; r < 2*i+2; r++ {
				from := b.at[r].s
				to := from * math.Pow(q.s/from, 1/float64(backSteps-step))
				b.at[r] = noised{back(b.at[r].x, b.answer[r], from, to, rng), to}
			}
		}
	}
}

// loss returns the mean loss over all samples, always asked the same.
func (t *trainer) loss(ctx context.Context, s *Samples) (float64, error) {
	w := t.parts[0]
	pick := w.pick
	defer func() { w.pick = pick }()
	rng := rand.New(rand.NewPCG(sampleStream, 1))
	total := 0.0
	for from := 0; from < s.Len(); from += len(pick) {
		w.pick = pick[:min(len(pick), s.Len()-from)]
		for i := range w.pick {
			w.pick[i] = int32(from + i)
		}
		total += w.run(s, rng)
	}
	return total / math.Max(float64(s.Len()), 1), ctx.Err()
}
