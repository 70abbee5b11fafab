package qc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
)

// disc returns a slice with two discs and a ramp in black air, as a head would
// have, of n×n pixels.
func disc(n int) Slice {
	s := Slice{Pixels: make([]float32, n*n), NX: n, NY: n, Aspect: 1, Left: "L", Right: "R", Top: "A", Bottom: "P"}
	c := float64(n-1) / 2
	for i := range s.Pixels {
		x, y := float64(i%n)-c, float64(i/n)-c
		switch r := math.Hypot(x, y*0.8) / c; {
		case r < 0.2:
			s.Pixels[i] = 1000
		case r < 0.7:
			s.Pixels[i] = float32(500 + 200*x/c)
		}
	}
	return s
}

func schedule(t *testing.T, name string, steps int) diffusion.Schedule {
	t.Helper()
	s, err := map[string]func(int) (diffusion.Schedule, error){"cosine": diffusion.Cosine, "linear": diffusion.Linear}[name](steps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustStrip(t *testing.T, s Slice, o StripOptions) (*image.Gray, []int) {
	t.Helper()
	img, steps, err := ForwardStrip(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return img.(*image.Gray), steps
}

func moments(v []float32) (mean, sd float64) {
	for _, x := range v {
		mean += float64(x) / float64(len(v))
	}
	for _, x := range v {
		sd += (float64(x) - mean) * (float64(x) - mean) / float64(len(v))
	}
	return mean, math.Sqrt(sd)
}

func correlation(a, b []float32) float64 {
	ma, sa := moments(a)
	mb, sb := moments(b)
	sum := 0.0
	for i := range a {
		sum += (float64(a[i]) - ma) * (float64(b[i]) - mb)
	}
	return sum / (float64(len(a)) * sa * sb)
}

func TestTimesteps(t *testing.T) {
	for _, c := range []struct {
		T, n int
		want []int
	}{
		{1000, 11, []int{0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999}},
		{300, 11, []int{0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 299}},
		{1000, 12, []int{0, 91, 182, 273, 364, 455, 546, 637, 728, 819, 910, 999}},
		{15, 11, []int{0, 1, 3, 4, 6, 7, 8, 10, 11, 13, 14}},
		{1000, 2, []int{0, 999}},
		{100, 12, []int{0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 90, 99}},
		{5, 5, []int{0, 1, 2, 3, 4}},
		{2, 2, []int{0, 1}},
	} {
		t.Run(fmt.Sprintf("T=%d n=%d", c.T, c.n), func(t *testing.T) {
			got := Timesteps(c.T, c.n)
			if !slices.Equal(got, c.want) {
				t.Errorf("Timesteps = %v, want %v", got, c.want)
			}
			even := float64(c.T-1) / float64(c.n-1)
			for i, v := range got { // nearest to an even spread, or equal steps with a last one up to 5 % off
				if off := math.Abs(float64(v) - float64(i)*even); off > max(0.5, 0.05*even) {
					t.Errorf("timestep %d is %g off the even spread", v, off)
				}
			}
		})
	}
}

// TestForwardMatchesPrediction checks every panel's correlation with x₀ and its
// spread against the closed form of q(x_t|x₀).
func TestForwardMatchesPrediction(t *testing.T) {
	for _, name := range []string{"cosine", "linear"} {
		for _, steps := range []int{100, 300, 1000} {
			t.Run(fmt.Sprintf("%s/%d", name, steps), func(t *testing.T) {
				sch := schedule(t, name, steps)
				o := StripOptions{Schedule: sch, Seed: 3}
				f := newDraw(disc(96), o)
				_, sd := moments(f.x0)
				last := 2.0
				for _, step := range Timesteps(steps, 11) {
					ab := sch.AlphaBar(float64(step))
					xt := f.noised(step)
					spread := math.Sqrt(ab*sd*sd + 1 - ab)
					r, want := correlation(xt, f.x0), math.Sqrt(ab)*sd/spread
					// Three standard errors of a correlation of 96² pixels.
					if math.Abs(r-want) > 0.032 {
						t.Errorf("t = %d: correlation with x₀ %.4f, want %.4f", step, r, want)
					}
					if r > last {
						t.Errorf("t = %d: correlation with x₀ rises from %.4f to %.4f", step, last, r)
					}
					last = r
					if _, got := moments(xt); math.Abs(got/spread-1) > 0.025 {
						t.Errorf("t = %d: standard deviation %.4f, want %.4f", step, got, spread)
					}
				}
			})
		}
	}
}

// TestForwardIsOneDraw recovers ε from every panel and wants the same one.
func TestForwardIsOneDraw(t *testing.T) {
	sch := schedule(t, "cosine", 1000)
	f := newDraw(disc(32), StripOptions{Schedule: sch, Seed: 9})
	var first []float64
	for _, step := range []int{100, 400, 999} {
		ab := sch.AlphaBar(float64(step))
		xt := f.noised(step)
		eps := make([]float64, len(xt))
		for i := range xt {
			eps[i] = (float64(xt[i]) - math.Sqrt(ab)*float64(f.x0[i])) / math.Sqrt(1-ab)
			// float32 x_t divided by √(1-ᾱ) > 0.1.
			if first != nil && math.Abs(eps[i]-first[i]) > 1e-5 {
				t.Fatalf("t = %d, pixel %d: ε = %g, want %g", step, i, eps[i], first[i])
			}
		}
		first = eps
	}
	g := newDraw(disc(32), StripOptions{Schedule: sch, Seed: 10})
	if r := correlation(f.n1, g.n1); math.Abs(r) > 0.1 {
		t.Errorf("draws of two seeds correlate by %.3f", r)
	}
}

// TestMagnitudeFloor checks that air starts black and ends at the mean of a
// Rayleigh distribution, σ√(π/2) with σ = 1/2.
func TestMagnitudeFloor(t *testing.T) {
	sch := schedule(t, "cosine", 1000)
	s := disc(96)
	f := newDraw(s, StripOptions{Schedule: sch, Seed: 4, Magnitude: true})
	air := func(v []float32) []float32 {
		var out []float32
		for i, x := range v {
			if s.Pixels[i] == 0 {
				out = append(out, x)
			}
		}
		return out
	}
	if m, sd := moments(air(f.clean())); m != 0 || sd != 0 {
		t.Errorf("clean air has mean %g and spread %g, want 0", m, sd)
	}
	last := 0.0
	for _, step := range Timesteps(1000, 11) {
		m, _ := moments(air(f.at(step)))
		want := math.Sqrt(1-sch.AlphaBar(float64(step))) / 2 * math.Sqrt(math.Pi/2)
		if math.Abs(m-want) > 0.02*want+1e-4 { // 4000 pixels: standard error of the mean 0.8 %
			t.Errorf("t = %d: mean of air %.4f, want %.4f", step, m, want)
		}
		if m < last {
			t.Errorf("t = %d: air darkens from %.4f to %.4f", step, last, m)
		}
		last = m
		for i, v := range f.at(step) {
			if v < 0 {
				t.Fatalf("t = %d: pixel %d has the magnitude %g", step, i, v)
			}
		}
	}
}

// TestForwardStripShowsPanels reads the panels back from the picture.
func TestForwardStripShowsPanels(t *testing.T) {
	s := disc(30)
	s.Aspect = 1.5
	for _, magnitude := range []bool{false, true} {
		t.Run(fmt.Sprintf("magnitude=%v", magnitude), func(t *testing.T) {
			o, err := StripOptions{Seed: 7, Scale: 4, Magnitude: magnitude, HideLetters: true}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			img, steps := mustStrip(t, s, o)
			if len(steps) != 11 || steps[0] != 0 || steps[10] != 999 {
				t.Fatalf("timesteps %v, want 11 from 0 to 999", steps)
			}
			l, f := newStripLayout(s, o), newDraw(s, o)
			for i := range 12 {
				r := l.panel(i)
				if r.Dx() != 120 || r.Dy() != 180 || !r.In(img.Bounds()) {
					t.Fatalf("panel %d is %v in a picture of %v, want 120×180", i, r, img.Bounds())
				}
				if i > 0 && (r.Min.Y != l.panel(i-1).Min.Y || r.Min.X <= l.panel(i-1).Max.X) {
					t.Errorf("panel %d does not stand to the right of the one before", i)
				}
				shown := f.clean()
				if i > 0 {
					shown = f.at(steps[i-1])
				}
				for p, v := range shown { // the pixel in the middle of each voxel's block
					got := img.GrayAt(r.Min.X+p%30*4+2, r.Min.Y+p/30*6+3).Y
					want := math.Round(255 * min(max(float64(v), 0), 1))
					if math.Abs(float64(got)-want) > 1 {
						t.Fatalf("panel %d, voxel %d is %d, want %g", i, p, got, want)
					}
				}
			}
		})
	}
}

func TestForwardStripRows(t *testing.T) {
	s := disc(20)
	o, err := StripOptions{Rows: 2, Panels: 10, Scale: 2}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	l := newStripLayout(s, o)
	if l.panel(5).Min.Y != l.panel(0).Min.Y || l.panel(6).Min.X != l.panel(0).Min.X || l.panel(6).Min.Y <= l.panel(0).Max.Y {
		t.Errorf("11 panels in two rows: panels 0, 5, 6 at %v, %v, %v", l.panel(0), l.panel(5), l.panel(6))
	}
	if img, _ := mustStrip(t, s, o); !l.panel(10).In(img.Bounds()) {
		t.Error("the last panel is outside the picture")
	}
}

func TestForwardStripIsDeterministic(t *testing.T) {
	s := disc(24)
	encode := func(seed uint64) []byte {
		img, _ := mustStrip(t, s, StripOptions{Seed: seed, Scale: 3})
		var buf bytes.Buffer
		if err := EncodePNG(&buf, img, 300); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	if !bytes.Equal(encode(1), encode(1)) {
		t.Error("the same seed gave two pictures")
	}
	if bytes.Equal(encode(1), encode(2)) {
		t.Error("two seeds gave the same picture")
	}
}

// TestForwardStripDefaultScale wants panels of about 300 pixels.
func TestForwardStripDefaultScale(t *testing.T) {
	for _, c := range []struct{ nx, want int }{{72, 288}, {64, 320}, {100, 300}, {128, 256}, {400, 400}} {
		s := Slice{Pixels: make([]float32, 2*c.nx), NX: c.nx, NY: 2}
		o, err := StripOptions{}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		if l := newStripLayout(s, o); l.w != c.want {
			t.Errorf("%d columns are drawn %d pixels wide, want %d", c.nx, l.w, c.want)
		}
	}
}

// TestStripOfOddSlice wants pictures of bounded height from slices with few
// columns or very unequal voxels.
func TestStripOfOddSlice(t *testing.T) {
	for _, c := range []struct {
		nx, ny int
		aspect float64
	}{{1, 1, 1}, {1, 2000, 1}, {2000, 1, 1}, {64, 64, 500}, {64, 64, 1e60}, {64, 64, 1e-3}} {
		s := Slice{Pixels: make([]float32, c.nx*c.ny), NX: c.nx, NY: c.ny, Aspect: c.aspect}
		img, _, err := ForwardStrip(s, StripOptions{Panels: 2})
		if err != nil {
			t.Errorf("%d×%d, aspect %g: %v", c.nx, c.ny, c.aspect, err)
			continue
		}
		if h := img.Bounds().Dy(); h > 3000 {
			t.Errorf("%d×%d, aspect %g: picture of height %d", c.nx, c.ny, c.aspect, h)
		}
	}
}

// TestStripTextFits measures every label and caption line against its place.
func TestStripTextFits(t *testing.T) {
	for _, steps := range []int{100, 1000} {
		for _, a := range []Annotation{AnnotateNothing, AnnotateAlphaBar, AnnotateSNR} {
			o, err := StripOptions{Schedule: schedule(t, "cosine", steps), Annotate: a, Title: "a title that is far too long " + string(bytes.Repeat([]byte("x"), 500))}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			l, set := newStripLayout(disc(60), o), newTypesetter()
			for _, step := range Timesteps(steps, 11) {
				for _, w := range []float64{set.width(stepLabel(step), l.label1), set.width(noteOf(o, step), l.label2)} {
					if w > float64(l.w) {
						t.Errorf("T = %d, t = %d: label of %.0f pixels under a panel of %d", steps, step, w, l.w)
					}
				}
			}
			for _, line := range l.captionLines {
				if w := set.width(line, l.captioned); w > float64(l.width-2*l.margin) {
					t.Errorf("caption line %q of %.0f pixels in a picture of %d", line, w, l.width)
				}
			}
			if bottom := l.captionTop + float64(len(l.captionLines))*lineHeight*l.captioned; bottom > float64(l.height) {
				t.Errorf("caption ends at %.0f, picture at %d", bottom, l.height)
			}
		}
	}
}

func TestForwardStripRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		s    Slice
		o    StripOptions
	}{
		{"one panel", disc(8), StripOptions{Panels: 1}},
		{"negative panels", disc(8), StripOptions{Panels: -3}},
		{"more panels than timesteps", disc(8), StripOptions{Schedule: schedule(t, "cosine", 10), Panels: 11}},
		{"negative rows", disc(8), StripOptions{Rows: -1}},
		{"more rows than panels", disc(8), StripOptions{Rows: 13}},
		{"negative scale", disc(8), StripOptions{Scale: -1}},
		{"huge scale", disc(8), StripOptions{Scale: 1e6}},
		{"picture too large", disc(400), StripOptions{Scale: 100}},
		{"no pixels", Slice{}, StripOptions{}},
		{"wrong length", Slice{Pixels: make([]float32, 3), NX: 2, NY: 2}, StripOptions{}},
		{"nothing finite", Slice{Pixels: []float32{nan}, NX: 1, NY: 1}, StripOptions{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := ForwardStrip(c.s, c.o); !errors.Is(err, ErrInput) {
				t.Errorf("ForwardStrip = %v, want ErrInput", err)
			}
		})
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.99996: "0.99996", 0.9722: "0.972", 0.0243: "0.024", 2.4e-9: "2×10⁻⁹", 4.04e-5: "4×10⁻⁵",
		1: "1.00", 8.537: "8.54", 24.21: "24.2", 9999: "9999",
	} {
		if got := short(v); got != want {
			t.Errorf("short(%g) = %q, want %q", v, got, want)
		}
	}
}
