package qc

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"golang.org/x/image/vector"
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

// widestCone is where the colours of cone angles end, in degrees: what is wider
// says no more than that there is no direction.
const widestCone = 20

// OrientationPage shows FA with its deviation, cone angles, and the peaks of the
// middle axial slice with their cones. Errors are [ErrInput].
func OrientationPage(in OrientationInput) (*Page, error) {
	if err := checkLengths(in.Grid, len(in.FA), len(in.FADev), len(in.Mask)); err != nil {
		return nil, fmt.Errorf("qc: uncertainty: %w", err)
	}
	fa, err := mapSheet(in, []mapRow{{"FA", in.FA, robustWindow(in.FA, in.Mask, 0, 0.99)}, {"± sd", in.FADev, robustWindow(in.FADev, in.Mask, 0, 0.98)}})
	if err != nil {
		return nil, err
	}
	page := &Page{Title: "Uncertainty", Subtitle: in.Name}
	page.Sections = append(page.Sections, Section{ID: "summary", Title: "Summary", Lead: "Computed on joint draws of the clean signal, whose error is calibrated without truth.", Blocks: []Block{Facts{Rows: in.Facts}}})
	for _, n := range in.Remarks {
		page.Sections[0].Blocks = append(page.Sections[0].Blocks, n)
	}
	page.Sections = append(page.Sections, Section{ID: "fa", Title: "Fractional anisotropy", Lead: "Mean over the draws, and their standard deviation.", Blocks: []Block{
		Figure{Alt: "Fractional anisotropy and its standard deviation", PNG: fa, File: "fa.png"},
	}})
	if len(in.Cones) == 0 {
		return page, nil
	}
	cone, err := mapSheet(in, []mapRow{{"95 % cone", in.Cones[0], window{0, widestCone}}})
	if err != nil {
		return nil, err
	}
	page.Sections = append(page.Sections, Section{ID: "cones", Title: "Cones of the peaks", Lead: "Each line is a peak of the mean fibre orientation distribution, the wedge about it the cone that holds the true direction with a probability of 95 %.", Blocks: []Block{
		Figure{Alt: "Cone angle of the main peak", Caption: "Half the opening angle of the main peak's cone, in degrees; the brightest colour is 20° and more. Blank where there is no peak.", PNG: cone, File: "cone.png"},
		Figure{Alt: "Peaks with their cones", Caption: "Middle axial slice over fractional anisotropy. Red runs left to right, green front to back, blue up and down; lines are foreshortened as they leave the plane. Cones of more than 45° are left out.", PNG: glyphPicture(in), File: "peaks.png"},
	}})
	return page, nil
}

// mapRow is one map of a picture, with the values that its colours span.
type mapRow struct {
	label  string
	values []float32
	w      window
}

// mapSheet draws slices of maps inside the mask, a row each with its colour bar.
func mapSheet(in OrientationInput, rows []mapRow) (image.Image, error) {
	s, err := newSheet(in.Mask, in.Grid, MontageOptions{Columns: 3})
	if err != nil {
		return nil, fmt.Errorf("qc: uncertainty: %w", err)
	}
	for i, r := range rows {
		if len(r.values) != len(in.Mask) {
			return nil, fmt.Errorf("qc: uncertainty: map of %d voxels, mask of %d: %w", len(r.values), len(in.Mask), ErrInput)
		}
		w := window{0, r.w.hi}
		if !(w.hi > 0) {
			w.hi = 1
		}
		shown := make([]float32, len(r.values))
		for v, x := range r.values {
			shown[v] = x
			if !in.Mask[v] {
				shown[v] = float32(math.NaN())
			}
		}
		s.rows = append(s.rows, sheetRow{r.label, shown, colourMap(sequential).in(w), black})
		s.bars = append(s.bars, colourBar{i, i, sequential, ticks(w), r.label})
	}
	return s.draw()
}

const (
	glyphWidth  = 1100 // pixels: of a picture of glyphs, about
	leastCell   = 14   // of a voxel
	mostCell    = 40
	openestCone = math.Pi / 4
)

// glyphPicture draws the peaks of the middle axial slice over FA, cut to the mask.
func glyphPicture(in OrientationInput) image.Image {
	g := in.Grid
	k := MiddleSlice(in.Mask, g, Axial)
	box := maskBox(in.Mask, g, Axial, false)
	cell := min(max(glyphWidth/max(box.Dx(), 1), leastCell), mostCell)
	s := CutSlice(in.FA, g, Axial, k, false)
	v := g.view(Axial, false)
	axis, _, _ := g.world()
	c := newCanvas(box.Dx()*cell, box.Dy()*cell)
	shown := make([]float32, 0, box.Dx()*box.Dy())
	for y := box.Min.Y; y < box.Max.Y; y++ {
		shown = append(shown, s.Pixels[y*s.NX+box.Min.X:y*s.NX+box.Max.X]...)
	}
	c.pixels(c.img.Bounds(), shown, box.Dx(), box.Dy(), colourMap(gray).in(window{0, 1.8}))
	component := make([]float32, g.Voxels())
	for j := range in.Peaks {
		cone := CutSlice(in.Cones[j], g, Axial, k, false)
		var part [3]Slice
		for a := range 3 {
			for i, p := range in.Peaks[j] {
				component[i] = p[a]
			}
			part[a] = CutSlice(component, g, Axial, k, false)
		}
		for y := box.Min.Y; y < box.Max.Y; y++ {
			for x := box.Min.X; x < box.Max.X; x++ {
				i := y*s.NX + x
				u := [3]float64{float64(part[0].Pixels[i]), float64(part[1].Pixels[i]), float64(part[2].Pixels[i])}
				n := math.Sqrt(u[0]*u[0] + u[1]*u[1] + u[2]*u[2])
				angle := float64(cone.Pixels[i]) * math.Pi / 180
				if !(n > 0) || angle > openestCone {
					continue
				}
				dx, dy := u[v.across]/n, u[v.down]/n
				if v.flipAcross {
					dx = -dx
				}
				if v.flipDown {
					dy = -dy
				}
				ink := color.RGBA{shade(u[axis[right]] / n), shade(u[axis[anterior]] / n), shade(u[axis[superior]] / n), 255}
				half := 0.48 * float64(cell)
				c.glyph((float64(x-box.Min.X)+0.5)*float64(cell), (float64(y-box.Min.Y)+0.5)*float64(cell), dx*half, dy*half, angle, ink)
			}
		}
	}
	return c.img
}

func shade(u float64) uint8 { return uint8(40 + 215*math.Abs(u)) }

// glyph draws a line through (x, y) to both sides and, fainter, what turning it
// by up to an angle sweeps.
func (c *canvas) glyph(x, y, dx, dy, angle float64, ink color.RGBA) {
	const steps = 8
	for _, side := range [2]float64{-1, 1} {
		wedge := [][2]float64{{x, y}}
		for i := range 2*steps + 1 {
			sin, cos := math.Sincos(angle * (float64(i)/steps - 1))
			wedge = append(wedge, [2]float64{x + side*(dx*cos-dy*sin), y + side*(dx*sin+dy*cos)})
		}
		c.polygon(wedge, color.NRGBA{ink.R, ink.G, ink.B, 110})
	}
	length := math.Hypot(dx, dy)
	thick := 0.7
	if length < thick { // a peak that leaves the plane is a dot
		dx, dy, length = thick, 0, thick
	}
	ax, ay := -dy/length*thick, dx/length*thick
	c.polygon([][2]float64{{x - dx + ax, y - dy + ay}, {x + dx + ax, y + dy + ay}, {x + dx - ax, y + dy - ay}, {x - dx - ax, y - dy - ay}}, color.NRGBA{ink.R, ink.G, ink.B, 255})
}

// polygon fills a polygon with smooth edges.
func (c *canvas) polygon(corners [][2]float64, ink color.NRGBA) {
	box := cornerBox(corners).Intersect(c.img.Bounds())
	if box.Empty() {
		return
	}
	r := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range corners {
		x, y := float32(p[0])-float32(box.Min.X), float32(p[1])-float32(box.Min.Y)
		if i == 0 {
			r.MoveTo(x, y)
		} else {
			r.LineTo(x, y)
		}
	}
	r.ClosePath()
	r.Draw(c.img, box, image.NewUniform(ink), image.Point{})
}

// cornerBox is the smallest rectangle of whole pixels about the corners.
func cornerBox(corners [][2]float64) image.Rectangle {
	least, most := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for _, p := range corners {
		for a, x := range p {
			least[a], most[a] = min(least[a], math.Floor(x)), max(most[a], math.Ceil(x))
		}
	}
	return image.Rect(int(least[0]), int(least[1]), int(most[0]), int(most[1]))
}
