package qc

import (
	"image/color"
	"math"
	"testing"
)

// lightness returns CIE L* of an sRGB colour.
func lightness(c color.RGBA) float64 {
	linear := func(v uint8) float64 {
		if s := float64(v) / 255; s > 0.04045 {
			return math.Pow((s+0.055)/1.055, 2.4)
		} else {
			return s / 12.92
		}
	}
	y := 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
	return 116*math.Cbrt(y) - 16
}

func TestSequentialLightnessRises(t *testing.T) {
	const steps = 64
	first, last := lightness(sequential(0)), lightness(sequential(1))
	if last-first < 70 {
		t.Fatalf("lightness spans %.0f to %.0f, want at least 70", first, last)
	}
	for i := 1; i <= steps; i++ {
		l := lightness(sequential(float64(i) / steps))
		if l <= lightness(sequential(float64(i-1)/steps)) {
			t.Errorf("lightness does not rise at %d/%d", i, steps)
		}
		if even := first + (last-first)*float64(i)/steps; math.Abs(l-even) > 6 {
			t.Errorf("lightness at %d/%d is %.1f, %.1f from an even rise", i, steps, l, l-even)
		}
	}
}

func TestDivergingIsBalanced(t *testing.T) {
	if c := diverging(0.5); c != (color.RGBA{250, 250, 250, 255}) {
		t.Errorf("zero is %v, want near white", c)
	}
	for i := 1; i <= 32; i++ {
		d := float64(i) / 64
		below, above := diverging(0.5-d), diverging(0.5+d)
		if lb, la := lightness(below), lightness(above); math.Abs(lb-la) > 5 {
			t.Errorf("±%.2f have lightness %.0f and %.0f, want about the same", 2*d, lb, la)
		}
		if below.B <= below.R || above.R <= above.B {
			t.Errorf("±%.2f are %v and %v, want blue and red", 2*d, below, above)
		}
		if lightness(below) >= lightness(diverging(0.5-d+1.0/64)) || lightness(above) >= lightness(diverging(0.5+d-1.0/64)) {
			t.Errorf("an arm does not darken at ±%.2f", 2*d)
		}
	}
}

func TestColoursAtTheEnds(t *testing.T) {
	w := window{-3, 3}
	m := colourMap(diverging).in(w)
	if m(-99) != m(-3) || m(99) != m(3) || m(-3) == m(3) {
		t.Error("values beyond the window are not limited to its ends")
	}
	if m(math.NaN()) != missing || gray(math.NaN()) != (color.RGBA{0, 0, 0, 255}) {
		t.Error("NaN has no colour of its own")
	}
}

func TestRobustWindow(t *testing.T) {
	nan := float32(math.NaN())
	ramp := make([]float32, 101)
	mask := make([]bool, 101)
	for i := range ramp {
		ramp[i], mask[i] = float32(i), i > 50
	}
	for _, c := range []struct {
		name   string
		values []float32
		mask   []bool
		want   window
	}{
		{"ramp", ramp, nil, window{2, 98}},
		{"upper half", ramp, mask, window{51 + 0.02*49, 100 - 0.02*49}},
		{"constant", []float32{5, 5, 5}, nil, window{5, 10}},
		{"zero", []float32{0, 0}, nil, window{0, 1}},
		{"nothing finite", []float32{nan}, nil, window{0, 1}},
		{"one voxel stands out", append(make([]float32, 999), 7), nil, window{0, 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := robustWindow(c.values, c.mask, 0.02, 0.98)
			if math.Abs(got.lo-c.want.lo) > 1e-12 || math.Abs(got.hi-c.want.hi) > 1e-12 {
				t.Errorf("robustWindow = %v, want %v", got, c.want)
			}
		})
	}
}
