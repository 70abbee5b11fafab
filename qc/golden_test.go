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

// compareGolden compares a picture with a stored one, by its pixels. The mean
// difference may be 1 of 255: another version of the font library may shade
// the rims of letters otherwise, but panels and letters must be in their place.
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
	sum, n := 0.0, 0.0
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			rw, gw, bw, _ := want.At(x, y).RGBA()
			for _, d := range []float64{float64(r) - float64(rw), float64(g) - float64(gw), float64(b) - float64(bw)} {
				sum += math.Abs(d) / 257
				n++
			}
		}
	}
	if mean := sum / n; mean > 1 {
		t.Errorf("%s differs by %.2f of 255 on average; if that is meant, look at it and run go test ./qc -update", name, mean)
	}
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
