package qc

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"github.com/dmri-denoise/dmri-denoise/diffusion"
	"github.com/dmri-denoise/dmri-denoise/gradients"
)

// mark is a place on the schedule.
type mark struct {
	label string
	t     float64
	ink   color.Color
}

// schedulePlot draws how much signal and noise x_t holds over the timesteps of a
// schedule, and where measurements sit on it.
func schedulePlot(s diffusion.Schedule, marks []mark) (string, error) {
	p := newPlot("timestep t", "share in x at t")
	grid(p)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, float64(s.T()-1), 0, 1.12
	var signal, noise plotter.XYs
	const points = 200
	for i := range points + 1 {
		t := float64(s.T()-1) * float64(i) / points
		ab := s.AlphaBar(t)
		signal = append(signal, plotter.XY{X: t, Y: math.Sqrt(ab)})
		noise = append(noise, plotter.XY{X: t, Y: math.Sqrt(1 - ab)})
	}
	l, err := line(p, signal, plotInk, 1.4)
	if err != nil {
		return "", err
	}
	p.Legend.Add("signal √ᾱ", l)
	if l, err = line(p, noise, plotInk, 1.1, 3, 2); err != nil {
		return "", err
	}
	p.Legend.Add("noise √(1−ᾱ)", l)
	p.Legend.Top = false // below the crossing, where there is room
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(180), vg.Points(8)
	for _, m := range marks {
		t := max(m.t, 0)
		if l, err = line(p, plotter.XYs{{X: t, Y: 0}, {X: t, Y: 1.03}}, m.ink, 1.4); err != nil {
			return "", err
		}
		if _, err := dots(p, plotter.XYs{{X: t, Y: math.Sqrt(1 - s.AlphaBar(t))}}, m.ink, 3, true); err != nil {
			return "", err
		}
		p.Legend.Add(fmt.Sprintf("%s: t* = %.1f", m.label, m.t), l)
	}
	return svgOf(p, 520, 260)
}

// lossPlot draws the training of a learned prior; NaN is left out.
func lossPlot(points []LossPoint) (string, error) {
	p := newPlot("training step", "loss")
	grid(p)
	var train, held plotter.XYs
	for _, l := range points {
		if nullable(l.Train) != nil {
			train = append(train, plotter.XY{X: float64(l.Step), Y: l.Train})
		}
		if nullable(l.HeldOut) != nil {
			held = append(held, plotter.XY{X: float64(l.Step), Y: l.HeldOut})
		}
	}
	for _, c := range []struct {
		name string
		xy   plotter.XYs
		ink  color.Color
	}{{"training", train, shellColours[1]}, {"held-out voxels", held, shellColours[2]}} {
		if len(c.xy) == 0 {
			continue
		}
		l, err := line(p, c.xy, c.ink, 1.4)
		if err != nil {
			return "", err
		}
		p.Legend.Add(c.name, l)
	}
	p.Legend.XOffs = vg.Points(380)
	return svgOf(p, 520, 220)
}

// spherePlot draws the gradient directions as seen from above: the equal-area
// azimuthal projection (Lambert) of the half sphere, g and -g in one place,
// rings for directions that point down in the table.
func spherePlot(t *gradients.Table, shells []gradients.Shell) (string, int, error) {
	p := newPlot("", "")
	p.HideAxes()
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = -1.15, 1.15, -1.15, 1.15
	faint := color.NRGBA{128, 128, 128, 130}
	for _, polar := range []float64{30, 60, 90} {
		r := math.Sqrt2 * math.Sin(polar/2*math.Pi/180)
		var ring plotter.XYs
		for i := range 91 {
			sin, cos := math.Sincos(float64(i) * 4 * math.Pi / 180)
			ring = append(ring, plotter.XY{X: r * cos, Y: r * sin})
		}
		if _, err := line(p, ring, faint, 0.6); err != nil {
			return "", 0, err
		}
	}
	drawn, weighted := 0, 0
	for _, s := range shells {
		if s.IsB0 {
			continue
		}
		var up, down plotter.XYs
		for _, v := range s.Volumes {
			x, y, above, ok := project(t.BVecs[v])
			if !ok {
				continue
			}
			if drawn++; above {
				up = append(up, plotter.XY{X: x, Y: y})
			} else {
				down = append(down, plotter.XY{X: x, Y: y})
			}
		}
		ink := shellColour(weighted, false)
		weighted++
		for _, side := range []struct {
			xy     plotter.XYs
			filled bool
		}{{up, true}, {down, false}} {
			if len(side.xy) == 0 {
				continue
			}
			if _, err := dots(p, side.xy, ink, 2.7, side.filled); err != nil {
				return "", 0, err
			}
		}
	}
	x, y := "x", "y"
	if t.Frame == gradients.ScannerFrame {
		x, y = "R", "A"
	}
	if err := words(p, plotter.XYs{{X: 1.06, Y: 0}, {X: -0.02, Y: 1.07}}, []string{x, y}, plotInk, 10, text.YCenter, text.YCenter); err != nil {
		return "", 0, err
	}
	svg, err := svgOf(p, 260, 260)
	return svg, drawn, err
}

// project returns where a direction lies in the picture of the sphere, and
// whether it points up; ok is false for the zero vector.
func project(g [3]float64) (x, y float64, up, ok bool) {
	length := math.Sqrt(g[0]*g[0] + g[1]*g[1] + g[2]*g[2])
	if !(length > 0) {
		return 0, 0, false, false
	}
	for a := range g {
		g[a] /= length
	}
	up = g[2] >= 0
	if !up {
		g = [3]float64{-g[0], -g[1], -g[2]}
	}
	// Lambert's projection, scaled so that the equator has radius 1.
	k := 1 / math.Sqrt(1+g[2])
	return g[0] * k, g[1] * k, up, true
}

// volumePlot draws a figure of every volume, coloured by shell, and a line to
// compare with (NaN for none).
func volumePlot(values []float64, shells []gradients.Shell, label string, level float64) (string, error) {
	p := newPlot("volume, counted from 0", label)
	grid(p)
	p.X.Min, p.X.Max = -1, float64(len(values))
	p.Y.Min = 0
	if len(shells) == 0 {
		all := gradients.Shell{}
		for v := range values {
			all.Volumes = append(all.Volumes, v)
		}
		shells = []gradients.Shell{all}
	}
	if !math.IsNaN(level) {
		if _, err := line(p, plotter.XYs{{X: -1, Y: level}, {X: float64(len(values)), Y: level}}, plotInk, 1, 3, 2); err != nil {
			return "", err
		}
		p.Y.Max = 1.15 * level
	}
	weighted := 0
	for _, s := range shells {
		var xy plotter.XYs
		for _, v := range s.Volumes {
			if nullable(values[v]) != nil {
				xy = append(xy, plotter.XY{X: float64(v), Y: values[v]})
				p.Y.Max = max(p.Y.Max, 1.1*values[v])
			}
		}
		ink := shellColour(weighted, s.IsB0)
		if !s.IsB0 {
			weighted++
		}
		if len(xy) == 0 {
			continue
		}
		d, err := dots(p, xy, ink, 2.4, true)
		if err != nil {
			return "", err
		}
		if len(shells) > 1 && len(shells) <= len(shellColours) {
			p.Legend.Add(ShellLabel(s), d)
		}
	}
	p.Legend.Top = false
	p.Legend.YOffs, p.Legend.XOffs = vg.Points(6), vg.Points(6)
	if !(p.Y.Max > 0) {
		p.Y.Max = 1
	}
	return svgOf(p, 620, 200)
}

// curve is a distribution to be drawn.
type curve struct {
	name string
	ink  color.Color
	xy   plotter.XYs
	dash bool
}

// densityPlot draws distributions.
func densityPlot(x string, curves []curve) (string, error) {
	p := newPlot(x, "density")
	grid(p)
	p.Y.Tick.Marker = plot.ConstantTicks(nil)
	p.Legend.XOffs = vg.Points(255)
	for _, c := range curves {
		var dashes []float64
		if c.dash {
			dashes = []float64{3, 2}
		}
		l, err := line(p, c.xy, c.ink, 1.4, dashes...)
		if err != nil {
			return "", err
		}
		if c.name != "" {
			p.Legend.Add(c.name, l)
		}
	}
	return svgOf(p, 400, 220)
}

// residualCurves are the distribution of what was removed in σ, from counts over
// histogramSpan on both sides, beside a normal distribution of the same spread.
func residualCurves(counts []float64) []curve {
	total, square := 0.0, 0.0
	width := 2 * histogramSpan / float64(len(counts))
	centre := func(i int) float64 { return -histogramSpan + (float64(i)+0.5)*width }
	for i, c := range counts {
		total += c
		square += c * centre(i) * centre(i)
	}
	if total == 0 || square == 0 {
		return nil
	}
	spread := math.Sqrt(square / total)
	var seen, normal plotter.XYs
	for i, c := range counts {
		x := centre(i)
		seen = append(seen, plotter.XY{X: x, Y: c / total / width})
		normal = append(normal, plotter.XY{X: x, Y: math.Exp(-x*x/2/spread/spread) / spread / math.Sqrt(2*math.Pi)})
	}
	return []curve{{"removed", accent, seen, false}, {"normal, same spread", plotInk, normal, true}}
}

// sigmaCurve is the distribution of a noise map over a mask.
func sigmaCurve(sigma []float32, mask []bool) []curve {
	w, _, ok := quantiles(sigma, mask, 0.002, 0.998)
	if !ok || !(w.hi > w.lo) {
		return nil
	}
	const bins = 60
	var counts [bins]float64
	for i, v := range sigma {
		if u := (float64(v) - w.lo) / (w.hi - w.lo); mask[i] && u >= 0 && u < 1 {
			counts[int(u*bins)]++
		}
	}
	var xy plotter.XYs
	for i, c := range counts {
		xy = append(xy, plotter.XY{X: w.lo + (float64(i)+0.5)/bins*(w.hi-w.lo), Y: c})
	}
	return []curve{{"", accent, xy, false}}
}
