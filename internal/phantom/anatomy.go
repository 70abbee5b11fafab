package phantom

import "math"

// Lengths below are in head coordinates, in which the field of view spans 2 from left to right; on a 64-voxel grid a voxel
// is 0.031. Distances are signed, negative inside.
const (
	semiX, semiY, semiZ = 0.76, 0.90, 0.78 // brain hull
	meanSemi            = 0.81
	fluidLayer          = 0.050 // fluid between brain and the outside
	cortexThickness     = 0.052
	fissureHalf         = 0.013 // half width of the fissure between the hemispheres
)

// head is an anatomy: shapes perturbed by random fields, and the fields that tissue properties follow.
type head struct {
	physics  Physics
	hull     *field // bumps of the outer surface
	fold     *field // sulci run along its zeros
	depth    *field // how deep sulci go
	cortex   *field // cortical thickness
	midline  *field
	warp     [3]*field // bends everything inside
	meander  [3]*field // bends sulci
	white    *field    // relaxation of white matter
	grey     *field
	texture  *field
	stick    *field
	axial    *field
	greyD    *field
	bias     *field
	weight   [3]*field
	bend     [3][3]*field // direction of each fibre population
	biasMean float64
}

func newHead(seed uint64) *head {
	number := 0
	draw := func(cell float64) *field {
		number++
		return newField(seed, number, cell)
	}
	h := &head{physics: defaultPhysics()}
	h.hull, h.fold, h.depth, h.cortex, h.midline = draw(0.35), draw(0.19), draw(0.16), draw(0.25), draw(0.4)
	h.white, h.grey, h.texture = draw(0.25), draw(0.2), draw(0.05)
	h.stick, h.axial, h.greyD, h.bias = draw(0.13), draw(0.25), draw(0.13), draw(0.55)
	for i := range 3 {
		h.warp[i] = draw(0.40)
		h.meander[i] = draw(0.16)
		h.weight[i] = draw(0.28)
		for c := range 3 {
			h.bend[i][c] = draw(0.35)
		}
	}
	h.biasMean = 1
	h.biasMean = h.meanBias()
	return h
}

// shape is where a point lies with respect to the surfaces of the head.
type shape struct {
	outer     float64 // outer surface of the fluid around the brain
	pia       float64 // surface of the brain, sulci included; negative inside
	cortex    float64 // thickness of the cortex here
	ventricle float64
	nucleus   float64 // deep grey matter
}

// radius is the distance from the centre relative to the brain hull's, which is egg-shaped: narrower in front.
func radius(p [3]float64) float64 {
	x := p[0] / (semiX * (1 - 0.07*p[1] - 0.10*p[1]*p[1]*p[1]))
	y, z := (p[1]+0.01)/semiY, p[2]/semiZ
	return math.Sqrt(x*x + y*y + z*z)
}

// local holds what varies so slowly that one value serves a whole voxel.
type local struct {
	bump      float64    // of the hull, inward
	outerBump float64    // of the outer surface, outward
	cortex    float64    // thickness of the cortex
	warp      [3]float64 // displacement of everything inside
	midline   float64    // displacement of the fissure between the hemispheres
	deepest   float64    // depth of sulci
}

func (h *head) local(p [3]float64) local {
	l := local{
		bump:      0.012 * h.hull.at([3]float64{p[0], p[1], p[2] + 0.5}),
		outerBump: 0.008 * h.hull.at(p),
		cortex:    cortexThickness * (1 + 0.15*h.cortex.at(p)),
		midline:   0.010 * h.midline.at(p),
		deepest:   max(0, 0.19+0.11*h.depth.at(mirror(p))),
	}
	for i, w := range h.warp {
		l.warp[i] = 0.028 * w.at(p)
	}
	return l
}

// mirror takes the left hemisphere to the right one: the two are much alike.
func mirror(p [3]float64) [3]float64 { return [3]float64{math.Abs(p[0]), p[1], p[2]} }

// locate measures a point.
func (h *head) locate(p [3]float64, l *local) shape {
	r := radius(p)
	s := shape{outer: (r-1)*meanSemi - fluidLayer - l.outerBump, cortex: l.cortex, ventricle: 1, nucleus: 1}
	below := (1-r)*meanSemi + l.bump // depth under the hull
	s.pia = -below
	if below < -0.1 {
		return s
	}
	q := [3]float64{p[0] + l.warp[0], p[1] + l.warp[1], p[2] + l.warp[2]}
	s.pia = max(s.pia, -h.sulcus(p, r, below, l.deepest), -fissure(q, q[0]+l.midline), -sylvian(q))
	if r < 0.8 {
		s.ventricle, s.nucleus = ventricle(q), nucleus(q)
	}
	return s
}

// sulcus is the distance to the nearest fold. Folds are sheets that hang radially from the surface: they follow the zeros
// of a field that depends on the direction from the centre, with slight meanders in depth. Both hemispheres follow one
// pattern, each bent in its own way.
func (h *head) sulcus(p [3]float64, r, below, deepest float64) float64 {
	if below > deepest+0.15 || r < 0.2 {
		return 1
	}
	q := mirror(p)
	scale := 1/r + 0.12*(1-r)
	for i, semi := range [3]float64{semiX, semiY, semiZ} {
		q[i] = (q[i] + 0.022*h.meander[i].at(p)) * scale / semi
	}
	value, g := h.fold.gradient(q)
	// |f|/|∇f| is the distance to the zero to first order. Only the slope along the surface counts: the field is read at
	// nearly the same distance from the centre everywhere.
	across := (g[0]*q[0] + g[1]*q[1] + g[2]*q[2]) / (q[0]*q[0] + q[1]*q[1] + q[2]*q[2])
	slope := norm3(g[0]-across*q[0], g[1]-across*q[1], g[2]-across*q[2])
	sheet := math.Abs(value) / (slope + 0.05) * meanSemi * r
	under := max(0, below-deepest)
	// Sulci gape at the surface and close with depth.
	half := 0.008 + 0.014*math.Exp(-below/0.06)
	return math.Sqrt(sheet*sheet+under*under) - half
}

// fissure is the distance to the gap between the hemispheres, which ends where the corpus callosum and the deep nuclei
// join them; x is the distance from the midline.
func fissure(p [3]float64, x float64) float64 {
	y, z := (p[1]+0.03)/0.47, p[2]/0.24
	joined := max(0, 1-math.Sqrt(y*y+z*z)) * 0.30
	return math.Sqrt(x*x+joined*joined) - fissureHalf
}

// sylvian is the distance to the lateral fissures: a sheet from the side of the brain inward, ending in one along the
// insula.
func sylvian(p [3]float64) float64 {
	x, y, z := math.Abs(p[0]), p[1], p[2]
	vertical := max(0, math.Abs(z+0.08)-0.22)
	// The insula is an arc, drawn as two straight pieces.
	stem := segment(x, y, 0.80, 0.20, 0.50, 0.06)
	front := segment(x, y, 0.43, 0.21, 0.49, 0.05)
	back := segment(x, y, 0.49, 0.05, 0.50, -0.12)
	d := min(stem, front, back)
	return math.Sqrt(d*d+vertical*vertical) - 0.015
}

// segment is the distance of (x, y) to the line from (ax, ay) to (bx, by).
func segment(x, y, ax, ay, bx, by float64) float64 {
	dx, dy := bx-ax, by-ay
	t := min(1, max(0, ((x-ax)*dx+(y-ay)*dy)/(dx*dx+dy*dy)))
	return math.Hypot(x-ax-t*dx, y-ay-t*dy)
}

// ventricle is the distance to the lateral ventricles, bent tubes that diverge in front and behind, and to the third
// ventricle, a slit between the thalami.
func ventricle(p [3]float64) float64 {
	x, y, z := math.Abs(p[0]), p[1], p[2]
	front, back := max(0, y-0.04), max(0, -0.12-y)
	cx := 0.072 + 0.95*front*front + 0.80*math.Pow(back, 1.35)
	cz := 0.10 - 0.35*front - 0.55*back*back - 0.25*back
	along := (y + 0.10) / 0.46 // -1 and 1 at the ends
	r := -0.02
	if e := 1 - along*along; e > 0 {
		r = 0.066*math.Sqrt(e) - 0.004 + 0.016*math.Exp(-(y+0.42)*(y+0.42)/0.012)
	}
	lateral := math.Hypot(x-cx, (z-cz)/1.8) - r
	third := (norm3(x/0.020, (y+0.06)/0.17, (z+0.10)/0.14) - 1) * 0.020
	return min(lateral, third)
}

// nucleus is the distance to the deep grey matter: thalamus, head of the caudate and lentiform nucleus of each side.
func nucleus(p [3]float64) float64 {
	x, y, z := math.Abs(p[0]), p[1], p[2]
	thalamus := (norm3((x-0.115-0.12*(-0.10-y))/0.080, (y+0.10)/0.155, (z+0.03)/0.11) - 1) * 0.09
	caudate := (norm3((x-0.175-0.45*(y-0.21))/0.050, (y-0.21)/0.125, (z-0.04)/0.12) - 1) * 0.06
	lentiform := (norm3((x-0.30+0.30*(y-0.07))/0.060, (y-0.07)/0.185, (z+0.05)/0.12) - 1) * 0.07
	return min(thalamus, caudate, lentiform)
}

func norm3(x, y, z float64) float64 { return math.Sqrt(x*x + y*y + z*z) }

// smoothstep rises from 0 at a to 1 at b with zero slope at both.
func smoothstep(a, b, x float64) float64 {
	t := min(1, max(0, (x-a)/(b-a)))
	return t * t * (3 - 2*t)
}

// fractions are the volume fractions of tissues in a voxel; what is missing to 1 is air.
type fractions struct{ csf, grey, white, deep float64 } // deep is the part of grey in nuclei

// fractions averages over points inside the voxel around p with the given edges; between points, surfaces are taken as
// flat.
func (h *head) fractions(p, edge [3]float64) fractions {
	const n = 2
	var sum fractions
	// A voxel that is far outside needs no closer look.
	if (radius(p)-1)*meanSemi-fluidLayer > 0.04+max(edge[0], edge[1], edge[2]) {
		return sum
	}
	l := h.local(p)
	width := (edge[0] + edge[1]) / 2 / n
	for i := range n * n * n {
		q := p
		for a, k := range [3]int{i % n, i / n % n, i / (n * n)} {
			q[a] += edge[a] * ((float64(k)+0.5)/n - 0.5)
		}
		s := h.locate(q, &l)
		inside := func(d float64) float64 { return min(1, max(0, 0.5-d/width)) }
		in := inside(s.outer) / (n * n * n)
		brain := inside(s.pia) * in
		cortex := brain * (1 - inside(s.pia+s.cortex))
		v := inside(s.ventricle)
		grey := cortex * (1 - v)
		deep := (brain - cortex) * (1 - v) * inside(s.nucleus)
		sum.grey += grey + deep
		sum.deep += deep
		sum.white += (brain-cortex)*(1-v) - deep
		sum.csf += in - brain + brain*v
	}
	return sum
}
