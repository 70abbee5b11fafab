// Package net is the small neural network behind a learned denoiser: a residual
// multilayer perceptron with its backward pass, AdamW with weight averaging, and
// a checked file format. It knows nothing of MRI. Call [New] first:
//
//	n, err := net.New(net.Config{In: 40, Hidden: 64, Blocks: 2, Out: 1}, rng)
//	p := n.NewPass(256)            // scratch for batches of up to 256 rows
//	copy(p.In(rows), features)     // rows × In
//	out := p.Forward(rows)         // rows × Out
//	p.Backward(gradient, dOut)     // adds ∂loss/∂weights for ∂loss/∂out
//	opt.Step(n.Weights(), gradient)
//
// # Conventions
//
// Arrays are row-major, one sample per row; weights are one flat slice, of which
// [Network.Parameters] gives the parts as gorgonia tensors that share its memory.
// The last layer starts at zero, so that a new network answers 0: whoever
// preconditions its output by a known estimate starts exactly there.
//
// # Concurrency
//
// A Network may be read by any number of goroutines, each with a [Pass] of its
// own; a Pass is for one goroutine. [Pass.Forward] and [Pass.Backward] allocate
// nothing. Everything depends on nothing but its arguments: gradients of the parts
// of a batch, added in a fixed order, are the same for any number of threads.
//
// # Limits
//
// Products are those of internal/fastblas, in float32. There are no
// convolutions: neighbourhoods are for the caller to put into features.
package net
