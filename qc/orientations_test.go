package qc

import (
	"bytes"
	"errors"
	"image"
	"math"
	"strings"
	"testing"
)

// orientationInput is a block of voxels with one peak along x in each.
func orientationInput(cone float32) OrientationInput {
	g := Grid{NX: 12, NY: 12, NZ: 3, Affine: [4][4]float64{{2, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 2, 0}, {0, 0, 0, 1}}, Oriented: true, VoxelSize: [3]float64{2, 2, 2}}
	n := g.Voxels()
	in := OrientationInput{Name: "scan", Grid: g, Mask: make([]bool, n), FA: make([]float32, n), FADev: make([]float32, n), Cones: [][]float32{make([]float32, n)}, Peaks: [][][3]float32{make([][3]float32, n)}}
	for v := range n {
		in.Mask[v], in.FA[v], in.FADev[v], in.Cones[0][v], in.Peaks[0][v] = true, 0.5, 0.02, cone, [3]float32{1, 0, 0}
	}
	return in
}

// A peak along x is drawn red along the row, and a wide cone covers more.
func TestFibreGlyphs(t *testing.T) {
	red := func(cone float32) (n, vertical int) {
		in := orientationInput(cone)
		img := glyphPicture(in).(*image.RGBA)
		cell := img.Bounds().Dx() / 12
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				p := img.RGBAAt(x, y)
				if p.R > p.G+30 && p.R > p.B+30 {
					n++
					if d := y%cell - cell/2; max(d, -d) > cell/8 {
						vertical++
					}
				}
				if p.G > p.R+30 || p.B > p.R+30 {
					t.Fatalf("colour %v at %d, %d", p, x, y)
				}
			}
		}
		return n, vertical
	}
	narrow, off := red(1)
	if narrow == 0 || off > 0 {
		t.Errorf("a cone of 1° colours %d pixels, %d of them off the line", narrow, off)
	}
	if wide, off := red(30); wide < 2*narrow || off == 0 {
		t.Errorf("a cone of 30° colours %d pixels, one of 1° %d", wide, narrow)
	}
	if none, _ := red(60); none > 0 {
		t.Errorf("a cone of 60° is drawn: %d pixels", none)
	}
}

func TestOrientationPage(t *testing.T) {
	in := orientationInput(5)
	in.Cones[0][7], in.Peaks[0][7] = float32(math.NaN()), [3]float32{float32(math.NaN()), float32(math.NaN()), float32(math.NaN())}
	page, err := OrientationPage(in)
	if err != nil {
		t.Fatal(err)
	}
	var html bytes.Buffer
	if err := page.Write(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Fractional anisotropy", "Cones of the peaks", "20° and more"} {
		if !strings.Contains(html.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	in.FADev = in.FADev[1:]
	if _, err := OrientationPage(in); !errors.Is(err, ErrInput) {
		t.Errorf("OrientationPage = %v, want ErrInput", err)
	}
}

// TestCornerBox: what is rasterized for a glyph is the glyph, not the picture.
func TestCornerBox(t *testing.T) {
	for _, c := range []struct {
		corners [][2]float64
		want    image.Rectangle
	}{
		{[][2]float64{{2.5, 3}, {7, 3.2}, {4, 9.9}}, image.Rect(2, 3, 7, 10)},
		{[][2]float64{{-3, -1.5}, {0.5, 0.5}}, image.Rect(-3, -2, 1, 1)},
		{[][2]float64{{5, 5}}, image.Rect(5, 5, 5, 5)},
	} {
		if got := cornerBox(c.corners); got != c.want {
			t.Errorf("cornerBox(%v) = %v, want %v", c.corners, got, c.want)
		}
	}
}
