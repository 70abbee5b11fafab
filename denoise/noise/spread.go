package noise

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

const (
	firstClip = 25.0 // power above this many medians is no noise, whatever the field
	clipLevel = 4.0  // power beyond this many standard deviations of its mean is anatomy, and counts as this many
	leastClip = 0.75 // but excess below this share of the local level is never clipped: the level itself may be too smooth
	levels    = 2    // times the local level is found anew
	mostTaken = 0.2  // restoring peaks lowers power by this share at most: beside a steep rise it would undershoot
)

// spread makes σ per row out of the power of the coefficients, the mean over k
// components, given where weight is above 0: clipped at the local level and smoothed, relative to a smooth trend. What
// smoothing takes off peaks of σ is given back (Tukey's twicing), as far as it
// is more than chance. It overwrites power.
func (e *estimator) spread(power, weight []float32) ([]float32, error) {
	sm := newSmoother(e.s.Grid, weight, e.window(), unitCube(e.s.Grid).lag)
	limit := float32(firstClip) * median(power, e.foreground, weight)
	clip := make([]float32, len(power))
	for r, p := range power {
		clip[r] = min(p, limit)
	}
	trend, middle := e.trend(clip, weight)
	for r, t := range middle {
		power[r] /= t
		clip[r] /= t
	}
	level := make([]float32, len(power))
	if !sm.smooth(level, clip) {
		return nil, errScattered
	}
	top := 1 + max(leastClip, clipLevel*math.Sqrt(2/float64(e.k)))
	inverse := float32(1 / clippedMean(e.k, top))
	for range levels {
		for r, p := range power {
			clip[r] = min(p, float32(top)*level[r]) * inverse
		}
		sm.smooth(level, clip)
	}
	e.restorePeaks(sm, level, clip)
	for r, v := range level {
		level[r] = float32(math.Sqrt(float64(max(v*trend[r], 0))))
	}
	return level, nil
}

// median returns the median over rows in the foreground with a weight, the
// largest number if there are none.
func median(value []float32, foreground []bool, weight []float32) float32 {
	var values []float32
	for r, v := range value {
		if weight[r] > 0 && foreground[r] {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.MaxFloat32 / firstClip / 2
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// clippedMean returns E[min(x, top)] where x is the mean of k squared standard
// normal numbers.
func clippedMean(k int, top float64) float64 {
	h := float64(k) / 2
	return mathext.GammaIncReg(h+1, h*top) + top*(1-mathext.GammaIncReg(h, h*top))
}

// chanceShare is the variance of S(p)-S(S(p)) over that of S(p) for white p and
// a Gaussian window in three dimensions: 1 - 2·(2/3)^1.5 + 2^-1.5.
const chanceShare = 0.2649

// restorePeaks adds to level = S(power) what smoothing once more takes off,
// S(power) - S(S(power)): the bias of the window to second order. Where the
// field is constant that is chance alone; so it is scaled with the share of its
// mean square over the foreground that is not chance.
func (e *estimator) restorePeaks(sm *smoother, level, power []float32) {
	twice := make([]float32, len(level))
	sm.smooth(twice, level)
	square, n := 0.0, 0.0
	for r := range level {
		if e.foreground[r] && level[r] > 0 {
			d := float64((level[r] - twice[r]) / level[r])
			square += d * d
			n++
		}
	}
	sd := e.window()
	chance := chanceShare * 2 * haarShare / float64(e.k) / math.Pow(4*math.Pi*sd*sd, 1.5)
	share := 1 - 3*chance/(square/max(n, 1))
	if n == 0 || !(share > 0) {
		return
	}
	for r := range level {
		raised := level[r] + float32(share)*(level[r]-twice[r])
		level[r] = max(raised, (1-mostTaken)*level[r])
	}
}
