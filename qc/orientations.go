package qc

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// OrientationInput is what a page on the uncertainty of fibre orientations is
// drawn from. Maps have one value per voxel; Peaks and Cones may be nil.
type OrientationInput struct {
	Name       string
	Grid       Grid
	Mask       []bool
	FA, FADev  []float32
	Peaks      [][][3]float32 // per peak, per voxel: direction along the voxel axes times amplitude, NaN for none
	Cones      [][]float32    // per peak, per voxel: half the opening angle of the 95 % cone, degrees
	Facts      [][2]string
	Remarks    []Note
	Directions int
}

// OrientationPage shows FA with its deviation, cone angles, and the peaks of the
// middle axial slice with their cones.
func OrientationPage(in OrientationInput) (*Page, error) {
	fa, err := valueMap(in, in.FA, "Mean fractional anisotropy over the draws.")
	if err != nil {
		return nil, err
	}
	dev, err := valueMap(in, in.FADev, "Standard deviation of fractional anisotropy over the draws.")
	if err != nil {
		return nil, err
	}
	page := &Page{Title: "Uncertainty", Subtitle: in.Name}
	page.Sections = append(page.Sections, Section{ID: "summary", Title: "Summary", Lead: "Computed on joint draws of the clean signal, whose error is calibrated without truth.", Blocks: []Block{Facts{Rows: in.Facts}}})
	for _, n := range in.Remarks {
		page.Sections[0].Blocks = append(page.Sections[0].Blocks, n)
	}
	page.Sections = append(page.Sections, Section{ID: "fa", Title: "Fractional anisotropy", Blocks: []Block{
		Figure{Alt: "Fractional anisotropy", PNG: fa, File: "fa.png"}, Figure{Alt: "Standard deviation of fractional anisotropy", PNG: dev, File: "fa_std.png"},
	}})
	if len(in.Cones) == 0 {
		return page, nil
	}
	cone, err := valueMap(in, in.Cones[0], "Degrees: 95 % of the draws have the main peak this close to that of the mean.")
	if err != nil {
		return nil, err
	}
	page.Sections = append(page.Sections, Section{ID: "cones", Title: "Cones of the peaks", Lead: "Each line is a peak of the mean fibre orientation distribution, the wedge about it the cone that holds 95 % of the draws.", Blocks: []Block{
		Figure{Alt: "Cone angle of the main peak", PNG: cone, File: "cone.png"},
		Figure{Alt: "Peaks with their cones", Caption: "Middle axial slice. Red runs left to right, green front to back, blue up and down.", PNG: glyphPicture(in), File: "peaks.png"},
	}})
	return page, nil
}

// valueMap draws slices of a map in colours.
func valueMap(in OrientationInput, values []float32, caption string) (image.Image, error) {
	if err := checkLengths(in.Grid, len(values), len(in.Mask)); err != nil {
		return nil, fmt.Errorf("qc: uncertainty: %w", err)
	}
	g := in.Grid
	slices := SpreadSlices(in.Mask, g, Axial, 3)
	scale := max(int(260/max(g.NX, 1)), 1)
	w := robustWindow(values, in.Mask, 0, 0.98)
	w.lo = 0
	paint := colourMap(sequential).in(w)
	const gap, head = 8, 30
	first := CutSlice(values, g, Axial, slices[0], false)
	height := int(float64(first.NY*scale) * aspectOf(first))
	c := newCanvas(len(slices)*(first.NX*scale+gap)+gap, height+2*head)
	c.text(gap, 20, fmt.Sprintf("%s Black is 0, the brightest colour %s.", caption, figure(w.hi)), 13, alignLeft, color.Black)
	for i, k := range slices {
		s := CutSlice(values, g, Axial, k, false)
		x := gap + i*(first.NX*scale+gap)
		c.pixels(image.Rect(x, head, x+first.NX*scale, head+height), s.Pixels, s.NX, s.NY, paint)
		c.text(float64(x), float64(height+head+18), fmt.Sprintf("slice %d", k), 12, alignLeft, color.Black)
	}
	return c.img, nil
}

func aspectOf(s Slice) float64 {
	if s.Aspect > 0 {
		return s.Aspect
	}
	return 1
}

// glyphPicture draws the peaks of the middle axial slice over FA.
func glyphPicture(in OrientationInput) image.Image {
	const cell = 18
	g := in.Grid
	k := MiddleSlice(in.Mask, g, Axial)
	s := CutSlice(in.FA, g, Axial, k, false)
	v := g.view(Axial, false)
	c := newCanvas(s.NX*cell, s.NY*cell)
	c.pixels(c.img.Bounds(), s.Pixels, s.NX, s.NY, colourMap(gray).in(window{0, 1.5}))
	for j := range in.Peaks {
		cone := CutSlice(in.Cones[j], g, Axial, k, false)
		var part [3]Slice
		component := make([]float32, g.Voxels())
		for a := range 3 {
			for i, p := range in.Peaks[j] {
				component[i] = p[a]
			}
			part[a] = CutSlice(component, g, Axial, k, false)
		}
		for i := range s.Pixels {
			u := [3]float64{float64(part[0].Pixels[i]), float64(part[1].Pixels[i]), float64(part[2].Pixels[i])}
			n := math.Sqrt(u[0]*u[0] + u[1]*u[1] + u[2]*u[2])
			if !(n > 0) {
				continue
			}
			x, y := u[v.across]/n, u[v.down]/n
			if v.flipAcross {
				x = -x
			}
			if v.flipDown {
				y = -y
			}
			axis, _, _ := g.world()
			ink := color.RGBA{shade(u[axis[right]] / n), shade(u[axis[anterior]] / n), shade(u[axis[superior]] / n), 255}
			cx, cy := (float64(i%s.NX)+0.5)*cell, (float64(i/s.NX)+0.5)*cell
			c.wedge(cx, cy, x*cell*0.48, y*cell*0.48, float64(cone.Pixels[i])*math.Pi/180, ink)
		}
	}
	return c.img
}

func shade(u float64) uint8 { return uint8(40 + 215*math.Abs(u)) }

// wedge draws a line through (x, y) to both sides and, fainter, what turning it
// by up to an angle sweeps.
func (c *canvas) wedge(x, y, dx, dy, angle float64, ink color.RGBA) {
	faint := color.RGBA{uint8(ink.R / 2), uint8(ink.G / 2), uint8(ink.B / 2), 255}
	for a := -angle; a <= angle; a += 0.06 {
		sin, cos := math.Sincos(a)
		c.stroke(x, y, dx*cos-dy*sin, dx*sin+dy*cos, faint)
	}
	c.stroke(x, y, dx, dy, ink)
}

func (c *canvas) stroke(x, y, dx, dy float64, ink color.RGBA) {
	steps := int(2*math.Hypot(dx, dy)) + 1
	for i := -steps; i <= steps; i++ {
		f := float64(i) / float64(steps)
		c.img.SetRGBA(int(x+f*dx), int(y+f*dy), ink)
	}
}
