package qc

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// stripLayout places the parts of a strip. Sizes of type follow the width of a
// panel, so a strip keeps its looks at any scale and stays readable when shown
// at the width of a page.
type stripLayout struct {
	o                 StripOptions
	w, h              int // of a panel
	columns           int
	margin, gap       int
	top, rowHeight    int
	width, height     int
	label1, label2    float64 // sizes of type in pixels
	letter, captioned float64
	heading           float64
	captionLines      []string
	captionTop        float64
}

func newStripLayout(s Slice, o StripOptions) *stripLayout {
	scale := o.Scale
	if scale == 0 {
		scale = s.defaultScale(stripPanelWidth)
	}
	l := &stripLayout{o: o}
	l.w, l.h = s.size(scale)
	unit := float64(l.w)
	px := func(f float64) int { return max(1, int(math.Round(f*unit))) }
	l.columns = (o.Panels + o.Rows) / o.Rows // panels and the clean one, rounded up
	l.margin, l.gap = px(0.10), px(0.045)
	l.label1, l.label2, l.letter, l.captioned, l.heading = 0.185*unit, 0.155*unit, 0.12*unit, 0.155*unit, 0.2*unit
	l.width = 2*l.margin + l.columns*l.w + (l.columns-1)*l.gap
	l.top = l.margin
	if o.Title != "" {
		l.top += px(1.35 * 0.2)
	}
	below := lineHeight * l.label1
	if o.Annotate != AnnotateNothing {
		below += lineHeight * l.label2
	}
	l.rowHeight = l.h + int(math.Ceil(below)) + px(0.06)
	l.captionTop = float64(l.top + o.Rows*l.rowHeight + px(0.05))
	l.captionLines = newTypesetter().wrap(captionOf(o), l.captioned, float64(l.width-2*l.margin))
	l.height = int(math.Ceil(l.captionTop+float64(len(l.captionLines))*lineHeight*l.captioned)) + l.margin/2
	return l
}

// captionOf returns the text below a strip.
func captionOf(o StripOptions) string {
	if o.Caption != "" {
		return o.Caption
	}
	noise := "one noise draw for all panels"
	if o.Magnitude {
		noise = "magnitude of complex noise (Rician), one draw for all panels"
	}
	return fmt.Sprintf("Forward diffusion q(xₜ\u00a0|\u00a0x₀), %s schedule, T\u00a0=\u00a0%d, %s. x₀ is the clean slice; t\u00a0=\u00a00 already carries a trace of noise.",
		o.Schedule.Name(), o.Schedule.T(), noise)
}

// panel returns the rectangle of panel i, the clean one being 0.
func (l *stripLayout) panel(i int) image.Rectangle {
	x := l.margin + i%l.columns*(l.w+l.gap)
	y := l.top + i/l.columns*l.rowHeight
	return image.Rect(x, y, x+l.w, y+l.h)
}

func (l *stripLayout) title(c *canvas) {
	title := c.set.shorten(l.o.Title, l.heading, float64(l.width-2*l.margin))
	c.text(float64(l.margin), float64(l.margin)+capHeight*l.heading, title, l.heading, alignLeft, color.Black)
}

// label writes the one or two lines below a panel.
func (l *stripLayout) label(c *canvas, r image.Rectangle, label, note string) {
	x, y := float64(r.Min.X+r.Max.X)/2, float64(r.Max.Y)
	y += l.label1
	c.text(x, y, label, l.label1, alignCentre, color.Black)
	c.text(x, y+lineHeight*l.label2, note, l.label2, alignCentre, color.Gray{70})
}

func (l *stripLayout) caption(c *canvas) {
	for i, line := range l.captionLines {
		y := l.captionTop + (float64(i)*lineHeight+1)*l.captioned
		c.text(float64(l.margin), y, line, l.captioned, alignLeft, color.Gray{40})
	}
}
