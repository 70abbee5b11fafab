package qc

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// plotInk stands for the ink of the page: svgOf turns it into currentColor, so
// that plots follow light and dark.
var plotInk = color.RGBA{1, 2, 3, 255}

// shellColours tell shells apart, also for the colour-blind and on light and dark paper
// (after Okabe and Ito 2008); b0 has the first.
var shellColours = []color.RGBA{
	{118, 126, 136, 255}, {38, 133, 199, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255},
}

func shellColour(i int, isB0 bool) color.RGBA {
	if isB0 {
		return shellColours[0]
	}
	return shellColours[1+i%(len(shellColours)-1)]
}

var accent = color.RGBA{38, 133, 199, 255}

// sans is the type of plots; Liberation Sans has the widths of Arial, which browsers
// have where it is missing.
func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: font.Points(size)}
}

// newPlot returns an empty plot in the style of the page.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = plotInk, plotInk
		a.Width, a.Tick.Width = vg.Points(0.6), vg.Points(0.6)
		a.Label.TextStyle.Font, a.Tick.Label.Font = sans(10), sans(9)
		a.Label.TextStyle.Color, a.Tick.Label.Color = plotInk, plotInk
		a.Padding = vg.Points(3)
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Legend.TextStyle.Font, p.Legend.TextStyle.Color = sans(9), plotInk
	p.Legend.Top, p.Legend.Left = true, true // thumbnails before the words: browsers set them wider than we measure
	p.Legend.Padding = vg.Points(2)
	return p
}

// grid draws faint lines at the ticks.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	faint := color.NRGBA{128, 128, 128, 60}
	g.Horizontal.Color, g.Vertical.Color = faint, faint
	g.Horizontal.Width, g.Vertical.Width = vg.Points(0.5), vg.Points(0.5)
	p.Add(g)
}

// svgOf draws a plot, of a size in points, as SVG for a page.
func svgOf(p *plot.Plot, width, height float64) (string, error) {
	c := vgsvg.New(vg.Points(width), vg.Points(height))
	p.Draw(draw.Crop(draw.New(c), 0, -vg.Points(10), 0, 0)) // the last label reaches beyond its tick
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("qc: plot: %w", err)
	}
	s := b.String()
	// The head is ours: no fixed size in points, nothing that looks like an address.
	body := s[strings.Index(s, "<g "):]
	body = strings.ReplaceAll(body, "font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal",
		"font-family:'Liberation Sans',Arial,Helvetica,sans-serif")
	body = strings.ReplaceAll(body, "#010203", "currentColor")
	body = strings.ReplaceAll(body, "\n\t", " ")
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" width="%g" height="%g">%s`, width, height, math.Round(width*1.25), math.Round(height*1.25), strings.TrimSpace(body)), nil
}

// line adds a curve.
func line(p *plot.Plot, xy plotter.XYs, ink color.Color, width float64, dashes ...float64) (*plotter.Line, error) {
	l, err := plotter.NewLine(xy)
	if err != nil {
		return nil, fmt.Errorf("qc: plot: %w", err)
	}
	l.Color, l.Width = ink, vg.Points(width)
	for _, d := range dashes {
		l.Dashes = append(l.Dashes, vg.Points(d))
	}
	p.Add(l)
	return l, nil
}

// dots adds points.
func dots(p *plot.Plot, xy plotter.XYs, ink color.Color, radius float64, filled bool) (*plotter.Scatter, error) {
	s, err := plotter.NewScatter(xy)
	if err != nil {
		return nil, fmt.Errorf("qc: plot: %w", err)
	}
	s.Color, s.Radius = ink, vg.Points(radius)
	s.Shape = draw.RingGlyph{}
	if filled {
		s.Shape = draw.CircleGlyph{}
	}
	p.Add(s)
	return s, nil
}

// words adds labels at points of the plot.
func words(p *plot.Plot, xy plotter.XYs, labels []string, ink color.Color, size float64, x, y text.YAlignment) error {
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: xy, Labels: labels})
	if err != nil {
		return fmt.Errorf("qc: plot: %w", err)
	}
	for i := range l.TextStyle {
		l.TextStyle[i].Font, l.TextStyle[i].Color = sans(size), ink
		l.TextStyle[i].XAlign, l.TextStyle[i].YAlign = text.XAlignment(x), y
	}
	p.Add(l)
	return nil
}
