package unseen

import (
	"context"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// Train fits the model to samples, with the truth where it is known and by the
// objectives for noisy data where not, and keeps the averaged weights that were
// best on the held-out ones. Losses are squared errors over those that the Gaussian prior
// expects of itself: noise levels and voxels count alike.
func (m *Model) Train(ctx context.Context, train, heldOut *Samples, o net.TrainOptions) ([]net.Point, *net.State, error) {
	o = o.WithDefaults()
	t := newTrainer(m, o)
	return net.Train(ctx, m.Net, net.Task{
		Step: func(ctx context.Context, gradient []float32) (float64, error) {
			return t.shares.Step(ctx, gradient, train.Len(), func(share int) float64 { return t.parts[share].step(train) })
		},
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
	shares *learned.Shares
	parts  [learned.ShareCount]*part
}

// part is the scratch of a share of a batch: two values of x_t for each sample.
type part struct {
	*learned.Share
	b         *batch
	questions []question
	d         []float64
}

func newTrainer(m *Model, o net.TrainOptions) *trainer {
	t := &trainer{shares: learned.NewShares(m.Net, o)}
	for p, share := range t.shares.All {
		n := len(share.Pick)
		t.parts[p] = &part{Share: share, b: m.newBatch(2 * n), questions: make([]question, n), d: make([]float64, 2*n)}
	}
	return t
}

// step adds the gradient of the picked samples and returns the sum of their
// losses.
func (w *part) step(s *Samples) float64 {
	sum := w.run(s, w.Rng)
	scale := 1 / float64(learned.ShareCount*len(w.Pick))
	for i := range w.d {
		w.d[i] *= scale
	}
	w.b.backward(w.Gradient, w.d)
	return sum
}

// run asks the picked samples and returns the sum of their losses; derivatives
// are left in d.
func (w *part) run(s *Samples, rng *rand.Rand) float64 {
	n, b := len(w.Pick), w.b
	for i, at := range w.Pick {
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
	for i := range w.Pick {
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
	rng := rand.New(rand.NewPCG(sampleStream, 1))
	return t.shares.Mean(ctx, s.Len(), func() float64 { return t.parts[0].run(s, rng) })
}
