package orientation

import (
	"math"
	"slices"

	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// MostPeaks is the number of peaks kept of a distribution.
const MostPeaks = 3

const (
	faintPeak = 0.2 // peaks below this share of the largest are noise to tractography, and left out
	leastPeak = 0.1 // and so are those below this amplitude, a tenth of a single fibre's order of size
	apart     = 15  // degrees: closer peaks are one
	offset    = 0.02
)

// Peak is a maximum of a distribution.
type Peak struct {
	Direction [3]float64
	Amplitude float64
}

// Peaks finds the largest maxima of f, of which lobes are the amplitudes in the
// directions of the sphere, in falling order: at most three, refined by Newton's
// method on the sphere.
func (c *CSD) Peaks(dst []Peak, f, lobes, scratch []float64) []Peak {
	dst = dst[:0]
	largest := slices.Max(lobes)
	least := max(faintPeak*largest, leastPeak)
	for i, a := range lobes {
		if a < 0.9*least || !c.top(lobes, i) {
			continue
		}
		if p := c.Climb(c.directions[i], f, scratch); p.Amplitude >= least {
			dst = insert(dst, p)
		}
	}
	if len(dst) > MostPeaks {
		dst = dst[:MostPeaks]
	}
	return dst
}

// top tells whether no direction about i has a larger amplitude.
func (c *CSD) top(lobes []float64, i int) bool {
	for _, j := range c.near[i] {
		if lobes[j] > lobes[i] || lobes[j] == lobes[i] && int(j) < i {
			return false
		}
	}
	return true
}

// insert adds a peak in order, unless it is one of those there.
func insert(peaks []Peak, p Peak) []Peak {
	at := len(peaks)
	for i, q := range peaks {
		if Angle(p.Direction, q.Direction) < apart {
			if p.Amplitude > q.Amplitude {
				peaks[i] = p
			}
			return peaks
		}
		if p.Amplitude > q.Amplitude && at == len(peaks) {
			at = i
		}
	}
	return slices.Insert(peaks, at, p)
}

// Climb follows f upwards from a direction to a maximum. scratch has room for N
// values.
func (c *CSD) Climb(u [3]float64, f, scratch []float64) Peak {
	at := func(v [3]float64) float64 {
		gradients.SH(scratch, v, c.Shell.Order)
		sum := 0.0
		for i, h := range scratch {
			sum += h * f[i]
		}
		return sum
	}
	value := at(u)
	for range 12 {
		e1, e2 := tangents(u)
		move := func(a, b float64) [3]float64 {
			return unit([3]float64{u[0] + a*e1[0] + b*e2[0], u[1] + a*e1[1] + b*e2[1], u[2] + a*e1[2] + b*e2[2]})
		}
		px, mx, py, my, pp := at(move(offset, 0)), at(move(-offset, 0)), at(move(0, offset)), at(move(0, -offset)), at(move(offset, offset))
		gx, gy := (px-mx)/(2*offset), (py-my)/(2*offset)
		xx, yy := (px+mx-2*value)/(offset*offset), (py+my-2*value)/(offset*offset)
		xy := (pp - px - py + value) / (offset * offset)
		det := xx*yy - xy*xy
		var dx, dy float64
		if xx < 0 && det > 0 {
			dx, dy = -(yy*gx-xy*gy)/det, -(xx*gy-xy*gx)/det
		} else if g := math.Hypot(gx, gy); g > 0 {
			dx, dy = 0.1*gx/g, 0.1*gy/g
		}
		length := math.Hypot(dx, dy)
		if length > 0.15 {
			dx, dy = dx*0.15/length, dy*0.15/length
		}
		next := move(dx, dy)
		v := at(next)
		for tries := 0; v < value && tries < 6; tries++ {
			dx, dy = dx/2, dy/2
			next = move(dx, dy)
			v = at(next)
		}
		if v < value {
			break
		}
		u, value = next, v
		if math.Hypot(dx, dy) < 2e-4 {
			break
		}
	}
	return Peak{u, value}
}

func tangents(u [3]float64) (a, b [3]float64) {
	axis := [3]float64{1, 0, 0}
	if math.Abs(u[0]) > 0.7 {
		axis = [3]float64{0, 1, 0}
	}
	a = unit(cross(u, axis))
	return a, cross(u, a)
}

func cross(a, b [3]float64) [3]float64 {
	return [3]float64{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

// Angle returns the angle between two axes in degrees, 0 to 90.
func Angle(a, b [3]float64) float64 {
	return math.Atan2(math.Sqrt(dot(cross(a, b), cross(a, b))), math.Abs(dot(a, b))) * 180 / math.Pi
}
