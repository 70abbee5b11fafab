package net

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/tensor"
)

func random(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// checkGradient holds the derivative got of f with respect to the elements of x
// against central differences, in double precision.
func checkGradient(t *testing.T, name string, x, got []float64, f func() float64) {
	t.Helper()
	const h = 1e-5
	for i := range x {
		was := x[i]
		x[i] = was + h
		up := f()
		x[i] = was - h
		down := f()
		x[i] = was
		want := (up - down) / (2 * h)
		// Central differences err by h²f‴/6 and by rounding over h, both near 1e-9 here.
		if math.Abs(got[i]-want) > 1e-7*(1+math.Abs(want)) {
			t.Fatalf("%s: derivative %d is %v, differences say %v", name, i, got[i], want)
		}
	}
}

// weigh is a loss with derivative c: Σ c·y.
func weigh(c, y []float64) (sum float64) {
	for i, v := range c {
		sum += v * y[i]
	}
	return sum
}

func TestLinearGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows = 5
	l := layer{at: 3, in: 4, out: 6}
	weights := random(rng, 3+(4+1)*6)
	x, c, y := random(rng, rows*4), random(rng, rows*6), make([]float64, rows*6)
	loss := func() float64 { forward(l, weights, x, y, rows); return weigh(c, y) }
	gradient, dX := make([]float64, len(weights)), make([]float64, len(x))
	backward(l, weights, gradient, x, c, dX, rows)
	checkGradient(t, "weights", weights, gradient, loss)
	checkGradient(t, "input", x, dX, loss)
}

func TestGateGradient(t *testing.T) {
	x := []float64{-30, -3, -1, -0.1, 0, 0.1, 1, 3, 30}
	c, y := []float64{1, -2, 3, 1, -1, 2, 1, 1, 0.5}, make([]float64, 9)
	d := slices.Clone(c)
	gateBackward(d, x, len(x))
	checkGradient(t, "gate", x, d, func() float64 { gate(y, x, len(x)); return weigh(c, y) })
	gate(y, x, len(x))
	for i, v := range x {
		if y[i] != Gate(v) {
			t.Errorf("gate(%v) = %v, Gate = %v", v, y[i], Gate(v))
		}
	}
}

func TestNetworkGradient(t *testing.T) {
	for blocks := range 4 {
		t.Run(fmt.Sprint(blocks, " blocks"), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, uint64(blocks)))
			config := Config{In: 5, Hidden: 7, Blocks: blocks, Out: 3}
			n := &core[float64]{config: config, layers: config.layers(), weights: random(rng, config.Size())}
			for i := range n.weights {
				n.weights[i] *= 0.5
			}
			const rows = 4
			a := newActivations[float64](config, rows+2) // a batch smaller than its scratch
			x, c := random(rng, rows*5), random(rng, rows*3)
			loss := func() float64 { copy(a.in, x); return weigh(c, n.forward(&a, rows)) }
			loss()
			gradient, dX := make([]float64, len(n.weights)), make([]float64, len(x))
			n.backward(&a, gradient, c, dX)
			checkGradient(t, "weights", n.weights, gradient, loss)
			checkGradient(t, "input", x, dX, loss)
		})
	}
}

func TestNewNetworkAnswersZero(t *testing.T) {
	n := newNetwork(t, Config{In: 6, Hidden: 16, Blocks: 2, Out: 2})
	p := n.NewPass(8)
	for i, in := 0, p.In(8); i < len(in); i++ {
		in[i] = float32(i)
	}
	for _, v := range p.Forward(8) {
		if v != 0 {
			t.Fatalf("a new network answers %v", v)
		}
	}
}

func newNetwork(t testing.TB, c Config) *Network {
	t.Helper()
	n, err := New(c, rand.New(rand.NewPCG(5, 6)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestParametersCoverWeights: the arrays share memory with Weights, each weight
// in exactly one of them, and the batch with In.
func TestParametersCoverWeights(t *testing.T) {
	n := newNetwork(t, Config{In: 3, Hidden: 4, Blocks: 2, Out: 2})
	names := map[string]bool{}
	for _, p := range n.Parameters() {
		names[p.Name] = true
		for i, data := 0, p.Array.Data().([]float32); i < len(data); i++ {
			data[i] = 7
		}
	}
	if len(names) != 12 {
		t.Errorf("%d names, want 12: %v", len(names), names)
	}
	for i, w := range n.Weights() {
		if w != 7 {
			t.Fatalf("weight %d is in no array", i)
		}
	}
	p := n.NewPass(4)
	p.In(2)[5] = 3
	if got := p.Batch(2); !got.Shape().Eq(tensor.Shape{2, 3}) || got.Data().([]float32)[5] != 3 {
		t.Errorf("batch of shape %v, last value %v", got.Shape(), got.Data())
	}
}

func TestImpossibleNetworks(t *testing.T) {
	for _, c := range []Config{{}, {In: 1, Hidden: 1, Blocks: -1, Out: 1}, {In: 1 << 40, Hidden: 1, Out: 1}, {In: 1 << 14, Hidden: 1 << 14, Blocks: 9, Out: 1}} {
		if _, err := New(c, rand.New(rand.NewPCG(1, 1))); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// learn fits y = x₀·x₁ and returns the network and its mean squared error over
// the last steps.
func learn(t testing.TB, parts int) (*Network, *AdamW, float64) {
	n := newNetwork(t, Config{In: 2, Hidden: 16, Blocks: 1, Out: 1})
	opt := &AdamW{Rate: 3e-3, Decay: 1e-3, Clip: 1, Average: 0.99}
	rng := rand.New(rand.NewPCG(7, 8))
	const rows, steps = 32, 1500
	p := n.NewPass(rows)
	gradient, d, target := make([]float32, len(n.Weights())), make([]float32, rows), make([]float32, rows)
	late := 0.0
	for step := range steps {
		for range parts {
			in := p.In(rows)
			for i := range in {
				in[i] = float32(rng.NormFloat64())
			}
			for r := range target {
				target[r] = in[2*r] * in[2*r+1]
			}
			for r, v := range p.Forward(rows) {
				e := v - target[r]
				d[r] = 2 * e / float32(rows*parts)
				if step >= steps-100 {
					late += float64(e*e) / float64(rows*parts*100)
				}
			}
			p.Backward(gradient, d)
		}
		opt.Step(n.Weights(), gradient, 1)
	}
	return n, opt, late
}

func TestLearnsAProduct(t *testing.T) {
	_, _, late := learn(t, 1)
	// The product of two normals has variance 1; no linear function explains any of it.
	if late > 0.1 {
		t.Errorf("squared error %.3f after training, want below 0.1", late)
	}
}

func TestPassDoesNotAllocate(t *testing.T) {
	n := newNetwork(t, Config{In: 12, Hidden: 32, Blocks: 2, Out: 1})
	p := n.NewPass(64)
	gradient, d := make([]float32, len(n.Weights())), make([]float32, 64)
	opt := &AdamW{Rate: 1e-3}
	opt.Step(n.Weights(), gradient, 1)
	if got := testing.AllocsPerRun(10, func() {
		p.Forward(64)
		p.Backward(gradient, d)
		opt.Step(n.Weights(), gradient, 1)
	}); got > 0 {
		t.Errorf("%v allocations a step", got)
	}
}

func BenchmarkForward(b *testing.B)  { benchmarkPass(b, false) }
func BenchmarkTraining(b *testing.B) { benchmarkPass(b, true) }

// benchmarkPass reports samples and products a second, 2 operations per weight
// and sample forwards and 4 more backwards. The machine's own peak for such
// products is BenchmarkGemm's of internal/fastblas.
func benchmarkPass(b *testing.B, train bool) {
	for _, hidden := range []int{32, 64, 128} {
		b.Run(fmt.Sprintf("hidden=%d", hidden), func(b *testing.B) {
			const rows = 512
			n := newNetwork(b, Config{In: 48, Hidden: hidden, Blocks: 1, Out: 1})
			p := n.NewPass(rows)
			gradient, d := make([]float32, len(n.Weights())), make([]float32, rows)
			operations := 2 * float64(len(n.Weights()))
			for b.Loop() {
				p.Forward(rows)
				if train {
					p.Backward(gradient, d)
				}
			}
			if train {
				operations *= 3
			}
			seconds := b.Elapsed().Seconds()
			b.ReportMetric(float64(b.N)*rows/seconds, "samples/s")
			b.ReportMetric(float64(b.N)*rows*operations/seconds/1e9, "GFLOP/s")
		})
	}
}
