package qc

import (
	"image/color"
	"math"
	"sync"
)

// colourMap paints 0 to 1; values outside are limited, NaN is paper-gray.
type colourMap func(u float64) color.RGBA

var (
	black = color.Gray{0}
	white = color.Gray{255}
)

var missing = color.RGBA{236, 236, 236, 255}

// gray paints 0 to 1 from black to white, NaN black: a picture of a scan has
// no signal there.
func gray(u float64) color.RGBA {
	g := uint8(math.Round(255 * window{0, 1}.unit(u)))
	return color.RGBA{g, g, g, 255}
}

// Control points, evenly spaced, of the two coloured scales. The sequential
// one runs over purple, blue, green and yellow with lightness rising in equal
// steps. The diverging one is white in the middle, its arms blue and red fall
// in lightness alike, and no arm holds green: red-green blindness leaves both
// ends distinct.
var (
	sequentialPoints = [][3]float64{
		{68, 1, 84}, {71, 45, 123}, {59, 82, 139}, {44, 114, 142}, {33, 145, 140},
		{39, 173, 129}, {94, 201, 98}, {170, 220, 50}, {253, 231, 37},
	}
	divergingPoints = [][3]float64{
		{8, 42, 100}, {28, 90, 164}, {84, 148, 200}, {164, 202, 228}, {250, 250, 250},
		{244, 190, 164}, {222, 126, 98}, {182, 52, 56}, {106, 8, 34},
	}
)

var (
	sequentialTable = sync.OnceValue(func() []color.RGBA { return table(sequentialPoints) })
	divergingTable  = sync.OnceValue(func() []color.RGBA { return table(divergingPoints) })
)

// sequential paints maps of a quantity that has no middle, such as σ.
func sequential(u float64) color.RGBA { return lookUp(sequentialTable(), u) }

// diverging paints signed values; 0.5 is zero.
func diverging(u float64) color.RGBA { return lookUp(divergingTable(), u) }

const tableSize = 513 // odd, so that the middle colour has an entry of its own

func lookUp(t []color.RGBA, u float64) color.RGBA {
	if math.IsNaN(u) {
		return missing
	}
	return t[int(math.Round(window{0, 1}.unit(u)*(tableSize-1)))]
}

// table interpolates control points by cubic splines through them (Catmull and
// Rom 1974).
func table(p [][3]float64) []color.RGBA {
	t := make([]color.RGBA, tableSize)
	last := len(p) - 1
	for i := range t {
		x := float64(i) / (tableSize - 1) * float64(last)
		k := min(int(x), last-1)
		f := x - float64(k)
		a, b, c, d := p[max(k-1, 0)], p[k], p[k+1], p[min(k+2, last)]
		var rgb [3]uint8
		for j := range rgb {
			v := b[j] + f/2*(c[j]-a[j]+f*(2*a[j]-5*b[j]+4*c[j]-d[j]+f*(3*(b[j]-c[j])+d[j]-a[j])))
			rgb[j] = uint8(math.Round(min(max(v, 0), 255)))
		}
		t[i] = color.RGBA{rgb[0], rgb[1], rgb[2], 255}
	}
	return t
}

// in paints values by their place in a window.
func (m colourMap) in(w window) colourMap {
	return func(v float64) color.RGBA {
		if math.IsNaN(v) {
			return m(v)
		}
		return m(w.unit(v))
	}
}
