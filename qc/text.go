package qc

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

var goRegular = sync.OnceValue(func() *opentype.Font {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		panic("qc: the built-in font cannot be read")
	}
	return f
})

// glyph is one character of a line of text and how it departs from plain type.
type glyph struct {
	r     rune
	scale float64 // of the text's size
	drop  float64 // below the baseline, in units of the text's size
	bar   bool    // macron drawn above
}

const (
	combiningMacron = '\u0304'

	smallScale = 0.66 // of subscripts and superscripts
	lowered    = 0.16
	raised     = -0.36
)

// madeGlyphs holds characters that the font lacks, or draws unevenly, and how
// they are made from plain ones.
var madeGlyphs = func() map[rune]glyph {
	m := map[rune]glyph{'ᾱ': {r: 'α', scale: 1, bar: true}}
	for plain, small := range map[rune]rune{'t': 'ₜ', '−': '₋', '0': '₀', '1': '₁'} {
		m[small] = glyph{r: plain, scale: smallScale, drop: lowered}
	}
	for i, small := range []rune("⁰¹²³⁴⁵⁶⁷⁸⁹") {
		m[small] = glyph{r: '0' + rune(i), scale: smallScale, drop: raised}
	}
	m['\u00a0'] = glyph{r: ' ', scale: 1}
	m['⁻'] = glyph{r: '−', scale: smallScale, drop: raised}
	return m
}()

func glyphs(s string) []glyph {
	line := make([]glyph, 0, len(s))
	for _, r := range s {
		g, made := madeGlyphs[r]
		switch {
		case r == combiningMacron && len(line) > 0:
			line[len(line)-1].bar = true
			continue
		case !made:
			g = glyph{r: r, scale: 1}
		}
		line = append(line, g)
	}
	return line
}

// typesetter draws lines of text of any size. It is not safe for use by
// several goroutines at once.
type typesetter struct{ faces map[float64]font.Face }

func newTypesetter() *typesetter { return &typesetter{faces: map[float64]font.Face{}} }

// face returns the font at a size in pixels.
func (t *typesetter) face(size float64) font.Face {
	if f, ok := t.faces[size]; ok {
		return f
	}
	f, err := opentype.NewFace(goRegular(), &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("qc: the built-in font cannot be scaled")
	}
	t.faces[size] = f
	return f
}

// width returns the width of a line of text in pixels.
func (t *typesetter) width(s string, size float64) float64 {
	return t.line(nil, nil, fixed.Point26_6{}, s, size)
}

// line draws a line of text from a point on the baseline and returns its
// width; a nil dst only measures.
func (t *typesetter) line(dst draw.Image, ink image.Image, at fixed.Point26_6, s string, size float64) float64 {
	start := at.X
	for _, g := range glyphs(s) {
		face := t.face(size * g.scale)
		advance, _ := face.GlyphAdvance(g.r)
		if dst != nil {
			dot := fixed.Point26_6{X: at.X, Y: at.Y + toFixed(g.drop*size)}
			if dr, mask, mp, _, ok := face.Glyph(dot, g.r); ok {
				draw.DrawMask(dst, dr, ink, image.Point{}, mask, mp, draw.Over)
			}
			if g.bar {
				drawMacron(dst, ink, dot, face, g.r, size*g.scale)
			}
		}
		at.X += advance
	}
	return float64(at.X-start) / 64
}

// drawMacron draws the bar over a letter.
func drawMacron(dst draw.Image, ink image.Image, dot fixed.Point26_6, face font.Face, r rune, size float64) {
	b, _, _ := face.GlyphBounds(r)
	thick := max(1, int(math.Round(0.065*size)))
	bottom := (dot.Y + b.Min.Y - toFixed(0.1*size)).Round()
	bar := image.Rect((dot.X + b.Min.X).Floor(), bottom-thick, (dot.X + b.Max.X).Ceil(), bottom)
	draw.Draw(dst, bar, ink, image.Point{}, draw.Over)
}

func toFixed(x float64) fixed.Int26_6 { return fixed.Int26_6(math.Round(x * 64)) }

// wrap breaks text at spaces, but not at no-break spaces, into lines no wider
// than width pixels.
func (t *typesetter) wrap(text string, size, width float64) []string {
	var lines []string
	current := ""
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' }) {
		longer := strings.TrimPrefix(current+" "+word, " ")
		if current != "" && t.width(longer, size) > width {
			lines = append(lines, current)
			longer = word
		}
		current = longer
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}

// shorten cuts text to a width and marks the cut, for titles that hold the
// names of files.
func (t *typesetter) shorten(s string, size, width float64) string {
	if t.width(s, size) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && t.width(string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// inkOf returns a colour as a source for drawing.
func inkOf(c color.Color) image.Image { return image.NewUniform(c) }
