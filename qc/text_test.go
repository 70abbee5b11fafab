package qc

import (
	"image"
	"testing"

	"golang.org/x/image/font/sfnt"
)

// TestGlyphsExist looks up every character that the pictures use: a missing one
// would be drawn as an empty box.
func TestGlyphsExist(t *testing.T) {
	var buf sfnt.Buffer
	text := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,;:%|/()=+−–-×±≥²σᾱx₀xₜ₋₁ₜ10⁻⁰¹²³⁴⁵⁶⁷⁸⁹…?\u00a0"
	for _, g := range glyphs(text) {
		i, err := goRegular().GlyphIndex(&buf, g.r)
		if err != nil || i == 0 {
			t.Errorf("no glyph for %q (%v)", g.r, err)
		}
	}
}

// inkBox returns the smallest rectangle that holds all ink of a line of text
// whose baseline is at y = 60.
func inkBox(s string) image.Rectangle {
	c := newCanvas(400, 100)
	c.text(20, 60, s, 40, alignLeft, black)
	var box image.Rectangle
	m := c.gray()
	for y := range 100 {
		for x := range 400 {
			if m.GrayAt(x, y).Y < 128 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

func TestMadeGlyphs(t *testing.T) {
	plain, barred := inkBox("α"), inkBox("ᾱ")
	if barred.Min.Y >= plain.Min.Y-2 || barred.Max.Y != plain.Max.Y {
		t.Errorf("ᾱ reaches from %d to %d, α from %d to %d: want a bar above", barred.Min.Y, barred.Max.Y, plain.Min.Y, plain.Max.Y)
	}
	if combined := inkBox("α\u0304"); combined != barred {
		t.Errorf("α with a combining macron covers %v, ᾱ %v", combined, barred)
	}
	if sub := inkBox("xₜ"); sub.Max.Y <= inkBox("xt").Max.Y {
		t.Error("the subscript does not hang below the baseline")
	}
	if super := inkBox("⁻⁹"); super.Max.Y >= 60-5 {
		t.Error("the superscript does not stand above the baseline")
	}
}

func TestWrap(t *testing.T) {
	set := newTypesetter()
	text := "one two three four five six seven eight nine σ\u00a0=\u00a03"
	lines := set.wrap(text, 20, 150)
	joined := ""
	for i, line := range lines {
		if w := set.width(line, 20); w > 150 {
			t.Errorf("line %q is %.0f wide, want at most 150", line, w)
		}
		if i > 0 {
			joined += " "
		}
		joined += line
	}
	if joined != text || len(lines) < 3 {
		t.Errorf("wrap = %q", lines)
	}
	if last := lines[len(lines)-1]; last[len(last)-1] != '3' || len(last) < 6 {
		t.Errorf("last line %q, want σ = 3 kept together", last)
	}
	if got := set.shorten("short", 20, 150); got != "short" {
		t.Errorf("shorten = %q", got)
	}
	if got := set.shorten(text, 20, 150); set.width(got, 20) > 150 || got[len(got)-3:] != "…" {
		t.Errorf("shorten = %q", got)
	}
}

// TestTextUp wants upright text to be the turned picture of flat text.
func TestTextUp(t *testing.T) {
	c := newCanvas(100, 200)
	c.textUp(50, 100, "L", 60, black)
	m := c.gray()
	var box image.Rectangle
	for y := range 200 {
		for x := range 100 {
			if m.GrayAt(x, y).Y < 128 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if box.Dx() <= box.Dy() {
		t.Fatalf("turned L covers %v, want it wider than high", box)
	}
	// An L turned to the left has its foot on the right and its stem below.
	if m.GrayAt(box.Max.X-2, box.Min.Y+2).Y > 128 || m.GrayAt(box.Min.X+2, box.Min.Y+2).Y < 128 {
		t.Error("the text does not read upwards")
	}
}
