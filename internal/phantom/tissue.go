package phantom

import "math"

// voxel returns the tissue of the voxel around p with the given edges, in head coordinates.
func (h *head) voxel(p, edge [3]float64) voxel {
	f := h.fractions(p, edge)
	v := voxel{csf: f.csf, grey: f.grey, white: f.white}
	if f.csf+f.grey+f.white == 0 {
		return v
	}
	ph := &h.physics
	unit := whiteIntensity / ph.WhiteMatter.intensity(ph.TR, ph.TE)
	// T2 varies by some per cent; nuclei hold iron, which shortens it.
	vary := func(r Relaxation, factor float64) float64 {
		r.T2 *= factor
		return unit * r.intensity(ph.TR, ph.TE)
	}
	bias := h.receive(p)
	texture := h.texture.at(p)
	deep := 0.0
	if f.grey > 0 {
		deep = f.deep / f.grey
	}
	v.csfIntensity = bias * (1 + 0.015*texture) * vary(ph.CSF, 1)
	v.greyIntensity = bias * (1 + 0.035*texture) * vary(ph.GreyMatter, (1+0.03*h.grey.at(p))*(1-0.12*deep))
	v.whiteIntensity = bias * (1 + 0.035*texture) * vary(ph.WhiteMatter, 1+0.03*h.white.at(p))
	v.greyDiffusivity = ph.GreyDiffusivity * (1 + 0.06*h.greyD.at(p) + 0.02*texture - 0.06*deep)
	if f.white > 0 {
		v.axialDiffusivity = ph.AxialDiffusivity * (1 + 0.07*h.axial.at(p))
		v.stick = min(0.85, max(0.3, ph.StickFraction*(1+0.14*h.stick.at(p))))
		v.fibres = h.fibresAt(p)
	}
	return v
}

// fibresAt returns the fibre populations at p: commissural and radial fibres that cross the midline in the corpus callosum
// and fan out into the gyri, projection fibres that ascend, and association fibres that run along the surface. All bend
// smoothly at random; populations below a share of the strongest are absent.
func (h *head) fibresAt(p [3]float64) [3]fibre {
	x, y, z := p[0], p[1], p[2]
	side := math.Copysign(1, x)
	mirrored := mirror(p)
	below := (1 - radius(p)) * meanSemi

	across := 1 - smoothstep(0.08, 0.32, math.Abs(x))
	radial := unit3(x, 0.55*y, 0.8*z)
	course := [3][3]float64{
		unit3((1-across)*radial[0]+across*side, (1-across)*radial[1], (1-across)*radial[2]),
		unit3(0.45*x, 0.15*y+0.05, 1),
		unit3(-y*semiX/semiY, x*semiY/semiX+0.25*side, -0.15*z),
	}
	strength := [3]float64{
		0.45 + 1.6*bell(x, 0.16) + 1.4*bell(below-0.08, 0.09),
		0.40 + 1.8*bell(math.Abs(x)-0.24, 0.10)*bell(y+0.02, 0.30),
		0.30 + 1.3*bell(math.Abs(x)-0.44, 0.11) + 0.7*bell(math.Abs(x)-0.10, 0.05)*bell(z-0.24, 0.08),
	}
	var f [3]fibre
	largest := 0.0
	for i := range f {
		var bent [3]float64
		for c := range 3 {
			bent[c] = course[i][c] + 0.10*h.bend[i][c].at(p)
			twin := 0.20 * h.bend[i][c].at(mirrored)
			if c == 0 {
				twin *= side * (1 - across)
			}
			bent[c] += twin
		}
		f[i].direction = unit3(bent[0], bent[1], bent[2])
		f[i].fraction = strength[i] * math.Exp(0.35*h.weight[i].at(mirrored)+0.2*h.weight[i].at(p))
		largest = max(largest, f[i].fraction)
	}
	sum := 0.0
	for i := range f {
		f[i].fraction = max(0, f[i].fraction-0.3*largest)
		sum += f[i].fraction
	}
	for i := range f {
		f[i].fraction /= sum
	}
	return f
}

// receive is the receive bias: brighter towards the coils around the head, with mean 1 over the head.
func (h *head) receive(p [3]float64) float64 {
	r := radius(p)
	return math.Exp(0.16*(r*r-0.5)+0.10*h.bias.at(p)) / h.biasMean
}

// meanBias averages the bias over a fixed lattice, so that it does not depend on the image's grid.
func (h *head) meanBias() float64 {
	sum, count := 0.0, 0
	const step = 0.1
	for z := -0.8; z <= 0.8; z += step {
		for y := -1.0; y <= 1; y += step {
			for x := -1.0; x <= 1; x += step {
				if p := [3]float64{x, y, z}; radius(p) < 1 {
					sum += h.receive(p)
					count++
				}
			}
		}
	}
	return sum / float64(count)
}

// bell is a Gaussian of the given width with peak 1.
func bell(x, width float64) float64 { return math.Exp(-x * x / (2 * width * width)) }

func unit3(x, y, z float64) [3]float64 {
	n := norm3(x, y, z)
	if n == 0 {
		return [3]float64{0, 0, 1}
	}
	return [3]float64{x / n, y / n, z / n}
}
