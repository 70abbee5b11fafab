package phantom

import (
	"math"
	"math/rand/v2"
)

// sigmaProfile is the relative noise level at p: ratio at the centre of the head, 1 at its rim and beyond, as a coil array
// sees it.
func sigmaProfile(p [3]float64, ratio float64) float64 {
	r := min(1, radius(p)*meanSemi/(meanSemi+fluidLayer))
	return 1 + (ratio-1)*0.5*(1+math.Cos(math.Pi*r))
}

// addNoise sets dst to truth with noise of standard deviation sigma: added, or, for magnitude images, the length of a
// complex number whose two channels both carry it.
func addNoise(dst, truth, sigma []float32, rician bool, rng *rand.Rand) {
	for i, s := range truth {
		sd := float64(sigma[i])
		re := float64(s) + sd*rng.NormFloat64()
		if rician {
			im := sd * rng.NormFloat64()
			re = math.Sqrt(re*re + im*im)
		}
		dst[i] = float32(re)
	}
}
