package qc

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/math/fixed"
)

// canvas is a white picture to draw slices, text and colour bars on.
type canvas struct {
	img *image.RGBA
	set *typesetter
}

type align int

const (
	alignLeft align = iota
	alignCentre
	alignRight
)

// lineHeight is the distance of baselines and capHeight the height of a capital
// letter, in units of the text's size.
const (
	lineHeight = 1.3
	capHeight  = 0.72
)

// newCanvas returns a white canvas.
func newCanvas(w, h int) *canvas {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	return &canvas{img: img, set: newTypesetter()}
}

// gray returns the picture without colour: a third of the bytes in a PNG.
func (c *canvas) gray() *image.Gray {
	g := image.NewGray(c.img.Bounds())
	for i := range g.Pix {
		g.Pix[i] = c.img.Pix[4*i]
	}
	return g
}

// text draws a line whose baseline is at y and which begins, is centred or ends
// at x.
func (c *canvas) text(x, y float64, s string, size float64, a align, ink color.Color) {
	switch a {
	case alignCentre:
		x -= c.set.width(s, size) / 2
	case alignRight:
		x -= c.set.width(s, size)
	}
	c.set.line(c.img, inkOf(ink), fixed.Point26_6{X: toFixed(x), Y: toFixed(y)}, s, size)
}

// textUp draws a line that reads upwards, centred at (x, y).
func (c *canvas) textUp(x, y float64, s string, size float64, ink color.Color) {
	pad := int(math.Ceil(size))
	w, h := int(math.Ceil(c.set.width(s, size)))+2*pad, 3*pad
	flat := image.NewAlpha(image.Rect(0, 0, w, h))
	baseline := float64(h)/2 + capHeight/2*size
	c.set.line(flat, image.Opaque, fixed.Point26_6{X: toFixed(float64(pad)), Y: toFixed(baseline)}, s, size)
	turned := image.NewAlpha(image.Rect(0, 0, h, w))
	for py := range h {
		for px := range w {
			turned.SetAlpha(py, w-1-px, flat.AlphaAt(px, py))
		}
	}
	at := image.Pt(int(math.Round(x-float64(h)/2)), int(math.Round(y-float64(w)/2)))
	draw.DrawMask(c.img, turned.Bounds().Add(at), inkOf(ink), image.Point{}, turned, image.Point{}, draw.Over)
}

// halo draws text with a rim of the opposite shade, readable on any picture.
func (c *canvas) halo(x, y float64, s string, size float64, a align, ink color.Gray) {
	rim := math.Max(1, size/12)
	for i := range 12 {
		sin, cos := math.Sincos(float64(i) * math.Pi / 6)
		c.text(x+rim*cos, y+rim*sin, s, size, a, color.Gray{255 - ink.Y})
	}
	c.text(x, y, s, size, a, ink)
}

// pixels fills a rectangle with a slice, each voxel as a block of one colour.
func (c *canvas) pixels(r image.Rectangle, values []float32, nx, ny int, paint colourMap) {
	colours := make([]color.RGBA, nx)
	drawn, width := -1, 4*r.Dx()
	for py := range r.Dy() {
		at := c.img.PixOffset(r.Min.X, r.Min.Y+py)
		line := c.img.Pix[at : at+width]
		row := (2*py + 1) * ny / (2 * r.Dy())
		if row == drawn {
			copy(line, c.img.Pix[at-c.img.Stride:][:width])
			continue
		}
		drawn = row
		for x, v := range values[row*nx : (row+1)*nx] {
			colours[x] = paint(float64(v))
		}
		for px := range r.Dx() {
			k := colours[(2*px+1)*nx/(2*r.Dx())]
			copy(line[4*px:], []uint8{k.R, k.G, k.B, k.A})
		}
	}
}

// letters prints the directions at the edges of a drawn slice.
func (c *canvas) letters(r image.Rectangle, s Slice, size float64, ink color.Gray) {
	x0, x1 := float64(r.Min.X), float64(r.Max.X)
	y0, y1 := float64(r.Min.Y), float64(r.Max.Y)
	pad, half := 0.3*size, capHeight/2*size
	c.halo(x0+pad, (y0+y1)/2+half, s.Left, size, alignLeft, ink)
	c.halo(x1-pad, (y0+y1)/2+half, s.Right, size, alignRight, ink)
	c.halo((x0+x1)/2, y0+pad+capHeight*size, s.Top, size, alignCentre, ink)
	c.halo((x0+x1)/2, y1-pad, s.Bottom, size, alignCentre, ink)
}

// fill paints a rectangle.
func (c *canvas) fill(r image.Rectangle, ink color.Color) {
	draw.Draw(c.img, r, inkOf(ink), image.Point{}, draw.Src)
}

// frame draws a line around a rectangle, just outside.
func (c *canvas) frame(r image.Rectangle, thick int, ink color.Color) {
	o := r.Inset(-thick)
	c.fill(image.Rect(o.Min.X, o.Min.Y, o.Max.X, r.Min.Y), ink)
	c.fill(image.Rect(o.Min.X, r.Max.Y, o.Max.X, o.Max.Y), ink)
	c.fill(image.Rect(o.Min.X, o.Min.Y, r.Min.X, o.Max.Y), ink)
	c.fill(image.Rect(r.Max.X, o.Min.Y, o.Max.X, o.Max.Y), ink)
}
