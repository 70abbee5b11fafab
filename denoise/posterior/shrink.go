package posterior

import "math"

// shape is Stein's estimate of an error covariance along the basis, each band
// relative to its scale: elements of bands a and b divided by √(scale_a·scale_b).
type shape struct {
	n      float64 // voxels
	scale  [bands]float64
	values []float64 // K × K
}

// chance returns the variance of an element that comes from the noise in n
// voxels: 1/n off the diagonal and 2/n on it, relative to the scales.
func (s *shape) chance(p *Posterior, a, b int) float64 {
	c := 1 / (s.n * s.scale[p.bandOf(a)] * s.scale[p.bandOf(b)])
	if a == b {
		c *= 2
	}
	return c
}

// blocks are the parts of a shape that are shrunk each by its own weight.
var blocks = [...]func(p *Posterior, a, b int) bool{
	func(p *Posterior, a, b int) bool { return a != b && p.bandOf(a) == 0 && p.bandOf(b) == 0 },
	func(p *Posterior, a, b int) bool { return a != b && p.bandOf(a) == 1 && p.bandOf(b) == 1 },
	func(p *Posterior, a, b int) bool { return p.bandOf(a) != p.bandOf(b) },
	func(p *Posterior, a, b int) bool { return a == b },
}

// towards draws a shape to a target, block by block, as far as the two differ by
// no more than chance (James and Stein 1961; Schäfer and Strimmer 2005).
func (s *shape) towards(p *Posterior, target []float64) {
	k := p.K
	if s.n == 0 {
		copy(s.values, target)
		return
	}
	for _, in := range blocks {
		square, chance := 0.0, 0.0
		for a := range k {
			for b := range k {
				if in(p, a, b) {
					d := s.values[a*k+b] - target[a*k+b]
					square += d * d
					chance += s.chance(p, a, b)
				}
			}
		}
		keep := max(1-chance/max(square, math.SmallestNonzeroFloat64), 0)
		for a := range k {
			for b := range k {
				if in(p, a, b) {
					s.values[a*k+b] = target[a*k+b] + keep*(s.values[a*k+b]-target[a*k+b])
				}
			}
		}
	}
}

// simple returns the shape without correlations, harmonics of one degree and
// shell alike.
func (s *shape) simple(p *Posterior) []float64 {
	k := p.K
	out := make([]float64, k*k)
	sum, count := map[int]float64{}, map[int]float64{}
	for a, g := range p.group {
		sum[g] += s.values[a*k+a]
		count[g]++
	}
	for a, g := range p.group {
		out[a*k+a] = s.values[a*k+a]
		if p.bandOf(a) > 0 {
			out[a*k+a] = sum[g] / count[g]
		}
	}
	return out
}
