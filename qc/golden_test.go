package qc

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden pictures anew")

// compareGolden compares a picture with a stored one, in blocks of 16×16
// pixels. The mean difference in a block may be 20 of 255: another version of
// the font library may shade the rims of letters otherwise, but panels and
// letters must be in their place, and a missing letter makes more than that.
func compareGolden(t *testing.T, name string, img image.Image) {
	t.Helper()
	path := filepath.Join(golden, name)
	if *update {
		var buf bytes.Buffer
		if err := EncodePNG(&buf, img, 300); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, buf.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if x, y := pixelsPerMetre(t, b); x != 11811 || y != 11811 {
		t.Errorf("%s has %d, %d pixels per metre, want 11811", name, x, y)
	}
	want, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != want.Bounds() {
		t.Fatalf("%s is %v, want %v", name, img.Bounds(), want.Bounds())
	}
	const block = 16
	b0 := want.Bounds()
	for y := b0.Min.Y; y < b0.Max.Y; y += block {
		for x := b0.Min.X; x < b0.Max.X; x += block {
			r := image.Rect(x, y, x+block, y+block).Intersect(b0)
			if d := difference(img, want, r); d > 20 {
				t.Fatalf("%s differs by %.0f of 255 on average in %v; if that is meant, look at it and run go test ./qc -run Golden -update", name, d, r)
			}
		}
	}
}

// difference returns the mean absolute difference of two pictures in a
// rectangle, on a scale of 255.
func difference(a, b image.Image, r image.Rectangle) float64 {
	sum := 0.0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(ar) - float64(br), float64(ag) - float64(bg), float64(ab) - float64(bb)} {
				sum += math.Abs(d) / 257
			}
		}
	}
	return sum / float64(3*r.Dx()*r.Dy())
}

func TestGoldenStrips(t *testing.T) {
	for _, c := range []struct {
		file string
		o    StripOptions
	}{
		{"strip_cosine.png", StripOptions{Annotate: AnnotateAlphaBar, Title: "Two discs"}},
		{"strip_linear.png", StripOptions{Schedule: schedule(t, "linear", 300), Annotate: AnnotateSNR}},
		{"strip_magnitude.png", StripOptions{Magnitude: true, Rows: 2}},
	} {
		t.Run(c.file, func(t *testing.T) {
			c.o.Seed, c.o.Scale = 1, 4
			img, _ := mustStrip(t, disc(24), c.o)
			compareGolden(t, c.file, img)
		})
	}
}

func TestGoldenMontages(t *testing.T) {
	clean, noisy, mask, g := head()
	sigma := make([]float32, g.Voxels())
	for i := range sigma {
		sigma[i] = float32(15 + i%20/2)
	}
	axial, err := Montage(noisy, clean, sigma, mask, g, MontageOptions{Volume: 3, BValue: 1000, Scale: 7})
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "montage_axial.png", axial)
	coronal, err := Montage(noisy, clean, sigma, mask, g, MontageOptions{Plane: Coronal, Columns: 3, Radiological: true, Scale: 7, Title: "Coronal"})
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "montage_coronal.png", coronal)
	level, err := NoiseMap(sigma, mask, g, MontageOptions{Scale: 7})
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "noise_map.png", level)
}

func TestGoldenReplaced(t *testing.T) {
	clean, noisy, mask, g := head()
	for i := 7 * 480; i < 9*480; i++ {
		noisy[i] *= 0.4
	}
	img, err := Replaced(noisy, clean, mask, g, ReplacedOptions{Volume: 31, BValue: 1000, Slices: []int{7, 8}, Reason: "dropout, z = −42.0", Scale: 7})
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "replaced.png", img)
}
