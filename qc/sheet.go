package qc

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// sheet is a picture of several slices (columns) of several volumes (rows) with
// colour bars, labels, a title and a caption.
type sheet struct {
	g            Grid
	plane        Plane
	radiological bool
	scale        float64 // screen pixels per column of a slice
	slices       []int
	box          image.Rectangle // part of each slice that is shown
	rows         []sheetRow
	bars         []colourBar
	title        string
	caption      string
}

type sheetRow struct {
	label  string
	volume []float32
	paint  colourMap  // of values, not of 0 to 1
	ink    color.Gray // of the letters on it
}

// colourBar explains the colours of the rows from first to last.
type colourBar struct {
	first, last int
	colours     colourMap // of 0 to 1, bottom to top
	ticks       []tick
	label       string
}

type tick struct {
	at    float64 // 0 at the bottom, 1 at the top
	label string
}

const sheetTileWidth = 300 // screen pixels: one inch in print

// sheetLayout places the parts of a sheet; as in a strip, type follows the
// width of a tile.
type sheetLayout struct {
	w, h                  int // of a tile
	left, top, gap        int
	margin                int
	width, height         int
	size, heading, letter float64
	barX, barWidth        int
	tickWidth             float64 // of the widest label of any bar
	captionTop            float64
	captionLines          []string
}

func (s *sheet) layout(t *typesetter) *sheetLayout {
	l := &sheetLayout{}
	l.w, l.h = s.shape().size(s.scale)
	// One column needs smaller type than five, or the title would not fit.
	unit := float64(l.w) * min(1, 0.4+0.12*float64(len(s.slices)))
	px := func(f float64) int { return max(1, int(math.Round(f*unit))) }
	l.size, l.heading, l.letter = 0.1*unit, 0.12*unit, 0.09*unit
	l.margin, l.gap = px(0.06), px(0.025)
	l.left = l.margin + px(0.16)
	l.top = l.margin + px(0.14)
	if s.title != "" {
		l.top += px(0.18)
	}
	l.barX = l.left + len(s.slices)*(l.w+l.gap) + px(0.05)
	l.barWidth = px(0.07)
	for _, b := range s.bars {
		for _, k := range b.ticks {
			l.tickWidth = max(l.tickWidth, t.width(k.label, l.size))
		}
	}
	l.width = l.barX + l.barWidth + int(math.Ceil(l.tickWidth)) + px(0.06+0.16) + l.margin
	l.captionTop = float64(l.top+len(s.rows)*(l.h+l.gap)) + 0.03*unit
	l.captionLines = t.wrap(s.caption, l.size, float64(l.width-l.left-l.margin))
	l.height = int(math.Ceil(l.captionTop+(float64(len(l.captionLines))*lineHeight+0.2)*l.size)) + l.margin
	return l
}

// shape returns a cropped slice without its pixels.
func (s *sheet) shape() Slice {
	v := s.g.view(s.plane, s.radiological)
	return Slice{NX: s.box.Dx(), NY: s.box.Dy(), Aspect: s.g.edge(v.down) / s.g.edge(v.across)}
}

func (l *sheetLayout) tile(row, column int) image.Rectangle {
	x, y := l.left+column*(l.w+l.gap), l.top+row*(l.h+l.gap)
	return image.Rect(x, y, x+l.w, y+l.h)
}

// draw makes the picture.
func (s *sheet) draw() (image.Image, error) {
	l := s.layout(newTypesetter())
	if err := checkSize(l.width, l.height); err != nil {
		return nil, fmt.Errorf("qc: %w", err)
	}
	c := newCanvas(l.width, l.height)
	x := float64(l.left)
	title := c.set.shorten(s.title, l.heading, float64(l.width-l.left-l.margin))
	c.text(x, float64(l.margin)+capHeight*l.heading, title, l.heading, alignLeft, color.Black)
	for j, k := range s.slices {
		r := l.tile(0, j)
		c.text(float64(r.Min.X+r.Max.X)/2, float64(r.Min.Y)-0.35*l.size, sliceLabel(s.g, s.plane, k), l.size, alignCentre, color.Black)
	}
	for i, row := range s.rows {
		first := l.tile(i, 0)
		c.textUp(float64(l.margin)+0.6*l.size, float64(first.Min.Y+first.Max.Y)/2, row.label, l.size, color.Black)
		for j, k := range s.slices {
			part := CutSlice(row.volume, s.g, s.plane, k, s.radiological).Crop(s.box.Min.X, s.box.Min.Y, s.box.Max.X, s.box.Max.Y)
			r := l.tile(i, j)
			c.pixels(r, part.Pixels, part.NX, part.NY, row.paint)
			if row.ink == black { // a light picture needs an edge on white paper
				c.frame(r, max(1, l.gap/5), color.Gray{190})
			}
			if j == 0 {
				c.letters(r, part, l.letter, row.ink)
			}
		}
	}
	for _, b := range s.bars {
		l.drawBar(c, b)
	}
	for i, line := range l.captionLines {
		c.text(x, l.captionTop+(float64(i)*lineHeight+1)*l.size, line, l.size, alignLeft, color.Gray{40})
	}
	return c.img, nil
}

// drawBar draws a colour bar beside its rows, with its ticks and its label.
func (l *sheetLayout) drawBar(c *canvas, b colourBar) {
	inset := int(math.Round(0.5 * l.size)) // room for the ticks at both ends
	y0, y1 := l.tile(b.first, 0).Min.Y+inset, l.tile(b.last, 0).Max.Y-inset
	r := image.Rect(l.barX, y0, l.barX+l.barWidth, y1)
	for y := y0; y < y1; y++ {
		u := 1 - (float64(y-y0)+0.5)/float64(y1-y0)
		for x := r.Min.X; x < r.Max.X; x++ {
			c.img.Set(x, y, b.colours(u))
		}
	}
	thick := max(1, l.barWidth/12)
	c.frame(r, thick, color.Gray{90})
	for _, k := range b.ticks {
		y := float64(y1) - k.at*float64(y1-y0)
		mark := image.Rect(r.Max.X, int(math.Round(y))-thick/2, r.Max.X+l.barWidth/4, int(math.Round(y))-thick/2+thick)
		c.fill(mark, color.Gray{90})
		c.text(float64(r.Max.X)+0.4*l.size, y+capHeight/2*l.size, k.label, l.size, alignLeft, color.Black)
	}
	c.textUp(float64(r.Max.X)+1.2*l.size+l.tickWidth, float64(y0+y1)/2, b.label, l.size, color.Black)
}

// sliceLabel names a slice by its voxel index: "z = 17", or x or y where the
// plane's normal is another axis of the file.
func sliceLabel(g Grid, p Plane, k int) string {
	axis := [3]string{"x", "y", "z"}[g.view(p, false).through]
	return axis + " = " + figure(float64(k))
}

// maskBox returns the part of a plane's slices, in screen pixels, that holds
// the whole mask and a margin around it; the whole slice for an empty mask.
func maskBox(mask []bool, g Grid, p Plane, radiological bool) image.Rectangle {
	v := g.view(p, radiological)
	n := g.lengths()
	whole := image.Rect(0, 0, n[v.across], n[v.down])
	var box image.Rectangle
	for k := range n[v.through] {
		in, nx, _ := cut(mask, g, v, k)
		for i, inside := range in {
			if inside {
				at := image.Pt(i%nx, i/nx)
				box = box.Union(image.Rectangle{at, at.Add(image.Pt(1, 1))})
			}
		}
	}
	if box.Empty() {
		return whole
	}
	return box.Inset(-max(2, whole.Dx()/40)).Intersect(whole)
}
