package net

import "math"

// AdamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019,
// algorithm 2) and an average of the weights by exponential forgetting. Its zero
// values mean the published defaults, but for Rate, which must be given.
type AdamW struct {
	Rate    float64 // learning rate
	Beta1   float64 // 0 means 0.9
	Beta2   float64 // 0 means 0.999
	Epsilon float64 // 0 means 1e-8
	Decay   float64 // weight decay per unit of learning rate
	Clip    float64 // largest norm of a gradient, longer ones are scaled; 0 means none
	Average float64 // decay of the averaged weights; 0 means 0.999

	State State
}

// State is all that an optimiser remembers: what a resumed training needs.
type State struct {
	Steps  int
	Mean   []float32 // first moment
	Square []float32 // second moment
	EMA    []float32 // averaged weights
}

func or(v, standard float64) float64 {
	if v == 0 {
		return standard
	}
	return v
}

// Step moves the weights against the gradient and clears it. scale multiplies
// the learning rate, for schedules.
func (a *AdamW) Step(weights, gradient []float32, scale float64) {
	s := &a.State
	if s.Mean == nil {
		s.Mean, s.Square = make([]float32, len(weights)), make([]float32, len(weights))
		s.EMA = append([]float32(nil), weights...)
	}
	if len(gradient) != len(weights) || len(s.Mean) != len(weights) {
		panic("net: gradient does not match the weights")
	}
	s.Steps++
	t := float64(s.Steps)
	b1, b2, e := or(a.Beta1, 0.9), or(a.Beta2, 0.999), or(a.Epsilon, 1e-8)
	rate := a.Rate * scale
	shrink := float32(a.clipping(gradient))
	keep := float32(1 - rate*a.Decay)
	step := float32(rate / (1 - math.Pow(b1, t)))
	unbias := 1 / (1 - math.Pow(b2, t))
	// Early on the average forgets faster, or it would remember the random start.
	average := float32(min(or(a.Average, 0.999), (1+t)/(10+t)))
	for i, g := range gradient {
		g *= shrink
		s.Mean[i] = float32(b1)*s.Mean[i] + float32(1-b1)*g
		s.Square[i] = float32(b2)*s.Square[i] + float32(1-b2)*g*g
		root := float32(math.Sqrt(float64(s.Square[i])*unbias) + e)
		weights[i] = keep*weights[i] - step*s.Mean[i]/root
		s.EMA[i] += (1 - average) * (weights[i] - s.EMA[i])
	}
	clear(gradient)
}

// clipping returns the factor that keeps the gradient's norm within Clip.
func (a *AdamW) clipping(gradient []float32) float64 {
	if a.Clip == 0 {
		return 1
	}
	sum := 0.0
	for _, g := range gradient {
		sum += float64(g) * float64(g)
	}
	if norm := math.Sqrt(sum); norm > a.Clip {
		return a.Clip / norm
	}
	return 1
}
