package qc

import (
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// noisySlice is a clean slice, the same measured with noise of σ = 5, and σ.
func noisySlice() (clean, measured, sigma Slice) {
	const nx, ny = 40, 32
	rng := rand.New(rand.NewPCG(2, 3))
	make := func() Slice { return Slice{Pixels: make([]float32, nx*ny), NX: nx, NY: ny, Left: "L", Right: "R"} }
	clean, measured, sigma = make(), make(), make()
	for i := range clean.Pixels {
		x, y := float64(i%nx-20)/20, float64(i/nx-16)/16
		if x*x+y*y < 0.8 {
			clean.Pixels[i] = float32(100 + 60*math.Sin(5*x))
		}
		sigma.Pixels[i] = 5
		measured.Pixels[i] = clean.Pixels[i] + float32(5*rng.NormFloat64())
	}
	sigma.Pixels[0] = 0
	return clean, measured, sigma
}

// TestMatchedIsTheForwardProcess wants the measured slice to look like the slice
// noised to t*: the same mean and the same spread about √ᾱ·x₀.
func TestMatchedIsTheForwardProcess(t *testing.T) {
	clean, measured, sigma := noisySlice()
	schedule, err := diffusion.Cosine(1000)
	if err != nil {
		t.Fatal(err)
	}
	const spread = 8.0
	step, err := MatchedTimestep(schedule, spread)
	if err != nil || math.Abs(schedule.AlphaBar(step)-64.0/65) > 1e-12 {
		t.Fatalf("t* = %v (%v): ᾱ = %v, want s²/(s²+1)", step, err, schedule.AlphaBar(step))
	}
	m, err := newMatched(clean, measured, sigma, MatchedOptions{Schedule: schedule, Spread: spread}, step)
	if err != nil {
		t.Fatal(err)
	}
	root := math.Sqrt(schedule.AlphaBar(step))
	noise := func(x []float32) (mean, sd float64) {
		for i, v := range x {
			d := float64(v) - root*float64(m.clean[i])
			mean += d
			sd += d * d
		}
		n := float64(len(x))
		return mean / n, math.Sqrt(sd / n)
	}
	want := math.Sqrt(1 - schedule.AlphaBar(step))
	for name, x := range map[string][]float32{"simulated": m.simulated(), "measured": m.seen()} {
		mean, sd := noise(x)
		// 1280 values: the mean within 3.5 standard errors, the spread within 3.5/√(2n).
		if math.Abs(mean) > 3.5*want/math.Sqrt(1280) || math.Abs(sd/want-1) > 0.07 {
			t.Errorf("%s: noise of mean %v and spread %v, want 0 and %v", name, mean, sd, want)
		}
	}
}

// TestMatchedMagnitude wants the Rician floor in air.
func TestMatchedMagnitude(t *testing.T) {
	clean, measured, sigma := noisySlice()
	schedule, _ := diffusion.Cosine(1000)
	step, _ := MatchedTimestep(schedule, 8)
	m, err := newMatched(clean, measured, sigma, MatchedOptions{Schedule: schedule, Spread: 8, Magnitude: true}, step)
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0.0
	for i, v := range m.simulated() {
		if clean.Pixels[i] == 0 {
			sum += (float64(v)/math.Sqrt(schedule.AlphaBar(step)) + m.middle) * 8
			n++
		}
	}
	if want := math.Sqrt(math.Pi / 2); math.Abs(sum/n-want) > 0.1 { // the mean of Rayleigh noise; some 470 voxels
		t.Errorf("air has %v σ, want %v", sum/n, want)
	}
}

func TestMatchedStripPicture(t *testing.T) {
	clean, measured, sigma := noisySlice()
	img, step, err := MatchedStrip(clean, measured, sigma, MatchedOptions{Spread: 8, Scale: 4, Title: "title"})
	if err != nil {
		t.Fatal(err)
	}
	again, _, _ := MatchedStrip(clean, measured, sigma, MatchedOptions{Spread: 8, Scale: 4, Title: "title"})
	frames := 0
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if img.At(x, y) != again.At(x, y) {
				t.Fatal("two drawings differ")
			}
			if img.At(x, y) == color.Color(shellColours[2]) {
				frames++
			}
		}
	}
	// Three frames of 3 pixels around panels of 160 × 128.
	if frames < 3*3*2*(160+128) || frames > 3*3*2*(170+140) {
		t.Errorf("%d pixels of frames (t* = %v)", frames, step)
	}
	if _, ok := img.(*image.RGBA); !ok {
		t.Errorf("a picture of type %T", img)
	}
}

func TestMatchedRefuses(t *testing.T) {
	clean, measured, sigma := noisySlice()
	for name, o := range map[string]MatchedOptions{"no spread": {}, "no signal": {Spread: 1e-9}, "not a number": {Spread: math.NaN()}} {
		if _, _, err := MatchedStrip(clean, measured, sigma, o); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v, want ErrInput", name, err)
		}
	}
	short := measured
	short.Pixels = short.Pixels[1:]
	if _, _, err := MatchedStrip(clean, short, sigma, MatchedOptions{Spread: 8}); !errors.Is(err, ErrInput) {
		t.Errorf("slices of two sizes: %v, want ErrInput", err)
	}
	for i := range sigma.Pixels {
		sigma.Pixels[i] = 0
	}
	if _, _, err := MatchedStrip(clean, measured, sigma, MatchedOptions{Spread: 8}); !errors.Is(err, ErrInput) {
		t.Errorf("no σ: %v, want ErrInput", err)
	}
}
