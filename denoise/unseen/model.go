package unseen

import (
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/denoise/learned"
	"github.com/dmri-denoise/dmri-denoise/diffusion/net"
)

// Model is a network with the scaling of its features.
type Model struct {
	Net    *net.Network
	Shift  []float32 // per static feature, after compression
	Scale  []float32
	Loss   []learned.Point // of its training
	Origin learned.Origin
}

// NewModel makes an untrained model for static features like those given (n ×
// StaticCount), whose scaling it takes.
func NewModel(static []float32, hidden, blocks int, rng *rand.Rand) (*Model, error) {
	n, err := net.New(net.Config{In: inCount, Hidden: hidden, Blocks: blocks, Out: outCount}, rng)
	if err != nil {
		return nil, err
	}
	m := &Model{Net: n, Shift: make([]float32, StaticCount), Scale: make([]float32, StaticCount)}
	rows := max(len(static)/StaticCount, 1)
	for f := range StaticCount {
		sum, square := 0.0, 0.0
		for at := f; at < len(static); at += StaticCount {
			v := float64(compress(static[at], f))
			sum += v
			square += v * v
		}
		mean := sum / float64(rows)
		sd := math.Sqrt(max(square/float64(rows)-mean*mean, 0))
		if f < EstimateCount {
			mean = 0 // signs matter
		}
		m.Shift[f], m.Scale[f] = float32(mean), float32(1/(sd+1e-3))
	}
	return m, nil
}

// compress takes the square root of large differences; other features are
// compressed already.
func compress(v float32, feature int) float32 {
	if feature >= EstimateCount {
		return v
	}
	return v / float32(math.Sqrt(1+math.Abs(float64(v))))
}

// limit keeps features of scans unlike those trained on within what the network
// has seen.
const limit = 6

// noised is one value x_t of a point: noise level s, infinite for pure noise,
// where X does not matter.
type noised struct{ x, s float64 }

// batch evaluates D and its gradient for some samples.
type batch struct {
	m    *Model
	pass *net.Pass
	n    int

	static   []float32 // n × StaticCount, as extracted
	mean     []float64 // of the Gaussian prediction
	variance []float64 // τ²
	at       []noised

	answer  []float64 // D
	kappa   []float64 // κ
	widened []float64 // κ′
	shifted []float64 // m′
	dGates  []float32
}

func (m *Model) newBatch(rows int) *batch {
	return &batch{m: m, pass: m.Net.NewPass(rows), static: make([]float32, rows*StaticCount), mean: make([]float64, rows), variance: make([]float64, rows),
		at: make([]noised, rows), answer: make([]float64, rows), kappa: make([]float64, rows), widened: make([]float64, rows), shifted: make([]float64, rows),
		dGates: make([]float32, rows*outCount)}
}

// kappaOf returns κ, 0 for pure noise.
func kappaOf(variance, s float64) float64 {
	if math.IsInf(s, 1) {
		return 0
	}
	return variance / (variance + s*s)
}

// gates runs the network on the first n samples.
func (b *batch) gates(n int) []float32 {
	b.n = n
	in := b.pass.In(n)
	for r := range n {
		from, to := b.static[r*StaticCount:(r+1)*StaticCount], in[r*inCount:(r+1)*inCount]
		for f, v := range from {
			to[f] = min(max((compress(v, f)-b.m.Shift[f])*b.m.Scale[f], -limit), limit)
		}
		k := kappaOf(b.variance[r], b.at[r].s)
		b.kappa[r] = k
		z := 0.0
		if k > 0 {
			// (x_t-m)·τ/(τ²+s²): of variance κ, so that pure noise says nothing.
			z = (b.at[r].x - b.mean[r]) * k / math.Sqrt(b.variance[r])
		}
		to[StaticCount] = float32(min(max(z, -limit), limit))
		to[StaticCount+1] = float32(k)
	}
	return b.pass.Forward(n)
}

// forward evaluates D on the first n samples, with weights for the corrections,
// outCount of them, nil meaning 1 each. The answers are in b.answer.
func (b *batch) forward(n int, weights []float64) {
	gates := b.gates(n)
	for r := range n {
		g, f := gates[r*outCount:(r+1)*outCount], b.static[r*StaticCount:]
		shifted, h := b.mean[r], float64(g[EstimateCount])
		for i, v := range g[:EstimateCount] {
			c := float64(v * f[i])
			if weights != nil {
				c *= weights[i]
			}
			shifted += c
		}
		if weights != nil {
			h *= weights[EstimateCount]
		}
		k := b.kappa[r]
		b.shifted[r], b.widened[r] = shifted, k+k*(1-k)*h
		b.answer[r] = shifted
		if k > 0 {
			b.answer[r] += b.widened[r] * (b.at[r].x - shifted)
		}
	}
}

// backward adds to the gradient of a loss, given its derivatives d with respect
// to the answers of the last forward (with weights 1).
func (b *batch) backward(gradient []float32, d []float64) {
	for r, v := range d[:b.n] {
		f, g := b.static[r*StaticCount:], b.dGates[r*outCount:(r+1)*outCount]
		inner := v * (1 - b.widened[r])
		for i := range EstimateCount {
			g[i] = float32(inner) * f[i]
		}
		k := b.kappa[r]
		g[EstimateCount] = 0
		if k > 0 {
			g[EstimateCount] = float32(v * k * (1 - k) * (b.at[r].x - b.shifted[r]))
		}
	}
	b.pass.Backward(gradient, b.dGates[:b.n*outCount])
}

// pureNoise is x_t at the end of the forward process.
var pureNoise = noised{s: math.Inf(1)}
