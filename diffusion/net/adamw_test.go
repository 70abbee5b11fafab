package net

import (
	"math"
	"testing"
)

// TestAdamWByDefinition holds three steps against algorithm 2 of Loshchilov and
// Hutter 2019 written out for one weight.
func TestAdamWByDefinition(t *testing.T) {
	const rate, decay, b1, b2, eps = 0.1, 0.01, 0.9, 0.999, 1e-8
	w, m, v := 1.0, 0.0, 0.0
	opt := &AdamW{Rate: rate, Decay: decay}
	weights, gradient := []float32{1}, []float32{0}
	ema := 1.0
	for i, g := range []float64{0.5, -2, 0.1} {
		step := float64(i + 1)
		m, v = b1*m+(1-b1)*g, b2*v+(1-b2)*g*g
		w -= rate * ((m/(1-math.Pow(b1, step)))/(math.Sqrt(v/(1-math.Pow(b2, step)))+eps) + decay*w)
		ema += (1 - (1+step)/(10+step)) * (w - ema)
		gradient[0] = float32(g)
		opt.Step(weights, gradient, 1)
		if math.Abs(float64(weights[0])-w) > 1e-6 || math.Abs(float64(opt.State.EMA[0])-ema) > 1e-6 {
			t.Fatalf("step %d: weight %v, average %v, want %v, %v", i, weights[0], opt.State.EMA[0], w, ema)
		}
		if gradient[0] != 0 {
			t.Fatal("gradient is not cleared")
		}
	}
}

func TestAdamWClips(t *testing.T) {
	a, b := &AdamW{Rate: 1, Clip: 1}, &AdamW{Rate: 1}
	wa, wb := []float32{0, 0}, []float32{0, 0}
	a.Step(wa, []float32{30, 40}, 1)
	b.Step(wb, []float32{0.6, 0.8}, 1)
	for i := range wa {
		if math.Abs(float64(a.State.Mean[i]-b.State.Mean[i])) > 1e-7 {
			t.Errorf("moment %d: %v clipped, %v of the scaled gradient", i, a.State.Mean[i], b.State.Mean[i])
		}
	}
}
