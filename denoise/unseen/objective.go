package unseen

import (
	"math"
	"math/rand/v2"
)

// kind is what a sample is asked in one step of training.
type kind uint8

const (
	known       kind = iota // squared error against the truth
	matched                 // Stein's risk at the noise of the measurement
	above                   // the noisy-data objective at higher noise
	consistency             // that of the reverse process at lower noise
)

const (
	probeStep    = 0.1 // of the scalar derivative, in σ of the noise: its error is h²/6 of the third derivative
	pureShare    = 0.5 // of the samples at higher noise are pure noise
	mostNoise    = 30.
	leastNoise   = 0.1
	leastAbove   = 1.5 // s²/v from which the noisy-data objective is used: near 1 all its weight is noise
	leastBelow   = 0.2 // s/√v down to which consistency is asked for
	backSteps    = 3   // of the reverse process to there
	shareMatched = 0.4
	shareAbove   = 0.45
)

// question is one sample's: two values of x_t, whose answers make the loss.
type question struct {
	kind   kind
	s      float64 // noise level of both
	weight float64 // 1/(τ²(1-κ)): the squared error that the Gaussian prior would make
	value  float64 // truth or measurement
	noise  float64 // variance of the measurement's noise
	target float64 // of consistency: D at the measurement
}

// ask draws what sample i of s is asked.
func (s *Samples) ask(i int, rng *rand.Rand) question {
	variance := float64(s.Variance[i])
	q := question{s: math.Inf(1)}
	if s.Truth != nil {
		q.value = float64(s.Truth[i])
		if rng.Float64() > pureShare {
			q.s = leastNoise * math.Exp(rng.Float64()*math.Log(mostNoise/leastNoise))
		}
	} else {
		q.value, q.noise = float64(s.Measured[i]), float64(s.Noise[i])
		root := math.Sqrt(q.noise)
		switch u := rng.Float64(); {
		case u < shareMatched:
			q.kind, q.s = matched, root
		case u < shareMatched+shareAbove:
			q.kind = above
			if rng.Float64() > pureShare {
				q.s = root * math.Sqrt(leastAbove) * math.Exp(rng.Float64()*math.Log(mostNoise))
			}
		default:
			q.kind, q.s = consistency, root*(leastBelow+(0.9-leastBelow)*rng.Float64())
		}
	}
	q.weight = 1 / (variance * (1 - kappaOf(variance, q.s)))
	return q
}

// noisedBy returns the two values of x_t of a question, but for consistency.
func (q *question) noisedBy(rng *rand.Rand) (a, b noised) {
	a.s, b.s = q.s, q.s
	if math.IsInf(q.s, 1) {
		return a, b
	}
	z := rng.NormFloat64()
	switch q.kind {
	case matched:
		z = probeStep * math.Sqrt(q.noise)
	case above:
		z *= math.Sqrt(q.s*q.s - q.noise)
	default:
		z *= q.s
	}
	a.x, b.x = q.value+z, q.value-z
	return a, b
}

// loss returns the loss of the answers to both values and its derivatives with
// respect to them. Its mean over the noise is, up to a constant, the squared error of D.
func (q *question) loss(a, b noised, da, db float64) (loss, la, lb float64) {
	switch q.kind {
	case known:
		ea, eb := da-q.value, db-q.value
		return q.weight * (ea*ea + eb*eb) / 2, q.weight * ea, q.weight * eb
	case matched:
		e, step := (da+db)/2-q.value, probeStep*math.Sqrt(q.noise)
		slope := (da - db) / (2 * step)
		return q.weight * (e*e - q.noise + 2*q.noise*slope), q.weight * (e + q.noise/step), q.weight * (e - q.noise/step)
	case above:
		if math.IsInf(q.s, 1) {
			e := da - q.value
			return q.weight * (e*e - q.noise), q.weight * 2 * e, 0
		}
		share := q.noise / (q.s * q.s)
		keep := 1 - share
		ea, eb := keep*da+share*a.x-q.value, keep*db+share*b.x-q.value
		// The measurement given x_t has variance v(s²-v)/s² if x were known.
		spread := 2 * q.noise * keep
		return q.weight * (ea*ea + eb*eb - spread) / (2 * keep * keep), q.weight * ea / keep, q.weight * eb / keep
	}
	ea, eb := da-q.target, db-q.target
	return q.weight * ea * eb, q.weight * eb, q.weight * ea
}

// back takes one value of the reverse process from noise level from to level to,
// given D there: q(x_s|x_t, x₀) with D for x₀ (Ho 2020, eq. 7).
func back(x, d, from, to float64, rng *rand.Rand) float64 {
	ratio := to * to / (from * from)
	return d + ratio*(x-d) + to*math.Sqrt(1-ratio)*rng.NormFloat64()
}
