package qc

import (
	"math"
	"testing"

	"github.com/dmri-denoise/dmri-denoise/nifti"
)

// oriented returns a 4×5×6 grid of 2×3×4 mm whose voxel axes run along the
// world axes named by three letters: "LAS" means x to the left, y to the front,
// z to the top.
func oriented(letters string) Grid {
	g := Grid{NX: 4, NY: 5, NZ: 6, VoxelSize: [3]float64{2, 3, 4}, Oriented: true}
	for a, l := range letters {
		for w, ends := range endLetters {
			switch string(l) {
			case ends[0]:
				g.Affine[w][a] = -g.VoxelSize[a]
			case ends[1]:
				g.Affine[w][a] = g.VoxelSize[a]
			}
		}
	}
	g.Affine[3][3] = 1
	return g
}

// towards returns a volume that is 1 in the half of the grid nearest to a world
// direction and 0 elsewhere.
func towards(g Grid, letter string) []float32 {
	v := make([]float32, g.Voxels())
	for i := range v {
		x := [3]float64{float64(i % g.NX), float64(i / g.NX % g.NY), float64(i / g.NX / g.NY)}
		centre := [3]float64{float64(g.NX-1) / 2, float64(g.NY-1) / 2, float64(g.NZ-1) / 2}
		for w, ends := range endLetters {
			along := 0.0
			for a := range 3 {
				along += g.Affine[w][a] * (x[a] - centre[a])
			}
			if ends[1] == letter && along > 0 || ends[0] == letter && along < 0 {
				v[i] = 1
			}
		}
	}
	return v
}

// TestCutSliceOrientation checks that the letters stand where the anatomy is,
// for grids stored in every kind of order.
func TestCutSliceOrientation(t *testing.T) {
	for _, order := range []string{"RAS", "LAS", "LPS", "RPI", "ASR", "PIL", "SLA"} {
		for _, c := range []struct {
			plane                    Plane
			radiological             bool
			left, right, top, bottom string
		}{
			{Axial, false, "L", "R", "A", "P"},
			{Axial, true, "R", "L", "A", "P"},
			{Coronal, false, "L", "R", "S", "I"},
			{Coronal, true, "R", "L", "S", "I"},
			{Sagittal, false, "A", "P", "S", "I"},
			{Sagittal, true, "A", "P", "S", "I"},
		} {
			name := order + "/" + c.plane.String()
			if c.radiological {
				name += "/radiological"
			}
			t.Run(name, func(t *testing.T) {
				g := oriented(order)
				s := CutSlice(make([]float32, g.Voxels()), g, c.plane, 1, c.radiological)
				if s.Left != c.left || s.Right != c.right || s.Top != c.top || s.Bottom != c.bottom {
					t.Errorf("letters left %s right %s top %s bottom %s, want %s %s %s %s",
						s.Left, s.Right, s.Top, s.Bottom, c.left, c.right, c.top, c.bottom)
				}
				atLeft := CutSlice(towards(g, c.left), g, c.plane, 1, c.radiological)
				if atLeft.Pixels[0] != 1 || atLeft.Pixels[atLeft.NX-1] != 0 {
					t.Errorf("%s is not on the left of the picture", c.left)
				}
				atTop := CutSlice(towards(g, c.top), g, c.plane, 1, c.radiological)
				if atTop.Pixels[0] != 1 || atTop.Pixels[(atTop.NY-1)*atTop.NX] != 0 {
					t.Errorf("%s is not at the top of the picture", c.top)
				}
			})
		}
	}
}

func TestCutSliceOblique(t *testing.T) {
	g := oriented("LAS")
	sin, cos := math.Sincos(25 * math.Pi / 180) // head tilted about the left-right axis
	g.Affine[1][1], g.Affine[2][1] = 3*cos, 3*sin
	g.Affine[1][2], g.Affine[2][2] = -4*sin, 4*cos
	s := CutSlice(make([]float32, g.Voxels()), g, Axial, 0, false)
	if got := s.Left + s.Right + s.Top + s.Bottom; got != "LRAP" {
		t.Errorf("letters %q, want LRAP", got)
	}
}

func TestCutSliceWithoutOrientation(t *testing.T) {
	g := Grid{NX: 3, NY: 2, NZ: 1}
	s := CutSlice([]float32{0, 1, 2, 3, 4, 5}, g, Axial, 0, false)
	if got := s.Left + s.Right + s.Top + s.Bottom; got != "????" {
		t.Errorf("letters %q, want question marks", got)
	}
	// Taken as RAS: x to the right, y upwards.
	for i, want := range []float32{3, 4, 5, 0, 1, 2} {
		if s.Pixels[i] != want {
			t.Errorf("pixel %d = %g, want %g", i, s.Pixels[i], want)
		}
	}
	broken := oriented("RAS")
	broken.Affine[0] = [4]float64{}
	if s := CutSlice(make([]float32, broken.Voxels()), broken, Axial, 0, false); s.Left != "?" {
		t.Errorf("letter %q for an affine with a column of zeros, want ?", s.Left)
	}
}

func TestCutSliceAspect(t *testing.T) {
	g := oriented("LAS") // 2×3×4 mm
	for _, c := range []struct {
		plane  Plane
		nx, ny int
		aspect float64
	}{
		{Axial, 4, 5, 3.0 / 2},
		{Coronal, 4, 6, 4.0 / 2},
		{Sagittal, 5, 6, 4.0 / 3},
	} {
		t.Run(c.plane.String(), func(t *testing.T) {
			s := CutSlice(make([]float32, g.Voxels()), g, c.plane, 0, false)
			if s.NX != c.nx || s.NY != c.ny || s.Aspect != c.aspect {
				t.Errorf("slice of %d×%d, aspect %g, want %d×%d, %g", s.NX, s.NY, s.Aspect, c.nx, c.ny, c.aspect)
			}
			if n := g.Slices(c.plane); n*c.nx*c.ny != g.Voxels() {
				t.Errorf("%d slices of %d×%d in a grid of %d voxels", n, c.nx, c.ny, g.Voxels())
			}
			w, h := s.size(10)
			if w != 10*c.nx || h != int(math.Round(10*float64(c.ny)*c.aspect)) {
				t.Errorf("size(10) = %d×%d", w, h)
			}
		})
	}
}

func TestGridOf(t *testing.T) {
	im := nifti.New(4, 5, 6, 2, [3]float64{2, 2, 3})
	g := GridOf(&im.Header)
	if g.NX != 4 || g.NY != 5 || g.NZ != 6 || g.VoxelSize != [3]float64{2, 2, 3} || !g.Oriented {
		t.Errorf("GridOf = %+v", g)
	}
	im.Header.SformCode, im.Header.QformCode = 0, 0
	if GridOf(&im.Header).Oriented {
		t.Error("a header without sform and qform counts as oriented")
	}
}

func TestCutSlicePanics(t *testing.T) {
	g := oriented("RAS")
	for name, f := range map[string]func(){
		"volume of another grid": func() { CutSlice(make([]float32, 7), g, Axial, 0, false) },
		"slice out of range":     func() { CutSlice(make([]float32, g.Voxels()), g, Axial, 6, false) },
		"empty crop":             func() { Slice{Pixels: make([]float32, 4), NX: 2, NY: 2}.Crop(2, 0, 3, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

func TestCrop(t *testing.T) {
	s := Slice{Pixels: []float32{0, 1, 2, 3, 4, 5}, NX: 3, NY: 2, Aspect: 2, Left: "L"}
	c := s.Crop(1, -3, 9, 1)
	if c.NX != 2 || c.NY != 1 || c.Pixels[0] != 1 || c.Pixels[1] != 2 || c.Aspect != 2 || c.Left != "L" {
		t.Errorf("Crop = %+v", c)
	}
}
