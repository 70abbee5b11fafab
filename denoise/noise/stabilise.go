package noise

import (
	"math"
	"sync"
)

const (
	stableTop    = 12.0      // magnitudes tabulated up to here, in σ; the series is used from there on
	stableStep   = 1.0 / 128 // of magnitudes
	stableMost   = 9.0       // amplitudes tabulated up to here
	amplitudeGap = 1.0 / 32  // of amplitudes
	stableRounds = 12        // refinements of the transform's slope
	riceWidth    = 7.0       // magnitudes within this many σ of the amplitude take part in integrals
	riceStep     = 1.0 / 16  // of those integrals
)

// stabilising is the variance-stabilising transform of a magnitude and the
// mean of the transformed magnitude, on uniform grids.
type stabilising struct {
	value  []float32 // f at magnitude i·stableStep
	mean   []float32 // E[f(m)] at amplitude i·amplitudeGap, ascending
	spread []float32 // standard deviation of f(m) there
}

var stable = sync.OnceValue(buildStabilising)

// Stabilise returns f(m) for a magnitude m ≥ 0, both in units of σ: a rising
// function with which the magnitude of any amplitude has nearly unit standard
// deviation (within 4 %), and f(m) ≈ m - 1/(4m) at strong signal. After the idea of Foi
// (2011), though not his optimisation: the slope is divided by the spread found, over and over. The mean of
// f(m) at amplitude a is not f of the mean magnitude: undo it with
// [InverseStabilise], which is exact. f goes below 0 near m = 0. NaN stays NaN.
func Stabilise(m float32) float32 {
	t := stable()
	p := float64(m) / stableStep
	if !(p < float64(len(t.value)-1)) {
		return m - 1/(4*m) // and NaN
	}
	return interpolate(t.value, max(p, 0))
}

// InverseStabilise returns the amplitude, in units of σ, whose stabilised
// magnitude has the mean x: the exact unbiased inverse of [Stabilise]; 0 at or
// below the mean of pure noise. NaN stays NaN.
func InverseStabilise(x float32) float32 {
	t := stable()
	last := len(t.mean) - 1
	switch {
	case x <= t.mean[0]:
		return 0
	case !(x < t.mean[last]):
		return x - 1/(4*x) // and NaN
	}
	low, high := 0, last
	for high-low > 1 {
		if middle := (low + high) / 2; t.mean[middle] <= x {
			low = middle
		} else {
			high = middle
		}
	}
	f := (x - t.mean[low]) / (t.mean[high] - t.mean[low])
	return (float32(low) + f) * amplitudeGap
}

// interpolate evaluates a table at position p ≥ 0, at most its last.
func interpolate(table []float32, p float64) float32 {
	i := int(p)
	if i >= len(table)-1 {
		return table[len(table)-1]
	}
	return table[i] + float32(p-float64(i))*(table[i+1]-table[i])
}

// buildStabilising makes the transform. Its slope starts at 1/√ξ, the inverse
// of the standard deviation of the magnitude whose mean is m, and is divided by
// the spread found at the amplitude that has that mean.
func buildStabilising() *stabilising {
	n := int(stableTop/stableStep) + 1
	t := &stabilising{value: make([]float32, n)}
	slope := make([]float64, n)
	at := make([]float64, n) // position in the table of amplitudes
	for i := range slope {
		m := float32(i) * stableStep
		slope[i] = 1 / math.Sqrt(float64(factorAtMean(m)))
		at[i] = float64(InverseRicianMean(m)) / amplitudeGap
	}
	rice := newRiceTable()
	for range stableRounds {
		t.integrate(slope)
		t.moments(rice)
		for i := range slope {
			if at[i] < float64(len(t.spread)-1) {
				slope[i] /= float64(interpolate(t.spread, at[i]))
			}
		}
	}
	t.integrate(slope)
	t.moments(rice)
	return t
}

// integrate sums the slope up to f, so that it meets the series at the top.
func (t *stabilising) integrate(slope []float64) {
	sum := 0.0
	for i := range slope {
		if i > 0 {
			sum += (slope[i] + slope[i-1]) / 2 * stableStep
		}
		t.value[i] = float32(sum)
	}
	shift := float32(stableTop-1/(4*stableTop)) - t.value[len(t.value)-1]
	for i := range t.value {
		t.value[i] += shift
	}
}

// riceTable holds, for every amplitude, magnitudes and their probabilities by
// the Rice distribution m·exp(-(m²+a²)/2)·I₀(ma).
type riceTable [][]struct{ magnitude, weight float64 }

func newRiceTable() riceTable {
	t := make(riceTable, int(stableMost/amplitudeGap)+1)
	for i := range t {
		a := float64(i) * amplitudeGap
		total := 0.0
		for m := max(a-riceWidth, 0) + riceStep/2; m < a+riceWidth; m += riceStep {
			i0, _ := besselScaled(m * a)
			w := m * math.Exp(-(m-a)*(m-a)/2) * i0
			total += w
			t[i] = append(t[i], struct{ magnitude, weight float64 }{m, w})
		}
		for j := range t[i] {
			t[i][j].weight /= total
		}
	}
	return t
}

// moments integrates mean and spread of f for every amplitude.
func (t *stabilising) moments(rice riceTable) {
	t.mean, t.spread = make([]float32, len(rice)), make([]float32, len(rice))
	for i, row := range rice {
		var sum, square float64
		for _, r := range row {
			f := r.magnitude - 1/(4*r.magnitude)
			if p := r.magnitude / stableStep; p < float64(len(t.value)-1) {
				f = float64(interpolate(t.value, p))
			}
			sum, square = sum+r.weight*f, square+r.weight*f*f
		}
		t.mean[i], t.spread[i] = float32(sum), float32(math.Sqrt(max(square-sum*sum, 0)))
	}
}
