package prior

import (
	"math"
	"sync"

	"github.com/dmri-denoise/dmri-denoise/denoise/noise"
)

const (
	curveStep = 1.0 / 64 // of amplitudes, in σ, in the table of the Rician mean
	curveTop  = 12       // σ: from here on by its series
)

// curve holds the Rician mean with its first two derivatives.
var curve = sync.OnceValue(func() [][3]float32 {
	out := make([][3]float32, curveTop/curveStep+2)
	const h = 1e-3
	for i := range out {
		a := float64(i) * curveStep
		up, here, down := noise.RicianMean(a+h), noise.RicianMean(a), noise.RicianMean(math.Abs(a-h))
		out[i] = [3]float32{float32(here), float32((up - down) / (2 * h)), float32((up + down - 2*here) / (h * h))}
	}
	return out
})

// curvePoint is a place on the curve.
type curvePoint struct {
	a, f float32
	i    int // of the table; -1 beyond it
}

func curveAt(a float32) curvePoint {
	if !(a < curveTop) {
		return curvePoint{a, 0, -1}
	}
	q := a / curveStep
	return curvePoint{a, q - float32(int(q)), int(q)}
}

func (c curvePoint) entry(j int) float32 {
	t := curve()
	return t[c.i][j] + c.f*(t[c.i+1][j]-t[c.i][j])
}

func (c curvePoint) mean() float32 {
	if c.i < 0 {
		return c.a + 1/(2*c.a)
	}
	return c.entry(0)
}

func (c curvePoint) slopes() (first, second float32) {
	if c.i < 0 {
		return 1, 0
	}
	return c.entry(1), c.entry(2)
}
