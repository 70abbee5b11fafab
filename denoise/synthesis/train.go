package synthesis

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/signals"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

const (
	embedding  = 16   // features of the noise level
	batchParts = 4    // of a batch, whose gradients are added in a fixed order
	partRows   = 64   // of a part
	learnRate  = 2e-3 // at its peak

	warmUp = 100 // steps to it
	checks = 20  // of the held-out loss
	// Noise levels in training are log-normal relative to the standard deviation of a
	// component (Karras 2022, table 1, with σ_data = 1), which itself is drawn
	// log-uniformly from those there are.
	levelMean, levelSD       = -0.3, 1.1
	leastLevel, largestLevel = 1e-3, 100.0
)

// trainer holds the data of one training.
type trainer struct {
	m            *Model
	o            Options
	data         []float32 // voxels × 4 half turns × components
	of           []uint8   // class of every voxel
	train, tests []int     // voxels
	optimiser    net.AdamW
	parts        [batchParts]*part
	gradient     []float32
}

// part is the scratch of one part of a batch.
type part struct {
	pass     *net.Pass
	gradient []float32
	dOut     []float32
	clean    []float32
	levels   [partRows]float64
	classes  [partRows]uint8
	loss     float64
}

func newTrainer(m *Model, rows []float64, of []uint8, held []bool, signs [4][]float64, o Options) *trainer {
	k, size := m.learned, m.space.size()
	t := &trainer{m: m, o: o, of: of, data: make([]float32, len(held)*len(signs)*k)}
	turned := make([]float64, size)
	for v, test := range held {
		for s, sign := range signs {
			for i, x := range rows[v*size : (v+1)*size] {
				turned[i] = x * sign[i]
			}
			m.classes[of[v]].white.encode(t.data[(v*len(signs)+s)*k:][:k], turned)
		}
		if test {
			t.tests = append(t.tests, v)
		} else {
			t.train = append(t.train, v)
		}
	}
	return t
}

// run trains the network and leaves the averaged weights of the step that did
// best on held-out voxels in the model.
func (t *trainer) run(ctx context.Context) error {
	if len(t.train) == 0 || len(t.tests) == 0 {
		return fmt.Errorf("%w: voxels form too few groups to hold some out", ErrSource)
	}
	k := t.m.learned
	var err error
	config := net.Config{In: t.m.wide(), Hidden: t.o.Hidden, Blocks: t.o.Blocks, Out: k}
	if t.m.network, err = net.New(config, stream(t.o.Seed, forWeights, 0)); err != nil {
		return err
	}
	weights := t.m.network.Weights()
	t.gradient = make([]float32, len(weights))
	for i := range t.parts {
		t.parts[i] = &part{pass: t.m.network.NewPass(partRows), gradient: make([]float32, len(weights)), dOut: make([]float32, partRows*k), clean: make([]float32, partRows*k)}
	}
	t.optimiser = net.AdamW{Rate: learnRate, Decay: 1e-3, Clip: 1, Average: 0.998}
	best := append([]float32(nil), weights...)
	r := &t.m.report
	r.Gaussian = t.heldOut(weights) // a new network answers 0, the Gaussian posterior mean
	r.Loss = r.Gaussian
	for step := range t.o.Steps {
		if err := t.step(ctx, step); err != nil {
			return err
		}
		if every := max(1, t.o.Steps/checks); (step+1)%every == 0 {
			if loss := t.heldOut(t.optimiser.State.EMA); loss < r.Loss {
				r.Loss, r.BestStep = loss, step+1
				copy(best, t.optimiser.State.EMA)
			}
			t.o.Logger.Info("learning", "step", step+1, "loss", t.batchLoss(), "held out", r.Loss, "gaussian", r.Gaussian)
		}
		t.o.Progress(step+1, t.o.Steps)
	}
	copy(weights, best)
	return nil
}

// step takes one step of the optimiser.
func (t *trainer) step(ctx context.Context, number int) error {
	err := signals.EachTask(ctx, batchParts, t.o.Threads, func(_, i int) error {
		p := t.parts[i]
		t.fill(p, t.train, stream(t.o.Seed, forTraining, uint64(number*batchParts+i)))
		t.evaluate(p)
		p.pass.Backward(p.gradient, p.dOut)
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range t.parts {
		for i, g := range p.gradient {
			t.gradient[i] += g / batchParts
		}
		clear(p.gradient)
	}
	scale := (1 + math.Cos(math.Pi*float64(number)/float64(t.o.Steps))) / 2
	t.optimiser.Step(t.m.network.Weights(), t.gradient, scale*min(1, float64(number+1)/warmUp))
	return nil
}

// fill draws voxels, noise levels and noise into a part.
func (t *trainer) fill(p *part, voxels []int, rng *rand.Rand) {
	k, wide := t.m.learned, t.m.wide()
	in := p.pass.In(partRows)
	for r := range partRows {
		voxel := voxels[rng.IntN(len(voxels))]
		p.classes[r] = t.of[voxel]
		c := &t.m.classes[p.classes[r]]
		at := voxel*4 + rng.IntN(4)
		copy(p.clean[r*k:(r+1)*k], t.data[at*k:(at+1)*k])
		narrowest := math.Log(c.variance(min(k, len(c.white.variance))-1)) / 2
		sigma := math.Exp(narrowest*rng.Float64() + levelMean + levelSD*rng.NormFloat64())
		p.levels[r] = min(max(sigma, leastLevel), largestLevel)
		noisy := in[r*wide:][:k]
		for i, x := range p.clean[r*k : (r+1)*k] {
			noisy[i] = x + float32(p.levels[r]*rng.NormFloat64())
		}
		t.m.features(in[r*wide:(r+1)*wide], p.classes[r], p.levels[r])
	}
}

// wide returns the number of features of the network: components, noise level, class.
func (m *Model) wide() int { return m.learned + embedding + len(m.classes) }

// features turns noisy components at the beginning of row, of noise sigma, into
// features in place.
func (m *Model) features(row []float32, class uint8, sigma float64) {
	k := m.learned
	for i, y := range row[:k] {
		row[i] = float32(float64(y) / math.Sqrt(m.classes[class].variance(i)+sigma*sigma))
	}
	net.Embed(row[k:k+embedding], min(max(sigma, leastLevel), largestLevel))
	clear(row[k+embedding:])
	row[k+embedding+int(class)] = 1
}

// evaluate compares the denoiser's answers with the clean components. Every noise
// level has the same weight: the squared error is relative to that of the Gaussian
// model of the voxel's class (Karras 2022, eq. 8). It leaves the loss and its derivatives.
func (t *trainer) evaluate(p *part) {
	k, wide := t.m.learned, t.m.wide()
	in, out := p.pass.In(partRows), p.pass.Forward(partRows)
	p.loss = 0
	for r, sigma := range p.levels {
		c := &t.m.classes[p.classes[r]]
		gaussian := 0.0
		for i := range k {
			v := c.variance(i)
			gaussian += v * sigma * sigma / (v + sigma*sigma)
		}
		scale := 1 / (gaussian * partRows)
		for i := range k {
			skip, gain := precondition(c.variance(i), sigma)
			d := skip*float64(in[r*wide+i]) + gain*float64(out[r*k+i]) - float64(p.clean[r*k+i])
			p.loss += scale * d * d
			p.dOut[r*k+i] = float32(2 * scale * d * gain)
		}
	}
}

// precondition returns the factors of y/√(variance+σ²) and of the network's answer
// in the denoiser: the Gaussian posterior mean, plus the answer times the standard
// deviation of the Gaussian posterior (Karras 2022, table 1, for each component).
func precondition(variance, sigma float64) (skip, gain float64) {
	root := 1 / math.Sqrt(variance+sigma*sigma)
	return variance * root, sigma * math.Sqrt(variance) * root
}

func (t *trainer) batchLoss() float64 {
	sum := 0.0
	for _, p := range t.parts {
		sum += p.loss / batchParts
	}
	return sum
}

// heldOut is the loss on voxels that are not trained on, with the same noise each time.
func (t *trainer) heldOut(weights []float32) float64 {
	const rounds = 32
	clone := t.m.network.Clone()
	copy(clone.Weights(), weights)
	p := &part{pass: clone.NewPass(partRows), dOut: t.parts[0].dOut, clean: make([]float32, partRows*t.m.learned)}
	sum := 0.0
	for i := range rounds {
		t.fill(p, t.tests, stream(t.o.Seed, forTesting, uint64(i)))
		t.evaluate(p)
		sum += p.loss / rounds
	}
	return sum
}
