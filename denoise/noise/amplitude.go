package noise

import (
	"math"
	"sync"
)

const (
	meanError     = 0.1 // standard error of a denoised mean that amplitudes are told from, in σ
	amplitudeTop  = 5.0 // means from here on are inverted exactly: the two agree to 1e-3
	amplitudeStep = 1.0 / 256
	fineStep      = 1.0 / 1000 // of the integral over amplitudes
)

// amplitudes holds AmplitudeOfMean at means from 0 to amplitudeTop.
var amplitudes = sync.OnceValue(func() []float32 {
	size := int((amplitudeTop + 6*meanError + 1) / fineStep)
	means := make([]float64, size)
	for i := range means {
		means[i] = RicianMean(float64(i) * fineStep)
	}
	out := make([]float32, int(amplitudeTop/amplitudeStep)+2)
	for j := range out {
		m := float64(j) * amplitudeStep
		best := math.Inf(1)
		for _, x := range means {
			best = min(best, math.Abs(x-m))
		}
		sum, weighed := 0.0, 0.0
		for i, x := range means {
			w := math.Exp((best*best - (x-m)*(x-m)) / (2 * meanError * meanError))
			if i == 0 {
				w /= 2 // trapezoidal rule
			}
			sum += w
			weighed += w * float64(i) * fineStep
		}
		out[j] = float32(weighed / sum)
	}
	return out
})

// AmplitudeOfMean returns the amplitude to expect behind a magnitude whose mean
// was estimated as m, both in units of σ: the posterior mean where the estimate
// has a standard error of 0.1 and any amplitude from 0 on is equally likely
// before. Well above the noise floor that is [InverseRicianMean]; at the floor,
// where the inverse is vertical and cut off, it is 0.33 and not 0, which the
// logarithm of a tensor fit cannot take. NaN stays NaN.
func AmplitudeOfMean(m float32) float32 {
	if !(m < amplitudeTop) {
		return InverseRicianMean(m)
	}
	p := max(float64(m), 0) / amplitudeStep
	i := int(p)
	f := float32(p - float64(i))
	t := amplitudes()
	return t[i] + f*(t[i+1]-t[i])
}
