package qc

import (
	"errors"
	"math"
	"testing"
)

// Glyphs are filled up to their radius and empty beyond.
func TestGlyphs(t *testing.T) {
	s := Glyphs(2, 1, 40, func(i int, angle float64) float64 {
		if i == 0 {
			return 0.5
		}
		return math.Abs(math.Cos(angle)) // a lobe upwards and one downwards
	})
	ink := func(x, y int) bool { return s.Pixels[y*s.NX+x] > 0 }
	for _, c := range []struct {
		x, y int
		want bool
	}{{20, 20, true}, {28, 20, true}, {32, 20, false}, {60, 4, true}, {76, 20, false}, {60, 36, true}} {
		if ink(c.x, c.y) != c.want {
			t.Errorf("ink at (%d, %d) is %v", c.x, c.y, !c.want)
		}
	}
}

func TestGlyphStrip(t *testing.T) {
	round := func(r float64) func(int, float64) float64 { return func(int, float64) float64 { return r } }
	frames := []GlyphFrame{{T: 999, State: round(0.9), Clean: round(0.2)}, {T: -1, State: round(0.5), Clean: round(0.5)}}
	img, err := GlyphStrip(3, 2, frames, ReverseOptions{Scale: 1, What: "voxels"})
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() < 2*3*glyphEdge || b.Dy() < 2*2*glyphEdge {
		t.Errorf("picture of %v, want room for two by two panels of %d by %d", b, 3*glyphEdge, 2*glyphEdge)
	}
	if _, err := GlyphStrip(3, 2, frames[:1], ReverseOptions{}); !errors.Is(err, ErrInput) {
		t.Errorf("one frame: %v, want ErrInput", err)
	}
}
