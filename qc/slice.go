package qc

import (
	"fmt"
	"math"
)

// Slice is one slice of a volume as it lies on the screen: pixel (0, 0) is at
// the top left and rows follow each other.
type Slice struct {
	Pixels []float32 // NX*NY values, index column + NX*row
	NX, NY int       // columns and rows
	Aspect float64   // height of a pixel divided by its width; 0 counts as 1

	// Left, Right, Top and Bottom are the letters of the patient's directions at
	// the edges: one of L R A P S I, "?" for unknown, "" to print nothing.
	Left, Right, Top, Bottom string
}

const badVolume = "qc: volume or mask length does not match the grid"

// CutSlice returns slice k of a volume in plane p, turned for the screen. k is
// the voxel index along the axis nearest to the plane's normal, from 0. With
// radiological the patient's left is on the right. It panics if the volume does
// not have the grid's number of voxels or k is out of range.
func CutSlice(volume []float32, g Grid, p Plane, k int, radiological bool) Slice {
	v := g.view(p, radiological)
	pixels, nx, ny := cut(volume, g, v, k)
	return Slice{
		Pixels: pixels, NX: nx, NY: ny,
		Aspect: g.edge(v.down) / g.edge(v.across),
		Left:   v.left, Right: v.right, Top: v.top, Bottom: v.below,
	}
}

// cut copies slice k of a volume in screen order.
func cut[T any](volume []T, g Grid, v view, k int) (pixels []T, nx, ny int) {
	n, step := g.lengths(), g.strides()
	if len(volume) != g.Voxels() {
		panic(badVolume)
	}
	if k < 0 || k >= n[v.through] {
		panic("qc: slice index out of range")
	}
	nx, ny = n[v.across], n[v.down]
	pixels = make([]T, nx*ny)
	for row := range ny {
		y := row
		if v.flipDown {
			y = ny - 1 - row
		}
		for col := range nx {
			x := col
			if v.flipAcross {
				x = nx - 1 - col
			}
			pixels[row*nx+col] = volume[x*step[v.across]+y*step[v.down]+k*step[v.through]]
		}
	}
	return pixels, nx, ny
}

// Crop returns the part of s from column x0 up to but not including x1 and
// from row y0 up to y1, limited to the slice. It panics if nothing is left.
func (s Slice) Crop(x0, y0, x1, y1 int) Slice {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, s.NX), min(y1, s.NY)
	if x0 >= x1 || y0 >= y1 {
		panic("qc: empty crop")
	}
	c := s
	c.NX, c.NY = x1-x0, y1-y0
	c.Pixels = make([]float32, 0, c.NX*c.NY)
	for y := y0; y < y1; y++ {
		c.Pixels = append(c.Pixels, s.Pixels[y*s.NX+x0:y*s.NX+x1]...)
	}
	return c
}

// aspect returns the height of a pixel relative to its width, never zero.
func (s Slice) aspect() float64 {
	if s.Aspect > 0 && !math.IsInf(s.Aspect, 0) {
		return s.Aspect
	}
	return 1
}

// size returns the size of the slice on the screen at a number of screen pixels
// per column, each at least 1 and at most 10⁶, which checkSize refuses.
func (s Slice) size(scale float64) (w, h int) {
	limited := func(v float64) int { return int(min(max(math.Round(v), 1), 1e6)) }
	return limited(float64(s.NX) * scale), limited(float64(s.NY) * scale * s.aspect())
}

// maxTall is how many times a tile's usual width its height may be at the
// default scale.
const maxTall = 4

// defaultScale returns the whole number of screen pixels per column that brings
// the slice's width nearest to the one wanted: whole, so that every voxel is
// equally wide. A slice that would then be far taller than wide, from a few
// columns or odd voxels, gets the scale that keeps its height in bounds.
func (s Slice) defaultScale(width int) float64 {
	scale := math.Max(1, math.Round(float64(width)/float64(s.NX)))
	return math.Min(scale, float64(maxTall*width)/(float64(s.NY)*s.aspect()))
}

// maxPixels bounds a picture, at 4 bytes a pixel, to 400 MB of memory.
const maxPixels = 100e6

// checkSize refuses pictures that are too large to be made.
func checkSize(width, height int) error {
	if float64(width)*float64(height) > maxPixels {
		return fmt.Errorf("a picture of %d×%d pixels, more than %d million; choose a smaller scale or fewer slices: %w", width, height, int(maxPixels/1e6), ErrInput)
	}
	return nil
}
