package qc

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// MatchedOptions says how the noise of a scan is shown on a schedule.
type MatchedOptions struct {
	Schedule diffusion.Schedule // the zero Schedule means cosine with T = 1000
	// Spread is the standard deviation of the clean signal over the whole scan in
	// units of σ; it fixes t*, and must be above zero.
	Spread    float64
	Magnitude bool    // noise the clean slice as a magnitude image, √((S+n₁)²+n₂²)
	Seed      uint64  // of the noise draw
	Scale     float64 // screen pixels per column; 0 as in StripOptions
	Title     string
}

// matchedLevels are the noise levels of the panels relative to the scan's own.
var matchedLevels = []float64{0.25, 0.5, 1, 2, 4, 8}

// MatchedTimestep returns the real-valued timestep t* at which the noise of a
// scan sits on a schedule, ᾱ(t*) = s²/(s²+1) with s the spread of its clean signal
// in units of σ. Spreads that the schedule cannot express are an [ErrInput].
func MatchedTimestep(s diffusion.Schedule, spread float64) (float64, error) {
	t, err := s.TimestepFor(1 / spread)
	if err != nil || !(spread > 0) {
		return 0, fmt.Errorf("qc: a signal %.4g times as wide as its noise has no place on the schedule: %w", spread, ErrInput)
	}
	return t, nil
}

// MatchedStrip shows where a scan's own noise sits on the schedule. The first
// row is the forward diffusion of the denoised slice at a quarter to eight times
// the scan's noise, the panel at t* framed. The second row holds the denoised
// slice noised to t* beside the slice as it was measured, which is a forward
// sample at t* if the noise level is right, what differs between them (two
// noises), and what was removed. All panels but these two have one gray window.
//
// The slices are denoised and measured signals and σ, of one size. Slices are
// divided by σ·Spread, the domain in which the model sees them, about the middle
// of the window. It returns the picture and t*.
func MatchedStrip(denoised, measured, sigma Slice, o MatchedOptions) (image.Image, float64, error) {
	if o.Schedule.T() == 0 {
		cosine, err := diffusion.Cosine(defaultSteps)
		if err != nil {
			return nil, 0, fmt.Errorf("qc: matched strip: %w", err)
		}
		o.Schedule = cosine
	}
	t, err := MatchedTimestep(o.Schedule, o.Spread)
	if err != nil {
		return nil, 0, err
	}
	n := denoised.NX * denoised.NY
	if n == 0 || len(denoised.Pixels) != n || len(measured.Pixels) != n || len(sigma.Pixels) != n {
		return nil, 0, fmt.Errorf("qc: matched strip: slices of %d, %d and %d pixels for %d×%d: %w", len(denoised.Pixels), len(measured.Pixels), len(sigma.Pixels), denoised.NX, denoised.NY, ErrInput)
	}
	m, err := newMatched(denoised, measured, sigma, o, t)
	if err != nil {
		return nil, 0, err
	}
	img, err := m.draw(denoised)
	return img, t, err
}

// matched holds slices in the model's domain.
type matched struct {
	o        MatchedOptions
	t        float64
	clean, y []float32 // signal / (σ·spread), less the middle of the window
	middle   float64   // of the window, in the same units
	half     float64   // half its width
	n1, n2   []float32
}

func newMatched(denoised, measured, sigma Slice, o MatchedOptions, t float64) (*matched, error) {
	level, ok := median(positive(sigma.Pixels), nil)
	if !ok {
		return nil, fmt.Errorf("qc: matched strip: no noise level above zero in the slice: %w", ErrInput)
	}
	m := &matched{o: o, t: t, clean: make([]float32, len(sigma.Pixels)), y: make([]float32, len(sigma.Pixels))}
	for i, s := range sigma.Pixels {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			s = float32(level)
		}
		m.clean[i] = number(denoised.Pixels[i] / s / float32(o.Spread))
		m.y[i] = number(measured.Pixels[i] / s / float32(o.Spread))
	}
	w := robustWindow(m.clean, nil, stripLow, stripHigh)
	m.middle, m.half = (w.lo+w.hi)/2, (w.hi-w.lo)/2
	for i := range m.clean {
		m.clean[i] -= float32(m.middle)
		m.y[i] -= float32(m.middle)
	}
	m.n1, m.n2 = normal(len(m.clean), o.Seed, 1), normal(len(m.clean), o.Seed, 2)
	return m, nil
}

// number returns v, 0 where it is not finite.
func number(v float32) float32 {
	if v-v != 0 {
		return 0
	}
	return v
}

func positive(values []float32) []float32 {
	var out []float32
	for _, v := range values {
		if v > 0 {
			out = append(out, v)
		}
	}
	return out
}

// at returns x_t of the clean slice, and simulated what a scanner would measure
// of it at t*, as x at t*.
func (m *matched) at(t float64) []float32 {
	x := make([]float32, len(m.clean))
	m.o.Schedule.Noise(x, m.clean, m.n1, t)
	return x
}

func (m *matched) simulated() []float32 {
	if !m.o.Magnitude {
		return m.at(m.t)
	}
	root := math.Sqrt(m.o.Schedule.AlphaBar(m.t))
	x := make([]float32, len(m.clean))
	for i, c := range m.clean {
		s := (float64(c) + m.middle) * m.o.Spread // in σ
		v := math.Hypot(s+float64(m.n1[i]), float64(m.n2[i]))
		x[i] = float32(root * (v/m.o.Spread - m.middle))
	}
	return x
}

// seen returns the measured slice as x at t*.
func (m *matched) seen() []float32 {
	root := float32(math.Sqrt(m.o.Schedule.AlphaBar(m.t)))
	x := make([]float32, len(m.y))
	for i, v := range m.y {
		x[i] = root * v
	}
	return x
}

// panels returns the timesteps of the first row and which of them is t*.
func (m *matched) panels() (steps []float64, own int) {
	for _, level := range matchedLevels {
		t, err := m.o.Schedule.TimestepFor(level / m.o.Spread)
		if err != nil || t < 0 && level != 1 {
			continue
		}
		if level == 1 {
			own = len(steps)
			t = m.t
		}
		steps = append(steps, t)
	}
	return steps, own
}

// matchedPanel is one picture and the lines below it.
type matchedPanel struct {
	pixels      []float32
	paint       colourMap
	label, note string
	own         bool
}

func (m *matched) draw(s Slice) (image.Image, error) {
	paint := colourMap(gray).in(window{-m.half, m.half})
	steps, own := m.panels()
	rows := [][]matchedPanel{{{m.clean, paint, "x₀", "denoised", false}}, nil}
	for i, t := range steps {
		level := m.o.Schedule.Sigma(t) * m.o.Spread
		p := matchedPanel{m.at(t), paint, fmt.Sprintf("t = %.1f", t), figure(level) + " × noise", false}
		if i == own {
			p.label, p.note, p.own = fmt.Sprintf("t* = %.1f", t), "the scan's noise", true
		}
		rows[0] = append(rows[0], p)
	}
	simulated, seen := m.simulated(), m.seen()
	difference := make([]float32, len(seen))
	for i := range seen {
		difference[i] = seen[i] - simulated[i]
	}
	span := 3 * math.Sqrt2 * math.Sqrt(1-m.o.Schedule.AlphaBar(m.t))
	removed := make([]float32, len(seen))
	for i := range removed {
		removed[i] = m.y[i] - m.clean[i]
	}
	differing := colourMap(diverging).in(window{-span, span})
	rows[1] = []matchedPanel{
		{simulated, paint, "simulated", "denoised, noised to t*", true},
		{seen, paint, "measured", "as scanned", true},
		{difference, differing, "difference", "measured − simulated", false},
		{removed, differing, "removed", "measured − denoised", false},
	}
	return drawPanels(s, rows, m.o, m.caption())
}

func (m *matched) caption() string {
	kind := "Gaussian"
	if m.o.Magnitude {
		kind = "magnitude (Rician)"
	}
	return fmt.Sprintf("Where this scan's noise sits on the %s schedule, T\u00a0=\u00a0%d: with a signal %s times as wide as its noise, ᾱ(t*)\u00a0=\u00a0%.4f at t*\u00a0=\u00a0%.1f. "+
		"Above: forward diffusion of the denoised slice at levels of noise relative to the scan's. Below: the same slice with simulated %s noise at t*, the slice as measured, "+
		"their difference (blue to red: ±3√2 of the noise), which holds two independent noises and no anatomy if the level is right, and what was removed.",
		m.o.Schedule.Name(), m.o.Schedule.T(), figure(m.o.Spread), m.o.Schedule.AlphaBar(m.t), m.t, kind)
}

// drawPanels lays out rows of panels of one size with two lines below each.
func drawPanels(s Slice, rows [][]matchedPanel, o MatchedOptions, caption string) (image.Image, error) {
	scale := o.Scale
	if scale == 0 {
		scale = s.defaultScale(stripPanelWidth)
	}
	w, h := s.size(scale)
	unit := float64(w)
	px := func(f float64) int { return max(1, int(math.Round(f*unit))) }
	margin, gap, label, small := px(0.1), px(0.05), 0.12*unit, 0.095*unit
	columns := 0
	for _, r := range rows {
		columns = max(columns, len(r))
	}
	top := margin
	if o.Title != "" {
		top += px(0.2)
	}
	rowHeight := h + int(math.Ceil(lineHeight*(label+small))) + px(0.08)
	width := 2*margin + columns*w + (columns-1)*gap
	lines := newTypesetter().wrap(caption, small, float64(width-2*margin))
	height := top + len(rows)*rowHeight + int(math.Ceil(float64(len(lines))*lineHeight*small)) + margin
	if err := checkSize(width, height); err != nil {
		return nil, fmt.Errorf("qc: matched strip: %w", err)
	}
	c := newCanvas(width, height)
	c.text(float64(margin), float64(margin)+capHeight*label, c.set.shorten(o.Title, label, float64(width-2*margin)), label, alignLeft, color.Black)
	for i, row := range rows {
		for j, p := range row {
			x, y := margin+j*(w+gap), top+i*rowHeight
			r := image.Rect(x, y, x+w, y+h)
			c.pixels(r, p.pixels, s.NX, s.NY, p.paint)
			if p.own {
				c.frame(r, px(0.02), shellColours[2])
			}
			if i == 0 && j == 0 {
				c.letters(r, s, label, white)
			}
			middle := float64(x) + unit/2
			c.text(middle, float64(y+h)+1.1*label, p.label, label, alignCentre, color.Black)
			c.text(middle, float64(y+h)+1.1*label+lineHeight*small, p.note, small, alignCentre, color.Gray{70})
		}
	}
	y := float64(top + len(rows)*rowHeight)
	for i, l := range lines {
		c.text(float64(margin), y+(float64(i)*lineHeight+0.6)*small, l, small, alignLeft, color.Gray{40})
	}
	return c.img, nil
}
