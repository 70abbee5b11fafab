package denoise

import (
	"math"
	"math/rand/v2"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

const simulateStream = 0xbb67ae8584caa73b

// simulate returns the denoised series of r with fresh noise of its noise map.
func simulate(r *Result, seed uint64) *nifti.Image {
	_, _, _, nt := r.Denoised.Dims()
	out := r.Denoised.Like(nt)
	sigma := r.Sigma.Volume(0)
	for n := range nt {
		rng := rand.New(rand.NewPCG(seed^simulateStream, uint64(n)))
		for v, x := range r.Denoised.Volume(n) {
			if !r.Mask[v] {
				out.Volume(n)[v] = x
				continue
			}
			y := float64(x) + float64(sigma[v])*rng.NormFloat64()
			if r.Summary.RicianCorrected {
				y = math.Hypot(y, float64(sigma[v])*rng.NormFloat64())
			}
			out.Volume(n)[v] = float32(y)
		}
	}
	return out
}

// excess compares squared errors of measurements, noise taken off, with those
// expected.
type excess struct{ n, made, square, expected float64 }

func (e *excess) add(made, expected float64) {
	e.n++
	e.made += made
	e.square += made * made
	e.expected += expected
}

// noiseDoubt is the standard error of the noise variance, relative: noise maps of
// simulated scans are off by less than 1 % in σ.
const noiseDoubt = 0.02

// lift returns how many times larger than expected the errors are at least, at
// two standard errors; never below 1.
func (e *excess) lift() float64 {
	if e.n == 0 || e.expected <= 0 {
		return 1
	}
	mean := e.made / e.n
	doubt := math.Sqrt(max(e.square/e.n-mean*mean, 0)/e.n + noiseDoubt*noiseDoubt)
	return max((mean-2*doubt)/(e.expected/e.n), 1)
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
