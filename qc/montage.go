package qc

import (
	"fmt"
	"image"
	"math"
	"strconv"
	"strings"
)

// MontageOptions says how a montage or a noise map is drawn. The zero value
// shows five axial slices, patient's left on the left.
type MontageOptions struct {
	Volume  int     // index of the volume in the series, for the title
	BValue  float64 // s/mm², for the title; NaN leaves it out
	Title   string  // "" means one from Volume and BValue; for a noise map, none of the two
	Units   string  // of the signal; "" means "a.u."
	Plane   Plane   // anatomical plane of the slices
	Columns int     // number of slices; 0 means 5
	Slices  []int   // slices of Plane to show in place of a spread over the mask
	// Planes shows Columns slices of each of several planes (0 means 2), all at
	// one scale in mm, in place of Plane and Slices.
	Planes []Plane
	// Noise adds the noise map as a fourth row; there must be one.
	Noise bool
	Scale float64 // screen pixels per column of a slice; 0 means the whole number nearest to 300 pixels a slice, less for very tall ones
	// Radiological shows the patient's left on the right.
	Radiological bool
}

const (
	defaultColumns = 5
	columnsOfPlane = 2 // where several planes are shown
	// Window of scans: most of the tissue's range, few voxels saturated.
	scanLow, scanHigh = 0.02, 0.98
	residualSpan      = 3 // the residual is shown from -3σ to +3σ
	madToSigma        = 1.4826
)

// Montage draws slices of one volume before and after denoising, and below
// them what was removed. Before and after share one gray window, 2 to 98 % of
// the input in the mask. The residual, before - after, is blue where negative,
// white at zero and red where positive, from -3σ to +3σ, σ the median of the
// noise map in the mask: structure there is signal that was lost.
//
// before and after are volumes on the grid. sigma is the map of the noise's
// standard deviation; without one (nil) σ is the residual's own robust spread
// (1.4826 × median absolute deviation). A nil mask means [Foreground] of
// before. The picture is cropped to the mask. Errors are [ErrInput].
func Montage(before, after, sigma []float32, mask []bool, g Grid, o MontageOptions) (image.Image, error) {
	if mask == nil {
		mask = Foreground(before)
	}
	if err := checkLengths(g, len(before), len(after), len(mask)); err != nil {
		return nil, fmt.Errorf("qc: montage: %w", err)
	}
	if sigma != nil && len(sigma) != g.Voxels() {
		return nil, fmt.Errorf("qc: montage: noise map of %d voxels on a grid of %d: %w", len(sigma), g.Voxels(), ErrInput)
	}
	s, err := newSheet(mask, g, o)
	if err != nil {
		return nil, fmt.Errorf("qc: montage: %w", err)
	}
	residual := make([]float32, len(before))
	for i := range residual {
		residual[i] = before[i] - after[i]
	}
	noise := noiseLevel(residual, sigma, mask)
	scan := robustWindow(before, mask, scanLow, scanHigh)
	removed := window{-residualSpan * noise, residualSpan * noise}
	s.rows = []sheetRow{
		{"before", before, colourMap(gray).in(scan), white},
		{"after", after, colourMap(gray).in(scan), white},
		{"residual", residual, colourMap(diverging).in(removed), black},
	}
	s.bars = []colourBar{
		{0, 1, gray, ticks(scan), "signal (" + units(o) + ")"},
		{2, 2, diverging, signedTicks(removed), "±3σ (" + units(o) + ")"},
	}
	if s.title == "" {
		s.title = volumeTitle(o)
	}
	if o.Noise {
		row, bar, _, err := noiseRow(sigma, mask, o)
		if err != nil {
			return nil, fmt.Errorf("qc: montage: %w", err)
		}
		bar.first, bar.last = 3, 3
		s.rows, s.bars = append(s.rows, row), append(s.bars, bar)
	}
	s.caption = fmt.Sprintf("Before and after share one gray window (2–98 %% of the input in the mask). Residual = before − after; σ\u00a0=\u00a0%s.", figure(noise))
	return s.draw()
}

// NoiseMap draws slices of a map of the noise's standard deviation inside a
// mask (everywhere for nil). The colours span at least half the median on both
// sides of it, so that a flat map looks flat. Errors are [ErrInput].
func NoiseMap(sigma []float32, mask []bool, g Grid, o MontageOptions) (image.Image, error) {
	if mask == nil {
		mask = make([]bool, len(sigma))
		for i, v := range sigma {
			mask[i] = v > 0
		}
	}
	if err := checkLengths(g, len(sigma), len(mask)); err != nil {
		return nil, fmt.Errorf("qc: noise map: %w", err)
	}
	s, err := newSheet(mask, g, o)
	if err != nil {
		return nil, fmt.Errorf("qc: noise map: %w", err)
	}
	row, bar, middle, err := noiseRow(sigma, mask, o)
	if err != nil {
		return nil, fmt.Errorf("qc: noise map: %w", err)
	}
	s.rows, s.bars = []sheetRow{row}, []colourBar{bar}
	s.caption = fmt.Sprintf("Standard deviation of the noise; median in the mask %s.", figure(middle))
	return s.draw()
}

// noiseRow makes the row and the colour bar of a noise map, and returns its median.
func noiseRow(sigma []float32, mask []bool, o MontageOptions) (sheetRow, colourBar, float64, error) {
	middle, ok := 0.0, false
	if sigma != nil {
		middle, ok = median(sigma, mask)
	}
	if !ok {
		return sheetRow{}, colourBar{}, 0, fmt.Errorf("no noise map, or no finite value of it in the mask: %w", ErrInput)
	}
	w, _, _ := quantiles(sigma, mask, scanLow, scanHigh)
	w.lo, w.hi = max(0, min(w.lo, 0.5*middle)), max(w.hi, 1.5*middle)
	if !(w.hi > w.lo) {
		w = window{0, 1}
	}
	shown := make([]float32, len(sigma))
	for i, v := range sigma {
		shown[i] = v
		if !mask[i] {
			shown[i] = float32(math.NaN())
		}
	}
	return sheetRow{"noise σ", shown, colourMap(sequential).in(w), black}, colourBar{0, 0, sequential, ticks(w), "σ (" + units(o) + ")"}, middle, nil
}

// newSheet chooses slices and crop; rows and bars are left to the caller.
func newSheet(mask []bool, g Grid, o MontageOptions) (*sheet, error) {
	if o.Columns < 0 || o.Scale < 0 || o.Scale > 100 || math.IsNaN(o.Scale) {
		return nil, fmt.Errorf("%d columns at scale %g: neither may be negative, nor the scale above 100: %w", o.Columns, o.Scale, ErrInput)
	}
	s := &sheet{g: g, radiological: o.Radiological, scale: o.Scale, title: o.Title}
	planes, columns := o.Planes, o.Columns
	switch {
	case len(planes) > 0 && columns == 0:
		columns = columnsOfPlane
	case columns == 0:
		columns = defaultColumns
	}
	if len(planes) == 0 {
		planes = []Plane{o.Plane}
	}
	for _, p := range planes {
		slices := o.Slices
		if len(slices) == 0 || len(o.Planes) > 0 {
			slices = SpreadSlices(mask, g, p, columns)
		}
		box := maskBox(mask, g, p, o.Radiological)
		for _, k := range slices {
			if n := g.Slices(p); k < 0 || k >= n {
				return nil, fmt.Errorf("slice %d, but %s slices go from 0 to %d: %w", k, p, n-1, ErrInput)
			}
			s.columns = append(s.columns, sheetColumn{p, k, box})
		}
	}
	if s.scale == 0 {
		s.scale = s.shape(0).defaultScale(sheetTileWidth)
	}
	return s, nil
}

func checkLengths(g Grid, lengths ...int) error {
	for _, n := range lengths {
		if n != g.Voxels() || n == 0 {
			return fmt.Errorf("volume or mask of %d voxels on a grid of %d×%d×%d: %w", n, g.NX, g.NY, g.NZ, ErrInput)
		}
	}
	return nil
}

// noiseLevel returns the σ that scales the residual's colours, never zero.
func noiseLevel(residual, sigma []float32, mask []bool) float64 {
	if sigma != nil {
		if m, ok := median(sigma, mask); ok && m > 0 {
			return m
		}
	}
	centre, _ := median(residual, mask)
	away := make([]float32, len(residual))
	for i, r := range residual {
		away[i] = float32(math.Abs(float64(r) - centre))
	}
	if m, ok := median(away, mask); ok && m > 0 {
		return madToSigma * m
	}
	return 1
}

func volumeTitle(o MontageOptions) string {
	title := "Volume " + strconv.Itoa(o.Volume)
	if !math.IsNaN(o.BValue) {
		title += ", b = " + strconv.FormatFloat(math.Round(o.BValue), 'f', 0, 64) + " s/mm²"
	}
	return title
}

func units(o MontageOptions) string {
	if o.Units == "" {
		return "a.u."
	}
	return o.Units
}

func ticks(w window) []tick {
	return []tick{{0, figure(w.lo)}, {0.5, figure((w.lo + w.hi) / 2)}, {1, figure(w.hi)}}
}

func signedTicks(w window) []tick {
	return []tick{{0, figure(w.lo)}, {0.5, "0"}, {1, "+" + figure(w.hi)}}
}

// figure formats a value with three significant digits, whole numbers in full,
// and a true minus sign.
func figure(v float64) string {
	s := strconv.FormatFloat(v, 'g', 3, 64)
	if math.Abs(v) >= 100 && math.Abs(v) < 1e6 {
		s = strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	return minus(s)
}

// decimals formats a value with a fixed number of decimals and a true minus sign;
// what rounds to zero has no sign.
func decimals(v float64, n int) string {
	s := strconv.FormatFloat(v, 'f', n, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	return minus(s)
}

// minus writes true minus signs.
func minus(s string) string { return strings.ReplaceAll(s, "-", "−") }
