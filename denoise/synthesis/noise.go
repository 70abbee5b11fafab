package synthesis

import (
	"math"
	"math/rand/v2"
)

// AddNoise adds noise of standard deviation sigma to signals, in place: Gaussian, or
// with rician to both channels behind a magnitude (Gudbjartsson and Patz 1995). The
// same seed and number give the same noise.
func AddNoise(values []float32, sigma float64, rician bool, seed, number uint64) {
	rng := rand.New(rand.NewPCG(seed, forNoise<<48|number))
	for i, v := range values {
		re := float64(v) + sigma*rng.NormFloat64()
		if rician {
			re = math.Hypot(re, sigma*rng.NormFloat64())
		}
		values[i] = float32(re)
	}
}
