package phantom

import "math"

// field is a smooth random function of position with zero mean and unit variance: a cubic B-spline whose coefficients are
// independent normal numbers on a cubic lattice, repeated periodically. It has two continuous derivatives, and values
// further apart than four cells are independent.
type field struct {
	perCell float64 // 1 / length of a lattice cell
	mask    int     // lattice points along each axis, a power of two, minus 1
	coef    []float64
}

// extent is the largest distance between two points at which fields are evaluated, along one axis.
const extent = 3.0

// newField draws a field with the given length of a lattice cell in head coordinates. number tells fields apart.
func newField(seed uint64, number int, cell float64) *field {
	n := 4
	for float64(n)*cell < extent {
		n *= 2
	}
	rng := stream(seed, forField, number)
	// The squares of the cubic B-spline's weights add up to 151/315 on average along each axis.
	scale := math.Pow(151.0/315, -1.5)
	f := &field{perCell: 1 / cell, mask: n - 1, coef: make([]float64, n*n*n)}
	for i := range f.coef {
		f.coef[i] = scale * rng.NormFloat64()
	}
	return f
}

// splineWeights sets w to the four cubic B-spline weights at fraction u of a cell.
func splineWeights(w *[4]float64, u float64) {
	v := 1 - u
	w[0] = v * v * v / 6
	w[1] = 2.0/3 - u*u*(1-u/2)
	w[2] = 2.0/3 - v*v*(1-v/2)
	w[3] = u * u * u / 6
}

// splineSlopes sets w to the derivatives of the weights with respect to u.
func splineSlopes(w *[4]float64, u float64) {
	v := 1 - u
	w[0] = -v * v / 2
	w[1] = u * (1.5*u - 2)
	w[2] = v * (2 - 1.5*v)
	w[3] = u * u / 2
}

// support is the lattice points around a position, their weights, and the position within its cell, for each axis.
type support struct {
	index  [3][4]int
	weight [3][4]float64
	within [3]float64
}

func (f *field) support(s *support, p [3]float64) {
	n := f.mask + 1
	stride := 1
	for a := range 3 {
		t := p[a] * f.perCell
		floor := math.Floor(t)
		s.within[a] = t - floor
		splineWeights(&s.weight[a], s.within[a])
		for k := range 4 {
			s.index[a][k] = ((int(floor) + k - 1) & f.mask) * stride
		}
		stride *= n
	}
}

// at returns the field's value at p.
func (f *field) at(p [3]float64) float64 {
	var s support
	f.support(&s, p)
	x := s.index[0]
	w := s.weight[0]
	value := 0.0
	for k, wz := range s.weight[2] {
		plane := 0.0
		for j, wy := range s.weight[1] {
			line := f.coef[s.index[2][k]+s.index[1][j]:]
			plane += wy * (w[0]*line[x[0]] + w[1]*line[x[1]] + w[2]*line[x[2]] + w[3]*line[x[3]])
		}
		value += wz * plane
	}
	return value
}

// gradient returns the field's value and its derivatives at p.
func (f *field) gradient(p [3]float64) (float64, [3]float64) {
	var s support
	f.support(&s, p)
	var slope [3][4]float64
	for a := range 3 {
		splineSlopes(&slope[a], s.within[a])
	}
	value, g := 0.0, [3]float64{}
	for k := range 4 {
		for j := range 4 {
			base := s.index[2][k] + s.index[1][j]
			line, rise := 0.0, 0.0
			for i := range 4 {
				c := f.coef[base+s.index[0][i]]
				line += s.weight[0][i] * c
				rise += slope[0][i] * c
			}
			value += s.weight[2][k] * s.weight[1][j] * line
			g[0] += s.weight[2][k] * s.weight[1][j] * rise
			g[1] += s.weight[2][k] * slope[1][j] * line
			g[2] += slope[2][k] * s.weight[1][j] * line
		}
	}
	for a := range 3 {
		g[a] *= f.perCell
	}
	return value, g
}
