package net

import (
	"math"

	"github.com/dmri-denoise/dmri-denoise/internal/fastblas"
)

// layer is a linear layer x·W + b: where its weights (in × out, then the bias)
// begin in the network's.
type layer struct{ at, in, out int }

// split returns the layer's matrix and bias.
func split[T fastblas.Float](l layer, weights []T) (w, b []T) {
	middle := l.at + l.in*l.out
	return weights[l.at:middle], weights[middle : middle+l.out]
}

// forward writes x·W + b for rows of x.
func forward[T fastblas.Float](l layer, weights, x, y []T, rows int) {
	w, b := split(l, weights)
	for r := range rows {
		copy(y[r*l.out:(r+1)*l.out], b)
	}
	fastblas.Gemm(false, false, rows, l.out, l.in, 1, x, l.in, w, l.out, 1, y, l.out)
}

// backward adds ∂loss/∂W = xᵀ·dY and ∂loss/∂b = Σ dY to the gradient, and writes
// ∂loss/∂x = dY·Wᵀ into dX unless that is nil.
func backward[T fastblas.Float](l layer, weights, gradient, x, dY, dX []T, rows int) {
	w, _ := split(l, weights)
	dW, dB := split(l, gradient)
	fastblas.Gemm(true, false, l.in, l.out, rows, 1, x, l.in, dY, l.out, 1, dW, l.out)
	for r := range rows {
		fastblas.Axpy(1, dY[r*l.out:(r+1)*l.out], dB)
	}
	if dX != nil {
		fastblas.Gemm(false, true, rows, l.in, l.out, 1, dY, l.out, w, l.out, 0, dX, l.in)
	}
}

// Gate is the activation, x·½(1 + x/√(1+x²)): SiLU with an algebraic sigmoid, as
// smooth and, without an exponential, several times faster.
func Gate(x float64) float64 { return x / 2 * (1 + x/math.Sqrt(1+x*x)) }

// gate writes the activation of the first n values.
func gate[T fastblas.Float](y, x []T, n int) {
	y, x = y[:n], x[:n]
	for i, v := range x {
		y[i] = v / 2 * (1 + v/T(math.Sqrt(float64(1+v*v))))
	}
}

// gateBackward multiplies the first n values of d by the activation's slope at x,
// ½ + ½x(x²+2)/(1+x²)^(3/2).
func gateBackward[T fastblas.Float](d, x []T, n int) {
	d, x = d[:n], x[:n]
	for i, v := range x {
		q := 1 + v*v
		d[i] *= (1 + v*(q+1)/(q*T(math.Sqrt(float64(q))))) / 2
	}
}

// Embed writes a sinusoidal embedding of a noise level σ > 0 into dst, whose
// length is even: sine and cosine of ω·ln σ at len/2 frequencies ω from ¼ up,
// each twice the last. The logarithm spaces levels as they matter (Karras 2022,
// "Elucidating the design space", table 1, c_noise); sinusoids are those of
// Vaswani 2017.
func Embed(dst []float32, sigma float64) {
	x := math.Log(sigma) / 4
	for i := 0; i+1 < len(dst); i += 2 {
		s, c := math.Sincos(x)
		dst[i], dst[i+1] = float32(s), float32(c)
		x *= 2
	}
}
