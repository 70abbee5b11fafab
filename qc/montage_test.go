package qc

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
)

// head returns a ball of tissue in air on a 20×24×16 LAS grid of 2×2×3 mm, its
// mask, and the same with Gaussian noise of standard deviation 20.
func head() (clean, noisy []float32, mask []bool, g Grid) {
	g = oriented("LAS")
	g.NX, g.NY, g.NZ, g.VoxelSize = 20, 24, 16, [3]float64{2, 2, 3}
	rng := rand.New(rand.NewPCG(5, 0))
	for i := range g.Voxels() {
		x, y, z := float64(i%20)-9.5, float64(i/20%24)-11.5, float64(i/480)-7.5
		in := x*x/49+y*y/81+z*z/36 < 1
		v := float32(0)
		if in {
			v = float32(300 + 20*x)
		}
		clean, mask = append(clean, v), append(mask, in)
		noisy = append(noisy, v+float32(20*rng.NormFloat64()))
	}
	return clean, noisy, mask, g
}

func constant(n int, v float32) []float32 {
	c := make([]float32, n)
	for i := range c {
		c[i] = v
	}
	return c
}

// sheetOf rebuilds what Montage drew, to find its tiles.
func sheetOf(t *testing.T, mask []bool, g Grid, o MontageOptions) (*sheet, *sheetLayout) {
	t.Helper()
	s, err := newSheet(mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s.title = "title"
	s.rows = make([]sheetRow, 3)
	return s, s.layout(newTypesetter())
}

func TestMontageTiles(t *testing.T) {
	clean, noisy, mask, g := head()
	o := MontageOptions{BValue: 1000, Scale: 6}
	img, err := Montage(noisy, clean, constant(g.Voxels(), 20), mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s, l := sheetOf(t, mask, g, o)
	scan := robustWindow(noisy, mask, 0.02, 0.98)
	if len(s.columns) != 5 {
		t.Fatalf("%d slices, want 5", len(s.columns))
	}
	box := s.columns[0].box
	for row := range 3 {
		for col, c := range s.columns[1:] { // the letters stand in column 0
			k := c.slice
			r := l.tile(row, col+1)
			if r.Dx() != 6*box.Dx() || r.Dy() != 6*box.Dy() || !r.In(img.Bounds()) {
				t.Fatalf("tile %v for a box of %v", r, box)
			}
			b := CutSlice(noisy, g, Axial, k, false)
			a := CutSlice(clean, g, Axial, k, false)
			for i := range box.Dx() * box.Dy() {
				x, y := i%box.Dx(), i/box.Dx()
				at := (box.Min.Y+y)*b.NX + box.Min.X + x
				before, after := float64(b.Pixels[at]), float64(a.Pixels[at])
				want := []color.RGBA{
					gray(scan.unit(before)), gray(scan.unit(after)), diverging((float64(float32(before)-float32(after)) + 60) / 120),
				}[row]
				if got := img.At(r.Min.X+6*x+3, r.Min.Y+6*y+3); got != want {
					t.Fatalf("row %d, slice %d, voxel (%d,%d) is %v, want %v", row, k, x, y, got, want)
				}
			}
		}
	}
}

// TestMontageShowsNothingRemoved wants a white residual where nothing changed.
func TestMontageShowsNothingRemoved(t *testing.T) {
	_, noisy, mask, g := head()
	o := MontageOptions{Scale: 5}
	img, err := Montage(noisy, noisy, constant(g.Voxels(), 20), mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	_, l := sheetOf(t, mask, g, o)
	r := l.tile(2, 2)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if got := img.At(x, y); got != (color.RGBA{250, 250, 250, 255}) {
				t.Fatalf("pixel (%d,%d) of the residual is %v, want the colour of zero", x, y, got)
			}
		}
	}
}

// TestMontageAspect draws a plane of anisotropic voxels in true proportions.
func TestMontageAspect(t *testing.T) {
	clean, noisy, mask, g := head()
	for _, c := range []struct {
		plane  Plane
		aspect float64
	}{{Axial, 1}, {Coronal, 1.5}, {Sagittal, 1.5}} {
		t.Run(c.plane.String(), func(t *testing.T) {
			o := MontageOptions{Plane: c.plane, Columns: 3, Scale: 8}
			if _, err := Montage(noisy, clean, nil, mask, g, o); err != nil {
				t.Fatal(err)
			}
			s, l := sheetOf(t, mask, g, o)
			got := float64(l.h[0]) / float64(l.w[0]) * float64(s.columns[0].box.Dx()) / float64(s.columns[0].box.Dy())
			if math.Abs(got-c.aspect) > 0.01 {
				t.Errorf("pixels %.3f as high as wide, want %.3f", got, c.aspect)
			}
		})
	}
}

// TestMontageOfThinGrid wants a bounded height from a grid of one column.
func TestMontageOfThinGrid(t *testing.T) {
	g := oriented("RAS")
	g.NX, g.NY, g.NZ = 1, 2000, 3
	v := constant(g.Voxels(), 1)
	img, err := Montage(v, v, nil, nil, g, MontageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if h := img.Bounds().Dy(); h > 3*maxTall*sheetTileWidth+1000 {
		t.Errorf("picture of height %d", h)
	}
}

func TestMaskBox(t *testing.T) {
	g := oriented("LAS")
	g.NX, g.NY, g.NZ = 40, 50, 3
	mask := make([]bool, g.Voxels())
	mask[10+40*20] = true
	mask[15+40*(30+50*2)] = true
	// x runs to the left and y upwards, so both are mirrored on the screen.
	if got, want := maskBox(mask, g, Axial, false), image.Rect(24-2, 19-2, 30+2, 30+2); got != want {
		t.Errorf("maskBox = %v, want %v", got, want)
	}
	if got := maskBox(make([]bool, g.Voxels()), g, Axial, false); got != image.Rect(0, 0, 40, 50) {
		t.Errorf("maskBox of an empty mask = %v, want all", got)
	}
}

func TestNoiseLevel(t *testing.T) {
	clean, noisy, mask, g := head()
	residual := make([]float32, len(clean))
	for i := range residual {
		residual[i] = noisy[i] - clean[i]
	}
	if got := noiseLevel(residual, constant(g.Voxels(), 7), mask); got != 7 {
		t.Errorf("noise level with a map of 7 = %g", got)
	}
	// 1700 voxels: the standard error of the MAD is 2 %.
	if got := noiseLevel(residual, nil, mask); math.Abs(got-20) > 1.5 {
		t.Errorf("noise level from the residual = %g, want about 20", got)
	}
	if got := noiseLevel(make([]float32, len(clean)), nil, mask); got != 1 {
		t.Errorf("noise level of a zero residual = %g, want 1", got)
	}
}

func TestNoiseMapColours(t *testing.T) {
	_, _, mask, g := head()
	o := MontageOptions{Scale: 5}
	img, err := NoiseMap(constant(g.Voxels(), 8), mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSheet(mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s.rows = make([]sheetRow, 1)
	r := s.layout(newTypesetter()).tile(0, 2)
	centre := img.At((r.Min.X+r.Max.X)/2, (r.Min.Y+r.Max.Y)/2)
	if centre != sequential(0.5) {
		t.Errorf("a flat map is %v, want the middle colour %v", centre, sequential(0.5))
	}
	if corner := img.At(r.Min.X, r.Min.Y); corner != missing {
		t.Errorf("outside the mask the map is %v, want %v", corner, missing)
	}
}

func TestMontageWithoutMaskAndWithNaN(t *testing.T) {
	clean, noisy, _, g := head()
	noisy[0], noisy[3000] = float32(math.NaN()), float32(math.Inf(1))
	if _, err := Montage(noisy, clean, nil, nil, g, MontageOptions{BValue: math.NaN()}); err != nil {
		t.Errorf("Montage: %v", err)
	}
	if _, err := NoiseMap(constant(g.Voxels(), 3), nil, g, MontageOptions{}); err != nil {
		t.Errorf("NoiseMap: %v", err)
	}
}

func TestMontageRefuses(t *testing.T) {
	clean, noisy, mask, g := head()
	short := clean[:100]
	for _, c := range []struct {
		name          string
		before, after []float32
		sigma         []float32
		mask          []bool
		o             MontageOptions
	}{
		{"short input", short, clean, nil, mask, MontageOptions{}},
		{"short output", noisy, short, nil, mask, MontageOptions{}},
		{"short noise map", noisy, clean, short, mask, MontageOptions{}},
		{"short mask", noisy, clean, nil, mask[:9], MontageOptions{}},
		{"slice out of range", noisy, clean, nil, mask, MontageOptions{Slices: []int{16}}},
		{"negative columns", noisy, clean, nil, mask, MontageOptions{Columns: -1}},
		{"negative scale", noisy, clean, nil, mask, MontageOptions{Scale: -1}},
		{"picture too large", noisy, clean, nil, mask, MontageOptions{Scale: 100, Slices: make([]int, 16)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Montage(c.before, c.after, c.sigma, c.mask, g, c.o); !errors.Is(err, ErrInput) {
				t.Errorf("Montage = %v, want ErrInput", err)
			}
		})
	}
	if _, err := NoiseMap(short, nil, g, MontageOptions{}); !errors.Is(err, ErrInput) {
		t.Errorf("NoiseMap of another grid = %v, want ErrInput", err)
	}
	if _, err := NoiseMap(constant(g.Voxels(), float32(math.NaN())), mask, g, MontageOptions{}); !errors.Is(err, ErrInput) {
		t.Errorf("NoiseMap of NaN = %v, want ErrInput", err)
	}
}

func TestMontageIsDeterministic(t *testing.T) {
	clean, noisy, mask, g := head()
	var files [2]bytes.Buffer
	for i := range files {
		img, err := Montage(noisy, clean, nil, mask, g, MontageOptions{Scale: 4})
		if err != nil {
			t.Fatal(err)
		}
		if err := EncodePNG(&files[i], img, 300); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
		t.Error("the same input gave two pictures")
	}
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3.9: "3.9", -35.26: "−35.3", 1221.4: "1221", 0.00123: "0.00123", -222: "−222"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%g) = %q, want %q", v, got, want)
		}
	}
}

// TestMontageOfThreePlanes wants every tile in true proportions at one scale in mm, from the right plane, and a fourth
// row with the noise map.
func TestMontageOfThreePlanes(t *testing.T) {
	clean, noisy, mask, g := head()
	sigma := constant(g.Voxels(), 20)
	sigma[0] = 80
	o := MontageOptions{Planes: []Plane{Axial, Coronal, Sagittal}, Scale: 6, Noise: true}
	img, err := Montage(noisy, clean, sigma, mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSheet(mask, g, o)
	if err != nil {
		t.Fatal(err)
	}
	s.rows, s.title = make([]sheetRow, 4), "title"
	l := s.layout(newTypesetter())
	scan := robustWindow(noisy, mask, 0.02, 0.98)
	if len(s.columns) != 6 {
		t.Fatalf("%d columns, want 6", len(s.columns))
	}
	perMM := 6 / g.VoxelSize[0]
	for j, c := range s.columns {
		v := g.view(c.plane, false)
		r := l.tile(0, j)
		for _, side := range []struct {
			name       string
			got        int
			voxels     int
			voxelWidth float64
		}{{"width", r.Dx(), c.box.Dx(), g.VoxelSize[v.across]}, {"height", r.Dy(), c.box.Dy(), g.VoxelSize[v.down]}} {
			if want := float64(side.voxels) * side.voxelWidth * perMM; math.Abs(float64(side.got)-want) > 1 {
				t.Errorf("%v tile has %s %d, want %.1f", c.plane, side.name, side.got, want)
			}
		}
		if !r.In(img.Bounds()) || !r.In(l.cell(0, j)) {
			t.Errorf("tile %v leaves its cell or the picture", r)
		}
		part := CutSlice(noisy, g, c.plane, c.slice, false).Crop(c.box.Min.X, c.box.Min.Y, c.box.Max.X, c.box.Max.Y)
		x, y := part.NX/2, part.NY/3
		at := img.At(r.Min.X+(2*x+1)*r.Dx()/(2*part.NX), r.Min.Y+(2*y+1)*r.Dy()/(2*part.NY))
		if want := gray(scan.unit(float64(part.Pixels[y*part.NX+x]))); at != want {
			t.Errorf("%v slice %d: voxel is %v, want %v", c.plane, c.slice, at, want)
		}
		r = l.tile(3, j)
		if at, want := img.At(r.Min.X+r.Dx()/2, r.Min.Y+r.Dy()/2), sequential(0.5); at != want {
			t.Errorf("noise row of %v is %v, want the colour of the median, %v", c.plane, at, want)
		}
	}
	if _, err := Montage(noisy, clean, nil, mask, g, o); !errors.Is(err, ErrInput) {
		t.Errorf("a noise row without a map: %v, want ErrInput", err)
	}
}
