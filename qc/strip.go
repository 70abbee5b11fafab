package qc

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// Annotation is the second line of text below each panel of a strip.
type Annotation int

// What can be written below the timestep. The zero value is AnnotateNothing.
const (
	AnnotateNothing  Annotation = iota
	AnnotateAlphaBar            // the share of the signal's variance that is left, ᾱ_t
	AnnotateSNR                 // ᾱ_t/(1-ᾱ_t)
)

// StripOptions says how a forward strip is made. The zero value gives eleven
// panels of the cosine schedule with T = 1000 in one row at 300 pixels each.
type StripOptions struct {
	Schedule diffusion.Schedule // the zero Schedule means cosine with T = 1000
	Panels   int                // number of noised panels, at least 2; 0 means 11
	Rows     int                // rows the panels are laid in; 0 means 1
	// Magnitude draws √((S+n₁)²+n₂²), the picture of a scanner that stores
	// magnitudes (Rician noise), in place of the model's own x_t.
	Magnitude bool
	Seed      uint64     // of the one noise draw
	Scale     float64    // screen pixels per column; 0 means the whole number nearest to 300 pixels a panel, less for very tall slices
	Annotate  Annotation // second line below each panel
	Title     string     // above the panels; "" means none
	Caption   string     // below the panels; "" means one that names schedule, T and what x₀ and t = 0 are
	// HideLetters leaves out the letters of orientation on the clean panel.
	HideLetters bool
}

const (
	defaultSteps    = 1000
	defaultPanels   = 11
	stripPanelWidth = 300 // screen pixels: one inch in print
	// Window of a strip, as quantiles of the slice: a few bright voxels must
	// not push the tissue into the lower half of [-1, 1].
	stripLow, stripHigh = 0.005, 0.995
)

func (o StripOptions) withDefaults() (StripOptions, error) {
	if o.Schedule.T() == 0 {
		cosine, err := diffusion.Cosine(defaultSteps)
		if err != nil {
			return o, fmt.Errorf("qc: strip: %w", err)
		}
		o.Schedule = cosine
	}
	if o.Panels == 0 {
		o.Panels = defaultPanels
	}
	if o.Rows == 0 {
		o.Rows = 1
	}
	steps := o.Schedule.T()
	if o.Panels < 2 || o.Panels > steps {
		return o, fmt.Errorf("qc: strip: %d panels, want 2 to %d (the number of timesteps): %w", o.Panels, steps, ErrInput)
	}
	if o.Rows < 1 || o.Rows > o.Panels+1 {
		return o, fmt.Errorf("qc: strip: %d rows, want 1 to %d (the number of panels): %w", o.Rows, o.Panels+1, ErrInput)
	}
	if o.Scale < 0 || o.Scale > 100 || math.IsNaN(o.Scale) {
		return o, fmt.Errorf("qc: strip: scale of %g, want 0 to 100 pixels per column: %w", o.Scale, ErrInput)
	}
	return o, nil
}

// ForwardStrip draws a slice as the forward diffusion changes it: the clean
// picture labelled x₀, then x_t = √ᾱ_t·x₀ + √(1-ᾱ_t)·ε at evenly spaced
// timesteps from 0 to T-1 (Ho 2020, eq. 4), with one draw ε for all panels so
// that only the level changes. Timesteps count from 0, so the panel t = 0
// already carries a trace of noise; the caption says so. The slice is scaled
// to [-1, 1] by a robust window (0.5 to 99.5 %) and limited to it; every panel
// shows (x+1)/2, limited to [0, 1], with the same grays.
//
// With Magnitude the window begins at 0, S = (x₀+1)/2 is a signal from 0 to 1,
// and a panel shows √((√ᾱ_t·S + n₁)² + n₂²), n₁ and n₂ of standard deviation
// √(1-ᾱ_t)/2, which is the noise the other panels show on the same scale. Air
// starts black and rises to the noise floor.
//
// It returns the picture and the timesteps shown, or an [ErrInput] if an
// option is out of range, the slice holds no finite values, or the picture
// would have more than 100 million pixels.
func ForwardStrip(s Slice, o StripOptions) (image.Image, []int, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	if len(s.Pixels) != s.NX*s.NY || len(finite(s.Pixels, nil)) == 0 {
		return nil, nil, fmt.Errorf("qc: strip: slice of %d×%d with %d values, none or too few finite: %w", s.NX, s.NY, len(s.Pixels), ErrInput)
	}
	steps := Timesteps(o.Schedule.T(), o.Panels)
	d := newDraw(s, o)
	l := newStripLayout(s, o)
	if err := checkSize(l.width, l.height); err != nil {
		return nil, nil, fmt.Errorf("qc: strip: %w", err)
	}
	c := newCanvas(l.width, l.height)
	l.title(c)
	for i := range o.Panels + 1 {
		r := l.panel(i)
		shown, label, note := d.clean(), "x₀", cleanNote(o)
		if i > 0 {
			t := steps[i-1]
			shown = d.at(t)
			label, note = stepLabel(t), noteOf(o, t)
		}
		c.pixels(r, shown, s.NX, s.NY, gray)
		if i == 0 && !o.HideLetters {
			c.letters(r, s, l.letter, white)
		}
		l.label(c, r, label, note)
	}
	l.caption(c)
	return c.gray(), steps, nil
}

// Timesteps returns n evenly spaced integers from 0 to T-1, both included. Where
// the rounded spacing fits, all steps but the last are equal (0, 100, …, 900,
// 999), which reads better than rounding every timestep (0, 100, …, 599, …);
// else every timestep is rounded half up. It panics unless 2 ≤ n ≤ T.
func Timesteps(T, n int) []int {
	if n < 2 || n > T {
		panic("qc: number of timesteps must be from 2 to T")
	}
	ts := make([]int, n)
	step := (2*(T-1) + n - 1) / (2 * (n - 1))
	last := T - 1 - (n-2)*step
	equal := 20*last >= 19*step && 20*last <= 21*step
	for i := range ts {
		ts[i] = (2*i*(T-1) + n - 1) / (2 * (n - 1))
		if equal && i < n-1 {
			ts[i] = i * step
		}
	}
	return ts
}

// forward makes the panels of a strip from one slice and one draw of noise.
type forward struct {
	schedule  diffusion.Schedule
	x0        []float32 // in [-1, 1]
	n1, n2    []float32 // standard normal; n2 only for magnitudes
	magnitude bool
}

func newDraw(s Slice, o StripOptions) *forward {
	w := robustWindow(s.Pixels, nil, stripLow, stripHigh)
	if o.Magnitude {
		w.lo = min(0, w.lo)
	}
	f := &forward{schedule: o.Schedule, magnitude: o.Magnitude}
	f.x0 = make([]float32, len(s.Pixels))
	for i, v := range s.Pixels {
		f.x0[i] = float32(2*w.unit(float64(v)) - 1)
	}
	f.n1 = normal(len(f.x0), o.Seed, 1)
	if o.Magnitude {
		f.n2 = normal(len(f.x0), o.Seed, 2)
	}
	return f
}

// normal returns a stream of standard normal values.
func normal(n int, seed, stream uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, stream))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// noised returns x_t, or the magnitude at t, before it is limited to the
// window.
func (f *forward) noised(t int) []float32 {
	xt := make([]float32, len(f.x0))
	f.schedule.Noise(xt, f.x0, f.n1, float64(t))
	if !f.magnitude {
		return xt
	}
	ab := f.schedule.AlphaBar(float64(t))
	a, b := math.Sqrt(ab), math.Sqrt(1-ab)/2
	for i, x := range f.x0 {
		re := a*float64(x+1)/2 + b*float64(f.n1[i])
		xt[i] = float32(math.Hypot(re, b*float64(f.n2[i])))
	}
	return xt
}

// at returns the panel at t as shown, from 0 to 1 where not limited.
func (f *forward) at(t int) []float32 {
	xt := f.noised(t)
	if f.magnitude {
		return xt
	}
	return half(xt)
}

// clean returns the panel of x₀ as shown.
func (f *forward) clean() []float32 { return half(f.x0) }

// half maps [-1, 1] to [0, 1].
func half(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = (v + 1) / 2
	}
	return y
}

func stepLabel(t int) string { return "t = " + strconv.Itoa(t) }

func cleanNote(o StripOptions) string {
	if o.Annotate == AnnotateNothing {
		return ""
	}
	return "clean"
}

func noteOf(o StripOptions, t int) string {
	switch o.Annotate {
	case AnnotateAlphaBar:
		return "ᾱ = " + short(o.Schedule.AlphaBar(float64(t)))
	case AnnotateSNR:
		return "SNR " + short(o.Schedule.SNR(float64(t)))
	default:
		return ""
	}
}

// short formats a non-negative figure in few characters. Values that differ
// from 1 by less than 0.001 keep the digits that tell them from 1.
func short(v float64) string {
	switch {
	case v > 0.999 && v < 1:
		return strconv.FormatFloat(v, 'f', 5, 64)
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v >= 0.001:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case v == 0:
		return "0"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', 0, 64), "e-")
	return mantissa + "×10⁻" + superscript.Replace(strings.TrimLeft(exponent, "0"))
}

var superscript = strings.NewReplacer("0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹")
