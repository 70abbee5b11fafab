package qc

import (
	"fmt"
	"image"
	"math"
	"strconv"
)

// ReplacedOptions say which slices were replaced, and why.
type ReplacedOptions struct {
	Volume int     // index in the series, for the title
	BValue float64 // s/mm², for the title; NaN leaves it out
	Slices []int   // along the third axis of the file; all of one volume
	Reason string  // for the title; "" leaves it out
	Units  string  // of the signal; "" means "a.u."
	Scale  float64 // as in MontageOptions
}

// Replaced draws slices that were replaced: as measured, as imputed, and the
// difference, measured - imputed. Measured and imputed share one gray window, 2
// to 98 % of the imputed volume in the mask, from lower down where the slices
// were measured lower, so that a dropout looks as dark as it is and what is left
// in it is seen; the difference is blue where the measurement was too low. Slices are cut
// across the third axis of the file, whatever its orientation: that is how they
// were acquired and lost. A nil mask means [Foreground] of imputed. Errors are
// [ErrInput].
func Replaced(measured, imputed []float32, mask []bool, g Grid, o ReplacedOptions) (image.Image, error) {
	if mask == nil {
		mask = Foreground(imputed)
	}
	if err := checkLengths(g, len(measured), len(imputed), len(mask)); err != nil {
		return nil, fmt.Errorf("qc: replaced slices: %w", err)
	}
	if len(o.Slices) == 0 {
		return nil, fmt.Errorf("qc: replaced slices: none is named: %w", ErrInput)
	}
	m := MontageOptions{Plane: g.planeAcross(2), Slices: o.Slices, Scale: o.Scale, Units: o.Units, Volume: o.Volume, BValue: o.BValue}
	s, err := newSheet(mask, g, m)
	if err != nil {
		return nil, fmt.Errorf("qc: replaced slices: %w", err)
	}
	difference := make([]float32, len(measured))
	for i := range difference {
		difference[i] = measured[i] - imputed[i]
	}
	scan := robustWindow(imputed, mask, scanLow, scanHigh)
	if w, _, ok := quantiles(ofSlices(measured, mask, g, o.Slices), nil, scanLow, scanHigh); ok {
		scan.lo = min(scan.lo, w.lo)
	}
	span := largestDifference(difference, mask, g, o.Slices)
	if span == 0 {
		span = math.Max(1, scan.hi-scan.lo)
	}
	changed := window{-span, span}
	s.rows = []sheetRow{
		{"measured", measured, colourMap(gray).in(scan), white},
		{"imputed", imputed, colourMap(gray).in(scan), white},
		{"difference", difference, colourMap(diverging).in(changed), black},
	}
	s.bars = []colourBar{
		{0, 1, gray, ticks(scan), "signal (" + units(m) + ")"},
		{2, 2, diverging, signedTicks(changed), "difference"},
	}
	s.title = "Imputed: volume " + strconv.Itoa(o.Volume)
	if !math.IsNaN(o.BValue) {
		s.title += ", b = " + strconv.FormatFloat(math.Round(o.BValue), 'f', 0, 64)
	}
	if o.Reason != "" {
		s.title += " (" + o.Reason + ")"
	}
	s.caption = "These slices were not used. The middle row is estimated from the other directions; difference = measured − imputed."
	return s.draw()
}

// planeAcross returns the plane whose slices lie across a voxel axis.
func (g Grid) planeAcross(axis int) Plane {
	for _, p := range []Plane{Axial, Coronal, Sagittal} {
		if g.view(p, false).through == axis {
			return p
		}
	}
	return Axial
}

// ofSlices returns the values in the mask of some slices across the third axis.
func ofSlices(volume []float32, mask []bool, g Grid, slices []int) []float32 {
	var out []float32
	for _, z := range slices {
		for i := z * g.NX * g.NY; i < (z+1)*g.NX*g.NY; i++ {
			if mask[i] {
				out = append(out, volume[i])
			}
		}
	}
	return out
}

// largestDifference returns the 98th percentile of the finite absolute
// differences in the mask of some slices, 0 if there is none.
func largestDifference(difference []float32, mask []bool, g Grid, slices []int) float64 {
	away := ofSlices(difference, mask, g, slices)
	for i, d := range away {
		away[i] = float32(math.Abs(float64(d)))
	}
	w, _, ok := quantiles(away, nil, 0, scanHigh)
	if !ok {
		return 0
	}
	return w.hi
}
