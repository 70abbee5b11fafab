package orientation

import (
	"math"
	"slices"
)

// merit tells how much the peaks look like those of a single fibre.
func merit(peaks []Peak) float64 {
	second := 0.0
	if len(peaks) > 1 {
		second = peaks[1].Amplitude
	}
	clean := 1 - second/peaks[0].Amplitude
	return math.Sqrt(peaks[0].Amplitude) * clean * clean
}

// about returns a direction at the given cosine from the z axis.
func about(cos float64) [3]float64 {
	cos = min(max(cos, -1), 1)
	return [3]float64{math.Sqrt(1 - cos*cos), 0, cos}
}

// Cone returns the angle in degrees about an axis that holds the given share of
// draws (angles, which it sorts): the (n+1)·share-th of them, in between by
// interpolation, the largest at most, so that the next draw lies in it with that
// probability.
func Cone(angles []float64, share float64) float64 {
	slices.Sort(angles)
	n := len(angles)
	if n == 0 {
		return 0
	}
	at := share*float64(n+1) - 1
	i := int(math.Floor(at))
	switch {
	case i < 0:
		return angles[0]
	case i >= n-1:
		return angles[n-1]
	}
	return angles[i] + (at-float64(i))*(angles[i+1]-angles[i])
}

// dispersion returns 1 - λ₁ of the mean of u·uᵀ: 0 if all axes are the same, 2/3
// if they have no direction in common.
func dispersion(axes [][3]float64) float64 {
	if len(axes) == 0 {
		return 0
	}
	var m [6]float64
	for _, u := range axes {
		for i, x := range [6]float64{u[0] * u[0], u[1] * u[1], u[2] * u[2], u[0] * u[1], u[0] * u[2], u[1] * u[2]} {
			m[i] += x / float64(len(axes))
		}
	}
	v := principal(m)
	along := v[0]*v[0]*m[0] + v[1]*v[1]*m[1] + v[2]*v[2]*m[2] + 2*(v[0]*v[1]*m[3]+v[0]*v[2]*m[4]+v[1]*v[2]*m[5])
	return max(1-along, 0)
}
