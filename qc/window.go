package qc

import (
	"math"
	"sort"
)

// window is the range of values shown from the first to the last colour.
type window struct{ lo, hi float64 }

// unit maps v to [0, 1], limited at both ends; NaN becomes 0.
func (w window) unit(v float64) float64 {
	u := (v - w.lo) / (w.hi - w.lo)
	if !(u > 0) {
		return 0
	}
	return min(u, 1)
}

// quantiles returns two quantiles of the values in mask (all values for a nil
// mask) and the largest; ok is false if none is finite.
func quantiles(values []float32, mask []bool, from, to float64) (w window, most float64, ok bool) {
	v := finite(values, mask)
	if len(v) == 0 {
		return w, 0, false
	}
	sort.Float64s(v)
	return window{quantile(v, from), quantile(v, to)}, v[len(v)-1], true
}

// robustWindow returns the range between two quantiles, never empty.
func robustWindow(values []float32, mask []bool, from, to float64) window {
	w, most, ok := quantiles(values, mask, from, to)
	if !ok {
		return window{0, 1}
	}
	if !(w.hi > w.lo) {
		w.hi = most
	}
	if !(w.hi > w.lo) {
		w.hi = w.lo + math.Max(1, math.Abs(w.lo))
	}
	return w
}

// finite returns the finite values in mask as float64; a nil mask is all.
func finite(values []float32, mask []bool) []float64 {
	out := make([]float64, 0, len(values))
	for i, v := range values {
		f := float64(v)
		if (mask == nil || mask[i]) && !math.IsNaN(f) && !math.IsInf(f, 0) {
			out = append(out, f)
		}
	}
	return out
}

// quantile returns the q-quantile of ascending values by linear interpolation.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// median returns the median of the finite values in mask and false if there
// are none.
func median(values []float32, mask []bool) (float64, bool) {
	v := finite(values, mask)
	if len(v) == 0 {
		return 0, false
	}
	sort.Float64s(v)
	return quantile(v, 0.5), true
}
