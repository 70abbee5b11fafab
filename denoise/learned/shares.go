package learned

import (
	"context"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// ShareCount is the number of shares that a batch is computed in, side by side.
// It is fixed, and their sums are added in order, so that the result of training
// does not depend on the number of threads.
const ShareCount = 4

// Share is one of them.
type Share struct {
	Rng      *rand.Rand
	Pick     []int32   // samples
	Gradient []float32 // of their summed loss, for the caller to add to
	loss     float64
}

// Shares are those of a training.
type Shares struct {
	All     [ShareCount]*Share
	threads int
}

// NewShares divides batches of o.Batch samples; seeds are drawn from o.Rng.
func NewShares(n *net.Network, o TrainOptions) *Shares {
	s := &Shares{threads: o.Threads}
	for p := range s.All {
		s.All[p] = &Share{Rng: rand.New(rand.NewPCG(o.Rng.Uint64(), o.Rng.Uint64())), Pick: make([]int32, o.Batch/ShareCount), Gradient: make([]float32, len(n.Weights()))}
	}
	return s
}

// Step picks a batch of so many samples at random and adds its gradient. run
// returns the summed loss of what a share picked and adds to the share's gradient that
// of the mean over the batch. The mean loss is returned.
func (s *Shares) Step(ctx context.Context, gradient []float32, samples int, run func(share int) float64) (float64, error) {
	err := signals.EachTask(ctx, ShareCount, s.threads, func(_, p int) error {
		w := s.All[p]
		for i := range w.Pick {
			w.Pick[i] = int32(w.Rng.IntN(samples))
		}
		w.loss = run(p)
		return nil
	})
	if err != nil {
		return 0, err
	}
	loss := 0.0
	for _, w := range s.All {
		for i, g := range w.Gradient {
			gradient[i] += g
		}
		clear(w.Gradient)
		loss += w.loss
	}
	return loss / float64(ShareCount*len(s.All[0].Pick)), nil
}

// Mean returns the mean loss over so many samples, in order. run returns the
// summed loss of what the first share picked.
func (s *Shares) Mean(ctx context.Context, samples int, run func() float64) (float64, error) {
	w := s.All[0]
	pick := w.Pick
	defer func() { w.Pick = pick }()
	total := 0.0
	for from := 0; from < samples; from += len(pick) {
		w.Pick = pick[:min(len(pick), samples-from)]
		for i := range w.Pick {
			w.Pick[i] = int32(from + i)
		}
		total += run()
	}
	return total / float64(max(samples, 1)), ctx.Err()
}
