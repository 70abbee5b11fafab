package net

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/tensor"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// ErrConfig reports a network that cannot be.
var ErrConfig = errors.New("net: impossible network")

// Config is the shape of a network: In → Hidden, Blocks residual blocks
// h + W₂·g(W₁·g(h)), and g(h) → Out, with biases throughout and the gate g of
// [Gate].
type Config struct {
	In     int `json:"in"`     // features per sample
	Hidden int `json:"hidden"` // width
	Blocks int `json:"blocks"` // residual blocks; 0 is a perceptron of one hidden layer
	Out    int `json:"out"`
}

// mostWeights bounds what a file may ask for: 64 MiB.
const mostWeights = 1 << 24

// check reports sizes that no network can have. Each is bounded first, so that
// the number of weights cannot overflow.
func (c Config) check() error {
	for _, v := range []struct {
		name  string
		value int
		least int
	}{{"in", c.In, 1}, {"hidden", c.Hidden, 1}, {"blocks", c.Blocks, 0}, {"out", c.Out, 1}} {
		if v.value < v.least || v.value > 1<<14 {
			return fmt.Errorf("%w: %s is %d, want %d to %d", ErrConfig, v.name, v.value, v.least, 1<<14)
		}
	}
	if n := c.Size(); n > mostWeights {
		return fmt.Errorf("%w: %d weights, want at most %d", ErrConfig, n, mostWeights)
	}
	return nil
}

// Size returns the number of weights.
func (c Config) Size() int {
	return (c.In+1)*c.Hidden + 2*c.Blocks*(c.Hidden+1)*c.Hidden + (c.Hidden+1)*c.Out
}

// layers returns the linear layers in their order in the weights.
func (c Config) layers() []layer {
	l := []layer{{in: c.In, out: c.Hidden}}
	for range 2 * c.Blocks {
		l = append(l, layer{in: c.Hidden, out: c.Hidden})
	}
	l = append(l, layer{in: c.Hidden, out: c.Out})
	at := 0
	for i := range l {
		l[i].at = at
		at += (l[i].in + 1) * l[i].out
	}
	return l
}

// Network is a residual multilayer perceptron.
type Network struct {
	core core[float32]
}

// New makes a network with random weights: normal with variance 2/in, the second
// layer of each block scaled down by √(2·Blocks) to keep the sum's variance, the
// last layer zero (He 2015; Zhang 2019, "Fixup initialization").
func New(c Config, rng *rand.Rand) (*Network, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &Network{core[float32]{config: c, layers: c.layers(), weights: make([]float32, c.Size())}}
	for i, l := range n.core.layers[:len(n.core.layers)-1] {
		sd := math.Sqrt(2 / float64(l.in))
		if i > 0 && i%2 == 0 {
			sd /= math.Sqrt(2 * float64(c.Blocks))
		}
		for j := range l.in * l.out {
			n.core.weights[l.at+j] = float32(sd * rng.NormFloat64())
		}
	}
	return n, nil
}

// Config returns the network's shape.
func (n *Network) Config() Config { return n.core.config }

// Weights returns all weights; writing to them changes the network.
func (n *Network) Weights() []float32 { return n.core.weights }

// Clone returns a copy with weights of its own.
func (n *Network) Clone() *Network {
	c := *n
	c.core.weights = append([]float32(nil), n.core.weights...)
	return &c
}

// Parameter is one array of a network.
type Parameter struct {
	Name  string
	Array *tensor.Dense // shares memory with Weights; weights are In × Out of the layer, biases a vector
}

// Parameters returns the arrays of the network, in the order of [Network.Weights].
func (n *Network) Parameters() []Parameter {
	var out []Parameter
	view := func(name string, from int, shape ...int) {
		size := tensor.Shape(shape).TotalSize()
		out = append(out, Parameter{name, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(n.core.weights[from:from+size:from+size]))})
	}
	for i, l := range n.core.layers {
		name := fmt.Sprintf("block%d.%d", (i-1)/2, (i-1)%2)
		switch i {
		case 0:
			name = "first"
		case len(n.core.layers) - 1:
			name = "last"
		}
		view(name+".weight", l.at, l.in, l.out)
		view(name+".bias", l.at+l.in*l.out, l.out)
	}
	return out
}

// Pass is the scratch of one goroutine: activations of one batch.
type Pass struct {
	n    *Network
	acts activations[float32]
}

// NewPass makes scratch for batches of up to rows samples.
func (n *Network) NewPass(rows int) *Pass {
	return &Pass{n: n, acts: newActivations[float32](n.core.config, rows)}
}

// In returns the features of a batch, rows × In, for the caller to fill.
func (p *Pass) In(rows int) []float32 { return p.acts.in[:rows*p.n.core.config.In] }

// Batch returns the features of a batch as a tensor that shares memory with In.
func (p *Pass) Batch(rows int) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, p.n.core.config.In), tensor.WithBacking(p.In(rows)))
}

// Forward returns the network's answers to the first rows of In, rows × Out. They
// are valid until the next call.
func (p *Pass) Forward(rows int) []float32 { return p.n.core.forward(&p.acts, rows) }

// Backward adds the gradient of a loss with respect to the weights to gradient,
// given its derivatives dOut with respect to the answers of the last Forward,
// rows × Out. The network's weights must not have changed in between.
func (p *Pass) Backward(gradient, dOut []float32) {
	p.n.core.backward(&p.acts, gradient, dOut, nil)
}

// BackwardIn is Backward that also writes the derivatives with respect to the
// features into dIn, rows × In.
func (p *Pass) BackwardIn(gradient, dOut, dIn []float32) {
	p.n.core.backward(&p.acts, gradient, dOut, dIn)
}

// core is the network in the precision T: float32 at work, float64 where
// gradients are checked.
type core[T fastblas.Float] struct {
	config  Config
	layers  []layer
	weights []T
}

// activations are what a forward pass leaves for the backward one.
type activations[T fastblas.Float] struct {
	rows      int
	in        []T
	state     [][]T // h before each block, and after the last; rows × Hidden
	middle    [][]T // W₁·g(h)+b₁ of each block
	gated     [][]T // g of state
	gatedMid  [][]T // g of middle
	out       []T
	dState, s []T // gradients of the state, scratch
}

func newActivations[T fastblas.Float](c Config, rows int) activations[T] {
	a := activations[T]{in: make([]T, rows*c.In), out: make([]T, rows*c.Out), dState: make([]T, rows*c.Hidden), s: make([]T, rows*c.Hidden)}
	for i := range c.Blocks + 1 {
		a.state, a.gated = append(a.state, make([]T, rows*c.Hidden)), append(a.gated, make([]T, rows*c.Hidden))
		if i < c.Blocks {
			a.middle, a.gatedMid = append(a.middle, make([]T, rows*c.Hidden)), append(a.gatedMid, make([]T, rows*c.Hidden))
		}
	}
	return a
}

func (n *core[T]) forward(a *activations[T], rows int) []T {
	c := n.config
	if rows*c.In > len(a.in) {
		panic("net: batch larger than its scratch")
	}
	a.rows = rows
	forward(n.layers[0], n.weights, a.in, a.state[0], rows)
	for b := range c.Blocks {
		gate(a.gated[b], a.state[b], rows*c.Hidden)
		forward(n.layers[1+2*b], n.weights, a.gated[b], a.middle[b], rows)
		gate(a.gatedMid[b], a.middle[b], rows*c.Hidden)
		forward(n.layers[2+2*b], n.weights, a.gatedMid[b], a.state[b+1], rows)
		fastblas.Axpy(1, a.state[b][:rows*c.Hidden], a.state[b+1])
	}
	gate(a.gated[c.Blocks], a.state[c.Blocks], rows*c.Hidden)
	forward(n.layers[len(n.layers)-1], n.weights, a.gated[c.Blocks], a.out, rows)
	return a.out[:rows*c.Out]
}

func (n *core[T]) backward(a *activations[T], gradient, dOut, dIn []T) {
	c, rows := n.config, a.rows
	if len(gradient) != len(n.weights) || len(dOut) != rows*c.Out || dIn != nil && len(dIn) != rows*c.In {
		panic("net: gradient does not match the network")
	}
	size := rows * c.Hidden
	backward(n.layers[len(n.layers)-1], n.weights, gradient, a.gated[c.Blocks], dOut, a.dState, rows)
	gateBackward(a.dState, a.state[c.Blocks], size)
	for b := c.Blocks - 1; b >= 0; b-- {
		backward(n.layers[2+2*b], n.weights, gradient, a.gatedMid[b], a.dState[:size], a.s, rows)
		gateBackward(a.s, a.middle[b], size)
		// What comes back from the first layer replaces gatedMid, which is done with.
		back := a.gatedMid[b]
		backward(n.layers[1+2*b], n.weights, gradient, a.gated[b], a.s[:size], back, rows)
		gateBackward(back, a.state[b], size)
		fastblas.Axpy(1, back[:size], a.dState)
	}
	backward(n.layers[0], n.weights, gradient, a.in, a.dState[:size], dIn, rows)
}
