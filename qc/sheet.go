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
	radiological bool
	scale        float64 // screen pixels per column of a slice of the first plane
	columns      []sheetColumn
	rows         []sheetRow
	bars         []colourBar
	title        string
	caption      string
}

// sheetColumn is one slice. All columns have the same scale in mm.
type sheetColumn struct {
	plane Plane
	slice int
	box   image.Rectangle // part of the slice that is shown
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
	w, h                  []int // of the tile in each column
	tall                  int   // the largest h
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
	total := 0
	for i := range s.columns {
		w, h := s.shape(i).size(s.scaleOf(i))
		l.w, l.h, l.tall, total = append(l.w, w), append(l.h, h), max(l.tall, h), total+w
	}
	// One column needs smaller type than five, or the title would not fit.
	unit := float64(total) / float64(len(l.w)) * min(1, 0.4+0.12*float64(len(l.w)))
	px := func(f float64) int { return max(1, int(math.Round(f*unit))) }
	l.size, l.heading, l.letter = 0.1*unit, 0.12*unit, 0.09*unit
	l.margin, l.gap = px(0.06), px(0.025)
	l.left = l.margin + px(0.16)
	l.top = l.margin + px(0.14)
	if s.title != "" {
		l.top += px(0.18)
	}
	l.barX = l.left + total + len(l.w)*l.gap + px(0.05)
	l.barWidth = px(0.07)
	for _, b := range s.bars {
		for _, k := range b.ticks {
			l.tickWidth = max(l.tickWidth, t.width(k.label, l.size))
		}
	}
	l.width = l.barX + l.barWidth + int(math.Ceil(l.tickWidth)) + px(0.06+0.16) + l.margin
	if len(s.bars) == 0 {
		l.width = l.barX - px(0.05) - l.gap + l.margin
	}
	l.captionTop = float64(l.top+len(s.rows)*(l.tall+l.gap)) + 0.03*unit
	l.captionLines = t.wrap(s.caption, l.size, float64(l.width-l.left-l.margin))
	l.height = int(math.Ceil(l.captionTop+(float64(len(l.captionLines))*lineHeight+0.2)*l.size)) + l.margin
	return l
}

// shape returns a cropped slice without its pixels.
func (s *sheet) shape(column int) Slice {
	c := s.columns[column]
	v := s.g.view(c.plane, s.radiological)
	return Slice{NX: c.box.Dx(), NY: c.box.Dy(), Aspect: s.g.edge(v.down) / s.g.edge(v.across)}
}

// scaleOf returns the screen pixels per column of a slice.
func (s *sheet) scaleOf(column int) float64 {
	across := func(p Plane) float64 { return s.g.edge(s.g.view(p, s.radiological).across) }
	return s.scale * across(s.columns[column].plane) / across(s.columns[0].plane)
}

// cell returns the whole place of a tile, which is higher than the tile where
// planes differ.
func (l *sheetLayout) cell(row, column int) image.Rectangle {
	x, y := l.left+column*l.gap, l.top+row*(l.tall+l.gap)
	for _, w := range l.w[:column] {
		x += w
	}
	return image.Rect(x, y, x+l.w[column], y+l.tall)
}

func (l *sheetLayout) tile(row, column int) image.Rectangle {
	r := l.cell(row, column)
	r.Min.Y += (l.tall - l.h[column]) / 2
	r.Max.Y = r.Min.Y + l.h[column]
	return r
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
	for j, column := range s.columns {
		r := l.cell(0, j)
		c.text(float64(r.Min.X+r.Max.X)/2, float64(r.Min.Y)-0.35*l.size, sliceLabel(s.g, column.plane, column.slice), l.size, alignCentre, color.Black)
	}
	for i, row := range s.rows {
		first := l.cell(i, 0)
		c.textUp(float64(l.margin)+0.6*l.size, float64(first.Min.Y+first.Max.Y)/2, row.label, l.size, color.Black)
		for j := range s.columns {
			s.drawTile(c, l, i, j)
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

// drawTile draws one slice; letters go on the first of each plane.
func (s *sheet) drawTile(c *canvas, l *sheetLayout, i, j int) {
	row, column := s.rows[i], s.columns[j]
	b := column.box
	part := CutSlice(row.volume, s.g, column.plane, column.slice, s.radiological).Crop(b.Min.X, b.Min.Y, b.Max.X, b.Max.Y)
	cell, r := l.cell(i, j), l.tile(i, j)
	if cell != r {
		c.fill(cell, row.paint(math.NaN()))
	}
	c.pixels(r, part.Pixels, part.NX, part.NY, row.paint)
	if row.ink == black { // a light picture needs an edge on white paper
		c.frame(cell, max(1, l.gap/5), color.Gray{190})
	}
	if j == 0 || s.columns[j-1].plane != column.plane {
		c.letters(r, part, l.letter, row.ink)
	}
}

// drawBar draws a colour bar beside its rows, with its ticks and its label.
func (l *sheetLayout) drawBar(c *canvas, b colourBar) {
	inset := int(math.Round(0.5 * l.size)) // room for the ticks at both ends
	y0, y1 := l.cell(b.first, 0).Min.Y+inset, l.cell(b.last, 0).Max.Y-inset
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
