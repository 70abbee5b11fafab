package qc

import (
	"fmt"
	"image"
	"math"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// ReverseFrame is one moment of a reverse process.
type ReverseFrame struct {
	T     float64   // timestep; below 0 for the clean end
	State []float32 // x_t
	Clean []float32 // E[x₀ | x_t], the denoiser's answer
}

// ReverseOptions says how a reverse process is drawn.
type ReverseOptions struct {
	Schedule diffusion.Schedule // the zero Schedule means cosine with T = 1000
	Scale    float64            // screen pixels per column; 0 as in StripOptions
	Title    string
	What     string // what is drawn, for the caption
}

// Moments returns those of n moments of a reverse process, evenly spread over the
// timesteps from T-1 down to 0, that were seen: for each the nearest of ts, the
// timesteps visited. They are indices into ts, without repetition.
func Moments(ts []float64, T, n int) []int {
	var out []int
	for i := range n {
		want := float64(T-1) * float64(n-1-i) / float64(n-1)
		best := 0
		for k, t := range ts {
			if math.Abs(t-want) < math.Abs(ts[best]-want) {
				best = k
			}
		}
		if len(out) == 0 || out[len(out)-1] != best {
			out = append(out, best)
		}
	}
	return out
}

// ReverseStrip draws a reverse process from noise to structure, each moment
// labelled with t: above x_t as it is, below the clean signal that the denoiser
// expects there. s has the size and the letters of the slice, its pixels do not
// count; frames go from T-1 down and end with the clean one. The gray window is
// that of the end (0.5 to 99.5 %), about its middle, which x_t nears with √ᾱ_t. An
// [ErrInput] reports no frames, or frames of another size.
func ReverseStrip(s Slice, frames []ReverseFrame, o ReverseOptions) (image.Image, error) {
	if o.Schedule.T() == 0 {
		cosine, err := diffusion.Cosine(defaultSteps)
		if err != nil {
			return nil, fmt.Errorf("qc: reverse strip: %w", err)
		}
		o.Schedule = cosine
	}
	if len(frames) < 2 {
		return nil, fmt.Errorf("qc: reverse strip: %d moments, want 2 or more: %w", len(frames), ErrInput)
	}
	for _, f := range frames {
		if len(f.State) != s.NX*s.NY || len(f.Clean) != s.NX*s.NY || len(f.State) == 0 {
			return nil, fmt.Errorf("qc: reverse strip: frames of %d and %d pixels for %d×%d: %w", len(f.State), len(f.Clean), s.NX, s.NY, ErrInput)
		}
	}
	end := frames[len(frames)-1].State
	if len(finite(end, nil)) == 0 {
		return nil, fmt.Errorf("qc: reverse strip: the end holds no finite value: %w", ErrInput)
	}
	w := robustWindow(end, nil, stripLow, stripHigh)
	middle, half := (w.lo+w.hi)/2, (w.hi-w.lo)/2
	paint := colourMap(gray).in(window{-half, half})
	rows := [][]matchedPanel{nil, nil}
	for _, f := range frames {
		root, label := 1.0, "x₀"
		if f.T >= 0 {
			root, label = math.Sqrt(o.Schedule.AlphaBar(f.T)), fmt.Sprintf("t = %.0f", f.T)
		}
		rows[0] = append(rows[0], matchedPanel{centred(f.State, root*middle), paint, label, "xₜ", false})
		rows[1] = append(rows[1], matchedPanel{centred(f.Clean, middle), paint, label, "expected x₀", false})
	}
	caption := fmt.Sprintf("Reverse process p(x₀\u00a0|\u00a0xₜ), %s schedule, T\u00a0=\u00a0%d, from pure noise at the left to %s at the right. Above: xₜ. Below: the clean signal that the denoiser expects at that moment, E[x₀\u00a0|\u00a0xₜ].",
		o.Schedule.Name(), o.Schedule.T(), o.What)
	return drawPanels(s, rows, MatchedOptions{Scale: o.Scale, Title: o.Title}, caption)
}

func centred(x []float32, middle float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = v - float32(middle)
	}
	return out
}

// Glyphs draws functions of an angle as filled curves, a picture of columns × rows
// cells of edge pixels: radius(i, φ), from 0 to 1, is the curve of cell i at angle φ
// from the vertical. Inside a curve pixels are 1 less a quarter of the distance from
// the centre, outside 0.
func Glyphs(columns, rows, edge int, radius func(i int, angle float64) float64) Slice {
	s := Slice{NX: columns * edge, NY: rows * edge, Pixels: make([]float32, columns*rows*edge*edge)}
	half := float64(edge) / 2
	for y := range s.NY {
		for x := range s.NX {
			dx, dy := float64(x%edge)+0.5-half, half-float64(y%edge)-0.5
			r := math.Hypot(dx, dy) / half
			if r < radius(y/edge*columns+x/edge, math.Atan2(dx, dy)) {
				s.Pixels[y*s.NX+x] = float32(1 - r/4)
			}
		}
	}
	return s
}

// GlyphFrame is one moment of a reverse process of functions of an angle, as
// [Glyphs] takes them.
type GlyphFrame struct {
	T            float64 // timestep; below 0 for the clean end
	State, Clean func(i int, angle float64) float64
}

const glyphEdge = 44 // pixels of a cell

// GlyphStrip draws a reverse process of columns × rows functions of an angle, each
// moment labelled with t: above x_t, below what the denoiser expects at that moment.
// Frames go from T-1 down and end with the clean one. An [ErrInput] reports fewer
// than two.
func GlyphStrip(columns, rows int, frames []GlyphFrame, o ReverseOptions) (image.Image, error) {
	if len(frames) < 2 {
		return nil, fmt.Errorf("qc: reverse strip: %d moments, want 2 or more: %w", len(frames), ErrInput)
	}
	paint := colourMap(gray).in(window{0, 1})
	panels := [][]matchedPanel{nil, nil}
	var s Slice
	for _, f := range frames {
		label := "x₀"
		if f.T >= 0 {
			label = fmt.Sprintf("t = %.0f", f.T)
		}
		s = Glyphs(columns, rows, glyphEdge, f.State)
		panels[0] = append(panels[0], matchedPanel{s.Pixels, paint, label, "xₜ", false})
		panels[1] = append(panels[1], matchedPanel{Glyphs(columns, rows, glyphEdge, f.Clean).Pixels, paint, label, "expected x₀", false})
	}
	caption := fmt.Sprintf("Reverse process p(x₀\u00a0|\u00a0xₜ) from pure noise at the left to %s at the right. Above: xₜ. Below: what the denoiser expects at that moment, E[x₀\u00a0|\u00a0xₜ].", o.What)
	return drawPanels(s, panels, MatchedOptions{Scale: o.Scale, Title: o.Title}, caption)
}
